/* SPDX-License-Identifier: MIT */
/* Bodies: their limits, where their memory comes from, and unpacking. */
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Deflate can reach 1032:1 on constant bytes; batches of events stay below
 * 100:1.  Small bodies may do as they like. */
#define RATIO_MAX 250
#define RATIO_FREE (256 << 10)

/* What is kept of a used buffer, so that a rare giant does not stay. */
#define POOL_KEEP (1 << 20)

/* The least that a body takes of its own. */
#define GROW_FROM (8 << 10)

/* One sender takes no more than so many times of what it leaves to others: they
 * find a fifth free, whatever it does. */
#define SHARE 4

/* Is this too much for one sender?  A single body never is. */
static int
above_share(const struct il_request *req, uint64_t all, uint64_t own)
{
    uint64_t max = HTTP_LIMIT(req->conn->loop->http, max_buffered);
    return own > req->charged && own / SHARE >= max - all;
}

/* Account for the body growing to cap bytes.  0 or -ENOBUFS. */
static int
body_charge(struct il_request *req, uint64_t cap)
{
    struct http *http = req->conn->loop->http;
    if (cap <= req->charged)
        return 0;
    uint64_t more = cap - req->charged;
    uint64_t all = atomic_fetch_add(&http->buffered, more) + more;
    if (!req->account)
        req->account
            = req->sender ? &req->sender->buffered : &http->strangers;
    uint64_t own = __atomic_add_fetch(req->account, more, __ATOMIC_RELAXED);
    if (all > HTTP_LIMIT(http, max_buffered) || above_share(req, all, own - more)) {
        atomic_fetch_sub(&http->buffered, more);
        __atomic_sub_fetch(req->account, more, __ATOMIC_RELAXED);
        return -ENOBUFS;
    }
    req->charged = cap;
    return 0;
}

static void
body_pool_give(struct http_loop *loop, struct il_text *body)
{
    body->len = 0;
    if (loop->pool_count < HTTP_POOL && body->cap && body->cap <= POOL_KEEP)
        loop->pool[loop->pool_count++] = *body;
    else
        free(body->data);
    *body = (struct il_text){ 0 };
}

void
http_body_release(struct il_request *req)
{
    if (req->charged) {
        atomic_fetch_sub(&req->conn->loop->http->buffered, req->charged);
        __atomic_sub_fetch(req->account, req->charged, __ATOMIC_RELAXED);
    }
    req->account = NULL;
    req->charged = 0;
    if (req->body.data && !req->in_place)
        body_pool_give(req->conn->loop, &req->body);
    req->in_place = 0;
    req->body = (struct il_text){ 0 };
}

void
http_body_pool_free(struct http_loop *loop)
{
    while (loop->pool_count)
        free(loop->pool[--loop->pool_count].data);
    if (loop->inflate_ready)
        inflateEnd(&loop->inflate);
    loop->inflate_ready = 0;
}

static void
too_large(struct il_request *req, const char *what)
{
    http_request_error(req, 413, "body_too_large",
                       "%s is larger than %llu bytes: send smaller batches",
                       what, (unsigned long long) req->max_body);
}

static void
too_busy(struct il_request *req)
{
    metric_add(req->conn->loop->http->refused_busy, 1);
    http_unavailable(req, 1, "busy",
                     "too many request bodies are being received; try again");
}

int
http_charge(struct il_request *req, uint64_t bytes)
{
    if (!body_charge(req, req->charged + bytes))
        return 0;
    too_busy(req);
    return -ENOBUFS;
}

static int
encoding_parse(struct il_request *req)
{
    const char *text = req->packing;
    if (!text || !*text || !strcasecmp(text, "identity")) {
        req->encoding = HTTP_IDENTITY;
        return 0;
    }
    if (!strcasecmp(text, "gzip") || !strcasecmp(text, "x-gzip")) {
        req->encoding = HTTP_GZIP;
        return 0;
    }
    http_request_respond_header(req, "Accept-Encoding", "gzip, identity");
    http_request_error(
        req, 415, "unsupported_encoding",
        "Content-Encoding \"%.40s\" is not taken here: send gzip or "
        "nothing",
        text);
    return -EINVAL;
}

int
http_body_begin(struct il_request *req)
{
    if (!req->head.lengths && !head_is_chunked(&req->head)) {
        if (strcmp(req->method, "POST") && strcmp(req->method, "PUT")
            && strcmp(req->method, "PATCH"))
            return 0;
        http_request_error(req, 411, "length_required",
                           "%s needs Content-Length or chunked encoding",
                           req->method);
        return -EINVAL;
    }
    if (encoding_parse(req))
        return -EINVAL;
    if (req->head.length > req->max_body) {
        too_large(req, "the body");
        return -EINVAL;
    }
    if (atomic_load(&req->conn->loop->http->buffered) + req->head.length
        > HTTP_LIMIT(req->conn->loop->http, max_buffered)) {
        too_busy(req);
        return -EINVAL;
    }
    return 0;
}

static uint64_t
drain_max(const struct il_request *req)
{
    return req->admitted ? HTTP_DRAIN_ADMITTED : HTTP_DRAIN_STRANGER;
}

static void
body_drop(struct il_request *req)
{
    req->discard = 1;
    http_body_release(req);
}

