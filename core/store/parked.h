/* SPDX-License-Identifier: MIT */
/* What lanes whose unit is the event leave behind: events that wait for
 * another try (parked), their dead letters, and how far the lane is.  All three
 * change in one transaction, so they have an LMDB environment of their own,
 * STATE_DIR/parked/; letters of other lanes are in dead.h.
 *
 * Any thread may call any of this but parked_close(), in any number of
 * processes, each of which has the store open once.  One transaction writes at
 * a time, whoever it is, and a call blocks no longer than until its own is
 * done: parked_settle() and the others that change something wait for the disk,
 * and what they have said is durable.  What only reads waits for nobody.
 *
 * Functions that are not void return 0, or more where they say so, or a
 * negative errno.  -ENOSPC: the store, or the disk, is full (a disk that became
 * full within a write is -EIO); -ENOENT: there is no such record, or the lane
 * was forgotten meanwhile; -EAGAIN: it passes by itself.  After an error
 * nothing has changed, unless it came from the disk at the very end: the same
 * call may always be repeated.  Only parked_open() logs its own.  A damaged
 * record is logged once a process with lane and position, and left out from
 * then on.
 *
 * Times are those of clock_wall_us(); the caller brings them along. */
#ifndef PARKED_H
#define PARKED_H

#include "base/text.h"

#include <stdint.h>

#define PARKED_NAME_MAX 400 /* bytes of a lane's name, as DEAD_LANE_MAX */

struct parked;
struct parked_lane;

/* --- records ---
 * Texts end with NUL; NULL is taken for "" and never given.  They are cut at
 * 4096 bytes, between characters. */

struct parked_event {
    uint64_t position; /* in the spool */
    uint32_t attempts; /* that counted */
    /* When it was parked first, when last, and for how long: due at since +
     * delay.  Where the clock went back behind `since`, by more than a second,
     * parked_due() notices and makes it due a delay from then. */
    int64_t first_us, since_us, delay_us;
    const char *code, *message, *target;
    /* Of its order key, 0: none.  Events of a lane with the same hash are a
     * chain, and only that with the smallest position, its head, becomes
     * due. */
    uint64_t order_hash;
    const void *event; /* as the destination shall get it */
    size_t event_len;  /* < 2 GiB */
    /* Only read: */
    uint32_t turn;         /* how often it was parked; see parked_result */
    uint64_t waits_behind; /* the head of its chain; 0: nothing */
    int again;             /* it was a letter: in no chain, order_hash is 0 */
};

/* When it is due, never below 0; where it waits behind another one, when it
 * would be. */
int64_t parked_due_us(const struct parked_event *);

struct parked_letter {
    uint64_t position;
    uint32_t attempts;
    int64_t first_us; /* when it was parked first, or given up at once */
    int64_t at_us;    /* when it was given up */
    const char *code, *message, *target;
    const void *event;
    size_t event_len;
};

/* --- the store --- */

/* For what: to read beside others; to change what is there; to make it where
 * it is missing, which is for a daemon with such a lane. */
enum parked_use { PARKED_READ, PARKED_CHANGE, PARKED_MAKE };

struct parked_limits {
    /* Of the file; 0: none.  What adds records ends with -ENOSPC there; what
     * takes them out, or changes them, may go a little past it.  A file has
     * about 1.2 (large events) to 1.5 times the bytes that parked_counts()
     * tells, while it fills. */
    uint64_t file_bytes;
};

/* limits may be NULL.  -ENOENT, the only error without a log line: there is no
 * store, and it was not to be made. */
int parked_open(const char *state_dir, enum parked_use,
                const struct parked_limits *, struct parked **out);
/* It was made by this parked_open(). */
int parked_is_new(const struct parked *);
/* Copes with NULL.  The last call; its lanes go as well. */
void parked_close(struct parked *);

/* --- lanes --- */

/* Find the lane, and register it where it is new: at position 0 of this spool
 * (16 bytes of a UUID).  The handle is good until parked_close(), and the same
 * for each call; a new name for the lane leaves it good.  -EINVAL: too long a
 * name; -EIO: a lane's record is damaged, and its name may be this one. */
