/* SPDX-License-Identifier: MIT */
/* Destinations that take events one by one: what is deferred comes again alone,
 * and what becomes of each is settled once. */
#include "lane_world.h"
#include "base/api.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "codec/json.h"
#include "spool/spool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS_MAX 20000

/* What the far side has seen; of the fake's thread until it rests. */
static int seen[EVENTS_MAX];
static atomic_int largest, again_flights;
static uint32_t delay_ms;
static int fail_times; /* of each event with n % 5 == 0 */
static struct il_ack *_Atomic kept; /* the lane's thread hands it over */

static void
arrive(struct fake *f, uint64_t position)
{
    pthread_mutex_lock(&f->lock);
    f->got[f->got_count++] = position;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void
defer(struct il_batch *b, uint32_t i, uint32_t ms, const char *order)
{
    struct il_reason why = { IL_SIZED(struct il_reason), .code = "503",
                             .message = "it is busy" };
    struct il_deferral how = { IL_SIZED(struct il_deferral),
                               .delay_ms = ms,
                               .why = &why,
                               .target = "https://there",
                               .target_len = 13,
                               .order = order,
                               .order_len = order ? strlen(order) : 0 };
    ck_assert_int_eq(batch_defer(b, i, &how), 0);
}

/* Every fifth fails so many times. */
static void
each_fifth_fails(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    int live = 0, again = 0;
    (void) n;
    for (uint32_t i = 0; i < b->count; i++) {
        uint64_t p = b->events[i].position;
        if (!batch_live(b, i))
            continue;
        live++;
        const struct batch_again *a = b->events[i].again;
        again += a != NULL;
        ck_assert_uint_eq(a ? a->attempts : 0, (uint32_t) seen[p]);
        if (a && a->attempts) {
            ck_assert_str_eq(a->code, "503");
            ck_assert_str_eq(a->message, "it is busy");
            ck_assert_int_gt(a->first_us, 0);
        }
        if (p % 5 == 0 && seen[p]++ < fail_times) {
            defer(b, i, delay_ms, NULL);
            continue;
        }
        arrive(f, p);
        if (p % 2)
            batch_done(b, i);
    }
    if (live > largest)
        largest = live;
    again_flights += again != 0;
    lane_settle(ack, IL_OK, NULL);
}

static int
by_position(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Each once, in whatever order. */
static void
expect_each(uint32_t count)
{
    ck_assert_uint_eq(fake_wait(&fake, count), count);
    uint64_t *sorted = calloc(count, sizeof *sorted);
    memcpy(sorted, fake.got, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_position);
    for (uint32_t i = 0; i < count; i++)
        ck_assert_uint_eq(sorted[i], i + 1);
    free(sorted);
}

static void
wait_parked(uint64_t count)
{
    for (int i = 0; i < 20000 && status().parked != count; i++)
        usleep(1000);
    ck_assert_uint_eq(status().parked, count);
}

static void
by_event(void)
{
    memset(seen, 0, sizeof seen);
    largest = again_flights = 0;
    delay_ms = 20;
    fail_times = 1;
    fake.plugin.flags = IL_PER_EVENT;
    fake.plugin.in_flight = 4;
}

static void
come_again(uint32_t in_flight, int times)
{
    by_event();
    fake.plugin.in_flight = in_flight;
    fail_times = times;
    fake_act(&fake, each_fifth_fails);
    events(1000);
    world_start();
    wait_position(1000);
    expect_each(1000);
    wait_parked(0);
    struct lane_status s = status();
    ck_assert_uint_eq(s.delivered, 1000);
    ck_assert_uint_eq(s.dead, 0);
    ck_assert_int_eq(s.next_due_us == INT64_MAX, 1);
    ck_assert_int_ge(again_flights, times);
}

START_TEST(what_is_deferred_comes_again_alone)
{
    come_again(4, 1);
}
END_TEST

START_TEST(with_one_batch_at_a_time_they_take_turns)
{
    come_again(1, 3);
}
END_TEST

START_TEST(two_in_flight)
{
    come_again(2, 2);
}
END_TEST

/* The lane does not wait for it, neither to go on nor to stop. */
START_TEST(the_lane_goes_on_past_it)
{
    by_event();
    delay_ms = 3600000;
    fake_act(&fake, each_fifth_fails);
    events(100);
    world_start();
    struct lane_status s = wait_position(100);
    ck_assert_uint_eq(s.parked, 20);
    ck_assert_uint_eq(s.delivered, 80);
    int64_t due = s.next_due_us - clock_wall_us();
    ck_assert_int_gt(due, 3500000000);
    ck_assert_int_le(due, 3600000000);
    int64_t begin = clock_monotonic_us();
    world_restart();
    ck_assert_int_lt(clock_monotonic_us() - begin, 10000000);
    fake_act(&fake, each_fifth_fails);
    world_start();
    wait_state(LANE_RUNNING);
    ck_assert_uint_eq(status().parked, 20);
    ck_assert_uint_eq(fake_count(&fake), 80);
    struct parked_lane *l;
    ck_assert_int_eq(parked_lane_find(ctx.parked, LANE, &l), 0);
    for (uint64_t p = 5; p <= 100; p += 5)
        ck_assert_int_eq(parked_now(l, p, clock_wall_us()), 0);
    lane_due_changed(lane);
    expect_each(100);
    wait_parked(0);
}
END_TEST

static void
give_up(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    static const struct il_reason why = { IL_SIZED(struct il_reason),
                                          .code = "500", .message = "broken" };
    (void) n;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct batch_again *a = b->events[i].again;
        if (!batch_live(b, i))
            continue;
        if (b->events[i].position % 5)
            arrive(f, b->events[i].position);
        else if (a && a->attempts == 2)
            batch_reject(b, i, &why);
        else
            defer(b, i, 5, NULL);
    }
    lane_settle(ack, IL_OK, NULL);
}

static int
count_letters(void *arg, const char *name, const struct parked_letter *l)
{
    struct event ev;
    int *n = arg;
    ck_assert_str_eq(name, LANE);
    ck_assert_uint_eq(l->position % 5, 0);
    ck_assert_uint_eq(l->attempts, 3);
    ck_assert_str_eq(l->code, "500");
    ck_assert_str_eq(l->message, "broken");
    const char *event = l->event; /* array of four, the event first */
    ck_assert_int_eq((unsigned char) event[0], 0x94);
    ck_assert_int_eq(event_unpack(event + 1, l->event_len - 1, &ev), 0);
    ++*n;
    return 0;
}

START_TEST(what_is_given_up_is_a_letter)
{
    int letters = 0;
    by_event();
    fake_act(&fake, give_up);
    events(50);
    world_start();
    wait_position(50);
    for (int i = 0; i < 20000 && status().dead < 10; i++)
        usleep(1000);
    ck_assert_uint_eq(status().dead, 10);
    ck_assert_uint_eq(status().parked, 0);
    ck_assert_uint_eq(status().rejected, 10);
    ck_assert_int_eq(
        parked_walk_letters(ctx.parked, LANE, count_letters, &letters), 0);
    ck_assert_int_eq(letters, 10);
    expect_letters(""); /* none in the store of the others */
}
END_TEST

/* Odd ones are done, and the batch stays where it is. */
static void
half_done(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    for (uint32_t i = 0; i < b->count; i++)
        if (batch_live(b, i) && b->events[i].position % 2) {
            arrive(f, b->events[i].position);
            batch_done(b, i);
        }
    kept = ack;
}

/* Of 100 events 50 are done, on the disk, and it dies. */
static void
die_half_done(void)
{
    uint64_t *done;
    size_t n = 0;
    struct parked_lane *l;
    by_event();
    fake.plugin.in_flight = 1;
    fake_act(&fake, half_done);
    events(100);
    world_start();
    fake_wait(&fake, 50);
    ck_assert_int_eq(parked_lane_find(ctx.parked, LANE, &l), 0);
    for (int i = 0; i < 5000 && n < 50; i++) {
        usleep(1000);
        ck_assert_int_eq(parked_done_list(l, 0, spool_id(ctx.spool), &done, &n),
                         0);
        free(done);
    }
    ck_assert_uint_eq(n, 50);
    ck_assert_uint_eq(status().position, 0);
    lane_settle(kept, IL_RETRY, "it stops");
    world_restart();
}

START_TEST(what_is_done_is_on_disk_before_its_batch_is_settled)
{
    die_half_done();
    world_start();
    struct lane_status s = wait_position(100);
    expect_each(100);
    ck_assert_uint_eq(s.delivered, 100);
}
END_TEST

static atomic_int step_saw;

/* It would make a letter of one that is done, now. */
static int
refuse_third(void *self, struct il_batch *b)
{
    (void) self;
    for (uint32_t i = 0; i < b->count; i++) {
        step_saw += batch_live(b, i);
        if (b->events[i].position == 3)
            batch_reject(b, i,
                         &(struct il_reason){ IL_SIZED(struct il_reason),
                                              .code = "unknown_entity",
                                              .message = "u_1" });
    }
    return 0;
}

/* Else they would not remember it. */
START_TEST(what_is_done_goes_through_the_steps)
{
    die_half_done();
    with_step(refuse_third, NULL);
    world_start();
    struct lane_status s = wait_position(100);
    expect_each(100);
    ck_assert_int_eq(step_saw, 100);
    ck_assert_uint_eq(s.delivered, 100);
    ck_assert_uint_eq(s.dead, 0);
}
END_TEST

/* Events of one order: n % 10.  Those of 3 fail twice each. */
static void
in_order(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    for (uint32_t i = 0; i < b->count; i++) {
        uint64_t p = b->events[i].position;
        char order[16];
        if (!batch_live(b, i))
            continue;
        snprintf(order, sizeof order, "order %d", (int) (p % 10));
        uint64_t hash = batch_order(order, strlen(order));
        int waits = b->waits ? b->waits(b->lane, i, hash) : 0;
        ck_assert_int_ge(waits, 0);
        if (waits) {
            struct il_deferral behind = { IL_SIZED(struct il_deferral),
                                          .flags = IL_NO_ATTEMPT,
                                          .order = order,
                                          .order_len = strlen(order) };
            ck_assert_int_eq(batch_defer(b, i, &behind), 0);
        } else if (p % 10 == 3 && seen[p]++ < 2) {
            ck_assert_uint_eq(b->events[i].again ? b->events[i].again->attempts
                                                 : 0,
                              (uint32_t) seen[p] - 1);
            defer(b, i, 3, order);
        } else {
            arrive(f, p);
        }
    }
    lane_settle(ack, IL_OK, NULL);
}

START_TEST(of_one_order_the_next_waits)
{
    uint64_t last = 0;
    int positions = 0;
    by_event();
    fake_act(&fake, in_order);
    events(300);
    world_start();
    wait_position(300);
    fake_wait(&fake, 300);
    for (uint32_t i = 0; i < 300; i++)
        if (fake.got[i] % 10 == 3) {
            ck_assert_uint_gt(fake.got[i], last);
            last = fake.got[i];
            positions++;
        }
    ck_assert_int_eq(positions, 30);
    expect_each(300);
    wait_parked(0);
}
END_TEST

START_TEST(nothing_goes_out_while_it_is_held_off)
{
    by_event();
    fake_act(&fake, each_fifth_fails);
    world_start();
    wait_state(LANE_RUNNING);
    lane_hold_off(lane, NULL, clock_wall_us() + 3600000000, "503, come later");
    lane_hold_off(lane, "https://b", clock_wall_us() + 7200000000, "429");
    events(100);
    usleep(200000);
    ck_assert_int_eq(fake_writes(&fake), 0);
    struct lane_status s = status();
    ck_assert_uint_eq(s.hold_count, 2);
    ck_assert_str_eq(s.holds[0].why, "503, come later");
    ck_assert_str_eq(s.holds[0].target, "");
    ck_assert_str_eq(s.holds[1].target, "https://b");
    lane_hold_off(lane, NULL, 0, NULL);
    lane_hold_off(lane, "https://b", 0, NULL);
    wait_position(100);
    expect_each(100);
    ck_assert_uint_eq(status().hold_count, 0);
}
END_TEST

static void
does_not_answer(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) f;
    (void) b;
    (void) n;
    kept = ack;
}