/* An empty one that was used before, where there is memory for it. */
static void
body_pool_take(struct il_request *req)
{
    struct http_loop *loop = req->conn->loop;
    if (!loop->pool_count)
        return;
    struct il_text *last = &loop->pool[loop->pool_count - 1];
    if (body_charge(req, last->cap))
        return; /* a smaller one may do */
    req->body = *last;
    req->body.len = 0;
    loop->pool_count--;
}

/* Memory grows with what has come, not with what is announced. */
static int
body_grow(struct il_request *req)
{
    struct il_text *body = &req->body;
    uint64_t cap = body->cap ? (uint64_t) body->cap * 2 : GROW_FROM;
    if (body_charge(req, cap))
        return -ENOBUFS;
    char *data = realloc(body->data, cap);
    if (!data)
        return -ENOMEM;
    body->data = data;
    body->cap = cap;
    return 0;
}

size_t
http_body_room(struct il_request *req, size_t want, char **at)
{
    struct http_loop *loop = req->conn->loop;
    struct il_text *body = &req->body;
    if (!req->discard && !body->data)
        body_pool_take(req);
    if (!req->discard && body->cap - body->len < 2 && body_grow(req)) {
        too_busy(req);
        body_drop(req);
    }
    *at = req->discard ? loop->scratch : body->data + body->len;
    size_t room = req->discard ? sizeof(loop->scratch)
                               : body->cap - body->len - 1;
    return room < want ? room : want;
}

int
http_body_came(struct il_request *req, size_t len)
{
    req->received += len;
    if (req->discard)
        return req->received > drain_max(req) + req->max_body ? -EIO : 0;
    req->body.len += len;
    if (req->received > req->max_body) {
        too_large(req, "the body");
        body_drop(req);
    }
    return 0;
}

int
http_body_take(struct il_request *req, const char *data, size_t size)
{
    while (size) {
        char *at;
        size_t n = http_body_room(req, size, &at);
        memcpy(at, data, n);
        if (http_body_came(req, n))
            return -EIO;
        data += n;
        size -= n;
    }
    return 0;
}

static int
inflate_begin(struct http_loop *loop)
{
    if (loop->inflate_ready)
        return inflateReset(&loop->inflate) == Z_OK ? 0 : -ENOMEM;
    memset(&loop->inflate, 0, sizeof(loop->inflate));
    if (inflateInit2(&loop->inflate, 16 + MAX_WBITS) != Z_OK)
        return -ENOMEM;
    loop->inflate_ready = 1;
    return 0;
}

/* Make room for more unpacked bytes.  0 or -EINVAL after an answer. */
static int
unpack_room(struct il_request *req, struct il_text *out, size_t packed)
{
    if (out->len > RATIO_FREE && out->len / RATIO_MAX > packed) {
        http_request_error(
            req, 413, "body_too_large",
            "the gzip body unpacks to more than %d times its size", RATIO_MAX);
        return -EINVAL;
    }
    if (out->len > req->max_body) {
        too_large(req, "the unpacked body");
        return -EINVAL;
    }
    if (out->cap - out->len > 1)
        return 0;
    uint64_t cap = out->cap ? out->cap * 2 : 16384;
    if (body_charge(req, req->body.cap + cap)
        || text_reserve(out, cap - out->len - 1)) {
        too_busy(req);
        return -EINVAL;
    }
    return 0;
}

/* Unpack all members (RFC 1952, 2.2) of req->body into out. */
static int
unpack(struct il_request *req, struct il_text *out)
{
    z_stream *z = &req->conn->loop->inflate;
    z->next_in = (Bytef *) req->body.data;
    z->avail_in = (uInt) req->body.len;
    for (;;) {
        if (unpack_room(req, out, z->total_in))
            return -EINVAL;
        size_t room = out->cap - out->len - 1;
        if (room > req->max_body + 1 - out->len)
            room = req->max_body + 1 - out->len;
        z->next_out = (Bytef *) out->data + out->len;
        z->avail_out = (uInt) room;
        int rc = inflate(z, Z_NO_FLUSH);
        out->len += room - z->avail_out;
        if (rc == Z_STREAM_END) {
            if (!z->avail_in && out->len <= req->max_body)
                return 0;
            if (z->avail_in && inflateReset(z) != Z_OK)
                rc = Z_MEM_ERROR;
            else
                continue;
        }
        if (rc == Z_OK && (z->avail_in || !z->avail_out))
            continue;
        http_request_error(req, 400, "bad_gzip",
                           rc == Z_OK || rc == Z_BUF_ERROR
                               ? "the gzip body ends too early"
                               : "the body is not gzip, or it is damaged");
        return -EINVAL;
    }
}

int
http_body_end(struct il_request *req)
{
    struct il_text out = { 0 };
    struct http_loop *loop = req->conn->loop;
    if (req->status || req->encoding != HTTP_GZIP || !req->body.len)
        return req->status ? -EINVAL : 0;
    if (inflate_begin(loop)) {
        too_busy(req);
        return -EINVAL;
    }
    if (loop->pool_count)
        out = loop->pool[--loop->pool_count];
    int err = body_charge(req, req->body.cap + out.cap);
    if (err)
        too_busy(req);
    else
        err = unpack(req, &out);
    struct il_text packed = req->body;
    req->body = out;
    body_pool_give(loop, &packed);
    return err ? -EINVAL : 0;
}
