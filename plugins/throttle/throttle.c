/* SPDX-License-Identifier: MIT */
/* throttle: at most so many events of a key in a window.
 *
 * Windows are aligned to 1970: which one an event is in does not depend on those
 * before it.  Where those above the limit are dropped, only those that pass are
 * remembered: once it is reached a flood costs no memory, and an event that is
 * processed again with a memory that is ahead of it passes as it did before. */
#include <ingestlayer/plugin.h>

#include <stdlib.h>

#include "../dedupe/keyed.h"
#include "summary.h"

/* A cell: its version, the number of its window, events counted in that. */
#define CELL_VERSION 1
#define CELL_BYTES 17
#define DELAY_MAX_MS (INT64_C(366) * 86400 * KEYED_SECOND_MS)
#define DELAY_MAX_US INT64_C(86400000000)
#define MAX_MOST INT64_C(1000000000000)

struct throttle {
    const struct il_host *host;
    struct il_template *key;
    struct il_memory *memory;
    struct il_kind *results; /* NULL: what is above the limit does not pass */
    int64_t max, window_us;
    int64_t delay_max_us; /* 0: it is dropped, and not counted */
    struct il_text *key_text, *items;
    struct il_counter *suppressed, *no_key;
    int summarizes; /* then it counts all, in the summary's cells */
    struct summary summary;
};

/* What becomes of an event. */
struct verdict {
    int passes;
    int64_t count;    /* which it is in its window, from 1 on; 0: not known */
    int64_t delay_us; /* where it does not pass: when it would */
};

static const struct il_option throttle_options[] = {
    { .name = "key",
      .type = IL_OPT_STRING,
      .def = "",
      .help = "Reference or template; each text that it comes to has a limit "
              "of its own.  Without it there is one for all." },
    { .name = "max",
      .type = IL_OPT_INT,
      .flags = IL_OPT_REQUIRED,
      .min = 1,
      .max = MAX_MOST,
      .help = "So many events pass in each window." },
    { .name = "window",
      .type = IL_OPT_DURATION,
      .flags = IL_OPT_REQUIRED,
      .min = KEYED_SECOND_MS,
      .max = KEYED_WINDOW_MAX_MS,
      .help = "How long a window is; windows are aligned to 1970, UTC." },
    { .name = "mode",
      .type = IL_OPT_STRING,
      .def = "drop",
      .choices = "drop|delay|mark",
      .help = "What becomes of those above: dropped, put aside until a later "
              "window, or let through and told by $step.<name>.passed." },
    { .name = "delay_max",
      .type = IL_OPT_DURATION,
      .min = KEYED_SECOND_MS,
      .max = DELAY_MAX_MS,
      .help = "With delay: one that would have to wait for longer is a dead "
              "letter; without it, 24h." },
    { .name = "summary",
      .type = IL_OPT_BOOL,
      .def = "false",
      .help = "Make an event of each window of a key that is over: how many "
              "passed, and how many did not." },
    IL_OPTIONS_END
};

static void
throttle_close(void *self)
{
    struct throttle *t = self;
    il_template_free(t->host, t->key);
    il_text_free(t->host, t->key_text);
    il_text_free(t->host, t->items);
    if (t->summarizes)
        summary_close(&t->summary);
    free(t);
}

/* Also what is above the limit? */
static int
counts_all(const struct throttle *t)
{
    return t->results || t->delay_max_us || t->summarizes;
}

static int
open_mode(struct throttle *t, const struct il_conf *conf)
{
    const char *mode = il_conf_str(conf, "mode");
    const int delays = !strcmp(mode, "delay");
    if (il_conf_has(conf, "delay_max") && !delays)
        return il_conf_error(conf, "delay_max", -1, "is for mode = \"delay\"");
    if (delays)
        t->delay_max_us = il_conf_has(conf, "delay_max")
                              ? il_conf_int(conf, "delay_max") * 1000
                              : DELAY_MAX_US;
    return strcmp(mode, "mark") ? 0 : il_result_kind(t->host, &t->results);
}

