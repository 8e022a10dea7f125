/* SPDX-License-Identifier: MIT */
/* Each form is read from its beginning to its end in one pass, and nothing is
 * guessed but the unit of a number. */
#include "when.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define SECOND_US INT64_C(1000000)
/* The years 1 to 9999, as RFC 3339 has four digits. */
#define FIRST_US (INT64_C(-62135596800) * SECOND_US)
#define LAST_US (INT64_C(253402300800) * SECOND_US - 1)

struct reader {
    const char *p, *end;
};

static int
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int
take(struct reader *r, char c)
{
    if (r->p == r->end || *r->p != c)
        return 0;
    r->p++;
    return 1;
}

static void
skip_blanks(struct reader *r)
{
    while (take(r, ' ')) {
    }
}

/* Exactly n digits. */
static int
digits(struct reader *r, int n, unsigned *out)
{
    if (r->end - r->p < n)
        return -EINVAL;
    for (*out = 0; n > 0; n--, r->p++) {
        if (!is_digit(*r->p))
            return -EINVAL;
        *out = *out * 10 + (unsigned) (*r->p - '0');
    }
    return 0;
}

/* --- numbers -------------------------------------------------------------- */

/* digits * 10^scale, of which at most 19 digits are kept. */
struct number {
    uint64_t digits;
    int scale, negative;
};

static int
read_exponent(struct reader *r, int *out)
{
    unsigned n = 0, digit;
    if (!take(r, 'e') && !take(r, 'E'))
        return 0;
    int negative = take(r, '-');
    if (!negative)
        take(r, '+');
    if (r->p == r->end)
        return -EINVAL;
    while (r->p < r->end) {
        if (digits(r, 1, &digit) || (n = n * 10 + digit) > 99)
            return -EINVAL;
    }
    *out = negative ? -(int) n : (int) n;
    return 0;
}

static int
read_number(struct reader *r, struct number *n)
{
    int seen = 0, point = 0, exponent = 0;
    *n = (struct number){ .negative = take(r, '-') };
    for (; r->p < r->end; r->p++) {
        if (*r->p == '.' && !point) {
            point = 1;
            continue;
        }
        if (!is_digit(*r->p))
            break;
        seen = 1;
        if (n->digits < UINT64_C(100000000000000000)) {
            n->digits = n->digits * 10 + (uint64_t) (*r->p - '0');
            n->scale -= point;
        } else {
            n->scale += !point;
        }
    }
    if (!seen || read_exponent(r, &exponent) || r->p != r->end)
        return -EINVAL;
    n->scale += exponent;
    return 0;
}

/* n * 10^more, towards zero. */
static int
scaled(const struct number *n, int more, int64_t *out)
{
    uint64_t v = n->digits;
    int scale = n->scale + more;
    for (; v && scale < 0; scale++)
        v /= 10;
    for (; v && scale > 0; scale--) {
        if (v > INT64_MAX / 10)
            return -ERANGE;
        v *= 10;
    }
    if (v > INT64_MAX)
        return -ERANGE;
    *out = n->negative ? -(int64_t) v : (int64_t) v;
    return 0;
}

/* Seconds below 10^11 (the year 5138), ms below 10^14, us below 10^17, and
 * what is larger is ns. */
static int
number_us(const struct number *n, int64_t *us)
{
    int64_t whole;
    int err = scaled(n, 0, &whole), unit = 6;
    if (err)
        return err;
    for (int64_t most = INT64_C(100000000000);
         unit > -3 && (whole >= most || whole <= -most); unit -= 3) {
        if (unit == 0) {
            unit = -3;
            break;
        }
        most *= 1000;
    }
    return scaled(n, unit, us);
}

static size_t
write_us(int64_t us, char out[WHEN_MAX])
{
    struct tm tm;
    int64_t rest = us % SECOND_US;
    if (us < FIRST_US || us > LAST_US)
        return 0;
    if (rest < 0)
        rest += SECOND_US;
    time_t seconds = (time_t) ((us - rest) / SECOND_US);
    if (!gmtime_r(&seconds, &tm))
        return 0;
    return (size_t) snprintf(out, WHEN_MAX,
                             "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
                             tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                             tm.tm_hour, tm.tm_min, tm.tm_sec, (int) rest);
}

/* --- dates ---------------------------------------------------------------- */

struct date {
    unsigned year, month, day, hour, minute, second, us;
    char sign;
    unsigned off_hour, off_minute;
};

static int
read_fraction(struct reader *r, unsigned *us)
{
    unsigned unit = 100000;
    if (!take(r, '.') && !take(r, ','))
        return 0;
    if (r->p == r->end || !is_digit(*r->p))
        return -EINVAL;
    for (; r->p < r->end && is_digit(*r->p); r->p++, unit /= 10)
        *us += (unsigned) (*r->p - '0') * unit;
    return 0;
}

static int
read_clock(struct reader *r, struct date *d)
{
    if (digits(r, 2, &d->hour) || !take(r, ':') || digits(r, 2, &d->minute))
        return -EINVAL;
    if (!take(r, ':'))
        return 0;
    return digits(r, 2, &d->second) ? -EINVAL : read_fraction(r, &d->us);
}

/* To the end. */
static int
read_zone(struct reader *r, struct date *d)
{
    skip_blanks(r);
    size_t left = (size_t) (r->end - r->p);
    d->sign = '+';
    if (!left || (left == 1 && (*r->p == 'Z' || *r->p == 'z'))
        || (left == 3
            && (!strncasecmp(r->p, "UTC", 3) || !strncasecmp(r->p, "GMT", 3))))
        return 0;
    d->sign = *r->p;
    if ((!take(r, '+') && !take(r, '-')) || digits(r, 2, &d->off_hour))
        return -EINVAL;
    int colon = take(r, ':');
    if ((colon || r->p < r->end) && digits(r, 2, &d->off_minute))
        return -EINVAL;
    return r->p == r->end ? 0 : -EINVAL;
}

static int
read_date(struct reader *r, struct date *d)
{
    *d = (struct date){ .sign = '+' };
    if (digits(r, 4, &d->year) || !take(r, '-') || digits(r, 2, &d->month)
        || !take(r, '-') || digits(r, 2, &d->day))
        return -EINVAL;
    if (r->p == r->end)
        return 0;
    if (!take(r, 'T') && !take(r, 't') && *r->p != ' ')
        return -EINVAL;
    skip_blanks(r);
    return read_clock(r, d) ? -EINVAL : read_zone(r, d);
}

size_t
when_read(const char *text, size_t len, char out[WHEN_MAX])
{
    struct reader r = { text, text + len };
    struct number n;
    struct date d;
    int64_t us;
    while (r.p < r.end && r.end[-1] == ' ')
        r.end--;
    skip_blanks(&r);
    if (r.end - r.p > WHEN_MAX)
        return 0;
    struct reader again = r;
    if (!read_number(&r, &n))
        return number_us(&n, &us) ? 0 : write_us(us, out);
    if (read_date(&again, &d))
        return 0;
    return (size_t) snprintf(out, WHEN_MAX,
                             "%04u-%02u-%02uT%02u:%02u:%02u.%06u%c%02u:%02u",
                             d.year, d.month, d.day, d.hour, d.minute, d.second,
                             d.us, d.sign, d.off_hour, d.off_minute);
}
