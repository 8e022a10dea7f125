/* SPDX-License-Identifier: MIT */
/* Rows arrive, once, with the right columns filled. */
#include "pgtest.h"

#define CONNECT "connection = \"dbname=postgres\"; "
#define SIGNUPS CONNECT "table = \"events.signups\"; "

static struct pgtest t;

static void
setup(void)
{
    memset(&t, 0, sizeof t);
    sql(&t, "set client_min_messages = error;"
            "drop schema if exists events cascade;"
            "drop schema if exists \"Odd \"\"Schema\" cascade;"
            "drop schema if exists ingestlayer cascade;"
            "create schema events");
}

static void
teardown(void)
{
    pgtest_free(&t);
}

/* All rows of a table, columns joined by commas, rows by semicolons. */
static const char *
rows(const char *columns, const char *table)
{
    return sql(&t,
               "select coalesce(string_agg(concat_ws(',', %s), ';'"
               " order by %s), '') from %s",
               columns, columns, table);
}

START_TEST(names_decide_without_columns)
{
    sql(&t, "create table events.signups (event_id text primary key,"
            " type text, source_id text, received_at timestamptz,"
            " timestamp timestamptz, user_id text, plan text, count int,"
            " unrelated int default 7, payload jsonb)");
    ck_assert_int_eq(pgtest_up(&t, SIGNUPS), 0);
    event(&t, "{\"id\":\"e1\",\"type\":\"feature.used\",\"source_id\":\"app\","
              "\"received_at\":\"2026-01-02T03:04:05.678901Z\","
              "\"payload\":{\"user_id\":\"u1\",\"count\":3}}");
    event(&t, "{\"id\":\"e2\",\"type\":\"feature.used\","
              "\"timestamp\":\"2026-01-02T03:04:05Z\","
              "\"payload\":{\"user_id\":\"u2\",\"plan\":\"pro\"}}");
    deliver(&t);
    ck_assert_str_eq(rows("event_id, type, user_id, plan, count, unrelated,"
                          " payload",
                          "events.signups"),
                     "e1,feature.used,u1,3,7,"
                     "{\"count\": 3, \"user_id\": \"u1\"};"
                     "e2,feature.used,u2,pro,7,"
                     "{\"plan\": \"pro\", \"user_id\": \"u2\"}");
    ck_assert_str_eq(
        sql(&t, "select source_id || (received_at ="
                " '2026-01-02 03:04:05.678901+00') || (timestamp is null)"
                " from events.signups where event_id = 'e1'"),
        "apptruetrue");
    ck_assert_str_eq(sql(&t, "select timestamp = '2026-01-02 03:04:05+00'"
                             " from events.signups where event_id = 'e2'"),
                     "t");
    ck_assert_str_eq(sql(&t, "select lane || position || ' ' || (epoch >> 32)"
                             " from ingestlayer.lanes"),
                     "test/lane2 1");
    ck_assert_uint_eq(counted(&t, "rows"), 2);
    ck_assert_uint_eq(counted(&t, "rejects"), 0);
    ck_assert_uint_gt(counted(&t, "sent_bytes"), 100);
}
END_TEST

/* However many columns have one. */
START_TEST(many_columns_have_defaults)
{
    char ddl[8192], payload[4096];
    int n =
        snprintf(ddl, sizeof ddl, "create table events.signups (event_id text");
    for (int k = 0; k < 150; k++)
        n += snprintf(ddl + n, sizeof ddl - (size_t) n,
                      ", c%d int not null default %d", k, 1000 + k);
    sql(&t, "%s)", ddl);
    ck_assert_int_eq(pgtest_up(&t, SIGNUPS), 0);
    for (int e = 0; e < 200; e++) {
        n = 0;
        for (int k = 0; k < 150; k++)
            if ((k + e) % 7 == 0)
                n += snprintf(payload + n, sizeof payload - (size_t) n,
                              "%s\"c%d\":%d", n ? "," : "", k, k);
        event(&t, "{\"id\":\"e%d\",\"type\":\"t\",\"payload\":{%s}}", e,
              payload);
    }
    deliver(&t);
    ck_assert_str_eq(sql(&t, "select count(*) from events.signups"), "200");
    for (int e = 0; e < 7; e++)
        for (int k = 0; k < 150; k += 13)
            ck_assert_int_eq(atoi(sql(&t,
                                      "select c%d from events.signups where"
                                      " event_id = 'e%d'",
                                      k, e)),
                             (k + e) % 7 ? 1000 + k : k);
}
END_TEST

