/* SPDX-License-Identifier: MIT */
/* The store of lanes by event: what is due, what becomes of it, and in which
 * order. */
#include "parked_world.h"

#include "slow.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- due ------------------------------------------------------------------ */

START_TEST(what_is_due_comes_by_time)
{
    struct parked_event e[] = { world_event(1, 0), world_event(2, 0),
                                world_event(3, 0), world_event(4, 0) };
    struct parked_due due[4];
    int64_t next;
    e[0].delay_us = 30 * SECOND;
    e[1].delay_us = 10 * SECOND;
    e[2].delay_us = 20 * SECOND;
    e[3].delay_us = 10 * SECOND;
    world_put(0, 4, e, 4);
    ck_assert_int_eq(parked_due(lane, NOW, NULL, due, 4, &next), 0);
    ck_assert_int_eq(next, NOW + 10 * SECOND);
    ck_assert_int_eq(parked_due(lane, NOW + 20 * SECOND, NULL, due, 4, &next),
                     3);
    ck_assert_uint_eq(due[0].position, 2);
    ck_assert_uint_eq(due[1].position, 4);
    ck_assert_uint_eq(due[2].position, 3);
    ck_assert_int_eq(due[2].due_us, NOW + 20 * SECOND);
    ck_assert_int_eq(next, NOW + 30 * SECOND);
    ck_assert_int_eq(parked_due(lane, NOW + 60 * SECOND, NULL, due, 2, &next),
                     2);
    ck_assert_int_eq(next, NOW + 20 * SECOND);
    struct parked_due after = due[1];
    ck_assert_int_eq(parked_due(lane, NOW + 60 * SECOND, &after, due, 4, &next),
                     2);
    ck_assert_uint_eq(due[0].position, 3);
    ck_assert_uint_eq(due[1].position, 1);
    ck_assert_int_eq(next, INT64_MAX);
    struct parked_counts c;
    ck_assert_int_eq(parked_counts(lane, &c), 0);
    ck_assert_int_eq(c.next_due_us, NOW + 10 * SECOND);
}
END_TEST

START_TEST(those_for_a_target_are_found_bit_by_bit)
{
    enum { MANY = 9000 };
    static struct parked_event e[MANY];
    static uint64_t at[MANY];
    uint64_t from = 0, found = 0, last = 0;
    int rounds = 0;
    for (uint64_t i = 0; i < MANY; i++) {
        e[i] = world_event(i + 1, 0);
        e[i].target = i % 4 ? "b" : "a";
        e[i].code = i % 8 ? "held_off" : "http_500";
    }
    world_put(0, MANY, e, MANY);
    do {
        int n = parked_for_target(lane, "a", "held_off", &from, at, 512);
        ck_assert_int_ge(n, 0);
        ck_assert_int_le(n, 512);
        for (int i = 0; i < n; i++) {
            ck_assert_uint_gt(at[i], last);
            ck_assert_uint_eq(at[i] % 8, 5);
            last = at[i];
        }
        found += (uint64_t) n;
        rounds++;
    } while (from);
    ck_assert_uint_eq(found, MANY / 8);
    ck_assert_int_ge(rounds, 3);
    /* None, and where it ends exactly. */
    ck_assert_int_eq(parked_for_target(lane, "c", "held_off", &from, at, 512),
                     0);
    from = MANY - 10;
    ck_assert_int_eq(parked_for_target(lane, "b", "held_off", &from, at, 8), 8);
    ck_assert_uint_eq(from, MANY);
    from = MANY + 1;
    ck_assert_int_eq(parked_for_target(lane, "b", "held_off", &from, at, 8), 0);
    ck_assert_uint_eq(from, 0);
}
END_TEST

START_TEST(times_at_the_edges_are_due_somewhere)
{
    struct parked_event e[] = { world_event(1, 0), world_event(2, 0),
                                world_event(3, 0) };
    struct parked_due due[4];
    int64_t next;
    e[0].since_us = 5;
    e[0].delay_us = -10;
    e[1].delay_us = INT64_MAX;
    e[2].since_us = INT64_MIN;
    e[2].delay_us = -1;
    world_put(0, 3, e, 3);
    ck_assert_int_eq(parked_due(lane, 0, NULL, due, 4, &next), 2);
    ck_assert_int_eq(next, INT64_MAX);
    ck_assert_int_eq(world_retried(1, PARKED_DELIVERED), 1);
    ck_assert_int_eq(world_retried(2, PARKED_DELIVERED), 1);
    ck_assert_int_eq(world_retried(3, PARKED_DELIVERED), 1);
    ck_assert_str_eq(world_due(INT64_MAX), "");
}
END_TEST

