/* SPDX-License-Identifier: MIT */
/* By which config a lane has run, and from where on: for those who ask later what
 * became of an event.
 *
 *   STATE_DIR/lanes/PIPELINE/DESTINATION.history
 *   a line each time the lane began with another config than before, or further
 *   back: {"from","at","spool","version","fingerprint","config"}
 *
 * from: it ran by this after that position; at: when; config: see
 * host_history_config().  A crash leaves a torn last line, which is passed over.
 * What came before the newest HISTORY_BYTES is let go of. */
#ifndef HISTORY_H
#define HISTORY_H

#include "base/text.h"

#define HISTORY_BYTES (1u << 20)
#define HISTORY_PLACE " # " /* behind it: FILE:LINE, to the end of the line */
#define HISTORY_HIDDEN "(hidden)" /* in place of a secret */

struct il_host;
struct assembly_lane;

/* Append a config of the lane alone, which plan_parse() reads: its sources,
 * declarations, steps, and destination.  Secrets that are written into the config
 * are HISTORY_HIDDEN; those that it names are named.  0 or -ENOMEM. */
int host_history_config(struct il_text *, const struct assembly_lane *);

/* A lane begins after a position: note by what, unless that is what was noted
 * last.  Its destination's instance, of an assembly_lane.  Trouble is logged: the
 * lane does without.  By the lane's thread; waits for the disk. */
void host_history_append(const struct il_host *destination, const char *spool,
                         uint64_t position);

/* --- for commands --- */

struct history_entry {
    uint64_t from;
    int64_t at_us;
    char fingerprint[17]; /* of the config, wherever it stands in its files */
    char version[32];
    struct il_text config;
};
struct history {
    struct history_entry *list; /* as they came */
    size_t count;
};

/* Of a lane and a spool (its UUID as text).  A lane without any has none: 0; or a
 * negative errno.  Free with host_history_free(), also after an error. */
int host_history_read(const char *state_dir, const char *lane,
                      const char *spool, struct history *out);
void host_history_free(struct history *);
/* What the event at this position met, or will meet; NULL: it is not known. */
const struct history_entry *host_history_at(const struct history *,
                                            uint64_t position);
/* Is it what this lane runs by, wherever that stands, but perhaps for
 * secrets? */
int host_history_same(const struct history_entry *,
                      const struct assembly_lane *);
/* Where a line of an entry's config stood, "FILE:LINE", in its text: len 0 where
 * that is not known. */
struct slice host_history_place(const struct history_entry *, int line);
/* The lane is forgotten.  0 or a negative errno. */
int host_history_remove(const char *state_dir, const char *lane);

#endif
