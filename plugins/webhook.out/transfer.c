/* SPDX-License-Identifier: MIT */
#include "transfer.h"

#include "scrub.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

/* An answer's head, and what of its body is read so that the connection can be
 * used again. */
#define HEAD_MAX 65536
#define BODY_MAX 65536
#define ERROR_MAX 512

int64_t
transfer_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int
transfer_given_up(const struct transfer_options *o)
{
    const int64_t at = atomic_load(&o->give_up_ms);
    return at && transfer_now_ms() >= at;
}

/* --- URLs ----------------------------------------------------------------- */

/* As libcurl itself will understand it.  0 or -EINVAL; strings are libcurl's. */
static int
take_apart(enum transport_speech speech, const char *url, char **scheme,
           char **host, char **port)
{
    const char *plain = speech == TRANSPORT_MAIL ? "smtp" : "http";
    const size_t n = strlen(plain);
    CURLU *u = curl_url();
    int good = u && !curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER)
               && !curl_url_get(u, CURLUPART_SCHEME, scheme, 0)
               && !curl_url_get(u, CURLUPART_HOST, host, 0)
               && !curl_url_get(u, CURLUPART_PORT, port, CURLU_DEFAULT_PORT);
    curl_url_cleanup(u);
    good = good && !strncmp(*scheme, plain, n)
           && (!(*scheme)[n] || !strcmp(*scheme + n, "s"));
    return good ? 0 : -EINVAL;
}

static int
name_of(enum transport_speech speech, const char *url, int whole,
        char out[TRANSPORT_TARGET_MAX])
{
    char *scheme = NULL, *host = NULL, *port = NULL;
    int err = take_apart(speech, url, &scheme, &host, &port), n = 0;
    if (!err && whole)
        n = snprintf(out, TRANSPORT_TARGET_MAX, "%s://%s:%s", scheme, host,
                     port);
    else if (!err && *host == '[')
        n = snprintf(out, TRANSPORT_TARGET_MAX, "%.*s",
                     (int) strcspn(host + 1, "]"), host + 1);
    else if (!err)
        n = snprintf(out, TRANSPORT_TARGET_MAX, "%s", host);
    if (!err && (n < 0 || n >= TRANSPORT_TARGET_MAX))
        err = -EINVAL;
    for (char *p = out; !err && *p; p++)
        *p = (char) tolower((unsigned char) *p);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return err;
}

int
transport_target(enum transport_speech speech, const char *url,
                 char out[TRANSPORT_TARGET_MAX])
{
    return name_of(speech, url, 1, out);
}

int
transport_host(enum transport_speech speech, const char *url,
               char out[TRANSPORT_TARGET_MAX])
{
    return name_of(speech, url, 0, out);
}

const char *
transport_stage_word(enum transport_stage stage)
{
    return smtp_stage_word(stage);
}

/* --- the request ---------------------------------------------------------- */

static int
is_token(const char *text)
{
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char) *p) && !strchr("!#$%&'*+-.^_`|~", *p))
            return 0;
    return *text != 0;
}

static int
is_value(const char *text)
{
    for (const char *p = text; *p; p++)
        if (((unsigned char) *p < ' ' && *p != '\t') || *p == 0x7f)
            return 0;
    return 1;
}

static int
append(struct transfer *t, const char *line)
{
    struct curl_slist *list = curl_slist_append(t->headers, line);
    if (list)
        t->headers = list;
    return list ? 0 : -ENOMEM;
}

static int
add_header(struct transfer *t, const struct transport_header *h)
{
    if (!is_token(h->name) || !is_value(h->value))
        return -EINVAL;
    const size_t name = strlen(h->name), value = strlen(h->value);
    char *line = malloc(name + value + 3);
    if (!line)
        return -ENOMEM;
    /* "Name;" is how libcurl writes an empty one. */
    memcpy(line, h->name, name);
    memcpy(line + name, value ? ": " : ";", value ? 2 : 1);
    memcpy(line + name + (value ? 2 : 1), h->value, value + 1);
    int err = append(t, line);
    free(line);
    return err;
}

static int
add_headers(struct transfer *t, const struct transport_request *r)
{
    int agent = 0, type = 0, err = 0;
    for (size_t i = 0; i < r->header_count && !err; i++) {
        agent |= !strcasecmp(r->headers[i].name, "User-Agent");
        type |= !strcasecmp(r->headers[i].name, "Content-Type");
        err = add_header(t, &r->headers[i]);
    }
    if (!err && !agent)
        err = append(t, "User-Agent: ingestlayer");
    if (!err && !type)
        err = append(t, "Content-Type:");    /* none, and not a form's */
    return err ? err : append(t, "Expect:"); /* the body goes at once */
}

