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
    snprintf(path, sizeof(path), "%s/plugins/enrich.entity/.libs/%s",
             build ? build : ".", "enrich.entity.so");
    return path;
}

static void
setup(void)
{
    t = testhost_new();
    ck_assert_ptr_nonnull(t);
    testhost_entity(t, "user", "u1", "{\"account\":\"acme\",\"seats\":1.10}");
    testhost_entity(t, "user", "42", "{\"account\":\"forty-two\"}");
    testhost_entity(t, "user", "18446744073709551615", "{\"account\":\"max\"}");
    testhost_entity(t, "user", "1.50", "{\"account\":\"decimal\"}");
    testhost_entity(t, "account", "acme", "{\"plan\":\"pro\"}");
}

static void
teardown(void)
{
    testhost_free(t);
}

static void
use(const char *config)
{
    int err = testhost_open(t, plugin_path(), config);
    ck_assert_msg(err == 0, "%s", testhost_findings(t));
    ck_assert_int_eq(testhost_start(t), 0);
}

/* One event of a batch; its payload. */
static void
event(const char *payload)
{
    char json[2000];
    snprintf(json, sizeof(json), "{\"type\":\"t\",\"payload\":%s}", payload);
    ck_assert_int_eq(testhost_event(t, json), 0);
}

#define USER "kind = \"user\"; key = \"$event.payload.user_id\";"

START_TEST(found_entities_are_attached)
{
    use(USER);
    event("{\"user_id\":\"u1\"}");
    event("{\"user_id\":\"nobody\"}");
    ck_assert_int_eq(testhost_process(t), 0);
    ck_assert_str_eq(testhost_attached(t, 0, "user"),
                     "{\"account\":\"acme\",\"seats\":1.10}");
    ck_assert_ptr_null(testhost_attached(t, 1, "user"));
    ck_assert_int_eq(testhost_state(t, 0), TESTHOST_KEPT);
    ck_assert_int_eq(testhost_state(t, 1), TESTHOST_KEPT);
    ck_assert_str_eq(testhost_payload(t, 0), "{\"user_id\":\"u1\"}");
    ck_assert_uint_eq(testhost_counter(t, "found"), 1);
    ck_assert_uint_eq(testhost_counter(t, "unknown"), 1);
}
END_TEST

START_TEST(numbers_are_keys_as_written)
{
    use(USER);
    event("{\"user_id\":42}");
    event("{\"user_id\":18446744073709551615}");
    event("{\"user_id\":1.50}");
    event("{\"user_id\":1.5}");
    ck_assert_int_eq(testhost_process(t), 0);
    ck_assert_str_eq(testhost_attached(t, 0, "user"),
                     "{\"account\":\"forty-two\"}");
    ck_assert_str_eq(testhost_attached(t, 1, "user"), "{\"account\":\"max\"}");
    ck_assert_str_eq(testhost_attached(t, 2, "user"),
                     "{\"account\":\"decimal\"}");
    ck_assert_ptr_null(testhost_attached(t, 3, "user"));
}
END_TEST

static const char *const keyless[] = {
    "{}",
    "{\"user_id\":null}",
    "{\"user_id\":true}",
    "{\"user_id\":[\"u1\"]}",
    "{\"user_id\":{\"id\":\"u1\"}}",
    "{\"user_id\":\"\"}",
};
#define KEYLESS (sizeof(keyless) / sizeof(*keyless))

START_TEST(a_missing_key_is_an_unknown_entity)
{
    use(USER " unknown = \"drop\";");
    for (size_t i = 0; i < KEYLESS; i++)
        event(keyless[i]);
    event("{\"user_id\":\"u1\"}");
    ck_assert_int_eq(testhost_process(t), 0);
    for (uint32_t i = 0; i < KEYLESS; i++)
        ck_assert_int_eq(testhost_state(t, i), TESTHOST_DROPPED);
    ck_assert_int_eq(testhost_state(t, KEYLESS), TESTHOST_KEPT);
    ck_assert_uint_eq(testhost_counter(t, "unknown"), KEYLESS);
}
END_TEST

