/* SPDX-License-Identifier: MIT */
/* The DDL that a warehouse needs: run by `create = true`, printed by
 * `ingestlayer ddl` and by the error about a missing table. */
#include "ddl.h"

#include "conflict.h"
#include "partition.h"
#include "pg.h"

#include <errno.h>
#include <string.h>

void
ddl_lanes(const struct options *opt, struct sql *s, int with_schema)
{
    if (with_schema) {
        sql_printf(s, "create schema if not exists ");
        sql_ident(s, opt->lanes_schema);
        sql_printf(s, ";\n");
    }
    sql_printf(s,
               "create table if not exists %s (\n"
               "    spool uuid, lane text,\n"
               "    position bigint not null, epoch bigint not null,\n"
               "    primary key (spool, lane)\n"
               ") with (fillfactor = 50);\n",
               opt->lanes);
}

static const char *
sql_type(const struct il_declared *d)
{
    if (strcmp(d->format, "uuid") == 0)
        return "uuid";
    static const char *const known[][2] = {
        { "string", "text" },           { "number", "numeric" },
        { "integer", "bigint" },        { "boolean", "boolean" },
        { "timestamp", "timestamptz" }, { "object", "jsonb" },
        { "array", "jsonb" },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i][0], d->type) == 0)
            return known[i][1];
    return "text";
}

static int
declared(const struct il_host *host, size_t i, struct il_declared *d)
{
    d->struct_size = sizeof *d;
    return il_declared_field(host, i, d) == 0;
}

/* The type of what is declared at a reference; text where declarations
 * disagree.  *required: each event has it, for one that is of a type without it
 * leaves the column empty. */
static const char *
declared_type(const struct il_host *host, const char *reference, int *required)
{
    struct il_declared d = { .struct_size = sizeof d };
    const char *type = NULL;
    int err;
    *required = 1;
    for (size_t i = 0;
         (err = il_declared_at(host, i, reference, &d)) != -ENOENT; i++) {
        if (err == -EINVAL)
            return NULL;
        if (err || !d.required)
            *required = 0;
        if (!err) {
            const char *t = sql_type(&d);
            type = !type || strcmp(type, t) == 0 ? t : "text";
        }
        d.struct_size = sizeof d;
    }
    return type;
}

static const char *
envelope_type(const char *name)
{
    static const char *const known[][2] = {
        { "id", "text" },
        { "type", "text" },
        { "source_id", "text" },
        { "received_at", "timestamptz" },
        { "timestamp", "timestamptz" },
        { "payload", "jsonb" },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i][0], name) == 0)
            return known[i][1];
    return NULL;
}

/* The type of a column by what is written to it: "$event.id" and so on. */
static const char *
mapped_type(const struct il_host *host, const char *reference, int *required)
{
    const char *type;
    *required = 0;
    if (strncmp(reference, "$event.", 7) != 0)
        return "text";
    if ((type = envelope_type(reference + 7)) != NULL) {
        *required = strcmp(reference + 7, "timestamp") != 0;
        return type;
    }
    type = declared_type(host, reference, required);
    if (!type)
        *required = 0;
    return type ? type : "text";
}

/* The same of a field of the payload, whatever characters its name has. */
static const char *
field_type(const struct il_host *host, const char *name, int *required)
{
    const struct il_value v = { .type = IL_STRING,
                                .str = name,
                                .len = strlen(name) };
    const char *type = NULL;
    struct sql s;
    *required = 0;
    if (sql_open(&s, host))
        return "text";
    sql_printf(&s, "$event.payload[");
    if (il_write_json(host, s.text, &v, 0) >= 0) {
        sql_printf(&s, "]");
        if (sql_str(&s))
            type = declared_type(host, sql_str(&s), required);
    }
    sql_close(&s);
    return type ? type : "text";
}

