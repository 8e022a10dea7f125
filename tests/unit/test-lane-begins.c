/* SPDX-License-Identifier: MIT */
#include "lane_world.h"
#include "base/clock.h"
#include "spool/cursor.h"

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

START_TEST(a_destination_beyond_the_spool_goes_back)
{
    events(50);
    fake_resuming(&fake);
    fake.resume_position = 5000;
    world_start();
    events(30);
    wait_position(80);
    expect_range(51, 80);
    ck_assert_int_eq(fake.rewinds, 1);
    ck_assert_uint_eq(fake.resume_position, 50);
}
END_TEST

static void
expect_origin(uint64_t position, uint32_t set_backs)
{
    struct event_origin at;
    spool_origin(ctx.spool, position, &at);
    ck_assert_mem_eq(at.spool, spool_id(ctx.spool), 16);
    ck_assert_uint_eq(at.position, position);
    ck_assert_uint_eq(at.set_backs, set_backs);
}

/* A new process, of which the far side is further than its spool. */
static void
begin_far_behind(void)
{
    world_restart();
    fake_resuming(&fake);
    fake.resume_position = 5000;
    world_start();
    wait_state(LANE_RUNNING);
}

START_TEST(set_backs_are_counted)
{
    char path[4200];
    events(50);
    fake_resuming(&fake);
    world_start();
    wait_position(50);
    ck_assert_uint_eq(fake.resume_set_backs, 0);
    begin_far_behind();
    ck_assert_uint_eq(fake.resume_set_backs, 1);
    ck_assert_uint_eq(spool_set_backs(ctx.spool), 1);
    events(30);
    wait_position(80);
    expect_origin(50, 0);
    expect_origin(51, 1);
    /* Another lane tells of it, too: it is the same one. */
    ck_assert_int_eq(spool_set_back(ctx.spool, 50), 0);
    ck_assert_int_eq(spool_set_back(ctx.spool, 60), 0);
    ck_assert_int_eq(spool_set_back(ctx.spool, 45), 0);
    ck_assert_uint_eq(spool_set_backs(ctx.spool), 1);
    expect_origin(45, 0);
    expect_origin(46, 1);
    begin_far_behind();
    ck_assert_uint_eq(fake.resume_set_backs, 2);
    events(1);
    expect_origin(45, 0);
    expect_origin(80, 1);
    expect_origin(81, 2);
    /* They are on the disk. */
    world_restart();
    ck_assert_uint_eq(spool_set_backs(ctx.spool), 2);
    expect_origin(46, 1);
    expect_origin(81, 2);
    /* Damaged: it starts all the same. */
    snprintf(path, sizeof path, "%s/spool/SETBACKS", ctx.state_dir);
    FILE *f = fopen(path, "w");
    fputs("nonsense", f);
    fclose(f);
    world_restart();
    ck_assert_uint_eq(spool_set_backs(ctx.spool), 0);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

/* Two events of one name would be one to whoever knows them by it. */
START_TEST(taking_a_lane_counts_as_a_set_back)
{
    struct lane_stand stand;
    uint64_t position;
    events(50);
    fake_resuming(&fake);
    world_start();
    wait_position(50);
    world_restart();
    fake_resuming(&fake);
    fake.resume_errors[0] = -ESTALE;
    world_start();
    wait_state(LANE_FENCED);
    events(20); /* under positions that another process gave out, too */
    world_restart();
    fake_resuming(&fake);
    fake.resume_errors[0] = -ESTALE;
    fake.resume_position = 400;
    ck_assert_int_eq(lane_new(&spec, &ctx, &lane), 0);
    ck_assert_int_eq(lane_look(lane, &stand), 0);
    ck_assert(stand.fenced);
    ck_assert_uint_eq(stand.given, 50);
    ck_assert_uint_eq(fake.resume_set_backs, 0);
    ck_assert_int_eq(lane_take(lane, 1, &position), 0);
    ck_assert_uint_eq(position, 50);
    ck_assert_uint_eq(fake.resume_set_backs, 1); /* of what comes next */
    lane_free(lane);
    lane = NULL;
    world_restart();
    expect_origin(50, 0);
    expect_origin(51, 1);
    world_start();
    wait_position(70);
    expect_range(1, 70);
    ck_assert_uint_eq(spool_set_backs(ctx.spool), 1);
}
END_TEST

START_TEST(one_that_does_not_go_back_gets_the_new_events)
{
    events(50);
    fake_resuming(&fake);
    fake.resume_position = 5000;
    fake.stubborn = 1;
    world_start();
    events(30);
    wait_position(80);
    expect_range(51, 80);
}
END_TEST

/* Events that came before it could be asked, in whatever process, are new. */
START_TEST(a_kill_before_the_two_have_talked_changes_nothing)
{
    events(50);
    spec.retry_min_ms = spec.retry_max_ms = 60000;
    for (int i = 0; i < 3; i++) {
        fake_resuming(&fake);
        for (int k = 0; k < 8; k++)
            fake.resume_errors[k] = -EAGAIN;
        world_start();
        events(30);
        wait_state(LANE_STARTING);
        lane_stop(lane, 0); /* a kill does not wait either */
        world_restart();
    }
    fake_resuming(&fake);
    fake.resume_position = 60; /* less than there is by now */
    world_start();
    wait_position(140);
    expect_range(51, 140);
    ck_assert_int_eq(fake.rewinds, 1);
    /* Now it may well be ahead of what the first process began with. */
    world_restart();
    fake_resuming(&fake);
    fake.resume_position = 140;
    world_start();
    events(10);
    wait_position(150);
    expect_range(51, 150);
    ck_assert_int_eq(fake.rewinds, 1);
}
END_TEST

/* A failover to a server that never got the last of it. */
static void
lose_behind(uint64_t position)
{
    pthread_mutex_lock(&fake.lock);
    while (fake.got_count && fake.got[fake.got_count - 1] > position)
        fake.got_count--;
    pthread_mutex_unlock(&fake.lock);
}

static void
set_back_once(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    if (n != 3)
        return fake_ok(f, b, ack);
    lose_behind(120);
    lane_settle(ack, IL_SET_BACK, "the last hundred and eighty are gone");
}

START_TEST(what_a_destination_lost_is_delivered_again)
{
    fake_resuming(&fake);
    fake.tells = 1;
    fake_act(&fake, set_back_once);
    events(500);
    world_start();
    wait_position(500);
    expect_range(1, 500);
    ck_assert_int_eq(fake.resumes, 2);
    ck_assert_int_eq(status().state, LANE_RUNNING);
}
END_TEST

static void
set_back_always(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) f;
    (void) b;
    (void) n;
    lane_settle(ack, IL_SET_BACK, "all is gone, as ever");
}

