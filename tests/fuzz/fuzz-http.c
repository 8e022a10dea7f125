/* SPDX-License-Identifier: MIT */
/* The HTTP server over a real connection.  The first byte says whether the
 * rest goes over the wire as it is, or as the gzip body of a POST, whole or in
 * chunks.  Whatever comes, the connection ends, what is said is HTTP, and a
 * body that is echoed is the one that zlib unpacks. */
#include <config.h>

#include "fuzz.h"

#include "clock.h"
#include "host_api.h"
#include "http.h"
#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#define MAX_BODY 100000

static int port;

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
    };
    const char *listen = "127.0.0.1:0";
    struct http_options o = { .name = "fuzz", .listen = &listen,
                              .listen_count = 1, .threads = 1,
                              .max_body = MAX_BODY, .timeout_ms = 1000 };
    struct http *http;
    log_level_set(0);
    host_api_init();
    api = *host_api();
    host_api_set(&api);
    CLAIM(!http_new(&o, &http));
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        CLAIM(!http_route(http, &routes[i], NULL, NULL));
    CLAIM(!http_start(http));
    port = http_port(http, 0);
}

static int
dial(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t) port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval limit = { .tv_sec = 20 };
    struct linger reset = { .l_onoff = 1 }; /* thousands a second */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CLAIM(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    /* libFuzzer's timer interrupts it */
    while (connect(fd, (struct sockaddr *) &to, sizeof to) && errno != EISCONN)
        CLAIM(errno == EINTR || errno == EALREADY);
    return fd;
}

/* Send all, and read to the end: how many bytes fit into answer.  A request
 * that is not whole has no answer, so nobody waits long for it. */
static size_t
exchange(const char *bytes, size_t len, int whole, char *answer, size_t size)
{
    int fd = dial();
    struct pollfd answered = { .fd = fd, .events = POLLIN };
    size_t n = 0;
    while (len) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0)
            break; /* it has hung up: that is an answer */
        bytes += sent;
        len -= (size_t) sent;
    }
    if (!whole && poll(&answered, 1, 5) <= 0) {
        close(fd);
        return 0;
    }
    shutdown(fd, SHUT_WR);
    for (;;) {
        ssize_t got = recv(fd, answer + n, size - n, 0);
        CLAIM(got >= 0 || errno == ECONNRESET || errno == EINTR);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            break;
        n += got > 0 ? (size_t) got : 0;
        if (n == size)
            n = size / 2; /* the first half is kept */
    }
    close(fd);
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

static void
claim_http(const char *answer, size_t len)
{
    CLAIM(!len || (len > 12 && !strncmp(answer, "HTTP/1.", 7)));
    CLAIM(!len || (answer[9] >= '1' && answer[9] <= '5'));
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
    static char bytes[1 << 17], answer[4 * MAX_BODY];
    if (!port)
        serve();
    if (!size || size > 8192)
        return 0;
    int how = *data++ % 4;
    size--;
    if (how < 2) {
        size_t n = exchange((const char *) data, size, 0, answer,
                            sizeof answer);
        claim_http(answer, n);
        return 0;
    }
    size_t len = put_gzip(bytes, sizeof bytes, data, size, how == 3);
    size_t n = exchange(bytes, len, 1, answer, sizeof answer);
    claim_http(answer, n);
    CLAIM(n > 0);
    claim_echo(answer, n, data, size);
    return 0;
}
