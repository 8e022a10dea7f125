/* SPDX-License-Identifier: MIT */
/* One group of frames onto the disk: all of it, durably, or nothing. */
#include "spool_private.h"
#include "clock.h"
#include "file.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
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

/* Make the file of a segment that begins with the group.  *fd or an errno;
 * nothing is left behind in that case. */
static int
group_create(struct spool *s, uint64_t first, uint64_t prev_last, int *fd)
{
    struct segment_header h = { .first = first, .prev_last = prev_last };
    memcpy(h.uuid, s->id, 16);
    if (s->newest) {
        h.prev_first = s->newest->first;
        h.prev_end = s->newest->end;
    }
    char header[SEGMENT_HEADER], name[SEGMENT_NAME];
    segment_header_pack(header, &h);
    segment_name(name, first);
    /* No O_EXCL: what an earlier attempt could not unlink is no segment. */
    *fd = openat(s->dirfd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (*fd < 0)
        return -errno;
    int rc = file_pwrite(*fd, header, sizeof header, 0);
    if (rc) {
        close(*fd);
        unlinkat(s->dirfd, name, 0);
    }
    return rc;
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

/* The new segment takes over.  The old one gives back its zeros. */
static void
group_switch(struct spool *s, struct segment *seg, int fd)
{
    if (s->fd >= 0) {
        if (ftruncate(s->fd, (off_t) s->newest->end))
            log_debug("spool: cannot trim a segment: %s", strerror(errno));
        close(s->fd);
    }
    s->fd = fd;
    s->newest = seg;
    s->retain_now = 1;
    pthread_mutex_lock(&s->list_lock);
    segment_list_add(s, seg); /* its place was reserved */
    pthread_mutex_unlock(&s->list_lock);
    ADD(s->bytes, SEGMENT_HEADER);
}

/* Readers may have it. */
static void
group_publish(struct spool *s, const struct spool_buffer *b)
{
    struct segment *seg = s->newest;
    pthread_mutex_lock(&s->list_lock);
    segment_mark(seg, b->first, seg->end);
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

/* 0; a negative errno: nothing has happened; *final: a sync has failed. */
int
spool_group_write(struct spool *s, const struct spool_buffer *b, int *final)
{
    int fd = s->fd;
    struct segment *seg = s->newest;
    uint64_t file_end = s->file_end;
    int fresh = fd < 0 || s->start_segment
                || (seg->end > SEGMENT_HEADER
                    && seg->end + b->len > s->opt.segment_bytes);
    *final = 0;
    int rc = fd >= 0 ? group_cut(s) : 0;
    if (rc)
        return rc;
    if (fresh) {
        pthread_mutex_lock(&s->list_lock);
        rc = segment_list_reserve(s);
        pthread_mutex_unlock(&s->list_lock);
        if (rc || !(seg = segment_new(b->first)))
            return -ENOMEM;
        rc = group_create(s, b->first,
                          s->start_segment ? s->prev_last : b->first - 1,
                          &fd);
        if (rc) {
            segment_put(seg);
            return rc;
        }
        file_end = SEGMENT_HEADER;
    }
    rc = file_pwrite(fd, b->data, b->len, seg->end);
    if (rc == 0) {
        group_zeros(s, fd, seg->end + b->len, b->len, &file_end);
        if (fdatasync(fd) || (fresh && fsync(s->dirfd))) {
            rc = -errno;
            *final = 1;
        }
    }
    if (rc && fresh) {
        char name[SEGMENT_NAME];
        segment_name(name, b->first);
        close(fd);
        unlinkat(s->dirfd, name, 0);
        segment_put(seg);
    } else if (rc) {
        /* Also after a failed sync: the kernel may hold for clean what is not
         * on the disk, and the next process would find it and believe it. */
        s->dirty_tail = 1;
        group_cut(s);
    }
    if (rc)
        return rc;
    if (fresh) {
        group_switch(s, seg, fd);
        s->start_segment = 0;
    }
    s->file_end = file_end;
    group_publish(s, b);
    return 0;
}

/* Begin a segment before there is a group for it, so that the one at hand can
 * go.  Failure changes nothing: the next tick tries again. */
void
spool_group_rotate(struct spool *s)
{
    int fd;
    uint64_t first = s->newest->last + 1;
    struct segment *seg = segment_new(first);
    pthread_mutex_lock(&s->list_lock);
    int rc = seg ? segment_list_reserve(s) : -ENOMEM;
    pthread_mutex_unlock(&s->list_lock);
    if (!rc && !(rc = group_create(s, first, first - 1, &fd))) {
        if (fdatasync(fd) == 0 && fsync(s->dirfd) == 0) {
            group_switch(s, seg, fd);
            s->file_end = SEGMENT_HEADER;
            return;
        }
        char name[SEGMENT_NAME];
        segment_name(name, first);
        close(fd);
        unlinkat(s->dirfd, name, 0);
    }
    segment_put(seg);
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
