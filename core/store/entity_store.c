/* SPDX-License-Identifier: MIT */
#include "entity_store.h"

#include "base/log.h"
#include "base/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ENTITY_FORMAT "1"
/* Lanes, gate threads and commands at once; a slot is 64 bytes of lock.mdb. */
#define ENTITY_READERS 1022
/* A process killed while it read leaves its slot behind, and pages that it
 * could see are not used again until somebody notices. */
#define ENTITY_CHECK_EVERY 1000 /* commits */
/* How long a remap waits for this process's readers; a lane holds its read
 * transaction for one batch, some milliseconds. */
#define ENTITY_REMAP_S 5

static const MDB_val format_key = { 7, (void *) "\0format" };

int
entity_errno(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return 0;
    case MDB_NOTFOUND:
        return -ENOENT;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        return -ENOSPC;
    case MDB_MAP_RESIZED:
        return -EAGAIN;
    case MDB_READERS_FULL:
        return -EUSERS;
    case MDB_VERSION_MISMATCH:
        return -EPROTO;
    case MDB_BAD_VALSIZE:
        return -EINVAL;
    default:
        return rc > 0 ? -rc : -EIO;
    }
}

static int
entity_remap(struct entities *e)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ENTITY_REMAP_S;
    int rc = pthread_rwlock_timedwrlock(&e->map_lock, &until);
    if (rc)
        return MDB_MAP_RESIZED;
    rc = mdb_env_set_mapsize(e->env, 0);
    e->maps++;
    pthread_rwlock_unlock(&e->map_lock);
    return rc;
}

/* Can what stopped a transaction from beginning be mended? */
static int
entity_mend(struct entities *e, int rc)
{
    int dead = 0;
    if (rc == MDB_MAP_RESIZED)
        return entity_remap(e) == 0;
    if (rc == MDB_READERS_FULL)
        return mdb_reader_check(e->env, &dead) == 0 && dead > 0;
    return 0;
}

int
entity_txn(struct entities *e, unsigned flags, MDB_txn **txn)
{
    for (int tries = 0;; tries++) {
        pthread_rwlock_rdlock(&e->map_lock);
        int rc = *txn ? mdb_txn_renew(*txn)
                      : mdb_txn_begin(e->env, NULL, flags, txn);
        if (!rc)
            return 0;
        pthread_rwlock_unlock(&e->map_lock);
        if (tries == 3 || !entity_mend(e, rc))
            return rc;
    }
}

void
entity_abort(struct entities *e, MDB_txn *txn)
{
    mdb_txn_abort(txn);
    pthread_rwlock_unlock(&e->map_lock);
}

int
entity_commit(struct entities *e, MDB_txn *txn)
{
    int rc = mdb_txn_commit(txn), dead = 0;
    pthread_rwlock_unlock(&e->map_lock);
    unsigned n = __atomic_add_fetch(&e->commits, 1, __ATOMIC_RELAXED);
    if (n % ENTITY_CHECK_EVERY == 0)
        mdb_reader_check(e->env, &dead);
    return rc;
}

/* A name that was just made is durable once its folder is. */
static void
entity_sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

/* What root makes in another user's state_dir (an import before the daemon's
 * first start) must be that user's, or the daemon could not open it. */
static void
entity_give(const char *dir)
{
    struct stat parent;
    char path[4096];
    if (geteuid() != 0 || snprintf(path, sizeof(path), "%s/..", dir) < 0
        || stat(path, &parent) != 0 || parent.st_uid == 0)
        return;
    static const char *const names[] = { "", "/data.mdb", "/lock.mdb" };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        snprintf(path, sizeof(path), "%s%s", dir, names[i]);
        if (lchown(path, parent.st_uid, parent.st_gid) != 0)
            log_warn("entities: cannot give %s to the owner of its folder: %s",
                     path, strerror(errno));
    }
}

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

