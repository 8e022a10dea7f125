/* SPDX-License-Identifier: MIT */
/* A payload against its declaration, in one pass over its msgpack.
 *
 * The walk goes down only where a node is declared, so that it is no deeper
 * than the declaration; all else is stepped over.  Nothing is allocated: what
 * a problem needs to tell where it is lies on the stack. */
#include "schema.h"

#include "base/nearest.h"
#include "base/number.h"
#include "base/time.h"
#include "codec/msg_read.h"
#include "conf/conf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* One check in progress. */
struct check {
    const char *p, *end;
    schema_tell *tell;
    void *arg;
    int problems;
    int guesses; /* names that were looked for a nearest one */
    int over;    /* no more: too many problems, or unreadable */
};

/* The way to a value, from the inside to the outside. */
struct way {
    const struct way *up;
    const char *name; /* NULL: an element */
    size_t len;
    uint32_t index;
};

/* --- telling -------------------------------------------------------------- */

#define NAME_SHOWN 128  /* bytes of one of a payload's keys */
#define VALUE_SHOWN 40  /* bytes of a value; more are only counted */
#define PATH_SHOWN 400
#define GUESSES_MAX 8   /* finding the nearest of many names takes time */

/* Not in the middle of a character. */
static size_t
cut(const char *s, size_t len, size_t most)
{
    if (len <= most)
        return len;
    while (most && ((unsigned char) s[most] & 0xc0) == 0x80)
        most--;
    return most;
}

/* Is it written ["so"]? */
static int
needs_quotes(const struct way *w)
{
    for (size_t i = 0; i < w->len; i++)
        if ((unsigned char) w->name[i] <= ' ' || w->name[i] == 0x7f
            || strchr(".[]\"'\\", w->name[i]))
            return 1;
    return w->len == 0;
}

static size_t
put_way(const struct way *w, char *out, size_t size)
{
    size_t len = w->up ? put_way(w->up, out, size) : 0;
    char *to = out + len;
    /* what stands above is all there is room for */
    if (size - len <= NAME_SHOWN + 8)
        return len;
    if (!w->up)
        return (size_t) sprintf(to, "payload");
    if (!w->name)
        return len + (size_t) sprintf(to, "[%" PRIu32 "]", w->index);
    int n = (int) cut(w->name, w->len, NAME_SHOWN);
    if (!needs_quotes(w))
        return len + (size_t) sprintf(to, ".%.*s", n, w->name);
    to += sprintf(to, "[\"");
    for (int i = 0; i < n; i++)
        *to++ = (unsigned char) w->name[i] < ' ' || strchr("\"\\", w->name[i]) ? '?'
                : w->name[i];
    return (size_t) (to + sprintf(to, "\"]") - out);
}

static void IL_PRINTF(4, 5)
say(struct check *c, const struct way *w, const char *rule, const char *fmt,
    ...)
{
    char path[PATH_SHOWN + NAME_SHOWN], message[400];
    va_list ap;
    if (c->problems == SCHEMA_PROBLEMS_MAX) {
        c->over = 1;
        c->tell(c->arg, "payload", "more",
                   "has further problems; the first 64 are told");
        return;
    }
    c->problems++;
    path[put_way(w, path, sizeof(path))] = '\0';
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    c->tell(c->arg, path, rule, message);
}

static void
say_unreadable(struct check *c, const struct way *w)
{
    if (!c->over)
        say(c, w, "type", "cannot be read");
    c->over = 1;
}

