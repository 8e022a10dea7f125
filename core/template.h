/* SPDX-License-Identifier: MIT */
/* Templates: a lone reference ("$event.payload.x") keeps its type; other text
 * is itself, with {{ operand }} replaced, an operand being a reference, a
 * literal or lower(), len(), number() of one.  A missing value renders as
 * nothing; containers as JSON. */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include "ref.h"

int template_compile(const char *text, size_t len, struct il_template **out,
                     struct text_error *error);
void template_free(struct il_template *);

/* Render for one event; text is made in the batch's arena.  0 (out->type may
 * be IL_MISSING) or -ENOMEM. */
int template_render(const struct il_template *, struct il_batch *, uint32_t i,
                    struct il_value *out);

#endif
