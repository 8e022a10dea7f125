/* SPDX-License-Identifier: MIT */
/* One attempt to bring a batch in, from the connection on: what has to be
 * known first, and what is left of it after a failure. */
#include "pg.h"

#include "conflict.h"
#include "ddl.h"
#include "partition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_AGAIN 64 /* rows that are tried in a batch that is out */

/* Errors that leave nothing behind keep the connection; after all others the
 * next attempt begins from scratch, on a server that may be another one. */
static void
give_up(struct conn *c)
{
    struct link *l = &c->link;
    const char *code = l->fault.code;
    int mild = strncmp(code, "40", 2) == 0 || strncmp(code, "55P03", 5) == 0
               || c->outage;
    if (!mild || l->fault.lost)
        link_close(l);
    c->checked = 0;
}

/* The plan that batches are encoded with from now on. */
static void
publish(struct pg *pg, struct plan *plan)
{
    pthread_mutex_lock(&pg->shared.lock);
    struct plan *old = pg->shared.plan;
    pg->shared.plan = plan;
    pthread_mutex_unlock(&pg->shared.lock);
    plan_unref(old);
}

/* The table may not be what it was: read it again, and let nothing more be
 * encoded for it until then. */
static void
forget_plan(struct conn *c)
{
    struct pg *pg = c->pg;
    pthread_mutex_lock(&pg->shared.lock);
    int latest = c->plan && c->plan == pg->shared.plan;
    pthread_mutex_unlock(&pg->shared.lock);
    plan_unref(c->plan);
    c->plan = NULL;
    if (latest)
        publish(pg, NULL);
}

static void
say_mode(struct pg *pg)
{
    if (pg->lanes.mode_said == (int) pg->lanes.mode)
        return;
    pg->lanes.mode_said = (int) pg->lanes.mode;
    if (pg->lanes.mode == PG_MODE_LANES)
        il_log(pg->host, IL_LOG_INFO,
               "connected; the lane's position is kept in %s", pg->opt.lanes);
    else
        il_log(
            pg->host, IL_LOG_WARN,
            "connected; this role cannot use %s, so what may be in already is "
            "written with on conflict (%s) do nothing (`ingestlayer ddl` "
            "prints the grants)",
            pg->opt.lanes, pg->opt.unique_column);
}

/* Which of the two ways rows are written is decided once: another one in
 * between would write again what the first has left behind unanswered. */
static int
keep_mode(struct pg *pg, struct link *l, enum pg_mode possible)
{
    if (!pg->lanes.mode_kept)
        pg->lanes.mode = possible;
    if (pg->lanes.mode != PG_MODE_LANES || possible == PG_MODE_LANES)
        return 0;
    fault_set(&l->fault, PG_ACT_PAUSE,
              "role \"%s\" may no longer use %s: grant select, insert, update "
              "on %s and usage on its schema (`ingestlayer ddl` prints it)",
              PQuser(l->db), pg->opt.lanes, pg->opt.lanes);
    return -1;
}

static int
read_session(struct conn *c)
{
    struct link *l = &c->link;
    PGresult *res;
    if (link_exec(l,
                  "select pg_catalog.current_setting('synchronous_commit'),"
                  " pg_catalog.pg_backend_pid()",
                  &res))
        return -1;
    c->sync_off = strcmp(PQgetvalue(res, 0, 0), "off") == 0;
    l->direct = atoi(PQgetvalue(res, 0, 1)) == PQbackendPID(l->db);
    PQclear(res);
    return 0;
}

static int
fresh(struct conn *c)
{
    struct pg *pg = c->pg;
    struct link *l = &c->link;
    enum pg_mode possible;
    if (link_open(l))
        return -1;
    if (c->connects++)
        il_counter_add(pg->host, pg->counts.reconnects, 1);
    l->tag = (struct link_tag){ .lane = pg->lanes.tag,
                                .process = pg->process,
                                .index = c->index,
                                .serial = (uint32_t) c->connects };
    c->checked = 0;
    forget_plan(c);
    if (read_session(c))
        return -1;
    if (lanes_prepare(l, 1, &possible) || keep_mode(pg, l, possible))
        return -1;
    if (!c->index)
        say_mode(pg);
    return 0;
}

