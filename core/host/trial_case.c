/* SPDX-License-Identifier: MIT */
/* What tests say, read and checked. */
#include "trial.h"

#include "plan.h"
#include "base/nearest.h"
#include "base/time.h"
#include "codec/json.h"

#include <libconfig.h>
#include <string.h>

struct reading {
    struct conf *conf;
    const struct plan *plan; /* or NULL */
};

/* --- names of the config --------------------------------------------------- */

/* Is it one of these names?  Else a finding with the nearest. */
static int
is_one_of(const struct il_conf *g, const char *key, const char *what,
          const char *const *names, size_t n)
{
    const char *name = option_str(g, key, 0);
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return 1;
    const char *meant = nearest_name(name, names, n);
    struct il_text all = { 0 };
    for (size_t i = 0; i < n && !meant; i++)
        text_printf(&all, "%s%s", i ? ", " : "; there are: ", names[i]);
    option_error(g, key, 0, "there is no %s \"%s\" in the config%s%s%s%s", what,
                 name, meant ? "; did you mean \"" : "", meant ? meant : "",
                 meant ? "\"?" : "", text_str(&all));
    text_clear(&all);
    return 0;
}

static void
check_source(const struct reading *r, const struct il_conf *g)
{
    const struct plan *plan = r->plan;
    if (!plan || plan->broken)
        return;
    const char **names =
        conf_alloc(r->conf, (plan->source_count + 1) * sizeof(char *));
    for (size_t i = 0; i < plan->source_count; i++)
        names[i] = plan->sources[i].part.name;
    if (option_has(g, "source"))
        is_one_of(g, "source", "source", names, plan->source_count);
    else if (plan->source_count != 1)
        option_error(g, NULL, 0,
                     "says no source, and the config has %zu: write source = "
                     "\"NAME\"",
                     plan->source_count);
}

static void
check_lane(const struct reading *r, const struct il_conf *g)
{
    const struct plan *plan = r->plan;
    size_t n = 0;
    if (!plan || plan->broken || !option_has(g, "lane"))
        return;
    for (size_t i = 0; i < plan->pipeline_count; i++)
        n += plan->pipelines[i].destination_count;
    const char **names = conf_alloc(r->conf, (n + 1) * sizeof(char *));
    n = 0;
    for (size_t i = 0; i < plan->pipeline_count; i++)
        for (size_t k = 0; k < plan->pipelines[i].destination_count; k++)
            names[n++] = plan->pipelines[i].destinations[k].lane;
    is_one_of(g, "lane", "lane", names, n);
}

/* --- values ---------------------------------------------------------------- */

static struct conf_place
place_of(const struct il_conf *g, const struct conf *conf)
{
    return conf_place(conf, option_setting(g, NULL, 0));
}

/* A group, or a text that is passed on as it is: also what is no JSON. */
static const char *
json_of(const struct reading *r, const struct il_conf *g, const char *key)
{
    config_setting_t *s = option_setting(g, key, 0);
    struct il_text json = { 0 };
    if (!s)
        return NULL;
    if (config_setting_type(s) == CONFIG_TYPE_STRING)
        return config_setting_get_string(s);
    if (!config_setting_is_group(s)) {
        option_error(g, key, 0,
                     "expected a group { } or JSON in a text in double "
                     "quotes");
        return NULL;
    }
    if (conf_value_json(r->conf, s, &json))
        option_error(g, key, 0, "nests too deep");
    const char *copy = conf_strndup(r->conf, text_str(&json), json.len);
    text_clear(&json);
    return copy;
}

static int64_t
time_of(const struct il_conf *g, const char *key)
{
    const char *text = option_str(g, key, 0);
    int64_t us = 1;
    if (text && (time_parse(text, strlen(text), &us) || us <= 0)) {
        option_error(g, key, 0,
                     "expected a time after 1970, as in "
                     "\"2026-11-28T10:00:00Z\", found \"%s\"",
                     text);
        return 1;
    }
    return us;
}

/* --- a test ---------------------------------------------------------------- */

static void
read_entity(const struct reading *r, const struct il_conf *g,
            struct trial_entity *out)
{
    struct il_text packed = { 0 };
    struct json_error error;
    const char *json = json_of(r, g, "traits");
    out->kind = option_str(g, "kind", 0);
    out->id = option_str(g, "id", 0);
    out->traits = json ? json : "{}";
    if (json_to_msgpack(out->traits, strlen(out->traits), &packed, &error)
        || (((unsigned char) *packed.data & 0xf0) != 0x80
            && (unsigned char) *packed.data != 0xde
            && (unsigned char) *packed.data != 0xdf))
        option_error(g, "traits", 0, "expected a JSON object");
    text_clear(&packed);
}

