/* SPDX-License-Identifier: MIT */
/* filter.match: what it keeps, what it drops, and what it refuses. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testhost.h"

static struct testhost *host;

static int
open_match(const char *config)
{
    char path[4096];
    const char *build = getenv("IL_BUILDDIR");
    snprintf(path, sizeof path, "%s/plugins/filter.match/.libs/filter.match.so",
             build ? build : ".");
    return testhost_open(host, path, config);
}

static void
must_open(const char *config)
{
    if (open_match(config))
        ck_abort_msg("%s", testhost_findings(host));
}

static void
setup(void)
{
    host = testhost_new();
    ck_assert_ptr_nonnull(host);
}

static void
teardown(void)
{
    testhost_free(host);
}

static void
add(const char *payload)
{
    static char json[21000];
    snprintf(json, sizeof json, "{\"type\":\"feature.used\",\"payload\":%s}",
             payload);
    ck_assert_int_eq(testhost_event(host, json), 0);
}

START_TEST(keeps_what_matches_and_drops_the_rest)
{
    static const struct {
        const char *payload;
        int state;
    } rows[] = {
        { "{\"feature\":\"export\"}", TESTHOST_KEPT },
        { "{\"feature\":\"csv.export\"}", TESTHOST_KEPT },
        { "{\"feature\":\"search\"}", TESTHOST_DROPPED },
        { "{}", TESTHOST_DROPPED },
        { "{\"feature\":\"api.read\"}", TESTHOST_KEPT },
        { "{\"feature\":7}", TESTHOST_DROPPED },
    };
    must_open("where = \"feature in {export, *.export, api, api.*}\";");
    for (uint32_t i = 0; i < sizeof rows / sizeof *rows; i++)
        add(rows[i].payload);
    ck_assert_int_eq(testhost_process(host), 0);
    for (uint32_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(testhost_state(host, i) == rows[i].state,
                      "%s: expected %d, got %d", rows[i].payload, rows[i].state,
                      testhost_state(host, i));
}
END_TEST

START_TEST(leaves_the_payload_as_it_is)
{
    static const char payload[] =
        "{\"n\":1.10,\"big\":18446744073709551616,\"t\":\"\\u0000\"}";
    must_open("where = \"n == 1.1\";");
    add(payload);
    ck_assert_int_eq(testhost_process(host), 0);
    ck_assert_int_eq(testhost_state(host, 0), TESTHOST_KEPT);
    ck_assert_str_eq(testhost_payload(host, 0), payload);
}
END_TEST

/* A batch comes again after a failed delivery: the answer is the same. */
START_TEST(decides_the_same_again)
{
    must_open("where = \"feature matches '^a+$'\";");
    for (int attempt = 0; attempt < 3; attempt++) {
        testhost_clear(host);
        add("{\"feature\":\"aaa\"}");
        add("{\"feature\":\"aab\"}");
        ck_assert_int_eq(testhost_process(host), 0);
        ck_assert_int_eq(testhost_state(host, 0), TESTHOST_KEPT);
        ck_assert_int_eq(testhost_state(host, 1), TESTHOST_DROPPED);
    }
}
END_TEST

/* What could not be looked at passes neither way. */
START_TEST(a_regex_at_its_limit_is_a_dead_letter)
{
    static char payload[20100];
    memset(payload, 'a', sizeof payload);
    memcpy(payload, "{\"text\":\"", 9);
    strcpy(payload + 20000, "\"}");
    static const char *const wheres[] = {
        "where = \"not text matches secret\";",
        "where = \"text matches secret\";",
    };
    for (size_t i = 0; i < 2; i++) {
        testhost_free(host);
        host = testhost_new();
        must_open(wheres[i]);
        add(payload);
        ck_assert_int_eq(testhost_process(host), 0);
        ck_assert_int_eq(testhost_state(host, 0), TESTHOST_REJECTED);
        ck_assert_str_eq(testhost_reason(host, 0)->code, "regex_limit");
    }
    /* where something else decides it does not matter */
    testhost_free(host);
    host = testhost_new();
    must_open("where = \"exists(text) or text matches secret\";");
    add(payload);
    ck_assert_int_eq(testhost_process(host), 0);
    ck_assert_int_eq(testhost_state(host, 0), TESTHOST_KEPT);
}
END_TEST

START_TEST(reads_the_envelope)
{
    must_open("where = \"$event.type == feature.used and "
              "$event.received_at < '2100-01-01T00:00:00Z'\";");
    add("{}");
    ck_assert_int_eq(testhost_event(host, "{\"type\":\"other\","
                                          "\"payload\":{}}"),
                     0);
    ck_assert_int_eq(testhost_process(host), 0);
    ck_assert_int_eq(testhost_state(host, 0), TESTHOST_KEPT);
    ck_assert_int_eq(testhost_state(host, 1), TESTHOST_DROPPED);
}
END_TEST

START_TEST(a_wrong_expression_is_refused_with_its_place)
{
    ck_assert_int_lt(open_match("where = \"feature = export\";"), 0);
    const char *findings = testhost_findings(host);
    ck_assert_msg(strstr(findings, "where") && strstr(findings, "write ==")
                      && strstr(findings, "\n    feature = export\n"
                                          "            ^\n"),
                  "%s", findings);
}
END_TEST

START_TEST(where_is_required)
{
    ck_assert_int_lt(open_match(""), 0);
    ck_assert_msg(strstr(testhost_findings(host), "where"), "%s",
                  testhost_findings(host));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("filter.match");
    TCase *tc = tcase_create("filter.match");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, keeps_what_matches_and_drops_the_rest);
    tcase_add_test(tc, leaves_the_payload_as_it_is);
    tcase_add_test(tc, decides_the_same_again);
    tcase_add_test(tc, a_regex_at_its_limit_is_a_dead_letter);
    tcase_add_test(tc, reads_the_envelope);
    tcase_add_test(tc, a_wrong_expression_is_refused_with_its_place);
    tcase_add_test(tc, where_is_required);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
