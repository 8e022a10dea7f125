/* SPDX-License-Identifier: MIT */
/* Texts of a known form.  Each is read once from left to right, for whatever
 * bytes a sender puts there. */
#include "schema.h"

#include "base/digits.h"

#include <arpa/inet.h>
#include <string.h>

static const char *const format_names[] = { [SCHEMA_PLAIN] = "",
                                            [SCHEMA_UUID] = "uuid",
                                            [SCHEMA_EMAIL] = "email",
                                            [SCHEMA_URI] = "uri" };

#define FORMAT_COUNT (sizeof(format_names) / sizeof(format_names[0]))

int
schema_format_parse(const char *name)
{
    for (size_t i = 0; i < FORMAT_COUNT; i++)
        if (!strcmp(format_names[i], name))
            return (int) i;
    return -1;
}

const char *
schema_format_name(int format)
{
    if (format < 0 || (size_t) format >= FORMAT_COUNT)
        return "?";
    return format_names[format];
}

/* ASCII whatever the locale. */
static int
is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static int
is_letter(unsigned char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static int
is_one_of(unsigned char c, const char *set)
{
    return c && strchr(set, c) != NULL;
}

/* --- email ---------------------------------------------------------------- */

/* RFC 5321: Dot-string of 1 to 64 bytes. */
static int
is_dot_string(const char *s, size_t len)
{
    int after_dot = 1;
    if (len < 1 || len > 64)
        return 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char) s[i];
        int dot = c == '.';
        if (dot ? after_dot
                : !is_letter(c) && !is_digit(c)
                      && !is_one_of(c, "!#$%&'*+-/=?^_`{|}~"))
            return 0;
        after_dot = dot;
    }
    return !after_dot;
}

/* RFC 5321: Domain, of labels of 1 to 63 bytes, 255 at most. */
static int
is_domain(const char *s, size_t len)
{
    size_t label = 0;
    if (len < 1 || len > 255)
        return 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char) s[i];
        if (c == '.') {
            if (!label || s[i - 1] == '-')
                return 0;
            label = 0;
        } else if (++label > 63
                   || !(is_letter(c) || is_digit(c) || (c == '-' && label > 1)))
            return 0;
    }
    return label && s[len - 1] != '-';
}

/* RFC 5321: Mailbox without quoted local parts and address literals, of 254
 * bytes at most, the longest that a path has room for. */
static int
is_email(const char *s, size_t len)
{
    const char *at = len <= 254 ? memchr(s, '@', len) : NULL;
    if (!at)
        return 0;
    size_t local = (size_t) (at - s);
    return is_dot_string(s, local) && is_domain(at + 1, len - local - 1);
}

/* --- uri ------------------------------------------------------------------ */

/* RFC 3986: pchar, and what else a part takes; %XX is three of them. */
static int
is_part(const char *s, size_t len, const char *more)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char) s[i];
        if (c == '%') {
            if (len - i < 3 || digits_hex(s[i + 1]) < 0
                || digits_hex(s[i + 2]) < 0)
                return 0;
            i += 2;
        } else if (!is_letter(c) && !is_digit(c)
                   && !is_one_of(c, "-._~!$&'()*+,;=") && !is_one_of(c, more))
            return 0;
    }
    return 1;
}

/* What stands between [ and ]: IPv6address or IPvFuture. */
static int
is_ip_literal(const char *s, size_t len)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (len > 1 && (s[0] | 0x20) == 'v') {
        size_t i = 1;
        while (i < len && digits_hex(s[i]) >= 0)
            i++;
        return i > 1 && i + 1 < len && s[i] == '.'
               && !memchr(s + i, '%', len - i)
               && is_part(s + i + 1, len - i - 1, ":");
    }
    if (len >= sizeof(text))
        return 0;
    memcpy(text, s, len);
    text[len] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

/* [ userinfo "@" ] host [ ":" port ] */
static int
is_authority(const char *s, size_t len)
{
    const char *end = s + len, *at = memchr(s, '@', len), *port;
    if (at) {
        if (!is_part(s, (size_t) (at - s), ":"))
            return 0;
        s = at + 1;
    }
    if (s < end && *s == '[') {
        const char *close = memchr(s, ']', (size_t) (end - s));
        if (!close || !is_ip_literal(s + 1, (size_t) (close - s - 1)))
            return 0;
        port = close + 1;
        if (port < end && *port != ':')
            return 0;
    } else {
        port = memchr(s, ':', (size_t) (end - s));
        if (!port)
            port = end;
        if (!is_part(s, (size_t) (port - s), ""))
            return 0;
    }
    for (port += port < end; port < end; port++)
        if (!is_digit((unsigned char) *port))
            return 0;
    return 1;
}

static const char *
find_any(const char *s, const char *end, const char *set)
{
    while (s < end && !is_one_of((unsigned char) *s, set))
        s++;
    return s;
}

/* RFC 3986: URI, so with a scheme; no relative reference. */
static int
is_uri(const char *s, size_t len)
{
    const char *end = s + len, *p = s;
    while (p < end && (is_letter((unsigned char) *p)
                       || (p > s && (is_digit((unsigned char) *p)
                                     || is_one_of((unsigned char) *p, "+-.")))))
        p++;
    if (p == s || p == end || *p++ != ':')
        return 0;
    if (end - p >= 2 && p[0] == '/' && p[1] == '/') {
        const char *path = find_any(p + 2, end, "/?#");
        if (!is_authority(p + 2, (size_t) (path - p - 2)))
            return 0;
        p = path;
    }
    const char *query = find_any(p, end, "?#");
    const char *fragment = find_any(query, end, "#");
    if (!is_part(p, (size_t) (query - p), ":@/"))
        return 0;
    if (query < fragment
        && !is_part(query + 1, (size_t) (fragment - query - 1), ":@/?"))
        return 0;
    return fragment == end
           || is_part(fragment + 1, (size_t) (end - fragment - 1), ":@/?");
}

int
schema_format_fits(int format, const char *text, size_t len)
{
    switch (format) {
    case SCHEMA_UUID:
        return uuid_parse(text, len, NULL) == 0;
    case SCHEMA_EMAIL:
        return is_email(text, len);
    case SCHEMA_URI:
        return is_uri(text, len);
    default:
        return 1;
    }
}
