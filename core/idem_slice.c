/* SPDX-License-Identifier: MIT */
/* Slices of time: made, grown, looked into, dropped whole. */
#include "idem_private.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* While a table moves into a larger one, each entry that is added moves so
 * many: the move is over before the new one is half full. */
#define MOVE_STEP 4u
#define MOVE_CHUNK 512u
#define MOVE_AHEAD 16u /* entries whose cells are fetched before their turn */

void
slice_free(struct idem_slice *s)
{
    if (!s)
        return;
    log_free(&s->log);
    table_free(&s->table);
    table_free(&s->old);
    free(s);
}

/* --- the list ------------------------------------------------------------- */

/* How large the slice will become, judging by the one before it. */
static uint64_t
slice_expect(const struct idem *d)
{
    uint64_t keys = d->slice_count ? d->slices[d->slice_count - 1]->count : 0;
    return keys + keys / 2 > TABLE_SLOTS_MIN ? keys + keys / 2
                                             : TABLE_SLOTS_MIN;
}

/* How many units cells have to tell apart: no more than entries without ids
 * take until the table is full, so that much is left for the key; where there
 * are ids, twice as many as there are. */
static uint32_t
units_for(uint64_t slots, uint32_t end)
{
    uint64_t units = end < slots / 2 ? slots - 1 : (uint64_t) end * 2;
    return units < LOG_UNITS_MAX ? (uint32_t) units : LOG_UNITS_MAX;
}

void
slices_publish(struct idem *d)
{
    for (size_t i = 0; i <= SLICES_MAX; i++) {
        const struct table *t
            = i < d->slice_count ? &d->slices[d->slice_count - 1 - i]->table
                                 : NULL;
        atomic_store_explicit(&d->near[i].slots, t ? t->slots : 0,
                              memory_order_relaxed);
        atomic_store_explicit(&d->near[i].cells, t ? t->cells : NULL,
                              memory_order_relaxed);
    }
}

static int
slice_start(struct idem *d, int64_t now_us, uint64_t base)
{
    struct idem_slice *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    uint64_t slots = slice_expect(d);
    int64_t unit_us = d->slice_us / (VAL_TIME_MAX + 1);
    s->log.fd = -1;
    s->log.header.seq = d->next_seq;
    s->log.header.start_us = now_us;
    s->log.header.unit_us = unit_us < 1 ? 1 : unit_us;
    s->log.header.base = base;
    s->newest_us = now_us;
    int rc = table_make(&s->table, slots, units_for(slots, 0));
    if (rc && slots > TABLE_SLOTS_MIN)
        rc = table_make(&s->table, TABLE_SLOTS_MIN,
                        units_for(TABLE_SLOTS_MIN, 0));
    if (!rc)
        rc = log_create(d, &s->log);
    if (rc) {
        slice_free(s);
        return rc;
    }
    d->next_seq++;
    pthread_mutex_lock(&d->lock);
    d->slices[d->slice_count++] = s;
    pthread_mutex_unlock(&d->lock);
    slices_publish(d);
    return 0;
}

void
slice_drop_oldest(struct idem *d)
{
    pthread_mutex_lock(&d->lock);
    if (d->slice_count && d->dropped_count < DROPPED_MAX) {
        d->dropped[d->dropped_count++] = d->slices[0];
        d->slice_count--;
        memmove(d->slices, d->slices + 1,
                d->slice_count * sizeof d->slices[0]);
        /* Where that fails, the next start misses the file and asks the
         * spool. */
        if (d->slice_count && !d->slices[0]->log.link_due)
            log_write_link(&d->slices[0]->log, 0, 0);
    }
    pthread_mutex_unlock(&d->lock);
    slices_publish(d);
}

void
slice_remove_dropped(struct idem *d)
{
    struct idem_slice *list[DROPPED_MAX];
    pthread_mutex_lock(&d->lock);
    size_t n = d->dropped_count;
    memcpy(list, d->dropped, n * sizeof list[0]);
    d->dropped_count = 0;
    pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < n; i++) {
        log_remove(d, &list[i]->log);
        slice_free(list[i]);
    }
}

/* --- growing -------------------------------------------------------------- */

static int
slice_move(struct idem *d, struct idem_slice *s, uint32_t entries)
{
    struct entry chunk[MOVE_CHUNK];
    while (entries && s->moved < s->move_end) {
        int n = log_read(d, &s->log, s->moved, chunk, MOVE_CHUNK);
        if (n <= 0)
            return n ? n : -EIO;
        uint32_t i = 0, units = (uint32_t) n;
        while (i < units && entries && s->moved + i < s->move_end) {
            /* of an id behind it the length is needed */
            if (i + 1 == units && chunk[i].val & VAL_RECORD && i)
                break;
            if (i + MOVE_AHEAD < units)
                __builtin_prefetch(
                    &s->table.cells[table_slot(&s->table,
                                               chunk[i + MOVE_AHEAD].lo)],
                    1);
            table_put(&s->table, chunk[i].lo, s->moved + i);
            i += entry_units(&chunk[i]);
            entries--;
        }
        s->moved += i;
    }
    if (s->moved >= s->move_end)
        table_free(&s->old);
    return 0;
}

static int
table_tight(const struct idem_slice *s, uint64_t more, uint64_t of, uint64_t in)
{
    const struct table *t = &s->table;
    return t->used + more > t->slots / in * of
           || (s->log.end + more * (1 + RECORD_UNITS_MAX)) >> t->unit_bits;
}

