/* SPDX-License-Identifier: MIT */
/* Declarations, as they are built from the config. */
#include "schema.h"

#include "base/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct schema {
    struct nameset types; /* names[i] is the type of events[i] */
    struct schema_event **events;
    size_t capacity;
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

/* --- giving back ---------------------------------------------------------- */

static void object_clear(struct schema_object *);

static void
number_clear(struct il_value *v)
{
    if (v->type != IL_MISSING)
        free((char *) v->str);
}

static void
choices_free(struct schema_choices *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; c->numbers && i < c->count; i++)
        number_clear(&c->numbers[i]);
    nameset_clear(&c->texts);
    free(c->numbers);
    free(c->ascending);
    free(c);
}

static void
node_clear(struct schema_node *node)
{
    choices_free(node->choices);
    number_clear(&node->min);
    number_clear(&node->max);
    if (node->object)
        object_clear(node->object);
    if (node->items)
        node_clear(node->items);
    free(node->object);
    free(node->items);
}

static void
object_clear(struct schema_object *object)
{
    for (size_t i = 0; i < object->count; i++)
        node_clear(&object->fields[i].node);
    free(object->fields);
    nameset_clear(&object->names);
}

void
schema_free(struct schema *schema)
{
    if (!schema)
        return;
    for (size_t i = 0; i < schema->types.count; i++) {
        struct schema_event *event = schema->events[i];
        object_clear(&event->object);
        ref_free(event->key);
        free(event);
    }
    free(schema->events);
    nameset_clear(&schema->types);
    free(schema);
}

/* --- events --------------------------------------------------------------- */

struct schema *
schema_new(void)
{
    return calloc(1, sizeof(struct schema));
}

int
schema_add_event(struct schema *schema, const char *type, int allow_unknown,
                 struct schema_event **out)
{
    const uint32_t n = schema->types.count;
    if (n == SCHEMA_EVENTS_MAX)
        return -E2BIG;
    if (n == schema->capacity) {
        size_t capacity = schema->capacity ? schema->capacity * 2 : 8;
        struct schema_event **events
            = realloc(schema->events, capacity * sizeof(*events));
        if (!events)
            return -ENOMEM;
        schema->events = events;
        schema->capacity = capacity;
    }
    struct schema_event *event = calloc(1, sizeof(*event));
    if (!event)
        return -ENOMEM;
    int err = nameset_add(&schema->types, type, strlen(type));
    if (err) {
        free(event);
        return err;
    }
    event->type = schema->types.names[n].ptr;
    event->type_len = schema->types.names[n].len;
    event->number = n;
    event->object.allow_unknown = allow_unknown;
    schema->events[n] = event;
    *out = event;
    return 0;
}

size_t
schema_count(const struct schema *schema)
{
    return schema ? schema->types.count : 0;
}

const struct schema_event *
schema_at(const struct schema *schema, size_t i)
{
    return schema->events[i];
}

const struct schema_event *
schema_find(const struct schema *schema, struct slice type)
{
    int64_t i = schema ? nameset_find(&schema->types, type.ptr, type.len) : -1;
    return i < 0 ? NULL : schema->events[i];
}

int64_t
schema_longest_window(const struct schema *schema)
{
    int64_t longest = 0;
    for (size_t i = 0; i < schema_count(schema); i++)
        if (schema->events[i]->window_us > longest)
            longest = schema->events[i]->window_us;
    return longest;
}

/* --- nodes ---------------------------------------------------------------- */

static struct schema_node
node_of(int type)
{
    static const uint32_t fits[] = {
        [SCHEMA_STRING] = 1u << IL_STRING,
        [SCHEMA_NUMBER] = 1u << IL_INT | 1u << IL_UINT | 1u << IL_DECIMAL,
        [SCHEMA_INTEGER] = 1u << IL_INT | 1u << IL_UINT,
        [SCHEMA_BOOLEAN] = 1u << IL_BOOL,
        [SCHEMA_OBJECT] = 1u << IL_MAP,
        [SCHEMA_ARRAY] = 1u << IL_ARRAY,
        [SCHEMA_TIMESTAMP] = 0,
    };
    return (struct schema_node){ .type = (uint8_t) type,
                                 .fits = fits[type],
                                 .min = { .type = IL_MISSING },
                                 .max = { .type = IL_MISSING },
                                 .most = UINT64_MAX };
}

