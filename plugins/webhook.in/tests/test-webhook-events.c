/* SPDX-License-Identifier: MIT */
/* What becomes of a request whose sender is known, and who is not. */
#include "hooktest.h"

#define OPEN "auth = \"none\";"

START_TEST(only_the_token_is_a_path)
{
    must_open(OPEN, 0);
    ck_assert_int_eq(testhost_request(host, "POST", "/whk/tok", NULL, "{}", 2),
                     202);
    static const char *const strange[] = { "/whk/",     "/whk/toK",
                                           "/whk/to",   "/whk/tokk",
                                           "/whk/tok/", "/whk/tok/x",
                                           "/whk/x/tok" };
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        ck_assert_msg(testhost_request(host, "POST", strange[i], NULL, "{}", 2)
                          == 0,
                      "%s was taken", strange[i]);
}
END_TEST

START_TEST(several_tokens_are_valid)
{
    ck_assert_int_eq(try_open("token = ( \"old\", \"new\" ); auth = "
                              "\"none\";"),
                     0);
    ck_assert_int_eq(testhost_request(host, "POST", "/whk/old", NULL, "{}", 2),
                     202);
    ck_assert_int_eq(testhost_request(host, "POST", "/whk/new", NULL, "{}", 2),
                     202);
}
END_TEST

START_TEST(bearer_takes_any_of_its_keys)
{
    must_open("auth = \"bearer\"; secrets = ( \"one\", { secret = \"two\"; "
              "id = \"second\"; rate = \"9/s\"; } );",
              0);
    expect("Authorization: Bearer one", "{}", 202, NULL);
    ck_assert_str_eq(testhost_sender(host), "secret-1");
    expect("Authorization: bearer  two", "{}", 202, NULL);
    ck_assert_str_eq(testhost_sender(host), "second");
    ck_assert_int_eq(post("Authorization: Bearer three", "{}"), 0);
    ck_assert_int_eq(post("Authorization: Basic one", "{}"), 0);
    ck_assert_int_eq(post(NULL, "{}"), 0);
    ck_assert_int_eq((int) testhost_counter(host, "webhook_unknown_key"), 3);
    ck_assert_ptr_nonnull(strstr(testhost_log(host), "192.0.2.1"));
    ck_assert_ptr_null(strstr(testhost_log(host), "three"));
}
END_TEST

START_TEST(the_type_is_the_bodys_or_the_sources)
{
    must_open(OPEN, 0);
    expect(NULL, "{\"type\":\"user.created\"}", 202, NULL);
    expect_event(0, "{\"type\":\"user.created\",\"payload\":{\"type\":"
                    "\"user.created\"}}");
    expect(NULL, "{\"type\":7}", 202, NULL);
    expect_event(1, "{\"type\":\"test.received\",\"payload\":{\"type\":7}}");
    expect(NULL, "{\"type\":\"\"}", 202, NULL);
    expect_event(2, "{\"type\":\"test.received\",\"payload\":{\"type\":\"\"}"
                    "}");
    expect(NULL, " {\"a\" :1.10}", 202, NULL);
    expect_event(3, "{\"type\":\"test.received\",\"payload\": {\"a\" :1.10}"
                    "}");
}
END_TEST

START_TEST(types_and_keys_are_made_from_references)
{
    must_open(OPEN "type = ( \"gh.{{ $header.X-Event }}.{{$body.action}}\","
                   "\"gh.{{ $header.X-Event }}\", \"$body.items[1].name\" );"
                   "key = \"$body[\\\"delivery.id\\\"]\";",
              0);
    expect("X-Event: issues", "{\"action\":\"opened\",\"delivery.id\":17}", 202,
           NULL);
    expect_event(0, "{\"key\":\"17\",\"type\":\"gh.issues.opened\","
                    "\"payload\":{\"action\":\"opened\",\"delivery.id\":17}}");
    expect("x-event: push", "{\"action\":null,\"delivery.id\":{}}", 202, NULL);
    expect_event(1, "{\"type\":\"gh.push\",\"payload\":{\"action\":null,"
                    "\"delivery.id\":{}}}");
    expect(NULL, "{\"items\":[{},{\"name\":\"x.y\"}],\"delivery.id\":1.50}",
           202, NULL);
    expect_event(2, "{\"key\":\"1.50\",\"type\":\"x.y\",\"payload\":{\"items\""
                    ":[{},{\"name\":\"x.y\"}],\"delivery.id\":1.50}}");
    expect(NULL, "{\"items\":[{}],\"type\":\"own\"}", 202, NULL);
    expect_event(3, "{\"type\":\"own\",\"payload\":{\"items\":[{}],\"type\":"
                    "\"own\"}}");
    /* far too long: cut here, refused by the gate */
    char body[3000];
    memset(body, 'x', sizeof body);
    memcpy(body, "{\"delivery.id\":\"", 16);
    memcpy(body + sizeof body - 3, "\"}", 3);
    expect(NULL, body, 202, NULL);
    ck_assert_uint_lt(strcspn(testhost_emitted(host, 4), ","), 1100);
}
END_TEST

