/* SPDX-License-Identifier: MIT */
/* The daemon of a test: that of host.c without servers, whose clock moves when
 * the test says so and nothing is left to do. */
#include "trial_private.h"

#include "catalog.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/state_dir.h"
#include "codec/json.h"
#include "lang/expr.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define STUCK_US 20000000 /* a lane that does nothing for so long never will */
#define LOOK_MS 1
#define DUE_MOST 100000 /* times that something may become due by itself */

struct trial {
    const struct trial_options *options;
    const struct trial_case *test;
    struct trial_result *result;
    struct trial_watch watch;
    struct host *host;
    int64_t now_us;
};

/* --- the end, one way or another -------------------------------------------- */

static int fail(struct trial *, const char *fmt, ...) IL_PRINTF(2, 3);

/* The first error is the one. */
static int
fail(struct trial *t, const char *fmt, ...)
{
    struct il_text text = { 0 };
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&text, fmt, ap);
    va_end(ap);
    if (!t->result->error)
        t->result->error =
            conf_strndup(t->result->memory, text_str(&text), text.len);
    text_clear(&text);
    return -EINVAL;
}

/* --- before the first event -------------------------------------------------- */

/* FNV-1a: a test of another name has other ids. */
static uint64_t
seed_of(const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *name; name++)
        h = (h ^ (unsigned char) *name) * UINT64_C(0x100000001b3);
    return h ? h : 1;
}

static int
open_config(struct trial *t)
{
    struct host *h = t->host = host_new();
    if (!h || host_parse(h, t->options->config))
        return fail(t, "no memory");
    if (t->options->asked)
        trial_listen(&t->watch);
    log_level_set(t->options->log_level);
    host_load(h);
    h->assembly = assembly_open(h->plan);
    if (conf_errors(h->plan->conf)) {
        conf_print(h->plan->conf, stderr);
        return fail(t, "the config %s is wrong", t->options->config);
    }
    free(h->state_dir);
    h->state_dir = strdup(t->options->folder);
    return h->state_dir ? 0 : fail(t, "no memory");
}

static int
takes(const struct plan_pipeline *p, const struct trial_given *g)
{
    const struct slice type = slice_of(g->type, strlen(g->type));
    const struct slice source =
        slice_of(g->source, g->source ? strlen(g->source) : 0);
    for (size_t i = 0; i < p->match_count; i++)
        if (slice_equal(p->matches[i].source, source)
            && expr_glob_match(p->matches[i].type, type))
            return 1;
    return 0;
}

static void
describe_lane(struct trial *t, const struct assembly_lane *l,
              struct trial_lane *out)
{
    struct conf *memory = t->result->memory;
    const struct trial_case *c = t->test;
    const char *name = l->plan->lane;
    out->name = conf_strndup(memory, name, strlen(name));
    out->runs = l->pipeline->status == PLAN_ACTIVE;
    out->has_when = l->when != NULL;
    out->takes = conf_alloc(memory, c->given_count + 1);
    for (size_t i = 0; i < c->given_count; i++)
        out->takes[i] = c->given[i].type && takes(l->pipeline, &c->given[i]);
}

static int
assume_far_sides(struct trial *t)
{
    const struct assembly *a = t->host->assembly;
    for (size_t i = 0; i < a->lane_count; i++) {
        struct il_text why = { 0 };
        int err = a->lanes[i]->pipeline->status == PLAN_ACTIVE
                      ? catalog_assume(t->options->catalog, a->lanes[i], &why)
                      : 0;
        if (err)
            fail(t, "lane %s: %s", a->lanes[i]->plan->lane,
                 why.len ? text_str(&why) : strerror(-err));
        text_clear(&why);
        if (err)
            return err;
    }
    return 0;
}

static void
watch_lanes(struct trial *t)
{
    struct assembly *a = t->host->assembly;
    t->result->lanes = conf_alloc(
        t->result->memory, (a->lane_count + 1) * sizeof(*t->result->lanes));
    t->result->lane_count = a->lane_count;
    for (size_t i = 0; i < a->lane_count; i++) {
        describe_lane(t, a->lanes[i], &t->result->lanes[i]);
        trial_stand_before(&t->watch, a->lanes[i], (uint32_t) i);
    }
}

static int
put_entities(struct trial *t)
{
    const struct trial_case *c = t->test;
    int err = 0;
    for (size_t i = 0; i < c->entity_count && !err; i++) {
        const struct trial_entity *e = &c->entities[i];
        struct il_text packed = { 0 };
        struct json_error why;
        err = json_to_msgpack(e->traits, strlen(e->traits), &packed, &why);
        struct entity_put put = { .kind = slice_of(e->kind, strlen(e->kind)),
                                  .id = slice_of(e->id, strlen(e->id)),
                                  .traits = slice_of(packed.data, packed.len) };
        if (!err)
            err = entity_put(t->host->entities, &put, 1, NULL);
        if (err)
            fail(t, "the entity %s/%s cannot be kept: %s", e->kind, e->id,
                 strerror(-err));
        text_clear(&packed);
    }
    return err;
}

