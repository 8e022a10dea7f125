/* SPDX-License-Identifier: MIT */
#define COUNTERS                                                               \
    { "dedupe_duplicates", 0 },                                                \
    {                                                                          \
        "dedupe_no_key", 0                                                     \
    }
#include "keyed-test.h"

static void
open_it(const char *config)
{
    ck_assert_msg(!open_plugin("dedupe", config), "%s: %s", config,
                  testhost_findings(t));
}

#define BY_K "key = \"$event.payload.k\";"
#define MINUTE "window = \"1m\";"
#define A "{\"k\":\"a\"}"
#define B "{\"k\":\"b\"}"

START_TEST(one_passes_in_a_window)
{
    open_it(BY_K MINUTE);
    ck_assert(one_passes(0, A));
    ck_assert(!one_passes(0, A));
    ck_assert(one_passes(0, B));
    ck_assert(!one_passes(60 * US - 1, A));
    ck_assert(one_passes(60 * US, A));
    /* It runs from the one that passed, not from its duplicates. */
    ck_assert(!one_passes(119 * US, A));
    ck_assert(!one_passes(120 * US - 1, A));
    ck_assert(one_passes(120 * US, A));
    ck_assert_uint_eq(counted("dedupe_duplicates"), 4);
}
END_TEST

START_TEST(windows_are_exact_to_the_microsecond)
{
    open_it(BY_K "window = \"1s\";");
    ck_assert(one_passes(333333, A));
    ck_assert(!one_passes(1333332, A));
    ck_assert(one_passes(1333333, A));
    ck_assert(!one_passes(2333332, A));
    ck_assert(one_passes(2333334, A));
    ck_assert(!one_passes(3333333, A));
    ck_assert(one_passes(3333334, A));
}
END_TEST

START_TEST(so_it_is_within_a_batch)
{
    open_it(BY_K MINUTE);
    add_at(0, A);
    add_at(1, B);
    add_at(2, A);
    add_at(60 * US, A);
    process();
    ck_assert(passed(0) && passed(1) && !passed(2) && passed(3));
}
END_TEST

START_TEST(late_events_are_of_now)
{
    open_it(BY_K MINUTE);
    ck_assert(one_passes(50 * US, A));
    ck_assert(!one_passes(0, A)); /* received before the one that passed */
    ck_assert(one_passes(110 * US, B));
    ck_assert(one_passes(0, A)); /* the window is over by now */
    ck_assert(!one_passes(169 * US, A));
    ck_assert(one_passes(170 * US, A));
}
END_TEST

START_TEST(a_clock_that_had_run_ahead_loses_none)
{
    open_it(BY_K "window = \"24h\";");
    ck_assert(one_passes(0, B));
    ck_assert(one_passes(100 * HOUR_US, A));
    for (int i = 0; i < 99; i++)
        ck_assert(one_passes(US, "{\"k\":null}"));
    /* The time goes back with the hundredth. */
    ck_assert(one_passes(US, A));
    ck_assert(!one_passes(2 * US, A));
    ck_assert(!one_passes(24 * HOUR_US + US - 1, A));
    ck_assert(one_passes(24 * HOUR_US + US, A));
}
END_TEST

