/* SPDX-License-Identifier: MIT */
/* Who is past its time, in whose way, or to leave because the server stops. */
#include "private.h"

/* Once the server stops: how long a sender may still take to send the rest of
 * its request, or to read its answer.  Who stands still must not use up the time
 * in which what was accepted is delivered. */
#define LEAVE_US 5000000
/* A handshake across the world and a request. */
#define YOUNG_US 300000

/* How long a connection may be idle while there is no room for new ones. */
#define CROWDED_IDLE_US 2000000

/* What the other end still sends after an answer that closes the connection is
 * read for so long; less when the server stops. */
#define LINGER_US 1000000
#define LINGER_STOP_US 200000

/* A sender may take timeout_ms and another millisecond per byte that came: a
 * body that trickles in slower than 1000 bytes a second is cut off, and so is
 * who reads an answer more slowly. */
#define SLOWEST_BYTES_PER_MS 1

/* Is a head there? */
static int
is_active(const struct http_conn *c)
{
    return c->state == CONN_BODY || c->state == CONN_HELD
           || c->state == CONN_ANSWER;
}

static int
conn_overdue(const struct http_conn *c)
{
    const int64_t now_us = c->loop->now_us;
    const int64_t allowed_us
        = (int64_t) HTTP_LIMIT(c->loop->http, timeout_ms) * 1000;
    const struct il_request *req = c->req;
    int64_t paced_us = 0;
    switch (c->state) {
    case CONN_HELD:
        return 0;
    case CONN_LINGERS:
        return now_us - c->since_us
               > (c->loop->quiesced ? LINGER_STOP_US : LINGER_US);
    case CONN_SHAKES:
    case CONN_HEAD:
        /* one that has been without a whole request head for twice the time
         * trickles */
        return now_us - c->moved_us > allowed_us
               || now_us - c->since_us > 2 * allowed_us;
    case CONN_BODY:
        paced_us = (int64_t) (req->received / SLOWEST_BYTES_PER_MS) * 1000;
        break;
    case CONN_ANSWER:
        if (req->streams)
            return 0;
        paced_us = (int64_t) (req->sent / SLOWEST_BYTES_PER_MS) * 1000;
        break;
    }
    return now_us - c->moved_us > allowed_us
           || now_us - req->begun_us > allowed_us + paced_us;
}

/* When nine tenths of all connections that there may be are in use, or one
 * address has too many on which nobody has shown a key, those that do nothing
 * make room for those that want to do something. */
static int
conn_may_make_room(const struct http_conn *c)
{
    struct http *http = c->loop->http;
    return !is_active(c) && c->loop->now_us - c->since_us > CROWDED_IDLE_US
           && (atomic_load(&http->conn_total) * 10
                   >= (uint64_t) HTTP_LIMIT(http, max_connections) * 9
               || http_peer_crowds(c));
}

/* It rests, and this one has come just before that: it could not be told to go
 * yet, and is about to ask something. */
static int
is_young(const struct http_conn *c)
{
    return c->tls && atomic_load(&c->loop->http->rests)
           && c->loop->now_us - c->since_us < YOUNG_US;
}

/* The server stops: is nobody to be waited for?  What has arrived by now is
 * still read, and whoever waits for the disk is answered. */
static int
conn_may_leave(const struct http_conn *c)
{
    return ((c->state == CONN_SHAKES || c->state == CONN_HEAD) && !is_young(c))
           || (c->state != CONN_HELD
               && c->loop->now_us - c->loop->quiesced_us > LEAVE_US);
}

/* Asked to go: what has arrived is still read and answered, and who is in the
 * middle of a head has until the next time. */
static void
conn_ask(struct http_conn *c)
{
    if (c->asked || is_active(c)) {
        if (c->tls)
            atomic_fetch_add(&c->loop->http->tls_ended, 1);
        http_conn_free(c);
        return;
    }
    c->asked = 1;
    c->readable = 1;
    http_conn_soon(c);
}

void
http_loop_sweep(struct http_loop *loop)
{
    for (struct http_conn *c = loop->conns, *next; c; c = next) {
        next = c->next;
        if (conn_overdue(c))
            http_conn_free(c);
        else if (loop->quiesced ? conn_may_leave(c) : conn_may_make_room(c))
            conn_ask(c);
    }
    http_request_pool_trim(loop);
    loop->swept_us = loop->now_us;
}
