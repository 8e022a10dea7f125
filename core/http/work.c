/* SPDX-License-Identifier: MIT */
/* Requests whose answer has to wait for a disk are worked off by a thread of
 * their own, so that the loops go on. */
#include "config.h"

#include "private.h"

#include <string.h>

static int
work_ready(void *arg, struct il_request *req)
{
    (void) arg;
    return atomic_load(&req->work_done);
}

static void
work_one(struct il_request *req)
{
    struct http_loop *loop = req->conn->loop;
    req->work(req->work_arg, req);
    if (!req->status)
        http_request_error(req, 500, "internal", "the source did not answer");
    /* from here on the request belongs to its loop again */
    atomic_store(&req->work_done, 1);
    http_loop_ring(loop);
}

static void *
work_run(void *arg)
{
    struct http *http = arg;
    pthread_setname_np(pthread_self(), "http-work");
    pthread_mutex_lock(&http->work_lock);
    while (!http->worker_stop) {
        struct il_request *req = http->work_first;
        if (!req) {
            pthread_cond_wait(&http->work_wake, &http->work_lock);
            continue;
        }
        http->work_first = req->work_next;
        if (!http->work_first)
            http->work_last = NULL;
        pthread_mutex_unlock(&http->work_lock);
        work_one(req);
        pthread_mutex_lock(&http->work_lock);
    }
    pthread_mutex_unlock(&http->work_lock);
    return NULL;
}

void
http_defer(struct il_request *req, void (*fn)(void *arg, struct il_request *),
           void *arg)
{
    struct http *http = req->conn->loop->http;
    pthread_mutex_lock(&http->work_lock);
    if (!http->worker_runs && !http->worker_stop)
        http->worker_runs
            = pthread_create(&http->worker, NULL, work_run, http) == 0;
    int runs = http->worker_runs && !http->worker_stop;
    pthread_mutex_unlock(&http->work_lock);
    if (!runs) {
        http_unavailable(req, 1, "shutting_down",
                         "the server cannot do this now; send again");
        return;
    }
    req->work = fn;
    req->work_arg = arg;
    req->work_next = NULL;
    atomic_store(&req->work_done, 0);
    req->deferred = 1;
    http_hold(req, work_ready, NULL);
}

/* Its loop has nothing more to do with it until it is answered. */
void
http_work_give(struct il_request *req)
{
    struct http *http = req->conn->loop->http;
    if (req->status) { /* handle() answered after all */
        atomic_store(&req->work_done, 1);
        http_loop_ring(req->conn->loop);
        return;
    }
    pthread_mutex_lock(&http->work_lock);
    if (http->work_last)
        http->work_last->work_next = req;
    else
        http->work_first = req;
    http->work_last = req;
    pthread_cond_signal(&http->work_wake);
    pthread_mutex_unlock(&http->work_lock);
}

/* Finish the request at hand; those that wait stay held, for the loops to
 * answer. */
void
http_work_stop(struct http *http)
{
    pthread_mutex_lock(&http->work_lock);
    http->worker_stop = 1;
    pthread_cond_signal(&http->work_wake);
    pthread_mutex_unlock(&http->work_lock);
    if (http->worker_runs)
        pthread_join(http->worker, NULL);
    http->worker_runs = 0;
}
