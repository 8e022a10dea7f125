/* SPDX-License-Identifier: MIT */
/* enrich.entity: attach what is known of the entity that an event names.
 *
 * The key is resolved once, in open; a look-up reads the store's memory map,
 * so a batch costs neither locks nor round trips.  What to do with an event
 * whose entity is unknown is the operator's choice, and an event without a
 * usable key counts as one whose entity is unknown.
 *
 * How old an entity is, is asked of the event: what was last heard of it before
 * the event came in.  So an event that was delivered late, or comes a second
 * time, is judged as it was at first, and one that waits for news has them once
 * they are younger than that. */
#include <ingestlayer/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "named.h"

#define MESSAGE_TEXT 400
#define AHEAD 16 /* events between the hint and the look-up */

/* What becomes of an event whose entity will not do. */
enum { THEN_PASS, THEN_DROP, THEN_REJECT, THEN_WAIT };

/* After the first time, the second, ...; then as after the last. */
static const uint64_t wait_ms[] = { 1000, 5000, 15000, 60000, 300000, 600000 };
#define WAITS (sizeof(wait_ms) / sizeof(*wait_ms))
#define WAIT_MAX_US INT64_C(3600000000)

struct enrich {
    const struct il_host *host;
    struct il_kind *kind;
    struct il_field *key, *received;
    struct il_counter *found, *unknown, *stale, *waits;
    int64_t wait_max_us, max_age_us;  /* max_age_us 0: any will do */
    const char *kind_name, *key_text; /* the config's */
    int on_unknown, on_stale, seen;
};

static const struct il_option entity_options[] = {
    { .name = "kind",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Kind of the entity, as in \"user\"; its traits are read as "
              "$entity.<kind>.<trait>." },
    { .name = "key",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Reference to the entity's external_id in the event." },
    { .name = "unknown",
      .type = IL_OPT_STRING,
      .def = "pass",
      .choices = "pass|drop|dead-letter|wait",
      .help = "What becomes of an event whose entity is unknown or whose key "
              "is missing." },
    { .name = "seen",
      .type = IL_OPT_BOOL,
      .def = "false",
      .help = "Attach when the entity was written or found as it is last, as "
              "$entity.<kind>.@seen." },
    { .name = "wait_max",
      .type = IL_OPT_DURATION,
      .min = 1000,
      .max = INT64_C(30) * 86400 * 1000,
      .help = "With wait: how long an event waits for its entity until it is a "
              "dead letter; without it, an hour." },
    { .name = "max_age",
      .type = IL_OPT_DURATION,
      .min = 1000,
      .max = INT64_C(3650) * 86400 * 1000,
      .help =
          "How long before the event the entity may have been written last; "
          "without it, any time." },
    { .name = "stale",
      .type = IL_OPT_STRING,
      .def = "pass",
      .choices = "pass|dead-letter|wait",
      .help = "What becomes of an event whose entity is older than max_age." },
    { 0 }
};

static void
entity_close(void *self)
{
    struct enrich *e = self;
    if (e->key)
        il_field_free(e->host, e->key);
    if (e->received)
        il_field_free(e->host, e->received);
    free(e);
}

static int
then_of(const char *word)
{
    return !strcmp(word, "drop")          ? THEN_DROP
           : !strcmp(word, "dead-letter") ? THEN_REJECT
           : !strcmp(word, "wait")        ? THEN_WAIT
                                          : THEN_PASS;
}

/* Options that mean nothing without another.  0 or after a finding. */
static int
check_together(const struct enrich *e, const struct il_conf *conf)
{
    int err = 0;
    if (il_conf_has(conf, "wait_max") && e->on_unknown != THEN_WAIT
        && e->on_stale != THEN_WAIT)
        err = il_conf_error(conf, "wait_max", -1,
                            "is for unknown = \"wait\" or stale = \"wait\"");
    if (e->on_stale != THEN_PASS && !e->max_age_us)
        err =
            il_conf_error(conf, "stale", -1,
                          "is for an entity that is older than max_age, which "
                          "is not given");
    return err;
}

static int
entity_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct enrich *e = calloc(1, sizeof(*e));
    if (!e)
        return il_conf_error(conf, NULL, -1, "out of memory");
    e->host = host;
    e->kind_name = il_conf_str(conf, "kind");
    e->key_text = il_conf_str(conf, "key");
    e->on_unknown = then_of(il_conf_str(conf, "unknown"));
    e->seen = il_conf_int(conf, "seen") != 0;
    e->on_stale = then_of(il_conf_str(conf, "stale"));
    e->max_age_us = il_conf_int(conf, "max_age") * 1000;
    e->wait_max_us = il_conf_has(conf, "wait_max")
                         ? il_conf_int(conf, "wait_max") * 1000
                         : WAIT_MAX_US;
    int err = check_together(e, conf), kind_err = named_kind(conf);
    int key_err = il_field_from(host, conf, "key", &e->key);
    err = err ? err : kind_err ? kind_err : key_err;
    if (!err
        && (il_kind_named(host, e->kind_name, &e->kind)
            || il_field_named(host, IL_FIELD_ANY, "received_at", &e->received)))
        err = il_conf_error(conf, "kind", -1, "out of memory");
    e->found = il_counter_new(host, "found", IL_UNIT_NONE,
                              "Events whose entity was found.");
    e->waits = il_counter_new(host, "waits", IL_UNIT_NONE,
                              "Times that an event was put aside to wait for "
                              "its entity.");
    e->unknown =
        il_counter_new(host, "unknown", IL_UNIT_NONE,
                       "Events whose entity is unknown, or whose key is "
                       "missing.");
    e->stale = il_counter_new(host, "stale", IL_UNIT_NONE,
                              "Events whose entity is older than max_age.");
    if (err) {
        entity_close(e);
        return err;
    }
    *self = e;
    return 0;
}

