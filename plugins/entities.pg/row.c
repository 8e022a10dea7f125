/* SPDX-License-Identifier: MIT */
#include "row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
rows_open(struct rows *r, const struct il_host *host)
{
    *r = (struct rows){ .host = host };
    r->bytes = il_text_new(host);
    r->cell = il_text_new(host);
    r->json = il_text_new(host);
    r->row = calloc(ROWS_MAX, sizeof *r->row);
    r->at = calloc(2 * ROWS_MAX + 1, sizeof *r->at);
    return r->bytes && r->cell && r->json && r->row && r->at ? 0 : -ENOMEM;
}

void
rows_close(struct rows *r)
{
    il_text_free(r->host, r->bytes);
    il_text_free(r->host, r->cell);
    il_text_free(r->host, r->json);
    free(r->row);
    free(r->at);
}

void
rows_reset(struct rows *r)
{
    r->bytes->len = 0;
    r->count = 0;
}

static char
unescaped(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'v':
        return '\v';
    default:
        return c;
    }
}

/* The next value of a line, in place.  1: there is one; *text NULL: it is null; 0:
 * the line is at its end. */
static int
next_cell(char **at, const char *end, char **text, size_t *len)
{
    char *p = *at, *to = p;
    if (p > end)
        return 0;
    *text = p;
    if (end - p >= 2 && p[0] == '\\' && p[1] == 'N'
        && (p + 2 == end || p[2] == '\t')) {
        *text = NULL;
        *len = 0;
        *at = p + 3;
        return 1;
    }
    for (; p < end && *p != '\t'; p++) {
        if (*p == '\\' && p + 1 < end)
            *to++ = unescaped(*++p);
        else
            *to++ = *p;
    }
    *len = (size_t) (to - *text);
    *at = p + 1;
    return 1;
}

/* A number as JSON writes one?  "NaN" and "Infinity" are none. */
static int
is_number(const char *text, size_t len)
{
    return len && strspn(text + (*text == '-'), "0123456789.eE+-") >= 1
           && strchr("0123456789", text[len - 1]);
}

static int
put_text(struct rows *r, uint32_t type, const char *text, size_t len)
{
    const struct il_value v = { .type = type, .str = text, .len = len };
    return il_write_msgpack(r->host, r->bytes, &v);
}

static int
put_cell(struct rows *r, const struct query_column *c, const char *text,
         size_t len)
{
    struct il_value v = { .type = IL_NULL };
    char digits[24];
    if (!text)
        return il_write_msgpack(r->host, r->bytes, &v);
    switch (c->as) {
    case AS_BOOL:
        v.type = IL_BOOL;
        v.num.i = *text == 't';
        return il_write_msgpack(r->host, r->bytes, &v);
    case AS_INTEGER:
        if (len >= sizeof digits)
            return -EPROTO;
        memcpy(digits, text, len);
        digits[len] = 0;
        v.type = IL_INT;
        v.num.i = strtoll(digits, NULL, 10);
        return il_write_msgpack(r->host, r->bytes, &v);
    case AS_NUMBER:
        return put_text(r, is_number(text, len) ? IL_DECIMAL : IL_STRING, text,
                        len);
    case AS_JSON: {
        int err = il_read_json(r->host, r->json, text, len, &v);
        if (!err)
            return il_write_msgpack(r->host, r->bytes, &v);
        if (err == -ENOMEM)
            return err;
        return put_text(r, IL_STRING, text, len); /* a name twice, say */
    }
    default:
        return put_text(r, IL_STRING, text, len);
    }
}

int
rows_add(struct rows *r, const struct query *q, char *line, size_t len,
         int64_t *watermark_us)
{
    const size_t start = r->bytes->len;
    char *at = line, *id, *text;
    size_t id_len, n;
    if (len && line[len - 1] == '\n')
        len--;
    const char *end = line + len;
    if (!next_cell(&at, end, &id, &id_len) || !next_cell(&at, end, &text, &n))
        return -EPROTO;
    if (text && n < 24) {
        char saved = text[n];
        text[n] = 0;
        int64_t us = strtoll(text, NULL, 10);
        text[n] = saved;
        if (us > *watermark_us)
            *watermark_us = us;
    }
    if (!id) {
        r->nulls++;
        return 0;
    }
    int err = il_text_reserve(r->host, r->bytes, id_len + 1);
    if (err)
        return err;
    memcpy(r->bytes->data + r->bytes->len, id, id_len);
    r->bytes->len += id_len;
    const size_t traits = r->bytes->len;
    const struct il_value map = { .type = IL_MAP,
                                  .count = (uint32_t) q->count };
    err = il_write_msgpack(r->host, r->bytes, &map);
    for (size_t i = 0; i < q->count && !err; i++) {
        const struct query_column *c = &q->columns[i];
        if (!next_cell(&at, end, &text, &n))
            err = -EPROTO;
        if (!err)
            err = put_text(r, IL_STRING, c->name, strlen(c->name));
        if (!err)
            err = put_cell(r, c, text, n);
    }
    if (err) {
        r->bytes->len = start;
        return err;
    }
    r->at[2 * r->count] = start;
    r->at[2 * r->count + 1] = traits;
    r->count++;
    r->at[2 * r->count] = r->bytes->len;
    return 0;
}

const struct il_mirror_row *
rows_ready(struct rows *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const size_t *at = &r->at[2 * i];
        r->row[i] = (struct il_mirror_row){ IL_SIZED(struct il_mirror_row),
                                            .id = r->bytes->data + at[0],
                                            .id_len = at[1] - at[0],
                                            .traits = r->bytes->data + at[1],
                                            .traits_len = at[2] - at[1] };
    }
    return r->row;
}
