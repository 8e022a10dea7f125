/* SPDX-License-Identifier: MIT */
/* Numbers and bytes as digits, where a call of printf() would cost more than
 * the rest.  Nothing here allocates, and none but uuid_format() adds a NUL. */
#ifndef DIGITS_H
#define DIGITS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DIGITS_MAX 20 /* of a number of 64 bits */

/* Write a number in decimal; returns its end. */
static inline char *
digits_put(char *out, uint64_t n)
{
    char digits[DIGITS_MAX], *p = digits + DIGITS_MAX;
    if (n < 10) {
        *out = (char) ('0' + n);
        return out + 1;
    }
    do
        *--p = (char) ('0' + n % 10);
    while (n /= 10);
    size_t len = (size_t) (digits + DIGITS_MAX - p);
    memcpy(out, p, len);
    return out + len;
}

/* What a hexadecimal digit of either case stands for, -1: it is none. */
static inline int
digits_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Two lower-case digits a byte; returns their end. */
static inline char *
digits_put_hex(char *out, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < len; i++) {
        *out++ = "0123456789abcdef"[p[i] >> 4];
        *out++ = "0123456789abcdef"[p[i] & 15];
    }
    return out;
}

/* UUIDs as RFC 9562 writes them: 8-4-4-4-12 digits. */
#define UUID_BYTES 16
#define UUID_TEXT 37 /* with its NUL */

void uuid_format(char out[UUID_TEXT], const uint8_t uuid[UUID_BYTES]);
/* Any version and variant, either case; uuid may be NULL.  0 or -EINVAL. */
int uuid_parse(const char *text, size_t len, uint8_t uuid[UUID_BYTES]);
/* A random one, version 4.  0 or a negative errno. */
int uuid_make(uint8_t uuid[UUID_BYTES]);

#endif