static int
open_memory(struct throttle *t, const struct il_conf *conf)
{
    struct il_text *made_of = il_text_new(t->host);
    int err = made_of ? 0 : -ENOMEM;
    if (!err)
        err = keyed_made_of_number(t->host, made_of, CELL_VERSION);
    if (!err)
        err = keyed_made_of(t->host, made_of, il_conf_str(conf, "key"));
    if (!err)
        err = keyed_made_of_number(t->host, made_of, t->window_us);
    /* Where all are counted the limit may change. */
    if (!err)
        err =
            keyed_made_of_number(t->host, made_of, counts_all(t) ? 0 : t->max);
    if (!err && t->summarizes)
        err = keyed_made_of(t->host, made_of, SUMMARY_TYPE);
    if (!err)
        err = il_memory_from(t->host, made_of->data, made_of->len, &t->memory);
    il_text_free(t->host, made_of);
    t->summary.memory = t->memory;
    return err;
}

static int
throttle_open(const struct il_host *host, const struct il_conf *conf,
              void **self)
{
    struct throttle *t = calloc(1, sizeof *t);
    if (!t)
        return il_conf_error(conf, NULL, -1, "out of memory");
    t->host = host;
    t->max = il_conf_int(conf, "max");
    t->window_us = il_conf_int(conf, "window") * 1000;
    t->summarizes = il_conf_int(conf, "summary") != 0;
    t->summary.host = host;
    t->summary.max = t->max;
    t->summary.window_us = t->window_us;
    t->suppressed =
        il_counter_new(host, "throttle_suppressed", IL_UNIT_NONE,
                       "Events above the limit: dropped, put aside or "
                       "marked.");
    t->no_key = il_counter_new(host, "throttle_no_key", IL_UNIT_NONE,
                               "Events that passed because they have no key.");
    t->key_text = il_text_new(host);
    t->items = il_text_new(host);
    int err = t->key_text && t->items ? 0 : -ENOMEM;
    if (!err)
        err = keyed_template(host, conf, "key", &t->key);
    if (!err)
        err = open_mode(t, conf);
    if (!err && t->summarizes)
        err = summary_open(&t->summary, host);
    if (!err)
        err = open_memory(t, conf);
    if (err == -ENOMEM)
        err = il_conf_error(conf, NULL, -1, "out of memory");
    if (err) {
        throttle_close(t);
        return err;
    }
    *self = t;
    return 0;
}

static int
remember(struct throttle *t, struct il_batch *batch, uint32_t i, int64_t window,
         int64_t count)
{
    unsigned char cell[CELL_BYTES], *p = cell;
    p = keyed_store(p, CELL_VERSION, 1);
    p = keyed_store(p, (uint64_t) window, 8);
    p = keyed_store(p, (uint64_t) count, 8);
    return il_memory_put(batch, i, t->memory, t->key_text->data,
                         t->key_text->len, cell, (size_t) (p - cell),
                         (window + 1) * t->window_us);
}

/* How long it is until an event above the limit would pass: those before it have
 * the windows that follow, one after the other. */
static int64_t
delay_of(const struct throttle *t, int64_t now, int64_t window, int64_t count)
{
    const int64_t above = count - t->max - 1;
    return (window + 1) * t->window_us - now + above / t->max * t->window_us;
}

/* 0 or a negative errno. */
static int
judge(struct throttle *t, struct il_batch *batch, uint32_t i,
      struct verdict *out)
{
    struct il_remembered r;
    const int64_t now = il_stream_us(batch, i), window = now / t->window_us;
    int64_t count = 0;
    int rc = il_memory_get(batch, i, t->memory, t->key_text->data,
                           t->key_text->len, &r);
    if (rc < 0)
        return rc;
    if (rc && r.len == CELL_BYTES) {
        const unsigned char *p = (const unsigned char *) r.value + 1;
        /* Of a window before, or of one to come, where the clock had run ahead:
         * this one begins anew. */
        if ((int64_t) keyed_load(&p, 8) == window)
            count = (int64_t) keyed_load(&p, 8);
    }
    const enum keyed_when when = rc ? keyed_when(batch, i, &r) : KEYED_BEFORE;
    if (when != KEYED_BEFORE) {
        const int known = when == KEYED_OWN && count;
        *out = (struct verdict){ !known || count <= t->max, known ? count : 0,
                                 delay_of(t, now, window, count) };
        return 0;
    }
    *out = (struct verdict){ count < t->max, count + 1,
                             delay_of(t, now, window, count + 1) };
    if (!out->passes && !counts_all(t))
        return 0;
    return remember(t, batch, i, window, count + 1);
}

/* The same, where windows are told of once they are over. */
static int
judge_and_tell(struct throttle *t, struct il_batch *batch, uint32_t i,
               struct verdict *out)
{
    const int64_t now = il_stream_us(batch, i);
    int64_t nth;
    int err = summary_count(&t->summary, batch, i, t->key_text->data,
                            t->key_text->len, &nth);
    /* What the memory is ahead of passes. */
    *out = (struct verdict){ nth <= t->max, nth,
                             delay_of(t, now, now / t->window_us, nth) };
    return err;
}

