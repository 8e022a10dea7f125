/* SPDX-License-Identifier: MIT */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- what IANA tells ------------------------------------------------------ */
/* The registries of special-purpose addresses of IPv4 and IPv6, as of 2025, and
 * the blocks for multicast.  The longest prefix that holds an address counts. */

struct row {
    uint8_t at[16];
    uint8_t bits;
    uint8_t kind;
    const char *what;
};

#define V4(a, b, c, d)                                                         \
    {                                                                          \
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d                   \
    }
#define V6(a, b, c, d)                                                         \
    {                                                                          \
        (a) >> 8, (a) &0xff, (b) >> 8, (b) &0xff, (c) >> 8, (c) &0xff,         \
            (d) >> 8, (d) &0xff                                                \
    }
#define GLOBAL ADDRESS_GLOBAL
#define PRIVATE ADDRESS_PRIVATE
#define LINK ADDRESS_LINK_LOCAL

static const struct row rows[] = {
    { V4(0, 0, 0, 0), 96, GLOBAL, "IPv4, RFC 791" },
    { V4(0, 0, 0, 0), 96 + 8, PRIVATE, "this network, RFC 791" },
    { V4(0, 0, 0, 0), 96 + 32, PRIVATE, "this host, RFC 1122" },
    { V4(10, 0, 0, 0), 96 + 8, PRIVATE, "private use, RFC 1918" },
    { V4(100, 64, 0, 0), 96 + 10, PRIVATE, "shared by a carrier, RFC 6598" },
    { V4(127, 0, 0, 0), 96 + 8, PRIVATE, "loopback, RFC 1122" },
    { V4(169, 254, 0, 0), 96 + 16, LINK, "link-local, RFC 3927" },
    { V4(172, 16, 0, 0), 96 + 12, PRIVATE, "private use, RFC 1918" },
    { V4(192, 0, 0, 0), 96 + 24, PRIVATE, "assigned for protocols, RFC 6890" },
    { V4(192, 0, 0, 0), 96 + 29, PRIVATE,
      "service continuity of IPv4, RFC 7335" },
    { V4(192, 0, 0, 8), 96 + 32, PRIVATE, "dummy address, RFC 7600" },
    { V4(192, 0, 0, 9), 96 + 32, GLOBAL, "PCP anycast, RFC 7723" },
    { V4(192, 0, 0, 10), 96 + 32, GLOBAL, "TURN anycast, RFC 8155" },
    { V4(192, 0, 0, 170), 96 + 31, PRIVATE, "discovery of NAT64, RFC 8880" },
    { V4(192, 0, 2, 0), 96 + 24, PRIVATE, "documentation, RFC 5737" },
    { V4(192, 31, 196, 0), 96 + 24, GLOBAL, "AS112, RFC 7535" },
    { V4(192, 52, 193, 0), 96 + 24, GLOBAL, "AMT, RFC 7450" },
    { V4(192, 88, 99, 0), 96 + 24, PRIVATE, "relays of 6to4, RFC 7526" },
    { V4(192, 168, 0, 0), 96 + 16, PRIVATE, "private use, RFC 1918" },
    { V4(192, 175, 48, 0), 96 + 24, GLOBAL, "AS112, RFC 7534" },
    { V4(198, 18, 0, 0), 96 + 15, PRIVATE, "benchmarks, RFC 2544" },
    { V4(198, 51, 100, 0), 96 + 24, PRIVATE, "documentation, RFC 5737" },
    { V4(203, 0, 113, 0), 96 + 24, PRIVATE, "documentation, RFC 5737" },
    { V4(224, 0, 0, 0), 96 + 4, PRIVATE, "multicast, RFC 5771" },
    { V4(240, 0, 0, 0), 96 + 4, PRIVATE, "reserved, RFC 1112" },
    { V4(255, 255, 255, 255), 96 + 32, PRIVATE, "broadcast, RFC 919" },

    /* Only 2000::/3 is given out. */
    { V6(0, 0, 0, 0), 0, PRIVATE, "not given out, RFC 4291" },
    { V6(0x2000, 0, 0, 0), 3, GLOBAL, "global unicast, RFC 4291" },
    { V6(0, 0, 0, 0), 128, PRIVATE, "unspecified, RFC 4291" },
    { { [15] = 1 }, 128, PRIVATE, "loopback, RFC 4291" },
    { V6(0, 0, 0, 0), 96, GLOBAL, "compatible with IPv4, RFC 4291" },
    { V6(0x64, 0xff9b, 0, 0), 96, GLOBAL, "NAT64, RFC 6052" },
    { V6(0x64, 0xff9b, 1, 0), 48, PRIVATE, "NAT64 of a network, RFC 8215" },
    { V6(0x100, 0, 0, 0), 64, PRIVATE, "discarded, RFC 6666" },
    { V6(0x100, 0, 0, 1), 64, PRIVATE, "dummy prefix, RFC 9780" },
    { V6(0x2001, 0, 0, 0), 23, PRIVATE, "assigned for protocols, RFC 2928" },
    { V6(0x2001, 0, 0, 0), 32, GLOBAL, "Teredo, RFC 4380" },
    { { 0x20, 0x01, 0, 1, [15] = 1 }, 128, GLOBAL, "PCP anycast, RFC 7723" },
    { { 0x20, 0x01, 0, 1, [15] = 2 }, 128, GLOBAL, "TURN anycast, RFC 8155" },
    { { 0x20, 0x01, 0, 1, [15] = 3 }, 128, GLOBAL, "SRP anycast, RFC 9665" },
    { V6(0x2001, 2, 0, 0), 48, PRIVATE, "benchmarks, RFC 5180" },
    { V6(0x2001, 3, 0, 0), 32, GLOBAL, "AMT, RFC 7450" },
    { V6(0x2001, 4, 0x112, 0), 48, GLOBAL, "AS112, RFC 7535" },
    { V6(0x2001, 0x10, 0, 0), 28, PRIVATE, "ORCHID, RFC 4843" },
    { V6(0x2001, 0x20, 0, 0), 28, GLOBAL, "ORCHIDv2, RFC 7343" },
    { V6(0x2001, 0x30, 0, 0), 28, GLOBAL, "drones, RFC 9374" },
    { V6(0x2001, 0xdb8, 0, 0), 32, PRIVATE, "documentation, RFC 3849" },
    { V6(0x2002, 0, 0, 0), 16, GLOBAL, "6to4, RFC 3056" },
    { V6(0x2620, 0x4f, 0x8000, 0), 48, GLOBAL, "AS112, RFC 7534" },
    { V6(0x3fff, 0, 0, 0), 20, PRIVATE, "documentation, RFC 9637" },
    { V6(0x5f00, 0, 0, 0), 16, PRIVATE, "SRv6 segments, RFC 9602" },
    { V6(0xfc00, 0, 0, 0), 7, PRIVATE, "unique local, RFC 4193" },
    { V6(0xfe80, 0, 0, 0), 10, LINK, "link-local, RFC 4291" },
    { V6(0xfec0, 0, 0, 0), 10, PRIVATE, "site-local, RFC 3879" },
    { V6(0xff00, 0, 0, 0), 8, PRIVATE, "multicast, RFC 4291" },
};

