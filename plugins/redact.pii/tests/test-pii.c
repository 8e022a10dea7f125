/* SPDX-License-Identifier: MIT */
#include <testhost.h>

#include <check.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct testhost *t;

#define KEY "0123456789abcdef"
#define ALL "detect = ( \"email\", \"phone\", \"ip\", \"card\", \"iban\" );"

static int
open_it(const char *config)
{
    char path[4096];
    const char *build = getenv("IL_BUILDDIR");
    snprintf(path, sizeof path, "%s/plugins/redact.pii/.libs/redact.pii.so",
             build ? build : ".");
    return testhost_open(t, path, config);
}

static void
setup(void)
{
    t = testhost_new();
    ck_assert_ptr_nonnull(t);
}

static void
teardown(void)
{
    const char *violations = testhost_violations(t);
    ck_assert_msg(!*violations, "%s", violations);
    testhost_free(t);
}

static void
add(const char *payload)
{
    static char json[200000];
    snprintf(json, sizeof json, "{\"type\":\"t\",\"payload\":%s}", payload);
    ck_assert_int_eq(testhost_event(t, json), 0);
}

static const char *
redacted(const char *config, const char *payload)
{
    testhost_free(t);
    t = testhost_new();
    ck_assert_msg(!open_it(config), "%s: %s", config, testhost_findings(t));
    add(payload);
    ck_assert_int_eq(testhost_process(t), 0);
    ck_assert_int_eq(testhost_state(t, 0), TESTHOST_KEPT);
    return testhost_payload(t, 0);
}

static void
expect(const char *config, const char *payload, const char *want)
{
    const char *got = redacted(config, payload);
    ck_assert_msg(!strcmp(got, want), "%s: %s:\nwant %s\ngot  %s", config,
                  payload, want, got);
}

/* What becomes of a text, and that nothing more becomes of that. */
static void
expect_text(const char *text, const char *want)
{
    char payload[2000], wanted[2000];
    snprintf(payload, sizeof payload, "{\"t\":\"%s\"}", text);
    snprintf(wanted, sizeof wanted, "{\"t\":\"%s\"}", want);
    expect(ALL, payload, wanted);
    expect(ALL, wanted, wanted);
}

