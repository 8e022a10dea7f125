/* SPDX-License-Identifier: MIT */
/* Which frame of the spool tries a letter again.  Several frames may have been
 * written for one letter, by somebody who asked twice or by a process that died
 * before it had noted the first; the claim says which of them counts. */
#include "dead_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The name of a lane's count of claims. */
static const char *
count_key(char out[DEAD_KEY_MAX], const char *lane)
{
    out[0] = 2;
    strcpy(out + 1, lane);
    return out;
}

static uint64_t
value_number(const MDB_val *value)
{
    uint64_t n = 0;
    if (value->mv_size == sizeof n)
        memcpy(&n, value->mv_data, sizeof n);
    return n;
}

uint64_t
dead_claim_of(struct dead *d, MDB_txn *txn, const MDB_val *letter)
{
    MDB_val key = *letter, value;
    return mdb_get(txn, d->claims, &key, &value) ? 0 : value_number(&value);
}

int
dead_claim_drop(struct dead *d, MDB_txn *txn, const MDB_val *letter)
{
    char lane[DEAD_KEY_MAX], name[DEAD_KEY_MAX];
    MDB_val key = { letter->mv_size, lane };
    memcpy(lane, letter->mv_data, letter->mv_size); /* ends in NUL, and more */
    int rc = mdb_del(txn, d->claims, &key, NULL);
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : rc;
    return dead_count_add(d, txn, count_key(name, lane), -1);
}

static int
claim_put(struct dead *d, MDB_txn *txn, const char *lane, MDB_val *key,
          uint64_t position)
{
    char name[DEAD_KEY_MAX];
    MDB_val value = { sizeof position, &position };
    int rc = mdb_put(txn, d->claims, key, &value, 0);
    if (!rc)
        rc = dead_timed_claimed(d, txn, key, 1);
    return rc ? rc : dead_count_add(d, txn, count_key(name, lane), 1);
}

int
dead_claim_set(struct dead *d, MDB_txn *txn, const char *lane, uint64_t letter,
               uint64_t position)
{
    char bytes[DEAD_KEY_MAX];
    MDB_val key = { dead_key(bytes, lane, letter), bytes };
    return claim_put(d, txn, lane, &key, position);
}

/* --- some claims of a lane --- */

struct claims {
    const char *lane;
    struct dead_claim *claims;
    size_t n;
    int new; /* see dead_claim_new() */
};

static MDB_val
claim_key(char bytes[DEAD_KEY_MAX], const char *lane, uint64_t letter)
{
    return (MDB_val){ dead_key(bytes, lane, letter), bytes };
}

static int
was_tried(const MDB_val *record, uint64_t position)
{
    struct dead_letter l = { .lane = NULL };
    return !dead_record_view(record->mv_data, record->mv_size, &l)
           && l.tried >= position;
}

/* See which are held.  write 0: 1 where one is to be written first. */
static int
claims_look(struct dead *d, MDB_txn *txn, struct claims *c, int write)
{
    for (size_t i = 0; i < c->n; i++) {
        struct dead_claim *claim = &c->claims[i];
        char bytes[DEAD_KEY_MAX];
        MDB_val key = claim_key(bytes, c->lane, claim->letter), value;
        int rc = mdb_get(txn, d->letters, &key, &value);
        if (rc && rc != MDB_NOTFOUND)
            return rc;
        claim->held = rc ? dead_counted_of(d, txn, &key) == claim->position : 1;
        if (rc)
            continue;
        uint64_t now = dead_claim_of(d, txn, &key);
        if (now)
            claim->held = now == claim->position;
        else if (c->new &&was_tried(&value, claim->position))
            claim->held = 0;
        else if (claim->held && !write)
            return 1;
        else if (claim->held
                 && (rc = claim_put(d, txn, c->lane, &key, claim->position)))
            return rc;
    }
    return 0;
}

static int
claims_write(struct dead *d, MDB_txn *txn, void *arg)
{
    return claims_look(d, txn, arg, 1);
}

