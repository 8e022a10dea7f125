/* SPDX-License-Identifier: MIT */
/* warehouse.pg: events as rows of a Postgres table, each exactly once.
 *
 * The lane's thread turns a batch into COPY data; a thread of the plugin owns
 * each connection and sends it, so that one batch is encoded while Postgres
 * works on the one before.  Batches go in order: when one has to come again,
 * so do those behind it. */
#include "pg.h"

#include "changes.h"
#include "conflict.h"
#include "ddl.h"
#include "find.h"
#include "partition.h"
#include "probe.h"
#include "replay.h"
#include "show.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define RESUME_WAIT_MS 3000 /* resume() returns after this, and asks again */

static const struct il_option column_options[] = {
    { .name = "name",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Column of the table, exactly as Postgres has it." },
    { .name = "value",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Reference or template that fills it." },
    { 0 }
};

static const struct il_option sqlstate_options[] = {
    { .name = "code",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "SQLSTATE (23505), or its class (23)." },
    { .name = "action",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .choices = "retry|reject|pause",
      .help = "Try the batch again, refuse the row, or wait for a person." },
    { 0 }
};

static const struct il_option pg_options[] = {
    { .name = "connection",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | IL_OPT_SECRET,
      .help = "libpq connection string or URI." },
    { .name = "table",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Table that gets the rows: schema.table, quoted as in SQL." },
    { .name = "columns",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST,
      .children = column_options,
      .help = "What fills which column; without it, names decide." },
    { .name = "payload_column",
      .type = IL_OPT_STRING,
      .def = "payload",
      .help = "Column for the whole payload." },
    { .name = "unique_column",
      .type = IL_OPT_STRING,
      .def = "event_id",
      .help = "Column for the event's id; must be unique where the role "
              "cannot use the lanes table." },
    { .name = "create",
      .type = IL_OPT_BOOL,
      .def = "false",
      .help = "Make the table from the declared fields if it is missing." },
    { .name = "on_conflict",
      .type = IL_OPT_STRING,
      .def = "error",
      .choices = "error|ignore|update",
      .help = "What becomes of an event whose key has a row: a dead letter, "
              "nothing, or that row's new values." },
    { .name = "conflict",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .help = "Columns that make the key of on_conflict; a unique index is on "
              "them." },
    { .name = "update",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .help = "Columns that on_conflict = \"update\" changes; without it, all "
              "but the key." },
    { .name = "newer",
      .type = IL_OPT_STRING,
      .help = "Column that says how old a row is; an older event changes "
              "nothing." },
    { .name = "missing",
      .type = IL_OPT_STRING,
      .choices = "keep|null",
      .help = "On an update a field that is missing keeps the column's value, "
              "or ends it; keep where it is not said." },
    { .name = "partition",
      .type = IL_OPT_GROUP,
      .children = partition_options,
      .help = "The table is partitioned by time; which partitions there are." },
    { .name = "lanes_schema",
      .type = IL_OPT_STRING,
      .def = "ingestlayer",
      .help = "Schema of the table that keeps the positions." },
    { .name = "bad_text",
      .type = IL_OPT_STRING,
      .def = "replace",
      .choices = "replace|dead-letter",
      .help = "U+0000 and lone surrogates, which Postgres cannot store: write "
              "U+FFFD, or refuse the event." },
    { .name = "sqlstate",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST,
      .children = sqlstate_options,
      .help = "Rules that come before the built-in SQLSTATE policy." },
    { .name = "connections",
      .type = IL_OPT_INT,
      .def = "1",
      .min = 1,
      .max = PG_CONNECTIONS_MAX,
      .help = "How many connections share the rows of a batch." },
    { .name = "application_name",
      .type = IL_OPT_STRING,
      .help = "Name shown in pg_stat_activity; ingestlayer where neither this "
              "nor the connection string says." },
    { .name = "connect_timeout",
      .type = IL_OPT_DURATION,
      .def = "10s",
      .min = 100,
      .max = 600000,
      .help = "Give a connection attempt up after this." },
    { .name = "statement_timeout",
      .type = IL_OPT_DURATION,
      .def = "5m",
      .max = 86400000,
      .help = "Give a statement up after this and try again; 0s: never." },
    { .name = "lock_timeout",
      .type = IL_OPT_DURATION,
      .def = "1m",
      .max = 86400000,
      .help = "Wait this long for a lock, then try again; 0s: for ever." },
    { 0 }
};

/* --- open and close ------------------------------------------------------ */

static void
conns_close(struct pg *pg)
{
    for (uint32_t k = 0; pg->conns && k < pg->opt.connections; k++) {
        struct conn *c = &pg->conns[k];
        link_free(&c->link);
        encode_close(&c->enc);
        plan_unref(c->plan);
    }
    free(pg->conns);
}

static void
pg_close(void *self)
{
    struct pg *pg = self;
    replay_close(pg);
    delivery_close_all(pg);
    conns_close(pg);
    lanes_epoch_close(&pg->lanes);
    plan_unref(pg->shared.plan);
    plan_unref(pg->shown);
    for (size_t i = 0; i < pg->opt.mapping_count; i++)
        il_template_free(pg->host, pg->opt.mappings[i].value);
    free(pg->opt.mappings);
    conflict_close(&pg->opt);
    free(pg->opt.connect.rules);
    free(pg->opt.lanes);
    sql_name_clear(&pg->opt.table);
    encode_close(&pg->lane_enc);
    if (pg->stop.wake >= 0)
        close(pg->stop.wake);
    pthread_cond_destroy(&pg->shared.work);
    pthread_cond_destroy(&pg->shared.done);
    pthread_mutex_destroy(&pg->shared.lock);
    free(pg);
}

/* Postgres would cut it in silence, and then nothing would be found by it. */
static int
check_name(const struct il_conf *conf, const char *key, const char *name)
{
    size_t n = name ? strlen(name) : 0;
    if (n <= PG_NAME_MAX)
        return 0;
    return il_conf_error(conf, key, -1,
                         "\"%s\" has %zu bytes; Postgres keeps %d of a name",
                         name, n, PG_NAME_MAX);
}

/* Declared fields become columns. */
static int
check_declared(const struct pg *pg, const struct il_conf *conf)
{
    struct il_declared d = { .struct_size = sizeof d };
    int err = 0;
    if (!pg->opt.create || pg->opt.mapping_count)
        return 0;
    for (size_t i = 0; il_declared_field(pg->host, i, &d) == 0; i++) {
        size_t n = strlen(d.name);
        if (n > PG_NAME_MAX)
            err = il_conf_error(conf, "create", -1,
                                "field \"%s\" of event %s has %zu bytes; "
                                "Postgres keeps %d of a column's name: name "
                                "the columns in `columns`",
                                d.name, d.event, n, PG_NAME_MAX);
        d.struct_size = sizeof d;
    }
    return err;
}

static int
check_names(const struct pg *pg, const struct il_conf *conf)
{
    const struct options *o = &pg->opt;
    int err = check_name(conf, "table", o->table.schema), e;
    if ((e = check_name(conf, "table", o->table.table)) != 0)
        err = e;
    if ((e = check_name(conf, "lanes_schema", o->lanes_schema)) != 0)
        err = e;
    if ((e = check_name(conf, "unique_column", o->unique_column)) != 0)
        err = e;
    if ((e = check_name(conf, "payload_column", o->payload_column)) != 0)
        err = e;
    if ((e = check_declared(pg, conf)) != 0)
        err = e;
    return err;
}

static int
open_table(struct pg *pg, const struct il_conf *conf)
{
    size_t at;
    int err = sql_name_parse(il_conf_str(conf, "table"), &pg->opt.table, &at);
    if (err == -EINVAL)
        return il_conf_error(conf, "table", (long) at,
                             "is no table name; expected schema.table, with "
                             "\"quotes\" around what SQL would quote");
    if (err)
        return err;
    struct sql s;
    if (sql_open(&s, pg->host))
        return -ENOMEM;
    sql_ident(&s, pg->opt.lanes_schema);
    sql_printf(&s, ".lanes");
    pg->opt.lanes = sql_str(&s) ? strdup(sql_str(&s)) : NULL;
    sql_close(&s);
    return pg->opt.lanes ? 0 : -ENOMEM;
}

static int
open_columns(struct pg *pg, const struct il_conf *conf)
{
    size_t n = il_conf_count(conf, "columns");
    int err = 0;
    pg->opt.mappings = calloc(n + 1, sizeof *pg->opt.mappings);
    if (!pg->opt.mappings)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct il_conf *group = il_conf_group(conf, "columns", i);
        struct mapping *m = &pg->opt.mappings[pg->opt.mapping_count];
        m->name = il_conf_str(group, "name");
        m->reference = il_conf_str(group, "value");
        for (size_t k = 0; k < pg->opt.mapping_count; k++)
            if (strcmp(pg->opt.mappings[k].name, m->name) == 0)
                err = il_conf_error(group, "name", -1,
                                    "column \"%s\" is filled twice", m->name);
        int bad = check_name(group, "name", m->name);
        if (bad)
            err = bad;
        bad = il_template_from(pg->host, group, "value", &m->value);
        if (bad)
            err = bad;
        else
            pg->opt.mapping_count++;
    }
    return err;
}

static int
open_rules(struct pg *pg, const struct il_conf *conf)
{
    size_t n = il_conf_count(conf, "sqlstate");
    int err = 0;
    pg->opt.connect.rules = calloc(n + 1, sizeof *pg->opt.connect.rules);
    if (!pg->opt.connect.rules)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct il_conf *group = il_conf_group(conf, "sqlstate", i);
        struct pg_rule *r =
            &pg->opt.connect.rules[pg->opt.connect.rule_count++];
        const char *action = il_conf_str(group, "action");
        r->action = strcmp(action, "reject") == 0  ? PG_ACT_REJECT
                    : strcmp(action, "pause") == 0 ? PG_ACT_PAUSE
                                                   : PG_ACT_RETRY;
        if (fault_parse_code(il_conf_str(group, "code"), r->code))
            err = il_conf_error(group, "code", -1,
                                "is no SQLSTATE; expected five characters "
                                "(23505) or the two of a class (23)");
    }
    return err;
}

static int
open_options(struct pg *pg, const struct il_conf *conf)
{
    pg->opt.connect.string = il_conf_str(conf, "connection");
    pg->opt.lanes_schema = il_conf_str(conf, "lanes_schema");
    pg->opt.unique_column = il_conf_str(conf, "unique_column");
    pg->opt.payload_column = il_conf_str(conf, "payload_column");
    pg->opt.payload_set = strcmp(pg->opt.payload_column, "payload") != 0;
    pg->opt.connect.application_name = il_conf_str(conf, "application_name");
    pg->opt.create = il_conf_int(conf, "create") != 0;
    pg->opt.connections = (uint32_t) il_conf_int(conf, "connections");
    pg->opt.refuse_bad_text =
        strcmp(il_conf_str(conf, "bad_text"), "dead-letter") == 0;
    pg->opt.connect.connect_timeout_ms =
        (uint32_t) il_conf_int(conf, "connect_timeout");
    pg->opt.connect.statement_timeout_ms =
        (uint32_t) il_conf_int(conf, "statement_timeout");
    pg->opt.lock_timeout_ms = (uint32_t) il_conf_int(conf, "lock_timeout");
    /* All findings of one run are shown together. */
    int err = connection_check(&pg->opt.connect, conf, "connection"), e;
    if ((e = open_table(pg, conf)) != 0)
        err = e;
    if ((e = open_columns(pg, conf)) != 0)
        err = e;
    if ((e = conflict_open(&pg->opt, conf)) != 0)
        err = e;
    if ((e = open_rules(pg, conf)) != 0)
        err = e;
    if ((e = partition_open(&pg->opt, pg->host, conf)) != 0)
        err = e;
    if ((e = check_names(pg, conf)) != 0)
        err = e;
    return err;
}

static int
open_conns(struct pg *pg)
{
    pg->conns = calloc(pg->opt.connections, sizeof *pg->conns);
    if (!pg->conns)
        return -ENOMEM;
    for (uint32_t k = 0; k < pg->opt.connections; k++) {
        struct conn *c = &pg->conns[k];
        c->pg = pg;
        c->index = k;
        if (link_init(&c->link, pg->host, &pg->opt.connect, &pg->opt, &pg->stop)
            || encode_open(&c->enc, pg->host, pg->opt.refuse_bad_text))
            return -ENOMEM;
    }
    return 0;
}

static int
open_tools(struct pg *pg)
{
    const struct il_host *host = pg->host;
    pg->stop.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (pg->stop.wake < 0
        || encode_open(&pg->lane_enc, host, pg->opt.refuse_bad_text)
        || open_conns(pg) || delivery_open_all(pg))
        return -ENOMEM;
    if (getrandom(&pg->process, sizeof pg->process, GRND_NONBLOCK) < 0)
        pg->process = (uint32_t) getpid();
    pg->process &= 0xffffff;
    pg->counts.rows =
        il_counter_new(host, "rows", IL_UNIT_NONE, "Rows written.");
    pg->counts.rejects = il_counter_new(host, "rejects", IL_UNIT_NONE,
                                        "Events that did not fit the table.");
    pg->counts.replaced =
        il_counter_new(host, "replaced_characters", IL_UNIT_NONE,
                       "U+0000 and lone surrogates replaced.");
    pg->counts.reconnects = il_counter_new(host, "reconnects", IL_UNIT_NONE,
                                           "Connections made after the first.");
    if (pg->opt.conflict.on) {
        pg->counts.folded = il_counter_new(
            host, "folded", IL_UNIT_NONE,
            "Events that went in with a later one of their key.");
        pg->counts.ignored =
            il_counter_new(host, "ignored", IL_UNIT_NONE,
                           "Events that left the row of their key as it was.");
    }
    pg->counts.sent =
        il_counter_new(host, "sent", IL_UNIT_BYTES, "COPY data sent.");
    return 0;
}

static int
pg_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct pg *pg = calloc(1, sizeof *pg);
    if (!pg)
        return -ENOMEM;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&pg->shared.lock, NULL);
    pthread_cond_init(&pg->shared.work, &monotonic);
    pthread_cond_init(&pg->shared.done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (size_t i = 0; i < DELIVERY_IN_FLIGHT; i++)
        pthread_mutex_init(&pg->shared.deliveries[i].lock, NULL);
    pg->host = host;
    pg->lanes.host = host;
    pg->lanes.name = il_lane(host);
    pg->lanes.epochs.fd = -1;
    pg->lanes.opt = &pg->opt;
    pg->lanes.lock = &pg->shared.lock;
    pg->stop.wake = -1;
    int err = open_options(pg, conf);
    if (!err)
        err = open_tools(pg);
    if (err) {
        pg_close(pg);
        return err;
    }
    *self = pg;
    return 0;
}

