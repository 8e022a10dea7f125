/* SPDX-License-Identifier: MIT */
/* Slices of time: made, grown, looked into, dropped whole. */
#include "private.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLACE_RUNS 32u /* of the start become one */

void
idem_slice_free(struct idem_slice *s)
{
    if (!s)
        return;
    idem_log_free(&s->log);
    idem_table_free(&s->hot);
    for (uint32_t i = 0; i < s->full_count; i++)
        idem_table_free(&s->full[i]);
    for (uint32_t i = 0; i < s->run_count; i++)
        idem_run_free(s->runs[i]);
    free(s);
}

void
idem_slice_memory(const struct idem_slice *s, uint64_t *heap, uint64_t *mapped)
{
    *heap += s->hot.slots * sizeof *s->hot.cells
             + s->log.tail_capacity * sizeof *s->log.tail
             + s->log.block_capacity * sizeof *s->log.blocks;
    for (uint32_t i = 0; i < s->full_count; i++)
        *heap += s->full[i].slots * sizeof *s->full[i].cells;
    for (uint32_t i = 0; i < s->run_count; i++)
        *(s->runs[i]->kept ? heap : mapped) += idem_run_bytes(s->runs[i]);
}

/* --- the list ------------------------------------------------------------- */

static size_t
publish(struct idem *d, size_t n, const void *base, uint64_t places,
        unsigned shift)
{
    if (n == NEAR_MAX || !base)
        return n;
    atomic_store_explicit(&d->near[n].places, places, memory_order_relaxed);
    atomic_store_explicit(&d->near[n].shift, shift, memory_order_relaxed);
    atomic_store_explicit(&d->near[n].base, (uintptr_t) base,
                          memory_order_relaxed);
    return n + 1;
}

void
idem_slices_publish(struct idem *d)
{
    size_t n = 0;
    for (size_t i = d->slice_count; i-- > 0;) {
        const struct idem_slice *s = d->slices[i];
        if (s->log.header.seq <= d->summary_upto) {
            n = publish(d, n, d->summary->lines,
                        (uint64_t) 1 << d->summary->bits, 6);
            break;
        }
        n = publish(d, n, s->hot.cells, s->hot.slots, 2);
        for (uint32_t k = s->full_count; k-- > 0;)
            n = publish(d, n, s->full[k].cells, s->full[k].slots, 2);
        for (uint32_t k = s->run_count; k-- > 0;)
            n = publish(d, n, s->runs[k]->lines,
                        (uint64_t) 1 << s->runs[k]->bits, 6);
    }
    atomic_store_explicit(&d->near[n].base, 0, memory_order_relaxed);
}

/* An empty table for what comes from the end of the log on. */
static int
hot_make(const struct idem *d, const struct idem_slice *s, uint32_t n,
         struct idem_table *t)
{
    uint64_t keys = d->part_keys > n ? d->part_keys : n;
    /* With 2 MiB of cells 12 bits are left for the key. */
    uint64_t units = keys / 3 * 8 - 1, least = n * (1 + RECORD_UNITS_MAX) + 1;
    return idem_table_make(t, keys, s->log.end,
                           (uint32_t) (units > least ? units : least));
}

/* It takes no more: the worker's.  There is room among the full ones. */
static void
hot_close(struct idem *d, struct idem_slice *s)
{
    pthread_mutex_lock(&d->lock);
    if (s->hot.used) {
        s->hot.to = s->log.end;
        s->full[s->full_count++] = s->hot;
        memset(&s->hot, 0, sizeof s->hot);
    }
    idem_table_free(&s->hot);
    idem_work_wake(d);
    pthread_mutex_unlock(&d->lock);
}

