/* SPDX-License-Identifier: MIT */
/* The connection thread: takes jobs in order, settles each once, and answers
 * resume(). */
#include "pg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REPEAT_US 60000000 /* the same fault is logged once in this time */

/* Give the job's memory back first: settling may bring the next write(). */
static void
settle(struct pg *pg, struct job *job, int outcome, const char *why)
{
    struct il_ack *ack = job->ack;
    pthread_mutex_lock(&pg->lock);
    job->ack = NULL;
    job->batch = NULL;
    job->next = pg->idle;
    pg->idle = job;
    pthread_mutex_unlock(&pg->lock);
    il_settle(ack, outcome, why);
    pthread_mutex_lock(&pg->lock);
    pg->busy--;
    pthread_cond_broadcast(&pg->done);
    pthread_mutex_unlock(&pg->lock);
}

static struct job *
take(struct pg *pg)
{
    pthread_mutex_lock(&pg->lock);
    struct job *job = pg->queue;
    if (job)
        pg->queue = job->next;
    pthread_mutex_unlock(&pg->lock);
    return job;
}

/* A batch failed: those taken after it have to come again, too, or the lane's
 * position would pass over it.  A write() that falls into the moment of
 * settling may be of either kind; its batch id tells, because the failed batch
 * comes first when it comes again. */
static void
settle_failed(struct pg *pg, struct job *job, int outcome, const char *why)
{
    pg->expected = il_batch_id(job->batch);
    settle(pg, job, outcome, why);
    pthread_mutex_lock(&pg->lock);
    pg->distrusted = pg->taken;
    pthread_mutex_unlock(&pg->lock);
}

static int
out_of_turn(struct pg *pg, const struct job *job)
{
    if (job->number <= pg->distrusted && il_batch_id(job->batch) > pg->expected)
        return 1;
    pg->distrusted = 0;
    return 0;
}

/* Log a fault, but not the same one again and again. */
static void
say(struct pg *pg, int level)
{
    int64_t now = il_monotonic_us(pg->host);
    if (strcmp(pg->said, pg->link.fault.why) == 0
        && now - pg->said_us < REPEAT_US)
        return;
    snprintf(pg->said, sizeof pg->said, "%s", pg->link.fault.why);
    pg->said_us = now;
    il_log(pg->host, level, "%s", pg->said);
}

static int
outcome(enum pg_action action)
{
    return action == PG_ACT_PAUSE    ? IL_PAUSE
           : action == PG_ACT_FENCED ? IL_FENCED
           : action == PG_ACT_SET_BACK ? IL_SET_BACK
                                       : IL_RETRY;
}

/* A batch whose COMMIT went unanswered stays here until Postgres tells what
 * became of it: sent again by the host it would be a new attempt, and what was
 * marked in this one would be forgotten. */
static void
deliver(struct pg *pg, struct job *job)
{
    struct link *l = &pg->link;
    uint32_t wait_ms = 50;
    if (out_of_turn(pg, job)) {
        settle(pg, job, IL_RETRY, "an earlier batch comes again");
        return;
    }
    job->refused = 0;
    while (copy_job(l, job) != 0) {
        if (!pg->doubt || atomic_load(&pg->stopping)
            || l->fault.action >= PG_ACT_FENCED) {
            char why[PG_WHY];
            memcpy(why, l->fault.why, sizeof why);
            settle_failed(pg, job, outcome(l->fault.action), why);
            return;
        }
        say(pg, IL_LOG_WARN);
        link_pause(l, wait_ms);
        wait_ms = wait_ms < 5000 ? wait_ms * 2 : 5000;
    }
    pg->said[0] = 0;
    settle(pg, job, IL_OK, NULL);
}

static void
answer_resume(struct pg *pg)
{
    struct link *l = &pg->link;
    uint64_t was_at = 0;
    pg->claimed = 0;
    int err = copy_connect(l);
    if (!err && pg->mode == PG_MODE_LANES) {
        err = pg->epoch ? lanes_check(l) : lanes_claim(l, pg->resume_local);
        if (!err && !pg->mode_kept) /* later nobody else can have moved it */
            err = lanes_was_at(l, &was_at);
        if (!err && pg->resume_rewind && pg->position > pg->resume_local)
            err = lanes_rewind(l, pg->resume_local);
    } else if (!err
               && (pg->resume_rewind || pg->position < pg->resume_local)) {
        pg->position = pg->resume_local;
    }
    if (err) {
        say(pg, IL_LOG_WARN);
        if (l->fault.action != PG_ACT_FENCED)
            link_close(l);
    } else {
        pg->said[0] = 0;
        pg->claimed = pg->checked = 1;
        pg->mode_kept = pg->mode;
    }
    pthread_mutex_lock(&pg->lock);
    pg->resume_err = !err                               ? 0
                     : l->fault.action == PG_ACT_FENCED ? -ESTALE
                     : l->fault.action == PG_ACT_PAUSE  ? -EACCES
                                                        : -EAGAIN;
    pg->resume_position = pg->position;
    pg->resume_there = pg->mode != PG_MODE_LANES ? UINT64_MAX
                       : was_at > pg->position   ? was_at
                                                 : pg->position;
    pg->resume_done = 1;
    pthread_cond_broadcast(&pg->done);
    pthread_mutex_unlock(&pg->lock);
}

void *
worker_run(void *arg)
{
    struct pg *pg = arg;
    pthread_mutex_lock(&pg->lock);
    while (!atomic_load(&pg->stopping)) {
        int resume = pg->resume_asked && !pg->resume_done;
        if (!resume && !pg->queue) {
            pthread_cond_wait(&pg->work, &pg->lock);
            continue;
        }
        pthread_mutex_unlock(&pg->lock);
        if (resume)
            answer_resume(pg);
        else
            deliver(pg, take(pg));
        pthread_mutex_lock(&pg->lock);
    }
    pthread_mutex_unlock(&pg->lock);
    struct job *job;
    while ((job = take(pg)) != NULL)
        settle(pg, job, IL_RETRY, "stopping");
    link_close(&pg->link);
    return NULL;
}
