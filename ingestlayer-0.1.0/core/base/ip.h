/* SPDX-License-Identifier: MIT */
/* IP addresses and networks.  IPv4 is kept the way IPv6 maps it
 * (::ffff:a.b.c.d), so that a client is one, whichever socket it came by. */
#ifndef IP_H
#define IP_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

struct ip {
    uint8_t bytes[16];
};

struct ip_net {
    struct ip ip;
    uint32_t bits; /* of 128 */
};

#define IP_TEXT INET6_ADDRSTRLEN

/* 0, or -EINVAL: it is neither, or of another family. */
int ip_parse(const char *text, size_t len, struct ip *out);
int ip_of(const struct sockaddr *, struct ip *out);
void ip_format(const struct ip *, char out[IP_TEXT]);

/* "10.0.0.0/8", "::1/128", or one address.  NULL, or what is wrong; *meant is
 * then the network that has the address, where that is it, else "". */
const char *ip_net_parse(const char *text, struct ip_net *out,
                         char meant[IP_TEXT + 4]);
int ip_in(const struct ip *, const struct ip_net *, size_t count);

/* The right-most element of X-Forwarded-For's value before *len, and *len cut
 * back to what is left of it.  1, 0: there is none; -EINVAL: it is no address.
 * Ports after the address are cut off. */
int ip_forwarded(const char *value, size_t *len, struct ip *out);

#endif
