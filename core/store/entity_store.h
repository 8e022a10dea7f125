/* SPDX-License-Identifier: MIT */
/* The entity store inside: what entity_store.c, entity.c and entity_read.c
 * share. */
#ifndef ENTITY_STORE_H
#define ENTITY_STORE_H

#include "entity.h"
#include "private.h"

#define ENTITY_HEAD 16 /* bytes of a value before the traits */
#define ENTITY_KEY_MAX (ENTITY_KIND_MAX + 1 + ENTITY_ID_MAX)

struct entities {
    struct store store;
    MDB_dbi dbi;
    int full_logged;
};

/* Write the key; its length, or 0 when there can be no such entity. */
size_t entity_key(char out[ENTITY_KEY_MAX], struct slice kind, struct slice id);
/* View a stored value.  0 or -EIO. */
int entity_view(struct slice kind, struct slice id, const MDB_val *value,
                struct entity *out);

#endif
