/* SPDX-License-Identifier: MIT */
#include "dead_store.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* To begin with; it grows. */
#define DEAD_MAP ((size_t) 256 << 20)

struct update {
    struct dead *dead;
    int (*fn)(struct dead *, MDB_txn *, void *arg);
    void *arg;
};

static int
update_run(void *arg, MDB_txn *txn)
{
    const struct update *u = arg;
    return u->fn(u->dead, txn, u->arg);
}

int
dead_update(struct dead *d, int (*fn)(struct dead *, MDB_txn *, void *arg),
            void *arg)
{
    struct update u = { d, fn, arg };
    return store_update(&d->store, update_run, &u);
}

uint64_t
dead_count_get(struct dead *d, MDB_txn *txn, const char *name)
{
    MDB_val key = { strlen(name), (void *) (uintptr_t) name }, value;
    uint64_t n = 0;
    if (!mdb_get(txn, d->counts, &key, &value) && value.mv_size == sizeof n)
        memcpy(&n, value.mv_data, sizeof n);
    return n;
}

int
dead_count_add(struct dead *d, MDB_txn *txn, const char *name, int64_t by)
{
    if (!by)
        return 0;
    uint64_t n = dead_count_get(d, txn, name);
    n = by < 0 && n < (uint64_t) -by ? 0 : n + (uint64_t) by;
    MDB_val key = { strlen(name), (void *) (uintptr_t) name };
    MDB_val value = { sizeof n, &n };
    return mdb_put(txn, d->counts, &key, &value, 0);
}

static int
dead_make(struct dead *d, MDB_txn *txn, unsigned flags)
{
    int rc = mdb_dbi_open(txn, "letters", flags, &d->letters);
    if (!rc)
        rc = mdb_dbi_open(txn, "refused", flags, &d->refused);
    if (!rc)
        rc = mdb_dbi_open(txn, "counts", flags, &d->counts);
    if (!rc)
        rc = mdb_dbi_open(txn, "claims", flags, &d->claims);
    /* What only reads needs not all of these, and an old store lacks them. */
    int writes = !d->store.options.read_only;
    if (!rc)
        rc = mdb_dbi_open(txn, "counted", flags, &d->counted);
    d->counts_none = rc == MDB_NOTFOUND && !writes;
    if (d->counts_none)
        rc = 0;
    if (!rc && writes)
        rc = mdb_dbi_open(txn, "due", flags, &d->due);
    if (!rc && writes)
        rc = mdb_dbi_open(txn, "shares", flags, &d->shares);
    return rc || !writes ? rc : dead_share_make(d, txn);
}

static int
dead_prepare(void *arg)
{
    struct dead *d = arg;
    int read_only = d->store.options.read_only;
    MDB_txn *txn;
    int rc = store_begin(&d->store, read_only ? MDB_RDONLY : 0, &txn);
    if (rc)
        return rc;
    rc = dead_make(d, txn, read_only ? 0 : MDB_CREATE);
    if (!rc)
        return store_commit(&d->store, txn);
    store_abort(&d->store, txn);
    return rc;
}

int
dead_open(const char *dir, int read_only, struct dead **out)
{
    const struct store_options o = {
        .what = "dead letters",
        .lost = "its dead letters, those too that were being tried again, are "
                "gone unless that file can be repaired",
        .map_bytes = DEAD_MAP,
        .databases = 7,
        .grows = 1,
        .read_only = read_only,
    };
    struct dead *d = calloc(1, sizeof *d);
    *out = NULL;
    if (!d)
        return -ENOMEM;
    pthread_mutex_init(&d->lock, NULL);
    int err = store_open(&d->store, dir, &o, dead_prepare, d);
    if (!err && !read_only) {
        err = dead_queue_start(d);
        if (err)
            log_error("dead letters: cannot start a thread: %s",
                      strerror(-err));
    }
    if (err) {
        dead_close(d);
        return err;
    }
    *out = d;
    return 0;
}

int
dead_is_new(const struct dead *d)
{
    return d->store.made;
}

void
dead_close(struct dead *d)
{
    if (!d)
        return;
    dead_queue_stop(d);
    store_close(&d->store);
    pthread_mutex_destroy(&d->lock);
    free(d);
}
