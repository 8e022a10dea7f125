/* SPDX-License-Identifier: MIT */
/* What a step puts aside comes again by itself: through the spool, at that step
 * or after it, once. */
#include "lane_world.h"
#include "base/clock.h"
#include "store/retry.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct lane_step steps[3];
static struct il_plugin plugins[3];
static struct retry *retry;

/* The second of three steps puts those with n % 5 == 0 aside. */
static _Atomic int times;   /* how often; then it lets them pass */
static _Atomic int give_up; /* or makes dead letters of them */
static _Atomic uint32_t delay_ms, flags;
static _Atomic int first_drops, last_drops; /* what came again */
static _Atomic int came, ran_last;
static _Atomic uint32_t attempts, passed, at;
static _Atomic uint64_t brought; /* by a frame at this position, last */

static const struct il_reason busy = { IL_SIZED(struct il_reason),
                                       .code = "busy", .message = "later" };
static const struct il_reason enough = { IL_SIZED(struct il_reason),
                                         .code = "too_often",
                                         .message = "enough" };

static int
first_step(void *self, struct il_batch *b)
{
    (void) self;
    for (uint32_t i = 0; i < b->count; i++)
        if (first_drops && b->events[i].again)
            batch_drop(b, i);
    return 0;
}

static int
defers(void *self, struct il_batch *b)
{
    const struct il_deferral how = { IL_SIZED(struct il_deferral),
                                     .flags = flags, .delay_ms = delay_ms,
                                     .why = &busy };
    (void) self;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct batch_again *a = b->events[i].again;
        struct event_origin origin;
        batch_origin(b, i, &origin);
        if (!batch_live(b, i) || origin.position % 5)
            continue;
        if (a) {
            came++;
            attempts = a->attempts;
            passed = a->passed;
            at = a->at;
            brought = b->events[i].position;
            ck_assert_str_eq(a->code, "busy");
            ck_assert_str_eq(a->message, "later");
            ck_assert_str_eq(a->decided, "wait");
            ck_assert_int_gt(a->first_us, 0);
            ck_assert_int_ge(a->since_us, a->first_us);
        }
        if ((int) (a ? a->attempts : 0) < times)
            ck_assert_int_eq(batch_defer(b, i, &how), 0);
        else if (give_up)
            batch_reject(b, i, &enough);
    }
    return 0;
}

static int
last_step(void *self, struct il_batch *b)
{
    (void) self;
    for (uint32_t i = 0; i < b->count; i++) {
        if (!b->events[i].again || !batch_live(b, i))
            continue;
        ran_last++;
        if (last_drops)
            batch_drop(b, i);
    }
    return 0;
}

static void
begin(void)
{
    static int (*const process[])(
        void *, struct il_batch *) = { first_step, defers, last_step };
    static const char *const names[] = { "1", "wait", "3" };
    for (int i = 0; i < 3; i++) {
        plugins[i] =
            (struct il_plugin){ IL_PLUGIN_ABI, .kind = IL_STEP,
                                .threads = IL_PARALLEL, .name = "test.step",
                                .process = process[i] };
        steps[i] = (struct lane_step){ .name = names[i],
                                       .plugin = &plugins[i],
                                       .instance = names[i] };
    }
    spec.steps = steps;
    spec.step_count = 3;
    times = 1;
    delay_ms = 50;
    give_up = first_drops = last_drops = came = ran_last = 0;
    flags = 0;
    attempts = passed = at = 0;
    brought = 0;
}

static void
start(void)
{
    if (!retry)
        ck_assert_int_eq(retry_new(ctx.spool, ctx.dead, &retry), 0);
    ctx.retry = retry;
    world_start();
}

static void
stop(void)
{
    world_stop();
    if (retry)
        retry_free(retry);
    retry = ctx.retry = NULL;
}

/* A new process.  It waits for nothing that is put aside. */
static void
restart(void)
{
    stop();
    world_restart();
    fake_act(&fake, NULL);
    start();
}

static struct dead_timed
timed(void)
{
    struct dead_timed t;
    dead_timed(ctx.dead, LANE, &t);
    return t;
}

static void
wait_none_left(void)
{
    for (int i = 0; i < 20000 && timed().letters; i++)
        usleep(1000);
    ck_assert_uint_eq(timed().letters, 0);
    ck_assert_uint_eq(timed().due, 0);
    ck_assert_uint_eq(timed().due_bytes, 0);
    ck_assert_uint_eq(dead_retrying(ctx.dead, LANE), 0);
}

