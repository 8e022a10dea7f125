/* SPDX-License-Identifier: MIT */
/* Declarations, from the config into a schema, with all that is wrong with
 * them. */
#include "plan.h"

#include "base/number.h"
#include "base/wtf8.h"
#include "codec/json.h"

#include <errno.h>
#include <libconfig.h>
#include <string.h>

/* Events are UTF-8: in another encoding a text could never be met. */
static int
is_utf8(const struct il_conf *g, const char *key, size_t i)
{
    const char *text = option_str(g, key, i);
    if (wtf8_valid(text, strlen(text)))
        return 1;
    option_error(g, key, i, "is not UTF-8; save the file as UTF-8");
    return 0;
}

/* A number as an event would have it.  0 or -EINVAL after a finding. */
static int
read_number(struct plan *plan, const struct il_conf *g, const char *key,
            size_t i, int type, struct il_value *out)
{
    const char *text = option_str(g, key, i), *p;
    struct il_text packed = { 0 };
    struct json_error error;
    int err = json_to_msgpack(text, strlen(text), &packed, &error);
    if (err == -ENOMEM)
        conf_give_up();
    if (!err) {
        struct il_value v;
        p = packed.data;
        err = msg_head(&p, p + packed.len, &v);
        if (!err && v.type != IL_INT && v.type != IL_UINT
            && v.type != IL_DECIMAL)
            err = -EINVAL;
    }
    text_clear(&packed);
    if (err)
        return option_error(g, key, i, "expected a number, found \"%s\"", text);
    number_view(conf_strndup(plan->conf, text, strlen(text)), strlen(text),
                out);
    if (type == SCHEMA_INTEGER && out->type == IL_DECIMAL
        && strpbrk(text, ".eE"))
        return option_error(g, key, i,
                            "expected an integer, as the field is one; found "
                            "%s", text);
    return 0;
}

/* --- options that go with some types only --------------------------------- */

#define OF(type) (1u << (type))
#define OF_NUMBERS (OF(SCHEMA_NUMBER) | OF(SCHEMA_INTEGER))

static const struct {
    const char *option;
    unsigned types;
    const char *what, *hint;
} fitting[] = {
    { "enum", OF(SCHEMA_STRING) | OF_NUMBERS, "strings and numbers", "" },
    { "format", OF(SCHEMA_STRING), "strings", "" },
    { "min", OF_NUMBERS, "numbers",
      "; of strings there is min_length, of arrays min_items" },
    { "max", OF_NUMBERS, "numbers",
      "; of strings there is max_length, of arrays max_items" },
    { "min_length", OF(SCHEMA_STRING), "strings", "" },
    { "max_length", OF(SCHEMA_STRING), "strings", "" },
    { "min_items", OF(SCHEMA_ARRAY), "arrays", "" },
    { "max_items", OF(SCHEMA_ARRAY), "arrays", "" },
    { "items", OF(SCHEMA_ARRAY), "arrays", "" },
    { "fields", OF(SCHEMA_OBJECT), "objects", "" },
    { "unknown", OF(SCHEMA_OBJECT), "objects", "" },
};

/* Does the field, of this type, have the option? */
static int
has(const struct il_conf *g, const char *option, int type)
{
    for (size_t i = 0; i < sizeof(fitting) / sizeof(fitting[0]); i++)
        if (!strcmp(fitting[i].option, option) && !(fitting[i].types & OF(type)))
            return 0;
    return option_has(g, option);
}

static void
check_fitting(const struct il_conf *g, int type)
{
    for (size_t i = 0; i < sizeof(fitting) / sizeof(fitting[0]); i++)
        if (option_has(g, fitting[i].option) && !(fitting[i].types & OF(type)))
            option_error(g, fitting[i].option, 0,
                         "is for %s, not for type \"%s\"%s", fitting[i].what,
                         schema_type_name(type), fitting[i].hint);
    if (has(g, "unknown", type) && !option_has(g, "fields"))
        option_error(g, "unknown", 0,
                     "needs fields: an object without takes any");
}

