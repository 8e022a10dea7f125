/* SPDX-License-Identifier: MIT */
/* What the options refuse, with which words, and the requests that events
 * become. */
#include "outtest.h"

#include "testhost.h"

#define PLUGIN "plugins/webhook.out/tests/.libs/destination.rendered.so"
#define URL "url = \"https://h.example.com/in\"; "
#define WHSEC "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

static struct testhost *host;

static int
try_open(const char *config)
{
    char path[4096];
    const char *build = getenv("IL_BUILDDIR");
    if (host)
        testhost_free(host);
    host = testhost_new();
    ck_assert_ptr_nonnull(host);
    snprintf(path, sizeof path, "%s/" PLUGIN, build ? build : ".");
    return testhost_open(host, path, config);
}

static const struct {
    const char *config, *finding;
} wrong[] = {
    { "", "url: is required" },
    { "url = \"\";", "url: is no URL of http" },
    { "url = \"hooks.example.com/in\";", "is no URL of http" },
    { "url = \"ftp://hooks.example.com/\";", "is no URL of http" },
    { "url = \"https://\";", "is no URL of http" },
    { "url = \"https://a:s3cret@h.example.com/\";", "basic = " },
    { "url = \"https://a b/\";", "is no URL of http" },
    { "url = \"ftp://{{ host }}/\"; hosts = (\"*\");", "is no URL of http" },
    { "url = \"https://{{ host }}/in\";", "hosts: is required" },
    { "url = \"https://h.example.com{{ tail }}\";", "hosts: is required" },
    { "url = \"https://h.example.com:{{ port }}/\";", "hosts: is required" },
    { "url = \"$event.payload.url\";", "hosts: is required" },
    { "url = \"{{ scheme }}://h.example.com/\";", "hosts: is required" },
    { "url = \"$event.payload.url\"; hosts = ( \"https://x/\" );",
      "is no host" },
    { "url = \"$event.payload.url\"; hosts = ( \"Example.com\" );",
      "is no host" },
    { URL "hosts = ( \"h.example.com\" );", "hosts: is of no use" },
    { "url = \"https://h.example.com/{{ id }}\"; hosts = ( \"*\" );",
      "hosts: is of no use" },
    { "url = \"$event.payload.url\"; hosts = ( \"*.example.com\" ); "
      "proxy = \"http://p:1\";",
      "proxy: cannot be used where the event decides" },
    { "url = \"https://{{ nope( }}/\"; hosts = (\"*\");", "url" },
    { URL "proxy = \"p:3128\";", "is no proxy" },
    { URL "proxy = \"http://p:1\"; private = \"refuse\";",
      "private: is of no use with proxy" },
    { URL "proxy = \"http://p:1\"; allow_to = ( \"10.0.0.0/8\" );",
      "allow_to: is of no use with proxy" },
    { URL "allow_to = ( \"10.0.0.1/8\" );", "write \"10.0.0.0/8\"" },
    { URL "allow_to = ( \"::1\", \"localhost\" );",
      "allow_to #2: \"localhost\" is no IP address" },
    { URL "private = \"maybe\";", "private" },
    { URL "method = \"GET\";", "method" },
    { URL "content_type = \"a\\nb\";", "content_type: is empty, or" },
    { URL "content_type = \"\";", "content_type: is empty, or" },
    { URL "body = \"$event.payload\"; fields = ( { name = \"a\"; value = "
          "\"$event.id\"; } );",
      "fields: cannot be used together with body" },
    { URL "fields = ( { name = \"a\"; value = \"1\"; }, { name = \"a\"; value "
          "= \"2\"; } );",
      "a is there twice" },
    { URL "fields = ( { name = \"a\"; } );", "value: is required" },
#define HEADER(name, value)                                                    \
    URL "headers = ( { name = \"" name "\"; value = \"" value "\"; } );"
    { HEADER("Host", "x"), "Host is set by HTTP itself" },
    { HEADER("content-length", "1"), "is set by HTTP itself" },
    { HEADER("Transfer-Encoding", "x"), "is set by HTTP itself" },
    { HEADER("CONNECTION", "x"), "is set by HTTP itself" },
    { HEADER("Webhook-Id", "x"), "which event it is" },
    { HEADER("webhook-anything", "x"), "which event it is" },
    { HEADER("Content-Type", "x"), "set by content_type" },
    { HEADER("Bad Name", "x"), "is no name of a header" },
    { HEADER("X:", "x"), "is no name of a header" },
    { HEADER("X-A", "a\\nX-Evil: 1"), "line break" },
    { HEADER("X-A", "a\\r"), "line break" },
    { HEADER("X-A", "{{ id }}\\x01"), "line break" },
    { URL "headers = ( { name = \"X-A\"; value = \"1\"; }, { name = \"x-a\"; "
          "value = \"2\"; } );",
      "x-a is there twice" },
    { HEADER("Authorization", "x") "bearer = \"t\";", "set by bearer" },
    { HEADER("Idempotency-Key",
             "x") "signing = \"ingestlayer\"; secrets = ( \"s\" );",
      "set by signing" },
    { URL "signing = \"standard\";", "secrets: is required" },
    { URL "signing = \"none\"; secrets = ( \"" WHSEC "\" );",
      "secrets: are of no use" },
    { URL "secrets = ( \"" WHSEC "\", \"whsec_short\" );",
      "secrets #2: is not \"whsec_\"" },
    { URL "signing = \"ed25519\"; secrets = ( \"" WHSEC "\" );",
      "secrets: is not \"whsk_\"" },
    { URL "bearer = \"a\"; basic = \"a:b\";", "together with bearer" },
    { URL "bearer = \"a\\nb\";", "bearer: is empty, or" },
    { URL "bearer = \"a b\";", "bearer: is empty, or" },
    { URL "basic = \"nobody\";", "is not NAME:PASSWORD" },
    { URL "schedule = ( \"0s\" );", "schedule" },
    { URL "schedule = ( \"31d\" );", "schedule" },
    { URL "schedule = ( \"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\","
          "\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\","
          "\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\","
          "\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\" );",
      "more than 32" },
    { URL "jitter = 101;", "jitter" },
    { URL "reject = ( 200 );", "reject" },
    { URL "timeout = \"11m\";", "timeout" },
    { URL "concurrency = 0;", "concurrency" },
    { URL "rate = \"fast\";", "rate: expected a number of requests" },
    { URL "order = \"key\";", "order_key: is required" },
    { URL "order_key = \"$event.id\";", "of no use without order" },
    { URL "order = \"key\"; order_key = \"always\";",
      "is the same for every event" },
    { URL "key = \"k.pem\";", "key: is of no use without cert" },
    { URL "ca_file = \"ca.pem\"; verify = false;", "with verify = false" },
    { "url = \"http://h/\"; ca_file = \"ca.pem\";", "begins with http://" },
    { "url = \"HTTP://h/\"; cert = \"c.pem\";", "begins with http://" },
};

