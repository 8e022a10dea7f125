/* SPDX-License-Identifier: MIT */
/* Each row of IANA's registries at its first and last address and beside them,
 * and each way of hiding an IPv4 address in an IPv6 one. */
#include "../address.h"
#include "outtest.h"

#include <arpa/inet.h>
#include <errno.h>

enum { G = ADDRESS_GLOBAL, P = ADDRESS_PRIVATE, L = ADDRESS_LINK_LOCAL };

static const struct {
    const char *address;
    int kind;
    const char *rfc; /* that the reason names; NULL: any */
} table[] = {
    { "0.0.0.0", P, "RFC 1122" },
    { "0.0.0.1", P, "RFC 791" },
    { "0.255.255.255", P, "RFC 791" },
    { "1.0.0.0", G, NULL },
    { "9.255.255.255", G, NULL },
    { "10.0.0.0", P, "RFC 1918" },
    { "10.255.255.255", P, "RFC 1918" },
    { "11.0.0.0", G, NULL },
    { "100.63.255.255", G, NULL },
    { "100.64.0.0", P, "RFC 6598" },
    { "100.100.100.200", P, "RFC 6598" },
    { "100.127.255.255", P, "RFC 6598" },
    { "100.128.0.0", G, NULL },
    { "126.255.255.255", G, NULL },
    { "127.0.0.1", P, "RFC 1122" },
    { "127.255.255.255", P, "RFC 1122" },
    { "128.0.0.0", G, NULL },
    { "169.253.255.255", G, NULL },
    { "169.254.0.0", L, "RFC 3927" },
    { "169.254.169.254", L, "RFC 3927" },
    { "169.254.255.255", L, "RFC 3927" },
    { "169.255.0.0", G, NULL },
    { "172.15.255.255", G, NULL },
    { "172.16.0.0", P, "RFC 1918" },
    { "172.31.255.255", P, "RFC 1918" },
    { "172.32.0.0", G, NULL },
    { "191.255.255.255", G, NULL },
    { "192.0.0.0", P, "RFC 7335" },
    { "192.0.0.7", P, "RFC 7335" },
    { "192.0.0.8", P, "RFC 7600" },
    { "192.0.0.9", G, "RFC 7723" },
    { "192.0.0.10", G, "RFC 8155" },
    { "192.0.0.11", P, "RFC 6890" },
    { "192.0.0.170", P, "RFC 8880" },
    { "192.0.0.171", P, "RFC 8880" },
    { "192.0.0.255", P, "RFC 6890" },
    { "192.0.1.0", G, NULL },
    { "192.0.2.0", P, "RFC 5737" },
    { "192.0.2.255", P, "RFC 5737" },
    { "192.0.3.0", G, NULL },
    { "192.31.196.1", G, "RFC 7535" },
    { "192.52.193.1", G, "RFC 7450" },
    { "192.88.98.255", G, NULL },
    { "192.88.99.1", P, "RFC 7526" },
    { "192.88.100.0", G, NULL },
    { "192.167.255.255", G, NULL },
    { "192.168.0.0", P, "RFC 1918" },
    { "192.168.255.255", P, "RFC 1918" },
    { "192.169.0.0", G, NULL },
    { "192.175.48.1", G, "RFC 7534" },
    { "198.17.255.255", G, NULL },
    { "198.18.0.0", P, "RFC 2544" },
    { "198.19.255.255", P, "RFC 2544" },
    { "198.20.0.0", G, NULL },
    { "198.51.100.7", P, "RFC 5737" },
    { "203.0.113.7", P, "RFC 5737" },
    { "223.255.255.255", G, NULL },
    { "224.0.0.1", P, "RFC 5771" },
    { "239.255.255.255", P, "RFC 5771" },
    { "240.0.0.0", P, "RFC 1112" },
    { "255.255.255.254", P, "RFC 1112" },
    { "255.255.255.255", P, "RFC 919" },

    { "::", P, "RFC 4291" },
    { "::1", P, "RFC 4291" },
    { "::2", P, "RFC 791" },
    { "100::", P, "RFC 6666" },
    { "100::ffff:ffff:ffff:ffff", P, "RFC 6666" },
    { "100:0:0:1::", P, "RFC 9780" },
    { "100:0:0:2::", P, "RFC 4291" },
    { "1fff:ffff::", P, "RFC 4291" },
    { "2000::", G, NULL },
    { "2001:1::", P, "RFC 2928" },
    { "2001:1::1", G, "RFC 7723" },
    { "2001:1::2", G, "RFC 8155" },
    { "2001:1::3", G, "RFC 9665" },
    { "2001:1::4", P, "RFC 2928" },
    { "2001:2::1", P, "RFC 5180" },
    { "2001:2:1::", P, "RFC 2928" },
    { "2001:3::1", G, "RFC 7450" },
    { "2001:4:111:ffff::", P, "RFC 2928" },
    { "2001:4:112::1", G, "RFC 7535" },
    { "2001:10::1", P, "RFC 4843" },
    { "2001:1f:ffff::", P, "RFC 4843" },
    { "2001:20::1", G, "RFC 7343" },
    { "2001:2f:ffff::", G, "RFC 7343" },
    { "2001:30::1", G, "RFC 9374" },
    { "2001:40::1", P, "RFC 2928" },
    { "2001:1ff:ffff::", P, "RFC 2928" },
    { "2001:200::1", G, NULL },
    { "2001:4860:4860::8888", G, NULL },
    { "2001:db7:ffff::", G, NULL },
    { "2001:db8::1", P, "RFC 3849" },
    { "2001:db9::", G, NULL },
    { "2620:4f:8000::1", G, "RFC 7534" },
    { "3ffe:ffff::", G, NULL },
    { "3fff::1", P, "RFC 9637" },
    { "3fff:fff:ffff::", P, "RFC 9637" },
    { "3fff:1000::", G, NULL },
    { "4000::", P, "RFC 4291" },
    { "5f00::1", P, "RFC 9602" },
    { "fbff::1", P, "RFC 4291" },
    { "fc00::1", P, "RFC 4193" },
    { "fd00:ec2::254", P, "RFC 4193" },
    { "fdff:ffff::", P, "RFC 4193" },
    { "fe00::1", P, "RFC 4291" },
    { "fe7f::1", P, "RFC 4291" },
    { "fe80::1", L, "RFC 4291" },
    { "febf:ffff::1", L, "RFC 4291" },
    { "fec0::1", P, "RFC 3879" },
    { "ff02::1", P, "RFC 4291" },

    /* IPv4 in disguise */
    { "::ffff:127.0.0.1", P, "RFC 1122" },
    { "::ffff:169.254.169.254", L, "RFC 3927" },
    { "::ffff:8.8.8.8", G, NULL },
    { "::127.0.0.1", P, "RFC 1122" },
    { "::169.254.169.254", L, "RFC 3927" },
    { "::8.8.8.8", G, NULL },
    { "64:ff9b::8.8.8.8", G, NULL },
    { "64:ff9b::10.0.0.1", P, "RFC 1918" },
    { "64:ff9b::169.254.169.254", L, "RFC 3927" },
    { "64:ff9b:1::8.8.8.8", P, NULL },
    { "64:ff9b:1::169.254.169.254", L, "RFC 3927" },
    { "64:ff9b:1:a9fe:a9:fe00::", L, "RFC 3927" },   /* a /48 */
    { "64:ff9b:1:a9:fe:a9fe::", L, "RFC 3927" },     /* a /56 */
    { "64:ff9b:1:2:a9:fea9:fe00:0", L, "RFC 3927" }, /* a /64 */
    { "64:ff9b:2::8.8.8.8", P, "RFC 4291" },
    { "2001:0:808:808::f7f7:f7f7", G, NULL }, /* 8.8.8.8 of 8.8.8.8 */
    { "2001:0:7f00:1::f7f7:f7f7", P, "RFC 1122" },
    { "2001:0:808:808::5601:5601", L, "RFC 3927" }, /* 169.254.169.254 */
    { "2001:0:808:808::f5ff:fffe", P, "RFC 1918" }, /* 10.0.0.1 */
    { "2002:808:808::1", G, NULL },
    { "2002:7f00:1::1", P, "RFC 1122" },
    { "2002:a9fe:a9fe::1", L, "RFC 3927" },
    { "2002:c0a8:101::1", P, "RFC 1918" },
};

