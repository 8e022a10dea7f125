/* SPDX-License-Identifier: MIT */
/* The newest keys, in memory, until they are in a run: records one after the
 * other, each with its id behind it, and lines of cells.
 *
 * A cell has the number of a record's first unit and, in the bits that this
 * leaves, some of the key's.  A line of cells is one of the cache and compared
 * at once; what it has no room for is in the next.  Nearly every look-up is for
 * a new key and ends at the line where it would be at home.  As hi times the number of homes is the line, the lines have the
 * keys nearly in the order of a run. */
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

typedef uint32_t cells4 __attribute__((vector_size(16), may_alias));

int
idem_table_make(uint64_t keys, uint32_t at_once, struct idem_table **out)
{
    struct idem_table *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->keys_max = keys > at_once ? keys : at_once;
    t->homes = t->keys_max / TABLE_LOAD + 1;
    t->lines = t->homes + TABLE_SPARE_LINES;
    t->units_usual = (uint32_t) t->keys_max * TABLE_UNITS_USUAL;
    t->units_max = t->units_usual
                   + (at_once > TABLE_AT_ONCE ? at_once : TABLE_AT_ONCE)
                         * RECORD_UNITS_MAX;
    while ((t->units_max - 1) >> t->unit_bits)
        t->unit_bits++;
    t->cells = map_memory(t->lines * sizeof *t->cells);
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
        munmap(t->cells, t->lines * sizeof *t->cells);
    if (t->units)
        munmap(t->units, t->units_max * sizeof *t->units);
    free(t);
}

static void
cells_clear(struct idem_table *t)
{
    memset(t->cells, 0, t->lines * sizeof *t->cells);
    atomic_store(&t->keys, 0);
}

void
idem_table_clear(struct idem_table *t)
{
    cells_clear(t);
    t->end = t->flushed = 0;
    t->value_bytes = 0;
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
    return t->lines * sizeof *t->cells + t->durable * sizeof *t->units;
}

static inline uint32_t
unit_mask(const struct idem_table *t)
{
    return ((uint32_t) 1 << t->unit_bits) - 1;
}

/* Its count is compared as well, and what is in cells that are not used. */
static inline int
cells_may_have(const struct idem_line *l, uint32_t mask, uint32_t print)
{
    const cells4 *v = (const cells4 *) l;
    const cells4 bits = { ~mask, ~mask, ~mask, ~mask };
    const cells4 want = { print, print, print, print };
    cells4 same =
        (cells4) ((v[0] & bits) == want) | (cells4) ((v[1] & bits) == want)
        | (cells4) ((v[2] & bits) == want) | (cells4) ((v[3] & bits) == want);
    uint64_t any[2];
    memcpy(any, &same, sizeof any);
    return (any[0] | any[1]) != 0;
}

static __attribute__((noinline)) const struct runs_record *
find_in_cells(const struct idem_table *t, const struct idem_line *l,
              struct idem_key key, const struct runs_record *newest)
{
    uint32_t mask = unit_mask(t), print = (uint32_t) key.hi & ~mask;
    for (uint32_t i = 0; i < l->used; i++) {
        if ((l->cells[i] & ~mask) != print)
            continue;
        const struct runs_record *r = idem_table_record(t, l->cells[i] & mask);
        if (r->hi == key.hi && r->lo == (uint32_t) key.lo && r > newest)
            newest = r;
    }
    return newest;
}

static inline struct idem_line *
line_after(const struct idem_table *t, struct idem_line *l)
{
    return ++l == t->cells + t->lines ? t->cells : l;
}

const struct runs_record *
idem_table_find(const struct idem_table *t, struct idem_key key)
{
    struct idem_line *l = t->cells + place_of(key.hi, t->homes);
    uint32_t mask = unit_mask(t), print = (uint32_t) key.hi & ~mask;
    const struct runs_record *newest = NULL;
    for (;; l = line_after(t, l)) {
        if (cells_may_have(l, mask, print))
            newest = find_in_cells(t, l, key, newest);
        if (l->used < LINE_CELLS)
            return newest;
    }
}

static inline void
cell_put(struct idem_table *t, uint64_t hi, uint32_t unit)
{
    struct idem_line *l = t->cells + place_of(hi, t->homes);
    while (l->used == LINE_CELLS)
        l = line_after(t, l);
    l->cells[l->used++] = ((uint32_t) hi & ~unit_mask(t)) | unit;
    atomic_store_explicit(&t->keys, t->keys + 1, memory_order_relaxed);
}

void
idem_table_put(struct idem_table *t, struct idem_key key, uint32_t time,
               uint64_t position, struct slice value)
{
    struct runs_record *r = (struct runs_record *) (t->units + t->end);
    r->hi = key.hi;
    r->lo = (uint32_t) key.lo;
    r->time = time;
    r->at = position | (uint64_t) value.len << RUNS_POSITION_BITS;
    if (value.len)
        memcpy(r + 1, value.ptr, value.len);
    t->value_bytes += value.len;
    cell_put(t, key.hi, t->end);
    t->end += RECORD_UNITS(value.len);
    t->last = position;
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
    t->value_bytes = 0;
    cells_clear(t);
    for (uint32_t unit = 0; unit < t->end;) {
        uint32_t len = runs_value_len(idem_table_record(t, unit));
        t->value_bytes += len;
        cell_put(t, t->units[unit], unit);
        unit += RECORD_UNITS(len);
    }
}

int
idem_table_has_order(const struct idem_table *t)
{
    return t->cells[t->lines - 1].used < LINE_CELLS;
}

static void
fetch_records(const struct idem_table *t, const struct idem_line *l)
{
    if (l == t->cells + t->lines)
        return;
    for (uint32_t i = 0; i < l->used; i++)
        __builtin_prefetch(idem_table_record(t, l->cells[i] & unit_mask(t)));
}

size_t
idem_table_group(const struct idem_table *t, uint64_t *line,
                 struct runs_item *items)
{
    const struct idem_line *l = t->cells + *line, *end = t->cells + t->lines;
    size_t n = 0;
    do {
        fetch_records(t, l + 1);
        for (uint32_t i = 0; i < l->used; i++) {
            const struct runs_record *r =
                idem_table_record(t, l->cells[i] & unit_mask(t));
            items[n++] = (struct runs_item){ .record = r,
                                             .value = (const char *) (r + 1) };
        }
    } while (l++->used == LINE_CELLS && l < end);
    *line = (uint64_t) (l - t->cells);
    return n;
}
