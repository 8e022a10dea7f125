/* SPDX-License-Identifier: MIT */
#include "entity_cache.h"

#include "base/text.h"

#define XXH_INLINE_ALL
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define WAYS 7
#define SETS_FIRST 256      /* 16 KiB */
#define SETS_OWN 32768      /* 2 MiB: what each may have */
#define REST 131072         /* look-ups */
#define WORTH 8             /* of so many that are kept one has to be met */
#define SPAN ((uintptr_t) 1 << 36)
#define SIZE_BITS 12

/* One line of the processor's cache.  Where a key is takes 36 bits: 32 in at
 * and 4 in more. */
struct cache_set {
    uint32_t at[WAYS];      /* in the map; the value follows the key */
    uint16_t more[WAYS];    /* and the length of the value */
    uint16_t tag[WAYS];     /* of the hash */
    uint8_t key_len[WAYS];  /* 0: this one is free */
    uint8_t age;
};

_Static_assert(sizeof(struct cache_set) == 64, "a set is one line");

/* Bytes that all caches larger than SETS_OWN hold, and may. */
static atomic_size_t shared, shared_most = ENTITY_CACHE_SHARED;

void
entity_cache_limit(size_t bytes)
{
    atomic_store(&shared_most, bytes);
}

void
entity_cache_begin(struct entity_cache *c, size_t txn, uint32_t maps)
{
    if (c->age && c->txn == txn && c->maps == maps)
        return;
    if (c->maps != maps)
        c->base = 0;
    c->txn = txn;
    c->maps = maps;
    if (++c->age == 0) {
        if (c->sets)
            memset(c->sets, 0, c->count * sizeof *c->sets);
        c->age = 1;
    }
}

uint64_t
entity_cache_hash(const MDB_val *key)
{
    return XXH3_64bits(key->mv_data, key->mv_size);
}

static struct cache_set *
cache_set(const struct entity_cache *c, uint64_t hash)
{
    return &c->sets[hash & (c->count - 1)];
}

static uint16_t
cache_tag(uint64_t hash)
{
    return (uint16_t) (hash >> 48);
}

static const char *
cache_key(const struct entity_cache *c, const struct cache_set *set, int i)
{
    uintptr_t high = set->more[i] >> SIZE_BITS;
    return (const char *) (c->base + (high << 32 | set->at[i]));
}

int
entity_cache_get(struct entity_cache *c, uint64_t hash, const MDB_val *key,
                 MDB_val *value)
{
    if (!c->count || c->rest)
        return 0;
    const struct cache_set *set = cache_set(c, hash);
    uint16_t tag = cache_tag(hash);
    for (int i = 0; i < WAYS && set->age == c->age; i++) {
        if (set->tag[i] != tag || set->key_len[i] != key->mv_size)
            continue;
        const char *kept = cache_key(c, set, i);
        if (!bytes_same(kept, key->mv_data, key->mv_size))
            continue;
        value->mv_size = set->more[i] & ((1u << SIZE_BITS) - 1);
        value->mv_data = (char *) kept + key->mv_size;
        c->met++;
        return 1;
    }
    return 0;
}

void
entity_cache_hint(struct entity_cache *c, uint64_t hash)
{
    uint64_t *slot = &c->hints[c->hinted++ % ENTITY_CACHE_HINTS];
    uint64_t earlier = *slot;
    *slot = hash;
    if (!c->count || c->rest)
        return;
    __builtin_prefetch(cache_set(c, hash));
    const struct cache_set *set = cache_set(c, earlier);
    uint16_t tag = cache_tag(earlier);
    for (int i = 0; i < WAYS && set->age == c->age; i++) {
        if (set->tag[i] == tag && set->key_len[i]) {
            const char *key = cache_key(c, set, i);
            __builtin_prefetch(key);
            __builtin_prefetch(key + 64);
        }
    }
}

