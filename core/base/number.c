/* SPDX-License-Identifier: MIT */
/* A number is read as 0.d1d2d3... x 10^(exponent + point), d1 not 0, without
 * being copied: digits stay where they are in the text, and the decimal point
 * is stepped over.  Two of one sign then compare by their powers, and where
 * those are equal, digit by digit.
 *
 * Exponents may be as long as their sender likes, so they are not converted
 * either: power_difference() subtracts them digit by digit. */
#include "number.h"

#include "digits.h"

#include <errno.h>
#include <string.h>

struct exponent {
    const char *digits;
    size_t len;
    int sign;
};

struct parts {
    int sign;        /* -1, 0, 1 */
    const char *p;   /* the first digit that is not 0 */
    const char *end; /* past the last digit (or point) */
    int64_t point;   /* where the point stands, counted from p */
    struct exponent exponent;
};

static size_t
count_digits(const char *p, const char *end)
{
    size_t n = 0;
    while (p + n < end && p[n] >= '0' && p[n] <= '9')
        n++;
    return n;
}

int
number_valid(const char *text, size_t len)
{
    const char *p = text, *end = text + len;
    p += p < end && *p == '-';
    size_t n = count_digits(p, end);
    if (n == 0 || (n > 1 && *p == '0'))
        return 0;
    p += n;
    if (p < end && *p == '.') {
        n = count_digits(++p, end);
        if (n == 0)
            return 0;
        p += n;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        n = count_digits(p, end);
        if (n == 0)
            return 0;
        p += n;
    }
    return p == end;
}

static void
read_exponent(const char *p, const char *end, struct exponent *out)
{
    out->sign = 1;
    if (p < end && (*p == '+' || *p == '-'))
        out->sign = *p++ == '-' ? -1 : 1;
    while (p < end && *p == '0')
        p++;
    out->digits = p;
    out->len = count_digits(p, end);
}

static void
read_parts(const char *text, size_t len, struct parts *out)
{
    const char *p = text, *end = text + len;
    memset(out, 0, sizeof *out);
    out->sign = 1;
    if (p < end && *p == '-') {
        out->sign = -1;
        p++;
    }
    const char *whole = p;
    p += count_digits(p, end);
    const char *point = p;
    if (p < end && *p == '.')
        p += 1 + count_digits(p + 1, end);
    out->end = p;
    if (p < end && (*p == 'e' || *p == 'E'))
        read_exponent(p + 1, end, &out->exponent);
    for (p = whole; p < out->end && (*p == '0' || *p == '.');)
        p++;
    out->p = p;
    if (p == out->end)
        out->sign = 0;
    out->point = p < point ? point - p : point + 1 - p;
    while (out->end > p && (out->end[-1] == '0' || out->end[-1] == '.')
           && out->end > point)
        out->end--;
}

/* a - b, cut off at about 10^17 either way, which is more than any text's
 * length can make up for. */
static int64_t
power_difference(const struct exponent *a, const struct exponent *b)
{
    const int64_t far = 100000000000000000;
    size_t len = a->len > b->len ? a->len : b->len;
    int64_t sum = 0;
    for (size_t left = len; left > 0; left--) {
        int64_t da = left <= a->len ? a->digits[a->len - left] - '0' : 0;
        int64_t db = left <= b->len ? b->digits[b->len - left] - '0' : 0;
        sum = sum * 10 + a->sign * da - b->sign * db;
        /* Once it is that large, no later digit can turn its sign. */
        if (sum >= far || sum <= -far)
            return sum > 0 ? far : -far;
    }
    return sum;
}

static int
compare_digits(const struct parts *a, const struct parts *b)
{
    const char *p = a->p, *q = b->p;
    for (;;) {
        if (p < a->end && *p == '.')
            p++;
        if (q < b->end && *q == '.')
            q++;
        if (p >= a->end && q >= b->end)
            return 0;
        char x = p < a->end ? *p++ : '0', y = q < b->end ? *q++ : '0';
        if (x != y)
            return x < y ? -1 : 1;
    }
}

static int
compare_parts(const struct parts *a, const struct parts *b)
{
    if (a->sign != b->sign)
        return a->sign < b->sign ? -1 : 1;
    if (a->sign == 0)
        return 0;
    int64_t power = power_difference(&a->exponent, &b->exponent);
    power += a->point - b->point;
    if (power)
        return power < 0 ? -a->sign : a->sign;
    return a->sign * compare_digits(a, b);
}

