/* SPDX-License-Identifier: MIT */
/* Live events, for people: a job for each who looks, with a thread of its own.
 *
 *   GET /v1/tap?lane=NAME&after=STEP&where=EXPRESSION&dropped=1&raw=1&rate=N
 *
 * Without a lane they are read from the end of the spool, as the gate has
 * accepted them.  Its lines, beside those of a job:
 *
 *   {"at":"gate","position":7,"event":{...}}
 *   {"at":"destination","lane":"p/d","position":7,"attempt":1,"event":{...},
 *    "entities":{...}}
 *   {"at":"after","step":"1",...}
 *   {"at":"dropped","step":"1","plugin":"filter.match","became":"dropped",
 *    "code":null,"message":null,...}
 *   {"skipped":1200}                  so many more passed there
 *
 * became: as a lane ends events: dropped, elsewhere, letter, parked.  A payload
 * that is not to be shown is null, and "hidden":true tells. */
#ifndef TAP_HOST_H
#define TAP_HOST_H

#include "requests.h"

struct host_taps;
struct lane_tapped;

int host_tap(struct host_request *);

struct host_taps *host_taps_new(void); /* NULL: no memory */
/* Those who look are shown no more; none begins afterwards.  Before
 * host_jobs_stop(). */
void host_taps_stop(struct host_taps *);
/* No request runs any more. */
void host_taps_free(struct host_taps *);

/* --- tap_show.c --- */

struct tap_show {
    const char *lane, *after; /* NULL: at the gate; NULL: not after a step */
    struct il_batch *batch;   /* to unpack with */
    struct il_text line;
};

/* The line of an event of a lane, or of the gate.  0 or a negative errno. */
int host_tap_line(struct tap_show *, const struct lane_tapped *);
int host_tap_gate_line(struct tap_show *, uint64_t position,
                       const struct event *, int hidden);
void host_tap_show_clear(struct tap_show *);

#endif
