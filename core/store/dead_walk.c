/* SPDX-License-Identifier: MIT */
/* Walking the dead letters: some are copied out of a short transaction and
 * shown, then the next.  A transaction held while a person pages through a
 * list would keep the store from reusing its pages, and make it grow. */
#include "dead_store.h"

#include <errno.h>
#include <string.h>

#define WALK_BYTES (256u * 1024)

struct walk {
    MDB_dbi dbi;
    const char *lane; /* or NULL */
    char key[DEAD_KEY_MAX];
    size_t key_len; /* where to go on; 0: at the beginning */
    struct il_text chunk;
};

/* What precedes each key and value in the chunk. */
struct piece {
    size_t key_len, value_len;
    uint64_t retry;
};

static int
walk_copy(struct walk *w, const MDB_val *key, const MDB_val *value,
          uint64_t retry)
{
    struct piece p = { key->mv_size, value->mv_size, retry };
    size_t start = w->chunk.len;
    if (text_put(&w->chunk, &p, sizeof p)
        || text_put(&w->chunk, key->mv_data, p.key_len)
        || text_put(&w->chunk, value->mv_data, p.value_len)) {
        w->chunk.len = start;
        return ENOMEM;
    }
    return 0;
}

/* Fill the chunk from after the last key.  An LMDB code. */
static int
walk_fill(struct dead *d, struct walk *w)
{
    MDB_txn *txn;
    MDB_cursor *c;
    MDB_val key = { w->key_len, w->key }, value;
    w->chunk.len = 0;
    int rc = store_begin(&d->store, MDB_RDONLY, &txn);
    if (rc)
        return rc;
    if (!(rc = mdb_cursor_open(txn, w->dbi, &c))) {
        rc = mdb_cursor_get(c, &key, &value,
                            w->key_len ? MDB_SET_RANGE : MDB_FIRST);
        if (!rc && key.mv_size == w->key_len
            && memcmp(key.mv_data, w->key, w->key_len) == 0)
            rc = mdb_cursor_get(c, &key, &value, MDB_NEXT);
        while (!rc && w->chunk.len < WALK_BYTES) {
            uint64_t retry =
                w->dbi == d->letters ? dead_claim_of(d, txn, &key) : 0;
            if (key.mv_size <= sizeof w->key
                && !(rc = walk_copy(w, &key, &value, retry))) {
                w->key_len = key.mv_size;
                memcpy(w->key, key.mv_data, key.mv_size);
            }
            if (!rc)
                rc = mdb_cursor_get(c, &key, &value, MDB_NEXT);
        }
        mdb_cursor_close(c);
    }
    store_abort(&d->store, txn);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Show one; 1 beyond the lane that is wanted. */
static int
walk_show(struct dead *d, struct walk *w, const char *key, struct piece p,
          int (*fn)(void *arg, const struct dead_letter *), void *arg,
          int *done)
{
    struct dead_letter l = { .retry = p.retry };
    if (p.key_len < 8 || (w->dbi == d->letters && p.key_len < 9))
        return 0;
    if (w->dbi == d->letters)
        l.lane = key; /* ends in NUL */
    l.position = dead_key_number(key + p.key_len - 8);
    if (w->lane && l.lane && strcmp(l.lane, w->lane) != 0) {
        *done = 1;
        return 0;
    }
    int err = dead_record_view(key + p.key_len, p.value_len, &l);
    if (err || !l.lane) {
        dead_record_say(err, key + p.key_len, p.value_len,
                        l.lane ? l.lane : "of the gate,", l.position);
        return 0;
    }
    return w->lane && strcmp(l.lane, w->lane) != 0 ? 0 : fn(arg, &l);
}

static int
walk_run(struct dead *d, struct walk *w,
         int (*fn)(void *arg, const struct dead_letter *), void *arg)
{
    int rc, err = 0, done = 0;
    while (!(rc = walk_fill(d, w)) && w->chunk.len && !err && !done)
        for (size_t at = 0; at < w->chunk.len && !err && !done;) {
            struct piece p;
            memcpy(&p, w->chunk.data + at, sizeof p);
            at += sizeof p;
            err = walk_show(d, w, w->chunk.data + at, p, fn, arg, &done);
            at += p.key_len + p.value_len;
        }
    text_clear(&w->chunk);
    return err ? err : store_errno(rc);
}

int
dead_each(struct dead *d, const char *lane,
          int (*fn)(void *arg, const struct dead_letter *), void *arg)
{
    int err = 0;
    if (lane && strlen(lane) > DEAD_LANE_MAX)
        return 0;
    if (!lane || !dead_is_gate(lane)) {
        struct walk w = { .dbi = d->letters, .lane = lane };
        if (lane)
            w.key_len = dead_key(w.key, lane, 0);
        err = walk_run(d, &w, fn, arg);
    }
    if (!err && (!lane || dead_is_gate(lane))) {
        struct walk w = { .dbi = d->refused, .lane = lane };
        err = walk_run(d, &w, fn, arg);
    }
    return err;
}
