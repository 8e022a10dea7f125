/* SPDX-License-Identifier: MIT */
/* The time of a stream: the greatest received_at, unless a clock that had run
 * ahead was set back. */
#include "batch.h"

#define MINUTE_US INT64_C(60000000)
#define JUMP_US (60 * MINUTE_US)
#define BEHIND_MOST 100 /* events in a row, then it is the time that is wrong */

static void
pass(struct batch_stream *s, int64_t us)
{
    if (us >= s->us) {
        s->jumped |= s->us && us - s->us > JUMP_US;
        s->us = us;
        s->behind = 0;
        return;
    }
    s->behind = s->us - us > MINUTE_US ? s->behind + 1 : 0;
    if (s->behind < BEHIND_MOST || !s->jumped)
        return;
    *s = (struct batch_stream){ .us = us };
}

int64_t
batch_stream_us(struct il_batch *b, uint32_t i)
{
    if (i < b->streamed - (b->streamed > 0))
        batch_stream_begin(b, &b->stream_before);
    for (; b->streamed <= i && b->streamed < b->count; b->streamed++) {
        const struct batch_event *e = &b->events[b->streamed];
        /* What nothing can read has no time. */
        if (!e->again && e->ev.received_us > 0)
            pass(&b->stream, e->ev.received_us);
    }
    return b->stream.us;
}

void
batch_stream_begin(struct il_batch *b, const struct batch_stream *stream)
{
    b->stream_before = b->stream = *stream;
    b->streamed = 0;
}
