/* SPDX-License-Identifier: MIT */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is between may forget a connection without a word, many after two
 * minutes. */
#define FREE_MAX_MS 118000

/* --- lists ---------------------------------------------------------------- */

static void
link_free(struct conns *all, struct conn *c)
{
    c->prev = NULL;
    c->next = all->first;
    *(c->next ? &c->next->prev : &all->last) = c;
    all->first = c;
    all->free_count++;
}

static void
unlink_free(struct conns *all, struct conn *c)
{
    *(c->prev ? &c->prev->next : &all->first) = c->next;
    *(c->next ? &c->next->prev : &all->last) = c->prev;
    all->free_count--;
}

static void
link_making(struct conns *all, struct conn *c)
{
    c->prev = NULL;
    c->next = all->making;
    if (c->next)
        c->next->prev = c;
    all->making = c;
}

static void
unlink_making(struct conns *all, struct conn *c)
{
    *(c->prev ? &c->prev->next : &all->making) = c->next;
    if (c->next)
        c->next->prev = c->prev;
}

static int
know_fd(struct conns *all, int fd, struct conn *c)
{
    if ((size_t) fd >= all->fds) {
        size_t n = all->fds ? all->fds : 64;
        while (n <= (size_t) fd)
            n *= 2;
        struct conn **by_fd = realloc(all->by_fd, n * sizeof(struct conn *));
        if (!by_fd)
            return -ENOMEM;
        memset(by_fd + all->fds, 0, (n - all->fds) * sizeof(struct conn *));
        all->by_fd = by_fd;
        all->fds = n;
    }
    all->by_fd[fd] = c;
    return 0;
}

struct conn *
conns_of(const struct conns *all, int fd)
{
    return (size_t) fd < all->fds ? all->by_fd[fd] : NULL;
}

/* --- libcurl's callbacks -------------------------------------------------- */

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct conn *c = arg;
    struct conns *all = c->of;
    struct epoll_event e = { .data.fd = fd };
    (void) easy;
    (void) known;
    if (what == CURL_POLL_REMOVE) {
        if (conns_of(all, fd) == c)
            all->by_fd[fd] = NULL;
        epoll_ctl(all->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    const int is_new = conns_of(all, fd) != c;
    if (know_fd(all, fd, c))
        return -1;
    e.events = (what & CURL_POLL_IN ? EPOLLIN : 0u)
               | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    int rc =
        epoll_ctl(all->epoll, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &e);
    if (rc && errno == EEXIST)
        rc = epoll_ctl(all->epoll, EPOLL_CTL_MOD, fd, &e);
    if (rc && errno == ENOENT)
        rc = epoll_ctl(all->epoll, EPOLL_CTL_ADD, fd, &e);
    return rc ? -1 : 0;
}

static int
on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct conn *c = arg;
    (void) multi;
    c->timer_ms = timeout_ms < 0 ? -1 : easy_now_ms() + timeout_ms;
    return 0;
}

static int
on_close(void *arg, curl_socket_t fd)
{
    struct conn *c = arg;
    if (!c->keeps_fd || c->fd != fd)
        return close(fd);
    c->released = 1;
    return 0;
}

/* --- all of them ---------------------------------------------------------- */

int
conns_open(struct conns *all, const struct easy_options *options, int epoll)
{
    *all = (struct conns){ .options = options, .epoll = epoll };
    if (!(all->share = curl_share_init())
        || curl_share_setopt(all->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS)
        || curl_share_setopt(all->share, CURLSHOPT_SHARE,
                             CURL_LOCK_DATA_SSL_SESSION))
        return -ENOMEM;
    return 0;
}

void
conns_close(struct conns *all)
{
    while (all->making)
        conn_close(all->making);
    while (all->first)
        conn_close(all->first);
    while (all->spare_count) {
        const struct conn_maker *spare = &all->spare[--all->spare_count];
        curl_easy_cleanup(spare->easy);
        curl_multi_cleanup(spare->multi);
    }
    if (all->share)
        curl_share_cleanup(all->share);
    free(all->by_fd);
    memset(all, 0, sizeof(*all));
}

