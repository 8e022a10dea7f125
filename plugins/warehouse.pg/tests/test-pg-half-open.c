/* SPDX-License-Identifier: MIT */
/* Connections that Postgres still believes in: a proxy swallows what comes, the
 * process on this side dies or lives, and the lane goes on within a minute.
 * Whoever else holds its row is named, and left alone. */
#include "pgtest.h"

#include "proxy.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define SOON 45.0 /* seconds; a minute is promised */

static struct pgtest t;
static struct proxy *p; /* shared with a child */

static void
setup(void)
{
    memset(&t, 0, sizeof t);
    p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(p, MAP_FAILED);
    sql(&t, "set client_min_messages = error;"
            "drop schema if exists events cascade;"
            "drop schema if exists ingestlayer cascade;"
            "create schema events;"
            "create table events.t (event_id text, n int)");
}

static void
teardown(void)
{
    pgtest_free(&t);
}

static void
start_at(int port, const char *more)
{
    char text[512];
    snprintf(
        text, sizeof text,
        "connection = \"host=127.0.0.1 port=%d dbname=postgres user=ingest "
        "sslmode=disable gssencmode=disable\"; table = \"events.t\"; %s",
        port, more);
    pgtest_open(&t, text);
    ck_assert_int_eq(testhost_start(t.host), 0);
}

static int
server_port(void)
{
    return atoi(getenv("PGPORT"));
}

static uint64_t
resume(void)
{
    struct il_position at = { .given = UINT64_MAX };
    pgtest_resume(&t, &at);
    return at.position;
}

static void
batch(unsigned from, unsigned to)
{
    testhost_clear(t.host);
    testhost_position(t.host, from);
    for (unsigned i = from; i < to; i++)
        event(&t, "{\"id\":\"e%u\",\"type\":\"t\",\"payload\":{\"n\":%u}}", i,
              i);
}

static void
insist(void)
{
    int got, tries = 0;
    while ((got = testhost_write(t.host, 60000 * (uint32_t) PATIENCE))
           == IL_RETRY)
        ck_assert_msg(++tries < 50, "never in: %s", testhost_why(t.host));
    ck_assert_msg(got == IL_OK, "outcome %d: %s", got, testhost_why(t.host));
}

static const char *
rows(void)
{
    return sql(&t, "select count(*) || ' ' || count(distinct n) from events.t");
}

static void
expect_soon(double begin)
{
    double took = seconds() - begin;
    fprintf(stderr, "%.1f s\n", took);
    ck_assert_msg(took < SOON * PATIENCE, "it took %.1f s", took);
}

/* Messages of the second batch by which the connection is dead: data, COMMIT;
 * and of the server: what answers the first, and what answers COMMIT. */
static const struct {
    int direction, n;
} points[] = {
    { PROXY_TO_SERVER, 3 },
    { PROXY_TO_SERVER, 6 },
    { PROXY_TO_CLIENT, 1 },
    { PROXY_TO_CLIENT, 17 },
};

/* The process lives on; what it sends and is sent is swallowed. */
START_TEST(a_connection_that_is_swallowed_is_given_up)
{
    proxy_start(p, server_port(), points[_i].direction, 0, -1);
    atomic_store(&p->swallows, 1);
    start_at(p->port, "");
    ck_assert_uint_eq(resume(), 0);
    batch(1, 4);
    insist();
    batch(4, 7);
    atomic_store(&p->left, points[_i].n);
    double begin = seconds();
    insist();
    expect_soon(begin);
    batch(7, 10);
    insist();
    ck_assert_str_eq(rows(), "9 9");
    ck_assert_int_eq(atomic_load(&p->cuts), 1);
    ck_assert_str_eq(sql(&t, "select count(*) from pg_stat_activity where"
                             " application_name like 'ingestlayer %%'"),
                     "0");
    pgtest_down(&t);
    proxy_stop(p);
}
END_TEST

/* Its host loses its power in the middle of a COPY, or right before COMMIT: the
 * next process ends what is left, which holds the row of the lane.  It is made
 * before there are threads, which a checker cannot take along. */
