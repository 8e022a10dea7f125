/* SPDX-License-Identifier: MIT */
/* When a target is left alone, how it comes back, and what costs an event an
 * attempt: a test for each thing that breaker.h and webhook.out(5) say. */
#include "../breaker.h"
#include "outtest.h"

#define S INT64_C(1000000)
#define START (INT64_C(1700000000) * S)

static struct breaker *breaker;
static struct breaker_target *target;
static int64_t now;

static void
fresh(void)
{
    breaker_free(breaker);
    breaker = breaker_new(BREAKER_TARGETS);
    ck_assert_ptr_nonnull(breaker);
    target = breaker_target(breaker, "https://a:443", 13);
    ck_assert_ptr_nonnull(target);
    now = START;
}

static enum breaker_say
ask(uint64_t key)
{
    int64_t wait;
    return breaker_ask(target, key, now, &wait);
}

static int64_t
wait_of(uint64_t key)
{
    int64_t wait = 0;
    ck_assert_int_eq(breaker_ask(target, key, now, &wait), BREAKER_WAIT);
    ck_assert_int_gt(wait, 0);
    return wait;
}

static int
is_open(void)
{
    struct breaker_state state;
    breaker_state(target, now, &state);
    return state.open;
}

static struct breaker_verdict
done(uint64_t key, int probe, enum breaker_class what, int64_t last_try)
{
    struct breaker_attempt a = { key, probe, what, last_try, 60 * S, "cause" };
    return breaker_done(target, &a, now);
}

/* An attempt while it is closed, when what was asked for is over. */
static struct breaker_verdict
attempt(uint64_t key, enum breaker_class what)
{
    now += 61 * S;
    ck_assert_int_eq(ask(key), BREAKER_SEND);
    return done(key, 0, what, 0);
}

/* An attempt by a probe. */
static struct breaker_verdict
probe(uint64_t key, enum breaker_class what, int64_t last_try)
{
    ck_assert_int_eq(ask(key), BREAKER_PROBE);
    return done(key, 1, what, last_try);
}

static void
open_it(void)
{
    fresh();
    for (uint64_t i = 1; i <= 3; i++)
        attempt(i, BREAKER_NO_ANSWER);
    ck_assert(is_open());
}

