/* SPDX-License-Identifier: MIT */
#include "out.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000000)
/* One whose rate makes it wait for longer keeps its events on disk: where there
 * are many targets, so that they are not in the way of others. */
#define PACED_MAX SECOND
#define PACED_ONLY_MAX (10 * SECOND)
#define CANDIDATES 256 /* of each queue, to choose a probe from */

static uint32_t
in_flight(const struct out *o)
{
    return o->in_flight[OUT_NEW] + o->in_flight[OUT_AGAIN];
}

/* --- what must wait ------------------------------------------------------- */

void
pump_defer_all(struct out *o, struct out_target *t, int64_t delay_ms,
               const char *code, const char *why)
{
    queue_pin(t);
    for (int q = 0; q < OUT_QUEUES; q++)
        while (t->queues[q].first) {
            struct out_event *e = t->queues[q].first;
            queue_remove(o, e);
            queue_defer(o, e, delay_ms, 0, code, why);
        }
    queue_unpin(o, t);
}

void
pump_hold(struct out *o, const char *target, const struct breaker_state *s)
{
    char why[BREAKER_CAUSE_MAX + 64];
    const int64_t until = s->wait_us ? out_wall(o) + s->wait_us : 0;
    const char *whose = *o->only_target ? NULL : target;
    if (s->open)
        snprintf(why, sizeof(why),
                 "left alone but for a probe now and then: %s", s->cause);
    else
        snprintf(why, sizeof(why), "asked for time: %s", s->cause);
    o->changed = 1;
    il_hold_off(o->host, whose, until, why);
}

static int
hold_restored(void *arg, struct breaker_target *t)
{
    struct out *o = arg;
    struct breaker_state s;
    breaker_state(t, out_wall(o), &s);
    if (s.open || s.wary)
        pump_hold(o, s.name, &s);
    return 0;
}

void
pump_hold_restored(struct out *o)
{
    breaker_each(o->breaker, hold_restored, o);
}

/* They wait each for a turn of its own, the longest due first. */
static void
take_turns(struct out *o, struct out_target *t, struct breaker_target *b,
           const char *why)
{
    queue_pin(t);
    for (int q = OUT_QUEUES; q-- > 0;)
        while (t->queues[q].first) {
            struct out_event *e = t->queues[q].first;
            queue_remove(o, e);
            queue_defer(o, e, (breaker_turn(b, out_wall(o)) + 999) / 1000, 0,
                        "held_off", why);
        }
    queue_unpin(o, t);
}

/* It takes nothing now.  What is under way may change that; once that has come
 * to its end nobody waits in memory. */
static void
hold_back(struct out *o, struct out_target *t, struct breaker_target *b,
          const struct breaker_state *s)
{
    char why[BREAKER_CAUSE_MAX + 64];
    const uint32_t most = *o->only_target ? UINT32_MAX : o->options.concurrency;
    if (t->in_flight && t->waiting <= most)
        return;
    snprintf(why, sizeof(why),
             s->open ? "%s is left alone: %s" : "%s has asked for time: %s",
             "the target", s->cause);
    if (s->open && !*o->only_target)
        take_turns(o, t, b, why);
    else
        pump_defer_all(o, t, (s->wait_us + 999) / 1000, "held_off", why);
}

/* Its rate is used up for so long.  Those behind it each have a place of their
 * own in time, so that they do not come again all at once. */
static void
pace_back(struct out *o, struct out_target *t, int64_t wait_us)
{
    const struct pace *p = &o->options.rate;
    const int64_t each = p->per_us / (int64_t) p->count;
    t->not_before_us = out_clock(o) + wait_us;
    if (wait_us <= (*o->only_target ? PACED_ONLY_MAX : PACED_MAX))
        return;
    if (*o->only_target)
        il_hold_off(o->host, NULL, out_wall(o) + wait_us,
                    "as many were sent as rate has it");
    queue_pin(t);
    for (int q = OUT_QUEUES; q-- > 0;)
        while (t->queues[q].first) {
            struct out_event *e = t->queues[q].first;
            queue_remove(o, e);
            queue_defer(o, e, wait_us / 1000, 0, "rate",
                        "it waits for its turn, as rate has it");
            wait_us += each;
        }
    queue_unpin(o, t);
}

/* --- whose turn it is ----------------------------------------------------- */

/* Half of the places for each of the two while both wait. */
static int
has_place(const struct out *o, int queue)
{
    return !o->waiting[!queue]
           || o->in_flight[queue] < (o->options.concurrency + 1) / 2;
}

