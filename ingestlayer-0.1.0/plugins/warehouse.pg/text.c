/* SPDX-License-Identifier: MIT */
/* Fields of a COPY row: their framing in both formats, and the types whose
 * values are text or JSON. */
#include "pg.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int
enc_open(struct enc *e, const struct pg *pg)
{
    memset(e, 0, sizeof *e);
    e->host = pg->host;
    e->c_locale = pg->c_locale;
    e->refuse_bad_text = pg->refuse_bad_text;
    e->scratch = il_text_new(pg->host);
    e->json = il_text_new(pg->host);
    return e->scratch && e->json ? 0 : -ENOMEM;
}

void
enc_close(struct enc *e)
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
    e->row = NULL;
    e->plan = NULL;
}

int
enc_bad(struct enc *e, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->misfit.message, sizeof e->misfit.message, fmt, ap);
    va_end(ap);
    snprintf(e->misfit.code, sizeof e->misfit.code, "%s", code);
    return ENC_BAD;
}

const char *
enc_scalar(const struct il_value *v, char *buf, size_t *len)
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
    const char *s = enc_scalar(v, buf, &len);
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
enc_bad_value(struct enc *e, const char *code, const struct column *c,
              const struct il_value *v)
{
    char value[100];
    show(value, sizeof value, v);
    if (strcmp(code, "22008") == 0)
        return enc_bad(e, code, "date/time field value out of range: %s",
                       value);
    return enc_bad(e, code, "invalid input syntax for type %s: %s",
                   c->type_name, value);
}

int
enc_out_of_range(struct enc *e, const struct column *c,
                 const struct il_value *v)
{
    char value[100];
    show(value, sizeof value, v);
    return enc_bad(e, "22003", "value %s is out of range for type %s", value,
                   c->type_name);
}

/* The head of a field in binary. */
static inline void
put_length(char *p, size_t len)
{
    uint32_t be = htobe32((uint32_t) len);
    memcpy(p, &be, sizeof be);
}

int
enc_binary(struct enc *e, const void *bytes, size_t len)
{
    if (il_text_reserve(e->host, e->out, len + 4))
        return -ENOMEM;
    char *p = e->out->data + e->out->len;
    put_length(p, len);
    if (len)
        memcpy(p + 4, bytes, len);
    e->out->len += len + 4;
    return 0;
}

