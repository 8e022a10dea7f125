/* SPDX-License-Identifier: MIT */
/* Hostile msgpack: no read past the end, and what msg_check() lets in can
 * be written as JSON and read back. */
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "codec/event.h"
#include "codec/json.h"
#include "codec/msg_pack.h"

/* Walk everything, each way there is.  Unchecked maps may have anything for
 * keys, and then nothing is found behind it. */
static void
walk(const struct il_value *v, int checked, int depth)
{
    struct il_value key, item, found;
    size_t iter = 0;
    uint32_t n = 0;

    if ((v->type != IL_MAP && v->type != IL_ARRAY) || depth == MSG_DEPTH_MAX)
        return;
    while (msg_item(v, &iter, &key, &item)) {
        if (v->type == IL_MAP && key.type == IL_STRING && n < 8)
            CLAIM(msg_find(v, key.str, key.len, &found) || !checked);
        if (v->type == IL_ARRAY && n < 8) {
            CLAIM(msg_at(v, n, &found));
            CLAIM(found.type == item.type);
        }
        CLAIM(++n <= v->count);
        walk(&item, checked, depth + 1);
    }
}

static void
check_json(const struct il_value *v)
{
    struct il_text json = { 0 }, packed = { 0 }, again = { 0 };
    struct il_value same;

    CLAIM(json_write(&json, v, 0) == 0);
    CLAIM(json_to_msgpack(json.data, json.len, &packed, NULL) == 0);
    const char *p = packed.data;
    CLAIM(msg_head(&p, p + packed.len, &same) == 0);
    CLAIM(json_write(&again, &same, 0) == 0);
    CLAIM(json.len == again.len);
    CLAIM(memcmp(json.data, again.data, json.len) == 0);

    packed.len = 0;
    CLAIM(msg_pack_value(&packed, v) == 0);
    CLAIM(msg_check(packed.data, packed.len) == 0);
    text_clear(&json);
    text_clear(&packed);
    text_clear(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *) data, *end = bytes + size;
    const char *p = bytes, *q = bytes;
    struct il_text out = { 0 };
    struct il_value v;
    struct event e;

    int checked = msg_check(bytes, size) == 0;
    int skipped = msg_skip(&p, end) == 0;
    int whole = msg_value(&q, end, &v) == 0;
    CLAIM(skipped == whole);
    CLAIM(p == q && p >= bytes && p <= end);
    if (checked)
        CLAIM(whole && p == end);
    if (whole) {
        walk(&v, checked, 0);
        json_write(&out, &v, IL_JSON_FOR_POSTGRES);
        msg_pack_value(&out, &v);
    }
    p = bytes;
    if (msg_head(&p, end, &v) == 0) {
        walk(&v, checked, 0);
        json_write(&out, &v, 0);
    }
    if (checked)
        check_json(&v);
    out.len = 0;
    if (event_unpack(bytes, size, &e) == 0 && event_json(&out, &e) == 0) {
        out.len = 0;
        CLAIM(event_pack(&out, &e) == 0);
    }
    struct event_marks marks;
    struct event_mark one;
    size_t iter = 0;
    if (event_marks_unpack(bytes, size, &marks) == 0) {
        CLAIM(event_unpack(bytes, size, &e) == -EINVAL);
        out.len = 0;
        while (event_marks_next(&marks, &iter, &one))
            CLAIM(event_marks_add(&out, &one) == 0);
        CLAIM(iter >> 32 == marks.list.count);
    }
    text_clear(&out);
    return 0;
}
