/* SPDX-License-Identifier: MIT */
/* The target table: its columns as Postgres has them now, what fills each, and
 * a signature by which a later change is noticed before it does harm. */
#include "plan.h"

#include "catalog.h"
#include "conflict.h"
#include "ddl.h"
#include "put.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct type {
    uint32_t oid; /* pg_type.dat; these never change */
    const char *name;
    pg_put *put;
} types[] = {
    { 16, "boolean", put_bool },
    { 17, "bytea", put_bytea },
    { 19, "name", put_name },
    { 20, "bigint", put_int8 },
    { 21, "smallint", put_int2 },
    { 23, "integer", put_int4 },
    { 25, "text", put_text },
    { 114, "json", put_json },
    { 650, "cidr", put_cidr },
    { 700, "real", put_float4 },
    { 701, "double precision", put_float8 },
    { 869, "inet", put_inet },
    { 1042, "character", put_varchar },
    { 1043, "character varying", put_varchar },
    { 1082, "date", put_date },
    { 1083, "time", put_time },
    { 1114, "timestamp", put_timestamp },
    { 1184, "timestamp with time zone", put_timestamptz },
    { 1700, "numeric", put_numeric },
    { 2950, "uuid", put_uuid },
    { 3802, "jsonb", put_jsonb },
};

#define COMPOSITE_DEPTH 16 /* of types within types */

/* Columns with their types, domains resolved to what they are made of.  For
 * an array, elem is the element's type as binary COPY names it. */
static const char columns_sql[] =
    "with recursive c as (select a.attnum, a.attname, a.atttypid as typ,"
    " a.atttypmod as mod, a.attidentity, a.attgenerated, a.atthasdef,"
    " a.attnotnull, 0 as depth from pg_catalog.pg_attribute a"
    " where a.attrelid = %s and a.attnum > 0 and not a.attisdropped"
    " union all select c.attnum, c.attname, t.typbasetype, t.typtypmod,"
    " c.attidentity, c.attgenerated, c.atthasdef or t.typdefault is not null,"
    " c.attnotnull or t.typnotnull, c.depth + 1"
    " from c join pg_catalog.pg_type t on t.oid = c.typ"
    " where t.typtype = 'd'),"
    " d as (select distinct on (attnum) * from c"
    " order by attnum, depth desc)"
    " select d.attname, d.mod, t.typtype, t.typname,"
    " case when t.typlen = -1 and t.typelem <> 0 and e.typarray = t.oid"
    " then e.oid else 0::oid end as elem, t.oid, e.typtype as elemtype,"
    " e.typname as elemname,"
    " d.attidentity, d.attgenerated, d.atthasdef,"
    " pg_catalog.format_type(t.oid, null),"
    " pg_catalog.format_type(t.oid, d.mod), d.attnotnull"
    " from d join pg_catalog.pg_type t on t.oid = d.typ"
    " left join pg_catalog.pg_type e on e.oid = t.typelem"
    " order by d.attnum";

enum {
    C_NAME,
    C_MOD,
    C_TYPTYPE,
    C_TYPNAME,
    C_ELEM,
    C_TYPE,
    C_ELEMTYPE,
    C_ELEMNAME,
    C_IDENTITY,
    C_GENERATED,
    C_DEFAULT,
    C_FORMAT,
    C_SQL_TYPE,
    C_NOT_NULL
};
static const char *const column_keys[] = {
    "name",    "modifier",     "kind",         "type_name", "element",
    "oid",     "element_kind", "element_name", "identity",  "generated",
    "default", "type",         "sql_type",     "not_null",  NULL
};

static void
regclass(const struct options *opt, struct sql *s)
{
    sql_printf(s, "pg_catalog.to_regclass(");
    sql_literal(s, opt->table.quoted);
    sql_printf(s, ")");
}

/* The hashes cover all that the plan is made of; nothing in them depends on a
 * locale, and the server computes both sides of every comparison.  A sum needs
 * no order: this runs in every transaction, and sorting would double what it
 * costs (0.1 ms). */
