/* SPDX-License-Identifier: MIT */
#include "dead_store.h"

#include "base/log.h"
#include "base/state_dir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Address space, not disk; doubled when it is full. */
#define DEAD_MAP ((size_t) 256 << 20)

int
dead_errno(int rc)
{
    switch (rc) {
    case 0:
        return 0;
    case MDB_NOTFOUND:
        return -ENOENT;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        return -ENOSPC;
    case MDB_READERS_FULL:
    case MDB_MAP_RESIZED:
    case MDB_BAD_RSLOT:
        return -EAGAIN;
    case MDB_BAD_VALSIZE:
        return -EINVAL;
    default:
        return rc > 0 ? -rc : -EIO;
    }
}

/* Lay the map anew: as large as another process made it (factor 0), or larger.
 * No transaction of this process may be open: LMDB's rule. */
static int
dead_remap(struct dead *d, size_t factor)
{
    MDB_envinfo info;
    pthread_rwlock_wrlock(&d->map_lock);
    mdb_env_info(d->env, &info);
    int rc = ENOMEM;
    if (info.me_mapsize <= SIZE_MAX / 4)
        rc = mdb_env_set_mapsize(d->env, info.me_mapsize * factor);
    pthread_rwlock_unlock(&d->map_lock);
    return rc;
}

int
dead_begin(struct dead *d, unsigned flags, MDB_txn **txn)
{
    int rc = 0;
    for (int tries = 0; tries < 4; tries++) {
        pthread_rwlock_rdlock(&d->map_lock);
        rc = mdb_txn_begin(d->env, NULL, flags, txn);
        if (!rc)
            return 0;
        pthread_rwlock_unlock(&d->map_lock);
        int dead_readers;
        if (rc == MDB_MAP_RESIZED)
            dead_remap(d, 0);
        else if (rc == MDB_READERS_FULL || rc == MDB_BAD_RSLOT)
            mdb_reader_check(d->env, &dead_readers);
        else
            break;
    }
    return rc;
}

int
dead_end(struct dead *d, MDB_txn *txn, int rc)
{
    if (rc)
        mdb_txn_abort(txn);
    else
        rc = mdb_txn_commit(txn);
    pthread_rwlock_unlock(&d->map_lock);
    return rc;
}

int
dead_update(struct dead *d, int (*fn)(struct dead *, MDB_txn *, void *arg),
            void *arg)
{
    for (;;) {
        MDB_txn *txn;
        int rc = dead_begin(d, 0, &txn);
        if (rc)
            return dead_errno(rc);
        rc = dead_end(d, txn, fn(d, txn, arg));
        if (rc != MDB_MAP_FULL || dead_remap(d, 2))
            return dead_errno(rc);
    }
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
dead_make(struct dead *d, MDB_txn *txn, void *arg)
{
    (void) arg;
    unsigned flags = d->read_only ? 0 : MDB_CREATE;
    int rc = mdb_dbi_open(txn, "letters", flags, &d->letters);
    if (!rc)
        rc = mdb_dbi_open(txn, "refused", flags, &d->refused);
    if (!rc)
        rc = mdb_dbi_open(txn, "counts", flags, &d->counts);
    if (!rc)
        rc = mdb_dbi_open(txn, "claims", flags, &d->claims);
    if (!rc && !d->read_only)
        rc = mdb_dbi_open(txn, "shares", flags, &d->shares);
    return rc || d->read_only ? rc : dead_share_make(d, txn);
}

static int
dead_env(struct dead *d)
{
    char data[4096];
    if (!d->read_only)
        state_dir_unfinished(d->dir);
    if (!state_dir_path(data, sizeof data, d->dir, "data.mdb"))
        d->made = access(data, F_OK) != 0;
    int stale, rc = mdb_env_create(&d->env);
    if (rc)
        return rc;
    mdb_env_set_maxdbs(d->env, 5);
    unsigned flags = MDB_NOTLS | (d->read_only ? MDB_RDONLY : 0);
    if ((rc = mdb_env_set_mapsize(d->env, DEAD_MAP))
        || (rc = mdb_env_open(d->env, d->dir, flags, 0600)))
        return rc;
    mdb_reader_check(d->env, &stale); /* of processes that were killed */
    MDB_txn *txn;
    rc = dead_begin(d, d->read_only ? MDB_RDONLY : 0, &txn);
    return rc ? rc : dead_end(d, txn, dead_make(d, txn, NULL));
}

int
dead_open(const char *dir, int read_only, struct dead **out)
{
    int rc = ENOMEM;
    struct dead *d = calloc(1, sizeof *d);
    *out = NULL;
    if (!d)
        return -ENOMEM;
    d->read_only = read_only;
    pthread_rwlock_init(&d->map_lock, NULL);
    pthread_mutex_init(&d->lock, NULL);
    d->dir = strdup(dir);
    if (!d->dir)
        goto fail;
    rc = read_only || !mkdir(dir, 0700) || errno == EEXIST ? 0 : errno;
    if (rc || (rc = dead_env(d)))
        goto fail;
    if (!read_only && (rc = -dead_queue_start(d)))
        goto fail;
    *out = d;
    return 0;
fail:
    dead_close(d);
    /* A store that was never written to is no store yet. */
    if (read_only && (rc == ENOENT || rc == MDB_NOTFOUND))
        return -ENOENT;
    log_error("dead letters: cannot open %s: %s%s", dir, mdb_strerror(rc),
              rc == MDB_INVALID || rc == MDB_CORRUPTED
                      || rc == MDB_VERSION_MISMATCH
                  ? "; move the folder away to go on without what is in it"
                  : "");
    return dead_errno(rc);
}

int
dead_is_new(const struct dead *d)
{
    return d->made;
}

void
dead_close(struct dead *d)
{
    if (!d)
        return;
    dead_queue_stop(d);
    if (d->env)
        mdb_env_close(d->env);
    pthread_rwlock_destroy(&d->map_lock);
    pthread_mutex_destroy(&d->lock);
    free(d->dir);
    free(d);
}
