/* SPDX-License-Identifier: MIT */
/* The hosts of a connection string, in the order in which they are tried.  A
 * link's own: no locks. */
#ifndef PG_HOSTS_H
#define PG_HOSTS_H

#include <libpq-fe.h>
#include <stddef.h>

enum { HOSTS_KEYS = 3, HOSTS_WHY = 400 };

/* Where a server may be; "" is what the string leaves open. */
struct endpoint {
    char *host, *addr, *port;
};

struct hosts {
    struct endpoint *endpoints; /* none: as the connection string says */
    size_t count;
    int pinned;               /* that is where to go, whatever the string is */
    struct endpoint silent;   /* it did not answer last; host NULL: none */
    char *lists[HOSTS_KEYS];  /* what libpq is given: host, hostaddr, port */
    char left_out[HOSTS_WHY]; /* why a name is not among them; "": all are */
};

/* All of these return 0 or -ENOMEM.
 *
 * Take what libpq makes of a connection string, the environment and its service
 * file.  No endpoints: there is no host in it, or libpq will refuse it. */
int hosts_read(struct hosts *, const char *connection);
int hosts_add(struct hosts *, const char *host, const char *addr,
              const char *port);
/* Begin behind the endpoint that did not answer, and make the lists. */
int hosts_order(struct hosts *);
/* Go where that connection is, and nowhere else. */
int hosts_pin(struct hosts *, const PGconn *);

/* Connection parameters that say so; how many, at most HOSTS_KEYS. */
int hosts_params(const struct hosts *, const char *names[],
                 const char *values[]);
/* The endpoint that this attempt is at does not answer. */
void hosts_silent(struct hosts *, const PGconn *);
/* Forget the endpoints, but not who was silent. */
void hosts_empty(struct hosts *);
void hosts_clear(struct hosts *);

#endif
