/* SPDX-License-Identifier: MIT */
/* Nothing that strangers wrote commands a terminal. */
#include "base/text_plain.h"

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

static const struct {
    const char *in, *shown;
} cases[] = {
    { "plain, \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", NULL },
    { "\x1b]0;x\x07", "\\u001b]0;x\\u0007" },
    { "a\x7f\r", "a\\u007f\\u000d" },
    { "\xc2\x9b"
      "31m",
      "\\u009b31m" }, /* C1 */
    { "\x9b"
      "31m\xff",
      "\\x9b31m\\xff" }, /* raw */
    { "\xe2\x80\xae"
      "x\xe2\x81\xa6",
      "\\u202ex\\u2066" }, /* bidi */
    { "\xe2\x80\x8f\xd8\x9c", "\\u200f\\u061c" },
    { "\xe2\x80\xa8\xef\xbb\xbf", "\\u2028\\ufeff" },
    { "\xf3\xa0\x81\x81", "\\udb40\\udc41" }, /* tags */
    { "cut \xe2\x82", "cut \\xe2\\x82" },
    { "\xed\xa0\x80", "\\xed\\xa0\\x80" }, /* a surrogate */
};

START_TEST(nothing_commands_the_terminal)
{
    struct il_text out = { 0 };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        out.len = 0;
        ck_assert_int_eq(
            text_plain(&out, slice_of(cases[i].in, strlen(cases[i].in)), 0), 0);
        ck_assert_str_eq(text_str(&out),
                         cases[i].shown ? cases[i].shown : cases[i].in);
    }
    out.len = 0;
    ck_assert_int_eq(text_plain(&out, SLICE("a\n\tb\0c"), 1), 0);
    ck_assert_str_eq(text_str(&out), "a\n\tb\\u0000c");
    out.len = 0;
    ck_assert_int_eq(text_plain(&out, SLICE("a\n\tb"), 0), 0);
    ck_assert_str_eq(text_str(&out), "a\\u000a\\u0009b");
    text_clear(&out);
}
END_TEST

/* However it is cut up. */
START_TEST(a_stream_does_the_same)
{
    char got[256];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd[2];
        ck_assert_int_eq(pipe(fd), 0);
        FILE *f = text_plain_stream(fd[1], _IONBF);
        ck_assert_ptr_nonnull(f);
        for (const char *p = cases[i].in; *p; p++)
            ck_assert_int_ge(fputc((unsigned char) *p, f), 0);
        ck_assert_int_eq(fclose(f), 0);
        ssize_t n = read(fd[0], got, sizeof(got) - 1);
        ck_assert_int_gt(n, 0);
        got[n] = 0;
        ck_assert_str_eq(got, cases[i].shown ? cases[i].shown : cases[i].in);
        close(fd[0]);
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("plain");
    TCase *t = tcase_create("plain");
    tcase_add_test(t, nothing_commands_the_terminal);
    tcase_add_test(t, a_stream_does_the_same);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
