/* SPDX-License-Identifier: MIT */
/* Looking after a statement that has been silent for some seconds.
 *
 * Postgres knows what this side cannot see.  Its process may wait for a lock:
 * then pg_blocking_pids() names who has it, and where that is what an earlier
 * connection of this very lane left behind, it is ended, which a role may do to
 * its own.  Or it may wait for us to say something, while we wait for its
 * answer and nothing is on the way: then the connection is dead in between, and
 * both ends of it are given up.  That is seen twice before it is believed.
 *
 * Who is who is told by application_name: NAME
 * il:LANE:EPOCH:PROCESS.INDEX.SERIAL, all in hexadecimal, which transactions
 * set for themselves. */
#include "link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <linux/sockios.h>
#include <sys/ioctl.h>
#endif

#define WATCH_MS 3000 /* each step of a look may take so long */
#define LOCK_IDLE_MS 30000
#define DEAD_LOOKS 2

/* --- names --------------------------------------------------------------- */

static void
put_name(struct link *l)
{
    const struct link_tag *t = &l->tag;
    char tag[64];
    size_t n = (size_t) snprintf(
        tag, sizeof tag, " il:%012llx:%llx:%06x.%x.%x",
        (unsigned long long) t->lane, (unsigned long long) t->epoch,
        t->process & 0xffffff, t->index & 0xff, t->serial & 0xffff);
    size_t keep = strlen(l->name);
    /* Postgres cuts at 63 bytes; the tag is what must not be. */
    if (n > PG_NAME_MAX)
        n = PG_NAME_MAX;
    if (keep > PG_NAME_MAX - n)
        keep = PG_NAME_MAX - n;
    memcpy(l->txn_name, l->name, keep);
    memcpy(l->txn_name + keep, tag, n);
    l->txn_name[keep + n] = 0;
}

static int
read_name(const char *name, struct link_tag *t)
{
    unsigned long long lane, epoch;
    const char *at = NULL;
    for (const char *p = name; (p = strstr(p, " il:")) != NULL; p++)
        at = p;
    *t = (struct link_tag){ 0 };
    if (!at
        || sscanf(at, " il:%12llx:%llx:%x.%x.%x", &lane, &epoch, &t->process,
                  &t->index, &t->serial)
               != 5)
        return 0;
    t->lane = lane;
    t->epoch = epoch;
    return 1;
}

/* Is that what an earlier connection of ours has left? */
static int
is_earlier(const struct link *l, const char *name)
{
    const struct link_tag *mine = &l->tag;
    struct link_tag t;
    if (!mine->lane || !read_name(name, &t) || t.lane != mine->lane)
        return 0;
    if (t.process == mine->process)
        return l->alone
               || (t.index == mine->index
                   && t.serial != (mine->serial & 0xffff));
    return t.epoch < mine->epoch;
}

/* --- transactions -------------------------------------------------------- */

void
link_begin_sql(struct link *l, struct sql *s, uint32_t lock_timeout_ms)
{
    put_name(l);
    *l->blocker = 0;
    sql_printf(s, "begin isolation level read committed; "
                  "set local application_name = ");
    sql_literal(s, l->txn_name);
    sql_printf(s,
               "; set local statement_timeout = %u; "
               "set local lock_timeout = %u; "
               "set local idle_in_transaction_session_timeout = %d; "
               "set local tcp_keepalives_idle = 10; "
               "set local tcp_keepalives_interval = 4; ",
               l->connection->statement_timeout_ms, lock_timeout_ms,
               LOCK_IDLE_MS);
}

int
link_begin(struct link *l, uint32_t lock_timeout_ms)
{
    struct sql *s = &l->sql;
    sql_clear(s);
    link_begin_sql(l, s, lock_timeout_ms);
    return link_exec(l, sql_str(s), NULL);
}

/* --- a look -------------------------------------------------------------- */

enum { W_WHAT, W_PID, W_STATE, W_DETAIL, W_NAME, W_SECONDS };

static void
look_sql(const struct link *l, struct sql *s)
{
    sql_clear(s);
    sql_printf(s, "with me as (select pid, state, wait_event from"
                  " pg_catalog.pg_stat_activity where false");
    if (*l->txn_name) {
        sql_printf(s, " or application_name = ");
        sql_literal(s, l->txn_name);
    }
    if (l->direct)
        sql_printf(s, " or pid = %d", PQbackendPID(l->db));
    sql_printf(s, ") select 'me', pid, state, coalesce(wait_event, ''), '', 0"
                  " from me union all select 'by', p.pid, coalesce(b.state,"
                  " ''), coalesce(b.usename, ''), coalesce(b.application_name,"
                  " ''), coalesce(extract(epoch from"
                  " pg_catalog.clock_timestamp() - b.xact_start)::int, 0)"
                  " from me, unnest(pg_catalog.pg_blocking_pids(me.pid))"
                  " p (pid) left join pg_catalog.pg_stat_activity b"
                  " on b.pid = p.pid");
}

