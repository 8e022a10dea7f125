/* SPDX-License-Identifier: MIT */
/* Several connections of one lane: every event is in the table once or a dead
 * letter, whichever of them breaks when, and however many there are after the
 * next start. */
#include "pgtest.h"

#include "proxy.h"

#include <signal.h>
#include <sys/wait.h>

#define BATCH 1024 /* events: enough for four connections */
#define STRIPE 64  /* positions in a row that are of one connection */

static struct pgtest t;
static struct testhost *second;
static unsigned bad_every; /* which events the table refuses: 7, 107, ... */

static void
make_table(unsigned every)
{
    bad_every = every;
    sql(&t,
        "drop table if exists events.t; create table events.t"
        " (event_id text unique, n int check (n %% %u <> 7))",
        every);
}

static void
setup(void)
{
    memset(&t, 0, sizeof t);
    second = NULL;
    sql(&t, "set client_min_messages = error;"
            "drop schema if exists events cascade;"
            "drop schema if exists ingestlayer cascade;"
            "create schema events");
    make_table(100);
}

static void
teardown(void)
{
    if (second)
        testhost_free(second);
    pgtest_free(&t);
}

static void
start_at(int port, const char *user, int connections)
{
    char text[512];
    snprintf(text, sizeof text,
             "connection = \"host=127.0.0.1 port=%d dbname=postgres user=%s "
             "sslmode=disable gssencmode=disable\"; table = \"events.t\"; "
             "application_name = \"conns\"; connections = %d;",
             port, user, connections);
    pgtest_open(&t, text);
    ck_assert_int_eq(testhost_start(t.host), 0);
}

static struct il_position
resume_from(uint64_t position, uint64_t given, uint32_t flags)
{
    struct il_position p = { .position = position,
                             .given = given,
                             .flags = flags };
    pgtest_resume(&t, &p);
    return p;
}

static uint64_t
start(int connections)
{
    start_at(atoi(getenv("PGPORT")), "ingest", connections);
    return resume_from(0, UINT64_MAX, 0).position;
}

/* The next batch: its events have their positions as numbers. */
static void
batch(uint64_t from, uint64_t to)
{
    testhost_clear(t.host);
    testhost_position(t.host, from);
    for (uint64_t i = from; i < to; i++)
        event(&t, "{\"id\":\"e%llu\",\"type\":\"t\",\"payload\":{\"n\":%llu}}",
              (unsigned long long) i, (unsigned long long) i);
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
    ck_assert_int_eq(testhost_settled(t.host), 1);
}

/* Rows 1 to last, each once, without those that the check refuses. */
static void
expect_rows(uint64_t last)
{
    char want[64];
    unsigned long long rows = last - (last + bad_every - 7) / bad_every;
    snprintf(want, sizeof want, "%llu %llu", rows, rows);
    const char *got = sql(&t,
                          "select count(*) || ' ' || count(distinct n)"
                          " from events.t where n between 1 and %llu",
                          (unsigned long long) last);
    ck_assert_str_eq(got, want);
    ck_assert_str_eq(sql(&t, "select count(*) from events.t where n > %llu",
                         (unsigned long long) last),
                     "0");
}

static void
expect_letters(uint64_t last)
{
    char want[4096] = "";
    for (uint64_t n = 7; n <= last; n += bad_every)
        sprintf(want + strlen(want), "%llu:23514 ", (unsigned long long) n);
    ck_assert_str_eq(testhost_letters(t.host), want);
}

static const char *
rows_of_lane(void)
{
    return sql(&t, "select string_agg(substr(lane, 10) || ' at ' || position,"
                   " ',' order by lane) from ingestlayer.lanes");
}

static const char *
sql_number(int n)
{
    static char text[16];
    snprintf(text, sizeof text, "%d", n);
    return text;
}

static int
backends(void)
{
    return atoi(sql(&t, "select count(*) from pg_stat_activity"
                        " where application_name like 'conns%%'"));
}

