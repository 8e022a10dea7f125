/* SPDX-License-Identifier: MIT */
#include "lane_world.h"
#include "base/metrics.h"

#include <errno.h>
#include <unistd.h>

START_TEST(delivers_all_in_order)
{
    events(2500);
    world_start();
    expect_range(1, 2500);
    events(250);
    expect_range(1, 2750);
    struct lane_status s = wait_position(2750);
    ck_assert_uint_eq(s.delivered, 2750);
    ck_assert_uint_eq(s.lag_events + s.lag_bytes, 0);
    ck_assert_int_eq(s.lag_us, 0);
    ck_assert_int_gt(s.last_ok_us, 0);
    ck_assert_int_eq(s.state, LANE_RUNNING);
    ck_assert_str_eq(s.name, LANE);
}
END_TEST

START_TEST(takes_what_matches)
{
    for (int i = 0; i < 70; i++) {
        append("app", "feature.used", "{}");
        append("app", "feature.", "{}");
        append("app", "features.used", "{}");
        append("ap", "pfeature.used", "{}");
        append("application", "feature.used", "{}");
    }
    durable();
    world_start();
    wait_position(350);
    ck_assert_uint_eq(fake_count(&fake), 140);
    for (uint32_t i = 0; i < 140; i++)
        ck_assert_uint_eq(fake.got[i], i / 2 * 5 + i % 2 + 1);
}
END_TEST

START_TEST(moves_on_where_nothing_matches)
{
    for (int i = 0; i < 300; i++)
        append("other", "feature.used", "{}");
    durable();
    world_start();
    wait_position(300);
    ck_assert_int_eq(fake_writes(&fake), 0);
}
END_TEST

static int
drop_odd(void *self, struct il_batch *b)
{
    (void) self;
    for (uint32_t i = 0; i < b->count; i++)
        if (b->events[i].position % 2)
            batch_drop(b, i);
    return 0;
}

START_TEST(steps_drop_and_are_counted)
{
    struct il_counter *dropped = metric_counter(
        "events_dropped_total", "lane=\"" LANE "\",step=\"1/test.step\"",
        IL_UNIT_NONE, "");
    with_step(drop_odd, NULL);
    events(301);
    world_start();
    struct lane_status s = wait_position(301);
    ck_assert_uint_eq(s.delivered, 150);
    ck_assert_uint_eq(s.dropped, 151);
    ck_assert_uint_eq(metric_get(dropped), 151);
    ck_assert_uint_eq(fake_count(&fake), 150);
    expect_letters("");
}
END_TEST

static int
drop_all(void *self, struct il_batch *b)
{
    (void) self;
    for (uint32_t i = 0; i < b->count; i++)
        batch_drop(b, i);
    return 0;
}

static struct il_batch *only;
static int writes, others;
static size_t most;

static int
settle_at_once(void *self, struct il_batch *b, struct il_ack *ack)
{
    (void) self;
    if (!writes++)
        only = b;
    others += b != only;
    most = b->frames.cap > most ? b->frames.cap : most;
    lane_settle(ack, IL_OK, NULL);
    return 0;
}

/* The memory of a second one would never be touched; and of the first, no more
 * than its hundred events take. */
START_TEST(what_is_settled_at_once_needs_one_batch)
{
    fake.plugin.write = settle_at_once;
    events(1000);
    world_start();
    wait_position(1000);
    ck_assert_int_gt(writes, 5);
    ck_assert_int_eq(others, 0);
    ck_assert_uint_le(most, 100 * 256);
}
END_TEST

START_TEST(an_empty_batch_needs_no_destination)
{
    fake.write_error = -EIO;
    fake.write_errors = 1000000;
    with_step(drop_all, NULL);
    events(500);
    world_start();
    wait_position(500);
    ck_assert_int_eq(fake_writes(&fake), 0);
}
END_TEST

START_TEST(when_leaves_the_rest_out)
{
    struct lang_error error;
    ck_assert_int_eq(expr_compile("n > 200", 7, &spec.when, &error), 0);
    events(300);
    world_start();
    struct lane_status s = wait_position(300);
    expect_range(201, 300);
    ck_assert_uint_eq(s.delivered, 100);
    ck_assert_uint_eq(s.dropped, 0); /* it is no step's doing */
    world_stop();
    expr_free(spec.when);
}
END_TEST

/* Nobody knows whether the event is for this destination: it is not lost. */
START_TEST(when_at_its_limit_makes_a_letter)
{
    struct lang_error error;
    static const char when[] = "not text matches secret";
    static char json[20100];
    memset(json, 'a', sizeof json);
    memcpy(json, "{\"text\":\"", 9);
    strcpy(json + 20000, "\"}");
    ck_assert_int_eq(expr_compile(when, sizeof when - 1, &spec.when, &error),
                     0);
    append("app", "feature.used", "{\"text\":\"fine\",\"n\":1}");
    append("app", "feature.used", json);
    world_start();
    struct lane_status s = wait_position(2);
    ck_assert_uint_eq(s.delivered, 1);
    ck_assert_uint_eq(s.rejected, 1);
    world_stop();
    expr_free(spec.when);
}
END_TEST

START_TEST(a_batch_waits_to_fill)
{
    spec.batch_wait_ms = 400;
    world_start();
    for (int i = 0; i < 10; i++) {
        events(1);
        usleep(5000);
    }
    wait_position(10);
    ck_assert_int_le(fake_writes(&fake), 2);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        delivers_all_in_order,
        takes_what_matches,
        moves_on_where_nothing_matches,
        steps_drop_and_are_counted,
        what_is_settled_at_once_needs_one_batch,
        an_empty_batch_needs_no_destination,
        when_leaves_the_rest_out,
        when_at_its_limit_makes_a_letter,
        a_batch_waits_to_fill,
    };
    return world_run("lane", tests, sizeof tests / sizeof *tests);
}
