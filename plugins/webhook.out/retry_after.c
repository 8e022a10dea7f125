/* SPDX-License-Identifier: MIT */
#include "retry_after.h"

#include <errno.h>
#include <string.h>

/* What is still to be read. */
struct rest {
    const char *at, *end;
};

/* --- pieces --------------------------------------------------------------- */

static int
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int
eat(struct rest *r, const char *text)
{
    size_t len = strlen(text);
    if ((size_t) (r->end - r->at) < len || memcmp(r->at, text, len))
        return 0;
    r->at += len;
    return 1;
}

/* One of count names, each of len characters or, with len 0, of all of them.
 * Its index, or -1. */
static int
eat_name(struct rest *r, const char *const *names, int count, size_t len)
{
    for (int i = 0; i < count; i++) {
        size_t n = len ? len : strlen(names[i]);
        if ((size_t) (r->end - r->at) >= n && !memcmp(r->at, names[i], n)) {
            r->at += n;
            return i;
        }
    }
    return -1;
}

/* Just so many digits; where spaced is 1, a space may stand for the first. */
static int
eat_number(struct rest *r, int digits, int spaced)
{
    int n = 0;
    if (r->end - r->at < digits)
        return -1;
    for (int i = 0; i < digits; i++) {
        char c = *r->at++;
        if (!is_digit(c) && !(spaced && !i && c == ' '))
            return -1;
        n = n * 10 + (c == ' ' ? 0 : c - '0');
    }
    return n;
}

/* --- dates ---------------------------------------------------------------- */

struct date {
    int year, month, day; /* month from 0 */
    int hour, minute, second;
};

static const char *const days[] = { "Monday",   "Tuesday", "Wednesday",
                                    "Thursday", "Friday",  "Saturday",
                                    "Sunday" };
static const char *const months[] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun",
    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
};

static int
is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days since 1970, of the Gregorian calendar. */
static int64_t
days_of(int year, int month, int day)
{
    static const int before[] = { 0,   31,  59,  90,  120, 151,
                                  181, 212, 243, 273, 304, 334 };
    const int64_t past = year - 1;
    return past * 365 + past / 4 - past / 100 + past / 400 - 719162
           + before[month] + (month > 1 && is_leap(year)) + day - 1;
}

static int
seconds_of(const struct date *d, int64_t *out)
{
    static const int lengths[] = { 31, 29, 31, 30, 31, 30,
                                   31, 31, 30, 31, 30, 31 };
    if (d->year < 1 || d->month < 0 || d->day < 1 || d->day > lengths[d->month]
        || (d->month == 1 && d->day == 29 && !is_leap(d->year)) || d->hour < 0
        || d->hour > 23 || d->minute < 0 || d->minute > 59 || d->second < 0
        || d->second > 60) /* a leap second */
        return -EINVAL;
    *out = days_of(d->year, d->month, d->day) * 86400 + d->hour * 3600
           + d->minute * 60 + d->second;
    return 0;
}

static int
eat_time(struct rest *r, struct date *d)
{
    d->hour = eat_number(r, 2, 0);
    int good = eat(r, ":");
    d->minute = eat_number(r, 2, 0);
    good = good && eat(r, ":");
    d->second = eat_number(r, 2, 0);
    return good;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", as everybody writes it. */
static int
read_fixdate(struct rest r, struct date *d)
{
    if (eat_name(&r, days, 7, 3) < 0 || !eat(&r, ", "))
        return 0;
    d->day = eat_number(&r, 2, 0);
    if (!eat(&r, " ") || (d->month = eat_name(&r, months, 12, 3)) < 0
        || !eat(&r, " "))
        return 0;
    d->year = eat_number(&r, 4, 0);
    return eat(&r, " ") && eat_time(&r, d) && eat(&r, " GMT") && r.at == r.end;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT", of RFC 850.  A year that seems to lie more
 * than 50 years ahead is the latest one that has passed. */
static int
read_rfc850(struct rest r, int64_t now_s, struct date *d)
{
    if (eat_name(&r, days, 7, 0) < 0 || !eat(&r, ", "))
        return 0;
    d->day = eat_number(&r, 2, 0);
    if (!eat(&r, "-") || (d->month = eat_name(&r, months, 12, 3)) < 0
        || !eat(&r, "-"))
        return 0;
    int two = eat_number(&r, 2, 0);
    if (two < 0)
        return 0;
    const int now = 1970 + (int) (now_s / 31556952);
    d->year = now / 100 * 100 + two;
    d->year += d->year > now + 50 ? -100 : d->year <= now - 50 ? 100 : 0;
    return eat(&r, " ") && eat_time(&r, d) && eat(&r, " GMT") && r.at == r.end;
}

/* "Sun Nov  6 08:49:37 1994", of C's asctime(). */
static int
read_asctime(struct rest r, struct date *d)
{
    if (eat_name(&r, days, 7, 3) < 0 || !eat(&r, " ")
        || (d->month = eat_name(&r, months, 12, 3)) < 0 || !eat(&r, " "))
        return 0;
    d->day = eat_number(&r, 2, 1);
    if (!eat(&r, " ") || !eat_time(&r, d) || !eat(&r, " "))
        return 0;
    d->year = eat_number(&r, 4, 0);
    return r.at == r.end;
}

/* --- all of it ------------------------------------------------------------ */

static int64_t
at_most(int64_t seconds, int64_t max_ms)
{
    if (seconds <= 0)
        return 0;
    return seconds > max_ms / 1000 ? max_ms : seconds * 1000;
}

int
retry_after_parse(const char *text, size_t len, int64_t now_s, int64_t max_ms,
                  int64_t *wait_ms)
{
    struct rest r = { text, text + len };
    struct date d;
    int64_t seconds = 0;
    while (r.at < r.end && (*r.at == ' ' || *r.at == '\t'))
        r.at++;
    while (r.end > r.at && (r.end[-1] == ' ' || r.end[-1] == '\t'))
        r.end--;
    if (r.at == r.end)
        return -EINVAL;
    if (is_digit(*r.at)) {
        for (; r.at < r.end && is_digit(*r.at); r.at++)
            if (seconds < INT64_MAX / 20)
                seconds = seconds * 10 + (*r.at - '0');
        if (r.at < r.end)
            return -EINVAL;
        *wait_ms = at_most(seconds, max_ms);
        return 0;
    }
    if (!read_fixdate(r, &d) && !read_rfc850(r, now_s, &d)
        && !read_asctime(r, &d))
        return -EINVAL;
    if (seconds_of(&d, &seconds))
        return -EINVAL;
    *wait_ms = at_most(seconds - now_s, max_ms);
    return 0;
}