/* --- the host's calls ---------------------------------------------------- */

static void
pg_stop(void *self)
{
    struct pg *pg = self;
    uint64_t one = 1;
    if (!pg->started)
        return;
    pthread_mutex_lock(&pg->shared.lock);
    atomic_store(&pg->stop.now, 1);
    pthread_cond_broadcast(&pg->shared.work);
    pthread_cond_broadcast(&pg->shared.done);
    pthread_mutex_unlock(&pg->shared.lock);
    if (write(pg->stop.wake, &one, sizeof one) < 0)
        il_log(pg->host, IL_LOG_WARN, "cannot wake the connection threads");
    while (pg->started)
        pthread_join(pg->conns[--pg->started].thread, NULL);
    if (pg->keeps)
        pthread_join(pg->keeper, NULL);
    pg->keeps = 0;
    delivery_stop_all(pg);
}

static int
pg_start(void *self)
{
    struct pg *pg = self;
    int err = 0;
    lanes_epoch_open(&pg->lanes); /* else the claim says why not */
    for (uint32_t k = 0; k < pg->opt.connections && !err; k++) {
        struct conn *c = &pg->conns[k];
        err = pthread_create(&c->thread, NULL, worker_run, c);
        pg->started += !err;
    }
    if (!err && pg->opt.partition.create) {
        err = pthread_create(&pg->keeper, NULL, partition_keep, pg);
        pg->keeps = !err;
    }
    if (err)
        pg_stop(pg);
    return -err;
}

