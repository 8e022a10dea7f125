/* SPDX-License-Identifier: MIT */
/* Answers: their head, and their way out. */
#include "private.h"

#include "base/clock.h"
#include "base/digits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Bodies up to here leave with their head in one piece. */
#define TOGETHER 4096

static const char *
reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } known[] = {
        { 200, "OK" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 411, "Length Required" },
        { 412, "Precondition Failed" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 415, "Unsupported Media Type" },
        { 417, "Expectation Failed" },
        { 422, "Unprocessable Content" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].status == status)
            return known[i].text;
    return ""; /* its first digit says enough */
}

/* Once a second, in English whatever the locale. */
static const char *
date(struct http_loop *loop)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (loop->date[0] && loop->date_s == now.tv_sec)
        return loop->date;
    loop->date_s = now.tv_sec;
    gmtime_r(&now.tv_sec, &tm);
    snprintf(loop->date, sizeof(loop->date),
             "Date: %.3s, %02u %.3s %04u %02u:%02u:%02u GMT\r\n",
             days + 3 * tm.tm_wday, (unsigned) tm.tm_mday % 100,
             months + 3 * tm.tm_mon, (unsigned) (tm.tm_year + 1900) % 10000,
             (unsigned) tm.tm_hour % 100, (unsigned) tm.tm_min % 100,
             (unsigned) tm.tm_sec % 100);
    return loop->date;
}

/* Enough for all that is written below but for what sources add. */
#define HEAD_ROOM 512

static char *
put(char *at, const char *text)
{
    return stpcpy(at, text);
}

/* What a source has added; each takes four bytes more than in `extra`, of
 * which two are its NULs. */
static char *
put_extra(char *at, const struct il_request *req)
{
    for (uint32_t i = 0; i < req->extra_len;) {
        const char *name = req->extra + i, *value = name + strlen(name) + 1;
        at = put(put(put(put(at, name), ": "), value), "\r\n");
        i = (uint32_t) (value + strlen(value) + 1 - req->extra);
    }
    return at;
}

/* All but what browsers are told. */
static char *
put_head(char *at, struct il_request *req)
{
    at = put(digits_put(put(at, "HTTP/1.1 "), (uint64_t) req->status), " ");
    at = put(put(put(at, reason(req->status)), "\r\n"),
             date(req->conn->loop));
    if (req->type_text[0])
        at = put(put(put(at, "Content-Type: "), req->type_text), "\r\n");
    at = put_extra(at, req);
    if (req->shut || !head_keeps_alive(&req->head))
        at = put(at, "Connection: close\r\n");
    else if (!req->head.minor)
        at = put(at, "Connection: keep-alive\r\n");
    if (req->streams && req->head.minor)
        at = put(at, "Transfer-Encoding: chunked\r\n");
    else if (!req->streams && req->status != 204 && req->status != 304)
        at = put(digits_put(put(at, "Content-Length: "), req->out.len), "\r\n");
    return at;
}

int
http_answer_begin(struct il_request *req)
{
    struct http *http = req->conn->loop->http;
    struct il_text *answer = &req->answer;
    const int bare = req->status == 204 || req->status == 304
                     || !strcmp(req->method, "HEAD");
    answer->len = 0;
    req->shut |=
        req->conn->tls
            ? atomic_load(&http->quiesce) || atomic_load(&http->farewell)
            : atomic_load(&http->quiesce) && !atomic_load(&http->rests);
    req->answer_len = bare ? 0 : req->out.len;
    req->sent = 0;
    /* Not the loop's time, which is that of its beginning where a request is
     * answered at once. */
    const int64_t took_us = clock_monotonic_us() - req->begun_us;
    metric_observe(http->times, took_us, 1, (uint64_t) took_us);
    req->begun_us = req->conn->loop->now_us;
    if (text_reserve(answer, HEAD_ROOM + 3 * HTTP_EXTRA_BYTES))
        return -ENOMEM;
    answer->len = (size_t) (put_head(answer->data, req) - answer->data);
    if (http_site_of(req)->pages && http_cors_answer(req, answer))
        return -ENOMEM;
    if (text_put(answer, "\r\n", 2))
        return -ENOMEM;
    if (req->answer_len && req->answer_len <= TOGETHER) {
        if (text_put(answer, req->out.data, req->answer_len))
            return -ENOMEM;
        req->answer_len = 0;
    }
    http_count_status(http, req->status);
    return 0;
}

int
http_answer_write(struct il_request *req)
{
    const struct il_text *answer = &req->answer;
    while (req->sent < answer->len + req->answer_len) {
        struct iovec v[2];
        int count = 0;
        uint64_t at = req->sent;
        if (at < answer->len) {
            v[count].iov_base = answer->data + at;
            v[count++].iov_len = answer->len - at;
            at = answer->len;
        }
        at -= answer->len;
        if (at < req->answer_len) {
            v[count].iov_base = req->out.data + at;
            v[count++].iov_len = req->answer_len - at;
        }
        ssize_t n = http_io_send(req->conn, v, count);
        if (n < 0)
            return n == -EAGAIN ? 0 : (int) n;
        req->sent += (uint64_t) n;
    }
    return 1;
}

/* Whoever hears nothing sends the body after a while: it may be left out when
 * there is no room, but not said by half, which GnuTLS would hold back. */
int
http_answer_continue(struct il_request *req)
{
    static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec v = { .iov_base = text, .iov_len = sizeof(text) - 1 };
    ssize_t n = http_io_send(req->conn, &v, 1);
    if (n == -EAGAIN && !req->conn->tls)
        return 0;
    return n == (ssize_t) v.iov_len ? 0 : -EIO;
}
