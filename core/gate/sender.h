/* SPDX-License-Identifier: MIT */
/* Who may send to a source, known by a key or a secret: what it is called, how
 * much it may send, of what types, from which pages. */
#ifndef SENDER_H
#define SENDER_H

#include "base/rate.h"
#include "base/text.h"
#include "http/http.h"

struct conf;

/* When a log line about refusals was written last, and how many have come
 * since; atomic. */
struct sender_said {
    int64_t at_us;
    uint64_t unsaid;
};

/* What somebody may do with entities. */
enum { SENDER_NOTHING, SENDER_WRITES, SENDER_ALL };

struct il_sender {
    struct http_sender http; /* first: the server hands it back */
    struct il_sender **of; /* the list it is in, of one source */
    const char *id;
    const char *secret; /* what it is known by: never shown, never kept */
    const struct il_conf *options; /* the group that describes it, ... */
    const char *secret_option;     /* ... and where in it the secret is */
    int publishable;               /* everybody may know the secret */
    int entities;                  /* SENDER_NOTHING ... */
    struct limit limit;
    struct bucket letters; /* dead letters, as fast as events */
    struct slice *types;   /* globs; none: all */
    size_t type_count;
    struct sender_said said;
    struct il_counter *accepted, *duplicates, *refused, *limited;
};

/* The next one of the same source. */
static inline struct il_sender *
gate_sender_next(const struct il_sender *s)
{
    return (struct il_sender *) s->http.next;
}

/* Who sends a request, so far as is known. */
static inline struct il_sender *
gate_sender_of(const struct il_request *req)
{
    return (struct il_sender *) http_request_sender(req);
}

/* Append a sender to the list of its source, as a group describes it (see
 * il_sender_from()).  What it needs is owned by owner.  0, -EINVAL after a
 * finding, or -ENOMEM. */
int gate_sender_open(struct conf *owner, const char *source,
                     struct il_sender **list, const struct il_conf *,
                     const char *secret, struct il_sender **out);
/* The rate and burst of a group; no limit where it has none.  0 or -EINVAL
 * after a finding. */
int gate_sender_rate(const struct il_conf *, struct rate *);

int gate_sender_may_send(const struct il_sender *, struct slice type);
/* Is a page of this origin among them?  1 where no origins are named: then
 * browsers see to it. */
int gate_sender_may_come_from(const struct il_sender *, const char *origin);

#endif
