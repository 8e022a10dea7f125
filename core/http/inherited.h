/* SPDX-License-Identifier: MIT */
/* Sockets that listen already, opened by somebody else: systemd, or the process
 * whose place this one takes.  A server that is to listen on the address of one
 * takes it, and opens none.  Connections that came meanwhile wait in its queue,
 * so nobody is refused.  Beside them connections, between two requests.
 *
 * One thread at a time: servers are made one after the other. */
#ifndef HTTP_INHERITED_H
#define HTTP_INHERITED_H

#include "base/text.h"

#include <stddef.h>

struct http_address;
struct http_inherited;

/* NULL: no memory. */
struct http_inherited *http_inherited_new(void);
/* Closes what nobody has taken. */
void http_inherited_free(struct http_inherited *);
/* Takes fd over, whatever comes of it.  from: whose it was, for messages.
 * server: for that one only (the name in its options); NULL: for any.  ours: a
 * unix socket's path is removed by who listens there last, as if it had made
 * it.  0; -ENOTSOCK, -EINVAL: it is no stream socket that listens, after a log
 * line; -ENOMEM. */
int http_inherited_add(struct http_inherited *, int fd, const char *from,
                       const char *server, int ours);
/* A connection of this server, taken over as above, and what it has sent of a
 * request.  0 or -ENOMEM. */
int http_inherited_add_conn(struct http_inherited *, int fd, const char *server,
                            struct slice sent);
/* Sockets, without connections. */
size_t http_inherited_count(const struct http_inherited *);
/* Append where the i-th listens, as one would write it in a config. */
void http_inherited_address(const struct http_inherited *, size_t i,
                            struct il_text *out);
/* Has a server taken it? */
int http_inherited_is_taken(const struct http_inherited *, size_t i);
const char *http_inherited_from(const struct http_inherited *, size_t i);
/* Does the i-th listen there?  1 or 0. */
int http_inherited_is_at(const struct http_inherited *, size_t i,
                         const struct http_address *);
/* Does any?  NULL is none. */
int http_inherited_has(const struct http_inherited *,
                       const struct http_address *);

/* --- for whoever passes them on ------------------------------------------- */

struct http_heir {
    int fd;             /* still of the list */
    const char *server; /* "": any */
    int ours;           /* of a socket */
    int is_conn;
    struct slice sent;
};
/* The i-th of all, sockets first; 1, or 0: there are no more. */
int http_inherited_get(const struct http_inherited *, size_t i,
                       struct http_heir *out);

#endif