static int
by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Of ten events, 5 and 10 come later; all are there, once. */
static void
expect_ten(void)
{
    ck_assert_uint_eq(fake_wait(&fake, 10), 10);
    wait_none_left();
    ck_assert_uint_eq(fake_count(&fake), 10);
    qsort(fake.got, 8, sizeof *fake.got, by_number);
    ck_assert_uint_lt(fake.got[7], 10);
    ck_assert_uint_gt(fake.got[8], 10);
    ck_assert_uint_gt(fake.got[9], 10);
    ck_assert_uint_ne(fake.got[8], fake.got[9]);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 0);
}

static int
waits_from(void *arg, const struct dead_letter *l)
{
    const int64_t *now = arg;
    ck_assert_int_eq(l->at_us, *now);
    ck_assert_int_eq(l->first_us, *now - 1000);
    ck_assert_int_eq(l->due_us, *now + 1000000);
    ck_assert_str_eq(l->reason.code, "busy");
    ck_assert(slice_equal(l->event, SLICE("e")));
    return 0;
}

static int
is_put_aside(void *arg, const struct dead_letter *l)
{
    struct event_decided d;
    ck_assert_int_eq(event_decided_read(l->decided, &d), 0);
    ck_assert_uint_eq(d.place, *(uint32_t *) arg);
    ck_assert(slice_equal(d.step, SLICE("wait")));
    ck_assert_str_eq(l->reason.code, "busy");
    ck_assert_int_eq(l->due_us, l->at_us + (int64_t) delay_ms * 1000);
    return 0;
}

START_TEST(what_a_step_puts_aside_goes_on_there)
{
    uint32_t place = EVENT_AT_STEP;
    begin();
    delay_ms = 300;
    events(10);
    start();
    struct lane_status s = wait_position(10);
    ck_assert_uint_eq(s.parked, 2);
    ck_assert_uint_eq(s.dead, 0);
    ck_assert_uint_gt(s.parked_bytes, 0);
    ck_assert_int_gt(s.next_due_us, clock_wall_us() - 1000000);
    ck_assert_uint_eq(fake_wait(&fake, 8), 8);
    ck_assert_int_eq(dead_get(ctx.dead, LANE, 5, is_put_aside, &place), 0);
    first_drops = 1; /* which they had passed */
    expect_ten();
    ck_assert_int_eq(came, 2);
    ck_assert_int_eq(ran_last, 2);
    ck_assert_uint_eq(attempts, 1);
    ck_assert_uint_eq(passed, 1);
    ck_assert_uint_eq(at, 2);
    s = wait_position(12);
    ck_assert_uint_eq(s.parked, 0);
    ck_assert_uint_eq(s.dropped, 0);
    ck_assert_int_eq(s.next_due_us, INT64_MAX);
    stop();
}
END_TEST

/* It would put them aside again, but has no say any more. */
START_TEST(or_after_it)
{
    uint32_t place = EVENT_AFTER_STEP;
    begin();
    delay_ms = 300;
    times = 1000;
    flags = IL_AFTER;
    events(10);
    start();
    wait_position(10);
    ck_assert_int_eq(dead_get(ctx.dead, LANE, 10, is_put_aside, &place), 0);
    expect_ten();
    ck_assert_uint_eq(passed, 2);
    ck_assert_uint_eq(at, 0);
    ck_assert_int_eq(ran_last, 2);
    stop();
}
END_TEST

START_TEST(as_often_as_it_wants)
{
    begin();
    delay_ms = 5;
    times = 4;
    events(10);
    start();
    expect_ten();
    ck_assert_int_eq(came, 8);
    ck_assert_uint_eq(attempts, 4);
    stop();
}
END_TEST

static int
attempts_are(void *arg, const struct dead_letter *l)
{
    ck_assert_uint_eq(l->attempts, *(uint32_t *) arg);
    ck_assert_str_eq(l->reason.code, "too_often");
    ck_assert_int_eq(l->due_us, 0);
    ck_assert_int_lt(l->first_us, l->at_us);
    return 0;
}

