/* SPDX-License-Identifier: MIT */
#define COUNTERS                                                               \
    { "count_no_key", 0 },                                                     \
    {                                                                          \
        "count_no_value", 0                                                    \
    }
#include "../../dedupe/tests/keyed-test.h"

static void
open_it(const char *config)
{
    ck_assert_msg(!open_plugin("count", config), "%s: %s", config,
                  testhost_findings(t));
}

#define BY_K "key = \"$event.payload.k\";"
#define HOUR "window = \"1h\"; buckets = 4;"
#define A "{\"k\":\"a\"}"
#define B "{\"k\":\"b\"}"
#define MINUTE_US (60 * US)

/* The results of one event of its own have this in them. */
static void
expect(int64_t after_us, const char *payload, const char *want)
{
    ck_assert(one_passes(after_us, payload));
    ck_assert_msg(strstr(results(0), want) != NULL, "%s: want %s, got %s",
                  payload, want, results(0));
}

#define COUNTS(nth, count)                                                     \
    "{\"nth\":" #nth ",\"count\":" #count ",\"sum\":" #count ","

START_TEST(events_are_counted_by_key)
{
    open_it(BY_K);
    expect(1, A,
           "{\"nth\":1,\"count\":1,\"sum\":1,\"first_seen\":"
           "\"2026-01-01T00:00:00.000001Z\"}");
    expect(2, B, COUNTS(1, 1));
    expect(3, A,
           "{\"nth\":2,\"count\":2,\"sum\":2,\"first_seen\":"
           "\"2026-01-01T00:00:00.000001Z\"}");
    ck_assert(one_passes(4, "{\"k\":null}"));
    ck_assert_str_eq(results(0), "");
    ck_assert(one_passes(4, "{}"));
    ck_assert_str_eq(results(0), "");
    ck_assert_uint_eq(counted("count_no_key"), 2);
    expect(5, A, COUNTS(3, 3));
}
END_TEST

START_TEST(without_a_key_all_are_counted)
{
    open_it("");
    expect(0, A, COUNTS(1, 1));
    expect(0, B, COUNTS(2, 2));
    expect(0, "{}", COUNTS(3, 3));
}
END_TEST

START_TEST(the_window_slides_by_buckets)
{
    open_it(HOUR);
    expect(14 * MINUTE_US, A, COUNTS(1, 1));
    expect(15 * MINUTE_US, A, COUNTS(2, 2));
    expect(59 * MINUTE_US, A, COUNTS(3, 3));
    expect(60 * MINUTE_US - 1, A, COUNTS(4, 4));
    expect(60 * MINUTE_US, A, COUNTS(5, 4)); /* the first has left */
    expect(75 * MINUTE_US - 1, A, COUNTS(6, 5));
    expect(75 * MINUTE_US, A, COUNTS(7, 5));
    expect(135 * MINUTE_US - 1, A, COUNTS(8, 2)); /* of 75 and this */
    expect(135 * MINUTE_US, A, COUNTS(9, 2));
    expect(30 * 24 * HOUR_US, A, COUNTS(10, 1));
}
END_TEST

START_TEST(what_never_comes_again_is_forgotten)
{
    open_it(BY_K HOUR "forget = \"2h\";");
    expect(0, A, COUNTS(1, 1));
    expect(2 * HOUR_US - US, A, COUNTS(2, 1)); /* from here on two hours */
    expect(3 * HOUR_US, B, COUNTS(1, 1));
    expect(4 * HOUR_US - US - 1, A, COUNTS(3, 1));
    expect(6 * HOUR_US - US, A, /* it ends with the second */
           "{\"nth\":1,\"count\":1,\"sum\":1,\"first_seen\":"
           "\"2026-01-01T05:59:59Z\"}");
    expect(5 * HOUR_US, B, COUNTS(1, 1)); /* late: it is 5:59:59 for it */
    expect(6 * HOUR_US, A, COUNTS(2, 2));
    expect(8 * HOUR_US - US, B, COUNTS(1, 1));
}
END_TEST

START_TEST(what_is_forgotten_takes_its_values_along)
{
    open_it(BY_K HOUR "forget = \"1h\"; distinct = \"$event.payload.v\";");
    expect(0, "{\"k\":\"a\",\"v\":1}", "\"distinct\":1");
    expect(30 * MINUTE_US, "{\"k\":\"a\",\"v\":2}", "\"distinct\":2");
    expect(90 * MINUTE_US, "{\"k\":\"a\",\"v\":3}",
           "{\"nth\":1,\"count\":1,\"sum\":1,\"first_seen\":"
           "\"2026-01-01T01:30:00Z\",\"distinct\":1");
}
END_TEST

