/* SPDX-License-Identifier: MIT */
/* A plan with every plugin opened: what check, ddl and run have in common.
 *
 * A daemon that reads its config again has two for a while.  What says the same
 * in both goes on as it is: the new assembly takes it over, and the old one's
 * memory stays for as long as anything in it is used. */
#ifndef ASSEMBLY_H
#define ASSEMBLY_H

#include "plan.h"
#include "cells/cells.h"
#include "plugin/instance.h"
#include "plugin/serial.h"

struct assembly;

/* One source. */
struct assembly_source {
    struct assembly *of;   /* whose memory it is in */
    struct assembly *held; /* who closes it */
    uint64_t print;        /* what the config says of it, as a hash */
    const struct plan_source *plan;
    struct il_host host;
    struct assembly_route *routes; /* what is served of it */
};

/* One lane: a destination and its own instances of the steps. */
struct assembly_lane {
    struct assembly *of, *held; /* as above */
    uint64_t print;
    const struct plan_pipeline *pipeline;
    const struct plan_destination *plan;
    struct il_host *steps; /* the pipeline's, then the destination's own */
    size_t step_count;
    uint64_t lineage; /* of what comes behind the last step opened so far */
    int remembers;    /* some of them */
    struct il_host destination;
    struct il_expr *when; /* or NULL */
    struct lane_step *lane_steps;
    struct serial *step_turns;
    struct serial turns;       /* of the destination */
    const char *was;           /* in place of what the config says; or NULL */
    struct lane *lane;         /* once it runs */
};

struct assembly {
    struct plan *plan;
    struct assembly_source **sources; /* plan->source_count */
    struct assembly_lane **lanes;
    size_t lane_count;
    size_t users; /* itself, and each of its own that another shows */
    /* Others whose plan something of its own was opened anew by. */
    struct assembly_need {
        struct assembly_need *next;
        struct assembly *of;
    } *needs;
};

/* Open every instance that has no faults yet.  Always an assembly; look at
 * conf_errors(plan->conf).  Takes the plan over. */
struct assembly *assembly_open(struct plan *);
/* How many of its lanes run, or wait paused: a draft's are only checked. */
size_t assembly_lanes_run(const struct assembly *);
struct assembly_lane *assembly_find_lane(const struct assembly *,
                                         const char *name);
struct assembly_source *assembly_find_source(const struct assembly *,
                                             const char *name);

/* What of it decides about events: all that lane_dry_new() asks for. */
struct lane_spec assembly_decides(const struct assembly_lane *);
/* What its steps remember, for lane_remembers(); how many of them there are. */
size_t assembly_memories(const struct assembly_lane *,
                         struct il_memory *out[CELLS_MEMORIES_MAX]);
/* Its match, steps and `when` by themselves (lane/dry.h).  What steps remember is in
 * a folder that goes with them: STATE_DIR/instances/NAME, which nobody else uses; or,
 * where state_dir is NULL, one in TMPDIR.  out is zeroed before; 0 or a negative
 * errno, and then to be freed as well. */
struct assembly_dry {
    struct lane_dry *steps;
    char folder[4096]; /* "": they remember nothing */
};
int assembly_dry_new(const struct assembly_lane *, struct entities *,
                     const uint8_t spool[16], const char *state_dir,
                     const char *name, struct assembly_dry *out);
void assembly_dry_free(struct assembly_dry *);

/* In place of its own i-th, which is closed, have one that another has opened,
 * and that goes on. */
void assembly_take_lane(struct assembly *, size_t i, struct assembly_lane *);
void assembly_take_source(struct assembly *, size_t i,
                          struct assembly_source *);
/* Open one anew that was closed, or was another's: 0, or -EINVAL with findings
 * in the plan's conf. */
int assembly_open_lane(struct assembly *, size_t i);
int assembly_open_source(struct assembly *, size_t i);

/* Close what is open. */
void assembly_close(struct assembly *);
/* The same, and free the plan as well, and what was taken over from others that
 * are freed already. */
void assembly_free(struct assembly *);

#endif
