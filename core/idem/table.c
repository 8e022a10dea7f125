/* SPDX-License-Identifier: MIT */
/* The newest keys, in memory, until they are in a run: records one after the
 * other, each with its id behind it, and open addressing of four bytes a cell.
 *
 * A cell has the number of a record's first unit and, in the bits that this
 * leaves, some of the key's.  Nearly every look-up is for a new key and ends at
 * an empty cell: one line of the cache. */
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Memory that is taken as it is used. */
static void *
map_memory(size_t bytes)
{
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return map == MAP_FAILED ? NULL : map;
}

int
idem_table_make(uint64_t keys, uint32_t at_once, struct idem_table **out)
{
    struct idem_table *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->keys_max = keys > at_once ? keys : at_once;
    t->slots = t->keys_max / 3 * 4 + 8;
    t->units_usual = (uint32_t) t->keys_max * TABLE_UNITS_USUAL;
    t->units_max = t->units_usual
                   + (at_once > TABLE_AT_ONCE ? at_once : TABLE_AT_ONCE)
                         * RECORD_UNITS_MAX;
    while (t->units_max >> t->unit_bits)
        t->unit_bits++;
    t->cells = map_memory(t->slots * sizeof *t->cells);
    t->units = map_memory(t->units_max * sizeof *t->units);
    if (!t->cells || !t->units) {
        idem_table_free(t);
        return -ENOMEM;
    }
    *out = t;
    return 0;
}

void
idem_table_free(struct idem_table *t)
{
    if (!t)
        return;
    if (t->cells)
        munmap(t->cells, t->slots * sizeof *t->cells);
    if (t->units)
        munmap(t->units, t->units_max * sizeof *t->units);
    free(t);
}

static void
cells_clear(struct idem_table *t)
{
    memset(t->cells, 0, t->slots * sizeof *t->cells);
    atomic_store(&t->keys, 0);
}

void
idem_table_clear(struct idem_table *t)
{
    cells_clear(t);
    t->end = t->flushed = 0;
    atomic_store(&t->durable, 0);
    t->base = t->last = 0;
    t->done = 0;
}

int
idem_table_takes(const struct idem_table *t, uint32_t n)
{
    return t->keys + n <= t->keys_max && t->end <= t->units_usual
           && n <= (t->units_max - t->end) / RECORD_UNITS_MAX;
}

uint64_t
idem_table_bytes(const struct idem_table *t)
{
    return t->slots * sizeof *t->cells + t->durable * sizeof *t->units;
}

static inline uint32_t
unit_mask(const struct idem_table *t)
{
    return ((uint32_t) 1 << t->unit_bits) - 1;
}

const struct runs_record *
idem_table_find(const struct idem_table *t, struct idem_key key)
{
    uint32_t mask = unit_mask(t), want = (uint32_t) key.hi & ~mask, cell;
    const struct runs_record *newest = NULL;
    uint64_t i = place_of(key.hi, t->slots);
    while ((cell = t->cells[i])) {
        if (++i == t->slots)
            i = 0;
        if ((cell & ~mask) != want)
            continue;
        const struct runs_record *r = idem_table_record(t, (cell & mask) - 1);
        if (r->hi == key.hi && r->lo == (uint32_t) key.lo && r > newest)
            newest = r;
    }
    return newest;
}

/* The record of a unit is there. */
static void
cell_put(struct idem_table *t, uint32_t unit)
{
    uint64_t hi = t->units[unit], i = place_of(hi, t->slots);
    while (t->cells[i])
        if (++i == t->slots)
            i = 0;
    t->cells[i] = ((uint32_t) hi & ~unit_mask(t)) | (unit + 1);
    atomic_store_explicit(&t->keys, t->keys + 1, memory_order_relaxed);
}

void
idem_table_put(struct idem_table *t, const struct runs_record *r,
               const char *value)
{
    uint64_t *to = t->units + t->end;
    uint32_t len = runs_value_len(r);
    memcpy(to, r, sizeof *r);
    if (len)
        memcpy(to + RECORD_UNITS(0), value, len);
    cell_put(t, t->end);
    t->end += RECORD_UNITS(len);
    t->last = runs_position(r);
}

void
idem_table_advance(struct idem_table *t, uint64_t position)
{
    uint32_t unit = t->durable;
    if (t->last <= position)
        unit = t->end;
    while (unit < t->end) {
        const struct runs_record *r = idem_table_record(t, unit);
        if (runs_position(r) > position)
            break;
        unit += RECORD_UNITS(runs_value_len(r));
    }
    atomic_store_explicit(&t->durable, unit, memory_order_release);
}

void
idem_table_cut(struct idem_table *t, uint64_t position)
{
    idem_table_advance(t, position);
    if (t->base > position) /* what comes now has these positions again */
        t->base = position;
    if (t->end == t->durable)
        return;
    t->end = t->durable;
    t->last = position;
    cells_clear(t);
    for (uint32_t unit = 0; unit < t->end;) {
        uint32_t len = runs_value_len(idem_table_record(t, unit));
        cell_put(t, unit);
        unit += RECORD_UNITS(len);
    }
}
