/* SPDX-License-Identifier: MIT */
/* Shared by job.c (one of them) and jobs.c (all, and the helper).
 *
 * A job belongs to two: whoever does it, until job_end(), and its answer, until
 * the client has gone; the second one to leave frees it.
 *
 * Locks.  jobs->lock: the list, the queue, the number.  job->lock: all of a job
 * that changes.  They are not held together but where a list is shown, jobs->lock
 * first.  The server's loop takes job->lock in more() and gone(); it is never held
 * while somebody waits for a client. */
#ifndef JOBS_PRIVATE_H
#define JOBS_PRIVATE_H

#include "jobs.h"

#include <pthread.h>

struct http;

struct job {
    struct host_jobs *jobs;
    struct job *next;       /* in jobs->first */
    struct job *queue_next; /* in jobs->queue */
    const char *kind;
    char id[24];
    int64_t started_us;
    void (*fn)(struct job *, void *arg);
    void *arg;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* there is room, or it is cancelled */
    struct il_text unread;  /* what the client has not been told yet */
    struct http *http;      /* to be woken; NULL: nobody listens any more */
    int cancelled, ended;
    int owners;
    uint64_t done, total; /* its progress */
    const char *unit;     /* NULL: it has said nothing of that */
    int64_t told_us;      /* when the client heard of it; monotonic */
    char code[32];        /* it has failed */
    struct il_text message;
};

struct host_jobs {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* the queue, or stops */
    struct job *first;      /* those that have not ended */
    struct job *queue, **queue_end;
    size_t alone;          /* that run on threads of their own */
    size_t count, waiting; /* waiting: of the helper, the one at hand too */
    uint64_t last_id;
    int stops, helper_runs;
    pthread_t helper;
};

/* One with two owners, in no list yet; NULL: no memory. */
struct job *job_new(const char *kind);
void job_free(struct job *);
/* Its answer begins; ahead: how many the helper has before it. */
void job_answer(struct job *, struct il_request *, size_t ahead);
/* Its last line, and whoever does it leaves. */
void job_finish(struct job *);
void job_cancel(struct job *);
/* One of a list. */
void job_show(struct job *, struct json_out *);

#endif
