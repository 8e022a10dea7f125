/* SPDX-License-Identifier: MIT */
/* The table of positions.  The row of a connection is updated in the
 * transaction that brings its rows in, so the two can never disagree; and since
 * the update names the epoch of this process, a second process that has taken
 * the lane over makes it hit no row: the fence. */
#include "lanes.h"

#include "ddl.h"
#include "job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ` where spool = '...'`. */
void
lanes_where(const struct lanes *lanes, struct sql *s)
{
    sql_printf(s, " where spool = '%s'", lanes->spool);
}

/* One connection has the lane's own name, as it always had; of several each has
 * "LANE (2 of 4)". */
void
lanes_name(const struct lanes *lanes, struct sql *s, uint32_t k, uint32_t n)
{
    char which[32];
    sql_literal(s, lanes->name);
    if (n == 1)
        return;
    snprintf(which, sizeof which, " (%u of %u)", k + 1, n);
    sql_printf(s, " || ");
    sql_literal(s, which);
}

int
lanes_parse(const struct lanes *lanes, const char *name, struct lanes_row *row)
{
    const char *lane = lanes->name;
    size_t len = strlen(lane);
    char which[32];
    *row = (struct lanes_row){ .k = 1, .n = 1 };
    if (strncmp(name, lane, len) != 0)
        return -EINVAL;
    if (name[len] && sscanf(name + len, " (%2u of %2u)", &row->k, &row->n) != 2)
        return -EINVAL;
    snprintf(which, sizeof which, " (%u of %u)", row->k, row->n);
    if ((name[len] && (row->n < 2 || strcmp(name + len, which) != 0))
        || row->n > PG_CONNECTIONS_MAX || !row->k || row->k > row->n)
        return -EINVAL;
    row->k--;
    return 0;
}

uint64_t
lanes_cell(const PGresult *res, int row, int column)
{
    return strtoull(PQgetvalue(res, row, column), NULL, 10);
}

/* ` and (lane = ... or lane = ...)`: the rows of the job's connections. */
static void
where_job(const struct lanes *lanes, struct sql *s, const struct job *job)
{
    const char * or = " and (";
    for (uint32_t k = job->first; k < job->end; k++) {
        sql_printf(s, "%slane = ", or);
        lanes_name(lanes, s, k, lanes->opt->connections);
        or = " or ";
    }
    sql_printf(s, ")");
}

uint32_t
lanes_update_sql(const struct lanes *lanes, struct sql *s,
                 const struct job *job)
{
    uint64_t last = il_batch_last(job->batch);
    const char * or = " and (";
    uint32_t rows = 0;
    sql_printf(s, "update %s set position = %llu", lanes->opt->lanes,
               (unsigned long long) last);
    lanes_where(lanes, s);
    for (uint32_t k = job->first; k < job->end; k++) {
        if (lanes->positions[k] >= last)
            continue;
        sql_printf(s, "%s(position = %llu and lane = ", or,
                   (unsigned long long) lanes->positions[k]);
        lanes_name(lanes, s, k, lanes->opt->connections);
        sql_printf(s, ")");
        or = " or ";
        rows++;
    }
    sql_printf(s, ") and epoch = %llu; ", (unsigned long long) lanes->epoch);
    return rows;
}

/* Does the table exist, and may this role use it? 1, 0 or -1. */
static int
usable(struct link *l, int *exists)
{
    struct sql *s = &l->sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s, "select c is not null, coalesce(pg_catalog."
                  "has_table_privilege(c, 'select')"
                  " and pg_catalog.has_table_privilege(c, 'insert')"
                  " and pg_catalog.has_table_privilege(c, 'update'), false)"
                  " from (select (select r.oid from pg_catalog.pg_class r"
                  " join pg_catalog.pg_namespace n on n.oid = r.relnamespace"
                  " where r.relname = 'lanes' and n.nspname = ");
    sql_literal(s, l->opt->lanes_schema);
    sql_printf(s, " and pg_catalog.has_schema_privilege(n.oid, 'usage'))"
                  " as c) x");
    if (link_exec(l, sql_str(s), &res))
        return -1;
    *exists = *PQgetvalue(res, 0, 0) == 't';
    int ok = *PQgetvalue(res, 0, 1) == 't';
    PQclear(res);
    return ok;
}

int
lanes_prepare(struct link *l, int may_create, enum pg_mode *mode)
{
    int exists, ok = usable(l, &exists);
    if (ok < 0)
        return -1;
    if (!ok && !exists && may_create) {
        if (ddl_run(l, l->opt->lanes_schema, ddl_lanes) == 0)
            ok = 1;
        else if (l->fault.lost || l->fault.action == PG_ACT_RETRY)
            return -1;
    }
    *mode = ok ? PG_MODE_LANES : PG_MODE_UNIQUE;
    return 0;
}

int
lanes_maybe(const struct lanes *lanes, struct job *job)
{
    int unique = lanes->mode == PG_MODE_UNIQUE, changed = 0;
    uint64_t id = il_batch_id(job->batch), last = il_batch_last(job->batch);
    for (uint32_t k = 0; k < lanes->opt->connections; k++) {
        uint64_t upto = unique || job->merge ? lanes->given : 0;
        if (unique && lanes->sent[k] > upto)
            upto = lanes->sent[k];
        if (upto < id)
            upto = 0;
        if (upto > last)
            upto = last;
        changed |= job->maybe[k] != upto;
        job->maybe[k] = upto;
    }
    return changed;
}

