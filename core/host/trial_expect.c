/* SPDX-License-Identifier: MIT */
/* What tests say, read and checked: what is expected. */
#include "trial_case.h"

#include "base/nearest.h"

#include <libconfig.h>
#include <string.h>

static void
check_lane(const struct trial_reading *r, const struct il_conf *g)
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
    trial_is_one_of(g, "lane", "lane", names, n);
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
read_count(const struct trial_reading *r, const struct il_conf *g,
           const char *key, struct trial_expect *out)
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

/* The one that it says; 0 after a finding. */
static int
read_kind(const struct trial_reading *r, const struct il_conf *g,
          struct trial_expect *out)
{
    static const struct {
        const char *key;
        enum trial_kind kind;
    } kinds[] = { { "rows", TRIAL_ROWS },        { "requests", TRIAL_REQUESTS },
                  { "request", TRIAL_REQUESTS }, { "drop", TRIAL_DROP },
                  { "dead", TRIAL_DEAD },        { "gate", TRIAL_GATE },
                  { "entity", TRIAL_ENTITY } };
    int found = 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!option_has(g, kinds[i].key) || found++)
            continue;
        out->kind = kinds[i].kind;
        out->key = kinds[i].key;
        out->place = conf_place(r->conf, option_setting(g, out->key, 0));
    }
    if (found != 1)
        option_error(g, NULL, 0,
                     "expects %s: give one of rows, requests, request, drop, "
                     "dead, gate and entity",
                     found ? "several things" : "nothing");
    return found == 1;
}

/* Of one event, which need not be named where there is only one. */
static void
read_event(const struct trial_case *c, const struct il_conf *g,
           struct trial_expect *out)
{
    if (out->event != SIZE_MAX || option_has(g, "event"))
        return;
    if (c->given_count == 1)
        out->event = 0;
    else
        option_error(g, out->key, 0,
                     "of which event? write event = N, its number in `given` "
                     "from 0 on, or its id");
}

static void
read_entity(const struct il_conf *g, struct trial_expect *out)
{
    const char *slash = strchr(option_str(g, "entity", 0), '/');
    out->name = option_str(g, "entity", 0);
    out->traits = option_setting(g, "traits", 0);
    if (!slash || slash == out->name || !slash[1])
        option_error(g, "entity", 0,
                     "expected its kind and id, as in \"user/u_1\"");
    if (out->traits && !config_setting_is_group(out->traits))
        option_error(g, "traits", 0, "expected a group { }");
}

void
trial_read_expect(const struct trial_reading *r, const struct trial_case *c,
                  const struct il_conf *g, struct trial_expect *out)
{
    *out = (struct trial_expect){ .lane = option_str(g, "lane", 0),
                                  .event = event_of(c, g),
                                  .place = conf_place(
                                      r->conf, option_setting(g, NULL, 0)) };
    check_lane(r, g);
    if (!read_kind(r, g, out))
        return;
    if (option_has(g, "traits") && out->kind != TRIAL_ENTITY)
        option_error(g, "traits", 0, "goes with `entity`");
    if (out->kind <= TRIAL_REQUESTS) {
        if (!out->lane)
            option_error(g, out->key, 0,
                         "of which lane? write lane = "
                         "\"PIPELINE/DESTINATION\"");
        read_count(r, g, out->key, out);
    } else if (out->kind == TRIAL_ENTITY) {
        read_entity(g, out);
    } else {
        read_event(c, g, out);
        out->status = (int) option_int(g, "gate", 0);
        if (out->kind != TRIAL_GATE)
            out->name = option_str(g, out->key, 0);
    }
}
