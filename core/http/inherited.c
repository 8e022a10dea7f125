/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "inherited.h"

#include "private.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un path;
    struct sockaddr_storage room;
};

struct heir {
    int fd;    /* ours until it is taken */
    int taken; /* by a listener, which has it from then on */
    int ours;
    char *from, *server;
    union socket_address at;
};

struct guest {
    int fd; /* -1: taken */
    char *server;
    struct il_text sent;
};

struct http_inherited {
    struct heir *list;
    size_t count;
    struct guest *guests; /* connections */
    size_t guest_count;
    size_t guest_next; /* those before are taken */
};

struct http_inherited *
http_inherited_new(void)
{
    return calloc(1, sizeof(struct http_inherited));
}

void
http_inherited_free(struct http_inherited *in)
{
    for (size_t i = 0; in && i < in->count; i++) {
        if (!in->list[i].taken)
            close(in->list[i].fd);
        free(in->list[i].from);
        free(in->list[i].server);
    }
    for (size_t i = 0; in && i < in->guest_count; i++) {
        if (in->guests[i].fd >= 0)
            close(in->guests[i].fd);
        free(in->guests[i].server);
        text_clear(&in->guests[i].sent);
    }
    if (in) {
        free(in->list);
        free(in->guests);
    }
    free(in);
}

/* --- what it is ----------------------------------------------------------- */

/* NULL: a stream socket that listens. */
static const char *
socket_fault(int fd, union socket_address *at)
{
    socklen_t len = sizeof(*at);
    int type = 0, listens = 0;
    socklen_t n = sizeof(type), m = sizeof(listens);
    memset(at, 0, sizeof(*at));
    if (getsockname(fd, &at->any, &len))
        return errno == ENOTSOCK ? "is no socket" : strerror(errno);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) || type != SOCK_STREAM)
        return "is no stream socket; ListenStream= makes one";
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &m) || !listens)
        return "is a connection and no socket that listens; Accept=no is "
               "needed";
    if (at->any.sa_family != AF_INET && at->any.sa_family != AF_INET6
        && (at->any.sa_family != AF_UNIX || at->path.sun_path[0] != '/'))
        return "is neither IPv4 nor IPv6 nor a unix socket with a path";
    return NULL;
}

/* As those that are opened here: what is accepted inherits some of it. */
static int
socket_ready(int fd, int family)
{
    int one = 1, flags = fcntl(fd, F_GETFL);
    if (family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK)
                   || fcntl(fd, F_SETFD, FD_CLOEXEC)
               ? -errno
               : 0;
}

int
http_inherited_add(struct http_inherited *in, int fd, const char *from,
                   const char *server, int ours)
{
    union socket_address at;
    const char *fault = socket_fault(fd, &at);
    struct heir *list = NULL;
    int err = fault ? -EINVAL : socket_ready(fd, at.any.sa_family);
    if (fault)
        log_error("descriptor %d, from %s, %s", fd, from, fault);
    if (!err) {
        list = realloc(in->list, (in->count + 1) * sizeof(*list));
        err = list ? 0 : -ENOMEM;
    }
    if (err) {
        close(fd);
        return err;
    }
    in->list = list;
    struct heir *h = &list[in->count++];
    *h = (struct heir){ .fd = fd, .ours = ours, .at = at };
    h->from = strdup(from);
    h->server = server ? strdup(server) : NULL;
    return h->from && (!server || h->server) ? 0 : -ENOMEM;
}

int
http_inherited_add_conn(struct http_inherited *in, int fd, const char *server,
                        struct slice sent)
{
    const size_t n = in->guest_count;
    struct guest *list = in->guests;
    /* one after the other, and there may be ten thousand */
    if (!(n & (n - 1)))
        list = realloc(list, (n ? 2 * n : 1) * sizeof(*list));
    if (!list) {
        close(fd);
        return -ENOMEM;
    }
    in->guests = list;
    struct guest *g = &list[in->guest_count++];
    *g = (struct guest){ .fd = fd, .server = strdup(server) };
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return !g->server || text_put(&g->sent, sent.ptr, sent.len) ? -ENOMEM : 0;
}

int
http_inherited_get(const struct http_inherited *in, size_t i,
                   struct http_heir *out)
{
    if (i < in->count) {
        const struct heir *h = &in->list[i];
        *out = (struct http_heir){ .fd = h->fd,
                                   .server = h->server ? h->server : "",
                                   .ours = h->ours };
        return 1;
    }
    if (i - in->count >= in->guest_count)
        return 0;
    const struct guest *g = &in->guests[i - in->count];
    *out = (struct http_heir){ .fd = g->fd,
                               .server = g->server,
                               .is_conn = 1,
                               .sent = slice_of(g->sent.data, g->sent.len) };
    return 1;
}

size_t
http_inherited_count(const struct http_inherited *in)
{
    return in ? in->count : 0;
}

int
http_inherited_is_taken(const struct http_inherited *in, size_t i)
{
    return in->list[i].taken;
}

const char *
http_inherited_from(const struct http_inherited *in, size_t i)
{
    return in->list[i].from;
}

