/* SPDX-License-Identifier: MIT */
/* Values of the simple types.  A text that Postgres would read as the type is
 * read here by the same rules; a value that cannot be the type is found here,
 * because a row that Postgres refuses costs a savepoint and a new COPY. */
#define _GNU_SOURCE /* strtod_l: the decimal point is no matter of locale */
#include "put.h"

#include "decimal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
trim(const char **s, size_t *len)
{
    while (*len && isspace((unsigned char) **s))
        ++*s, --*len;
    while (*len && isspace((unsigned char) (*s)[*len - 1]))
        --*len;
}

static int
put_int_bytes(struct encoder *e, int64_t n, int size)
{
    if (e->binary)
        return encode_number(e, (uint64_t) n, (unsigned) size);
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long) n);
    return encode_text(e, text, (size_t) len);
}

/* Text and decimals as an integer: 0, ENCODE_UNSURE or what encode_bad() gave.
 */
static int
read_int(struct encoder *e, const struct column *c, const struct il_value *v,
         int64_t *out)
{
    const char *s = v->str;
    size_t len = v->len;
    struct decimal d;
    if (v->type == IL_STRING)
        trim(&s, &len);
    int bad = decimal_scan(s, len, &d);
    /* Text follows the input syntax of integers; a number may also be written
     * 42.0 or 1e3, as long as it is a whole one. */
    if (!bad && v->type == IL_STRING && d.whole + d.whole_len != s + len)
        bad = -EINVAL;
    if (!bad)
        bad = decimal_int64(&d, out);
    if (bad == -ERANGE)
        return encode_out_of_range(e, c, v);
    if (bad && v->type == IL_STRING && len > 1
        && (memchr(s, '_', len) || memchr(s, '0', 2)))
        return ENCODE_UNSURE; /* 0x1f and 1_000: from version 16 on */
    return bad ? encode_bad_value(e, "22P02", c, v) : 0;
}

static int
put_int(struct encoder *e, const struct column *c, const struct il_value *v,
        int size)
{
    int64_t n = v->num.i, most = INT64_MAX >> (64 - 8 * size);
    int err;
    switch (v->type) {
    case IL_INT:
        break;
    case IL_UINT:
        return encode_out_of_range(e, c, v);
    case IL_DECIMAL:
    case IL_STRING:
        err = read_int(e, c, v, &n);
        if (err == ENCODE_UNSURE && !e->binary)
            return put_other(e, c, v);
        if (err)
            return err;
        break;
    default:
        return encode_bad_value(e, "22P02", c, v);
    }
    if (n > most || n < -most - 1)
        return encode_out_of_range(e, c, v);
    return put_int_bytes(e, n, size);
}

int
put_int2(struct encoder *e, const struct column *c, const struct il_value *v)
{
    return put_int(e, c, v, 2);
}

int
put_int4(struct encoder *e, const struct column *c, const struct il_value *v)
{
    return put_int(e, c, v, 4);
}

int
put_int8(struct encoder *e, const struct column *c, const struct il_value *v)
{
    return put_int(e, c, v, 8);
}

/* By strtod, as Postgres does it, and with its idea of what overflows. */
static int
put_float(struct encoder *e, const struct column *c, const struct il_value *v,
          int size)
{
    char buf[1024], number[48], *end;
    size_t len;
    const char *s = encode_scalar(v, number, &len);
    if (!s || v->type == IL_BOOL || v->type == IL_TIME)
        return encode_bad_value(e, "22P02", c, v);
    trim(&s, &len);
    if (!len || memchr(s, 0, len))
        return encode_bad_value(e, "22P02", c, v);
    if (len >= sizeof buf)
        return e->binary ? ENCODE_UNSURE : put_other(e, c, v);
    memcpy(buf, s, len);
    buf[len] = 0;
    union {
        float f;
        double d;
        uint32_t u4;
        uint64_t u8;
    } n = { .u8 = 0 };
    errno = 0;
    double value = size == 4 ? (double) strtof_l(buf, &end, e->c_locale)
                             : strtod_l(buf, &end, e->c_locale);
    if (end == buf || *end)
        return encode_bad_value(e, "22P02", c, v);
    if (errno == ERANGE && (value == 0 || isinf(value)))
        return encode_out_of_range(e, c, v);
    if (!e->binary)
        return encode_text(e, buf, len);
    if (size == 4)
        n.f = (float) value;
    else
        n.d = value;
    return put_int_bytes(e, size == 4 ? (int64_t) n.u4 : (int64_t) n.u8, size);
}

