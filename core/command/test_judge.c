/* SPDX-License-Identifier: MIT */
/* What came of a test, held against what it expects. */
#include "test.h"

#include <stdarg.h>
#include <string.h>

#define SHOWN 400 /* bytes of what a destination would have sent */

/* --- failures ---------------------------------------------------------------- */

void
command_test_failure(struct test_verdict *v, struct conf_place place,
                     const char *fmt, ...)
{
    struct conf *memory = v->result->memory;
    struct il_text what = { 0 };
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&what, fmt, ap);
    va_end(ap);
    struct test_failure *more =
        conf_alloc(memory, (v->count + 1) * sizeof(*more));
    if (v->count)
        memcpy(more, v->failures, v->count * sizeof(*more));
    v->failures = more;
    v->failures[v->count++] = (struct test_failure){
        .place = place, .what = conf_strndup(memory, text_str(&what), what.len)
    };
    text_clear(&what);
}

void
command_test_differs(struct test_verdict *v, const char *at,
                     const char *expected, const char *got)
{
    struct conf *memory = v->result->memory;
    struct test_failure *f = &v->failures[v->count - 1];
    struct test_difference *more =
        conf_alloc(memory, (f->count + 1) * sizeof(*more));
    if (f->count)
        memcpy(more, f->differences, f->count * sizeof(*more));
    f->differences = more;
    more[f->count++] =
        (struct test_difference){ conf_strndup(memory, at, strlen(at)),
                                  conf_strndup(memory, expected,
                                               strlen(expected)),
                                  conf_strndup(memory, got, strlen(got)) };
}

/* --- the fate of an event ------------------------------------------------------ */

static const struct trial_sight *
find_sight(const struct trial_result *r, uint32_t lane, uint64_t position,
           enum trial_what what)
{
    for (size_t i = 0; i < r->sight_count; i++)
        if (r->sights[i].lane == lane && r->sights[i].position == position
            && r->sights[i].what == what)
            return &r->sights[i];
    return NULL;
}

enum test_fate
command_test_fate(const struct trial_result *r, size_t event, uint32_t lane,
                  const struct trial_sight **sight)
{
    const struct trial_lane *l = &r->lanes[lane];
    const uint64_t position = r->answers[event].position;
    *sight = NULL;
    if (!l->takes[event])
        return TEST_NOT_TAKEN;
    if (!l->runs)
        return TEST_NOT_RUN;
    if ((*sight = find_sight(r, lane, position, TRIAL_LETTER)))
        return TEST_DEAD;
    if ((*sight = find_sight(r, lane, position, TRIAL_DELIVERED)))
        return TEST_DELIVERED;
    if ((*sight = find_sight(r, lane, position, TRIAL_DROPPED)))
        return TEST_DROPPED;
    return l->has_when ? TEST_WHEN : TEST_ASIDE;
}

static const char *
fate_in_lane(const struct test_verdict *v, size_t event, uint32_t lane)
{
    static const char *const texts[] = {
        [TEST_NOT_TAKEN] = "not taken (match)",
        [TEST_NOT_RUN] = "not looked at (its pipeline is not active)",
        [TEST_DELIVERED] = "delivered",
        [TEST_WHEN] = "not for this destination (when)",
        [TEST_ASIDE] = "put aside, and not due yet"
    };
    struct conf *memory = v->result->memory;
    const struct trial_sight *s;
    const enum test_fate f = command_test_fate(v->result, event, lane, &s);
    if (f == TEST_DEAD)
        return conf_printf(memory, "dead letter %s: %s", s->name,
                           s->text ? s->text : "");
    if (f == TEST_DROPPED)
        return conf_printf(memory, "dropped by %s (%s)", s->plugin, s->name);
    return texts[f];
}

/* What became of it in a lane (SIZE_MAX: in all that take it). */
static const char *
fate(const struct test_verdict *v, size_t event, size_t lane)
{
    const struct trial_result *r = v->result;
    const struct trial_answer *a = &r->answers[event];
    struct il_text text = { 0 };
    if (a->duplicate)
        return "a duplicate, which the gate took for the event before";
    if (!a->position)
        return conf_printf(r->memory, "refused by the gate: %d %s", a->status,
                           a->code ? a->code : "");
    if (lane != SIZE_MAX)
        return fate_in_lane(v, event, (uint32_t) lane);
    for (uint32_t i = 0; i < r->lane_count; i++)
        if (r->lanes[i].takes[event])
            text_printf(&text, "%s%s: %s", text.len ? "; " : "",
                        r->lanes[i].name, fate_in_lane(v, event, i));
    const char *copy = text.len
                           ? conf_strndup(r->memory, text_str(&text), text.len)
                           : "taken by no pipeline (match)";
    text_clear(&text);
    return copy;
}

