/* SPDX-License-Identifier: MIT */
/* A connection: what has to happen next, as far as it can happen now.
 *
 * It is registered with epoll once, edge-triggered, and never again but where
 * somebody does not read an answer: who is held is simply not read.  A turn ends
 * when there is nothing to read, or when others have waited long enough. */
#include "config.h"

#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes of one connection before it is another's turn, where a request counts
 * for so many at least. */
#define TURN_BYTES (256 << 10)
#define TURN_REQUEST (8 << 10)

/* What a step comes to: */
#define ON 1    /* there is another one to take */
#define WAIT 0  /* for an event, or for whoever holds the request */
#define GONE -1 /* the connection is to be freed */

/* --- coming and going ----------------------------------------------------- */

struct http_conn *
http_conn_open(struct http_loop *loop, int fd, const struct sockaddr *from,
               int is_tls)
{
    struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };
    struct http_conn *c = calloc(1, sizeof(*c));
    if (!c) {
        close(fd);
        return NULL;
    }
    c->loop = loop;
    c->fd = fd;
    c->state = is_tls ? CONN_SHAKES : CONN_HEAD;
    c->since_us = c->moved_us = loop->now_us;
    ev.data.ptr = c;
    if ((is_tls && http_io_begin_tls(c))
        || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &ev)) {
        http_io_close(c);
        free(c);
        return NULL;
    }
    http_client_begin(c, from);
    c->next = loop->conns;
    if (loop->conns)
        loop->conns->prev = c;
    loop->conns = c;
    loop->conn_count++;
    atomic_fetch_add(&loop->http->conn_total, 1);
    if (is_tls)
        atomic_fetch_add(&loop->http->tls_total, 1);
    return c;
}

void
http_conn_not_soon(struct http_conn *c)
{
    struct http_loop *loop = c->loop;
    if (!c->is_ready)
        return;
    if (c->ready_prev)
        c->ready_prev->ready_next = c->ready_next;
    else
        loop->ready = c->ready_next;
    if (c->ready_next)
        c->ready_next->ready_prev = c->ready_prev;
    else
        loop->ready_last = c->ready_prev;
    c->ready_prev = c->ready_next = NULL;
    c->is_ready = 0;
    loop->ready_count--;
}

void
http_conn_soon(struct http_conn *c)
{
    struct http_loop *loop = c->loop;
    if (c->is_ready)
        return;
    c->is_ready = 1;
    c->ready_prev = loop->ready_last;
    if (loop->ready_last)
        loop->ready_last->ready_next = c;
    else
        loop->ready = c;
    loop->ready_last = c;
    loop->ready_count++;
}