/* A short value as it is, of a long one how long it is. */
static void
show(char out[80], const struct il_value *v)
{
    switch (v->type) {
    case IL_INT:
        snprintf(out, 80, "%" PRId64, v->num.i);
        break;
    case IL_UINT:
        snprintf(out, 80, "%" PRIu64, v->num.u);
        break;
    case IL_DECIMAL:
        if (v->len <= VALUE_SHOWN)
            snprintf(out, 80, "%.*s", (int) v->len, v->str);
        else
            snprintf(out, 80, "a number of %zu bytes", v->len);
        break;
    default:
        if (v->len <= VALUE_SHOWN)
            snprintf(out, 80, "\"%.*s\"", (int) v->len, v->str);
        else
            snprintf(out, 80, "a string of %zu bytes", v->len);
    }
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

static void
say_type(struct check *c, const struct way *w, const struct schema_node *node,
         const struct il_value *value)
{
    static const char *const expected[] = {
        [SCHEMA_STRING] = "a string",       [SCHEMA_NUMBER] = "a number",
        [SCHEMA_INTEGER] = "an integer",    [SCHEMA_BOOLEAN] = "true or false",
        [SCHEMA_OBJECT] = "an object",      [SCHEMA_ARRAY] = "an array",
        [SCHEMA_TIMESTAMP] = "an RFC 3339 timestamp",
    };
    const char *got = value_name(value);
    if (node->type == SCHEMA_INTEGER && value->type == IL_DECIMAL)
        got = "a number with a fraction or exponent";
    if (node->type == SCHEMA_TIMESTAMP && value->type == IL_STRING)
        got = "another string";
    say(c, w, "type", "expected %s, got %s", expected[node->type], got);
}

/* The nearest of some names, for a few of an event. */
static const char *
guess(struct check *c, const struct nameset *names, const char *word,
      size_t len)
{
    const char *known[SCHEMA_FIELDS_MAX];
    char text[64];
    if (len >= sizeof(text) || c->guesses == GUESSES_MAX)
        return NULL;
    c->guesses++;
    memcpy(text, word, len);
    text[len] = '\0';
    for (uint32_t i = 0; i < names->count; i++)
        known[i] = names->names[i].ptr;
    return nearest_name(text, known, names->count);
}

static void
say_unknown(struct check *c, const struct way *w,
            const struct schema_object *object)
{
    const char *near = guess(c, &object->names, w->name, w->len);
    say(c, w, "unknown",
        near ? "is not declared for this event; did you mean \"%s\"?"
             : "is not declared for this event",
        near);
}

/* --- rules ---------------------------------------------------------------- */

/* What a value breaks: the rule and a message that completes itself. */
struct breach {
    const char *rule;
    char message[300];
};

static int IL_PRINTF(3, 4)
breaks(struct breach *b, const char *rule, const char *fmt, ...)
{
    va_list ap;
    b->rule = rule;
    va_start(ap, fmt);
    vsnprintf(b->message, sizeof(b->message), fmt, ap);
    va_end(ap);
    return 1;
}

static int
is_choice(const struct schema_choices *choices, const struct il_value *v)
{
    if (v->type == IL_STRING)
        return nameset_find(&choices->texts, v->str, v->len) >= 0;
    uint32_t from = 0, to = choices->count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        int order = number_compare(v, &choices->ascending[middle]);
        if (!order)
            return 1;
        if (order > 0)
            from = middle + 1;
        else
            to = middle;
    }
    return 0;
}

/* As many of them as there is room for. */
static void
show_choices(char *out, size_t size, const struct schema_choices *choices)
{
    char one[80];
    size_t len = 0;
    for (uint32_t i = 0; i < choices->count; i++) {
        struct il_value v = { .type = IL_STRING };
        if (choices->numbers) {
            v = choices->numbers[i];
        } else {
            v.str = choices->texts.names[i].ptr;
            v.len = choices->texts.names[i].len;
        }
        show(one, &v);
        if (len + strlen(one) + 20 > size) {
            snprintf(out + len, size - len, " and %" PRIu32 " more",
                     choices->count - i);
            return;
        }
        len += (size_t) sprintf(out + len, "%s%s", i ? ", " : "", one);
    }
}

static int
check_choice(const struct schema_node *node, const struct il_value *v,
             struct breach *b)
{
    char all[160], got[80];
    if (!node->choices || is_choice(node->choices, v))
        return 0;
    show_choices(all, sizeof(all), node->choices);
    show(got, v);
    return breaks(b, "enum", "expected %s%s, got %s",
                  node->choices->count > 1 ? "one of " : "", all, got);
}

