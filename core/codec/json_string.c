/* SPDX-License-Identifier: MIT */
/* Strings: one pass to check and to find the end, a second one to decode only
 * where there was a backslash.  Decoding is never longer than the text, so it
 * may go where the text was. */
#include "private.h"

#include <string.h>

#include "base/digits.h"
#include "base/scan.h"
#include "base/wtf8.h"

/* Four digits that are known to be there. */
static uint32_t
hex4(const char *p)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++)
        v = v << 4 | (uint32_t) digits_hex(p[i]);
    return v;
}

/* Past the escape at p. */
static const char *
scan_escape(struct json_reader *r, const char *p)
{
    if (r->end - p < 2)
        return json_fail_end(r);
    if (p[1] != 'u') {
        if (!memchr("\"\\/bfnrt", p[1], 8))
            return json_fail(r, JSON_ESCAPE, p,
                             "unknown escape; JSON has \\\" \\\\ \\/ \\b \\f "
                             "\\n \\r \\t and \\uXXXX");
        return p + 2;
    }
    for (int i = 2; i < 6; i++) {
        if (p + i == r->end)
            return json_fail_end(r);
        if (digits_hex(p[i]) < 0)
            return json_fail(r, JSON_ESCAPE, p,
                             "\\u needs four hexadecimal digits");
    }
    return p + 6;
}

const char *
json_scan_string(struct json_reader *r, const char *p, int *escaped)
{
    const char *end = r->end;

    *escaped = 0;
    for (;;) {
        p = scan_plain(p, end);
        if (p == end)
            return json_fail_end(r);
        if (*p == '"')
            return p;
        if (*p == '\\') {
            *escaped = 1;
            p = scan_escape(r, p);
            if (!p)
                return NULL;
        } else if (!((unsigned char) *p & 0x80)) {
            return json_fail(r, JSON_CONTROL, p,
                             "a control character in a string must be "
                             "escaped");
        }
        while (p < end && (unsigned char) *p & 0x80) {
            int n = utf8_length(p, end);
            if (n < 0)
                return json_fail_end(r);
            if (n == 0)
                return json_fail(r, JSON_UTF8, p, "this is not UTF-8");
            p += n;
        }
    }
}

/* \uXXXX, and a second one where the two are a pair. */
static char *
unescape_u(char *dst, const char **pp, const char *end)
{
    const char *p = *pp + 6;
    uint32_t c = hex4(p - 4);

    if (c >= 0xd800 && c < 0xdc00 && end - p >= 6 && p[0] == '\\'
        && p[1] == 'u') {
        uint32_t low = hex4(p + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            p += 6;
        }
    }
    *pp = p;
    return wtf8_put(dst, c);
}

char *
json_unescape(char *dst, const char *p, const char *end)
{
    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t) (end - p));
        size_t run = (size_t) ((slash ? slash : end) - p);
        memmove(dst, p, run);
        dst += run;
        if (!slash)
            break;
        p = slash;
        if (p[1] == 'u') {
            dst = unescape_u(dst, &p, end);
            continue;
        }
        static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
        const char *at = strchr(from, p[1]);
        *dst++ = at ? to[at - from] : p[1];
        p += 2;
    }
    return dst;
}
