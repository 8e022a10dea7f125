/* SPDX-License-Identifier: MIT */
/* One request as sources see it: reading it, and answering. */
#include "config.h"

#include "private.h"
#include "base/log.h"
#include "base/secret.h"
#include "codec/json_out.h"

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *
api_method(const struct il_request *req)
{
    return req->method;
}

static const char *
api_path(const struct il_request *req)
{
    return req->path;
}

const char *
http_request_header(const struct il_request *req, const char *name)
{
    const struct head *head = &req->head;
    const size_t len = strlen(name);
    for (size_t i = 0; i < head->count; i++) {
        const struct head_field *f = &head->fields[i];
        if (f->name_len == len && !strcasecmp(req->in + f->name, name))
            return req->in + f->value;
    }
    return NULL;
}

/* Cut the query up where it stands: name NUL value NUL ...  Names without a
 * value are left out. */
static void
cut_query(struct il_request *req)
{
    char *from = req->query, *out = from;
    while (*from) {
        char *end = strchrnul(from, '&'), *next = *end ? end + 1 : end;
        char *equals = memchr(from, '=', (size_t) (end - from));
        if (equals) {
            size_t n = http_head_unescape(from, (size_t) (equals - from), 1);
            size_t v =
                http_head_unescape(equals + 1, (size_t) (end - equals - 1), 1);
            memmove(out, from, n);
            out[n] = 0;
            memmove(out + n + 1, equals + 1, v);
            out[n + 1 + v] = 0;
            out += n + v + 2;
        }
        from = next;
    }
    req->query_len = (size_t) (out - req->query);
    req->query_cut = 1;
}

static const char *
api_query(const struct il_request *constant, const char *name)
{
    /* cut up when first asked for, which is part of no answer */
    struct il_request *req = (struct il_request *) (uintptr_t) constant;
    if (!req->query)
        return NULL;
    if (!req->query_cut)
        cut_query(req);
    for (const char *p = req->query; p < req->query + req->query_len;) {
        const char *value = p + strlen(p) + 1;
        if (!strcasecmp(p, name))
            return value;
        p = value + strlen(value) + 1;
    }
    return NULL;
}

static int
api_each_header(const struct il_request *req,
                int (*fn)(void *arg, const char *name, const char *value),
                void *arg)
{
    const struct head *head = &req->head;
    int rc = 0;
    for (size_t i = 0; i < head->count && !rc; i++)
        rc = fn(arg, req->in + head->fields[i].name,
                req->in + head->fields[i].value);
    return rc;
}

static const void *
api_body(const struct il_request *req, size_t *len)
{
    *len = req->body.len;
    return req->body.len ? req->body.data : "";
}

/* A value that would break out of its line is a fault of the caller; it is
 * left out. */
static int
header_sane(const char *s)
{
    for (; *s; s++)
        if ((unsigned char) *s < 0x20 || *s == 0x7f)
            return 0;
    return 1;
}

void
http_request_respond_header(struct il_request *req, const char *name,
                            const char *value)
{
    size_t n = strlen(name) + 1, v = strlen(value) + 1;
    if (req->status || !header_sane(name) || !header_sane(value)
        || n + v > sizeof(req->extra) - req->extra_len) {
        log_warn("%s: header %s of an answer to %s is left out",
                 req->conn->loop->http->name, name, req->path);
        return;
    }
    memcpy(req->extra + req->extra_len, name, n);
    memcpy(req->extra + req->extra_len + n, value, v);
    req->extra_len += (uint32_t) (n + v);
}

/* The first answer counts; a second one is a fault of the source. */
static int
answer_first(struct il_request *req)
{
    if (req->status) {
        log_error("%s: %s %s was answered twice", req->conn->loop->http->name,
                  req->method, req->path);
        return -EINVAL;
    }
    return 0;
}

struct il_text *
http_out(struct il_request *req)
{
    req->out.len = 0;
    return &req->out;
}

void
http_respond_out(struct il_request *req, int status, const char *type)
{
    if (answer_first(req))
        return;
    snprintf(req->type_text, sizeof(req->type_text), "%s", type ? type : "");
    req->status = status;
}

static void
api_respond(struct il_request *req, int status, const char *type,
            const void *body, size_t len)
{
    if (answer_first(req))
        return;
    if (status < 200 || status > 599) {
        http_request_error(req, 500, "internal", "the source answered %d",
                           status);
        return;
    }
    struct il_text *out = http_out(req);
    if (text_put(out, body, len)) {
        status = 503;
        type = NULL;
    }
    http_respond_out(req, status, type);
}

static int
put_error(struct il_text *out, const char *message, size_t len,
          const char *code)
{
    struct json_out o;
    out->len = 0;
    json_out_begin(&o, out);
    json_out_object(&o, NULL);
    json_out_object(&o, "error");
    json_out_slice(&o, "message", slice_of(message, len));
    json_out_str(&o, "code", code);
    json_out_end(&o);
    json_out_end(&o);
    int err = json_out_done(&o);
    return err ? err : text_putc(out, '\n');
}