int
ddl_is_required(const struct options *opt, const struct il_host *host,
                const char *name)
{
    int required = 0;
    for (size_t i = 0; i < opt->mapping_count; i++) {
        const struct mapping *m = &opt->mappings[i];
        if (strcmp(m->name, name) != 0)
            continue;
        if (*m->reference != '$')
            return 1; /* a template gives a text in any case */
        mapped_type(host, m->reference, &required);
        return required;
    }
    if (strcmp(name, opt->unique_column) == 0
        || strcmp(name, opt->payload_column) == 0
        || strcmp(name, "event_id") == 0)
        return 1;
    if (envelope_type(name))
        return strcmp(name, "timestamp") != 0;
    field_type(host, name, &required);
    return required;
}

static int
is_mapped(const struct options *opt, const char *name)
{
    for (size_t i = 0; i < opt->mapping_count; i++)
        if (strcmp(opt->mappings[i].name, name) == 0)
            return 1;
    return 0;
}

/* What partitions go by is never null. */
struct print {
    struct sql *s;
    const char *by;
};

static void
print_column(void *arg, const char *name, const char *type, int required)
{
    const struct print *p = arg;
    struct sql *s = p->s;
    if (p->by && strcmp(p->by, name) == 0)
        required = 1;
    if (strlen(name) > PG_NAME_MAX) {
        sql_printf(s, "    -- a declared field has too long a name\n");
        return;
    }
    sql_printf(s, "    ");
    sql_ident(s, name);
    sql_printf(s, " %s%s,\n", type, required ? " not null" : "");
}

/* Has an earlier declaration given this column already? */
static int
is_repeated(const struct options *opt, const struct il_host *host, size_t i,
            const char *name)
{
    struct il_declared d;
    if (envelope_type(name) || strcmp(name, opt->unique_column) == 0
        || strcmp(name, opt->payload_column) == 0)
        return 1;
    for (size_t k = 0; k < i && declared(host, k, &d); k++)
        if (strcmp(d.name, name) == 0)
            return 1;
    return 0;
}

static void
default_columns(const struct options *opt, const struct il_host *host,
                ddl_column *column, void *arg)
{
    struct il_declared d;
    column(arg, "type", "text", 1);
    column(arg, "source_id", "text", 1);
    column(arg, "received_at", "timestamptz", 1);
    column(arg, "timestamp", "timestamptz", 0);
    for (size_t i = 0; declared(host, i, &d); i++) {
        int required;
        if (is_repeated(opt, host, i, d.name))
            continue;
        const char *type = field_type(host, d.name, &required);
        column(arg, d.name, type, required);
    }
}

static void
mapped_columns(const struct options *opt, const struct il_host *host,
               ddl_column *column, void *arg)
{
    for (size_t i = 0; i < opt->mapping_count; i++) {
        const struct mapping *m = &opt->mappings[i];
        int required;
        const char *type = mapped_type(host, m->reference, &required);
        if (strcmp(m->name, opt->unique_column) != 0)
            column(arg, m->name, type, required);
    }
}

void
ddl_columns(const struct options *opt, const struct il_host *host,
            ddl_column *column, void *arg)
{
    if (opt->mapping_count)
        mapped_columns(opt, host, column, arg);
    else
        default_columns(opt, host, column, arg);
    if (!is_mapped(opt, opt->payload_column))
        column(arg, opt->payload_column, "jsonb", 0);
}

/* Does the text that fills a column say what its type is? */
static int
says_type(const struct il_host *host, const char *reference)
{
    int required;
    if (strncmp(reference, "$event.", 7) != 0)
        return 0;
    return envelope_type(reference + 7)
           || declared_type(host, reference, &required);
}

void
ddl_declared(const struct options *opt, const struct il_host *host,
             ddl_column *column, void *arg)
{
    struct il_declared d;
    int required;
    for (size_t i = 0; i < opt->mapping_count; i++) {
        const struct mapping *m = &opt->mappings[i];
        if (strcmp(m->name, opt->unique_column) != 0)
            column(arg, m->name, mapped_type(host, m->reference, &required),
                   says_type(host, m->reference));
    }
    for (size_t i = 0; !opt->mapping_count && declared(host, i, &d); i++)
        if (!is_repeated(opt, host, i, d.name))
            column(arg, d.name, field_type(host, d.name, &required), 1);
    if (opt->payload_set && !is_mapped(opt, opt->payload_column))
        column(arg, opt->payload_column, "jsonb", 1);
}

