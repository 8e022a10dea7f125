/* SPDX-License-Identifier: MIT */
/* Each scheme against the vectors that its owner publishes (Slack, GitHub,
 * Standard Webhooks; RFC 8032's first key for Ed25519), and against ones that
 * another implementation made. */
#include "hooktest.h"

START_TEST(github)
{
    /* docs.github.com, "Validating webhook deliveries" */
#define GITHUB                                                                 \
    "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    must_open("scheme = \"github\"; secrets = \"It's a Secret to "
              "Everybody\";",
              0);
    expect("X-Hub-Signature-256: sha256=" GITHUB "\n"
           "X-GitHub-Event: push\nX-GitHub-Delivery: 72d3162e-cc78-11e3",
           "Hello, World!", 400, "bad_json"); /* it is its sender's */
    expect("X-Hub-Signature-256: sha256=" GITHUB, "Hello, World?", 401,
           "wrong_signature");
    /* the prefix belongs to it */
    expect("X-Hub-Signature-256: " GITHUB, "Hello, World!", 401,
           "bad_signature");
    expect("X-Hub-Signature: sha1=" GITHUB, "Hello, World!", 401,
           "missing_signature");
    ck_assert_ptr_null(testhost_emitted(host, 1));
}
END_TEST

#define SLACK_SECRET                                                           \
    "scheme = \"slack\"; secrets = \"8f742231b10e8888abcd99yyyzzz85a5\";"
START_TEST(slack)
{
    /* api.slack.com, "Verifying requests from Slack" */
    static const char body[] =
        "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain="
        "testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id="
        "U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
        "response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J"
        "%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015"
        ".47445629121.803a0bc887a14d10d2c447fce8b6703c";
#define SLACK                                                                  \
    "X-Slack-Signature: v0="                                                   \
    "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503\n"
#define FORM "Content-Type: application/x-www-form-urlencoded\n"
    must_open(SLACK_SECRET, 1531420618 + 299);
    expect(SLACK FORM "X-Slack-Request-Timestamp: 1531420618", body, 200, NULL);
    ck_assert_str_eq(testhost_answer(host), "");
    expect_event(
        0, "{\"key\":\"398738663015.47445629121."
           "803a0bc887a14d10d2c447fce8b6703c\",\"type\":\"test.received\","
           "\"payload\":{\"token\":\"xyzz0WbapA4vBCDEFasx0q6G\",\"team_id\":"
           "\"T1DC2JH3J\",\"team_domain\":\"testteamnow\",\"channel_id\":"
           "\"G8PSS9T3V\",\"channel_name\":\"foobar\",\"user_id\":"
           "\"U2CERLKJA\",\"user_name\":\"roadrunner\",\"command\":"
           "\"/webhook-collect\",\"text\":\"\",\"response_url\":"
           "\"https://hooks.slack.com/commands/T1DC2JH3J/397700885554/"
           "96rGlfmibIGlgcZRskXaIFfN\",\"trigger_id\":\"398738663015."
           "47445629121.803a0bc887a14d10d2c447fce8b6703c\"}}");
    expect(SLACK FORM "X-Slack-Request-Timestamp: 1531420619", body, 401,
           "wrong_signature");
    expect(SLACK FORM, body, 401, "missing_signature");
    testhost_clock(host, (1531420618 + 301) * INT64_C(1000000));
    expect(SLACK FORM "X-Slack-Request-Timestamp: 1531420618", body, 401,
           "stale_signature");
}
END_TEST

START_TEST(slack_asks_for_the_url)
{
    static const char body[] =
        "{\"token\":\"x\",\"challenge\":\"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdAL"
        "WMmHkvFXO7tYXAYM8P\",\"type\":\"url_verification\"}";
    must_open(SLACK_SECRET, 1531420618);
    expect("X-Slack-Request-Timestamp: 1531420618\nX-Slack-Signature: v0="
           "31c4d19d16d8abc077240e904755d16d484f41140dfc80e5828ffa5470eb62ed",
           body, 200, NULL);
    ck_assert_str_eq(testhost_answer(host),
                     "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P");
    ck_assert_str_eq(testhost_answer_header(host, "Content-Type"),
                     "text/plain");
    ck_assert_ptr_null(testhost_emitted(host, 0));
    /* a stranger's challenge is not answered */
    expect("X-Slack-Request-Timestamp: 1531420618\nX-Slack-Signature: v0="
           "31c4d19d16d8abc077240e904755d16d484f41140dfc80e5828ffa5470eb62ee",
           body, 401, "wrong_signature");
}
END_TEST

/* The vector of the Standard Webhooks libraries. */
#define STD_ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define STD_V1 "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define STD_V1A                                                                \
    "v1a,fldxM4gAKugP6nnt1hdz3sgGfZ6d99nzrMFnZOELIxbzEHoVmAb2ADpkJK7zgPePmPs"  \
    "le0zV9jSeGlHFG2NVAw=="
#define STD_TIME 1614265330
#define STD_BODY "{\"test\": 2432232314}"
#define STD(signatures)                                                        \
    "webhook-id: " STD_ID "\nwebhook-timestamp: 1614265330\n"                  \
    "webhook-signature: " signatures
