/* SPDX-License-Identifier: MIT */
#include "backlog.h"

static void
list_add(struct backlog_list *l, uint64_t max, uint64_t position,
         uint64_t bytes)
{
    l->bytes += bytes;
    if (l->count) {
        struct backlog_sum *last
            = &l->sums[(l->first + l->count - 1) % BACKLOG_SUMS];
        if (l->count == BACKLOG_SUMS || last->bytes + bytes <= max / 128) {
            last->bytes += bytes;
            last->position = position;
            return;
        }
    }
    l->sums[(l->first + l->count++) % BACKLOG_SUMS]
        = (struct backlog_sum){ position, bytes };
}

/* Take off what is passed; how much it was. */
static uint64_t
list_pass(struct backlog_list *l, uint64_t passed)
{
    uint64_t before = l->bytes;
    while (l->count && l->sums[l->first].position <= passed) {
        l->bytes -= l->sums[l->first].bytes;
        l->first = (l->first + 1) % BACKLOG_SUMS;
        l->count--;
    }
    return before - l->bytes;
}

void
gate_backlog_add(struct backlog *b, uint64_t position, uint64_t bytes)
{
    list_add(&b->live, b->max, position, bytes);
}

void
gate_backlog_old(struct backlog *b, uint64_t position, uint64_t bytes)
{
    list_add(&b->old, b->max, position, bytes);
}

void
gate_backlog_follow(struct backlog *to, const struct backlog *from)
{
    const struct backlog own = *to;
    *to = *from;
    to->max = own.max;
    to->passed = own.passed;
    to->arg = own.arg;
}

/* Smoothed over some seconds, as destinations take batches. */
static void
measure(struct backlog *b, int64_t now_us)
{
    int64_t us = now_us - b->then_us;
    if (us < 1000000)
        return;
    if (b->then_us) {
        double rate
            = (double) (b->delivered - b->delivered_then) * 1e6 / (double) us;
        b->rate = (uint64_t) ((double) b->rate * 0.7 + rate * 0.3);
    }
    b->then_us = now_us;
    b->delivered_then = b->delivered;
}

uint64_t
gate_backlog_bytes(struct backlog *b, int64_t now_us)
{
    uint64_t passed = b->passed(b->arg);
    b->delivered += list_pass(&b->old, passed) + list_pass(&b->live, passed);
    measure(b, now_us);
    return b->old.bytes + b->live.bytes;
}

uint32_t
gate_backlog_retry_after(const struct backlog *b)
{
    uint64_t bytes = b->old.bytes + b->live.bytes;
    uint64_t more = bytes >= b->max ? bytes - b->max + b->max / 128 + 1 : 0;
    if (!more)
        return 1;
    if (!b->rate)
        return 60; /* nothing moves: somebody has to do something */
    uint64_t seconds = more / b->rate + 1;
    return seconds > 3600 ? 3600 : (uint32_t) seconds;
}
