/* SPDX-License-Identifier: MIT */
/* The schemes that are known by name, and the one that the config spells
 * out. */
#include "hook.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN ", "

/* Sent again within the tolerance it has the same id, or the same content. */
static const struct scheme ingestlayer_timed = {
    .name = "ingestlayer",
    .header = "X-Ingest-Signature",
    .form = { .split = PLAIN,
              .prefix = "sha256=",
              .timestamp_prefix = "t=",
              .size = 32 },
    .digest = DIGEST_SHA256,
    .parts = { { PART_TIMESTAMP, NULL },
               { PART_OPTIONAL, "Idempotency-Key" },
               { PART_BODY, NULL } },
    .part_count = 3,
    .separator = ".",
};

static const struct scheme schemes[] = {
    { .name = "ingestlayer",
      .header = "X-Ingest-Signature",
      .form = { .split = PLAIN, .prefix = "sha256=", .prefix_optional = 1 },
      .digest = DIGEST_SHA256,
      .parts = { { PART_BODY, NULL } },
      .part_count = 1,
      .keys = { "$header.Idempotency-Key" },
      .timed = &ingestlayer_timed,
      .content_key = 1 },
    { .name = "github",
      .header = "X-Hub-Signature-256",
      .form = { .split = PLAIN, .prefix = "sha256=" },
      .digest = DIGEST_SHA256,
      .parts = { { PART_BODY, NULL } },
      .part_count = 1,
      .types = { "$header.X-GitHub-Event" },
      .keys = { "$header.X-GitHub-Delivery" } },
    { .name = "stripe",
      .header = "Stripe-Signature",
      .form = { .split = PLAIN, .prefix = "v1=", .timestamp_prefix = "t=" },
      .digest = DIGEST_SHA256,
      .parts = { { PART_TIMESTAMP, NULL }, { PART_BODY, NULL } },
      .part_count = 2,
      .separator = ".",
      .keys = { "$body.id" } },
    { .name = "slack",
      .header = "X-Slack-Signature",
      .form = { .split = PLAIN, .prefix = "v0=" },
      .digest = DIGEST_SHA256,
      .parts = { { PART_TEXT, "v0" },
                 { PART_TIMESTAMP, NULL },
                 { PART_BODY, NULL } },
      .part_count = 3,
      .separator = ":",
      .timestamp_header = "X-Slack-Request-Timestamp",
      .keys = { "$body.event_id", "$body.trigger_id" },
      .slack = 1 },
    /* An item is "v1,<base64>", so the comma parts nothing. */
    { .name = "standard",
      .header = "webhook-signature",
      .form = { .split = " ",
                .prefix = "v1,",
                .public_prefix = "v1a,",
                .encoding = SIGNATURE_BASE64 },
      .digest = DIGEST_SHA256,
      .parts = { { PART_HEADER, "webhook-id" },
                 { PART_TIMESTAMP, NULL },
                 { PART_BODY, NULL } },
      .part_count = 3,
      .separator = ".",
      .timestamp_header = "webhook-timestamp",
      .keys = { "$header.webhook-id", "$header.svix-id" },
      .base64_secrets = 1,
      .alias = 1 },
    /* One event may lead to webhooks of several topics under one id. */
    { .name = "shopify",
      .header = "X-Shopify-Hmac-Sha256",
      .form = { .split = PLAIN, .encoding = SIGNATURE_BASE64 },
      .digest = DIGEST_SHA256,
      .parts = { { PART_BODY, NULL } },
      .part_count = 1,
      .types = { "$header.X-Shopify-Topic" },
      .keys = { "{{ $header.X-Shopify-Topic }}:{{ $header.X-Shopify-Event-Id "
                "}}",
                "$header.X-Shopify-Webhook-Id" } },
    { .name = "generic",
      .form = { .split = PLAIN },
      .keys = { "$header.Idempotency-Key" } },
};

int
scheme_has_time(const struct scheme *s)
{
    return s->timestamp_header || s->form.timestamp_prefix || s->timed;
}

/* --- generic ------------------------------------------------------------- */

