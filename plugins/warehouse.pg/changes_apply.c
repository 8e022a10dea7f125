/* SPDX-License-Identifier: MIT */
/* A plan that was saved, run as it stands.
 *
 * Each change is a transaction.  Two seconds is all that it waits for a lock,
 * because those that come after it wait for it; then it lets them by, and tries
 * again. */
#include "changes.h"

#include "pg.h"

#include <errno.h>
#include <string.h>

#define LOCK_MS 2000
#define PAUSE_FIRST_MS 500
#define PAUSE_MOST_MS 10000
#define TRIES 30

static int
find(const struct il_host *host, const struct il_value *map, const char *name,
     struct il_value *out)
{
    struct il_value key;
    size_t iter = 0, len = strlen(name);
    while (map->type == IL_MAP && il_item(host, map, &iter, &key, out))
        if (key.len == len && memcmp(key.str, name, len) == 0)
            return 1;
    return 0;
}

static int
is_text(const struct il_value *v, const char *text)
{
    return v->type == IL_STRING && v->len == strlen(text)
           && memcmp(v->str, text, v->len) == 0;
}

static int
run_once(struct link *l, const struct il_value *statement)
{
    struct sql *s = &l->sql;
    sql_clear(s);
    link_begin_sql(l, s, LOCK_MS);
    sql_put(s, statement->str, statement->len);
    sql_printf(s, "commit");
    if (!link_exec(l, sql_str(s), NULL))
        return 0;
    link_rollback(l);
    return -1;
}

static int
run(struct link *l, const struct il_value *statement, struct sql *out)
{
    uint32_t pause_ms = PAUSE_FIRST_MS;
    int err, tries = 0;
    while ((err = run_once(l, statement)) != 0
           && strcmp(l->fault.code, "55P03") == 0 && !l->fault.lost
           && ++tries < TRIES) {
        if (tries == 1)
            il_log(l->host, IL_LOG_INFO, "waiting for a lock: %s",
                   *l->blocker ? l->blocker : l->fault.message);
        link_pause(l, pause_ms);
        pause_ms = pause_ms < PAUSE_MOST_MS / 2 ? pause_ms * 2 : PAUSE_MOST_MS;
    }
    if (err) {
        sql_printf(out, "%s\n", l->fault.why);
        sql_printf(out, "this was not done, nor what comes after it:\n%.*s",
                   (int) statement->len, statement->str);
    } else {
        sql_printf(out, "%.*s", (int) statement->len, statement->str);
    }
    return err;
}

/* Is it a plan for this table, and as it is now?  0 or -EINVAL. */
static int
check(struct link *l, const struct il_value *plan, struct sql *out)
{
    struct il_value table, made_for;
    char now[64];
    if (!find(l->host, plan, "table", &table)
        || !is_text(&table, l->opt->table.quoted)
        || !find(l->host, plan, "signature", &made_for)) {
        sql_printf(out, "this plan is not for table %s\n",
                   l->opt->table.quoted);
        return -EINVAL;
    }
    sql_clear(&l->sql);
    plan_signature_sql(l->opt, &l->sql);
    if (link_text(l, sql_str(&l->sql), now, sizeof now)) {
        sql_printf(out, "%s\n", l->fault.why);
        return -EAGAIN;
    }
    if (is_text(&made_for, now) || !made_for.len)
        return 0;
    sql_printf(out,
               "table %s is not what it was when this plan was made: make "
               "another one\n",
               l->opt->table.quoted);
    return -EINVAL;
}

static int
run_all(struct link *l, const struct il_value *plan, struct sql *out)
{
    struct il_value list, one, sql;
    size_t iter = 0;
    int err = check(l, plan, out);
    if (!err
        && (!find(l->host, plan, "changes", &list) || list.type != IL_ARRAY))
        err = -EINVAL;
    while (!err && il_item(l->host, &list, &iter, NULL, &one)) {
        if (!find(l->host, &one, "sql", &sql) || sql.type != IL_STRING)
            err = -EINVAL;
        else if (run(l, &sql, out))
            err = l->fault.action == PG_ACT_RETRY ? -EAGAIN : -EACCES;
    }
    return err;
}

int
changes_apply(void *self, const char *json, size_t len, const char *as,
              struct il_text *text)
{
    struct pg *pg = self;
    struct connection connect = pg->opt.connect;
    struct il_text *packed = il_text_new(pg->host);
    struct sql out = { .host = pg->host, .text = text };
    struct il_value plan;
    struct link l;
    if (as)
        connect.string = as;
    int err = link_init(&l, pg->host, &connect, &pg->opt, &pg->stop) || !packed
                  ? -ENOMEM
                  : 0;
    if (!err)
        err = il_read_json(pg->host, packed, json, len, &plan);
    if (!err && link_open(&l)) {
        sql_printf(&out, "%s\n", l.fault.why);
        err = -EAGAIN;
    }
    if (!err)
        err = run_all(&l, &plan, &out);
    link_free(&l);
    if (packed)
        il_text_free(pg->host, packed);
    return err ? err : out.err;
}
