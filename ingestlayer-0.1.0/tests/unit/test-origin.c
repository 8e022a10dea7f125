/* SPDX-License-Identifier: MIT */
/* Patterns of origins: what fits, what only looks as if it did. */
#include "http/origin.h"

#include <check.h>
#include <string.h>

static int
fits(const char *pattern, const char *origin)
{
    struct origin_pattern p;
    const char *why = http_origin_compile(pattern, &p);
    ck_assert_msg(!why, "%s %s", pattern, why);
    return http_origin_fits(&p, origin);
}

START_TEST(an_exact_origin_fits_itself_alone)
{
    static const char *const others[]
        = { "http://app.example.com",         "https://app.example.com:8443",
            "https://app.example.com/",       "https://app.example.com.evil.com",
            "https://evil.com",               "https://xapp.example.com",
            "https://app.example.co",         "https://app.example.com:443",
            "https://app.example.com@evil.c", "https://user@app.example.com",
            "HTTPS://APP.EXAMPLE.COM",        "https://app.example.com ",
            " https://app.example.com",       "https://app.example.com, null",
            "https://app.example.com#",       "https://app.example.com:",
            "null",                           "",
            "*",                              "https://*",
            "https://app.example.com:0",      "https://app.example.com:*" };
    ck_assert(fits("https://app.example.com", "https://app.example.com"));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        ck_assert_msg(!fits("https://app.example.com", others[i]), "%s",
                      others[i]);
    ck_assert(fits("http://app.example.com:8080",
                   "http://app.example.com:8080"));
    ck_assert(!fits("http://app.example.com:8080",
                    "http://app.example.com:80800"));
    ck_assert(!fits("http://app.example.com:8080",
                    "http://app.example.com:808"));
    ck_assert(fits("http://[::1]:3000", "http://[::1]:3000"));
    ck_assert(!fits("http://[::1]:3000", "http://[::2]:3000"));
    ck_assert(fits("capacitor://localhost", "capacitor://localhost"));
}
END_TEST

START_TEST(a_star_is_names_below_and_nothing_else)
{
    static const char pattern[] = "https://*.example.com";
    static const char *const others[]
        = { "https://example.com",         "https://.example.com",
            "https://evilexample.com",     "https://evil.com/.example.com",
            "https://evil.com?.example.com", "https://a.example.com.evil.com",
            "https://evil.com#.example.com", "https://a@b.example.com",
            "http://a.example.com",        "https://a.example.com:8443",
            "https://*.example.com",       "https://a..example.com",
            "https://a\\.example.com",     "https://a%2e.example.com" };
    ck_assert(fits(pattern, "https://a.example.com"));
    ck_assert(fits(pattern, "https://a.b-1.example.com"));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        ck_assert_msg(!fits(pattern, others[i]), "%s", others[i]);
}
END_TEST

START_TEST(any_port_and_any_origin)
{
    ck_assert(fits("http://localhost:*", "http://localhost:3000"));
    ck_assert(fits("http://localhost:*", "http://localhost"));
    ck_assert(!fits("http://localhost:*", "http://localhost:x"));
    ck_assert(!fits("http://localhost:*", "http://localhost:3000/a"));
    ck_assert(!fits("http://localhost:*", "http://localhost.evil.com:3000"));
    ck_assert(fits("http://*.localhost:*", "http://a.localhost:1"));
    ck_assert(fits("*", "https://a.b"));
    ck_assert(fits("*", "null"));
}
END_TEST

START_TEST(what_no_browser_sends_is_no_pattern)
{
    static const struct {
        const char *text, *why;
    } bad[] = { { "null", "sandbox" },
                { "app.example.com", "scheme" },
                { "https://", "form" },
                { "https://App.example.com", "upper-case" },
                { "https://app.example.com/", "path" },
                { "https://app.example.com/x", "path" },
                { "https://u@app.example.com", "user name" },
                { "https://*.com", "top-level" },
                { "https://*", "*" },
                { "https://a.*.com", "*" },
                { "https://*a.com", "*" },
                { "https://*.*.com", "*" },
                { "https://a.com:443", "port" },
                { "http://a.com:80", "port" },
                { "https://a.com:", "form" },
                { "https://a.com:99999", "form" },
                { "https://a..com", "form" },
                { "https://a.com.", "form" },
                { "https://[::1", "form" },
                { "", "scheme" } };
    struct origin_pattern p;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *why = http_origin_compile(bad[i].text, &p);
        ck_assert_msg(why && strstr(why, bad[i].why), "%s: %s", bad[i].text,
                      why ? why : "accepted");
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("origin");
    TCase *t = tcase_create("origin");
    tcase_add_test(t, an_exact_origin_fits_itself_alone);
    tcase_add_test(t, a_star_is_names_below_and_nothing_else);
    tcase_add_test(t, any_port_and_any_origin);
    tcase_add_test(t, what_no_browser_sends_is_no_pattern);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