/* The length of a delay is what counts: one of 30 seconds takes 30 more from
 * when it is noticed, not an hour. */
START_TEST(a_clock_that_went_back_delays_nothing_for_longer)
{
    struct parked_event e[40];
    struct parked_due due[64];
    int64_t next, then = NOW - 3600 * SECOND;
    for (uint64_t i = 0; i < 40; i++) {
        e[i] = world_event(i + 1, i % 2 ? 77 : 0); /* 20 of them a chain */
        e[i].delay_us = 30 * SECOND;
    }
    e[0].since_us = then - SECOND; /* parked before it was set right */
    e[0].delay_us = 7200 * SECOND;
    world_put(0, 40, e, 40);
    ck_assert_int_eq(parked_due(lane, then, NULL, due, 64, &next), 0);
    ck_assert_int_eq(next, then + 30 * SECOND);
    world_verify();
    ck_assert_int_eq(world_get(3).since_us, then);
    ck_assert_int_eq(world_get(1).since_us, then - SECOND);
    ck_assert_int_eq(world_get(1).delay_us, 7200 * SECOND);
    int n = parked_due(lane, then + 30 * SECOND, NULL, due, 64, &next);
    ck_assert_int_eq(n, 20); /* 19 without a key and a head */
    ck_assert_int_eq(next, then + 7199 * SECOND);
    /* Who waited in the chain meanwhile has the old time still. */
    struct parked_result r = world_result(2, PARKED_DELIVERED);
    r.at_us = then + 31 * SECOND;
    ck_assert_int_eq(parked_retried(lane, &r, 1), 0);
    world_verify();
    ck_assert_int_eq(world_get(4).since_us, then + 31 * SECOND);
    /* A drop does not know the time; the next look does. */
    ck_assert_int_eq(parked_drop(lane, 4), 0);
    world_verify();
    parked_due(lane, then + 32 * SECOND, NULL, due, 64, &next);
    world_verify();
    ck_assert_int_eq(world_get(6).since_us, then + 32 * SECOND);
}
END_TEST

/* In more steps than one, and with a restart in between. */
START_TEST(many_parked_events_outlive_a_clock_that_went_back)
{
    enum { N = 2500 };
    struct parked_event *e = malloc(N * sizeof *e);
    struct parked_due *due = malloc(N * sizeof *due);
    int64_t next, then = NOW - 3600 * SECOND;
    for (uint64_t i = 0; i < N; i++) {
        e[i] = world_event(i + 1, 0);
        e[i].delay_us = (int64_t) (i % 50) * SECOND;
    }
    world_put(0, N, e, N);
    parked_due(lane, then, NULL, due, N, &next);
    ck_assert_int_le(next, then);
    world_verify();
    world_reopen();
    int calls = 0;
    do {
        parked_due(lane, then, NULL, due, N, &next);
        ck_assert_int_lt(++calls, 10);
    } while (next <= then);
    world_verify();
    ck_assert_int_eq(parked_due(lane, then + 50 * SECOND, NULL, due, N, &next),
                     N);
    ck_assert_int_eq(next, INT64_MAX);
    free(e);
    free(due);
}
END_TEST

/* --- retries -------------------------------------------------------------- */

