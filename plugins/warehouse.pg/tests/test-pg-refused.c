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

START_TEST(all_rows_but_one_bad_is_not_quadratic)
{
    sql(&t, "create table events.t (event_id text, n int check (n = 2999))");
    up("");
    numbered(0, 3000);
    double begin = seconds();
    deliver(&t);
    for (uint32_t i = 0; i < 2999; i++)
        rejected(&t, i, "23514", NULL, NULL);
    ck_assert_uint_eq(rows(), 1);
    ck_assert_uint_lt(counted(&t, "sent_bytes"), 3000 * 60 * 3);
    fprintf(stderr, "2999 of 3000 refused: %.0f ms\n",
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

/* A table whose trigger raises what column n of an event says. */
static void
raising_table(void)
{
    sql(&t, "create table events.t (event_id text, code text);"
            "create function events.f() returns trigger language plpgsql as $$"
            " begin if new.code is not null then raise exception 'as told'"
            " using errcode = new.code; end if; return new; end $$;"
            "create trigger x before insert on events.t for each row"
            " execute function events.f()");
}

static void
coded(const char *code, uint64_t at)
{
    testhost_clear(t.host);
    testhost_position(t.host, at);
    event(&t, "{\"id\":\"a\",\"type\":\"t\",\"payload\":{}}");
    event(&t, "{\"id\":\"b\",\"type\":\"t\",\"payload\":{\"code\":\"%s\"}}",
          code);
    event(&t, "{\"id\":\"c\",\"type\":\"t\",\"payload\":{}}");
}

/* Whatever the class: the neighbours went in, so it is the row. */
START_TEST(a_row_that_fails_alone_is_a_dead_letter)
{
    static const char *const codes[] = {
        "09000", "0A000", "0L000", "21000", "22012", "23000", "23514", "27000",
        "28000", "2BP01", "2F005", "38000", "39P01", "3D000", "3F000", "42501",
        "42601", "42703", "42883", "42P01", "44000", "54000", "54001", "55000",
        "F0000", "HV000", "P0001", "P0002", "P0004", "XX000", "ZZ999",
    };
    raising_table();
    up("");
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        coded(codes[i], 3 * i + 1);
        deliver(&t);
        kept(&t, 0);
        rejected(&t, 1, codes[i], NULL, NULL);
        kept(&t, 2);
        ck_assert_uint_eq(rows(), 2 * (i + 1));
    }
}
END_TEST

/* Disk, memory, connections, locks, shutdown, a sequence at its end: nobody's
 * row, even where it is one row that comes across it. */
START_TEST(an_outage_makes_no_dead_letter)
{
    static const struct {
        const char *code;
        int outcome;
    } codes[] = {
        { "08006", IL_RETRY }, { "25006", IL_RETRY }, { "40001", IL_RETRY },
        { "40P01", IL_RETRY }, { "53000", IL_RETRY }, { "53100", IL_RETRY },
        { "53200", IL_RETRY }, { "53300", IL_RETRY }, { "53400", IL_RETRY },
        { "55006", IL_RETRY }, { "55P03", IL_RETRY }, { "57014", IL_RETRY },
        { "57P03", IL_RETRY }, { "58030", IL_RETRY }, { "XX001", IL_RETRY },
        { "XX002", IL_RETRY }, { "2200H", IL_PAUSE },
    };
    raising_table();
    up("");
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        coded(codes[i].code, 1);
        int got = testhost_write(t.host, WAIT_MS);
        ck_assert_msg(got == codes[i].outcome, "%s: outcome %d, %s",
                      codes[i].code, got, testhost_why(t.host));
        ck_assert_msg(strstr(testhost_why(t.host), codes[i].code), "%s: %s",
                      codes[i].code, testhost_why(t.host));
        kept(&t, 1);
        ck_assert_uint_eq(rows(), 0);
    }
}
END_TEST

/* A table, a schema, a right that a trigger misses: all rows fail. */
START_TEST(where_all_rows_fail_the_lane_pauses)
{
    sql(&t, "create table events.t (event_id text, n int);"
            "create function events.f() returns trigger language plpgsql as $$"
            " begin insert into events.audit values (new.n); return new; end"
            " $$; create trigger x before insert on events.t for each row"
            " execute function events.f()");
    up("");
    numbered(0, 300);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_PAUSE);
        ck_assert_ptr_nonnull(strstr(testhost_why(t.host), "42P01"));
        ck_assert_ptr_nonnull(strstr(testhost_why(t.host), "events.audit"));
    }
    for (uint32_t i = 0; i < 300; i++)
        kept(&t, i);
    sql(&t, "create table events.audit (n int check (n <> 7))");
    deliver(&t);
    rejected(&t, 7, "23514", NULL, "audit_n_check");
    ck_assert_uint_eq(rows(), 299);
    ck_assert_str_eq(sql(&t, "select count(*) from events.audit"), "299");
}
END_TEST

