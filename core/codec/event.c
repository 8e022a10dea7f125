/* SPDX-License-Identifier: MIT */
/* A frame's body, as event.h lays it out, and the event as JSON.  Bodies are
 * read for every event of every lane, hence the short ways for the forms that
 * event_pack() writes; others are read as well. */
#include "event.h"

#include <endian.h>

#include "private.h"

#define HEADS_MAX (1 + 4 * 5 + 2 * 9) /* array, four strings, two times */

int
event_pack(struct il_text *out, const struct event *e)
{
    size_t room = HEADS_MAX + e->id.len + e->type.len + e->source_id.len
                  + e->key.len + e->payload.len;
    if (text_reserve(out, room))
        return -ENOMEM;

    char *o = out->data + out->len;
    msg_put_array(&o, EVENT_MEMBERS + (e->flags != 0));
    msg_put_text(&o, e->id.ptr, e->id.len);
    msg_put_text(&o, e->type.ptr, e->type.len);
    msg_put_text(&o, e->source_id.ptr, e->source_id.len);
    msg_put_int64(&o, e->received_us);
    if (e->timestamp_us == EVENT_NO_TIME)
        msg_put_nil(&o);
    else
        msg_put_int64(&o, e->timestamp_us);
    if (e->key.ptr)
        msg_put_text(&o, e->key.ptr, e->key.len);
    else
        msg_put_nil(&o);
    msg_put_bytes(&o, e->payload.ptr, e->payload.len);
    out->len = (size_t) (o - out->data);
    return e->payload.len ? event_pack_flags(out, e->flags) : 0;
}

int
event_pack_flags(struct il_text *out, uint32_t flags)
{
    return flags ? text_putc(out, (char) (flags & 0x7f)) : 0;
}

int
event_unpack_flags(const char **p, const char *end, uint32_t *out)
{
    const char *at = *p;
    struct il_value v;
    if (at == end || msg_head(&at, end, &v)
        || (v.type != IL_INT && v.type != IL_UINT))
        return 0;
    *out = (uint32_t) v.num.u;
    *p = at;
    return 1;
}

static int
read_str(const char **p, const char *end, struct slice *out)
{
    struct il_value v;
    if (msg_head(p, end, &v) || v.type != IL_STRING)
        return -EINVAL;
    *out = slice_of(v.str, v.len);
    return 0;
}

/* nil, where it is allowed, leaves *out alone. */
static int
read_time(const char **p, const char *end, int optional, int64_t *out)
{
    struct il_value v;
    if (end - *p > 8 && (unsigned char) **p == 0xcf && !((*p)[1] & 0x80)) {
        uint64_t us; /* as they are written */
        memcpy(&us, *p + 1, 8);
        *out = (int64_t) be64toh(us);
        *p += 9;
        return 0;
    }
    if (msg_head(p, end, &v))
        return -EINVAL;
    if (v.type == IL_INT)
        *out = v.num.i;
    else if (!optional || v.type != IL_NULL)
        return -EINVAL;
    return 0;
}

/* The payload, which is all that is left unless more members follow. */
static int
read_payload(const char *p, const char *end, uint32_t members, struct event *e)
{
    const char *start = p, *after = p;
    struct il_value v;

    if (msg_head(&p, end, &v) || v.type != IL_MAP)
        return -EINVAL;
    if (members > EVENT_MEMBERS) {
        if (msg_skip(&after, end))
            return -EINVAL;
        e->payload = slice_of(start, (size_t) (after - start));
        event_unpack_flags(&after, end, &e->flags);
        return 0;
    }
    e->payload = slice_of(start, (size_t) (end - start));
    return 0;
}

int
event_unpack(const char *body, size_t len, struct event *e)
{
    const char *p = body, *end = body + len;
    struct il_value v;

    *e = (struct event){ .timestamp_us = EVENT_NO_TIME };
    if (msg_head(&p, end, &v) || v.type != IL_ARRAY || v.count < EVENT_MEMBERS)
        return -EINVAL;
    if (read_str(&p, end, &e->id) || read_str(&p, end, &e->type)
        || read_str(&p, end, &e->source_id)
        || read_time(&p, end, 0, &e->received_us)
        || read_time(&p, end, 1, &e->timestamp_us))
        return -EINVAL;
    if (p < end && (unsigned char) *p == 0xc0)
        p++;
    else if (read_str(&p, end, &e->key))
        return -EINVAL;
    return read_payload(p, end, v.count, e);
}

void
event_members(struct json_out *o, const struct event *e)
{
    const char *p = e->payload.ptr;
    struct il_value payload;
    json_out_said(o, msg_head(&p, p + e->payload.len, &payload));
    json_out_slice(o, "id", e->id);
    json_out_slice(o, "type", e->type);
    json_out_slice(o, "source_id", e->source_id);
    json_out_time(o, "received_at", e->received_us);
    if (e->timestamp_us != EVENT_NO_TIME)
        json_out_time(o, "timestamp", e->timestamp_us);
    json_out_value(o, "payload", &payload);
}

int
event_json(struct il_text *out, const struct event *e)
{
    size_t before = out->len;
    struct json_out o;
    json_out_begin(&o, out);
    json_out_object(&o, NULL);
    event_members(&o, e);
    json_out_end(&o);
    int err = json_out_done(&o);
    if (err)
        out->len = before;
    return err;
}

/* Crockford's digits: 5 bits each, most significant first. */
static void
put_base32(char *out, size_t digits, uint64_t v)
{
    static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    while (digits--) {
        out[digits] = alphabet[v & 31];
        v >>= 5;
    }
}

static uint64_t
read_bytes(const uint8_t *bytes, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | bytes[i];
    return v;
}

/* 48 bits, and 80. */
static void
put_id(char out[EVENT_MADE_ID], uint64_t high, const uint8_t low[10])
{
    __builtin_memcpy(out, "evt_", 4);
    put_base32(out + 4, 10, high);
    put_base32(out + 14, 8, read_bytes(low, 5));
    put_base32(out + 22, 8, read_bytes(low + 5, 5));
}

void
event_make_id(char out[EVENT_MADE_ID], int64_t received_us,
              const uint8_t random[10])
{
    uint64_t ms = received_us > 0 ? (uint64_t) received_us / 1000 : 0;
    put_id(out, ms & 0xffffffffffff, random);
}

void
event_id_of(char out[EVENT_MADE_ID], const uint8_t bits[16])
{
    put_id(out, read_bytes(bits, 6), bits + 6);
}
