/* SPDX-License-Identifier: MIT */
/* The cursor file of a lane: how far it is, in two slots written in turn, so
 * that a torn write leaves the one before.
 *
 *   STATE_DIR/lanes/PIPELINE/DESTINATION.cursor
 *   slot (at 0 and 4096, little-endian): "ILCURS5\0", UUID of the spool,
 *   u64 sequence, u64 position, u64 fresh, u64 letters, u64 confirmed,
 *   u64 begun, u64 noted, u64 paused, 200 bytes why, u64 XXH3 of all before;
 *   "ILCURS4\0" had neither paused nor why, "ILCURS3\0" neither begun nor noted
 *
 * fresh: 0, or the first position that the spool has given out since the
 * destination last said how far it is: from there on it can have none.
 *
 * letters: how many dead letters the lane had, so that it can be told when their
 * store is lost.
 *
 * confirmed: up to here the destination, which tells how far it is, had taken
 * events; position may be further, over events that were dropped.
 *
 * begun: it is decided where the lane begins.
 * noted: 0, or the first position that the spool had not given out when the lane
 * was first in a config that was started.
 *
 * The slots are in different pages: a torn page costs one of them.  The file
 * is derived.  Where it is missing or unreadable the lane begins where its
 * destination says, or at the oldest event. */
#ifndef CURSOR_H
#define CURSOR_H

#include <stdint.h>

#define CURSOR_WHY 200 /* bytes, with the NUL */

struct cursor {
    int fd;
    char *path;
    uint8_t spool[16];
    uint64_t sequence; /* of the newest slot */
    /* As read; they go into the slots that are written. */
    uint64_t fresh, letters, confirmed, noted;
    int begun;
    int64_t paused_us;
    char why[CURSOR_WHY];
    int made; /* nothing was ever written to it */
};

/* Open or make.  *position gets what the file says, and 1 is returned; 0: it
 * says nothing (new, damaged, of another spool: those two are logged).  A
 * negative errno after a log line. */
int spool_cursor_open(struct cursor *, const char *state_dir, const char *lane,
                      const uint8_t spool[16], uint64_t *position);
/* The same, of a spool or (NULL) of any, and change nothing; the cursor has no
 * file then. */
int spool_cursor_look(struct cursor *, const char *state_dir, const char *lane,
                      const uint8_t *spool, uint64_t *position);
/* Durably.  0 or a negative errno. */
int spool_cursor_remove(const char *state_dir, const char *lane);
/* Is there one? */
int spool_cursor_exists(const char *state_dir, const char *lane);
/* Make it that of another lane, in place of what that had; its folder is there.
 * Durable.  0 or a negative errno: then it can be called again. */
int spool_cursor_rename(struct cursor *, const char *state_dir,
                        const char *lane);
/* Write; sync: not before it is on the disk.  0 or a negative errno. */
int spool_cursor_save(struct cursor *, uint64_t position, int sync);
/* What was saved, where anything was, once more: a sync that failed may have left
 * it out.  For another thread than the lane's, as spool_cursor_pause(). */
int spool_cursor_again(struct cursor *);
/* What was saved before is on the disk.  Any thread, beside a save.  0 or a negative
 * errno. */
int spool_cursor_sync(const struct cursor *);
/* Make the pause this one, durably; 0: none, and why is NULL then as for a
 * person's.  All else in the file stays as it was saved, whatever has become of
 * the other members meanwhile: for another thread than the lane's, that two
 * saves are never under way at a time is the caller's care.  0 or a negative
 * errno: the members are as before, and the next save writes those. */
int spool_cursor_pause(struct cursor *, int64_t paused_us, const char *why);
void spool_cursor_close(struct cursor *);

#endif
