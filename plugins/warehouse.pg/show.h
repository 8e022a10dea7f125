/* SPDX-License-Identifier: MIT */
/* `ingestlayer test`, `dead show --render` and `ddl --save`: the row that would
 * be written, and of what table.  Entries of the descriptor; self is a struct
 * pg. */
#ifndef PG_SHOW_H
#define PG_SHOW_H

#include <ingestlayer/plugin.h>

int show_row(void *self, struct il_batch *, uint32_t i, struct il_text *);
int show_table(void *self, struct il_text *);
int show_assume(void *self, const char *json, size_t len, struct il_text *why);

#endif