START_TEST(a_flight_of_retries_is_one_change)
{
    struct parked_event e[] = { world_event(1, 0), world_event(2, 0),
                                world_event(3, 0), world_event(4, 0) };
    world_put(0, 4, e, 4);
    struct parked_result r[] = { world_result(3, PARKED_GIVEN_UP),
                                 world_result(1, PARKED_DELIVERED),
                                 world_result(2, PARKED_AGAIN) };
    r[0].code = "exhausted";
    r[2].target = "https://other.example.com:443";
    ck_assert_int_eq(parked_retried(lane, r, 3), 0);
    world_verify();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(r[i].stood, 1);
    ck_assert_int_eq(world_is_parked(1), 0);
    ck_assert_int_eq(world_is_letter(1), 0);
    struct parked_event again = world_get(2);
    ck_assert_uint_eq(again.attempts, 2);
    ck_assert_int_eq(again.first_us, NOW);
    ck_assert_int_eq(again.since_us, NOW + 10 * SECOND);
    ck_assert_int_eq(again.delay_us, 120 * SECOND);
    ck_assert_str_eq(again.message, "502 Bad Gateway");
    ck_assert_str_eq(again.target, "https://other.example.com:443");
    ck_assert_mem_eq(again.event, "event 2", 7);
    struct parked_letter l;
    ck_assert_int_eq(world_is_parked(3), 0);
    ck_assert_int_eq(parked_letter_read(lane, 3, &world_buffer, &l), 1);
    ck_assert_uint_eq(l.attempts, 2);
    ck_assert_int_eq(l.first_us, NOW);
    ck_assert_int_eq(l.at_us, NOW + 10 * SECOND);
    ck_assert_str_eq(l.code, "exhausted");
    ck_assert_str_eq(l.target, "https://hooks.example.com:443");
    ck_assert_mem_eq(l.event, "event 3", 7);
    ck_assert_str_eq(world_due(NOW + 60 * SECOND), "4");
    ck_assert_str_eq(world_due(NOW + 130 * SECOND), "4 2");
}
END_TEST

START_TEST(a_result_changes_only_what_it_was_read_as)
{
    struct parked_event e[] = { world_event(1, 0), world_event(2, 0),
                                world_event(3, 0), world_event(4, 0) };
    world_put(0, 4, e, 4);
    struct parked_result r[4];
    for (uint64_t i = 0; i < 4; i++)
        r[i] = world_result(i + 1, i == 3 ? PARKED_DELIVERED : PARKED_AGAIN);
    ck_assert_int_eq(parked_drop(lane, 1), 0);
    ck_assert_int_eq(world_retried(2, PARKED_AGAIN), 1);
    ck_assert_int_eq(parked_now(lane, 4, NOW + SECOND), 0);
    ck_assert_int_eq(parked_retried(lane, r, 4), 0);
    world_verify();
    ck_assert_int_eq(r[0].stood, 0);
    ck_assert_int_eq(r[1].stood, 0);
    ck_assert_int_eq(r[2].stood, 1);
    ck_assert_int_eq(r[3].stood, 1); /* now is no other event */
    ck_assert_int_eq(world_is_parked(1), 0);
    ck_assert_int_eq(world_is_parked(4), 0);
    ck_assert_uint_eq(world_get(2).attempts, 2);
    /* and the same call again changes nothing */
    ck_assert_int_eq(parked_retried(lane, r, 4), 0);
    world_verify();
    ck_assert_uint_eq(world_get(3).attempts, 2);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(r[i].stood, 0);
    r[0].outcome = 0;
    ck_assert_int_eq(parked_retried(lane, r, 1), -EINVAL);
    /* nor does one of a letter that was parked again */
    struct parked_result old = world_result(2, PARKED_DELIVERED);
    ck_assert_int_eq(world_retried(2, PARKED_GIVEN_UP), 1);
    ck_assert_int_eq(parked_again(lane, 2, NOW), 0);
    ck_assert_int_eq(parked_retried(lane, &old, 1), 0);
    ck_assert_int_eq(old.stood, 0);
    ck_assert_int_eq(world_is_parked(2), 1);
}
END_TEST

/* --- order ---------------------------------------------------------------- */

