/* SPDX-License-Identifier: MIT */
/* One group of frames onto the disk: all of it, durably, or nothing. */
#include "private.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* fdatasync of a file that grows, or of space that fallocate has merely
 * reserved, commits the file system's journal; over zeros it does not.  On
 * ext4 that saves 40 % of the time of a 4 to 32 KiB group; from about 128 KiB
 * on, writing everything twice costs as much as it saves. */
#define ZEROS_AHEAD (1u << 20)
#define ZEROS_GROUP_MAX (64u << 10)
#define PROBE_BYTES (64u << 10)

static const char zeros[ZEROS_AHEAD];

/* A segment that is being begun. */
struct fresh {
    struct segment *seg;
    int fd, reused;
    uint64_t file_end;
    char name[SEGMENT_NAME]; /* of the file, until it has its own */
};

/* Give up; nothing is left behind. */
static void
fresh_drop(struct spool *s, struct fresh *f)
{
    if (f->fd >= 0) {
        close(f->fd);
        unlinkat(s->dirfd, f->name, 0);
    }
    spool_segment_put(f->seg);
}

/* Its file, with blocks that are there already if there is one of those. */
static int
fresh_open(struct spool *s, struct fresh *f)
{
    f->file_end = 0;
    f->fd = spool_spare_take(s, f->name, &f->file_end);
    f->reused = f->fd >= 0;
    if (!f->reused)
        f->fd = spool_spare_make(s, f->name, f->seg->first);
    return f->fd < 0 ? f->fd : 0;
}

/* Begin a segment.  0, or a negative errno: nothing has happened. */
static int
fresh_begin(struct spool *s, struct fresh *f, uint64_t first,
            uint64_t prev_last)
{
    struct segment_header h = { .first = first, .prev_last = prev_last };
    memcpy(h.uuid, s->id, 16);
    if (s->newest) {
        h.prev_first = s->newest->first;
        h.prev_end = s->newest->end;
    }
    f->fd = -1;
    pthread_mutex_lock(&s->list_lock);
    int rc = spool_list_reserve(s);
    pthread_mutex_unlock(&s->list_lock);
    f->seg = rc ? NULL : spool_segment_new(first);
    if (!f->seg)
        return -ENOMEM;
    rc = fresh_open(s, f);
    if (rc == 0) {
        char page[SEGMENT_PAGE] = { 0 };
        h.reused = f->reused;
        spool_header_pack(page, &h);
        size_t len = f->reused ? sizeof page : SEGMENT_HEADER;
        rc = file_pwrite(f->fd, page, len, 0);
        if (f->file_end < len)
            f->file_end = len;
    }
    if (rc)
        fresh_drop(s, f);
    return rc;
}

/* Make it last.  It gets its name when all that is in it is on the disk: what
 * was there before must not be found under it.  *final: a sync has failed. */
static int
fresh_sync(struct spool *s, struct fresh *f, int *final)
{
    char name[SEGMENT_NAME];
    *final = 1;
    if (fdatasync(f->fd))
        return -errno;
    spool_segment_name(name, f->seg->first);
    if (renameat(s->dirfd, f->name, s->dirfd, name)) {
        *final = 0;
        return -errno;
    }
    memcpy(f->name, name, sizeof name);
    if (fsync(s->dirfd))
        return -errno;
    *final = 0;
    return 0;
}

/* Take back what a failed write may have left.  Until this works nothing else
 * is written: a remainder of the old group behind a shorter new one could be
 * taken for frames. */
static int
group_cut(struct spool *s)
{
    if (!s->dirty_tail)
        return 0;
    if (ftruncate(s->fd, (off_t) s->newest->end))
        return -errno;
    s->file_end = s->newest->end;
    s->reused = 0;
    s->dirty_tail = 0;
    return 0;
}

static void
group_zeros(struct spool *s, int fd, uint64_t end, size_t len,
            uint64_t *file_end)
{
    if (end <= *file_end)
        return;
    *file_end = end;
    if (len > ZEROS_GROUP_MAX || end >= s->opt.segment_bytes)
        return;
    uint64_t ahead = s->opt.segment_bytes - end;
    if (ahead > ZEROS_AHEAD)
        ahead = ZEROS_AHEAD;
    if (file_pwrite(fd, zeros, ahead, end) == 0)
        *file_end = end + ahead;
}

