/* SPDX-License-Identifier: MIT */
/* What references, expressions and templates read alike: names, quoted text,
 * JSON numbers, and complaints that point at a byte. */
#ifndef LEXIS_H
#define LEXIS_H

#include "ref.h"

/* Fill *error; the message is printf's.  Always -EINVAL. */
int lang_fail(struct lang_error *error, size_t offset, const char *fmt, ...)
    IL_PRINTF(3, 4);

/* Bytes of the UTF-8 character at p, or 0: broken, or NUL. */
size_t lang_utf8_len(const char *p, const char *end);

/* Bytes of the name character at p, or 0.  Names begin with a letter, '_' or a
 * letter-like character above ASCII, and go on with digits and '-' too. */
size_t lang_name_first(const char *p, const char *end);
size_t lang_name_next(const char *p, const char *end);

/* The length of the name at p; 0: none. */
size_t lang_name_len(const char *p, const char *end);

/* Read the quoted text at p ('...' or "...", JSON's escapes, and \').  out may
 * be NULL to measure; it never needs more than end - p bytes.  Returns the
 * bytes read including both quotes; or 0 with *error, its offset counted from
 * begin. */
size_t lang_quoted_read(const char *begin, const char *p, const char *end,
                        char *out, size_t *out_len, struct lang_error *error);

/* Is this a number as JSON writes one? */
int lang_number_valid(const char *text, size_t len);

/* Print what is wrong to a person, in three lines: the message, the line of
 * the text, and a caret below the character. */
int lang_error_show(struct il_text *out, const char *text, size_t len,
                    const struct lang_error *error);

#endif
