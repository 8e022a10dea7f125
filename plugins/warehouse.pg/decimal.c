/* SPDX-License-Identifier: MIT */
/* Decimal numbers, exactly: from text to integers, without a float in
 * between. */
#include "decimal.h"

#include <errno.h>
#include <string.h>

static size_t
digits(const char *p, const char *end)
{
    const char *q = p;
    while (q < end && *q >= '0' && *q <= '9')
        q++;
    return (size_t) (q - p);
}

int
decimal_scan(const char *p, size_t len, struct decimal *d)
{
    const char *end = p + len;
    *d = (struct decimal){ 0 };
    if (p < end && (*p == '-' || *p == '+'))
        d->negative = *p++ == '-';
    d->whole = p;
    p += d->whole_len = digits(p, end);
    d->fraction = p;
    if (p < end && *p == '.') {
        d->fraction = ++p;
        p += d->fraction_len = digits(p, end);
    }
    if (!d->whole_len && !d->fraction_len)
        return -EINVAL;
    if (p < end && (*p == 'e' || *p == 'E')) {
        int negative = 0;
        p++;
        if (p < end && (*p == '-' || *p == '+'))
            negative = *p++ == '-';
        size_t n = digits(p, end);
        if (!n)
            return -EINVAL;
        for (; n; n--, p++)
            if (d->exponent < 1000000000)
                d->exponent = d->exponent * 10 + (*p - '0');
        if (d->exponent > 1000000000)
            d->exponent = 1000000000;
        if (negative)
            d->exponent = -d->exponent;
    }
    return p == end ? 0 : -EINVAL;
}

int
decimal_int64(const struct decimal *d, int64_t *out)
{
    int64_t total = (int64_t) (d->whole_len + d->fraction_len), i = 0;
    int64_t point = (int64_t) d->whole_len + d->exponent;
    uint64_t n = 0, most = (uint64_t) INT64_MAX + (d->negative != 0);
    while (i < total && decimal_digit(d, i) == 0)
        i++;
    if (i == total) {
        *out = 0;
        return 0;
    }
    if (point - i > 19)
        return -ERANGE;
    for (int64_t k = point > 0 ? point : 0; k < total; k++)
        if (decimal_digit(d, k))
            return -EINVAL;
    for (; i < point; i++) {
        uint64_t x = (uint64_t) decimal_digit(d, i);
        if (n > (most - x) / 10)
            return -ERANGE;
        n = n * 10 + x;
    }
    *out = d->negative ? (int64_t) (0 - n) : (int64_t) n;
    return 0;
}
