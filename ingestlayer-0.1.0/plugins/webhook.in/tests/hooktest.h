/* SPDX-License-Identifier: MIT */
/* For the tests of webhook.in: one instance in a test host. */
#ifndef HOOKTEST_H
#define HOOKTEST_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testhost.h"

static struct testhost *host;

static inline int
try_open(const char *config)
{
    char path[4096];
    const char *build = getenv("IL_BUILDDIR");
    snprintf(path, sizeof path, "%s/plugins/webhook.in/.libs/webhook.in.so",
             build ? build : ".");
    return testhost_open(host, path, config);
}

/* With token "tok" and a clock that stands at so many seconds since 1970. */
static inline void
must_open(const char *config, int64_t now)
{
    char text[2000];
    snprintf(text, sizeof text, "token = \"tok\"; %s", config);
    if (now)
        testhost_clock(host, now * 1000000);
    if (try_open(text))
        ck_abort_msg("%s", testhost_findings(host));
    ck_assert_int_eq(testhost_start(host), 0);
}

static inline int
post(const char *headers, const char *body)
{
    return testhost_request(host, "POST", "/whk/tok", headers, body,
                            strlen(body));
}

/* The answer's status, and for errors its code. */
static inline void
expect(const char *headers, const char *body, int status, const char *code)
{
    char part[100];
    int got = post(headers, body);
    ck_assert_msg(got == status, "%s\n%s: expected %d, got %d: %s",
                  headers ? headers : "", body, status, got,
                  testhost_answer(host));
    snprintf(part, sizeof part, "\"code\":\"%s\"", code ? code : "");
    if (code)
        ck_assert_msg(strstr(testhost_answer(host), part) != NULL,
                      "expected %s in %s", part, testhost_answer(host));
}

/* The n-th event, as the test host shows it. */
static inline void
expect_event(size_t n, const char *json)
{
    const char *got = testhost_emitted(host, n);
    ck_assert_msg(got && !strcmp(got, json), "expected %s, got %s", json,
                  got ? got : "no event");
}

static inline void
setup(void)
{
    host = testhost_new();
    ck_assert_ptr_nonnull(host);
}

static inline void
teardown(void)
{
    testhost_free(host);
}

static inline int
run_cases(const char *name, const TTest *const *cases, size_t n)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(tcase, cases[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

#endif
