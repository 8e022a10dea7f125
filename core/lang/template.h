/* SPDX-License-Identifier: MIT */
/* Templates: a lone reference ("$event.payload.x") keeps its type; other text
 * is itself, with {{ operand }} replaced, an operand being a reference, a
 * literal or lower(), len(), number() of one, as on the left side of an
 * expression's comparison: a bare name is a payload field.  What is missing or
 * null renders as nothing; containers as JSON, times as RFC 3339.  "$event."
 * in plain text is refused: the braces were forgotten. */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include "ref.h"

int template_compile(const char *text, size_t len, struct il_template **out,
                     struct lang_error *error);
void template_free(struct il_template *);

/* Every reference in it; as expr_fields(). */
int template_fields(const struct il_template *,
                    int (*each)(void *arg, const struct il_field *,
                                size_t offset),
                    void *arg);

/* The reference that is the whole of it, or NULL. */
const struct il_field *template_lone(const struct il_template *);

/* Render for one event; text is made in the batch's arena, constant text stays
 * the template's.  0 (out->type may be IL_MISSING) or -ENOMEM. */
int template_render(const struct il_template *, struct il_batch *, uint32_t i,
                    struct il_value *out);

/* Piece by piece, as il_template_pieces(). */
int template_pieces(const struct il_template *, const struct batch_event *,
                    int (*fn)(void *arg, const char *text, size_t len,
                              int of_event),
                    void *arg);

#endif
