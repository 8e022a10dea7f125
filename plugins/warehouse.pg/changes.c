/* SPDX-License-Identifier: MIT */
/* What the database lacks of what the config asks for.
 *
 * Two runs over the same catalog give the same plan.  It is made for a table as
 * it is: its signature goes with it, and apply() refuses another one. */
#include "changes.h"

#include "ddl.h"
#include "partition.h"
#include "pg.h"
#include "probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct changes {
    struct pg *pg;
    struct link *l;
    struct sql *json, *text;
    struct sql one;    /* the statement under construction */
    PGresult *columns; /* of the table: name, type, and whether it is text */
    char rows[32];     /* about so many are there */
    int there;         /* the table is */
    int count, failed;
};

/* --- written --------------------------------------------------------------- */

static void
write_json_text(struct sql *s, const char *text)
{
    const struct il_value v = { .type = IL_STRING,
                                .str = text,
                                .len = strlen(text) };
    if (!s->err && il_write_json(s->host, s->text, &v, 0) < 0)
        s->err = -ENOMEM;
}

/* The statement in c->one is to be run. */
static void
add(struct changes *c, const char *cost)
{
    const char *sql = sql_str(&c->one);
    if (!sql) {
        c->failed = 1;
        return;
    }
    sql_printf(c->json, "%s\n    {\"sql\": ", c->count++ ? "," : "");
    write_json_text(c->json, sql);
    sql_printf(c->json, "}");
    sql_printf(c->text, "%s-- %s\n", sql, cost);
    sql_clear(&c->one);
}

/* --- what is there ------------------------------------------------------------ */

static int
ask_table(struct changes *c)
{
    struct link *l = c->l;
    struct sql *s = &l->sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s,
               "select case when c.reltuples < 0 then 'an unknown number of'"
               " else 'about ' || c.reltuples::bigint end from"
               " pg_catalog.pg_class c where c.oid = pg_catalog.to_regclass(");
    sql_literal(s, l->opt->table.quoted);
    sql_printf(s, ")");
    if (link_exec(l, sql_str(s), &res))
        return -1;
    c->there = PQntuples(res) == 1;
    snprintf(c->rows, sizeof c->rows, "%s",
             c->there ? PQgetvalue(res, 0, 0) : "no");
    PQclear(res);
    sql_clear(s);
    sql_printf(s, "select a.attname, pg_catalog.format_type(a.atttypid, null),"
                  " t.typcategory = 'S' from pg_catalog.pg_attribute a join"
                  " pg_catalog.pg_type t on t.oid = a.atttypid where a.attrelid"
                  " = pg_catalog.to_regclass(");
    sql_literal(s, l->opt->table.quoted);
    sql_printf(s, ") and a.attnum > 0 and not a.attisdropped");
    return link_exec(l, sql_str(s), &c->columns);
}

static int
ask_missing(struct link *l, const char *schema, const char *table, int *missing)
{
    struct sql *s = &l->sql;
    char yes[2];
    sql_clear(s);
    sql_printf(s,
               "select not exists (select from pg_catalog.pg_namespace n%s"
               " where n.nspname = ",
               table ? " join pg_catalog.pg_class c on"
                       " c.relnamespace = n.oid"
                     : "");
    sql_literal(s, schema);
    if (table) {
        sql_printf(s, " and c.relname = ");
        sql_literal(s, table);
    }
    sql_printf(s, ")");
    if (link_text(l, sql_str(s), yes, sizeof yes))
        return -1;
    *missing = *yes == 't';
    return 0;
}

/* --- what is not --------------------------------------------------------------- */

static int
plan_tables(struct changes *c)
{
    const struct options *opt = c->l->opt;
    int schema = 0, lanes = 0;
    if (!c->there) {
        if (opt->table.schema
            && ask_missing(c->l, opt->table.schema, NULL, &schema))
            return -1;
        ddl_table(opt, &c->one, schema);
        add(c, "makes what is not there; waits for nobody");
    }
    if (ask_missing(c->l, opt->lanes_schema, "lanes", &lanes)
        || ask_missing(c->l, opt->lanes_schema, NULL, &schema))
        return -1;
    if (lanes) {
        ddl_lanes(opt, &c->one, schema);
        add(c, "where the lane keeps its position; waits for nobody");
    }
    return 0;
}

/* What one name says to Postgres twice is the check's to find. */
static void
alter_type(struct changes *c, const char *name, const char *now,
           const char *declared)
{
    struct sql *t = c->text;
    sql_printf(t, "-- not run: column \"%s\" is %s, and declared as %s:\n-- ",
               name, now, declared);
    sql_printf(t, "alter table %s alter column ", c->l->opt->table.quoted);
    sql_ident(t, name);
    sql_printf(t, " type %s using ", declared);
    sql_ident(t, name);
    sql_printf(t,
               "::%s;\n-- ACCESS EXCLUSIVE: readers and writers wait while %s "
               "rows are written anew\n",
               declared, c->rows);
}

