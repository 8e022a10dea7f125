/* SPDX-License-Identifier: MIT */
/* The loops: each thread owns its connections, its held requests and one
 * libmicrohttpd daemon per address.
 *
 * libmicrohttpd runs with an external epoll; its epoll descriptor sits in ours
 * beside an eventfd.  Suspended requests are resumed by their own thread only:
 * resuming them from the spool's thread stalled for good with a few hundred
 * connections. */
#include "config.h"

#include "clock.h"
#include "http_private.h"
#include "log.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define SWEEP_US 500000

/* Once the server stops: how long a sender may still take to send the rest of
 * its request, or to read its answer.  Who stands still must not use up the time
 * in which what was accepted is delivered. */
#define LEAVE_US 5000000

/* So often a loop looks for more before it lets those wait whom it has. */
#define GATHER_ROUNDS 8

/* How long a connection may be idle while there is no room for new ones. */
#define CROWDED_IDLE_US 2000000

/* A sender may take timeout_ms and another millisecond per byte that came: a
 * body that trickles in slower than 1000 bytes a second is cut off. */
#define SLOWEST_BYTES_PER_MS 1

/* --- connections ---------------------------------------------------------- */

static void
conn_started(struct http_loop *loop, struct MHD_Connection *mhd, void **slot)
{
    const union MHD_ConnectionInfo *info
        = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_conn *conn = calloc(1, sizeof(*conn));
    *slot = conn;
    if (!conn)
        return; /* http_serve() closes it */
    conn->req.conn = conn;
    conn->loop = loop;
    conn->fd = info ? info->connect_fd : -1;
    conn->since_us = clock_monotonic_us();
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    http_client_begin(conn, info ? info->client_addr : NULL);
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info && info->tls_session)
        conn->cert = tls_attach(loop->http->options.tls, info->tls_session);
    conn->next = loop->conns;
    if (loop->conns)
        loop->conns->prev = conn;
    loop->conns = conn;
    loop->conn_count++;
    atomic_fetch_add(&loop->http->conn_total, 1);
}

static void
conn_closed(struct http_loop *loop, struct http_conn *conn)
{
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        loop->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    loop->freed |= loop->conn_count-- >= loop->conn_limit;
    atomic_fetch_sub(&loop->http->conn_total, 1);
    if (conn->req.is_held)
        http_hold_remove(&conn->req);
    body_release(&conn->req);
    text_clear(&conn->req.out);
    tls_release(conn->cert);
    http_peer_remove(conn);
    free(conn);
}

static void
conn_notify(void *cls, struct MHD_Connection *mhd, void **slot,
            enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        conn_started(cls, mhd, slot);
    } else if (*slot) {
        conn_closed(cls, *slot);
        *slot = NULL;
    }
}

/* Is it past its time?  Idle connections are libmicrohttpd's business; one
 * that has been without a whole request head for twice the time trickles. */
static int
conn_overdue(const struct http_conn *conn, int64_t now_us)
{
    const struct il_request *req = &conn->req;
    int64_t allowed_us = (int64_t) conn->loop->http->options.timeout_ms * 1000;
    if (!req->active)
        return now_us - conn->since_us > 2 * allowed_us;
    if (req->ended)
        return 0;
    return now_us - req->begun_us
           > allowed_us
                 + (int64_t) (req->received / SLOWEST_BYTES_PER_MS) * 1000;
}

/* When nine tenths of all connections that there may be are in use, those that
 * do nothing make room for those that want to do something. */
static int
conn_may_make_room(const struct http_conn *conn, int64_t now_us)
{
    struct http *http = conn->loop->http;
    return !conn->req.active && now_us - conn->since_us > CROWDED_IDLE_US
           && atomic_load(&http->conn_total) * 10
                  >= (uint64_t) http->options.max_connections * 9;
}

/* The server stops: is nobody to be waited for?  What has arrived by now is
 * still read, and whoever waits for the disk is answered. */
static int
conn_may_go(const struct http_conn *conn, int64_t now_us)
{
    const struct il_request *req = &conn->req;
    return !req->active
           || ((!req->ended || req->queued)
               && now_us - conn->loop->quiesced_us > LEAVE_US);
}

static void
loop_sweep(struct http_loop *loop, int64_t now_us)
{
    loop->swept_us = now_us;
    for (struct http_conn *c = loop->conns; c; c = c->next) {
        if (c->closing || c->fd < 0)
            continue;
        if (conn_overdue(c, now_us)) {
            c->closing = 1;
            shutdown(c->fd, SHUT_RDWR);
        } else if (loop->quiesced ? conn_may_go(c, now_us)
                                  : conn_may_make_room(c, now_us)) {
            /* What has arrived is still read and answered.  Linux goes on
             * reading from whoever goes on sending: cut off the next time. */
            const int gently = !c->req.active && !c->asked;
            c->closing = !gently;
            c->asked = 1;
            shutdown(c->fd, gently ? SHUT_RD : SHUT_RDWR);
        }
    }
}

