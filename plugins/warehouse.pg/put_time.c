/* SPDX-License-Identifier: MIT */
/* Dates and times.  ISO 8601 text is read here; whatever else Postgres reads
 * ("Jan 5 2024", "infinity", "now") is left to Postgres, which then gets the
 * batch as text.  Text without a zone means UTC for timestamptz. */
#include "put.h"

#include <errno.h>

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define EPOCH_DAYS 10957 /* 1970-01-01 to 2000-01-01 */
#define DAY_US INT64_C(86400000000)

struct when {
    int year, month, day;
    int64_t us;     /* of the day */
    int64_t zone_s; /* east of Greenwich */
    int has_date, has_time;
};

static int64_t
days_from_civil(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void
civil_from_days(int64_t z, int64_t *y, int *m, int *d)
{
    z += 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *d = (int) (doy - (153 * mp + 2) / 5 + 1);
    *m = (int) (mp < 10 ? mp + 3 : mp - 9);
    *y = yoe + era * 400 + (*m <= 2);
}

static int
month_days(int y, int m)
{
    static const char days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };
    int leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m == 2 && leap ? 29 : days[m - 1];
}

/* Exactly n digits at *p.  1 or 0. */
static int
take(const char **p, const char *end, int n, int *out)
{
    *out = 0;
    if (end - *p < n)
        return 0;
    for (; n; n--, ++*p) {
        if (!isdigit((unsigned char) **p))
            return 0;
        *out = *out * 10 + (**p - '0');
    }
    return 1;
}

static int
take_char(const char **p, const char *end, const char *any)
{
    if (*p == end || !**p || !strchr(any, **p))
        return 0;
    ++*p;
    return 1;
}

/* Fractions of a second, rounded as Postgres rounds them. */
static int
take_fraction(const char **p, const char *end, int64_t *us)
{
    double value = 0, scale = 1;
    int n = 0;
    for (; *p < end && isdigit((unsigned char) **p); ++*p, n++) {
        value = value * 10 + (**p - '0');
        scale *= 10;
    }
    *us = (int64_t) rint(value / scale * 1000000);
    return n > 0 && n <= 15; /* both exact: one rounding, as in strtod */
}

static int
take_zone(const char **p, const char *end, int64_t *zone_s)
{
    int h, m = 0, s = 0;
    *zone_s = 0;
    if (take_char(p, end, "Zz"))
        return 1;
    int negative = *p < end && **p == '-';
    if (!take_char(p, end, "+-"))
        return 1;
    if (!take(p, end, 2, &h))
        return 0;
    if (*p < end) {
        int colon = take_char(p, end, ":");
        if (!take(p, end, 2, &m))
            return 0;
        if (colon && take_char(p, end, ":") && !take(p, end, 2, &s))
            return 0;
    }
    *zone_s = (h * 60 + m) * 60 + s;
    if (negative)
        *zone_s = -*zone_s;
    return h <= 15 && m < 60 && s < 60;
}

static int
take_time(const char **p, const char *end, struct when *w)
{
    int h, m, s = 0;
    int64_t us = 0;
    if (!take(p, end, 2, &h) || !take_char(p, end, ":") || !take(p, end, 2, &m))
        return 0;
    if (take_char(p, end, ":")) {
        if (!take(p, end, 2, &s))
            return 0;
        if (take_char(p, end, ".") && !take_fraction(p, end, &us))
            return 0;
    }
    w->has_time = 1;
    w->us = ((h * 60 + m) * INT64_C(60) + s) * 1000000 + us;
    return h < 24 && m < 60 && s < 60; /* 24:00 and :60 are Postgres's */
}

/* 0, ENCODE_UNSURE, or ENCODE_BAD: clearly a date, and no day of any calendar.
 */
static int
when_parse(const char *p, size_t len, struct when *w)
{
    const char *end = p + len;
    while (p < end && isspace((unsigned char) *p))
        p++;
    while (end > p && isspace((unsigned char) end[-1]))
        end--;
    *w = (struct when){ 0 };
    const char *begin = p;
    if (!take(&p, end, 4, &w->year) || !take_char(&p, end, "-")) {
        p = begin;
        return take_time(&p, end, w) && p == end ? 0 : ENCODE_UNSURE;
    }
    w->has_date = 1;
    if (!take(&p, end, 2, &w->month) || !take_char(&p, end, "-")
        || !take(&p, end, 2, &w->day))
        return ENCODE_UNSURE;
    int bad = !w->month || w->month > 12 || !w->day
              || w->day > month_days(w->year, w->month);
    if (p < end
        && (!take_char(&p, end, "Tt ") || !take_time(&p, end, w)
            || !take_zone(&p, end, &w->zone_s) || p != end))
        return ENCODE_UNSURE;
    if (bad)
        return ENCODE_BAD;
    return w->year ? 0 : ENCODE_UNSURE;
}