static int64_t
cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

/* What is due by then cannot go: nothing turns round and round for it. */
static void
expect_rest(void)
{
    usleep(400000);
    int64_t before = cpu_us();
    usleep(500000);
    ck_assert_int_lt(cpu_us() - before, 50000 * PATIENCE);
}

START_TEST(it_rests_while_what_is_due_is_held_off)
{
    by_event();
    delay_ms = 200;
    fake_act(&fake, each_fifth_fails);
    events(10);
    world_start();
    wait_parked(2);
    lane_hold_off(lane, NULL, clock_wall_us() + 3600000000, "503, come later");
    expect_rest();
    ck_assert_uint_eq(status().parked, 2);
    lane_hold_off(lane, NULL, 0, NULL);
    wait_parked(0);
    expect_each(10);
}
END_TEST

START_TEST(it_rests_until_its_hold_ends)
{
    by_event();
    delay_ms = 300; /* it is held off well before */
    fake_act(&fake, each_fifth_fails);
    events(10);
    world_start();
    wait_parked(2);
    int64_t until = clock_wall_us() + 700000;
    lane_hold_off(lane, NULL, until, "503, come later");
    wait_parked(0);
    int64_t late = clock_wall_us() - until;
    ck_assert_int_ge(late, 0);
    ck_assert_int_lt(late, 10000000); /* and not a minute later */
}
END_TEST

