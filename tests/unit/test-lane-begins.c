/* SPDX-License-Identifier: MIT */
#include "lane_world.h"

#include "clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

START_TEST(goes_on_where_it_stopped)
{
    events(150);
    world_start();
    wait_position(150);
    world_restart();
    events(30);
    world_start();
    wait_position(180);
    expect_range(1, 180);
}
END_TEST

START_TEST(a_lost_cursor_means_from_the_beginning)
{
    char path[4096];
    events(20);
    world_start();
    wait_position(20);
    world_restart();
    snprintf(path, sizeof path, "%s/lanes/" LANE ".cursor", ctx.state_dir);
    ck_assert_int_eq(unlink(path), 0);
    fake.got_count = 0;
    world_start();
    wait_position(20);
    expect_range(1, 20);
}
END_TEST

START_TEST(the_destination_knows_better)
{
    events(100);
    world_start();
    wait_position(100);
    world_restart();
    events(100);
    fake.got_count = 0;
    fake_resuming(&fake);
    fake.resume_position = 150;
    world_start();
    wait_position(200);
    expect_range(151, 200);
    ck_assert_uint_eq(fake.resume_seen, 100);
    ck_assert(!memcmp(fake.resume_spool, spool_id(ctx.spool), 16));
}
END_TEST

START_TEST(the_cursor_may_be_ahead_of_the_destination)
{
    events(100);
    fake_resuming(&fake);
    world_start();
    wait_position(100);
    world_restart();
    fake_resuming(&fake);
    fake.resume_position = 40; /* the last sixty were dropped, say */
    events(10);
    world_start();
    wait_position(110);
    expect_range(1, 110);
}
END_TEST

START_TEST(a_destination_that_is_away_is_asked_again)
{
    fake_resuming(&fake);
    fake.resume_errors[0] = fake.resume_errors[1] = -EAGAIN;
    fake.resume_errors[2] = -EACCES;
    fake.resume_errors[3] = -EIO;
    spec.retry_min_ms = spec.retry_max_ms = 60;
    events(100);
    world_start();
    wait_state(LANE_PAUSED);
    struct lane_status s = status();
    ck_assert_str_ne(s.last_error, "");
    ck_assert_int_gt(s.lag_us, 4900000);
    wait_position(100);
    ck_assert_int_eq(status().state, LANE_RUNNING);
    ck_assert_int_eq(fake.resumes, 5);
}
END_TEST

START_TEST(a_fenced_lane_stays_stopped)
{
    fake_resuming(&fake);
    fake.resume_errors[0] = -ESTALE;
    events(10);
    world_start();
    wait_state(LANE_FENCED);
    usleep(50000);
    ck_assert_int_eq(fake_writes(&fake), 0);
    ck_assert_ptr_nonnull(strstr(status().last_error, "another process"));
    ck_assert_int_eq(lane_stop(lane, clock_monotonic_us() + 5000000), 0);
    ck_assert_int_eq(status().state, LANE_FENCED);
}
END_TEST

static void
fence(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    if (n == 0)
        fake_ok(f, b, ack);
    else
        lane_settle(ack, IL_FENCED, "epoch 7 is newer than ours");
}

START_TEST(a_lane_can_be_fenced_in_flight)
{
    fake_act(&fake, fence);
    events(250);
    world_start();
    wait_state(LANE_FENCED);
    ck_assert_ptr_nonnull(strstr(status().last_error, "epoch 7"));
    ck_assert_uint_eq(status().position, 100);
    usleep(50000);
    ck_assert_int_eq(fake_writes(&fake), 2);
}
END_TEST

START_TEST(a_write_can_say_fenced)
{
    fake.write_error = -ESTALE;
    fake.write_errors = 1;
    events(250);
    world_start();
    wait_state(LANE_FENCED);
    ck_assert_int_eq(fake_writes(&fake), 1);
}
END_TEST

START_TEST(a_position_beyond_the_spool_is_cut)
{
    events(50);
    fake_resuming(&fake);
    fake.resume_position = 5000;
    world_start();
    events(30);
    wait_position(80);
    expect_range(51, 80);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        goes_on_where_it_stopped,
        a_lost_cursor_means_from_the_beginning,
        the_destination_knows_better,
        the_cursor_may_be_ahead_of_the_destination,
        a_destination_that_is_away_is_asked_again,
        a_fenced_lane_stays_stopped,
        a_lane_can_be_fenced_in_flight,
        a_write_can_say_fenced,
        a_position_beyond_the_spool_is_cut,
    };
    return world_run("lane begins", tests, sizeof tests / sizeof *tests);
}
