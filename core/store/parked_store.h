/* SPDX-License-Identifier: MIT */
/* The store of lanes by event inside, shared by parked*.c.  Numbers in keys are
 * big-endian, so that they sort.
 *
 *   lane     0                             -> format, next number of a lane
 *            number                        -> struct parked_state
 *   parked   number position               -> record
 *   due      number due_us position        -> nothing
 *   chain    number order hash position    -> nothing
 *   letters  number position               -> record
 *   done     number position               -> UUID of the spool
 *
 * The number of a lane (4 bytes, never used again) stands for its name, so that
 * a rename is one put.
 *
 * What stays true, because only parked_change.c writes to these: each parked
 * event without an order hash, and the first one of each chain, has its key in
 * `due`, at since + delay of its record; the others have none; the lane's
 * record counts what there is.  Whoever changes a lane writes that record in
 * the same transaction, so counts need no walk, and several processes agree on
 * them.
 *
 * Locks.  struct parked has one, for the list of handles, what was reported as
 * damaged, and the marks of a handle; nothing is called under it.  A handle's
 * scan lock is held over one transaction of parked_due.c. */
#ifndef PARKED_STORE_H
#define PARKED_STORE_H

#include "parked.h"
#include "private.h"

#define PARKED_KEY 12      /* of parked and letters */
#define PARKED_LONG_KEY 20 /* of due and chain */
#define PARKED_REPORTS 64  /* damaged records that are named in the log */

enum parked_kind { PARKED_EVENT = 'e', PARKED_LETTER = 'l' };

/* How a lane is: its record. */
struct parked_state {
    char name[PARKED_NAME_MAX + 1];
    uint8_t spool[16];
    uint64_t position;
    uint64_t parked, parked_bytes, letters, letter_bytes;
    uint64_t chained; /* keys in chain */
    /* No `since` of a head is greater; where it is greater than now, the clock
     * went back. */
    int64_t since_max;
};

struct parked_report {
    uint32_t number;
    enum parked_kind kind;
    uint64_t position;
};

struct parked {
    struct store store;
    MDB_dbi lane, parked, due, chain, letters, done;
    pthread_mutex_t lock; /* of all that follows */
    struct parked_lane *lanes;
    struct parked_report reports[PARKED_REPORTS];
    size_t reports_n;
};

/* A handle. */
struct parked_lane {
    struct parked *store;
    uint32_t number;
    struct parked_lane *next;
    /* state.chained after the newest transaction that is known, and which that
     * was; atomic, written under the store's lock. */
    uint64_t chained;
    size_t seen_txn;
    /* Looking at what a clock that went back means (parked_due.c). */
    pthread_mutex_t scan_lock; /* of the rest */
    int scanning;
    int64_t scan_began_us;
    struct parked_due scanned; /* this far */
};

/* A transaction that changes a lane. */
struct parked_change {
    struct parked *p;
    MDB_txn *txn;
    uint32_t number;
    struct parked_state state; /* written at the end */
    int64_t now_us;            /* 0: the caller has not said */
};

/* --- parked_record.c --- */

void parked_key(uint8_t out[PARKED_KEY], uint32_t number, uint64_t position);
void parked_long_key(uint8_t out[PARKED_LONG_KEY], uint32_t number,
                     uint64_t middle, uint64_t position);
uint32_t parked_key_number(const void *key);
/* The 8 bytes at p. */
uint64_t parked_key_u64(const void *p);

/* Records of events and of letters are the same: of a letter, since_us is when
 * it was given up, and delay_us and order_hash say nothing.  The sum of one
 * covers the key too, so that one in a wrong place is damaged. */
size_t parked_record_size(const struct parked_event *);
void parked_record_write(void *out, uint32_t number, enum parked_kind,
                         const struct parked_event *);
/* 0 or -EIO; *e points into bytes; its position is the key's. */
int parked_record_view(const void *bytes, size_t len, uint32_t number,
                       enum parked_kind, uint64_t position,
                       struct parked_event *);
/* Make the sum right, for tests that write records of their own. */
void parked_record_seal(void *bytes, size_t len, uint32_t number,
                        enum parked_kind, uint64_t position);
struct parked_letter parked_as_letter(const struct parked_event *);
struct parked_event parked_of_letter(const struct parked_letter *);

#define PARKED_STATE_MAX (128 + PARKED_NAME_MAX)
/* The record of a lane: its bytes, and back: 0 or -EIO. */
size_t parked_state_write(void *out, uint32_t number,
                          const struct parked_state *);
int parked_state_view(const void *bytes, size_t len, uint32_t number,
                      struct parked_state *);

/* --- parked_store.c; LMDB codes where nothing else is said --- */

/* A lane's record.  -EIO: damaged, and that was said. */
int parked_state_get(struct parked *, MDB_txn *, uint32_t number,
                     struct parked_state *);
int parked_state_put(struct parked *, MDB_txn *, uint32_t number,
                     const struct parked_state *);
/* A number that no lane had before. */
int parked_number_new(struct parked *, MDB_txn *, uint32_t *number);
/* Say that a record is damaged, once. */
void parked_report(struct parked *, uint32_t number, const char *lane,
                   enum parked_kind, uint64_t position);
/* Run fn in a transaction of the lane and commit it when fn returns 0.  fn
 * returns an LMDB code or a negative errno; -ECANCELED: there is nothing to
 * change.  adds: it may not go past the limit.  0 or a negative errno. */
int parked_change_run(struct parked_lane *, int adds,
                      int (*fn)(struct parked_change *, void *arg), void *arg);
/* The handle of a lane whose record was read in this transaction.  NULL: no
 * memory. */
struct parked_lane *parked_handle(struct parked *, MDB_txn *, uint32_t number,
                                  const struct parked_state *);

/* --- parked_lane.c --- */

/* The sound lane with the smallest number from *number on, and its name
 * (PARKED_NAME_MAX + 1 bytes).  0, -ENOENT or another negative errno. */
int parked_lane_after(struct parked *, uint32_t *number, char *name);

/* --- parked_change.c; LMDB codes, and -EIO of a damaged record --- */

MDB_dbi parked_dbi(const struct parked *, enum parked_kind);
/* View the record at this position, in the transaction's memory.  -EIO:
 * damaged, and that was said. */
int parked_get(struct parked *, MDB_txn *, uint32_t number, const char *lane,
               enum parked_kind, uint64_t position, struct parked_event *);
/* The first position with this prefix (12 bytes) in `chain`. */
int parked_chain_head(struct parked *, MDB_txn *, uint32_t number,
                      uint64_t hash, uint64_t *position);
/* The head of the event's chain, where that is another one; else 0. */
uint64_t parked_behind(struct parked *, MDB_txn *, uint32_t number,
                       const struct parked_event *);
/* Add one where there is none; replace a parked one, of which `old` was read,
 * by one of the same hash; take one out, damaged or not.  `e` and `old` may not
 * point into the store, but for their texts and event where nothing was written
 * since they were read. */
int parked_put(struct parked_change *, enum parked_kind,
               const struct parked_event *e);
int parked_replace(struct parked_change *, const struct parked_event *old,
                   const struct parked_event *e);
int parked_take(struct parked_change *, enum parked_kind, uint64_t position);
/* Copy what an event points to into buffer, and let it point there.  0 or
 * ENOMEM. */
int parked_keep(struct il_text *buffer, struct parked_event *);

#endif
