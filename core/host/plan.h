/* SPDX-License-Identifier: MIT */
/* What a config asks for: sources, pipelines and the plugins they name, checked
 * and cross-checked, with nothing opened yet. */
#ifndef PLAN_H
#define PLAN_H

#include "base/rate.h"
#include "schema/schema.h"
#include "lane/lane.h"
#include "plugin/loader.h"

enum plan_status { PLAN_ACTIVE, PLAN_PAUSED, PLAN_DRAFT };

/* One plugin in its place.  plugin is NULL where it could not be loaded. */
struct plan_part {
    const char *name;  /* of the source, step ("1") or destination */
    const char *where; /* pipeline "orders", step 1 (filter.match) */
    const struct plugin *plugin;
    const struct il_conf *options; /* the plugin's */
    const struct il_conf *place;   /* the host's: name, when, ... */
    int faults; /* findings so far, unknown keys apart: not to be opened */
};

struct plan_source {
    struct plan_part part;
    int accept_undeclared;
    int ticks; /* its events only say that time passes */
    struct rate rate;
    uint64_t max_undelivered; /* bytes; 0: no limit */
};

struct plan_destination {
    struct plan_part part;
    const char *lane;        /* "pipeline/destination" */
    struct plan_part *steps; /* of its own, after `when` */
    size_t step_count;
};

struct plan_pipeline {
    const char *name;
    const struct il_conf *options;
    enum plan_status status;
    struct lane_match *matches;
    size_t match_count;
    struct plan_part *steps;
    size_t step_count;
    struct plan_destination *destinations;
    size_t destination_count;
    struct schema_events declared; /* events that it takes */
    int closed; /* no other events can arrive */
};

struct http_inherited;

struct plan {
    struct conf *conf;
    struct loader *loader;
    const struct il_conf *root;
    struct schema *schema;
    struct plan_source *sources;
    size_t source_count;
    struct plan_pipeline *pipelines;
    size_t pipeline_count;
    size_t events_lack; /* declarations, and fields of them, that were not
                         * understood */
    int broken; /* a file could not be parsed: names may be missing */
};

/* Read the files and the host's own keys.  Always a plan, with what could be
 * understood; look at conf_errors(plan->conf). */
struct plan *plan_parse(const char *path);
/* The same of a text, in which nothing is named from where it stands. */
struct plan *plan_parse_text(const char *name, const char *text, size_t len);
/* Load the plugins it names and check everything against their tables. */
void plan_load(struct plan *);
/* Only what `events` declares, instead of plan_load(): for commands that need
 * neither plugins nor secrets. */
void plan_load_events(struct plan *);
/* Before it runs, once everything else was found: what a start needs beside a
 * config that is right.  A state_dir; and, where there are no errors so far,
 * a user, a place for the state_dir, addresses that nobody else has.  Leaves
 * no trace (plan_start.c).  Addresses that are inherited are the daemon's own;
 * NULL: nobody knows, it is only a check. */
void plan_check_start(struct plan *, const struct http_inherited *);
void plan_free(struct plan *);

/* The lane of a name, and the first that had it before; or NULL. */
const struct plan_destination *plan_find_lane(const struct plan *,
                                              const char *name);
const struct plan_destination *plan_find_was(const struct plan *,
                                             const char *was);

/* Has the lane begun, or will a start find where it begins? */
int plan_begins(const struct plan_destination *, const char *state_dir);

/* The declared events whose type fits one of the globs (plan_events.c). */
void plan_declared(const struct plan *, const struct lane_match *, size_t n,
                   struct schema_events *out);

#endif
