/* SPDX-License-Identifier: MIT */
#include "random.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

static _Atomic uint64_t owned; /* the state; 0: the system's generator */

/* SplitMix64: each state is another number, and each number comes once. */
static uint64_t
next_owned(void)
{
    uint64_t z = atomic_fetch_add(&owned, UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void
random_own(uint64_t seed)
{
    atomic_store(&owned, seed);
}

int
random_fill(void *bytes, size_t len)
{
    unsigned char *at = bytes;
    if (!atomic_load(&owned)) {
        for (size_t have = 0; have < len;) {
            ssize_t n = getrandom(at + have, len - have, 0);
            if (n < 0 && errno != EINTR)
                return -errno;
            have += n > 0 ? (size_t) n : 0;
        }
        return 0;
    }
    for (size_t n; len; at += n, len -= n) {
        uint64_t z = next_owned();
        n = len < sizeof z ? len : sizeof z;
        memcpy(at, &z, n);
    }
    return 0;
}
