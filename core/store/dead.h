/* SPDX-License-Identifier: MIT */
/* The dead-letter store (LMDB): events that will not be delivered without
 * help, each with its reason.  Several processes may read and write it, so the
 * command works beside a running daemon. */
#ifndef DEAD_H
#define DEAD_H

#include "base/text.h"
#include "codec/event.h"

#define DEAD_LANE_MAX 400    /* bytes of a lane's name */
#define DEAD_EVENT_MAX 65536 /* bytes kept of a refused event */

struct dead;

struct dead_letter {
    const char *lane;  /* "pipeline/destination", or "gate/<source>" */
    uint64_t position; /* in the spool; gate: a number of its own */
    int64_t at_us;     /* when it was given up */
    uint32_t attempts;
    struct il_reason reason;
    const char *key; /* id of the key it came by; NULL: none is known */
    struct slice
        event; /* frame body; gate: the JSON as it came, cut at 64 KiB */
    /* Of a lane's: where its event first stood; read from what an older version
     * wrote, position 0.  When it failed first; 0, written: now.  What was
     * decided, as event_decided_pack() writes it; empty: nothing. */
    struct event_origin origin;
    int64_t first_us;
    struct slice decided;
    uint64_t retry; /* read: where in the spool it is tried again; 0: not */
    /* Where it last was in vain, see dead_stay(); 0: nowhere. */
    uint64_t tried;
    /* It comes again by itself then, since 1970: no person has to help.  0: one
     * has to.  How long it waits is what counts, from at_us on: see dead_due(). */
    int64_t due_us;
};

/* Open the store in dir, a folder of its own (STATE_DIR/dead), making it where
 * it is missing, unless read_only: then -ENOENT.  0 or a negative errno,
 * except for -ENOENT after a log line. */
int dead_open(const char *dir, int read_only, struct dead **out);
/* It was made by this dead_open(). */
int dead_is_new(const struct dead *);
/* Writes what waits first. */
void dead_close(struct dead *);

/* Make the letters of lane within (after, up_to] exactly these, durably, in
 * one transaction.  Ordered by position.  0 or a negative errno.  Skips the
 * disk when there is nothing to change. */
int dead_settle(struct dead *, const char *lane, uint64_t after, uint64_t up_to,
                const struct dead_letter *, size_t n);
/* The same, but a letter at one of the positions in kept, which are in order,
 * stays as it is; none of `letters` is at one of them. */
int dead_settle_rest(struct dead *, const char *lane, uint64_t after,
                     uint64_t up_to, const struct dead_letter *letters,
                     size_t n, const uint64_t *kept, size_t kept_n);
/* The position of the lane's last letter, 0 where it has none. */
int dead_last(struct dead *, const char *lane, uint64_t *position);
/* Keep a refusal of the gate.  Queued and written by a thread of the store in
 * groups; the queue and the store are bounded (the oldest refusals go,
 * counted).  Any thread, never blocks on the disk. */
void dead_refused(struct dead *, const char *source, const char *key,
                  const struct il_reason *, struct slice event);
/* The name of the lane that refusals of a source are in. */
void dead_gate_lane(char out[DEAD_LANE_MAX], const char *source);
/* Keep such refusals durably, in one transaction; with their lane, reason, key,
 * event and time.  *first gets the number of the first, the others count on
 * from there: their positions for dead_delete().  Any thread; waits for the
 * disk.  0 or a negative errno. */
int dead_refused_now(struct dead *, const struct dead_letter *, size_t n,
                     uint64_t *first);
/* Wait until what is queued by now is on disk, or could not be written. */
void dead_flush(struct dead *);
/* Keep at most so many refusals and bytes of them: 100000 and 256 MiB. */
void dead_limit(struct dead *, uint64_t refusals, uint64_t bytes);

/* Walk, oldest first, one lane or all (NULL): lane by lane, the gate's last.
 * No transaction is open while fn runs, so it may be slow, and delete.  fn
 * returns non-zero to stop, and that is returned. */
int dead_each(struct dead *, const char *lane,
              int (*fn)(void *arg, const struct dead_letter *), void *arg);
/* One letter; 0, -ENOENT, or -EIO after a log line: it cannot be read.  fn sees
 * it. */
int dead_get(struct dead *, const char *lane, uint64_t position,
             int (*fn)(void *arg, const struct dead_letter *), void *arg);
