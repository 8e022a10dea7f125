/* SPDX-License-Identifier: MIT */
/* enrich.entity: attach what is known of the entity that an event names.
 *
 * The key is resolved once, in open; a look-up reads the store's memory map,
 * so a batch costs neither locks nor round trips.  What to do with an event
 * whose entity is unknown is the operator's choice, and an event without a
 * usable key counts as one whose entity is unknown. */
#include <ingestlayer/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIND_MAX 64    /* bytes, as the store has it */
#define NUMBER_TEXT 24 /* "-9223372036854775808" and a NUL */
#define ID_SHOWN 256
#define MESSAGE_TEXT 400
#define AHEAD 16 /* events between the hint and the look-up */

enum { UNKNOWN_PASS, UNKNOWN_DROP, UNKNOWN_REJECT };

struct enrich {
    const struct il_host *host;
    struct il_kind *kind;
    struct il_field *key;
    struct il_counter *found, *unknown;
    const char *kind_name, *key_text; /* the config's */
    int on_unknown;
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
      .choices = "pass|drop|dead-letter",
      .help = "What becomes of an event whose entity is unknown or whose key "
              "is missing." },
    { 0 }
};

/* Where a kind is no [a-z][a-z0-9_]*; -1: it is one. */
static long
kind_fault(const char *kind)
{
    for (long i = 0; kind[i] || !i; i++) {
        char c = kind[i];
        int letter = c >= 'a' && c <= 'z';
        int later = (c >= '0' && c <= '9') || c == '_';
        if (i == KIND_MAX || (!letter && !(i && later)))
            return i;
    }
    return -1;
}

static void
entity_close(void *self)
{
    struct enrich *e = self;
    if (e->key)
        il_field_free(e->host, e->key);
    free(e);
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
    const char *unknown = il_conf_str(conf, "unknown");
    e->on_unknown = !strcmp(unknown, "drop")          ? UNKNOWN_DROP
                    : !strcmp(unknown, "dead-letter") ? UNKNOWN_REJECT
                                                      : UNKNOWN_PASS;
    long fault = kind_fault(e->kind_name);
    int err = 0;
    if (fault >= 0)
        err = il_conf_error(conf, "kind", fault,
                            "a kind is a lower-case letter and up to %d "
                            "letters, digits or _",
                            KIND_MAX - 1);
    int key_err = il_field_from(host, conf, "key", &e->key);
    err = err ? err : key_err;
    if (!err && il_kind_named(host, e->kind_name, &e->kind))
        err = il_conf_error(conf, "kind", -1, "out of memory");
    e->found = il_counter_new(host, "found", IL_UNIT_NONE,
                              "Events whose entity was found.");
    e->unknown =
        il_counter_new(host, "unknown", IL_UNIT_NONE,
                       "Events whose entity is unknown, or whose key is "
                       "missing.");
    if (err) {
        entity_close(e);
        return err;
    }
    *self = e;
    return 0;
}

/* The key of an event as text: a string, or a number as its sender wrote it.
 * id NULL: there is none that an entity could have. */
struct key {
    const char *id;
    size_t len;
    char number[NUMBER_TEXT];
};

static void
key_of(const struct il_value *v, struct key *key)
{
    int n = 0;
    key->id = key->number;
    switch (v->type) {
    case IL_STRING:
    case IL_DECIMAL:
        key->id = v->str;
        key->len = v->len;
        return;
    case IL_INT:
        n = snprintf(key->number, NUMBER_TEXT, "%lld", (long long) v->num.i);
        break;
    case IL_UINT:
        n = snprintf(key->number, NUMBER_TEXT, "%llu",
                     (unsigned long long) v->num.u);
        break;
    default:
        key->id = NULL;
    }
    key->len = (size_t) n;
}

/* Read the key of event i and let the host fetch what it leads to. */
static void
look_ahead(const struct enrich *e, struct il_batch *batch, uint32_t i,
           struct key *key)
{
    struct il_value v;
    key->id = NULL;
    key->len = 0;
    if (!il_live(batch, i) || !il_get(batch, i, e->key, &v))
        return;
    key_of(&v, key);
    if (key->id)
        il_entity_hint(batch, e->kind, key->id, key->len);
}

/* Make event i a dead letter that says which entity is missing. */
static void
reject(const struct enrich *e, struct il_batch *batch, uint32_t i,
       const struct key *key)
{
    const char *id = key->id;
    size_t len = key->len;
    char message[MESSAGE_TEXT];
    struct il_reason why = { IL_SIZED(struct il_reason),
                             .code = "unknown_entity", .message = message,
                             .field = e->key_text };
    size_t shown = len < ID_SHOWN ? len : ID_SHOWN;
    while (shown && shown < len && (id[shown] & 0xC0) == 0x80)
        shown--; /* cut between characters */
    if (id)
        snprintf(message, sizeof(message), "there is no %s \"%.*s\"",
                 e->kind_name, (int) shown, id);
    else
        snprintf(message, sizeof(message),
                 "there is no %s to look up: %s is missing or neither text "
                 "nor number",
                 e->kind_name, e->key_text);
    il_reject(batch, i, &why);
}

/* Enrich event i.  1 found, 0 unknown, or a negative errno. */
static int
enrich(const struct enrich *e, struct il_batch *batch, uint32_t i,
       const struct key *key)
{
    struct il_value traits;
    int found = 0;
    if (key->id)
        found = il_entity_find(batch, e->kind, key->id, key->len, &traits);
    if (found < 0)
        return found;
    if (found) {
        int err = il_entity_attach(batch, i, e->kind, &traits);
        return err ? err : 1;
    }
    if (e->on_unknown == UNKNOWN_DROP)
        il_drop(batch, i);
    else if (e->on_unknown == UNKNOWN_REJECT)
        reject(e, batch, i, key);
    return 0;
}

static int
entity_process(void *self, struct il_batch *batch)
{
    const struct enrich *e = self;
    uint32_t count = il_batch_count(batch), next = 0;
    uint64_t found = 0, unknown = 0;
    struct key keys[AHEAD];
    for (uint32_t i = 0; i < count; i++) {
        for (; next < count && next - i < AHEAD; next++)
            look_ahead(e, batch, next, &keys[next % AHEAD]);
        if (!il_live(batch, i))
            continue;
        int n = enrich(e, batch, i, &keys[i % AHEAD]);
        if (n < 0)
            return n; /* the same events come again; count them then */
        *(n ? &found : &unknown) += 1;
    }
    il_counter_add(e->host, e->found, found);
    il_counter_add(e->host, e->unknown, unknown);
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
