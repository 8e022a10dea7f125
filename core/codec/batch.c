/* SPDX-License-Identifier: MIT */
/* What happens to events on their way through a lane.  An event leaves
 * BATCH_LIVE once; only the destination's marks can be taken back, because
 * only its attempts are repeated.  The counters say at any time how many are
 * where, so that nobody walks the batch to find out. */
#include "batch.h"

#include "json.h"
#include "private.h"
#include "base/api.h"
#include "base/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Thread_local char batch_thread;

struct il_batch *
batch_new(void)
{
    struct il_batch *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->api = api_table();
    b->upserts_end = &b->upserts;
    b->derived_end = &b->derived;
    return b;
}

void
batch_free(struct il_batch *b)
{
    if (!b)
        return;
    batch_clear(b);
    batch_trim(b);
    free(b);
}

void
batch_reset(struct il_batch *b)
{
    arena_reset(&b->arena, &b->bytes);
    if (b->said)
        arena_free(&b->said, &b->said_bytes);
    b->mark = NULL;
    b->mark_used = 0;
    b->count = b->live = b->dropped = b->letters = b->kept = b->sealed = 0;
    b->done = b->deferred = b->ticks = b->agains = 0;
    b->upserts = NULL;
    b->upserts_end = &b->upserts;
    b->upserts_put = 0;
    b->derived = b->derived_last = NULL;
    b->derived_end = &b->derived;
    b->derived_asked = 0;
    b->id = 0;
    b->reader = NULL;
    b->phase = BATCH_NOBODY;
    batch_stream_begin(b, &b->stream_before);
    b->step = 0;
}

void
batch_clear(struct il_batch *b)
{
    batch_reset(b);
    b->frames.len = 0;
    b->last = 0;
}

void
batch_trim(struct il_batch *b)
{
    arena_free(&b->arena, &b->bytes);
    text_clear(&b->frames);
    text_clear(&b->scratch);
    free(b->events);
    b->events = NULL;
    b->capacity = 0;
}

static struct batch_event *
batch_slot(struct il_batch *b)
{
    if (b->count == b->capacity) {
        uint32_t more = b->capacity ? b->capacity * 2 : 64;
        if (more < b->capacity)
            return NULL;
        struct batch_event *events = realloc(b->events, more * sizeof *events);
        if (!events)
            return NULL;
        b->events = events;
        b->capacity = more;
    }
    return &b->events[b->count];
}

int
batch_add_event(struct il_batch *b, uint64_t position, const char *body,
                size_t len, const struct event *ev)
{
    struct batch_event *e = batch_slot(b);
    if (!e)
        return -ENOMEM;
    e->ev = *ev;
    e->position = position;
    e->state = BATCH_LIVE;
    e->kept = 0;
    e->stop = 0;
    e->room = 0;
    e->body = body;
    e->body_len = (uint32_t) len;
    e->entities = NULL;
    e->reason = NULL;
    e->again = NULL;
    e->deferral = NULL;
    if (b->count++ == 0)
        b->id = position;
    b->live++;
    if (b->last < position)
        b->last = position;
    return 0;
}

int
batch_add_tick(struct il_batch *b, uint64_t position, const char *body,
               size_t len, const struct event *ev)
{
    int err = batch_add_event(b, position, body, len, ev);
    if (err)
        return err;
    batch_leave(b, b->count - 1, BATCH_TICK);
    b->ticks++;
    return 0;
}

int
batch_add(struct il_batch *b, uint64_t position, const char *body, size_t len)
{
    struct event ev;
    int err = event_unpack(body, len, &ev);
    return err ? err : batch_add_event(b, position, body, len, &ev);
}

int
batch_add_unreadable(struct il_batch *b, uint64_t position, const char *body,
                     size_t len)
{
    static const struct il_reason why = {
        IL_SIZED(struct il_reason), .code = "unreadable",
        .message = "the frame's checksum is right, but it holds no event "
                   "this version can read"
    };
    const struct event nothing = { .id = SLICE(""),
                                   .type = SLICE(""),
                                   .source_id = SLICE(""),
                                   .timestamp_us = EVENT_NO_TIME,
                                   .payload = SLICE("\x80") };
    int err = batch_add_event(b, position, body, len, &nothing);
    if (err)
        return err;
    struct batch_event *e = &b->events[b->count - 1];
    e->state = BATCH_REFUSED;
    e->reason = &why;
    b->live--;
    b->letters++;
    return 0;
}

void *
batch_alloc(struct il_batch *b, size_t size)
{
    return arena_alloc(&b->arena, size, &b->bytes);
}

void
batch_elsewhere(struct il_batch *b, uint32_t i)
{
    batch_leave(b, i, BATCH_ELSEWHERE);
}

