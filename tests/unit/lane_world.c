/* SPDX-License-Identifier: MIT */
#include "lane_world.h"
#include "tempdir.h"
#include "base/clock.h"
#include "base/log.h"
#include "codec/json.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct lane_context ctx;
struct fake fake;
struct lane *lane;
struct lane_spec spec;
uint64_t next_position = 1;

static char *root;
static char spool_dir[4096], dead_dir[4096], clock_file[4096];
static struct lane_match takes = { .source = SLICE("app"),
                                   .type = SLICE("feature.*") };
static struct lane_step step;

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

void
world_open(void)
{
    root = tempdir_make();
    snprintf(spool_dir, sizeof spool_dir, "%s/spool", root);
    snprintf(dead_dir, sizeof dead_dir, "%s/dead", root);
    snprintf(clock_file, sizeof clock_file, "%s/clock", root);
    setenv("INGESTLAYER_CLOCK_FILE", clock_file, 1);
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

void
world_stop(void)
{
    if (lane)
        lane_stop(lane, clock_monotonic_us() + 20000000);
    fake_stop(&fake);
    lane_free(lane);
    lane = NULL;
}

void
world_close(void)
{
    world_stop();
    fake_close(&fake);
    dead_close(ctx.dead);
    parked_close(ctx.parked);
    ctx.parked = NULL;
    spool_close(ctx.spool);
    tempdir_remove(root);
}

void
world_start(void)
{
    if ((fake.plugin.flags & IL_PER_EVENT) && !ctx.parked)
        ck_assert_int_eq(parked_open(root, PARKED_MAKE, NULL, &ctx.parked), 0);
    ck_assert_int_eq(lane_new(&spec, &ctx, &lane), 0);
    ck_assert_int_eq(lane_start(lane), 0);
}

/* A new process: nothing but the disk is left.  The fake's memory of what it
 * got stays: it is the far side. */
void
world_restart(void)
{
    world_stop();
    dead_close(ctx.dead);
    parked_close(ctx.parked);
    ctx.parked = NULL;
    spool_close(ctx.spool);
    open_stores();
    fake_restart(&fake);
}

void
world_clock(int seconds)
{
    char made[sizeof clock_file + 4];
    snprintf(made, sizeof made, "%s.new", clock_file);
    FILE *f = fopen(made, "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "%lld\n", seconds * 1000000LL);
    fclose(f);
    ck_assert_int_eq(rename(made, clock_file), 0);
}

void
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

void
durable(void)
{
    while (spool_durable(ctx.spool) < next_position - 1)
        usleep(100);
}

/* n events feature.used with their number as payload. */
void
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

struct lane_status
status(void)
{
    struct lane_status s;
    lane_status(lane, &s);
    return s;
}

struct lane_status
wait_position(uint64_t position)
{
    for (int i = 0; i < 20000 && status().position < position; i++)
        usleep(1000);
    ck_assert_uint_eq(status().position, position);
    return status();
}

void
wait_state(enum lane_state state)
{
    for (int i = 0; i < 20000 && status().state != state; i++)
        usleep(1000);
    ck_assert_str_eq(lane_state_name(status().state), lane_state_name(state));
}

/* The far side has from ... to, each once, in order. */
void
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

void
expect_letters(const char *want)
{
    char got[4096] = "";
    ck_assert_int_eq(dead_each(ctx.dead, LANE, letter_note, got), 0);
    ck_assert_str_eq(got, want);
}

static struct il_plugin step_plugin = { IL_PLUGIN_ABI, .kind = IL_STEP,
                                        .threads = IL_PARALLEL,
                                        .name = "test.step" };

void
with_step(int (*process)(void *, struct il_batch *), void *self)
{
    step_plugin.process = process;
    step = (struct lane_step){ .name = "1",
                               .plugin = &step_plugin,
                               .self = self,
                               .instance = "the step" };
    spec.steps = &step;
    spec.step_count = 1;
}

void
never(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) f;
    (void) b;
    (void) n;
    lane_settle(ack, IL_RETRY, "connection refused");
}

int
world_run(const char *name, const TTest *const *tests, size_t n)
{
    Suite *s = suite_create(name);
    TCase *t = tcase_create(name);
    log_level_set(IL_LOG_ERROR);
    tcase_add_checked_fixture(t, world_open, world_close);
    tcase_set_timeout(t, 60);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
