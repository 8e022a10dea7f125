/* SPDX-License-Identifier: MIT */
/* The table of positions.  A lane's row is updated in the transaction that
 * brings its rows in, so the two can never disagree; and since the update
 * names the epoch of this process, a second process that has taken the lane
 * over makes it hit no row: the fence. */
#include "pg.h"

#include <stdlib.h>
#include <string.h>

/* Each needs another process that claims the lane at the same moment. */
#define CLAIM_TRIES 10

/* `where` part that names this lane's row. */
static void
where_row(const struct pg *pg, struct sql *s)
{
    sql_printf(s, " where spool = '%s' and lane = ", pg->spool_text);
    sql_literal(s, il_lane(pg->host));
}

void
lanes_update_sql(const struct pg *pg, struct sql *s, uint64_t last)
{
    sql_printf(s, "update %s set position = %llu", pg->lanes,
               (unsigned long long) last);
    where_row(pg, s);
    sql_printf(s, " and position = %llu and epoch = %llu; ",
               (unsigned long long) pg->position,
               (unsigned long long) pg->epoch);
}

/* Does the table exist, and may this role use it? 1, 0 or -1. */
static int
usable(struct link *l, int *exists)
{
    struct pg *pg = l->pg;
    struct sql *s = &pg->sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s, "select c is not null, coalesce(pg_catalog."
                  "has_table_privilege(c, 'select')"
                  " and pg_catalog.has_table_privilege(c, 'insert')"
                  " and pg_catalog.has_table_privilege(c, 'update'), false)"
                  " from (select (select r.oid from pg_catalog.pg_class r"
                  " join pg_catalog.pg_namespace n on n.oid = r.relnamespace"
                  " where r.relname = 'lanes' and n.nspname = ");
    sql_literal(s, pg->lanes_schema);
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
        if (ddl_run(l, l->pg->lanes_schema, ddl_lanes) == 0)
            ok = 1;
        else if (l->fault.lost || l->fault.action == PG_ACT_RETRY)
            return -1;
    }
    *mode = ok ? PG_MODE_LANES : PG_MODE_UNIQUE;
    return 0;
}

static uint64_t
cell(const PGresult *res, int column)
{
    return strtoull(PQgetvalue(res, 0, column), NULL, 10);
}

/* One statement of a claim: 1 and what the row says, 0 when it hit none, or
 * -1. */
static int
claim_step(struct link *l)
{
    struct pg *pg = l->pg;
    PGresult *res;
    if (link_exec(l, sql_str(&pg->sql), &res))
        return -1;
    int hit = res && PQntuples(res) == 1;
    if (hit) {
        pg->position = cell(res, 0);
        pg->epoch = cell(res, 1);
    }
    PQclear(res);
    return hit;
}

/* Raise the epoch from what it was read to be. */
static int
claim_raise(struct link *l)
{
    struct pg *pg = l->pg;
    struct sql *s = &pg->sql;
    sql_clear(s);
    sql_printf(s, "select position, epoch from %s", pg->lanes);
    where_row(pg, s);
    int hit = claim_step(l);
    if (hit <= 0)
        return hit;
    sql_clear(s);
    sql_printf(s, "update %s set epoch = epoch + 1", pg->lanes);
    where_row(pg, s);
    sql_printf(s, " and epoch = %llu returning position, epoch",
               (unsigned long long) pg->epoch);
    return claim_step(l);
}

/* Postgres carries out what a process sent that has died since.  So no claim
 * raises an epoch that it has not read: a late one finds that another has, and
 * hits nothing, instead of fencing off the process that lives. */
int
lanes_claim(struct link *l, uint64_t local)
{
    struct pg *pg = l->pg;
    struct sql *s = &pg->sql;
    const uint64_t position = pg->position;
    int hit = 0;
    for (int i = 0; i < CLAIM_TRIES && !hit; i++) {
        sql_clear(s);
        sql_printf(s,
                   "insert into %s (spool, lane, position, epoch) values "
                   "('%s', ",
                   pg->lanes, pg->spool_text);
        sql_literal(s, il_lane(pg->host));
        sql_printf(s,
                   ", %llu, 1) on conflict (spool, lane) do nothing returning "
                   "position, epoch",
                   (unsigned long long) local);
        hit = claim_step(l);
        if (!hit)
            hit = claim_raise(l);
    }
    if (!hit)
        fault_set(&l->fault, PG_ACT_RETRY,
                  "others claim lane %s in %s again and again",
                  il_lane(pg->host), pg->lanes);
    if (hit == 1)
        return 0;
    pg->epoch = 0; /* it was another's */
    pg->position = position;
    return -1;
}

/* The row has gone (a dropped table, a database set back to before it): put it
 * back where this process knows it to be. */
