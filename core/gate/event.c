/* SPDX-License-Identifier: MIT */
/* One event on its way into a frame.
 *
 * The payload stands last in a frame and is written straight into it, as soon
 * as it comes; what stands before it is written at that moment from the fields
 * that came earlier.  Where one comes later, or an id has to be made, the
 * payload is moved once.  Senders write the payload last, so that is rare. */
#include "private.h"

#include "base/random.h"
#include "base/time.h"
#include "base/wtf8.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const field_names[]
    = { "id", "idempotencyKey", "type", "timestamp", "payload" };

/* 80 bits from the system's generator, fetched for 256 ids at a time. */
static void
random_bits(struct gate_batch *b, uint8_t out[10])
{
    if (b->random_left < 10) {
        if (random_fill(b->random, sizeof(b->random)))
            abort(); /* cannot happen: the generator never runs dry */
        b->random_left = sizeof(b->random);
    }
    b->random_left -= 10;
    memcpy(out, b->random + b->random_left, 10);
}

static enum idem_space
space_of(const struct gate_batch *b)
{
    return b->sender && b->sender->publishable ? IDEM_PUBLISHABLE : IDEM_SERVER;
}

/* An id that is the same on every node.  Of a hash for which nobody finds two
 * keys that have one: where strangers choose keys, one who did could take the
 * place of another's event in a table.  ingestlayer-scaling(7) tells others how
 * it is made: what it comes to must never change. */
static int
id_of_key(struct gate_batch *b)
{
    struct gate_event *e = &b->event;
    uint8_t digest[32];
    b->scratch.len = 0;
    if (text_put(&b->scratch, b->source->id.ptr, b->source->id.len)
        || text_putc(&b->scratch, (char) space_of(b))
        || text_put(&b->scratch, e->ev.key.ptr, e->ev.key.len)
        || gnutls_hash_fast(GNUTLS_DIG_SHA256, b->scratch.data, b->scratch.len,
                            digest)
               < 0)
        return -ENOMEM;
    event_id_of(e->made, digest);
    return 0;
}

/* Where the sender gave none. */
static int
make_id(struct gate_batch *b)
{
    struct gate_event *e = &b->event;
    uint8_t bits[10];
    if (b->source->ids_of_keys && e->ev.key.ptr) {
        if (id_of_key(b))
            return -ENOMEM;
    } else if (!e->ev.id.ptr) {
        random_bits(b, bits);
        event_make_id(e->made, b->now_us, bits);
    }
    e->ev.id = slice_of(e->made, EVENT_MADE_ID);
    return 0;
}

int
gate_event_begin(struct gate_batch *b)
{
    struct gate_event *e = &b->event;
    struct gate_item *item = gate_item_add(b);
    if (!item)
        return -ENOMEM;
    item->frame = (uint32_t) b->frames.len;
    e->ev = (struct event){ .source_id = b->source->id,
                            .received_us = b->now_us,
                            .timestamp_us = EVENT_NO_TIME,
                            .payload = SLICE("") };
    e->seen = e->head = 0;
    e->packed = e->late = 0;
    return 0;
}

static int
seen(struct gate_event *e, int field)
{
    uint32_t bit = 1u << field;
    int before = (e->seen & bit) != 0;
    e->seen |= bit;
    return before;
}

/* Are the eight bytes at p printable ASCII? */
static inline int
plain_eight(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t x;
    memcpy(&x, p, 8);
    /* 0x80 and above; below a blank, which borrows; 0x7f, which carries */
    return !((x | (x - ones * 0x20) | (x + ones)) & ones * 0x80);
}

static int
plain_ascii(struct slice s)
{
    size_t n = 0;
    if (s.len < 8)
        return 0;
    while (n + 8 <= s.len && plain_eight(s.ptr + n))
        n += 8;
    return n + 8 > s.len && plain_eight(s.ptr + s.len - 8);
}

