/* SPDX-License-Identifier: MIT */
/* What the operator wrote, read once by open() and constant from then on: any
 * thread may read it without a lock. */
#ifndef PG_OPTIONS_H
#define PG_OPTIONS_H

#include "connection.h"
#include "sql.h"

#define PG_CONNECTIONS_MAX 16

struct mapping {
    const char *name;
    const char *reference; /* as written, for the DDL */
    struct il_template *value;
};

/* Partitions of the table by time; by is NULL: none. */
struct partition {
    const char *by;   /* a column */
    int monthly;      /* else daily */
    int create, drop; /* by the daemon */
    int ranged;       /* a sender has a say in it: that far from received_at */
    int64_t from_us, to_us;
    int64_t keep_us; /* 0: for ever */
    uint32_t ahead;
};

/* What becomes of a row whose key is there already. */
enum conflict_on { CONFLICT_ERROR, CONFLICT_IGNORE, CONFLICT_UPDATE };

struct conflict {
    enum conflict_on on;
    const char **key, **update; /* columns; without update: all but the key */
    size_t key_count, update_count;
    const char *newer; /* NULL: by position alone */
    int missing_null;  /* a field that is missing ends the column's value */
};

struct options {
    struct conflict conflict;
    struct connection connect;
    const char *lanes_schema, *unique_column, *payload_column;
    char *lanes; /* quoted schema.lanes */
    struct sql_name table;
    struct mapping *mappings;
    size_t mapping_count;
    struct partition partition;
    int create, payload_set, refuse_bad_text;
    uint32_t connections;
    uint32_t lock_timeout_ms;
};

#endif
