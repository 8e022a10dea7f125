/* SPDX-License-Identifier: MIT */
/* Reading one, and walking all: some are copied out of a short transaction and
 * shown, then the next.  A transaction held while a person pages through a list
 * would keep the store from reusing its pages, and make it grow. */
#include "parked_store.h"

#include <errno.h>
#include <string.h>

#define WALK_BYTES (256u * 1024)
#define LOOK_RECORDS 4096

/* --- one ------------------------------------------------------------------ */

static int
read_one(struct parked_lane *l, enum parked_kind kind, uint64_t position,
         struct il_text *buffer, struct parked_event *e)
{
    struct parked *p = l->store;
    struct parked_state s;
    MDB_txn *txn;
    int rc = store_begin(&p->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    rc = parked_state_get(p, txn, l->number, &s);
    if (!rc)
        rc = parked_get(p, txn, l->number, s.name, kind, position, e);
    if (!rc)
        rc = parked_keep(buffer, e);
    if (!rc && kind == PARKED_EVENT)
        e->waits_behind = parked_behind(p, txn, l->number, e);
    store_abort(&p->store, txn);
    return rc == MDB_NOTFOUND ? 0 : rc ? store_errno(rc) : 1;
}

int
parked_read(struct parked_lane *l, uint64_t position, struct il_text *buffer,
            struct parked_event *out)
{
    return read_one(l, PARKED_EVENT, position, buffer, out);
}

int
parked_letter_read(struct parked_lane *l, uint64_t position,
                   struct il_text *buffer, struct parked_letter *out)
{
    struct parked_event e;
    int found = read_one(l, PARKED_LETTER, position, buffer, &e);
    if (found > 0)
        *out = parked_as_letter(&e);
    return found;
}

/* --- of a target ---------------------------------------------------------- */

struct look {
    const char *target, *code;
    uint64_t from, *positions;
    size_t max, n;
};

static int
look_at_records(struct parked_lane *l, MDB_txn *txn, struct look *look)
{
    uint8_t bytes[PARKED_KEY];
    struct parked_event e;
    MDB_cursor *cursor;
    uint64_t next = 0;
    parked_key(bytes, l->number, look->from);
    MDB_val key = { sizeof bytes, bytes }, value;
    int rc = mdb_cursor_open(txn, parked_dbi(l->store, PARKED_EVENT), &cursor);
    if (rc)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    for (int i = 0; !rc; i++) {
        if (key.mv_size != sizeof bytes || memcmp(key.mv_data, bytes, 4) != 0)
            break;
        uint64_t position = parked_key_u64((uint8_t *) key.mv_data + 4);
        if (i == LOOK_RECORDS || look->n == look->max) {
            next = position;
            break;
        }
        if (!parked_record_view(value.mv_data, value.mv_size, l->number,
                                PARKED_EVENT, position, &e)
            && strcmp(e.target, look->target) == 0
            && strcmp(e.code, look->code) == 0)
            look->positions[look->n++] = position;
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    look->from = next;
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int
parked_for_target(struct parked_lane *l, const char *target, const char *code,
                  uint64_t *from, uint64_t *positions, size_t max)
{
    struct look look = { .target = target,
                         .code = code,
                         .from = *from,
                         .positions = positions,
                         .max = max };
    struct parked *p = l->store;
    MDB_txn *txn;
    int rc = store_begin(&p->store, MDB_RDONLY, &txn);
    if (!rc) {
        rc = look_at_records(l, txn, &look);
        store_abort(&p->store, txn);
    }
    if (rc)
        return store_errno(rc);
    *from = look.from;
    return (int) look.n;
}

/* --- all ------------------------------------------------------------------ */

struct walk {
    enum parked_kind kind;
    int (*events)(void *arg, const char *lane, const struct parked_event *);
    int (*letters)(void *arg, const char *lane, const struct parked_letter *);
    void *arg;
    uint32_t number;
    char name[PARKED_NAME_MAX + 1];
    uint64_t next; /* position to go on from */
    int done;
    struct il_text chunk;
};

/* What precedes each record in the chunk. */
struct piece {
    uint64_t position;
    size_t len;
    uint64_t waits_behind;
};

static int
walk_copy(struct parked *p, MDB_txn *txn, struct walk *w, uint64_t position,
          const MDB_val *value)
{
    struct parked_event e;
    struct piece piece = { .position = position, .len = value->mv_size };
    if (parked_record_view(value->mv_data, value->mv_size, w->number, w->kind,
                           position, &e)) {
        parked_report(p, w->number, w->name, w->kind, position);
        return 0;
    }
    if (w->kind == PARKED_EVENT)
        piece.waits_behind = parked_behind(p, txn, w->number, &e);
    size_t start = w->chunk.len;
    if (text_put(&w->chunk, &piece, sizeof piece)
        || text_put(&w->chunk, value->mv_data, value->mv_size)) {
        w->chunk.len = start;
        return ENOMEM;
    }
    return 0;
}

static int
walk_collect(struct parked *p, MDB_txn *txn, struct walk *w)
{
    uint8_t bytes[PARKED_KEY];
    MDB_cursor *cursor;
    parked_key(bytes, w->number, w->next);
    MDB_val key = { sizeof bytes, bytes }, value;
    int rc = mdb_cursor_open(txn, parked_dbi(p, w->kind), &cursor);
    if (rc)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (!rc && !w->done && w->chunk.len < WALK_BYTES) {
        if (key.mv_size != sizeof bytes || memcmp(key.mv_data, bytes, 4) != 0)
            break;
        uint64_t position = parked_key_u64((uint8_t *) key.mv_data + 4);
        rc = walk_copy(p, txn, w, position, &value);
        w->done = position == UINT64_MAX;
        w->next = position + 1;
        if (!rc)
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    w->done |= w->chunk.len < WALK_BYTES;
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
walk_fill(struct parked *p, struct walk *w)
{
    MDB_txn *txn;
    w->chunk.len = 0;
    int rc = store_begin(&p->store, MDB_RDONLY, &txn);
    if (rc)
        return rc;
    rc = walk_collect(p, txn, w);
    store_abort(&p->store, txn);
    return rc;
}

static int
walk_show(const struct walk *w, size_t at, const struct piece *piece)
{
    struct parked_event e;
    if (parked_record_view(w->chunk.data + at, piece->len, w->number, w->kind,
                           piece->position, &e))
        return 0; /* it was sound when it was copied */
    e.waits_behind = piece->waits_behind;
    if (w->events)
        return w->events(w->arg, w->name, &e);
    struct parked_letter l = parked_as_letter(&e);
    return w->letters(w->arg, w->name, &l);
}

static int
walk_lane(struct parked *p, struct walk *w)
{
    int err = 0;
    w->next = 0;
    w->done = 0;
    while (!w->done && !err) {
        err = store_errno(walk_fill(p, w));
        for (size_t at = 0; at < w->chunk.len && !err;) {
            struct piece piece;
            memcpy(&piece, w->chunk.data + at, sizeof piece);
            at += sizeof piece;
            err = walk_show(w, at, &piece);
            at += piece.len;
        }
    }
    return err;
}

static int
walk_all(struct parked *p, const char *lane, struct walk *w)
{
    int err = 0;
    for (uint32_t n = 1; n && !err; n++) {
        err = parked_lane_after(p, &n, w->name);
        if (err == -ENOENT) {
            err = 0;
            break;
        }
        w->number = n;
        if (!err && (!lane || strcmp(lane, w->name) == 0))
            err = walk_lane(p, w);
    }
    text_clear(&w->chunk);
    return err;
}

int
parked_walk(struct parked *p, const char *lane,
            int (*fn)(void *arg, const char *lane, const struct parked_event *),
            void *arg)
{
    struct walk w = { .kind = PARKED_EVENT, .events = fn, .arg = arg };
    return walk_all(p, lane, &w);
}

int
parked_walk_letters(struct parked *p, const char *lane,
                    int (*fn)(void *arg, const char *lane,
                              const struct parked_letter *),
                    void *arg)
{
    struct walk w = { .kind = PARKED_LETTER, .letters = fn, .arg = arg };
    return walk_all(p, lane, &w);
}
