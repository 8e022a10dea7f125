/* SPDX-License-Identifier: MIT */
#include "options_private.h"

#include "base64.h"
#include "kind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PAIRS_MAX 64
#define HOST_MAX 253
#define HIDDEN_MIN 8 /* shorter headers are words, and no keys */

static const struct il_option pair_options[] = {
    { .name = "name",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .min = 1,
      .max = 128,
      .help = "Name of the header or field." },
    { .name = "value",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Reference or template that fills it." },
    { 0 }
};

/* A URL, a proxy or a header is not secret by itself, which would draw a warning
 * about every config that others may read; one with a token in it is written as
 * env:NAME or credential:NAME, and is then not printed either. */
const struct il_option out_option_table[] = {
    { .name = "url",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Where events are sent to, http or https; may be a template." },
    { .name = "hosts",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .min = 1,
      .max = HOST_MAX,
      .help = "Hosts that a url may lead to whose host is a template; * stands "
              "for any text." },
    { .name = "method",
      .type = IL_OPT_STRING,
      .def = "POST",
      .choices = "POST|PUT|PATCH",
      .help = "Method of the request." },
    { .name = "headers",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST,
      .children = pair_options,
      .help = "Headers that are sent besides." },
    { .name = "content_type",
      .type = IL_OPT_STRING,
      .def = "application/json",
      .help = "Content-Type of the body." },
    { .name = "body",
      .type = IL_OPT_STRING,
      .help = "Reference or template that is sent; without it and fields, the "
              "event without source_id." },
    { .name = "fields",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST,
      .children = pair_options,
      .help = "Fields of the JSON object that is sent." },
    { .name = "signing",
      .type = IL_OPT_STRING,
      .choices = "standard|ed25519|ingestlayer|none",
      .help = "How requests are signed; without it, standard where there are "
              "secrets." },
    { .name = "secrets",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST | IL_OPT_SECRET,
      .help = "Secrets or private keys, each of which makes a signature." },
    { .name = "bearer",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_SECRET,
      .help = "Token of Authorization: Bearer." },
    { .name = "basic",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_SECRET,
      .help = "NAME:PASSWORD of Authorization: Basic." },
    { .name = "reject",
      .type = IL_OPT_INT,
      .flags = IL_OPT_LIST,
      .min = 300,
      .max = 599,
      .help = "Statuses after which an event is not tried again." },
    { .name = "concurrency",
      .type = IL_OPT_INT,
      .min = 1,
      .max = 1024,
      .def = "16",
      .help = "Most requests at once." },
    { .name = "rate",
      .type = IL_OPT_STRING,
      .help = "Most requests to a target over time, as in \"10/s\"; without "
              "it, any number." },
    { .name = "target",
      .type = IL_OPT_STRING,
      .help = "What failures are kept apart by; without it, scheme, host and "
              "port of url." },
    { .name = "private",
      .type = IL_OPT_STRING,
      .choices = "allow|refuse",
      .help = "Whether addresses that are not globally reachable may be "
              "connected to; without it, unless the event decides the host." },
    { .name = "allow_to",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .help = "Networks that may be connected to all the same." },
    { .name = "cert",
      .type = IL_OPT_STRING,
      .help = "PEM file of the certificate that is shown to the receiver." },
    { .name = "key",
      .type = IL_OPT_STRING,
      .help = "PEM file of its key; without it, the same file." },
#include "common.inc"
    { 0 }
};

/* --- texts ---------------------------------------------------------------- */

size_t
out_constant_part(const char *text)
{
    const char *braces = strstr(text, "{{");
    if (*text == '$')
        return 0;
    return braces ? (size_t) (braces - text) : strlen(text);
}

int
out_is_template(const char *text)
{
    return out_constant_part(text) < strlen(text);
}

int
out_read_text(const struct out_reader *r, const struct il_conf *conf,
              const char *key, struct out_text *out)
{
    const char *text = il_conf_str(conf, key);
    if (!text)
        return 0;
    out->is_template = out_is_template(text);
    return il_template_from(r->host, conf, key, &out->of);
}

static int
is_token(const char *text)
{
    return *text
           && strspn(text, "!#$%&'*+-.^_`|~0123456789"
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                           "abcdefghijklmnopqrstuvwxyz")
                  == strlen(text);
}

static int
has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char) *text < ' ' || *text == 0x7f)
            return 1;
    return 0;
}

const char **
out_read_list(const struct il_conf *conf, const char *key, size_t *count)
{
    size_t n = il_conf_count(conf, key);
    const char **list = calloc(n ? n : 1, sizeof(*list));
    for (size_t i = 0; list && i < n; i++)
        list[i] = il_conf_str_at(conf, key, i);
    *count = list ? n : 0;
    return list;
}