/* Event i comes again behind this step, in a later window. */
static int
put_aside(const struct throttle *t, struct il_batch *batch, uint32_t i,
          const struct verdict *v)
{
    const struct il_reason why = {
        IL_SIZED(struct il_reason), .code = "throttled",
        .message = v->delay_us > t->delay_max_us
                       ? "there are more events of its key before it than can "
                         "pass within delay_max"
                       : "there were more events of its key than may pass in a "
                         "window"
    };
    const struct il_deferral how = {
        IL_SIZED(struct il_deferral), .flags = IL_AFTER | IL_NO_ATTEMPT,
        .delay_ms = (uint64_t) (v->delay_us + 999) / 1000, .why = &why
    };
    return v->delay_us > t->delay_max_us ? il_reject(batch, i, &why)
                                         : il_defer_as(batch, i, &how);
}

/* Drop event i where it is above the limit, or put it aside, or say what it is. */
static int
decide(const struct throttle *t, struct il_batch *batch, uint32_t i,
       const struct verdict *v)
{
    struct il_value map = { 0 };
    if (!t->results && v->passes)
        return 0;
    if (!t->results)
        return t->delay_max_us ? put_aside(t, batch, i, v) : il_drop(batch, i);
    t->items->len = 0;
    int err =
        keyed_result(t->host, t->items, &map, "passed", keyed_bool(v->passes));
    if (!err && v->count)
        err =
            keyed_result(t->host, t->items, &map, "count", keyed_int(v->count));
    return err ? err : il_entity_attach(batch, i, t->results, &map);
}

/* 0, or a negative errno; *no_key is counted up where it has none. */
static int
throttle_event(struct throttle *t, struct il_batch *batch, uint32_t i,
               struct verdict *v, uint64_t *no_key)
{
    t->key_text->len = 0;
    int rc = keyed_read(t->host, t->key, batch, i, t->key_text);
    *no_key += rc == 0;
    if (rc > 0)
        rc = t->summarizes ? judge_and_tell(t, batch, i, v)
                           : judge(t, batch, i, v);
    return rc ? rc : decide(t, batch, i, v);
}

static int
throttle_process(void *self, struct il_batch *batch)
{
    struct throttle *t = self;
    const uint32_t count = il_batch_count(batch);
    uint64_t suppressed = 0, no_key = 0;
    t->summary.ended = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct verdict v = { 1, 0, 0 };
        const int live = il_live(batch, i);
        int rc = 0;
        if (t->summarizes && (live || il_batch_flags(batch, i) & IL_TICK))
            rc = summary_end(&t->summary, batch, i);
        if (live && !rc)
            rc = throttle_event(t, batch, i, &v, &no_key);
        if (rc)
            return rc; /* the same events come again; count them then */
        suppressed += !v.passes;
    }
    il_counter_add(t->host, t->suppressed, suppressed);
    il_counter_add(t->host, t->no_key, no_key);
    if (t->summarizes)
        il_counter_add(t->host, t->summary.made, t->summary.ended);
    return 0;
}

static int
throttle_show(void *self, const char *key, size_t len,
              const struct il_remembered *cell, struct il_text *out)
{
    struct throttle *t = self;
    struct il_value map = { 0 };
    if (t->summarizes)
        return summary_show(&t->summary, key, len, cell, out);
    if (cell->len != CELL_BYTES)
        return -EINVAL;
    const unsigned char *p = (const unsigned char *) cell->value + 1;
    const int64_t window = (int64_t) keyed_load(&p, 8);
    const int64_t count = (int64_t) keyed_load(&p, 8);
    int err = keyed_show(t->host, t->items, &map, key, len);
    if (!err)
        err = keyed_result(t->host, t->items, &map, "window",
                           keyed_time(window * t->window_us));
    if (!err)
        err = keyed_result(t->host, t->items, &map, "count", keyed_int(count));
    return err ? err : il_write_json(t->host, out, &map, 0) < 0 ? -ENOMEM : 0;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_STEP,
    .threads = IL_SERIAL_INSTANCE,
    .name = "throttle",
    .version = "1.0",
    .summary = "Let at most so many events of a key pass in a window.",
    .options = throttle_options,
    .open = throttle_open,
    .process = throttle_process,
    .close = throttle_close,
    .show = throttle_show,
};
