/* SPDX-License-Identifier: MIT */
/* The expression language: what holds for which event. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "event_fixture.h"
#include "lang/expr.h"

struct holds {
    const char *expr, *payload;
    int expected;
};

/* From memory that ends with the text and is gone afterwards, so that checkers
 * see whoever reads on. */
static int
compile(const char *text, struct il_expr **expr, struct lang_error *error)
{
    size_t len = strlen(text);
    char *exact = malloc(len ? len : 1);
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, text, len);
    int err = expr_compile(exact, len, expr, error);
    memset(exact, 'X', len);
    free(exact);
    return err;
}

static int
evaluate(const char *text, const char *payload)
{
    struct il_expr *expr = NULL;
    struct lang_error error;
    struct event_fixture f;
    int err = compile(text, &expr, &error);
    if (err)
        ck_abort_msg("%s: error %d at %zu: %s", text, err, error.offset,
                     error.message);
    fixture_open(&f, payload);
    int got = expr_true(expr, &f.event);
    ck_assert_int_eq(got, expr_true(expr, &f.event));
    struct expr_explained why;
    ck_assert_int_eq(got, expr_explain(expr, &f.event, &why));
    fixture_close(&f);
    expr_free(expr);
    return got;
}

static void
check_table(const struct holds *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int got = evaluate(rows[i].expr, rows[i].payload);
        if (got != rows[i].expected)
            ck_abort_msg("%s on %s: expected %d, got %d", rows[i].expr,
                         rows[i].payload, rows[i].expected, got);
    }
}

#define CHECK_TABLE(rows) check_table(rows, sizeof rows / sizeof *rows)

START_TEST(the_recipe)
{
    static const char where[] =
        "feature in {export, *.export, api, api.*, webhook, webhook.*}";
    static const struct holds rows[] = {
        { where, "{\"feature\":\"export\"}", 1 },
        { where, "{\"feature\":\"csv.export\"}", 1 },
        { where, "{\"feature\":\"csv.exports\"}", 0 },
        { where, "{\"feature\":\"exports\"}", 0 },
        { where, "{\"feature\":\"api\"}", 1 },
        { where, "{\"feature\":\"api.read\"}", 1 },
        { where, "{\"feature\":\"apis\"}", 0 },
        { where, "{\"feature\":\"webhook.in.out\"}", 1 },
        { where, "{\"feature\":\"\"}", 0 },
        { where, "{\"feature\":null}", 0 },
        { where, "{\"feature\":1}", 0 },
        { where, "{\"feature\":[\"api\"]}", 0 },
        { where, "{}", 0 },
        { "feature in {export, api, webhook}", "{\"feature\":\"csv.export\"}",
          0 },
    };
    CHECK_TABLE(rows);
}
END_TEST

START_TEST(equality)
{
    static const struct holds rows[] = {
        { "plan == free", "{\"plan\":\"free\"}", 1 },
        { "plan == free", "{\"plan\":\"freedom\"}", 0 },
        { "plan == 'free'", "{\"plan\":\"free\"}", 1 },
        { "plan == \"free\"", "{\"plan\":\"free\"}", 1 },
        { "plan==free", "{\"plan\":\"free\"}", 1 },
        { "plan != free", "{\"plan\":\"pro\"}", 1 },
        { "plan != free", "{\"plan\":\"free\"}", 0 },
        { "n == 5", "{\"n\":5}", 1 },
        { "n == 5", "{\"n\":\"5\"}", 0 },
        { "n != 5", "{\"n\":\"5\"}", 1 },
        { "n == '5'", "{\"n\":5}", 0 },
        { "n == -5", "{\"n\":-5}", 1 },
        { "n>-5", "{\"n\":-4}", 1 },
        { "ok == true", "{\"ok\":true}", 1 },
        { "ok == TRUE", "{\"ok\":true}", 1 },
        { "ok == 'true'", "{\"ok\":true}", 0 },
        { "ok == false", "{\"ok\":false}", 1 },
        { "ok == false", "{\"ok\":true}", 0 },
        { "ok == 1", "{\"ok\":true}", 0 },
        { "a == ''", "{\"a\":\"\"}", 1 },
        { "a == csv.export", "{\"a\":\"csv.export\"}", 1 },
        { "a == a-b", "{\"a\":\"a-b\"}", 1 },
        { "a == ada@acme.com", "{\"a\":\"ada@acme.com\"}", 1 },
        { "a == /api/v1", "{\"a\":\"/api/v1\"}", 1 },
        { "a == \xc3\xa9t\xc3\xa9", "{\"a\":\"\\u00e9t\\u00e9\"}", 1 },
        { "a == 'x*y'", "{\"a\":\"x*y\"}", 1 },
        { "a == 'x*y'", "{\"a\":\"xzy\"}", 0 },
        { "5 == $event.payload.n", "{\"n\":5}", 1 },
        { "x == $event.payload.y", "{\"x\":1,\"y\":1.0}", 1 },
        { "x == $event.payload.y", "{\"x\":1,\"y\":\"1\"}", 0 },
        { "x == $event.y", "{\"x\":\"a\",\"y\":\"a\"}", 1 },
        { "x == $event.y", "{\"x\":[1],\"y\":[1]}", 0 },
        { "x == y", "{\"x\":\"y\",\"y\":1}", 1 },
        { "x == user.plan", "{\"x\":\"user.plan\"}", 1 },
    };
    CHECK_TABLE(rows);
}
END_TEST

