/* SPDX-License-Identifier: MIT */
/* Characters of HTTP's head. */
#ifndef TOKEN_H
#define TOKEN_H

#include <stddef.h>
#include <stdint.h>

static inline int
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* A name, of a method or a field: one character or more, RFC 9110, 5.6.2. */
static inline int
is_token(const char *text, size_t len)
{
    /* of each 32 of ASCII's characters, those that it may have */
    static const uint32_t may[4] = { 0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff };
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char) text[i];
        if (c >= 128 || !(may[c / 32] >> c % 32 & 1))
            return 0;
    }
    return len > 0;
}

/* A field's value that can be sent. */
static inline int
is_value(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char) text[i] < ' ' && text[i] != '\t')
            || text[i] == 0x7f)
            return 0;
    return 1;
}

#endif
