/* SPDX-License-Identifier: MIT */
#include "breaker.h"

#include "hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000)
#define NO_ANSWERS 3 /* that open a target */
#define FAILURES BREAKER_FAILURES
#define EVENTS 3 /* that they are of */
#define PROBE_FIRST (30 * SECOND)
#define PROBE_LAST (300 * SECOND)
/* What waits for a turn as a probe waits no longer: should it not be told when
 * the target answers again, it comes by itself. */
#define TURNS (3600 * SECOND)
/* Events that are remembered as probes, the newest: at one in five minutes,
 * those of five hours. */
#define PROBED_MAX 64
#define PROBED_OFTEN 2
/* So far from the end of the list one that does not matter is looked for. */
#define EVICT_LOOK 64

struct probed {
    uint64_t key;
    uint32_t times;
};

struct breaker_target {
    struct breaker_target *next_in_slot;
    struct breaker_target *newer, *older; /* by use */
    uint64_t hash;
    uint32_t in_flight;
    int open, probing, wary;
    uint32_t no_answers;       /* the newest attempts, in a row */
    uint32_t failures;         /* the same of any failure, up to FAILURES */
    uint64_t failed[FAILURES]; /* their events, in a circle */
    uint32_t failed_at;
    int64_t opened_us;
    int64_t ok_us; /* the last 2xx; 0: none */
    struct breaker_wait probe, held;
    /* Turns of those that wait for a probe: the last one that was given away,
     * what lies between it and the next, and the `since` of the probe that one
     * was given to before the others. */
    int64_t turn_us, turn_gap_us, promised_us;
    uint64_t scatter;
    struct probed *probed; /* the oldest first, or NULL */
    size_t probed_count;
    int64_t bucket_us;
    uint32_t place;
    char cause[BREAKER_CAUSE_MAX];
    char name[];
};

struct breaker {
    struct breaker_target **slots;
    size_t slot_count; /* a power of two */
    size_t count, most;
    struct breaker_target *newest, *oldest;
};

enum breaker_class
breaker_class_of(long status)
{
    if (status >= 200 && status < 300)
        return BREAKER_OK;
    if (status == 502 || status == 504)
        return BREAKER_NO_ANSWER;
    if (status == 429 || status == 503)
        return BREAKER_BUSY;
    if ((status >= 500 && status < 600) || status == 401 || status == 403
        || status == 404)
        return BREAKER_SICK;
    return BREAKER_OTHER;
}

/* --- targets -------------------------------------------------------------- */

struct breaker *
breaker_new(size_t most)
{
    struct breaker *b = calloc(1, sizeof(*b));
    if (!b)
        return NULL;
    b->most = most ? most : 1;
    b->slot_count = 16;
    while (b->slot_count < b->most)
        b->slot_count *= 2;
    b->slots = calloc(b->slot_count, sizeof(*b->slots));
    if (b->slots)
        return b;
    free(b);
    return NULL;
}

static void
target_free(struct breaker_target *t)
{
    free(t->probed);
    free(t);
}

void
breaker_free(struct breaker *b)
{
    if (!b)
        return;
    while (b->newest) {
        struct breaker_target *t = b->newest;
        b->newest = t->older;
        target_free(t);
    }
    free(b->slots);
    free(b);
}

static void
unlink_used(struct breaker *b, struct breaker_target *t)
{
    *(t->newer ? &t->newer->older : &b->newest) = t->older;
    *(t->older ? &t->older->newer : &b->oldest) = t->newer;
    t->newer = t->older = NULL;
}

static void
push_used(struct breaker *b, struct breaker_target *t)
{
    t->older = b->newest;
    *(b->newest ? &b->newest->newer : &b->oldest) = t;
    b->newest = t;
}

