/* SPDX-License-Identifier: MIT */
/* sdk.event: events over HTTP, from the SDK or anything that can POST JSON.
 *
 * Serves POST /v1/ingest, the paths of Segment's clients, and /v1/entities, for
 * senders that show one of its keys.  Several instances may serve the same
 * paths with keys of their own: the key decides which source an event belongs
 * to.  What a body may look like and what happens to its events is the gate's
 * business. */
#include "event.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Basic's: a longer user name is no key. */
#define KEY_MAX 1024

static const struct il_option key_options[] = { { .name = "key",
                                                  .type = IL_OPT_STRING,
                                                  .flags = IL_OPT_REQUIRED
                                                           | IL_OPT_SECRET,
                                                  .help = "The key." },
                                                IL_PUBLISHABLE_OPTION,
                                                IL_SENDER_OPTIONS,
                                                IL_ORIGINS_OPTION,
                                                IL_ENTITIES_OPTION,
                                                { 0 } };

static const struct il_option handshake_options[] = {
    { .name = "origins",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | IL_OPT_LIST,
      .help = "Senders that may deliver here, as they name themselves in "
              "WebHook-Request-Origin; *.NAME is all below, * is all." },
    { .name = "per_minute",
      .type = IL_OPT_INT,
      .min = 1,
      .max = 1000000000,
      .help = "Requests per minute that they are told they may send; "
              "without it, any number." },
    { 0 }
};

static const struct il_option event_options[] = {
    { .name = "keys",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_REQUIRED | IL_OPT_LIST | IL_OPT_SHORT,
      .children = key_options,
      .help = "Keys that senders show as \"Authorization: Bearer KEY\", or as "
              "the user name of Basic; all of them are valid at the same "
              "time." },
    { .name = "max_events",
      .type = IL_OPT_INT,
      .min = 1,
      .max = 10000,
      .def = "500",
      .help = "Most events in one request." },
    { .name = "cloudevent_data",
      .type = IL_OPT_STRING,
      .def = "text",
      .choices = "text|base64|refuse",
      .help = "What becomes of a CloudEvent's data that is not JSON: text "
              "where it is UTF-8 and else base64, always base64, or 415." },
    { .name = "handshake",
      .type = IL_OPT_GROUP,
      .children = handshake_options,
      .help = "Who is told, when it asks with OPTIONS as CloudEvents' webhooks "
              "do, that it may deliver here." },
    { .name = "max_body",
      .type = IL_OPT_SIZE,
      .min = 1024,
      .max = 64 << 20,
      .def = "4MiB",
      .help = "Largest body of one request in bytes, also after unpacking." },
    { 0 }
};

/* The key of "Bearer KEY", or NULL.  The scheme's case does not count. */
static const char *
bearer(const char *header, size_t *len)
{
    if (!header || strncasecmp(header, "Bearer ", 7))
        return NULL;
    header += 7;
    header += strspn(header, " ");
    *len = strlen(header);
    while (*len && header[*len - 1] == ' ')
        --*len;
    return *len ? header : NULL;
}

static int
base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int) (at - digits) : -1;
}

/* The user name of "Basic ...", which Segment's clients have their key for; the
 * password is nobody's business.  NULL where there is none. */
static const char *
basic(const char *header, char out[KEY_MAX], size_t *len)
{
    uint32_t bits = 0;
    int have = 0;
    if (!header || strncasecmp(header, "Basic ", 6))
        return NULL;
    header += 6;
    header += strspn(header, " ");
    for (*len = 0; base64_digit(*header) >= 0; header++) {
        bits = bits << 6 | (uint32_t) base64_digit(*header);
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        char c = (char) (bits >> have);
        if (c == ':')
            return *len ? out : NULL;
        if (*len == KEY_MAX)
            return NULL;
        out[(*len)++] = c;
    }
    return NULL;
}

/* All keys are compared, whichever fits, so that the time tells nothing. */
const struct key *
event_key(const struct event *s, const char *text, size_t len)
{
    const struct key *found = NULL;
    for (size_t i = 0; i < s->count; i++)
        if (il_equal(s->host, text, len, s->keys[i].text, s->keys[i].len))
            found = &s->keys[i];
    return found;
}

/* In the header, or in the URL for who can send no header. */
const struct key *
event_request_key(const struct event *s, const struct il_request *req)
{
    char name[KEY_MAX];
    size_t len = 0;
    const char *header = il_request_header(req, "Authorization");
    const char *text = bearer(header, &len);
    if (!text)
        text = basic(header, name, &len);
    if (!header && (text = il_request_query(req, "key")))
        len = strlen(text);
    return text ? event_key(s, text, len) : NULL;
}

/* URLs are written into logs on their way: only what is no secret may be in
 * one. */