START_TEST(one_bucket_counts_from_zero)
{
    open_it("window = \"1h\"; buckets = 1;");
    expect(0, A, COUNTS(1, 1));
    expect(HOUR_US - 1, A, COUNTS(2, 2));
    expect(HOUR_US, A, COUNTS(3, 1));
}
END_TEST

START_TEST(all_buckets_fit)
{
    static const char *const configs[] = {
        "window = \"1h\"; buckets = 60;",
        "window = \"24m\"; buckets = 24; value = \"$event.payload.n\";"
    };
    for (int k = 0; k < 2; k++) {
        const int most = k ? 24 : 60;
        char want[40];
        testhost_free(t);
        setup();
        open_it(configs[k]);
        for (int i = 0; i < 130; i++) {
            snprintf(want, sizeof want, "\"nth\":%d,\"count\":%d,", i + 1,
                     i < most ? i + 1 : most);
            expect(i * MINUTE_US, "{\"n\":1}", want);
        }
    }
}
END_TEST

START_TEST(late_events_are_of_now)
{
    open_it(HOUR);
    expect(60 * MINUTE_US, A, COUNTS(1, 1));
    expect(0, A, COUNTS(2, 2));
    expect(119 * MINUTE_US, A, COUNTS(3, 3));
    expect(120 * MINUTE_US, A, COUNTS(4, 2));
}
END_TEST

START_TEST(a_clock_that_had_run_ahead)
{
    open_it(BY_K "window = \"24h\";");
    expect(0, A, COUNTS(1, 1));
    expect(0, B, COUNTS(1, 1));
    expect(3 * HOUR_US, A, COUNTS(2, 2));
    expect(3 * HOUR_US, "{\"k\":\"c\"}", COUNTS(1, 1));
    for (int i = 0; i < 99; i++)
        ck_assert(one_passes(US, "{}"));
    /* Back at 1 s: what was there stays, what lies ahead does not. */
    expect(US, A, COUNTS(3, 2));
    expect(US, B, COUNTS(2, 2));
    expect(US, "{\"k\":\"c\"}",
           "{\"nth\":2,\"count\":1,\"sum\":1,\"first_seen\":"
           "\"2026-01-01T00:00:01Z\"}");
}
END_TEST

#define SUMMED "value = \"$event.payload.n\";"

