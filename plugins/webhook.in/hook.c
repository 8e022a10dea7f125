/* SPDX-License-Identifier: MIT */
/* webhook.in: events from whoever can POST JSON to a URL.
 *
 * The path names the source, by a token; who may send is settled by a
 * signature over the body (the usual case), a bearer key, or by nothing but the
 * token.  A body becomes one event, whose type and idempotency key are found
 * in the headers or in the body; what happens to it then is the gate's
 * business. */
#include "hook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PREFIX "/whk/"
#define TOKEN_MAX 256
/* Refusals are logged no more often than this. */
#define LOG_EVERY_US 10000000

static const struct il_option signature_options[] = {
    { .name = "header",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Header that carries the signature." },
    { .name = "prefix",
      .type = IL_OPT_STRING,
      .help = "What stands before a signature, such as \"sha256=\"." },
    { .name = "parts",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .def = "body",
      .help = "What is signed, in order: body, form, timestamp, method, "
              "path, url, header:NAME, item:PREFIX, text:WORD." },
    { .name = "separator",
      .type = IL_OPT_STRING,
      .help = "What stands between two parts." },
    { .name = "split",
      .type = IL_OPT_STRING,
      .def = SIGNATURE_SPLIT,
      .help = "Characters, any of which parts the items of the header." },
    { .name = "hash",
      .type = IL_OPT_STRING,
      .def = "sha256",
      .choices = "sha1|sha256|sha384|sha512",
      .help = "The hash of the HMAC." },
    { .name = "encoding",
      .type = IL_OPT_STRING,
      .def = "hex",
      .choices = "hex|base64",
      .help = "How the signature is written." },
    { .name = "timestamp_header",
      .type = IL_OPT_STRING,
      .help = "Header with the time of signing: seconds or milliseconds "
              "since 1970, or as in 2026-01-31T12:00:00Z." },
    { .name = "timestamp_prefix",
      .type = IL_OPT_STRING,
      .help = "What stands before the time of signing, such as \"t=\", where "
              "it is in the signature's header." },
    { .name = "timestamp_body",
      .type = IL_OPT_STRING,
      .help = "The time of signing, $body.FIELD, where it is in the body." },
    { 0 }
};

static const struct il_option secret_options[] = {
    { .name = "secret",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | IL_OPT_SECRET,
      .help = "The secret, or the bearer key." },
    IL_SENDER_OPTIONS,
    { 0 }
};

static const struct il_option handshake_options[] = {
    { .name = "origins",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | IL_OPT_LIST,
      .help = "Senders that may deliver here, as they name themselves in "
              "WebHook-Request-Origin; *.NAME is all below, * is all." },
    { .name = "per_minute",
      .type = IL_OPT_INT,
      .min = 1,
      .max = 1000000000,
      .help = "Requests per minute that they are told they may send; "
              "without it, any number." },
    { 0 }
};

static const struct il_option hook_options[] = {
    { .name = "token",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | IL_OPT_LIST | IL_OPT_SECRET,
      .help = "Last part of the URL, /whk/TOKEN; of several, all are valid." },
    { .name = "auth",
      .type = IL_OPT_STRING,
      .def = "signed",
      .choices = "signed|bearer|none",
      .help = "How senders are known: by a signature, a bearer key, or by the "
              "token alone." },
    { .name = "scheme",
      .type = IL_OPT_STRING,
      .def = "ingestlayer",
      .choices = SCHEMES,
      .help = "Whose way of signing, and of naming types and deliveries." },
    { .name = "secrets",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST | IL_OPT_SHORT,
      .children = secret_options,
      .help = "Secrets of signatures, or bearer keys; all of them are valid "
              "at the same time." },
    { .name = "tolerance",
      .type = IL_OPT_DURATION,
      .min = 1000,
      .max = 7 * 24 * 3600 * INT64_C(1000),
      .help = "How far the time of signing may be off, in either direction; "
              "5m where the scheme signs a time, 1m with linear." },
    { .name = "url",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .help = "The URL as the sender has it, where the scheme signs it "
              "(hubspot, twilio); of several, any may be the one." },
    { .name = "batch",
      .type = IL_OPT_BOOL,
      .help = "Whether a body that is an array holds an event in each "
              "element; true with hubspot, twilio, cloudevents." },
    { .name = "signature",
      .type = IL_OPT_GROUP,
      .children = signature_options,
      .help = "How requests are signed, for scheme = \"generic\"." },
    { .name = "type",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .help = "Type of the event: text with $header.NAME or $body.FIELD in "
              "it; the first of which all references are there." },
    { .name = "key",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .help = "Idempotency key, written as type is." },
    { .name = "handshake",
      .type = IL_OPT_GROUP,
      .children = handshake_options,
      .help = "Who is told, when it asks with OPTIONS as CloudEvents' webhooks "
              "do, that it may deliver here." },
    { .name = "max_body",
      .type = IL_OPT_SIZE,
      .min = 1024,
      .max = 64 << 20,
      .def = "4MiB",
      .help = "Largest body in bytes, also after unpacking." },
    { 0 }
};

/* --- refusals ------------------------------------------------------------ */

/* Count, and log the first of each ten seconds with the number of those that
 * were not. */
static void
note_refusal(struct hook *h, struct il_request *req, struct il_counter *counter,
             const char *why)
{
    int64_t now = il_monotonic_us(h->host);
    int64_t last = __atomic_load_n(&h->logged_us, __ATOMIC_RELAXED);
    il_counter_add(h->host, counter, 1);
    if ((last && now - last < LOG_EVERY_US)
        || !__atomic_compare_exchange_n(&h->logged_us, &last, now, 0,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        __atomic_fetch_add(&h->unlogged, 1, __ATOMIC_RELAXED);
        return;
    }
    uint64_t more = __atomic_exchange_n(&h->unlogged, 0, __ATOMIC_RELAXED);
    if (more)
        il_log(h->host, IL_LOG_WARN,
               "refused a request from %s: %s; %llu others since the last "
               "line",
               il_request_peer(req), why, (unsigned long long) more);
    else
        il_log(h->host, IL_LOG_WARN, "refused a request from %s: %s",
               il_request_peer(req), why);
}

static void
refuse(struct hook *h, struct il_request *req, enum verdict verdict)
{
    switch (verdict) {
    case VERIFY_MISSING:
        note_refusal(h, req, h->unsigned_, "it is not signed");
        il_respond_error(req, 401, "missing_signature",
                         "something that the signature needs is missing: a "
                         "header, or the time in the body");
        break;
    case VERIFY_MALFORMED:
        note_refusal(h, req, h->malformed, "its signature cannot be read");
        il_respond_error(req, 401, "bad_signature",
                         "the header %s, or the time of signing, cannot be "
                         "read",
                         h->scheme.header);
        break;
    case VERIFY_STALE:
        note_refusal(h, req, h->stale,
                     "the time of its signature is too far off");
        il_respond_error(req, 401, "stale_signature",
                         "it was signed more than %lld seconds from now; "
                         "compare the clocks",
                         (long long) (h->tolerance_us / 1000000));
        break;
    case VERIFY_WRONG:
        note_refusal(h, req, h->wrong, "no secret fits its signature");
        il_respond_error(req, 401, "wrong_signature",
                         "the signature does not fit the body");
        break;
    case VERIFY_UNCOVERED:
        note_refusal(h, req, h->unsigned_, "its body is not signed");
        il_respond_error(req, 401, "missing_signature",
                         "the body is not signed: it is no form%s",
                         h->scheme.body_hash ? ", and the URL has no bodySHA256"
                                             : "");
        break;
    default:
        hook_no_memory(req);
    }
}

/* --- admitting ----------------------------------------------------------- */

static int
token_fits(const struct hook *h, const char *path)
{
    const char *token = path + strlen(PREFIX);
    size_t len = strlen(token);
    int found = 0;
    if (len > TOKEN_MAX)
        return 0;
    for (size_t i = 0; i < h->token_count; i++)
        found |=
            il_equal(h->host, token, len, h->tokens[i], strlen(h->tokens[i]));
    return found;
}

/* "Authorization: Bearer KEY", or access_token in the URL, which CloudEvents'
 * webhooks may use; all keys are compared, whichever fits.  NULL: none
 * does. */
static const struct secret *
bearer(const struct hook *h, struct il_request *req)
{
    const char *key = il_request_header(req, "Authorization");
    const struct secret *found = NULL;
    if (!key)
        key = il_request_query(req, "access_token");
    else if (strncasecmp(key, "Bearer ", 7))
        return NULL;
    else
        key += 7 + strspn(key + 7, " ");
    if (!key)
        return NULL;
    size_t len = strlen(key);
    while (len && key[len - 1] == ' ')
        len--;
    for (size_t i = 0; i < h->secret_count; i++)
        if (il_equal(h->host, key, len, h->secrets[i].bytes,
                     h->secrets[i].len))
            found = &h->secrets[i];
    return found;
}

/* A signature is over the bytes as they were sent, and those of a packed body
 * are gone by the time it could be verified. */
static int
admit_signed(struct hook *h, struct il_request *req)
{
    const char *packing = il_request_header(req, "Content-Encoding");
    if (packing && *packing && strcasecmp(packing, "identity")) {
        il_respond_error(req, 415, "unsupported_encoding",
                         "signed bodies are taken only as they are: send "
                         "without Content-Encoding");
        return -EINVAL;
    }
    if (verify_header(&h->scheme, req, h->scheme.header))
        return IL_UNPROVEN;
    note_refusal(h, req, h->unsigned_, "it is not signed");
    il_respond_error(req, 401, "missing_signature", "the header %s is missing",
                     h->scheme.header);
    return -EINVAL;
}

static int
hook_admit(void *self, struct il_request *req)
{
    struct hook *h = self;
    if (!token_fits(h, il_request_path(req)))
        return IL_NOT_HERE;
    if (h->auth == AUTH_SIGNED)
        return admit_signed(h, req);
    if (h->auth == AUTH_NONE)
        return 0;
    const struct secret *secret = bearer(h, req);
    if (secret)
        return il_request_sender(req, secret->sender);
    note_refusal(h, req, h->unknown, "it shows no key that is known");
    return IL_NOT_MINE;
}

static void
hook_handle(void *self, struct il_request *req)
{
    struct hook *h = self;
    size_t len;
    const char *body = il_request_body(req, &len);
    if (h->auth == AUTH_SIGNED) {
        const struct secret *by;
        enum verdict verdict = verify(h, req, body, len, &by);
        if (verdict != VERIFY_OK) {
            refuse(h, req, verdict);
            return;
        }
        if (il_request_sender(req, by->sender))
            return;
    }
    hook_take(h, req, body, len);
}

/* The handshake; any other OPTIONS is the host's. */
static int
asks_admit(void *self, struct il_request *req)
{
    const struct hook *h = self;
    const char *origin = il_request_header(req, "WebHook-Request-Origin");
    return origin && handshake_allows(h, origin)
                   && token_fits(h, il_request_path(req))
               ? 0
               : IL_NOT_HERE;
}

static void
asks_handle(void *self, struct il_request *req)
{
    handshake_answer(self, req);
}

/* --- opening ------------------------------------------------------------- */

static int
read_tokens(struct hook *h, const struct il_conf *conf)
{
    int err = 0;
    h->token_count = il_conf_count(conf, "token");
    h->tokens = calloc(h->token_count + 1, sizeof(*h->tokens));
    if (!h->tokens)
        return -ENOMEM;
    for (size_t i = 0; i < h->token_count; i++) {
        const char *token = il_conf_str_at(conf, "token", i);
        size_t len = strlen(token);
        h->tokens[i] = token;
        if (!len || len > TOKEN_MAX
            || strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
                             "abcdefghijklmnopqrstuvwxyz")
                   != len)
            err = il_conf_error(conf, "token", -1,
                                "token %zu is not 1 to %d letters, digits and "
                                "-._~, which need no escapes in a URL",
                                i + 1, TOKEN_MAX);
    }
    return err;
}

static int
add_pick(struct picks *picks, const struct il_conf *conf, const char *key,
         const char *text)
{
    struct pick_error error;
    int err = pick_compile(text, &picks->at[picks->count], &error);
    if (err == -EINVAL)
        return il_conf_error(conf, key, error.offset, "%s", error.message);
    picks->count += !err;
    return err;
}

/* Of the config, or else the scheme's own (ended by NULL or max). */
static int
read_picks(struct picks *picks, const struct il_conf *conf, const char *key,
           const char *const *own, size_t max)
{
    size_t n = il_conf_count(conf, key);
    int err = 0;
    picks->at = calloc((n > max ? n : max) + 1, sizeof(*picks->at));
    if (!picks->at)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        int bad = add_pick(picks, conf, key, il_conf_str_at(conf, key, i));
        err = err ? err : bad;
    }
    for (size_t i = 0; !n && i < max && own[i] && !err; i++)
        err = add_pick(picks, conf, key, own[i]);
    return err;
}