/* --- rules ---------------------------------------------------------------- */

static void
load_limits(struct plan *plan, const struct il_conf *g,
            struct schema_node *node)
{
    struct il_value v;
    if (has(g, "min", node->type)
        && !read_number(plan, g, "min", 0, node->type, &v)
        && schema_set_min(node, &v))
        conf_give_up();
    if (has(g, "max", node->type)
        && !read_number(plan, g, "max", 0, node->type, &v)
        && schema_set_max(node, &v))
        conf_give_up();
    if (node->min.type != IL_MISSING && node->max.type != IL_MISSING
        && number_compare(&node->min, &node->max) > 0)
        option_error(g, "max", 0, "%s is less than min, which is %s",
                     option_str(g, "max", 0), option_str(g, "min", 0));
}

static void
load_sizes(const struct il_conf *g, struct schema_node *node,
           const char *least, const char *most)
{
    if (has(g, least, node->type))
        node->least = (uint64_t) option_int(g, least, 0);
    if (has(g, most, node->type))
        node->most = (uint64_t) option_int(g, most, 0);
    node->rules |= node->least || node->most != UINT64_MAX;
    if (node->least > node->most)
        option_error(g, most, 0, "%llu is less than %s, which is %llu",
                     (unsigned long long) node->most, least,
                     (unsigned long long) node->least);
}

/* One of the values to choose from.  It must be able to come. */
static int
load_choice(struct plan *plan, const struct il_conf *g, size_t i,
            struct schema_node *node, const struct schema_node *others)
{
    const char *text = option_str(g, "enum", i);
    struct il_value v = { .type = IL_STRING, .str = text,
                          .len = strlen(text) };
    char why[300];
    int err;
    if (node->type != SCHEMA_STRING) {
        if (read_number(plan, g, "enum", i, node->type, &v))
            return 0;
        err = schema_add_number(node, &v);
    } else if (config_setting_is_number(option_setting(g, "enum", i))) {
        option_error(g, "enum", i,
                     "expected a text, as the field is a string; found the "
                     "number %s", text);
        return 0;
    } else if (!is_utf8(g, "enum", i)) {
        return 0;
    } else {
        err = schema_add_text(node, v.str, v.len);
    }
    if (err == -ENOMEM)
        conf_give_up();
    if (err == -EEXIST)
        option_error(g, "enum", i, "%s is there twice", text);
    else if (err)
        option_error(g, "enum", i, "there are more than %d values",
                     SCHEMA_CHOICES_MAX);
    else if (!schema_keeps_rules(others, &v, why, sizeof(why)))
        option_error(g, "enum", i, "can never be met: %s", why);
    return err == -E2BIG ? -E2BIG : 0;
}

static void
load_choices(struct plan *plan, const struct il_conf *g,
             struct schema_node *node)
{
    const struct schema_node others = *node; /* its other rules */
    if (!has(g, "enum", node->type))
        return;
    const size_t n = option_count(g, "enum");
    for (size_t i = 0; i < n; i++)
        if (load_choice(plan, g, i, node, &others))
            return;
}

/* A list that is there, and empty, reads as if it were not. */
static void
check_empty(const struct il_conf *g, const char *option, const char *message)
{
    const config_setting_t *group = option_setting(g, NULL, 0), *s;
    s = group ? config_setting_get_member(group, option) : NULL;
    if (s && config_setting_is_aggregate(s) && !config_setting_length(s))
        option_error(g, NULL, 0, "%s: %s", option, message);
}

/* --- nodes ---------------------------------------------------------------- */

static void load_fields(struct plan *, const struct il_conf *,
                        struct schema_object *, int depth);

/* The type of a value; a string with the format of a timestamp is one.  0
 * after a finding. */
