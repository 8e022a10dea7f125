/* SPDX-License-Identifier: MIT */
/* Equal is equal, and every bit counts.  That the time says nothing is
 * gnutls_memcmp()'s promise; how much is read is seen by an alarm on the page
 * behind. */
#include "base/secret.h"

#include <check.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

START_TEST(every_bit_counts)
{
    unsigned char a[40], b[40];
    for (size_t len = 0; len <= sizeof a; len++) {
        memset(a, 0x5a, sizeof a);
        memset(b, 0x5a, sizeof b);
        ck_assert_int_eq(secret_equal(a, len, b, len), 1);
        for (size_t bit = 0; bit < 8 * len; bit++) {
            b[bit / 8] ^= (unsigned char) (1 << bit % 8);
            ck_assert_int_eq(secret_equal(a, len, b, len), 0);
            b[bit / 8] ^= (unsigned char) (1 << bit % 8);
        }
    }
}
END_TEST

START_TEST(a_beginning_is_not_the_secret)
{
    ck_assert_int_eq(secret_equal("abc", 3, "abcd", 4), 0);
    ck_assert_int_eq(secret_equal("abcd", 4, "abc", 3), 0);
    ck_assert_int_eq(secret_equal("", 0, "abc", 3), 0);
    ck_assert_int_eq(secret_equal("abc", 3, "", 0), 0);
    ck_assert_int_eq(secret_equal("", 0, "", 0), 1);
    ck_assert_int_eq(secret_equal("a\0b", 3, "a\0c", 3), 0);
}
END_TEST

/* Neither is read behind its end, whichever is longer. */
START_TEST(reads_nothing_behind_the_end)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(map, MAP_FAILED);
    ck_assert_int_eq(mprotect(map + page, page, PROT_NONE), 0);
    static const char longer[64];
    const char *end = map + page - 5;
    ck_assert_int_eq(secret_equal(end, 5, longer, 5), 1);
    ck_assert_int_eq(secret_equal(end, 5, longer, sizeof longer), 0);
    ck_assert_int_eq(secret_equal(longer, sizeof longer, end, 5), 0);
    munmap(map, 2 * page);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("secret");
    TCase *c = tcase_create("secret");
    suite_add_tcase(s, c);
    tcase_add_test(c, every_bit_counts);
    tcase_add_test(c, a_beginning_is_not_the_secret);
    tcase_add_test(c, reads_nothing_behind_the_end);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
