/* SPDX-License-Identifier: MIT */
/* A batch on its way: shared out among the connections, and settled once when
 * the last of them has done its part.
 *
 * Each connection takes its jobs in the order of the batches, and none waits
 * for another, so that one may be ahead of the others by as many batches as are
 * in flight.  A small batch goes over the first connection alone, in a
 * transaction that moves the rows of all; such a batch waits for those before
 * it, and those behind it for it. */
#include "pg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
deliveries_open(struct pg *pg)
{
    for (uint32_t i = 0; i < PG_IN_FLIGHT; i++) {
        struct delivery *d = &pg->deliveries[i];
        d->next = pg->idle;
        pg->idle = d;
        d->jobs = calloc(pg->connections, sizeof *d->jobs);
        for (uint32_t k = 0; d->jobs && k < pg->connections; k++) {
            d->jobs[k].of = d;
            if (!(d->jobs[k].wire = il_text_new(pg->host)))
                return -ENOMEM;
        }
        if (!d->jobs)
            return -ENOMEM;
    }
    return 0;
}

static void
job_free(const struct pg *pg, struct job *job)
{
    plan_unref(job->plan);
    if (job->wire)
        il_text_free(pg->host, job->wire);
    free(job->rows);
    free(job->parts);
    free(job->order);
}

void
deliveries_close(struct pg *pg)
{
    for (uint32_t i = 0; i < PG_IN_FLIGHT; i++) {
        struct delivery *d = &pg->deliveries[i];
        for (uint32_t k = 0; d->jobs && k < pg->connections; k++)
            job_free(pg, &d->jobs[k]);
        free(d->jobs);
        pthread_mutex_destroy(&d->lock);
    }
}

/* --- in ------------------------------------------------------------------ */

/* Can any of its events be done?  With pg->lock held. */
static int
some_done(const struct pg *pg, const struct job *job)
{
    uint64_t id = il_batch_id(job->batch);
    for (uint32_t k = job->first; k < job->end; k++)
        if (pg->conns[k].position >= id)
            return 1;
    return lanes_top(pg) >= id;
}

uint32_t
delivery_keep(struct pg *pg, struct job *job)
{
    uint32_t count = il_batch_count(job->batch), kept = 0;
    if (pg->mode != PG_MODE_LANES)
        return 0;
    pthread_mutex_lock(&pg->lock);
    for (uint32_t i = some_done(pg, job) ? 0 : count; i < count; i++) {
        uint64_t position = il_batch_position(job->batch, i);
        if (!job_has(job, position) || !lanes_done(pg, position))
            continue;
        il_keep(job->batch, i);
        kept++;
    }
    pthread_mutex_unlock(&pg->lock);
    return kept;
}

/* What is done is known before any of the batch is committed, because then its
 * dead letters are made, and those of what is done are to stay. */
static int
prepare_jobs(struct pg *pg, struct delivery *d, struct plan *plan)
{
    int err = 0;
    for (uint32_t k = 0; k < d->count; k++) {
        struct job *job = &d->jobs[k];
        job->batch = d->batch;
        job->stage = JOB_WAITS;
        job->first = k;
        job->end = d->count == 1 ? pg->connections : k + 1;
        job->connections = pg->connections;
        job->merge = 0;
        job->refused = 0;
        job->kept = delivery_keep(pg, job);
        plan_unref(job->plan);
        job->plan = NULL;
        /* Without a plan the connection encodes, once it has one. */
        if (plan && !err)
            err = encode_job(&pg->lane_enc, job, plan);
    }
    return err;
}

static void
mark_out_of_turn(struct delivery *d)
{
    d->out_of_turn = 1;
    if (d->fault)
        return;
    d->fault = PG_ACT_RETRY;
    snprintf(d->why, sizeof d->why, "an earlier batch comes again");
}

/* After a failure the batch that failed comes first; one behind it may have
 * been handed over before the host knew. */
static void
enqueue(struct pg *pg, struct delivery *d)
{
    struct delivery **end = &pg->queue;
    while (*end)
        end = &(*end)->next;
    *end = d;
    pg->busy++;
    if (pg->broken && il_batch_id(d->batch) > pg->broken)
        mark_out_of_turn(d);
    else
        pg->broken = 0;
    pthread_cond_broadcast(&pg->work);
}

