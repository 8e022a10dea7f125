/* SPDX-License-Identifier: MIT */
/* The entity API and the import.  The first byte says how the bytes come: as a
 * JSON body, as lines, as a PATCH, as the path of a request, as CSV. */
#include <config.h>

#include "folder.h"
#include "base/api.h"
#include "base/log.h"
#include "codec/msg_read.h"
#include "store/entity_import.h"
#include "gate/entities.h"

struct il_request {
    const struct il_api *api;
    const char *method, *path, *type;
    const char *query[3]; /* kind, limit, after */
    const char *body;
    size_t body_len;
    int status, answers;
    struct il_text answer;
};

static const char *
fake_method(const struct il_request *r)
{
    return r->method;
}

static const char *
fake_path(const struct il_request *r)
{
    return r->path;
}

static const char *
fake_header(const struct il_request *r, const char *name)
{
    return strcasecmp(name, "content-type") ? NULL : r->type;
}

static const char *
fake_query(const struct il_request *r, const char *name)
{
    return r->query[!strcmp(name, "kind") ? 0 : !strcmp(name, "limit") ? 1 : 2];
}

static const void *
fake_body(const struct il_request *r, size_t *len)
{
    *len = r->body_len;
    return r->body;
}

static void
fake_respond_header(struct il_request *r, const char *name, const char *value)
{
    (void) r;
    CLAIM(*name && *value);
}

static void
fake_respond(struct il_request *r, int status, const char *type,
             const void *body, size_t len)
{
    CLAIM(!strcmp(type, "application/json"));
    r->status = status;
    r->answers++;
    CLAIM(!text_put(&r->answer, body, len));
}

static void
fake_error(struct il_request *r, int status, const char *code,
           const char *text, size_t len)
{
    CLAIM(*code);
    CLAIM(strnlen(text, len) == len);
    r->status = status;
    r->answers++;
}

static const struct il_api api = {
    .struct_size = sizeof(api),
    .request_method = fake_method,
    .request_path = fake_path,
    .request_header = fake_header,
    .request_query = fake_query,
    .request_body = fake_body,
    .respond_header = fake_respond_header,
    .respond = fake_respond,
    .respond_error_text = fake_error,
};

/* One answer, in JSON, and never a fault of ours. */
static void
ask(struct entities *store, struct il_request *r)
{
    struct il_text packed = { 0 };
    r->api = &api;
    gate_entities(store, r);
    CLAIM(r->answers == 1);
    CLAIM(r->status >= 200 && r->status < 500);
    if (r->answer.len)
        CLAIM(!json_to_msgpack(r->answer.data, r->answer.len, &packed, NULL));
    text_clear(&packed);
    text_clear(&r->answer);
}

/* PATH, or METHOD PATH, with queries in lines behind it. */
static void
ask_path(struct entities *store, char *text, size_t len)
{
    static const char *const methods[] = { "GET", "DELETE", "PATCH", "PUT" };
    struct il_request r = { .type = "application/json",
                            .body = "{\"traits\":{\"a\":1}}",
                            .body_len = 18 };
    char path[600];
    char *rest = memchr(text, '\n', len);
    r.method = methods[len % 4];
    for (int i = 0; rest && i < 3; i++) {
        *rest++ = 0;
        r.query[i] = *rest == '\n' ? NULL : rest;
        rest = strchr(rest, '\n');
    }
    if (rest)
        *rest = 0;
    snprintf(path, sizeof path, "%s/%.500s", ENTITY_API_PATH, text);
    r.path = path;
    ask(store, &r);
}

static void
import(struct entities *store, int format, char *text, size_t len)
{
    FILE *in = fmemopen(len ? text : NULL, len ? len : 1, "r");
    FILE *problems = fopen("/dev/null", "w");
    struct entity_import job = { .store = store,
                                 .in = in,
                                 .name = "in",
                                 .format = format,
                                 .kind = SLICE("user"),
                                 .delimiter = ',',
                                 .typed = len & 1,
                                 .problems = problems };
    CLAIM(in && problems);
    int err = entity_import(&job);
    CLAIM(err <= 0);
    fclose(in);
    fclose(problems);
}

static int
each(void *arg, const struct entity *e)
{
    struct il_text json = { 0 };
    uint32_t *n = arg;
    CLAIM(entity_kind_valid(e->kind) && entity_id_valid(e->id));
    CLAIM(!entity_json(&json, e));
    text_clear(&json);
    return ++*n == 100;
}

/* The store grows; begin anew now and then. */
static struct entities *
open_store(void)
{
    static struct entities *store;
    static char dir[64];
    static int used;
    if (store && used++ < 2000)
        return store;
    if (store) {
        entity_close(store);
        folder_remove(dir);
    }
    used = 0;
    folder_make(dir, "entity");
    CLAIM(!entity_open(dir, 64 << 20, &store));
    return store;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct il_request r = { .method = "POST", .path = ENTITY_API_PATH };
    uint32_t n = 0;
    if (!size)
        return 0;
    log_level_set(0);
    struct entities *store = open_store();
    /* with a NUL behind it */
    char *text = malloc(size);
    CLAIM(text);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    r.body = text;
    r.body_len = size - 1;
    switch (data[0] % 6) {
    case 0:
        ask(store, &r);
        break;
    case 1:
        r.type = "application/x-ndjson";
        ask(store, &r);
        break;
    case 2:
        r.method = "PATCH";
        r.path = ENTITY_API_PATH "/user/u1";
        ask(store, &r);
        break;
    case 3:
        ask_path(store, text, size - 1);
        break;
    default:
        import(store, data[0] % 6 == 4 ? IMPORT_CSV : IMPORT_GUESS, text,
               size - 1);
    }
    CLAIM(entity_each(store, (struct slice){ 0 }, (struct slice){ 0 }, 100,
                      each, &n)
          >= 0);
    free(text);
    return 0;
}
