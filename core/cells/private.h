/* SPDX-License-Identifier: MIT */
/* How the room works: what steps remember.
 *
 *   cells.c       a lane's cells: looking up, changing, taking back
 *   values.c      the memory of values
 *   life.c        opened and closed; their share of the memory
 *   each.c        what is on the disk, for people
 *   checkpoint.c  a run of what has changed; the worker that writes it
 *
 * Cells that were used lately are in memory, all that changed since the last
 * checkpoint among them; the others are in the runs of the lane's set (runs.h),
 * where they are looked up by 96 bits of a hash.  A cell has its key's text, too,
 * and is no other's.
 *
 * A change is made where the cell is, and what was there before is noted in the
 * batch's undo.  A checkpoint is of a position that has settled: it lists what
 * has changed since the one before, where a batch on its way has changed it from
 * its undo, and the worker writes that as one run.  The lane lists some cells at
 * a time and goes on in between; one that is to change is listed before that.  The
 * values stay where they are: a cell that changes meanwhile gets other memory.
 *
 * Threads.  The lane's has the cells.  The worker has the set and what it was
 * handed; the list of runs that the lane looks into is the lane's own, and taken
 * over from the worker's between two batches (`lock`).
 *
 * A crash leaves runs that are named or not: the checkpoint before, or this
 * one. */
#ifndef CELLS_PRIVATE_H
#define CELLS_PRIVATE_H

#include "cells.h"

#include "base/table.h"
#include "runs/runs.h"

#include <pthread.h>
#include <stdatomic.h>

#define CELLS_KEY_MAX 223u /* bytes; of longer ones the end is a hash */
#define CELLS_NO_END UINT32_MAX

/* A key as it is looked up. */
struct cells_key {
    uint64_t hi;
    uint32_t lo, hash; /* in the table */
    uint32_t tag;      /* of the memory */
    uint32_t len;
    char text[CELLS_KEY_MAX + 1];
};

/* Memory in pieces (values.c). */
#define VALUES_UNIT 16u
#define VALUES_SIZES 48u
struct cells_page;
struct cells_values {
    struct cells_page *pages[VALUES_SIZES], *spare;
    void **regions; /* mapped, the last of them up to `used` pages */
    size_t region_count;
    uint32_t used;
};
/* *len (not 0): asked for; then what there is.  NULL: no memory. */
char *cells_value_take(struct cells_values *, size_t *len);
void cells_value_give(struct cells_values *, char *);
/* One will be given back. */
static inline void
cells_value_fetch(const char *piece)
{
    __builtin_prefetch((const void *) ((uintptr_t) piece & ~(uintptr_t) 4095),
                       1);
}
/* All of them go. */
void cells_values_clear(struct cells_values *);

/* value: as in the file: the tag, a byte with the key's length, key, value.  len
 * 0: there is nothing, or no more. */
struct cell {
    uint64_t hi, position;
    uint32_t lo, end; /* in seconds */
    uint32_t changed; /* in which stretch between checkpoints; 0: never */
    uint16_t len, capacity;
    char *value;
};
#define CELL_HEAD 5u /* bytes before the key */
#define CHUNK_CELLS 1024u

/* The key that was asked for last: as a rule it is put next. */
struct cells_last {
    const struct il_memory *memory; /* NULL: none, or it cannot be compared */
    struct cells_key key;
    uint32_t number;
    int where; /* LAST_... */
};
enum { LAST_UNKNOWN, LAST_IN_MEMORY, LAST_NOWHERE };

/* Keys that will be asked for soon, and what is fetched for them: first where in the
 * table and in the files they would be, then the cell, then its value. */
#define HINTS 32u
#define HINT_CELL 5u   /* so many keys later */
#define HINT_VALUE 10u /* the same */
struct cells_hints {
    uint32_t hash[HINTS];
    uint32_t count; /* ever; the place of the next, modulo HINTS */
};

/* The cell that says up to where which memories reach. */
#define CELLS_META_HI 0
#define CELLS_META_LO 0
struct cells_meta {
    uint32_t version, count;
    int64_t stream_us;
    uint32_t behind, jumped;
    uint64_t lineages[CELLS_MEMORIES_MAX];
};
#define CELLS_META_VERSION 1u

struct snapshot {
    uint64_t position;
    struct batch_stream stream;
    struct runs_item *items; /* of these records */
    struct runs_record *records;
    size_t count;
    struct cells_meta meta;
    char *bytes; /* values that no cell has any more */
    size_t used;
    uint32_t stretch; /* what has changed in it; one more: that is listed */
};

struct cells {
    const char *lane;
    char *dir;
    struct il_memory **memories;
    size_t count;
    uint64_t bytes_max; /* 0: its part of what the process has */
    uint64_t room;      /* of that, what there is for it now */
    uint64_t room_most; /* so much, if not its share is more */
    uint64_t counted; /* its bytes among those of the process */