/* FNV-1a of spool and lane, 48 bits of it. */
static uint64_t
lane_tag(const struct pg *pg)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (const char *p = pg->lanes.spool; *p; p++)
        h = (h ^ (unsigned char) *p) * UINT64_C(0x100000001b3);
    for (const char *p = il_lane(pg->host); *p; p++)
        h = (h ^ (unsigned char) *p) * UINT64_C(0x100000001b3);
    return (h ^ h >> 48) & UINT64_C(0xffffffffffff);
}

static void
spool_text(struct pg *pg, const uint8_t *spool)
{
    char *p = pg->lanes.spool;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        p += sprintf(p, "%02x", spool[i]);
    }
    pg->lanes.tag = lane_tag(pg);
}

/* An older host knows less. */
#define TOLD(at, member)                                                       \
    ((at)->struct_size                                                         \
     >= offsetof(struct il_position, member) + sizeof(at)->member)

static int
pg_resume(void *self, struct il_position *at)
{
    struct pg *pg = self;
    struct timespec until;
    int err = -EAGAIN, late = 0;
    pg_after_ms(&until, RESUME_WAIT_MS);
    pthread_mutex_lock(&pg->shared.lock);
    if (!pg->shared.resume.asked) {
        spool_text(pg, at->spool);
        pg->shared.resume.local = at->position;
        pg->lanes.given = TOLD(at, given) ? at->given : 0;
        pg->shared.resume.was = TOLD(at, was) ? at->was : NULL;
        pg->shared.resume.rewind = (at->flags & IL_POSITION_REWIND) != 0;
        pg->shared.resume.done = 0;
        pg->shared.resume.asked = 1;
        pthread_cond_broadcast(&pg->shared.work);
    }
    while (!pg->shared.resume.done && !late && !atomic_load(&pg->stop.now))
        late =
            pthread_cond_timedwait(&pg->shared.done, &pg->shared.lock, &until)
            != 0;
    if (pg->shared.resume.done) {
        pg->shared.resume.asked = 0;
        err = pg->shared.resume.err;
        if (!err
            && (pg->shared.resume.position > at->position
                || pg->shared.resume.rewind))
            at->position = pg->shared.resume.position;
        if ((!err || err == -ESTALE) && TOLD(at, there))
            at->there = pg->shared.resume.there;
    }
    pthread_mutex_unlock(&pg->shared.lock);
    return err;
}

