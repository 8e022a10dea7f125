/* SPDX-License-Identifier: MIT */
/* The transaction that brings a batch in, or one connection's part of it:
 *
 *   begin; update rows of the lane; savepoint; copy ... from stdin   1st trip
 *   rows                                                             2nd trip
 *   is the table still what the rows were made for?; commit          3rd trip
 *
 * Nothing outlives the transaction, so it works through a pooler that hands
 * out connections by the transaction. */
#include "pg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REDO = COPY_REDO,
    CAREFUL = COPY_CAREFUL,
    MERGE = COPY_MERGE,
    DATA /* a row does not fit */
};

#define RUN_ENOUGH (1u << 20) /* more rows than a batch has */

enum stage { NOT_BEGUN, FILLED, FAILED };

struct txn {
    struct conn *conn;
    struct link *link; /* of it */
    struct job *job;
    uint32_t lane_rows; /* that the position's update has to hit */
    enum stage stage;   /* of the savepoint */
    int careful;        /* deferred constraints after each run of rows */
    int same_table;     /* seen after the first failure */
    uint32_t rejected;
};

static const char binary_head[19] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
static const char binary_tail[2] = "\377\377";

static void
column_list(struct sql *s, const struct plan *plan, uint32_t omitted)
{
    const char *comma = "";
    for (uint32_t k = 0; k < plan->count; k++) {
        const struct column *c = &plan->columns[k];
        if (c->optional >= 0 && (omitted >> c->optional & 1))
            continue;
        sql_printf(s, "%s", comma);
        sql_ident(s, c->name);
        comma = ", ";
    }
}

/* Text without a zone, and dates that only Postgres can read, mean the same
 * whatever the role's settings are; and a commit is a commit: without a flush
 * the local cursor would get ahead of what a crash leaves. */
static void
begin_sql(struct txn *t, struct sql *s)
{
    const struct pg *pg = t->conn->pg;
    sql_printf(s, "begin isolation level read committed; ");
    if (pg->opt.statement_timeout_ms)
        sql_printf(s, "set local statement_timeout = %u; ",
                   pg->opt.statement_timeout_ms);
    if (pg->opt.lock_timeout_ms)
        sql_printf(s, "set local lock_timeout = %u; ", pg->opt.lock_timeout_ms);
    if (t->conn->sync_off)
        sql_printf(s, "set local synchronous_commit = on; ");
    if (!t->job->binary)
        sql_printf(s, "set local timezone = 'UTC'; "
                      "set local datestyle = 'ISO, YMD'; ");
    if (pg->lanes.mode == PG_MODE_LANES)
        t->lane_rows = lanes_update_sql(&pg->lanes, s, t->job);
}

/* Through a temporary table, and what is there already stays as it is? */
static int
staged(const struct txn *t)
{
    return t->conn->pg->lanes.mode == PG_MODE_UNIQUE || t->job->merge;
}

static void
stage_sql(struct txn *t, struct sql *s)
{
    sql_printf(s, "create temp table ingestlayer_stage on commit drop as"
                  " select ");
    column_list(s, t->job->plan, 0);
    sql_printf(s, " from %s with no data; ", t->link->opt->table.quoted);
}

static void
copy_sql(struct txn *t, struct sql *s, uint32_t omitted)
{
    int stage = staged(t);
    switch (t->stage) {
    case NOT_BEGUN:
        begin_sql(t, s);
        if (stage)
            stage_sql(t, s);
        sql_printf(s, "savepoint il; ");
        break;
    case FILLED:
        if (stage)
            sql_printf(s, "truncate pg_temp.ingestlayer_stage; ");
        sql_printf(s, "release savepoint il; savepoint il; ");
        break;
    case FAILED:
        sql_printf(s, "rollback to savepoint il; ");
    }
    sql_printf(s, "copy %s (",
               stage ? "pg_temp.ingestlayer_stage"
                     : t->link->opt->table.quoted);
    column_list(s, t->job->plan, omitted);
    sql_printf(s, ") from stdin%s", t->job->binary ? " (format binary)" : "");
}

/* A row of the lane was not where it should be: see why. */
static int
moved(struct txn *t)
{
    struct link *l = t->link;
    link_rollback(l);
    return lanes_check(&t->conn->pg->lanes, l, t->job) ? -1 : REDO;
}

