/* SPDX-License-Identifier: MIT */
/* Plugins that do what they must not with a batch: it is reported, and the lane
 * goes on as if they had not. */
#include "codec/msg_read.h"
#include "lane_world.h"
#include "base/api.h"
#include "codec/json.h"
#include "host/api.h"
#include "plugin/instance.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char said[4096]; /* faults of the destination, a line each */
static int attempts;

static void
note_fault(const struct il_host *h, const char *fmt, ...)
{
    char line[400];
    va_list ap;
    (void) h;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&lock);
    snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", line);
    pthread_mutex_unlock(&lock);
}

static void
expect_said(const char *want)
{
    pthread_mutex_lock(&lock);
    ck_assert_str_eq(said, want);
    pthread_mutex_unlock(&lock);
}

static void
start(void)
{
    said[0] = 0;
    spec.fault = note_fault;
    world_start();
}

#define TWICE "settled a batch a second time, which counts for nothing\n"

/* --- settling ------------------------------------------------------------- */

static void
ok_then_reject(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    fake_ok(f, b, ack);
    il_settle(ack, IL_REJECT, "no, it was not");
}

START_TEST(the_first_of_two_settles_holds)
{
    fake_act(&fake, ok_then_reject);
    events(1);
    start();
    wait_position(1);
    fake_stop(&fake);
    expect_range(1, 1);
    expect_letters("");
    expect_said(TWICE);
}
END_TEST

static struct il_ack *first_ack;

/* Of the attempt before, once the batch is there again. */
static void
settle_late(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    if (n == 0) {
        first_ack = ack;
        il_settle(ack, IL_RETRY, "away");
        return;
    }
    il_settle(first_ack, IL_REJECT, "never");
    fake_ok(f, b, ack);
}

START_TEST(a_late_second_settle_hits_no_other_attempt)
{
    fake_act(&fake, settle_late);
    events(3);
    start();
    wait_position(3);
    expect_range(1, 3);
    expect_letters("");
    expect_said(TWICE);
}
END_TEST

static void
settle_later_still(struct fake *f, struct il_batch *b, struct il_ack *ack,
                   int n)
{
    if (n == 0)
        first_ack = ack;
    else
        il_settle(first_ack, IL_REJECT, "never");
    fake_ok(f, b, ack);
}

START_TEST(nor_another_batch)
{
    fake_act(&fake, settle_later_still);
    spec.batch_events = 1;
    events(20);
    start();
    wait_position(20);
    expect_range(1, 20);
    expect_letters("");
}
END_TEST

static void
settle_with_42(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    if (n < 2)
        il_settle(ack, n ? -1 : 42, NULL);
    else
        fake_ok(f, b, ack);
}

START_TEST(an_unknown_outcome_is_a_retry)
{
    fake_act(&fake, settle_with_42);
    events(2);
    start();
    wait_position(2);
    expect_range(1, 2);
    ck_assert_uint_eq(status().retries, 2);
    expect_said("settled a batch with the outcome 42, which there is not\n"
                "settled a batch with the outcome -1, which there is not\n");
}
END_TEST

static int
settle_and_fail(void *self, struct il_batch *b, struct il_ack *ack)
{
    fake_ok(self, b, ack);
    return -EIO;
}

START_TEST(an_error_after_settle_changes_nothing)
{
    fake.plugin.write = settle_and_fail;
    events(3);
    start();
    wait_position(3);
    world_stop();
    expect_range(1, 3);
    ck_assert_uint_eq(fake_count(&fake), 3);
    expect_said("settled a batch and then returned an error from write() "
                "(Input/output error); what it settled holds\n");
}
END_TEST

static int
fail_and_settle(void *self, struct il_batch *b, struct il_ack *ack)
{
    if (!attempts++) {
        first_ack = ack;
        return -EIO;
    }
    il_settle(first_ack, IL_REJECT, "never");
    fake_ok(self, b, ack);
    return 0;
}

START_TEST(nor_does_a_settle_after_an_error)
{
    fake.plugin.write = fail_and_settle;
    attempts = 0;
    events(3);
    start();
    wait_position(3);
    world_stop();
    expect_range(1, 3);
    expect_letters("");
    expect_said(TWICE);
}
END_TEST

/* --- whose turn it is ----------------------------------------------------- */

static const struct il_reason because = { IL_SIZED(struct il_reason),
                                          .code = "because",
                                          .message = "of that" };

/* What steps alone may do. */
static void
expect_no_edits(struct il_batch *b)
{
    struct il_place *place;
    struct il_kind *kind = batch_kind("user", 4);
    struct il_value v = { .type = IL_MAP };
    struct il_entity entity;
    ck_assert_int_eq(api_table()->place_named(NULL, "n", &place), 0);
    ck_assert_int_eq(il_drop(b, 0), -EPERM);
    ck_assert_int_eq(il_set_str(b, 0, place, "x", 1), -EPERM);
    ck_assert_int_eq(il_remove(b, 0, place), -EPERM);
    ck_assert_int_eq(il_set_payload(b, 0, IL_JSON, "{}", 2), -EPERM);
    ck_assert_int_eq(il_entity_attach(b, 0, kind, &v), -EPERM);
    ck_assert_int_eq(il_entity_find(b, kind, "u", 1, &entity), -EPERM);
    il_entity_hint(b, kind, "u", 1);
    api_table()->place_free(place);
}