static int
read_part(const struct il_conf *conf, size_t i, struct part *out)
{
    static const struct {
        const char *name;
        enum part_kind kind;
    } plain[] = { { "body", PART_BODY },
                  { "timestamp", PART_TIMESTAMP },
                  { "method", PART_METHOD },
                  { "path", PART_PATH } };
    const char *text = il_conf_str_at(conf, "parts", i);
    for (size_t k = 0; k < sizeof(plain) / sizeof(plain[0]); k++) {
        if (strcmp(text, plain[k].name))
            continue;
        out->kind = plain[k].kind;
        return 0;
    }
    if (!strncmp(text, "text:", 5)) {
        *out = (struct part){ PART_TEXT, text + 5 };
        return 0;
    }
    if (!strncmp(text, "header:", 7) && text[7]) {
        *out = (struct part){ PART_HEADER, text + 7 };
        return 0;
    }
    return il_conf_error(conf, "parts", -1,
                         "\"%s\" is no part of a request; a part is body, "
                         "timestamp, method, path, header:NAME or text:WORD",
                         text);
}

static int
has_part(const struct scheme *s, enum part_kind kind)
{
    for (size_t i = 0; i < s->part_count; i++)
        if (s->parts[i].kind == kind)
            return 1;
    return 0;
}

static int
read_parts(struct scheme *s, const struct il_conf *conf)
{
    size_t n = il_conf_count(conf, "parts");
    if (n > PARTS_MAX)
        return il_conf_error(conf, "parts", -1, "more than %d parts",
                             PARTS_MAX);
    for (size_t i = 0; i < n; i++) {
        int err = read_part(conf, i, &s->parts[i]);
        if (err)
            return err;
    }
    s->part_count = n;
    if (!has_part(s, PART_BODY))
        return il_conf_error(conf, "parts", -1,
                             "the body must be signed, else anybody could "
                             "change it; add \"body\"");
    if (has_part(s, PART_TIMESTAMP) && !scheme_has_time(s))
        return il_conf_error(conf, "parts", -1,
                             "\"timestamp\" is signed, but nothing says where "
                             "it is sent; add timestamp_header or "
                             "timestamp_prefix");
    if (scheme_has_time(s) && !has_part(s, PART_TIMESTAMP))
        return il_conf_error(conf, "parts", -1,
                             "the time is not signed, so anybody could change "
                             "it; add \"timestamp\" in its place");
    return 0;
}

static const char *
text_or(const struct il_conf *conf, const char *key, const char *other)
{
    const char *text = il_conf_str(conf, key);
    return text ? text : other;
}

static int
read_generic(struct scheme *s, const struct il_conf *conf)
{
    static const char *const names[] = { "sha1", "sha256", "sha384", "sha512" };
    const char *hash = il_conf_str(conf, "hash");
    s->header = il_conf_str(conf, "header");
    s->form.prefix = text_or(conf, "prefix", "");
    s->form.timestamp_prefix = il_conf_str(conf, "timestamp_prefix");
    s->timestamp_header = il_conf_str(conf, "timestamp_header");
    s->separator = text_or(conf, "separator", "");
    s->form.encoding = strcmp(il_conf_str(conf, "encoding"), "base64")
                           ? SIGNATURE_HEX
                           : SIGNATURE_BASE64;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!strcmp(hash, names[i]))
            s->digest = (enum digest) i;
    if (s->timestamp_header && s->form.timestamp_prefix)
        return il_conf_error(conf, "timestamp_prefix", -1,
                             "the time cannot be in two places; leave this or "
                             "timestamp_header out");
    if (strpbrk(s->form.prefix, s->form.split))
        return il_conf_error(conf, "prefix", -1,
                             "blanks and commas part signatures, so they "
                             "cannot be in a prefix");
    return read_parts(s, conf);
}

/* --- secrets ------------------------------------------------------------- */