START_TEST(missing_and_null)
{
    static const struct holds rows[] = {
        { "a == 5", "{}", 0 },
        { "a != 5", "{}", 1 },
        { "not a == 5", "{}", 1 },
        { "a < 5", "{}", 0 },
        { "not (a < 5)", "{}", 1 },
        { "a >= 5", "{}", 0 },
        { "a in {5, x}", "{}", 0 },
        { "a not in {5, x}", "{}", 1 },
        { "a in {5, null}", "{}", 1 },
        { "a in {5, null}", "{\"a\":null}", 1 },
        { "a not in {5, null}", "{}", 0 },
        { "a contains x", "{}", 0 },
        { "not a contains x", "{}", 1 },
        { "a not contains x", "{}", 1 },
        { "a starts_with x", "{}", 0 },
        { "a ends_with x", "{}", 0 },
        { "a like *", "{}", 0 },
        { "a matches '.*'", "{}", 0 },
        { "a", "{}", 0 },
        { "not a", "{}", 1 },
        { "a == null", "{}", 1 },
        { "a == null", "{\"a\":null}", 1 },
        { "a == null", "{\"a\":0}", 0 },
        { "a != null", "{}", 0 },
        { "a != null", "{\"a\":\"\"}", 1 },
        { "a == null", "{\"a\":\"null\"}", 0 },
        { "a == 'null'", "{\"a\":\"null\"}", 1 },
        { "null == $event.a", "{}", 1 },
        { "exists(a)", "{}", 0 },
        { "exists(a)", "{\"a\":null}", 1 },
        { "exists(a)", "{\"a\":false}", 1 },
        { "exists(a.b)", "{\"a\":{\"b\":1}}", 1 },
        { "exists(a.b)", "{\"a\":5}", 0 },
        { "not exists(a)", "{}", 1 },
        { "exists(a) == false", "{}", 1 },
        { "exists(a) == true", "{\"a\":1}", 1 },
        { "a == $event.b", "{}", 0 },
        { "a != $event.b", "{}", 1 },
        { "a == $event.b", "{\"a\":null}", 0 },
        { "a == $event.b", "{\"a\":null,\"b\":null}", 1 },
        { "null in a", "{\"a\":[1,null]}", 1 },
        { "null in a", "{\"a\":[1]}", 0 },
        { "null in a", "{}", 0 },
        { "$event.b in a", "{\"a\":[null]}", 0 },
        { "a contains $event.b", "{\"a\":[null]}", 0 },
        { "len(a) > 0", "{}", 0 },
        { "len(a) == null", "{}", 1 },
        { "a.b.c == 1", "{\"a\":{\"b\":null}}", 0 },
    };
    CHECK_TABLE(rows);
}
END_TEST

START_TEST(numbers)
{
    static const struct holds rows[] = {
        { "n == 9007199254740993", "{\"n\":9007199254740993}", 1 },
        { "n == 9007199254740993", "{\"n\":9007199254740992}", 0 },
        { "n > 9007199254740992", "{\"n\":9007199254740993}", 1 },
        { "n == 18446744073709551615", "{\"n\":18446744073709551615}", 1 },
        { "n < 18446744073709551616", "{\"n\":18446744073709551615}", 1 },
        { "n == 36893488147419103232", "{\"n\":36893488147419103232}", 1 },
        { "n > 36893488147419103232", "{\"n\":36893488147419103233}", 1 },
        { "n == 1.1", "{\"n\":1.10}", 1 },
        { "n == 1.1", "{\"n\":1.1000000000000000000000000001}", 0 },
        { "n > 1.1", "{\"n\":1.1000000000000000000000000001}", 1 },
        { "n == 0.1", "{\"n\":1e-1}", 1 },
        { "n == 0", "{\"n\":-0}", 1 },
        { "n == 0", "{\"n\":0.000e99}", 1 },
        { "n > 1e399", "{\"n\":1e400}", 1 },
        { "n == 1e400", "{\"n\":10e399}", 1 },
        { "n < 1e400", "{\"n\":1e399}", 1 },
        { "n > -1e400", "{\"n\":0}", 1 },
        { "n == 42", "{\"n\":4.2e1}", 1 },
        { "n == 4.2e1", "{\"n\":42}", 1 },
        { "n == 1E2", "{\"n\":100}", 1 },
        { "n == 1e+2", "{\"n\":100.0}", 1 },
        { "n == 100MB", "{\"n\":100000000}", 1 },
        { "n == 64KiB", "{\"n\":65536}", 1 },
        { "n == 1kB", "{\"n\":1000}", 1 },
        { "n == 2GB", "{\"n\":2000000000}", 1 },
        { "n == 2TB", "{\"n\":2000000000000}", 1 },
        { "n == 1MiB", "{\"n\":1048576}", 1 },
        { "n == 1GiB", "{\"n\":1073741824}", 1 },
        { "n == 1TiB", "{\"n\":1099511627776}", 1 },
        { "n == 7B", "{\"n\":7}", 1 },
        { "n == 0.5KiB", "{\"n\":512}", 1 },
        { "n == 5m", "{\"n\":300000}", 1 },
        { "n == 5ms", "{\"n\":5}", 1 },
        { "n == 5us", "{\"n\":0.005}", 1 },
        { "n == 1.5h", "{\"n\":5400000}", 1 },
        { "n == 2s", "{\"n\":2000}", 1 },
        { "n == 1d", "{\"n\":86400000}", 1 },
        { "n == 1w", "{\"n\":604800000}", 1 },
        { "n >= 5m", "{\"n\":299999}", 0 },
        { "n in {5m, 6m}", "{\"n\":360000}", 1 },
        { "n < 10", "{\"n\":9}", 1 },
        { "n < 10", "{\"n\":10}", 0 },
        { "n <= 10", "{\"n\":10}", 1 },
        { "n >= 10", "{\"n\":10}", 1 },
        { "n > 10", "{\"n\":10}", 0 },
        { "n < 10", "{\"n\":\"9\"}", 0 },
        { "n >= 10", "{\"n\":\"9\"}", 0 },
        { "10 > $event.n", "{\"n\":9}", 1 },
        { "10 <= $event.n", "{\"n\":10}", 1 },
        { "10 < $event.n", "{\"n\":10}", 0 },
        { "10 >= $event.n", "{\"n\":11}", 0 },
        { "n in {1, 2.50, 1e2}", "{\"n\":2.5}", 1 },
        { "n in {1, 2.50, 1e2}", "{\"n\":100}", 1 },
        { "n in {1, 2.50, 1e2}", "{\"n\":3}", 0 },
        { "n in {9,8,7,6,5,4,3,2,1,0,11}", "{\"n\":11}", 1 },
        { "n in {9,8,7,6,5,4,3,2,1,0,11}", "{\"n\":10}", 0 },
        { "duration_ms > $event.payload.expected_ms",
          "{\"duration_ms\":12,\"expected_ms\":11.5}", 1 },
        { "duration_ms > $event.payload.expected_ms",
          "{\"duration_ms\":11,\"expected_ms\":11.5}", 0 },
    };
    CHECK_TABLE(rows);
}
END_TEST