void
http_loop_ring(struct http_loop *loop)
{
    uint64_t one = 1;
    if (write(loop->wake, &one, sizeof(one)) < 0 && errno != EAGAIN)
        log_error("%s: cannot wake a thread: %s", loop->http->options.name,
                  strerror(errno));
}

/* --- the thread ----------------------------------------------------------- */

static int
loop_timeout_ms(struct http_loop *loop)
{
    int ms = SWEEP_US / 1000;
    if (!loop->conns)
        ms = 60000;
    for (size_t i = 0; i < loop->daemon_count; i++) {
        MHD_UNSIGNED_LONG_LONG t;
        if (MHD_get_timeout(loop->daemons[i], &t) == MHD_YES
            && t < (MHD_UNSIGNED_LONG_LONG) ms)
            ms = (int) t;
    }
    return ms;
}

static void
loop_quiesce(struct http_loop *loop)
{
    loop->quiesced = 1;
    loop->quiesced_us = clock_monotonic_us();
    for (size_t i = 0; i < loop->daemon_count; i++) {
        MHD_socket fd = MHD_quiesce_daemon(loop->daemons[i]);
        if (fd != MHD_INVALID_SOCKET)
            close(fd);
    }
    loop_sweep(loop, clock_monotonic_us());
}

static void
loop_serve(struct http_loop *loop)
{
    for (size_t i = 0; i < loop->daemon_count; i++)
        MHD_run(loop->daemons[i]);
}

/* Serve who is ready.  Where requests are held briefly: read on until nobody
 * has anything new, so that they wait together, and wait. */
static void
loop_round(struct http_loop *loop)
{
    loop->brief_new = 0;
    loop_serve(loop);
    loop->brief_end = 0;
    if (!loop->brief && !loop->brief_new)
        return;
    for (int i = 0; i < GATHER_ROUNDS && loop->brief_new; i++) {
        loop->brief_new = 0;
        loop_serve(loop);
    }
    int64_t before = clock_monotonic_us();
    loop->pause(loop->pause_arg);
    loop->brief_end = clock_monotonic_us() - before >= HTTP_PAUSE_US;
}

/* The deadline has passed: who is still held hears 503. */
static void
loop_abandon(struct http_loop *loop)
{
    loop->brief_end = 1;
    loop_serve(loop);
    while (loop->held) {
        struct il_request *req = loop->held;
        req->shut = 1;
        if (!req->status)
            http_unavailable(req, 1, "shutting_down",
                             "the server is shutting down; send again");
        http_hold_remove(req);
        MHD_resume_connection(req->mhd);
    }
    for (int round = 0; round < 3; round++)
        loop_serve(loop);
}

static void *
loop_run(void *arg)
{
    struct http_loop *loop = arg;
    struct http *http = loop->http;
    struct epoll_event events[16];
    char name[16];
    snprintf(name, sizeof(name), "http-%.10s", http->options.name);
    pthread_setname_np(pthread_self(), name);
    while (!atomic_load(&http->stop)) {
        int n = epoll_wait(loop->epoll, events, 16,
                           loop->brief ? 0 : loop_timeout_ms(loop));
        for (int i = 0; i < n; i++)
            if (!events[i].data.ptr)
                http_hold_ask_all(loop);
        loop_round(loop);
        /* A daemon that was full listens again only when it runs the next
         * time, and nothing but a new connection might make it. */
        if (loop->freed) {
            loop->freed = 0;
            loop_serve(loop);
        }
        int64_t now = clock_monotonic_us();
        if (atomic_load(&http->quiesce) && !loop->quiesced)
            loop_quiesce(loop);
        else if (now - loop->swept_us > SWEEP_US)
            loop_sweep(loop, now);
        if (loop->quiesced && !loop->conns)
            break;
    }
    loop_abandon(loop);
    return NULL;
}

/* --- starting and stopping ------------------------------------------------ */

static void
mhd_log(void *cls, const char *fmt, va_list ap)
{
    struct http_loop *loop = cls;
    char line[512];
    vsnprintf(line, sizeof(line), fmt, ap);
    size_t len = strlen(line);
    while (len && line[len - 1] == '\n')
        line[--len] = 0;
    log_debug("%s: %s", loop->http->options.name, line);
}

