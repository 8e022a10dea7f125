/* SPDX-License-Identifier: MIT */
/* Letters that come again by themselves: a step has put their events aside until
 * a time.  Such a letter stands in `due` from when it is written until a frame
 * has claimed it, and again should the claim be given up; what stands there is
 * counted, and so is how many there are in all. */
#include "dead_store.h"

#include <errno.h>
#include <string.h>

#define DUE_KEY_MAX (DEAD_KEY_MAX + 8)

enum count { ALL = 3, DUE, DUE_BYTES }; /* what their names begin with */

static const char *
count_key(char out[DEAD_KEY_MAX], enum count count, const char *lane)
{
    out[0] = (char) count;
    strcpy(out + 1, lane);
    return out;
}

static int
count_add(struct dead *d, MDB_txn *txn, enum count count, const char *lane,
          int64_t by)
{
    char name[DEAD_KEY_MAX];
    return dead_count_add(d, txn, count_key(name, count, lane), by);
}

/* lane NUL due position */
static size_t
due_key(char out[DUE_KEY_MAX], const char *lane, int64_t due_us,
        uint64_t position)
{
    size_t len = dead_key(out, lane, due_us < 0 ? 0 : (uint64_t) due_us);
    dead_key_set(out + len, position);
    return len + 8;
}

/* What is known of a letter, in memory of its own: writing may move it. */
struct timed {
    char lane[DEAD_KEY_MAX];
    uint64_t position;
    int64_t due_us; /* 0: it is none */
    int64_t size;
};

static void
timed_of(const MDB_val *key, const MDB_val *value, struct timed *out)
{
    struct dead_letter l = { .due_us = 0 };
    memcpy(out->lane, key->mv_data, key->mv_size); /* ends in NUL, and more */
    out->position =
        dead_key_number((const char *) key->mv_data + key->mv_size - 8);
    out->size = (int64_t) value->mv_size;
    out->due_us =
        dead_record_view(value->mv_data, value->mv_size, &l) ? 0 : l.due_us;
}

/* An LMDB code; what is so already stays. */
static int
stand(struct dead *d, MDB_txn *txn, const struct timed *t, int on)
{
    char bytes[DUE_KEY_MAX];
    MDB_val key = { due_key(bytes, t->lane, t->due_us, t->position), bytes };
    MDB_val nothing = { 0, NULL };
    int rc = on ? mdb_put(txn, d->due, &key, &nothing, MDB_NOOVERWRITE)
                : mdb_del(txn, d->due, &key, NULL);
    if (rc)
        return rc == MDB_KEYEXIST || rc == MDB_NOTFOUND ? 0 : rc;
    rc = count_add(d, txn, DUE, t->lane, on ? 1 : -1);
    return rc ? rc
              : count_add(d, txn, DUE_BYTES, t->lane, on ? t->size : -t->size);
}

static int
count_one(struct dead *d, MDB_txn *txn, const struct timed *t, int by)
{
    int rc = count_add(d, txn, ALL, t->lane, by);
    return rc ? rc : count_add(d, txn, ALL, "", by);
}

int
dead_timed_put(struct dead *d, MDB_txn *txn, const MDB_val *key,
               const MDB_val *value)
{
    struct timed t;
    timed_of(key, value, &t);
    if (!t.due_us)
        return 0;
    int rc = count_one(d, txn, &t, 1);
    return rc || dead_claim_of(d, txn, key) ? rc : stand(d, txn, &t, 1);
}

int
dead_timed_gone(struct dead *d, MDB_txn *txn, const MDB_val *key,
                const MDB_val *value)
{
    struct timed t;
    timed_of(key, value, &t);
    if (!t.due_us)
        return 0;
    int rc = count_one(d, txn, &t, -1);
    return rc ? rc : stand(d, txn, &t, 0);
}

int
dead_timed_claimed(struct dead *d, MDB_txn *txn, const MDB_val *letter,
                   int claimed)
{
    MDB_val key = *letter, value;
    struct timed t;
    int rc = mdb_get(txn, d->letters, &key, &value);
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : rc;
    timed_of(letter, &value, &t);
    return t.due_us ? stand(d, txn, &t, !claimed) : 0;
}

int
dead_is_timed(struct dead *d, MDB_txn *txn, const MDB_val *letter)
{
    MDB_val key = *letter, value;
    struct timed t;
    if (mdb_get(txn, d->letters, &key, &value))
        return 0;
    timed_of(letter, &value, &t);
    return t.due_us != 0;
}

uint64_t
dead_timed_count(struct dead *d, MDB_txn *txn, const char *lane)
{
    char name[DEAD_KEY_MAX];
    return dead_count_get(d, txn, count_key(name, ALL, lane));
}

/* --- asked --- */

/* The first that stands there, or the next: an LMDB code. */
static int
due_next(MDB_cursor *c, const char *lane, int first, int64_t *due_us,
         uint64_t *position)
{
    char bytes[DUE_KEY_MAX];
    size_t len = due_key(bytes, lane, 0, 0);
    MDB_val key = { len, bytes }, value;
    int rc = mdb_cursor_get(c, &key, &value, first ? MDB_SET_RANGE : MDB_NEXT);
    if (rc)
        return rc;
    if (key.mv_size != len || memcmp(key.mv_data, bytes, len - 16) != 0)
        return MDB_NOTFOUND;
    const char *end = (const char *) key.mv_data + len;
    *due_us = (int64_t) dead_key_number(end - 16);
    *position = dead_key_number(end - 8);
    return 0;
}

static int
due_list(struct dead *d, MDB_txn *txn, const char *lane, int64_t now_us,
         uint64_t *letters, size_t room, size_t *n, int64_t *next_us)
{
    uint64_t position;
    MDB_cursor *c;
    int rc = mdb_cursor_open(txn, d->due, &c);
    if (rc)
        return rc;
    *next_us = INT64_MAX;
    for (int first = 1; !(rc = due_next(c, lane, first, next_us, &position))
                        && *n < room && *next_us <= now_us;
         first = 0)
        letters[(*n)++] = position;
    if (rc == MDB_NOTFOUND)
        *next_us = INT64_MAX;
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int
dead_due(struct dead *d, const char *lane, int64_t now_us, uint64_t *letters,
         size_t room, size_t *n, int64_t *next_us)
{
    MDB_txn *txn;
    *n = 0;
    *next_us = INT64_MAX;
    if (strlen(lane) > DEAD_LANE_MAX)
        return -EINVAL;
    int rc = store_begin(&d->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    rc = due_list(d, txn, lane, now_us, letters, room, n, next_us);
    store_abort(&d->store, txn);
    return store_errno(rc);
}

void
dead_timed(struct dead *d, const char *lane, struct dead_timed *out)
{
    char name[DEAD_KEY_MAX];
    size_t none = 0;
    MDB_txn *txn;
    *out = (struct dead_timed){ .next_due_us = INT64_MAX };
    if (strlen(lane) > DEAD_LANE_MAX
        || store_begin(&d->store, MDB_RDONLY, &txn))
        return;
    out->letters = dead_timed_count(d, txn, lane);
    out->due = dead_count_get(d, txn, count_key(name, DUE, lane));
    out->due_bytes = dead_count_get(d, txn, count_key(name, DUE_BYTES, lane));
    out->next_due_us = INT64_MAX;
    if (out->due && !d->store.options.read_only)
        due_list(d, txn, lane, INT64_MIN, NULL, 0, &none, &out->next_due_us);
    store_abort(&d->store, txn);
}
