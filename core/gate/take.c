/* SPDX-License-Identifier: MIT */
/* Events that a source has taken apart itself. */
#include "private.h"

#include "base/api.h"

#include <errno.h>
#include <string.h>

static int
take_payload(struct gate_batch *b, const struct il_event *from)
{
    struct json_reader r;
    int err = gate_event_payload(b);
    if (err)
        return err;
    if (from->encoding == IL_MSGPACK) {
        struct il_value v;
        const char *p = from->payload;
        if (msg_check(from->payload, from->payload_len)
            || msg_head(&p, p + from->payload_len, &v) || v.type != IL_MAP)
            return gate_problem(b, GATE_INVALID_EVENT, "payload", "type",
                                "is no msgpack map that an event can hold");
        return text_put(&b->frames, from->payload, from->payload_len);
    }
    json_open(&r, from->payload, from->payload_len,
              b->gate->options.depth_max);
    int c = json_peek(&r);
    if (c == '{' && !(err = json_value(&r, &b->frames)))
        err = json_close(&r);
    if (err == -ENOMEM)
        return err;
    if (r.error.code)
        return gate_problem(b, GATE_BAD_JSON, "payload", "json",
                            "is not valid JSON: %s (byte %zu)",
                            r.error.message, r.error.offset);
    if (c != '{')
        return gate_problem(b, GATE_INVALID_EVENT, "payload", "type",
                            "expected an object");
    return 0;
}

/* The source itself found it wrong. */
static int
take_refused(struct gate_batch *b, const struct il_reason *from)
{
    struct il_reason why;
    gate_event_abandon(b);
    if (api_copy(&why, sizeof(why), from, API_REASON_1_0) || !why.code
        || !why.message)
        why = (struct il_reason){ .code = "rejected",
                                  .message = "the plugin gave no readable "
                                             "reason" };
    return gate_problem(b, GATE_INVALID_EVENT, why.field ? why.field : "",
                        why.rule ? why.rule : why.code, "%s", why.message);
}

static int
take_event(struct gate_batch *b, const struct il_event *from)
{
    int err = gate_event_begin(b);
    if (!err && from->refused)
        return take_refused(b, from->refused);
    if (!err && from->id)
        err = gate_event_text(b, FIELD_ID, slice_of(from->id, from->id_len));
    if (!err && from->key)
        err = gate_event_text(b, FIELD_KEY,
                              slice_of(from->key, from->key_len));
    if (!err && from->type)
        err = gate_event_text(b, FIELD_TYPE,
                              slice_of(from->type, from->type_len));
    if (!err && from->timestamp)
        err = gate_event_text(b, FIELD_TIMESTAMP,
                              slice_of(from->timestamp, from->timestamp_len));
    if (!err && from->payload)
        err = take_payload(b, from);
    uint32_t upserts = b->upsert_count;
    if (!err && from->upsert_count)
        err = gate_upsert_take(b, from);
    if (!err)
        err = gate_event_end(b);
    if (b->items[b->count - 1].state == ITEM_REFUSED)
        b->upsert_count = upserts;
    return err;
}

static int
fits(const void *element, size_t stride, size_t minimum)
{
    uint32_t size;
    memcpy(&size, element, sizeof(size));
    return stride >= minimum && size >= minimum;
}

int
gate_offer_fits(const struct il_event *events, size_t n, size_t stride)
{
    const char *at = (const char *) events;
    for (size_t i = 0; i < n; i++, at += stride) {
        if (!fits(at, stride, API_EVENT_1_0))
            return 0;
        const struct il_event *e = (const void *) at;
        const char *upsert = (const char *) e->upserts;
        for (size_t k = 0; k < e->upsert_count; k++, upsert += e->upsert_size)
            if (!fits(upsert, e->upsert_size, API_UPSERT_1_0))
                return 0;
    }
    return 1;
}

int
gate_take(struct gate_batch *b, const struct il_event *events, size_t n,
          size_t stride)
{
    b->offered = events;
    b->offered_size = stride;
    if (!n && !b->marking)
        return gate_refuse_body(b, 400, GATE_NO_EVENTS,
                                "there are no events in the body");
    for (size_t i = 0; i < n; i++) {
        struct il_event event;
        if (api_copy_at(&event, sizeof(event), events, i, stride,
                        API_EVENT_1_0)) {
            b->fault = "an event's struct_size is wrong";
            return gate_refuse_body(b, 500, GATE_OTHER, "%s", b->fault);
        }
        int err = take_event(b, &event);
        if (!err && b->frames_max && b->frames.len > b->frames_max)
            err = -EMSGSIZE;
        if (err)
            return err;
    }
    return 0;
}
