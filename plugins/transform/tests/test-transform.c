/* SPDX-License-Identifier: MIT */
#include <testhost.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct testhost *t;

static int
open_it(const char *config)
{
    char path[4096];
    const char *build = getenv("IL_BUILDDIR");
    snprintf(path, sizeof path, "%s/plugins/transform/.libs/transform.so",
             build ? build : ".");
    return testhost_open(t, path, config);
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
    const char *violations = testhost_violations(t);
    ck_assert_msg(!*violations, "%s", violations);
    testhost_free(t);
}

static void
add(const char *payload)
{
    char json[4000];
    snprintf(json, sizeof json,
             "{\"type\":\"t.x\",\"id\":\"e1\",\"payload\":%s}", payload);
    ck_assert_int_eq(testhost_event(t, json), 0);
}

/* config: what becomes of one payload. */
static void
expect(const char *config, const char *payload, const char *want)
{
    testhost_free(t);
    t = testhost_new();
    ck_assert_msg(!open_it(config), "%s: %s", config, testhost_findings(t));
    add(payload);
    ck_assert_int_eq(testhost_process(t), 0);
    if (want) {
        ck_assert_msg(testhost_state(t, 0) == TESTHOST_KEPT, "%s: %s: %s",
                      config, payload,
                      testhost_state(t, 0) == TESTHOST_REJECTED
                          ? testhost_reason(t, 0)->message
                          : "gone");
        const char *got = testhost_payload(t, 0);
        ck_assert_msg(!strcmp(got, want), "%s: %s:\nwant %s\ngot  %s", config,
                      payload, want, got);
    } else {
        ck_assert_msg(testhost_state(t, 0) == TESTHOST_REJECTED, "%s: %s: %s",
                      config, payload, testhost_payload(t, 0));
        ck_assert_str_eq(testhost_reason(t, 0)->code, "transform");
    }
}

#define SET(name, value)                                                       \
    "set = ( { name = \"" name "\"; value = \"" value "\"; } );"
#define RENAME(from, to)                                                       \
    "rename = ( { from = \"" from "\"; to = \"" to "\"; } );"

