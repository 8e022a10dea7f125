/* SPDX-License-Identifier: MIT */
/* Taking a lane over: all of its rows are read, and then raised to one epoch by
 * one statement, so that every connection of the process before is fenced.
 *
 * A lane may also have rows of another number of connections, which it had
 * before.  They stay, because each goes on telling the truth: of the events of
 * its connection, those up to its position are done.  New rows begin where all
 * is done; what was done beyond that is known event by event. */
#include "lanes.h"

#include "job.h"

#include <errno.h>
#include <string.h>

/* Each needs another process that claims the lane at the same moment. */
#define CLAIM_TRIES 10

/* --- what the rows say --------------------------------------------------- */

/* The least position of the rows of n connections; how many there are. */
static uint32_t
set_least(const struct lanes *lanes, uint32_t n, uint64_t *least)
{
    uint32_t found = 0;
    *least = UINT64_MAX;
    for (uint32_t i = 0; i < lanes->row_count; i++) {
        const struct lanes_row *r = &lanes->rows[i];
        if (r->n != n)
            continue;
        found++;
        if (r->position < *least)
            *least = r->position;
    }
    return found;
}

/* Up to where all is done, by the rows of one number of connections or of
 * another.  0: there is no whole set of rows. */
static int
rows_floor(const struct lanes *lanes, uint64_t *floor)
{
    uint64_t least;
    int whole = 0;
    *floor = 0;
    for (uint32_t n = 1; n <= PG_CONNECTIONS_MAX; n++) {
        if (set_least(lanes, n, &least) != n)
            continue;
        whole = 1;
        if (least > *floor)
            *floor = least;
    }
    return whole;
}

uint64_t
lanes_read_floor(const struct lanes *lanes)
{
    uint64_t floor;
    rows_floor(lanes, &floor);
    return floor;
}

uint64_t
lanes_floor(const struct lanes *lanes)
{
    uint64_t floor = UINT64_MAX;
    for (uint32_t k = 0; k < lanes->opt->connections; k++)
        if (lanes->positions[k] < floor)
            floor = lanes->positions[k];
    return floor;
}

uint64_t
lanes_top(const struct lanes *lanes)
{
    uint64_t top = 0;
    for (uint32_t i = 0; i < lanes->row_count; i++)
        if (lanes->rows[i].position > top)
            top = lanes->rows[i].position;
    return top;
}

int
lanes_done(const struct lanes *lanes, uint64_t position)
{
    uint64_t stripe = position / PG_STRIPE;
    if (lanes->positions[stripe % lanes->opt->connections] >= position)
        return 1;
    for (uint32_t i = 0; i < lanes->row_count; i++) {
        const struct lanes_row *r = &lanes->rows[i];
        if (r->n != lanes->opt->connections && r->position >= position
            && stripe % r->n == r->k)
            return 1;
    }
    return 0;
}

/* --- reading and raising ------------------------------------------------- */

int
lanes_read(struct lanes *lanes, struct link *l)
{
    struct sql *s = &l->sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s, "select r.lane, r.position, r.epoch from %s r, (select ",
               lanes->opt->lanes);
    sql_literal(s, lanes->name);
    sql_printf(s, "::text as name) x");
    lanes_where(lanes, s);
    sql_printf(s, " and pg_catalog.left(r.lane, pg_catalog.length(x.name))"
                  " = x.name");
    if (link_exec(l, sql_str(s), &res))
        return -1;
    lanes->row_count = 0;
    for (int i = 0; i < PQntuples(res); i++) {
        struct lanes_row row;
        if (lanes_parse(lanes, PQgetvalue(res, i, 0), &row)
            || lanes->row_count == LANES_ROWS_MAX)
            continue;
        row.position = lanes_cell(res, i, 1);
        row.epoch = lanes_cell(res, i, 2);
        lanes->rows[lanes->row_count++] = row;
    }
    PQclear(res);
    return 0;
}

uint64_t
lanes_newest(const struct lanes *lanes)
{
    uint64_t newest = 0;
    for (uint32_t i = 0; i < lanes->row_count; i++)
        if (lanes->rows[i].epoch > newest)
            newest = lanes->rows[i].epoch;
    return newest;
}

static int
row_exists(const struct lanes *lanes, uint32_t k)
{
    for (uint32_t i = 0; i < lanes->row_count; i++)
        if (lanes->rows[i].n == lanes->opt->connections
            && lanes->rows[i].k == k)
            return 1;
    return 0;
}

