/* SPDX-License-Identifier: MIT */
/* What the words that a service answers with mean. */
#ifndef CODES_H
#define CODES_H

#include "kind.h"

/* A table of these ends with a NULL word. */
struct code {
    const char *word;
    enum out_fate fate;
    enum breaker_class about; /* not of OUT_DEAD and OUT_PAUSE */
    const char *why;          /* OUT_PAUSE: see struct out_meaning */
};

/* The row of this word (len bytes), or NULL. */
const struct code *code_find(const struct code *, const char *word, size_t len);
/* Put it into a meaning. */
void code_apply(const struct code *, struct out_meaning *);

/* A member of an object, or IL_MISSING. */
struct il_value code_member(const struct il_host *, const struct il_value *of,
                            const char *name);
/* A number of seconds, whole or with a fraction, as milliseconds, rounded up; 0:
 * it is none, or not above 0. */
int64_t code_seconds_ms(const struct il_value *);

#endif
