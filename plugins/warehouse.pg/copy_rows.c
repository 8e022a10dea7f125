/* SPDX-License-Identifier: MIT */
/* Runs of rows: each goes in behind a savepoint, by one COPY.  One that fails
 * is made shorter until the row that is to blame stands alone. */
#include "copy.h"

#include "conflict.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char binary_head[19] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
static const char binary_tail[2] = "\377\377";

void
copy_columns_sql(struct sql *s, const struct plan *plan,
                 const uint64_t *omitted)
{
    const char *comma = "";
    for (uint32_t k = 0; k < plan->count; k++) {
        const struct column *c = &plan->columns[k];
        if (plan_left_out(c, omitted))
            continue;
        sql_printf(s, "%s", comma);
        sql_ident(s, c->name);
        comma = ", ";
    }
}

/* Rows that may be there already, by their event or by their key, and what takes
 * no COPY go through a temporary table. */
static int
is_staged(const struct copy_txn *t, const struct part *part)
{
    return part->merge || t->job->plan->insert_only || t->job->plan->conflict;
}

static int
any_staged(const struct copy_txn *t)
{
    int any = 0;
    for (uint32_t i = 0; i < t->job->part_count; i++)
        any |= is_staged(t, &t->job->parts[i]);
    return any;
}

/* With the types of the columns, but not made from the table: that would need
 * the right to select. */
void
copy_stage_sql(struct sql *s, const struct plan *plan)
{
    if (plan->row_security)
        sql_printf(s, "set local row_security = on; ");
    sql_printf(s, "create temp table ingestlayer_stage (%s",
               plan->conflict ? "\"il row\" int4, " : "");
    for (uint32_t k = 0; k < plan->count; k++) {
        sql_printf(s, "%s", k ? ", " : "");
        sql_ident(s, plan->columns[k].name);
        sql_printf(s, " %s", plan->columns[k].sql_type);
    }
    sql_printf(s, ") on commit drop; ");
}

/* The columns of the rows as they are sent: with on_conflict all rows have all,
 * behind a number, so that one COPY brings those of all runs. */
static void
copy_fields_sql(struct sql *s, const struct job *job, const struct part *part)
{
    if (job->numbered)
        sql_printf(s, "\"il row\", ");
    copy_columns_sql(s, job->plan, job->numbered ? NULL : part->omitted);
}

static void
copy_sql(struct copy_txn *t, struct sql *s)
{
    int stage = t->staged;
    switch (t->stage) {
    case COPY_NOT_BEGUN:
        copy_begin_sql(t, s);
        if (any_staged(t))
            copy_stage_sql(s, t->job->plan);
        sql_printf(s, "savepoint il; ");
        break;
    case COPY_FILLED:
        if (stage)
            sql_printf(s, "truncate pg_temp.ingestlayer_stage; ");
        sql_printf(s, "release savepoint il; savepoint il; ");
        break;
    case COPY_FAILED:
        sql_printf(s, "rollback to savepoint il; ");
    }
    sql_printf(s, "copy %s (",
               stage ? "pg_temp.ingestlayer_stage"
                     : t->link->opt->table.quoted);
    copy_fields_sql(s, t->job, t->part);
    sql_printf(s, ") from stdin%s", t->job->binary ? " (format binary)" : "");
}

/* Behind a COPY that has begun. */
static int
send_rows(struct link *l, const struct job *job, uint32_t lo, uint32_t hi)
{
    size_t from = lo ? job->rows[lo - 1].end : 0, to = job->rows[hi - 1].end;
    if (job->binary && link_copy_data(l, binary_head, sizeof binary_head))
        return -1;
    if (link_copy_data(l, job->wire->data + from, to - from))
        return -1;
    if (job->binary && link_copy_data(l, binary_tail, sizeof binary_tail))
        return -1;
    return link_copy_end(l) || link_finish(l) ? -1 : 0;
}

int
copy_send(struct link *l, const char *sql, const struct job *job, uint32_t lo,
          uint32_t hi)
{
    int err = sql ? link_send(l, sql) : link_no_memory(l);
    for (PGresult *res; !err && (res = link_result(l, &err)); PQclear(res))
        if (PQresultStatus(res) == PGRES_COPY_IN) {
            PQclear(res);
            return send_rows(l, job, lo, hi);
        }
    return err ? link_finish_failed(l) : -1;
}

/* Which rows of the run have the unique value of one that is there, but are not
 * that row?  They are of other events. */
