/* SPDX-License-Identifier: MIT */
/* Fields that steps set and remove, against a model; and indexes past the end
 * of a batch. */
#include "base/api.h"
#include "base/log.h"
#include "codec/batch.h"
#include "codec/json.h"
#include "codec/msg_pack.h"
#include "codec/msg_read.h"
#include "host/api.h"
#include "lang/expr.h"
#include "lang/place.h"
#include "lang/row.h"
#include "lang/template.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct il_batch *batch;
static struct il_text frame;

static void
add(const char *json)
{
    struct il_text payload = { 0 };
    struct json_error error;
    ck_assert_int_eq(json_to_msgpack(json, strlen(json), &payload, &error), 0);
    struct event ev = { .id = SLICE("evt_1"),
                        .type = SLICE("feature.used"),
                        .source_id = SLICE("app"),
                        .received_us = 1000,
                        .timestamp_us = EVENT_NO_TIME,
                        .payload = slice_of(payload.data, payload.len) };
    frame.len = 0;
    ck_assert_int_eq(event_pack(&frame, &ev), 0);
    batch_clear(batch);
    ck_assert_int_eq(batch_add(batch, 7, frame.data, frame.len), 0);
    batch_enter(batch, BATCH_IN_STEP, NULL);
    text_clear(&payload);
}

static void
setup(void)
{
    host_api_init();
    batch = batch_new();
    ck_assert_ptr_nonnull(batch);
}

static void
teardown(void)
{
    batch_free(batch);
    text_clear(&frame);
}

static struct il_place *
place(const char *text)
{
    struct lang_error error;
    struct il_place *p;
    int err = place_parse(text, strlen(text), &p, &error);
    ck_assert_msg(!err, "%s: %s", text, error.message);
    return p;
}

static struct il_value
payload_value(void)
{
    const struct slice s = batch->events[0].ev.payload;
    struct il_value v;
    const char *p = s.ptr;
    ck_assert_int_eq(msg_check(s.ptr, s.len), 0);
    ck_assert_int_eq(msg_value(&p, s.ptr + s.len, &v), 0);
    ck_assert_ptr_eq(p, s.ptr + s.len);
    return v;
}

static void
expect_payload(const char *want)
{
    struct il_text out = { 0 };
    struct il_value v = payload_value();
    ck_assert_int_ge(json_write(&out, &v, 0), 0);
    ck_assert_str_eq(text_str(&out), want);
    text_clear(&out);
}

/* NULL: remove. */
static int
edit(const char *where, const char *json)
{
    struct il_place *p = place(where);
    struct il_text bytes = { 0 };
    struct il_value v = { .type = IL_MISSING };
    int err;
    if (json) {
        struct json_error error;
        const char *at;
        ck_assert_int_eq(json_to_msgpack(json, strlen(json), &bytes, &error),
                         0);
        at = bytes.data;
        ck_assert_int_eq(msg_value(&at, at + bytes.len, &v), 0);
    }
    err = json ? il_set(batch, 0, p, &v) : il_remove(batch, 0, p);
    text_clear(&bytes);
    place_free(p);
    return err;
}

