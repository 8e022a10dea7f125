/* SPDX-License-Identifier: MIT */
/* A connection of the HTTP server, without its thread.  The first byte says
 * whether the rest goes over the wire as it is, or as the gzip body of a POST,
 * whole or in chunks, and in what pieces.  Whatever comes, the connection ends,
 * what is said is HTTP, is the same in pieces as at once, and a body that is
 * echoed is the one that zlib unpacks. */
#include <config.h>

#include "fuzz.h"
#include "base/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/private.h"
#include "host/api.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#define MAX_BODY 100000
#define MAX_ANSWER (64 * MAX_BODY)

static struct http_loop *loop;
static int durable;

static void
echo(void *self, struct il_request *req)
{
    size_t len;
    const void *body = il_request_body(req, &len);
    (void) self;
    CLAIM(len <= MAX_BODY);
    il_respond(req, 200, "application/octet-stream", body, len);
}

static int
each_header(void *arg, const char *name, const char *value)
{
    size_t *n = arg;
    *n += strlen(name) + strlen(value);
    return 0;
}

static void
look(void *self, struct il_request *req)
{
    const char *path = il_request_path(req), *q = il_request_query(req, "q");
    size_t n = strlen(path) + (q ? strlen(q) : 0);
    char text[40];
    (void) self;
    CLAIM(*il_request_peer(req));
    il_request_each_header(req, each_header, &n);
    int len = snprintf(text, sizeof text, "%zu", n);
    il_respond(req, 200, "text/plain", text, (size_t) len);
}

static void
read_json(void *self, struct il_request *req)
{
    static struct il_text text; /* the one loop's */
    struct il_value v;
    (void) self;
    text.len = 0;
    if (il_request_json(req, &text, &v) == 0)
        il_respond(req, 202, "application/json", "{}", 2);
}

static int
late_ready(void *arg, struct il_request *req)
{
    (void) arg;
    if (!durable)
        return 0;
    il_respond(req, 202, "text/plain", "late", 4);
    return 1;
}

static void
late_pause(void *arg)
{
    (void) arg;
    durable = 1;
}

static void
late(void *self, struct il_request *req)
{
    (void) self;
    durable = 0;
    http_hold_brief(req, late_ready, late_pause, NULL);
}

static void
serve(void)
{
    static struct il_api api;
    static const struct il_route routes[] = {
        { .struct_size = sizeof(struct il_route), .method = "POST",
          .path = "/echo", .handle = echo },
        { .struct_size = sizeof(struct il_route), .method = "GET",
          .path = "/path/*", .handle = look },
        { .struct_size = sizeof(struct il_route), .method = "POST",
          .path = "/json", .handle = read_json },
        { .struct_size = sizeof(struct il_route), .method = "POST",
          .path = "/late", .handle = late },
    };
    struct http_options o = { .name = "fuzz", .threads = 1,
                              .max_body = MAX_BODY };
    struct http *http;
    log_level_set(0);
    host_api_init();
    api = *api_table();
    api_use(&api);
    CLAIM(!http_new(&o, &http));
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        CLAIM(!http_route(http, &routes[i], NULL, NULL));
    loop = &http->loops[0];
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    CLAIM(loop->epoll >= 0);
    http_seat_take(loop);
    CLAIM(loop->seat);
}

/* What has been answered, behind the n bytes that there are. */
static size_t
hear(int fd, char *answer, size_t n)
{
    ssize_t got;
    while ((got = recv(fd, answer + n, MAX_ANSWER - n, MSG_DONTWAIT)) > 0)
        n += (size_t) got;
    CLAIM(n < MAX_ANSWER);
    return n;
}

/* The loop goes on until nobody has anything to do. */
static size_t
serve_all(int fd, int hung, char *answer, size_t n)
{
    struct http_conn *c = loop->conns;
    if (c) {
        c->readable = 1;
        c->hung |= hung != 0;
        http_conn_turn(c);
    }
    for (;;) {
        n = hear(fd, answer, n);
        if ((c = loop->conns) == NULL)
            return n;
        if (c->is_ready)
            http_conn_not_soon(c);
        else if (loop->brief.first)
            http_hold_pause(loop);
        else if (c->state != CONN_ANSWER)
            return n;
        if (loop->conns)
            http_conn_turn(c);
    }
}

/* Say it in pieces, whose lengths follow from seed (0: at once), and read to
 * the end: how many bytes were answered. */
static size_t
exchange(const char *bytes, size_t len, unsigned seed, char *answer)
{
    int fd[2];
    size_t n = 0;
    CLAIM(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd));
    loop->now_us = clock_monotonic_us();
    CLAIM(http_conn_open(loop, fd[1], NULL, 0));
    while (len) {
        size_t piece = len;
        if (seed) {
            seed = seed * 1103515245 + 12345;
            piece = 1 + (seed >> 16) % (seed & 1 << 28 ? 200 : 3);
        }
        ssize_t sent = send(fd[0], bytes, piece < len ? piece : len,
                            MSG_NOSIGNAL);
        if (sent < 0)
            break; /* it has hung up: that is an answer */
        bytes += sent;
        len -= (size_t) sent;
        n = serve_all(fd[0], 0, answer, n);
    }
    shutdown(fd[0], SHUT_WR);
    n = serve_all(fd[0], 1, answer, n);
    CLAIM(!loop->conns && !loop->held.first && !loop->ready);
    close(fd[0]);
    return n;
}

