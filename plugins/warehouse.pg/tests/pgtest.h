/* SPDX-License-Identifier: MIT */
/* For the tests of warehouse.pg that talk to a real server: PGHOST and PGPORT
 * name a private one (run-with-postgres.sh starts it). */
#ifndef PGTEST_H
#define PGTEST_H

#include <check.h>
#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "testhost.h"

/* Under a checker everything takes so many times as long. */
#define PATIENCE (getenv("IL_PATIENCE") ? atoi(getenv("IL_PATIENCE")) : 1)
#define WAIT_MS (20000 * (uint32_t) PATIENCE)

struct pgtest {
    struct testhost *host;
    PGconn *db;
    char value[8192];
    uint64_t before[7]; /* counters when the plugin was opened */
    char state[32];     /* state_dir of all its hosts; "": none yet */
};

static const char *const pgtest_counters[7] = {
    "rows",   "rejects", "replaced_characters", "reconnects", "sent_bytes",
    "folded", "ignored"
};

static inline PGconn *
db_open(void)
{
    PGconn *db = PQconnectdb("");
    if (PQstatus(db) != CONNECTION_OK)
        ck_abort_msg("%s", PQerrorMessage(db));
    return db;
}

/* Run SQL of the test's own; the first value of the last result. */
static inline const char *IL_PRINTF(2, 3)
    sql(struct pgtest *t, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    va_end(ap);
    if (!t->db)
        t->db = db_open();
    PGresult *res = PQexec(t->db, text);
    ExecStatusType st = PQresultStatus(res);
    if (st != PGRES_COMMAND_OK && st != PGRES_TUPLES_OK)
        ck_abort_msg("%s\n%s", text, PQerrorMessage(t->db));
    snprintf(t->value, sizeof t->value, "%s",
             st == PGRES_TUPLES_OK && PQntuples(res)
                 ? PQgetisnull(res, 0, 0) ? "(null)" : PQgetvalue(res, 0, 0)
                 : "");
    PQclear(res);
    free(text);
    return t->value;
}

/* The next host is of another state_dir than the one before. */
static inline void
pgtest_state_new(struct pgtest *t)
{
    strcpy(t->state, "/tmp/pgtest-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(t->state));
}

static inline void
pgtest_state_remove(struct pgtest *t)
{
    char path[64];
    snprintf(path, sizeof path, "%s/epoch", t->state);
    if (*t->state && (unlink(path) == 0 || errno == ENOENT))
        rmdir(t->state);
    *t->state = 0;
}

static inline void
pgtest_open(struct pgtest *t, const char *config)
{
    if (!*t->state)
        pgtest_state_new(t);
    if (!t->host) {
        t->host = testhost_new();
        ck_assert_int_eq(testhost_keep_state_dir(t->host, t->state), 0);
    }
    int err = testhost_open(t->host, getenv("IL_PLUGIN"), config);
    if (err)
        ck_abort_msg("open: %d\n%s", err, testhost_findings(t->host));
    for (int i = 0; i < 7; i++)
        t->before[i] = testhost_counter(t->host, pgtest_counters[i]);
}

/* A counter since then; counters outlive a host where tests do not fork. */
static inline uint64_t
counted(struct pgtest *t, const char *name)
{
    for (int i = 0; i < 7; i++)
        if (strcmp(pgtest_counters[i], name) == 0)
            return testhost_counter(t->host, name) - t->before[i];
    ck_abort_msg("no counter %s", name);
    return 0;
}

/* Open, start and resume; what resume() said at last. */
static inline int
pgtest_up(struct pgtest *t, const char *config)
{
    uint64_t position = 0;
    pgtest_open(t, config);
    ck_assert_int_eq(testhost_start(t->host), 0);
    return testhost_resume(t->host, &position);
}

static inline void
pgtest_down(struct pgtest *t)
{
    if (t->host)
        testhost_free(t->host);
    t->host = NULL;
}

static inline void
pgtest_free(struct pgtest *t)
{
    pgtest_down(t);
    pgtest_state_remove(t);
    if (t->db)
        PQfinish(t->db);
    t->db = NULL;
}

static inline void IL_PRINTF(2, 3) event(struct pgtest *t, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    va_end(ap);
    if (testhost_event(t->host, text))
        ck_abort_msg("no event: %s", text);
    free(text);
}

/* Deliver the batch, which must go well. */
static inline void
deliver(struct pgtest *t)
{
    int got = testhost_write(t->host, WAIT_MS);
    if (got != IL_OK)
        ck_abort_msg("outcome %d: %s\n%s", got, testhost_why(t->host),
                     testhost_log(t->host));
    ck_assert_int_eq(testhost_settled(t->host), 1);
}

/* Event i is a dead letter with this code, column and constraint. */
static inline void
rejected(struct pgtest *t, uint32_t i, const char *code, const char *field,
         const char *rule)
{
    const struct il_reason *r = testhost_reason(t->host, i);
    if (!r)
        ck_abort_msg("event %u is no dead letter, expected %s", i, code);
    if (strcmp(r->code, code) != 0)
        ck_abort_msg("event %u: %s (%s), expected %s", i, r->code, r->message,
                     code);
    if (field)
        ck_assert_msg(r->field && strcmp(r->field, field) == 0,
                      "event %u: field %s (%s), expected %s", i,
                      r->field ? r->field : "none", r->message, field);
    if (rule)
        ck_assert_pstr_eq(r->rule, rule);
}

static inline void
kept(struct pgtest *t, uint32_t i)
{
    const struct il_reason *r = testhost_reason(t->host, i);
    if (r)
        ck_abort_msg("event %u became a dead letter: %s %s", i, r->code,
                     r->message);
}

static inline double
seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

/* Run a suite; the number of failures as an exit code. */
static inline int
pgtest_run(Suite *s)
{
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

/* As the host does it: ask until there is an answer. */
static inline void
pgtest_resume(struct pgtest *t, struct il_position *at)
{
    int err, tries = 0;
    while ((err = testhost_resume_at(t->host, at)) == -EAGAIN)
        if (++tries > 50)
            ck_abort_msg("no answer to resume\n%s", testhost_log(t->host));
        else
            usleep(10000);
    ck_assert_int_eq(err, 0);
}

#endif
