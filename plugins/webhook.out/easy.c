/* SPDX-License-Identifier: MIT */
#include "easy.h"

#include "scrub.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

int64_t
easy_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int
easy_given_up(const struct easy_options *o)
{
    const int64_t at = atomic_load(&o->give_up_ms);
    return at && easy_now_ms() >= at;
}

int
easy_asks_proxy(const struct easy_options *o, const char *url)
{
    return o->of.proxy && !strncasecmp(o->of.proxy, "http", 4)
           && !strncasecmp(url, "http:", 5);
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

/* --- handles --------------------------------------------------------------- */

static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct easy_call *c = arg;
    struct address a;
    const char *why = "neither IPv4 nor IPv6";
    if (purpose != CURLSOCKTYPE_IPCXN)
        return CURL_SOCKET_BAD;
    /* What a proxy connects to is the proxy's business. */
    if (!c->options->of.proxy) {
        snprintf(c->refused, sizeof(c->refused), "?");
        if (!address_from(&to->addr, &a)) {
            address_format(&a, c->refused);
            why = address_allowed(&c->options->of.addresses, &a, &why) ? NULL
                                                                       : why;
        }
        if (why) {
            c->refused_why = why;
            return CURL_SOCKET_BAD;
        }
    }
    c->opened = 1;
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* Whatever libcurl takes for a body goes nowhere. */
static size_t
pass_over(char *bytes, size_t size, size_t count, void *arg)
{
    (void) bytes;
    (void) arg;
    return size * count;
}

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

void
easy_aim(CURL *e, struct easy_call *c, const struct easy_options *options)
{
    if (c)
        c->options = options;
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c ? c->error : NULL);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, c);
}

CURL *
easy_new(struct easy_call *c, const struct easy_options *options)
{
    const struct transport_options *o = &options->of;
    CURL *e = curl_easy_init();
    if (!e)
        return NULL;
    set_limits(e, o);
    set_tls(e, o);
    easy_aim(e, c, options);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, pass_over);
    if (o->speech == TRANSPORT_MAIL)
        return e;
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
    return e;
}

/* --- failures ------------------------------------------------------------- */

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
is_proxys(CURL *easy, const struct easy_call *c, CURLcode code)
{
    long status = 0;
    curl_off_t connected = 0;
    if (code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_PROXY)
        return 1;
    if (!c->options->of.proxy)
        return 0;
    curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &status);
    curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connected);
    return code == CURLE_COULDNT_CONNECT || (status && status / 100 != 2)
           || !connected;
}

enum transport_class
easy_class(CURL *easy, const struct easy_call *c, CURLcode code)
{
    if (!easy || code == CURLE_OUT_OF_MEMORY)
        return TRANSPORT_NO_MEMORY;
    if (code == CURLE_URL_MALFORMAT)
        return TRANSPORT_REQUEST;
    if (is_proxys(easy, c, code))
        return TRANSPORT_PROXY;
    if (is_tls(code))
        return TRANSPORT_TLS;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return TRANSPORT_NAME;
    case CURLE_OPERATION_TIMEDOUT:
        return TRANSPORT_TIMEOUT;
    case CURLE_COULDNT_CONNECT:
        return c->refused_why && !c->opened ? TRANSPORT_ADDRESS
                                            : TRANSPORT_CONNECT;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return TRANSPORT_CONNECT;
    default:
        return TRANSPORT_PROTOCOL;
    }
}

void
easy_words(enum transport_class what, const char *detail,
           char out[EASY_ERROR_MAX])
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
    if (what == TRANSPORT_CANCELLED || what == TRANSPORT_NO_MEMORY)
        detail = "";
    snprintf(out, EASY_ERROR_MAX, "%s%s%.400s", classes[what],
             *detail ? ": " : "", detail);
}

void
easy_error(const struct easy_call *c, CURLcode code, enum transport_class what,
           const char *url, char out[EASY_ERROR_MAX])
{
    char detail[EASY_ERROR_MAX];
    if (what == TRANSPORT_ADDRESS)
        snprintf(detail, sizeof(detail), "%s (%s)", c->refused, c->refused_why);
    else
        scrub(*c->error ? c->error : curl_easy_strerror(code), url,
              c->options->of.proxy, detail, sizeof(detail));
    easy_words(what, detail, out);
}

void
easy_remote(CURL *easy, char out[TRANSPORT_REMOTE_MAX])
{
    char *ip = NULL;
    long port = 0;
    *out = 0;
    if (!curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &ip) && ip && *ip
        && !curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port))
        snprintf(out, TRANSPORT_REMOTE_MAX,
                 strchr(ip, ':') ? "[%s]:%ld" : "%s:%ld", ip, port);
}
