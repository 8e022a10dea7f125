/* SPDX-License-Identifier: MIT */
/* Declared events: which fields an event of a type has, and of which types. */
#ifndef SCHEMA_H
#define SCHEMA_H

#include "event.h"

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

struct schema_field {
    char *name;
    size_t name_len;
    int type;
    int required;
};

struct schema_event {
    char *type;
    size_t type_len;
    int allow_unknown; /* fields that are not declared are accepted */
    struct schema_field *fields;
    size_t count;
};

struct schema; /* all declarations; constant once built */
struct schema *schema_new(void);
void schema_free(struct schema *);
/* Strings are copied.  0, -EEXIST, -ENOMEM. */
int schema_add_event(struct schema *, const char *type, int allow_unknown,
                     struct schema_event **out);
int schema_add_field(struct schema_event *, const char *name, int type,
                     int required);
size_t schema_count(const struct schema *);
const struct schema_event *schema_at(const struct schema *, size_t i);
const struct schema_event *schema_find(const struct schema *,
                                       struct slice type);

/* Check a payload; each problem is reported with its path ("payload.count")
 * and the rule it breaks ("type", "required", "unknown").  null counts as
 * absent.  Returns the number of problems. */
int schema_check(const struct schema_event *, struct slice payload,
                 void (*problem)(void *arg, const char *path,
                                 const char *rule, const char *message),
                 void *arg);

#endif