/* The least used one that nothing is known of, else the least used. */
static void
evict(struct breaker *b)
{
    struct breaker_target *t = b->oldest, *found = NULL;
    for (size_t i = 0; t && (i < EVICT_LOOK || !found); i++, t = t->newer) {
        if (t->in_flight)
            continue;
        if (!t->open && !t->held.length_us) {
            found = t;
            break;
        }
        found = found ? found : t;
    }
    if (!found)
        return;
    struct breaker_target **p = &b->slots[found->hash & (b->slot_count - 1)];
    while (*p != found)
        p = &(*p)->next_in_slot;
    *p = found->next_in_slot;
    unlink_used(b, found);
    target_free(found);
    b->count--;
}

struct breaker_target *
breaker_target(struct breaker *b, const char *name, size_t len)
{
    if (len > BREAKER_NAME_MAX)
        len = BREAKER_NAME_MAX;
    const uint64_t hash = hash_bytes(name, len);
    struct breaker_target **slot = &b->slots[hash & (b->slot_count - 1)];
    struct breaker_target *t = *slot;
    while (t
           && (t->hash != hash || strlen(t->name) != len
               || memcmp(t->name, name, len)))
        t = t->next_in_slot;
    if (t) {
        unlink_used(b, t);
        push_used(b, t);
        return t;
    }
    if (b->count >= b->most)
        evict(b);
    if (!(t = calloc(1, sizeof(*t) + len + 1)))
        return NULL;
    memcpy(t->name, name, len);
    t->hash = hash;
    t->next_in_slot = *slot;
    *slot = t;
    push_used(b, t);
    b->count++;
    return t;
}

/* --- waiting -------------------------------------------------------------- */

static int64_t
left_of(const struct breaker_wait *w, int64_t now_us)
{
    if (now_us < w->since_us)
        return w->length_us;
    int64_t passed = now_us - w->since_us;
    return passed < w->length_us ? w->length_us - passed : 0;
}

static int64_t
wait_of(const struct breaker_target *t, int64_t now_us)
{
    int64_t held = left_of(&t->held, now_us), probe = 0;
    if (t->open)
        probe = t->probing ? t->probe.length_us : left_of(&t->probe, now_us);
    return held > probe ? held : probe;
}

/* Where the clock went back, waits begin anew at the first who asks. */
static void
begin_anew(struct breaker_wait *w, int64_t now_us)
{
    if (now_us < w->since_us)
        w->since_us = now_us;
}

/* --- probes --------------------------------------------------------------- */

static uint32_t
times_probed(const struct breaker_target *t, uint64_t key)
{
    for (size_t i = 0; i < t->probed_count; i++)
        if (t->probed[i].key == key)
            return t->probed[i].times;
    return 0;
}

static void
set_probed(struct breaker_target *t, uint64_t key, uint32_t times)
{
    for (size_t i = 0; i < t->probed_count; i++)
        if (t->probed[i].key == key) {
            t->probed[i].times = times;
            return;
        }
    if (!t->probed && !(t->probed = calloc(PROBED_MAX, sizeof(*t->probed))))
        return; /* then it is a probe like a new one */
    if (t->probed_count == PROBED_MAX)
        memmove(t->probed, t->probed + 1,
                --t->probed_count * sizeof(*t->probed));
    t->probed[t->probed_count++] = (struct probed){ key, times };
}

size_t
breaker_pick(const struct breaker_target *t, const struct breaker_event *events,
             size_t count)
{
    size_t best = 0;
    uint32_t best_times = times_probed(t, events[0].key);
    for (size_t i = 1; i < count; i++) {
        const struct breaker_event *e = &events[i], *b = &events[best];
        uint32_t times = times_probed(t, e->key);
        int sooner;
        if (times != best_times)
            sooner = times < best_times;
        else if (!e->due_us != !b->due_us)
            sooner = e->due_us != 0;
        else if (e->due_us != b->due_us)
            sooner = e->due_us < b->due_us;
        else
            sooner = e->position < b->position;
        if (sooner) {
            best = i;
            best_times = times;
        }
    }
    return best;
}

