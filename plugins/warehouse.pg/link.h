/* SPDX-License-Identifier: MIT */
/* One connection to Postgres.
 *
 * libpq's asynchronous half only.  Every wait watches two descriptors, the
 * socket and an eventfd, so that stop() is heard at once even while the server
 * hangs; and every wait has a deadline: connect_timeout for a connection, and
 * statement_timeout and a little more for a statement, because the server's own
 * time-out is to speak first.
 *
 * A link belongs to the thread of its connection (or to the one that runs a
 * probe) and takes no locks.  What threads share of it is struct link_stop,
 * which stop() sets once and nobody takes back.
 *
 * Functions that can fail leave the cause in link->fault.  `lost` there means
 * that the connection is of no more use: link_rollback() then closes it. */
#ifndef PG_LINK_H
#define PG_LINK_H

#include <libpq-fe.h>
#include <stdatomic.h>

#include "fault.h"
#include "hosts.h"
#include "options.h"
#include "sql.h"

struct link_stop {
    int wake; /* eventfd: becomes readable when all must stop */
    atomic_int now;
};

struct link {
    const struct il_host *host;
    const struct options *opt;
    struct link_stop *stop;
    PGconn *db;
    struct hosts hosts;
    struct sql sql; /* the statement under construction */
    struct fault fault;
    uint64_t bytes; /* sent as COPY data */
};

/* 0 or -ENOMEM; link_free() copes with either. */
int link_init(struct link *, const struct il_host *, const struct options *,
              struct link_stop *);
void link_free(struct link *);
/* All of these return 0 or -1 with link->fault filled in. */
int link_open(struct link *);
void link_close(struct link *);
/* Send one or several statements as one simple query. */
int link_send(struct link *, const char *sql);
/* The next result, or NULL when the query is done; *err tells failure from
 * the end.  The caller clears it. */
PGresult *link_result(struct link *, int *err);
/* Read results until the end; an error in any is the outcome. */
int link_finish(struct link *);
/* Run statements; *last (may be NULL) gets the last result with rows. */
int link_exec(struct link *, const char *sql, PGresult **last);
/* The first value of the last result, as text. */
int link_text(struct link *, const char *sql, char *out, size_t size);
int link_copy_data(struct link *, const char *bytes, size_t len);
int link_copy_end(struct link *);
/* Roll back whatever is open; closes the link when even that fails. */
void link_rollback(struct link *);
/* Wait up to ms, less when the plugin stops. */
void link_pause(struct link *, uint32_t ms);
/* The fault of having no memory; -1. */
int link_no_memory(struct link *);

#endif
