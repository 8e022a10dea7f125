/* SPDX-License-Identifier: MIT */
#include "tempdir.h"
#include "spool/cursor.h"

#define XXH_INLINE_ALL
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

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
    for (off_t at = 0; at < 296; at++) {
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

/* As an older version wrote it: magic, spool, numbers, checksum; one slot. */
static void
write_old(const char *magic, const uint64_t *numbers, size_t n)
{
    char slot[8192] = { 0 };
    size_t len = 24 + n * 8;
    memcpy(slot, magic, 8);
    memcpy(slot + 8, spool, 16);
    for (size_t i = 0; i < n; i++) {
        uint64_t number = htole64(numbers[i]);
        memcpy(slot + 24 + i * 8, &number, 8);
    }
    uint64_t sum = htole64(XXH3_64bits(slot, len));
    memcpy(slot + len, &sum, 8);
    memset(slot + len + 8, 0x55, 100); /* what follows does not count */
    int fd = open(path, O_WRONLY);
    ck_assert_int_eq(pwrite(fd, slot, sizeof slot, 0), sizeof slot);
    close(fd);
}

START_TEST(reads_what_older_versions_wrote)
{
    /* sequence, position, fresh, letters, confirmed, begun, noted */
    const uint64_t numbers[] = { 4, 1234, 5, 6, 7, 0, 8 };
    opened(spool);
    write_old("ILCURS4", numbers, 7);
    ck_assert_uint_eq(opened(spool), 1234);
    ck_assert_uint_eq(cursor.sequence, 4);
    ck_assert_uint_eq(cursor.fresh, 5);
    ck_assert_uint_eq(cursor.letters, 6);
    ck_assert_uint_eq(cursor.confirmed, 7);
    ck_assert_int_eq(cursor.begun, 0);
    ck_assert_uint_eq(cursor.noted, 8);
    ck_assert_int_eq(cursor.paused_us, 0);
    ck_assert_str_eq(cursor.why, "");

    write_old("ILCURS3", numbers, 5);
    ck_assert_uint_eq(opened(spool), 1234);
    ck_assert_uint_eq(cursor.confirmed, 7);
    ck_assert_int_eq(cursor.begun, 1);
    ck_assert_uint_eq(cursor.noted, 0);
    ck_assert_int_eq(cursor.paused_us, 0);
    ck_assert_str_eq(cursor.why, "");

    /* A pause of what an older version wrote is a record of this one. */
    ck_assert_int_eq(spool_cursor_pause(&cursor, 99, NULL), 0);
    ck_assert_uint_eq(opened(spool), 1234);
    ck_assert_int_eq(cursor.paused_us, 99);
    ck_assert_int_eq(cursor.begun, 1);

    write_old("ILCURS2", numbers, 5);
    ck_assert_uint_eq(opened(spool), UINT64_MAX);
}
END_TEST

START_TEST(a_pause_stays_until_it_ends)
{
    char why[300];
    memset(why, 'y', sizeof why - 1);
    why[sizeof why - 1] = 0;
    opened(spool);
    save(10);
    ck_assert_int_eq(spool_cursor_pause(&cursor, 1234567, why), 0);
    for (uint64_t i = 1; i <= 3; i++) {
        ck_assert_uint_eq(opened(spool), i * 10);
        ck_assert_int_eq(cursor.paused_us, 1234567);
        ck_assert_uint_eq(strlen(cursor.why), CURSOR_WHY - 1);
        save((i + 1) * 10);
    }
    ck_assert_int_eq(spool_cursor_pause(&cursor, 5, NULL), 0);
    ck_assert_str_eq(cursor.why, "");
    ck_assert_int_eq(spool_cursor_pause(&cursor, 0, NULL), 0);
    ck_assert_uint_eq(opened(spool), 40);
    ck_assert_int_eq(cursor.paused_us, 0);
    ck_assert_str_eq(cursor.why, "");
}
END_TEST

/* Another thread pauses while the lane's has changed something for its next
 * save. */
START_TEST(a_pause_changes_nothing_else)
{
    opened(spool);
    cursor.confirmed = 9;
    cursor.fresh = 11;
    cursor.begun = 1;
    save(10);
    cursor.confirmed = 3;
    cursor.fresh = 0;
    ck_assert_int_eq(spool_cursor_pause(&cursor, 77, "gone"), 0);
    ck_assert_uint_eq(cursor.confirmed, 3);
    ck_assert_uint_eq(opened(spool), 10);
    ck_assert_uint_eq(cursor.confirmed, 9);
    ck_assert_uint_eq(cursor.fresh, 11);
    ck_assert_int_eq(cursor.begun, 1);
    ck_assert_str_eq(cursor.why, "gone");
}
END_TEST

START_TEST(a_pause_that_cannot_be_written_is_none)
{
    opened(spool);
    ck_assert_int_eq(spool_cursor_pause(&cursor, 77, NULL), -EIO);
    save(10);
    flip(4096 + 30);
    ck_assert_int_eq(spool_cursor_pause(&cursor, 77, NULL), -EIO);
    ck_assert_int_eq(cursor.paused_us, 0);
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
    tcase_add_test(t, reads_what_older_versions_wrote);
    tcase_add_test(t, a_pause_stays_until_it_ends);
    tcase_add_test(t, a_pause_changes_nothing_else);
    tcase_add_test(t, a_pause_that_cannot_be_written_is_none);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
