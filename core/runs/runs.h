/* SPDX-License-Identifier: MIT */
/* What is known of keys, in files: a set of runs.
 *
 *   DIR/RUNS      which runs there are, and up to where they have all
 *   DIR/SEQ.run   one: sorted, with checksums, never changed
 *
 * A run has keys, of each the position of its last change, a time, and a value
 * of at most 768 bytes or none.  Runs are written aside, synced, and count once
 * RUNS names them; several become one in the same step, the newest of a key
 * wins, and what is past its time is left out.  A file that RUNS does not name
 * is nothing, and a start removes it.
 *
 * The log of what is in no run yet is the spool: whoever fills a set holds the
 * spool at runs_set.complete, and takes from there what follows.  So a run must
 * only have what is durable there, and what is lost of a run is taken from the
 * spool again, from its `from` on.
 *
 * A start reads headers and sizes.  Pages of 4 KiB have checksums, which are
 * looked at when one is needed first.  Files are mapped, which costs memory as
 * far as the kernel likes; where the disk fails while it reads them back the
 * process ends by SIGBUS.
 *
 * Of the 128 bits of a key 96 are kept: with 10^8 keys one in 10^20 would be
 * taken for another.
 *
 * The idempotency index is one such set.  Cells of steps can be others: a
 * folder for each table, the time being the cell's end, RUNS' `complete` the
 * position of the checkpoint, runs_each() their list in order.  Nothing here
 * has a thread or a lock: sets know nothing of each other, and one worker may
 * serve them all. */
#ifndef RUNS_H
#define RUNS_H

#include "base/text.h"

#include <stdatomic.h>
#include <stdint.h>

#define RUNS_MAX 64
#define RUNS_CROWDED 48u /* from here on merging comes before adding */
#define RUNS_VALUE_MAX 768u

/* As it is in a file, in the byte order of the machine. */
struct runs_record {
    uint64_t hi; /* of the key; runs are sorted by it */
    uint32_t lo;
    uint32_t time; /* in seconds */
    uint64_t at;   /* the position; above it the length of the value */
};
#define RUNS_POSITION_BITS 54

static inline uint64_t
runs_position(const struct runs_record *r)
{
    return r->at & (((uint64_t) 1 << RUNS_POSITION_BITS) - 1);
}

static inline uint32_t
runs_value_len(const struct runs_record *r)
{
    return (uint32_t) (r->at >> RUNS_POSITION_BITS);
}

/* A file begins with this page; its last eight bytes, in all versions, are the
 * sum of the others. */
struct runs_header {
    char magic[8];
    /* half: the time of half of its keys, about, is up to this.  0: that is not
     * known, or they had ended already. */
    uint32_t version, half;
    uint8_t spool[16];
    uint64_t secret;   /* what keys are hashed with, by its sum */
    uint64_t seq;      /* the file's name */
    uint64_t from, to; /* it has the positions behind from, up to to */
    uint64_t keys, value_bytes;
    uint32_t time_min, time_max;
    uint64_t homes, lines;                         /* in run.c */
    uint64_t records_page, values_page, sums_page; /* where these begin */
};

struct run {
    struct runs_header header;
    uint64_t to; /* records behind it are of a spool that was set back */
    const char *dir;
    char name[24];
    const char *map;
    size_t map_len;
    _Atomic uint64_t *good; /* a bit a page: it was looked at */
    _Atomic int told;       /* of its damage */
    /* The owner's: what cannot be read of it is known elsewhere, or lost. */
    _Atomic int leave_out;
    int warm;
    struct run *next; /* the owner's */
};

struct runs_key {
    uint64_t hi, lo;
};
struct runs_hit {
    uint64_t position;
    uint32_t time;
    struct slice value; /* in the file */
};

/* --- looking, any thread --- */

/* Has it the key?  1, 0, or -EBADMSG: where it would be is damaged, which was
 * logged, and nothing says yet that it may be left out. */
