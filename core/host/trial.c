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
        return trial_fail(t, "no memory");
    h->small = 1;
    if (t->options->asked)
        trial_listen(&t->watch);
    log_level_set(t->options->log_level);
    host_load(h);
    h->assembly = assembly_open(h->plan);
    if (conf_errors(h->plan->conf)) {
        conf_print(h->plan->conf, stderr);
        return trial_fail(t, "the config %s is wrong", t->options->config);
    }
    free(h->state_dir);
    h->state_dir = strdup(t->options->folder);
    return h->state_dir ? 0 : trial_fail(t, "no memory");
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
            trial_fail(t, "lane %s: %s", a->lanes[i]->plan->lane,
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
            trial_fail(t, "the entity %s/%s cannot be kept: %s", e->kind, e->id,
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
    spool_hold_free(h->keeps);
    h->keeps = NULL;
    if (!err)
        err = gate_start(h->gate);
    return err ? trial_fail(t, "the test cannot be set up in %s: %s",
                            t->options->folder, strerror(-err))
               : 0;
}

/* --- time --------------------------------------------------------------------- */

/* What lanes are at. */
struct rest {
    int64_t next_us;  /* something is due then */
    uint64_t passed;  /* changes while they do something */
    const char *busy; /* one that has something to do */
    char why[512];    /* its last error */
};

/* Is there nothing left to do at this time? */
static int
all_rest(struct trial *t, struct rest *r)
{
    const struct assembly *a = t->host->assembly;
    int rest = 1;
    r->next_us = INT64_MAX;
    r->passed = 0;
    for (size_t i = 0; i < a->lane_count; i++) {
        struct lane_status s;
        if (!a->lanes[i]->lane || a->lanes[i]->pipeline->status != PLAN_ACTIVE)
            continue;
        lane_status(a->lanes[i]->lane, &s);
        r->passed += s.position;
        if (s.next_due_us < r->next_us)
            r->next_us = s.next_due_us;
        if (!s.lag_events && !s.in_flight && s.next_due_us > t->now_us
            && s.state == LANE_RUNNING)
            continue;
        rest = 0;
        r->busy = s.name;
        snprintf(r->why, sizeof(r->why), "%s", s.last_error);
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
    struct rest r = { .busy = "" };
    uint64_t passed = 0;
    int64_t until = clock_monotonic_us() + STUCK_US;
    while (!all_rest(t, &r)) {
        if (r.passed != passed)
            until = clock_monotonic_us() + STUCK_US;
        passed = r.passed;
        if (clock_monotonic_us() > until)
            return trial_fail(t, "lane %s does not come to an end%s%s", r.busy,
                              *r.why ? ": " : "", r.why);
        poll(NULL, 0, LOOK_MS);
    }
    *next_us = r.next_us;
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
    return trial_fail(t,
                      "events are put aside again and again, without an end");
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
            err = trial_give(t, &c->given[i], &t->result->answers[i]);
    }
    return err ? err : settle(t, &next);
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
            trial_note_letters(t);
            trial_note_entities(t);
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
    r->seen = conf_new();
    r->answers =
        conf_alloc(memory, (test->given_count + 1) * sizeof(*r->answers));
    r->entities =
        conf_alloc(memory, (test->expect_count + 1) * sizeof(*r->entities));
    t.watch.memory = r->seen;
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
    if (!r)
        return;
    conf_free(r->seen);
    conf_free(r->memory); /* r is in there */
}
