/* SPDX-License-Identifier: MIT */
#define COUNTERS                                                               \
    { "throttle_suppressed", 0 }, { "throttle_summaries", 0 },                 \
    {                                                                          \
        "throttle_no_key", 0                                                   \
    }
#include "../../dedupe/tests/keyed-test.h"

static void
open_it(const char *config)
{
    ck_assert_msg(!open_plugin("throttle", config), "%s: %s", config,
                  testhost_findings(t));
}

#define BY_K "key = \"$event.payload.k\";"
#define TWO_A_MINUTE "max = 2; window = \"1m\";"
#define TOLD "summary = true;"
#define MARKED "mode = \"mark\";"
#define A "{\"k\":\"a\"}"
#define B "{\"k\":\"b\"}"

START_TEST(so_many_pass_in_a_window)
{
    open_it(BY_K TWO_A_MINUTE);
    ck_assert(one_passes(30 * US, A));
    ck_assert(one_passes(40 * US, B));
    ck_assert(one_passes(50 * US, A));
    ck_assert(!one_passes(50 * US, A));
    ck_assert(one_passes(51 * US, B));
    ck_assert(!one_passes(60 * US - 1, A));
    /* Aligned to 1970, not to the first event. */
    ck_assert(one_passes(60 * US, A));
    ck_assert(one_passes(119 * US, A));
    ck_assert(!one_passes(120 * US - 1, A));
    ck_assert(one_passes(120 * US, A));
    ck_assert_uint_eq(counted("throttle_suppressed"), 3);
}
END_TEST

START_TEST(windows_are_aligned_whatever_their_length)
{
    /* 7 s do not part a minute: the window that START_US is in ends where the
     * seconds since 1970 are a multiple of 7. */
    const int64_t edge = (START_US / (7 * US) + 1) * 7 * US - START_US;
    open_it("max = 1; window = \"7s\";");
    ck_assert(one_passes(0, A));
    ck_assert(!one_passes(edge - 1, B));
    ck_assert(one_passes(edge, B));
    ck_assert(!one_passes(edge + 7 * US - 1, A));
    ck_assert(one_passes(edge + 7 * US, A));
    /* What is remembered ends at a full second, the window does not. */
    testhost_free(t);
    setup();
    open_it("max = 1; window = \"1500ms\";");
    ck_assert(one_passes(0, A));
    ck_assert(!one_passes(1499999, A));
    ck_assert(one_passes(1500000, A));
    ck_assert(!one_passes(2999999, A));
}
END_TEST

START_TEST(without_a_key_there_is_one_limit)
{
    open_it(TWO_A_MINUTE);
    add_at(0, A);
    add_at(0, B);
    add_at(0, "{}");
    process();
    ck_assert(passed(0) && passed(1) && !passed(2));
    ck_assert_uint_eq(counted("throttle_no_key"), 0);
}
END_TEST

START_TEST(events_without_the_key_pass)
{
    open_it("key = \"{{ k }}/{{ n }}\";" TWO_A_MINUTE);
    for (int i = 0; i < 5; i++)
        add_at(0, i % 2 ? A : "{\"k\":null,\"n\":1}");
    for (int i = 0; i < 3; i++)
        add_at(0, "{\"k\":\"a\",\"n\":1}");
    process();
    for (uint32_t i = 0; i < 8; i++)
        ck_assert_int_eq(passed(i), i < 7);
    ck_assert_uint_eq(counted("throttle_no_key"), 5);
}
END_TEST

START_TEST(what_is_above_can_be_marked)
{
    open_it(BY_K TWO_A_MINUTE MARKED);
    for (int i = 0; i < 4; i++)
        add_at(i, A);
    add_at(5, "{}");
    add_at(60 * US, A);
    process();
    ck_assert_str_eq(results(0), "{\"passed\":true,\"count\":1}");
    ck_assert_str_eq(results(1), "{\"passed\":true,\"count\":2}");
    ck_assert_str_eq(results(2), "{\"passed\":false,\"count\":3}");
    ck_assert_str_eq(results(3), "{\"passed\":false,\"count\":4}");
    ck_assert_str_eq(results(4), "{\"passed\":true}");
    ck_assert_str_eq(results(5), "{\"passed\":true,\"count\":1}");
    for (uint32_t i = 0; i < 6; i++)
        ck_assert(passed(i));
    ck_assert_uint_eq(counted("throttle_suppressed"), 2);
}
END_TEST

