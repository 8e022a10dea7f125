/* SPDX-License-Identifier: MIT */
#include "signature.h"

#include <errno.h>
#include <string.h>

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

long
signature_unhex(const char *text, size_t len, unsigned char *out, size_t max)
{
    if (len % 2 || len / 2 > max)
        return -EINVAL;
    for (size_t i = 0; i < len / 2; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return -EINVAL;
        out[i] = (unsigned char) (high << 4 | low);
    }
    return (long) (len / 2);
}

static int
base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

long
signature_unbase64(const char *text, size_t len, unsigned char *out, size_t max)
{
    uint32_t bits = 0;
    size_t n = 0, have = 0;
    if (len && len % 4 == 0 && text[len - 1] == '=')
        len -= text[len - 2] == '=' ? 2 : 1;
    if (len % 4 == 1)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0)
            return -EINVAL;
        bits = bits << 6 | (uint32_t) digit;
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        if (n == max)
            return -EINVAL;
        out[n++] = (unsigned char) (bits >> have);
    }
    return bits & ((1u << have) - 1) ? -EINVAL : (long) n;
}

/* n digits at *p, which goes behind them.  -1: there are fewer. */
static int64_t
digits(const char **p, const char *end, size_t n)
{
    int64_t value = 0;
    if ((size_t) (end - *p) < n)
        return -1;
    for (; n--; ++*p) {
        if (**p < '0' || **p > '9')
            return -1;
        value = value * 10 + (**p - '0');
    }
    return value;
}

/* Days since 1970 of a date of the Gregorian calendar. */
static int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2; /* a year begins in March, its leap day is its last */
    month += month <= 2 ? 9 : -3;
    return 365 * year + year / 4 - year / 100 + year / 400
           + (153 * month + 2) / 5 + day - 1 - 719468;
}

static int
skip(const char **p, const char *end, const char *any)
{
    if (*p == end || !**p || !strchr(any, **p))
        return 0;
    ++*p;
    return 1;
}

/* "Z" or "+01:00" up to the end.  0 or -EINVAL. */
static int
read_zone(const char *p, const char *end, int64_t *seconds)
{
    *seconds = 0;
    if (skip(&p, end, "Zz"))
        return p == end ? 0 : -EINVAL;
    int64_t sign = p < end && *p == '-' ? -1 : 1;
    if (!skip(&p, end, "+-"))
        return -EINVAL;
    int64_t hours = digits(&p, end, 2);
    if (!skip(&p, end, ":"))
        return -EINVAL;
    int64_t minutes = digits(&p, end, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || p != end)
        return -EINVAL;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return 0;
}

static int
read_date(const char *p, const char *end, int64_t *us)
{
    /* year, month, day, hour, minute, second */
    static const struct {
        size_t digits;
        int64_t min, max;
        const char *next;
    } fields[] = { { 4, 1970, 9999, "-" }, { 2, 1, 12, "-" },
                   { 2, 1, 31, "Tt" },     { 2, 0, 23, ":" },
                   { 2, 0, 59, ":" },      { 2, 0, 60, NULL } };
    int64_t v[6], fraction = 0, unit = 1000000, zone;
    for (size_t i = 0; i < 6; i++) {
        v[i] = digits(&p, end, fields[i].digits);
        if (v[i] < fields[i].min || v[i] > fields[i].max
            || (fields[i].next && !skip(&p, end, fields[i].next)))
            return -EINVAL;
    }
    if (skip(&p, end, ".")) {
        const char *from = p;
        for (; p < end && *p >= '0' && *p <= '9'; p++)
            if (unit > 1) {
                unit /= 10;
                fraction += (*p - '0') * unit;
            }
        if (p == from)
            return -EINVAL;
    }
    if (read_zone(p, end, &zone))
        return -EINVAL;
    *us = (days_of(v[0], v[1], v[2]) * 86400 + v[3] * 3600 + v[4] * 60 + v[5]
           - zone)
              * 1000000
          + fraction;
    return 0;
}

int
signature_time(const char *text, size_t len, int64_t *us)
{
    const char *p = text;
    if (len > 14)
        return read_date(text, text + len, us);
    int64_t n = len ? digits(&p, text + len, len) : -1;
    if (n < 0)
        return -EINVAL;
    /* 11 digits of seconds reach the year 5138, 12 of milliseconds 1973 */
    *us = n * (len < 12 ? 1000000 : 1000);
    return 0;
}

/* Without quotes around it. */
static const char *
unquoted(const char *text, size_t *len)
{
    if (*len < 2 || text[0] != '"' || text[*len - 1] != '"')
        return text;
    *len -= 2;
    return text + 1;
}

static void
add(const struct signature_form *form, const char *text, size_t len,
    int is_public, struct signatures *out)
{
    struct signature *s = &out->at[out->count];
    text = unquoted(text, &len);
    size_t size = is_public ? SIGNATURE_BYTES : form->size;
    if (out->count == SIGNATURE_MAX)
        return;
    long got = form->encoding == SIGNATURE_HEX
                   ? signature_unhex(text, len, s->bytes, SIGNATURE_BYTES)
                   : signature_unbase64(text, len, s->bytes, SIGNATURE_BYTES);
    if (got < 0 || (size_t) got != size)
        return;
    s->is_public = is_public;
    out->count++;
}

/* Does the item begin with the prefix?  Its length, or -1. */
static long
begins(const char *item, size_t len, const char *prefix)
{
    size_t n = prefix ? strlen(prefix) : 0;
    return prefix && n <= len && !memcmp(item, prefix, n) ? (long) n : -1;
}

static int
read_item(const struct signature_form *form, const char *item, size_t len,
          struct signatures *out)
{
    long n;
    if ((n = begins(item, len, form->timestamp_prefix)) >= 0) {
        if (out->timestamp)
            return -EINVAL;
        out->timestamp_len = len - (size_t) n;
        out->timestamp = unquoted(item + n, &out->timestamp_len);
    } else if ((n = begins(item, len, form->public_prefix)) >= 0) {
        add(form, item + n, len - (size_t) n, 1, out);
    } else if ((n = begins(item, len, form->prefix)) >= 0) {
        add(form, item + n, len - (size_t) n, 0, out);
    } else if (form->prefix_optional) {
        add(form, item, len, 0, out);
    }
    return 0;
}

int
signature_read(const struct signature_form *form, const char *header,
               struct signatures *out)
{
    out->count = 0;
    out->timestamp = NULL;
    out->timestamp_len = 0;
    for (const char *p = header + strspn(header, form->split); *p;
         p += strspn(p, form->split)) {
        size_t len = strcspn(p, form->split);
        if (read_item(form, p, len, out))
            return -EINVAL;
        p += len;
    }
    return out->count ? 0 : -EINVAL;
}

const char *
signature_item(const struct signature_form *form, const char *header,
               const char *prefix, size_t *len)
{
    const char *found = NULL;
    for (const char *p = header + strspn(header, form->split); *p;
         p += strspn(p, form->split)) {
        size_t item = strcspn(p, form->split);
        long n = begins(p, item, prefix);
        if (n >= 0 && found)
            return NULL;
        if (n >= 0) {
            *len = item - (size_t) n;
            found = unquoted(p + n, len);
        }
        p += item;
    }
    return found;
}
