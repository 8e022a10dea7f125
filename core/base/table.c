/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define SLOTS_FIRST 8

/* Put one where it belongs; no other has its number. */
static void
place(struct table *t, struct table_slot s)
{
    uint32_t at = s.hash & t->mask;
    while (t->slots[at].number)
        at = (at + 1) & t->mask;
    t->slots[at] = s;
}

int
table_grow(struct table *t, uint32_t more)
{
    uint64_t want = ((uint64_t) t->count + more) * 2;
    uint64_t size = t->slots ? (uint64_t) t->mask + 1 : SLOTS_FIRST;
    if (t->slots && want <= size)
        return 0;
    while (size < want)
        size *= 2;
    if (size > UINT32_MAX)
        return -ENOMEM;
    struct table old = *t;
    t->slots = calloc(size, sizeof *t->slots);
    if (!t->slots) {
        *t = old;
        return -ENOMEM;
    }
    t->mask = (uint32_t) size - 1;
    for (uint32_t i = 0; old.slots && i <= old.mask; i++)
        if (old.slots[i].number)
            place(t, old.slots[i]);
    free(old.slots);
    return 0;
}

void
table_drop(struct table *t, uint32_t hole)
{
    t->count--;
    t->slots[hole].number = 0;
    for (uint32_t i = (hole + 1) & t->mask; t->slots[i].number;
         i = (i + 1) & t->mask) {
        uint32_t home = t->slots[i].hash & t->mask;
        if (((i - home) & t->mask) < ((i - hole) & t->mask))
            continue;
        t->slots[hole] = t->slots[i];
        t->slots[i].number = 0;
        hole = i;
    }
}

void
table_empty(struct table *t)
{
    if (t->slots)
        memset(t->slots, 0, ((size_t) t->mask + 1) * sizeof *t->slots);
    t->count = 0;
}

void
table_clear(struct table *t)
{
    free(t->slots);
    *t = (struct table){ 0 };
}

/* --- seeded hashes: SipHash by Aumasson and Bernstein --------------------- */

static uint64_t secret[3]; /* two for SipHash, one for who mixes */
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;
static int secret_drawn; /* spares a call per hash */

static void
draw_secret(void)
{
    if (getrandom(secret, sizeof(secret), GRND_NONBLOCK) != sizeof(secret)) {
        /* Early in a boot without entropy: better than a constant. */
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        secret[0] = (uint64_t) now.tv_nsec * 0x9e3779b97f4a7c15u;
        secret[1] = (uint64_t) (uintptr_t) &now ^ (uint64_t) now.tv_sec;
        secret[2] = (secret[0] ^ secret[1]) * 0xc2b2ae3d27d4eb4fu;
    }
    __atomic_store_n(&secret_drawn, 1, __ATOMIC_RELEASE);
}

static inline void
need_secret(void)
{
    if (!__atomic_load_n(&secret_drawn, __ATOMIC_ACQUIRE))
        pthread_once(&secret_once, draw_secret);
}

static inline uint64_t
rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void
sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static uint64_t
sip_hash(const char *p, size_t len)
{
    uint64_t v[4] = { secret[0] ^ 0x736f6d6570736575u,
                      secret[1] ^ 0x646f72616e646f6du,
                      secret[0] ^ 0x6c7967656e657261u,
                      secret[1] ^ 0x7465646279746573u };
    uint64_t word, last = (uint64_t) len << 56;
    size_t left = len;

    for (; left >= 8; left -= 8, p += 8) {
        memcpy(&word, p, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t) (unsigned char) p[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint32_t
table_hash(const void *bytes, size_t len)
{
    need_secret();
    uint64_t h = sip_hash(bytes, len);
    return (uint32_t) (h ^ h >> 32);
}

uint64_t
table_seed(void)
{
    need_secret();
    return secret[2] | 1;
}
