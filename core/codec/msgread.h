/* SPDX-License-Identifier: MIT */
/* Reading the head of one msgpack value.  Private to the codec, so that its
 * loops can have it inline; everybody else uses msgcur_head(). */
#ifndef MSGREAD_H
#define MSGREAD_H

#include <endian.h>
#include <errno.h>

#include "msgcur.h"

/* A big-endian number of n bytes: 0, 1, 2, 4 or 8. */
static inline uint64_t
msgread_be(const char *p, unsigned n)
{
    uint16_t v2;
    uint32_t v4;
    uint64_t v8;
    switch (n) {
    case 0:
        return 0;
    case 1:
        return (unsigned char) *p;
    case 2:
        memcpy(&v2, p, 2);
        return be16toh(v2);
    case 4:
        memcpy(&v4, p, 4);
        return be32toh(v4);
    default:
        memcpy(&v8, p, 8);
        return be64toh(v8);
    }
}

/* Text of len bytes at p, which follows its head. */
static inline int
msgread_text(const char **pp, const char *p, const char *end, size_t len,
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
msgread_container(const char **pp, const char *p, const char *end,
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
msgread_uint(const char **pp, const char *p, uint64_t v, struct il_value *out)
{
    out->type = v > INT64_MAX ? IL_UINT : IL_INT;
    out->num.u = v;
    *pp = p;
    return 0;
}

int msgread_long(const char **pp, const char *end, struct il_value *out);

/* The forms of one byte here, the others out of line. */
static inline int
msgread_head(const char **pp, const char *end, struct il_value *out)
{
    const char *p = *pp;
    if (p >= end)
        return -EINVAL;
    unsigned char c = (unsigned char) *p++;

    if (c >= 0xa0 && c < 0xc0)
        return msgread_text(pp, p, end, c & 0x1f, out, IL_STRING);
    if (c < 0x80)
        return msgread_uint(pp, p, c, out);
    if (c < 0x90)
        return msgread_container(pp, p, end, c & 0xf, out, IL_MAP);
    if (c < 0xa0)
        return msgread_container(pp, p, end, c & 0xf, out, IL_ARRAY);
    return msgread_long(pp, end, out);
}

#endif
