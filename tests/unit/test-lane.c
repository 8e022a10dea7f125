/* SPDX-License-Identifier: MIT */
#include "clock.h"
#include "fake.h"
#include "host_api.h"
#include "json.h"
#include "log.h"
#include "metrics.h"
#include "tempdir.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define LANE "feature-usage/fake"

static char *root;
static char spool_dir[4096], dead_dir[4096];
static struct lane_context ctx;
static struct fake fake;
static struct lane *lane;
static struct lane_spec spec;
static struct lane_match takes = { SLICE("app"), SLICE("feature.*") };
static struct lane_step step;
static uint64_t next_position = 1;

/* --- the world around the lane --- */

static void
open_stores(void)
{
    struct spool_recovery found;
    struct spool_options o = { .dir = spool_dir,
                               .segment_bytes = 1 << 20,
                               .buffer_bytes = 8 << 20,
                               .retain_bytes = 1,
                               .retain_us = 0 };
    ck_assert_int_eq(spool_open(&o, &ctx.spool, &found), 0);
    ck_assert_int_eq(dead_open(dead_dir, 0, &ctx.dead), 0);
}

static void
setup(void)
{
    root = tempdir_make();
    snprintf(spool_dir, sizeof spool_dir, "%s/spool", root);
    snprintf(dead_dir, sizeof dead_dir, "%s/dead", root);
    ctx.state_dir = root;
    open_stores();
    fake_open(&fake, 1);
    spec = (struct lane_spec){ .name = LANE,
                               .instance = "the fake",
                               .matches = &takes,
                               .match_count = 1,
                               .destination = &fake.plugin,
                               .self = &fake,
                               .batch_events = 100,
                               .retry_min_ms = 1,
                               .retry_max_ms = 50 };
    next_position = 1;
}

static void
stop(void)
{
    if (lane)
        lane_stop(lane, clock_monotonic_us() + 20000000);
    fake_stop(&fake);
    lane_free(lane);
    lane = NULL;
}

static void
teardown(void)
{
    stop();
    fake_close(&fake);
    dead_close(ctx.dead);
    spool_close(ctx.spool);
    tempdir_remove(root);
}

static void
start(void)
{
    ck_assert_int_eq(lane_new(&spec, &ctx, &lane), 0);
    ck_assert_int_eq(lane_start(lane), 0);
}

/* A new process: nothing but the disk is left.  The fake's memory of what it
 * got stays: it is the far side. */
static void
restart(void)
{
    stop();
    dead_close(ctx.dead);
    spool_close(ctx.spool);
    open_stores();
    fake_restart(&fake);
}

static void
append(const char *source, const char *type, const char *json)
{
    struct il_text payload = { 0 }, body = { 0 };
    struct json_error error;
    uint64_t first;
    ck_assert_int_eq(json_to_msgpack(json, strlen(json), &payload, &error), 0);
    struct event ev = { .id = SLICE("evt_0"),
                        .type = slice_of(type, strlen(type)),
                        .source_id = slice_of(source, strlen(source)),
                        .received_us = clock_wall_us() - 5000000,
                        .timestamp_us = EVENT_NO_TIME,
                        .payload = slice_of(payload.data, payload.len) };
    ck_assert_int_eq(event_pack(&body, &ev), 0);
    struct slice s = slice_of(body.data, body.len);
    ck_assert_int_eq(spool_append(ctx.spool, &s, 1, &first), 0);
    ck_assert_uint_eq(first, next_position++);
    text_clear(&payload);
    text_clear(&body);
}

static void
durable(void)
{
    while (spool_durable(ctx.spool) < next_position - 1)
        usleep(100);
}

/* n events feature.used with their number as payload. */
static void
events(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        char json[64];
        snprintf(json, sizeof json, "{\"n\":%llu}",
                 (unsigned long long) next_position);
        append("app", "feature.used", json);
    }
    durable();
}

static struct lane_status
status(void)
{
    struct lane_status s;
    lane_status(lane, &s);
    return s;
}

static struct lane_status
wait_position(uint64_t position)
{
    for (int i = 0; i < 20000 && status().position < position; i++)
        usleep(1000);
    ck_assert_uint_eq(status().position, position);
    return status();
}

