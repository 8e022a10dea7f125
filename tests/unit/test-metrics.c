/* SPDX-License-Identifier: MIT */
/* Counters count from every thread, and their text form is Prometheus's. */
#include "base/metrics.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char *export(void)
{
    struct il_text out = { 0 };
    ck_assert_int_eq(metric_export(&out), 0);
    char *text = strdup(text_str(&out));
    text_clear(&out);
    return text;
}

START_TEST(same_series_same_counter)
{
    struct il_counter *a =
        metric_counter("x_total", "a=\"1\"", IL_UNIT_NONE, "X.");
    ck_assert_ptr_eq(a,
                     metric_counter("x_total", "a=\"1\"", IL_UNIT_NONE, "X."));
    ck_assert_ptr_ne(a,
                     metric_counter("x_total", "a=\"2\"", IL_UNIT_NONE, "X."));
}
END_TEST

static void *
count_many(void *arg)
{
    for (int i = 0; i < 100000; i++)
        metric_add(arg, 1);
    return NULL;
}

START_TEST(counting_from_threads_loses_nothing)
{
    struct il_counter *c =
        metric_counter("threads_total", "", IL_UNIT_NONE, "Threads.");
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, count_many, c), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    ck_assert_uint_eq(metric_get(c), 400000);
}
END_TEST

START_TEST(export_groups_series_under_one_head)
{
    metric_add(
        metric_counter("zeta_total", "l=\"b\"", IL_UNIT_NONE, "Z \\ of\nz."),
        2);
    metric_set(metric_gauge("alpha", "", IL_UNIT_NONE, "A."), INT64_MIN);
    metric_add(
        metric_counter("zeta_total", "l=\"a\"", IL_UNIT_NONE, "Z \\ of\nz."),
        1);
    char *text = export();
    const char *want = "# HELP ingestlayer_alpha A.\n"
                       "# TYPE ingestlayer_alpha gauge\n"
                       "ingestlayer_alpha -9223372036854775808\n"
                       "# HELP ingestlayer_zeta_total Z \\\\ of\\nz.\n"
                       "# TYPE ingestlayer_zeta_total counter\n"
                       "ingestlayer_zeta_total{l=\"a\"} 1\n"
                       "ingestlayer_zeta_total{l=\"b\"} 2\n";
    ck_assert_msg(strncmp(text, want, strlen(want)) == 0, "%s", text);
    free(text);
}
END_TEST