/* 0, -ENOENT or another negative errno. */
int dead_delete(struct dead *, const char *lane, uint64_t position);
/* All letters of a lane, claims included, get another lane's name; or go.  One
 * transaction, durable; 0 or a negative errno. */
int dead_rename(struct dead *, const char *from, const char *to);
int dead_forget(struct dead *, const char *lane);
/* Letters of a lane, or of all lanes and the gate (NULL), without those that come
 * again by themselves. */
uint64_t dead_count(struct dead *, const char *lane);

/* --- letters that come again by themselves --- */

struct dead_timed {
    uint64_t letters;        /* all of them */
    uint64_t due, due_bytes; /* those of them that no frame brings yet */
    int64_t next_due_us;     /* the first of these; INT64_MAX: there is none */
};
/* For writers; of what only reads the time is not known. */
void dead_timed(struct dead *, const char *lane, struct dead_timed *out);
/* How far a lane's letters were seen since the clock went back; all zero at
 * first. */
struct dead_back {
    int64_t began_us; /* 0: it did not, or all were seen */
    int64_t due_us;   /* the last that was */
    uint64_t position;
};
/* Those that are due now and that no frame brings, at most `room`; *next_us gets
 * when the first of the others is due, INT64_MAX: there is none; not later than now
 * where the clock went back and not all was seen yet that this changes (then ask
 * again at once).  Where it went back behind at_us, by more than a second, a
 * letter is due as long after now as it was to wait.  Writes only then.  0 or a
 * negative errno.  For writers only. */
int dead_due(struct dead *, const char *lane, int64_t now_us,
             struct dead_back *, uint64_t *letters, size_t room, size_t *n,
             int64_t *next_us);

/* --- letters that are tried again --- */

/* A frame of the spool takes a letter's event to its lane again.  The letter is
 * claimed by one such frame at a time: by the first that asks. */
struct dead_claim {
    uint64_t letter;
    uint64_t position; /* of the frame */
    int held;          /* out: the letter exists, and it is this frame's; or
                        * it is gone because this frame counted */
};

/* Claim letters of a lane for their frames, durably, in one transaction.
 * Repeating it changes nothing.  0 or a negative errno. */
int dead_claim(struct dead *, const char *lane, struct dead_claim *, size_t n);
/* The same by who has written the frames, which may have been tried in vain by
 * now: those claim nothing. */
int dead_claim_new(struct dead *, const char *lane, struct dead_claim *,
                   size_t n);
/* The lane has passed these frames: delete the letters that are held, and
 * remember that these frames counted.  What is not held, or any more, stays. */
int dead_retried(struct dead *, const char *lane, const struct dead_claim *,
                 size_t n);
/* The event of such a frame was dropped: its letter stays, and waits for help
 * again, with this reason. */
#define DEAD_DROPPED "dropped_on_retry" /* its code */
struct dead_stay {
    uint64_t letter;
    uint64_t position; /* of the frame */
    struct il_reason reason;
};
/* Durably, in one transaction.  Only letters that these frames have claimed, so
 * repeating it changes nothing, and none that had come by itself: its event was
 * dropped as any other may be.  0 or a negative errno. */
int dead_stay(struct dead *, const char *lane, const struct dead_stay *,
              size_t n);
/* These frames are nowhere: their letters wait for help again. */
int dead_unclaim(struct dead *, const char *lane, const struct dead_claim *,
                 size_t n);
/* The claims of frames within (after, up_to], ordered by them, held or not; to
 * be freed. */
int dead_claims(struct dead *, const char *lane, uint64_t after,
                uint64_t up_to, struct dead_claim **out, size_t *n);
/* The spool ends here: no lane's claim is behind it. */
int dead_claims_end(struct dead *, uint64_t position);
/* The letters of a lane within (after, up_to] that are gone because a later
 * frame brought their events, in order; at most `room` of them, *n were found.
 * 0 or a negative errno. */
int dead_counted(struct dead *, const char *lane, uint64_t after,
                 uint64_t up_to, uint64_t *letters, size_t room, size_t *n);
/* The last of them, or 0. */
int dead_counted_last(struct dead *, const char *lane, uint64_t *letter);
/* The spool has the frames from first to end: forget the others. */
int dead_counted_trim(struct dead *, uint64_t first, uint64_t end);
/* How many letters of a lane, or of all (NULL), are tried again now. */
uint64_t dead_retrying(struct dead *, const char *lane);

#endif
