/* SPDX-License-Identifier: MIT */
#include "lane_world.h"
#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int missing; /* a table, say */

static void
table_is_missing(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    if (__atomic_load_n(&missing, __ATOMIC_SEQ_CST))
        lane_settle(ack, IL_PAUSE, "table events.signups does not exist");
    else
        fake_ok(f, b, ack);
}

START_TEST(a_pause_heals_by_itself)
{
    missing = 1;
    fake_act(&fake, table_is_missing);
    events(150);
    world_start();
    wait_state(LANE_PAUSED);
    ck_assert_str_eq(status().last_error,
                     "table events.signups does not exist");
    __atomic_store_n(&missing, 0, __ATOMIC_SEQ_CST);
    wait_position(150);
    expect_range(1, 150);
    ck_assert_int_eq(status().state, LANE_RUNNING);
    expect_letters("");
}
END_TEST

START_TEST(a_paused_lane_keeps_its_place)
{
    spec.paused = 1;
    events(150);
    world_start();
    wait_state(LANE_PAUSED);
    for (int i = 0; i < 1000 && !status().lag_us; i++)
        usleep(1000);
    ck_assert_int_gt(status().lag_us, 4900000);
    ck_assert_uint_eq(status().lag_events, 150);
    ck_assert_int_eq(lane_stop(lane, clock_monotonic_us() + 5000000), 1);
    ck_assert_int_eq(fake_writes(&fake), 0);
    world_restart();
    spec.paused = 0;
    world_start();
    wait_position(150);
    expect_range(1, 150);
}
END_TEST

START_TEST(draining_delivers_what_is_there)
{
    events(1950);
    world_start();
    int64_t begin = clock_monotonic_us();
    ck_assert_int_eq(lane_stop(lane, begin + 20000000), 1);
    expect_range(1, 1950);
    ck_assert_int_eq(status().state, LANE_STOPPED);
    ck_assert_int_lt(clock_monotonic_us() - begin, 10000000);
}
END_TEST

static void
keep(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    pthread_mutex_lock(&f->lock);
    while (!f->quit)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
    fake_ok(f, b, ack);
}

START_TEST(a_deadline_is_kept)
{
    fake_act(&fake, keep);
    events(250);
    world_start();
    while (!fake_writes(&fake))
        usleep(1000);
    int64_t begin = clock_monotonic_us();
    ck_assert_int_eq(lane_stop(lane, begin + 200000), 0);
    int64_t took = clock_monotonic_us() - begin;
    ck_assert_int_ge(took, 200000);
    ck_assert_int_lt(took, 2000000 * PATIENCE);
    ck_assert_int_eq(fake.flushes, 0); /* not all of it was written */
    /* What the destination settles in its world_stop() still counts. */
    world_restart();
    world_start();
    wait_position(250);
    expect_range(1, 250);
}
END_TEST

static void
keep_until_flush(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    pthread_mutex_lock(&f->lock);
    while (!f->flushes && !f->quit)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
    fake_ok(f, b, ack);
}

START_TEST(a_drain_flushes)
{
    fake_act(&fake, keep_until_flush);
    events(50);
    world_start();
    while (!fake_writes(&fake))
        usleep(1000);
    ck_assert_int_eq(lane_stop(lane, clock_monotonic_us() + 10000000), 1);
    ck_assert_int_eq(fake.flushes, 1);
    ck_assert_uint_gt(fake.flush_ms, 5000);
    ck_assert_uint_le(fake.flush_ms, 10000);
    expect_range(1, 50);
}
END_TEST

START_TEST(stopping_interrupts_a_back_off)
{
    spec.retry_min_ms = spec.retry_max_ms = 60000;
    fake_act(&fake, never);
    events(10);
    world_start();
    wait_state(LANE_WAITING);
    int64_t begin = clock_monotonic_us();
    ck_assert_int_eq(lane_stop(lane, begin + 50000), 0);
    ck_assert_int_lt(clock_monotonic_us() - begin, 2000000 * PATIENCE);
}
END_TEST

START_TEST(one_lane_does_not_hold_another)
{
    struct fake slow;
    struct lane *other;
    struct lane_spec spec2 = spec;
    fake_open(&slow, 1);
    fake_act(&slow, keep);
    spec2.name = "feature-usage/slow";
    spec2.destination = &slow.plugin;
    spec2.self = &slow;
    events(500);
    ck_assert_int_eq(lane_new(&spec2, &ctx, &other), 0);
    ck_assert_int_eq(lane_start(other), 0);
    world_start();
    wait_position(500);
    lane_stop(other, 0);
    fake_stop(&slow);
    lane_free(other);
    fake_close(&slow);
}
END_TEST

/* What every lane has passed goes; what one has not stays. */
START_TEST(the_spool_is_held_until_delivered)
{
    static char json[2100];
    struct spool_stats st;
    memset(json, 'x', sizeof json);
    memcpy(json, "{\"n\":\"", 6);
    strcpy(json + sizeof json - 3, "\"}");
    fake_act(&fake, never);
    world_start(); /* from here on */
    for (int i = 0; i < 2000; i++)
        append("app", "feature.used", json);
    durable();
    wait_state(LANE_WAITING);
    spool_stats(ctx.spool, &st);
    ck_assert_uint_eq(st.first, 1);
    ck_assert_uint_gt(st.segments, 1);
    fake_act(&fake, NULL);
    wait_position(2000);
    lane_stop(lane, clock_monotonic_us() + 5000000);
    append("app", "feature.used", json); /* retention runs with the writer */
    durable();
    for (int i = 0; i < 5000; i++) {
        spool_stats(ctx.spool, &st);
        if (st.first > 1)
            break;
        usleep(1000);
    }
    ck_assert_uint_gt(st.first, 1);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        a_pause_heals_by_itself,
        a_paused_lane_keeps_its_place,
        draining_delivers_what_is_there,
        a_deadline_is_kept,
        a_drain_flushes,
        stopping_interrupts_a_back_off,
        one_lane_does_not_hold_another,
        the_spool_is_held_until_delivered,
    };
    return world_run("lane stops", tests, sizeof tests / sizeof *tests);
}