START_TEST(it_rests_while_there_is_no_room_for_what_is_due)
{
    by_event();
    fake.plugin.in_flight = 1;
    delay_ms = 200;
    fake_act(&fake, each_fifth_fails);
    events(10);
    world_start();
    wait_parked(2);
    kept = NULL;
    fake_act(&fake, does_not_answer);
    events(1);
    while (!kept)
        usleep(1000);
    expect_rest();
    fake_act(&fake, each_fifth_fails);
    lane_settle(kept, IL_OK, NULL);
    wait_parked(0);
    wait_position(11);
}
END_TEST

/* The odd ones go to A, which is away, or have failed there, the others to B. */
static int a_is_away;

static void
a_away(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    for (uint32_t i = 0; i < b->count; i++) {
        uint64_t p = b->events[i].position;
        const struct il_reason why = { IL_SIZED(struct il_reason),
                                       .code = p % 3 ? "held_off" : "http_500",
                                       .message = "it is away" };
        const struct il_deferral how = { IL_SIZED(struct il_deferral),
                                         .flags = IL_NO_ATTEMPT,
                                         .delay_ms = 3600000,
                                         .why = &why,
                                         .target = "A",
                                         .target_len = 1 };
        if (!batch_live(b, i))
            continue;
        if (p % 2 && (a_is_away || p % 3 == 0))
            ck_assert_int_eq(batch_defer(b, i, &how), 0);
        else
            arrive(f, p);
    }
    lane_settle(ack, IL_OK, NULL);
}

