/* SPDX-License-Identifier: MIT */
/* The newest keys in memory: what is put is found, however many are at home in
 * one line, and comes in the order of the keys where that can be had. */
#include "idem/private.h"

#include <check.h>

#define KEYS 500u

static struct idem_table *table;

static void
setup(void)
{
    ck_assert_int_eq(idem_table_make(KEYS, 1, &table), 0);
}

static void
teardown(void)
{
    idem_table_free(table);
}

/* The n-th of keys that are `apart`; the low bits, which a cell has, differ. */
static struct idem_key
key_of(uint64_t n, uint64_t first, uint64_t apart)
{
    return (struct idem_key){ first + n * apart + n * 7919 % 64, n };
}

static void
fill(uint64_t first, uint64_t apart)
{
    for (uint64_t i = 0; i < KEYS; i++) {
        uint64_t n = i * 7 % KEYS; /* in no order */
        ck_assert_int_eq(idem_table_takes(table, 1), 1);
        idem_table_put(table, key_of(n, first, apart), (uint32_t) n + 1, i + 1,
                       slice_of("value", n % 6));
    }
    for (uint64_t n = 0; n < KEYS; n++) {
        const struct runs_record *r =
            idem_table_find(table, key_of(n, first, apart));
        ck_assert_ptr_nonnull(r);
        ck_assert_uint_eq(r->time, n + 1);
        ck_assert_uint_eq(runs_value_len(r), n % 6);
    }
    ck_assert_ptr_null(idem_table_find(table, key_of(KEYS, first, apart)));
}

/* Within a group in any order, from group to group upwards. */
static void
check_order(void)
{
    struct runs_item items[KEYS];
    uint64_t line = 0, below = 0;
    size_t all = 0;
    ck_assert_int_eq(idem_table_has_order(table), 1);
    while (line < table->lines) {
        size_t n = idem_table_group(table, &line, items + all);
        uint64_t most = below;
        for (size_t i = all; i < all + n; i++) {
            ck_assert_uint_ge(items[i].record->hi, below);
            if (items[i].record->hi > most)
                most = items[i].record->hi;
        }
        all += n;
        below = most;
    }
    ck_assert_uint_eq(all, KEYS);
}

START_TEST(test_keys_that_are_spread)
{
    fill(0, UINT64_MAX / KEYS);
    check_order();
}
END_TEST

/* At home in one line of the middle, and in the lines behind it. */
START_TEST(test_keys_in_one_line)
{
    fill(UINT64_MAX / 5, 64);
    check_order();
}
END_TEST

/* Those that have no room at the end are at the beginning. */
START_TEST(test_keys_in_the_last_line)
{
    fill(UINT64_MAX - 64 * (KEYS + 2), 64);
    ck_assert_int_eq(idem_table_has_order(table), 0);
}
END_TEST

START_TEST(test_the_newest_of_a_key)
{
    const struct idem_key key = { 77, 5 }, other = { 77, 6 };
    for (uint32_t i = 1; i <= 40; i++)
        idem_table_put(table, key, i, i, slice_of(NULL, 0));
    ck_assert_uint_eq(idem_table_find(table, key)->time, 40);
    ck_assert_ptr_null(idem_table_find(table, other));
    idem_table_advance(table, 30);
    idem_table_cut(table, 30);
    ck_assert_uint_eq(idem_table_find(table, key)->time, 30);
    ck_assert_uint_eq(table->value_bytes, 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("idem-table");
    TCase *t = tcase_create("table");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_keys_that_are_spread);
    tcase_add_test(t, test_keys_in_one_line);
    tcase_add_test(t, test_keys_in_the_last_line);
    tcase_add_test(t, test_the_newest_of_a_key);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