struct conn *
conns_take(struct conns *all, const char *origin, struct exchange *exchange)
{
    struct conn *c = all->first;
    while (c && strcmp(c->origin, origin))
        c = c->next;
    if (!c)
        return NULL;
    unlink_free(all, c);
    c->state = CONN_BUSY;
    c->exchange = exchange;
    c->served = 1;
    return c;
}

static int
prepare(struct conn *c, const char *origin, uint32_t timeout_ms)
{
    struct conns *all = c->of;
    if (all->spare_count) {
        const struct conn_maker *spare = &all->spare[--all->spare_count];
        c->multi = spare->multi;
        c->easy = spare->easy;
        easy_aim(c->easy, &c->call, all->options);
    } else if (!(c->multi = curl_multi_init())
               || !(c->easy = easy_new(&c->call, all->options))) {
        return -ENOMEM;
    }
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_easy_setopt(c->easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(c->easy, CURLOPT_CLOSESOCKETDATA, c);
    curl_easy_setopt(c->easy, CURLOPT_SHARE, all->share);
    curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long) timeout_ms);
    return curl_easy_setopt(c->easy, CURLOPT_URL, origin)
                   || curl_multi_add_handle(c->multi, c->easy)
               ? -ENOMEM
               : 0;
}

struct conn *
conns_make(struct conns *all, const char *origin, uint32_t timeout_ms,
           struct exchange *exchange)
{
    /* As many as are at work, and as many are free at most. */
    if (all->count >= all->options->of.concurrency && all->last)
        conn_close(all->last);
    const size_t len = strlen(origin);
    struct conn *c = calloc(1, sizeof(*c) + len + 1);
    if (!c)
        return NULL;
    memcpy(c->origin, origin, len + 1);
    c->of = all;
    c->fd = -1;
    c->timer_ms = -1;
    c->exchange = exchange;
    all->count++;
    link_making(all, c);
    if (!prepare(c, origin, timeout_ms))
        return c;
    conn_close(c);
    return NULL;
}

int64_t
conns_next_ms(const struct conns *all)
{
    int64_t at = all->last ? all->last->free_ms + FREE_MAX_MS : -1;
    for (const struct conn *c = all->making; c; c = c->next)
        if (c->timer_ms >= 0 && (at < 0 || c->timer_ms < at))
            at = c->timer_ms;
    return at;
}

void
conns_age(struct conns *all, int64_t now_ms)
{
    while (all->last && now_ms - all->last->free_ms >= FREE_MAX_MS)
        conn_close(all->last);
}

/* --- one that is made ----------------------------------------------------- */

static void
let_go(struct conn *c)
{
    struct conns *all = c->of;
    if (c->multi && c->easy)
        curl_multi_remove_handle(c->multi, c->easy);
    /* What libcurl remembers of a failure would be told of the next one, and a
     * proxy's answers as well.  A version of it that has kept a part of the
     * connection is not asked again. */
    if (c->released && !all->options->of.proxy
        && all->spare_count < CONN_SPARE) {
        easy_aim(c->easy, NULL, NULL);
        all->spare[all->spare_count++] =
            (struct conn_maker){ c->multi, c->easy };
    } else {
        if (c->easy)
            curl_easy_cleanup(c->easy);
        if (c->multi)
            curl_multi_cleanup(c->multi);
    }
    c->easy = NULL;
    c->multi = NULL;
    c->released = 0;
}

/* TLS to where it leads, or to its proxy. */
static int
has_tls(const struct conn *c)
{
    const char *proxy = c->of->options->of.proxy;
    return !strncmp(c->origin, "https:", 6)
           || (proxy && !strncasecmp(proxy, "https:", 6));
}

