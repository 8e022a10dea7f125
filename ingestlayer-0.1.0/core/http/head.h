/* SPDX-License-Identifier: MIT */
/* Heads of requests: bytes -> where their parts are, and how long the request
 * is.  What two servers could read as two different requests is refused.
 *
 * Bytes may come one at a time, and may move in between: everything is kept as
 * offsets, and no byte is looked at more often than a few times. */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <stddef.h>
#include <stdint.h>

#define HEAD_MAX_BYTES (12 << 10)
#define HEAD_MAX_FIELDS 100
#define HEAD_MAX_TARGET (8 << 10)

struct head_field {
    uint16_t name, name_len;
    uint16_t value, value_len; /* without white space around it */
};

struct head {
    uint32_t size; /* all of it, once it is complete */
    uint32_t line; /* where the line begins that is still coming */
    uint32_t seen; /* none ends before here */

    uint16_t method, method_len;
    uint16_t target, target_len;
    uint8_t has_line; /* the first line is read */
    uint8_t minor;    /* 1.0 or 1.1 */

    /* how many there are of each */
    uint8_t lengths, encodings, hosts, expects, keys, types, packings;
    unsigned bad_length : 1;
    unsigned bad_encoding : 1;
    unsigned bad_host : 1;
    unsigned bad_expect : 1;
    unsigned says_close : 1; /* Connection: close ... */
    unsigned says_stay : 1;  /* ... and keep-alive */
    uint16_t packing;        /* which field is Content-Encoding */
    uint64_t length;         /* of Content-Length */

    /* why it was refused */
    int status;
    const char *code, *why;

    uint16_t count;
    struct head_field fields[HEAD_MAX_FIELDS];
};

void http_head_begin(struct head *);
/* Read on: bytes[0, len) are what has come of it so far, perhaps with more
 * behind.  1: it is complete; 0: more has to come; -EINVAL: refused, see
 * status, code and why. */
int http_head_feed(struct head *, const char *bytes, size_t len);
/* After a complete one: make C strings of method, target, names and values, in
 * place (each is followed by a byte that is not needed any more). */
void http_head_seal(const struct head *, char *bytes);

static inline int
head_is_chunked(const struct head *h)
{
    return h->encodings > 0;
}

/* Is the connection to live on, as the client sees it? */
static inline int
head_keeps_alive(const struct head *h)
{
    return h->minor ? !h->says_close : h->says_stay && !h->says_close;
}

/* What names, and what values are made of (RFC 9110, 5.6.2 and 5.5). */
int http_head_is_token(unsigned char);
int http_head_is_value(unsigned char);

/* "%41" -> "A", in place, and "+" -> " " where plus is set; other uses of %
 * stay as they are.  Returns the new length; there is no NUL in it unless
 * there is a "%00". */
size_t http_head_unescape(char *text, size_t len, int plus);

#endif