int parked_lane(struct parked *, const char *name, const uint8_t spool[16],
                struct parked_lane **out);
/* Find only.  -ENOENT: there is none. */
int parked_lane_find(struct parked *, const char *name,
                     struct parked_lane **out);
/* The position that the last parked_settle() wrote, and the UUID of the spool
 * that it is of (16 bytes, or NULL).  It means nothing in another spool. */
int parked_position(struct parked_lane *, uint64_t *position,
                    uint8_t spool[16]);
/* Everything of a lane under another name: one put.  -ENOENT: no such lane;
 * -EEXIST: `to` has records of its own; one that has none gives way, and
 * handles of it answer -ENOENT then. */
int parked_lane_rename(struct parked *, const char *from, const char *to);
/* All records of a lane, and the lane.  -ENOENT: no such lane.  One
 * transaction: about a second for a million records. */
int parked_lane_forget(struct parked *, const char *name);

struct parked_counts {
    uint64_t parked, parked_bytes; /* bytes: of records, not of the file */
    uint64_t letters, letter_bytes;
    int64_t next_due_us; /* of the first head; INT64_MAX: there is none */
};

/* What there is of a lane; costs the same however much it is. */
int parked_counts(struct parked_lane *, struct parked_counts *);

struct parked_lane_info {
    const char *name; /* gone when fn returns */
    uint64_t position;
    uint8_t spool[16];
    struct parked_counts counts;
};

/* All lanes, also those that no configuration names any more.  No transaction
 * is open while fn runs.  fn returns non-zero to stop, and that is returned. */
int parked_lanes(struct parked *,
                 int (*fn)(void *arg, const struct parked_lane_info *),
                 void *arg);
/* The greatest position of all records of a lane, or of all lanes (NULL), of
 * whatever spool, and of the positions of lanes in this spool; 0: none.  For
 * spool_advance(): no new frame may stand at such a position. */
int parked_last(struct parked *, struct parked_lane *, const uint8_t spool[16],
                uint64_t *position);

/* --- a batch --- */

/* Make what there is of the lane within (before, last] exactly these, whatever
 * an earlier try left there, and `last` the lane's position, in this spool: one
 * transaction.  Both are ordered by position, and no position is in both.  The
 * store finds out what waits behind what.  -EINVAL: not so. */
int parked_settle(struct parked_lane *, uint64_t before, uint64_t last,
                  const uint8_t spool[16], const struct parked_event *,
                  size_t n, const struct parked_letter *, size_t m);
/* 1: there is a chain with this hash; 0: none, or a negative errno.  For each
 * event of a lane: without the store where the lane has no chain at all, with
 * one look into it otherwise.  Ask in the process that settles the lane. */
int parked_holds(struct parked_lane *, uint64_t order_hash);

/* --- what is delivered of batches that are not settled --- */

/* These events of the lane, behind its position, were delivered; and forget
 * such marks up to `settled`.  One transaction, durable; counts for nothing
 * else, and may go past the limit. */
int parked_done(struct parked_lane *, const uint64_t *positions, size_t n,
                uint64_t settled, const uint8_t spool[16]);
/* The marks behind a position, of this spool, in order; to be freed.  Those of
 * another spool are passed over, and go with the next parked_done(). */
int parked_done_list(struct parked_lane *, uint64_t after,
                     const uint8_t spool[16], uint64_t **positions, size_t *n);

/* --- trying again --- */

struct parked_due {
    int64_t due_us;
    uint64_t position;
};

/* The heads that are due, and whose records are sound, ordered by due time and
 * position: those behind `after` (NULL: all), at most max.  How many, or a
 * negative errno.  They stay due until parked_retried(), so a caller that has
 * some in flight goes on behind the last of them, or leaves them out itself.
 * *next_due_us: of the first that is not among them, INT64_MAX where there is
 * none; not later than now where `max` was too small, or where the clock went
 * back and not all was seen yet what that changes (then ask again at once).
 * Writes only where the clock went back. */
