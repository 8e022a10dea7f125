/* SPDX-License-Identifier: MIT */
/* Every column type, in binary and in text COPY: a value ends as what Postgres
 * itself makes of it in an INSERT, or as a dead letter with the SQLSTATE that
 * Postgres would give and the name of the column. */
#include "pgtest.h"

struct sample {
    const char *type;
    const char *json;    /* the value of payload.v */
    const char *literal; /* SQL: what the column must hold; NULL: ... */
    const char *code;    /* ... a dead letter with this SQLSTATE */
};

#define OK(type, json, literal)                                                \
    {                                                                          \
        type, json, literal, NULL                                              \
    }
#define BAD(type, json, code)                                                  \
    {                                                                          \
        type, json, NULL, code                                                 \
    }

static const struct sample samples[] = {
    OK("int2", "32767", "32767"),
    OK("int2", "-32768", "-32768"),
    OK("int2", "\" 12 \"", "12"),
    OK("int2", "null", "null"),
    BAD("int2", "32768", "22003"),
    BAD("int2", "-32769", "22003"),
    BAD("int2", "\"40000\"", "22003"),
    OK("int4", "0", "0"),
    OK("int4", "-2147483648", "-2147483648"),
    OK("int4", "42.0", "42"),
    OK("int4", "1e3", "1000"),
    OK("int4", "1200e-2", "12"),
    OK("int4", "\"+7\"", "7"),
    BAD("int4", "2147483648", "22003"),
    BAD("int4", "42.5", "22P02"),
    BAD("int4", "\"42.0\"", "22P02"),
    BAD("int4", "\"abc\"", "22P02"),
    BAD("int4", "\"\"", "22P02"),
    BAD("int4", "\"1 2\"", "22P02"),
    BAD("int4", "true", "22P02"),
    BAD("int4", "[1]", "22P02"),
    BAD("int4", "{\"a\":1}", "22P02"),
    BAD("int4", "1e400", "22003"),
    BAD("int4", "1e-400", "22P02"),
    OK("int8", "9223372036854775807", "9223372036854775807"),
    OK("int8", "-9223372036854775808", "'-9223372036854775808'"),
    OK("int8", "\"-9223372036854775808\"", "'-9223372036854775808'"),
    BAD("int8", "9223372036854775808", "22003"),
    BAD("int8", "18446744073709551616", "22003"),
    BAD("int8", "-9223372036854775809", "22003"),
    OK("numeric", "0", "0"),
    OK("numeric", "1.10", "1.10"),
    OK("numeric", "-0", "0"),
    OK("numeric", "-0.000", "0.000"),
    OK("numeric", "12345678901234567890.12345678901234567890",
       "12345678901234567890.12345678901234567890"),
    OK("numeric", "1e400", "1e400"),
    OK("numeric", "1.5e-10", "1.5e-10"),
    OK("numeric", "100000", "100000"),
    OK("numeric", "10000.0001", "10000.0001"),
    OK("numeric", "0.00001", "0.00001"),
    OK("numeric", "123e-7", "123e-7"),
    OK("numeric", "-99999999", "-99999999"),
    OK("numeric", "18446744073709551615", "18446744073709551615"),
    OK("numeric", "1e131071", "1e131071"),
    OK("numeric", "\" 1.50 \"", "1.50"),
    OK("numeric", "\".5\"", "0.5"),
    OK("numeric", "\"5.\"", "'5.'"),
    BAD("numeric", "1e200000", "22003"),
    BAD("numeric", "1e-20000", "22003"),
    BAD("numeric", "\"1.2.3\"", "22P02"),
    BAD("numeric", "\"\"", "22P02"),
    BAD("numeric", "false", "22P02"),
    OK("numeric(10,2)", "3.14159", "3.14159"),
    OK("numeric(10,2)", "99999999.99", "99999999.99"),
    OK("numeric(10,2)", "2.675", "2.675"),
    BAD("numeric(10,2)", "100000000", "22003"),
    BAD("numeric(10,2)", "99999999.999", "22003"),
    OK("float8", "0.1", "0.1"),
    OK("float8", "1e308", "1e308"),
    OK("float8", "9007199254740993", "9007199254740993"),
    OK("float8", "-0", "'-0'"),
    OK("float8", "\"NaN\"", "'NaN'"),
    OK("float8", "\"-Infinity\"", "'-Infinity'"),
    OK("float8", "5e-324", "'5e-324'"),
    BAD("float8", "1e309", "22003"),
    BAD("float8", "1e-400", "22003"),
    BAD("float8", "\"1,5\"", "22P02"),
    OK("float4", "0.1", "0.1"),
    OK("float4", "16777217", "16777217"),
    BAD("float4", "1e39", "22003"),
    OK("bool", "true", "true"),
    OK("bool", "false", "false"),
    OK("bool", "\" YES\"", "true"),
    OK("bool", "\"of\"", "false"),
    OK("bool", "1", "true"),
    BAD("bool", "\"o\"", "22P02"),
    BAD("bool", "2", "22P02"),
    BAD("bool", "\"trueish\"", "22P02"),
    OK("text", "\"plain\"", "'plain'"),
    OK("text", "\"tab\\tnew\\nline\\\\ \\\\N \\r\"",
       "E'tab\\tnew\\nline\\\\ \\\\N \\r'"),
    OK("text", "\"\\\\.\"", "'\\.'"),
    OK("text", "\"\"", "''"),
    OK("text", "\"\\ud83d\\ude00 \\u00e9\"", "'\xf0\x9f\x98\x80 \xc3\xa9'"),
    OK("text", "\"a\\u0000b\"",
       "'a\xef\xbf\xbd"
       "b'"),
    OK("text", "\"\\ud800x\"", "'\xef\xbf\xbdx'"),
    OK("text", "1.10", "'1.10'"),
    OK("text", "12345678901234567890123", "'12345678901234567890123'"),
    OK("text", "true", "'true'"),
    OK("text", "[1,\"a\"]", "'[1,\"a\"]'"),
    OK("text", "{\"a\":null}", "'{\"a\":null}'"),
    OK("varchar(3)", "\"abc\"", "'abc'"),
    OK("varchar(3)", "\"\\u00e9\\u00e9\\u00e9\"", "'\xc3\xa9\xc3\xa9\xc3\xa9'"),
    OK("varchar(3)", "\"abc   \"", "'abc   '"),
    BAD("varchar(3)", "\"abcd\"", "22001"),
    BAD("varchar(3)", "12345", "22001"),
    OK("char(3)", "\"ab\"", "'ab'"),
    BAD("char(3)", "\"abcd\"", "22001"),
    OK("name", "\"n\"", "'n'"),
    BAD("name",
        "\"0123456789012345678901234567890123456789012345678901234567890123\"",
        "22001"),
    OK("citext", "\"MiXed\"", "'MiXed'"),
    OK("uuid", "\"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11\"",
       "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
    OK("uuid", "\"{a0eebc999c0b4ef8bb6d6bb9bd380a11}\"",
       "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
    BAD("uuid", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1\"", "22P02"),
    BAD("uuid", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g\"", "22P02"),
    BAD("uuid", "17", "22P02"),
    OK("date", "\"2024-02-29\"", "'2024-02-29'"),
    OK("date", "\"2024-02-29T23:59:59Z\"", "'2024-02-29'"),
    OK("date", "\"0001-01-01\"", "'0001-01-01'"),
    OK("date", "\"9999-12-31\"", "'9999-12-31'"),
    OK("date", "\"Jan 5 2024\"", "'Jan 5 2024'"),
    OK("date", "\"infinity\"", "'infinity'"),
    OK("date", "\"20240105\"", "'20240105'"),
    BAD("date", "\"2023-02-29\"", "22008"),
    BAD("date", "\"2024-13-01\"", "22008"),
    BAD("date", "\"yesterdayish\"", "22007"),
    BAD("date", "20240105", "22007"),
    OK("timestamptz", "\"2024-01-05T10:11:12Z\"", "'2024-01-05 10:11:12+00'"),
    OK("timestamptz", "\"2024-01-05T10:11:12.345678+05:30\"",
       "'2024-01-05 10:11:12.345678+05:30'"),
    OK("timestamptz", "\"2024-01-05 10:11:12.1234565\"",
       "'2024-01-05 10:11:12.1234565+00'"),
    OK("timestamptz", "\"2024-01-05T10:11:12.999999999Z\"",
       "'2024-01-05 10:11:12.999999999Z'"),
    OK("timestamptz", "\"2024-01-05\"", "'2024-01-05 00:00:00+00'"),
    OK("timestamptz", "\"1969-12-31T23:59:59.5-0800\"",
       "'1969-12-31 23:59:59.5-0800'"),
    OK("timestamptz", "\"2024-01-05T24:00:00Z\"", "'2024-01-05T24:00:00Z'"),
    OK("timestamptz", "\"2024-01-05T23:59:60Z\"", "'2024-01-05T23:59:60Z'"),
    OK("timestamptz", "\"Fri Jan 5 10:00:00 2024 UTC\"",
       "'Fri Jan 5 10:00:00 2024 UTC'"),
    OK("timestamptz", "\"-infinity\"", "'-infinity'"),
    BAD("timestamptz", "\"2024-01-05T25:00:00Z\"", "22008"),
    BAD("timestamptz", "\"soon\"", "22007"),
    BAD("timestamptz", "1700000000", "22007"),
    OK("timestamp", "\"2024-01-05T10:11:12.25\"", "'2024-01-05 10:11:12.25'"),
    OK("timestamp", "\"2024-01-05T10:11:12+02:00\"",
       "'2024-01-05 10:11:12+02:00'"),
    OK("timestamp", "\"0001-01-01T00:00:00Z\"", "'0001-01-01 00:00:00'"),
    OK("time", "\"10:11:12.5\"", "'10:11:12.5'"),
    OK("time", "\"23:59\"", "'23:59'"),
    OK("time", "\"4:05 PM\"", "'4:05 PM'"),
    BAD("time", "\"25:00\"", "22008"),
    OK("interval", "\"1 day 2 hours\"", "'1 day 2 hours'"),
    BAD("interval", "\"a while\"", "22007"),
    OK("timetz", "\"10:00:00+02\"", "'10:00:00+02'"),
    OK("jsonb", "{\"b\":[1,2.50,\"x\"],\"a\":{}}",
       "'{\"b\":[1,2.50,\"x\"],\"a\":{}}'"),
    OK("jsonb", "\"text\"", "'\"text\"'"),
    OK("jsonb", "\"{\\\"a\\\":1}\"", "to_jsonb('{\"a\":1}'::text)"),
    OK("jsonb", "\"a\\u0000b\\udfff\"",
       "to_jsonb('a\xef\xbf\xbd"
       "b\xef\xbf\xbd'::text)"),
    OK("jsonb", "true", "'true'"),
    OK("jsonb", "1e400", "'1e400'"),
    OK("jsonb", "{\"tab\\t\\\\\\\"\":\"\\n\"}",
       "'{\"tab\\t\\\\\\\"\":\"\\n\"}'"),
    OK("json", "{\"b\":1,\"a\":1.10}", "'{\"b\":1,\"a\":1.10}'"),
    OK("bytea", "\"\\\\x6869\"", "'\\x6869'"),
    OK("bytea", "\"plain\"", "'\\x706c61696e'"),
    OK("bytea", "\"a\\\\\\\\b\\\\001\"", "'a\\\\b\\001'"),
    OK("bytea", "\"a\\u0000b\"", "'\\x610062'"),
    BAD("bytea", "\"\\\\x6\"", "22P02"),
    BAD("bytea", "\"\\\\9\"", "22P02"),
    OK("inet", "\"192.168.1.5\"", "'192.168.1.5'"),
    OK("inet", "\"192.168.1.5/24\"", "'192.168.1.5/24'"),
    OK("inet", "\"::1\"", "'::1'"),
    OK("inet", "\"2001:db8::1/64\"", "'2001:db8::1/64'"),
    OK("inet", "\"::ffff:1.2.3.4\"", "'::ffff:1.2.3.4'"),
    BAD("inet", "\"192.168.1.500\"", "22P02"),
    BAD("inet", "\"localhost\"", "22P02"),
    BAD("inet", "\"1.2.3.4/33\"", "22P02"),
    OK("cidr", "\"10.0.0.0/8\"", "'10.0.0.0/8'"),
    OK("cidr", "\"10\"", "'10'"),
    BAD("cidr", "\"10.0.0.1/8\"", "22P02"),
    OK("mood", "\"happy\"", "'happy'"),
    BAD("mood", "\"angry\"", "22P02"),
    OK("positive", "5", "5"),
    BAD("positive", "-5", "23514"),
    BAD("positive", "\"x\"", "22P02"),
    OK("short_text", "\"abc\"", "'abc'"),
    BAD("short_text", "\"abcdef\"", "22001"),
    OK("int4[]", "[1,null,3]", "'{1,NULL,3}'"),
    OK("int4[]", "[]", "'{}'"),
    OK("int4[]", "[[1,2],[3,4]]", "'{{1,2},{3,4}}'"),
    OK("int4[]", "\"{5,6}\"", "'{5,6}'"),
    BAD("int4[]", "[[1,2],[3]]", "22P02"),
    BAD("int4[]", "[1,[2]]", "22P02"),
    BAD("int4[]", "[1,\"x\"]", "22P02"),
    BAD("int4[]", "[3000000000]", "22003"),
    BAD("int4[]", "{\"a\":1}", "22P02"),
    BAD("int4[]", "7", "22P02"),
    BAD("int4[]", "[[[[[[[1]]]]]]]", "54000"),
    OK("text[]", "[\"a\",\"b,c\",\"d\\\"e\\\\f\",\"\",\"NULL\",null,\"{}\"]",
       "array['a','b,c','d\"e\\f','','NULL',null,'{}']"),
    OK("text[]", "[1.10,true,\"t\\tn\\n\"]",
       "array['1.10','true',E't\\tn\\n']"),
    OK("varchar(3)[]", "[\"abc\"]", "'{abc}'"),
    BAD("varchar(3)[]", "[\"abcd\"]", "22001"),
    OK("timestamptz[]", "[\"2024-01-05T10:11:12Z\"]",
       "array['2024-01-05 10:11:12+00'::timestamptz]"),
    OK("jsonb[]", "[{\"a\":[1,2]},[3],null,\"s\"]",
       "array['{\"a\":[1,2]}','[3]',null,'\"s\"']::jsonb[]"),
    OK("mood[]", "[\"sad\",\"happy\"]", "'{sad,happy}'"),
    OK("uuid[]", "[\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"]",
       "'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'"),
    OK("numeric[]", "[1.10,1e3]", "array[1.10,1000]"),
    OK("bytea[]", "[\"\\\\x00ff\"]", "array['\\x00ff'::bytea]"),
    OK("point", "\"(1,2)\"", "'(1,2)'"),
    BAD("point", "\"somewhere\"", "22P02"),
    OK("int4range", "\"[1,5)\"", "'[1,5)'"),
    OK("money", "12.50", "12.50"),
    OK("pair", "\"(1,x)\"", "'(1,x)'"),
};

#define COUNT (sizeof samples / sizeof *samples)

static struct pgtest t;

static void
setup(void)
{
    memset(&t, 0, sizeof t);
    sql(&t, "set client_min_messages = error; drop schema if exists typ"
            " cascade; drop schema if exists ingestlayer cascade;"
            "create schema typ; set search_path = typ, public;"
            "create extension if not exists citext schema public;"
            "create type mood as enum ('sad', 'ok', 'happy');"
            "create domain positive as int check (value > 0);"
            "create domain short_text as varchar(4);"
            "create type pair as (a int, b text);"
            "alter role current_user set search_path = typ, public;"
            "alter role current_user set timezone = 'Asia/Tokyo';"
            "alter role current_user set datestyle = 'German'");
}

static void
teardown(void)
{
    sql(&t, "alter role current_user reset all");
    pgtest_free(&t);
}

static void
check_sample(uint32_t i, const struct sample *s)
{
    const char *json = s->json;
    if (s->code) {
        const struct il_reason *r = testhost_reason(t.host, i);
        ck_assert_msg(r != NULL, "%s: %s is no dead letter", s->type, json);
        ck_assert_msg(strcmp(r->code, s->code) == 0, "%s: %s: %s (%s)", s->type,
                      json, r->code, r->message);
        ck_assert_msg(r->field && strcmp(r->field, "v") == 0,
                      "%s: %s: field %s (%s)", s->type, json,
                      r->field ? r->field : "none", r->message);
        return;
    }
    const struct il_reason *r = testhost_reason(t.host, i);
    ck_assert_msg(r == NULL, "%s: %s: %s %s", s->type, json, r ? r->code : "",
                  r ? r->message : "");
    const char *got =
        sql(&t,
            "set timezone = 'UTC'; set datestyle = 'ISO';"
            "select case when v::text is not distinct from"
            " (%s)::%s::text then 'same' else coalesce(v::text, 'null')"
            " || ' <> ' || coalesce((%s)::%s::text, 'null') end"
            " from vals where event_id = 's%u'",
            s->literal, s->type, s->literal, s->type, i);
    ck_assert_msg(strcmp(got, "same") == 0, "%s: %s: %s", s->type, json, got);
}

/* All samples of one type as one batch, so that good and bad rows mix. */
static size_t
try_type(size_t first, const char *extra)
{
    const char *type = samples[first].type;
    size_t end = first;
    while (end < COUNT && strcmp(samples[end].type, type) == 0)
        end++;
    sql(&t,
        "drop table if exists vals; drop schema if exists ingestlayer"
        " cascade; create table vals"
        " (event_id text primary key, v %s %s)",
        type, extra);
    ck_assert_int_eq(
        pgtest_up(&t, "connection = \"dbname=postgres\"; table = \"vals\";"),
        0);
    for (size_t i = first; i < end; i++)
        event(&t, "{\"id\":\"s%zu\",\"type\":\"t\",\"payload\":{\"v\":%s}}",
              i - first, samples[i].json);
    deliver(&t);
    for (size_t i = first; i < end; i++)
        check_sample((uint32_t) (i - first), &samples[i]);
    pgtest_down(&t);
    return end;
}

START_TEST(every_type_in_binary)
{
    for (size_t i = 0; i < COUNT;)
        i = try_type(i, "");
}
END_TEST

/* A column of a type without a binary form turns the table's COPY to text. */
START_TEST(every_type_as_text)
{
    for (size_t i = 0; i < COUNT;)
        i = try_type(i, ", x polygon default '((0,0),(1,1))'");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("types");
    TCase *c = tcase_create("types");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, every_type_in_binary);
    tcase_add_test(c, every_type_as_text);
    suite_add_tcase(s, c);
    return pgtest_run(s);
}
