/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* asprintf() */
#include "place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A name beyond ASCII is sent as DNS has it, where libcurl can tell. */
#ifdef CURLU_PUNYCODE
#define HOST_FLAGS CURLU_PUNYCODE
#else
#define HOST_FLAGS 0
#endif

struct parts {
    char *scheme, *host, *port, *path, *query, *origin;
};

/* 0, or -EINVAL; "" for what is not there. */
static int
get(CURLU *u, CURLUPart what, unsigned flags, char **out)
{
    const CURLUcode code = curl_url_get(u, what, out, flags);
    return code && code != CURLUE_NO_PORT && code != CURLUE_NO_QUERY ? -EINVAL
                                                                     : 0;
}

static int
take_apart(const char *url, struct parts *p)
{
    CURLU *u = curl_url();
    int err = !u ? -ENOMEM
              : curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER)
                  ? -EINVAL
                  : 0;
    if (!err
        && (get(u, CURLUPART_SCHEME, 0, &p->scheme)
            || get(u, CURLUPART_HOST, HOST_FLAGS, &p->host)
            || get(u, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT, &p->port)
            || get(u, CURLUPART_PATH, 0, &p->path)
            || get(u, CURLUPART_QUERY, 0, &p->query)
            || curl_url_set(u, CURLUPART_PATH, "/", 0)
            || curl_url_set(u, CURLUPART_QUERY, NULL, 0)
            || curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0)
            || get(u, CURLUPART_URL, CURLU_DEFAULT_PORT, &p->origin)))
        err = -EINVAL;
    curl_url_cleanup(u);
    if (!err && strcmp(p->scheme, "http") && strcmp(p->scheme, "https"))
        err = -EINVAL;
    return err;
}

/* libcurl lets nothing else through; but here it would be the next line. */
static int
is_plain(const char *text)
{
    for (; text && *text; text++)
        if ((unsigned char) *text <= ' ' || *text == 0x7f)
            return 0;
    return 1;
}

static int
is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char) *text >= 0x80)
            return 0;
    return 1;
}

static char *
make_line(const struct easy_options *o, const struct parts *p)
{
    char *out;
    const int whole = easy_asks_proxy(o, p->origin);
    const char *secret =
        whole && o->proxy_authorization ? o->proxy_authorization : NULL;
    int n = asprintf(
        &out, " %s%s%s%s%s%s%s%s HTTP/1.1\r\nHost: %s%s%s\r\n%s%s%s",
        whole ? p->scheme : "", whole ? "://" : "", whole ? p->host : "",
        whole && p->port ? ":" : "", whole && p->port ? p->port : "", p->path,
        p->query ? "?" : "", p->query ? p->query : "", p->host,
        p->port ? ":" : "", p->port ? p->port : "",
        secret ? "Proxy-Authorization: Basic " : "", secret ? secret : "",
        secret ? "\r\n" : "");
    return n < 0 ? NULL : out;
}

int
place_make(const struct easy_options *o, const char *url, struct place *out)
{
    struct parts p = { 0 };
    memset(out, 0, sizeof(*out));
    int err = take_apart(url, &p);
    if (!err
        && (!is_plain(p.host) || !is_plain(p.path) || !is_plain(p.query)
            || !is_ascii(p.host)))
        err = -EINVAL;
    if (!err) {
        out->url = strdup(url);
        out->origin = strdup(p.origin);
        out->line = make_line(o, &p);
        err = out->url && out->origin && out->line ? 0 : -ENOMEM;
    }
    if (!err) {
        out->url_len = strlen(out->url);
        out->origin_len = strlen(out->origin);
        out->line_len = strlen(out->line);
    } else {
        place_free(out);
    }
    curl_free(p.scheme);
    curl_free(p.host);
    curl_free(p.port);
    curl_free(p.path);
    curl_free(p.query);
    curl_free(p.origin);
    return err;
}

void
place_free(struct place *p)
{
    if (p->line) /* a proxy's password, say */
        explicit_bzero(p->line, strlen(p->line));
    free(p->url);
    free(p->origin);
    free(p->line);
    memset(p, 0, sizeof(*p));
}
