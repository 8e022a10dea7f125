/* SPDX-License-Identifier: MIT */
/* How the room works: which (source, key) became which event.
 *
 *   idem.c       what the gate calls, and starting up
 *   secret.c     what keys are hashed with, so that nobody can aim at a place
 *   slice.c      slices of time, dropped whole once the window has passed
 *   log.c        the log of a slice; load.c reads it, checkpoint.c writes all
 *   table.c      the newest keys, in 2 MiB of memory
 *   run.c        the older ones, in sorted files without a name, mapped
 *   run_write.c  build.c   how those are made, of the log and of smaller ones
 *   work.c       the thread that makes them
 *
 * A look-up asks the table, then the runs; each says "not there" by one line of
 * the cache, or names a place in the log, which alone is exact.
 *
 * Threads.  The gate's side (under the gate's lock, so one thread at a time)
 * finds and adds.  The spool's thread says what is durable, which makes entries
 * fit to be written.  The worker reads what does not change and hands its runs
 * over; the gate's side installs them between two batches.
 *
 * `lock` guards the list of slices and what the logs say; the gate's side alone
 * changes the list and reads it without.
 *
 * A crash leaves a log with a torn last block.  All that is missing is read
 * from the spool again: a block is written only once its events are durable, so
 * a key never outlives its event. */
#ifndef IDEM_PRIVATE_H
#define IDEM_PRIVATE_H

#include "idem.h"

#include <pthread.h>
#include <stdatomic.h>

/* Bytes of a secret: XXH3 has one of this size by default. */
#define IDEM_SECRET 192

#define SLICES_PER_WINDOW 4
#define SLICES_MAX 12 /* more than five only if the clock jumps about */
#define DROPPED_MAX 64 /* slices that the checkpoint has to remove */
#define NEAR_MAX 40

/* --- the log of a slice (log.c, load.c) --- */

#define LOG_HEADER 4096
#define LOG_UNIT sizeof(struct entry)
#define LOG_UNITS_MAX (1u << 28)
/* So many units are gathered before they are written. */
#define LOG_BLOCK_UNITS 4096u

/* val of an entry.  1 bit: its id follows; 10 bits of time in 1/1024 of a
 * slice; 13 bits more of the key; 40 bits of position, counted from the slice's
 * base. */
#define VAL_RECORD ((uint64_t) 1 << 63)
#define VAL_TIME_SHIFT 53
#define VAL_TIME_MAX 1023u
#define VAL_TAG_SHIFT 40
#define VAL_TAG_MASK ((uint64_t) 0x1fff << VAL_TAG_SHIFT)
#define VAL_LOW_MASK (((uint64_t) 1 << 40) - 1)

/* One unit.  An id follows in units of its own: a byte with its length, its
 * bytes, zeros. */
struct entry {
    uint64_t lo, val;
};
#define RECORD_UNITS(id_len) (((id_len) + 16) / 16)
#define RECORD_UNITS_MAX RECORD_UNITS(255)

/* A file begins with this; it never changes. */
struct log_header {
    char magic[8];
    uint8_t uuid[16]; /* the spool's */
    uint64_t seq;
    int64_t start_us, unit_us;
    uint64_t base;   /* positions count from here */
    uint64_t secret; /* its keys were hashed with (secret_id) */
    uint64_t sum;
};

/* At LOG_LINK: which file comes before, and what its last block is. */
#define LOG_LINK 512
struct log_link {
    uint64_t previous; /* its seq; 0: there is none any more */
    uint64_t chain;    /* the sum of its last block; 0: it has none */
    uint64_t sum;
};

/* From LOG_HEADER on: blocks, each this and its units. */
struct log_block {
    uint64_t sum;      /* of the rest and of the units */
    uint64_t chain;    /* the sum of the block before in this file; 0: none */
    uint64_t complete; /* with this block, the index has all up to here */
    uint32_t units, keys;
};

struct idem_log {
    int fd;
    char name[40];
    struct log_header header;
    struct log_link link;
    int link_due; /* the link is to be written before the next block */

    /* Under idem->lock: what is in the file. */
    uint32_t *blocks; /* their first units */
    uint32_t block_count, block_capacity;
    uint32_t written; /* units before it are */
    uint64_t chain;   /* the last block's sum */
    int unsynced;

    /* The gate's side; pointers and tail_first change under idem->lock. */
    struct entry *tail; /* from unit tail_first on */
    uint32_t tail_first, tail_capacity;
    uint32_t end;             /* the next unit; they count from 1 */
    _Atomic uint32_t durable; /* units before it are of durable events */
    uint64_t last;            /* position of the last entry */
};

