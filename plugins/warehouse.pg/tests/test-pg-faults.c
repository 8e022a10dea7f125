/* SPDX-License-Identifier: MIT */
/* Connections that break, servers that hang: every event is in the table once
 * or a dead letter, whatever breaks when. */
#include "pgtest.h"

#include "proxy.h"

#include <signal.h>

static struct pgtest t;

static void
setup(void)
{
    memset(&t, 0, sizeof t);
    sql(&t, "set client_min_messages = error;"
            "drop schema if exists events cascade;"
            "drop schema if exists ingestlayer cascade;"
            "create schema events;"
            "create table events.t (event_id text primary key,"
            " n int check (n <> 7), s text)");
}

static void
teardown(void)
{
    pgtest_free(&t);
}

static int
server_port(void)
{
    return atoi(getenv("PGPORT"));
}

static void
start(int port, const char *user, const char *more)
{
    char text[512];
    snprintf(text, sizeof text,
             "connection = \"host=127.0.0.1 port=%d dbname=postgres user=%s "
             "sslmode=disable gssencmode=disable\"; table = \"events.t\"; %s",
             port, user, more);
    pgtest_open(&t, text);
    ck_assert_int_eq(testhost_start(t.host), 0);
}

static uint64_t
resume(void)
{
    struct il_position p = { .position = 0 };
    pgtest_resume(&t, &p);
    return p.position;
}

/* As the host does it: the same batch until it is in. */
static void
insist(void)
{
    int got, tries = 0;
    while ((got = testhost_write(t.host, WAIT_MS)) == IL_RETRY)
        if (++tries > 50)
            ck_abort_msg("never in: %s", testhost_why(t.host));
        else
            usleep(5000);
    ck_assert_msg(got == IL_OK, "outcome %d: %s", got, testhost_why(t.host));
}

static void
three_events(unsigned from)
{
    testhost_clear(t.host);
    for (unsigned i = from; i < from + 3; i++)
        event(&t,
              "{\"id\":\"e%u\",\"type\":\"t\",\"payload\":"
              "{\"n\":%u,\"s\":\"x\"}}",
              i, i);
}

static const char *
ids(void)
{
    return sql(&t, "select string_agg(event_id, ',' order by event_id)"
                   " from events.t");
}

/* Two batches, the second with one row that a check refuses, and a connection
 * that is cut once.  Returns whether there was still something to cut. */
static int
cut_at(int direction, int pass_on, int n, const char *user)
{
    struct proxy p;
    sql(&t, "truncate events.t; drop schema if exists ingestlayer cascade");
    proxy_start(&p, server_port(), direction, pass_on, n);
    start(p.port, user, "");
    resume();
    three_events(1);
    insist();
    for (uint32_t i = 0; i < 3; i++)
        kept(&t, i);
    three_events(6);
    insist();
    rejected(&t, 1, "23514", NULL, "t_n_check");
    kept(&t, 0);
    kept(&t, 2);
    const char *got = ids();
    ck_assert_msg(strcmp(got, "e1,e2,e3,e6,e8") == 0,
                  "cut at message %d (direction %d, passed on %d): %s", n,
                  direction, pass_on, got);
    pgtest_down(&t);
    proxy_stop(&p);
    return atomic_load(&p.cuts);
}

static void
cut_everywhere(const char *user)
{
    /* To the server, the n-th message is lost, or arrives while its answer is
     * lost; to the client, every answer is lost once. */
    static const struct {
        int direction, pass_on;
    } ways[] = { { PROXY_TO_SERVER, 0 },
                 { PROXY_TO_SERVER, 1 },
                 { PROXY_TO_CLIENT, 0 } };
    int cuts = 0;
    for (int w = 0; w < 3; w++) {
        int n = 1;
        while (cut_at(ways[w].direction, ways[w].pass_on, n, user))
            n++;
        ck_assert_int_gt(n, 20);
        cuts += n - 1;
    }
    fprintf(stderr, "as %s: %d cuts\n", user, cuts);
}

START_TEST(cut_at_every_message)
{
    cut_everywhere("ingest");
}
END_TEST

/* The same for a role that may not have a lanes table. */
START_TEST(cut_at_every_message_without_lanes)
{
    sql(&t, "drop role if exists plain; create role plain login;"
            "grant usage on schema events to plain;"
            "grant insert, select on events.t to plain");
    cut_everywhere("plain");
    ck_assert_str_eq(sql(&t, "select coalesce(to_regnamespace('ingestlayer')"
                             "::text, 'none')"),
                     "none");
    sql(&t, "drop owned by plain; drop role plain");
}
END_TEST

/* Cut while Postgres is in the middle of a slow COMMIT: the answer is waited
 * for, not guessed. */
START_TEST(lost_answer_waits_for_the_old_transaction)
{
    struct proxy p;
    sql(&t, "create function events.slow() returns trigger language plpgsql"
            " as $$ begin perform pg_sleep(0.7); return null; end $$;"
            "create constraint trigger slow after insert on events.t"
            " initially deferred for each row when (new.n = 3)"
            " execute function events.slow()");
    proxy_start(&p, server_port(), PROXY_TO_SERVER, 1, -1);
    start(p.port, "ingest", "");
    resume();
    three_events(20); /* now the table is known */
    insist();
    three_events(1);
    /* The transaction's opening, data (three pieces) and end, then COMMIT. */
    atomic_store(&p.left, 6);
    insist();
    ck_assert_int_eq(atomic_load(&p.cuts), 1);
    ck_assert_ptr_nonnull(
        strstr(testhost_log(t.host), "whose commit went unanswered is in"));
    ck_assert_str_eq(ids(), "e1,e2,e20,e21,e22,e3");
    pgtest_down(&t);
    proxy_stop(&p);
}
END_TEST