void
http_inherited_address(const struct http_inherited *in, size_t i,
                       struct il_text *out)
{
    const union socket_address *at = &in->list[i].at;
    char host[INET6_ADDRSTRLEN] = "", port[16];
    if (at->any.sa_family == AF_UNIX) {
        text_puts(out, "unix:");
        text_puts(out, at->path.sun_path);
        return;
    }
    const int six = at->any.sa_family == AF_INET6;
    inet_ntop(at->any.sa_family,
              six ? (const void *) &at->v6.sin6_addr : &at->v4.sin_addr, host,
              sizeof(host));
    text_puts(out, six ? "[" : "");
    text_puts(out, host);
    snprintf(port, sizeof(port), "%s:%d", six ? "]" : "",
             ntohs(six ? at->v6.sin6_port : at->v4.sin_port));
    text_puts(out, port);
}

/* --- where it listens ----------------------------------------------------- */

static in_port_t
port_of(const union socket_address *at)
{
    return at->any.sa_family == AF_INET6 ? at->v6.sin6_port : at->v4.sin_port;
}

static int
same_host(const union socket_address *a, const union socket_address *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return 0;
    return a->any.sa_family == AF_INET6
               ? !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr,
                         sizeof(a->v6.sin6_addr))
               : a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
}

static int
is_at_name(const union socket_address *at, const struct http_address *want)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *list = NULL;
    int found = 0;
    if (getaddrinfo(want->host[0] ? want->host : NULL, want->port, &hints,
                    &list))
        return 0;
    for (struct addrinfo *ai = list; ai && !found; ai = ai->ai_next) {
        union socket_address one = { .room = { 0 } };
        memcpy(&one, ai->ai_addr, ai->ai_addrlen);
        found = same_host(at, &one)
                && (!port_of(&one) || port_of(&one) == port_of(at));
    }
    freeaddrinfo(list);
    return found;
}

/* A path in a folder that was open: "/proc/self/fd/7/control", of which the
 * number means something in one process only.  Or NULL. */
static const char *
name_by_number(const char *path)
{
    static const char numbers[] = "/proc/self/fd/";
    if (strncmp(path, numbers, sizeof(numbers) - 1) != 0)
        return NULL;
    return strchr(path + sizeof(numbers) - 1, '/');
}

/* One path may be written in several ways.  Of those with a number only the
 * control socket's is there, and it is asked for by its server. */
static int
is_at_path(const char *path, const char *want)
{
    const char *x = name_by_number(path), *y = name_by_number(want);
    struct stat a, b;
    if (x && y)
        return !strcmp(x, y);
    return !strcmp(path, want)
           || (!lstat(path, &a) && !lstat(want, &b) && a.st_dev == b.st_dev
               && a.st_ino == b.st_ino);
}

static int
heir_is_at(const struct heir *h, const struct http_address *want)
{
    const int is_unix = h->at.any.sa_family == AF_UNIX;
    if (is_unix != want->is_unix)
        return 0;
    return is_unix ? is_at_path(h->at.path.sun_path, want->path)
                   : is_at_name(&h->at, want);
}

int
http_inherited_is_at(const struct http_inherited *in, size_t i,
                     const struct http_address *want)
{
    return heir_is_at(&in->list[i], want);
}

int
http_inherited_has(const struct http_inherited *in,
                   const struct http_address *want)
{
    for (size_t i = 0; in && i < in->count; i++)
        if (heir_is_at(&in->list[i], want))
            return 1;
    return 0;
}

/* --- taking it ------------------------------------------------------------ */

/* Whoever listens on one address with several sockets goes on with them all;
 * with port 0 it is the port that the first has got. */
static struct heir *
find_free(struct http_inherited *in, const char *server,
          const struct http_listener *l)
{
    for (size_t i = 0; i < in->count; i++) {
        struct heir *h = &in->list[i];
        if (h->taken || (h->server && strcmp(h->server, server))
            || !heir_is_at(h, &l->address))
            continue;
        if (l->address.is_unix || !l->port || l->port == ntohs(port_of(&h->at)))
            return h;
    }
    return NULL;
}

/* The path is ours from now on, if it was of who had it before. */
static void
own_path(const struct heir *h, struct http_listener *l)
{
    struct stat st;
    if (!h->ours || l->bound || lstat(l->address.path, &st))
        return;
    l->bound = 1;
    l->device = st.st_dev;
    l->inode = st.st_ino;
}

int
http_inherited_take(struct http_inherited *in, const char *server,
                    struct http_listener *l)
{
    struct heir *h = in ? find_free(in, server, l) : NULL;
    if (!h)
        return -ENOENT;
    h->taken = 1;
    if (l->address.is_unix)
        own_path(h, l);
    else
        l->port = ntohs(port_of(&h->at));
    if (!l->inherits)
        l->fd = h->fd;
    l->inherits = 1;
    return h->fd;
}

int
http_inherited_take_conn(struct http_inherited *in, const char *server,
                         struct slice *sent)
{
    while (in->guest_next < in->guest_count
           && in->guests[in->guest_next].fd < 0)
        in->guest_next++;
    for (size_t i = in->guest_next; i < in->guest_count; i++) {
        struct guest *g = &in->guests[i];
        int fd = g->fd;
        if (fd < 0 || strcmp(g->server, server))
            continue;
        g->fd = -1;
        *sent = slice_of(g->sent.data, g->sent.len);
        return fd;
    }
    return -ENOENT;
}
