/* SPDX-License-Identifier: MIT */
/* How many requests in what time: a bucket that fills at its rate and holds as
 * many as the rate's first number.  "10/s" is written as the rate of a source
 * is (ingestlayer.conf(5)). */
#ifndef PACE_H
#define PACE_H

#include <stdint.h>

#define PACE_MAX 1000000000

struct pace {
    uint64_t count; /* in so much time; 0: no limit */
    int64_t per_us;
};

/* "10/s", "600/m", "100/10s".  0, or -EINVAL with a constant that completes
 * "expected". */
int pace_parse(const char *text, struct pace *out, const char **why);

/* full_us is a bucket: when it will be full again, in microseconds of a clock
 * that never goes back; 0 at first.  Take one: 0; or how long until there is
 * one, and nothing was taken.  One thread at a time for each bucket. */
int64_t pace_take_us(const struct pace *, int64_t *full_us, int64_t now_us);

#endif
