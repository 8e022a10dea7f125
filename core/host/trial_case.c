/* SPDX-License-Identifier: MIT */
/* What tests say, read and checked: what is given. */
#include "trial_case.h"

#include "base/nearest.h"
#include "base/time.h"
#include "codec/json.h"

#include <libconfig.h>
#include <string.h>

/* --- names of the config --------------------------------------------------- */

int
trial_is_one_of(const struct il_conf *g, const char *key, const char *what,
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
check_source(const struct trial_reading *r, const struct il_conf *g)
{
    const struct plan *plan = r->plan;
    if (!plan || plan->broken)
        return;
    const char **names =
        conf_alloc(r->conf, (plan->source_count + 1) * sizeof(char *));
    for (size_t i = 0; i < plan->source_count; i++)
        names[i] = plan->sources[i].part.name;
    if (option_has(g, "source"))
        trial_is_one_of(g, "source", "source", names, plan->source_count);
    else if (plan->source_count != 1)
        option_error(g, NULL, 0,
                     "says no source, and the config has %zu: write source = "
                     "\"NAME\"",
                     plan->source_count);
}

/* --- values ---------------------------------------------------------------- */

static struct conf_place
place_of(const struct il_conf *g, const struct conf *conf)
{
    return conf_place(conf, option_setting(g, NULL, 0));
}

/* A group, or a text that is passed on as it is: also what is no JSON. */
static const char *
json_of(const struct trial_reading *r, const struct il_conf *g, const char *key)
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
read_entity(const struct trial_reading *r, const struct il_conf *g,
            struct trial_entity *out)
{
    struct il_text packed = { 0 };
    struct json_error error;
    const char *json = json_of(r, g, "traits");
    out->kind = option_str(g, "kind", 0);
    out->id = option_str(g, "id", 0);
    out->traits = json ? json : "{}";
    if (json_to_msgpack(out->traits, strlen(out->traits), &packed, &error))
        option_error(g, "traits", 0, "is no JSON: %s", error.message);
    else if (*out->traits != '{')
        option_error(g, "traits", 0, "expected a JSON object");
    text_clear(&packed);
}

static void
read_given(const struct trial_reading *r, const struct il_conf *g,
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

static void
read_case(const struct trial_reading *r, const struct il_conf *g,
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
        trial_read_expect(r, c, option_group(g, "expect", i), &c->expect[i]);
}

struct trial_case *
trial_cases(struct conf *conf, const struct il_conf *group,
            const struct plan *plan, size_t *count)
{
    const struct trial_reading r = { conf, plan };
    *count = option_count(group, "tests");
    struct trial_case *cases =
        conf_alloc(conf, (*count + 1) * sizeof(struct trial_case));
    for (size_t i = 0; i < *count; i++)
        read_case(&r, option_group(group, "tests", i), &cases[i]);
    return cases;
}