START_TEST(what_cannot_be_is_told)
{
    for (size_t i = 0; i < COUNT(wrong); i++) {
        int err = try_open(wrong[i].config);
        const char *found = testhost_findings(host);
        ck_assert_msg(err, "%s: taken", wrong[i].config);
        ck_assert_msg(strstr(found, wrong[i].finding),
                      "%s: expected %s, got %s", wrong[i].config,
                      wrong[i].finding, found);
        ck_assert_msg(!strstr(found, "s3cret") && !strstr(found, "MfKQ9r8G"),
                      "a secret: %s", found);
        ck_assert_str_eq(testhost_violations(host), "");
    }
}
END_TEST

START_TEST(all_that_is_wrong_is_told_at_once)
{
    ck_assert(try_open("url = \"x\"; rate = \"x\"; basic = \"x\"; order = "
                       "\"key\"; body = \"{{\"; signing = \"standard\";"));
    const char *found = testhost_findings(host);
    const char *const parts[] = { "url: ",       "rate: ", "basic: ",
                                  "order_key: ", "body: ", "secrets: " };
    for (size_t i = 0; i < COUNT(parts); i++)
        ck_assert_msg(strstr(found, parts[i]), "%s: %s", parts[i], found);
}
END_TEST

START_TEST(what_can_be_is_taken)
{
    static const char *const right[] = {
        URL,
        URL "schedule = ( );",
        URL "schedule = ( \"1s\", \"1d\" ); jitter = 0; reject = ( 400, 410 );",
        "url = \"http://[::1]:8080/\"; private = \"refuse\"; "
        "allow_to = ( \"::1\", \"fd00::/8\" );",
        "url = \"https://h.example.com/{{ id }}\";",
        "url = \"https://{{ host }}/in\"; hosts = ( \"*.example.com\" ); "
        "private = \"allow\";",
        URL "proxy = \"socks5h://u:p@p:1080\"; rate = \"10/s\";",
        URL "secrets = ( \"" WHSEC "\" ); bearer = \"t\";",
        URL "signing = \"none\"; basic = \"a:b c\"; ca_file = \"x\"; cert = "
            "\"y\"; key = \"z\"; attempts = \"none\";",
        "url = \"http://h/\"; proxy = \"https://p:1\"; ca_file = \"x\";",
        URL "order = \"key\"; order_key = \"$event.payload.user\"; "
            "max_parked = 10; max_parked_size = \"1MiB\"; target = \"all\";",
    };
    for (size_t i = 0; i < COUNT(right); i++) {
        int err = try_open(right[i]);
        ck_assert_msg(!err, "%s: %s", right[i], testhost_findings(host));
        testhost_close(host);
        ck_assert_str_eq(testhost_violations(host), "");
    }
}
END_TEST

