/* SPDX-License-Identifier: MIT */
/* `ingestlayer plan` and `apply`: what the database lacks, as statements, and
 * running those.
 *
 *   changes.c         what differs, statement by statement, with its lock and
 *                     what it costs
 *   changes_apply.c   a plan that was saved, run as it stands
 *
 * Nothing is ever dropped, and no column gets another type: where types differ
 * the statement is printed, with what it would cost, for a person to run. */
#ifndef PG_CHANGES_H
#define PG_CHANGES_H

#include "link.h"

/* Of the descriptor; self is a struct pg. */
int changes_plan(void *self, struct il_text *json, struct il_text *text);
int changes_apply(void *self, const char *json, size_t len, const char *as,
                  struct il_text *text);

#endif
