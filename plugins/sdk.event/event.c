/* SPDX-License-Identifier: MIT */
/* sdk.event: events over HTTP, from the SDK or anything that can POST JSON.
 *
 * Serves POST /v1/ingest, and /v1/entities, for senders that show one of its
 * keys.  Several instances may serve the same paths with keys of their own:
 * the key decides which source an event belongs to.  What a body may look like
 * and what happens to its events is the gate's business. */
#include <ingestlayer/plugin.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct event {
    const struct il_host *host;
    const char **keys; /* the strings are the host's */
    size_t *lengths;
    size_t count;
    uint32_t max_events;
};

static const struct il_option event_options[] = {
    { .name = "keys", .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | IL_OPT_LIST | IL_OPT_SECRET,
      .help = "Keys that senders show as \"Authorization: Bearer KEY\"; all of "
              "them are valid at the same time." },
    { .name = "max_events", .type = IL_OPT_INT, .min = 1, .max = 10000,
      .def = "500", .help = "Most events in one request." },
    { .name = "max_body", .type = IL_OPT_SIZE, .min = 1024, .max = 64 << 20,
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

/* All keys are compared, whichever fits, so that the time tells nothing. */
static int
event_admit(void *self, struct il_request *req)
{
    struct event *s = self;
    size_t len = 0;
    int found = 0;
    const char *key = bearer(il_request_header(req, "Authorization"), &len);
    if (!key)
        return IL_NOT_MINE;
    for (size_t i = 0; i < s->count; i++)
        found |= il_equal(s->host, key, len, s->keys[i], s->lengths[i]);
    return found ? 0 : IL_NOT_MINE;
}

static void
event_ingest(void *self, struct il_request *req)
{
    struct event *s = self;
    il_request_ingest(req, s->max_events);
}

static void
event_entities(void *self, struct il_request *req)
{
    (void) self;
    il_request_entities(req);
}

/* A key has to survive an HTTP header. */
static int
event_check_key(const struct il_conf *conf, size_t i, const char *key)
{
    if (!*key)
        return il_conf_error(conf, "keys", -1, "key %zu is empty", i + 1);
    for (const char *p = key; *p; p++)
        if ((unsigned char) *p <= 0x20 || (unsigned char) *p >= 0x7f)
            return il_conf_error(conf, "keys", -1,
                                 "key %zu holds a blank or another character "
                                 "that a header cannot carry; use printable "
                                 "ASCII",
                                 i + 1);
    return 0;
}

static int
event_keys(struct event *s, const struct il_conf *conf)
{
    int err = 0;
    s->count = il_conf_count(conf, "keys");
    if (!s->count)
        return il_conf_error(conf, "keys", -1,
                             "no key is given, so nobody could send; write "
                             "keys = ( \"env:NAME\" )");
    s->keys = calloc(s->count, sizeof(*s->keys));
    s->lengths = calloc(s->count, sizeof(*s->lengths));
    if (!s->keys || !s->lengths)
        return -ENOMEM;
    for (size_t i = 0; i < s->count; i++) {
        s->keys[i] = il_conf_str_at(conf, "keys", i);
        s->lengths[i] = strlen(s->keys[i]);
        if (event_check_key(conf, i, s->keys[i]))
            err = -EINVAL;
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
            .admit = event_admit,
            .handle = routes[i].handle,
        };
        int err = il_route(s->host, &r, s);
        if (err)
            return err;
    }
    return 0;
}

static void
event_close(void *self)
{
    struct event *s = self;
    free(s->keys);
    free(s->lengths);
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
    int err = event_keys(s, conf);
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
