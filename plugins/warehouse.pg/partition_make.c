/* SPDX-License-Identifier: MIT */
/* Partitions that the daemon makes, where rows need one and ahead of time, and
 * those that it drops.
 *
 * One is made by itself and then attached, which takes a lock that rows and
 * queries go on beside; `create table ... partition of` would stop both.  Two
 * seconds is all that is waited for a lock: whoever waits for one has those
 * wait that come after it. */
#include "partition.h"

#include "pg.h"
#include "put.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_MS 2000
#define NEED_MAX 64 /* at once, of what rows need; the next attempt goes on */
#define MISSING_MAX 1000 /* in a plan */
#define WAIT_FIRST_MS 1000
#define WAIT_MOST_MS 300000 /* after a failure */
#define WAIT_MS 3600000     /* until it is looked at again */

/* What a partition takes, in times; what is no plain range takes everything. */
static const char taken_sql[] =
    "select c.oid, c.relname, n.nspname, i.inhdetachpending as pending,"
    " coalesce(pg_catalog.substring(b.bound, 'FROM \\(''([^'']*)''\\)'),"
    " '-infinity')::timestamptz as lo,"
    " coalesce(pg_catalog.substring(b.bound, 'TO \\(''([^'']*)''\\)'),"
    " 'infinity')::timestamptz as hi"
    " from pg_catalog.pg_inherits i"
    " join pg_catalog.pg_class c on c.oid = i.inhrelid"
    " join pg_catalog.pg_namespace n on n.oid = c.relnamespace,"
    " pg_catalog.pg_get_expr(c.relpartbound, c.oid) b (bound)"
    " where i.inhparent = pg_catalog.to_regclass(";

static void
taken(struct link *l, struct sql *s)
{
    const char *pending = strstr(taken_sql, "i.inhdetachpending");
    /* Before Postgres 14 nothing is ever half detached. */
    if (PQserverVersion(l->db) >= 140000)
        sql_printf(s, "%s", taken_sql);
    else
        sql_printf(s, "%.*sfalse%s", (int) (pending - taken_sql), taken_sql,
                   pending + strlen("i.inhdetachpending"));
    sql_literal(s, l->opt->table.quoted);
    sql_printf(s, ")");
}

/* Append the stretches of a list, as rows of n, lo, hi. */
static void
periods_sql(struct sql *s, const struct period *list, size_t count)
{
    sql_printf(s, "(values ");
    for (size_t i = 0; i < count; i++)
        sql_printf(s,
                   "%s(%zu, pg_catalog.to_timestamp(%lld),"
                   " pg_catalog.to_timestamp(%lld))",
                   i ? ", " : "", i, (long long) list[i].from_s,
                   (long long) list[i].to_s);
    sql_printf(s, ") w (n, lo, hi)");
}

static void
begin(struct link *l, struct sql *s)
{
    sql_clear(s);
    link_begin_sql(l, s, LOCK_MS);
    sql_printf(s, "set local timezone = 'UTC'; "
                  "set local datestyle = 'ISO, YMD'; ");
}

/* --- made -------------------------------------------------------------------- */

/* The numbers of those periods that no partition takes a part of. */
static int
find_missing(struct link *l, const struct period *list, size_t count,
             PGresult **res)
{
    struct sql *s = &l->sql;
    begin(l, s);
    sql_printf(s, "select pg_catalog.pg_advisory_xact_lock("
                  "pg_catalog.hashtext('ingestlayer.ddl')); with taken as (");
    taken(l, s);
    sql_printf(s, ") select w.n from ");
    periods_sql(s, list, count);
    sql_printf(s, " where not exists (select from taken where"
                  " taken.lo < w.hi and taken.hi > w.lo) order by 1");
    return link_exec(l, sql_str(s), res);
}

void
partition_make_sql(const struct options *opt, struct sql *s,
                   const struct period *at)
{
    sql_printf(s, "create table ");
    partition_name_sql(opt, s, at);
    sql_printf(s,
               " (like %s including defaults including constraints including "
               "generated including storage);\nalter table %s attach "
               "partition ",
               opt->table.quoted, opt->table.quoted);
    partition_name_sql(opt, s, at);
    sql_printf(s, " for values ");
    partition_bounds_sql(s, at);
    sql_printf(s, ";\n");
}

