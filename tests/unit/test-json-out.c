/* SPDX-License-Identifier: MIT */
/* The writer of answers: commas, brackets, and errors that stick. */
#include "codec/json.h"
#include "codec/json_out.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static struct il_text text;
static struct json_out o;

static void
setup(void)
{
    json_out_begin(&o, &text);
}

static void
teardown(void)
{
    text_clear(&text);
}

static void
expect(const char *json)
{
    struct il_text packed = { 0 };
    struct json_error error;
    ck_assert_int_eq(json_out_done(&o), 0);
    ck_assert_str_eq(text_str(&text), json);
    ck_assert_int_eq(json_to_msgpack(text.data, text.len, &packed, &error), 0);
    text_clear(&packed);
}

START_TEST(every_kind_of_value)
{
    struct il_value decimal = { .type = IL_DECIMAL, .str = "1.10", .len = 4 };
    json_out_object(&o, NULL);
    json_out_str(&o, "s", "a\"b\n");
    json_out_name(&o, "name", "as_it_is");
    json_out_str(&o, "none", NULL);
    json_out_slice(&o, "slice", slice_of("xyz", 2));
    json_out_slice(&o, "empty", slice_of("", 0));
    json_out_number(&o, "n", 0);
    json_out_number(&o, "most", UINT64_MAX);
    json_out_bool(&o, "yes", 7);
    json_out_bool(&o, "no", 0);
    json_out_null(&o, "null");
    json_out_time(&o, "at", 1700000000123000);
    json_out_raw(&o, "raw", SLICE("[1,2]"));
    json_out_value(&o, "value", &decimal);
    json_out_end(&o);
    expect("{\"s\":\"a\\\"b\\n\",\"name\":\"as_it_is\",\"none\":null,\"slice\":"
           "\"xy\",\"empty\":\"\","
           "\"n\":0,\"most\":18446744073709551615,\"yes\":true,\"no\":false,"
           "\"null\":null,\"at\":\"2023-11-14T22:13:20.123Z\","
           "\"raw\":[1,2],\"value\":1.10}");
}
END_TEST

START_TEST(commas_stand_between_members_only)
{
    json_out_array(&o, NULL);
    json_out_object(&o, NULL);
    json_out_end(&o);
    json_out_array(&o, NULL);
    json_out_array(&o, NULL);
    json_out_end(&o);
    json_out_number(&o, NULL, 1);
    json_out_object(&o, NULL);
    json_out_object(&o, "a");
    json_out_end(&o);
    json_out_array(&o, "b");
    json_out_str(&o, NULL, "[");
    json_out_str(&o, NULL, "{");
    json_out_end(&o);
    json_out_end(&o);
    json_out_end(&o);
    json_out_null(&o, NULL);
    json_out_end(&o);
    expect("[{},[[],1,{\"a\":{},\"b\":[\"[\",\"{\"]}],null]");
}
END_TEST

/* As lines of NDJSON are, and an answer behind what is there already. */
START_TEST(what_was_in_the_text_stays)
{
    for (int i = 0; i < 2; i++) {
        json_out_begin(&o, &text);
        json_out_object(&o, NULL);
        json_out_number(&o, "i", (uint64_t) i);
        json_out_end(&o);
        ck_assert_int_eq(json_out_done(&o), 0);
        text_putc(&text, '\n');
    }
    ck_assert_str_eq(text_str(&text), "{\"i\":0}\n{\"i\":1}\n");
}
END_TEST

START_TEST(as_deep_as_it_goes)
{
    for (int i = 0; i < JSON_OUT_DEPTH; i++)
        i % 2 ? json_out_array(&o, "k") : json_out_object(&o, NULL);
    for (int i = 0; i < JSON_OUT_DEPTH; i++)
        json_out_end(&o);
    ck_assert_int_eq(json_out_done(&o), 0);
    ck_assert_int_eq(text.data[text.len - 1], '}');
    ck_assert_int_eq(text.data[text.len - 2], ']');
    json_out_begin(&o, &text);
    for (int i = 0; i <= JSON_OUT_DEPTH; i++)
        json_out_array(&o, NULL);
    ck_assert_int_eq(json_out_done(&o), -EINVAL);
}
END_TEST

START_TEST(the_first_error_stays)
{
    struct il_value broken = { .type = 250 };
    json_out_object(&o, NULL);
    json_out_value(&o, "bad", &broken);
    size_t len = text.len;
    json_out_said(&o, -ENOSPC);
    json_out_str(&o, "good", "x");
    json_out_array(&o, "list");
    json_out_number(&o, NULL, 1);
    json_out_end(&o);
    json_out_end(&o);
    ck_assert_int_eq(json_out_done(&o), -EINVAL);
    ck_assert_uint_eq(text.len, len);

    json_out_begin(&o, &text);
    json_out_said(&o, 0);
    ck_assert_int_eq(json_out_done(&o), 0);
    json_out_said(&o, -ENOENT);
    json_out_said(&o, -EIO);
    ck_assert_int_eq(json_out_done(&o), -ENOENT);
}
END_TEST

START_TEST(brackets_have_to_match)
{
    json_out_object(&o, NULL);
    ck_assert_int_eq(json_out_done(&o), -EINVAL);
    json_out_end(&o);
    ck_assert_int_eq(json_out_done(&o), 0);
    json_out_end(&o);
    ck_assert_int_eq(json_out_done(&o), -EINVAL);
    ck_assert_str_eq(text_str(&text), "{}");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("json-out");
    TCase *c = tcase_create("json-out");
    tcase_add_checked_fixture(c, setup, teardown);
    suite_add_tcase(s, c);
    tcase_add_test(c, every_kind_of_value);
    tcase_add_test(c, commas_stand_between_members_only);
    tcase_add_test(c, what_was_in_the_text_stays);
    tcase_add_test(c, as_deep_as_it_goes);
    tcase_add_test(c, the_first_error_stays);
    tcase_add_test(c, brackets_have_to_match);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
