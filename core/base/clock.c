/* SPDX-License-Identifier: MIT */
#include "clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Read at every call, so that a test can make the clock jump while the daemon
 * runs; without the variable the price is one getenv at the first call. */
static int64_t
clock_offset_us(void)
{
    static const char *path;
    static int known;
    if (!__atomic_load_n(&known, __ATOMIC_ACQUIRE)) {
        path = getenv("INGESTLAYER_CLOCK_FILE");
        __atomic_store_n(&known, 1, __ATOMIC_RELEASE);
    }
    if (!path)
        return 0;
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    long long us = 0;
    if (fscanf(f, "%lld", &us) != 1)
        us = 0;
    fclose(f);
    return us;
}

/* Where it stands while somebody owns it; 0: nobody does. */
static _Atomic int64_t owned_us;

void
clock_own(int64_t us)
{
    atomic_store(&owned_us, us);
}

int64_t
clock_wall_us(void)
{
    struct timespec t;
    int64_t owned = atomic_load_explicit(&owned_us, memory_order_relaxed);
    if (owned)
        return owned;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000
           + clock_offset_us();
}

int64_t
clock_monotonic_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}