int64_t
breaker_turn(struct breaker_target *t, int64_t now_us)
{
    begin_anew(&t->held, now_us);
    begin_anew(&t->probe, now_us);
    const int64_t wait = wait_of(t, now_us), next = now_us + wait;
    if (!t->open || t->promised_us != t->probe.since_us) {
        t->promised_us = t->probe.since_us;
        return wait;
    }
    if (t->turn_us < next || t->turn_us > now_us + TURNS + PROBE_LAST) {
        t->turn_us = next;
        t->turn_gap_us = t->probe.length_us;
    }
    t->turn_gap_us *= 2;
    if (t->turn_gap_us > PROBE_LAST)
        t->turn_gap_us = PROBE_LAST;
    if (t->turn_us + t->turn_gap_us <= now_us + TURNS)
        return (t->turn_us += t->turn_gap_us) - now_us;
    /* More than there are probes: evenly within that time, by the golden
     * ratio. */
    t->scatter += UINT64_C(0x9e3779b97f4a7c15);
    const int64_t room = TURNS > wait ? (TURNS - wait) / 1000 : 0;
    return wait + (int64_t) ((t->scatter >> 32) * (uint64_t) room >> 32) * 1000;
}

/* --- attempts ------------------------------------------------------------- */

enum breaker_say
breaker_ask(struct breaker_target *t, uint64_t key, int64_t now_us,
            int64_t *wait_us)
{
    begin_anew(&t->held, now_us);
    begin_anew(&t->probe, now_us);
    *wait_us = wait_of(t, now_us);
    if (*wait_us)
        return BREAKER_WAIT;
    t->held.length_us = 0;
    t->in_flight++;
    if (!t->open)
        return BREAKER_SEND;
    t->probing = 1;
    set_probed(t, key, times_probed(t, key) + 1);
    return BREAKER_PROBE;
}

void
breaker_cancel(struct breaker_target *t, uint64_t key, int probe)
{
    t->in_flight--;
    if (!probe)
        return;
    t->probing = 0;
    uint32_t times = times_probed(t, key);
    if (times)
        set_probed(t, key, times - 1);
}

static void
open_door(struct breaker_target *t, int64_t now_us)
{
    t->open = 1;
    t->probing = 0;
    t->opened_us = now_us;
    t->probe = (struct breaker_wait){ now_us, PROBE_FIRST };
    t->turn_us = t->promised_us = 0;
}

static uint32_t
events_failed(const struct breaker_target *t)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->failures; i++) {
        uint32_t k = 0;
        while (k < i && t->failed[k] != t->failed[i])
            k++;
        n += k == i;
    }
    return n;
}

/* Of a closed target.  1: that was enough. */
static int
note_failure(struct breaker_target *t, const struct breaker_attempt *a)
{
    if (a->what == BREAKER_OTHER) {
        t->no_answers = t->failures = t->failed_at = 0;
        return 0;
    }
    t->no_answers = a->what == BREAKER_NO_ANSWER ? t->no_answers + 1 : 0;
    t->failed[t->failed_at++ % FAILURES] = a->key;
    if (t->failures < FAILURES)
        t->failures++;
    /* An application that now answers 500 and now not at all is as sick as one
     * that does the one alone, so the ten are of either kind. */
    return t->no_answers >= NO_ANSWERS
           || (t->failures == FAILURES && events_failed(t) >= EVENTS);
}

static void
note_success(struct breaker_target *t, int64_t now_us)
{
    t->ok_us = now_us;
    t->no_answers = t->failures = t->failed_at = 0;
    t->open = t->probing = t->wary = 0;
    t->cause[0] = 0;
}

/* Did another event get through since this one was tried before?  (It cannot
 * have been itself, which would not have come again.) */
static int
others_pass(struct breaker_target *t, const struct breaker_attempt *a,
            int64_t now_us)
{
    if (t->ok_us > now_us)
        t->ok_us = now_us;
    return a->last_try_us && t->ok_us > a->last_try_us;
}

