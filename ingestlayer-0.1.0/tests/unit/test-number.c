/* SPDX-License-Identifier: MIT */
/* Numbers by exact value, whatever their size. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/number.h"
#include "lang/lexis.h"

static struct il_value
decimal(const char *text)
{
    struct il_value v = { .type = IL_DECIMAL,
                          .str = text,
                          .len = strlen(text) };
    return v;
}

static struct il_value
view(const char *text)
{
    struct il_value v;
    number_view(text, strlen(text), &v);
    return v;
}

static int
sign(int d)
{
    return (d > 0) - (d < 0);
}

/* Both ways round, as texts and in their shortest form. */
static void
check_order(const char *a, const char *b, int expected)
{
    struct il_value x[] = { decimal(a), view(a) };
    struct il_value y[] = { decimal(b), view(b) };
    for (int i = 0; i < 4; i++) {
        int got = sign(number_compare(&x[i / 2], &y[i % 2]));
        ck_assert_msg(got == expected, "%s and %s: expected %d, got %d", a, b,
                      expected, got);
        got = sign(number_compare(&y[i % 2], &x[i / 2]));
        ck_assert_msg(got == -expected, "%s and %s: expected %d, got %d", b, a,
                      -expected, got);
    }
}

/* Each line's numbers are equal, and less than the next line's. */
static const char *const ladder[][6] = {
    { "-1e99999999999999999999999", "-10e99999999999999999999998" },
    { "-1e400", "-0.1e401", "-10e+399" },
    { "-18446744073709551616", "-1.8446744073709551616e19" },
    { "-9223372036854775809" },
    { "-9223372036854775808", "-9223372036854775808.0" },
    { "-9223372036854775807" },
    { "-1.5", "-15e-1", "-1.50" },
    { "-1", "-1.0", "-1e0", "-0.1e1" },
    { "-1e-400" },
    { "0", "-0", "0.0", "0e99999999999999999999", "-0.000e-5", "0E+0" },
    { "1e-99999999999999999999999", "0.1e-99999999999999999999998" },
    { "1e-400", "0.1e-399" },
    { "0.1", "1e-1", "0.10000", "100e-3", "0.001e2" },
    { "0.1000000000000000055511151231257827" },
    { "0.1000000000000000055511151231257828" },
    { "1", "1.000", "10e-1", "1E0", "0.01e2" },
    { "1.1", "1.10", "11e-1" },
    { "1.1000000000000000000000000000001" },
    { "2" },
    { "9.99" },
    { "10", "1e1", "10.0" },
    { "99" },
    { "100", "1e2" },
    { "9007199254740992", "9007199254740992.0" },
    { "9007199254740992.5" },
    { "9007199254740993", "9.007199254740993e15" },
    { "9223372036854775807" },
    { "9223372036854775808" },
    { "18446744073709551615", "18446744073709551615.00" },
    { "18446744073709551616", "1.8446744073709551616e+19" },
    { "36893488147419103232" },
    { "36893488147419103233" },
    { "1e308" },
    { "1e309", "10e308" },
    { "1e400", "10e399", "0.01e402", "1000e397" },
    { "1.0000001e400" },
    { "1e9223372036854775807" },
    { "1e9223372036854775808", "10e9223372036854775807",
      "0.1e9223372036854775809" },
    { "1e99999999999999999999998" },
    { "1e99999999999999999999999", "10e99999999999999999999998",
      "0.1e100000000000000000000000", "1e0099999999999999999999999" },
    { "1e100000000000000000000000" },
};

START_TEST(ladder_holds)
{
    enum { STEPS = sizeof ladder / sizeof *ladder };
    for (int i = 0; i < STEPS; i++)
        for (int k = i; k < STEPS; k++)
            for (int a = 0; a < 6 && ladder[i][a]; a++)
                for (int b = 0; b < 6 && ladder[k][b]; b++)
                    check_order(ladder[i][a], ladder[k][b], -(i < k));
}
END_TEST

START_TEST(machine_integers)
{
    static const struct {
        uint32_t type;
        uint64_t bits;
    } rows[] = { { IL_INT, (uint64_t) INT64_MIN },
                 { IL_INT, (uint64_t) -1 },
                 { IL_INT, 0 },
                 { IL_INT, 1 },
                 { IL_INT, INT64_MAX },
                 { IL_UINT, 1ull << 63 },
                 { IL_UINT, UINT64_MAX } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
            struct il_value a = { .type = rows[i].type, .num.u = rows[i].bits };
            struct il_value b = { .type = rows[k].type, .num.u = rows[k].bits };
            ck_assert_int_eq(sign(number_compare(&a, &b)), (i > k) - (i < k));
        }
}
END_TEST

