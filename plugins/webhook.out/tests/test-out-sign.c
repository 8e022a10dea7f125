/* SPDX-License-Identifier: MIT */
/* Signatures against the vectors of their owners, and ids. */
#include "../id.h"
#include "../sign.h"
#include "outtest.h"

#include <errno.h>

static const char *
add(struct signer *s, const char *secret)
{
    const char *why = NULL;
    int err = signer_add(s, secret, &why);
    ck_assert_msg(err == 0 || err == -EINVAL, "%s: %d", secret, err);
    return err ? why : NULL;
}

static const char *
signed_by(struct signer *s, const char *id, int64_t at, const char *body)
{
    static struct sign_header headers[SIGN_HEADERS];
    size_t count;
    ck_assert_int_eq(
        signer_sign(s, id, at, body, strlen(body), headers, &count), 0);
    ck_assert_uint_eq(count, s->kind == SIGN_INGESTLAYER ? 2 : 3);
    return headers[count - 1].value;
}

START_TEST(standard_is_as_its_specification_says)
{
    /* the vector of svix's libraries */
    struct signer s = { .kind = SIGN_STANDARD };
    ck_assert_ptr_null(add(&s, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    ck_assert_str_eq(signed_by(&s, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                               "{\"test\": 2432232314}"),
                     "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    /* a second secret adds a second signature; without the prefix, the same */
    ck_assert_ptr_null(add(&s, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    ck_assert_str_eq(signed_by(&s, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                               "{\"test\": 2432232314}"),
                     "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= "
                     "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    signer_free(&s);
}
END_TEST

/* RFC 8032, 7.1, the first key: 32 bytes, or 64. */
#define SEED "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
#define PUBLIC "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define PAIR                                                                   \
    "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qm" \
    "IyWvAhpo9wdRGg=="

START_TEST(ed25519_is_that_of_the_rfc)
{
    char public[SIGN_PUBLIC_MAX];
    struct signer one = { .kind = SIGN_ED25519 }, two = one;
    ck_assert_ptr_null(add(&one, "whsk_" SEED));
    ck_assert_ptr_null(add(&two, "whsk_" PAIR));
    signer_public(&one, 0, public);
    ck_assert_str_eq(public, "whpk_" PUBLIC);
    char first[200];
    snprintf(first, sizeof first, "%s",
             signed_by(&one, "msg_1", 1700000000, "{}"));
    ck_assert_str_eq(first, signed_by(&two, "msg_1", 1700000000, "{}"));
    ck_assert_int_eq(strncmp(first, "v1a,", 4), 0);
    ck_assert_uint_eq(strlen(first), 4 + 88);
    signer_free(&one);
    signer_free(&two);
}
END_TEST

START_TEST(ingestlayer_is_what_its_own_sources_take)
{
    /* the vector of webhook.in's test of its schemes */
    static const char keyed[] =
        "17e9f424cc38c29a3870dead687e815b40ca743108032ca7c3ec1352c9521a1c";
    char expected[200];
    struct signer s = { .kind = SIGN_INGESTLAYER };
    ck_assert_ptr_null(add(&s, "s3cret"));
    snprintf(expected, sizeof expected, "t=1700000000,sha256=%s", keyed);
    const char *body = "{\"type\":\"a.b\",\"n\":1}";
    ck_assert_str_eq(signed_by(&s, "k1", 1700000000, body), expected);
    ck_assert_ptr_null(add(&s, "s3cret"));
    snprintf(expected, sizeof expected, "t=1700000000,sha256=%s,sha256=%s",
             keyed, keyed);
    ck_assert_str_eq(signed_by(&s, "k1", 1700000000, body), expected);
    signer_free(&s);
}
END_TEST

START_TEST(a_wrong_secret_is_told_and_never_shown)
{
    static const struct {
        enum sign_kind kind;
        const char *secret, *fault;
    } cases[] = {
        { SIGN_STANDARD, "", "not \"whsec_\"" },
        { SIGN_STANDARD, "whsec_", "not \"whsec_\"" },
        { SIGN_STANDARD, "whsec_c2hvcnQ=", "not \"whsec_\"" },
        { SIGN_STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
          "not \"whsec_\"" }, /* bits are left over */
        { SIGN_STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZI-2LaLaSw",
          "not \"whsec_\"" },
        { SIGN_STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8I LPZIo2LaLaSw",
          "not \"whsec_\"" },
        { SIGN_STANDARD, "whsec_====", "not \"whsec_\"" },
        { SIGN_STANDARD, "whsk_" SEED, "signing = \"ed25519\"" },
        { SIGN_STANDARD, "whpk_" PUBLIC, "signing = \"ed25519\"" },
        { SIGN_ED25519, "whpk_" PUBLIC, "a public key" },
        { SIGN_ED25519, SEED, "not \"whsk_\"" },
        { SIGN_ED25519, "whsec_" SEED, "not \"whsk_\"" },
        { SIGN_ED25519, "whsk_c2hvcnQ=", "not \"whsk_\"" },
        { SIGN_ED25519, "whsk_" PAIR "AA", "not \"whsk_\"" },
        { SIGN_ED25519,
          "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZA"
          "c6DuFy89qmIyWvAhpo9wdRGw==",
          "no key pair" },
        { SIGN_INGESTLAYER, "", "empty" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct signer s = { .kind = cases[i].kind };
        const char *why = add(&s, cases[i].secret);
        ck_assert_msg(why && strstr(why, cases[i].fault),
                      "%s: expected %s, got %s", cases[i].secret,
                      cases[i].fault, why ? why : "none");
        const char *bare = strchr(cases[i].secret, '_');
        bare = bare ? bare + 1 : cases[i].secret;
        ck_assert(strlen(bare) < 5 || !strstr(why, bare));
        ck_assert_uint_eq(s.count, 0);
        signer_free(&s);
    }
}
END_TEST

START_TEST(eight_secrets_are_the_most)
{
    struct signer s = { .kind = SIGN_INGESTLAYER };
    for (int i = 0; i < SIGN_KEYS_MAX; i++)
        ck_assert_ptr_null(add(&s, "x"));
    ck_assert_ptr_nonnull(add(&s, "x"));
    ck_assert_ptr_nonnull(signed_by(&s, "id", INT64_MAX, ""));
    signer_free(&s);
    s.kind = SIGN_ED25519;
    for (int i = 0; i < SIGN_KEYS_MAX; i++)
        ck_assert_ptr_null(add(&s, "whsk_" SEED));
    ck_assert_ptr_nonnull(signed_by(&s, "id", INT64_MIN, ""));
    signer_free(&s);
}
END_TEST

/* --- ids ------------------------------------------------------------------ */

static const char *
id(const char *source, const char *space, const char *text, int64_t us,
   int made)
{
    static char out[8][ID_MAX];
    static size_t turn;
    char *p = out[turn++ % 8];
    struct id_of of = { source,        space,        text, strlen(source),
                        strlen(space), strlen(text), us,   made };
    ck_assert_int_eq(id_make(&of, p), 0);
    ck_assert_uint_eq(strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-"),
                      strlen(p));
    return p;
}

START_TEST(the_gates_own_id_stays_as_it_is)
{
    ck_assert_str_eq(
        id("app", "", "0198c2d4-7e5a-7b3c-9f10-2a4b6c8d0e1f", 1, 1),
        "0198c2d4-7e5a-7b3c-9f10-2a4b6c8d0e1f");
}
END_TEST

START_TEST(a_senders_id_is_hashed_with_what_it_belongs_to)
{
    const char *a = id("app", "", "order 1", 1700000000000000, 0);
    ck_assert_str_eq(a, "il_wwytrmms74akp27cs6otkas4vy"); /* for ever */
    ck_assert_str_eq(a, id("app", "", "order 1", 1700000000000000, 0));
    ck_assert_str_ne(a, id("app", "", "order 1", 1700000000000001, 0));
    ck_assert_str_ne(a, id("app", "p", "order 1", 1700000000000000, 0));
    ck_assert_str_ne(a, id("ap", "p", "order 1", 1700000000000000, 0));
    ck_assert_str_ne(a, id("app2", "", "order 1", 1700000000000000, 0));
    /* also where it looks harmless */
    ck_assert_int_eq(strncmp(id("app", "", "msg_1", 1, 0), "il_", 3), 0);
}
END_TEST

START_TEST(no_id_of_the_gate_breaks_a_header)
{
    char much[200];
    memset(much, 'a', sizeof much);
    much[sizeof much - 1] = 0;
    ck_assert_int_eq(strncmp(id("a", "", "x\r\nEvil: 1", 1, 1), "il_", 3), 0);
    ck_assert_int_eq(strncmp(id("a", "", "x.y", 1, 1), "il_", 3), 0);
    ck_assert_int_eq(strncmp(id("a", "", "", 1, 1), "il_", 3), 0);
    ck_assert_int_eq(strncmp(id("a", "", much, 1, 1), "il_", 3), 0);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        standard_is_as_its_specification_says,
        ed25519_is_that_of_the_rfc,
        ingestlayer_is_what_its_own_sources_take,
        a_wrong_secret_is_told_and_never_shown,
        eight_secrets_are_the_most,
        the_gates_own_id_stays_as_it_is,
        a_senders_id_is_hashed_with_what_it_belongs_to,
        no_id_of_the_gate_breaks_a_header,
    };
    return run_cases("sign", cases, COUNT(cases));
}
