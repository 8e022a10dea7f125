/* SPDX-License-Identifier: MIT */
/* The row that would be written, without a server: values go through the same
 * functions as those of a COPY in text, into columns of a table that a catalog
 * tells of.  What only the server can judge (constraints, what is unique, types
 * that are not known here) is taken as it is. */
#include "show.h"

#include "catalog.h"
#include "pg.h"
#include "put.h"

#include <errno.h>
#include <string.h>

/* --- the table --------------------------------------------------------------- */

static int
complain(const struct pg *pg, struct il_text *why, const char *message)
{
    struct sql s = { .host = pg->host, .text = why };
    sql_printf(&s, "%s", message);
    return s.err ? s.err : -EINVAL;
}

/* Is there anything to tell its columns by? */
static int
is_declared(const struct pg *pg)
{
    struct il_declared d = { .struct_size = sizeof d };
    return pg->opt.mapping_count || pg->opt.create
           || il_declared_field(pg->host, 0, &d) == 0;
}

static int
open_catalog(const struct pg *pg, struct catalog *c, const char *json,
             size_t len, struct il_text *why)
{
    if (!json && !is_declared(pg))
        return complain(
            pg, why,
            "nothing says which columns the table has: name them in "
            "`columns`, declare the fields of the events, or give --catalog "
            "FILE, which `ingestlayer ddl --save FILE` writes");
    int err = json ? catalog_tell(c, pg->host, json, len)
                   : catalog_declared(c, pg->host, &pg->opt);
    return err == -EINVAL
               ? complain(pg, why, "the catalog has no object for it")
               : err;
}

int
show_assume(void *self, const char *json, size_t len, struct il_text *why)
{
    struct pg *pg = self;
    struct catalog catalog = { .known = NULL };
    struct link l;
    struct plan *plan = NULL;
    int err = link_init(&l, pg->host, &pg->opt.connect, &pg->opt, &pg->stop);
    if (!err)
        err = open_catalog(pg, &catalog, json, len, why);
    l.catalog = &catalog;
    if (!err && plan_read(&l, &plan))
        err = complain(pg, why, l.fault.why);
    if (!err) {
        plan_unref(pg->shown);
        pg->shown = plan;
    }
    catalog_close(&catalog);
    link_free(&l);
    return err;
}

/* 1: there is no table, and the daemon will make it as it is declared. */
static int
read_table(struct link *l, struct plan **plan)
{
    int err = link_open(l);
    if (!err)
        err = link_exec(l, "begin read only", NULL);
    if (!err)
        err = plan_read(l, plan);
    return err && strcmp(l->fault.code, "42P01") == 0 && l->opt->create ? 1
                                                                        : err;
}

int
show_table(void *self, struct il_text *out)
{
    struct pg *pg = self;
    struct catalog catalog = { .known = NULL };
    struct link l;
    struct plan *plan = NULL;
    struct sql s = { .host = pg->host, .text = out };
    int err = link_init(&l, pg->host, &pg->opt.connect, &pg->opt, &pg->stop);
    if (!err)
        err = catalog_keep(&catalog, pg->host);
    if (!err) {
        l.catalog = &catalog;
        err = read_table(&l, &plan);
        if (err < 0) {
            sql_printf(&s, "%s", l.fault.why);
            err = l.fault.action == PG_ACT_RETRY ? -EAGAIN : -EACCES;
        } else if (!err) {
            const char *json = catalog_kept(&catalog);
            sql_printf(&s, "%s", json ? json : "");
            err = json ? s.err : -ENOMEM;
        }
        link_rollback(&l);
    }
    plan_unref(plan);
    catalog_close(&catalog);
    link_free(&l);
    return err < 0 ? err : 0;
}

/* --- a row --------------------------------------------------------------------- */

/* A field of COPY's text, in place: what encode_text() has escaped. */
static void
unescape(struct il_text *field)
{
    char *to = field->data;
    for (size_t i = 0; i < field->len; i++) {
        char c = field->data[i];
        if (c == '\\' && i + 1 < field->len) {
            c = field->data[++i];
            c = c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
        }
        *to++ = c;
    }
    field->len = (size_t) (to - field->data);
}

