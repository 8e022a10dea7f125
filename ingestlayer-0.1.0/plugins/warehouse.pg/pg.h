/* SPDX-License-Identifier: MIT */
/* warehouse.pg, inside: what its files share.
 *
 *   pg.c        options, lifecycle, what the lane's thread calls
 *   delivery.c  a batch among the connections: shares out, one outcome back
 *   link.c      one connection; every wait can be interrupted
 *   hosts.c     which of several hosts to try first
 *   sql.c       building SQL text
 *   sqlstate.c  what each SQLSTATE means for the lane
 *   lanes.c     the table of positions: exactly once, and the fence
 *   claim.c     taking a lane over, all of its rows at once
 *   table.c     what the target table looks like, and what fills its columns
 *   encode.c    events to rows in COPY format, binary or text
 *   text.c scalar.c when.c decimal.c   the values of one column type each
 *   copy.c      the transaction, and finding the rows that do not fit
 *   attempt.c   what comes before a transaction and after a failed one
 *   worker.c    the thread of a connection
 *   ddl.c       the DDL of the target and of the lanes table
 *   probe.c     `check --online`
 *
 * The lane's thread encodes a batch, in as many jobs as there are connections;
 * the thread of each connection sends its own.  A struct job is in one hand at
 * a time.
 *
 * An event belongs to the connection that its position names, and each
 * connection has a row in the lanes table: an event is done when the row of its
 * connection is as far as it.  So connections need not wait for each other, and
 * a process that dies leaves behind, row by row, how far each was. */
#ifndef PG_H
#define PG_H

#include <libpq-fe.h>
#include <locale.h>
#include <pthread.h>
#include <stdatomic.h>

#include <ingestlayer/plugin.h>

#define PG_IN_FLIGHT 2
#define PG_CONNECTIONS_MAX 16
/* Fault campaigns, whose batches are small, are also run with 1 for both:
 * make CPPFLAGS="-DPG_STRIPE=1 -DPG_SHARE_MIN=1". */
#ifndef PG_STRIPE
#define PG_STRIPE 64 /* so many positions in a row are of one connection */
#endif
#ifndef PG_SHARE_MIN
#define PG_SHARE_MIN 256 /* events for each; smaller batches go over one */
#endif
/* Rows that a lane can have: of 1, of 2, ... of 16 connections. */
#define PG_ROWS_MAX (PG_CONNECTIONS_MAX * (PG_CONNECTIONS_MAX + 1) / 2)
#define PG_OPTIONAL_MAX 32 /* columns with a default that may be left out */
#define PG_WHY 2048        /* bytes of a cause, cut beyond */

/* --- sql.c: SQL text ----------------------------------------------------- */

/* Text under construction.  Errors stick, so that callers check once. */
struct sql {
    const struct il_host *host;
    struct il_text *text;
    int err;
};

int sql_open(struct sql *, const struct il_host *);
void sql_close(struct sql *);
void sql_clear(struct sql *);
void sql_put(struct sql *, const char *bytes, size_t len);
void sql_printf(struct sql *, const char *fmt, ...) IL_PRINTF(2, 3);
/* "quoted ""name""" and 'quoted ''text''' (as E'' where it has backslashes). */
void sql_ident(struct sql *, const char *name);
void sql_literal(struct sql *, const char *text);
/* NULL after an error. */
const char *sql_str(struct sql *);

/* A table's name as an operator writes it, by SQL's rules: unquoted parts fold
 * to lower case, "Quoted ""parts""" keep theirs. */
struct table_name {
    char *schema; /* NULL: wherever the search path finds it */
    char *table;
    char *quoted; /* ready for SQL */
};
/* 0, -ENOMEM, or -EINVAL with *at the byte that is wrong. */
int table_name_parse(const char *text, struct table_name *, size_t *at);
void table_name_clear(struct table_name *);

/* --- sqlstate.c ---------------------------------------------------------- */

enum pg_action {
    PG_ACT_RETRY = 1, /* transient: the same batch again, for ever */
    PG_ACT_REJECT,    /* a row is wrong */
    PG_ACT_PAUSE,     /* a person must mend something */
    /* Not from an SQLSTATE; what is worse comes later: */
    PG_ACT_SET_BACK, /* rows that were committed are gone */
    PG_ACT_FENCED    /* another process has the lane */
};

struct pg_rule {
    char code[6]; /* an SQLSTATE or its first characters */
    enum pg_action action;
};

/* "23505", "23" or "23*" into code; 0 or -EINVAL. */
int sqlstate_parse(const char *text, char code[6]);
/* The longest match, the operator's rules first; code NULL or "": retry. */
enum pg_action sqlstate_action(const struct pg_rule *own, size_t count,
                               const char *code);

/* --- hosts.c -------------------------------------------------------------- */

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

