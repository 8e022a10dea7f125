/* SPDX-License-Identifier: MIT */
/* A look at the events that pass a point of a lane, for people.
 *
 * The lane copies some of them into a bounded buffer, and whoever looks reads
 * that on a thread of its own.  Looking takes no more than a part of the lane's
 * time, and never waits: what it was too much for, or the buffer too full, is
 * counted.  A lane that nobody looks at pays a load of a pointer a batch. */
#ifndef TAP_H
#define TAP_H

#include "lane.h"

#define LANE_TAP_BYTES (256u << 10) /* that wait to be read */
#define LANE_TAP_PERCENT 2          /* of the lane's time */

struct lane_tap;

struct lane_tap_spec {
    const char *after; /* a step, as the config names it; NULL: as events go to
                        * the destination.  Lives on */
    int dropped;       /* instead those that steps and `when` end */
    int raw;           /* also what steps further on would take out */
    uint32_t per_s;    /* so many a second */
    const struct il_expr *where; /* NULL: all; of this tap alone */
};

/* 0 or -ENOMEM. */
int lane_tap_new(const struct lane_tap_spec *, struct lane_tap **out);
/* Detached, too. */
void lane_tap_free(struct lane_tap *);

/* 0; -ENOENT: the lane has no such step.  The lane is not freed meanwhile; once
 * it is, the tap is at none. */
int lane_tap_attach(struct lane_tap *, struct lane *);
void lane_tap_detach(struct lane_tap *);
int lane_tap_attached(struct lane_tap *);

/* One that was seen.  Its texts live while read() is called. */
struct lane_tapped {
    uint64_t position;
    struct slice event;        /* as batch_decided() packs it */
    uint8_t state;             /* BATCH_LIVE, or what became of it */
    uint32_t attempt;          /* at the destination, from 1 on; 0: elsewhere */
    int hidden;                /* its payload is not to be shown */
    struct slice step, plugin; /* that ended it; empty: none */
    struct slice code, message; /* of one that is a dead letter, or put aside */
};

/* Wait for some for so long at most, and call fn for each until it returns other
 * than 0, which is returned.  *skipped: so many more than it shows have passed
 * there since the last call. */
int lane_tap_read(struct lane_tap *, uint32_t timeout_ms,
                  int (*fn)(void *arg, const struct lane_tapped *), void *arg,
                  uint64_t *skipped);

#endif
