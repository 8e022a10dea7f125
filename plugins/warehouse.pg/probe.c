/* SPDX-License-Identifier: MIT */
/* `ingestlayer check --online`: would deliveries work?  Reads, and changes
 * nothing. */
#include "probe.h"

#include "conflict.h"
#include "ddl.h"
#include "partition.h"
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
                   "the role can neither use nor make %s (`ingestlayer ddl` "
                   "prints the grants)\n",
                   l->opt->unique_column, l->opt->lanes);
    }
    return 0;
}

/* --- rights -------------------------------------------------------------- */

/* What is missing is printed as the statements that grant it, all of it. */
struct rights {
    struct link *l;
    struct sql *out;
    int missing;
    int bare; /* the statements alone */
};

/* Run a query whose rows are the ends of GRANT statements without the role. */
static int
grants(struct rights *r, const char *sql)
{
    PGresult *res;
    if (link_exec(r->l, sql, &res))
        return -1;
    for (int i = 0; res && i < PQntuples(res); i++) {
        if (!r->missing++ && !r->bare)
            sql_printf(r->out, "the role lacks rights; run as the owner:\n");
        sql_printf(r->out, "grant %s to ", PQgetvalue(res, i, 0));
        sql_ident(r->out, PQuser(r->l->db));
        sql_printf(r->out, ";\n");
    }
    PQclear(res);
    return 0;
}

/* Before anything else: without it not even the table is seen. */
static int
grant_schema(struct rights *r)
{
    const struct options *opt = r->l->opt;
    struct sql *s = &r->l->sql;
    if (!opt->table.schema)
        return 0;
    sql_clear(s);
    sql_printf(s, "select pg_catalog.format('usage on schema %%I', nspname)"
                  " from pg_catalog.pg_namespace where nspname = ");
    sql_literal(s, opt->table.schema);
    sql_printf(s, " and not pg_catalog.has_schema_privilege(oid, 'usage')");
    return grants(r, sql_str(s));
}

/* ` and c.relname = ... and n.nspname = ...`: by its name in the catalog, which
 * needs no right. */
static void
table_where(const struct options *opt, struct sql *s)
{
    sql_printf(s, " and c.relname = ");
    sql_literal(s, opt->table.table);
    if (opt->table.schema) {
        sql_printf(s, " and n.nspname = ");
        sql_literal(s, opt->table.schema);
    } else {
        sql_printf(s, " and c.oid = pg_catalog.to_regclass(");
        sql_literal(s, opt->table.quoted);
        sql_printf(s, ")");
    }
}

/* While the columns are not known yet. */
static int
grant_any_insert(struct rights *r)
{
    struct sql *s = &r->l->sql;
    sql_clear(s);
    sql_printf(s, "select pg_catalog.format('insert on %%I.%%I', n.nspname,"
                  " c.relname) from pg_catalog.pg_class c join"
                  " pg_catalog.pg_namespace n on n.oid = c.relnamespace where"
                  " not pg_catalog.has_any_column_privilege(c.oid,"
                  " 'insert')");
    table_where(r->l->opt, s);
    return grants(r, sql_str(s));
}

/* INSERT on all columns that are written; a right to columns will do. */
static int
grant_insert(struct rights *r, const struct plan *plan)
{
    struct sql *s = &r->l->sql;
    const char *comma = "";
    sql_clear(s);
    sql_printf(s, "select distinct pg_catalog.format('insert on %%I.%%I',"
                  " n.nspname, c.relname) from pg_catalog.pg_class c join"
                  " pg_catalog.pg_namespace n on n.oid = c.relnamespace join"
                  " pg_catalog.pg_attribute a on a.attrelid = c.oid and"
                  " a.attnum > 0 where not"
                  " pg_catalog.has_column_privilege(c.oid, a.attnum,"
                  " 'insert') and a.attname in (");
    for (uint32_t i = 0; i < plan->count; i++) {
        sql_printf(s, "%s", comma);
        sql_literal(s, plan->columns[i].name);
        comma = ", ";
    }
    sql_printf(s, ")");
    table_where(r->l->opt, s);
    return grants(r, sql_str(s));
}

/* The sequences that defaults draw from, of a view those of its tables; an
 * identity column asks for none. */
