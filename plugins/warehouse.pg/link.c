/* SPDX-License-Identifier: MIT */
/* Connecting, waiting, and what an answer says. */
#include "link.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

/* The server's own statement_timeout speaks first; this one is for a server
 * that no longer speaks at all. */
#define GRACE_MS 10000
#define LOOK_MS 3000      /* of silence, and one looks after a statement */
#define LOOKS 4           /* so often, then every */
#define LOOK_LATER 30000  /* milliseconds */
#define PIECE (64 * 1024) /* of COPY data between two looks at the socket */

/* The first line of a message of libpq's, without its end. */
static void
first_line(char *to, size_t size, const char *from)
{
    size_t n = strcspn(from, "\n");
    if (n >= size)
        n = size - 1;
    memcpy(to, from, n);
    to[n] = 0;
}

static int
lost(struct link *l, const char *what)
{
    char line[512];
    first_line(line, sizeof line, PQerrorMessage(l->db));
    fault_set(&l->fault, PG_ACT_RETRY, "%s: %s", what,
              *line ? line : "the connection to Postgres was lost");
    l->fault.lost = 1;
    return -1;
}

/* Stopping, or out of time? */
static int
given_up(struct link *l, int64_t left_us)
{
    if (!atomic_load(&l->stop->now) && left_us > 0)
        return 0;
    fault_set(&l->fault, PG_ACT_RETRY,
              atomic_load(&l->stop->now)
                  ? "stopping"
                  : "Postgres did not answer in time; connecting anew");
    l->fault.lost = 1;
    return 1;
}

static int64_t
look_after(int looks)
{
    return (looks < LOOKS ? LOOK_MS : LOOK_LATER) * INT64_C(1000);
}

/* Wait for the socket.  0, or -1: stopping, out of time, or it is dead. */
static int
wait_socket(struct link *l, short events, int64_t deadline_us)
{
    struct pollfd fds[2] = { { .fd = PQsocket(l->db), .events = events },
                             { .fd = l->stop->wake, .events = POLLIN } };
    int watched = PQstatus(l->db) == CONNECTION_OK && !l->is_watch, looks = 0;
    int64_t look_us = il_monotonic_us(l->host) + look_after(0);
    l->suspicions = 0;
    for (;;) {
        int64_t now = il_monotonic_us(l->host), until = deadline_us;
        if (given_up(l, deadline_us - now))
            return -1;
        if (watched && now >= look_us) {
            if (link_watch(l, events == POLLIN))
                return -1;
            look_us = il_monotonic_us(l->host) + look_after(++looks);
        }
        if (watched && look_us < until)
            until = look_us;
        int64_t ms = (until - now) / 1000 + 1;
        int n = poll(fds, 2, ms > 60000 ? 60000 : ms > 0 ? (int) ms : 0);
        if (n < 0 && errno != EINTR)
            return lost(l, "poll");
        if (n > 0 && fds[0].revents)
            return 0;
    }
}

static int64_t
deadline(const struct link *l)
{
    uint64_t ms = l->connection->statement_timeout_ms;
    if (l->patience_ms)
        return il_monotonic_us(l->host) + (int64_t) l->patience_ms * 1000;
    return il_monotonic_us(l->host)
           + (int64_t) (ms ? ms + GRACE_MS : UINT32_MAX) * 1000;
}

void
link_pause(struct link *l, uint32_t ms)
{
    struct pollfd fd = { .fd = l->stop->wake, .events = POLLIN };
    if (!atomic_load(&l->stop->now))
        poll(&fd, 1, (int) ms);
}

int
link_no_memory(struct link *l)
{
    fault_set(&l->fault, PG_ACT_RETRY, "no memory");
    return -1;
}

#define WARNING_EVERY_US 60000000

/* Of what a server says beside its results a WARNING is for the operator (a
 * collation that has changed, a trigger of the team's own), once a minute at
 * most and the rest counted: there may be one for each row.  Those about
 * transactions are of our own making: a rollback where none is open. */
static void
hear_notice(void *arg, const PGresult *res)
{
    struct link *l = arg;
    const char *severity =
        PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    if (!severity || strcmp(severity, "WARNING") || !text
        || (state && !strncmp(state, "25", 2)))
        return;
    int64_t now = il_monotonic_us(l->host);
    if (l->warned_us && now - l->warned_us < WARNING_EVERY_US) {
        l->warnings++;
        return;
    }
    if (l->warnings)
        il_log(l->host, IL_LOG_WARN,
               "Postgres warns: %s (%s; %u more since the last one)", text,
               state ? state : "?", l->warnings);
    else
        il_log(l->host, IL_LOG_WARN, "Postgres warns: %s (%s)", text,
               state ? state : "?");
    l->warned_us = now;
    l->warnings = 0;
}