static void
wait_state(enum lane_state state)
{
    for (int i = 0; i < 20000 && status().state != state; i++)
        usleep(1000);
    ck_assert_str_eq(lane_state_name(status().state),
                     lane_state_name(state));
}

/* The far side has from ... to, each once, in order. */
static void
expect_range(uint64_t from, uint64_t to)
{
    ck_assert_uint_eq(fake_wait(&fake, (uint32_t) (to - from + 1)),
                      to - from + 1);
    for (uint64_t p = from; p <= to; p++)
        ck_assert_uint_eq(fake.got[p - from], p);
}

static int
letter_note(void *arg, const struct dead_letter *l)
{
    struct event ev;
    char *out = arg;
    /* The event as it was accepted, whatever steps made of it. */
    ck_assert_int_eq(event_unpack(l->event.ptr, l->event.len, &ev), 0);
    sprintf(out + strlen(out), "%llu:%s ", (unsigned long long) l->position,
            l->reason.code);
    return 0;
}

static void
expect_letters(const char *want)
{
    char got[4096] = "";
    ck_assert_int_eq(dead_each(ctx.dead, LANE, letter_note, got), 0);
    ck_assert_str_eq(got, want);
}

/* --- delivering --- */

START_TEST(delivers_all_in_order)
{
    events(2500);
    start();
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
    start();
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
    start();
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

static struct il_plugin step_plugin = { IL_PLUGIN_ABI, .kind = IL_STEP,
                                        .threads = IL_PARALLEL,
                                        .name = "test.step" };

static void
with_step(int (*process)(void *, struct il_batch *), void *self)
{
    step_plugin.process = process;
    step = (struct lane_step){ &step_plugin, self, "the step" };
    spec.steps = &step;
    spec.step_count = 1;
}

START_TEST(steps_drop_and_are_counted)
{
    struct il_counter *dropped
        = metric_counter("events_dropped_total",
                         "lane=\"" LANE "\",step=\"1/test.step\"", "");
    with_step(drop_odd, NULL);
    events(301);
    start();
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

START_TEST(an_empty_batch_needs_no_destination)
{
    fake.write_error = -EIO;
    fake.write_errors = 1000000;
    with_step(drop_all, NULL);
    events(500);
    start();
    wait_position(500);
    ck_assert_int_eq(fake_writes(&fake), 0);
}
END_TEST

START_TEST(when_leaves_the_rest_out)
{
    struct text_error error;
    ck_assert_int_eq(expr_compile("n > 200", 7, &spec.when, &error), 0);
    events(300);
    start();
    struct lane_status s = wait_position(300);
    expect_range(201, 300);
    ck_assert_uint_eq(s.delivered, 100);
    ck_assert_uint_eq(s.dropped, 0); /* it is no step's doing */
    stop();
    expr_free(spec.when);
}
END_TEST

START_TEST(a_batch_waits_to_fill)
{
    spec.batch_wait_ms = 400;
    start();
    for (int i = 0; i < 10; i++) {
        events(1);
        usleep(5000);
    }
    wait_position(10);
    ck_assert_int_le(fake_writes(&fake), 2);
}
END_TEST

/* --- failing --- */

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
    start();
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
    start();
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
    start();
    wait_position(250);
    expect_range(1, 250);
    ck_assert_int_eq(fake_writes(&fake), 10);
}
END_TEST

static void
never(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) f;
    (void) b;
    (void) n;
    lane_settle(ack, IL_RETRY, "connection refused");
}

START_TEST(trouble_is_in_the_status)
{
    fake_act(&fake, never);
    events(250);
    start();
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
    fake.reverse = 1;
    fake.plugin.in_flight = 4;
    events(1600); /* sixteen batches; groups of four are always full */
    start();
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
    start();
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
    struct il_counter *dropped
        = metric_counter("events_dropped_total",
                         "lane=\"" LANE "\",step=\"1/test.step\"", "");
    attempts_left = 3;
    with_step(failing_step, NULL);
    events(150);
    start();
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
    start();
    wait_state(LANE_WAITING);
    ck_assert_ptr_nonnull(strstr(status().last_error, "the step: "));
    ck_assert_uint_eq(status().position, 0);
    ck_assert_int_eq(lane_stop(lane, clock_monotonic_us() + 50000), 0);
}
END_TEST

/* --- dead letters --- */