/* The new segment takes over.  The old one gives back what is behind it. */
static void
fresh_switch(struct spool *s, const struct fresh *f)
{
    if (s->fd >= 0) {
        if (ftruncate(s->fd, (off_t) s->newest->end))
            log_debug("spool: cannot trim a segment: %s", strerror(errno));
        close(s->fd);
    }
    s->fd = f->fd;
    s->newest = f->seg;
    s->reused = f->reused;
    s->file_end = f->file_end;
    s->retain_now = 1;
    pthread_mutex_lock(&s->list_lock);
    spool_list_add(s, f->seg); /* its place was reserved */
    pthread_mutex_unlock(&s->list_lock);
    ADD(s->bytes, SEGMENT_HEADER);
}

/* Readers may have it. */
static void
group_publish(struct spool *s, const struct spool_buffer *b)
{
    struct segment *seg = s->newest;
    pthread_mutex_lock(&s->list_lock);
    spool_segment_mark(seg, b->first, seg->end);
    seg->end += b->len;
    seg->last = b->first + b->count - 1;
    seg->written_us = clock_wall_us();
    STORE(s->durable, seg->last);
    if (s->waiting)
        pthread_cond_broadcast(&s->grown);
    pthread_mutex_unlock(&s->list_lock);
    ADD(s->bytes, b->len);
    ADD(s->written, b->len);
    ADD(s->syncs, 1);
}

/* The group and the zeros that end it.  *file_end grows. */
static int
group_put(struct spool *s, int fd, struct spool_buffer *b, uint64_t at,
          int reused, uint64_t *file_end)
{
    uint64_t end = at + b->len;
    size_t pad = 0;
    if (reused && end < *file_end) {
        pad = segment_pad(end); /* the buffer has room for it */
        memset(b->data + b->len, 0, pad);
    }
    int rc = file_pwrite(fd, b->data, b->len + pad, at);
    if (rc == 0)
        group_zeros(s, fd, end + pad, b->len, file_end);
    return rc;
}

/* A group that begins a segment. */
static int
group_first(struct spool *s, struct spool_buffer *b, int *final)
{
    struct fresh f;
    int rc = fresh_begin(s, &f, b->first,
                         s->start_segment ? s->prev_last : b->first - 1);
    if (rc)
        return rc;
    rc = group_put(s, f.fd, b, SEGMENT_HEADER, f.reused, &f.file_end);
    if (rc == 0)
        rc = fresh_sync(s, &f, final);
    if (rc) {
        fresh_drop(s, &f);
        return rc;
    }
    fresh_switch(s, &f);
    s->start_segment = 0;
    return 0;
}

/* One behind others. */
static int
group_next(struct spool *s, struct spool_buffer *b, int *final)
{
    int rc = group_put(s, s->fd, b, s->newest->end, s->reused, &s->file_end);
    if (rc == 0 && fdatasync(s->fd)) {
        rc = -errno;
        *final = 1;
    }
    if (rc) {
        /* Also after a failed sync: the kernel may hold for clean what is not
         * on the disk, and the next process would find it and believe it. */
        s->dirty_tail = 1;
        group_cut(s);
    }
    return rc;
}

/* 0; a negative errno: nothing has happened; *final: a sync has failed. */
int
spool_group_write(struct spool *s, struct spool_buffer *b, int *final)
{
    *final = 0;
    int rc = s->fd >= 0 ? group_cut(s) : 0;
    if (rc)
        return rc;
    int fresh = s->fd < 0 || s->start_segment
                || (s->newest->end > SEGMENT_HEADER
                    && s->newest->end + b->len > s->opt.segment_bytes);
    rc = fresh ? group_first(s, b, final) : group_next(s, b, final);
    if (rc == 0)
        group_publish(s, b);
    else if (!*final)
        spool_spare_drop(s); /* they may be in the way */
    return rc;
}

/* Begin a segment before there is a group for it, so that the one at hand can
 * go.  Failure changes nothing: the next tick tries again. */
void
spool_group_rotate(struct spool *s)
{
    struct fresh f;
    int final;
    uint64_t last = s->newest->last;
    if (fresh_begin(s, &f, last + 1, last))
        return;
    if (fresh_sync(s, &f, &final))
        fresh_drop(s, &f);
    else
        fresh_switch(s, &f);
}

/* Could a group be written now, also one that begins a segment?  0 or a
 * negative errno. */
int
spool_group_probe(struct spool *s)
{
    if (s->fd >= 0) {
        int rc = group_cut(s);
        uint64_t end = s->newest->end;
        if (!rc)
            rc = file_pwrite(s->fd, zeros, PROBE_BYTES, end);
        if (rc)
            return rc;
        if (s->file_end < end + PROBE_BYTES)
            s->file_end = end + PROBE_BYTES;
    }
    int fd = openat(s->dirfd, "probe.tmp",
                    O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int rc = file_pwrite(fd, zeros, PROBE_BYTES, 0);
    close(fd);
    unlinkat(s->dirfd, "probe.tmp", 0);
    return rc;
}
