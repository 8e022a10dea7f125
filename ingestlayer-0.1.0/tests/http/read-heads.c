/* SPDX-License-Identifier: MIT */
/* What core/http_head.c and http_chunk.c make of requests, one in hexadecimal
 * on each line of standard input: "refused", "more", or how many bytes it has,
 * the method, the target, the body and all names and values, in hexadecimal,
 * with blanks between. */
#include "config.h"
#include "http/chunk.h"
#include "http/head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST (64 << 10)

static size_t
read_hex(const char *line, char *out)
{
    size_t n = 0;
    unsigned byte;
    for (; n < MOST && sscanf(line, "%2x", &byte) == 1; line += 2)
        out[n++] = (char) byte;
    return n;
}

static void
print_hex(const char *text, size_t len)
{
    putchar(' ');
    for (size_t i = 0; i < len; i++)
        printf("%02x", (unsigned char) text[i]);
}

/* How many bytes a body has in all; -1: refused; -2: it is not all there. */
static ssize_t
read_chunks(const char *bytes, size_t len, char *body, size_t *body_len)
{
    struct chunk c = { 0 };
    const char *begin = bytes;
    while (len && !http_chunk_ended(&c)) {
        ssize_t n = http_chunk_feed(&c, bytes, len);
        if (n < 0)
            return -1;
        bytes += n;
        len -= (size_t) n;
        size_t data = c.left < len ? (size_t) c.left : len;
        if (!data)
            continue;
        memcpy(body + *body_len, bytes, data);
        *body_len += data;
        bytes += data;
        len -= data;
        http_chunk_took(&c, data);
    }
    return http_chunk_ended(&c) ? bytes - begin : -2;
}

static ssize_t
read_body(const struct head *h, const char *bytes, size_t len, char *body,
          size_t *body_len)
{
    if (head_is_chunked(h))
        return read_chunks(bytes, len, body, body_len);
    if (h->length > len)
        return -2;
    *body_len = (size_t) h->length;
    memcpy(body, bytes, *body_len);
    return (ssize_t) *body_len;
}

static void
read_request(char *bytes, size_t len)
{
    static char body[MOST];
    struct head h;
    size_t body_len = 0;
    ssize_t used = -2;
    http_head_begin(&h);
    int rc = http_head_feed(&h, bytes, len);
    if (rc == 1)
        used = read_body(&h, bytes + h.size, len - h.size, body, &body_len);
    if (used < 0) {
        puts(rc < 0 || used == -1 ? "refused" : "more");
        return;
    }
    http_head_seal(&h, bytes);
    printf("%zd", (ssize_t) h.size + used);
    print_hex(bytes + h.method, strlen(bytes + h.method));
    print_hex(bytes + h.target, strlen(bytes + h.target));
    print_hex(body, body_len);
    for (size_t i = 0; i < h.count; i++) {
        const char *name = bytes + h.fields[i].name;
        const char *value = bytes + h.fields[i].value;
        print_hex(name, strlen(name));
        print_hex(value, strlen(value));
    }
    putchar('\n');
}

int
main(void)
{
    static char bytes[MOST];
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0)
        read_request(bytes, read_hex(line, bytes));
    free(line);
    return 0;
}
