/* SPDX-License-Identifier: MIT */
/* Frames that only count together: a crash may leave some of them, torn off at
 * the end of the group or with a hole where a page did not get to the disk.
 *
 * Only the last group that was written can be like that, and what is missing of
 * others is damage: then the rest is kept.  The two are told apart by DIR/LAST,
 * which says up to where all was durable some time before the end. */
#include "private.h"

#include "base/file.h"

#include <errno.h>
#include <stdlib.h>

static int
whole_part(struct whole *w, const struct segment_gap *part)
{
    struct segment_gap *last = w->count ? &w->parts[w->count - 1] : NULL;
    if (last && last->end == part->offset) {
        last->end = part->end;
        last->last = part->last;
        return 0;
    }
    if (w->count == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 16;
        void *more = realloc(w->parts, cap * sizeof *w->parts);
        if (!more)
            return -ENOMEM;
        w->parts = more;
        w->cap = cap;
    }
    w->parts[w->count++] = *part;
    return 0;
}

int
spool_whole_frame(struct whole *w, const struct frame *f)
{
    if (f->flags & FRAME_BEHIND && !w->open) {
        struct segment_gap part = { f->offset, f->offset + frame_size(f->len),
                                    f->position, f->position };
        return w->gap_last > w->known ? whole_part(w, &part) : 0;
    }
    if (!(f->flags & FRAME_BEHIND)) {
        w->first = f->position;
        w->offset = f->offset;
    }
    w->open = (f->flags & FRAME_MORE) != 0;
    return 0;
}

int
spool_whole_gap(struct whole *w, const struct segment_gap *gap)
{
    struct segment_gap part = { w->offset, gap->offset, w->first,
                                gap->first - 1 };
    int open = w->open;
    if (gap->first > gap->last)
        return 0; /* bytes that are none of ours, and no frame is missing */
    w->open = 0;
    w->gap_last = gap->last;
    return open && gap->first > w->known ? whole_part(w, &part) : 0;
}

int
spool_whole_ends_torn(const struct whole *w, uint64_t position)
{
    return w->open && position > w->known;
}

int
spool_whole_clear(struct whole *w, int fd)
{
    static const char zeros[64 << 10];
    int rc = 0;
    for (size_t i = 0; i < w->count; i++) {
        uint64_t at = w->parts[i].offset;
        while (at < w->parts[i].end && !rc) {
            uint64_t n = w->parts[i].end - at;
            n = n < sizeof zeros ? n : sizeof zeros;
            rc = file_pwrite(fd, zeros, (size_t) n, at);
            at += n;
        }
    }
    return rc;
}
