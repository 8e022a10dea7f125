/* SPDX-License-Identifier: MIT */
/* What is accepted survives: JSON, msgpack, JSON, msgpack are the same.  And
 * all ways to read a text agree on it. */
#include <string.h>

#include "fuzz.h"
#include "codec/json.h"

/* Read step by step what json_value() reads at once. */
static int
walk(struct json_reader *r, struct il_text *scratch)
{
    struct slice s;
    int what = json_peek(r), more, first = 1;

    if (what == '"')
        return json_string(r, scratch, &s);
    if (what != '{' && what != '[')
        return json_skip(r);
    if (json_enter(r))
        return -1;
    while ((more = json_next(r, first)) == 1) {
        if ((what == '{' && json_key(r, scratch, &s)) || walk(r, scratch))
            return -1;
        first = 0;
    }
    return more;
}

static void
compare_readers(const char *json, size_t len, const struct json_error *error)
{
    struct il_text scratch = { 0 };
    struct json_reader r;

    json_open(&r, json, len, 0);
    int skipped = json_skip(&r) == 0 && json_close(&r) == 0;
    if (error->code == JSON_DUPLICATE)
        return;
    CLAIM(skipped == (error->code == JSON_OK));
    CLAIM(r.error.code == error->code);
    CLAIM(r.error.offset == error->offset);

    json_open(&r, json, len, 0);
    int walked = walk(&r, &scratch) == 0 && json_close(&r) == 0;
    CLAIM(walked == skipped);
    CLAIM(r.error.code == error->code);
    CLAIM(r.error.offset == error->offset);
    text_clear(&scratch);
}

/* One text with what was learned from another: it is read as ever. */
static void
claim_unshaped(const char *json, size_t len, struct json_shape *shape)
{
    struct il_text shaped = { 0 }, plain = { 0 };
    struct json_error error;
    struct json_reader r;
    int err = json_to_msgpack(json, len, &plain, &error);
    json_open(&r, json, len, 0);
    r.shape = shape;
    int got = json_value(&r, &shaped);
    if (!got)
        got = json_close(&r);
    CLAIM(got == err);
    CLAIM(r.error.code == error.code && r.error.offset == error.offset);
    CLAIM(err || (shaped.len == plain.len
                  && memcmp(shaped.data, plain.data, plain.len) == 0));
    CLAIM(shape->count <= JSON_SHAPE_KEYS);
    text_clear(&shaped);
    text_clear(&plain);
}

/* The text before the first NUL teaches what is then used for the one after
 * it, and the other way round. */
static void
compare_shaped(const char *json, size_t len)
{
    struct json_shape shape = { .count = 0 };
    const char *nul = memchr(json, 0, len);
    size_t first = nul ? (size_t) (nul - json) : len;
    const char *second = nul ? nul + 1 : json;
    size_t rest = nul ? len - first - 1 : len;
    for (int i = 0; i < 2; i++) {
        claim_unshaped(json, first, &shape);
        claim_unshaped(second, rest, &shape);
    }
}

static int64_t
write_whole(const struct il_text *packed, struct il_text *out, uint32_t flags)
{
    const char *p = packed->data;
    struct il_value v;

    CLAIM(msg_value(&p, p + packed->len, &v) == 0);
    CLAIM(p == packed->data + packed->len);
    out->len = 0;
    return json_write(out, &v, flags);
}

static void
claim_same(const struct il_text *a, const struct il_text *b)
{
    CLAIM(a->len == b->len);
    CLAIM(memcmp(a->data, b->data, a->len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct il_text packed = { 0 }, json = { 0 }, again = { 0 };
    struct json_error error;
    int err = json_to_msgpack((const char *) data, size, &packed, &error);

    CLAIM((err == 0) == (error.code == JSON_OK));
    CLAIM(error.offset <= size);
    compare_readers((const char *) data, size, &error);
    if (size)
        compare_shaped((const char *) data, size);
    if (err == 0) {
        CLAIM(packed.len <= size + size / 2 + 2);
        CLAIM(msg_check(packed.data, packed.len) == 0);
        CLAIM(write_whole(&packed, &json, 0) == 0);
        CLAIM(json_to_msgpack(json.data, json.len, &again, NULL) == 0);
        claim_same(&packed, &again);

        /* What Postgres gets is JSON without what it cannot hold, unless two
         * keys have become one. */
        CLAIM(write_whole(&packed, &json, IL_JSON_FOR_POSTGRES) >= 0);
        again.len = 0;
        err = json_to_msgpack(json.data, json.len, &again, &error);
        CLAIM(err == 0 || error.code == JSON_DUPLICATE);
        if (err == 0) {
            CLAIM(write_whole(&again, &packed, IL_JSON_FOR_POSTGRES) == 0);
            claim_same(&packed, &json);
        }
    } else {
        CLAIM(packed.len == 0);
        CLAIM(error.message[0]);
    }
    text_clear(&packed);
    text_clear(&json);
    text_clear(&again);
    return 0;
}
