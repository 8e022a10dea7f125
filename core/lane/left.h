/* SPDX-License-Identifier: MIT */
/* Lanes as state_dir knows them, whatever config there is. */
#ifndef LEFT_H
#define LEFT_H

#include <stdint.h>

struct lane_left {
    char name[512];
    uint64_t position;
    int known, begun;
    int64_t paused_us; /* 0: it is not, but perhaps by the config */
};

/* 0 to go on. */
typedef int lane_left_fn(void *arg, const struct lane_left *);

/* All that have a cursor which can be read, of this spool (NULL: of any).
 * Changes nothing.  What fn answered, or a negative errno. */
int lane_left_each(const char *state_dir, const uint8_t *spool, lane_left_fn *,
                   void *arg);

#endif
