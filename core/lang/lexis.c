/* SPDX-License-Identifier: MIT */
#include "lexis.h"

#include "base/digits.h"
#include "base/wtf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int
lang_fail(struct lang_error *error, size_t offset, const char *fmt, ...)
{
    va_list ap;
    error->offset = offset;
    va_start(ap, fmt);
    vsnprintf(error->message, sizeof error->message, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

size_t
lang_utf8_len(const char *p, const char *end)
{
    if (p == end || *p == 0)
        return 0;
    if ((unsigned char) *p < 0x80)
        return 1;
    int n = utf8_length(p, end);
    return n > 0 ? (size_t) n : 0;
}

/* Characters that look like nothing or like a quote: pasted from a document,
 * they would silently become part of a name. */
static int
is_deceptive(const char *p, size_t n)
{
    const unsigned char *u = (const unsigned char *) p;
    if (n == 2)
        return u[0] == 0xc2 && (u[1] <= 0xa0 || u[1] == 0xad);
    if (n != 3)
        return 0;
    uint32_t c = (uint32_t) (u[0] & 15) << 12 | (uint32_t) (u[1] & 63) << 6
                 | (u[2] & 63);
    return (c >= 0x2000 && c <= 0x206f) || c == 0x3000 || c == 0xfeff
           || c == 0x1680;
}

size_t
lang_name_first(const char *p, const char *end)
{
    if (p == end)
        return 0;
    char c = *p;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_')
        return 1;
    if ((unsigned char) c < 0x80)
        return 0;
    size_t n = lang_utf8_len(p, end);
    return n && !is_deceptive(p, n) ? n : 0;
}

size_t
lang_name_next(const char *p, const char *end)
{
    if (p < end && ((*p >= '0' && *p <= '9') || *p == '-'))
        return 1;
    return lang_name_first(p, end);
}

size_t
lang_name_len(const char *p, const char *end)
{
    const char *begin = p;
    size_t n = lang_name_first(p, end);
    while (n) {
        p += n;
        n = lang_name_next(p, end);
    }
    return (size_t) (p - begin);
}

static int
hex4(const char *p, const char *end, uint32_t *out)
{
    uint32_t v = 0;
    if (end - p < 4)
        return 0;
    for (int i = 0; i < 4; i++) {
        int d = digits_hex(p[i]);
        if (d < 0)
            return 0;
        v = v << 4 | (uint32_t) d;
    }
    *out = v;
    return 1;
}

/* The escape after a backslash at p.  Returns the bytes read after the
 * backslash, 0 if it is none; *n gets the bytes written to made. */
static size_t
read_escape(const char *p, const char *end, char made[4], size_t *n)
{
    static const char from[] = "\"\\/bfnrt'", to[] = "\"\\/\b\f\n\r\t'";
    uint32_t c, low;
    if (p == end || *p == 0)
        return 0;
    const char *at = strchr(from, *p);
    if (at) {
        made[0] = to[at - from];
        *n = 1;
        return 1;
    }
    if (*p != 'u' || !hex4(p + 1, end, &c))
        return 0;
    if (c >= 0xd800 && c <= 0xdbff && end - p >= 11 && p[5] == '\\'
        && p[6] == 'u' && hex4(p + 7, end, &low) && low >= 0xdc00
        && low <= 0xdfff) {
        *n = (size_t) (wtf8_put(made,
                                0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00))
                       - made);
        return 11;
    }
    *n = (size_t) (wtf8_put(made, c) - made);
    return 5;
}

size_t
lang_quoted_read(const char *begin, const char *p, const char *end, char *out,
                 size_t *out_len, struct lang_error *error)
{
    const char *open = p;
    char quote = *p++, made[4];
    size_t len = 0, n, step;
    while (p < end && *p != quote && *p != '\n') {
        const char *from = p;
        if (*p == '\\') {
            step = read_escape(p + 1, end, made, &n);
            if (!step) {
                lang_fail(error, (size_t) (p - begin),
                          "unknown escape (a backslash itself is doubled); "
                          "there are \\\" \\' \\\\ \\/ \\b "
                          "\\f \\n \\r \\t and \\u with four hex digits");
                return 0;
            }
            step++;
            from = made;
        } else {
            step = n = lang_utf8_len(p, end);
            if (!step) {
                lang_fail(error, (size_t) (p - begin),
                          "bytes that are not UTF-8 text");
                return 0;
            }
        }
        if (out)
            memcpy(out + len, from, n);
        len += n;
        p += step;
    }
    if (p == end || *p != quote) {
        lang_fail(error, (size_t) (open - begin), "this text has no closing %c",
                  quote);
        return 0;
    }
    *out_len = len;
    return (size_t) (p + 1 - open);
}

static size_t
digits(const char *p, const char *end)
{
    const char *q = p;
    while (q < end && *q >= '0' && *q <= '9')
        q++;
    return (size_t) (q - p);
}

int
lang_number_valid(const char *p, size_t len)
{
    const char *end = p + len;
    size_t n;
    if (p < end && *p == '-')
        p++;
    n = digits(p, end);
    if (n == 0 || (n > 1 && *p == '0'))
        return 0;
    p += n;
    if (p < end && *p == '.') {
        n = digits(++p, end);
        if (n == 0)
            return 0;
        p += n;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        n = digits(p, end);
        if (n == 0)
            return 0;
        p += n;
    }
    return p == end;
}

/* Where the line that holds `at` begins and ends. */
static struct slice
line_of(const char *text, size_t len, size_t at)
{
    size_t from = at, to = at;
    while (from > 0 && text[from - 1] != '\n')
        from--;
    while (to < len && text[to] != '\n')
        to++;
    return slice_of(text + from, to - from);
}

int
lang_error_show(struct il_text *out, const char *text, size_t len,
                const struct lang_error *error)
{
    enum { WIDTH = 75, BEFORE = 50 };
    size_t at = error->offset < len ? error->offset : len;
    struct slice line = line_of(text, len, at);
    const char *from = line.ptr, *to = line.ptr + line.len, *here = text + at;
    const char *p;
    /* A long line is cut to what a terminal shows, between characters. */
    if (line.len > WIDTH && here - from > BEFORE)
        for (from = here - BEFORE; from < here && (*from & 0xc0) == 0x80;)
            from++;
    if (to - from > WIDTH)
        for (to = from + WIDTH; to > from && (*to & 0xc0) == 0x80;)
            to--;
    if (text_printf(out, "%s\n    ", error->message))
        return -ENOMEM;
    for (p = from; p < to; p++)
        if (text_putc(out, (unsigned char) *p < ' ' ? ' ' : *p))
            return -ENOMEM;
    if (text_puts(out, "\n    "))
        return -ENOMEM;
    for (p = from; p < here; p++)
        if ((*p & 0xc0) != 0x80 && text_putc(out, ' '))
            return -ENOMEM;
    return text_puts(out, "^\n");
}
