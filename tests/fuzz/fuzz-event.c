/* SPDX-License-Identifier: MIT */
/* What sdk.event makes of CloudEvents and of Segment's calls.  The first byte
 * says which; of a binary CloudEvent, headers come in lines before the body. */
#include "../../plugins/sdk.event/offer.c"
#include "../../plugins/sdk.event/segment.c"
#include "../../plugins/sdk.event/when.c"
#define make_event make_cloud_event
#define take_one take_cloud_event
#include "../../plugins/sdk.event/cloudevents.c"

#include "fuzz.h"
#include "base/api.h"
#include "host/api.h"
#include "codec/msg_read.h"

struct il_request {
    const struct il_api *api;
    const char *path, *type;
    char *headers; /* NUL-ended pairs, an empty name at the end */
    const uint8_t *body;
    size_t len;
    int answers;
};

/* "declared" may have user_id only. */
int
event_adds(const struct event *s, const char *type, size_t len,
           const char *name)
{
    (void) s;
    return !type || len != 8 || memcmp(type, "declared", 8)
           || !strcmp(name, "user_id");
}

int
event_is_object(const struct event *s, const char *type, size_t len,
                const struct il_value *name)
{
    (void) s;
    return type && len == 8 && !memcmp(type, "declared", 8)
           && offer_is(name, "address");
}

/* "k" and, publishable, "p". */
const struct key *
event_key(const struct event *s, const char *text, size_t len)
{
    static const struct key keys[]
        = { { .text = "k", .len = 1 },
            { .text = "p", .len = 1, .publishable = 1 } };
    (void) s;
    for (size_t i = 0; i < 2; i++)
        if (len == 1 && *text == *keys[i].text)
            return &keys[i];
    return NULL;
}

const struct key *
event_request_key(const struct event *s, const struct il_request *req)
{
    (void) s;
    (void) req;
    return NULL;
}

static int
fake_sender(struct il_request *req, struct il_sender *sender)
{
    (void) sender;
    CLAIM(!req->answers);
    return 0;
}

static const char *
fake_path(const struct il_request *r)
{
    return r->path;
}

static const char *
fake_header(const struct il_request *r, const char *name)
{
    if (!strcasecmp(name, "Content-Type"))
        return r->type;
    if (!strcasecmp(name, "ce-specversion"))
        return r->headers ? "1.0" : NULL;
    return NULL;
}

static int
fake_each_header(const struct il_request *r,
                 int (*fn)(void *arg, const char *name, const char *value),
                 void *arg)
{
    for (char *p = r->headers; p && *p;) {
        char *value = p + strlen(p) + 1;
        int result = fn(arg, p, value);
        if (result)
            return result;
        p = value + strlen(value) + 1;
    }
    return 0;
}

static const void *
fake_body(const struct il_request *r, size_t *len)
{
    *len = r->len;
    return r->body;
}

static void
fake_respond_header(struct il_request *r, const char *name, const char *value)
{
    (void) r;
    (void) name;
    (void) value;
}

static void
fake_respond(struct il_request *r, int status, const char *type,
             const void *body, size_t len)
{
    (void) status;
    (void) type;
    (void) body;
    (void) len;
    r->answers++;
}

static void
fake_error(struct il_request *r, int status, const char *code,
           const char *text, size_t len)
{
    (void) status;
    (void) code;
    CLAIM(strnlen(text, len) == len);
    r->answers++;
}

static void
fake_receipt(struct il_request *r, int status, const char *json)
{
    (void) status;
    (void) json;
    CLAIM(!r->answers);
}

static void
fake_decline(struct il_request *r)
{
    r->answers++;
}

static int
fake_json(struct il_request *r, struct il_text *text, struct il_value *out)
{
    int err = r->api->read_json(text, (const char *) r->body, r->len, out);
    r->answers += err != 0;
    return err;
}

static void
claim_map(const char *bytes, size_t len)
{
    struct il_value v;
    CLAIM(!msg_check(bytes, len));
    CLAIM(!msg_head(&bytes, bytes + len, &v) && v.type == IL_MAP);
}

static void
fake_emit(struct il_request *r, const struct il_event *events, size_t n,
          size_t stride)
{
    CLAIM(stride == sizeof(*events));
    r->answers++;
    for (size_t i = 0; i < n; i++) {
        const struct il_event *e = &events[i];
        CLAIM(!msg_check(e->payload, e->payload_len));
        if (e->refused) {
            CLAIM(e->refused->message && e->refused->field);
            continue;
        }
        CLAIM(e->type && e->key_len <= 128);
        claim_map(e->payload, e->payload_len);
        for (size_t u = 0; u < e->upsert_count; u++)
            claim_map(e->upserts[u].traits, e->upserts[u].traits_len);
    }
}

static const struct il_api *
fake_api(void)
{
    static struct il_api api;
    if (!api.read_json) {
        host_api_init();
        api = *api_table();
        api.request_path = fake_path;
        api.request_header = fake_header;
        api.request_each_header = fake_each_header;
        api.request_body = fake_body;
        api.respond_header = fake_respond_header;
        api.respond = fake_respond;
        api.respond_error_text = fake_error;
        api.request_refuse_text = fake_error;
        api.request_sender = fake_sender;
        api.request_receipt = fake_receipt;
        api.request_decline = fake_decline;
        api.request_json = fake_json;
        api.request_emit = fake_emit;
    }
    return &api;
}

/* Lines "name:value" up to an empty one become pairs. */
static char *
split_headers(struct il_request *r)
{
    const uint8_t *end = r->body + r->len;
    char *out = calloc(1, 2 * r->len + 4), *o = out;
    CLAIM(out);
    while (r->body < end) {
        const uint8_t *nl = memchr(r->body, '\n', (size_t) (end - r->body));
        const uint8_t *stop = nl ? nl : end;
        const uint8_t *colon
            = memchr(r->body, ':', (size_t) (stop - r->body));
        if (colon && colon > r->body
            && !memchr(r->body, 0, (size_t) (stop - r->body))) {
            size_t name = (size_t) (colon - r->body);
            size_t value = (size_t) (stop - colon - 1);
            memcpy(o, r->body, name);
            memcpy(o + name + 1, colon + 1, value);
            o += name + value + 2;
        }
        int last = stop == r->body;
        r->body = nl ? nl + 1 : end;
        if (last)
            break;
    }
    r->len = (size_t) (end - r->body);
    return out;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[]
        = { "/v1/track", "/v1/identify", "/v1/page",  "/v1/screen",
            "/v1/group", "/v1/alias",    "/v1/batch", "/v1/ingest",
            "/v1/ingest", "/v1/ingest" };
    struct event s = { .max_events = 100 };
    struct il_request r = { .api = fake_api() };
    /* instance.h, which has struct il_host, cannot be had beside event.h: so
     * this is one with nothing in it, with room for more than it has. */
    struct {
        const struct il_api *api;
        void *none[255];
    } host = { .api = r.api };
    if (!size)
        return 0;
    size_t which = data[0] % 10;
    s.host = (const struct il_host *) (const void *) &host;
    il_kind_named(s.host, "user", &s.user);
    il_kind_named(s.host, "account", &s.account);
    r.path = paths[which];
    r.body = data + 1;
    r.len = size - 1;
    if (which == 7)
        r.type = "application/cloudevents+json";
    else if (which == 8)
        r.type = "application/cloudevents-batch+json";
    else if (which == 9)
        r.headers = split_headers(&r);
    if (which < 7)
        segment_handle(&s, &r);
    else
        CLAIM(cloudevents_take(&s, &r));
    CLAIM(r.answers == 1);
    free(r.headers);
    return 0;
}
