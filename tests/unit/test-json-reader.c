/* SPDX-License-Identifier: MIT */
/* The pull reader: envelopes step by step, errors that stick. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "codec/json.h"

static struct json_reader r;
static struct il_text scratch, out;
static struct slice got;

static void
setup(void)
{
    scratch = out = (struct il_text){ 0 };
}

static void
teardown(void)
{
    text_clear(&scratch);
    text_clear(&out);
}

static void
open_text(const char *json)
{
    json_open(&r, json, strlen(json), 0);
}

#define ck_slice(s, literal)                                                   \
    ck_assert_msg(slice_equal((s), SLICE(literal)), "expected %s, got %.*s",   \
                  literal, (int) (s).len, (s).ptr)

START_TEST(walks_an_envelope)
{
    open_text(" {\"events\" : [ {\"type\":\"a.b\",\"payload\":{\"n\":1}} ,"
              " {\"type\":\"c\",\"payload\":{}} ],\"\\u0061b\":\"c\\n\"} ");
    ck_assert_int_eq(json_peek(&r), '{');
    ck_assert_int_eq(json_enter(&r), 0);
    ck_assert_int_eq(json_next(&r, 1), 1);
    ck_assert_int_eq(json_key(&r, &scratch, &got), 0);
    ck_slice(got, "events");
    ck_assert_int_eq(json_peek(&r), '[');
    ck_assert_int_eq(json_enter(&r), 0);
    int n = 0;
    for (; json_next(&r, n == 0) == 1; n++) {
        ck_assert_int_eq(json_enter(&r), 0);
        ck_assert_int_eq(json_next(&r, 1), 1);
        ck_assert_int_eq(json_key(&r, &scratch, &got), 0);
        ck_slice(got, "type");
        ck_assert_int_eq(json_peek(&r), '"');
        ck_assert_int_eq(json_string(&r, &scratch, &got), 0);
        ck_assert_uint_eq(got.len, n ? 1 : 3);
        ck_assert_int_eq(json_next(&r, 0), 1);
        ck_assert_int_eq(json_key(&r, &scratch, &got), 0);
        ck_assert_int_eq(json_value(&r, &out), 0);
        ck_assert_int_eq(json_next(&r, 0), 0);
    }
    ck_assert_int_eq(n, 2);
    ck_assert_int_eq(json_next(&r, 0), 1);
    ck_assert_int_eq(json_key(&r, &scratch, &got), 0);
    ck_slice(got, "ab");
    ck_assert_int_eq(json_string(&r, &scratch, &got), 0);
    ck_slice(got, "c\n");
    ck_assert_int_eq(json_next(&r, 0), 0);
    ck_assert_int_eq(json_peek(&r), 0);
    ck_assert_int_eq(json_close(&r), 0);
    ck_assert_int_eq(r.error.code, JSON_OK);
}
END_TEST

START_TEST(strings_without_escapes_are_not_copied)
{
    const char *json = "\"0123456789abcdefXYZ\"";
    open_text(json);
    ck_assert_int_eq(json_string(&r, &scratch, &got), 0);
    ck_assert_ptr_eq(got.ptr, json + 1);
    ck_assert_ptr_null(scratch.data);
}
END_TEST

START_TEST(empty_containers)
{
    open_text("[ ]");
    ck_assert_int_eq(json_enter(&r), 0);
    ck_assert_int_eq(json_next(&r, 1), 0);
    ck_assert_int_eq(json_close(&r), 0);
    open_text("{ }");
    ck_assert_int_eq(json_enter(&r), 0);
    ck_assert_int_eq(json_next(&r, 1), 0);
    ck_assert_int_eq(json_close(&r), 0);
}
END_TEST

static const struct {
    const char *in;
    int peek;
} peeks[] = {
    { "{", '{' }, { "[", '[' },  { "\"", '"' },    { "null", 'n' },
    { "t", 't' }, { " f", 'f' }, { "-", '0' },     { "7", '0' },
    { "", 0 },    { " \n", 0 },  { "]", -EINVAL }, { "+", -EINVAL },
};

START_TEST(peek_tells_and_does_not_consume)
{
    open_text(peeks[_i].in);
    ck_assert_int_eq(json_peek(&r), peeks[_i].peek);
    ck_assert_int_eq(json_peek(&r), peeks[_i].peek);
}
END_TEST

START_TEST(errors_stick)
{
    open_text("[1 x 2]");
    ck_assert_int_eq(json_enter(&r), 0);
    ck_assert_int_eq(json_next(&r, 1), 1);
    ck_assert_int_eq(json_value(&r, &out), 0);
    ck_assert_int_eq(json_next(&r, 0), -EINVAL);
    struct json_error first = r.error;
    ck_assert_int_eq(first.code, JSON_SYNTAX);
    ck_assert_uint_eq(first.offset, 3);
    ck_assert_str_eq(first.message, "expected ',' or ']', found 'x'");
    size_t len = out.len;
    ck_assert_int_eq(json_value(&r, &out), -EINVAL);
    ck_assert_int_eq(json_skip(&r), -EINVAL);
    ck_assert_int_eq(json_peek(&r), -EINVAL);
    ck_assert_int_eq(json_enter(&r), -EINVAL);
    ck_assert_int_eq(json_next(&r, 0), -EINVAL);
    ck_assert_int_eq(json_key(&r, &scratch, &got), -EINVAL);
    ck_assert_int_eq(json_string(&r, &scratch, &got), -EINVAL);
    ck_assert_int_eq(json_close(&r), -EINVAL);
    ck_assert_uint_eq(out.len, len);
    ck_assert_int_eq(memcmp(&first, &r.error, sizeof(first)), 0);
}
END_TEST

static const struct {
    const char *in;
    int code;
    size_t offset;
} wrong[] = {
    { "{1:2}", JSON_SYNTAX, 1 },      { "{\"a\"}", JSON_SYNTAX, 4 },
    { "{\"a\" ", JSON_END, 5 },       { "{", JSON_END, 1 },
    { "{\"a\":1", JSON_END, 6 },      { "{\"a\":1]", JSON_SYNTAX, 6 },
    { "{\"a\":1,}", JSON_SYNTAX, 7 }, { "{\"a\\x\":1}", JSON_ESCAPE, 3 },
    { "{\"a\":01}", JSON_NUMBER, 5 }, { "x", JSON_SYNTAX, 0 },
};

/* The members of an object, as far as they go. */
static int
walk_object(void)
{
    int err = json_enter(&r);
    for (int first = 1; !err && (err = json_next(&r, first)) == 1; first = 0) {
        err = json_key(&r, &scratch, &got);
        if (!err)
            err = json_skip(&r);
    }
    return err ? err : json_close(&r);
}