START_TEST(what_it_gives_up_is_a_dead_letter)
{
    uint32_t want = 3;
    begin();
    delay_ms = 5;
    times = 2;
    give_up = 1;
    events(10);
    start();
    for (int i = 0; i < 20000 && dead_count(ctx.dead, LANE) < 2; i++)
        usleep(1000);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 2);
    wait_none_left();
    ck_assert_int_eq(dead_get(ctx.dead, LANE, brought, attempts_are, &want), 0);
    ck_assert_uint_eq(fake_count(&fake), 8);
    stop();
}
END_TEST

/* As any other event: it came by itself, and nobody asked for it. */
START_TEST(what_a_later_step_drops_is_dropped)
{
    begin();
    last_drops = 1;
    events(10);
    start();
    for (int i = 0; i < 20000 && status().dropped < 2; i++)
        usleep(1000);
    wait_none_left();
    ck_assert_uint_eq(status().dropped, 2);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 0);
    ck_assert_uint_eq(fake_count(&fake), 8);
    stop();
}
END_TEST

START_TEST(a_new_process_brings_them)
{
    begin();
    delay_ms = 1000;
    events(10);
    start();
    wait_position(10);
    for (int i = 0; i < 3; i++) {
        restart();
        wait_position(10);
        ck_assert_uint_eq(status().parked, 2);
    }
    expect_ten();
    restart();
    wait_position(12);
    ck_assert_uint_eq(fake_count(&fake), 10);
    stop();
}
END_TEST

START_TEST(a_person_may_drop_one)
{
    begin();
    delay_ms = 200;
    events(10);
    start();
    wait_position(10);
    ck_assert_int_eq(dead_delete(ctx.dead, LANE, 5), 0);
    ck_assert_uint_eq(timed().letters, 1);
    ck_assert_uint_eq(fake_wait(&fake, 9), 9);
    wait_none_left();
    stop();
}
END_TEST

START_TEST(or_have_one_come_now)
{
    struct retry_item item = { .letter = 5 };
    char why[200];
    begin();
    delay_ms = 3600000;
    events(10);
    start();
    wait_position(10);
    ck_assert_int_eq(
        retry_letters(retry, LANE, 10, 0, &item, 1, why, sizeof why), 0);
    ck_assert_int_eq(item.result, RETRY_DONE);
    ck_assert_uint_eq(fake_wait(&fake, 9), 9);
    wait_position(11);
    ck_assert_uint_eq(timed().letters, 1);
    ck_assert_uint_eq(timed().due, 1);
    ck_assert_uint_eq(status().parked, 1);
    stop();
}
END_TEST

static _Atomic int prepared;

static void
die_after_prepare(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) f;
    (void) n;
    ck_assert_int_eq(lane_prepare(b), 0);
    prepared++;
    lane_settle(ack, IL_RETRY, "the connection broke");
}

/* What was put aside in a batch that was never committed is due, and not brought:
 * its event is still to come. */
START_TEST(before_its_batch_is_settled_nothing_comes_again)
{
    begin();
    prepared = 0;
    delay_ms = 1;
    fake_act(&fake, die_after_prepare);
    events(10);
    start();
    for (int i = 0; i < 20000 && prepared < 5; i++)
        usleep(1000);
    ck_assert_uint_eq(timed().letters, 2);
    ck_assert_uint_eq(timed().due, 2);
    ck_assert_uint_eq(spool_durable(ctx.spool), 10);
    times = 0; /* it lets them pass, then */
    restart();
    wait_position(10);
    ck_assert_uint_eq(fake_wait(&fake, 10), 10);
    wait_none_left();
    ck_assert_uint_eq(spool_durable(ctx.spool), 10);
    stop();
}
END_TEST

/* Where the far side loses what it had, each comes once again. */
START_TEST(set_back_they_come_once)
{
    begin();
    fake_resuming(&fake);
    fake.tells = 1;
    events(10);
    start();
    expect_ten();
    wait_position(12);
    stop();
    fake.got_count = 3; /* 1, 2, 3 */
    world_restart();
    fake_resuming(&fake);
    start();
    ck_assert_uint_eq(fake_wait(&fake, 10), 10);
    wait_position(12);
    wait_none_left();
    ck_assert_uint_eq(fake_count(&fake), 10);
    ck_assert_uint_eq(spool_durable(ctx.spool), 12);
    stop();
}
END_TEST

