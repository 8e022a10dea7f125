/* SPDX-License-Identifier: MIT */
/* `ingestlayer why --online`: is the row there? */
#ifndef PG_FIND_H
#define PG_FIND_H

#include <ingestlayer/plugin.h>

/* The descriptor's `find`; self is a struct pg.  Reads, and changes nothing. */
int find_row(void *self, struct il_batch *, uint32_t i, struct il_text *);

#endif