static const struct il_reason duplicate
    = { .code = "23505", .message = "duplicate key", .rule = "pk" };

static void
mark(struct il_batch *b, uint64_t position)
{
    for (uint32_t i = 0; i < b->count; i++)
        if (b->events[i].position == position)
            batch_reject(b, i, &duplicate);
}

static void
reject_sevens(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    for (uint32_t i = 0; i < b->count; i++)
        if (b->events[i].position % 100 == 7)
            batch_reject(b, i, &duplicate);
    if (n % 2)
        fake_ok(f, b, ack);
    else
        lane_settle(ack, IL_RETRY, "once more");
}

START_TEST(rejects_become_letters_once)
{
    fake_act(&fake, reject_sevens);
    events(300);
    start();
    struct lane_status s = wait_position(300);
    ck_assert_uint_eq(fake_count(&fake), 297);
    ck_assert_uint_eq(s.rejected, 3);
    ck_assert_uint_eq(s.dead, 3);
    expect_letters("7:23505 107:23505 207:23505 ");
    restart();
    start();
    events(1);
    wait_position(301);
    expect_letters("7:23505 107:23505 207:23505 ");
}
END_TEST

static void
reject_second_batch(struct fake *f, struct il_batch *b, struct il_ack *ack,
                    int n)
{
    if (n == 1)
        lane_settle(ack, IL_REJECT, "no such thing");
    else
        fake_ok(f, b, ack);
}

START_TEST(a_rejected_batch_is_all_letters)
{
    fake_act(&fake, reject_second_batch);
    spec.batch_events = 3;
    events(9);
    start();
    wait_position(9);
    ck_assert_uint_eq(fake_count(&fake), 6);
    expect_letters("4:rejected 5:rejected 6:rejected ");
}
END_TEST

static int
refuse_fifth(void *self, struct il_batch *b)
{
    (void) self;
    for (uint32_t i = 0; i < b->count; i++) {
        batch_set_payload(b, i, IL_JSON, "{}", 2);
        if (b->events[i].position == 5)
            batch_reject(b, i, &(struct il_reason){ .code = "unknown_entity",
                                                    .message = "u_1" });
    }
    return 0;
}

static void
retry_once(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    for (uint32_t i = 0; i < b->count; i++)
        batch_unreject(b, i); /* takes back its own only: it has none */
    if (n)
        fake_ok(f, b, ack);
    else
        lane_settle(ack, IL_RETRY, NULL);
}

START_TEST(a_step_makes_letters_too)
{
    fake_act(&fake, retry_once);
    with_step(refuse_fifth, NULL);
    events(9);
    start();
    wait_position(9);
    ck_assert_uint_eq(fake_count(&fake), 8);
    expect_letters("5:unknown_entity ");
}
END_TEST

START_TEST(an_unreadable_frame_becomes_a_letter)
{
    uint64_t first;
    events(3);
    struct slice body = SLICE("what an unknown version wrote");
    ck_assert_int_eq(spool_append(ctx.spool, &body, 1, &first), 0);
    next_position++;
    events(3);
    start();
    wait_position(7);
    ck_assert_uint_eq(fake_count(&fake), 6);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 1);
}
END_TEST

/* Attempt 0 marks 5 and prepares, then its COMMIT fails; afterwards the row is
 * fine, or another one is bad. */
static int crashes;

static void
prepare_and_fail(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) f;
    (void) n;
    mark(b, 5);
    mark(b, 105);
    ck_assert_int_eq(lane_prepare(b), 0);
    __atomic_add_fetch(&crashes, 1, __ATOMIC_SEQ_CST);
    lane_settle(ack, IL_RETRY, "COMMIT failed");
}

static void
prepare_sixth(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    mark(b, 6);
    ck_assert_int_eq(lane_prepare(b), 0);
    fake_ok(f, b, ack);
}

static void
run_until_prepared(void)
{
    crashes = 0;
    fake_act(&fake, prepare_and_fail);
    start();
    while (!__atomic_load_n(&crashes, __ATOMIC_SEQ_CST))
        usleep(1000);
}

START_TEST(a_prepared_letter_vanishes_when_the_row_is_fine)
{
    events(120);
    run_until_prepared();
    expect_letters("5:23505 ");
    fake_act(&fake, NULL); /* does not even call prepare */
    wait_position(120);
    expect_range(1, 120);
    expect_letters("");
}
END_TEST