int
transfer_new(const struct transfer_options *options,
             const struct transport_request *r, struct transfer **out)
{
    char target[TRANSPORT_TARGET_MAX];
    const enum transport_speech speech = options->of.speech;
    const int mail = speech == TRANSPORT_MAIL;
    *out = NULL;
    if ((!mail && !is_token(r->method)) || !r->timeout_ms
        || (!r->url_known && transport_target(speech, r->url, target)))
        return -EINVAL;
    const size_t keep = options->of.answer_max > TRANSPORT_BODY_MAX
                            ? options->of.answer_max
                            : TRANSPORT_BODY_MAX;
    struct transfer *t = calloc(1, sizeof(*t) + keep);
    if (!t)
        return -ENOMEM;
    t->keep = keep;
    t->options = options;
    t->body = r->body;
    t->len = r->len;
    t->timeout_ms = r->timeout_ms;
    t->done = r->done;
    t->arg = r->arg;
    t->url = strdup(r->url);
    t->method = mail ? NULL : strdup(r->method);
    int err = !t->url || (!mail && !t->method) ? -ENOMEM
              : mail                           ? smtp_take(&t->smtp, r)
                                               : add_headers(t, r);
    if (err)
        transfer_free(t);
    else
        *out = t;
    return err;
}

void
transfer_free(struct transfer *t)
{
    if (!t)
        return;
    if (t->easy)
        curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    smtp_free(&t->smtp);
    free(t->url);
    free(t->method);
    free(t);
}

/* --- what libcurl asks and tells ------------------------------------------ */

static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct transfer *t = arg;
    struct address a;
    const char *why = "neither IPv4 nor IPv6";
    if (purpose != CURLSOCKTYPE_IPCXN)
        return CURL_SOCKET_BAD;
    /* What a proxy connects to is the proxy's business. */
    if (!t->options->of.proxy) {
        snprintf(t->refused, sizeof(t->refused), "?");
        if (!address_from(&to->addr, &a)) {
            address_format(&a, t->refused);
            why = address_allowed(&t->options->of.addresses, &a, &why) ? NULL
                                                                       : why;
        }
        if (why) {
            t->refused_why = why;
            return CURL_SOCKET_BAD;
        }
    }
    t->opened = 1;
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* The value of a header's line, where it is this one. */
static const char *
value_of(const char *line, size_t len, const char *name, size_t *value_len)
{
    size_t n = strlen(name);
    if (len <= n || line[n] != ':' || strncasecmp(line, name, n))
        return NULL;
    for (n++; n < len && (line[n] == ' ' || line[n] == '\t'); n++)
        ;
    while (len > n && isspace((unsigned char) line[len - 1]))
        len--;
    *value_len = len - n;
    return line + n;
}

static size_t
on_head(char *line, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * count, n;
    const char *value;
    long status = 0;
    t->head_len += len;
    if (t->head_done)
        return len; /* what comes behind the body says nothing to us */
    if (len >= 5 && !memcmp(line, "HTTP/", 5)) {
        t->has_retry_after = 0; /* of a 1xx before */
    } else if (len && (*line == '\r' || *line == '\n')) {
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        t->head_done = status >= 200 && status <= 599;
    } else if ((value = value_of(line, len, "Retry-After", &n))
               && !t->has_retry_after && n < sizeof(t->retry_after)) {
        memcpy(t->retry_after, value, n);
        t->retry_after[n] = 0;
        t->has_retry_after = 1;
    }
    return t->head_done || t->head_len <= HEAD_MAX ? len : 0;
}

void
transfer_keep(struct transfer *t, const char *bytes, size_t len)
{
    size_t room = 0;
    if (t->body_len < t->keep)
        room = t->keep - t->body_len;
    memcpy(t->kept + t->keep - room, bytes, len < room ? len : room);
    t->body_len += len;
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    const size_t len = size * count;
    transfer_keep(t, bytes, len);
    return t->body_len <= BODY_MAX ? len : 0; /* 0 ends it */
}

/* --- its options ---------------------------------------------------------- */