START_TEST(text_operators)
{
    static const struct holds rows[] = {
        { "a < b", "{\"a\":\"a\"}", 1 },
        { "a < b", "{\"a\":\"b\"}", 0 },
        { "a <= b", "{\"a\":\"b\"}", 1 },
        { "a > Z", "{\"a\":\"a\"}", 1 },
        { "a > b", "{\"a\":\"ba\"}", 1 },
        { "a > '\\uffff'", "{\"a\":\"\\ud83d\\ude00\"}", 1 },
        { "a == '\\ud83d\\ude00'", "{\"a\":\"\xf0\x9f\x98\x80\"}", 1 },
        { "a == '\\ud83d'", "{\"a\":\"\\ud83d\"}", 1 },
        { "a == '\\u0000'", "{\"a\":\"\\u0000\"}", 1 },
        { "a == '\\t\\n\\\\\\\"\\''", "{\"a\":\"\\t\\n\\\\\\\"'\"}", 1 },
        { "a == \"it's\"", "{\"a\":\"it's\"}", 1 },
        { "a contains ell", "{\"a\":\"hello\"}", 1 },
        { "a contains elo", "{\"a\":\"hello\"}", 0 },
        { "a contains ''", "{\"a\":\"\"}", 1 },
        { "a contains $event.b", "{\"a\":\"hello\",\"b\":\"lo\"}", 1 },
        { "a contains 5", "{\"a\":\"15\"}", 0 },
        { "a starts_with he", "{\"a\":\"hello\"}", 1 },
        { "a starts_with 'hello!'", "{\"a\":\"hello\"}", 0 },
        { "a ends_with lo", "{\"a\":\"hello\"}", 1 },
        { "a ends_with 'ohello'", "{\"a\":\"hello\"}", 0 },
        { "a ends_with .com", "{\"a\":\"acme.com\"}", 1 },
        { "'hello' starts_with $event.a", "{\"a\":\"he\"}", 1 },
        { "a like *", "{\"a\":\"\"}", 1 },
        { "a like he*o", "{\"a\":\"hello\"}", 1 },
        { "a like 'h*l*o'", "{\"a\":\"hello\"}", 1 },
        { "a like h*l", "{\"a\":\"hello\"}", 0 },
        { "a like hel*llo", "{\"a\":\"hello\"}", 0 },
        { "a like hello", "{\"a\":\"hello\"}", 1 },
        { "a like *a*b*c", "{\"a\":\"xaxbxbxc\"}", 1 },
        { "a like *a*b*c", "{\"a\":\"xaxcxb\"}", 0 },
        { "a like 'two words*'", "{\"a\":\"two words here\"}", 1 },
        { "a like 5*", "{\"a\":\"55\"}", 1 },
        { "a like *", "{\"a\":5}", 0 },
        { "a not like h*", "{\"a\":\"hello\"}", 0 },
        { "a in {'x*'}", "{\"a\":\"xy\"}", 0 },
        { "a in {'x*'}", "{\"a\":\"x*\"}", 1 },
        { "a in {x*}", "{\"a\":\"xy\"}", 1 },
        { "a in {a*b*c}", "{\"a\":\"aXbYc\"}", 1 },
        { "a in {ab*ba}", "{\"a\":\"aba\"}", 0 },
    };
    CHECK_TABLE(rows);
}
END_TEST

