/* SPDX-License-Identifier: MIT */
/* Text without regard to case: Unicode's simple case folding (one code point
 * becomes one code point; Unicode 14), the same in every locale.  Nothing is
 * copied: both sides are folded while they are read. */
#ifndef FOLD_H
#define FOLD_H

#include "text.h"

/* One code point folded. */
uint32_t fold_point(uint32_t c);

/* Read the code point at *p < end and move past it.  Bytes that are no UTF-8
 * are themselves, one by one; lone surrogates of three bytes are read. */
uint32_t fold_read(const char **p, const char *end);

/* How many code points. */
size_t fold_count(struct slice s);

/* A text, and whether it is to be folded. */
struct folded {
    struct slice s;
    int fold;
};

int fold_compare(struct folded a, struct folded b); /* <0, 0, >0 */
int fold_starts(struct folded text, struct folded start);
int fold_ends(struct folded text, struct folded end);
/* Expected time is linear in both lengths. seed: a secret of the process. */
int fold_contains(struct folded text, struct folded part, uint64_t seed);
int fold_glob(struct slice glob, struct folded text);

/* Bytes that the folded text takes; writes it where out is not NULL. */
size_t fold_write(char *out, struct slice s);

#endif
