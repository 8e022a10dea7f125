/* SPDX-License-Identifier: MIT */
#include "lane_world.h"
#include "base/clock.h"
#include "base/metrics.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static uint64_t ids[4];

static void
retry_twice(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    if (n < 4)
        ids[n] = b->id;
    if (n % 3 == 2)
        fake_ok(f, b, ack);
    else
        lane_settle(ack, IL_RETRY, "the far side is away");
}

START_TEST(a_retry_is_the_same_batch)
{
    fake_act(&fake, retry_twice);
    events(250);
    world_start();
    struct lane_status s = wait_position(250);
    expect_range(1, 250);
    ck_assert_uint_eq(s.retries, 6);
    ck_assert_uint_eq(ids[0], 1);
    ck_assert_uint_eq(ids[1], 1);
    ck_assert_uint_eq(ids[2], 1);
    ck_assert_uint_eq(ids[3], 101);
    ck_assert_str_eq(s.last_error, "");
    ck_assert_int_gt(s.last_error_us, 0);
}
END_TEST

static int failed_once;

static void
fail_once(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    if (n < 4)
        ids[n] = b->id;
    if (n) {
        fake_ok(f, b, ack);
        return;
    }
    usleep(20000); /* the next batch enters its step */
    lane_settle(ack, IL_RETRY, "the far side is away");
    __atomic_store_n(&failed_once, 1, __ATOMIC_SEQ_CST);
}

static int
slow_step(void *self, struct il_batch *b)
{
    (void) self;
    while (b->id != 1 && !__atomic_load_n(&failed_once, __ATOMIC_SEQ_CST))
        usleep(1000);
    return 0;
}

START_TEST(a_batch_made_meanwhile_does_not_overtake)
{
    failed_once = 0;
    with_step(slow_step, NULL);
    fake_act(&fake, fail_once);
    events(300);
    world_start();
    wait_position(300);
    ck_assert_uint_eq(ids[1], 1);
    ck_assert_uint_eq(ids[2], 101);
    expect_range(1, 300);
}
END_TEST

START_TEST(a_write_that_fails_is_a_retry)
{
    fake.write_error = -ECONNREFUSED;
    fake.write_errors = 7;
    events(250);
    world_start();
    wait_position(250);
    expect_range(1, 250);
    ck_assert_int_eq(fake_writes(&fake), 10);
}
END_TEST

START_TEST(trouble_is_in_the_status)
{
    fake_act(&fake, never);
    events(250);
    world_start();
    wait_state(LANE_WAITING);
    struct lane_status s = status();
    ck_assert_str_eq(s.last_error, "connection refused");
    ck_assert_uint_eq(s.position, 0);
    ck_assert_uint_eq(s.lag_events, 250);
    ck_assert_uint_gt(s.lag_bytes, 250 * 30);
    ck_assert_int_gt(s.lag_us, 4900000);
    ck_assert_int_lt(s.lag_us, 60000000);
    fake_act(&fake, NULL); /* mended: the next attempt succeeds */
    wait_position(250);
    ck_assert_int_eq(status().state, LANE_RUNNING);
}
END_TEST

static struct il_ack *held;

static void
hold(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) f;
    (void) b;
    (void) n;
    held = ack;
}

/* Neither an error nor an answer: somebody has to be told all the same. */
START_TEST(no_answer_is_in_the_status)
{
    fake_act(&fake, hold);
    events(10);
    world_start();
    for (int i = 0; i < 1500 && status().state != LANE_WAITING; i++)
        usleep(10000);
    ck_assert_ptr_nonnull(strstr(status().last_error, "not answered for 1"));
    fake_act(&fake, NULL);
    lane_settle(held, IL_OK, NULL);
    wait_position(10);
    wait_state(LANE_RUNNING);
    ck_assert_str_eq(status().last_error, "");
}
END_TEST

/* Four in flight, settled newest first; every other group has one RETRY, and
 * what was taken after it settles RETRY too, as the contract says. */
static void
reversed(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    int group = n / 4, newest_first = n % 4;
    if (group % 2 == 0 && newest_first < 2)
        lane_settle(ack, IL_RETRY, "one of them failed");
    else
        fake_ok(f, b, ack);
}

START_TEST(out_of_order_settlements_keep_the_order)
{
    fake_act(&fake, reversed);
    pthread_mutex_lock(&fake.lock);
    fake.reverse = 1;
    fake.plugin.in_flight = 4;
    pthread_mutex_unlock(&fake.lock);
    events(1600); /* sixteen batches; groups of four are always full */
    world_start();
    for (int i = 0; i < 20000 && status().position < 1200; i++)
        usleep(1000);
    pthread_mutex_lock(&fake.lock);
    fake.reverse = 0;
    fake.act = NULL;
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.lock);
    wait_position(1600);
    /* Within a group the newest was durable first: each once is what counts,
     * and no batch before one that had to wait for it to be sent again. */
    static uint8_t seen[1601];
    ck_assert_uint_eq(fake_count(&fake), 1600);
    for (uint32_t i = 0; i < 1600; i++)
        ck_assert_uint_eq(seen[fake.got[i]]++, 0);
}
END_TEST

