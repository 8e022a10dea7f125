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
 * A connection can be dead without either side being told: a host lost its
 * power, a firewall forgot it, a proxy swallows.  Then Postgres goes on holding
 * the row of the lane.  So transactions carry settings that let the server
 * notice (keepalives, a limit for being idle within one), and a name in
 * pg_stat_activity that says whose they are.  A wait in which nothing happens
 * for some seconds looks from the outside, over a second connection: who holds
 * what we wait for, and is the server perhaps waiting for us (link_watch.c)?  A
 * statement that is given up is cancelled (link_cancel.c).  Names of hosts are
 * looked up before libpq would do it (link_resolve.c).
 *
 * Functions that can fail leave the cause in link->fault.  `lost` there means
 * that the connection is of no more use: link_rollback() then closes it. */
#ifndef PG_LINK_H
#define PG_LINK_H

#include <libpq-fe.h>
#include <stdatomic.h>

#include "connection.h"
#include "hosts.h"
#include "sql.h"

struct link_stop {
    int wake; /* eventfd: becomes readable when all must stop */
    atomic_int now;
};

/* Whose a transaction is.  Two tags of one lane with another epoch, or of one
 * process and connection with another serial, are one after the other, and what
 * the earlier one left behind may be ended. */
struct link_tag {
    uint64_t lane;    /* hash of spool and lane; 0: not known yet */
    uint64_t epoch;   /* 0: none */
    uint32_t process; /* random */
    uint32_t index;   /* of the connection in the process */
    uint32_t serial;  /* connections made there before */
};

struct catalog;
struct lookup;
struct options;

struct link {
    const struct il_host *host;
    const struct connection *connection;
    const struct options
        *opt; /* the rest, for those who use the link; or NULL */
    struct link_stop *stop;
    PGconn *db;
    struct hosts hosts;
    struct lookup *lookups; /* names without an answer yet */
    struct sql sql;         /* the statement under construction */
    struct fault fault;
    uint64_t bytes; /* sent as COPY data */
    struct link_tag tag;
    char name[64];           /* application_name of the session */
    char txn_name[64];       /* of the last transaction, with the tag */
    int alone;               /* no other connection of the process is at work */
    int direct;              /* no pooler in between: PQbackendPID() is true */
    int is_watch;            /* it looks after another link */
    uint32_t patience_ms;    /* for each wait; 0: as the options say */
    int64_t warned_us;       /* when a WARNING was logged; 0: never */
    unsigned warnings;       /* that were not logged since */
    int suspicions;          /* looks in a row by which it is dead */
    struct catalog *catalog; /* keeps what the server says of tables, or says it
                              * itself; NULL: neither */
    char blocker[FAULT_BLOCKER]; /* who holds what the transaction waits for */
};

/* 0 or -ENOMEM; link_free() copes with either. */
int link_init(struct link *, const struct il_host *, const struct connection *,
              const struct options *, struct link_stop *);
void link_free(struct link *);
/* All of these return 0 or -1 with link->fault filled in. */
int link_open(struct link *);
void link_close(struct link *);
/* Append `begin` with its settings; a lock is waited for that long, 0: for
 * ever. */
void link_begin_sql(struct link *, struct sql *, uint32_t lock_timeout_ms);
/* Run that. */
int link_begin(struct link *, uint32_t lock_timeout_ms);
/* Send one or several statements as one simple query. */
int link_send(struct link *, const char *sql);
/* The next result, or NULL when the query is done; *err tells failure from
 * the end.  The caller clears it. */
PGresult *link_result(struct link *, int *err);
/* Read results until the end; an error in any is the outcome. */
int link_finish(struct link *);
/* The same after an error, which stays the outcome unless the connection is lost
 * meanwhile: -1. */
int link_finish_failed(struct link *);
/* Run statements; *last (may be NULL) gets the last result with rows. */
int link_exec(struct link *, const char *sql, PGresult **last);
/* The first value of the last result, as text. */
int link_text(struct link *, const char *sql, char *out, size_t size);
int link_copy_data(struct link *, const char *bytes, size_t len);
int link_copy_end(struct link *);
/* The next row of a COPY to us: its length, 0 after the last one (then read to the
 * end by link_finish()), or -1.  PQfreemem() it. */
int link_copy_row(struct link *, char **row);
/* Roll back whatever is open, and keep the fault; closes the link when even that
 * fails. */
void link_rollback(struct link *);
/* Wait up to ms, less when the plugin stops. */
void link_pause(struct link *, uint32_t ms);
/* While a statement has been silent: look after it.  waits_for_server: all that
 * was to be sent is sent.  1: the connection is dead, and what the server had
 * of it is ended; the fault says so. */
int link_watch(struct link *, int waits_for_server);
/* Ask the server to cancel what runs; does not wait for that longer than half a
 * second. */
void link_cancel(struct link *);
/* Look up the names of the connection string until then at most, and fill in
 * link->hosts.  0, or -1 with the fault: stopping, or nowhere to go. */
int link_resolve(struct link *, int64_t until_us);
/* Leave to themselves the lookups that still run. */
void link_leave_lookups(struct link *);
/* A thread is left to itself: what it runs must not be unloaded. */
void link_stay_mapped(void);
/* The fault of having no memory; -1. */
int link_no_memory(struct link *);

#endif