/* As many frameworks make it. */
START_TEST(a_uuid_that_the_table_makes_is_its_own)
{
    const char *event_id = "{\"id\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\","
                           "\"type\":\"t\",\"payload\":{\"n\":%d}}";
    sql(&t, "create table events.signups (id uuid primary key default"
            " gen_random_uuid(), n int)");
    ck_assert_int_eq(pgtest_up(&t, SIGNUPS), 0);
    event(&t, "{\"id\":\"evt_1\",\"type\":\"t\",\"payload\":{\"n\":1}}");
    event(&t, event_id, 2);
    deliver(&t);
    ck_assert_str_eq(rows("n", "events.signups"), "1;2");
    pgtest_down(&t);
    /* Unless the config says whose it is. */
    ck_assert_int_eq(pgtest_up(&t, SIGNUPS "unique_column = \"id\";"), 0);
    testhost_position(t.host, 3);
    event(&t, event_id, 3);
    deliver(&t);
    ck_assert_str_eq(sql(&t, "select id from events.signups where n = 3"),
                     "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
}
END_TEST

START_TEST(objects_go_into_composite_columns)
{
    sql(&t, "create type events.point as (x int, y numeric);"
            "create type events.place as (name text, at events.point,"
            " tags text[], seen timestamptz, note jsonb);"
            "create domain events.home as events.place check ((value).name <>"
            " 'nowhere');"
            "create table events.signups (event_id text primary key, p"
            " events.place, h events.home, l events.point[])");
    ck_assert_int_eq(pgtest_up(&t, SIGNUPS), 0);
    event(&t,
          "{\"id\":\"a\",\"type\":\"t\",\"payload\":{\"p\":{\"tags\":[\"a b\","
          "\"c\\\"\\\\d\",null,\"NULL\",\"\"],\"name\":\"x, \\\"y\\\" (z)"
          "\\\\\\n\\t\",\"other\":1,\"at\":{\"y\":1.10,\"x\":-7},"
          "\"note\":{\"a\":[1,\"\\\"\"]},\"seen\":\"2024-01-05T00:00:00Z\"},"
          "\"h\":{\"name\":\"\"},\"l\":[{\"x\":1},null,{\"y\":2}]}}");
    event(&t, "{\"id\":\"b\",\"type\":\"t\",\"payload\":{\"p\":\"(n,,,,)\","
              "\"l\":[]}}");
    event(&t, "{\"id\":\"c\",\"type\":\"t\",\"payload\":{\"h\":{\"name\":"
              "\"nowhere\"}}}");
    event(&t, "{\"id\":\"d\",\"type\":\"t\",\"payload\":{\"p\":{\"at\":{\"x\":"
              "\"no\"}}}}");
    deliver(&t);
    rejected(&t, 2, "23514", "h", "home_check");
    rejected(&t, 3, "22P02", "p", NULL);
    ck_assert_str_eq(
        sql(&t, "select to_jsonb(p) - 'seen' || jsonb_build_object"
                "('u', extract(epoch from (p).seen)) from"
                " events.signups where event_id = 'a'"),
        "{\"u\": 1704412800.000000, \"at\": {\"x\": -7, \"y\": "
        "1.10}, \"name\": \"x, \\\"y\\\" (z)\\\\\\n\\t\", \"note\": "
        "{\"a\": [1, \"\\\"\"]}, \"tags\": [\"a b\", "
        "\"c\\\"\\\\d\", null, \"NULL\", \"\"]}");
    ck_assert_str_eq(sql(&t, "select concat_ws(' ', (h).name = '', (h).at is"
                             " null, array_length(l, 1), (l[1]).x, l[2] is"
                             " null, (l[3]).y) from events.signups where"
                             " event_id = 'a'"),
                     "t t 3 1 t 2");
    ck_assert_str_eq(sql(&t, "select (p).name || (l = '{}')::text from"
                             " events.signups where event_id = 'b'"),
                     "ntrue");
}
END_TEST

/* What a role's settings would make of the same text. */
START_TEST(settings_of_the_role_change_no_value)
{
    sql(&t, "create table events.signups (event_id text primary key, a"
            " tsquery[], i interval, d date, z timestamptz, x xml);"
            "alter role ingest set array_nulls = off;"
            "alter role ingest set intervalstyle = 'sql_standard';"
            "alter role ingest set datestyle = 'SQL, DMY';"
            "alter role ingest set timezone = 'Asia/Tokyo';"
            "alter role ingest set xmloption = 'document';"
            "alter role ingest set standard_conforming_strings = off;"
            "alter role ingest set default_transaction_isolation ="
            " 'serializable'");
    int err = pgtest_up(&t, SIGNUPS);
    if (!err) {
        event(&t, "{\"id\":\"a\\\\'\",\"type\":\"t\",\"payload\":{\"a\":"
                  "[\"a & b\",null],\"i\":\"-1 2:03:04\",\"d\":\"03/04/05\","
                  "\"z\":\"2024-01-05 00:00\",\"x\":\"<a/><b/>\"}}");
        deliver(&t);
    }
    sql(&t, "alter role ingest reset all");
    ck_assert_int_eq(err, 0);
    kept(&t, 0);
    ck_assert_str_eq(sql(&t, "select concat_ws(' ', a[2] is null, extract(epoch"
                             " from i), to_char(d, 'YYYY-MM-DD'),"
                             " extract(epoch from z)) from events.signups"),
                     "t -79016.000000 2003-04-05 1704412800.000000");
}
END_TEST

/* Missing is the default of the column, null is NULL: as an INSERT would. */
START_TEST(missing_takes_the_default_null_is_null)
{
    sql(&t, "create table events.signups (event_id text, a int default 5,"
            " b text not null default 'none', c int,"
            " n serial, made timestamptz not null default now())");
    ck_assert_int_eq(pgtest_up(&t, SIGNUPS), 0);
    event(&t,
          "{\"id\":\"1\",\"type\":\"t\",\"payload\":{\"a\":1,\"b\":\"x\"}}");
    event(&t, "{\"id\":\"2\",\"type\":\"t\",\"payload\":{}}");
    event(&t, "{\"id\":\"3\",\"type\":\"t\",\"payload\":{\"a\":null,\"c\":3}}");
    event(&t, "{\"id\":\"4\",\"type\":\"t\",\"payload\":{\"b\":\"y\"}}");
    event(&t, "{\"id\":\"5\",\"type\":\"t\",\"payload\":{\"b\":null}}");
    deliver(&t);
    for (uint32_t i = 0; i < 4; i++)
        kept(&t, i);
    rejected(&t, 4, "23502", "b", NULL);
    ck_assert_str_eq(
        rows("event_id, coalesce(a::text, '-'), b, coalesce(c::text, '-')",
             "events.signups"),
        "1,1,x,-;2,5,none,-;3,-,none,3;4,5,y,-");
    ck_assert_str_eq(sql(&t, "select count(distinct n) from events.signups"),
                     "4");
}
END_TEST

START_TEST(columns_are_filled_as_the_config_says)
{
    sql(&t, "create table events.signups (event_id text unique, who text,"
            " label text, n bigint, plan text default 'free', other int,"
            " payload jsonb)");
    ck_assert_int_eq(
        pgtest_up(&t, SIGNUPS
                  "columns = ( { name = \"who\"; value = "
                  "\"$event.payload.user.id\"; }, { name = \"label\"; value = "
                  "\"{{ $event.type }}/{{ $event.payload.n }}\"; },"
                  " { name = \"n\"; value = \"$event.n\"; },"
                  " { name = \"plan\"; value = \"$event.plan\"; } );"),
        0);
    event(&t, "{\"id\":\"1\",\"type\":\"t\",\"payload\":"
              "{\"user\":{\"id\":\"u\"},\"n\":9007199254740993,"
              "\"other\":1}}");
    deliver(&t);
    ck_assert_str_eq(rows("event_id, who, label, n, plan,"
                          " coalesce(other::text, '-'), payload->'user'",
                          "events.signups"),
                     "1,u,t/9007199254740993,9007199254740993,free,-,"
                     "{\"id\": \"u\"}");
}
END_TEST

START_TEST(generated_and_identity_columns_are_left_alone)
{
    sql(&t, "create table events.signups (id bigserial primary key,"
            " always bigint generated always as identity,"
            " event_id text, a int, twice int generated always as (a * 2)"
            " stored, dropped int, payload jsonb);"
            "alter table events.signups drop column dropped");
    ck_assert_int_eq(pgtest_up(&t, SIGNUPS), 0);
    event(&t, "{\"id\":\"x\",\"type\":\"t\",\"payload\":"
              "{\"a\":21,\"twice\":1,\"always\":5,\"dropped\":1}}");
    deliver(&t);
    ck_assert_str_eq(rows("id, always, event_id, a, twice", "events.signups"),
                     "1,1,x,21,42");
}
END_TEST

START_TEST(odd_names_are_quoted)
{
    sql(&t, "create schema \"Odd \"\"Schema\";"
            "create table \"Odd \"\"Schema\".\"T, 1\" ("
            "\"event_id\" text, \"a \"\"b\" int, \"Sel'ect\" text)");
    ck_assert_int_eq(pgtest_up(&t, CONNECT
                               "table = \"\\\"Odd \\\"\\\"Schema\\\".\\\"T, 1"
                               "\\\"\"; lanes_schema = \"La'nes\";"),
                     0);
    event(&t, "{\"id\":\"1\",\"type\":\"t\",\"payload\":"
              "{\"a \\\"b\":1,\"Sel'ect\":\"x\"}}");
    event(&t, "{\"id\":\"2\",\"type\":\"t\",\"payload\":"
              "{\"a \\\"b\":\"no\"}}");
    deliver(&t);
    rejected(&t, 1, "22P02", "a \"b", NULL);
    ck_assert_str_eq(rows("event_id, \"a \"\"b\", \"Sel'ect\"",
                          "\"Odd \"\"Schema\".\"T, 1\""),
                     "1,1,x");
    ck_assert_str_eq(sql(&t, "select position from \"La'nes\".lanes"), "2");
    sql(&t, "drop schema \"La'nes\" cascade");
}
END_TEST

START_TEST(partitions_are_followed)
{
    sql(&t, "create table events.signups (event_id text, region text,"
            " payload jsonb) partition by list (region);"
            "create table events.eu partition of events.signups"
            " for values in ('eu');"
            "create table events.us (payload jsonb, junk int, region text,"
            " event_id text);"
            "alter table events.us drop column junk;"
            "alter table events.signups attach partition events.us"
            " for values in ('us')");
    ck_assert_int_eq(pgtest_up(&t, SIGNUPS), 0);
    event(&t, "{\"id\":\"1\",\"type\":\"t\",\"payload\":{\"region\":\"eu\"}}");
    event(&t, "{\"id\":\"2\",\"type\":\"t\",\"payload\":{\"region\":\"us\"}}");
    event(&t, "{\"id\":\"3\",\"type\":\"t\",\"payload\":{\"region\":\"xx\"}}");
    deliver(&t);
    rejected(&t, 2, "no_partition", NULL, NULL);
    ck_assert_str_eq(rows("event_id", "events.us"), "2");
    ck_assert_str_eq(rows("event_id", "events.eu"), "1");
}
END_TEST

START_TEST(create_makes_a_typed_table)
{
    t.host = testhost_new();
    testhost_declare(t.host, "feature.used", "user_id", "string", 1);
    testhost_declare(t.host, "feature.used", "count", "integer", 0);
    testhost_declare(t.host, "feature.used", "price", "number", 0);
    testhost_declare(t.host, "feature.used", "ok", "boolean", 0);
    testhost_declare(t.host, "feature.used", "at", "timestamp", 0);
    testhost_declare(t.host, "feature.used", "tags", "array", 0);
    testhost_declare(t.host, "feature.used", "type", "string", 0);
    testhost_declare(t.host, "feature.used", "a \"b\".c", "uuid", 0);
    ck_assert_int_eq(
        pgtest_up(&t, CONNECT "table = \"fresh.signups\"; create = true;"), 0);
    event(&t, "{\"id\":\"1\",\"type\":\"feature.used\",\"payload\":"
              "{\"user_id\":\"u\",\"count\":2,\"price\":1.10,\"ok\":true,"
              "\"at\":\"2026-01-01T00:00:00Z\",\"tags\":[1],\"a \\\"b\\\".c\":"
              "\"F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6\"}}");
    deliver(&t);
    ck_assert_str_eq(
        sql(&t, "select string_agg(concat_ws(' ', attname, format_type("
                "atttypid, null), case when attnotnull then 'not null' end),"
                " ', ' order by attnum) from pg_attribute where attrelid ="
                " 'fresh.signups'::regclass and attnum > 0"),
        "event_id text not null, type text not null, source_id text not null,"
        " received_at timestamp with time zone not null,"
        " timestamp timestamp with time zone, user_id text not null,"
        " count bigint, price numeric, ok boolean,"
        " at timestamp with time zone, tags jsonb, a \"b\".c uuid,"
        " payload jsonb");
    ck_assert_str_eq(
        rows("event_id, user_id, count, price, ok, tags, \"a \"\"b\"\".c\"",
             "fresh.signups"),
        "1,u,2,1.10,t,[1],f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    sql(&t, "drop schema fresh cascade");
}
END_TEST

START_TEST(printed_ddl_makes_what_is_needed)
{
    int err;
    t.host = testhost_new();
    testhost_declare(t.host, "a", "n", "integer", 1);
    testhost_declare(t.host, "b", "n", "string", 1);
    pgtest_open(&t, SIGNUPS
                "columns = ( { name = \"plan\"; value = \"$event.plan\"; },"
                " { name = \"n\"; value = \"$event.payload.n\"; },"
                " { name = \"at\"; value = \"$event.received_at\"; } );");
    const char *ddl = testhost_ddl(t.host, &err);
    ck_assert_int_eq(err, 0);
    sql(&t, "%s", ddl);
    ck_assert_str_eq(
        sql(&t, "select string_agg(attname || ' ' || format_type(atttypid,"
                " null), ', ' order by attnum) from pg_attribute where"
                " attrelid = 'events.signups'::regclass and attnum > 0"),
        "event_id text, plan text, n text, at timestamp with time zone,"
        " payload jsonb");
    ck_assert_str_eq(sql(&t, "select count(*) from ingestlayer.lanes"), "0");
}
END_TEST

START_TEST(missing_table_pauses_until_it_is_made)
{
    ck_assert_int_eq(pgtest_up(&t, SIGNUPS), 0);
    event(&t, "{\"id\":\"1\",\"type\":\"t\",\"payload\":{}}");
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_PAUSE);
    ck_assert_ptr_nonnull(strstr(testhost_why(t.host), "\"events\".\"signups"));
    ck_assert_ptr_nonnull(strstr(testhost_why(t.host), "create table if not"));
    sql(&t, "create table events.signups (event_id text)");
    deliver(&t);
    ck_assert_str_eq(rows("event_id", "events.signups"), "1");
}
END_TEST

START_TEST(missing_column_pauses_and_names_it)
{
    sql(&t, "create table events.signups (event_id text)");
    ck_assert_int_eq(pgtest_up(&t,
                               SIGNUPS "columns = ( { name = \"plan\"; value = "
                                       "\"$event.plan\"; } );"),
                     0);
    event(&t, "{\"id\":\"1\",\"type\":\"t\",\"payload\":{\"plan\":\"p\"}}");
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_PAUSE);
    ck_assert_ptr_nonnull(strstr(testhost_why(t.host), "no column \"plan\""));
    sql(&t, "alter table events.signups add column plan text");
    deliver(&t);
    ck_assert_str_eq(rows("event_id, plan", "events.signups"), "1,p");
}
END_TEST