/* --- requests ------------------------------------------------------------- */

/* The log of the events that follow, which are NULL-ended. */
static const char *
sent(const char *config, const char *const *events)
{
    ck_assert_msg(!try_open(config), "%s", testhost_findings(host));
    ck_assert_int_eq(testhost_start(host), 0);
    for (; *events; events++)
        ck_assert_int_eq(testhost_event(host, *events), 0);
    ck_assert_int_eq(testhost_write(host, 5000), IL_OK);
    ck_assert_str_eq(testhost_violations(host), "");
    return testhost_log(host);
}

static void
expect(const char *config, const char *event, const char *log)
{
    const char *const events[] = { event, NULL };
    ck_assert_str_eq(sent(config, events), log);
}

#define EVENT                                                                  \
    "{\"id\":\"evt_1\",\"type\":\"order.paid\",\"source_id\":\"app\","         \
    "\"received_at\":\"2026-11-23T07:09:00.500Z\",\"payload\":{\"n\":1.10,"    \
    "\"u\":\"u 1\",\"t\":null,\"o\":{\"a\":[1]},\"h\":\"eu.example.com\","     \
    "\"bad\":\"a\\r\\nX-Evil: 1\",\"nul\":\"a\\u0000b\"}}"

START_TEST(an_event_is_sent_without_its_source)
{
    expect(URL,
           "{\"id\":\"evt_1\",\"type\":\"a\",\"source_id\":\"app\","
           "\"received_at\":\"2026-11-23T07:09:00.500Z\",\"payload\":{"
           "\"n\":1.10}}",
           "info: POST|https://h.example.com/in|https://h.example.com:443|"
           "evt_1|(none)\n"
           "info: Content-Type: application/json\n"
           "info: {\"id\":\"evt_1\",\"type\":\"a\",\"received_at\":"
           "\"2026-11-23T07:09:00.500Z\",\"payload\":{\"n\":1.10}}\n");
}
END_TEST

START_TEST(fields_make_an_object)
{
    expect(URL
           "method = \"PUT\"; content_type = \"application/x+json\"; basic = "
           "\"Aladdin:open sesame\"; order = \"key\"; order_key = "
           "\"$event.payload.u\"; target = \"t {{ n }}\"; fields = ( { name = "
           "\"n\"; value = \"$event.payload.n\"; }, { name = \"t\"; value = "
           "\"$event.payload.t\"; }, { name = \"gone\"; value = "
           "\"$event.payload.gone\"; }, { name = \"a \\\"quote\"; value = \"{{ "
           "u }}/{{ n }}\"; }, { name = \"at\"; value = "
           "\"$event.received_at\"; } ); headers = ( { name = \"X-User\"; "
           "value = \"{{ u }}\"; }, { name = \"X-Gone\"; value = "
           "\"$event.payload.gone\"; }, { name = \"X-At\"; value = "
           "\"$event.received_at\"; }, { name = \"X-O\"; value = "
           "\"$event.payload.o\"; } );",
           EVENT,
           "info: PUT|https://h.example.com/in|t 1.10|evt_1|u 1\n"
           "info: Content-Type: application/x+json\n"
           "info: Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\n"
           "info: X-User: u 1\n"
           "info: X-At: 2026-11-23T07:09:00.500Z\n"
           "info: X-O: {\"a\":[1]}\n"
           "info: {\"n\":1.10,\"t\":null,\"a \\\"quote\":\"u 1/1.10\",\"at\":"
           "\"2026-11-23T07:09:00.500Z\"}\n");
}
END_TEST

