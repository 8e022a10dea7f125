/* SPDX-License-Identifier: MIT */
#include "dead_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- letters of lanes --- */

/* The letters of lane within (after, up_to] shall be these, and what there is
 * at the positions that are kept. */
struct wanted {
    const char *lane;
    uint64_t after, up_to;
    const struct dead_letter *letters;
    size_t n;
    const uint64_t *kept;
    size_t kept_n;
};

static int
wanted_keeps(const struct wanted *w, uint64_t position)
{
    size_t from = 0, to = w->kept_n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (w->kept[middle] < position)
            from = middle + 1;
        else
            to = middle;
    }
    return from < w->kept_n && w->kept[from] == position;
}

/* The first letter of lane behind `after`, or the next one: an LMDB code,
 * MDB_NOTFOUND past up_to. */
static int
letter_next(MDB_cursor *c, const struct wanted *w, int first, MDB_val *key,
            MDB_val *value, uint64_t *position)
{
    char bytes[DEAD_KEY_MAX];
    size_t len = dead_key(bytes, w->lane, w->after + 1);
    *key = (MDB_val){ len, bytes };
    int rc = mdb_cursor_get(c, key, value, first ? MDB_SET_RANGE : MDB_NEXT);
    if (rc)
        return rc;
    if (key->mv_size != len || memcmp(key->mv_data, bytes, len - 8) != 0)
        return MDB_NOTFOUND;
    *position = dead_key_number((char *) key->mv_data + len - 8);
    return *position > w->up_to ? MDB_NOTFOUND : 0;
}

static int
text_same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Is what is stored as good as this one?  When and after how many attempts it
 * was given up stays as it was at first. */
static int
letter_same(const MDB_val *value, const struct dead_letter *l)
{
    struct dead_letter old;
    if (dead_record_view(value->mv_data, value->mv_size, &old))
        return 0;
    return slice_equal(old.event, l->event) && !old.due_us == !l->due_us
           && slice_equal(old.decided, l->decided)
           && text_same(old.reason.code, l->reason.code)
           && text_same(old.reason.message, l->reason.message)
           && text_same(old.reason.field, l->reason.field)
           && text_same(old.reason.rule, l->reason.rule);
}

/* 1: the store says the same already. */
static int
settle_same(struct dead *d, const struct wanted *w)
{
    MDB_txn *txn;
    MDB_cursor *c;
    MDB_val key, value;
    uint64_t position;
    size_t i = 0;
    if (store_begin(&d->store, MDB_RDONLY, &txn))
        return 0;
    int rc = mdb_cursor_open(txn, d->letters, &c), first = 1;
    if (!rc) {
        for (; !(rc = letter_next(c, w, first, &key, &value, &position));
             first = 0) {
            if (wanted_keeps(w, position))
                continue;
            if (i == w->n || w->letters[i].position != position
                || !letter_same(&value, &w->letters[i]))
                break;
            i++;
        }
        mdb_cursor_close(c);
    }
    store_abort(&d->store, txn);
    return rc == MDB_NOTFOUND && i == w->n;
}

