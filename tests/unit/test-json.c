/* SPDX-License-Identifier: MIT */
/* Reading JSON: what is accepted, what is refused and where. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/wtf8.h"
#include "codec/json.h"

/* A copy that ends where its memory ends, so that checkers see a read past
 * it. */
static char *
exact(const char *text, size_t len)
{
    char *copy = malloc(len ? len : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, len);
    return copy;
}

/* Read, and write again; json_skip() must say the same.  Returns the code and
 * leaves what was written in out. */
static struct json_error
roundtrip(const char *text, size_t len, struct il_text *out)
{
    struct json_error error;
    struct json_reader r;
    struct il_text packed = { 0 };
    struct il_value v;
    char *json = exact(text, len);

    out->len = 0;
    int err = json_to_msgpack(json, len, &packed, &error);
    ck_assert_int_eq(err, error.code == JSON_OK ? 0 : -EINVAL);
    json_open(&r, json, len, 0);
    int skipped = json_skip(&r) == 0 && json_close(&r) == 0;
    if (error.code != JSON_DUPLICATE) {
        ck_assert_int_eq(skipped, err == 0);
        ck_assert_int_eq(r.error.code, error.code);
        ck_assert_uint_eq(r.error.offset, error.offset);
    }
    if (err == 0) {
        const char *p = packed.data;
        ck_assert_int_eq(msg_check(packed.data, packed.len), 0);
        ck_assert_int_eq(msg_value(&p, p + packed.len, &v), 0);
        ck_assert_ptr_eq(p, packed.data + packed.len);
        ck_assert_int_eq(json_write(out, &v, 0), 0);
    } else {
        ck_assert_uint_eq(packed.len, 0);
        ck_assert_uint_gt(strlen(error.message), 0);
    }
    text_clear(&packed);
    free(json);
    return error;
}

static void
expect_same(const char *in, size_t in_len, const char *want, size_t want_len)
{
    struct il_text out = { 0 };
    struct json_error error = roundtrip(in, in_len, &out);
    ck_assert_msg(error.code == JSON_OK, "%.60s: %s at %zu", in, error.message,
                  error.offset);
    ck_assert_msg(out.len == want_len && !memcmp(out.data, want, want_len),
                  "%.60s: expected %.60s, got %.60s", in, want, text_str(&out));
    text_clear(&out);
}

static void
expect_error(const char *in, size_t len, int code, size_t offset)
{
    struct il_text out = { 0 };
    struct json_error error = roundtrip(in, len, &out);
    ck_assert_msg((int) error.code == code && error.offset == offset,
                  "%.60s: expected error %d at %zu, got %d at %zu (%s)", in,
                  code, offset, (int) error.code, error.offset, error.message);
    text_clear(&out);
}

/* Accepted. */

