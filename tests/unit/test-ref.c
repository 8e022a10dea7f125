/* SPDX-License-Identifier: MIT */
/* References: what they read, and what is none. */
#include <check.h>
#include <stdlib.h>

#include "event_fixture.h"
#include "lang/ref.h"

static const char payload[] =
    "{\"a\":1,\"b\":{\"c\":[10,{\"d\":\"x\"},[true,null]]},\"\":5,"
    "\"id\":\"own\",\"a.b\":\"dotted\",\"long\":"
    "\"a text that is longer than thirty-one bytes, so it has another head\","
    "\"a name that is longer than thirty-one bytes\":7,"
    "\"n\":1.50,\"big\":18446744073709551616,\"neg\":-70000,\"z\":\"last\"}";

/* The value as JSON; "missing". */
static void
check_field(const struct il_field *field, const char *expected,
            const char *name)
{
    struct event_fixture f;
    struct il_value v;
    struct il_text json = { 0 };
    fixture_open(&f, payload);
    int there = ref_get(field, &f.event, &v);
    if (there)
        ck_assert_int_ge(json_write(&json, &v, 0), 0);
    else
        ck_assert_uint_eq(v.type, IL_MISSING);
    const char *got = there ? text_str(&json) : "missing";
    ck_assert_msg(strcmp(got, expected) == 0, "%s: expected %s, got %s", name,
                  expected, got);
    text_clear(&json);
    fixture_close(&f);
}

START_TEST(reads)
{
    static const struct {
        const char *ref, *json;
    } rows[] = {
        { "a", "1" },
        { "$event.a", "1" },
        { "$event.payload.a", "1" },
        { "$event.payload.b.c[0]", "10" },
        { "b.c[1].d", "\"x\"" },
        { "b.c[1]", "{\"d\":\"x\"}" },
        { "b.c[-1]", "[true,null]" },
        { "b.c[-1][0]", "true" },
        { "b.c[-3]", "10" },
        { "b.c[-4]", "missing" },
        { "b.c[3]", "missing" },
        { "b.c[2][1]", "null" },
        { "b.c.d", "missing" },
        { "b[0]", "missing" },
        { "a.b", "missing" },
        { "a[0]", "missing" },
        { "[\"a.b\"]", "\"dotted\"" },
        { "$event['a.b']", "\"dotted\"" },
        { "['']", "5" },
        { "['\\u0061']", "1" },
        { "long", "\"a text that is longer than thirty-one bytes, so it has "
                  "another head\"" },
        { "['a name that is longer than thirty-one bytes']", "7" },
        { "n", "1.50" },
        { "big", "18446744073709551616" },
        { "neg", "-70000" },
        { "z", "\"last\"" },
        { "none", "missing" },
        { "$event.payload", NULL },
        { "$event.id", "\"evt_1\"" },
        { "$event.payload.id", "\"own\"" },
        { "$event.key", "\"evt_1\"" },
        { "$event.payload.key", "missing" },
        { "key", "missing" },
        { "id", "\"own\"" },
        { "$event.type", "\"feature.used\"" },
        { "$event.source_id", "\"app\"" },
        { "$event.received_at", "\"2026-11-23T07:09:00Z\"" },
        { "$event.timestamp", "\"2026-11-23T07:08:59.500Z\"" },
        { "$event.id-x", "missing" },
        { "$entity.user.plan", "\"pro\"" },
        { "$entity.user.address", "{\"city\":\"Rome\"}" },
        { "$entity.user.address.city", "\"Rome\"" },
        { "$entity.account.plan", "\"big\"" },
        { "$entity.account", "{\"plan\":\"big\",\"name\":\"ACME\"}" },
        { "$entity.user.name", "missing" },
        { "$entity.team", "missing" },
        { "$entity.team.plan", "missing" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct il_field *field = NULL;
        struct lang_error error;
        const char *ref = rows[i].ref;
        if (ref_parse(ref, strlen(ref), REF_BARE, &field, &error))
            ck_abort_msg("%s: %s", ref, error.message);
        check_field(field, rows[i].json ? rows[i].json : payload, ref);
        ref_free(field);
    }
}
END_TEST

START_TEST(keys)
{
    static const struct {
        struct slice key;
        uint32_t flags;
        const char *json;
    } rows[] = {
        { { NULL, 0 }, 0, "\"evt_1\"" },
        { { NULL, 0 }, EVENT_MADE, "missing" },
        { { "k", 1 }, 0, "\"k\"" },
        { { "k", 1 }, EVENT_MADE, "\"k\"" },
    };
    struct il_field *field = NULL;
    struct lang_error error;
    ck_assert_int_eq(ref_parse("$event.key", 10, REF_ROOTED, &field, &error),
                     0);
    ck_assert_int_eq(ref_type(field), IL_STRING);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct event_fixture f;
        struct il_value v;
        struct il_text json = { 0 };
        fixture_open(&f, "{\"key\":1}");
        f.event.ev.key = rows[i].key;
        f.event.ev.flags = rows[i].flags;
        if (ref_get(field, &f.event, &v))
            ck_assert_int_ge(json_write(&json, &v, 0), 0);
        else
            text_puts(&json, "missing");
        ck_assert_str_eq(text_str(&json), rows[i].json);
        text_clear(&json);
        fixture_close(&f);
    }
    ref_free(field);
}
END_TEST