int
partition_make(struct link *l, const struct period *list, size_t count,
               int *made)
{
    struct sql *s = &l->sql;
    PGresult *res = NULL;
    *made = 0;
    if (!count)
        return 0;
    int err = find_missing(l, list, count, &res);
    sql_clear(s);
    for (int i = 0; !err && i < PQntuples(res); i++, ++*made)
        partition_make_sql(l->opt, s,
                           &list[strtoul(PQgetvalue(res, i, 0), NULL, 10)]);
    PQclear(res);
    sql_printf(s, "commit");
    if (!err)
        err = link_exec(l, sql_str(s), NULL);
    if (err) {
        link_rollback(l);
        *made = 0;
    }
    return err;
}

/* Those that rows need come from the gate's clock or are within `range` of it.
 * A clock that was off makes none for a far future, and what would be dropped
 * at once is not made. */
static int
may_have(const struct partition *p, int64_t now_us, const struct period *at)
{
    struct period first, last;
    partition_span(p, now_us, &first, &last);
    if (at->from_s > last.from_s)
        return 0;
    return !p->keep_us || at->to_s > (now_us - p->keep_us) / 1000000;
}

static size_t
add_period(struct period *list, size_t count, const struct period *at)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].from_s == at->from_s)
            return count;
    if (count < NEED_MAX)
        list[count++] = *at;
    return count;
}

static size_t
list_needed(struct conn *c, struct job *job, struct period *list)
{
    const struct pg *pg = c->pg;
    const struct partition *p = &pg->opt.partition;
    const struct plan *plan = job->plan;
    int64_t now = il_now_us(pg->host), us;
    size_t count = 0;
    for (uint32_t i = 0; i < job->row_count; i++) {
        const struct il_value *values;
        struct period at;
        if (il_row_read(c->enc.row, job->batch, job->rows[i].event, &values)
            || put_when_us(&values[plan->key], &us))
            continue;
        partition_period(p, us, &at);
        if (may_have(p, now, &at))
            count = add_period(list, count, &at);
    }
    return count;
}

int
partition_need(struct conn *c, struct job *job, int *made)
{
    struct period list[NEED_MAX];
    size_t count = 0;
    *made = 0;
    pthread_mutex_lock(&job->of->lock);
    if (job->plan->key < job->plan->count && !encode_follow(&c->enc, job->plan))
        count = list_needed(c, job, list);
    pthread_mutex_unlock(&job->of->lock);
    return partition_make(&c->link, list, count, made);
}

/* --- ahead, and dropped --------------------------------------------------------- */

static int
make_ahead(struct link *l)
{
    const struct partition *p = &l->opt->partition;
    struct period at, last, list[NEED_MAX];
    int err = 0;
    partition_span(p, il_now_us(l->host), &at, &last);
    while (!err && at.from_s <= last.from_s) {
        size_t count = 0;
        int made;
        for (; at.from_s <= last.from_s && count < NEED_MAX;
             partition_next(p, &at))
            list[count++] = at;
        err = partition_make(l, list, count, &made);
        if (made)
            il_log(l->host, IL_LOG_INFO, "%d partitions of %s were made", made,
                   l->opt->table.quoted);
    }
    return err;
}

/* Those that ended long enough ago, and that are as they are made here: quoted
 * name, and whether they are half detached. */
static int
find_old(struct link *l, PGresult **res)
{
    const struct partition *p = &l->opt->partition;
    struct sql *s = &l->sql;
    begin(l, s);
    sql_printf(s, "with taken as (");
    taken(l, s);
    sql_printf(s, ") select pg_catalog.format('%%I.%%I', nspname, relname),"
                  " pending from taken where relname = ");
    sql_literal(s, l->opt->table.table);
    sql_printf(s,
               " || pg_catalog.to_char(lo, '%s') and hi = lo + interval '%s'"
               " and hi <= pg_catalog.to_timestamp(%lld) order by lo",
               p->monthly ? "\"_p\"YYYYMM" : "\"_p\"YYYYMMDD",
               p->monthly ? "1 month" : "1 day",
               (long long) ((il_now_us(l->host) - p->keep_us) / 1000000));
    int err = link_exec(l, sql_str(s), res);
    if (!err) {
        err = link_exec(l, "commit", NULL);
        if (err)
            PQclear(*res);
    }
    return err;
}