START_TEST(statuses_are_of_a_class)
{
    static const struct {
        long status;
        enum breaker_class what;
    } cases[] = {
        { 200, BREAKER_OK },    { 204, BREAKER_OK },
        { 299, BREAKER_OK },    { 300, BREAKER_OTHER },
        { 301, BREAKER_OTHER }, { 304, BREAKER_OTHER },
        { 400, BREAKER_OTHER }, { 401, BREAKER_SICK },
        { 402, BREAKER_OTHER }, { 403, BREAKER_SICK },
        { 404, BREAKER_SICK },  { 408, BREAKER_OTHER },
        { 410, BREAKER_OTHER }, { 422, BREAKER_OTHER },
        { 429, BREAKER_BUSY },  { 500, BREAKER_SICK },
        { 501, BREAKER_SICK },  { 502, BREAKER_NO_ANSWER },
        { 503, BREAKER_BUSY },  { 504, BREAKER_NO_ANSWER },
        { 599, BREAKER_SICK },  { 600, BREAKER_OTHER },
        { 101, BREAKER_OTHER },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        ck_assert_msg(breaker_class_of(cases[i].status) == cases[i].what, "%ld",
                      cases[i].status);
}
END_TEST

START_TEST(three_without_an_answer_open_it)
{
    fresh();
    ck_assert(!attempt(1, BREAKER_NO_ANSWER).opened);
    ck_assert(!attempt(2, BREAKER_NO_ANSWER).opened);
    struct breaker_verdict v = attempt(3, BREAKER_NO_ANSWER);
    ck_assert(v.opened && v.counts);
    ck_assert(is_open());
}
END_TEST

START_TEST(of_whatever_events_a_lane_of_one_alert_a_day_too)
{
    fresh();
    ck_assert(attempt(1, BREAKER_NO_ANSWER).counts);
    ck_assert(attempt(1, BREAKER_NO_ANSWER).counts);
    ck_assert(attempt(1, BREAKER_NO_ANSWER).opened);
}
END_TEST

START_TEST(only_the_newest_attempts_count)
{
    fresh();
    for (int i = 0; i < 50; i++) {
        ck_assert(!attempt(1, BREAKER_NO_ANSWER).opened);
        ck_assert(!attempt(2, BREAKER_NO_ANSWER).opened);
        /* it got through, or was refused by the application itself */
        attempt(3, i % 2 ? BREAKER_OK : BREAKER_OTHER);
    }
    for (int i = 0; i < 50; i++) {
        for (uint64_t k = 0; k < 9; k++)
            ck_assert(!attempt(k, BREAKER_SICK).opened);
        attempt(9, i % 2 ? BREAKER_OK : BREAKER_OTHER);
    }
}
END_TEST

START_TEST(ten_answers_of_at_least_three_events_open_it)
{
    fresh();
    for (uint64_t i = 0; i < 9; i++)
        ck_assert(!attempt(i % 3, i % 2 ? BREAKER_SICK : BREAKER_BUSY).opened);
    ck_assert(attempt(0, BREAKER_SICK).opened);
}
END_TEST

START_TEST(two_poison_events_do_not_open_it)
{
    fresh();
    for (uint64_t i = 0; i < 1000; i++)
        ck_assert(!attempt(i % 2, BREAKER_SICK).opened);
    /* nor with a third that is long ago */
    fresh();
    attempt(3, BREAKER_SICK);
    for (uint64_t i = 0; i < 9; i++)
        ck_assert(attempt(i % 2, BREAKER_SICK).opened == (i == 8));
    fresh();
    attempt(3, BREAKER_SICK);
    for (uint64_t i = 0; i < 9; i++)
        ck_assert(!attempt(1, BREAKER_SICK).opened);
    for (uint64_t i = 0; i < 8; i++)
        ck_assert(!attempt(i % 2, BREAKER_SICK).opened);
}
END_TEST

START_TEST(answers_and_none_by_turns_open_it_too)
{
    fresh();
    for (uint64_t i = 0; i < 9; i++)
        ck_assert(!attempt(i, i % 2 ? BREAKER_SICK : BREAKER_NO_ANSWER).opened);
    ck_assert(attempt(9, BREAKER_SICK).opened);
}
END_TEST

START_TEST(open_sends_only_probes)
{
    open_it();
    ck_assert_int_eq(wait_of(4), 30 * S);
    now += 30 * S - 1;
    ck_assert_int_eq(wait_of(4), 1);
    now += 1;
    ck_assert_int_eq(ask(4), BREAKER_PROBE);
    wait_of(5); /* one at a time */
    now += 3600 * S;
    wait_of(5);
}
END_TEST

START_TEST(a_probe_comes_after_30_s_doubled_to_5_min)
{
    static const int64_t waits[] = { 30, 60, 120, 240, 300, 300, 300 };
    open_it();
    for (size_t i = 0; i < COUNT(waits); i++) {
        ck_assert_int_eq(wait_of(9), waits[i] * S);
        now += waits[i] * S;
        probe(10 + i, i % 2 ? BREAKER_OTHER : BREAKER_NO_ANSWER, START);
        ck_assert(is_open());
    }
}
END_TEST

START_TEST(open_counts_no_attempt)
{
    open_it();
    for (uint64_t i = 0; i < 3 * 288; i++) { /* three days of probes */
        now += 300 * S;
        ck_assert(!probe(i % 20, i % 3 ? BREAKER_NO_ANSWER : BREAKER_SICK,
                         now - 300 * S)
                       .counts);
    }
}
END_TEST

START_TEST(what_was_under_way_when_it_opened_costs_nothing)
{
    fresh();
    for (uint64_t i = 1; i <= 5; i++)
        ck_assert_int_eq(ask(i), BREAKER_SEND);
    for (uint64_t i = 1; i <= 5; i++)
        ck_assert_int_eq(done(i, 0, BREAKER_NO_ANSWER, 0).counts, i <= 3);
    ck_assert_int_eq(wait_of(9), 30 * S);
}
END_TEST

START_TEST(a_2xx_closes)
{
    open_it();
    now += 30 * S;
    ck_assert(probe(4, BREAKER_OK, 0).closed);
    ck_assert(!is_open());
    ck_assert_int_eq(ask(5), BREAKER_SEND);
    done(5, 0, BREAKER_NO_ANSWER, 0);
    ck_assert(!is_open()); /* what was before does not count */
    /* and the next time begins with 30 s again */
    attempt(6, BREAKER_NO_ANSWER);
    ck_assert(attempt(7, BREAKER_NO_ANSWER).opened);
    ck_assert_int_eq(wait_of(8), 30 * S);
    /* also of a request that was under way */
    fresh();
    for (uint64_t i = 1; i <= 4; i++)
        ask(i);
    for (uint64_t i = 1; i <= 3; i++)
        done(i, 0, BREAKER_NO_ANSWER, 0);
    ck_assert(is_open());
    ck_assert(done(4, 0, BREAKER_OK, 0).closed);
    ck_assert_int_eq(ask(5), BREAKER_SEND);
}
END_TEST

START_TEST(only_a_2xx_closes)
{
    open_it();
    now += 30 * S;
    ck_assert(!probe(4, BREAKER_OTHER, 0).closed);
    ck_assert(is_open());
}
END_TEST

START_TEST(each_probe_is_another_event)
{
    const struct breaker_event events[] = {
        { 1, 0, 10 },            /* never tried, newer */
        { 2, START + 5 * S, 4 }, /* due, since then */
        { 3, START, 5 },         /* due for longest */
        { 4, 0, 9 },             /* never tried, the oldest of them */
    };
    static const uint64_t order[] = { 3, 2, 4, 1, 3, 2, 4, 1 };
    open_it();
    for (size_t i = 0; i < COUNT(order); i++) {
        size_t k = breaker_pick(target, events, COUNT(events));
        ck_assert_uint_eq(events[k].key, order[i]);
        now += 300 * S;
        probe(events[k].key, BREAKER_NO_ANSWER, START);
    }
}
END_TEST

START_TEST(one_that_was_probed_twice_goes_behind_the_others)
{
    const struct breaker_event events[] = { { 1, START, 1 }, { 2, 0, 2 } };
    open_it();
    for (int i = 0; i < 2; i++) {
        now += 300 * S;
        probe(1, BREAKER_SICK, START);
    }
    now += 300 * S;
    ck_assert_uint_eq(breaker_pick(target, events, 2), 1);
    ck_assert(probe(2, BREAKER_OK, 0).closed); /* the door is open again */
}
END_TEST

START_TEST(then_its_failures_count_once_another_got_through)
{
    open_it();
    for (int i = 0; i < 2; i++) {
        now += 300 * S;
        ck_assert(!probe(1, BREAKER_SICK, now - 300 * S).counts);
    }
    int64_t last = now;
    now += 300 * S;
    ck_assert(probe(2, BREAKER_OK, 0).closed);
    now += S;
    for (uint64_t i = 11; i <= 13; i++)
        attempt(i, BREAKER_NO_ANSWER);
    ck_assert(is_open());
    now += 30 * S;
    ck_assert(probe(1, BREAKER_SICK, last).counts);
    /* not again, for since then nobody got through */
    last = now;
    now += 300 * S;
    ck_assert(!probe(1, BREAKER_SICK, last).counts);
    /* and none that was not yet suspected */
    now += 300 * S;
    ck_assert(!probe(11, BREAKER_SICK, START).counts);
}
END_TEST

START_TEST(a_probe_that_was_not_sent_is_none)
{
    const struct breaker_event events[] = { { 1, START, 1 }, { 2, 0, 2 } };
    open_it();
    now += 30 * S;
    ck_assert_int_eq(ask(1), BREAKER_PROBE);
    breaker_cancel(target, 1, 1);
    ck_assert_uint_eq(breaker_pick(target, events, 2), 0);
    ck_assert_int_eq(ask(1), BREAKER_PROBE);
    breaker_cancel(target, 1, 1);
    struct breaker_state state;
    breaker_state(target, now, &state);
    ck_assert_uint_eq(state.in_flight, 0);
}
END_TEST

/* --- 429 and 503 ---------------------------------------------------------- */

START_TEST(busy_holds_the_target_and_costs_nothing)
{
    fresh();
    struct breaker_verdict v = attempt(1, BREAKER_BUSY);
    ck_assert(v.held && !v.counts);
    ck_assert_int_eq(wait_of(2), 60 * S);
    now += 60 * S;
    ck_assert_int_eq(ask(2), BREAKER_SEND);
}
END_TEST

START_TEST(unless_another_got_through_since)
{
    fresh();
    attempt(1, BREAKER_BUSY);
    int64_t last = now;
    now += 60 * S;
    attempt(2, BREAKER_OK);
    now += S;
    ck_assert_int_eq(ask(1), BREAKER_SEND);
    struct breaker_verdict v = done(1, 0, BREAKER_BUSY, last);
    ck_assert(v.counts && !v.held);
    ck_assert_int_eq(ask(2), BREAKER_SEND); /* only the event waits */
    breaker_cancel(target, 2, 0);
    /* that was before this try, and nobody since */
    last = now;
    now += 60 * S;
    ck_assert_int_eq(ask(1), BREAKER_SEND);
    v = done(1, 0, BREAKER_BUSY, last);
    ck_assert(!v.counts && v.held);
}
END_TEST

START_TEST(another_event_goes_first_when_that_is_over)
{
    const struct breaker_event events[] = { { 1, START, 1 }, { 2, 0, 2 } };
    struct breaker_state state;
    fresh();
    breaker_state(target, now, &state);
    ck_assert(!state.wary);
    attempt(1, BREAKER_BUSY);
    now += 60 * S;
    breaker_state(target, now, &state);
    ck_assert(state.wary && !state.wait_us);
    ck_assert_uint_eq(breaker_pick(target, events, 2), 1);
    attempt(2, BREAKER_OK);
    breaker_state(target, now, &state);
    ck_assert(!state.wary);
}
END_TEST

START_TEST(a_payload_that_always_makes_503_comes_to_an_end)
{
    fresh();
    int counted = 0;
    int64_t last = 0;
    for (uint64_t i = 0; i < 20; i++) {
        now += 3600 * S;
        ck_assert_int_eq(ask(1), BREAKER_SEND);
        counted += done(1, 0, BREAKER_BUSY, last).counts;
        last = now;
        now += 3600 * S;
        ck_assert(!attempt(100 + i, BREAKER_OK).opened);
    }
    ck_assert_int_eq(counted, 19);
}
END_TEST

START_TEST(a_day_of_503_costs_nothing)
{
    fresh();
    int64_t last[5] = { 0 };
    int sent = 0;
    for (int i = 0; i < 86400; i++) {
        int64_t wait;
        uint64_t key = (uint64_t) sent % 5;
        now += S;
        enum breaker_say say = breaker_ask(target, key, now, &wait);
        if (say == BREAKER_WAIT)
            continue;
        ck_assert(
            !done(key, say == BREAKER_PROBE, BREAKER_BUSY, last[key]).counts);
        last[key] = now;
        sent++;
    }
    ck_assert_int_lt(sent, 300); /* one in five minutes, once it has opened */
    ck_assert(is_open());
}
END_TEST

START_TEST(the_longest_that_was_asked_for_holds)
{
    fresh();
    ask(1);
    ask(2);
    struct breaker_attempt a = { 1, 0, BREAKER_BUSY, 0, 600 * S, "HTTP 429" };
    breaker_done(target, &a, now);
    a.key = 2;
    a.busy_us = S;
    breaker_done(target, &a, now);
    ck_assert_int_eq(wait_of(3), 600 * S);
}
END_TEST

/* --- the clock, and many targets ------------------------------------------ */

START_TEST(those_that_wait_take_turns_as_the_probe)
{
    /* When there will be one, if all fail; an hour has 15. */
    static const int64_t probes[] = {
        30,   90,   210,  450,  750,  1050, 1350,
        1650, 1950, 2250, 2550, 2850, 3150, 3450
    };
    size_t within[12] = { 0 };
    open_it();
    for (size_t i = 0; i < COUNT(probes); i++)
        ck_assert_int_eq(breaker_turn(target, now), probes[i] * S);
    /* Of more than that an even share comes in each five minutes. */
    for (size_t i = 0; i < 12000; i++) {
        int64_t turn = breaker_turn(target, now);
        ck_assert_int_ge(turn, 30 * S);
        ck_assert_int_lt(turn, 3600 * S);
        within[turn / (300 * S)]++;
    }
    for (size_t i = 0; i < COUNT(within); i++)
        ck_assert_uint_ge(within[i], 850);
    /* Each probe has one of its own, whoever comes first: also one that comes
     * a little before it may be sent. */
    now += 30 * S;
    probe(1, BREAKER_NO_ANSWER, 0);
    now += 50 * S;
    ck_assert_int_eq(breaker_turn(target, now), 10 * S);
    ck_assert_int_gt(breaker_turn(target, now), 10 * S);
    /* The next outage begins anew. */
    now += 10 * S;
    probe(2, BREAKER_OK, 0);
    for (uint64_t i = 1; i <= 3; i++)
        attempt(i, BREAKER_NO_ANSWER);
    ck_assert_int_eq(breaker_turn(target, now), 30 * S);
    ck_assert_int_eq(breaker_turn(target, now), 90 * S);
    /* One that only asked for time is everybody's turn once that is over. */
    fresh();
    attempt(1, BREAKER_BUSY);
    ck_assert_int_eq(breaker_turn(target, now), 60 * S);
    ck_assert_int_eq(breaker_turn(target, now), 60 * S);
    /* A clock that goes back, or forth, makes nobody wait for longer. */
    open_it();
    for (int i = 0; i < 20; i++)
        breaker_turn(target, now);
    now -= 86400 * S;
    ck_assert_int_eq(breaker_turn(target, now), 30 * S);
    for (int i = 0; i < 20; i++)
        ck_assert_int_lt(breaker_turn(target, now), 3600 * S);
    now += 2 * 86400 * S;
    for (int i = 0; i < 20; i++)
        ck_assert_int_lt(breaker_turn(target, now), 3600 * S);
}
END_TEST

START_TEST(a_clock_that_goes_back_shuts_no_door_for_long)
{
    open_it();
    now -= 86400 * S;
    ck_assert_int_eq(wait_of(4), 30 * S);
    now += 30 * S;
    ck_assert_int_eq(ask(4), BREAKER_PROBE);
    fresh();
    attempt(1, BREAKER_BUSY);
    now -= 86400 * S;
    ck_assert_int_eq(wait_of(4), 60 * S);
    now += 60 * S;
    ck_assert_int_eq(ask(4), BREAKER_SEND);
    /* and makes no 2xx of before one of after */
    done(4, 0, BREAKER_OK, 0);
    now -= 3600 * S;
    ask(1);
    ck_assert(!done(1, 0, BREAKER_BUSY, now).counts);
}
END_TEST

static struct breaker_target *
numbered(int n)
{
    char name[32];
    int len = snprintf(name, sizeof name, "https://h%d:443", n);
    struct breaker_target *t = breaker_target(breaker, name, (size_t) len);
    ck_assert_ptr_nonnull(t);
    return t;
}

START_TEST(ten_thousand_targets_and_the_least_used_go)
{
    struct breaker_state state;
    fresh();
    for (int i = 0; i < 3; i++) /* it is open, and the oldest */
        attempt(1, BREAKER_NO_ANSWER);
    struct breaker_target *busy = numbered(0);
    int64_t wait;
    ck_assert_int_eq(breaker_ask(busy, 1, now, &wait), BREAKER_SEND);
    for (int i = 1; i < 30000; i++) {
        numbered(i);
        if (i % 1000 == 0)
            ck_assert_ptr_eq(numbered(i), numbered(i));
        ck_assert_uint_le(breaker_count(breaker), BREAKER_TARGETS);
    }
    ck_assert_uint_eq(breaker_count(breaker), BREAKER_TARGETS);
    /* what is in flight stays, and what is open while others will do */
    ck_assert_ptr_eq(numbered(0), busy);
    breaker_cancel(busy, 1, 0);
    ck_assert_ptr_eq(breaker_target(breaker, "https://a:443", 13), target);
    breaker_state(target, now, &state);
    ck_assert(state.open);
    ck_assert_str_eq(state.name, "https://a:443");
    ck_assert_str_eq(state.cause, "cause");
}
END_TEST

START_TEST(where_all_are_open_the_least_used_goes_too)
{
    breaker_free(breaker);
    breaker = breaker_new(2);
    now = START;
    for (int i = 0; i < 100; i++) {
        target = numbered(i);
        for (int k = 0; k < 3; k++)
            attempt(1, BREAKER_NO_ANSWER);
        ck_assert_uint_le(breaker_count(breaker), 2);
    }
    /* more than fit are in flight: none is lost */
    int64_t wait;
    for (int i = 200; i < 210; i++)
        breaker_ask(numbered(i), 1, now, &wait);
    for (int i = 200; i < 210; i++) {
        struct breaker_state state;
        breaker_state(numbered(i), now, &state);
        ck_assert_uint_eq(state.in_flight, 1);
    }
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        statuses_are_of_a_class,
        three_without_an_answer_open_it,
        of_whatever_events_a_lane_of_one_alert_a_day_too,
        only_the_newest_attempts_count,
        ten_answers_of_at_least_three_events_open_it,
        two_poison_events_do_not_open_it,
        answers_and_none_by_turns_open_it_too,
        open_sends_only_probes,
        a_probe_comes_after_30_s_doubled_to_5_min,
        open_counts_no_attempt,
        what_was_under_way_when_it_opened_costs_nothing,
        a_2xx_closes,
        only_a_2xx_closes,
        each_probe_is_another_event,
        one_that_was_probed_twice_goes_behind_the_others,
        then_its_failures_count_once_another_got_through,
        a_probe_that_was_not_sent_is_none,
        busy_holds_the_target_and_costs_nothing,
        unless_another_got_through_since,
        another_event_goes_first_when_that_is_over,
        a_payload_that_always_makes_503_comes_to_an_end,
        a_day_of_503_costs_nothing,
        the_longest_that_was_asked_for_holds,
        those_that_wait_take_turns_as_the_probe,
        a_clock_that_goes_back_shuts_no_door_for_long,
        ten_thousand_targets_and_the_least_used_go,
        where_all_are_open_the_least_used_goes_too,
    };
    int failed = run_cases("breaker", cases, COUNT(cases));
    breaker_free(breaker);
    return failed;
}
