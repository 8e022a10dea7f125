/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "address.h"
#include "inherited.h"
#include "http.h"
#include "base/clock.h"
#include "conf/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- addresses ------------------------------------------------------------ */

static void
check_listen(const struct il_conf *g)
{
    for (size_t i = 0; i < option_count(g, "listen"); i++) {
        struct http_address a;
        const char *fault = http_address_parse(option_str(g, "listen", i), &a);
        if (fault)
            option_error(g, "listen", i, "%s; write " HTTP_ADDRESS_FORMS,
                         fault);
        else if (a.scheme == HTTP_TLS && !option_has(g, "tls"))
            option_error(g, "listen", i,
                         "https:// needs a certificate and a key; see tls");
    }
}

static int
is_any(const struct http_address *a)
{
    return !a->host[0] || !strcmp(a->host, "0.0.0.0") || !strcmp(a->host, "::");
}

/* Would the second of them find the first one in its place? */
static int
collide(const struct http_address *a, const struct http_address *b)
{
    if (a->is_unix || b->is_unix)
        return a->is_unix && b->is_unix && !strcmp(a->path, b->path);
    if (atoi(a->port) != atoi(b->port) || !atoi(a->port))
        return 0;
    if (!strcmp(a->host, b->host) || !a->host[0] || !b->host[0])
        return 1;
    return (is_any(a) || is_any(b))
           && !strchr(a->host, ':') == !strchr(b->host, ':');
}

void
http_options_check_apart(const struct il_conf *g, const struct il_conf *other)
{
    struct http_address a, b;
    for (size_t i = 0; i < option_count(g, "listen"); i++) {
        size_t n = g == other ? i : option_count(other, "listen");
        if (http_address_parse(option_str(g, "listen", i), &a))
            continue;
        for (size_t k = 0; k < n; k++) {
            if (http_address_parse(option_str(other, "listen", k), &b)
                || !collide(&a, &b))
                continue;
            option_error(g, "listen", i, "\"%s\" is taken by \"%s\" at %s",
                         option_str(g, "listen", i),
                         option_str(other, "listen", k),
                         option_origin(other, "listen", k));
            break;
        }
    }
}

void
http_options_check_open(const struct il_conf *g, const char *why)
{
    for (size_t i = 0; i < option_count(g, "listen"); i++) {
        struct http_address a;
        const char *text = option_str(g, "listen", i);
        if (http_address_parse(text, &a) || a.is_unix || !is_any(&a)
            || (option_has(g, "tls") && a.scheme != HTTP_PLAIN))
            continue;
        option_remark(g, "listen", i, -1, 1, "\"%s\" is every address: %s",
                      text, why);
    }
}

void
http_options_check_free(const struct il_conf *g,
                        const struct http_inherited *in)
{
    for (size_t i = 0; i < option_count(g, "listen"); i++) {
        struct http_address a;
        const char *text = option_str(g, "listen", i), *why;
        if (http_address_parse(text, &a) || http_inherited_has(in, &a))
            continue;
        int err = http_address_try(&a, &why);
        /* Who checks is not always who runs. */
        if (err)
            option_remark(g, "listen", i, -1, err == -EACCES || err == -EPERM,
                          "cannot listen on \"%s\": %s", text, why);
    }
}

static void
check_mode(const struct il_conf *g)
{
    const char *text = option_str(g, "socket_mode", 0);
    if (text && (strlen(text) != 4 || *text != '0'
                 || strspn(text, "01234567") != 4))
        option_error(g, "socket_mode", 0,
                     "expected permissions in octal, like \"0660\"");
}

uint32_t
http_options_socket_mode(const struct il_conf *g)
{
    return (uint32_t) strtoul(option_str(g, "socket_mode", 0), NULL, 8);
}

/* --- proxies -------------------------------------------------------------- */

static const char *
parse_proxy(const char *text, struct ip_net *net, int *is_unix,
            char meant[IP_TEXT + 4])
{
    *is_unix = !strcmp(text, "unix");
    return *is_unix ? NULL : ip_net_parse(text, net, meant);
}

