/* SPDX-License-Identifier: MIT */
/* Rows that Postgres refuses: each becomes a dead letter that says why, all
 * others arrive, and finding them costs a bounded number of rows sent again. */
#include "pgtest.h"

#define CONNECT "connection = \"dbname=postgres\"; table = \"events.t\"; "

static struct pgtest t;

static void
setup(void)
{
    memset(&t, 0, sizeof t);
    sql(&t, "set client_min_messages = error;"
            "drop schema if exists events cascade;"
            "drop schema if exists ingestlayer cascade;"
            "create schema events");
}

static void
teardown(void)
{
    pgtest_free(&t);
}

static void
up(const char *more)
{
    char config[512];
    snprintf(config, sizeof config, CONNECT "%s", more);
    ck_assert_int_eq(pgtest_up(&t, config), 0);
}

static void
numbered(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        event(&t, "{\"id\":\"e%06u\",\"type\":\"t\",\"payload\":{\"n\":%u}}", i,
              i);
}

static unsigned
rows(void)
{
    return (unsigned) atoi(sql(&t, "select count(*) from events.t"));
}

START_TEST(each_constraint_is_named)
{
    sql(&t, "create table events.other (id int primary key);"
            "insert into events.other values (1);"
            "create table events.t (event_id text primary key, n int not null"
            " constraint small check (n < 100), u int constraint once unique,"
            " r int constraint points references events.other)");
    up("");
    event(&t, "{\"id\":\"a\",\"type\":\"t\",\"payload\":{\"n\":1,\"u\":1}}");
    event(&t, "{\"id\":\"b\",\"type\":\"t\",\"payload\":{\"n\":100}}");
    event(&t, "{\"id\":\"c\",\"type\":\"t\",\"payload\":{\"u\":2}}");
    event(&t, "{\"id\":\"d\",\"type\":\"t\",\"payload\":{\"n\":1,\"u\":1}}");
    event(&t, "{\"id\":\"e\",\"type\":\"t\",\"payload\":{\"n\":2,\"r\":1}}");
    event(&t, "{\"id\":\"f\",\"type\":\"t\",\"payload\":{\"n\":2,\"r\":2}}");
    event(&t, "{\"id\":\"a\",\"type\":\"t\",\"payload\":{\"n\":3}}");
    deliver(&t);
    kept(&t, 0);
    rejected(&t, 1, "23514", NULL, "small");
    rejected(&t, 2, "23502", "n", NULL);
    rejected(&t, 3, "23505", NULL, "once");
    kept(&t, 4);
    rejected(&t, 5, "23503", NULL, "points");
    rejected(&t, 6, "23505", NULL, "t_pkey");
    ck_assert_str_eq(sql(&t, "select string_agg(event_id, '' order by"
                             " event_id) from events.t"),
                     "ae");
    ck_assert_uint_eq(counted(&t, "rejects"), 5);
    ck_assert_uint_eq(counted(&t, "rows"), 2);
}
END_TEST

/* One in a thousand, by what only the server can see. */
START_TEST(few_bad_rows_among_many)
{
    sql(&t, "create table events.t (event_id text primary key,"
            " n int check (n %% 1000 <> 17))");
    up("");
    numbered(0, 10000);
    double begin = seconds();
    deliver(&t);
    for (uint32_t i = 0; i < 10000; i++)
        if (i % 1000 == 17)
            rejected(&t, i, "23514", NULL, "t_n_check");
        else
            kept(&t, i);
    ck_assert_uint_eq(rows(), 9990);
    /* What was sent again is bounded, whatever the clock says. */
    ck_assert_uint_lt(counted(&t, "sent_bytes"), 10000 * 27 * 4);
    fprintf(stderr, "10 of 10000 refused: %.0f ms, %.1f times the bytes\n",
            (seconds() - begin) * 1000,
            (double) counted(&t, "sent_bytes") / (10000 * 27));
}
END_TEST

START_TEST(all_rows_bad_is_not_quadratic)
{
    sql(&t, "create table events.t (event_id text, n int check (n < 0))");
    up("");
    numbered(0, 3000);
    double begin = seconds();
    deliver(&t);
    for (uint32_t i = 0; i < 3000; i++)
        rejected(&t, i, "23514", NULL, NULL);
    ck_assert_uint_eq(rows(), 0);
    ck_assert_uint_lt(counted(&t, "sent_bytes"), 3000 * 60 * 3);
    fprintf(stderr, "3000 of 3000 refused: %.0f ms\n",
            (seconds() - begin) * 1000);
}
END_TEST

START_TEST(every_second_row_bad)
{
    sql(&t, "create table events.t (event_id text, n int check (n %% 2 = 0))");
    up("");
    numbered(0, 1000);
    deliver(&t);
    ck_assert_uint_eq(rows(), 500);
    for (uint32_t i = 1; i < 1000; i += 2)
        rejected(&t, i, "23514", NULL, NULL);
}
END_TEST