START_TEST(of_a_chain_only_the_head_is_due)
{
    struct parked_event e[] = { world_event(1, 7), world_event(2, 8),
                                world_event(3, 7), world_event(4, 7),
                                world_event(5, 0) };
    ck_assert_int_eq(parked_holds(lane, 7), 0);
    world_put(0, 5, e, 5);
    ck_assert_int_eq(parked_holds(lane, 7), 1);
    ck_assert_int_eq(parked_holds(lane, 9), 0);
    ck_assert_int_eq(parked_holds(lane, 0), 0);
    ck_assert_int_eq(world_get(1).waits_behind, 0);
    ck_assert_int_eq(world_get(3).waits_behind, 1);
    ck_assert_str_eq(world_due(NOW), "1 2 5");
    ck_assert_int_eq(world_retried(1, PARKED_AGAIN), 1); /* it stays the head */
    ck_assert_str_eq(world_due(NOW), "2 5");
    ck_assert_int_eq(world_retried(1, PARKED_DELIVERED), 1);
    ck_assert_str_eq(world_due(NOW), "2 3 5");
    ck_assert_int_eq(world_retried(3, PARKED_GIVEN_UP), 1);
    ck_assert_str_eq(world_due(NOW), "2 4 5");
    ck_assert_int_eq(parked_drop(lane, 4), 0);
    world_verify();
    ck_assert_str_eq(world_due(NOW), "2 5");
    ck_assert_int_eq(parked_holds(lane, 7), 0);
    ck_assert_int_eq(parked_holds(lane, 8), 1);
    world_reopen();
    ck_assert_int_eq(parked_holds(lane, 8), 1);
    ck_assert_int_eq(world_retried(2, PARKED_DELIVERED), 1);
    ck_assert_int_eq(parked_holds(lane, 8), 0);
    ck_assert_uint_eq(lane->chained, 0);
}
END_TEST

START_TEST(the_middle_of_a_chain_may_go)
{
    struct parked_event e[] = { world_event(1, 7), world_event(2, 7),
                                world_event(3, 7) };
    world_put(0, 3, e, 3);
    ck_assert_int_eq(parked_drop(lane, 2), 0);
    world_verify();
    ck_assert_str_eq(world_due(NOW), "1");
    ck_assert_int_eq(world_retried(1, PARKED_DELIVERED), 1);
    ck_assert_str_eq(world_due(NOW), "3");
}
END_TEST

START_TEST(the_smallest_position_is_the_head_whenever_it_came)
{
    struct parked_event late = world_event(9, 7), early = world_event(3, 7);
    world_put(8, 9, &late, 1);
    world_put(2, 3, &early, 1);
    ck_assert_str_eq(world_due(NOW), "3");
    ck_assert_uint_eq(world_get(9).waits_behind, 3);
}
END_TEST

/* --- orders of a person --------------------------------------------------- */

START_TEST(a_person_makes_it_due_now)
{
    struct parked_event e[] = { world_event(1, 7), world_event(2, 7),
                                world_event(3, 0) };
    for (int i = 0; i < 3; i++)
        e[i].delay_us = 3600 * SECOND;
    world_put(0, 3, e, 3);
    ck_assert_int_eq(parked_now(lane, 3, NOW + 60 * SECOND), 0);
    ck_assert_int_eq(parked_now(lane, 2, NOW + 60 * SECOND), 1);
    world_verify();
    ck_assert_str_eq(world_due(NOW + 59 * SECOND), "");
    ck_assert_str_eq(world_due(NOW + 60 * SECOND), "3");
    ck_assert_uint_eq(world_get(3).attempts, 1);
    ck_assert_int_eq(world_get(3).since_us, NOW);
    ck_assert_int_eq(world_retried(1, PARKED_DELIVERED), 1);
    ck_assert_str_eq(world_due(NOW + 60 * SECOND), "2 3");
    ck_assert_int_eq(parked_now(lane, 3, NOW - 60 * SECOND), 0);
    world_verify();
    ck_assert_str_eq(world_due(NOW - 60 * SECOND), "3");
    ck_assert_int_eq(parked_now(lane, 17, NOW), -ENOENT);
}
END_TEST

