/* SPDX-License-Identifier: MIT */
#include "codec/json.h"
#include "schema/schema.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct schema *schema;
static struct schema_event *event;
static char found[4096];

static void
problem(void *arg, const char *path, const char *rule, const char *message)
{
    size_t len = strlen(found);
    (void) arg;
    snprintf(found + len, sizeof(found) - len, "[%s|%s|%s]", path, rule,
             message);
}

/* How many problems the payload has; their texts are in found. */
static int
check(const char *json)
{
    struct il_text text = { 0 };
    struct json_error error;
    found[0] = 0;
    ck_assert_int_eq(json_to_msgpack(json, strlen(json), &text, &error), 0);
    int n = schema_check(event, slice_of(text.data, text.len), problem, NULL);
    text_clear(&text);
    return n;
}

static void
setup(void)
{
    schema = schema_new();
    ck_assert_int_eq(schema_add_event(schema, "feature.used", 0, &event), 0);
    schema_add_field(&event->object, "user_id", SCHEMA_STRING, 1, NULL);
    schema_add_field(&event->object, "feature", SCHEMA_STRING, 1, NULL);
    schema_add_field(&event->object, "count", SCHEMA_NUMBER, 0, NULL);
    schema_add_field(&event->object, "size", SCHEMA_INTEGER, 0, NULL);
    schema_add_field(&event->object, "trial", SCHEMA_BOOLEAN, 0, NULL);
    schema_add_field(&event->object, "extra", SCHEMA_OBJECT, 0, NULL);
    schema_add_field(&event->object, "tags", SCHEMA_ARRAY, 0, NULL);
    schema_add_field(&event->object, "at", SCHEMA_TIMESTAMP, 0, NULL);
}

static void
teardown(void)
{
    schema_free(schema);
}

#define MUST "\"user_id\":\"u\",\"feature\":\"f\""

START_TEST(a_good_payload_has_no_problem)
{
    ck_assert_int_eq(check("{" MUST "}"), 0);
    ck_assert_int_eq(
        check("{\"at\":\"2026-01-31T12:00:00Z\",\"tags\":[],\"extra\":{},"
              "\"trial\":false,\"size\":12345678901234567890123,"
              "\"count\":1.10," MUST "}"),
        0);
}
END_TEST

START_TEST(missing_and_null_are_the_same)
{
    ck_assert_int_eq(check("{}"), 2);
    ck_assert_str_eq(found, "[payload.user_id|required|is required and "
                            "missing][payload.feature|required|is required "
                            "and missing]");
    ck_assert_int_eq(check("{\"user_id\":null,\"feature\":\"f\"}"), 1);
    ck_assert_int_eq(check("{" MUST ",\"count\":null}"), 0);
}
END_TEST