struct breaker_verdict
breaker_done(struct breaker_target *t, const struct breaker_attempt *a,
             int64_t now_us)
{
    struct breaker_verdict v = { 0 };
    t->in_flight--;
    if (a->what == BREAKER_OK) {
        v.closed = t->open;
        note_success(t, now_us);
        return v;
    }
    const int alone = others_pass(t, a, now_us);
    snprintf(t->cause, sizeof(t->cause), "%s", a->cause ? a->cause : "");
    v.held = a->what == BREAKER_BUSY && !alone && a->busy_us > 0;
    if (v.held && a->busy_us > left_of(&t->held, now_us))
        t->held = (struct breaker_wait){ now_us, a->busy_us };
    if (v.held) {
        t->wary = 1;
        if (!a->probe)
            set_probed(t, a->key, times_probed(t, a->key) + 1);
    }
    if (!t->open) {
        v.counts = a->what != BREAKER_BUSY || alone;
        v.opened = note_failure(t, a);
        if (v.opened)
            open_door(t, now_us);
        return v;
    }
    /* Open.  What was under way when it opened says nothing new. */
    if (!a->probe)
        return v;
    t->probing = 0;
    int64_t twice = 2 * t->probe.length_us;
    t->probe = (struct breaker_wait){ now_us,
                                      twice < PROBE_LAST ? twice : PROBE_LAST };
    v.counts = alone && times_probed(t, a->key) > PROBED_OFTEN;
    return v;
}

/* --- telling -------------------------------------------------------------- */

void
breaker_state(const struct breaker_target *t, int64_t now_us,
              struct breaker_state *out)
{
    *out = (struct breaker_state){ .name = t->name,
                                   .cause = t->cause,
                                   .open = t->open,
                                   .wary = t->wary,
                                   .since_us = t->opened_us,
                                   .wait_us = wait_of(t, now_us),
                                   .in_flight = t->in_flight };
}

void
breaker_each(const struct breaker *b,
             int (*fn)(void *arg, struct breaker_target *), void *arg)
{
    for (struct breaker_target *t = b->newest; t; t = t->older)
        if (fn(arg, t))
            return;
}

size_t
breaker_count(const struct breaker *b)
{
    return b->count;
}

int64_t *
breaker_bucket(struct breaker_target *t)
{
    return &t->bucket_us;
}

/* --- over a restart ------------------------------------------------------- */

int
breaker_remember(const struct breaker_target *t, struct breaker_memory *m)
{
    if (!t->open && !t->wary && !t->failures)
        return 0;
    memset(m, 0, sizeof(*m));
    snprintf(m->name, sizeof(m->name), "%s", t->name);
    snprintf(m->cause, sizeof(m->cause), "%s", t->cause);
    m->open = t->open != 0;
    m->wary = t->wary != 0;
    m->opened_us = t->opened_us;
    m->probe = t->probe;
    m->held = t->held;
    m->no_answers = t->no_answers;
    m->failures = t->failures;
    for (uint32_t i = 0; i < t->failures; i++)
        m->failed[i] = t->failed[(t->failed_at - t->failures + i) % FAILURES];
    return 1;
}

struct breaker_target *
breaker_restore(struct breaker *b, const struct breaker_memory *m)
{
    struct breaker_target *t = breaker_target(b, m->name, strlen(m->name));
    if (!t)
        return NULL;
    snprintf(t->cause, sizeof(t->cause), "%s", m->cause);
    t->open = m->open;
    t->wary = m->wary;
    t->opened_us = m->opened_us;
    t->probe = m->probe;
    t->held = m->held;
    t->no_answers = m->no_answers;
    t->failures = t->failed_at = m->failures;
    memcpy(t->failed, m->failed, sizeof(t->failed));
    return t;
}

uint32_t *
breaker_place(struct breaker_target *t)
{
    return &t->place;
}
