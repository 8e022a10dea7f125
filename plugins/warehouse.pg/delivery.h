/* SPDX-License-Identifier: MIT */
/* A batch on its way: shared out among the connections, and settled once when
 * the last of them has done its part.
 *
 * Each connection takes its jobs in the order of the batches, and none waits
 * for another, so that one may be ahead of the others by as many batches as are
 * in flight.  A small batch goes over the first connection alone, in a
 * transaction that moves the rows of all; such a batch waits for those before
 * it, and those behind it for it.
 *
 * Batches are settled in any order, but go in order: when one has to come
 * again, so do those behind it (shared.broken), or the lane's position would
 * pass over it.
 *
 * Two locks.  pg->shared.lock: the queue, the stages of jobs, and the fields
 * below that say so.  delivery.lock: the batch itself, its marks and its
 * memory, which jobs of several connections touch.  Never both at once but in
 * this order: the delivery's first. */
#ifndef PG_DELIVERY_H
#define PG_DELIVERY_H

#include <pthread.h>

#include "fault.h"
#include "job.h"

#define DELIVERY_IN_FLIGHT 2

struct pg;
struct conn;

struct delivery {
    struct il_batch *batch;
    struct il_ack *ack;
    struct job *jobs;     /* room for one of each connection */
    pthread_mutex_t lock; /* the batch: its marks, and its memory */

    /* protected by pg->shared.lock */
    uint32_t count, left; /* jobs; those that have not ended */
    int out_of_turn;      /* an earlier batch comes again, and then this one */
    enum pg_action fault; /* the worst that happened to a job; 0: nothing */
    char why[FAULT_WHY];
    struct delivery *next;
};

int delivery_open_all(struct pg *);
void delivery_close_all(struct pg *);
/* write(): take a batch, shared out and encoded as far as that is possible.
 * -EAGAIN: there is no room. */
int delivery_take(struct pg *, struct il_batch *, struct il_ack *);
/* Mark those events of a job that are done; how many there are. */
uint32_t delivery_keep(struct pg *, struct job *);
/* With pg->shared.lock held: what the connection does next, or NULL. */
struct job *delivery_next(struct conn *);
/* A job has ended, well (fault 0) or not; the last of a batch settles it. */
void delivery_ended(struct pg *, struct job *, enum pg_action fault,
                    const char *why);
/* Once no thread runs: those that are left come again. */
void delivery_stop_all(struct pg *);

#endif