void
plan_signature_sql(const struct options *opt, struct sql *s)
{
    if (opt->conflict.on)
        conflict_signature_sql(opt, s);
    sql_printf(s, "select coalesce(pg_catalog.sum(pg_catalog."
                  "hashtextextended(pg_catalog.concat_ws(',', a.attrelid,"
                  " a.attnum, a.attname, a.atttypid, a.atttypmod,"
                  " a.atthasdef, a.attidentity, a.attgenerated), 0))::text,"
                  " 'none') from pg_catalog.pg_attribute a"
                  " where a.attrelid = ");
    regclass(opt, s);
    sql_printf(s, " and a.attnum > 0 and not a.attisdropped");
    if (opt->conflict.on)
        sql_printf(s, ") x (s)");
}

struct plan *
plan_ref(struct plan *p)
{
    if (p)
        atomic_fetch_add(&p->refs, 1);
    return p;
}

static void
column_clear(const struct il_host *host, struct column *c)
{
    for (uint32_t i = 0; i < c->field_count; i++)
        column_clear(host, &c->fields[i]);
    free(c->fields);
    free(c->name);
    free(c->type_text);
    free(c->sql_type);
    if (c->field)
        il_field_free(host, c->field);
}

void
plan_unref(struct plan *p)
{
    if (!p || atomic_fetch_sub(&p->refs, 1) > 1)
        return;
    for (uint32_t i = 0; i < p->count; i++)
        column_clear(p->host, &p->columns[i]);
    if (p->received)
        il_field_free(p->host, p->received);
    free(p->signature);
    free(p->unfilled);
    free(p->fold_why);
    free(p);
}

/* How values of a type are written: by its OID, else by what it is. */
static const struct type *
type_find(uint32_t oid, const char *typtype, const char *name)
{
    static const struct type label = { 0, "enum", put_text },
                             citext = { 0, "citext", put_text };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].oid == oid)
            return &types[i];
    if (strcmp(typtype, "e") == 0)
        return &label;
    if (strcmp(name, "citext") == 0)
        return &citext;
    return NULL;
}

/* Which declared column, payload or event id is written to this one? */
static const struct mapping *
mapping_find(const struct options *opt, const char *name)
{
    for (size_t i = 0; i < opt->mapping_count; i++)
        if (strcmp(opt->mappings[i].name, name) == 0)
            return &opt->mappings[i];
    return NULL;
}

/* An "id" that the table makes by itself is not the event's: numbers, and UUIDs
 * unless the config says that the event's id belongs there. */
static int
own_id(const struct options *opt, const struct column *c, const char *name,
       int has_default)
{
    if (!has_default || strcmp(name, "id") != 0)
        return 0;
    return c->put == put_int2 || c->put == put_int4 || c->put == put_int8
           || (c->put == put_uuid && strcmp(opt->unique_column, "id") != 0);
}

/* Find what fills the column.  1 found, 0 nothing does, or -ENOMEM. */
static int
column_source(struct link *l, struct column *c, const char *name,
              int has_default)
{
    const struct options *opt = l->opt;
    const struct mapping *m = mapping_find(opt, name);
    const char *field = name;
    if (m) {
        c->value = m->value;
        return 1;
    }
    if (strcmp(name, opt->unique_column) == 0 || strcmp(name, "event_id") == 0)
        field = "id";
    else if (strcmp(name, opt->payload_column) == 0)
        field = "payload";
    else if (opt->mapping_count)
        return 0;
    if (own_id(opt, c, name, has_default))
        return 0;
    c->is_id = strcmp(field, "id") == 0;
    int err = il_field_named(l->host, IL_FIELD_ANY, field, &c->field);
    return err ? err : 1;
}

static uint32_t
number(const PGresult *res, int row, int col)
{
    return (uint32_t) strtoul(PQgetvalue(res, row, col), NULL, 10);
}

static int
is_true(const PGresult *res, int row, int col)
{
    return *PQgetvalue(res, row, col) == 't';
}

/* What kind of values the column in this row of the catalog has.  0 or
 * -ENOMEM. */