static void
column(void *arg, const char *name, const char *type, int is_declared)
{
    struct changes *c = arg;
    const char *full =
        strcmp(type, "timestamptz") == 0 ? "timestamp with time zone" : type;
    if (strlen(name) > PG_NAME_MAX)
        return;
    for (int i = 0; i < PQntuples(c->columns); i++) {
        const char *now = PQgetvalue(c->columns, i, 1);
        if (strcmp(PQgetvalue(c->columns, i, 0), name) != 0)
            continue;
        int text = *PQgetvalue(c->columns, i, 2) == 't';
        if (is_declared && strcmp(now, full) != 0
            && !(text && strcmp(type, "text") == 0))
            alter_type(c, name, now, type);
        return;
    }
    sql_printf(&c->one, "alter table %s add column if not exists ",
               c->l->opt->table.quoted);
    sql_ident(&c->one, name);
    sql_printf(&c->one, " %s;\n", type);
    add(c, "ACCESS EXCLUSIVE for a moment: no row is written anew, none is "
           "looked at");
}

static int
plan_partitions(struct changes *c)
{
    const struct options *opt = c->l->opt;
    struct period *list;
    size_t count;
    if (!c->there || !opt->partition.by)
        return 0;
    if (partition_missing(c->l, &list, &count))
        return -1;
    for (size_t i = 0; i < count; i++) {
        partition_make_sql(opt, &c->one, &list[i]);
        add(c, "SHARE UPDATE EXCLUSIVE on the table: readers and writers go "
               "on; it is empty");
    }
    free(list);
    return 0;
}

/* Names of columns are for check to judge; a view's are its own. */
static int
plan_columns(struct changes *c)
{
    const struct options *opt = c->l->opt;
    if (!c->there)
        return 0;
    ddl_declared(opt, c->l->host, column, c);
    return c->failed ? link_no_memory(c->l) : 0;
}

/* A line each. */
static int
plan_grants(struct changes *c)
{
    struct sql all;
    int err = sql_open(&all, c->l->host) ? link_no_memory(c->l)
                                         : probe_grants(c->l, &all);
    const char *at = err ? "" : sql_str(&all);
    if (!at)
        err = link_no_memory(c->l);
    while (!err && *at) {
        size_t len = strcspn(at, "\n") + 1;
        sql_put(&c->one, at, len);
        add(c, "a right that the role of the lane lacks");
        at += len;
    }
    sql_close(&all);
    return err;
}

static int
signature(struct link *l, char *out, size_t size)
{
    sql_clear(&l->sql);
    plan_signature_sql(l->opt, &l->sql);
    return link_text(l, sql_str(&l->sql), out, size);
}

static int
compare(struct changes *c)
{
    char now[64] = "";
    int hidden = 0;
    if (probe_hidden(c->l, &hidden)
        || (!hidden && (signature(c->l, now, sizeof now) || ask_table(c))))
        return -1;
    sql_printf(c->json, "{\"table\": ");
    write_json_text(c->json, c->l->opt->table.quoted);
    sql_printf(c->json, ", \"signature\": ");
    write_json_text(c->json, now);
    sql_printf(c->json, ", \"changes\": [");
    int err =
        hidden ? 0 : plan_tables(c) || plan_columns(c) || plan_partitions(c);
    if (!err)
        err = plan_grants(c);
    if (hidden)
        sql_printf(c->text, "-- what else there is to do shows once the role "
                            "may use the schema\n");
    sql_printf(c->json, "\n  ]}");
    return err ? -1 : 0;
}

int
changes_plan(void *self, struct il_text *json, struct il_text *text)
{
    struct pg *pg = self;
    struct link l;
    struct sql j = { .host = pg->host, .text = json },
               t = { .host = pg->host, .text = text };
    struct changes c = { .pg = pg, .l = &l, .json = &j, .text = &t };
    int err = link_init(&l, pg->host, &pg->opt.connect, &pg->opt, &pg->stop)
                      || sql_open(&c.one, pg->host)
                  ? -ENOMEM
                  : 0;
    if (!err
        && (link_open(&l) || link_exec(&l, "begin read only", NULL)
            || compare(&c))) {
        text->len = 0;
        sql_printf(&t, "%s", l.fault.why);
        err = l.fault.action == PG_ACT_RETRY ? -EAGAIN : -EACCES;
    }
    PQclear(c.columns);
    sql_close(&c.one);
    link_rollback(&l);
    link_free(&l);
    if (!err)
        err = j.err ? j.err : t.err;
    if (err || !c.count)
        json->len = 0;
    return err ? err : c.count > 0;
}
