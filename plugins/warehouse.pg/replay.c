/* SPDX-License-Identifier: MIT */
/* The phases of a replay, and what of a batch fits the table. */
#include "replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- why it fails --------------------------------------------------------- */

static int
say(struct replay *r, int err, const char *fmt, ...)
{
    char why[FAULT_WHY];
    va_list ap;
    struct sql s = { .host = r->pg->host, .text = r->ask->out };
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    r->ask->out->len = 0;
    sql_printf(&s, "%s", why);
    return err;
}

/* After a fault of the link: the transaction is over. */
static int
failed(struct replay *r)
{
    const struct fault *f = &r->link.fault;
    link_rollback(&r->link);
    return say(r, f->action == PG_ACT_RETRY ? -EAGAIN : -EACCES, "%s", f->why);
}

/* --- the beginning -------------------------------------------------------- */

static int
has_name(const char *name, const char *const *names, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return 1;
    return 0;
}

/* Does it say how an entity is, or what a step has found, today? */
static int
is_of_today(const struct options *o, const char *column)
{
    for (size_t i = 0; i < o->mapping_count; i++)
        if (strcmp(o->mappings[i].name, column) == 0)
            return strstr(o->mappings[i].reference, "$entity") != NULL
                   || strstr(o->mappings[i].reference, "$step") != NULL;
    return 0;
}

/* Columns by what is done with them. */
static int
sort_columns(struct replay *r)
{
    const struct il_replay *ask = r->ask;
    const struct plan *p = r->plan;
    r->columns = calloc(p->count + 1, sizeof *r->columns);
    r->differ = calloc(p->count + 1, sizeof *r->differ);
    if (!r->columns || !r->differ)
        return -ENOMEM;
    for (uint32_t k = 0; k < p->count; k++) {
        const char *name = p->columns[k].name;
        int today = is_of_today(&r->pg->opt, name);
        r->columns[k] = today ? REPLAY_TODAY : REPLAY_MENDS;
        if (ask->column_count)
            r->columns[k] = has_name(name, ask->columns, ask->column_count)
                                ? REPLAY_MENDS
                            : today ? REPLAY_TODAY
                                    : REPLAY_LEAVES;
    }
    for (uint32_t i = 0; i < ask->column_count; i++) {
        uint32_t k = 0;
        while (k < p->count && strcmp(p->columns[k].name, ask->columns[i]) != 0)
            k++;
        if (k == p->count || k == p->unique)
            return say(r, -EINVAL,
                       k == p->count
                           ? "the lane fills no column \"%s\" of table %s"
                           : "column \"%s\" of table %s tells rows apart, and "
                             "is never changed",
                       ask->columns[i], r->pg->opt.table.quoted);
    }
    return 0;
}

/* Can rows be told apart, and may they be looked at? */
static int
check_table(struct replay *r)
{
    const struct plan *p = r->plan;
    const char *table = r->pg->opt.table.quoted;
    const char *unique = r->pg->opt.unique_column;
    if (p->conflict == CONFLICT_UPDATE)
        return say(r, -EINVAL,
                   "each row of %s is made of all events of its key "
                   "(on_conflict = \"update\"), so none can be compared with "
                   "what one of them makes today: a new lane with begin = "
                   "\"oldest\" fills an empty table anew",
                   table);
    if (p->conflict)
        return say(
            r, -EINVAL,
            "rows of %s are of the first event of their key (on_conflict "
            "= \"ignore\"): an event without one need not be missing",
            table);
    if (p->kind != 'r' && p->kind != 'p')
        return say(r, -EINVAL,
                   "%s is no table, and its rows cannot be told apart", table);
    if (!p->can_select)
        return say(r, -EACCES, "this role may not read %s: grant select on %s",
                   table, table);
    if (p->unique == p->count)
        return say(r, -EINVAL,
                   "the lane fills no column \"%s\" of %s, by which rows and "
                   "events belong together: see unique_column",
                   unique, table);
    if (r->ask->mode != IL_REPLAY_DIFF && !p->has_unique)
        return say(
            r, -EINVAL,
            "table %s has no unique index on \"%s\" alone, without which "
            "rows could come twice or be taken for others: create unique "
            "index on %s (\"%s\")",
            table, unique, table, unique);
    return 0;
}

/* Its row, where this role may use the table of positions: without one a second
 * attempt begins anew, and finds what is done. */
static int
find_row(struct replay *r)
{
    const char *lanes = r->pg->opt.lanes;
    struct link *l = &r->link;
    struct sql *s = &l->sql;
    enum pg_mode mode;
    char at[32];
    if (lanes_prepare(l, 0, &mode))
        return -1;
    r->keeps = mode == PG_MODE_LANES;
    if (!r->keeps)
        return 0;
    sql_clear(s);
    sql_printf(s,
               "insert into %s (spool, lane, position, epoch) values ('%s', %s,"
               " 0, 0) on conflict (spool, lane) do nothing; select position"
               " from %s where spool = '%s' and lane = %s",
               lanes, r->ask->spool, r->name, lanes, r->ask->spool, r->name);
    if (link_text(l, sql_str(s), at, sizeof at))
        return -1;
    r->at = strtoull(at, NULL, 10);
    return 0;
}

