/* SPDX-License-Identifier: MIT */
#include "private.h"

#include "base/log.h"
#include "base/state_dir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Lanes, threads of the gate and commands at once; a slot is 64 bytes of
 * lock.mdb. */
#define STORE_READERS 1022
/* A process killed while it read leaves its slot behind, and pages that it
 * could see are not used again until somebody notices. */
#define STORE_CHECK_EVERY 1000 /* commits */
/* How long a remap waits for this process's readers; a lane holds its read
 * transaction for one batch, some milliseconds. */
#define STORE_REMAP_S 5
/* By how much a map grows past its limit where that is allowed: a transaction
 * that takes something out needs some dozen pages. */
#define STORE_PAST ((size_t) 1 << 20)

int
store_errno(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
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
    case MDB_VERSION_MISMATCH:
        return -EPROTO;
    case MDB_BAD_VALSIZE:
        return -EINVAL;
    default:
        if (rc >= MDB_KEYEXIST && rc <= MDB_LAST_ERRCODE)
            return -EIO;
        return rc > 0 ? -rc : rc;
    }
}

/* --- transactions --------------------------------------------------------- */

/* How large is the map, and (not NULL) how much of it is in use, pages that are
 * free again included? */
static size_t
map_size(struct store *s, size_t *used)
{
    MDB_envinfo info;
    MDB_stat stat;
    pthread_rwlock_rdlock(&s->map_lock);
    int rc = s->env ? mdb_env_info(s->env, &info) : MDB_PANIC;
    if (!rc)
        rc = mdb_env_stat(s->env, &stat);
    pthread_rwlock_unlock(&s->map_lock);
    if (used)
        *used = rc ? 0 : (info.me_last_pgno + 1) * stat.ms_psize;
    return rc ? 0 : info.me_mapsize;
}

/* Nobody in this process has a transaction until it is unlocked.  0: held. */
static int
lock_alone(struct store *s)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STORE_REMAP_S;
    return pthread_rwlock_timedwrlock(&s->map_lock, &until);
}

/* Lay the map anew: of this size, or as large as what is in it needs; 0: as
 * large as another process made it. */
static int
remap(struct store *s, size_t bytes)
{
    if (lock_alone(s))
        return MDB_MAP_RESIZED;
    int rc = s->env ? mdb_env_set_mapsize(s->env, bytes) : MDB_PANIC;
    s->maps++;
    pthread_rwlock_unlock(&s->map_lock);
    return rc;
}

/* Readers that are no more have kept pages, or slots: how many. */
static int
clear_readers(struct store *s)
{
    int dead = 0;
    pthread_rwlock_rdlock(&s->map_lock);
    int rc = s->env ? mdb_reader_check(s->env, &dead) : MDB_PANIC;
    pthread_rwlock_unlock(&s->map_lock);
    return rc ? 0 : dead;
}

/* They belong to an environment that goes. */
static void
kept_drop(struct store *s)
{
    pthread_mutex_lock(&s->kept_lock);
    for (struct store_kept *k = s->kept; k; k = k->next) {
        if (k->cursor)
            mdb_cursor_close(k->cursor);
        if (k->txn)
            mdb_txn_abort(k->txn);
        k->cursor = NULL;
        k->txn = NULL;
    }
    pthread_mutex_unlock(&s->kept_lock);
}

static void
env_close(struct store *s)
{
    if (s->env)
        mdb_env_close(s->env);
    s->env = NULL;
}

static int
env_new(struct store *s)
{
    const struct store_options *o = &s->options;
    uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE);
    uint64_t map = (o->map_bytes + page - 1) / page * page;
    unsigned flags = MDB_NOTLS | (o->read_only ? MDB_RDONLY : 0);
    int rc = mdb_env_create(&s->env);
    if (!rc)
        rc = mdb_env_set_maxdbs(s->env, o->databases);
    if (!rc)
        rc = mdb_env_set_mapsize(s->env, (size_t) map);
    if (!rc)
        rc = mdb_env_set_maxreaders(s->env, STORE_READERS);
    if (!rc)
        rc = mdb_env_open(s->env, s->dir, flags, 0600);
    s->opens++;
    return rc;
}

/* A write that failed at the very end of a transaction has LMDB refuse all
 * others, as it does not know what is on the disk.  Whoever opens it reads that
 * anew: either that transaction is there or the one before it.  seen: the
 * environment that refused. */