/* What the rows were made for is compared in the very transaction. */
START_TEST(table_may_change_between_batches)
{
    static const char *const changes[] = {
        "alter table events.signups alter column n type float4",
        "alter table events.signups alter column n type text",
        "alter table events.signups alter column n type int4 using n::int4",
        "drop table events.signups;"
        "create table events.signups (n float4, event_id text)",
        "alter table events.signups add column extra int default 3",
        "alter table events.signups drop column extra",
        "alter table events.signups alter column n type varchar(2)"
        " using n::int",
        "alter table events.signups alter column n type varchar(9)",
        "alter table events.signups rename column n to m;"
        "alter table events.signups add column n numeric",
    };
    sql(&t, "create table events.signups (event_id text, n int4)");
    ck_assert_int_eq(pgtest_up(&t, SIGNUPS), 0);
    for (unsigned i = 0; i < sizeof changes / sizeof *changes + 1; i++) {
        testhost_clear(t.host);
        event(&t, "{\"id\":\"%u\",\"type\":\"t\",\"payload\":{\"n\":%s}}", i,
              i == 8 ? "12345" : "42");
        deliver(&t);
        kept(&t, 0);
        ck_assert_str_eq(sql(&t,
                             "select n from events.signups"
                             " where event_id = '%u'",
                             i),
                         i == 8 ? "12345" : "42");
        if (i < sizeof changes / sizeof *changes)
            sql(&t, "%s", changes[i]);
    }
}
END_TEST

