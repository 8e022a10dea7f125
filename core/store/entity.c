/* SPDX-License-Identifier: MIT */
#include "entity_store.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/wtf8.h"

#include <errno.h>
#include <string.h>

#define LAST_SEEN_US INT64_C(3600000000) /* may be behind by that, for news */

int
entity_kind_valid(struct slice kind)
{
    if (kind.len == 0 || kind.len > ENTITY_KIND_MAX)
        return 0;
    for (size_t i = 0; i < kind.len; i++) {
        char c = kind.ptr[i];
        int later = (c >= '0' && c <= '9') || c == '_';
        if (!(c >= 'a' && c <= 'z') && !(i && later))
            return 0;
    }
    return 1;
}

int
entity_id_valid(struct slice id)
{
    return id.len > 0 && id.len <= ENTITY_ID_MAX && !memchr(id.ptr, 0, id.len)
           && wtf8_valid(id.ptr, id.len);
}

/* What entity_put needs. */
struct entity_writer {
    struct entities *store;
    struct entity_put *puts;
    struct entity_mark *marks;
    size_t n, mark_count, bad;
    struct entity_merge merge;
    struct il_text value;
    int64_t now_us;
};

/* Is there anything that is worth a write?  value: as it would be. */
static int
entity_is_news(const struct entity_put *put, const struct entity *old,
               const MDB_val *was, const struct il_text *value)
{
    if (put->created || !(put->flags & ENTITY_PUT_NEWS))
        return 1;
    return put->seen_us - old->last_seen_us >= LAST_SEEN_US
           || value->len != was->mv_size
           || memcmp(value->data + ENTITY_HEAD,
                     (const char *) was->mv_data + ENTITY_HEAD,
                     value->len - ENTITY_HEAD);
}

/* An LMDB code or a negative errno. */
static int
entity_put_one(struct entities *e, MDB_txn *txn, struct entity_writer *w,
               struct entity_put *put)
{
    char bytes[ENTITY_KEY_MAX];
    struct entity old = { 0 };
    MDB_val key = { entity_key(bytes, put->kind, put->id), bytes }, value;
    int64_t seen = put->seen_us ? put->seen_us : w->now_us;
    put->created = put->written = 0;
    if (!entity_kind_valid(put->kind) || !entity_id_valid(put->id))
        return -EINVAL;
    int rc = mdb_get(txn, e->dbi, &key, &value);
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    put->created = rc == MDB_NOTFOUND;
    if (put->created && (put->flags & ENTITY_PUT_EXISTING))
        return -ENOENT;
    old.first_seen_us = old.last_seen_us = seen;
    if (!put->created && entity_view(put->kind, put->id, &value, &old))
        return -EIO;
    int err = entity_head(&w->value, old.first_seen_us,
                          seen > old.last_seen_us ? seen : old.last_seen_us);
    if (!err)
        err = entity_merge_owned(&w->merge, put->created ? NULL : &old,
                                 put->traits, 0, 0, &w->value, NULL);
    if (err || !entity_is_news(put, &old, &value, &w->value))
        return err;
    value = (MDB_val){ w->value.len, w->value.data };
    put->written = 1;
    return mdb_put(txn, e->dbi, &key, &value, 0);
}

/* Is it a refusal of this one alone, and may the others go on? */
static int
entity_tolerates(const struct entity_put *put)
{
    return (put->flags & ENTITY_PUT_LENIENT)
           && (entity_refused(put->error) || put->error == -ENOENT);
}

static int
entity_put_all(void *arg, MDB_txn *txn)
{
    struct entity_writer *w = arg;
    for (size_t i = 0; i < w->n; i++) {
        if (w->mark_count
            && w->puts[i].position <= w->marks[w->puts[i].mark].position)
            continue;
        int rc = entity_put_one(w->store, txn, w, &w->puts[i]);
        w->puts[i].error = store_errno(rc);
        if (rc && !entity_tolerates(&w->puts[i])) {
            w->bad = i;
            return rc;
        }
    }
    return 0;
}

/* Once until there is room again: a full store meets every request. */
static void
entity_log_full(struct entities *e, int err)
{
    int full = err == -ENOSPC;
    if (__atomic_exchange_n(&e->full_logged, full, __ATOMIC_RELAXED) || !full)
        return;
    log_error("entities: %s is full (its limit or the disk): entities are "
              "refused until some are deleted or there is more room",
              e->store.dir);
}

int
entity_update(struct entities *e, int (*fn)(void *, MDB_txn *), void *arg)
{
    int err = store_update(&e->store, fn, arg);
    entity_log_full(e, err);
    return err;
}

static int
entity_write(struct entity_writer *w, int (*fn)(void *, MDB_txn *), size_t *bad)
{
    if (bad)
        *bad = 0;
    if (w->n == 0)
        return 0;
    w->now_us = clock_wall_us();
    int err = entity_update(w->store, fn, w);
    if (bad)
        *bad = w->bad;
    entity_merge_clear(&w->merge);
    text_clear(&w->value);
    return err;
}

int
entity_put(struct entities *e, struct entity_put *puts, size_t n, size_t *bad)
{
    struct entity_writer w = { .store = e, .puts = puts, .n = n };
    return entity_write(&w, entity_put_all, bad);
}

/* --- with marks ----------------------------------------------------------- */

static int
entity_apply_all(void *arg, MDB_txn *txn)
{
    struct entity_writer *w = arg;
    int rc = 0;
    for (size_t i = 0; i < w->mark_count && !rc; i++)
        rc = entity_mark_read(w->store, txn, &w->marks[i]);
    if (!rc)
        rc = entity_put_all(w, txn);
    for (size_t i = 0; i < w->mark_count && !rc; i++)
        rc = entity_mark_move(w->store, txn, w->marks, i, w->puts, w->n);
    return rc;
}

int
entity_apply(struct entities *e, struct entity_mark *marks, size_t mark_count,
             struct entity_put *puts, size_t n, size_t *bad)
{
    struct entity_writer w = { .store = e,
                               .puts = puts,
                               .n = n,
                               .marks = marks,
                               .mark_count = mark_count };
    return entity_write(&w, entity_apply_all, bad);
}

/* --- removing ------------------------------------------------------------- */

struct victim {
    MDB_dbi dbi;
    MDB_val key;
};

static int
entity_delete_one(void *arg, MDB_txn *txn)
{
    struct victim *v = arg;
    return mdb_del(txn, v->dbi, &v->key, NULL);
}

int
entity_delete(struct entities *e, struct slice kind, struct slice id)
{
    char bytes[ENTITY_KEY_MAX];
    struct victim v = { e->dbi, { entity_key(bytes, kind, id), bytes } };
    if (!v.key.mv_size || !entity_kind_valid(kind))
        return 0;
    int err = store_update(&e->store, entity_delete_one, &v);
    return err == -ENOENT ? 0 : err ? err : 1;
}
