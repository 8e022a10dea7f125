/* SPDX-License-Identifier: MIT */
/* Looking at a spool without opening it: nothing is changed. */
#include "private.h"
#include "found.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct walk {
    struct spool s; /* only dir, dirfd, id, seed */
    int (*fn)(void *arg, const char *segment, uint64_t offset,
              uint64_t position, const char *body, size_t len,
              const char *damage);
    void *arg;
    int damaged;
    int live; /* a daemon writes to it */
    struct spool_part part;
};

/* 0, or what fn wants to stop with. */
static int
walk_damage(struct walk *w, const struct found_file *f,
            const struct segment_gap *gap, const char *what)
{
    char text[200];
    int n = snprintf(text, sizeof text, "%s", what);
    if (gap->end > gap->offset)
        n += snprintf(text + n, sizeof text - (size_t) n,
                      ", %" PRIu64 " bytes", gap->end - gap->offset);
    if (gap->first == gap->last)
        snprintf(text + n, sizeof text - (size_t) n,
                 ", position %" PRIu64 " missing", gap->first);
    else if (gap->first < gap->last)
        snprintf(text + n, sizeof text - (size_t) n,
                 ", positions %" PRIu64 " to %" PRIu64 " missing", gap->first,
                 gap->last);
    w->damaged++;
    return w->fn(w->arg, f->name, gap->offset, gap->first, NULL, 0, text);
}

/* What lies between the last frame of a segment and its end, or the next
 * segment. */
static int
walk_end(struct walk *w, struct segment_scan *scan, const struct found_file *f,
         const struct found_file *next)
{
    struct segment_gap gap = { scan->far, scan->far, 1, 0 };
    uint64_t given = scan->position - 1;
    int linked = next && next->header_ok && next->header.prev_first == f->first;
    if (next)
        given = next->header_ok ? next->header.prev_last : next->first - 1;
    if (linked && next->header.prev_end <= scan->far && given < scan->position)
        return 0; /* a torn end that is known, and no part of it */
    int64_t tail = spool_scan_tail(scan, !f->header_ok || f->header.reused);
    if (tail < 0)
        return (int) tail;
    if (scan->io->unreadable)
        tail = (int64_t) scan->io->end;
    gap.end = (uint64_t) tail;
    if (given >= scan->position) {
        gap.first = scan->position;
        gap.last = given;
        return walk_damage(w, f, &gap,
                           linked ? "cut off"
                                  : "a segment after it is missing");
    }
    if (gap.end > gap.offset)
        return walk_damage(w, f, &gap, next ? "damaged end" : "torn end");
    return 0;
}

/* Behind the end that the next one names there is nothing that counts. */
static uint64_t
walk_size(const struct found_file *f, const struct found_file *next)
{
    int linked = next && next->header_ok && next->header.prev_first == f->first;
    return linked && next->header.prev_end < f->size ? next->header.prev_end
                                                     : f->size;
}

/* Has the daemon let go of the file, which it may be using again? */
static int
walk_gone(const struct walk *w, const struct found_file *f)
{
    return w->live && faccessat(w->s.dirfd, f->name, F_OK, 0);
}

/* No damage, but whoever reads has to know. */
static int
walk_say_gone(struct walk *w, const struct found_file *f, uint64_t offset)
{
    return w->fn(w->arg, f->name, offset, 0, NULL, 0,
                 "the daemon has let go of the rest of this segment meanwhile");
}

static int
walk_segment(struct walk *w, const struct found_file *f,
             const struct found_file *next)
{
    struct segment_io io;
    struct segment_scan scan;
    struct frame frame;
    struct segment_gap gap = { 0, SEGMENT_HEADER, 1, 0 };
    int rc = 0;
    if (f->header_ok && memcmp(f->header.uuid, w->s.id, 16) != 0) {
        gap.end = f->size;
        return walk_damage(w, f, &gap, "belongs to another spool");
    }
    if (!f->header_ok && walk_gone(w, f))
        return walk_say_gone(w, f, 0);
    /* Beside a daemon the newest one may have none yet. */
    if (!f->header_ok && (next || !w->live || f->size > SEGMENT_HEADER))
        rc = walk_damage(w, f, &gap, "damaged header");
    if (rc == 0 && f->first != f->named) {
        gap.end = 0;
        rc = walk_damage(w, f, &gap, "misnamed");
    }
    int fd = openat(w->s.dirfd, f->name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && (rc || !w->live || errno != ENOENT))
        return rc ? rc : -errno;
    if (fd < 0)
        return walk_say_gone(w, f, 0);
    spool_segment_open(&io, fd, walk_size(f, next));
    spool_scan_start(&scan, &io, w->s.seed, f->first,
                     next ? next->first : SPOOL_POSITION_MAX);
    int step = SCAN_END;
    while (rc == 0
           && (step = spool_scan_next(&scan, &frame, &gap)) > SCAN_END) {
        if (step == SCAN_GAP && walk_gone(w, f)) {
            rc = walk_say_gone(w, f, gap.offset);
            break;
        }
        rc = step == SCAN_GAP
                 ? walk_damage(w, f, &gap, "damaged")
                 : w->fn(w->arg, f->name, frame.offset, frame.position,
                         frame.body, frame.len, NULL);
        if (step != SCAN_GAP && w->part.heads)
            break;
    }
    if (rc == 0 && step < 0)
        rc = step;
    /* Where the newest one ends a daemon is writing. */
    else if (rc == 0 && step == SCAN_END && (next || !w->live))
        rc = walk_gone(w, f) ? walk_say_gone(w, f, scan.offset)
                             : walk_end(w, &scan, f, next);
    spool_segment_close(&io);
    close(fd);
    return rc;
}

