/* SPDX-License-Identifier: MIT */
/* Send workload W1 over HTTP until every event is acknowledged.
 *   send [-c CONNECTIONS] [-b EVENTS-PER-REQUEST] [-n EVENTS] [-f FIRST]
 *        [-u PATH] [-k KEY] [-r EVENTS-PER-SECOND] [-s BYTES-PER-EVENT]
 *        [-i IDLE-CONNECTIONS] [-o FILE] HOST PORT
 * All requests are rendered before the clock starts.  With -r requests are
 * paced.  -i: so many more connections, which send nothing.  -o: write the id
 * of each event and when it was first sent, in microseconds since 1970.
 * Prints one line: key=value pairs. */
#define _GNU_SOURCE
#include "w1.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

struct request {
    size_t offset, len;
    uint32_t events;
    int64_t sent_us; /* 0: not yet */
};

struct conn {
    int fd;
    struct request *at; /* in flight, or NULL */
    size_t sent;
    double began;
    size_t got, body_left;
    int status, in_body;
    char head[2048];
};

static struct sockaddr_in address;
static int poller;
static char *bytes;
static struct request *requests;
static uint64_t request_count, next_request;
static struct request **again; /* to be repeated */
static uint64_t again_count;
static double *latency;
static uint64_t answered, acked, refused, broken;
static double interval, started;
static size_t event_size; /* 0: as W1 has it */

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static int64_t
clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void *
must(void *p)
{
    if (!p) {
        perror("send");
        exit(1);
    }
    return p;
}

static size_t
render_event(char *out, uint64_t number)
{
    struct w1 e;
    w1_make(&e, number);
    return event_size ? w1_sized(out, &e, event_size) : w1_json(out, &e);
}

static void
render(uint64_t first, uint64_t events, uint32_t batch, const char *path,
       const char *key)
{
    size_t most = event_size + W1_TEXT_MAX, len = 0;
    size_t cap = events * most + (events / batch + 1) * 512;
    char *body = must(malloc((size_t) batch * most + 16));
    bytes = must(malloc(cap));
    request_count = (events + batch - 1) / batch;
    requests = must(calloc(request_count, sizeof *requests));
    again = must(calloc(request_count, sizeof *again));
    latency = must(calloc(request_count, sizeof *latency));
    for (uint64_t r = 0; r < request_count; r++) {
        size_t n = 0;
        uint32_t k = 0;
        if (batch > 1)
            body[n++] = '[';
        for (; k < batch && r * batch + k < events; k++) {
            if (k)
                body[n++] = ',';
            n += render_event(body + n, first + r * batch + k);
        }
        if (batch > 1)
            body[n++] = ']';
        requests[r].offset = len;
        requests[r].events = k;
        len += (size_t) sprintf(bytes + len,
                                "POST %s HTTP/1.1\r\nHost: bench\r\n"
                                "Authorization: Bearer %s\r\n"
                                "Content-Type: application/json\r\n"
                                "Content-Length: %zu\r\n\r\n",
                                path, key, n);
        memcpy(bytes + len, body, n);
        len += n;
        requests[r].len = len - requests[r].offset;
    }
    free(body);
}

static void
conn_open(struct conn *c)
{
    int one = 1;
    for (int tries = 0; tries < 5000; tries++) {
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (!connect(c->fd, (struct sockaddr *) &address, sizeof address)) {
            struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
                                      .data.ptr = c };
            setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            fcntl(c->fd, F_SETFL, O_NONBLOCK);
            epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &ev);
            c->got = 0;
            c->in_body = 0;
            return;
        }
        close(c->fd);
        usleep(2000);
    }
    perror("send: connect");
    exit(1);
}

static void
open_idle(uint32_t count)
{
    while (count--) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof address))
            must(NULL);
    }
}

static void
conn_push(struct conn *c)
{
    while (c->at && c->sent < c->at->len) {
        ssize_t n = send(c->fd, bytes + c->at->offset + c->sent,
                         c->at->len - c->sent, MSG_NOSIGNAL);
        if (n < 0)
            return;
        c->sent += (size_t) n;
    }
}

static void
conn_take(struct conn *c)
{
    if (c->at)
        return;
    if (again_count)
        c->at = again[--again_count];
    else if (next_request < request_count
             && (interval == 0
                 || now() >= started + interval * (double) next_request))
        c->at = &requests[next_request++];
    else
        return;
    c->sent = 0;
    c->began = now();
    if (!c->at->sent_us)
        c->at->sent_us = clock_us();
    conn_push(c);
}

static void
conn_broken(struct conn *c)
{
    close(c->fd);
    if (c->at) {
        again[again_count++] = c->at;
        c->at = NULL;
        broken++;
    }
    conn_open(c);
    conn_take(c);
}

static void
conn_answered(struct conn *c)
{
    latency[answered++ % request_count] = now() - c->began;
    if (c->status >= 200 && c->status < 300) {
        acked += c->at->events;
    } else {
        refused++;
        again[again_count++] = c->at;
        usleep(1000);
    }
    c->at = NULL;
    c->in_body = 0;
    c->got = 0;
    conn_take(c);
}

