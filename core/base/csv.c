/* SPDX-License-Identifier: MIT */
#include "csv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
}

/* Read the first line ahead, as far as a record may go. */
static int
csv_look(struct csv *c)
{
    int ch;
    while (c->ahead.len < CSV_RECORD_MAX && (ch = getc(c->in)) != EOF) {
        if (text_putc(&c->ahead, (char) ch))
            return -ENOMEM;
        if (ch == '\n')
            break;
    }
    return 0;
}

static int
csv_stands_in(const struct csv *c, char delimiter)
{
    int quoted = 0;
    for (size_t i = c->ahead_at; i < c->ahead.len; i++) {
        quoted ^= c->ahead.data[i] == '"';
        if (c->ahead.data[i] == delimiter && !quoted)
            return 1;
    }
    return 0;
}

/* What stands before the header, and between fields. */
static int
csv_begin(struct csv *c)
{
    static const char guesses[] = { ',', ';', '\t' };
    int err = csv_look(c);
    if (err || !c->ahead.len)
        return err;
    const char *line = c->ahead.data;
    size_t len = c->ahead.len;
    if (len >= 3 && !memcmp(line, "\xEF\xBB\xBF", 3))
        c->ahead_at = 3;
    line += c->ahead_at;
    len -= c->ahead_at;
    if (len >= 6 && len <= 7 && !memcmp(line, "sep=", 4)
        && (line[5] == '\n' || line[5] == '\r')) {
        if (!c->delimiter)
            c->delimiter = (unsigned char) line[4];
        c->ahead_at = c->ahead.len;
        c->next_line = 2;
    }
    for (size_t i = 0; i < sizeof(guesses) && !c->delimiter; i++)
        if (csv_stands_in(c, guesses[i]))
            c->delimiter = guesses[i];
    if (!c->delimiter)
        c->delimiter = ','; /* one column */
    return 0;
}

static int
csv_getc(struct csv *c)
{
    if (c->ahead_at < c->ahead.len)
        return (unsigned char) c->ahead.data[c->ahead_at++];
    return getc_unlocked(c->in);
}

void
csv_clear(struct csv *c)
{
    text_clear(&c->ahead);
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
        csv_wrong(c, "a carriage return that no line feed follows; save it "
                     "with the line ends of Windows or Unix");
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
    if (c->next_line == 1 && !c->ahead.len) {
        int err = csv_begin(c);
        if (err)
            return err;
    }
    for (;;) {
        errno = 0;
        int n = csv_record(c);
        if (ferror(c->in))
            return errno ? -errno : -EIO;
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
