/* SPDX-License-Identifier: MIT */
/* The file of what was tried is written round and round, goes on after a restart,
 * and is hidden by nothing that is damaged in it. */
#include "../attempts.h"
#include "outtest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACES 8
#define SIZE (PLACES * ATTEMPTS_RECORD)

static char folder[] = "/tmp/il-test-XXXXXX";
static char path[64];

static void
begin(void)
{
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/%s", folder, ATTEMPTS_FILE);
}

static void
end(void)
{
    unlink(path);
    rmdir(folder);
}

static struct attempts *
opened(void)
{
    struct attempts *a;
    ck_assert_int_eq(attempts_open(folder, SIZE, &a), 0);
    return a;
}

static void
add(struct attempts *a, uint64_t position)
{
    static const char text[300] = "HTTP 500: ";
    const struct attempts_record r = { .at_us = 1700000000000000,
                                       .position = position,
                                       .attempt = 2,
                                       .ms = 70000,
                                       .status = 500,
                                       .end = ATTEMPTS_AGAIN,
                                       .event = "evt",
                                       .event_len = 3,
                                       .id = "il_1",
                                       .id_len = 4,
                                       .target = "http://a:80",
                                       .target_len = 11,
                                       .text = text,
                                       .text_len = sizeof text };
    attempts_add(a, &r);
}

/* As the manual describes it. */
static uint64_t
number_at(const unsigned char *p, int bytes)
{
    uint64_t n = 0;
    while (bytes)
        n = n << 8 | p[--bytes];
    return n;
}

static size_t
in_file(unsigned char file[SIZE])
{
    int fd = open(path, O_RDONLY);
    memset(file, 0, SIZE);
    ssize_t n = read(fd, file, SIZE);
    close(fd);
    ck_assert_int_ge(n, 0);
    return (size_t) n;
}

START_TEST(a_record_is_as_the_manual_says)
{
    unsigned char file[SIZE];
    struct attempts *a = opened();
    add(a, 77);
    attempts_close(a);
    ck_assert_uint_eq(in_file(file), ATTEMPTS_RECORD);
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (int i = 8; i < 512; i++)
        sum = (sum ^ file[i]) * UINT64_C(0x100000001b3);
    ck_assert_uint_eq(number_at(file, 8), sum);
    ck_assert_uint_eq(number_at(file + 8, 8), 1);
    ck_assert_uint_eq(number_at(file + 16, 8), 1700000000000000);
    ck_assert_uint_eq(number_at(file + 24, 8), 77);
    ck_assert_uint_eq(number_at(file + 32, 4), 2);
    ck_assert_uint_eq(number_at(file + 36, 4), 70000);
    ck_assert_uint_eq(number_at(file + 40, 2), 500);
    ck_assert_uint_eq(file[42], 1);
    ck_assert_uint_eq(file[43], 3);
    ck_assert_uint_eq(file[44], 4);
    ck_assert_uint_eq(file[45], 11);
    ck_assert_uint_eq(file[46], 200);
    ck_assert_uint_eq(file[47], 1);
    ck_assert_mem_eq(file + 48, "evt", 4);
    ck_assert_mem_eq(file + 176, "il_1", 5);
    ck_assert_mem_eq(file + 240, "http://a:80", 12);
    ck_assert_mem_eq(file + 312, "HTTP 500: ", 11);
}
END_TEST

START_TEST(it_goes_round_and_on_after_a_restart)
{
    unsigned char file[SIZE];
    struct stat st;
    for (uint64_t n = 1; n <= 30;) {
        struct attempts *a = opened();
        for (int k = 0; k < 5; k++)
            add(a, n++);
        attempts_close(a);
    }
    in_file(file);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, SIZE);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    for (uint64_t k = 0; k < PLACES; k++) {
        const unsigned char *r = file + k * ATTEMPTS_RECORD;
        ck_assert_uint_eq(number_at(r + 8, 8), number_at(r + 24, 8));
        ck_assert_uint_eq((number_at(r + 8, 8) - 1) % PLACES, k);
        ck_assert_uint_gt(number_at(r + 8, 8), 30 - PLACES);
    }
}
END_TEST

START_TEST(more_at_once_than_there_are_places)
{
    unsigned char file[SIZE];
    struct attempts *a = opened();
    for (uint64_t n = 1; n <= 2 * PLACES + 3; n++)
        add(a, n);
    attempts_close(a);
    in_file(file);
    ck_assert_uint_eq(number_at(file + 8, 8), 2 * PLACES + 1);
}
END_TEST

START_TEST(what_is_damaged_is_passed_over)
{
    unsigned char file[SIZE];
    struct attempts *a = opened();
    for (uint64_t n = 1; n <= 6; n++)
        add(a, n);
    attempts_close(a);
    in_file(file);
    /* a number that is none, a sum that does not fit, a torn one at the end */
    memset(file + 1 * ATTEMPTS_RECORD + 8, 0xff, 8);
    file[4 * ATTEMPTS_RECORD + 100] ^= 1;
    int fd = open(path, O_WRONLY | O_TRUNC);
    ck_assert_int_eq(write(fd, file, 5 * ATTEMPTS_RECORD + 100),
                     5 * ATTEMPTS_RECORD + 100);
    close(fd);
    a = opened(); /* 4 is the last that counts */
    add(a, 99);
    attempts_close(a);
    in_file(file);
    ck_assert_uint_eq(number_at(file + 4 * ATTEMPTS_RECORD + 8, 8), 5);
    ck_assert_uint_eq(number_at(file + 4 * ATTEMPTS_RECORD + 24, 8), 99);
}
END_TEST

START_TEST(nonsense_is_no_obstacle)
{
    unsigned char file[SIZE];
    for (int k = 0; k < SIZE; k++)
        file[k] = (unsigned char) (k * 131 + 7);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(write(fd, file, SIZE), SIZE);
    close(fd);
    struct attempts *a = opened();
    add(a, 1);
    attempts_close(a);
    in_file(file);
    ck_assert_uint_eq(number_at(file + 24, 8), 1);
    unlink(path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_lt(attempts_open(folder, SIZE, &a), 0);
    rmdir(path);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        a_record_is_as_the_manual_says,
        it_goes_round_and_on_after_a_restart,
        more_at_once_than_there_are_places,
        what_is_damaged_is_passed_over,
        nonsense_is_no_obstacle,
    };
    Suite *suite = suite_create("attempts");
    TCase *tcase = tcase_create("attempts");
    tcase_add_checked_fixture(tcase, begin, end);
    for (size_t i = 0; i < COUNT(cases); i++)
        tcase_add_test(tcase, cases[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