static int
read_others(struct copy_txn *t)
{
    const struct plan *plan = t->job->plan;
    const char *unique = plan->columns[plan->unique].name;
    struct sql *s = &t->link->sql;
    const char * or = "";
    if (!plan->can_select || plan->count < 2)
        return 0;
    sql_clear(s);
    sql_printf(s,
               "select s.\"il row\" from (select *, pg_catalog.row_number()"
               " over (order by ctid) as \"il row\" from"
               " pg_temp.ingestlayer_stage) s join %s t on t.",
               t->link->opt->table.quoted);
    sql_ident(s, unique);
    sql_printf(s, " = s.");
    sql_ident(s, unique);
    if (plan->key < plan->count) {
        sql_printf(s, " and t.");
        sql_ident(s, plan->columns[plan->key].name);
        sql_printf(s, " = s.");
        sql_ident(s, plan->columns[plan->key].name);
    }
    sql_printf(s, " where ");
    for (uint32_t k = 0; k < plan->count; k++) {
        if (plan_left_out(&plan->columns[k], t->part->omitted))
            continue;
        sql_printf(s, "%ss.", or);
        sql_ident(s, plan->columns[k].name);
        sql_printf(s, "::text is distinct from t.");
        sql_ident(s, plan->columns[k].name);
        sql_printf(s, "::text");
        or = " or ";
    }
    return link_exec(t->link, sql_str(s), &t->others);
}

/* How many rows did the statements write, and how many of them insert? */
static int
written(struct link *l, uint32_t *rows, uint32_t *inserts)
{
    int err;
    PGresult *res;
    *rows = *inserts = 0;
    if (link_send(l, sql_str(&l->sql)))
        return -1;
    while ((res = link_result(l, &err)) != NULL) {
        *rows += (uint32_t) strtoul(PQcmdTuples(res), NULL, 10);
        *inserts += strncmp(PQcmdStatus(res), "INSERT", 6) == 0;
        PQclear(res);
    }
    return err ? link_finish_failed(l) : 0;
}

/* Append the statement that takes rows of a part out of the temporary table. */
static void
insert_sql(const struct copy_txn *t, struct sql *s, const struct part *part)
{
    const struct plan *plan = t->job->plan;
    sql_printf(s, "insert into %s%s (", t->link->opt->table.quoted,
               plan->conflict ? " as " CONFLICT_THERE : "");
    copy_columns_sql(s, plan, part->omitted);
    sql_printf(s, ") select ");
    copy_columns_sql(s, plan, part->omitted);
    sql_printf(s, " from pg_temp.ingestlayer_stage");
}

/* The same of rows lo to hi, of all that are there. */
static void
insert_run_sql(const struct copy_txn *t, struct sql *s, const struct part *part,
               uint32_t lo, uint32_t hi)
{
    insert_sql(t, s, part);
    if (lo || hi < t->job->row_count)
        sql_printf(s, " where \"il row\" >= %u and \"il row\" < %u", lo, hi);
    conflict_sql(t->link->opt, s, t->job->plan, part->omitted);
}

/* `rows` are in the temporary table. */
static int
unstage(struct copy_txn *t, uint32_t rows)
{
    const struct part *part = t->part;
    struct sql *s = &t->link->sql;
    if (part->merge && read_others(t))
        return -1;
    sql_clear(s);
    insert_sql(t, s, part);
    if (part->merge) {
        sql_printf(s, " on conflict (");
        plan_unique_sql(t->link->opt, s);
        sql_printf(s, ") do nothing");
    }
    if (!t->job->plan->conflict)
        return link_exec(t->link, sql_str(s), NULL);
    uint32_t n, inserts;
    conflict_sql(t->link->opt, s, t->job->plan, part->omitted);
    if (written(t->link, &n, &inserts))
        return -1;
    t->ignored += rows > n ? rows - n : 0;
    return 0;
}

static int
settle_constraints(const struct copy_txn *t)
{
    return t->careful ? link_exec(t->link,
                                  "set constraints all immediate; "
                                  "set constraints all deferred",
                                  NULL)
                      : 0;
}

static int
may_be_a_row(const struct copy_txn *t)
{
    return !t->link->fault.lost && t->link->fault.row ? COPY_DATA : -1;
}

#define PARTS_FOR_INDEX 4 /* a scan for each more costs more than an index */
#define PARTS_AT_ONCE 500 /* statements in one trip */

/* All rows of the job, into the temporary table: what may be refused there is no
 * row of any table. */
static int
load(struct copy_txn *t)
{
    struct link *l = t->link;
    struct sql *s = &l->sql;
    t->part = t->job->parts;
    t->staged = 1;
    sql_clear(s);
    copy_sql(t, s);
    int err = copy_open(t, sql_str(s));
    if (err)
        return err;
    err = send_rows(l, t->job, 0, t->job->row_count);
    if (!err && t->job->part_count > PARTS_FOR_INDEX)
        err = link_exec(l,
                        "create index on pg_temp.ingestlayer_stage (\"il "
                        "row\")",
                        NULL);
    t->stage = err ? COPY_FAILED : COPY_FILLED;
    if (!err)
        t->loaded = 1;
    else if ((err = may_be_a_row(t)) == COPY_DATA)
        t->by_run = 1;
    return err;
}