int
enc_number(struct enc *e, uint64_t n, unsigned size)
{
    if (il_text_reserve(e->host, e->out, 4 + sizeof n))
        return -ENOMEM;
    char *p = e->out->data + e->out->len;
    uint64_t be = htobe64(n << (64 - 8 * size));
    put_length(p, size);
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
enc_text(struct enc *e, const char *s, size_t len)
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

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The top bit of some byte is set where one of the eight is NUL or no ASCII. */
static inline uint64_t
not_plain(uint64_t v)
{
    return v | (v - EACH(1));
}

/* Copy text.  1: it has a NUL or characters beyond ASCII, which may be such as
 * have to be replaced.  Most text is short and has none, and goes in words, of
 * which the last may overlap the one before, with no call. */
static inline int
copy_plain(char *to, const char *s, size_t len)
{
    uint64_t v, found = 0;
    size_t i = 0;
    if (len >= 8) {
        for (; i + 8 < len; i += 8) {
            memcpy(&v, s + i, 8);
            memcpy(to + i, &v, 8);
            found |= not_plain(v);
        }
        memcpy(&v, s + len - 8, 8);
        memcpy(to + len - 8, &v, 8);
        found |= not_plain(v);
    } else if (len >= 4) {
        uint32_t a, b;
        memcpy(&a, s, 4);
        memcpy(&b, s + len - 4, 4);
        memcpy(to, &a, 4);
        memcpy(to + len - 4, &b, 4);
        found = not_plain((uint64_t) a << 32 | b);
    } else {
        for (; i < len; i++) {
            to[i] = s[i];
            found |= (unsigned char) s[i] | ((unsigned char) s[i] - 1u);
        }
    }
    return (found & EACH(0x80)) != 0;
}

/* Bytes of text as Postgres may have them; 0 where nothing had to change. */
static uint64_t
count_bad(const char *s, size_t len)
{
    uint64_t n = 0;
    const char *p = s, *end = s + len;
    while ((p = memchr(p, 0, (size_t) (end - p))) != NULL)
        p++, n++;
    p = s;
    while ((p = memchr(p, 0xed, (size_t) (end - p))) != NULL) {
        p++;
        n += p < end && (unsigned char) *p >= 0xa0;
    }
    return n;
}

/* Replace U+0000 and lone surrogates by U+FFFD; the result is in e->json. */
static int
replace_bad(struct enc *e, const char **s, size_t *len, uint64_t bad)
{
    const char *end = *s + *len;
    e->json->len = 0;
    if (il_text_reserve(e->host, e->json, *len + 2 * bad))
        return -ENOMEM;
    char *to = e->json->data;
    for (const char *p = *s; p < end;) {
        int surrogate = (unsigned char) *p == 0xed && end - p >= 3
                        && (unsigned char) p[1] >= 0xa0;
        if (*p && !surrogate) {
            *to++ = *p++;
            continue;
        }
        memcpy(to, "\xef\xbf\xbd", 3);
        to += 3;
        p += surrogate ? 3 : 1;
    }
    *len = (size_t) (to - e->json->data);
    *s = e->json->data;
    return 0;
}

static int
refuse(struct enc *e)
{
    return enc_bad(e, "22P05",
                   "U+0000 or a lone surrogate cannot be stored as text");
}

/* v as text that Postgres takes.  May use e->json. */
static int
clean(struct enc *e, const struct il_value *v, char buf[48], const char **s,
      size_t *len)
{
    if ((*s = enc_scalar(v, buf, len)) != NULL) {
        uint64_t bad = v->type == IL_STRING ? count_bad(*s, *len) : 0;
        if (!bad)
            return 0;
        if (e->refuse_bad_text)
            return refuse(e);
        e->replaced += bad;
        return replace_bad(e, s, len, bad);
    }
    e->json->len = 0;
    int64_t n = il_write_json(e->host, e->json, v, IL_JSON_FOR_POSTGRES);
    if (n < 0)
        return (int) n;
    if (n && e->refuse_bad_text)
        return refuse(e);
    e->replaced += (uint64_t) n;
    int quotes = v->type == IL_TIME && e->json->len > 2;
    *s = e->json->data + quotes;
    *len = e->json->len - 2 * (size_t) quotes;
    return 0;
}

static int
put_clean(struct enc *e, const char *s, size_t len)
{
    return e->binary ? enc_binary(e, s, len) : enc_text(e, s, len);
}

/* Apart, for the sake of its caller's stack. */
static __attribute__((noinline)) int
put_any_text(struct enc *e, const struct il_value *v)
{
    char buf[48];
    const char *s;
    size_t len;
    int err = clean(e, v, buf, &s, &len);
    return err ? err : put_clean(e, s, len);
}

int
put_text(struct enc *e, const struct column *c, const struct il_value *v)
{
    (void) c;
    if (v->type != IL_STRING || !e->binary)
        return put_any_text(e, v);
    if (il_text_reserve(e->host, e->out, v->len + 4))
        return -ENOMEM;
    char *p = e->out->data + e->out->len;
    if (copy_plain(p + 4, v->str, v->len))
        return put_any_text(e, v);
    put_length(p, v->len);
    e->out->len += v->len + 4;
    return 0;
}

/* A type whose binary form is not known here, or text that only the server
 * can judge. */
int
put_other(struct enc *e, const struct column *c, const struct il_value *v)
{
    return e->binary ? ENC_UNSURE : put_text(e, c, v);
}

/* varchar(n), char(n): n characters, and any number of blanks after them. */
int
put_varchar(struct enc *e, const struct column *c, const struct il_value *v)
{
    char buf[48];
    const char *s;
    size_t len, most = c->modifier < 4 ? SIZE_MAX : (size_t) c->modifier - 4;
    int err = clean(e, v, buf, &s, &len);
    if (err)
        return err;
    if (len > most) {
        size_t chars = 0, i = 0;
        for (; i < len; i++)
            if (((unsigned char) s[i] & 0xc0) != 0x80 && ++chars > most)
                break;
        while (i < len && s[i] == ' ')
            i++;
        if (i < len)
            return enc_bad(e, "22001", "value too long for type %s(%zu)",
                           c->type_name, most);
    }
    return put_clean(e, s, len);
}

/* 63 bytes; Postgres would cut in silence, or not take it at all. */
int
put_name(struct enc *e, const struct column *c, const struct il_value *v)
{
    char buf[48];
    const char *s;
    size_t len;
    int err = clean(e, v, buf, &s, &len);
    if (err)
        return err;
    if (len > 63)
        return enc_bad(e, "22001", "value too long for type %s", c->type_name);
    return put_clean(e, s, len);
}

/* JSON in binary is its text, jsonb after a version number. */
static int
put_json_as(struct enc *e, const struct il_value *v, int version)
{
    struct il_text *to = e->binary ? e->out : e->json;
    size_t head = e->binary ? 4 + (version != 0) : 0, begin;
    if (!e->binary)
        to->len = 0;
    begin = to->len;
    if (il_text_reserve(e->host, to, head + 16))
        return -ENOMEM;
    to->len += head;
    int64_t n = il_write_json(e->host, to, v, IL_JSON_FOR_POSTGRES);
    if (n < 0)
        return (int) n;
    if (n && e->refuse_bad_text)
        return refuse(e);
    e->replaced += (uint64_t) n;
    if (!e->binary)
        return enc_text(e, to->data, to->len);
    char *p = to->data + begin;
    put_length(p, to->len - begin - 4);
    if (version)
        p[4] = (char) version;
    return 0;
}

int
put_json(struct enc *e, const struct column *c, const struct il_value *v)
{
    (void) c;
    return put_json_as(e, v, 0);
}

int
put_jsonb(struct enc *e, const struct column *c, const struct il_value *v)
{
    (void) c;
    return put_json_as(e, v, 1);
}