START_TEST(keys_are_texts)
{
    static const struct {
        const char *key, *first, *second;
        int passes, has_none;
    } rows[] = {
        { "$event.payload.k", "{\"k\":1}", "{\"k\":\"1\"}", 0, 0 },
        { "$event.payload.k", "{\"k\":1.10}", "{\"k\":1.1}", 1, 0 },
        { "$event.payload.k", "{\"k\":18446744073709551615}",
          "{\"k\":18446744073709551615}", 0, 0 },
        { "$event.payload.k", "{\"k\":true}", "{\"k\":true}", 0, 0 },
        { "$event.payload.k", "{}", "{}", 1, 2 },
        { "$event.payload.k", "{\"k\":null}", "{\"k\":null}", 1, 2 },
        { "$event.payload.k", "{\"k\":\"\"}", "{\"k\":\"\"}", 1, 2 },
        { "$event.payload", "{\"k\":[1,{}]}", "{\"k\":[1,{}]}", 0, 0 },
        { "$event.payload", "{\"k\":[1,{}]}", "{\"k\":[1,[]]}", 1, 0 },
        { "$event.type", "{}", "{\"k\":1}", 0, 0 },
        { "{{ a }}: {{ b }}", "{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":2}", 0, 0 },
        { "{{ a }}: {{ b }}", "{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":3}", 1, 0 },
        { "{{ a }}: {{ b }}", "{\"a\":1}", "{\"a\":1}", 1, 2 },
        { "{{ lower(a) }}", "{\"a\":\"X\"}", "{\"a\":\"x\"}", 0, 0 },
        { "$event.payload.k", "{\"k\":\"a\\u0000b\"}", "{\"k\":\"a\\u0000c\"}",
          1, 0 },
        { "$event.payload.k", "{\"k\":\"a\\u0000b\"}", "{\"k\":\"a\\u0000b\"}",
          0, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char config[200];
        testhost_free(t);
        setup();
        snprintf(config, sizeof config, "key = \"%s\";", rows[i].key);
        open_it(config);
        ck_assert(one_passes(0, rows[i].first));
        ck_assert_msg(one_passes(0, rows[i].second) == rows[i].passes,
                      "%s: %s, %s", rows[i].key, rows[i].first, rows[i].second);
        ck_assert_uint_eq(counted("dedupe_no_key"), rows[i].has_none);
    }
}
END_TEST

START_TEST(long_keys_are_keys)
{
    char one[12000], other[12000];
    open_it(BY_K);
    snprintf(one, sizeof one, "{\"k\":\"%011000d\"}", 1);
    snprintf(other, sizeof other, "{\"k\":\"%011000d\"}", 2);
    ck_assert(one_passes(0, one));
    ck_assert(one_passes(0, other));
    ck_assert(!one_passes(0, one));
}
END_TEST

START_TEST(duplicates_can_be_marked)
{
    open_it(BY_K MINUTE "mark = true;");
    ck_assert(one_passes(0, A));
    ck_assert_str_eq(results(0), "{\"duplicate\":false}");
    ck_assert(one_passes(59 * US, A));
    ck_assert_str_eq(results(0), "{\"duplicate\":true}");
    ck_assert(one_passes(59 * US, "{}"));
    ck_assert_str_eq(results(0), "{\"duplicate\":false}");
    ck_assert(one_passes(60 * US, A));
    ck_assert_str_eq(results(0), "{\"duplicate\":false}");
    ck_assert_uint_eq(counted("dedupe_duplicates"), 1);
}
END_TEST

START_TEST(only_earlier_events_make_duplicates)
{
    open_it(BY_K MINUTE);
    testhost_position(t, 10);
    ck_assert(one_passes(0, A));
    /* me again, and what is behind: the memory is ahead */
    testhost_position(t, 10);
    ck_assert(one_passes(US, A));
    testhost_position(t, 9);
    ck_assert(one_passes(US, A));
    testhost_position(t, 11);
    ck_assert(!one_passes(60 * US - 1, A));
    ck_assert(one_passes(60 * US, A));
}
END_TEST

START_TEST(what_comes_again_is_no_duplicate_of_itself)
{
    open_it(BY_K MINUTE "mark = true;");
    testhost_position(t, 10);
    ck_assert(one_passes(0, A));
    ck_assert(again_passes(US, A, 10, 20, IL_STOPPED_LATER));
    ck_assert_str_eq(results(0), "{\"duplicate\":false}");
    /* another has passed meanwhile */
    ck_assert(one_passes(60 * US, A));
    ck_assert_str_eq(results(0), "{\"duplicate\":false}");
    ck_assert(again_passes(61 * US, A, 10, 22, IL_STOPPED_LATER));
    ck_assert_str_eq(results(0), "{\"duplicate\":false}");
    /* these never were here, or it does not count */
    for (uint32_t stopped = 0; stopped <= IL_STOPPED_HERE; stopped++) {
        ck_assert(again_passes(61 * US, A, 9, 23 + stopped, stopped));
        ck_assert_str_eq(results(0), "{\"duplicate\":true}");
    }
    ck_assert(again_passes(62 * US, B, 8, 30, IL_STOPPED_HERE));
    ck_assert_str_eq(results(0), "{\"duplicate\":false}");
    ck_assert(one_passes(62 * US, B));
    ck_assert_str_eq(results(0), "{\"duplicate\":true}");
}
END_TEST

START_TEST(another_meaning_begins_anew)
{
    static const struct {
        const char *then, *now;
        int passes;
    } rows[] = {
        { BY_K MINUTE, BY_K MINUTE, 0 },
        { BY_K MINUTE, BY_K "window = \"60s\";", 0 },
        { BY_K MINUTE, BY_K MINUTE "mark = false;", 0 },
        { BY_K MINUTE, BY_K "window = \"61s\";", 1 },
        { BY_K MINUTE, "key = \"{{ k }}\";" MINUTE, 1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        testhost_free(t);
        setup();
        open_it(rows[i].then);
        ck_assert(one_passes(0, A));
        testhost_close(t);
        open_it(rows[i].now);
        ck_assert_msg(one_passes(US, A) == rows[i].passes, "%s, then %s",
                      rows[i].then, rows[i].now);
    }
}
END_TEST

START_TEST(a_cell_is_small_and_versioned)
{
    size_t len;
    open_it(BY_K);
    ck_assert(one_passes(0x123456, A));
    const unsigned char *cell = testhost_remembered(t, "a", &len);
    ck_assert_ptr_nonnull(cell);
    ck_assert_uint_eq(len, 9);
    ck_assert_uint_eq(cell[0], 1);
    uint64_t us = 0;
    for (int i = 8; i; i--)
        us = us << 8 | cell[i];
    ck_assert_int_eq((int64_t) us, START_US + 0x123456);
}
END_TEST

START_TEST(a_wrong_config_is_refused)
{
    static const char *const rows[][2] = {
        { "", "key" },
        { "key = \"\";", "duplicate of the first" },
        { "key = \"user_id\";", "$event.payload.user_id" },
        { "key = \"$event.payload\"; window = \"0s\";", "window" },
        { "key = \"$event.payload\"; window = \"999ms\";", "window" },
        { "key = \"$event.payload\"; window = \"4000d\";", "window" },
        { "key = \"{{ a\";", "key" },
        { "key = \"$step.other.count\"; keys = 1;", "no such option" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        testhost_free(t);
        setup();
        ck_assert_msg(open_plugin("dedupe", rows[i][0]), "%s is taken",
                      rows[i][0]);
        ck_assert_msg(strstr(testhost_findings(t), rows[i][1]), "%s: %s",
                      rows[i][0], testhost_findings(t));
    }
}
END_TEST

/* Each allocation fails once: the events come again, and are decided as if they
 * had come once. */
START_TEST(without_memory_they_come_again)
{
    int done = 0;
    for (uint32_t n = 1; !done; n++) {
        ck_assert_uint_lt(n, 200);
        testhost_free(t);
        setup();
        open_it(BY_K MINUTE "mark = true;");
        ck_assert(one_passes(0, A));
        testhost_clear(t);
        add_at(1, B);
        add_at(2, B);
        add_at(3, A);
        testhost_fail_alloc(t, n);
        int err = testhost_process(t);
        done = !testhost_alloc_failed(t);
        ck_assert(done == !err);
        testhost_fail_alloc(t, 0);
        if (err) {
            ck_assert_str_eq(results(0), "");
            ck_assert_ptr_null(testhost_remembered(t, "b", NULL));
            ck_assert_uint_eq(counted("dedupe_duplicates"), 0);
            process();
        }
        ck_assert_str_eq(results(0), "{\"duplicate\":false}");
        ck_assert_str_eq(results(1), "{\"duplicate\":true}");
        ck_assert_str_eq(results(2), "{\"duplicate\":true}");
        ck_assert_uint_eq(counted("dedupe_duplicates"), 2);
    }
}
END_TEST

/* --- beside a model -------------------------------------------------------- */

#define KEYS 12
#define BATCH 20
#define WINDOW (180 * US)

struct model {
    struct model_stream stream;
    struct {
        int64_t us; /* 0: none has passed */
        uint64_t position;
    } passed[KEYS];
};

static int
model_passes(struct model *m, uint64_t position, int64_t us, uint32_t key)
{
    model_pass(&m->stream, us);
    const int64_t now = m->stream.us, before = m->passed[key].us;
    const int64_t end = (before + WINDOW + US - 1) / US * US;
    if (!key)
        return 1; /* it has none */
    if (before && end > now && m->passed[key].position >= position)
        return 1;
    if (before && now >= before && now - before < WINDOW)
        return 0;
    m->passed[key].us = now;
    m->passed[key].position = position;
    return 1;
}

/* A batch of the model and of the step, from a position on. */
static void
run_batch(struct model *m, uint64_t position, uint32_t n, const int64_t *at,
          const uint32_t *keys, int *want)
{
    char payload[40];
    testhost_clear(t);
    testhost_position(t, position);
    for (uint32_t i = 0; i < n; i++) {
        snprintf(payload, sizeof payload, keys[i] ? "{\"k\":%u}" : "{\"n\":%u}",
                 keys[i]);
        add_at(at[i], payload);
        want[i] = model_passes(m, position + i, START_US + at[i], keys[i]);
    }
    process_at_last();
    for (uint32_t i = 0; i < n; i++)
        ck_assert_msg(passed(i) == want[i], "event %llu: want %d",
                      (unsigned long long) position + i, want[i]);
}

/* Batches that fail and come again; and now and then one that is processed once
 * more though it is remembered: what passed passes then, too. */
START_TEST(random_events_are_as_in_a_model)
{
    struct model m = { .stream = { 0, 0, 0 } };
    int64_t clock = 0, at[BATCH];
    uint32_t keys[BATCH];
    int want[BATCH], once_more[BATCH];
    uint64_t duplicates = 0, position = 1;
    random_state = 14;
    open_it(BY_K "window = \"3m\";");
    while (position < 30000) {
        const uint32_t n = 1 + random_below(BATCH);
        for (uint32_t i = 0; i < n; i++) {
            at[i] = next_time(&clock);
            keys[i] = random_below(KEYS);
        }
        const int64_t before = m.stream.us;
        run_batch(&m, position, n, at, keys, want);
        for (uint32_t i = 0; i < n; i++)
            duplicates += !want[i];
        if (random_below(10) == 0 && m.stream.us >= before
            && m.stream.us - before < WINDOW) {
            run_batch(&m, position, n, at, keys, once_more);
            for (uint32_t i = 0; i < n; i++) {
                ck_assert(once_more[i] || !want[i]);
                duplicates += !once_more[i];
            }
        }
        position += n;
    }
    ck_assert_uint_eq(counted("dedupe_duplicates"), duplicates);
    ck_assert_uint_gt(duplicates, 5000);
    ck_assert_uint_lt(duplicates, 25000);
}
END_TEST

int
main(void)
{
    TCase *c = tcase_create("dedupe");
    tcase_add_test(c, one_passes_in_a_window);
    tcase_add_test(c, windows_are_exact_to_the_microsecond);
    tcase_add_test(c, so_it_is_within_a_batch);
    tcase_add_test(c, late_events_are_of_now);
    tcase_add_test(c, a_clock_that_had_run_ahead_loses_none);
    tcase_add_test(c, keys_are_texts);
    tcase_add_test(c, long_keys_are_keys);
    tcase_add_test(c, duplicates_can_be_marked);
    tcase_add_test(c, only_earlier_events_make_duplicates);
    tcase_add_test(c, what_comes_again_is_no_duplicate_of_itself);
    tcase_add_test(c, another_meaning_begins_anew);
    tcase_add_test(c, a_cell_is_small_and_versioned);
    tcase_add_test(c, a_wrong_config_is_refused);
    tcase_add_test(c, without_memory_they_come_again);
    tcase_add_test(c, random_events_are_as_in_a_model);
    return run_tests("dedupe", c);
}