START_TEST(a_process_that_vanished_holds_nothing_up)
{
    int ready[2];
    pgtest_state_new(&t);
    ck_assert_int_eq(pipe(ready), 0);
    pid_t pid = fork();
    if (!pid) {
        char byte;
        close(ready[1]);
        if (read(ready[0], &byte, 1) != 1)
            _exit(1);
        t.db = NULL;
        t.host = NULL;
        start_at(p->port, "");
        resume();
        batch(1, 4);
        insist();
        batch(4, 7);
        atomic_store(&p->left, _i ? 6 : 3);
        testhost_write(t.host, 600000);
        _exit(0);
    }
    proxy_start(p, server_port(), PROXY_TO_SERVER, 0, -1);
    atomic_store(&p->swallows, 1);
    ck_assert_int_eq(write(ready[1], "", 1), 1);
    close(ready[0]);
    close(ready[1]);
    /* The server waits for its client between any two statements, too: only
     * after the cut it waits for what never comes. */
    for (int i = 0;
         !atomic_load(&p->cuts)
         || strcmp(sql(&t, "select count(*) from pg_stat_activity where"
                           " application_name like 'ingestlayer %%'"
                           " and wait_event = 'ClientRead'"),
                   "1")
                != 0;
         i++) {
        ck_assert_int_lt(i, 1000 * PATIENCE);
        usleep(10000);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    double begin = seconds();
    start_at(server_port(), "");
    ck_assert_uint_eq(resume(), 3);
    expect_soon(begin);
    ck_assert_ptr_nonnull(strstr(testhost_log(t.host), "ended process"));
    batch(4, 7);
    insist();
    ck_assert_str_eq(rows(), "6 6");
    pgtest_down(&t);
    proxy_stop(p);
}
END_TEST

/* Somebody at a terminal: named, and not ended; the claim does not wait for
 * ever and leaves nothing behind that does. */
START_TEST(a_stranger_that_holds_the_row_is_named)
{
    char want[64];
    uint64_t position = 0;
    int err = -EAGAIN, tries = 0;
    start_at(server_port(), "");
    resume();
    batch(1, 4);
    insist();
    pgtest_down(&t);
    sql(&t, "set application_name = 'psql at a desk'; begin; select 1 from"
            " ingestlayer.lanes for update");
    snprintf(want, sizeof want, "pg_terminate_backend(%d)", PQbackendPID(t.db));
    start_at(server_port(), "");
    while (!strstr(testhost_log(t.host), "55P03") && tries++ < 20)
        err = testhost_resume(t.host, &position);
    ck_assert_int_eq(err, -EAGAIN);
    ck_assert_ptr_nonnull(strstr(testhost_log(t.host), want));
    ck_assert_ptr_nonnull(strstr(testhost_log(t.host), "psql at a desk"));
    sql(&t, "commit");
    ck_assert_uint_eq(resume(), 3);
    batch(4, 7);
    insist();
    ck_assert_str_eq(rows(), "6 6");
}
END_TEST

/* A statement that is given up does not go on in Postgres. */
START_TEST(stop_cancels_what_runs)
{
    sql(&t, "create function events.f() returns trigger language plpgsql as"
            " 'begin perform pg_sleep(300); return new; end';"
            "create trigger x before insert on events.t for each row execute"
            " function events.f()");
    start_at(server_port(), "");
    resume();
    batch(1, 4);
    ck_assert_int_eq(testhost_write(t.host, 500), -ETIMEDOUT);
    ck_assert_str_eq(sql(&t, "select count(*) from pg_stat_activity where"
                             " wait_event = 'PgSleep'"),
                     "1");
    pgtest_down(&t);
    for (int i = 0; strcmp(sql(&t, "select count(*) from pg_stat_activity where"
                                   " wait_event = 'PgSleep'"),
                           "0")
                    != 0;
         i++) {
        ck_assert_int_lt(i, 300 * PATIENCE);
        usleep(10000);
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("half-open");
    TCase *c = tcase_create("half-open");
    tcase_set_timeout(c, 180);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, a_connection_that_is_swallowed_is_given_up, 0,
                        sizeof points / sizeof *points);
    tcase_add_loop_test(c, a_process_that_vanished_holds_nothing_up, 0, 2);
    tcase_add_test(c, a_stranger_that_holds_the_row_is_named);
    tcase_add_test(c, stop_cancels_what_runs);
    suite_add_tcase(s, c);
    return pgtest_run(s);
}
