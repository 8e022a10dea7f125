/* SPDX-License-Identifier: MIT */
/* Readers.  Frames go with one pread from the page cache to where the caller
 * wants them; a map would be faster by little and turn an unreadable block
 * into SIGBUS. */
#include "private.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A block that cannot be read may be readable in a while.  After that it is
 * damage like any other, or one bad block would stop the lane for good. */
#define READ_RETRY_US 30000000

struct spool_reader {
    struct spool *spool;
    struct segment *segment; /* a reference, or NULL */
    int fd;                  /* of that segment, or -1 */
    uint64_t offset;         /* of the frame `next`; 0: has to be found */
    uint64_t next;
    uint64_t ordered;        /* the segment's frames are, up to there */
    uint64_t began;          /* next, when this read began */
    int64_t error_since_us;
    int wake;
};

/* The part of a segment that is durable now. */
struct extent {
    uint64_t end, last;
    struct spool_segment_mark mark;
};

int
spool_reader_open(struct spool *s, uint64_t position,
                  struct spool_reader **out)
{
    struct spool_reader *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->spool = s;
    r->fd = -1;
    int rc = spool_reader_seek(r, position);
    if (rc) {
        free(r);
        return rc;
    }
    *out = r;
    return 0;
}

static void
reader_leave(struct spool_reader *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    spool_segment_put(r->segment);
    r->segment = NULL;
    r->offset = r->ordered = 0;
}

void
spool_reader_close(struct spool_reader *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->spool->list_lock);
    reader_leave(r);
    pthread_mutex_unlock(&r->spool->list_lock);
    free(r);
}

void
spool_reader_wake(struct spool_reader *r)
{
    pthread_mutex_lock(&r->spool->list_lock);
    r->wake = 1;
    pthread_cond_broadcast(&r->spool->grown);
    pthread_mutex_unlock(&r->spool->list_lock);
}

int
spool_reader_seek(struct spool_reader *r, uint64_t position)
{
    int rc = spool_advance(r->spool, position);
    if (rc)
        return rc;
    pthread_mutex_lock(&r->spool->list_lock);
    reader_leave(r);
    r->next = position + 1;
    pthread_mutex_unlock(&r->spool->list_lock);
    return 0;
}

/* Wait until there is something at or behind r->next, and enter its segment.
 * 1; 0: time is up, or woken, or positions were passed over that nobody has:
 * the caller wants to know at once. */
static int
reader_wait(struct spool_reader *r, int64_t until_us, struct extent *x)
{
    struct spool *s = r->spool;
    uint64_t durable;
    int found = 0;
    pthread_mutex_lock(&s->list_lock);
    for (;;) {
        if (r->wake) {
            r->wake = 0;
            break;
        }
        struct segment *seg = r->segment;
        if (!seg || seg->last < r->next)
            seg = spool_list_find(s, r->next);
        if (seg) {
            if (seg != r->segment) {
                reader_leave(r);
                r->segment = seg;
                seg->refs++;
            }
            if (r->next < seg->first)
                r->next = seg->first;
            x->end = seg->end;
            x->last = seg->last;
            x->mark = spool_segment_lookup(seg, r->next);
            found = 1;
            break;
        }
        durable = LOAD(s->durable);
        if (r->next <= durable)
            r->next = durable + 1;
        if (r->next != r->began)
            break;
        s->waiting++;
        int rc = cond_wait_until(&s->grown, &s->list_lock, until_us);
        s->waiting--;
        if (rc == -ETIMEDOUT && s->durable < r->next)
            break;
    }
    pthread_mutex_unlock(&s->list_lock);
    return found;
}

static int
reader_retry(struct spool_reader *r)
{
    int64_t now = clock_monotonic_us();
    if (!r->error_since_us)
        r->error_since_us = now;
    return now - r->error_since_us < READ_RETRY_US;
}

/* Pass over what is no frame.  0, or a negative errno. */
static int
reader_skip(struct spool_reader *r, const struct extent *x)
{
    struct segment_io io;
    struct segment_scan scan;
    struct frame frame;
    struct segment_gap gap;
    spool_segment_open(&io, r->fd, x->end);
    spool_scan_start(&scan, &io, r->spool->seed, r->segment->first,
                     x->last + 1);
    spool_scan_seek(&scan, r->offset, r->next);
    if (r->ordered == x->end)
        scan.order = SCAN_ORDERED;
    int rc = spool_scan_next(&scan, &frame, &gap);
    if (scan.order == SCAN_ORDERED)
        r->ordered = x->end;
    int unreadable = io.unreadable > 0;
    spool_segment_close(&io);
    if (rc < 0)
        return rc;
    if (rc == SCAN_FRAME)
        return 0;
    if (unreadable && reader_retry(r))
        return -EIO;
    if (rc == SCAN_END)
        gap = (struct segment_gap){ r->offset, x->end, r->next, x->last };
    spool_damage_report(r->spool, r->fd, r->segment->first, &gap,
                        unreadable ? "unreadable" : "damaged");
    r->error_since_us = 0;
    r->offset = gap.end;
    r->next = gap.last + 1;
    return 0;
}

