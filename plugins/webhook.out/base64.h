/* SPDX-License-Identifier: MIT */
/* Writing base64, with padding. */
#ifndef BASE64_H
#define BASE64_H

#include <stddef.h>
#include <stdint.h>

/* With the NUL. */
#define BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)

/* Returns the end of what it wrote, where a NUL stands. */
static inline char *
base64(const void *from, size_t len, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *bytes = from;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t) bytes[i] << 16;
        bits |= i + 1 < len ? (uint32_t) bytes[i + 1] << 8 : 0;
        bits |= i + 2 < len ? bytes[i + 2] : 0;
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        *out++ = i + 1 < len ? digits[bits >> 6 & 63] : '=';
        *out++ = i + 2 < len ? digits[bits & 63] : '=';
    }
    *out = 0;
    return out;
}

#endif
