/* SPDX-License-Identifier: MIT */
#include <testhost.h>

#include <check.h>
#include <errno.h>
#include <ingestlayer/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* 2026-11-29T15:40:20Z */
#define NOW INT64_C(1795966820000000)
#define SECOND INT64_C(1000000)

static struct testhost *t;

static const char *
plugin_path(void)
{
    static char path[4096];
    const char *build = getenv("IL_BUILDDIR");
    snprintf(path, sizeof path, "%s/plugins/clock/.libs/clock.so",
             build ? build : ".");
    return path;
}

static void
setup(void)
{
    t = testhost_new();
    ck_assert_ptr_nonnull(t);
    testhost_clock(t, NOW);
}

static void
teardown(void)
{
    ck_assert_str_eq(testhost_violations(t), "");
    testhost_free(t);
}

static void
begin(const char *config)
{
    ck_assert_msg(!testhost_open(t, plugin_path(), config), "%s",
                  testhost_findings(t));
    ck_assert_int_eq(testhost_start(t), 0);
}

static void
a_moment(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

/* The thread of the plugin emits: its event of this number, from 0 on. */
static const char *
emitted(size_t i)
{
    for (int k = 0; k < 2000 && !testhost_emitted(t, i); k++)
        a_moment();
    ck_assert_msg(testhost_emitted(t, i) != NULL, "no tick %zu", i);
    return testhost_emitted(t, i);
}

static void
expect_tick(size_t i, const char *time, int missed)
{
    char want[200];
    const char *json = emitted(i);
    snprintf(want, sizeof want, "{\"time\":\"2026-11-29T%s\",\"missed\":%d}",
             time, missed);
    ck_assert_msg(strstr(json, want) != NULL, "tick %zu is %s, not %s", i, json,
                  want);
    snprintf(want, sizeof want, "\"tick/test/2026-11-29T%s\"", time);
    ck_assert_msg(strstr(json, want) != NULL, "tick %zu is %s, not %s", i, json,
                  want);
}

/* The thread has asked for its next look: time may go on. */
static void
advance(uint32_t ms)
{
    for (int k = 0; k < 25; k++)
        a_moment();
    testhost_advance(t, ms);
}

static void
settle(size_t ticks)
{
    emitted(ticks - 1);
    testhost_settle_emitted(t, IL_OK);
    for (int k = 0; k < 2000 && testhost_counter(t, "clock_ticks") < ticks; k++)
        a_moment();
    ck_assert_uint_eq(testhost_counter(t, "clock_ticks"), ticks);
}

static void
expect_no_more_than(size_t ticks)
{
    for (int k = 0; k < 25; k++)
        a_moment();
    ck_assert_ptr_null(testhost_emitted(t, ticks));
}

START_TEST(it_strikes_at_times_that_are_aligned)
{
    begin("every = \"1m\"; offset = \"5s\";");
    expect_no_more_than(0);
    for (int k = 0; k < 5; k++)
        advance(10000); /* 15:41:10 */
    expect_tick(0, "15:41:05Z", 0);
    settle(1);
    expect_no_more_than(1);
    for (int k = 0; k < 6; k++)
        advance(10000);
    expect_tick(1, "15:42:05Z", 0);
    settle(2);
    ck_assert_str_eq(testhost_mark(t, "tick"), "1795966925000000");
}
END_TEST

/* Down from 15:41:00 to 15:46:30. */
static void
be_away(const char *config)
{
    begin("every = \"1m\";");
    for (int k = 0; k < 5; k++)
        advance(10000);
    expect_tick(0, "15:41:00Z", 0);
    settle(1);
    testhost_close(t);
    testhost_clock(t, NOW + 370 * SECOND);
    begin(config);
}

START_TEST(the_last_tick_that_was_missed_is_made_up_for)
{
    be_away("every = \"1m\";");
    expect_tick(1, "15:46:00Z", 4);
    expect_no_more_than(2);
    testhost_settle_emitted(t, IL_OK);
    for (int k = 0; k < 1000 && !testhost_counter(t, "clock_skipped"); k++)
        a_moment();
    ck_assert_uint_eq(testhost_counter(t, "clock_skipped"), 4);
}
END_TEST

START_TEST(all_of_them_are_where_it_says_so)
{
    static const char *const times[] = { "15:42:00Z", "15:43:00Z", "15:44:00Z",
                                         "15:45:00Z", "15:46:00Z" };
    be_away("every = \"1m\"; missed = \"all\";");
    for (size_t i = 0; i < 5; i++)
        expect_tick(i + 1, times[i], 0);
    expect_no_more_than(6);
}
END_TEST

START_TEST(none_of_them_is_where_it_says_so)
{
    be_away("every = \"1m\"; missed = \"none\";");
    expect_no_more_than(1);
    for (int k = 0; k < 5; k++)
        advance(10000);
    expect_tick(1, "15:47:00Z", 0);
}
END_TEST

/* A tick that was not durable comes again, with the same id. */
START_TEST(what_was_not_taken_comes_again)
{
    begin("every = \"1m\";");
    testhost_emit_result(t, -EAGAIN);
    for (int k = 0; k < 5; k++)
        advance(10000);
    expect_no_more_than(0);
    ck_assert_int_eq(testhost_room(t), 1);
    expect_tick(0, "15:41:00Z", 0);
    testhost_settle_emitted(t, IL_RETRY);
    expect_tick(1, "15:41:00Z", 0);
    ck_assert_ptr_null(testhost_mark(t, "tick"));
    settle(1);
    ck_assert_str_eq(testhost_mark(t, "tick"), "1795966860000000");
}
END_TEST

START_TEST(a_clock_that_was_set_back_strikes_on)
{
    testhost_mark_set(t, "tick", "1895966860000000");
    begin("every = \"1m\";");
    for (int k = 0; k < 5; k++)
        advance(10000);
    expect_tick(0, "15:41:00Z", 0);
    ck_assert_ptr_nonnull(strstr(testhost_log(t), "in the future"));
}
END_TEST

START_TEST(wrong_times_are_findings)
{
    static const struct {
        const char *config, *says;
    } rows[] = {
        { "every = \"1500ms\";", "whole seconds" },
        { "every = \"1m\"; offset = \"1m\";", "less than every" },
        { "offset = \"1s\";", "every" },
        { "every = \"1m\"; missed = \"some\";", "missed" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_lt(testhost_open(t, plugin_path(), rows[i].config), 0);
        ck_assert_msg(strstr(testhost_findings(t), rows[i].says) != NULL,
                      "%s: %s", rows[i].config, testhost_findings(t));
        testhost_close(t);
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("clock");
    TCase *c = tcase_create("clock");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, it_strikes_at_times_that_are_aligned);
    tcase_add_test(c, the_last_tick_that_was_missed_is_made_up_for);
    tcase_add_test(c, all_of_them_are_where_it_says_so);
    tcase_add_test(c, none_of_them_is_where_it_says_so);
    tcase_add_test(c, what_was_not_taken_comes_again);
    tcase_add_test(c, a_clock_that_was_set_back_strikes_on);
    tcase_add_test(c, wrong_times_are_findings);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
