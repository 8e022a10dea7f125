/* SPDX-License-Identifier: MIT */
/* `ingestlayer check --online`: would deliveries work?  Reads, and changes
 * nothing. */
#include "probe.h"

#include "ddl.h"
#include "pg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void
probe_server(struct link *l, struct sql *out)
{
    /* Asked of libpq: what the connection string says is a secret. */
    sql_printf(out, "connected to %s as %s, PostgreSQL %d.%d%s\n", PQdb(l->db),
               PQuser(l->db), PQserverVersion(l->db) / 10000,
               PQserverVersion(l->db) % 10000,
               PQsslInUse(l->db) ? ", TLS" : "");
}

/* May this role make what is missing? */
static int
may_create(struct link *l, const char *schema, int *yes)
{
    struct sql *s = &l->sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s, "select coalesce((select pg_catalog.has_schema_privilege("
                  "oid, 'create') from pg_catalog.pg_namespace"
                  " where nspname = ");
    sql_literal(s, schema);
    sql_printf(s, "), pg_catalog.has_database_privilege("
                  "pg_catalog.current_database(), 'create'))");
    if (link_exec(l, sql_str(s), &res))
        return -1;
    *yes = *PQgetvalue(res, 0, 0) == 't';
    PQclear(res);
    return 0;
}

/* May the role have as many connections?  Those of others count, too, but they
 * come and go. */
static int
probe_connections(struct link *l, struct sql *out)
{
    char limit[32];
    if (l->opt->connections == 1)
        return 0;
    if (link_text(l,
                  "select least(case when rolsuper or rolconnlimit < 0 then"
                  " 100000 else rolconnlimit end, case when rolsuper or"
                  " datconnlimit < 0 then 100000 else datconnlimit end,"
                  " pg_catalog.current_setting('max_connections')::int)"
                  " from pg_catalog.pg_roles, pg_catalog.pg_database"
                  " where rolname = current_user"
                  " and datname = pg_catalog.current_database()",
                  limit, sizeof limit))
        return -1;
    if (strtoul(limit, NULL, 10) < l->opt->connections) {
        fault_set(&l->fault, PG_ACT_PAUSE,
                  "connections = %u, but no more than %s are allowed: see "
                  "max_connections, and the connection limit of role \"%s\" "
                  "and of the database",
                  l->opt->connections, limit, PQuser(l->db));
        return -1;
    }
    sql_printf(out, "up to %u connections\n", l->opt->connections);
    return 0;
}

static int
probe_mode(struct link *l, struct sql *out, enum pg_mode *mode)
{
    int yes = 0;
    if (lanes_prepare(l, 0, mode))
        return -1;
    if (*mode == PG_MODE_UNIQUE && may_create(l, l->opt->lanes_schema, &yes))
        return -1;
    if (*mode == PG_MODE_LANES) {
        sql_printf(out, "exactly once: the position is kept in %s\n",
                   l->opt->lanes);
    } else if (yes) {
        sql_printf(out, "exactly once: %s will be made at start\n",
                   l->opt->lanes);
        *mode = PG_MODE_LANES;
    } else {
        sql_printf(out,
                   "exactly once: on conflict (%s) do nothing, because "
                   "the role can neither use nor make %s\n",
                   l->opt->unique_column, l->opt->lanes);
    }
    return 0;
}

/* INSERT on the table itself. */
static int
probe_rights(struct link *l)
{
    struct sql *s = &l->sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s, "select pg_catalog.has_any_column_privilege(");
    sql_literal(s, l->opt->table.quoted);
    sql_printf(s, "::regclass, 'insert'), current_setting("
                  "'transaction_read_only') = 'on'"
                  " and pg_catalog.pg_is_in_recovery()");
    if (link_exec(l, sql_str(s), &res))
        return -1;
    int may = *PQgetvalue(res, 0, 0) == 't';
    int standby = *PQgetvalue(res, 0, 1) == 't';
    PQclear(res);
    if (!may)
        fault_set(&l->fault, PG_ACT_PAUSE,
                  "the role may not insert into %s: grant insert on %s to %s",
                  l->opt->table.quoted, l->opt->table.quoted, PQuser(l->db));
    else if (standby)
        fault_set(&l->fault, PG_ACT_RETRY,
                  "the server is a standby; deliveries wait until it is "
                  "promoted, or use target_session_attrs=read-write");
    return may && !standby ? 0 : -1;
}

static void
probe_columns(const struct link *l, const struct plan *plan, struct sql *out)
{
    sql_printf(out, "table %s: %u columns are written (%s COPY):",
               l->opt->table.quoted, plan->count,
               plan->text_only ? "text" : "binary");
    for (uint32_t i = 0; i < plan->count; i++)
        sql_printf(out, "%s %s", i ? "," : "", plan->columns[i].name);
    sql_printf(out, "\n");
}

static int
probe_table(struct link *l, struct sql *out, enum pg_mode mode)
{
    struct plan *plan;
    if (plan_read(l, &plan)) {
        int yes = 0;
        if (strcmp(l->fault.code, "42P01") != 0 || !l->opt->create
            || may_create(
                l, l->opt->table.schema ? l->opt->table.schema : "public", &yes)
            || !yes)
            return -1;
        sql_printf(out, "table %s will be made at start\n",
                   l->opt->table.quoted);
        return 0;
    }
    probe_columns(l, plan, out);
    int err = probe_rights(l);
    if (!err && mode == PG_MODE_UNIQUE && !plan->has_unique) {
        fault_set(&l->fault, PG_ACT_PAUSE,
                  "table %s has no unique index on \"%s\" alone, which this "
                  "mode needs: grant the use of %s (`ingestlayer ddl` prints "
                  "how), or create unique index on %s (\"%s\")",
                  l->opt->table.quoted, l->opt->unique_column, l->opt->lanes,
                  l->opt->table.quoted, l->opt->unique_column);
        err = -1;
    }
    plan_unref(plan);
    return err;
}

int
probe_run(void *self, struct il_text *text)
{
    struct pg *pg = self;
    struct link l;
    enum pg_mode mode = PG_MODE_UNKNOWN;
    struct sql out = { .host = pg->host, .text = text };
    if (link_init(&l, pg->host, &pg->opt, &pg->stop)) {
        link_free(&l);
        return -ENOMEM;
    }
    int err = link_open(&l);
    if (!err) {
        probe_server(&l, &out);
        err = link_exec(&l, "begin read only", NULL)
              || probe_connections(&l, &out) || probe_mode(&l, &out, &mode)
              || probe_table(&l, &out, mode);
    }
    if (err)
        sql_printf(&out, "%s\n", l.fault.why);
    link_rollback(&l);
    link_free(&l);
    return err ? l.fault.action == PG_ACT_RETRY ? -EAGAIN : -EACCES : out.err;
}
