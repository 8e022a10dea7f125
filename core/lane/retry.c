/* SPDX-License-Identifier: MIT */
/* Frames that bring the event of a dead letter again.
 *
 * Such a frame is an event like any other: the position that the destination
 * keeps tells whether it is there, and what fails again is a letter again, under
 * the position of the frame.  The letter it came from goes once the lane has
 * passed the frame; until then it is the frame's claim that says which of
 * several counts. */
#include "private.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_BYTES (1u << 20)

/* Also what was written for the lane's name before: its letters came along. */
static int
retry_is_ours(const struct lane *l, const struct event_retry *retry)
{
    const char *was = l->spec.was;
    return slice_equal(retry->lane,
                       slice_of(l->spec.name, strlen(l->spec.name)))
           || (was && slice_equal(retry->lane, slice_of(was, strlen(was))));
}

/* Claim the letters of all frames from the i-th on. */
static int
flight_claim(struct lane *l, struct flight *f, uint32_t i)
{
    struct il_batch *b = f->batch;
    f->claims =
        batch_alloc(b, (f->frame_count - i) * sizeof(struct dead_claim));
    if (!f->claims)
        return -ENOMEM;
    for (; i < f->frame_count; i++) {
        const struct frame_place *frame = &f->frames[i];
        struct event_retry retry;
        if (event_retry(b->frames.data + frame->offset, frame->len, &retry) == 1
            && retry_is_ours(l, &retry))
            f->claims[f->claim_count++] = (struct dead_claim){
                .letter = retry.letter, .position = frame->position
            };
    }
    int err = dead_claim(l->ctx.dead, l->spec.name, f->claims, f->claim_count);
    if (err)
        f->claim_count = 0;
    return err;
}

int
lane_retry(struct lane *l, struct flight *f, uint32_t i,
           const struct event_retry *retry)
{
    if (!retry_is_ours(l, retry))
        return 0;
    int err = f->claim_count ? 0 : flight_claim(l, f, i);
    if (err)
        return err;
    return f->claims[f->claims_seen++].held;
}

int
lane_counted_later(struct lane *l, struct flight *f, uint32_t i)
{
    if (f->before >= l->counted_until)
        return 0;
    if (!f->counted) {
        f->counted = batch_alloc(f->batch, f->frame_count * sizeof(uint64_t));
        int err =
            f->counted
                ? dead_counted(l->ctx.dead, l->spec.name, f->before,
                               f->frames[f->frame_count - 1].position,
                               f->counted, f->frame_count, &f->counted_count)
                : -ENOMEM;
        if (err) {
            f->counted = NULL;
            return err;
        }
    }
    while (f->counted_seen < f->counted_count
           && f->counted[f->counted_seen] < f->frames[i].position)
        f->counted_seen++;
    return f->counted_seen < f->counted_count
           && f->counted[f->counted_seen] == f->frames[i].position;
}

/* Claims within (after, up_to] whose frames have not come: they were lost. */
static int
retries_lost(struct lane *l, struct flight *f)
{
    struct dead_claim *found;
    size_t n, lost = 0;
    int err = dead_claims(l->ctx.dead, l->spec.name, f->before, f->batch->last,
                          &found, &n);
    for (size_t i = 0; i < n; i++) {
        uint32_t k = 0;
        while (k < f->claim_count
               && f->claims[k].position != found[i].position)
            k++;
        if (k == f->claim_count)
            found[lost++] = found[i];
    }
    if (!err && lost) {
        log_warn("lane %s: the spool has lost the events of %zu dead letters "
                 "that were to be tried again; the letters are still there",
                 l->spec.name, lost);
        err = dead_unclaim(l->ctx.dead, l->spec.name, found, lost);
    }
    free(found);
    return err;
}

int
lane_retried(struct lane *l, struct flight *f)
{
    int err = 0;
    if (f->claim_count)
        err = dead_retried(l->ctx.dead, l->spec.name, f->claims,
                           f->claim_count);
    if (!err && f->frame_count != f->batch->last - f->before)
        err = retries_lost(l, f);
    return err;
}

/* --- after a start --- */

/* Claims whose frames lie behind the lane: is each there? */
struct behind {
    struct lane *lane;
    struct dead_claim *claims;
    size_t n, next;
    struct il_text text;
};

static int
behind_frame(void *arg, uint64_t position, size_t offset, size_t len)
{
    struct behind *b = arg;
    const char *body = b->text.data + offset;
    struct event_retry retry;
    struct event ev;
    while (b->next < b->n && b->claims[b->next].position < position)
        b->next++;
    if (b->next == b->n)
        return 1;
    struct dead_claim *claim = &b->claims[b->next];
    claim->held = claim->position == position
                  && !event_unpack(body, len, &ev)
                  && event_retry(body, len, &retry) == 1
                  && retry_is_ours(b->lane, &retry)
                  && retry.letter == claim->letter;
    return 0;
}

static int
behind_look(struct behind *b)
{
    struct spool *spool = b->lane->ctx.spool;
    uint64_t at = b->claims[0].position - 1;
    uint64_t end = b->claims[b->n - 1].position, last = at;
    struct spool_reader *r;
    if (end > spool_durable(spool))
        end = spool_durable(spool);
    int n = at < end ? spool_reader_open(spool, at, &r) : 0;
    if (n || at >= end)
        return n;
    while (n >= 0 && last < end) {
        b->text.len = 0;
        n = spool_reader_read(r, &b->text, LOOK_BYTES, UINT32_MAX, 0, &last,
                              behind_frame, b);
    }
    spool_reader_close(r);
    text_clear(&b->text);
    return n < 0 ? n : 0;
}

/* What the destination has is done with.  A frame that cannot be found has not
 * been delivered: better a letter too many than an event too few. */
int
lane_retries_begin(struct lane *l, uint64_t position)
{
    struct behind b = { .lane = l };
    int err = dead_claims(l->ctx.dead, l->spec.name, 0, position, &b.claims,
                          &b.n);
    if (!err && b.n)
        err = behind_look(&b);
    if (!err)
        err = dead_retried(l->ctx.dead, l->spec.name, b.claims, b.n);
    if (!err)
        err = dead_unclaim(l->ctx.dead, l->spec.name, b.claims, b.n);
    free(b.claims);
    return err;
}
