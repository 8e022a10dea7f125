/* SPDX-License-Identifier: MIT */
/* What is known of targets (breaker.h), kept over a restart: else each start
 * within an outage would count the first failures anew, and a host that starts
 * again and again could make dead letters of a backlog.
 *
 * A record is written as something changes, and before the event that had it
 * change comes to its end: so whatever kills the process, no failure counts that
 * is not known afterwards.  Only to the file: a power cut may leave out what was
 * written since the last keep_sync(), and records that are damaged are passed
 * over.  Numbers are those of this machine. */
#ifndef KEEP_H
#define KEEP_H

#include "breaker.h"

#define KEEP_FILE "targets"
#define KEEP_DAY (INT64_C(86400) * 1000000)

struct keep;

/* In a folder, which has it from an earlier run or not.  Restores into the
 * breaker what is of the target `only` or, where that is "", what has changed
 * within a day; the rest is forgotten.  0 or a negative errno. */
int keep_open(const char *folder, struct breaker *, const char *only,
              int64_t now_us, struct keep **out);
/* Accepts NULL.  Syncs. */
void keep_close(struct keep *);
/* Something may have changed of a target: write it, if it has.  0 or a negative
 * errno.  One thread at a time. */
int keep_note(struct keep *, struct breaker_target *, int64_t now_us);
/* Wait for the disk, if there is something to wait for.  Any thread.  0 or a
 * negative errno. */
int keep_sync(struct keep *);

#endif