/* Read the key of event i and let the host fetch what it leads to. */
static void
look_ahead(const struct enrich *e, struct il_batch *batch, uint32_t i,
           struct named_id *key)
{
    struct il_value v;
    key->id = NULL;
    key->len = 0;
    if (!il_live(batch, i) || !il_get(batch, i, e->key, &v))
        return;
    named_id(&v, key);
    if (key->id)
        il_entity_hint(batch, e->kind, key->id, key->len);
}

/* Which entity is missing, or too old. */
static void
say(const struct enrich *e, const struct named_id *key,
    const struct il_entity *old, char message[MESSAGE_TEXT])
{
    const int shown = key->id ? named_shown(key) : 0;
    if (old)
        snprintf(
            message, MESSAGE_TEXT,
            "%s \"%.*s\" was written last longer ago than max_age when the "
            "event came in",
            e->kind_name, shown, key->id);
    else if (key->id)
        snprintf(message, MESSAGE_TEXT, "there is no %s \"%.*s\"", e->kind_name,
                 shown, key->id);
    else
        snprintf(message, MESSAGE_TEXT,
                 "there is no %s to look up: %s is missing or neither text "
                 "nor number",
                 e->kind_name, e->key_text);
}

/* Put event i aside until its entity may be there.  0, a negative errno, or 1:
 * it has waited for long enough, or there is nothing to wait for. */
static int
wait_for(const struct enrich *e, struct il_batch *batch, uint32_t i,
         const struct named_id *key, const struct il_reason *why)
{
    struct il_again again = { IL_SIZED(struct il_again) };
    int64_t waited = 0;
    if (!key->id)
        return 1;
    if (il_again(batch, i, &again) == 1 && again.first_us)
        waited = il_now_us(e->host) - again.first_us;
    if (waited >= e->wait_max_us)
        return 1;
    const uint32_t n = again.attempts < WAITS ? again.attempts : WAITS - 1;
    /* Where the clock went back it waits for longer. */
    const uint64_t left =
        (uint64_t) (e->wait_max_us - (waited > 0 ? waited : 0)) / 1000 + 1;
    const struct il_deferral how = { IL_SIZED(struct il_deferral),
                                     .delay_ms =
                                         wait_ms[n] < left ? wait_ms[n] : left,
                                     .why = why };
    return il_defer_as(batch, i, &how);
}

/* What becomes of event i, whose entity is unknown, or too old: 0: it goes on,
 * perhaps nowhere; 1: it waits; or a negative errno. */
