/* SPDX-License-Identifier: MIT */
/* What the config says about signatures, and the scheme that it spells out. */
#include "hook.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Outside the body? */
static int
sends_time(const struct scheme *s)
{
    return s->timestamp_header || s->form.timestamp_prefix;
}

int
scheme_has_time(const struct scheme *s)
{
    return sends_time(s) || s->timestamp_body
           || (s->other.scheme && sends_time(s->other.scheme));
}

/* --- generic ------------------------------------------------------------- */

static int
read_part(const struct il_conf *conf, size_t i, struct part *out)
{
    static const struct {
        const char *name;
        enum part_kind kind;
    } plain[] = { { "body", PART_BODY },     { "timestamp", PART_TIMESTAMP },
                  { "method", PART_METHOD }, { "path", PART_PATH },
                  { "url", PART_URL },       { "form", PART_FORM } };
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
    if (!strncmp(text, "item:", 5) && text[5]) {
        *out = (struct part){ PART_ITEM, text + 5 };
        return 0;
    }
    return il_conf_error(conf, "parts", -1,
                         "\"%s\" is no part of a request; a part is body, "
                         "form, timestamp, method, path, url, header:NAME, "
                         "item:PREFIX or text:WORD",
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
    if (!has_part(s, PART_BODY) && !has_part(s, PART_FORM))
        return il_conf_error(conf, "parts", -1,
                             "the body must be signed, else anybody could "
                             "change it; add \"body\"");
    if (has_part(s, PART_TIMESTAMP) && !sends_time(s))
        return il_conf_error(conf, "parts", -1,
                             "\"timestamp\" is signed, but nothing says where "
                             "it is sent; add timestamp_header or "
                             "timestamp_prefix");
    if (sends_time(s) && !has_part(s, PART_TIMESTAMP))
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
    static const char *const names[] = { [DIGEST_SHA1] = "sha1",
                                         [DIGEST_SHA256] = "sha256",
                                         [DIGEST_SHA384] = "sha384",
                                         [DIGEST_SHA512] = "sha512" };
    const char *hash = il_conf_str(conf, "hash");
    s->header = il_conf_str(conf, "header");
    s->form.split = il_conf_str(conf, "split");
    s->form.prefix = text_or(conf, "prefix", "");
    s->form.timestamp_prefix = il_conf_str(conf, "timestamp_prefix");
    s->timestamp_header = il_conf_str(conf, "timestamp_header");
    s->timestamp_body = il_conf_str(conf, "timestamp_body");
    s->separator = text_or(conf, "separator", "");
    s->form.encoding = strcmp(il_conf_str(conf, "encoding"), "base64")
                           ? SIGNATURE_HEX
                           : SIGNATURE_BASE64;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!strcmp(hash, names[i]))
            s->digest = (enum digest) i;
    if (!!s->timestamp_header + !!s->form.timestamp_prefix + !!s->timestamp_body
        > 1)
        return il_conf_error(
            conf, s->timestamp_body ? "timestamp_body" : "timestamp_prefix", -1,
            "the time cannot be in two places; leave this or "
            "the other one out");
    if (strpbrk(s->form.prefix, s->form.split))
        return il_conf_error(conf, "prefix", -1,
                             "the characters of split, \"%s\", part "
                             "signatures, so they cannot be in a prefix",
                             s->form.split);
    if (s->form.timestamp_prefix
        && (!*s->form.timestamp_prefix
            || strpbrk(s->form.timestamp_prefix, s->form.split)))
        return il_conf_error(conf, "timestamp_prefix", -1,
                             "is empty, or has one of the characters of "
                             "split, \"%s\", which part items",
                             s->form.split);
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

/* --- the URL -------------------------------------------------------------- */

/* HubSpot signs these as they are, where the URL has them escaped. */
static void
decode_url(char *url)
{
    char *out = url;
    unsigned char byte;
    for (const char *p = url; *p; p++) {
        if (*p == '%' && p[1] && p[2] && signature_unhex(p + 1, 2, &byte, 1) > 0
            && byte && strchr(":/?@!$'()*,;", byte)) {
            *out++ = (char) byte;
            p += 2;
        } else {
            *out++ = *p;
        }
    }
    *out = 0;
}

static int
read_url(struct hook *h, const struct il_conf *conf, size_t i)
{
    const char *text = il_conf_str_at(conf, "url", i);
    const char *rest = !strncmp(text, "https://", 8)  ? text + 8
                       : !strncmp(text, "http://", 7) ? text + 7
                                                      : "";
    for (const char *p = text; *p; p++)
        if ((unsigned char) *p <= ' ' || *p == 0x7f || *p == '#')
            rest = "";
    if (!*rest || *rest == '/')
        return il_conf_error(conf, "url", -1,
                             "\"%s\" is no URL; write it as the sender has "
                             "it, \"https://HOST/whk/TOKEN\"",
                             text);
    if (!(h->urls[i] = strdup(text)))
        return -ENOMEM;
    h->url_count++;
    if (h->scheme.url_decoded)
        decode_url(h->urls[i]);
    return 0;
}

static int
read_urls(struct hook *h, const struct il_conf *conf)
{
    size_t n = il_conf_count(conf, "url");
    const int wanted = h->auth == AUTH_SIGNED && has_part(&h->scheme, PART_URL);
    if (!wanted)
        return n ? il_conf_error(conf, "url", -1,
                                 "is of no use: nothing here signs the URL")
                 : 0;
    if (!n)
        return il_conf_error(conf, NULL, -1,
                             "url: is required, because the URL is signed; "
                             "write it as the sender has it, url = "
                             "\"https://HOST/whk/TOKEN\"");
    if (!(h->urls = calloc(n, sizeof(*h->urls))))
        return -ENOMEM;
    int err = 0;
    for (size_t i = 0; i < n && !err; i++)
        err = read_url(h, conf, i);
    return err;
}

/* --- all of it ----------------------------------------------------------- */

static int
read_tolerance(struct hook *h, const struct il_conf *conf)
{
    int64_t s = h->scheme.tolerance_s ? h->scheme.tolerance_s : TOLERANCE_S;
    h->tolerance_us = s * 1000000;
    if (!il_conf_has(conf, "tolerance"))
        return 0;
    if (h->auth != AUTH_SIGNED || !scheme_has_time(&h->scheme))
        return il_conf_error(conf, "tolerance", -1,
                             "is of no use: nothing here signs a time");
    h->tolerance_us = il_conf_int(conf, "tolerance") * 1000;
    return 0;
}

/* Where in the body the time is. */
static int
read_time(struct hook *h, const struct il_conf *group)
{
    struct pick_error error;
    if (!h->scheme.timestamp_body)
        return 0;
    int err = pick_compile(h->scheme.timestamp_body, &h->time, &error);
    if (err == -EINVAL)
        return il_conf_error(group, "timestamp_body", error.offset, "%s",
                             error.message);
    if (!err && !pick_is_body(h->time))
        return il_conf_error(group, "timestamp_body", -1,
                             "only what is in the body is signed; write "
                             "\"$body.FIELD\"");
    return err;
}

/* What a row of the table, or the config, left out. */
static void
complete(struct scheme *s)
{
    size_t n = 0;
    if (!s->parts[0].kind)
        s->parts[0].kind = PART_BODY;
    while (n < PARTS_MAX && s->parts[n].kind)
        n++;
    s->part_count = n;
    s->form.split = s->form.split ? s->form.split : SIGNATURE_SPLIT;
    s->form.prefix = s->form.prefix ? s->form.prefix : "";
    s->form.size = verify_size(s->digest);
    s->separator = s->separator ? s->separator : "";
}

static int
read_scheme(struct hook *h, const struct il_conf *conf)
{
    const char *name = il_conf_str(conf, "scheme");
    const struct il_conf *group = il_conf_group(conf, "signature", 0);
    const int generic = !strcmp(name, "generic") && h->auth == AUTH_SIGNED;
    if (group && !generic)
        return il_conf_error(conf, "signature", -1,
                             "is of use only with auth = \"signed\" and "
                             "scheme = \"generic\"");
    if (!group && generic)
        return il_conf_error(conf, NULL, -1,
                             "signature: is required with scheme = "
                             "\"generic\"; write signature = { header = "
                             "\"X-Signature\"; }");
    int err = generic ? read_generic(&h->scheme, group) : 0;
    if (!err && h->auth == AUTH_SIGNED && !h->scheme.header)
        err = il_conf_error(conf, "scheme", -1,
                            "\"%s\" has no signatures; write auth = "
                            "\"bearer\" and secrets, or auth = \"none\"",
                            name);
    complete(&h->scheme);
    return err ? err : read_time(h, group);
}

int
scheme_open(struct hook *h, const struct il_conf *conf)
{
    h->scheme = *scheme_named(il_conf_str(conf, "scheme"));
    int err = read_scheme(h, conf);
    if (!err)
        err = read_urls(h, conf);
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
    for (size_t i = 0; i < h->url_count; i++)
        free(h->urls[i]);
    free(h->urls);
    pick_free(h->time);
}
