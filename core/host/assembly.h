/* SPDX-License-Identifier: MIT */
/* A plan with every plugin opened: what check, ddl and run have in common. */
#ifndef ASSEMBLY_H
#define ASSEMBLY_H

#include "plan.h"
#include "plugin/instance.h"
#include "plugin/serial.h"

/* One lane: a destination and its own instances of the steps. */
struct assembly_lane {
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
    struct lane *lane;         /* once it runs */
};

struct assembly {
    struct plan *plan;
    struct il_host *sources; /* plan->source_count */
    struct assembly_lane *lanes;
    size_t lane_count;
};

/* Open every instance that has no faults yet.  Always an assembly; look at
 * conf_errors(plan->conf).  Takes the plan over. */
struct assembly *assembly_open(struct plan *);
/* How many of its lanes run, or wait paused: a draft's are only checked. */
size_t assembly_lanes_run(const struct assembly *);
/* Close what is open. */
void assembly_close(struct assembly *);
/* The same, and free the plan as well. */
void assembly_free(struct assembly *);

#endif