static void
read_given(const struct reading *r, const struct il_conf *g,
           struct trial_given *out)
{
    *out = (struct trial_given){ .source = option_str(g, "source", 0),
                                 .type = option_str(g, "type", 0),
                                 .payload = json_of(r, g, "payload"),
                                 .id = option_str(g, "id", 0),
                                 .key = option_str(g, "key", 0),
                                 .timestamp = option_str(g, "timestamp", 0),
                                 .after_us = option_int(g, "after", 0) * 1000,
                                 .place = place_of(g, r->conf) };
    if (out->type) {
        check_source(r, g);
        if (!out->source && r->plan && r->plan->source_count == 1)
            out->source = r->plan->sources[0].part.name;
    } else if (out->payload || !out->after_us) {
        option_error(g, NULL, 0,
                     "has no type: an event needs one, and where none comes "
                     "`after` says how much time passes");
    }
}

static size_t
event_of(const struct trial_case *c, const struct il_conf *g)
{
    config_setting_t *s = option_setting(g, "event", 0);
    if (!s)
        return SIZE_MAX;
    if (config_setting_type(s) == CONFIG_TYPE_STRING) {
        const char *id = config_setting_get_string(s);
        for (size_t i = 0; i < c->given_count; i++)
            if (c->given[i].id && strcmp(c->given[i].id, id) == 0)
                return i;
        option_error(g, "event", 0, "none of `given` has the id \"%s\"", id);
    } else if (config_setting_is_number(s)) {
        int64_t n = config_setting_get_int64(s);
        if (n >= 0 && (uint64_t) n < c->given_count
            && c->given[(size_t) n].type)
            return (size_t) n;
        option_error(g, "event", 0,
                     "there is no event %lld; `given` has %zu, counted from 0",
                     (long long) n, c->given_count);
    } else {
        option_error(g, "event", 0,
                     "expected the number of an event in `given`, or its id");
    }
    return SIZE_MAX;
}

/* Keys of a request that is expected. */
static int
check_request(struct conf *conf, const config_setting_t *want, const char *key)
{
    static const char *const names[] = { "method", "url", "headers", "body",
                                         "contains" };
    int err = 0;
    for (int i = 0; i < config_setting_length(want); i++) {
        const config_setting_t *s = config_setting_get_elem(want, (unsigned) i);
        size_t k = 0;
        while (k < 5 && strcmp(names[k], s->name))
            k++;
        const int type = config_setting_type(s);
        const int fits =
            k == 2 ? type == CONFIG_TYPE_GROUP
            : k == 3
                ? type == CONFIG_TYPE_STRING || config_setting_is_aggregate(s)
            : k == 4 ? type == CONFIG_TYPE_STRING || type == CONFIG_TYPE_LIST
                           || type == CONFIG_TYPE_ARRAY
                     : type == CONFIG_TYPE_STRING;
        const struct conf_finding f = { .place = conf_place(conf, s),
                                        .key = conf_printf(conf, "%s.%s", key,
                                                           s->name),
                                        .offset = -1 };
        const char *meant = k < 5 ? NULL : nearest_name(s->name, names, 5);
        if (k < 5 && fits)
            continue;
        err = 1;
        if (k < 5)
            conf_add(conf, &f, "expected %s",
                     k == 2   ? "a group { } of texts"
                     : k == 3 ? "a text, or a group { } that JSON is to have"
                     : k == 4 ? "a text, or a list of texts"
                              : "a text in double quotes");
        else if (meant)
            conf_add(conf, &f, "no such option; did you mean \"%s\"?", meant);
        else
            conf_add(conf, &f,
                     "no such option; there are: method, url, headers, body, "
                     "contains");
    }
    return err;
}

