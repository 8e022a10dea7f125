/* SPDX-License-Identifier: MIT */
/* Shared by tap.c (those who look) and tap_lane.c (what lanes do for them).
 *
 * Locks, in this order.  `ties` (tap.c): which taps are at which lane; the lane's
 * thread does not take it.  lane->taps_lock: its list; its thread takes it only
 * where it is free.  tap->lock: the buffer, likewise. */
#ifndef TAP_PRIVATE_H
#define TAP_PRIVATE_H

#include "tap.h"

#include <pthread.h>

struct lane_tap {
    struct lane_tap_spec spec;
    struct lane *lane;     /* ties */
    struct lane_tap *next; /* lane->taps_lock */
    long after;            /* index of the step; -1: at the destination */

    /* Of the lane's thread, while it has lane->taps_lock: */
    int64_t
        paid_until_us; /* monotonic: time and events are counted up to here */
    int64_t credit_ns; /* that looking may take now */
    int64_t events_x;  /* millionths of events that may be shown now */
    struct il_batch *shadow; /* for one event: what the steps further on take
                              * out of it; NULL: not made yet */
    struct il_text packed, masked;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct il_text buffer; /* heads, each with what follows it */
    uint64_t skipped;

    struct il_text reading; /* of who reads */
};

struct lane_tap_head {
    uint64_t position;
    uint32_t event, step, plugin, code, message; /* bytes that follow */
    uint32_t attempt;
    uint8_t state, hidden;
};

#endif
