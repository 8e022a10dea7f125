/* SPDX-License-Identifier: MIT */
/* Bodies in chunks (RFC 9112, 7.1), byte by byte if need be.  Extensions and
 * trailers are read and ignored; what is no chunk is refused, as somebody else
 * might see the next request in it. */
#ifndef HTTP_CHUNK_H
#define HTTP_CHUNK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes that are no data, beside a size and two line ends for each chunk: all
 * extensions and trailers of a body together. */
#define CHUNK_MAX_EXTRA (8 << 10)

struct chunk {
    uint64_t left;  /* bytes of data that come next */
    uint64_t size;  /* so far as it has come */
    uint32_t extra; /* of CHUNK_MAX_EXTRA */
    uint8_t state;
    uint8_t digits;
};

/* A zeroed one is at the beginning. */

/* Is the body over? */
int http_chunk_ended(const struct chunk *);
/* Read on, up to data or the end of the body: how many bytes are used up, or
 * -EINVAL.  Where chunk->left is not 0 afterwards, so many bytes of data come
 * next; take them, and say so with http_chunk_took(). */
ssize_t http_chunk_feed(struct chunk *, const char *bytes, size_t len);
void http_chunk_took(struct chunk *, size_t len);

#endif
