/* SPDX-License-Identifier: MIT */
#include "lane_world.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Long enough for a lane that does what it must not. */
#define A_WHILE_US 100000

static int
resumes(void)
{
    pthread_mutex_lock(&fake.lock);
    int n = fake.resumes;
    pthread_mutex_unlock(&fake.lock);
    return n;
}

static void
expect_nothing_moves(void)
{
    uint64_t position = status().position;
    int writes = fake_writes(&fake), asked = resumes();
    usleep(A_WHILE_US);
    ck_assert_uint_eq(status().position, position);
    ck_assert_int_eq(fake_writes(&fake), writes);
    ck_assert_int_eq(resumes(), asked);
    ck_assert_int_eq(status().state, LANE_PAUSED);
}

static void
expect_stops_at_once(void)
{
    int64_t begin = clock_monotonic_us();
    ck_assert_int_eq(lane_stop(lane, begin + 20000000), 1);
    ck_assert_int_lt(clock_monotonic_us() - begin, 5000000);
    ck_assert_int_eq(status().state, LANE_STOPPED);
}

START_TEST(a_pause_holds_until_somebody_ends_it)
{
    world_start();
    events(150);
    wait_position(150);
    ck_assert_int_eq(lane_pause(lane, NULL), 1);
    ck_assert_int_eq(lane_pause(lane, "the second does not count"), 0);
    events(30);
    expect_nothing_moves();
    ck_assert_uint_eq(status().lag_events, 30);
    ck_assert_str_eq(status().paused_why, "");
    ck_assert_int_gt(status().paused_us, 0);
    for (int i = 0; i < 5000 && !status().lag_us; i++)
        usleep(1000);
    ck_assert_int_gt(status().lag_us, 0);
    ck_assert_int_eq(lane_resume(lane), 1);
    ck_assert_int_eq(lane_resume(lane), 0);
    wait_position(180);
    expect_range(1, 180);
    ck_assert_int_eq(status().state, LANE_RUNNING);
    ck_assert_int_eq(status().paused_us, 0);
}
END_TEST

START_TEST(a_pause_outlives_the_process)
{
    fake_resuming(&fake);
    world_start();
    events(10);
    wait_position(10);
    ck_assert_int_eq(lane_pause(lane, "gone"), 1);
    int64_t since = status().paused_us;
    events(10);
    for (int i = 0; i < 2; i++) {
        expect_stops_at_once();
        world_restart();
        fake_resuming(&fake);
        world_start();
        events(10);
        wait_state(LANE_PAUSED);
        expect_nothing_moves();
        ck_assert_int_eq(resumes(), 0); /* its rows are not asked for */
        ck_assert_int_eq(status().paused_us, since);
        ck_assert_str_eq(status().paused_why, "gone");
    }
    ck_assert_int_eq(lane_resume(lane), 1);
    wait_position(40);
    expect_range(1, 40);
    world_restart();
    fake_resuming(&fake);
    world_start();
    events(5);
    wait_position(45);
    expect_range(1, 45);
}
END_TEST

/* What the destination has comes back, and counts. */
static int held; /* the fake's lock */

static void
hold(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    pthread_mutex_lock(&f->lock);
    while (held && !f->quit)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
    fake_ok(f, b, ack);
}

START_TEST(batches_on_their_way_are_settled)
{
    held = 1;
    fake_act(&fake, hold);
    events(450);
    world_start();
    while (!fake_writes(&fake))
        usleep(1000);
    usleep(A_WHILE_US); /* for the next one to be read */
    ck_assert_int_eq(lane_pause(lane, NULL), 1);
    ck_assert_uint_eq(status().in_flight, 1);
    expect_nothing_moves();
    pthread_mutex_lock(&fake.lock);
    held = 0;
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.lock);
    wait_position(100);
    expect_nothing_moves();
    ck_assert_uint_eq(status().in_flight, 0);
    ck_assert_uint_eq(fake_count(&fake), 100);
    expect_stops_at_once();
    world_restart();
    world_start();
    wait_state(LANE_PAUSED);
    ck_assert_uint_eq(status().position, 100);
    ck_assert_int_eq(lane_resume(lane), 1);
    wait_position(450);
    expect_range(1, 450);
}
END_TEST

/* One that never comes to its end by itself. */
static void
until_flush(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    pthread_mutex_lock(&f->lock);
    while (!f->flushes && !f->quit)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
    fake_ok(f, b, ack);
}

START_TEST(a_stop_still_flushes_what_is_on_its_way)
{
    fake_act(&fake, until_flush);
    events(300);
    world_start();
    while (!fake_writes(&fake))
        usleep(1000);
    usleep(A_WHILE_US);
    ck_assert_int_eq(lane_pause(lane, NULL), 1);
    expect_stops_at_once();
    ck_assert_int_eq(fake.flushes, 1);
    ck_assert_uint_eq(fake_count(&fake), 100);
}
END_TEST

/* The drain has begun, and waits for more than the lane is to deliver now. */
START_TEST(a_pause_ends_a_drain)
{
    fake_act(&fake, never);
    events(300);
    world_start();
    wait_state(LANE_WAITING);
    lane_drain(lane, clock_monotonic_us() + 20000000);
    ck_assert_int_eq(lane_pause(lane, NULL), 1);
    expect_stops_at_once();
}
END_TEST

START_TEST(a_failing_lane_stays_paused_and_then_tries_at_once)
{
    spec.retry_min_ms = spec.retry_max_ms = 60000;
    fake_act(&fake, never);
    events(250);
    world_start();
    wait_state(LANE_WAITING);
    ck_assert_int_eq(lane_pause(lane, NULL), 1);
    expect_nothing_moves();
    ck_assert_str_eq(status().last_error, "connection refused");
    fake_act(&fake, NULL);
    expect_nothing_moves();
    ck_assert_int_eq(lane_resume(lane), 1);
    wait_position(250);
    expect_range(1, 250);
}
END_TEST

