/* SPDX-License-Identifier: MIT */
/* The dead-letter store inside, shared by dead*.c.
 *
 *   letters  lane NUL position (big-endian)  -> record
 *   refused  number (big-endian)             -> record with the lane in it
 *   shares   lane NUL id of key NUL number  -> nothing; number 0 -> what there
 *            is of that key (dead_share.c)
 *   counts   lane                            -> u64; "\1" -> bytes in refused
 *   due      lane NUL time position          -> nothing (dead_timed.c)
 *   claims   lane NUL position of a letter   -> u64 position of its frame
 *   counted  the same, of letters that are gone (dead_counted.c)
 *
 * A record is a struct dead_head, its texts, each with a NUL, what was decided,
 * and the event. */
#ifndef DEAD_STORE_H
#define DEAD_STORE_H

#include "dead.h"
#include "dead_wait.h"
#include "private.h"
#include "base/metrics.h"

#define DEAD_BYTES_KEY "\1" /* in counts: bytes of all refusals */
#define DEAD_KEY_MAX (DEAD_LANE_MAX + 1 + 8)

struct dead {
    struct store store;
    MDB_dbi letters, refused, shares, counts, claims, counted, due;
    int counts_none; /* only read, and by an old version: without `counted` */

    /* The queue of refusals; lock guards all that follows. */
    pthread_mutex_t lock;
    pthread_cond_t wake, written;
    pthread_t thread;
    int has_thread, stop, hurry;
    int failing_now; /* atomic: dead_refused_now() did, and has said so */
    struct dead_wait waiting;
    uint64_t added, done; /* refusals: taken in; written or discarded */
    uint64_t failures;    /* groups that could not be written */
    uint64_t max_refusals, max_bytes;
    struct il_counter *kept, *lost;
};

/* store_update() of this store. */
int dead_update(struct dead *, int (*fn)(struct dead *, MDB_txn *, void *arg),
                void *arg);

/* Change a count by so much. */
int dead_count_add(struct dead *, MDB_txn *, const char *key, int64_t by);
uint64_t dead_count_get(struct dead *, MDB_txn *, const char *key);

/* "gate/...": kept among the refusals. */
int dead_is_gate(const char *lane);
/* Write the key of a letter; its length. */
size_t dead_key(char out[DEAD_KEY_MAX], const char *lane, uint64_t position);
uint64_t dead_key_number(const void *big_endian);
void dead_key_set(void *out, uint64_t number);

/* Records: size, writing, and viewing (0, -EIO, or -ENOTSUP: of a newer version;
 * letter->lane only where the record has one). */
size_t dead_record_size(const struct dead_letter *, int with_lane);
void dead_record_write(char *out, const struct dead_letter *, int with_lane);
int dead_record_view(const void *bytes, size_t len, struct dead_letter *);
/* One that has a time: all its times are later by so much, or earlier. */
void dead_record_shift(void *bytes, int64_t by_us);
/* Log what that answered. */
void dead_record_say(int err, const void *bytes, size_t len, const char *lane,
                     uint64_t position);

/* dead_claim.c */
/* The frame that has claimed a letter, given its key; 0: none. */
uint64_t dead_claim_of(struct dead *, MDB_txn *, const MDB_val *letter);
/* The letter with this key is gone.  An LMDB code. */
int dead_claim_drop(struct dead *, MDB_txn *, const MDB_val *letter);
/* One more, where there is none. */
int dead_claim_set(struct dead *, MDB_txn *, const char *lane, uint64_t letter,
                   uint64_t position);
/* So are those of lane within (after, up_to] that have no letter. */
int dead_claims_trim(struct dead *, MDB_txn *, const char *lane,
                     uint64_t after, uint64_t up_to);

/* dead_counted.c */
/* The frame by which a letter's event went to its lane, given the key of the
 * letter, which is gone; 0: none. */
uint64_t dead_counted_of(struct dead *, MDB_txn *, const MDB_val *letter);
int dead_counted_put(struct dead *, MDB_txn *, const MDB_val *letter,
                     uint64_t position);
/* Those of a lane under another name, or (NULL) none. */
int dead_counted_move(struct dead *, MDB_txn *, const char *from,
                      const char *to);

/* dead_timed.c; LMDB codes.  `due` is for writers only.  Each is given the key
 * of a letter: it was written, it goes, a frame has claimed it or has not any
 * more.  What is no such letter is passed over. */
int dead_timed_put(struct dead *, MDB_txn *, const MDB_val *key,
                   const MDB_val *value);
int dead_timed_gone(struct dead *, MDB_txn *, const MDB_val *key,
                    const MDB_val *value);
int dead_timed_claimed(struct dead *, MDB_txn *, const MDB_val *letter,
                       int claimed);
int dead_is_timed(struct dead *, MDB_txn *, const MDB_val *letter); /* 1, 0 */
/* How many of a lane there are, or of all ("", not NULL). */
uint64_t dead_timed_count(struct dead *, MDB_txn *, const char *lane);

/* dead_share.c; LMDB codes.  `shares` is for writers only. */
/* A refusal with this number, and a record of this size, is there, or goes. */
int dead_share_add(struct dead *, MDB_txn *, const struct dead_letter *,
                   uint64_t number, size_t size);
int dead_share_drop(struct dead *, MDB_txn *, const struct dead_letter *,
                    uint64_t number, size_t size);
/* Make the table, where refusals are older than it. */
int dead_share_make(struct dead *, MDB_txn *);
/* Let refusals go until the rest is within the limits; *bytes is what all of
 * them have, *gone how many went. */
int dead_share_trim(struct dead *, MDB_txn *, uint64_t max_refusals,
                    uint64_t max_bytes, uint64_t *bytes, uint64_t *gone);

/* dead_queue.c */
int dead_queue_start(struct dead *);
void dead_queue_stop(struct dead *);

#endif