void
http_conn_free(struct http_conn *c)
{
    struct http_loop *loop = c->loop;
    http_conn_not_soon(c);
    if (c->prev)
        c->prev->next = c->next;
    else
        loop->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    if (c->req)
        http_request_give(c->req);
    if (c->tls && c->state == CONN_HEAD)
        http_io_finish(c); /* nothing was cut off */
    if (c->tls)
        atomic_fetch_sub(&loop->http->tls_total, 1);
    /* Closing does not do it where a process that is being started still has a
     * copy of the descriptor. */
    if (c->fd >= 0)
        epoll_ctl(loop->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    http_io_close(c);
    http_peer_remove(c);
    loop->conn_count--;
    atomic_fetch_sub(&loop->http->conn_total, 1);
    free(c);
}

/* Have epoll tell, or not, when there is room to write. */
static void
want_out(struct http_conn *c, int on)
{
    struct epoll_event ev = {
        .events = EPOLLIN | EPOLLRDHUP | EPOLLET | (on ? EPOLLOUT : 0),
        .data = { .ptr = c },
    };
    if (c->wants_out == on)
        return;
    c->wants_out = on != 0;
    epoll_ctl(c->loop->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

/* --- answering ------------------------------------------------------------ */

static int
answered(struct http_conn *c)
{
    struct il_request *req = c->req;
    const int shut = req->shut, stays = head_keeps_alive(&req->head);
    c->since_us = c->loop->now_us;
    c->asked = 0;
    if (shut || !stays) {
        /* Were it closed with bytes of the other end unread, that one would
         * never see the answer. */
        http_request_give(req);
        http_io_finish(c);
        c->state = CONN_LINGERS;
        return shut ? ON : GONE;
    }
    c->state = CONN_HEAD;
    if (http_conn_leaves(c))
        return GONE;
    if (req->in_used == req->in_len && !c->readable) {
        http_request_give(req);
        return WAIT;
    }
    http_request_again(req);
    return ON;
}

/* A piece of an answer that goes on has been written.  Whoever has hung up will
 * not be heard of again. */
static int
step_stream(struct http_conn *c)
{
    struct il_request *req = c->req;
    if (http_stream_next(req))
        return answered(c);
    c->loop->turn_left -= (int64_t) req->answer_len;
    if (c->hung || req->stream_broken)
        return GONE;
    c->state = req->is_held ? CONN_HELD : CONN_ANSWER;
    return req->is_held ? WAIT : ON;
}

static int
step_answer(struct http_conn *c)
{
    int rc = http_answer_write(c->req);
    if (rc < 0)
        return GONE;
    want_out(c, !rc);
    if (!rc)
        return WAIT;
    return c->req->streams ? step_stream(c) : answered(c);
}

static int
begin_answer(struct http_conn *c)
{
    if (c->state == CONN_HELD && c->req->stream_begun) {
        c->state = CONN_ANSWER;
        return c->req->stream_broken ? GONE : step_answer(c);
    }
    if (http_answer_begin(c->req))
        return GONE;
    c->req->stream_begun = c->req->streams;
    c->state = CONN_ANSWER;
    return step_answer(c);
}

/* --- reading -------------------------------------------------------------- */

/* http_io_recv() as a step: bytes, or what to return. */
static ssize_t
receive(struct http_conn *c, char *at, size_t size)
{
    ssize_t n = http_io_recv(c, at, size);
    if (n > 0)
        c->loop->turn_left -= n;
    else
        n = n == -EAGAIN ? WAIT : GONE;
    return n;
}

static int
step_shake(struct http_conn *c)
{
    int rc = http_io_shake_hands(c);
    if (rc == -EAGAIN) {
        want_out(c, gnutls_record_get_direction(c->tls));
        return WAIT;
    }
    if (rc)
        return GONE;
    want_out(c, 0);
    c->state = CONN_HEAD;
    return ON;
}

static int
step_end(struct http_conn *c)
{
    struct il_request *req = c->req;
    http_serve_end(req);
    if (!req->is_held)
        return begin_answer(c);
    c->state = CONN_HELD;
    return WAIT;
}

/* The head is there, or refused. */
static int
step_begin(struct http_conn *c)
{
    struct il_request *req = c->req;
    const struct head *head = &req->head;
    if (!head->status) {
        if (head_is_chunked(head) && http_request_room(req, HTTP_IN_SPARE))
            return GONE;
        http_head_seal(head, req->in);
        req->in_used = head->size;
    }
    c->loop->turn_left -= TURN_REQUEST;
    http_serve_begin(req);
    if (req->status && !http_serve_drains(req)) {
        req->shut = 1;
        return begin_answer(c);
    }
    if (head->expects && head->minor && req->in_used == req->in_len
        && http_answer_continue(req))
        return GONE;
    c->state = CONN_BODY;
    return ON;
}

/* A head is waited for, and there was nothing to read. */
static int
nothing_came(struct http_conn *c, int rc)
{
    if (c->asked && rc == WAIT && http_conn_leaves(c))
        return GONE;
    if (c->req && c->req->in_len)
        return rc;
    if (c->req)
        http_request_give(c->req);
    if (c->asked && c->tls)
        atomic_fetch_add(&c->loop->http->tls_ended, 1);
    return c->asked ? GONE : rc;
}

static int
step_head(struct http_conn *c)
{
    struct il_request *req = c->req;
    if (!req || req->head.seen == req->in_len) {
        ssize_t n = WAIT;
        if (!req && c->readable && !(req = http_request_take(c)))
            return GONE;
        if (c->readable) {
            if (http_request_room(req, HTTP_IN_SPARE))
                return GONE;
            n = receive(c, req->in + req->in_len, req->in_cap - req->in_len);
        }
        if (n <= 0)
            return nothing_came(c, (int) n);
        req->in_len += (uint32_t) n;
    }
    if (!http_head_feed(&req->head, req->in, req->in_len))
        return ON;
    return step_begin(c);
}

/* --- bodies --------------------------------------------------------------- */

/* Read into the body what there is of left bytes.  How many, or as
 * receive(). */
static ssize_t
receive_body(struct http_conn *c, uint64_t left)
{
    char *at;
    size_t size = http_body_room(c->req, left, &at);
    ssize_t n = receive(c, at, size);
    return n > 0 && http_body_came(c->req, (size_t) n) ? GONE : n;
}

/* A body that came whole with its head stays where it is. */
static int
leave_in_place(struct il_request *req, size_t len)
{
    if (req->received || len != req->head.length || req->discard
        || req->encoding != HTTP_IDENTITY)
        return 0;
    req->body.data = req->in + req->in_used;
    req->body.len = len;
    req->received = len;
    req->in_place = 1;
    return 1;
}

static int
step_length(struct http_conn *c)
{
    struct il_request *req = c->req;
    uint64_t left = req->head.length - req->received;
    size_t n = req->in_len - req->in_used;
    if (n > left)
        n = (size_t) left;
    if (n) {
        if (!leave_in_place(req, n)
            && http_body_take(req, req->in + req->in_used, n))
            return GONE;
        req->in_used += (uint32_t) n;
        left -= n;
    }
    if (!left)
        return step_end(c);
    if (!c->readable)
        return WAIT;
    ssize_t got = receive_body(c, left);
    return got > 0 ? ON : (int) got;
}

/* What has come of chunks already.  0 or -EIO; bad ones are answered. */
static int
take_chunks(struct il_request *req)
{
    struct chunk *chunk = &req->chunk;
    while (req->in_used < req->in_len && !http_chunk_ended(chunk)) {
        const char *at = req->in + req->in_used;
        ssize_t n = req->in_len - req->in_used;
        if (chunk->left) {
            if ((uint64_t) n > chunk->left)
                n = (ssize_t) chunk->left;
            if (http_body_take(req, at, (size_t) n))
                return -EIO;
            http_chunk_took(chunk, (size_t) n);
        } else if ((n = http_chunk_feed(chunk, at, (size_t) n)) < 0) {
            http_serve_break(req);
            return 0;
        }
        req->in_used += (uint32_t) n;
    }
    return 0;
}

static int
step_chunks(struct http_conn *c)
{
    struct il_request *req = c->req;
    ssize_t n;
    if (take_chunks(req))
        return GONE;
    if (req->shut)
        return begin_answer(c);
    if (http_chunk_ended(&req->chunk))
        return step_end(c);
    if (!c->readable)
        return WAIT;
    if (req->chunk.left) {
        n = receive_body(c, req->chunk.left);
        if (n > 0)
            http_chunk_took(&req->chunk, (size_t) n);
    } else {
        req->in_len = req->in_used = req->head.size;
        n = receive(c, req->in + req->in_len, req->in_cap - req->in_len);
        if (n > 0)
            req->in_len += (uint32_t) n;
    }
    return n > 0 ? ON : (int) n;
}

static int
step_linger(struct http_conn *c)
{
    struct http_loop *loop = c->loop;
    ssize_t n = recv(c->fd, loop->scratch, sizeof(loop->scratch), 0);
    loop->turn_left -= n;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return WAIT;
    return n > 0 ? ON : GONE;
}

/* --- turns ---------------------------------------------------------------- */

static int
step(struct http_conn *c)
{
    switch (c->state) {
    case CONN_SHAKES:
        return step_shake(c);
    case CONN_HEAD:
        return step_head(c);
    case CONN_BODY:
        return head_is_chunked(&c->req->head) ? step_chunks(c)
                                              : step_length(c);
    case CONN_ANSWER:
        return step_answer(c);
    case CONN_LINGERS:
        return step_linger(c);
    case CONN_HELD:
        return c->req->stream_begun && c->hung ? GONE : WAIT;
    }
    return WAIT;
}

void
http_conn_turn(struct http_conn *c)
{
    int rc;
    c->loop->turn_left = TURN_BYTES;
    do
        rc = step(c);
    while (rc == ON && c->loop->turn_left > 0);
    if (rc == GONE)
        http_conn_free(c);
    else if (rc == ON)
        http_conn_soon(c);
}

void
http_conn_answer(struct http_conn *c)
{
    int rc = begin_answer(c);
    if (rc == GONE)
        http_conn_free(c);
    else if (rc == ON)
        http_conn_soon(c);
}
