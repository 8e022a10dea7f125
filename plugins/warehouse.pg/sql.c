/* SPDX-License-Identifier: MIT */
/* SQL text.  Every name and value that reaches Postgres as SQL goes through
 * sql_ident() and sql_literal(), so that one place decides about quoting. */
#include "sql.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
sql_open(struct sql *s, const struct il_host *host)
{
    s->host = host;
    s->err = 0;
    s->text = il_text_new(host);
    return s->text ? 0 : -ENOMEM;
}

void
sql_close(struct sql *s)
{
    if (s->text)
        il_text_free(s->host, s->text);
    s->text = NULL;
}

void
sql_clear(struct sql *s)
{
    s->text->len = 0;
    s->err = 0;
}

void
sql_put(struct sql *s, const char *bytes, size_t len)
{
    if (s->err || (s->err = il_text_reserve(s->host, s->text, len + 1)))
        return;
    memcpy(s->text->data + s->text->len, bytes, len);
    s->text->len += len;
}

void
sql_printf(struct sql *s, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        s->err = -ENOMEM;
    if (!s->err)
        s->err = il_text_reserve(s->host, s->text, (size_t) n + 1);
    if (!s->err) {
        vsnprintf(s->text->data + s->text->len, (size_t) n + 1, fmt, again);
        s->text->len += (size_t) n;
    }
    va_end(again);
}

static void
put_doubled(struct sql *s, const char *text, char quote, char also)
{
    for (const char *p = text; *p; p++) {
        if (*p == quote || (also && *p == also))
            sql_put(s, p, 1);
        sql_put(s, p, 1);
    }
}

void
sql_ident(struct sql *s, const char *name)
{
    sql_put(s, "\"", 1);
    put_doubled(s, name, '"', 0);
    sql_put(s, "\"", 1);
}

void
sql_literal(struct sql *s, const char *text)
{
    int escapes = strchr(text, '\\') != NULL;
    sql_put(s, escapes ? " E'" : "'", escapes ? 3 : 1);
    put_doubled(s, text, '\'', escapes ? '\\' : 0);
    sql_put(s, "'", 1);
}

const char *
sql_str(struct sql *s)
{
    if (s->err || (s->err = il_text_reserve(s->host, s->text, 1)))
        return NULL;
    s->text->data[s->text->len] = 0;
    return s->text->data;
}

/* One part of a dotted name at *p, unfolded into out. 0 or -EINVAL. */
static int
name_part(const char **p, char *out)
{
    const char *q = *p;
    size_t n = 0;
    if (*q == '"') {
        for (q++;; q++) {
            if (!*q)
                return -EINVAL;
            if (*q == '"' && *++q != '"')
                break;
            out[n++] = *q;
        }
    } else {
        unsigned char c = (unsigned char) *q;
        if (!isalpha(c) && c != '_' && c < 0x80)
            return -EINVAL;
        for (; (c = (unsigned char) *q) != 0; q++) {
            if (!isalnum(c) && c != '_' && c != '$' && c < 0x80)
                break;
            out[n++] = (char) (c >= 'A' && c <= 'Z' ? c + 32 : c);
        }
    }
    out[n] = 0;
    *p = q;
    return n ? 0 : -EINVAL;
}

static char *
quote_into(char *to, const char *name)
{
    *to++ = '"';
    for (; *name; name++) {
        if (*name == '"')
            *to++ = '"';
        *to++ = *name;
    }
    *to++ = '"';
    return to;
}

int
sql_name_parse(const char *text, struct sql_name *t, size_t *at)
{
    size_t n = strlen(text) + 1;
    const char *p = text;
    *t = (struct sql_name){ 0 };
    *at = 0;
    t->table = malloc(n);
    t->quoted = malloc(2 * n + 8);
    if (!t->table || !t->quoted)
        goto no_memory;
    if (name_part(&p, t->table))
        goto bad;
    if (*p == '.') {
        p++;
        t->schema = t->table;
        t->table = malloc(n);
        if (!t->table)
            goto no_memory;
        if (name_part(&p, t->table))
            goto bad;
    }
    if (*p)
        goto bad;
    char *q = t->quoted;
    if (t->schema) {
        q = quote_into(q, t->schema);
        *q++ = '.';
    }
    *quote_into(q, t->table) = 0;
    return 0;
bad:
    *at = (size_t) (p - text);
    sql_name_clear(t);
    return -EINVAL;
no_memory:
    sql_name_clear(t);
    return -ENOMEM;
}

void
sql_name_clear(struct sql_name *t)
{
    free(t->schema);
    free(t->table);
    free(t->quoted);
    *t = (struct sql_name){ 0 };
}
