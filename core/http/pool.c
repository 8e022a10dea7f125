/* SPDX-License-Identifier: MIT */
/* Requests that are not in use: a loop keeps as many as it has lately needed
 * at a time, so that a connection without a request costs next to nothing. */
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What is kept of an answer's buffer. */
#define OUT_KEEP (64 << 10)

static void
request_free(struct il_request *req)
{
    if (req->in != req->in_small)
        free(req->in);
    text_clear(&req->out);
    text_clear(&req->answer);
    free(req);
}

struct il_request *
http_request_take(struct http_conn *c)
{
    struct http_loop *loop = c->loop;
    struct il_request *req = loop->spare;
    if (req) {
        loop->spare = req->next;
        loop->spare_count--;
        if (loop->spare_count < loop->spare_low)
            loop->spare_low = loop->spare_count;
    } else {
        req = malloc(sizeof(*req));
        if (!req)
            return NULL;
        memset(&req->out, 0, sizeof(req->out));
        memset(&req->answer, 0, sizeof(req->answer));
        req->in = req->in_small;
        req->in_cap = sizeof(req->in_small);
    }
    memset(req, 0, offsetof(struct il_request, out));
    http_head_begin(&req->head);
    req->in_len = req->in_used = 0;
    req->conn = c;
    c->req = req;
    return req;
}

static void
shrink(struct il_request *req)
{
    if (req->out.cap > OUT_KEEP)
        text_clear(&req->out);
    if (req->in == req->in_small || req->in_len > sizeof(req->in_small))
        return;
    memcpy(req->in_small, req->in, req->in_len);
    free(req->in);
    req->in = req->in_small;
    req->in_cap = sizeof(req->in_small);
}

void
http_request_again(struct il_request *req)
{
    struct http_conn *c = req->conn;
    http_stream_end(req);
    http_seat_rise(req);
    http_body_release(req);
    req->in_len -= req->in_used;
    memmove(req->in, req->in + req->in_used, req->in_len);
    req->in_used = 0;
    shrink(req);
    memset(req, 0, offsetof(struct il_request, out));
    http_head_begin(&req->head);
    req->conn = c;
}

void
http_request_give(struct il_request *req)
{
    struct http_loop *loop = req->conn->loop;
    http_stream_end(req);
    http_seat_rise(req);
    http_body_release(req);
    req->conn->req = NULL;
    req->in_len = 0;
    shrink(req);
    req->next = loop->spare;
    loop->spare = req;
    loop->spare_count++;
}

int
http_request_room(struct il_request *req, size_t more)
{
    if (req->in_cap - req->in_len >= more)
        return 0;
    if (req->in != req->in_small)
        return -ENOMEM; /* never more than HTTP_IN_LARGE */
    char *large = malloc(HTTP_IN_LARGE);
    if (!large)
        return -ENOMEM;
    memcpy(large, req->in, req->in_len);
    req->in = large;
    req->in_cap = HTTP_IN_LARGE;
    return 0;
}

void
http_request_pool_trim(struct http_loop *loop)
{
    for (; loop->spare_low; loop->spare_low--) {
        struct il_request *req = loop->spare;
        loop->spare = req->next;
        loop->spare_count--;
        request_free(req);
    }
    loop->spare_low = loop->spare_count;
}

void
http_request_pool_free(struct http_loop *loop)
{
    loop->spare_low = loop->spare_count;
    http_request_pool_trim(loop);
}
