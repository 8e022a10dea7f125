/* SPDX-License-Identifier: MIT */
#include "schema.h"

#include "conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one declaration may hold: a check keeps a bit per field on the stack. */
#define FIELDS_MAX 1024

struct schema {
    struct schema_event **events;
    size_t count, capacity;
};

static const char *const type_names[] = {
    [SCHEMA_STRING] = "string",   [SCHEMA_NUMBER] = "number",
    [SCHEMA_INTEGER] = "integer", [SCHEMA_BOOLEAN] = "boolean",
    [SCHEMA_OBJECT] = "object",   [SCHEMA_ARRAY] = "array",
    [SCHEMA_TIMESTAMP] = "timestamp",
};

#define TYPE_COUNT (sizeof(type_names) / sizeof(type_names[0]))

int
schema_type_parse(const char *name)
{
    for (size_t i = 1; i < TYPE_COUNT; i++)
        if (!strcmp(type_names[i], name))
            return (int) i;
    return 0;
}

const char *
schema_type_name(int type)
{
    if (type < 1 || (size_t) type >= TYPE_COUNT)
        return "?";
    return type_names[type];
}

struct schema *
schema_new(void)
{
    return calloc(1, sizeof(struct schema));
}

static void
schema_event_free(struct schema_event *event)
{
    for (size_t i = 0; i < event->count; i++)
        free(event->fields[i].name);
    free(event->fields);
    free(event->type);
    free(event);
}

void
schema_free(struct schema *schema)
{
    if (!schema)
        return;
    for (size_t i = 0; i < schema->count; i++)
        schema_event_free(schema->events[i]);
    free(schema->events);
    free(schema);
}

int
schema_add_event(struct schema *schema, const char *type, int allow_unknown,
                 struct schema_event **out)
{
    if (schema_find(schema, slice_of(type, strlen(type))))
        return -EEXIST;
    if (schema->count == schema->capacity) {
        size_t capacity = schema->capacity ? schema->capacity * 2 : 8;
        struct schema_event **events
            = realloc(schema->events, capacity * sizeof(*events));
        if (!events)
            return -ENOMEM;
        schema->events = events;
        schema->capacity = capacity;
    }
    struct schema_event *event = calloc(1, sizeof(*event));
    char *copy = strdup(type);
    if (!event || !copy) {
        free(event);
        free(copy);
        return -ENOMEM;
    }
    event->type = copy;
    event->type_len = strlen(copy);
    event->allow_unknown = allow_unknown;
    schema->events[schema->count++] = event;
    *out = event;
    return 0;
}

int
schema_add_field(struct schema_event *event, const char *name, int type,
                 int required)
{
    size_t len = strlen(name);
    if (event->count == FIELDS_MAX)
        return -E2BIG;
    for (size_t i = 0; i < event->count; i++)
        if (!strcmp(event->fields[i].name, name))
            return -EEXIST;
    struct schema_field *fields
        = realloc(event->fields, (event->count + 1) * sizeof(*fields));
    if (!fields)
        return -ENOMEM;
    event->fields = fields;
    char *copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    fields[event->count++] = (struct schema_field){
        .name = copy, .name_len = len, .type = type, .required = required
    };
    return 0;
}

size_t
schema_count(const struct schema *schema)
{
    return schema ? schema->count : 0;
}

const struct schema_event *
schema_at(const struct schema *schema, size_t i)
{
    return schema->events[i];
}

const struct schema_event *
schema_find(const struct schema *schema, struct slice type)
{
    for (size_t i = 0; i < schema_count(schema); i++) {
        const struct schema_event *event = schema->events[i];
        if (event->type_len == type.len
            && !memcmp(event->type, type.ptr, type.len))
            return event;
    }
    return NULL;
}

/* One check in progress. */
struct check {
    const struct schema_event *event;
    uint64_t seen[FIELDS_MAX / 64];
    void (*problem)(void *arg, const char *path, const char *rule,
                    const char *message);
    void *arg;
    int problems;
};

/* A payload's key as part of a path; hostile names are long. */
#define PATH_MAX_SHOWN 200

static void IL_PRINTF(5, 6)
check_problem(struct check *check, const char *name, size_t len,
              const char *rule, const char *fmt, ...)
{
    char path[PATH_MAX_SHOWN + 16], message[PATH_MAX_SHOWN + 200];
    va_list ap;
    check->problems++;
    if (len > PATH_MAX_SHOWN) {
        /* not in the middle of a character */
        for (len = PATH_MAX_SHOWN; ((unsigned char) name[len] & 0xc0) == 0x80;)
            len--;
    }
    snprintf(path, sizeof(path), "payload.%.*s", (int) len, name);
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    check->problem(check->arg, path, rule, message);
}

static const char *
value_name(const struct il_value *value)
{
    switch (value->type) {
    case IL_NULL:
        return "null";
    case IL_BOOL:
        return "a boolean";
    case IL_INT:
    case IL_UINT:
    case IL_DECIMAL:
        return "a number";
    case IL_STRING:
        return "a string";
    case IL_ARRAY:
        return "an array";
    default:
        return "an object";
    }
}