static void
picks_free(struct picks *picks)
{
    for (size_t i = 0; i < picks->count; i++)
        pick_free(picks->at[i]);
    free(picks->at);
}

static void
open_counters(struct hook *h)
{
    h->unsigned_ = il_counter_new(h->host, "webhook_unsigned", IL_UNIT_NONE,
                                  "Requests refused without a signature.");
    h->malformed =
        il_counter_new(h->host, "webhook_bad_signature", IL_UNIT_NONE,
                       "Requests refused with a signature that cannot "
                       "be read.");
    h->stale = il_counter_new(h->host, "webhook_stale_signature", IL_UNIT_NONE,
                              "Requests refused because the time of their "
                              "signature is too far off.");
    h->wrong = il_counter_new(h->host, "webhook_wrong_signature", IL_UNIT_NONE,
                              "Requests refused because no secret fits.");
    h->unknown = il_counter_new(h->host, "webhook_unknown_key", IL_UNIT_NONE,
                                "Requests refused without a known bearer key.");
}

static int
open_routes(struct hook *h, const struct il_conf *conf)
{
    struct il_route route = {
        .struct_size = sizeof(route),
        .method = "POST",
        .path = PREFIX "*",
        .max_body = (uint64_t) il_conf_int(conf, "max_body"),
        .admit = hook_admit,
        .handle = hook_handle,
    };
    struct il_route asks = {
        .struct_size = sizeof(asks),
        .method = "OPTIONS",
        .path = PREFIX "*",
        .max_body = 1024,
        .admit = asks_admit,
        .handle = asks_handle,
    };
    int err = il_route_add(h->host, &route, h);
    return !err && h->origin_count ? il_route_add(h->host, &asks, h) : err;
}

