/* SPDX-License-Identifier: MIT */
/* Mirrors: entities that are kept like the rows of somebody else's table.
 *
 * A mirror is known by its name and, in the values of entities, by a number.  Its
 * record, and so the mark that says how far it has read, changes in the same
 * transaction as its entities: what the mark says is there is there.
 *
 *   key    NUL "mirror" NUL name
 *   value  number (a byte), seen, asked (i64, microseconds since 1970), mark
 *
 * An entity whose row has not changed is compared and not written.  That it is
 * still so is in the record: `seen` is when the last complete run began, and
 * readers take it for each entity that has traits of the mirror's. */
#include "entity_store.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_HEAD 17
#define RECORD_MAX (RECORD_HEAD + ENTITY_MIRROR_MARK_MAX)
#define PREFIX (ENTITY_MIRROR_HEAD + 1)
#define KEY_MAX (PREFIX + ENTITY_MIRROR_NAME_MAX)
#define GONE_SCAN 20000 /* entities of one read transaction */
#define GONE_MOST 5000  /* of one that removes */

/* --- records --------------------------------------------------------------- */

struct record {
    uint8_t number; /* 0: there is none */
    int64_t seen_us, asked_us;
    struct slice mark; /* in the map */
};

static int
mirror_key(char out[KEY_MAX], struct slice name, MDB_val *key)
{
    if (!name.len || name.len > ENTITY_MIRROR_NAME_MAX)
        return -EINVAL;
    memcpy(out, ENTITY_MIRROR, PREFIX); /* with its NUL */
    memcpy(out + PREFIX, name.ptr, name.len);
    *key = (MDB_val){ PREFIX + name.len, out };
    return 0;
}

static int
record_view(const MDB_val *value, struct record *r)
{
    const char *bytes = value->mv_data;
    if (value->mv_size < RECORD_HEAD || !bytes[0])
        return -EIO;
    *r = (struct record){ .number = (uint8_t) bytes[0],
                          .seen_us = entity_time(bytes + 1),
                          .asked_us = entity_time(bytes + 9),
                          .mark = slice_of(bytes + RECORD_HEAD,
                                           value->mv_size - RECORD_HEAD) };
    return 0;
}

/* An LMDB code or a negative errno; number 0: there is none. */
static int
record_read(struct entities *e, MDB_txn *txn, struct slice name,
            struct record *r)
{
    char bytes[KEY_MAX];
    MDB_val key, value;
    *r = (struct record){ 0 };
    int rc = mirror_key(bytes, name, &key);
    if (!rc)
        rc = mdb_get(txn, e->dbi, &key, &value);
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : rc;
    return record_view(&value, r);
}

/* r->mark may point into the map: it is copied before anything is written. */
static int
record_write(struct entities *e, MDB_txn *txn, struct slice name,
             const struct record *r)
{
    char bytes[KEY_MAX], value[RECORD_MAX];
    MDB_val key, val = { RECORD_HEAD + r->mark.len, value };
    int rc = mirror_key(bytes, name, &key);
    if (rc || r->mark.len > ENTITY_MIRROR_MARK_MAX)
        return rc ? rc : -EINVAL;
    value[0] = (char) r->number;
    entity_put_time(value + 1, r->seen_us);
    entity_put_time(value + 9, r->asked_us);
    if (r->mark.len)
        memcpy(value + RECORD_HEAD, r->mark.ptr, r->mark.len);
    return mdb_put(txn, e->dbi, &key, &val, 0);
}