static int
begins(const uint8_t at[16], const uint8_t prefix[16], uint32_t bits)
{
    uint32_t whole = bits / 8, rest = bits % 8;
    if (memcmp(at, prefix, whole))
        return 0;
    return !rest || !((at[whole] ^ prefix[whole]) >> (8 - rest));
}

static const struct row *
row_of(const struct address *a)
{
    const struct row *best = NULL;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if ((!best || rows[i].bits > best->bits)
            && begins(a->bytes, rows[i].at, rows[i].bits))
            best = &rows[i];
    return best; /* ::/0 holds all */
}

/* --- texts ---------------------------------------------------------------- */

static const uint8_t mapped[16] = V4(0, 0, 0, 0);

static int
is_v4(const struct address *a)
{
    return begins(a->bytes, mapped, 96);
}

static void
from_v4(const void *four, struct address *out)
{
    memcpy(out->bytes, mapped, 12);
    memcpy(out->bytes + 12, four, 4);
}

int
address_from(const struct sockaddr *sa, struct address *out)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    switch (sa->sa_family) {
    case AF_INET:
        memcpy(&in, sa, sizeof(in));
        from_v4(&in.sin_addr, out);
        return 0;
    case AF_INET6:
        memcpy(&in6, sa, sizeof(in6));
        memcpy(out->bytes, &in6.sin6_addr, 16);
        return 0;
    default:
        return -EAFNOSUPPORT;
    }
}

int
address_parse(const char *text, size_t len, struct address *out)
{
    char copy[ADDRESS_TEXT];
    uint8_t four[4];
    if (len >= sizeof(copy) || memchr(text, 0, len))
        return -EINVAL;
    memcpy(copy, text, len);
    copy[len] = 0;
    if (inet_pton(AF_INET, copy, four) == 1) {
        from_v4(four, out);
        return 0;
    }
    return inet_pton(AF_INET6, copy, out->bytes) == 1 ? 0 : -EINVAL;
}

void
address_format(const struct address *a, char out[ADDRESS_TEXT])
{
    if (is_v4(a))
        inet_ntop(AF_INET, a->bytes + 12, out, ADDRESS_TEXT);
    else
        inet_ntop(AF_INET6, a->bytes, out, ADDRESS_TEXT);
}

static void
cut(struct address *a, uint32_t bits)
{
    for (uint32_t i = bits; i < 128; i++)
        a->bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
}

