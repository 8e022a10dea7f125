/* SPDX-License-Identifier: MIT */
/* on_conflict: its options, what the table says to it, and its SQL. */
#include "conflict.h"

#include "catalog.h"
#include "ddl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- options -------------------------------------------------------------- */

static int
in_list(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], name) == 0)
            return 1;
    return 0;
}

static int
is_key(const struct conflict *c, const char *name)
{
    return in_list(name, c->key, c->key_count);
}

/* Is anything written to it, as far as the config tells? */
static int
may_be_filled(const struct options *opt, const char *name)
{
    for (size_t i = 0; i < opt->mapping_count; i++)
        if (strcmp(opt->mappings[i].name, name) == 0)
            return 1;
    return !opt->mapping_count || strcmp(name, opt->unique_column) == 0
           || strcmp(name, opt->payload_column) == 0
           || strcmp(name, "event_id") == 0;
}

static int
check_column(const struct options *opt, const struct il_conf *conf,
             const char *key, size_t i, const char *name)
{
    if (may_be_filled(opt, name))
        return 0;
    return il_conf_error_at(conf, key, i, -1,
                            "nothing fills column \"%s\": add it to `columns`",
                            name);
}

/* A list of columns.  The texts are the config's. */
static int
read_list(const struct options *opt, const struct il_conf *conf,
          const char *key, const char ***out, size_t *count)
{
    size_t n = il_conf_count(conf, key);
    int err = 0, e;
    if (!n)
        return 0;
    const char **list = calloc(n, sizeof *list);
    if (!list)
        return -ENOMEM;
    *out = list;
    for (size_t i = 0; i < n; i++) {
        const char *name = il_conf_str_at(conf, key, i);
        if (in_list(name, list, *count))
            err = il_conf_error_at(conf, key, i, -1,
                                   "column \"%s\" is listed twice", name);
        else if ((e = check_column(opt, conf, key, i, name)) != 0)
            err = e;
        list[(*count)++] = name;
    }
    return err;
}

static enum conflict_on
read_on(const struct il_conf *conf)
{
    const char *on = il_conf_str(conf, "on_conflict");
    return strcmp(on, "update") == 0   ? CONFLICT_UPDATE
           : strcmp(on, "ignore") == 0 ? CONFLICT_IGNORE
                                       : CONFLICT_ERROR;
}

/* What has no effect is a mistake of whoever wrote it. */
static int
check_unused(const struct conflict *c, const struct il_conf *conf)
{
    static const char *const keys[] = { "conflict", "update", "newer",
                                        "missing" };
    int err = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (il_conf_has(conf, keys[i])
            && (c->on == CONFLICT_ERROR || (i && c->on == CONFLICT_IGNORE)))
            err = il_conf_error(conf, keys[i], -1,
                                i ? "means something with on_conflict = "
                                    "\"update\" only"
                                  : "means something with on_conflict = "
                                    "\"ignore\" or \"update\" only");
    return err;
}

static int
check_lists(const struct options *opt, const struct il_conf *conf)
{
    const struct conflict *c = &opt->conflict;
    int err = 0, e;
    for (size_t i = 0; i < c->update_count; i++)
        if (is_key(c, c->update[i]))
            err = il_conf_error_at(conf, "update", i, -1,
                                   "column \"%s\" is of the key, which does "
                                   "not change",
                                   c->update[i]);
    if (c->newer && is_key(c, c->newer))
        err = il_conf_error(conf, "newer", -1,
                            "column \"%s\" is of the key, which is the same "
                            "in both rows",
                            c->newer);
    if (c->newer && (e = check_column(opt, conf, "newer", 0, c->newer)) != 0)
        err = e;
    return err;
}

int
conflict_open(struct options *opt, const struct il_conf *conf)
{
    struct conflict *c = &opt->conflict;
    const char *missing = il_conf_str(conf, "missing");
    c->on = read_on(conf);
    c->newer = il_conf_str(conf, "newer");
    c->missing_null = missing && strcmp(missing, "null") == 0;
    int err = check_unused(c, conf), e;
    if (err || c->on == CONFLICT_ERROR)
        return err;
    if ((e = read_list(opt, conf, "conflict", &c->key, &c->key_count)) != 0
        || (e = read_list(opt, conf, "update", &c->update, &c->update_count))
               != 0)
        err = e;
    if (err == -ENOMEM)
        return err;
    if (!c->key_count)
        err = il_conf_error(conf, "on_conflict", -1,
                            "needs `conflict`, the columns by which a row is "
                            "known for the same: conflict = (\"user_id\")");
    if ((e = check_lists(opt, conf)) != 0)
        err = e;
    if (opt->connections > 1)
        err = il_conf_error(conf, "connections", -1,
                            "is 1 with on_conflict: the events of a key go in "
                            "in their order");
    return err;
}