static const struct {
    const char *in, *out; /* NULL: unchanged */
} accepted[] = {
    { "null", NULL },
    { "true", NULL },
    { "false", NULL },
    { "[]", NULL },
    { "{}", NULL },
    { "\"\"", NULL },
    { "{\"\":\"\"}", NULL },
    { " \t\r\n[ \t\r\n1 , 2\n]\r ", "[1,2]" },
    { "{ \"a\" : { } , \"b\" : [ ] }", "{\"a\":{},\"b\":[]}" },
    { "[[],[[]],{\"a\":[{}]}]", NULL },
    { "{\"a\":{\"a\":{\"a\":1}}}", NULL },
    /* numbers keep their text */
    { "0", NULL },
    { "-0", NULL },
    { "-1", NULL },
    { "1.10", NULL },
    { "1.0", NULL },
    { "0.1e-7", NULL },
    { "1e400", NULL },
    { "1E+2", NULL },
    { "-0.0", NULL },
    { "-0e0", NULL },
    { "[127,128,255,256,65535,65536,4294967295,4294967296]", NULL },
    { "[-32,-33,-128,-129,-32768,-32769,-2147483648,-2147483649]", NULL },
    { "9223372036854775807", NULL },
    { "9223372036854775808", NULL },
    { "18446744073709551615", NULL },
    { "18446744073709551616", NULL },
    { "18446744073709551620", NULL },
    { "28446744073709551615", NULL },
    { "99999999999999999999", NULL },
    { "-9223372036854775808", NULL },
    { "-9223372036854775809", NULL },
    { "-99999999999999999999", NULL },
    { "[1.1,22.22,1e5,12345.678,1234567890.12345]", NULL },
    { "123456789012345678901234567890123456789012345678901234567890", NULL },
    { "0.30000000000000000444089209850062616169452667236328125", NULL },
    /* strings */
    { "\"\\u0041\\/\\\"\\\\\"", "\"A/\\\"\\\\\"" },
    { "\"\\b\\f\\n\\r\\t\"", NULL },
    { "\"\\u0000\\u001f\\u007f\"", "\"\\u0000\\u001f\x7f\"" },
    { "\"\\u00e9\\u20AC\"", "\"\xc3\xa9\xe2\x82\xac\"" },
    { "\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"" },
    { "\"\\uDBFF\\uDFFF\"", "\"\xf4\x8f\xbf\xbf\"" },
    { "\"\\ud800\"", NULL },
    { "\"\\udfff\"", NULL },
    { "\"\\ude00\\ud83d\"", NULL },
    { "\"\\ud83dx\\ude00\"", NULL },
    { "\"\\ud83d\\ud83d\\ude00\"", "\"\\ud83d\xf0\x9f\x98\x80\"" },
    { "\"\\ud83d\\n\"", NULL },
    { "\"\\ud83d\\u0041\"", "\"\\ud83d"
                            "A\"" },
    { "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"",
      NULL },
    { "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"", NULL },
    { "\"plain text of sixteen and more, then \xf0\x9f\x98\x80 and on\"",
      NULL },
    { "{\"\\u0061\":1,\"b\":2}", "{\"a\":1,\"b\":2}" },
};

START_TEST(reads_what_rfc_8259_allows)
{
    const char *in = accepted[_i].in, *out = accepted[_i].out;
    out = out ? out : in;
    expect_same(in, strlen(in), out, strlen(out));
}
END_TEST

/* Refused. */

static const struct {
    const char *in;
    int code;
    size_t offset;
} refused[] = {
    { "", JSON_END, 0 },
    { "  ", JSON_END, 2 },
    { "x", JSON_SYNTAX, 0 },
    { "]", JSON_SYNTAX, 0 },
    { "[1,]", JSON_SYNTAX, 3 },
    { "[,1]", JSON_SYNTAX, 1 },
    { "[1,,2]", JSON_SYNTAX, 3 },
    { "[1 2]", JSON_SYNTAX, 3 },
    { "[1}", JSON_SYNTAX, 2 },
    { "[1:2]", JSON_SYNTAX, 2 },
    { "{1:2}", JSON_SYNTAX, 1 },
    { "{a:1}", JSON_SYNTAX, 1 },
    { "{\"a\"}", JSON_SYNTAX, 4 },
    { "{\"a\" 1}", JSON_SYNTAX, 5 },
    { "{\"a\":}", JSON_SYNTAX, 5 },
    { "{\"a\":1,}", JSON_SYNTAX, 7 },
    { "{,}", JSON_SYNTAX, 1 },
    { "{\"a\":1]", JSON_SYNTAX, 6 },
    { "{\"a\":1 \"b\":2}", JSON_SYNTAX, 7 },
    { "{\"a\"::1}", JSON_SYNTAX, 5 },
    { "'a'", JSON_SYNTAX, 0 },
    { "[1]/**/", JSON_TRAILING, 3 },
    { "/**/[1]", JSON_SYNTAX, 0 },
    { "[\v1]", JSON_SYNTAX, 1 },
    { "[\f1]", JSON_SYNTAX, 1 },
    { "\xef\xbb\xbf\xef\xbb\xbf{}", JSON_SYNTAX, 3 },
    { "{\xef\xbb\xbf}", JSON_SYNTAX, 1 },
    { "True", JSON_SYNTAX, 0 },
    { "trux", JSON_SYNTAX, 0 },
    { "[nul]", JSON_SYNTAX, 1 },
    { "truee", JSON_TRAILING, 4 },
    { "1 2", JSON_TRAILING, 2 },
    { "{}{}", JSON_TRAILING, 2 },
    { "\"a\" \"b\"", JSON_TRAILING, 4 },
    /* numbers */
    { "01", JSON_NUMBER, 0 },
    { "-01", JSON_NUMBER, 1 },
    { "[00]", JSON_NUMBER, 1 },
    { "+1", JSON_NUMBER, 0 },
    { ".5", JSON_NUMBER, 0 },
    { "NaN", JSON_NUMBER, 0 },
    { "[Infinity]", JSON_NUMBER, 1 },
    { "-Infinity", JSON_NUMBER, 1 },
    { "[1.]", JSON_NUMBER, 3 },
    { "[1.e5]", JSON_NUMBER, 3 },
    { "[1e]", JSON_NUMBER, 3 },
    { "[1e+]", JSON_NUMBER, 4 },
    { "[-]", JSON_NUMBER, 2 },
    { "[--1]", JSON_NUMBER, 2 },
    { "0x10", JSON_TRAILING, 1 },
    { "[1_000]", JSON_SYNTAX, 2 },
    { "[1.5.2]", JSON_SYNTAX, 4 },
    { "1.", JSON_END, 2 },
    { "1e", JSON_END, 2 },
    { "-", JSON_END, 1 },
    /* escapes and control characters */
    { "\"\\x41\"", JSON_ESCAPE, 1 },
    { "\"\\'\"", JSON_ESCAPE, 1 },
    { "\"abc\\u12g4\"", JSON_ESCAPE, 4 },
    { "\"\\u\"", JSON_ESCAPE, 1 },
    { "\"\\U0041\"", JSON_ESCAPE, 1 },
    { "\"\\ud83d\\u12\"", JSON_ESCAPE, 7 },
    { "\"a\tb\"", JSON_CONTROL, 2 },
    { "\"a\nb\"", JSON_CONTROL, 2 },
    { "\"0123456789abcdef\x1f\"", JSON_CONTROL, 17 },
    { "{\"a\nb\":1}", JSON_CONTROL, 3 },
    /* UTF-8 */
    { "\"\x80\"", JSON_UTF8, 1 },
    { "\"\xc0\xaf\"", JSON_UTF8, 1 },
    { "\"\xc1\xbf\"", JSON_UTF8, 1 },
    { "\"\xe0\x9f\xbf\"", JSON_UTF8, 1 },
    { "\"\xed\xa0\x80\"", JSON_UTF8, 1 },
    { "\"\xed\xbf\xbf\"", JSON_UTF8, 1 },
    { "\"\xf0\x8f\xbf\xbf\"", JSON_UTF8, 1 },
    { "\"\xf4\x90\x80\x80\"", JSON_UTF8, 1 },
    { "\"\xf5\x80\x80\x80\"", JSON_UTF8, 1 },
    { "\"\xff\"", JSON_UTF8, 1 },
    { "\"ab\xc3\"", JSON_UTF8, 3 },
    { "\"ab\xe2\x82\"", JSON_UTF8, 3 },
    { "\"ab\xe2\x82x\"", JSON_UTF8, 3 },
    { "\"0123456789abcdefghij\xfe\"", JSON_UTF8, 21 },
    { "\"cut \xe2\x82", JSON_END, 7 },
    /* duplicates */
    { "{\"a\":1,\"a\":1}", JSON_DUPLICATE, 7 },
    { "{\"a\":1,\"\\u0061\":2}", JSON_DUPLICATE, 7 },
    { "{\"\":1,\"b\":2,\"\":3}", JSON_DUPLICATE, 12 },
    { "[{\"x\":{\"b\":{},\"b\":{}}}]", JSON_DUPLICATE, 14 },
};

START_TEST(a_byte_order_mark_is_passed_over)
{
    expect_same("\xef\xbb\xbf{}", 5, "{}", 2);
    expect_same("\xef\xbb\xbf [1]", 7, "[1]", 3);
}
END_TEST

START_TEST(refuses_what_rfc_8259_does_not_allow)
{
    const char *in = refused[_i].in;
    expect_error(in, strlen(in), refused[_i].code, refused[_i].offset);
}
END_TEST

START_TEST(refuses_nul_bytes)
{
    expect_error("\"a\0b\"", 5, JSON_CONTROL, 2);
    expect_error("[1\0]", 4, JSON_SYNTAX, 2);
    expect_error("1\0", 2, JSON_TRAILING, 1);
}
END_TEST

START_TEST(names_the_key_that_comes_twice)
{
    struct il_text out = { 0 };
    struct json_error error = roundtrip("{\"user\":1,\"user\":2}", 19, &out);
    ck_assert_str_eq(error.message, "the key \"user\" comes twice");
    text_clear(&out);
}
END_TEST

/* The message goes into an answer, which is UTF-8. */
START_TEST(a_long_name_is_not_cut_within_a_character)
{
    struct il_text json = { 0 }, out = { 0 };
    for (int pad = 0; pad < 4; pad++) {
        json.len = 0;
        for (int i = 0; i < 2; i++) {
            text_puts(&json, i ? ",\"" : "{\"");
            text_put(&json, "xxx", (size_t) pad);
            for (int k = 0; k < 40; k++)
                text_puts(&json, "\xf0\x9f\x98\x80");
            text_puts(&json, "\":1");
        }
        text_putc(&json, '}');
        struct json_error error = roundtrip(json.data, json.len, &out);
        ck_assert_int_eq(error.code, JSON_DUPLICATE);
        ck_assert(wtf8_valid(error.message, strlen(error.message)));
        ck_assert_ptr_nonnull(strstr(error.message, "\x80...\" comes twice"));
    }
    text_clear(&json);
    text_clear(&out);
}
END_TEST

START_TEST(every_cut_is_an_early_end)
{
    static const char doc[] =
        " {\"user_id\":\"u_018f\",\"\\u00e9\\n\":[1,-0,1.25e+10,true,"
        "false,null,[],{}],\"\xf0\x9f\x98\x80\xc3\xa9\":\"0123456789abcdef"
        "ghijklmnopqrstuvwxyz\xe2\x82\xac\",\"\\ud83d\\ude00\":"
        "18446744073709551616}";
    size_t len = sizeof(doc) - 1;
    struct il_text out = { 0 };

    ck_assert_int_eq(roundtrip(doc, len, &out).code, JSON_OK);
    for (size_t cut = 0; cut < len; cut++)
        expect_error(doc, cut, JSON_END, cut);
    text_clear(&out);
}
END_TEST

START_TEST(every_flipped_byte_is_survived)
{
    static const char doc[] = "{\"a\":[1,\"x\\u00e9\xc3\xa9\",-1.5e3,{\"b\":"
                              "null}],\"c\":\"0123456789abcdef\"}";
    char copy[sizeof(doc)];
    struct il_text out = { 0 };

    for (size_t i = 0; i < sizeof(doc) - 1; i++)
        for (int byte = 0; byte < 256; byte++) {
            memcpy(copy, doc, sizeof(doc));
            copy[i] = (char) byte;
            struct json_error e = roundtrip(copy, sizeof(doc) - 1, &out);
            ck_assert_uint_le(e.offset, sizeof(doc) - 1);
        }
    text_clear(&out);
}
END_TEST

/* Limits. */

static void
nest(struct il_text *t, const char *open, size_t n, const char *in,
     const char *close)
{
    t->len = 0;
    for (size_t i = 0; i < n; i++)
        text_puts(t, open);
    text_puts(t, in);
    for (size_t i = 0; i < n; i++)
        text_puts(t, close);
}

START_TEST(depth_limit_is_exact)
{
    struct il_text t = { 0 };

    nest(&t, "[", MSG_DEPTH_MAX, "1.5", "]");
    expect_same(t.data, t.len, t.data, t.len);
    nest(&t, "[", MSG_DEPTH_MAX + 1, "", "]");
    expect_error(t.data, t.len, JSON_DEPTH, MSG_DEPTH_MAX);
    nest(&t, "{\"a\":", MSG_DEPTH_MAX, "-0", "}");
    expect_same(t.data, t.len, t.data, t.len);
    nest(&t, "{\"a\":", MSG_DEPTH_MAX + 1, "1", "}");
    expect_error(t.data, t.len, JSON_DEPTH, 5 * MSG_DEPTH_MAX);
    nest(&t, "[", 1000000, "", "");
    expect_error(t.data, t.len, JSON_DEPTH, MSG_DEPTH_MAX);
    text_clear(&t);
}
END_TEST

/* The cost of the heads in the room that is reserved once. */
START_TEST(small_containers_and_decimals_fit_the_room)
{
    static const char *const items[] = { "[]",   "{}",     "[[]]",
                                         "1.5",  "[1.5]",  "-0",
                                         "[-0]", "[[[]]]", "{\"\":1.5}" };
    struct il_text t = { 0 };

    for (size_t k = 0; k < sizeof(items) / sizeof(items[0]); k++) {
        t.len = 0;
        for (int i = 0; i < 70000; i++) {
            text_putc(&t, i ? ',' : '[');
            text_puts(&t, items[k]);
        }
        text_putc(&t, ']');
        expect_same(t.data, t.len, t.data, t.len);
    }
    text_clear(&t);
}
END_TEST

START_TEST(strings_of_every_length_class)
{
    static const size_t lengths[] = { 0,  1,  7,   8,   15,  16,    17,   31,
                                      32, 33, 255, 256, 257, 65535, 65536 };
    size_t len = lengths[_i];
    struct il_text t = { 0 }, want = { 0 };

    for (int escaped = 0; escaped < 2; escaped++) {
        t.len = want.len = 0;
        text_putc(&t, '"');
        text_putc(&want, '"');
        for (size_t i = 0; i < len; i++) {
            text_puts(&t, escaped && i % 5 == 0 ? "\\u0061" : "a");
            text_putc(&want, 'a');
        }
        text_putc(&t, '"');
        text_putc(&want, '"');
        expect_same(t.data, t.len, want.data, want.len);
    }
    text_clear(&t);
    text_clear(&want);
}
END_TEST

/* n members "k<i>", the last one named as number `again`. */
static void
members(struct il_text *t, size_t n, size_t again, size_t *last)
{
    t->len = 0;
    text_putc(t, '{');
    for (size_t i = 0; i < n; i++) {
        *last = t->len + (i > 0);
        text_printf(t, "%s\"k%zu\":%zu", i ? "," : "", i + 1 < n ? i : again,
                    i);
    }
    text_putc(t, '}');
}

START_TEST(objects_of_every_size_notice_a_duplicate)
{
    static const size_t sizes[] = { 2,   16,   32,    33,    34,    128,
                                    129, 1000, 65535, 65536, 100000 };
    size_t n = sizes[_i], last;
    struct il_text t = { 0 };

    members(&t, n, n - 1, &last);
    expect_same(t.data, t.len, t.data, t.len);
    members(&t, n, n / 2 ? n / 2 - 1 : 0, &last);
    expect_error(t.data, t.len, JSON_DUPLICATE, last);
    members(&t, n, 0, &last);
    expect_error(t.data, t.len, JSON_DUPLICATE, last);
    text_clear(&t);
}
END_TEST

START_TEST(large_objects_inside_each_other)
{
    struct il_text t = { 0 };

    for (int level = 0; level < 100; level++)
        for (int k = 0; k < 50; k++)
            text_printf(&t, "%s\"k%d\":%s", k ? "," : "{", k,
                        k < 49 ? "0" : "");
    text_puts(&t, "1");
    for (int level = 0; level < 100; level++)
        text_putc(&t, '}');
    expect_same(t.data, t.len, t.data, t.len);
    text_clear(&t);
}
END_TEST

START_TEST(code_points_raw_and_escaped_are_the_same)
{
    char raw[8], escaped[24];

    for (uint32_t c = 0x20; c < 0x110000; c += c < 0x900 ? 1 : 97) {
        if (c == '"' || c == '\\' || (c >= 0xd800 && c < 0xe000))
            continue;
        char *end = raw;
        *end++ = '"';
        end = wtf8_put(end, c);
        *end++ = '"';
        if (c < 0x10000)
            snprintf(escaped, sizeof(escaped), "\"\\u%04X\"", c);
        else
            snprintf(escaped, sizeof(escaped), "\"\\u%04x\\u%04x\"",
                     0xd800 + ((c - 0x10000) >> 10),
                     0xdc00 + ((c - 0x10000) & 0x3ff));
        expect_same(raw, (size_t) (end - raw), raw, (size_t) (end - raw));
        expect_same(escaped, strlen(escaped), raw, (size_t) (end - raw));
    }
}
END_TEST

#define COUNT(table) ((int) (sizeof(table) / sizeof((table)[0])))

int
main(void)
{
    Suite *suite = suite_create("json");
    TCase *tc = tcase_create("reading");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, reads_what_rfc_8259_allows, 0, COUNT(accepted));
    tcase_add_test(tc, a_byte_order_mark_is_passed_over);
    tcase_add_loop_test(tc, refuses_what_rfc_8259_does_not_allow, 0,
                        COUNT(refused));
    tcase_add_test(tc, refuses_nul_bytes);
    tcase_add_test(tc, names_the_key_that_comes_twice);
    tcase_add_test(tc, a_long_name_is_not_cut_within_a_character);
    tcase_add_test(tc, every_cut_is_an_early_end);
    tcase_add_test(tc, every_flipped_byte_is_survived);
    tcase_add_test(tc, depth_limit_is_exact);
    tcase_add_test(tc, small_containers_and_decimals_fit_the_room);
    tcase_add_loop_test(tc, strings_of_every_length_class, 0, 15);
    tcase_add_loop_test(tc, objects_of_every_size_notice_a_duplicate, 0, 11);
    tcase_add_test(tc, large_objects_inside_each_other);
    tcase_add_test(tc, code_points_raw_and_escaped_are_the_same);
    suite_add_tcase(suite, tc);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