/* --- how ------------------------------------------------------------------ */

static int
read_proxy(struct out_reader *r)
{
    static const char *const schemes[] = { "http://", "https://", "socks5://",
                                           "socks5h://" };
    const char *text = r->o->proxy = il_conf_str(r->conf, "proxy");
    if (!text)
        return 0;
    if (r->o->host_varies)
        return il_conf_error(r->conf, "proxy", -1,
                             "cannot be used where the event decides the host "
                             "of url: nobody would check the addresses");
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (!strncmp(text, schemes[i], strlen(schemes[i]))
            && text[strlen(schemes[i])] && !has_control(text)
            && !strchr(text, ' '))
            return 0;
    return il_conf_error(r->conf, "proxy", -1,
                         "is no proxy; write it as in "
                         "\"http://proxy.example.com:3128\"");
}

/* Is there no TLS to the receiver, and none to the proxy? */
static int
is_plain(const struct out_options *o)
{
    const int plain =
        o->literal_url
        && (!strncasecmp(o->literal_url, "http:", 5)
            || (o->plain && !strncasecmp(o->literal_url, "smtp:", 5)));
    return plain && (!o->proxy || strncmp(o->proxy, "https:", 6));
}

static int
read_trust(struct out_reader *r)
{
    struct out_options *o = r->o;
    o->ca_file = il_conf_str(r->conf, "ca_file");
    o->verify = (int) il_conf_int(r->conf, "verify");
    if (o->ca_file && !o->verify)
        return il_conf_error(r->conf, "ca_file", -1,
                             "is of no use with verify = false");
    if (o->ca_file && is_plain(o))
        return il_conf_error(r->conf, "ca_file", -1, "is of no use: %s",
                             o->plain ? "starttls is none"
                                      : "url begins with http://");
    return 0;
}

static int
read_certificate(struct out_reader *r)
{
    static const char *const keys[] = { "cert", "key" };
    struct out_options *o = r->o;
    o->cert = il_conf_str(r->conf, "cert");
    o->key = il_conf_str(r->conf, "key");
    if (o->key && !o->cert)
        return il_conf_error(r->conf, "key", -1,
                             "is of no use without cert, the certificate that "
                             "it belongs to");
    if (!is_plain(o))
        return 0;
    for (size_t i = 0; i < 2; i++)
        if (out_has(r, keys[i]))
            return il_conf_error(r->conf, keys[i], -1,
                                 "is of no use: url begins with http://");
    return 0;
}

static int
read_rate(struct out_reader *r)
{
    const char *text = il_conf_str(r->conf, "rate"), *why;
    int err = text ? pace_parse(text, &r->o->rate, &why) : 0;
    return err ? il_conf_error(r->conf, "rate", -1, "expected %s, got \"%s\"",
                               why, text)
               : 0;
}

static int
read_schedule(struct out_reader *r)
{
    static const int64_t usual[] = { 30000, 120000, 600000, 3600000 };
    struct schedule *s = &r->o->schedule;
    s->count = il_conf_count(r->conf, "schedule");
    s->jitter = (uint32_t) il_conf_int(r->conf, "jitter");
    if (s->count > SCHEDULE_MAX) {
        s->count = 0;
        return il_conf_error(r->conf, "schedule", -1, "has more than %d delays",
                             SCHEDULE_MAX);
    }
    for (size_t i = 0; i < s->count; i++)
        s->delays_ms[i] = il_conf_int_at(r->conf, "schedule", i);
    if (out_has(r, "schedule"))
        return 0;
    memcpy(s->delays_ms, usual, sizeof(usual));
    s->count = sizeof(usual) / sizeof(usual[0]);
    return 0;
}

static int
read_reject(struct out_reader *r)
{
    struct out_options *o = r->o;
    o->reject_count = il_conf_count(r->conf, "reject");
    o->reject = calloc(o->reject_count + 1, sizeof(*o->reject));
    if (!o->reject)
        return -ENOMEM;
    for (size_t i = 0; i < o->reject_count; i++)
        o->reject[i] = il_conf_int_at(r->conf, "reject", i);
    return 0;
}

static int
read_order(struct out_reader *r)
{
    const int by_key = !strcmp(il_conf_str(r->conf, "order"), "key");
    if (by_key && !out_has(r, "order_key"))
        return il_conf_error(r->conf, NULL, -1,
                             "order_key: is required with order = \"key\"; "
                             "write order_key = \"$event.payload.user_id\"");
    if (!by_key && out_has(r, "order_key"))
        return il_conf_error(r->conf, "order_key", -1,
                             "is of no use without order = \"key\"");
    int err = out_read_text(r, r->conf, "order_key", &r->o->order);
    if (!err && by_key && !r->o->order.is_template)
        err = il_conf_error(r->conf, "order_key", -1,
                            "is the same for every event; write a reference, "
                            "\"$event.payload.user_id\"");
    return err;
}