START_TEST(of_too_many_the_lane_waits_for_some)
{
    begin();
    delay_ms = 500;
    spec.batch_events = 5;
    spec.intake.max_parked = 1;
    events(20);
    start();
    wait_state(LANE_WAITING);
    ck_assert_ptr_nonnull(strstr(status().last_error, "no more"));
    ck_assert_uint_eq(status().position, 5);
    ck_assert_uint_eq(fake_wait(&fake, 20), 20);
    wait_none_left();
    ck_assert_uint_eq(fake_count(&fake), 20);
    stop();
}
END_TEST

START_TEST(where_events_are_taken_one_by_one_too)
{
    begin();
    fake.plugin.flags = IL_PER_EVENT;
    delay_ms = 200;
    events(10);
    start();
    wait_position(10);
    ck_assert_uint_eq(status().parked, 2);
    ck_assert_uint_eq(fake_wait(&fake, 10), 10);
    wait_none_left();
    ck_assert_uint_eq(fake_count(&fake), 10);
    ck_assert_uint_eq(status().dead, 0);
    stop();
}
END_TEST

/* The clock jumps while they wait: they wait for as long as they were to, and
 * where it goes forth not even that. */
static void
jump(int first, int then, int restarts)
{
    begin();
    delay_ms = 1500;
    world_clock(first);
    events(10);
    start();
    wait_position(10);
    ck_assert_uint_eq(status().parked, 2);
    usleep(300000); /* it has looked when they are due */
    world_clock(then);
    if (restarts)
        restart();
    int64_t begun = clock_monotonic_us();
    expect_ten();
    ck_assert_int_lt(clock_monotonic_us() - begun, 8000000 * PATIENCE);
    stop();
}

START_TEST(the_clock_goes_back_while_they_wait)
{
    jump(0, -3 * 3600, 0);
}
END_TEST

START_TEST(between_two_runs_too)
{
    jump(0, -3 * 3600, 1);
}
END_TEST

START_TEST(or_it_had_been_wrong_by_years)
{
    jump(10 * 365 * 86400, 0, 1);
}
END_TEST

START_TEST(or_it_goes_forth)
{
    jump(0, 3 * 3600, 0);
}
END_TEST

/* More than are seen to in one transaction, and in the order of their times. */
START_TEST(many_wait_from_then_on)
{
    struct dead_back back = { 0 };
    uint64_t letters[8];
    int64_t next, now = clock_wall_us();
    const int64_t later = now + 3600000000;
    size_t n;
    static struct dead_letter l[2500];
    for (uint32_t i = 0; i < 2500; i++)
        l[i] = (struct dead_letter){ .lane = LANE,
                                     .position = i + 1,
                                     .at_us = later,
                                     .reason = busy,
                                     .first_us = later - 1000,
                                     .due_us = later + 1000000 + i,
                                     .event = SLICE("e") };
    ck_assert_int_eq(dead_settle(ctx.dead, LANE, 0, 2500, l, 2500), 0);
    int rounds = 0;
    do
        ck_assert_int_eq(
            dead_due(ctx.dead, LANE, now, &back, letters, 8, &n, &next), 0);
    while (++rounds < 10 && next <= now);
    ck_assert_int_gt(rounds, 1);
    ck_assert_int_lt(rounds, 10);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(next, now + 1000000);
    ck_assert_int_eq(
        dead_due(ctx.dead, LANE, now + 1000002, &back, letters, 8, &n, &next),
        0);
    ck_assert_uint_eq(n, 3);
    ck_assert_uint_eq(letters[2], 3);
    ck_assert_int_eq(next, now + 1000003);
    ck_assert_uint_eq(timed().due, 2500);
    ck_assert_uint_eq(timed().letters, 2500);
    ck_assert_int_eq(dead_get(ctx.dead, LANE, 1, waits_from, &now), 0);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        what_a_step_puts_aside_goes_on_there,
        or_after_it,
        as_often_as_it_wants,
        what_it_gives_up_is_a_dead_letter,
        what_a_later_step_drops_is_dropped,
        a_new_process_brings_them,
        a_person_may_drop_one,
        or_have_one_come_now,
        before_its_batch_is_settled_nothing_comes_again,
        set_back_they_come_once,
        of_too_many_the_lane_waits_for_some,
        where_events_are_taken_one_by_one_too,
        the_clock_goes_back_while_they_wait,
        between_two_runs_too,
        or_it_had_been_wrong_by_years,
        or_it_goes_forth,
        many_wait_from_then_on,
    };
    return world_run("lane timed", tests, sizeof tests / sizeof *tests);
}