/* A hundred rows and more that a new constraint refuses, too. */
START_TEST(a_constraint_that_refuses_all_pauses)
{
    sql(&t, "create table events.t (event_id text, n int)");
    up("");
    numbered(0, 100);
    deliver(&t);
    sql(&t, "alter table events.t add constraint wrong check (n < 100)");
    testhost_clear(t.host);
    numbered(100, 200);
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_PAUSE);
    ck_assert_ptr_nonnull(strstr(testhost_why(t.host), "wrong"));
    /* Rows went into this table, and a lone one names what it violates. */
    testhost_clear(t.host);
    testhost_position(t.host, 101);
    numbered(100, 101);
    deliver(&t);
    rejected(&t, 0, "23514", NULL, "wrong");
    sql(&t, "alter table events.t drop constraint wrong");
    testhost_clear(t.host);
    numbered(101, 200);
    deliver(&t);
    ck_assert_uint_eq(rows(), 199);
}
END_TEST

START_TEST(a_missing_partition_is_waited_for)
{
    sql(&t, "create table events.t (event_id text, n int) partition by range"
            " (n); create table events.low partition of events.t for values"
            " from (0) to (100)");
    up("");
    numbered(100, 120);
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_PAUSE);
    ck_assert_ptr_nonnull(strstr(testhost_why(t.host), "no partition"));
    kept(&t, 0);
    /* Some have one: then it is what the others say. */
    testhost_clear(t.host);
    testhost_position(t.host, 1);
    numbered(90, 120);
    deliver(&t);
    for (uint32_t i = 10; i < 30; i++)
        rejected(&t, i, "no_partition", NULL, NULL);
    ck_assert_uint_eq(rows(), 10);
    testhost_clear(t.host);
    numbered(100, 120);
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_PAUSE);
    sql(&t, "create table events.high partition of events.t for values from"
            " (100) to (200)");
    deliver(&t);
    ck_assert_uint_eq(rows(), 30);
}
END_TEST

/* The types whose input functions have codes of their own. */
START_TEST(values_of_types_with_odd_codes)
{
    sql(&t, "create table events.t (event_id text, q tsquery, p jsonpath,"
            " c regclass, r int4range, x xid8)");
    up("");
    event(&t, "{\"id\":\"a\",\"type\":\"t\",\"payload\":{\"q\":\"a & b\","
              "\"p\":\"$.a\",\"c\":\"pg_class\",\"r\":\"[1,2]\"}}");
    event(&t, "{\"id\":\"b\",\"type\":\"t\",\"payload\":{\"q\":\"a b\"}}");
    event(&t, "{\"id\":\"c\",\"type\":\"t\",\"payload\":{\"p\":\"$.[\"}}");
    event(&t, "{\"id\":\"d\",\"type\":\"t\",\"payload\":{\"c\":\"none\"}}");
    event(&t, "{\"id\":\"e\",\"type\":\"t\",\"payload\":{\"r\":\"[2,1]\"}}");
    deliver(&t);
    kept(&t, 0);
    rejected(&t, 1, "42601", "q", NULL);
    rejected(&t, 2, "42601", "p", NULL);
    rejected(&t, 3, "42P01", "c", NULL);
    rejected(&t, 4, "22000", "r", NULL);
    ck_assert_uint_eq(rows(), 1);
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
    tcase_add_test(c, all_rows_but_one_bad_is_not_quadratic);
    tcase_add_test(c, every_second_row_bad);
    tcase_add_test(c, triggers_that_raise);
    tcase_add_test(c, late_refusals_are_found_by_halving);
    tcase_add_test(c, constraint_triggers_at_commit);
    tcase_add_test(c, misfits_and_refusals_together);
    tcase_add_test(c, a_rule_turns_refusal_into_a_pause);
    tcase_add_test(c, a_row_that_fails_alone_is_a_dead_letter);
    tcase_add_test(c, an_outage_makes_no_dead_letter);
    tcase_add_test(c, where_all_rows_fail_the_lane_pauses);
    tcase_add_test(c, a_constraint_that_refuses_all_pauses);
    tcase_add_test(c, a_missing_partition_is_waited_for);
    tcase_add_test(c, values_of_types_with_odd_codes);
    tcase_add_test(c, no_commit_without_the_dead_letters);
    tcase_add_test(c, a_lock_is_waited_for);
    suite_add_tcase(s, c);
    return pgtest_run(s);
}