int
put_float4(struct encoder *e, const struct column *c, const struct il_value *v)
{
    return put_float(e, c, v, 4);
}

int
put_float8(struct encoder *e, const struct column *c, const struct il_value *v)
{
    return put_float(e, c, v, 8);
}

/* Postgres's rule: unique prefixes of true, false, yes, no; on, off; 1, 0. */
static int
read_bool(const char *s, size_t len)
{
    static const struct {
        const char *word;
        size_t least;
        int value;
    } words[] = { { "true", 1, 1 }, { "false", 1, 0 }, { "yes", 1, 1 },
                  { "no", 1, 0 },   { "on", 2, 1 },    { "off", 2, 0 },
                  { "1", 1, 1 },    { "0", 1, 0 } };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t k = 0;
        while (k < len && words[i].word[k]
               && tolower((unsigned char) s[k]) == words[i].word[k])
            k++;
        if (k == len && k >= words[i].least)
            return words[i].value;
    }
    return -1;
}

int
put_bool(struct encoder *e, const struct column *c, const struct il_value *v)
{
    char buf[48], byte;
    size_t len;
    const char *s = encode_scalar(v, buf, &len);
    int value = -1;
    if (s && v->type != IL_TIME) {
        trim(&s, &len);
        value = read_bool(s, len);
    }
    if (value < 0)
        return encode_bad_value(e, "22P02", c, v);
    byte = (char) value;
    return e->binary ? encode_binary(e, &byte, 1)
                     : encode_text(e, value ? "t" : "f", 1);
}

