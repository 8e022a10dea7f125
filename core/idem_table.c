/* SPDX-License-Identifier: MIT */
/* One mmapped hash table: open addressing, filled and never emptied.
 *
 * Entries are only ever put into empty slots, so whatever mixture of old and
 * new blocks a crash of the machine leaves, every chain of entries that had
 * been synced is whole.
 *
 * One byte of each key is kept in memory besides, in large pages where the
 * kernel has them.  Nearly every look-up is for a new key and ends there: of
 * five slices none costs a miss in the page tables. */
#include "idem_private.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define TABLE_MAGIC "ILIDEM01"

static size_t
table_bytes(const struct table_header *h)
{
    return TABLE_HEADER + h->slots * sizeof(struct slot);
}

static uint64_t
table_sum(const struct table_header *h)
{
    return XXH3_64bits(h, offsetof(struct table_header, sum));
}

static uint64_t
table_content(const struct table *t)
{
    const struct table_header *h = t->header;
    uint64_t mutable[] = { h->count, h->complete, h->limit, h->ids_used,
                           (uint64_t) h->newest_us };
    return XXH3_64bits_withSeed(t->slots, h->slots * sizeof(struct slot),
                                XXH3_64bits(mutable, sizeof mutable));
}

static uint8_t
tag_of(uint64_t val)
{
    uint8_t tag = (uint8_t) (val >> VAL_TAG_SHIFT);
    return tag ? tag : 1;
}

static int
tags_make(struct table *t)
{
    uint64_t n = t->header->slots;
    void *map = mmap(NULL, n, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return -ENOMEM;
    madvise(map, n, MADV_HUGEPAGE);
    t->tags = map;
    return 0;
}

static int
table_map(struct table *t, size_t bytes)
{
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd,
                     0);
    if (map == MAP_FAILED)
        return -errno;
    /* Neighbours of a slot are no use to anybody. */
    madvise(map, bytes, MADV_RANDOM);
    t->header = map;
    t->slots = (struct slot *) ((char *) map + TABLE_HEADER);
    return 0;
}

int
table_create(struct idem *d, struct table *t, const struct table_header *h)
{
    snprintf(t->name, sizeof t->name, "%08" PRIx64 "-%" PRIu64 ".tbl", h->seq,
             h->generation);
    t->header = NULL;
    t->fd = openat(d->dirfd, t->name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
                   0600);
    if (t->fd < 0)
        return -errno;
    /* Space first: a page without would be SIGBUS. */
    int rc = -posix_fallocate(t->fd, 0, (off_t) table_bytes(h));
    if (rc == 0)
        rc = table_map(t, table_bytes(h));
    if (rc == 0) {
        *t->header = *h;
        rc = tags_make(t);
        if (rc) {
            munmap(t->header, table_bytes(h));
            t->header = NULL;
        }
    }
    if (rc) {
        close(t->fd);
        unlinkat(d->dirfd, t->name, 0);
        return rc;
    }
    memcpy(t->header->magic, TABLE_MAGIC, 8);
    memcpy(t->header->uuid, spool_id(d->spool), 16);
    t->header->count = t->header->sealed = 0;
    t->header->sum = table_sum(t->header);
    t->count_max = h->slots / 4 * 3;
    return 0;
}

static int
table_check(struct idem *d, const struct table *t, const struct stat *st)
{
    const struct table_header *h = t->header;
    if (memcmp(h->magic, TABLE_MAGIC, 8) != 0 || h->sum != table_sum(h)
        || memcmp(h->uuid, spool_id(d->spool), 16) != 0
        || h->slots < 1 || h->slots > (uint64_t) 1 << 40
        || table_bytes(h) != (uint64_t) st->st_size || h->unit_us < 1
        || h->count > h->slots || h->ids_used >> 43)
        return -EINVAL;
    /* A hole in it would be SIGBUS on a full disk. */
    if (posix_fallocate(t->fd, 0, st->st_size))
        return -EINVAL;
    if (h->sealed && h->content != table_content(t))
        return -EINVAL;
    return 0;
}

int
table_open(struct idem *d, const char *name, struct table *t)
{
    struct stat st;
    memset(t, 0, sizeof *t);
    snprintf(t->name, sizeof t->name, "%.39s", name);
    t->fd = openat(d->dirfd, name, O_RDWR | O_CLOEXEC);
    if (t->fd < 0)
        return -errno;
    int rc = fstat(t->fd, &st) ? -errno : 0;
    if (!rc && st.st_size < TABLE_HEADER + (off_t) sizeof(struct slot))
        rc = -EINVAL;
    if (!rc)
        rc = table_map(t, (size_t) st.st_size);
    if (rc) {
        close(t->fd);
        return rc;
    }
    rc = table_check(d, t, &st);
    if (rc == 0)
        rc = tags_make(t);
    if (rc) {
        munmap(t->header, (size_t) st.st_size);
        close(t->fd);
        t->header = NULL;
        return rc;
    }
    t->count_max = t->header->slots / 4 * 3;
    for (uint64_t i = 0; i < t->header->slots; i++)
        if (t->slots[i].val)
            t->tags[i] = tag_of(t->slots[i].val);
    return 0;
}

void
table_close(struct table *t)
{
    if (!t->header)
        return;
    munmap(t->tags, t->header->slots);
    munmap(t->header, table_bytes(t->header));
    close(t->fd);
    t->header = NULL;
}

void
table_remove(struct idem *d, struct table *t)
{
    if (!t->header)
        return;
    unlinkat(d->dirfd, t->name, 0);
    table_close(t);
}

void
table_seal(struct table *t)
{
    t->header->content = table_content(t);
    t->header->sealed = 1;
}

int
table_find(const struct table *t, struct idem_key key, uint64_t *val)
{
    uint64_t want = key.hi << VAL_TAG_SHIFT & VAL_TAG_MASK;
    uint64_t n = t->header->slots, i = table_slot(t, key.lo);
    uint8_t tag = tag_of(want);
    /* A table is never full; the count bounds a damaged one. */
    for (uint64_t probes = 0; probes < n; probes++) {
        if (t->tags[i] == 0)
            return 0;
        const struct slot *s = &t->slots[i];
        if (t->tags[i] == tag && s->lo == key.lo
            && (s->val & VAL_TAG_MASK) == want) {
            *val = s->val;
            return 1;
        }
        if (++i == n)
            i = 0;
    }
    return 0;
}

void
table_put(struct table *t, uint64_t lo, uint64_t val)
{
    uint64_t n = t->header->slots, i = table_slot(t, lo);
    uint8_t tag = tag_of(val);
    for (uint64_t probes = 0; probes < n; probes++) {
        struct slot *s = &t->slots[i];
        if (t->tags[i] == 0) {
            t->tags[i] = tag;
            s->lo = lo;
            __atomic_store_n(&s->val, val, __ATOMIC_RELEASE);
            __atomic_store_n(&t->header->count, t->header->count + 1,
                             __ATOMIC_RELAXED);
            return;
        }
        /* Moved twice, after a crash in the middle of growing. */
        if (t->tags[i] == tag && s->lo == lo
            && ((s->val ^ val) & VAL_TAG_MASK) == 0)
            return;
        if (++i == n)
            i = 0;
    }
}

void
table_merge(struct table *t, const struct table *from)
{
    for (uint64_t i = 0; i < from->header->slots; i++)
        if (from->slots[i].val)
            table_put(t, from->slots[i].lo, from->slots[i].val);
}

void
table_recount(struct table *t)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < t->header->slots; i++)
        count += t->slots[i].val != 0;
    t->header->count = count;
}