static void
set_tls(CURL *e, const struct transport_options *o)
{
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
    if (o->ca_file) {
        curl_easy_setopt(e, CURLOPT_CAINFO, o->ca_file);
        curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(e, CURLOPT_PROXY_CAINFO, o->ca_file);
        curl_easy_setopt(e, CURLOPT_PROXY_CAPATH, NULL);
    }
    if (o->cert)
        curl_easy_setopt(e, CURLOPT_SSLCERT, o->cert);
    if (o->key)
        curl_easy_setopt(e, CURLOPT_SSLKEY, o->key);
    if (o->no_verify) {
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static void
set_limits(CURL *e, const struct transport_options *o)
{
    const int mail = o->speech == TRANSPORT_MAIL;
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR,
                     mail ? "smtp,smtps" : "http,https");
#else
    curl_easy_setopt(e, CURLOPT_PROTOCOLS,
                     (long) (mail ? CURLPROTO_SMTP | CURLPROTO_SMTPS
                                  : CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
    curl_easy_setopt(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    /* "" keeps http_proxy and no_proxy of the environment out. */
    curl_easy_setopt(e, CURLOPT_PROXY, o->proxy ? o->proxy : "");
    curl_easy_setopt(e, CURLOPT_NOPROXY, "");
    curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* A name that is being looked up is left to its thread, and not waited
     * for: transport.c keeps libcurl's code mapped for that. */
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
#endif
}

/* What is the same for all transfers. */
static CURL *
make_easy(const struct transport_options *o)
{
    CURL *e = curl_easy_init();
    if (!e)
        return NULL;
    set_limits(e, o);
    set_tls(e, o);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    if (o->speech == TRANSPORT_MAIL) {
        smtp_set(e, o);
        return e;
    }
    curl_easy_setopt(
        e, CURLOPT_HTTP_VERSION,
        (long) (o->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(e, CURLOPT_PIPEWAIT, (long) o->http2);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_head);
    return e;
}

static int
begin_http(CURL *e, const struct transfer *t)
{
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) t->len);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, t->len ? t->body : "");
    return curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, t->method)
                   || curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers)
               ? -ENOMEM
               : 0;
}

/* All that points to one transfer is set anew for the next. */
int
transfer_begin(struct transfer *t, CURL *spare)
{
    CURL *e = t->easy = spare ? spare : make_easy(&t->options->of);
    t->spare = spare != NULL;
    if (!e)
        return -ENOMEM;
    curl_easy_setopt(e, CURLOPT_PRIVATE, t);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long) t->timeout_ms);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    /* All that copies comes last: the first that fails has no memory. */
    int err = t->options->of.speech == TRANSPORT_MAIL ? smtp_begin(e, t)
                                                      : begin_http(e, t);
    return err || curl_easy_setopt(e, CURLOPT_URL, t->url) ? -ENOMEM : 0;
}

/* Only what has ended well: what libcurl remembers of a failure, an address say,
 * would be told of the next one.  A proxy's answers are remembered as well. */
CURL *
transfer_spare(struct transfer *t, CURLcode code)
{
    CURL *e = t->easy;
    if (!e || code || !t->head_done || t->options->of.proxy)
        return NULL;
    t->easy = NULL;
    curl_easy_setopt(e, CURLOPT_PRIVATE, NULL);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, NULL);
    return e;
}

/* --- its end -------------------------------------------------------------- */

static int
is_tls(CURLcode code)
{
    switch (code) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_SHUTDOWN_FAILED:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return 1;
    default:
        return 0;
    }
}

/* Had the proxy not even made the connection? */
static int
is_proxys(struct transfer *t, CURLcode code)
{
    long status = 0;
    curl_off_t connected = 0;
    if (code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_PROXY)
        return 1;
    if (!t->options->of.proxy)
        return 0;
    curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &connected);
    return code == CURLE_COULDNT_CONNECT || (status && status / 100 != 2)
           || !connected;
}

static enum transport_class
class_of(struct transfer *t, CURLcode code)
{
    if (code == CURLE_OUT_OF_MEMORY)
        return TRANSPORT_NO_MEMORY;
    if (code == CURLE_URL_MALFORMAT)
        return TRANSPORT_REQUEST;
    if (is_proxys(t, code))
        return TRANSPORT_PROXY;
    if (is_tls(code))
        return TRANSPORT_TLS;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return TRANSPORT_NAME;
    case CURLE_OPERATION_TIMEDOUT:
        return TRANSPORT_TIMEOUT;
    case CURLE_COULDNT_CONNECT:
        return t->refused_why && !t->opened ? TRANSPORT_ADDRESS
                                            : TRANSPORT_CONNECT;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return TRANSPORT_CONNECT;
    default:
        return TRANSPORT_PROTOCOL;
    }
}

