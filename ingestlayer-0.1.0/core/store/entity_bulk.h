/* SPDX-License-Identifier: MIT */
/* Upserts gathered from JSON or CSV, to be put in one transaction. */
#ifndef ENTITY_BULK_H
#define ENTITY_BULK_H

#include "entity.h"

struct entity_bulk_item;

/* Begins as { 0 }. */
struct entity_bulk {
    struct il_text bytes; /* kinds, ids and traits */
    struct entity_bulk_item *items;
    struct entity_put *puts;
    size_t count, capacity;
    size_t puts_capacity;
    struct il_text kind, id, traits, scratch; /* of the object being read */
};
void entity_bulk_clear(struct entity_bulk *);
/* Forget the upserts, keep the memory. */
void entity_bulk_reset(struct entity_bulk *);

/* Append one; copies.  index is the caller's name for it.  0 or -ENOMEM. */
int entity_bulk_add(struct entity_bulk *, size_t index, struct slice kind,
                    struct slice id, struct slice traits);
/* Put all, each lenient: problem() hears of the refused ones.  0 or a negative
 * errno, and then none was put. */
int entity_bulk_put(struct entity_bulk *, struct entities *,
                    void (*problem)(void *arg, size_t index,
                                    const char *message),
                    void *arg, size_t *created, size_t *merged);

/* What is wrong with an entity, for a person: names the field. */
#define ENTITY_WHY 240

/* Read {"kind","external_id","traits"} into the bulk.  kind: of entities that
 * name none (ptr NULL: they must).  0 added; 1 the entity is wrong, why says
 * how, and the reader stands behind it; negative: the JSON is wrong (r->error)
 * or no memory. */
int entity_bulk_read(struct entity_bulk *, struct json_reader *r, size_t index,
                     struct slice kind, char why[ENTITY_WHY]);
/* One text, all of it, as entity_bulk_read, but JSON errors are 1 and why,
 * too. */
int entity_bulk_line(struct entity_bulk *, const char *json, size_t len,
                     size_t index, struct slice kind, char why[ENTITY_WHY]);

/* The message of an error of entity_put(). */
const char *entity_strerror(int err);

#endif