/* Is the event's id what tells rows apart? */
static int
id_is_key(const struct options *opt)
{
    const struct conflict *c = &opt->conflict;
    return !c->on
           || (c->key_count == 1 && strcmp(c->key[0], opt->unique_column) == 0);
}

static void
ddl_key(const struct options *opt, struct sql *s)
{
    if (!id_is_key(opt)) {
        conflict_key_sql(opt, s);
        return;
    }
    sql_printf(s, "(");
    plan_unique_sql(opt, s);
    sql_printf(s, ")");
}

void
ddl_table(const struct options *opt, struct sql *s, int with_schema)
{
    if (opt->table.schema && with_schema) {
        sql_printf(s, "create schema if not exists ");
        sql_ident(s, opt->table.schema);
        sql_printf(s, ";\n");
    }
    struct print p = { s, opt->partition.by };
    sql_printf(s, "create table if not exists %s (\n    ", opt->table.quoted);
    sql_ident(s, opt->unique_column);
    sql_printf(s, !id_is_key(opt) ? " text not null,\n"
                  : p.by          ? " text,\n"
                                  : " text primary key,\n");
    ddl_columns(opt, s->host, print_column, &p);
    if (!id_is_key(opt) || p.by) {
        sql_printf(s, "    primary key ");
        ddl_key(opt, s);
    } else if (!s->err) {
        s->text->len -= 2; /* the comma after the last column */
    }
    if (p.by) {
        sql_printf(s, "\n) partition by range (");
        sql_ident(s, p.by);
        sql_printf(s, ");\n");
        partition_ddl(opt, s);
        return;
    }
    sql_printf(s, "\n);\n");
}

static int
schema_missing(struct link *l, const char *schema, int *missing)
{
    struct sql *s = &l->sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s, "select not exists (select from pg_catalog.pg_namespace"
                  " where nspname = ");
    sql_literal(s, schema);
    sql_printf(s, ")");
    if (link_exec(l, sql_str(s), &res))
        return -1;
    *missing = *PQgetvalue(res, 0, 0) == 't';
    PQclear(res);
    return 0;
}

/* Several lanes may start at once; `if not exists` alone would let them trip
 * over each other, so they take turns. */
int
ddl_run(struct link *l, const char *schema, ddl_statements *ddl)
{
    struct sql *s = &l->sql;
    int missing = 0, err;
    if (schema && schema_missing(l, schema, &missing))
        return -1;
    sql_clear(s);
    link_begin_sql(l, s, l->opt->lock_timeout_ms);
    sql_printf(s, "select pg_catalog.pg_advisory_xact_lock("
                  "pg_catalog.hashtext('ingestlayer.ddl')); ");
    ddl(l->opt, s, missing);
    sql_printf(s, "commit");
    err = link_exec(l, sql_str(s), NULL);
    if (err)
        link_rollback(l);
    return err;
}

int
ddl_print(void *self, struct il_text *out)
{
    const struct pg *pg = self;
    struct sql s = { .host = pg->host, .text = out };
    sql_printf(&s, "-- %s\n", il_instance(pg->host));
    ddl_table(&pg->opt, &s, 1);
    sql_printf(&s, "-- Where the lane keeps its position, in the transaction "
                   "of its rows.\n");
    ddl_lanes(&pg->opt, &s, 1);
    sql_printf(&s, "-- The role that writes needs no more than:\n");
    if (pg->opt.table.schema) {
        sql_printf(&s, "-- grant usage on schema ");
        sql_ident(&s, pg->opt.table.schema);
        sql_printf(&s, " to ROLE;\n");
    }
    sql_printf(&s,
               "-- grant insert, select%s on %s to ROLE;\n"
               "-- grant usage on schema ",
               pg->opt.conflict.on == CONFLICT_UPDATE ? ", update" : "",
               pg->opt.table.quoted);
    sql_ident(&s, pg->opt.lanes_schema);
    sql_printf(&s,
               " to ROLE;\n-- grant select, insert, update on %s to "
               "ROLE;\n",
               pg->opt.lanes);
    return s.err;
}
