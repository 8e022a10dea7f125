/* SPDX-License-Identifier: MIT */
/* Hostile msgpack: no read past the end, and what msgcur_check() lets in can
 * be written as JSON and read back. */
#include <string.h>

#include "fuzz.h"
#include "codec/event.h"
#include "codec/json.h"

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
    while (msgcur_item(v, &iter, &key, &item)) {
        if (v->type == IL_MAP && key.type == IL_STRING && n < 8)
            CLAIM(msgcur_find(v, key.str, key.len, &found) || !checked);
        if (v->type == IL_ARRAY && n < 8) {
            CLAIM(msgcur_at(v, n, &found));
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
    CLAIM(msgcur_head(&p, p + packed.len, &same) == 0);
    CLAIM(json_write(&again, &same, 0) == 0);
    CLAIM(json.len == again.len);
    CLAIM(memcmp(json.data, again.data, json.len) == 0);

    packed.len = 0;
    CLAIM(msgout_value(&packed, v) == 0);
    CLAIM(msgcur_check(packed.data, packed.len) == 0);
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

    int checked = msgcur_check(bytes, size) == 0;
    int skipped = msgcur_skip(&p, end) == 0;
    int whole = msgcur_value(&q, end, &v) == 0;
    CLAIM(skipped == whole);
    CLAIM(p == q && p >= bytes && p <= end);
    if (checked)
        CLAIM(whole && p == end);
    if (whole) {
        walk(&v, checked, 0);
        json_write(&out, &v, IL_JSON_FOR_POSTGRES);
        msgout_value(&out, &v);
    }
    p = bytes;
    if (msgcur_head(&p, end, &v) == 0) {
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
    struct event_retry mark, same;
    if (size && event_retry(bytes, size, &mark) == 1
        && event_unpack(bytes, size, &e) == 0) {
        out.len = 0;
        CLAIM(event_retry_pack(&out, bytes, size, &mark) == 0);
        CLAIM(event_retry(out.data, out.len, &same) == 1);
        CLAIM(same.letter == mark.letter && same.attempts == mark.attempts
              && slice_equal(same.lane, mark.lane)
              && same.origin.position == mark.origin.position);
        if (mark.origin.position)
            CLAIM(same.origin.set_backs == mark.origin.set_backs
                  && !memcmp(same.origin.spool, mark.origin.spool, 16));
    }
    text_clear(&out);
    return 0;
}