/* It has not yet said how far it is. */
START_TEST(a_lane_can_be_paused_while_its_destination_is_away)
{
    static const int away[8] = { -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN,
                                 -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN };
    spec.retry_min_ms = spec.retry_max_ms = 20;
    fake_resuming(&fake);
    memcpy(fake.resume_errors, away, sizeof away);
    events(50);
    world_start();
    while (!resumes())
        usleep(1000);
    ck_assert_int_eq(lane_pause(lane, NULL), 1);
    usleep(A_WHILE_US / 2); /* a call that had begun */
    expect_nothing_moves();
    ck_assert_int_lt(resumes(), 8);
    ck_assert_int_eq(lane_resume(lane), 1);
    wait_position(50);
    expect_range(1, 50);
}
END_TEST

START_TEST(either_pauses_it)
{
    char text[LANE_PAUSED_TEXT];
    struct lane_status s;
    spec.paused = 1;
    world_start();
    events(20);
    s = status();
    lane_paused_text(&s, text, sizeof text);
    ck_assert_str_eq(text, "paused by the configuration (status = \"paused\")");
    ck_assert_int_eq(lane_pause(lane, NULL), 1);
    s = status();
    lane_paused_text(&s, text, sizeof text);
    ck_assert(strstr(text, ", and by `ingestlayer lane pause` since 20"));
    ck_assert_int_eq(lane_resume(lane), 1);
    expect_nothing_moves();
    ck_assert_int_eq(lane_pause(lane, NULL), 1);
    world_restart();
    spec.paused = 0;
    world_start();
    expect_nothing_moves();
    ck_assert_int_eq(lane_resume(lane), 1);
    wait_position(20);
    expect_range(1, 20);
    s = status();
    lane_paused_text(&s, text, sizeof text);
    ck_assert_str_eq(text, "");
}
END_TEST

/* A destination in its own write(), in the lane's thread. */
static int (*fake_write)(void *, struct il_batch *, struct il_ack *);

static int
write_and_pause(void *self, struct il_batch *b, struct il_ack *ack)
{
    ck_assert_int_eq(lane_pause(lane, "410 Gone:\xff nobody is here"), 1);
    return fake_write(self, b, ack);
}

START_TEST(a_destination_pauses_its_own_lane)
{
    char text[LANE_PAUSED_TEXT], want[LANE_PAUSED_TEXT];
    fake_write = fake.plugin.write;
    fake.plugin.write = write_and_pause;
    events(250);
    ck_assert_int_eq(lane_new(&spec, &ctx, &lane), 0);
    ck_assert_int_eq(lane_start(lane), 0);
    wait_position(100);
    expect_nothing_moves();
    expect_range(1, 100);
    struct lane_status s = status();
    lane_paused_text(&s, text, sizeof text);
    snprintf(want, sizeof want,
             "Z: 410 Gone:? nobody is here; `ingestlayer lane resume " LANE
             "` goes on");
    ck_assert_msg(strncmp(text, "paused by its destination since 20", 34) == 0
                      && strstr(text, want),
                  "%s", text);
    fake.plugin.write = fake_write;
    ck_assert_int_eq(lane_resume(lane), 1);
    wait_position(250);
    expect_range(1, 250);
}
END_TEST

/* Somebody pauses and has it go on while it delivers and saves its position. */
static void *
to_and_fro(void *arg)
{
    int *quit = arg;
    while (!__atomic_load_n(quit, __ATOMIC_SEQ_CST)) {
        ck_assert_int_eq(lane_pause(lane, NULL), 1);
        ck_assert_int_eq(lane_resume(lane), 1);
    }
    return NULL;
}

START_TEST(a_busy_lane_takes_any_number_of_pauses)
{
    pthread_t thread;
    int quit = 0;
    spec.batch_events = 7;
    world_start();
    ck_assert_int_eq(pthread_create(&thread, NULL, to_and_fro, &quit), 0);
    for (int i = 0; i < 100; i++)
        events(50);
    __atomic_store_n(&quit, 1, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    wait_position(5000);
    expect_range(1, 5000);
    ck_assert_uint_eq(fake_count(&fake), 5000);
}
END_TEST

/* The cursor that goes with it is that of the name before. */
START_TEST(a_renamed_lane_stays_paused)
{
    world_start();
    events(40);
    wait_position(40);
    ck_assert_int_eq(lane_pause(lane, NULL), 1);
    for (int i = 0; i < 2; i++) {
        world_restart();
        spec.name = "usage/fake";
        spec.was = LANE;
        world_start();
        events(10);
        wait_state(LANE_PAUSED);
        expect_nothing_moves();
    }
    ck_assert_int_eq(lane_resume(lane), 1);
    wait_position(60);
    expect_range(1, 60);
    ck_assert_int_eq(lane_pause(lane, NULL), 1);
    world_restart();
    world_start();
    events(10);
    expect_nothing_moves();
    ck_assert_int_eq(lane_resume(lane), 1);
    wait_position(70);
    expect_range(1, 70);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        a_pause_holds_until_somebody_ends_it,
        a_pause_outlives_the_process,
        batches_on_their_way_are_settled,
        a_stop_still_flushes_what_is_on_its_way,
        a_pause_ends_a_drain,
        a_failing_lane_stays_paused_and_then_tries_at_once,
        a_lane_can_be_paused_while_its_destination_is_away,
        either_pauses_it,
        a_destination_pauses_its_own_lane,
        a_busy_lane_takes_any_number_of_pauses,
        a_renamed_lane_stays_paused,
    };
    return world_run("lane pauses", tests, sizeof tests / sizeof *tests);
}