/* Those above have the windows that follow, as many each as may pass. */
START_TEST(what_is_above_can_come_later)
{
    static const uint64_t delays_s[] = { 0, 0, 50, 50, 110, 110, 170 };
    open_it(BY_K TWO_A_MINUTE "mode = \"delay\"; delay_max = \"150s\";");
    for (int i = 0; i < 7; i++)
        add_at(10 * US, A);
    add_at(10 * US, B);
    add_at(60 * US, A);
    process();
    process(); /* as after a failure: decided as before */
    for (uint32_t i = 0; i < 6; i++) {
        const struct il_deferral *d = testhost_deferral(t, i);
        ck_assert_int_eq(testhost_state(t, i),
                         delays_s[i] ? TESTHOST_DEFERRED : TESTHOST_KEPT);
        if (!delays_s[i])
            continue;
        ck_assert_uint_eq(d->delay_ms, delays_s[i] * 1000);
        ck_assert_uint_eq(d->flags, IL_AFTER | IL_NO_ATTEMPT);
        ck_assert_str_eq(d->why->code, "throttled");
    }
    ck_assert_int_eq(testhost_state(t, 6), TESTHOST_REJECTED);
    ck_assert_str_eq(testhost_reason(t, 6)->code, "throttled");
    ck_assert(passed(7) && passed(8));
}
END_TEST

START_TEST(late_events_are_of_now)
{
    open_it(TWO_A_MINUTE);
    ck_assert(one_passes(60 * US, A));
    ck_assert(one_passes(30 * US, A));
    ck_assert(!one_passes(59 * US, A));
    ck_assert(!one_passes(119 * US, A));
    ck_assert(one_passes(120 * US, A));
}
END_TEST

START_TEST(a_clock_that_had_run_ahead_begins_anew)
{
    open_it(BY_K "max = 1; window = \"1h\";");
    ck_assert(one_passes(0, B));
    ck_assert(one_passes(100 * HOUR_US, A));
    for (int i = 0; i < 99; i++)
        ck_assert(!one_passes(US, A));
    ck_assert(one_passes(US, A)); /* the hundredth: the time goes back */
    ck_assert(!one_passes(HOUR_US - 1, A));
    ck_assert(one_passes(HOUR_US, A));
}
END_TEST

START_TEST(an_event_is_counted_once)
{
    open_it(BY_K TWO_A_MINUTE);
    testhost_position(t, 10);
    ck_assert(one_passes(0, A));
    testhost_position(t, 10);
    ck_assert(one_passes(0, A)); /* me again */
    testhost_position(t, 9);
    ck_assert(one_passes(0, A)); /* what is remembered is ahead */
    testhost_position(t, 11);
    ck_assert(one_passes(0, A));
    ck_assert(!one_passes(0, A));
    testhost_position(t, 11);
    ck_assert(one_passes(0, A));
    ck_assert(!one_passes(0, A));
}
END_TEST

START_TEST(so_is_one_that_is_marked)
{
    open_it(TWO_A_MINUTE MARKED);
    testhost_position(t, 10);
    for (int i = 0; i < 3; i++)
        ck_assert(one_passes(0, A));
    testhost_position(t, 12);
    ck_assert(one_passes(0, A));
    ck_assert_str_eq(results(0), "{\"passed\":false,\"count\":3}");
    testhost_position(t, 11);
    ck_assert(one_passes(0, A));
    ck_assert_str_eq(results(0), "{\"passed\":true}"); /* it is not known */
    testhost_position(t, 13);
    ck_assert(one_passes(0, A));
    ck_assert_str_eq(results(0), "{\"passed\":false,\"count\":4}");
}
END_TEST

START_TEST(what_comes_again_is_counted_where_it_stopped)
{
    open_it(TWO_A_MINUTE MARKED);
    testhost_position(t, 10);
    ck_assert(one_passes(0, A));
    ck_assert(again_passes(US, A, 10, 20, IL_STOPPED_LATER));
    ck_assert_str_eq(results(0), "{\"passed\":true,\"count\":1}");
    ck_assert(again_passes(US, A, 9, 21, IL_STOPPED_HERE));
    ck_assert_str_eq(results(0), "{\"passed\":true,\"count\":2}");
    ck_assert(one_passes(2 * US, A));
    ck_assert_str_eq(results(0), "{\"passed\":false,\"count\":3}");
}
END_TEST