START_TEST(what_is_no_object_goes_to_the_gate_as_it_is)
{
    must_open(OPEN, 0);
    expect(NULL, "[1]", 202, NULL);
    expect_event(0, "{\"type\":\"test.received\",\"payload\":[1]}");
    expect("Content-Type: text/plain", "{nonsense", 400, "bad_json");
    expect(NULL, "", 400, "bad_json");
}
END_TEST

#define FORM "Content-Type: application/x-www-form-urlencoded; charset=utf-8"
static void
form(size_t n, const char *body, const char *payload)
{
    char event[2000];
    expect(FORM, body, 202, NULL);
    snprintf(event, sizeof event, "{\"type\":\"test.received\",\"payload\":%s}",
             payload);
    expect_event(n, event);
}

START_TEST(forms_become_objects)
{
    static const char *const rows[][2] = {
        { "", "{}" },
        { "a=1", "{\"a\":\"1\"}" },
        { "a=1&b=x+y&c=%26%3D%25&d", "{\"a\":\"1\",\"b\":\"x y\",\"c\":"
                                     "\"&=%\",\"d\":\"\"}" },
        { "&&a=1&&", "{\"a\":\"1\"}" },
        { "a=1&b=2&a=3&a=", "{\"a\":[\"1\",\"3\",\"\"],\"b\":\"2\"}" },
        { "a=b=c&=x&=", "{\"a\":\"b=c\",\"\":[\"x\",\"\"]}" },
        { "n=%22%5C%0a%00", "{\"n\":\"\\\"\\\\\\n\\u0000\"}" },
        { "p=100%&q=%zz%4&r=%",
          "{\"p\":\"100%\",\"q\":\"%zz%4\",\"r\":\"%\"}" },
        { "u=%F0%9F%8E%89%C3%A9", "{\"u\":\"\xf0\x9f\x8e\x89\xc3\xa9\"}" },
        { "u=%ff%C3&%ED%A0%80=%C0%AF%F4%90%80%80",
          "{\"u\":\"\xef\xbf\xbd\xef\xbf\xbd\",\"\xef\xbf\xbd\xef\xbf\xbd"
          "\xef\xbf\xbd\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
          "\xef\xbf\xbd\xef\xbf\xbd\"}" },
        { "payload=%7B%22a%22%3A+1.10%7D", "{\"a\": 1.10}" },
        { "payload=%5B1%5D", "{\"payload\":\"[1]\"}" },
        { "payload=%7B%7D&x=1", "{\"payload\":\"{}\",\"x\":\"1\"}" },
        { "payload=%7B%22a%22%3A", "{\"payload\":\"{\\\"a\\\":\"}" },
    };
    must_open(OPEN, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        form(i, rows[i][0], rows[i][1]);
}
END_TEST

START_TEST(a_forms_payload_gives_type_and_key)
{
    must_open(OPEN "scheme = \"slack\";", 0);
    expect(FORM,
           "payload=%7B%22type%22%3A%22block_actions%22%2C%22trigger_id%22%3A"
           "%22t.1%22%7D",
           200, NULL);
    expect_event(0, "{\"key\":\"t.1\",\"type\":\"block_actions\",\"payload\":"
                    "{\"type\":\"block_actions\",\"trigger_id\":\"t.1\"}}");
}
END_TEST

START_TEST(a_form_of_too_many_fields_is_refused_and_kept)
{
    char body[2 * 1001 + 1];
    must_open(OPEN, 0);
    for (int i = 0; i < 1001; i++)
        memcpy(body + 2 * i, "a&", 3);
    body[2 * 1000 - 1] = 0;
    expect(FORM, body, 202, NULL);
    body[2 * 1000 - 1] = '&';
    expect(FORM, body, 422, "bad_body");
    ck_assert_int_eq(testhost_refused(host), 1);
}
END_TEST

START_TEST(other_content_is_refused_and_kept)
{
    must_open(OPEN, 0);
    expect("Content-Type: application/xml", "<a/>", 415,
           "unsupported_media_type");
    expect("Content-Type: multipart/form-data; boundary=x", "{}", 415,
           "unsupported_media_type");
    ck_assert_int_eq(testhost_refused(host), 2);
    expect("Content-Type: application/vnd.github.v3+json", "{}", 202, NULL);
    expect("Content-Type: TEXT/JSON;charset=utf-8", "{}", 202, NULL);
}
END_TEST

START_TEST(strangers_are_counted_and_not_kept)
{
    must_open("secrets = \"hunter2-hunter2\";", 0);
    expect("X-Ingest-Signature: 00", "{}", 401, "bad_signature");
    expect("X-Ingest-Signature: "
           "0000000000000000000000000000000000000000000000000000000000000000",
           "{}", 401, "wrong_signature");
    expect(NULL, "{}", 401, "missing_signature");
    expect("X-Ingest-Signature: 00\nContent-Encoding: gzip", "{}", 415,
           "unsupported_encoding");
    ck_assert_int_eq(testhost_refused(host), 0);
    ck_assert_int_eq((int) testhost_counter(host, "webhook_bad_signature"), 1);
    ck_assert_int_eq((int) testhost_counter(host, "webhook_wrong_signature"),
                     1);
    ck_assert_int_eq((int) testhost_counter(host, "webhook_unsigned"), 1);
    /* one line, for the first of them */
    const char *log = testhost_log(host);
    ck_assert_msg(strstr(log, "192.0.2.1: its signature cannot be read"),
                  "log: %s", log);
    ck_assert_msg(!strstr(log, "no secret fits"), "log: %s", log);
    ck_assert_ptr_null(strstr(log, "hunter2"));
}
END_TEST

START_TEST(wrong_options_are_told)
{
    static const char *const rows[][2] = {
        { "auth = \"none\";", "token: is required" },
        { "token = \"a/b\"; auth = \"none\";", "token 1 is not 1 to 256" },
        { "token = \"a\";", "secrets: is required with auth = \"signed\"" },
        { "token = \"a\"; auth = \"none\"; secrets = \"hunter2\";",
          "secrets: are of no use" },
        { "token = \"a\"; secrets = ( { secret = \"hunter2\"; rate = "
          "\"fast\"; } );",
          "secrets #1.rate: expected a number of events and a time" },
        { "token = \"a\"; secrets = \"hunter2\"; scheme = \"githb\";",
          "scheme:" },
        { "token = \"a\"; secrets = \"hunter2\"; scheme = \"generic\";",
          "signature: is required" },
        { "token = \"a\"; secrets = \"hunter2\"; signature = { header = "
          "\"x\"; };",
          "signature: is of use only" },
        { "token = \"a\"; scheme = \"github\"; secrets = \"hunter2\"; "
          "tolerance = \"5m\";",
          "tolerance: is of no use" },
        { "token = \"a\"; secrets = \"hunter2\"; scheme = \"standard\";",
          "secrets #1: is not whsec_" },
        { "token = \"a\"; secrets = \"whpk_aGVsbG8=\"; scheme = "
          "\"standard\";",
          "secrets #1: is not whsec_" },
        { "token = \"a\"; secrets = ( \"whsec_aGVsbG8=\", \"whsk_aGVsbG8=\" "
          "); scheme = \"standard\";",
          "secrets #2: is a private key" },
        { "token = \"a\"; secrets = \"hunter2\"; scheme = \"generic\"; "
          "signature = { header = \"x\"; parts = ( \"bdy\" ); };",
          "\"bdy\" is no part of a request" },
        { "token = \"a\"; secrets = \"hunter2\"; scheme = \"generic\"; "
          "signature = { header = \"x\"; parts = ( \"header:y\" ); };",
          "the body must be signed" },
        { "token = \"a\"; secrets = \"hunter2\"; scheme = \"generic\"; "
          "signature = { header = \"x\"; timestamp_header = \"y\"; };",
          "the time is not signed" },
        { "token = \"a\"; secrets = \"hunter2\"; scheme = \"generic\"; "
          "signature = { header = \"x\"; parts = ( \"timestamp\", \"body\" "
          "); };",
          "nothing says where it is sent" },
        { "token = \"a\"; auth = \"none\"; type = \"{{ $bdy.x }}\";",
          "type: expected $header.NAME or $body.FIELD" },
        { "token = \"a\"; auth = \"none\"; type = \"$body.a b\";",
          "expected '.' or '['" },
        { "token = \"a\"; auth = \"none\"; type = \"$body.a[x]\";",
          "expected an index" },
        { "token = \"a\"; auth = \"none\"; key = \"{{ $body.a\";",
          "is not closed" },
        { "token = \"a\"; auth = \"none\"; key = \"$header.a:b\";",
          "no character of a header's name" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        teardown();
        setup();
        ck_assert_msg(try_open(rows[i][0]) != 0, "taken: %s", rows[i][0]);
        const char *told = testhost_findings(host);
        ck_assert_msg(strstr(told, rows[i][1]) != NULL,
                      "%s: expected \"%s\" in: %s", rows[i][0], rows[i][1],
                      told);
        ck_assert_msg(!strstr(told, "hunter2"), "a secret is told: %s", told);
    }
}
END_TEST

static int
asks(const char *path, const char *headers)
{
    return testhost_request(host, "OPTIONS", path, headers, "", 0);
}

START_TEST(who_may_deliver_is_told_so)
{
    must_open(OPEN "handshake = { origins = ( \"eventgrid.azure.net\","
                   "\"*.example.com\" ); per_minute = 120; };",
              0);
    ck_assert_int_eq(asks("/whk/tok",
                          "WebHook-Request-Origin: EventGrid.azure.net\n"
                          "WebHook-Request-Rate: 5000"),
                     200);
    ck_assert_str_eq(testhost_answer_header(host, "WebHook-Allowed-Origin"),
                     "EventGrid.azure.net");
    ck_assert_str_eq(testhost_answer_header(host, "WebHook-Allowed-Rate"),
                     "120");
    ck_assert_int_eq(asks("/whk/tok", "WebHook-Request-Origin: a.example.com"),
                     200);
    static const char *const strange[] = {
        "WebHook-Request-Origin: "
        "example.com",
        "WebHook-Request-Origin: .example.co", "WebHook-Request-Origin: x.org",
        "X-Other: 1"
    };
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        ck_assert_int_ne(asks("/whk/tok", strange[i]), 200);
    /* the token is asked for as well */
    ck_assert_int_ne(asks("/whk/tik", "WebHook-Request-Origin: a.example.com"),
                     200);
    ck_assert_ptr_null(testhost_emitted(host, 0));
}
END_TEST

START_TEST(elements_of_an_array_are_told_apart)
{
    must_open(OPEN "batch = true; key = \"$header.X-Id\";", 0);
    expect("X-Id: d1", "[{\"n\":1},{\"n\":1.10},5]", 202, NULL);
    expect_event(0, "{\"key\":\"d1:0\",\"type\":\"test.received\","
                    "\"payload\":{\"n\":1}}");
    expect_event(1, "{\"key\":\"d1:1\",\"type\":\"test.received\","
                    "\"payload\":{\"n\":1.10}}");
    expect("X-Id: d2", "[]", 202, NULL);
    expect("X-Id: d3", "{\"n\":2}", 202, NULL);
}
END_TEST

START_TEST(too_many_elements)
{
    static char body[2 * 1001 + 2];
    must_open(OPEN "batch = true;", 0);
    body[0] = '[';
    for (size_t i = 0; i < 1001; i++)
        memcpy(body + 1 + 2 * i, "0,", 2);
    body[2 * 1001] = ']';
    expect(NULL, body, 413, "too_many_events");
}
END_TEST

START_TEST(nobody_is_told_so_unless_the_config_says)
{
    must_open(OPEN, 0);
    ck_assert_int_ne(asks("/whk/tok", "WebHook-Request-Origin: a.example.com"),
                     200);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        only_the_token_is_a_path,
        several_tokens_are_valid,
        bearer_takes_any_of_its_keys,
        the_type_is_the_bodys_or_the_sources,
        types_and_keys_are_made_from_references,
        what_is_no_object_goes_to_the_gate_as_it_is,
        forms_become_objects,
        a_forms_payload_gives_type_and_key,
        a_form_of_too_many_fields_is_refused_and_kept,
        other_content_is_refused_and_kept,
        strangers_are_counted_and_not_kept,
        wrong_options_are_told,
        who_may_deliver_is_told_so,
        nobody_is_told_so_unless_the_config_says,
        elements_of_an_array_are_told_apart,
        too_many_elements
    };
    return run_cases("webhook events", cases, sizeof cases / sizeof *cases);
}
