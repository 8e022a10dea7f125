/* SPDX-License-Identifier: MIT */
/* numeric, digit for digit. */
#include "put.h"

#include "decimal.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define NUMERIC_WEIGHT_MAX 32767 /* groups of four digits before the point */
#define NUMERIC_SCALE_MAX 16383  /* digits after it */

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
put_groups(struct encoder *e, const struct column *c, const struct decimal *d,
           const struct il_value *v)
{
    int64_t total = (int64_t) (d->whole_len + d->fraction_len);
    int64_t point = (int64_t) d->whole_len + d->exponent, first = 0;
    int64_t last = total - 1, scale = (int64_t) d->fraction_len - d->exponent;
    while (first < total && decimal_digit(d, first) == 0)
        first++;
    while (last > first && decimal_digit(d, last) == 0)
        last--;
    int64_t high = floor4(point - first - 1), low = floor4(point - last - 1);
    if (scale < 0)
        scale = 0;
    if (first == total)
        high = -1, low = 0;
    if (scale > NUMERIC_SCALE_MAX || high > NUMERIC_WEIGHT_MAX)
        return encode_bad(e, "22003", "value overflows numeric format");
    if (first < total && too_wide(c, point - first))
        return encode_out_of_range(e, c, v);
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
        put16(p + 12 + 2 * g,
              decimal_digit(d, at) * 1000 + decimal_digit(d, at + 1) * 100
                  + decimal_digit(d, at + 2) * 10 + decimal_digit(d, at + 3));
    }
    e->out->len += size;
    return 0;
}

int
put_numeric(struct encoder *e, const struct column *c, const struct il_value *v)
{
    char buf[48];
    size_t len;
    struct decimal d;
    const char *s = encode_scalar(v, buf, &len);
    if (!s || v->type == IL_BOOL || v->type == IL_TIME)
        return encode_bad_value(e, "22P02", c, v);
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
            return e->binary ? ENCODE_UNSURE : put_other(e, c, v);
        return encode_bad_value(e, "22P02", c, v);
    }
    int err = put_groups(e, c, &d, v);
    return err || e->binary ? err : encode_text(e, s, len);
}