/* --- where in the log a key is --- */

/* The newest keys of a slice, in memory (table.c). */
struct idem_table {
    uint32_t *cells; /* unit from first on, the key's lowest bits above it; 0:
                      * empty */
    uint64_t slots, used;
    unsigned unit_bits;
    uint32_t first, to; /* units of the log; to: once it is full */
};

/* So many keys, then they go into a run. */
#define PART_KEYS (24u << 14)
/* More than one are full only while the disk is slow. */
#define FULL_MAX 8

/* Those before them, in a file that is never changed (run.c).  A key's
 * upper bits say which line is its home; the entries of each line follow those
 * of the line before, and what one line has no room for is at the beginning of
 * the next. */
#define LINE_PRINTS 30u
struct line {
    uint32_t head;
    uint16_t prints[LINE_PRINTS]; /* 16 bits more of the key */
};
#define LINE_SPILLS 0x80000000u /* it goes on in the next line */
#define LINE_COUNT(head) ((head) >> 26 & 31) /* prints in the line */
#define LINE_HOME(head) ((head) & LINE_HOME_MAX) /* keys that are at home here */
#define LINE_HOME_MAX ((1u << 26) - 1)
/* Keys for each line: one in ten look-ups sees a second line. */
#define LINE_LOAD 24u

struct run {
    const struct line *lines;
    const uint32_t *units; /* of each print; above them four bits of the key.
                            * NULL: it only says which keys are in none of
                            * several runs */
    char *map;  /* of a file, or ... */
    char *kept; /* ... small enough for memory */
    size_t map_len;
    uint64_t line_count, keys;
    unsigned bits;  /* of the key that choose its line */
    unsigned known; /* of the key in all */
    unsigned level; /* how often its keys were merged */
    uint32_t from, to; /* units of the log */
    struct run *next;  /* of those that are to be freed */
};
#define RUN_UNIT_BITS 28
#define RUN_KEY_BITS 36 /* known at most */
/* So many of one level become one of the next. */
#define RUNS_OF_A_LEVEL 3u
#define RUNS_MAX 48u

struct idem_slice {
    struct idem_log log;
    struct idem_table hot; /* only the newest slice has one */
    /* Under idem->lock; the gate's side, which alone changes them, reads them
     * without.  Oldest first. */
    struct idem_table full[FULL_MAX];
    struct run *runs[RUNS_MAX];
    uint32_t full_count, run_count;
    _Atomic uint64_t count;   /* keys; the gate's side changes them */
    _Atomic int64_t newest_us;
    int64_t expired_since_us; /* on the monotonic clock; 0: it is not */
};

/* What the worker does (work.c).  Under idem->lock. */
struct idem_job {
    enum { JOB_NONE, JOB_RUNS, JOB_DONE } state;
    struct idem_slice *slice;
    struct run *in[RUNS_MAX]; /* what is merged */
    uint32_t count;
    uint64_t upto; /* of the summary: seq of the newest slice */
    struct run *made;
};

struct idem {
    struct idem_options opt;
    uint64_t part_keys;
    char *dir;
    int dirfd;
    uint8_t secret[IDEM_SECRET];
    uint64_t secret_id; /* its sum, which logs have */
    struct spool *spool;
    struct spool_hold *hold;
    int64_t slice_us;
    uint64_t next_seq; /* of the next slice */

    /* lock: the list of slices, and what the logs say.  The gate's side, which
     * alone changes the list, reads that without it. */
    pthread_mutex_t lock;
    struct idem_slice *slices[SLICES_MAX + 1]; /* newest last */
    size_t slice_count;
    struct idem_slice *dropped[DROPPED_MAX]; /* for the checkpoint */
    size_t dropped_count;
    /* Where idem_prefetch() looks, newest first; a mixture of old and new does
     * no harm. */
    struct {
        _Atomic uintptr_t base; /* 0: no more */
        _Atomic uint64_t places;
        _Atomic unsigned shift; /* of the size of a place */
    } near[NEAR_MAX + 1];

    pthread_t worker;
    pthread_cond_t work; /* there may be some */
    pthread_cond_t ready; /* something was made */
    int working;         /* the thread exists */
    _Atomic int quit;
    struct idem_job seal, merge, sum_up;
    /* Keys of all slices up to one, so that one line answers for them. */
    struct run *summary;
    uint64_t summary_upto; /* seq; 0: none */
    _Atomic int made;     /* a job is done */
    struct run *garbage;  /* for the worker to free */
    int work_failed;      /* it was said */
    uint64_t complete; /* of the last block that was written */
    int sync_failed;   /* for good: what a failed sync has lost stays lost */