START_TEST(unknown_entities_become_dead_letters_where_asked)
{
    use(USER " unknown = \"dead-letter\";");
    event("{\"user_id\":\"u2\"}");
    event("{}");
    event("{\"user_id\":\"u1\"}");
    ck_assert_int_eq(testhost_process(t), 0);
    ck_assert_int_eq(testhost_state(t, 0), TESTHOST_REJECTED);
    ck_assert_str_eq(testhost_reason(t, 0)->code, "unknown_entity");
    ck_assert_str_eq(testhost_reason(t, 0)->message, "there is no user \"u2\"");
    ck_assert_str_eq(testhost_reason(t, 0)->field, "$event.payload.user_id");
    ck_assert_int_eq(testhost_state(t, 1), TESTHOST_REJECTED);
    ck_assert_ptr_nonnull(strstr(testhost_reason(t, 1)->message, "is missing"));
    ck_assert_int_eq(testhost_state(t, 2), TESTHOST_KEPT);
}
END_TEST

/* It waits by a schedule, for as long as it may. */
START_TEST(an_unknown_entity_is_waited_for)
{
    static const struct {
        uint32_t attempts;
        int64_t waited_ms;
        uint64_t delay_ms; /* 0: a dead letter */
    } rows[] = {
        { 0, -1, 1000 },       { 1, 1000, 5000 },     { 2, 6000, 15000 },
        { 3, 21000, 60000 },   { 4, 81000, 300000 },  { 5, 381000, 600000 },
        { 9, 600000, 600000 }, { 9, 7190000, 10001 }, { 9, 7200000, 0 },
        { 1, -500000, 5000 },  { 9, 9000000, 0 },
    };
    const int64_t now = INT64_C(1800000000000000);
    use(USER " unknown = \"wait\"; wait_max = \"2h\";");
    testhost_clock(t, now);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct il_again again = {
            IL_SIZED(struct il_again),
            .attempts = rows[i].attempts,
            .first_us = now - rows[i].waited_ms * 1000,
            .since_us = now,
            .stopped = IL_STOPPED_HERE,
        };
        testhost_clear(t);
        if (i)
            testhost_again(t, &again);
        event("{\"user_id\":\"u2\"}");
        event("{\"user_id\":\"u1\"}");
        ck_assert_int_eq(testhost_process(t), 0);
        ck_assert_int_eq(testhost_state(t, 1), TESTHOST_KEPT);
        if (!rows[i].delay_ms) {
            ck_assert_int_eq(testhost_state(t, 0), TESTHOST_REJECTED);
            ck_assert_str_eq(testhost_reason(t, 0)->code, "unknown_entity");
            continue;
        }
        ck_assert_int_eq(testhost_state(t, 0), TESTHOST_DEFERRED);
        ck_assert_uint_eq(testhost_deferral(t, 0)->delay_ms, rows[i].delay_ms);
        ck_assert_str_eq(testhost_deferral(t, 0)->why->message,
                         "there is no user \"u2\"");
    }
    ck_assert_uint_eq(testhost_counter(t, "waits"), 9);
    testhost_entity(t, "user", "u2", "{\"account\":\"late\"}");
    testhost_clear(t);
    event("{\"user_id\":\"u2\"}");
    event("{}"); /* there is nothing to wait for */
    ck_assert_int_eq(testhost_process(t), 0);
    ck_assert_str_eq(testhost_attached(t, 0, "user"), "{\"account\":\"late\"}");
    ck_assert_int_eq(testhost_state(t, 1), TESTHOST_REJECTED);
}
END_TEST

/* Its age is that at the time at which the event came in. */
START_TEST(when_it_was_seen_is_attached_where_it_is_asked_for)
{
    testhost_clock(t, INT64_C(1764000000123456));
    testhost_entity(t, "user", "u7", "{\"a\":1}");
    use(USER " seen = true;");
    event("{\"user_id\":\"u7\"}");
    ck_assert_int_eq(testhost_process(t), 0);
    ck_assert_str_eq(testhost_attached(t, 0, "user"),
                     "{\"a\":1,\"@seen\":\"2025-11-24T16:00:00.123456Z\"}");
}
END_TEST

