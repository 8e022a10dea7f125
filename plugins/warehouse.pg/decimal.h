/* SPDX-License-Identifier: MIT */
/* A decimal number taken apart, without loss. */
#ifndef PG_DECIMAL_H
#define PG_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

struct decimal {
    int negative;
    const char *whole, *fraction; /* digits without sign, point, exponent */
    size_t whole_len, fraction_len;
    int64_t exponent; /* clamped to +-10^9 */
};
/* Digit i of whole and fraction taken as one; '0' beyond both ends. */
static inline int
decimal_digit(const struct decimal *d, int64_t i)
{
    if (i < 0 || i >= (int64_t) (d->whole_len + d->fraction_len))
        return 0;
    return i < (int64_t) d->whole_len
               ? d->whole[i] - '0'
               : d->fraction[i - (int64_t) d->whole_len] - '0';
}

/* [+-]digits[.digits][e[+-]digits]; 0 or -EINVAL. */
int decimal_scan(const char *, size_t len, struct decimal *);
/* 0, -ERANGE, or -EINVAL where it has a fraction. */
int decimal_int64(const struct decimal *, int64_t *);

#endif
