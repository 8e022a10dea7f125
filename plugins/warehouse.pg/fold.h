/* SPDX-License-Identifier: MIT */
/* The rows of a batch whose keys may repeat (on_conflict).
 *
 * One statement may write a key once, and writing it once costs least, so the
 * events of one key become one row, column by column, the last value that is
 * present: what is there afterwards is what they would have left one by one,
 * wherever batches are cut.  Presence is not NULL: a column that is missing is
 * in the set of those that the row leaves out, and rows with the same set go
 * together.
 *
 * Where one row cannot say it, a key has several, in rounds that go in one
 * after the other:
 *   - an event that is newer than the row it would be folded into, and lacks a
 *     column that this has (`newer` and missing = keep): the row of the table
 *     may be between the two
 *   - all events, where something in the table may refuse one for its values
 *     (PLAN_ROUNDS), or the order among different keys counts (PLAN_ORDER),
 *     which a later value would hide
 *   - all events of a batch of which a folded row was refused (job->apart), so
 *     that the one is found that is wrong. */
#ifndef PG_FOLD_H
#define PG_FOLD_H

#include "encode.h"

/* As encode_job(). */
int fold_job(struct encoder *, struct job *, struct plan *);
void fold_free(struct encoder *);

#endif