static int
grant_sequences(struct rights *r)
{
    struct sql *s = &r->l->sql;
    sql_clear(s);
    sql_printf(s, "select distinct pg_catalog.format('usage on sequence"
                  " %%I.%%I', m.nspname, q.relname) from pg_catalog.pg_class c"
                  " join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
                  " join pg_catalog.pg_attrdef d on d.adrelid = c.oid or"
                  " d.adrelid in (select v.refobjid from"
                  " pg_catalog.pg_rewrite w join pg_catalog.pg_depend v on"
                  " v.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass"
                  " and v.objid = w.oid and v.refclassid ="
                  " 'pg_catalog.pg_class'::pg_catalog.regclass"
                  " where w.ev_class = c.oid)"
                  " join pg_catalog.pg_depend p on p.classid ="
                  " 'pg_catalog.pg_attrdef'::pg_catalog.regclass and p.objid ="
                  " d.oid and p.refclassid ="
                  " 'pg_catalog.pg_class'::pg_catalog.regclass"
                  " join pg_catalog.pg_class q on q.oid = p.refobjid"
                  " join pg_catalog.pg_namespace m on m.oid = q.relnamespace"
                  " where case when q.relkind = 'S' then not"
                  " pg_catalog.has_sequence_privilege(q.oid, 'usage') and not"
                  " pg_catalog.has_sequence_privilege(q.oid, 'update') end");
    table_where(r->l->opt, s);
    return grants(r, sql_str(s));
}

/* `on conflict (column)` reads it. */
static int
grant_select(struct rights *r)
{
    struct sql *s = &r->l->sql;
    sql_clear(s);
    sql_printf(s, "select pg_catalog.format('select on %%I.%%I', n.nspname,"
                  " c.relname) from pg_catalog.pg_class c join"
                  " pg_catalog.pg_namespace n on n.oid = c.relnamespace where"
                  " not pg_catalog.has_any_column_privilege(c.oid,"
                  " 'select')");
    table_where(r->l->opt, s);
    return grants(r, sql_str(s));
}

/* The staging table. */
static int
grant_temporary(struct rights *r)
{
    return grants(r, "select pg_catalog.format('temporary on database %I',"
                     " pg_catalog.current_database()) where not"
                     " pg_catalog.has_database_privilege("
                     "pg_catalog.current_database(), 'temporary')");
}

/* `on conflict (key)` reads what it compares, and writes what it updates. */
static int
grant_conflict(struct rights *r, const struct plan *plan)
{
    struct sql *s = &r->l->sql;
    if (!plan->conflict)
        return 0;
    sql_clear(s);
    conflict_rights_sql(s, plan);
    table_where(r->l->opt, s);
    sql_printf(s, " group by n.nspname, c.relname, x.what");
    return grants(r, sql_str(s));
}

static int
probe_rights(struct rights *r, const struct plan *plan, enum pg_mode mode)
{
    int unique = mode == PG_MODE_UNIQUE;
    if (grant_conflict(r, plan))
        return -1;
    if (grant_insert(r, plan) || grant_sequences(r)
        || (unique && !plan->conflict && grant_select(r))
        || ((unique || plan->insert_only || plan->conflict)
            && grant_temporary(r)))
        return -1;
    return 0;
}

/* What an owner makes in the place of the role is for the role to use. */
static int
grant_made(struct rights *r, const char *schema, const char *quoted,
           const char *what)
{
    const char *role = PQuser(r->l->db);
    int yes = 0;
    if (may_create(r->l, schema, &yes))
        return -1;
    if (yes)
        return 0;
    sql_printf(r->out, "grant usage on schema ");
    sql_ident(r->out, schema);
    sql_printf(r->out, " to ");
    sql_ident(r->out, role);
    sql_printf(r->out, ";\ngrant %s on %s to ", what, quoted);
    sql_ident(r->out, role);
    sql_printf(r->out, ";\n");
    r->missing++;
    return 0;
}

int
probe_hidden(struct link *l, int *hidden)
{
    struct sql none;
    if (sql_open(&none, l->host))
        return link_no_memory(l);
    struct rights r = { .l = l, .out = &none, .bare = 1 };
    int err = grant_schema(&r);
    *hidden = r.missing != 0;
    sql_close(&none);
    return err;
}