/* --- who sends ------------------------------------------------------------ */

static int
read_signing(struct out_reader *r)
{
    const char *signing = il_conf_str(r->conf, "signing"), *why;
    size_t n = il_conf_count(r->conf, "secrets");
    const int none = signing ? !strcmp(signing, "none") : !n;
    struct signer *s = &r->o->signer;
    if (none)
        return n ? il_conf_error(r->conf, "secrets", -1,
                                 "are of no use with signing = \"none\"")
                 : 0;
    s->kind = !signing || !strcmp(signing, "standard") ? SIGN_STANDARD
              : !strcmp(signing, "ed25519")            ? SIGN_ED25519
                                                       : SIGN_INGESTLAYER;
    if (!n)
        return il_conf_error(r->conf, NULL, -1,
                             "secrets: is required with signing = \"%s\"; "
                             "write secrets = ( \"credential:NAME\" )",
                             signing);
    int err = 0;
    for (size_t i = 0; i < n; i++) {
        int bad = signer_add(s, il_conf_str_at(r->conf, "secrets", i), &why);
        if (bad == -EINVAL)
            il_conf_error_at(r->conf, "secrets", i, -1, "is %s", why);
        else if (!bad)
            bad = out_options_hide(r->o, il_conf_str_at(r->conf, "secrets", i));
        err = err ? err : bad;
    }
    return err;
}

static int
read_authorization(struct out_reader *r)
{
    const char *bearer = il_conf_str(r->conf, "bearer");
    const char *basic = il_conf_str(r->conf, "basic");
    const char *text = bearer ? bearer : basic;
    const char *key = bearer ? "bearer" : "basic";
    if (!text)
        return 0;
    if (bearer && basic)
        return il_conf_error(r->conf, "basic", -1,
                             "cannot be sent together with bearer");
    if (!*text || has_control(text) || (bearer && strchr(bearer, ' ')))
        return il_conf_error(r->conf, key, -1,
                             "is empty, or has a character that no header may "
                             "have");
    if (basic && !strchr(basic, ':'))
        return il_conf_error(r->conf, key, -1, "is not NAME:PASSWORD");
    size_t size = strlen(text) * 2 + 16;
    char *out = r->o->authorization = calloc(1, size);
    if (!out)
        return -ENOMEM;
    strcpy(out, bearer ? "Bearer " : "Basic ");
    if (bearer)
        strcat(out, bearer);
    else
        base64(basic, strlen(basic), out + strlen(out));
    out_note(r, out_options_hide(r->o, strchr(out, ' ') + 1));
    return out_options_hide(r->o, bearer ? bearer : strchr(basic, ':') + 1);
}

/* --- what is sent --------------------------------------------------------- */

/* Why a header cannot be set, or NULL. */
static const char *
reserved(const struct out_reader *r, const char *name)
{
    static const char *const own[] = { "Host",
                                       "Content-Length",
                                       "Transfer-Encoding",
                                       "Connection",
                                       "Keep-Alive",
                                       "Upgrade",
                                       "TE",
                                       "Trailer",
                                       "Expect",
                                       "Proxy-Authorization",
                                       "Proxy-Connection",
                                       "HTTP2-Settings" };
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (!strcasecmp(name, own[i]))
            return "is set by HTTP itself";
    if (!strncasecmp(name, "webhook-", 8))
        return "is one of those that say which event it is";
    if (!strcasecmp(name, "Content-Type"))
        return "is set by content_type";
    if (!strcasecmp(name, "Authorization") && r->o->authorization)
        return "is set by bearer or basic";
    if (r->o->signer.count && r->o->signer.kind == SIGN_INGESTLAYER
        && (!strcasecmp(name, "X-Ingest-Signature")
            || !strcasecmp(name, "Idempotency-Key")))
        return "is set by signing = \"ingestlayer\"";
    return NULL;
}

