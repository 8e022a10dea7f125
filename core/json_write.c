/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <string.h>

#include "event.h"
#include "msgread.h"
#include "scan.h"
#include "wtf8.h"

#define NUMBER_MAX 24 /* "-9223372036854775808" */
#define ESCAPE_MAX 6  /* "\u0001" */

static const char hex[] = "0123456789abcdef";
static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

static char *
put_u(char *o, unsigned c)
{
    *o++ = '\\';
    *o++ = 'u';
    for (int shift = 12; shift >= 0; shift -= 4)
        *o++ = hex[c >> shift & 0xf];
    return o;
}

/* Write what scan_escaped() found at *p and move past it.  *replaced counts
 * what Postgres cannot hold. */
static char *
put_escape(char *o, const char **pp, const char *end, uint32_t flags,
           int64_t *replaced)
{
    const char *p = *pp;
    unsigned char c = (unsigned char) *p;

    *pp = p + 1;
    if (c == 0xed) {
        if (!wtf8_surrogate(p, end)) { /* U+D000 to U+D7FF */
            *o++ = (char) c;
            return o;
        }
        *pp = p + 3;
        if (!(flags & IL_JSON_FOR_POSTGRES))
            return put_u(o, 0xd000u | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu));
    } else if (c || !(flags & IL_JSON_FOR_POSTGRES)) {
        static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
        const char *at = c ? strchr(from, c) : NULL;
        if (!at)
            return put_u(o, c);
        *o++ = '\\';
        *o++ = to[at - from];
        return o;
    }
    ++*replaced;
    memcpy(o, replacement, 3);
    return o + 3;
}

int64_t
json_write_str(struct il_text *out, const char *p, size_t len, uint32_t flags)
{
    const char *end = p + len;
    size_t before = out->len;
    int64_t replaced = 0;

    /* Room for the rest as it is, a quote and one escape: renewed after each
     * escape. */
    if (text_reserve(out, len + ESCAPE_MAX + 2))
        return -ENOMEM;
    out->data[out->len++] = '"';
    for (;;) {
        const char *stop = scan_unescaped(p, end);
        char *o = out->data + out->len;
        memcpy(o, p, (size_t) (stop - p));
        o += stop - p;
        p = stop;
        if (p == end) {
            *o++ = '"';
            out->len = (size_t) (o - out->data);
            return replaced;
        }
        o = put_escape(o, &p, end, flags, &replaced);
        out->len = (size_t) (o - out->data);
        if (text_reserve(out, (size_t) (end - p) + ESCAPE_MAX + 2)) {
            out->len = before;
            return -ENOMEM;
        }
    }
}

static char *
put_number(char *o, uint64_t v)
{
    char digits[NUMBER_MAX], *d = digits + sizeof(digits);
    do
        *--d = (char) ('0' + v % 10);
    while (v /= 10);
    size_t n = (size_t) (digits + sizeof(digits) - d);
    memcpy(o, d, n);
    return o + n;
}

static int
write_int(struct il_text *out, int negative, uint64_t magnitude)
{
    if (text_reserve(out, NUMBER_MAX))
        return -ENOMEM;
    char *o = out->data + out->len;
    if (negative)
        *o++ = '-';
    out->len = (size_t) (put_number(o, magnitude) - out->data);
    return 0;
}

static int
write_time(struct il_text *out, int64_t us)
{
    if (text_reserve(out, TIME_TEXT + 2))
        return -ENOMEM;
    char *o = out->data + out->len;
    *o++ = '"';
    o += time_format(o, us);
    *o++ = '"';
    out->len = (size_t) (o - out->data);
    return 0;
}

static int64_t
write_scalar(struct il_text *out, const struct il_value *v, uint32_t flags)
{
    switch (v->type) {
    case IL_MISSING:
    case IL_NULL:
        return text_put(out, "null", 4);
    case IL_BOOL:
        return v->num.i ? text_put(out, "true", 4) : text_put(out, "false", 5);
    case IL_INT:
        return write_int(out, v->num.i < 0,
                         v->num.i < 0 ? 0 - v->num.u : v->num.u);
    case IL_UINT:
        return write_int(out, 0, v->num.u);
    case IL_DECIMAL:
        return text_put(out, v->str, v->len);
    case IL_STRING:
        return json_write_str(out, v->str, v->len, flags);
    case IL_TIME:
        return write_time(out, v->num.i);
    default:
        return -EINVAL;
    }
}

/* The containers that are open.  Twice as many as in a payload, for those
 * that were put around it. */
struct level {
    uint32_t left; /* items, keys included */
    uint32_t type;
};
#define LEVELS (2 * MSG_DEPTH_MAX)

/* What stands before the next item of a container: 1 go on, 0 it is closed. */
static int
write_between(struct il_text *out, struct level *level, int first)
{
    int map = level->type == IL_MAP;
    char c = map ? '}' : ']';
    int more = level->left > 0;

    if (more) {
        c = map && (level->left & 1) ? ':' : ',';
        level->left--;
        if (first)
            return 1;
    }
    return text_putc(out, c) ? -ENOMEM : more;
}

static int64_t
write_container(struct il_text *out, const struct il_value *top,
                uint32_t flags)
{
    struct level levels[LEVELS];
    struct il_value v = *top;
    const char *p = top->str, *end = p + top->len;
    int64_t replaced = 0, n;
    int depth = 0, first;

    for (;;) {
        first = v.type == IL_ARRAY || v.type == IL_MAP;
        if (first) {
            int map = v.type == IL_MAP;
            if (depth == LEVELS || (map && v.count > UINT32_MAX / 2))
                return -EINVAL;
            levels[depth++] = (struct level){ v.count << map, v.type };
            n = text_putc(out, map ? '{' : '[');
        } else {
            n = write_scalar(out, &v, flags);
        }
        if (n < 0)
            return n;
        replaced += n;
        while (depth) {
            int more = write_between(out, &levels[depth - 1], first);
            if (more < 0)
                return more;
            if (more)
                break;
            depth--;
            first = 0;
        }
        if (depth == 0)
            return replaced;
        if (msgread_head(&p, end, &v))
            return -EINVAL;
        const struct level *in = &levels[depth - 1];
        if (in->type == IL_MAP && (in->left & 1) && v.type != IL_STRING)
            return -EINVAL;
    }
}

int64_t
json_write(struct il_text *out, const struct il_value *value, uint32_t flags)
{
    size_t before = out->len;
    int64_t n;

    if (value->type == IL_ARRAY || value->type == IL_MAP)
        n = write_container(out, value, flags);
    else
        n = write_scalar(out, value, flags);
    if (n < 0)
        out->len = before;
    return n;
}
