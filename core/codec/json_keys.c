/* SPDX-License-Identifier: MIT */
/* Keys that come twice in large objects.  Whoever sends the keys must not be
 * able to choose ones that collide, hence SipHash (1-3, Aumasson and
 * Bernstein) with a key that each process draws anew. */
#include "private.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static uint64_t secret[2];
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

static void
draw_secret(void)
{
    if (getrandom(secret, sizeof(secret), GRND_NONBLOCK) == sizeof(secret))
        return;
    /* Early in a boot without entropy: better than a constant. */
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    secret[0] = (uint64_t) now.tv_nsec * 0x9e3779b97f4a7c15u;
    secret[1] = (uint64_t) (uintptr_t) &now ^ (uint64_t) now.tv_sec;
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

void
json_keys_init(struct json_keys *keys)
{
    keys->list = keys->few;
    keys->count = 0;
    keys->cap = sizeof(keys->few) / sizeof(keys->few[0]);
}

void
json_keys_free(struct json_keys *keys)
{
    if (keys->list != keys->few)
        free(keys->list);
}

int
json_keys_grow(struct json_keys *keys)
{
    uint32_t cap = keys->cap * 2; /* fewer than 2^32 / 5 keys in a text */
    struct json_key *old = keys->list == keys->few ? NULL : keys->list;
    struct json_key *list = realloc(old, cap * sizeof(*list));

    if (!list)
        return -ENOMEM;
    if (!old)
        memcpy(list, keys->few, keys->count * sizeof(*list));
    keys->list = list;
    keys->cap = cap;
    return 0;
}

static int
same_key(const struct json_key *a, const struct json_key *b, const char *out)
{
    return a->tag == b->tag && a->len == b->len
           && memcmp(out + a->at, out + b->at, a->len) == 0;
}

int
json_keys_twice(const struct json_keys *keys, uint32_t from, const char *out,
                uint32_t *which)
{
    size_t slots = 64;
    while (slots < (size_t) (keys->count - from) * 2)
        slots *= 2;
    uint32_t *table = calloc(slots, sizeof(*table)); /* index + 1 */
    if (!table)
        return -ENOMEM;
    pthread_once(&secret_once, draw_secret);

    int twice = 0;
    for (uint32_t i = from; i < keys->count && !twice; i++) {
        const struct json_key *key = &keys->list[i];
        size_t at = sip_hash(out + key->at, key->len) & (slots - 1);
        while (table[at] && !twice) {
            twice = same_key(&keys->list[table[at] - 1], key, out);
            at = (at + 1) & (slots - 1);
        }
        table[at] = i + 1;
        *which = i;
    }
    free(table);
    return twice;
}