const char *
gate_text_flaw(struct slice s)
{
    const char *end = s.ptr + s.len;
    if (plain_ascii(s))
        return NULL;
    for (const char *p = s.ptr; p < end; p++) {
        unsigned char c = (unsigned char) *p;
        if (c < 0x20 || c == 0x7f)
            return "contains a control character";
        if (c < 0x80)
            continue;
        if (c == 0xed && wtf8_surrogate(p, end))
            return "contains a lone surrogate";
        int n = utf8_length(p, end);
        if (n < 2)
            return "is not UTF-8";
        if (c == 0xc2 && (unsigned char) p[1] < 0xa0)
            return "contains a control character";
        p += n - 1;
    }
    return NULL;
}

static size_t
text_max(const struct gate_batch *b, int field)
{
    if (!b->offered)
        return GATE_TEXT_MAX;
    return field == FIELD_TYPE ? EVENT_TYPE_MAX : EVENT_ID_MAX;
}

static int
check_name(struct gate_batch *b, int field, struct slice s)
{
    const char *name = field_names[field], *flaw;
    size_t most = text_max(b, field);
    if (s.len < 1 || s.len > most)
        return gate_problem(b, GATE_INVALID_EVENT, name, "length",
                            "must be 1 to %zu bytes long, not %zu", most,
                            s.len);
    if ((flaw = gate_text_flaw(s)))
        return gate_problem(b, GATE_INVALID_EVENT, name, "characters", "%s",
                            flaw);
    if (field == FIELD_TYPE && (s.ptr[0] == ' ' || s.ptr[s.len - 1] == ' '))
        return gate_problem(b, GATE_INVALID_EVENT, name, "characters",
                            "begins or ends with a blank");
    return 0;
}

int
gate_event_text(struct gate_batch *b, int field, struct slice s)
{
    struct gate_event *e = &b->event;
    if (seen(e, field))
        return gate_problem(b, GATE_INVALID_EVENT, field_names[field],
                            "duplicate", "comes twice");
    e->late |= e->packed;
    if (field == FIELD_TIMESTAMP) {
        if (time_parse(s.ptr, s.len, &e->ev.timestamp_us))
            return gate_problem(b, GATE_INVALID_EVENT, "timestamp", "format",
                                "is no RFC 3339 time such as "
                                "\"2026-01-31T12:00:00Z\"");
        return 0;
    }
    struct slice *to = field == FIELD_ID    ? &e->ev.id
                       : field == FIELD_KEY ? &e->ev.key
                                            : &e->ev.type;
    /* one that is too long may lie in memory that does not stay */
    *to = s.len > text_max(b, field) ? SLICE("") : s;
    return check_name(b, field, s);
}

static int
pack_head(struct gate_batch *b, struct il_text *out)
{
    struct gate_event *e = &b->event;
    size_t before = out->len;
    /* of the key, it is made again where that came after it was made */
    if ((!e->ev.id.ptr || e->ev.id.ptr == e->made) && make_id(b))
        return -ENOMEM;
    e->ev.flags = (space_of(b) == IDEM_PUBLISHABLE ? EVENT_PUBLISHABLE : 0)
                  | (e->ev.id.ptr == e->made ? EVENT_MADE : 0);
    if (event_pack(out, &e->ev))
        return -ENOMEM;
    e->head = (uint32_t) (out->len - before);
    return 0;
}

int
gate_event_payload(struct gate_batch *b)
{
    struct gate_event *e = &b->event;
    if (seen(e, FIELD_PAYLOAD))
        return gate_problem(b, GATE_INVALID_EVENT, "payload", "duplicate",
                            "comes twice");
    e->packed = 1;
    return pack_head(b, &b->frames);
}