static int
column_type(struct column *c, const PGresult *res, int row)
{
    const char *name = PQgetvalue(res, row, C_NAME);
    uint32_t elem = number(res, row, C_ELEM);
    const char *kind = PQgetvalue(res, row, elem ? C_ELEMTYPE : C_TYPTYPE);
    memset(c, 0, sizeof *c);
    c->optional = -1;
    c->is_array = elem != 0;
    c->type = elem ? elem : number(res, row, C_TYPE);
    c->not_null = is_true(res, row, C_NOT_NULL);
    c->modifier = (int32_t) strtol(PQgetvalue(res, row, C_MOD), NULL, 10);
    const struct type *t = type_find(
        c->type, kind, PQgetvalue(res, row, elem ? C_ELEMNAME : C_TYPNAME));
    c->put = t ? t->put : strcmp(kind, "c") == 0 ? put_record : put_other;
    c->name = strdup(name);
    c->type_text = strdup(t && t->oid ? t->name
                          : elem      ? PQgetvalue(res, row, C_ELEMNAME)
                                      : PQgetvalue(res, row, C_FORMAT));
    c->type_name = c->type_text;
    c->sql_type = strdup(PQgetvalue(res, row, C_SQL_TYPE));
    return c->name && c->type_text && c->sql_type ? 0 : -ENOMEM;
}

/* Has its type a binary form known here? */
static int
is_known(const struct column *c)
{
    return c->put != put_record && c->put != put_other;
}

/* Add the column in this row of the catalog, if something fills it. */
static int
column_add(struct link *l, struct plan *p, const PGresult *res, int row)
{
    struct column *c = &p->columns[p->count];
    /* Of a view that Postgres writes through, the table has the defaults. */
    int given = is_true(res, row, C_DEFAULT)
                || *PQgetvalue(res, row, C_IDENTITY)
                || (p->kind == 'v' && p->insert_only);
    if (*PQgetvalue(res, row, C_GENERATED)
        || *PQgetvalue(res, row, C_IDENTITY) == 'a')
        return 0;
    int err = column_type(c, res, row), found = 0;
    if (!err)
        err = found = column_source(l, c, c->name, given);
    if (err < 0 || !found) {
        if (!err && !given && c->not_null && !p->unfilled)
            p->unfilled = strdup(c->name);
        column_clear(l->host, c);
        return err;
    }
    c->has_default = given != 0;
    if (given)
        c->optional = (int) p->optional_count++;
    p->text_only |= !is_known(c);
    p->count++;
    return 0;
}

static int
read_columns(struct link *l, const char *what, const char *relation,
             PGresult **res)
{
    struct sql *s = &l->sql;
    sql_clear(s);
    sql_printf(s, columns_sql, relation);
    return catalog_ask(l, what, column_keys, res) ? -1
           : *res                                 ? 0
                                                  : link_no_memory(l);
}

/* The fields of a composite type, and of those within it. */
static int
read_fields(struct link *l, struct column *c, int depth)
{
    char relation[100], what[40];
    PGresult *res;
    if (c->put != put_record || depth == COMPOSITE_DEPTH)
        return 0;
    snprintf(what, sizeof what, "fields of %u", c->type);
    snprintf(relation, sizeof relation,
             "(select typrelid from pg_catalog.pg_type where oid = %u)",
             c->type);
    if (read_columns(l, what, relation, &res))
        return -1;
    int n = PQntuples(res), err = 0;
    c->fields = calloc((size_t) n + 1, sizeof *c->fields);
    for (int i = 0; i < n && c->fields && !err; i++) {
        err = column_type(&c->fields[i], res, i);
        c->field_count++;
    }
    PQclear(res);
    if (err || !c->fields)
        return link_no_memory(l);
    for (int i = 0; i < n && !err; i++)
        err = read_fields(l, &c->fields[i], depth + 1);
    return err;
}

static int
read_composites(struct link *l, struct plan *p)
{
    int err = 0;
    for (uint32_t i = 0; i < p->count && !err; i++)
        err = read_fields(l, &p->columns[i], 0);
    return err;
}

static int
missing_table(struct link *l)
{
    const struct options *opt = l->opt;
    struct sql s;
    if (sql_open(&s, l->host))
        return link_no_memory(l);
    ddl_table(opt, &s, 1);
    const char *ddl = sql_str(&s);
    fault_set(&l->fault, PG_ACT_PAUSE,
              "table %s does not exist; set create = true, or make it: %s",
              opt->table.quoted, ddl ? ddl : "");
    memcpy(l->fault.code, "42P01", 6);
    sql_close(&s);
    return -1;
}