    _Atomic(struct idem_slice *) expired; /* the oldest is to go */
    _Atomic uint64_t applied;  /* everything up to here is in the slices */
    int broken;         /* what was loaded does not fit together */
    _Atomic int unplaced; /* what was loaded is not all in runs or a table */
    int stuck;            /* an error: the index has no room, or ... */
    int behind;         /* ... the spool has more, behind replay_after */
    uint64_t replay_after;
    /* 1: a thread is the gate's side, and takes in what the spool has; 2: it is
     * done, and to be joined. */
    _Atomic int catching;
    pthread_t catcher;
    int64_t retried_us, synced_us;
    uint64_t rebuilt;
};

/* secret.c: read it, or make one.  0 or a negative errno after a log line. */
int idem_secret_open(struct idem *);

/* table.c */
/* Empty, for so many keys, and units up to first + units.  0 or -ENOMEM. */
int idem_table_make(struct idem_table *, uint64_t keys, uint32_t first,
                    uint32_t units);
void idem_table_free(struct idem_table *);
/* The units that may have the key, one after the other; *at is 0 at first.  0:
 * no more. */
uint32_t idem_table_next(const struct idem_table *, uint64_t lo, uint64_t *at);
/* There must be room. */
void idem_table_put(struct idem_table *, uint64_t lo, uint32_t unit);
/* Is there, for so many more keys, and units before end? */
int idem_table_takes(const struct idem_table *, uint64_t keys, uint64_t end);

/* run.c */
/* As idem_table_next(). */
uint32_t idem_run_next(const struct run *, uint64_t lo, uint64_t *at);
/* 0: it does not have the key. */
int idem_run_may_have(const struct run *, uint64_t lo);
size_t idem_run_bytes(const struct run *);
void idem_run_free(struct run *);

/* run_write.c */
struct run_writer;
/* A new file, for so many keys. */
int idem_run_create(struct idem *, uint64_t keys, unsigned bits, unsigned known,
                    int with_units, struct run_writer **out);
/* All keys that are at home in the next line: the upper bits of each, and in
 * the lowest 28 its unit.  0 or a negative errno. */
int idem_run_put(struct run_writer *, const uint64_t *items, size_t n);
/* After the last line.  Frees the writer, also on error. */
int idem_run_finish(struct run_writer *, struct run **out);
void idem_run_abandon(struct run_writer *);
unsigned idem_run_bits(uint64_t keys);

/* build.c */
/* Of the entries from one unit of the log on, up to another and no more than
 * max_keys; all are in the file.  bits: as idem_run_bits() of what it is merged
 * with says, which is part_keys. */
int idem_build_seal(struct idem *, struct idem_log *, uint32_t from,
                    uint32_t to, uint64_t max_keys, unsigned bits,
                    struct run **out);
/* Of several that follow one another.  go_on is asked now and then; -ECANCELED
 * when it says 0. */
int idem_build_merge(struct idem *, struct run *const *in, uint32_t count,
                     int with_units, int (*go_on)(void *arg), void *arg,
                     struct run **out);
/* How many of them, from *first on, are to be merged now; 0: none.  final: none
 * is added any more. */
uint32_t idem_build_due(struct run *const *runs, uint32_t count, int final,
                        uint32_t *first);

/* work.c */
int idem_work_start(struct idem *);
void idem_work_stop(struct idem *);
/* Under the lock: there may be something to do. */
void idem_work_wake(struct idem *);
/* The gate's side: take what was made. */
void idem_work_install(struct idem *);
/* Until not all tables of the slice are full: 0, or -ENOSPC after a moment. */
int idem_work_wait(struct idem *, const struct idem_slice *);
/* Under the lock: a slice goes. */
void idem_work_forget(struct idem *, struct idem_slice *);
/* Under the lock: it is not yet to be freed. */
int idem_work_uses(const struct idem *, const struct idem_slice *);

static inline uint64_t
place_of(uint64_t lo, uint64_t places)
{
    return (uint64_t) (((unsigned __int128) lo * places) >> 64);
}

/* log.c */
int idem_log_create(struct idem *, struct idem_log *);
void idem_log_free(struct idem_log *);
void idem_log_remove(struct idem *, struct idem_log *);
/* Room for so many units more in memory.  0 or -ENOMEM. */
int idem_log_reserve(struct idem *, struct idem_log *, uint32_t units);
/* Append an entry; there is room.  Returns its unit. */
uint32_t idem_log_add(struct idem_log *, struct entry, uint64_t position,
                      struct slice id);