/* 1: another one had to go for it. */
static int
cache_put(struct entity_cache *c, uint64_t hash, uintptr_t place,
          uint8_t key_len, uint16_t size)
{
    struct cache_set *set = cache_set(c, hash);
    int i = 0;
    if (set->age != c->age) {
        memset(set, 0, sizeof *set);
        set->age = c->age;
    }
    while (i < WAYS && set->key_len[i])
        i++;
    int full = i == WAYS;
    if (full)
        i = c->turn++ % WAYS;
    set->at[i] = (uint32_t) place;
    set->more[i] = (uint16_t) (place >> 32 << SIZE_BITS | size);
    set->tag[i] = cache_tag(hash);
    set->key_len[i] = key_len;
    return full;
}

/* What a cache of so many sets takes from what all share. */
static size_t
cache_share(uint32_t count)
{
    return count > SETS_OWN ? count * sizeof(struct cache_set) : 0;
}

/* The memory for a cache that has old sets and is to have count, or NULL. */
static struct cache_set *
cache_sets(uint32_t old, uint32_t count)
{
    void *sets = NULL;
    size_t size = count * sizeof(struct cache_set),
           more = cache_share(count) - cache_share(old);
    if (more && atomic_fetch_add(&shared, more) + more > shared_most)
        goto none;
    if (posix_memalign(&sets, sizeof(struct cache_set), size))
        goto none;
    memset(sets, 0, size);
    return sets;
none:
    atomic_fetch_sub(&shared, more);
    return NULL;
}

#define FETCH_AHEAD 8 /* sets whose keys are on their way */

static void
cache_move(struct entity_cache *c, const struct cache_set *from, uint32_t count)
{
    for (uint32_t n = 0; n < count + FETCH_AHEAD; n++) {
        const struct cache_set *set = &from[n];
        for (int i = 0; i < WAYS && n < count; i++)
            if (set->age == c->age && set->key_len[i])
                __builtin_prefetch(cache_key(c, set, i));
        if (n < FETCH_AHEAD)
            continue;
        set = &from[n - FETCH_AHEAD];
        for (int i = 0; i < WAYS && set->age == c->age; i++) {
            const char *key = cache_key(c, set, i);
            MDB_val whole = { set->key_len[i], (void *) key };
            if (whole.mv_size)
                cache_put(c, entity_cache_hash(&whole),
                          (uintptr_t) key - c->base, set->key_len[i],
                          set->more[i] & ((1u << SIZE_BITS) - 1));
        }
    }
}

/* Twice as large, with what it holds; without room it stays as it is. */
static void
cache_grow(struct entity_cache *c)
{
    uint32_t old = c->count, count = old ? old * 2 : SETS_FIRST;
    struct cache_set *from = c->sets, *sets = cache_sets(old, count);
    if (!sets && c->met < c->lost / WORTH)
        c->rest = REST;
    c->lost = c->met = 0;
    if (!sets)
        return;
    c->sets = sets;
    c->count = count;
    cache_move(c, from, old);
    free(from);
}

void
entity_cache_add(struct entity_cache *c, uint64_t hash, const MDB_val *key,
                 const MDB_val *value)
{
    if (c->rest) {
        c->rest--;
        return;
    }
    /* Large values lie elsewhere; beside copying one, finding it is cheap. */
    if ((char *) key->mv_data + key->mv_size != value->mv_data
        || value->mv_size >> SIZE_BITS || key->mv_size > UINT8_MAX)
        return;
    if (c->lost >= c->count / 2)
        cache_grow(c);
    if (!c->count)
        return;
    if (!c->base) /* a map reaches to both sides of any place in it */
        c->base = (uintptr_t) key->mv_data - SPAN / 2;
    uintptr_t place = (uintptr_t) key->mv_data - c->base;
    if (place < SPAN)
        c->lost += (uint32_t) cache_put(c, hash, place,
                                        (uint8_t) key->mv_size,
                                        (uint16_t) value->mv_size);
}

void
entity_cache_clear(struct entity_cache *c)
{
    atomic_fetch_sub(&shared, cache_share(c->count));
    free(c->sets);
    *c = (struct entity_cache){ 0 };
}