START_TEST(bad_text_is_replaced_and_counted)
{
    sql(&t, "create table events.signups (event_id text, s text,"
            " payload jsonb)");
    ck_assert_int_eq(pgtest_up(&t, SIGNUPS), 0);
    event(&t, "{\"id\":\"1\",\"type\":\"t\",\"payload\":"
              "{\"s\":\"a\\u0000b\\ud800\"}}");
    deliver(&t);
    ck_assert_str_eq(rows("event_id, s = U&'a\\FFFDb\\FFFD',"
                          " payload->>'s' = s",
                          "events.signups"),
                     "1,t,t");
    ck_assert_uint_eq(counted(&t, "replaced_characters"), 4);
}
END_TEST

/* Text is searched eight bytes at a time: each place in each length. */
START_TEST(bad_text_is_found_wherever_it_is)
{
    static const char *const what[] = { "\\u0000", "\\udc00", "\\ud000" };
    sql(&t, "create table events.signups (event_id text, s text,"
            " n int, at int, bad int)");
    ck_assert_int_eq(pgtest_up(&t, SIGNUPS), 0);
    for (int n = 1; n < 20; n++)
        for (int at = 0; at < n; at++)
            for (int k = 0; k < 3; k++) {
                char text[200], before[20] = "", after[20] = "";
                memset(before, 'a', (size_t) at);
                memset(after, 'a', (size_t) (n - at - 1));
                snprintf(text, sizeof text,
                         "{\"id\":\"%d-%d-%d\",\"type\":\"t\",\"payload\":"
                         "{\"s\":\"%s%s%s\",\"n\":%d,\"at\":%d,"
                         "\"bad\":%d}}",
                         n, at, k, before, what[k], after, n, at, k < 2);
                event(&t, "%s", text);
            }
    deliver(&t);
    ck_assert_str_eq(sql(&t, "select concat_ws(',', count(*),"
                             " count(*) filter (where s ="
                             " repeat('a', at) || case bad when 1 then"
                             " U&'\\FFFD' else U&'\\D000' end"
                             " || repeat('a', n - at - 1)))"
                             " from events.signups"),
                     "570,570");
    ck_assert_uint_eq(counted(&t, "replaced_characters"), 380);
}
END_TEST