/* Find the frame r->next, walking at most one step of the index. */
static int
reader_find(struct spool_reader *r, const struct extent *x)
{
    struct segment_io io;
    struct segment_scan scan;
    struct frame frame;
    struct segment_gap gap;
    spool_segment_open(&io, r->fd, x->end);
    spool_scan_start(&scan, &io, r->spool->seed, r->segment->first,
                     x->last + 1);
    spool_scan_seek(&scan, x->mark.offset, x->mark.position);
    int rc = SCAN_FRAME;
    uint64_t offset = x->mark.offset;
    while (scan.position < r->next && rc > SCAN_END) {
        rc = spool_scan_next(&scan, &frame, &gap);
        /* The gap before the wanted frame is left to reader_skip(). */
        if (rc == SCAN_GAP && gap.last >= r->next) {
            scan.offset = gap.offset;
            break;
        }
        offset = scan.offset;
    }
    int unreadable = io.unreadable > 0;
    spool_segment_close(&io);
    if (rc < 0)
        return rc;
    if (rc == SCAN_END && unreadable && reader_retry(r))
        return -EIO;
    r->offset = rc == SCAN_END ? offset : scan.offset;
    return 0;
}

/* Has retention let the segment go before it could be opened? */
static int
reader_lost(struct spool_reader *r)
{
    pthread_mutex_lock(&r->spool->list_lock);
    int gone = r->segment->gone;
    pthread_mutex_unlock(&r->spool->list_lock);
    return gone;
}

/* 1; 0: the segment is gone, and passed over; or a negative errno. */
static int
reader_enter(struct spool_reader *r, const struct extent *x)
{
    if (r->fd < 0) {
        char name[SEGMENT_NAME];
        spool_segment_name(name, r->segment->first);
        r->fd = openat(r->spool->dirfd, name, O_RDONLY | O_CLOEXEC);
        if (r->fd < 0 && errno != ENOENT)
            return -errno;
        if (r->fd < 0) {
            struct segment_gap gap = { 0, 0, r->next, x->last };
            if (!reader_lost(r))
                spool_damage_report(r->spool, -1, r->segment->first, &gap,
                                    "the file is missing");
            r->next = x->last + 1;
            return 0;
        }
    }
    if (r->offset == 0) {
        int rc = reader_find(r, x);
        if (rc)
            return rc;
    }
    return 1;
}

/* Make text hold at least `need` bytes of the segment from r->offset on, and
 * up to `want`.  Returns how many there are, or a negative errno. */
static int64_t
reader_fill(struct spool_reader *r, struct il_text *text, size_t base,
            size_t have, size_t need, size_t want)
{
    text->len = base;
    if (text_reserve(text, want))
        return -ENOMEM;
    while (have < need) {
        ssize_t n = pread(r->fd, text->data + base + have, want - have,
                          (off_t) (r->offset + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -EIO;
        if (n == 0)
            break;
        have += (size_t) n;
    }
    return (int64_t) have;
}

struct reading {
    struct il_text *text;
    size_t max_bytes;
    uint32_t max_frames, frames;
    int (*each)(void *arg, uint64_t position, size_t offset, size_t len);
    void *arg;
};

/* Frames from r->offset on.  0: some, or what comes is no frame (*bad), or a
 * negative errno. */
static int
reader_take(struct spool_reader *r, const struct extent *x,
            struct reading *g, int *bad)
{
    struct il_text *text = g->text;
    size_t base = text->len, used = 0, need = FRAME_MIN;
    uint64_t left = x->end - r->offset;
    size_t want = left < g->max_bytes ? left : g->max_bytes;
    int64_t have = 0;
    int rc = 0;
    while (r->next <= x->last && g->frames < g->max_frames) {
        struct frame f;
        int is = have ? spool_frame_unpack(text->data + base + used,
                                           (size_t) have - used, r->spool->seed,
                                           &f, &need)
                      : -EAGAIN;
        if (is == -EAGAIN) {
            /* Only the first frame may exceed what was asked for. */
            if (g->frames)
                break;
            *bad = need > left;
            if (*bad)
                break;
            int64_t n = reader_fill(r, text, base, (size_t) have, need,
                                    want > need ? want : need);
            rc = n < 0 ? (int) n : 0;
            *bad = n >= 0 && (size_t) n < need;
            if (n < (int64_t) need)
                break;
            have = n;
            continue;
        }
        *bad = is != 1 || f.position != r->next;
        if (*bad)
            break;
        rc = g->each(g->arg, f.position, base + used + FRAME_HEADER, f.len);
        if (rc < 0)
            break;
        used += frame_size(f.len);
        r->next++;
        g->frames++;
        if (rc > 0)
            break;
    }
    text->len = base + used;
    r->offset += used;
    return rc < 0 ? rc : 0;
}

int
spool_reader_read(struct spool_reader *r, struct il_text *text,
                  size_t max_bytes, uint32_t max_frames, uint32_t timeout_ms,
                  uint64_t *last,
                  int (*each)(void *arg, uint64_t position, size_t offset,
                              size_t len),
                  void *arg)
{
    struct reading g = { text, max_bytes, max_frames, 0, each, arg };
    struct extent x;
    int rc = 0;
    int64_t until_us = clock_monotonic_us() + (int64_t) timeout_ms * 1000;
    r->began = r->next;
    while (g.frames == 0 && rc == 0 && reader_wait(r, until_us, &x)) {
        rc = reader_enter(r, &x);
        if (rc <= 0)
            continue;
        int bad = 0;
        rc = reader_take(r, &x, &g, &bad);
        if (rc == -EIO && !reader_retry(r)) {
            bad = 1;
            rc = 0;
        }
        if (bad && g.frames == 0 && rc == 0)
            rc = reader_skip(r, &x);
        else if (g.frames)
            r->error_since_us = 0;
    }
    *last = r->next - 1;
    return g.frames ? (int) g.frames : rc;
}
