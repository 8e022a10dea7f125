/* SPDX-License-Identifier: MIT */
/* One run, in one snapshot of the server.
 *
 * The watermark: a row that a transaction changes has the time at which the
 * transaction began, as a rule, and is seen when it has ended.  So `last` goes no
 * further than the start of the oldest transaction that was open before the snapshot
 * was taken: whatever it commits later lies behind that.  Those that begin after the
 * look are behind the time of the look, which is a bound as well; and that is also
 * why a row with a time in the future holds nothing up. */
#include "mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char bound_sql[] =
    "select (extract(epoch from %s) * 1000000)::bigint,"
    " not pg_catalog.pg_is_in_recovery() and"
    " pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'usage')"
    " from (select least(pg_catalog.clock_timestamp(),"
    " (select min(xact_start) from pg_catalog.pg_stat_activity where"
    " pid <> pg_catalog.pg_backend_pid() and datname ="
    " pg_catalog.current_database() and backend_type <> 'autovacuum worker'),"
    " (select min(prepared) from pg_catalog.pg_prepared_xacts where database ="
    " pg_catalog.current_database())) as b) x";

int
run_bound(struct mirror *m, const struct query *q, int64_t *bound_us, int *sure)
{
    struct sql *s = &m->link.sql;
    PGresult *res;
    sql_clear(s);
    sql_printf(s, bound_sql, q->zoned ? "b" : "b::timestamp");
    if (link_exec(&m->link, sql_str(s), &res))
        return -1;
    /* What begins in the very same microsecond is not there yet. */
    *bound_us = strtoll(PQgetvalue(res, 0, 0), NULL, 10) - 2;
    *sure = *PQgetvalue(res, 0, 1) == 't';
    PQclear(res);
    return 0;
}

/* A fault of the store's, or of memory. */
static int
store_fault(struct mirror *m, const char *what, int err)
{
    fault_set(&m->link.fault, PG_ACT_RETRY, "%s: %s", what, strerror(-err));
    return -1;
}

/* Rows are written by a thread of the run's, while the next ones are read: a
 * transaction of the store waits for the disk, and the server need not wait as
 * well.  Two lots of rows go to and fro. */
struct writer {
    struct mirror *mirror;
    struct rows lots[2];
    struct rows *filling; /* the reader's */
    pthread_t thread;
    int running;
    pthread_mutex_t lock; /* protects what follows */
    pthread_cond_t changed;
    struct rows *full; /* the writer's, until it is NULL again */
    int end, err;
    struct il_mirrored counts;
};

static int
write_lot(struct writer *w, const struct rows *rows)
{
    const struct entities *e = w->mirror->owner;
    struct il_mirrored n = { IL_SIZED(struct il_mirrored) };
    int err =
        il_mirror_write(w->mirror->store, rows->row, rows->count, NULL, &n);
    if (err)
        return err;
    w->counts.added += n.added;
    w->counts.changed += n.changed;
    w->counts.same += n.same;
    w->counts.left += n.left;
    w->counts.refused += n.refused;
    il_counter_add(e->host, e->rows, rows->count);
    il_counter_add(e->host, e->written, n.added + n.changed);
    il_counter_add(e->host, e->refused, n.refused);
    return 0;
}

static void *
writer_run(void *arg)
{
    struct writer *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->full && !w->end)
            pthread_cond_wait(&w->changed, &w->lock);
        if (!w->full)
            break;
        pthread_mutex_unlock(&w->lock);
        int err = write_lot(w, w->full);
        pthread_mutex_lock(&w->lock);
        w->err = w->err ? w->err : err;
        w->full = NULL;
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* Wait until the last lot is written, and hand the next one over, if there is one
 * to be.  0 or -1. */