/* Make room for n more entries. */
static int
slice_grow(struct idem *d, struct idem_slice *s, uint32_t n)
{
    int rc = 0;
    if (s->old.cells)
        rc = slice_move(d, s, n * MOVE_STEP + MOVE_CHUNK);
    if (!table_tight(s, n, 3, 4))
        return rc;
    if (!rc && s->old.cells) /* hardly: the batch is larger than the table */
        rc = slice_move(d, s, UINT32_MAX);
    struct table next;
    uint64_t slots = s->table.slots;
    while (s->table.used + n > slots / 4 * 2)
        slots *= 2;
    if (!rc)
        rc = table_make(&next, slots, units_for(slots, s->log.end + n * 10));
    if (!rc) {
        s->old = s->table;
        s->table = next;
        s->moved = 1;
        s->move_end = s->log.end;
        slices_publish(d);
        return 0;
    }
    /* No memory: fill it further, slower though it gets. */
    return table_tight(s, n, 19, 20) ? rc : 0;
}

/* --- adding --------------------------------------------------------------- */

static int
slice_is_over(const struct idem *d, const struct idem_slice *s, uint32_t n,
              int64_t now_us, uint64_t base)
{
    const struct log_header *h = &s->log.header;
    uint64_t most = d->opt.max_keys / SLICES_PER_WINDOW;
    int64_t age = now_us - h->start_us;
    /* A clock that flaps must not use up the slices: what is too old for the
     * newest is rather known for too long. */
    int back = age < -d->slice_us && d->slice_count < SLICES_MAX - 2;
    return age >= d->slice_us || back || base < h->base
           || base - h->base > VAL_LOW_MASK - UINT32_MAX
           || s->log.end > LOG_UNITS_MAX / 4 * 3
           || n > LOG_UNITS_MAX / 4 / (1 + RECORD_UNITS_MAX)
           || (d->opt.max_keys && s->count >= most);
}

int
slice_ready(struct idem *d, uint32_t n, int64_t now_us, uint64_t base)
{
    struct idem_slice *s = d->slice_count ? d->slices[d->slice_count - 1]
                                          : NULL;
    if (!s || slice_is_over(d, s, n, now_us, base)) {
        if (d->slice_count >= SLICES_MAX)
            slice_drop_oldest(d);
        int rc = slice_start(d, now_us, base);
        if (rc)
            return rc;
        s = d->slices[d->slice_count - 1];
    }
    int rc = log_reserve(d, &s->log, n * (1 + RECORD_UNITS_MAX));
    return rc ? rc : slice_grow(d, s, n);
}

void
slice_insert(struct idem *d, struct idem_key key, int64_t now_us,
             uint64_t position, struct slice id)
{
    struct idem_slice *s = d->slices[d->slice_count - 1];
    const struct log_header *h = &s->log.header;
    int64_t units = (now_us - h->start_us) / h->unit_us;
    if (units < 0)
        units = 0;
    if (units > VAL_TIME_MAX)
        units = VAL_TIME_MAX;
    struct entry e = {
        .lo = key.lo,
        .val = (id.len ? VAL_RECORD : 0) | (uint64_t) units << VAL_TIME_SHIFT
               | (key.hi << VAL_TAG_SHIFT & VAL_TAG_MASK)
               | (position - h->base)
    };
    table_put(&s->table, key.lo, log_add(&s->log, e, position, id));
    if (now_us > atomic_load_explicit(&s->newest_us, memory_order_relaxed))
        atomic_store_explicit(&s->newest_us, now_us, memory_order_relaxed);
    slice_count_add(s, 1);
}

/* --- looking -------------------------------------------------------------- */

/* Is it this key, of an event after that time, and after that of the hit? */
static int
unit_hit(struct idem *d, struct idem_slice *s, uint32_t unit,
         struct idem_key key, int64_t since_us, struct idem_hit *hit)
{
    struct entry e[1 + RECORD_UNITS_MAX];
    const struct log_header *h = &s->log.header;
    int n = log_read(d, &s->log, unit, e, 1 + RECORD_UNITS_MAX);
    if (n <= 0)
        return n;
    if (e->lo != key.lo
        || ((e->val ^ key.hi << VAL_TAG_SHIFT) & VAL_TAG_MASK))
        return 0;
    /* To the end of its unit of time: rather known too long than too short. */
    int64_t units = (int64_t) (e->val >> VAL_TIME_SHIFT & VAL_TIME_MAX) + 1;
    if (h->start_us + units * h->unit_us <= since_us
        || entry_position(&s->log, e) <= hit->position)
        return 0;
    const char *record = (const char *) (e + 1);
    size_t len = 0;
    if (e->val & VAL_RECORD) {
        len = n > 1 ? (unsigned char) record[0] : sizeof hit->id + 1;
        if (len > sizeof hit->id || RECORD_UNITS(len) > (size_t) n - 1)
            return 0;
        memcpy(hit->id, record + 1, len);
    }
    hit->position = entry_position(&s->log, e);
    hit->id_len = len;
    return 1;
}

int
slice_find(struct idem *d, struct idem_slice *s, struct idem_key key,
           int64_t since_us, struct idem_hit *hit)
{
    const struct table *tables[2] = { &s->table, &s->old };
    int rc = 0, found = 0;
    hit->position = 0;
    for (int i = 0; i < 2 && tables[i]->cells && rc >= 0; i++) {
        uint64_t at = 0;
        uint32_t unit;
        while (rc >= 0 && (unit = table_next(tables[i], key.lo, &at))) {
            rc = unit_hit(d, s, unit, key, since_us, hit);
            found |= rc > 0;
        }
    }
    return rc < 0 ? rc : found;
}
