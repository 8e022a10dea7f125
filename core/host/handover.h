/* SPDX-License-Identifier: MIT */
/* How one process gives its place to another: what they say to each other, on a
 * socket that keeps messages apart and carries descriptors beside them.
 *
 *   the old one                           the new one
 *   starts it                          ->
 *                                      <-  "finding": of its config, any number
 *                                      <-  "prepared": nothing is touched yet
 *   lets go of all that it has
 *   "lock", "socket", "connection" ... ->
 *   "begin": it has nothing any more   ->
 *                                          opens everything
 *                                      <-  "ready"
 *   "yours"                            ->
 *   ends                                   serves
 *
 * Until "begin" a new one that finds the old one gone ends too; from then on it
 * goes on alone.  Until "yours" it has read from no connection, so that the old
 * one can go on with them.  Either may be of another version: a word that is not
 * known is passed over, and what follows the known part of a message as well.
 *
 * One thread a socket. */
#ifndef HANDOVER_H
#define HANDOVER_H

#include "base/text.h"

#include <sys/types.h>

struct http_inherited;

struct handover {
    int fd;     /* -1: none */
    char *room; /* for what is heard */
};

struct handover_message {
    char word[16];
    struct slice data; /* until the next is heard */
    int fd;            /* beside it, the caller's; -1: none */
};

/* What the new one is to know of how it came there. */
struct handover_facts {
    uint64_t id;   /* of the request for it */
    long from, to; /* processes */
    char from_version[32], to_version[32];
    int64_t rested_us; /* clock_monotonic_us(): from then on others waited */
    uint64_t connections, tls, requests; /* struct http_left */
};

/* Of both ends.  0 or -ENOMEM; takes fd over. */
int handover_open(struct handover *, int fd);
void handover_close(struct handover *);

/* Waits for room for some seconds.  fd: -1 or one that goes along, and stays
 * the caller's.  0 or a negative errno (-EPIPE: the other one is gone). */
int handover_say(struct handover *, const char *word, struct slice data,
                 int fd);
/* 1; 0: the other one is gone; -ETIMEDOUT, or another negative errno. */
int handover_hear(struct handover *, int timeout_ms, struct handover_message *);

/* All that the old one has to give, and "begin".  *cut is how many connections
 * could not be given.  0 or a negative errno. */
int handover_give(struct handover *, int lock, const struct http_inherited *,
                  const struct handover_facts *, uint64_t *cut);
/* The other side of it: until "begin" or the end.  0; -EPIPE: the old one is
 * gone; or another negative errno.  *lock: -1 unless it came. */
int handover_take(struct handover *, int *lock, struct http_inherited *,
                  struct handover_facts *);

/* --- processes ------------------------------------------------------------- */

/* Remember how this one was started, for handover_start(); before it becomes
 * somebody else. */
void handover_note_program(void);
/* Start the same anew, as whatever it is on the disk by now.  *pid: its number.
 * 0 or a negative errno. */
int handover_start(struct handover *, pid_t *pid);
/* What that is, for messages. */
const char *handover_program(void);
/* Is this one such?  1: yes, and *h is open; 0; or a negative errno (-ESRCH,
 * after a log line: it is, and the old one is gone). */
int handover_inherit(struct handover *h);
/* Give it so long to end by itself, then end it, and wait for that; how it
 * ended, as a person says it, into why. */
void handover_end(pid_t pid, int grace_ms, char *why, size_t size);

#endif
