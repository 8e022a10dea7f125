/* SPDX-License-Identifier: MIT */
/* The table of numbers beside a list that is searched from end to end. */
#include "base/nameset.h"
#include "base/table.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct table t;

static void
teardown(void)
{
    table_clear(&t);
}

/* Keys are numbers, in an array as a caller has one. */
static uint64_t keys[5000];
static uint32_t key_count;

static uint32_t
find(uint64_t key, uint32_t hash)
{
    uint32_t at = table_seek(&t, hash, hash);
    while (t.slots[at].number && keys[t.slots[at].number - 1] != key)
        at = table_seek(&t, hash, at + 1);
    return at;
}

static uint32_t
hash_of(uint64_t key, int bad)
{
    return bad ? (uint32_t) key % 7 : table_hash(&key, sizeof key);
}

/* Adding and dropping at random; with a bad hash that collides all the time,
 * and runs that go round the end. */
START_TEST(finds_what_a_list_finds)
{
    int bad = _i;
    uint32_t limit = bad ? 300 : 5000;
    unsigned dropped = 0;
    srand(7);
    key_count = 0;
    for (int step = 0; step < 20000; step++) {
        uint64_t key = (uint64_t) rand() % limit;
        uint32_t hash = hash_of(key, bad), there = key_count;
        for (uint32_t i = 0; i < key_count && there == key_count; i++)
            there = keys[i] == key ? i : there;
        ck_assert_int_eq(table_room(&t, 1), 0);
        uint32_t at = find(key, hash);
        ck_assert_uint_eq(t.slots[at].number,
                          there == key_count ? 0 : there + 1);
        if (there == key_count) {
            keys[key_count] = key;
            table_take(&t, at, hash, key_count++);
        } else if (rand() % 2) { /* the last one takes its place */
            uint64_t last = keys[key_count - 1];
            t.slots[find(last, hash_of(last, bad))].number = there + 1;
            table_drop(&t, at);
            keys[there] = last;
            key_count--;
            dropped++;
        }
        ck_assert_uint_eq(t.count, key_count);
        ck_assert_uint_ge(t.mask + 1, 2 * t.count);
    }
    ck_assert_uint_gt(dropped, 1000);
}
END_TEST

START_TEST(swept_key_by_key_it_is_empty)
{
    for (int round = 0; round < 50; round++) {
        key_count = 0;
        ck_assert_int_eq(table_room(&t, 200), 0);
        for (uint64_t key = 0; key < 200; key++) {
            uint32_t hash = hash_of(key * (uint64_t) (round + 1), round % 2);
            keys[key_count] = key;
            table_take(&t, find(key, hash), hash, key_count++);
        }
        for (uint64_t key = 200; key-- > 0;)
            table_sweep(&t, hash_of(key * (uint64_t) (round + 1), round % 2));
        ck_assert_uint_eq(t.count, 0);
        for (uint32_t i = 0; i <= t.mask; i++)
            ck_assert_uint_eq(t.slots[i].number, 0);
    }
}
END_TEST

/* SipHash's secret is of this process, so only what must hold is asked: equal
 * for equal bytes, another for almost all others, of every length. */
START_TEST(hashes_differ_where_bytes_do)
{
    static uint32_t seen[64];
    char text[64];
    int same = 0;
    memset(text, 'a', sizeof text);
    for (size_t len = 0; len < sizeof text; len++) {
        seen[len] = table_hash(text, len);
        ck_assert_uint_eq(seen[len], table_hash(text, len));
        for (size_t i = 0; i < len; i++) {
            text[i] ^= 1;
            same += table_hash(text, len) == seen[len];
            text[i] ^= 1;
            same += seen[i] == seen[len];
        }
    }
    ck_assert_int_le(same, 2);
    same = 0;
    for (uint64_t i = 1; i < 2000; i++) { /* one half alone may be chosen */
        same += table_mix(table_seed(), 7, i) == table_mix(table_seed(), 7, 0);
        same += table_mix(table_seed(), i << 40, 9)
                == table_mix(table_seed(), 0, 9);
    }
    ck_assert_int_le(same, 2);
    ck_assert_uint_eq(table_seed() & 1, 1);
    ck_assert_uint_eq(table_seed(), table_seed());
}
END_TEST

START_TEST(names_have_the_numbers_they_came_with)
{
    struct nameset set = { 0 };
    char name[32];
    ck_assert_int_eq(nameset_find(&set, "a", 1), -1);
    for (int i = 0; i < 3000; i++) {
        int len = snprintf(name, sizeof name, "name-%d", i);
        ck_assert_int_eq(nameset_add(&set, name, (size_t) len), 0);
        ck_assert_int_eq(nameset_add(&set, name, (size_t) len), -EEXIST);
    }
    for (int i = 0; i < 3000; i++) {
        int len = snprintf(name, sizeof name, "name-%d", i);
        ck_assert_int_eq(nameset_find(&set, name, (size_t) len), i);
        ck_assert_str_eq(set.names[i].ptr, name);
    }
    ck_assert_int_eq(nameset_find(&set, "name-3000", 9), -1);
    ck_assert_int_eq(nameset_find(&set, "", 0), -1);
    ck_assert_int_eq(nameset_add(&set, "", 0), 0);
    ck_assert_int_eq(nameset_find(&set, "", 0), 3000);
    nameset_clear(&set);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("table");
    TCase *c = tcase_create("table");
    tcase_add_checked_fixture(c, NULL, teardown);
    suite_add_tcase(s, c);
    tcase_add_loop_test(c, finds_what_a_list_finds, 0, 2);
    tcase_add_test(c, swept_key_by_key_it_is_empty);
    tcase_add_test(c, hashes_differ_where_bytes_do);
    tcase_add_test(c, names_have_the_numbers_they_came_with);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
