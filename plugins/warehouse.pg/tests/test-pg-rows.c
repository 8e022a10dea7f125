/* SPDX-License-Identifier: MIT */
/* Rows arrive, once, with the right columns filled. */
#include "pgtest.h"

static struct pgtest t;

static void
setup(void)
{
    memset(&t, 0, sizeof t);
    sql(&t, "drop schema if exists events cascade;"
            "drop schema if exists ingestlayer cascade;"
            "create schema events");
}

static void
teardown(void)
{
    pgtest_free(&t);
}

START_TEST(names_decide_without_columns)
{
    sql(&t, "create table events.signups (event_id text primary key,"
            " type text, source_id text, received_at timestamptz,"
            " timestamp timestamptz, user_id text, plan text, count int,"
            " unrelated int default 7, payload jsonb)");
    ck_assert_int_eq(
        pgtest_up(&t, "connection = \"dbname=postgres\"; table = \"events.signups\";"), 0);
    event(&t, "{\"id\":\"e1\",\"type\":\"feature.used\","
              "\"payload\":{\"user_id\":\"u1\",\"count\":3}}");
    event(&t, "{\"id\":\"e2\",\"type\":\"feature.used\","
              "\"payload\":{\"user_id\":\"u2\",\"plan\":\"pro\"}}");
    deliver(&t);
    ck_assert_str_eq(sql(&t, "select string_agg(concat_ws(',', event_id, type,"
                             " user_id, plan, count, unrelated, payload),"
                             " ';' order by event_id) from events.signups"),
                     "e1,feature.used,u1,3,7,"
                     "{\"count\": 3, \"user_id\": \"u1\"};"
                     "e2,feature.used,u2,pro,7,"
                     "{\"plan\": \"pro\", \"user_id\": \"u2\"}");
    ck_assert_str_eq(sql(&t, "select lane || position || ' ' || epoch"
                             " from ingestlayer.lanes"),
                     "test/lane2 1");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("rows");
    TCase *c = tcase_create("rows");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, names_decide_without_columns);
    suite_add_tcase(s, c);
    return pgtest_run(s);
}
