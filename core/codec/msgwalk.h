/* SPDX-License-Identifier: MIT */
/* Walking the maps of events: the forms that payloads are mostly made of, with
 * no call.  Private to what reads many fields of many events. */
#ifndef MSGWALK_H
#define MSGWALK_H

#include <errno.h>

#include "msgcur.h"

/* Move past one value; the forms that payloads are mostly made of are seen to
 * here, where no call is needed. */
static inline int
msgwalk_skip(const char **p, const char *end)
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
        return msgcur_skip(p, end);
    if ((size_t) (end - *p) < n)
        return -EINVAL;
    *p += n;
    return 0;
}

static inline int
msgwalk_key(const char **p, const char *end, struct slice *key)
{
    if (*p < end && ((unsigned char) **p & 0xe0) == 0xa0) {
        *key = slice_of(*p + 1, (unsigned char) **p & 31u);
        if ((size_t) (end - key->ptr) < key->len)
            return -EINVAL;
        *p = key->ptr + key->len;
        return 0;
    }
    struct il_value v;
    if (msgcur_value(p, end, &v))
        return -EINVAL;
    *key = slice_of(v.str, v.type == IL_STRING ? v.len : SIZE_MAX);
    return 0;
}

/* msgcur_value() for any value, short text and numbers without a call. */
static inline int
msgwalk_value(const char **p, const char *end, struct il_value *out)
{
    unsigned c = *p < end ? (unsigned char) **p : 0xc1;
    if (c < 0x80) {
        out->type = IL_INT;
        out->num.i = c;
        *p += 1;
        return 0;
    }
    if ((c & 0xe0) != 0xa0)
        return msgcur_value(p, end, out);
    out->type = IL_STRING;
    out->str = *p + 1;
    out->len = c & 31u;
    if ((size_t) (end - out->str) < out->len)
        return -EINVAL;
    *p = out->str + out->len;
    return 0;
}

/* msgcur_head(), without a call for the maps that the codec writes: those read
 * from JSON have the head of 16 bits. */
static inline int
msgwalk_head(const char **p, const char *end, struct il_value *out)
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
        return msgcur_head(p, end, out);
    }
    out->type = IL_MAP;
    return 0;
}

#endif