/* Time follows the text, not the exponent. */
START_TEST(huge_texts_are_quick)
{
    enum { LEN = 4000000 };
    char *a = malloc(LEN + 20), *b = malloc(LEN + 20);
    ck_assert(a && b);
    memset(a, '9', LEN);
    strcpy(a + LEN, "e5");
    memset(b, '9', LEN);
    strcpy(b + LEN, "8e4");
    clock_t from = clock();
    struct il_value x = decimal(a), y = decimal(b);
    ck_assert_int_lt(number_compare(&x, &y), 0);
    memset(a + 1, '9', LEN);
    a[0] = '1';
    a[1] = 'e';
    a[LEN] = 0;
    x = decimal(a);
    y = decimal("1e999999999");
    ck_assert_int_gt(number_compare(&x, &y), 0);
    ck_assert_int_eq(number_compare(&x, &x), 0);
    ck_assert_msg((double) (clock() - from) / CLOCKS_PER_SEC < 2, "too slow");
    free(a);
    free(b);
}
END_TEST

START_TEST(views)
{
    ck_assert_uint_eq(view("0").type, IL_INT);
    ck_assert_uint_eq(view("-1").type, IL_INT);
    ck_assert_int_eq(view("-1").num.i, -1);
    ck_assert_uint_eq(view("9223372036854775807").type, IL_INT);
    ck_assert_uint_eq(view("9223372036854775808").type, IL_UINT);
    ck_assert_uint_eq(view("18446744073709551615").num.u, UINT64_MAX);
    ck_assert_uint_eq(view("18446744073709551616").type, IL_DECIMAL);
    ck_assert_uint_eq(view("-9223372036854775808").type, IL_INT);
    ck_assert_int_eq(view("-9223372036854775808").num.i, INT64_MIN);
    ck_assert_uint_eq(view("-9223372036854775809").type, IL_DECIMAL);
    ck_assert_uint_eq(view("1.0").type, IL_DECIMAL);
    ck_assert_uint_eq(view("1e2").type, IL_DECIMAL);
}
END_TEST

START_TEST(validity)
{
    static const char *const good[] = { "0",         "-0",  "10", "1.5",
                                        "-1.50e+10", "1E9", "0.1" };
    static const char *const bad[] = { "",   "-",   "01",   "1.",  ".5",
                                       "+1", "1e",  "1e+",  "0x1", "1 ",
                                       " 1", "NaN", "-Inf", "1_0", "--1" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(lang_number_valid(good[i], strlen(good[i])), "%s",
                      good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!lang_number_valid(bad[i], strlen(bad[i])), "%s", bad[i]);
}
END_TEST

START_TEST(scaling)
{
    static const struct {
        const char *number;
        uint64_t factor;
        int shift;
        const char *scaled;
    } rows[] = {
        { "1", 1, 0, "1" },
        { "100", 1, 0, "100" },
        { "1e3", 1, 0, "1000" },
        { "-1.50", 1, 0, "-15e-1" },
        { "100", 1000000, 0, "100000000" },
        { "1.5", 3600000, 0, "5400000" },
        { "5", 1, 3, "5e-3" },
        { "5000", 1, 3, "5" },
        { "64", 1024, 0, "65536" },
        { "0.00", 1024, 0, "0" },
        { "-0", 1, 0, "0" },
        { "9999999999999999999999", 1ull << 40, 0,
          "10995116277759999999998900488372224" },
        { "1e30", 1, 0, "1e30" },
        { "1e999999999999999", 1, 0, "1e999999999999999" },
        { "0.125", 1ull << 40, 0, "137438953472" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct il_text out = { 0 };
        ck_assert_int_eq(number_scale(&out, rows[i].number,
                                      strlen(rows[i].number), rows[i].factor,
                                      rows[i].shift),
                         0);
        ck_assert_str_eq(text_str(&out), rows[i].scaled);
        text_clear(&out);
    }
    struct il_text out = { 0 };
    ck_assert_int_eq(number_scale(&out, "1e1000000000000000", 18, 1, 0), -22);
    text_clear(&out);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("number");
    TCase *tc = tcase_create("number");
    tcase_add_test(tc, ladder_holds);
    tcase_add_test(tc, machine_integers);
    tcase_add_test(tc, huge_texts_are_quick);
    tcase_add_test(tc, views);
    tcase_add_test(tc, validity);
    tcase_add_test(tc, scaling);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