/* --- link.c: the connection ---------------------------------------------- */

/* What went wrong last. */
struct pg_fault {
    char code[6]; /* SQLSTATE, or "" */
    enum pg_action action;
    int lost;          /* the connection is gone */
    char why[PG_WHY];  /* for a person */
    char message[512]; /* the server's words alone */
    char context[256];
    char column[64], constraint[64];
};

struct pg;
struct conn;
struct job;

struct link {
    struct pg *pg;
    PGconn *db;
    struct hosts hosts;
    struct sql sql; /* the statement under construction */
    struct pg_fault fault;
    uint64_t bytes; /* sent as COPY data */
};

/* 0 or -ENOMEM; link_free() copes with either. */
int link_init(struct link *, struct pg *);
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
void fault_set(struct pg_fault *, enum pg_action, const char *fmt, ...)
    IL_PRINTF(3, 4);

/* --- table.c: the target and its plan ------------------------------------ */

struct enc;
struct column;
/* 0, -ENOMEM, ENC_UNSURE or ENC_BAD (then enc->fault is set). */
typedef int pg_put(struct enc *, const struct column *,
                   const struct il_value *);

enum {
    ENC_UNSURE = 1, /* only the server can tell: write the batch as text */
    ENC_BAD         /* it does not fit: the event becomes a dead letter */
};

struct column {
    char *name;
    uint32_t type;    /* what binary COPY calls it: the element's for arrays */
    int32_t modifier; /* varchar(n), numeric(p,s); -1: none */
    const char *type_name; /* for messages */
    char *type_text;       /* what owns it */
    pg_put *put;           /* of the value, or of an array's elements */
    int is_array;
    int optional; /* bit in the mask of columns that a row may leave out */
    struct il_field *field;          /* from a name, or */
    const struct il_template *value; /* from the config */
};

/* How events become rows of the table as it was when it was read.  Immutable;
 * shared by the two threads. */
struct plan {
    const struct il_host *host;
    atomic_int refs;
    char *signature; /* changes with whatever matters here */
    int text_only;   /* a column's type has no binary form known to us */
    int has_unique;  /* a unique index on unique_column alone */
    uint32_t count, optional_count;
    struct column columns[];
};

/* Read the table.  0, or -1 with link->fault. */
int plan_read(struct link *, struct plan **out);
struct plan *plan_ref(struct plan *);
void plan_unref(struct plan *);
/* Append `select` of one text: the signature the table has now. */
void plan_signature_sql(const struct pg *, struct sql *);

/* --- encode.c ------------------------------------------------------------ */

/* Why a value does not fit. */
struct misfit {
    char code[6];
    char message[256];
};

struct enc {
    const struct il_host *host;
    struct il_text *out;
    struct il_text *scratch; /* an array under construction, or its elements */
    struct il_text *json;
    locale_t c_locale;
    int binary;
    int in_array; /* text form: quote as an array element */
    int refuse_bad_text;
    uint32_t prefer_text; /* batches for which binary is not tried */
    struct plan *plan;    /* whose columns row reads; NULL: none yet */
    struct il_row *row;
    uint64_t replaced;
    struct misfit misfit;
};

int enc_open(struct enc *, const struct pg *);
void enc_close(struct enc *);

/* A run of rows that fill the same columns. */
struct part {
    uint32_t omitted; /* mask over optional columns */
    uint32_t first, end;
};

struct place {
    uint32_t omitted, event;
};

struct row {
    uint32_t event;
    size_t end; /* in the wire text; it starts where the one before ends */
};

struct delivery;

enum job_stage { JOB_WAITS, JOB_TAKEN, JOB_ENDED };

/* What one connection writes of a batch. */
struct job {
    struct delivery *of;
    struct il_batch *batch;
    struct plan *plan; /* what wire was made with; NULL: not encoded */
    struct il_text *wire;
    struct row *rows;
    struct part *parts;
    struct place *order; /* events in the order of their rows */
    uint32_t row_count, part_count, capacity;
    int merge;        /* rows of it may be in the table already */
    uint32_t kept;    /* events that were done before */
    uint32_t misfits; /* events that no row could be made of */
    uint32_t refused; /* events whose rows Postgres refused */
    uint64_t replaced;
    int binary;
    int stage; /* enum job_stage; protected by pg->lock */
    uint32_t first, end;  /* its connections: one, or all for a small batch */
    uint32_t connections; /* that there are */
};

/* Is the event at this position of the job's connections? */
static inline int
job_has(const struct job *job, uint64_t position)
{
    if (job->end - job->first == job->connections)
        return 1;
    return position / PG_STRIPE % job->connections == job->first;
}

/* Make the rows of a job; marks those that do not fit.  0 or -ENOMEM. */
int encode_job(struct enc *, struct job *, struct plan *);

