/* SPDX-License-Identifier: MIT */
/* The two ways to write once, the fence between processes, and what roles,
 * settings and poolers do to them. */
#include "pgtest.h"

#include <unistd.h>

#define TABLE "table = \"events.t\"; "

static struct pgtest t;
static struct testhost *second;

static void
setup(void)
{
    memset(&t, 0, sizeof t);
    second = NULL;
    sql(&t, "set client_min_messages = error;"
            "drop schema if exists events cascade;"
            "drop schema if exists ingestlayer cascade;"
            "create schema events;"
            "create table events.t (event_id text, n int, s text default"
            " current_setting('synchronous_commit'));"
            "do $$ begin if exists (select from pg_roles where rolname ="
            " 'plain') then drop owned by plain; drop role plain; end if;"
            " end $$;"
            "create role plain login password 'right';"
            "grant usage on schema events to plain;"
            "grant insert, select on events.t to plain");
}

static void
teardown(void)
{
    if (second)
        testhost_free(second);
    pgtest_free(&t);
}

/* Open and start as a role; what resume() says, and where it is. */
static int
up(const char *user, const char *more, uint64_t *position)
{
    char text[512];
    int err, tries = 0;
    snprintf(text, sizeof text,
             "connection = \"dbname=postgres user=%s\"; " TABLE "%s", user,
             more);
    pgtest_open(&t, text);
    ck_assert_int_eq(testhost_start(t.host), 0);
    while ((err = testhost_resume(t.host, position)) == -EAGAIN && tries++ < 3)
        usleep(10000);
    return err;
}

static void
events(unsigned from, unsigned to)
{
    testhost_clear(t.host);
    for (unsigned i = from; i < to; i++)
        event(&t, "{\"id\":\"e%u\",\"type\":\"t\",\"payload\":{\"n\":%u}}", i,
              i);
}

static const char *
ids(void)
{
    return sql(&t, "select coalesce(string_agg(event_id, ',' order by n), '')"
                   " from events.t");
}

START_TEST(a_restart_goes_on_where_the_table_says)
{
    uint64_t position = 0;
    ck_assert_int_eq(up("ingest", "", &position), 0);
    ck_assert_uint_eq(position, 0);
    events(1, 4);
    deliver(&t);
    pgtest_down(&t);
    ck_assert_int_eq(up("ingest", "", &position), 0);
    ck_assert_uint_eq(position, 3);
    /* A host that had forgotten all of it sends them again. */
    events(1, 4);
    deliver(&t);
    ck_assert_str_eq(ids(), "e1,e2,e3");
    /* Half of this batch is in. */
    testhost_position(t.host, 2);
    events(2, 6);
    deliver(&t);
    ck_assert_str_eq(ids(), "e1,e2,e3,e4,e5");
}
END_TEST

START_TEST(a_local_cursor_may_be_ahead)
{
    uint64_t position = 40;
    ck_assert_int_eq(up("ingest", "", &position), 0);
    ck_assert_uint_eq(position, 40);
    testhost_position(t.host, 41);
    events(1, 2);
    deliver(&t);
    pgtest_down(&t);
    position = 90; /* 42 to 90 were dropped by steps */
    ck_assert_int_eq(up("ingest", "", &position), 0);
    ck_assert_uint_eq(position, 90);
    testhost_position(t.host, 91);
    events(2, 3);
    deliver(&t);
    ck_assert_str_eq(ids(), "e1,e2");
    ck_assert_str_eq(sql(&t, "select position || ' ' || (epoch >> 32) from"
                             " ingestlayer.lanes"),
                     "91 2");
}
END_TEST

/* A lane row as a version has left it that counted epochs and kept nothing. */
START_TEST(epochs_of_an_older_version_go_on)
{
    uint64_t position = 0;
    ck_assert_int_eq(up("ingest", "", &position), 0);
    events(1, 4);
    deliver(&t);
    pgtest_down(&t);
    pgtest_state_remove(&t);
    sql(&t, "update ingestlayer.lanes set epoch = 41");
    position = 0;
    ck_assert_int_eq(up("ingest", "", &position), 0);
    ck_assert_uint_eq(position, 3);
    ck_assert_str_eq(sql(&t, "select epoch >> 32 from ingestlayer.lanes"), "1");
    pgtest_down(&t);
    ck_assert_int_eq(up("ingest", "", &position), 0);
    ck_assert_str_eq(sql(&t, "select epoch >> 32 from ingestlayer.lanes"), "2");
}
END_TEST

