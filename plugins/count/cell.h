/* SPDX-License-Identifier: MIT */
/* What is remembered of a key: how many events there were, and which values.
 *
 * Time is in buckets, numbered from 1970 on.  A window is so many of them up to
 * the one that it is; what lies outside is forgotten, also what lies ahead,
 * where the clock had run ahead and was set back. */
#ifndef PLUGINS_COUNT_CELL_H
#define PLUGINS_COUNT_CELL_H

#include "sum.h"

#define BUCKETS_MOST 60
#define BUCKETS_MOST_SUMMED 24
#define VALUES_MOST 32
#define VALUE_BYTES 12

struct bucket {
    int64_t number;
    uint64_t count;
    struct sum sum;
};

struct counts {
    uint64_t nth;     /* events since the first, 0: there is none */
    int64_t first_us; /* since 1970 */
    uint32_t used;    /* buckets in which there were any, the newest first */
    int has_sums;     /* they are more than how many there were */
    struct bucket buckets[BUCKETS_MOST];
};

struct value {
    unsigned char hash[VALUE_BYTES];
    int64_t bucket; /* in which it was last seen */
};

/* Those that were seen last, the newest first.  So as long as fewer of them are
 * in the window than there is room for, they are all that are. */
struct values {
    uint32_t used;
    int64_t lost; /* bucket in which one was last seen that went for lack of
                   * room; -1: none did */
    struct value values[VALUES_MOST];
};

/* --- packed: at most IL_MEMORY_VALUE_MAX bytes ---------------------------- */

/* 0, or -EINVAL: these are none, and *out is empty.  has_sums is as it was. */
int counts_load(struct counts *out, const void *bytes, size_t len);
size_t counts_store(const struct counts *,
                    unsigned char out[IL_MEMORY_VALUE_MAX]);
int values_load(struct values *out, const void *bytes, size_t len);
size_t values_store(const struct values *,
                    unsigned char out[IL_MEMORY_VALUE_MAX]);

/* --- events --------------------------------------------------------------- */

/* It is this bucket now, and the window has so many. */
void counts_slide(struct counts *, int64_t now, uint32_t buckets);
/* An event in the bucket that it is, at now_us, whose value counts.  0, or
 * -ERANGE: its sum would get too large, and the value is left out. */
int counts_add(struct counts *, int64_t now, int64_t now_us,
               const struct sum *);
void values_slide(struct values *, int64_t now, uint32_t buckets);
void values_add(struct values *, int64_t now,
                const unsigned char hash[VALUE_BYTES]);

#endif