/* What destinations alone may do. */
static void
expect_no_marks(struct il_batch *b)
{
    ck_assert_int_eq(il_unreject(b, 0), -EPERM);
    ck_assert_int_eq(il_keep(b, 0), -EPERM);
    ck_assert_int_eq(il_prepare(b), -EPERM);
}

static void
edit_and_deliver(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    struct slice before = b->events[0].ev.payload;
    expect_no_edits(b);
    ck_assert_ptr_eq(b->events[0].ev.payload.ptr, before.ptr);
    ck_assert_ptr_null(b->events[0].entities);
    ck_assert(il_live(b, 0));
    ck_assert_int_eq(il_reject(b, 0, &because), 0);
    ck_assert_int_eq(il_unreject(b, 0), 0);
    ck_assert_int_eq(il_keep(b, 1), 0);
    ck_assert_int_eq(il_prepare(b), 0);
    /* The batch is still there where nobody takes its memory. */
    pthread_mutex_lock(&f->lock);
    f->got[f->got_count++] = 1;
    pthread_mutex_unlock(&f->lock);
    il_settle(ack, IL_OK, NULL);
#ifndef __SANITIZE_THREAD__ /* the lane is clearing it: that is the fault */
    expect_no_edits(b);
    expect_no_marks(b);
    ck_assert_int_eq(il_reject(b, 0, &because), -EPERM);
#endif
}

START_TEST(a_destination_marks_and_never_edits)
{
    fake_act(&fake, edit_and_deliver);
    events(2);
    start();
    wait_position(2);
    world_stop();
    expect_letters("");
}
END_TEST

static void *
edit_elsewhere(void *b)
{
    expect_no_edits(b);
    expect_no_marks(b);
    ck_assert_int_eq(il_reject(b, 0, &because), -EPERM);
    return NULL;
}

static struct il_batch *lent;

static int
step_tries_all(void *self, struct il_batch *b)
{
    pthread_t other;
    (void) self;
    lent = b;
    expect_no_marks(b);
    ck_assert_int_eq(pthread_create(&other, NULL, edit_elsewhere, b), 0);
    pthread_join(other, NULL);
    ck_assert_int_eq(il_drop(b, 0), 0);
    ck_assert_int_eq(il_drop(b, 0), 0);
    ck_assert_int_eq(il_reject(b, 1, &because), 0);
    ck_assert_int_eq(il_set_payload(b, 2, IL_JSON, "{\"n\":0}", 7), 0);
    return 0;
}

START_TEST(a_step_edits_in_process_and_its_thread)
{
    with_step(step_tries_all, NULL);
    events(3);
    start();
    wait_position(3);
    world_stop();
    expect_letters("2:because ");
    ck_assert_uint_eq(fake_count(&fake), 1);
    ck_assert_uint_eq(fake.got[0], 3);
}
END_TEST

static void
note_payloads(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    struct il_text out = { 0 };
    (void) n;
    for (uint32_t i = 0; i < b->count; i++) {
        const char *p = b->events[i].ev.payload.ptr;
        struct il_value v;
        ck_assert(il_live(b, i));
        ck_assert_ptr_null(b->events[i].entities);
        ck_assert_int_eq(msg_head(&p, p + b->events[i].ev.payload.len, &v),
                         0);
        ck_assert_int_ge(json_write(&out, &v, 0), 0);
    }
    ck_assert_str_eq(text_str(&out), "{\"n\":1}{\"n\":2}{\"n\":3}{\"n\":4}");
    text_clear(&out);
    fake_ok(f, b, ack);
}

/* Edits all it can, and fails; the second time it does neither. */
static int
step_fails_once(void *self, struct il_batch *b)
{
    struct il_place *place;
    struct il_value map = { .type = IL_MAP };
    (void) self;
    if (attempts++)
        return 0;
    ck_assert_int_eq(api_table()->place_named(NULL, "n", &place), 0);
    ck_assert_int_eq(il_drop(b, 0), 0);
    ck_assert_int_eq(il_reject(b, 1, &because), 0);
    ck_assert_int_eq(il_set_str(b, 2, place, "x", 1), 0);
    ck_assert_int_eq(il_remove(b, 3, place), 1);
    ck_assert_int_eq(il_entity_attach(b, 3, batch_kind("user", 4), &map), 0);
    api_table()->place_free(place);
    return -ENOMEM;
}

START_TEST(edits_of_a_pass_that_failed_are_undone)
{
    attempts = 0;
    with_step(step_fails_once, NULL);
    fake_act(&fake, note_payloads);
    events(4);
    start();
    struct lane_status s = wait_position(4);
    expect_range(1, 4);
    expect_letters("");
    ck_assert_uint_eq(s.dropped, 0);
    ck_assert_int_eq(attempts, 2);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        the_first_of_two_settles_holds,
        a_late_second_settle_hits_no_other_attempt,
        nor_another_batch,
        an_unknown_outcome_is_a_retry,
        an_error_after_settle_changes_nothing,
        nor_does_a_settle_after_an_error,
        a_destination_marks_and_never_edits,
        a_step_edits_in_process_and_its_thread,
        edits_of_a_pass_that_failed_are_undone,
    };
    host_api_init();
    return world_run("lane-faults", tests, sizeof tests / sizeof *tests);
}