/* Reads first, so that opening a store that is in use waits for no writer. */
static int
entity_format(struct entities *e)
{
    MDB_val key = format_key;
    MDB_val value = { strlen(ENTITY_FORMAT), (void *) ENTITY_FORMAT };
    MDB_txn *txn = NULL;
    int rc = entity_txn(e, MDB_RDONLY, &txn);
    if (rc)
        return rc;
    rc = entity_format_check(e, txn);
    if (rc == 0)
        return entity_commit(e, txn); /* keeps the handle */
    entity_abort(e, txn);
    if (rc != MDB_NOTFOUND)
        return rc;
    txn = NULL;
    rc = entity_txn(e, 0, &txn);
    if (rc)
        return rc;
    rc = entity_format_check(e, txn);
    if (rc == MDB_NOTFOUND)
        rc = mdb_put(txn, e->dbi, &key, &value, 0);
    if (!rc)
        return entity_commit(e, txn);
    entity_abort(e, txn);
    return rc;
}

static int
entity_open_env(struct entities *e, uint64_t map_bytes)
{
    state_dir_unfinished(e->dir);
    int dead = 0, rc = mdb_env_create(&e->env);
    if (!map_bytes)
        map_bytes = sizeof(size_t) > 4 ? UINT64_C(64) << 30 : UINT64_C(1) << 30;
    uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE);
    map_bytes = (map_bytes + page - 1) / page * page;
    if (!rc)
        rc = mdb_env_set_mapsize(e->env, (size_t) map_bytes);
    if (!rc)
        rc = mdb_env_set_maxreaders(e->env, ENTITY_READERS);
    if (!rc)
        rc = mdb_env_open(e->env, e->dir, MDB_NOTLS, 0600);
    if (!rc)
        mdb_reader_check(e->env, &dead);
    return rc ? rc : entity_format(e);
}

static void
entity_open_failed(const char *dir, int rc)
{
    if (rc == MDB_INVALID || rc == MDB_VERSION_MISMATCH)
        log_error("entities: %s/data.mdb is not an entity store that this "
                  "version can read: %s",
                  dir, mdb_strerror(rc));
    else if (rc == ENOMEM || rc == EINVAL) /* the latter under valgrind */
        log_error("entities: %s: no address space for the store's map; lower "
                  "entities.map_size or raise the limit on virtual memory "
                  "(ulimit -v)",
                  dir);
    else
        log_error("entities: cannot open %s: %s", dir, mdb_strerror(rc));
}

int
entity_open(const char *dir, uint64_t map_bytes, struct entities **out)
{
    struct entities *e = calloc(1, sizeof(*e));
    int rc = ENOMEM;
    *out = NULL;
    if (!e)
        return -ENOMEM;
    pthread_rwlock_init(&e->map_lock, NULL);
    e->dir = strdup(dir);
    if (!e->dir)
        goto fail;
    int made = mkdir(dir, 0700) == 0;
    if (!made && errno != EEXIST) {
        rc = errno;
        goto fail;
    }
    rc = entity_open_env(e, map_bytes);
    if (rc)
        goto fail;
    entity_give(dir);
    entity_sync_dir(dir);
    if (made) {
        char path[4096];
        if (snprintf(path, sizeof(path), "%s/..", dir) < (int) sizeof(path))
            entity_sync_dir(path);
    }
    *out = e;
    return 0;
fail:
    entity_open_failed(dir, rc);
    entity_close(e);
    return entity_errno(rc);
}

void
entity_close(struct entities *e)
{
    if (!e)
        return;
    if (e->env)
        mdb_env_close(e->env);
    pthread_rwlock_destroy(&e->map_lock);
    free(e->dir);
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

static int64_t
entity_get_time(const char *in)
{
    uint64_t us;
    memcpy(&us, in, sizeof us);
    return (int64_t) le64toh(us);
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
    out->first_seen_us = entity_get_time(bytes);
    out->last_seen_us = entity_get_time(bytes + 8);
    if (msg_head(&p, end, &out->traits) || out->traits.type != IL_MAP)
        return -EIO;
    return 0;
}