/* Walk the records: fn of each.  What it returns, an LMDB code, or -EIO. */
static int
record_each(struct entities *e, MDB_txn *txn,
            int (*fn)(void *arg, struct slice name, const struct record *),
            void *arg)
{
    MDB_val key = { PREFIX, (void *) ENTITY_MIRROR }, value;
    MDB_cursor *cursor;
    struct record r;
    int rc = mdb_cursor_open(txn, e->dbi, &cursor), stop = 0;
    if (rc)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (!rc && !stop && key.mv_size > PREFIX
           && !memcmp(key.mv_data, ENTITY_MIRROR, PREFIX)) {
        stop = record_view(&value, &r);
        if (!stop)
            stop = fn(
                arg,
                slice_of((char *) key.mv_data + PREFIX, key.mv_size - PREFIX),
                &r);
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return stop ? stop : rc == MDB_NOTFOUND ? 0 : rc;
}

static int
record_counted(void *arg, struct slice name, const struct record *r)
{
    (void) name;
    (void) r;
    ++*(uint64_t *) arg;
    return 0;
}

uint64_t
entity_mirror_count(struct entities *e, MDB_txn *txn)
{
    uint64_t n = 0;
    record_each(e, txn, record_counted, &n);
    return n;
}

static int
number_taken(void *arg, struct slice name, const struct record *r)
{
    (void) name;
    ((uint8_t *) arg)[r->number] = 1;
    return 0;
}

/* A number for one that is new. */
static int
record_new(struct entities *e, MDB_txn *txn, struct record *r)
{
    uint8_t taken[ENTITY_MIRRORS_MAX + 1] = { 0 };
    int rc = entity_format_raise(e, txn);
    if (!rc)
        rc = record_each(e, txn, number_taken, taken);
    for (int i = 1; !rc && i <= ENTITY_MIRRORS_MAX; i++)
        if (!taken[i]) {
            r->number = (uint8_t) i;
            return 0;
        }
    return rc ? rc : -EMLINK;
}

/* --- when it was seen ------------------------------------------------------- */

static int
seen_noted(void *arg, struct slice name, const struct record *r)
{
    (void) name;
    ((struct entity_seen *) arg)->us[r->number] = r->seen_us;
    return 0;
}

int
entity_seen_raise(struct entities *e, MDB_txn *txn, struct entity_seen *seen,
                  struct entity *one)
{
    int64_t oldest = INT64_MAX;
    if (!seen->loaded) {
        memset(seen, 0, sizeof *seen);
        if (record_each(e, txn, seen_noted, seen))
            return -EIO;
        seen->loaded = 1;
    }
    for (uint32_t i = 0; i < one->traits.count; i++)
        if (one->owners[i] && seen->us[one->owners[i]] < oldest)
            oldest = seen->us[one->owners[i]];
    if (oldest != INT64_MAX && oldest > one->last_seen_us)
        one->last_seen_us = oldest;
    return 0;
}

/* --- writing --------------------------------------------------------------- */

struct mirror_write {
    struct entities *store;
    struct slice name;
    uint32_t flags;
    struct entity_put *puts;
    size_t n;
    const struct entity_mirror *now;
    struct entity_mirrored counts;
    struct record record;
    struct entity_merge merge;
    struct il_text value;
    int64_t now_us;
};

/* Is it the row, to the byte, and all of it the mirror's?  The common case by far. */
static int
mirror_is_row(const struct mirror_write *w, const struct entity *old,
              struct slice traits)
{
    if (!old->owners || !slice_equal(old->stored, traits))
        return 0;
    for (uint32_t i = 0; i < old->traits.count; i++)
        if (old->owners[i] != w->record.number)
            return 0;
    return 1;
}

/* The entity of a row.  An LMDB code or a negative errno. */
static int
mirror_put_one(struct mirror_write *w, MDB_txn *txn, struct entity_put *put)
{
    char bytes[ENTITY_KEY_MAX];
    struct entity old = { 0 };
    MDB_val key = { entity_key(bytes, put->kind, put->id), bytes }, value;
    const int64_t seen = put->seen_us ? put->seen_us : w->now_us;
    put->created = put->written = 0;
    if (!entity_kind_valid(put->kind) || !entity_id_valid(put->id))
        return -EINVAL;
    int rc = mdb_get(txn, w->store->dbi, &key, &value);
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    put->created = rc == MDB_NOTFOUND;
    old.first_seen_us = old.last_seen_us = seen;
    if (!put->created && entity_view(put->kind, put->id, &value, &old))
        return -EIO;
    if (mirror_is_row(w, &old, put->traits)) {
        w->counts.same++;
        return 0;
    }
    int err = entity_head(&w->value, old.first_seen_us,
                          seen > old.last_seen_us ? seen : old.last_seen_us);
    if (!err)
        err = entity_merge_owned(&w->merge, put->created ? NULL : &old,
                                 put->traits, w->record.number,
                                 (w->flags & ENTITY_MIRROR_TAKE) != 0,
                                 &w->value, &w->counts.left);
    if (err)
        return err;
    if (!put->created && value.mv_size == w->value.len
        && !memcmp((char *) value.mv_data + ENTITY_HEAD,
                   w->value.data + ENTITY_HEAD, w->value.len - ENTITY_HEAD)) {
        w->counts.same++;
        return 0;
    }
    value = (MDB_val){ w->value.len, w->value.data };
    put->written = 1;
    ++*(put->created ? &w->counts.added : &w->counts.changed);
    return mdb_put(txn, w->store->dbi, &key, &value, 0);
}

static int
mirror_put_all(void *arg, MDB_txn *txn)
{
    struct mirror_write *w = arg;
    char mark[ENTITY_MIRROR_MARK_MAX];
    w->counts = (struct entity_mirrored){ 0 };
    int rc = record_read(w->store, txn, w->name, &w->record);
    const int fresh = !rc && !w->record.number;
    if (fresh)
        rc = record_new(w->store, txn, &w->record);
    if (rc)
        return rc;
    /* The map moves under what is in it as soon as something is written. */
    memcpy(mark, w->record.mark.len ? w->record.mark.ptr : "",
           w->record.mark.len);
    w->record.mark.ptr = mark;
    for (size_t i = 0; i < w->n && !rc; i++) {
        rc = mirror_put_one(w, txn, &w->puts[i]);
        w->puts[i].error = store_errno(rc);
        if (entity_refused(w->puts[i].error)) {
            w->counts.refused++;
            rc = 0;
        }
    }
    if (rc || (!w->now && !fresh))
        return rc;
    if (w->now) {
        w->record.seen_us = w->now->seen_us;
        w->record.mark = w->now->mark;
    }
    return record_write(w->store, txn, w->name, &w->record);
}

static void
counts_add(struct entity_mirrored *to, const struct entity_mirrored *from)
{
    to->added += from->added;
    to->changed += from->changed;
    to->same += from->same;
    to->removed += from->removed;
    to->left += from->left;
    to->refused += from->refused;
}

int
entity_mirror_put(struct entities *e, struct slice name, uint32_t flags,
                  struct entity_put *puts, size_t n,
                  const struct entity_mirror *now,
                  struct entity_mirrored *counts)
{
    struct mirror_write w = { .store = e,
                              .name = name,
                              .flags = flags,
                              .puts = puts,
                              .n = n,
                              .now = now,
                              .now_us = clock_wall_us() };
    int err = entity_update(e, mirror_put_all, &w);
    if (!err)
        counts_add(counts, &w.counts);
    entity_merge_clear(&w.merge);
    text_clear(&w.value);
    return err;
}

struct mirror_ask {
    struct entities *store;
    struct slice name;
    int64_t now_us;
};

static int
mirror_ask(void *arg, MDB_txn *txn)
{
    struct mirror_ask *a = arg;
    char mark[ENTITY_MIRROR_MARK_MAX];
    struct record r;
    int rc = record_read(a->store, txn, a->name, &r);
    if (rc || !r.number)
        return rc ? rc : -ENOENT;
    memcpy(mark, r.mark.len ? r.mark.ptr : "", r.mark.len);
    r.mark.ptr = mark;
    r.asked_us = a->now_us;
    return record_write(a->store, txn, a->name, &r);
}

int
entity_mirror_ask(struct entities *e, struct slice name, int64_t now_us)
{
    struct mirror_ask a = { e, name, now_us };
    int err = entity_update(e, mirror_ask, &a);
    return err == -ENOENT ? 0 : err ? err : 1;
}

/* --- reading --------------------------------------------------------------- */

int
entity_mirror_get(struct entities *e, struct slice name, struct il_text *text,
                  struct entity_mirror *out)
{
    struct record r;
    MDB_txn *txn;
    int rc = store_begin(&e->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    const size_t start = text->len;
    rc = record_read(e, txn, name, &r);
    int err = store_errno(rc);
    if (!err && r.number)
        err = text_put(text, r.mark.ptr, r.mark.len);
    store_abort(&e->store, txn);
    if (err || !r.number)
        return err;
    *out = (struct entity_mirror){ .name = name,
                                   .seen_us = r.seen_us,
                                   .asked_us = r.asked_us,
                                   .mark = slice_of(text->data + start,
                                                    text->len - start) };
    return 1;
}

struct mirror_walk {
    int (*fn)(void *arg, const struct entity_mirror *);
    void *arg;
};

static int
mirror_shown(void *arg, struct slice name, const struct record *r)
{
    const struct mirror_walk *w = arg;
    const struct entity_mirror m = { .name = name,
                                     .seen_us = r->seen_us,
                                     .asked_us = r->asked_us,
                                     .mark = r->mark };
    return w->fn(w->arg, &m);
}

int
entity_mirror_each(struct entities *e,
                   int (*fn)(void *arg, const struct entity_mirror *),
                   void *arg)
{
    struct mirror_walk w = { fn, arg };
    MDB_txn *txn;
    int rc = store_begin(&e->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    rc = record_each(e, txn, mirror_shown, &w);
    store_abort(&e->store, txn);
    return store_errno(rc);
}

/* --- what is gone ----------------------------------------------------------- */

/* Some of a kind's entities, from `after` on: the ids of those that are gone, each
 * with its length before it. */
struct gone {
    struct entities *store;
    const struct entity_gone *job;
    uint8_t number;
    struct il_text after, ids;
    size_t seen, found;
    int64_t now_us;
    struct entity_merge merge;
    struct il_text value;
    uint64_t removed;
};

static int
gone_owns(const struct gone *g, const struct entity *one)
{
    for (uint32_t i = 0; one->owners && i < one->traits.count; i++)
        if (one->owners[i] == g->number)
            return 1;
    return 0;
}

static int
gone_look(void *arg, const struct entity *one)
{
    struct gone *g = arg;
    g->seen++;
    g->after.len = 0;
    if (text_put(&g->after, one->id.ptr, one->id.len))
        return -ENOMEM;
    if (!gone_owns(g, one) || g->job->is_there(g->job->arg, one->id))
        return 0;
    const uint16_t len = (uint16_t) one->id.len;
    if (text_put(&g->ids, (const char *) &len, sizeof len)
        || text_put(&g->ids, one->id.ptr, one->id.len))
        return -ENOMEM;
    return ++g->found >= GONE_MOST;
}

/* It may have changed since it was looked at, but its row is gone all the same. */
static int
gone_take(struct gone *g, MDB_txn *txn, struct slice id)
{
    static const char nothing = (char) 0x80; /* an empty map */
    char bytes[ENTITY_KEY_MAX];
    struct entity old = { 0 };
    MDB_val key = { entity_key(bytes, g->job->kind, id), bytes }, value;
    int rc = mdb_get(txn, g->store->dbi, &key, &value);
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : rc;
    if (entity_view(g->job->kind, id, &value, &old))
        return -EIO;
    int err = entity_head(&g->value, old.first_seen_us, g->now_us);
    if (!err)
        err = entity_merge_owned(&g->merge, &old, slice_of(&nothing, 1),
                                 g->number, 0, &g->value, NULL);
    if (err)
        return err;
    g->removed++;
    if (g->value.len == ENTITY_HEAD + 1) /* nothing is left */
        return mdb_del(txn, g->store->dbi, &key, NULL);
    value = (MDB_val){ g->value.len, g->value.data };
    return mdb_put(txn, g->store->dbi, &key, &value, 0);
}

static int
gone_take_all(void *arg, MDB_txn *txn)
{
    struct gone *g = arg;
    int rc = 0;
    g->removed = 0;
    for (size_t at = 0; at < g->ids.len && !rc;) {
        uint16_t len;
        memcpy(&len, g->ids.data + at, sizeof len);
        at += sizeof len;
        rc = gone_take(g, txn, slice_of(g->ids.data + at, len));
        at += len;
    }
    return rc;
}

/* Look at some, and take those that are gone.  1: there may be more. */
static int
gone_some(struct gone *g, struct entity_mirrored *counts)
{
    struct slice after = { g->after.len ? g->after.data : NULL, g->after.len };
    char copy[ENTITY_ID_MAX];
    if (after.len)
        after.ptr = memcpy(copy, after.ptr, after.len);
    g->seen = g->found = g->ids.len = 0;
    int err =
        entity_each(g->store, g->job->kind, after, GONE_SCAN, gone_look, g);
    if (err < 0)
        return err;
    const int more = g->seen > 0;
    if (g->found)
        err = entity_update(g->store, gone_take_all, g);
    if (err < 0)
        return err;
    if (g->found)
        counts->removed += g->removed;
    return more;
}

int
entity_mirror_gone(struct entities *e, const struct entity_gone *job,
                   struct entity_mirrored *counts)
{
    struct gone g = { .store = e, .job = job, .now_us = clock_wall_us() };
    struct record r = { 0 };
    MDB_txn *txn;
    int rc = store_begin(&e->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    rc = record_read(e, txn, job->name, &r);
    store_abort(&e->store, txn);
    int err = store_errno(rc), more = !err && r.number;
    g.number = r.number;
    while (more > 0) {
        more = job->cancelled && job->cancelled(job->arg)
                   ? -ECANCELED
                   : gone_some(&g, counts);
        err = more < 0 ? more : 0;
    }
    entity_merge_clear(&g.merge);
    text_clear(&g.value);
    text_clear(&g.after);
    text_clear(&g.ids);
    return err;
}
