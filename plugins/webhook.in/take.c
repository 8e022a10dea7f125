/* SPDX-License-Identifier: MIT */
/* A request whose sender is known: its body, and the event made of it. */
#include "form.h"
#include "hook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BATCH_MAX 1000
#define KEY_MAX 128 /* what the gate takes for a key */

void
hook_no_memory(struct il_request *req)
{
    il_respond_header(req, "Retry-After", "1");
    il_respond_error(req, 503, "no_memory",
                     "there is no memory for this request; send again");
}

enum body_kind { BODY_JSON, BODY_FORM, BODY_OTHER };

/* Many senders call JSON text, or nothing at all. */
static enum body_kind
kind_of_body(const struct il_request *req)
{
    static const char *const json[] = { "application/json", "text/json",
                                        "text/plain",
                                        "application/octet-stream" };
    const char *type = il_request_header(req, "Content-Type");
    if (!type || !*type)
        return BODY_JSON;
    size_t len = strcspn(type, "; \t");
    if (len == 33
        && !strncasecmp(type, "application/x-www-form-urlencoded", len))
        return BODY_FORM;
    if (len > 5 && !strncasecmp(type + len - 5, "+json", 5))
        return BODY_JSON;
    for (size_t i = 0; i < sizeof(json) / sizeof(json[0]); i++)
        if (strlen(json[i]) == len && !strncasecmp(type, json[i], len))
            return BODY_JSON;
    return BODY_OTHER;
}

int
hook_is_form(const struct il_request *req)
{
    return kind_of_body(req) == BODY_FORM;
}

/* *of: the one that it was. */
static size_t
first_pick(const struct hook *h, const struct picks *picks,
           struct il_request *req, const struct il_value *body,
           char buf[PICK_MAX], const struct pick **of)
{
    size_t len = 0;
    for (size_t i = 0; i < picks->count && !len; i++) {
        *of = picks->at[i];
        len = pick_render(picks->at[i], h->host, req, body, buf);
    }
    return len;
}

/* A field of the body that is a string; NULL: it is not. */
static const char *
body_string(const struct hook *h, const struct il_value *body, const char *name,
            size_t *len)
{
    struct il_value key, value;
    size_t iter = 0;
    if (body->type != IL_MAP)
        return NULL;
    while (il_item(h->host, body, &iter, &key, &value)) {
        if (key.len != strlen(name) || memcmp(key.str, name, key.len))
            continue;
        *len = value.len;
        return value.type == IL_STRING ? value.str : NULL;
    }
    return NULL;
}

/* The texts of an event, and where in a body of many it was (-1: it is all of
 * it). */
struct made {
    char type[PICK_MAX], key[PICK_MAX];
    long index;
    size_t at; /* its payload, in a text that may still move */
};

static void
find_type(const struct hook *h, struct il_request *req,
          const struct il_value *body, struct made *m, struct il_event *e)
{
    const struct pick *of;
    e->type = m->type;
    e->type_len = first_pick(h, &h->types, req, body, m->type, &of);
    if (e->type_len)
        return;
    e->type = body_string(h, body, "type", &e->type_len);
    if (e->type && e->type_len)
        return;
    e->type = h->fallback;
    e->type_len = strlen(e->type);
}

/* 0 or -ENOMEM. */
static int
find_key(const struct hook *h, struct il_request *req,
         const struct il_value *body, struct made *m, struct il_event *e)
{
    const struct pick *of = NULL;
    size_t body_len;
    const void *sent = il_request_body(req, &body_len);
    const int is_content =
        h->auth == AUTH_SIGNED && h->own_keys && h->scheme.content_key;
    if (!is_content || verify_form(h, req) != &h->scheme)
        e->key_len = first_pick(h, &h->keys, req, body, m->key, &of);
    if (is_content && !e->key_len) {
        if (verify_hash(h, req, sent, body_len, m->key))
            return -ENOMEM;
        e->key_len = VERIFY_HASH - 1;
    }
    /* what is the same for all of a body tells its events not apart */
    if (e->key_len && m->index >= 0 && (!of || !pick_has_body(of))
        && e->key_len + 24 < PICK_MAX)
        e->key_len +=
            (size_t) snprintf(m->key + e->key_len, 24, ":%ld", m->index);
    /* the scheme's own choice must not be what the gate refuses */
    if (h->own_keys && e->key_len > KEY_MAX) {
        char hash[VERIFY_HASH];
        if (verify_sha256(m->key, e->key_len, hash))
            return -ENOMEM;
        memcpy(m->key, hash, VERIFY_HASH);
        e->key_len = VERIFY_HASH - 1;
    }
    e->key = e->key_len ? m->key : NULL;
    return 0;
}

/* What is no event goes on as it is: the gate says what is wrong with it, and
 * keeps it. */
