/* SPDX-License-Identifier: MIT */
/* "Did you mean": the nearest of some names, by edit distance. */
#include "nearest.h"

#include <ctype.h>
#include <string.h>

#define WORD_MAX 64

static size_t
least(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Insertions, deletions, substitutions and swaps of neighbours ("optimal
 * string alignment"); case does not count. */
static size_t
distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *old = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            int ca = tolower((unsigned char) a[i - 1]);
            int cb = tolower((unsigned char) b[j - 1]);
            row[j] =
                least(last[j] + 1, row[j - 1] + 1, last[j - 1] + (ca != cb));
            if (i > 1 && j > 1 && ca == tolower((unsigned char) b[j - 2])
                && tolower((unsigned char) a[i - 2]) == cb
                && old[j - 2] + 1 < row[j])
                row[j] = old[j - 2] + 1;
        }
        size_t *spare = old;
        old = last;
        last = row;
        row = spare;
    }
    return last[b_len];
}

const char *
nearest_name(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t len = strlen(word), best_distance = 0;
    if (len > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(names[i]);
        if (other > WORD_MAX)
            continue;
        size_t d = distance(word, len, names[i], other);
        /* A third of the letters may be wrong, else it is another word. */
        size_t longer = len > other ? len : other;
        if (d * 3 > longer + 1)
            continue;
        if (!best || d < best_distance) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}