static int
miss(const struct enrich *e, struct il_batch *batch, uint32_t i,
     const struct named_id *key, const struct il_entity *old)
{
    char message[MESSAGE_TEXT];
    const struct il_reason why = { IL_SIZED(struct il_reason),
                                   .code =
                                       old ? "stale_entity" : "unknown_entity",
                                   .message = message, .field = e->key_text };
    const int then = old ? e->on_stale : e->on_unknown;
    if (then == THEN_PASS)
        return 0;
    if (then == THEN_DROP)
        return il_drop(batch, i);
    say(e, key, old, message);
    int rc = 1;
    if (then == THEN_WAIT)
        rc = wait_for(e, batch, i, key, &why);
    if (rc == 1)
        return il_reject(batch, i, &why);
    return rc ? rc : 1;
}

/* Was it too old when event i came in? */
static int
is_stale(const struct enrich *e, struct il_batch *batch, uint32_t i,
         const struct il_entity *entity)
{
    struct il_value at;
    return e->max_age_us && il_get(batch, i, e->received, &at)
           && at.type == IL_TIME
           && at.num.i - entity->last_seen_us > e->max_age_us;
}

/* {"@seen": "2026-11-30T08:00:00.000000Z"}, beside the traits. */
static int
attach_seen(const struct enrich *e, struct il_batch *batch, uint32_t i,
            const struct il_entity *entity)
{
    const int64_t us = entity->last_seen_us;
    const time_t seconds = (time_t) (us / 1000000 - (us % 1000000 < 0));
    char time[48], pair[64];
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t) snprintf(time + n, sizeof time - n, ".%06dZ",
                           (int) (us - (int64_t) seconds * 1000000));
    if (n > 31)
        return 0; /* a year that no calendar has */
    /* msgpack: a text of 5 bytes, a text of up to 31 */
    int len =
        snprintf(pair, sizeof pair, "\xa5@seen%c%s", (int) (0xa0 | n), time);
    const struct il_value map = {
        .type = IL_MAP, .count = 1, .str = pair, .len = (size_t) len
    };
    return il_entity_attach(batch, i, e->kind, &map);
}

struct counts {
    uint64_t found, unknown, stale, waits;
};

/* Enrich event i.  0 or a negative errno. */
static int
enrich(const struct enrich *e, struct il_batch *batch, uint32_t i,
       const struct named_id *key, struct counts *counts)
{
    struct il_entity entity;
    int found = 0, stale = 0, waits = 0;
    if (key->id)
        found = il_entity_find(batch, e->kind, key->id, key->len, &entity);
    if (found < 0)
        return found;
    stale = found && is_stale(e, batch, i, &entity);
    if (!found || stale)
        waits = miss(e, batch, i, key, stale ? &entity : NULL);
    if (waits < 0)
        return waits;
    counts->found += (uint64_t) found;
    counts->stale += (uint64_t) stale;
    counts->waits += (uint64_t) waits;
    counts->unknown += !found && !waits;
    if (!found || !il_live(batch, i))
        return 0;
    int err = il_entity_attach(batch, i, e->kind, &entity.traits);
    return err || !e->seen ? err : attach_seen(e, batch, i, &entity);
}

static int
entity_process(void *self, struct il_batch *batch)
{
    const struct enrich *e = self;
    uint32_t count = il_batch_count(batch), next = 0;
    struct counts n = { 0 };
    struct named_id keys[AHEAD];
    for (uint32_t i = 0; i < count; i++) {
        for (; next < count && next - i < AHEAD; next++)
            look_ahead(e, batch, next, &keys[next % AHEAD]);
        if (!il_live(batch, i))
            continue;
        int err = enrich(e, batch, i, &keys[i % AHEAD], &n);
        if (err)
            return err; /* the same events come again; count them then */
    }
    il_counter_add(e->host, e->found, n.found);
    il_counter_add(e->host, e->unknown, n.unknown);
    il_counter_add(e->host, e->stale, n.stale);
    il_counter_add(e->host, e->waits, n.waits);
    return 0;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_STEP,
    .threads = IL_PARALLEL,
    .name = "enrich.entity",
    .version = "1.0",
    .summary = "Attach the traits of the entity that an event names.",
    .options = entity_options,
    .open = entity_open,
    .process = entity_process,
    .close = entity_close,
};
