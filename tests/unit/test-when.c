/* SPDX-License-Identifier: MIT */
/* Times as Segment's clients write them become RFC 3339, or nothing. */
#include "../../plugins/sdk.event/when.c"

#include <check.h>
#include <stdlib.h>

static const struct {
    const char *text, *time;
} times[] = {
    { "2024-05-01T10:00:00Z", "2024-05-01T10:00:00.000000+00:00" },
    { "2024-05-01t10:00:00z", "2024-05-01T10:00:00.000000+00:00" },
    { "2024-05-01T10:00:00", "2024-05-01T10:00:00.000000+00:00" },
    { "2024-05-01T10:00:00.1234567", "2024-05-01T10:00:00.123456+00:00" },
    { "2024-05-01T10:00:00,5Z", "2024-05-01T10:00:00.500000+00:00" },
    { "2024-05-01T10:00", "2024-05-01T10:00:00.000000+00:00" },
    { "2024-05-01", "2024-05-01T00:00:00.000000+00:00" },
    { " 2024-05-01  10:00:00 ", "2024-05-01T10:00:00.000000+00:00" },
    { "2024-05-01T10:00:00+0000", "2024-05-01T10:00:00.000000+00:00" },
    { "2024-05-01T10:00:00 -0330", "2024-05-01T10:00:00.000000-03:30" },
    { "2024-05-01T10:00:00+02", "2024-05-01T10:00:00.000000+02:00" },
    { "2024-05-01T10:00:00+02:00", "2024-05-01T10:00:00.000000+02:00" },
    { "2024-05-01 10:00:00 UTC", "2024-05-01T10:00:00.000000+00:00" },
    { "2024-05-01 10:00:00 GMT", "2024-05-01T10:00:00.000000+00:00" },
    /* ranges are the reader's */
    { "2024-02-30", "2024-02-30T00:00:00.000000+00:00" },
    { "0", "1970-01-01T00:00:00.000000Z" },
    { "-1.5", "1969-12-31T23:59:58.500000Z" },
    { "1714557600", "2024-05-01T10:00:00.000000Z" },
    { "1714557600.123456789", "2024-05-01T10:00:00.123456Z" },
    { "1.7145576E9", "2024-05-01T10:00:00.000000Z" },
    { "1714557600123", "2024-05-01T10:00:00.123000Z" },
    { "1.714557600123e+12", "2024-05-01T10:00:00.123000Z" },
    { "1714557600123456", "2024-05-01T10:00:00.123456Z" },
    { "1714557600123456789", "2024-05-01T10:00:00.123456Z" },
    { "99999999999", "5138-11-16T09:46:39.000000Z" },
    { "100000000000", "1973-03-03T09:46:40.000000Z" },
    { "", NULL },
    { " ", NULL },
    { ".", NULL },
    { "-", NULL },
    { "1e", NULL },
    { "1e99", NULL },
    { "1e100", NULL },
    { "1e-99", "1970-01-01T00:00:00.000000Z" },
    { "-99999999999", NULL }, /* before the year 1 */
    { "12345678901234567890123", NULL },
    { "monday", NULL },
    { "2024-5-1", NULL },
    { "2024-05-01T", NULL },
    { "2024-05-01T10", NULL },
    { "2024-05-01T10:00:00.", NULL },
    { "2024-05-01T10:00:00+2", NULL },
    { "2024-05-01T10:00:00+02:", NULL },
    { "2024-05-01T10:00:00+02:000", NULL },
    { "2024-05-01T10:00:00 CEST", NULL },
    { "2024-05-01x10:00:00", NULL },
    { "00000000000000000000000000000000000000000000000000000000000000001",
      NULL },
};

START_TEST(a_time_is_read)
{
    /* of exactly its size, so that a checker sees a read beyond it */
    size_t len = strlen(times[_i].text);
    char out[WHEN_MAX] = "", *text = malloc(len + !len);
    ck_assert_ptr_nonnull(text);
    memcpy(text, times[_i].text, len);
    size_t got = when_read(text, len, out);
    free(text);
    if (!times[_i].time) {
        ck_assert_msg(!got, "\"%s\" was read as %s", times[_i].text, out);
        return;
    }
    ck_assert_uint_eq(got, strlen(times[_i].time));
    ck_assert_str_eq(out, times[_i].time);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("when");
    TCase *tc = tcase_create("times");
    tcase_add_loop_test(tc, a_time_is_read, 0,
                        (int) (sizeof(times) / sizeof(times[0])));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
