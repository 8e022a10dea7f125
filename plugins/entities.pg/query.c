/* SPDX-License-Identifier: MIT */
/* Types are the server's business as far as possible: what is no text, number or
 * boolean (arrays, composite types, times) it writes as JSON itself.  So each type
 * there is, of extensions too, has a defined form. */
#include "query.h"

#include "mirror.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BOOL_OID = 16,
    INT8_OID = 20,
    INT2_OID = 21,
    INT4_OID = 23,
    OID_OID = 26,
    JSON_OID = 114,
    FLOAT4_OID = 700,
    FLOAT8_OID = 701,
    DATE_OID = 1082,
    TIMESTAMP_OID = 1114,
    TIMESTAMPTZ_OID = 1184,
    NUMERIC_OID = 1700,
    JSONB_OID = 3802
};

static void
column_form(struct query_column *c, char category)
{
    switch (c->oid) {
    case BOOL_OID:
        c->as = AS_BOOL;
        return;
    case INT8_OID:
    case INT2_OID:
    case INT4_OID:
    case OID_OID:
        c->as = AS_INTEGER;
        return;
    case FLOAT4_OID:
    case FLOAT8_OID:
    case NUMERIC_OID:
        c->as = AS_NUMBER;
        return;
    case JSON_OID:
    case JSONB_OID:
        c->as = AS_JSON;
        return;
    case DATE_OID:
    case TIMESTAMP_OID:
    case TIMESTAMPTZ_OID:
        c->to_json = 1;
        break;
    default: /* arrays, composite types */
        c->to_json = category == 'A' || category == 'C';
    }
    c->as = c->to_json ? AS_JSON : AS_TEXT;
}

/* The query without blanks and a semicolon at its end. */
static void
put_query(struct sql *s, const char *query)
{
    size_t n = strlen(query);
    while (n && strchr(" \t\r\n;", query[n - 1]))
        n--;
    sql_put(s, query, n);
    sql_printf(s, "\n"); /* it may end in a comment */
}

/* The names of the types, and the categories. */
static int
read_types(struct link *l, const PGresult *described, struct sql *s)
{
    sql_clear(s);
    sql_printf(s,
               "select n, pg_catalog.format_type(t.oid, null), t.typcategory "
               "from (values ");
    for (int i = 0; i < PQnfields(described); i++)
        sql_printf(s, "%s(%d, %u::oid)", i ? ", " : "", i,
                   PQftype(described, i));
    sql_printf(s, ") v (n, o) join pg_catalog.pg_type t on t.oid = v.o "
                  "order by n");
    (void) l;
    return 0;
}

static int
take_column(struct link *l, const struct settings *set, struct query *q,
            const PGresult *described, const PGresult *types, int i)
{
    const char *name = PQfname(described, i);
    const char *type = PQgetvalue(types, i, 1);
    if (set->watermark && strcmp(name, set->watermark) == 0) {
        const uint32_t oid = PQftype(described, i);
        q->zoned = oid == TIMESTAMPTZ_OID;
        snprintf(q->watermark_type, sizeof q->watermark_type, "%s", type);
        if (!q->zoned && oid != TIMESTAMP_OID) {
            fault_set(&l->fault, PG_ACT_PAUSE,
                      "watermark \"%s\" is of type %s; a timestamp is needed",
                      name, type);
            return -1;
        }
    }
    if (strcmp(name, set->key) == 0) {
        snprintf(q->key_type, sizeof q->key_type, "%s", type);
        return 0;
    }
    struct query_column *c = &q->columns[q->count++];
    c->name = strdup(name);
    c->oid = PQftype(described, i);
    snprintf(c->type, sizeof c->type, "%s", type);
    column_form(c, *PQgetvalue(types, i, 2));
    return c->name ? 0 : link_no_memory(l);
}

int
query_read(struct link *l, const struct settings *set, struct query *q)
{
    PGresult *described = NULL, *types = NULL;
    struct sql *s = &l->sql;
    memset(q, 0, sizeof *q);
    sql_clear(s);
    sql_printf(s, "select * from (");
    put_query(s, set->query);
    sql_printf(s, ") q limit 0");
    if (link_exec(l, sql_str(s), &described))
        return -1;
    const int n = described ? PQnfields(described) : 0;
    int err = -1;
    q->columns = calloc((size_t) n + 1, sizeof *q->columns);
    if (!q->columns) {
        link_no_memory(l);
    } else if (n == 0) {
        fault_set(&l->fault, PG_ACT_PAUSE, "the query has no columns");
    } else {
        read_types(l, described, s);
        err = link_exec(l, sql_str(s), &types);
    }
    for (int i = 0; i < n && !err; i++)
        err = take_column(l, set, q, described, types, i);
    PQclear(described);
    PQclear(types);
    if (err)
        return -1;
    if (!*q->key_type)
        fault_set(&l->fault, PG_ACT_PAUSE,
                  "the query has no column \"%s\", which is the key", set->key);
    else if (set->watermark && !*q->watermark_type)
        fault_set(&l->fault, PG_ACT_PAUSE,
                  "the query has no column \"%s\", which is the watermark",
                  set->watermark);
    else if (!q->count)
        fault_set(&l->fault, PG_ACT_PAUSE,
                  "the query has no column but the key: it says nothing of an "
                  "entity");
    else
        return 0;
    return -1;
}

void
query_clear(struct query *q)
{
    for (size_t i = 0; i < q->count; i++)
        free(q->columns[i].name);
    free(q->columns);
    memset(q, 0, sizeof *q);
}

/* As a literal that an index can be searched for. */
static void
put_after(const struct query *q, const struct settings *set, int64_t us,
          struct sql *s)
{
    int64_t seconds = us / 1000000, rest = us % 1000000;
    time_t at = (time_t) (rest < 0 ? seconds - 1 : seconds);
    char text[40];
    struct tm tm;
    gmtime_r(&at, &tm);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    sql_printf(s, " where q.");
    sql_ident(s, set->watermark);
    sql_printf(s, " > '%s.%06lld%s'::%s", text,
               (long long) (rest < 0 ? rest + 1000000 : rest),
               q->zoned ? "+00" : "", q->zoned ? "timestamptz" : "timestamp");
}

void
query_select_sql(const struct query *q, const struct settings *set,
                 int64_t after_us, struct sql *s)
{
    sql_printf(s, "select q.");
    sql_ident(s, set->key);
    sql_printf(s, "::text, ");
    if (set->watermark) {
        sql_printf(s, "case when pg_catalog.isfinite(q.");
        sql_ident(s, set->watermark);
        sql_printf(s, ") then (extract(epoch from q.");
        sql_ident(s, set->watermark);
        sql_printf(s, ") * 1000000)::bigint end");
    } else {
        sql_printf(s, "null");
    }
    for (size_t i = 0; i < q->count; i++) {
        const struct query_column *c = &q->columns[i];
        sql_printf(s, c->to_json ? ", pg_catalog.to_json(q." : ", q.");
        sql_ident(s, c->name);
        if (c->to_json)
            sql_printf(s, ")");
    }
    sql_printf(s, " from (");
    put_query(s, set->query);
    sql_printf(s, ") q");
    if (after_us)
        put_after(q, set, after_us, s);
}

void
query_copy_sql(const struct query *q, const struct settings *set,
               int64_t after_us, struct sql *s)
{
    sql_printf(s, "copy (");
    query_select_sql(q, set, after_us, s);
    sql_printf(s, ") to stdout");
}