/* Every column that the config names must be there. */
static int
check_mapped(struct link *l, const struct plan *p)
{
    const struct options *opt = l->opt;
    for (size_t i = 0; i < opt->mapping_count + 1; i++) {
        const char *name = i < opt->mapping_count ? opt->mappings[i].name
                           : opt->payload_set     ? opt->payload_column
                                                  : NULL;
        uint32_t k = 0;
        while (name && k < p->count && strcmp(p->columns[k].name, name) != 0)
            k++;
        if (!name || k < p->count)
            continue;
        fault_set(&l->fault, PG_ACT_PAUSE,
                  "table %s has no column \"%s\" that can be written: add it "
                  "(alter table %s add column \"%s\" ...) or change `%s`",
                  opt->table.quoted, name, opt->table.quoted, name,
                  i < opt->mapping_count ? "columns" : "payload_column");
        memcpy(l->fault.code, "42703", 6);
        return -1;
    }
    if (p->count)
        return 0;
    fault_set(&l->fault, PG_ACT_PAUSE,
              "no column of table %s has the name of an event field (id, "
              "type, payload, ...); name them in `columns`",
              opt->table.quoted);
    return -1;
}

void
plan_unique_sql(const struct options *opt, struct sql *s)
{
    sql_ident(s, opt->unique_column);
    if (!opt->partition.by)
        return;
    sql_printf(s, ", ");
    sql_ident(s, opt->partition.by);
}

/* What the table is partitioned by, where the config says that it is. */
static int
read_partition(struct link *l, struct plan *p)
{
    static const char *const keys[] = { "column", NULL };
    const struct partition *wanted = &l->opt->partition;
    struct sql *s = &l->sql;
    PGresult *res;
    p->key = p->count;
    if (!wanted->by)
        return 0;
    sql_clear(s);
    sql_printf(s, "select a.attname from pg_catalog.pg_partitioned_table t"
                  " join pg_catalog.pg_attribute a on a.attrelid = t.partrelid"
                  " and a.attnum = t.partattrs[0] where t.partstrat = 'r' and"
                  " t.partnatts = 1 and t.partrelid = ");
    regclass(l->opt, s);
    if (catalog_ask(l, "partition", keys, &res))
        return -1;
    int fits =
        res && PQntuples(res) && strcmp(PQgetvalue(res, 0, 0), wanted->by) == 0;
    PQclear(res);
    while (p->key && strcmp(p->columns[p->key - 1].name, wanted->by) != 0)
        p->key--;
    p->key = p->key ? p->key - 1 : p->count;
    if (wanted->ranged && p->key < p->count) {
        p->range = wanted;
        if (il_field_named(l->host, IL_FIELD_ANY, "received_at", &p->received))
            return link_no_memory(l);
    }
    if (fits || !p->kind) /* made of declarations, it has no kind */
        return 0;
    fault_set(&l->fault, PG_ACT_PAUSE,
              "table %s is not partitioned by range of \"%s\" alone, which "
              "`partition` goes by: `ingestlayer ddl` prints such a table",
              l->opt->table.quoted, wanted->by);
    memcpy(l->fault.code, "42P17", 6);
    return -1;
}

static int
read_unique(struct link *l, struct plan *p)
{
    static const char *const unique_keys[] = { "found", NULL };
    const char *by = l->opt->partition.by;
    struct sql *s = &l->sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s, "select 1 from pg_catalog.pg_index i"
                  " join pg_catalog.pg_attribute a"
                  " on a.attrelid = i.indrelid and a.attnum = any (i.indkey)"
                  " where i.indisunique and i.indisvalid and i.indimmediate"
                  " and i.indpred is null and i.indexprs is null"
                  " and i.indrelid = ");
    regclass(l->opt, s);
    sql_printf(s, " and a.attname in (");
    sql_literal(s, l->opt->unique_column);
    if (by) {
        sql_printf(s, ", ");
        sql_literal(s, by);
    }
    sql_printf(s,
               ") group by i.indexrelid, i.indnkeyatts"
               " having i.indnkeyatts = %d and pg_catalog.count(*) = %d",
               by && strcmp(by, l->opt->unique_column) != 0 ? 2 : 1,
               by && strcmp(by, l->opt->unique_column) != 0 ? 2 : 1);
    if (catalog_ask(l, "unique", unique_keys, &res))
        return -1;
    uint32_t k = 0;
    while (k < p->count
           && strcmp(p->columns[k].name, l->opt->unique_column) != 0)
        k++;
    p->unique = k;
    p->has_unique = k < p->count && res && PQntuples(res) > 0;
    PQclear(res);
    return 0;
}

