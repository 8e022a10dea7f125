/* SPDX-License-Identifier: MIT */
#include "render.h"

#include "kind.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
render_open(struct render *r, const struct il_host *host,
            const struct out_options *options)
{
    const struct {
        const char *name;
        struct il_field **out;
    } fields[] = { { "id", &r->id },
                   { "type", &r->type },
                   { "received_at", &r->received_at },
                   { "timestamp", &r->timestamp },
                   { "payload", &r->payload },
                   { "source_id", &r->source } };
    memset(r, 0, sizeof(*r));
    r->host = host;
    r->options = options;
    if (options->literal_url)
        transport_target(out_speech(options), options->literal_url, r->target);
    int err = 0;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && !err; i++)
        err = il_field_named(host, IL_FIELD_ANY, fields[i].name, fields[i].out);
    return err;
}

void
render_close(struct render *r)
{
    il_field_free(r->host, r->id);
    il_field_free(r->host, r->type);
    il_field_free(r->host, r->received_at);
    il_field_free(r->host, r->timestamp);
    il_field_free(r->host, r->payload);
    il_field_free(r->host, r->source);
}

/* --- putting together ------------------------------------------------------ */

static int refuse(struct rendered *out, const char *fmt, ...) IL_PRINTF(2, 3);

static int
refuse(struct rendered *out, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(out->why, sizeof(out->why), fmt, ap);
    va_end(ap);
    return -EINVAL;
}

static int
put(const struct il_host *host, struct il_text *text, const char *bytes,
    size_t len)
{
    if (il_text_reserve(host, text, len + 1))
        return -ENOMEM;
    memcpy(text->data + text->len, bytes, len);
    text->len += len;
    text->data[text->len] = 0;
    return 0;
}

static int
put_json(const struct il_host *host, struct il_text *text,
         const struct il_value *v)
{
    return il_write_json(host, text, v, 0) < 0 ? -ENOMEM
                                               : put(host, text, "", 0);
}

/* A NUL that is kept. */
static int
put_end(const struct render *r, struct il_text *text)
{
    int err = put(r->host, text, "", 0);
    text->len += !err;
    return err;
}

/* Text as it is, anything else as JSON, what is missing or null as nothing. */
static int
put_value(const struct render *r, struct il_text *text,
          const struct il_value *v)
{
    if (v->type == IL_MISSING || v->type == IL_NULL)
        return put(r->host, text, "", 0);
    if (v->type == IL_STRING)
        return put(r->host, text, v->str, v->len);
    size_t at = text->len;
    int err = put_json(r->host, text, v);
    /* A time, too, is text: without the quotes. */
    if (!err && v->type == IL_TIME && text->len > at + 2) {
        memmove(text->data + at, text->data + at + 1, text->len - at - 2);
        text->len -= 2;
        text->data[text->len] = 0;
    }
    return err;
}

/* A rendered template, ended by a NUL that is not of it; its place and length.
 * *missing, where asked for: there was nothing to render. */
static int
put_template(const struct render *r, struct il_batch *batch, uint32_t i,
             const struct out_text *t, struct il_text *text, size_t *at,
             size_t *len, int *missing)
{
    struct il_value v;
    int err = il_template_render(t->of, batch, i, &v);
    *at = text->len;
    if (!err)
        err = put_value(r, text, &v);
    *len = text->len - *at;
    if (missing)
        *missing = v.type == IL_MISSING || v.type == IL_NULL;
    text->len += !err; /* keep the NUL */
    return err;
}

/* --- body ----------------------------------------------------------------- */

static int
put_key(struct render_object *m, const char *name)
{
    struct il_value key = { IL_STRING, 0, { 0 }, name, strlen(name) };
    int err = put(m->host, m->text, m->count++ ? "," : "{", 1);
    if (!err)
        err = put_json(m->host, m->text, &key);
    return err ? err : put(m->host, m->text, ":", 1);
}

int
render_member(struct render_object *m, const char *name,
              const struct il_value *v)
{
    if (v->type == IL_MISSING)
        return 0;
    int err = put_key(m, name);
    return err ? err : put_json(m->host, m->text, v);
}

int
render_member_json(struct render_object *m, const char *name, const char *json)
{
    int err = put_key(m, name);
    return err ? err : put(m->host, m->text, json, strlen(json));
}

int
render_object_end(struct render_object *m)
{
    return m->count ? put(m->host, m->text, "}", 1)
                    : put(m->host, m->text, "{}", 2);
}

static int
put_envelope(const struct render *r, struct il_batch *batch, uint32_t i,
             struct il_text *text)
{
    const struct {
        const char *name;
        const struct il_field *field;
    } all[] = { { "id", r->id },
                { "type", r->type },
                { "received_at", r->received_at },
                { "timestamp", r->timestamp },
                { "payload", r->payload } };
    struct render_object m = { r->host, text, 0 };
    int err = 0;
    for (size_t k = 0; k < sizeof(all) / sizeof(all[0]) && !err; k++) {
        struct il_value v;
        il_get(batch, i, all[k].field, &v);
        err = render_member(&m, all[k].name, &v);
    }
    return err ? err : render_object_end(&m);
}

static int
put_fields(const struct render *r, struct il_batch *batch, uint32_t i,
           struct il_text *text)
{
    struct render_object m = { r->host, text, 0 };
    int err = 0;
    for (size_t k = 0; k < r->options->field_count && !err; k++) {
        struct il_value v;
        err = il_template_render(r->options->fields[k].value.of, batch, i, &v);
        if (!err)
            err = render_member(&m, r->options->fields[k].name, &v);
    }
    return err ? err : render_object_end(&m);
}

