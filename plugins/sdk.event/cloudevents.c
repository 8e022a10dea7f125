/* SPDX-License-Identifier: MIT */
/* CloudEvents 1.0 over HTTP: structured, batched and binary.
 *
 * source and id name an event together, so both make its idempotency key; the
 * attributes are kept beside the data, as the field "cloudevent". */
#include "event.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define ATTRIBUTES_MAX 64
#define NAME_MAX_LEN 64
#define KEY_TEXT 128 /* what the gate takes for a key */
#define TYPE_TEXT 128 /* and /v1/ingest for a type */

struct attribute {
    char name[NAME_MAX_LEN + 1];
    struct il_value value;
};

/* One CloudEvent, however it came. */
struct cloud {
    struct attribute attributes[ATTRIBUTES_MAX];
    size_t count;
    struct il_value data, data_base64;
    const char *field, *rule, *message; /* what is wrong with it */
    char wrong[NAME_MAX_LEN + 1];       /* the field, where it has no name */
};

static int
flaw(struct cloud *c, const char *field, const char *rule,
     const char *message)
{
    c->field = field;
    c->rule = rule;
    c->message = message;
    return -EINVAL;
}

/* --- attributes ----------------------------------------------------------- */

static const struct il_value *
attribute(const struct cloud *c, const char *name)
{
    static const struct il_value missing = { .type = IL_MISSING };
    for (size_t i = 0; i < c->count; i++)
        if (!strcmp(c->attributes[i].name, name))
            return &c->attributes[i].value;
    return &missing;
}

/* The name in messages: what is no attribute's name may be anything. */
static const char *
name_wrong(struct cloud *c, const char *name, size_t len)
{
    len = len < NAME_MAX_LEN ? len : NAME_MAX_LEN;
    for (size_t i = 0; i < len; i++)
        c->wrong[i] = name[i] > 0x20 && name[i] < 0x7f ? name[i] : '?';
    c->wrong[len] = 0;
    return c->wrong;
}

static int
add(struct cloud *c, const char *name, size_t len,
    const struct il_value *value)
{
    struct attribute *a = &c->attributes[c->count];
    if (value->type == IL_NULL)
        return 0; /* as if it were not there */
    if (!len || len > NAME_MAX_LEN)
        return flaw(c, name_wrong(c, name, len), "name",
                    "a name is 1 to 64 letters and digits");
    if (c->count == ATTRIBUTES_MAX)
        return flaw(c, name_wrong(c, name, len), "count",
                    "there are more than 64 attributes");
    for (size_t i = 0; i < len; i++)
        if (!((name[i] >= 'a' && name[i] <= 'z')
              || (name[i] >= '0' && name[i] <= '9')))
            return flaw(c, name_wrong(c, name, len), "name",
                        "attributes are named by lower-case letters and "
                        "digits");
    memcpy(a->name, name, len);
    a->name[len] = 0;
    if (attribute(c, a->name)->type != IL_MISSING)
        return flaw(c, name_wrong(c, name, len), "duplicate", "comes twice");
    if (value->type == IL_ARRAY || value->type == IL_MAP
        || value->type == IL_DECIMAL)
        return flaw(c, name_wrong(c, name, len), "type",
                    "an attribute is a string, a boolean or an integer");
    a->value = *value;
    c->count++;
    return 0;
}

static int
check_text(struct cloud *c, const char *name, int required)
{
    const struct il_value *v = attribute(c, name);
    if (v->type == IL_MISSING)
        return required ? flaw(c, name, "required", "is required and missing")
                        : 0;
    if (v->type != IL_STRING)
        return flaw(c, name, "type", "expected a string");
    return v->len ? 0 : flaw(c, name, "length", "must not be empty");
}

static int
check(struct cloud *c)
{
    static const struct {
        const char *name;
        int required;
    } texts[] = { { "specversion", 1 }, { "id", 1 },
                  { "source", 1 },      { "type", 1 },
                  { "time", 0 },        { "subject", 0 },
                  { "dataschema", 0 },  { "datacontenttype", 0 } };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (check_text(c, texts[i].name, texts[i].required))
            return -EINVAL;
    if (attribute(c, "type")->len > TYPE_TEXT)
        return flaw(c, "type", "length", "must be 1 to 128 bytes long");
    if (!offer_is(attribute(c, "specversion"), "1.0"))
        return flaw(c, "specversion", "enum",
                    "only version 1.0 of CloudEvents is taken");
    if (c->data_base64.type == IL_MISSING)
        return 0;
    if (c->data_base64.type != IL_STRING)
        return flaw(c, "data_base64", "type", "expected a string");
    return c->data.type == IL_MISSING
               ? 0
               : flaw(c, "data_base64", "exclusive",
                      "comes together with data");
}

