/* SPDX-License-Identifier: MIT */
/* The hot paths on a fixed input, for bench-count.py to count instructions:
 * callgrind collects within the functions count_*() only.
 *
 *   bench-count gate|read|filter|enrich|encode   prints the number of events
 *   bench-count compiler */
#include "scratch.h"
#include "w1.h"
#include "base/api.h"
#include "codec/msg_pack.h"
#include "lang/expr.h"
#include "lang/template.h"
#include "idem/private.h"
#include "gate/private.h"
#include "plugin/instance.h"
#include "host/api.h"

/* The steps themselves, without a config around them. */
#include <ingestlayer/plugin.h>
#undef IL_PLUGIN
#define IL_PLUGIN static const struct il_plugin match_plugin
#include "../../plugins/filter.match/match.c"
#undef IL_PLUGIN
#define IL_PLUGIN static const struct il_plugin entity_plugin
#define entity_open enrich_open
#define entity_close enrich_close
#include "../../plugins/enrich.entity/entity.c"
#undef entity_open
#undef entity_close
#include "../../plugins/warehouse.pg/job.h"
#include "../../plugins/warehouse.pg/put.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS 20000
#define BATCH 500
#define HOT __attribute__((noinline, used)) void

HOT count_gate(struct gate_batch *, struct slice body);
HOT count_read(struct il_batch *, const struct slice *bodies);
HOT count_filter(struct match *, struct il_batch *);
HOT count_enrich(struct enrich *, struct il_batch *);
HOT count_encode(struct encoder *, struct job *, struct plan *);

/* The only plan there is stays; what reads one from a server is left out. */
struct plan *
plan_ref(struct plan *p)
{
    return p;
}

void
plan_unref(struct plan *p)
{
    (void) p;
}

static struct il_host host;
static struct slice bodies[EVENTS];

static void
must(int err, const char *what)
{
    if (!err)
        return;
    fprintf(stderr, "bench-count: %s: %s\n", what, strerror(abs(err)));
    exit(1);
}

void
count_gate(struct gate_batch *b, struct slice body)
{
    must(gate_parse(b, body, 0, BATCH), "gate_parse");
}

void
count_read(struct il_batch *b, const struct slice *body)
{
    for (uint64_t i = 0; i < BATCH; i++)
        must(batch_add(b, i + 1, body[i].ptr, body[i].len), "batch_add");
}

void
count_filter(struct match *m, struct il_batch *b)
{
    must(match_plugin.process(m, b), "filter.match");
}

void
count_enrich(struct enrich *e, struct il_batch *b)
{
    must(entity_plugin.process(e, b), "enrich.entity");
}

void
count_encode(struct encoder *e, struct job *job, struct plan *plan)
{
    must(encode_job(e, job, plan), "encode_job");
}

/* --- the gate: declared events, arrays of 500 --- */

static void
gate_run(void)
{
    static struct gate gate;
    static struct gate_source app = { .gate = &gate, .id = SLICE("app") };
    static char text[BATCH * W1_TEXT_MAX];
    static char name[] = "app";
    struct schema *schema = schema_new();
    struct schema_event *event;
    if (!schema)
        must(1, "schema");
    must(schema_add_event(schema, "feature.used", 0, &event), "schema");
    must(schema_add_field(&event->object, "user_id", SCHEMA_STRING, 1, NULL), "schema");
    must(schema_add_field(&event->object, "feature", SCHEMA_STRING, 1, NULL), "schema");
    must(schema_add_field(&event->object, "count", SCHEMA_INTEGER, 0, NULL), "schema");
    must(schema_add_field(&event->object, "plan", SCHEMA_STRING, 0, NULL), "schema");
    app.name = name;
    app.schema = schema;
    static struct idem idem; /* keys are hashed, and not looked up */
    gate.options.idem = &idem;
    gate.options.max_event_bytes = 1 << 20;
    pthread_mutex_init(&gate.pool_lock, NULL);
    for (uint64_t i = 0; i < EVENTS; i += BATCH) {
        size_t len = 0;
        for (uint64_t k = i; k < i + BATCH; k++) {
            struct w1 w;
            w1_make(&w, k);
            text[len++] = k == i ? '[' : ',';
            len += w1_json(text + len, &w);
        }
        text[len++] = ']';
        struct gate_batch *b = gate_batch_take(&gate, &app);
        if (!b)
            must(1, "gate_batch_take");
        count_gate(b, slice_of(text, len));
        if (b->count != BATCH || b->refused)
            must(1, "the gate refused");
        gate_batch_give(b);
    }
}

/* --- the lane --- */

static void
make_bodies(void)
{
    struct il_text payload = { 0 };
    for (uint64_t i = 0; i < EVENTS; i++) {
        char json[W1_TEXT_MAX];
        struct il_text body = { 0 };
        struct json_error error;
        struct w1 w;
        w1_make(&w, i);
        payload.len = 0;
        must(json_to_msgpack(json, w1_payload(json, &w), &payload, &error),
             "json");
        struct event ev = { .id = slice_of(w.id, strlen(w.id)),
                            .type = SLICE("feature.used"),
                            .source_id = SLICE("app"),
                            .received_us = w.time_us,
                            .timestamp_us = w.time_us,
                            .payload = slice_of(payload.data, payload.len) };
        must(event_pack(&body, &ev), "event");
        bodies[i] = slice_of(body.data, body.len);
    }
    text_clear(&payload);
}