/* Killed before the claim was carried out, or after it and before anybody heard
 * of that: the rows have the epoch of before, or the one that was meant. */
START_TEST(an_epoch_of_before_is_ours_and_one_that_was_meant)
{
    char epoch[2][32];
    uint64_t position = 0;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(up("ingest", "", &position), 0);
        snprintf(epoch[i], sizeof epoch[i], "%s",
                 sql(&t, "select epoch from ingestlayer.lanes"));
        if (!i) {
            events(1, 4);
            deliver(&t);
        }
        pgtest_down(&t);
    }
    ck_assert_str_ne(epoch[0], epoch[1]);
    for (int i = 0; i < 2; i++) {
        sql(&t, "update ingestlayer.lanes set epoch = %s", epoch[i]);
        position = 0;
        ck_assert_int_eq(up("ingest", "", &position), 0);
        ck_assert_uint_eq(position, 3);
        pgtest_down(&t);
    }
}
END_TEST

/* A copy of state_dir has the lane: its row is neither believed nor touched,
 * until somebody says that it is to be taken. */
START_TEST(rows_of_a_copy_are_not_believed)
{
    struct il_position p = { .position = 0, .given = 5 };
    uint64_t position = 0;
    ck_assert_int_eq(up("ingest", "", &position), 0);
    events(1, 4);
    deliver(&t);
    pgtest_down(&t);
    sql(&t, "update ingestlayer.lanes set position = 9, epoch = 99::bigint <<"
            " 32");
    p.struct_size = sizeof p;
    ck_assert_int_eq(up("ingest", "", &position), -ESTALE);
    ck_assert_uint_eq(position, 0);
    ck_assert_ptr_nonnull(
        strstr(testhost_log(t.host), "not of this state_dir"));
    ck_assert_int_eq(testhost_resume_at(t.host, &p), -ESTALE);
    ck_assert_uint_eq(p.there, 9);
    ck_assert_str_eq(sql(&t, "select position || ' ' || (epoch >> 32) from"
                             " ingestlayer.lanes where lane = 'test/lane'"),
                     "9 99");
    p.position = 5;
    p.flags = IL_POSITION_REWIND;
    pgtest_resume(&t, &p);
    ck_assert_uint_eq(p.position, 5);
    ck_assert_str_eq(sql(&t, "select position || ' ' || (epoch >> 32) from"
                             " ingestlayer.lanes where lane = 'test/lane'"),
                     "5 100");
}
END_TEST

/* The one that came first is stopped, before and after a reconnect. */
START_TEST(a_second_process_fences_the_first)
{
    uint64_t position = 0;
    ck_assert_int_eq(up("ingest", "", &position), 0);
    events(1, 2);
    deliver(&t);
    second = t.host;
    t.host = NULL;
    ck_assert_int_eq(up("ingest", "", &position), 0);
    struct testhost *newer = t.host;
    t.host = second;
    testhost_position(t.host, 2);
    events(2, 3);
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_FENCED);
    ck_assert_ptr_nonnull(strstr(testhost_why(t.host), "another process"));
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_FENCED);
    ck_assert_int_eq(testhost_resume(t.host, &position), -ESTALE);
    t.host = newer;
    testhost_position(t.host, 2);
    events(2, 3);
    deliver(&t);
    ck_assert_str_eq(ids(), "e1,e2");
}
END_TEST

START_TEST(a_row_that_went_missing_is_written_again)
{
    uint64_t position = 0;
    ck_assert_int_eq(up("ingest", "", &position), 0);
    events(1, 2);
    deliver(&t);
    sql(&t, "delete from ingestlayer.lanes");
    events(2, 3);
    deliver(&t);
    ck_assert_ptr_nonnull(strstr(testhost_log(t.host), "is gone from"));
    ck_assert_str_eq(ids(), "e1,e2");
}
END_TEST

