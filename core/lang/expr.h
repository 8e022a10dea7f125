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

/* Why it holds, or does not: condition by condition, as far as they were asked,
 * which is where one decides.  For people, and slow. */
struct expr_seen {         /* a field, or a function of one */
    size_t at, end;        /* bytes of the source */
    struct il_value value; /* IL_MISSING: it is not there */
    int lower;             /* of lower(): the value is to be read folded */
};
struct expr_condition {
    size_t at, end; /* bytes of the source, what negates it among them */
    int holds;      /* as written; -E2BIG: not known, as of expr_true() */
    int decides;    /* what all of it comes to hangs on it */
    uint32_t seen_from, seen_count;
};
#define EXPR_CONDITIONS_MAX 64
#define EXPR_SEEN_MAX 128
struct expr_explained {
    int holds; /* what expr_true() says */
    uint32_t count, seen_count;
    uint32_t more; /* so many conditions had no room */
    struct expr_condition list[EXPR_CONDITIONS_MAX];
    struct expr_seen seen[EXPR_SEEN_MAX];
};
/* Threads and answer as of expr_true(). */
int expr_explain(const struct il_expr *, const struct batch_event *,
                 struct expr_explained *out);
/* Append such a piece of the source in one line, without comments and with
 * single blanks.  0 or -ENOMEM. */
int expr_source(struct il_text *out, const char *text, size_t at, size_t end);

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