static struct address
address(const char *text)
{
    struct address a;
    ck_assert_msg(!address_parse(text, strlen(text), &a), "%s", text);
    return a;
}

START_TEST(an_address_is_what_the_registries_say)
{
    for (size_t i = 0; i < COUNT(table); i++) {
        const char *what = "";
        struct address a = address(table[i].address);
        int kind = (int) address_judge(&a, &what);
        ck_assert_msg(kind == table[i].kind, "%s: expected %d, got %d (%s)",
                      table[i].address, table[i].kind, kind, what);
        ck_assert_msg(!table[i].rfc || strstr(what, table[i].rfc),
                      "%s: expected %s, got %s", table[i].address, table[i].rfc,
                      what);
    }
}
END_TEST

START_TEST(a_socket_address_is_judged_alike)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    struct sockaddr other = { .sa_family = AF_UNIX };
    struct address a;
    char text[ADDRESS_TEXT];
    inet_pton(AF_INET, "169.254.169.254", &in.sin_addr);
    ck_assert_int_eq(address_from((struct sockaddr *) &in, &a), 0);
    ck_assert_int_eq(address_judge(&a, NULL), L);
    address_format(&a, text);
    ck_assert_str_eq(text, "169.254.169.254");
    inet_pton(AF_INET6, "::ffff:10.1.2.3", &in6.sin6_addr);
    ck_assert_int_eq(address_from((struct sockaddr *) &in6, &a), 0);
    address_format(&a, text);
    ck_assert_str_eq(text, "10.1.2.3");
    ck_assert_int_eq(address_from(&other, &a), -EAFNOSUPPORT);
}
END_TEST