static int
reconnect(struct replay *r)
{
    if (r->link.db)
        return 0;
    r->link.alone = 1;
    if (link_open(&r->link))
        return -1;
    return r->ask->mode == IL_REPLAY_DIFF ? 0 : find_row(r);
}

static int
make_name(struct replay *r)
{
    struct sql s;
    char name[2048];
    snprintf(name, sizeof name, "%s (replay %s)", il_lane(r->pg->host),
             r->ask->id);
    if (sql_open(&s, r->pg->host))
        return -ENOMEM;
    sql_literal(&s, name);
    r->name = sql_str(&s) ? strdup(sql_str(&s)) : NULL;
    sql_close(&s);
    return r->name ? 0 : -ENOMEM;
}

static int
replay_new(struct pg *pg)
{
    struct replay *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    pg->replay = r;
    r->pg = pg;
    pthread_mutex_init(&r->of.lock, NULL);
    r->job.of = &r->of;
    r->job.end = r->job.connections = 1;
    r->job.plain = 1;
    r->job.wire = il_text_new(pg->host);
    int err =
        link_init(&r->link, pg->host, &pg->opt.connect, &pg->opt, &pg->stop);
    if (!err)
        err = encode_open(&r->enc, pg->host, 0);
    return err ? err : r->job.wire ? 0 : -ENOMEM;
}

static int
begin(struct replay *r)
{
    int err = r->name ? 0 : make_name(r);
    if (err)
        return say(r, -EAGAIN, "no memory");
    if (reconnect(r) || (!r->plan && plan_read(&r->link, &r->plan)))
        return failed(r);
    err = check_table(r);
    if (!err)
        err = sort_columns(r);
    if (err == -ENOMEM)
        return say(r, -EAGAIN, "no memory");
    if (!err && r->at > r->ask->position)
        r->ask->position = r->at;
    return err;
}

/* --- a batch -------------------------------------------------------------- */

static void
refuse(struct replay *r, uint32_t row)
{
    struct il_text *id = il_text_new(r->pg->host);
    int known = id && !replay_key(r, r->job.batch, r->job.rows[row].event, id);
    r->ask->refused++;
    replay_show(r, REPLAY_REFUSED, known ? id->data : "", r->link.fault.why);
    if (id)
        il_text_free(r->pg->host, id);
}

/* What was counted of a run that is tried again is not counted. */
struct counts {
    struct il_replay ask;
    size_t shown;
    uint32_t sampled[REPLAY_SAMPLES];
};

static struct counts
counts_of(const struct replay *r)
{
    struct counts c = { .ask = *r->ask, .shown = r->ask->out->len };
    memcpy(c.sampled, r->sampled, sizeof c.sampled);
    return c;
}

static void
counts_back(struct replay *r, const struct counts *was)
{
    *r->ask = was->ask;
    r->ask->out->len = was->shown;
    memcpy(r->sampled, was->sampled, sizeof was->sampled);
}

/* Rows lo to hi; those that fail alone do not fit. */
static int
run(struct replay *r, const struct part *part, uint32_t lo, uint32_t hi)
{
    struct link *l = &r->link;
    const struct counts was = counts_of(r);
    uint64_t *differ = malloc((r->plan->count + 1) * sizeof *differ);
    if (!differ)
        return link_no_memory(l);
    memcpy(differ, r->differ, r->plan->count * sizeof *differ);
    int err = link_exec(l, "savepoint il", NULL);
    if (!err)
        err = replay_rows(r, part, lo, hi);
    if (!err) {
        free(differ);
        return link_exec(l, "release savepoint il", NULL);
    }
    counts_back(r, &was);
    memcpy(r->differ, differ, r->plan->count * sizeof *differ);
    free(differ);
    struct fault fault = l->fault;
    if (fault.lost || !fault.row
        || link_exec(l, "rollback to savepoint il; release savepoint il", NULL))
        return -1;
    if (hi - lo == 1) {
        l->fault = fault;
        refuse(r, lo);
        return 0;
    }
    uint32_t half = lo + (hi - lo) / 2;
    return run(r, part, lo, half) || run(r, part, half, hi) ? -1 : 0;
}