START_TEST(times_are_in_seconds_by_their_unit)
{
    metric_add(
        metric_counter("wait_seconds_total", "", IL_UNIT_MICROSECONDS, "W."),
        12000345);
    metric_set(metric_gauge("age_seconds", "", IL_UNIT_MICROSECONDS, "A."), -7);
    /* The name alone says nothing. */
    metric_set(metric_gauge("leap_seconds", "", IL_UNIT_NONE, "L."), 37);
    char *text = export();
    ck_assert_ptr_nonnull(
        strstr(text, "\ningestlayer_wait_seconds_total 12.000345\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "\ningestlayer_age_seconds -0.000007\n"));
    ck_assert_ptr_nonnull(strstr(text, "\ningestlayer_leap_seconds 37\n"));
    free(text);
}
END_TEST

START_TEST(histograms_count_each_time_in_every_bucket_it_is_below)
{
    struct il_histogram *h = metric_histogram("took_seconds", "a=\"1\"", "T.");
    int64_t above;
    ck_assert_int_eq(metric_bucket(1000, &above), 1000);
    ck_assert_int_lt(above, -1);
    ck_assert_int_eq(metric_bucket(1001, &above), 2500);
    ck_assert_int_eq(above, 1000);
    ck_assert_int_eq(metric_bucket(INT64_MAX, &above), INT64_MAX);
    ck_assert_int_eq(above, INT64_C(3600000000));
    metric_observe(h, 1000, 1, 1000);
    metric_observe(h, 1001, 2, 2002);
    metric_observe(h, INT64_C(7200000000), 1, UINT64_C(7200000000));
    metric_observe(h, 7, 0, 0);
    metric_observe(NULL, 7, 1, 7);
    char *text = export();
    const char *const want[] = {
        "\n# TYPE ingestlayer_took_seconds histogram\n"
        "ingestlayer_took_seconds_bucket{a=\"1\",le=\"0.001\"} 1\n"
        "ingestlayer_took_seconds_bucket{a=\"1\",le=\"0.0025\"} 3\n",
        "\ningestlayer_took_seconds_bucket{a=\"1\",le=\"3600\"} 3\n"
        "ingestlayer_took_seconds_bucket{a=\"1\",le=\"+Inf\"} 4\n"
        "ingestlayer_took_seconds_sum{a=\"1\"} 7200.003002\n"
        "ingestlayer_took_seconds_count{a=\"1\"} 4\n",
    };
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        ck_assert_msg(strstr(text, want[i]) != NULL, "%s", text);
    free(text);
    metric_histogram("bare_seconds", "", "B.");
    text = export();
    ck_assert_ptr_nonnull(
        strstr(text, "\ningestlayer_bare_seconds_bucket{le=\"0.001\"} 0\n"));
    ck_assert_ptr_nonnull(strstr(text, "\ningestlayer_bare_seconds_count 0\n"));
    ck_assert_ptr_null(metric_counter("bare_seconds", "", IL_UNIT_NONE, "B."));
    free(text);
}
END_TEST

START_TEST(another_kind_or_unit_is_another_series_or_none)
{
    ck_assert_ptr_nonnull(metric_gauge("both", "", IL_UNIT_NONE, "B."));
    ck_assert_ptr_null(metric_counter("both", "", IL_UNIT_NONE, "B."));
    ck_assert_ptr_null(metric_gauge("both", "", IL_UNIT_BYTES, "B."));
    ck_assert_int_eq(metric_find("both", "", NULL), 1);
    ck_assert_int_eq(metric_find("both", "a=\"1\"", NULL), 0);
}
END_TEST

START_TEST(labels_are_escaped)
{
    struct il_text out = { 0 };
    metric_label(&out, "a", "x\"y\\z\n");
    text_putc(&out, ',');
    metric_label(&out, "b", "");
    ck_assert_str_eq(text_str(&out), "a=\"x\\\"y\\\\z\\n\",b=\"\"");
    text_clear(&out);
}
END_TEST

START_TEST(process_metrics_are_there)
{
    char *text = export();
    const char *rss = strstr(text, "\nprocess_resident_memory_bytes ");
    ck_assert_ptr_nonnull(rss);
    ck_assert_int_gt(atoll(strchr(rss + 1, ' ')), 100000);
    const char *start = strstr(text, "\nprocess_start_time_seconds ");
    ck_assert_ptr_nonnull(start);
    double at = atof(strchr(start + 1, ' '));
    ck_assert(at > (double) time(NULL) - 3600);
    ck_assert(at < (double) time(NULL) + 2);
    free(text);
}
END_TEST

static void
refresh(void *arg)
{
    metric_set(arg, metric_value(arg) + 1);
}

START_TEST(refreshers_run_before_each_export)
{
    struct il_gauge *g = metric_gauge("fresh", "", IL_UNIT_NONE, "F.");
    ck_assert_int_eq(metric_refresh(refresh, g), 0);
    free(export());
    free(export());
    ck_assert_int_eq(metric_value(g), 2);
    metric_refresh_remove(refresh, g);
    free(export());
    ck_assert_int_eq(metric_value(g), 2);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("metrics");
    TCase *t = tcase_create("metrics");
    tcase_add_test(t, same_series_same_counter);
    tcase_add_test(t, counting_from_threads_loses_nothing);
    tcase_add_test(t, export_groups_series_under_one_head);
    tcase_add_test(t, times_are_in_seconds_by_their_unit);
    tcase_add_test(t, histograms_count_each_time_in_every_bucket_it_is_below);
    tcase_add_test(t, another_kind_or_unit_is_another_series_or_none);
    tcase_add_test(t, labels_are_escaped);
    tcase_add_test(t, process_metrics_are_there);
    tcase_add_test(t, refreshers_run_before_each_export);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
