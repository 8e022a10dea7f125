/* SPDX-License-Identifier: MIT */
/* Finding the frames of a segment, also after damage. */
#include "private.h"

#include <string.h>

/* How often a scan looks through the whole segment for what it misses. */
#define LOOKS 64

static uint64_t
frame_position(const char *p)
{
    return segment_get64(p + 8) & SPOOL_POSITION_MAX;
}

void
spool_scan_start(struct segment_scan *s, struct segment_io *io, uint64_t seed,
                 uint64_t first, uint64_t limit)
{
    memset(s, 0, sizeof *s);
    s->io = io;
    s->seed = seed;
    s->first = s->position = first;
    s->offset = s->far = SEGMENT_HEADER;
    s->limit = limit;
    s->looks = LOOKS;
    /* Bodies come from strangers, who could fill them with what looks like
     * frames; what is hashed in vain per scan is therefore bounded. */
    s->hash_budget = 256 << 20;
}

void
spool_scan_seek(struct segment_scan *s, uint64_t offset, uint64_t position)
{
    s->offset = s->far = offset;
    s->position = position;
    s->sought = 1;
}

/* A frame with a position in [low, high] at offset?  1, 0, -errno. */
static int
scan_frame_at(struct segment_scan *s, uint64_t offset, uint64_t low,
              uint64_t high, struct frame *frame)
{
    int64_t got;
    const char *p = spool_segment_view(s->io, offset, FRAME_MIN, &got);
    if (!p)
        return (int) got;
    if (got < FRAME_MIN)
        return 0;
    uint64_t position = frame_position(p);
    uint32_t len = segment_get32(p);
    if (len == 0 || len > FRAME_BODY_MAX || position < low || position > high)
        return 0;
    size_t need = frame_size(len);
    if (need > s->io->end - offset)
        return 0;
    if (low != high) {
        if (s->hash_budget < 0)
            return 0;
        s->hash_budget -= len;
    }
    p = spool_segment_view(s->io, offset, need, &got);
    if (!p)
        return (int) got;
    frame->offset = offset;
    int rc = spool_frame_unpack(p, (size_t) got, s->seed, frame, &need);
    if (rc == 1 && low != high)
        s->hash_budget += len;
    return rc == -EAGAIN ? 0 : rc;
}

/* The first offset in [from, end - FRAME_MIN] where a length and a position
 * could stand; end if there is none. */
static int
scan_candidate(struct segment_scan *s, uint64_t from, uint64_t low,
               uint64_t high, uint64_t *found)
{
    uint64_t offset = from;
    for (;;) {
        int64_t got;
        const char *p = spool_segment_view(s->io, offset, FRAME_MIN, &got);
        if (!p)
            return (int) got;
        if (got < FRAME_MIN)
            break;
        for (int64_t i = 0; i + FRAME_MIN <= got; i += 8, offset += 8) {
            uint64_t position = frame_position(p + i);
            if (position < low || position > high || segment_get32(p + i) == 0)
                continue;
            *found = offset;
            return 0;
        }
    }
    *found = s->io->end;
    return 0;
}

/* The next frame at `offset` or behind it with a position from `low` on.  1, 0,
 * -errno. */
static int
scan_find(struct segment_scan *s, uint64_t offset, uint64_t low,
          struct frame *frame)
{
    if (s->io->end < SEGMENT_HEADER)
        return 0;
    /* A segment has no more frames than fit, wherever they are by now. */
    uint64_t high = s->first + (s->io->end - SEGMENT_HEADER) / FRAME_MIN + 1;
    if (high >= s->limit)
        high = s->limit - 1;
    for (;; offset += 8) {
        int rc = scan_candidate(s, offset, low, high, &offset);
        if (rc < 0 || offset >= s->io->end)
            return rc;
        rc = scan_frame_at(s, offset, low, high, frame);
        if (rc)
            return rc;
    }
}

/* The lowest position from the scan's on, wherever it is.  A disk that wrote a
 * block to the wrong place leaves later frames before earlier ones, or earlier
 * ones once more behind later ones: whoever went on from the first that he
 * meets would pass over whole frames.  1, 0, -errno; and whether the frames are
 * in order, so that it need not be asked again. */
