/* SPDX-License-Identifier: MIT */
/* Days of a receiver's life, by a clock of our own: breaker and schedule as a
 * destination uses them.  No outage makes a dead letter, and an event that
 * always fails is one in the end, while those beside it are delivered. */
#include "../breaker.h"
#include "../schedule.h"
#include "outtest.h"

#define S INT64_C(1000000)
#define HOUR (3600 * S)
#define START (INT64_C(1700000000) * S)
#define EVENTS 4000

enum fate { PENDING, DELIVERED, LETTER };

struct event {
    int64_t born, due, last_try; /* due 0: never tried */
    int64_t ended;
    uint32_t attempts, requests;
    enum fate fate;
};

struct world {
    struct event events[EVENTS];
    size_t count;
    struct breaker *breaker;
    int64_t now;
    uint64_t requests;
    /* What the receiver makes of event i. */
    enum breaker_class (*answer)(const struct world *, size_t i);
    int64_t every; /* a new event */
};

static const struct schedule usual = { { 30000, 120000, 600000, 3600000 },
                                       4,
                                       20 };

static void
settle(struct world *w, size_t i, struct breaker_target *t, int probe)
{
    struct event *e = &w->events[i];
    enum breaker_class what = w->answer(w, i);
    struct breaker_attempt a = { i, probe, what, e->last_try, 60 * S, "" };
    struct breaker_verdict v = breaker_done(t, &a, w->now);
    w->requests++;
    e->requests++;
    e->last_try = w->now;
    if (what == BREAKER_OK) {
        e->fate = DELIVERED;
        e->ended = w->now;
        return;
    }
    e->attempts += (uint32_t) v.counts;
    int64_t wait = schedule_wait(&usual, e->attempts + !v.counts, 0,
                                 (uint64_t) w->now / 7 + i);
    if (wait == SCHEDULE_OVER) {
        e->fate = v.counts ? LETTER : PENDING;
        e->ended = w->now;
        wait = 3600000;
    }
    e->due = w->now + wait * 1000;
}

/* Due, or there, for the longest time. */
static size_t
longest(const struct world *w, const struct breaker_event *ready, size_t n)
{
    size_t best = 0;
    int64_t since = INT64_MAX;
    for (size_t k = 0; k < n; k++) {
        const struct event *e = &w->events[ready[k].key];
        int64_t s = e->due ? e->due : e->born;
        if (s < since) {
            since = s;
            best = k;
        }
    }
    return best;
}

/* All that may be sent now, one after the other: the hardest case, for with
 * more at a time others get through beside one that fails. */
static void
serve(struct world *w)
{
    static struct breaker_event ready[EVENTS];
    struct breaker_target *t = breaker_target(w->breaker, "t", 1);
    struct breaker_state state;
    size_t n = 0;
    int64_t wait;
    for (size_t i = 0; i < w->count; i++)
        if (w->events[i].fate == PENDING && w->events[i].due <= w->now)
            ready[n++] = (struct breaker_event){ i, w->events[i].due, i };
    while (n) {
        breaker_state(t, w->now, &state);
        if (state.wait_us)
            return;
        size_t k = state.open || state.wary ? breaker_pick(t, ready, n)
                                            : longest(w, ready, n);
        size_t i = ready[k].key;
        ready[k] = ready[--n];
        enum breaker_say say = breaker_ask(t, i, w->now, &wait);
        ck_assert_int_ne(say, BREAKER_WAIT);
        settle(w, i, t, say == BREAKER_PROBE);
    }
}

static struct world *
live(int64_t length, int64_t every, int64_t last_born,
     enum breaker_class (*answer)(const struct world *, size_t i))
{
    static struct world w;
    breaker_free(w.breaker);
    memset(&w, 0, sizeof w);
    w.breaker = breaker_new(10);
    w.answer = answer;
    for (w.now = START; w.now < START + length; w.now += S) {
        if ((w.now - START) % every == 0 && w.now < START + last_born
            && w.count < EVENTS)
            w.events[w.count++].born = w.now;
        serve(&w);
    }
    return &w;
}

static size_t
with_fate(const struct world *w, enum fate fate)
{
    size_t n = 0;
    for (size_t i = 0; i < w->count; i++)
        n += w->events[i].fate == fate;
    return n;
}

/* --- receivers ------------------------------------------------------------ */

static int
is_away(const struct world *w)
{
    return w->now >= START + HOUR && w->now < START + 25 * HOUR;
}

static enum breaker_class
unreachable_for_a_day(const struct world *w, size_t i)
{
    (void) i;
    return is_away(w) ? BREAKER_NO_ANSWER : BREAKER_OK;
}

static enum breaker_class
broken_for_a_day(const struct world *w, size_t i)
{
    (void) i;
    return is_away(w) ? BREAKER_SICK : BREAKER_OK;
}