/* Where there is no room for the message, the code must do. */
static void
error_body(struct il_request *req, int status, const char *code,
           const char *message, size_t len)
{
    struct il_text *out = http_out(req);
    req->code = code;
    if (put_error(out, message, len, code)
        && put_error(out, "see code", strlen("see code"), code))
        out->len = 0;
    http_respond_out(req, status, "application/json");
}

static void
api_error_text(struct il_request *req, int status, const char *code,
               const char *text, size_t len)
{
    if (answer_first(req))
        return;
    if (status == 401)
        http_request_respond_header(req, "WWW-Authenticate", "Bearer");
    error_body(req, status, code, text, len);
}

void
http_request_error(struct il_request *req, int status, const char *code,
                   const char *fmt, ...)
{
    char text[IL_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    api_error_text(req, status, code, text, il_format_(text, fmt, ap));
    va_end(ap);
}

void
http_unavailable(struct il_request *req, uint32_t retry_after_s,
                 const char *code, const char *fmt, ...)
{
    char seconds[16], text[IL_TEXT_MAX];
    va_list ap;
    if (answer_first(req))
        return;
    snprintf(seconds, sizeof(seconds), "%u", retry_after_s ? retry_after_s : 1);
    http_request_respond_header(req, "Retry-After", seconds);
    va_start(ap, fmt);
    error_body(req, 503, code, text, il_format_(text, fmt, ap));
    va_end(ap);
}

int
http_receipt(const struct il_request *req, const char **json)
{
    *json = req->receipt_json;
    return req->receipt;
}

void *
http_owner(const struct il_request *req)
{
    return req->route ? req->route->owner : NULL;
}

struct http_sender *
http_request_sender(const struct il_request *req)
{
    return req->sender;
}

void
http_request_set_sender(struct il_request *req, struct http_sender *sender)
{
    req->sender = sender;
}

int
http_handled(const struct il_request *req)
{
    return req->handled;
}

void *
http_note(struct il_request *req)
{
    return &req->note;
}

struct http *
http_of(const struct il_request *req)
{
    return req->conn->loop->http;
}

static void
api_decline(struct il_request *req)
{
    req->declined = 1;
}

static void
api_receipt(struct il_request *req, int status, const char *json)
{
    if (status < 200 || status > 299)
        return;
    req->receipt = status;
    req->receipt_json = json;
}

/* "; charset=utf-8" and nothing else that matters. */
static int
charset_fits(const char *parameters)
{
    const char *p = strcasestr(parameters, "charset");
    if (!p)
        return 1;
    p += strlen("charset");
    p += strspn(p, " \t");
    if (*p++ != '=')
        return 0;
    p += strspn(p, " \t\"");
    return (!strncasecmp(p, "utf-8", 5) && !strcspn(p + 5, "\"; \t"))
           || (!strncasecmp(p, "us-ascii", 8) && !strcspn(p + 8, "\"; \t"));
}

int
http_json_type(struct il_request *req, int *ndjson)
{
    const char *type = http_request_header(req, "Content-Type");
    *ndjson = 0;
    if (!type)
        return 0;
    size_t len = strcspn(type, "; \t");
    static const struct {
        const char *name;
        int ndjson;
    } known[] = { { "application/json", 0 },
                  { "application/x-ndjson", 1 },
                  { "application/ndjson", 1 },
                  { "text/json", 0 },
                  /* what navigator.sendBeacon() makes of a string */
                  { "text/plain", 0 } };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strlen(known[i].name) != len
            || strncasecmp(type, known[i].name, len))
            continue;
        if (!charset_fits(type + len))
            break;
        *ndjson = known[i].ndjson;
        return 0;
    }
    http_request_error(req, 415, "unsupported_media_type",
                       "Content-Type \"%.80s\" is not taken here: send "
                       "application/json or application/x-ndjson, in UTF-8",
                       type);
    return -EINVAL;
}

static void (*refused_hook)(void *owner, struct http_sender *,
                            const char *, struct slice);

void
http_on_refused(void (*fn)(void *owner, struct http_sender *,
                           const char *code, struct slice body))
{
    refused_hook = fn;
}

void
http_request_tell_refused(const struct il_request *req)
{
    void *owner = http_owner(req);
    if (refused_hook && owner && req->code && req->admitted && !req->handled
        && req->status >= 400)
        refused_hook(owner, req->sender, req->code,
                     slice_of(req->body.len ? req->body.data : "",
                              req->body.len));
}

void
http_fill_request_api(struct il_api *api)
{
    api->request_method = api_method;
    api->request_path = api_path;
    api->request_header = http_request_header;
    api->request_query = api_query;
    api->request_each_header = api_each_header;
    api->request_body = api_body;
    api->request_peer = http_request_peer;
    api->respond_header = http_request_respond_header;
    api->respond = api_respond;
    api->respond_error_text = api_error_text;
    api->request_receipt = api_receipt;
    api->request_decline = api_decline;
    api->equal = secret_equal;
}
