/* SPDX-License-Identifier: MIT */
/* Writing JSON: what is escaped, what Postgres cannot hold, broken input. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "codec/json.h"

static struct il_text out;

static void
setup(void)
{
    out = (struct il_text){ 0 };
}

static void
teardown(void)
{
    text_clear(&out);
}

static const struct {
    const char *in;
    size_t len;
    const char *json, *postgres;
    int replaced;
} strings[] = {
#define S(s) s, sizeof(s) - 1
    { S(""), "\"\"", "\"\"", 0 },
    { S("plain"), "\"plain\"", "\"plain\"", 0 },
    { S("a\"b\\c/"), "\"a\\\"b\\\\c/\"", "\"a\\\"b\\\\c/\"", 0 },
    { S("\b\f\n\r\t\x01\x1f\x7f"), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"",
      "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"", 0 },
    { S("a\0b\0"), "\"a\\u0000b\\u0000\"",
      "\"a\xef\xbf\xbd"
      "b\xef\xbf\xbd\"",
      2 },
    { S("\xed\xa0\xbd!"), "\"\\ud83d!\"", "\"\xef\xbf\xbd!\"", 1 },
    { S("\xed\xbf\xbf"), "\"\\udfff\"", "\"\xef\xbf\xbd\"", 1 },
    { S("\xed\x9f\xbf\xed\x80\x80"), "\"\xed\x9f\xbf\xed\x80\x80\"",
      "\"\xed\x9f\xbf\xed\x80\x80\"", 0 },
    { S("\xf0\x9f\x98\x80 0123456789abcdef 0123456789\n0123456789abcdef"),
      "\"\xf0\x9f\x98\x80 0123456789abcdef 0123456789\\n0123456789abcdef\"",
      "\"\xf0\x9f\x98\x80 0123456789abcdef 0123456789\\n0123456789abcdef\"",
      0 },
    /* cut off at the end: not read past */
    { S("x\xed"), "\"x\xed\"", "\"x\xed\"", 0 },
#undef S
};

START_TEST(strings_are_escaped_only_where_needed)
{
    ck_assert_int_eq(json_write_str(&out, strings[_i].in, strings[_i].len, 0),
                     0);
    ck_assert_str_eq(text_str(&out), strings[_i].json);
    out.len = 0;
    ck_assert_int_eq(json_write_str(&out, strings[_i].in, strings[_i].len,
                                    IL_JSON_FOR_POSTGRES),
                     strings[_i].replaced);
    ck_assert_str_eq(text_str(&out), strings[_i].postgres);
}
END_TEST

START_TEST(all_of_a_long_string_may_need_escapes)
{
    char bytes[5000], want[5000 * 6 + 3];
    memset(bytes, 1, sizeof(bytes));
    char *w = want;
    *w++ = '"';
    for (size_t i = 0; i < sizeof(bytes); i++, w += 6)
        memcpy(w, "\\u0001", 6);
    strcpy(w, "\"");
    ck_assert_int_eq(json_write_str(&out, bytes, sizeof(bytes), 0), 0);
    ck_assert_str_eq(text_str(&out), want);
}
END_TEST

START_TEST(replacements_in_keys_and_values_are_counted)
{
    struct il_text packed = { 0 };
    struct il_value v;
    const char *json = "{\"a\\u0000\":[\"\\ud800\",{\"b\":\"\\u0000\"}]}";

    ck_assert_int_eq(json_to_msgpack(json, strlen(json), &packed, NULL), 0);
    const char *p = packed.data;
    ck_assert_int_eq(msg_head(&p, p + packed.len, &v), 0);
    ck_assert_int_eq(json_write(&out, &v, IL_JSON_FOR_POSTGRES), 3);
    ck_assert_str_eq(text_str(&out),
                     "{\"a\xef\xbf\xbd\":[\"\xef\xbf\xbd\",{\"b\":"
                     "\"\xef\xbf\xbd\"}]}");
    text_clear(&packed);
}
END_TEST