int runs_find(struct run *, struct runs_key, struct runs_hit *);
/* For fetching ahead: the lines of the cache that say whether it may, of which
 * the one of a key is hi * homes >> 64. */
uint64_t runs_homes(const struct run *, const void **lines);
#define RUNS_LINE 64u /* bytes */
/* Have what look-ups of unknown keys read in memory, and see whether it is
 * whole: 0 or -EBADMSG. */
int runs_warm(struct run *);
/* Of the file; and of it what runs_warm() reads. */
uint64_t runs_bytes(const struct run *, uint64_t *lines);
/* Unmap and free; the file stays. */
void runs_free(struct run *);

/* --- all records, in order --- */

typedef int runs_put_fn(void *arg, const struct runs_record *,
                        const char *value);
/* Of several runs together; of a key only the newest, where its time is after
 * `after`.  What put returns other than 0 ends it.  0, -ENOMEM, or
 * -EBADMSG as of runs_find(). */
int runs_each(struct run *const *in, uint32_t count, uint32_t after,
              runs_put_fn *put, void *arg);

/* The same of at most 2^20 - 1 records whose hi are in [low, high]. */
struct runs_item {
    const struct runs_record *record;
    const char *value;
};
int runs_put_sorted(const struct runs_item *, size_t n, uint64_t low,
                    uint64_t high, runs_put_fn *put, void *arg);
/* The same for so few that comparing them is best. */
int runs_put_few(const struct runs_item *, size_t n, runs_put_fn *put,
                 void *arg);

/* --- a set --- */

struct runs_set {
    const char *what; /* for the log: "idempotency index" */
    const char *dir;
    int dirfd;
    uint8_t spool[16];
    uint64_t secret;
    struct run *list[RUNS_MAX]; /* the newest last */
    uint32_t count;
    uint64_t next_seq;
    uint64_t complete; /* it has all up to here */
    int reading;       /* beside the process whose it is: nothing is changed */
    /* It is as it was at `complete`, and nothing of what came later is in it: so
     * what RUNS does not name, or names behind what is lost, is not believed. */
    int exact;
    /* What has a time up to this has ended: runs that are mostly that are due.  0:
     * times do not say so. */
    uint32_t now;
};
/* what, dir, dirfd, spool and secret are set.  end: of the spool; nothing that
 * lies behind it is believed.  What cannot be believed is logged and removed,
 * and `complete` says from where on the spool is to be asked.  0, -ENOTSUP (a
 * newer version's), or a negative errno after a log line.  reading is set: also
 * -EAGAIN, as files went meanwhile. */
int runs_open(struct runs_set *, uint64_t end);
void runs_close(struct runs_set *);
/* Name `made` (NULL: nothing) in the place of `count` runs that follow one
 * another in the list, or behind all (count 0).  On success their files are
 * gone, and they are the caller's to free.  A negative errno: perhaps it is
 * named and perhaps not, so try the same again, and nothing else before. */
int runs_name(struct runs_set *, struct run *const *out, uint32_t count,
              struct run *made, uint64_t complete);

/* What is to become one run now: how many, from *first on; 0: nothing. */
struct runs_policy {
    uint64_t least;    /* keys of a run that is small */
    uint64_t most;     /* keys of a run */
    uint32_t together; /* seconds: only what is of one such span */
};
uint32_t runs_due(const struct runs_set *, const struct runs_policy *,
                  uint32_t *first);

/* --- writing one --- */

struct runs_writer;
/* For at most so many keys and bytes of values.  0 or a negative errno. */
int runs_create(struct runs_set *, uint64_t keys, uint64_t value_bytes,
                struct runs_writer **);
/* In order. */
int runs_put(struct runs_writer *, const struct runs_record *,
             const char *value);
/* Sync, and map; NULL where it has no key.  Frees the writer; on error nothing
 * is left. */
int runs_finish(struct runs_writer *, uint64_t from, uint64_t to,
                struct run **made);
void runs_abandon(struct runs_writer *);

#endif
