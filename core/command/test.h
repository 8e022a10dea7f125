/* SPDX-License-Identifier: MIT */
/* Shared by command_test*.c: one test's verdict, and how it is told. */
#ifndef COMMAND_TEST_H
#define COMMAND_TEST_H

#include "host/trial.h"

#include <stdio.h>

/* What was expected and what came, at one place of a row or a request. */
struct test_difference {
    const char *at, *expected, *got;
};

/* An expectation that does not hold. */
struct test_failure {
    struct conf_place place;
    const char *what;
    struct test_difference *differences;
    size_t count;
};

/* Of one test.  All memory is the result's. */
struct test_verdict {
    const struct trial_case *test;
    const struct trial_result *result;
    struct test_failure *failures;
    size_t count;
    int64_t took_us;
};

/* --- test_judge.c --- */

/* What became of an event in a lane; *sight says more where it was delivered,
 * dropped by a step, or is a letter.  It has a position. */
enum test_fate {
    TEST_NOT_TAKEN, /* its pipeline does not match it */
    TEST_NOT_RUN,
    TEST_DEAD,
    TEST_DELIVERED,
    TEST_DROPPED,
    TEST_WHEN,
    TEST_ASIDE /* it would come again */
};
enum test_fate command_test_fate(const struct trial_result *, size_t event,
                                 uint32_t lane,
                                 const struct trial_sight **sight);

/* Look at what came of a test: fills in the failures. */
void command_test_judge(struct test_verdict *);
/* Begin a failure, and tell a difference of the last one that was begun. */
void command_test_failure(struct test_verdict *, struct conf_place,
                          const char *fmt, ...) IL_PRINTF(3, 4);
void command_test_differs(struct test_verdict *, const char *at,
                          const char *expected, const char *got);

/* --- test_compare.c --- */

/* A row (an object of texts and nulls, in JSON), or a request as render() shows
 * it, against a group; each difference makes one of the last failure.  0, or how
 * many there are. */
size_t command_test_row(struct test_verdict *, const struct config_setting_t *,
                        const char *row);
size_t command_test_request(struct test_verdict *,
                            const struct config_setting_t *,
                            const char *request);

/* As render() of a destination that sends requests shows one: a line with method
 * and URL, headers, an empty line, the body. */
struct test_request {
    struct slice method, url, headers, body;
};
void command_test_request_read(const char *text, struct test_request *out);

/* --- test_report.c --- */

struct test_report {
    FILE *junit; /* NULL: not wanted */
    int json, verbose;
    const char *file;
    size_t passed, failed, errors; /* errors: files */
    struct il_text suites; /* what goes into junit at the end */
    struct il_text cases;  /* of the file at hand */
    size_t file_tests, file_failures;
};

void command_test_report(struct test_report *, const struct test_verdict *);
/* The file is done: all of its tests were told. */
void command_test_report_file(struct test_report *);
/* The file is wrong, and none of its tests were run. */
void command_test_report_broken(struct test_report *);
/* All are.  0 or 1: it could not be written. */
int command_test_report_end(struct test_report *);

/* JSON against a group, likewise. */
size_t command_test_object(struct test_verdict *,
                           const struct config_setting_t *, const char *json);

/* --- test_record.c --- */

struct test_recording {
    const char *event; /* its id or key */
    const char *config, *state_dir;
    const char *folder; /* an empty one */
    const struct catalog *catalog;
};
/* Print a file of tests with one made of an event in the spool.  0, or 1 after a
 * message. */
int command_test_record(const struct test_recording *);

#endif