/* Where a row that is missing begins.  One that is missing beside others of its
 * set was deleted by somebody; a whole set that is missing is new, or of after
 * the moment that the database was set back to. */
static uint64_t
row_begin(const struct lanes *lanes, uint32_t k, uint64_t local)
{
    uint64_t floor, least, known = lanes->epoch ? lanes->positions[k] : local;
    if (rows_floor(lanes, &floor)
        && !set_least(lanes, lanes->opt->connections, &least))
        return floor;
    return known > floor ? known : floor;
}

static void
insert_sql(const struct lanes *lanes, struct sql *s, uint64_t epoch,
           uint64_t local)
{
    const char *comma = " ";
    sql_printf(s, "insert into %s (spool, lane, position, epoch) values",
               lanes->opt->lanes);
    for (uint32_t k = 0; k < lanes->opt->connections; k++) {
        if (row_exists(lanes, k))
            continue;
        sql_printf(s, "%s('%s', ", comma, lanes->spool);
        lanes_name(lanes, s, k, lanes->opt->connections);
        sql_printf(s, ", %llu, %llu)",
                   (unsigned long long) row_begin(lanes, k, local),
                   (unsigned long long) epoch);
        comma = ", ";
    }
    sql_printf(s, " on conflict (spool, lane) do nothing"
                  " returning lane, position");
}

/* No row is raised from another epoch than was read. */
static void
raise_sql(const struct lanes *lanes, struct sql *s, uint64_t epoch)
{
    const char * or = " and (";
    uint64_t floor;
    rows_floor(lanes, &floor);
    sql_printf(s,
               "update %s set epoch = %llu, position = greatest(position, "
               "%llu)",
               lanes->opt->lanes, (unsigned long long) epoch,
               (unsigned long long) floor);
    lanes_where(lanes, s);
    for (uint32_t i = 0; i < lanes->row_count; i++) {
        const struct lanes_row *r = &lanes->rows[i];
        sql_printf(s, "%s(epoch = %llu and lane = ", or,
                   (unsigned long long) r->epoch);
        lanes_name(lanes, s, r->k, r->n);
        sql_printf(s, ")");
        or = " or ";
    }
    sql_printf(s, ") returning lane, position");
}

/* What the statement left behind is what the rows are now. */
static void
claim_take(struct lanes *lanes, const PGresult *res, uint64_t epoch)
{
    lanes->epoch = epoch;
    lanes->row_count = 0;
    pthread_mutex_lock(lanes->lock);
    for (int i = 0; i < PQntuples(res); i++) {
        struct lanes_row *r = &lanes->rows[lanes->row_count];
        if (lanes_parse(lanes, PQgetvalue(res, i, 0), r))
            continue;
        r->position = lanes_cell(res, i, 1);
        r->epoch = epoch;
        if (r->n == lanes->opt->connections)
            lanes->positions[r->k] = r->position;
        lanes->row_count++;
    }
    pthread_mutex_unlock(lanes->lock);
}

/* 1: all rows are ours, 0: they are not what was read, or -1. */
static int
claim_raise(struct lanes *lanes, struct link *l, uint64_t epoch, uint64_t local)
{
    struct sql *s = &l->sql;
    uint64_t least;
    uint32_t there = lanes->row_count;
    uint32_t missing = lanes->opt->connections
                       - set_least(lanes, lanes->opt->connections, &least);
    PGresult *res;
    l->tag.epoch = epoch;
    if (link_begin(l, lanes_lock_ms(lanes)))
        return -1;
    sql_clear(s);
    if (missing && there)
        sql_printf(s, "with a as (");
    if (missing)
        insert_sql(lanes, s, epoch, local);
    if (missing && there)
        sql_printf(s, "), b as (");
    if (there)
        raise_sql(lanes, s, epoch);
    if (missing && there)
        sql_printf(s, ") select lane, position from a"
                      " union all select lane, position from b");
    if (link_exec(l, sql_str(s), &res)) {
        link_rollback(l);
        return -1;
    }
    int hit = (uint32_t) PQntuples(res) == missing + there;
    if (link_exec(l, hit ? "commit" : "rollback", NULL))
        hit = -1;
    if (hit > 0)
        claim_take(lanes, res, epoch);
    PQclear(res);
    return hit;
}

