/* SPDX-License-Identifier: MIT */
/* Loading the logs: as much of each as is whole, and whether they fit
 * together.
 *
 * Up to the first place where something is missing - a block that is not whole,
 * a log that is not there - the index is complete as far as the last block says;
 * what comes behind is good as well, but the spool is asked from there on. */
#include "private.h"

#include "base/file.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIME_MAX (INT64_C(1) << 52) /* 142 years; sums do not overflow */

/* What is in a log. */
struct log_extent {
    uint64_t size, end; /* of the file, and of what is whole in it */
    uint64_t keys, complete, last;
    int64_t newest_us;
};

/* --- one log -------------------------------------------------------------- */

static int
load_header(struct idem *d, struct idem_log *l, struct log_extent *f)
{
    struct log_header *h = &l->header;
    struct stat st;
    l->fd = openat(d->dirfd, l->name, O_RDWR | O_CLOEXEC);
    if (l->fd < 0 || fstat(l->fd, &st))
        return -errno;
    f->size = (uint64_t) st.st_size;
    if (file_pread(l->fd, h, sizeof *h, 0) != sizeof *h
        || memcmp(h->magic, "ILIDEML2", 8) != 0
        || memcmp(h->uuid, spool_id(d->spool), 16) != 0
        || h->secret != d->secret_id || h->sum != idem_log_header_sum(h)
        || h->unit_us < 1 || h->unit_us > TIME_MAX || h->start_us < -TIME_MAX
        || h->start_us > TIME_MAX || h->base >> 62 || !h->seq
        || h->seq != strtoull(l->name, NULL, 16))
        return -EINVAL;
    l->link_due =
        file_pread(l->fd, &l->link, sizeof l->link, LOG_LINK) != sizeof l->link
        || l->link.sum != idem_log_link_sum(&l->link);
    return 0;
}

/* Do the entries fill the block?  Then note what they say. */
static int
look_at_entries(const struct idem_log *l, const struct log_block *b,
                const struct entry *units, struct log_extent *f)
{
    struct log_extent with = *f;
    uint32_t u = 0;
    while (u < b->units) {
        const struct entry *e = &units[u];
        if (e->val & VAL_RECORD && u + 1 == b->units)
            return -EINVAL;
        int64_t unit = (int64_t) (e->val >> VAL_TIME_SHIFT & VAL_TIME_MAX);
        int64_t us = l->header.start_us + (unit + 1) * l->header.unit_us;
        with.newest_us = us > with.newest_us ? us : with.newest_us;
        if (entry_position(l, e) > with.last)
            with.last = entry_position(l, e);
        with.keys++;
        u += entry_units(e);
    }
    if (u != b->units)
        return -EINVAL;
    *f = with;
    return 0;
}

/* The next block, all of it.  0; -EINVAL: there is none that is whole; -ENOMEM. */
static int
read_block(struct idem_log *l, const struct log_extent *f, uint64_t chain,
           struct log_block *b, struct il_text *units)
{
    uint64_t at = f->end;
    if (f->size < at + sizeof *b
        || file_pread(l->fd, b, sizeof *b, at) != sizeof *b
        || b->chain != chain
        || f->size - at - sizeof *b < b->units * LOG_UNIT
        || b->units >= LOG_UNITS_MAX - l->end)
        return -EINVAL;
    size_t len = b->units * LOG_UNIT;
    units->len = 0;
    if (text_reserve(units, len))
        return -ENOMEM;
    if (file_pread(l->fd, units->data, len, at + sizeof *b) != (int64_t) len
        || b->sum != idem_log_block_sum(&l->header, b, (void *) units->data))
        return -EINVAL;
    return 0;
}

/* Blocks from the first on, with what each has. */
static int
walk(struct idem_log *l, struct log_extent *f)
{
    struct il_text text = { 0 };
    struct log_block b;
    int rc;
    l->end = 1;
    l->chain = 0;
    f->end = LOG_HEADER;
    while (!(rc = read_block(l, f, l->chain, &b, &text))) {
        rc = look_at_entries(l, &b, (void *) text.data, f);
        if (!rc)
            rc = idem_log_block_add(l, l->end);
        if (rc)
            break;
        l->end += b.units;
        l->chain = b.sum;
        f->complete = b.complete;
        f->end += sizeof b + b.units * LOG_UNIT;
    }
    text_clear(&text);
    return rc == -EINVAL ? 0 : rc;
}

static int
load_units(struct idem *d, struct idem_slice *s, struct log_extent *f)
{
    struct idem_log *l = &s->log;
    int rc = walk(l, f);
    if (!rc && f->end < f->size) {
        log_warn("idempotency index: %s/%s: the last %" PRIu64 " bytes are "
                 "not whole, and cut; their keys are taken from the spool "
                 "again", d->dir, l->name, f->size - f->end);
        rc = ftruncate(l->fd, (off_t) f->end) ? -errno : 0;
    }
    l->written = l->tail_first = l->end;
    l->durable = l->end;
    l->last = f->last;
    s->count = f->keys;
    s->newest_us = f->newest_us;
    return rc;
}

/* The spool was restored from a backup: what came behind its end is of events
 * that are no more.  The log is written anew without. */
