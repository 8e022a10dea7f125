/* SPDX-License-Identifier: MIT */
/* Requests of HTTP/1.1 and their answers, many at a time on one thread.
 *
 * A request is one buffer, head and body, which leaves by one call where the
 * connection takes it.  Only if a connection that had served before ends before
 * a byte of the answer is there, the request is sent a second time, over a new
 * one: it had ended while it was free.  That the receiver has it twice then is
 * possible; it is the same event under the same id.
 *
 * exchange_new() may be called by any thread, all else is one thread's. */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "conn.h"
#include "place.h"
#include "response.h"

struct exchange {
    struct exchange *next, *prev;
    struct exchanges *of; /* NULL: not begun */
    void (*done)(void *arg, const struct transport_answer *);
    void *arg;
    uint32_t timeout_ms;
    int64_t begun_ms, until_ms;
    struct conn *conn;
    int again; /* it is sent for the second time */
    struct {
        const char *at;
        size_t len;
    } parts[2]; /* of the request */
    size_t sent;
    struct response response;
    char location[TRANSPORT_TARGET_MAX];
    size_t keep;
    char *kept;   /* of the answer's body; these lie behind the struct */
    char *origin; /* as the place's */
    char *bytes;
};

struct exchanges {
    const struct easy_options *options;
    struct conns conns;
    struct exchange *first; /* begun */
    uint32_t count;
    int64_t look_ms; /* no time is over before; -1: none is waited for */
    char *scratch;
};

/* 0, -ENOMEM or -EINVAL as transport_submit(); *out is owned by the caller. */
int exchange_new(const struct easy_options *, const struct transport_request *,
                 const struct place *, struct exchange **out);
/* One that was not begun: forget it, or bring it to its end. */
void exchange_free(struct exchange *);
void exchange_drop(struct exchange *, enum transport_class);

/* 0 or -ENOMEM; close in any case, when none is under way. */
int exchanges_open(struct exchanges *, const struct easy_options *, int epoll);
void exchanges_close(struct exchanges *);
/* It is theirs from then on. */
void exchanges_begin(struct exchanges *, struct exchange *);
void exchanges_give_up(struct exchanges *);
/* A file has events of epoll. */
void exchanges_event(struct exchanges *, int fd, uint32_t events);
/* What is due by the clock; and when something will be, or -1. */
void exchanges_time(struct exchanges *, int64_t now_ms);
int64_t exchanges_next_ms(const struct exchanges *);

#endif
