/* SPDX-License-Identifier: MIT */
/* Shared by tap.c (who asks, and their threads) and tap_watch.c (what such a
 * thread does). */
#ifndef TAP_PRIVATE_HOST_H
#define TAP_PRIVATE_HOST_H

#include "tap.h"

#include "private.h"

#include "lane/tap.h"

#include <pthread.h>

#define TAP_FRAMES 1024 /* of one read of the spool */

/* Frames of one read: they may move until it is over. */
struct tap_frame {
    uint64_t position;
    size_t offset, len;
};

struct tap {
    struct tap *next; /* taps->lock */
    struct host_taps *taps;
    struct host *host;
    struct job *job;
    pthread_t thread;
    int ended; /* taps->lock */

    char *lane, *after; /* NULL: at the gate; NULL: not after a step */
    int raw;
    uint32_t per_s;
    struct il_expr *where;
    struct lane_tap *tap;

    struct tap_show show;
    uint64_t skipped; /* not told yet */
    int64_t told_us;
    /* At the gate: */
    struct il_text frames;
    struct tap_frame list[TAP_FRAMES];
    size_t count;
    int64_t events_x, paid_until_us; /* as in lane/tap_private.h */
};

struct host_taps {
    pthread_mutex_t lock; /* the list, and stops */
    struct tap *first;
    int stops;
};

/* Until nobody looks any more, or there is nothing to look at. */
void host_tap_watch(struct tap *);

#endif