START_TEST(a_body_is_a_reference_or_a_text)
{
    expect(URL "body = \"$event.payload.o\";", EVENT,
           "info: POST|https://h.example.com/in|https://h.example.com:443|"
           "evt_1|(none)\ninfo: Content-Type: application/json\n"
           "info: {\"a\":[1]}\n");
    expect(URL "body = \"got {{ n }}, {{ gone }}\"; content_type = "
               "\"text/plain\"; bearer = \"tok\";",
           EVENT,
           "info: POST|https://h.example.com/in|https://h.example.com:443|"
           "evt_1|(none)\ninfo: Content-Type: text/plain\n"
           "info: Authorization: Bearer tok\n"
           "info: got 1.10, \n");
}
END_TEST

START_TEST(the_event_decides_where_to)
{
    const char *config = "url = \"https://{{ h }}:8443/{{ n }}\"; hosts = ( "
                         "\"*.example.com\", \"example.org\" ); body = \"x\";";
    static const struct {
        const char *host, *result; /* target, or what the log has */
    } cases[] = {
        { "eu.example.com", "|https://eu.example.com:8443|" },
        { "EU.Example.COM", "|https://eu.example.com:8443|" },
        { "example.org", "|https://example.org:8443|" },
        { "example.com", "the host example.com is none of hosts" },
        { "a.example.com.evil.test", "is none of hosts" },
        { "evil.test/x.example.com", "is none of hosts" },
        { "evil.test#.example.com", "is none of hosts" },
        { "evil.test?.example.com", "is none of hosts" },
        { "x.example.com@evil.test", "is none of http or https" },
        { "evil.test\\\\.example.com", "is none of http or https" },
        { "169.254.169.254", "is none of hosts" },
        { "[::1]", "is none of hosts" },
        { "a b.example.com", "is none of http or https" },
        { "", "is none of http or https" },
        { "a\\u0000.example.com", "is none of http or https" },
        { "a\\r\\n.example.com", "is none of http or https" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char event[300];
        snprintf(event, sizeof event,
                 "{\"type\":\"a\",\"payload\":{\"h\":\"%s\",\"n\":1}}",
                 cases[i].host);
        const char *const events[] = { event, NULL };
        const char *log = sent(config, events);
        ck_assert_msg(strstr(log, cases[i].result), "%s: expected %s, got %s",
                      cases[i].host, cases[i].result, log);
    }
}
END_TEST

START_TEST(no_header_is_broken_by_an_event)
{
    expect(HEADER("X-A", "{{ bad }}"), EVENT,
           "warn: the header X-A would have a line break or another character "
           "that no header may have\n");
    expect(HEADER("X-A", "$event.payload.nul"), EVENT,
           "warn: the header X-A would have a line break or another character "
           "that no header may have\n");
}
END_TEST

START_TEST(ids_are_those_of_the_event)
{
    const char *const events[] = { EVENT, EVENT, NULL };
    const char *log = sent(URL "body = \"x\";", events);
    /* the first is the gate's, as the test says */
    ck_assert(strstr(log, "|evt_1|") && strstr(log, "|il_"));
}
END_TEST

START_TEST(no_memory_is_no_refusal)
{
    for (uint64_t n = 1; n < 200; n++) {
        ck_assert(!try_open(URL "fields = ( { name = \"n\"; value = "
                                "\"{{ n }}\"; } );"));
        ck_assert_int_eq(testhost_start(host), 0);
        ck_assert_int_eq(testhost_event(host, EVENT), 0);
        testhost_fail_alloc(host, n);
        int rc = testhost_write(host, 5000);
        if (!testhost_alloc_failed(host))
            return;
        ck_assert_msg(rc == -12, "%d", rc);
        ck_assert(!strstr(testhost_log(host), "warn"));
    }
    ck_abort_msg("it never came to an end");
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        what_cannot_be_is_told,     all_that_is_wrong_is_told_at_once,
        what_can_be_is_taken,       an_event_is_sent_without_its_source,
        fields_make_an_object,      a_body_is_a_reference_or_a_text,
        the_event_decides_where_to, no_header_is_broken_by_an_event,
        ids_are_those_of_the_event, no_memory_is_no_refusal,
    };
    int failed = run_cases("options", cases, COUNT(cases));
    if (host)
        testhost_free(host);
    return failed;
}