/* For the writers of values. */
int enc_binary(struct enc *, const void *bytes, size_t len);
/* In binary: the last size bytes of n, 2, 4 or 8. */
int enc_number(struct enc *, uint64_t n, unsigned size);
int enc_text(struct enc *, const char *, size_t len);
int enc_bad(struct enc *, const char *code, const char *fmt, ...)
    IL_PRINTF(3, 4);
/* 22P02 and its like: "invalid input syntax for type T: "value"". */
int enc_bad_value(struct enc *, const char *code, const struct column *,
                  const struct il_value *);
int enc_out_of_range(struct enc *, const struct column *,
                     const struct il_value *);
/* A scalar's text: strings as they are, numbers as sent, true, false; NULL for
 * containers.  buf holds at least 48 bytes. */
const char *enc_scalar(const struct il_value *, char *buf, size_t *len);

/* scalar.c, when.c, decimal.c: one for each family of types */
pg_put put_int2, put_int4, put_int8, put_float4, put_float8, put_numeric,
    put_bool, put_text, put_varchar, put_name, put_uuid, put_date, put_time,
    put_timestamp, put_timestamptz, put_json, put_jsonb, put_bytea, put_inet,
    put_cidr, put_other;

/* A decimal number taken apart: digits without sign, point and exponent. */
struct decimal {
    int negative;
    const char *whole, *fraction;
    size_t whole_len, fraction_len;
    int64_t exponent; /* clamped to +-10^9 */
};
/* [+-]digits[.digits][e[+-]digits]; 0 or -EINVAL. */
int decimal_scan(const char *, size_t len, struct decimal *);
/* 0, -ERANGE, or -EINVAL where it has a fraction. */
int decimal_int64(const struct decimal *, int64_t *);

/* --- lanes.c, claim.c ---------------------------------------------------- */

enum pg_mode {
    PG_MODE_UNKNOWN,
    PG_MODE_LANES, /* position and rows in one transaction */
    PG_MODE_UNIQUE /* on conflict (unique_column) do nothing */
};

/* A row of this lane: of connection k, counted from 0, of n. */
struct lane_row {
    uint32_t k, n;
    uint64_t position, epoch;
};

/* Find out which mode is possible; makes the lanes table where it may. */
int lanes_prepare(struct link *, int may_create, enum pg_mode *);
/* Make, or read, the rows of all connections, raise the epoch of each row that
 * this lane has, and take their positions.  Where this process has claimed the
 * lane before, its epoch stays: PG_ACT_FENCED where there is a higher one. */
int lanes_claim(struct conn *, uint64_t local);
/* Read the rows of a job's connections again, once the transaction that may
 * still hold them has ended: PG_ACT_FENCED where one is no longer ours,
 * PG_ACT_SET_BACK where one is not as far as it was; positions are then what
 * they say. */
int lanes_check(struct conn *, const struct job *);
/* Right after lanes_claim(): take all rows that are further than that back to a
 * position, and remember from where: that they are behind somebody's cursor
 * does not mean then that rows are gone.  0 or -1. */
int lanes_rewind(struct conn *, uint64_t position);
/* From where they were taken back, at most; 0: they never were. */
int lanes_was_at(struct link *, uint64_t *position);
/* The statement that moves the rows of the job's connections to its end, in the
 * transaction of its events; how many rows it has to hit. */
uint32_t lanes_update_sql(const struct pg *, struct sql *, const struct job *);
/* Up to where everything is done, and up to where anything is. */
uint64_t lanes_floor(const struct pg *);
uint64_t lanes_top(const struct pg *);
/* Is the event at this position done? */
int lanes_done(const struct pg *, uint64_t position);

/* For the two files: `where` of this spool, a row's name as a literal, and what
 * row a name is of (0, or -EINVAL). */
void lanes_where(const struct pg *, struct sql *);
void lanes_name(const struct pg *, struct sql *, uint32_t k, uint32_t n);
int lanes_parse(const struct pg *, const char *name, struct lane_row *);
uint64_t lanes_cell(const PGresult *, int row, int column);

/* --- ddl.c --------------------------------------------------------------- */

/* Statements with `if not exists`, each with its semicolon.  Without the
 * schema where it exists: making it needs a right that using it does not. */
void ddl_lanes(const struct pg *, struct sql *, int with_schema);
void ddl_table(const struct pg *, struct sql *, int with_schema);
/* Run one of the two.  0 or -1 with link->fault. */
int ddl_run(struct link *, const char *schema,
            void (*ddl)(const struct pg *, struct sql *, int));
int pg_ddl(void *self, struct il_text *);

/* --- copy.c, attempt.c, probe.c ------------------------------------------ */