/* The parts of any number; room holds the digits of one that has no text. */
static void
value_parts(const struct il_value *v, char room[24], struct parts *out)
{
    if (v->type == IL_DECIMAL) {
        read_parts(v->str, v->len, out);
        return;
    }
    size_t n = 0;
    uint64_t u = v->num.u;
    if (v->type == IL_INT && v->num.i < 0) {
        room[n++] = '-';
        u = 0 - u;
    }
    n = (size_t) (digits_put(room + n, u) - room);
    read_parts(room, n, out);
}

int
number_compare(const struct il_value *a, const struct il_value *b)
{
    if (a->type != IL_DECIMAL && b->type != IL_DECIMAL) {
        if (a->type != b->type) /* IL_UINT holds what IL_INT cannot ... */
            if (a->num.i < 0 || b->num.i < 0) /* ... or else compares alike */
                return a->type == IL_INT ? -1 : 1;
        if (a->type == IL_INT && b->type == IL_INT)
            return (a->num.i > b->num.i) - (a->num.i < b->num.i);
        return (a->num.u > b->num.u) - (a->num.u < b->num.u);
    }
    char room_a[24], room_b[24];
    struct parts pa, pb;
    value_parts(a, room_a, &pa);
    value_parts(b, room_b, &pb);
    return compare_parts(&pa, &pb);
}

void
number_view(const char *text, size_t len, struct il_value *out)
{
    const char *p = text, *end = text + len;
    int negative = p < end && *p == '-';
    uint64_t u = 0;
    memset(out, 0, sizeof *out);
    out->type = IL_DECIMAL;
    out->str = text;
    out->len = len;
    p += negative;
    if (p == end || (*p == '0' && len > 1))
        return;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9'
            || u > (UINT64_MAX - (uint64_t) (*p - '0')) / 10)
            return;
        u = u * 10 + (uint64_t) (*p - '0');
    }
    if (negative && u > (uint64_t) INT64_MAX + 1)
        return;
    out->type = negative || u <= INT64_MAX ? IL_INT : IL_UINT;
    out->num.u = negative ? 0 - u : u;
    out->str = NULL;
    out->len = 0;
}

/* The exponent as a number, where it has at most 15 digits. */
static int
small_exponent(const struct exponent *e, int64_t *out)
{
    *out = 0;
    if (e->len > 15)
        return -EINVAL;
    for (size_t i = 0; i < e->len; i++)
        *out = *out * 10 + (e->digits[i] - '0');
    *out *= e->sign;
    return 0;
}

/* Multiply the digits in place, backwards, into the room before them. */
static char *
multiply(char *first, char *end, uint64_t factor)
{
    uint64_t carry = 0;
    for (char *p = end; p > first;) {
        carry += (uint64_t) (*--p - '0') * factor;
        *p = (char) ('0' + carry % 10);
        carry /= 10;
    }
    for (; carry; carry /= 10)
        *--first = (char) ('0' + carry % 10);
    return first;
}

int
number_scale(struct il_text *out, const char *number, size_t len,
             uint64_t factor, int shift)
{
    enum { ROOM = 20 }; /* digits that a factor below 2^50 may add */
    struct parts parts;
    int64_t exponent;
    read_parts(number, len, &parts);
    if (parts.sign == 0)
        return text_puts(out, "0");
    if (small_exponent(&parts.exponent, &exponent))
        return -EINVAL;
    if (text_reserve(out, 1 + ROOM + len + 64))
        return -ENOMEM;
    char *first = out->data + out->len + 1 + ROOM, *end = first;
    for (const char *p = parts.p; p < parts.end; p++)
        if (*p != '.')
            *end++ = *p;
    exponent += parts.point - (end - first) - shift;
    first = multiply(first, end, factor);
    for (; end[-1] == '0'; end--)
        exponent++;
    if (exponent >= 0 && end - first + exponent <= 19)
        for (; exponent > 0; exponent--)
            *end++ = '0';
    char *to = out->data + out->len;
    if (parts.sign < 0)
        *to++ = '-';
    memmove(to, first, (size_t) (end - first));
    out->len = (size_t) (to - out->data) + (size_t) (end - first);
    return exponent ? text_printf(out, "e%lld", (long long) exponent) : 0;
}