/* Write the envelope anew before a payload that is already in place. */
static int
repack_head(struct gate_batch *b, struct gate_item *item)
{
    uint32_t old = b->event.head;
    size_t payload = b->frames.len - item->frame - old;
    b->head.len = 0;
    if (pack_head(b, &b->head))
        return -ENOMEM;
    uint32_t now = b->event.head;
    if (now > old && text_reserve(&b->frames, now - old))
        return -ENOMEM;
    char *frame = b->frames.data + item->frame;
    memmove(frame + now, frame + old, payload);
    memcpy(frame, b->head.data, now);
    b->frames.len = item->frame + now + payload;
    return 0;
}

static int
check_allowed(struct gate_batch *b)
{
    struct slice type = b->event.ev.type;
    if (!b->sender || gate_sender_may_send(b->sender, type))
        return 0;
    return gate_problem(b, GATE_TYPE, "type", "allowed",
                        "this key may not send events of the type \"%.*s\"",
                        (int) type.len, type.ptr);
}

/* --- the end of an event -------------------------------------------------- */

static int
check_complete(struct gate_batch *b, const struct gate_item *item)
{
    struct gate_event *e = &b->event;
    int err = 0;
    if (!(e->seen & 1u << FIELD_TYPE))
        err = gate_problem(b, GATE_INVALID_EVENT, "type", "required",
                           "is required and missing");
    if (!err && !(e->seen & 1u << FIELD_PAYLOAD))
        err = gate_problem(b, GATE_INVALID_EVENT, "payload", "required",
                           "is required and missing: send an object");
    if (!err && item->state != ITEM_REFUSED
        && b->frames.len - item->frame > b->gate->options.max_event_bytes)
        err = gate_problem(b, GATE_TOO_LARGE, "", "size",
                           "the event takes %zu bytes; %llu are the limit",
                           b->frames.len - item->frame,
                           (unsigned long long)
                               b->gate->options.max_event_bytes);
    return err;
}

void
gate_event_abandon(struct gate_batch *b)
{
    b->frames.len = b->items[b->count - 1].frame;
}

static int
take_key(struct gate_batch *b, struct gate_item *item)
{
    struct gate_event *e = &b->event;
    struct slice key = e->ev.key.ptr ? e->ev.key : e->ev.id;
    item->made = e->ev.id.ptr == e->made;
    item->apart = e->ev.key.ptr != NULL;
    item->keyed = item->apart || !item->made;
    if (!item->keyed)
        return 0;
    enum idem_space space = space_of(b);
    item->key = idem_key(b->gate->options.idem, space, b->source->id, key);
    if (b->source->was.ptr)
        item->key_was =
            idem_key(b->gate->options.idem, space, b->source->was, key);
    /* The next event is parsed while it comes. */
    if (b->gate->options.idem)
        idem_prefetch(b->gate->options.idem, item->key);
    return gate_item_key(b);
}

int
gate_event_end(struct gate_batch *b)
{
    struct gate_event *e = &b->event;
    struct gate_item *item = &b->items[b->count - 1];
    int err = check_complete(b, item);
    if (!err && item->state != ITEM_REFUSED)
        err = check_allowed(b);
    if (!err && item->state != ITEM_REFUSED) {
        uint32_t payload = item->frame + e->head;
        err = gate_check_declared(b, item,
                                  slice_of(b->frames.data + payload,
                                           b->frames.len - payload));
    }
    if (!err && item->state != ITEM_REFUSED && e->late)
        err = repack_head(b, item);
    if (!err && item->state != ITEM_REFUSED)
        err = take_key(b, item);
    if (!err && item->state != ITEM_REFUSED)
        err = event_pack_flags(&b->frames, e->ev.flags);
    if (err || item->state == ITEM_REFUSED) {
        gate_event_abandon(b);
        return err;
    }
    item->len = (uint32_t) b->frames.len - item->frame;
    item->id_len = (uint32_t) e->ev.id.len;
    /* an array head, then the id's own: event.h */
    item->id = item->frame + (item->id_len < 32 ? 2 : 3);
    return 0;
}