static int
restore_row(struct link *l)
{
    struct pg *pg = l->pg;
    struct sql *s = &pg->sql;
    sql_clear(s);
    sql_printf(s,
               "insert into %s (spool, lane, position, epoch)"
               " values ('%s', ",
               pg->lanes, pg->spool_text);
    sql_literal(s, il_lane(pg->host));
    sql_printf(s, ", %llu, %llu) on conflict (spool, lane) do nothing",
               (unsigned long long) pg->position,
               (unsigned long long) pg->epoch);
    il_log(pg->host, IL_LOG_WARN,
           "the row of this lane is gone from %s; written again at position "
           "%llu",
           pg->lanes, (unsigned long long) pg->position);
    return link_exec(l, sql_str(s), NULL);
}

/* Rows that were committed are gone, and with them the position: the two were
 * one transaction.  So what comes after it is missing, and nothing else. */
static int
set_back(struct link *l, uint64_t position)
{
    struct pg *pg = l->pg;
    fault_set(&l->fault, PG_ACT_SET_BACK,
              "Postgres says position %llu, but %llu was committed: the "
              "database was set back",
              (unsigned long long) position,
              (unsigned long long) pg->position);
    pg->position = position;
    pg->doubt = 0;
    return -1;
}

/* A row of before this process: put its epoch there again. */
static int
reclaim(struct link *l, uint64_t position, uint64_t epoch)
{
    struct pg *pg = l->pg;
    struct sql *s = &pg->sql;
    sql_clear(s);
    sql_printf(s, "update %s set epoch = %llu", pg->lanes,
               (unsigned long long) pg->epoch);
    where_row(pg, s);
    sql_printf(s, " and epoch = %llu", (unsigned long long) epoch);
    if (link_exec(l, sql_str(s), NULL))
        return -1;
    if (position < pg->position)
        return set_back(l, position);
    pg->position = position;
    return 0;
}

int
lanes_check(struct link *l)
{
    struct pg *pg = l->pg;
    struct sql *s = &pg->sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s, "select position, epoch from %s", pg->lanes);
    where_row(pg, s);
    sql_printf(s, " for update");
    if (link_exec(l, sql_str(s), &res))
        return -1;
    if (!res || PQntuples(res) == 0) {
        PQclear(res);
        return restore_row(l);
    }
    uint64_t position = cell(res, 0), epoch = cell(res, 1);
    PQclear(res);
    if (epoch < pg->epoch) /* of before our own start: set back, too */
        return reclaim(l, position, epoch);
    if (epoch > pg->epoch) {
        fault_set(&l->fault, PG_ACT_FENCED,
                  "another process owns lane %s: %s has epoch %llu, this "
                  "process has %llu",
                  il_lane(pg->host), pg->lanes, (unsigned long long) epoch,
                  (unsigned long long) pg->epoch);
        return -1;
    }
    if (position < pg->position)
        return set_back(l, position);
    pg->position = position;
    return 0;
}

/* The row that remembers from where the lane's was taken back. */
static void
put_mark(const struct pg *pg, struct sql *s)
{
    sql_literal(s, il_lane(pg->host));
    sql_printf(s, " || ' (was at)'");
}

int
lanes_was_at(struct link *l, uint64_t *position)
{
    struct pg *pg = l->pg;
    struct sql *s = &pg->sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s, "select position from %s where spool = '%s' and lane = ",
               pg->lanes, pg->spool_text);
    put_mark(pg, s);
    if (link_exec(l, sql_str(s), &res))
        return -1;
    *position = res && PQntuples(res) ? cell(res, 0) : 0;
    PQclear(res);
    return 0;
}

int
lanes_rewind(struct link *l, uint64_t position)
{
    struct pg *pg = l->pg;
    struct sql *s = &pg->sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s,
               "with mark as (insert into %s as m (spool, lane, position, "
               "epoch) select spool, ",
               pg->lanes);
    put_mark(pg, s);
    sql_printf(s, ", position, 0 from %s", pg->lanes);
    where_row(pg, s);
    sql_printf(s,
               " on conflict (spool, lane) do update set position = "
               "greatest(m.position, excluded.position)) update %s set "
               "position = %llu",
               pg->lanes, (unsigned long long) position);
    where_row(pg, s);
    sql_printf(s, " and position = %llu and epoch = %llu returning 1",
               (unsigned long long) pg->position,
               (unsigned long long) pg->epoch);
    if (link_exec(l, sql_str(s), &res))
        return -1;
    int hit = res && PQntuples(res) == 1;
    PQclear(res);
    if (!hit) {
        fault_set(&l->fault, PG_ACT_RETRY,
                  "the row of lane %s in %s changed meanwhile",
                  il_lane(pg->host), pg->lanes);
        return -1;
    }
    pg->position = position;
    return 0;
}