static int
make_sources(struct host *h)
{
    int err = 0;
    for (size_t i = 0; i < h->assembly->plan->source_count && !err; i++)
        err = host_make_source(h, h->assembly->sources[i]);
    return err;
}

static int
start(struct trial *t)
{
    struct host *h = t->host;
    int err = host_start_state(h);
    if (!err)
        err = put_entities(t);
    if (!err)
        err = host_make_gate(h);
    if (!err)
        err = make_sources(h);
    if (!err)
        err = host_start_lanes(h);
    spool_hold_free(h->start_hold);
    h->start_hold = NULL;
    if (!err)
        err = gate_start(h->gate);
    return err ? fail(t, "the test cannot be set up in %s: %s",
                      t->options->folder, strerror(-err))
               : 0;
}

/* --- time --------------------------------------------------------------------- */

/* Is there nothing left to do at this time?  *busy: a lane that has. */
static int
all_rest(struct trial *t, int64_t *next_us, const char **busy, char *why,
         size_t why_size)
{
    const struct assembly *a = t->host->assembly;
    int rest = 1;
    *next_us = INT64_MAX;
    for (size_t i = 0; i < a->lane_count; i++) {
        struct lane_status s;
        if (!a->lanes[i]->lane || a->lanes[i]->pipeline->status != PLAN_ACTIVE)
            continue;
        lane_status(a->lanes[i]->lane, &s);
        if (s.next_due_us < *next_us)
            *next_us = s.next_due_us;
        if (!s.lag_events && !s.in_flight && s.next_due_us > t->now_us
            && s.state == LANE_RUNNING)
            continue;
        rest = 0;
        *busy = s.name;
        snprintf(why, why_size, "%s", s.last_error);
        if (s.next_due_us <= t->now_us)
            lane_due_changed(a->lanes[i]->lane);
    }
    return rest;
}

/* Wait until all lanes have done what there is.  *next_us: when something is due
 * next. */
static int
settle(struct trial *t, int64_t *next_us)
{
    const char *busy = "";
    char why[512] = "";
    const int64_t until = clock_monotonic_us() + STUCK_US;
    while (!all_rest(t, next_us, &busy, why, sizeof(why))) {
        if (clock_monotonic_us() > until)
            return fail(t, "lane %s does not come to an end%s%s", busy,
                        *why ? ": " : "", why);
        poll(NULL, 0, LOOK_MS);
    }
    return 0;
}

static void
set_clock(struct trial *t, int64_t us)
{
    t->now_us = us;
    clock_own(us);
    for (size_t i = 0; i < t->host->assembly->lane_count; i++)
        if (t->host->assembly->lanes[i]->lane)
            lane_due_changed(t->host->assembly->lanes[i]->lane);
}

/* Time passes, with a stop wherever something is due. */
static int
pass_time(struct trial *t, int64_t us)
{
    const int64_t to = t->now_us + us;
    for (int i = 0; i < DUE_MOST; i++) {
        int64_t next;
        int err = settle(t, &next);
        if (err)
            return err;
        if (next > to) {
            set_clock(t, to);
            return settle(t, &next);
        }
        set_clock(t, next);
    }
    return fail(t, "events are put aside again and again, without an end");
}

/* --- events --------------------------------------------------------------------- */

static void
put_body(const struct trial_given *g, struct il_text *body)
{
    struct json_out o;
    json_out_begin(&o, body);
    json_out_object(&o, NULL);
    json_out_str(&o, "type", g->type);
    if (g->id)
        json_out_str(&o, "id", g->id);
    if (g->key)
        json_out_str(&o, "idempotencyKey", g->key);
    if (g->timestamp)
        json_out_str(&o, "timestamp", g->timestamp);
    if (g->payload)
        json_out_raw(&o, "payload", slice_of(g->payload, strlen(g->payload)));
    json_out_end(&o);
}

static const char *
text_member(struct conf *memory, const struct il_value *map, const char *key)
{
    struct il_value v;
    return msg_find(map, key, strlen(key), &v) && v.type == IL_STRING
               ? conf_strndup(memory, v.str, v.len)
               : NULL;
}

/* {"data":{"events":[{"id","status"}]}} or {"error":{"code"}} */
static void
read_answer(struct trial *t, struct il_text *json, struct trial_answer *a)
{
    struct conf *memory = t->result->memory;
    struct il_text packed = { 0 };
    struct json_error error;
    struct il_value all, v, events;
    a->text = conf_strndup(memory, text_str(json), json->len);
    if (!json_to_msgpack(json->data, json->len, &packed, &error)) {
        const char *p = packed.data;
        if (!msg_value(&p, packed.data + packed.len, &all)
            && msg_find(&all, "error", 5, &v))
            a->code = text_member(memory, &v, "code");
        else if (msg_find(&all, "data", 4, &v)
                 && msg_find(&v, "events", 6, &events)
                 && msg_at(&events, 0, &v)) {
            a->id = text_member(memory, &v, "id");
            const char *status = text_member(memory, &v, "status");
            a->duplicate = status && strcmp(status, "duplicate") == 0;
        }
    }
    text_clear(&packed);
}