void
conflict_close(struct options *opt)
{
    free(opt->conflict.key);
    free(opt->conflict.update);
}

/* --- what the table says -------------------------------------------------- */

static void
regclass(const struct options *opt, struct sql *s)
{
    sql_printf(s, "pg_catalog.to_regclass(");
    sql_literal(s, opt->table.quoted);
    sql_printf(s, ")");
}

/* `array['a', 'b']::name[]` */
static void
key_array(const struct options *opt, struct sql *s)
{
    const struct conflict *c = &opt->conflict;
    sql_printf(s, "array[");
    for (size_t i = 0; i < c->key_count; i++) {
        sql_printf(s, "%s", i ? ", " : "");
        sql_literal(s, c->key[i]);
    }
    sql_printf(s, "]::name[]");
}

/* A condition: index i is on the columns of the key, in any order. */
static void
is_on_key(const struct options *opt, struct sql *s)
{
    sql_printf(s,
               "(i.indnkeyatts = %zu and i.indpred is null and i.indexprs is"
               " null and i.indimmediate and not exists (select from"
               " pg_catalog.pg_attribute k where k.attrelid = i.indrelid and"
               " k.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1]) and"
               " k.attname <> all (",
               opt->conflict.key_count);
    key_array(opt, s);
    sql_printf(s, ")))");
}

static struct column *
column_of(struct plan *p, const char *name)
{
    for (uint32_t k = 0; k < p->count; k++)
        if (strcmp(p->columns[k].name, name) == 0)
            return &p->columns[k];
    return NULL;
}

static int
no_column(struct link *l, const char *name, const char *option)
{
    fault_set(&l->fault, PG_ACT_PAUSE,
              "table %s has no column \"%s\" that is written: see `%s`",
              l->opt->table.quoted, name, option);
    memcpy(l->fault.code, "42703", 6);
    return -1;
}

static int
mark_columns(struct link *l, struct plan *p)
{
    const struct conflict *o = &l->opt->conflict;
    struct column *c;
    for (size_t i = 0; i < o->key_count; i++) {
        if (!(c = column_of(p, o->key[i])))
            return no_column(l, o->key[i], "conflict");
        c->is_key = 1;
    }
    for (size_t i = 0; i < o->update_count; i++) {
        if (!(c = column_of(p, o->update[i])))
            return no_column(l, o->update[i], "update");
        c->updated = 1;
    }
    for (uint32_t k = 0; k < p->count && !o->update_count; k++)
        p->columns[k].updated =
            o->on == CONFLICT_UPDATE && !p->columns[k].is_key;
    if (o->newer) {
        if (!(c = column_of(p, o->newer)))
            return no_column(l, o->newer, "newer");
        c->updated = 1;
        p->newer = (uint32_t) (c - p->columns);
    }
    return 0;
}

/* The key is there in each row, and so is what tells how old it is; a column
 * that keeps its value may be left out, as long as a new row can do without
 * it. */
static void
mark_optional(struct plan *p)
{
    for (uint32_t k = 0; k < p->count; k++) {
        struct column *c = &p->columns[k];
        if (c->is_key || k == p->newer)
            c->optional = -1;
        else if (c->updated && !p->missing_null && c->optional < 0
                 && (!c->not_null || p->fills))
            c->optional = (int) p->optional_count++;
    }
}

/* Are two values of the type the same where their bytes in binary are, and only
 * there?  The collation of texts is asked for. */
static int
has_exact_bytes(const struct column *c)
{
    static const uint32_t types[] = { 16, 17,   19,   20,   21,   23,
                                      25, 1043, 1082, 1114, 1184, 2950 };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i] == c->type)
            return !c->is_array;
    return 0;
}

/* Are values of it whole numbers in binary? */
static int
is_comparable(const struct column *c)
{
    static const uint32_t types[] = { 20, 21, 23, 1082, 1114, 1184 };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i] == c->type)
            return !c->is_array;
    return 0;
}

static void
keep_apart(struct plan *p, enum plan_fold how, const char *why,
           const char *name)
{
    char text[200];
    if (how <= p->fold)
        return;
    snprintf(text, sizeof text, "%s \"%s\"", why, name);
    p->fold = how;
    free(p->fold_why);
    p->fold_why = strdup(text);
}