START_TEST(functions)
{
    static const struct holds rows[] = {
        { "len(a) == 5", "{\"a\":\"hello\"}", 1 },
        { "len(a) == 2", "{\"a\":\"\\u00e9\\ud83d\\ude00\"}", 1 },
        { "len(a) == 1", "{\"a\":\"\\ud83d\"}", 1 },
        { "len(a) == 3", "{\"a\":[1,[2],3]}", 1 },
        { "len(a) == 1", "{\"a\":{\"b\":1}}", 1 },
        { "len(a) == 0", "{\"a\":{}}", 1 },
        { "len(a) == 1", "{\"a\":5}", 0 },
        { "LEN (a) >= 5", "{\"a\":\"hello\"}", 1 },
        { "len(a) > len($event.b)", "{\"a\":\"xx\",\"b\":\"x\"}", 1 },
        { "len(a) > len(b)", "{\"a\":\"xx\",\"b\":\"x\"}", 1 },
        { "len(a) in {1, 2}", "{\"a\":\"xx\"}", 1 },
        { "lower(a) == hello", "{\"a\":\"HeLLo\"}", 1 },
        { "lower(a) == hello", "{\"a\":\"HeLL\"}", 0 },
        { "lower(a) == hello", "{\"a\":5}", 0 },
        { "lower(a) == lower('HELLO')", "{\"a\":\"HeLLo\"}", 1 },
        { "lower(a) == lower(b)", "{\"a\":\"X\",\"b\":\"x\"}", 1 },
        { "lower(a) == '\\u00e4\\u03c3\\u0434'",
          "{\"a\":\"\\u00c4\\u03a3\\u0414\"}", 1 },
        { "lower(a) == '\\u03c3'", "{\"a\":\"\\u03c2\"}", 1 },
        { "lower(a) == '\\u2c65'", "{\"a\":\"\\u023a\"}", 1 },
        { "lower(a) in {pro, max}", "{\"a\":\"PRO\"}", 1 },
        { "lower(a) in {pro, max}", "{\"a\":\"FREE\"}", 0 },
        { "lower(a) in {a,b,c,d,e,f,g,h,i,j}", "{\"a\":\"J\"}", 1 },
        { "lower(a) in {*.export}", "{\"a\":\"CSV.Export\"}", 1 },
        { "lower(a) contains ell", "{\"a\":\"HELLO\"}", 1 },
        { "lower(a) contains elo", "{\"a\":\"HELLO\"}", 0 },
        { "lower(a) contains ''", "{\"a\":\"HELLO\"}", 1 },
        { "lower(a) contains hello", "{\"a\":\"HELL\"}", 0 },
        { "lower(a) contains lower(b)", "{\"a\":\"xABab\",\"b\":\"BA\"}", 1 },
        { "lower(a) starts_with he", "{\"a\":\"HELLO\"}", 1 },
        { "lower(a) starts_with hello", "{\"a\":\"HELL\"}", 0 },
        { "lower(a) ends_with lo", "{\"a\":\"HELLO\"}", 1 },
        { "lower(a) ends_with '\\u00e9'", "{\"a\":\"X\\u00c9\"}", 1 },
        { "lower(a) like h*o", "{\"a\":\"HELLO\"}", 1 },
        { "lower(a) like h*x*o", "{\"a\":\"HELLO\"}", 0 },
        { "lower(a) < b", "{\"a\":\"A\"}", 1 },
        { "lower(a) in tags", "{\"a\":\"A\",\"tags\":[\"a\"]}", 1 },
        { "len(lower(a)) == 1", "{\"a\":\"A\"}", 1 },
        { "number(a) == 5", "{\"a\":\"5\"}", 1 },
        { "number(a) == 5", "{\"a\":5.0}", 1 },
        { "number(a) > 9007199254740992", "{\"a\":\"9007199254740993\"}", 1 },
        { "number(a) == 1.5", "{\"a\":\"1.50\"}", 1 },
        { "number(a) == 150", "{\"a\":\"1.5e2\"}", 1 },
        { "number(a) == 5", "{\"a\":\" 5\"}", 0 },
        { "number(a) == 5", "{\"a\":\"05\"}", 0 },
        { "number(a) == 5", "{\"a\":\"5x\"}", 0 },
        { "number(a) == null", "{\"a\":\"five\"}", 1 },
        { "number(a) == 0", "{\"a\":\"\"}", 0 },
        { "number(a) == 1", "{\"a\":true}", 0 },
        { "number(a) < number(b)", "{\"a\":\"9\",\"b\":\"10\"}", 1 },
        { "number(a) in {1, 5}", "{\"a\":\"5\"}", 1 },
        { "len == 5", "{\"len\":5}", 1 },
        { "exists == x", "{\"exists\":\"x\"}", 1 },
    };
    CHECK_TABLE(rows);
}
END_TEST

START_TEST(arrays_and_paths)
{
    static const struct holds rows[] = {
        { "'a' in tags", "{\"tags\":[\"b\",\"a\"]}", 1 },
        { "'a' in tags", "{\"tags\":[\"b\"]}", 0 },
        { "'a' not in tags", "{\"tags\":[\"b\"]}", 1 },
        { "'a' in tags", "{\"tags\":\"a\"}", 0 },
        { "'a' in tags", "{}", 0 },
        { "'a' not in tags", "{}", 1 },
        { "tags contains a", "{\"tags\":[\"b\",\"a\"]}", 1 },
        { "tags contains a", "{\"tags\":[\"ab\"]}", 0 },
        { "tags contains 2", "{\"tags\":[1,2.0]}", 1 },
        { "tags contains true", "{\"tags\":[1,true]}", 1 },
        { "tags contains null", "{\"tags\":[1,null]}", 1 },
        { "5 in tags", "{\"tags\":[5]}", 1 },
        { "plan in plans", "{\"plan\":\"a\",\"plans\":[\"a\"]}", 1 },
        { "plan in $event.payload.plans", "{\"plan\":\"a\",\"plans\":[\"b\"]}",
          0 },
        { "plan in {free, $event.payload.other}",
          "{\"plan\":\"a\",\"other\":\"a\"}", 1 },
        { "plan in {free, $event.payload.other}", "{\"plan\":\"a\"}", 0 },
        { "plan in {free, lower(other)}", "{\"plan\":\"a\",\"other\":\"A\"}",
          1 },
        { "user.address.country == DE",
          "{\"user\":{\"address\":{\"country\":\"DE\"}}}", 1 },
        { "items[0].sku == x", "{\"items\":[{\"sku\":\"x\"}]}", 1 },
        { "items[-1].sku == y", "{\"items\":[{\"sku\":\"x\"},{\"sku\":\"y\"}]}",
          1 },
        { "items[2].sku == x", "{\"items\":[{\"sku\":\"x\"}]}", 0 },
        { "items[-2] == 1", "{\"items\":[2]}", 0 },
        { "items[0][1] == 7", "{\"items\":[[6,7]]}", 1 },
        { "[\"a.b\"] == 1", "{\"a.b\":1}", 1 },
        { "a['b c'].d == 1", "{\"a\":{\"b c\":{\"d\":1}}}", 1 },
        { "[''] == 1", "{\"\":1}", 1 },
        { "user-id == 1", "{\"user-id\":1}", 1 },
        { "\xc3\xa9 == 1", "{\"\\u00e9\":1}", 1 },
        { "$event.payload[\"a.b\"] == 1", "{\"a.b\":1}", 1 },
        { "$event[\"a.b\"] == 1", "{\"a.b\":1}", 1 },
        { "$event.plan == free", "{\"plan\":\"free\"}", 1 },
        { "id == mine", "{\"id\":\"mine\"}", 1 },
        { "$event.payload.id == mine", "{\"id\":\"mine\"}", 1 },
        { "payload.x == 1", "{\"payload\":{\"x\":1}}", 1 },
        { "exists($event.payload)", "{}", 1 },
    };
    CHECK_TABLE(rows);
}
END_TEST

