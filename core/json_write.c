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

/* Where JSON goes.  o runs ahead of out->len, which is brought up to date
 * before the text may move. */
struct writer {
    struct il_text *out;
    char *o;
    uint32_t flags;
    int64_t replaced;
};

static void
writer_open(struct writer *w, struct il_text *out, uint32_t flags)
{
    w->out = out;
    w->o = out->data ? out->data + out->len : NULL;
    w->flags = flags;
    w->replaced = 0;
}

static __attribute__((noinline)) int
more_room(struct writer *w, size_t room)
{
    if (w->o)
        w->out->len = (size_t) (w->o - w->out->data);
    if (text_reserve(w->out, room))
        return -ENOMEM;
    w->o = w->out->data + w->out->len;
    return 0;
}

/* At least this many bytes at w->o. */
static inline int
need_room(struct writer *w, size_t room)
{
    if (w->o && (size_t) (w->out->data + w->out->cap - w->o) > room)
        return 0;
    return more_room(w, room);
}

static __attribute__((noinline)) int
put_string_long(struct writer *w, const char *p, size_t len)
{
    const char *end = p + len;

    /* Room for the rest as it is, a quote and one escape: renewed after each
     * escape. */
    if (need_room(w, len + ESCAPE_MAX + 2))
        return -ENOMEM;
    *w->o++ = '"';
    for (;;) {
        const char *stop = scan_unescaped(p, end);
        memcpy(w->o, p, (size_t) (stop - p));
        w->o += stop - p;
        p = stop;
        if (p == end)
            break;
        w->o = put_escape(w->o, &p, end, w->flags, &w->replaced);
        if (need_room(w, (size_t) (end - p) + ESCAPE_MAX + 2))
            return -ENOMEM;
    }
    *w->o++ = '"';
    return 0;
}

#define ROOM 64 /* any scalar but text, with what stands around it */

/* A string with ROOM at w->o; bytes up to limit may be read. */
static inline int
put_string(struct writer *w, const char *p, size_t len, const char *limit)
{
#ifdef __SSE2__
    if (len <= 16 && limit - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *) p);
        if (!(scan_mask_escaped(v) & ((1u << len) - 1))) {
            char *o = w->o;
            *o = '"';
            _mm_storeu_si128((__m128i *) (o + 1), v);
            o[1 + len] = '"';
            w->o = o + len + 2;
            return 0;
        }
    }
#endif
    (void) limit;
    return put_string_long(w, p, len);
}

static char *
put_digits(char *o, uint64_t v)
{
    char digits[NUMBER_MAX], *d = digits + sizeof(digits);

    if (v < 10) {
        *o = (char) ('0' + v);
        return o + 1;
    }
    do
        *--d = (char) ('0' + v % 10);
    while (v /= 10);
    size_t n = (size_t) (digits + sizeof(digits) - d);
    memcpy(o, d, n);
    return o + n;
}

static char *
put_int(char *o, int64_t v)
{
    if (v < 0)
        *o++ = '-';
    return put_digits(o, v < 0 ? 0 - (uint64_t) v : (uint64_t) v);
}

static int
put_decimal(struct writer *w, const struct il_value *v)
{
    if (need_room(w, v->len + ROOM))
        return -ENOMEM;
    memcpy(w->o, v->str, v->len);
    w->o += v->len;
    return 0;
}

static char *
put_word(char *o, const char *word, size_t len)
{
    memcpy(o, word, len);
    return o + len;
}

/* A value that is no container, with ROOM at w->o. */
static inline int
put_scalar(struct writer *w, const struct il_value *v, const char *limit)
{
    switch (v->type) {
    case IL_STRING:
        return put_string(w, v->str, v->len, limit);
    case IL_INT:
        w->o = put_int(w->o, v->num.i);
        return 0;
    case IL_UINT:
        w->o = put_digits(w->o, v->num.u);
        return 0;
    case IL_DECIMAL:
        return put_decimal(w, v);
    case IL_BOOL:
        w->o =
            v->num.i ? put_word(w->o, "true", 4) : put_word(w->o, "false", 5);
        return 0;
    case IL_MISSING:
    case IL_NULL:
        w->o = put_word(w->o, "null", 4);
        return 0;
    case IL_TIME:
        *w->o++ = '"';
        w->o += time_format(w->o, v->num.i);
        *w->o++ = '"';
        return 0;
    default:
        return -EINVAL;
    }
}

/* The containers that are open.  Twice as many as in a payload, for those
 * that were put around it. */
struct level {
    uint32_t left; /* items, keys included */
    uint32_t map;
};
#define LEVELS (2 * MSG_DEPTH_MAX)

/* The items of a container, which has been opened, up to its end. */
static int
put_items(struct writer *w, const struct il_value *top)
{
    struct level levels[LEVELS], *in = levels;
    const char *p = top->str, *end = p + top->len;
    struct il_value v = *top;
    int err;

    for (;;) {
        if (need_room(w, ROOM))
            return -ENOMEM;
        if (v.type == IL_ARRAY || v.type == IL_MAP) {
            uint32_t map = v.type == IL_MAP;
            if (in == levels + LEVELS || (map && v.count > UINT32_MAX / 2))
                return -EINVAL;
            *in++ = (struct level){ v.count << map, map };
            *w->o++ = map ? '{' : '[';
        } else {
            err = put_scalar(w, &v, end);
            if (err || need_room(w, ROOM))
                return err ? err : -ENOMEM;
            *w->o++ = in[-1].map && (in[-1].left & 1) ? ':' : ',';
        }
        while (in[-1].left == 0) { /* over a comma; but not over a bracket */
            char close = in[-1].map ? '}' : ']';
            w->o -= w->o[-1] == ',';
            *w->o++ = close;
            if (--in == levels)
                return 0;
            *w->o++ = ',';
            if (need_room(w, ROOM))
                return -ENOMEM;
        }
        in[-1].left--;
        if (msgread_head(&p, end, &v))
            return -EINVAL;
        if (in[-1].map && (in[-1].left & 1) && v.type != IL_STRING)
            return -EINVAL;
    }
}

int64_t
json_write(struct il_text *out, const struct il_value *value, uint32_t flags)
{
    size_t before = out->len;
    struct writer w;
    int err;

    writer_open(&w, out, flags);
    if (value->type == IL_ARRAY || value->type == IL_MAP) {
        err = put_items(&w, value);
    } else {
        err = need_room(&w, ROOM);
        if (!err)
            err = put_scalar(&w, value, value->str);
    }
    out->len = err ? before : (size_t) (w.o - out->data);
    return err ? err : w.replaced;
}

int64_t
json_write_str(struct il_text *out, const char *p, size_t len, uint32_t flags)
{
    size_t before = out->len;
    struct writer w;

    writer_open(&w, out, flags);
    int err = put_string_long(&w, p, len);
    out->len = err ? before : (size_t) (w.o - out->data);
    return err ? err : w.replaced;
}
