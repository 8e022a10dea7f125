/* SPDX-License-Identifier: MIT */
/* The thread of a connection: takes its jobs in order and sees each to its end.
 * The first connection's also answers resume(). */
#include "pg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WITNESS_MS 250 /* so long a lone row waits for the batch behind it */
#define REPEAT_US 60000000 /* the same fault is logged once in this time */

/* Log a fault, but not the same one again and again. */
static void
say(struct conn *c)
{
    const struct pg *pg = c->pg;
    int64_t now = il_monotonic_us(pg->host);
    if (strcmp(c->said, c->link.fault.why) == 0 && now - c->said_us < REPEAT_US)
        return;
    snprintf(c->said, sizeof c->said, "%s", c->link.fault.why);
    c->said_us = now;
    il_log(pg->host, IL_LOG_WARN, "%s", c->said);
}

/* The job behind this one, which is looked at and left where it is. */
static struct job *
job_behind(struct conn *c, const struct job *job)
{
    struct pg_shared *sh = &c->pg->shared;
    struct delivery *d;
    struct timespec until;
    int late = 0;
    pg_after_ms(&until, WITNESS_MS);
    while (!(d = job->of->next) && !late && !atomic_load(&c->pg->stop.now))
        late = pthread_cond_timedwait(&sh->work, &sh->lock, &until) != 0;
    uint32_t k = d && d->count == 1 ? 0 : c->index;
    return d && k == c->index && d->jobs[k].stage == JOB_WAITS ? &d->jobs[k]
                                                               : NULL;
}

/* No row of the job went in.  Does one of the batch behind it?  Then it is the
 * rows, and the job is judged now. */
static int
find_witness(struct conn *c, const struct job *job)
{
    struct pg *pg = c->pg;
    if (c->outage != il_batch_id(job->batch) || c->witness || c->doubt
        || c->link.fault.action >= PG_ACT_SET_BACK)
        return 0;
    pthread_mutex_lock(&pg->shared.lock);
    struct job *behind = job_behind(c, job);
    pthread_mutex_unlock(&pg->shared.lock);
    c->witness = behind && attempt_probe(c, behind) > 0;
    return c->witness;
}

/* A job whose COMMIT went unanswered stays here until Postgres tells what
 * became of it: sent again by the host it would be a new attempt, and what was
 * marked in this one would be forgotten. */
static void
deliver(struct conn *c, struct job *job)
{
    struct pg *pg = c->pg;
    const struct fault *f = &c->link.fault;
    uint32_t wait_ms = 50;
    c->witness = 0;
    while (attempt_job(c, job) != 0) {
        if (find_witness(c, job))
            continue;
        if (!c->doubt || atomic_load(&pg->stop.now)
            || f->action >= PG_ACT_SET_BACK) {
            delivery_ended(pg, job, f->action, f->why);
            return;
        }
        say(c);
        link_pause(&c->link, wait_ms);
        wait_ms = wait_ms < 5000 ? wait_ms * 2 : 5000;
    }
    c->said[0] = 0;
    delivery_ended(pg, job, 0, NULL);
}

/* --- resume() ------------------------------------------------------------ */

/* The rows of the lane are taken, and taken back where that was asked for.
 * *there: where the far side itself is. */
static int
resume_lanes(struct conn *c, uint64_t *there)
{
    struct pg *pg = c->pg;
    uint64_t was_at = 0;
    int rewind = pg->shared.resume.rewind;
    const char *was = pg->lanes.epoch ? NULL : pg->shared.resume.was;
    int err = was ? lanes_move(&pg->lanes, &c->link, was) : 0;
    if (!err)
        err =
            lanes_claim(&pg->lanes, &c->link, pg->shared.resume.local, rewind);
    if (err) {
        *there = lanes_read_floor(&pg->lanes);
        return err;
    }
    if (!pg->lanes.mode_kept) /* later nobody else can have moved them */
        err = lanes_was_at(&pg->lanes, &c->link, &was_at);
    if (!err && rewind && lanes_top(&pg->lanes) > pg->shared.resume.local)
        err = lanes_rewind(&pg->lanes, &c->link, pg->shared.resume.local);
    uint64_t floor = lanes_floor(&pg->lanes);
    *there = was_at > floor ? was_at : floor;
    return err;
}

/* Up to where all is done.  At first, though, a row beyond all that the spool
 * had given out is told instead: then the host has the rows taken back. */
static uint64_t
resume_position(const struct pg *pg)
{
    if (pg->lanes.mode != PG_MODE_LANES)
        return pg->shared.resume.local;
    uint64_t top = lanes_top(&pg->lanes);
    return !pg->lanes.mode_kept && top > pg->lanes.given
               ? top
               : lanes_floor(&pg->lanes);
}

static void
answer_resume(struct conn *c)
{
    struct pg *pg = c->pg;
    struct link *l = &c->link;
    uint64_t there = UINT64_MAX, position = 0;
    pg->lanes.claimed = 0;
    int err = attempt_connect(c, NULL);
    if (!err && pg->lanes.mode == PG_MODE_LANES)
        err = resume_lanes(c, &there);
    if (err) {
        say(c);
        if (l->fault.action != PG_ACT_FENCED)
            link_close(l);
    } else {
        position = resume_position(pg);
        c->said[0] = 0;
        pg->lanes.claimed = c->checked = 1;
        pg->lanes.mode_kept = pg->lanes.mode;
    }
    pthread_mutex_lock(&pg->shared.lock);
    pg->shared.resume.err = !err                               ? 0
                            : l->fault.action == PG_ACT_FENCED ? -ESTALE
                            : l->fault.action == PG_ACT_PAUSE  ? -EACCES
                                                               : -EAGAIN;
    pg->shared.resume.position = position;
    pg->shared.resume.there = there;
    pg->shared.resume.done = 1;
    pg->shared.broken = 0;
    pthread_cond_broadcast(&pg->shared.done);
    pthread_mutex_unlock(&pg->shared.lock);
}

void *
worker_run(void *arg)
{
    struct conn *c = arg;
    struct pg *pg = c->pg;
    pthread_mutex_lock(&pg->shared.lock);
    while (!atomic_load(&pg->stop.now)) {
        int resume =
            !c->index && pg->shared.resume.asked && !pg->shared.resume.done;
        struct job *job = resume ? NULL : delivery_next(c);
        int skip = job && job->of->out_of_turn;
        if (job)
            job->stage = JOB_TAKEN;
        else if (!resume) {
            pthread_cond_wait(&pg->shared.work, &pg->shared.lock);
            continue;
        }
        pthread_mutex_unlock(&pg->shared.lock);
        if (resume)
            answer_resume(c);
        else if (skip)
            delivery_ended(pg, job, 0, NULL);
        else
            deliver(c, job);
        pthread_mutex_lock(&pg->shared.lock);
    }
    pthread_mutex_unlock(&pg->shared.lock);
    link_close(&c->link);
    return NULL;
}
