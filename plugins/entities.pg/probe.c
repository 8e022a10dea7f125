/* SPDX-License-Identifier: MIT */
/* `ingestlayer check --online`: would the queries run, and what do they yield?
 * Reads, and changes nothing. */
#include "mirror.h"

#include <errno.h>
#include <string.h>

static void
probe_columns(const struct mirror *m, const struct query *q, struct sql *out)
{
    static const char *const forms[] = { "text", "true or false", "number",
                                         "number, digit for digit", "JSON" };
    sql_printf(out, "mirror %s: key %s (%s)", m->set.name, m->set.key,
               q->key_type);
    for (size_t i = 0; i < q->count; i++)
        sql_printf(out, ", %s (%s: %s)", q->columns[i].name, q->columns[i].type,
                   forms[q->columns[i].as]);
    sql_printf(out, "\n");
}

/* Does the plan of the query for what is newer go through an index? */
static int
probe_plan(struct mirror *m, const struct query *q, struct sql *out)
{
    struct link *l = &m->link;
    PGresult *res;
    int scans = 0, indexed = 0;
    sql_clear(&l->sql);
    sql_printf(&l->sql, "explain ");
    query_select_sql(q, &m->set, il_now_us(m->owner->host), &l->sql);
    if (link_exec(l, sql_str(&l->sql), &res))
        return -1;
    for (int i = 0; res && i < PQntuples(res); i++) {
        const char *line = PQgetvalue(res, i, 0);
        scans += strstr(line, "Seq Scan") != NULL;
        indexed += strstr(line, "Index Cond") != NULL
                   && strstr(line, m->set.watermark) != NULL;
    }
    PQclear(res);
    if (indexed)
        sql_printf(out, "mirror %s: an index finds what is newer\n",
                   m->set.name);
    else
        sql_printf(out,
                   "mirror %s: no index finds what is newer than \"%s\"%s: "
                   "each run reads the tables; an index on it helps unless "
                   "they are small\n",
                   m->set.name, m->set.watermark, scans ? " (Seq Scan)" : "");
    return 0;
}

static int
probe_watermark(struct mirror *m, const struct query *q, struct sql *out)
{
    struct link *l = &m->link;
    int64_t bound;
    int sure;
    if (run_bound(m, q, &bound, &sure) || probe_plan(m, q, out))
        return -1;
    if (sure)
        return 0;
    sql_printf(
        out,
        "mirror %s: open transactions cannot be seen here: rows are read "
        "again for overlap = %llds, and what a longer transaction "
        "changes is missed until all rows are read",
        m->set.name, (long long) (m->set.overlap_us / 1000000));
    char standby[8];
    if (link_text(l, "select pg_catalog.pg_is_in_recovery()", standby,
                  sizeof standby))
        return -1;
    if (*standby == 't') {
        sql_printf(out, "; this is a standby\n");
        return 0;
    }
    sql_printf(out, "; run as a superuser:\ngrant pg_read_all_stats to ");
    sql_ident(out, PQuser(l->db));
    sql_printf(out, ";\n");
    return 0;
}

static int
probe_mirror(struct mirror *m, struct sql *out)
{
    struct query q = { 0 };
    int err = query_read(&m->link, &m->set, &q);
    if (!err) {
        probe_columns(m, &q, out);
        err = m->set.watermark ? probe_watermark(m, &q, out) : 0;
    }
    query_clear(&q);
    return err;
}

int
probe_run(void *self, struct il_text *text)
{
    struct entities *e = self;
    struct sql out = { e->host, text, 0 };
    int failed = 0;
    for (size_t i = 0; i < e->count; i++) {
        struct mirror *m = &e->mirrors[i];
        int err = link_open(&m->link);
        if (!err && i == 0)
            sql_printf(&out, "connected to %s as %s, PostgreSQL %d.%d%s\n",
                       PQdb(m->link.db), PQuser(m->link.db),
                       PQserverVersion(m->link.db) / 10000,
                       PQserverVersion(m->link.db) % 10000,
                       PQsslInUse(m->link.db) ? ", TLS" : "");
        if (!err)
            err = probe_mirror(m, &out);
        if (err) {
            sql_printf(&out, "mirror %s: %s\n", m->set.name, m->link.fault.why);
            failed = 1;
        }
        link_close(&m->link);
    }
    return out.err ? out.err : failed ? -EIO : 0;
}