START_TEST(what_waits_for_a_target_comes_once_it_takes_again)
{
    by_event();
    a_is_away = 1;
    fake_act(&fake, a_away);
    events(3000);
    world_start();
    wait_position(3000);
    fake_wait(&fake, 1500);
    ck_assert_uint_eq(status().parked, 1500);
    lane_hold_off(lane, "A", clock_wall_us() + 3600000000, "it is away");
    lane_hold_off(lane, "B", 0, NULL); /* whom nothing waits for */
    usleep(100000);
    ck_assert_uint_eq(status().parked, 1500);
    ck_assert_int_eq(fake_count(&fake), 1500);
    a_is_away = 0;
    lane_hold_off(lane, "A", 0, NULL);
    fake_wait(&fake, 2500);
    wait_parked(500); /* those that have failed themselves */
}
END_TEST

START_TEST(a_batch_ends_at_what_the_destination_wants)
{
    by_event();
    spec.intake.events = 8;
    fail_times = 0;
    fake_act(&fake, each_fifth_fails);
    events(1000);
    world_start();
    wait_position(1000);
    expect_each(1000);
    ck_assert_int_le(largest, 8);
}
END_TEST

static int
three_of_four_go(void *self, struct il_batch *b)
{
    (void) self;
    for (uint32_t i = 0; i < b->count; i++)
        if (b->events[i].position % 4)
            batch_drop(b, i);
    return 0;
}

