/* SPDX-License-Identifier: MIT */
#ifndef FORGET_H
#define FORGET_H

#include "store/dead.h"
#include "store/parked.h"

/* Remove what state_dir has of a lane that nobody runs: letters, what is parked,
 * its plugins' files, its history, and last its cursor, so that it can be done
 * again as long as that is there.  The stores are NULL where there are none.  0 or
 * a negative errno.  By whoever has the lock of the state_dir. */
int host_forget(const char *state_dir, const char *lane, struct dead *,
                struct parked *);

#endif
