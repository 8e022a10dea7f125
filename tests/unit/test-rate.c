/* SPDX-License-Identifier: MIT */
/* Rates: how they are written, and how buckets fill. */
#include "base/rate.h"

#include <check.h>

#define S INT64_C(1000000000)

static struct bucket
bucket_of(const char *text, uint64_t burst)
{
    struct bucket b = { .full_ns = 0 };
    const char *why;
    ck_assert_int_eq(rate_parse(text, &b.rate, &why), 0);
    if (burst)
        b.rate.burst = burst;
    return b;
}

START_TEST(a_rate_is_a_number_and_a_time)
{
    static const struct {
        const char *text;
        uint64_t events, seconds;
    } good[] = { { "1000/s", 1000, 1 },
                 { "600/m", 600, 60 },
                 { "1/h", 1, 3600 },
                 { "7/d", 7, 86400 },
                 { "100/10s", 100, 10 },
                 { "1000000000/1w", 1000000000, 604800 } };
    static const char *const bad[]
        = { "",      "1000",   "/s",        "0/s",          "-1/s",
            "1000/", "10/0s",  "1.5/s",     "1000000001/s", "1000 /s",
            "10/s ", "10/sec", "10/2000d",  "10/1",         "10//s",
            "10/ms1" };
    struct rate r;
    const char *why;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_int_eq(rate_parse(good[i].text, &r, &why), 0);
        ck_assert_uint_eq(r.events, good[i].events);
        ck_assert_uint_eq(r.burst, good[i].events);
        ck_assert_uint_eq(r.per_ns, good[i].seconds * (uint64_t) S);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(rate_parse(bad[i], &r, &why) != 0, "%s", bad[i]);
        ck_assert_ptr_nonnull(why);
    }
}
END_TEST

START_TEST(what_is_told_to_wait_is_true)
{
    struct bucket b = bucket_of("10/s", 0);
    int64_t now = 5 * S;
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(rate_wait_ns(&b, 1, now), 0);
        rate_take(&b, 1, now);
    }
    ck_assert_int_eq(rate_wait_ns(&b, 1, now), S / 10);
    ck_assert_int_eq(rate_wait_ns(&b, 4, now), 4 * S / 10);
    /* a moment before and at that time */
    ck_assert_int_eq(rate_wait_ns(&b, 4, now + 4 * S / 10 - 1), 1);
    ck_assert_int_eq(rate_wait_ns(&b, 4, now + 4 * S / 10), 0);
    /* it holds no more than the burst */
    ck_assert_int_eq(rate_wait_ns(&b, 10, now + 100 * S), 0);
    rate_take(&b, 10, now + 100 * S);
    ck_assert_int_gt(rate_wait_ns(&b, 1, now + 100 * S), 0);
}
END_TEST

START_TEST(over_time_the_rate_holds)
{
    struct bucket b = bucket_of("3/s", 0); /* a third is no whole number */
    int64_t now = 0;
    uint64_t taken = 0;
    for (now = 0; now < 1000 * S; now += 7777777)
        if (!rate_wait_ns(&b, 1, now)) {
            rate_take(&b, 1, now);
            taken++;
        }
    ck_assert_uint_ge(taken, 2970);
    ck_assert_uint_le(taken, 3003);
}
END_TEST

START_TEST(a_batch_above_the_burst_waits_for_a_full_bucket_and_owes)
{
    struct bucket b = bucket_of("100/s", 50);
    int64_t now = S;
    ck_assert_int_eq(rate_wait_ns(&b, 500, now), 0);
    rate_take(&b, 500, now);
    /* 450 are owed, and one more is wanted */
    ck_assert_int_eq(rate_wait_ns(&b, 1, now), 451 * S / 100);
    ck_assert_int_eq(rate_wait_ns(&b, 500, now), 5 * S);
    ck_assert_int_eq(rate_wait_ns(&b, 500, now + 5 * S), 0);
}
END_TEST

