/* SPDX-License-Identifier: MIT */
/* Addresses, networks, X-Forwarded-For, and addresses to listen on. */
#include "config.h"
#include "base/ip.h"
#include "http/address.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct ip
ip(const char *text)
{
    struct ip out = { { 0 } };
    ck_assert_msg(!ip_parse(text, strlen(text), &out), "%s", text);
    return out;
}

START_TEST(addresses_are_read_and_written)
{
    static const char *const same[] = { "0.0.0.0", "192.0.2.7", "::1", "::",
                                        "2001:db8::ff", "255.255.255.255" };
    static const char *const bad[] = {
        "", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "1.2.3.4 ", ":::",
        "12345::", "[::1]", "fe80::1%eth0", "localhost", "1.2.3.4/8",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd"
    };
    char text[IP_TEXT];
    struct ip out;
    for (size_t i = 0; i < COUNT(same); i++) {
        out = ip(same[i]);
        ip_format(&out, text);
        ck_assert_str_eq(text, same[i]);
    }
    out = ip("::ffff:192.0.2.7");
    ip_format(&out, text);
    ck_assert_str_eq(text, "192.0.2.7");
    for (size_t i = 0; i < COUNT(bad); i++)
        ck_assert_msg(ip_parse(bad[i], strlen(bad[i]), &out) == -EINVAL, "%s",
                      bad[i]);
    ck_assert_int_eq(ip_parse("1.2.3.4\0", 8, &out), -EINVAL);
}
END_TEST

START_TEST(networks_hold_what_they_say)
{
    static const struct {
        const char *net, *in, *out;
    } nets[] = {
        { "10.0.0.0/8", "10.255.255.255", "11.0.0.0" },
        { "10.128.0.0/9", "10.128.0.0", "10.127.255.255" },
        { "192.0.2.7", "192.0.2.7", "192.0.2.6" },
        { "192.0.2.6/31", "192.0.2.7", "192.0.2.8" },
        { "0.0.0.0/0", "203.0.113.9", "2001:db8::1" },
        { "::/0", "203.0.113.9", NULL },
        { "::1/128", "::1", "::2" },
        { "fd00::/8", "fdff:1::1", "fc00::1" },
        { "2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::" },
    };
    static const char *const bad[] = {
        "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08x", "10.0.0.0/-1",
        "10.0.0.0/8/8", "::1/129", "::1/1000", "unix", "10.0.0/8", "10.0.0.0 /8"
    };
    struct ip_net net;
    char meant[IP_TEXT + 4];
    for (size_t i = 0; i < COUNT(nets); i++) {
        ck_assert_msg(!ip_net_parse(nets[i].net, &net, meant), "%s",
                      nets[i].net);
        struct ip in = ip(nets[i].in);
        ck_assert_msg(ip_in(&in, &net, 1), "%s has %s", nets[i].net,
                      nets[i].in);
        if (!nets[i].out)
            continue;
        in = ip(nets[i].out);
        ck_assert_msg(!ip_in(&in, &net, 1), "%s has not %s", nets[i].net,
                      nets[i].out);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        ck_assert_msg(ip_net_parse(bad[i], &net, meant) != NULL, "%s", bad[i]);
        ck_assert_str_eq(meant, "");
    }
    ck_assert_ptr_nonnull(ip_net_parse("10.1.2.3/9", &net, meant));
    ck_assert_str_eq(meant, "10.0.0.0/9");
    ck_assert_ptr_nonnull(ip_net_parse("2001:db8::1/32", &net, meant));
    ck_assert_str_eq(meant, "2001:db8::/32");
}
END_TEST

/* All of a value, from the right: "3 2 !" with ! for what is no address. */
static const char *
walk(const char *value)
{
    static char out[500];
    size_t len = strlen(value), at = 0;
    struct ip one;
    int rc;
    out[0] = 0;
    while ((rc = ip_forwarded(value, &len, &one)) == 1) {
        char text[IP_TEXT];
        ip_format(&one, text);
        at += (size_t) sprintf(out + at, "%s ", text);
    }
    if (rc < 0)
        strcpy(out + at, "!");
    return out;
}

START_TEST(forwarded_is_read_from_the_right)
{
    ck_assert_str_eq(walk(""), "");
    ck_assert_str_eq(walk(" , ,\t"), "");
    ck_assert_str_eq(walk("1.2.3.4"), "1.2.3.4 ");
    ck_assert_str_eq(walk("1.2.3.4, 5.6.7.8"), "5.6.7.8 1.2.3.4 ");
    ck_assert_str_eq(walk("1.2.3.4,,5.6.7.8 ,"), "5.6.7.8 1.2.3.4 ");
    ck_assert_str_eq(walk("::1, [::2], [::3]:80, 1.2.3.4:80"),
                     "1.2.3.4 ::3 ::2 ::1 ");
    ck_assert_str_eq(walk("1.2.3.4, x, 5.6.7.8"), "5.6.7.8 !");
    ck_assert_str_eq(walk("[::1"), "!");
    ck_assert_str_eq(walk("[::1]80"), "!");
    ck_assert_str_eq(walk("[]"), "!");
    ck_assert_str_eq(walk(":"), "!");
    ck_assert_str_eq(walk("1.2.3.4 5.6.7.8"), "!");
    ck_assert_str_eq(walk("\"1.2.3.4\""), "!");
    ck_assert_str_eq(walk("for=1.2.3.4"), "!");
}
END_TEST

START_TEST(listen_addresses_are_read)
{
    static const struct {
        const char *text, *host, *port, *path;
        enum http_scheme scheme;
    } good[] = {
        { "127.0.0.1:80", "127.0.0.1", "80", "", HTTP_DEFAULT },
        { "[::1]:0", "::1", "0", "", HTTP_DEFAULT },
        { ":65535", "", "65535", "", HTTP_DEFAULT },
        { "localhost:1", "localhost", "1", "", HTTP_DEFAULT },
        { "http://[::]:80", "::", "80", "", HTTP_PLAIN },
        { "https://:443", "", "443", "", HTTP_TLS },
        { "unix:/a", "", "", "/a", HTTP_DEFAULT },
    };
    static const char *const bad[] = {
        "", ":", "80", "a:", "a:80x", "a:65536", "a:000080", "::1:80",
        "[::1:80", "[]:80", "[::1]80", "a b:80", "a/b:80", "ftp://a:80",
        "unix:", "unix:a", "unix:/", "unix:/a/", "https://", "http:80x",
        "[a]b:80", "a@b:80", "[unix]:1",
        "unix:/0123456789012345678901234567890123456789012345678901234567890123"
        "456789012345678901234567890123456789012345678901234567890"
    };
    struct http_address a;
    for (size_t i = 0; i < COUNT(good); i++) {
        ck_assert_msg(!http_address_parse(good[i].text, &a), "%s",
                      good[i].text);
        ck_assert_str_eq(a.host, good[i].host);
        ck_assert_str_eq(a.port, good[i].port);
        ck_assert_str_eq(a.path, good[i].path);
        ck_assert_int_eq(a.scheme, good[i].scheme);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        ck_assert_msg(http_address_parse(bad[i], &a) != NULL, "%s", bad[i]);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("ip");
    TCase *t = tcase_create("all");
    tcase_add_test(t, addresses_are_read_and_written);
    tcase_add_test(t, networks_hold_what_they_say);
    tcase_add_test(t, forwarded_is_read_from_the_right);
    tcase_add_test(t, listen_addresses_are_read);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
