/* SPDX-License-Identifier: MIT */
#include "entity_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Without and with mirrors. */
static const char entity_formats[] = { '1', '2' };
static const MDB_val format_key = { 7, (void *) "\0format" };

/* Is the store laid out as this version does it?  MDB_NOTFOUND: it is new. */
static int
entity_format_check(struct entities *e, MDB_txn *txn)
{
    MDB_val key = format_key, value;
    int rc = mdb_dbi_open(txn, NULL, 0, &e->dbi);
    if (!rc)
        rc = mdb_get(txn, e->dbi, &key, &value);
    if (!rc
        && (value.mv_size != 1
            || !memchr(entity_formats, *(const char *) value.mv_data,
                       sizeof entity_formats)))
        rc = MDB_VERSION_MISMATCH;
    return rc;
}

static int
entity_format_write(struct entities *e, MDB_txn *txn)
{
    MDB_val key = format_key;
    MDB_val value = { 1, (void *) &entity_formats[0] };
    int rc = entity_format_check(e, txn);
    return rc == MDB_NOTFOUND ? mdb_put(txn, e->dbi, &key, &value, 0) : rc;
}

int
entity_format_raise(struct entities *e, MDB_txn *txn)
{
    MDB_val key = format_key, value;
    int rc = mdb_get(txn, e->dbi, &key, &value);
    if (rc || *(const char *) value.mv_data == entity_formats[1])
        return rc;
    value = (MDB_val){ 1, (void *) &entity_formats[1] };
    return mdb_put(txn, e->dbi, &key, &value, 0);
}

/* Reads first, so that opening a store that is in use waits for no writer. */
static int
entity_prepare(void *arg)
{
    struct entities *e = arg;
    MDB_txn *txn;
    int rc = store_begin(&e->store, MDB_RDONLY, &txn);
    if (rc)
        return rc;
    rc = entity_format_check(e, txn);
    if (rc == 0)
        return store_commit(&e->store, txn); /* keeps the handle */
    store_abort(&e->store, txn);
    if (rc != MDB_NOTFOUND)
        return rc;
    rc = store_begin(&e->store, 0, &txn);
    if (rc)
        return rc;
    rc = entity_format_write(e, txn);
    if (!rc)
        return store_commit(&e->store, txn);
    store_abort(&e->store, txn);
    return rc;
}

int
entity_open(const char *dir, uint64_t map_bytes, struct entities **out)
{
    if (!map_bytes)
        map_bytes = sizeof(size_t) > 4 ? UINT64_C(64) << 30 : UINT64_C(1) << 30;
    const struct store_options o = {
        .what = "entities",
        .lost = "all entities are gone, unless that file can be repaired, "
                "until they are sent or imported again",
        .limit = "entities.map_size",
        .map_bytes = map_bytes,
    };
    struct entities *e = calloc(1, sizeof(*e));
    *out = NULL;
    if (!e)
        return -ENOMEM;
    int err = store_open(&e->store, dir, &o, entity_prepare, e);
    if (err) {
        entity_close(e);
        return err;
    }
    *out = e;
    return 0;
}

void
entity_close(struct entities *e)
{
    if (!e)
        return;
    store_close(&e->store);
    free(e);
}

size_t
entity_key(char out[ENTITY_KEY_MAX], struct slice kind, struct slice id)
{
    if (kind.len == 0 || kind.len > ENTITY_KIND_MAX || id.len == 0
        || id.len > ENTITY_ID_MAX)
        return 0;
    memcpy(out, kind.ptr, kind.len);
    out[kind.len] = 0;
    memcpy(out + kind.len + 1, id.ptr, id.len);
    return kind.len + 1 + id.len;
}

int
entity_view(struct slice kind, struct slice id, const MDB_val *value,
            struct entity *out)
{
    const char *bytes = value->mv_data;
    if (value->mv_size <= ENTITY_HEAD)
        return -EIO;
    const char *p = bytes + ENTITY_HEAD, *end = bytes + value->mv_size;
    out->kind = kind;
    out->id = id;
    out->first_seen_us = entity_time(bytes);
    out->last_seen_us = entity_time(bytes + 8);
    const int owned = (unsigned char) *p == ENTITY_OWNED;
    const char *traits = p += owned;
    if (msg_head(&p, end, &out->traits) || out->traits.type != IL_MAP)
        return -EIO;
    if (owned && (size_t) (end - p) < out->traits.count)
        return -EIO;
    end -= owned ? out->traits.count : 0;
    out->owners = owned ? (const uint8_t *) end : NULL;
    out->stored = slice_of(traits, (size_t) (end - traits));
    return 0;
}

int
entity_head(struct il_text *out, int64_t first_us, int64_t last_us)
{
    out->len = 0;
    if (text_reserve(out, ENTITY_HEAD))
        return -ENOMEM;
    entity_put_time(out->data, first_us);
    entity_put_time(out->data + 8, last_us);
    out->len = ENTITY_HEAD;
    return 0;
}