static int
read_pair(struct out_reader *r, const char *key, size_t i,
          struct out_pair *pairs)
{
    const struct il_conf *group = il_conf_group(r->conf, key, i);
    const int header = !strcmp(key, "headers");
    struct out_pair *p = &pairs[i];
    p->name = il_conf_str(group, "name");
    const char *why = header ? reserved(r, p->name) : NULL;
    if (why)
        return il_conf_error(group, "name", -1, "%s %s", p->name, why);
    if (header && !is_token(p->name))
        return il_conf_error(group, "name", -1, "\"%s\" is no name of a header",
                             p->name);
    for (size_t k = 0; k < i; k++)
        if (pairs[k].name
            && !(header ? strcasecmp(pairs[k].name, p->name)
                        : strcmp(pairs[k].name, p->name)))
            return il_conf_error(group, "name", -1, "%s is there twice",
                                 p->name);
    int err = out_read_text(r, group, "value", &p->value);
    if (!err && header && has_control(il_conf_str(group, "value")))
        err = il_conf_error(group, "value", -1,
                            "has a line break or another character that no "
                            "header may have");
    /* An answer that sends a key back is not to bring it into a reason. */
    if (!err && header && !p->value.is_template
        && strlen(il_conf_str(group, "value")) >= HIDDEN_MIN)
        err = out_options_hide(r->o, il_conf_str(group, "value"));
    return err;
}

static int
read_pairs(struct out_reader *r, const char *key, struct out_pair **pairs,
           size_t *count)
{
    size_t n = il_conf_count(r->conf, key);
    if (n > PAIRS_MAX)
        return il_conf_error(r->conf, key, -1, "are more than %d", PAIRS_MAX);
    if (!(*pairs = calloc(n ? n : 1, sizeof(**pairs))))
        return -ENOMEM;
    *count = n;
    int err = 0;
    for (size_t i = 0; i < n; i++) {
        int bad = read_pair(r, key, i, *pairs);
        err = err ? err : bad;
    }
    return err;
}

static int
read_body(struct out_reader *r)
{
    struct out_options *o = r->o;
    o->content_type = il_conf_str(r->conf, "content_type");
    if (!*o->content_type || has_control(o->content_type))
        out_note(r, il_conf_error(r->conf, "content_type", -1,
                                  "is empty, or has a character that no header "
                                  "may have"));
    if (out_has(r, "body") && out_has(r, "fields"))
        return il_conf_error(r->conf, "fields", -1,
                             "cannot be used together with body; leave one of "
                             "the two out");
    out_note(r, out_read_text(r, r->conf, "body", &o->body));
    return read_pairs(r, "fields", &o->fields, &o->field_count);
}

/* --- all of it ------------------------------------------------------------ */

static void
read_plain(struct out_reader *r)
{
    struct out_options *o = r->o;
    const char *attempts = il_conf_str(r->conf, "attempts");
    if (out_speech(o) == TRANSPORT_HTTP)
        o->retry_after_max_ms = il_conf_int(r->conf, "retry_after_max");
    o->timeout_ms = (uint32_t) il_conf_int(r->conf, "timeout");
    o->concurrency = (uint32_t) il_conf_int(r->conf, "concurrency");
    o->attempts = !strcmp(attempts, "all")        ? OUT_ATTEMPTS_ALL
                  : !strcmp(attempts, "failures") ? OUT_ATTEMPTS_FAILURES
                                                  : OUT_ATTEMPTS_NONE;
    o->max_parked = (uint64_t) il_conf_int(r->conf, "max_parked");
    o->max_parked_bytes = (uint64_t) il_conf_int(r->conf, "max_parked_size");
}

static void
read_common(struct out_reader *r)
{
    read_plain(r);
    out_note(r, read_proxy(r));
    out_note(r, read_trust(r));
    out_note(r, read_rate(r));
    out_note(r, read_schedule(r));
    out_note(r, read_order(r));
}

int
out_options_begin(struct out_options *o)
{
    o->hidden = calloc(1, sizeof(*o->hidden));
    return o->hidden ? 0 : -ENOMEM;
}

int
out_options_common(struct out_options *o, const struct il_host *host,
                   const struct il_conf *conf)
{
    struct out_reader r = { o, host, conf, 0 };
    o->method = "POST";
    o->content_type = "application/json";
    read_common(&r);
    return r.err;
}

int
out_options_url(struct out_options *o, const struct il_conf *conf,
                const char *key, const char *url)
{
    struct out_reader r = { o, NULL, conf, 0 };
    if (!(o->made_url = strdup(url)))
        return -ENOMEM;
    return out_read_literal_url(&r, key, o->made_url);
}

int
out_options_hide(struct out_options *o, const char *text)
{
    char **more = realloc(o->hidden, (o->hidden_count + 2) * sizeof(*more));
    if (!more)
        return -ENOMEM;
    o->hidden = more;
    more[o->hidden_count] = strdup(text);
    if (!more[o->hidden_count])
        return -ENOMEM;
    more[++o->hidden_count] = NULL;
    return 0;
}