/* --- making events -------------------------------------------------------- */

/* "SOURCE ID", or where that is too long, or would not tell where one ends, a
 * hash of both, as good as the one that keys are found by. */
static void
make_key(const struct cloud *c, struct offer_event *e)
{
    const struct il_value *source = attribute(c, "source");
    const struct il_value *id = attribute(c, "id");
    XXH3_state_t state;
    int n;
    if (source->len + 1 + id->len <= KEY_TEXT
        && !memchr(source->str, ' ', source->len)) {
        memcpy(e->key, source->str, source->len);
        e->key[source->len] = ' ';
        memcpy(e->key + source->len + 1, id->str, id->len);
        n = (int) (source->len + 1 + id->len);
    } else {
        XXH3_INITSTATE(&state);
        XXH3_128bits_reset(&state);
        XXH3_128bits_update(&state, source->str, source->len);
        XXH3_128bits_update(&state, "", 1);
        XXH3_128bits_update(&state, id->str, id->len);
        XXH128_hash_t hash = XXH3_128bits_digest(&state);
        n = snprintf(e->key, sizeof(e->key), "cloudevent %016llx%016llx",
                     (unsigned long long) hash.high64,
                     (unsigned long long) hash.low64);
    }
    e->event->key = e->key;
    e->event->key_len = (size_t) n;
}

static void
make_event(struct offer *o, const struct cloud *c, struct offer_event *e)
{
    const struct il_value none = { .type = IL_MISSING };
    const struct il_value *type = attribute(c, "type");
    const struct il_value *time = attribute(c, "time");
    const int object = c->data.type == IL_MAP;
    struct il_value kept = { .type = IL_MISSING };
    const struct offer_extra extras[] = {
        { "data", object ? &none : &c->data },
        { "data_base64", &c->data_base64 },
        { "cloudevent", &kept },
    };
    e->event->type = type->str;
    e->event->type_len = type->len;
    if (time->type == IL_STRING) {
        e->event->timestamp = time->str;
        e->event->timestamp_len = time->len;
    }
    make_key(c, e);
    struct il_text *text = il_text_new(o->source->host);
    for (size_t i = 0; i < c->count && text && !o->err; i++) {
        const struct attribute *a = &c->attributes[i];
        const struct il_value name
            = { .type = IL_STRING, .str = a->name, .len = strlen(a->name) };
        o->err = il_write_msgpack(o->source->host, text, &name);
        if (!o->err)
            o->err = il_write_msgpack(o->source->host, text, &a->value);
    }
    if (!text) {
        o->err = -ENOMEM;
        return;
    }
    kept = (struct il_value){ .type = IL_MAP, .count = (uint32_t) c->count,
                              .str = text->data, .len = text->len };
    offer_payload(o, e, object ? &c->data : &none, extras,
                  sizeof(extras) / sizeof(extras[0]));
    il_text_free(o->source->host, text);
}

/* --- structured and batched ----------------------------------------------- */

static int
read_structured(const struct event *s, const struct il_value *from,
                struct cloud *c)
{
    struct il_value key, value;
    size_t iter = 0;
    int err = 0;
    if (from->type != IL_MAP)
        return flaw(c, "", "type", "expected an object");
    while (!err && il_item(s->host, from, &iter, &key, &value)) {
        if (offer_is(&key, "data")) {
            if (value.type != IL_NULL)
                c->data = value;
        } else if (offer_is(&key, "data_base64")) {
            if (value.type != IL_NULL)
                c->data_base64 = value;
        } else {
            err = add(c, key.str, key.len, &value);
        }
    }
    return err;
}

static void
take_one(struct offer *o, const struct il_value *from, struct cloud *c)
{
    struct offer_event *e = offer_add(o);
    c->count = 0;
    c->data.type = c->data_base64.type = IL_MISSING;
    int err = read_structured(o->source, from, c);
    if (!err)
        err = check(c);
    if (!err) {
        make_event(o, c, e);
        return;
    }
    /* the field's name may lie in c, which the next event will use */
    snprintf(e->key, sizeof(e->key), "%s", c->field);
    offer_refuse(o, e, from, e->key, c->rule, c->message);
}