static int
node_type(const struct il_conf *g)
{
    const char *name = option_str(g, "type", 0);
    const char *format = option_str(g, "format", 0);
    int type = name ? schema_type_parse(name) : 0;
    if (!type)
        return 0;
    check_fitting(g, type);
    if (type == SCHEMA_STRING && format && !strcmp(format, "timestamp")) {
        static const char *const others[]
            = { "enum", "min_length", "max_length" };
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
            if (option_has(g, others[i]))
                option_error(g, others[i], 0,
                             "does not go with the format \"timestamp\"");
        return SCHEMA_TIMESTAMP;
    }
    return type;
}

static void load_node(struct plan *, const struct il_conf *,
                      struct schema_node *, int depth);

static void
load_inside(struct plan *plan, const struct il_conf *g,
            struct schema_node *node, int depth)
{
    const int object = has(g, "fields", node->type);
    if (!object && !has(g, "items", node->type))
        return;
    if (depth == SCHEMA_DEPTH_MAX) {
        option_error(g, object ? "fields" : "items", 0,
                     "is too deep: %d objects and arrays in each other are "
                     "the limit", SCHEMA_DEPTH_MAX);
        return;
    }
    if (object) {
        const char *unknown = option_str(g, "unknown", 0);
        struct schema_object *inside
            = schema_add_object(node, unknown && !strcmp(unknown, "allow"));
        if (!inside)
            conf_give_up();
        load_fields(plan, g, inside, depth + 1);
        return;
    }
    const struct il_conf *items = option_group(g, "items", 0);
    int type = items ? node_type(items) : 0;
    if (!type)
        return;
    if (!schema_add_items(node, type))
        conf_give_up();
    load_node(plan, items, node->items, depth + 1);
}

static void
load_node(struct plan *plan, const struct il_conf *g, struct schema_node *node,
          int depth)
{
    const char *format = option_str(g, "format", 0);
    node->nullable = option_int(g, "nullable", 0) != 0;
    if (node->type == SCHEMA_STRING) {
        int known = format ? schema_format_parse(format) : SCHEMA_PLAIN;
        node->format = known > 0 ? (uint8_t) known : SCHEMA_PLAIN;
        node->rules = node->format != SCHEMA_PLAIN;
        load_sizes(g, node, "min_length", "max_length");
    } else if (node->type == SCHEMA_ARRAY) {
        load_sizes(g, node, "min_items", "max_items");
    }
    load_limits(plan, g, node);
    check_empty(g, "enum", "needs at least one value");
    check_empty(g, "fields", "needs at least one field; an object without "
                             "this option takes any");
    load_choices(plan, g, node);
    load_inside(plan, g, node, depth);
}

static void
load_fields(struct plan *plan, const struct il_conf *group,
            struct schema_object *into, int depth)
{
    for (size_t i = 0; i < option_count(group, "fields"); i++) {
        const struct il_conf *f = option_group(group, "fields", i);
        const char *name = option_str(f, "name", 0);
        struct schema_node *node;
        int type = node_type(f);
        if (!name || !type || !is_utf8(f, "name", 0)) {
            plan->events_lack++;
            continue;
        }
        int err = schema_add_field(into, name, type,
                                   option_int(f, "required", 0) != 0, &node);
        if (err == -ENOMEM)
            conf_give_up();
        if (err == -E2BIG) {
            option_error(f, "name", 0, "there are more than %d fields",
                         SCHEMA_FIELDS_MAX);
            return;
        }
        if (err)
            option_error(f, "name", 0, "the field \"%s\" is declared twice",
                         name);
        else
            load_node(plan, f, node, depth);
    }
}

/* --- keys ----------------------------------------------------------------- */

static int
is_key_type(int type)
{
    return type == SCHEMA_STRING || type == SCHEMA_INTEGER
           || type == SCHEMA_TIMESTAMP;
}

