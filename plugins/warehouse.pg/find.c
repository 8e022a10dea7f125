/* SPDX-License-Identifier: MIT */
/* `ingestlayer why --online`: is the row there?  It is known by the event's id,
 * in whichever column gets that. */
#include "find.h"

#include "pg.h"
#include "put.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
is_mapped_to_id(const struct options *opt, const char *name)
{
    for (size_t i = 0; i < opt->mapping_count; i++)
        if (!strcmp(opt->mappings[i].name, name))
            return opt->mappings[i].reference
                   && !strcmp(opt->mappings[i].reference, "$event.id");
    return 0;
}

static const char *
id_column(const struct options *opt, const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++)
        if (plan->columns[i].is_id
            || is_mapped_to_id(opt, plan->columns[i].name))
            return plan->columns[i].name;
    return NULL;
}

/* 1, 0, or -1 with the fault.  Two are enough to see that there are several. */
static int
look_where(struct link *l, const char *where, struct sql *out)
{
    struct sql *s = &l->sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s,
               "select pg_catalog.row_to_json(r)::text from (select * from"
               " %s where %s limit 2) r",
               l->opt->table.quoted, where ? where : "false");
    if (link_exec(l, sql_str(s), &res))
        return -1;
    const int n = PQntuples(res);
    for (int i = 0; i < n; i++)
        sql_printf(out, "%s\n", PQgetvalue(res, i, 0));
    PQclear(res);
    return n > 0;
}

static int
look(struct link *l, const char *column, const char *id, struct sql *out)
{
    struct sql where;
    if (sql_open(&where, l->host))
        return link_no_memory(l);
    sql_ident(&where, column);
    sql_printf(&where, " = ");
    sql_literal(&where, id);
    int found = look_where(l, sql_str(&where), out);
    sql_close(&where);
    return found;
}

/* --- on_conflict ---------------------------------------------------------- */

/* ` "a" = '1' and ...` of the key that the event came with.  0, or -ENOENT. */
static int
key_sql(struct sql *s, struct encoder *e, const struct plan *plan,
        struct il_batch *b, uint32_t i)
{
    const struct il_value *values;
    const char *and = "";
    if (il_row_read(e->row, b, i, &values))
        return -ENOENT;
    for (uint32_t k = 0; k < plan->count; k++) {
        char buf[48], *text;
        size_t len;
        const char *v;
        if (!plan->columns[k].is_key)
            continue;
        if (!(v = encode_scalar(&values[k], buf, &len)) || memchr(v, 0, len)
            || !(text = strndup(v, len)))
            return -ENOENT;
        sql_printf(s, "%s", and);
        sql_ident(s, plan->columns[k].name);
        sql_printf(s, " = ");
        sql_literal(s, text);
        free(text);
        and = " and ";
    }
    return 0;
}

/* The row of its key, which may be of other events.  0, or -1 with the fault. */
static int
look_by_key(struct link *l, const struct plan *plan, struct il_batch *b,
            uint32_t i, struct sql *out)
{
    struct encoder e;
    struct sql where;
    int err = encode_open(&e, l->host, 0), found = 0;
    if (!err)
        err = encode_follow(&e, (struct plan *) (uintptr_t) plan);
    if (!err)
        err = sql_open(&where, l->host);
    if (err) {
        encode_close(&e);
        return link_no_memory(l);
    }
    sql_printf(out, plan->conflict == CONFLICT_IGNORE
                        ? "on_conflict = \"ignore\": an event whose key had a "
                          "row has left none\n"
                        : "on_conflict = \"update\": the row of a key has what "
                          "all its events said, and is of none of them\n");
    if (key_sql(&where, &e, plan, b, i))
        sql_printf(out, "its key is not in what the event came with\n");
    else if ((found = look_where(l, sql_str(&where), out)) == 0)
        sql_printf(out, "its key has no row, or not any more\n");
    sql_close(&where);
    encode_close(&e);
    return found < 0 ? -1 : 0;
}

/* As look(), in the table as it is now. */
static int
look_in_table(struct link *l, struct il_batch *b, uint32_t i, const char *id,
              struct sql *out)
{
    struct plan *plan;
    if (link_exec(l, "begin read only", NULL) || plan_read(l, &plan))
        return -1;
    const char *column = id_column(l->opt, plan);
    int found = column ? look(l, column, id, out) : -1;
    if (plan->conflict && (!column || !found))
        found = look_by_key(l, plan, b, i, out);
    else if (!column)
        fault_set(&l->fault, PG_ACT_PAUSE,
                  "no column of %s gets the event's id ($event.id), by which a "
                  "row could be found",
                  l->opt->table.quoted);
    plan_unref(plan);
    return found;
}

/* 0 or a negative errno. */
static int
read_id(const struct pg *pg, struct il_batch *b, uint32_t i, struct sql *out)
{
    struct il_field *field;
    struct il_value v;
    int err = sql_open(out, pg->host);
    if (!err)
        err = il_field_named(pg->host, IL_FIELD_ANY, "id", &field);
    if (err)
        return err;
    if (il_get(b, i, field, &v) && v.type == IL_STRING)
        sql_put(out, v.str, v.len);
    else
        err = -EINVAL;
    il_field_free(pg->host, field);
    return err ? err : out->err;
}

int
find_row(void *self, struct il_batch *b, uint32_t i, struct il_text *text)
{
    struct pg *pg = self;
    struct link l;
    struct sql out = { .host = pg->host, .text = text }, id = { .err = 0 };
    int found = -1, err = read_id(pg, b, i, &id);
    if (!err
        && link_init(&l, pg->host, &pg->opt.connect, &pg->opt, &pg->stop)) {
        link_free(&l);
        err = -ENOMEM;
    }
    if (err) {
        sql_close(&id);
        return err;
    }
    if (!link_open(&l))
        found = look_in_table(&l, b, i, sql_str(&id), &out);
    if (found < 0)
        sql_printf(&out, "%s\n", l.fault.why);
    link_rollback(&l);
    err = l.fault.action == PG_ACT_RETRY ? -EAGAIN : -EACCES;
    link_free(&l);
    sql_close(&id);
    return out.err ? out.err : found >= 0 ? found : err;
}