START_TEST(nothing_overflows)
{
    struct bucket b = bucket_of("1/366d", 1000000000);
    for (int i = 0; i < 100; i++)
        rate_take(&b, UINT32_MAX, i);
    ck_assert_int_gt(rate_wait_ns(&b, 1, 100), 0);
    ck_assert_uint_eq(rate_seconds(INT64_MAX), UINT32_MAX);
    ck_assert_uint_eq(rate_seconds(0), 1);
    ck_assert_uint_eq(rate_seconds(S + 1), 2);
    struct bucket none = { .full_ns = 0 };
    rate_take(&none, 1, 1);
    ck_assert_int_eq(rate_wait_ns(&none, 1000, 1), 0);
}
END_TEST

START_TEST(who_does_not_wait_is_not_heard_until_the_time_told)
{
    struct limit l = { .bucket = bucket_of("100/s", 0) };
    int64_t now = S;
    ck_assert_int_eq(rate_limit_ask(&l, 100, now), 0);
    rate_limit_take(&l, 100, now);
    for (int i = 0; i < LIMIT_PATIENCE; i++) {
        ck_assert_int_eq(rate_limit_refuses_ns(&l, now), 0);
        ck_assert_int_eq(rate_limit_ask(&l, 50, now), S / 2);
    }
    ck_assert_int_eq(rate_limit_refuses_ns(&l, now), S / 2);
    now += S / 2;
    ck_assert_int_eq(rate_limit_refuses_ns(&l, now), 0);
    ck_assert_int_eq(rate_limit_ask(&l, 50, now), 0);
    rate_limit_take(&l, 50, now);
    ck_assert_int_gt(rate_limit_ask(&l, 50, now), 0);
    ck_assert_int_eq(rate_limit_refuses_ns(&l, now), 0);
}
END_TEST

START_TEST(a_rate_in_place_of_another_begins_with_what_was_taken)
{
    struct limit before = { .bucket = bucket_of("5/h", 0) };
    int64_t now = S;
    rate_limit_take(&before, 5, now);
    for (int i = 0; i <= LIMIT_PATIENCE; i++)
        ck_assert_int_eq(rate_limit_ask(&before, 1, now), 720 * S);

    struct limit same = { .bucket = bucket_of("5/h", 0) };
    rate_limit_follow(&same, &before, now);
    ck_assert_int_eq(rate_limit_refuses_ns(&same, now), 720 * S);
    ck_assert_int_eq(rate_wait_ns(&same.bucket, 1, now), 720 * S);

    struct limit faster = { .bucket = bucket_of("10/s", 0) };
    rate_limit_follow(&faster, &before, now);
    ck_assert_int_eq(rate_limit_refuses_ns(&faster, now), 0);
    ck_assert_int_eq(rate_wait_ns(&faster.bucket, 5, now), 0);
    ck_assert_int_eq(rate_wait_ns(&faster.bucket, 6, now), S / 10);

    struct limit none = { .bucket = { .rate = { .events = 0 } } };
    rate_limit_follow(&none, &before, now);
    ck_assert_int_eq(rate_limit_ask(&none, 1000000, now), 0);
    struct limit again = { .bucket = bucket_of("5/h", 0) };
    rate_limit_follow(&again, &none, now);
    ck_assert_int_eq(rate_wait_ns(&again.bucket, 5, now), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("rate");
    TCase *t = tcase_create("rate");
    tcase_add_test(t, a_rate_is_a_number_and_a_time);
    tcase_add_test(t, what_is_told_to_wait_is_true);
    tcase_add_test(t, over_time_the_rate_holds);
    tcase_add_test(t, a_batch_above_the_burst_waits_for_a_full_bucket_and_owes);
    tcase_add_test(t, nothing_overflows);
    tcase_add_test(t, who_does_not_wait_is_not_heard_until_the_time_told);
    tcase_add_test(t, a_rate_in_place_of_another_begins_with_what_was_taken);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