/* A decimal without fraction and exponent: an integer beyond 64 bits, or -0.
 * 1.0 and 1e3 are not: an integer column would not take them either. */
static int
is_integer_text(const struct il_value *value)
{
    for (size_t i = 0; i < value->len; i++)
        if (value->str[i] == '.' || (value->str[i] | 0x20) == 'e')
            return 0;
    return 1;
}

static int
type_fits(int type, const struct il_value *value)
{
    int64_t us;
    switch (type) {
    case SCHEMA_STRING:
        return value->type == IL_STRING;
    case SCHEMA_NUMBER:
        return value->type == IL_INT || value->type == IL_UINT
               || value->type == IL_DECIMAL;
    case SCHEMA_INTEGER:
        return value->type == IL_INT || value->type == IL_UINT
               || (value->type == IL_DECIMAL && is_integer_text(value));
    case SCHEMA_BOOLEAN:
        return value->type == IL_BOOL;
    case SCHEMA_OBJECT:
        return value->type == IL_MAP;
    case SCHEMA_ARRAY:
        return value->type == IL_ARRAY;
    default:
        return value->type == IL_STRING
               && time_parse(value->str, value->len, &us) == 0;
    }
}

static void
check_type(struct check *check, const struct schema_field *field,
           const struct il_value *value)
{
    static const char *const expected[] = {
        [SCHEMA_STRING] = "a string",       [SCHEMA_NUMBER] = "a number",
        [SCHEMA_INTEGER] = "an integer",    [SCHEMA_BOOLEAN] = "true or false",
        [SCHEMA_OBJECT] = "an object",      [SCHEMA_ARRAY] = "an array",
        [SCHEMA_TIMESTAMP] = "an RFC 3339 timestamp",
    };
    const char *got = value_name(value);
    if (field->type == SCHEMA_INTEGER && value->type == IL_DECIMAL)
        got = "a number with a fraction or exponent";
    if (field->type == SCHEMA_TIMESTAMP && value->type == IL_STRING)
        got = "another string";
    check_problem(check, field->name, field->name_len, "type",
                  "expected %s, got %s", expected[field->type], got);
}

static void
check_unknown(struct check *check, const struct il_value *key)
{
    const char *names[FIELDS_MAX], *near;
    char word[64] = "";
    for (size_t i = 0; i < check->event->count; i++)
        names[i] = check->event->fields[i].name;
    if (key->len < sizeof(word))
        memcpy(word, key->str, key->len);
    near = conf_nearest(word, names, check->event->count);
    if (near)
        check_problem(check, key->str, key->len, "unknown",
                      "is not declared for this event; did you mean \"%s\"?",
                      near);
    else
        check_problem(check, key->str, key->len, "unknown",
                      "is not declared for this event");
}

/* Senders write their fields in the order of the declaration more often than
 * not, so the search begins where the last one ended. */
static const struct schema_field *
field_find(const struct schema_event *event, const struct il_value *key,
           size_t *next)
{
    for (size_t n = 0; n < event->count; n++) {
        size_t i = *next + n;
        if (i >= event->count)
            i -= event->count;
        const struct schema_field *field = &event->fields[i];
        if (field->name_len == key->len
            && !memcmp(field->name, key->str, key->len)) {
            *next = i + 1 < event->count ? i + 1 : 0;
            return field;
        }
    }
    return NULL;
}

static void
check_required(struct check *check)
{
    for (size_t i = 0; i < check->event->count; i++) {
        const struct schema_field *field = &check->event->fields[i];
        if (field->required && !(check->seen[i / 64] >> i % 64 & 1))
            check_problem(check, field->name, field->name_len, "required",
                          "is required and missing");
    }
}

int
schema_check(const struct schema_event *event, struct slice payload,
             void (*problem)(void *arg, const char *path, const char *rule,
                             const char *message),
             void *arg)
{
    struct check check;
    struct il_value map, key, value;
    const char *p = payload.ptr, *end = payload.ptr + payload.len;
    size_t next = 0;
    check.event = event;
    check.problem = problem;
    check.arg = arg;
    check.problems = 0;
    memset(check.seen, 0, (event->count + 63) / 64 * sizeof(check.seen[0]));
    if (msgcur_head(&p, end, &map) || map.type != IL_MAP) {
        problem(arg, "payload", "type", "expected an object");
        return 1;
    }
    for (uint32_t i = 0; i < map.count; i++) {
        if (msgcur_head(&p, end, &key) || key.type != IL_STRING
            || msgcur_value(&p, end, &value)) {
            problem(arg, "payload", "type", "cannot be read");
            return check.problems + 1;
        }
        const struct schema_field *field = field_find(event, &key, &next);
        if (!field) {
            if (!event->allow_unknown)
                check_unknown(&check, &key);
            continue;
        }
        if (value.type == IL_NULL)
            continue;
        size_t at = (size_t) (field - event->fields);
        check.seen[at / 64] |= UINT64_C(1) << at % 64;
        if (!type_fits(field->type, &value))
            check_type(&check, field, &value);
    }
    check_required(&check);
    return check.problems;
}