#define STD_EVENT                                                              \
    "{\"key\":\"" STD_ID "\",\"type\":\"test.received\",\"payload\":" STD_BODY \
    "}"

START_TEST(standard)
{
    must_open("scheme = \"standard\";"
              "secrets = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\";",
              STD_TIME);
    expect(STD(STD_V1), STD_BODY, 202, NULL);
    expect_event(0, STD_EVENT);
    /* several, the one that fits being the last, and versions to come */
    expect(
        STD("v2,AAAA v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= " STD_V1A
            " " STD_V1),
        STD_BODY, 202, NULL);
    expect(STD("v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="), STD_BODY,
           401, "wrong_signature");
    expect(STD(STD_V1), "{\"test\": 2432232315}", 401, "wrong_signature");
    expect(STD("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1O"), STD_BODY, 401,
           "bad_signature");
    expect(STD(""), STD_BODY, 401, "bad_signature");
    /* an Ed25519 signature cannot pass for an HMAC */
    expect(STD(STD_V1A), STD_BODY, 401, "wrong_signature");
    expect("webhook-timestamp: 1614265330\nwebhook-signature: " STD_V1,
           STD_BODY, 401, "missing_signature");
    expect("webhook-id: x\nwebhook-signature: " STD_V1, STD_BODY, 401,
           "missing_signature");
    expect("webhook-id: " STD_ID "\nwebhook-timestamp: 1614265330x\n"
           "webhook-signature: " STD_V1,
           STD_BODY, 401, "bad_signature");
    testhost_clock(host, (STD_TIME - 301) * INT64_C(1000000));
    expect(STD(STD_V1), STD_BODY, 401, "stale_signature");
    testhost_clock(host, (STD_TIME + 301) * INT64_C(1000000));
    expect(STD(STD_V1), STD_BODY, 401, "stale_signature");
}
END_TEST

START_TEST(standard_under_its_older_names)
{
    must_open("scheme = \"standard\"; secrets = "
              "\"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\";",
              STD_TIME);
    expect("svix-id: " STD_ID "\nsvix-timestamp: 1614265330\n"
           "svix-signature: " STD_V1,
           STD_BODY, 202, NULL);
    expect_event(0, STD_EVENT);
}
END_TEST

START_TEST(standard_with_a_public_key)
{
    must_open("scheme = \"standard\"; secrets = ("
              "\"whpk_PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\","
              "\"whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\" );",
              STD_TIME);
    expect(STD(STD_V1A), STD_BODY, 202, NULL);
    ck_assert_str_eq(testhost_sender(host), "secret-2");
    expect_event(0, STD_EVENT);
    expect(STD("v1,AAAA " STD_V1A), STD_BODY, 202, NULL);
    expect(STD(STD_V1A), "{\"test\": 1}", 401, "wrong_signature");
    /* nobody can use the public key as if it were a secret */
    expect(STD(STD_V1), STD_BODY, 401, "wrong_signature");
    expect(STD("v1a,fldxM4gAKugP6nnt1hdz"), STD_BODY, 401, "bad_signature");
}
END_TEST

#define STRIPE_BODY "{\"id\":\"evt_1\",\"type\":\"charge.succeeded\"}"
#define STRIPE_GOOD                                                            \
    "v1=4ee5e8d695c9619e003fd480d3d51700d924e29697337d379a6ef6e06e703ab4"
#define STRIPE_OLD                                                             \
    "v1=cce39f41e81b1bc47145dd664b32cada2d637518dc4e9d737a3649cfc7ec4c43"
START_TEST(stripe)
{
    must_open("scheme = \"stripe\"; secrets = \"whsec_test_secret\";",
              1492774577 + 300);
    expect("Stripe-Signature: t=1492774577," STRIPE_GOOD, STRIPE_BODY, 202,
           NULL);
    expect_event(0, "{\"key\":\"evt_1\",\"type\":\"charge.succeeded\","
                    "\"payload\":" STRIPE_BODY "}");
    expect("Stripe-Signature: t=1492774577," STRIPE_OLD "," STRIPE_GOOD
           ",v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989"
           "a39",
           STRIPE_BODY, 202, NULL);
    expect("Stripe-Signature: t=1492774577," STRIPE_OLD, STRIPE_BODY, 401,
           "wrong_signature");
    expect("Stripe-Signature: t=1492774578," STRIPE_GOOD, STRIPE_BODY, 401,
           "wrong_signature");
    expect("Stripe-Signature: t=1492774577,t=1492774578," STRIPE_GOOD,
           STRIPE_BODY, 401, "bad_signature");
    expect("Stripe-Signature: " STRIPE_GOOD, STRIPE_BODY, 401,
           "missing_signature");
    expect("Stripe-Signature: t=1492774577,v1=4ee5e8d695c9619e003fd480",
           STRIPE_BODY, 401, "bad_signature");
    testhost_clock(host, (1492774577 + 301) * INT64_C(1000000));
    expect("Stripe-Signature: t=1492774577," STRIPE_GOOD, STRIPE_BODY, 401,
           "stale_signature");
}
END_TEST