/* Were the lane's rows updated?  Other statements: yes. */
static int
hit(const struct txn *t, PGresult *res)
{
    return strncmp(PQcmdStatus(res), "UPDATE", 6) != 0
           || strtoul(PQcmdTuples(res), NULL, 10) == t->lane_rows;
}

/* Send statements up to COPY and see them through.  0, REDO, DATA or -1. */
static int
open_copy(struct txn *t, const char *sql)
{
    struct link *l = t->link;
    int err, ok = 1;
    if (link_send(l, sql))
        return -1;
    for (;;) {
        PGresult *res = link_result(l, &err);
        if (err) {
            struct fault kept = l->fault;
            if (!kept.lost && link_finish(l) && l->fault.lost)
                return -1;
            l->fault = kept;
            return -1;
        }
        if (!res)
            return ok ? 0 : moved(t);
        ok &= hit(t, res);
        int copying = PQresultStatus(res) == PGRES_COPY_IN;
        PQclear(res);
        if (copying && ok)
            return 0;
        if (copying) {
            PQputCopyEnd(l->db, "the lane's row has moved");
            link_finish(l);
            return l->fault.lost ? -1 : moved(t);
        }
    }
}

static int
send_rows(struct txn *t, uint32_t lo, uint32_t hi)
{
    struct link *l = t->link;
    const struct job *job = t->job;
    size_t from = lo ? job->rows[lo - 1].end : 0, to = job->rows[hi - 1].end;
    if (job->binary && link_copy_data(l, binary_head, sizeof binary_head))
        return -1;
    if (link_copy_data(l, job->wire->data + from, to - from))
        return -1;
    if (job->binary && link_copy_data(l, binary_tail, sizeof binary_tail))
        return -1;
    return link_copy_end(l) || link_finish(l) ? -1 : 0;
}

static int
unstage(struct txn *t, uint32_t omitted)
{
    struct pg *pg = t->conn->pg;
    struct sql *s = &t->link->sql;
    sql_clear(s);
    sql_printf(s, "insert into %s (", pg->opt.table.quoted);
    column_list(s, t->job->plan, omitted);
    sql_printf(s, ") select ");
    column_list(s, t->job->plan, omitted);
    sql_printf(s, " from pg_temp.ingestlayer_stage on conflict (");
    sql_ident(s, pg->opt.unique_column);
    sql_printf(s, ") do nothing");
    return link_exec(t->link, sql_str(s), NULL);
}

/* Bring rows lo to hi in, behind a savepoint.  0, REDO, DATA or -1. */
static int
try_rows(struct txn *t, const struct part *part, uint32_t lo, uint32_t hi)
{
    struct link *l = t->link;
    struct sql *s = &l->sql;
    sql_clear(s);
    copy_sql(t, s, part->omitted);
    int err = open_copy(t, sql_str(s));
    if (err)
        return err;
    err = send_rows(t, lo, hi);
    if (!err && staged(t))
        err = unstage(t, part->omitted);
    if (!err && t->careful)
        err = link_exec(l,
                        "set constraints all immediate; "
                        "set constraints all deferred",
                        NULL);
    t->stage = err ? FAILED : FILLED;
    if (!err)
        return 0;
    return !l->fault.lost && l->fault.action == PG_ACT_REJECT ? DATA : -1;
}

/* The number after "COPY table, line", whatever the language of the server;
 * 0: none.  It is a hint: a row is refused only after it failed alone.
 * *rest gets what follows it. */
static uint32_t
context_line(const struct txn *t, const char *context, const char **rest)
{
    const char *copy = context, *table = staged(t) ? "ingestlayer_stage"
                                                   : t->link->opt->table.table;
    while ((copy = strstr(copy, "COPY ")) != NULL) {
        copy += 5;
        if (strncmp(copy, table, strlen(table)) != 0)
            continue;
        const char *p = copy + strlen(table);
        p += strcspn(p, "0123456789\n");
        char *end;
        unsigned long n = strtoul(p, &end, 10);
        *rest = end;
        return end > p && n <= UINT32_MAX ? (uint32_t) n : 0;
    }
    return 0;
}