static int
slice_start(struct idem *d, uint32_t n, int64_t now_us, uint64_t base)
{
    struct idem_slice *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    int64_t unit_us = d->slice_us / (VAL_TIME_MAX + 1);
    s->log.fd = -1;
    s->log.header.seq = d->next_seq;
    s->log.header.start_us = now_us;
    s->log.header.unit_us = unit_us < 1 ? 1 : unit_us;
    s->log.header.base = base;
    s->newest_us = now_us;
    int rc = idem_log_create(d, &s->log);
    if (!rc)
        rc = hot_make(d, s, n, &s->hot);
    if (rc) {
        idem_log_remove(d, &s->log);
        idem_slice_free(s);
        return rc;
    }
    d->next_seq++;
    if (d->slice_count)
        hot_close(d, d->slices[d->slice_count - 1]);
    pthread_mutex_lock(&d->lock);
    d->slices[d->slice_count++] = s;
    pthread_mutex_unlock(&d->lock);
    idem_slices_publish(d);
    return 0;
}

void
idem_slice_drop_oldest(struct idem *d)
{
    pthread_mutex_lock(&d->lock);
    if (d->slice_count && d->dropped_count < DROPPED_MAX) {
        idem_work_forget(d, d->slices[0]);
        d->dropped[d->dropped_count++] = d->slices[0];
        d->slice_count--;
        memmove(d->slices, d->slices + 1,
                d->slice_count * sizeof d->slices[0]);
        /* Where that fails, the next start misses the file and asks the
         * spool. */
        if (d->slice_count && !d->slices[0]->log.link_due)
            idem_log_write_link(&d->slices[0]->log, 0, 0);
    }
    pthread_mutex_unlock(&d->lock);
    idem_slices_publish(d);
}

void
idem_slice_remove_dropped(struct idem *d)
{
    struct idem_slice *list[DROPPED_MAX];
    size_t n = 0, kept = 0;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->dropped_count; i++)
        if (idem_work_uses(d, d->dropped[i]))
            d->dropped[kept++] = d->dropped[i];
        else
            list[n++] = d->dropped[i];
    d->dropped_count = kept;
    pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < n; i++) {
        idem_log_remove(d, &list[i]->log);
        idem_slice_free(list[i]);
    }
}

/* --- what was loaded ------------------------------------------------------ */

static int
always(void *arg)
{
    (void) arg;
    return 1;
}

static int
place_merge(struct idem *d, struct idem_slice *s)
{
    struct run *made;
    int rc = idem_build_merge(d, s->runs, s->run_count, 1, always, NULL, &made);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < s->run_count; i++)
        idem_run_free(s->runs[i]);
    s->runs[0] = made;
    s->run_count = 1;
    return 0;
}

static int
place_hot(struct idem *d, struct idem_slice *s, uint32_t from)
{
    struct log_cursor c = { .unit = from };
    const struct entry *e;
    uint32_t unit, units = (s->log.end - from) * 2;
    uint32_t usual = (uint32_t) (d->part_keys / 3 * 8 - 1);
    int rc = idem_table_make(&s->hot, d->part_keys, from,
                             units > usual ? units : usual);
    while (!rc
           && (rc = idem_log_next(d, &s->log, &c, s->log.end, &e, &unit)) > 0) {
        idem_table_put(&s->hot, e->lo, unit);
        rc = 0;
    }
    if (rc < 0)
        idem_table_free(&s->hot);
    return rc;
}