START_TEST(named)
{
    static const struct {
        int what;
        const char *name, *json;
    } rows[] = {
        { IL_FIELD_PAYLOAD, "a", "1" },
        { IL_FIELD_PAYLOAD, "a.b", "\"dotted\"" },
        { IL_FIELD_PAYLOAD, "id", "\"own\"" },
        { IL_FIELD_PAYLOAD, "seats", "missing" },
        { IL_FIELD_PAYLOAD, "payload", "missing" },
        { IL_FIELD_ANY, "key", "missing" },
        { IL_FIELD_ANY, "id", "\"evt_1\"" },
        { IL_FIELD_ANY, "type", "\"feature.used\"" },
        { IL_FIELD_ANY, "a", "1" },
        { IL_FIELD_ANY, "seats", "5" },
        { IL_FIELD_ANY, "name", "\"ACME\"" },
        { IL_FIELD_ANY, "plan", "\"pro\"" },
        { IL_FIELD_ANY, "b.c", "missing" },
        { IL_FIELD_ANY, "payload", payload },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct il_field *field = NULL;
        ck_assert_int_eq(ref_named(rows[i].what, rows[i].name, &field), 0);
        check_field(field, rows[i].json, rows[i].name);
        ref_free(field);
    }
    struct il_field *field = NULL;
    ck_assert_int_eq(ref_named(99, "a", &field), -22);
}
END_TEST

