/* SPDX-License-Identifier: MIT */
/* Decimal, hexadecimal, UUIDs. */
#include "base/digits.h"

#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

START_TEST(decimal_is_what_printf_writes)
{
    char want[32], got[DIGITS_MAX];
    for (int shift = 0; shift < 64; shift++)
        for (uint64_t n = (UINT64_C(1) << shift) - 2, i = 0; i < 4; i++, n++) {
            int len = snprintf(want, sizeof want, "%" PRIu64, n);
            size_t put = (size_t) (digits_put(got, n) - got);
            ck_assert_uint_eq(put, (size_t) len);
            ck_assert_mem_eq(got, want, put);
        }
    ck_assert_int_eq(digits_put(got, UINT64_MAX) - got, DIGITS_MAX);
}
END_TEST

START_TEST(hexadecimal_digits_and_no_others)
{
    for (int c = -128; c < 256; c++) {
        char text[2] = { (char) c, 0 };
        int want =
            isxdigit((unsigned char) c) ? (int) strtol(text, NULL, 16) : -1;
        ck_assert_int_eq(digits_hex((char) c), want);
    }
}
END_TEST

START_TEST(bytes_come_back_from_their_digits)
{
    unsigned char bytes[256];
    char text[512];
    for (int i = 0; i < 256; i++)
        bytes[i] = (unsigned char) i;
    ck_assert_ptr_eq(digits_put_hex(text, bytes, 256), text + 512);
    for (int i = 0; i < 256; i++)
        ck_assert_int_eq(
            digits_hex(text[2 * i]) * 16 + digits_hex(text[2 * i + 1]), i);
    ck_assert_mem_eq(text + 0xfe * 2, "feff", 4);
}
END_TEST

START_TEST(uuids_are_read_as_they_are_written)
{
    static const char *const bad[] = { "",
                                       "00112233-4455-6677-8899-aabbccddeef",
                                       "00112233-4455-6677-8899-aabbccddeeff0",
                                       "001122334-455-6677-8899-aabbccddeeff",
                                       "00112233_4455-6677-8899-aabbccddeeff",
                                       "00112233-4455-6677-8899-aabbccddeefg",
                                       "0011223 -4455-6677-8899-aabbccddeeff",
                                       "{0112233-4455-6677-8899-aabbccddeeff" };
    static const char text[] = "00112233-4455-6677-8899-aabbccddeeff";
    uint8_t uuid[UUID_BYTES];
    char back[UUID_TEXT];
    ck_assert_int_eq(uuid_parse(text, 36, uuid), 0);
    for (int i = 0; i < UUID_BYTES; i++)
        ck_assert_uint_eq(uuid[i], 0x11u * (unsigned) i);
    uuid_format(back, uuid);
    ck_assert_str_eq(back, text);
    ck_assert_int_eq(
        uuid_parse("00112233-4455-6677-8899-AABBCCDDEEFF", 36, NULL), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(uuid_parse(bad[i], strlen(bad[i]), uuid), -EINVAL);
}
END_TEST

START_TEST(one_that_is_made_is_of_version_4)
{
    uint8_t a[UUID_BYTES], b[UUID_BYTES];
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(uuid_make(a), 0);
        ck_assert_int_eq(uuid_make(b), 0);
        ck_assert_int_eq(a[6] >> 4, 4);
        ck_assert_int_eq(a[8] >> 6, 2);
        ck_assert_mem_ne(a, b, UUID_BYTES);
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("digits");
    TCase *c = tcase_create("digits");
    suite_add_tcase(s, c);
    tcase_add_test(c, decimal_is_what_printf_writes);
    tcase_add_test(c, hexadecimal_digits_and_no_others);
    tcase_add_test(c, bytes_come_back_from_their_digits);
    tcase_add_test(c, uuids_are_read_as_they_are_written);
    tcase_add_test(c, one_that_is_made_is_of_version_4);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
