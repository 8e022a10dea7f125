/* SPDX-License-Identifier: MIT */
/* entities.pg: entities as the team's own Postgres has them, by queries. */
#include "mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FULL_US (INT64_C(86400) * 1000000)
#define OVERLAP_US (INT64_C(300) * 1000000)

static const struct il_option mirror_options[] = {
    { .name = "name",
      .type = IL_OPT_STRING,
      .help = "Name of the mirror, which what it wrote is kept by; without it, "
              "the kind." },
    { .name = "kind",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Kind of the entities." },
    { .name = "key",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Column of the query that is the external_id; the others are "
              "traits." },
    { .name = "query",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "SELECT that yields a row for each entity." },
    { .name = "every",
      .type = IL_OPT_DURATION,
      .def = "1m",
      .min = 1000,
      .max = INT64_C(366) * 86400 * 1000,
      .help = "How long after the start of a run the next one starts." },
    { .name = "watermark",
      .type = IL_OPT_STRING,
      .help = "Column of the query, a timestamp, that grows whenever a row "
              "changes: then only rows behind it are read; without it, all." },
    { .name = "full",
      .type = IL_OPT_DURATION,
      .min = 1000,
      .max = INT64_C(366) * 86400 * 1000,
      .help = "With a watermark: after this all rows are read all the same; "
              "without "
              "it, a day." },
    { .name = "overlap",
      .type = IL_OPT_DURATION,
      .max = INT64_C(366) * 86400 * 1000,
      .help = "How far before the watermark rows are read again; without this "
              "option, 5 minutes where open transactions cannot be seen." },
    { .name = "gone",
      .type = IL_OPT_STRING,
      .def = "keep",
      .choices = "keep|delete",
      .help = "What becomes of the traits of a row that a run of all rows no "
              "longer has." },
    { .name = "others",
      .type = IL_OPT_STRING,
      .def = "keep",
      .choices = "keep|take",
      .help = "What becomes of a trait that was there before, by the API, an "
              "import or of an event." },
    { 0 }
};

static const struct il_option entities_options[] = {
    { .name = "connection",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | IL_OPT_SECRET,
      .help = "libpq connection string of the database that is read." },
    { .name = "mirrors",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_REQUIRED | IL_OPT_LIST,
      .children = mirror_options,
      .help = "What is mirrored." },
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
      .help = "Give a run up when the server sends nothing for this long; 0s: "
              "never." },
    { 0 }
};

