/* SPDX-License-Identifier: MIT */
/* An address to listen on, as the operator writes it. */
#ifndef HTTP_ADDRESS_H
#define HTTP_ADDRESS_H

#include <sys/un.h>

enum http_scheme { HTTP_DEFAULT, HTTP_PLAIN, HTTP_TLS };

struct http_address {
    enum http_scheme scheme;
    int is_unix;
    char path[sizeof(((struct sockaddr_un *) 0)->sun_path)]; /* unix */
    char host[256]; /* "": any */
    char port[6];
};

/* "127.0.0.1:80", "[::1]:80", "localhost:80", ":80", each with "http://" or
 * "https://" before it where it must be one of them, or "unix:/run/a.sock".
 * NULL, or what is wrong. */
const char *http_address_parse(const char *text, struct http_address *out);
/* Could a server listen there now?  Leaves no trace.  0, or a negative errno
 * and in *why its words (listen.c). */
int http_address_try(const struct http_address *, const char **why);
/* How to write it right: completes "write ". */
#define HTTP_ADDRESS_FORMS                                                     \
    "\"ADDRESS:PORT\", \"[IPv6]:PORT\", \":PORT\" or \"unix:/PATH\""

#endif
