/* SPDX-License-Identifier: MIT */
/* The entity store inside: what entity_store.c, entity.c, entity_mark.c,
 * entity_mirror.c and entity_read.c share. */
#ifndef ENTITY_STORE_H
#define ENTITY_STORE_H

#include "entity.h"
#include "private.h"

#define ENTITY_HEAD 16 /* bytes of a value before the traits */
#define ENTITY_OWNED                                                           \
    0xC1 /* then, where traits have owners; no msgpack has it */
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

static inline void
entity_put_time(char *out, int64_t us)
{
    for (int i = 0; i < 8; i++)
        out[i] = (char) ((uint64_t) us >> (8 * i));
}
static inline int64_t
entity_time(const char *in)
{
    uint64_t us;
    memcpy(&us, in, sizeof us);
    return (int64_t) le64toh(us);
}

/* Where a mark is; move it on to the last of the puts that are its, of which it is
 * the i-th mark.  An LMDB code or a negative errno. */
int entity_mark_read(struct entities *, MDB_txn *, struct entity_mark *);
int entity_mark_move(struct entities *, MDB_txn *, struct entity_mark *marks,
                     size_t i, const struct entity_put *, size_t n);
/* How many there are. */
uint64_t entity_mark_count(struct entities *, MDB_txn *);

/* From now on the store has mirrors.  An LMDB code. */
int entity_format_raise(struct entities *, MDB_txn *);

/* When each mirror was complete last, by number; begins as { 0 }. */
struct entity_seen {
    int loaded;
    int64_t us[ENTITY_MIRRORS_MAX + 1];
};
/* Raise last_seen to what the mirrors say that have traits of it.  0 or -EIO. */
int entity_seen_raise(struct entities *, MDB_txn *, struct entity_seen *,
                      struct entity *);
/* Write a value whose times are to be these: the head, for what is to follow.  0
 * or -ENOMEM. */
int entity_head(struct il_text *, int64_t first_us, int64_t last_us);
/* The key of a mirror's record begins so. */
#define ENTITY_MIRROR "\0mirror"
#define ENTITY_MIRROR_HEAD (sizeof(ENTITY_MIRROR) - 1)
uint64_t entity_mirror_count(struct entities *, MDB_txn *);
/* The error of entity_put() of this one alone? */
static inline int
entity_refused(int err)
{
    return err == -EINVAL || err == -EMSGSIZE;
}
/* As store_update(), with a log line when it becomes full. */
int entity_update(struct entities *, int (*fn)(void *, MDB_txn *), void *arg);

#endif