static void
tell_error(struct transfer *t, CURLcode code, enum transport_class what,
           char out[ERROR_MAX])
{
    static const char *const classes[] = {
        [TRANSPORT_ANSWERED] = "",
        [TRANSPORT_NAME] = "no address",
        [TRANSPORT_ADDRESS] = "an address that is not allowed",
        [TRANSPORT_CONNECT] = "no connection",
        [TRANSPORT_TLS] = "no secure connection",
        [TRANSPORT_TIMEOUT] = "no answer in time",
        [TRANSPORT_PROTOCOL] = "no answer that can be read",
        [TRANSPORT_PROXY] = "the proxy",
        [TRANSPORT_REQUEST] = "a URL that cannot be used",
        [TRANSPORT_CANCELLED] = "given up",
        [TRANSPORT_NO_MEMORY] = "no memory",
    };
    char detail[ERROR_MAX];
    if (what == TRANSPORT_ADDRESS) {
        snprintf(out, ERROR_MAX, "%s: %s (%s)", classes[what], t->refused,
                 t->refused_why);
        return;
    }
    if (what == TRANSPORT_CANCELLED || what == TRANSPORT_NO_MEMORY) {
        snprintf(out, ERROR_MAX, "%s", classes[what]);
        return;
    }
    scrub(*t->error ? t->error : curl_easy_strerror(code), t->url,
          t->options->of.proxy, detail, sizeof(detail));
    const enum transport_stage at = t->smtp.stage;
    const char *stage = at == TRANSPORT_GREETING ? "" : smtp_stage_word(at);
    snprintf(out, ERROR_MAX, "%s: %.400s%s%s", classes[what], detail,
             *stage ? ", at " : "", stage);
}

static void
tell_remote(struct transfer *t, char out[TRANSPORT_REMOTE_MAX])
{
    char *ip = NULL;
    long port = 0;
    *out = 0;
    /* That of the handle's last transfer says nothing of this one. */
    if (t->spare && !t->opened && !t->head_done)
        return;
    if (curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &ip) || !ip || !*ip
        || curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_PORT, &port))
        return;
    snprintf(out, TRANSPORT_REMOTE_MAX, strchr(ip, ':') ? "[%s]:%ld" : "%s:%ld",
             ip, port);
}

/* What can be told of a head that has come. */
static void
tell_answer(struct transfer *t, CURLcode code, struct transport_answer *a)
{
    if (t->smtp.stage)
        a->status = t->smtp.code;
    else
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &a->status);
    a->what = TRANSPORT_ANSWERED;
    a->body = t->kept;
    a->body_len = t->body_len < t->keep ? t->body_len : t->keep;
    a->whole = code == CURLE_OK && t->body_len <= t->keep;
    a->retry_after = t->has_retry_after ? t->retry_after : NULL;
}

void
transfer_end(struct transfer *t, CURLcode code, int cancelled)
{
    char error[ERROR_MAX] = "", remote[TRANSPORT_REMOTE_MAX] = "";
    char location[TRANSPORT_TARGET_MAX];
    struct transport_answer a = { .error = error,
                                  .remote = remote,
                                  .body = "" };
    curl_off_t us = 0;
    char *redirect = NULL;
    if (t->easy) {
        curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &us);
        tell_remote(t, remote);
    }
    a.ms = us / 1000;
    a.stage = t->smtp.stage;
    a.recipient = t->smtp.recipient - (t->smtp.recipient > 0);
    if (t->head_done || smtp_answered(&t->smtp))
        tell_answer(t, cancelled ? CURLE_ABORTED_BY_CALLBACK : code, &a);
    else
        a.what = cancelled ? TRANSPORT_CANCELLED
                 : t->easy ? class_of(t, code)
                           : TRANSPORT_NO_MEMORY;
    /* A proxy that is spoken to in plain HTTP answers in the target's place. */
    if (a.status == 407 && t->options->of.proxy) {
        a.what = TRANSPORT_PROXY;
        a.status = 0;
        snprintf(error, sizeof(error), "the proxy: HTTP 407");
    } else if (a.what != TRANSPORT_ANSWERED) {
        tell_error(t, code, a.what, error);
    }
    if (a.status / 100 == 3 && t->easy
        && !curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &redirect)
        && redirect && !transport_host(TRANSPORT_HTTP, redirect, location))
        a.location = location;
    t->done(t->arg, &a);
}
