/* SPDX-License-Identifier: MIT */
/* Tests that show more the longer they run. */
#ifndef SLOW_H
#define SLOW_H

#include <stdlib.h>

/* How much of it: all in `make check-slow` (IL_SLOW is set), else some. */
static inline int
slow(int all, int some)
{
    return getenv("IL_SLOW") ? all : some;
}

#endif
