/* SPDX-License-Identifier: MIT */
/* How far those who tell of entities have been listened to: beside the entities,
 * in the same transactions. */
#include "entity_store.h"

#define XXH_INLINE_ALL
#include <errno.h>
#include <string.h>
#include <xxhash.h>

/* Before any kind. */
#define MARK "\0mark"
#define MARK_HEAD (sizeof(MARK) - 1)
#define MARK_KEY (MARK_HEAD + sizeof(XXH128_hash_t))

/* Of a name of any length. */
static MDB_val
mark_key(char out[MARK_KEY], struct slice name)
{
    XXH128_canonical_t hash;
    XXH128_canonicalFromHash(&hash, XXH3_128bits(name.ptr, name.len));
    memcpy(out, MARK, MARK_HEAD);
    memcpy(out + MARK_HEAD, &hash, sizeof hash);
    return (MDB_val){ MARK_KEY, out };
}

static int
mark_get(struct entities *e, MDB_txn *txn, struct slice name,
         uint64_t *position)
{
    char bytes[MARK_KEY];
    MDB_val key = mark_key(bytes, name), value;
    int rc = mdb_get(txn, e->dbi, &key, &value);
    if (!rc && value.mv_size != sizeof *position)
        rc = -EIO;
    if (!rc)
        *position = (uint64_t) entity_time(value.mv_data);
    return rc;
}

int
entity_mark_read(struct entities *e, MDB_txn *txn, struct entity_mark *m)
{
    m->position = 0;
    int rc = mark_get(e, txn, m->name, &m->position);
    if (rc == MDB_NOTFOUND && m->was.ptr)
        rc = mark_get(e, txn, m->was, &m->position);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int
entity_mark_move(struct entities *e, MDB_txn *txn, struct entity_mark *marks,
                 size_t i, const struct entity_put *puts, size_t n)
{
    char bytes[MARK_KEY], position[8];
    struct entity_mark *m = &marks[i];
    const uint64_t before = m->position;
    for (size_t k = 0; k < n; k++)
        if (puts[k].mark == i && puts[k].position > m->position)
            m->position = puts[k].position;
    if (m->position == before)
        return 0;
    MDB_val key = mark_key(bytes, m->name);
    MDB_val value = { sizeof position, position };
    entity_put_time(position, (int64_t) m->position);
    return mdb_put(txn, e->dbi, &key, &value, 0);
}

uint64_t
entity_mark_count(struct entities *e, MDB_txn *txn)
{
    MDB_val key = { MARK_HEAD, (void *) MARK }, value;
    MDB_cursor *cursor;
    uint64_t n = 0;
    if (mdb_cursor_open(txn, e->dbi, &cursor))
        return 0;
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (!rc && key.mv_size == MARK_KEY
           && !memcmp(key.mv_data, MARK, MARK_HEAD)) {
        n++;
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return n;
}
