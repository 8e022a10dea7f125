/* SPDX-License-Identifier: MIT */
/* What the verbs of `ingestlayer spool` have in common. */
#ifndef COMMAND_SPOOL_H
#define COMMAND_SPOOL_H

#include "progress.h"

struct spool_look {
    char dir[4096];
    uint64_t from, to;
    int json;
    uint64_t frames, bytes, marks, damaged; /* so far; inspect: of a segment */
    uint64_t first, last;
    char segment[64]; /* inspect: the one that the counts belong to */
    struct il_text line;
    uint64_t at, begin; /* the position at hand, the first one of the walk */
    struct command_progress progress;
};

/* 0, 1: not all is sound, or it was interrupted, which is said; or a negative
 * errno. */
int command_spool_verify(struct spool_look *);
int command_spool_inspect(struct spool_look *);
int command_spool_export(struct spool_look *);

/* The walk is at this position: 0, or -EINTR. */
int command_spool_at(struct spool_look *, uint64_t position);
/* Say where to go on. */
void command_spool_interrupted(const struct spool_look *, const char *verb);

#endif
