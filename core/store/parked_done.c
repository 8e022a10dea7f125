/* SPDX-License-Identifier: MIT */
/* Marks of what was delivered of batches that are not settled: written while a
 * batch is under way, so that a crash repeats only what came after the last. */
#include "parked_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct done {
    struct parked_lane *lane;
    const uint64_t *positions;
    size_t n;
    uint64_t settled;
    const uint8_t *spool;
};

static int
is_of(const MDB_val *key, uint32_t number)
{
    return key->mv_size == PARKED_KEY
           && parked_key_number(key->mv_data) == number;
}

/* What is settled, or of another spool, says nothing any more. */
static int
done_clear(const struct done *d, MDB_txn *txn)
{
    uint8_t bytes[PARKED_KEY];
    MDB_cursor *cursor;
    parked_key(bytes, d->lane->number, 0);
    MDB_val key = { sizeof bytes, bytes }, value;
    int rc = mdb_cursor_open(txn, d->lane->store->done, &cursor);
    if (rc)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (!rc && is_of(&key, d->lane->number)) {
        if (parked_key_u64((const char *) key.mv_data + 4) <= d->settled
            || value.mv_size != 16 || memcmp(value.mv_data, d->spool, 16) != 0)
            rc = mdb_cursor_del(cursor, 0);
        if (!rc)
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
done_put(void *arg, MDB_txn *txn)
{
    const struct done *d = arg;
    int rc = done_clear(d, txn);
    for (size_t i = 0; i < d->n && !rc; i++) {
        uint8_t bytes[PARKED_KEY];
        parked_key(bytes, d->lane->number, d->positions[i]);
        MDB_val key = { sizeof bytes, bytes };
        MDB_val value = { 16, (void *) (uintptr_t) d->spool };
        rc = mdb_put(txn, d->lane->store->done, &key, &value, 0);
    }
    return rc;
}

int
parked_done(struct parked_lane *l, const uint64_t *positions, size_t n,
            uint64_t settled, const uint8_t spool[16])
{
    struct done d = { l, positions, n, settled, spool };
    return store_update_past(&l->store->store, done_put, &d);
}

static int
done_read(struct parked_lane *l, MDB_txn *txn, uint64_t after,
          const uint8_t spool[16], uint64_t **out, size_t *n)
{
    uint8_t bytes[PARKED_KEY];
    MDB_cursor *cursor;
    size_t room = 0;
    if (after == UINT64_MAX)
        return 0;
    parked_key(bytes, l->number, after + 1);
    MDB_val key = { sizeof bytes, bytes }, value;
    int rc = mdb_cursor_open(txn, l->store->done, &cursor);
    if (rc)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    for (; !rc && is_of(&key, l->number);
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        if (value.mv_size != 16 || memcmp(value.mv_data, spool, 16) != 0)
            continue;
        if (*n == room) {
            room = room ? room * 2 : 64;
            uint64_t *more = realloc(*out, room * sizeof *more);
            if (!more) {
                rc = ENOMEM;
                break;
            }
            *out = more;
        }
        (*out)[(*n)++] = parked_key_u64((const char *) key.mv_data + 4);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int
parked_done_list(struct parked_lane *l, uint64_t after, const uint8_t spool[16],
                 uint64_t **positions, size_t *n)
{
    MDB_txn *txn;
    *positions = NULL;
    *n = 0;
    int rc = store_begin(&l->store->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    rc = done_read(l, txn, after, spool, positions, n);
    store_abort(&l->store->store, txn);
    if (rc) {
        free(*positions);
        *positions = NULL;
        *n = 0;
    }
    return store_errno(rc);
}
