/* SPDX-License-Identifier: MIT */
/* The log of one slice: entries are appended in memory, and written in blocks
 * once their events are durable.
 *
 * What has been written is never written again: whatever a crash of the machine
 * leaves, the blocks before the first that is not whole are what they were. */
#include "private.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t
idem_log_header_sum(const struct log_header *h)
{
    return XXH3_64bits(h, offsetof(struct log_header, sum));
}

uint64_t
idem_log_link_sum(const struct log_link *link)
{
    return XXH3_64bits(link, offsetof(struct log_link, sum));
}

uint64_t
idem_log_block_sum(const struct log_header *h, const struct log_block *b,
                   const struct entry *units)
{
    uint64_t seed = XXH3_64bits_withSeed(&b->chain, sizeof *b - sizeof b->sum,
                                         h->sum);
    return XXH3_64bits_withSeed(units, b->units * LOG_UNIT, seed);
}

int
idem_log_create(struct idem *d, struct idem_log *l)
{
    struct log_header *h = &l->header;
    memcpy(h->magic, "ILIDEML2", 8);
    h->secret = d->secret_id;
    memcpy(h->uuid, spool_id(d->spool), 16);
    h->sum = idem_log_header_sum(h);
    l->written = l->tail_first = l->end = 1;
    l->durable = 1;
    l->link_due = 1;
    l->unsynced = 1;
    snprintf(l->name, sizeof l->name, "%08" PRIx64 ".log", h->seq);
    l->fd = openat(d->dirfd, l->name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
                   0600);
    if (l->fd < 0)
        return -errno;
    int rc = file_pwrite(l->fd, h, sizeof *h, 0);
    if (rc)
        idem_log_remove(d, l);
    return rc;
}

void
idem_log_free(struct idem_log *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    free(l->blocks);
    free(l->tail);
    l->blocks = NULL;
    l->tail = NULL;
}

void
idem_log_remove(struct idem *d, struct idem_log *l)
{
    if (l->fd >= 0)
        unlinkat(d->dirfd, l->name, 0);
    idem_log_free(l);
}

/* --- in memory --- */

int
idem_log_reserve(struct idem *d, struct idem_log *l, uint32_t units)
{
    uint32_t used = l->end - l->tail_first;
    if (l->tail_capacity - used >= units)
        return 0;
    uint32_t capacity = l->tail_capacity ? l->tail_capacity : 1024;
    while (capacity - used < units)
        capacity *= 2;
    struct entry *tail = malloc(capacity * sizeof *tail);
    if (!tail)
        return -ENOMEM;
    pthread_mutex_lock(&d->lock);
    if (used)
        memcpy(tail, l->tail, used * sizeof *tail);
    free(l->tail);
    l->tail = tail;
    l->tail_capacity = capacity;
    pthread_mutex_unlock(&d->lock);
    return 0;
}

uint32_t
idem_log_add(struct idem_log *l, struct entry e, uint64_t position,
             struct slice id)
{
    uint32_t unit = l->end;
    struct entry *to = &l->tail[unit - l->tail_first];
    *to++ = e;
    if (e.val & VAL_RECORD) {
        size_t units = RECORD_UNITS(id.len);
        char *record = (char *) to;
        memset(to + units - 1, 0, sizeof *to);
        record[0] = (char) id.len;
        memcpy(record + 1, id.ptr, id.len);
        l->end += (uint32_t) units;
    }
    l->end++;
    l->last = position;
    return unit;
}

void
idem_log_advance(struct idem_log *l, uint64_t position)
{
    uint32_t unit = l->durable;
    if (l->last <= position)
        unit = l->end;
    while (unit < l->end) {
        const struct entry *e = &l->tail[unit - l->tail_first];
        if (entry_position(l, e) > position)
            break;
        unit += entry_units(e);
    }
    atomic_store_explicit(&l->durable, unit, memory_order_release);
}

uint32_t
idem_log_cut(struct idem_log *l, uint64_t position)
{
    uint32_t n = 0;
    idem_log_advance(l, position);
    for (uint32_t unit = l->durable; unit < l->end; n++)
        unit += entry_units(&l->tail[unit - l->tail_first]);
    if (n)
        l->last = position;
    l->end = l->durable;
    return n;
}

void
idem_log_trim(struct idem *d, struct idem_log *l)
{
    pthread_mutex_lock(&d->lock);
    uint32_t gone = l->written - l->tail_first;
    if (gone) {
        memmove(l->tail, l->tail + gone,
                (l->end - l->written) * sizeof *l->tail);
        l->tail_first = l->written;
    }
    pthread_mutex_unlock(&d->lock);
}

/* --- the file --- */