START_TEST(an_entity_is_stale_where_it_is_older_than_max_age)
{
    static const struct {
        const char *stale;
        int state;
    } rows[] = { { "pass", TESTHOST_KEPT },
                 { "dead-letter", TESTHOST_REJECTED },
                 { "wait", TESTHOST_DEFERRED } };
    /* by the host's clock: at 1800000000 s */
    testhost_clock(t, INT64_C(1800000000000000));
    testhost_entity(t, "user", "fresh", "{\"n\":1}");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char config[200];
        snprintf(config, sizeof(config),
                 USER " max_age = \"1h\"; stale = \"%s\";", rows[i].stale);
        use(config);
        ck_assert_int_eq(testhost_event(t,
                                        "{\"type\":\"t\",\"received_at\":"
                                        "\"2027-01-15T09:00:00Z\",\"payload\":"
                                        "{\"user_id\":\"fresh\"}}"),
                         0);
        ck_assert_int_eq(
            testhost_event(t, "{\"type\":\"t\",\"received_at\":"
                              "\"2027-01-15T09:00:00.000001Z\",\"payload\":"
                              "{\"user_id\":\"fresh\"}}"),
            0);
        ck_assert_int_eq(testhost_process(t), 0);
        ck_assert_int_eq(testhost_state(t, 0), TESTHOST_KEPT);
        ck_assert_str_eq(testhost_attached(t, 0, "user"), "{\"n\":1}");
        ck_assert_int_eq(testhost_state(t, 1), rows[i].state);
        ck_assert_uint_eq(testhost_counter(t, "stale"), i + 1);
        if (rows[i].state == TESTHOST_KEPT)
            ck_assert_str_eq(testhost_attached(t, 1, "user"), "{\"n\":1}");
        else if (rows[i].state == TESTHOST_REJECTED)
            ck_assert_str_eq(testhost_reason(t, 1)->code, "stale_entity");
        else
            ck_assert_str_eq(testhost_deferral(t, 1)->why->code,
                             "stale_entity");
        testhost_close(t);
        testhost_clear(t);
    }
    ck_assert_int_lt(testhost_open(t, plugin_path(), USER " stale = \"wait\";"),
                     0);
    ck_assert_ptr_nonnull(strstr(testhost_findings(t), "max_age"));
}
END_TEST

START_TEST(events_that_left_the_batch_are_not_looked_up)
{
    use(USER " unknown = \"drop\";");
    event("{\"user_id\":\"nobody\"}");
    event("{\"user_id\":\"u1\"}");
    ck_assert_int_eq(testhost_process(t), 0);
    ck_assert_int_eq(testhost_process(t), 0);
    ck_assert_uint_eq(testhost_counter(t, "unknown"), 1);
    ck_assert_uint_eq(testhost_counter(t, "found"), 2);
}
END_TEST

START_TEST(wrong_options_are_named)
{
    static const struct {
        const char *config, *finding;
    } cases[] = {
        { "key = \"$event.id\";", "kind" },
        { "kind = \"user\";", "key" },
        { "kind = \"User\"; key = \"$event.id\";", "lower-case letter" },
        { "kind = \"\"; key = \"$event.id\";", "kind" },
        { "kind = \"user\"; key = \"user_id\";", "key" },
        { "kind = \"user\"; key = \"$event.id\"; unknown = \"skip\";",
          "dead-letter" },
        { "kind = \"user\"; key = \"$event.id\"; unknwon = \"drop\";",
          "unknown" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        ck_assert_int_lt(testhost_open(t, plugin_path(), cases[i].config), 0);
        ck_assert_msg(strstr(testhost_findings(t), cases[i].finding), "%s: %s",
                      cases[i].config, testhost_findings(t));
        teardown();
        setup();
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("enrich.entity");
    TCase *c = tcase_create("enrich.entity");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, found_entities_are_attached);
    tcase_add_test(c, numbers_are_keys_as_written);
    tcase_add_test(c, a_missing_key_is_an_unknown_entity);
    tcase_add_test(c, unknown_entities_become_dead_letters_where_asked);
    tcase_add_test(c, an_unknown_entity_is_waited_for);
    tcase_add_test(c, when_it_was_seen_is_attached_where_it_is_asked_for);
    tcase_add_test(c, an_entity_is_stale_where_it_is_older_than_max_age);
    tcase_add_test(c, events_that_left_the_batch_are_not_looked_up);
    tcase_add_test(c, wrong_options_are_named);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