static int
open_anew(struct store *s, uint32_t seen)
{
    if (lock_alone(s))
        return MDB_MAP_RESIZED;
    if (s->opens != seen) {
        pthread_rwlock_unlock(&s->map_lock);
        return 0; /* somebody else did */
    }
    kept_drop(s);
    env_close(s);
    s->maps++;
    int rc = env_new(s);
    if (rc)
        env_close(s);
    s->preparing = !rc;
    s->preparer = pthread_self();
    pthread_rwlock_unlock(&s->map_lock);
    if (!rc) {
        rc = s->prepare(s->arg);
        pthread_rwlock_wrlock(&s->map_lock);
        s->preparing = 0;
        if (rc)
            env_close(s);
        pthread_rwlock_unlock(&s->map_lock);
    }
    if (rc)
        log_error("%s: cannot open %s again after a failed write: %s",
                  s->options.what, s->dir, mdb_strerror(rc));
    else
        log_warn("%s: %s was opened again after a failed write",
                 s->options.what, s->dir);
    return rc;
}

/* Can what stopped a transaction from beginning be mended? */
static int
mend(struct store *s, int rc, uint32_t seen)
{
    if (rc == MDB_MAP_RESIZED)
        return remap(s, 0) == 0;
    if (rc == MDB_PANIC)
        return open_anew(s, seen) == 0;
    return (rc == MDB_READERS_FULL || rc == MDB_BAD_RSLOT) && clear_readers(s);
}

/* With the lock held.  *txn NULL: a new one. */
static int
start_once(struct store *s, unsigned flags, MDB_txn **txn)
{
    if (!s->env)
        return MDB_PANIC;
    if (s->preparing && !pthread_equal(s->preparer, pthread_self()))
        return EAGAIN;
    return *txn ? mdb_txn_renew(*txn) : mdb_txn_begin(s->env, NULL, flags, txn);
}

static int
start(struct store *s, unsigned flags, MDB_txn **txn)
{
    for (int tries = 0;; tries++) {
        pthread_rwlock_rdlock(&s->map_lock);
        int rc = start_once(s, flags, txn);
        uint32_t seen = s->opens;
        if (!rc)
            return 0;
        pthread_rwlock_unlock(&s->map_lock);
        if (tries == 3 || !mend(s, rc, seen))
            return rc;
    }
}

int
store_begin(struct store *s, unsigned flags, MDB_txn **txn)
{
    *txn = NULL;
    return start(s, flags, txn);
}

void
store_abort(struct store *s, MDB_txn *txn)
{
    mdb_txn_abort(txn);
    pthread_rwlock_unlock(&s->map_lock);
}

int
store_kept_begin(struct store *s, struct store_kept *k)
{
    if (!k->listed) {
        pthread_mutex_lock(&s->kept_lock);
        k->next = s->kept;
        s->kept = k;
        k->listed = 1;
        pthread_mutex_unlock(&s->kept_lock);
    }
    return start(s, MDB_RDONLY, &k->txn);
}

void
store_kept_end(struct store *s, struct store_kept *k)
{
    mdb_txn_reset(k->txn);
    pthread_rwlock_unlock(&s->map_lock);
}

void
store_kept_free(struct store *s, struct store_kept *k)
{
    pthread_rwlock_rdlock(&s->map_lock);
    pthread_mutex_lock(&s->kept_lock);
    for (struct store_kept **at = &s->kept; *at; at = &(*at)->next)
        if (*at == k) {
            *at = k->next;
            break;
        }
    pthread_mutex_unlock(&s->kept_lock);
    if (k->cursor)
        mdb_cursor_close(k->cursor);
    if (k->txn)
        mdb_txn_abort(k->txn);
    pthread_rwlock_unlock(&s->map_lock);
    *k = (struct store_kept){ 0 };
}

int
store_commit(struct store *s, MDB_txn *txn)
{
    int rc = mdb_txn_commit(txn);
    pthread_rwlock_unlock(&s->map_lock);
    unsigned n = __atomic_add_fetch(&s->commits, 1, __ATOMIC_RELAXED);
    if (n % STORE_CHECK_EVERY == 0)
        clear_readers(s);
    return rc;
}

/* A transaction found the map full: can it be begun again? */
static int
make_room(struct store *s, int past, int *cleared)
{
    size_t size = map_size(s, NULL), more = size;
    uint64_t limit = s->options.limit_bytes;
    if (s->options.grows && size <= SIZE_MAX / 4)
        more = size * 2;
    if (limit && more > limit)
        more = size < limit ? (size_t) limit : past ? size + STORE_PAST : size;
    if (more > size)
        return remap(s, more) == 0;
    return !(*cleared)++ && clear_readers(s);
}

/* Another transaction, or another process, may have gone past it. */
static void
keep_limit(struct store *s)
{
    size_t used, size = map_size(s, &used);
    uint64_t limit = s->options.limit_bytes;
    if (size > limit && size > used)
        remap(s, (size_t) limit);
}

