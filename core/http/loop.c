/* SPDX-License-Identifier: MIT */
/* The loops: each thread owns its connections, its requests and a socket that
 * listens for each address. */
#include "config.h"

#include "private.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define SWEEP_US 500000
/* Others wait while a server rests. */
#define SWEEP_REST_US 20000

/* So often a loop looks for more before it lets those wait whom it has. */
#define GATHER_ROUNDS 8

/* Events that one look brings. */
#define EVENTS 256

/* Connections that are let in before it is somebody else's turn. */
#define ACCEPTED_AT_ONCE 64

void
http_loop_ring(struct http_loop *loop)
{
    uint64_t one = 1;
    if (write(loop->wake, &one, sizeof(one)) < 0 && errno != EAGAIN)
        log_error("%s: cannot wake a thread: %s", loop->http->options.name,
                  strerror(errno));
}

/* --- doors ---------------------------------------------------------------- */

static int
door_open(struct http_loop *loop, struct http_door *d)
{
    /* One connection need not wake all the loops that share a socket. */
    struct epoll_event ev = { .events = EPOLLIN | EPOLLEXCLUSIVE,
                              .data = { .ptr = d } };
    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, d->fd, &ev);
}

/* Its share of all connections that there may be. */
static size_t
conn_limit(const struct http_loop *loop)
{
    const struct http *http = loop->http;
    size_t share = HTTP_LIMIT(http, max_connections) / http->loop_count;
    return share ? share : 1;
}

/* Let nobody in. */
static void
doors_shut(struct http_loop *loop)
{
    for (size_t i = 0; i < loop->door_count && !loop->doors_shut; i++)
        epoll_ctl(loop->epoll, EPOLL_CTL_DEL, loop->doors[i].fd, NULL);
    loop->doors_shut = 1;
}

static void
doors_open(struct http_loop *loop)
{
    if (!loop->doors_shut || loop->conn_count >= conn_limit(loop)
        || loop->quiesced)
        return;
    for (size_t i = 0; i < loop->door_count; i++)
        if (!loop->tls_shut || !loop->doors[i].listener->is_tls)
            door_open(loop, &loop->doors[i]);
    loop->doors_shut = loop->doors_full = 0;
}

/* Whoever comes to these waits in the kernel. */
static void
tls_doors_shut(struct http_loop *loop)
{
    for (size_t i = 0; i < loop->door_count; i++)
        if (loop->doors[i].listener->is_tls)
            epoll_ctl(loop->epoll, EPOLL_CTL_DEL, loop->doors[i].fd, NULL);
    loop->tls_shut = 1;
}

/* At most once a minute. */
static void
tell_accept(struct http_loop *loop, int err)
{
    struct http *http = loop->http;
    int64_t told = atomic_load(&http->files_logged_us);
    if (loop->now_us - told < 60000000
        || !atomic_compare_exchange_strong(&http->files_logged_us, &told,
                                           loop->now_us))
        return;
    log_error("%s: cannot accept a connection, others wait: %s",
              http->options.name, strerror(err));
}

static void
door_accept(struct http_loop *loop, const struct http_door *d)
{
    for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
        struct sockaddr_storage ss;
        struct sockaddr *sa = (struct sockaddr *) &ss;
        socklen_t len = sizeof(ss);
        if (loop->conn_count >= conn_limit(loop)) {
            doors_shut(loop);
            loop->doors_full = 1;
            return;
        }
        int fd = accept4(d->fd, sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM
                       || errno == ENOBUFS)) {
            tell_accept(loop, errno);
            doors_shut(loop); /* until the next sweep */
        }
        if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
            return;
        if (fd < 0)
            continue;
        if (http_admits(loop, sa, len))
            http_conn_open(loop, fd, len ? sa : NULL, d->listener->is_tls);
        else
            close(fd);
    }
}

/* --- the thread ----------------------------------------------------------- */

static void
heard_ring(struct http_loop *loop)
{
    uint64_t n;
    if (read(loop->wake, &n, sizeof(n)) > 0)
        http_hold_ask_all(loop);
}

