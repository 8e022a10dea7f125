/* SPDX-License-Identifier: MIT */
#include "rate.h"

#include "clock.h"
#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define MS INT64_C(1000000)

/* Without overflow: more than 292 years is for ever. */
static int64_t
time_of(const struct rate *r, uint64_t events)
{
    unsigned __int128 ns = (unsigned __int128) events * r->per_ns / r->events;
    return ns > INT64_MAX / 4 ? INT64_MAX / 4 : (int64_t) ns;
}

static int
parse_time(const char *text, int64_t *ms)
{
    char one[8] = "1";
    const char *why;
    if (isdigit((unsigned char) *text))
        return units_parse_duration(text, ms, &why);
    if (!*text || strlen(text) > sizeof(one) - 2)
        return -EINVAL;
    strcpy(one + 1, text);
    return units_parse_duration(one, ms, &why);
}

int
rate_parse(const char *text, struct rate *out, const char **why)
{
    uint64_t n = 0;
    int64_t ms;
    const char *p = text;
    *why = "a number of events and a time, like \"1000/s\", \"600/m\" or "
           "\"100/10s\"";
    for (; isdigit((unsigned char) *p); p++)
        if ((n = n * 10 + (uint64_t) (*p - '0')) > RATE_EVENTS_MAX)
            return -EINVAL;
    if (p == text || *p++ != '/' || !n || parse_time(p, &ms) || ms < 1
        || ms > 366 * INT64_C(86400000))
        return -EINVAL;
    *out = (struct rate){ .events = n,
                          .per_ns = (uint64_t) (ms * MS),
                          .burst = n };
    return 0;
}

int64_t
rate_now_ns(void)
{
    return clock_monotonic_us() * 1000;
}

int64_t
rate_wait_ns(const struct bucket *b, uint64_t n, int64_t now_ns)
{
    const struct rate *r = &b->rate;
    if (!r->events || !n)
        return 0;
    if (n > r->burst)
        n = r->burst;
    int64_t full = __atomic_load_n(&b->full_ns, __ATOMIC_RELAXED);
    int64_t missing = full > now_ns ? full - now_ns : 0;
    int64_t wait = missing - time_of(r, r->burst - n);
    return wait > 0 ? wait : 0;
}

void
rate_take(struct bucket *b, uint64_t n, int64_t now_ns)
{
    if (!b->rate.events)
        return;
    int64_t full = __atomic_load_n(&b->full_ns, __ATOMIC_RELAXED);
    if (full < now_ns)
        full = now_ns;
    int64_t more = time_of(&b->rate, n);
    full = full > INT64_MAX - more ? INT64_MAX : full + more;
    __atomic_store_n(&b->full_ns, full, __ATOMIC_RELAXED);
}

int64_t
rate_limit_ask(struct limit *l, uint64_t n, int64_t now_ns)
{
    int64_t wait = rate_wait_ns(&l->bucket, n, now_ns);
    if (!wait)
        return 0;
    __atomic_add_fetch(&l->refusals, 1, __ATOMIC_RELAXED);
    if (__atomic_load_n(&l->refuse_until_ns, __ATOMIC_RELAXED) <= now_ns)
        __atomic_store_n(&l->refuse_until_ns, now_ns + wait, __ATOMIC_RELAXED);
    return wait;
}

void
rate_limit_take(struct limit *l, uint64_t n, int64_t now_ns)
{
    rate_take(&l->bucket, n, now_ns);
    if (__atomic_load_n(&l->refusals, __ATOMIC_RELAXED))
        __atomic_store_n(&l->refusals, 0, __ATOMIC_RELAXED);
}

int64_t
rate_limit_refuses_ns(const struct limit *l, int64_t now_ns)
{
    if (__atomic_load_n(&l->refusals, __ATOMIC_RELAXED) < LIMIT_PATIENCE)
        return 0;
    int64_t until = __atomic_load_n(&l->refuse_until_ns, __ATOMIC_RELAXED);
    return until > now_ns ? until - now_ns : 0;
}

static int
is_same(const struct rate *a, const struct rate *b)
{
    return a->events == b->events && a->per_ns == b->per_ns;
}

void
rate_follow(struct bucket *b, const struct bucket *before, int64_t now_ns)
{
    const struct rate *to = &b->rate, *from = &before->rate;
    int64_t full = __atomic_load_n(&before->full_ns, __ATOMIC_RELAXED);
    if (!to->events || !from->events || full <= now_ns)
        full = 0;
    else if (!is_same(to, from)) {
        /* So many events are taken; it takes another time to have them back. */
        long double events = (long double) (full - now_ns)
                             * (long double) from->events
                             / (long double) from->per_ns;
        long double ns = events * (long double) to->per_ns
                         / (long double) to->events;
        full = now_ns + (ns > INT64_MAX / 4 ? INT64_MAX / 4 : (int64_t) ns);
    }
    __atomic_store_n(&b->full_ns, full, __ATOMIC_RELAXED);
}

void
rate_limit_follow(struct limit *l, const struct limit *before, int64_t now_ns)
{
    rate_follow(&l->bucket, &before->bucket, now_ns);
    if (!is_same(&l->bucket.rate, &before->bucket.rate))
        return;
    __atomic_store_n(&l->refusals,
                     __atomic_load_n(&before->refusals, __ATOMIC_RELAXED),
                     __ATOMIC_RELAXED);
    __atomic_store_n(&l->refuse_until_ns,
                     __atomic_load_n(&before->refuse_until_ns,
                                     __ATOMIC_RELAXED),
                     __ATOMIC_RELAXED);
}

uint32_t
rate_seconds(int64_t wait_ns)
{
    int64_t s = wait_ns / (1000 * MS) + (wait_ns % (1000 * MS) != 0);
    return s < 1 ? 1 : s > UINT32_MAX ? UINT32_MAX : (uint32_t) s;
}
