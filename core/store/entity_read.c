/* SPDX-License-Identifier: MIT */
#include "entity_cache.h"

#include "entity_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entity_reader {
    struct entities *store;
    struct store_kept view; /* its cursor is NULL before the first search */
    struct entity_cache cache;
    struct entity_seen seen; /* of the transaction: */
    size_t txn;
    int active, positioned; /* txn is on; so is the cursor, in it */
};

int
entity_reader_new(struct entities *e, struct entity_reader **out)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return -ENOMEM;
    (*out)->store = e;
    return 0;
}

void
entity_reader_free(struct entity_reader *r)
{
    if (!r)
        return;
    entity_reader_end(r);
    store_kept_free(&r->store->store, &r->view);
    entity_cache_clear(&r->cache);
    free(r);
}

int
entity_reader_begin(struct entity_reader *r)
{
    if (r->active)
        return 0;
    struct store *s = &r->store->store;
    int rc = store_kept_begin(s, &r->view);
    r->active = rc == 0;
    r->positioned = 0;
    if (rc)
        return store_errno(rc);
    const size_t txn = mdb_txn_id(r->view.txn);
    entity_cache_begin(&r->cache, txn, s->maps);
    r->seen.loaded &= txn == r->txn;
    r->txn = txn;
    return store_errno(rc);
}

void
entity_reader_end(struct entity_reader *r)
{
    if (!r->active)
        return;
    store_kept_end(&r->store->store, &r->view);
    r->active = 0;
}

void
entity_reader_trim(struct entity_reader *r)
{
    entity_cache_clear(&r->cache);
}

/* *key becomes the store's own.  An LMDB code. */
static int
entity_search(struct entity_reader *r, MDB_val *key, MDB_val *value)
{
    int rc = 0;
    if (!r->view.cursor)
        rc = mdb_cursor_open(r->view.txn, r->store->dbi, &r->view.cursor);
    else if (!r->positioned)
        rc = mdb_cursor_renew(r->view.txn, r->view.cursor);
    if (rc)
        return rc;
    r->positioned = 1;
    return mdb_cursor_get(r->view.cursor, key, value, MDB_SET_KEY);
}

void
entity_reader_hint(struct entity_reader *r, const struct il_kind *kind,
                   struct slice id)
{
    char bytes[ENTITY_KEY_MAX];
    struct slice name = slice_of(kind->name, kind->len);
    MDB_val key = { entity_key(bytes, name, id), bytes };
    if (r->active && key.mv_size)
        entity_cache_hint(&r->cache, entity_cache_hash(&key));
}

int
entity_reader_get(struct entity_reader *r, const struct il_kind *kind,
                  struct slice id, struct entity *out)
{
    char bytes[ENTITY_KEY_MAX];
    struct slice name = slice_of(kind->name, kind->len);
    MDB_val key = { entity_key(bytes, name, id), bytes }, value;
    if (!r->active)
        return -EINVAL;
    if (!key.mv_size)
        return 0;
    uint64_t hash = entity_cache_hash(&key);
    if (!entity_cache_get(&r->cache, hash, &key, &value)) {
        int rc = entity_search(r, &key, &value);
        if (rc)
            return rc == MDB_NOTFOUND ? 0 : store_errno(rc);
        entity_cache_add(&r->cache, hash, &key, &value);
    }
    int err = entity_view(name, id, &value, out);
    if (!err && out->owners)
        err = entity_seen_raise(r->store, r->view.txn, &r->seen, out);
    return err ? err : 1;
}

/* Copy what the map holds, since it may change once the transaction ends. */
static int
entity_copy(struct slice kind, struct slice id, const MDB_val *value,
            struct il_text *text, struct entity *out)
{
    size_t start = text->len;
    if (text_put(text, kind.ptr, kind.len) || text_put(text, id.ptr, id.len)
        || text_put(text, value->mv_data, value->mv_size)) {
        text->len = start;
        return -ENOMEM;
    }
    char *at = text->data + start;
    MDB_val copy = { value->mv_size, at + kind.len + id.len };
    return entity_view(slice_of(at, kind.len), slice_of(at + kind.len, id.len),
                       &copy, out);
}

