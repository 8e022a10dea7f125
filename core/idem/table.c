/* SPDX-License-Identifier: MIT */
/* Which unit of the log has a key, for the newest keys: open addressing, four
 * bytes a cell, 2 MiB, which stay in the caches.
 *
 * A cell has the number of a unit and, in the bits that this leaves, some of
 * the key's.  Nearly every look-up is for a new key and ends at an empty cell:
 * one line of the cache.  The others ask the log, which alone is exact; so a
 * cell of an entry that was withdrawn does no harm, and stays. */
#include "private.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((uint64_t) 2 << 20)
#define UNIT_BITS_MIN 16

int
idem_table_make(struct idem_table *t, uint64_t keys, uint32_t first,
                uint32_t units)
{
    uint64_t slots = keys / 3 * 4 + 8;
    size_t bytes = slots * sizeof *t->cells;
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return -ENOMEM;
    if (bytes >= HUGE_PAGE)
        madvise(map, bytes, MADV_HUGEPAGE);
    *t = (struct idem_table){
        .cells = map, .slots = slots, .unit_bits = UNIT_BITS_MIN, .first = first
    };
    while (units >> t->unit_bits)
        t->unit_bits++;
    return 0;
}

void
idem_table_free(struct idem_table *t)
{
    if (t->cells)
        munmap(t->cells, t->slots * sizeof *t->cells);
    memset(t, 0, sizeof *t);
}

int
idem_table_takes(const struct idem_table *t, uint64_t keys, uint64_t end)
{
    return t->used + keys <= t->slots / 4 * 3
           && (end - t->first + 1) >> t->unit_bits == 0;
}

static inline uint32_t
unit_mask(const struct idem_table *t)
{
    return ((uint32_t) 1 << t->unit_bits) - 1;
}

/* The slot is of the upper bits of lo, what is in the cell of the lower.  There
 * always is an empty cell. */
uint32_t
idem_table_next(const struct idem_table *t, uint64_t lo, uint64_t *at)
{
    uint32_t mask = unit_mask(t), want = (uint32_t) lo & ~mask, cell;
    uint64_t i = *at ? *at - 1 : place_of(lo, t->slots);
    while ((cell = t->cells[i])) {
        if (++i == t->slots)
            i = 0;
        if ((cell & ~mask) == want) {
            *at = i + 1;
            return t->first + (cell & mask) - 1;
        }
    }
    return 0;
}

void
idem_table_put(struct idem_table *t, uint64_t lo, uint32_t unit)
{
    uint64_t i = place_of(lo, t->slots);
    while (t->cells[i])
        if (++i == t->slots)
            i = 0;
    t->cells[i] = ((uint32_t) lo & ~unit_mask(t)) | (unit - t->first + 1);
    t->used++;
}
