/* SPDX-License-Identifier: MIT */
/* UTF-8, and WTF-8 (simonsapin.github.io/wtf-8): the same plus lone
 * surrogates as three bytes.  A high one right before a low one is not WTF-8:
 * the pair has its own form of four bytes. */
#ifndef WTF8_H
#define WTF8_H

#include <stddef.h>
#include <stdint.h>

/* Length of the UTF-8 sequence at p, which is not ASCII: 2, 3 or 4; 0: wrong;
 * -1: right so far, but cut off by end. */
int utf8_length(const char *p, const char *end);

/* Is it all WTF-8?  1 or 0. */
int wtf8_valid(const char *text, size_t len);

/* Put '?' for every byte that belongs to no UTF-8 sequence: for texts of far
 * sides that are shown to people, whatever encoding they came in. */
void utf8_mend(char *text, size_t len);

/* How many bytes of a text to keep so that they are at most so many and end with
 * a character. */
size_t utf8_cut(const char *text, size_t len, size_t most);

/* May the character at p be shown in a line of a log or a terminal?  1 or 0,
 * and *bytes is its length.  Not so are control characters, marks that turn the
 * direction of text or end a line, and a byte that is no UTF-8. */
int utf8_shown(const char *p, const char *end, int *bytes);

/* Copy text for a log or a terminal: what may not be shown is written as \xNN,
 * byte by byte.  A character that is cut off at the end is left out, and what
 * does not fit into room is, between two characters.  Returns the bytes
 * written; no NUL is added. */
size_t utf8_show(char *out, size_t room, const char *text, size_t len);

/* Is there a surrogate at p (0xed and at least one byte follow)? */
static inline int
wtf8_surrogate(const char *p, const char *end)
{
    return end - p >= 3 && (unsigned char) p[0] == 0xed
           && (unsigned char) p[1] >= 0xa0;
}

/* Write a code point, surrogates as three bytes.  Returns the place after. */
static inline char *
wtf8_put(char *o, uint32_t c)
{
    if (c < 0x80) {
        *o++ = (char) c;
        return o;
    }
    if (c < 0x800) {
        *o++ = (char) (0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *o++ = (char) (0xe0 | c >> 12);
        } else {
            *o++ = (char) (0xf0 | c >> 18);
            *o++ = (char) (0x80 | (c >> 12 & 0x3f));
        }
        *o++ = (char) (0x80 | (c >> 6 & 0x3f));
    }
    *o++ = (char) (0x80 | (c & 0x3f));
    return o;
}

#endif
