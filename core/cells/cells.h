/* SPDX-License-Identifier: MIT */
/* What the steps of a lane remember, cell by cell.
 *
 * It is a function of the lane's events, in order: a checkpoint at a position
 * and the spool from there on are all that is needed to make it again.  So
 * nothing here is written on an event's way; a crash loses what is behind the
 * checkpoint, and the lane runs its steps over those events once more.
 *
 * What a batch changes can be taken back, the newest batch first, until it is
 * settled.
 *
 * All but the worker is the lane's thread. */
#ifndef CELLS_H
#define CELLS_H

#include "base/text.h"
#include "codec/batch.h"

struct cells;

/* Of one step of a lane; what plugins call struct il_memory. */
struct il_memory {
    const struct il_api *api; /* first, as in every object of the host */
    const char *step;
    uint64_t lineage;    /* of what decides what a cell of it means */
    struct cells *cells; /* once the lane has them; NULL in a check */
    int covered;         /* what there is reaches up to cells_position() */
};

#define CELLS_MEMORIES_MAX 60 /* steps of a lane */

struct cells_options {
    const char *lane;
    const char *dir; /* there already */
    uint8_t spool[16];
    struct il_memory *const *memories;
    size_t count;
    uint64_t bytes_max; /* of memory, about; 0: a quarter of what all may have */
    /* Have the lane's saved position on the disk: 0 or a negative errno.  Called
     * by the worker, before it names a checkpoint.  NULL: nothing is to be. */
    int (*sync)(void *arg);
    void *sync_arg;
};

/* How much memory the cells of all lanes may take together, about: from now on,
 * any thread.  Before that it is CELLS_MEMORY. */
#define CELLS_MEMORY (UINT64_C(64) << 20)
void cells_memory(uint64_t bytes);

/* Read what there is.  end: of the spool.  0, -ENOTSUP: a newer version wrote
 * it; or another negative errno; after a log line. */
int cells_open(const struct cells_options *, uint64_t end, struct cells **);
/* What is behind the last checkpoint is forgotten. */
void cells_close(struct cells *);

/* Where the checkpoint is: the spool has to be kept from there on.  0: there is
 * none. */
uint64_t cells_position(const struct cells *);
/* The time of the stream there. */
struct batch_stream cells_stream(const struct cells *);
/* Are there memories, before all others, that what there is does not cover, as they are new or made
 * another way than it was?  Then all events up to cells_position() that the spool
 * still has are theirs alone: cells_put() leaves the others as they are. */
int cells_uncovered(const struct cells *);
/* The lane has run its steps over all of that: now they are. */
void cells_cover(struct cells *);
/* Be as the checkpoint is, or (empty) as if there had never been one, durably.
 * 0 or a negative errno. */
int cells_reload(struct cells *, int empty);

/* --- cells ---------------------------------------------------------------- */

/* 1 and *out, valid until the next call of any of these; 0; -ENOMEM.  What ends
 * at or before now_us is not there. */
int cells_get(const struct il_memory *, const char *key, size_t len,
              int64_t now_us, struct il_remembered *out);
/* This key will be asked for soon, some ten others later: changes nothing. */
void cells_hint(const struct il_memory *, const char *key, size_t len);
/* 0, -EMSGSIZE, -ENOMEM. */
int cells_put(const struct il_memory *, const char *key, size_t len,
              uint64_t position, const void *value, size_t value_len,
              int64_t end_us);
int cells_forget(const struct il_memory *, const char *key, size_t len,
                 uint64_t position);

/* --- batches -------------------------------------------------------------- */

/* What a batch has changed, as it was before.  Zeroed it is empty; text_clear()
 * gives its memory back. */
struct cells_undo {
    struct il_text was;
    size_t last; /* of the last entry: where it begins */
};
/* Changes are this batch's from now on. */
void cells_begin(struct cells *, struct cells_undo *);
/* The steps have run over so many events of it. */
void cells_made(struct cells *, uint32_t events);
/* How many events of a batch change no more than there should be at once. */
uint32_t cells_batch(const struct cells *);
/* Take all of them back.  No newer batch has any. */
void cells_undo(struct cells *, struct cells_undo *);
/* They stay. */
void cells_settle(struct cells_undo *);

/* --- checkpoints ---------------------------------------------------------- */

/* Is it time for one?  *until_us (monotonic): when it is; or INT64_MAX. */
int cells_due(struct cells *, int64_t now_us, int64_t *until_us);
/* Begin one: as everything is but for what these batches, oldest first, have
 * changed, which is how it was at a position with this time.  The lane's own
 * position is saved and not before that.  It is copied bit by bit, as cells change
 * and by cells_install(), and then written by the worker.  0, -EBUSY: one is being
 * written; -ENOMEM. */
int cells_checkpoint(struct cells *, uint64_t position,
                     const struct batch_stream *,
                     const struct cells_undo *const *batches, size_t count);
/* Go on with a checkpoint that was begun, and take over what the worker has
 * written, now and then. */
void cells_install(struct cells *);
/* Until that is done: 0, or why it has failed. */
int cells_wait(struct cells *);
/* There is more that is not written than memory is for: wait. */
int cells_full(const struct cells *);
/* Nobody asks for anything: where all is written what is in memory goes.  Is it
 * so? */
int cells_rest(struct cells *);

struct cells_stats {
    uint64_t bytes;            /* of memory */
    uint64_t changed;          /* of them, what is not written */
    uint64_t keys, disk_bytes; /* of the files; a key may be there twice */
    uint64_t position;
    int64_t written_us; /* when that was, since 1970; 0: before the start */
};
void cells_stats(struct cells *, struct cells_stats *); /* any thread */

/* --- without a lane ------------------------------------------------------- */

/* Call fn for each cell on the disk that has not ended, in a lane's folder, of the
 * memory of this lineage.  What fn returns other than 0 ends it, and is returned.
 * 0, -ENOENT: nothing was ever written; or another negative errno, -EAGAIN where a
 * daemon changes the files all the time. */
int cells_each(const char *dir, uint64_t lineage,
               int (*fn)(void *arg, struct slice key,
                         const struct il_remembered *),
               void *arg);

#endif