static int
pg_write(void *self, struct il_batch *batch, struct il_ack *ack)
{
    return delivery_take(self, batch, ack);
}

static int
pg_flush(void *self, uint32_t deadline_ms)
{
    struct pg *pg = self;
    struct timespec until;
    int late = 0;
    pg_after_ms(&until, deadline_ms);
    pthread_mutex_lock(&pg->shared.lock);
    while (pg->shared.busy && !late)
        late =
            pthread_cond_timedwait(&pg->shared.done, &pg->shared.lock, &until)
            != 0;
    int busy = pg->shared.busy;
    pthread_mutex_unlock(&pg->shared.lock);
    return busy ? -ETIMEDOUT : 0;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_DESTINATION,
    .threads = IL_SERIAL_INSTANCE,
    .name = "warehouse.pg",
    .version = "1.0",
    .summary = "Write events as rows of a Postgres table, exactly once.",
    .options = pg_options,
    .open = pg_open,
    .start = pg_start,
    .write = pg_write,
    .resume = pg_resume,
    .flush = pg_flush,
    .stop = pg_stop,
    .close = pg_close,
    .in_flight = DELIVERY_IN_FLIGHT,
    .ddl = ddl_print,
    .probe = probe_run,
    .render = show_row,
    .describe = show_table,
    .assume = show_assume,
    .find = find_row,
    .replay = replay_phase,
    .plan = changes_plan,
    .apply = changes_apply,
};
