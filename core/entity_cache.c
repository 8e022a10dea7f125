/* SPDX-License-Identifier: MIT */
#include "entity_cache.h"

#include "text.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define WAYS 4
#define SETS_FIRST 256  /* 16 KiB */
#define SETS_MOST 32768 /* 2 MiB: 131,072 entities */
#define REST 131072     /* look-ups */

struct cache_entry {
    const char *key; /* in the map; the value follows it */
    uint16_t age, tag, key_len, value_len;
};

/* One line of the processor's cache. */
struct cache_set {
    struct cache_entry way[WAYS]; /* newest first */
};

_Static_assert(sizeof(struct cache_entry) <= 16, "a set is one line");

void
entity_cache_begin(struct entity_cache *c, size_t txn, uint32_t maps)
{
    if (c->age && c->txn == txn && c->maps == maps)
        return;
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

int
entity_cache_get(struct entity_cache *c, uint64_t hash, const MDB_val *key,
                 MDB_val *value)
{
    if (!c->count || c->rest)
        return 0;
    const struct cache_set *set = cache_set(c, hash);
    uint16_t tag = (uint16_t) (hash >> 48);
    for (int i = 0; i < WAYS; i++) {
        const struct cache_entry *e = &set->way[i];
        if (e->age != c->age || e->tag != tag || e->key_len != key->mv_size
            || !bytes_same(e->key, key->mv_data, key->mv_size))
            continue;
        value->mv_size = e->value_len;
        value->mv_data = (char *) e->key + e->key_len;
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
    uint16_t tag = (uint16_t) (earlier >> 48);
    for (int i = 0; i < WAYS; i++) {
        const struct cache_entry *e = &set->way[i];
        if (e->age == c->age && e->tag == tag) {
            __builtin_prefetch(e->key);
            __builtin_prefetch(e->key + 64);
        }
    }
}

/* In front of the others of its set; 1: the last of them is gone. */
static int
cache_put(struct entity_cache *c, uint64_t hash, const struct cache_entry *e)
{
    struct cache_set *set = cache_set(c, hash);
    int lost = set->way[WAYS - 1].age == c->age;
    memmove(&set->way[1], &set->way[0], sizeof set->way - sizeof set->way[0]);
    set->way[0] = *e;
    return lost;
}

/* Twice as large, with what it holds; without memory it stays as it is. */
static void
cache_grow(struct entity_cache *c)
{
    uint32_t old = c->count, count = old ? old * 2 : SETS_FIRST;
    struct cache_set *from = c->sets;
    void *sets = NULL;
    if (count > SETS_MOST && c->met < c->lost)
        c->rest = REST;
    c->lost = c->met = 0;
    if (count > SETS_MOST
        || posix_memalign(&sets, sizeof *from, count * sizeof *from))
        return;
    memset(sets, 0, count * sizeof *from);
    c->sets = sets;
    c->count = count;
    for (uint32_t i = 0; i < old; i++)
        for (int k = WAYS - 1; k >= 0; k--) {
            const struct cache_entry *e = &from[i].way[k];
            MDB_val key = { e->key_len, (void *) e->key };
            if (e->age == c->age)
                cache_put(c, entity_cache_hash(&key), e);
        }
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
        || value->mv_size > UINT16_MAX || key->mv_size > UINT16_MAX)
        return;
    if (c->lost >= c->count / 2)
        cache_grow(c);
    if (!c->count)
        return;
    struct cache_entry e = {
        .key = key->mv_data,
        .age = c->age,
        .tag = (uint16_t) (hash >> 48),
        .key_len = (uint16_t) key->mv_size,
        .value_len = (uint16_t) value->mv_size,
    };
    c->lost += (uint32_t) cache_put(c, hash, &e);
}

void
entity_cache_clear(struct entity_cache *c)
{
    free(c->sets);
    *c = (struct entity_cache){ 0 };
}
