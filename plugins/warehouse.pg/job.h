/* SPDX-License-Identifier: MIT */
/* What one connection writes of a batch.
 *
 * An event belongs to the connection that its position names, 64 positions in a
 * row to one, so that any process tells alike which of them has it.  A job is
 * in one hand at a time: the lane's thread fills it and puts it into the
 * queue, the connection's thread takes it out, and the last of a batch settles
 * it.  Only `stage` is looked at by both, under the lock of struct pg_shared.
 */
#ifndef PG_JOB_H
#define PG_JOB_H

#include "options.h"

/* Fault campaigns, whose batches are small, are also run with 1 for both:
 * make CPPFLAGS="-DPG_STRIPE=1 -DPG_SHARE_MIN=1". */
#ifndef PG_STRIPE
#define PG_STRIPE 64 /* so many positions in a row are of one connection */
#endif
#ifndef PG_SHARE_MIN
#define PG_SHARE_MIN 256 /* events for each; smaller batches go over one */
#endif

struct delivery;
struct plan;

/* A run of rows that fill the same columns. */
struct part {
    int merge;               /* what is in the table already stays as it is */
    const uint64_t *omitted; /* columns left to their defaults, in job->sets */
    uint32_t first, end;
};

struct place {
    const uint64_t *omitted;
    uint32_t event;
    uint16_t words; /* of omitted */
    uint8_t merge;
    uint8_t begins; /* a part */
};

struct row {
    uint32_t event;
    size_t end; /* in the wire text; it starts where the one before ends */
};

enum job_stage { JOB_WAITS, JOB_TAKEN, JOB_ENDED };

struct job {
    struct delivery *of;
    struct il_batch *batch;
    struct plan *plan; /* what wire was made with; NULL: not encoded */
    struct il_text *wire;
    struct row *rows;
    struct part *parts;
    struct place *order; /* events in the order of their rows */
    uint64_t *sets;      /* of each place, where the plan has such columns */
    size_t set_capacity; /* words */
    uint32_t row_count, part_count, capacity;
    int merge; /* an earlier process may have written its rows */
    int plain; /* on_conflict does not concern it */
    int apart; /* on_conflict: no event shares a row with another */
    /* Events of each connection up to here may be in the table already; 0:
     * none of this batch. */
    uint64_t maybe[PG_CONNECTIONS_MAX];
    uint32_t kept;    /* events that were done before */
    uint32_t misfits; /* events that no row could be made of */
    uint32_t refused; /* events whose rows Postgres refused */
    uint32_t folded;  /* events that share a row with a later one */
    uint32_t ignored; /* events that a row of this batch made void */
    uint64_t replaced;
    int binary;
    int numbered; /* rows begin with their number, and have all columns */
    int stage;    /* enum job_stage; the shared lock */
    uint32_t first, end;  /* its connections: one, or all for a small batch */
    uint32_t connections; /* that there are */
};

/* Is the event at this position of the job's connections? */
static inline int
job_has(const struct job *job, uint64_t position)
{
    if (job->end - job->first == job->connections)
        return 1;
    return position / PG_STRIPE % job->connections == job->first;
}

/* May the event at this position be in the table already? */
static inline int
job_maybe(const struct job *job, uint64_t position)
{
    return position <= job->maybe[position / PG_STRIPE % job->connections];
}

#endif
