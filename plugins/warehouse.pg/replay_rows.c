/* SPDX-License-Identifier: MIT */
/* A run of rows beside those of the table. */
#include "replay.h"

#include "copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STAGE "pg_temp.ingestlayer_stage"
#define DIFFERS "pg_temp.ingestlayer_differs"

/* --- what is shown -------------------------------------------------------- */

static const char *const sample_names[] = { "missing", "different",
                                            "only_there", "refused" };

static uint32_t
samples_left(const struct replay *r, enum replay_sample kind)
{
    return r->sampled[kind] < r->ask->samples
               ? r->ask->samples - r->sampled[kind]
               : 0;
}

static void
put_text(struct sql *s, const char *text)
{
    struct il_value v = { .type = text ? IL_STRING : IL_NULL };
    v.str = text ? text : "";
    v.len = (uint32_t) strlen(v.str);
    if (!s->err && il_write_json(s->host, s->text, &v, 0) < 0)
        s->err = -ENOMEM;
}

static void
sample_begin(struct sql *s, enum replay_sample kind, const char *id)
{
    sql_printf(s, "{\"sample\":\"%s\",\"id\":", sample_names[kind]);
    put_text(s, id);
}

void
replay_show(struct replay *r, enum replay_sample kind, const char *id,
            const char *why)
{
    struct sql s = { .host = r->pg->host, .text = r->ask->out };
    if (!samples_left(r, kind))
        return;
    sample_begin(&s, kind, id);
    if (why) {
        sql_printf(&s, ",\"why\":");
        put_text(&s, why);
    }
    sql_printf(&s, "}\n");
    r->sampled[kind]++;
}

/* Each row of the last select, of one column. */
static int
sample_each(struct replay *r, enum replay_sample kind)
{
    struct sql *s = &r->link.sql;
    PGresult *res;
    sql_printf(s, " limit %u", samples_left(r, kind));
    if (link_exec(&r->link, sql_str(s), &res))
        return -1;
    for (int i = 0; res && i < PQntuples(res); i++)
        replay_show(r, kind, PQgetvalue(res, i, 0), NULL);
    PQclear(res);
    return 0;
}

/* --- pieces --------------------------------------------------------------- */

static int
is_compared(const struct replay *r, const struct part *part, uint32_t k)
{
    return k != r->plan->unique
           && !plan_left_out(&r->plan->columns[k], part->omitted);
}

static const char *
unique_name(const struct replay *r)
{
    return r->plan->columns[r->plan->unique].name;
}

/* ` from STAGE s join TABLE t on t.KEY = s.KEY`. */
static void
from_both(const struct replay *r, struct sql *s)
{
    sql_printf(s, " from " STAGE " s join %s t on t.", r->pg->opt.table.quoted);
    sql_ident(s, unique_name(r));
    sql_printf(s, " = s.");
    sql_ident(s, unique_name(r));
}

static void
from_missing(const struct replay *r, struct sql *s)
{
    sql_printf(s,
               " from " STAGE " s where not exists (select from %s t where t.",
               r->pg->opt.table.quoted);
    sql_ident(s, unique_name(r));
    sql_printf(s, " = s.");
    sql_ident(s, unique_name(r));
    sql_printf(s, ")");
}

static void
one_differs(const struct replay *r, struct sql *s, uint32_t k)
{
    sql_printf(s, "(s.");
    sql_ident(s, r->plan->columns[k].name);
    sql_printf(s, "::text is distinct from t.");
    sql_ident(s, r->plan->columns[k].name);
    sql_printf(s, "::text)");
}

/* `A or B or ...` of the columns that are so, or `false`. */
static void
any_differs(const struct replay *r, struct sql *s, const struct part *part,
            int least)
{
    const char * or = "";
    for (uint32_t k = 0; k < r->plan->count; k++) {
        if (!is_compared(r, part, k) || r->columns[k] < least)
            continue;
        sql_printf(s, "%s", or);
        one_differs(r, s, k);
        or = " or ";
    }
    sql_printf(s, "%s", * or ? "" : "false");
}

/* --- a run ---------------------------------------------------------------- */

static int
stage(struct replay *r, const struct part *part, uint32_t lo, uint32_t hi)
{
    struct sql *s = &r->link.sql;
    sql_clear(s);
    sql_printf(s, "drop table if exists " STAGE
                  "; drop table if exists " DIFFERS "; ");
    copy_stage_sql(s, r->plan);
    sql_printf(s, "copy " STAGE " (");
    copy_columns_sql(s, r->plan, part->omitted);
    sql_printf(s, ") from stdin%s", r->job.binary ? " (format binary)" : "");
    return copy_send(&r->link, sql_str(s), &r->job, lo, hi);
}