static uint64_t
unit_offset(uint32_t unit, uint32_t blocks)
{
    return LOG_HEADER + blocks * sizeof(struct log_block)
           + (uint64_t) (unit - 1) * LOG_UNIT;
}

int
idem_log_write_link(struct idem_log *l, uint64_t previous, uint64_t chain)
{
    struct log_link link = { .previous = previous, .chain = chain };
    link.sum = idem_log_link_sum(&link);
    int rc = file_pwrite(l->fd, &link, sizeof link, LOG_LINK);
    if (rc)
        return rc;
    l->link = link;
    l->link_due = 0;
    l->unsynced = 1;
    return 0;
}

static int
block_reserve(struct idem_log *l)
{
    if (l->block_count < l->block_capacity)
        return 0;
    uint32_t capacity = l->block_capacity ? l->block_capacity * 2 : 64;
    uint32_t *blocks = realloc(l->blocks, capacity * sizeof *blocks);
    if (!blocks)
        return -ENOMEM;
    l->blocks = blocks;
    l->block_capacity = capacity;
    return 0;
}

int
idem_log_block_add(struct idem_log *l, uint32_t unit)
{
    int rc = block_reserve(l);
    if (!rc)
        l->blocks[l->block_count++] = unit;
    return rc;
}

int
idem_log_write(struct idem *d, struct idem_log *l, uint64_t complete)
{
    uint32_t upto = atomic_load_explicit(&l->durable, memory_order_acquire);
    const struct entry *units = l->tail;
    struct log_block b = { .chain = l->chain,
                           .complete = complete,
                           .units = upto - l->written };
    int rc = block_reserve(l);
    if (rc)
        return rc;
    if (b.units)
        units += l->written - l->tail_first;
    for (uint32_t u = 0; u < b.units; u += entry_units(&units[u]))
        b.keys++;
    b.sum = idem_log_block_sum(&l->header, &b, units);
    uint64_t offset = unit_offset(l->written, l->block_count);
    rc = file_pwrite(l->fd, &b, sizeof b, offset);
    if (!rc && b.units)
        rc = file_pwrite(l->fd, units, b.units * LOG_UNIT, offset + sizeof b);
    if (rc)
        return rc;
    idem_log_block_add(l, l->written); /* there is room */
    l->written = upto;
    l->chain = b.sum;
    l->unsynced = 1;
    d->complete = complete;
    return 0;
}

/* The last block that begins at the unit or before.  Those without units begin
 * where the next does. */
static uint32_t
block_of(const struct idem_log *l, uint32_t unit)
{
    uint32_t from = 0, to = l->block_count;
    while (to - from > 1) {
        uint32_t middle = from + (to - from) / 2;
        if (l->blocks[middle] <= unit)
            from = middle;
        else
            to = middle;
    }
    return from;
}

int
idem_log_read_file(struct idem *d, struct idem_log *l, uint32_t unit,
                   struct entry *out, uint32_t max)
{
    pthread_mutex_lock(&d->lock);
    uint32_t block = block_of(l, unit);
    uint32_t end = block + 1 < l->block_count ? l->blocks[block + 1]
                                              : l->written;
    pthread_mutex_unlock(&d->lock);
    uint32_t n = end - unit < max ? end - unit : max;
    int64_t got = file_pread(l->fd, out, n * LOG_UNIT,
                             unit_offset(unit, block + 1));
    return got < 0 ? (int) got
           : got == (int64_t) (n * LOG_UNIT) ? (int) n : -EIO;
}

int
idem_log_read(struct idem *d, struct idem_log *l, uint32_t unit,
              struct entry *out, uint32_t max)
{
    if (unit < 1 || unit >= l->end)
        return 0;
    if (unit < l->tail_first)
        return idem_log_read_file(d, l, unit, out, max);
    uint32_t n = l->end - unit < max ? l->end - unit : max;
    memcpy(out, &l->tail[unit - l->tail_first], n * LOG_UNIT);
    return (int) n;
}

int
idem_log_next(struct idem *d, struct idem_log *l, struct log_cursor *c,
              uint32_t to, const struct entry **e, uint32_t *unit)
{
    uint32_t at = c->unit - c->first;
    if (c->unit >= to)
        return 0;
    /* of an id behind it the length is needed */
    if (at >= c->count
        || (c->chunk[at].val & VAL_RECORD && at + 1 == c->count)) {
        int n = idem_log_read_file(d, l, c->unit, c->chunk, LOG_CHUNK);
        if (n <= 0)
            return n ? n : -EIO;
        c->first = c->unit;
        c->count = (uint32_t) n;
        at = 0;
    }
    *e = &c->chunk[at];
    *unit = c->unit;
    c->unit += entry_units(*e);
    return 1;
}