START_TEST(bad_text_is_a_dead_letter_on_demand)
{
    sql(&t, "create table events.signups (event_id text, s text,"
            " payload jsonb)");
    ck_assert_int_eq(pgtest_up(&t, SIGNUPS "bad_text = \"dead-letter\";"), 0);
    event(&t, "{\"id\":\"1\",\"type\":\"t\",\"payload\":{\"s\":\"\\ud800\"}}");
    event(&t, "{\"id\":\"2\",\"type\":\"t\",\"payload\":{\"x\":\"\\u0000\"}}");
    event(&t, "{\"id\":\"3\",\"type\":\"t\",\"payload\":{\"s\":\"fine\"}}");
    deliver(&t);
    rejected(&t, 0, "22P05", "s", NULL);
    rejected(&t, 1, "22P05", "payload", NULL);
    ck_assert_str_eq(rows("event_id", "events.signups"), "3");
}
END_TEST

START_TEST(position_moves_without_rows)
{
    sql(&t, "create table events.signups (event_id text, n int)");
    ck_assert_int_eq(pgtest_up(&t, SIGNUPS), 0);
    event(&t, "{\"id\":\"1\",\"type\":\"t\",\"payload\":{\"n\":\"x\"}}");
    deliver(&t);
    rejected(&t, 0, "22P02", "n", NULL);
    ck_assert_str_eq(sql(&t, "select position from ingestlayer.lanes"), "1");
    testhost_clear(t.host);
    deliver(&t);
    ck_assert_str_eq(rows("event_id", "events.signups"), "");
}
END_TEST