START_TEST(also_where_steps_drop_most)
{
    by_event();
    spec.intake.events = 8;
    fail_times = 0;
    with_step(three_of_four_go, NULL);
    fake_act(&fake, each_fifth_fails);
    events(2000);
    world_start();
    wait_position(2000);
    ck_assert_uint_eq(fake_wait(&fake, 500), 500);
    ck_assert_int_le(largest, 32);
    ck_assert_int_lt(fake_writes(&fake), 100);
}
END_TEST

static atomic_int steps_run;

static int
say_step(void *self, struct il_batch *b)
{
    const struct il_kind *kind = batch_kind("user", 4);
    struct il_text traits = { 0 };
    struct json_error error;
    struct il_value v;
    (void) self;
    json_to_msgpack("{\"plan\":\"free\"}", 15, &traits, &error);
    const char *p = traits.data;
    ck_assert_int_eq(msg_value(&p, p + traits.len, &v), 0);
    for (uint32_t i = 0; i < b->count; i++) {
        const char *json = "{\"made\":\"by the step\"}";
        ck_assert_int_eq(batch_set_payload(b, i, IL_JSON, json, strlen(json)),
                         0);
        ck_assert_int_eq(batch_attach(b, i, kind, &v), 0);
        steps_run++;
    }
    text_clear(&traits);
    return 0;
}

static void
look_at_event(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct batch_event *e = &b->events[i];
        struct event_origin at;
        if (!e->again) {
            defer(b, i, 1, NULL);
            continue;
        }
        batch_origin(b, i, &at);
        ck_assert_uint_eq(at.position, e->position);
        ck_assert_int_eq(memcmp(at.spool, spool_id(ctx.spool), 16), 0);
        struct il_value payload, made, plan;
        const char *p = e->ev.payload.ptr;
        ck_assert_int_eq(msg_value(&p, p + e->ev.payload.len, &payload), 0);
        ck_assert_int_eq(msg_find(&payload, "made", 4, &made), 1);
        ck_assert_uint_eq(made.len, 11);
        ck_assert_ptr_nonnull(e->entities);
        ck_assert_str_eq(e->entities->kind->name, "user");
        ck_assert_int_eq(msg_find(&e->entities->traits, "plan", 4, &plan), 1);
        ck_assert_int_eq(memcmp(plan.str, "free", 4), 0);
        arrive(f, e->position);
    }
    lane_settle(ack, IL_OK, NULL);
}

/* A later attempt sees what the steps have made of it, and they do not run
 * again. */
START_TEST(it_comes_as_it_was_decided)
{
    by_event();
    steps_run = 0;
    with_step(say_step, NULL);
    fake_act(&fake, look_at_event);
    events(20);
    world_start();
    wait_position(20);
    expect_each(20);
    ck_assert_int_eq(steps_run, 20);
}
END_TEST

static void
fail_all_of_them(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) f;
    if (n < 4 && b->events[0].again) {
        lane_settle(ack, IL_RETRY, "no room");
        return;
    }
    each_fifth_fails(f, b, ack, n);
}

/* What is said of the batch as a whole burns no attempt of what is due. */
START_TEST(a_whole_flight_may_fail)
{
    by_event();
    fake_act(&fake, fail_all_of_them);
    events(20);
    world_start();
    wait_position(20);
    expect_each(20);
    wait_parked(0);
}
END_TEST

