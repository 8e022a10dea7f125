/* SPDX-License-Identifier: MIT */
/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080", ":8080" -> a socket. */
#include "http_private.h"
#include "log.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDRESS_MAX 256

/* Split into host (host[0] == 0: any) and port.  NULL, or what is wrong. */
static const char *
address_split(const char *address, char *host, size_t size, const char **port)
{
    const char *colon = strrchr(address, ':'), *begin = address, *end = colon;
    if (!colon || !colon[1])
        return "no port";
    if (strspn(colon + 1, "0123456789") != strlen(colon + 1)
        || strlen(colon + 1) > 5 || atoi(colon + 1) > 65535)
        return "the port is no number up to 65535";
    if (*begin == '[') {
        if (end == begin || end[-1] != ']')
            return "'[' without ']'";
        begin++;
        end--;
    } else if (memchr(begin, ':', (size_t) (end - begin))) {
        return "IPv6 needs brackets";
    }
    if ((size_t) (end - begin) >= size)
        return "the address is too long";
    memcpy(host, begin, (size_t) (end - begin));
    host[end - begin] = 0;
    *port = colon + 1;
    return NULL;
}

const char *
http_address_fault(const char *address)
{
    char host[ADDRESS_MAX];
    const char *port;
    return address_split(address, host, sizeof(host), &port);
}

static void
port_set(struct sockaddr *sa, int port)
{
    if (sa->sa_family == AF_INET6)
        ((struct sockaddr_in6 *) (void *) sa)->sin6_port
            = htons((uint16_t) port);
    else
        ((struct sockaddr_in *) (void *) sa)->sin_port
            = htons((uint16_t) port);
}

static int
port_of(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    if (getsockname(fd, (struct sockaddr *) &ss, &len))
        return 0;
    if (ss.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *) (void *) &ss)->sin6_port);
    return ntohs(((struct sockaddr_in *) (void *) &ss)->sin_port);
}

static int
socket_open(const struct addrinfo *ai, int any, int reuse_port)
{
    int one = 1, zero = 0;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (reuse_port)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    /* ":8080" means both families; "[::]:8080" what it says */
    if (ai->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, any ? &zero : &one,
                   sizeof(one));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, SOMAXCONN)) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

int
http_listen(const char *name, const char *address, int reuse_port, int *port)
{
    char host[ADDRESS_MAX];
    const char *service;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *list = NULL;
    const char *fault = address_split(address, host, sizeof(host), &service);
    if (fault) {
        log_error("%s: cannot listen on \"%s\": %s", name, address, fault);
        return -EINVAL;
    }
    int rc = getaddrinfo(host[0] ? host : NULL, service, &hints, &list);
    if (rc) {
        log_error("%s: cannot listen on \"%s\": %s", name, address,
                  gai_strerror(rc));
        return -EINVAL;
    }
    int fd = -EADDRNOTAVAIL;
    /* any address: prefer the IPv6 socket, which serves IPv4 too */
    for (int pass = 0; pass < 2 && fd < 0; pass++) {
        for (struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next) {
            if (!host[0] && (ai->ai_family == AF_INET6) == pass)
                continue;
            if (*port)
                port_set(ai->ai_addr, *port);
            fd = socket_open(ai, !host[0], reuse_port);
        }
    }
    freeaddrinfo(list);
    if (fd < 0)
        log_error("%s: cannot listen on \"%s\": %s", name, address,
                  strerror(-fd));
    else if (!*port)
        *port = port_of(fd);
    return fd;
}
