/* SPDX-License-Identifier: MIT */
/* What the catalog of a server says of a table, kept and told again. */
#include "catalog.h"

#include "ddl.h"

#include <errno.h>
#include <string.h>

static struct il_value
text_value(const char *text, size_t len)
{
    return (struct il_value){ .type = IL_STRING, .str = text, .len = len };
}

static void
write_text(struct sql *s, const char *text, size_t len)
{
    const struct il_value v = text_value(text, len);
    if (!s->err && il_write_json(s->host, s->text, &v, 0) < 0)
        s->err = -ENOMEM;
}

/* "name":"value", with a comma where another member is before it. */
static void
write_member(struct sql *s, const char *name, const char *value)
{
    const char last = s->text->len ? s->text->data[s->text->len - 1] : '{';
    if (!*value)
        return;
    sql_printf(s, "%s", last == '{' ? "" : ",");
    write_text(s, name, strlen(name));
    sql_printf(s, ":");
    write_text(s, value, strlen(value));
}

/* --- kept ------------------------------------------------------------------ */

int
catalog_keep(struct catalog *c, const struct il_host *host)
{
    memset(c, 0, sizeof *c);
    if (sql_open(&c->kept, host))
        return -ENOMEM;
    sql_printf(&c->kept, "{");
    return c->kept.err;
}

static void
keep(struct sql *s, const char *what, const char *const *keys,
     const PGresult *res)
{
    sql_printf(s, "%s\n  ", s->text->len > 1 ? "," : "");
    write_text(s, what, strlen(what));
    sql_printf(s, ": [");
    for (int i = 0; res && i < PQntuples(res); i++) {
        sql_printf(s, "%s\n    {", i ? "," : "");
        for (int k = 0; keys[k]; k++)
            write_member(s, keys[k], PQgetvalue(res, i, k));
        sql_printf(s, "}");
    }
    sql_printf(s, "]");
}

const char *
catalog_kept(struct catalog *c)
{
    sql_printf(&c->kept, "\n}");
    return sql_str(&c->kept);
}

/* --- told ------------------------------------------------------------------ */

int
catalog_tell(struct catalog *c, const struct il_host *host, const char *json,
             size_t len)
{
    memset(c, 0, sizeof *c);
    c->kept.host = host;
    c->known = il_text_new(host);
    if (!c->known)
        return -ENOMEM;
    int err = il_read_json(host, c->known, json, len, &c->value);
    return err ? err : c->value.type == IL_MAP ? 0 : -EINVAL;
}

static int
member(const struct il_host *host, const struct il_value *map, const char *name,
       struct il_value *out)
{
    const size_t len = strlen(name);
    struct il_value key;
    size_t iter = 0;
    while (map->type == IL_MAP && il_item(host, map, &iter, &key, out))
        if (key.len == len && memcmp(key.str, name, len) == 0)
            return 1;
    *out = text_value("", 0);
    return 0;
}

/* A row of texts; what is none is empty. */
static int
tell_row(const struct il_host *host, PGresult *res, int i,
         const struct il_value *row, const char *const *keys)
{
    for (int k = 0; keys[k]; k++) {
        struct il_value v;
        member(host, row, keys[k], &v);
        if (v.type != IL_STRING || v.len > INT32_MAX)
            v = text_value("", 0);
        /* It changes nothing in it. */
        if (!PQsetvalue(res, i, k, (char *) (uintptr_t) v.str, (int) v.len))
            return -ENOMEM;
    }
    return 0;
}

#define COLUMNS_MAX 10000 /* in all; Postgres has 1600 in a table */

static int
tell(struct catalog *c, const char *what, const char *const *keys,
     PGresult **out)
{
    const struct il_host *host = c->kept.host;
    PGresAttDesc names[20] = { { 0 } };
    struct il_value rows, row;
    size_t iter = 0;
    int n = 0, err = 0;
    PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    for (; keys[n] && n < 20; n++)
        names[n].name = (char *) (uintptr_t) keys[n];
    if (!res || !PQsetResultAttrs(res, n, names)) {
        PQclear(res);
        return -ENOMEM;
    }
    member(host, &c->value, what, &rows);
    for (int i = 0; !err && rows.type == IL_ARRAY
                    && il_item(host, &rows, &iter, NULL, &row);
         i++)
        err = ++c->told > COLUMNS_MAX ? -E2BIG
                                      : tell_row(host, res, i, &row, keys);
    if (err)
        PQclear(res);
    else
        *out = res;
    return err;
}

int
catalog_ask(struct link *l, const char *what, const char *const *keys,
            PGresult **res)
{
    struct catalog *c = l->catalog;
    int err;
    *res = NULL;
    if (c && c->known) {
        err = tell(c, what, keys, res);
        if (err == -E2BIG)
            fault_set(&l->fault, PG_ACT_PAUSE,
                      "the catalog has more than %d columns and fields",
                      COLUMNS_MAX);
        return err == -E2BIG ? -1 : err ? link_no_memory(l) : 0;
    }
    err = link_exec(l, sql_str(&l->sql), res);
    if (c && !err)
        keep(&c->kept, what, keys, *res);
    return err;
}

/* --- declared ---------------------------------------------------------------- */

/* The types that ddl.c gives, and what pg_type.dat calls them. */
static const struct {
    const char *type, *oid;
} oids[] = { { "text", "25" },          { "numeric", "1700" },
             { "bigint", "20" },        { "boolean", "16" },
             { "timestamptz", "1184" }, { "jsonb", "3802" },
             { "uuid", "2950" } };

static void
declare(void *sql, const char *name, const char *type, int not_null)
{
    struct sql *s = sql;
    size_t i = sizeof oids / sizeof *oids - 1;
    while (i && strcmp(oids[i].type, type) != 0)
        i--;
    if (strlen(name) > PG_NAME_MAX)
        return;
    sql_printf(s, "%s{", s->text->data[s->text->len - 1] == '[' ? "" : ",");
    write_member(s, "name", name);
    write_member(s, "modifier", "-1");
    write_member(s, "kind", "b");
    write_member(s, "type_name", type);
    write_member(s, "element", "0");
    write_member(s, "oid", oids[i].oid);
    write_member(s, "default", "f");
    write_member(s, "type", type);
    write_member(s, "sql_type", type);
    write_member(s, "not_null", not_null ? "t" : "f");
    sql_printf(s, "}");
}

int
catalog_declared(struct catalog *c, const struct il_host *host,
                 const struct options *opt)
{
    struct sql s;
    if (sql_open(&s, host))
        return -ENOMEM;
    sql_printf(&s, "{\"signature\":[{\"now\":\"declared\"}],\"columns\":[");
    declare(&s, opt->unique_column, "text", 1);
    ddl_columns(opt, host, declare, &s);
    sql_printf(&s, "]}");
    int err = sql_str(&s) ? catalog_tell(c, host, s.text->data, s.text->len)
                          : -ENOMEM;
    sql_close(&s);
    return err;
}

void
catalog_close(struct catalog *c)
{
    if (c->known)
        il_text_free(c->kept.host, c->known);
    c->known = NULL;
    if (c->kept.text)
        sql_close(&c->kept);
}
