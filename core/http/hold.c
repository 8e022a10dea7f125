/* SPDX-License-Identifier: MIT */
/* Requests that are answered later, by their own loop.
 *
 * Nothing of them is read until then.  Those that are held briefly wait all
 * together, in the loop's own thread, when it has read what there was to read:
 * that costs no wake-up per request, but would keep the loop from others were
 * it to last.  After HTTP_PAUSE_US they are held as the others, until somebody
 * rings. */
#include "base/clock.h"

#include "private.h"

static void
hold_add(struct http_held *list, struct il_request *req)
{
    req->is_held = 1;
    req->is_brief = list == &req->conn->loop->brief;
    req->prev = list->last;
    req->next = NULL;
    if (list->last)
        list->last->next = req;
    else
        list->first = req;
    list->last = req;
}

static void
hold_remove(struct http_held *list, struct il_request *req)
{
    if (req->prev)
        req->prev->next = req->next;
    else
        list->first = req->next;
    if (req->next)
        req->next->prev = req->prev;
    else
        list->last = req->prev;
    req->prev = req->next = NULL;
    req->is_held = req->is_brief = 0;
}

void
http_hold_drop(struct il_request *req)
{
    struct http_loop *loop = req->conn->loop;
    atomic_fetch_sub(&loop->held_count, 1);
    hold_remove(&loop->held, req);
}

void
http_hold(struct il_request *req,
          int (*ready)(void *arg, struct il_request *), void *arg)
{
    struct http_loop *loop = req->conn->loop;
    /* Counted before it is asked: whoever makes it ready after the question
     * sees the count and wakes the loop. */
    atomic_fetch_add(&loop->held_count, 1);
    if (ready(arg, req)) {
        atomic_fetch_sub(&loop->held_count, 1);
        return;
    }
    req->ready = ready;
    req->ready_arg = arg;
    hold_add(&loop->held, req);
}

void
http_hold_brief(struct il_request *req,
                int (*ready)(void *arg, struct il_request *),
                void (*pause)(void *arg), void *arg)
{
    struct http_loop *loop = req->conn->loop;
    if (loop->brief.first && (loop->pause != pause || loop->pause_arg != arg)) {
        pause(arg); /* it waits for something else than the others */
        http_hold(req, ready, arg);
        return;
    }
    if (ready(arg, req))
        return;
    req->ready = ready;
    req->ready_arg = arg;
    loop->pause = pause;
    loop->pause_arg = arg;
    loop->brief_new++;
    hold_add(&loop->brief, req);
}

void
http_wake(struct http *http)
{
    for (size_t i = 0; i < http->loop_count; i++)
        if (atomic_load(&http->loops[i].held_count))
            http_loop_ring(&http->loops[i]);
}

void
http_hold_ask_all(struct http_loop *loop)
{
    for (struct il_request *req = loop->held.first, *next; req; req = next) {
        next = req->next;
        if (!req->ready(req->ready_arg, req))
            continue;
        http_hold_drop(req);
        http_conn_answer(req->conn);
    }
}

/* too_long: they have waited enough. */
static void
ask_brief(struct http_loop *loop, int too_long)
{
    for (struct il_request *req = loop->brief.first, *next; req; req = next) {
        next = req->next;
        int answered = req->ready(req->ready_arg, req);
        if (!answered && !too_long)
            continue;
        hold_remove(&loop->brief, req);
        if (!answered)
            http_hold(req, req->ready, req->ready_arg);
        if (!req->is_held)
            http_conn_answer(req->conn);
    }
}

void
http_hold_pause(struct http_loop *loop)
{
    if (!loop->brief.first)
        return;
    int64_t before = clock_monotonic_us();
    loop->pause(loop->pause_arg);
    loop->now_us = clock_monotonic_us();
    ask_brief(loop, loop->now_us - before >= HTTP_PAUSE_US);
}

void
http_hold_abandon(struct http_loop *loop)
{
    ask_brief(loop, 1);
    http_hold_ask_all(loop);
    while (loop->held.first) {
        struct il_request *req = loop->held.first;
        if (req->streams) {
            http_conn_free(req->conn);
            continue;
        }
        if (!req->status)
            http_unavailable(req, 1, "shutting_down",
                             "the server is shutting down; send again");
        http_hold_drop(req);
        http_conn_answer(req->conn);
    }
}