START_TEST(fields_are_set)
{
    static const char *const rows[][3] = {
        { SET("a", "$event.payload.b"), "{\"b\":1.10}",
          "{\"b\":1.10,\"a\":1.10}" },
        { SET("a", "$event.payload.b"),
          "{\"b\":{\"c\":[1,18446744073709551616]}}",
          "{\"b\":{\"c\":[1,18446744073709551616]},\"a\":{\"c\":[1,"
          "18446744073709551616]}}" },
        { SET("a", "$event.payload.b"), "{\"a\":1,\"b\":null}",
          "{\"a\":null,\"b\":null}" },
        { SET("a", "$event.payload.b"), "{\"a\":1}", "{\"a\":1}" },
        { SET("$event.payload.x.y.z", "{{ a }}!"), "{\"a\":\"hi\"}",
          "{\"a\":\"hi\",\"x\":{\"y\":{\"z\":\"hi!\"}}}" },
        { SET("a[-1].n", "$event.payload.v"), "{\"a\":[{},{\"n\":1}],\"v\":2}",
          "{\"a\":[{},{\"n\":2}],\"v\":2}" },
        { SET("kind", "$event.type"), "{}", "{\"kind\":\"t.x\"}" },
        { SET("[\\\"a.b\\\"]", "x"), "{}", "{\"a.b\":\"x\"}" },
        /* each sees what those before it left */
        { "set = ( { name = \"a\"; value = \"$event.payload.b\"; }, { name = "
          "\"c\"; value = \"$event.payload.a\"; } );",
          "{\"a\":1,\"b\":2}", "{\"a\":2,\"b\":2,\"c\":2}" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(rows[i][0], rows[i][1], rows[i][2]);
}
END_TEST

START_TEST(fields_move)
{
    static const char *const rows[][3] = {
        { RENAME("a", "b"), "{\"a\":1e400}", "{\"b\":1e400}" },
        { RENAME("a", "b"), "{\"c\":1}", "{\"c\":1}" },
        { RENAME("a", "b"), "{\"b\":1,\"a\":2}", "{\"b\":2}" },
        { RENAME("a", "a.b"), "{\"a\":{\"x\":[1]}}",
          "{\"a\":{\"b\":{\"x\":[1]}}}" },
        { RENAME("a.b", "a"), "{\"a\":{\"b\":\"t\"}}", "{\"a\":\"t\"}" },
        { RENAME("a", "a"), "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}" },
        { RENAME("a[0]", "first"), "{\"a\":[1,2]}", "{\"a\":[2],\"first\":1}" },
        { RENAME("a", "b"), "{\"a\":null}", "{\"b\":null}" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(rows[i][0], rows[i][1], rows[i][2]);
}
END_TEST

START_TEST(fields_go_and_stay)
{
    expect("remove = ( \"a\", \"b.c\", \"missing\", \"d[0]\" );",
           "{\"a\":1,\"b\":{\"c\":1,\"e\":2},\"d\":[1,2]}",
           "{\"b\":{\"e\":2},\"d\":[2]}");
    expect("keep = ( \"b.c\", \"a\", \"missing\", \"d\" );",
           "{\"a\":1.0,\"b\":{\"c\":{\"x\":1},\"e\":2},\"d\":[1,2],\"z\":0}",
           "{\"b\":{\"c\":{\"x\":1}},\"a\":1.0,\"d\":[1,2]}");
    expect("keep = ( \"missing\" );", "{\"a\":1}", "{}");
    expect("keep = ( \"a\", \"a.b\" );", "{\"a\":{\"b\":1,\"c\":2}}",
           "{\"a\":{\"b\":1,\"c\":2}}");
}
END_TEST

START_TEST(all_is_done_in_one_order)
{
    expect("keep = ( \"n\", \"label\" ); remove = ( \"debug\" );" SET(
               "label", "{{ n }}/{{ debug }}")
               RENAME("count", "n") "body = \"$event.payload.data\";",
           "{\"data\":{\"count\":3,\"debug\":\"d\",\"other\":1}}",
           "{\"n\":3,\"label\":\"3/d\"}");
}
END_TEST

#define BODY(text) "body = \"" text "\";"

START_TEST(a_body_is_made)
{
    static const char *const rows[][3] = {
        { BODY("$event.payload.data"), "{\"data\":{\"n\":1.0}}",
          "{\"n\":1.0}" },
        { BODY("$event.payload.data"), "{\"data\":\"{\\\"n\\\": 1.0}\"}",
          "{\"n\":1.0}" },
        { BODY("{\\\"who\\\": \\\"{{ name }}\\\", \\\"n\\\": {{ n }}}"),
          "{\"name\":\"a\\\"b\\\\c\\nd\",\"n\":1.50}",
          "{\"who\":\"a\\\"b\\\\c\\nd\",\"n\":1.50}" },
        { BODY("{\\\"n\\\": {{ n }}}"), "{}", "{\"n\":null}" },
        { BODY("{\\\"n\\\": {{ n }}}"), "{\"n\":{\"x\":[1]}}",
          "{\"n\":{\"x\":[1]}}" },
        { BODY("{\\\"a\\\\\\\"{{ n }}\\\": 1}"), "{\"n\":\"\\\"\"}",
          "{\"a\\\"\\\"\":1}" },
        { BODY("{}"), "{\"n\":1}", "{}" },
        { BODY("$event.payload.data"), "{\"data\":[1]}", NULL },
        { BODY("$event.payload.data"), "{\"data\":\"text\"}", NULL },
        { BODY("$event.payload.data"), "{\"data\":null}", NULL },
        { BODY("$event.payload.data"), "{}", NULL },
        { BODY("$event.id"), "{}", NULL },
        { BODY("[]"), "{}", NULL },
        { BODY("{{ n }}"), "{\"n\":1}", NULL },
        { BODY("{\\\"n\\\": {{ n }}}"), "{\"n\":\"text\"}", NULL },
        /* it would add a field */
        { BODY("{\\\"n\\\": {{ n }}}"), "{\"n\":\"1, \\\"admin\\\": true\"}",
          NULL },
        { BODY("{\\\"n\\\": \\\"{{ n }}}"), "{\"n\":1}", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(rows[i][0], rows[i][1], rows[i][2]);
}
END_TEST

START_TEST(what_cannot_be_set_is_a_letter)
{
    expect(SET("a.b", "x"), "{\"a\":\"text\"}", NULL);
    ck_assert_str_eq(testhost_reason(t, 0)->field, "a.b");
    expect(SET("a[3]", "x"), "{\"a\":[1]}", NULL);
    expect(SET("a[0]", "x"), "{}", NULL);
    expect(RENAME("x", "a.b"), "{\"x\":1,\"a\":2}", NULL);
}
END_TEST

START_TEST(neighbours_of_a_letter_go_on)
{
    ck_assert_int_eq(open_it(SET("a.b", "x")), 0);
    add("{}");
    add("{\"a\":1}");
    add("{\"a\":{}}");
    ck_assert_int_eq(testhost_process(t), 0);
    ck_assert_int_eq(testhost_state(t, 1), TESTHOST_REJECTED);
    ck_assert_uint_eq(testhost_counter(t, "transform_refused"), 1);
    ck_assert_str_eq(testhost_payload(t, 0), "{\"a\":{\"b\":\"x\"}}");
    ck_assert_str_eq(testhost_payload(t, 2), "{\"a\":{\"b\":\"x\"}}");
}
END_TEST

START_TEST(a_wrong_config_is_refused)
{
    static const char *const rows[][2] = {
        { "", "changes nothing" },
        { "keep = ( \"a[0]\" );", "as a whole" },
        { "keep = ( \"a['b'].c[-1]\" );", "as a whole" },
        { SET("$event.id", "x"), "stays as its sender" },
        { SET("$entity.user.plan", "x"), "cannot be written" },
        { SET("a", "{{ b"), "value" },
        { RENAME("event.a", "b"), "begins with $" },
        { "remove = ( \"\" );", "expected" },
        { BODY("{{ $event.nope nope }}"), "body" },
        { "sets = ();", "no such option" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        testhost_free(t);
        t = testhost_new();
        ck_assert_msg(open_it(rows[i][0]), "%s is taken", rows[i][0]);
        ck_assert_msg(strstr(testhost_findings(t), rows[i][1]), "%s: %s",
                      rows[i][0], testhost_findings(t));
    }
}
END_TEST

/* Each allocation fails once: the events come again, as they were. */
START_TEST(without_memory_they_come_again)
{
    int done = 0;
    for (uint32_t n = 1; !done && n < 200; n++) {
        testhost_free(t);
        t = testhost_new();
        ck_assert_int_eq(open_it(RENAME("a", "b") SET(
                             "c", "{{ b }}") "keep = ( \"c\", \"b\" );"),
                         0);
        add("{\"a\":{\"x\":1}}");
        testhost_fail_alloc(t, n);
        int err = testhost_process(t);
        testhost_fail_alloc(t, 0);
        done = !err;
        ck_assert_str_eq(testhost_payload(t, 0),
                         err ? "{\"a\":{\"x\":1}}"
                             : "{\"c\":\"{\\\"x\\\":1}\",\"b\":{\"x\":1}}");
    }
    ck_assert(done);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("transform");
    TCase *tc = tcase_create("transform");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, fields_are_set);
    tcase_add_test(tc, fields_move);
    tcase_add_test(tc, fields_go_and_stay);
    tcase_add_test(tc, all_is_done_in_one_order);
    tcase_add_test(tc, a_body_is_made);
    tcase_add_test(tc, what_cannot_be_set_is_a_letter);
    tcase_add_test(tc, neighbours_of_a_letter_go_on);
    tcase_add_test(tc, a_wrong_config_is_refused);
    tcase_add_test(tc, without_memory_they_come_again);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