/* Read v as a point in time; a result other than 0 has been dealt with. */
static int
when_read(struct encoder *e, const struct column *c, const struct il_value *v,
          struct when *w)
{
    if (v->type == IL_TIME) {
        int64_t days = v->num.i / DAY_US, y;
        if (v->num.i % DAY_US < 0)
            days--;
        civil_from_days(days, &y, &w->month, &w->day);
        w->year = (int) y;
        w->us = v->num.i - days * DAY_US;
        w->zone_s = 0;
        w->has_date = w->has_time = 1;
        return 0;
    }
    if (v->type != IL_STRING)
        return encode_bad_value(e, "22007", c, v);
    int how = when_parse(v->str, v->len, w);
    if (how == ENCODE_BAD)
        return encode_bad_value(e, "22008", c, v);
    return how;
}

/* What is no ISO text: by the server, unless it cannot be a time at all. */
static int
leave_it(struct encoder *e, const struct column *c, const struct il_value *v,
         int how)
{
    if (how != ENCODE_UNSURE || e->binary)
        return how;
    return put_other(e, c, v);
}

static int
put_when_text(struct encoder *e, const struct when *w, const char *zone)
{
    char text[64];
    int n = 0;
    if (w->has_date)
        n = snprintf(text, sizeof text, "%04d-%02d-%02d ", w->year, w->month,
                     w->day);
    int64_t s = w->us / 1000000;
    n += snprintf(text + n, sizeof text - (size_t) n, "%02d:%02d:%02d.%06d%s",
                  (int) (s / 3600), (int) (s / 60 % 60), (int) (s % 60),
                  (int) (w->us % 1000000), zone);
    return encode_text(e, text, (size_t) n);
}

int
put_when_us(const struct il_value *v, int64_t *us)
{
    struct when w;
    *us = v->num.i;
    if (v->type == IL_TIME)
        return 0;
    if (v->type != IL_STRING || when_parse(v->str, v->len, &w) || !w.has_date)
        return -EINVAL;
    *us = days_from_civil(w.year, w.month, w.day) * DAY_US + w.us
          - w.zone_s * INT64_C(1000000);
    return 0;
}

int
put_date(struct encoder *e, const struct column *c, const struct il_value *v)
{
    struct when w;
    int how = when_read(e, c, v, &w);
    if (how)
        return leave_it(e, c, v, how);
    if (!w.has_date)
        return encode_bad_value(e, "22007", c, v);
    if (e->binary)
        return encode_number(
            e,
            (uint64_t) (days_from_civil(w.year, w.month, w.day) - EPOCH_DAYS),
            4);
    char text[32];
    int n =
        snprintf(text, sizeof text, "%04d-%02d-%02d", w.year, w.month, w.day);
    return encode_text(e, text, (size_t) n);
}

int
put_time(struct encoder *e, const struct column *c, const struct il_value *v)
{
    struct when w;
    int how = when_read(e, c, v, &w);
    if (!how && !w.has_time)
        how = ENCODE_UNSURE;
    if (how)
        return leave_it(e, c, v, how);
    w.has_date = 0;
    return e->binary ? encode_number(e, (uint64_t) w.us, 8)
                     : put_when_text(e, &w, "");
}

static int
put_stamp(struct encoder *e, const struct column *c, const struct il_value *v,
          int with_zone)
{
    struct when w;
    if (v->type == IL_TIME && e->binary)
        return encode_number(e, (uint64_t) (v->num.i - EPOCH_DAYS * DAY_US), 8);
    int how = when_read(e, c, v, &w);
    if (!how && !w.has_date)
        how = ENCODE_UNSURE;
    if (how)
        return leave_it(e, c, v, how);
    int64_t days = days_from_civil(w.year, w.month, w.day) - EPOCH_DAYS;
    int64_t us = days * DAY_US + w.us;
    if (with_zone)
        us -= w.zone_s * 1000000;
    if (e->binary)
        return encode_number(e, (uint64_t) us, 8);
    if (v->type == IL_STRING && with_zone)
        return put_other(e, c, v); /* as it came: Postgres knows the zone */
    return put_when_text(e, &w, with_zone ? "+00" : "");
}

int
put_timestamp(struct encoder *e, const struct column *c,
              const struct il_value *v)
{
    return put_stamp(e, c, v, 0);
}

int
put_timestamptz(struct encoder *e, const struct column *c,
                const struct il_value *v)
{
    return put_stamp(e, c, v, 1);
}