START_TEST(step_by_step_the_grammar_is_the_same)
{
    open_text(wrong[_i].in);
    ck_assert_int_eq(walk_object(), -EINVAL);
    ck_assert_int_eq(r.error.code, wrong[_i].code);
    ck_assert_uint_eq(r.error.offset, wrong[_i].offset);
}
END_TEST

START_TEST(depth_of_a_value_does_not_depend_on_its_envelope)
{
    const char *json = "{\"a\":[[[]]]}";
    json_open(&r, json, strlen(json), 3);
    ck_assert_int_eq(walk_object(), 0);
    json_open(&r, json, strlen(json), 2);
    ck_assert_int_eq(walk_object(), -EINVAL);
    ck_assert_int_eq(r.error.code, JSON_DEPTH);
    ck_assert_uint_eq(r.error.offset, 7);

    json_open(&r, "[[[", 3, 2);
    ck_assert_int_eq(json_enter(&r), 0);
    ck_assert_int_eq(json_enter(&r), 0);
    ck_assert_int_eq(json_enter(&r), -EINVAL);
    ck_assert_int_eq(r.error.code, JSON_DEPTH);
    ck_assert_uint_eq(r.error.offset, 2);
}
END_TEST

START_TEST(entered_containers_close_with_their_own_bracket)
{
    struct il_text t = { 0 };

    /* Alternating, past the first word of the bits that remember them. */
    for (int i = 0; i < 120; i++)
        text_puts(&t, i % 3 ? "[" : "{\"k\":");
    text_puts(&t, "null");
    for (int i = 119; i >= 0; i--)
        text_puts(&t, i % 3 ? "]" : "}");
    json_open(&r, t.data, t.len, 0);
    for (int i = 0; i < 120; i++) {
        ck_assert_int_eq(json_enter(&r), 0);
        ck_assert_int_eq(json_next(&r, 1), 1);
        if (i % 3 == 0)
            ck_assert_int_eq(json_key(&r, &scratch, &got), 0);
    }
    ck_assert_int_eq(json_skip(&r), 0);
    for (int i = 0; i < 120; i++)
        ck_assert_int_eq(json_next(&r, 0), 0);
    ck_assert_int_eq(json_close(&r), 0);
    text_clear(&t);
}
END_TEST

