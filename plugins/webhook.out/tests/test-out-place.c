/* SPDX-License-Identifier: MIT */
/* A URL becomes where to connect and the beginning of a request. */
#include "../place.h"
#include "outtest.h"

#include <errno.h>

static const struct {
    const char *url, *proxy, *origin, *line;
} cases[] = {
    { "http://example.com", NULL, "http://example.com:80/",
      " / HTTP/1.1\r\nHost: example.com\r\n" },
    { "https://example.com:443/a%20b?c=d#e", NULL, "https://example.com:443/",
      " /a%20b?c=d HTTP/1.1\r\nHost: example.com\r\n" },
    { "http://example.com:8080?q", NULL, "http://example.com:8080/",
      " /?q HTTP/1.1\r\nHost: example.com:8080\r\n" },
    { "http://example.com/a/../b/./c", NULL, "http://example.com:80/",
      " /b/c HTTP/1.1\r\nHost: example.com\r\n" },
    { "http://[::1]:81/x", NULL, "http://[::1]:81/",
      " /x HTTP/1.1\r\nHost: [::1]:81\r\n" },
    { "http://example.com:81/a?b", "http://user:pass@proxy:3128",
      "http://example.com:81/",
      " http://example.com:81/a?b HTTP/1.1\r\nHost: example.com:81\r\n"
      "Proxy-Authorization: Basic c2VjcmV0\r\n" },
    /* these go through a tunnel */
    { "https://example.com/a", "http://user:pass@proxy:3128",
      "https://example.com:443/", " /a HTTP/1.1\r\nHost: example.com\r\n" },
    { "http://example.com/a", "socks5h://user:pass@proxy:1080",
      "http://example.com:80/", " /a HTTP/1.1\r\nHost: example.com\r\n" },
};

START_TEST(each_url_is_taken_apart)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        char secret[] = "c2VjcmV0";
        struct easy_options o = { .of = { .proxy = cases[i].proxy },
                                  .proxy_authorization = secret };
        struct place p;
        ck_assert_msg(!place_make(&o, cases[i].url, &p), "%s", cases[i].url);
        ck_assert_str_eq(p.url, cases[i].url);
        ck_assert_str_eq(p.origin, cases[i].origin);
        ck_assert_str_eq(p.line, cases[i].line);
        ck_assert_uint_eq(p.line_len, strlen(p.line));
        place_free(&p);
    }
}
END_TEST

START_TEST(what_is_no_url_is_refused)
{
    static const char *const urls[] = {
        "",
        "example.com/a",
        "ftp://example.com/",
        "smtp://example.com/",
        "file:///etc/passwd",
        "http://user:secret@example.com/",
        "http://exa mple.com/",
        "http://example.com/a b",
        "http://example.com/a\r\nX: y",
        "http://example.com/a?b\nc",
        "http://example.com/a\x7f",
    };
    const struct easy_options o = { 0 };
    for (size_t i = 0; i < COUNT(urls); i++) {
        struct place p;
        ck_assert_msg(place_make(&o, urls[i], &p) == -EINVAL, "%s", urls[i]);
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = { each_url_is_taken_apart,
                                   what_is_no_url_is_refused };
    return run_cases("place", tests, COUNT(tests));
}