    struct cell **chunks;
    size_t chunk_count;
    uint32_t cell_count; /* numbers given out */
    uint32_t *spare;     /* of them those that are free */
    size_t spare_count, spare_room;
    uint32_t hand; /* where forgetting goes on */
    struct table table;
    uint64_t seed;
    struct cells_values values;
    /* Of cells that have changed since they were listed, what the worker writes. */
    char **left;
    size_t left_count, left_room;
    uint64_t left_bytes;
    struct cells_last last;
    struct cells_hints hints;
    /* Cells that changed in this stretch, and in that which is being written. */
    uint32_t *changed, *writing;
    size_t changed_count, changed_room, writing_count;
    uint32_t stretch, written; /* in files is what changed up to `written` */
    struct snapshot *copying;  /* not all of it is listed, but ... */
    size_t copied;             /* ... so many of those that are written */
    _Atomic uint64_t bytes, changed_bytes, writing_bytes;
    _Atomic uint64_t listing_bytes; /* what the snapshot itself takes */
    uint64_t changed_before; /* the batch at hand */
    uint64_t event_bytes;    /* that an event changes; 0: not known yet */
    struct cells_undo *undo;    /* of the batch at hand; NULL: none */
    struct run *runs[RUNS_MAX]; /* the lane's, oldest first */
    uint32_t run_count;
    uint64_t position, asked; /* of the checkpoint; that is being written */
    struct batch_stream stream;
    int64_t begun_us; /* monotonic: the last one */
    int moved;        /* something has passed since */

    pthread_t worker;
    int working;
    pthread_mutex_t lock; /* protects what follows */
    pthread_cond_t wake, done;
    int quit;
    struct snapshot *job; /* to be written */
    int failed;           /* the last attempt's errno; it is tried again */
    struct run *shown[RUNS_MAX];
    uint32_t shown_count;
    struct run *retired; /* once the lane has taken over ... */
    struct run *garbage; /* ... it has */
    uint64_t shown_position;
    struct batch_stream shown_stream;
    uint32_t shown_stretch;
    int64_t written_us;
    _Atomic int news;
    struct runs_set set; /* the worker's; the lane's before and after it */
    int (*sync)(void *); /* as of the options */
    void *sync_arg;
};

static inline struct cell *
cells_cell(const struct cells *c, uint32_t i)
{
    return &c->chunks[i / CHUNK_CELLS][i % CHUNK_CELLS];
}

/* Of a memory's lineage: what tells its cells from others'. */
static inline uint32_t
cells_tag(uint64_t lineage)
{
    return (uint32_t) (lineage ^ lineage >> 32);
}

/* life.c: how much memory it may take by now, and what it takes. */
void cells_share(struct cells *);
_Static_assert(sizeof(struct cells_meta) <= RUNS_VALUE_MAX, "it is a value");

/* Is the worker to write its value, as it is now? */
static inline int
cells_is_writing(const struct cells *c, const struct cell *cell)
{
    return cell->changed > c->written && cell->changed < c->stretch;
}

static inline int
cells_is_written(const struct cells *c, const struct cell *cell)
{
    return cell->changed <= c->written;
}

/* checkpoint.c */
/* While a checkpoint is listed: the cell is about to change. */
void cells_copy_first(struct cells *, struct cell *);
/* So many more. */
void cells_copy(struct cells *, size_t n);
int cells_worker_start(struct cells *);
void cells_worker_stop(struct cells *);

/* cells.c: as far as a cell of a file is one.  Its key and value. */
int cells_value_read(struct slice, uint32_t *tag, struct slice *key,
                     struct slice *value);
/* An entry of an undo: a cell as it was. */
struct cells_was {
    uint64_t hi, position;
    uint32_t lo, end;
    uint32_t number, len; /* of the cell; bytes of the value */
    size_t before;        /* where the entry before begins */
    char value[];
};
/* Its cell, which has stayed in memory since; NULL: all was forgotten. */
static inline struct cell *
cells_was_cell(const struct cells *c, const struct cells_was *was)
{
    if (was->number >= c->cell_count)
        return NULL;
    struct cell *cell = cells_cell(c, was->number);
    return cell->hi == was->hi && cell->lo == was->lo ? cell : NULL;
}
/* That begins at *at, which then is where the next does.  NULL: the end. */
const struct cells_was *cells_was_next(const struct cells_undo *, size_t *at);
/* Cell `number` has changed; there is room in the list (cells_changed_room()). */
int cells_changed_room(struct cells *, size_t more);
void cells_changed_add(struct cells *, uint32_t number);

#endif
