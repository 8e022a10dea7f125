/* SPDX-License-Identifier: MIT */
/* Frames that bring an event again, and what was decided about it.  All of what
 * is read lies within the bytes; packed once more it says the same; and a batch
 * takes it. */
#include "fuzz.h"

#include "codec/batch.h"
#include "codec/msg_read.h"

#include <errno.h>
#include <string.h>

static void
claim_inside(struct slice s, const uint8_t *data, size_t size)
{
    uintptr_t at = (uintptr_t) s.ptr, begin = (uintptr_t) data;
    CLAIM(!s.len || (at >= begin && at + s.len <= begin + size));
}

static void
look_at_decided(struct slice packed, const uint8_t *data, size_t size)
{
    struct event_decided d, same;
    struct il_text out = { 0 };
    int err = event_decided_read(packed, &d);
    CLAIM(!err || err == -EINVAL || err == -ENOTSUP);
    CLAIM(!err || d.place == EVENT_NOWHERE);
    if (err || d.place == EVENT_NOWHERE)
        return;
    claim_inside(d.step, data, size);
    claim_inside(d.plugin, data, size);
    claim_inside(d.results, data, size);
    CLAIM(d.results.len <= EVENT_RESULTS_MAX);
    CLAIM(!event_decided_pack(&out, &d) && out.len <= EVENT_DECIDED_MAX);
    CLAIM(!event_decided_read(slice_of(out.data, out.len), &same));
    CLAIM(same.place == d.place && slice_equal(same.step, d.step)
          && slice_equal(same.plugin, d.plugin)
          && slice_equal(same.results, d.results));
    text_clear(&out);
}

/* Texts may have been cut. */
static int
begins_with(struct slice s, struct slice begin)
{
    return begin.len <= s.len
           && (!begin.len || !memcmp(s.ptr, begin.ptr, begin.len));
}

static void
claim_same(const struct event_retry *a, const struct event_retry *b)
{
    CLAIM(a->letter == b->letter && a->attempts == b->attempts
          && slice_equal(a->lane, b->lane)
          && a->origin.position == b->origin.position
          && a->first_us == (b->since_us || b->decided.len ? b->first_us : 0)
          && a->since_us == b->since_us && slice_equal(a->decided, b->decided));
    if (b->since_us || b->decided.len)
        CLAIM(begins_with(b->code, a->code)
              && begins_with(b->message, a->message));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *body = (const char *) data;
    struct event_retry mark, same;
    struct event ev;
    struct il_text out = { 0 };
    struct il_batch *b;
    if (!size)
        return 0;
    look_at_decided(slice_of(body, size), data, size);
    if (event_unpack(body, size, &ev) || event_retry(body, size, &mark) != 1)
        return 0;
    claim_inside(mark.lane, data, size);
    claim_inside(mark.decided, data, size);
    claim_inside(mark.code, data, size);
    claim_inside(mark.message, data, size);
    CLAIM(mark.decided.len <= EVENT_DECIDED_MAX);
    look_at_decided(mark.decided, data, size);
    CLAIM(!event_retry_pack(&out, body, size, &mark));
    CLAIM(event_retry(out.data, out.len, &same) == 1);
    claim_same(&same, &mark);
    CLAIM((b = batch_new()));
    CLAIM(!batch_add_again(b, 7, slice_of(body, size), &ev, &mark, 1, 2));
    CLAIM(batch_passed(b, 0, 1) && !batch_passed(b, 0, 2));
    CLAIM(b->events[0].again->attempts == mark.attempts);
    batch_free(b);
    text_clear(&out);
    return 0;
}