static struct out_event *
next_of(const struct out *o, const struct out_target *t)
{
    const int q = !o->turn;
    if (t->queues[q].first && has_place(o, q))
        return t->queues[q].first;
    if (t->queues[!q].first && has_place(o, !q))
        return t->queues[!q].first;
    return NULL;
}

/* Of a target that is left alone, or has asked for time. */
static struct out_event *
next_probe(const struct out_target *t, const struct breaker_target *b)
{
    struct breaker_event candidates[OUT_QUEUES * CANDIDATES];
    struct out_event *events[OUT_QUEUES * CANDIDATES];
    size_t n = 0;
    for (int q = 0; q < OUT_QUEUES; q++) {
        struct out_event *e = t->queues[q].first;
        for (size_t k = 0; e && k < CANDIDATES; k++, e = e->next) {
            events[n] = e;
            candidates[n++] =
                (struct breaker_event){ e->position, e->tried_us, e->position };
        }
    }
    return n ? events[breaker_pick(b, candidates, n)] : NULL;
}

/* One of many targets does not get all places, or one that hangs would have
 * them all. */
static int
has_share(const struct out *o, const struct out_target *t)
{
    return *o->only_target || t->in_flight < (o->options.concurrency + 1) / 2;
}

/* Take the next event of this target out of its queue, or NULL: none goes now.
 * *wake_us: when to look again. */
static struct out_event *
take_next(struct out *o, struct out_target *t, struct breaker_target **b,
          int64_t *wake_us)
{
    struct breaker_state s;
    struct out_event *e = NULL;
    const int64_t now = out_clock(o);
    if (t->not_before_us > now) {
        if (t->not_before_us < *wake_us)
            *wake_us = t->not_before_us;
        return NULL;
    }
    *b = breaker_target(o->breaker, t->name, strlen(t->name));
    if (!*b) {
        t->not_before_us = *wake_us = now + SECOND;
        return NULL;
    }
    breaker_state(*b, out_wall(o), &s);
    if (s.wait_us)
        hold_back(o, t, *b, &s);
    else if (has_share(o, t))
        e = s.open || s.wary ? next_probe(t, *b) : next_of(o, t);
    if (e)
        queue_remove(o, e);
    return e;
}

/* It is under way then, or has come to its end, or is back in its queue. */
static void
send_one(struct out *o, struct out_event *e, struct breaker_target *b,
         int64_t *wake_us)
{
    struct out_target *t = e->target;
    const int queue = e->queue;
    int waits = queue_waits(o, e);
    if (waits > 0)
        return;
    int64_t wait =
        waits ? 0
              : pace_take_us(&o->options.rate, breaker_bucket(b), out_clock(o));
    if (!waits && !wait) {
        o->turn = queue;
        if (request_send(o, e, b) >= 0)
            return;
    }
    queue_put_back(o, e);
    queue_pin(t);
    if (wait)
        pace_back(o, t, wait);
    else
        t->not_before_us = out_clock(o) + SECOND; /* memory, or the disk */
    if (t->not_before_us < *wake_us)
        *wake_us = t->not_before_us;
    queue_unpin(o, t);
}

/* One event of one target.  1: there may be more to do. */
static int
pump_one(struct out *o, int64_t *wake_us)
{
    struct out_target *t = o->first, *next;
    struct out_event *e = NULL;
    queue_pin(t);
    while (t && !e) {
        struct breaker_target *b;
        if ((next = t->next))
            queue_pin(next);
        if ((e = take_next(o, t, &b, wake_us))) {
            send_one(o, e, b, wake_us);
            queue_turn(o, t);
        }
        queue_unpin(o, t);
        t = next;
    }
    if (t)
        queue_unpin(o, t);
    return e != NULL;
}

void
pump(struct out *o)
{
    int64_t wake_us = INT64_MAX;
    while (!o->stopping && o->first && in_flight(o) < o->options.concurrency
           && pump_one(o, &wake_us))
        ;
    il_gauge_set(o->host, o->counts.in_flight, in_flight(o));
    if (o->stopping || wake_us == INT64_MAX)
        return;
    int64_t ms = (wake_us - out_clock(o) + 999) / 1000;
    il_timer_once(o->host, ms < 1 ? 1 : (uint32_t) ms, pump_again, o);
}

void
pump_again(void *arg)
{
    struct out *o = arg;
    pthread_mutex_lock(&o->lock);
    pump(o);
    pthread_mutex_unlock(&o->lock);
}