static int
compare(struct replay *r, const struct part *part)
{
    struct sql *s = &r->link.sql;
    sql_clear(s);
    sql_printf(s, "create temp table ingestlayer_differs on commit drop as"
                  " select s.ctid as \"il s\", t.ctid as \"il t\","
                  " t.tableoid as \"il in\", t.xmin::text as \"il seen\", (");
    any_differs(r, s, part, REPLAY_LEAVES);
    sql_printf(s, ") as \"il counts\", (");
    any_differs(r, s, part, REPLAY_MENDS);
    sql_printf(s, ") as \"il mends\"");
    for (uint32_t k = 0; k < r->plan->count; k++)
        if (is_compared(r, part, k)) {
            sql_printf(s, ", ");
            one_differs(r, s, k);
            sql_printf(s, " as \"il %u\"", k);
        }
    from_both(r, s);
    sql_printf(s, " where ");
    any_differs(r, s, part, REPLAY_TODAY);
    return link_exec(&r->link, sql_str(s), NULL);
}

/* How many, in a row of numbers. */
static int
count(struct replay *r, const struct part *part, uint64_t rows, uint64_t *mends)
{
    struct sql *s = &r->link.sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s, "select (select count(*)");
    from_missing(r, s);
    sql_printf(s, "), count(*) filter (where \"il counts\"),"
                  " count(*) filter (where \"il mends\")");
    for (uint32_t k = 0; k < r->plan->count; k++)
        if (is_compared(r, part, k))
            sql_printf(s, ", count(*) filter (where \"il %u\")", k);
    sql_printf(s, " from " DIFFERS);
    if (link_exec(&r->link, sql_str(s), &res) || !res)
        return -1;
    uint64_t missing = strtoull(PQgetvalue(res, 0, 0), NULL, 10);
    uint64_t different = strtoull(PQgetvalue(res, 0, 1), NULL, 10);
    *mends = strtoull(PQgetvalue(res, 0, 2), NULL, 10);
    int at = 3;
    for (uint32_t k = 0; k < r->plan->count; k++)
        if (is_compared(r, part, k))
            r->differ[k] += strtoull(PQgetvalue(res, 0, at++), NULL, 10);
    PQclear(res);
    r->ask->missing += missing;
    r->ask->different += different;
    r->ask->same += rows > missing + different ? rows - missing - different : 0;
    return 0;
}

/* {"sample":"different","id":...,"columns":{"c":{"there":...,"today":...}}} */
static void
show_difference(struct replay *r, const struct part *part, const PGresult *res,
                int row)
{
    struct sql s = { .host = r->pg->host, .text = r->ask->out };
    const char *comma = "";
    int at = 1;
    sample_begin(&s, REPLAY_DIFFERENT, PQgetvalue(res, row, 0));
    sql_printf(&s, ",\"columns\":{");
    for (uint32_t k = 0; k < r->plan->count; k++) {
        if (!is_compared(r, part, k))
            continue;
        if (*PQgetvalue(res, row, at) == 't') {
            sql_printf(&s, "%s", comma);
            put_text(&s, r->plan->columns[k].name);
            sql_printf(&s, ":{\"there\":");
            put_text(&s, PQgetisnull(res, row, at + 1)
                             ? NULL
                             : PQgetvalue(res, row, at + 1));
            sql_printf(&s, ",\"today\":");
            put_text(&s, PQgetisnull(res, row, at + 2)
                             ? NULL
                             : PQgetvalue(res, row, at + 2));
            sql_printf(&s, "}");
            comma = ",";
        }
        at += 3;
    }
    sql_printf(&s, "}}\n");
    r->sampled[REPLAY_DIFFERENT]++;
}

static int
show_differences(struct replay *r, const struct part *part)
{
    struct sql *s = &r->link.sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s, "select s.");
    sql_ident(s, unique_name(r));
    sql_printf(s, "::text");
    for (uint32_t k = 0; k < r->plan->count; k++)
        if (is_compared(r, part, k)) {
            sql_printf(s, ", d.\"il %u\", t.", k);
            sql_ident(s, r->plan->columns[k].name);
            sql_printf(s, "::text, s.");
            sql_ident(s, r->plan->columns[k].name);
            sql_printf(s, "::text");
        }
    from_both(r, s);
    sql_printf(s,
               " join " DIFFERS " d on d.\"il s\" = s.ctid and d.\"il t\" ="
               " t.ctid where d.\"il counts\" limit %u",
               samples_left(r, REPLAY_DIFFERENT));
    if (link_exec(&r->link, sql_str(s), &res))
        return -1;
    for (int i = 0; res && i < PQntuples(res); i++)
        show_difference(r, part, res, i);
    PQclear(res);
    return 0;
}

static int
show_missing(struct replay *r)
{
    struct sql *s = &r->link.sql;
    sql_clear(s);
    sql_printf(s, "select s.");
    sql_ident(s, unique_name(r));
    sql_printf(s, "::text");
    from_missing(r, s);
    return sample_each(r, REPLAY_MISSING);
}

/* --- changing ------------------------------------------------------------- */

static int
number(struct replay *r, uint64_t *out)
{
    PGresult *res;
    if (link_exec(&r->link, sql_str(&r->link.sql), &res) || !res)
        return -1;
    *out = strtoull(PQgetvalue(res, 0, 0), NULL, 10);
    PQclear(res);
    return 0;
}

