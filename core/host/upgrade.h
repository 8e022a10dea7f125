/* SPDX-License-Identifier: MIT */
/* This daemon gives its place to a process of the program that is on the disk by
 * now: `ingestlayer upgrade`.
 *
 *   upgrade.c         the order of it, and the way back; the main thread's
 *   upgrade_ask.c     who asks, and what became of it
 *   successor.c       the other side: a process that takes a place
 *   handover.c  handover_start.c
 *                     what the two say to each other (handover.h)
 *
 * What counts is on the disk at each moment, and one process at a time has
 * state_dir open: a kill -9 of either loses nothing. */
#ifndef UPGRADE_H
#define UPGRADE_H

#include "handover.h"

#include <pthread.h>
#include <stdint.h>

struct conf;
struct host;

enum upgrade_state {
    UPGRADE_NONE,
    UPGRADE_PREPARES, /* the new process reads its config */
    UPGRADE_HANDS_OVER,
    UPGRADE_FAILED, /* the old one goes on */
    UPGRADE_DONE
};

/* The last one: asked for in this process, or how it came to be. */
struct upgrade {
    pthread_mutex_t lock; /* all of it */
    int wanted;           /* by a request; the main thread has not begun */
    int no_way_back;      /* the new one may make state_dir its own */
    enum upgrade_state state;
    struct handover_facts facts;
    int64_t stall_us;
    struct il_text findings; /* of the new one, about the config */
    char why[512];           /* FAILED */
};

/* NULL: no memory. */
struct upgrade *upgrade_new(void);
void upgrade_free(struct upgrade *);
/* It is over for now; printf.  One line in the log as well. */
void upgrade_fails(struct upgrade *, const char *fmt, ...) IL_PRINTF(2, 3);

/* --- the old one ----------------------------------------------------------- */

/* If it is wanted.  1: another process has taken this one's place, which is to
 * end with host_close(); 0: this one goes on; or a negative errno after log
 * lines: it cannot, and is to end. */
int host_upgrade(struct host *);

/* --- the new one ----------------------------------------------------------- */

/* Is this process to take another's place?  0 or a negative errno. */
int host_successor(struct host *);
/* It could start: wait until state_dir is its own.  0, at once where there is
 * nobody before it, or a negative errno after a log line. */
int host_successor_waits(struct host *);
/* All is open: when this returns, the old one is not needed any more. */
void host_successor_ready(struct host *);
/* Tell the old one what was found in the config, as it is printed. */
void host_successor_found(struct host *, struct conf *);
/* It serves. */
void host_successor_serves(struct host *);
/* The old one is gone: from then on this process may speak to systemd.  1 or
 * 0. */
int host_successor_alone(struct host *);
/* It is the old one of a next upgrade by now: what starts again is no successor's
 * start, whether or not the one before has left. */
void host_successor_over(struct host *);

#endif
