/* SPDX-License-Identifier: MIT */
/* The expression language of PRODUCT section 5, compiled once.
 * ingestlayer-expressions(7) is its manual. */
#ifndef EXPR_H
#define EXPR_H

#include "ref.h"

/* Compile.  0, -ENOMEM, or -EINVAL with *error (offset points at the
 * character).  Free with expr_free. */
int expr_compile(const char *text, size_t len, struct il_expr **out,
                 struct text_error *error);
void expr_free(struct il_expr *);

/* Does it hold?  1 or 0.  Never allocates, never fails; a compiled expression
 * may be evaluated by one thread at a time (regular expressions keep match
 * data in it). */
int expr_true(const struct il_expr *, const struct batch_event *);

/* Globs on their own ('*' any run, everything else itself): event types. */
int glob_match(struct slice glob, struct slice text);

/* Compare two JSON numbers by exact value, whatever their size: <0, 0, >0.
 * Both are IL_INT, IL_UINT or IL_DECIMAL.  Time and memory are bounded by the
 * length of the texts, not by their exponents. */
int number_compare(const struct il_value *a, const struct il_value *b);

#endif
