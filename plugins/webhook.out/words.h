/* SPDX-License-Identifier: MIT */
/* An event as a text that people read: what a template says, or else its type as a
 * title and its first ten scalar fields as lines.
 *
 * What the operator wrote is put in as it is, and what comes from the event is
 * escaped.  Where the whole would be too long it is what comes from the event that
 * is cut, between characters, and ends with an ellipsis. */
#ifndef WORDS_H
#define WORDS_H

#include "render.h"

#define WORDS_ESCAPED 8 /* bytes that one character becomes at most */

/* Write to out what stands for the character at ch (n bytes, valid UTF-8), and
 * return its bytes.  before is the byte before it in the same value, or 0. */
typedef size_t words_escape(unsigned char before, const char *ch, size_t n,
                            char out[WORDS_ESCAPED]);

/* What stands there without a template. */
enum words_default { WORDS_ALL, WORDS_TITLE, WORDS_FIELDS };

struct words {
    const struct il_host *host;
    struct il_field *type, *payload;
    struct il_template *text; /* NULL: the default */
    size_t most;              /* code units of UTF-16; 1 or more */
    words_escape *escape;
    const char *before, *after; /* around the title */
    enum words_default instead;
    int line; /* line breaks and tabs become spaces, the operator's too */
};

/* In open(): read the template in option key; most, escape and what follows it
 * are set by the caller.  0, -EINVAL after a finding, or -ENOMEM; words_close() is
 * still to be called. */
int words_open(struct words *, const struct il_host *, const struct il_conf *,
               const char *key);
void words_close(struct words *);

/* The text of event i, in the memory of its batch.  0; -EINVAL and out->why: there
 * is nothing but blanks in it, and it is not WORDS_FIELDS, which may be none; or
 * -ENOMEM.  Any thread. */
int words_make(const struct words *, struct il_batch *, uint32_t i,
               struct rendered *out, struct il_value *text);

/* Escapes: the character itself, and & < > as HTML and Slack have them. */
words_escape words_as_it_is, words_escape_entities;
/* The same with a backslash before each that stands in set. */
size_t words_escape_set(const char *set, const char *ch, size_t n,
                        char out[WORDS_ESCAPED]);

#endif