static size_t
lane_of(const struct test_verdict *v, const struct trial_expect *e)
{
    for (size_t i = 0; e->lane && i < v->result->lane_count; i++)
        if (strcmp(v->result->lanes[i].name, e->lane) == 0)
            return i;
    return SIZE_MAX;
}

/* --- what was delivered ---------------------------------------------------------- */

/* The next delivery of a lane, from *at on, of an event where one is named. */
static const struct trial_sight *
next_delivery(const struct test_verdict *v, const struct trial_expect *e,
              size_t lane, size_t *at)
{
    const struct trial_result *r = v->result;
    while (*at < r->sight_count) {
        const struct trial_sight *s = &r->sights[(*at)++];
        if (s->what == TRIAL_DELIVERED && s->lane == lane
            && (e->event == SIZE_MAX
                || (s->position
                    && s->position == r->answers[e->event].position)))
            return s;
    }
    return NULL;
}

static const char *
all_deliveries(const struct test_verdict *v, const struct trial_expect *e,
               size_t lane, size_t count)
{
    struct il_text text = { 0 };
    size_t at = 0, n = 0;
    text_printf(&text, "%zu", count);
    for (const struct trial_sight *s; (s = next_delivery(v, e, lane, &at));)
        if (n++ < 5)
            text_printf(&text, "\n%.*s%s", SHOWN, s->text,
                        s->text_len > SHOWN ? "..." : "");
    for (size_t i = 0; !count && i < v->test->given_count; i++)
        if (v->test->given[i].type && (e->event == SIZE_MAX || e->event == i))
            text_printf(&text, "\nevent %zu: %s", i, fate(v, i, lane));
    const char *copy =
        conf_strndup(v->result->memory, text_str(&text), text.len);
    text_clear(&text);
    return copy;
}

/* Begins a failure, and takes it back where nothing differs. */
static void
judge_one(struct test_verdict *v, const struct trial_expect *e, size_t i,
          const struct trial_sight *s)
{
    const int rows = e->kind == TRIAL_ROWS;
    command_test_failure(v, conf_place(v->test->conf, e->each[i]),
                         "%s %zu of lane %s", rows ? "row" : "request", i + 1,
                         e->lane);
    if (!(rows ? command_test_row(v, e->each[i], s->text)
               : command_test_request(v, e->each[i], s->text)))
        v->count--;
}

static void
judge_deliveries(struct test_verdict *v, const struct trial_expect *e)
{
    const size_t lane = lane_of(v, e);
    size_t at = 0, n = 0;
    while (next_delivery(v, e, lane, &at))
        n++;
    if (n != e->count) {
        command_test_failure(v, e->place, "%s of lane %s", e->key, e->lane);
        command_test_differs(v, "number",
                             conf_printf(v->result->memory, "%zu", e->count),
                             all_deliveries(v, e, lane, n));
    }
    at = 0;
    for (size_t i = 0; e->each && i < e->count && i < n; i++)
        judge_one(v, e, i, next_delivery(v, e, lane, &at));
}

/* --- what was not ------------------------------------------------------------------ */

/* By this step, in one of the lanes that are asked about? */
static int
was_dropped(const struct test_verdict *v, const struct trial_expect *e,
            size_t lane)
{
    const struct trial_result *r = v->result;
    const uint64_t position = r->answers[e->event].position;
    for (size_t i = 0; position && i < r->sight_count; i++) {
        const struct trial_sight *s = &r->sights[i];
        if (s->what == TRIAL_DROPPED && s->position == position
            && (lane == SIZE_MAX || s->lane == lane)
            && (strcmp(s->name, e->name) == 0
                || strcmp(s->plugin, e->name) == 0))
            return 1;
    }
    return 0;
}

static int
was_passed_over(const struct test_verdict *v, const struct trial_expect *e,
                size_t lane, int by_when)
{
    const struct trial_result *r = v->result;
    const struct trial_sight *s;
    int takes = 0, when = 0;
    for (uint32_t i = 0; i < r->lane_count; i++) {
        if (lane != SIZE_MAX && i != lane)
            continue;
        takes |= r->lanes[i].takes[e->event];
        when |= r->answers[e->event].position
                && command_test_fate(r, e->event, i, &s) == TEST_WHEN;
    }
    return by_when ? when : !takes && r->answers[e->event].position;
}