static enum breaker_class
busy_for_a_day(const struct world *w, size_t i)
{
    (void) i;
    return is_away(w) ? BREAKER_BUSY : BREAKER_OK;
}

static enum breaker_class
flapping_for_a_day(const struct world *w, size_t i)
{
    (void) i;
    if (!is_away(w))
        return BREAKER_OK;
    return w->now / S % 3 ? BREAKER_SICK : BREAKER_NO_ANSWER;
}

START_TEST(a_day_of_outage_makes_no_letter)
{
    enum breaker_class (*const receivers[])(const struct world *, size_t) = {
        unreachable_for_a_day, broken_for_a_day, busy_for_a_day,
        flapping_for_a_day
    };
    for (size_t k = 0; k < COUNT(receivers); k++) {
        struct world *w = live(30 * HOUR, 60 * S, 28 * HOUR, receivers[k]);
        ck_assert_uint_eq(w->count, 28 * 60);
        ck_assert_msg(with_fate(w, DELIVERED) == w->count,
                      "receiver %zu: %zu letters, %zu pending", k,
                      with_fate(w, LETTER), with_fate(w, PENDING));
        /* a probe in five minutes, and what came before and after */
        ck_assert_uint_lt(w->requests, w->count + 24 * 12 + 100);
        for (size_t i = 0; i < w->count; i++)
            ck_assert_int_le(w->events[i].ended,
                             w->events[i].born < START + 25 * HOUR
                                 ? START + 26 * HOUR + HOUR / 4
                                 : w->events[i].born + HOUR);
    }
}
END_TEST

START_TEST(a_lane_of_one_alert_outlives_it_too)
{
    struct world *w = live(40 * HOUR, 30 * HOUR, 1 * S, unreachable_for_a_day);
    ck_assert_uint_eq(with_fate(w, DELIVERED), 1);
    /* sent while the receiver is away, once a day */
    w = live(52 * HOUR, 2 * HOUR, 3 * HOUR, unreachable_for_a_day);
    ck_assert_uint_eq(w->count, 2);
    ck_assert_uint_eq(with_fate(w, DELIVERED), 2);
    ck_assert_uint_le(w->events[1].attempts, 3);
}
END_TEST

static enum breaker_class
poison_busy(const struct world *w, size_t i)
{
    (void) w;
    return i == 5 ? BREAKER_BUSY : BREAKER_OK;
}

static enum breaker_class
poison_sick(const struct world *w, size_t i)
{
    (void) w;
    return i == 5 ? BREAKER_SICK : BREAKER_OK;
}

static enum breaker_class
poison_slow(const struct world *w, size_t i)
{
    (void) w;
    return i == 5 ? BREAKER_NO_ANSWER : BREAKER_OK;
}

START_TEST(a_poison_event_becomes_a_letter_while_others_pass)
{
    enum breaker_class (*const receivers[])(const struct world *, size_t) = {
        poison_busy, poison_sick, poison_slow
    };
    for (size_t k = 0; k < COUNT(receivers); k++) {
        struct world *w = live(8 * HOUR, 60 * S, 7 * HOUR, receivers[k]);
        ck_assert_uint_eq(with_fate(w, LETTER), 1);
        ck_assert_uint_eq(with_fate(w, DELIVERED), w->count - 1);
        ck_assert_int_eq(w->events[5].fate, LETTER);
        for (size_t i = 0; i < w->count; i++)
            if (i != 5)
                ck_assert_msg(
                    w->events[i].ended - w->events[i].born <= 15 * 60 * S,
                    "receiver %zu, event %zu: %lld s", k, i,
                    (long long) (w->events[i].ended - w->events[i].born)
                        / (long long) S);
    }
}
END_TEST

static enum breaker_class
three_poison(const struct world *w, size_t i)
{
    (void) w;
    return i < 3 ? BREAKER_SICK : BREAKER_OK;
}

/* Nothing but poison at first, and then one healthy event in an hour. */
START_TEST(poison_keeps_no_door_shut)
{
    struct world *w = live(60 * HOUR, HOUR, 40 * HOUR, three_poison);
    ck_assert_uint_eq(with_fate(w, LETTER), 3);
    ck_assert_uint_eq(with_fate(w, DELIVERED), w->count - 3);
    for (size_t i = 3; i < w->count; i++)
        ck_assert_int_le(w->events[i].ended - w->events[i].born, 30 * 60 * S);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        a_day_of_outage_makes_no_letter,
        a_lane_of_one_alert_outlives_it_too,
        a_poison_event_becomes_a_letter_while_others_pass,
        poison_keeps_no_door_shut,
    };
    return run_cases("outages", cases, COUNT(cases));
}