/* A failover to a server that had not got the last batch, and not even the
 * start of this process. */
START_TEST(a_database_set_back_is_seen)
{
    uint64_t position = 0;
    ck_assert_int_eq(up("ingest", "", &position), 0);
    events(1, 2);
    deliver(&t);
    events(2, 3);
    deliver(&t);
    sql(&t, "delete from events.t where n = 2;"
            "update ingestlayer.lanes set position = 1, epoch = 0");
    events(3, 4);
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_SET_BACK);
    ck_assert_ptr_nonnull(strstr(testhost_why(t.host), "was set back"));
    position = 0;
    ck_assert_int_eq(testhost_resume(t.host, &position), 0);
    ck_assert_uint_eq(position, 1);
    testhost_position(t.host, 2);
    events(2, 4);
    deliver(&t);
    ck_assert_str_eq(ids(), "e1,e2,e3");
}
END_TEST

START_TEST(the_lanes_table_may_be_dropped)
{
    uint64_t position = 0;
    ck_assert_int_eq(up("ingest", "", &position), 0);
    events(1, 2);
    deliver(&t);
    sql(&t, "drop schema ingestlayer cascade");
    events(2, 3);
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_PAUSE);
    deliver(&t); /* made again by a new connection */
    ck_assert_str_eq(ids(), "e1,e2");
    ck_assert_str_eq(sql(&t, "select position from ingestlayer.lanes"), "2");
}
END_TEST

START_TEST(without_lanes_a_unique_id_keeps_rows_single)
{
    uint64_t position = 0;
    sql(&t, "alter table events.t add unique (event_id),"
            " add check (n <> 5)");
    ck_assert_int_eq(up("plain", "", &position), 0);
    ck_assert_ptr_nonnull(strstr(testhost_log(t.host), "on conflict"));
    events(1, 4);
    deliver(&t);
    deliver(&t); /* the same again */
    ck_assert_str_eq(ids(), "e1,e2,e3");
    testhost_position(t.host, 3);
    events(3, 8);
    deliver(&t);
    kept(&t, 0);
    rejected(&t, 2, "23514", NULL, "t_n_check");
    ck_assert_str_eq(ids(), "e1,e2,e3,e4,e6,e7");
}
END_TEST

static void
same_id(unsigned n)
{
    event(&t, "{\"id\":\"e1\",\"type\":\"t\",\"payload\":{\"n\":%u}}", n);
}

/* Two events of one id are two events: the second is no repetition of the
 * first, whichever batch it is in and how often that comes. */
START_TEST(without_lanes_another_event_of_the_same_id_is_a_dead_letter)
{
    struct il_position at = { .position = 0 };
    sql(&t, "alter table events.t add unique (event_id)");
    pgtest_open(&t, "connection = \"dbname=postgres user=plain\"; " TABLE);
    ck_assert_int_eq(testhost_start(t.host), 0);
    pgtest_resume(&t, &at);
    same_id(1);
    same_id(2);
    event(&t, "{\"id\":\"e2\",\"type\":\"t\",\"payload\":{\"n\":3}}");
    for (int i = 0; i < 3; i++) {
        deliver(&t);
        kept(&t, 0);
        rejected(&t, 1, "23505", NULL, NULL);
        kept(&t, 2);
        ck_assert_str_eq(ids(), "e1,e2");
    }
    testhost_position(t.host, 4);
    testhost_clear(t.host);
    same_id(4);
    event(&t, "{\"id\":\"e5\",\"type\":\"t\",\"payload\":{\"n\":5}}");
    for (int i = 0; i < 3; i++) {
        deliver(&t);
        rejected(&t, 0, "23505", NULL, NULL);
        kept(&t, 1);
    }
    ck_assert_str_eq(ids(), "e1,e2,e5");
    pgtest_down(&t);
    /* The next process cannot know which were delivered; but it sees that this
     * row is another event's. */
    pgtest_open(&t, "connection = \"dbname=postgres user=plain\"; " TABLE);
    ck_assert_int_eq(testhost_start(t.host), 0);
    at = (struct il_position){ .position = 3, .given = 5 };
    pgtest_resume(&t, &at);
    testhost_position(t.host, 4);
    same_id(4);
    event(&t, "{\"id\":\"e5\",\"type\":\"t\",\"payload\":{\"n\":5}}");
    event(&t, "{\"id\":\"e2\",\"type\":\"t\",\"payload\":{\"n\":3}}");
    deliver(&t);
    rejected(&t, 0, "23505", "event_id", NULL);
    kept(&t, 1);
    rejected(&t, 2, "23505", NULL, "t_event_id_key");
    ck_assert_str_eq(ids(), "e1,e2,e5");
}
END_TEST