START_TEST(a_batch_is_shared_out)
{
    ck_assert_uint_eq(start(4), 0);
    ck_assert_int_eq(backends(), 1);
    for (uint64_t i = 0; i < 3; i++) {
        batch(1 + i * BATCH, 1 + (i + 1) * BATCH);
        deliver(&t);
    }
    ck_assert_int_eq(backends(), 4);
    expect_rows(3 * BATCH);
    expect_letters(3 * BATCH);
    ck_assert_str_eq(rows_of_lane(), " (1 of 4) at 3072, (2 of 4) at 3072,"
                                     " (3 of 4) at 3072, (4 of 4) at 3072");
    ck_assert_uint_eq(counted(&t, "rows"), 3 * BATCH - 31);
    ck_assert_uint_eq(counted(&t, "rejects"), 31);
    ck_assert_uint_eq(counted(&t, "reconnects"), 0);
}
END_TEST

START_TEST(a_small_batch_goes_over_one)
{
    start(4);
    batch(1, 100);
    deliver(&t);
    ck_assert_int_eq(backends(), 1);
    expect_rows(99);
    expect_letters(99);
    ck_assert_str_eq(rows_of_lane(), " (1 of 4) at 99, (2 of 4) at 99,"
                                     " (3 of 4) at 99, (4 of 4) at 99");
    batch(100, 100 + BATCH);
    deliver(&t);
    batch(100 + BATCH, 200 + BATCH);
    deliver(&t);
    expect_rows(199 + BATCH);
}
END_TEST

/* --- connections that break ---------------------------------------------- */

/* Two batches and a small one over three connections, of which one is cut once.
 * Returns whether there was still something to cut. */
static int
cut_at(int direction, int pass_on, int n, const char *user)
{
    struct proxy p;
    sql(&t, "truncate events.t; drop schema if exists ingestlayer cascade");
    proxy_start(&p, atoi(getenv("PGPORT")), direction, pass_on, n);
    start_at(p.port, user, 3);
    resume_from(0, UINT64_MAX, 0);
    batch(1, 801);
    insist();
    batch(801, 1601);
    insist();
    batch(1601, 1621);
    insist();
    expect_rows(1620);
    expect_letters(1620);
    pgtest_down(&t);
    proxy_stop(&p);
    return atomic_load(&p.cuts);
}

/* At each message, or at each few: test-pg-faults cuts one connection at all.
 */
static void
cut_everywhere(const char *user, int each)
{
    static const struct {
        int direction, pass_on, step;
    } ways[] = { { PROXY_TO_SERVER, 0, 1 },
                 { PROXY_TO_SERVER, 1, 1 },
                 { PROXY_TO_CLIENT, 0, 3 } }; /* or more for a statement */
    int cuts = 0;
    for (int w = 0; w < 3; w++) {
        int n = 1;
        for (; cut_at(ways[w].direction, ways[w].pass_on, n, user); cuts++)
            n += ways[w].step * each;
        ck_assert_int_gt(n, 50);
    }
    fprintf(stderr, "as %s: %d cuts\n", user, cuts);
}

START_TEST(cut_at_every_message)
{
    make_table(800);
    cut_everywhere("ingest", 2);
}
END_TEST

START_TEST(cut_at_every_message_without_lanes)
{
    sql(&t, "do $$ begin if exists (select from pg_roles where rolname ="
            " 'plain') then drop owned by plain; drop role plain; end if;"
            " end $$;"
            "create role plain login;"
            "grant usage on schema events to plain");
    make_table(800);
    sql(&t, "grant insert, select on events.t to plain");
    cut_everywhere("plain", 5);
    sql(&t, "drop owned by plain; drop role plain");
}
END_TEST

/* --- one that cannot go on ----------------------------------------------- */

