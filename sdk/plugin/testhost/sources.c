/* SPDX-License-Identifier: MIT */
/* The test host: requests to a source. */
#include <config.h>

#include "private.h"
#include "codec/json.h"
#include "gate/sender.h"
#include "plugin/enter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct il_request {
    const struct il_api *api; /* first, as in every object of the host */
    struct testhost *t;
    const char *method, *path, *query, *headers;
    const void *body;
    size_t len;
    char found[4][8192]; /* values handed out, in turn */
    int next_found;
    int answered;
    int receipt;
    const char *receipt_json;
    int declined;
};

struct testhost *
testhost_of_request(const struct il_request *r)
{
    return r->t;
}

/* --- reading a request --------------------------------------------------- */

static const char *
api_method(const struct il_request *r)
{
    return r->method;
}

static const char *
api_path(const struct il_request *r)
{
    return r->path;
}

/* A copy with a NUL, good for the next three calls. */
static const char *
hand_out(const struct il_request *request, const char *value, size_t len)
{
    struct il_request *r = (struct il_request *) (uintptr_t) request;
    char *out = r->found[r->next_found++ % 4];
    if (len >= sizeof(r->found[0]))
        len = sizeof(r->found[0]) - 1;
    memcpy(out, value, len);
    out[len] = 0;
    return out;
}

/* Find "name<part>value" in a text of such, each ended by `end`. */
static const char *
look_up(const struct il_request *r, const char *text, const char *name,
        char part, char end)
{
    const size_t len = strlen(name);
    for (const char *p = text; p && *p; p = strchr(p, end)) {
        p += *p == end;
        if (strncasecmp(p, name, len) == 0 && p[len] == part) {
            const char *value = p + len + 1;
            value += strspn(value, " ");
            const char *stop = strchr(value, end);
            return hand_out(r, value,
                            stop ? (size_t) (stop - value) : strlen(value));
        }
    }
    return NULL;
}

static const char *
api_header(const struct il_request *r, const char *name)
{
    return look_up(r, r->headers, name, ':', '\n');
}

static int
api_each_header(const struct il_request *r,
                int (*fn)(void *arg, const char *name, const char *value),
                void *arg)
{
    int result = 0;
    for (const char *p = r->headers; p && *p && !result;) {
        size_t len = strcspn(p, "\n");
        const char *colon = memchr(p, ':', len);
        if (colon) {
            const char *value = colon + 1 + strspn(colon + 1, " ");
            const char *name = hand_out(r, p, (size_t) (colon - p));
            result = fn(arg, name,
                        hand_out(r, value, (size_t) (p + len - value)));
        }
        p += len + (p[len] == '\n');
    }
    return result;
}

static const char *
api_query(const struct il_request *r, const char *name)
{
    return look_up(r, r->query, name, '=', '&');
}

static const void *
api_body(const struct il_request *r, size_t *len)
{
    *len = r->len;
    return r->body;
}

static const char *
api_peer(const struct il_request *r)
{
    (void) r;
    return "192.0.2.1";
}

/* --- answering ----------------------------------------------------------- */

static void
api_respond_header(struct il_request *r, const char *name, const char *value)
{
    text_printf(&r->t->answer_headers, "%s: %s\n", name, value);
}

static void
api_respond(struct il_request *r, int status, const char *type,
            const void *body, size_t len)
{
    struct testhost *t = r->t;
    if (r->answered)
        testhost_violate(t, "answers a request twice");
    t->status = r->answered++ ? -1 : status; /* twice: no status at all */
    if (type)
        api_respond_header(r, "Content-Type", type);
    t->answer.len = 0;
    text_put(&t->answer, body, len);
}

static void
api_respond_error_text(struct il_request *r, int status, const char *code,
                       const char *text, size_t len)
{
    struct il_text out = { 0 };
    text_puts(&out, "{\"error\":{\"message\":");
    json_write_str(&out, text, len, 0);
    text_puts(&out, ",\"code\":");
    json_write_str(&out, code, strlen(code), 0);
    text_puts(&out, "}}");
    api_respond(r, status, "application/json", out.data, out.len);
    text_clear(&out);
}

static void
api_request_refuse_text(struct il_request *r, int status, const char *code,
                        const char *text, size_t len)
{
    r->t->refused++;
    api_respond_error_text(r, status, code, text, len);
}

static int
api_request_json(struct il_request *r, struct il_text *text,
                 struct il_value *out)
{
    int err = il_read_json(&r->t->host, text, r->body, r->len, out);
    if (err) {
        r->t->refused++;
        il_respond_error(r, err == -EINVAL ? 400 : 503,
                         err == -EINVAL ? "bad_json" : "no_memory",
                         "the body cannot be read");
    }
    return err;
}

static void
api_request_decline(struct il_request *r)
{
    r->declined = 1;
}