static void
heard_conn(struct http_conn *c, uint32_t what)
{
    c->readable |= (what & ~(uint32_t) EPOLLOUT) != 0;
    c->hung |= (what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    http_conn_turn(c);
}

/* Serve who has something, waiting for it for so long. */
static void
loop_serve(struct http_loop *loop, int wait_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(loop->epoll, events, EVENTS,
                       loop->ready ? 0 : wait_ms);
    loop->now_us = clock_monotonic_us();
    int rung = 0;
    for (int i = 0; i < n; i++) {
        void *what = events[i].data.ptr;
        struct http_door *d = what;
        if (!what)
            rung = 1;
        else if (d >= loop->doors && d < loop->doors + loop->door_count)
            door_accept(loop, d);
        else
            heard_conn(what, events[i].events);
    }
    /* after the events, as it may end connections that have one */
    if (rung)
        heard_ring(loop);
    /* those whose turn was over before they were done, once each */
    for (size_t left = loop->ready_count; left && loop->ready; left--) {
        struct http_conn *c = loop->ready;
        http_conn_not_soon(c);
        http_conn_turn(c);
    }
}

/* Where requests are held briefly: read on until nobody has anything new, so
 * that they wait together, and wait. */
static void
loop_round(struct http_loop *loop, int wait_ms)
{
    loop->brief_new = 0;
    http_seat_take(loop);
    loop_serve(loop, loop->brief.first ? 0 : wait_ms);
    for (int i = 0; i < GATHER_ROUNDS && loop->brief_new; i++) {
        loop->brief_new = 0;
        loop_serve(loop, 0);
    }
    http_hold_pause(loop);
    if (loop->doors_full)
        doors_open(loop);
}

static void
loop_quiesce(struct http_loop *loop)
{
    loop->quiesced = 1;
    loop->quiesced_us = loop->now_us;
    doors_shut(loop);
    if (!atomic_load(&loop->http->rests)) {
        for (size_t i = 0; i < loop->door_count; i++)
            close(loop->doors[i].fd);
        loop->door_count = 0;
    }
    http_loop_sweep(loop);
}

static void *
loop_run(void *arg)
{
    struct http_loop *loop = arg;
    struct http *http = loop->http;
    char name[16];
    snprintf(name, sizeof(name), "http-%.10s", http->options.name);
    pthread_setname_np(pthread_self(), name);
    while (!atomic_load(&http->stop)) {
        const int sweep_us =
            atomic_load(&http->rests) ? SWEEP_REST_US : SWEEP_US;
        loop_round(loop,
                   loop->conns || loop->doors_shut ? sweep_us / 1000 : 60000);
        if (atomic_load(&http->no_tls) && !loop->tls_shut)
            tls_doors_shut(loop);
        if (atomic_load(&http->quiesce) && !loop->quiesced)
            loop_quiesce(loop);
        else if (loop->now_us - loop->swept_us > sweep_us) {
            http_loop_sweep(loop);
            doors_open(loop);
        }
        if (loop->quiesced && !loop->conns)
            break;
    }
    /* The deadline has passed, or nobody is left. */
    http_hold_abandon(loop);
    return NULL;
}

/* --- starting and stopping ------------------------------------------------ */

static int
loop_listen(struct http_loop *loop, size_t i)
{
    struct http *http = loop->http;
    struct http_door *d = &loop->doors[loop->door_count];
    d->listener = &http->listeners[i];
    d->fd = http_listen(http, &http->listeners[i]);
    if (d->fd < 0)
        return d->fd;
    loop->door_count++;
    return 0;
}

static int
loop_listen_more(struct http_loop *loop, struct http_listener *l, int fd)
{
    const size_t n = loop->door_count + 1;
    struct http_door *doors = realloc(loop->doors, n * sizeof(*doors));
    if (!doors) {
        close(fd);
        return -ENOMEM;
    }
    loop->doors = doors;
    doors[loop->door_count++] = (struct http_door){ .listener = l, .fd = fd };
    return 0;
}

/* Where others have left more sockets than there are loops, connections wait in
 * the queue of each. */
static int
bind_more(struct http *http)
{
    size_t next = 0;
    int err = 0;
    for (size_t i = 0; i < http->options.listen_count && !err; i++) {
        struct http_listener *l = &http->listeners[i];
        for (int fd; !err && (fd = http_listen_more(http, l)) >= 0; next++)
            err =
                loop_listen_more(&http->loops[next % http->loop_count], l, fd);
    }
    return err;
}

static int
loop_bind(struct http_loop *loop)
{
    const size_t n = loop->http->options.listen_count;
    loop->doors = calloc(n ? n : 1, sizeof(*loop->doors));
    int err = loop->doors ? 0 : -ENOMEM;
    for (size_t i = 0; i < n && !err; i++)
        err = loop_listen(loop, i);
    return err;
}

static int
loop_doors(struct http_loop *loop)
{
    struct http *http = loop->http;
    for (size_t i = 0; i < loop->door_count; i++) {
        int err = http_door_listen(http, &loop->doors[i]);
        if (err)
            return err;
        if (door_open(loop, &loop->doors[i])) {
            log_error("%s: epoll: %s", http->options.name, strerror(errno));
            return -EIO;
        }
    }
    return 0;
}

static int
loop_open(struct http_loop *loop)
{
    struct http *http = loop->http;
    struct epoll_event ev = { .events = EPOLLIN };
    http_seat_take(loop);
    if (!loop->seat)
        return -ENOMEM;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->epoll < 0 || loop->wake < 0
        || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &ev)) {
        log_error("%s: cannot make a loop: %s", http->options.name,
                  strerror(errno));
        return -EIO;
    }
    return loop_doors(loop);
}

