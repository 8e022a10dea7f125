/* SPDX-License-Identifier: MIT */
/* Addresses: networks, X-Forwarded-For, what to listen on.  The first byte says
 * which.  What is read is read the same once it has been written; the walk
 * through X-Forwarded-For from the right finds what one from the left does. */
#include "fuzz.h"
#include "base/ip.h"
#include "http/address.h"

#include <string.h>

static void
network(const char *text)
{
    char meant[IP_TEXT + 4], address[IP_TEXT], again[IP_TEXT + 4];
    struct ip_net net, copy;
    const char *fault = ip_net_parse(text, &net, meant);
    if (fault) {
        CLAIM(!*meant || !ip_net_parse(meant, &copy, again));
        return;
    }
    ip_format(&net.ip, address);
    const int four = !strchr(address, ':');
    if (four && net.bits < 96)
        return; /* ::/n that holds all of IPv4 */
    CLAIM(ip_in(&net.ip, &net, 1));
    snprintf(again, sizeof(again), "%s/%u", address,
             four ? net.bits - 96 : net.bits);
    CLAIM(!ip_net_parse(again, &copy, meant));
    CLAIM(!memcmp(&net.ip, &copy.ip, sizeof(net.ip)) && net.bits == copy.bits);
}

/* How many there are right of what is no address, by going from the left. */
static size_t
count_from_left(const char *value)
{
    size_t count = 0;
    for (const char *p = value;; p++) {
        size_t len = strcspn(p, ","), part = len;
        struct ip one;
        int rc = ip_forwarded(p, &part, &one);
        count = rc < 0 ? 0 : count + (size_t) rc;
        CLAIM(rc < 0 || part == 0);
        p += len;
        if (!*p)
            return count;
    }
}

static void
forwarded(const char *value)
{
    size_t len = strlen(value), before = len + 1, count = 0;
    struct ip one;
    int rc;
    while ((rc = ip_forwarded(value, &len, &one)) == 1) {
        char text[IP_TEXT];
        struct ip again;
        CLAIM(len < before);
        before = len;
        count++;
        ip_format(&one, text);
        CLAIM(!ip_parse(text, strlen(text), &again));
        CLAIM(!memcmp(&one, &again, sizeof(one)));
    }
    CLAIM(rc || !len);
    CLAIM(count == count_from_left(value));
}

static void
listen_on(const char *text)
{
    struct http_address a, b;
    char again[600];
    if (http_address_parse(text, &a))
        return;
    if (a.is_unix)
        snprintf(again, sizeof(again), "unix:%s", a.path);
    else
        snprintf(again, sizeof(again), "%s%s%s%s:%s",
                 a.scheme == HTTP_TLS     ? "https://"
                 : a.scheme == HTTP_PLAIN ? "http://"
                                          : "",
                 strchr(a.host, ':') ? "[" : "", a.host,
                 strchr(a.host, ':') ? "]" : "", a.port);
    CLAIM(!http_address_parse(again, &b));
    CLAIM(!memcmp(&a, &b, sizeof(a)));
    CLAIM(a.is_unix ? *a.path == '/' : atoi(a.port) <= 65535);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    CLAIM(text);
    memcpy(text, data, size);
    text[size] = 0;
    if (size && *data == 'n')
        network(text + 1);
    else if (size && *data == 'f')
        forwarded(text + 1);
    else if (size)
        listen_on(text + 1);
    free(text);
    return 0;
}