/* A statement by itself where the server can detach beside readers; what it
 * leaves when it is given up is finished the next time. */
static int
drop_one(struct link *l, const char *name, int pending)
{
    struct sql *s = &l->sql;
    const char *table = l->opt->table.quoted;
    int beside = PQserverVersion(l->db) >= 140000;
    if (beside && !pending) {
        sql_clear(s);
        sql_printf(s, "alter table %s detach partition %s concurrently", table,
                   name);
        if (link_exec(l, sql_str(s), NULL))
            return -1;
    }
    begin(l, s);
    if (pending || !beside)
        sql_printf(s, "alter table %s detach partition %s%s; ", table, name,
                   pending ? " finalize" : "");
    sql_printf(s, "drop table %s; commit", name);
    if (!link_exec(l, sql_str(s), NULL)) {
        il_log(l->host, IL_LOG_INFO,
               "partition %s is older than `keep`, and "
               "was dropped",
               name);
        return 0;
    }
    link_rollback(l);
    return -1;
}

static int
drop_old(struct link *l)
{
    PGresult *res = NULL;
    if (!l->opt->partition.drop)
        return 0;
    int err = find_old(l, &res);
    if (err)
        return -1;
    for (int i = 0; !err && i < PQntuples(res); i++)
        err = drop_one(l, PQgetvalue(res, i, 0), *PQgetvalue(res, i, 1) == 't');
    PQclear(res);
    return err;
}

/* Until then, or until it ends. */
static void
sleep_ms(struct pg *pg, uint32_t ms)
{
    struct timespec until;
    int late = 0;
    pg_after_ms(&until, ms);
    pthread_mutex_lock(&pg->shared.lock);
    while (!late && !atomic_load(&pg->stop.now))
        late =
            pthread_cond_timedwait(&pg->shared.done, &pg->shared.lock, &until)
            != 0;
    pthread_mutex_unlock(&pg->shared.lock);
}

static int
keep_once(struct pg *pg, struct link *l, char *said)
{
    int err = link_open(l) || make_ahead(l) || drop_old(l);
    /* Without the table it is the lane that says so, or makes it. */
    int no_table = strcmp(l->fault.code, "42P01") == 0
                   || strcmp(l->fault.code, "3F000") == 0;
    if (err && !no_table && !atomic_load(&pg->stop.now)
        && strcmp(said, l->fault.why) != 0) {
        snprintf(said, FAULT_WHY, "%s", l->fault.why);
        il_log(pg->host, IL_LOG_WARN, "partitions of %s: %s",
               pg->opt.table.quoted, said);
    }
    if (!err)
        *said = 0;
    link_close(l);
    return err;
}

void *
partition_keep(void *arg)
{
    struct pg *pg = arg;
    struct link l;
    char said[FAULT_WHY] = "";
    uint32_t wait_ms = WAIT_FIRST_MS;
    int err = link_init(&l, pg->host, &pg->opt.connect, &pg->opt, &pg->stop);
    while (!err && !atomic_load(&pg->stop.now)) {
        if (!keep_once(pg, &l, said)) {
            wait_ms = WAIT_FIRST_MS;
            sleep_ms(pg, WAIT_MS);
            continue;
        }
        sleep_ms(pg, wait_ms);
        wait_ms = wait_ms < WAIT_MOST_MS / 2 ? wait_ms * 2 : WAIT_MOST_MS;
    }
    link_free(&l);
    return NULL;
}

/* --- asked about ------------------------------------------------------------- */

