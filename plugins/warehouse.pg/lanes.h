/* SPDX-License-Identifier: MIT */
/* How far the lane is, as Postgres says it: positions, claims, epochs.
 *
 * Each connection has a row in the table of lanes, and an event is done when
 * the row of its connection is as far as it.  The row moves in the transaction
 * that brings the rows of the events in, so that the two can never disagree:
 * connections need not wait for each other, and a process that dies leaves
 * behind, row by row, how far each was.
 *
 * resume() claims the lane: it reads all of its rows and, where they are its own
 * (lanes_epoch.c), raises them to one epoch (lanes_claim.c).  Each update names the epoch, so that a process whose
 * lane has been taken over hits no row: the fence.  A connection made anew
 * reads its rows again before it writes (lanes_check).
 *
 * The first connection's thread claims, while the others rest; what that finds
 * is constant until the next claim, but for the positions.  A connection's
 * thread moves those of its own rows, under the lock; it reads its own without
 * it, and those of others with it. */
#ifndef PG_LANES_H
#define PG_LANES_H

#include <pthread.h>

#include "link.h"
#include "options.h"

/* Rows that a lane can have: of 1, of 2, ... of 16 connections. */
#define LANES_ROWS_MAX (PG_CONNECTIONS_MAX * (PG_CONNECTIONS_MAX + 1) / 2)

struct job;

enum pg_mode {
    PG_MODE_UNKNOWN,
    PG_MODE_LANES, /* position and rows in one transaction */
    PG_MODE_UNIQUE /* on conflict (unique_column) do nothing */
};

/* A row of this lane: of connection k, counted from 0, of n. */
struct lanes_row {
    uint32_t k, n;
    uint64_t position, epoch;
};

/* What the folder of this instance remembers (lanes_epoch.c). */
#define LANES_EPOCHS_MAX 8
struct lanes_epochs {
    int fd; /* -1: not open yet */
    uint64_t sequence, kept, meant[LANES_EPOCHS_MAX];
    uint32_t count;
};

struct lanes {
    const struct il_host *host;
    const struct options *opt;
    const char *name; /* the lane's; while rows are moved, the one before */
    pthread_mutex_t *lock;
    char spool[37]; /* UUID, as text */
    uint64_t tag;   /* of spool and lane, for link_tag */
    enum pg_mode mode;
    enum pg_mode mode_kept; /* from the first resume() on */
    int mode_said;
    uint64_t given; /* events up to here may be of an earlier process */
    uint64_t epoch; /* ours; 0: not claimed yet */
    struct lanes_epochs epochs;
    int claimed;                           /* resume() has been answered */
    struct lanes_row rows[LANES_ROWS_MAX]; /* as they were claimed */
    uint32_t row_count;
    /* What the row of each connection says; under the lock. */
    uint64_t positions[PG_CONNECTIONS_MAX];
    /* Without such rows: up to where each has sent a COMMIT that may have gone
     * through; under the lock. */
    uint64_t sent[PG_CONNECTIONS_MAX];
};

/* Find out which mode is possible; makes the lanes table where it may. */
int lanes_prepare(struct link *, int may_create, enum pg_mode *);
/* Make, or read, the rows of all connections, raise the epoch of each row that
 * this lane has, and take their positions.  Where this process has claimed the
 * lane before, its epoch stays: PG_ACT_FENCED where there is a higher one; and
 * at first where there is one that is not of this state_dir, but for `take`. */
int lanes_claim(struct lanes *, struct link *, uint64_t local, int take);
/* Before that: the rows that the lane has under the name `was` are its own, in
 * place of what there is.  0 or -1. */
int lanes_move(struct lanes *, struct link *, const char *was);
/* Read what is remembered, and have room to write it.  From start() on, where it
 * may fail: it is called again.  0 or a negative errno. */
int lanes_epoch_open(struct lanes *);
void lanes_epoch_close(struct lanes *);
/* The epoch for a claim of rows as they were read, newest being the highest
 * that they have, and higher than that of others; it is written down.  0, or
 * -1: PG_ACT_FENCED where newest is somebody else's and not to be taken. */
int lanes_epoch_next(struct lanes *, struct link *, uint64_t newest,
                     uint64_t others, int take, uint64_t *epoch);
/* Read the rows, into rows; the highest epoch of those. */
int lanes_read(struct lanes *, struct link *);
uint64_t lanes_newest(const struct lanes *);
/* Up to where all is done, by the rows as they were read. */
uint64_t lanes_read_floor(const struct lanes *);
/* Read the rows of a job's connections again, once the transaction that may
 * still hold them has ended: PG_ACT_FENCED where one is no longer ours,
 * PG_ACT_SET_BACK where one is not as far as it was; positions are then what
 * they say. */
int lanes_check(struct lanes *, struct link *, const struct job *);
/* Right after lanes_claim(): take all rows that are further than that back to a
 * position, and remember from where: that they are behind somebody's cursor
 * does not mean then that rows are gone.  0 or -1. */
int lanes_rewind(struct lanes *, struct link *, uint64_t position);
/* From where they were taken back, at most; 0: they never were. */
int lanes_was_at(const struct lanes *, struct link *, uint64_t *position);
/* The statement that moves the rows of the job's connections to its end, in the
 * transaction of its events; how many rows it has to hit. */
uint32_t lanes_update_sql(const struct lanes *, struct sql *,
                          const struct job *);
/* Up to where everything is done, and up to where anything is. */
uint64_t lanes_floor(const struct lanes *);
uint64_t lanes_top(const struct lanes *);
/* Is the event at this position done? */
int lanes_done(const struct lanes *, uint64_t position);

/* Which events of a job may be in the table already, without a row of this
 * table that would tell: those that an earlier process was given, and those of
 * an attempt whose COMMIT went unanswered.  Fills job->maybe; is it another
 * than before?  With the lock held. */
int lanes_maybe(const struct lanes *, struct job *);

/* For the two files: `where` of this spool, a row's name as a literal, and what
 * row a name is of (0, or -EINVAL). */
/* How long they wait for a row. */
#define LANES_LOCK_MS 10000
uint32_t lanes_lock_ms(const struct lanes *);
void lanes_where(const struct lanes *, struct sql *);
void lanes_name(const struct lanes *, struct sql *, uint32_t k, uint32_t n);
int lanes_parse(const struct lanes *, const char *name, struct lanes_row *);
uint64_t lanes_cell(const PGresult *, int row, int column);

#endif