static void
begin_loaded_sql(const struct copy_txn *t, struct sql *s)
{
    sql_printf(s, t->stage == COPY_FAILED
                      ? "rollback to savepoint il; "
                      : "release savepoint il; savepoint il; ");
}

/* Rows lo to hi of what is loaded. */
static int
try_loaded(struct copy_txn *t, const struct part *part, uint32_t lo,
           uint32_t hi)
{
    struct sql *s = &t->link->sql;
    uint32_t n, inserts;
    sql_clear(s);
    begin_loaded_sql(t, s);
    insert_run_sql(t, s, part, lo, hi);
    int err = written(t->link, &n, &inserts);
    if (!err)
        err = settle_constraints(t);
    t->stage = err ? COPY_FAILED : COPY_FILLED;
    if (err)
        return may_be_a_row(t);
    t->ignored += hi - lo > n ? hi - lo - n : 0;
    return 0;
}

/* Parts lo to hi of what is loaded, in one trip and behind one savepoint.  As
 * copy_try(); *good: how many went in before the one that did not. */
static int
try_parts(struct copy_txn *t, uint32_t lo, uint32_t hi, uint32_t *good)
{
    struct sql *s = &t->link->sql;
    const struct part *parts = t->job->parts;
    uint32_t rows = parts[hi - 1].end - parts[lo].first, n;
    sql_clear(s);
    begin_loaded_sql(t, s);
    for (uint32_t i = lo; i < hi; i++) {
        sql_printf(s, i > lo ? "; " : "");
        insert_run_sql(t, s, &parts[i], parts[i].first, parts[i].end);
    }
    int err = written(t->link, &n, good);
    t->stage = err ? COPY_FAILED : COPY_FILLED;
    if (err)
        return may_be_a_row(t);
    t->good += rows;
    t->ignored += rows > n ? rows - n : 0;
    return 0;
}

/* Bring rows lo to hi in, behind a savepoint.  0, COPY_REDO, COPY_DATA or -1.
 */
int
copy_try(struct copy_txn *t, const struct part *part, uint32_t lo, uint32_t hi)
{
    struct link *l = t->link;
    struct sql *s = &l->sql;
    int err = 0;
    if (t->job->numbered && !t->loaded && !t->by_run)
        err = load(t);
    if (err < 0 || err == COPY_REDO)
        return err;
    if (t->loaded)
        return try_loaded(t, part, lo, hi);
    t->part = part;
    t->staged = is_staged(t, part);
    sql_clear(s);
    copy_sql(t, s);
    err = copy_open(t, sql_str(s));
    if (err)
        return err;
    err = send_rows(l, t->job, lo, hi);
    if (!err && t->staged)
        err = unstage(t, hi - lo);
    if (!err)
        err = settle_constraints(t);
    t->stage = err ? COPY_FAILED : COPY_FILLED;
    for (int i = 0; !err && t->others && i < PQntuples(t->others); i++)
        copy_refuse_other(t, lo + (uint32_t) atoi(PQgetvalue(t->others, i, 0))
                                 - 1);
    PQclear(t->others);
    t->others = NULL;
    return err ? may_be_a_row(t) : 0;
}

int
copy_table_changed(struct link *l, const struct plan *plan)
{
    struct sql *s = &l->sql;
    char now[64];
    sql_clear(s);
    if (PQtransactionStatus(l->db) == PQTRANS_INERROR)
        sql_printf(s, "rollback to savepoint il; ");
    plan_signature_sql(l->opt, s);
    if (link_text(l, sql_str(s), now, sizeof now))
        return -1;
    return strcmp(now, plan->signature) != 0;
}

/* After Postgres refused something: nothing is isolated before it is clear
 * that the rows were made for the table as it is. */
static int
look_again(struct copy_txn *t)
{
    struct link *l = t->link;
    struct fault kept = l->fault;
    if (t->same_table)
        return 0;
    int changed = copy_table_changed(l, t->job->plan);
    if (changed < 0)
        return -1;
    if (changed) {
        link_rollback(l);
        return COPY_REDO;
    }
    t->same_table = 1;
    l->fault = kept;
    return 0;
}

/* A run that its time-out ended would end like that for ever: the next one is
 * shorter.  The batch comes again as a whole. */
static void
slow_run(struct conn *c, uint32_t rows)
{
    const struct fault *f = &c->link.fault;
    if (rows > 1 && !f->lost && strcmp(f->code, "57014") == 0)
        c->run_max = rows / 2;
}

/* Is the refused row perhaps one that a process before this one wrote without
 * the lanes table, and died before it had noted it? */