static int
check_range(const struct schema_node *node, const struct il_value *v,
            struct breach *b)
{
    char limit[80], got[80];
    int low = node->min.type != IL_MISSING
              && number_compare(v, &node->min) < 0;
    if (!low && (node->max.type == IL_MISSING
                 || number_compare(v, &node->max) <= 0))
        return 0;
    show(limit, low ? &node->min : &node->max);
    show(got, v);
    return breaks(b, low ? "min" : "max", "expected %s or %s, got %s", limit,
                  low ? "more" : "less", got);
}

static int
check_size(const struct schema_node *node, uint64_t size, const char *what,
           const char *least, const char *most, struct breach *b)
{
    int low = size < node->least;
    if (!low && size <= node->most)
        return 0;
    return breaks(b, low ? least : most,
                  "expected %" PRIu64 " or %s %s, got %" PRIu64,
                  low ? node->least : node->most, low ? "more" : "fewer",
                  what, size);
}

/* Characters are code points. */
static uint64_t
characters(const struct il_value *v)
{
    uint64_t n = 0;
    for (size_t i = 0; i < v->len; i++)
        n += ((unsigned char) v->str[i] & 0xc0) != 0x80;
    return n;
}

static int
check_text(const struct schema_node *node, const struct il_value *v,
           struct breach *b)
{
    static const char *const expected[] = { [SCHEMA_UUID] = "a UUID",
                                            [SCHEMA_EMAIL] = "an email address",
                                            [SCHEMA_URI] = "a URI" };
    if (node->format && !schema_format_fits(node->format, v->str, v->len))
        return breaks(b, "format", "expected %s, got another string",
                      expected[node->format]);
    if ((node->least || node->most != UINT64_MAX)
        && check_size(node, characters(v), "characters", "min_length",
                      "max_length", b))
        return 1;
    return check_choice(node, v, b);
}

/* The rules of a node that a value of its type breaks: the first of them. */
static int
check_rules(const struct schema_node *node, const struct il_value *v,
            struct breach *b)
{
    switch (node->type) {
    case SCHEMA_STRING:
        return check_text(node, v, b);
    case SCHEMA_NUMBER:
    case SCHEMA_INTEGER:
        return check_range(node, v, b) || check_choice(node, v, b);
    case SCHEMA_ARRAY:
        return check_size(node, v->count, "elements", "min_items",
                          "max_items", b);
    default:
        return 0;
    }
}

int
schema_keeps_rules(const struct schema_node *node, const struct il_value *v,
                   char *why, size_t size)
{
    struct breach b;
    if (!check_rules(node, v, &b))
        return 1;
    snprintf(why, size, "%s", b.message);
    return 0;
}

static void
say_breach(struct check *c, const struct way *w,
           const struct schema_node *node, const struct il_value *v)
{
    struct breach b;
    if (!check_rules(node, v, &b))
        return;
    const char *near = NULL;
    if (!strcmp(b.rule, "enum") && v->type == IL_STRING)
        near = guess(c, &node->choices->texts, v->str, v->len);
    say(c, w, b.rule, near ? "%s; did you mean \"%s\"?" : "%s", b.message,
        near);
}

/* --- types ---------------------------------------------------------------- */

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

/* Where the kind of value alone does not tell. */
static int
type_fits(const struct schema_node *node, const struct il_value *value)
{
    int64_t us;
    if (node->type == SCHEMA_INTEGER)
        return value->type == IL_DECIMAL && is_integer_text(value);
    return node->type == SCHEMA_TIMESTAMP && value->type == IL_STRING
           && time_parse(value->str, value->len, &us) == 0;
}

/* --- the walk ------------------------------------------------------------- */

static void check_object(struct check *, const struct schema_object *,
                         uint32_t count, const struct way *);
static void check_items(struct check *, const struct schema_node *,
                        uint32_t count, const struct way *);

/* Step over what nothing is said about. */
static void
skip_value(struct check *c, const struct way *w)
{
    if (msg_skip(&c->p, c->end))
        say_unreadable(c, w);
}