static void
emit(struct hook *h, struct il_request *req, const struct il_value *body,
     const char *json, size_t len)
{
    struct made m = { .index = -1 };
    struct il_event e = { .struct_size = sizeof(e),
                          .encoding = IL_JSON,
                          .payload = json,
                          .payload_len = len };
    find_type(h, req, body, &m, &e);
    if (find_key(h, req, body, &m, &e)) {
        hook_no_memory(req);
        return;
    }
    if (h->scheme.receipt)
        il_request_receipt(req, h->scheme.receipt, NULL);
    il_request_emit(req, &e, 1);
}

/* 0 or -ENOMEM. */
static int
read_batch(struct hook *h, struct il_request *req, const struct il_value *body,
           struct made *made, struct il_event *events, struct il_text *out)
{
    struct il_value one;
    size_t iter = 0;
    long n = 0;
    while (il_item(h->host, body, &iter, NULL, &one)) {
        struct il_event *e = &events[n];
        struct made *m = &made[n];
        *e =
            (struct il_event){ .struct_size = sizeof(*e), .encoding = IL_JSON };
        m->index = n++;
        m->at = out->len;
        find_type(h, req, &one, m, e);
        if (find_key(h, req, &one, m, e)
            || il_write_json(h->host, out, &one, 0) < 0)
            return -ENOMEM;
        e->payload_len = out->len - m->at;
    }
    for (long i = 0; i < n; i++)
        events[i].payload = out->data + made[i].at;
    return 0;
}

static void
emit_batch(struct hook *h, struct il_request *req, const struct il_value *body)
{
    static const char empty[] =
        "{\"data\":{\"accepted\":0,\"duplicates\":0,\"events\":[]}}\n";
    size_t n = body->count;
    if (!n) {
        il_respond(req, 202, "application/json", empty, sizeof(empty) - 1);
        return;
    }
    if (n > BATCH_MAX) {
        il_request_refuse(req, 413, "too_many_events",
                          "the array has %zu elements; at most %d are taken", n,
                          BATCH_MAX);
        return;
    }
    struct made *made = malloc(n * sizeof(*made));
    struct il_event *events = calloc(n, sizeof(*events));
    struct il_text *out = il_text_new(h->host);
    int err = made && events && out
                  ? read_batch(h, req, body, made, events, out)
                  : -ENOMEM;
    if (err) {
        hook_no_memory(req);
    } else {
        if (h->scheme.receipt)
            il_request_receipt(req, h->scheme.receipt, NULL);
        il_request_emit(req, events, n);
    }
    if (out)
        il_text_free(h->host, out);
    free(events);
    free(made);
}

/* Slack asks once whether the URL is ours, before it sends anything. */
static int
answer_challenge(const struct hook *h, struct il_request *req,
                 const struct il_value *body)
{
    size_t len = 0, type_len = 0;
    const char *type, *challenge;
    if (!h->scheme.challenge)
        return 0;
    type = body_string(h, body, "type", &type_len);
    if (!type || type_len != 16 || memcmp(type, "url_verification", 16))
        return 0;
    challenge = body_string(h, body, "challenge", &len);
    if (!challenge)
        return 0;
    il_respond_header(req, "X-Content-Type-Options", "nosniff");
    il_respond(req, 200, "text/plain", challenge, len);
    return 1;
}

/* made: of a form, so that it is JSON; else what the request has. */
static void
take_json(struct hook *h, struct il_request *req, const char *json, size_t len,
          int made)
{
    struct il_value body = { .type = IL_MISSING };
    struct il_text *text = il_text_new(h->host);
    int err = -ENOMEM;
    if (text && !made)
        err = il_request_json(req, text, &body); /* answers what is none */
    else if (text)
        err = il_read_json(h->host, text, json, len, &body);
    if (!text || (err && made))
        hook_no_memory(req);
    else if (!err && h->batch && body.type == IL_ARRAY)
        emit_batch(h, req, &body);
    else if (!err && !answer_challenge(h, req, &body))
        emit(h, req, &body, json, len);
    il_text_free(h->host, text);
}

static void
take_form(struct hook *h, struct il_request *req, const char *form, size_t len)
{
    struct il_text *json = il_text_new(h->host);
    int err = json ? form_to_json(h->host, form, len, json) : -ENOMEM;
    if (err == -E2BIG)
        il_request_refuse(req, 422, "bad_body",
                          "the form has more than %d fields", FORM_FIELDS_MAX);
    else if (err)
        hook_no_memory(req);
    else
        take_json(h, req, json->data, json->len, 1);
    if (json)
        il_text_free(h->host, json);
}

void
hook_take(struct hook *h, struct il_request *req, const char *body, size_t len)
{
    switch (kind_of_body(req)) {
    case BODY_JSON:
        take_json(h, req, body, len, 0);
        break;
    case BODY_FORM:
        take_form(h, req, body, len);
        break;
    default:
        il_request_refuse(req, 415, "unsupported_media_type",
                          "Content-Type \"%.80s\" is not taken here: send "
                          "JSON or a form",
                          il_request_header(req, "Content-Type"));
    }
}