static int
write_rows(struct writer *w, struct run *run)
{
    struct mirror *m = w->mirror;
    pthread_mutex_lock(&w->lock);
    while (w->full)
        pthread_cond_wait(&w->changed, &w->lock);
    int err = w->err;
    if (!err && w->filling->count) {
        rows_ready(w->filling);
        w->full = w->filling;
        w->filling = &w->lots[w->filling == w->lots];
        rows_reset(w->filling);
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    if (err)
        return store_fault(m, "the entities cannot be written", err);
    if (run->full)
        mirror_status(m, "reading all rows: %llu so far%s",
                      (unsigned long long) run->rows,
                      m->done.full_us ? "" : ", for the first time");
    return 0;
}

static int
writer_open(struct writer *w, struct mirror *m)
{
    *w = (struct writer){ .mirror = m, .filling = w->lots };
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    int err = rows_open(&w->lots[0], m->owner->host);
    int other = rows_open(&w->lots[1], m->owner->host);
    if (err || other)
        return link_no_memory(&m->link);
    err = pthread_create(&w->thread, NULL, writer_run, w);
    w->running = !err;
    return err ? store_fault(m, "no thread", -err) : 0;
}

static void
writer_close(struct writer *w, struct run *run)
{
    pthread_mutex_lock(&w->lock);
    w->end = 1;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    if (w->running)
        pthread_join(w->thread, NULL);
    run->counts = w->counts;
    for (int i = 0; i < 2; i++) {
        run->counts.refused += w->lots[i].nulls;
        rows_close(&w->lots[i]);
    }
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
}

static int
take_row(struct writer *w, const struct query *q, struct seen *seen,
         struct run *run, char *line, int len)
{
    struct mirror *m = w->mirror;
    struct rows *rows = w->filling;
    const size_t before = rows->count;
    int err = rows_add(rows, q, line, (size_t) len, &run->newest_us);
    if (err == -EPROTO) {
        fault_set(&m->link.fault, PG_ACT_PAUSE,
                  "a row of the query is not what was asked for");
        return -1;
    }
    if (err)
        return store_fault(m, "a row cannot be kept", err);
    run->rows++;
    if (seen && rows->count > before) {
        const size_t *at = &rows->at[2 * before];
        err = seen_add(seen, rows->bytes->data + at[0], at[1] - at[0]);
        if (err)
            return store_fault(m, "which keys there are cannot be kept", err);
    }
    if (rows->count < ROWS_MAX && rows->bytes->len < ROWS_BYTES)
        return 0;
    return write_rows(w, run);
}

/* 0 or -1. */
static int
copy_rows(struct mirror *m, const struct query *q, int64_t after_us,
          struct seen *seen, struct run *run)
{
    struct link *l = &m->link;
    struct writer w;
    PGresult *res = NULL;
    int err = writer_open(&w, m), n = 0;
    sql_clear(&l->sql);
    query_copy_sql(q, &m->set, after_us, &l->sql);
    if (!err)
        err = link_send(l, sql_str(&l->sql));
    if (!err)
        res = link_result(l, &err);
    PQclear(res);
    while (!err) {
        char *line;
        n = link_copy_row(l, &line);
        if (n <= 0)
            break;
        err = take_row(&w, q, seen, run, line, n);
        PQfreemem(line);
        if (!err && mirror_stops(m)) {
            fault_set(&l->fault, PG_ACT_RETRY, "stopping");
            err = -1;
        }
    }
    if (!err && n < 0)
        err = -1;
    if (!err)
        err = link_finish(l);
    if (!err)
        err = write_rows(&w, run);
    if (!err)
        err = write_rows(&w, run); /* the last ones are written */
    writer_close(&w, run);
    return err;
}

static int
begin(struct mirror *m)
{
    struct sql *s = &m->link.sql;
    sql_clear(s);
    sql_printf(s,
               "begin isolation level repeatable read, read only;"
               " set local statement_timeout = 0; set local timezone = 'UTC';"
               " set local datestyle = 'ISO'; set local intervalstyle ="
               " 'iso_8601'; set local bytea_output = 'hex';"
               " set local extra_float_digits = 1");
    return link_exec(&m->link, sql_str(s), NULL);
}

static int
seen_asked(void *arg, const char *id, size_t len)
{
    return seen_has(arg, id, len);
}

/* Remove what the run did not meet, unless it met suspiciously little. */
static int
remove_gone(struct mirror *m, struct seen *seen, struct run *run)
{
    struct il_mirrored n = { IL_SIZED(struct il_mirrored) };
    if (run->rows * 2 < m->done.full_rows) {
        run->kept = 1;
        il_log(m->owner->host, IL_LOG_WARN,
               "mirror %s: %llu rows where the last run had %llu: nothing is "
               "removed; if that is right, the next full run removes what is "
               "gone",
               m->set.name, (unsigned long long) run->rows,
               (unsigned long long) m->done.full_rows);
        return 0;
    }
    seen_sort(seen);
    int err = il_mirror_gone(m->store, seen_asked, seen, &n);
    run->counts.removed += n.removed;
    il_counter_add(m->owner->host, m->owner->removed, n.removed);
    return err ? store_fault(m, "what is gone cannot be removed", err) : 0;
}

static int64_t
min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The run is complete: that is durable from now on. */
static int
finish(struct mirror *m, const struct run *run)
{
    struct progress now = m->done;
    char text[PROGRESS_TEXT];
    now.hash = m->set.hash;
    if (run->full) {
        now.full_us = run->started_us;
        now.full_rows = run->rows;
        now.watermark_us = min_of(run->newest_us, run->bound_us);
    } else if (min_of(run->newest_us, run->bound_us) > now.watermark_us) {
        now.watermark_us = min_of(run->newest_us, run->bound_us);
    }
    int len = snprintf(text, sizeof text, "1 %016llx %lld %llu %lld",
                       (unsigned long long) now.hash, (long long) now.full_us,
                       (unsigned long long) now.full_rows,
                       (long long) now.watermark_us);
    const struct il_mirror_state state = { IL_SIZED(struct il_mirror_state),
                                           .mark = text,
                                           .mark_len = (size_t) len,
                                           .seen_us = run->started_us };
    int err = il_mirror_write(m->store, NULL, 0, &state, NULL);
    if (err)
        return store_fault(m, "how far it is cannot be written", err);
    m->done = now;
    __atomic_store_n(&m->seen_us, run->started_us, __ATOMIC_RELAXED);
    return 0;
}

/* Where the rows begin that are read; 0: all of them. */
static int64_t
read_after(const struct mirror *m, int sure)
{
    int64_t after = m->done.watermark_us;
    if (!sure || m->set.overlap_set)
        after -= m->set.overlap_us;
    return after ? after : 1;
}

int
run_once(struct mirror *m, struct run *run)
{
    struct seen seen;
    struct query q = { 0 };
    int sure = 1, err = 0;
    seen_open(&seen, m->owner->host, SEEN_HASHES);
    if (!m->link.db)
        err = link_open(&m->link);
    if (!err)
        err = query_read(&m->link, &m->set, &q);
    if (!err && m->set.watermark)
        err = run_bound(m, &q, &run->bound_us, &sure);
    run->started_us = il_now_us(m->owner->host);
    if (!err)
        err = begin(m);
    if (!err)
        err = copy_rows(m, &q, run->full ? 0 : read_after(m, sure),
                        run->full && m->set.deletes ? &seen : NULL, run);
    if (!err)
        err = link_exec(&m->link, "commit", NULL);
    if (err)
        link_rollback(&m->link);
    if (!err && run->full && m->set.deletes)
        err = remove_gone(m, &seen, run);
    if (!err)
        err = finish(m, run);
    query_clear(&q);
    seen_close(&seen);
    return err;
}