/* The column that "..., column NAME: ..." after the line number speaks of. */
static const char *
context_column(const struct plan *plan, const char *rest)
{
    const char *best = NULL;
    if (*rest != ',' || (rest = strchr(rest + 2, ' ')) == NULL)
        return NULL;
    rest++;
    for (uint32_t k = 0; k < plan->count; k++) {
        const char *name = plan->columns[k].name;
        size_t n = strlen(name);
        if (strncmp(rest, name, n) == 0
            && (!rest[n] || rest[n] == ':' || rest[n] == '\n')
            && (!best || n > strlen(best)))
            best = name;
    }
    return best;
}

static void
refuse_row(struct txn *t, uint32_t row)
{
    struct link *l = t->link;
    const struct fault *f = &l->fault;
    const char *rest = "", *column = *f->column ? f->column : NULL;
    context_line(t, f->context, &rest);
    if (!column)
        column = context_column(t->job->plan, rest);
    struct il_reason why = { .code = f->code,
                             .message = f->message,
                             .field = column,
                             .rule = *f->constraint ? f->constraint : NULL };
    pthread_mutex_lock(&t->job->of->lock);
    il_reject(t->job->batch, t->job->rows[row].event, &why);
    pthread_mutex_unlock(&t->job->of->lock);
    t->rejected++;
}

