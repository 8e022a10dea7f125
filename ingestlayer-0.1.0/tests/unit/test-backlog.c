/* SPDX-License-Identifier: MIT */
/* What is undelivered, as lanes pass it. */
#include "gate/backlog.h"

#include <check.h>

static uint64_t passed;

static uint64_t
say_passed(void *arg)
{
    (void) arg;
    return passed;
}

static struct backlog
make(uint64_t max)
{
    passed = 0;
    return (struct backlog){ .max = max, .passed = say_passed };
}

START_TEST(it_shrinks_as_lanes_pass)
{
    struct backlog b = make(1280);
    for (uint64_t i = 1; i <= 10; i++)
        gate_backlog_add(&b, i, 100);
    ck_assert_uint_eq(gate_backlog_bytes(&b, 1), 1000);
    passed = 4;
    ck_assert_uint_eq(gate_backlog_bytes(&b, 1), 600);
    passed = UINT64_MAX;
    ck_assert_uint_eq(gate_backlog_bytes(&b, 1), 0);
}
END_TEST

START_TEST(any_number_of_events_is_counted_to_a_hundredth)
{
    struct backlog b = make(1000000);
    uint64_t total = 0, position = 0;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 3000; i++)
            gate_backlog_add(&b, ++position, 100);
        total += 300000;
        passed += 2900;
        uint64_t is = gate_backlog_bytes(&b, 1), exact = total - passed * 100;
        ck_assert_uint_ge(is, exact);
        ck_assert_uint_le(is, exact + 10000);
    }
    ck_assert_uint_le(b.live.count, BACKLOG_SUMS);
}
END_TEST

/* Far above the limit: one source's events keep coming, as an operator's do. */
START_TEST(sums_do_not_run_out)
{
    struct backlog b = make(1280);
    for (uint64_t i = 1; i <= 100000; i++)
        gate_backlog_add(&b, i, 1000);
    ck_assert_uint_eq(gate_backlog_bytes(&b, 1), 100000000);
    passed = 99999;
    ck_assert_uint_gt(gate_backlog_bytes(&b, 1), 0);
    passed = 100000;
    ck_assert_uint_eq(gate_backlog_bytes(&b, 1), 0);
}
END_TEST

START_TEST(what_was_there_before_is_counted_beside_it)
{
    struct backlog b = make(12800);
    gate_backlog_add(&b, 1001, 5000);
    gate_backlog_old(&b, 900, 200);
    gate_backlog_old(&b, 1000, 300);
    ck_assert_uint_eq(gate_backlog_bytes(&b, 1), 5500);
    passed = 950;
    ck_assert_uint_eq(gate_backlog_bytes(&b, 1), 5300);
    passed = 1000;
    ck_assert_uint_eq(gate_backlog_bytes(&b, 1), 5000);
}
END_TEST

START_TEST(the_time_to_wait_is_that_of_the_destination)
{
    struct backlog b = make(1000000);
    int64_t now = 1000000;
    for (uint64_t i = 1; i <= 1000; i++)
        gate_backlog_add(&b, i, 2000);
    gate_backlog_bytes(&b, now);
    ck_assert_uint_eq(gate_backlog_retry_after(&b), 60); /* nothing moves */
    for (int i = 0; i < 50; i++) {
        passed += 5; /* 10,000 bytes a second */
        now += 1000000;
        gate_backlog_bytes(&b, now);
    }
    /* 500,000 of 1,000,000 too many are left */
    uint32_t seconds = gate_backlog_retry_after(&b);
    ck_assert_uint_ge(seconds, 45);
    ck_assert_uint_le(seconds, 60);
    passed = 1000;
    gate_backlog_bytes(&b, now);
    ck_assert_uint_eq(gate_backlog_retry_after(&b), 1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("backlog");
    TCase *t = tcase_create("backlog");
    tcase_add_test(t, it_shrinks_as_lanes_pass);
    tcase_add_test(t, any_number_of_events_is_counted_to_a_hundredth);
    tcase_add_test(t, sums_do_not_run_out);
    tcase_add_test(t, what_was_there_before_is_counted_beside_it);
    tcase_add_test(t, the_time_to_wait_is_that_of_the_destination);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
