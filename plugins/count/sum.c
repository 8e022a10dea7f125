/* SPDX-License-Identifier: MIT */
#include "sum.h"

#include <errno.h>
#include <stdio.h>

#define NANO_DIGITS 9
#define WHOLE_DIGITS 17
#define EXPONENT_MOST 1000000000 /* what is above comes to the same */

static int
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A number in parts; the exponent is that of its first digit. */
struct parts {
    const char *digits, *end; /* with a point among them, perhaps */
    int64_t exponent;
    int negative;
};

static int
split(const char *p, size_t len, struct parts *out)
{
    const char *end = p + len;
    int64_t exponent = 0, before = 0;
    int negative = 0, point = 0;
    out->negative = p < end && *p == '-';
    p += out->negative;
    out->digits = p;
    for (; p < end && (is_digit(*p) || (*p == '.' && !point)); p++) {
        point |= *p == '.';
        before += !point;
    }
    out->end = p;
    if (!before)
        return -ERANGE;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        negative = p < end && *p == '-';
        p += p < end && (*p == '-' || *p == '+');
        for (; p < end && is_digit(*p); p++)
            if (exponent < EXPONENT_MOST)
                exponent = exponent * 10 + (*p - '0');
    }
    out->exponent = before - 1 + (negative ? -exponent : exponent);
    return p == end ? 0 : -ERANGE;
}

/* Negative, where it is not zero. */
static void
negate(struct sum *s)
{
    s->whole = -s->whole - (s->nano != 0);
    s->nano = s->nano ? SUM_NANO - s->nano : 0;
}

static int
in_bounds(const struct sum *s)
{
    return s->whole < SUM_LIMIT
           && (s->whole > -SUM_LIMIT || (s->whole == -SUM_LIMIT && s->nano));
}

int
sum_read(const char *text, size_t len, struct sum *out)
{
    static const int64_t tens[WHOLE_DIGITS] = {
        1,
        10,
        100,
        1000,
        10000,
        100000,
        1000000,
        10000000,
        100000000,
        1000000000,
        10000000000,
        100000000000,
        1000000000000,
        10000000000000,
        100000000000000,
        1000000000000000,
        10000000000000000,
    };
    struct parts n;
    struct sum s = { 0, 0 };
    int up = 0;
    if (split(text, len, &n))
        return -ERANGE;
    int64_t at = n.exponent; /* power of ten of the digit */
    for (const char *p = n.digits; p < n.end; p++) {
        if (*p == '.')
            continue;
        const int digit = *p - '0';
        if (digit && at >= WHOLE_DIGITS)
            return -ERANGE;
        if (at >= 0 && at < WHOLE_DIGITS)
            s.whole += digit * tens[at];
        else if (at < 0 && at >= -NANO_DIGITS)
            s.nano += (uint32_t) (digit * tens[NANO_DIGITS + at]);
        up |= at == -NANO_DIGITS - 1 && digit >= 5;
        at--;
    }
    s.nano += (uint32_t) up;
    s.whole += s.nano == SUM_NANO;
    s.nano %= SUM_NANO;
    if (n.negative)
        negate(&s);
    *out = s;
    return in_bounds(&s) ? 0 : -ERANGE;
}

int
sum_of(const struct il_value *v, struct sum *out)
{
    switch (v->type) {
    case IL_INT:
        *out = (struct sum){ v->num.i, 0 };
        return in_bounds(out) ? 0 : -ERANGE;
    case IL_UINT: /* above INT64_MAX */
        return -ERANGE;
    case IL_DECIMAL:
        return sum_read(v->str, v->len, out);
    default:
        return -EINVAL;
    }
}

int
sum_add(struct sum *to, const struct sum *more)
{
    const uint32_t nano = to->nano + more->nano;
    const struct sum s = { to->whole + more->whole + (nano >= SUM_NANO),
                           nano % SUM_NANO };
    if (!in_bounds(&s))
        return -ERANGE;
    *to = s;
    return 0;
}

int
sum_is_one(const struct sum *s)
{
    return in_bounds(s) && s->nano < SUM_NANO;
}

size_t
sum_write(const struct sum *s, char room[SUM_TEXT])
{
    struct sum plain = *s;
    if (s->whole < 0)
        negate(&plain); /* which is its own undoing */
    int n = snprintf(room, SUM_TEXT, "%s%lld.%09lu", s->whole < 0 ? "-" : "",
                     (long long) plain.whole, (unsigned long) plain.nano);
    while (room[n - 1] == '0')
        n--;
    if (room[n - 1] == '.')
        n--;
    room[n] = '\0';
    return (size_t) n;
}