START_TEST(several_in_flight_arrive_in_order)
{
    fake_act(&fake, retry_twice);
    fake.plugin.in_flight = 4;
    events(2000);
    world_start();
    wait_position(2000);
    ck_assert_uint_eq(fake_count(&fake), 2000);
}
END_TEST

static int attempts_left;

static int
failing_step(void *self, struct il_batch *b)
{
    (void) self;
    for (uint32_t i = 0; i < b->count; i++) {
        struct slice p = b->events[i].ev.payload;
        /* Never what an earlier attempt made of it. */
        ck_assert(memchr(p.ptr, 'n', p.len) != NULL);
        ck_assert_int_eq(batch_set_payload(b, i, IL_JSON, "{\"x\":1}", 7), 0);
        if (b->events[i].position == 7)
            batch_drop(b, i);
    }
    return attempts_left-- > 0 ? -EBUSY : 0;
}

START_TEST(a_failing_step_sees_the_events_again)
{
    struct il_counter *dropped = metric_counter(
        "events_dropped_total", "lane=\"" LANE "\",step=\"1/test.step\"",
        IL_UNIT_NONE, "");
    attempts_left = 3;
    with_step(failing_step, NULL);
    events(150);
    world_start();
    struct lane_status s = wait_position(150);
    ck_assert_uint_eq(s.delivered, 149);
    ck_assert_uint_eq(s.dropped, 1);
    ck_assert_uint_eq(metric_get(dropped), 1);
}
END_TEST

START_TEST(a_failing_step_is_in_the_status)
{
    attempts_left = 1000000;
    with_step(failing_step, NULL);
    events(10);
    world_start();
    wait_state(LANE_WAITING);
    ck_assert_ptr_nonnull(strstr(status().last_error, "the step: "));
    ck_assert_uint_eq(status().position, 0);
    ck_assert_int_eq(lane_stop(lane, clock_monotonic_us() + 50000), 0);
}
END_TEST

static int seen_third;

/* Takes nothing until it has seen the third event. */
static void
wait_for_third(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    int seen = seen_third;
    seen_third |= b->last >= 3;
    if (seen || (b->id == 1 && seen_third))
        fake_ok(f, b, ack);
    else
        lane_settle(ack, b->id == 1 ? IL_PAUSE : IL_RETRY, "is it the event?");
}

static int
drop_second(void *self, struct il_batch *b)
{
    uint64_t *last = self;
    for (uint32_t i = 0; i < b->count; i++)
        if (b->events[i].position == 2)
            batch_drop(b, i);
    *last = b->last;
    return 0;
}

static void
wait_retries(uint64_t more)
{
    uint64_t n = status().retries + more;
    for (int i = 0; i < 20000 && status().retries < n; i++)
        usleep(1000);
    ck_assert_uint_ge(status().retries, n);
}

/* Some that nobody can judge, sent one by one, and one that comes later. */
static void
one_by_one(uint32_t in_flight)
{
    struct il_counter *dropped = metric_counter(
        "events_dropped_total", "lane=\"" LANE "\",step=\"1/test.step\"",
        IL_UNIT_NONE, "");
    uint64_t last = 0;
    fake.plugin.in_flight = in_flight;
    fake_act(&fake, wait_for_third);
    with_step(drop_second, &last);
    events(1);
    world_start();
    wait_state(LANE_PAUSED);
    wait_retries(1);
    events(1);
    wait_retries(4);
    ck_assert_uint_eq(status().position, 0);
    events(1000);
    struct lane_status s = wait_position(1002);
    ck_assert_uint_eq(s.delivered, 1001);
    ck_assert_uint_eq(s.dropped, 1);
    ck_assert_uint_eq(metric_get(dropped), 1);
    ck_assert_uint_eq(fake.got[0], 1);
    for (uint32_t i = 1; i < 1001; i++)
        ck_assert_uint_eq(fake.got[i], i + 2);
}

START_TEST(a_paused_batch_takes_newer_events_along)
{
    one_by_one(1);
}
END_TEST

START_TEST(or_one_behind_it_does)
{
    one_by_one(2);
}
END_TEST

START_TEST(and_of_several_the_last)
{
    one_by_one(4);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        a_retry_is_the_same_batch,
        a_batch_made_meanwhile_does_not_overtake,
        a_write_that_fails_is_a_retry,
        trouble_is_in_the_status,
        no_answer_is_in_the_status,
        out_of_order_settlements_keep_the_order,
        several_in_flight_arrive_in_order,
        a_failing_step_sees_the_events_again,
        a_failing_step_is_in_the_status,
        a_paused_batch_takes_newer_events_along,
        or_one_behind_it_does,
        and_of_several_the_last,
    };
    return world_run("lane retries", tests, sizeof tests / sizeof *tests);
}