static pid_t
backend(void)
{
    return (pid_t) atoi(sql(&t, "select pid from pg_stat_activity where"
                                " application_name like 'hanging%%'"));
}

START_TEST(stop_does_not_wait_for_a_hanging_server)
{
    start(server_port(), "ingest", "application_name = \"hanging\";");
    resume();
    three_events(1);
    insist();
    pid_t pid = backend();
    ck_assert_int_gt(pid, 1);
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    three_events(10);
    int got = testhost_write(t.host, 300);
    double begin = seconds();
    testhost_stop(t.host);
    double took = seconds() - begin;
    kill(pid, SIGCONT);
    ck_assert_int_eq(got, -ETIMEDOUT);
    ck_assert_msg(took < 1.0 * PATIENCE, "stop took %.3f s", took);
    pgtest_down(&t);
    /* The next process finds everything where it was. */
    start(server_port(), "ingest", "");
    ck_assert_uint_eq(resume(), 3);
    testhost_position(t.host, 4);
    three_events(10);
    insist();
    ck_assert_str_eq(ids(), "e1,e10,e11,e12,e2,e3");
}
END_TEST

/* A listener that nobody serves: the connection is made and never answered. */
START_TEST(connecting_is_given_up)
{
    uint64_t position = 0;
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *) &a, sizeof a), 0);
    ck_assert_int_eq(listen(fd, 4), 0);
    getsockname(fd, (struct sockaddr *) &a, &len);
    start(ntohs(a.sin_port), "ingest", "connect_timeout = \"300ms\";");
    double begin = seconds();
    ck_assert_int_eq(testhost_resume(t.host, &position), -EAGAIN);
    ck_assert(seconds() - begin < 2.0 * PATIENCE);
    ck_assert_ptr_nonnull(strstr(testhost_log(t.host), "did not answer"));
    pgtest_down(&t);
    close(fd);
}
END_TEST

START_TEST(an_idle_connection_may_be_closed)
{
    start(server_port(), "ingest", "application_name = \"hanging\";");
    resume();
    three_events(1);
    deliver(&t);
    sql(&t, "select pg_terminate_backend(%d, 5000)", (int) backend());
    usleep(50000);
    three_events(10);
    deliver(&t); /* at the first attempt */
    ck_assert_uint_eq(counted(&t, "reconnects"), 1);
    ck_assert_str_eq(ids(), "e1,e10,e11,e12,e2,e3");
}
END_TEST

/* For test-pg-faults.sh, which kills the server meanwhile, and makes a file
 * when it has done so often enough. */
#define LOAD_EVENTS 200

START_TEST(load_survives_kills)
{
    int retries = 0, got, b = 0;
    sql(&t, "drop table events.t;"
            "create table events.t (event_id text, n int, s text)");
    start(server_port(), "ingest", "connect_timeout = \"2s\";");
    resume();
    for (; access(getenv("LOAD_UNTIL"), F_OK) != 0; b++) {
        testhost_clear(t.host);
        for (int i = 0; i < LOAD_EVENTS; i++)
            event(&t,
                  "{\"id\":\"b%d.%d\",\"type\":\"t\",\"payload\":"
                  "{\"n\":%d,\"s\":\"xxxxxxxxxxxxxxxxxxxx\"}}",
                  b, i, i);
        while ((got = testhost_write(t.host, 60000)) == IL_RETRY) {
            retries++;
            usleep(20000);
        }
        ck_assert_msg(got == IL_OK, "outcome %d: %s", got,
                      testhost_why(t.host));
    }
    PQreset(t.db);
    char want[64];
    snprintf(want, sizeof want, "%d %d", b * LOAD_EVENTS, b * LOAD_EVENTS);
    ck_assert_str_eq(sql(&t, "select count(*) || ' ' || count(distinct"
                             " event_id) from events.t"),
                     want);
    fprintf(stderr, "%d batches, %d reconnects, %d retries\n", b,
            (int) counted(&t, "reconnects"), retries);
    ck_assert_uint_ge(counted(&t, "reconnects"), 3);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *s = suite_create("faults");
    TCase *c = tcase_create("faults");
    tcase_set_timeout(c, 240);
    tcase_add_checked_fixture(c, setup, teardown);
    if (argc > 1 && strcmp(argv[1], "load") == 0) {
        tcase_add_test(c, load_survives_kills);
    } else {
        tcase_add_test(c, cut_at_every_message);
        tcase_add_test(c, cut_at_every_message_without_lanes);
        tcase_add_test(c, lost_answer_waits_for_the_old_transaction);
        tcase_add_test(c, stop_does_not_wait_for_a_hanging_server);
        tcase_add_test(c, connecting_is_given_up);
        tcase_add_test(c, an_idle_connection_may_be_closed);
    }
    suite_add_tcase(s, c);
    return pgtest_run(s);
}
