/* SPDX-License-Identifier: MIT */
/* JSON numbers, compared by exact value. */
#ifndef NUMBER_H
#define NUMBER_H

#include "text.h"

/* Is all of it one number in the grammar of JSON?  1 or 0. */
int number_valid(const char *text, size_t len);

/* <0, 0, >0.  Both are IL_INT, IL_UINT or IL_DECIMAL.  No memory is needed,
 * and time is bounded by the length of the texts, not by their exponents. */
int number_compare(const struct il_value *a, const struct il_value *b);

/* Append number x factor / 10^shift to out, in canonical form: a plain integer
 * where it is one of up to 19 digits, else digits and an exponent.  factor is
 * below 2^50.  0, -ENOMEM, or -EINVAL: the exponent has more than 15 digits. */
int number_scale(struct il_text *out, const char *number, size_t len,
                 uint64_t factor, int shift);

/* A number's text as a value: IL_INT or IL_UINT where it is a plain integer of
 * 64 bits, else IL_DECIMAL, pointing to text. */
void number_view(const char *text, size_t len, struct il_value *out);

#endif