static void
entities_close(void *self)
{
    struct entities *e = self;
    for (size_t i = 0; e->mirrors && i < e->count; i++)
        link_free(&e->mirrors[i].link);
    free(e->mirrors);
    if (e->stop.wake >= 0)
        close(e->stop.wake);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

static uint64_t
hash_text(uint64_t h, const char *text)
{
    return seen_hash(h, text ? text : "", text ? strlen(text) + 1 : 0);
}

/* Another mirror of this name stands before it? */
static int
check_mirror(const struct entities *e, const struct mirror *m,
             const struct il_conf *conf)
{
    const char *kind = m->set.kind;
    size_t n = strspn(kind, "abcdefghijklmnopqrstuvwxyz0123456789_");
    int err = 0;
    if (kind[n] || !n || n > 64 || *kind < 'a')
        err = il_conf_error(conf, "kind", -1,
                            "is a lower-case letter and up to 63 letters, "
                            "digits or _");
    if (!*m->set.name || strlen(m->set.name) > 64
        || strspn(m->set.name, "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
               != strlen(m->set.name))
        err = il_conf_error(conf, "name", -1,
                            "has 1 to 64 letters, digits, '_', '.' or '-'");
    for (size_t i = 0; &e->mirrors[i] < m; i++)
        if (strcmp(e->mirrors[i].set.name, m->set.name) == 0)
            err = il_conf_error(conf, "name", -1,
                                "\"%s\" is the name of another mirror",
                                m->set.name);
    if (m->set.watermark && strcmp(m->set.watermark, m->set.key) == 0)
        err = il_conf_error(conf, "watermark", -1, "is the key");
    if (!m->set.watermark
        && (il_conf_has(conf, "full") || il_conf_has(conf, "overlap")))
        err =
            il_conf_error(conf, il_conf_has(conf, "full") ? "full" : "overlap",
                          -1, "is for a mirror with a watermark");
    return err;
}

static int
open_mirror(struct entities *e, struct mirror *m, const struct il_conf *conf)
{
    struct il_kind *kind;
    struct settings *set = &m->set;
    m->owner = e;
    set->kind = il_conf_str(conf, "kind");
    set->name = il_conf_str(conf, "name");
    if (!set->name)
        set->name = set->kind;
    set->key = il_conf_str(conf, "key");
    set->query = il_conf_str(conf, "query");
    set->watermark = il_conf_str(conf, "watermark");
    set->every_us = il_conf_int(conf, "every") * 1000;
    set->overlap_set = il_conf_has(conf, "overlap");
    set->full_us =
        il_conf_has(conf, "full") ? il_conf_int(conf, "full") * 1000 : FULL_US;
    set->overlap_us =
        set->overlap_set ? il_conf_int(conf, "overlap") * 1000 : OVERLAP_US;
    set->deletes = strcmp(il_conf_str(conf, "gone"), "delete") == 0;
    const int takes = strcmp(il_conf_str(conf, "others"), "take") == 0;
    set->hash = hash_text(
        hash_text(hash_text(hash_text((uint64_t) takes, set->kind), set->key),
                  set->query),
        set->watermark);
    int err = check_mirror(e, m, conf);
    if (!err)
        err = il_kind_named(e->host, set->kind, &kind);
    if (!err)
        err = il_mirror_from(e->host, set->name, kind,
                             takes ? IL_MIRROR_TAKES : 0, &m->store);
    if (!err)
        err = link_init(&m->link, e->host, &e->connect, NULL, &e->stop);
    return err;
}

static int
open_all(struct entities *e, const struct il_conf *conf)
{
    const size_t n = il_conf_count(conf, "mirrors");
    e->connect = (struct connection){
        .string = il_conf_str(conf, "connection"),
        .connect_timeout_ms = (uint32_t) il_conf_int(conf, "connect_timeout"),
        .statement_timeout_ms =
            (uint32_t) il_conf_int(conf, "statement_timeout"),
    };
    int err = connection_check(&e->connect, conf, "connection"), bad;
    e->mirrors = calloc(n + 1, sizeof *e->mirrors);
    if (!e->mirrors)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct mirror *m = &e->mirrors[e->count++];
        bad = open_mirror(e, m, il_conf_group(conf, "mirrors", i));
        err = bad ? bad : err;
    }
    return err;
}

static void
open_metrics(struct entities *e)
{
    const struct il_host *h = e->host;
    e->rows = il_counter_new(h, "mirror_rows", IL_UNIT_NONE, "Rows read.");
    e->written = il_counter_new(h, "mirror_written", IL_UNIT_NONE,
                                "Entities that were new or had changed.");
    e->removed = il_counter_new(h, "mirror_removed", IL_UNIT_NONE,
                                "Entities whose row was gone.");
    e->refused = il_counter_new(h, "mirror_refused", IL_UNIT_NONE,
                                "Rows that can be no entity.");
    e->runs = il_counter_new(h, "mirror_runs", IL_UNIT_NONE, "Complete runs.");
    e->failed =
        il_counter_new(h, "mirror_failures", IL_UNIT_NONE, "Runs that failed.");
    e->age = il_gauge_new(h, "mirror_age", IL_UNIT_MICROSECONDS,
                          "Since the start of the last complete run, of the "
                          "mirror that is furthest behind; negative: there was "
                          "none yet.");
}

static int
entities_open(const struct il_host *host, const struct il_conf *conf,
              void **self)
{
    struct entities *e = calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    e->host = host;
    pthread_mutex_init(&e->lock, NULL);
    e->stop.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int err = e->stop.wake < 0 ? -errno : open_all(e, conf);
    open_metrics(e);
    if (err) {
        entities_close(e);
        return err;
    }
    *self = e;
    return 0;
}

static void
entities_stop(void *self)
{
    struct entities *e = self;
    uint64_t one = 1;
    atomic_store(&e->stop.now, 1);
    if (write(e->stop.wake, &one, sizeof one) < 0)
        il_log(e->host, IL_LOG_WARN, "cannot wake the threads");
    for (size_t i = 0; i < e->count; i++) {
        if (e->mirrors[i].running)
            pthread_join(e->mirrors[i].thread, NULL);
        e->mirrors[i].running = 0;
        link_close(&e->mirrors[i].link);
    }
}

static int
entities_start(void *self)
{
    struct entities *e = self;
    int err = 0;
    for (size_t i = 0; i < e->count && !err; i++) {
        struct mirror *m = &e->mirrors[i];
        err = pthread_create(&m->thread, NULL, mirror_run, m);
        m->running = !err;
    }
    if (err)
        entities_stop(e);
    return -err;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_SOURCE,
    .threads = IL_SERIAL_INSTANCE,
    .name = "entities.pg",
    .version = "1.0",
    .summary = "Mirror entities from a Postgres database, by queries.",
    .options = entities_options,
    .open = entities_open,
    .start = entities_start,
    .stop = entities_stop,
    .close = entities_close,
    .probe = probe_run,
};