/* A row of the lane is held for the length of a transaction: whoever holds it
 * longer than that is dead, or somebody at a terminal. */
uint32_t
lanes_lock_ms(const struct lanes *lanes)
{
    uint32_t ms = lanes->opt->lock_timeout_ms;
    return ms && ms < LANES_LOCK_MS ? ms : LANES_LOCK_MS;
}

/* --- reading again ------------------------------------------------------- */

/* A row has gone (a dropped table, a database set back to before it): put it
 * back where this process knows it to be. */
static int
restore_row(struct lanes *lanes, struct link *l, uint32_t k)
{
    struct sql *s = &l->sql;
    uint64_t position = lanes->positions[k];
    sql_clear(s);
    sql_printf(s,
               "insert into %s (spool, lane, position, epoch)"
               " values ('%s', ",
               lanes->opt->lanes, lanes->spool);
    lanes_name(lanes, s, k, lanes->opt->connections);
    sql_printf(s, ", %llu, %llu) on conflict (spool, lane) do nothing",
               (unsigned long long) position,
               (unsigned long long) lanes->epoch);
    il_log(lanes->host, IL_LOG_WARN,
           "the row of this lane is gone from %s; written again at position "
           "%llu",
           lanes->opt->lanes, (unsigned long long) position);
    return link_exec(l, sql_str(s), NULL);
}

/* Rows that were committed are gone, and with them the position: the two were
 * one transaction.  So what comes after it is missing, and nothing else. */
static int
set_back(struct link *l, uint64_t was, uint64_t position)
{
    fault_set(&l->fault, PG_ACT_SET_BACK,
              "Postgres says position %llu, but %llu was committed: the "
              "database was set back",
              (unsigned long long) position, (unsigned long long) was);
    return -1;
}

/* A row of before this process: put its epoch there again. */
static int
reclaim(struct lanes *lanes, struct link *l, const struct lanes_row *row)
{
    struct sql *s = &l->sql;
    sql_clear(s);
    sql_printf(s, "update %s set epoch = %llu", lanes->opt->lanes,
               (unsigned long long) lanes->epoch);
    lanes_where(lanes, s);
    sql_printf(s, " and lane = ");
    lanes_name(lanes, s, row->k, row->n);
    sql_printf(s, " and epoch = %llu", (unsigned long long) row->epoch);
    return link_exec(l, sql_str(s), NULL);
}

/* Where the rows of another number of connections tell more than memory does,
 * resume() has to sort it out. */
static int
missing_row(struct lanes *lanes, struct link *l, uint32_t k)
{
    if (lanes->row_count > lanes->opt->connections)
        return set_back(l, lanes->positions[k], 0);
    return restore_row(lanes, l, k);
}

static int
check_row(struct lanes *lanes, struct link *l, const struct lanes_row *row)
{
    if (row->epoch > lanes->epoch) {
        fault_set(&l->fault, PG_ACT_FENCED,
                  "another process owns lane %s: %s has epoch %llu, this "
                  "process has %llu",
                  il_lane(lanes->host), lanes->opt->lanes,
                  (unsigned long long) row->epoch,
                  (unsigned long long) lanes->epoch);
        return -1;
    }
    /* Of before our own start: set back, too. */
    if (row->epoch < lanes->epoch && reclaim(lanes, l, row))
        return -1;
    pthread_mutex_lock(lanes->lock);
    uint64_t was = lanes->positions[row->k];
    lanes->positions[row->k] = row->position;
    pthread_mutex_unlock(lanes->lock);
    return row->position < was ? set_back(l, was, row->position) : 0;
}

/* The rows as they were read, each by its connection. */
static int
check_rows(struct lanes *lanes, struct link *l, const struct job *job,
           const PGresult *res)
{
    uint32_t seen = 0;
    int err = 0;
    for (int i = 0; i < PQntuples(res) && !err; i++) {
        struct lanes_row row;
        if (lanes_parse(lanes, PQgetvalue(res, i, 0), &row))
            continue;
        row.position = lanes_cell(res, i, 1);
        row.epoch = lanes_cell(res, i, 2);
        seen |= UINT32_C(1) << row.k;
        err = check_row(lanes, l, &row);
    }
    for (uint32_t k = job->first; k < job->end && !err; k++)
        if (!(seen >> k & 1))
            err = missing_row(lanes, l, k);
    return err;
}

int
lanes_check(struct lanes *lanes, struct link *l, const struct job *job)
{
    struct sql *s = &l->sql;
    PGresult *res;
    int err = link_begin(l, lanes_lock_ms(lanes));
    sql_clear(s);
    sql_printf(s, "select lane, position, epoch from %s", lanes->opt->lanes);
    lanes_where(lanes, s);
    where_job(lanes, s, job);
    sql_printf(s, " order by lane for update");
    if (err || link_exec(l, sql_str(s), &res)) {
        link_rollback(l);
        return -1;
    }
    err = check_rows(lanes, l, job, res);
    PQclear(res);
    if (!err)
        return link_exec(l, "commit", NULL);
    link_rollback(l);
    return err;
}