/* What a person drops while it is under way does not come back. */
static void
dropped_meanwhile(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    struct parked_lane *l;
    (void) n;
    for (uint32_t i = 0; i < b->count; i++) {
        if (b->events[i].again) {
            ck_assert_int_eq(parked_lane_find(ctx.parked, LANE, &l), 0);
            ck_assert_int_eq(parked_drop(l, b->events[i].position), 0);
            seen[0]++;
        }
        if (b->events[i].position % 5)
            arrive(f, b->events[i].position);
        else
            defer(b, i, 1, NULL);
    }
    lane_settle(ack, IL_OK, NULL);
}

START_TEST(what_is_dropped_meanwhile_does_not_come_back)
{
    by_event();
    fake_act(&fake, dropped_meanwhile);
    events(20);
    world_start();
    wait_position(20);
    wait_parked(0);
    usleep(50000);
    ck_assert_uint_eq(status().parked, 0);
    ck_assert_int_eq(seen[0], 4);
}
END_TEST

/* --- far behind ------------------------------------------------------------- */

/* Some segments of a mebibyte. */
static void
many_events(uint32_t n)
{
    static char json[4096];
    memset(json, 'x', sizeof json);
    memcpy(json, "{\"pad\":\"", 8);
    strcpy(json + sizeof json - 8, "\"}");
    for (uint32_t i = 0; i < n; i++)
        append("app", i % 50 ? "feature.other" : "feature.used", json);
    durable();
}

static struct lane_match few = { .source = SLICE("app"),
                                 .type = SLICE("feature.used") };

/* Until the lane has parked all that it will. */
static struct lane_status
wait_still(void)
{
    uint64_t at = 0;
    for (int i = 0, still = 0; i < 400 && still < 10; i++) {
        usleep(50000);
        still = at >= 1500 && status().position == at ? still + 1 : 0;
        at = status().position;
    }
    return status();
}

/* A far side that is away for long costs no spool: what is for it is parked, and
 * all of it arrives in the end. */
START_TEST(while_it_is_held_off_the_lane_goes_on)
{
    by_event();
    spec.matches = &few;
    fail_times = 0;
    fake_act(&fake, each_fifth_fails);
    world_start();
    wait_state(LANE_RUNNING);
    lane_hold_off(lane, NULL, clock_wall_us() + 3600000000, "it is away");
    many_events(2000);
    struct lane_status s = wait_still();
    ck_assert_uint_ge(s.position, 1600);
    ck_assert_uint_ge(s.parked, 32);
    ck_assert_int_eq(fake_writes(&fake), 0);
    ck_assert_uint_lt(spool_backlog_bytes(ctx.spool, s.position), 2 << 20);
    struct parked_lane *l;
    struct parked_event e;
    struct il_text text = { 0 };
    ck_assert_int_eq(parked_lane_find(ctx.parked, LANE, &l), 0);
    ck_assert_int_eq(parked_read(l, 1, &text, &e), 1);
    ck_assert_uint_eq(e.attempts, 0);
    ck_assert_str_eq(e.code, "held_off");
    ck_assert_str_eq(e.message, "it is away");
    for (uint64_t p = 1; p <= s.position; p += 50)
        parked_now(l, p, clock_wall_us());
    text_clear(&text);
    lane_hold_off(lane, NULL, 0, NULL);
    lane_due_changed(lane);
    ck_assert_uint_eq(fake_wait(&fake, 40), 40);
    wait_parked(0);
    wait_position(2000);
}
END_TEST

START_TEST(while_it_is_paused_too)
{
    by_event();
    spec.matches = &few;
    fail_times = 0;
    fake_act(&fake, each_fifth_fails);
    world_start();
    wait_state(LANE_RUNNING);
    ck_assert_int_eq(lane_pause(lane, "410 Gone"), 1);
    many_events(2000);
    lane_due_changed(lane); /* it looks how far behind it is now and then */
    ck_assert_uint_ge(wait_still().position, 1600);
    ck_assert_int_eq(fake_writes(&fake), 0);
    ck_assert_int_eq(lane_resume(lane), 1);
    ck_assert_uint_eq(fake_wait(&fake, 40), 40);
    wait_parked(0);
    wait_position(2000);
}
END_TEST