int
out_options_bearer(struct out_options *o, const struct il_conf *conf,
                   const char *key)
{
    const char *token = il_conf_str(conf, key);
    if (!*token || has_control(token) || strchr(token, ' '))
        return il_conf_error(conf, key, -1,
                             "is empty, or has a character that no header may "
                             "have");
    const size_t size = strlen(token) + sizeof("Bearer ");
    if (!(o->authorization = malloc(size)))
        return -ENOMEM;
    snprintf(o->authorization, size, "Bearer %s", token);
    return out_options_hide(o, token);
}

/* In the form in which AUTH sends it, too: a server may say it again. */
static int
hide_base64(struct out_options *o, const char *text, size_t len)
{
    char *coded = calloc(1, len * 2 + 8);
    if (!coded)
        return -ENOMEM;
    base64(text, len, coded);
    coded[strcspn(coded, "=")] = 0;
    int err = out_options_hide(o, coded);
    explicit_bzero(coded, len * 2 + 8);
    free(coded);
    return err;
}

int
out_options_login(struct out_options *o, const struct il_conf *conf)
{
    const char *username = il_conf_str(conf, "username");
    const char *password = il_conf_str(conf, "password");
    if (!username && !password)
        return 0;
    if (!username || !password)
        return il_conf_error(conf, NULL, -1, "%s: is required with %s",
                             username ? "password" : "username",
                             username ? "username" : "password");
    if (!*username || !*password || has_control(username)
        || has_control(password))
        return il_conf_error(conf, *password ? "username" : "password", -1,
                             "is empty, or has a control character");
    if (o->plain)
        return il_conf_error(conf, "password", -1,
                             "would be read by all on the way; leave "
                             "starttls = \"none\" out");
    o->username = username;
    o->password = password;
    /* As PLAIN has it: \0 name \0 password. */
    const size_t name = strlen(username), len = strlen(password);
    char *both = malloc(name + len + 3);
    if (!both)
        return -ENOMEM;
    both[0] = 0;
    memcpy(both + 1, username, name + 1);
    memcpy(both + name + 2, password, len + 1);
    int err = out_options_hide(o, password);
    if (!err)
        err = hide_base64(o, password, len);
    if (!err)
        err = hide_base64(o, both, name + len + 2);
    explicit_bzero(both, name + len + 3);
    free(both);
    return err;
}

int
out_options_open(struct out_options *o, const struct il_host *host,
                 const struct il_conf *conf)
{
    struct out_reader r = { o, host, conf, 0 };
    o->method = il_conf_str(conf, "method");
    out_note(&r, out_read_url(&r));
    read_common(&r);
    out_note(&r, out_read_addresses(&r));
    out_note(&r, read_certificate(&r));
    out_note(&r, read_reject(&r));
    out_note(&r, read_signing(&r));
    out_note(&r, read_authorization(&r));
    out_note(&r, read_body(&r));
    out_note(&r, read_pairs(&r, "headers", &o->headers, &o->header_count));
    return r.err;
}

static void
free_pairs(const struct il_host *host, struct out_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        il_template_free(host, pairs[i].value.of);
    free(pairs);
}

/* And free it. */
static void
wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void
out_options_close(struct out_options *o, const struct il_host *host)
{
    il_template_free(host, o->url.of);
    il_template_free(host, o->body.of);
    il_template_free(host, o->target.of);
    il_template_free(host, o->order.of);
    free_pairs(host, o->headers, o->header_count);
    free_pairs(host, o->fields, o->field_count);
    free(o->hosts);
    free(o->reject);
    free(o->nets);
    signer_free(&o->signer);
    wipe(o->authorization);
    free(o->origin);
    wipe(o->made_url);
    for (size_t i = 0; i < o->hidden_count; i++)
        wipe(o->hidden[i]);
    free(o->hidden);
}

static int
fits(const char *glob, const char *text)
{
    const char *star = NULL, *from = NULL;
    while (*text) {
        if (*glob == '*') {
            star = glob++;
            from = text;
        } else if (*glob == *text) {
            glob++;
            text++;
        } else if (star) {
            glob = star + 1;
            text = ++from;
        } else {
            return 0;
        }
    }
    return glob[strspn(glob, "*")] == 0;
}

int
out_host_fits(const struct out_options *o, const char *host)
{
    for (size_t i = 0; i < o->host_count; i++)
        if (fits(o->hosts[i], host))
            return 1;
    return 0;
}

int
out_rejects(const struct out_options *o, long status)
{
    for (size_t i = 0; i < o->reject_count; i++)
        if (o->reject[i] == status)
            return 1;
    return 0;
}