static void
match_make(struct match *m)
{
    static const char keep[] = "feature in {export, *.export, api, api.*, "
                               "webhook, webhook.*}";
    struct lang_error error;
    must(expr_compile(keep, sizeof keep - 1, &m->where, &error), "expression");
}

static struct il_field *
field(const char *text)
{
    struct lang_error error;
    struct il_field *f;
    must(ref_parse(text, strlen(text), REF_ROOTED, &f, &error), text);
    return f;
}

static void
enrich_make(struct enrich *e, struct entities *store)
{
    static struct entity_put puts[EVENTS];
    static char ids[EVENTS][16], account[EVENTS][16];
    static struct il_text traits[EVENTS];
    for (uint64_t i = 0; i < EVENTS; i++) {
        struct w1 w;
        w1_make(&w, i);
        strcpy(ids[i], w.user_id);
        strcpy(account[i], w.account);
        msg_pack_map(&traits[i], 1);
        msg_pack_str(&traits[i], "account", 7);
        msg_pack_str(&traits[i], account[i], strlen(account[i]));
        puts[i] = (struct entity_put){ .kind = SLICE("user"), .seen_us = 1 };
        puts[i].id = slice_of(ids[i], strlen(ids[i]));
        puts[i].traits = slice_of(traits[i].data, traits[i].len);
    }
    must(entity_put(store, puts, EVENTS, NULL), "entities");
    for (uint64_t i = 0; i < EVENTS; i++)
        text_clear(&traits[i]);
    e->host = &host;
    e->kind = batch_kind("user", 4);
    e->key = field("$event.payload.user_id");
    e->kind_name = "user";
    e->key_text = "$event.payload.user_id";
}

static void
column(struct plan *p, const char *text, uint32_t type, pg_put *put)
{
    struct lang_error error;
    struct il_template *value;
    must(template_compile(text, strlen(text), &value, &error), text);
    p->columns[p->count++] = (struct column){
        .name = (char *) text,
        .type = type,
        .modifier = -1,
        .type_name = "its type",
        .put = put,
        .optional = -1,
        .value = value,
    };
}

/* The columns of the bench table, as bench.py configures them. */
static struct plan *
plan_make(void)
{
    struct plan *p = calloc(1, sizeof *p + 16 * sizeof(struct column));
    if (!p)
        must(1, "plan");
    p->host = &host;
    atomic_init(&p->refs, 1);
    column(p, "$event.id", 25, put_text);
    column(p, "$event.received_at", 1184, put_timestamptz);
    column(p, "$event.type", 25, put_text);
    column(p, "$event.payload.user_id", 25, put_text);
    column(p, "$event.payload.feature", 25, put_text);
    column(p, "$event.payload.count", 20, put_int8);
    column(p, "$event.payload.plan", 25, put_text);
    column(p, "$entity.user.account", 25, put_text);
    column(p, "$event.payload", 3802, put_jsonb);
    return p;
}

/* Twice over the input: the first time warms what a lane keeps. */
static void
lane_run(const char *what, struct entities *store)
{
    struct match match = { .host = &host };
    struct enrich enrich = { .host = &host };
    struct entity_reader *reader;
    struct encoder enc;
    struct plan *plan = plan_make();
    struct job job = { .wire = il_text_new(&host),
                       .end = 1,
                       .connections = 1 };
    struct il_batch *b = batch_new();
    if (!b || !job.wire)
        must(1, "memory");
    must(encode_open(&enc, &host, 0), "encoder");
    must(entity_reader_new(store, &reader), "reader");
    make_bodies();
    match_make(&match);
    enrich_make(&enrich, store);
    job.batch = b;
    for (uint64_t n = 0; n < 2 * EVENTS; n += BATCH) {
        const struct slice *part = bodies + n % EVENTS;
        int counted = n >= EVENTS;
        batch_clear(b);
        must(entity_reader_begin(reader), "reader");
        b->reader = reader;
        if (counted && !strcmp(what, "read"))
            count_read(b, part);
        else
            for (uint64_t i = 0; i < BATCH; i++)
                must(batch_add(b, i + 1, part[i].ptr, part[i].len), "add");
        batch_enter(b, BATCH_IN_STEP, &host);
        if (counted && !strcmp(what, "enrich"))
            count_enrich(&enrich, b);
        else
            must(entity_plugin.process(&enrich, b), "enrich");
        batch_enter(b, BATCH_AT_DESTINATION, &host);
        if (counted && !strcmp(what, "encode"))
            count_encode(&enc, &job, plan);
        batch_enter(b, BATCH_IN_STEP, &host);
        if (counted && !strcmp(what, "filter"))
            count_filter(&match, b);
        b->reader = NULL;
        entity_reader_end(reader);
    }
    if (!strcmp(what, "encode") && job.row_count != BATCH)
        must(1, "not all became rows");
    if (!strcmp(what, "filter") && (!b->dropped || b->dropped == BATCH))
        must(1, "the filter keeps all or nothing");
    entity_reader_free(reader);
}

int
main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    char path[300];
    struct entities *store;
    if (!strcmp(what, "compiler")) {
        puts(__VERSION__);
        return 0;
    }
    host_api_init();
    host.api = api_table();
    if (!strcmp(what, "gate")) {
        gate_run();
        printf("%d\n", EVENTS);
        return 0;
    }
    snprintf(path, sizeof path, "%s/entities", scratch_dir());
    must(entity_open(path, 1 << 30, &store), "entities");
    lane_run(what, store);
    entity_close(store);
    printf("%d\n", EVENTS);
    return 0;
}