START_TEST(scratch_grows_and_is_reused)
{
    open_text("[\"\\u00e9\",\"\\n0123456789012345678901234567890123456789\"]");
    ck_assert_int_eq(json_enter(&r), 0);
    ck_assert_int_eq(json_next(&r, 1), 1);
    ck_assert_int_eq(json_string(&r, &scratch, &got), 0);
    ck_slice(got, "\xc3\xa9");
    ck_assert_int_eq(json_next(&r, 0), 1);
    ck_assert_int_eq(json_string(&r, &scratch, &got), 0);
    ck_slice(got, "\n0123456789012345678901234567890123456789");
}
END_TEST

START_TEST(values_are_appended)
{
    open_text("1");
    text_puts(&out, "before");
    ck_assert_int_eq(json_value(&r, &out), 0);
    ck_assert_uint_eq(out.len, 7);
    open_text("[1,");
    ck_assert_int_eq(json_value(&r, &out), -EINVAL);
    ck_assert_uint_eq(out.len, 7);
    ck_assert_int_eq(memcmp(out.data, "before\x01", 7), 0);
    struct json_error e;
    ck_assert_int_eq(json_to_msgpack("1 1", 3, &out, &e), -EINVAL);
    ck_assert_int_eq(e.code, JSON_TRAILING);
    ck_assert_uint_eq(out.len, 7);
    ck_assert_int_eq(json_to_msgpack("x", 1, &out, NULL), -EINVAL);
}
END_TEST

/* What was read before changes nothing but the time it takes. */
static void
check_shaped(struct json_shape *shape, const char *json)
{
    struct json_error error;
    struct il_text plain = { 0 };
    int err = json_to_msgpack(json, strlen(json), &plain, &error);
    open_text(json);
    r.shape = shape;
    out.len = 0;
    int got_err = json_value(&r, &out);
    if (!got_err)
        got_err = json_close(&r);
    ck_assert_msg(got_err == err, "%s: expected %d, got %d", json, err,
                  got_err);
    ck_assert_msg(r.error.code == error.code
                      && (!err || r.error.offset == error.offset)
                      && (!err || !strcmp(r.error.message, error.message)),
                  "%s: expected \"%s\" at %zu, got \"%s\" at %zu", json,
                  error.message, error.offset, r.error.message,
                  r.error.offset);
    ck_assert_msg(err || (out.len == plain.len
                          && !memcmp(out.data, plain.data, out.len)),
                  "%s: other bytes", json);
    text_clear(&plain);
}

