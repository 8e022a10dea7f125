/* SPDX-License-Identifier: MIT */
/* The types whose values are text or JSON. */
#include "put.h"

#include <errno.h>
#include <string.h>

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
replace_bad(struct encoder *e, const char **s, size_t *len, uint64_t bad)
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
refuse(struct encoder *e)
{
    return encode_bad(e, "22P05",
                      "U+0000 or a lone surrogate cannot be stored as text");
}

int
put_clean(struct encoder *e, const struct il_value *v, char *buf,
          const char **s, size_t *len)
{
    if ((*s = encode_scalar(v, buf, len)) != NULL) {
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
put_bytes(struct encoder *e, const char *s, size_t len)
{
    return e->binary ? encode_binary(e, s, len) : encode_text(e, s, len);
}

/* Apart, for the sake of its caller's stack. */
static __attribute__((noinline)) int
put_any_text(struct encoder *e, const struct il_value *v)
{
    char buf[48];
    const char *s;
    size_t len;
    int err = put_clean(e, v, buf, &s, &len);
    return err ? err : put_bytes(e, s, len);
}

int
put_text(struct encoder *e, const struct column *c, const struct il_value *v)
{
    (void) c;
    if (v->type != IL_STRING || !e->binary)
        return put_any_text(e, v);
    if (il_text_reserve(e->host, e->out, v->len + 4))
        return -ENOMEM;
    char *p = e->out->data + e->out->len;
    if (copy_plain(p + 4, v->str, v->len))
        return put_any_text(e, v);
    encode_length(p, v->len);
    e->out->len += v->len + 4;
    return 0;
}

/* A type whose binary form is not known here, or text that only the server
 * can judge. */
int
put_other(struct encoder *e, const struct column *c, const struct il_value *v)
{
    return e->binary ? ENCODE_UNSURE : put_text(e, c, v);
}

/* varchar(n), char(n): n characters, and any number of blanks after them. */
int
put_varchar(struct encoder *e, const struct column *c, const struct il_value *v)
{
    char buf[48];
    const char *s;
    size_t len, most = c->modifier < 4 ? SIZE_MAX : (size_t) c->modifier - 4;
    int err = put_clean(e, v, buf, &s, &len);
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
            return encode_bad(e, "22001", "value too long for type %s(%zu)",
                              c->type_name, most);
    }
    return put_bytes(e, s, len);
}

/* 63 bytes; Postgres would cut in silence, or not take it at all. */
int
put_name(struct encoder *e, const struct column *c, const struct il_value *v)
{
    char buf[48];
    const char *s;
    size_t len;
    int err = put_clean(e, v, buf, &s, &len);
    if (err)
        return err;
    if (len > 63)
        return encode_bad(e, "22001", "value too long for type %s",
                          c->type_name);
    return put_bytes(e, s, len);
}

/* JSON in binary is its text, jsonb after a version number. */
static int
put_json_as(struct encoder *e, const struct il_value *v, int version)
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
        return encode_text(e, to->data, to->len);
    char *p = to->data + begin;
    encode_length(p, to->len - begin - 4);
    if (version)
        p[4] = (char) version;
    return 0;
}

int
put_json(struct encoder *e, const struct column *c, const struct il_value *v)
{
    (void) c;
    return put_json_as(e, v, 0);
}

int
put_jsonb(struct encoder *e, const struct column *c, const struct il_value *v)
{
    (void) c;
    return put_json_as(e, v, 1);
}
