/* SPDX-License-Identifier: MIT */
/* Networks of allow_to, and addresses in them.  After the first byte comes a
 * network; or sixteen bytes of an address and then the networks of a list, one a
 * line.  What is read is read the same once it has been written; what is
 * refused with private addresses allowed is refused with them refused. */
#include "../../plugins/webhook.out/address.c"

#include "fuzz.h"

static void
network(const char *text)
{
    char meant[ADDRESS_NET_TEXT], address[ADDRESS_TEXT];
    char again[ADDRESS_NET_TEXT], unused[ADDRESS_NET_TEXT];
    struct address_net net, copy;
    const char *fault = address_net_parse(text, &net, meant);
    if (fault) {
        CLAIM(!*meant || !address_net_parse(meant, &copy, again));
        return;
    }
    CLAIM(!*meant && net.bits <= 128);
    if (is_v4(&net.at) && net.bits < 96)
        return; /* of IPv6, and written as IPv4 it would be another */
    CLAIM(address_in(&net.at, &net, 1));
    address_format(&net.at, address);
    snprintf(again, sizeof(again), "%s/%u", address,
             (unsigned) (strchr(address, ':') ? net.bits : net.bits - 96));
    CLAIM(!address_net_parse(again, &copy, unused));
    CLAIM(!memcmp(&net, &copy, sizeof(net)));
}

static void
judged(const uint8_t *data, char *text)
{
    struct address_net nets[8];
    struct address a;
    char meant[ADDRESS_NET_TEXT];
    const char *what = NULL;
    size_t count = 0;
    memcpy(a.bytes, data, 16);
    for (char *p = text; *p && count < 8;) {
        size_t len = strcspn(p, "\n"), more = p[len] == '\n';
        p[len] = 0;
        count += !address_net_parse(p, &nets[count], meant);
        p += len + more;
    }
    struct address_rules rules = { 0, nets, count };
    enum address_kind kind = address_judge(&a, &what);
    CLAIM(what && strstr(what, "RFC "));
    int open = address_allowed(&rules, &a, NULL);
    CLAIM(open || kind == ADDRESS_LINK_LOCAL);
    rules.refuse_private = 1;
    int closed = address_allowed(&rules, &a, NULL);
    CLAIM(open || !closed);
    CLAIM(closed || kind != ADDRESS_GLOBAL);
    rules.count = 0;
    CLAIM(address_allowed(&rules, &a, NULL) == (kind == ADDRESS_GLOBAL));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t skip = size && *data == 'a' ? 17 : 1;
    if (size < skip)
        return 0;
    char *text = malloc(size - skip + 1);
    CLAIM(text);
    memcpy(text, data + skip, size - skip);
    text[size - skip] = 0;
    if (skip == 17)
        judged(data + 1, text);
    else
        network(text);
    free(text);
    return 0;
}