enum {
    COPY_REDO = 1, /* the table or the lane's row is not what it was */
    COPY_CAREFUL,  /* a deferred constraint: look at it run by run */
    COPY_MERGE     /* an event of before this process may be in already */
};
/* Bring a job's rows in, in one transaction.  0, COPY_* or -1. */
int copy_transact(struct conn *, struct job *, int careful);

/* Connected, with the mode known and the rows of the job's connections checked;
 * job NULL: none yet.  0 or -1. */
int copy_connect(struct conn *, const struct job *);
/* The same, with the table read and as many transactions as it takes.  0, or
 * -1 with fault.action. */
int copy_job(struct conn *, struct job *);

int pg_probe(void *self, struct il_text *);

/* --- delivery.c, worker.c: batches and connections ----------------------- */

struct delivery {
    struct il_batch *batch;
    struct il_ack *ack;
    struct job *jobs;     /* room for one of each connection */
    pthread_mutex_t lock; /* the batch: its marks, and its memory */

    /* protected by pg->lock */
    uint32_t count, left; /* jobs; those that have not ended */
    int out_of_turn;      /* an earlier batch comes again, and then this one */
    enum pg_action fault; /* the worst that happened to a job; 0: nothing */
    char why[PG_WHY];
    struct delivery *next;
};

int deliveries_open(struct pg *);
void deliveries_close(struct pg *);
/* write(): take a batch, shared out and encoded as far as that is possible.
 * -EAGAIN: there is no room. */
int delivery_take(struct pg *, struct il_batch *, struct il_ack *);
/* Mark those events of a job that are done; how many there are. */
uint32_t delivery_keep(struct pg *, struct job *);
/* With pg->lock held: what the connection does next, or NULL. */
struct job *delivery_next(struct conn *);
/* A job has ended, well (fault 0) or not; the last of a batch settles it. */
void delivery_ended(struct pg *, struct job *, enum pg_action fault,
                    const char *why);
/* Once no thread runs: those that are left come again. */
void deliveries_stop(struct pg *);

struct conn {
    struct pg *pg;
    uint32_t index;
    pthread_t thread;
    uint64_t position; /* what its row says; pg->lock to write, and to read in
                        * another thread */

    /* its thread's own */
    struct link link;
    struct enc enc;    /* when it has to encode again */
    struct plan *plan; /* the table, as it found it */
    uint32_t run_max;  /* rows in one COPY: more took too long; 0: any */
    int checked;       /* the row was read on this connection */
    int doubt;         /* a COMMIT's answer was lost */
    int sync_off;      /* synchronous_commit is, by the settings of the role */
    int connects;
    char said[PG_WHY]; /* the last fault that it logged itself */
    int64_t said_us;
};

/* The thread of a connection; arg is a struct conn. */
void *worker_run(void *arg);

/* --- pg.c: the instance -------------------------------------------------- */

struct mapping {
    const char *name;
    const char *reference; /* as written, for the DDL */
    struct il_template *value;
};

struct pg {
    const struct il_host *host;

    /* options: constant after open */
    const char *connection, *lanes_schema, *unique_column, *payload_column;
    const char *application_name;
    char *lanes; /* quoted schema.lanes */
    struct table_name table;
    struct mapping *mappings;
    size_t mapping_count;
    struct pg_rule *rules;
    size_t rule_count;
    int create, payload_set, refuse_bad_text;
    uint32_t connections;
    uint32_t connect_timeout_ms, statement_timeout_ms, lock_timeout_ms;
    locale_t c_locale;
    struct il_counter *rows, *rejects, *replaced, *reconnects, *sent;
    int wake; /* eventfd: becomes readable when all must stop */

    /* set in resume(), by the first connection, while the others rest */
    enum pg_mode mode;
    enum pg_mode mode_kept; /* from the first resume() on */
    uint64_t given; /* events up to here may be of an earlier process */
    uint64_t epoch; /* ours; 0: not claimed yet */
    int claimed;    /* resume() has been answered */
    struct lane_row lane_rows[PG_ROWS_MAX]; /* as they were then */
    uint32_t lane_row_count;
    int mode_said;
    char spool_text[37];

    /* the lane thread's own */
    struct enc lane_enc;

    /* between the threads: protected by lock */
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct conn *conns;
    struct delivery deliveries[PG_IN_FLIGHT];
    struct delivery *queue, *idle; /* not settled, in order; free */
    struct plan *plan;             /* the latest; NULL: not read yet */
    int busy;                      /* batches taken and not settled */
    uint64_t broken; /* id of the batch that has to come again before any later
                      * one does; 0: none */
    int resume_asked, resume_done, resume_err;
    uint64_t resume_local, resume_position;
    uint64_t resume_there; /* UINT64_MAX: there is no row that tells */
    int resume_rewind; /* the rows have to go back to resume_local */
    uint32_t started;  /* threads */
    atomic_int stopping;
};

#endif
