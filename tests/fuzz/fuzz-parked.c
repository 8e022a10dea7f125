/* SPDX-License-Identifier: MIT */
/* Records of the store of lanes by event, and those of its lanes, from a file
 * that something has written into: what is viewed lies inside the record, and
 * written again it is the same.  Their sums are made right first, or nothing
 * would get past those. */
#include "fuzz.h"
#include "store/parked_store.h"

#include <string.h>

#define NUMBER 7
#define POSITION 9

static void
claim_inside(const char *text, const char *from, size_t len)
{
    CLAIM(text >= from && text < from + len
          && memchr(text, 0, (size_t) (from + len - text)));
}

static void
claim_same_event(const struct parked_event *e, enum parked_kind kind)
{
    struct parked_event again;
    size_t len = parked_record_size(e);
    char *out = malloc(len);
    CLAIM(out);
    parked_record_write(out, NUMBER, kind, e);
    CLAIM(parked_record_view(out, len, NUMBER, kind, POSITION, &again) == 0);
    CLAIM(again.attempts == e->attempts && again.turn == e->turn
          && again.again == e->again && again.order_hash == e->order_hash
          && again.first_us == e->first_us && again.since_us == e->since_us
          && again.delay_us == e->delay_us);
    CLAIM(again.event_len == e->event_len
          && !memcmp(again.event, e->event, e->event_len));
    CLAIM(parked_record_view(out, len, NUMBER + 1, kind, POSITION, &again));
    CLAIM(parked_record_view(out, len, NUMBER, kind, POSITION + 1, &again));
    free(out);
}

static void
try_event(char *bytes, size_t size, enum parked_kind kind)
{
    struct parked_event e;
    parked_record_seal(bytes, size, NUMBER, kind, POSITION);
    if (parked_record_view(bytes, size, NUMBER, kind, POSITION, &e))
        return;
    claim_inside(e.code, bytes, size);
    claim_inside(e.message, bytes, size);
    claim_inside(e.target, bytes, size);
    CLAIM((const char *) e.event + e.event_len == bytes + size);
    CLAIM(parked_due_us(&e) >= 0);
    claim_same_event(&e, kind);
}

static void
try_state(char *bytes, size_t size)
{
    struct parked_state s, again;
    char out[PARKED_STATE_MAX];
    parked_record_seal(bytes, size, NUMBER, 0, 0);
    if (parked_state_view(bytes, size, NUMBER, &s))
        return;
    CLAIM(strlen(s.name) <= PARKED_NAME_MAX);
    size_t len = parked_state_write(out, NUMBER, &s);
    CLAIM(len == size && len <= sizeof out);
    CLAIM(parked_state_view(out, len, NUMBER, &again) == 0);
    CLAIM(again.position == s.position && again.chained == s.chained
          && again.since_max == s.since_max && !strcmp(again.name, s.name)
          && !memcmp(again.spool, s.spool, sizeof s.spool));
    CLAIM(parked_state_view(out, len, NUMBER + 1, &again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size ? size : 1);
    CLAIM(bytes);
    memcpy(bytes, data, size);
    try_event(bytes, size, PARKED_EVENT);
    try_event(bytes, size, PARKED_LETTER);
    try_state(bytes, size);
    free(bytes);
    return 0;
}