static int
claimed_elsewhere(struct lanes *lanes, struct link *l, uint64_t newest)
{
    fault_set(&l->fault, PG_ACT_FENCED,
              "another process owns lane %s: %s has epoch %llu, this process "
              "has %llu",
              il_lane(lanes->host), lanes->opt->lanes,
              (unsigned long long) newest, (unsigned long long) lanes->epoch);
    return -1;
}

/* Postgres carries out what a process sent that has died since.  So no claim
 * raises an epoch that it has not read: a late one finds that another has, and
 * hits nothing, instead of fencing off the process that lives. */
int
lanes_claim(struct lanes *lanes, struct link *l, uint64_t local, int take)
{
    uint64_t epoch = lanes->epoch;
    int hit = 0;
    l->alone = 1;
    for (int i = 0; i < CLAIM_TRIES && !hit; i++) {
        if (lanes_read(lanes, l))
            return -1;
        uint64_t newest = lanes_newest(lanes);
        if (lanes->epoch && newest > lanes->epoch)
            return claimed_elsewhere(lanes, l, newest);
        if (!lanes->epoch
            && lanes_epoch_next(lanes, l, newest, 0, take, &epoch))
            return -1;
        hit = claim_raise(lanes, l, epoch, local);
    }
    if (!hit)
        fault_set(&l->fault, PG_ACT_RETRY,
                  "others claim lane %s in %s again and again",
                  il_lane(lanes->host), lanes->opt->lanes);
    return hit > 0 ? 0 : -1;
}

/* --- taking rows back ---------------------------------------------------- */

/* The row that remembers from where the lane's were taken back. */
static void
put_mark(const struct lanes *lanes, struct sql *s)
{
    sql_literal(s, il_lane(lanes->host));
    sql_printf(s, " || ' (was at)'");
}

int
lanes_was_at(const struct lanes *lanes, struct link *l, uint64_t *position)
{
    struct sql *s = &l->sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s, "select position from %s", lanes->opt->lanes);
    lanes_where(lanes, s);
    sql_printf(s, " and lane = ");
    put_mark(lanes, s);
    if (link_exec(l, sql_str(s), &res))
        return -1;
    *position = PQntuples(res) ? lanes_cell(res, 0, 0) : 0;
    PQclear(res);
    return 0;
}

static void
rewind_sql(const struct lanes *lanes, struct sql *s, uint64_t position)
{
    sql_printf(s,
               "with mark as (insert into %s as m (spool, lane, position, "
               "epoch) values ('%s', ",
               lanes->opt->lanes, lanes->spool);
    put_mark(lanes, s);
    sql_printf(s,
               ", %llu, 0) on conflict (spool, lane) do update set position = "
               "greatest(m.position, excluded.position)) update %s set "
               "position = %llu",
               (unsigned long long) lanes_top(lanes), lanes->opt->lanes,
               (unsigned long long) position);
    lanes_where(lanes, s);
    sql_printf(s, " and epoch = %llu and lane in (",
               (unsigned long long) lanes->epoch);
}

int
lanes_rewind(struct lanes *lanes, struct link *l, uint64_t position)
{
    struct sql *s = &l->sql;
    uint32_t further = 0;
    PGresult *res;
    if (link_begin(l, lanes_lock_ms(lanes)))
        return -1;
    sql_clear(s);
    rewind_sql(lanes, s, position);
    for (uint32_t i = 0; i < lanes->row_count; i++) {
        const struct lanes_row *r = &lanes->rows[i];
        if (r->position <= position)
            continue;
        sql_printf(s, "%s", further++ ? ", " : "");
        lanes_name(lanes, s, r->k, r->n);
    }
    sql_printf(s, ") returning lane");
    if (link_exec(l, sql_str(s), &res)) {
        link_rollback(l);
        return -1;
    }
    int hit = (uint32_t) PQntuples(res) == further;
    PQclear(res);
    if (link_exec(l, hit ? "commit" : "rollback", NULL))
        return -1;
    if (!hit) {
        fault_set(&l->fault, PG_ACT_RETRY,
                  "the rows of lane %s in %s changed meanwhile",
                  il_lane(lanes->host), lanes->opt->lanes);
        return -1;
    }
    pthread_mutex_lock(lanes->lock);
    for (uint32_t i = 0; i < lanes->row_count; i++)
        if (lanes->rows[i].position > position)
            lanes->rows[i].position = position;
    for (uint32_t k = 0; k < lanes->opt->connections; k++)
        if (lanes->positions[k] > position)
            lanes->positions[k] = position;
    pthread_mutex_unlock(lanes->lock);
    return 0;
}
