/* SPDX-License-Identifier: MIT */
/* How the room works: which (source, key) became which event.
 *
 *   idem.c     what the gate calls
 *   start.c    opening, closing, and taking keys from the spool
 *   secret.c   what keys are hashed with, so that nobody can aim at a place
 *   table.c    the newest keys, in some MiB of memory
 *   work.c     the thread that puts tables into runs and runs together
 *
 * Threads.  The gate's side (under the gate's lock, so one thread at a time)
 * finds and adds.  It tells what is durable, which makes entries fit to be
 * written.  The worker alone changes the set of runs: it reads of tables what
 * does not change any more, and shows each new list of runs, which the gate's
 * side takes over between two batches; what it then no longer uses, the worker
 * frees.
 *
 * `lock` guards the list of tables, the list of runs that is shown, and what
 * the two ask of each other.  The gate's side alone changes the tables' list
 * and reads it without.
 *
 * A crash leaves runs, and in the spool what followed.  A table is written only
 * as far as its events are durable, so a key never outlives its event. */
#ifndef IDEM_PRIVATE_H
#define IDEM_PRIVATE_H

#include "idem.h"

#include "runs/runs.h"

#include <pthread.h>
#include <stdatomic.h>

/* Bytes of a secret: XXH3 has one of this size by default. */
#define IDEM_SECRET 192

#define NEAR_MAX 48
#define SLICES_PER_WINDOW 4

/* --- the newest keys (table.c) --- */

/* So many keys, then they go into a run. */
#define TABLE_KEYS (3u << 15)
/* More than one are full only while the disk is slow. */
#define FULL_MAX 2

/* In units of eight bytes: a record, and its id. */
#define RECORD_UNITS(len) (3u + ((uint32_t) (len) + 7) / 8)
#define RECORD_UNITS_MAX RECORD_UNITS(255)
#define TABLE_UNITS_USUAL 4u /* a key; with more a table is full earlier */
#define TABLE_AT_ONCE 4096u  /* keys that always have room behind those */

#define LINE_CELLS 15u
#define TABLE_LOAD 12u /* keys of a line when the table is full */
#define TABLE_SPARE_LINES 4u

struct idem_line {
    uint32_t used;              /* cells */
    uint32_t cells[LINE_CELLS]; /* a unit, some of the key's bits above it */
};
_Static_assert(sizeof(struct idem_line) == 64, "a line of the cache");

struct idem_table {
    /* The gate's side. */
    struct idem_line *cells;
    uint64_t homes, lines, keys_max, value_bytes;
    uint64_t *units;
    uint32_t units_usual, units_max, end;
    unsigned unit_bits;
    uint64_t last; /* position of the last entry */
    _Atomic uint64_t keys;
    _Atomic uint32_t durable; /* units before it are of durable events */
    /* All up to here is in those before it, or in runs. */
    uint64_t base;
    /* Under idem->lock; the worker's: units before it are in a run, ... */
    uint32_t flushed;
    int done; /* ... all of them, and nothing more comes */
};

/* Empty; at_once: it has room for so many.  0 or -ENOMEM. */
int idem_table_make(uint64_t keys, uint32_t at_once, struct idem_table **);
void idem_table_free(struct idem_table *);
void idem_table_clear(struct idem_table *);
/* Is there room for n entries more, of any length? */
int idem_table_takes(const struct idem_table *, uint32_t n);
uint64_t idem_table_bytes(const struct idem_table *);
/* Under idem->lock: about how many of its keys are in no run. */
static inline uint64_t
idem_table_unflushed(const struct idem_table *t)
{
    uint32_t durable = atomic_load(&t->durable);
    return t->flushed && t->flushed == durable ? 0 : atomic_load(&t->keys);
}
/* The newest of the key, or NULL; its id follows it. */
const struct runs_record *idem_table_find(const struct idem_table *,
                                          struct idem_key);
/* There must be room. */
void idem_table_put(struct idem_table *, struct idem_key, uint32_t time,
                    uint64_t position, struct slice value);
/* What is of events up to position is durable. */
void idem_table_advance(struct idem_table *, uint64_t position);
/* The other entries never were. */
void idem_table_cut(struct idem_table *, uint64_t position);
/* Of one that does not change: can it be read in order? */
int idem_table_has_order(const struct idem_table *);
/* Then the keys of the next lines: all of these come before all that follow.
 * *line: 0, and at last t->lines.  items has room for as many as there are. */
