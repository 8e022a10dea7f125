/* SPDX-License-Identifier: MIT */
/* How much of what a source has sent lies undelivered in the spool.
 *
 * Bytes are noted with the position up to which they lie, in at most some
 * hundred sums of neighbours, and taken off as the lanes pass them: so it is
 * too much by a hundredth of the limit at most.  What was there at start is
 * counted beside it, by a thread of its own (gate_backlog_old()), while new
 * events come.  One thread at a time. */
#ifndef BACKLOG_H
#define BACKLOG_H

#include <stddef.h>
#include <stdint.h>

#define BACKLOG_SUMS 256

struct backlog_sum {
    uint64_t position, bytes;
};

struct backlog_list {
    struct backlog_sum sums[BACKLOG_SUMS]; /* a ring */
    size_t first, count;
    uint64_t bytes;
};

struct backlog {
    uint64_t max; /* bytes; 0: no limit */
    /* Up to where all lanes that take from the source have passed. */
    uint64_t (*passed)(void *arg);
    void *arg;
    struct backlog_list old, live;
    /* how fast they do: bytes a second, since a while */
    uint64_t delivered, delivered_then, rate;
    int64_t then_us;
};

/* So many bytes more, up to this position. */
void gate_backlog_add(struct backlog *, uint64_t position, uint64_t bytes);
/* The same of what was there before. */
void gate_backlog_old(struct backlog *, uint64_t position, uint64_t bytes);
/* Go on with what another has counted. */
void gate_backlog_follow(struct backlog *, const struct backlog *from);
/* Bytes that are undelivered now. */
uint64_t gate_backlog_bytes(struct backlog *, int64_t now_us);
/* Seconds until it is likely to be below its limit: 1 ... 3600. */
uint32_t gate_backlog_retry_after(const struct backlog *);

#endif
