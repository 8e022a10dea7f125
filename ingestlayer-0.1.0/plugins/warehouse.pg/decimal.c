/* SPDX-License-Identifier: MIT */
/* Decimal numbers, exactly: from text to integers and to numeric's binary
 * form, without a float in between. */
#include "pg.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define NUMERIC_WEIGHT_MAX 32767 /* groups of four digits before the point */
#define NUMERIC_SCALE_MAX 16383  /* digits after it */

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

/* Digit i of whole and fraction taken as one; '0' beyond both ends. */
static int
digit(const struct decimal *d, int64_t i)
{
    if (i < 0 || i >= (int64_t) (d->whole_len + d->fraction_len))
        return 0;
    return i < (int64_t) d->whole_len
               ? d->whole[i] - '0'
               : d->fraction[i - (int64_t) d->whole_len] - '0';
}

int
decimal_int64(const struct decimal *d, int64_t *out)
{
    int64_t total = (int64_t) (d->whole_len + d->fraction_len), i = 0;
    int64_t point = (int64_t) d->whole_len + d->exponent;
    uint64_t n = 0, most = (uint64_t) INT64_MAX + (d->negative != 0);
    while (i < total && digit(d, i) == 0)
        i++;
    if (i == total) {
        *out = 0;
        return 0;
    }
    if (point - i > 19)
        return -ERANGE;
    for (int64_t k = point > 0 ? point : 0; k < total; k++)
        if (digit(d, k))
            return -EINVAL;
    for (; i < point; i++) {
        uint64_t x = (uint64_t) digit(d, i);
        if (n > (most - x) / 10)
            return -ERANGE;
        n = n * 10 + x;
    }
    *out = d->negative ? (int64_t) (0 - n) : (int64_t) n;
    return 0;
}

static int64_t
floor4(int64_t n)
{
    return n >= 0 ? n / 4 : -((3 - n) / 4);
}

static void
put16(unsigned char *p, int64_t n)
{
    p[0] = (unsigned char) ((uint64_t) n >> 8);
    p[1] = (unsigned char) n;
}

/* More digits before the point than numeric(p,s) holds.  What only rounding
 * makes too large is left to the server. */
static int
too_wide(const struct column *c, int64_t whole_digits)
{
    if (c->modifier < 4)
        return 0;
    int32_t mod = c->modifier - 4, precision = (mod >> 16) & 0xffff;
    int32_t scale = ((mod & 0x7ff) ^ 1024) - 1024;
    return whole_digits > precision - scale;
}

/* numeric's binary form: groups of four digits, the exponent of the first. */
static int
put_groups(struct enc *e, const struct column *c, const struct decimal *d,
           const struct il_value *v)
{
    int64_t total = (int64_t) (d->whole_len + d->fraction_len);
    int64_t point = (int64_t) d->whole_len + d->exponent, first = 0;
    int64_t last = total - 1, scale = (int64_t) d->fraction_len - d->exponent;
    while (first < total && digit(d, first) == 0)
        first++;
    while (last > first && digit(d, last) == 0)
        last--;
    int64_t high = floor4(point - first - 1), low = floor4(point - last - 1);
    if (scale < 0)
        scale = 0;
    if (first == total)
        high = -1, low = 0;
    if (scale > NUMERIC_SCALE_MAX || high > NUMERIC_WEIGHT_MAX)
        return enc_bad(e, "22003", "value overflows numeric format");
    if (first < total && too_wide(c, point - first))
        return enc_out_of_range(e, c, v);
    if (!e->binary)
        return 0;
    size_t n = first == total ? 0 : (size_t) (high - low + 1);
    size_t size = 4 + 8 + 2 * n;
    if (il_text_reserve(e->host, e->out, size))
        return -ENOMEM;
    unsigned char *p = (unsigned char *) e->out->data + e->out->len;
    put16(p, (int64_t) (size - 4) >> 16);
    put16(p + 2, (int64_t) size - 4);
    put16(p + 4, (int64_t) n);
    put16(p + 6, n ? high : 0);
    put16(p + 8, n && d->negative ? 0x4000 : 0);
    put16(p + 10, scale);
    for (size_t g = 0; g < n; g++) {
        int64_t at = point - 4 * (high - (int64_t) g) - 4;
        put16(p + 12 + 2 * g, digit(d, at) * 1000 + digit(d, at + 1) * 100
                                  + digit(d, at + 2) * 10 + digit(d, at + 3));
    }
    e->out->len += size;
    return 0;
}

int
put_numeric(struct enc *e, const struct column *c, const struct il_value *v)
{
    char buf[48];
    size_t len;
    struct decimal d;
    const char *s = enc_scalar(v, buf, &len);
    if (!s || v->type == IL_BOOL || v->type == IL_TIME)
        return enc_bad_value(e, "22P02", c, v);
    while (len && isspace((unsigned char) *s))
        s++, len--;
    while (len && isspace((unsigned char) s[len - 1]))
        len--;
    if (decimal_scan(s, len, &d)) {
        /* NaN, Infinity and, from version 16 on, 0x1f and 1_000. */
        size_t sign = len > 1 && (*s == '+' || *s == '-');
        if (len
            && (memchr(s, '_', len) || memchr(s, 'x', len)
                || memchr(s, 'X', len) || memchr("nNiI", s[sign], 4)))
            return e->binary ? ENC_UNSURE : put_other(e, c, v);
        return enc_bad_value(e, "22P02", c, v);
    }
    int err = put_groups(e, c, &d, v);
    return err || e->binary ? err : enc_text(e, s, len);
}
