/* SPDX-License-Identifier: MIT */
/* The dead-letter store (LMDB): events that will not be delivered without
 * help, each with its reason.  Several processes may read and write it, so the
 * command works beside a running daemon. */
#ifndef DEAD_H
#define DEAD_H

#include "text.h"

struct dead;

struct dead_letter {
    const char *lane;  /* "pipeline/destination", or "gate/<source>" */
    uint64_t position; /* in the spool; gate: a number of its own */
    int64_t at_us;     /* when it was given up */
    uint32_t attempts;
    struct il_reason reason;
    struct slice event; /* frame body; gate: the JSON as it came, cut at 64 KiB */
};

int dead_open(const char *dir, int read_only, struct dead **out);
void dead_close(struct dead *);

/* Make the letters of lane within (after, up_to] exactly these, durably, in
 * one transaction.  Ordered by position.  0 or a negative errno.  Skips the
 * disk when there is nothing to change. */
int dead_settle(struct dead *, const char *lane, uint64_t after,
                uint64_t up_to, const struct dead_letter *, size_t n);
/* Keep a refusal of the gate.  Queued and written by a thread of the store in
 * groups; the queue and the store are bounded (the oldest refusals go,
 * counted).  Any thread, never blocks on the disk. */
void dead_refused(struct dead *, const char *source,
                  const struct il_reason *, struct slice event);
/* Wait until the queue is on disk. */
void dead_flush(struct dead *);

/* Walk, oldest first, one lane or all (NULL); fn returns non-zero to stop. */
int dead_each(struct dead *, const char *lane,
              int (*fn)(void *arg, const struct dead_letter *), void *arg);
/* One letter; 0, -ENOENT.  fn sees it. */
int dead_get(struct dead *, const char *lane, uint64_t position,
             int (*fn)(void *arg, const struct dead_letter *), void *arg);
int dead_delete(struct dead *, const char *lane, uint64_t position);
uint64_t dead_count(struct dead *, const char *lane);

#endif