int
idem_slice_place(struct idem *d, struct idem_slice *s, int newest)
{
    uint32_t from = 1;
    uint64_t left = s->count;
    for (uint32_t i = 0; i < s->run_count; i++) {
        from = s->runs[i]->to;
        left -= s->runs[i]->keys;
    }
    int rc = 0;
    while (!rc && from < s->log.end && !(newest && left < d->part_keys)) {
        struct run *made;
        int final = !newest && !s->run_count && left <= d->part_keys;
        rc = idem_build_seal(d, &s->log, from, s->log.end, d->part_keys,
                             idem_run_bits(final ? left : d->part_keys), &made);
        if (rc)
            return rc;
        s->runs[s->run_count++] = made;
        from = made->to;
        left -= made->keys;
        if (s->run_count == PLACE_RUNS)
            rc = place_merge(d, s);
    }
    if (!rc && s->run_count > 1)
        rc = place_merge(d, s);
    if (!rc && newest && !s->hot.cells)
        rc = place_hot(d, s, from);
    return rc;
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

/* Room for n more entries in the table. */
static int
hot_ready(struct idem *d, struct idem_slice *s, uint32_t n)
{
    uint64_t end = s->log.end + (uint64_t) n * (1 + RECORD_UNITS_MAX);
    struct idem_table next;
    if (s->hot.cells && idem_table_takes(&s->hot, n, end))
        return 0;
    int rc = idem_work_wait(d, s);
    if (!rc)
        rc = hot_make(d, s, n, &next);
    if (rc)
        return rc;
    hot_close(d, s);
    pthread_mutex_lock(&d->lock);
    s->hot = next;
    pthread_mutex_unlock(&d->lock);
    idem_slices_publish(d);
    return 0;
}

int
idem_slice_ready(struct idem *d, uint32_t n, int64_t now_us, uint64_t base)
{
    struct idem_slice *s = d->slice_count ? d->slices[d->slice_count - 1]
                                          : NULL;
    idem_work_install(d);
    if (!s || slice_is_over(d, s, n, now_us, base)) {
        int rc = s ? idem_work_wait(d, s) : 0;
        if (rc)
            return rc;
        if (d->slice_count >= SLICES_MAX)
            idem_slice_drop_oldest(d);
        rc = slice_start(d, n, now_us, base);
        if (rc)
            return rc;
        s = d->slices[d->slice_count - 1];
    }
    int rc = idem_log_reserve(d, &s->log, n * (1 + RECORD_UNITS_MAX));
    return rc ? rc : hot_ready(d, s, n);
}

void
idem_slice_insert(struct idem *d, struct idem_key key, int64_t now_us,
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
    idem_table_put(&s->hot, key.lo, idem_log_add(&s->log, e, position, id));
    if (now_us > atomic_load_explicit(&s->newest_us, memory_order_relaxed))
        atomic_store_explicit(&s->newest_us, now_us, memory_order_relaxed);
    slice_count_add(s, 1);
}

void
idem_slice_cut(struct idem_slice *s)
{
    uint32_t end = s->log.end;
    while (s->full_count && s->full[s->full_count - 1].first >= end)
        idem_table_free(&s->full[--s->full_count]);
    if (s->full_count && s->full[s->full_count - 1].to > end)
        s->full[s->full_count - 1].to = end;
    if (s->hot.cells && s->hot.first > end) {
        /* All of it; the units before it are given out again. */
        memset(s->hot.cells, 0, s->hot.slots * sizeof *s->hot.cells);
        s->hot.used = 0;
        s->hot.first = end;
    }
}

/* --- looking -------------------------------------------------------------- */

/* Is it this key, of an event after that time, and after that of the hit? */
static int
unit_hit(struct idem *d, struct idem_slice *s, uint32_t unit,
         struct idem_key key, int64_t since_us, struct idem_hit *hit)
{
    struct entry e[1 + RECORD_UNITS_MAX];
    const struct log_header *h = &s->log.header;
    int n = idem_log_read(d, &s->log, unit, e, 1 + RECORD_UNITS_MAX);
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

/* In a table, or in a run. */
static inline int
place_find(struct idem *d, struct idem_slice *s, const struct idem_table *t,
           const struct run *r, struct idem_key key, int64_t since_us,
           struct idem_hit *hit)
{
    uint64_t at = 0;
    uint32_t unit;
    int found = 0;
    while ((unit = t ? idem_table_next(t, key.lo, &at)
                     : idem_run_next(r, key.lo, &at))) {
        int rc = unit_hit(d, s, unit, key, since_us, hit);
        if (rc < 0)
            return rc;
        found |= rc;
    }
    return found;
}

/* From the newest entries to the oldest: what is found first came last. */
int
idem_slice_find(struct idem *d, struct idem_slice *s, struct idem_key key,
                int64_t since_us, struct idem_hit *hit)
{
    int rc = 0;
    hit->position = 0;
    if (s->hot.cells)
        rc = place_find(d, s, &s->hot, NULL, key, since_us, hit);
    for (uint32_t i = s->full_count; i-- > 0 && !rc;)
        rc = place_find(d, s, &s->full[i], NULL, key, since_us, hit);
    for (uint32_t i = s->run_count; i-- > 0 && !rc;)
        rc = place_find(d, s, NULL, s->runs[i], key, since_us, hit);
    return rc;
}