START_TEST(envelope_and_entities)
{
    static const struct holds rows[] = {
        { "$event.id == evt_1", "{}", 1 },
        { "$event.id == evt_1", "{\"id\":\"x\"}", 1 },
        { "$event.type == feature.used", "{}", 1 },
        { "$event.type like feature.*", "{}", 1 },
        { "$event.source_id in {app, web}", "{}", 1 },
        { "$event.received_at == '2026-11-23T07:09:00Z'", "{}", 1 },
        { "$event.received_at == 2026-11-23T07:09:00Z", "{}", 1 },
        { "$event.received_at == '2026-11-23T08:09:00+01:00'", "{}", 1 },
        { "$event.received_at < '2026-11-23T07:09:00.000001Z'", "{}", 1 },
        { "$event.received_at >= '2026-11-24T00:00:00Z'", "{}", 0 },
        { "$event.timestamp < $event.received_at", "{}", 1 },
        { "$event.received_at > $event.timestamp", "{}", 1 },
        { "$event.timestamp == '2026-11-23T07:08:59.5Z'", "{}", 1 },
        { "$event.timestamp in {'2026-11-23T07:08:59.5Z'}", "{}", 1 },
        { "$event.timestamp in {'2026-11-23T07:08:59Z'}", "{}", 0 },
        { "$event.timestamp < $event.payload.due",
          "{\"due\":\"2026-11-24T00:00:00Z\"}", 1 },
        { "$event.timestamp < $event.payload.due", "{\"due\":\"later\"}", 0 },
        { "$event.timestamp < $event.payload.due", "{\"due\":99e99}", 0 },
        { "due > $event.timestamp", "{\"due\":\"2026-11-24T00:00:00Z\"}", 1 },
        { "exists($event.timestamp)", "{}", 1 },
        { "timestamp == x", "{\"timestamp\":\"x\"}", 1 },
        { "$entity.user.plan == pro", "{}", 1 },
        { "$entity.account.plan == big", "{}", 1 },
        { "$entity.account.name == ACME", "{}", 1 },
        { "$entity.user.address.city == Rome", "{}", 1 },
        { "$entity.user.name == ACME", "{}", 0 },
        { "$entity.team.plan == pro", "{}", 0 },
        { "exists($entity.user)", "{}", 1 },
        { "exists($entity.team)", "{}", 0 },
        { "len($entity.user) == 3", "{}", 1 },
        { "seats > $entity.user.seats", "{\"seats\":6}", 1 },
        { "plan == $entity.user.plan", "{\"plan\":\"pro\"}", 1 },
    };
    CHECK_TABLE(rows);
}
END_TEST

START_TEST(logic)
{
    static const char payload[] = "{\"t\":true,\"f\":false,\"n\":1}";
    static const struct holds rows[] = {
        { "t", payload, 1 },
        { "f", payload, 0 },
        { "n", payload, 0 },
        { "not t", payload, 0 },
        { "!t", payload, 0 },
        { "not n", payload, 1 },
        { "not not t", payload, 1 },
        { "true", payload, 1 },
        { "false", payload, 0 },
        { "not false", payload, 1 },
        { "t and f", payload, 0 },
        { "t or f", payload, 1 },
        { "t && !f", payload, 1 },
        { "f || t", payload, 1 },
        { "T == x OR t AND NOT f", payload, 1 },
        { "not f and f", payload, 0 },
        { "not (f and f)", payload, 1 },
        { "t or f and f", payload, 1 },
        { "(t or f) and f", payload, 0 },
        { "f and f or t", payload, 1 },
        { "f and (f or t)", payload, 0 },
        { "t and t and t and f", payload, 0 },
        { "f or f or f or t", payload, 1 },
        { "not n == 1", payload, 0 },
        { "not n == 1 or t", payload, 1 },
        { "n == 1 # one\n and t # and true", payload, 1 },
        { "# first\n\tn==1\r\n", payload, 1 },
        { "((((n == 1))))", payload, 1 },
        { "n==1&&t||f", payload, 1 },
        { "notes == x", "{\"notes\":\"x\"}", 1 },
        { "order == x", "{\"order\":\"x\"}", 1 },
        { "in == x", "{\"in\":\"x\"}", 1 },
        { "in in {in, like}", "{\"in\":\"like\"}", 1 },
        { "Plan == x", "{\"plan\":\"x\"}", 0 },
        { "not exists(a) or a == 1", "{\"a\":1}", 1 },
    };
    CHECK_TABLE(rows);
}
END_TEST