START_TEST(both_secrets_of_a_rotation_are_valid)
{
    must_open("scheme = \"stripe\"; tolerance = \"1h\";"
              "secrets = ( \"whsec_test_secret\", \"whsec_old\" );",
              1492774577 + 3600);
    expect("Stripe-Signature: t=1492774577," STRIPE_GOOD, STRIPE_BODY, 202,
           NULL);
    expect("Stripe-Signature: t=1492774577," STRIPE_OLD, STRIPE_BODY, 202,
           NULL);
}
END_TEST

START_TEST(shopify)
{
    must_open("scheme = \"shopify\"; secrets = \"hush\";", 0);
    expect("X-Shopify-Hmac-Sha256: qBvrsZF7RfB1iS6BX6IHqJTp5L911P7intnPeTPsH0"
           "I=\nX-Shopify-Topic: orders/create\nX-Shopify-Event-Id: 98880550",
           "{\"id\":820982911946154508}", 202, NULL);
    expect_event(0, "{\"key\":\"orders/create:98880550\",\"type\":"
                    "\"orders/create\",\"payload\":"
                    "{\"id\":820982911946154508}}");
    expect("X-Shopify-Hmac-Sha256: qBvrsZF7RfB1iS6BX6IHqJTp5L911P7intnPeTPsH0"
           "J=",
           "{\"id\":820982911946154508}", 401, "bad_signature");
    expect("X-Shopify-Hmac-Sha256: aBvrsZF7RfB1iS6BX6IHqJTp5L911P7intnPeTPsH0"
           "I=",
           "{\"id\":820982911946154508}", 401, "wrong_signature");
}
END_TEST

#define IL_HEX                                                                 \
    "229ed51bc1d277a892021b589003f62374fc4c69ea4fa6d0e6c94f27ac6cb68d"
#define IL_CONTENT                                                             \
    "439e3d897916feb9d0b0e6add562b1218c7a64c87f6def6c47f4f23c83b83994"
#define IL_EVENT(key)                                                          \
    "{\"key\":\"" key "\",\"type\":\"a.b\",\"payload\":"                       \
    "{\"type\":\"a.b\",\"n\":1}}"
#define IL_TIMED(sig) "X-Ingest-Signature: t=1700000000,sha256=" sig "\n"
#define IL_KEYED                                                               \
    "17e9f424cc38c29a3870dead687e815b40ca743108032ca7c3ec1352c9521a1c"
#define IL_UNKEYED                                                             \
    "36e64647b8671d9c7b06bf5dbeb532610bbfec5199202ae3998a2f73b9bb1bf7"
START_TEST(ingestlayer_with_a_time_and_an_id)
{
    static const char body[] = "{\"type\":\"a.b\",\"n\":1}";
    must_open("secrets = \"s3cret\"; tolerance = \"60s\";", 1700000000);
    expect(IL_TIMED(IL_KEYED) "Idempotency-Key: k1", body, 202, NULL);
    expect_event(0, IL_EVENT("k1"));
    /* the id is signed, or that there is none */
    expect(IL_TIMED(IL_KEYED) "Idempotency-Key: k2", body, 401,
           "wrong_signature");
    expect(IL_TIMED(IL_KEYED), body, 401, "wrong_signature");
    expect(IL_TIMED(IL_UNKEYED), body, 202, NULL);
    expect_event(1, IL_EVENT("737dee1a5a3ad4ded464ea05e99974c75b8b58ce8492d8668"
                             "5bca26162b90b48"));
    expect(IL_TIMED(IL_UNKEYED) "Idempotency-Key: k1", body, 401,
           "wrong_signature");
    /* so is the time */
    expect("X-Ingest-Signature: t=1700000001,sha256=" IL_KEYED
           "\nIdempotency-Key: k1",
           body, 401, "wrong_signature");
    expect("X-Ingest-Signature: t=1700000000,t=1700000000,sha256=" IL_KEYED
           "\nIdempotency-Key: k1",
           body, 401, "bad_signature");
    expect("X-Ingest-Signature: sha256=" IL_KEYED "\nIdempotency-Key: k1", body,
           401, "wrong_signature");
    expect("X-Ingest-Signature: t=1700000000,sha256=" IL_HEX, body, 401,
           "wrong_signature");
    expect("X-Ingest-Signature: t=x,sha256=" IL_KEYED, body, 401,
           "bad_signature");
    testhost_clock(host, 1700000061 * INT64_C(1000000));
    expect(IL_TIMED(IL_KEYED) "Idempotency-Key: k1", body, 401,
           "stale_signature");
}
END_TEST

/* Who names a key in the config has thought of it. */
START_TEST(ingestlayer_with_a_key_of_the_config)
{
    must_open("secrets = \"s3cret\"; key = \"$header.Idempotency-Key\";", 0);
    expect("X-Ingest-Signature: sha256=" IL_HEX "\nIdempotency-Key: k1",
           "{\"type\":\"a.b\",\"n\":1}", 202, NULL);
    expect_event(0, IL_EVENT("k1"));
}
END_TEST

