/* SPDX-License-Identifier: MIT */
#include "origin.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define HOST_CHARS LOWER DIGITS "-._"

/* scheme://host[:port] of either an origin or a pattern; host and port without
 * their wildcards.  Nothing else: no user, no path, no upper case. */
struct parts {
    const char *scheme, *host, *port;
    size_t scheme_len, host_len, port_len;
};

static const char *
split_host(const char *p, struct parts *out)
{
    out->host = p;
    if (*p == '[') {
        out->host_len = strspn(p + 1, "abcdef:." DIGITS) + 2;
        return p[out->host_len - 1] == ']' && out->host_len > 4
                   ? p + out->host_len
                   : NULL;
    }
    if (p[0] == '*' && p[1] == '.')
        p += 2;
    size_t len = strspn(p, HOST_CHARS);
    out->host_len = (size_t) (p - out->host) + len;
    if (!len || *p == '.' || p[len - 1] == '.')
        return NULL;
    for (size_t i = 1; i < len; i++)
        if (p[i] == '.' && p[i - 1] == '.')
            return NULL;
    return p + len;
}

/* 0, or -1: it is none. */
static int
split(const char *text, struct parts *out)
{
    *out = (struct parts){ .scheme = text };
    if (strnlen(text, ORIGIN_MAX + 1) > ORIGIN_MAX)
        return -1;
    out->scheme_len = strspn(text, LOWER DIGITS "+-.");
    if (!isalpha((unsigned char) *text)
        || strncmp(text + out->scheme_len, "://", 3))
        return -1;
    const char *p = split_host(text + out->scheme_len + 3, out);
    if (!p)
        return -1;
    if (!*p)
        return 0;
    if (*p++ != ':')
        return -1;
    out->port = p;
    out->port_len = strspn(p, DIGITS);
    if (!strcmp(p, "*"))
        return 0;
    return !p[out->port_len] && out->port_len && out->port_len <= 5
                   && *p != '0' && atoi(p) <= 65535
               ? 0
               : -1;
}

static int
scheme_is(const struct parts *p, const char *name)
{
    return p->scheme_len == strlen(name)
           && !memcmp(p->scheme, name, p->scheme_len);
}

/* What people write instead, in words. */
static const char *
explain(const char *text)
{
    const char *host = strstr(text, "://");
    if (!strcmp(text, "null"))
        return "is what any page in a sandbox has; write \"*\" if every page "
               "may send";
    if (!host)
        return "lacks its scheme: write \"https://app.example.com\"";
    if (strpbrk(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        return "has upper-case letters, which browsers never send";
    if (strpbrk(host + 3, "/?#"))
        return "has a path; an origin ends with the host or the port";
    if (strchr(host + 3, '@'))
        return "has a user name";
    if (strchr(host + 3, '*'))
        return "has a * elsewhere than in place of the first names, as in "
               "\"https://*.example.com\", or of the port";
    if (strlen(text) > ORIGIN_MAX)
        return "is too long";
    return "is not of the form \"https://app.example.com\" or "
           "\"https://app.example.com:8443\"";
}

const char *
http_origin_compile(const char *text, struct origin_pattern *out)
{
    struct parts p;
    *out = (struct origin_pattern){ .text = text };
    if (!strcmp(text, "*")) {
        out->all = 1;
        return NULL;
    }
    if (split(text, &p))
        return explain(text);
    out->scheme_len = p.scheme_len;
    out->below = *p.host == '*';
    out->any_port = p.port && !p.port_len;
    out->host_len = p.host_len;
    if (out->below && !memchr(p.host + 2, '.', p.host_len - 2)
        && !(p.host_len == 11 && !memcmp(p.host + 2, "localhost", 9)))
        return "leaves all of a top-level domain in";
    if (p.port && ((scheme_is(&p, "https") && !strcmp(p.port, "443"))
                   || (scheme_is(&p, "http") && !strcmp(p.port, "80"))))
        return "names the port that its scheme has anyway, which browsers "
               "leave out";
    return NULL;
}

static int
host_fits(const struct origin_pattern *o, const struct parts *p)
{
    const char *host = o->text + o->scheme_len + 3;
    if (!o->below)
        return p->host_len == o->host_len
               && !memcmp(p->host, host, p->host_len);
    /* what stands for the * is at least one name, and the dot counts */
    size_t rest = o->host_len - 1;
    return p->host_len > rest && *p->host != '.'
           && !memcmp(p->host + p->host_len - rest, host + 1, rest);
}

int
http_origin_fits(const struct origin_pattern *o, const char *origin)
{
    struct parts p;
    if (o->all)
        return 1;
    if (split(origin, &p) || *p.host == '*' || (p.port && !p.port_len)
        || p.scheme_len != o->scheme_len
        || memcmp(p.scheme, o->text, p.scheme_len) || !host_fits(o, &p))
        return 0;
    if (o->any_port)
        return 1;
    /* ":8443" or nothing, to the end of both */
    const char *port = o->text + o->scheme_len + 3 + o->host_len;
    return !strcmp(port, p.host + p.host_len);
}