static void
judge_drop(struct test_verdict *v, const struct trial_expect *e)
{
    const size_t lane = lane_of(v, e);
    const int when = strcmp(e->name, "when") == 0;
    const int holds = when || strcmp(e->name, "match") == 0
                          ? was_passed_over(v, e, lane, when)
                          : was_dropped(v, e, lane);
    if (holds)
        return;
    command_test_failure(v, e->place, "drop of event %zu", e->event);
    command_test_differs(
        v, e->lane ? e->lane : "fate",
        conf_printf(v->result->memory, "dropped by %s", e->name),
        fate(v, e->event, lane));
}

static int
is_letter(const struct test_verdict *v, const struct trial_expect *e,
          size_t lane)
{
    const struct trial_result *r = v->result;
    const struct trial_answer *a = &r->answers[e->event];
    if (!a->position)
        return !e->lane && a->code && strcmp(a->code, e->name) == 0;
    for (size_t i = 0; i < r->sight_count; i++)
        if (r->sights[i].what == TRIAL_LETTER
            && r->sights[i].position == a->position
            && (lane == SIZE_MAX || r->sights[i].lane == lane)
            && strcmp(r->sights[i].name, e->name) == 0)
            return 1;
    return 0;
}

static void
judge_dead(struct test_verdict *v, const struct trial_expect *e)
{
    const size_t lane = lane_of(v, e);
    if (is_letter(v, e, lane))
        return;
    command_test_failure(v, e->place, "dead letter of event %zu", e->event);
    command_test_differs(
        v, e->lane ? e->lane : "fate",
        conf_printf(v->result->memory, "dead letter %s", e->name),
        fate(v, e->event, lane));
}

static void
judge_gate(struct test_verdict *v, const struct trial_expect *e)
{
    const struct trial_answer *a = &v->result->answers[e->event];
    if (a->status == e->status)
        return;
    command_test_failure(v, e->place, "answer to event %zu", e->event);
    command_test_differs(
        v, "status", conf_printf(v->result->memory, "%d", e->status),
        conf_printf(v->result->memory, "%d %s", a->status, a->text));
}

static void
judge_entity(struct test_verdict *v, const struct trial_expect *e,
             const char *traits)
{
    command_test_failure(v, e->place, "entity %s", e->name);
    if (!traits)
        command_test_differs(v, "", "an entity", "nobody knows it");
    else if (!e->traits || !command_test_object(v, e->traits, traits))
        v->count--;
}

/* --- what nobody expects ------------------------------------------------------------ */

static int
is_spoken_of(const struct test_verdict *v, size_t event)
{
    for (size_t i = 0; i < v->test->expect_count; i++) {
        const struct trial_expect *e = &v->test->expect[i];
        if (e->event == event
            && (e->kind == TRIAL_DEAD || e->kind == TRIAL_GATE))
            return 1;
    }
    return 0;
}

/* "No request" must not hold because the event never came in. */
static void
judge_unexpected(struct test_verdict *v)
{
    const struct trial_result *r = v->result;
    for (size_t i = 0; i < v->test->given_count; i++) {
        const struct trial_answer *a = &r->answers[i];
        if (!v->test->given[i].type || is_spoken_of(v, i))
            continue;
        if (a->code) {
            command_test_failure(v, v->test->given[i].place,
                                 "event %zu is refused, which nothing expects",
                                 i);
            command_test_differs(
                v, "status", "202",
                conf_printf(r->memory, "%d %s", a->status, a->text));
        }
        for (uint32_t k = 0; a->position && k < r->lane_count; k++)
            if (find_sight(r, k, a->position, TRIAL_LETTER)) {
                command_test_failure(
                    v, v->test->given[i].place,
                    "event %zu is a dead letter, which nothing expects", i);
                command_test_differs(v, r->lanes[k].name, "none",
                                     fate(v, i, k));
            }
    }
}

void
command_test_judge(struct test_verdict *v)
{
    if (v->result->error) {
        command_test_failure(v, v->test->place, "%s", v->result->error);
        return;
    }
    for (size_t i = 0; i < v->test->expect_count; i++) {
        const struct trial_expect *e = &v->test->expect[i];
        if (e->kind <= TRIAL_REQUESTS)
            judge_deliveries(v, e);
        else if (e->kind == TRIAL_DROP)
            judge_drop(v, e);
        else if (e->kind == TRIAL_DEAD)
            judge_dead(v, e);
        else if (e->kind == TRIAL_ENTITY)
            judge_entity(v, e, v->result->entities[i]);
        else
            judge_gate(v, e);
    }
    judge_unexpected(v);
}
