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