static int
update(struct store *s, int past, int (*fn)(void *arg, MDB_txn *), void *arg)
{
    if (s->options.limit_bytes && !past)
        keep_limit(s);
    for (int cleared = 0;;) {
        MDB_txn *txn;
        int rc = store_begin(s, 0, &txn);
        if (rc)
            return store_errno(rc);
        rc = fn(arg, txn);
        if (rc)
            store_abort(s, txn);
        else
            rc = store_commit(s, txn);
        if (rc != MDB_MAP_FULL)
            return store_errno(rc);
        if (!make_room(s, past, &cleared))
            return -ENOSPC;
    }
}

int
store_update(struct store *s, int (*fn)(void *arg, MDB_txn *), void *arg)
{
    return update(s, 0, fn, arg);
}

int
store_update_past(struct store *s, int (*fn)(void *arg, MDB_txn *), void *arg)
{
    return update(s, 1, fn, arg);
}

/* --- opening -------------------------------------------------------------- */

/* What root makes in another user's state_dir (an import before the daemon's
 * first start, a list beside no daemon) must be that user's, or the daemon
 * could not open it. */
static void
give(const struct store *s)
{
    static const char *const names[] = { ".", "data.mdb", "lock.mdb" };
    struct stat parent;
    char path[4096];
    if (geteuid() != 0 || state_dir_path(path, sizeof path, s->dir, "..")
        || stat(path, &parent) || parent.st_uid == 0)
        return;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!state_dir_path(path, sizeof path, s->dir, names[i])
            && lchown(path, parent.st_uid, parent.st_gid))
            log_warn("%s: cannot give %s to the owner of its folder: %s",
                     s->options.what, path, strerror(errno));
}

/* A name that was just made is durable once its folder is. */
static int
sync_names(const struct store *s)
{
    char path[4096];
    if (!s->made)
        return 0;
    int err = state_dir_path(path, sizeof path, s->dir, "..");
    if (!err)
        err = state_dir_sync(s->dir);
    return -(err ? err : state_dir_sync(path));
}

static int
open_env(struct store *s)
{
    int rc = env_new(s);
    if (rc)
        return rc;
    clear_readers(s);
    give(s);
    return s->prepare(s->arg);
}

static void
log_failure(const struct store *s, int rc)
{
    const struct store_options *o = &s->options;
    if (rc == MDB_INVALID || rc == MDB_CORRUPTED || rc == MDB_VERSION_MISMATCH)
        log_error("%s: %s/data.mdb is not a store that this version can read: "
                  "%s; move the folder away to go on without what is in it",
                  o->what, s->dir, mdb_strerror(rc));
    else if (rc == ENOMEM || rc == EINVAL) /* the latter under valgrind */
        log_error("%s: %s: no address space for the store's map; %s%s%sraise "
                  "the limit on virtual memory (ulimit -v)",
                  o->what, s->dir, o->limit ? "lower " : "",
                  o->limit ? o->limit : "", o->limit ? " or " : "");
    else
        log_error("%s: cannot open %s: %s", o->what, s->dir,
                  rc == EACCES ? state_dir_strerror(rc) : mdb_strerror(rc));
}

int
store_open(struct store *s, const char *dir, const struct store_options *o,
           int (*prepare)(void *arg), void *arg)
{
    char data[4096];
    *s = (struct store){ .options = *o, .prepare = prepare, .arg = arg };
    pthread_rwlock_init(&s->map_lock, NULL);
    pthread_mutex_init(&s->kept_lock, NULL);
    s->dir = strdup(dir);
    int rc = s->dir ? 0 : ENOMEM;
    if (!rc && !o->read_only && mkdir(dir, 0700) && errno != EEXIST)
        rc = errno;
    if (!rc) {
        int err = store_check(dir, o);
        if (err)
            return err; /* has said why */
        rc = -state_dir_path(data, sizeof data, dir, "data.mdb");
    }
    if (!rc) {
        s->made = access(data, F_OK) != 0;
        rc = open_env(s);
    }
    if (!rc)
        rc = sync_names(s);
    if (!rc)
        return 0;
    /* A store that was never written to is no store yet. */
    if (o->read_only && (rc == ENOENT || rc == MDB_NOTFOUND))
        return -ENOENT;
    if (s->dir)
        log_failure(s, rc);
    else
        log_error("%s: no memory to open %s", o->what, dir);
    return store_errno(rc);
}

void
store_close(struct store *s)
{
    if (!s->dir)
        return;
    env_close(s);
    pthread_rwlock_destroy(&s->map_lock);
    pthread_mutex_destroy(&s->kept_lock);
    free(s->dir);
    *s = (struct store){ .env = NULL };
}
