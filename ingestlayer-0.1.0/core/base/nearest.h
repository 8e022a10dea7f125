/* SPDX-License-Identifier: MIT */
/* "Did you mean". */
#ifndef NEAREST_H
#define NEAREST_H

#include <stddef.h>

/* Of the n names the one that a person most likely meant by a word, or
 * NULL: at most a third of the letters are wrong, whatever their case. */
const char *nearest_name(const char *word, const char *const *names, size_t n);

#endif