/* Read units from one on: how many of max follow it in its block, or a negative
 * errno. */
int idem_log_read(struct idem *, struct idem_log *, uint32_t unit,
                  struct entry *out, uint32_t max);
/* The same of what is in the file, beside the gate: written is before which
 * unit that ends. */
int idem_log_read_file(struct idem *, struct idem_log *, uint32_t unit,
                       struct entry *out, uint32_t max);
/* Entry after entry of what is in the file, from c->unit on and before to.  1,
 * 0 at the end, or a negative errno. */
#define LOG_CHUNK 2048u
struct log_cursor {
    uint32_t unit, first, count;
    struct entry chunk[LOG_CHUNK];
};
int idem_log_next(struct idem *, struct idem_log *, struct log_cursor *c,
                  uint32_t to, const struct entry **e, uint32_t *unit);
/* Note that a block begins at a unit.  0 or -ENOMEM. */
int idem_log_block_add(struct idem_log *, uint32_t unit);
/* What is of events up to position is durable. */
void idem_log_advance(struct idem_log *, uint64_t position);
/* The other entries never were.  How many there were. */
uint32_t idem_log_cut(struct idem_log *, uint64_t position);
/* Write what is durable as a block.  Under idem->lock.  0 or a negative errno:
 * then nothing has changed. */
int idem_log_write(struct idem *, struct idem_log *, uint64_t complete);
/* Give back the memory of what has been written. */
void idem_log_trim(struct idem *, struct idem_log *);
int idem_log_write_link(struct idem_log *, uint64_t previous, uint64_t chain);
uint64_t idem_log_header_sum(const struct log_header *);
uint64_t idem_log_link_sum(const struct log_link *);
uint64_t idem_log_block_sum(const struct log_header *, const struct log_block *,
                            const struct entry *units);

static inline uint64_t
entry_position(const struct idem_log *l, const struct entry *e)
{
    return l->header.base + (e->val & VAL_LOW_MASK);
}

/* The units that an entry takes; its record's length is in the next one. */
static inline uint32_t
entry_units(const struct entry *e)
{
    const unsigned char *record = (const unsigned char *) (e + 1);
    return e->val & VAL_RECORD ? 1 + RECORD_UNITS(record[0]) : 1;
}

/* load.c */
/* Load what is there and can be believed; nothing behind the spool's end is.
 * *complete: the index has all up to here.  Sets broken.  0 or a negative
 * errno. */
int idem_load(struct idem *, uint64_t end, uint64_t *complete);
/* Write the links as they should be. */
int idem_relink(struct idem *);

/* slice.c */
void idem_slice_free(struct idem_slice *);
/* Be ready to take n entries with ids.  base: positions are greater.  0;
 * -ENOSPC, -ENOMEM: try again later. */
int idem_slice_ready(struct idem *, uint32_t n, int64_t now_us, uint64_t base);
/* Tables or runs have changed: tell idem_prefetch(). */
void idem_slices_publish(struct idem *);
static inline void
slice_count_add(struct idem_slice *s, uint64_t n)
{
    uint64_t was = atomic_load_explicit(&s->count, memory_order_relaxed);
    atomic_store_explicit(&s->count, was + n, memory_order_relaxed);
}
/* Under the lock: add what it takes. */
void idem_slice_memory(const struct idem_slice *, uint64_t *heap,
                       uint64_t *mapped);
/* Into the newest slice, which is ready. */
void idem_slice_insert(struct idem *, struct idem_key, int64_t now_us,
                       uint64_t position, struct slice id);
/* Put what is in the log of a slice into runs, and into the table of the newest.
 * Where that failed before it goes on.  0 or a negative errno. */
int idem_slice_place(struct idem *, struct idem_slice *, int newest);
/* Entries from a unit on were withdrawn. */
void idem_slice_cut(struct idem_slice *);
/* The last event with the key that came after a time. */
int idem_slice_find(struct idem *, struct idem_slice *, struct idem_key,
                    int64_t since_us, struct idem_hit *);
/* Let go of the oldest; idem_slice_remove_dropped() removes its file. */
void idem_slice_drop_oldest(struct idem *);
void idem_slice_remove_dropped(struct idem *);

/* checkpoint.c */
/* Everything up to position is durable; write when there is much, or all.  0
 * or a negative errno. */
int idem_slices_advance(struct idem *, uint64_t position, int all);
/* All that is written is on the disk.  0 or a negative errno. */
int idem_slices_sync(struct idem *);

#endif
