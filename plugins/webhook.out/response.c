/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* memrchr() */
#include "response.h"

#include "token.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
response_begin(struct response *r, char *kept, size_t keep)
{
    free(r->location);
    /* The line's memory stays for the next answer. */
    *r = (struct response){
        .kept = kept, .keep = keep, .line = r->line, .line_room = r->line_room
    };
}

void
response_free(struct response *r)
{
    free(r->line);
    free(r->location);
    r->line = r->location = NULL;
    r->line_room = 0;
}

static void
ended(struct response *r, const char *why)
{
    r->state = RESPONSE_ENDED;
    r->why = why;
}

/* --- the head ------------------------------------------------------------- */

static int
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int
is_word(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && !strncasecmp(text, word, len);
}

static void
take_status(struct response *r, const char *line, size_t len)
{
    if (len < 12 || memcmp(line, "HTTP/1.", 7) || !is_digit(line[7])
        || line[8] != ' ' || !is_digit(line[9]) || !is_digit(line[10])
        || !is_digit(line[11]) || (len > 12 && line[12] != ' ')) {
        ended(r, "the first line is none of HTTP/1.1");
        return;
    }
    r->minor = line[7] - '0';
    r->status =
        (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    r->phase = RESPONSE_FIELDS;
    if (r->status < 100 || r->status > 599)
        ended(r, "there is no such status");
    else if (r->status == 101)
        ended(r, "it changes to a protocol that nobody has asked for");
}

static void
take_length(struct response *r, const char *value, size_t len)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < len && is_digit(value[i]) && n <= UINT64_MAX / 100; i++)
        n = n * 10 + (uint64_t) (value[i] - '0');
    if (!len || i < len)
        ended(r, "Content-Length is no number");
    else if (r->has_length && n != r->length)
        ended(r, "there are two of Content-Length");
    r->has_length = 1;
    r->length = n;
}

static void
take_coding(struct response *r, const char *value, size_t len)
{
    if (r->chunked)
        ended(r, "there are two of Transfer-Encoding");
    /* Codings before the last are those of the body, which is kept as it is. */
    const char *comma = memrchr(value, ',', len);
    const size_t before = comma ? (size_t) (comma + 1 - value) : 0;
    value += before;
    len -= before;
    while (len && is_blank(*value)) {
        value++;
        len--;
    }
    if (!is_word(value, len, "chunked"))
        ended(r, "its Transfer-Encoding is none that is known");
    r->chunked = 1;
}

static void
take_connection(struct response *r, const char *value, size_t len)
{
    for (size_t i = 0, from; i < len; i++) {
        while (i < len && (is_blank(value[i]) || value[i] == ','))
            i++;
        for (from = i; i < len && value[i] != ','; i++)
            ;
        size_t n = i - from;
        while (n && is_blank(value[from + n - 1]))
            n--;
        r->closes |= is_word(value + from, n, "close");
        r->stays |= is_word(value + from, n, "keep-alive");
    }
}

static void
take_location(struct response *r, const char *value, size_t len)
{
    if (r->status / 100 != 3 || r->location || len > RESPONSE_LOCATION_MAX)
        return;
    if (!(r->location = strndup(value, len))) {
        r->no_memory = 1;
        ended(r, "no memory");
    }
}

static void
take_retry_after(struct response *r, const char *value, size_t len)
{
    if (r->has_retry_after || len >= sizeof(r->retry_after))
        return;
    memcpy(r->retry_after, value, len);
    r->retry_after[len] = 0;
    r->has_retry_after = 1;
}

static void
take_field(struct response *r, const char *line, size_t len)
{
    static const struct {
        const char *name;
        size_t len;
        void (*take)(struct response *, const char *value, size_t len);
    } all[] = { { "Content-Length", 14, take_length },
                { "Transfer-Encoding", 17, take_coding },
                { "Connection", 10, take_connection },
                { "Retry-After", 11, take_retry_after },
                { "Location", 8, take_location } };
    if (is_blank(*line)) { /* the line before it goes on */
        if (r->counts)
            ended(r, "a field that counts has more than a line");
        return;
    }
    const char *colon = memchr(line, ':', len);
    const size_t name = colon ? (size_t) (colon - line) : 0;
    if (!name || !is_token(line, name)) {
        ended(r, "a line of its head is no field");
        return;
    }
    const char *value = colon + 1, *end = line + len;
    while (value < end && is_blank(*value))
        value++;
    while (end > value && is_blank(end[-1]))
        end--;
    r->counts = 0;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (name == all[i].len && !strncasecmp(line, all[i].name, name)) {
            r->counts = 1;
            all[i].take(r, value, (size_t) (end - value));
        }
}

/* All fields are there: what follows? */
static void
end_head(struct response *r)
{
    const int has_body = r->status != 204 && r->status != 304;
    if (r->chunked && r->has_length) {
        ended(r, "it has both a length and chunks");
        return;
    }
    if (r->chunked && !r->minor) {
        ended(r, "HTTP/1.0 has no chunks");
        return;
    }
    if (r->status < 200) {
        const size_t head_len = r->head_len;
        const uint64_t received = r->received;
        response_begin(r, r->kept, r->keep);
        r->received = received;
        r->head_len = head_len;
        return;
    }
    r->head_done = 1;
    r->left = r->length;
    r->phase = !has_body       ? RESPONSE_LENGTH
               : r->chunked    ? RESPONSE_CHUNK
               : r->has_length ? RESPONSE_LENGTH
                               : RESPONSE_UNTIL_END;
    r->until_end = r->phase == RESPONSE_UNTIL_END;
    if (!has_body) {
        r->closes |= r->chunked; /* of which nobody knows whether they come */
        r->left = 0;
    }
    if (r->phase == RESPONSE_LENGTH && !r->left)
        r->state = RESPONSE_WHOLE;
}

