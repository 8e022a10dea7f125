/* SPDX-License-Identifier: MIT */
/* Connections of HTTP's thread.
 *
 * libcurl makes them, each in a multi handle of its own: names, addresses one
 * after the other, which of them are allowed, proxies, TLS and certificates.
 * Over a plain connection, also one through a SOCKS proxy, bytes then go by
 * send() and recv(), and libcurl has let it go; over TLS by libcurl's
 * curl_easy_send() and curl_easy_recv().
 *
 * One that is free is kept for the next request to the same place, the one used
 * last first, and closed when the other side does so, when it was not used for
 * long, or when there are too many.
 *
 * All of it is one thread's. */
#ifndef CONN_H
#define CONN_H

#include "easy.h"

#include <sys/types.h>

struct exchange;

enum conn_state { CONN_MAKING, CONN_BUSY, CONN_FREE };

struct conn {
    struct conn *next, *prev; /* of those that are made, or are free */
    struct conns *of;
    enum conn_state state;
    struct exchange *exchange; /* whose it is; NULL: it is free */
    int served;                /* a request before this one */
    int fd;                    /* -1: none yet */
    int keeps_fd;              /* it is ours, and not libcurl's */
    int released;              /* libcurl has no part of fd any more */
    int writes;                /* it is waited for until it takes more */
    int64_t free_ms;           /* since when */
    int64_t timer_ms;          /* when libcurl wants to be called; -1: never */
    CURLM *multi;              /* NULL: libcurl has let it go */
    CURL *easy;
    struct easy_call call;
    char remote[TRANSPORT_REMOTE_MAX];
    char origin[]; /* where it leads, as struct place has it */
};

/* libcurl's handles that have made a connection which is ours now. */
#define CONN_SPARE 16
struct conn_maker {
    CURLM *multi;
    CURL *easy;
};

struct conns {
    const struct easy_options *options;
    struct conn_maker spare[CONN_SPARE];
    size_t spare_count;
    int epoll;
    CURLSH *share; /* names that were looked up, and sessions of TLS */
    struct conn **by_fd;
    size_t fds;
    struct conn *making;       /* in no order */
    struct conn *first, *last; /* free: the one that was used last first */
    uint32_t count;            /* in all */
    uint32_t free_count;
};

/* 0 or -ENOMEM; close in any case.  epoll is the caller's. */
int conns_open(struct conns *, const struct easy_options *, int epoll);
void conns_close(struct conns *);

/* A free one that leads there, or NULL. */
struct conn *conns_take(struct conns *, const char *origin, struct exchange *);
/* Begin to make one.  NULL: no memory. */
struct conn *conns_make(struct conns *, const char *origin, uint32_t timeout_ms,
                        struct exchange *);
/* Whose file is ready, or NULL. */
struct conn *conns_of(const struct conns *, int fd);
/* When there is something to do without an event, or -1. */
int64_t conns_next_ms(const struct conns *);
/* Close free ones whose time is over. */
void conns_age(struct conns *, int64_t now_ms);

/* Go on making it, as fd has events of epoll, or with fd -1 for its timer.  0: it
 * is being made; 1: it is made; or -1, and *code. */
int conn_go_on(struct conn *, int fd, uint32_t events, CURLcode *code);
/* Wait for it to take more, or not. */
int conn_wants_room(struct conn *, int wants);
/* How many bytes, 0 at the end of what comes, -EAGAIN, or another negative
 * errno.  Of a TLS connection, -EAGAIN is to be seen before it is waited for. */
ssize_t conn_send(struct conn *, const void *, size_t);
ssize_t conn_recv(struct conn *, void *, size_t);
int conn_is_tls(const struct conn *);
/* It is free. */
void conn_keep(struct conn *);
/* A free one has an event: it is closed, unless that means nothing. */
void conn_look(struct conn *);
void conn_close(struct conn *);

#endif
