/* SPDX-License-Identifier: MIT */
#include "wtf8.h"

#include "scan.h"

/* The Unicode Standard, table 3-7: only the second byte has special ranges.
 * They rule out overlong forms, surrogates and what is above U+10FFFF. */
int
utf8_length(const char *text, const char *end)
{
    const unsigned char *p = (const unsigned char *) text;
    unsigned char lead = p[0], low = 0x80, high = 0xbf;
    int n;

    if (lead >= 0xc2 && lead <= 0xdf) {
        n = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        n = 3;
        low = lead == 0xe0 ? 0xa0 : 0x80;
        high = lead == 0xed ? 0x9f : 0xbf;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        n = 4;
        low = lead == 0xf0 ? 0x90 : 0x80;
        high = lead == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    for (int i = 1; i < n; i++) {
        if (end - text <= i)
            return -1;
        if (p[i] < low || p[i] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return n;
}

size_t
utf8_cut(const char *text, size_t len, size_t most)
{
    if (len <= most)
        return len;
    while (most && ((unsigned char) text[most] & 0xc0) == 0x80)
        most--;
    return most;
}

int
wtf8_valid(const char *p, size_t len)
{
    const char *end = p + len, *after_high = NULL;

    while (p < end) {
        if (!((unsigned char) *p & 0x80)) {
            p = scan_plain(p + 1, end);
        } else if (wtf8_surrogate(p, end)) {
            int low = (unsigned char) p[1] >= 0xb0;
            if (((unsigned char) p[1] & 0xc0) != 0x80
                || ((unsigned char) p[2] & 0xc0) != 0x80
                || (low && after_high == p))
                return 0;
            p += 3;
            after_high = low ? NULL : p;
        } else {
            int n = utf8_length(p, end);
            if (n <= 0)
                return 0;
            p += n;
        }
    }
    return 1;
}

void
utf8_mend(char *text, size_t len)
{
    for (char *p = text, *end = text + len; p < end;) {
        int n = (unsigned char) *p < 0x80 ? 1 : utf8_length(p, end);
        if (n <= 0)
            *p = '?';
        p += n > 0 ? n : 1;
    }
}

/* May n bytes of UTF-8 that stand for one character be shown as they are?  Not
 * those that are no characters of a line: C0, DEL, C1; the Arabic letter mark,
 * the marks, embeddings, overrides and isolates of direction; line and
 * paragraph separator. */
static int
is_shown(const char *text, int n)
{
    const unsigned char *p = (const unsigned char *) text;
    if (n == 1)
        return p[0] >= 0x20 && p[0] != 0x7f;
    if (n == 2)
        return !(p[0] == 0xc2 && p[1] < 0xa0)
               && !(p[0] == 0xd8 && p[1] == 0x9c);
    if (n != 3 || p[0] != 0xe2)
        return 1;
    if (p[1] == 0x80)
        return p[2] != 0x8e && p[2] != 0x8f && (p[2] < 0xa8 || p[2] > 0xae);
    return p[1] != 0x81 || p[2] < 0xa6 || p[2] > 0xa9;
}

int
utf8_shown(const char *p, const char *end, int *bytes)
{
    int n = (unsigned char) *p < 0x80 ? 1 : utf8_length(p, end);
    *bytes = n > 0 ? n : 1;
    return n > 0 && is_shown(p, n);
}

size_t
utf8_show(char *out, size_t room, const char *text, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    size_t used = 0;
    for (const char *p = text, *end = text + len; p < end;) {
        int bytes, shown = utf8_shown(p, end, &bytes);
        if ((unsigned char) *p >= 0x80 && utf8_length(p, end) < 0)
            break;
        size_t needs = (size_t) bytes * (shown ? 1 : 4);
        if (needs > room - used)
            break;
        for (int i = 0; i < bytes; i++, p++) {
            if (!shown) {
                out[used++] = '\\';
                out[used++] = 'x';
                out[used++] = hex[(unsigned char) *p >> 4];
                out[used++] = hex[(unsigned char) *p & 15];
            } else {
                out[used++] = *p;
            }
        }
    }
    return used;
}
