/* SPDX-License-Identifier: MIT */
/* A cursor over msgpack: values are read where they lie, without a copy and
 * without a tree.
 *
 * Events hold nil, booleans, integers, str, array, map, and ext type
 * MSG_EXT_DECIMAL, whose data is a JSON number as its sender wrote it (every
 * number that is not an integer in canonical form: 1.10, 1e400, -0, 2^70).
 * Strings are UTF-8, lone surrogates as three bytes (WTF-8).  Format:
 * https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 * A cursor is a place `p` and the end of the bytes.  All reads are checked
 * against the end and never recurse; bytes that are cut short or that no event
 * holds (float, bin, other ext types) give -EINVAL, and then *p has not moved.
 * Whether strings are UTF-8 and keys unique is not looked at: msg_check() does
 * that, once, for bytes from outside.
 *
 * msgpack-c reads by building a tree, which costs an allocation and a copy for
 * each container; payloads are read several times on their way, and mostly for
 * a few of their fields.  What is inline here are the forms of one byte, of
 * which payloads are mostly made; the others are a call away. */
#ifndef MSG_READ_H
#define MSG_READ_H

#include <errno.h>

#include "base/text.h"

#define MSG_EXT_DECIMAL 1
#define MSG_DEPTH_MAX 128 /* containers in containers, as in JSON */

/* Read one value at *p.  Scalars: *p moves past it.  Containers: *p moves to
 * the first item; out->str is that place, out->len reaches to end (an upper
 * bound).  0 or -EINVAL. */
static inline int msg_head(const char **p, const char *end,
                           struct il_value *out);

/* The same, but *p always moves past the whole value and out->len of a
 * container is exact. */
static inline int msg_value(const char **p, const char *end,
                            struct il_value *out);

/* Move past one value. */
static inline int msg_skip(const char **p, const char *end);

/* Move past the head of a container, for whoever goes on at *p: of *out only
 * type and count are set where it is one.  0 or -EINVAL. */
static inline int msg_enter(const char **p, const char *end,
                            struct il_value *out);

/* Read a key and move past it.  One that is no string gets the length
 * SIZE_MAX, which no name has. */
static inline int msg_key(const char **p, const char *end, struct slice *key);

/* Find a key in an IL_MAP value; the first of several wins.  1 and *out (as
 * msg_head fills it), or 0. */
int msg_find(const struct il_value *map, const char *key, size_t len,
             struct il_value *out);

/* Element i of an IL_ARRAY, from the end where i < 0.  1 or 0. */
int msg_at(const struct il_value *array, int64_t i, struct il_value *out);

/* Walk a container, as il_item() in plugin.h. */
int msg_item(const struct il_value *container, size_t *iter,
             struct il_value *key, struct il_value *value);

/* Is this one whole valid value, within MSG_DEPTH_MAX, no key twice in a map,
 * all strings WTF-8, all decimals JSON numbers?  For bytes from outside (a
 * plugin, a file).  0, -EINVAL or -ENOMEM. */
int msg_check(const char *bytes, size_t len);

/* What the inline functions leave over: msg_head() for a first byte of 0xc0
 * and above, which is there; the other two for any value. */
int msg_head_long(const char **p, const char *end, struct il_value *out);
int msg_value_long(const char **p, const char *end, struct il_value *out);
int msg_skip_long(const char **p, const char *end);

/* The three below fill in *out for a head that ends at p, and move *pp. */

static inline int
msg_take_text(const char **pp, const char *p, const char *end, size_t len,
              struct il_value *out, uint32_t type)
{
    if ((size_t) (end - p) < len)
        return -EINVAL;
    out->type = type;
    out->str = p;
    out->len = len;
    *pp = p + len;
    return 0;
}

static inline int
msg_take_container(const char **pp, const char *p, const char *end,
                   uint32_t count, struct il_value *out, uint32_t type)
{
    out->type = type;
    out->count = count;
    out->str = p;
    out->len = (size_t) (end - p);
    *pp = p;
    return 0;
}

static inline int
msg_take_uint(const char **pp, const char *p, uint64_t v, struct il_value *out)
{
    out->type = v > INT64_MAX ? IL_UINT : IL_INT;
    out->num.u = v;
    *pp = p;
    return 0;
}

static inline int
msg_head(const char **pp, const char *end, struct il_value *out)
{
    const char *p = *pp;
    if (p >= end)
        return -EINVAL;
    unsigned char c = (unsigned char) *p++;

    if (c >= 0xa0 && c < 0xc0)
        return msg_take_text(pp, p, end, c & 0x1f, out, IL_STRING);
    if (c < 0x80)
        return msg_take_uint(pp, p, c, out);
    if (c < 0x90)
        return msg_take_container(pp, p, end, c & 0xf, out, IL_MAP);
    if (c < 0xa0)
        return msg_take_container(pp, p, end, c & 0xf, out, IL_ARRAY);
    return msg_head_long(pp, end, out);
}

static inline int
msg_value(const char **p, const char *end, struct il_value *out)
{
    unsigned c = *p < end ? (unsigned char) **p : 0xc1; /* never used */
    if (c < 0x80) {
        out->type = IL_INT;
        out->num.i = c;
        *p += 1;
        return 0;
    }
    if ((c & 0xe0) != 0xa0)
        return msg_value_long(p, end, out);
    return msg_take_text(p, *p + 1, end, c & 31u, out, IL_STRING);
}

static inline int
msg_skip(const char **p, const char *end)
{
    const unsigned char *u = (const unsigned char *) *p;
    if (*p >= end)
        return -EINVAL;
    size_t n = 0;
    if (u[0] < 0x80 || u[0] >= 0xe0 || u[0] == 0xc0 || (u[0] & 0xfe) == 0xc2)
        n = 1;
    else if ((u[0] & 0xe0) == 0xa0)
        n = 1 + (u[0] & 31u);
    if (n == 0)
        return msg_skip_long(p, end);
    if ((size_t) (end - *p) < n)
        return -EINVAL;
    *p += n;
    return 0;
}

/* Maps that were read from JSON have the head of 16 bits. */
static inline int
msg_enter(const char **p, const char *end, struct il_value *out)
{
    const unsigned char *u = (const unsigned char *) *p;
    size_t left = (size_t) (end - *p);
    if (left >= 3 && u[0] == 0xde) {
        out->count = (uint32_t) u[1] << 8 | u[2];
        *p += 3;
    } else if (left && (u[0] & 0xf0) == 0x80) {
        out->count = u[0] & 15u;
        *p += 1;
    } else {
        return msg_head(p, end, out);
    }
    out->type = IL_MAP;
    return 0;
}

static inline int
msg_key(const char **p, const char *end, struct slice *key)
{
    if (*p < end && ((unsigned char) **p & 0xe0) == 0xa0) {
        *key = slice_of(*p + 1, (unsigned char) **p & 31u);
        if ((size_t) (end - key->ptr) < key->len)
            return -EINVAL;
        *p = key->ptr + key->len;
        return 0;
    }
    struct il_value v;
    if (msg_value_long(p, end, &v))
        return -EINVAL;
    *key =
        v.type == IL_STRING ? slice_of(v.str, v.len) : slice_of(NULL, SIZE_MAX);
    return 0;
}

#endif
