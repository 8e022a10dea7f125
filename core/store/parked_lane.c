/* SPDX-License-Identifier: MIT */
/* Lanes of the store: finding one by its name, what it is called, how far it
 * is, and what there is of it. */
#include "parked_store.h"

#include <errno.h>
#include <string.h>

/* --- finding -------------------------------------------------------------- */

/* The lane with the smallest number from *number on: that, and how it is.
 * MDB_NOTFOUND: there is none; -EIO: damaged. */
static int
lane_next(struct parked *p, MDB_txn *txn, uint32_t *number,
          struct parked_state *s)
{
    uint8_t bytes[PARKED_KEY];
    MDB_cursor *cursor;
    parked_key(bytes, *number, 0);
    MDB_val key = { 4, bytes }, value;
    int rc = mdb_cursor_open(txn, p->lane, &cursor);
    if (rc)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (!rc && key.mv_size != 4)
        rc = MDB_NOTFOUND;
    if (!rc)
        *number = parked_key_number(key.mv_data);
    mdb_cursor_close(cursor);
    return rc ? rc : parked_state_get(p, txn, *number, s);
}

/* MDB_NOTFOUND: there is no lane of this name; -EIO: nor a sound one, and a
 * damaged one may be it. */
static int
lane_by_name(struct parked *p, MDB_txn *txn, const char *name, uint32_t *number,
             struct parked_state *s)
{
    int none = MDB_NOTFOUND;
    for (*number = 1; *number; ++*number) {
        int rc = lane_next(p, txn, number, s);
        if (rc == -EIO)
            none = rc;
        else if (rc)
            return rc == MDB_NOTFOUND ? none : rc;
        else if (strcmp(s->name, name) == 0)
            return 0;
    }
    return none;
}

