/* SPDX-License-Identifier: MIT */
/* Dead letters that are tried again: their events are appended to the spool
 * once more, each for its lane alone (event.h), and then claimed for that frame
 * (dead.h).  Whatever dies in between, the lane sees to it that one frame of a
 * letter counts. */
#ifndef RETRY_H
#define RETRY_H

#include "dead.h"
#include "spool/spool.h"

struct retry;

/* Before the first spool_append(): it registers with spool_notify().  0 or
 * -ENOMEM. */
int retry_new(struct spool *, struct dead *, struct retry **out);
/* After spool_close(). */
void retry_free(struct retry *);

enum retry_result {
    RETRY_DONE,      /* on its way again */
    RETRY_UNDER_WAY, /* it was already, or is still at its first way */
    RETRY_GONE,      /* there is no such letter */
    RETRY_NO_EVENT   /* its event cannot be read */
};

struct retry_item {
    uint64_t letter;          /* in: its position */
    enum retry_result result; /* out */
    uint64_t position;        /* out, of what is on its way: its frame's */
};

/* Try letters of a lane again, which has passed all up to a position: a letter
 * beyond that is of an attempt that has not come to its end, and may vanish as
 * its event is delivered.  anew: what was decided is forgotten; else it travels
 * with the event.  Waits until that is durable.  0, or a negative errno
 * and why: then results are not known, and asking again is safe.  Any thread, one
 * after the other. */
int retry_letters(struct retry *, const char *lane, uint64_t passed, int anew,
                  struct retry_item *, size_t n, char *why, size_t why_size);

#endif