void
http_options_check_proxies(const struct il_conf *g)
{
    for (size_t i = 0; i < option_count(g, "trusted_proxies"); i++) {
        struct ip_net net;
        char meant[IP_TEXT + 4] = "";
        int is_unix;
        const char *fault = parse_proxy(option_str(g, "trusted_proxies", i),
                                        &net, &is_unix, meant);
        if (fault && meant[0])
            option_error(g, "trusted_proxies", i, "%s; did you mean \"%s\"?",
                         fault, meant);
        else if (fault)
            option_error(g, "trusted_proxies", i,
                         "%s; write \"10.0.0.0/8\", \"fd00::/8\", an address "
                         "or \"unix\"",
                         fault);
    }
}

const struct ip_net *
http_options_proxies(struct conf *conf, const struct il_conf *g, size_t *count,
                     int *unix_too)
{
    const size_t n = option_count(g, "trusted_proxies");
    struct ip_net *nets = conf_alloc(conf, (n + 1) * sizeof(*nets));
    *count = 0;
    *unix_too = 0;
    for (size_t i = 0; i < n; i++) {
        char meant[IP_TEXT + 4];
        int is_unix;
        if (parse_proxy(option_str(g, "trusted_proxies", i), &nets[*count],
                        &is_unix, meant))
            continue;
        *unix_too |= is_unix;
        *count += !is_unix;
    }
    return nets;
}

void
http_options_check(const struct il_conf *g)
{
    check_listen(g);
    check_mode(g);
}

/* --- tls ------------------------------------------------------------------ */

/* A path (file:PATH is the same), credential:NAME, env:NAME or the PEM text
 * itself.  Files are not read here: they are read again at a reload. */
static int
read_pem(struct conf *conf, const struct il_conf *g, const char *key,
         struct tls_pem *out)
{
    const char *text = option_str(g, key, 0), *value = text;
    const char *dir = ".";
    int exposed;
    *out = (struct tls_pem){ 0 };
    if (!text)
        return 0;
    if (option_setting(g, key, 0))
        dir = conf_place(conf, option_setting(g, key, 0)).dir;
    if (!strncmp(text, "file:", 5)) {
        value = text + 5;
    } else if (option_resolve(conf, dir, text, &value, &exposed) < 0) {
        option_error(g, key, 0, "%s", value);
        return -1;
    } else if (!strncmp(text, "credential:", 11)) {
        dir = getenv("CREDENTIALS_DIRECTORY");
        value = text + 11;
    }
    if (strstr(value, "-----BEGIN"))
        out->text = value;
    else if (*value == '/' || !strcmp(dir, "."))
        out->path = value;
    else
        out->path = conf_printf(conf, "%s/%s", dir, value);
    return 0;
}

int
http_options_tls(struct conf *conf, const struct il_conf *server,
                 struct tls_options *out)
{
    const struct il_conf *g = option_group(server, "tls", 0);
    *out = (struct tls_options){ 0 };
    if (!g)
        return 0;
    const char *priorities = option_str(g, "priorities", 0);
    out->priorities = priorities ? priorities : TLS_PRIORITIES;
    /* what is wrong here was found by the check */
    return !read_pem(conf, g, "certificate", &out->certificate)
           && !read_pem(conf, g, "key", &out->key)
           && !read_pem(conf, g, "client_ca", &out->client_ca)
           && option_str(g, "certificate", 0) && option_str(g, "key", 0);
}

static void
check_dates(const struct il_conf *g, const struct tls_cert *cert)
{
    time_t now = (time_t) (clock_wall_us() / 1000000);
    if (tls_expires(cert) <= now)
        option_remark(g, "certificate", 0, -1, 1,
                      "it has expired: clients will refuse it");
    else if (tls_begins(cert) > now)
        option_remark(g, "certificate", 0, -1, 1,
                      "it is not valid yet: clients will refuse it");
}

void
http_options_check_tls(struct conf *conf, const struct il_conf *server)
{
    const struct il_conf *g = option_group(server, "tls", 0);
    struct tls_options o;
    struct tls_cert *cert;
    struct tls_fault fault;
    struct stat st;
    if (!g || !http_options_tls(conf, server, &o))
        return;
    if (o.key.path && !stat(o.key.path, &st) && (st.st_mode & 04))
        option_remark(g, "key", 0, -1, 1,
                      "the file with this secret can be read by every user; "
                      "chmod 0640 it");
    if (!tls_load(&o, &cert, &fault)) {
        check_dates(g, cert);
        tls_release(cert);
    } else if (fault.offset >= 0) {
        option_error_at(g, fault.key, 0, fault.offset, "%s", fault.why);
    } else {
        option_error(g, fault.key, 0, "%s", fault.why);
    }
}
