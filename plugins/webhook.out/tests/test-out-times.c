/* SPDX-License-Identifier: MIT */
/* Retry-After in all its forms and in none, the schedule of attempts, and the
 * rate of requests. */
#include "../pace.h"
#include "../retry_after.h"
#include "../schedule.h"
#include "outtest.h"

#include <errno.h>

#define HOUR INT64_C(3600000)
/* Sun, 06 Nov 1994 08:49:37 GMT */
#define THEN INT64_C(784111777)

START_TEST(retry_after_is_read_in_each_form)
{
    static const struct {
        const char *text;
        int64_t now, wait_ms; /* -1: it says nothing */
    } cases[] = {
        { "0", 0, 0 },
        { "1", 0, 1000 },
        { "120", 0, 120000 },
        { "  120\t", 0, 120000 },
        { "00000000000000000000000000000120", 0, 120000 },
        { "3600", 0, HOUR },
        { "3601", 0, HOUR }, /* the most */
        { "9223372036854775807", 0, HOUR },
        { "99999999999999999999999999999999999999", 0, HOUR },
        { "Sun, 06 Nov 1994 08:49:37 GMT", THEN - 10, 10000 },
        { "Sun, 06 Nov 1994 08:49:37 GMT", THEN, 0 },
        { "Sun, 06 Nov 1994 08:49:37 GMT", THEN + 10, 0 },
        { "Sun, 06 Nov 1994 08:49:37 GMT", THEN - 7200, HOUR },
        { "Sunday, 06-Nov-94 08:49:37 GMT", THEN - 10, 10000 },
        { "Sun Nov  6 08:49:37 1994", THEN - 10, 10000 },
        { "Sun Nov 06 08:49:37 1994", THEN - 10, 10000 },
        { "Mon, 06 Nov 1994 08:49:37 GMT", THEN - 10, 10000 }, /* no Monday */
        { "Thu, 29 Feb 2024 00:00:00 GMT", 1709164799, 1000 },
        { "Sat, 31 Dec 2016 23:59:60 GMT", 1483228799, 1000 },
        { "Fri, 31 Dec 9999 23:59:59 GMT", THEN, HOUR },
        { "Mon, 01 Jan 0001 00:00:00 GMT", THEN, 0 },
        /* a year of two digits is near */
        { "Friday, 31-Dec-49 23:59:59 GMT", 2524607990, 9000 },
        { "Wednesday, 01-Jan-70 00:00:10 GMT", 0, 10000 },
        { "Monday, 01-Jan-90 00:00:00 GMT", 1767225600, 0 },
        /* hostile, or broken */
        { "", 0, -1 },
        { " ", 0, -1 },
        { "-1", 0, -1 },
        { "+1", 0, -1 },
        { "1.5", 0, -1 },
        { "1e3", 0, -1 },
        { "0x10", 0, -1 },
        { "120s", 0, -1 },
        { "1, 2", 0, -1 },
        { "1 2", 0, -1 },
        { "soon", 0, -1 },
        { "Fri, 30 Feb 2024 00:00:00 GMT", 0, -1 },
        { "Wed, 29 Feb 2023 00:00:00 GMT", 0, -1 },
        { "Sun, 06 Nov 1994 24:00:00 GMT", 0, -1 },
        { "Sun, 06 Nov 1994 08:60:00 GMT", 0, -1 },
        { "Sun, 06 Nov 1994 08:49:61 GMT", 0, -1 },
        { "Sun, 00 Nov 1994 08:49:37 GMT", 0, -1 },
        { "Sun, 06 Nov 0000 08:49:37 GMT", 0, -1 },
        { "Sun, 06 Nov -994 08:49:37 GMT", 0, -1 },
        { "Sun, 06 Nov 1994 08:49:37 UTC", 0, -1 },
        { "Sun, 06 Nov 1994 08:49:37 +0100", 0, -1 },
        { "Sun, 06 Nov 1994 08:49:37", 0, -1 },
        { "Sun, 06 Nov 1994 08:49:37 GMT GMT", 0, -1 },
        { "sun, 06 nov 1994 08:49:37 gmt", 0, -1 },
        { "Sun, 6 Nov 1994 08:49:37 GMT", 0, -1 },
        { "Sun,", 0, -1 },
        { "Sun", 0, -1 },
        { "Sunday, 06-Nov-1994 08:49:37 GMT", 0, -1 },
        { "Sun Nov  6 08:49:37 1994 ...", 0, -1 },
        { "1994-11-06T08:49:37Z", 0, -1 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t wait = -1;
        const int64_t expected = cases[i].wait_ms;
        int err = retry_after_parse(cases[i].text, strlen(cases[i].text),
                                    cases[i].now, HOUR, &wait);
        ck_assert_msg(expected < 0 ? err == -EINVAL : !err && wait == expected,
                      "\"%s\": expected %lld, got %d, %lld", cases[i].text,
                      (long long) expected, err, (long long) wait);
    }
    int64_t wait;
    /* it need not end where its buffer does */
    ck_assert_int_eq(retry_after_parse("120999", 3, 0, HOUR, &wait), 0);
    ck_assert_int_eq(wait, 120000);
    ck_assert_int_eq(retry_after_parse("10", 2, 0, 0, &wait), 0);
    ck_assert_int_eq(wait, 0);
    ck_assert_int_eq(retry_after_parse("1\0002", 3, 0, HOUR, &wait), -EINVAL);
}
END_TEST

START_TEST(the_schedule_is_followed_to_its_end)
{
    const struct schedule s = { { 30000, 120000, 600000, HOUR }, 4, 0 };
    ck_assert_int_eq(schedule_wait(&s, 0, 0, 0), SCHEDULE_OVER);
    ck_assert_int_eq(schedule_wait(&s, 1, 0, 0), 30000);
    ck_assert_int_eq(schedule_wait(&s, 2, 0, 99), 120000);
    ck_assert_int_eq(schedule_wait(&s, 4, 0, UINT64_MAX), HOUR);
    ck_assert_int_eq(schedule_wait(&s, 5, 0, 0), SCHEDULE_OVER);
    ck_assert_int_eq(schedule_wait(&s, UINT64_MAX, 0, 0), SCHEDULE_OVER);
    const struct schedule none = { { 0 }, 0, 20 };
    ck_assert_int_eq(schedule_wait(&none, 1, 0, 0), SCHEDULE_OVER);
}
END_TEST

START_TEST(jitter_stays_within_its_share)
{
    const struct schedule s = { { 100000 }, 1, 20 };
    const struct schedule all = { { INT64_MAX / 4 }, 1, 100 };
    int64_t least = INT64_MAX, most = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        int64_t wait = schedule_wait(&s, 1, 0, i * 2654435761u);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    ck_assert_int_ge(least, 80000);
    ck_assert_int_le(most, 120000);
    ck_assert_int_le(least, 80100);
    ck_assert_int_ge(most, 119900);
    for (uint64_t i = 0; i < 65537; i += 65536)
        ck_assert_int_ge(schedule_wait(&all, 1, 0, i), 0);
}
END_TEST

START_TEST(no_wait_is_shorter_than_what_was_asked)
{
    const struct schedule s = { { 30000 }, 1, 20 };
    for (uint64_t i = 0; i < 70000; i++) {
        int64_t wait = schedule_wait(&s, 1, 60000, i);
        ck_assert_int_ge(wait, 60000);
        ck_assert_int_le(wait, 72000);
        ck_assert_int_ge(schedule_wait(&s, 1, 33000, i), 33000);
    }
    /* a shorter one than the schedule's changes nothing */
    ck_assert_int_eq(schedule_wait(&s, 1, 1, 0), schedule_wait(&s, 1, 0, 0));
    /* and none is made where the schedule is over */
    ck_assert_int_eq(schedule_wait(&s, 2, 60000, 0), SCHEDULE_OVER);
}
END_TEST

START_TEST(a_rate_is_a_number_and_a_time)
{
    static const struct {
        const char *text;
        uint64_t count; /* 0: refused */
        int64_t per_us;
    } cases[] = {
        { "10/s", 10, 1000000 },
        { "100/m", 100, 60000000 },
        { "100/10s", 100, 10000000 },
        { "1/500ms", 1, 500000 },
        { "5/2h", 5, INT64_C(7200000000) },
        { "7/w", 7, INT64_C(604800000000) },
        { "1000000000/s", 1000000000, 1000000 },
        { "1000000001/s", 0, 0 },
        { "99999999999999999999/s", 0, 0 },
        { "0/s", 0, 0 },
        { "10", 0, 0 },
        { "10/", 0, 0 },
        { "/s", 0, 0 },
        { "10/0s", 0, 0 },
        { "10/10", 0, 0 },
        { "10/s ", 0, 0 },
        { " 10/s", 0, 0 },
        { "-10/s", 0, 0 },
        { "1.5/s", 0, 0 },
        { "10/y", 0, 0 },
        { "10/367d", 0, 0 },
        { "10/99999999999999999999s", 0, 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pace p = { 0 };
        const char *why;
        int err = pace_parse(cases[i].text, &p, &why);
        ck_assert_msg(!err == !!cases[i].count && p.count == cases[i].count
                          && p.per_us == cases[i].per_us,
                      "%s: %d, %llu in %lld", cases[i].text, err,
                      (unsigned long long) p.count, (long long) p.per_us);
    }
}
END_TEST

START_TEST(a_rate_holds_over_time_and_lets_a_burst_pass)
{
    const struct pace p = { 10, 1000000 };
    int64_t full = 0, now = INT64_C(5000000), wait;
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(pace_take_us(&p, &full, now), 0);
    wait = pace_take_us(&p, &full, now);
    ck_assert_int_eq(wait, 100000);
    ck_assert_int_gt(pace_take_us(&p, &full, now + wait - 1), 0);
    ck_assert_int_eq(pace_take_us(&p, &full, now + wait), 0);
    /* who takes as soon as it may gets the rate, and the burst */
    int taken = 0;
    for (int64_t t = now + wait; t < now + wait + 10000000; t += 1000)
        taken += !pace_take_us(&p, &full, t);
    ck_assert_int_ge(taken, 99);
    ck_assert_int_le(taken, 100);
    const struct pace none = { 0, 0 };
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(pace_take_us(&none, &full, now), 0);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        retry_after_is_read_in_each_form,
        the_schedule_is_followed_to_its_end,
        jitter_stays_within_its_share,
        no_wait_is_shorter_than_what_was_asked,
        a_rate_is_a_number_and_a_time,
        a_rate_holds_over_time_and_lets_a_burst_pass,
    };
    return run_cases("times", cases, COUNT(cases));
}
