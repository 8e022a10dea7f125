/* SPDX-License-Identifier: MIT */
/* For a person: what would be sent, and whether it would get there. */
#ifndef SHOW_H
#define SHOW_H

#include <ingestlayer/plugin.h>

/* Callbacks of the descriptor. */
int out_probe(void *self, struct il_text *);
int out_render(void *self, struct il_batch *, uint32_t i, struct il_text *);

#endif