static int
api_request_sender(struct il_request *r, struct il_sender *sender)
{
    free(r->t->sender);
    r->t->sender = sender ? strdup(sender->id) : NULL;
    return 0;
}

static void
api_request_receipt(struct il_request *r, int status, const char *json)
{
    r->receipt = status;
    r->receipt_json = json;
}

void
testhost_accept(struct il_request *r)
{
    static const char body[] = "{\"data\":{}}";
    if (r->receipt)
        api_respond(r, r->receipt,
                    r->receipt_json ? "application/json" : NULL,
                    r->receipt_json ? r->receipt_json : "",
                    r->receipt_json ? strlen(r->receipt_json) : 0);
    else
        api_respond(r, 202, "application/json", body, sizeof(body) - 1);
}

static void
api_request_ingest(struct il_request *r, uint32_t max_events)
{
    (void) max_events;
    r->t->has_ingested = 1;
    r->t->ingested.len = 0;
    text_put(&r->t->ingested, r->body, r->len);
    testhost_accept(r);
}

/* --- sending a request --------------------------------------------------- */

static int
route_fits(const struct il_route *route, const char *method, const char *path)
{
    size_t len = strlen(route->path);
    if (strcmp(route->method, method) != 0)
        return 0;
    if (len && route->path[len - 1] == '*')
        return strncmp(route->path, path, len - 1) == 0;
    return strcmp(route->path, path) == 0;
}

static int
admit(struct testhost *t, const struct instance_route *i, struct il_request *r)
{
    if (!i->route.admit)
        return 0;
    struct instance_was was = instance_enter(&t->host, "admit()");
    int err = i->route.admit(i->self, r);
    instance_leave(was);
    if (err < 0 && !r->answered)
        testhost_violate(t, "admit(): returned an error without an answer");
    if (err >= 0 && r->answered)
        testhost_violate(t, "admit(): answered, and returned no error");
    return err;
}

static void
handle(struct testhost *t, const struct instance_route *i, struct il_request *r)
{
    struct instance_was was = instance_enter(&t->host, "handle()");
    i->route.handle(i->self, r);
    instance_leave(was);
    if (!r->answered && !r->declined)
        testhost_violate(t, "handle(): left a request without an answer");
}

int
testhost_request(struct testhost *t, const char *method, const char *path,
                 const char *headers, const void *body, size_t len)
{
    struct il_request r = {
        .api = testhost_table(), .t = t, .method = method, .headers = headers
    };
    char *only = strndup(path, strcspn(path, "?"));
    r.path = only;
    r.query = strchr(path, '?') ? strchr(path, '?') + 1 : NULL;
    t->status = 0;
    free(t->sender);
    t->sender = NULL;
    t->has_ingested = 0;
    t->answer.len = t->answer_headers.len = 0;
    for (struct instance_route *i = t->host.routes; i; i = i->next) {
        if (!route_fits(&i->route, method, r.path))
            continue;
        int err = admit(t, i, &r);
        if (err == IL_NOT_MINE || err == IL_NOT_HERE)
            continue;
        if (!err || err == IL_UNPROVEN) {
            r.body = body;
            r.len = len;
            r.declined = 0;
            handle(t, i, &r);
            if (r.declined && !r.answered)
                continue;
        }
        break;
    }
    free(only);
    return t->status;
}

const char *
testhost_answer(struct testhost *t)
{
    return text_str(&t->answer);
}

const char *
testhost_answer_header(struct testhost *t, const char *name)
{
    static struct il_request none;
    return look_up(&none, text_str(&t->answer_headers), name, ':', '\n');
}

int
testhost_refused(struct testhost *t)
{
    return t->refused;
}

const char *
testhost_sender(struct testhost *t)
{
    return t->sender;
}

const char *
testhost_ingested(struct testhost *t)
{
    return t->has_ingested ? text_str(&t->ingested) : NULL;
}

void
testhost_fill_sources(struct il_api *api)
{
    api->request_method = api_method;
    api->request_path = api_path;
    api->request_header = api_header;
    api->request_each_header = api_each_header;
    api->request_json = api_request_json;
    api->request_query = api_query;
    api->request_body = api_body;
    api->request_peer = api_peer;
    api->respond_header = api_respond_header;
    api->respond = api_respond;
    api->respond_error_text = api_respond_error_text;
    api->request_refuse_text = api_request_refuse_text;
    api->request_receipt = api_request_receipt;
    api->request_decline = api_request_decline;
    api->request_sender = api_request_sender;
    api->request_ingest = api_request_ingest;
    api->request_entities = testhost_accept;
}

void
testhost_free_sources(struct testhost *t)
{
    free(t->sender);
    text_clear(&t->answer);
    text_clear(&t->answer_headers);
    text_clear(&t->ingested);
}