START_TEST(a_flood_is_not_remembered)
{
    size_t len;
    open_it(BY_K TWO_A_MINUTE);
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(one_passes(0, A), i < 2);
    const unsigned char *cell = testhost_remembered(t, "a", &len);
    ck_assert_ptr_nonnull(cell);
    ck_assert_uint_eq(len, 17);
    ck_assert_uint_eq(cell[0], 1);
    ck_assert_uint_eq(cell[9], 2);
}
END_TEST

START_TEST(another_meaning_begins_anew)
{
    static const struct {
        const char *then, *now;
        int anew;
    } rows[] = {
        { BY_K TWO_A_MINUTE, BY_K "max = 2; window = \"60s\";", 0 },
        { BY_K TWO_A_MINUTE, BY_K "max = 1; window = \"1m\";", 1 },
        { BY_K TWO_A_MINUTE, BY_K "max = 2; window = \"2m\";", 1 },
        { BY_K TWO_A_MINUTE, TWO_A_MINUTE, 1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        testhost_free(t);
        setup();
        open_it(rows[i].then);
        ck_assert(one_passes(0, A));
        ck_assert(one_passes(0, A));
        testhost_close(t);
        open_it(rows[i].now);
        ck_assert_msg(one_passes(0, A) == rows[i].anew, "%s", rows[i].now);
    }
    /* Where all are counted the limit may change. */
    testhost_free(t);
    setup();
    open_it(TWO_A_MINUTE MARKED);
    for (int i = 0; i < 3; i++)
        ck_assert(one_passes(0, A));
    testhost_close(t);
    open_it("max = 4; window = \"1m\";" MARKED);
    ck_assert(one_passes(0, A));
    ck_assert_str_eq(results(0), "{\"passed\":true,\"count\":4}");
}
END_TEST

START_TEST(a_wrong_config_is_refused)
{
    static const char *const rows[][2] = {
        { "window = \"1m\";", "max" },
        { "max = 1;", "window" },
        { "max = 0; window = \"1m\";", "max" },
        { "max = 1; window = \"10ms\";", "window" },
        { "key = \"user\"; max = 1; window = \"1m\";", "same text" },
        { "max = 1; window = \"1m\"; mode = \"later\";", "mode" },
        { "max = 1; window = \"1m\"; delay_max = \"1h\";", "is for mode" },
        { "max = 1; window = \"1m\"; summary = 1;", "summary" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        testhost_free(t);
        setup();
        ck_assert_msg(open_plugin("throttle", rows[i][0]), "%s is taken",
                      rows[i][0]);
        ck_assert_msg(strstr(testhost_findings(t), rows[i][1]), "%s: %s",
                      rows[i][0], testhost_findings(t));
    }
}
END_TEST

START_TEST(without_memory_they_come_again)
{
    int done = 0;
    for (uint32_t n = 1; !done; n++) {
        ck_assert_uint_lt(n, 200);
        testhost_free(t);
        setup();
        open_it(BY_K TWO_A_MINUTE MARKED);
        ck_assert(one_passes(0, A));
        testhost_clear(t);
        for (int i = 0; i < 3; i++)
            add_at(i, A);
        testhost_fail_alloc(t, n);
        int err = testhost_process(t);
        done = !testhost_alloc_failed(t);
        ck_assert(done == !err);
        testhost_fail_alloc(t, 0);
        if (err) {
            ck_assert_str_eq(results(0), "");
            ck_assert_uint_eq(counted("throttle_suppressed"), 0);
            process();
        }
        ck_assert_str_eq(results(0), "{\"passed\":true,\"count\":2}");
        ck_assert_str_eq(results(1), "{\"passed\":false,\"count\":3}");
        ck_assert_str_eq(results(2), "{\"passed\":false,\"count\":4}");
        ck_assert_uint_eq(counted("throttle_suppressed"), 2);
    }
}
END_TEST

/* --- beside a model -------------------------------------------------------- */

#define KEYS 6
#define BATCH 20
#define WINDOW (60 * US)
#define MAX 3

struct model {
    struct model_stream stream;
    int64_t window[KEYS], count[KEYS];
};

/* Which event of its window it is. */
static int64_t
model_count(struct model *m, int64_t us, uint32_t key)
{
    model_pass(&m->stream, us);
    const int64_t window = m->stream.us / WINDOW;
    if (m->window[key] != window)
        m->count[key] = 0;
    m->window[key] = window;
    return ++m->count[key];
}

static void
add_batch(uint64_t position, uint32_t n, const int64_t *at,
          const uint32_t *keys)
{
    char payload[40];
    testhost_clear(t);
    testhost_position(t, position);
    for (uint32_t i = 0; i < n; i++) {
        snprintf(payload, sizeof payload, "{\"k\":%u}", keys[i]);
        add_at(at[i], payload);
    }
    process_at_last();
}

static void
check_one(int marked, uint64_t position, uint32_t i, int64_t count)
{
    char want[60];
    snprintf(want, sizeof want, "{\"passed\":%s,\"count\":%d}",
             count <= MAX ? "true" : "false", (int) count);
    if (marked)
        ck_assert_str_eq(results(i), want);
    else
        ck_assert_msg(passed(i) == (count <= MAX), "event %llu: the %d.",
                      (unsigned long long) position, (int) count);
}

/* Batches that fail and come again; and now and then one that is processed once
 * more though it is remembered: what passed passes then, too, and nothing is
 * counted twice. */
START_TEST(random_events_are_as_in_a_model)
{
    struct model m = { .stream = { 0, 0, 0 } };
    int64_t clock = 0, at[BATCH], counts[BATCH];
    uint32_t keys[BATCH];
    uint64_t above = 0, position = 1;
    const int marked = _i == 1, told = _i == 2;
    random_state = 15;
    open_it(marked ? BY_K "max = 3; window = \"1m\";" MARKED
            : told ? BY_K "max = 3; window = \"1m\";" TOLD
                   : BY_K "max = 3; window = \"1m\";");
    while (position < 20000) {
        const uint32_t n = 1 + random_below(BATCH);
        const int64_t before = m.stream.us;
        for (uint32_t i = 0; i < n; i++) {
            at[i] = next_time(&clock);
            if (position % 4000 > 2000)
                clock -= random_below(15) * US; /* a flood */
            keys[i] = random_below(KEYS);
            counts[i] = model_count(&m, START_US + at[i], keys[i]);
            above += counts[i] > MAX;
        }
        add_batch(position, n, at, keys);
        for (uint32_t i = 0; i < n; i++)
            check_one(marked, position + i, i, counts[i]);
        if (m.stream.us / WINDOW == before / WINDOW
            && m.stream.behind + n < 100) {
            add_batch(position, n, at, keys);
            for (uint32_t i = 0; i < n; i++) {
                model_pass(&m.stream, START_US + at[i]);
                if (marked || (told && counts[i] <= MAX))
                    ck_assert(passed(i));
                else if (told)
                    continue; /* all are counted: the last one is known */
                else
                    check_one(0, position + i, i, counts[i]);
            }
            ck_assert(m.stream.us / WINDOW == before / WINDOW);
        }
        position += n;
    }
    ck_assert_uint_gt(above, 2000);
    ck_assert_uint_lt(above, 18000);
}
END_TEST

static void
told(size_t n, const char *want)
{
    const char *got = testhost_derived(t, n);
    ck_assert_msg(want ? got && !strcmp(got, want) : !got, "told %s",
                  got ? got : "nothing");
}

#define SUMMARY(at, key, passed, suppressed, first, last)                      \
    "{\"at\":" at ",\"id\":\"60000000/29453760/" key "\",\"type\":"            \
    "\"throttle.summary\",\"timestamp\":\"2026-01-01T00:01:00Z\","             \
    "\"payload\":{\"key\":\"" key "\",\"passed\":" passed                      \
    ",\"suppressed\":" suppressed ",\"first\":\"2026-01-01T00:00:" first       \
    "Z\",\"last\":\"2026-01-01T00:00:" last                                    \
    "Z\",\"window\":\"2026-01-01T00:00:00Z\"}}"

START_TEST(a_window_that_is_over_is_told_of_once)
{
    open_it(BY_K TWO_A_MINUTE TOLD);
    ck_assert(one_passes(10 * US, A));
    ck_assert(one_passes(11 * US, B));
    ck_assert(one_passes(12 * US, A));
    ck_assert(!one_passes(13 * US, A));
    ck_assert(!one_passes(14 * US, A));
    told(0, NULL);
    testhost_clear(t);
    add_at(30 * US, "{}");
    add_at(60 * US, "{\"k\":\"c\"}");
    add_at(61 * US, A);
    process();
    told(0, SUMMARY("1", "a", "2", "2", "10", "14"));
    told(1, SUMMARY("1", "b", "1", "0", "11", "11"));
    told(2, NULL);
    ck_assert(passed(2));
    ck_assert(one_passes(62 * US, A));
    ck_assert(!one_passes(63 * US, A));
    told(0, NULL);
    ck_assert_uint_eq(counted("throttle_summaries"), 2);
    ck_assert_str_eq(testhost_shown(t, "q\4\0\0\0\0\0\0\0") ?: "", "");
}
END_TEST

START_TEST(what_fails_tells_nothing)
{
    open_it(BY_K TWO_A_MINUTE TOLD);
    one_passes(10 * US, A);
    for (int i = 1; i < 30; i++) {
        testhost_clear(t);
        add_at(60 * US + i, B);
        testhost_fail_alloc(t, (uint64_t) i);
        const int err = testhost_process(t);
        testhost_fail_alloc(t, 0);
        if (err)
            told(0, NULL);
        else
            break;
    }
    told(0, SUMMARY("0", "a", "1", "0", "10", "10"));
    told(1, NULL);
}
END_TEST

START_TEST(one_event_ends_a_hundred_windows)
{
    char payload[40];
    open_it(BY_K TWO_A_MINUTE TOLD);
    for (int i = 0; i < 250; i++) {
        snprintf(payload, sizeof payload, "{\"k\":%d}", i);
        add_at(i, payload);
    }
    process();
    testhost_clear(t);
    for (int i = 0; i < 4; i++)
        add_at(60 * US + i, A);
    process();
    for (size_t i = 0; i < 250; i++) {
        snprintf(payload, sizeof payload, "{\"at\":%zu,", i / 100);
        ck_assert_ptr_nonnull(testhost_derived(t, i));
        ck_assert(!strncmp(testhost_derived(t, i), payload, strlen(payload)));
    }
    told(250, NULL);
}
END_TEST

START_TEST(keys_that_are_long_are_told_apart)
{
    char payload[2000], key[1001];
    open_it(BY_K TWO_A_MINUTE TOLD);
    memset(key, 'x', 1000);
    key[1000] = 0;
    for (int i = 0; i < 2; i++) {
        key[999] = (char) ('0' + i);
        snprintf(payload, sizeof payload, "{\"k\":\"%s\"}", key);
        for (int n = 0; n < 3; n++)
            ck_assert_int_eq(one_passes(10 * US, payload), n < 2);
    }
    one_passes(60 * US, A);
    char first[1000];
    snprintf(first, sizeof first, "%s", testhost_derived(t, 0));
    ck_assert_ptr_nonnull(strstr(first, "\"passed\":2,\"suppressed\":1"));
    ck_assert_ptr_nonnull(testhost_derived(t, 1));
    ck_assert_str_ne(first, testhost_derived(t, 1));
}
END_TEST

int
main(void)
{
    TCase *c = tcase_create("throttle");
    tcase_add_test(c, so_many_pass_in_a_window);
    tcase_add_test(c, windows_are_aligned_whatever_their_length);
    tcase_add_test(c, without_a_key_there_is_one_limit);
    tcase_add_test(c, events_without_the_key_pass);
    tcase_add_test(c, what_is_above_can_be_marked);
    tcase_add_test(c, what_is_above_can_come_later);
    tcase_add_test(c, late_events_are_of_now);
    tcase_add_test(c, a_clock_that_had_run_ahead_begins_anew);
    tcase_add_test(c, an_event_is_counted_once);
    tcase_add_test(c, so_is_one_that_is_marked);
    tcase_add_test(c, what_comes_again_is_counted_where_it_stopped);
    tcase_add_test(c, a_flood_is_not_remembered);
    tcase_add_test(c, another_meaning_begins_anew);
    tcase_add_test(c, a_wrong_config_is_refused);
    tcase_add_test(c, without_memory_they_come_again);
    tcase_add_test(c, a_window_that_is_over_is_told_of_once);
    tcase_add_test(c, what_fails_tells_nothing);
    tcase_add_test(c, one_event_ends_a_hundred_windows);
    tcase_add_test(c, keys_that_are_long_are_told_apart);
    tcase_add_loop_test(c, random_events_are_as_in_a_model, 0, 3);
    return run_tests("throttle", c);
}
