/* SPDX-License-Identifier: MIT */
/* Declared events: what the payload of an event of a type looks like.
 *
 * A declaration is a tree of nodes: an object has a node for each of its
 * fields, an array one for all of its elements.  It is built once, when the
 * config is read, and constant from then on. */
#ifndef SCHEMA_H
#define SCHEMA_H

#include "base/nameset.h"
#include "base/time.h"
#include "codec/event.h"
#include "lang/ref.h"

enum schema_type {
    SCHEMA_STRING = 1,
    SCHEMA_NUMBER,
    SCHEMA_INTEGER,
    SCHEMA_BOOLEAN,
    SCHEMA_OBJECT,
    SCHEMA_ARRAY,
    SCHEMA_TIMESTAMP /* a string that time_parse() reads */
};
/* 0: no such type. */
int schema_type_parse(const char *name);
const char *schema_type_name(int type);

/* Of a SCHEMA_STRING; what each takes exactly is in ingestlayer-events(7). */
enum schema_format { SCHEMA_PLAIN, SCHEMA_UUID, SCHEMA_EMAIL, SCHEMA_URI };
/* -1: no such format; "" is SCHEMA_PLAIN. */
int schema_format_parse(const char *name);
const char *schema_format_name(int format);
/* Linear in len, allocates nothing. */
int schema_format_fits(int format, const char *text, size_t len);

/* Declared objects and arrays in each other, the payload included; a config file
 * takes no more of them either. */
#define SCHEMA_DEPTH_MAX 12
#define SCHEMA_FIELDS_MAX 1024 /* of an object: a check keeps a bit for each */
#define SCHEMA_CHOICES_MAX 1024
#define SCHEMA_EVENTS_MAX 65000 /* the gate has two bytes for its number */

struct schema_object;
struct schema_node;

/* The values to choose from: one of the two is in use.  In the order of the
 * declaration, and numbers once more in ascending order. */
struct schema_choices {
    struct nameset texts;
    struct il_value *numbers, *ascending;
    uint32_t count; /* of either */
};

/* What one value has to be. */
struct schema_node {
    uint8_t type, format;
    uint8_t nullable; /* null is a value, where one has to be */
    uint8_t rules;    /* more than the type is to be checked */
    uint32_t fits;    /* 1 << IL_STRING ...: surely of the type */
    struct schema_choices *choices; /* or NULL */
    struct il_value min, max;       /* IL_MISSING: any */
    uint64_t least, most;           /* characters, elements */
    struct schema_object *object;   /* SCHEMA_OBJECT; NULL: any fields */
    struct schema_node *items;      /* SCHEMA_ARRAY; NULL: any elements */
};

struct schema_field {
    const char *name; /* in the object's set, and so is its number */
    size_t name_len;
    int required;
    struct schema_node node;
};

struct schema_object {
    int allow_unknown; /* fields that are not declared are accepted */
    struct nameset names;
    struct schema_field *fields;
    size_t count;
    uint32_t required; /* fields that are */
};

struct schema_event {
    const char *type;
    size_t type_len;
    uint32_t number;
    struct schema_object object;
    struct il_field *key; /* where the idempotency key is; or NULL */
    int64_t window_us;    /* of keys; 0: as configured for all */
};

struct schema; /* all declarations; constant once built */
struct schema *schema_new(void);
void schema_free(struct schema *);
/* Strings are copied.  0, -EEXIST, -E2BIG, -ENOMEM. */
int schema_add_event(struct schema *, const char *type, int allow_unknown,
                     struct schema_event **out);
/* The field's node has only its type yet; it stays where it is until the next
 * field of the object is added.  out may be NULL. */
int schema_add_field(struct schema_object *, const char *name, int type,
                     int required, struct schema_node **out);
/* Give an object its fields, an array its elements.  NULL: no memory. */
struct schema_object *schema_add_object(struct schema_node *,
                                        int allow_unknown);
struct schema_node *schema_add_items(struct schema_node *, int type);
/* One more value to choose from; the number's text is copied.  0, -EEXIST,
 * -E2BIG, -ENOMEM. */
int schema_add_text(struct schema_node *, const char *text, size_t len);
int schema_add_number(struct schema_node *, const struct il_value *);
/* The text is copied.  0 or -ENOMEM. */
int schema_set_min(struct schema_node *, const struct il_value *);
int schema_set_max(struct schema_node *, const struct il_value *);

size_t schema_count(const struct schema *);
const struct schema_event *schema_at(const struct schema *, size_t i);
const struct schema_event *schema_find(const struct schema *,
                                       struct slice type);
/* The longest window of an event, or 0. */
int64_t schema_longest_window(const struct schema *);

/* Of an event's problems so many are told, and one that says there are more;
 * the check ends there. */
#define SCHEMA_PROBLEMS_MAX 64

/* Check a payload in one pass; each problem is reported with its path
 * ("payload.items[3].sku") and the rule it breaks ("type", "required", "enum"
 * ...).  null counts as absent, but where the node says otherwise.  Returns
 * the number of problems. */
typedef void schema_tell(void *arg, const char *path, const char *rule,
                         const char *message);
int schema_check(const struct schema_event *, struct slice payload,
                 schema_tell *, void *arg);

/* Does the value keep the rules of a node, its type apart?  For values in a
 * declaration: the message says what is wrong. */
int schema_keeps_rules(const struct schema_node *, const struct il_value *,
                       char *why, size_t size);

/* What a declaration says of the place that a reference names.
 * SCHEMA_NAMED: *out is its node, *required tells whether each event has it;
 * SCHEMA_FREE: nothing, all may be there; SCHEMA_NEVER: no event can have it,
 * and *level is the object that lacks the name of part `*at`, or NULL. */
enum { SCHEMA_NEVER, SCHEMA_FREE, SCHEMA_NAMED };
struct schema_place {
    const struct schema_node *node;
    int required;
    const struct schema_object *level;
    uint32_t at;
};
int schema_place(const struct schema_event *, const struct il_field *,
                 struct schema_place *out);

/* Of a place that is SCHEMA_NEVER: the reference with the nearest declared
 * name in it; nothing where none is near.  0 or -ENOMEM. */
int schema_suggest(const struct il_field *, const struct schema_place *,
                   struct il_text *out);

/* Some of the declarations: those that reach a pipeline. */
struct schema_events {
    const struct schema_event **events;
    size_t count;
};

#endif