static int
letters_clear(struct dead *d, MDB_txn *txn, const struct wanted *w,
              int64_t *gone)
{
    MDB_cursor *c;
    MDB_val key, value;
    uint64_t position;
    int rc = mdb_cursor_open(txn, d->letters, &c), first = 1;
    if (rc)
        return rc;
    for (; !(rc = letter_next(c, w, first, &key, &value, &position));
         first = 0) {
        if (wanted_keeps(w, position))
            continue;
        if ((rc = dead_timed_gone(d, txn, &key, &value))
            || (rc = mdb_cursor_del(c, 0)))
            break;
        ++*gone;
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
letter_put(struct dead *d, MDB_txn *txn, const char *lane,
           const struct dead_letter *l)
{
    char bytes[DEAD_KEY_MAX];
    MDB_val key = { dead_key(bytes, lane, l->position), bytes };
    MDB_val value = { dead_record_size(l, 0), NULL };
    int rc = mdb_put(txn, d->letters, &key, &value, MDB_RESERVE);
    if (rc)
        return rc;
    dead_record_write(value.mv_data, l, 0);
    return dead_timed_put(d, txn, &key, &value);
}

static int
settle_write(struct dead *d, MDB_txn *txn, void *arg)
{
    const struct wanted *w = arg;
    int64_t gone = 0;
    int rc = letters_clear(d, txn, w, &gone);
    for (size_t i = 0; i < w->n && !rc; i++)
        rc = letter_put(d, txn, w->lane, &w->letters[i]);
    if (!rc && gone)
        rc = dead_claims_trim(d, txn, w->lane, w->after, w->up_to);
    return rc ? rc : dead_count_add(d, txn, w->lane, (int64_t) w->n - gone);
}

int
dead_settle(struct dead *d, const char *lane, uint64_t after, uint64_t up_to,
            const struct dead_letter *letters, size_t n)
{
    return dead_settle_rest(d, lane, after, up_to, letters, n, NULL, 0);
}

int
dead_settle_rest(struct dead *d, const char *lane, uint64_t after,
                 uint64_t up_to, const struct dead_letter *letters, size_t n,
                 const uint64_t *kept, size_t kept_n)
{
    struct wanted w = { lane, after, up_to, letters, n, kept, kept_n };
    if (strlen(lane) > DEAD_LANE_MAX || dead_is_gate(lane))
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (letters[i].position > up_to
            || letters[i].position <= (i ? letters[i - 1].position : after))
            return -EINVAL;
    return settle_same(d, &w) ? 0 : dead_update(d, settle_write, &w);
}

int
dead_last(struct dead *d, const char *lane, uint64_t *position)
{
    char bytes[DEAD_KEY_MAX];
    MDB_txn *txn;
    MDB_cursor *c;
    *position = 0;
    if (strlen(lane) > DEAD_LANE_MAX)
        return -EINVAL;
    size_t len = dead_key(bytes, lane, UINT64_MAX);
    MDB_val key = { len, bytes }, value;
    int rc = store_begin(&d->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    if (!(rc = mdb_cursor_open(txn, d->letters, &c))) {
        rc = mdb_cursor_get(c, &key, &value, MDB_SET_RANGE);
        rc = mdb_cursor_get(c, &key, &value, rc ? MDB_LAST : MDB_PREV);
        if (!rc && key.mv_size == len
            && memcmp(key.mv_data, bytes, len - 8) == 0)
            *position = dead_key_number((char *) key.mv_data + len - 8);
        mdb_cursor_close(c);
    }
    store_abort(&d->store, txn);
    return rc == MDB_NOTFOUND ? 0 : store_errno(rc);
}

/* --- one letter, wherever it is --- */

static int
letter_key(struct dead *d, const char *lane, uint64_t position,
           char bytes[DEAD_KEY_MAX], MDB_val *key, MDB_dbi *dbi)
{
    if (strlen(lane) > DEAD_LANE_MAX)
        return -ENOENT;
    *dbi = dead_is_gate(lane) ? d->refused : d->letters;
    *key = (MDB_val){ 8, bytes };
    if (dead_is_gate(lane))
        dead_key_set(bytes, position);
    else
        key->mv_size = dead_key(bytes, lane, position);
    return 0;
}

/* Find it, and see that a refusal is of this very source. */
static int
letter_find(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, const char *lane,
            MDB_val *value, struct dead_letter *l)
{
    *l = (struct dead_letter){ .lane = lane };
    int rc = mdb_get(txn, dbi, key, value);
    if (rc || !dead_is_gate(lane)
        || dead_record_view(value->mv_data, value->mv_size, l))
        return rc;
    return strcmp(l->lane, lane) == 0 ? 0 : MDB_NOTFOUND;
}

int
dead_get(struct dead *d, const char *lane, uint64_t position,
         int (*fn)(void *arg, const struct dead_letter *), void *arg)
{
    char bytes[DEAD_KEY_MAX];
    struct dead_letter l = { .lane = lane, .position = position }, found;
    struct il_text copy = { 0 };
    MDB_txn *txn;
    MDB_val key, value;
    MDB_dbi dbi;
    if (letter_key(d, lane, position, bytes, &key, &dbi))
        return -ENOENT;
    int rc = store_begin(&d->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    rc = letter_find(txn, dbi, &key, lane, &value, &found);
    if (!rc && text_put(&copy, value.mv_data, value.mv_size))
        rc = ENOMEM;
    if (!rc && dbi == d->letters)
        l.retry = dead_claim_of(d, txn, &key);
    store_abort(&d->store, txn);
    int err = store_errno(rc);
    if (!err && (err = dead_record_view(copy.data, copy.len, &l))) {
        dead_record_say(err, copy.data, copy.len, lane, position);
        err = -EIO;
    } else if (!err) {
        err = fn(arg, &l);
    }
    text_clear(&copy);
    return err;
}

struct victim {
    const char *lane;
    uint64_t position;
};

static int
letter_delete(struct dead *d, MDB_txn *txn, void *arg)
{
    const struct victim *v = arg;
    char bytes[DEAD_KEY_MAX];
    MDB_val key, value;
    MDB_dbi dbi;
    struct dead_letter l;
    if (letter_key(d, v->lane, v->position, bytes, &key, &dbi))
        return MDB_NOTFOUND;
    int rc = letter_find(txn, dbi, &key, v->lane, &value, &l);
    int64_t size = rc ? 0 : (int64_t) value.mv_size;
    if (!rc && dbi == d->refused)
        rc = dead_share_drop(d, txn, &l, v->position, (size_t) size);
    if (!rc && dbi == d->letters)
        rc = dead_timed_gone(d, txn, &key, &value);
    if (!rc)
        rc = mdb_del(txn, dbi, &key, NULL);
    if (!rc && dbi == d->refused)
        rc = dead_count_add(d, txn, DEAD_BYTES_KEY, -size);
    if (!rc && dbi == d->letters)
        rc = dead_claim_drop(d, txn, &key);
    return rc ? rc : dead_count_add(d, txn, v->lane, -1);
}

int
dead_delete(struct dead *d, const char *lane, uint64_t position)
{
    struct victim v = { lane, position };
    return dead_update(d, letter_delete, &v);
}

uint64_t
dead_count(struct dead *d, const char *lane)
{
    MDB_txn *txn;
    MDB_stat a = { 0 }, b = { 0 };
    if (store_begin(&d->store, MDB_RDONLY, &txn))
        return 0;
    uint64_t n = 0, timed = 0;
    if (lane && strlen(lane) <= DEAD_LANE_MAX) {
        n = dead_count_get(d, txn, lane);
        timed = dead_timed_count(d, txn, lane);
    } else if (!lane) {
        mdb_stat(txn, d->letters, &a);
        mdb_stat(txn, d->refused, &b);
        n = a.ms_entries + b.ms_entries;
        timed = dead_timed_count(d, txn, "");
    }
    n -= n < timed ? n : timed;
    store_abort(&d->store, txn);
    return n;
}
