/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "head.h"

#include "base/digits.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

enum { TOKEN = 1, VALUE = 2, TARGET = 4, HOST = 8 };

/* RFC 9110, 5.6.2 and 5.5; RFC 9112, 3.2 (with what browsers leave unescaped);
 * RFC 3986, 3.2. */
#define T4 (TOKEN | VALUE | TARGET | HOST)
static const uint8_t kind[256] = {
    ['\t'] = VALUE,
    [' '] = VALUE,
    ['!'] = T4,
    ['"'] = VALUE | TARGET,
    ['#'] = TOKEN | VALUE,
    ['$'] = T4,
    ['%'] = T4,
    ['&'] = T4,
    ['\''] = T4,
    ['('] = VALUE | TARGET | HOST,
    [')'] = VALUE | TARGET | HOST,
    ['*'] = T4,
    ['+'] = T4,
    [','] = VALUE | TARGET | HOST,
    ['-'] = T4,
    ['.'] = T4,
    ['/'] = VALUE | TARGET,
    ['0' ... '9'] = T4,
    [':'] = VALUE | TARGET | HOST,
    [';'] = VALUE | TARGET | HOST,
    ['<'] = VALUE | TARGET,
    ['='] = VALUE | TARGET | HOST,
    ['>' ... '@'] = VALUE | TARGET,
    ['A' ... 'Z'] = T4,
    ['['] = VALUE | TARGET | HOST,
    ['\\'] = VALUE | TARGET,
    [']'] = VALUE | TARGET | HOST,
    ['^'] = TOKEN | VALUE | TARGET,
    ['_'] = T4,
    ['`'] = TOKEN | VALUE | TARGET,
    ['a' ... 'z'] = T4,
    ['{'] = VALUE | TARGET,
    ['|'] = TOKEN | VALUE | TARGET,
    ['}'] = VALUE | TARGET,
    ['~'] = T4,
    [128 ... 255] = VALUE | TARGET,
};

static const char *
skip(const char *p, uint8_t what)
{
    while (kind[(unsigned char) *p] & what)
        p++;
    return p;
}

int
http_head_is_token(unsigned char c)
{
    return kind[c] & TOKEN;
}

int
http_head_is_value(unsigned char c)
{
    return kind[c] & VALUE;
}

void
http_head_begin(struct head *h)
{
    memset(h, 0, offsetof(struct head, fields));
}

static int
fault(struct head *h, int status, const char *code, const char *why)
{
    h->status = status;
    h->code = code;
    h->why = why;
    return -EINVAL;
}

#define UNREADABLE "the request cannot be read: "
#define NO_HTTP UNREADABLE "this is no HTTP"
#define NO_LINE                                                                \
    UNREADABLE "its first line is not METHOD, space, path, space, version"

static int
malformed(struct head *h, const char *why)
{
    return fault(h, 400, "bad_request", why);
}

/* --- the first line ------------------------------------------------------- */

static int
target_too_long(struct head *h)
{
    return fault(h, 414, "path_too_long",
                 "the path and its query have more than 8192 bytes");
}

/* What stands in the line after the target. */
static int
read_version(struct head *h, const char *p, size_t len)
{
    if (len != 8 || memcmp(p, "HTTP/", 5) || p[5] < '0' || p[5] > '9'
        || p[6] != '.' || p[7] < '0' || p[7] > '9')
        return malformed(h, NO_LINE);
    if (p[5] != '1' || p[7] > '1')
        return fault(h, 505, "unsupported_version",
                     "HTTP/1.1 and HTTP/1.0 are spoken here");
    h->minor = p[7] == '1';
    return 0;
}

/* Of "http://HOST/PATH", which proxies send and servers must take (RFC 9112,
 * 3.2.2), PATH; without one the slash before HOST, which leads nowhere else.
 * The Host header, which is there as well, says what HOST says. */
static const char *
skip_origin(const char *target, size_t *len)
{
    static const char *const schemes[] = { "http://", "https://" };
    const char *end = target + *len, *host = NULL;
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(schemes[i]);
        if (*len > n && !strncasecmp(target, schemes[i], n))
            host = target + n;
    }
    if (!host)
        return target;
    const char *path = host;
    while (path < end && *path != '/' && *path != '?')
        if (!(kind[(unsigned char) *path++] & HOST))
            return target;
    if (path == host)
        return target;
    if (path == end || *path == '?') {
        *len = 1;
        return host - 1;
    }
    *len = (size_t) (end - path);
    return path;
}

static int
check_target(struct head *h, const char *bytes, size_t len, int is_options)
{
    const char *target = bytes + h->target;
    if (len > HEAD_MAX_TARGET)
        return target_too_long(h);
    target = skip_origin(target, &len);
    h->target = (uint16_t) (target - bytes);
    if (memchr(target, '%', len) && memmem(target, len, "%00", 3))
        return fault(h, 400, "bad_path",
                     "the path has characters that no path has");
    if (target[0] != '/' && (!is_options || len != 1 || target[0] != '*'))
        return fault(h, 400, "bad_path",
                     "the request names no path: this is no proxy");
    h->target_len = (uint16_t) len;
    return 0;
}