static int
end_backend(struct link *watch, const char *pid)
{
    char sql[80], yes[2];
    snprintf(sql, sizeof sql, "select pg_catalog.pg_terminate_backend(%d)",
             atoi(pid));
    return link_text(watch, sql, yes, sizeof yes) == 0 && *yes == 't';
}

static void
blocked_by(struct link *l, struct link *watch, const PGresult *res, int i)
{
    const char *pid = PQgetvalue(res, i, W_PID);
    const char *name = PQgetvalue(res, i, W_NAME);
    char who[FAULT_BLOCKER];
    if (is_earlier(l, name) && end_backend(watch, pid)) {
        il_log(l->host, IL_LOG_WARN,
               "ended process %s of Postgres, which an earlier connection of "
               "this lane had left behind, with what the lane waits for",
               pid);
        return;
    }
    if (atoi(pid))
        snprintf(who, sizeof who,
                 "process %s of Postgres holds it (role %s, application %s, "
                 "%s, its transaction began %s s ago); if nobody needs it: "
                 "select pg_terminate_backend(%s)",
                 pid, PQgetvalue(res, i, W_DETAIL), *name ? name : "unnamed",
                 PQgetvalue(res, i, W_STATE), PQgetvalue(res, i, W_SECONDS),
                 pid);
    else
        snprintf(who, sizeof who, "a prepared transaction holds it");
    if (!*l->blocker)
        il_log(l->host, IL_LOG_WARN, "waiting for a lock: %s", who);
    memcpy(l->blocker, who, sizeof who);
}

/* Nothing of what was sent is still on its way to the other end. */
static int
all_arrived(const struct link *l)
{
#ifdef SIOCOUTQ
    int left = 0;
    return ioctl(PQsocket(l->db), SIOCOUTQ, &left) == 0 && left == 0;
#else
    (void) l;
    return 1;
#endif
}

/* By what the server says of it, is the connection dead? */
static int
seems_dead(const struct link *l, const PGresult *res, int *pid)
{
    int known = 0, waits = 0;
    for (int i = 0; i < PQntuples(res); i++) {
        if (strcmp(PQgetvalue(res, i, W_WHAT), "me") != 0)
            continue;
        known = 1;
        waits |= strcmp(PQgetvalue(res, i, W_DETAIL), "ClientRead") == 0;
        *pid = atoi(PQgetvalue(res, i, W_PID));
    }
    return known ? waits : l->direct;
}

static int
dead(struct link *l, struct link *watch, int pid)
{
    char text[16];
    snprintf(text, sizeof text, "%d", pid);
    if (pid)
        end_backend(watch, text);
    fault_set(&l->fault, PG_ACT_RETRY,
              pid ? "the connection is dead: process %d of Postgres waits for "
                    "what was sent; connecting anew"
                  : "the connection is dead: Postgres has no process for it; "
                    "connecting anew",
              pid);
    l->fault.lost = 1;
    return 1;
}

static int
look(struct link *l, struct link *watch, int waits_for_server)
{
    PGresult *res;
    int pid = 0;
    look_sql(l, &watch->sql);
    if (link_exec(watch, sql_str(&watch->sql), &res))
        return 0;
    for (int i = 0; i < PQntuples(res); i++)
        if (strcmp(PQgetvalue(res, i, W_WHAT), "by") == 0)
            blocked_by(l, watch, res, i);
    int seems = waits_for_server && all_arrived(l) && seems_dead(l, res, &pid);
    PQclear(res);
    l->suspicions = seems ? l->suspicions + 1 : 0;
    return l->suspicions < DEAD_LOOKS ? 0 : dead(l, watch, pid);
}

int
link_watch(struct link *l, int waits_for_server)
{
    struct link watch;
    int is_dead = 0;
    if (link_init(&watch, l->host, l->connection, NULL, l->stop) == 0) {
        watch.is_watch = 1;
        watch.patience_ms = WATCH_MS;
        /* Of several servers only this one knows. */
        if (hosts_pin(&watch.hosts, l->db) == 0 && link_open(&watch) == 0)
            is_dead = look(l, &watch, waits_for_server);
    }
    link_free(&watch);
    return is_dead;
}
