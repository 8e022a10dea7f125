/* SPDX-License-Identifier: MIT */
#include "address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *
parse_path(const char *path, struct http_address *out)
{
    size_t len = strlen(path);
    out->is_unix = 1;
    if (*path != '/')
        return "the path of a unix socket begins with '/'";
    if (path[len - 1] == '/')
        return "the path of a unix socket ends with its name";
    if (len >= sizeof(out->path))
        return "the path of a unix socket has at most 107 bytes";
    memcpy(out->path, path, len + 1);
    return NULL;
}

static const char *
parse_port(const char *text, struct http_address *out)
{
    if (!*text)
        return "no port";
    if (strspn(text, "0123456789") != strlen(text)
        || strlen(text) >= sizeof(out->port) || atoi(text) > 65535)
        return "the port is no number up to 65535";
    strcpy(out->port, text);
    return NULL;
}

static const char *
parse_host(const char *begin, const char *end, struct http_address *out)
{
    if (*begin == '[') {
        if (end[-1] != ']')
            return "'[' without ']'";
        begin++;
        end--;
        if (!memchr(begin, ':', (size_t) (end - begin)))
            return "no IPv6 address between '[' and ']'";
    } else if (memchr(begin, ':', (size_t) (end - begin))) {
        return "IPv6 needs brackets";
    }
    size_t len = (size_t) (end - begin);
    if (len >= sizeof(out->host))
        return "the address is too long";
    for (const char *c = begin; c < end; c++)
        if ((unsigned char) *c <= ' ' || strchr("/[]@\"\177", *c))
            return "a character that no address has";
    memcpy(out->host, begin, len);
    out->host[len] = 0;
    return NULL;
}

const char *
http_address_parse(const char *text, struct http_address *out)
{
    memset(out, 0, sizeof(*out));
    if (!strncmp(text, "unix:", 5))
        return parse_path(text + 5, out);
    if (!strncmp(text, "http://", 7)) {
        out->scheme = HTTP_PLAIN;
        text += 7;
    } else if (!strncmp(text, "https://", 8)) {
        out->scheme = HTTP_TLS;
        text += 8;
    }
    const char *colon = strrchr(text, ':');
    if (!colon)
        return "no port";
    const char *fault = parse_port(colon + 1, out);
    return fault ? fault : parse_host(text, colon, out);
}