START_TEST(ingestlayer_with_and_without_its_prefix)
{
    must_open("secrets = \"s3cret\";", 0);
    expect("X-Ingest-Signature: sha256=" IL_HEX "\nIdempotency-Key: k1",
           "{\"type\":\"a.b\",\"n\":1}", 202, NULL);
    /* nobody has signed k1: what is sent again under k2 is the same event */
    expect_event(0, IL_EVENT(IL_CONTENT));
    expect("X-Ingest-Signature: sha256=" IL_HEX "\nIdempotency-Key: k2",
           "{\"type\":\"a.b\",\"n\":1}", 202, NULL);
    expect_event(1, IL_EVENT(IL_CONTENT));
    expect("X-Ingest-Signature: " IL_HEX, "{\"type\":\"a.b\",\"n\":1}", 202,
           NULL);
    expect("X-Ingest-Signature: 229ED51BC1D277A892021B589003F62374FC4C69EA4FA"
           "6D0E6C94F27AC6CB68D",
           "{\"type\":\"a.b\",\"n\":1}", 202, NULL);
    expect("X-Ingest-Signature: sha1=" IL_HEX, "{\"type\":\"a.b\",\"n\":1}",
           401, "bad_signature");
    /* the bytes as they came, not what they mean */
    expect("X-Ingest-Signature: " IL_HEX, "{\"type\":\"a.b\", \"n\":1}", 401,
           "wrong_signature");
}
END_TEST

START_TEST(generic_signs_what_it_is_told)
{
    must_open("scheme = \"generic\"; secrets = \"gk\"; signature = {"
              "header = \"X-Sig\"; prefix = \"h=\"; separator = \"\\n\";"
              "parts = ( \"method\", \"path\", \"header:X-Request-Id\","
              "\"timestamp\", \"body\" ); hash = \"sha512\";"
              "encoding = \"base64\"; timestamp_header = \"X-Time\"; };",
              1700000000);
#define GENERIC                                                                \
    "X-Sig: h=fL1Q3uIg8ozewze6p1TfL6YjuS6pqAEfRJNlCz8oo0kanibxZikwoQobMI3RIc"  \
    "3dfU6QIEGN916KMmF4b5AQaA==\n"
    expect(GENERIC "X-Request-Id: req-9\nX-Time: 1700000000", "{\"a\":1}", 202,
           NULL);
    expect_event(0, "{\"type\":\"test.received\",\"payload\":{\"a\":1}}");
    expect(GENERIC "X-Request-Id: req-8\nX-Time: 1700000000", "{\"a\":1}", 401,
           "wrong_signature");
    expect(GENERIC "X-Time: 1700000000", "{\"a\":1}", 401, "missing_signature");
    expect(GENERIC "X-Request-Id: req-9", "{\"a\":1}", 401,
           "missing_signature");
    expect(GENERIC "X-Request-Id: req-9\nX-Time: 1699999699", "{\"a\":1}", 401,
           "stale_signature");
}
END_TEST

START_TEST(generic_with_the_time_beside_the_signature)
{
    must_open("scheme = \"generic\"; secrets = \"whsec_test_secret\";"
              "signature = { header = \"My-Signature\"; prefix = \"v1=\";"
              "timestamp_prefix = \"t=\"; separator = \".\";"
              "parts = ( \"timestamp\", \"body\" ); };",
              1492774577);
    expect("My-Signature: t=1492774577, " STRIPE_GOOD, STRIPE_BODY, 202, NULL);
    expect("My-Signature: t=1492774577," STRIPE_OLD, STRIPE_BODY, 401,
           "wrong_signature");
}
END_TEST

START_TEST(generic_with_nothing_but_a_header)
{
    must_open("scheme = \"generic\"; secrets = \"gk\";"
              "signature = { header = \"X-Sig\"; hash = \"sha1\"; };",
              0);
    expect("X-Sig: 0998e3965fc19f361a8db5dfba6bc6e24d98406e", "{\"a\":1}", 202,
           NULL);
    expect("X-Sig: 0998e3965fc19f361a8db5dfba6bc6e24d98406f", "{\"a\":1}", 401,
           "wrong_signature");
}
END_TEST

START_TEST(paddle)
{
    static const char body[] =
        "{\"event_id\":\"evt_01\",\"event_type\":\"transaction.completed\"}";
#define PADDLE                                                                 \
    "h1=0af9ddd93d3ccb672f859a2590879df7c3a2b86c56fc7681828c0069793129a7"
    must_open("scheme = \"paddle\"; secrets = \"pdl_ntfset_secret\";",
              1671552777);
    expect("Paddle-Signature: ts=1671552777;" PADDLE, body, 202, NULL);
    expect_event(0, "{\"key\":\"evt_01\",\"type\":\"transaction.completed\","
                    "\"payload\":{\"event_id\":\"evt_01\",\"event_type\":"
                    "\"transaction.completed\"}}");
    /* while the secret is rotated */
    expect("Paddle-Signature: ts=1671552777;h1=00;" PADDLE, body, 202, NULL);
    expect("Paddle-Signature: ts=1671552778;" PADDLE, body, 401,
           "wrong_signature");
    expect("Paddle-Signature: ts=1671552777;ts=1671552777;" PADDLE, body, 401,
           "bad_signature");
    expect("Paddle-Signature: " PADDLE, body, 401, "missing_signature");
    testhost_clock(host, (1671552777 + 301) * INT64_C(1000000));
    expect("Paddle-Signature: ts=1671552777;" PADDLE, body, 401,
           "stale_signature");
}
END_TEST

