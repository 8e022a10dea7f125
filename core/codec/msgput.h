/* SPDX-License-Identifier: MIT */
/* Writing msgpack to memory that is known to be large enough.  Private to the
 * codec; everybody else uses msgout_*().  Each function returns the place
 * after what it wrote. */
#ifndef MSGPUT_H
#define MSGPUT_H

#include <stddef.h>
#include <stdint.h>

#include "msgcur.h"

#define MSGPUT_HEAD 6 /* the longest head: ext 32 */

static inline char *
msgput_be16(char *o, uint32_t v)
{
    o[0] = (char) (v >> 8);
    o[1] = (char) v;
    return o + 2;
}

static inline char *
msgput_be32(char *o, uint32_t v)
{
    v = __builtin_bswap32(
        __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap32(v) : v);
    __builtin_memcpy(o, &v, 4);
    return o + 4;
}

static inline char *
msgput_be64(char *o, uint64_t v)
{
    v = __builtin_bswap64(
        __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(v) : v);
    __builtin_memcpy(o, &v, 8);
    return o + 8;
}

static inline char *
msgput_uint(char *o, uint64_t v)
{
    if (v < 0x80) {
        *o = (char) v;
        return o + 1;
    }
    if (v <= 0xff) {
        o[0] = (char) 0xcc;
        o[1] = (char) v;
        return o + 2;
    }
    if (v <= 0xffff) {
        *o = (char) 0xcd;
        return msgput_be16(o + 1, (uint32_t) v);
    }
    if (v <= 0xffffffff) {
        *o = (char) 0xce;
        return msgput_be32(o + 1, (uint32_t) v);
    }
    *o = (char) 0xcf;
    return msgput_be64(o + 1, v);
}

static inline char *
msgput_int(char *o, int64_t v)
{
    if (v >= 0)
        return msgput_uint(o, (uint64_t) v);
    if (v >= -32) {
        *o = (char) v;
        return o + 1;
    }
    if (v >= INT8_MIN) {
        o[0] = (char) 0xd0;
        o[1] = (char) v;
        return o + 2;
    }
    if (v >= INT16_MIN) {
        *o = (char) 0xd1;
        return msgput_be16(o + 1, (uint32_t) v);
    }
    if (v >= INT32_MIN) {
        *o = (char) 0xd2;
        return msgput_be32(o + 1, (uint32_t) v);
    }
    *o = (char) 0xd3;
    return msgput_be64(o + 1, (uint64_t) v);
}

static inline char *
msgput_str_head(char *o, size_t len)
{
    if (len < 32) {
        *o = (char) (0xa0 | len);
        return o + 1;
    }
    if (len <= 0xff) {
        o[0] = (char) 0xd9;
        o[1] = (char) len;
        return o + 2;
    }
    if (len <= 0xffff) {
        *o = (char) 0xda;
        return msgput_be16(o + 1, (uint32_t) len);
    }
    *o = (char) 0xdb;
    return msgput_be32(o + 1, (uint32_t) len);
}

static inline char *
msgput_str(char *o, const char *str, size_t len)
{
    o = msgput_str_head(o, len);
    if (len)
        __builtin_memcpy(o, str, len);
    return o + len;
}

static inline char *
msgput_decimal_head(char *o, size_t len)
{
    switch (len) {
    case 1:
    case 2:
    case 4:
    case 8:
    case 16: /* fixext: 0xd4 + log2 */
        *o++ = (char) (0xd4 + __builtin_ctz((unsigned) len));
        break;
    default:
        if (len <= 0xff) {
            *o++ = (char) 0xc7;
            *o++ = (char) len;
        } else if (len <= 0xffff) {
            *o = (char) 0xc8;
            o = msgput_be16(o + 1, (uint32_t) len);
        } else {
            *o = (char) 0xc9;
            o = msgput_be32(o + 1, (uint32_t) len);
        }
    }
    *o++ = MSG_EXT_DECIMAL;
    return o;
}

#endif