/* bytes[h->line, end) without CR LF; something that is in no target follows. */
static int
read_first_line(struct head *h, const char *bytes, size_t end)
{
    const char *method = bytes + h->line, *stop = bytes + end;
    const char *p = skip(method, TOKEN);
    if (p == method || *p != ' ')
        return malformed(h, p == method || p == stop || *p == '\t'
                                ? NO_LINE
                                : UNREADABLE "its method has characters that "
                                             "no method has");
    h->method = (uint16_t) h->line;
    h->method_len = (uint16_t) (p - method);
    const char *target = ++p;
    p = skip(p, TARGET);
    if (p != stop && *p != ' ')
        return fault(h, 400, "bad_path",
                     "the path has characters that no path has");
    if (p == target || p == stop)
        return malformed(h, NO_LINE);
    h->target = (uint16_t) (target - bytes);
    h->has_line = 1;
    size_t len = (size_t) (p - target);
    int is_options = h->method_len == 7 && !memcmp(method, "OPTIONS", 7);
    if (read_version(h, p + 1, (size_t) (stop - p - 1)))
        return -EINVAL;
    return check_target(h, bytes, len, is_options);
}

/* --- fields --------------------------------------------------------------- */

#define BYTES(b) (UINT64_C(0x0101010101010101) * (b))

/* skip(p, VALUE), eight bytes at a time: most of a head is values. */
static const char *
skip_value(const char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        x = le64toh(x);
        /* a byte below ' ', or DEL; right for the lowest one that is */
        uint64_t y = x ^ BYTES(0x7f);
        uint64_t found = (((x - BYTES(0x20)) & ~x) | ((y - BYTES(1)) & ~y))
                         & BYTES(0x80);
        if (found) {
            p += __builtin_ctzll(found) / 8;
            break;
        }
        p += 8;
    }
    return skip(p, VALUE);
}


static void
note_length(struct head *h, const char *value, size_t len)
{
    uint64_t n = 0;
    h->lengths++;
    h->bad_length |= !len || len > 18;
    for (size_t i = 0; i < len && !h->bad_length; i++) {
        h->bad_length = value[i] < '0' || value[i] > '9';
        n = n * 10 + (unsigned) (value[i] - '0');
    }
    h->length = n;
}

static int
is_word(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && !strncasecmp(text, word, len);
}

/* A list of words, of which two are of interest. */
static void
note_connection(struct head *h, const char *value, size_t len)
{
    const char *end = value + len;
    while (value < end) {
        const char *comma = memchr(value, ',', (size_t) (end - value));
        const char *stop = comma ? comma : end;
        size_t n = (size_t) (stop - value);
        while (n && (*value == ' ' || *value == '\t'))
            value++, n--;
        while (n && (value[n - 1] == ' ' || value[n - 1] == '\t'))
            n--;
        h->says_close |= is_word(value, n, "close");
        h->says_stay |= is_word(value, n, "keep-alive");
        value = comma ? comma + 1 : end;
    }
}

static int
is_host(const char *value, size_t len)
{
    size_t i = 0;
    while (i < len && (kind[(unsigned char) value[i]] & HOST))
        i++;
    return i == len;
}

/* What the fields say of the request's length, and what may come but once. */
static void
note_field(struct head *h, const char *bytes, const struct head_field *f)
{
    const char *name = bytes + f->name, *value = bytes + f->value;
    const size_t len = f->value_len;
#define IS(wanted) (!strncasecmp(name, wanted, sizeof(wanted) - 1))
    switch (f->name_len) {
    case 4:
        if (!IS("Host"))
            break;
        h->hosts++;
        h->bad_host |= !is_host(value, len);
        break;
    case 6:
        if (!IS("Expect"))
            break;
        h->expects++;
        h->bad_expect |= !is_word(value, len, "100-continue");
        break;
    case 10:
        if (IS("Connection"))
            note_connection(h, value, len);
        break;
    case 12:
        h->types += IS("Content-Type");
        break;
    case 13:
        h->keys += IS("Authorization");
        break;
    case 14:
        if (IS("Content-Length"))
            note_length(h, value, len);
        break;
    case 16:
        if (!IS("Content-Encoding"))
            break;
        h->packings++;
        h->packing = h->count;
        break;
    case 17:
        if (!IS("Transfer-Encoding"))
            break;
        h->encodings++;
        h->bad_encoding |= !is_word(value, len, "chunked");
        break;
    default:
        break;
    }
#undef IS
}

