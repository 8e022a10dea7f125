/* SPDX-License-Identifier: MIT */
/* redact.pii's search: what it finds is inside of the text, in order, and is
 * found again as a whole; no mask holds anything of its own kind that would be
 * changed again. */
#include "../../plugins/redact.pii/find.c"

#include "fuzz.h"

static void
try_piece(const char *text, const struct pii *found)
{
    const char *p = text + found->at;
    char *out = malloc(PII_ROOM(found->len)), *again;
    CLAIM(out);
    size_t len = pii_plain(found->kind, p, found->len, out);
    CLAIM(len && len <= PII_ROOM(found->len));
    len = pii_mask(found->kind, p, found->len, out);
    CLAIM(len && len <= PII_ROOM(found->len));
    again = malloc(PII_ROOM(len));
    CLAIM(again);
    struct pii other;
    for (size_t from = 0; pii_find(PII_ALL, out, len, from, &other);
         from = other.at + other.len) {
        size_t n = pii_mask(other.kind, out + other.at, other.len, again);
        /* A network is its own mask; a domain may read like something else. */
        CLAIM(other.kind == PII_IP
                  ? n == other.len && !memcmp(again, out + other.at, n)
                  : other.kind != found->kind);
    }
    free(again);
    free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size ? size : 1); /* of just that size, for asan */
    CLAIM(text);
    memcpy(text, data, size);
    struct pii found;
    size_t from = 0;
    while (pii_find(PII_ALL, text, size, from, &found)) {
        CLAIM(found.at >= from && found.len && found.at + found.len <= size);
        try_piece(text, &found);
        from = found.at + found.len;
    }
    unsigned whole = pii_whole(text, size);
    CLAIM(!whole
          || (pii_find(whole, text, size, 0, &found) && !found.at
              && found.len == size));
    free(text);
    return 0;
}