/* What was the matter with each of several hosts.  0: there was one. */
static int
each_host(char *to, size_t size, const char *message)
{
    static const char begins[] = "connection to server";
    size_t used = 0;
    int hosts = 0;
    for (const char *p = message; *p;) {
        size_t n = strcspn(p, "\n");
        if (strncmp(p, begins, sizeof begins - 1) == 0 && used < size)
            used += (size_t) snprintf(to + used, size - used, "%s%.*s",
                                      hosts++ ? "; " : "", (int) n, p);
        p += n + (p[n] != 0);
    }
    return hosts > 1;
}

/* libpq keeps the SQLSTATE of a refused connection to itself, but writes it
 * into a verbose message: "FATAL:  28P01: password authentication failed". */
static void
connect_fault(struct link *l)
{
    const char *message = PQerrorMessage(l->db), *found = NULL;
    char code[6] = "";
    for (const char *p = message; (p = strstr(p, ": ")) != NULL; p++) {
        const char *c = p + strspn(p, ": ");
        size_t n = strspn(c, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (n == 5 && c[5] == ':' && strpbrk(c, "0123456789") < c + 5) {
            memcpy(code, c, 5);
            found = c + 6 + strspn(c + 6, " ");
        }
    }
    char line[512];
    if (!each_host(line, sizeof line, message))
        first_line(line, sizeof line, found ? found : message);
    fault_set(&l->fault, PG_ACT_RETRY, "cannot connect to Postgres: %s%s%s%s",
              line, *code ? " (SQLSTATE " : "", code, *code ? ")" : "");
    memcpy(l->fault.code, code, sizeof code);
    fault_judge(&l->fault, l->connection->rules, l->connection->rule_count);
    l->fault.lost = 1;
    size_t n = strlen(l->fault.why);
    if (strcmp(code, "42501") == 0)
        snprintf(l->fault.why + n, sizeof l->fault.why - n,
                 "; grant connect on database \"%s\" to \"%s\"", PQdb(l->db),
                 PQuser(l->db));
    else if (*l->hosts.left_out)
        snprintf(l->fault.why + n, sizeof l->fault.why - n, "; %s",
                 l->hosts.left_out);
}

/* The next attempt begins with another one, if there is another. */
static void
silent_host(struct link *l)
{
    const char *host = PQhost(l->db), *port = PQport(l->db);
    fault_set(&l->fault, PG_ACT_RETRY,
              "cannot connect to Postgres: %.300s%s%.20s did not answer in "
              "time",
              host ? host : "", port && *port ? " port " : "",
              port ? port : "");
    l->fault.lost = 1;
    hosts_silent(&l->hosts, l->db);
}

static int
drive_connect(struct link *l, int64_t until)
{
    PostgresPollingStatusType st = PGRES_POLLING_WRITING;
    while (st != PGRES_POLLING_OK) {
        if (st == PGRES_POLLING_FAILED) {
            connect_fault(l);
            return -1;
        }
        if (wait_socket(l, st == PGRES_POLLING_READING ? POLLIN : POLLOUT,
                        until)) {
            if (!atomic_load(&l->stop->now))
                silent_host(l);
            return -1;
        }
        st = PQconnectPoll(l->db);
    }
    return 0;
}

int
link_init(struct link *l, const struct il_host *host,
          const struct connection *connection, const struct options *opt,
          struct link_stop *stop)
{
    memset(l, 0, sizeof *l);
    l->host = host;
    l->connection = connection;
    l->opt = opt;
    l->stop = stop;
    return sql_open(&l->sql, host);
}

void
link_free(struct link *l)
{
    link_close(l);
    link_leave_lookups(l);
    hosts_clear(&l->hosts);
    sql_close(&l->sql);
}

#define MOST_KEYS (7 + HOSTS_KEYS)

int
link_open(struct link *l)
{
    const char *keys[MOST_KEYS + 1] = {
        "fallback_application_name", "keepalives_idle", "keepalives_interval",
        "tcp_user_timeout",          "dbname",          "client_encoding"
    };
    const char *values[MOST_KEYS + 1] = {
        "ingestlayer", "15", "5", "30000", l->connection->string, "UTF8"
    };
    int64_t until = il_monotonic_us(l->host)
                    + (int64_t) l->connection->connect_timeout_ms * 1000;
    link_close(l);
    memset(&l->fault, 0, sizeof l->fault);
    if (link_resolve(l, until))
        return -1;
    int n = 6 + hosts_params(&l->hosts, keys + 6, values + 6);
    if (l->connection->application_name) {
        keys[n] = "application_name";
        values[n] = l->connection->application_name;
    }
    l->db = PQconnectStartParams(keys, values, 1);
    if (!l->db) {
        fault_set(&l->fault, PG_ACT_RETRY, "no memory for a connection");
        l->fault.lost = 1;
        return -1;
    }
    PQsetErrorVerbosity(l->db, PQERRORS_VERBOSE);
    PQsetNoticeReceiver(l->db, hear_notice, l);
    if (PQstatus(l->db) == CONNECTION_BAD)
        connect_fault(l);
    else if (drive_connect(l, until) == 0 && PQsetnonblocking(l->db, 1) == 0) {
        PQsetErrorVerbosity(l->db, PQERRORS_DEFAULT);
        const char *name = PQparameterStatus(l->db, "application_name");
        snprintf(l->name, sizeof l->name, "%s", name ? name : "");
        *l->txn_name = 0;
        l->direct = 0;
        hosts_clear(&l->hosts);
        return 0;
    }
    link_close(l);
    return -1;
}

void
link_close(struct link *l)
{
    if (l->db && PQstatus(l->db) == CONNECTION_OK
        && PQtransactionStatus(l->db) == PQTRANS_ACTIVE)
        link_cancel(l);
    if (l->db)
        PQfinish(l->db);
    l->db = NULL;
}

static void
field_copy(char *to, size_t size, const PGresult *res, int field)
{
    const char *text = PQresultErrorField(res, field);
    snprintf(to, size, "%s", text ? text : "");
}

static void
result_fault(struct link *l, const PGresult *res)
{
    struct fault *f = &l->fault;
    const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
    const char *severity =
        PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
    memset(f, 0, sizeof *f);
    field_copy(f->code, sizeof f->code, res, PG_DIAG_SQLSTATE);
    if (!*f->code) {
        lost(l, "Postgres");
        return;
    }
    field_copy(f->message, sizeof f->message, res, PG_DIAG_MESSAGE_PRIMARY);
    size_t n = strlen(f->message);
    if (detail)
        snprintf(f->message + n, sizeof f->message - n, ": %s", detail);
    fault_fold(f->message);
    const char *more = strcmp(f->code, "42501") == 0
                           ? "grant what `ingestlayer ddl` prints"
                       : strcmp(f->code, "55P03") == 0 ? l->blocker
                                                       : "";
    snprintf(f->why, sizeof f->why, "%s (SQLSTATE %s)%s%s", f->message, f->code,
             *more ? "; " : "", more);
    field_copy(f->context, sizeof f->context, res, PG_DIAG_CONTEXT);
    field_copy(f->column, sizeof f->column, res, PG_DIAG_COLUMN_NAME);
    field_copy(f->constraint, sizeof f->constraint, res,
               PG_DIAG_CONSTRAINT_NAME);
    fault_judge(f, l->connection->rules, l->connection->rule_count);
    f->lost = PQstatus(l->db) == CONNECTION_BAD || !severity
              || strcmp(severity, "ERROR") != 0;
}

/* The first fault of a query counts; but whatever it was, a connection that
 * broke right after it says nothing about the next one. */
static void
keep_first(struct link *l, struct fault *first)
{
    if (l->fault.lost && !first->lost) {
        first->lost = 1;
        first->action = PG_ACT_RETRY;
    }
    l->fault = *first;
}

/* Send what libpq has buffered. */
static int
flush(struct link *l, int64_t until)
{
    int more;
    while ((more = PQflush(l->db)) > 0) {
        if (wait_socket(l, POLLIN | POLLOUT, until))
            return -1;
        if (!PQconsumeInput(l->db))
            return lost(l, "reading from Postgres");
    }
    return more < 0 ? lost(l, "writing to Postgres") : 0;
}

int
link_send(struct link *l, const char *sql)
{
    memset(&l->fault, 0, sizeof l->fault);
    if (!sql)
        return link_no_memory(l);
    if (!l->db) {
        fault_set(&l->fault, PG_ACT_RETRY, "not connected to Postgres");
        l->fault.lost = 1;
        return -1;
    }
    if (!PQsendQuery(l->db, sql))
        return lost(l, "writing to Postgres");
    return flush(l, deadline(l));
}

PGresult *
link_result(struct link *l, int *err)
{
    int64_t until = deadline(l);
    *err = -1;
    while (PQisBusy(l->db)) {
        if (wait_socket(l, POLLIN, until))
            return NULL;
        if (!PQconsumeInput(l->db)) {
            lost(l, "reading from Postgres");
            return NULL;
        }
    }
    PGresult *res = PQgetResult(l->db);
    *err = 0;
    if (!res)
        return NULL;
    switch (PQresultStatus(res)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_EMPTY_QUERY:
        return res;
    default:
        result_fault(l, res);
        PQclear(res);
        *err = -1;
        return NULL;
    }
}

int
link_exec(struct link *l, const char *sql, PGresult **last)
{
    if (last)
        *last = NULL;
    if (link_send(l, sql))
        return -1;
    int err, failed = 0;
    struct fault first = { 0 };
    for (;;) {
        PGresult *res = link_result(l, &err);
        if (err && !failed) {
            first = l->fault;
            failed = 1;
        }
        if (err && l->fault.lost)
            break;
        if (!err && !res)
            break;
        if (res && last && PQresultStatus(res) == PGRES_TUPLES_OK) {
            PQclear(*last);
            *last = res;
        } else {
            PQclear(res);
        }
    }
    if (failed) {
        keep_first(l, &first);
        if (last) {
            PQclear(*last);
            *last = NULL;
        }
    }
    return failed ? -1 : 0;
}

int
link_text(struct link *l, const char *sql, char *out, size_t size)
{
    PGresult *res;
    if (link_exec(l, sql, &res))
        return -1;
    snprintf(out, size, "%s",
             res && PQntuples(res) ? PQgetvalue(res, 0, 0) : "");
    PQclear(res);
    return 0;
}

int
link_finish(struct link *l)
{
    int err = 0, failed = 0;
    struct fault first = { 0 };
    for (;;) {
        PGresult *res = link_result(l, &err);
        if (err && !failed) {
            first = l->fault;
            failed = 1;
        }
        PQclear(res);
        if ((err && l->fault.lost) || (!err && !res))
            break;
    }
    if (failed)
        keep_first(l, &first);
    return failed ? -1 : 0;
}

int
link_finish_failed(struct link *l)
{
    struct fault kept = l->fault;
    if (!kept.lost && (!link_finish(l) || !l->fault.lost))
        l->fault = kept;
    return -1;
}

int
link_copy_data(struct link *l, const char *bytes, size_t len)
{
    int64_t until = deadline(l);
    while (len) {
        size_t n = len < PIECE ? len : PIECE;
        int put = PQputCopyData(l->db, bytes, (int) n);
        if (put < 0)
            return lost(l, "writing to Postgres");
        if (flush(l, until))
            return -1;
        if (put == 0)
            continue;
        bytes += n;
        len -= n;
        l->bytes += n;
        until = deadline(l);
    }
    return 0;
}

int
link_copy_row(struct link *l, char **row)
{
    int64_t until = deadline(l);
    int n;
    *row = NULL;
    while ((n = PQgetCopyData(l->db, row, 1)) == 0) {
        if (wait_socket(l, POLLIN, until))
            return -1;
        if (!PQconsumeInput(l->db))
            return lost(l, "reading from Postgres");
    }
    if (n > 0)
        return n;
    return n == -1 ? 0 : lost(l, "reading from Postgres");
}

int
link_copy_end(struct link *l)
{
    int64_t until = deadline(l);
    int put;
    while ((put = PQputCopyEnd(l->db, NULL)) == 0)
        if (flush(l, until))
            return -1;
    if (put < 0)
        return lost(l, "writing to Postgres");
    return flush(l, until);
}

void
link_rollback(struct link *l)
{
    if (!l->db)
        return;
    struct fault kept = l->fault;
    PGTransactionStatusType st = PQtransactionStatus(l->db);
    int gone = kept.lost || PQstatus(l->db) == CONNECTION_BAD
               || st == PQTRANS_ACTIVE || st == PQTRANS_UNKNOWN;
    if (!gone && st != PQTRANS_IDLE)
        gone = link_exec(l, "rollback", NULL) != 0;
    if (gone)
        link_close(l);
    l->fault = kept;
}
