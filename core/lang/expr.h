/* SPDX-License-Identifier: MIT */
/* The expression language of PRODUCT section 5, compiled once.
 * ingestlayer-expressions(7) is its manual. */
#ifndef EXPR_H
#define EXPR_H

#include "ref.h"
#include "base/number.h"

/* Compile.  0, -ENOMEM, or -EINVAL with *error (offset points at the
 * character).  Free with expr_free. */
int expr_compile(const char *text, size_t len, struct il_expr **out,
                 struct lang_error *error);
void expr_free(struct il_expr *);

/* Does it hold?  1 or 0; -E2BIG: that depends on a regular expression that met
 * its limit.  Never allocates; a compiled expression may be evaluated by one
 * thread at a time (regular expressions keep match data in it). */
int expr_true(const struct il_expr *, const struct batch_event *);

/* Every reference in it, in the order written, with the byte where it stands:
 * for checks against declared events.  Stops at and returns the first answer
 * that is not 0. */
int expr_fields(const struct il_expr *,
                int (*each)(void *arg, const struct il_field *, size_t offset),
                void *arg);

/* The same for those that comparisons and sets compare: with what, a bit
 * 1u << IL_* for each type that is known there (IL_INT: any number), and
 * EXPR_BESIDE_ANY where none is. */
#define EXPR_BESIDE_ANY (1u << 31)
int expr_compared(const struct il_expr *,
                  int (*each)(void *arg, const struct il_field *, size_t offset,
                              unsigned types),
                  void *arg);

/* Globs on their own ('*' any run, everything else itself): event types. */
int expr_glob_match(struct slice glob, struct slice text);

#endif
