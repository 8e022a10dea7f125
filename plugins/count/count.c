/* SPDX-License-Identifier: MIT */
/* count: which event of its key this is, and what there was in a window.
 *
 * A key has two cells, whose names begin with a letter: counts, which stay unless
 * the key is to be forgotten, and distinct values, which end with the window.  Both are put for the same event,
 * so that the counts tell of both whether it was counted before. */
#include <ingestlayer/plugin.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <stdlib.h>

#include "../dedupe/keyed.h"
#include "cell.h"

#define OF_COUNTS 'c'
#define OF_VALUES 'v'
#define MADE_OF_VERSION 1
#define HASH_BYTES 32

struct count {
    const struct il_host *host;
    struct il_template *key, *distinct; /* distinct NULL: not asked for */
    struct il_field *value;             /* NULL: each event counts 1 */
    struct il_memory *memory;
    struct il_kind *results;
    int64_t bucket_us, forget_us; /* forget_us 0: never */
    uint32_t buckets;
    struct keyed_ahead ahead;
    struct il_text *key_text, *value_text, *items; /* key_text: of the event */
    struct il_counter *no_key, *no_value;
    struct counts counts; /* of the event at hand */
    struct values values;
};

/* The event at hand. */
struct at {
    struct il_batch *batch;
    uint32_t i;
    int64_t us, bucket;
    int was_counted, lacks_value;
};

static const struct il_option count_options[] = {
    { .name = "key",
      .type = IL_OPT_STRING,
      .def = "",
      .help = "Reference or template; events for which it comes to the same "
              "are counted together.  Without it all are." },
    { .name = "window",
      .type = IL_OPT_DURATION,
      .def = "24h",
      .min = KEYED_SECOND_MS,
      .max = KEYED_WINDOW_MAX_MS,
      .help = "How far count, sum and distinct reach back." },
    { .name = "buckets",
      .type = IL_OPT_INT,
      .def = "24",
      .min = 1,
      .max = BUCKETS_MOST,
      .help = "In so many steps the window moves on; 24 at most with a "
              "value." },
    { .name = "forget",
      .type = IL_OPT_DURATION,
      .min = KEYED_SECOND_MS,
      .max = KEYED_WINDOW_MAX_MS,
      .help = "A key of which there was no event for so long begins anew; not "
              "less than the window.  Without it none does." },
    { .name = "value",
      .type = IL_OPT_STRING,
      .help = "Reference to a number that sum adds up; without it each event "
              "counts 1." },
    { .name = "distinct",
      .type = IL_OPT_STRING,
      .help = "Reference or template whose different values are counted, up "
              "to 32." },
    IL_OPTIONS_END
};

/* --- open and close -------------------------------------------------------- */

static void
count_close(void *self)
{
    struct count *c = self;
    il_template_free(c->host, c->key);
    il_template_free(c->host, c->distinct);
    il_field_free(c->host, c->value);
    keyed_ahead_close(c->host, &c->ahead);
    il_text_free(c->host, c->value_text);
    il_text_free(c->host, c->items);
    free(c);
}

static int
open_window(struct count *c, const struct il_conf *conf)
{
    const int64_t us = il_conf_int(conf, "window") * 1000;
    c->buckets = (uint32_t) il_conf_int(conf, "buckets");
    c->bucket_us = (us + c->buckets - 1) / c->buckets;
    if (il_conf_has(conf, "forget"))
        c->forget_us = il_conf_int(conf, "forget") * 1000;
    if (c->forget_us && c->forget_us < us)
        return il_conf_error(conf, "forget", -1,
                             "is less than the window, which counts what there "
                             "was in that time");
    if (!c->value || c->buckets <= BUCKETS_MOST_SUMMED)
        return 0;
    return il_conf_error(conf, "buckets", -1,
                         "with a value there are at most %d",
                         BUCKETS_MOST_SUMMED);
}

static int
open_memory(struct count *c, const struct il_conf *conf)
{
    struct il_text *made_of = il_text_new(c->host);
    int err = made_of ? 0 : -ENOMEM;
    if (!err)
        err = keyed_made_of_number(c->host, made_of, MADE_OF_VERSION);
    if (!err)
        err = keyed_made_of(c->host, made_of, il_conf_str(conf, "key"));
    if (!err)
        err = keyed_made_of_number(c->host, made_of, c->bucket_us);
    if (!err)
        err = keyed_made_of_number(c->host, made_of, c->buckets);
    if (!err)
        err = keyed_made_of(c->host, made_of, il_conf_str(conf, "value"));
    if (!err)
        err = keyed_made_of(c->host, made_of, il_conf_str(conf, "distinct"));
    if (!err)
        err = il_memory_from(c->host, made_of->data, made_of->len, &c->memory);
    il_text_free(c->host, made_of);
    return err;
}