/* As @hubspot/api-client signs. */
#define HUBSPOT_BODY                                                           \
    "[{\"eventId\":1,\"subscriptionId\":12345,\"portalId\":62515,"             \
    "\"occurredAt\":1564113600000,\"subscriptionType\":\"contact.creation\","  \
    "\"attemptNumber\":0,\"objectId\":123},{\"eventId\":2,\"subscriptionId\":" \
    "12346,\"portalId\":62515,\"occurredAt\":1564113600000,"                   \
    "\"subscriptionType\":\"contact.deletion\",\"attemptNumber\":0}]"
#define HUBSPOT_SIGNED                                                         \
    "X-HubSpot-Signature-v3: o8N44tlpGFXtfCnvh0Tl71O20O0WRqA+Pf/dWEr9B9w=\n"
START_TEST(hubspot)
{
    must_open("scheme = \"hubspot\"; secrets = \"hubsecret\"; url = ("
              "\"https://other.example.com/whk/tok\", "
              "\"https://www.example.com/whk/tok?a=b%3Ac%2Fd&e=f%20g\" );",
              1700000000);
    expect(HUBSPOT_SIGNED "X-HubSpot-Request-Timestamp: 1700000000123",
           HUBSPOT_BODY, 202, NULL);
    expect_event(0, "{\"key\":\"62515:12345:1:1564113600000:123\",\"type\":"
                    "\"contact.creation\",\"payload\":{\"eventId\":1,"
                    "\"subscriptionId\":12345,\"portalId\":62515,"
                    "\"occurredAt\":1564113600000,\"subscriptionType\":"
                    "\"contact.creation\",\"attemptNumber\":0,\"objectId\":"
                    "123}}");
    expect_event(1, "{\"key\":\"62515:12346:2:1564113600000\",\"type\":"
                    "\"contact.deletion\",\"payload\":{\"eventId\":2,"
                    "\"subscriptionId\":12346,\"portalId\":62515,"
                    "\"occurredAt\":1564113600000,\"subscriptionType\":"
                    "\"contact.deletion\",\"attemptNumber\":0}}");
    expect(HUBSPOT_SIGNED "X-HubSpot-Request-Timestamp: 1700000000124",
           HUBSPOT_BODY, 401, "wrong_signature");
    expect(HUBSPOT_SIGNED, HUBSPOT_BODY, 401, "missing_signature");
    testhost_clock(host, 1700000301 * INT64_C(1000000));
    expect(HUBSPOT_SIGNED "X-HubSpot-Request-Timestamp: 1700000000123",
           HUBSPOT_BODY, 401, "stale_signature");
}
END_TEST

/* The vector of Twilio's libraries, and the same with a SharedKey. */
#define TWILIO_BODY                                                            \
    "To=%2B18005551212&Digits=1234&CallSid=CA1234567890ABCDE&From=%2B14158"    \
    "675309&Caller=%2B14158675309"
#define TWILIO(signature) FORM "X-Twilio-Signature: " signature "\n"
#define TWILIO_SHA1 "RSOYDt4T1cUTdK1PDd93/VVr8B8="
#define TWILIO_SHA256 "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s="
#define TWILIO_CONF                                                            \
    "scheme = \"twilio\"; secrets = \"12345\";"                                \
    "url = \"https://mycompany.com/myapp.php?foo=1&bar=2\";"
START_TEST(twilio_form)
{
    must_open(TWILIO_CONF, 0);
    expect(TWILIO(TWILIO_SHA1) "I-Twilio-Idempotency-Token: tok-1", TWILIO_BODY,
           204, NULL);
    ck_assert_str_eq(testhost_answer(host), "");
    expect_event(0, "{\"key\":\"tok-1\",\"type\":\"test.received\",\"payload\":"
                    "{\"To\":\"+18005551212\",\"Digits\":\"1234\",\"CallSid\":"
                    "\"CA1234567890ABCDE\",\"From\":\"+14158675309\","
                    "\"Caller\":\"+14158675309\"}}");
    expect(TWILIO(TWILIO_SHA256) "X-Twilio-Webhooks-Signature-Settings: "
                                 "key=webhooks_sharedkey_1,"
                                 "algorithm=HMAC_SHA256",
           TWILIO_BODY, 204, NULL);
    expect(TWILIO(TWILIO_SHA256), TWILIO_BODY, 401, "bad_signature");
    expect(TWILIO(TWILIO_SHA1), TWILIO_BODY "&x=", 401, "wrong_signature");
    /* sorted by bytes, and a field that is there twice is signed once */
    expect(TWILIO("u8/kcXfaD4kenVdSkg95QpjeO80="),
           "To=%2B1&NumMedia=1&Body=Gr%C3%BC%C3%9Fe+%26+1%2B1%3D2&NumMedia=0&"
           "NumMedia=1&body=x",
           204, NULL);
}
END_TEST

