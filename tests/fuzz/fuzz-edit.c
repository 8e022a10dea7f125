/* SPDX-License-Identifier: MIT */
/* Fields of a payload that are set and removed.  The input is text, in parts
 * that end with NUL: the payload as JSON, and then, in turn, a reference and
 * the JSON of its value; none: it is removed. */
#include "fuzz.h"

#include "codec/batch.h"
#include "codec/json.h"
#include "codec/msg_pack.h"
#include "codec/msg_read.h"
#include "lang/place.h"

#include <errno.h>
#include <string.h>

static struct slice
next_part(const char **p, const char *end)
{
    const char *begin = *p, *stop = memchr(begin, 0, (size_t) (end - begin));
    *p = stop ? stop + 1 : end;
    return slice_of(begin, (size_t) ((stop ? stop : end) - begin));
}

static struct il_value
view(struct slice bytes)
{
    const char *p = bytes.ptr;
    struct il_value v;
    CLAIM(!msg_value(&p, p + bytes.len, &v) && p == bytes.ptr + bytes.len);
    return v;
}

/* The next pair of another key than this one: its bytes. */
static struct slice
next_other(const char **p, const char *end, struct slice key)
{
    while (*p < end) {
        const char *begin = *p;
        struct il_value k;
        CLAIM(!msg_value(p, end, &k) && !msg_skip(p, end));
        if (!slice_equal(slice_of(k.str, k.len), key))
            return slice_of(begin, (size_t) (*p - begin));
    }
    return slice_of(NULL, 0);
}

/* All fields but the first of the path are what they were, byte for byte. */
static void
claim_neighbours(struct slice before, struct slice after, struct slice key)
{
    struct il_value a = view(before), b = view(after);
    const char *p = a.str, *q = b.str;
    struct slice x, y;
    CLAIM(b.type == IL_MAP);
    do {
        x = next_other(&p, before.ptr + before.len, key);
        y = next_other(&q, after.ptr + after.len, key);
        CLAIM(slice_equal(x, y));
    } while (x.ptr && y.ptr);
}

static void
claim_value(const struct batch_event *e, struct slice where,
            const struct il_value *want)
{
    struct il_text a = { 0 }, b = { 0 };
    struct lang_error error;
    struct il_field *field;
    struct il_value got;
    CLAIM(!ref_parse(where.ptr, where.len, REF_ROOTED, &field, &error));
    CLAIM(ref_get(field, e, &got) == (want != NULL));
    if (want) {
        json_write(&a, want, 0);
        json_write(&b, &got, 0);
        CLAIM(slice_equal(slice_of(a.data, a.len), slice_of(b.data, b.len)));
    }
    ref_free(field);
    text_clear(&a);
    text_clear(&b);
}

static void
edit(struct il_batch *b, struct slice where, struct slice json)
{
    const struct batch_event *e = &b->events[0];
    struct il_text before = { 0 }, bytes = { 0 };
    struct json_error wrong;
    struct lang_error error;
    struct il_place *place;
    struct il_value v;
    if (place_parse(where.ptr, where.len, &place, &error))
        return;
    CLAIM(!text_put(&before, e->ev.payload.ptr, e->ev.payload.len));
    struct slice was = slice_of(before.data, before.len);
    if (!json.len) {
        int r = batch_remove(b, 0, place->parts, place->count);
        CLAIM(r == 0 || r == 1);
        if (!r)
            CLAIM(slice_equal(was, e->ev.payload));
        else if (place->parts[place->count - 1].key)
            claim_value(e, where, NULL);
    } else if (!json_to_msgpack(json.ptr, json.len, &bytes, &wrong)) {
        v = view(slice_of(bytes.data, bytes.len));
        int r = batch_set(b, 0, place->parts, place->count, &v);
        CLAIM(r == 0 || r == -ENOTDIR || r == -ERANGE || r == -EINVAL);
        if (r)
            CLAIM(slice_equal(was, e->ev.payload));
        else
            claim_value(e, where, &v);
    }
    CLAIM(!msg_check(e->ev.payload.ptr, e->ev.payload.len));
    claim_neighbours(was, e->ev.payload,
                     slice_of(place->parts[0].key, place->parts[0].len));
    place_free(place);
    text_clear(&before);
    text_clear(&bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *) data, *end = p + size;
    struct il_text payload = { 0 }, body = { 0 };
    struct json_error error;
    struct slice json = next_part(&p, end);
    struct il_batch *b = batch_new();
    CLAIM(b);
    if (!json_to_msgpack(json.ptr, json.len, &payload, &error)
        && view(slice_of(payload.data, payload.len)).type == IL_MAP) {
        struct event ev = { .id = SLICE("e"),
                            .type = SLICE("t"),
                            .source_id = SLICE("s"),
                            .timestamp_us = EVENT_NO_TIME,
                            .payload = slice_of(payload.data, payload.len) };
        CLAIM(!event_pack(&body, &ev));
        CLAIM(!batch_add(b, 1, body.data, body.len));
        while (p < end) {
            struct slice where = next_part(&p, end);
            edit(b, where, next_part(&p, end));
        }
    }
    text_clear(&payload);
    text_clear(&body);
    batch_free(b);
    return 0;
}