static void
hook_close(void *self)
{
    struct hook *h = self;
    scheme_close(h);
    picks_free(&h->types);
    picks_free(&h->keys);
    free(h->fallback);
    free(h->tokens);
    free(h->origins);
    free(h);
}

/* All findings, not the first alone. */
static int
open_options(struct hook *h, const struct il_conf *conf)
{
    const char *auth = il_conf_str(conf, "auth");
    h->auth = !strcmp(auth, "bearer") ? AUTH_BEARER
              : !strcmp(auth, "none") ? AUTH_NONE
                                      : AUTH_SIGNED;
    int err = read_tokens(h, conf);
    int bad = scheme_open(h, conf);
    err = err ? err : bad;
    h->batch = il_conf_has(conf, "batch") ? (int) il_conf_int(conf, "batch")
                                          : h->scheme.batch;
    bad = read_picks(&h->types, conf, "type", h->scheme.types,
                     sizeof(h->scheme.types) / sizeof(h->scheme.types[0]));
    err = err ? err : bad;
    err = err ? err : bad;
    bad = handshake_open(h, conf);
    err = err ? err : bad;
    h->own_keys = !il_conf_count(conf, "key");
    bad = read_picks(&h->keys, conf, "key", h->scheme.keys,
                     sizeof(h->scheme.keys) / sizeof(h->scheme.keys[0]));
    return err ? err : bad;
}

static int
hook_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    const char *name = il_name(host);
    struct hook *h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    h->host = host;
    size_t size = strlen(name) + sizeof(".received");
    h->fallback = malloc(size);
    int err = h->fallback ? open_options(h, conf) : -ENOMEM;
    if (!err) {
        snprintf(h->fallback, size, "%s.received", name);
        open_counters(h);
        err = open_routes(h, conf);
    }
    if (err) {
        hook_close(h);
        return err;
    }
    *self = h;
    return 0;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_SOURCE,
    .threads = IL_PARALLEL,
    .name = "webhook.in",
    .version = "1.0",
    .summary = "Events from webhooks, signed as their senders do it.",
    .options = hook_options,
    .open = hook_open,
    .close = hook_close,
};
