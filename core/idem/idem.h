/* SPDX-License-Identifier: MIT */
/* The idempotency index: which (source, namespace, key) became which event,
 * inside a window of time.  Derived from the spool: what is missing is rebuilt.
 *
 *   DIR/SECRET          what keys are hashed with
 *   DIR/RUNS, SEQ.run   the keys (runs/runs.h)
 *
 * The newest keys are in memory, in some MiB, which a thread puts into a run
 * when they are full, every ten minutes, when a segment of the spool could go
 * otherwise, and at the end.  Runs are merged inside quarters of the window, and
 * go as a whole once it is past.  A look-up asks memory, then the runs: each
 * says "not there" by one line of the cache.
 *
 * A key is written only once its frame is durable, so the index never knows one
 * that the spool could lose; what is in no run is taken from the spool at the
 * next start, and so is what damage takes.  A key that comes again through a
 * frame that is for one lane only is not renewed by it.
 *
 * One caller at a time (the gate's lock), but for idem_checkpoint() and
 * idem_stats(), which may be called beside it. */
#ifndef IDEM_H
#define IDEM_H

#include "spool/spool.h"

struct idem;

struct idem_options {
    const char *dir;
    int64_t window_us;  /* 24 h; where types of events have their own, the
                         * longest of them */
    uint64_t
        max_keys; /* about; the oldest run goes early above this, with a log
                         * line: its keys are no longer known.  0: none */
    uint64_t part_keys; /* kept in memory until they go into a run; 0: as many
                         * as is best */
};

struct idem_key {
    uint64_t hi, lo; /* 128-bit XXH3, with a secret, of source id, a byte with
                      * the namespace, key */
};
/* Keys of one namespace have nothing to do with those of another: what anybody
 * may send, as its key is public, is apart from what only servers send. */
enum idem_space { IDEM_SERVER, IDEM_PUBLISHABLE };
/* Of an index that is open.  Any thread. */
struct idem_key idem_key(const struct idem *, enum idem_space,
                         struct slice source_id, struct slice key);

struct idem_hit {
    uint64_t position; /* of the first event; wait until it is durable */
    size_t id_len;     /* 0: the id is the key that was looked up */
    char id[255];      /* else the id it has (which may be the key as well) */
};

/* Open or make; takes from the spool what is in no run.  0; -ENOTSUP: a newer
 * version wrote it; or another negative errno after a log line. */
int idem_open(const struct idem_options *, struct spool *, struct idem **out);
void idem_close(struct idem *);

/* Touch the memory of a lookup that follows soon.  Any thread: best where there
 * is other work between two keys. */
void idem_prefetch(struct idem *, struct idem_key);
/* 1 and *hit when the key was seen inside the window before now_us; else 0, or
 * -EAGAIN where that cannot be known now: keys are being taken from the
 * spool. */
int idem_find(struct idem *, struct idem_key, int64_t now_us,
              struct idem_hit *hit);
/* The same for a shorter window, to a second: a key is rather known too long.  0: the index's own.  A key that is added again because its
 * window was over is from then on the later event's. */
int idem_find_within(struct idem *, struct idem_key, int64_t now_us,
                     int64_t window_us, struct idem_hit *hit);
/* Before n events are appended: will idem_add() take them?  0, -ENOMEM, -EAGAIN
 * as idem_find(), or -ENOSPC: the disk has no room for the index, and accepting
 * more would break the promise about duplicates; -EMFILE, -ENFILE: no file can
 * be opened. */
int idem_ready(struct idem *, uint32_t n, int64_t now_us);
/* A new event was appended at position (they only grow): one of those that
 * idem_ready() was asked for.  id {NULL, 0}: the id is the key itself.  0 or
 * -EINVAL. */
int idem_add(struct idem *, struct idem_key, int64_t now_us,
             uint64_t position, struct slice id);
/* Everything up to position is durable.  On error < 0 forget what lies behind
 * position. */
void idem_durable(struct idem *, uint64_t position, int error);
/* Housekeeping, every few seconds from one thread: it lets runs be written and
 * go when it is time, and waits for nothing.  0, or the error that runs cannot
 * be written for. */
int idem_checkpoint(struct idem *, int64_t now_us);

struct idem_stats {
    uint64_t keys;
    uint64_t slices;  /* runs, and tables in memory */
    uint64_t bytes;   /* of the disk */
    uint64_t heap;    /* bytes of memory that only we have */
    uint64_t mapped;  /* of bytes: what look-ups of new keys read; in memory as
                       * far as the kernel likes */
    uint64_t rebuilt; /* keys that were taken from the spool */
    /* Events of the spool that are read again, for their keys: so many of so
     * many; while it is at it. */
    uint64_t reread, to_reread;
    int rereads;
};
void idem_stats(struct idem *, struct idem_stats *);

#endif
