/* SPDX-License-Identifier: MIT */
/* Bytes of a connection, in and out.
 *
 * epoll tells once that there is something: `readable` stays set until all of
 * it has been read, which for TLS includes what GnuTLS keeps. */
#include "config.h"

#include "private.h"
#include "tls_private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A record holds no more. */
#define RECORD_MAX (16 << 10)

/* --- TLS ------------------------------------------------------------------ */

int
http_io_begin_tls(struct http_conn *c)
{
    static const gnutls_datum_t http_1_1 = { (unsigned char *) "http/1.1", 8 };
    if (gnutls_init(&c->tls, GNUTLS_SERVER | GNUTLS_NONBLOCK
                                 | GNUTLS_NO_SIGNAL)
        < 0) {
        c->tls = NULL;
        return -ENOMEM;
    }
    c->cert = tls_attach(c->loop->http->options.tls, c->tls);
    /* Who speaks other protocols only is meant for another server. */
    if (!c->cert
        || gnutls_alpn_set_protocols(c->tls, &http_1_1, 1,
                                     GNUTLS_ALPN_MANDATORY)
               < 0)
        return -ENOMEM;
    gnutls_transport_set_int(c->tls, c->fd);
    return 0;
}

int
http_io_shake_hands(struct http_conn *c)
{
    int rc;
    do
        rc = gnutls_handshake(c->tls);
    while (rc < 0 && rc != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(rc));
    if (rc == GNUTLS_E_AGAIN) {
        if (!gnutls_record_get_direction(c->tls))
            c->readable = 0;
        return -EAGAIN;
    }
    if (rc < 0)
        gnutls_alert_send_appropriate(c->tls, rc);
    return rc < 0 ? -EPROTO : 0;
}

static ssize_t
tls_recv(struct http_conn *c, void *to, size_t size)
{
    ssize_t n;
    do
        n = gnutls_record_recv(c->tls, to, size);
    while (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_WARNING_ALERT_RECEIVED);
    if (n >= 0)
        return n;
    if (n != GNUTLS_E_AGAIN)
        return -EPROTO; /* a new handshake, too */
    c->readable = 0;
    return -EAGAIN;
}

static ssize_t
tls_send(struct http_conn *c, const struct iovec *v)
{
    ssize_t n;
    size_t size = v->iov_len < RECORD_MAX ? v->iov_len : RECORD_MAX;
    do
        n = gnutls_record_send(c->tls, v->iov_base, size);
    while (n == GNUTLS_E_INTERRUPTED);
    return n > 0 ? n : n == GNUTLS_E_AGAIN ? -EAGAIN : -EPROTO;
}

/* --- both ----------------------------------------------------------------- */

ssize_t
http_io_recv(struct http_conn *c, void *to, size_t size)
{
    ssize_t n;
    if (c->tls) {
        n = tls_recv(c, to, size);
    } else {
        do
            n = recv(c->fd, to, size, 0);
        while (n < 0 && errno == EINTR);
        /* Less than there is room for was all; but who hung up has an end that
         * epoll has told of already. */
        if (n < (ssize_t) size)
            c->readable = n >= 0 && c->hung;
        if (n < 0)
            return -errno;
    }
    if (n > 0)
        c->moved_us = c->loop->now_us;
    return n;
}

ssize_t
http_io_send(struct http_conn *c, struct iovec *v, int count)
{
    ssize_t n;
    if (c->tls) {
        n = tls_send(c, v);
        if (n < 0)
            return n;
    } else {
        struct msghdr m = { .msg_iov = v, .msg_iovlen = (size_t) count };
        do
            n = count == 1
                    ? send(c->fd, v->iov_base, v->iov_len, MSG_NOSIGNAL)
                    : sendmsg(c->fd, &m, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
    c->moved_us = c->loop->now_us;
    return n;
}

void
http_io_finish(struct http_conn *c)
{
    if (c->tls && c->state != CONN_SHAKES)
        gnutls_bye(c->tls, GNUTLS_SHUT_WR);
    shutdown(c->fd, SHUT_WR);
}

void
http_io_close(struct http_conn *c)
{
    if (c->tls)
        gnutls_deinit(c->tls);
    tls_release(c->cert);
    if (c->fd >= 0)
        close(c->fd);
}