/* It reads on once some have gone. */
START_TEST(there_is_a_limit_to_what_is_parked)
{
    by_event();
    spec.intake.max_parked = 20;
    spec.intake.events = 10;
    delay_ms = 600;
    fail_times = 1;
    fake_act(&fake, each_fifth_fails);
    events(400);
    world_start();
    for (int i = 0; i < 20000 && status().parked < 20; i++)
        usleep(1000);
    ck_assert_uint_ge(status().parked, 20);
    ck_assert_uint_lt(status().position, 300);
    wait_state(LANE_WAITING);
    ck_assert_ptr_nonnull(strstr(status().last_error, "max_parked"));
    wait_position(400);
    expect_each(400);
    wait_parked(0);
}
END_TEST

static uint64_t range_letter;

static int
one_range(void *arg, const char *name, const struct parked_letter *l)
{
    uint64_t *lost = arg, from, to;
    (void) name;
    ck_assert_str_eq(l->code, "behind");
    ck_assert_uint_eq(l->event_len, 0);
    ck_assert_int_eq(
        sscanf(l->message, "events %" SCNu64 " to %" SCNu64, &from, &to), 2);
    ck_assert_uint_eq(l->position, from);
    range_letter = from;
    *lost += to - from + 1;
    return 0;
}

/* The spool takes what it is sent, whatever this lane has read of it. */
START_TEST(what_the_spool_has_no_room_for_is_a_letter)
{
    struct spool_options o = { .segment_bytes = 1 << 20,
                               .buffer_bytes = 8 << 20,
                               .retain_us = INT64_C(3600000000),
                               .max_bytes = 6 << 20 };
    struct spool_recovery found;
    uint64_t lost = 0;
    char dir[4200];
    by_event();
    snprintf(dir, sizeof dir, "%s/small", ctx.state_dir);
    o.dir = dir;
    spool_close(ctx.spool);
    ck_assert_int_eq(spool_open(&o, &ctx.spool, &found), 0);
    spec.soft = 1;
    spec.intake.events = 10;
    fake.plugin.in_flight = 1;
    fake_act(&fake, does_not_answer);
    world_start();
    for (int i = 0; i < 40; i++) {
        struct spool_stats st;
        spool_stats(ctx.spool, &st);
        for (int k = 0; k < 2000 && st.bytes > 5 << 20; k++) {
            usleep(10000);
            spool_stats(ctx.spool, &st);
        }
        ck_assert_uint_le(st.bytes, 5 << 20);
        many_events(100); /* 16 MB in all */
    }
    ck_assert_uint_eq(status().position, 0);
    fake_act(&fake, NULL);
    lane_settle(kept, IL_OK, NULL);
    struct lane_status s = wait_position(4000);
    ck_assert_uint_eq(s.dead, 1);
    ck_assert_int_eq(parked_walk_letters(ctx.parked, LANE, one_range, &lost),
                     0);
    ck_assert_uint_gt(lost, 2000);
    struct parked_lane *l;
    struct parked_ask ask = { .position = range_letter };
    ck_assert_int_eq(parked_lane_find(ctx.parked, LANE, &l), 0);
    ck_assert_int_eq(parked_again(l, range_letter, clock_wall_us()), -ENODATA);
    parked_ask(l, &ask, 1, clock_wall_us());
    ck_assert_int_eq(ask.found, PARKED_NO_EVENT);
    ck_assert_uint_eq(status().parked, 0);
    ck_assert_uint_eq(s.delivered, 4000 - lost);
}
END_TEST

START_TEST(what_is_too_old_is_a_letter)
{
    by_event();
    spec.max_age_us = 1000000; /* the events are five seconds old */
    fake_act(&fake, each_fifth_fails);
    events(10);
    world_start();
    wait_position(10);
    ck_assert_uint_eq(status().dead, 10);
    ck_assert_int_eq(fake_writes(&fake), 0);
}
END_TEST

