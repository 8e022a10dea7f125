/* SPDX-License-Identifier: MIT */
/* `ingestlayer check --online`: would deliveries work? */
#ifndef PG_PROBE_H
#define PG_PROBE_H

#include "link.h"

/* The descriptor's `probe`; self is a struct pg.  Reads, and changes
 * nothing. */
int probe_run(void *self, struct il_text *);

/* The table cannot be seen, because its schema may not be used. */
int probe_hidden(struct link *, int *hidden);
/* Append the rights that the role lacks, as GRANT statements, one a line.  0 or
 * -1. */
int probe_grants(struct link *, struct sql *out);

#endif