/* Bodies are skipped, not kept: their length is all that is needed. */
static int
conn_read(struct conn *c)
{
    static char sink[1 << 16];
    for (;;) {
        char *to = c->in_body ? sink : c->head + c->got;
        size_t room = c->in_body ? (c->body_left < sizeof sink ? c->body_left
                                                               : sizeof sink)
                                 : sizeof c->head - 1 - c->got;
        ssize_t n = recv(c->fd, to, room, 0);
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n <= 0)
            return -1;
        if (!c->in_body) {
            c->got += (size_t) n;
            c->head[c->got] = 0;
            char *end = strstr(c->head, "\r\n\r\n");
            if (!end)
                continue;
            char *length = strcasestr(c->head, "\r\ncontent-length:");
            size_t body = length && length < end
                              ? strtoull(length + 17, NULL, 10)
                              : 0;
            size_t have = c->got - (size_t) (end + 4 - c->head);
            c->status = atoi(c->head + 9);
            c->in_body = 1;
            c->body_left = body > have ? body - have : 0;
        } else {
            c->body_left -= (size_t) n;
        }
        if (c->in_body && c->body_left == 0 && c->at)
            conn_answered(c);
    }
}

static void
write_times(const char *file, uint64_t first, uint32_t batch)
{
    FILE *f = must(fopen(file, "w"));
    for (uint64_t r = 0; r < request_count; r++)
        for (uint32_t k = 0; k < requests[r].events; k++) {
            struct w1 e;
            w1_make(&e, first + r * batch + k);
            fprintf(f, "%s\t%lld\n", e.id, (long long) requests[r].sent_us);
        }
    if (fclose(f))
        must(NULL);
}

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return x < y ? -1 : x > y;
}

int
main(int argc, char **argv)
{
    uint32_t conns = 64, batch = 1, idle = 0;
    uint64_t events = 1000000, first = 0;
    const char *path = "/v1/ingest", *key = "bench", *times = NULL;
    double rate = 0;
    int o;
    while ((o = getopt(argc, argv, "c:b:n:f:u:k:r:s:i:o:")) > 0) {
        switch (o) {
        case 'c': conns = (uint32_t) atoi(optarg); break;
        case 'b': batch = (uint32_t) atoi(optarg); break;
        case 'n': events = strtoull(optarg, NULL, 10); break;
        case 'f': first = strtoull(optarg, NULL, 10); break;
        case 'u': path = optarg; break;
        case 'k': key = optarg; break;
        case 'r': rate = atof(optarg); break;
        case 's': event_size = strtoull(optarg, NULL, 10); break;
        case 'i': idle = (uint32_t) atoi(optarg); break;
        case 'o': times = optarg; break;
        default: return 2;
        }
    }
    if (argc - optind != 2 || !conns || !batch || !events
        || (event_size && event_size < W1_SIZE_MIN)) {
        fputs("usage: send [options] HOST PORT\n", stderr);
        return 2;
    }
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t) atoi(argv[optind + 1]));
    inet_pton(AF_INET, argv[optind], &address.sin_addr);
    render(first, events, batch, path, key);
    if (rate > 0)
        interval = batch / rate;

    poller = epoll_create1(EPOLL_CLOEXEC);
    struct conn *all = must(calloc(conns, sizeof *all));
    open_idle(idle);
    for (uint32_t i = 0; i < conns; i++)
        conn_open(&all[i]);
    started = now();
    for (uint32_t i = 0; i < conns; i++)
        conn_take(&all[i]);
    double last = started;
    while (acked < events) {
        struct epoll_event ev[256];
        int n = epoll_wait(poller, ev, 256, interval > 0 ? 1 : 1000);
        for (int i = 0; i < n; i++) {
            struct conn *c = ev[i].data.ptr;
            conn_push(c);
            if (conn_read(c) < 0)
                conn_broken(c);
        }
        if (n > 0)
            last = now();
        else if (now() - last > 60) {
            fprintf(stderr, "send: stalled at %lu of %lu\n",
                    (unsigned long) acked, (unsigned long) events);
            return 1;
        }
        for (uint32_t i = 0; i < conns && (interval > 0 || again_count); i++)
            conn_take(&all[i]);
    }
    double took = now() - started;
    if (times)
        write_times(times, first, batch);
    uint64_t count = answered < request_count ? answered : request_count;
    qsort(latency, count, sizeof *latency, by_value);
    printf("events=%lu requests=%lu refused=%lu broken=%lu seconds=%.3f "
           "events_per_s=%.0f requests_per_s=%.0f p50_ms=%.3f p99_ms=%.3f\n",
           (unsigned long) acked, (unsigned long) answered,
           (unsigned long) refused, (unsigned long) broken, took,
           (double) acked / took, (double) answered / took,
           latency[count / 2] * 1e3, latency[count * 99 / 100] * 1e3);
    return 0;
}
