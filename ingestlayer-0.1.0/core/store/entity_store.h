/* SPDX-License-Identifier: MIT */
/* The LMDB environment under the entity store: what entity_store.c, entity.c
 * and entity_read.c share. */
#ifndef ENTITY_STORE_H
#define ENTITY_STORE_H

#include "entity.h"

#include <lmdb.h>
#include <pthread.h>

#define ENTITY_HEAD 16 /* bytes of a value before the traits */
#define ENTITY_KEY_MAX (ENTITY_KIND_MAX + 1 + ENTITY_ID_MAX)

struct entities {
    MDB_env *env;
    MDB_dbi dbi;
    char *dir;
    /* Held for reading by every transaction of this process, for writing while
     * the map is laid anew because another process made the store larger. */
    pthread_rwlock_t map_lock;
    uint32_t maps; /* how often it was; with the lock */
    unsigned commits;
    int full_logged;
};

/* An LMDB code as 0 or a negative errno. */
int entity_errno(int rc);

/* Begin (*txn NULL) or renew a transaction.  An LMDB code.  On success
 * map_lock is held, and a commit, an abort or, after mdb_txn_reset(), the
 * caller gives it back. */
int entity_txn(struct entities *, unsigned flags, MDB_txn **txn);
void entity_abort(struct entities *, MDB_txn *);
int entity_commit(struct entities *, MDB_txn *);

/* Write the key; its length, or 0 when there can be no such entity. */
size_t entity_key(char out[ENTITY_KEY_MAX], struct slice kind, struct slice id);
/* View a stored value.  0 or -EIO. */
int entity_view(struct slice kind, struct slice id, const MDB_val *value,
                struct entity *out);

#endif
