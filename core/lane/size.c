/* SPDX-License-Identifier: MIT */
/* How much a lane takes at once.
 *
 * Large batches cost the far side less, and memory: some three megabytes for the
 * 10,000 events that a batch may have.  From 4,000 on there is little to be gained
 * by more.  So where many lanes have much before them, each takes less; and none
 * takes so much that its steps change more than their memory is for. */
#include "private.h"

#include <stdlib.h>

#define FULL_LANES 3u /* so many take what they may */
#define LEAST_EVENTS 4000u
#define LEAST_BYTES (UINT64_C(3) << 19)
#define FRAME_GUESS 128 /* bytes, before any was seen */
#define FIRST_EVENTS 1000u /* then at most twice as many as the last had */

static atomic_uint large; /* lanes whose last batch was a large one */

static uint64_t
part_of(uint64_t most, uint64_t least)
{
    const uint64_t lanes = atomic_load_explicit(&large, memory_order_relaxed);
    const uint64_t part = lanes > FULL_LANES ? most * FULL_LANES / lanes : most;
    return most < least ? most : part < least ? least : part;
}

uint32_t
lane_most(const struct lane *l)
{
    uint32_t most = l->parked ? l->parked->frames_most : l->spec.batch_events;
    most = (uint32_t) part_of(most, LEAST_EVENTS);
    /* Where many begin at once each has seen the others by then. */
    if (!l->spec.batch_wait_ms && most > l->next_most)
        most = l->next_most;
    uint32_t fit = l->cells ? cells_batch(l->cells) : most;
    return fit < most ? fit : most;
}

uint64_t
lane_most_bytes(const struct lane *l)
{
    return part_of(l->spec.batch_bytes, LEAST_BYTES);
}

/* How much to ask for: the spool copies that many bytes, and those beyond the
 * last frame of the batch would be copied again for the next, and would make
 * the buffer larger than it has to be.  Where too little was asked for the
 * batch is a smaller one. */
size_t
lane_read_bytes(const struct lane *l, const struct flight *f)
{
    uint64_t most = lane_most_bytes(l), have = f->batch->frames.len;
    uint64_t room = most > have ? most - have : 1;
    uint64_t each =
        l->frame_bytes ? l->frame_bytes + l->frame_bytes / 16 : FRAME_GUESS;
    uint64_t frames = lane_most(l);
    frames = frames > f->frame_count ? frames - f->frame_count : 1;
    uint64_t guess = frames * each;
    return (size_t) (guess < room ? guess : room);
}

void
lane_note_size(struct lane *l, const struct flight *f)
{
    const int now = f
                    && (f->frame_count >= LEAST_EVENTS
                        || f->batch->frames.len >= LEAST_BYTES);
    if (now != l->large)
        atomic_fetch_add(&large, now ? 1u : -1u);
    l->large = now;
    uint32_t next = f ? l->next_most / 2 : 0;
    if (f && next < f->frame_count * 2)
        next = f->frame_count * 2;
    l->next_most = next < FIRST_EVENTS ? FIRST_EVENTS : next;
}

void
lane_trim(struct flight *f)
{
    batch_trim(f->batch);
    text_clear(&f->undo.was);
    free(f->frames);
    f->frames = NULL;
    f->frame_capacity = 0;
}

/* What it holds is of a time when there was more to have. */
void
lane_fit(const struct lane *l, struct flight *f)
{
    const uint32_t most = lane_most(l);
    if (f->frame_capacity / 2 > most || f->batch->capacity / 2 > most)
        lane_trim(f);
}
