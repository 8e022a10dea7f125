/* SPDX-License-Identifier: MIT */
/* The transaction that brings a job in, from its beginning to its COMMIT. */
#include "copy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN_ENOUGH (1u << 20) /* more rows than a batch has */

/* Text without a zone, and dates that only Postgres can read, mean the same
 * whatever the role's settings are; and a commit is a commit: without a flush
 * the local cursor would get ahead of what a crash leaves. */
void
copy_begin_sql(struct copy_txn *t, struct sql *s)
{
    const struct pg *pg = t->conn->pg;
    link_begin_sql(t->link, s, pg->opt.lock_timeout_ms);
    if (t->conn->sync_off)
        sql_printf(s, "set local synchronous_commit = on; ");
    if (!t->job->binary)
        sql_printf(s, "set local timezone = 'UTC'; "
                      "set local datestyle = 'ISO, YMD'; "
                      "set local intervalstyle = 'postgres'; "
                      "set local array_nulls = on; "
                      "set local xmloption = 'content'; ");
    if (pg->lanes.mode == PG_MODE_LANES && !t->probing)
        t->lane_rows = lanes_update_sql(&pg->lanes, s, t->job);
}

/* A row of the lane was not where it should be: see why. */
static int
moved(struct copy_txn *t)
{
    struct link *l = t->link;
    link_rollback(l);
    return lanes_check(&t->conn->pg->lanes, l, t->job) ? -1 : COPY_REDO;
}

/* Were the lane's rows updated?  Other statements: yes. */
static int
hit(const struct copy_txn *t, PGresult *res)
{
    return strncmp(PQcmdStatus(res), "UPDATE", 6) != 0
           || strtoul(PQcmdTuples(res), NULL, 10) == t->lane_rows;
}

