/* SPDX-License-Identifier: MIT */
/* Which unit of the log has a key: open addressing, four bytes a cell.
 *
 * A cell has the number of a unit and, in the bits that this leaves, some of
 * the key's.  Nearly every look-up is for a new key and ends at an empty cell:
 * one line of the cache.  The others ask the log, which alone is exact; so a
 * cell of an entry that was withdrawn does no harm, and stays. */
#include "idem_private.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((uint64_t) 2 << 20)

int
table_make(struct table *t, uint64_t slots, uint32_t units_max)
{
    size_t bytes = slots * sizeof *t->cells;
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return -ENOMEM;
    if (bytes >= HUGE_PAGE)
        madvise(map, bytes, MADV_HUGEPAGE);
    *t = (struct table){ .cells = map, .slots = slots, .unit_bits = 16 };
    while (units_max >> t->unit_bits)
        t->unit_bits++;
    return 0;
}

void
table_free(struct table *t)
{
    if (t->cells)
        munmap(t->cells, t->slots * sizeof *t->cells);
    memset(t, 0, sizeof *t);
}

static inline uint32_t
unit_mask(const struct table *t)
{
    return ((uint32_t) 1 << t->unit_bits) - 1;
}

/* The slot is of the upper bits of lo, what is in the cell of the lower.  There
 * always is an empty cell. */
uint32_t
table_next(const struct table *t, uint64_t lo, uint64_t *at)
{
    uint32_t mask = unit_mask(t), want = (uint32_t) lo & ~mask, cell;
    uint64_t i = *at ? *at - 1 : table_slot(t, lo);
    while ((cell = t->cells[i])) {
        if (++i == t->slots)
            i = 0;
        if ((cell & ~mask) == want) {
            *at = i + 1;
            return cell & mask;
        }
    }
    return 0;
}

void
table_put(struct table *t, uint64_t lo, uint32_t unit)
{
    uint64_t i = table_slot(t, lo);
    while (t->cells[i])
        if (++i == t->slots)
            i = 0;
    t->cells[i] = ((uint32_t) lo & ~unit_mask(t)) | unit;
    t->used++;
}