/* The signature is read before the columns: what changes in between makes the
 * two disagree, and the next transaction notices. */
static int
read_signature(struct link *l, char **out)
{
    static const char *const keys[] = { "now", NULL };
    struct sql *s = &l->sql;
    PGresult *res;
    sql_clear(s);
    plan_signature_sql(l->opt, s);
    if (catalog_ask(l, "signature", keys, &res))
        return -1;
    *out = res && PQntuples(res) == 1 ? strdup(PQgetvalue(res, 0, 0)) : NULL;
    PQclear(res);
    return *out ? 0 : link_no_memory(l);
}

/* tgtype of pg_trigger: 1 for each row, 2 before, 4 insert, 64 instead of. */
static int
read_kind(struct link *l, struct plan *p)
{
    static const char *const keys[] = { "kind",    "row_security", "instead",
                                        "trigger", "select",       NULL };
    struct sql *s = &l->sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s, "select c.relkind, pg_catalog.row_security_active(c.oid),"
                  " exists (select from pg_catalog.pg_trigger where tgrelid ="
                  " c.oid and tgtype & 68 = 68 and tgenabled <> 'D'),"
                  " exists (select from pg_catalog.pg_trigger where tgrelid ="
                  " c.oid and tgtype & 7 = 7 and tgenabled <> 'D'),"
                  " pg_catalog.has_table_privilege(c.oid, 'select')"
                  " from pg_catalog.pg_class c where c.oid = ");
    regclass(l->opt, s);
    if (catalog_ask(l, "table", keys, &res))
        return -1;
    if (res && PQntuples(res)) {
        p->kind = *PQgetvalue(res, 0, 0);
        p->row_security = is_true(res, 0, 1);
        p->fills = is_true(res, 0, 3);
        p->can_select = is_true(res, 0, 4);
        p->insert_only =
            p->row_security || (p->kind == 'v' && !is_true(res, 0, 2));
    }
    PQclear(res);
    return 0;
}

static int
fill_plan(struct link *l, const PGresult *res, struct plan **out)
{
    int n = PQntuples(res), err = 0;
    struct plan *p =
        calloc(1, sizeof *p + (size_t) (n + 1) * sizeof(struct column));
    if (!p)
        return link_no_memory(l);
    p->host = l->host;
    atomic_init(&p->refs, 1);
    if (read_kind(l, p)) {
        plan_unref(p);
        return -1;
    }
    for (int i = 0; i < n && !err; i++)
        err = column_add(l, p, res, i);
    if (err < 0
            ? link_no_memory(l)
            : check_mapped(l, p) || read_unique(l, p) || read_partition(l, p)
                  || read_composites(l, p) || conflict_plan(l, p)) {
        plan_unref(p);
        return -1;
    }
    *out = p;
    return 0;
}

int
plan_read(struct link *l, struct plan **out)
{
    const struct options *opt = l->opt;
    struct sql table;
    char *signature;
    PGresult *res = NULL;
    if (read_signature(l, &signature))
        return -1;
    if (strcmp(signature, "none") == 0) {
        free(signature);
        return missing_table(l);
    }
    if (sql_open(&table, l->host)) {
        free(signature);
        return link_no_memory(l);
    }
    regclass(opt, &table);
    int err = sql_str(&table)
                  ? read_columns(l, "columns", sql_str(&table), &res)
                  : link_no_memory(l);
    sql_close(&table);
    if (!err)
        err = fill_plan(l, res, out);
    PQclear(res);
    if (err) {
        free(signature);
        return -1;
    }
    (*out)->signature = signature;
    return 0;
}
