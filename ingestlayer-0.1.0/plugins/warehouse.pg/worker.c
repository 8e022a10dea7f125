/* SPDX-License-Identifier: MIT */
/* The thread of a connection: takes its jobs in order and sees each to its end.
 * The first connection's also answers resume(). */
#include "pg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REPEAT_US 60000000 /* the same fault is logged once in this time */

/* Log a fault, but not the same one again and again. */
static void
say(struct conn *c)
{
    const struct pg *pg = c->pg;
    int64_t now = il_monotonic_us(pg->host);
    if (strcmp(c->said, c->link.fault.why) == 0
        && now - c->said_us < REPEAT_US)
        return;
    snprintf(c->said, sizeof c->said, "%s", c->link.fault.why);
    c->said_us = now;
    il_log(pg->host, IL_LOG_WARN, "%s", c->said);
}

/* A job whose COMMIT went unanswered stays here until Postgres tells what
 * became of it: sent again by the host it would be a new attempt, and what was
 * marked in this one would be forgotten. */
static void
deliver(struct conn *c, struct job *job)
{
    struct pg *pg = c->pg;
    const struct pg_fault *f = &c->link.fault;
    uint32_t wait_ms = 50;
    while (copy_job(c, job) != 0) {
        if (!c->doubt || atomic_load(&pg->stopping)
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
    int err = lanes_claim(c, pg->resume_local);
    if (!err && !pg->mode_kept) /* later nobody else can have moved them */
        err = lanes_was_at(&c->link, &was_at);
    if (!err && pg->resume_rewind && lanes_top(pg) > pg->resume_local)
        err = lanes_rewind(c, pg->resume_local);
    uint64_t floor = lanes_floor(pg);
    *there = was_at > floor ? was_at : floor;
    return err;
}

/* Up to where all is done.  At first, though, a row beyond all that the spool
 * had given out is told instead: then the host has the rows taken back. */
static uint64_t
resume_position(const struct pg *pg)
{
    if (pg->mode != PG_MODE_LANES)
        return pg->resume_local;
    uint64_t top = lanes_top(pg);
    return !pg->mode_kept && top > pg->given ? top : lanes_floor(pg);
}

static void
answer_resume(struct conn *c)
{
    struct pg *pg = c->pg;
    struct link *l = &c->link;
    uint64_t there = UINT64_MAX, position = 0;
    pg->claimed = 0;
    int err = copy_connect(c, NULL);
    if (!err && pg->mode == PG_MODE_LANES)
        err = resume_lanes(c, &there);
    if (err) {
        say(c);
        if (l->fault.action != PG_ACT_FENCED)
            link_close(l);
    } else {
        position = resume_position(pg);
        c->said[0] = 0;
        pg->claimed = c->checked = 1;
        pg->mode_kept = pg->mode;
    }
    pthread_mutex_lock(&pg->lock);
    pg->resume_err = !err                               ? 0
                     : l->fault.action == PG_ACT_FENCED ? -ESTALE
                     : l->fault.action == PG_ACT_PAUSE  ? -EACCES
                                                        : -EAGAIN;
    pg->resume_position = position;
    pg->resume_there = there;
    pg->resume_done = 1;
    pg->broken = 0;
    pthread_cond_broadcast(&pg->done);
    pthread_mutex_unlock(&pg->lock);
}

void *
worker_run(void *arg)
{
    struct conn *c = arg;
    struct pg *pg = c->pg;
    pthread_mutex_lock(&pg->lock);
    while (!atomic_load(&pg->stopping)) {
        int resume = !c->index && pg->resume_asked && !pg->resume_done;
        struct job *job = resume ? NULL : delivery_next(c);
        int skip = job && job->of->out_of_turn;
        if (job)
            job->stage = JOB_TAKEN;
        else if (!resume) {
            pthread_cond_wait(&pg->work, &pg->lock);
            continue;
        }
        pthread_mutex_unlock(&pg->lock);
        if (resume)
            answer_resume(c);
        else if (skip)
            delivery_ended(pg, job, 0, NULL);
        else
            deliver(c, job);
        pthread_mutex_lock(&pg->lock);
    }
    pthread_mutex_unlock(&pg->lock);
    link_close(&c->link);
    return NULL;
}
