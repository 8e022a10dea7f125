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

int
signature_time(const char *text, size_t len, int64_t *seconds)
{
    int64_t n = 0;
    if (!len || len > 12) /* the year 33658 */
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -EINVAL;
        n = n * 10 + (text[i] - '0');
    }
    *seconds = n;
    return 0;
}

static void
add(const struct signature_form *form, const char *text, size_t len,
    int is_public, struct signatures *out)
{
    struct signature *s = &out->at[out->count];
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
        out->timestamp = item + n;
        out->timestamp_len = len - (size_t) n;
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
