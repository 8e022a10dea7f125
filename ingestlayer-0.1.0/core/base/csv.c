/* SPDX-License-Identifier: MIT */
#include "csv.h"

#include <errno.h>
#include <stdlib.h>

/* Where in a record the reader is. */
enum {
    CSV_START,  /* of a field */
    CSV_PLAIN,  /* in a field without quotes */
    CSV_QUOTED, /* between quotes */
    CSV_QUOTE,  /* behind a quote that ends the field or is doubled */
    CSV_CR      /* behind a CR that must be followed by LF */
};

void
csv_open(struct csv *c, FILE *in, char delimiter)
{
    *c = (struct csv){ .in = in,
                       .delimiter = (unsigned char) delimiter,
                       .next_line = 1 };
    static const unsigned char mark[] = { 0xEF, 0xBB, 0xBF };
    for (int i = 0; i < 3; i++) {
        int ch = getc(in);
        if (ch == EOF)
            return;
        c->ahead[c->ahead_end++] = (unsigned char) ch;
        if (ch != mark[i])
            return; /* not the mark, but text that begins like it */
    }
    c->ahead_end = 0;
}

static int
csv_getc(struct csv *c)
{
    if (c->ahead_at < c->ahead_end)
        return c->ahead[c->ahead_at++];
    return getc_unlocked(c->in);
}

void
csv_clear(struct csv *c)
{
    text_clear(&c->bytes);
    free(c->ends);
    *c = (struct csv){ 0 };
}

static void
csv_wrong(struct csv *c, const char *error)
{
    if (!c->error)
        c->error = error;
}

static int
csv_byte(struct csv *c, int ch)
{
    if (c->bytes.len >= CSV_RECORD_MAX) {
        csv_wrong(c, "the record is longer than 1 MiB");
        return 0;
    }
    return text_putc(&c->bytes, (char) ch);
}

static int
csv_field_end(struct csv *c)
{
    if (c->count == CSV_FIELDS_MAX) {
        csv_wrong(c, "the record has more than 4096 fields");
        return 0;
    }
    if (c->count == c->capacity) {
        size_t capacity = c->capacity ? c->capacity * 2 : 16;
        size_t *ends = realloc(c->ends, capacity * sizeof(*ends));
        if (!ends)
            return -ENOMEM;
        c->ends = ends;
        c->capacity = capacity;
    }
    c->ends[c->count++] = c->bytes.len;
    return 0;
}

/* Take one byte that does not end the record; the next state or -ENOMEM. */
static int
csv_step(struct csv *c, int state, int ch)
{
    if (state == CSV_QUOTED)
        return ch == '"' ? CSV_QUOTE : csv_byte(c, ch) ? -ENOMEM : CSV_QUOTED;
    if (state == CSV_QUOTE && ch == '"')
        return csv_byte(c, ch) ? -ENOMEM : CSV_QUOTED;
    if (state == CSV_CR)
        csv_wrong(c, "a carriage return outside quotes");
    if (ch == c->delimiter)
        return csv_field_end(c) ? -ENOMEM : CSV_START;
    if (ch == '\r')
        return CSV_CR;
    if (state == CSV_START && ch == '"')
        return CSV_QUOTED;
    if (state == CSV_QUOTE)
        csv_wrong(c, "text behind a closing quote");
    else if (ch == '"')
        csv_wrong(c, "a quote inside a field that does not begin with one");
    return csv_byte(c, ch) ? -ENOMEM : CSV_PLAIN;
}

/* Read up to the end of a record.  1, 0 at the end of the stream, -ENOMEM. */
static int
csv_record(struct csv *c)
{
    int state = CSV_START, any = 0;
    c->line = c->next_line;
    c->bytes.len = c->count = 0;
    c->error = NULL;
    for (;;) {
        int ch = csv_getc(c);
        if (ch == '\n')
            c->next_line++;
        if (ch == EOF || (ch == '\n' && state != CSV_QUOTED))
            break;
        any = 1;
        state = csv_step(c, state, ch);
        if (state < 0)
            return state;
    }
    if (feof(c->in) && !any)
        return 0;
    if (state == CSV_QUOTED)
        csv_wrong(c, "a quote that is never closed");
    return csv_field_end(c) ? -ENOMEM : 1;
}

int
csv_next(struct csv *c)
{
    for (;;) {
        int n = csv_record(c);
        if (ferror(c->in))
            return -EIO;
        if (n <= 0)
            return n;
        if (c->error)
            return -EINVAL;
        if (c->count > 1 || c->bytes.len)
            return 1;
        /* an empty line */
    }
}

struct slice
csv_field(const struct csv *c, size_t i)
{
    size_t start = i ? c->ends[i - 1] : 0;
    /* of empty fields alone there are no bytes */
    const char *bytes = c->bytes.data ? c->bytes.data : "";
    return slice_of(bytes + start, c->ends[i] - start);
}
