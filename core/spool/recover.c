/* SPDX-License-Identifier: MIT */
/* What a spool finds when it is opened.
 *
 * Only the newest segment is read in full.  Of an older one the header of its
 * successor says where it ends, so that a backlog of any size opens at once;
 * damage inside is met, named and skipped by whoever reads it. */
#include "private.h"

#include "found.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
recover_gap(struct spool *s, int fd, uint64_t segment,
            const struct segment_gap *gap, const char *what,
            struct spool_recovery *r)
{
    r->damaged_frames++;
    if (gap->first <= gap->last)
        r->missing += gap->last - gap->first + 1;
    spool_damage_report(s, fd, segment, gap, what);
}

/* Read a whole segment: its end and last position, its marks, its gaps.  whole:
 * of the newest one, else NULL. */
static int
recover_scan(struct spool *s, struct segment *seg, struct segment_io *io,
             uint64_t limit, struct whole *whole, struct spool_recovery *r)
{
    struct segment_scan scan;
    struct frame frame;
    struct segment_gap gap;
    spool_scan_start(&scan, io, s->seed, seg->first, limit);
    int rc, err = 0;
    while (!err && (rc = spool_scan_next(&scan, &frame, &gap)) > SCAN_END) {
        if (rc == SCAN_FRAME) {
            spool_segment_mark(seg, frame.position, frame.offset);
            err = whole ? spool_whole_frame(whole, &frame) : 0;
        } else {
            recover_gap(s, io->fd, seg->first, &gap, "damaged", r);
            err = whole ? spool_whole_gap(whole, &gap) : 0;
        }
    }
    if (err)
        return err;
    seg->end = scan.far;
    seg->last = scan.position - 1;
    if (whole && scan.order == SCAN_MOVED) {
        whole->moved = 1;
        whole->count = 0;
    } else if (!rc && whole && spool_whole_ends_torn(whole, scan.position)) {
        seg->end = whole->offset;
        seg->last = whole->first - 1;
    }
    return rc;
}

/* Where that is not possible the start goes on: what it costs is that some
 * events may be there twice.  1: the last frames of the segment are among what
 * was taken away. */
static int
recover_whole(struct spool *s, struct segment *seg, struct segment_io *io,
              struct whole *whole, struct spool_recovery *r)
{
    int ends = whole->count && whole->parts[whole->count - 1].last == seg->last;
    for (size_t i = 0; i < whole->count; i++)
        recover_gap(s, io->fd, seg->first, &whole->parts[i],
                    "part of what did not get to the disk as a whole", r);
    int rc = whole->count ? spool_whole_clear(whole, io->fd) : 0;
    if (rc)
        log_error("spool: cannot take away what is not whole: %s",
                  strerror(-rc));
    free(whole->parts);
    return ends && !rc;
}

/* It is there and cannot be opened at this moment. */
static int
recover_no_file(const struct spool *s, const struct found_file *f)
{
    int error = errno;
    log_error("spool: cannot open %s/%s: %s", s->dir, f->name, strerror(error));
    return -error;
}