static int
filter(struct idem *d, struct idem_log *l, uint64_t end)
{
    struct idem_log fresh = { .header = l->header };
    struct entry chunk[LOG_BLOCK_UNITS / 8 + 1 + RECORD_UNITS_MAX];
    const char *aside = "filter.tmp";
    if (renameat(d->dirfd, l->name, d->dirfd, aside))
        return -errno;
    int rc = idem_log_create(d, &fresh), n;
    for (uint32_t unit = 1; !rc && unit < l->end;) {
        n = idem_log_read(d, l, unit, chunk, LOG_BLOCK_UNITS / 8);
        rc = n > 0
                 ? idem_log_reserve(d, &fresh, (uint32_t) n + RECORD_UNITS_MAX)
                 : -EIO;
        for (int i = 0; !rc && i < n;) {
            const struct entry *e = &chunk[i];
            const char *record = (const char *) (e + 1);
            if (e->val & VAL_RECORD && i + 1 + RECORD_UNITS_MAX > n && i)
                break; /* perhaps it is not all here */
            size_t len = e->val & VAL_RECORD ? (unsigned char) record[0] : 0;
            if (entry_position(l, e) <= end)
                idem_log_add(&fresh, *e, entry_position(l, e),
                             slice_of(record + 1, len));
            i += (int) entry_units(e);
            unit += entry_units(e);
        }
    }
    idem_log_advance(&fresh, end);
    if (!rc)
        rc = idem_log_write(d, &fresh, 0);
    idem_log_free(&fresh);
    unlinkat(d->dirfd, aside, 0);
    return rc;
}

static int
load_slice(struct idem *d, const char *name, uint64_t end,
           struct idem_slice **out, struct log_extent *f)
{
    for (int again = 0;; again++) {
        struct idem_slice *s = calloc(1, sizeof *s);
        if (!s)
            return -ENOMEM;
        memset(f, 0, sizeof *f);
        s->log.fd = -1;
        strcpy(s->log.name, name);
        int rc = load_header(d, &s->log, f);
        if (!rc)
            rc = load_units(d, s, f);
        if (!rc && (f->last <= end || again)) {
            *out = s;
            return 0;
        }
        if (!rc)
            rc = filter(d, &s->log, end);
        idem_slice_free(s);
        if (rc)
            return rc;
    }
}

/* --- all of them ---------------------------------------------------------- */

#define NAMES_MAX 64
struct names {
    char list[NAMES_MAX][40];
    size_t count;
};

static int
name_order(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int
list_logs(struct idem *d, struct names *names)
{
    int fd = openat(d->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    names->count = 0;
    if (!dir) {
        int rc = -errno;
        if (fd >= 0)
            close(fd);
        return rc;
    }
    while ((e = readdir(dir)) && names->count < NAMES_MAX) {
        size_t len = strlen(e->d_name);
        if (len == strlen("00000001.log")
            && !strcmp(e->d_name + len - 4, ".log"))
            memcpy(names->list[names->count++], e->d_name, len + 1);
    }
    closedir(dir);
    qsort(names->list, names->count, sizeof names->list[0], name_order);
    return 0;
}

/* Does it begin where those before it end?  Those that it has left behind, and
 * that a crash has kept from going, go now. */
static int
fits(struct idem *d, const struct idem_log *l)
{
    struct idem_log *before
        = d->slice_count ? &d->slices[d->slice_count - 1]->log : NULL;
    if (l->link_due)
        return l->written == 1; /* not yet written: it has nothing */
    if (!l->link.previous)
        while (d->slice_count)
            idem_slice_drop_oldest(d);
    else
        return before && l->link.previous == before->header.seq
               && l->link.chain == before->chain;
    return 1;
}

int
idem_load(struct idem *d, uint64_t end, uint64_t *complete)
{
    struct names names;
    struct log_extent f;
    int rc = list_logs(d, &names);
    for (size_t i = 0; i < names.count && !rc; i++) {
        struct idem_slice *s;
        const char *name = names.list[i];
        uint64_t seq = strtoull(name, NULL, 16);
        if (seq >= d->next_seq)
            d->next_seq = seq + 1;
        rc = load_slice(d, name, end, &s, &f);
        if (rc == -ENOMEM)
            break;
        if (rc) {
            log_error("idempotency index: %s/%s: %s, removed; its keys are "
                      "taken from the spool again", d->dir, name,
                      rc == -EINVAL ? "damaged, or of another spool"
                                    : strerror(-rc));
            unlinkat(d->dirfd, name, 0);
            rc = 0;
            continue;
        }
        if (!fits(d, &s->log))
            d->broken = 1;
        if (d->slice_count == SLICES_MAX)
            idem_slice_drop_oldest(d);
        d->slices[d->slice_count++] = s;
        if (!d->broken && s->log.block_count)
            *complete = f.complete;
        if (s->log.block_count)
            d->complete = f.complete;
        /* After a kill perhaps only the kernel has it. */
        s->log.unsynced = 1;
    }
    if (*complete > end) {
        log_error("idempotency index: %s knows position %" PRIu64 ", the "
                  "spool ends at %" PRIu64 ": what lies behind is not "
                  "believed", d->dir, *complete, end);
        *complete = end;
        d->broken = 1;
    }
    return rc;
}

int
idem_relink(struct idem *d)
{
    int rc = 0;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->slice_count && !rc; i++) {
        struct idem_log *l = &d->slices[i]->log;
        uint64_t previous = i ? d->slices[i - 1]->log.header.seq : 0;
        uint64_t chain = i ? d->slices[i - 1]->log.chain : 0;
        if (!l->link_due
            && (l->link.previous != previous || l->link.chain != chain))
            rc = idem_log_write_link(l, previous, chain);
    }
    pthread_mutex_unlock(&d->lock);
    return rc;
}