START_TEST(without_lanes_and_unique_id_it_pauses)
{
    uint64_t position = 0;
    ck_assert_int_eq(up("plain", "", &position), 0);
    events(1, 2);
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_PAUSE);
    ck_assert_ptr_nonnull(strstr(testhost_why(t.host), "create unique index"));
    ck_assert_str_eq(ids(), "");
    sql(&t, "create unique index on events.t (event_id)");
    deliver(&t);
    ck_assert_str_eq(ids(), "e1");
}
END_TEST

/* Granted by hand, as `ingestlayer ddl` prints it. */
START_TEST(a_small_role_may_use_lanes)
{
    uint64_t position = 0;
    sql(&t, "create schema ingestlayer; create table ingestlayer.lanes"
            " (spool uuid, lane text, position bigint, epoch bigint,"
            " primary key (spool, lane));"
            "grant usage on schema ingestlayer to plain;"
            "grant select, insert, update on ingestlayer.lanes to plain");
    ck_assert_int_eq(up("plain", "", &position), 0);
    events(1, 2);
    deliver(&t);
    ck_assert_str_eq(sql(&t, "select position from ingestlayer.lanes"), "1");
}
END_TEST

START_TEST(a_wrong_password_pauses_and_stays_secret)
{
    uint64_t position = 0;
    sql(&t, "alter table events.t add unique (event_id)");
    ck_assert_int_eq(up("plain host=127.0.0.1 password=wr0ngpw", "", &position),
                     -EACCES);
    ck_assert_ptr_nonnull(strstr(testhost_log(t.host), "28P01"));
    ck_assert_ptr_null(strstr(testhost_log(t.host), "wr0ngpw"));
    sql(&t, "alter role plain password 'wr0ngpw'");
    ck_assert_int_eq(testhost_resume(t.host, &position), 0);
    events(1, 2);
    deliver(&t);
}
END_TEST

START_TEST(what_is_over_soon_is_waited_for)
{
    uint64_t position = 0;
    sql(&t, "alter table events.t add unique (event_id)");
    ck_assert_int_eq(up("plain", "", &position), 0);
    events(1, 2);
    deliver(&t);
    pgtest_down(&t);
    /* Too many connections. */
    sql(&t, "alter role plain connection limit 0");
    ck_assert_int_eq(up("plain", "", &position), -EAGAIN);
    ck_assert_ptr_nonnull(strstr(testhost_log(t.host), "53300"));
    sql(&t, "alter role plain connection limit -1");
    ck_assert_int_eq(testhost_resume(t.host, &position), 0);
    /* A standby, as it looks after a failover. */
    sql(&t, "alter role plain set default_transaction_read_only = on;"
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where usename = 'plain'");
    usleep(50000);
    events(2, 3);
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_RETRY);
    ck_assert_ptr_nonnull(strstr(testhost_why(t.host), "25006"));
    sql(&t, "alter role plain reset default_transaction_read_only");
    deliver(&t);
    /* A right that was taken away: a person must give it back. */
    sql(&t, "revoke insert on events.t from plain");
    events(3, 4);
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_PAUSE);
    ck_assert_ptr_nonnull(strstr(testhost_why(t.host), "42501"));
    sql(&t, "grant insert on events.t to plain");
    deliver(&t);
    ck_assert_str_eq(ids(), "e1,e2,e3");
}
END_TEST

