/* SPDX-License-Identifier: MIT */
/* Where an address leads to, and whether requests may go there.
 *
 * An address is judged right before it is connected to, after names were looked
 * up, so that no name and no redirect leads anywhere else.  IPv4 is kept the way
 * IPv6 maps it (::ffff:a.b.c.d).  What stands for an IPv4 address that a
 * translator or a tunnel takes out again is judged as that address, too. */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

struct address {
    uint8_t bytes[16];
};

struct address_net {
    struct address at;
    uint32_t bits; /* of 128 */
};

enum address_kind {
    ADDRESS_GLOBAL,
    ADDRESS_PRIVATE,    /* not globally reachable, as IANA's registries say */
    ADDRESS_LINK_LOCAL, /* where clouds keep their metadata, secrets included */
};

/* What may be connected to.  nets are the operator's exceptions; they are owned
 * by whoever made them. */
struct address_rules {
    int refuse_private;
    const struct address_net *nets;
    size_t count;
};

#define ADDRESS_TEXT INET6_ADDRSTRLEN

/* 0, or -EAFNOSUPPORT: neither IPv4 nor IPv6. */
int address_from(const struct sockaddr *, struct address *out);
/* 0, or -EINVAL.  text need not end with NUL. */
int address_parse(const char *text, size_t len, struct address *out);
void address_format(const struct address *, char out[ADDRESS_TEXT]);

/* The worst of all that it may lead to.  *what tells it ("private use, RFC
 * 1918"), a constant; what may be NULL. */
enum address_kind address_judge(const struct address *, const char **what);
/* 1, or 0 and *what as above. */
int address_allowed(const struct address_rules *, const struct address *,
                    const char **what);

/* "10.0.0.0/8", "fd00::/8", or one address.  NULL, or what is wrong, a constant
 * that completes "is ..."; *meant is then the network that has the address,
 * where bits beyond the prefix are the fault, else "". */
#define ADDRESS_NET_TEXT (ADDRESS_TEXT + 4)
const char *address_net_parse(const char *text, struct address_net *out,
                              char meant[ADDRESS_NET_TEXT]);
/* A network of IPv6 holds no IPv4: "::/0" is all of the one and none of the
 * other. */
int address_in(const struct address *, const struct address_net *,
               size_t count);

#endif
