/* SPDX-License-Identifier: MIT */
/* The C library keeps what was freed, in as many places as threads have allocated
 * it from. */
#include "config.h"

#include "memory.h"

#include <stdatomic.h>

#ifdef HAVE_MALLOC_TRIM
#include <malloc.h>

/* How many have asked since the first of them, who does it for all. */
static atomic_uint asked;

void
memory_give_back(void)
{
    unsigned now = atomic_fetch_add(&asked, 1) + 1;
    if (now != 1)
        return;
    do
        malloc_trim(0);
    while (!atomic_compare_exchange_strong(&asked, &now, 0));
}
#else
void
memory_give_back(void)
{
}
#endif