START_TEST(each_type_takes_its_own)
{
    static const struct {
        const char *field, *good, *bad;
    } rows[] = {
        { "user_id", "\"\"", "1" },      { "count", "1e400", "\"1\"" },
        { "count", "-0", "true" },       { "size", "-7", "1.0" },
        { "size", "18446744073709551615", "1e3" },
        { "size", "0", "\"0\"" },        { "trial", "true", "1" },
        { "extra", "{\"a\":1}", "[]" },  { "tags", "[1]", "{}" },
        { "at", "\"2026-01-31t12:00:00+01:00\"", "\"2026-01-31\"" },
        { "at", "null", "1700000000" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char json[200], path[80];
        const char *must
            = strcmp(rows[i].field, "user_id") ? MUST : "\"feature\":\"f\"";
        snprintf(json, sizeof(json), "{%s,\"%s\":%s}", must, rows[i].field,
                 rows[i].good);
        ck_assert_msg(check(json) == 0, "%s: %s", json, found);
        snprintf(json, sizeof(json), "{%s,\"%s\":%s}", must, rows[i].field,
                 rows[i].bad);
        ck_assert_msg(check(json) == 1, "%s: %s", json, found);
        snprintf(path, sizeof(path), "[payload.%s|type|expected ",
                 rows[i].field);
        ck_assert_msg(!strncmp(found, path, strlen(path)), "%s", found);
    }
}
END_TEST

START_TEST(all_problems_are_told)
{
    ck_assert_int_eq(check("{\"user_id\":1,\"count\":\"x\",\"nope\":1}"), 4);
}
END_TEST

START_TEST(unknown_fields_name_the_nearest)
{
    ck_assert_int_eq(check("{" MUST ",\"usr_id\":1}"), 1);
    ck_assert_str_eq(found, "[payload.usr_id|unknown|is not declared for this "
                            "event; did you mean \"user_id\"?]");
    ck_assert_int_eq(check("{" MUST ",\"something\":1}"), 1);
    ck_assert_ptr_null(strstr(found, "mean"));
    event->object.allow_unknown = 1;
    ck_assert_int_eq(check("{" MUST ",\"usr_id\":1}"), 0);
}
END_TEST

START_TEST(a_long_name_is_cut_between_characters)
{
    char json[1200] = "{" MUST ",\"x";
    for (int i = 0; i < 200; i++)
        strcat(json, "\xe2\x82\xac");
    strcat(json, "\":1}");
    ck_assert_int_eq(check(json), 1);
    struct il_text text = { 0 };
    ck_assert_int_eq(json_write_str(&text, found, strlen(found), 0), 0);
    text_clear(&text);
}
END_TEST

START_TEST(names_are_kept_apart)
{
    struct schema_event *other;
    ck_assert_int_eq(schema_add_event(schema, "feature.used", 0, &other),
                     -EEXIST);
    ck_assert_int_eq(schema_add_event(schema, "feature", 0, &other), 0);
    ck_assert_int_eq(schema_add_field(&event->object, "count", SCHEMA_STRING, 0, NULL),
                     -EEXIST);
    ck_assert_ptr_eq(schema_find(schema, SLICE("feature.used")), event);
    ck_assert_ptr_eq(schema_find(schema, SLICE("feature")), other);
    ck_assert_ptr_null(schema_find(schema, SLICE("featur")));
    ck_assert_uint_eq(schema_count(schema), 2);
    ck_assert_ptr_eq(schema_at(schema, 1), other);
}
END_TEST

START_TEST(many_fields_are_told_apart)
{
    char name[20], json[60];
    ck_assert_int_eq(schema_add_event(schema, "wide", 0, &event), 0);
    for (int i = 0; i < 1024; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        ck_assert_int_eq(schema_add_field(&event->object, name, SCHEMA_INTEGER, i >= 1022, NULL),
                         0);
    }
    ck_assert_int_eq(schema_add_field(&event->object, "more", SCHEMA_INTEGER, 0, NULL),
                     -E2BIG);
    snprintf(json, sizeof(json), "{\"f1023\":1,\"f5\":2,\"f1022\":3}");
    ck_assert_int_eq(check(json), 0);
    ck_assert_int_eq(check("{\"f1023\":1}"), 1);
    ck_assert_ptr_nonnull(strstr(found, "payload.f1022|required"));
}
END_TEST

START_TEST(types_have_names)
{
    for (int i = SCHEMA_STRING; i <= SCHEMA_TIMESTAMP; i++)
        ck_assert_int_eq(schema_type_parse(schema_type_name(i)), i);
    ck_assert_int_eq(schema_type_parse("text"), 0);
    ck_assert_str_eq(schema_type_name(0), "?");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("schema");
    TCase *t = tcase_create("schema");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_good_payload_has_no_problem);
    tcase_add_test(t, missing_and_null_are_the_same);
    tcase_add_test(t, each_type_takes_its_own);
    tcase_add_test(t, all_problems_are_told);
    tcase_add_test(t, unknown_fields_name_the_nearest);
    tcase_add_test(t, a_long_name_is_cut_between_characters);
    tcase_add_test(t, names_are_kept_apart);
    tcase_add_test(t, many_fields_are_told_apart);
    tcase_add_test(t, types_have_names);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
