/* SPDX-License-Identifier: MIT */
/* A file that is replaced: the new bytes or the old ones, and nothing beside
 * it. */
#include "tempdir.h"
#include "base/file.h"

#include <check.h>
#include <errno.h>
#include <sys/stat.h>

static char *root;
static int folder;

static void
setup(void)
{
    root = tempdir_make();
    folder = open(root, O_RDONLY | O_DIRECTORY);
    ck_assert_int_ge(folder, 0);
}

static void
teardown(void)
{
    close(folder);
    tempdir_remove(root);
}

static void
expect(const char *text)
{
    char got[64] = "";
    struct stat st;
    int fd = openat(folder, "F", O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(file_pread(fd, got, sizeof got - 1, 0),
                     (int64_t) strlen(text));
    ck_assert_str_eq(got, text);
    close(fd);
    ck_assert_int_ne(faccessat(folder, "F.tmp", F_OK, 0), 0);
}

START_TEST(replaces_longer_and_shorter)
{
    ck_assert_int_eq(file_replace(folder, "F", "first", 5), 0);
    expect("first");
    ck_assert_int_eq(file_replace(folder, "F", "the second", 10), 0);
    expect("the second");
    ck_assert_int_eq(file_replace(folder, "F", "3", 1), 0);
    expect("3");
}
END_TEST

/* What a process that died left there is overwritten. */
START_TEST(an_old_attempt_is_no_obstacle)
{
    int fd = openat(folder, "F.tmp", O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(file_pwrite(fd, "half of something long", 22, 0), 0);
    close(fd);
    ck_assert_int_eq(file_replace(folder, "F", "new", 3), 0);
    expect("new");
}
END_TEST

START_TEST(what_fails_leaves_the_old_one)
{
    ck_assert_int_eq(file_replace(folder, "F", "old", 3), 0);
    ck_assert_int_eq(mkdirat(folder, "G", 0700), 0);
    ck_assert_int_eq(file_replace(folder, "G", "new", 3), -EISDIR);
    ck_assert_int_ne(faccessat(folder, "G.tmp", F_OK, 0), 0);
    ck_assert_int_eq(symlinkat("F", folder, "F.tmp"), 0);
    ck_assert_int_eq(file_replace(folder, "F", "new", 3), -ELOOP);
    expect("old");
}
END_TEST

START_TEST(folders_are_synced_or_it_is_said)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/none", root);
    ck_assert_int_eq(file_sync_folder(root), 0);
    ck_assert_int_eq(file_sync_folder(path), -ENOENT);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("file");
    TCase *c = tcase_create("file");
    tcase_add_checked_fixture(c, setup, teardown);
    suite_add_tcase(s, c);
    tcase_add_test(c, replaces_longer_and_shorter);
    tcase_add_test(c, an_old_attempt_is_no_obstacle);
    tcase_add_test(c, what_fails_leaves_the_old_one);
    tcase_add_test(c, folders_are_synced_or_it_is_said);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
