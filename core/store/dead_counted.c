/* SPDX-License-Identifier: MIT */
/* Letters whose event has gone to its lane in a later frame of the spool, which
 * counted.  While the spool has that frame a destination may be set back to
 * before it (a failover, a backup): then the frame counts again, though its
 * letter is gone, and the frame that the letter was of does not. */
#include "dead_store.h"

#include <errno.h>
#include <string.h>

static uint64_t
frame_of(const MDB_val *value)
{
    uint64_t position = 0;
    if (value->mv_size == sizeof position)
        memcpy(&position, value->mv_data, sizeof position);
    return position;
}

uint64_t
dead_counted_of(struct dead *d, MDB_txn *txn, const MDB_val *letter)
{
    MDB_val key = *letter, value;
    return mdb_get(txn, d->counted, &key, &value) ? 0 : frame_of(&value);
}

int
dead_counted_put(struct dead *d, MDB_txn *txn, const MDB_val *letter,
                 uint64_t position)
{
    MDB_val key = *letter, value = { sizeof position, &position };
    return mdb_put(txn, d->counted, &key, &value, 0);
}

/* Walks those of a lane whose letters are behind `after`; fn answers with an
 * LMDB code, or deletes at the cursor. */
struct walk {
    struct dead *dead;
    const char *lane; /* NULL: of all lanes, after is 0 */
    uint64_t after;
    int (*fn)(struct walk *, MDB_txn *, MDB_cursor *, const MDB_val *key,
              uint64_t letter, uint64_t position);
    uint64_t first, end; /* counted_trim(): frames that the spool has */
    const char *to;      /* counted_move(), NULL: nowhere */
    uint64_t *found;     /* letters; room 0: they are not kept */
    size_t n, room;
    uint64_t up_to, last;
};

static int
walk_all(struct dead *d, MDB_txn *txn, void *arg)
{
    struct walk *w = arg;
    char bytes[DEAD_KEY_MAX];
    size_t len = w->lane ? dead_key(bytes, w->lane, w->after + 1) : 0;
    MDB_val key = { len, bytes }, value;
    MDB_cursor *c;
    int rc = mdb_cursor_open(txn, d->counted, &c);
    if (rc)
        return rc;
    rc = mdb_cursor_get(c, &key, &value, w->lane ? MDB_SET_RANGE : MDB_FIRST);
    while (!rc
           && (!w->lane
               || (key.mv_size == len
                   && memcmp(key.mv_data, bytes, len - 8) == 0))) {
        const char *number = (const char *) key.mv_data + key.mv_size - 8;
        rc = w->fn(w, txn, c, &key, dead_key_number(number), frame_of(&value));
        if (!rc)
            rc = mdb_cursor_get(c, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
trim_one(struct walk *w, MDB_txn *txn, MDB_cursor *c, const MDB_val *key,
         uint64_t letter, uint64_t position)
{
    (void) txn;
    (void) key;
    (void) letter;
    return position < w->first || position > w->end ? mdb_cursor_del(c, 0) : 0;
}

int
dead_counted_trim(struct dead *d, uint64_t first, uint64_t end)
{
    struct walk w = { .dead = d, .fn = trim_one, .first = first, .end = end };
    return dead_update(d, walk_all, &w);
}

static int
move_one(struct walk *w, MDB_txn *txn, MDB_cursor *c, const MDB_val *key,
         uint64_t letter, uint64_t position)
{
    char bytes[DEAD_KEY_MAX];
    (void) key;
    int rc = mdb_cursor_del(c, 0);
    if (rc || !w->to)
        return rc;
    MDB_val moved = { dead_key(bytes, w->to, letter), bytes };
    return dead_counted_put(w->dead, txn, &moved, position);
}

int
dead_counted_move(struct dead *d, MDB_txn *txn, const char *from,
                  const char *to)
{
    struct walk w = { .dead = d, .lane = from, .fn = move_one, .to = to };
    return walk_all(d, txn, &w);
}

static int
find_one(struct walk *w, MDB_txn *txn, MDB_cursor *c, const MDB_val *key,
         uint64_t letter, uint64_t position)
{
    (void) txn;
    (void) c;
    (void) key;
    (void) position;
    if (letter > w->up_to)
        return MDB_NOTFOUND;
    w->last = letter;
    if (w->room && w->n == w->room)
        return MDB_NOTFOUND;
    if (w->room)
        w->found[w->n] = letter;
    w->n++;
    return 0;
}

static int
find(struct dead *d, struct walk *w)
{
    MDB_txn *txn;
    if (strlen(w->lane) > DEAD_LANE_MAX)
        return -EINVAL;
    if (d->counts_none)
        return 0;
    int rc = store_begin(&d->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    rc = walk_all(d, txn, w);
    store_abort(&d->store, txn);
    return store_errno(rc);
}

int
dead_counted(struct dead *d, const char *lane, uint64_t after, uint64_t up_to,
             uint64_t *letters, size_t room, size_t *n)
{
    struct walk w = { .dead = d,
                      .lane = lane,
                      .after = after,
                      .fn = find_one,
                      .found = letters,
                      .room = room,
                      .up_to = up_to };
    int err = find(d, &w);
    *n = w.n;
    return err;
}

int
dead_counted_last(struct dead *d, const char *lane, uint64_t *letter)
{
    struct walk w = {
        .dead = d, .lane = lane, .fn = find_one, .up_to = UINT64_MAX
    };
    int err = find(d, &w);
    *letter = w.last;
    return err;
}
