/* SPDX-License-Identifier: MIT */
/* Bundles: events of a spool as they travel in one message of a stream.
 * ingestlayer-bundles(5) is the format.  Needs no host. */
#ifndef BUNDLE_H
#define BUNDLE_H

#include <stddef.h>
#include <stdint.h>

#define BUNDLE_FORMAT 1
#define BUNDLE_HEAD 16    /* bytes before the body of a frame */
#define BUNDLE_MAX 524288 /* bytes, unless it is one event */

/* One frame: an event under the position that it has in its origin's spool. */
struct bundle_frame {
    uint64_t position;
    const char *body; /* msgpack */
    size_t len;
};

/* What a message says of itself in its headers. */
struct bundle_said {
    char spool[37];     /* UUID, as text */
    uint32_t set_backs; /* positions of which life of the spool */
    uint64_t first, last, prev;
};

/* Write the head of a frame whose body stands behind it. */
void bundle_put_head(char head[BUNDLE_HEAD], uint64_t position,
                     const char *body, size_t len);
/* The frame at *p, and *p behind it.  1; 0 at the end; -1: it is cut off, or not
 * what was written, or its position is not above after.  Of a frame that is
 * damaged but ends before end *p is behind it all the same: the next may be
 * whole. */
int bundle_next(const char **p, const char *end, uint64_t after,
                struct bundle_frame *out);
/* A number of a header: digits and nothing else.  1 or 0. */
int bundle_number(const char *text, uint64_t max, uint64_t *out);
/* Which of `partitions` a text belongs to: FNV-1a of 64 bits. */
uint32_t bundle_partition(const char *text, size_t len, uint32_t partitions);

#endif
