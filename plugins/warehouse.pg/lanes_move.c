/* SPDX-License-Identifier: MIT */
/* A lane with a new name takes its rows along: one statement copies them and
 * raises those of the old name, so that whoever still goes by that is fenced.
 * They stay: done again after a crash, it finds the same. */
#include "lanes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void
move_sql(const struct lanes *lanes, struct sql *s, const char *to,
         uint64_t epoch)
{
    const char * or = " and (";
    sql_clear(s);
    sql_printf(s, "with old as (update %s set epoch = %" PRIu64,
               lanes->opt->lanes, epoch);
    lanes_where(lanes, s);
    for (uint32_t i = 0; i < lanes->row_count; i++) {
        const struct lanes_row *r = &lanes->rows[i];
        sql_printf(s, "%s(epoch = %" PRIu64 " and lane = ", or, r->epoch);
        lanes_name(lanes, s, r->k, r->n);
        sql_printf(s, ")");
        or = " or ";
    }
    sql_printf(s,
               ") returning spool, lane, position) insert into %s"
               " (spool, lane, position, epoch) select spool, ",
               lanes->opt->lanes);
    sql_literal(s, to);
    sql_printf(s, " || pg_catalog.substr(lane, pg_catalog.length(");
    sql_literal(s, lanes->name);
    sql_printf(s,
               ") + 1), position, %" PRIu64 " from old"
               " on conflict (spool, lane) do update set"
               " position = excluded.position, epoch = excluded.epoch"
               " returning lane",
               epoch);
}

static int
move_rows(struct lanes *lanes, struct link *l, const char *to, uint64_t epoch)
{
    PGresult *res;
    if (link_begin(l, lanes_lock_ms(lanes)))
        return -1;
    move_sql(lanes, &l->sql, to, epoch);
    if (link_exec(l, sql_str(&l->sql), &res)) {
        link_rollback(l);
        return -1;
    }
    int hit = (uint32_t) PQntuples(res) == lanes->row_count;
    PQclear(res);
    if (link_exec(l, hit ? "commit" : "rollback", NULL))
        return -1;
    if (hit)
        return 0;
    fault_set(&l->fault, PG_ACT_RETRY,
              "the rows of lane %s in %s changed meanwhile", lanes->name,
              lanes->opt->lanes);
    return -1;
}

int
lanes_move(struct lanes *lanes, struct link *l, const char *was)
{
    const char *own = lanes->name;
    uint64_t epoch, others;
    int err = lanes_read(lanes, l);
    others = lanes_newest(lanes);
    lanes->name = was;
    if (!err)
        err = lanes_read(lanes, l);
    if (!err && lanes->row_count) {
        err =
            lanes_epoch_next(lanes, l, lanes_newest(lanes), others, 0, &epoch);
        if (!err)
            err = move_rows(lanes, l, own, epoch);
    }
    lanes->name = own;
    return err;
}