/* Whoever else moves it is another replay of the same. */
static int
move_row(struct replay *r)
{
    struct sql *s = &r->link.sql;
    char n[32];
    if (!r->keeps)
        return 0;
    sql_clear(s);
    sql_printf(s,
               "with n as (update %s set position = %llu where spool = '%s' and"
               " lane = %s and position = %llu returning 1) select count(*)"
               " from n",
               r->pg->opt.lanes, (unsigned long long) r->ask->position,
               r->ask->spool, r->name, (unsigned long long) r->at);
    if (link_text(&r->link, sql_str(s), n, sizeof n))
        return -1;
    if (strcmp(n, "1") == 0)
        return 0;
    fault_set(
        &r->link.fault, PG_ACT_PAUSE,
        "another replay of the same is under way: it has moved this one's "
        "row in %s",
        r->pg->opt.lanes);
    return -1;
}

static int
bring(struct replay *r, struct il_batch *b)
{
    struct job *job = &r->job;
    job->batch = b;
    pthread_mutex_lock(&r->of.lock);
    int err = encode_job(&r->enc, job, r->plan);
    pthread_mutex_unlock(&r->of.lock);
    if (err)
        return link_no_memory(&r->link);
    r->ask->refused += job->misfits;
    err = link_begin(&r->link, lanes_lock_ms(&r->pg->lanes));
    if (!err && r->ask->mode != IL_REPLAY_DIFF)
        err = move_row(r);
    for (uint32_t i = 0; i < job->part_count && !err; i++)
        err = run(r, &job->parts[i], job->parts[i].first, job->parts[i].end);
    return err ? err : replay_absent(r, b);
}

static int
batch(struct replay *r, struct il_batch *b)
{
    const struct counts was = counts_of(r);
    if (reconnect(r))
        return failed(r);
    if (r->keeps && r->at >= r->ask->position)
        return 0; /* its COMMIT went unanswered, and was done */
    int err = bring(r, b);
    if (err) {
        counts_back(r, &was);
        return failed(r);
    }
    if (r->ask->mode == IL_REPLAY_DIFF) {
        link_rollback(&r->link);
        return 0;
    }
    if (link_exec(&r->link, "commit", NULL)) {
        counts_back(r, &was);
        return failed(r);
    }
    r->at = r->ask->position;
    return 0;
}

/* --- the end -------------------------------------------------------------- */

static void
put_columns(struct replay *r)
{
    struct sql s = { .host = r->pg->host, .text = r->ask->out };
    for (uint32_t k = 0; k < r->plan->count; k++) {
        struct il_value name = { .type = IL_STRING,
                                 .str = r->plan->columns[k].name };
        name.len = (uint32_t) strlen(name.str);
        if (!r->differ[k])
            continue;
        sql_printf(&s, "{\"column\":");
        if (!s.err && il_write_json(s.host, s.text, &name, 0) < 0)
            s.err = -ENOMEM;
        sql_printf(&s, ",\"different\":%llu,\"of_today\":%s}\n",
                   (unsigned long long) r->differ[k],
                   is_of_today(&r->pg->opt, name.str) ? "true" : "false");
    }
}

/* The next one of the same begins anew. */
static int
end(struct replay *r)
{
    struct sql *s = &r->link.sql;
    if (reconnect(r))
        return failed(r);
    sql_clear(s);
    sql_printf(s, "update %s set position = 0 where spool = '%s' and lane = %s",
               r->pg->opt.lanes, r->ask->spool, r->name);
    if (r->keeps && link_exec(&r->link, sql_str(s), NULL))
        return failed(r);
    sql_clear(s);
    sql_printf(s, "delete from %s where spool = '%s' and lane = %s",
               r->pg->opt.lanes, r->ask->spool, r->name);
    /* This role need not have the right to that. */
    if (r->keeps && link_exec(&r->link, sql_str(s), NULL) && r->link.fault.lost)
        link_close(&r->link);
    put_columns(r);
    return 0;
}

int
replay_phase(void *self, struct il_replay *ask, struct il_batch *b)
{
    struct pg *pg = self;
    int err = pg->replay ? 0 : replay_new(pg);
    struct replay *r = pg->replay;
    if (err)
        return -EAGAIN;
    r->ask = ask;
    switch (ask->phase) {
    case IL_REPLAY_BEGIN:
        return begin(r);
    case IL_REPLAY_BATCH:
        return batch(r, b);
    default:
        return end(r);
    }
}

void
replay_close(struct pg *pg)
{
    struct replay *r = pg->replay;
    if (!r)
        return;
    link_rollback(&r->link);
    link_free(&r->link);
    encode_close(&r->enc);
    plan_unref(r->plan);
    plan_unref(r->job.plan);
    if (r->job.wire)
        il_text_free(pg->host, r->job.wire);
    free(r->job.rows);
    free(r->job.parts);
    free(r->job.order);
    free(r->job.sets);
    free(r->name);
    free(r->columns);
    free(r->differ);
    pthread_mutex_destroy(&r->of.lock);
    free(r);
    pg->replay = NULL;
}
