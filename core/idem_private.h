/* SPDX-License-Identifier: MIT */
/* What the files of the idempotency index share. */
#ifndef IDEM_PRIVATE_H
#define IDEM_PRIVATE_H

#include "idem.h"

#include <pthread.h>
#include <stdatomic.h>

#define SLICES_PER_WINDOW 4
#define SLICES_MAX 12 /* more than five only if the clock jumps about */
#define DROPPED_MAX 64 /* slices that the checkpoint has to remove */

/* --- the log of a slice (idem_log.c, idem_load.c) --- */

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
#define RECORD_UNITS_MAX RECORD_UNITS(128)

/* A file begins with this; it never changes. */
struct log_header {
    char magic[8];
    uint8_t uuid[16]; /* the spool's */
    uint64_t seq;
    int64_t start_us, unit_us;
    uint64_t base; /* positions count from here */
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

/* --- where in the log a key is (idem_table.c) --- */

struct table {
    uint32_t *cells; /* unit, and bits of its key above; 0: empty */
    uint64_t slots, used;
    unsigned unit_bits;
};

struct idem_slice {
    struct idem_log log;
    struct table table;
    struct table old;    /* being moved into table; cells NULL: none */
    uint32_t moved, move_end; /* units of the log */
    _Atomic uint64_t count;   /* keys; the gate's side changes them */
    _Atomic int64_t newest_us;
    int64_t expired_since_us; /* on the monotonic clock; 0: it is not */
};

struct idem {
    struct idem_options opt;
    char *dir;
    int dirfd;
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
        _Atomic(const uint32_t *) cells;
        _Atomic uint64_t slots;
    } near[SLICES_MAX + 2]; /* the last has none */
    uint64_t complete; /* of the last block that was written */
    int sync_failed;   /* for good: what a failed sync has lost stays lost */

    _Atomic(struct idem_slice *) expired; /* the oldest is to go */
    _Atomic uint64_t applied;  /* everything up to here is in the slices */
    int broken;         /* what was loaded does not fit together */
    int stuck;          /* the index has no room, or ... */
    int behind;         /* ... the spool has more, behind replay_after */
    uint64_t replay_after;
    int64_t retried_us, synced_us;
    uint64_t rebuilt;
};

/* idem_table.c */
#ifndef TABLE_SLOTS_MIN /* fuzzed with less */
#define TABLE_SLOTS_MIN (64u << 10)
#endif
/* Empty, for so many slots, and units up to units_max.  0 or -ENOMEM. */
int table_make(struct table *, uint64_t slots, uint32_t units_max);
void table_free(struct table *);
/* The units that may have the key, one after the other; *at is 0 at first.  0:
 * no more. */
uint32_t table_next(const struct table *, uint64_t lo, uint64_t *at);
/* There must be an empty cell. */
void table_put(struct table *, uint64_t lo, uint32_t unit);

static inline uint64_t
table_slot(const struct table *t, uint64_t lo)
{
    return (uint64_t) (((unsigned __int128) lo * t->slots) >> 64);
}

/* idem_log.c */
int log_create(struct idem *, struct idem_log *);
void log_free(struct idem_log *);
void log_remove(struct idem *, struct idem_log *);
/* Room for so many units more in memory.  0 or -ENOMEM. */
int log_reserve(struct idem *, struct idem_log *, uint32_t units);
/* Append an entry; there is room.  Returns its unit. */
uint32_t log_add(struct idem_log *, struct entry, uint64_t position,
                 struct slice id);
/* Read units from one on: how many of max follow it in its block, or a negative
 * errno. */
int log_read(struct idem *, struct idem_log *, uint32_t unit,
             struct entry *out, uint32_t max);
/* What is of events up to position is durable. */
void log_advance(struct idem_log *, uint64_t position);
/* The other entries never were.  How many there were. */
uint32_t log_cut(struct idem_log *, uint64_t position);
/* Write what is durable as a block.  Under idem->lock.  0 or a negative errno:
 * then nothing has changed. */
int log_write(struct idem *, struct idem_log *, uint64_t complete);
/* Give back the memory of what has been written. */
void log_trim(struct idem *, struct idem_log *);
int log_write_link(struct idem_log *, uint64_t previous, uint64_t chain);
uint64_t log_header_sum(const struct log_header *);
uint64_t log_link_sum(const struct log_link *);
uint64_t log_block_sum(const struct log_header *, const struct log_block *,
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

/* idem_load.c */
/* Load what is there and can be believed; nothing behind the spool's end is.
 * *complete: the index has all up to here.  Sets broken.  0 or a negative
 * errno. */
int idem_load(struct idem *, uint64_t end, uint64_t *complete);
/* Write the links as they should be. */
int idem_relink(struct idem *);

/* idem_slice.c */
void slice_free(struct idem_slice *);
/* Be ready to take n entries with ids.  base: positions are greater.  0;
 * -ENOSPC, -ENOMEM: try again later. */
int slice_ready(struct idem *, uint32_t n, int64_t now_us, uint64_t base);
/* The tables have changed: tell idem_prefetch(). */
void slices_publish(struct idem *);
static inline void
slice_count_add(struct idem_slice *s, uint64_t n)
{
    uint64_t was = atomic_load_explicit(&s->count, memory_order_relaxed);
    atomic_store_explicit(&s->count, was + n, memory_order_relaxed);
}
/* Into the newest slice, which is ready. */
void slice_insert(struct idem *, struct idem_key, int64_t now_us,
                  uint64_t position, struct slice id);
/* The last event with the key that came after a time. */
int slice_find(struct idem *, struct idem_slice *, struct idem_key,
               int64_t since_us, struct idem_hit *);
/* Let go of the oldest; slice_remove_dropped() removes its file. */
void slice_drop_oldest(struct idem *);
void slice_remove_dropped(struct idem *);

/* idem_checkpoint.c */
/* Everything up to position is durable; write when there is much, or all.  0
 * or a negative errno. */
int slices_advance(struct idem *, uint64_t position, int all);
/* All that is written is on the disk.  0 or a negative errno. */
int slices_sync(struct idem *);

#endif