START_TEST(a_letter_is_parked_again_outside_of_its_chain)
{
    struct parked_event e[] = { world_event(1, 7), world_event(2, 7) };
    struct parked_letter l = world_letter(3);
    ck_assert_int_eq(world_settle(0, 3, e, 2, &l, 1), 0);
    ck_assert_int_eq(world_retried(1, PARKED_GIVEN_UP), 1);
    ck_assert_int_eq(parked_again(lane, 1, NOW + SECOND), 0);
    ck_assert_int_eq(parked_again(lane, 3, NOW + SECOND), 0);
    world_verify();
    ck_assert_int_eq(world_is_letter(1), 0);
    struct parked_event again = world_get(1);
    ck_assert_int_eq(again.again, 1);
    ck_assert_int_eq(again.waits_behind, 0);
    ck_assert_uint_eq(again.order_hash, 0);
    ck_assert_uint_eq(again.attempts, 0);
    ck_assert_int_eq(again.first_us, NOW);
    ck_assert_str_eq(again.message, "502 Bad Gateway");
    ck_assert_int_eq(world_get(2).again, 0);
    ck_assert_int_eq(world_get(2).waits_behind, 0);
    ck_assert_str_eq(world_due(NOW + SECOND), "2 1 3");
    ck_assert_int_eq(world_retried(1, PARKED_AGAIN), 1);
    ck_assert_int_eq(world_get(1).again, 1);
    ck_assert_int_eq(parked_again(lane, 1, NOW), -ENOENT); /* no letter */
    ck_assert_int_eq(parked_again(lane, 17, NOW), -ENOENT);
}
END_TEST

START_TEST(a_person_drops_either)
{
    struct parked_event e = world_event(1, 7);
    struct parked_letter l = world_letter(2);
    ck_assert_int_eq(world_settle(0, 2, &e, 1, &l, 1), 0);
    ck_assert_int_eq(parked_drop(lane, 1), 0);
    ck_assert_int_eq(parked_drop(lane, 2), 0);
    world_verify();
    ck_assert_int_eq(parked_drop(lane, 1), -ENOENT);
    struct parked_counts c;
    ck_assert_int_eq(parked_counts(lane, &c), 0);
    ck_assert_uint_eq(c.parked + c.letters, 0);
    ck_assert_uint_eq(c.parked_bytes + c.letter_bytes, 0);
    ck_assert_int_eq(c.next_due_us, INT64_MAX);
}
END_TEST

START_TEST(a_person_asks_for_many_and_drops_many)
{
    struct parked_event e[] = { world_event(1, 7), world_event(2, 7),
                                world_event(3, 0) };
    struct parked_letter l[] = { world_letter(4), world_letter(5) };
    for (int i = 0; i < 3; i++)
        e[i].delay_us = 3600 * SECOND;
    ck_assert_int_eq(world_settle(0, 5, e, 3, l, 2), 0);
    world_damage(PARKED_LETTER, 5, 90);
    struct parked_ask ask[] = { { .position = 2 }, { .position = 4 },
                                { .position = 9 }, { .position = 3 },
                                { .position = 5 }, { .position = 4 } };
    world_listen();
    ck_assert_int_eq(parked_ask(lane, ask, 6, NOW + SECOND), 0);
    world_heard();
    ck_assert_int_eq(ask[0].found, PARKED_BEHIND);
    ck_assert_int_eq(ask[1].found, PARKED_WAS_LETTER);
    ck_assert_uint_eq(ask[1].turn, world_get(4).turn);
    ck_assert_int_eq(ask[2].found, PARKED_NOT_THERE);
    ck_assert_int_eq(ask[3].found, PARKED_NOW);
    ck_assert_uint_eq(ask[3].turn, 1);
    ck_assert_int_eq(ask[4].found, PARKED_DAMAGED);
    ck_assert_int_eq(ask[5].found, PARKED_NOW); /* it is parked by now */
    ck_assert_str_eq(world_due(NOW + SECOND), "3 4");

    const uint64_t positions[] = { 1, 5, 17, 4 };
    size_t dropped;
    ck_assert_int_eq(parked_drop_all(lane, positions, 4, &dropped), 0);
    ck_assert_uint_eq(dropped, 3);
    world_verify();
    ck_assert_str_eq(world_due(NOW + SECOND), "2 3");
    ck_assert_int_eq(parked_drop_all(lane, positions, 4, &dropped), 0);
    ck_assert_uint_eq(dropped, 0);
}
END_TEST

/* --- anything, in any order ----------------------------------------------- */

enum { POSITIONS = 60, HASHES = 4 };

static uint64_t seed = 1;

static unsigned
random_below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned) (seed >> 33) % n;
}

static char model[POSITIONS + 1]; /* 'e', 'l' or nothing */

