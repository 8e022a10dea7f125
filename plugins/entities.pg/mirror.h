/* SPDX-License-Identifier: MIT */
/* An instance of entities.pg: some mirrors over one connection string.
 *
 *   entities.c   options, lifecycle
 *   mirror.c     the thread of a mirror: when it runs, what it says of itself
 *   run.c        one run: all rows, or those behind the watermark
 *   query.c      what the query's columns are, and the statement that copies them
 *   row.c        a row of COPY text: the id and the traits
 *   seen.c       which ids a run has met
 *   probe.c      `ingestlayer check --online`
 *
 * Each mirror has a thread and a connection of its own, and while it runs a second
 * thread, which writes what the first has read.  All of struct mirror
 * belongs to the thread but for what the lock of the instance protects.  What there
 * is of a mirror across restarts stands with its entities, in the store: struct
 * progress says what.  Only transactions of their own settings are used, so that a
 * pooler may stand in between. */
#ifndef ENTITIES_PG_MIRROR_H
#define ENTITIES_PG_MIRROR_H

#include <pthread.h>

#include "../warehouse.pg/link.h"
#include "query.h"
#include "row.h"
#include "seen.h"

/* What the operator wrote of a mirror. */
struct settings {
    const char *name, *kind, *key, *query, *watermark;
    int64_t every_us, full_us, overlap_us;
    int overlap_set; /* the operator says how far it reads again */
    int deletes;     /* gone = delete */
    uint64_t hash;   /* of what decides what rows there are */
};

/* Durable with the entities. */
struct progress {
    uint64_t hash;        /* settings.hash of the last complete run */
    int64_t full_us;      /* when the last full run began; 0: there was none */
    uint64_t full_rows;   /* how many rows it had */
    int64_t watermark_us; /* it has read up to there; 0: nothing */
};
#define PROGRESS_TEXT 160

struct entities;

struct mirror {
    struct entities *owner;
    struct settings set;
    struct il_mirror *store;
    struct link link;
    struct progress done;
    int64_t seen_us;    /* when the last complete run began */
    int64_t started_us; /* when the last run began, complete or not */
    int64_t asked_us;   /* the last time a person asked */
    uint32_t failures;  /* in a row */
    char said[FAULT_WHY];
    pthread_t thread;
    int running;      /* the thread is; the main thread's */
    char status[300]; /* under the owner's lock */
};

struct entities {
    const struct il_host *host;
    struct connection connect;
    struct link_stop stop;
    struct mirror *mirrors;
    size_t count;
    struct il_counter *rows, *written, *removed, *refused, *runs, *failed;
    struct il_gauge *age;
    pthread_mutex_t lock;
};

/* What a run is to do, and what came of it. */
struct run {
    int full;
    int64_t started_us;
    struct il_mirrored counts;
    uint64_t rows;
    int64_t newest_us; /* the greatest watermark; 0: none */
    int64_t bound_us;  /* the watermark may go no further */
    int kept;          /* so few rows that nothing was removed */
};

/* The thread of a mirror. */
void *mirror_run(void *mirror);
/* Say it in `status`, behind the name of the mirror. */
void mirror_status(struct mirror *, const char *fmt, ...) IL_PRINTF(2, 3);
/* Is it to come to its end? */
int mirror_stops(const struct mirror *);

/* One run.  0, or -1 with m->link.fault. */
int run_once(struct mirror *, struct run *);
/* How far the watermark may go, as of now: before the snapshot is taken that it is
 * for.  *sure: open transactions are seen.  0 or -1. */
int run_bound(struct mirror *, const struct query *, int64_t *bound_us,
              int *sure);

int probe_run(void *self, struct il_text *);

#endif