START_TEST(keys_that_are_known_change_nothing)
{
    static const char *const texts[] = {
        "{\"a\":1,\"b\":2,\"c\":3}",
        "{\"a\":4,\"b\":5,\"c\":6}",
        "{\"a\":4,\"b\":5,\"c\":6,\"d\":{\"a\":1,\"a2\":2}}",
        "{\"a\":4,\"b\":5,\"c\":6,\"d\":{\"a\":1,\"a\":2}}",
        "{\"a\":4,\"b\":5,\"b\":6}",
        "{\"a\":4,\"b\":5,\"c\":6,\"a\":7}",
        "{\"a\":4,\"b\":5,\"c\":6,\"\\u0061\":7}",
        "{\"b\":1,\"a\":2}",
        "{\"b\":1,\"a\":2,\"b\":3}",
        "{ \"b\" : 1 ,\n \"a\"\t: 2 }",
        "{ \"b\" : 1 ,\n \"a\"\t: 3 }",
        "{\"b\": 1, \"a\":  2}",
        "{\"a\": \t{\"b\":1},\"b\":\n[2]}",
        "{\"a\": ",
        "{\"b\":1,\"a\":",
        "{\"b\":1,\"a",
        "{\"b\":1,\"a\"",
        "{}",
        "[{\"b\":1,\"a\":2},{\"b\":1,\"a\":2,\"a\":3}]",
        "{\"b\":1,\"\\n\":2,\"c\":3}",
        "{\"b\":1,\"\\n\":2,\"c\":3}",
        "{\"b\":1,\"a name that is longer than thirty-one bytes is\":2}",
        "{\"b\":1,\"a name that is longer than thirty-one bytes is\":2}",
        "{\"b\":1,\"\u00e4\":2,\"\":3,\"\":4}",
        "{\"b\":1,\"\u00e4\":2,\"\":3,\"x\":4}",
        "{\"\":1}",
        "{\"a\":1,\"b\":2,\"c\":[{\"a\":1},{\"b\":1}]}",
        "17",
    };
    struct json_shape shape = { .count = 0 };
    struct il_text many = { 0 };
    size_t n = sizeof texts / sizeof *texts;
    for (size_t i = 0; i < n; i++) {
        shape.count = 0;
        check_shaped(&shape, texts[i]);
        for (size_t k = 0; k < n; k++) {
            check_shaped(&shape, texts[k]);
            check_shaped(&shape, texts[i]);
        }
    }
    /* more keys than are remembered, and the first of them again */
    text_puts(&many, "{");
    for (int i = 0; i < 100; i++)
        text_printf(&many, "\"k%d\":%d,", i, i);
    size_t end = many.len - 1;
    many.len = end;
    text_puts(&many, "}");
    check_shaped(&shape, text_str(&many));
    check_shaped(&shape, text_str(&many));
    many.len = end;
    text_puts(&many, ",\"k0\":1}");
    check_shaped(&shape, text_str(&many));
    text_clear(&many);
}
END_TEST

START_TEST(texts_of_2_gib_are_refused_unread)
{
    char c = '1';
    json_open(&r, &c, (size_t) INT32_MAX + 1, 0);
    ck_assert_int_eq(json_skip(&r), -ENOMEM);
    ck_assert_int_eq(r.error.code, JSON_MEMORY);
}
END_TEST

#define COUNT(table) ((int) (sizeof(table) / sizeof((table)[0])))

int
main(void)
{
    Suite *suite = suite_create("json reader");
    TCase *tc = tcase_create("pull");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, walks_an_envelope);
    tcase_add_test(tc, strings_without_escapes_are_not_copied);
    tcase_add_test(tc, empty_containers);
    tcase_add_loop_test(tc, peek_tells_and_does_not_consume, 0, COUNT(peeks));
    tcase_add_test(tc, errors_stick);
    tcase_add_loop_test(tc, step_by_step_the_grammar_is_the_same, 0,
                        COUNT(wrong));
    tcase_add_test(tc, depth_of_a_value_does_not_depend_on_its_envelope);
    tcase_add_test(tc, entered_containers_close_with_their_own_bracket);
    tcase_add_test(tc, scratch_grows_and_is_reused);
    tcase_add_test(tc, values_are_appended);
    tcase_add_test(tc, keys_that_are_known_change_nothing);
    tcase_add_test(tc, texts_of_2_gib_are_refused_unread);
    suite_add_tcase(suite, tc);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
