/* SPDX-License-Identifier: MIT */
/* Rows of COPY text, gathered for one transaction of the store. */
#ifndef ENTITIES_PG_ROW_H
#define ENTITIES_PG_ROW_H

#include "query.h"

#define ROWS_MAX 10000       /* of one transaction */
#define ROWS_BYTES (4 << 20) /* the same */

struct rows {
    const struct il_host *host;
    struct il_text *bytes; /* ids and traits */
    struct il_text *cell;  /* a value without escapes; JSON that was read */
    struct il_text *json;
    struct il_mirror_row *row;
    size_t *at; /* where each begins in bytes: the id, the traits */
    size_t count;
    uint64_t nulls; /* rows without a key */
};

/* 0 or -ENOMEM; rows_close() copes with either. */
int rows_open(struct rows *, const struct il_host *);
void rows_close(struct rows *);
/* Add a row: *watermark_us stays as it is where the row has none.  0; -ENOMEM; or
 * -EPROTO: that is no such row. */
int rows_add(struct rows *, const struct query *, char *line, size_t len,
             int64_t *watermark_us);
/* The rows as they are to be written; valid until the next rows_add(). */
const struct il_mirror_row *rows_ready(struct rows *);
void rows_reset(struct rows *);

#endif