/* It was young enough at its first attempt. */
START_TEST(or_nothing_at_all)
{
    by_event();
    spec.max_age_us = 6000000;
    spec.max_age_drops = 1;
    delay_ms = 1500;
    fake_act(&fake, each_fifth_fails);
    events(10);
    world_start();
    wait_position(10);
    wait_parked(0);
    for (int i = 0; i < 20000 && status().dropped != 2; i++)
        usleep(1000); /* counted a moment after they are gone */
    ck_assert_uint_eq(status().dropped, 2);
    ck_assert_uint_eq(status().delivered, 8);
    ck_assert_uint_eq(status().dead, 0);
    ck_assert_uint_eq(fake_count(&fake), 8);
}
END_TEST

static uint64_t
bucket(const char *le)
{
    struct il_text out = { 0 }, line = { 0 };
    ck_assert_int_eq(metric_export(&out), 0);
    text_printf(&line,
                "\ningestlayer_delivery_seconds_bucket{lane=\"%s\",le=\"%s\"} ",
                LANE, le);
    const char *found = strstr(text_str(&out), text_str(&line));
    ck_assert_ptr_nonnull(found);
    uint64_t n = strtoull(found + line.len, NULL, 10);
    text_clear(&out);
    text_clear(&line);
    return n;
}

/* Those of world.c were received five seconds ago. */
START_TEST(how_long_each_took_is_counted)
{
    by_event();
    fake_act(&fake, each_fifth_fails);
    events(10);
    world_start();
    expect_each(10);
    for (int i = 0; i < 20000 && bucket("+Inf") != 10; i++)
        usleep(1000);
    ck_assert_uint_eq(bucket("+Inf"), 10);
    ck_assert_uint_eq(bucket("3600"), 10);
    ck_assert_uint_eq(bucket("2.5"), 0);
}
END_TEST

/* The clock jumps while they wait: they wait for as long as they were to, and
 * where it goes forth not even that. */
static void
jump(int first, int then, int restarts)
{
    by_event();
    delay_ms = 1500;
    fake_act(&fake, each_fifth_fails);
    world_clock(first);
    events(100);
    world_start();
    wait_position(100);
    wait_parked(20);
    usleep(300000); /* it has looked when they are due */
    world_clock(then);
    if (restarts) {
        world_restart();
        fake_act(&fake, each_fifth_fails);
        world_start();
    }
    int64_t begun = clock_monotonic_us();
    expect_each(100);
    wait_parked(0);
    ck_assert_int_lt(clock_monotonic_us() - begun, 8000000 * PATIENCE);
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

int
main(void)
{
    const TTest *const tests[] = {
        what_is_deferred_comes_again_alone,
        with_one_batch_at_a_time_they_take_turns,
        two_in_flight,
        the_lane_goes_on_past_it,
        what_is_given_up_is_a_letter,
        what_is_done_is_on_disk_before_its_batch_is_settled,
        what_is_done_goes_through_the_steps,
        of_one_order_the_next_waits,
        nothing_goes_out_while_it_is_held_off,
        it_rests_while_what_is_due_is_held_off,
        it_rests_until_its_hold_ends,
        it_rests_while_there_is_no_room_for_what_is_due,
        what_waits_for_a_target_comes_once_it_takes_again,
        a_batch_ends_at_what_the_destination_wants,
        also_where_steps_drop_most,
        it_comes_as_it_was_decided,
        a_whole_flight_may_fail,
        what_is_dropped_meanwhile_does_not_come_back,
        while_it_is_held_off_the_lane_goes_on,
        while_it_is_paused_too,
        there_is_a_limit_to_what_is_parked,
        what_the_spool_has_no_room_for_is_a_letter,
        what_is_too_old_is_a_letter,
        how_long_each_took_is_counted,
        or_nothing_at_all,
        the_clock_goes_back_while_they_wait,
        between_two_runs_too,
        or_it_had_been_wrong_by_years,
        or_it_goes_forth,
    };
    return world_run("lane parked", tests, sizeof tests / sizeof *tests);
}