static int
refuse_url(struct il_request *req)
{
    il_respond_error(req, 403, "key_in_url",
                     "this key is not publishable, and was sent in a URL: "
                     "send \"Authorization: Bearer KEY\", and replace the "
                     "key, which may be in logs by now");
    return -EACCES;
}

static int
event_admit(void *self, struct il_request *req)
{
    const struct key *key = event_request_key(self, req);
    if (!key)
        return IL_NOT_MINE;
    int err = il_request_sender(req, key->sender);
    if (!err && !key->publishable && !il_request_header(req, "Authorization"))
        err = refuse_url(req);
    return err;
}

/* Some of Segment's clients have their key in the body alone. */
static int
segment_admit(void *self, struct il_request *req)
{
    return il_request_header(req, "Authorization")
                   || il_request_query(req, "key")
               ? event_admit(self, req)
               : IL_UNPROVEN;
}

static void
event_ingest(void *self, struct il_request *req)
{
    struct event *s = self;
    if (!cloudevents_take(s, req))
        il_request_ingest(req, s->max_events);
}

/* The gate knows what a key may do with entities. */
static void
event_entities(void *self, struct il_request *req)
{
    (void) self;
    il_request_entities(req);
}

/* A key has to survive an HTTP header. */
static int
check_key(const struct event *s, const struct il_conf *conf, const char *key)
{
    if (!*key)
        return il_conf_error(conf, "key", -1, "is empty");
    for (const char *p = key; *p; p++)
        if ((unsigned char) *p <= 0x20 || (unsigned char) *p >= 0x7f)
            return il_conf_error(conf, "key", -1,
                                 "holds a blank or another character that a "
                                 "header cannot carry; use printable ASCII");
    if (event_key(s, key, strlen(key)))
        return il_conf_error(conf, "key", -1,
                             "is the same as another of this source");
    return 0;
}

static int
add_key(struct event *s, const struct il_conf *conf)
{
    struct key key = { .text = il_conf_str(conf, "key"),
                       .publishable = il_conf_int(conf, "publishable") != 0 };
    int err = check_key(s, conf, key.text);
    if (key.publishable && !il_conf_count(conf, "types"))
        err = il_conf_error(conf, "publishable", -1,
                            "needs types, those that everybody may send, as "
                            "in types = ( \"page.*\" )");
    int bad = il_sender_from(s->host, conf, "key", &key.sender);
    if (err || bad)
        return err ? err : bad;
    key.len = strlen(key.text);
    s->keys[s->count++] = key;
    return 0;
}

static int
event_keys(struct event *s, const struct il_conf *conf)
{
    int err = 0;
    size_t n = il_conf_count(conf, "keys");
    if (!n)
        return il_conf_error(conf, "keys", -1,
                             "no key is given, so nobody could send; write "
                             "keys = ( \"env:NAME\" )");
    s->keys = calloc(n, sizeof(*s->keys));
    if (!s->keys)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        int bad = add_key(s, il_conf_group(conf, "keys", i));
        err = err ? err : bad;
    }
    return err;
}

/* --- declared events ------------------------------------------------------ */

static int
declared_order(const void *a, const void *b)
{
    const struct declared *x = a, *y = b;
    return strcmp(x->event, y->event);
}

static int
event_declared(struct event *s)
{
    struct il_declared d = { .struct_size = sizeof(d) };
    size_t n = 0;
    while (!il_declared_field(s->host, n, &d))
        n++;
    s->declared = calloc(n + 1, sizeof(*s->declared));
    if (!s->declared)
        return -ENOMEM;
    for (size_t i = 0; i < n && !il_declared_field(s->host, i, &d); i++)
        s->declared[s->declared_count++] =
            (struct declared){ .event = d.event,
                               .name = d.name,
                               .object = !strcmp(d.type, "object") };
    qsort(s->declared, s->declared_count, sizeof(*s->declared),
          declared_order);
    return 0;
}

/* As strcmp() with a type that has no NUL at its end. */
static int
type_order(const char *type, size_t len, const char *event)
{
    int order = strncmp(type, event, len);
    return order ? order : event[len] ? -1 : 0;
}

/* The first field of a type; the count of all where there is none. */
static size_t
first_declared(const struct event *s, const char *type, size_t type_len)
{
    size_t from = 0, to = s->declared_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (type_order(type, type_len, s->declared[middle].event) > 0)
            from = middle + 1;
        else
            to = middle;
    }
    if (from < s->declared_count
        && !type_order(type, type_len, s->declared[from].event))
        return from;
    return s->declared_count;
}

