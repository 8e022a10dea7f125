/* SPDX-License-Identifier: MIT */
/* on_conflict: what becomes of an event whose key has a row already.
 *
 * Rows go through a temporary table and `insert ... on conflict`, in the
 * transaction that moves the lane's row, so that each event counts once.  The
 * order is (newer, position): with `newer` a row that is older than the one
 * there changes nothing.  fold.h makes the rows: how events of one key share
 * one depends on what else may refuse a row of the table, which is read here
 * with the plan. */
#ifndef PG_CONFLICT_H
#define PG_CONFLICT_H

#include "lanes.h"
#include "options.h"
#include "plan.h"

/* Read the options; findings are reported together.  0 or a negative errno. */
int conflict_open(struct options *, const struct il_conf *);
void conflict_close(struct options *);

/* What the plan's columns are to on_conflict, and what the table says to it.
 * 0, or -1 with link->fault. */
int conflict_plan(struct link *, struct plan *);
/* Append what comes before the signature's statement, which is put into
 * parentheses then: what else a plan depends on. */
void conflict_signature_sql(const struct options *, struct sql *);
/* May rows be written?  0, or -1 with link->fault. */
int conflict_ready(const struct options *, struct link *, const struct plan *,
                   enum pg_mode);
/* Append what comes after `insert into ... select ...` of a run of rows. */
void conflict_sql(const struct options *, struct sql *, const struct plan *,
                  const uint64_t *omitted);
/* What the row that is there is called in it. */
#define CONFLICT_THERE "\"il there\""
/* Append `("a", "b")`: the key. */
void conflict_key_sql(const struct options *, struct sql *);

/* --- `check --online` ------------------------------------------------------ */

/* Append a select of what the role lacks, as the ends of GRANT statements; what
 * follows is ` and ...` of the table, and the grouping. */
void conflict_rights_sql(struct sql *, const struct plan *);
/* What it does, and what a person should know of it.  0, or -1 with
 * link->fault: something is wrong. */
int conflict_probe(struct link *, const struct plan *, struct sql *out,
                   enum pg_mode);

#endif
