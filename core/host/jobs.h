/* SPDX-License-Identifier: MIT */
/* Jobs: requests that take long.  One has an id, is seen in GET /v1/jobs, and
 * answers in lines of JSON while it is at it:
 *
 *   {"job":"3","kind":"replay","started_at":"...","ahead":0}
 *   {"progress":{"done":1200,"total":50000,"unit":"events"}}
 *   {"say":"..."}                     for people
 *   ...                               what else it puts, each an object
 *   {"done":true}                     the last; or {"error":{"message","code"}}
 *
 * A client that hangs up cancels its job, as POST /v1/jobs/ID/cancel does; the
 * job sees that by job_cancelled() and ends when it may.
 *
 *   static int
 *   replay(struct host_request *r)
 *   {
 *       struct job *job;
 *       int status = job_begin(r, "replay", &job);
 *       if (!status)
 *           job_run(job, work, arg);
 *       return status;
 *   }
 *
 * What works by itself (why, replay) does so on the helper, one thread of low
 * priority, one job at a time; what waits more than it works (a replay that sends
 * ten events a second) has a thread of its own.  What another thread does (reload:
 * the main thread; tap: the lanes) keeps the job and ends it with job_end().
 *
 * Of a job only its lines are in memory, and those are bounded: JOB_ROOM beside
 * the last one put. */
#ifndef JOBS_H
#define JOBS_H

#include "base/text.h"

#define JOB_ROOM (256u << 10)
/* At a time; one more is refused. */
#define JOBS_MAX 16

struct host_jobs;
struct host_request;
struct il_request;
struct job;
struct json_out;

/* The request is answered from here on by the job: 0; or a status, of an answer
 * that says why not.  kind is a literal. */
int job_begin(struct host_request *, const char *kind, struct job **out);

/* Have the helper call fn, which may take its time; the job ends when it
 * returns.  It is called also where the job was cancelled before its turn, so
 * that it can free arg. */
void job_run(struct job *, void (*fn)(struct job *, void *arg), void *arg);
/* The same on a thread of its own. */
void job_run_alone(struct job *, void (*fn)(struct job *, void *arg),
                   void *arg);
/* Who did not have it run ends it, once, before host_jobs_stop().  Any thread. */
void job_end(struct job *);

/* --- while it goes on: any thread -------------------------------------------- */

/* Nobody wants to know any more, or the daemon stops. */
int job_cancelled(struct job *);
/* A line, an object of JSON; job_put() waits while the client does not read, up
 * to when it is cancelled; job_try() does not: -EAGAIN.  0, -ECANCELED or
 * -ENOMEM. */
int job_put(struct job *, struct slice json);
int job_try(struct job *, struct slice json);
/* For people.  Never waits; left out where too much is unread. */
void job_say(struct job *, const char *fmt, ...) IL_PRINTF(2, 3);
/* How far it is, for its client and for GET /v1/jobs.  total 0: not known.  Never
 * waits, and costs little: four times a second the client hears of it.  unit is
 * a literal. */
void job_progress(struct job *, uint64_t done, uint64_t total,
                  const char *unit);
/* It has failed: what its last line says.  The first one counts. */
void job_fail(struct job *, const char *code, const char *fmt, ...)
    IL_PRINTF(3, 4);

/* --- for requests.c ---------------------------------------------------------- */

struct host_jobs *host_jobs_new(void); /* NULL: no memory */
/* Have a request answered by a job: 0, -EAGAIN (there are JOBS_MAX), -ESHUTDOWN
 * or -ENOMEM. */
int host_jobs_begin(struct host_jobs *, struct il_request *, const char *kind,
                    struct job **out);
/* "jobs", a list of those that there are. */
void host_jobs_put(struct host_jobs *, struct json_out *);
/* 0 or -ENOENT. */
int host_jobs_cancel(struct host_jobs *, const char *id);
/* Cancel all, wait for the helper, and those that run alone, to come back.  Before
 * the server that they answer is freed; none begins afterwards. */
void host_jobs_stop(struct host_jobs *);
/* Once all have ended, and the server has stopped. */
void host_jobs_free(struct host_jobs *);

#endif
