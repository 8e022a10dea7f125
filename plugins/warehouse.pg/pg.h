/* SPDX-License-Identifier: MIT */
/* An instance of warehouse.pg: what it is made of, and who may touch which
 * part.
 *
 *   pg.c         options, lifecycle, what the lane's thread calls
 *   options.h    what the operator wrote
 *   delivery.c   a batch among the connections: shares out, one outcome back
 *   conn.h       a connection's thread: worker.c, attempt.c, copy.c
 *   lanes.h      the table of positions: exactly once, and the fence
 *   plan.h       what the target table looks like, and what fills its columns
 *   encode.h     events to rows in COPY format, binary or text; put.h
 *   conflict.h   on_conflict: a key that is there; fold.h: a key that repeats
 *   link.h       one connection to Postgres; hosts.h: which of several
 *   fault.h      what went wrong, and what each SQLSTATE means for the lane
 *   sql.h        building SQL text
 *   ddl.h        the DDL of the target and of the lanes table
 *   partition.h  partitions by time
 *   changes.h    `plan` and `apply`
 *   probe.h      `check --online`; find.h: `why --online`
 *   replay.h     `replay`: rows beside those that the table has
 *   show.h       `test` and `dead show --render`; catalog.h: `ddl --save`
 *
 * Threads: the lane's calls write(), resume() and flush(), and encodes batches,
 * in as many jobs as there are connections; the thread of each connection sends
 * its own.  open, start, stop and close come from the main thread, while none
 * of the others runs.
 *
 * No lock is held while a thread waits for Postgres. */
#ifndef PG_H
#define PG_H

#include <pthread.h>
#include <time.h>

#include "conn.h"
#include "delivery.h"
#include "encode.h"
#include "lanes.h"
#include "link.h"
#include "options.h"
#include "plan.h"

struct pg_counts {
    struct il_counter *rows, *rejects, *replaced, *reconnects, *sent;
    struct il_counter *folded, *ignored; /* of on_conflict; NULL without */
};

/* resume() asks, and waits; the first connection answers. */
struct pg_resume {
    int asked, done, err;
    uint64_t local, position;
    uint64_t there;  /* UINT64_MAX: there is no row that tells */
    int rewind;      /* the rows have to go back to local */
    const char *was; /* the lane's name before; NULL: it had none */
};

/* Between the threads: protected by its lock. */
struct pg_shared {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct delivery deliveries[DELIVERY_IN_FLIGHT];
    struct delivery *queue, *idle; /* not settled, in order; free */
    struct plan *plan;             /* the latest; NULL: not read yet */
    int busy;                      /* batches taken and not settled */
    uint64_t broken; /* id of the batch that has to come again before any later
                      * one does; 0: none */
    uint64_t folded, ignored; /* since the start */
    struct pg_resume resume;
};

struct replay;

struct pg {
    const struct il_host *host;
    struct options opt;      /* constant after open */
    struct pg_counts counts; /* the same */
    struct link_stop stop;
    struct encoder lane_enc; /* the lane thread's own */
    struct lanes lanes;      /* the lane's side; lanes.h says who touches it */
    struct pg_shared shared;
    struct plan *shown; /* the table that render() takes for granted; NULL: none
                         * yet.  Of whoever calls it. */
    struct replay *replay; /* NULL: none was asked for.  Of whoever calls it */
    struct conn *conns;    /* each its own thread's */
    uint32_t started;      /* threads; the main thread's */
    pthread_t keeper;      /* makes partitions; where it keeps */
    int keeps;
    uint32_t process; /* 24 random bits, constant after open */
};

/* That many milliseconds from now, for the conditions of pg_shared. */
static inline void
pg_after_ms(struct timespec *t, uint32_t ms)
{
    clock_gettime(CLOCK_MONOTONIC, t);
    t->tv_sec += ms / 1000;
    t->tv_nsec += (long) (ms % 1000) * 1000000;
    if (t->tv_nsec >= 1000000000) {
        t->tv_sec++;
        t->tv_nsec -= 1000000000;
    }
}

#endif
