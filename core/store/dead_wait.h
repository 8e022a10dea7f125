/* SPDX-License-Identifier: MIT */
/* Refusals that wait to be written, with a share for each key of each source. */
#ifndef DEAD_WAIT_H
#define DEAD_WAIT_H

#include <stddef.h>
#include <stdint.h>

struct dead_wait_list;

struct dead_refusal {
    struct dead_refusal *next;
    struct dead_wait_list *list; /* whose it is */
    uint64_t number;             /* they are written in this order */
    size_t size;                 /* of the record */
    char record[];
};

struct dead_wait {
    struct dead_wait_source *sources;
    struct dead_wait_list *lists;
    size_t bytes; /* of all that waits */
};

/* What a refusal takes. */
size_t dead_refusal_cost(const struct dead_refusal *);
/* The list of a key of a source (id NULL: no key is known); stays until
 * dead_wait_clear().  NULL: there is no memory. */
struct dead_wait_list *dead_wait_list(struct dead_wait *, const char *lane,
                                      const char *id);
/* Add one to its list, whose numbers only grow.  Those that have to go, so that
 * no more than `max` bytes wait, are freed; how many. */
uint64_t dead_wait_push(struct dead_wait *, struct dead_refusal *, size_t max);
/* Take the oldest; NULL: there is none. */
struct dead_refusal *dead_wait_pop(struct dead_wait *);
/* Free all. */
void dead_wait_clear(struct dead_wait *);

#endif