/* Nothing of such a body is signed, unless its hash is in the URL. */
START_TEST(twilio_body_that_is_no_form)
{
    must_open("scheme = \"twilio\"; secrets = \"12345\";"
              "url = \"https://mycompany.com/whk/tok\";",
              0);
    expect("X-Twilio-Signature: " TWILIO_SHA1, "{\"a\":1}", 401,
           "missing_signature");
    ck_assert_ptr_null(testhost_emitted(host, 0));
}
END_TEST

START_TEST(twilio_signs_a_hash_of_other_bodies)
{
    static const char body[] =
        "[{\"specversion\":\"1.0\",\"type\":\"com.twilio.messaging.message."
        "sent\",\"source\":\"/x\",\"id\":\"EZ1\"},{\"specversion\":\"1.0\","
        "\"type\":\"a.b\",\"source\":\"/x\",\"id\":\"EZ2\"}]";
    static const char path[] =
        "/whk/tok?bodySHA256=19693b1d4b19b7b31d2ccf61fe0ae3a957d9d16a24bc8ed43"
        "539bb34acac5b7e";
    static const char signature[] =
        "X-Twilio-Signature: 3J+NWK7akHkKYkE+uZj0buPSWN4=";
    must_open("scheme = \"twilio\"; secrets = \"12345\";"
              "url = \"https://mycompany.com/whk/tok\";",
              0);
    ck_assert_int_eq(
        testhost_request(host, "POST", path, signature, body, strlen(body)),
        204);
    expect_event(1, "{\"key\":\"EZ2 /x\",\"type\":\"a.b\",\"payload\":"
                    "{\"specversion\":\"1.0\",\"type\":\"a.b\",\"source\":"
                    "\"/x\",\"id\":\"EZ2\"}}");
    /* the body is not the one that was signed */
    ck_assert_int_eq(
        testhost_request(host, "POST", path, signature, body, strlen(body) - 1),
        401);
}
END_TEST

START_TEST(url_is_asked_for_where_it_is_signed)
{
    ck_assert_int_ne(try_open("token = \"tok\"; secrets = \"s\";"
                              "scheme = \"twilio\";"),
                     0);
    ck_assert_ptr_nonnull(strstr(testhost_findings(host), "url: is required"));
}
END_TEST

START_TEST(url_is_no_url)
{
    ck_assert_int_ne(try_open("token = \"tok\"; secrets = \"s\";"
                              "scheme = \"twilio\"; url = \"example.com\";"),
                     0);
    ck_assert_ptr_nonnull(strstr(testhost_findings(host), "is no URL"));
}
END_TEST

START_TEST(url_is_of_no_use)
{
    ck_assert_int_ne(try_open("token = \"tok\"; secrets = \"s\";"
                              "scheme = \"github\"; url = \"https://a/b\";"),
                     0);
    ck_assert_ptr_nonnull(
        strstr(testhost_findings(host), "nothing here signs the URL"));
}
END_TEST

#define PAGERDUTY                                                              \
    "v1=07ac4be630c407142a055475892946a970c05b65ffc748b94a35a1de248356d6"
START_TEST(pagerduty)
{
    static const char body[] = "{\"event\":{\"id\":\"01D\",\"event_type\":"
                               "\"incident.triggered\"}}";
    must_open("scheme = \"pagerduty\"; secrets = \"pd\";", 0);
    expect("X-PagerDuty-Signature: v1=" GITHUB "," PAGERDUTY, body, 202, NULL);
    expect_event(0, "{\"key\":\"01D\",\"type\":\"incident.triggered\","
                    "\"payload\":{\"event\":{\"id\":\"01D\",\"event_type\":"
                    "\"incident.triggered\"}}}");
    expect("X-PagerDuty-Signature: v1=" GITHUB, body, 401, "wrong_signature");
}
END_TEST

#define LINEAR                                                                 \
    "Linear-Signature: "                                                       \
    "7a9bb43f47892b55d92bcad50d5bacc12dc280a8706c74f92ebcfa63158aae1b\n"
START_TEST(linear)
{
    static const char body[] = "{\"action\":\"create\",\"type\":\"Issue\","
                               "\"webhookTimestamp\":1676056940508}";
    must_open("scheme = \"linear\"; secrets = \"lin\";", 1676056940 + 60);
    expect(LINEAR "Linear-Delivery: 234d1a4e", body, 202, NULL);
    expect_event(0, "{\"key\":\"234d1a4e\",\"type\":\"Issue.create\","
                    "\"payload\":{\"action\":\"create\",\"type\":\"Issue\","
                    "\"webhookTimestamp\":1676056940508}}");
    expect(LINEAR, "{\"webhookTimestamp\":1676056940508}", 401,
           "wrong_signature");
    testhost_clock(host, (1676056940 + 62) * INT64_C(1000000));
    expect(LINEAR, body, 401, "stale_signature");
}
END_TEST