static int
give(struct trial *t, const struct trial_given *g, struct trial_answer *a)
{
    struct il_text body = { 0 }, answer = { 0 };
    put_body(g, &body);
    int err = gate_try(t->host->gate, g->source ? g->source : "",
                       slice_of(body.data, body.len), &a->status, &answer,
                       &a->position);
    if (err == -ENOENT)
        fail(t, "there is no source \"%s\" in the config",
             g->source ? g->source : "");
    else if (err)
        fail(t, "the event cannot be taken in: %s", strerror(-err));
    else
        read_answer(t, &answer, a);
    text_clear(&body);
    text_clear(&answer);
    return err;
}

static int
give_all(struct trial *t)
{
    const struct trial_case *c = t->test;
    int64_t next;
    int err = 0;
    for (size_t i = 0; i < c->given_count && !err; i++) {
        err = pass_time(t, c->given[i].after_us);
        if (!err && c->given[i].type)
            err = give(t, &c->given[i], &t->result->answers[i]);
    }
    return err ? err : settle(t, &next);
}

/* --- what is left ---------------------------------------------------------------- */

static uint32_t
lane_number(const struct trial *t, const char *name)
{
    uint32_t i = 0;
    while (i < t->result->lane_count
           && strcmp(t->result->lanes[i].name, name) != 0)
        i++;
    return i;
}

static int
note_letter(void *arg, const struct dead_letter *letter)
{
    struct trial *t = arg;
    const char *message = letter->reason.message;
    if (letter->due_us || strncmp(letter->lane, "gate/", 5) == 0)
        return 0;
    trial_note(&t->watch,
               &(struct trial_sight){
                   .what = TRIAL_LETTER,
                   .lane = lane_number(t, letter->lane),
                   .position = letter->origin.position ? letter->origin.position
                                                       : letter->position,
                   .name = letter->reason.code,
                   .text = message,
                   .text_len = message ? strlen(message) : 0 });
    return 0;
}

static int
note_parked_letter(void *arg, const char *lane, const struct parked_letter *l)
{
    struct trial *t = arg;
    trial_note(&t->watch,
               &(struct trial_sight){
                   .what = TRIAL_LETTER,
                   .lane = lane_number(t, lane),
                   .position = l->position,
                   .name = l->code,
                   .text = l->message,
                   .text_len = l->message ? strlen(l->message) : 0 });
    return 0;
}

static void
note_letters(struct trial *t)
{
    int err = dead_each(t->host->dead, NULL, note_letter, t);
    if (!err && t->host->parked)
        err = parked_walk_letters(t->host->parked, NULL, note_parked_letter, t);
    if (err)
        fail(t, "the dead letters cannot be read: %s", strerror(-err));
}

static const char *
look_up(struct trial *t, const char *name)
{
    const char *slash = strchr(name, '/');
    struct il_text text = { 0 }, json = { 0 };
    struct entity e;
    const char *traits = NULL;
    int found =
        entity_get(t->host->entities, slice_of(name, (size_t) (slash - name)),
                   slice_of(slash + 1, strlen(slash + 1)), &text, &e);
    if (found == 1 && json_write(&json, &e.traits, 0) >= 0)
        traits = conf_strndup(t->result->memory, text_str(&json), json.len);
    else if (found < 0)
        fail(t, "the entities cannot be read: %s", strerror(-found));
    text_clear(&text);
    text_clear(&json);
    return traits;
}

static void
note_entities(struct trial *t)
{
    for (size_t i = 0; i < t->test->expect_count; i++)
        if (t->test->expect[i].kind == TRIAL_ENTITY)
            t->result->entities[i] = look_up(t, t->test->expect[i].name);
}

/* --- all of it --------------------------------------------------------------------- */

static void
run(struct trial *t)
{
    t->now_us = t->test->at_us;
    clock_own(t->now_us);
    random_own(seed_of(t->test->name));
    if (!open_config(t) && !assume_far_sides(t)) {
        watch_lanes(t);
        if (!start(t) && !give_all(t)) {
            note_letters(t);
            note_entities(t);
        }
    }
    host_close(t->host);
    clock_own(0);
    random_own(0);
}

struct trial_result *
trial_run(const struct trial_options *options, const struct trial_case *test)
{
    struct conf *memory = conf_new();
    struct trial_result *r = conf_alloc(memory, sizeof(*r));
    struct trial t = { .options = options, .test = test, .result = r };
    r->memory = memory;
    r->answers =
        conf_alloc(memory, (test->given_count + 1) * sizeof(*r->answers));
    r->entities =
        conf_alloc(memory, (test->expect_count + 1) * sizeof(*r->entities));
    t.watch.memory = memory;
    t.watch.options = options;
    pthread_mutex_init(&t.watch.lock, NULL);
    run(&t);
    pthread_mutex_destroy(&t.watch.lock);
    r->sights = t.watch.sights;
    r->sight_count = t.watch.count;
    return r;
}

void
trial_free(struct trial_result *r)
{
    if (r)
        conf_free(r->memory); /* r is in there */
}