int
attempt_connect(struct conn *c, const struct job *job)
{
    struct pg *pg = c->pg;
    struct link *l = &c->link;
    if (l->db && (!PQconsumeInput(l->db) || PQstatus(l->db) == CONNECTION_BAD))
        link_close(l);
    if (!l->db && fresh(c)) {
        link_close(l);
        return -1;
    }
    l->tag.epoch = pg->lanes.epoch;
    l->alone = !job || job->end - job->first == job->connections;
    if (!job || !pg->lanes.claimed || c->checked)
        return 0;
    if (pg->lanes.mode == PG_MODE_UNIQUE)
        c->doubt = 0;
    else if (lanes_check(&pg->lanes, l, job)) {
        if (l->fault.action == PG_ACT_SET_BACK)
            c->doubt = 0;
        if (l->fault.lost)
            link_close(l);
        return -1;
    }
    c->checked = 1;
    return 0;
}

static int
need_unique(const struct pg *pg, struct link *l, const struct plan *plan)
{
    const char *by = pg->opt.partition.by;
    if (pg->lanes.mode != PG_MODE_UNIQUE || plan->has_unique)
        return 0;
    if (by) {
        fault_set(&l->fault, PG_ACT_PAUSE,
                  "rows could arrive twice: this role cannot use %s, and table "
                  "%s has no unique index on (\"%s\", \"%s\"); grant select, "
                  "insert, update on %s (`ingestlayer ddl` prints it), or make "
                  "that index",
                  pg->opt.lanes, pg->opt.table.quoted, pg->opt.unique_column,
                  by, pg->opt.lanes);
        return -1;
    }
    fault_set(&l->fault, PG_ACT_PAUSE,
              "rows could arrive twice: this role cannot use %s, and table %s "
              "has no unique index on \"%s\" alone; grant select, insert, "
              "update on %s (`ingestlayer ddl` prints it), or: create unique "
              "index on %s (\"%s\")",
              pg->opt.lanes, pg->opt.table.quoted, pg->opt.unique_column,
              pg->opt.lanes, pg->opt.table.quoted, pg->opt.unique_column);
    return -1;
}

static int
copy_ready(struct conn *c, const struct job *job)
{
    struct pg *pg = c->pg;
    struct link *l = &c->link;
    struct plan *plan;
    if (attempt_connect(c, job))
        return -1;
    if (c->plan)
        return 0;
    int err = plan_read(l, &plan);
    if (err && pg->opt.create && strcmp(l->fault.code, "42P01") == 0) {
        err = ddl_run(l, pg->opt.table.schema, ddl_table);
        if (!err)
            err = plan_read(l, &plan);
    }
    if (err)
        return -1;
    if (need_unique(pg, l, plan)
        || conflict_ready(&pg->opt, l, plan, pg->lanes.mode)) {
        plan_unref(plan);
        return -1;
    }
    c->plan = plan_ref(plan);
    publish(pg, plan);
    return 0;
}

/* Rows made with what another connection has found are as good, as long as
 * both have found the same. */
static void
adopt_plan(struct conn *c, struct plan *plan)
{
    if (!plan || plan == c->plan
        || strcmp(plan->signature, c->plan->signature) != 0)
        return;
    plan_unref(c->plan);
    c->plan = plan_ref(plan);
}