START_TEST(mistakes)
{
    static const struct {
        const char *ref;
        size_t offset;
        const char *says;
    } rows[] = {
        { "", 0, "expected a reference" },
        { "a", 0, "expected a reference" },
        { "$", 0, "begins with" },
        { "$evnt.a", 0, "begins with" },
        { "$event", 6, "expected a field" },
        { "$event.", 7, "expected a name" },
        { "$event.a.", 9, "expected a name" },
        { "$event..a", 7, "expected a name" },
        { "$event.a b", 8, "ends here" },
        { "$event.a+", 8, "ends here" },
        { "$event.id.x", 9, "no parts" },
        { "$event.key[0]", 10, "no parts" },
        { "$event.received_at[0]", 18, "no parts" },
        { "$event[0]", 6, "no elements" },
        { "$event.payload[0]", 14, "no elements" },
        { "$event.a[", 9, "element number" },
        { "$event.a[]", 9, "element number" },
        { "$event.a[-]", 10, "element number" },
        { "$event.a[1", 10, "]" },
        { "$event.a['x'", 12, "expected ]" },
        { "$event.a['x", 9, "no closing" },
        { "$event.0", 7, "[0]" },
        { "$entity", 7, "kind" },
        { "$entity.", 8, "kind" },
        { "$entity['user']", 7, "kind" },
        { "$event.a\xff", 8, "UTF-8" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct il_field *field = NULL;
        struct lang_error error = { 0 };
        const char *ref = rows[i].ref;
        ck_assert_int_eq(
            ref_parse(ref, strlen(ref), REF_ROOTED, &field, &error), -22);
        ck_assert_msg(error.offset == rows[i].offset
                          && strstr(error.message, rows[i].says),
                      "%s: expected %zu, %s; got %zu, %s", ref, rows[i].offset,
                      rows[i].says, error.offset, error.message);
    }
}
END_TEST

START_TEST(depth_is_bounded)
{
    char ref[100] = "$event.payload";
    struct il_field *field = NULL;
    struct lang_error error;
    for (int i = 0; i < 32; i++)
        strcat(ref, ".a");
    ck_assert_int_eq(ref_parse(ref, strlen(ref), 0, &field, &error), 0);
    check_field(field, "missing", ref);
    ref_free(field);
    strcat(ref, ".a");
    ck_assert_int_eq(ref_parse(ref, strlen(ref), 0, &field, &error), -22);
    ck_assert_ptr_nonnull(strstr(error.message, "too deep"));
}
END_TEST

START_TEST(prefix_tells_how_far)
{
    struct il_field *field = NULL;
    struct lang_error error;
    size_t used = 0;
    ck_assert_int_eq(
        ref_parse_prefix("$event.a[0]['x'] == 5", 21, 0, &used, &field, &error),
        0);
    ck_assert_uint_eq(used, 16);
    ref_free(field);
    ck_assert_int_eq(
        ref_parse_prefix("a.b==5", 6, REF_BARE, &used, &field, &error), 0);
    ck_assert_uint_eq(used, 3);
    ref_free(field);
}
END_TEST

START_TEST(what_is_known_beforehand)
{
    static const struct {
        const char *ref;
        int type, is_payload;
        const char *path, *kind;
    } rows[] = {
        { "$event.id", IL_STRING, 0, "", NULL },
        { "$event.timestamp", IL_TIME, 0, "", NULL },
        { "$event.payload", IL_MAP, 0, "", NULL },
        { "$event.payload.a.b", IL_MISSING, 1, "a.b", NULL },
        { "$event.payload.a[-1]['c.d'].e", IL_MISSING, 0, "a[-1][\"c.d\"].e",
          NULL },
        { "$entity.user", IL_MAP, 0, "", "user" },
        { "$entity.user.a", IL_MISSING, 0, "a", "user" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct il_field *field = NULL;
        struct lang_error error;
        struct il_text path = { 0 };
        const char *ref = rows[i].ref;
        ck_assert_int_eq(ref_parse(ref, strlen(ref), 0, &field, &error), 0);
        ck_assert_int_eq(ref_type(field), rows[i].type);
        ck_assert_int_eq(ref_payload_only(field), rows[i].is_payload);
        ck_assert_int_eq(ref_path(&path, field, ref_parts(field), NULL), 0);
        ck_assert_str_eq(text_str(&path), rows[i].path);
        text_clear(&path);
        const struct il_kind *kind = ref_kind(field);
        ck_assert_pstr_eq(kind ? kind->name : NULL, rows[i].kind);
        ref_free(field);
    }
}
END_TEST

/* A step may write any valid msgpack, not only what our codec writes. */
START_TEST(reads_every_form_of_heads)
{
    static const struct {
        const char *name;
        struct slice bytes;
    } rows[] = {
        { "fixmap", SLICE("\x82\xa1x\x01\xa1n\xa2ok") },
        { "map 16", SLICE("\xde\0\2\xa1x\x01\xa1n\xa2ok") },
        { "map 32", SLICE("\xdf\0\0\0\2\xa1x\x01\xa1n\xa2ok") },
        { "str 8", SLICE("\x82\xd9\1x\xcc\1\xd9\1n\xd9\2ok") },
        { "str 16", SLICE("\x82\xda\0\1x\xcd\0\1\xda\0\1n\xda\0\2ok") },
        { "str 32", SLICE("\x82\xdb\0\0\0\1x\xce\0\0\0\1\xdb\0\0\0\1n"
                          "\xdb\0\0\0\2ok") },
        { "key no text", SLICE("\x82\1\1\xa1n\xa2ok") },
        { "array before", SLICE("\x82\xa1x\xdc\0\2\x91\xa1n\1\xa1n\xa2ok") },
        { "first of two", SLICE("\x82\xa1n\xa2ok\xa1n\xa2no") },
    };
    struct il_field *field = NULL;
    struct lang_error error;
    ck_assert_int_eq(ref_parse("n", 1, REF_BARE, &field, &error), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct batch_event e = { .ev.payload = rows[i].bytes };
        struct il_value v;
        ck_assert_msg(ref_get(field, &e, &v) && v.type == IL_STRING
                          && slice_equal(slice_of(v.str, v.len), SLICE("ok")),
                      "%s", rows[i].name);
    }
    ref_free(field);
}
END_TEST

/* Cut anywhere, or with any byte changed, a payload is read without harm. */
START_TEST(broken_payloads_do_no_harm)
{
    static const char *const refs[] = { "z", "b.c[-1][1]", "none", "long",
                                        "['a name that is longer than "
                                        "thirty-one bytes']" };
    struct event_fixture f;
    fixture_open(&f, payload);
    size_t len = f.payload.len;
    for (size_t r = 0; r < sizeof refs / sizeof *refs; r++) {
        struct il_field *field = NULL;
        struct lang_error error;
        struct il_value v;
        ck_assert_int_eq(
            ref_parse(refs[r], strlen(refs[r]), REF_BARE, &field, &error), 0);
        for (size_t cut = 0; cut <= len; cut++) {
            char *exact = malloc(cut + 1);
            memcpy(exact, f.payload.data, cut);
            f.event.ev.payload = slice_of(exact, cut);
            ref_get(field, &f.event, &v);
            free(exact);
        }
        char *copy = malloc(len);
        for (size_t at = 0; at < len; at++)
            for (int byte = 0; byte < 256; byte += 5) {
                memcpy(copy, f.payload.data, len);
                copy[at] = (char) byte;
                f.event.ev.payload = slice_of(copy, len);
                if (ref_get(field, &f.event, &v) && v.type == IL_STRING)
                    ck_assert(v.str >= copy && v.str + v.len <= copy + len);
            }
        free(copy);
        ref_free(field);
    }
    fixture_close(&f);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("ref");
    TCase *tc = tcase_create("ref");
    tcase_add_test(tc, reads);
    tcase_add_test(tc, keys);
    tcase_add_test(tc, named);
    tcase_add_test(tc, mistakes);
    tcase_add_test(tc, depth_is_bounded);
    tcase_add_test(tc, prefix_tells_how_far);
    tcase_add_test(tc, what_is_known_beforehand);
    tcase_add_test(tc, reads_every_form_of_heads);
    tcase_add_test(tc, broken_payloads_do_no_harm);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