int
delivery_take(struct pg *pg, struct il_batch *batch, struct il_ack *ack)
{
    uint32_t n = pg->connections;
    pthread_mutex_lock(&pg->lock);
    struct delivery *d = pg->idle;
    if (d)
        pg->idle = d->next;
    struct plan *plan = plan_ref(pg->plan);
    pthread_mutex_unlock(&pg->lock);
    if (!d) {
        plan_unref(plan);
        return -EAGAIN;
    }
    d->batch = batch;
    d->ack = ack;
    d->next = NULL;
    d->count = d->left = il_batch_count(batch) >= n * PG_SHARE_MIN ? n : 1;
    d->out_of_turn = 0;
    d->fault = 0;
    int err = prepare_jobs(pg, d, plan);
    plan_unref(plan);
    pthread_mutex_lock(&pg->lock);
    if (err) {
        d->next = pg->idle;
        pg->idle = d;
    } else {
        enqueue(pg, d);
    }
    pthread_mutex_unlock(&pg->lock);
    return err;
}

/* --- out ----------------------------------------------------------------- */

struct job *
delivery_next(struct conn *c)
{
    struct pg *pg = c->pg;
    for (struct delivery *d = pg->queue; d; d = d->next) {
        int whole = d->count == 1;
        if (whole && (c->index || d != pg->queue))
            return NULL;
        if (d->jobs[c->index].stage == JOB_WAITS)
            return &d->jobs[c->index];
        if (whole)
            return NULL;
    }
    return NULL;
}

static int
outcome(enum pg_action fault)
{
    return !fault                       ? IL_OK
           : fault == PG_ACT_PAUSE      ? IL_PAUSE
           : fault == PG_ACT_FENCED     ? IL_FENCED
           : fault == PG_ACT_SET_BACK   ? IL_SET_BACK
                                        : IL_RETRY;
}

/* With pg->lock held, which is given up meanwhile.  The delivery goes back
 * first: settling may bring the next write(). */
static void
settle(struct pg *pg, struct delivery *d)
{
    struct il_ack *ack = d->ack;
    int as = outcome(d->fault);
    char why[PG_WHY] = "";
    if (d->fault)
        memcpy(why, d->why, sizeof why);
    struct delivery **at = &pg->queue;
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    d->next = pg->idle;
    pg->idle = d;
    pthread_mutex_unlock(&pg->lock);
    il_settle(ack, as, *why ? why : NULL);
    pthread_mutex_lock(&pg->lock);
    pg->busy--;
    pthread_cond_broadcast(&pg->done);
}

/* A batch failed: those behind it have to come again, too, or the lane's
 * position would pass over it. */
static void
job_failed(struct pg *pg, struct delivery *d, enum pg_action fault,
           const char *why)
{
    uint64_t id = il_batch_id(d->batch);
    if (fault > d->fault) {
        d->fault = fault;
        snprintf(d->why, sizeof d->why, "%s", why);
    }
    if (!pg->broken || id < pg->broken)
        pg->broken = id;
    for (struct delivery *later = d->next; later; later = later->next)
        mark_out_of_turn(later);
}

void
delivery_ended(struct pg *pg, struct job *job, enum pg_action fault,
               const char *why)
{
    struct delivery *d = job->of;
    pthread_mutex_lock(&pg->lock);
    job->stage = JOB_ENDED;
    if (fault)
        job_failed(pg, d, fault, why);
    if (!--d->left) {
        settle(pg, d);
        pthread_cond_broadcast(&pg->work);
    }
    pthread_mutex_unlock(&pg->lock);
}

void
deliveries_stop(struct pg *pg)
{
    pthread_mutex_lock(&pg->lock);
    while (pg->queue) {
        if (!pg->queue->fault)
            job_failed(pg, pg->queue, PG_ACT_RETRY, "stopping");
        settle(pg, pg->queue);
    }
    pthread_mutex_unlock(&pg->lock);
}
