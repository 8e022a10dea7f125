/* SPDX-License-Identifier: MIT */
/* What a mirror's query yields. */
#ifndef ENTITIES_PG_QUERY_H
#define ENTITIES_PG_QUERY_H

#include "../warehouse.pg/link.h"

/* How a column's text becomes a trait. */
enum column_as { AS_TEXT, AS_BOOL, AS_INTEGER, AS_NUMBER, AS_JSON };

struct query_column {
    char *name;
    uint32_t oid;
    char type[80]; /* as SQL calls it */
    int as;
    int to_json; /* the server writes it as JSON */
};

struct query {
    struct query_column *columns; /* without the key */
    size_t count;
    char key_type[80];
    char watermark_type[80]; /* "timestamp with time zone", ...; "": none */
    int zoned;               /* it is timestamptz */
};

struct settings;

/* Ask the server.  0, or -1 with link->fault. */
int query_read(struct link *, const struct settings *, struct query *);
void query_clear(struct query *);
/* Append the COPY: the key, the watermark in microseconds since 1970 or, without
 * one, null, and the columns.  after_us 0: all rows. */
void query_copy_sql(const struct query *, const struct settings *,
                    int64_t after_us, struct sql *);
/* The select of it alone, for EXPLAIN. */
void query_select_sql(const struct query *, const struct settings *,
                      int64_t after_us, struct sql *);

#endif