static int
open_all(struct count *c, const struct il_conf *conf)
{
    c->no_key = il_counter_new(c->host, "count_no_key", IL_UNIT_NONE,
                               "Events that were not counted because they "
                               "have no key.");
    c->no_value = il_counter_new(c->host, "count_no_value", IL_UNIT_NONE,
                                 "Events whose value is no number, or too "
                                 "large, and was not added.");
    c->value_text = il_text_new(c->host);
    c->items = il_text_new(c->host);
    int err = c->value_text && c->items ? keyed_ahead_open(c->host, &c->ahead)
                                        : -ENOMEM;
    if (!err)
        err = keyed_template(c->host, conf, "key", &c->key);
    if (!err)
        err = keyed_template(c->host, conf, "distinct", &c->distinct);
    if (!err)
        err = il_field_from(c->host, conf, "value", &c->value);
    if (!err)
        err = il_result_kind(c->host, &c->results);
    if (!err)
        err = open_window(c, conf);
    return err ? err : open_memory(c, conf);
}

static int
count_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct count *c = calloc(1, sizeof *c);
    if (!c)
        return il_conf_error(conf, NULL, -1, "out of memory");
    c->host = host;
    int err = open_all(c, conf);
    c->counts.has_sums = c->value != NULL;
    if (err == -ENOMEM)
        err = il_conf_error(conf, NULL, -1, "out of memory");
    if (err) {
        count_close(c);
        return err;
    }
    *self = c;
    return 0;
}

/* --- counts ---------------------------------------------------------------- */

static int
read_counts(struct count *c, struct at *at)
{
    struct il_remembered r = { .value = "" };
    struct il_text *key = c->key_text;
    key->data[0] = OF_COUNTS;
    int rc =
        il_memory_get(at->batch, at->i, c->memory, key->data, key->len, &r);
    if (rc < 0)
        return rc;
    at->was_counted = !counts_load(&c->counts, r.value, rc ? r.len : 0)
                      && keyed_when(at->batch, at->i, &r) != KEYED_BEFORE;
    counts_slide(&c->counts, at->bucket, c->buckets);
    return 0;
}

/* What event i adds to the sum. */
static void
read_value(const struct count *c, struct at *at, struct sum *out)
{
    struct il_value v;
    *out = (struct sum){ 0, 0 };
    if (!c->value)
        return;
    if (il_get(at->batch, at->i, c->value, &v) && !sum_of(&v, out))
        return;
    *out = (struct sum){ 0, 0 };
    at->lacks_value = 1;
}

static int
add_counts(struct count *c, struct at *at)
{
    unsigned char cell[IL_MEMORY_VALUE_MAX];
    struct sum value;
    read_value(c, at, &value);
    if (counts_add(&c->counts, at->bucket, at->us, &value))
        at->lacks_value = 1;
    size_t len = counts_store(&c->counts, cell);
    return il_memory_put(at->batch, at->i, c->memory, c->key_text->data,
                         c->key_text->len, cell, len,
                         c->forget_us ? at->us + c->forget_us : 0);
}

/* --- distinct values ------------------------------------------------------- */

static int
hash_value(struct count *c, const struct at *at, unsigned char hash[HASH_BYTES])
{
    struct il_text *text = c->value_text;
    text->len = 0;
    int rc = keyed_read(c->host, c->distinct, at->batch, at->i, text);
    if (rc > 0
        && gnutls_hash_fast(GNUTLS_DIG_SHA256, text->data, text->len, hash) < 0)
        rc = -ENOMEM;
    return rc;
}

/* The values of the window with that of event i; an event without one changes
 * nothing. */
static int
add_values(struct count *c, const struct at *at)
{
    unsigned char cell[IL_MEMORY_VALUE_MAX], hash[HASH_BYTES];
    struct il_remembered r = { .value = "" };
    struct il_text *key = c->key_text;
    key->data[0] = OF_VALUES;
    int rc =
        il_memory_get(at->batch, at->i, c->memory, key->data, key->len, &r);
    if (rc < 0)
        return rc;
    values_load(&c->values, r.value, rc ? r.len : 0);
    values_slide(&c->values, at->bucket, c->buckets);
    rc = at->was_counted ? 0 : hash_value(c, at, hash);
    if (rc <= 0)
        return rc;
    values_add(&c->values, at->bucket, hash);
    size_t len = values_store(&c->values, cell);
    return il_memory_put(at->batch, at->i, c->memory, key->data, key->len, cell,
                         len, (at->bucket + c->buckets) * c->bucket_us);
}

