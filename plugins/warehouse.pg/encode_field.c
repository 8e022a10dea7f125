/* SPDX-License-Identifier: MIT */
/* Fields of a COPY row: their framing in both formats, and what is said about a
 * value that does not fit. */
#include "put.h"

#include "fold.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
encode_open(struct encoder *e, const struct il_host *host, int refuse_bad_text)
{
    memset(e, 0, sizeof *e);
    e->host = host;
    e->refuse_bad_text = refuse_bad_text;
    e->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t) 0);
    e->scratch = il_text_new(host);
    e->json = il_text_new(host);
    return e->c_locale && e->scratch && e->json ? 0 : -ENOMEM;
}

void
encode_close(struct encoder *e)
{
    if (e->scratch)
        il_text_free(e->host, e->scratch);
    if (e->json)
        il_text_free(e->host, e->json);
    e->scratch = e->json = NULL;
    if (e->row)
        il_row_free(e->host, e->row);
    if (e->plan)
        plan_unref(e->plan);
    if (e->c_locale)
        freelocale(e->c_locale);
    fold_free(e);
    free(e->seen);
    e->seen = NULL;
    e->row = NULL;
    e->plan = NULL;
    e->c_locale = (locale_t) 0;
}

int
encode_bad(struct encoder *e, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->misfit.message, sizeof e->misfit.message, fmt, ap);
    va_end(ap);
    snprintf(e->misfit.code, sizeof e->misfit.code, "%s", code);
    return ENCODE_BAD;
}

const char *
encode_scalar(const struct il_value *v, char *buf, size_t *len)
{
    int n = 0;
    switch (v->type) {
    case IL_BOOL:
        *len = v->num.i ? 4 : 5;
        return v->num.i ? "true" : "false";
    case IL_INT:
        n = snprintf(buf, 48, "%lld", (long long) v->num.i);
        break;
    case IL_UINT:
        n = snprintf(buf, 48, "%llu", (unsigned long long) v->num.u);
        break;
    case IL_DECIMAL:
    case IL_STRING:
        *len = v->len;
        return v->str;
    default:
        return NULL;
    }
    *len = (size_t) n;
    return buf;
}

/* The start of a value, printable, for a message. */
static void
show(char *to, size_t size, const struct il_value *v)
{
    char buf[48];
    size_t len, n = 0;
    const char *s = encode_scalar(v, buf, &len);
    if (!s) {
        snprintf(to, size, "%s",
                 v->type == IL_ARRAY  ? "an array"
                 : v->type == IL_MAP  ? "an object"
                 : v->type == IL_TIME ? "a time"
                                      : "nothing");
        return;
    }
    int text = v->type == IL_STRING;
    if (text)
        to[n++] = '"';
    size_t i = 0;
    for (; i < len && n + 8 < size; i++)
        to[n++] = (unsigned char) s[i] < 32 || s[i] == 127 ? '?' : s[i];
    /* Do not cut a character in two. */
    while (i < len && i > 0 && ((unsigned char) s[i] & 0xc0) == 0x80)
        i--, n--;
    snprintf(to + n, size - n, "%s%s", i < len ? "..." : "", text ? "\"" : "");
}

int
encode_bad_value(struct encoder *e, const char *code, const struct column *c,
                 const struct il_value *v)
{
    char value[100];
    show(value, sizeof value, v);
    if (strcmp(code, "22008") == 0)
        return encode_bad(e, code, "date/time field value out of range: %s",
                          value);
    return encode_bad(e, code, "invalid input syntax for type %s: %s",
                      c->type_name, value);
}

int
encode_out_of_range(struct encoder *e, const struct column *c,
                    const struct il_value *v)
{
    char value[100];
    show(value, sizeof value, v);
    return encode_bad(e, "22003", "value %s is out of range for type %s", value,
                      c->type_name);
}

int
encode_binary(struct encoder *e, const void *bytes, size_t len)
{
    if (il_text_reserve(e->host, e->out, len + 4))
        return -ENOMEM;
    char *p = e->out->data + e->out->len;
    encode_length(p, len);
    if (len)
        memcpy(p + 4, bytes, len);
    e->out->len += len + 4;
    return 0;
}

int
encode_number(struct encoder *e, uint64_t n, unsigned size)
{
    if (il_text_reserve(e->host, e->out, 4 + sizeof n))
        return -ENOMEM;
    char *p = e->out->data + e->out->len;
    uint64_t be = htobe64(n << (64 - 8 * size));
    encode_length(p, size);
    memcpy(p + 4, &be, sizeof be);
    e->out->len += 4 + size;
    return 0;
}

/* The letter after the backslash, or 0: stands for itself. */
static char
copy_escape(char c)
{
    switch (c) {
    case '\\':
        return '\\';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

int
encode_text(struct encoder *e, const char *s, size_t len)
{
    if (il_text_reserve(e->host, e->out, 2 * len + 2))
        return -ENOMEM;
    char *p = e->out->data + e->out->len;
    if (e->in_array)
        *p++ = '"';
    for (size_t i = 0; i < len; i++) {
        char x = e->in_array ? (s[i] == '"' || s[i] == '\\' ? s[i] : '\0')
                             : copy_escape(s[i]);
        if (x)
            *p++ = '\\';
        *p++ = x ? x : s[i];
    }
    if (e->in_array)
        *p++ = '"';
    e->out->len = (size_t) (p - e->out->data);
    return 0;
}
