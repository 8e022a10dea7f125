/* SPDX-License-Identifier: MIT */
/* Requests that take long: the list of them, and the thread that does some. */
#include <config.h>

#include "jobs_private.h"

#include "private.h"

#include "codec/json_out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

/* How much less of the machine the helper gets than those who deliver. */
#define HELPER_NICE 10

/* --- their beginning and end ------------------------------------------------- */

static int
enlist(struct host_jobs *jobs, struct job *job, size_t *ahead)
{
    pthread_mutex_lock(&jobs->lock);
    int err = jobs->stops ? -ESHUTDOWN : jobs->count == JOBS_MAX ? -EAGAIN : 0;
    if (!err) {
        snprintf(job->id, sizeof(job->id), "%llu",
                 (unsigned long long) ++jobs->last_id);
        job->jobs = jobs;
        job->next = jobs->first;
        jobs->first = job;
        jobs->count++;
    }
    *ahead = jobs->waiting;
    pthread_mutex_unlock(&jobs->lock);
    return err;
}

int
host_jobs_begin(struct host_jobs *jobs, struct il_request *req,
                const char *kind, struct job **out)
{
    size_t ahead;
    struct job *job = job_new(kind);
    int err = job ? enlist(jobs, job, &ahead) : -ENOMEM;
    if (err) {
        if (job)
            job_free(job);
        return err;
    }
    *out = job;
    job_answer(job, req, ahead);
    return 0;
}

int
job_begin(struct host_request *r, const char *kind, struct job **out)
{
    switch (host_jobs_begin(r->host->jobs, r->http, kind, out)) {
    case 0:
        return 0;
    case -EAGAIN:
        return host_refuse(r, 503, "too_many_jobs",
                           "there are %d jobs already; wait for one, or cancel "
                           "it",
                           JOBS_MAX);
    case -ESHUTDOWN:
        return host_refuse(r, 503, "shutting_down", "the daemon is stopping");
    default:
        return host_refuse(r, 503, "no_memory", "no memory");
    }
}

/* The list forgets it first: whoever shows that finds no job without an owner. */
void
job_end(struct job *job)
{
    struct host_jobs *jobs = job->jobs;
    pthread_mutex_lock(&jobs->lock);
    struct job **at = &jobs->first;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    jobs->count--;
    pthread_mutex_unlock(&jobs->lock);
    job_finish(job);
}

/* --- the helper -------------------------------------------------------------- */

static void
be_nice(void)
{
    pthread_setname_np(pthread_self(), "jobs");
    /* Of Linux's threads this concerns the one that calls. */
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + HELPER_NICE);
}

static void *
help(void *arg)
{
    struct host_jobs *jobs = arg;
    be_nice();
    pthread_mutex_lock(&jobs->lock);
    for (;;) {
        struct job *job = jobs->queue;
        if (!job && jobs->stops)
            break;
        if (!job) {
            pthread_cond_wait(&jobs->changed, &jobs->lock);
            continue;
        }
        jobs->queue = job->queue_next;
        if (!jobs->queue)
            jobs->queue_end = &jobs->queue;
        pthread_mutex_unlock(&jobs->lock);
        job->fn(job, job->arg);
        job_end(job);
        pthread_mutex_lock(&jobs->lock);
        jobs->waiting--;
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

/* No thread does it: it sees that, and frees what it has. */
static void
give_up(struct job *job)
{
    job_cancel(job);
    job_fail(job, "shutting_down", "there is no thread for this now");
    job->fn(job, job->arg);
    job_end(job);
}

void
job_run(struct job *job, void (*fn)(struct job *, void *arg), void *arg)
{
    struct host_jobs *jobs = job->jobs;
    job->fn = fn;
    job->arg = arg;
    pthread_mutex_lock(&jobs->lock);
    if (!jobs->helper_runs && !jobs->stops)
        jobs->helper_runs = !pthread_create(&jobs->helper, NULL, help, jobs);
    int runs = jobs->helper_runs && !jobs->stops;
    if (runs) {
        *jobs->queue_end = job;
        jobs->queue_end = &job->queue_next;
        jobs->waiting++;
        pthread_cond_signal(&jobs->changed);
    }
    pthread_mutex_unlock(&jobs->lock);
    if (!runs)
        give_up(job);
}

static void *
run_alone(void *arg)
{
    struct job *job = arg;
    struct host_jobs *jobs = job->jobs;
    be_nice();
    job->fn(job, job->arg);
    job_end(job);
    pthread_mutex_lock(&jobs->lock);
    jobs->alone--;
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

void
job_run_alone(struct job *job, void (*fn)(struct job *, void *arg), void *arg)
{
    struct host_jobs *jobs = job->jobs;
    pthread_t thread;
    job->fn = fn;
    job->arg = arg;
    pthread_mutex_lock(&jobs->lock);
    int runs = !jobs->stops && !pthread_create(&thread, NULL, run_alone, job);
    jobs->alone += (size_t) runs;
    pthread_mutex_unlock(&jobs->lock);
    if (runs)
        pthread_detach(thread);
    else
        give_up(job);
}

/* --- all of them ------------------------------------------------------------- */

struct host_jobs *
host_jobs_new(void)
{
    struct host_jobs *jobs = calloc(1, sizeof(*jobs));
    if (!jobs)
        return NULL;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->changed, NULL);
    jobs->queue_end = &jobs->queue;
    return jobs;
}

void
host_jobs_put(struct host_jobs *jobs, struct json_out *o)
{
    json_out_array(o, "jobs");
    pthread_mutex_lock(&jobs->lock);
    for (struct job *job = jobs->first; job; job = job->next)
        job_show(job, o);
    pthread_mutex_unlock(&jobs->lock);
    json_out_end(o);
}

/* NULL: all.  How many. */
static size_t
cancel_by_id(struct host_jobs *jobs, const char *id)
{
    size_t n = 0;
    for (struct job *job = jobs->first; job; job = job->next) {
        if (id && strcmp(job->id, id) != 0)
            continue;
        job_cancel(job);
        n++;
    }
    return n;
}

int
host_jobs_cancel(struct host_jobs *jobs, const char *id)
{
    pthread_mutex_lock(&jobs->lock);
    size_t n = cancel_by_id(jobs, id);
    pthread_mutex_unlock(&jobs->lock);
    return n ? 0 : -ENOENT;
}

void
host_jobs_stop(struct host_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    jobs->stops = 1;
    cancel_by_id(jobs, NULL);
    pthread_cond_broadcast(&jobs->changed);
    int runs = jobs->helper_runs;
    jobs->helper_runs = 0;
    while (jobs->alone)
        pthread_cond_wait(&jobs->changed, &jobs->lock);
    pthread_mutex_unlock(&jobs->lock);
    if (runs)
        pthread_join(jobs->helper, NULL);
}

void
host_jobs_free(struct host_jobs *jobs)
{
    pthread_mutex_destroy(&jobs->lock);
    pthread_cond_destroy(&jobs->changed);
    free(jobs);
}