size_t idem_table_group(const struct idem_table *, uint64_t *line,
                        struct runs_item *items);

static inline const struct runs_record *
idem_table_record(const struct idem_table *t, uint32_t unit)
{
    return (const struct runs_record *) (t->units + unit);
}

static inline uint64_t
place_of(uint64_t hi, uint64_t places)
{
    return (uint64_t) (((unsigned __int128) hi * places) >> 64);
}

/* --- the index --- */

/* A change of the set that is to be named; until it is, nothing else happens
 * to it.  The worker's. */
struct idem_naming {
    int due;
    struct run *out[RUNS_MAX], *made;
    uint32_t count;
    uint64_t complete;
    /* Of the first that are not done, made has the units before upto. */
    uint32_t tables, upto[FULL_MAX + 1];
};

struct idem {
    struct idem_options opt;
    uint64_t part_keys;
    char *dir;
    int dirfd;
    uint8_t secret[IDEM_SECRET];
    uint64_t secret_id; /* its sum, which runs have */
    struct spool *spool;
    struct spool_hold *hold;

    /* The gate's side: the runs as it sees them. */
    struct run *view[RUNS_MAX];
    uint32_t view_count;
    struct idem_table *spare; /* empty */
    int refused;              /* all tables were full */
    int stuck;                /* an error: events are refused, as ... */
    _Atomic int behind;       /* ... the spool has more, behind replay_after */
    uint64_t replay_after;
    int64_t retried_us;
    pthread_t catcher;
    /* 1: a thread is the gate's side, and takes in what the spool has; 2: it is
     * done, and to be joined. */
    _Atomic int catching;
    _Atomic int lost;         /* lost_from says something */
    _Atomic uint64_t applied; /* everything up to here is in tables or runs */
    _Atomic uint64_t rebuilt;
    _Atomic uint64_t reread, to_reread; /* the last time, or now */
    _Atomic int rereads;                /* now */
    /* Where idem_prefetch() looks, newest first; a mixture of old and new does
     * no harm. */
    struct {
        _Atomic uintptr_t base; /* of lines of the cache; 0: no more */
        _Atomic uint64_t homes;
    } near[NEAR_MAX + 1];

    pthread_mutex_t lock;
    struct idem_table *tables[FULL_MAX + 1]; /* newest last */
    uint32_t table_count;
    struct run *shown[RUNS_MAX]; /* what the gate's side shall see */
    uint32_t shown_count;
    _Atomic int news;     /* it does not yet, or a table is done */
    struct run *retired;  /* the gate's side may still see them */
    struct run *garbage;  /* it does not */
    uint64_t lost_from;   /* damage: what the spool has behind it is needed */
    uint64_t replay_from; /* that is not all in runs again; UINT64_MAX: it is */
    int flush_due;        /* all that is durable is to be in runs */
    int64_t flushed_us, lowest_us, settled_us, period_us;
    pthread_cond_t work;  /* there may be some */
    pthread_cond_t ready; /* a table is done, or cannot be */
    int working;          /* the thread exists */
    _Atomic int quit;
    int work_failed; /* the error, which was said */
    pthread_t worker;

    /* The worker's. */
    struct runs_set set;
    struct idem_naming naming;
};

/* secret.c: read it, or make one.  0 or a negative errno after a log line. */
int idem_secret_open(struct idem *);

/* idem.c: the gate's side. */
int idem_find_now(struct idem *, struct idem_key, int64_t now_us,
                  int64_t window_us, struct idem_hit *hit);
/* Room for n entries.  patient: for what comes from the spool, however long that
 * takes, unless writing fails.  0 or a negative errno. */
int idem_make_room(struct idem *, uint32_t n, int patient);
void idem_put(struct idem *, struct idem_key, int64_t now_us, uint64_t position,
              struct slice id);
/* Everything up to position is durable. */
void idem_advance(struct idem *, uint64_t position);
/* See what the worker shows. */
void idem_install(struct idem *);

/* start.c: the gate's side: 0 when all that the spool has is known; else
 * -EAGAIN, or why that is not so. */
int idem_caught_up(struct idem *);

/* work.c */
int idem_work_start(struct idem *);
void idem_work_stop(struct idem *);
/* Under the lock: there may be something to do. */
void idem_work_wake(struct idem *);
/* Under the lock: damage has taken what came behind a position. */
void idem_work_lost(struct idem *, uint64_t from);

#endif