START_TEST(config_errors_name_the_key_and_keep_the_secret)
{
    t.host = testhost_new();
    ck_assert_int_lt(
        testhost_open(t.host, getenv("IL_PLUGIN"),
                      "connection = \"hunter2 secret\";"
                      "table = \"a.b.c\"; columns = ("
                      " { name = \"x\"; value = \"$event.id\"; },"
                      " { name = \"x\"; value = \"$event.id\"; } );"
                      " sqlstate = ( { code = \"2350\"; action = \"retry\"; }"
                      " );"),
        0);
    const char *all = testhost_findings(t.host);
    ck_assert_ptr_null(strstr(all, "hunter2"));
    ck_assert_ptr_null(strstr(all, "secret"));
    ck_assert_ptr_nonnull(strstr(all, "connection: is no libpq"));
    ck_assert_ptr_nonnull(strstr(all, "table: is no table name"));
    ck_assert_ptr_nonnull(strstr(all, "column \"x\" is filled twice"));
    ck_assert_ptr_nonnull(strstr(all, "code: is no SQLSTATE"));
}
END_TEST

START_TEST(probe_tells_and_changes_nothing)
{
    int err;
    pgtest_open(&t, SIGNUPS);
    const char *said = testhost_probe(t.host, &err);
    ck_assert_int_eq(err, -EACCES);
    (void) said;
    sql(&t, "create table events.signups (event_id text, plan text)");
    said = testhost_probe(t.host, &err);
    ck_assert_int_eq(err, 0);
    ck_assert_ptr_nonnull(strstr(said, "connected to postgres as ingest"));
    ck_assert_ptr_nonnull(strstr(said, "will be made at start"));
    ck_assert_ptr_nonnull(strstr(said, "2 columns are written (binary COPY)"));
    ck_assert_str_eq(sql(&t, "select coalesce(to_regnamespace('ingestlayer')"
                             "::text, 'none')"),
                     "none");
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
    tcase_add_test(c, many_columns_have_defaults);
    tcase_add_test(c, a_uuid_that_the_table_makes_is_its_own);
    tcase_add_test(c, objects_go_into_composite_columns);
    tcase_add_test(c, settings_of_the_role_change_no_value);
    tcase_add_test(c, missing_takes_the_default_null_is_null);
    tcase_add_test(c, columns_are_filled_as_the_config_says);
    tcase_add_test(c, generated_and_identity_columns_are_left_alone);
    tcase_add_test(c, odd_names_are_quoted);
    tcase_add_test(c, partitions_are_followed);
    tcase_add_test(c, create_makes_a_typed_table);
    tcase_add_test(c, printed_ddl_makes_what_is_needed);
    tcase_add_test(c, missing_table_pauses_until_it_is_made);
    tcase_add_test(c, missing_column_pauses_and_names_it);
    tcase_add_test(c, table_may_change_between_batches);
    tcase_add_test(c, bad_text_is_replaced_and_counted);
    tcase_add_test(c, bad_text_is_found_wherever_it_is);
    tcase_add_test(c, bad_text_is_a_dead_letter_on_demand);
    tcase_add_test(c, position_moves_without_rows);
    tcase_add_test(c, config_errors_name_the_key_and_keep_the_secret);
    tcase_add_test(c, probe_tells_and_changes_nothing);
    suite_add_tcase(s, c);
    return pgtest_run(s);
}