/* --- results --------------------------------------------------------------- */

static struct il_value
value_of_sum(const struct sum *s, char room[SUM_TEXT])
{
    struct il_value v = { IL_DECIMAL, 0, { 0 }, room, 0 };
    if (!s->nano)
        return keyed_int(s->whole);
    v.len = sum_write(s, room);
    return v;
}

static int
put(struct count *c, struct il_value *map, const char *name, struct il_value v)
{
    return keyed_result(c->host, c->items, map, name, v);
}

/* What the counts of a key come to, as members of a map. */
static int
put_counts(struct count *c, struct il_value *map)
{
    const struct counts *n = &c->counts;
    struct sum sum = { 0, 0 };
    uint64_t count = 0;
    char room[SUM_TEXT];
    for (uint32_t i = 0; i < n->used; i++) {
        count += n->buckets[i].count;
        /* So many of them stay in the range of what is added. */
        sum.whole += n->buckets[i].sum.whole;
        sum.nano += n->buckets[i].sum.nano;
        sum.whole += sum.nano >= SUM_NANO;
        sum.nano %= SUM_NANO;
    }
    if (!c->value)
        sum.whole = (int64_t) count;
    int err = put(c, map, "nth", keyed_int((int64_t) n->nth));
    if (!err)
        err = put(c, map, "count", keyed_int((int64_t) count));
    if (!err)
        err = put(c, map, "sum", value_of_sum(&sum, room));
    return err ? err : put(c, map, "first_seen", keyed_time(n->first_us));
}

static int
attach(struct count *c, const struct at *at)
{
    struct il_value map = { 0 };
    c->items->len = 0;
    int err = put_counts(c, &map);
    if (!err && c->distinct)
        err = put(c, &map, "distinct", keyed_int(c->values.used));
    if (!err && c->distinct)
        err = put(c, &map, "more", keyed_bool(c->values.lost >= 0));
    return err ? err : il_entity_attach(at->batch, at->i, c->results, &map);
}

/* 1 counted, 0 without a key, or a negative errno. */
static int
count_event(struct count *c, struct at *at)
{
    static const char letter = OF_COUNTS;
    int err = 0;
    int rc = keyed_ahead_read(c->host, c->key, c->memory, at->batch, at->i,
                              &letter, &c->ahead, &c->key_text);
    if (rc <= 0)
        return rc;
    at->us = il_stream_us(at->batch, at->i);
    at->bucket = at->us / c->bucket_us;
    err = read_counts(c, at);
    if (!err && !at->was_counted)
        err = add_counts(c, at);
    if (!err && c->distinct)
        err = add_values(c, at);
    if (!err)
        err = attach(c, at);
    return err ? err : 1;
}

static int
count_process(void *self, struct il_batch *batch)
{
    struct count *c = self;
    const uint32_t count = il_batch_count(batch);
    uint64_t no_key = 0, no_value = 0;
    c->ahead.next = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct at at = { .batch = batch, .i = i };
        if (!il_live(batch, i))
            continue;
        int rc = count_event(c, &at);
        if (rc < 0)
            return rc; /* the same events come again; count them then */
        no_key += rc == 0;
        no_value += (uint64_t) at.lacks_value;
    }
    il_counter_add(c->host, c->no_key, no_key);
    il_counter_add(c->host, c->no_value, no_value);
    return 0;
}

/* As it was at the last event of the key; what distinct values there are is in a
 * cell of its own, as hashes. */
static int
count_show(void *self, const char *key, size_t len,
           const struct il_remembered *cell, struct il_text *out)
{
    struct count *c = self;
    struct il_value map = { 0 };
    if (!len || (*key != OF_COUNTS && *key != OF_VALUES))
        return -EINVAL;
    if (*key == OF_VALUES)
        return 0;
    int err = counts_load(&c->counts, cell->value, cell->len);
    if (!err)
        err = keyed_show(c->host, c->items, &map, key + 1, len - 1);
    if (!err)
        err = put_counts(c, &map);
    return err ? err : il_write_json(c->host, out, &map, 0) < 0 ? -ENOMEM : 0;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_STEP,
    .threads = IL_SERIAL_INSTANCE,
    .name = "count",
    .version = "1.0",
    .summary = "Tell which event of its key this is, and how many there were.",
    .options = count_options,
    .open = count_open,
    .process = count_process,
    .close = count_close,
    .show = count_show,
};
