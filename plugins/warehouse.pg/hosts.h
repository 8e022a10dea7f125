/* SPDX-License-Identifier: MIT */
/* Which of several hosts of a connection string to try first.  A link's own:
 * no locks. */
#ifndef PG_HOSTS_H
#define PG_HOSTS_H

#include <libpq-fe.h>

enum { HOSTS_KEYS = 3 };

/* Another order of the hosts than the connection string has; empty: none. */
struct hosts {
    char *lists[HOSTS_KEYS]; /* host, hostaddr, port */
};

/* Connection parameters that say so; how many, at most HOSTS_KEYS. */
int hosts_params(const struct hosts *, const char *names[],
                 const char *values[]);
/* The host that this attempt is at does not answer: begin behind it. */
void hosts_turn(struct hosts *, PGconn *);
void hosts_clear(struct hosts *);

#endif
