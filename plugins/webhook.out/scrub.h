/* SPDX-License-Identifier: MIT */
/* Taking out of a text what of a URL nobody is to read. */
#ifndef SCRUB_H
#define SCRUB_H

#include <stddef.h>

/* Write text to out (size bytes, cut and always ended with NUL), with each name,
 * password, path, part of a path and part of a query of these URLs (NULL: there
 * is none) as "***", control characters as spaces.  A URL within the text loses
 * the same. */
void scrub(const char *text, const char *url, const char *proxy, char *out,
           size_t size);

/* The same with the bytes of an answer, which may send back what it was sent:
 * each of the words (NULL-ended; those of less than 4 bytes are left) becomes
 * "***", also one that is cut off at the end. */
void scrub_answer(const char *bytes, size_t len, const char *url,
                  char *const *words, char *out, size_t size);

/* Length of the character at p, of a text that ends with NUL, or 0: it is no
 * UTF-8. */
size_t scrub_utf8_len(const unsigned char *p);

#endif