static void
take_structured(struct event *s, struct il_request *req,
                const struct il_value *body, int batch)
{
    struct cloud c;
    struct offer o;
    struct il_value one;
    size_t iter = 0, n = batch ? body->count : 1;
    static const char empty[]
        = "{\"data\":{\"accepted\":0,\"duplicates\":0,\"events\":[]}}\n";
    if (body->type != (batch ? IL_ARRAY : IL_MAP)) {
        il_request_refuse(req, 400, "bad_body",
                          batch ? "expected an array of CloudEvents"
                                : "expected one CloudEvent, an object");
        return;
    }
    if (!n) { /* the format allows it */
        il_respond(req, 202, "application/json", empty, sizeof(empty) - 1);
        return;
    }
    if (offer_too_many(s, req, n))
        return;
    if (offer_begin(&o, s, n)) {
        offer_no_memory(req);
    } else {
        if (!batch)
            take_one(&o, body, &c);
        while (batch && il_item(s->host, body, &iter, NULL, &one))
            take_one(&o, &one, &c);
        offer_emit(&o, req);
    }
    offer_end(&o);
}

/* --- binary --------------------------------------------------------------- */

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bytes of the UTF-8 character at p; 0: there is none. */
static size_t
utf8_size(const unsigned char *p, size_t left)
{
    static const struct {
        unsigned char first, last, low, high;
        size_t size;
    } forms[] = { { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
                  { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
                  { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
                  { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 } };
    if (*p < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (*p < forms[i].first || *p > forms[i].last || left < forms[i].size
            || p[1] < forms[i].low || p[1] > forms[i].high)
            continue;
        for (size_t n = 2; n < forms[i].size; n++)
            if ((p[n] & 0xc0) != 0x80)
                return 0;
        return forms[i].size;
    }
    return 0;
}

static int
is_utf8(const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *) s;
    for (size_t n; len; p += n, len -= n)
        if (!(n = utf8_size(p, len)))
            return 0;
    return 1;
}

/* A header's value: quotes around it and backslashes within them go, then
 * %XX become bytes, once.  What begins no escape stands for itself. */
static size_t
decode(char *out, const char *p)
{
    char *o = out;
    size_t len = strlen(p);
    const int quoted = len >= 2 && p[0] == '"' && p[len - 1] == '"';
    const char *end = p + len - quoted;
    for (p += quoted; p < end; p++) {
        if (quoted && *p == '\\' && p + 1 < end)
            p++;
        if (*p == '%' && end - p > 2 && hex_digit(p[1]) >= 0
            && hex_digit(p[2]) >= 0) {
            *o++ = (char) (hex_digit(p[1]) << 4 | hex_digit(p[2]));
            p += 2;
        } else {
            *o++ = *p;
        }
    }
    return (size_t) (o - out);
}

struct binary {
    struct cloud cloud;
    size_t bytes;        /* of all values */
    struct il_text *text; /* decoded values; NULL: they are being counted */
    int err;
};

static int
each_header(void *arg, const char *name, const char *value)
{
    struct binary *b = arg;
    char lower[NAME_MAX_LEN + 2];
    size_t len = strlen(name);
    if (len < 3 || strncasecmp(name, "ce-", 3))
        return 0;
    if (!b->text) {
        b->bytes += strlen(value);
        return 0;
    }
    name += 3;
    len -= 3;
    for (size_t i = 0; i < sizeof(lower) && i < len; i++)
        lower[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char) (name[i] | 0x20)
                                                    : name[i];
    struct il_value v = { .type = IL_STRING,
                          .str = b->text->data + b->text->len };
    v.len = decode(b->text->data + b->text->len, value);
    b->text->len += v.len;
    b->err = is_utf8(v.str, v.len)
                 ? add(&b->cloud, len ? lower : "", len, &v)
                 : flaw(&b->cloud, name_wrong(&b->cloud, lower, len),
                        "characters", "is not UTF-8");
    return b->err;
}

/* application/json, text/json, anything+json; without a type, JSON. */
static int
is_json(const char *type)
{
    if (!type || !*type)
        return 1;
    size_t len = strcspn(type, "; \t");
    return (len == 16 && !strncasecmp(type, "application/json", len))
           || (len == 9 && !strncasecmp(type, "text/json", len))
           || (len > 5 && !strncasecmp(type + len - 5, "+json", 5));
}

static void
emit_binary(struct event *s, struct il_request *req, struct binary *b)
{
    struct offer o;
    struct cloud *c = &b->cloud;
    struct il_value none = { .type = IL_MAP };
    const char *type = il_request_header(req, "Content-Type");
    if (!b->err && type && *type && is_utf8(type, strlen(type))) {
        struct il_value v
            = { .type = IL_STRING, .str = type, .len = strlen(type) };
        b->err = add(c, "datacontenttype", 15, &v);
    }
    if (!b->err)
        b->err = check(c);
    if (offer_begin(&o, s, 1)) {
        offer_no_memory(req);
    } else {
        struct offer_event *e = offer_add(&o);
        if (!b->err)
            make_event(&o, c, e);
        else
            offer_refuse(&o, e, c->data.type == IL_MISSING ? &none : &c->data,
                         c->field, c->rule, c->message);
        offer_emit(&o, req);
    }
    offer_end(&o);
}

/* Bytes as base64, appended to out.  0 or -ENOMEM. */
static int
put_base64(const struct event *s, struct il_text *out, const char *bytes,
           size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *) bytes;
    if (il_text_reserve(s->host, out, (len + 2) / 3 * 4))
        return -ENOMEM;
    char *o = out->data + out->len;
    for (size_t i = 0; i < len; i += 3) {
        const size_t n = len - i < 3 ? len - i : 3;
        const unsigned bits = (unsigned) p[i] << 16
                              | (n > 1 ? (unsigned) p[i + 1] << 8 : 0)
                              | (n > 2 ? p[i + 2] : 0);
        *o++ = digits[bits >> 18];
        *o++ = digits[bits >> 12 & 63];
        *o++ = n > 1 ? digits[bits >> 6 & 63] : '=';
        *o++ = n > 2 ? digits[bits & 63] : '=';
    }
    out->len = (size_t) (o - out->data);
    return 0;
}

/* Data of another type, as the source wants it; text holds what is made of it.
 * 0, or -EINVAL after an answer. */
static int
read_other(const struct event *s, struct il_request *req, struct il_text *text,
           struct cloud *c)
{
    size_t len;
    const char *bytes = il_request_body(req, &len);
    if (s->data_as == DATA_REFUSED) {
        il_request_refuse(req, 415, "unsupported_media_type",
                          "the data is of Content-Type \"%.80s\", and only "
                          "JSON is taken here",
                          il_request_header(req, "Content-Type"));
        return -EINVAL;
    }
    if (s->data_as == DATA_TEXT && is_utf8(bytes, len)) {
        c->data =
            (struct il_value){ .type = IL_STRING, .str = bytes, .len = len };
        return 0;
    }
    if (put_base64(s, text, bytes, len)) {
        offer_no_memory(req);
        return -EINVAL;
    }
    c->data_base64 = (struct il_value){ .type = IL_STRING,
                                        .str = text->data,
                                        .len = text->len };
    return 0;
}

static void
take_binary(struct event *s, struct il_request *req, struct il_text *body)
{
    struct binary b;
    size_t len;
    memset(&b, 0, sizeof(b));
    il_request_body(req, &len);
    if (len
        && (is_json(il_request_header(req, "Content-Type"))
                ? il_request_json(req, body, &b.cloud.data)
                : read_other(s, req, body, &b.cloud)))
        return;
    if (b.cloud.data.type == IL_NULL)
        b.cloud.data.type = IL_MISSING;
    il_request_each_header(req, each_header, &b);
    b.text = il_text_new(s->host);
    if (!b.text || il_text_reserve(s->host, b.text, b.bytes + 1)) {
        offer_no_memory(req);
    } else {
        il_request_each_header(req, each_header, &b);
        emit_binary(s, req, &b);
    }
    if (b.text)
        il_text_free(s->host, b.text);
}

/* --- telling them apart --------------------------------------------------- */

enum mode { MODE_NONE, MODE_STRUCTURED, MODE_BATCH, MODE_BINARY, MODE_OTHER };

static enum mode
mode_of(struct il_request *req)
{
    static const char prefix[] = "application/cloudevents";
    const char *type = il_request_header(req, "Content-Type");
    if (!type || strncasecmp(type, prefix, sizeof(prefix) - 1))
        return il_request_header(req, "ce-specversion") ? MODE_BINARY
                                                        : MODE_NONE;
    const char *rest = type + sizeof(prefix) - 1;
    size_t len = strcspn(rest, "; \t");
    if (len == 5 && !strncasecmp(rest, "+json", len))
        return MODE_STRUCTURED;
    if (len == 11 && !strncasecmp(rest, "-batch+json", len))
        return MODE_BATCH;
    return MODE_OTHER;
}

int
cloudevents_take(struct event *s, struct il_request *req)
{
    enum mode mode = mode_of(req);
    struct il_value value;
    if (mode == MODE_NONE)
        return 0;
    if (mode == MODE_OTHER) {
        il_request_refuse(req, 415, "unsupported_media_type",
                          "Content-Type \"%.80s\" is not taken here: send "
                          "application/cloudevents+json or "
                          "application/cloudevents-batch+json",
                          il_request_header(req, "Content-Type"));
        return 1;
    }
    struct il_text *body = il_text_new(s->host);
    if (!body)
        offer_no_memory(req);
    else if (mode == MODE_BINARY)
        take_binary(s, req, body);
    else if (!il_request_json(req, body, &value))
        take_structured(s, req, &value, mode == MODE_BATCH);
    if (body)
        il_text_free(s->host, body);
    return 1;
}