/* The rows must be of the table as it is, and of events not yet in. */
static int
rows_ready(struct conn *c, struct job *job)
{
    adopt_plan(c, job->plan);
    pthread_mutex_lock(&job->of->lock);
    uint32_t kept = delivery_keep(c->pg, job);
    int err = 0;
    pthread_mutex_lock(&c->pg->shared.lock);
    int maybe = lanes_maybe(&c->pg->lanes, job);
    pthread_mutex_unlock(&c->pg->shared.lock);
    if (job->plan != c->plan || job->kept != kept || job->refused || maybe) {
        job->kept = kept;
        job->refused = 0;
        err = encode_job(&c->enc, job, c->plan);
    }
    pthread_mutex_unlock(&job->of->lock);
    if (err)
        fault_set(&c->link.fault, PG_ACT_RETRY, "no memory for the rows");
    return err ? -1 : 0;
}

static int
is_in(const struct pg *pg, const struct job *job)
{
    uint64_t last = il_batch_last(job->batch);
    for (uint32_t k = job->first; k < job->end; k++)
        if (pg->lanes.mode != PG_MODE_LANES || pg->lanes.positions[k] < last)
            return 0;
    return 1;
}

/* A batch of which no row went in comes again and again, and trying each row
 * each time would fill the log of Postgres.  So at first some are tried, others
 * each time; once one goes in all are.  1: go on, 0: as before, or -1. */
static int
still_out(struct conn *c, struct job *job)
{
    if (c->outage != il_batch_id(job->batch) || c->witness
        || job->row_count <= PROBE_AGAIN)
        return 1;
    struct fault *f = &c->link.fault;
    int good = copy_probe(c, job, c->probe_at);
    c->probe_at += PROBE_AGAIN;
    if (good || f->lost)
        return good;
    char why[FAULT_WHY];
    snprintf(why, sizeof why, "still no row of the batch goes in: %.1500s",
             f->why);
    memcpy(f->why, why, sizeof why);
    f->action = PG_ACT_PAUSE;
    return 0;
}

int
attempt_probe(struct conn *c, struct job *job)
{
    struct fault kept = c->link.fault;
    int good = -1;
    if (!attempt_connect(c, job) && !copy_ready(c, job) && !rows_ready(c, job))
        good = copy_probe(c, job, c->probe_at);
    c->probe_at += PROBE_AGAIN; /* what failed now may be all that cannot go */
    if (c->link.fault.action < PG_ACT_SET_BACK)
        c->link.fault = kept;
    return good;
}

/* A batch may need more than are made at once. */
static int
make_partitions(struct conn *c, struct job *job)
{
    int made;
    if (partition_need(c, job, &made))
        return -1;
    if (!made)
        c->parted = il_batch_id(job->batch);
    return 0;
}

/* One attempt at a time, because most of what can change in between needs the
 * rows to be made anew. */
int
attempt_job(struct conn *c, struct job *job)
{
    struct pg *pg = c->pg;
    int careful = 0;
    for (int i = 0; i < 5; i++) {
        if (attempt_connect(c, job))
            break;
        if (c->doubt)
            il_log(pg->host, IL_LOG_INFO,
                   "the batch whose commit went unanswered is %s",
                   is_in(pg, job) ? "in" : "not in");
        c->doubt = 0;
        if (is_in(pg, job))
            return 0;
        if (copy_ready(c, job) || rows_ready(c, job) || still_out(c, job) <= 0)
            break;
        c->outage = 0;
        int err = copy_transact(c, job, careful);
        if (!err)
            return 0;
        if (err < 0 || (err == COPY_PARTITION && make_partitions(c, job)))
            break;
        careful |= err == COPY_CAREFUL;
        job->merge |= err == COPY_MERGE;
        if (err == COPY_APART) {
            job->apart = 1;
            plan_unref(job->plan);
            job->plan = NULL; /* its rows are made anew */
        }
        if (err == COPY_REDO)
            forget_plan(c);
        fault_set(&c->link.fault, PG_ACT_RETRY,
                  "table %s keeps changing under the batch",
                  pg->opt.table.quoted);
    }
    give_up(c);
    return -1;
}