/* It neither spins nor forgets: once the far side is well it goes on. */
START_TEST(one_that_is_always_set_back_is_backed_off)
{
    fake_resuming(&fake);
    fake.tells = 1;
    fake_act(&fake, set_back_always);
    spec.retry_min_ms = 50;
    spec.retry_max_ms = 200;
    events(100);
    world_start();
    usleep(1000000);
    int writes = fake_writes(&fake);
    ck_assert_int_ge(writes, 2);
    ck_assert_int_le(writes, 12);
    fake_act(&fake, NULL);
    wait_position(100);
    expect_range(1, 100);
    ck_assert_int_eq(status().state, LANE_RUNNING);
    ck_assert_str_eq(status().last_error, "");
}
END_TEST

/* It happened while no daemon ran. */
START_TEST(what_a_destination_lost_is_seen_at_the_start)
{
    fake_resuming(&fake);
    fake.tells = 1;
    events(300);
    world_start();
    wait_position(300);
    world_restart();
    fake_resuming(&fake);
    lose_behind(130);
    world_start();
    events(10);
    wait_position(310);
    expect_range(1, 310);
}
END_TEST

/* The cursor, or a dead letter, is ahead of the spool: its end was lost. */
START_TEST(positions_that_were_passed_are_not_given_out_again)
{
    struct cursor c;
    uint64_t position, first;
    struct dead_letter letter = { .position = 700, .event = SLICE("x"),
                                  .reason = { .code = "c", .message = "m" } };
    events(50);
    ck_assert_int_eq(spool_cursor_open(&c, ctx.state_dir, LANE,
                                       spool_id(ctx.spool), &position),
                     0);
    ck_assert_int_eq(spool_cursor_save(&c, 500, 1), 0);
    spool_cursor_close(&c);
    world_start();
    struct slice body = SLICE("not an event");
    ck_assert_int_eq(spool_append(ctx.spool, &body, 1, &first), 0);
    ck_assert_uint_eq(first, 501);
    wait_position(501);
    world_restart();
    ck_assert_int_eq(dead_settle(ctx.dead, LANE, 0, 1000, &letter, 1), 0);
    world_start();
    ck_assert_int_eq(spool_append(ctx.spool, &body, 1, &first), 0);
    ck_assert_uint_eq(first, 701);
    wait_position(701);
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
        a_destination_beyond_the_spool_goes_back,
        set_backs_are_counted,
        taking_a_lane_counts_as_a_set_back,
        one_that_does_not_go_back_gets_the_new_events,
        a_kill_before_the_two_have_talked_changes_nothing,
        what_a_destination_lost_is_delivered_again,
        one_that_is_always_set_back_is_backed_off,
        what_a_destination_lost_is_seen_at_the_start,
        positions_that_were_passed_are_not_given_out_again,
    };
    return world_run("lane begins", tests, sizeof tests / sizeof *tests);
}