static void
random_settle(void)
{
    struct parked_event e[POSITIONS];
    struct parked_letter l[POSITIONS];
    size_t n = 0, m = 0;
    uint64_t before = random_below(POSITIONS);
    uint64_t last = before + random_below(POSITIONS - (unsigned) before + 1);
    for (uint64_t at = before + 1; at <= last; at++) {
        unsigned what = random_below(4);
        model[at] = what == 0 ? 'l' : what < 3 ? 'e' : 0;
        if (what == 0) {
            l[m++] = world_letter(at);
        } else if (what < 3) {
            e[n] = world_event(at, random_below(HASHES + 1));
            e[n++].delay_us = random_below(5) * SECOND;
        }
    }
    ck_assert_int_eq(world_settle(before, last, e, n, l, m), 0);
}

static void
random_order(void)
{
    uint64_t at = 1 + random_below(POSITIONS);
    int is = model[at];
    switch (random_below(4)) {
    case 0:
        ck_assert_int_eq(parked_drop(lane, at), is ? 0 : -ENOENT);
        model[at] = 0;
        break;
    case 1:
        ck_assert_int_eq(parked_again(lane, at, NOW), is == 'l' ? 0 : -ENOENT);
        model[at] = is == 'l' ? 'e' : model[at];
        break;
    case 2:
        ck_assert(is == 'e' ? parked_now(lane, at, NOW) >= 0
                            : parked_now(lane, at, NOW) == -ENOENT);
        break;
    default:
        world_due(NOW - (int64_t) random_below(10) * SECOND);
    }
}

static void
random_flight(void)
{
    struct parked_due due[16];
    struct parked_result r[16];
    int64_t next;
    int n =
        parked_due(lane, NOW + random_below(4) * SECOND, NULL, due, 16, &next);
    ck_assert_int_ge(n, 0);
    for (int i = 0; i < n; i++) {
        r[i] = world_result(due[i].position, 1 + random_below(3));
        r[i].at_us = NOW + random_below(3) * SECOND;
        r[i].delay_us = random_below(5) * SECOND;
        model[due[i].position] = r[i].outcome == PARKED_AGAIN      ? 'e'
                                 : r[i].outcome == PARKED_GIVEN_UP ? 'l'
                                                                   : 0;
    }
    ck_assert_int_eq(parked_retried(lane, r, (size_t) n), 0);
}

START_TEST(whatever_happens_the_tables_agree)
{
    for (int i = 0; i < slow(5000, 500); i++) {
        unsigned what = random_below(10);
        if (what < 2)
            random_settle();
        else if (what < 6)
            random_order();
        else
            random_flight();
        world_verify();
        for (uint64_t at = 1; at <= POSITIONS; at++) {
            if (world_is_parked(at) != (model[at] == 'e')
                || world_is_letter(at) != (model[at] == 'l'))
                ck_abort_msg("step %d: position %" PRIu64, i, at);
        }
        if (what == 9 && i % 10 == 0)
            world_reopen();
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("parked-retries");
    TCase *c = tcase_create("parked");
    tcase_add_checked_fixture(c, world_setup, world_teardown);
    tcase_set_timeout(c, 300);
    suite_add_tcase(s, c);
    tcase_add_test(c, what_is_due_comes_by_time);
    tcase_add_test(c, those_for_a_target_are_found_bit_by_bit);
    tcase_add_test(c, times_at_the_edges_are_due_somewhere);
    tcase_add_test(c, a_clock_that_went_back_delays_nothing_for_longer);
    tcase_add_test(c, many_parked_events_outlive_a_clock_that_went_back);
    tcase_add_test(c, a_flight_of_retries_is_one_change);
    tcase_add_test(c, a_result_changes_only_what_it_was_read_as);
    tcase_add_test(c, of_a_chain_only_the_head_is_due);
    tcase_add_test(c, the_middle_of_a_chain_may_go);
    tcase_add_test(c, the_smallest_position_is_the_head_whenever_it_came);
    tcase_add_test(c, a_person_makes_it_due_now);
    tcase_add_test(c, a_letter_is_parked_again_outside_of_its_chain);
    tcase_add_test(c, a_person_drops_either);
    tcase_add_test(c, a_person_asks_for_many_and_drops_many);
    tcase_add_test(c, whatever_happens_the_tables_agree);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
