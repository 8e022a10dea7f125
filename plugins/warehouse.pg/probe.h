/* SPDX-License-Identifier: MIT */
/* `ingestlayer check --online`: would deliveries work? */
#ifndef PG_PROBE_H
#define PG_PROBE_H

#include <ingestlayer/plugin.h>

/* The descriptor's `probe`; self is a struct pg.  Reads, and changes
 * nothing. */
int probe_run(void *self, struct il_text *);

#endif