int
probe_grants(struct link *l, struct sql *out)
{
    const struct options *opt = l->opt;
    struct rights r = { .l = l, .out = out, .bare = 1 };
    enum pg_mode mode = PG_MODE_UNKNOWN;
    struct plan *plan;
    if (grant_schema(&r))
        return -1;
    if (r.missing)
        return grant_any_insert(&r);
    if (lanes_prepare(l, 0, &mode))
        return -1;
    if (mode == PG_MODE_UNIQUE
        && grant_made(&r, opt->lanes_schema, opt->lanes,
                      "select, insert, update"))
        return -1;
    if (!plan_read(l, &plan)) {
        int err = probe_rights(&r, plan, PG_MODE_LANES);
        plan_unref(plan);
        return err;
    }
    if (strcmp(l->fault.code, "42P01") == 0)
        return grant_made(&r, opt->table.schema ? opt->table.schema : "public",
                          opt->table.quoted, "insert, select");
    /* A column that comes first; an error of the server ends it all. */
    return PQtransactionStatus(l->db) == PQTRANS_INTRANS ? grant_any_insert(&r)
                                                         : -1;
}

/* The fault of a table, or of what it needs, that this role may not make. */
static int
probe_create(struct link *l, struct sql *out)
{
    struct sql *s = &l->sql;
    struct rights r = { .l = l, .out = out };
    const char *schema = l->opt->table.schema ? l->opt->table.schema : "public";
    int yes = 0;
    if (may_create(l, schema, &yes))
        return -1;
    if (yes) {
        sql_printf(out, "table %s will be made at start\n",
                   l->opt->table.quoted);
        return 0;
    }
    sql_clear(s);
    sql_printf(s, "select coalesce((select pg_catalog.format('create, usage on"
                  " schema %%I', nspname) from pg_catalog.pg_namespace where"
                  " nspname = ");
    sql_literal(s, schema);
    sql_printf(s, "), pg_catalog.format('create on database %%I',"
                  " pg_catalog.current_database()))");
    if (grants(&r, sql_str(s)))
        return -1;
    fault_set(&l->fault, PG_ACT_PAUSE,
              "table %s does not exist, and role \"%s\" may not make it",
              l->opt->table.quoted, PQuser(l->db));
    return -1;
}

/* --- the table ----------------------------------------------------------- */

static int
probe_standby(struct link *l)
{
    char standby[2];
    if (link_text(l,
                  "select pg_catalog.current_setting("
                  "'transaction_read_only') = 'on' and"
                  " pg_catalog.pg_is_in_recovery()",
                  standby, sizeof standby))
        return -1;
    if (*standby != 't')
        return 0;
    fault_set(&l->fault, PG_ACT_RETRY,
              "the server is a standby; deliveries wait until it is "
              "promoted, or use target_session_attrs=read-write");
    return -1;
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
    if (plan->row_security)
        sql_printf(out, "row level security is on: rows go in by INSERT from a "
                        "temporary table; those that no policy allows become "
                        "dead letters\n");
    else if (plan->insert_only)
        sql_printf(out, "it is a view: rows go in by INSERT from a temporary "
                        "table\n");
}

/* Can rows be inserted at all? */
static int
probe_kind(struct link *l, const struct plan *plan, struct sql *out)
{
    struct sql *s = &l->sql;
    char yes[2];
    if (plan->kind == 'm') {
        fault_set(&l->fault, PG_ACT_PAUSE,
                  "%s is a materialized view, which takes no rows",
                  l->opt->table.quoted);
        return -1;
    }
    sql_clear(s);
    if (plan->kind == 'v')
        sql_printf(s, "select pg_catalog.pg_relation_is_updatable(c.oid, true)"
                      " & 8 = 8");
    else
        sql_printf(s, "select c.relkind <> 'p' or exists (select from"
                      " pg_catalog.pg_inherits where inhparent = c.oid)");
    sql_printf(s, " from pg_catalog.pg_class c join pg_catalog.pg_namespace n"
                  " on n.oid = c.relnamespace where true");
    table_where(l->opt, s);
    if (link_text(l, sql_str(s), yes, sizeof yes))
        return -1;
    if (*yes == 't')
        return 0;
    if (plan->kind != 'v') {
        if (!l->opt->partition.by)
            sql_printf(out, "warning: the table has no partition yet\n");
        return 0;
    }
    fault_set(&l->fault, PG_ACT_PAUSE,
              "view %s takes no rows: it is not updatable, and has no INSTEAD "
              "OF INSERT trigger for each row",
              l->opt->table.quoted);
    return -1;
}

static int
is_written(const struct plan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->count; i++)
        if (strcmp(plan->columns[i].name, name) == 0)
            return 1;
    return 0;
}

