/* SPDX-License-Identifier: MIT */
#include <testhost.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct testhost *t;

static const char *
plugin_path(void)
{
    static char path[4096];
    const char *build = getenv("IL_BUILDDIR");
    snprintf(path, sizeof(path), "%s/plugins/upsert.entity/.libs/%s",
             build ? build : ".", "upsert.entity.so");
    return path;
}

static void
setup(void)
{
    t = testhost_new();
    ck_assert_ptr_nonnull(t);
}

static void
teardown(void)
{
    testhost_free(t);
}

#define USER                                                                   \
    "kind = \"user\"; id = \"$event.payload.user_id\"; traits = ( "            \
    "{ name = \"plan\"; value = \"$event.payload.plan\"; }, "                  \
    "{ name = \"label\"; value = \"{{ plan }}/{{ seats }}\"; }, "              \
    "{ name = \"seats\"; value = \"$event.payload.seats\"; } );"
#define PLAN                                                                   \
    "kind = \"user\"; id = \"$event.payload.user_id\"; traits = ( "            \
    "{ name = \"plan\"; value = \"$event.payload.plan\"; } );"

static void
use(const char *config)
{
    int err = testhost_open(t, plugin_path(), config);
    ck_assert_msg(err == 0, "%s", testhost_findings(t));
    ck_assert_int_eq(testhost_start(t), 0);
}

static void
event(const char *payload)
{
    char json[2000];
    snprintf(json, sizeof(json), "{\"type\":\"t\",\"payload\":%s}", payload);
    ck_assert_int_eq(testhost_event(t, json), 0);
}

START_TEST(traits_are_told_as_they_are)
{
    use(USER);
    testhost_entity(t, "user", "u1", "{\"plan\":\"free\",\"email\":\"e\"}");
    event("{\"user_id\":\"u1\",\"plan\":\"pro\",\"seats\":1.10}");
    event("{\"user_id\":42,\"plan\":{\"name\":\"x\",\"of\":[1,null]},"
          "\"seats\":18446744073709551615}");
    ck_assert_int_eq(testhost_process(t), 0);
    ck_assert_str_eq(testhost_entity_get(t, "user", "u1"),
                     "{\"plan\":\"pro\",\"email\":\"e\",\"label\":\"pro/1.10\","
                     "\"seats\":1.10}");
    ck_assert_str_eq(testhost_entity_get(t, "user", "42"),
                     "{\"plan\":{\"name\":\"x\",\"of\":[1,null]},\"label\":"
                     "\"{\\\"name\\\":\\\"x\\\",\\\"of\\\":[1,null]}/"
                     "18446744073709551615\",\"seats\":18446744073709551615}");
    ck_assert_str_eq(testhost_payload(t, 0),
                     "{\"user_id\":\"u1\",\"plan\":\"pro\",\"seats\":1.10}");
    ck_assert_int_eq(testhost_state(t, 0), TESTHOST_KEPT);
    ck_assert_uint_eq(testhost_counter(t, "upserts"), 2);
}
END_TEST

START_TEST(a_trait_that_is_missing_stays_and_null_is_a_value)
{
    use(PLAN);
    testhost_entity(t, "user", "u1", "{\"plan\":\"free\"}");
    testhost_entity(t, "user", "u2", "{\"plan\":\"free\"}");
    event("{\"user_id\":\"u1\"}");
    event("{\"user_id\":\"u2\",\"plan\":null}");
    event("{\"user_id\":\"u3\"}");
    ck_assert_int_eq(testhost_process(t), 0);
    ck_assert_str_eq(testhost_entity_get(t, "user", "u1"),
                     "{\"plan\":\"free\"}");
    ck_assert_str_eq(testhost_entity_get(t, "user", "u2"), "{\"plan\":null}");
    ck_assert_ptr_null(testhost_entity_get(t, "user", "u3"));
    ck_assert_uint_eq(testhost_counter(t, "upserts"), 1);
}
END_TEST

START_TEST(the_last_event_is_the_one_that_counts)
{
    use(PLAN);
    event("{\"user_id\":\"u\",\"plan\":1}");
    event("{\"user_id\":\"v\",\"plan\":2}");
    event("{\"user_id\":\"u\",\"plan\":3}");
    ck_assert_int_eq(testhost_process(t), 0);
    ck_assert_str_eq(testhost_entity_get(t, "user", "u"), "{\"plan\":3}");
}
END_TEST

