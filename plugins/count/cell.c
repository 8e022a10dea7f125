/* SPDX-License-Identifier: MIT */
#include "cell.h"

#include <errno.h>
#include <string.h>

#include "../dedupe/keyed.h"

/* Of counts: version, nth (8), first (8), the number of the newest bucket (8);
 * of each bucket how many it is older than that, how many events (5), whole (8)
 * and nano (4) of their sum.
 *
 * Of values: version, the number of the newest bucket (8), how many the lost one
 * is older; of each value how many it is older, and its hash. */
#define VERSION 1
#define COUNTS_HEAD 25
#define BUCKET_BYTES 6
#define SUM_BYTES 12
#define COUNT_MOST ((UINT64_C(1) << 40) - 1)
#define VALUES_HEAD 10
#define NONE_LOST 255

#define FITS(head, n, each) ((head) + (n) * (each) <= IL_MEMORY_VALUE_MAX)
_Static_assert(FITS(COUNTS_HEAD, BUCKETS_MOST, BUCKET_BYTES), "counts");
_Static_assert(FITS(COUNTS_HEAD, BUCKETS_MOST_SUMMED, BUCKET_BYTES + SUM_BYTES),
               "counts with sums");
_Static_assert(FITS(VALUES_HEAD, VALUES_MOST, 1 + VALUE_BYTES), "values");

/* --- packed --------------------------------------------------------------- */

int
counts_load(struct counts *out, const void *bytes, size_t len)
{
    const unsigned char *p = bytes, *end = p + len;
    const size_t each = BUCKET_BYTES + (out->has_sums ? SUM_BYTES : 0);
    out->used = 0;
    out->nth = 0;
    if (len < COUNTS_HEAD || *p++ != VERSION || (len - COUNTS_HEAD) % each
        || (len - COUNTS_HEAD) / each > BUCKETS_MOST)
        return -EINVAL;
    out->nth = keyed_load(&p, 8);
    out->first_us = (int64_t) keyed_load(&p, 8);
    const int64_t newest = (int64_t) keyed_load(&p, 8);
    int good = newest >= 0;
    while (p < end && good) {
        struct bucket *b = &out->buckets[out->used];
        b->number = newest - *p++;
        b->count = keyed_load(&p, 5);
        b->sum = (struct sum){ 0, 0 };
        if (out->has_sums) {
            b->sum.whole = (int64_t) keyed_load(&p, 8);
            b->sum.nano = (uint32_t) keyed_load(&p, 4);
        }
        good = b->number >= 0 && sum_is_one(&b->sum)
               && (!out->used || b->number < b[-1].number);
        out->used++;
    }
    if (good)
        return 0;
    out->used = 0;
    out->nth = 0;
    return -EINVAL;
}

size_t
counts_store(const struct counts *c, unsigned char out[IL_MEMORY_VALUE_MAX])
{
    unsigned char *p = out;
    const int64_t newest = c->used ? c->buckets[0].number : 0;
    *p++ = VERSION;
    p = keyed_store(p, c->nth, 8);
    p = keyed_store(p, (uint64_t) c->first_us, 8);
    p = keyed_store(p, (uint64_t) newest, 8);
    for (uint32_t i = 0; i < c->used; i++) {
        const struct bucket *b = &c->buckets[i];
        *p++ = (unsigned char) (newest - b->number);
        p = keyed_store(p, b->count, 5);
        if (!c->has_sums)
            continue;
        p = keyed_store(p, (uint64_t) b->sum.whole, 8);
        p = keyed_store(p, b->sum.nano, 4);
    }
    return (size_t) (p - out);
}

int
values_load(struct values *out, const void *bytes, size_t len)
{
    const unsigned char *p = bytes, *end = p + len;
    const size_t each = 1 + VALUE_BYTES;
    *out = (struct values){ .lost = -1 };
    if (len < VALUES_HEAD || *p++ != VERSION || (len - VALUES_HEAD) % each
        || (len - VALUES_HEAD) / each > VALUES_MOST)
        return -EINVAL;
    const int64_t newest = (int64_t) keyed_load(&p, 8);
    int good = newest >= 0;
    if (good && *p != NONE_LOST)
        out->lost = newest - *p;
    p++;
    while (p < end && good) {
        struct value *v = &out->values[out->used++];
        v->bucket = newest - *p++;
        memcpy(v->hash, p, VALUE_BYTES);
        p += VALUE_BYTES;
        good = v->bucket >= 0;
    }
    if (good)
        return 0;
    *out = (struct values){ .lost = -1 };
    return -EINVAL;
}

size_t
values_store(const struct values *s, unsigned char out[IL_MEMORY_VALUE_MAX])
{
    unsigned char *p = out;
    const int64_t newest = s->used ? s->values[0].bucket : 0;
    *p++ = VERSION;
    p = keyed_store(p, (uint64_t) newest, 8);
    *p++ = s->lost < 0 ? NONE_LOST : (unsigned char) (newest - s->lost);
    for (uint32_t i = 0; i < s->used; i++) {
        *p++ = (unsigned char) (newest - s->values[i].bucket);
        memcpy(p, s->values[i].hash, VALUE_BYTES);
        p += VALUE_BYTES;
    }
    return (size_t) (p - out);
}

/* --- events --------------------------------------------------------------- */

static int
in_window(int64_t bucket, int64_t now, uint32_t buckets)
{
    return bucket <= now && now - bucket < buckets;
}

void
counts_slide(struct counts *c, int64_t now, uint32_t buckets)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->used; i++)
        if (in_window(c->buckets[i].number, now, buckets))
            c->buckets[kept++] = c->buckets[i];
    c->used = kept;
}

int
counts_add(struct counts *c, int64_t now, int64_t now_us,
           const struct sum *value)
{
    struct bucket *b = c->buckets;
    if (!c->used || b->number != now) {
        memmove(b + 1, b, c->used * sizeof *b);
        c->used++;
        *b = (struct bucket){ .number = now };
    }
    if (!c->nth++ || now_us < c->first_us)
        c->first_us = now_us;
    b->count += b->count < COUNT_MOST;
    return c->has_sums ? sum_add(&b->sum, value) : 0;
}

void
values_slide(struct values *s, int64_t now, uint32_t buckets)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->used; i++)
        if (in_window(s->values[i].bucket, now, buckets))
            s->values[kept++] = s->values[i];
    s->used = kept;
    if (!in_window(s->lost, now, buckets))
        s->lost = -1;
}

void
values_add(struct values *s, int64_t now, const unsigned char hash[VALUE_BYTES])
{
    uint32_t at = 0;
    while (at < s->used && memcmp(s->values[at].hash, hash, VALUE_BYTES) != 0)
        at++;
    if (at == VALUES_MOST)
        s->lost = s->values[--at].bucket;
    else if (at == s->used)
        s->used++;
    memmove(s->values + 1, s->values, at * sizeof *s->values);
    memcpy(s->values[0].hash, hash, VALUE_BYTES);
    s->values[0].bucket = now;
}
