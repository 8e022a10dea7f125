/* SPDX-License-Identifier: MIT */
/* FNV-1a of 64 bits: for tables, and as a sum of what is on disk. */
#ifndef HASH_H
#define HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_NONE UINT64_C(14695981039346656037)
#define HASH_PRIME UINT64_C(1099511628211)

/* Of what had this hash, and these bytes behind it. */
static inline uint64_t
hash_more(uint64_t hash, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * HASH_PRIME;
    return hash;
}

/* The same where all of them are 0: the prime's power by squares. */
static inline uint64_t
hash_zeros(uint64_t hash, size_t len)
{
    for (uint64_t power = HASH_PRIME; len; len /= 2, power *= power)
        if (len % 2)
            hash *= power;
    return hash;
}

static inline uint64_t
hash_bytes(const void *bytes, size_t len)
{
    return hash_more(HASH_NONE, bytes, len);
}

#endif