START_TEST(values_are_added_exactly)
{
    static const struct {
        const char *numbers[4], *sum;
        unsigned not_added;
    } rows[] = {
        { { "0.1", "0.1", "0.1" }, "0.3", 0 },
        { { "1", "2.50", "-4" }, "-0.5", 0 },
        { { "-0.5", "-0.25" }, "-0.75", 0 },
        { { "-0.5", "0.5" }, "0", 0 },
        { { "1e3", "2.5E-1", "1e+0" }, "1001.25", 0 },
        { { "-1e-9", "-1" }, "-1.000000001", 0 },
        { { "0.0000000004", "0" }, "0", 0 },
        { { "0.0000000005", "-0.00000000051" }, "0", 0 },
        { { "0.9999999995" }, "1", 0 },
        { { "0.30000000000000004" }, "0.3", 0 },
        { { "99999999999999999" }, "99999999999999999", 0 },
        { { "99999999999999999", "1" }, "99999999999999999", 1 },
        { { "99999999999999999.9999999995" }, "0", 1 },
        { { "-99999999999999999.9999999995" }, "0", 1 },
        { { "-100000000000000000" }, "0", 1 },
        { { "-99999999999999999", "0.25" }, "-99999999999999998.75", 0 },
        { { "100000000000000000", "7" }, "7", 1 },
        { { "18446744073709551615", "1e400", "-1e999999999999999999999" },
          "0",
          3 },
        { { "1e-400", "0e400", "-0.0", "1e-999999999999999999999" }, "0", 0 },
        { { "0.000000000000000000000000000000000001e35" }, "0.1", 0 },
        { { "123456789012345678901234567890e-20" }, "1234567890.123456789", 0 },
        { { "null", "\"5\"", "true", "[1]" }, "0", 4 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char payload[100], want[60];
        int n = 0;
        testhost_free(t);
        setup();
        open_it(SUMMED);
        for (; n < 4 && rows[i].numbers[n]; n++) {
            snprintf(payload, sizeof payload, "{\"n\":%s}", rows[i].numbers[n]);
            ck_assert(one_passes(0, payload));
        }
        snprintf(want, sizeof want, "{\"nth\":%d,\"count\":%d,\"sum\":%s,", n,
                 n, rows[i].sum);
        ck_assert_msg(strstr(results(0), want) == results(0),
                      "%s ...: want %s, got %s", rows[i].numbers[0], want,
                      results(0));
        ck_assert_uint_eq(counted("count_no_value"), rows[i].not_added);
    }
}
END_TEST

START_TEST(sums_slide)
{
    open_it(SUMMED HOUR);
    expect(0, "{\"n\":1.5}", "\"sum\":1.5,");
    expect(15 * MINUTE_US, "{\"n\":-4}", "\"sum\":-2.5,");
    expect(60 * MINUTE_US, "{}", "{\"nth\":3,\"count\":2,\"sum\":-4,");
    ck_assert_uint_eq(counted("count_no_value"), 1);
    /* Each bucket at its limit: all of them still have a sum. */
    expect(0, "{\"n\":99999999999999999}", "\"sum\":99999999999999995,");
    expect(75 * MINUTE_US, "{\"n\":99999999999999999}",
           "\"sum\":199999999999999998,");
    expect(90 * MINUTE_US, "{\"n\":99999999999999999.5}",
           "\"sum\":299999999999999997.5,");
}
END_TEST

#define DISTINCT "distinct = \"$event.payload.v\";"

static void
expect_distinct(int64_t after_us, int value, int distinct, int more)
{
    char payload[40], want[60];
    snprintf(payload, sizeof payload, "{\"v\":%d}", value);
    snprintf(want, sizeof want, "\"distinct\":%d,\"more\":%s}", distinct,
             more ? "true" : "false");
    expect(after_us, payload, want);
}

START_TEST(distinct_values_are_counted)
{
    open_it(DISTINCT HOUR);
    for (int i = 1; i <= 32; i++) {
        expect_distinct(0, i, i, 0);
        expect_distinct(0, i, i, 0);
    }
    expect_distinct(15 * MINUTE_US, 33, 32, 1);
    expect_distinct(15 * MINUTE_US, 33, 32, 1);
    expect_distinct(60 * MINUTE_US, 2, 2, 0); /* 33 and this */
    expect_distinct(60 * MINUTE_US, 1, 3, 0);
    expect(60 * MINUTE_US, "{}", "\"distinct\":3,\"more\":false}");
    expect(60 * MINUTE_US, "{\"v\":\"1\"}", "\"distinct\":3,\"more\":false}");
    expect(60 * MINUTE_US, "{\"v\":\"\"}", "\"distinct\":3,\"more\":false}");
    expect(120 * MINUTE_US, "{}", "\"distinct\":0,\"more\":false}");
}
END_TEST

START_TEST(events_are_counted_once)
{
    open_it(BY_K DISTINCT SUMMED);
    testhost_position(t, 10);
    for (int i = 0; i < 3; i++)
        ck_assert(one_passes(0, "{\"k\":\"a\",\"n\":2,\"v\":1}"));
    for (uint64_t position = 12; position > 10; position--) {
        testhost_position(t, position);
        expect(
            0, "{\"k\":\"a\",\"n\":2,\"v\":2}",
            "{\"nth\":3,\"count\":3,\"sum\":6,\"first_seen\":\"2026-01-01T00:"
            "00:00Z\",\"distinct\":1,\"more\":false}");
    }
    testhost_position(t, 13);
    expect(0, "{\"k\":\"a\",\"n\":2,\"v\":2}", "\"nth\":4,");
    /* One that comes again, from where it stopped. */
    ck_assert(again_passes(0, "{\"k\":\"a\"}", 13, 20, IL_STOPPED_LATER));
    ck_assert(strstr(results(0), "\"nth\":4,"));
    ck_assert(again_passes(0, "{\"k\":\"a\"}", 9, 21, IL_STOPPED_HERE));
    ck_assert(strstr(results(0), "\"nth\":5,"));
    expect(0, "{\"k\":\"a\"}", "\"nth\":6,");
}
END_TEST

START_TEST(keys_of_cells_do_not_meet)
{
    open_it(BY_K DISTINCT);
    expect(0, "{\"k\":\"a\",\"v\":1}", "\"nth\":1,");
    expect(0, "{\"k\":\"va\",\"v\":1}", "\"nth\":1,");
    expect(0, "{\"k\":\"ca\",\"v\":1}", "\"nth\":1,");
    expect(0, "{\"k\":\"a\",\"v\":1}", "\"nth\":2,");
}
END_TEST

START_TEST(another_meaning_begins_anew)
{
    static const struct {
        const char *then, *now;
        int nth;
    } rows[] = {
        { BY_K, BY_K "window = \"1d\"; buckets = 24;", 2 },
        { BY_K, "", 1 },
        { BY_K, BY_K "buckets = 12;", 1 },
        { BY_K, BY_K "window = \"12h\"; buckets = 12;", 1 },
        { BY_K, BY_K SUMMED, 1 },
        { BY_K, BY_K DISTINCT, 1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char want[20];
        testhost_free(t);
        setup();
        open_it(rows[i].then);
        ck_assert(one_passes(0, A));
        testhost_close(t);
        open_it(rows[i].now);
        snprintf(want, sizeof want, "\"nth\":%d,", rows[i].nth);
        expect(0, A, want);
    }
}
END_TEST

START_TEST(a_cell_is_small_and_versioned)
{
    size_t len;
    open_it(BY_K SUMMED DISTINCT);
    ck_assert(one_passes(0, "{\"k\":\"a\",\"n\":1,\"v\":1}"));
    const unsigned char *cell = testhost_remembered(t, "ca", &len);
    ck_assert_ptr_nonnull(cell);
    ck_assert_uint_eq(len, 43);
    ck_assert(cell[0] == 1 && cell[1] == 1 && !cell[2]);
    cell = testhost_remembered(t, "va", &len);
    ck_assert_ptr_nonnull(cell);
    ck_assert_uint_eq(len, 23);
    ck_assert_uint_eq(cell[0], 1);
}
END_TEST

START_TEST(a_wrong_config_is_refused)
{
    static const char *const rows[][2] = {
        { "key = \"user_id\";", "same text" },
        { "distinct = \"ip\";", "same text" },
        { "value = \"1\";", "value" },
        { "value = \"n\";", "value" },
        { "buckets = 0;", "buckets" },
        { "buckets = 61;", "buckets" },
        { SUMMED "buckets = 25;", "at most 24" },
        { "window = \"0\";", "window" },
        { "forget = \"23h\";", "window" },
        { "distinct = true;", "distinct" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        testhost_free(t);
        setup();
        ck_assert_msg(open_plugin("count", rows[i][0]), "%s is taken",
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
        ck_assert_uint_lt(n, 300);
        testhost_free(t);
        setup();
        open_it(BY_K SUMMED DISTINCT);
        ck_assert(one_passes(0, "{\"k\":\"a\",\"n\":0.5,\"v\":1}"));
        testhost_clear(t);
        for (int i = 0; i < 3; i++)
            add_at(i, i ? "{\"k\":\"a\",\"n\":0.5,\"v\":2}" : A);
        testhost_fail_alloc(t, n);
        int err = testhost_process(t);
        done = !testhost_alloc_failed(t);
        ck_assert(done == !err);
        testhost_fail_alloc(t, 0);
        if (err) {
            ck_assert_str_eq(results(0), "");
            ck_assert_uint_eq(counted("count_no_value"), 0);
            process();
        }
        ck_assert_str_eq(
            results(2),
            "{\"nth\":4,\"count\":4,\"sum\":1.5,\"first_seen\":\"2026-01-01T00:"
            "00:00Z\",\"distinct\":2,\"more\":false}");
        ck_assert_uint_eq(counted("count_no_value"), 1);
    }
}
END_TEST

/* --- beside a model -------------------------------------------------------- */

#define KEYS 5
#define VALUES 60
#define BATCH 20
#define BUCKET_US (75 * US)
#define BUCKETS 8
#define EVENTS 12000

/* It keeps every event and looks at all of them each time. */
struct past {
    uint32_t key, value;
    int64_t bucket, cents;
    int gone; /* it lay outside of the window when another of its key came */
};

struct model {
    struct model_stream stream;
    struct past past[EVENTS + BATCH];
    uint32_t count;
    int64_t first[KEYS];
};

static void
model_event(struct model *m, int64_t us, uint32_t key, uint32_t value,
            int64_t cents, char *want, size_t size)
{
    char seen[VALUES] = { 0 }, sum_text[40], when[TIME_TEXT];
    int64_t nth = 0, count = 0, sum = 0, distinct = 0;
    model_pass(&m->stream, us);
    const int64_t now = m->stream.us / BUCKET_US;
    m->past[m->count++] = (struct past){ key, value, now, cents, 0 };
    if (!m->first[key] || m->stream.us < m->first[key])
        m->first[key] = m->stream.us;
    for (uint32_t i = 0; i < m->count; i++) {
        struct past *p = &m->past[i];
        if (p->key != key)
            continue;
        nth++;
        p->gone |= p->bucket > now || now - p->bucket >= BUCKETS;
        if (p->gone)
            continue;
        count++;
        sum += p->cents;
        distinct += !seen[p->value];
        seen[p->value] = 1;
    }
    snprintf(sum_text, sizeof sum_text, "%s%lld.%02lld", sum < 0 ? "-" : "",
             llabs(sum) / 100, llabs(sum) % 100);
    size_t len = strlen(sum_text);
    while (sum_text[len - 1] == '0')
        len--;
    len -= sum_text[len - 1] == '.';
    write_time(m->first[key], when);
    snprintf(want, size,
             "{\"nth\":%lld,\"count\":%lld,\"sum\":%.*s,\"first_seen\":\"%s\","
             "\"distinct\":%lld,\"more\":%s}",
             (long long) nth, (long long) count, (int) len, sum_text, when,
             (long long) (distinct > 32 ? 32 : distinct),
             distinct > 32 ? "true" : "false");
}

START_TEST(random_events_are_as_in_a_model)
{
    static struct model m;
    static char want[BATCH][300];
    int64_t clock = 0;
    uint64_t position = 1, more = 0;
    random_state = 16;
    open_it(BY_K SUMMED DISTINCT "window = \"10m\"; buckets = 8;");
    while (position < EVENTS) {
        const uint32_t n = 1 + random_below(BATCH);
        testhost_clear(t);
        for (uint32_t i = 0; i < n; i++) {
            char payload[100];
            const int64_t at = next_time(&clock);
            if (position % 2000 > 1000)
                clock -= random_below(20) * US; /* a flood */
            const uint32_t key = random_below(KEYS),
                           value = random_below(1 + position % VALUES);
            const int64_t cents = (int64_t) random_below(100000) - 40000;
            snprintf(payload, sizeof payload,
                     "{\"k\":%u,\"v\":%u,\"n\":%s%lld.%02lld}", key, value,
                     cents < 0 ? "-" : "", llabs(cents) / 100,
                     llabs(cents) % 100);
            add_at(at, payload);
            model_event(&m, START_US + at, key, value, cents, want[i],
                        sizeof want[i]);
        }
        process_at_last();
        for (uint32_t i = 0; i < n; i++) {
            ck_assert_str_eq(results(i), want[i]);
            more += strstr(want[i], "\"more\":true") != NULL;
        }
        position += n;
    }
    ck_assert_uint_gt(more, 500);
}
END_TEST

int
main(void)
{
    TCase *c = tcase_create("count");
    tcase_add_test(c, events_are_counted_by_key);
    tcase_add_test(c, without_a_key_all_are_counted);
    tcase_add_test(c, the_window_slides_by_buckets);
    tcase_add_test(c, what_never_comes_again_is_forgotten);
    tcase_add_test(c, what_is_forgotten_takes_its_values_along);
    tcase_add_test(c, one_bucket_counts_from_zero);
    tcase_add_test(c, all_buckets_fit);
    tcase_add_test(c, late_events_are_of_now);
    tcase_add_test(c, a_clock_that_had_run_ahead);
    tcase_add_test(c, values_are_added_exactly);
    tcase_add_test(c, sums_slide);
    tcase_add_test(c, distinct_values_are_counted);
    tcase_add_test(c, events_are_counted_once);
    tcase_add_test(c, keys_of_cells_do_not_meet);
    tcase_add_test(c, another_meaning_begins_anew);
    tcase_add_test(c, a_cell_is_small_and_versioned);
    tcase_add_test(c, a_wrong_config_is_refused);
    tcase_add_test(c, without_memory_they_come_again);
    tcase_add_test(c, random_events_are_as_in_a_model);
    return run_tests("count", c);
}