/* Hold the row of a connection, so that its part of a batch cannot begin. */
static PGconn *
hold_row(const char *name)
{
    char text[256];
    PGconn *db = db_open();
    snprintf(text, sizeof text,
             "begin; select from ingestlayer.lanes where lane = 'test/lane%s'"
             " for update",
             name);
    PGresult *res = PQexec(db, text);
    ck_assert_int_eq(PQresultStatus(res), PGRES_TUPLES_OK);
    ck_assert_int_eq(PQntuples(res), 1);
    PQclear(res);
    return db;
}

/* Until so many rows of the lane are at a position. */
static void
wait_rows_at(uint64_t position, int rows)
{
    for (int i = 0; i < 100 * PATIENCE * 10; i++) {
        if (atoi(sql(&t,
                     "select count(*) from ingestlayer.lanes"
                     " where position = %llu",
                     (unsigned long long) position))
            == rows)
            return;
        usleep(10000);
    }
    ck_abort_msg("lanes: %s", rows_of_lane());
}

/* The process ends while all parts but one are in. */
static void
crash_between(uint64_t from, uint64_t to, const char *held, int others)
{
    PGconn *db = hold_row(held);
    batch(from, to);
    ck_assert_int_eq(testhost_write(t.host, 1), -ETIMEDOUT);
    wait_rows_at(to - 1, others);
    pgtest_down(&t);
    PQfinish(db);
}

START_TEST(a_part_that_is_in_stays_in_after_a_crash)
{
    start(3);
    batch(1, 801);
    deliver(&t);
    crash_between(801, 1601, " (2 of 3)", 2);
    ck_assert_uint_eq(start(3), 800);
    /* Cut otherwise than before; those that are in are neither live nor marked:
     * their letters are those of the first attempt. */
    batch(801, 1701);
    deliver(&t);
    expect_rows(1700);
    for (uint32_t i = 0; i < 900; i++) {
        uint64_t p = 801 + i;
        int bad = p % 100 == 7, ours = p > 1600 || p / STRIPE % 3 == 1;
        ck_assert_msg(!bad || !ours == !testhost_reason(t.host, i), "event %u",
                      i);
    }
}
END_TEST

/* The number of connections is another one at each start, and most of the
 * processes end in the middle of a batch. */
START_TEST(another_number_of_connections_goes_on)
{
    static const int numbers[] = { 1, 4, 2, 4, 1, 3, 2, 2, 1, 4 };
    uint64_t end = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int n = numbers[i];
        uint64_t at = start(n);
        ck_assert_uint_le(at, end);
        if (at < end) {
            batch(at + 1, end + 1);
            deliver(&t);
        }
        batch(end + 1, end + 1 + BATCH);
        deliver(&t);
        end += BATCH;
        ck_assert_str_eq(sql(&t,
                             "select count(*) from ingestlayer.lanes"
                             " where position = %llu",
                             (unsigned long long) end),
                         sql_number(n));
        if (n == 1) {
            pgtest_down(&t);
            continue;
        }
        char held[32];
        snprintf(held, sizeof held, " (%d of %d)", 1 + (int) (i % (size_t) n),
                 n);
        crash_between(end + 1, end + 1 + BATCH, held, n - 1);
        end += BATCH;
    }
    uint64_t at = start(1);
    batch(at + 1, end + 11);
    deliver(&t);
    expect_rows(end + 10);
}
END_TEST

START_TEST(a_second_process_fences_every_connection)
{
    start(3);
    batch(1, 801);
    deliver(&t);
    struct testhost *first = t.host;
    t.host = NULL;
    ck_assert_uint_eq(start(2), 800);
    second = first;
    batch(801, 1601);
    deliver(&t);
    struct testhost *other = t.host;
    t.host = second;
    batch(801, 1601);
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_FENCED);
    uint64_t position = 0;
    ck_assert_int_eq(testhost_resume(t.host, &position), -ESTALE);
    t.host = other;
    expect_rows(1600);
}
END_TEST

/* --- positions that go back ---------------------------------------------- */

/* The database as events.old and events.lanes have it, which the next batch
 * finds; what resume() says then. */