/* Besides the key's own index: what may refuse a row for the values that events
 * of one key differ in.  What looks at other rows, too, wants the events of all
 * keys in order. */
static void
judges_sql(const struct options *opt, struct sql *s, const struct plan *p)
{
    const char *comma = "";
    sql_printf(s, "with t as (select ");
    regclass(opt, s);
    sql_printf(s,
               "::oid as oid), w as (select attnum from"
               " pg_catalog.pg_attribute, t where attrelid = t.oid and attname"
               " = any (array[");
    for (uint32_t k = 0; k < p->count; k++) {
        if (p->columns[k].is_key)
            continue;
        sql_printf(s, "%s", comma);
        sql_literal(s, p->columns[k].name);
        comma = ", ";
    }
    sql_printf(s, "]::name[])) select what, name, crosses from (select"
                  " 'constraint' as what, conname as name, contype = 'x' or"
                  " (contype = 'f' and confrelid = conrelid) as crosses, conkey"
                  " as cols from pg_catalog.pg_constraint, t where conrelid ="
                  " t.oid and contype in ('c', 'f', 'x')"
                  " union all select 'unique index', n.relname, true, case when"
                  " i.indexprs is null and i.indpred is null then"
                  " (i.indkey::int2[])[0:i.indnkeyatts - 1] end from"
                  " pg_catalog.pg_index i join pg_catalog.pg_class n on n.oid ="
                  " i.indexrelid, t where i.indrelid = t.oid and i.indisunique"
                  " and not ");
    is_on_key(opt, s);
    sql_printf(s, " union all select 'trigger', tgname, true, null from"
                  " pg_catalog.pg_trigger, t where tgrelid = t.oid and not"
                  " tgisinternal and tgenabled <> 'D'"
                  " union all select 'type of column', a.attname, false,"
                  " array[a.attnum] from pg_catalog.pg_attribute a join"
                  " pg_catalog.pg_type y on y.oid = a.atttypid left join"
                  " pg_catalog.pg_type e on e.oid = y.typelem and e.typarray ="
                  " y.oid, t where a.attrelid = t.oid and a.attnum > 0 and not"
                  " a.attisdropped and coalesce(e.typtype, y.typtype) <> 'b')"
                  " x where cols is null or exists (select from w where"
                  " w.attnum = any (cols)) order by crosses desc, what, name");
}

static int
read_judges(struct link *l, struct plan *p)
{
    static const char *const keys[] = { "what", "name", "crosses", NULL };
    struct sql *s = &l->sql;
    PGresult *res;
    sql_clear(s);
    judges_sql(l->opt, s, p);
    if (catalog_ask(l, "judges", keys, &res))
        return -1;
    for (int i = 0; res && i < PQntuples(res); i++)
        keep_apart(p, *PQgetvalue(res, i, 2) == 't' ? PLAN_ORDER : PLAN_ROUNDS,
                   PQgetvalue(res, i, 0), PQgetvalue(res, i, 1));
    PQclear(res);
    return 0;
}

/* Texts of the key whose collation takes different ones for the same. */
static int
read_collations(struct link *l, struct plan *p)
{
    static const char *const keys[] = { "name", NULL };
    struct sql *s = &l->sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s, "select a.attname from pg_catalog.pg_attribute a join"
                  " pg_catalog.pg_collation c on c.oid = a.attcollation where"
                  " not c.collisdeterministic and a.attrelid = ");
    regclass(l->opt, s);
    sql_printf(s, " and a.attname = any (");
    key_array(l->opt, s);
    sql_printf(s, ")");
    if (catalog_ask(l, "collations", keys, &res))
        return -1;
    for (int i = 0; res && i < PQntuples(res); i++)
        keep_apart(p, PLAN_ORDER, "collation of column", PQgetvalue(res, i, 0));
    PQclear(res);
    return 0;
}

static int
read_index(struct link *l, struct plan *p)
{
    static const char *const keys[] = { "found", NULL };
    struct sql *s = &l->sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s, "select 1 from pg_catalog.pg_index i where i.indisunique and"
                  " i.indisvalid and i.indrelid = ");
    regclass(l->opt, s);
    sql_printf(s, " and ");
    is_on_key(l->opt, s);
    if (catalog_ask(l, "conflict", keys, &res))
        return -1;
    /* Of a view the table behind it has the index, and Postgres says so. */
    p->key_is_unique = p->kind == 'v' || (l->catalog && l->catalog->known)
                       || (res && PQntuples(res) > 0);
    PQclear(res);
    return 0;
}