/* Without what may differ: the time, and how much waiting there was. */
static size_t
comparable(char *answer, size_t n)
{
    static const char date[] = "\r\nDate: ";
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    size_t out = 0;
    for (size_t i = 0; i < n; i++) {
        if (n - i > 39 && !memcmp(answer + i, date, sizeof date - 1))
            i += 37;
        if (n - i >= sizeof go_on - 1
            && !memcmp(answer + i, go_on, sizeof go_on - 1))
            i += sizeof go_on - 1;
        if (i < n)
            answer[out++] = answer[i];
    }
    return out;
}

/* The same in pieces as at once. */
static size_t
exchange_both(const char *bytes, size_t len, unsigned seed, char *answer)
{
    static char one[MAX_ANSWER], two[MAX_ANSWER];
    size_t len_two = exchange(bytes, len, seed + 1, two);
    size_t n = exchange(bytes, len, 0, answer);
    memcpy(one, answer, n);
    size_t len_one = comparable(one, n);
    len_two = comparable(two, len_two);
    CLAIM(len_one == len_two && !memcmp(one, two, len_one));
    return n;
}

/* What zlib makes of all members, or -1. */
static long
unpack(const uint8_t *data, size_t size, uint8_t *out, size_t room)
{
    z_stream z = { .next_in = (Bytef *) (uintptr_t) data,
                   .avail_in = (uInt) size,
                   .next_out = out,
                   .avail_out = (uInt) room };
    int rc = Z_OK;
    CLAIM(inflateInit2(&z, 16 + MAX_WBITS) == Z_OK);
    while (rc == Z_OK) {
        rc = inflate(&z, Z_NO_FLUSH);
        if (rc == Z_STREAM_END && z.avail_in)
            rc = inflateReset(&z);
    }
    long len = rc == Z_STREAM_END ? (long) (room - z.avail_out) : -1;
    inflateEnd(&z);
    return len;
}

/* One answer after the other, and nothing else. */
static void
claim_answers(const char *answer, size_t len)
{
    while (len) {
        const char *end = memmem(answer, len, "\r\n\r\n", 4);
        CLAIM(len > 12 && !strncmp(answer, "HTTP/1.1 ", 9));
        CLAIM(answer[9] >= '1' && answer[9] <= '5' && end);
        size_t head = (size_t) (end + 4 - answer);
        const char *length = memmem(answer, head, "Content-Length: ", 16);
        CLAIM(length || !strncmp(answer + 9, "204", 3)
              || !strncmp(answer + 9, "100", 3));
        size_t body = length ? strtoul(length + 16, NULL, 10) : 0;
        CLAIM(body <= len - head);
        answer += head + body;
        len -= head + body;
    }
}

static void
claim_echo(const char *answer, size_t len, const uint8_t *data, size_t size)
{
    static uint8_t want[MAX_BODY + 1];
    if (!len || strncmp(answer + 9, "200", 3))
        return;
    const char *body = memmem(answer, len, "\r\n\r\n", 4);
    CLAIM(body);
    size_t got = (size_t) (answer + len - (body + 4));
    /* nothing is no gzip, but nothing either */
    long n = size ? unpack(data, size, want, sizeof want) : 0;
    CLAIM(n >= 0 && (size_t) n == got && !memcmp(body + 4, want, got));
}

static size_t
put_gzip(char *out, size_t room, const uint8_t *data, size_t size, int chunked)
{
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: a\r\n"
                               "Content-Encoding: gzip\r\n"
                               "Connection: close\r\n";
    size_t n;
    if (!chunked) {
        n = (size_t) snprintf(out, room, "%sContent-Length: %zu\r\n\r\n", head,
                              size);
        memcpy(out + n, data, size);
        return n + size;
    }
    n = (size_t) snprintf(out, room, "%sTransfer-Encoding: chunked\r\n\r\n",
                          head);
    for (size_t at = 0, len; at < size; at += len) {
        len = 1 + data[at] % 64;
        if (len > size - at)
            len = size - at;
        n += (size_t) snprintf(out + n, room - n, "%zx\r\n", len);
        memcpy(out + n, data + at, len);
        n += len;
        n += (size_t) snprintf(out + n, room - n, "\r\n");
    }
    return n + (size_t) snprintf(out + n, room - n, "0\r\n\r\n");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char bytes[1 << 17], answer[MAX_ANSWER];
    if (!loop)
        serve();
    if (!size || size > 8192)
        return 0;
    unsigned how = *data++;
    size--;
    if (how % 4 < 2) {
        size_t n = exchange_both((const char *) data, size, how / 4, answer);
        /* of an answer to HEAD nothing tells where it ends */
        if (!memmem(data, size, "HEAD", 4))
            claim_answers(answer, n);
        return 0;
    }
    size_t len = put_gzip(bytes, sizeof bytes, data, size, how % 4 == 3);
    size_t n = exchange_both(bytes, len, how / 4, answer);
    claim_answers(answer, n);
    CLAIM(n > 0);
    claim_echo(answer, n, data, size);
    return 0;
}