/* --- chunks --------------------------------------------------------------- */

static int
hex(char c)
{
    return is_digit(c)            ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void
take_chunk(struct response *r, const char *line, size_t len)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < len && hex(line[i]) >= 0 && n < UINT64_MAX / 16; i++)
        n = n * 16 + (uint64_t) hex(line[i]);
    const size_t digits = i;
    while (i < len && is_blank(line[i]))
        i++;
    if (!digits || (i < len && line[i] != ';'))
        ended(r, "a chunk has no length");
    r->left = n;
    r->phase = n ? RESPONSE_CHUNK_DATA : RESPONSE_TRAILERS;
}

/* --- lines ---------------------------------------------------------------- */

static int
in_head(const struct response *r)
{
    return r->phase == RESPONSE_STATUS || r->phase == RESPONSE_FIELDS;
}

/* A whole line, with its LF. */
static void
take_line(struct response *r, const char *line, size_t len)
{
    const int strict = len > 1 && line[len - 2] == '\r';
    len -= strict ? 2 : 1;
    if (memchr(line, '\r', len) || memchr(line, 0, len)) {
        ended(r, "a line of it has a character that none may have");
        return;
    }
    /* A head may do with LF alone, as RFC 9112, 2.2 allows. */
    if (!in_head(r) && !strict) {
        ended(r, "a line between chunks has no end");
        return;
    }
    switch (r->phase) {
    case RESPONSE_STATUS:
        take_status(r, line, len);
        return;
    case RESPONSE_FIELDS:
        len ? take_field(r, line, len) : end_head(r);
        return;
    case RESPONSE_CHUNK:
        take_chunk(r, line, len);
        return;
    case RESPONSE_CHUNK_END:
        r->phase = RESPONSE_CHUNK;
        if (len)
            ended(r, "a chunk is longer than it says");
        return;
    default: /* trailers say nothing to us */
        if (!len)
            r->state = RESPONSE_WHOLE;
    }
}

/* Whatever is no HTTP shows it at once, and may never end its line. */
static int
may_be_status(const char *line, size_t len)
{
    return !memcmp(line, "HTTP/1.", len < 7 ? len : 7);
}

static int
keep_part(struct response *r, const char *bytes, size_t len)
{
    if (len > r->line_room - r->line_len) {
        size_t room = r->line_room ? r->line_room : 256;
        while (room < r->line_len + len)
            room *= 2;
        char *line = realloc(r->line, room);
        if (!line) {
            r->no_memory = 1;
            ended(r, "no memory");
            return -1;
        }
        r->line = line;
        r->line_room = room;
    }
    memcpy(r->line + r->line_len, bytes, len);
    r->line_len += len;
    return 0;
}

static size_t
feed_line(struct response *r, const char *bytes, size_t len)
{
    size_t *count = in_head(r) ? &r->head_len : &r->lines_len;
    const size_t room =
        (in_head(r) ? RESPONSE_HEAD_MAX : RESPONSE_LINES_MAX) - *count;
    const size_t part = len < room ? len : room;
    const char *end = memchr(bytes, '\n', part);
    const size_t n = end ? (size_t) (end + 1 - bytes) : part;
    *count += n;
    if (!end && part < len) {
        ended(r,
              in_head(r) ? "its head does not end" : "its chunks do not end");
        return n;
    }
    if (end && !r->line_len) {
        take_line(r, bytes, n);
        return n;
    }
    if (keep_part(r, bytes, n))
        return n;
    if (end) {
        const size_t whole = r->line_len;
        r->line_len = 0;
        take_line(r, r->line, whole);
    } else if (r->phase == RESPONSE_STATUS
               && !may_be_status(r->line, r->line_len)) {
        ended(r, "the first line is none of HTTP/1.1");
    }
    return n;
}

/* --- the body ------------------------------------------------------------- */

static size_t
feed_body(struct response *r, const char *bytes, size_t len)
{
    const int bounded = r->phase != RESPONSE_UNTIL_END;
    if (bounded && r->left < len)
        len = (size_t) r->left;
    if (r->body_len < r->keep) {
        const size_t room = r->keep - r->body_len;
        memcpy(r->kept + r->body_len, bytes, len < room ? len : room);
    }
    r->body_len += len;
    if (bounded)
        r->left -= len;
    if (bounded && !r->left) {
        if (r->phase == RESPONSE_CHUNK_DATA)
            r->phase = RESPONSE_CHUNK_END;
        else
            r->state = RESPONSE_WHOLE;
    }
    if (r->body_len > RESPONSE_BODY_MAX)
        ended(r, "more comes than is read");
    return len;
}

static int
is_body(const struct response *r)
{
    return r->phase == RESPONSE_LENGTH || r->phase == RESPONSE_UNTIL_END
           || r->phase == RESPONSE_CHUNK_DATA;
}

size_t
response_feed(struct response *r, const char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len && r->state == RESPONSE_OPEN)
        at += (is_body(r) ? feed_body : feed_line)(r, bytes + at, len - at);
    r->received += at;
    return at;
}

void
response_eof(struct response *r)
{
    if (r->state != RESPONSE_OPEN)
        return;
    if (r->until_end)
        r->state = RESPONSE_WHOLE;
    else
        ended(r, "the connection ended before it did");
}

int
response_keeps(const struct response *r)
{
    return r->state == RESPONSE_WHOLE && !r->until_end && !r->closes
           && (r->minor || r->stays);
}