static int
put_body(const struct render *r, struct il_batch *batch, uint32_t i,
         struct rendered *out)
{
    const struct out_options *o = r->options;
    if (o->kind && o->kind->body) {
        out->body_at = out->text->len;
        int err = o->kind->body(o->own, batch, i, out);
        out->body_len = out->text->len - out->body_at;
        return err ? err : put_end(r, out->text);
    }
    if (o->body.of)
        return put_template(r, batch, i, &o->body, out->text, &out->body_at,
                            &out->body_len, NULL);
    out->body_at = out->text->len;
    int err = o->field_count ? put_fields(r, batch, i, out->text)
                             : put_envelope(r, batch, i, out->text);
    out->body_len = out->text->len - out->body_at;
    out->text->len += !err;
    return err;
}

/* --- headers, URL, id ----------------------------------------------------- */

static int
is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char) text[i] < ' ' && text[i] != '\t')
            || text[i] == 0x7f)
            return 0;
    return 1;
}

static int
put_header(const struct render *r, struct il_batch *batch, uint32_t i,
           const struct out_pair *p, struct rendered *out)
{
    size_t at, len;
    int missing;
    int err =
        put_template(r, batch, i, &p->value, out->text, &at, &len, &missing);
    if (err || missing)
        return err;
    if (!is_plain(out->text->data + at, len))
        return refuse(out,
                      "the header %s would have a line break or another "
                      "character that no header may have",
                      p->name);
    out->headers[out->header_count].name = p->name;
    out->header_at[out->header_count++] = at;
    return 0;
}

static int
put_constant(const struct render *r, const char *name, const char *value,
             struct rendered *out)
{
    out->headers[out->header_count].name = name;
    out->header_at[out->header_count++] = out->text->len;
    int err = put(r->host, out->text, value, strlen(value));
    out->text->len += !err;
    return err;
}

static int
put_headers(const struct render *r, struct il_batch *batch, uint32_t i,
            struct rendered *out)
{
    const struct out_options *o = r->options;
    if (out_speech(o) == TRANSPORT_MAIL) {
        out->to_at = out->text->len;
        return o->kind->to(o->own, batch, i, out);
    }
    int err = put_constant(r, "Content-Type", o->content_type, out);
    if (!err && o->authorization)
        err = put_constant(r, "Authorization", o->authorization, out);
    for (size_t k = 0; k < o->header_count && !err; k++)
        err = put_header(r, batch, i, &o->headers[k], out);
    return err;
}

static int
put_url(const struct render *r, struct il_batch *batch, uint32_t i,
        struct rendered *out)
{
    char host[TRANSPORT_TARGET_MAX];
    size_t len;
    int err;
    if (r->options->made_url) {
        len = strlen(r->options->made_url);
        out->url_at = out->text->len;
        err = put(r->host, out->text, r->options->made_url, len);
        out->text->len += !err;
    } else {
        err = put_template(r, batch, i, &r->options->url, out->text,
                           &out->url_at, &len, NULL);
    }
    if (err)
        return err;
    if (*r->target) { /* it was taken apart once for all */
        memcpy(out->target, r->target, sizeof(out->target));
        return 0;
    }
    const char *url = rendered_url(out);
    if (strlen(url) != len || transport_target(TRANSPORT_HTTP, url, out->target)
        || transport_host(TRANSPORT_HTTP, url, host))
        return refuse(out, "the url that comes out is none of http or https");
    if (r->options->host_varies && !out_host_fits(r->options, host))
        return refuse(out, "the host %.100s is none of hosts", host);
    return 0;
}

static int
put_target(const struct render *r, struct il_batch *batch, uint32_t i,
           struct rendered *out)
{
    const struct out_options *o = r->options;
    size_t at, len;
    if (o->target.of) {
        int err =
            put_template(r, batch, i, &o->target, out->text, &at, &len, NULL);
        if (err)
            return err;
        if (len)
            snprintf(out->target, sizeof(out->target), "%s",
                     out->text->data + at);
    }
    if (!o->order.of)
        return 0;
    int missing;
    int err = put_template(r, batch, i, &o->order, out->text, &out->order_at,
                           &out->order_len, &missing);
    out->ordered = !missing;
    return err;
}

static int
make_id(const struct render *r, struct il_batch *batch, uint32_t i,
        int made_by_gate, const char *space, struct rendered *out)
{
    struct id_of of = { .space = space,
                        .space_len = strlen(space),
                        .made_by_gate = made_by_gate };
    struct il_value received;
    of.source = il_get_str(batch, i, r->source, &of.source_len);
    of.id = il_get_str(batch, i, r->id, &of.id_len);
    if (il_get(batch, i, r->received_at, &received) && received.type == IL_TIME)
        of.received_us = received.num.i;
    return id_make(&of, out->id);
}

static void
begin(struct rendered *out)
{
    struct il_text *text = out->text;
    memset(out, 0, sizeof(*out));
    out->text = text;
    text->len = 0;
}

int
render_place(const struct render *r, struct il_batch *batch, uint32_t i,
             struct rendered *out)
{
    begin(out);
    int err = put_url(r, batch, i, out);
    return err ? err : put_target(r, batch, i, out);
}

int
render_event(const struct render *r, struct il_batch *batch, uint32_t i,
             int made_by_gate, const char *space, struct rendered *out)
{
    begin(out);
    int err = make_id(r, batch, i, made_by_gate, space, out);
    if (!err)
        err = put_url(r, batch, i, out);
    if (!err)
        err = put_target(r, batch, i, out);
    if (!err)
        err = put_headers(r, batch, i, out);
    if (!err)
        err = put_body(r, batch, i, out);
    /* The text has stopped growing, and moves no more. */
    for (size_t k = 0; k < out->header_count && !err; k++)
        out->headers[k].value = out->text->data + out->header_at[k];
    return err;
}
