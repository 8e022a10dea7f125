/* SPDX-License-Identifier: MIT */
/* Heads of requests: what two servers could read as two different requests is
 * refused, and the connection closed.
 *
 * libmicrohttpd before 1.0 is generous: it takes a bare LF for the end of a
 * line, cuts values at a NUL, and of a folded line it makes another name.  All
 * of that is still to be seen in the bytes it has parsed, which it leaves where
 * they were, with 0 for each of the characters that end something. */
#include "http_private.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Heads larger than this leave libmicrohttpd too little room for the head of
 * the answer. */
#define HEAD_MAX_BYTES (12 << 10)
#define HEAD_MAX_FIELDS 100
#define TARGET_MAX_BYTES (8 << 10)

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

/* --- the target ----------------------------------------------------------- */

void *
http_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    (void) cls;
    (void) mhd;
    const char *end = target ? skip(target, TARGET) : NULL;
    if (!end || *end
        || (memchr(target, '%', (size_t) (end - target))
            && strstr(target, "%00")))
        return NULL;
    return (void *) (uintptr_t) end;
}

/* --- the bytes ------------------------------------------------------------ */

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

/* Fields are counted, to compare with how many the library found. */
static const char *
scan_fields(const char *p, const char *end, unsigned *fields)
{
    /* the 0s of the last line end every loop here */
    if (end - p < 4 || end[-1] || end[-2] || p[0] || p[1])
        return "a line of it does not end with CR LF";
    p += 2;
    while (p + 2 < end) {
        const char *name = p;
        p = skip(p, TOKEN);
        if (p == name)
            return *name == ' ' || *name == '\t'
                       ? "a line of it begins with white space"
                       : "a field of it has no name, or has two lines";
        if (*p++)
            return "a field's name has characters that no name has";
        p = skip_value(p, end);
        if (p[0] || p + 1 >= end || p[1])
            return *p ? "a field's value has control characters"
                      : "a line of it does not end with CR LF";
        p += 2;
        ++*fields;
    }
    return p + 2 == end ? NULL : "a line of it does not end with CR LF";
}

static const char *
scan(const struct il_request *req, const char *version, const char *target_end,
     size_t size, unsigned *fields)
{
    const char *method_end = req->method + strlen(req->method);
    if (method_end + 1 != req->path || target_end + 1 != version)
        return "its first line is not METHOD, space, path, space, version";
    return scan_fields(version + strlen(version), req->method + size, fields);
}

/* --- fields that say how long a request is ------------------------------- */

struct framing {
    int is_lax; /* fields are looked at in scan_fields() */
    unsigned fields;
    int lengths, encodings, hosts, expects, keys, types, packings;
    int bad_length, bad_encoding, bad_host, bad_expect;
    int bad_field;
    const char *length, *packing;
};

static int
is_name(const char *name, const char *wanted, size_t len)
{
    return !strncasecmp(name, wanted, len);
}

static void
note_length(struct framing *f, const char *value, size_t len)
{
    f->lengths++;
    f->length = value;
    f->bad_length |= !len || len > 18 || strspn(value, "0123456789") != len;
}

static enum MHD_Result
note_field(void *arg, enum MHD_ValueKind of, const char *name, size_t name_len,
           const char *value, size_t len)
{
    struct framing *f = arg;
    (void) of;
    f->fields++;
    if (!value) {
        value = "";
        len = 0;
    }
    if (!f->is_lax)
        f->bad_field |= *skip(name, TOKEN) || *skip(value, VALUE);
    switch (name_len) {
    case 4:
        if (!is_name(name, "Host", 4))
            break;
        f->hosts++;
        f->bad_host |= *skip(value, HOST) != 0;
        break;
    case 6:
        if (!is_name(name, "Expect", 6))
            break;
        f->expects++;
        f->bad_expect |= len != 12 || strcasecmp(value, "100-continue") != 0;
        break;
    case 12:
        f->types += is_name(name, "Content-Type", 12);
        break;
    case 13:
        f->keys += is_name(name, "Authorization", 13);
        break;
    case 14:
        if (is_name(name, "Content-Length", 14))
            note_length(f, value, len);
        break;
    case 16:
        if (!is_name(name, "Content-Encoding", 16))
            break;
        f->packings++;
        f->packing = value;
        break;
    case 17:
        if (!is_name(name, "Transfer-Encoding", 17))
            break;
        f->encodings++;
        f->bad_encoding |= len != 7 || strcasecmp(value, "chunked") != 0;
        break;
    default:
        break;
    }
    return MHD_YES;
}