/* A commit that Postgres could forget would leave the cursor ahead of it. */
START_TEST(a_commit_is_flushed_whatever_the_role_says)
{
    uint64_t position = 0;
    sql(&t, "alter role ingest set synchronous_commit = off");
    int err = up("ingest", "", &position);
    sql(&t, "alter role ingest reset synchronous_commit");
    ck_assert_int_eq(err, 0);
    events(1, 2);
    deliver(&t);
    ck_assert_str_eq(sql(&t, "select s from events.t"), "on");
}
END_TEST

/* Row level security and views that Postgres writes through take no COPY; what
 * a policy or a check option forbids is the row's fault. */
START_TEST(tables_that_take_no_copy)
{
    static const char *const tables[] = { "events.secured", "events.v",
                                          "events.checked" };
    char text[200];
    sql(&t, "create domain events.d as text check (value <> 'z');"
            "create table events.secured (event_id text, n int default 5,"
            " d events.d default 'x', p bigserial);"
            "alter table events.secured enable row level security;"
            "create policy p on events.secured to plain with check (n <> 2);"
            "grant insert on events.secured to plain;"
            "grant usage on sequence events.secured_p_seq to plain;"
            "create table events.base (event_id text, n int default 5 check"
            " (n <> 2), d events.d default 'x', p bigserial);"
            "grant usage on sequence events.base_p_seq to plain;"
            "create view events.v as select * from events.base;"
            "create view events.checked as select * from events.secured where"
            " n <> 2 with check option;"
            "create schema ingestlayer; create table ingestlayer.lanes"
            " (spool uuid, lane text, position bigint, epoch bigint,"
            " primary key (spool, lane));"
            "grant usage on schema ingestlayer to plain;"
            "grant select, insert, update on ingestlayer.lanes to plain;"
            "grant insert on events.v, events.checked to plain");
    for (int k = 0; k < 3; k++) {
        uint64_t position = 0;
        int tries = 0;
        snprintf(text, sizeof text,
                 "connection = \"dbname=postgres user=plain\"; table = \"%s\";",
                 tables[k]);
        pgtest_open(&t, text);
        ck_assert_int_eq(testhost_start(t.host), 0);
        while (testhost_resume(t.host, &position) == -EAGAIN && tries++ < 3)
            usleep(10000);
        testhost_position(t.host, position + 1);
        for (unsigned i = 1; i < 6; i++)
            event(&t,
                  "{\"id\":\"e%u\",\"type\":\"t\",\"payload\":{\"d\":\"y\","
                  "\"n\":%u}}",
                  i, i);
        event(&t, "{\"id\":\"e6\",\"type\":\"t\",\"payload\":{}}");
        event(&t, "{\"id\":\"e7\",\"type\":\"t\",\"payload\":{\"d\":\"z\"}}");
        deliver(&t);
        rejected(&t, 1,
                 k == 0   ? "42501"
                 : k == 1 ? "23514"
                          : "44000",
                 NULL, NULL);
        rejected(&t, 6, "23514", NULL, "d_check");
        ck_assert_str_eq(sql(&t,
                             "select string_agg(event_id || n || d, ' '"
                             " order by p) from %s where p > %d",
                             tables[k], k < 2 ? 0 : 100),
                         "e11y e33y e44y e55y e65x");
        sql(&t, "select setval('events.secured_p_seq', 100)");
        pgtest_down(&t);
    }
}
END_TEST

START_TEST(probe_names_the_mode)
{
    int err;
    pgtest_open(&t, "connection = \"dbname=postgres user=plain\"; " TABLE);
    ck_assert_ptr_null(testhost_probe(t.host, &err));
    ck_assert_int_eq(err, -EACCES);
    sql(&t, "alter table events.t add unique (event_id)");
    const char *said = testhost_probe(t.host, &err);
    ck_assert_int_eq(err, 0);
    ck_assert_ptr_nonnull(strstr(said, "on conflict (event_id) do nothing"));
    sql(&t, "revoke insert on events.t from plain");
    ck_assert_ptr_null(testhost_probe(t.host, &err));
    ck_assert_int_eq(err, -EACCES);
}
END_TEST