/* bytes[h->line, end) without CR LF, which follow. */
static int
read_field(struct head *h, const char *bytes, size_t end)
{
    const char *name = bytes + h->line, *stop = bytes + end;
    const char *p = skip(name, TOKEN);
    if (p == name)
        return malformed(h, *name == ' ' || *name == '\t'
                                ? UNREADABLE "a line of it begins with white "
                                             "space"
                                : UNREADABLE "a field of it has no name");
    if (*p != ':')
        return malformed(h, UNREADABLE "a field's name has characters that no "
                                       "name has, or no colon");
    if (h->count == HEAD_MAX_FIELDS)
        return fault(h, 431, "headers_too_large",
                     "the request's head has more than 100 fields");
    const char *value = p + 1;
    while (*value == ' ' || *value == '\t')
        value++;
    if (skip_value(value, stop) != stop)
        return malformed(h, UNREADABLE "a field's value has control "
                                       "characters");
    while (stop > value && (stop[-1] == ' ' || stop[-1] == '\t'))
        stop--;
    struct head_field *f = &h->fields[h->count];
    f->name = (uint16_t) h->line;
    f->name_len = (uint16_t) (p - name);
    f->value = (uint16_t) (value - bytes);
    f->value_len = (uint16_t) (stop - value);
    note_field(h, bytes, f);
    h->count++;
    return 0;
}

/* Do all of them together say how long the request is, and to whom it goes? */
static int
check_fields(struct head *h)
{
    const int is_1_0 = !h->minor;
    if (h->keys > 1 || h->types > 1 || h->packings > 1)
        return fault(h, 400, "bad_framing",
                     "Authorization, Content-Type or Content-Encoding comes "
                     "twice");
    if (h->lengths > 1 || h->encodings > 1 || h->bad_length
        || (h->lengths && h->encodings) || (h->encodings && is_1_0))
        return fault(h, 400, "bad_framing",
                     "the headers do not say unmistakably how long the "
                     "request is");
    if (h->hosts > 1 || h->bad_host || (!h->hosts && !is_1_0))
        return fault(h, 400, "bad_host",
                     "HTTP/1.1 needs one Host header, with a name or address "
                     "and nothing else");
    if (h->bad_encoding)
        return fault(h, 501, "unsupported_transfer_encoding",
                     "chunked is the only transfer encoding here");
    if (h->bad_expect && !is_1_0)
        return fault(h, 417, "expectation_failed",
                     "100-continue is the only expectation here");
    return 0;
}

/* --- all of it ------------------------------------------------------------ */

/* A line with its LF is there.  As http_head_feed(). */
static int
read_line(struct head *h, const char *bytes, size_t lf)
{
    if (lf == h->line || bytes[lf - 1] != '\r')
        return malformed(h, UNREADABLE "a line of it does not end with CR LF");
    const size_t end = lf - 1;
    if (end == h->line) {
        if (!h->has_line)
            return 0; /* an empty line before a request (RFC 9112, 2.2) */
        h->size = (uint32_t) lf + 1;
        return check_fields(h) ? -EINVAL : 1;
    }
    return h->has_line ? read_field(h, bytes, end)
                       : read_first_line(h, bytes, end);
}

/* Those who speak something else are told so at once. */
static int
is_no_http(const struct head *h, const char *bytes, size_t len)
{
    const char *first = bytes + h->line;
    return !h->has_line && len > h->line
           && !http_head_is_token((unsigned char) *first) && *first != '\r';
}

/* The line does not end, or too late. */
static int
check_rest(struct head *h, const char *bytes, size_t len)
{
    /* how many more there are depends on how they came */
    const size_t all = len > HEAD_MAX_BYTES ? HEAD_MAX_BYTES + 1 : len;
    const char *line = bytes + h->line;
    const size_t n = all - h->line;
    if (len <= HEAD_MAX_BYTES)
        return 0;
    const char *space = h->has_line ? NULL : memchr(line, ' ', n);
    if (space && (size_t) (line + n - space) > HEAD_MAX_TARGET)
        return target_too_long(h);
    return fault(h, 431, "headers_too_large",
                 "the request's head has more than 12288 bytes");
}

int
http_head_feed(struct head *h, const char *bytes, size_t len)
{
    for (;;) {
        if (is_no_http(h, bytes, len))
            return malformed(h, NO_HTTP);
        const char *lf = memchr(bytes + h->seen, '\n', len - h->seen);
        size_t end = lf ? (size_t) (lf - bytes) : len;
        if (!lf || end >= HEAD_MAX_BYTES) {
            h->seen = (uint32_t) end;
            return check_rest(h, bytes, lf ? end + 1 : end);
        }
        int rc = read_line(h, bytes, end);
        if (rc)
            return rc;
        h->line = h->seen = (uint32_t) end + 1;
    }
}

void
http_head_seal(const struct head *h, char *bytes)
{
    bytes[h->method + h->method_len] = 0;
    bytes[h->target + h->target_len] = 0;
    for (size_t i = 0; i < h->count; i++) {
        const struct head_field *f = &h->fields[i];
        bytes[f->name + f->name_len] = 0;
        bytes[f->value + f->value_len] = 0;
    }
}

size_t
http_head_unescape(char *text, size_t len, int plus)
{
    char *out = text;
    for (size_t i = 0; i < len; i++) {
        int high, low;
        if (text[i] == '%' && len - i > 2
            && (high = digits_hex(text[i + 1])) >= 0
            && (low = digits_hex(text[i + 2])) >= 0) {
            *out++ = (char) (high << 4 | low);
            i += 2;
        } else {
            *out++ = plus && text[i] == '+' ? ' ' : text[i];
        }
    }
    return (size_t) (out - text);
}