START_TEST(fields_are_set_and_removed)
{
    static const struct {
        const char *before, *place, *json;
        int result;
        const char *after;
    } cases[] = {
        { "{\"a\":1,\"b\":2}", "a", "3", 0, "{\"a\":3,\"b\":2}" },
        { "{\"a\":1,\"b\":2}", "c", "3", 0, "{\"a\":1,\"b\":2,\"c\":3}" },
        { "{}", "a.b.c", "null", 0, "{\"a\":{\"b\":{\"c\":null}}}" },
        { "{\"a\":{}}", "a.b", "[1,{}]", 0, "{\"a\":{\"b\":[1,{}]}}" },
        { "{\"n\":1.10,\"m\":1e400,\"a\":\"x\",\"o\":123456789012345678901,"
          "\"z\":-0}",
          "a", "{\"y\":0.10}", 0,
          "{\"n\":1.10,\"m\":1e400,\"a\":{\"y\":0.10},"
          "\"o\":123456789012345678901,\"z\":-0}" },
        { "{\"a\":1}", "a.b", "2", -ENOTDIR, "{\"a\":1}" },
        { "{\"a\":null}", "a.b", "2", -ENOTDIR, "{\"a\":null}" },
        { "{\"a\":[]}", "a.b", "2", -ENOTDIR, "{\"a\":[]}" },
        { "{\"a\":{}}", "a[0]", "2", -ENOTDIR, "{\"a\":{}}" },
        { "{\"a\":[1,2]}", "a[0]", "3", 0, "{\"a\":[3,2]}" },
        { "{\"a\":[1,2]}", "a[-1]", "\"\"", 0, "{\"a\":[1,\"\"]}" },
        { "{\"a\":[1,2]}", "a[2]", "3", -ERANGE, "{\"a\":[1,2]}" },
        { "{\"a\":[1,2]}", "a[-3]", "3", -ERANGE, "{\"a\":[1,2]}" },
        { "{}", "a[0]", "3", -ERANGE, "{}" },
        { "{\"a\":[{\"s\":1}]}", "a[0].t.u", "true", 0,
          "{\"a\":[{\"s\":1,\"t\":{\"u\":true}}]}" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "b", NULL, 1, "{\"a\":1,\"c\":3}" },
        { "{\"a\":{\"b\":[1,2,3]}}", "a.b[-2]", NULL, 1,
          "{\"a\":{\"b\":[1,3]}}" },
        { "{\"a\":{\"b\":1}}", "a.b", NULL, 1, "{\"a\":{}}" },
        { "{\"a\":1}", "b", NULL, 0, "{\"a\":1}" },
        { "{\"a\":1}", "a.b", NULL, 0, "{\"a\":1}" },
        { "{\"a\":[]}", "a[0]", NULL, 0, "{\"a\":[]}" },
        { "{\"a\":[1,2]}", "a.x", NULL, 0, "{\"a\":[1,2]}" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char where[64];
        snprintf(where, sizeof where, "$event.payload.%s", cases[i].place);
        add(cases[i].before);
        ck_assert_int_eq(edit(where, cases[i].json), cases[i].result);
        expect_payload(cases[i].after);
    }
}
END_TEST

START_TEST(what_no_event_can_hold_is_refused)
{
    struct il_place *a = place("$event.a");
    char deep[2 * MSG_DEPTH_MAX + 3];
    struct il_value v = { .type = IL_MISSING };
    add("{\"a\":1}");
    ck_assert_int_eq(il_set(batch, 0, a, &v), -EINVAL);
    v.type = IL_TIME + 1;
    ck_assert_int_eq(il_set(batch, 0, a, &v), -EINVAL);
    ck_assert_int_eq(il_set_str(batch, 0, a, "\xff", 1), -EINVAL);
    v = (struct il_value){ .type = IL_DECIMAL, .str = "1.", .len = 2 };
    ck_assert_int_eq(il_set(batch, 0, a, &v), -EINVAL);
    v = (struct il_value){
        .type = IL_ARRAY, .count = 2, .str = "\1", .len = 1
    };
    ck_assert_int_eq(il_set(batch, 0, a, &v), -EINVAL);
    v = (struct il_value){
        .type = IL_MAP, .count = 2, .str = "\xa1k\1\xa1k\2", .len = 6
    };
    ck_assert_int_eq(il_set(batch, 0, a, &v), -EINVAL);
    expect_payload("{\"a\":1}");

    memset(deep, '[', MSG_DEPTH_MAX - 1);
    memset(deep + MSG_DEPTH_MAX - 1, ']', MSG_DEPTH_MAX - 1);
    deep[2 * MSG_DEPTH_MAX - 2] = 0;
    ck_assert_int_eq(edit("$event.a", deep), 0);
    add("{\"a\":1}");
    ck_assert_int_eq(edit("$event.b.c", deep), -EINVAL);
    expect_payload("{\"a\":1}");
    place_free(a);
}
END_TEST

START_TEST(a_time_becomes_text)
{
    struct il_place *a = place("$event.a");
    struct il_value v = { .type = IL_TIME, .num.i = 1500000 };
    add("{}");
    ck_assert_int_eq(il_set(batch, 0, a, &v), 0);
    expect_payload("{\"a\":\"1970-01-01T00:00:01.500Z\"}");
    place_free(a);
}
END_TEST

START_TEST(a_view_of_the_same_event_may_be_set)
{
    struct il_place *a = place("$event.a"), *inner = place("$event.a.b");
    struct lang_error error;
    struct il_field *f;
    struct il_value v;
    add("{\"a\":{\"b\":[1.50,2]},\"c\":\"text\"}");
    ck_assert_int_eq(ref_parse("$event.a", 8, REF_ROOTED, &f, &error), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(il_get(batch, 0, f, &v), 1);
        ck_assert_int_eq(il_set(batch, 0, inner, &v), 0);
    }
    expect_payload("{\"a\":{\"b\":{\"b\":{\"b\":{\"b\":[1.50,2]}}}},"
                   "\"c\":\"text\"}");
    ref_free(f);
    ck_assert_int_eq(ref_parse("$event.a.b.b", 12, REF_ROOTED, &f, &error), 0);
    ck_assert_int_eq(il_get(batch, 0, f, &v), 1);
    ck_assert_int_eq(il_set(batch, 0, a, &v), 0);
    expect_payload("{\"a\":{\"b\":{\"b\":[1.50,2]}},\"c\":\"text\"}");
    ref_free(f);
    place_free(a);
    place_free(inner);
}
END_TEST

/* A container's head has four, 16 or 32 bits for its number of items. */
START_TEST(heads_grow_with_what_they_count)
{
    static const uint32_t sizes[] = { 0, 14, 15, 16, 65534, 65535, 65536 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct il_text bytes = { 0 };
        char name[24];
        msg_pack_map(&bytes, sizes[i]);
        for (uint32_t k = 0; k < sizes[i]; k++) {
            int n = snprintf(name, sizeof name, "k%u", k);
            msg_pack_str(&bytes, name, (size_t) n);
            msg_pack_uint(&bytes, k);
        }
        add("{}");
        ck_assert_int_eq(
            il_set_payload(batch, 0, IL_MSGPACK, bytes.data, bytes.len), 0);
        for (uint32_t k = 1; k <= 2; k++) {
            snprintf(name, sizeof name, "$event.x%u", k);
            ck_assert_int_eq(edit(name, "[]"), 0);
            ck_assert_uint_eq(payload_value().count, sizes[i] + k);
        }
        ck_assert_int_eq(edit("$event.x1", NULL), 1);
        ck_assert_int_eq(edit("$event.x2", NULL), 1);
        ck_assert_uint_eq(payload_value().count, sizes[i]);
        ck_assert_uint_ge(batch->events[0].ev.payload.len, bytes.len);
        text_clear(&bytes);
    }
}
END_TEST

/* --- random edits --------------------------------------------------------- */

struct node {
    char kind;  /* 'o', 'a', or 's': text */
    char *text; /* of a scalar, as JSON */
    uint32_t count;
    struct {
        char *key;
        struct node *value;
    } items[24];
};

static struct node *
node_new(char kind)
{
    struct node *n = calloc(1, sizeof *n);
    ck_assert_ptr_nonnull(n);
    n->kind = kind;
    return n;
}

static void
node_free(struct node *n)
{
    for (uint32_t i = 0; i < n->count; i++) {
        free(n->items[i].key);
        node_free(n->items[i].value);
    }
    free(n->text);
    free(n);
}

static struct node *
node_of(const struct il_value *v)
{
    struct node *n = node_new(v->type == IL_MAP     ? 'o'
                              : v->type == IL_ARRAY ? 'a'
                                                    : 's');
    struct il_value key, value;
    if (n->kind == 's') {
        struct il_text out = { 0 };
        ck_assert_int_ge(json_write(&out, v, 0), 0);
        n->text = strdup(text_str(&out));
        text_clear(&out);
        return n;
    }
    for (size_t iter = 0; msg_item(v, &iter, &key, &value); n->count++) {
        ck_assert_uint_lt(n->count, 24);
        if (n->kind == 'o')
            n->items[n->count].key = strndup(key.str, key.len);
        n->items[n->count].value = node_of(&value);
    }
    return n;
}

static void
node_write(const struct node *n, struct il_text *out)
{
    if (n->kind == 's') {
        text_puts(out, n->text);
        return;
    }
    text_putc(out, n->kind == 'o' ? '{' : '[');
    for (uint32_t i = 0; i < n->count; i++) {
        if (i)
            text_putc(out, ',');
        if (n->kind == 'o')
            text_printf(out, "\"%s\":", n->items[i].key);
        node_write(n->items[i].value, out);
    }
    text_putc(out, n->kind == 'o' ? '}' : ']');
}

/* Which item a part names: its number, count (a key that is not there), or a
 * negative errno. */
static int
node_find(const struct node *n, const struct batch_part *part)
{
    if (n->kind != (part->key ? 'o' : 'a'))
        return -ENOTDIR;
    int64_t i = part->index < 0 ? part->index + n->count : part->index;
    if (!part->key)
        return i < 0 || i >= n->count ? -ERANGE : (int) i;
    for (uint32_t k = 0; k < n->count; k++)
        if (strlen(n->items[k].key) == part->len
            && !memcmp(n->items[k].key, part->key, part->len))
            return (int) k;
    return (int) n->count;
}

static int
node_set(struct node *n, const struct batch_part *part, uint32_t parts,
         struct node *value)
{
    int i = node_find(n, part);
    if (i < 0)
        return i;
    if (i < (int) n->count) {
        if (parts > 1)
            return node_set(n->items[i].value, part + 1, parts - 1, value);
        node_free(n->items[i].value);
        n->items[i].value = value;
        return 0;
    }
    for (uint32_t k = 1; k < parts; k++)
        if (!part[k].key)
            return -ERANGE;
    for (uint32_t k = parts; k > 1; k--) {
        struct node *map = node_new('o');
        map->items[map->count++].key =
            strndup(part[k - 1].key, part[k - 1].len);
        map->items[0].value = value;
        value = map;
    }
    ck_assert_uint_lt(n->count, 24);
    n->items[n->count].key = strndup(part->key, part->len);
    n->items[n->count++].value = value;
    return 0;
}

static int
node_remove(struct node *n, const struct batch_part *part, uint32_t parts)
{
    int i = node_find(n, part);
    if (i < 0 || i == (int) n->count)
        return 0;
    if (parts > 1)
        return node_remove(n->items[i].value, part + 1, parts - 1);
    free(n->items[i].key);
    node_free(n->items[i].value);
    n->count--;
    memmove(&n->items[i], &n->items[i + 1],
            (n->count - (uint32_t) i) * sizeof n->items[0]);
    return 1;
}

static uint32_t seed = 1;

static uint32_t
below(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

static void
random_place(char *out, size_t size)
{
    static const char *const parts[] = {
        ".a",        ".b",  ".c",
        ".d",        "[0]", "[1]",
        "[-1]",      "[3]", ".a_name_that_is_longer_than_thirty_one_bytes",
        "[\"x y\"]", ".e",  ".f",
        ".g",        ".h",  ".i",
        ".j",        ".k",  ".l",
        ".m",        ".n",  ".o",
        ".p"
    };
    size_t len =
        (size_t) snprintf(out, size, "$event.payload%s", parts[below(4)]);
    for (uint32_t n = below(4); n; n--)
        len += (size_t) snprintf(out + len, size - len, "%s",
                                 parts[below(sizeof parts / sizeof *parts)]);
}

START_TEST(random_edits_are_those_of_the_model)
{
    static const char *const values[] = {
        "1",
        "-1",
        "1.10",
        "1e400",
        "123456789012345678901234",
        "null",
        "true",
        "\"\"",
        "\"text\"",
        "{}",
        "[]",
        "[1,2.50,{\"a\":[]}]",
        "{\"a\":{\"b\":[0.10,1]},\"c\":-0}",
        "\"a text of more than thirty-one bytes, which has a longer head\""
    };
    struct node *model = node_new('o');
    struct il_text want = { 0 };
    char where[256];
    add("{}");
    for (int n = 0; n < 10000; n++) {
        random_place(where, sizeof where);
        struct il_place *p = place(where);
        int got, expected;
        if (batch->events[0].ev.payload.len > 4000) { /* begin anew */
            add("{}");
            node_free(model);
            model = node_new('o');
        }
        if (below(3)) {
            const char *json = values[below(sizeof values / sizeof *values)];
            struct il_text bytes = { 0 };
            struct json_error error;
            struct il_value v;
            if (below(4)) {
                json_to_msgpack(json, strlen(json), &bytes, &error);
                const char *at = bytes.data;
                ck_assert_int_eq(msg_value(&at, at + bytes.len, &v), 0);
            } else { /* what is there, somewhere */
                const struct slice all = batch->events[0].ev.payload;
                const char *at = all.ptr;
                uint32_t skip = below(5);
                ck_assert_int_eq(msg_head(&at, all.ptr + all.len, &v), 0);
                for (; skip && at < all.ptr + all.len; skip--)
                    ck_assert_int_eq(msg_value(&at, all.ptr + all.len, &v),
                                     0);
            }
            struct node *value = node_of(&v);
            got = il_set(batch, 0, p, &v);
            expected = node_set(model, p->parts, p->count, value);
            if (expected)
                node_free(value);
            text_clear(&bytes);
        } else {
            got = il_remove(batch, 0, p);
            expected = node_remove(model, p->parts, p->count);
        }
        ck_assert_msg(got == expected, "%d: %s: expected %d, got %d", n, where,
                      expected, got);
        want.len = 0;
        node_write(model, &want);
        expect_payload(text_str(&want));
        place_free(p);
    }
    ck_assert_uint_lt(batch->bytes, 4 << 20);
    node_free(model);
    text_clear(&want);
}
END_TEST

/* --- places --------------------------------------------------------------- */

START_TEST(some_references_are_no_places)
{
    static const struct {
        const char *text;
        size_t offset;
    } wrong[] = {
        { "$event.payload", 14 },
        { "$event.id", 0 },
        { "$event.received_at", 0 },
        { "$entity.user.plan", 0 },
        { "event.payload.user_id", 0 },
        { "entity.user.plan", 0 },
        { "user id", 4 },
        { "", 0 },
        { "$event.payload[0]", 14 },
        { "$event.payload.a b", 16 },
    };
    struct lang_error error;
    struct il_place *p;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_int_eq(
            place_parse(wrong[i].text, strlen(wrong[i].text), &p, &error),
            -EINVAL);
        ck_assert_ptr_null(p);
        ck_assert_msg(error.offset == wrong[i].offset, "%s: %zu: %s",
                      wrong[i].text, error.offset, error.message);
    }
    p = place("$event.user_id");
    ck_assert_uint_eq(p->count, 1);
    place_free(p);
    p = place("user.address[0]"); /* below the payload, as all of them */
    ck_assert_uint_eq(p->count, 3);
    place_free(p);
    ck_assert_int_eq(api_table()->place_named(NULL, "a.b[0]", &p), 0);
    add("{}");
    ck_assert_int_eq(il_set_str(batch, 0, p, "x", 1), 0);
    expect_payload("{\"a.b[0]\":\"x\"}");
    place_free(p);
    ck_assert_int_eq(
        api_table()->place_parse(NULL, NULL, NULL, 0, -1, "$x", 2, &p),
        -EINVAL);
    ck_assert_ptr_null(p);
}
END_TEST

/* --- indexes -------------------------------------------------------------- */

static void
expect_past_the_end(uint32_t i)
{
    struct il_reason why = { IL_SIZED(struct il_reason), .code = "c",
                             .message = "m" };
    struct il_origin origin = { IL_SIZED(struct il_origin) };
    struct il_place *p = place("$event.a");
    struct lang_error error;
    const struct il_value *values;
    struct il_template *t;
    struct il_field *f;
    struct il_expr *e;
    struct il_row *row;
    struct il_value v = { .type = IL_MAP };
    ck_assert_int_eq(ref_parse("$event.a", 8, REF_ROOTED, &f, &error), 0);
    ck_assert_int_eq(expr_compile("not (a == 5)", 12, &e, &error), 0);
    ck_assert_int_eq(template_compile("{{a}}x", 6, &t, &error), 0);
    struct il_cell cell = { IL_SIZED(struct il_cell), .field = f };
    ck_assert_int_eq(row_new(NULL, &cell, 1, sizeof cell, &row), 0);

    batch_enter(batch, BATCH_IN_STEP, NULL);
    ck_assert_uint_eq(il_batch_position(batch, i), 0);
    ck_assert_int_eq(il_batch_origin(batch, i, &origin), -EINVAL);
    ck_assert_int_eq(il_live(batch, i), 0);
    ck_assert_int_eq(il_entity_attach(batch, i, batch_kind("u", 1), &v),
                     -EINVAL);
    ck_assert_int_eq(il_get(batch, i, f, &v), 0);
    ck_assert_uint_eq(v.type, IL_MISSING);
    v.type = IL_NULL;
    ck_assert_int_eq(il_set(batch, i, p, &v), -EINVAL);
    ck_assert_int_eq(il_remove(batch, i, p), -EINVAL);
    ck_assert_int_eq(il_set_payload(batch, i, IL_JSON, "{}", 2), -EINVAL);
    ck_assert_int_eq(il_expr_true(e, batch, i), 0);
    ck_assert_int_eq(il_template_render(t, batch, i, &v), -EINVAL);
    ck_assert_uint_eq(v.type, IL_MISSING);
    ck_assert_int_eq(il_row_read(row, batch, i, &values), -EINVAL);
    ck_assert_int_eq(il_drop(batch, i), -EINVAL);
    ck_assert_int_eq(il_reject(batch, i, &why), -EINVAL);
    batch_enter(batch, BATCH_AT_DESTINATION, NULL);
    ck_assert_int_eq(il_reject(batch, i, &why), -EINVAL);
    ck_assert_int_eq(il_unreject(batch, i), -EINVAL);
    ck_assert_int_eq(il_keep(batch, i), -EINVAL);

    row_free(row);
    template_free(t);
    expr_free(e);
    ref_free(f);
    place_free(p);
}

START_TEST(indexes_past_the_end_do_nothing)
{
    add("{\"a\":1}");
    expect_past_the_end(1);
    expect_past_the_end(UINT32_MAX);
    batch_clear(batch);
    expect_past_the_end(0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("batch edit");
    TCase *t = tcase_create("batch edit");
    log_level_set(IL_LOG_ERROR);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, fields_are_set_and_removed);
    tcase_add_test(t, what_no_event_can_hold_is_refused);
    tcase_add_test(t, a_time_becomes_text);
    tcase_add_test(t, a_view_of_the_same_event_may_be_set);
    tcase_add_test(t, heads_grow_with_what_they_count);
    tcase_add_test(t, random_edits_are_those_of_the_model);
    tcase_add_test(t, some_references_are_no_places);
    tcase_add_test(t, indexes_past_the_end_do_nothing);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
