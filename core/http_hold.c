/* SPDX-License-Identifier: MIT */
/* Requests that are answered later, by their own loop.
 *
 * One way is to suspend the connection until somebody rings; the other leaves
 * it where it is: libmicrohttpd asks again for an answer whenever it runs, and
 * the loop sees to it that it runs when there is one.  The second costs no
 * system call and no wake-up per request, but would keep the loop busy were it
 * to last: after HTTP_PAUSE_US it becomes the first. */
#include "http_private.h"

#include <errno.h>
#include <unistd.h>

static struct il_request **
hold_list(struct il_request *req)
{
    struct http_loop *loop = req->conn->loop;
    return req->is_brief ? &loop->brief : &loop->held;
}

static void
hold_add(struct il_request *req, int brief)
{
    req->is_held = 1;
    req->is_brief = brief;
    struct il_request **list = hold_list(req);
    req->prev = NULL;
    req->next = *list;
    if (*list)
        (*list)->prev = req;
    *list = req;
}

void
http_hold_remove(struct il_request *req)
{
    if (req->prev)
        req->prev->next = req->next;
    else
        *hold_list(req) = req->next;
    if (req->next)
        req->next->prev = req->prev;
    req->prev = req->next = NULL;
    if (!req->is_brief)
        atomic_fetch_sub(&req->conn->loop->held_count, 1);
    req->is_held = req->is_brief = 0;
}

/* From libmicrohttpd's call only.  Returns 1 if it was ready after all. */
static int
hold_suspend(struct il_request *req)
{
    struct http_loop *loop = req->conn->loop;
    /* Counted before it is asked: whoever makes it ready after the question
     * sees the count and wakes the loop. */
    atomic_fetch_add(&loop->held_count, 1);
    if (req->ready(req->ready_arg, req)) {
        atomic_fetch_sub(&loop->held_count, 1);
        return 1;
    }
    hold_add(req, 0);
    MHD_suspend_connection(req->mhd);
    return 0;
}

int
http_hold_ask(struct il_request *req)
{
    if (!req->is_brief)
        return 0;
    if (req->ready(req->ready_arg, req)) {
        http_hold_remove(req);
        return 1;
    }
    if (!req->conn->loop->brief_end)
        return 0;
    http_hold_remove(req);
    return hold_suspend(req);
}

void
http_hold(struct il_request *req,
          int (*ready)(void *arg, struct il_request *), void *arg)
{
    req->ready = ready;
    req->ready_arg = arg;
    hold_suspend(req);
}

void
http_hold_brief(struct il_request *req,
                int (*ready)(void *arg, struct il_request *),
                void (*pause)(void *arg), void *arg)
{
    struct http_loop *loop = req->conn->loop;
    if (loop->brief && (loop->pause != pause || loop->pause_arg != arg)) {
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
    hold_add(req, 1);
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
    uint64_t n;
    if (read(loop->wake, &n, sizeof(n)) < 0 && errno != EAGAIN)
        return;
    for (struct il_request *req = loop->held, *next; req; req = next) {
        next = req->next;
        if (!req->ready(req->ready_arg, req))
            continue;
        http_hold_remove(req);
        MHD_resume_connection(req->mhd);
    }
}