const char *
address_net_parse(const char *text, struct address_net *out,
                  char meant[ADDRESS_NET_TEXT])
{
    struct address_net net = { .bits = 128 };
    size_t len = strcspn(text, "/");
    char address[ADDRESS_TEXT];
    *meant = 0;
    if (address_parse(text, len, &net.at))
        return "no IP address";
    /* Of ::ffff:a.b.c.d/n the n counts as it is written. */
    const uint32_t most = memchr(text, ':', len) ? 128 : 32;
    if (text[len]) {
        const char *digits = text + len + 1;
        uint32_t bits = 0;
        size_t n = strspn(digits, "0123456789");
        for (size_t i = 0; i < n && i < 4; i++)
            bits = bits * 10 + (uint32_t) (digits[i] - '0');
        if (!n || digits[n] || n > 3 || bits > most
            || (n > 1 && *digits == '0'))
            return most == 32 ? "no network: a prefix of IPv4 has 0 to 32 bits"
                              : "no network: a prefix of IPv6 has 0 to 128 "
                                "bits";
        net.bits = bits + 128 - most;
    }
    *out = net;
    cut(&out->at, net.bits);
    if (!memcmp(&out->at, &net.at, sizeof(net.at)))
        return NULL;
    address_format(&out->at, address);
    snprintf(meant, ADDRESS_NET_TEXT, "%s/%u", address,
             (unsigned) (net.bits - 128 + (strchr(address, ':') ? 128 : 32)));
    return "an address inside of a network";
}

int
address_in(const struct address *a, const struct address_net *nets,
           size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (begins(a->bytes, nets[i].at.bytes, nets[i].bits)
            && (nets[i].bits >= 96 || !is_v4(a)))
            return 1;
    return 0;
}

/* --- what an address stands for ------------------------------------------- */

/* The address itself, its four ends within a prefix of RFC 8215, ... */
#define LEADS_MAX 5

static const uint8_t compatible[16];
static const uint8_t nat64[16] = V6(0x64, 0xff9b, 0, 0);
static const uint8_t nat64_local[16] = V6(0x64, 0xff9b, 1, 0);
static const uint8_t teredo[16] = V6(0x2001, 0, 0, 0);
static const uint8_t six_to_four[16] = V6(0x2002, 0, 0, 0);

/* All IPv4 addresses that it may come out as. */
static size_t
leads_to(const struct address *a, struct address out[LEADS_MAX])
{
    const uint8_t *b = a->bytes;
    size_t n = 0;
    if (begins(b, nat64, 96)
        || (begins(b, compatible, 96) && row_of(a)->bits == 96)) {
        from_v4(b + 12, &out[n++]);
    } else if (begins(b, nat64_local, 48)) {
        /* A network may have given its translator any prefix in it; RFC 6052
         * says where the four bytes are then: around byte 8, which is left
         * free. */
        from_v4((uint8_t[]){ b[6], b[7], b[9], b[10] }, &out[n++]);
        from_v4((uint8_t[]){ b[7], b[9], b[10], b[11] }, &out[n++]);
        from_v4(b + 9, &out[n++]);
        from_v4(b + 12, &out[n++]);
    } else if (begins(b, teredo, 32)) {
        /* its server, and its client, whose bits are turned over */
        from_v4(b + 4, &out[n++]);
        from_v4((uint8_t[]){ (uint8_t) ~b[12], (uint8_t) ~b[13],
                             (uint8_t) ~b[14], (uint8_t) ~b[15] },
                &out[n++]);
    } else if (begins(b, six_to_four, 16)) {
        from_v4(b + 2, &out[n++]);
    }
    return n;
}

enum address_kind
address_judge(const struct address *a, const char **what)
{
    struct address leads[LEADS_MAX];
    const struct row *worst = row_of(a);
    size_t n = leads_to(a, leads);
    for (size_t i = 0; i < n; i++) {
        const struct row *r = row_of(&leads[i]);
        if (r->kind > worst->kind)
            worst = r;
    }
    if (what)
        *what = worst->what;
    return worst->kind;
}

/* One that leads nowhere else. */
static int
may_pass(const struct address_rules *rules, const struct address *a,
         const char **what)
{
    const struct row *r = row_of(a);
    *what = r->what;
    return r->kind == ADDRESS_GLOBAL
           || (r->kind == ADDRESS_PRIVATE && !rules->refuse_private)
           || address_in(a, rules->nets, rules->count);
}

int
address_allowed(const struct address_rules *rules, const struct address *a,
                const char **what)
{
    struct address leads[LEADS_MAX];
    const char *unused;
    what = what ? what : &unused;
    if (!may_pass(rules, a, what))
        return 0;
    if (address_in(a, rules->nets, rules->count))
        return 1; /* listed as it is, whatever it leads to */
    size_t n = leads_to(a, leads);
    for (size_t i = 0; i < n; i++)
        if (!may_pass(rules, &leads[i], what))
            return 0;
    return 1;
}