int parked_due(struct parked_lane *, int64_t now_us,
               const struct parked_due *after, struct parked_due *out,
               size_t max, int64_t *next_due_us);

/* 1: there is one at this position, and *out points into buffer, which is the
 * caller's and is written anew; 0: there is none; -EIO: it is damaged. */
int parked_read(struct parked_lane *, uint64_t position, struct il_text *buffer,
                struct parked_event *out);
int parked_letter_read(struct parked_lane *, uint64_t position,
                       struct il_text *buffer, struct parked_letter *out);

/* Positions, from *from on, of those that are parked for this target and for this
 * code: at most max, of some thousand records that it looks at.  How many, or a
 * negative errno; *from: where to go on, 0: that was all. */
int parked_for_target(struct parked_lane *, const char *target,
                      const char *code, uint64_t *from, uint64_t *positions,
                      size_t max);

enum parked_outcome {
    PARKED_DELIVERED = 1, /* it goes, and frees the next of its chain */
    PARKED_AGAIN,         /* it is parked again, with the same event */
    PARKED_GIVEN_UP,      /* it becomes a letter, and frees the next */
};

struct parked_result {
    uint64_t position;
    uint32_t turn; /* as parked_read() gave it */
    enum parked_outcome outcome;
    uint32_t attempts;
    int64_t at_us; /* since when it is parked again, or when given up */
    int64_t delay_us;
    const char *code, *message;
    const char *target; /* NULL: as it was */
    /* Out.  0: it was not there any more as it was read, because a person had
     * dropped it or because this very result is in the store already, and
     * nothing was done about it. */
    int stood;
};

/* What became of a flight of parked events, in any order: one transaction.
 * After an error, also one that left open whether the disk has it, the same
 * call may be repeated.  Making a parked event due with parked_now() meanwhile
 * is no change that matters here. */
int parked_retried(struct parked_lane *, struct parked_result *, size_t n);

/* --- a person's orders --- */

/* A parked event is due now; its attempts stay.  1: it waits behind another one
 * of its chain, and is due as soon as it is the head. */
int parked_now(struct parked_lane *, uint64_t position, int64_t now_us);
/* A letter is parked again, due now, without attempts: its schedule begins
 * anew.  It belongs to no chain and says so (`again`).  -ENODATA: it has no
 * event. */
int parked_again(struct parked_lane *, uint64_t position, int64_t now_us);
/* Either, whatever is there, for many in one transaction. */
enum parked_found {
    PARKED_NOT_THERE,
    PARKED_NOW,        /* it was parked, and is due now */
    PARKED_BEHIND,     /* the same, but it waits behind another one */
    PARKED_WAS_LETTER, /* it was a letter, is parked again and due now */
    PARKED_NO_EVENT,   /* a letter about something that is not there */
    PARKED_DAMAGED,    /* nothing was done about either */
};
struct parked_ask {
    uint64_t position;
    enum parked_found found; /* out */
    uint32_t turn;           /* out: of what is parked now */
};
int parked_ask(struct parked_lane *, struct parked_ask *, size_t n,
               int64_t now_us);
/* A parked event or a letter goes, a damaged one too; frees the next of its
 * chain. */
int parked_drop(struct parked_lane *, uint64_t position);
/* The same for many in one transaction, as far as they are there; *dropped: how
 * many were. */
int parked_drop_all(struct parked_lane *, const uint64_t *positions, size_t n,
                    size_t *dropped);

/* Walk what is parked, or the letters, of one lane or of all (NULL), ordered by
 * position, lane by lane.  No transaction is open while fn runs, so it may be
 * slow, and change the store.  What it is given is gone when it returns.  fn
 * returns non-zero to stop, and that is returned.  No lane of this name: 0. */
int parked_walk(struct parked *, const char *lane,
                int (*fn)(void *arg, const char *lane,
                          const struct parked_event *),
                void *arg);
int parked_walk_letters(struct parked *, const char *lane,
                        int (*fn)(void *arg, const char *lane,
                                  const struct parked_letter *),
                        void *arg);

#endif