static int
came_before(const struct copy_txn *t)
{
    const struct lanes *lanes = &t->conn->pg->lanes;
    return !t->job->plan->conflict && il_batch_id(t->job->batch) <= lanes->given
           && !t->job->merge && lanes->mode == PG_MODE_LANES
           && t->job->plan->has_unique
           && strcmp(t->link->fault.code, "23505") == 0;
}

/* Is there no partition for it, and may it be made?  That is tried once a
 * batch: what then still has none is a row that is to have none. */
static int
lacks_partition(const struct copy_txn *t)
{
    return t->conn->pg->opt.partition.create
           && fault_no_partition(&t->link->fault)
           && t->conn->parted != il_batch_id(t->job->batch);
}

/* The same, where a row of several events may hide which of them is wrong. */
static int
refused(struct copy_txn *t)
{
    int err = look_again(t);
    if (err || !t->job->folded || t->job->apart)
        return err;
    link_rollback(t->link);
    return COPY_APART;
}

/* Bring a part in, and find the rows that do not fit.
 *
 * The line number in an error splits the run: the rows before it go in, then
 * the accused goes alone.  Without one the run is halved.  The length of the
 * next run follows the last good one, so that many bad rows cost a bounded
 * number of rows sent again, and few cost next to nothing. */
static int
bring_part(struct copy_txn *t, const struct part *part)
{
    uint32_t at = part->first, size = part->end - at, good = 0;
    uint32_t most = t->conn->run_max ? t->conn->run_max : size;
    int accused = 0;
    while (at < part->end) {
        if (size > most)
            size = most;
        uint32_t n = size < part->end - at ? size : part->end - at;
        int err = copy_try(t, part, at, at + n);
        if (err < 0)
            slow_run(t->conn, n);
        if (err < 0 || err == COPY_REDO)
            return err;
        if (err && lacks_partition(t)) {
            link_rollback(t->link);
            return COPY_PARTITION;
        }
        if (err && came_before(t)) {
            link_rollback(t->link);
            return COPY_MERGE;
        }
        if (!err) {
            at += n;
            good += n;
            t->good += n;
            size = accused ? 1 : n > UINT32_MAX / 2 ? n : 2 * n;
            accused = 0;
            continue;
        }
        if ((err = refused(t)) != 0)
            return err;
        if (n == 1) {
            copy_refuse(t, at++);
            size = good ? 2 * good : 1;
            good = 0;
            accused = 0;
            continue;
        }
        const char *rest;
        uint32_t line = copy_context_line(t, &rest);
        accused = line > 1 && line <= n;
        size = line == 1 ? 1 : accused ? line - 1 : n / 2;
    }
    return 0;
}

/* Nothing but the lane's rows: every event was dropped or does not fit. */
static int
bring_nothing(struct copy_txn *t)
{
    struct sql *s = &t->link->sql;
    sql_clear(s);
    copy_begin_sql(t, s);
    int err = copy_open(t, sql_str(s));
    if (!err)
        t->stage = COPY_FILLED;
    return err;
}

/* Many parts, as many in a trip as went in before: Postgres says which of them
 * was refused, and that one is looked at by itself. */
static int
bring_parts(struct copy_txn *t)
{
    const struct job *job = t->job;
    uint32_t at = 0, size = PARTS_AT_ONCE, good;
    int err = t->loaded ? 0 : load(t);
    if (err == COPY_DATA)
        return 0; /* nothing is in, and runs are copied one by one */
    while (!err && at < job->part_count) {
        uint32_t left = job->part_count - at, n = size < left ? size : left;
        err = try_parts(t, at, at + n, &good);
        if (err < 0)
            slow_run(t->conn, job->row_count);
        if (!err) {
            at += n;
            size = size < PARTS_AT_ONCE / 2 ? 2 * size : PARTS_AT_ONCE;
        }
        if (err != COPY_DATA || (err = refused(t)) != 0)
            continue;
        if (good)
            err = try_parts(t, at, at + good, &n);
        at += good;
        if (!err)
            err = bring_part(t, &job->parts[at++]);
        size = good ? 2 * good : 1;
    }
    return err;
}

/* Is it worth it, and possible? */
static int
in_parts(const struct copy_txn *t)
{
    return t->job->numbered && t->job->part_count > 1 && !t->careful
           && !t->conn->run_max && !t->by_run;
}

int
copy_rows(struct copy_txn *t)
{
    uint32_t at = 0;
    int err = 0;
    if (!t->job->row_count)
        return bring_nothing(t);
    if (in_parts(t) && ((err = bring_parts(t)) != 0 || t->loaded))
        at = t->job->part_count;
    for (; at < t->job->part_count && !err; at++)
        err = bring_part(t, &t->job->parts[at]);
    if (!err)
        err = copy_verdict(t);
    if (!err && t->stage == COPY_FAILED)
        err = link_exec(t->link, "rollback to savepoint il", NULL);
    return err;
}