START_TEST(an_event_without_an_id_passes_and_is_counted)
{
    static const char *const ids[] = { "null",      "true", "[\"u\"]",
                                       "{\"a\":1}", "\"\"", "\"a\\u0000b\"" };
    char payload[600], longest[300];
    use(PLAN);
    event("{\"plan\":1}");
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
        snprintf(payload, sizeof(payload), "{\"user_id\":%s,\"plan\":1}",
                 ids[i]);
        event(payload);
    }
    memset(longest, 'x', sizeof(longest));
    longest[257] = 0;
    snprintf(payload, sizeof(payload), "{\"user_id\":\"%s\",\"plan\":1}",
             longest);
    event(payload);
    longest[256] = 0;
    snprintf(payload, sizeof(payload), "{\"user_id\":\"%s\",\"plan\":1}",
             longest);
    event(payload);
    ck_assert_int_eq(testhost_process(t), 0);
    ck_assert_uint_eq(testhost_counter(t, "no_id"), 8);
    ck_assert_uint_eq(testhost_counter(t, "upserts"), 1);
    ck_assert_str_eq(testhost_entity_get(t, "user", longest), "{\"plan\":1}");
    for (uint32_t i = 0; i < 9; i++)
        ck_assert_int_eq(testhost_state(t, i), TESTHOST_KEPT);
}
END_TEST

START_TEST(an_event_that_had_passed_tells_nothing_again)
{
    const struct il_again later = { IL_SIZED(struct il_again), .attempts = 1,
                                    .stopped = IL_STOPPED_LATER };
    const struct il_again here = { IL_SIZED(struct il_again), .attempts = 1,
                                   .stopped = IL_STOPPED_HERE };
    use(PLAN);
    testhost_entity(t, "user", "u", "{\"plan\":\"new\"}");
    testhost_again(t, &later);
    event("{\"user_id\":\"u\",\"plan\":\"old\"}");
    testhost_again(t, &here);
    event("{\"user_id\":\"v\",\"plan\":\"old\"}");
    ck_assert_int_eq(testhost_process(t), 0);
    ck_assert_str_eq(testhost_entity_get(t, "user", "u"), "{\"plan\":\"new\"}");
    ck_assert_str_eq(testhost_entity_get(t, "user", "v"), "{\"plan\":\"old\"}");
}
END_TEST

static const struct {
    const char *config, *finding;
} wrong[] = {
    { "kind = \"User\"; id = \"$event.payload.u\"; traits = ( { name = \"a\"; "
      "value = \"$event.payload.a\"; } );",
      "a kind is a lower-case letter" },
    { "kind = \"user\"; id = \"$event.payload.u\";", "traits" },
    { "kind = \"user\"; id = \"$event.payload.u\"; traits = ();",
      "at least one" },
    { "kind = \"user\"; id = \"$event.payload.u\"; traits = ( { name = \"\"; "
      "value = \"x\"; } );",
      "a trait has a name" },
    { "kind = \"user\"; id = \"$event.payload.u\"; traits = ( { name = \"a\"; "
      "value = \"x\"; }, { name = \"a\"; value = \"y\"; } );",
      "there twice" },
    { "kind = \"user\"; id = \"$event.payload.u\"; traits = ( { name = \"a\"; "
      "value = \"{{ x\"; } );",
      "value" },
    { "kind = \"user\"; traits = ( { name = \"a\"; value = \"x\"; } );", "id" },
};

START_TEST(wrong_options_are_refused)
{
    ck_assert_int_ne(testhost_open(t, plugin_path(), wrong[_i].config), 0);
    ck_assert_msg(strstr(testhost_findings(t), wrong[_i].finding) != NULL, "%s",
                  testhost_findings(t));
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("upsert.entity");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, traits_are_told_as_they_are);
    tcase_add_test(tc, a_trait_that_is_missing_stays_and_null_is_a_value);
    tcase_add_test(tc, the_last_event_is_the_one_that_counts);
    tcase_add_test(tc, an_event_without_an_id_passes_and_is_counted);
    tcase_add_test(tc, an_event_that_had_passed_tells_nothing_again);
    tcase_add_loop_test(tc, wrong_options_are_refused, 0,
                        sizeof(wrong) / sizeof(*wrong));
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