/* Through a pooler that hands out connections by the transaction. */
START_TEST(pgbouncer_in_transaction_mode)
{
    char text[512];
    uint64_t position = 0;
    const char *port = getenv("PGBOUNCER_PORT");
    snprintf(text, sizeof text,
             "connection = \"host=127.0.0.1 port=%s dbname=postgres"
             " user=ingest sslmode=disable\"; " TABLE,
             port);
    sql(&t, "alter table events.t add check (n %% 10 <> 3), add d date");
    pgtest_open(&t, text);
    ck_assert_int_eq(testhost_start(t.host), 0);
    ck_assert_int_eq(testhost_resume(t.host, &position), 0);
    for (unsigned b = 0; b < 20; b++) {
        events(b * 10, b * 10 + 9);
        event(&t,
              "{\"id\":\"e%u\",\"type\":\"t\",\"payload\":"
              "{\"n\":%u,\"d\":\"%s\"}}",
              b * 10 + 9, b * 10 + 9, b % 2 ? "2024-01-05" : "Jan 5 2024");
        deliver(&t);
        rejected(&t, 3, "23514", NULL, NULL);
    }
    ck_assert_str_eq(sql(&t, "select count(*) || ' ' || count(distinct"
                             " event_id) || ' ' || max(d)::text from"
                             " events.t"),
                     "180 180 2024-01-05");
}
END_TEST

START_TEST(pgbouncer_without_lanes)
{
    char text[512];
    uint64_t position = 0;
    sql(&t, "alter table events.t add unique (event_id)");
    snprintf(text, sizeof text,
             "connection = \"host=127.0.0.1 port=%s dbname=postgres"
             " user=plain password=right sslmode=disable\"; " TABLE,
             getenv("PGBOUNCER_PORT"));
    pgtest_open(&t, text);
    ck_assert_int_eq(testhost_start(t.host), 0);
    ck_assert_int_eq(testhost_resume(t.host, &position), 0);
    for (unsigned b = 0; b < 10; b++) {
        events(b * 5, b * 5 + 10);
        deliver(&t);
    }
    ck_assert_str_eq(sql(&t, "select count(*) from events.t"), "55");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("modes");
    TCase *c = tcase_create("modes");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_restart_goes_on_where_the_table_says);
    tcase_add_test(c, a_local_cursor_may_be_ahead);
    tcase_add_test(c, epochs_of_an_older_version_go_on);
    tcase_add_test(c, an_epoch_of_before_is_ours_and_one_that_was_meant);
    tcase_add_test(c, rows_of_a_copy_are_not_believed);
    tcase_add_test(c, a_second_process_fences_the_first);
    tcase_add_test(c, a_row_that_went_missing_is_written_again);
    tcase_add_test(c, a_database_set_back_is_seen);
    tcase_add_test(c, the_lanes_table_may_be_dropped);
    tcase_add_test(c, without_lanes_a_unique_id_keeps_rows_single);
    tcase_add_test(c,
                   without_lanes_another_event_of_the_same_id_is_a_dead_letter);
    tcase_add_test(c, without_lanes_and_unique_id_it_pauses);
    tcase_add_test(c, a_small_role_may_use_lanes);
    tcase_add_test(c, a_wrong_password_pauses_and_stays_secret);
    tcase_add_test(c, what_is_over_soon_is_waited_for);
    tcase_add_test(c, a_commit_is_flushed_whatever_the_role_says);
    tcase_add_test(c, tables_that_take_no_copy);
    tcase_add_test(c, probe_names_the_mode);
    if (getenv("PGBOUNCER_PORT")) {
        tcase_add_test(c, pgbouncer_in_transaction_mode);
        tcase_add_test(c, pgbouncer_without_lanes);
    }
    suite_add_tcase(s, c);
    return pgtest_run(s);
}
