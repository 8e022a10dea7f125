/* SPDX-License-Identifier: MIT */
#include "body.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int
body_open(struct body *b, const struct il_host *host,
          const struct il_conf *conf)
{
    const char *text = il_conf_str(conf, "body");
    b->host = host;
    b->reference = text && *text == '$';
    b->text = il_text_new(host);
    b->scratch = il_text_new(host);
    int err = il_template_from(host, conf, "body", &b->template);
    return err ? err : b->text && b->scratch ? 0 : -ENOMEM;
}

void
body_close(struct body *b)
{
    il_template_free(b->host, b->template);
    il_text_free(b->host, b->text);
    il_text_free(b->host, b->scratch);
}

struct maker {
    struct body *body;
    int in_string, escaped; /* where the operator's text has come to */
};

static int
append(struct body *b, const char *bytes, size_t len)
{
    if (il_text_reserve(b->host, b->text, len))
        return -ENOMEM;
    memcpy(b->text->data + b->text->len, bytes, len);
    b->text->len += len;
    return 0;
}

/* Follow the operator's own text through JSON's strings. */
static void
follow(struct maker *m, const char *text, size_t len)
{
    for (size_t k = 0; k < len; k++) {
        if (m->escaped)
            m->escaped = 0;
        else if (m->in_string && text[k] == '\\')
            m->escaped = 1;
        else if (text[k] == '"')
            m->in_string = !m->in_string;
    }
}

/* Between quotes: as JSON writes it, without quotes of its own. */
static int
append_escaped(struct body *b, const char *text, size_t len)
{
    struct il_value v = { IL_STRING, 0, { 0 }, text, len };
    b->scratch->len = 0;
    if (il_write_json(b->host, b->scratch, &v, 0) < 0)
        return -ENOMEM;
    return append(b, b->scratch->data + 1, b->scratch->len - 2);
}

/* Elsewhere: one value, so that no event adds fields of its own. */
static int
append_value(struct body *b, const char *text, size_t len)
{
    struct il_value v;
    if (!len)
        return append(b, "null", 4);
    int err = il_read_json(b->host, b->scratch, text, len, &v);
    if (err == -EINVAL)
        snprintf(b->why, sizeof b->why,
                 "what an event puts outside of quotes has to be a JSON value "
                 "by itself; write \"{{ ... }}\" where it is text");
    return err ? err : append(b, text, len);
}

static int
append_piece(void *arg, const char *text, size_t len, int of_event)
{
    struct maker *m = arg;
    if (of_event)
        return m->in_string ? append_escaped(m->body, text, len)
                            : append_value(m->body, text, len);
    follow(m, text, len);
    return append(m->body, text, len);
}

/* The text of a JSON object. */
static int
make_text(struct body *b, struct il_batch *batch, uint32_t i)
{
    struct maker m = { .body = b };
    int err = il_template_pieces(b->template, batch, i, append_piece, &m);
    if (err)
        return err;
    err = il_set_payload(batch, i, IL_JSON, b->text->data, b->text->len);
    if (err == -EINVAL)
        snprintf(b->why, sizeof b->why, "what it comes to is no JSON object");
    return err;
}

/* What a lone reference names; a text is read as JSON. */
static int
make_value(struct body *b, struct il_batch *batch, uint32_t i)
{
    struct il_value v;
    int err = il_template_render(b->template, batch, i, &v);
    if (err)
        return err;
    if (v.type == IL_MISSING || v.type == IL_NULL) {
        snprintf(b->why, sizeof b->why, "what it names is not there");
        return -EINVAL;
    }
    if (v.type != IL_MAP)
        return make_text(b, batch, i);
    err = il_write_msgpack(b->host, b->text, &v);
    return err ? err
               : il_set_payload(batch, i, IL_MSGPACK, b->text->data,
                                b->text->len);
}

int
body_make(struct body *b, struct il_batch *batch, uint32_t i)
{
    b->text->len = 0;
    return b->reference ? make_value(b, batch, i) : make_text(b, batch, i);
}
