/* SPDX-License-Identifier: MIT */
#include "tempdir.h"
#include "spool/cursor.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define LANE "feature-usage/warehouse.pg"

static const uint8_t spool[16] = "the spool's uuid";
static const uint8_t other[16] = "another's uuid..";
static char *root;
static char path[4096];
static struct cursor cursor;

static void
setup(void)
{
    root = tempdir_make();
    snprintf(path, sizeof path, "%s/lanes/" LANE ".cursor", root);
}

static void
teardown(void)
{
    spool_cursor_close(&cursor);
    tempdir_remove(root);
}

/* Open; what the file says, or UINT64_MAX. */
static uint64_t
opened(const uint8_t id[16])
{
    uint64_t position = 77;
    spool_cursor_close(&cursor);
    int known = spool_cursor_open(&cursor, root, LANE, id, &position);
    ck_assert_int_ge(known, 0);
    ck_assert(known || position == 0);
    return known ? position : UINT64_MAX;
}

static void
save(uint64_t position)
{
    ck_assert_int_eq(spool_cursor_save(&cursor, position, 0), 0);
}

static void
flip(off_t at)
{
    char c;
    int fd = open(path, O_RDWR);
    ck_assert_int_eq(pread(fd, &c, 1, at), 1);
    c ^= 0x10;
    ck_assert_int_eq(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

START_TEST(a_new_one_says_nothing)
{
    struct stat st;
    ck_assert_uint_eq(opened(spool), UINT64_MAX);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_uint_eq(opened(spool), UINT64_MAX);
}
END_TEST

START_TEST(keeps_the_last)
{
    opened(spool);
    for (uint64_t i = 1; i <= 9; i++) {
        save(i * 1000);
        ck_assert_uint_eq(opened(spool), i * 1000);
    }
    save(5); /* the newest counts, not the greatest */
    ck_assert_uint_eq(opened(spool), 5);
}
END_TEST

START_TEST(a_torn_save_leaves_the_one_before)
{
    opened(spool);
    save(10);
    save(20); /* the second goes to offset 0 */
    save(30); /* and the third to 4096 */
    flip(4096 + 35);
    ck_assert_uint_eq(opened(spool), 20);
    save(40);
    ck_assert_uint_eq(opened(spool), 40);
}
END_TEST

START_TEST(every_flipped_byte_is_noticed)
{
    for (off_t at = 0; at < 56; at++) {
        opened(spool);
        save(10);
        save(20);
        off_t newest = cursor.sequence % 2 ? 4096 : 0;
        flip(newest + at);
        ck_assert_uint_eq(opened(spool), 10);
        flip(newest + at);
    }
}
END_TEST

START_TEST(damage_everywhere_is_as_missing)
{
    opened(spool);
    save(10);
    save(20);
    flip(20);
    flip(4096 + 20);
    ck_assert_uint_eq(opened(spool), UINT64_MAX);
    save(30);
    ck_assert_uint_eq(opened(spool), 30);
}
END_TEST

START_TEST(a_short_file_is_as_missing)
{
    opened(spool);
    save(10);
    ck_assert_int_eq(truncate(path, 30), 0);
    ck_assert_uint_eq(opened(spool), UINT64_MAX);
    save(11);
    ck_assert_uint_eq(opened(spool), 11);
}
END_TEST

START_TEST(another_spool_is_as_missing)
{
    opened(spool);
    save(10);
    ck_assert_uint_eq(opened(other), UINT64_MAX);
    save(3);
    ck_assert_uint_eq(opened(other), 3);
}
END_TEST

START_TEST(names_stay_in_the_folder)
{
    static const char *const bad[] = { "",          "x",     "/x",
                                       "x/",        "../x",  "x/..",
                                       "x/../../y", "a/b/c", "./x" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct cursor c;
        uint64_t position;
        ck_assert_int_eq(spool_cursor_open(&c, root, bad[i], spool, &position),
                         -EINVAL);
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("cursor");
    TCase *t = tcase_create("cursor");
    cursor.fd = -1;
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_new_one_says_nothing);
    tcase_add_test(t, keeps_the_last);
    tcase_add_test(t, a_torn_save_leaves_the_one_before);
    tcase_add_test(t, every_flipped_byte_is_noticed);
    tcase_add_test(t, damage_everywhere_is_as_missing);
    tcase_add_test(t, a_short_file_is_as_missing);
    tcase_add_test(t, another_spool_is_as_missing);
    tcase_add_test(t, names_stay_in_the_folder);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