static int
walk_open(struct walk *w, const char *dir, int beside, struct found_list *list)
{
    w->s.dir = (char *) dir;
    w->s.dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->s.dirfd < 0)
        return -errno;
    w->live = flock(w->s.dirfd, LOCK_SH | LOCK_NB) != 0;
    if (w->live && !beside)
        return -EBUSY;
    int rc = spool_found_read(&w->s, list);
    if (rc)
        return rc;
    spool_found_sort(list);
    if (spool_id_read(w->s.dirfd, w->s.id)
        && !spool_found_majority(list, w->s.id))
        return list->count ? -EINVAL : -ENOENT;
    w->s.seed = spool_seed(w->s.id);
    return 0;
}

static int
walk(const char *dir, int beside, const struct spool_part *part,
     int (*fn)(void *arg, const char *segment, uint64_t offset,
               uint64_t position, const char *body, size_t len,
               const char *damage),
     void *arg)
{
    struct walk *w = calloc(1, sizeof *w);
    struct found_list list = { 0 };
    if (!w)
        return -ENOMEM;
    w->fn = fn;
    w->arg = arg;
    w->part = *part;
    int rc = walk_open(w, dir, beside, &list);
    for (size_t i = 0; rc == 0 && i < list.count; i++) {
        const struct found_file *next =
            i + 1 < list.count ? &list.items[i + 1] : NULL;
        if (list.items[i].first > part->to)
            break;
        if (!next || next->first > part->from)
            rc = walk_segment(w, &list.items[i], next);
    }
    int damaged = w->damaged;
    if (w->s.dirfd >= 0)
        close(w->s.dirfd);
    free(list.items);
    free(w);
    return rc < 0 ? rc : damaged;
}

int
spool_walk(const char *dir, int beside,
           int (*fn)(void *arg, const char *segment, uint64_t offset,
                     uint64_t position, const char *body, size_t len,
                     const char *damage),
           void *arg)
{
    static const struct spool_part all = { .to = UINT64_MAX };
    return walk(dir, beside, &all, fn, arg);
}

int
spool_walk_part(const char *dir, const struct spool_part *part,
                int (*fn)(void *arg, const char *segment, uint64_t offset,
                          uint64_t position, const char *body, size_t len,
                          const char *damage),
                void *arg)
{
    return walk(dir, !part->alone, part, fn, arg);
}

/* --- by time --------------------------------------------------------------- */

/* Around a time that somebody names: clocks jump, and threads overtake each other. */
#define MARGIN_US INT64_C(300000000)

/* The segments by when their first frames came. */
struct heads {
    int64_t from_us, to_us;
    struct spool_part part;
    int past; /* what follows came later */
};

static int
look_at_head(void *arg, const char *segment, uint64_t offset, uint64_t position,
             const char *body, size_t len, const char *damage)
{
    struct heads *h = arg;
    struct event ev;
    (void) segment;
    (void) offset;
    if (damage || h->past || event_is_marks(body, len)
        || event_unpack(body, len, &ev))
        return 0;
    if (ev.received_us < h->from_us)
        h->part.from = position;
    if (ev.received_us > h->to_us) {
        h->part.to = position;
        h->past = 1;
    }
    return 0;
}

int
spool_part_of(const char *dir, int64_t from_us, int64_t to_us,
              struct spool_part *part)
{
    struct heads h = { .from_us = from_us - MARGIN_US,
                       .to_us = to_us < INT64_MAX - MARGIN_US
                                    ? to_us + MARGIN_US
                                    : INT64_MAX,
                       .part = { .to = UINT64_MAX, .heads = 1 } };
    int r = spool_walk_part(dir, &h.part, look_at_head, &h);
    *part = h.part;
    part->heads = 0;
    return r < 0 ? r : 0;
}