START_TEST(personal_data_is_found_in_text)
{
    static const char *const rows[][2] = {
        { "ada@example.com", "a***@example.com" },
        { "Ada <ada.l+x@mail.example.co.uk>, bob",
          "Ada <a***@mail.example.co.uk>, bob" },
        { "ab@example.com.", "***@example.com." },
        { "mailto:abc@example.com?cc=d.e@x.org",
          "mailto:a***@example.com?cc=d***@x.org" },
        { "https://x.test/?email=john%40example.com&n=1",
          "https://x.test/?email=j***%40example.com&n=1" },
        { "jos\u00e9@m\u00fcller.example", "j***@m\u00fcller.example" },
        { "\u00fcber@example.com", "\u00fc***@example.com" },
        { "ADA@EXAMPLE.COM", "A***@EXAMPLE.COM" },
        { "from 192.0.2.77 to 192.0.2.78:443",
          "from 192.0.2.0 to 192.0.2.0:443" },
        { "[2001:db8:1:2::3]:443", "[2001:db8:1::]:443" },
        { "2001:DB8:0:1::ff.", "2001:db8::." },
        { "::ffff:192.0.2.77", "::" },
        { "+49 170 1234567", "+** *** *****67" },
        { "tel:+14155552671", "tel:+*********71" },
        { "+1 (415) 555-2671", "+* (***) ***-**71" },
        { "00491701234567", "************67" },
        { "call 415-555-2671 now", "call ***-***-**71 now" },
        { "(415) 555-2671", "(***) ***-**71" },
        { "1-415-555-2671", "*-***-***-**71" },
        { "4111 1111 1111 1111", "**** **** **** 1111" },
        { "card:4111111111111111,", "card:************1111," },
        { "3782-822463-10005", "****-******-*0005" },
        { "5555555555554444 123", "************4444 123" },
        { "DE89 3704 0044 0532 0130 00 ok", "DE** **** **** **** **30 00 ok" },
        { "de89370400440532013000", "de****************3000" },
        { "GB29NWBK60161331926819", "GB****************6819" },
        { "a@b.com ada@example.com 10.0.0.9",
          "***@b.com a***@example.com 10.0.0.0" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_text(rows[i][0], rows[i][1]);
}
END_TEST

START_TEST(other_text_stays)
{
    static const char *const rows[] = {
        "",
        "ada@localhost",
        "@example.com",
        "a@b.c",
        "user@-x.com",
        "3 @ 4.50",
        "2026-11-29T12:30:45.123Z",
        "2026-11-29 12:30:45+01:00",
        "12:30:45",
        "1.2.3",
        "256.1.1.1",
        "1.2.3.4.5",
        "v10.0.0.1x",
        "550e8400-e29b-41d4-a716-446655440000",
        "4111111111111112",
        "41111111111111111",
        "1764412345678",
        "9999999999999995",
        "2024112907301234",
        "DE89370400440532013001",
        "XX89370400440532013000",
        "+1 23",
        "+0123456789",
        "+1234567890123456",
        "0049",
        "+49170abc",
        "415-555-26711",
        "order-415-555-2671",
        "std::vector<int>",
        "https://example.com/a/b",
        "usage: 5 of 10",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_text(rows[i], rows[i]);
}
END_TEST

START_TEST(all_values_are_searched_and_others_stay)
{
    expect(ALL,
           "{\"n\":1.10,\"big\":18446744073709551616,\"a\":[null,true,"
           "{\"x@example.com\":\"abc@example.com\"},4111111111111111,-5],"
           "\"e\":{},\"f\":[]}",
           "{\"n\":1.10,\"big\":18446744073709551616,\"a\":[null,true,"
           "{\"x@example.com\":\"a***@example.com\"},\"************1111\",-5],"
           "\"e\":{},\"f\":[]}");
    ck_assert_uint_eq(testhost_counter(t, "redacted"), 2);
    /* Only what is looked for. */
    expect("detect = ( \"ip\" );", "{\"t\":\"abc@example.com 10.0.0.9\"}",
           "{\"t\":\"abc@example.com 10.0.0.0\"}");
    expect("detect = ( \"email\" );", "{\"n\":4111111111111111}",
           "{\"n\":4111111111111111}");
}
END_TEST

#define FIELD(path, how)                                                       \
    "fields = ( { path = \"" path "\"; how = \"" how "\"; } );"

START_TEST(fields_are_redacted)
{
    static const char *const rows[][3] = {
        { "fields = ( \"a\" );", "{\"a\":\"Ada\",\"b\":1}",
          "{\"a\":\"***\",\"b\":1}" },
        { "fields = ( \"$event.payload.a.b\" );",
          "{\"a\":{\"b\":\"abc@x.org\"}}", "{\"a\":{\"b\":\"a***@x.org\"}}" },
        { "fields = ( \"a\" );",
          "{\"a\":[1,true,null,{\"n\":2.50,\"s\":\"\"}]}",
          "{\"a\":[\"***\",\"***\",null,{\"n\":\"***\",\"s\":\"***\"}]}" },
        { "fields = ( \"a\" );", "{\"a\":null}", "{\"a\":null}" },
        { "fields = ( \"a\" );", "{\"a\":{}}", "{\"a\":{}}" },
        { "fields = ( \"a\" );", "{\"b\":1}", "{\"b\":1}" },
        { "fields = ( \"a[1]\" );", "{\"a\":[1,2,3]}",
          "{\"a\":[1,\"***\",3]}" },
        { FIELD("a", "remove"), "{\"a\":{\"x\":1},\"b\":2}", "{\"b\":2}" },
        { FIELD("a", "remove"), "{\"a\":null}", "{}" },
        { "how = \"remove\"; fields = ( \"a\" );" ALL,
          "{\"a\":1,\"b\":\"x abc@x.org y\",\"c\":\"10.0.0.1\"}",
          "{\"b\":\"x  y\",\"c\":\"\"}" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(rows[i][0], rows[i][1], rows[i][2]);
}
END_TEST

/* HMAC-SHA-256 of the key and this. */
static const char *
hash(const char *plain)
{
    static char hex[65];
    unsigned char bytes[32];
    gnutls_hmac_fast(GNUTLS_MAC_SHA256, KEY, strlen(KEY), plain, strlen(plain),
                     bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    return hex;
}

START_TEST(equals_have_one_hash)
{
    static const char *const rows[][2] = {
        { "Ada@Example.com", "ada@example.com" },
        { "ada%40example.com", "ada@example.com" },
        { "+49 170/123-45.67", "+491701234567" },
        { "00491701234567", "+491701234567" },
        { "4111 1111-11111111", "4111111111111111" },
        { "de89 3704 0044 0532 0130 00", "DE89370400440532013000" },
        { "2001:DB8:0::1", "2001:db8::1" },
        { "u_42", "u_42" },
        { "", "" },
    };
    char payload[200], want[300];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(payload, sizeof payload, "{\"a\":\"%s\"}", rows[i][0]);
        snprintf(want, sizeof want, "{\"a\":\"%s\"}", hash(rows[i][1]));
        expect("key = \"" KEY "\";" FIELD("a", "hash"), payload, want);
    }
    expect("key = \"" KEY "\";" FIELD("a", "hash"), "{\"a\":42}",
           (snprintf(want, sizeof want, "{\"a\":\"%s\"}", hash("42")), want));
    snprintf(want, sizeof want, "{\"a\":\"by %s!\"}", hash("ada@example.com"));
    expect("how = \"hash\"; key = \"" KEY "\";" ALL,
           "{\"a\":\"by ADA@example.com!\"}", want);
}
END_TEST

START_TEST(a_wrong_config_is_refused)
{
    static const char *const rows[][2] = {
        { "", "changes nothing" },
        { "detect = ( \"name\" );", "email" },
        { FIELD("a", "hash"), "needs a key" },
        { "how = \"hash\";" ALL, "needs a key" },
        { "key = \"short\"; how = \"hash\";" ALL, "shorter than 16" },
        { "key = \"" KEY "\";" ALL, "nothing is hashed" },
        { "fields = ( \"$event.id\" );", "stays as its sender" },
        { "fields = ( { how = \"mask\"; } );", "path" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        testhost_free(t);
        t = testhost_new();
        ck_assert_msg(open_it(rows[i][0]), "%s is taken", rows[i][0]);
        ck_assert_msg(strstr(testhost_findings(t), rows[i][1]), "%s: %s",
                      rows[i][0], testhost_findings(t));
        ck_assert_ptr_null(strstr(testhost_findings(t), KEY));
        ck_assert_ptr_null(strstr(testhost_findings(t), "\"short\""));
    }
}
END_TEST

START_TEST(without_memory_they_come_again)
{
    int done = 0;
    for (uint32_t n = 1; !done && n < 200; n++) {
        testhost_free(t);
        t = testhost_new();
        ck_assert_int_eq(open_it("fields = ( \"a\", \"b\" );" ALL), 0);
        add("{\"a\":{\"x\":1},\"b\":\"s\",\"c\":\"10.0.0.1\"}");
        testhost_fail_alloc(t, n);
        int err = testhost_process(t);
        testhost_fail_alloc(t, 0);
        done = !err;
        ck_assert_str_eq(
            testhost_payload(t, 0),
            err ? "{\"a\":{\"x\":1},\"b\":\"s\",\"c\":\"10.0.0.1\"}"
                : "{\"a\":{\"x\":\"***\"},\"b\":\"***\",\"c\":\"10.0.0.0\"}");
    }
    ck_assert(done);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("redact.pii");
    TCase *tc = tcase_create("redact.pii");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, personal_data_is_found_in_text);
    tcase_add_test(tc, other_text_stays);
    tcase_add_test(tc, all_values_are_searched_and_others_stay);
    tcase_add_test(tc, fields_are_redacted);
    tcase_add_test(tc, equals_have_one_hash);
    tcase_add_test(tc, a_wrong_config_is_refused);
    tcase_add_test(tc, without_memory_they_come_again);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