/* Is the table another one than the rows were made for?  1, 0 or -1. */
static int
table_changed(struct link *l, const struct plan *plan)
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
look_again(struct txn *t)
{
    struct link *l = t->link;
    struct fault kept = l->fault;
    if (t->same_table)
        return 0;
    int changed = table_changed(l, t->job->plan);
    if (changed < 0)
        return -1;
    if (changed) {
        link_rollback(l);
        return REDO;
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
came_before(const struct txn *t)
{
    return il_batch_id(t->job->batch) <= t->conn->pg->lanes.given
           && t->job->plan->has_unique && !staged(t)
           && strcmp(t->link->fault.code, "23505") == 0;
}

/* Bring a part in, and find the rows that do not fit.
 *
 * The line number in an error splits the run: the rows before it go in, then
 * the accused goes alone.  Without one the run is halved.  The length of the
 * next run follows the last good one, so that many bad rows cost a bounded
 * number of rows sent again, and few cost next to nothing. */
static int
bring_part(struct txn *t, const struct part *part)
{
    uint32_t at = part->first, size = part->end - at, good = 0;
    uint32_t most = t->conn->run_max ? t->conn->run_max : size;
    int accused = 0;
    while (at < part->end) {
        if (size > most)
            size = most;
        uint32_t n = size < part->end - at ? size : part->end - at;
        int err = try_rows(t, part, at, at + n);
        if (err < 0)
            slow_run(t->conn, n);
        if (err < 0 || err == REDO)
            return err;
        if (err && came_before(t)) {
            link_rollback(t->link);
            return MERGE;
        }
        if (!err) {
            at += n;
            good += n;
            size = accused ? 1 : n > UINT32_MAX / 2 ? n : 2 * n;
            accused = 0;
            continue;
        }
        if ((err = look_again(t)) != 0)
            return err;
        if (n == 1) {
            refuse_row(t, at++);
            size = good ? 2 * good : 1;
            good = 0;
            accused = 0;
            continue;
        }
        const char *rest;
        uint32_t line = context_line(t, t->link->fault.context, &rest);
        accused = line > 1 && line <= n;
        size = line == 1 ? 1 : accused ? line - 1 : n / 2;
    }
    return 0;
}

/* Nothing but the lane's rows: every event was dropped or does not fit. */
static int
bring_nothing(struct txn *t)
{
    struct sql *s = &t->link->sql;
    sql_clear(s);
    begin_sql(t, s);
    int err = open_copy(t, sql_str(s));
    if (!err)
        t->stage = FILLED;
    return err;
}

static int
bring_rows(struct txn *t)
{
    int err = 0;
    if (!t->job->row_count)
        return bring_nothing(t);
    for (uint32_t i = 0; i < t->job->part_count && !err; i++)
        err = bring_part(t, &t->job->parts[i]);
    if (!err && t->stage == FAILED)
        err = link_exec(t->link, "rollback to savepoint il", NULL);
    return err;
}

/* The cast fails, and the commit with it, when the table has changed since the
 * rows were made: bytes of one type are never stored as another's, and nothing
 * is refused that would fit the table as it is. */
static void
commit_sql(struct txn *t, struct sql *s)
{
    if (t->job->row_count || t->job->misfits) {
        sql_printf(s,
                   "select case when s = '%s' then 0 else (s || "
                   "' is not the table these rows were made for')::int"
                   " end from (",
                   t->job->plan->signature);
        plan_signature_sql(t->link->opt, s);
        sql_printf(s, ") x (s); ");
    }
    sql_printf(s, "commit");
}

/* The letters of the whole batch: those of other connections, whose parts may
 * not have been committed yet, are made again as often as it takes. */
static int
prepare(struct txn *t)
{
    pthread_mutex_lock(&t->job->of->lock);
    int err = il_prepare(t->job->batch);
    pthread_mutex_unlock(&t->job->of->lock);
    if (err >= 0)
        return 0;
    link_rollback(t->link);
    fault_set(&t->link->fault, PG_ACT_RETRY,
              "the dead letters of the batch cannot be written");
    return -1;
}

/* 0, REDO or -1; conn->doubt is set where the answer was lost. */
static int
commit(struct txn *t)
{
    struct link *l = t->link;
    int lanes = t->conn->pg->lanes.mode == PG_MODE_LANES;
    int err, committed = 0, failed = 0;
    struct fault first = { 0 };
    sql_clear(&l->sql);
    commit_sql(t, &l->sql);
    if (prepare(t))
        return -1;
    t->conn->doubt = lanes;
    if (link_send(l, sql_str(&l->sql)))
        return -1;
    for (;;) {
        PGresult *res = link_result(l, &err);
        if (err && !failed++)
            first = l->fault;
        if (res)
            committed = strcmp(PQcmdStatus(res), "COMMIT") == 0;
        PQclear(res);
        if (err ? l->fault.lost : !res)
            break;
    }
    if (failed || !committed) {
        if (!failed)
            fault_set(&first, PG_ACT_RETRY, "Postgres rolled back");
        first.lost |= failed && l->fault.lost;
        t->conn->doubt = first.lost && lanes;
        l->fault = first;
        return -1;
    }
    t->conn->doubt = 0;
    return 0;
}

/* The rows of the job's connections are at its end. */
static void
advance(struct pg *pg, const struct job *job)
{
    uint64_t last = il_batch_last(job->batch);
    pthread_mutex_lock(&pg->shared.lock);
    for (uint32_t k = job->first; k < job->end; k++)
        if (pg->lanes.positions[k] < last)
            pg->lanes.positions[k] = last;
    pthread_mutex_unlock(&pg->shared.lock);
}

static void
count(struct pg *pg, const struct txn *t)
{
    const struct job *job = t->job;
    il_count(pg->host, pg->counts.rows, job->row_count - t->rejected);
    il_count(pg->host, pg->counts.rejects, job->misfits + t->rejected);
    il_count(pg->host, pg->counts.replaced, job->replaced);
    il_count(pg->host, pg->counts.sent, t->link->bytes);
    t->link->bytes = 0;
}

int
copy_transact(struct conn *c, struct job *job, int careful)
{
    struct link *l = &c->link;
    struct txn t = { .conn = c, .link = l, .job = job, .careful = careful };
    int err = bring_rows(&t);
    job->refused = t.rejected;
    if (!err)
        err = commit(&t);
    if (!err) {
        advance(c->pg, job);
        c->run_max = c->run_max < RUN_ENOUGH ? c->run_max * 2 : 0;
        count(c->pg, &t);
        return 0;
    }
    if (err == REDO || err == MERGE)
        return err;
    struct fault kept = l->fault;
    link_rollback(l);
    /* A refusal may come from a table that is not the one it was.  At COMMIT
     * it may also come from a deferred constraint. */
    if (!kept.lost && l->db && kept.action != PG_ACT_FENCED && *kept.code
        && (job->row_count || job->misfits)) {
        int changed = table_changed(l, job->plan);
        if (changed > 0)
            return REDO;
        if (!changed && kept.action == PG_ACT_REJECT && !careful)
            return CAREFUL;
    }
    l->fault = kept;
    return -1;
}
