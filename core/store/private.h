/* SPDX-License-Identifier: MIT */
/* What is kept for longer than the spool keeps it, on LMDB.
 *
 * What lives here.  lmdb.c is the one wrapper around LMDB: opening, errors,
 * transactions, and a map that moves.  lmdb_check.c looks at a file before it
 * is mapped.  On top of them are three stores, each a folder of its own below
 * state_dir: dead*.c keeps dead letters (dead_store.h says how), parked*.c what
 * waits for another try one by one, and its letters (parked_store.h), entity*.c
 * entities (entity.h).  retry.c brings dead letters back to their lanes.
 *
 * Processes.  Several may have a store open at once, the daemon and any number
 * of commands, each of them once: LMDB's locks belong to the process.  One
 * writes at a time, whoever it is; readers wait for nobody.  A slot that a
 * killed reader left behind is cleared at open, now and then after a commit,
 * and when slots run out.
 *
 * Threads.  A struct store is for any number of them.  map_lock is held for
 * reading from a transaction's begin to its end, and for writing while the map
 * is laid anew, which LMDB allows only when no transaction of this process is
 * open.  A thread has one transaction at a time, so it cannot wait for itself.
 * The same lock is for the environment itself: LMDB takes no more transactions
 * after a failure at the end of one, and then it is closed and opened anew.
 *
 * After a crash.  What was committed is there: LMDB syncs, and writes no page
 * that a reader may see.  A file whose making was cut off is made anew.  One
 * that is shorter than what it says is in use would end the process by SIGBUS
 * at the first look behind its end: it is set aside as
 * data.mdb.damaged-<time>, the log says what is lost, and the store begins
 * empty.  Pages have no checksum: one that was changed in place is not noticed
 * here. */
#ifndef STORE_PRIVATE_H
#define STORE_PRIVATE_H

#include <lmdb.h>
#include <pthread.h>
#include <stdint.h>

struct store_options {
    const char *what;   /* what is in it; log lines begin with it */
    const char *lost;   /* what it means when the file is set aside */
    const char *limit;  /* the option that map_bytes comes from, or NULL */
    uint64_t map_bytes; /* address space, not disk */
    unsigned databases; /* how many have names */
    int grows; /* the map is doubled when it is full; else full is full */
    uint64_t limit_bytes; /* where it grows: not past this; 0: no limit */
    int read_only;
};

/* A read transaction that is begun again and again, and a cursor of it, which
 * its owner opens and renews.  Both may be gone at the next begin. */
struct store_kept {
    MDB_txn *txn;
    MDB_cursor *cursor;
    struct store_kept *next;
    int listed;
};

struct store {
    struct store_options options;
    MDB_env *env;
    char *dir;
    int made; /* by this store_open() */
    pthread_rwlock_t map_lock;
    uint32_t maps; /* how often the map was laid anew; with the lock */
    uint32_t opens; /* how often the environment was; with the lock */
    /* Whoever opens it goes over its databases (prepare) while nobody else
     * begins a transaction. */
    int preparing;
    pthread_t preparer;
    int (*prepare)(void *arg);
    void *arg;
    pthread_mutex_t kept_lock;
    struct store_kept *kept; /* with kept_lock */
    unsigned commits;
};

/* Open or make the store in dir: the folder with mode 0700, its files 0600, as
 * the folder's owner where root does it.  The parent must be there.  prepare
 * opens the databases and returns an LMDB code.  0, or a negative errno after a
 * log line; only -ENOENT of a store that is read and was never written to comes
 * without.  Then store_close() is still due. */
int store_open(struct store *, const char *dir, const struct store_options *,
               int (*prepare)(void *arg), void *arg);
/* Copes with one that is zeroed or half open. */
void store_close(struct store *);

/* An LMDB code as 0 or a negative errno; a negative errno stays what it is.
 * -EAGAIN: it passes by itself (all slots for readers are taken, the map is
 * being laid anew); -ENOSPC: the map or the disk is full. */
int store_errno(int rc);

/* Transactions.  LMDB codes.  When begun the map stays where it is until one of
 * those that end it. */
int store_begin(struct store *, unsigned flags, MDB_txn **);
int store_commit(struct store *, MDB_txn *);
void store_abort(struct store *, MDB_txn *);
/* Of one that is zeroed at first; by one thread at a time. */
int store_kept_begin(struct store *, struct store_kept *);
void store_kept_end(struct store *, struct store_kept *);
void store_kept_free(struct store *, struct store_kept *); /* has ended */

/* Run fn in a write transaction and commit it when fn returns 0; again, from
 * the beginning, where the map was full and there is a way to make room.  fn
 * returns an LMDB code or a negative errno.  0 or a negative errno. */
int store_update(struct store *, int (*fn)(void *arg, MDB_txn *), void *arg);
/* The same for what leaves no more in the store than there was: it may go a
 * little past the limit.  Even taking something out writes pages before it
 * gives others back, and a store that is full would stay so. */
int store_update_past(struct store *, int (*fn)(void *arg, MDB_txn *),
                      void *arg);

/* --- lmdb_check.c --- */

/* Look at dir/data.mdb before LMDB maps it, and set it aside, or remove it
 * where its making was never finished.  0: what is there now can be opened, or
 * made; -ENOENT: it is to be read and was never finished; -EIO after a log
 * line: it is damaged and has to stay, since it is to be read only, or another
 * process has it open. */
int store_check(const char *dir, const struct store_options *);

#endif
