/* SPDX-License-Identifier: MIT */
/* Who may send to a source, known by a key or a secret: what it is called, how
 * much it may send, of what types, from which pages. */
#ifndef SENDER_H
#define SENDER_H

#include "plugin/instance.h"
#include "http/origin.h"
#include "base/rate.h"

/* When a log line about refusals was written last, and how many have come
 * since; atomic. */
struct sender_said {
    int64_t at_us;
    uint64_t unsaid;
};

struct il_sender {
    struct il_sender *next; /* of the same source */
    const char *id;
    const char *secret; /* what it is known by: never shown, never kept */
    struct limit limit;
    struct bucket letters; /* dead letters, as fast as events */
    struct slice *types;   /* globs; none: all */
    size_t type_count;
    struct origin_pattern *origins; /* none: it is no page's business */
    size_t origin_count;
    uint64_t buffered; /* atomic: bytes of its bodies in memory */
    struct sender_said said;
    struct il_counter *accepted, *duplicates, *refused, *limited;
};

/* il_sender(). */
int sender_open(const struct il_host *, const struct il_conf *,
                const char *secret, struct il_sender **out);
/* The rate and burst of a group; no limit where it has none.  0 or -EINVAL
 * after a finding. */
int sender_rate(const struct il_conf *, struct rate *);

int sender_may_send(const struct il_sender *, struct slice type);
/* Is a page of this origin among them?  1 where no origins are named: then
 * browsers see to it. */
int sender_may_come_from(const struct il_sender *, const char *origin);
/* Of a list: does any of them name this origin ("*" for all: 2)? */
int senders_know_origin(const struct il_sender *first, const char *origin);

#endif