START_TEST(triggers_that_raise)
{
    sql(&t, "create table events.t (event_id text, n int);"
            "create function events.f() returns trigger language plpgsql as $$"
            " begin if new.n %% 7 = 3 then raise exception 'COPY t, line 1:"
            " no sevens'; end if; return new; end $$;"
            "create trigger x before insert on events.t for each row"
            " execute function events.f()");
    up("");
    numbered(0, 100);
    deliver(&t);
    for (uint32_t i = 0; i < 100; i++)
        if (i % 7 == 3)
            rejected(&t, i, "P0001", NULL, NULL);
        else
            kept(&t, i);
    ck_assert_uint_eq(rows(), 86);
}
END_TEST

/* After-triggers and deferred constraints say no line number, or only speak
 * at COMMIT. */
START_TEST(late_refusals_are_found_by_halving)
{
    sql(&t, "create table events.other (id int primary key);"
            "insert into events.other select generate_series(0, 400);"
            "delete from events.other where id in (5, 99, 100);"
            "create table events.t (event_id text, n int references"
            " events.other deferrable initially deferred)");
    up("");
    numbered(0, 400);
    deliver(&t);
    for (uint32_t i = 0; i < 400; i++)
        if (i == 5 || i == 99 || i == 100)
            rejected(&t, i, "23503", NULL, "t_n_fkey");
        else
            kept(&t, i);
    ck_assert_uint_eq(rows(), 397);
}
END_TEST

START_TEST(constraint_triggers_at_commit)
{
    sql(&t, "create table events.t (event_id text, n int);"
            "create function events.f() returns trigger language plpgsql as $$"
            " begin if new.n = 60 then raise exception 'sixty' using errcode ="
            " '23000'; end if; return new; end $$;"
            "create constraint trigger x after insert on events.t initially"
            " deferred for each row execute function events.f()");
    up("");
    numbered(0, 100);
    deliver(&t);
    rejected(&t, 60, "23000", NULL, NULL);
    ck_assert_uint_eq(rows(), 99);
}
END_TEST

START_TEST(misfits_and_refusals_together)
{
    sql(&t, "create table events.t (event_id text primary key, n smallint,"
            " d text default 'x')");
    up("");
    for (unsigned i = 0; i < 300; i++)
        event(&t, "{\"id\":\"e%u\",\"type\":\"t\",\"payload\":{\"n\":%s%s}}",
              i % 250, i % 10 == 1 ? "\"no\"" : "5",
              i % 3 ? ",\"d\":\"y\"" : "");
    deliver(&t);
    unsigned bad = 0;
    for (uint32_t i = 0; i < 300; i++)
        bad += testhost_state(t.host, i) == TESTHOST_REJECTED;
    for (uint32_t i = 1; i < 300; i += 10)
        rejected(&t, i, "22P02", "n", NULL);
    ck_assert_uint_eq(rows(), 300 - bad);
    ck_assert_uint_eq(bad, 30 + 45);
}
END_TEST

START_TEST(a_rule_turns_refusal_into_a_pause)
{
    sql(&t, "create table events.t (event_id text primary key, n int)");
    up("sqlstate = ( { code = \"23505\"; action = \"pause\"; } );");
    numbered(0, 3);
    event(&t, "{\"id\":\"e000001\",\"type\":\"t\",\"payload\":{}}");
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_PAUSE);
    ck_assert_ptr_nonnull(strstr(testhost_why(t.host), "23505"));
    ck_assert_uint_eq(rows(), 0);
    kept(&t, 3);
}
END_TEST

/* Without its dead letters a batch must not be committed. */
START_TEST(no_commit_without_the_dead_letters)
{
    sql(&t, "create table events.t (event_id text, n int check (n <> 1))");
    up("");
    numbered(0, 3);
    testhost_fail_prepare(t.host, -EIO);
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_RETRY);
    ck_assert_uint_eq(rows(), 0);
    testhost_fail_prepare(t.host, 0);
    deliver(&t);
    rejected(&t, 1, "23514", NULL, NULL);
    ck_assert_uint_eq(rows(), 2);
}
END_TEST

START_TEST(a_lock_is_waited_for)
{
    sql(&t, "create table events.t (event_id text, n int)");
    sql(&t, "begin; lock table events.t");
    up("lock_timeout = \"200ms\";");
    numbered(0, 3);
    int got = testhost_write(t.host, WAIT_MS);
    ck_assert_msg(got == IL_RETRY, "%d: %s", got, testhost_why(t.host));
    ck_assert_ptr_nonnull(strstr(testhost_why(t.host), "55P03"));
    sql(&t, "commit");
    deliver(&t);
    ck_assert_uint_eq(rows(), 3);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("refused");
    TCase *c = tcase_create("refused");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, each_constraint_is_named);
    tcase_add_test(c, few_bad_rows_among_many);
    tcase_add_test(c, all_rows_bad_is_not_quadratic);
    tcase_add_test(c, every_second_row_bad);
    tcase_add_test(c, triggers_that_raise);
    tcase_add_test(c, late_refusals_are_found_by_halving);
    tcase_add_test(c, constraint_triggers_at_commit);
    tcase_add_test(c, misfits_and_refusals_together);
    tcase_add_test(c, a_rule_turns_refusal_into_a_pause);
    tcase_add_test(c, no_commit_without_the_dead_letters);
    tcase_add_test(c, a_lock_is_waited_for);
    suite_add_tcase(s, c);
    return pgtest_run(s);
}