int
event_is_object(const struct event *s, const char *type, size_t type_len,
                const struct il_value *name)
{
    if (!type || memchr(type, 0, type_len))
        return 0;
    for (size_t i = first_declared(s, type, type_len);
         i < s->declared_count
         && !type_order(type, type_len, s->declared[i].event);
         i++)
        if (s->declared[i].object && offer_is(name, s->declared[i].name))
            return 1;
    return 0;
}

int
event_adds(const struct event *s, const char *type, size_t type_len,
           const char *name)
{
    if (!type || memchr(type, 0, type_len))
        return 1; /* the gate refuses it */
    size_t from = first_declared(s, type, type_len);
    if (from == s->declared_count)
        return 1;
    for (; from < s->declared_count
           && !type_order(type, type_len, s->declared[from].event);
         from++)
        if (!strcmp(s->declared[from].name, name))
            return 1;
    return 0;
}

/* --- opening -------------------------------------------------------------- */

/* Clients put the path behind a URL that its user wrote, often with a slash at
 * its end, and some write one behind the path. */
static int
segment_routes(struct event *s, struct il_route *r)
{
    const char *path = r->path;
    char form[32];
    int err = 0;
    for (size_t i = 0; i < 4 && !err; i++) {
        snprintf(form, sizeof(form), "%s%s%s", i & 1 ? "/" : "", path,
                 i & 2 ? "/" : "");
        r->path = form;
        err = il_route_add(s->host, r, s);
    }
    return err;
}

static int
event_routes(struct event *s, const struct il_conf *conf)
{
    static const struct {
        const char *method, *path;
        void (*handle)(void *self, struct il_request *);
    } routes[] = {
        { "POST", "/v1/ingest", event_ingest },
        { "POST", "/v1/track", segment_handle },
        { "POST", "/v1/identify", segment_handle },
        { "POST", "/v1/page", segment_handle },
        { "POST", "/v1/screen", segment_handle },
        { "POST", "/v1/group", segment_handle },
        { "POST", "/v1/alias", segment_handle },
        { "POST", "/v1/batch", segment_handle },
        { "POST", "/v1/import", segment_handle },
        /* as Segment's client for browsers calls them */
        { "POST", "/v1/t", segment_handle },
        { "POST", "/v1/i", segment_handle },
        { "POST", "/v1/p", segment_handle },
        { "POST", "/v1/s", segment_handle },
        { "POST", "/v1/g", segment_handle },
        { "POST", "/v1/a", segment_handle },
        { "POST", "/v1/b", segment_handle },
        { "GET", "/v1/entities", event_entities },
        { "POST", "/v1/entities", event_entities },
        { "GET", "/v1/entities/*", event_entities },
        { "PATCH", "/v1/entities/*", event_entities },
        { "DELETE", "/v1/entities/*", event_entities },
    };
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        struct il_route r = {
            .struct_size = sizeof(r),
            .method = routes[i].method,
            .path = routes[i].path,
            .max_body = (uint64_t) il_conf_int(conf, "max_body"),
            .admit = routes[i].handle == segment_handle ? segment_admit
                                                        : event_admit,
            .handle = routes[i].handle,
        };
        int err = routes[i].handle == segment_handle
                      ? segment_routes(s, &r)
                      : il_route_add(s->host, &r, s);
        if (err)
            return err;
    }
    const struct il_route asks = {
        .struct_size = sizeof(asks),
        .method = "OPTIONS",
        .path = "/v1/ingest",
        .max_body = 1024,
        .admit = handshake_admit,
        .handle = handshake_answer,
    };
    return s->origin_count ? il_route_add(s->host, &asks, s) : 0;
}

static void
event_close(void *self)
{
    struct event *s = self;
    free(s->keys);
    free(s->declared);
    free(s->origins);
    free(s);
}

static int
event_open(const struct il_host *host, const struct il_conf *conf,
           void **self)
{
    struct event *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->host = host;
    s->max_events = (uint32_t) il_conf_int(conf, "max_events");
    const char *data = il_conf_str(conf, "cloudevent_data");
    s->data_as = !strcmp(data, "text")     ? DATA_TEXT
                 : !strcmp(data, "base64") ? DATA_BASE64
                                           : DATA_REFUSED;
    int err = event_keys(s, conf);
    int bad = handshake_open(s, conf);
    err = err ? err : bad;
    if (!err)
        err = event_declared(s);
    if (!err)
        err = il_kind_named(host, "user", &s->user);
    if (!err)
        err = il_kind_named(host, "account", &s->account);
    if (!err)
        err = event_routes(s, conf);
    if (err) {
        event_close(s);
        return err;
    }
    *self = s;
    return 0;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_SOURCE,
    .threads = IL_PARALLEL,
    .name = "sdk.event",
    .version = "1.0",
    .summary = "Events over HTTP, for senders with a key.",
    .options = event_options,
    .open = event_open,
    .close = event_close,
};