static int
is_made(struct conn *c)
{
    struct epoll_event e = { .events = EPOLLIN };
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (curl_easy_getinfo(c->easy, CURLINFO_ACTIVESOCKET, &fd)
        || fd == CURL_SOCKET_BAD)
        return -EBADF;
    easy_remote(c->easy, c->remote);
    c->fd = fd;
    c->keeps_fd = !has_tls(c);
    if (c->keeps_fd)
        let_go(c);
    if (know_fd(c->of, fd, c))
        return -ENOMEM;
    e.data.fd = fd;
    if (epoll_ctl(c->of->epoll, EPOLL_CTL_ADD, fd, &e))
        return -errno;
    unlink_making(c->of, c);
    c->timer_ms = -1;
    c->state = CONN_BUSY;
    return 0;
}

int
conn_go_on(struct conn *c, int fd, uint32_t events, CURLcode *code)
{
    int running, left;
    const CURLMsg *m;
    if (fd < 0)
        c->timer_ms = -1;
    curl_multi_socket_action(
        c->multi, fd < 0 ? CURL_SOCKET_TIMEOUT : fd,
        (events & EPOLLIN ? CURL_CSELECT_IN : 0)
            | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0)
            | (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0),
        &running);
    while ((m = curl_multi_info_read(c->multi, &left))) {
        if (m->msg != CURLMSG_DONE)
            continue;
        *code = m->data.result;
        if (!*code && is_made(c))
            *code = CURLE_OUT_OF_MEMORY;
        return *code ? -1 : 1;
    }
    return 0;
}

int
conn_wants_room(struct conn *c, int wants)
{
    struct epoll_event e = { .events = EPOLLIN | (wants ? EPOLLOUT : 0u),
                             .data.fd = c->fd };
    if (c->writes == wants)
        return 0;
    c->writes = wants;
    return epoll_ctl(c->of->epoll, EPOLL_CTL_MOD, c->fd, &e) ? -errno : 0;
}

int
conn_is_tls(const struct conn *c)
{
    return c->easy != NULL;
}

ssize_t
conn_send(struct conn *c, const void *bytes, size_t len)
{
    size_t n = 0;
    if (!c->easy) {
        ssize_t sent = send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        return sent < 0 ? -errno : sent;
    }
    const CURLcode code = curl_easy_send(c->easy, bytes, len, &n);
    return code == CURLE_AGAIN ? -EAGAIN : code ? -EPIPE : (ssize_t) n;
}

ssize_t
conn_recv(struct conn *c, void *bytes, size_t len)
{
    size_t n = 0;
    if (!c->easy) {
        ssize_t got = recv(c->fd, bytes, len, MSG_DONTWAIT);
        return got < 0 ? -errno : got;
    }
    const CURLcode code = curl_easy_recv(c->easy, bytes, len, &n);
    return code == CURLE_AGAIN ? -EAGAIN : code ? -ECONNRESET : (ssize_t) n;
}

void
conn_keep(struct conn *c)
{
    struct conns *all = c->of;
    c->exchange = NULL;
    c->state = CONN_FREE;
    c->free_ms = easy_now_ms();
    link_free(all, c);
}

/* TLS has records of its own, and any byte of an answer is one to no
 * question. */
void
conn_look(struct conn *c)
{
    char byte;
    ssize_t n = conn_recv(c, &byte, 1);
    if (n != -EAGAIN && n != -EINTR)
        conn_close(c);
}

void
conn_close(struct conn *c)
{
    struct conns *all = c->of;
    if (c->state == CONN_MAKING)
        unlink_making(all, c);
    else if (c->state == CONN_FREE)
        unlink_free(all, c);
    if (c->fd >= 0 && conns_of(all, c->fd) == c) {
        all->by_fd[c->fd] = NULL;
        if (!c->keeps_fd) /* ours is not watched any more once it is closed */
            epoll_ctl(all->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    }
    let_go(c);
    if (c->keeps_fd)
        close(c->fd);
    all->count--;
    free(c);
}