/* All but the common case.  start is where the value begins. */
static int
check_further(struct check *c, const struct schema_node *node,
              const struct il_value *v, const char *start,
              const struct way *w)
{
    if (v->type == IL_NULL)
        return node->nullable;
    if (!(node->fits >> v->type & 1) && !type_fits(node, v))
        say_type(c, w, node, v);
    else if (node->rules)
        say_breach(c, w, node, v);
    if (v->type == IL_MAP && node->object) {
        check_object(c, node->object, v->count, w);
    } else if (v->type == IL_ARRAY && node->items) {
        check_items(c, node, v->count, w);
    } else if (v->type == IL_MAP || v->type == IL_ARRAY) {
        c->p = start;
        skip_value(c, w);
    }
    return 1;
}

/* The value at c->p.  1: it is there; 0: it is null, which is as good as
 * absent. */
static inline int
check_value(struct check *c, const struct schema_node *node,
            const struct way *w)
{
    const uint32_t containers = 1u << IL_MAP | 1u << IL_ARRAY;
    const char *start = c->p;
    struct il_value v;
    if (msg_head(&c->p, c->end, &v)) {
        say_unreadable(c, w);
        return 1;
    }
    if ((node->fits & ~containers) >> v.type & 1 && !node->rules)
        return 1;
    return check_further(c, node, &v, start, w);
}

static void
check_items(struct check *c, const struct schema_node *node, uint32_t count,
            const struct way *up)
{
    static const struct il_value null = { .type = IL_NULL };
    struct way here = { .up = up };
    for (; here.index < count && !c->over; here.index++)
        if (!check_value(c, node->items, &here))
            say_type(c, &here, node->items, &null);
}

/* Senders write their fields in the order of the declaration more often than
 * not, with some left out. */
static inline const struct schema_field *
field_find(const struct schema_object *object, const struct il_value *key,
           size_t *next)
{
    for (size_t i = *next; i < object->count && i < *next + 4; i++) {
        const struct schema_field *field = &object->fields[i];
        if (field->name_len == key->len
            && bytes_same(field->name, key->str, key->len)) {
            *next = i + 1;
            return field;
        }
    }
    int64_t i = nameset_find(&object->names, key->str, key->len);
    if (i < 0)
        return NULL;
    *next = (size_t) i + 1;
    return &object->fields[i];
}

static void
check_required(struct check *c, const struct schema_object *object,
               const uint64_t *seen, const struct way *up)
{
    for (size_t i = 0; i < object->count && !c->over; i++) {
        const struct schema_field *field = &object->fields[i];
        struct way here = { up, field->name, field->name_len, 0 };
        if (field->required && !(seen[i / 64] >> i % 64 & 1))
            say(c, &here, "required", "is required and missing");
    }
}

static void
check_object(struct check *c, const struct schema_object *object,
             uint32_t count, const struct way *up)
{
    uint64_t seen[SCHEMA_FIELDS_MAX / 64];
    size_t next = 0;
    uint32_t required = 0;
    memset(seen, 0, (object->count + 63) / 64 * sizeof(seen[0]));
    for (uint32_t i = 0; i < count && !c->over; i++) {
        struct il_value key;
        if (msg_head(&c->p, c->end, &key) || key.type != IL_STRING) {
            say_unreadable(c, up);
            return;
        }
        struct way here = { up, key.str, key.len, 0 };
        const struct schema_field *field = field_find(object, &key, &next);
        if (!field) {
            if (!object->allow_unknown)
                say_unknown(c, &here, object);
            skip_value(c, &here);
        } else if (check_value(c, &field->node, &here)) {
            size_t at = (size_t) (field - object->fields);
            uint64_t bit = UINT64_C(1) << at % 64;
            required += field->required && !(seen[at / 64] & bit);
            seen[at / 64] |= bit;
        }
    }
    if (!c->over && required < object->required)
        check_required(c, object, seen, up);
}

int
schema_check(const struct schema_event *event, struct slice payload,
             schema_tell *tell, void *arg)
{
    struct check c = { .p = payload.ptr,
                       .end = payload.ptr + payload.len,
                       .tell = tell,
                       .arg = arg };
    static const struct way root = { 0 };
    struct il_value map;
    if (msg_head(&c.p, c.end, &map) || map.type != IL_MAP)
        say(&c, &root, "type", "expected an object");
    else
        check_object(&c, &event->object, map.count, &root);
    return c.problems;
}
