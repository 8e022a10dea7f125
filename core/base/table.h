/* SPDX-License-Identifier: MIT */
/* Which element of an array has this key: a hash table of numbers.
 *
 * The elements and their keys are the caller's, in an array that may move; the
 * table holds for each a number and the hash of its key, so that it grows
 * without looking at a key, and hardly ever shows one that is not the one that
 * is sought.  Open addressing, linear probing, at most half full: a search ends
 * at a free slot after one or two looks.
 *
 * Where somebody outside chooses the keys, so that they could be made to
 * collide, take table_hash() or table_mix(): their key is drawn anew by each
 * process.  Where the keys of the table are an operator's, any hash will do.
 *
 * No locks; zeroed it is empty.  It is used so:
 *
 *   uint32_t at = table_seek(t, hash, hash);
 *   for (; t->slots[at].number; at = table_seek(t, hash, at + 1))
 *       if (the key of element t->slots[at].number - 1 is this one)
 *           return found;
 *   table_take(t, at, hash, n);      after table_room(t, 1) before the search
 */
#ifndef TABLE_H
#define TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_slot {
    uint32_t hash, number; /* of the element, from 1; 0: free */
};

struct table {
    struct table_slot *slots; /* NULL until there is room for one */
    uint32_t count, mask;     /* taken; how many slots there are, less one */
};

/* Make room for so many more.  0 or -ENOMEM, and then nothing has changed. */
int table_grow(struct table *, uint32_t more);
static inline int
table_room(struct table *t, uint32_t more)
{
    return ((uint64_t) t->count + more) * 2 <= t->mask ? 0
                                                       : table_grow(t, more);
}
/* Take the element in slot `at` out; those behind it that would no longer be
 * found move up. */
void table_drop(struct table *, uint32_t at);
/* Empty it, and keep its memory. */
void table_empty(struct table *);
/* Give the memory back. */
void table_clear(struct table *);

/* Seeded hashes: of bytes (SipHash-1-3), and of what is a hash itself, without
 * a call. */
uint32_t table_hash(const void *bytes, size_t len);
uint64_t table_seed(void); /* odd, the same as long as the process lives */
static inline uint32_t
table_mix(uint64_t seed, uint64_t hi, uint64_t lo)
{
    uint64_t x = (lo ^ seed) * ((hi ^ seed >> 7) | 1);
    return (uint32_t) (x ^ x >> 32);
}

/* From slot `at` on, the next with this hash, or the first free one.  There
 * must be slots. */
static inline uint32_t
table_seek(const struct table *t, uint32_t hash, uint32_t at)
{
    at &= t->mask;
    while (t->slots[at].number && t->slots[at].hash != hash)
        at = (at + 1) & t->mask;
    return at;
}

/* Give the free slot that a search ended at to element n (from 0). */
static inline void
table_take(struct table *t, uint32_t at, uint32_t hash, uint32_t n)
{
    t->slots[at] = (struct table_slot){ hash, n + 1 };
    t->count++;
}

/* Free all slots from the home of a hash up to the first free one: for a table
 * that is emptied key by key, because it is large and the keys are few.  What
 * is in it is no longer found until all of its keys are gone. */
static inline void
table_sweep(struct table *t, uint32_t hash)
{
    uint32_t at = hash & t->mask;
    for (; t->slots[at].number; at = (at + 1) & t->mask) {
        t->slots[at].number = 0;
        t->count--;
    }
}

#endif
