/* SPDX-License-Identifier: MIT */
/* Somebody else goes on: a process that takes this one's place, or a later
 * server of this one.
 *
 * Plain connections are left between two requests, with what has come of the
 * next one: whoever takes one reads on where this server has stopped, and the
 * other end sees nothing of it.  What TLS has in memory cannot be left. */
#include "config.h"

#include "private.h"
#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Whose sockets they were, in messages. */
#define FROM "the daemon before"

struct http_leaver {
    struct http_leaver *next;
    int fd;
    uint32_t len;
    char sent[];
};

void
http_farewell(struct http *http)
{
    atomic_store(&http->farewell, 1);
}

void
http_shut_tls(struct http *http)
{
    atomic_store(&http->no_tls, 1);
    for (size_t i = 0; i < http->loop_count; i++)
        if (http->loops[i].started)
            http_loop_ring(&http->loops[i]);
}

int
http_tls_is_over(const struct http *http)
{
    for (size_t i = 0; i < http->loop_count; i++)
        if (http->loops[i].started && !atomic_load(&http->loops[i].tls_shut))
            return 0;
    return !http_tls_count(http);
}

void
http_rest(struct http *http)
{
    atomic_store(&http->rests, 1);
    http_quiesce(http);
}

uint64_t
http_tls_count(const struct http *http)
{
    return atomic_load(&http->tls_total);
}

int
http_conn_leaves(struct http_conn *c)
{
    struct http_loop *loop = c->loop;
    const struct il_request *req = c->req;
    const uint32_t len = req ? req->in_len - req->in_used : 0;
    if (!atomic_load(&loop->http->rests) || c->tls || c->state != CONN_HEAD)
        return 0;
    struct http_leaver *l = malloc(sizeof(*l) + len);
    if (!l)
        return 0; /* it is closed, as it would be without this */
    *l = (struct http_leaver){ loop->leavers, c->fd, len };
    if (len)
        memcpy(l->sent, req->in + req->in_used, len);
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    loop->leavers = l;
    c->fd = -1;
    return 1;
}

void
http_leavers_free(struct http_loop *loop)
{
    while (loop->leavers) {
        struct http_leaver *l = loop->leavers;
        loop->leavers = l->next;
        if (l->fd >= 0)
            close(l->fd);
        free(l);
    }
}

/* --- leaving -------------------------------------------------------------- */

static int
leave_doors(struct http_loop *loop, struct http_inherited *in)
{
    const char *name = loop->http->options.name;
    int err = 0;
    for (size_t i = 0; i < loop->door_count; i++) {
        const struct http_door *d = &loop->doors[i];
        int one = http_inherited_add(in, d->fd, FROM, name, d->listener->bound);
        err = err ? err : one;
    }
    loop->door_count = 0;
    return err;
}

/* Its thread has ended: those that came in its last round. */
static void
leave_last(struct http_loop *loop, struct http_left *left)
{
    for (struct http_conn *c = loop->conns, *next; c; c = next) {
        next = c->next;
        if (http_conn_leaves(c))
            http_conn_free(c);
        else if (c->state == CONN_SHAKES || c->state == CONN_HEAD)
            left->tls++;
        else
            left->requests += c->state != CONN_LINGERS;
    }
}

static int
leave_conns(struct http_loop *loop, struct http_inherited *in,
            struct http_left *left)
{
    int err = 0;
    leave_last(loop, left);
    for (struct http_leaver *l = loop->leavers; l && !err; l = l->next) {
        err = http_inherited_add_conn(in, l->fd, loop->http->options.name,
                                      slice_of(l->sent, l->len));
        l->fd = -1;
        left->connections += !err;
    }
    return err;
}

int
http_leave(struct http *http, struct http_inherited *in, struct http_left *left)
{
    int err = 0;
    for (size_t i = 0; i < http->loop_count && !err; i++) {
        err = leave_doors(&http->loops[i], in);
        if (!err)
            err = leave_conns(&http->loops[i], in, left);
    }
    /* Paths belong to whoever listens there now. */
    for (size_t i = 0; i < http->options.listen_count; i++)
        http->listeners[i].bound = 0;
    left->tls += atomic_load(&http->tls_ended);
    return err;
}

/* --- taking over ---------------------------------------------------------- */

static void
take_over(struct http_loop *loop, int fd, struct slice sent)
{
    struct sockaddr_storage ss;
    struct sockaddr *from = (struct sockaddr *) &ss;
    socklen_t len = sizeof(ss);
    const int known = !getpeername(fd, from, &len) && len;
    struct http_conn *c = http_conn_open(loop, fd, known ? from : NULL, 0);
    if (!c || !sent.len)
        return;
    struct il_request *req = http_request_take(c);
    if (!req || http_request_room(req, sent.len)) {
        http_conn_free(c);
        return;
    }
    memcpy(req->in, sent.ptr, sent.len);
    req->in_len = (uint32_t) sent.len;
    http_conn_soon(c);
}

void
http_take_over(struct http *http)
{
    struct http_inherited *in = http->options.inherited;
    struct slice sent;
    size_t n = 0;
    int fd;
    while (in
           && (fd = http_inherited_take_conn(in, http->options.name, &sent))
                  >= 0) {
        struct http_loop *loop = &http->loops[n++ % http->loop_count];
        loop->now_us = clock_monotonic_us();
        take_over(loop, fd, sent);
    }
}