int
copy_open(struct copy_txn *t, const char *sql)
{
    struct link *l = t->link;
    int err, ok = 1;
    if (link_send(l, sql))
        return -1;
    for (;;) {
        PGresult *res = link_result(l, &err);
        if (err)
            return link_finish_failed(l);
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

/* The cast fails, and the commit with it, when the table has changed since the
 * rows were made: bytes of one type are never stored as another's, and nothing
 * is refused that would fit the table as it is. */
static void
commit_sql(struct copy_txn *t, struct sql *s)
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
prepare(struct copy_txn *t)
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

/* Without the lanes table: these events may be in from here on.  Keeps in `was`
 * what was said before. */
static void
mark_sent(struct copy_txn *t, uint64_t was[])
{
    struct lanes *lanes = &t->conn->pg->lanes;
    uint64_t last = il_batch_last(t->job->batch);
    pthread_mutex_lock(lanes->lock);
    for (uint32_t k = t->job->first; k < t->job->end; k++) {
        was[k] = lanes->sent[k];
        if (lanes->sent[k] < last)
            lanes->sent[k] = last;
    }
    pthread_mutex_unlock(lanes->lock);
}

/* Postgres said that it did not commit. */
static void
unmark_sent(struct copy_txn *t, const uint64_t was[])
{
    struct lanes *lanes = &t->conn->pg->lanes;
    pthread_mutex_lock(lanes->lock);
    for (uint32_t k = t->job->first; k < t->job->end; k++)
        lanes->sent[k] = was[k];
    pthread_mutex_unlock(lanes->lock);
}

/* 0, COPY_REDO or -1; conn->doubt is set where the answer was lost. */
static int
commit(struct copy_txn *t)
{
    struct link *l = t->link;
    int lanes = t->conn->pg->lanes.mode == PG_MODE_LANES;
    int err, committed = 0, failed = 0;
    struct fault first = { 0 };
    uint64_t was[PG_CONNECTIONS_MAX];
    sql_clear(&l->sql);
    commit_sql(t, &l->sql);
    if (prepare(t))
        return -1;
    mark_sent(t, was);
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
        if (!first.lost)
            unmark_sent(t, was);
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

/* So that `status` says it, too: an event that leaves the table as it was is no
 * secret. */
static void
say_ignored(struct pg *pg, uint32_t folded, uint32_t ignored)
{
    if (!folded && !ignored)
        return;
    pthread_mutex_lock(&pg->shared.lock);
    uint64_t f = pg->shared.folded += folded, i = pg->shared.ignored += ignored;
    pthread_mutex_unlock(&pg->shared.lock);
    il_status(
        pg->host,
        "since the start %llu events were ignored, as on_conflict has it, "
        "and %llu went in with a later one of their key",
        (unsigned long long) i, (unsigned long long) f);
}

static void
count(struct pg *pg, const struct copy_txn *t)
{
    const struct job *job = t->job;
    il_counter_add(pg->host, pg->counts.rows,
                   job->row_count - t->rejected - t->ignored);
    il_counter_add(pg->host, pg->counts.folded, job->folded);
    il_counter_add(pg->host, pg->counts.ignored, job->ignored + t->ignored);
    if (job->plan && job->plan->conflict)
        say_ignored(pg, job->folded, job->ignored + t->ignored);
    il_counter_add(pg->host, pg->counts.rejects, job->misfits + t->rejected);
    il_counter_add(pg->host, pg->counts.replaced, job->replaced);
    il_counter_add(pg->host, pg->counts.sent, t->link->bytes);
    t->link->bytes = 0;
}

int
copy_transact(struct conn *c, struct job *job, int careful)
{
    struct link *l = &c->link;
    struct copy_txn t = {
        .conn = c, .link = l, .job = job, .careful = careful
    };
    int err = copy_rows(&t);
    job->refused = t.rejected;
    if (!err)
        err = commit(&t);
    if (!err) {
        if (t.good)
            snprintf(c->good_for, sizeof c->good_for, "%s",
                     job->plan->signature);
        advance(c->pg, job);
        c->run_max = c->run_max < RUN_ENOUGH ? c->run_max * 2 : 0;
        count(c->pg, &t);
        return 0;
    }
    if (err == COPY_REDO || err == COPY_MERGE || err == COPY_APART
        || err == COPY_PARTITION)
        return err;
    struct fault kept = l->fault;
    link_rollback(l);
    /* A refusal may come from a table that is not the one it was.  At COMMIT
     * it may also come from a deferred constraint. */
    if (!kept.lost && l->db && kept.action != PG_ACT_FENCED && *kept.code
        && (job->row_count || job->misfits)) {
        int changed = copy_table_changed(l, job->plan);
        if (changed > 0)
            return COPY_REDO;
        if (!changed && kept.row && !careful)
            return COPY_CAREFUL;
    }
    l->fault = kept;
    return -1;
}

/* So many rows are tried by themselves where none has gone in so far: each
 * costs a line in the log of Postgres. */
#define PROBE_ROWS 64
#define PROBE_PARTS 8 /* and so many runs before them */

static const struct part *
part_of(const struct job *job, uint32_t row)
{
    const struct part *part = job->parts;
    while (row >= part->end)
        part++;
    return part;
}

int
copy_probe(struct conn *c, struct job *job, uint32_t from)
{
    struct copy_txn t = {
        .conn = c, .link = &c->link, .job = job, .probing = 1
    };
    uint32_t n = job->row_count;
    int err = COPY_DATA;
    for (uint32_t i = 0; i < job->part_count && i < PROBE_PARTS; i++) {
        const struct part *part = &job->parts[i];
        if (err == COPY_DATA && part->end > part->first)
            err = copy_try(&t, part, part->first, part->end);
    }
    for (uint32_t i = 0; i < n && i < PROBE_ROWS && err == COPY_DATA; i++) {
        uint32_t row = (from + i) % n;
        err = copy_try(&t, part_of(job, row), row, row + 1);
    }
    link_rollback(&c->link);
    return err < 0 ? -1 : err == 0;
}
