/* SPDX-License-Identifier: MIT */
#include "ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static void
map(const void *four, struct ip *out)
{
    memcpy(out->bytes, mapped, 12);
    memcpy(out->bytes + 12, four, 4);
}

static int
is_mapped(const struct ip *ip)
{
    return !memcmp(ip->bytes, mapped, 12);
}

int
ip_parse(const char *text, size_t len, struct ip *out)
{
    char copy[IP_TEXT];
    struct in_addr four;
    if (!len || len >= sizeof(copy) || memchr(text, 0, len))
        return -EINVAL;
    memcpy(copy, text, len);
    copy[len] = 0;
    if (inet_pton(AF_INET, copy, &four) == 1) {
        map(&four, out);
        return 0;
    }
    return inet_pton(AF_INET6, copy, out->bytes) == 1 ? 0 : -EINVAL;
}

int
ip_of(const struct sockaddr *sa, struct ip *out)
{
    if (sa->sa_family == AF_INET) {
        map(&((const struct sockaddr_in *) (const void *) sa)->sin_addr, out);
        return 0;
    }
    if (sa->sa_family != AF_INET6)
        return -EINVAL;
    memcpy(out->bytes,
           &((const struct sockaddr_in6 *) (const void *) sa)->sin6_addr, 16);
    return 0;
}

void
ip_format(const struct ip *ip, char out[IP_TEXT])
{
    if (is_mapped(ip))
        inet_ntop(AF_INET, ip->bytes + 12, out, IP_TEXT);
    else
        inet_ntop(AF_INET6, ip->bytes, out, IP_TEXT);
}

/* --- networks ------------------------------------------------------------- */

/* Clear what is beyond the network's bits.  1: there was something. */
static int
trim(struct ip *ip, uint32_t bits)
{
    int any = 0;
    for (uint32_t i = bits / 8; i < 16; i++) {
        uint8_t keep
            = i == bits / 8 ? (uint8_t) (0xff00 >> (bits % 8)) : (uint8_t) 0;
        any |= (ip->bytes[i] & (uint8_t) ~keep) != 0;
        ip->bytes[i] &= keep;
    }
    return any;
}

const char *
ip_net_parse(const char *text, struct ip_net *out, char meant[IP_TEXT + 4])
{
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t) (slash - text) : strlen(text);
    meant[0] = 0;
    if (ip_parse(text, len, &out->ip))
        return "no IP address";
    const int four = !memchr(text, ':', len);
    const uint32_t most = four ? 32 : 128;
    uint32_t bits = most;
    if (slash) {
        size_t digits = strspn(slash + 1, "0123456789");
        if (!digits || digits > 3 || slash[1 + digits])
            return "no length after the '/'";
        bits = (uint32_t) atoi(slash + 1);
        if (bits > most)
            return four ? "the length is above 32" : "the length is above 128";
    }
    out->bits = bits + 128 - most;
    if (!trim(&out->ip, out->bits))
        return NULL;
    char address[IP_TEXT];
    ip_format(&out->ip, address);
    snprintf(meant, IP_TEXT + 4, "%s/%u", address, bits);
    return "the address goes on beyond the length";
}

static int
in_one(const struct ip *ip, const struct ip_net *net)
{
    uint32_t whole = net->bits / 8, rest = net->bits % 8;
    if (memcmp(ip->bytes, net->ip.bytes, whole))
        return 0;
    return !rest
           || (ip->bytes[whole] ^ net->ip.bytes[whole]) >> (8 - rest) == 0;
}

int
ip_in(const struct ip *ip, const struct ip_net *nets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (in_one(ip, &nets[i]))
            return 1;
    return 0;
}

/* --- X-Forwarded-For ------------------------------------------------------ */

static int
is_space(char c)
{
    return c == ' ' || c == '\t';
}

int
ip_forwarded(const char *value, size_t *len, struct ip *out)
{
    size_t end = *len;
    /* elements may be empty (RFC 9110, 5.6.1) */
    while (end && (is_space(value[end - 1]) || value[end - 1] == ','))
        end--;
    if (!end) {
        *len = 0;
        return 0;
    }
    size_t begin = end;
    while (begin && value[begin - 1] != ',')
        begin--;
    *len = begin;
    const char *p = value + begin, *stop = value + end;
    while (is_space(*p))
        p++;
    if (*p == '[') { /* [::1] or [::1]:443 */
        const char *bracket = memchr(p, ']', (size_t) (stop - p));
        if (!bracket || (bracket + 1 < stop && bracket[1] != ':'))
            return -EINVAL;
        return ip_parse(p + 1, (size_t) (bracket - p - 1), out) ? -EINVAL : 1;
    }
    const char *colon = memchr(p, ':', (size_t) (stop - p));
    if (colon && !memchr(colon + 1, ':', (size_t) (stop - colon - 1)))
        stop = colon; /* 192.0.2.1:443 */
    return ip_parse(p, (size_t) (stop - p), out) ? -EINVAL : 1;
}
