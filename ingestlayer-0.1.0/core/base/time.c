/* SPDX-License-Identifier: MIT */
/* Days are counted in the proleptic Gregorian calendar, with years that begin
 * in March, so that the leap day comes last; 400 years are 146097 days. */
#include "time.h"

#include <errno.h>
#include <stdio.h>

#define DAY_S 86400
#define SECOND_US 1000000
#define FIRST_US (-62135596800 * SECOND_US) /* 0001-01-01T00:00:00Z */
#define LAST_US (253402300800 * SECOND_US)  /* 10000-01-01T00:00:00Z */

/* The year is 1 or later. */
static int64_t
days_from_date(unsigned year, unsigned month, unsigned day)
{
    year -= month <= 2;
    unsigned of_year =
        (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return (int64_t) (year * 365 + year / 4 - year / 100 + year / 400
                      + of_year)
           - 719468;
}

static void
date_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned of_era = (unsigned) (days - era * 146097);
    unsigned y =
        (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * y + y / 4 - y / 100);
    unsigned m = (5 * of_year + 2) / 153;
    *day = of_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = (int64_t) y + era * 400 + (*month <= 2);
}

static unsigned
days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = { 31, 28, 31, 30, 31, 30,
                                          31, 31, 30, 31, 30, 31 };
    int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Two digits; *bad gets a bit set where there are none. */
static inline unsigned
two_digits(const char *p, unsigned *bad)
{
    unsigned tens = (unsigned) p[0] - '0', ones = (unsigned) p[1] - '0';
    *bad |= (tens > 9) | (ones > 9);
    return tens * 10 + ones;
}

static int
read_two_digits(const char **p, const char *end, unsigned *out)
{
    unsigned bad = 0;
    if (end - *p < 2)
        return -EINVAL;
    *out = two_digits(*p, &bad);
    *p += 2;
    return bad ? -EINVAL : 0;
}

static int
read_char(const char **p, const char *end, char c)
{
    if (*p == end || **p != c)
        return -EINVAL;
    ++*p;
    return 0;
}

/* Digits after a point, the first six of which count. */
static int
read_fraction(const char **p, const char *end, int64_t *us)
{
    static const int unit[6] = { 100000, 10000, 1000, 100, 10, 1 };
    const char *first;
    unsigned digit;

    *us = 0;
    if (read_char(p, end, '.'))
        return 0;
    for (first = *p; *p < end && (digit = (unsigned) **p - '0') <= 9; ++*p)
        if (*p - first < 6)
            *us += (int) digit * unit[*p - first];
    return *p > first ? 0 : -EINVAL;
}

/* Z or +hh:mm, in seconds. */
static int
read_offset(const char **p, const char *end, int64_t *out)
{
    unsigned hours, minutes;

    *out = 0;
    if (*p == end)
        return -EINVAL;
    char sign = *(*p)++;
    if (sign == 'Z' || sign == 'z')
        return 0;
    if ((sign != '+' && sign != '-') || read_two_digits(p, end, &hours)
        || read_char(p, end, ':') || read_two_digits(p, end, &minutes)
        || hours > 23 || minutes > 59)
        return -EINVAL;
    *out = (int64_t) hours * 3600 + minutes * 60;
    if (sign == '-')
        *out = -*out;
    return 0;
}

/* Was there a 61st second before this one?  They are put at the end of a
 * month, UTC. */
static int
after_leap_second(int64_t seconds)
{
    int64_t year;
    unsigned month, day;

    if (seconds % DAY_S)
        return 0;
    date_from_days(seconds / DAY_S, &year, &month, &day);
    return day == 1;
}

int
time_parse(const char *p, size_t len, int64_t *us)
{
    static const size_t least = sizeof("YYYY-MM-DDThh:mm:ssZ") - 1;
    const char *end = p + len;
    unsigned bad = 0;
    int64_t fraction, offset;

    if (len < least)
        return -EINVAL;
    unsigned year = two_digits(p, &bad) * 100 + two_digits(p + 2, &bad);
    unsigned month = two_digits(p + 5, &bad), day = two_digits(p + 8, &bad);
    unsigned hour = two_digits(p + 11, &bad);
    unsigned minute = two_digits(p + 14, &bad);
    unsigned second = two_digits(p + 17, &bad);
    if (bad || p[4] != '-' || p[7] != '-' || p[13] != ':' || p[16] != ':'
        || (p[10] != 'T' && p[10] != 't' && p[10] != ' '))
        return -EINVAL;
    p += sizeof("YYYY-MM-DDThh:mm:ss") - 1;
    if (read_fraction(&p, end, &fraction) || read_offset(&p, end, &offset)
        || p != end)
        return -EINVAL;
    if (year < 1 || month < 1 || month > 12 || day < 1
        || day > days_in_month(year, month) || hour > 23 || minute > 59
        || second > 60)
        return -EINVAL;

    int64_t seconds = days_from_date(year, month, day) * DAY_S + hour * 3600
                      + minute * 60 + second - offset;
    if (second == 60 && !after_leap_second(seconds))
        return -EINVAL;
    int64_t t = seconds * SECOND_US + fraction;
    if (t < FIRST_US || t >= LAST_US)
        return -EINVAL;
    *us = t;
    return 0;
}

static char *
put2(char *o, char before, unsigned v)
{
    o[0] = before;
    o[1] = (char) ('0' + v / 10);
    o[2] = (char) ('0' + v % 10);
    return o + 3;
}

size_t
time_format(char out[TIME_TEXT], int64_t us)
{
    int64_t days = us / ((int64_t) DAY_S * SECOND_US);
    int64_t rest = us % ((int64_t) DAY_S * SECOND_US), year;
    unsigned month, day;
    char *o = out;

    if (rest < 0) {
        rest += (int64_t) DAY_S * SECOND_US;
        days--;
    }
    date_from_days(days, &year, &month, &day);
    if (year >= 0 && year <= 9999) {
        for (int i = 3; i >= 0; i--, year /= 10)
            o[i] = (char) ('0' + year % 10);
        o += 4;
    } else { /* ISO 8601 expanded; no parser of events makes these */
        o += snprintf(o, 16, "%+07lld", (long long) year);
    }
    unsigned seconds = (unsigned) (rest / SECOND_US);
    unsigned fraction = (unsigned) (rest % SECOND_US);
    o = put2(put2(o, '-', month), '-', day);
    o = put2(o, 'T', seconds / 3600);
    o = put2(put2(o, ':', seconds / 60 % 60), ':', seconds % 60);
    if (fraction) {
        int digits = fraction % 1000 ? 6 : 3;
        fraction = digits == 3 ? fraction / 1000 : fraction;
        *o++ = '.';
        for (int i = digits - 1; i >= 0; i--, fraction /= 10)
            o[i] = (char) ('0' + fraction % 10);
        o += digits;
    }
    *o++ = 'Z';
    *o = 0;
    return (size_t) (o - out);
}
