/* SPDX-License-Identifier: MIT */
/* One attempt to bring a batch in, from the connection on: what has to be
 * known first, and what is left of it after a failure. */
#include "pg.h"

#include <string.h>

/* Errors that leave nothing behind keep the connection; after all others the
 * next attempt begins from scratch, on a server that may be another one. */
static void
give_up(struct link *l)
{
    struct pg *pg = l->pg;
    const char *code = l->fault.code;
    int mild = strncmp(code, "40", 2) == 0 || strncmp(code, "55P03", 5) == 0;
    if (!mild)
        link_close(l);
    if (l->fault.action == PG_ACT_REJECT) /* of no row in particular */
        l->fault.action = PG_ACT_RETRY;
    pg->checked = 0;
}

static void
publish(struct pg *pg, struct plan *plan)
{
    pthread_mutex_lock(&pg->lock);
    struct plan *old = pg->plan;
    pg->plan = plan;
    pthread_mutex_unlock(&pg->lock);
    plan_unref(old);
}

static void
say_mode(struct pg *pg)
{
    if (pg->mode_said == (int) pg->mode)
        return;
    pg->mode_said = (int) pg->mode;
    if (pg->mode == PG_MODE_LANES)
        il_log(pg->host, IL_LOG_INFO,
               "connected; the lane's position is kept in %s", pg->lanes);
    else
        il_log(pg->host, IL_LOG_WARN,
               "connected; this role cannot use %s, so rows are written with "
               "on conflict (%s) do nothing, which is slower (`ingestlayer "
               "ddl` prints the grants)",
               pg->lanes, pg->unique_column);
}

/* Which of the two ways rows are written is decided once: another one in
 * between would write again what the first has left behind unanswered. */
static int
keep_mode(struct link *l, enum pg_mode possible)
{
    struct pg *pg = l->pg;
    pg->mode = pg->mode_kept ? pg->mode_kept : possible;
    if (pg->mode != PG_MODE_LANES || possible == PG_MODE_LANES)
        return 0;
    fault_set(&l->fault, PG_ACT_PAUSE,
              "role \"%s\" may no longer use %s: grant select, insert, update "
              "on %s and usage on its schema (`ingestlayer ddl` prints it)",
              PQuser(l->db), pg->lanes, pg->lanes);
    return -1;
}

static int
fresh(struct link *l)
{
    struct pg *pg = l->pg;
    struct sql *s = &pg->sql;
    char sync[32];
    enum pg_mode possible;
    if (link_open(l))
        return -1;
    if (pg->connects++)
        il_count(pg->host, pg->reconnects, 1);
    pg->checked = 0;
    publish(pg, NULL);
    sql_clear(s);
    sql_printf(s, "select pg_catalog.current_setting('synchronous_commit')");
    if (link_text(l, sql_str(s), sync, sizeof sync))
        return -1;
    pg->sync_off = strcmp(sync, "off") == 0;
    if (lanes_prepare(l, 1, &possible) || keep_mode(l, possible))
        return -1;
    say_mode(pg);
    return 0;
}

int
copy_connect(struct link *l)
{
    struct pg *pg = l->pg;
    if (l->db && (!PQconsumeInput(l->db) || PQstatus(l->db) == CONNECTION_BAD))
        link_close(l);
    if (!l->db && fresh(l)) {
        link_close(l);
        return -1;
    }
    if (!pg->claimed || pg->checked)
        return 0;
    if (pg->mode == PG_MODE_UNIQUE)
        pg->doubt = 0;
    else if (pg->epoch ? lanes_check(l) : lanes_claim(l, pg->position)) {
        if (l->fault.lost)
            link_close(l);
        return -1;
    }
    pg->checked = 1;
    return 0;
}

static int
need_unique(struct link *l, const struct plan *plan)
{
    const struct pg *pg = l->pg;
    if (pg->mode != PG_MODE_UNIQUE || plan->has_unique)
        return 0;
    fault_set(&l->fault, PG_ACT_PAUSE,
              "rows could arrive twice: this role cannot use %s, and table %s "
              "has no unique index on \"%s\" alone; grant select, insert, "
              "update on %s (`ingestlayer ddl` prints it), or: create unique "
              "index on %s (\"%s\")",
              pg->lanes, pg->table.quoted, pg->unique_column, pg->lanes,
              pg->table.quoted, pg->unique_column);
    return -1;
}

static int
copy_ready(struct link *l)
{
    struct pg *pg = l->pg;
    struct plan *plan;
    if (copy_connect(l))
        return -1;
    if (pg->plan)
        return 0;
    int err = plan_read(l, &plan);
    if (err && pg->create && strcmp(l->fault.code, "42P01") == 0) {
        err = ddl_run(l, pg->table.schema, ddl_table);
        if (!err)
            err = plan_read(l, &plan);
    }
    if (err)
        return -1;
    if (need_unique(l, plan)) {
        plan_unref(plan);
        return -1;
    }
    publish(pg, plan);
    return 0;
}

/* The rows must be of the table as it is, and of events not yet in. */
static int
rows_ready(struct pg *pg, struct job *job)
{
    uint64_t after =
        pg->mode == PG_MODE_LANES && pg->position >= il_batch_id(job->batch)
            ? pg->position
            : 0;
    if (job->plan == pg->plan && job->after == after && !job->refused)
        return 0;
    job->after = after;
    job->refused = 0;
    if (encode_job(pg, &pg->enc, job, pg->plan) == 0)
        return 0;
    fault_set(&pg->link.fault, PG_ACT_RETRY, "no memory for the rows");
    return -1;
}

/* One attempt at a time, because most of what can change in between needs the
 * rows to be made anew. */
int
copy_job(struct link *l, struct job *job)
{
    struct pg *pg = l->pg;
    int careful = 0;
    for (int i = 0; i < 5; i++) {
        if (copy_connect(l))
            break;
        if (pg->doubt)
            il_log(pg->host, IL_LOG_INFO,
                   "the batch whose commit went unanswered is %s",
                   pg->position >= il_batch_last(job->batch) ? "in" : "not in");
        pg->doubt = 0;
        if (pg->mode == PG_MODE_LANES
            && pg->position >= il_batch_last(job->batch))
            return 0;
        if (copy_ready(l) || rows_ready(pg, job))
            break;
        int err = copy_transact(l, job, careful);
        if (!err)
            return 0;
        if (err < 0)
            break;
        careful |= err == COPY_CAREFUL;
        job->merge |= err == COPY_MERGE;
        if (err == COPY_REDO)
            publish(pg, NULL);
        fault_set(&l->fault, PG_ACT_RETRY,
                  "table %s keeps changing under the batch", pg->table.quoted);
    }
    give_up(l);
    return -1;
}
