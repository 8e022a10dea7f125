/* SPDX-License-Identifier: MIT */
/* Where a reader found entities lately.
 *
 * Within one snapshot of LMDB a value stays where it is, and a snapshot is
 * known by its transaction id: as long as nobody commits, what was found
 * before is found again by looking at one line of this table instead of by
 * going down the tree.  After a commit, by whatever process, the table counts
 * as empty.  A value is taken from here only if the key in the map, just in
 * front of it, is the very one that was asked for.
 *
 * It begins small and grows with the number of entities that are asked for, up
 * to 2 MiB (229,376 entities), and further as long as all those that are larger
 * hold no more than 32 MiB together: 3.6 million entities, if it is one.  Where
 * that is too little by far, it rests most of the time, since keeping it costs
 * more than it saves then.  Each is for one thread. */
#ifndef ENTITY_CACHE_H
#define ENTITY_CACHE_H

#include <lmdb.h>
#include <stdint.h>

/* A hint brings the line of the table; so many hints later it has come, and
 * says where the value is, which is brought then. */
#define ENTITY_CACHE_HINTS 8

struct cache_set;

struct entity_cache {
    struct cache_set *sets;
    uint32_t count;     /* sets */
    uint32_t lost, met; /* entries pushed out; look-ups met, meanwhile */
    uint32_t rest;      /* look-ups to go without it */
    uint32_t maps;      /* of the snapshot: how often the map moved, */
    size_t txn;         /* and the transaction */
    uintptr_t base;     /* places are counted from here; 0: not chosen yet */
    uint8_t age;        /* sets of another age are empty */
    uint8_t turn;       /* which entry of a set that is full has to go */
    uint16_t hinted;    /* goes round in: */
    uint64_t hints[ENTITY_CACHE_HINTS];
};

/* The snapshot that the next calls are about. */
void entity_cache_begin(struct entity_cache *, size_t txn, uint32_t maps);
uint64_t entity_cache_hash(const MDB_val *key);
/* It will be asked for, some 10 to 20 look-ups from now. */
void entity_cache_hint(struct entity_cache *, uint64_t hash);
/* 1: *value is what the snapshot has for the key. */
int entity_cache_get(struct entity_cache *, uint64_t hash, const MDB_val *key,
                     MDB_val *value);
/* Key and value as LMDB returned them.  Without memory nothing is kept. */
void entity_cache_add(struct entity_cache *, uint64_t hash, const MDB_val *key,
                      const MDB_val *value);
/* Give the memory back. */
void entity_cache_clear(struct entity_cache *);

/* What those that are larger than 2 MiB may hold together. */
#define ENTITY_CACHE_SHARED ((size_t) 32 << 20)
void entity_cache_limit(size_t bytes);

#endif
