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
delivery_open_all(struct pg *pg)
{
    for (uint32_t i = 0; i < DELIVERY_IN_FLIGHT; i++) {
        struct delivery *d = &pg->shared.deliveries[i];
        d->next = pg->shared.idle;
        pg->shared.idle = d;
        d->jobs = calloc(pg->opt.connections, sizeof *d->jobs);
        for (uint32_t k = 0; d->jobs && k < pg->opt.connections; k++) {
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
    free(job->sets);
}

void
delivery_close_all(struct pg *pg)
{
    for (uint32_t i = 0; i < DELIVERY_IN_FLIGHT; i++) {
        struct delivery *d = &pg->shared.deliveries[i];
        for (uint32_t k = 0; d->jobs && k < pg->opt.connections; k++)
            job_free(pg, &d->jobs[k]);
        free(d->jobs);
        pthread_mutex_destroy(&d->lock);
    }
}

/* --- in ------------------------------------------------------------------ */

/* Can any of its events be done?  With pg->shared.lock held. */
static int
some_done(const struct pg *pg, const struct job *job)
{
    uint64_t id = il_batch_id(job->batch);
    for (uint32_t k = job->first; k < job->end; k++)
        if (pg->lanes.positions[k] >= id)
            return 1;
    return lanes_top(&pg->lanes) >= id;
}

uint32_t
delivery_keep(struct pg *pg, struct job *job)
{
    uint32_t count = il_batch_count(job->batch), kept = 0;
    if (pg->lanes.mode != PG_MODE_LANES)
        return 0;
    pthread_mutex_lock(&pg->shared.lock);
    for (uint32_t i = some_done(pg, job) ? 0 : count; i < count; i++) {
        uint64_t position = il_batch_position(job->batch, i);
        if (!job_has(job, position) || !lanes_done(&pg->lanes, position))
            continue;
        il_keep(job->batch, i);
        kept++;
    }
    pthread_mutex_unlock(&pg->shared.lock);
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
        job->end = d->count == 1 ? pg->opt.connections : k + 1;
        job->connections = pg->opt.connections;
        job->merge = 0;
        job->apart = 0;
        job->refused = 0;
        job->kept = delivery_keep(pg, job);
        pthread_mutex_lock(&pg->shared.lock);
        lanes_maybe(&pg->lanes, job);
        pthread_mutex_unlock(&pg->shared.lock);
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
    struct delivery **end = &pg->shared.queue;
    while (*end)
        end = &(*end)->next;
    *end = d;
    pg->shared.busy++;
    if (pg->shared.broken && il_batch_id(d->batch) > pg->shared.broken)
        mark_out_of_turn(d);
    else
        pg->shared.broken = 0;
    pthread_cond_broadcast(&pg->shared.work);
}

int
delivery_take(struct pg *pg, struct il_batch *batch, struct il_ack *ack)
{
    uint32_t n = pg->opt.connections;
    pthread_mutex_lock(&pg->shared.lock);
    struct delivery *d = pg->shared.idle;
    if (d)
        pg->shared.idle = d->next;
    struct plan *plan = plan_ref(pg->shared.plan);
    pthread_mutex_unlock(&pg->shared.lock);
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
    pthread_mutex_lock(&pg->shared.lock);
    if (err) {
        d->next = pg->shared.idle;
        pg->shared.idle = d;
    } else {
        enqueue(pg, d);
    }
    pthread_mutex_unlock(&pg->shared.lock);
    return err;
}

/* --- out ----------------------------------------------------------------- */

struct job *
delivery_next(struct conn *c)
{
    struct pg *pg = c->pg;
    for (struct delivery *d = pg->shared.queue; d; d = d->next) {
        int whole = d->count == 1;
        if (whole && (c->index || d != pg->shared.queue))
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
    return !fault                     ? IL_OK
           : fault == PG_ACT_PAUSE    ? IL_PAUSE
           : fault == PG_ACT_FENCED   ? IL_FENCED
           : fault == PG_ACT_SET_BACK ? IL_SET_BACK
                                      : IL_RETRY;
}

/* With pg->shared.lock held, which is given up meanwhile.  The delivery goes
 * back first: settling may bring the next write(). */
static void
settle(struct pg *pg, struct delivery *d)
{
    struct il_ack *ack = d->ack;
    int as = outcome(d->fault);
    char why[FAULT_WHY] = "";
    if (d->fault)
        memcpy(why, d->why, sizeof why);
    struct delivery **at = &pg->shared.queue;
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    d->next = pg->shared.idle;
    pg->shared.idle = d;
    pthread_mutex_unlock(&pg->shared.lock);
    il_settle(ack, as, *why ? why : NULL);
    pthread_mutex_lock(&pg->shared.lock);
    pg->shared.busy--;
    pthread_cond_broadcast(&pg->shared.done);
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
    if (!pg->shared.broken || id < pg->shared.broken)
        pg->shared.broken = id;
    for (struct delivery *later = d->next; later; later = later->next)
        mark_out_of_turn(later);
}

void
delivery_ended(struct pg *pg, struct job *job, enum pg_action fault,
               const char *why)
{
    struct delivery *d = job->of;
    pthread_mutex_lock(&pg->shared.lock);
    job->stage = JOB_ENDED;
    if (fault)
        job_failed(pg, d, fault, why);
    if (!--d->left) {
        settle(pg, d);
        pthread_cond_broadcast(&pg->shared.work);
    }
    pthread_mutex_unlock(&pg->shared.lock);
}

void
delivery_stop_all(struct pg *pg)
{
    pthread_mutex_lock(&pg->shared.lock);
    while (pg->shared.queue) {
        if (!pg->shared.queue->fault)
            job_failed(pg, pg->shared.queue, PG_ACT_RETRY, "stopping");
        settle(pg, pg->shared.queue);
    }
    pthread_mutex_unlock(&pg->shared.lock);
}