int
partition_missing(struct link *l, struct period **list, size_t *count)
{
    const struct partition *p = &l->opt->partition;
    struct sql *s = &l->sql;
    struct period at, last, *all;
    size_t n = 0, room = MISSING_MAX;
    PGresult *res;
    partition_span(p, il_now_us(l->host), &at, &last);
    if (!(all = calloc(room, sizeof *all)))
        return link_no_memory(l);
    for (; at.from_s <= last.from_s && n < room; partition_next(p, &at))
        all[n++] = at;
    sql_clear(s);
    sql_printf(s, "set local timezone = 'UTC'; with taken as (");
    taken(l, s);
    sql_printf(s, ") select w.n from ");
    periods_sql(s, all, n);
    sql_printf(s, " where not exists (select from taken where"
                  " taken.lo < w.hi and taken.hi > w.lo) order by 1");
    if (link_exec(l, sql_str(s), &res)) {
        free(all);
        return -1;
    }
    *count = 0;
    for (int i = 0; i < PQntuples(res); i++)
        all[(*count)++] = all[strtoul(PQgetvalue(res, i, 0), NULL, 10)];
    *list = all;
    PQclear(res);
    return 0;
}

enum { P_COUNT, P_UNTIL, P_ALL, P_MISSING, P_OWNER };

static int
ask_state(struct link *l, PGresult **res)
{
    const struct partition *p = &l->opt->partition;
    struct sql *s = &l->sql;
    struct period at, last, list[NEED_MAX];
    size_t count = 0;
    partition_span(p, il_now_us(l->host), &at, &last);
    partition_period(p, il_now_us(l->host), &at);
    for (; at.from_s <= last.from_s && count < NEED_MAX; partition_next(p, &at))
        list[count++] = at;
    sql_clear(s);
    sql_printf(s, "set local timezone = 'UTC'; with taken as (");
    taken(l, s);
    sql_printf(s,
               ") select pg_catalog.count(*), coalesce(pg_catalog.to_char("
               "pg_catalog.max(hi), 'YYYY-MM-DD'), ''),"
               " coalesce(pg_catalog.bool_or(lo = '-infinity' and"
               " hi = 'infinity'), false), (select pg_catalog.count(*) from ");
    periods_sql(s, list, count);
    sql_printf(s, " where not exists (select from taken where taken.lo < w.hi"
                  " and taken.hi > w.lo)), (select pg_catalog.pg_has_role("
                  "relowner, 'usage') from pg_catalog.pg_class where oid ="
                  " pg_catalog.to_regclass(");
    sql_literal(s, l->opt->table.quoted);
    sql_printf(s, ")) from taken");
    return link_exec(l, sql_str(s), res);
}

int
partition_probe(struct link *l, struct sql *out)
{
    const struct partition *p = &l->opt->partition;
    PGresult *res;
    if (!p->by)
        return 0;
    if (ask_state(l, &res))
        return -1;
    const char *missing = PQgetvalue(res, 0, P_MISSING);
    int owner = *PQgetvalue(res, 0, P_OWNER) == 't';
    sql_printf(out, "partitioned by %s, one %s: %s there, up to %s\n", p->by,
               p->monthly ? "a month" : "a day", PQgetvalue(res, 0, P_COUNT),
               *PQgetvalue(res, 0, P_UNTIL) ? PQgetvalue(res, 0, P_UNTIL)
                                            : "nothing");
    if (*PQgetvalue(res, 0, P_ALL) == 't')
        sql_printf(out,
                   "warning: a default partition takes what has none, so none "
                   "is made and none can be detached beside readers\n");
    else if (strcmp(missing, "0") != 0 && p->create && owner)
        sql_printf(out, "%s more will be made at start\n", missing);
    else if (strcmp(missing, "0") != 0)
        sql_printf(out,
                   "warning: %s of those from now on are missing, and rows "
                   "without one become dead letters (no_partition): "
                   "ingestlayer plan\n",
                   missing);
    if (p->create && !owner)
        sql_printf(out,
                   "warning: only its owner can make partitions of %s, and "
                   "role \"%s\" is not of that role\n",
                   l->opt->table.quoted, PQuser(l->db));
    if (strcmp(p->by, l->opt->unique_column) != 0)
        sql_printf(out,
                   "its key has %s in it: an event that is sent again to "
                   "another node, and received at another time, is another "
                   "row\n",
                   p->by);
    PQclear(res);
    return 0;
}