static int
claims_run(struct dead *d, struct claims *c)
{
    MDB_txn *txn;
    if (strlen(c->lane) > DEAD_LANE_MAX)
        return -EINVAL;
    int rc = store_begin(&d->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    rc = claims_look(d, txn, c, 0);
    store_abort(&d->store, txn);
    return rc == 1 ? dead_update(d, claims_write, c) : store_errno(rc);
}

int
dead_claim(struct dead *d, const char *lane, struct dead_claim *claims,
           size_t n)
{
    struct claims c = { lane, claims, n, 0 };
    return claims_run(d, &c);
}

int
dead_claim_new(struct dead *d, const char *lane, struct dead_claim *claims,
               size_t n)
{
    struct claims c = { lane, claims, n, 1 };
    return claims_run(d, &c);
}

static int
retried_write(struct dead *d, MDB_txn *txn, void *arg)
{
    const struct claims *c = arg;
    int64_t gone = 0;
    int rc = 0;
    for (size_t i = 0; i < c->n && !rc; i++) {
        char bytes[DEAD_KEY_MAX];
        MDB_val key = claim_key(bytes, c->lane, c->claims[i].letter);
        if (!c->claims[i].held
            || dead_claim_of(d, txn, &key) != c->claims[i].position)
            continue;
        MDB_val value;
        rc = dead_claim_drop(d, txn, &key);
        if (!rc && !(rc = mdb_get(txn, d->letters, &key, &value))
            && !(rc = dead_timed_gone(d, txn, &key, &value))
            && !(rc = mdb_del(txn, d->letters, &key, NULL))) {
            gone++;
            rc = dead_counted_put(d, txn, &key, c->claims[i].position);
        } else if (rc == MDB_NOTFOUND) {
            rc = 0;
        }
    }
    return rc ? rc : dead_count_add(d, txn, c->lane, -gone);
}

int
dead_retried(struct dead *d, const char *lane, const struct dead_claim *claims,
             size_t n)
{
    struct claims c = { lane, (struct dead_claim *) (uintptr_t) claims, n, 0 };
    size_t held = 0;
    for (size_t i = 0; i < n; i++)
        held += claims[i].held != 0;
    return held ? dead_update(d, retried_write, &c) : 0;
}

static int
unclaim_write(struct dead *d, MDB_txn *txn, void *arg)
{
    const struct claims *c = arg;
    int rc = 0;
    for (size_t i = 0; i < c->n && !rc; i++) {
        char bytes[DEAD_KEY_MAX];
        MDB_val key = claim_key(bytes, c->lane, c->claims[i].letter);
        if (dead_claim_of(d, txn, &key) != c->claims[i].position)
            continue;
        rc = dead_claim_drop(d, txn, &key);
        if (!rc)
            rc = dead_timed_claimed(d, txn, &key, 0);
    }
    return rc;
}

int
dead_unclaim(struct dead *d, const char *lane, const struct dead_claim *claims,
             size_t n)
{
    struct claims c = { lane, (struct dead_claim *) (uintptr_t) claims, n, 0 };
    return n ? dead_update(d, unclaim_write, &c) : 0;
}

/* --- letters that stay --- */

struct stays {
    const char *lane;
    const struct dead_stay *stays;
    size_t n;
};

/* The letter's record is written anew.  An LMDB code. */
static int
stay_put(struct dead *d, MDB_txn *txn, MDB_val *key,
         const struct dead_stay *stay)
{
    struct dead_letter l = { .lane = NULL };
    MDB_val value;
    int rc = mdb_get(txn, d->letters, key, &value);
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : rc;
    /* a put may move what a value points to */
    char *copy = malloc(value.mv_size + 1);
    if (!copy)
        return ENOMEM;
    memcpy(copy, value.mv_data, value.mv_size);
    if (!dead_record_view(copy, value.mv_size, &l)) {
        l.reason = stay->reason;
        l.tried = stay->position;
        value = (MDB_val){ dead_record_size(&l, 0), NULL };
        rc = mdb_put(txn, d->letters, key, &value, MDB_RESERVE);
        if (!rc)
            dead_record_write(value.mv_data, &l, 0);
    }
    free(copy);
    return rc;
}

/* write 0: 1 where something is to be written. */
static int
stays_look(struct dead *d, MDB_txn *txn, const struct stays *s, int write)
{
    int rc = 0;
    for (size_t i = 0; i < s->n && !rc; i++) {
        const struct dead_stay *stay = &s->stays[i];
        char bytes[DEAD_KEY_MAX];
        MDB_val key = claim_key(bytes, s->lane, stay->letter);
        if (dead_claim_of(d, txn, &key) != stay->position
            || dead_is_timed(d, txn, &key))
            continue;
        if (!write)
            return 1;
        rc = stay_put(d, txn, &key, stay);
        if (!rc)
            rc = dead_claim_drop(d, txn, &key);
    }
    return rc;
}

static int
stays_write(struct dead *d, MDB_txn *txn, void *arg)
{
    return stays_look(d, txn, arg, 1);
}

int
dead_stay(struct dead *d, const char *lane, const struct dead_stay *stays,
          size_t n)
{
    struct stays s = { lane, stays, n };
    MDB_txn *txn;
    if (!n)
        return 0;
    int rc = store_begin(&d->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    rc = stays_look(d, txn, &s, 0);
    store_abort(&d->store, txn);
    return rc == 1 ? dead_update(d, stays_write, &s) : store_errno(rc);
}

/* --- all that are in a range --- */

static int
by_position(const void *a, const void *b)
{
    const struct dead_claim *x = a, *y = b;
    return (x->position > y->position) - (x->position < y->position);
}

struct found {
    struct il_text list; /* of struct dead_claim */
    uint64_t after, up_to;
};

static int
found_add(struct found *f, const MDB_val *key, const MDB_val *value)
{
    struct dead_claim claim = {
        .letter = dead_key_number((char *) key->mv_data + key->mv_size - 8),
        .position = value_number(value)
    };
    if (claim.position <= f->after || claim.position > f->up_to)
        return 0;
    return text_put(&f->list, &claim, sizeof claim) ? ENOMEM : 0;
}

/* The first claim of a lane at this letter or behind it, or, first 0, the next
 * one: an LMDB code, MDB_NOTFOUND past the lane's last. */
static int
claim_next(MDB_cursor *c, const char *lane, uint64_t letter, int first,
           MDB_val *key, MDB_val *value)
{
    char bytes[DEAD_KEY_MAX];
    size_t len = dead_key(bytes, lane, letter);
    *key = (MDB_val){ len, bytes };
    int rc = mdb_cursor_get(c, key, value, first ? MDB_SET_RANGE : MDB_NEXT);
    if (rc)
        return rc;
    return key->mv_size == len && !memcmp(key->mv_data, bytes, len - 8)
               ? 0
               : MDB_NOTFOUND;
}

/* Those of one lane come together, by letter. */
static int
claims_find(struct dead *d, MDB_txn *txn, const char *lane, struct found *f)
{
    MDB_val key, value;
    MDB_cursor *c;
    int rc = mdb_cursor_open(txn, d->claims, &c);
    if (rc)
        return rc;
    rc = claim_next(c, lane, 0, 1, &key, &value);
    while (!rc && !(rc = found_add(f, &key, &value)))
        rc = claim_next(c, lane, 0, 0, &key, &value);
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int
dead_claims(struct dead *d, const char *lane, uint64_t after, uint64_t up_to,
            struct dead_claim **out, size_t *n)
{
    struct found f = { .after = after, .up_to = up_to };
    MDB_txn *txn;
    *out = NULL;
    *n = 0;
    if (strlen(lane) > DEAD_LANE_MAX)
        return -EINVAL;
    int rc = store_begin(&d->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    rc = claims_find(d, txn, lane, &f);
    store_abort(&d->store, txn);
    if (rc || !f.list.len) {
        text_clear(&f.list);
        return store_errno(rc);
    }
    *out = (struct dead_claim *) (void *) f.list.data;
    *n = f.list.len / sizeof **out;
    qsort(*out, *n, sizeof **out, by_position);
    return 0;
}

/* --- claims whose frame or letter is gone --- */

/* Delete at the cursor. */
static int
claim_cut(struct dead *d, MDB_txn *txn, MDB_cursor *c, const MDB_val *key)
{
    char bytes[DEAD_KEY_MAX], name[DEAD_KEY_MAX];
    memcpy(bytes, key->mv_data, key->mv_size);
    int rc = mdb_cursor_del(c, 0);
    return rc ? rc : dead_count_add(d, txn, count_key(name, bytes), -1);
}

int
dead_claims_trim(struct dead *d, MDB_txn *txn, const char *lane,
                 uint64_t after, uint64_t up_to)
{
    MDB_val key, value;
    MDB_cursor *c;
    int rc = mdb_cursor_open(txn, d->claims, &c);
    if (rc)
        return rc;
    rc = claim_next(c, lane, after + 1, 1, &key, &value);
    while (!rc
           && dead_key_number((char *) key.mv_data + key.mv_size - 8)
                  <= up_to) {
        rc = mdb_get(txn, d->letters, &key, &value);
        if (rc == MDB_NOTFOUND)
            rc = claim_cut(d, txn, c, &key);
        if (!rc)
            rc = claim_next(c, lane, 0, 0, &key, &value);
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* arg: where the spool ends.  How many, where there is nothing to write to. */
static int
end_write(struct dead *d, MDB_txn *txn, void *arg)
{
    const uint64_t *end = arg;
    MDB_val key, value;
    MDB_cursor *c;
    int rc = mdb_cursor_open(txn, d->claims, &c);
    if (rc)
        return rc;
    while (!(rc = mdb_cursor_get(c, &key, &value, MDB_NEXT))) {
        char bytes[DEAD_KEY_MAX];
        MDB_val letter = { key.mv_size, bytes };
        if (value_number(&value) <= *end)
            continue;
        memcpy(bytes, key.mv_data, key.mv_size);
        if ((rc = claim_cut(d, txn, c, &key))
            || (rc = dead_timed_claimed(d, txn, &letter, 0)))
            break;
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int
dead_claims_end(struct dead *d, uint64_t position)
{
    return dead_update(d, end_write, &position);
}

uint64_t
dead_retrying(struct dead *d, const char *lane)
{
    char name[DEAD_KEY_MAX];
    MDB_txn *txn;
    MDB_stat all;
    uint64_t n = 0;
    if ((lane && strlen(lane) > DEAD_LANE_MAX)
        || store_begin(&d->store, MDB_RDONLY, &txn))
        return 0;
    if (lane)
        n = dead_count_get(d, txn, count_key(name, lane));
    else if (!mdb_stat(txn, d->claims, &all))
        n = all.ms_entries;
    store_abort(&d->store, txn);
    return n;
}