/* whsec_<base64> or bare base64: a secret; whpk_<base64>: a public key. */
static int
decode_secret(const struct il_conf *conf, struct secret *s)
{
    const char *text = (const char *) s->bytes;
    size_t len = s->len, skip = 0;
    if (!strncmp(text, "whsk_", 5))
        return il_conf_error(conf, "secret", -1,
                             "is a private key, which only the sender may "
                             "have; give the public one, whpk_...");
    s->is_public = !strncmp(text, "whpk_", 5);
    if (s->is_public)
        skip = 5;
    else if (!strncmp(text, "whsec_", 6))
        skip = 6;
    if (!(s->made = malloc(len)))
        return -ENOMEM;
    long n = signature_unbase64(text + skip, len - skip, s->made, len);
    if (n <= 0 || (s->is_public && n != 32))
        return il_conf_error(conf, "secret", -1,
                             "is not whsec_ and a secret in base64, nor "
                             "whpk_ and the 32 bytes of a public key");
    s->bytes = s->made;
    s->len = (size_t) n;
    return 0;
}

static int
read_secret(struct hook *h, const struct il_conf *conf)
{
    struct secret *s = &h->secrets[h->secret_count++];
    const char *text = il_conf_str(conf, "secret");
    int err = 0;
    s->bytes = (const unsigned char *) text;
    s->len = strlen(text);
    if (h->auth == AUTH_SIGNED && h->scheme.base64_secrets)
        err = decode_secret(conf, s);
    int bad = il_sender_from(h->host, conf, "secret", &s->sender);
    return err ? err : bad;
}

static int
read_secrets(struct hook *h, const struct il_conf *conf)
{
    size_t n = il_conf_count(conf, "secrets");
    if (n && h->auth == AUTH_NONE)
        return il_conf_error(conf, "secrets", -1,
                             "are of no use with auth = \"none\"; leave one "
                             "of the two out");
    if (!n && h->auth != AUTH_NONE)
        return il_conf_error(conf, NULL, -1,
                             "secrets: is required with auth = \"%s\"; write "
                             "secrets = ( \"env:NAME\" )",
                             il_conf_str(conf, "auth"));
    if (!n)
        return 0;
    if (!(h->secrets = calloc(n, sizeof(*h->secrets))))
        return -ENOMEM;
    int err = 0;
    for (size_t i = 0; i < n; i++) {
        int bad = read_secret(h, il_conf_group(conf, "secrets", i));
        err = err ? err : bad;
    }
    return err;
}

/* --- all of it ----------------------------------------------------------- */

static int
read_tolerance(struct hook *h, const struct il_conf *conf)
{
    int64_t ms = 5 * 60 * 1000;
    if (il_conf_has(conf, "tolerance")) {
        if (h->auth != AUTH_SIGNED || !scheme_has_time(&h->scheme))
            return il_conf_error(conf, "tolerance", -1,
                                 "is of no use: nothing here signs a time");
        ms = il_conf_int(conf, "tolerance");
    }
    h->tolerance_us = ms * 1000;
    return 0;
}

int
scheme_open(struct hook *h, const struct il_conf *conf)
{
    const char *name = il_conf_str(conf, "scheme");
    const struct il_conf *group = il_conf_group(conf, "signature", 0);
    struct scheme *s = &h->scheme;
    int err = 0;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (!strcmp(name, schemes[i].name))
            *s = schemes[i];
    int generic = !strcmp(name, "generic") && h->auth == AUTH_SIGNED;
    if (group && !generic)
        err = il_conf_error(conf, "signature", -1,
                            "is of use only with auth = \"signed\" and scheme "
                            "= \"generic\"");
    else if (!group && generic)
        err = il_conf_error(conf, NULL, -1,
                            "signature: is required with scheme = "
                            "\"generic\"; write signature = { header = "
                            "\"X-Signature\"; }");
    else if (generic)
        err = read_generic(s, group);
    s->form.prefix = s->form.prefix ? s->form.prefix : "";
    s->separator = s->separator ? s->separator : "";
    s->form.size = verify_size(s->digest);
    if (!err)
        err = read_tolerance(h, conf);
    int bad = read_secrets(h, conf);
    return err ? err : bad;
}

void
scheme_close(struct hook *h)
{
    for (size_t i = 0; i < h->secret_count; i++)
        free(h->secrets[i].made);
    free(h->secrets);
}