static void
malformed(struct il_request *req, const char *why)
{
    request_error(req, 400, "bad_request", "the request cannot be read: %s",
                  why);
}

/* 0, or -EINVAL after an answer. */
static int
check_framing(struct il_request *req, const struct framing *f, int is_1_0)
{
    if (f->keys > 1 || f->types > 1 || f->packings > 1)
        request_error(req, 400, "bad_framing",
                      "Authorization, Content-Type or Content-Encoding comes "
                      "twice");
    else if (f->lengths > 1 || f->encodings > 1 || f->bad_length
             || (f->lengths && f->encodings) || (f->encodings && is_1_0))
        request_error(req, 400, "bad_framing",
                      "the headers do not say unmistakably how long the "
                      "request is");
    else if (f->hosts > 1 || f->bad_host || (!f->hosts && !is_1_0))
        request_error(req, 400, "bad_host",
                      "HTTP/1.1 needs one Host header, with a name or address "
                      "and nothing else");
    else if (f->bad_encoding)
        request_error(req, 501, "unsupported_transfer_encoding",
                      "chunked is the only transfer encoding here");
    else if (f->bad_expect && !is_1_0)
        request_error(req, 417, "expectation_failed",
                      "100-continue is the only expectation here");
    else
        return 0;
    return -EINVAL;
}

static void
check_target(struct il_request *req)
{
    if (req->path[0] != '/'
        && (strcmp(req->path, "*") || strcmp(req->method, "OPTIONS")))
        request_error(req, 400, "bad_path",
                      "the request names no path: this is no proxy");
}

/* --- all of it ------------------------------------------------------------ */

int
head_check(struct il_request *req, const char *version, const char *target_end)
{
    const int lax = req->conn->loop->http->lax_library;
    struct framing f = { .is_lax = lax };
    unsigned seen = 0;
    const char *why = NULL;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        req->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const size_t size = info ? info->header_size : 0;
    MHD_get_connection_values_n(req->mhd, MHD_HEADER_KIND, note_field, &f);
    req->chunked = f.encodings > 0;
    req->has_length = f.lengths > 0;
    req->length = f.length ? strtoull(f.length, NULL, 10) : 0;
    req->packing = f.packing;
    if (!target_end) {
        request_error(req, 400, "bad_path",
                      "the path has characters that no path has");
    } else if (target_end - req->path > TARGET_MAX_BYTES) {
        request_error(req, 414, "path_too_long",
                      "the path and its query have more than %d bytes",
                      TARGET_MAX_BYTES);
    } else if (size > HEAD_MAX_BYTES || f.fields > HEAD_MAX_FIELDS) {
        request_error(req, 431, "headers_too_large",
                      "the request's head has more than %d bytes or %d fields",
                      HEAD_MAX_BYTES, HEAD_MAX_FIELDS);
    } else if (*skip(req->method, TOKEN)) {
        malformed(req, "its method has characters that no method has");
    } else if (f.bad_field) {
        malformed(req, "a field has characters that no field has");
    } else if (lax
               && ((why = scan(req, version, target_end, size, &seen))
                   || seen != f.fields)) {
        malformed(req, why ? why : "a field's value has a NUL");
    } else if (!check_framing(req, &f, !strcmp(version, "HTTP/1.0"))) {
        check_target(req);
    }
    if (!req->status) {
        /* Of chunks we see only what the library made of them: what comes
         * after them on the connection is not trusted. */
        req->shut = req->chunked && lax;
        return f.expects;
    }
    req->shut = 1;
    return -1;
}

int
head_library_is_lax(void)
{
    return atoi(MHD_get_version()) < 1;
}
