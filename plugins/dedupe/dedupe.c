/* SPDX-License-Identifier: MIT */
/* dedupe: of the events of a key, one in a window.
 *
 * Remembered of a key are the position of the event that passed and the time of
 * the stream at it.  Only an event of an earlier position makes another its
 * duplicate: so a batch that fails and comes again, a crash, and a memory that is
 * ahead of the stream can let one through, and can never lose one. */
#include <ingestlayer/plugin.h>

#include <stdlib.h>

#include "keyed.h"

/* A cell: its version, and when the event passed, microseconds since 1970. */
#define CELL_VERSION 1
#define CELL_BYTES 9

struct dedupe {
    const struct il_host *host;
    struct il_template *key;
    struct il_memory *memory;
    struct il_kind *results; /* NULL: duplicates are dropped */
    int64_t window_us;
    struct keyed_ahead ahead;
    struct il_text *key_text, *items; /* key_text: of the event at hand */
    struct il_counter *duplicates, *no_key;
};

static const struct il_option dedupe_options[] = {
    { .name = "key",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Reference or template; events for which it comes to the same "
              "are duplicates." },
    { .name = "window",
      .type = IL_OPT_DURATION,
      .def = "24h",
      .min = KEYED_SECOND_MS,
      .max = KEYED_WINDOW_MAX_MS,
      .help = "For so long after the one that passed others are duplicates." },
    { .name = "mark",
      .type = IL_OPT_BOOL,
      .def = "false",
      .help = "Let duplicates pass, too, and tell by $step.<name>.duplicate." },
    IL_OPTIONS_END
};

static void
dedupe_close(void *self)
{
    struct dedupe *d = self;
    il_template_free(d->host, d->key);
    keyed_ahead_close(d->host, &d->ahead);
    il_text_free(d->host, d->items);
    free(d);
}

static int
open_memory(struct dedupe *d, const struct il_conf *conf)
{
    struct il_text *made_of = il_text_new(d->host);
    int err = made_of ? 0 : -ENOMEM;
    if (!err)
        err = keyed_made_of_number(d->host, made_of, CELL_VERSION);
    if (!err)
        err = keyed_made_of(d->host, made_of, il_conf_str(conf, "key"));
    if (!err)
        err = keyed_made_of_number(d->host, made_of, d->window_us);
    if (!err)
        err = il_memory_from(d->host, made_of->data, made_of->len, &d->memory);
    il_text_free(d->host, made_of);
    return err;
}

static int
dedupe_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct dedupe *d = calloc(1, sizeof *d);
    if (!d)
        return il_conf_error(conf, NULL, -1, "out of memory");
    d->host = host;
    d->window_us = il_conf_int(conf, "window") * 1000;
    d->duplicates =
        il_counter_new(host, "dedupe_duplicates", IL_UNIT_NONE,
                       "Events that were duplicates, dropped or marked.");
    d->no_key = il_counter_new(host, "dedupe_no_key", IL_UNIT_NONE,
                               "Events that passed because they have no key.");
    d->items = il_text_new(host);
    int err = d->items ? keyed_ahead_open(host, &d->ahead) : -ENOMEM;
    if (!err)
        err = keyed_template(host, conf, "key", &d->key);
    if (!err && !*il_conf_str(conf, "key"))
        err = il_conf_error(conf, "key", -1,
                            "with this each event is a duplicate of the first");
    if (!err && il_conf_int(conf, "mark"))
        err = il_result_kind(host, &d->results);
    if (!err)
        err = open_memory(d, conf);
    if (err == -ENOMEM)
        err = il_conf_error(conf, NULL, -1, "out of memory");
    if (err) {
        dedupe_close(d);
        return err;
    }
    *self = d;
    return 0;
}

/* Event i passes: it is the one that later ones are duplicates of. */
static int
remember(struct dedupe *d, struct il_batch *batch, uint32_t i, int64_t now)
{
    unsigned char cell[CELL_BYTES], *p = cell;
    p = keyed_store(p, CELL_VERSION, 1);
    p = keyed_store(p, (uint64_t) now, 8);
    return il_memory_put(batch, i, d->memory, d->key_text->data,
                         d->key_text->len, cell, (size_t) (p - cell),
                         now + d->window_us);
}

/* 1: event i is a duplicate, 0: it is none, or a negative errno. */
static int
judge(struct dedupe *d, struct il_batch *batch, uint32_t i)
{
    struct il_remembered r;
    const int64_t now = il_stream_us(batch, i);
    int rc = il_memory_get(batch, i, d->memory, d->key_text->data,
                           d->key_text->len, &r);
    if (rc < 0)
        return rc;
    if (rc && keyed_when(batch, i, &r) != KEYED_BEFORE)
        return 0;
    if (rc && r.len == CELL_BYTES) {
        const unsigned char *p = (const unsigned char *) r.value + 1;
        const int64_t passed = (int64_t) keyed_load(&p, 8);
        /* A time before it: the clock had run ahead and was set back. */
        if (now >= passed && now - passed < d->window_us)
            return 1;
    }
    return remember(d, batch, i, now);
}

/* Drop event i where it is a duplicate, or say whether it is. */
static int
decide(const struct dedupe *d, struct il_batch *batch, uint32_t i,
       int duplicate)
{
    struct il_value map = { 0 };
    if (!d->results)
        return duplicate ? il_drop(batch, i) : 0;
    d->items->len = 0;
    int err = keyed_result(d->host, d->items, &map, "duplicate",
                           keyed_bool(duplicate));
    return err ? err : il_entity_attach(batch, i, d->results, &map);
}

static int
dedupe_process(void *self, struct il_batch *batch)
{
    struct dedupe *d = self;
    const uint32_t count = il_batch_count(batch);
    uint64_t duplicates = 0, no_key = 0;
    d->ahead.next = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!il_live(batch, i))
            continue;
        int rc = keyed_ahead_read(d->host, d->key, d->memory, batch, i, NULL,
                                  &d->ahead, &d->key_text);
        no_key += rc == 0;
        if (rc > 0)
            rc = judge(d, batch, i);
        duplicates += rc > 0;
        if (rc >= 0)
            rc = decide(d, batch, i, rc);
        if (rc < 0)
            return rc; /* the same events come again; count them then */
    }
    il_counter_add(d->host, d->duplicates, duplicates);
    il_counter_add(d->host, d->no_key, no_key);
    return 0;
}

static int
dedupe_show(void *self, const char *key, size_t len,
            const struct il_remembered *cell, struct il_text *out)
{
    struct dedupe *d = self;
    struct il_value map = { 0 };
    if (cell->len != CELL_BYTES)
        return -EINVAL;
    const unsigned char *p = (const unsigned char *) cell->value + 1;
    const int64_t passed = (int64_t) keyed_load(&p, 8);
    int err = keyed_show(d->host, d->items, &map, key, len);
    if (!err)
        err = keyed_result(d->host, d->items, &map, "passed_at",
                           keyed_time(passed));
    if (!err)
        err = keyed_result(d->host, d->items, &map, "until",
                           keyed_time(passed + d->window_us));
    return err ? err : il_write_json(d->host, out, &map, 0) < 0 ? -ENOMEM : 0;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_STEP,
    .threads = IL_SERIAL_INSTANCE,
    .name = "dedupe",
    .version = "1.0",
    .summary = "Drop events whose key was seen a while ago.",
    .options = dedupe_options,
    .open = dedupe_open,
    .process = dedupe_process,
    .close = dedupe_close,
    .show = dedupe_show,
};