/* The live lane may bring the same in: it is there then, as it should be. */
static int
insert(struct replay *r, const struct part *part)
{
    struct sql *s = &r->link.sql;
    uint64_t n;
    sql_clear(s);
    sql_printf(s, "with n as (insert into %s (", r->pg->opt.table.quoted);
    copy_columns_sql(s, r->plan, part->omitted);
    sql_printf(s, ") select ");
    copy_columns_sql(s, r->plan, part->omitted);
    from_missing(r, s);
    sql_printf(s, " on conflict (");
    plan_unique_sql(&r->pg->opt, s);
    sql_printf(s, ") do nothing returning 1) select count(*) from n");
    if (number(r, &n))
        return -1;
    r->ask->inserted += n;
    return 0;
}

/* A row that somebody has changed since it was compared is another version, and
 * stays. */
static int
update(struct replay *r, const struct part *part, uint64_t mends)
{
    struct sql *s = &r->link.sql;
    const char *comma = "";
    uint64_t n;
    if (!mends)
        return 0;
    sql_clear(s);
    sql_printf(s, "with n as (update %s t set ", r->pg->opt.table.quoted);
    for (uint32_t k = 0; k < r->plan->count; k++) {
        if (!is_compared(r, part, k) || r->columns[k] < REPLAY_MENDS)
            continue;
        sql_printf(s, "%s", comma);
        sql_ident(s, r->plan->columns[k].name);
        sql_printf(s, " = s.");
        sql_ident(s, r->plan->columns[k].name);
        comma = ", ";
    }
    sql_printf(s, " from " STAGE " s join " DIFFERS " d on d.\"il s\" = s.ctid"
                  " where d.\"il mends\" and t.");
    sql_ident(s, unique_name(r));
    sql_printf(s, " = s.");
    sql_ident(s, unique_name(r));
    sql_printf(s, " and t.ctid = d.\"il t\" and t.tableoid = d.\"il in\" and"
                  " t.xmin::text = d.\"il seen\" returning 1)"
                  " select count(*) from n");
    if (number(r, &n))
        return -1;
    r->ask->updated += n;
    r->ask->changed += mends - n;
    return 0;
}

int
replay_rows(struct replay *r, const struct part *part, uint32_t lo, uint32_t hi)
{
    uint64_t mends = 0;
    int err = stage(r, part, lo, hi);
    if (!err)
        err = compare(r, part);
    if (!err)
        err = count(r, part, hi - lo, &mends);
    if (!err && samples_left(r, REPLAY_MISSING))
        err = show_missing(r);
    if (!err && samples_left(r, REPLAY_DIFFERENT))
        err = show_differences(r, part);
    if (!err && r->ask->mode == IL_REPLAY_INSERT)
        err = insert(r, part);
    if (!err && r->ask->mode == IL_REPLAY_UPDATE)
        err = update(r, part, mends);
    return err;
}

/* --- what is not delivered today ------------------------------------------ */

int
replay_key(struct replay *r, struct il_batch *b, uint32_t i,
           struct il_text *out)
{
    const struct il_value *values, *v;
    out->len = 0;
    if (il_row_read(r->enc.row, b, i, &values))
        return -ENOENT;
    v = &values[r->plan->unique];
    if (v->type != IL_STRING || memchr(v->str, 0, v->len)
        || il_text_reserve(r->pg->host, out, v->len + 1))
        return -ENOENT;
    memcpy(out->data, v->str, v->len);
    out->data[v->len] = 0;
    return 0;
}

/* `where KEY in (...)` of all that are not live; how many. */
static uint32_t
where_absent(struct replay *r, struct sql *s, struct il_batch *b)
{
    struct il_text *id = il_text_new(r->pg->host);
    uint32_t n = 0;
    sql_printf(s, " from %s where ", r->pg->opt.table.quoted);
    sql_ident(s, unique_name(r));
    for (uint32_t i = 0; id && i < il_batch_count(b); i++) {
        if (il_live(b, i) || replay_key(r, b, i, id))
            continue;
        sql_printf(s, "%s", n++ ? ", " : " in (");
        sql_literal(s, id->data);
    }
    if (n)
        sql_printf(s, ")");
    if (!id)
        s->err = -ENOMEM;
    else
        il_text_free(r->pg->host, id);
    return n;
}

int
replay_absent(struct replay *r, struct il_batch *b)
{
    struct sql *s = &r->link.sql;
    uint64_t n;
    sql_clear(s);
    sql_printf(s, "select count(*)");
    if (!where_absent(r, s, b))
        return s->err;
    if (number(r, &n))
        return -1;
    r->ask->only_there += n;
    if (!n || !samples_left(r, REPLAY_ONLY_THERE))
        return 0;
    sql_clear(s);
    sql_printf(s, "select ");
    sql_ident(s, unique_name(r));
    sql_printf(s, "::text");
    where_absent(r, s, b);
    return sample_each(r, REPLAY_ONLY_THERE);
}
