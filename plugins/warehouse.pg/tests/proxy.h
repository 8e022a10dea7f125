/* SPDX-License-Identifier: MIT */
/* A TCP proxy before Postgres that understands where messages begin, and cuts
 * the connection that brings the n-th one of all.  The others pass.  Or it
 * swallows: both sides stay connected, and hear nothing more of each other, not
 * even that one of them has gone. */
#ifndef PROXY_H
#define PROXY_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PROXY_TO_SERVER, PROXY_TO_CLIENT };

struct proxy {
    int listener, port, server_port;
    int direction;   /* whose messages count */
    int pass_on;     /* is the n-th message still passed on? */
    atomic_int swallows;
    atomic_int left; /* messages until the cut; < 0: never */
    atomic_int cuts, done;
    pthread_t thread;
};

struct proxy_pair {
    struct proxy *proxy;
    int fds[2]; /* to the client, to the server */
    pthread_t thread;
    struct proxy_pair *next;
};

struct proxy_flow {
    unsigned char buf[65536];
    size_t have;
    uint64_t skip; /* bytes left of the message at hand */
    int startup;   /* the first message has no type byte */
};

static inline int
proxy_write(int fd, const unsigned char *p, size_t n)
{
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0)
            return -1;
        p += k;
        n -= (size_t) k;
    }
    return 0;
}

/* Does the message that begins at `at` bring the cut? */
static inline int
proxy_due(struct proxy *p)
{
    if (atomic_load(&p->left) <= 0 || atomic_fetch_sub(&p->left, 1) != 1)
        return 0;
    atomic_store(&p->left, -1);
    atomic_fetch_add(&p->cuts, 1);
    return 1;
}

/* Pass what is in the buffer on.  -1: cut here. */
static inline int
proxy_pass(struct proxy *p, struct proxy_flow *f, int to, int counts)
{
    size_t at = 0;
    while (at < f->have) {
        if (f->skip) {
            size_t n = f->skip < f->have - at ? f->skip : f->have - at;
            f->skip -= n;
            at += n;
            continue;
        }
        size_t head = f->startup ? 4 : 5;
        if (f->have - at < head)
            break;
        const unsigned char *l = f->buf + at + head - 4;
        f->skip =
            ((uint64_t) l[0] << 24 | l[1] << 16 | l[2] << 8 | l[3]) + head - 4;
        f->startup = 0;
        if (counts && proxy_due(p)) {
            size_t n = p->pass_on ? f->skip : 0;
            if (n > f->have - at)
                n = f->have - at;
            proxy_write(to, f->buf, at + n);
            return -1;
        }
    }
    int err = proxy_write(to, f->buf, at);
    memmove(f->buf, f->buf + at, f->have - at);
    f->have -= at;
    return err;
}

/* Read, and pass nothing on, until the test is over. */
static inline void
proxy_swallow(struct proxy *p, const int fds[2])
{
    char buf[65536];
    int gone[2] = { 0, 0 };
    while (!atomic_load(&p->done)) {
        struct pollfd ps[2] = { { gone[0] ? -1 : fds[0], POLLIN, 0 },
                                { gone[1] ? -1 : fds[1], POLLIN, 0 } };
        if (poll(ps, 2, 5) < 0)
            break;
        for (int d = 0; d < 2; d++)
            if (ps[d].revents && recv(fds[d], buf, sizeof buf, 0) <= 0)
                gone[d] = 1;
    }
}

static inline void
proxy_relay(struct proxy *p, const int fds[2])
{
    struct proxy_flow *flows = calloc(2, sizeof *flows);
    flows[0].startup = 1;
    for (int cut = 0; !cut && !atomic_load(&p->done);) {
        struct pollfd ps[2] = { { fds[0], POLLIN, 0 }, { fds[1], POLLIN, 0 } };
        if (poll(ps, 2, 5) < 0)
            break;
        for (int d = 0; d < 2 && !cut; d++) {
            struct proxy_flow *f = &flows[d];
            if (!ps[d].revents)
                continue;
            ssize_t n =
                recv(fds[d], f->buf + f->have, sizeof f->buf - f->have, 0);
            cut = n <= 0;
            f->have += n > 0 ? (size_t) n : 0;
            if (!cut)
                cut = proxy_pass(p, f, fds[!d], d == p->direction);
        }
    }
    free(flows);
    if (atomic_load(&p->swallows) && atomic_load(&p->cuts))
        proxy_swallow(p, fds);
}

static inline void *
proxy_pair_run(void *arg)
{
    struct proxy_pair *pair = arg;
    proxy_relay(pair->proxy, pair->fds);
    close(pair->fds[0]);
    close(pair->fds[1]);
    return NULL;
}

/* A connection of the client's, and one to the server for it. */
static inline struct proxy_pair *
proxy_accept(struct proxy *p, struct proxy_pair *next)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t) p->server_port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct proxy_pair *pair = calloc(1, sizeof *pair);
    int one = 1;
    pair->proxy = p;
    pair->next = next;
    pair->fds[0] = accept(p->listener, NULL, NULL);
    pair->fds[1] = socket(AF_INET, SOCK_STREAM, 0);
    for (int i = 0; i < 2; i++)
        setsockopt(pair->fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    /* Where that fails the relay ends at once. */
    if (connect(pair->fds[1], (struct sockaddr *) &a, sizeof a))
        shutdown(pair->fds[0], SHUT_RDWR);
    pthread_create(&pair->thread, NULL, proxy_pair_run, pair);
    return pair;
}

static inline void *
proxy_run(void *arg)
{
    struct proxy *p = arg;
    struct proxy_pair *pairs = NULL;
    while (!atomic_load(&p->done)) {
        struct pollfd fd = { p->listener, POLLIN, 0 };
        if (poll(&fd, 1, 5) > 0)
            pairs = proxy_accept(p, pairs);
    }
    while (pairs) {
        struct proxy_pair *next = pairs->next;
        pthread_join(pairs->thread, NULL);
        free(pairs);
        pairs = next;
    }
    return NULL;
}

static inline void
proxy_start(struct proxy *p, int server_port, int direction, int pass_on, int n)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    memset(p, 0, sizeof *p);
    p->server_port = server_port;
    p->direction = direction;
    p->pass_on = pass_on;
    atomic_store(&p->left, n);
    p->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(p->listener, (struct sockaddr *) &a, sizeof a)
        || listen(p->listener, 8)
        || getsockname(p->listener, (struct sockaddr *) &a, &len))
        abort();
    p->port = ntohs(a.sin_port);
    pthread_create(&p->thread, NULL, proxy_run, p);
}

static inline void
proxy_stop(struct proxy *p)
{
    atomic_store(&p->done, 1);
    pthread_join(p->thread, NULL);
    close(p->listener);
}

#endif
