/* SPDX-License-Identifier: MIT */
/* The list of segments, in order of position, and each one's sparse index. */
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct segment *
spool_segment_new(uint64_t first)
{
    struct segment *seg = calloc(1, sizeof *seg);
    if (!seg)
        return NULL;
    seg->first = first;
    seg->last = first - 1;
    seg->end = SEGMENT_HEADER;
    seg->refs = 1;
    return seg;
}

void
spool_segment_put(struct segment *seg)
{
    if (seg && --seg->refs == 0) {
        free(seg->marks);
        free(seg);
    }
}

int
spool_list_reserve(struct spool *s)
{
    if (s->segment_count < s->segment_cap)
        return 0;
    size_t cap = s->segment_cap ? s->segment_cap * 2 : 16;
    void *list = realloc(s->segments, cap * sizeof *s->segments);
    if (!list)
        return -ENOMEM;
    s->segments = list;
    s->segment_cap = cap;
    return 0;
}

int
spool_list_add(struct spool *s, struct segment *seg)
{
    if (spool_list_reserve(s))
        return -ENOMEM;
    s->segments[s->segment_count++] = seg;
    return 0;
}

void
spool_list_remove(struct spool *s, size_t i)
{
    struct segment *seg = s->segments[i];
    s->segment_count--;
    memmove(s->segments + i, s->segments + i + 1,
            (s->segment_count - i) * sizeof *s->segments);
    spool_segment_put(seg);
}

struct segment *
spool_list_find(struct spool *s, uint64_t position)
{
    size_t low = 0, high = s->segment_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->segments[middle]->last < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->segment_count ? s->segments[low] : NULL;
}

/* Without memory the index merely stays sparser. */
void
spool_segment_mark(struct segment *seg, uint64_t position, uint64_t offset)
{
    uint64_t last = seg->marks_count
                        ? seg->marks[seg->marks_count - 1].offset
                        : SEGMENT_HEADER;
    if (offset < last + SEGMENT_INDEX_STEP)
        return;
    if (seg->marks_count == seg->marks_cap) {
        uint32_t cap = seg->marks_cap ? seg->marks_cap * 2 : 16;
        void *marks = realloc(seg->marks, cap * sizeof *seg->marks);
        if (!marks)
            return;
        seg->marks = marks;
        seg->marks_cap = cap;
    }
    seg->marks[seg->marks_count++] =
        (struct spool_segment_mark){ position, offset };
}

struct spool_segment_mark
spool_segment_lookup(const struct segment *seg, uint64_t position)
{
    struct spool_segment_mark best = { seg->first, SEGMENT_HEADER };
    uint32_t low = 0, high = seg->marks_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (seg->marks[middle].position <= position) {
            best = seg->marks[middle];
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return best;
}
