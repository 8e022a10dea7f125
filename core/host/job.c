/* SPDX-License-Identifier: MIT */
/* One request that takes long: its lines, its progress, its end. */
#include "jobs_private.h"

#include "base/clock.h"
#include "codec/json_out.h"
#include "http/http.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PROGRESS_US 250000

/* --- a job's answer ---------------------------------------------------------- */

void
job_free(struct job *job)
{
    pthread_mutex_destroy(&job->lock);
    pthread_cond_destroy(&job->changed);
    text_clear(&job->unread);
    text_clear(&job->message);
    free(job);
}

/* One of its owners leaves; with its lock, which it gives up. */
static void
job_leave(struct job *job)
{
    int last = --job->owners == 0;
    pthread_mutex_unlock(&job->lock);
    if (last)
        job_free(job);
}

static int
more(void *arg, struct il_text *out)
{
    struct job *job = arg;
    pthread_mutex_lock(&job->lock);
    int err = text_put(out, job->unread.data, job->unread.len);
    job->unread.len = 0;
    int rc = err ? err : !job->ended;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->lock);
    return rc;
}

static void
cancel(struct job *job)
{
    job->cancelled = 1;
    pthread_cond_broadcast(&job->changed);
}

static void
gone(void *arg)
{
    struct job *job = arg;
    pthread_mutex_lock(&job->lock);
    job->http = NULL;
    job->unread.len = 0;
    if (!job->ended)
        cancel(job);
    job_leave(job);
}

/* A line more, where there is somebody to read it; with its lock. */
static int
put(struct job *job, struct slice line)
{
    if (!job->http)
        return -ECANCELED;
    if (text_reserve(&job->unread, line.len + 1))
        return -ENOMEM;
    text_put(&job->unread, line.ptr, line.len);
    text_putc(&job->unread, '\n');
    http_wake(job->http);
    return 0;
}

/* The same for what was just written. */
static void
put_done(struct job *job, struct json_out *o)
{
    json_out_end(o);
    if (!json_out_done(o))
        put(job, slice_of(o->text->data, o->text->len));
    text_clear(o->text);
}

static void
put_begin(struct json_out *o, struct il_text *text)
{
    json_out_begin(o, text);
    json_out_object(o, NULL);
}

/* --- while it goes on -------------------------------------------------------- */

int
job_cancelled(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    int cancelled = job->cancelled;
    pthread_mutex_unlock(&job->lock);
    return cancelled;
}

static int
put_or_wait(struct job *job, struct slice json, int waits)
{
    int err = 0;
    pthread_mutex_lock(&job->lock);
    while (waits && !job->cancelled && job->unread.len >= JOB_ROOM)
        pthread_cond_wait(&job->changed, &job->lock);
    if (waits && job->cancelled)
        err = -ECANCELED;
    else if (job->http && job->unread.len >= JOB_ROOM)
        err = -EAGAIN;
    else
        err = put(job, json);
    pthread_mutex_unlock(&job->lock);
    return err;
}

int
job_put(struct job *job, struct slice json)
{
    return put_or_wait(job, json, 1);
}

int
job_try(struct job *job, struct slice json)
{
    return put_or_wait(job, json, 0);
}

void
job_say(struct job *job, const char *fmt, ...)
{
    struct il_text said = { 0 }, line = { 0 };
    struct json_out o;
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&said, fmt, ap);
    va_end(ap);
    put_begin(&o, &line);
    json_out_slice(&o, "say", slice_of(said.data, said.len));
    pthread_mutex_lock(&job->lock);
    if (job->unread.len >= JOB_ROOM)
        text_clear(&line);
    else
        put_done(job, &o);
    pthread_mutex_unlock(&job->lock);
    text_clear(&said);
}

static void
put_progress(struct job *job, struct json_out *o)
{
    json_out_object(o, "progress");
    json_out_number(o, "done", job->done);
    if (job->total)
        json_out_number(o, "total", job->total);
    json_out_str(o, "unit", job->unit);
    json_out_end(o);
}

/* What is unread is not made longer by how far it was before. */
void
job_progress(struct job *job, uint64_t done, uint64_t total, const char *unit)
{
    struct il_text line = { 0 };
    struct json_out o;
    int64_t now_us = clock_monotonic_us();
    pthread_mutex_lock(&job->lock);
    job->done = done;
    job->total = total;
    job->unit = unit;
    if (now_us - job->told_us >= PROGRESS_US && !job->unread.len) {
        job->told_us = now_us;
        put_begin(&o, &line);
        put_progress(job, &o);
        put_done(job, &o);
    }
    pthread_mutex_unlock(&job->lock);
}

void
job_fail(struct job *job, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    pthread_mutex_lock(&job->lock);
    if (!*job->code) {
        snprintf(job->code, sizeof(job->code), "%s", code);
        text_vprintf(&job->message, fmt, ap);
    }
    pthread_mutex_unlock(&job->lock);
    va_end(ap);
}

/* --- its beginning and end --------------------------------------------------- */

struct job *
job_new(const char *kind)
{
    struct job *job = calloc(1, sizeof(*job));
    if (!job)
        return NULL;
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->changed, NULL);
    job->kind = kind;
    job->started_us = clock_wall_us();
    job->owners = 2;
    return job;
}

static void
put_first(struct job *job, size_t ahead)
{
    struct il_text line = { 0 };
    struct json_out o;
    put_begin(&o, &line);
    json_out_str(&o, "job", job->id);
    json_out_str(&o, "kind", job->kind);
    json_out_time(&o, "started_at", job->started_us);
    json_out_number(&o, "ahead", ahead);
    put_done(job, &o);
}

static void
put_last(struct job *job)
{
    struct il_text line = { 0 };
    struct json_out o;
    put_begin(&o, &line);
    if (*job->code || job->cancelled) {
        json_out_object(&o, "error");
        json_out_str(&o, "message",
                     *job->code ? text_str(&job->message)
                                : "the job was cancelled");
        json_out_str(&o, "code", *job->code ? job->code : "cancelled");
        json_out_end(&o);
    } else {
        json_out_bool(&o, "done", 1);
    }
    put_done(job, &o);
}

void
job_answer(struct job *job, struct il_request *req, size_t ahead)
{
    job->http = http_of(req);
    put_first(job, ahead);
    http_stream(req, 200, "application/x-ndjson",
                &(struct http_stream){ more, gone, job });
}

void
job_finish(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    put_last(job);
    job->ended = 1;
    if (job->http) /* also where there was no memory for that line */
        http_wake(job->http);
    job_leave(job);
}

void
job_cancel(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    cancel(job);
    pthread_mutex_unlock(&job->lock);
}

void
job_show(struct job *job, struct json_out *o)
{
    json_out_object(o, NULL);
    json_out_str(o, "id", job->id);
    json_out_str(o, "kind", job->kind);
    json_out_time(o, "started_at", job->started_us);
    pthread_mutex_lock(&job->lock);
    json_out_bool(o, "cancelled", job->cancelled);
    if (job->unit)
        put_progress(job, o);
    pthread_mutex_unlock(&job->lock);
    json_out_end(o);
}