START_TEST(networks_are_read_strictly)
{
    static const struct {
        const char *text;
        const char *fault; /* part of it; NULL: none */
        const char *meant;
    } cases[] = {
        { "10.0.0.0/8", NULL, "" },
        { "10.0.0.0/08", "0 to 32", "" },
        { "10.0.0.0/33", "0 to 32", "" },
        { "10.0.0.0/", "0 to 32", "" },
        { "10.0.0.0/8 ", "0 to 32", "" },
        { "10.0.0.0/+8", "0 to 32", "" },
        { "10.0.0.0/4294967304", "0 to 32", "" },
        { "10.0.0.1/8", "inside of a network", "10.0.0.0/8" },
        { "10.0.0.1", NULL, "" },
        { "10.0.0.1/32", NULL, "" },
        { "0.0.0.0/0", NULL, "" },
        { "10.1", "no IP address", "" },
        { "010.0.0.1", "no IP address", "" },
        { "0x7f.0.0.1", "no IP address", "" },
        { " 10.0.0.1", "no IP address", "" },
        { "", "no IP address", "" },
        { "/8", "no IP address", "" },
        { "localhost", "no IP address", "" },
        { "fd00::/8", NULL, "" },
        { "fd00::1/8", "inside of a network", "fd00::/8" },
        { "fd00::/129", "0 to 128", "" },
        { "::1", NULL, "" },
        { "::/0", NULL, "" },
        { "[::1]", "no IP address", "" },
        { "fe80::1%lo", "no IP address", "" },
        { "::ffff:10.0.0.0/104", NULL, "" },
        { "::ffff:10.0.0.1/104", "inside of a network", "10.0.0.0/8" },
        { "::ffff:10.0.0.0/95", "inside of a network", "::fffe:0:0/95" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct address_net net;
        char meant[ADDRESS_NET_TEXT];
        const char *got = address_net_parse(cases[i].text, &net, meant);
        ck_assert_msg(
            cases[i].fault ? got && strstr(got, cases[i].fault) : !got,
            "\"%s\": expected %s, got %s", cases[i].text,
            cases[i].fault ? cases[i].fault : "none", got ? got : "none");
        ck_assert_msg(!strcmp(meant, cases[i].meant), "\"%s\": meant %s",
                      cases[i].text, meant);
    }
}
END_TEST

static int
allowed(int refuse, const char *const *nets, const char *text)
{
    struct address_net list[4];
    struct address_rules rules = { refuse, list, 0 };
    char meant[ADDRESS_NET_TEXT];
    for (; nets && nets[rules.count]; rules.count++)
        ck_assert_ptr_null(
            address_net_parse(nets[rules.count], &list[rules.count], meant));
    struct address a = address(text);
    return address_allowed(&rules, &a, NULL);
}

START_TEST(private_addresses_are_allowed_or_refused)
{
    ck_assert(allowed(1, NULL, "8.8.8.8"));
    ck_assert(!allowed(1, NULL, "10.0.0.1"));
    ck_assert(allowed(0, NULL, "10.0.0.1"));
    ck_assert(allowed(0, NULL, "::1"));
    ck_assert(!allowed(1, NULL, "::1"));
    ck_assert(!allowed(1, NULL, "64:ff9b::10.0.0.1"));
}
END_TEST

START_TEST(link_local_is_refused_unless_listed)
{
    static const char *const one[] = { "169.254.169.254", NULL };
    static const char *const all[] = { "0.0.0.0/0", NULL };
    ck_assert(!allowed(0, NULL, "169.254.169.254"));
    ck_assert(!allowed(0, NULL, "fe80::1"));
    ck_assert(!allowed(0, NULL, "::ffff:169.254.169.254"));
    ck_assert(!allowed(0, NULL, "64:ff9b::169.254.169.254"));
    ck_assert(!allowed(0, NULL, "2002:a9fe:a9fe::"));
    ck_assert(allowed(1, one, "169.254.169.254"));
    ck_assert(allowed(1, one, "64:ff9b::169.254.169.254"));
    ck_assert(!allowed(1, one, "169.254.169.253"));
    ck_assert(allowed(1, all, "169.254.1.1"));
}
END_TEST

START_TEST(what_is_listed_is_allowed_and_nothing_else)
{
    static const char *const ten[] = { "10.1.0.0/16", "fd00:1::/32", NULL };
    static const char *const six[] = { "::/0", NULL };
    ck_assert(allowed(1, ten, "10.1.255.255"));
    ck_assert(!allowed(1, ten, "10.2.0.0"));
    ck_assert(allowed(1, ten, "fd00:1::1"));
    ck_assert(!allowed(1, ten, "fd00:2::1"));
    ck_assert(allowed(1, ten, "8.8.8.8")); /* the list only adds */
    ck_assert(allowed(1, six, "::1"));
    ck_assert(!allowed(1, six, "127.0.0.1"));
    ck_assert(!allowed(1, six, "::ffff:127.0.0.1"));
    /* both ends have to be */
    ck_assert(!allowed(1, ten, "2001:0:7f00:1::f5fe:fffe"));
    ck_assert(allowed(1, ten, "2001:0:808:808::f5fe:fffe"));
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        an_address_is_what_the_registries_say,
        a_socket_address_is_judged_alike,
        networks_are_read_strictly,
        private_addresses_are_allowed_or_refused,
        link_local_is_refused_unless_listed,
        what_is_listed_is_allowed_and_nothing_else,
    };
    return run_cases("address", cases, COUNT(cases));
}
