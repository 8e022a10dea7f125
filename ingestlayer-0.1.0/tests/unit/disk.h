/* SPDX-License-Identifier: MIT */
/* A disk that can lose its power.  Between disk_record() and disk_stop() every
 * change below one folder is noted, in order; disk_crash() then makes the
 * folder what it may be after a stop at any of those changes:
 *   the process alone has died: everything before, and a part of that change;
 *   the power has gone: of what no sync has made durable any 512 or 4096 bytes
 *   of a write, the names and the sizes up to some change.
 * What a file had before it was overwritten is thus found again in places. */
#ifndef DISK_H
#define DISK_H

#include <stddef.h>
#include <stdint.h>

/* What is in the folder now is on the disk. */
void disk_record(const char *folder);
/* Note a moment, such as an acknowledgement. */
void disk_mark(int what, uint64_t value);
void disk_stop(void);

/* How many changes and marks there were, and which. */
size_t disk_steps(void);
/* 0, or what was given to disk_mark() at that step. */
int disk_marked(size_t step, uint64_t *value);
/* Is it a rare one: of a name, of a size, or a write that did not fit? */
int disk_is_rare(size_t step);

/* Make the folder what it is when steps have been done and nothing of the next
 * one, or with torn a part.  Returns how many writes were not durable. */
size_t disk_crash(size_t steps, int power, int torn, uint64_t seed);

/* Fail the writes from now on, once so many bytes have got through; -1:
 * none. */
void disk_full_after(int64_t bytes);

uint64_t disk_random(uint64_t *seed);

#endif