START_TEST(values_that_json_lacks)
{
    struct il_value v = { .type = IL_MISSING };
    ck_assert_int_eq(json_write(&out, &v, 0), 0);
    v = (struct il_value){ .type = IL_TIME, .num.i = 1500 };
    ck_assert_int_eq(json_write(&out, &v, 0), 0);
    v = (struct il_value){ .type = IL_INT, .num.i = INT64_MIN };
    ck_assert_int_eq(json_write(&out, &v, 0), 0);
    ck_assert_str_eq(text_str(&out), "null\"1970-01-01T00:00:00.001500Z\""
                                     "-9223372036854775808");
    v.type = 99;
    ck_assert_int_eq(json_write(&out, &v, 0), -EINVAL);
}
END_TEST

static const struct {
    const char *bytes;
    size_t len;
} broken[] = {
#define S(s) s, sizeof(s) - 1
    { S("\x91") },     /* item missing */
    { S("\x92\x01") }, /* second item missing */
    { S("\x81\xa1"
        "a") },                /* value missing */
    { S("\x81\x01\x02") },     /* key is no string */
    { S("\x81\xc0\x02") },     /* the same */
    { S("\x81\x90\x02") },     /* the same */
    { S("\x91\xc1") },         /* never used */
    { S("\x91\xca\0\0\0\0") }, /* float */
    { S("\x91\xc4\x01z") },    /* bin */
    { S("\x91\xa5"
        "abc") }, /* string cut off */
    { S("\x91\xd4\x02"
        "1") },                        /* another ext */
    { S("\xdd\xff\xff\xff\xff\x01") }, /* counts that lie */
    { S("\xdf\xff\xff\xff\xff\xa0\x01") },
    { S("\xdf\x7f\xff\xff\xff\xa0\x01") },
#undef S
};

START_TEST(broken_msgpack_is_an_error_and_leaves_no_trace)
{
    struct il_value v;
    const char *p = broken[_i].bytes;

    ck_assert_int_eq(msg_head(&p, p + broken[_i].len, &v), 0);
    text_puts(&out, "kept");
    ck_assert_int_eq(json_write(&out, &v, 0), -EINVAL);
    ck_assert_str_eq(text_str(&out), "kept");
    ck_assert_int_eq(msg_check(broken[_i].bytes, broken[_i].len), -EINVAL);
}
END_TEST

START_TEST(depth_is_bounded)
{
    char bytes[2 * MSG_DEPTH_MAX + 2];
    struct il_value v;

    memset(bytes, 0x91, sizeof(bytes));
    bytes[2 * MSG_DEPTH_MAX] = 1;
    const char *p = bytes;
    ck_assert_int_eq(msg_head(&p, bytes + sizeof(bytes), &v), 0);
    ck_assert_int_eq(json_write(&out, &v, 0), 0);
    ck_assert_uint_eq(out.len, 4 * MSG_DEPTH_MAX + 1);
    bytes[2 * MSG_DEPTH_MAX] = (char) 0x91;
    bytes[2 * MSG_DEPTH_MAX + 1] = 1;
    ck_assert_int_eq(json_write(&out, &v, 0), -EINVAL);
}
END_TEST

#define COUNT(table) ((int) (sizeof(table) / sizeof((table)[0])))

int
main(void)
{
    Suite *suite = suite_create("json write");
    TCase *tc = tcase_create("writing");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, strings_are_escaped_only_where_needed, 0,
                        COUNT(strings));
    tcase_add_test(tc, all_of_a_long_string_may_need_escapes);
    tcase_add_test(tc, replacements_in_keys_and_values_are_counted);
    tcase_add_test(tc, values_that_json_lacks);
    tcase_add_loop_test(tc, broken_msgpack_is_an_error_and_leaves_no_trace, 0,
                        COUNT(broken));
    tcase_add_test(tc, depth_is_bounded);
    suite_add_tcase(suite, tc);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