const struct il_reason *
batch_reason(struct arena_block **arena, size_t *held,
             const struct il_reason *given)
{
    static const struct il_reason unread = {
        IL_SIZED(struct il_reason), .code = "rejected",
        .message = "the plugin gave no reason that can be read"
    };
    static const struct il_reason unsaid = { IL_SIZED(struct il_reason),
                                             .code = "rejected",
                                             .message = "no reason was given" };
    static const struct il_reason no_memory = {
        IL_SIZED(struct il_reason), .code = "rejected",
        .message = "there was no memory to keep the reason"
    };
    struct il_reason why;
    if (!given)
        return &unsaid;
    if (api_copy(&why, sizeof(why), given, API_REASON_1_0))
        return &unread;
    const char *from[4] = { why.code ? why.code : unsaid.code,
                            why.message ? why.message : unsaid.message,
                            why.field, why.rule };
    const char *to[4] = { NULL };
    size_t size = sizeof(struct il_reason);
    for (int k = 0; k < 4; k++)
        size += from[k] ? strlen(from[k]) + 1 : 0;
    struct il_reason *copy = arena_alloc(arena, size, held);
    if (!copy)
        return &no_memory;
    char *p = (char *) (copy + 1);
    for (int k = 0; k < 4; k++)
        if (from[k]) {
            to[k] = p;
            p = stpcpy(p, from[k]) + 1;
        }
    *copy =
        (struct il_reason){ IL_SIZED(struct il_reason), .code = to[0],
                            .message = to[1], .field = to[2], .rule = to[3] };
    return copy;
}

void
batch_reject(struct il_batch *b, uint32_t i, const struct il_reason *why)
{
    if (i >= b->count)
        return;
    struct batch_event *e = &b->events[i];
    if (e->kept || (e->state != BATCH_LIVE && e->state != BATCH_REJECTED))
        return;
    e->reason = batch_reason(&b->arena, &b->bytes, why);
    e->stop = b->step;
    batch_leave(b, i, b->sealed ? BATCH_REJECTED : BATCH_REFUSED);
}

void
batch_unreject(struct il_batch *b, uint32_t i)
{
    if (i >= b->count || b->events[i].state != BATCH_REJECTED)
        return;
    b->events[i].state = BATCH_LIVE;
    b->events[i].reason = NULL;
    b->live++;
    b->letters--;
}

void
batch_keep(struct il_batch *b, uint32_t i)
{
    if (i >= b->count || b->events[i].kept)
        return;
    batch_unreject(b, i);
    b->events[i].kept = 1;
    b->kept++;
}

int
batch_own_map(struct il_batch *b, int encoding, const void *bytes, size_t len,
        struct slice *out)
{
    struct slice map = { bytes, len };
    if (encoding == IL_JSON) {
        struct json_error error;
        b->scratch.len = 0;
        if (json_to_msgpack(bytes, len, &b->scratch, &error))
            return error.code == JSON_MEMORY ? -ENOMEM : -EINVAL;
        map = slice_of(b->scratch.data, b->scratch.len);
    } else if (encoding != IL_MSGPACK || msg_check(bytes, len)) {
        return -EINVAL;
    }
    const char *p = map.ptr;
    struct il_value v;
    if (msg_head(&p, p + map.len, &v) || v.type != IL_MAP)
        return -EINVAL;
    char *copy = batch_alloc(b, map.len);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, map.ptr, map.len);
    *out = slice_of(copy, map.len);
    return 0;
}

int
batch_set_payload(struct il_batch *b, uint32_t i, int encoding,
                  const void *bytes, size_t len)
{
    struct slice payload;
    if (i >= b->count)
        return -EINVAL;
    int err = batch_own_map(b, encoding, bytes, len, &payload);
    if (err)
        return err;
    b->events[i].ev.payload = payload;
    b->events[i].room = (uint32_t) payload.len;
    return 0;
}

/* A frame that brings a dead letter's event again says where it stood at
 * first; one of an older version does not: then it was there where the letter
 * is. */
void
batch_origin(const struct il_batch *b, uint32_t i, struct event_origin *out)
{
    const struct batch_event *e = &b->events[i];
    struct event_retry retry;
    uint64_t position = e->position;
    if (e->again && e->again->origin.position) {
        *out = e->again->origin;
        return;
    }
    if (event_retry(e->body, e->body_len, &retry) == 1) {
        if (retry.origin.position) {
            *out = retry.origin;
            return;
        }
        position = retry.letter;
    }
    *out = (struct event_origin){ .position = position };
    if (b->origin)
        b->origin(b->lane, position, out);
}

void
batch_seal(struct il_batch *b)
{
    b->sealed = 1;
    b->mark = b->arena;
    b->mark_used = arena_used(b->arena);
}

void
batch_rewind(struct il_batch *b)
{
    for (uint32_t i = 0; (b->letters || b->kept) && i < b->count; i++) {
        batch_unreject(b, i);
        b->events[i].kept = 0;
    }
    b->kept = 0;
    arena_rewind(&b->arena, b->mark, b->mark_used, &b->bytes);
}
