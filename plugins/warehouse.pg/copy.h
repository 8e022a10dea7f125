/* SPDX-License-Identifier: MIT */
/* The transaction that brings a batch in, or one connection's part of it:
 *
 *   begin; update rows of the lane; savepoint; copy ... from stdin   1st trip
 *   rows                                                             2nd trip
 *   is the table still what the rows were made for?; commit          3rd trip
 *
 * Nothing outlives the transaction, so it works through a pooler that hands
 * out connections by the transaction.
 *
 *   copy.c        the transaction from its beginning to its COMMIT
 *   copy_rows.c   bringing runs of rows in, and finding those that do not fit
 *   copy_judge.c  whose fault it is: a row's, or that of all that surrounds it
 *
 * For these three files; what others need is in conn.h.  All of it belongs to
 * the thread of the connection; the batch's marks are under delivery.lock. */
#ifndef PG_COPY_H
#define PG_COPY_H

#include "pg.h"

enum copy_stage { COPY_NOT_BEGUN, COPY_FILLED, COPY_FAILED };

struct copy_txn {
    struct conn *conn;
    struct link *link; /* of it */
    struct job *job;
    uint32_t lane_rows;      /* that the position's update has to hit */
    enum copy_stage stage;   /* of the savepoint */
    int careful;             /* deferred constraints after each run of rows */
    int probing;             /* moves no row of the lane; rolled back */
    int same_table;          /* seen after the first failure */
    const struct part *part; /* of the last run, and */
    int staged;              /* it went through a temporary table */
    int loaded; /* on_conflict: all rows are in that table, numbered, or */
    int by_run; /* one is no value to Postgres: runs go there one by one */
    PGresult *others;  /* numbers of its rows that are not those in the table */
    uint32_t good;     /* rows that went in */
    uint32_t ignored;  /* of them, those that changed nothing */
    uint32_t rejected; /* marked as dead letters; of them */
    uint32_t asked;    /* by what the others do, and */
    uint32_t named;    /* those whose fault names a value */
    struct fault first; /* of these */
};

/* Append the names of the columns that rows fill, and what makes the temporary
 * table (ingestlayer_stage) that they may go through. */
void copy_columns_sql(struct sql *, const struct plan *,
                      const uint64_t *omitted);
void copy_stage_sql(struct sql *, const struct plan *);
/* Run statements that end with COPY, and rows lo to hi of a job.  0 or -1. */
int copy_send(struct link *, const char *sql, const struct job *, uint32_t lo,
              uint32_t hi);

/* Append `begin` and all that comes before the first row. */
void copy_begin_sql(struct copy_txn *, struct sql *);
/* Send statements up to COPY and see them through.  0, COPY_REDO or -1. */
int copy_open(struct copy_txn *, const char *sql);

/* Bring rows lo to hi in, behind a savepoint.  0, COPY_REDO, COPY_DATA where it
 * may be one of the rows, or -1. */
int copy_try(struct copy_txn *, const struct part *, uint32_t lo, uint32_t hi);
/* Bring all rows of the job in but those that fail alone, which are marked.
 * 0, COPY_REDO, COPY_MERGE or -1. */
int copy_rows(struct copy_txn *);

/* Is the table another one than the rows were made for?  1, 0 or -1. */
int copy_table_changed(struct link *, const struct plan *);

/* The row failed alone: mark it. */
void copy_refuse(struct copy_txn *, uint32_t row);
/* The table has another row with the same unique value: mark it. */
void copy_refuse_other(struct copy_txn *, uint32_t row);
/* At the end of all rows: are those that were refused dead letters?  0, or -1
 * with a fault: it is an outage. */
int copy_verdict(struct copy_txn *);
/* The number after "COPY table, line", whatever the language of the server;
 * 0: none.  It is a hint: a row is refused only after it failed alone.
 * *rest gets what follows it. */
uint32_t copy_context_line(const struct copy_txn *, const char **rest);

#endif