static void
write_value(struct sql *s, const struct il_value *v)
{
    if (!s->err && il_write_json(s->host, s->text, v, 0) < 0)
        s->err = -ENOMEM;
}

static void
write_column(struct sql *s, int first, const char *name, struct il_text *field)
{
    struct il_value key = { .type = IL_STRING,
                            .str = name,
                            .len = strlen(name) };
    struct il_value value = { .type = IL_NULL };
    if (field->len != 2 || memcmp(field->data, "\\N", 2) != 0) {
        unescape(field);
        value = (struct il_value){ .type = IL_STRING,
                                   .str = field->data,
                                   .len = field->len };
    }
    sql_printf(s, "%s", first ? "{" : ",");
    write_value(s, &key);
    sql_printf(s, ":");
    write_value(s, &value);
}

static int
refuse_row(struct pg *pg, struct il_batch *batch, uint32_t i,
           const char *column, struct il_text *text)
{
    const struct misfit *m = &pg->lane_enc.misfit;
    const struct il_reason why = { IL_SIZED(struct il_reason), .code = m->code,
                                   .message = m->message, .field = column };
    struct sql s = { .host = pg->host, .text = text };
    il_reject(batch, i, &why);
    text->len = 0;
    sql_printf(&s, "it is no row of the table: %s: %s", column, m->message);
    return s.err ? s.err : -EINVAL;
}

static int
is_null(const struct encoder *e)
{
    return e->out->len == 2 && memcmp(e->out->data, "\\N", 2) == 0;
}

static int
make_field(struct encoder *e, const struct plan *plan, const struct column *c,
           const struct il_value *v)
{
    e->out->len = 0;
    int err = encode_value(e, c, v);
    if (!err && (c->is_key || (c->not_null && !plan->fills)) && is_null(e))
        err = encode_bad(e, "23502",
                         "null value in column \"%s\" violates not-null "
                         "constraint",
                         c->name);
    return err;
}

static int
write_row(struct pg *pg, struct il_batch *batch, uint32_t i,
          struct il_text *text)
{
    struct encoder *e = &pg->lane_enc;
    const struct plan *plan = pg->shown;
    const struct il_value *values;
    struct sql s = { .host = pg->host, .text = text };
    int err = il_row_read(e->row, batch, i, &values), first = 1;
    for (uint32_t k = 0; k < plan->count && !err; k++) {
        const struct column *c = &plan->columns[k];
        if (c->optional >= 0 && values[k].type == IL_MISSING)
            continue; /* left to its default, or as it is */
        err = make_field(e, plan, c, &values[k]);
        if (err == ENCODE_BAD)
            return refuse_row(pg, batch, i, c->name, text);
        if (!err)
            write_column(&s, first, c->name, e->out);
        first = 0;
    }
    sql_printf(&s, "%s}", first ? "{" : "");
    return err ? err : s.err;
}

int
show_row(void *self, struct il_batch *batch, uint32_t i, struct il_text *text)
{
    struct pg *pg = self;
    struct encoder *e = &pg->lane_enc;
    struct il_text *out = e->out;
    int err = pg->shown ? 0 : show_assume(pg, NULL, 0, text);
    if (!err)
        err = encode_follow(e, pg->shown);
    if (err)
        return err;
    if (pg->shown->unfilled && !pg->shown->fills) {
        encode_bad(e, "23502",
                   "null value in column \"%s\", which nothing fills, violates "
                   "not-null constraint",
                   pg->shown->unfilled);
        return refuse_row(pg, batch, i, pg->shown->unfilled, text);
    }
    if (!(e->out = il_text_new(pg->host))) {
        e->out = out;
        return -ENOMEM;
    }
    e->binary = 0;
    err = write_row(pg, batch, i, text);
    il_text_free(pg->host, e->out);
    e->out = out;
    return err;
}