int
entity_get(struct entities *e, struct slice kind, struct slice id,
           struct il_text *text, struct entity *out)
{
    char bytes[ENTITY_KEY_MAX];
    MDB_val key = { entity_key(bytes, kind, id), bytes }, value;
    MDB_txn *txn;
    if (!key.mv_size || !entity_kind_valid(kind))
        return 0;
    int rc = store_begin(&e->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    rc = mdb_get(txn, e->dbi, &key, &value);
    int err = rc == MDB_NOTFOUND ? 0 : store_errno(rc);
    if (!rc) {
        struct entity_seen seen = { 0 };
        err = entity_copy(kind, id, &value, text, out);
        if (!err && out->owners)
            err = entity_seen_raise(e, txn, &seen, out);
        err = err ? err : 1;
    }
    store_abort(&e->store, txn);
    return err;
}

/* The key at which a walk begins: the first one not before kind and after. */
static size_t
entity_start(char out[ENTITY_KEY_MAX], struct slice kind, struct slice after)
{
    if (!kind.ptr && after.ptr) {
        const char *slash = memchr(after.ptr, '/', after.len);
        if (!slash)
            return 0;
        kind = slice_of(after.ptr, (size_t) (slash - after.ptr));
        after = slice_of(slash + 1, after.len - kind.len - 1);
    }
    if (!kind.ptr) {
        out[0] = 'a'; /* kinds begin with a letter; NUL is ours */
        return 1;
    }
    if (kind.len > ENTITY_KIND_MAX || after.len > ENTITY_ID_MAX)
        return 0;
    memcpy(out, kind.ptr, kind.len);
    out[kind.len] = 0;
    if (after.len)
        memcpy(out + kind.len + 1, after.ptr, after.len);
    return kind.len + 1 + after.len;
}

/* Split a stored key; 0 when the walk has left the kind. */
static int
entity_split(const MDB_val *key, struct slice want, struct entity *out)
{
    const char *bytes = key->mv_data;
    const char *nul = memchr(bytes, 0, key->mv_size);
    if (!nul)
        return 0;
    out->kind = slice_of(bytes, (size_t) (nul - bytes));
    out->id = slice_of(nul + 1, key->mv_size - out->kind.len - 1);
    return !want.ptr || slice_equal(want, out->kind);
}

int
entity_each(struct entities *e, struct slice kind, struct slice after,
            uint32_t limit, int (*fn)(void *arg, const struct entity *),
            void *arg)
{
    char bytes[ENTITY_KEY_MAX];
    size_t len = entity_start(bytes, kind, after);
    MDB_val key = { len, bytes }, value;
    MDB_txn *txn;
    MDB_cursor *cursor = NULL;
    struct entity_seen seen = { 0 };
    struct entity one;
    if (!len)
        return -EINVAL;
    int rc = store_begin(&e->store, MDB_RDONLY, &txn), stop = 0;
    if (rc)
        return store_errno(rc);
    rc = mdb_cursor_open(txn, e->dbi, &cursor);
    if (!rc)
        rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (!rc && key.mv_size == len && !memcmp(key.mv_data, bytes, len))
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    for (uint32_t n = 0; !rc && !stop && n < limit; n++) {
        if (!entity_split(&key, kind, &one))
            break;
        stop = entity_view(one.kind, one.id, &value, &one);
        if (!stop && one.owners)
            stop = entity_seen_raise(e, txn, &seen, &one);
        if (!stop)
            stop = fn(arg, &one);
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (cursor)
        mdb_cursor_close(cursor);
    store_abort(&e->store, txn);
    return stop ? stop : rc == MDB_NOTFOUND ? 0 : store_errno(rc);
}

uint64_t
entity_count(struct entities *e)
{
    MDB_stat stat = { .ms_entries = 0 };
    MDB_txn *txn;
    if (store_begin(&e->store, MDB_RDONLY, &txn))
        return 0;
    uint64_t others = 1 + entity_mark_count(e, txn) /* the format's key */
                      + entity_mirror_count(e, txn);
    if (mdb_stat(txn, e->dbi, &stat))
        stat.ms_entries = 0;
    store_abort(&e->store, txn);
    return stat.ms_entries > others ? stat.ms_entries - others : 0;
}

void
entity_out(struct json_out *o, const char *key, const struct entity *entity)
{
    json_out_object(o, key);
    json_out_slice(o, "kind", entity->kind);
    json_out_slice(o, "external_id", entity->id);
    json_out_value(o, "traits", &entity->traits);
    json_out_time(o, "first_seen", entity->first_seen_us);
    json_out_time(o, "last_seen", entity->last_seen_us);
    json_out_end(o);
}

int
entity_json(struct il_text *text, const struct entity *entity)
{
    struct json_out o;
    json_out_begin(&o, text);
    entity_out(&o, NULL, entity);
    return json_out_done(&o);
}
