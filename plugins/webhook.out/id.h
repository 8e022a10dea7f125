/* SPDX-License-Identifier: MIT */
/* Under which id an event is sent: the same at every attempt, after restarts,
 * and by whichever node, so that a receiver knows what it has.
 *
 * The gate's own ids are unique and harmless, and are sent as they are.  A
 * sender's id is neither: another source may use it too, and it may hold any
 * bytes.  Then it is made of all that tells the event from others.  A position
 * in the spool is not among it, for another node has another one. */
#ifndef ID_H
#define ID_H

#include <stddef.h>
#include <stdint.h>

/* What of an event goes into it.  Text need not end with NUL. */
struct id_of {
    const char *source, *space, *id; /* space: of ids within the source */
    size_t source_len, space_len, id_len;
    int64_t received_us;
    int made_by_gate; /* the id is the gate's, and not the sender's */
};

#define ID_MAX 65 /* NUL included; [A-Za-z0-9_-] */

/* 0 or -ENOMEM. */
int id_make(const struct id_of *, char out[ID_MAX]);

#endif