int
parked_lane_after(struct parked *p, uint32_t *number, char *name)
{
    struct parked_state s;
    MDB_txn *txn;
    int rc = store_begin(&p->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    while ((rc = lane_next(p, txn, number, &s)) == -EIO && ++*number)
        ;
    store_abort(&p->store, txn);
    if (!rc)
        memcpy(name, s.name, sizeof s.name);
    return rc == -EIO ? -ENOENT : store_errno(rc);
}

static int
lane_find(struct parked *p, const char *name, struct parked_lane **out)
{
    struct parked_state s;
    MDB_txn *txn;
    uint32_t number;
    *out = NULL;
    int rc = store_begin(&p->store, MDB_RDONLY, &txn);
    if (rc)
        return rc;
    rc = lane_by_name(p, txn, name, &number, &s);
    if (!rc && !(*out = parked_handle(p, txn, number, &s)))
        rc = ENOMEM;
    store_abort(&p->store, txn);
    return rc;
}

int
parked_lane_find(struct parked *p, const char *name, struct parked_lane **out)
{
    return store_errno(lane_find(p, name, out));
}

struct lane_new {
    struct parked *p;
    const char *name;
    const uint8_t *spool;
};

static int
lane_register(void *arg, MDB_txn *txn)
{
    const struct lane_new *n = arg;
    struct parked_state s;
    uint32_t number;
    int rc = lane_by_name(n->p, txn, n->name, &number, &s);
    if (rc != MDB_NOTFOUND)
        return rc; /* 0: another one was faster */
    rc = parked_number_new(n->p, txn, &number);
    if (rc)
        return rc;
    s = (struct parked_state){ .position = 0 };
    memcpy(s.name, n->name, strlen(n->name) + 1);
    memcpy(s.spool, n->spool, sizeof s.spool);
    return parked_state_put(n->p, txn, number, &s);
}

int
parked_lane(struct parked *p, const char *name, const uint8_t spool[16],
            struct parked_lane **out)
{
    struct lane_new n = { p, name, spool };
    *out = NULL;
    if (strlen(name) > PARKED_NAME_MAX)
        return -EINVAL;
    int err = store_errno(lane_find(p, name, out));
    if (err != -ENOENT)
        return err;
    err = store_update(&p->store, lane_register, &n);
    return err ? err : store_errno(lane_find(p, name, out));
}

/* --- other names, and none ------------------------------------------------ */

static int
lane_delete(struct parked *p, MDB_txn *txn, uint32_t number)
{
    uint8_t bytes[PARKED_KEY];
    parked_key(bytes, number, 0);
    MDB_val key = { 4, bytes };
    return mdb_del(txn, p->lane, &key, NULL);
}

struct rename {
    struct parked *p;
    const char *from, *to;
};

static int
lane_rename(void *arg, MDB_txn *txn)
{
    const struct rename *r = arg;
    struct parked_state from, to;
    uint32_t number, other;
    int rc = lane_by_name(r->p, txn, r->from, &number, &from);
    if (rc)
        return rc;
    if (strcmp(r->from, r->to) == 0)
        return -ECANCELED;
    rc = lane_by_name(r->p, txn, r->to, &other, &to);
    if (!rc && (to.parked || to.letters))
        return -EEXIST;
    if (!rc)
        rc = lane_delete(r->p, txn, other);
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    memcpy(from.name, r->to, strlen(r->to) + 1);
    return parked_state_put(r->p, txn, number, &from);
}

int
parked_lane_rename(struct parked *p, const char *from, const char *to)
{
    struct rename r = { p, from, to };
    if (strlen(to) > PARKED_NAME_MAX)
        return -EINVAL;
    int err = store_update_past(&p->store, lane_rename, &r);
    return err == -ECANCELED ? 0 : err;
}

/* All keys of a table that begin with the number. */
static int
table_clear(MDB_txn *txn, MDB_dbi dbi, uint32_t number)
{
    uint8_t bytes[PARKED_KEY];
    MDB_cursor *cursor;
    parked_key(bytes, number, 0);
    MDB_val key = { sizeof bytes, bytes }, value;
    int rc = mdb_cursor_open(txn, dbi, &cursor);
    if (rc)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (!rc && key.mv_size >= 4 && memcmp(key.mv_data, bytes, 4) == 0) {
        rc = mdb_cursor_del(cursor, 0);
        if (!rc)
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
lane_forget(void *arg, MDB_txn *txn)
{
    const struct rename *r = arg;
    struct parked *p = r->p;
    const MDB_dbi tables[] = { p->parked, p->due, p->chain, p->letters,
                               p->done };
    struct parked_state s;
    uint32_t number;
    int rc = lane_by_name(p, txn, r->from, &number, &s);
    for (size_t i = 0; i < sizeof tables / sizeof *tables && !rc; i++)
        rc = table_clear(txn, tables[i], number);
    return rc ? rc : lane_delete(p, txn, number);
}

int
parked_lane_forget(struct parked *p, const char *name)
{
    struct rename r = { .p = p, .from = name };
    return store_update_past(&p->store, lane_forget, &r);
}

/* --- how it is ------------------------------------------------------------ */

/* Counts, position and spool of a lane whose record was read. */
static int
info_of(struct parked *p, MDB_txn *txn, uint32_t number,
        const struct parked_state *s, struct parked_lane_info *info)
{
    uint8_t bytes[PARKED_LONG_KEY];
    MDB_cursor *cursor;
    parked_long_key(bytes, number, 0, 0);
    MDB_val key = { sizeof bytes, bytes }, value;
    *info = (struct parked_lane_info){
        .position = s->position,
        .counts = { .parked = s->parked,
                    .parked_bytes = s->parked_bytes,
                    .letters = s->letters,
                    .letter_bytes = s->letter_bytes,
                    .next_due_us = INT64_MAX },
    };
    memcpy(info->spool, s->spool, sizeof info->spool);
    int rc = mdb_cursor_open(txn, p->due, &cursor);
    if (rc)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (!rc && key.mv_size == sizeof bytes
        && memcmp(key.mv_data, bytes, 4) == 0)
        info->counts.next_due_us =
            (int64_t) parked_key_u64((uint8_t *) key.mv_data + 4);
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
info_get(struct parked_lane *l, struct parked_lane_info *info)
{
    struct parked *p = l->store;
    struct parked_state s;
    MDB_txn *txn;
    int rc = store_begin(&p->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    rc = parked_state_get(p, txn, l->number, &s);
    if (!rc)
        rc = info_of(p, txn, l->number, &s, info);
    store_abort(&p->store, txn);
    return store_errno(rc);
}

int
parked_counts(struct parked_lane *l, struct parked_counts *out)
{
    struct parked_lane_info info;
    int err = info_get(l, &info);
    if (!err)
        *out = info.counts;
    return err;
}

int
parked_position(struct parked_lane *l, uint64_t *position, uint8_t spool[16])
{
    struct parked_lane_info info;
    int err = info_get(l, &info);
    if (err)
        return err;
    *position = info.position;
    if (spool)
        memcpy(spool, info.spool, sizeof info.spool);
    return 0;
}

/* One of those that are shown. */
struct shown {
    struct parked_lane_info info;
    char name[PARKED_NAME_MAX + 1];
};

static int
lanes_collect(struct parked *p, MDB_txn *txn, struct il_text *all)
{
    struct parked_state s;
    struct shown one;
    for (uint32_t n = 1; n; n++) {
        int rc = lane_next(p, txn, &n, &s);
        if (rc == -EIO)
            continue; /* has been said */
        if (!rc)
            rc = info_of(p, txn, n, &s, &one.info);
        if (rc)
            return rc == MDB_NOTFOUND ? 0 : rc;
        memcpy(one.name, s.name, sizeof one.name);
        if (text_put(all, &one, sizeof one))
            return ENOMEM;
    }
    return 0;
}

int
parked_lanes(struct parked *p,
             int (*fn)(void *arg, const struct parked_lane_info *), void *arg)
{
    struct il_text all = { 0 };
    MDB_txn *txn;
    int rc = store_begin(&p->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    rc = lanes_collect(p, txn, &all);
    store_abort(&p->store, txn);
    int err = store_errno(rc);
    for (size_t at = 0; at < all.len && !err; at += sizeof(struct shown)) {
        struct shown one;
        memcpy(&one, all.data + at, sizeof one);
        one.info.name = one.name;
        err = fn(arg, &one.info);
    }
    text_clear(&all);
    return err;
}

/* --- the last position ---------------------------------------------------- */

/* Of a table's records of a lane, where it is greater than *last. */
static int
table_last(MDB_txn *txn, MDB_dbi dbi, uint32_t number, uint64_t *last)
{
    uint8_t bytes[PARKED_KEY];
    MDB_cursor *cursor;
    parked_key(bytes, number, UINT64_MAX);
    MDB_val key = { sizeof bytes, bytes }, value;
    int rc = mdb_cursor_open(txn, dbi, &cursor);
    if (rc)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (rc || memcmp(key.mv_data, bytes, sizeof bytes) != 0)
        rc = mdb_cursor_get(cursor, &key, &value, rc ? MDB_LAST : MDB_PREV);
    if (!rc && key.mv_size == sizeof bytes
        && memcmp(key.mv_data, bytes, 4) == 0) {
        uint64_t position = parked_key_u64((uint8_t *) key.mv_data + 4);
        *last = position > *last ? position : *last;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Also of a lane whose own record is damaged. */
static int
lane_last(struct parked *p, MDB_txn *txn, uint32_t number,
          const struct parked_state *s, const uint8_t spool[16], uint64_t *last)
{
    if (s && memcmp(s->spool, spool, sizeof s->spool) == 0
        && s->position > *last)
        *last = s->position;
    int rc = table_last(txn, p->parked, number, last);
    return rc ? rc : table_last(txn, p->letters, number, last);
}

static int
all_last(struct parked *p, MDB_txn *txn, const uint8_t spool[16],
         uint64_t *last)
{
    struct parked_state s;
    for (uint32_t n = 1; n; n++) {
        int rc = lane_next(p, txn, &n, &s), damaged = rc == -EIO;
        if (!rc || damaged)
            rc = lane_last(p, txn, n, damaged ? NULL : &s, spool, last);
        if (rc)
            return rc == MDB_NOTFOUND ? 0 : rc;
    }
    return 0;
}

int
parked_last(struct parked *p, struct parked_lane *l, const uint8_t spool[16],
            uint64_t *position)
{
    struct parked_state s;
    MDB_txn *txn;
    *position = 0;
    int rc = store_begin(&p->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    if (l) {
        rc = parked_state_get(p, txn, l->number, &s);
        if (!rc)
            rc = lane_last(p, txn, l->number, &s, spool, position);
    } else {
        rc = all_last(p, txn, spool, position);
    }
    store_abort(&p->store, txn);
    return store_errno(rc);
}