/* Columns that have to have a value, and to which nothing is written. */
static int
probe_unfilled(struct link *l, const struct plan *plan, struct sql *out)
{
    struct sql *s = &l->sql;
    const char *first = NULL;
    PGresult *res;
    sql_clear(s);
    sql_printf(s, "select a.attname from pg_catalog.pg_class c join"
                  " pg_catalog.pg_namespace n on n.oid = c.relnamespace join"
                  " pg_catalog.pg_attribute a on a.attrelid = c.oid join"
                  " pg_catalog.pg_type t on t.oid = a.atttypid where"
                  " a.attnum > 0 and not a.attisdropped and (a.attnotnull or"
                  " t.typnotnull) and not a.atthasdef and t.typdefault is null"
                  " and a.attidentity = ''");
    table_where(l->opt, s);
    sql_printf(s, " order by a.attnum");
    if (link_exec(l, sql_str(s), &res))
        return -1;
    for (int i = 0; i < PQntuples(res); i++) {
        const char *name = PQgetvalue(res, i, 0);
        if (is_written(plan, name))
            continue;
        sql_printf(out,
                   "%scolumn \"%s\" is not null, has no default, and nothing "
                   "is written to it%s\n",
                   plan->fills ? "warning: " : "", name,
                   plan->fills ? "; a trigger may fill it" : "");
        first = first ? first : name;
    }
    int err = first && !plan->fills ? -1 : 0;
    if (err)
        fault_set(&l->fault, PG_ACT_PAUSE,
                  "no row can go in without a value for column \"%s\": add it "
                  "to `columns`, or give it a default",
                  first);
    PQclear(res);
    return err;
}

/* An id of the gate's making is no UUID and no number. */
static void
probe_ids(const struct plan *plan, struct sql *out)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct column *c = &plan->columns[i];
        int text = strcmp(c->type_name, "text") == 0
                   || strncmp(c->type_name, "character", 9) == 0
                   || strcmp(c->type_name, "citext") == 0;
        if (!c->is_id || text)
            continue;
        sql_printf(out,
                   "warning: column \"%s\" is of type %s and gets the event's "
                   "id: only events fit whose sender gave such an id%s\n",
                   c->name, c->type_name,
                   strcmp(c->name, "id") == 0
                       ? "; with a default it is left to the table"
                       : "");
    }
}

static int
need_unique(struct link *l, const struct plan *plan, enum pg_mode mode)
{
    const struct options *opt = l->opt;
    if (mode != PG_MODE_UNIQUE || plan->has_unique)
        return 0;
    if (opt->partition.by)
        fault_set(
            &l->fault, PG_ACT_PAUSE,
            "table %s has no unique index on (\"%s\", \"%s\"), which this "
            "mode needs: grant the use of %s (`ingestlayer ddl` prints "
            "how), or make that index",
            opt->table.quoted, opt->unique_column, opt->partition.by,
            opt->lanes);
    else
        fault_set(&l->fault, PG_ACT_PAUSE,
                  "table %s has no unique index on \"%s\" alone, which this "
                  "mode needs: grant the use of %s (`ingestlayer ddl` prints "
                  "how), or create unique index on %s (\"%s\")",
                  opt->table.quoted, opt->unique_column, opt->lanes,
                  opt->table.quoted, opt->unique_column);
    return -1;
}

static int
lacks(struct link *l, const struct rights *r)
{
    if (!r->missing)
        return 0;
    fault_set(&l->fault, PG_ACT_PAUSE, "role \"%s\" lacks %s", PQuser(l->db),
              r->missing > 1 ? "rights: grant what is listed above"
                             : "a right: grant what is said above");
    return -1;
}

static int
probe_plan(struct link *l, const struct plan *plan, struct sql *out,
           enum pg_mode mode)
{
    struct rights r = { .l = l, .out = out };
    probe_columns(l, plan, out);
    probe_ids(plan, out);
    if (partition_probe(l, out) || probe_kind(l, plan, out)
        || probe_rights(&r, plan, mode) || lacks(l, &r) || probe_standby(l)
        || conflict_probe(l, plan, out, mode)
        || (!plan->conflict && need_unique(l, plan, mode)))
        return -1;
    return probe_unfilled(l, plan, out);
}

static int
probe_table(struct link *l, struct sql *out, enum pg_mode mode)
{
    struct rights r = { .l = l, .out = out };
    struct plan *plan;
    if (grant_schema(&r) || (r.missing && grant_any_insert(&r)) || lacks(l, &r))
        return -1;
    if (plan_read(l, &plan))
        return strcmp(l->fault.code, "42P01") == 0 && l->opt->create
                   ? probe_create(l, out)
                   : -1;
    int err = probe_plan(l, plan, out, mode);
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
    if (link_init(&l, pg->host, &pg->opt.connect, &pg->opt, &pg->stop)) {
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
