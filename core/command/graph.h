/* SPDX-License-Identifier: MIT */
/* A config as a picture: what flows into what, and how it fares.
 *
 *   graph.c        the command
 *   graph_read.c   from the config that counts, as JSON, and two samples
 *   graph_text.c   for a terminal; and for Graphviz
 *   graph_svg.c    drawn here */
#ifndef COMMAND_GRAPH_H
#define COMMAND_GRAPH_H

#include "figures.h"

/* A source, a step or a destination. */
struct graph_part {
    struct slice name, plugin;
    struct slice when;    /* of a destination; len 0: none */
    struct il_text about; /* of a step: the first of its options that is set */
    struct graph_part *steps; /* of a destination: its own */
    size_t step_count;
    /* While the daemon runs, of a source or a destination: */
    const char *state; /* "running", ...; "absent": it is not there; or NULL */
    char live[96];     /* "1.2k/s, 30 behind"; "": nobody knows */
};

struct graph_from {
    size_t source;
    struct il_text match; /* all of this source, ", " between two */
};

struct graph_pipeline {
    struct slice name, status;
    struct graph_from *from;
    size_t from_count;
    struct graph_part *steps, *destinations;
    size_t step_count, destination_count;
};

struct graph {
    struct il_text packed; /* what names and the like point into */
    struct graph_part *sources;
    size_t source_count;
    struct graph_pipeline *pipelines;
    size_t pipeline_count;
};

/* 0; -EPROTO: this is no config; or -ENOMEM.  command_graph_free() either
 * way. */
int command_graph_read(struct graph *, struct slice json);
/* How all of it fares; before as command_pair_at() takes it. */
void command_graph_live(struct graph *, const struct command_sample *before,
                        const struct command_sample *now);
void command_graph_free(struct graph *);

/* Appended; 0 or -ENOMEM. */
int command_graph_text(struct il_text *, const struct graph *);
int command_graph_dot(struct il_text *, const struct graph *);
int command_graph_svg(struct il_text *, const struct graph *);

/* Append at most so many characters, and what they mean to this writer: escapes.
 * A cut is shown. */
enum { GRAPH_PLAIN, GRAPH_DOT, GRAPH_XML };
int command_graph_put(struct il_text *, struct slice, size_t most, int kind);

#endif