START_TEST(regular_expressions)
{
    static const struct holds rows[] = {
        { "a matches 'ell'", "{\"a\":\"hello\"}", 1 },
        { "a matches '^ell'", "{\"a\":\"hello\"}", 0 },
        { "a matches \"^h.*o$\"", "{\"a\":\"hello\"}", 1 },
        { "a matches '^hello$'", "{\"a\":\"hello\\n\"}", 0 },
        { "a matches '^\\\\d+$'", "{\"a\":\"123\"}", 1 },
        { "a matches '^.$'", "{\"a\":\"\\ud83d\\ude00\"}", 1 },
        { "a matches '(?i)HELLO'", "{\"a\":\"hello\"}", 1 },
        { "a matches '(?i)\\u00c9'", "{\"a\":\"\\u00e9\"}", 1 },
        { "a matches '(a)\\\\1'", "{\"a\":\"aa\"}", 1 },
        { "a matches hello", "{\"a\":\"oh hello\"}", 1 },
        { "a matches '.'", "{\"a\":5}", 0 },
        { "a matches '5'", "{\"a\":5}", 0 },
        { "a not matches 'x'", "{\"a\":\"hello\"}", 1 },
        { "a matches 'x' or a matches 'h'", "{\"a\":\"hello\"}", 1 },
        { "a matches 'b$'", "{\"a\":\"\\ud83dab\"}", 1 },
    };
    CHECK_TABLE(rows);
}
END_TEST

/* A pattern that would take for ever ends, be it without an answer. */
START_TEST(hostile_patterns_end)
{
    char payload[3100] = "{\"a\":\"";
    memset(payload + 6, 'a', 3000);
    strcpy(payload + 3006, "\"}");
    ck_assert_int_eq(evaluate("a matches '^(a+)+$'", payload), 1);
    ck_assert_int_eq(evaluate("a matches '^(a+)+b'", payload), 0);
    ck_assert_int_eq(evaluate("a matches '(a|a)*[bc]'", payload), -E2BIG);
    ck_assert_int_eq(evaluate("a matches '(.*)(.*)(.*)(.*)(.*)x'", payload), 0);
}
END_TEST

static char *
repeat(const char *before, const char *part, size_t times, const char *after)
{
    size_t n = strlen(part);
    char *s = malloc(strlen(before) + n * times + strlen(after) + 1), *p;
    ck_assert_ptr_nonnull(s);
    p = stpcpy(s, before);
    for (; times > 0; times--)
        p = stpcpy(p, part);
    strcpy(p, after);
    return s;
}

/* Folded search stays linear even where each place nearly matches. */
START_TEST(hostile_texts_end)
{
    char *half = repeat("", "a", 200000, "");
    char *payload = malloc(700000);
    ck_assert_ptr_nonnull(payload);
    sprintf(payload, "{\"a\":\"%s%s\",\"b\":\"%sb\"}", half, half, half);
    ck_assert_int_eq(evaluate("lower(a) contains lower(b)", payload), 0);
    ck_assert_int_eq(evaluate("a contains $event.b", payload), 0);
    sprintf(payload, "{\"a\":\"%s%sB\",\"b\":\"%sb\"}", half, half, half);
    ck_assert_int_eq(evaluate("lower(a) contains lower(b)", payload), 1);
    free(payload);
    free(half);
}
END_TEST

/* A regular expression that meets its limit has no answer, and nothing makes
 * one of it; what does not depend on it has. */
