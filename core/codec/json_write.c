/* SPDX-License-Identifier: MIT */
/* msgpack to JSON, without recursion.
 *
 * Between two items there is always ROOM for a scalar, a short key and what
 * stands around them, so that only long text asks for more.  Short text is
 * copied by a whole vector, of which the rest is overwritten by what follows:
 * this is where most of the time of a destination that wants JSON goes. */
#include "json.h"

#include <string.h>

#include "msg_read.h"
#include "base/digits.h"
#include "base/scan.h"
#include "base/wtf8.h"
#include "base/time.h"

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

/* Any scalar but text of more than SHORT bytes, with a short key before it and
 * what stands around the two. */
#define ROOM 64
#define SHORT 16

#ifdef __SSE2__
static inline int
has_escaped(__m128i v)
{
    return scan_mask_escaped(v) != 0;
}

static inline __m128i
load(const char *p)
{
    return _mm_loadu_si128((const __m128i *) p);
}

/* Text of up to SHORT bytes, where so many may be read behind its begin or
 * before its end: 0 and unfinished where a byte cannot stay as it is. */
static inline int
put_short(struct writer *w, const char *p, size_t len, const char *begin,
          const char *limit)
{
    char *o = w->o + 1;
    if (limit - p >= SHORT) {
        __m128i v = load(p);
        if (scan_mask_escaped(v) & ((1u << len) - 1))
            return 0;
        _mm_storeu_si128((__m128i *) o, v);
    } else if (p + len - begin >= SHORT) {
        __m128i v = load(p + len - SHORT);
        if (scan_mask_escaped(v) >> (SHORT - len))
            return 0;
        memcpy(o, p, len);
    } else {
        return 0;
    }
    o[-1] = '"';
    o[len] = '"';
    w->o = o + len + 1;
    return 1;
}

/* The same for longer text, in one pass; there is room for it. */
static int
put_plain(struct writer *w, const char *p, size_t len)
{
    char *o = w->o + 1;
    for (size_t i = 0; i + SHORT < len; i += SHORT) {
        __m128i v = load(p + i);
        if (has_escaped(v))
            return 0;
        _mm_storeu_si128((__m128i *) (o + i), v);
    }
    __m128i v = load(p + len - SHORT);
    if (has_escaped(v))
        return 0;
    _mm_storeu_si128((__m128i *) (o + len - SHORT), v);
    o[-1] = '"';
    o[len] = '"';
    w->o = o + len + 1;
    return 1;
}
#else
static inline int
put_short(struct writer *w, const char *p, size_t len, const char *begin,
          const char *limit)
{
    (void) w, (void) p, (void) len, (void) begin, (void) limit;
    return 0;
}

static int
put_plain(struct writer *w, const char *p, size_t len)
{
    (void) w, (void) p, (void) len;
    return 0;
}
#endif

/* Text with ROOM at w->o, before as after it, of which bytes from begin up to
 * limit may be read. */
static inline int
put_string(struct writer *w, const char *p, size_t len, const char *begin,
           const char *limit)
{
    if (len <= SHORT) {
        if (put_short(w, p, len, begin, limit))
            return 0;
    } else {
        if (need_room(w, len + ROOM))
            return -ENOMEM;
        if (put_plain(w, p, len))
            return need_room(w, ROOM);
    }
    int err = put_string_long(w, p, len);
    return err ? err : need_room(w, ROOM);
}

static char *
put_int(char *o, int64_t v)
{
    if (v < 0)
        *o++ = '-';
    return digits_put(o, v < 0 ? 0 - (uint64_t) v : (uint64_t) v);
}

static int
put_decimal(struct writer *w, const struct il_value *v)
{
    if (need_room(w, v->len + ROOM))
        return -ENOMEM;
    memcpy(w->o, v->str, v->len);
    w->o += v->len;
    return 0; /* and ROOM is left */
}

static char *
put_word(char *o, const char *word, size_t len)
{
    memcpy(o, word, len);
    return o + len;
}

/* A value that is no container, with ROOM at w->o. */
static inline int
put_scalar(struct writer *w, const struct il_value *v, const char *begin,
           const char *limit)
{
    switch (v->type) {
    case IL_STRING:
        return put_string(w, v->str, v->len, begin, limit);
    case IL_INT:
        w->o = put_int(w->o, v->num.i);
        return 0;
    case IL_UINT:
        w->o = digits_put(w->o, v->num.u);
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
    uint32_t left; /* items or pairs */
    uint32_t map;
};
#define LEVELS (2 * MSG_DEPTH_MAX)

static inline int
is_container(const struct il_value *v)
{
    return v->type == IL_ARRAY || v->type == IL_MAP;
}

/* One item of a container that is open: a key where it is a map, and a value,
 * which *v gets and which is written unless it is a container. */
static inline int
put_item(struct writer *w, uint32_t map, const char *begin, const char **p,
         const char *end, struct il_value *v)
{
    int err;
    if (map) {
        if (msg_head(p, end, v) || v->type != IL_STRING)
            return -EINVAL;
        if ((err = put_string(w, v->str, v->len, begin, end)) != 0)
            return err;
        *w->o++ = ':';
    }
    if (msg_head(p, end, v))
        return -EINVAL;
    if (is_container(v))
        return 0;
    if ((err = put_scalar(w, v, begin, end)) != 0)
        return err;
    *w->o++ = ',';
    return 0;
}

/* A container, to its end. */
static int
put_items(struct writer *w, const struct il_value *top)
{
    struct level levels[LEVELS], *in = levels;
    const char *p = top->str, *end = p + top->len;
    struct il_value v = *top;

    for (;;) {
        if (in == levels + LEVELS)
            return -EINVAL;
        *in++ = (struct level){ v.count, v.type == IL_MAP };
        if (need_room(w, ROOM))
            return -ENOMEM;
        *w->o++ = v.type == IL_MAP ? '{' : '[';
        v.type = IL_MISSING;
        while (!is_container(&v)) {
            struct level *l = in - 1;
            if (need_room(w, ROOM))
                return -ENOMEM;
            if (l->left) {
                l->left--;
                int err = put_item(w, l->map, top->str, &p, end, &v);
                if (err)
                    return err;
                continue;
            }
            w->o -= w->o[-1] == ','; /* but not over a bracket */
            *w->o++ = l->map ? '}' : ']';
            if (--in == levels)
                return 0;
            *w->o++ = ',';
        }
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
            err = put_scalar(&w, value, value->str, value->str);
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
