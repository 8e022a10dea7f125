/* SPDX-License-Identifier: MIT */
/* Waiting until a time of the monotonic clock. */
#include "base/clock.h"
#include "base/cond.h"

#include <check.h>
#include <errno.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond;
static int signalled;

static void
setup(void)
{
    signalled = 0;
    ck_assert_int_eq(cond_init(&cond), 0);
    pthread_mutex_lock(&lock);
}

static void
teardown(void)
{
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&cond);
}

START_TEST(a_deadline_ends_a_wait_and_not_sooner)
{
    int64_t begin_us = clock_monotonic_us(), until_us = begin_us + 1050000;
    int err = 0;
    while (!err)
        err = cond_wait_until(&cond, &lock, until_us);
    ck_assert_int_eq(err, -ETIMEDOUT);
    ck_assert_int_ge(clock_monotonic_us(), until_us);
}
END_TEST

START_TEST(one_that_has_passed_ends_it_at_once)
{
    int64_t begin_us = clock_monotonic_us();
    ck_assert_int_eq(cond_wait_until(&cond, &lock, begin_us - 5), -ETIMEDOUT);
    ck_assert_int_eq(cond_wait_until(&cond, &lock, 0), -ETIMEDOUT);
    ck_assert_int_eq(cond_wait_until(&cond, &lock, INT64_MIN), -ETIMEDOUT);
    ck_assert_int_lt(clock_monotonic_us() - begin_us, 5000000);
}
END_TEST

static void *
signal_soon(void *arg)
{
    (void) arg;
    usleep(30000);
    pthread_mutex_lock(&lock);
    signalled = 1;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&lock);
    return NULL;
}

START_TEST(a_signal_ends_it_long_before)
{
    static const int64_t far[] = { 3600000000, INT64_MAX };
    pthread_t thread;
    int64_t begin_us = clock_monotonic_us();
    int64_t until_us = _i ? far[_i] : begin_us + far[_i];
    ck_assert_int_eq(pthread_create(&thread, NULL, signal_soon, NULL), 0);
    while (!signalled)
        ck_assert_int_eq(cond_wait_until(&cond, &lock, until_us), 0);
    ck_assert_int_lt(clock_monotonic_us() - begin_us, 60000000);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    pthread_mutex_lock(&lock);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("cond");
    TCase *c = tcase_create("cond");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 120);
    suite_add_tcase(s, c);
    tcase_add_test(c, a_deadline_ends_a_wait_and_not_sooner);
    tcase_add_test(c, one_that_has_passed_ends_it_at_once);
    tcase_add_loop_test(c, a_signal_ends_it_long_before, 0, 2);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