/* A segment that another follows. */
static int
recover_closed(struct spool *s, struct segment *seg, const struct found_file *f,
               const struct found_file *next, struct spool_recovery *r)
{
    int linked = next->header_ok && next->header.prev_first == seg->first;
    if (linked && f->header_ok && f->size >= next->header.prev_end
        && next->header.prev_end >= SEGMENT_HEADER) {
        seg->last = next->header.prev_last;
        seg->end = next->header.prev_end;
        return 0;
    }
    int fd = openat(s->dirfd, f->name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && !file_is_lost(errno))
        return recover_no_file(s, f);
    struct segment_io io;
    spool_segment_open(&io, fd, fd < 0 ? 0 : f->size);
    int rc = recover_scan(s, seg, &io, next->first, NULL, r);
    uint64_t given = next->header_ok ? next->header.prev_last
                                     : next->first - 1;
    if (rc == 0 && given > seg->last && io.unreadable) {
        /* Readers will see whether it can be read then. */
        seg->last = given;
        seg->end = f->size;
    }
    if (rc == 0 && given > seg->last) {
        struct segment_gap gap = { seg->end, f->size, seg->last + 1, given };
        recover_gap(s, fd, seg->first, &gap,
                    linked ? "cut off" : "a segment after it is missing", r);
    }
    spool_segment_close(&io);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* Older frames are behind the newest segment's: they go before others come, as
 * what was not acknowledged goes with them.  Where that is not possible,
 * another segment takes the new ones. */
static int
recover_cut(struct spool *s, struct segment *seg, struct segment_io *io)
{
    if (ftruncate(io->fd, (off_t) seg->end) == 0)
        return 0;
    log_warn("spool: cannot cut a segment: %s", strerror(errno));
    s->start_segment = 1;
    s->prev_last = seg->last;
    return 0;
}

/* The newest segment takes no more frames.  behind: bytes that held others,
 * whose positions are not given out again: a lane that had delivered them would
 * take the new events for old ones. */
static void
recover_end(struct spool *s, struct segment *seg, const struct segment_io *io,
            uint64_t behind)
{
    s->start_segment = 1;
    s->prev_last = seg->last;
    s->next = seg->last + 1 + behind / FRAME_MIN + 1; /* at most so many */
    if (io->unreadable) {
        /* Readers will see whether it can be read then. */
        seg->end = io->end;
        seg->last = s->prev_last = s->next - 1;
    }
}

/* The bytes behind the last valid frame of the newest segment.  They were
 * being written when the machine stopped; or else the last frames have gone
 * bad, which looks the same. */
static int
recover_tail(struct spool *s, struct segment *seg, struct segment_io *io,
             int reused, struct spool_recovery *r)
{
    struct segment_scan scan;
    spool_scan_start(&scan, io, s->seed, seg->first, SPOOL_POSITION_MAX);
    spool_scan_seek(&scan, seg->end, seg->last + 1);
    int64_t tail = spool_scan_tail(&scan, reused);
    if (tail < 0)
        return (int) tail;
    uint64_t end = seg->end, torn = (uint64_t) tail - end;
    if (io->unreadable)
        torn = io->end - end;
    if (torn == 0)
        return reused && io->end > end ? recover_cut(s, seg, io) : 0;
    struct segment_gap gap = { end, end + torn, 1, 0 };
    r->torn_bytes = torn;
    if (!io->unreadable)
        spool_damage_torn(s, io->fd, seg->first, &gap);
    recover_end(s, seg, io, reused ? io->end - end : torn);
    if (!io->unreadable && ftruncate(io->fd, (off_t) end))
        log_warn("spool: cannot cut the torn end of a segment: %s",
                 strerror(errno));
    return 0;
}

static int
recover_sync(struct spool *s, const struct found_file *f, int fd)
{
    if (fd < 0 || fdatasync(fd) == 0)
        return 0;
    int rc = -errno;
    log_error("spool: cannot sync %s/%s: %s", s->dir, f->name, strerror(-rc));
    return rc;
}

/* What a killed process wrote may be in memory only.  Where an earlier start
 * failed to sync that, the kernel takes the pages for clean though the disk has
 * never had them: so they are read from the disk, not from memory. */
static int
recover_from_disk(struct spool *s, const struct found_file *f, int fd)
{
    int rc = recover_sync(s, f, fd);
    if (rc == 0 && fd >= 0)
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return rc;
}

/* Nothing in the segment says any more that there were positions up to here,
 * which others are told of once the spool is open.  Not before the frames are
 * gone: with them it would say that they count. */
static void
recover_remember(struct spool *s, uint64_t last)
{
    spool_hint_write(s, last);
    if (s->last_fd >= 0 && fdatasync(s->last_fd))
        log_warn("spool: cannot sync %s/LAST: %s", s->dir, strerror(errno));
}

/* The newest segment.  It goes on taking frames unless something about it is
 * wrong. */
static int
recover_newest(struct spool *s, struct segment *seg, const struct found_file *f,
               uint64_t hint, struct spool_recovery *r)
{
    struct whole whole = { .known = hint };
    int fd = openat(s->dirfd, f->name, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        fd = openat(s->dirfd, f->name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && !file_is_lost(errno))
        return recover_no_file(s, f);
    struct segment_io io;
    int rc = recover_from_disk(s, f, fd);
    if (rc) {
        close(fd);
        return rc;
    }
    spool_segment_open(&io, fd, fd < 0 ? 0 : f->size);
    int reused = fd >= 0 && (!f->header_ok || f->header.reused);
    rc = recover_scan(s, seg, &io, SPOOL_POSITION_MAX, &whole, r);
    int forgets = recover_whole(s, seg, &io, &whole, r);
    s->next = seg->last + 1;
    if (fd < 0 || !f->header_ok) {
        s->start_segment = 1;
        s->prev_last = seg->last;
    }
    if (fd >= 0 && !f->header_ok && !f->unreadable)
        log_error("spool: %s/%s: the header is damaged; the events in it are "
                  "read without it, and new ones go to another segment",
                  s->dir, f->name);
    if (rc == 0 && whole.moved) /* who knows what is behind its frames */
        recover_end(s, seg, &io, io.end - seg->end);
    else if (rc == 0)
        rc = recover_tail(s, seg, &io, reused, r);
    spool_segment_close(&io);
    if (rc == 0)
        rc = recover_sync(s, f, fd);
    if (rc == 0 && forgets)
        recover_remember(s, seg->last);
    if (rc || s->start_segment) {
        if (fd >= 0)
            close(fd);
        return rc;
    }
    s->fd = fd;
    s->file_end = f->size > seg->end && !reused ? f->size : seg->end;
    return 0;
}

/* DIR/LAST knows of positions that no segment has. */
static void
recover_hint(struct spool *s, uint64_t hint, struct spool_recovery *r)
{
    uint64_t last = s->newest ? s->newest->last : 0;
    if (hint <= last)
        return;
    struct segment_gap gap = { 0, 0, last + 1, hint };
    recover_gap(s, -1, s->newest ? s->newest->first : 1, &gap,
                "the end of the spool is missing", r);
    s->start_segment = 1;
    s->prev_last = hint;
    if (s->next <= hint)
        s->next = hint + 1;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

static int
recover_segments(struct spool *s, const struct found_list *list, uint64_t hint,
                 struct spool_recovery *r)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < list->count; i++) {
        const struct found_file *f = &list->items[i];
        struct segment *seg = spool_segment_new(f->first);
        if (!seg)
            return -ENOMEM;
        seg->written_us = f->written_us;
        if (spool_list_add(s, seg)) {
            spool_segment_put(seg);
            return -ENOMEM;
        }
        s->newest = seg;
        if (i + 1 < list->count)
            rc = recover_closed(s, seg, f, f + 1, r);
        else
            rc = recover_newest(s, seg, f, hint, r);
        s->bytes += seg->end;
    }
    return rc;
}

int
spool_recover(struct spool *s, struct spool_recovery *r)
{
    struct found_list list = { 0 };
    uint64_t hint = 0;
    memset(r, 0, sizeof *r);
    s->next = 1;
    int rc = spool_found_read(s, &list);
    if (rc == 0)
        rc = spool_found_identify(s, &list);
    if (rc == 0)
        rc = spool_found_tidy(s, &list);
    if (rc == 0) {
        uuid_format(s->id_text, s->id);
        s->seed = spool_seed(s->id);
        if (spool_hint_open(s, &hint))
            log_warn("spool: cannot open %s/LAST: %s", s->dir,
                     strerror(errno));
        rc = spool_set_backs_open(s);
        if (rc)
            log_error("spool: cannot read %s/SETBACKS: %s", s->dir,
                      strerror(-rc));
        else
            rc = recover_segments(s, &list, hint, r);
    }
    if (rc == 0) {
        recover_hint(s, hint, r);
        spool_spare_forget(s);
    }
    if (rc == 0 && fsync(s->dirfd)) {
        rc = -errno;
        log_error("spool: cannot sync %s: %s", s->dir, strerror(-rc));
    }
    free(list.items);
    s->durable = s->newest ? s->newest->last : s->next - 1;
    r->first = s->newest ? s->segments[0]->first : s->next;
    r->last = s->durable;
    return rc;
}