static int
hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char) (c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 32 digits, a hyphen allowed after every fourth, braces around it allowed. */
int
put_uuid(struct encoder *e, const struct column *c, const struct il_value *v)
{
    unsigned char out[16];
    const char *s = v->str, *end;
    size_t len = v->len;
    if (v->type != IL_STRING)
        return encode_bad_value(e, "22P02", c, v);
    if (len > 2 && s[0] == '{' && s[len - 1] == '}')
        s++, len -= 2;
    end = s + len;
    for (int i = 0; i < 16; i++) {
        if (end - s < 2 || hex(s[0]) < 0 || hex(s[1]) < 0)
            return encode_bad_value(e, "22P02", c, v);
        out[i] = (unsigned char) (hex(s[0]) * 16 + hex(s[1]));
        s += 2;
        if (s < end && *s == '-' && i % 2 == 1 && i < 15)
            s++;
    }
    if (s != end)
        return encode_bad_value(e, "22P02", c, v);
    return e->binary ? encode_binary(e, out, sizeof out)
                     : encode_text(e, v->str, v->len);
}

static int
octal(const char *s, const char *end)
{
    if (end - s < 3 || s[0] < '0' || s[0] > '3' || s[1] < '0' || s[1] > '7'
        || s[2] < '0' || s[2] > '7')
        return -1;
    return (s[0] - '0') * 64 + (s[1] - '0') * 8 + (s[2] - '0');
}

/* Input syntax of bytea, \x6869 or h\151, unpacked into to.  The length or
 * -1. */
static ptrdiff_t
read_bytea(const char *s, size_t len, char *to)
{
    const char *end = s + len;
    char *out = to;
    if (len >= 2 && s[0] == '\\' && s[1] == 'x') {
        for (s += 2; s < end;) {
            if (isspace((unsigned char) *s)) {
                s++;
                continue;
            }
            if (end - s < 2 || hex(s[0]) < 0 || hex(s[1]) < 0)
                return -1;
            *out++ = (char) (hex(s[0]) * 16 + hex(s[1]));
            s += 2;
        }
        return out - to;
    }
    while (s < end) {
        int o;
        if (*s != '\\') {
            *out++ = *s++;
        } else if (end - s >= 2 && s[1] == '\\') {
            *out++ = '\\';
            s += 2;
        } else if ((o = octal(s + 1, end)) >= 0) {
            *out++ = (char) o;
            s += 4;
        } else {
            return -1;
        }
    }
    return out - to;
}

int
put_bytea(struct encoder *e, const struct column *c, const struct il_value *v)
{
    if (v->type != IL_STRING)
        return encode_bad_value(e, "22P02", c, v);
    e->json->len = 0;
    if (il_text_reserve(e->host, e->json, 3 * v->len + 3))
        return -ENOMEM;
    char *bytes = e->json->data, *text = bytes + v->len;
    ptrdiff_t n = read_bytea(v->str, v->len, bytes);
    if (n < 0)
        return encode_bad_value(e, "22P02", c, v);
    if (e->binary)
        return encode_binary(e, bytes, (size_t) n);
    char *p = text;
    *p++ = '\\';
    *p++ = 'x';
    for (ptrdiff_t i = 0; i < n; i++) {
        *p++ = "0123456789abcdef"[(unsigned char) bytes[i] >> 4];
        *p++ = "0123456789abcdef"[(unsigned char) bytes[i] & 15];
    }
    return encode_text(e, text, (size_t) (p - text));
}

/* All bits past the mask are zero, as cidr demands. */
static int
network_only(const unsigned char *addr, int size, int bits)
{
    for (int i = bits; i < size * 8; i++)
        if (addr[i / 8] & (0x80 >> i % 8))
            return 0;
    return 1;
}

static int
put_address(struct encoder *e, const struct column *c, const struct il_value *v,
            int cidr)
{
    char text[64];
    unsigned char out[20];
    if (v->type != IL_STRING || v->len >= sizeof text
        || memchr(v->str, 0, v->len))
        return encode_bad_value(e, "22P02", c, v);
    memcpy(text, v->str, v->len);
    text[v->len] = 0;
    if (text[strspn(text, "0123456789abcdefABCDEF:./ ")])
        return encode_bad_value(e, "22P02", c, v);
    char *slash = strchr(text, '/'), *end = NULL;
    long bits = -1;
    if (slash) {
        *slash++ = 0;
        bits = isdigit((unsigned char) *slash) ? strtol(slash, &end, 10) : -2;
    }
    int v6 = strchr(text, ':') != NULL, size = v6 ? 16 : 4;
    if (inet_pton(v6 ? AF_INET6 : AF_INET, text, out + 4) != 1 || (end && *end)
        || bits == -2 || bits > size * 8)
        return e->binary ? ENCODE_UNSURE : put_other(e, c, v);
    if (bits < 0)
        bits = size * 8;
    if (cidr && !network_only(out + 4, size, (int) bits))
        return encode_bad_value(e, "22P02", c, v);
    if (!e->binary)
        return encode_text(e, v->str, v->len);
    out[0] = v6 ? 3 : 2; /* PGSQL_AF_INET6, PGSQL_AF_INET */
    out[1] = (unsigned char) bits;
    out[2] = (unsigned char) cidr;
    out[3] = (unsigned char) size;
    return encode_binary(e, out, 4 + (size_t) size);
}

int
put_inet(struct encoder *e, const struct column *c, const struct il_value *v)
{
    return put_address(e, c, v, 0);
}

int
put_cidr(struct encoder *e, const struct column *c, const struct il_value *v)
{
    return put_address(e, c, v, 1);
}