/* Never asked: conn_started() gives each session what it needs. */
static int
no_certificate(gnutls_session_t session, const gnutls_datum_t *authorities,
               int authority_count, const gnutls_pk_algorithm_t *algorithms,
               int algorithm_count, gnutls_pcert_st **chain, unsigned *count,
               gnutls_privkey_t *key)
{
    (void) session, (void) authorities, (void) authority_count;
    (void) algorithms, (void) algorithm_count;
    (void) chain, (void) count, (void) key;
    return -1;
}

int
http_knows_tls(void)
{
    return MHD_is_feature_supported(MHD_FEATURE_TLS) == MHD_YES
           && MHD_is_feature_supported(MHD_FEATURE_HTTPS_CERT_CALLBACK)
                  == MHD_YES;
}

static struct MHD_Daemon *
daemon_start(struct http_loop *loop, const struct http_listener *l, int fd)
{
    struct http *http = loop->http;
    unsigned timeout = (http->options.timeout_ms + 999) / 1000;
    struct MHD_OptionItem tls[] = {
        { MHD_OPTION_HTTPS_PRIORITIES, 0,
          l->is_tls ? (void *) (uintptr_t) tls_priorities(http->options.tls)
                    : NULL },
        { MHD_OPTION_HTTPS_CERT_CALLBACK, 0,
          (void *) (uintptr_t) no_certificate },
        { MHD_OPTION_END, 0, NULL }
    };
    struct MHD_OptionItem *more = l->is_tls ? tls : &tls[2];
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG
            | (l->is_tls ? MHD_USE_TLS : 0),
        0, http_accept, loop, http_serve, loop, MHD_OPTION_EXTERNAL_LOGGER,
        mhd_log, loop, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t) HTTP_CONNECTION_MEMORY, MHD_OPTION_CONNECTION_MEMORY_INCREMENT,
        (size_t) 4096, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned) loop->conn_limit,
        MHD_OPTION_CONNECTION_TIMEOUT, timeout, MHD_OPTION_NOTIFY_COMPLETED,
        http_completed, loop, MHD_OPTION_NOTIFY_CONNECTION, conn_notify, loop,
        MHD_OPTION_URI_LOG_CALLBACK, http_target, loop,
        MHD_OPTION_STRICT_FOR_CLIENT, http->lax_library ? 0 : 1,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 0,
        MHD_OPTION_ARRAY, more, MHD_OPTION_END);
}

static int
loop_listen(struct http_loop *loop, size_t i)
{
    struct http *http = loop->http;
    struct http_listener *l = &http->listeners[i];
    int fd = http_listen(http, l);
    if (fd < 0)
        return fd;
    struct MHD_Daemon *d = daemon_start(loop, l, fd);
    if (!d) {
        close(fd);
        log_error("%s: cannot serve \"%s\": the HTTP library does not start",
                  http->options.name, l->text);
        return -EIO;
    }
    loop->daemons[loop->daemon_count++] = d;
    const union MHD_DaemonInfo *info
        = MHD_get_daemon_info(d, MHD_DAEMON_INFO_EPOLL_FD);
    struct epoll_event ev = { .events = EPOLLIN, .data = { .ptr = d } };
    if (!info || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, info->epoll_fd, &ev)) {
        log_error("%s: epoll: %s", http->options.name, strerror(errno));
        return -EIO;
    }
    return 0;
}

static int
loop_open(struct http_loop *loop)
{
    struct http *http = loop->http;
    size_t n = http->options.listen_count;
    struct epoll_event ev = { .events = EPOLLIN };
    loop->conn_limit = http->options.max_connections / http->loop_count;
    if (!loop->conn_limit)
        loop->conn_limit = 1;
    loop->daemons = calloc(n ? n : 1, sizeof(*loop->daemons));
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!loop->daemons || loop->epoll < 0 || loop->wake < 0
        || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &ev)) {
        log_error("%s: cannot make a loop: %s", http->options.name,
                  strerror(errno));
        return -EIO;
    }
    for (size_t i = 0; i < n; i++) {
        int err = loop_listen(loop, i);
        if (err)
            return err;
    }
    return 0;
}

void
http_loop_close(struct http_loop *loop)
{
    for (size_t i = 0; i < loop->daemon_count; i++)
        MHD_stop_daemon(loop->daemons[i]);
    if (loop->epoll >= 0)
        close(loop->epoll);
    if (loop->wake >= 0)
        close(loop->wake);
    body_stock_free(loop);
    free(loop->daemons);
    *loop = (struct http_loop){ .epoll = -1, .wake = -1 };
}

static void
refresh(void *arg)
{
    struct http *http = arg;
    metric_set(http->connections, atomic_load(&http->conn_total));
}

int
http_start(struct http *http)
{
    for (size_t i = 0; i < http->loop_count; i++) {
        int err = loop_open(&http->loops[i]);
        if (err)
            return err; /* http_free() closes what is open */
    }
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
    http->running = 0;
}
