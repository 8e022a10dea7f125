/* SPDX-License-Identifier: MIT */
/* Nothing that a URL hides is left in a text. */
#include "../scrub.h"
#include "outtest.h"

START_TEST(what_a_url_hides_is_taken_out)
{
    static const char url[] =
        "https://user:pa55word@hooks.example.com:8443/services/T00AAA/"
        "xyzSECRET?token=abcd1234&in=x#frag5";
    static const struct {
        const char *text, *expected;
    } cases[] = {
        { "", "" },
        { "Could not resolve host: hooks.example.com",
          "Could not resolve host: hooks.example.com" },
        { "Failed to connect to hooks.example.com port 8443",
          "Failed to connect to hooks.example.com port 8443" },
        { "bad path /services/T00AAA/xyzSECRET?token=abcd1234&in=x#frag5",
          "bad path ***" },
        { "what is xyzSECRET, and T00AAA?", "what is ***, and ***?" },
        { "token abcd1234 of user pa55word", "*** *** of *** ***" },
        { "xyzSECRETxyzSECRET", "******" },
        { "see http://a:b@other.example.com/path/x?y=z for more",
          "see http://other.example.com/ for more" },
        { "see 'http://other.example.com'", "see 'http://other.example.com'" },
        { "http://a:b@c@d/", "http://d/" },
        { "://@/", ":///" },
        { "://", "://" },
        { "two\r\nlines\x07", "two  lines " },
        { "the proxy's pr0xypass", "the proxy's ***" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[512];
        scrub(cases[i].text, url, "http://me:pr0xypass@proxy:3128", out,
              sizeof out);
        ck_assert_str_eq(out, cases[i].expected);
        scrub(cases[i].text, NULL, NULL, out, sizeof out);
        scrub(cases[i].text, "no URL", "", out, sizeof out);
    }
}
END_TEST

START_TEST(no_text_is_too_long)
{
    char text[2000], out[512], tiny[1];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    scrub(text, "http://h/xxxx", NULL, out, sizeof out);
    ck_assert_uint_lt(strlen(out), sizeof out);
    scrub(text, "http://h/xxxxxxxxxxxxxxxxxxxxxx", NULL, tiny, sizeof tiny);
    ck_assert_str_eq(tiny, "");
}
END_TEST

START_TEST(an_answer_gives_back_nothing_that_was_sent)
{
    static char token[] = "tok3n-SECRET/1", pass[] = "hunter22", in[] = "in";
    char *const words[] = { token, pass, in, NULL };
    static const struct {
        const char *answer, *expected;
    } cases[] = {
        { "{\"Authorization\":\"Bearer tok3n-SECRET/1\"}",
          "{\"Authorization\":\"Bearer ***\"}" },
        { "hunter22hunter22 in", "****** in" },
        { "POST /hook/T00SECRET\n", "POST *** " },
        { "cut: tok3n-SECR", "cut: ***" },
        { "cut: tok3", "cut: ***" },
        { "cut: tok", "cut: tok" },
        { "tok3n", "***" },
        { "", "" },
    };
    char out[200];
    for (size_t i = 0; i < COUNT(cases); i++) {
        scrub_answer(cases[i].answer, strlen(cases[i].answer),
                     "https://h/hook/T00SECRET", words, out, sizeof out);
        ck_assert_str_eq(out, cases[i].expected);
    }
    scrub_answer("a\0b", 3, "https://h/", words, out, sizeof out);
    ck_assert_str_eq(out, "a b");
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        what_a_url_hides_is_taken_out,
        no_text_is_too_long,
        an_answer_gives_back_nothing_that_was_sent,
    };
    return run_cases("scrub", cases, COUNT(cases));
}