int
schema_add_field(struct schema_object *object, const char *name, int type,
                 int required, struct schema_node **out)
{
    if (object->count == SCHEMA_FIELDS_MAX)
        return -E2BIG;
    struct schema_field *fields
        = realloc(object->fields, (object->count + 1) * sizeof(*fields));
    if (!fields)
        return -ENOMEM;
    object->fields = fields;
    int err = nameset_add(&object->names, name, strlen(name));
    if (err)
        return err;
    const struct slice *copy = &object->names.names[object->count];
    struct schema_field *field = &fields[object->count++];
    object->required += required != 0;
    *field = (struct schema_field){ .name = copy->ptr,
                                    .name_len = copy->len,
                                    .required = required,
                                    .node = node_of(type) };
    if (out)
        *out = &field->node;
    return 0;
}

struct schema_object *
schema_add_object(struct schema_node *node, int allow_unknown)
{
    node->object = calloc(1, sizeof(*node->object));
    if (node->object)
        node->object->allow_unknown = allow_unknown;
    return node->object;
}

struct schema_node *
schema_add_items(struct schema_node *node, int type)
{
    node->items = malloc(sizeof(*node->items));
    if (node->items)
        *node->items = node_of(type);
    return node->items;
}

/* A number that has its text, or its place, to itself. */
static int
number_copy(struct il_value *to, const struct il_value *from)
{
    *to = *from;
    to->str = NULL;
    if (from->type != IL_DECIMAL)
        return 0;
    to->str = strndup(from->str, from->len);
    if (to->str)
        return 0;
    to->type = IL_MISSING;
    return -ENOMEM;
}

int
schema_set_min(struct schema_node *node, const struct il_value *min)
{
    node->rules = 1;
    return number_copy(&node->min, min);
}

int
schema_set_max(struct schema_node *node, const struct il_value *max)
{
    node->rules = 1;
    return number_copy(&node->max, max);
}

static int
choices_of(struct schema_node *node, struct schema_choices **out)
{
    if (!node->choices)
        node->choices = calloc(1, sizeof(*node->choices));
    *out = node->choices;
    node->rules = 1;
    if (!*out)
        return -ENOMEM;
    return (*out)->count == SCHEMA_CHOICES_MAX ? -E2BIG : 0;
}

int
schema_add_text(struct schema_node *node, const char *text, size_t len)
{
    struct schema_choices *c;
    int err = choices_of(node, &c);
    if (!err)
        err = nameset_add(&c->texts, text, len);
    if (!err)
        c->count++;
    return err;
}

/* Both arrays get room for one more. */
static int
numbers_grow(struct schema_choices *c)
{
    const size_t size = (c->count + 1) * sizeof(struct il_value);
    struct il_value *numbers = realloc(c->numbers, size);
    if (!numbers)
        return -ENOMEM;
    c->numbers = numbers;
    struct il_value *ascending = realloc(c->ascending, size);
    if (!ascending)
        return -ENOMEM;
    c->ascending = ascending;
    return 0;
}

int
schema_add_number(struct schema_node *node, const struct il_value *number)
{
    struct schema_choices *c;
    uint32_t at = 0;
    int order = 1, err = choices_of(node, &c);
    if (err)
        return err;
    while (at < c->count
           && (order = number_compare(number, &c->ascending[at])) > 0)
        at++;
    if (at < c->count && !order)
        return -EEXIST;
    err = numbers_grow(c);
    if (!err)
        err = number_copy(&c->numbers[c->count], number);
    if (err)
        return err;
    memmove(&c->ascending[at + 1], &c->ascending[at],
            (c->count - at) * sizeof(*c->ascending));
    c->ascending[at] = c->numbers[c->count++];
    return 0;
}
