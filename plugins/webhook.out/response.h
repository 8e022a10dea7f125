/* SPDX-License-Identifier: MIT */
/* An answer of HTTP/1.1 as it comes, in pieces of any length.
 *
 * As RFC 9112 has it, and nothing that could be read in two ways: a length that
 * is none or that comes twice, a length and chunks at once, a coding that does
 * not end with chunks, a bare CR or a NUL in the head are refused.  All is
 * bounded, and takes time in proportion to what has come.  Informational answers
 * are passed over; what an upgrade would bring was not asked for.
 *
 * Once the head is there (head_done) its status counts, whatever is wrong with
 * the body.  No input or output happens here. */
#ifndef RESPONSE_H
#define RESPONSE_H

#include <stddef.h>
#include <stdint.h>

#define RESPONSE_HEAD_MAX 65536  /* bytes, informational answers included */
#define RESPONSE_BODY_MAX 65536  /* what of a body is read */
#define RESPONSE_LINES_MAX 65536 /* bytes of lines between chunks and behind */
#define RESPONSE_FIELD_MAX 128
#define RESPONSE_LOCATION_MAX 2048

enum response_state {
    RESPONSE_OPEN,  /* more is to come */
    RESPONSE_WHOLE, /* it has come to its end */
    RESPONSE_ENDED  /* nothing of it is to be read any more: see why */
};

enum response_phase {
    RESPONSE_STATUS,
    RESPONSE_FIELDS,
    RESPONSE_LENGTH,     /* a body of `left` bytes more */
    RESPONSE_UNTIL_END,  /* a body up to the end of the connection */
    RESPONSE_CHUNK,      /* the line before a chunk */
    RESPONSE_CHUNK_DATA, /* `left` bytes of it are to come */
    RESPONSE_CHUNK_END,  /* the end of line behind it */
    RESPONSE_TRAILERS
};

struct response {
    enum response_state state;
    enum response_phase phase;
    const char *why; /* RESPONSE_ENDED: a constant, for a person */
    int no_memory;   /* likewise: that was it */

    int status; /* of a final answer, 200 to 599, once head_done */
    int head_done;
    uint64_t received;   /* bytes, of whatever */
    size_t body_len;     /* bytes of the body that were read */
    char *kept;          /* the caller's: its first bytes */
    size_t keep;         /* room there */
    int has_retry_after; /* the first, if it is not longer than the room */
    char retry_after[RESPONSE_FIELD_MAX];
    char *location; /* of a 3xx, the first; or NULL */

    /* Its own. */
    size_t head_len, lines_len;
    uint64_t left, length;
    char *line; /* one of which a part has come */
    size_t line_len, line_room;
    int minor; /* of HTTP/1.x */
    int has_length, chunked, until_end, closes, stays;
    int counts; /* the last field does, and may not go on in another line */
};

/* keep bytes of the body go to kept.  The struct is all 0 the first time. */
void response_begin(struct response *, char *kept, size_t keep);
void response_free(struct response *);
/* More has come: how much of it belongs to the answer.  Less than len only if it
 * is not open any more. */
size_t response_feed(struct response *, const char *bytes, size_t len);
/* Nothing more will come. */
void response_eof(struct response *);
/* Can the connection be used for another request? */
int response_keeps(const struct response *);

#endif
