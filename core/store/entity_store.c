/* SPDX-License-Identifier: MIT */
#include "entity_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENTITY_FORMAT "1"
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
        && (value.mv_size != strlen(ENTITY_FORMAT)
            || memcmp(value.mv_data, ENTITY_FORMAT, value.mv_size)))
        rc = MDB_VERSION_MISMATCH;
    return rc;
}

static int
entity_format_write(struct entities *e, MDB_txn *txn)
{
    MDB_val key = format_key;
    MDB_val value = { strlen(ENTITY_FORMAT), (void *) ENTITY_FORMAT };
    int rc = entity_format_check(e, txn);
    return rc == MDB_NOTFOUND ? mdb_put(txn, e->dbi, &key, &value, 0) : rc;
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
    if (msg_head(&p, end, &out->traits) || out->traits.type != IL_MAP)
        return -EIO;
    return 0;
}
