/* SPDX-License-Identifier: MIT */
/* Rows: references and templates that are read of every event, together. */
#ifndef ROW_H
#define ROW_H

#include "ref.h"

/* As il_row_new(), il_row_read(); cells and what they name stay the caller's.
 */
int row_new(const struct il_host *, const struct il_cell *, size_t count,
            size_t stride, struct il_row **out);
int row_read(struct il_row *, struct il_batch *, uint32_t i,
             const struct il_value **values);
void row_free(struct il_row *);

#endif
