/* SPDX-License-Identifier: MIT */
/* What the files of the idempotency index share. */
#ifndef IDEM_PRIVATE_H
#define IDEM_PRIVATE_H

#include "idem.h"

#include <pthread.h>

#define SLICES_PER_WINDOW 4
#define SLICES_MAX 12 /* more than five only if the clock jumps about */
#define DROPPED_MAX 64 /* slices or tables that the checkpoint has to remove */
#define TABLE_HEADER 4096
#ifndef TABLE_SLOTS_MIN /* fuzzed with less */
#define TABLE_SLOTS_MIN (64u << 10)
#endif

/* val of a slot, 0: empty.  1 bit: a record in the ids file; 10 bits of time in
 * 1/1024 of a slice; 13 bits more of the key; 40 bits of position, counted from
 * the slice's base, or of the record's offset / 8. */
#define VAL_RECORD ((uint64_t) 1 << 63)
#define VAL_TIME_SHIFT 53
#define VAL_TIME_MAX 1023u
#define VAL_TAG_SHIFT 40
#define VAL_TAG_MASK ((uint64_t) 0x1fff << VAL_TAG_SHIFT)
#define VAL_LOW_MASK (((uint64_t) 1 << 40) - 1)

struct slot {
    uint64_t lo, val;
};

/* First bytes of a table.  What is above `sum` never changes. */
struct table_header {
    char magic[8];
    uint8_t uuid[16];
    uint64_t seq, generation, slots;
    int64_t start_us, unit_us;
    uint64_t base; /* positions count from here */
    uint64_t sum;
    uint64_t count;
    uint64_t complete;  /* holds all of the slice (else: it is growing) */
    uint64_t limit;     /* positions above are not believed */
    uint64_t ids_used;  /* bytes of the ids file */
    int64_t newest_us;  /* latest time in it */
    uint64_t sealed;    /* content has `content` as its checksum */
    uint64_t content;
};

struct table {
    int fd;
    struct table_header *header; /* the map; NULL: none */
    struct slot *slots;
    uint8_t *tags; /* of each slot 8 bits of its key, 0: empty */
    uint64_t count_max; /* what it takes before it has to grow */
    char name[40];
};

struct idem_slice {
    struct table table;
    struct table old;    /* being moved into table; header NULL: none */
    uint64_t moved;      /* slots of old that have been */
    int ids_fd;
    char *ids;
    uint64_t ids_size;
    int64_t expired_since_us; /* on the monotonic clock; 0: it is not */
};

/* A key on its way to the disk. */
struct pending {
    struct idem_key key;
    uint64_t position;
    int64_t now_us;
    uint64_t id_offset;
    uint32_t id_len;
    uint32_t next; /* in its chain; PENDING_NONE */
};
#define PENDING_NONE UINT32_MAX

/* DIR/STATE.  The second part is written through a map at every group: it
 * outlives the process, and after a restart of the machine it is ignored. */
struct idem_state {
    char magic[8];
    uint8_t uuid[16];
    uint64_t synced; /* complete up to here, on the disk ... */
    uint64_t first_seq, next_seq; /* ... in these slices */
    uint64_t sum;
    char pad[512 - 56];
    uint64_t boot;    /* which run of the kernel */
    uint64_t applied; /* complete up to here ... */
    uint64_t applied_first_seq, applied_next_seq; /* ... in these */
};

struct idem {
    struct idem_options opt;
    char *dir;
    int dirfd;
    struct spool *spool;
    struct spool_hold *hold;
    int64_t slice_us;
    uint64_t next_seq; /* of the next slice */

    /* newest last; changed under list_lock by the gate's side alone, which
     * therefore reads without it */
    pthread_mutex_t list_lock;
    struct idem_slice *slices[SLICES_MAX + 1];
    size_t slice_count;
    struct idem_slice *dropped[DROPPED_MAX]; /* for the checkpoint */
    size_t dropped_count;
    struct table retired[DROPPED_MAX]; /* the same, once all is synced */
    size_t retired_count;
    struct idem_slice *expired; /* the checkpoint wants the oldest to go */

    /* a ring of entries by position, chained by hash */
    struct pending *pending;
    uint32_t *chains;
    uint64_t head, tail; /* indices before masking */
    uint32_t pending_cap;
    struct il_text ids; /* ids of pending entries ... */
    uint64_t ids_base;  /* ... from this offset on */
    int stuck;          /* the index has no room: entries wait here, or ... */
    int behind;         /* ... in the spool, behind replay_after */
    uint64_t replay_after;
    int64_t retried_us;

    int state_fd;
    struct idem_state *state;
    int64_t synced_us;
    uint64_t synced, rebuilt;
};

static inline uint64_t
table_slot(const struct table *t, uint64_t lo)
{
    return (uint64_t) (((unsigned __int128) lo * t->header->slots) >> 64);
}

/* idem_table.c */
int table_create(struct idem *, struct table *, const struct table_header *);
/* 0, or -EINVAL for anything that cannot be believed. */
int table_open(struct idem *, const char *name, struct table *);
void table_close(struct table *);
void table_remove(struct idem *, struct table *);
void table_seal(struct table *);
/* 1 and the value, or 0. */
int table_find(const struct table *, struct idem_key, uint64_t *val);
void table_put(struct table *, uint64_t lo, uint64_t val);
/* Put all that another one has. */
void table_merge(struct table *, const struct table *from);
/* Count what is in it. */
void table_recount(struct table *);

/* idem_slice.c */
int slice_start(struct idem *, int64_t now_us, uint64_t position);
void slice_free(struct idem_slice *);
/* 0; -ENOSPC, -ENOMEM: try again later. */
int slice_insert(struct idem *, struct idem_key, int64_t now_us,
                 uint64_t position, struct slice id);
int slice_find(const struct idem *, const struct idem_slice *,
               struct idem_key, int64_t now_us, struct idem_hit *);
/* Load what is there and can be believed.  How many files could not, or a
 * negative errno. */
int slice_load_all(struct idem *, uint64_t first_seq, uint64_t next_seq);
/* Let go of the oldest; slice_remove_dropped() removes its files. */
void slice_drop_oldest(struct idem *);
void slice_remove_dropped(struct idem *);

/* idem_checkpoint.c */
int state_open(struct idem *, uint64_t *complete, uint64_t *first_seq,
               uint64_t *next_seq);
void state_applied(struct idem *, uint64_t position);
/* The list of slices has changed. */
void state_slices(struct idem *);
int state_sync(struct idem *);

#endif