/* A number, a group, or a list of groups. */
static void
read_count(const struct reading *r, const struct il_conf *g, const char *key,
           struct trial_expect *out)
{
    config_setting_t *s = option_setting(g, key, 0);
    const int list = config_setting_is_list(s);
    if (config_setting_is_number(s) && strcmp(key, "request") != 0
        && config_setting_get_int64(s) >= 0) {
        out->count = (size_t) config_setting_get_int64(s);
        return;
    }
    size_t n = list ? (size_t) config_setting_length(s) : 1;
    int fine = list ? strcmp(key, "request") != 0 : config_setting_is_group(s);
    out->each = conf_alloc(r->conf, (n + 1) * sizeof(*out->each));
    for (size_t i = 0; i < n && fine; i++) {
        config_setting_t *e =
            list ? config_setting_get_elem(s, (unsigned) i) : s;
        fine = config_setting_is_group(e);
        out->each[i] = e;
        if (fine && out->kind == TRIAL_REQUESTS)
            check_request(r->conf, e, key);
    }
    out->count = n;
    if (!fine)
        option_error(g, key, 0, "expected %s",
                     strcmp(key, "request") == 0
                         ? "a group { }"
                         : "a number, or a list of groups, ( { ... } )");
}

static void
read_expect(const struct reading *r, const struct trial_case *c,
            const struct il_conf *g, struct trial_expect *out)
{
    static const struct {
        const char *key;
        enum trial_kind kind;
    } kinds[] = { { "rows", TRIAL_ROWS },        { "requests", TRIAL_REQUESTS },
                  { "request", TRIAL_REQUESTS }, { "drop", TRIAL_DROP },
                  { "dead", TRIAL_DEAD },        { "gate", TRIAL_GATE } };
    int found = 0;
    *out = (struct trial_expect){ .lane = option_str(g, "lane", 0),
                                  .event = event_of(c, g),
                                  .place = place_of(g, r->conf) };
    check_lane(r, g);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!option_has(g, kinds[i].key) || found++)
            continue;
        out->kind = kinds[i].kind;
        out->key = kinds[i].key;
        out->place = conf_place(r->conf, option_setting(g, out->key, 0));
    }
    if (found != 1) {
        option_error(g, NULL, 0,
                     "expects %s: give one of rows, requests, request, drop, "
                     "dead and gate",
                     found ? "several things" : "nothing");
        return;
    }
    if (out->kind <= TRIAL_REQUESTS && !out->lane)
        option_error(g, out->key, 0,
                     "of which lane? write lane = \"PIPELINE/DESTINATION\"");
    if (out->kind <= TRIAL_REQUESTS)
        read_count(r, g, out->key, out);
    else if (out->kind == TRIAL_GATE)
        out->status = (int) option_int(g, "gate", 0);
    else
        out->name = option_str(g, out->key, 0);
    if (out->event == SIZE_MAX && c->given_count == 1
        && !option_has(g, "event"))
        out->event = out->kind > TRIAL_REQUESTS ? 0 : SIZE_MAX;
    if (out->kind > TRIAL_REQUESTS && out->event == SIZE_MAX
        && !option_has(g, "event"))
        option_error(g, out->key, 0,
                     "of which event? write event = N, its number in `given` "
                     "from 0 on, or its id");
}

static void
read_case(const struct reading *r, const struct il_conf *g,
          struct trial_case *c)
{
    c->conf = r->conf;
    c->name = option_str(g, "name", 0);
    c->at_us = time_of(g, "at");
    c->place = place_of(g, r->conf);
    c->entity_count = option_count(g, "entities");
    c->given_count = option_count(g, "given");
    c->expect_count = option_count(g, "expect");
    c->entities =
        conf_alloc(r->conf, (c->entity_count + 1) * sizeof(*c->entities));
    c->given = conf_alloc(r->conf, (c->given_count + 1) * sizeof(*c->given));
    c->expect = conf_alloc(r->conf, (c->expect_count + 1) * sizeof(*c->expect));
    for (size_t i = 0; i < c->entity_count; i++)
        read_entity(r, option_group(g, "entities", i), &c->entities[i]);
    for (size_t i = 0; i < c->given_count; i++)
        read_given(r, option_group(g, "given", i), &c->given[i]);
    for (size_t i = 0; i < c->expect_count; i++)
        read_expect(r, c, option_group(g, "expect", i), &c->expect[i]);
}

struct trial_case *
trial_cases(struct conf *conf, const struct il_conf *group,
            const struct plan *plan, size_t *count)
{
    const struct reading r = { conf, plan };
    *count = option_count(group, "tests");
    struct trial_case *cases =
        conf_alloc(conf, (*count + 1) * sizeof(struct trial_case));
    for (size_t i = 0; i < *count; i++)
        read_case(&r, option_group(group, "tests", i), &cases[i]);
    return cases;
}
