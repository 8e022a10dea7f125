/* SPDX-License-Identifier: MIT */
/* Shares of the refusals: when there are too many, the oldest one goes of the
 * key that has most, of the source that has most.  So whoever has less than an
 * equal share loses nothing to what others send.
 *
 * The table has an entry for each refusal, by whose it is, and one with the
 * number 0 for what there is of each. */
#include "dead_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHARE_ID_MAX 64 /* of the key: sender.c */
#define SHARE_KEY_MAX (DEAD_KEY_MAX + SHARE_ID_MAX + 1)

struct total {
    uint64_t refusals, bytes;
};

/* lane NUL id NUL number; its length.  The letter may be in the store, and is
 * not looked at any more once that is changed. */
static size_t
share_key(char out[SHARE_KEY_MAX], const struct dead_letter *l, uint64_t number)
{
    const char *id = l->key ? l->key : "";
    size_t lane = strnlen(l->lane, DEAD_LANE_MAX);
    size_t len = strnlen(id, SHARE_ID_MAX);
    memcpy(out, l->lane, lane);
    out[lane] = 0;
    memcpy(out + lane + 1, id, len);
    out[lane + 1 + len] = 0;
    dead_key_set(out + lane + len + 2, number);
    return lane + len + 2 + 8;
}

static int
total_get(struct dead *d, MDB_txn *txn, MDB_val *key, struct total *out)
{
    MDB_val value;
    int rc = mdb_get(txn, d->shares, key, &value);
    *out = (struct total){ 0 };
    if (!rc && value.mv_size == sizeof *out)
        memcpy(out, value.mv_data, sizeof *out);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
total_put(struct dead *d, MDB_txn *txn, MDB_val *key, const struct total *total)
{
    MDB_val value = { sizeof *total, (void *) (uintptr_t) total };
    if (total->refusals)
        return mdb_put(txn, d->shares, key, &value, 0);
    int rc = mdb_del(txn, d->shares, key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int
dead_share_add(struct dead *d, MDB_txn *txn, const struct dead_letter *l,
               uint64_t number, size_t size)
{
    char bytes[SHARE_KEY_MAX];
    MDB_val key = { share_key(bytes, l, number), bytes }, none = { 0, bytes };
    struct total total;
    int rc = mdb_put(txn, d->shares, &key, &none, 0);
    dead_key_set(bytes + key.mv_size - 8, 0);
    if (!rc)
        rc = total_get(d, txn, &key, &total);
    if (rc)
        return rc;
    total.refusals++;
    total.bytes += size;
    return total_put(d, txn, &key, &total);
}

int
dead_share_drop(struct dead *d, MDB_txn *txn, const struct dead_letter *l,
                uint64_t number, size_t size)
{
    char bytes[SHARE_KEY_MAX];
    MDB_val key = { share_key(bytes, l, number), bytes };
    struct total total;
    int rc = mdb_del(txn, d->shares, &key, NULL);
    dead_key_set(bytes + key.mv_size - 8, 0);
    if (!rc)
        rc = total_get(d, txn, &key, &total);
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : rc;
    total.refusals -= total.refusals > 0;
    total.bytes -= size < total.bytes ? size : total.bytes;
    return total_put(d, txn, &key, &total);
}

int
dead_share_make(struct dead *d, MDB_txn *txn)
{
    MDB_cursor *c;
    MDB_stat stat;
    MDB_val key, value;
    int rc = mdb_stat(txn, d->shares, &stat);
    if (rc || stat.ms_entries || (rc = mdb_cursor_open(txn, d->refused, &c)))
        return rc;
    while (!rc && !(rc = mdb_cursor_get(c, &key, &value, MDB_NEXT))) {
        struct dead_letter l = { .lane = NULL };
        if (key.mv_size == 8
            && !dead_record_view(value.mv_data, value.mv_size, &l) && l.lane)
            rc = dead_share_add(d, txn, &l, dead_key_number(key.mv_data),
                                value.mv_size);
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* --- making room ---------------------------------------------------------- */

/* Who has refusals here. */
struct owner {
    char key[SHARE_KEY_MAX]; /* of its total */
    size_t len;
    size_t source;         /* its source's first owner, ... */
    struct total own, all; /* ... which has what is of all of them */
};

struct owners {
    struct owner *list;
    size_t count, capacity;
};

static int
owners_add(struct owners *o, const MDB_val *key, const struct total *total)
{
    if (o->count == o->capacity) {
        size_t capacity = o->capacity ? o->capacity * 2 : 16;
        struct owner *list = realloc(o->list, capacity * sizeof *list);
        if (!list)
            return ENOMEM;
        o->list = list;
        o->capacity = capacity;
    }
    struct owner *it = &o->list[o->count];
    *it = (struct owner){ .len = key->mv_size, .own = *total };
    memcpy(it->key, key->mv_data, key->mv_size);
    /* sorted: those of one source stand together */
    it->source = o->count;
    if (o->count && strcmp(it[-1].key, it->key) == 0)
        it->source = it[-1].source;
    o->list[it->source].all.refusals += total->refusals;
    o->list[it->source].all.bytes += total->bytes;
    o->count++;
    return 0;
}

static int
owners_load(struct dead *d, MDB_txn *txn, struct owners *o)
{
    char bytes[SHARE_KEY_MAX] = "";
    MDB_cursor *c;
    MDB_val key, value;
    int rc = mdb_cursor_open(txn, d->shares, &c);
    if (rc)
        return rc;
    rc = mdb_cursor_get(c, &key, &value, MDB_FIRST);
    while (!rc) {
        struct total total = { 0 };
        if (key.mv_size < 10 || key.mv_size > sizeof bytes)
            break; /* none of ours */
        if (value.mv_size == sizeof total)
            memcpy(&total, value.mv_data, sizeof total);
        if ((rc = owners_add(o, &key, &total)))
            break;
        /* on to the next one's */
        memcpy(bytes, key.mv_data, key.mv_size);
        dead_key_set(bytes + key.mv_size - 8, UINT64_MAX);
        key.mv_data = bytes;
        rc = mdb_cursor_get(c, &key, &value, MDB_SET_RANGE);
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static uint64_t
weight(const struct total *t, int in_bytes)
{
    return in_bytes ? t->bytes : t->refusals;
}

/* Who loses its oldest; NULL: nobody has any. */
static struct owner *
owners_largest(struct owners *o, int in_bytes)
{
    size_t source = 0;
    struct owner *found = NULL;
    for (size_t i = 0; i < o->count; i++)
        if (weight(&o->list[i].all, in_bytes)
            > weight(&o->list[source].all, in_bytes))
            source = i;
    for (size_t i = source; i < o->count && o->list[i].source == source; i++)
        if (!found
            || weight(&o->list[i].own, in_bytes)
                   > weight(&found->own, in_bytes))
            found = &o->list[i];
    return found && found->own.refusals ? found : NULL;
}

/* The oldest entry of one: its number, and it is taken out. */
static int
owner_oldest(struct dead *d, MDB_txn *txn, const struct owner *it,
             char number[8])
{
    char bytes[SHARE_KEY_MAX];
    MDB_cursor *c;
    MDB_val key = { it->len, bytes }, value;
    memcpy(bytes, it->key, it->len);
    dead_key_set(bytes + it->len - 8, 1);
    int rc = mdb_cursor_open(txn, d->shares, &c);
    if (rc)
        return rc;
    rc = mdb_cursor_get(c, &key, &value, MDB_SET_RANGE);
    if (!rc
        && (key.mv_size != it->len
            || memcmp(key.mv_data, it->key, it->len - 8) != 0))
        rc = MDB_NOTFOUND;
    if (!rc) {
        memcpy(number, (char *) key.mv_data + it->len - 8, 8);
        rc = mdb_cursor_del(c, 0);
    }
    mdb_cursor_close(c);
    return rc;
}

static void
total_sub(struct total *t, uint64_t refusals, uint64_t bytes)
{
    t->refusals -= refusals < t->refusals ? refusals : t->refusals;
    t->bytes -= bytes < t->bytes ? bytes : t->bytes;
}

/* Delete the oldest of one; *size is what its record had, 0: there was none. */
static int
owner_lose(struct dead *d, MDB_txn *txn, struct owners *o, struct owner *it,
           size_t *size)
{
    char number[8];
    MDB_val key = { sizeof number, number }, value;
    uint64_t refusals = 1;
    *size = 0;
    int rc = owner_oldest(d, txn, it, number);
    if (rc == MDB_NOTFOUND) {
        refusals = it->own.refusals; /* it says more than there is */
        rc = 0;
    } else if (!rc && !(rc = mdb_get(txn, d->refused, &key, &value))) {
        *size = value.mv_size;
        rc = mdb_del(txn, d->refused, &key, NULL);
        if (!rc)
            rc = dead_count_add(d, txn, it->key, -1); /* its lane is first */
    } else if (rc == MDB_NOTFOUND) {
        rc = 0;
    }
    total_sub(&o->list[it->source].all, refusals, *size);
    total_sub(&it->own, refusals, *size);
    return rc;
}

int
dead_share_trim(struct dead *d, MDB_txn *txn, uint64_t max_refusals,
                uint64_t max_bytes, uint64_t *bytes, uint64_t *gone)
{
    struct owners o = { 0 };
    MDB_stat stat;
    *gone = 0;
    int rc = mdb_stat(txn, d->refused, &stat);
    uint64_t left = rc ? 0 : stat.ms_entries;
    if (!rc && (left > max_refusals || *bytes > max_bytes))
        rc = owners_load(d, txn, &o);
    while (!rc && (left > max_refusals || *bytes > max_bytes)) {
        struct owner *it = owners_largest(&o, left <= max_refusals);
        size_t size;
        if (!it)
            break;
        rc = owner_lose(d, txn, &o, it, &size);
        if (size) {
            left--;
            ++*gone;
            *bytes -= size < *bytes ? size : *bytes;
        }
    }
    for (size_t i = 0; i < o.count && !rc; i++) {
        MDB_val key = { o.list[i].len, o.list[i].key };
        rc = total_put(d, txn, &key, &o.list[i].own);
    }
    free(o.list);
    return rc;
}
