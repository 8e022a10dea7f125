/* SPDX-License-Identifier: MIT */
#include "scrub.h"

#include <string.h>

/* Shorter parts are words like "in" or "v1", which are in any text. */
#define SHORTEST 4

/* Each hit of a part of len bytes becomes "***" in place. */
static void
blank(char *text, const char *part, size_t len)
{
    if (len < SHORTEST)
        return;
    for (char *p = text; *p; p++) {
        if (strncmp(p, part, len))
            continue;
        memcpy(p, "***", 3);
        memmove(p + 3, p + len, strlen(p + len) + 1);
        p += 2;
    }
}

/* All of what parts in a URL, and each of them alone. */
static void
blank_parts(char *text, const char *from, const char *end)
{
    blank(text, from, (size_t) (end - from));
    while (from < end) {
        size_t len = strcspn(from, "/?&=#;:@");
        if (from + len > end)
            len = (size_t) (end - from);
        blank(text, from, len);
        from += len + 1;
    }
}

static void
blank_url(char *text, const char *url)
{
    const char *at = url ? strstr(url, "://") : NULL;
    if (!at)
        return;
    at += 3;
    const char *path = at + strcspn(at, "/?#");
    const char *name = path;
    while (name > at && name[-1] != '@')
        name--;
    if (name > at)
        blank_parts(text, at, name - 1);
    blank_parts(text, path, path + strlen(path));
}

/* Of any URL in the text: what stands between :// and the host's end. */
static void
blank_any(char *text)
{
    for (char *p = text; (p = strstr(p, "://"));) {
        p += 3;
        size_t len = strcspn(p, " \t'\"/?#"), all = strcspn(p, " \t'\"");
        char *host = p;
        for (char *q = p; q < p + len; q++)
            if (*q == '@')
                host = q + 1;
        if (all > len + 1)
            memmove(p + len + 1, p + all, strlen(p + all) + 1);
        if (host > p)
            memmove(p, host, strlen(host) + 1);
    }
}

static void
copy_plain(const char *bytes, size_t len, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < len && n + 1 < size; i++)
        out[n++] =
            (unsigned char) bytes[i] < ' ' || bytes[i] == 0x7f ? ' ' : bytes[i];
    out[n] = 0;
}

/* The beginning of a word at the end of a text that was cut. */
static void
blank_end(char *text, const char *word)
{
    size_t len = strlen(text), n = strlen(word);
    for (size_t k = n < len ? n : len; k >= SHORTEST; k--)
        if (!memcmp(text + len - k, word, k)) {
            strcpy(text + len - k, "***");
            return;
        }
}

void
scrub_answer(const char *bytes, size_t len, const char *url, char *const *words,
             char *out, size_t size)
{
    if (!size)
        return;
    copy_plain(bytes, len, out, size);
    /* First what takes bytes out and so might put a word together. */
    blank_any(out);
    for (size_t i = 0; words[i]; i++) {
        blank(out, words[i], strlen(words[i]));
        blank_end(out, words[i]);
    }
    blank_url(out, url);
}

void
scrub(const char *text, const char *url, const char *proxy, char *out,
      size_t size)
{
    copy_plain(text, strlen(text), out, size);
    blank_any(out);
    blank_url(out, url);
    blank_url(out, proxy);
}

size_t
scrub_utf8_len(const unsigned char *p)
{
    size_t n = *p < 0x80   ? 1
               : *p < 0xc2 ? 0
               : *p < 0xe0 ? 2
               : *p < 0xf0 ? 3
               : *p < 0xf5 ? 4
                           : 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f)
        || (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}