START_TEST(a_prepared_letter_vanishes_after_a_crash)
{
    fake.plugin.in_flight = 4;
    events(220);
    crashes = 0;
    fake_act(&fake, prepare_and_fail);
    start();
    while (__atomic_load_n(&crashes, __ATOMIC_SEQ_CST) < 2)
        usleep(1000);
    lane_stop(lane, 0);
    expect_letters("5:23505 105:23505 ");
    restart();
    ck_assert_uint_eq(fake_count(&fake), 0);
    spec.batch_events = 4; /* other batches than before */
    start();
    wait_position(220);
    expect_range(1, 220);
    expect_letters("");
}
END_TEST

START_TEST(letters_are_those_of_the_last_attempt)
{
    events(50);
    run_until_prepared();
    lane_stop(lane, 0);
    restart();
    fake_act(&fake, prepare_sixth);
    start();
    wait_position(50);
    expect_letters("6:23505 ");
}
END_TEST

/* Files may not grow: the store cannot take letters. */
START_TEST(a_full_disk_loses_no_letter)
{
    struct rlimit was, tiny = { 4096, RLIM_INFINITY };
    fake_act(&fake, reject_second_batch);
    spec.batch_events = 3;
    events(9);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
    tiny.rlim_max = was.rlim_max;
    ck_assert_int_eq(lane_new(&spec, &ctx, &lane), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    ck_assert_int_eq(lane_start(lane), 0);
    wait_state(LANE_WAITING);
    ck_assert_ptr_nonnull(strstr(status().last_error, "dead letters"));
    ck_assert_uint_eq(status().position, 3);
    usleep(100000);
    int writes = fake_writes(&fake);
    ck_assert_int_le(writes, 3);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
    wait_position(9);
    expect_letters("4:rejected 5:rejected 6:rejected ");
    ck_assert_uint_eq(fake_count(&fake), 6);
}
END_TEST

/* --- beginning --- */

START_TEST(goes_on_where_it_stopped)
{
    events(150);
    start();
    wait_position(150);
    restart();
    events(30);
    start();
    wait_position(180);
    expect_range(1, 180);
}
END_TEST

START_TEST(a_lost_cursor_means_from_the_beginning)
{
    char path[4096];
    events(20);
    start();
    wait_position(20);
    restart();
    snprintf(path, sizeof path, "%s/lanes/" LANE ".cursor", root);
    ck_assert_int_eq(unlink(path), 0);
    fake.got_count = 0;
    start();
    wait_position(20);
    expect_range(1, 20);
}
END_TEST

START_TEST(the_destination_knows_better)
{
    events(100);
    start();
    wait_position(100);
    restart();
    events(100);
    fake.got_count = 0;
    fake_resuming(&fake);
    fake.resume_position = 150;
    start();
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
    start();
    wait_position(100);
    restart();
    fake_resuming(&fake);
    fake.resume_position = 40; /* the last sixty were dropped, say */
    events(10);
    start();
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
    start();
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
    start();
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
    start();
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
    start();
    wait_state(LANE_FENCED);
    ck_assert_int_eq(fake_writes(&fake), 1);
}
END_TEST

START_TEST(a_position_beyond_the_spool_is_cut)
{
    events(50);
    fake_resuming(&fake);
    fake.resume_position = 5000;
    start();
    events(30);
    wait_position(80);
    expect_range(51, 80);
}
END_TEST

/* --- pausing and stopping --- */

static void
table_is_missing(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    if (__atomic_load_n(&attempts_left, __ATOMIC_SEQ_CST))
        lane_settle(ack, IL_PAUSE, "table events.signups does not exist");
    else
        fake_ok(f, b, ack);
}

START_TEST(a_pause_heals_by_itself)
{
    attempts_left = 1;
    fake_act(&fake, table_is_missing);
    events(150);
    start();
    wait_state(LANE_PAUSED);
    ck_assert_str_eq(status().last_error,
                     "table events.signups does not exist");
    __atomic_store_n(&attempts_left, 0, __ATOMIC_SEQ_CST);
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
    start();
    wait_state(LANE_PAUSED);
    for (int i = 0; i < 1000 && !status().lag_us; i++)
        usleep(1000);
    ck_assert_int_gt(status().lag_us, 4900000);
    ck_assert_uint_eq(status().lag_events, 150);
    ck_assert_int_eq(lane_stop(lane, clock_monotonic_us() + 5000000), 1);
    ck_assert_int_eq(fake_writes(&fake), 0);
    restart();
    spec.paused = 0;
    start();
    wait_position(150);
    expect_range(1, 150);
}
END_TEST

START_TEST(draining_delivers_what_is_there)
{
    events(1950);
    start();
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
    start();
    while (!fake_writes(&fake))
        usleep(1000);
    int64_t begin = clock_monotonic_us();
    ck_assert_int_eq(lane_stop(lane, begin + 200000), 0);
    int64_t took = clock_monotonic_us() - begin;
    ck_assert_int_ge(took, 200000);
    ck_assert_int_lt(took, 2000000);
    ck_assert_int_eq(fake.flushes, 0); /* not all of it was written */
    /* What the destination settles in its stop() still counts. */
    restart();
    start();
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
    start();
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
    start();
    wait_state(LANE_WAITING);
    int64_t begin = clock_monotonic_us();
    ck_assert_int_eq(lane_stop(lane, begin + 50000), 0);
    ck_assert_int_lt(clock_monotonic_us() - begin, 2000000);
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
    start();
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
    start(); /* from here on */
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

static void
add_cases(TCase *t)
{
    tcase_add_test(t, delivers_all_in_order);
    tcase_add_test(t, takes_what_matches);
    tcase_add_test(t, moves_on_where_nothing_matches);
    tcase_add_test(t, steps_drop_and_are_counted);
    tcase_add_test(t, an_empty_batch_needs_no_destination);
    tcase_add_test(t, when_leaves_the_rest_out);
    tcase_add_test(t, a_batch_waits_to_fill);
    tcase_add_test(t, a_retry_is_the_same_batch);
    tcase_add_test(t, a_batch_made_meanwhile_does_not_overtake);
    tcase_add_test(t, a_write_that_fails_is_a_retry);
    tcase_add_test(t, trouble_is_in_the_status);
    tcase_add_test(t, out_of_order_settlements_keep_the_order);
    tcase_add_test(t, several_in_flight_arrive_in_order);
    tcase_add_test(t, a_failing_step_sees_the_events_again);
    tcase_add_test(t, a_failing_step_is_in_the_status);
    tcase_add_test(t, rejects_become_letters_once);
    tcase_add_test(t, a_rejected_batch_is_all_letters);
    tcase_add_test(t, a_step_makes_letters_too);
    tcase_add_test(t, an_unreadable_frame_becomes_a_letter);
    tcase_add_test(t, a_prepared_letter_vanishes_when_the_row_is_fine);
    tcase_add_test(t, a_prepared_letter_vanishes_after_a_crash);
    tcase_add_test(t, letters_are_those_of_the_last_attempt);
    tcase_add_test(t, a_full_disk_loses_no_letter);
    tcase_add_test(t, goes_on_where_it_stopped);
    tcase_add_test(t, a_lost_cursor_means_from_the_beginning);
    tcase_add_test(t, the_destination_knows_better);
    tcase_add_test(t, the_cursor_may_be_ahead_of_the_destination);
    tcase_add_test(t, a_destination_that_is_away_is_asked_again);
    tcase_add_test(t, a_fenced_lane_stays_stopped);
    tcase_add_test(t, a_lane_can_be_fenced_in_flight);
    tcase_add_test(t, a_write_can_say_fenced);
    tcase_add_test(t, a_position_beyond_the_spool_is_cut);
    tcase_add_test(t, a_pause_heals_by_itself);
    tcase_add_test(t, a_paused_lane_keeps_its_place);
    tcase_add_test(t, draining_delivers_what_is_there);
    tcase_add_test(t, a_deadline_is_kept);
    tcase_add_test(t, a_drain_flushes);
    tcase_add_test(t, stopping_interrupts_a_back_off);
    tcase_add_test(t, one_lane_does_not_hold_another);
    tcase_add_test(t, the_spool_is_held_until_delivered);
}

int
main(void)
{
    Suite *s = suite_create("lane");
    TCase *t = tcase_create("lane");
    log_level_set(IL_LOG_ERROR);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    add_cases(t);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