static struct il_position
set_back(void)
{
    sql(&t, "truncate events.t; insert into events.t select * from events.old;"
            "truncate ingestlayer.lanes;"
            "insert into ingestlayer.lanes select * from events.lanes");
    batch(1601, 2401);
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_SET_BACK);
    return resume_from(1600, 0, 0);
}

START_TEST(a_database_set_back_is_delivered_again)
{
    start(3);
    batch(1, 801);
    deliver(&t);
    sql(&t, "create table events.old as select * from events.t;"
            "create table events.lanes as select * from ingestlayer.lanes");
    batch(801, 1601);
    deliver(&t);
    struct il_position p = set_back();
    ck_assert_uint_eq(p.there, 800);
    batch(801, 2401);
    deliver(&t);
    expect_rows(2400);
}
END_TEST

/* To a moment between two commits, and before the number was changed. */
START_TEST(a_database_set_back_before_the_change_is_delivered_again)
{
    start(2);
    batch(1, 801);
    deliver(&t);
    sql(&t, "create table events.old as select * from events.t"
            " where n / 64 %% 2 = 0 or n <= 640;"
            "create table events.lanes as select spool, lane, case when lane"
            " like '%%(1 of 2)' then position else 640 end as position, epoch"
            " from ingestlayer.lanes");
    pgtest_down(&t);
    ck_assert_uint_eq(start(3), 800);
    batch(801, 1601);
    deliver(&t);
    struct il_position p = set_back();
    ck_assert_uint_eq(p.there, 640);
    batch(641, 2401);
    deliver(&t);
    expect_rows(2400);
}
END_TEST

/* An old state_dir: what comes next are new events under numbers that some rows
 * have passed, though not all. */
START_TEST(rows_beyond_the_spool_are_taken_back)
{
    start(3);
    batch(1, 801);
    deliver(&t);
    crash_between(801, 1601, " (3 of 3)", 2);
    sql(&t, "truncate events.t");
    start_at(atoi(getenv("PGPORT")), "ingest", 3);
    struct il_position p = resume_from(0, 900, 0);
    ck_assert_uint_eq(p.position, 1600); /* beyond what was given out */
    p = resume_from(900, 900, IL_POSITION_REWIND);
    ck_assert_uint_eq(p.position, 800); /* here is what is missing, too */
    ck_assert_str_eq(rows_of_lane(), " (1 of 3) at 900, (2 of 3) at 900,"
                                     " (3 of 3) at 800, (was at) at 1600");
    batch(901, 1801);
    deliver(&t);
    ck_assert_str_eq(sql(&t, "select count(*) || ' ' || min(n) from events.t"),
                     "891 901");
    /* The mark keeps the positions from being taken for rows that are gone. */
    pgtest_down(&t);
    start_at(atoi(getenv("PGPORT")), "ingest", 2);
    p = resume_from(0, 2000, 0);
    ck_assert_uint_eq(p.position, 1800);
    ck_assert_uint_eq(p.there, 1800);
}
END_TEST

/* --- a claim that comes late --------------------------------------------- */

static int
late_backends(void)
{
    return atoi(sql(&t, "select count(*) from pg_stat_activity"
                        " where application_name like 'late%%'"
                        " and wait_event = 'advisory'"));
}

/* A process that dies right after it has sent its claim: Postgres carries it
 * out when another process has the lane already. */
