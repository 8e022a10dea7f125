/* SPDX-License-Identifier: MIT */
/* All letters of a lane under another name, or none: one transaction. */
#include "dead_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct move {
    const char *from, *to; /* to NULL: they are deleted */
};

/* The first letter of a lane that is left: an LMDB code. */
static int
first_of(struct dead *d, MDB_txn *txn, const char *lane, uint64_t *position,
         MDB_val *value)
{
    char bytes[DEAD_KEY_MAX];
    size_t len = dead_key(bytes, lane, 0);
    MDB_val key = { len, bytes };
    MDB_cursor *c;
    int rc = mdb_cursor_open(txn, d->letters, &c);
    if (rc)
        return rc;
    rc = mdb_cursor_get(c, &key, value, MDB_SET_RANGE);
    mdb_cursor_close(c);
    if (!rc && (key.mv_size != len || memcmp(key.mv_data, bytes, len - 8) != 0))
        rc = MDB_NOTFOUND;
    if (!rc)
        *position = dead_key_number((char *) key.mv_data + len - 8);
    return rc;
}

static int
put_moved(struct dead *d, MDB_txn *txn, const char *to, uint64_t position,
          MDB_val value, uint64_t claim)
{
    char bytes[DEAD_KEY_MAX];
    MDB_val key = { dead_key(bytes, to, position), bytes }, there = value;
    int rc = mdb_put(txn, d->letters, &key, &there, MDB_NOOVERWRITE);
    if (rc)
        return rc == MDB_KEYEXIST ? 0 : rc;
    rc = dead_timed_put(d, txn, &key, &value);
    if (!rc)
        rc = dead_count_add(d, txn, to, 1);
    if (!rc && claim)
        rc = dead_claim_set(d, txn, to, position, claim);
    return rc;
}

static int
move_all(struct dead *d, MDB_txn *txn, void *arg)
{
    const struct move *m = arg;
    uint64_t position;
    MDB_val value;
    int rc;
    while (!(rc = first_of(d, txn, m->from, &position, &value))) {
        char bytes[DEAD_KEY_MAX];
        MDB_val key = { dead_key(bytes, m->from, position), bytes };
        uint64_t claim = dead_claim_of(d, txn, &key);
        char *copy = malloc(value.mv_size + 1);
        if (!copy)
            return ENOMEM;
        /* a put may move what a value points to */
        memcpy(copy, value.mv_data, value.mv_size);
        value.mv_data = copy;
        rc = dead_timed_gone(d, txn, &key, &value);
        if (!rc)
            rc = mdb_del(txn, d->letters, &key, NULL);
        if (!rc)
            rc = dead_claim_drop(d, txn, &key);
        if (!rc)
            rc = dead_count_add(d, txn, m->from, -1);
        if (!rc && m->to)
            rc = put_moved(d, txn, m->to, position, value, claim);
        free(copy);
        if (rc)
            return rc;
    }
    return rc == MDB_NOTFOUND ? dead_counted_move(d, txn, m->from, m->to) : rc;
}

static int
is_lane(const char *name)
{
    return strlen(name) <= DEAD_LANE_MAX && !dead_is_gate(name);
}

int
dead_rename(struct dead *d, const char *from, const char *to)
{
    struct move m = { from, to };
    if (!is_lane(from) || !is_lane(to))
        return -EINVAL;
    return dead_update(d, move_all, &m);
}

int
dead_forget(struct dead *d, const char *lane)
{
    struct move m = { lane, NULL };
    if (!is_lane(lane))
        return -EINVAL;
    return dead_update(d, move_all, &m);
}
