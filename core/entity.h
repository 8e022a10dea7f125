/* SPDX-License-Identifier: MIT */
/* The entity store (LMDB): (kind, external_id) -> traits, first_seen,
 * last_seen.  Readers take no lock; several processes may use it at once. */
#ifndef ENTITY_H
#define ENTITY_H

#include "batch.h"
#include "json.h"

#define ENTITY_KIND_MAX 64 /* bytes; [a-z][a-z0-9_]* */
#define ENTITY_ID_MAX 256  /* bytes */

struct entities;

struct entity {
    struct slice kind, id;
    struct il_value traits; /* IL_MAP */
    int64_t first_seen_us, last_seen_us;
};

int entity_open(const char *dir, uint64_t map_bytes, struct entities **out);
void entity_close(struct entities *);

/* One upsert.  traits: msgpack map.  seen_us 0: now. */
struct entity_put {
    struct slice kind, id, traits;
    int64_t seen_us;
    int created; /* out */
};
/* Merge n of them in one durable transaction: all or none.  0 or a negative
 * errno (-EINVAL: a bad kind, id or traits: *bad tells which). */
int entity_put(struct entities *, struct entity_put *, size_t n, size_t *bad);
/* Remove; 1 removed, 0 unknown. */
int entity_delete(struct entities *, struct slice kind, struct slice id);

/* Lane reads: within a read transaction that the caller begins per batch and
 * ends before it waits for anything.  Values point into the store's map. */
struct entity_reader;
int entity_reader_new(struct entities *, struct entity_reader **out);
void entity_reader_free(struct entity_reader *);
int entity_reader_begin(struct entity_reader *);
void entity_reader_end(struct entity_reader *);
/* 1 found, 0 unknown, or a negative errno. */
int entity_reader_get(struct entity_reader *, const struct il_kind *,
                      struct slice id, struct entity *out);

/* One-off read for the API and the command: appends msgpack traits copies into
 * text.  1, 0 or a negative errno. */
int entity_get(struct entities *, struct slice kind, struct slice id,
               struct il_text *, struct entity *out);
/* Walk a kind (or all, kind.ptr NULL) after an id, at most limit. */
int entity_each(struct entities *, struct slice kind, struct slice after,
                uint32_t limit, int (*fn)(void *arg, const struct entity *),
                void *arg);
uint64_t entity_count(struct entities *);

/* {"kind","external_id","traits","first_seen","last_seen"} */
int entity_json(struct il_text *, const struct entity *);

#endif