static void
late_claim(int connections)
{
    char text[512];
    sql(&t,
        "create function events.wait() returns trigger language plpgsql as"
        " $$ begin if current_setting('application_name') like 'late%%' then"
        " perform pg_advisory_xact_lock(42); end if; return null; end $$");
    start(connections);
    batch(1, 801);
    deliver(&t);
    pgtest_down(&t);
    sql(&t, "create trigger wait before update on ingestlayer.lanes"
            " execute function events.wait(); select pg_advisory_lock(42)");
    pid_t pid = fork();
    if (!pid) {
        struct il_position p = { .given = UINT64_MAX };
        t.host = NULL;
        snprintf(text, sizeof text,
                 "connection = \"dbname=postgres user=ingest\"; "
                 "table = \"events.t\"; application_name = \"late\"; "
                 "connections = %d;",
                 connections);
        pgtest_open(&t, text);
        testhost_start(t.host);
        for (;;)
            testhost_resume_at(t.host, &p);
    }
    for (int i = 0; !late_backends(); i++) {
        ck_assert_int_lt(i, 1000 * PATIENCE);
        usleep(10000);
    }
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    for (int i = 0; i < 2; i++) { /* two more, of which the second lives */
        pgtest_down(&t);
        ck_assert_uint_eq(start(connections), 800);
    }
    char *before = strdup(
        sql(&t, "select string_agg(epoch::text, ' ') from ingestlayer.lanes"));
    sql(&t, "select pg_advisory_unlock(42)");
    for (int i = 0; atoi(sql(&t, "select count(*) from pg_stat_activity where"
                                 " application_name like 'late%%'"));
         i++) {
        ck_assert_int_lt(i, 1000 * PATIENCE);
        usleep(10000);
    }
    ck_assert_str_eq(sql(&t, "select string_agg(epoch::text, ' ')"
                             " from ingestlayer.lanes"),
                     before);
    free(before);
    batch(801, 1601);
    deliver(&t);
    sql(&t, "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where application_name like 'conns%%'");
    batch(1601, 2401);
    insist();
    expect_rows(2400);
}

START_TEST(a_late_claim_fences_nobody)
{
    late_claim(1);
}
END_TEST

START_TEST(a_late_claim_of_several_rows_fences_nobody)
{
    late_claim(3);
}
END_TEST

START_TEST(a_limit_that_is_too_low_is_found_by_the_check)
{
    static const char *const lines[] = { "2", "3" };
    int err;
    sql(&t, "do $$ begin if exists (select from pg_roles where rolname = 'few')"
            " then drop owned by few; drop role few; end if; end $$;"
            "create role few login;"
            "grant usage on schema events to few;"
            "grant insert, select on events.t to few");
    for (int i = 0; i < 2; i++) {
        sql(&t, "alter role few connection limit %s", lines[i]);
        pgtest_open(&t, "connection = \"dbname=postgres user=few\"; "
                        "table = \"events.t\"; connections = 3;");
        const char *said = testhost_probe(t.host, &err);
        ck_assert_int_eq(err, i ? 0 : -EACCES);
        ck_assert_int_eq(said && strstr(said, "up to 3 connections"), i);
        pgtest_down(&t);
    }
    sql(&t, "drop owned by few; drop role few");
}
END_TEST

/* CK_RUN_CASE chooses one. */
static void
add(Suite *s, const char *name, const TTest *const *tests, size_t n)
{
    TCase *c = tcase_create(name);
    tcase_set_timeout(c, 400 * PATIENCE);
    tcase_add_checked_fixture(c, setup, teardown);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(c, tests[i]);
    suite_add_tcase(s, c);
}

int
main(void)
{
    const TTest *const cuts[] = { cut_at_every_message,
                                  cut_at_every_message_without_lanes };
    const TTest *const parts[] = {
        a_batch_is_shared_out,
        a_small_batch_goes_over_one,
        a_part_that_is_in_stays_in_after_a_crash,
        another_number_of_connections_goes_on,
        a_second_process_fences_every_connection,
        a_database_set_back_is_delivered_again,
        a_database_set_back_before_the_change_is_delivered_again,
        rows_beyond_the_spool_are_taken_back,
        a_limit_that_is_too_low_is_found_by_the_check,
    };
    const TTest *const claims[] = {
        a_late_claim_fences_nobody,
        a_late_claim_of_several_rows_fences_nobody,
    };
    Suite *s = suite_create("connections");
    add(s, "cuts", cuts, sizeof cuts / sizeof *cuts);
    add(s, "parts", parts, sizeof parts / sizeof *parts);
    add(s, "claims", claims, sizeof claims / sizeof *claims);
    return pgtest_run(s);
}