static void
check_key(const struct il_conf *g, const struct schema_event *event)
{
    struct schema_place place;
    struct il_text name = { 0 };
    int what = schema_place(event, event->key, &place);
    if (what == SCHEMA_NAMED && !is_key_type(place.node->type)) {
        option_error(g, "key", 0,
                     "a key is a string, an integer or a timestamp; this is "
                     "declared as \"%s\"", schema_type_name(place.node->type));
    } else if (what != SCHEMA_NAMED) {
        if (schema_suggest(event->key, &place, &name))
            conf_give_up();
        option_error(g, "key", 0, "the event does not declare this field%s%s%s",
                     name.len ? "; did you mean \"" : "",
                     name.len ? text_str(&name) : "", name.len ? "\"?" : "");
    }
    text_clear(&name);
}

static void
load_key(const struct il_conf *event, struct schema_event *into)
{
    const struct il_conf *g = option_group(event, "idempotency", 0);
    const char *text = g ? option_str(g, "key", 0) : NULL;
    struct lang_error error;
    if (g && option_has(g, "window"))
        into->window_us = option_int(g, "window", 0) * 1000;
    if (!text)
        return;
    int err = ref_parse(text, strlen(text), REF_BARE, &into->key, &error);
    if (err == -ENOMEM)
        conf_give_up();
    if (err)
        option_error_at(g, "key", 0, (long) error.offset, "%s", error.message);
    else if (!ref_payload_only(into->key))
        option_error(g, "key", 0,
                     "expected a field of the payload, not in an array, such "
                     "as \"order_id\" or \"order.id\"");
    else
        check_key(g, into);
}

/* --- the list ------------------------------------------------------------- */

static void
say_twice(struct plan *plan, size_t i, const char *type)
{
    const struct il_conf *g = option_group(plan->root, "events", i);
    for (size_t k = 0; k < i; k++) {
        const struct il_conf *other = option_group(plan->root, "events", k);
        const char *same = option_str(other, "type", 0);
        if (same && !strcmp(same, type)) {
            option_error(g, "type", 0, "\"%s\" is already declared at %s",
                         type, option_origin(other, "type", 0));
            return;
        }
    }
}

void
plan_load_events(struct plan *plan)
{
    const size_t n = option_count(plan->root, "events");
    if (!(plan->schema = schema_new()))
        conf_give_up();
    for (size_t i = 0; i < n; i++) {
        const struct il_conf *g = option_group(plan->root, "events", i);
        const char *type = option_str(g, "type", 0);
        const char *unknown = option_str(g, "unknown", 0);
        struct schema_event *into;
        if (!type || !unknown || !is_utf8(g, "type", 0)) {
            plan->events_lack++;
            continue;
        }
        int err = schema_add_event(plan->schema, type,
                                   !strcmp(unknown, "allow"), &into);
        if (err == -ENOMEM)
            conf_give_up();
        if (err == -E2BIG)
            option_error(g, "type", 0, "there are more than %d declarations",
                         SCHEMA_EVENTS_MAX);
        if (err == -E2BIG)
            return;
        if (err) {
            say_twice(plan, i, type);
            continue;
        }
        const size_t lack = plan->events_lack;
        load_fields(plan, g, &into->object, 1);
        /* It may well be the field that could not be read. */
        if (plan->events_lack == lack)
            load_key(g, into);
    }
}

/* --- what reaches a pipeline ---------------------------------------------- */

void
plan_declared(const struct plan *plan, const struct lane_match *matches,
              size_t n, struct schema_events *out)
{
    const size_t all = schema_count(plan->schema);
    out->events = conf_alloc(plan->conf, (all + 1) * sizeof(*out->events));
    out->count = 0;
    for (size_t e = 0; e < all; e++) {
        const struct schema_event *event = schema_at(plan->schema, e);
        struct slice type = slice_of(event->type, event->type_len);
        size_t m = 0;
        while (m < n && !expr_glob_match(matches[m].type, type))
            m++;
        if (m < n)
            out->events[out->count++] = event;
    }
}