static void
judge_columns(struct plan *p)
{
    for (uint32_t k = 0; k < p->count; k++)
        if (p->columns[k].is_key && !has_exact_bytes(&p->columns[k]))
            keep_apart(p, PLAN_ORDER, "type of column", p->columns[k].name);
    if (p->insert_only)
        keep_apart(p, PLAN_ORDER, p->row_security ? "policies for" : "view",
                   p->row_security ? "insert" : "behind which a table is");
    if (p->newer < p->count && !is_comparable(&p->columns[p->newer]))
        keep_apart(p, PLAN_ROUNDS, "type of column", p->columns[p->newer].name);
    for (uint32_t k = 0; p->text_only && k < p->count; k++)
        keep_apart(p, PLAN_ROUNDS, "type of a column, for one of",
                   p->columns[k].name);
}

int
conflict_plan(struct link *l, struct plan *p)
{
    const struct conflict *o = &l->opt->conflict;
    p->conflict = o->on;
    p->newer = p->count;
    p->missing_null = o->missing_null;
    if (!o->on)
        return 0;
    if (mark_columns(l, p))
        return -1;
    mark_optional(p);
    if (read_index(l, p) || read_judges(l, p) || read_collations(l, p))
        return -1;
    judge_columns(p);
    return 0;
}

/* Indexes, constraints and triggers, each by its OID; what must not be null. */
void
conflict_signature_sql(const struct options *opt, struct sql *s)
{
    static const char *const parts[] = {
        "select indexrelid::int8 from pg_catalog.pg_index where indisunique and"
        " indisvalid and indrelid",
        "select oid::int8 from pg_catalog.pg_constraint where conrelid",
        "select oid::int8 from pg_catalog.pg_trigger where tgenabled <> 'D' and"
        " tgrelid",
        "select -attnum from pg_catalog.pg_attribute where attnotnull and"
        " attnum > 0 and not attisdropped and attrelid",
    };
    sql_printf(s, "select case s when 'none' then s else s || '.' || (select"
                  " coalesce(pg_catalog.sum(pg_catalog.hashint8extended(o, 1)"
                  " %% 1000000000), 0) from (");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        sql_printf(s, "%s%s = ", i ? " union all " : "", parts[i]);
        regclass(opt, s);
    }
    sql_printf(s, ") p (o)) end from (");
}

int
conflict_ready(const struct options *opt, struct link *l,
               const struct plan *plan, enum pg_mode mode)
{
    if (!plan->conflict)
        return 0;
    if (mode != PG_MODE_LANES) {
        fault_set(&l->fault, PG_ACT_PAUSE,
                  "on_conflict needs the table of positions, so that no event "
                  "counts twice: grant select, insert, update on %s and usage "
                  "on its schema to role \"%s\" (`ingestlayer ddl` prints it)",
                  opt->lanes, PQuser(l->db));
        return -1;
    }
    if (plan->key_is_unique)
        return 0;
    struct sql s;
    if (sql_open(&s, l->host))
        return link_no_memory(l);
    sql_printf(&s,
               "table %s has no unique index on the key of on_conflict: create "
               "unique index on %s ",
               opt->table.quoted, opt->table.quoted);
    conflict_key_sql(opt, &s);
    const char *text = sql_str(&s);
    fault_set(&l->fault, PG_ACT_PAUSE, "%s", text ? text : "no memory");
    sql_close(&s);
    return -1;
}

/* --- SQL ------------------------------------------------------------------ */

void
conflict_key_sql(const struct options *opt, struct sql *s)
{
    const struct conflict *c = &opt->conflict;
    for (size_t i = 0; i < c->key_count; i++) {
        sql_printf(s, "%s", i ? ", " : "(");
        sql_ident(s, c->key[i]);
    }
    sql_printf(s, ")");
}

/* `"c" = excluded."c"`, or what a column that is missing gets.  1: appended. */
static int
set_sql(struct sql *s, const struct plan *p, const struct column *c,
        const uint64_t *omitted, const char *before)
{
    int missing = plan_left_out(c, omitted);
    if (!c->updated || (missing && !p->missing_null))
        return 0;
    sql_printf(s, "%s", before);
    sql_ident(s, c->name);
    sql_printf(s, missing ? " = default" : " = excluded.");
    if (!missing)
        sql_ident(s, c->name);
    return 1;
}