static int
scan_lowest(struct segment_scan *s, struct frame *frame)
{
    struct frame f, best = { 0 };
    uint64_t offset = SEGMENT_HEADER, before = 0;
    uint64_t unreadable = s->io->unreadable; /* of what was asked for */
    int rc, order = SCAN_ORDERED;
    s->looks--;
    while ((rc = scan_find(s, offset, s->first, &f)) == 1) {
        if (f.position <= before)
            order = SCAN_MOVED;
        before = f.position;
        if (before >= s->position && (!best.len || before < best.position))
            best = f;
        offset = f.offset + frame_size(f.len);
    }
    s->io->unreadable = unreadable;
    if (rc < 0)
        return rc;
    s->order = order;
    *frame = best;
    return best.len > 0;
}

/* May what is missing before that position be elsewhere?  Not at the end of a
 * segment that was read from its begin and misses nothing: of a torn end alone
 * the whole segment is not read once more. */
static int
scan_unsure(const struct segment_scan *s, uint64_t position)
{
    if (s->order == SCAN_UNKNOWN && position == UINT64_MAX)
        return s->sought;
    return s->order != SCAN_ORDERED && position > s->position && s->looks > 0;
}

int
spool_scan_next(struct segment_scan *s, struct frame *frame,
                struct segment_gap *gap)
{
    if (s->position >= s->limit)
        return SCAN_END;
    int rc = scan_frame_at(s, s->offset, s->position, s->position, frame);
    if (rc < 0)
        return rc;
    if (rc == 1) {
        s->offset += frame_size(frame->len);
        s->position++;
        if (s->far < s->offset)
            s->far = s->offset;
        return SCAN_FRAME;
    }
    /* From this very place on: whole frames may have been cut out. */
    rc = scan_find(s, s->offset, s->position, frame);
    if (rc >= 0 && scan_unsure(s, rc ? frame->position : UINT64_MAX))
        rc = scan_lowest(s, frame);
    if (rc <= 0)
        return rc;
    gap->offset = s->offset;
    gap->end = frame->offset;
    gap->first = s->position;
    gap->last = frame->position - 1;
    s->offset = frame->offset;
    s->position = frame->position;
    return SCAN_GAP;
}

/* Past the last byte in [offset, end) that is not zero; offset if all are. */
static int64_t
scan_zeros(struct segment_io *io, uint64_t offset, uint64_t end)
{
    uint64_t tail = offset;
    while (offset < end) {
        int64_t got;
        const char *p = spool_segment_view(io, offset, 1, &got);
        if (!p)
            return got;
        if (got == 0)
            break;
        if ((uint64_t) got > end - offset)
            got = (int64_t) (end - offset);
        for (int64_t i = got; i > 0; i--)
            if (p[i - 1]) {
                tail = offset + (uint64_t) i;
                break;
            }
        offset += (uint64_t) got;
    }
    return (int64_t) tail;
}

/* In a file that is used again everything from the zeros on that end a group
 * may be older.  Where those are gone, a frame was begun there (or one of ours
 * has gone bad), which tells by itself how long it was to be. */
int64_t
spool_scan_tail(struct segment_scan *s, int reused)
{
    struct segment_io *io = s->io;
    uint64_t end = s->far + segment_pad(s->far);
    if (!reused || end > io->end)
        end = io->end;
    int64_t tail = scan_zeros(io, s->far, end);
    if (!reused || tail <= (int64_t) s->far)
        return tail;
    int64_t got;
    const char *p = spool_segment_view(io, s->far, FRAME_MIN, &got);
    if (!p || got < FRAME_MIN)
        return p ? tail : got;
    uint32_t len = segment_get32(p);
    if (frame_position(p) != s->position || len > FRAME_BODY_MAX)
        return tail;
    uint64_t whole = s->far + frame_size(len);
    if (whole > io->end)
        whole = io->end;
    return (int64_t) whole > tail ? (int64_t) whole : tail;
}
