/* SPDX-License-Identifier: MIT */
/* Addresses -> sockets that listen. */
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

/* --- unix ----------------------------------------------------------------- */

/* Does somebody listen there?  1, 0: the socket is one that was left behind,
 * or a negative errno. */
static int
socket_answers(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int rc = connect(fd, (const struct sockaddr *) at, sizeof(*at)) ? -errno
                                                                    : 1;
    close(fd);
    if (rc == -EAGAIN)
        return 1; /* somebody with a full queue */
    return rc == -ECONNREFUSED || rc == -ENOENT ? 0 : rc;
}

/* Only a socket is ever removed, and only one that nobody serves. */
static int
clear_path(const struct sockaddr_un *at, int only_look)
{
    struct stat st;
    if (lstat(at->sun_path, &st))
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    int rc = socket_answers(at);
    if (rc)
        return rc == 1 ? -EADDRINUSE : rc;
    if (only_look)
        return 0;
    return unlink(at->sun_path) && errno != ENOENT ? -errno : 0;
}

static int
unix_open(const char *path, uint32_t mode)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    memcpy(at.sun_path, path, strlen(path) + 1);
    int err = clear_path(&at, 0);
    if (err)
        return err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* nobody else's before its mode is set */
    if (fchmod(fd, 0600) || bind(fd, (struct sockaddr *) &at, sizeof(at))
        || chmod(path, mode))
        err = -errno;
    if (err) {
        close(fd);
        return err;
    }
    return fd;
}

static int
listen_unix(struct http *http, struct http_listener *l)
{
    struct stat st;
    /* One socket for all loops. */
    if (l->bound)
        return fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
    int fd = unix_open(l->address.path, http->options.socket_mode);
    if (fd == -EEXIST)
        log_error("%s: cannot listen on \"%s\": there is a file that is no "
                  "socket",
                  http->options.name, l->text);
    else if (fd == -EADDRINUSE)
        log_error("%s: cannot listen on \"%s\": another process does",
                  http->options.name, l->text);
    else if (fd < 0)
        log_error("%s: cannot listen on \"%s\": %s", http->options.name,
                  l->text, strerror(-fd));
    if (fd >= 0 && !lstat(l->address.path, &st)) {
        l->bound = 1;
        l->fd = fd;
        l->device = st.st_dev;
        l->inode = st.st_ino;
    }
    return fd;
}

void
http_unlisten(struct http_listener *l)
{
    struct stat st;
    if (l->bound && !lstat(l->address.path, &st) && st.st_dev == l->device
        && st.st_ino == l->inode)
        unlink(l->address.path);
    l->bound = 0;
}

/* --- TCP ------------------------------------------------------------------ */

static void
port_set(struct sockaddr *sa, int port)
{
    if (sa->sa_family == AF_INET6)
        ((struct sockaddr_in6 *) (void *) sa)->sin6_port
            = htons((uint16_t) port);
    else
        ((struct sockaddr_in *) (void *) sa)->sin_port
            = htons((uint16_t) port);
}

static int
port_of(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    if (getsockname(fd, (struct sockaddr *) &ss, &len))
        return 0;
    if (ss.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *) (void *) &ss)->sin6_port);
    return ntohs(((struct sockaddr_in *) (void *) &ss)->sin_port);
}

static int
socket_bind(const struct addrinfo *ai, int any, int reuse_port)
{
    int one = 1, zero = 0;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (reuse_port)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    /* ":8080" means both families; "[::]:8080" what it says */
    if (ai->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, any ? &zero : &one,
                   sizeof(one));
    /* What is accepted inherits it: an answer must not wait until the one
     * before it has been acknowledged. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen)) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

/* A socket with the address, which does not listen yet; -EINVAL: *why says
 * what is wrong with its name. */
static int
tcp_bind(const struct http_address *at, int port, int reuse_port,
         const char **why)
{
    const char *host = at->host;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(host[0] ? host : NULL, at->port, &hints, &list);
    if (rc) {
        *why = gai_strerror(rc);
        return -EINVAL;
    }
    int fd = -EADDRNOTAVAIL;
    /* any address: prefer the IPv6 socket, which serves IPv4 too */
    for (int pass = 0; pass < 2 && fd < 0; pass++) {
        for (struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next) {
            if (!host[0] && (ai->ai_family == AF_INET6) == pass)
                continue;
            if (port)
                port_set(ai->ai_addr, port);
            fd = socket_bind(ai, !host[0], reuse_port);
        }
    }
    freeaddrinfo(list);
    if (fd < 0)
        *why = strerror(-fd);
    return fd;
}

static int
listen_tcp(struct http *http, struct http_listener *l)
{
    const char *why;
    int fd = tcp_bind(&l->address, l->port, http->loop_count > 1, &why);
    if (fd < 0)
        log_error("%s: cannot listen on \"%s\": %s", http->options.name,
                  l->text, why);
    else if (!l->port)
        l->port = port_of(fd);
    return fd;
}

/* Two sockets may have one address while neither listens, so this disturbs
 * nobody who starts at the same time.  Loops of one process share a port, which
 * is no reason to share that of another. */
int
http_address_try(const struct http_address *at, const char **why)
{
    struct sockaddr_un path = { .sun_family = AF_UNIX };
    *why = NULL;
    if (!at->is_unix) {
        int fd = tcp_bind(at, 0, 0, why);
        if (fd >= 0)
            close(fd);
        return fd < 0 ? fd : 0;
    }
    memcpy(path.sun_path, at->path, sizeof(path.sun_path));
    int err = clear_path(&path, 1);
    if (err)
        *why = err == -EEXIST ? "there is a file that is no socket"
                              : strerror(-err);
    return err;
}

int
http_listen(struct http *http, struct http_listener *l)
{
    const char *fault = http_address_parse(l->text, &l->address);
    if (!fault && l->address.scheme == HTTP_TLS && !http->options.tls)
        fault = "there is no certificate";
    if (fault) {
        log_error("%s: cannot listen on \"%s\": %s", http->options.name,
                  l->text, fault);
        return -EINVAL;
    }
    l->is_tls = http->options.tls && !l->address.is_unix
                && l->address.scheme != HTTP_PLAIN;
    int fd = http_listen_more(http, l);
    if (fd == -ENOENT && l->inherits)
        fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0); /* one for all loops */
    if (fd != -ENOENT)
        return fd;
    return l->address.is_unix ? listen_unix(http, l) : listen_tcp(http, l);
}

int
http_listen_more(struct http *http, struct http_listener *l)
{
    return http_inherited_take(http->options.inherited, http->options.name, l);
}

int
http_door_listen(const struct http *http, const struct http_door *d)
{
    if (!listen(d->fd, SOMAXCONN))
        return 0;
    int err = -errno;
    log_error("%s: cannot listen on \"%s\": %s", http->options.name,
              d->listener->text, strerror(-err));
    return err;
}

void
http_listens_on(const struct http *http, size_t i, struct il_text *out)
{
    const struct http_listener *l = &http->listeners[i];
    char port[8];
    if (l->address.is_unix) {
        text_puts(out, l->text);
        return;
    }
    const int brackets = strchr(l->address.host, ':') != NULL;
    snprintf(port, sizeof(port), "%d", l->port);
    text_puts(out, l->is_tls ? "https://" : "http://");
    text_puts(out, brackets ? "[" : "");
    text_puts(out, l->address.host[0] ? l->address.host : "*");
    text_puts(out, brackets ? "]:" : ":");
    text_puts(out, port);
}