#define ZENDESK_TIME                                                           \
    "X-Zendesk-Webhook-Signature-Timestamp: 2021-03-25T05:09:27Z\n"
START_TEST(zendesk)
{
    must_open("scheme = \"zendesk\"; secrets = "
              "\"dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==\";",
              1616648967 + 299);
    expect(ZENDESK_TIME "X-Zendesk-Webhook-Signature: "
                        "Iw13MsOSQgNVWRjWJNNx9VJYPJa0WAkY2ABBaybCNec=",
           "{\"type\":\"zen:event-type:ticket.created\",\"id\":\"7\","
           "\"zendesk_event_version\":\"2022-11-06\"}",
           202, NULL);
    ck_assert_ptr_nonnull(strstr(testhost_emitted(host, 0),
                                 "{\"key\":\"2022-11-06:7\",\"type\":"
                                 "\"zen:event-type:ticket.created\""));
    /* a trigger's own body: its id may be a ticket's */
    expect(ZENDESK_TIME "X-Zendesk-Webhook-Signature: "
                        "iKxTsZkb/SDnKubK6YELQOzZQBcR6K8NZ+Y9GzaIEFg=\n"
                        "X-Zendesk-Webhook-Invocation-Id: 01F",
           "{\"id\":\"7\"}", 202, NULL);
    expect_event(1, "{\"key\":\"01F\",\"type\":\"test.received\",\"payload\":"
                    "{\"id\":\"7\"}}");
    expect("X-Zendesk-Webhook-Signature-Timestamp: 2021-03-25T05:04:27Z\n"
           "X-Zendesk-Webhook-Signature: "
           "iKxTsZkb/SDnKubK6YELQOzZQBcR6K8NZ+Y9GzaIEFg=",
           "{\"id\":\"7\"}", 401, "stale_signature");
    expect("X-Zendesk-Webhook-Signature-Timestamp: 2021-13-25T05:04:27Z\n"
           "X-Zendesk-Webhook-Signature: "
           "iKxTsZkb/SDnKubK6YELQOzZQBcR6K8NZ+Y9GzaIEFg=",
           "{\"id\":\"7\"}", 401, "bad_signature");
}
END_TEST

START_TEST(svix)
{
    must_open("scheme = \"svix\"; secrets = "
              "\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\";",
              STD_TIME);
    expect("svix-id: " STD_ID "\nsvix-timestamp: 1614265330\n"
           "svix-signature: " STD_V1,
           STD_BODY, 202, NULL);
    expect_event(0, STD_EVENT);
    expect(STD(STD_V1), STD_BODY, 202, NULL);
    expect("svix-id: msg_x\nsvix-timestamp: 1614265330\n"
           "svix-signature: " STD_V1,
           STD_BODY, 401, "wrong_signature");
}
END_TEST

START_TEST(cloudevents_of_a_known_sender)
{
    must_open("scheme = \"cloudevents\"; auth = \"bearer\";"
              "secrets = \"key\";",
              0);
    expect("Authorization: Bearer key\n"
           "Content-Type: application/cloudevents-batch+json",
           "[{\"id\":\"1\",\"source\":\"/s\",\"type\":\"t.a\"},"
           "{\"id\":\"2\",\"source\":\"/s\",\"type\":\"t.b\"}]",
           202, NULL);
    expect_event(1, "{\"key\":\"2 /s\",\"type\":\"t.b\",\"payload\":"
                    "{\"id\":\"2\",\"source\":\"/s\",\"type\":\"t.b\"}}");
    expect("Authorization: Bearer key\nce-specversion: 1.0\nce-id: 3\n"
           "ce-source: /s\nce-type: t.c",
           "{\"n\":1}", 202, NULL);
    expect_event(2, "{\"key\":\"3 /s\",\"type\":\"t.c\",\"payload\":"
                    "{\"n\":1}}");
}
END_TEST

START_TEST(cloudevents_are_not_signed)
{
    ck_assert_int_ne(try_open("token = \"tok\"; secrets = \"s\";"
                              "scheme = \"cloudevents\";"),
                     0);
    ck_assert_ptr_nonnull(strstr(testhost_findings(host), "has no signatures"));
}
END_TEST

START_TEST(generic_with_items_in_any_separator)
{
    must_open("scheme = \"generic\"; secrets = \"gk\"; signature = {"
              "header = \"X-Sig\"; prefix = \"sig=\"; split = \"&\";"
              "timestamp_prefix = \"t=\"; separator = \"|\";"
              "parts = ( \"timestamp\", \"item:nonce=\", \"body\" ); };",
              1700000000);
#define ITEM                                                                   \
    "sig=\"43b49263b0367373c48a52617dafaf5a89026b2402cea4a9587e2d05338b39bc\""
    expect("X-Sig: t=1700000000123&nonce=\"n0nce\"&" ITEM, "{\"a\":1}", 202,
           NULL);
    expect("X-Sig: t=1700000000123&nonce=n1nce&" ITEM, "{\"a\":1}", 401,
           "wrong_signature");
    expect("X-Sig: t=1700000000123&" ITEM, "{\"a\":1}", 401,
           "missing_signature");
    expect("X-Sig: t=1700000000123&nonce=n0nce&nonce=x&" ITEM, "{\"a\":1}", 401,
           "missing_signature");
}
END_TEST