void
http_loop_close(struct http_loop *loop)
{
    while (loop->conns)
        http_conn_free(loop->conns);
    for (size_t i = 0; i < loop->door_count; i++)
        close(loop->doors[i].fd);
    if (loop->epoll >= 0)
        close(loop->epoll);
    if (loop->wake >= 0)
        close(loop->wake);
    http_leavers_free(loop);
    http_body_pool_free(loop);
    http_request_pool_free(loop);
    http_seat_end(loop);
    free(loop->doors);
    loop->doors = NULL;
    loop->door_count = 0;
    loop->epoll = loop->wake = -1;
}

static void
refresh(void *arg)
{
    struct http *http = arg;
    metric_set(http->connections, atomic_load(&http->conn_total));
}

int
http_bind(struct http *http)
{
    int err = 0;
    for (size_t i = 0; i < http->loop_count && !err; i++)
        if (!http->loops[i].doors)
            err = loop_bind(&http->loops[i]);
    /* http_free() closes what is open */
    return err ? err : bind_more(http);
}

int
http_start(struct http *http)
{
    int bound = http_bind(http);
    if (bound)
        return bound;
    for (size_t i = 0; i < http->loop_count; i++) {
        int err = loop_open(&http->loops[i]);
        if (err)
            return err; /* http_free() closes what is open */
    }
    http_take_over(http);
    http->running = 1;
    for (size_t i = 0; i < http->loop_count; i++) {
        struct http_loop *loop = &http->loops[i];
        int err = pthread_create(&loop->thread, NULL, loop_run, loop);
        if (err) {
            log_error("%s: cannot start a thread: %s", http->options.name,
                      strerror(err));
            return -err;
        }
        loop->started = 1;
    }
    metric_refresh(refresh, http);
    return 0;
}

int
http_port(const struct http *http, size_t i)
{
    return i < http->options.listen_count ? http->listeners[i].port : 0;
}

void
http_quiesce(struct http *http)
{
    atomic_store(&http->quiesce, 1);
    for (size_t i = 0; i < http->loop_count; i++)
        if (http->loops[i].started)
            http_loop_ring(&http->loops[i]);
}

void
http_stop(struct http *http, int64_t deadline_us)
{
    if (!http->running)
        return;
    http_quiesce(http);
    while (atomic_load(&http->conn_total)
           && clock_monotonic_us() < deadline_us)
        usleep(2000);
    http_work_stop(http);
    atomic_store(&http->stop, 1);
    for (size_t i = 0; i < http->loop_count; i++) {
        struct http_loop *loop = &http->loops[i];
        if (!loop->started)
            continue;
        http_loop_ring(loop);
        pthread_join(loop->thread, NULL);
        loop->started = 0;
    }
    metric_refresh_remove(refresh, http);
    http->running = 0;
}