START_TEST(a_limit_is_no_answer)
{
    char *longer = repeat("{\"a\":\"", "a", 16385, "\",\"b\":1}");
    char *just = repeat("{\"a\":\"", "a", 16384, "\",\"b\":1}");
    char *slow = repeat("{\"a\":\"", "a", 40, "!\",\"b\":1}");
    static const struct {
        const char *expr;
        int expected;
    } rows[] = {
        { "a matches x", -E2BIG },
        { "not a matches x", -E2BIG },
        { "not not a matches x", -E2BIG },
        { "a matches x or b == 2", -E2BIG },
        { "b == 2 or not a matches x", -E2BIG },
        { "a matches x or b == 1", 1 },
        { "not (a matches x or b == 1)", 0 },
        { "a matches x and b == 1", -E2BIG },
        { "not a matches x and b == 2", 0 },
        { "a matches '(?i)x'", -E2BIG },
        { "b matches x", 0 },
        { "not missing matches x", 1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int got = evaluate(rows[i].expr, longer);
        ck_assert_msg(got == rows[i].expected, "%s: %d", rows[i].expr, got);
    }
    ck_assert_int_eq(evaluate("a matches x", just), 0);
    ck_assert_int_eq(evaluate("not a matches x", just), 1);
    ck_assert_int_eq(evaluate("a matches '^(a|aa)+$'", slow), -E2BIG);
    ck_assert_int_eq(evaluate("not a matches '^(a|aa)+$'", slow), -E2BIG);
    free(longer);
    free(just);
    free(slow);
}
END_TEST

/* The examples of ingestlayer-expressions(7). */
START_TEST(the_manual_is_right)
{
    static const struct holds rows[] = {
        { "plan != free and (amount >= 100 or $entity.user.plan == pro)",
          "{\"plan\":\"x\"}", 1 },
        { "user.address.country in {DE, AT, CH} and not exists(test)",
          "{\"user\":{\"address\":{\"country\":\"AT\"}}}", 1 },
        { "duration_ms > 5s                # slow ones",
          "{\"duration_ms\":5001}", 1 },
        { "1 < $event.n and n < 5", "{\"n\":4}", 1 },
        { "number(n) == 5", "{\"n\":\"5\"}", 1 },
        { "path matches '^/v[0-9]+/users/\\\\d+$'",
          "{\"path\":\"/v2/users/77\"}", 1 },
        { "exists(plan) and plan != free", "{}", 0 },
        { "size > 100MB and not lower(email) ends_with @acme.com",
          "{\"size\":100000001,\"email\":\"Ada@ACME.com\"}", 0 },
        { "size > 100MB and not lower(email) ends_with @acme.com",
          "{\"size\":100000001,\"email\":\"ada@example.com\"}", 1 },
        { "items[0].sku == 'A-17' and\n"
          "$event.timestamp >= '2026-12-25T00:00:00Z' and\n"
          "$event.timestamp < '2027-01-01T00:00:00Z'",
          "{\"items\":[{\"sku\":\"A-17\"}]}", 0 },
    };
    CHECK_TABLE(rows);
}
END_TEST

START_TEST(large_sets)
{
    struct il_text text = { 0 };
    char payload[64];
    text_puts(&text, "id in {");
    for (int i = 0; i < 5000; i++)
        text_printf(&text, "user_with_a_long_name_%d_x, %d,", i, i * 3);
    text_puts(&text, "last}");
    for (int i = 0; i < 5001; i += 250) {
        sprintf(payload, "{\"id\":\"user_with_a_long_name_%d_x\"}", i);
        ck_assert_int_eq(evaluate(text_str(&text), payload), i < 5000);
        sprintf(payload, "{\"id\":\"user_with_a_long_name_%d_y\"}", i);
        ck_assert_int_eq(evaluate(text_str(&text), payload), 0);
        sprintf(payload, "{\"id\":%d}", i * 3);
        ck_assert_int_eq(evaluate(text_str(&text), payload), i < 5000);
        sprintf(payload, "{\"id\":%d}", i * 3 + 1);
        ck_assert_int_eq(evaluate(text_str(&text), payload), 0);
    }
    ck_assert_int_eq(evaluate(text_str(&text), "{\"id\":\"last\"}"), 1);
    text_clear(&text);
}
END_TEST

/* --- what is wrong, and where --- */

static const struct {
    const char *expr;
    size_t offset;
    const char *says;
} errors[] = {
    { "", 0, "empty" },
    { "  # nothing\n ", 0, "empty" },
    { "n = 5", 2, "==" },
    { "n=5", 1, "==" },
    { "n === 5", 4, "'='" },
    { "n <> 5", 3, "!=" },
    { "1 < n < 5", 6, "chain" },
    { "a == b == c", 7, "chain" },
    { "a in {b} == true", 9, "chain" },
    { "amount >= and currency == \"EUR\"", 10, "expected a value" },
    { "a ==", 4, "ends here" },
    { "a == b and", 10, "ends here" },
    { "and a", 0, "expected a field" },
    { "a or or b", 5, "expected a field" },
    { "not", 3, "ends here" },
    { "a == b c", 7, "'and', 'or' or the end" },
    { "(a == b", 7, "expected )" },
    { "a == b)", 6, "closes nothing" },
    { "()", 1, "expected a field" },
    { "(a) == b", 4, "parentheses" },
    { "a is b", 2, "unknown operator 'is'" },
    { "a & b", 2, "&&" },
    { "a == b & c", 7, "&&" },
    { "a + 1 == 2", 2, "arithmetic" },
    { "a == 'b", 5, "no closing '" },
    { "a == 'b\n and c == 'd'", 5, "no closing '" },
    { "a == \"b", 5, "no closing \"" },
    { "a == '\\x'", 6, "escape" },
    { "a == '\\u12'", 6, "escape" },
    { "a matches 'a(b'", 14, "regular expression" },
    { "a matches '[z-a]'", 14, "regular expression" },
    { "a matches '\\\\d\\u0041[z-a]'", 23, "regular expression" },
    { "a matches *", 10, "quotes" },
    { "a matches 5", 10, "quotes" },
    { "lower(a) matches 'x'", 0, "(?i)" },
    { "n > 5x", 5, "'x' is no unit" },
    { "n > 5 MB", 6, "'and', 'or' or the end" },
    { "n > 5Mb", 5, "unit" },
    { "n > 5e", 5, "unit" },
    { "n == 2024-01-01", 5, "quotes" },
    { "n == 01", 5, "begins like" },
    { "n == 1.2.3", 5, "no number" },
    { "n == .5", 5, "begins like" },
    { "n == 1e9999999999999999MB", 5, "far from 1" },
    { "foo(a) == 1", 0, "unknown function 'foo'" },
    { "a == foo(b)", 5, "unknown function 'foo'" },
    { "len(a", 5, "expected )" },
    { "len()", 4, "expected a field" },
    { "len(a, b) == 1", 5, "expected )" },
    { "exists('a')", 7, "takes a field" },
    { "exists(lower(a))", 7, "takes a field" },
    { "lower(number(a)) == x", 6, "takes text" },
    { "number(lower(a)) == true", 20, "never hold" },
    { "len(5) == 1", 4, "takes text" },
    { "a in {}", 6, "empty set" },
    { "a in {b", 7, "closing }" },
    { "a in {b c}", 8, "expected , or }" },
    { "a in {b,}", 8, "expected a value" },
    { "a in (b, c)", 5, "{ }" },
    { "a in 'b'", 5, "set" },
    { "'a' in {a, b}", 0, "constants" },
    { "'a' == b", 7, "constants" },
    { "5 < n", 4, "constants" },
    { "a == b*", 5, "'*'" },
    { "a contains *b", 11, "'*'" },
    { "a starts_with 49", 14, "expected text" },
    { "a < true", 4, "a boolean" },
    { "a < null", 4, "null" },
    { "5", 0, "alone" },
    { "'a'", 0, "alone" },
    { "null", 0, "alone" },
    { "len(a)", 0, "alone" },
    { "lower(a) and b", 0, "alone" },
    { "$event.id", 0, "alone" },
    { "$event.received_at or a", 0, "alone" },
    { "$event.id == 5", 13, "never hold" },
    { "len(a) == x", 10, "never hold" },
    { "lower(a) == Pro", 12, "capital" },
    { "lower(a) in {pro, Max}", 18, "capital" },
    { "$event.received_at > yesterday", 21, "time" },
    { "$event.received_at > 5", 21, "never hold" },
    { "$event.received_at in {x}", 23, "time" },
    { "$event.received_at contains '2026'", 0, "expected text" },
    { "$event", 6, "expected a field" },
    { "$event.payload == 1", 18, "never hold" },
    { "$event.id.x == 1", 9, "no parts" },
    { "$events.x == 1", 0, "$event, $entity or $step" },
    { "$x == 1", 0, "$event, $entity or $step" },
    { "$entity.plan", 0, "alone" },
    { "$entity == 1", 7, "kind" },
    { "a. == 1", 2, "expected a name" },
    { "a.0 == 1", 2, "[0]" },
    { "a[x] == 1", 2, "element number" },
    { "a[1 == 1", 3, "]" },
    { "a[1.5] == 1", 3, "]" },
    { "a['b == 1", 2, "no closing" },
    { "a[9999999999] == 1", 11, "9 digits" },
    { "a == \xe2\x80\x9cx\xe2\x80\x9d", 5, "quotes" },
    { "a\xc2\xa0== 1", 1, "expected a comparison" },
    { "a == \xff", 5, "UTF-8" },
    { "a == '\xc3'", 6, "UTF-8" },
    { "a not == b", 2, "'not'" },
    { "a not b", 6, "unknown operator 'b'" },
    { "a not", 5, "ends here" },
};

START_TEST(errors_point_at_the_character)
{
    struct il_expr *expr = NULL;
    struct lang_error error = { 0 };
    const char *text = errors[_i].expr, *says = errors[_i].says;
    int err = compile(text, &expr, &error);
    if (!err)
        ck_abort_msg("%s: no error", text);
    ck_assert_int_eq(err, -22);
    if (error.offset != errors[_i].offset || !strstr(error.message, says))
        ck_abort_msg("%s: expected %zu, %s; got %zu, %s", text,
                     errors[_i].offset, says, error.offset, error.message);
}
END_TEST

START_TEST(nesting_is_bounded)
{
    struct il_expr *expr = NULL;
    struct lang_error error;
    static const char *const opens[] = { "(", "not (", "len(" };
    for (size_t i = 0; i < 3; i++) {
        char *s = repeat("", opens[i], 100000, "a");
        ck_assert_int_eq(expr_compile(s, strlen(s), &expr, &error), -22);
        ck_assert_ptr_nonnull(strstr(error.message, "nested deeper"));
        ck_assert_uint_eq(error.offset,
                          64 * strlen(opens[i]) + (i == 1 ? 4 : 0));
        free(s);
    }
    char *s = repeat("", "not ", 100001, "a");
    ck_assert_int_eq(evaluate(s, "{\"a\":false}"), 1);
    free(s);
    s = repeat("a", " or a", 100000, "");
    ck_assert_int_eq(evaluate(s, "{\"a\":false}"), 0);
    free(s);
    s = repeat("", "x", 1 << 20, "x");
    ck_assert_int_eq(expr_compile(s, strlen(s), &expr, &error), -22);
    ck_assert_ptr_nonnull(strstr(error.message, "longer than"));
    free(s);
    ck_assert_int_eq(expr_compile("a\0b", 3, &expr, &error), -22);
    ck_assert_uint_eq(error.offset, 1);
}
END_TEST

static int
note_field(void *arg, const struct il_field *field, size_t offset)
{
    text_printf(arg, "%zu:", offset);
    if (ref_payload_only(field))
        ref_path(arg, field, ref_parts(field), NULL);
    else
        text_putc(arg, '-');
    return text_putc(arg, ' ');
}

START_TEST(fields_are_listed)
{
    static const char text[] =
        "plan == free and len(a.b) > $event.n or $entity.user.x";
    struct il_expr *expr = NULL;
    struct lang_error error;
    struct il_text seen = { 0 };
    ck_assert_int_eq(expr_compile(text, strlen(text), &expr, &error), 0);
    ck_assert_int_eq(expr_fields(expr, note_field, &seen), 0);
    ck_assert_str_eq(text_str(&seen), "0:plan 21:a.b 28:n 40:- ");
    text_clear(&seen);
    expr_free(expr);
}
END_TEST

START_TEST(globs_match)
{
    static const struct {
        const char *glob, *text;
        int holds;
    } rows[] = { { "*", "", 1 },
                 { "", "", 1 },
                 { "", "a", 0 },
                 { "feature.*", "feature.used", 1 },
                 { "feature.*", "feature", 0 },
                 { "**a", "bba", 1 },
                 { "a*a", "a", 0 },
                 { "*.x.*", "a.x.x.b", 1 },
                 { "a?c", "abc", 0 },
                 { "a[b]c", "a[b]c", 1 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(
            expr_glob_match(slice_of(rows[i].glob, strlen(rows[i].glob)),
                            slice_of(rows[i].text, strlen(rows[i].text)))
                == rows[i].holds,
            "%s on %s", rows[i].glob, rows[i].text);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("expr");
    TCase *holds = tcase_create("holds"), *wrong = tcase_create("wrong");
    tcase_add_test(holds, the_recipe);
    tcase_add_test(holds, equality);
    tcase_add_test(holds, missing_and_null);
    tcase_add_test(holds, numbers);
    tcase_add_test(holds, text_operators);
    tcase_add_test(holds, functions);
    tcase_add_test(holds, arrays_and_paths);
    tcase_add_test(holds, envelope_and_entities);
    tcase_add_test(holds, logic);
    tcase_add_test(holds, regular_expressions);
    tcase_add_test(holds, hostile_patterns_end);
    tcase_add_test(holds, hostile_texts_end);
    tcase_add_test(holds, a_limit_is_no_answer);
    tcase_add_test(holds, the_manual_is_right);
    tcase_add_test(holds, large_sets);
    tcase_add_test(holds, fields_are_listed);
    tcase_add_test(holds, globs_match);
    tcase_set_timeout(holds, 60);
    tcase_add_loop_test(wrong, errors_point_at_the_character, 0,
                        sizeof errors / sizeof *errors);
    tcase_add_test(wrong, nesting_is_bounded);
    suite_add_tcase(suite, holds);
    suite_add_tcase(suite, wrong);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
