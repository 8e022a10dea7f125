/* SPDX-License-Identifier: MIT */
/* When a delivery that failed is tried again. */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#define SCHEDULE_MAX 32
#define SCHEDULE_OVER INT64_C(-1)

struct schedule {
    int64_t delays_ms[SCHEDULE_MAX]; /* after the first failure, the second */
    size_t count;
    uint32_t jitter; /* percent of a delay by which it is longer or shorter */
};

/* How long to wait after so many failures (1: the first).  asked_ms is what the
 * receiver asked for (0: nothing): the wait is never shorter, and longer by up
 * to the jitter, so that not all come back at once.  random is any number.
 * SCHEDULE_OVER: there is no further attempt. */
int64_t schedule_wait(const struct schedule *, uint64_t failures,
                      int64_t asked_ms, uint64_t random);

#endif