START_TEST(generic_with_the_time_in_the_body)
{
    must_open("scheme = \"generic\"; secrets = \"gk\"; signature = {"
              "header = \"X-Sig\"; timestamp_body = \"$body.sent\"; };",
              1700000300);
#define SENT                                                                   \
    "X-Sig: "                                                                  \
    "9f24ee15009d8185aadc9cf48ffd8f6be79121ea85ed752a7ffe5b6305a054a4"
    expect(SENT, "{\"sent\":\"2023-11-14T22:13:20.5Z\"}", 202, NULL);
    testhost_clock(host, 1700000302 * INT64_C(1000000));
    expect(SENT, "{\"sent\":\"2023-11-14T22:13:20.5Z\"}", 401,
           "stale_signature");
    /* without a time it is not known to be new */
    expect("X-Sig: "
           "5b24591d719b1bdc56c406169a4b58b76d03d0aa17650facea55b2f3f2a3b75f",
           "{\"a\":1}", 401, "missing_signature");
}
END_TEST

/* A time is judged before the signature, which is nobody's here. */
START_TEST(times_in_every_shape)
{
    static const struct {
        const char *time, *code;
    } cases[] = {
        { "1700000000", "wrong_signature" },
        { "1700000000000", "wrong_signature" },
        { "2023-11-14T22:13:20Z", "wrong_signature" },
        { "2023-11-14t23:43:20.123456789+01:30", "wrong_signature" },
        { "2023-11-14T20:13:20-02:00", "wrong_signature" },
        { "2023-11-14T22:13:20-02:00", "stale_signature" },
        { "1700000301", "stale_signature" },
        { "1699999699000", "stale_signature" },
        { "17000000000", "stale_signature" },
        { "170000000000", "stale_signature" },
        { "170000000000000", "bad_signature" },
        { "-1700000000", "bad_signature" },
        { "1700000000.5", "bad_signature" },
        { "2023-11-14T22:13:20", "bad_signature" },
        { "2023-11-14T22:13:20.Z", "bad_signature" },
        { "2023-11-14 22:13:20Z", "bad_signature" },
        { "2023-11-14T22:13:20+0100", "bad_signature" },
        { "2023-11-14T22:13:20Zx", "bad_signature" },
        { "2023-11-14T24:13:20Z", "bad_signature" },
        { "Tue, 14 Nov 2023 22:13:20 GMT", "bad_signature" },
    };
    char headers[200];
    must_open("scheme = \"generic\"; secrets = \"gk\"; signature = {"
              "header = \"X-Sig\"; timestamp_header = \"X-Time\";"
              "parts = ( \"timestamp\", \"body\" ); };",
              1700000000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(headers, sizeof headers, "X-Sig: %064d\nX-Time: %s", 0,
                 cases[i].time);
        expect(headers, "{}", 401, cases[i].code);
    }
}
END_TEST

START_TEST(generic_with_a_form)
{
    must_open("scheme = \"generic\"; secrets = \"gk\"; signature = {"
              "header = \"X-Sig\"; parts = ( \"form\" ); };",
              0);
#define SORTED                                                                 \
    "X-Sig: "                                                                  \
    "2872c7617b2934387403ec76f327dd4987705e292d7f0cd5d62873fca7a14836\n"
    expect(FORM SORTED, "b=2&a=1", 202, NULL);
    expect(FORM SORTED, "b=2&a=2", 401, "wrong_signature");
    expect(SORTED, "{\"a\":1}", 401, "missing_signature");
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = { github,
                                   slack,
                                   slack_asks_for_the_url,
                                   standard,
                                   standard_under_its_older_names,
                                   standard_with_a_public_key,
                                   stripe,
                                   both_secrets_of_a_rotation_are_valid,
                                   shopify,
                                   ingestlayer_with_and_without_its_prefix,
                                   ingestlayer_with_a_time_and_an_id,
                                   ingestlayer_with_a_key_of_the_config,
                                   generic_signs_what_it_is_told,
                                   generic_with_the_time_beside_the_signature,
                                   generic_with_nothing_but_a_header,
                                   paddle,
                                   hubspot,
                                   twilio_form,
                                   twilio_body_that_is_no_form,
                                   twilio_signs_a_hash_of_other_bodies,
                                   url_is_asked_for_where_it_is_signed,
                                   url_is_no_url,
                                   url_is_of_no_use,
                                   pagerduty,
                                   linear,
                                   zendesk,
                                   svix,
                                   cloudevents_of_a_known_sender,
                                   cloudevents_are_not_signed,
                                   generic_with_items_in_any_separator,
                                   generic_with_the_time_in_the_body,
                                   generic_with_a_form,
                                   times_in_every_shape };
    return run_cases("webhook schemes", cases, sizeof cases / sizeof *cases);
}
