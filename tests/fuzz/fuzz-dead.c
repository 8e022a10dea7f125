/* SPDX-License-Identifier: MIT */
/* Records of the dead-letter store from a file that something has written
 * into: what is viewed lies inside the record, and written again it is the
 * same record. */
#include "fuzz.h"
#include "codec/event.h"
#include "store/dead_store.h"

#include <string.h>

static void
claim_inside(const char *text, const char *from, size_t len)
{
    CLAIM(!text
          || (text >= from && text < from + len
              && memchr(text, 0, (size_t) (from + len - text))));
}

static void
claim_same(const struct dead_letter *l, int with_lane)
{
    struct dead_letter again = { 0 };
    size_t len = dead_record_size(l, with_lane);
    char *out = malloc(len);
    CLAIM(out);
    dead_record_write(out, l, with_lane);
    CLAIM(dead_record_view(out, len, &again) == 0);
    CLAIM(again.attempts == l->attempts && again.at_us == l->at_us);
    CLAIM(again.event.len == l->event.len
          && !memcmp(again.event.ptr, l->event.ptr, l->event.len));
    CLAIM(slice_equal(again.decided, l->decided)
          && again.first_us == l->first_us && again.tried == l->tried
          && again.due_us == l->due_us);
    CLAIM(!again.reason.field == !l->reason.field);
    CLAIM(!again.reason.rule == !l->reason.rule);
    CLAIM(!again.lane == !(with_lane && l->lane));
    free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dead_letter l = { 0 };
    const char *bytes = (const char *) data;
    if (dead_record_view(bytes, size, &l))
        return 0;
    claim_inside(l.reason.code, bytes, size);
    claim_inside(l.reason.message, bytes, size);
    claim_inside(l.reason.field, bytes, size);
    claim_inside(l.reason.rule, bytes, size);
    claim_inside(l.lane, bytes, size);
    CLAIM(l.reason.code && l.reason.message);
    CLAIM(l.decided.ptr >= bytes
          && l.decided.ptr + l.decided.len == l.event.ptr);
    CLAIM(l.event.ptr >= bytes && l.event.ptr + l.event.len == bytes + size);
    claim_same(&l, 0);
    if (l.lane)
        claim_same(&l, 1);
    /* as `dead show` and `dead retry` read the event */
    struct event e;
    struct il_text json = { 0 };
    struct event_decided decided;
    event_decided_read(l.decided, &decided);
    if (event_unpack(l.event.ptr, l.event.len, &e) == 0)
        event_json(&json, &e);
    text_clear(&json);
    return 0;
}
