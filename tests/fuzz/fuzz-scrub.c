/* SPDX-License-Identifier: MIT */
/* What an answer or an error may show.  The first line is a word, the second a
 * URL, the rest a text: the word is not in what comes out, nor the URL's path,
 * whatever the text says. */
#include "../../plugins/webhook.out/scrub.c"

#include "fuzz.h"

/* Is it one that "***" cannot be part of? */
static int
counts(const char *part)
{
    for (const char *p = part; *p; p++)
        if ((unsigned char) *p < ' ' || *p == 0x7f || *p == '*')
            return 0;
    return strlen(part) >= SHORTEST;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *rest = text, out[300];
    CLAIM(text);
    memcpy(text, data, size);
    text[size] = 0;
    char *word = strsep(&rest, "\n");
    char *url = rest ? strsep(&rest, "\n") : NULL;
    if (!rest) {
        free(text);
        return 0;
    }
    char *const words[] = { word, NULL };
    size_t len = size - (size_t) (rest - text);
    const char *at = strstr(url, "://");
    const char *path = at ? at + 3 + strcspn(at + 3, "/?#") : "";
    scrub_answer(rest, len, url, words, out, sizeof(out));
    CLAIM(strlen(out) < sizeof(out));
    CLAIM(!counts(word) || !strstr(out, word));
    CLAIM(!counts(path) || !strstr(out, path));
    scrub(rest, url, word, out, sizeof(out));
    CLAIM(!counts(path) || !strstr(out, path));
    for (const char *p = out; *p; p++)
        CLAIM((unsigned char) *p >= ' ' && *p != 0x7f);
    scrub_answer(rest, len, url, words, out, 1);
    CLAIM(!*out);
    free(text);
    return 0;
}
