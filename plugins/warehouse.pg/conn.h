/* SPDX-License-Identifier: MIT */
/* One of the lane's connections, with its thread.
 *
 *   worker.c    the thread: takes its jobs in order and sees each to its end;
 *               the first one's also answers resume()
 *   attempt.c   one attempt to bring a job in: what has to be known before the
 *               transaction, and what is left of it after a failure
 *   copy.c      the transaction, and finding the rows that do not fit
 *
 * All of struct conn belongs to its thread.  What it knows (the mode, the
 * claim, the plan) is found out anew with each connection, since the next may
 * be to another server; a plan that it reads is published in pg->shared, for
 * the lane's thread to encode with. */
#ifndef PG_CONN_H
#define PG_CONN_H

#include <pthread.h>

#include "encode.h"
#include "link.h"
#include "options.h"

struct job;
struct pg;

struct conn {
    struct pg *pg;
    uint32_t index;
    pthread_t thread;
    struct link link;
    struct encoder enc; /* when it has to encode again */
    struct plan *plan;  /* the table, as it found it */
    uint32_t run_max;   /* rows in one COPY: more took too long; 0: any */
    int checked;        /* the row was read on this connection */
    uint64_t parted;    /* id of the batch that partitions were made for */
    int doubt;          /* a COMMIT's answer was lost */
    int sync_off;       /* synchronous_commit is, by the settings of the role */
    int connects;
    uint64_t outage;   /* id of the batch of which no row went in; 0: none */
    uint32_t probe_at; /* the rows of it that are tried next time */
    int witness;       /* a row behind the job's went in, when it was tried */
    char good_for[64]; /* signature of the table that rows went into */
    char said[FAULT_WHY]; /* the last fault that it logged itself */
    int64_t said_us;
};

/* The thread of a connection; arg is a struct conn. */
void *worker_run(void *arg);

/* Connected, with the mode known and the rows of the job's connections checked;
 * job NULL: none yet.  0 or -1. */
int attempt_connect(struct conn *, const struct job *);
/* The same, with the table read and as many transactions as it takes.  0, or
 * -1 with fault.action; conn->outage where no row went in. */
int attempt_job(struct conn *, struct job *);
/* Would a row of the job go in?  1, 0 or -1; the fault stays as it is, unless
 * the lane is found fenced or set back. */
int attempt_probe(struct conn *, struct job *);

enum {
    COPY_REDO = 1,  /* the table or the lane's row is not what it was */
    COPY_CAREFUL,   /* a deferred constraint: look at it run by run */
    COPY_PARTITION, /* a row has none: make it, and begin again */
    COPY_MERGE,     /* an event of before this process may be in already */
    COPY_APART,     /* a row that is made of several events does not fit */
    COPY_DATA       /* a row does not fit: within copy.h only */
};
/* Bring a job's rows in, in one transaction.  0, COPY_* or -1. */
int copy_transact(struct conn *, struct job *, int careful);
/* Does any row of the job go in?  Some are tried, rows by themselves from
 * number `from` on, and all is rolled back.  1, 0 (and the fault of the last
 * one), or -1. */
int copy_probe(struct conn *, struct job *, uint32_t from);

#endif