void
conflict_sql(const struct options *opt, struct sql *s, const struct plan *p,
             const uint64_t *omitted)
{
    int n = 0;
    sql_printf(s, " on conflict ");
    conflict_key_sql(opt, s);
    for (uint32_t k = 0; k < p->count; k++)
        n += set_sql(s, p, &p->columns[k], omitted,
                     n ? ", " : " do update set ");
    if (!n) {
        sql_printf(s, " do nothing");
        return;
    }
    if (p->newer == p->count)
        return;
    const char *newer = p->columns[p->newer].name;
    sql_printf(s, " where " CONFLICT_THERE ".");
    sql_ident(s, newer);
    sql_printf(s, " is null or excluded.");
    sql_ident(s, newer);
    sql_printf(s, " >= " CONFLICT_THERE ".");
    sql_ident(s, newer);
}

/* --- check --online ------------------------------------------------------- */

static void
names_sql(struct sql *s, const struct plan *p, int keys)
{
    const char *comma = "";
    sql_printf(s, "array[");
    for (uint32_t k = 0; k < p->count; k++) {
        const struct column *c = &p->columns[k];
        if (!c->updated && !(keys && c->is_key))
            continue;
        sql_printf(s, "%s", comma);
        sql_literal(s, c->name);
        comma = ", ";
    }
    sql_printf(s, "]::name[]");
}

/* What excluded.c says needs the right to read c, too. */
void
conflict_rights_sql(struct sql *s, const struct plan *p)
{
    sql_printf(s, "select pg_catalog.format('%%s on %%I.%%I', x.what,"
                  " n.nspname, c.relname) from pg_catalog.pg_class c join"
                  " pg_catalog.pg_namespace n on n.oid = c.relnamespace join"
                  " pg_catalog.pg_attribute a on a.attrelid = c.oid and"
                  " a.attnum > 0 join (values ('select', ");
    names_sql(s, p, 1);
    sql_printf(s, "), ('update', ");
    names_sql(s, p, 0);
    sql_printf(s, ")) x (what, names) on a.attname = any (x.names) where not"
                  " pg_catalog.has_column_privilege(c.oid, a.attnum, x.what)");
}

static void
say_rows(const struct options *opt, const struct plan *p, struct sql *out)
{
    sql_printf(out, "on conflict ");
    conflict_key_sql(opt, out);
    if (p->conflict == CONFLICT_IGNORE) {
        sql_printf(out,
                   ": the row stays as it is, and the event leaves none\n");
    } else {
        sql_printf(out, ": the row is updated");
        if (p->newer < p->count)
            sql_printf(out, ", unless it is newer by \"%s\"",
                       p->columns[p->newer].name);
        sql_printf(out, "; a field that is missing %s\n",
                   p->missing_null ? "ends the column's value"
                                   : "keeps the column's value");
    }
    if (p->fold_why)
        sql_printf(out,
                   "events of one key go in one after the other, because each "
                   "is judged by itself: %s\n",
                   p->fold_why);
    if (p->newer < p->count && !p->missing_null)
        sql_printf(out, "note: by `newer` a row is judged whole, and missing = "
                        "\"keep\" then needs one writer for each key: of two, "
                        "fields of the older event are lost, not merged; "
                        "missing = \"null\" says so in the rows\n");
}

/* Postgres looks at the row to be inserted before it looks for the one that is
 * there: an event without such a column cannot even update. */
static int
check_required(struct link *l, const struct plan *p, struct sql *out)
{
    const struct column *bad = NULL;
    for (uint32_t k = 0; k < p->count && p->conflict == CONFLICT_UPDATE; k++) {
        const struct column *c = &p->columns[k];
        if (!(c->is_key || (c->not_null && !c->has_default)) || p->fills
            || ddl_is_required(l->opt, l->host, c->name))
            continue;
        sql_printf(out,
                   c->is_key
                       ? "column \"%s\" is of the key of on_conflict, and no "
                         "declaration says that every event has a value for "
                         "it\n"
                       : "column \"%s\" is not null and has no default, and no "
                         "declaration says that every event has a value for "
                         "it: without one an event cannot update its row\n",
                   c->name);
        bad = bad ? bad : c;
    }
    if (!bad)
        return 0;
    fault_set(&l->fault, PG_ACT_PAUSE,
              "not every event can update its row: declare what fills \"%s\" "
              "as required%s",
              bad->name,
              bad->is_key ? ""
                          : ", or give the column a default, or let it be "
                            "null");
    return -1;
}

int
conflict_probe(struct link *l, const struct plan *p, struct sql *out,
               enum pg_mode mode)
{
    if (!p->conflict)
        return 0;
    say_rows(l->opt, p, out);
    if (conflict_ready(l->opt, l, p, mode))
        return -1;
    return check_required(l, p, out);
}
