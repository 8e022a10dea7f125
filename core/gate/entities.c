/* SPDX-License-Identifier: MIT */
#include "entities.h"

#include "base/log.h"
#include "store/entity_bulk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a listing; a longer one has more pages. */
#define API_BODY_MAX (4 << 20)

void
gate_entities_error(struct il_request *req, int err)
{
    if (err == -EINVAL || err == -EMSGSIZE) {
        il_respond_error(req, 422, "invalid_entity", "%s",
                         entity_strerror(err));
        return;
    }
    if (err != -ENOSPC && err != -ENOMEM)
        log_error("entities: %s %s: %s", il_request_method(req),
                  ENTITY_API_PATH, strerror(-err));
    il_respond_header(req, "Retry-After", "30");
    il_respond_error(req, 503, err == -ENOSPC ? "storage_full" : "unavailable",
                     "%s", entity_strerror(err));
}

void
gate_entities_respond(const struct entity_call *c, int status,
                      struct il_text *body, int err)
{
    if (err)
        gate_entities_error(c->req, err);
    else if (!c->use->keeps || !c->use->keeps(c->req, body->len))
        il_respond(c->req, status, "application/json", body->data, body->len);
}

struct api_list {
    struct il_text body, last;
    struct json_out out; /* in body */
    struct slice kind;
    uint32_t count, limit;
    int more;
};

static int
api_list_one(void *arg, const struct entity *one)
{
    struct api_list *l = arg;
    if (l->count == l->limit || l->body.len > API_BODY_MAX) {
        l->more = 1;
        return 1;
    }
    l->count++;
    l->last.len = 0;
    entity_out(&l->out, NULL, one);
    int err = l->out.err;
    if (!err && !l->kind.ptr) {
        err = text_put(&l->last, one->kind.ptr, one->kind.len);
        if (!err)
            err = text_putc(&l->last, '/');
    }
    return err ? err : text_put(&l->last, one->id.ptr, one->id.len);
}

static int
api_list_fill(struct api_list *l, struct entities *store, const char *after)
{
    struct slice from = { after, after ? strlen(after) : 0 };
    struct json_out *o = &l->out;
    json_out_begin(o, &l->body);
    json_out_object(o, NULL);
    json_out_object(o, "data");
    json_out_array(o, "entities");
    int err = entity_each(store, l->kind, from, l->limit + 1, api_list_one, l);
    if (err < 0)
        return err;
    json_out_end(o);
    json_out_slice(o, "next",
                   slice_of(l->more ? text_str(&l->last) : NULL, l->last.len));
    json_out_end(o);
    json_out_end(o);
    return json_out_done(o);
}

static void
api_list(const struct entity_call *c)
{
    struct il_request *req = c->req;
    const char *kind = il_request_query(req, "kind");
    const char *limit = il_request_query(req, "limit");
    const char *after = il_request_query(req, "after");
    struct api_list l = { .limit = ENTITY_API_PAGE };
    if (kind) {
        l.kind = slice_of(kind, strlen(kind));
        if (!entity_kind_valid(l.kind)) {
            il_respond_error(req, 400, "invalid_query",
                             "kind is not the name of a kind of entity");
            return;
        }
    }
    if (limit) {
        char *end = NULL;
        long n = strtol(limit, &end, 10);
        if (*end || end == limit || n < 1 || n > ENTITY_API_PAGE_MAX) {
            il_respond_error(req, 400, "invalid_query",
                             "limit must be a number from 1 to %d",
                             ENTITY_API_PAGE_MAX);
            return;
        }
        l.limit = (uint32_t) n;
    }
    int err = api_list_fill(&l, c->store, after);
    if (err == -EINVAL)
        il_respond_error(req, 400, "invalid_query",
                         "after is not what an earlier page gave as next");
    else
        gate_entities_respond(c, 200, &l.body, err);
    text_clear(&l.body);
    text_clear(&l.last);
}

static void
api_unknown(struct il_request *req)
{
    il_respond_error(req, 404, "not_found", "no such entity");
}

void
gate_entities_show(const struct entity_call *c, struct slice kind,
                   struct slice id, int status)
{
    struct il_text copy = { 0 }, body = { 0 };
    struct entity one;
    int found = entity_get(c->store, kind, id, &copy, &one);
    if (found == 0) {
        api_unknown(c->req);
    } else {
        struct json_out o;
        json_out_begin(&o, &body);
        json_out_object(&o, NULL);
        if (found < 0)
            json_out_said(&o, found);
        else
            entity_out(&o, "data", &one);
        json_out_end(&o);
        int err = json_out_done(&o);
        gate_entities_respond(c, status, &body, err);
    }
    text_clear(&copy);
    text_clear(&body);
}

/* Which one it is, and whether it is gone. */
static void
api_named(const struct entity_call *c, struct slice kind, struct slice id,
          int status, int deleted)
{
    struct il_text body = { 0 };
    struct json_out o;
    json_out_begin(&o, &body);
    json_out_object(&o, NULL);
    json_out_object(&o, "data");
    json_out_slice(&o, "kind", kind);
    json_out_slice(&o, "external_id", id);
    if (deleted)
        json_out_bool(&o, "deleted", 1);
    json_out_end(&o);
    json_out_end(&o);
    gate_entities_respond(c, status, &body, json_out_done(&o));
    text_clear(&body);
}

void
gate_entities_wrote(const struct entity_call *c, struct slice kind,
                    struct slice id, int status)
{
    if (c->use->reads)
        gate_entities_show(c, kind, id, status);
    else
        api_named(c, kind, id, status, 0);
}

static void
api_delete(const struct entity_call *c, struct slice kind, struct slice id)
{
    int n = entity_delete(c->store, kind, id);
    if (n == 0)
        api_unknown(c->req);
    else if (n < 0)
        gate_entities_error(c->req, n);
    else
        api_named(c, kind, id, 200, 1);
}

/* The kind and id of a path below ENTITY_API_PATH; the id may have slashes. */
static int
api_one_path(const char *path, struct slice *kind, struct slice *id)
{
    const char *slash = strchr(path, '/');
    if (!slash)
        return -1;
    *kind = slice_of(path, (size_t) (slash - path));
    *id = slice_of(slash + 1, strlen(slash + 1));
    return entity_kind_valid(*kind) && entity_id_valid(*id) ? 0 : -1;
}

static void
api_one(const struct entity_call *c, const char *path)
{
    struct il_request *req = c->req;
    const char *method = il_request_method(req);
    struct slice kind, id;
    if (api_one_path(path, &kind, &id)) {
        api_unknown(req);
    } else if (!strcmp(method, "GET") || !strcmp(method, "HEAD")) {
        gate_entities_show(c, kind, id, 200);
    } else if (!strcmp(method, "PATCH")) {
        gate_entities_patch(c, kind, id);
    } else if (!strcmp(method, "DELETE")) {
        api_delete(c, kind, id);
    } else {
        il_respond_header(req, "Allow", "GET, PATCH, DELETE");
        il_respond_error(req, 405, "method_not_allowed",
                         "an entity takes GET, PATCH and DELETE");
    }
}

void
gate_entities_for(struct entities *store, struct il_request *req,
                  const struct entity_use *use)
{
    const struct entity_call call = { store, req, use };
    const char *method = il_request_method(req);
    const char *path = il_request_path(req);
    size_t root = strlen(ENTITY_API_PATH);
    if (strncmp(path, ENTITY_API_PATH, root)
        || (path[root] && path[root] != '/')) {
        il_respond_error(req, 404, "not_found", "no such path");
        return;
    }
    path += root + (path[root] == '/');
    if (*path) {
        api_one(&call, path);
    } else if (!strcmp(method, "POST")) {
        gate_entities_post(&call);
    } else if (!strcmp(method, "GET") || !strcmp(method, "HEAD")) {
        api_list(&call);
    } else {
        il_respond_header(req, "Allow", "GET, POST");
        il_respond_error(req, 405, "method_not_allowed",
                         "%s takes GET and POST", ENTITY_API_PATH);
    }
}

void
gate_entities(struct entities *store, struct il_request *req)
{
    static const struct entity_use all = { .reads = 1 };
    gate_entities_for(store, req, &all);
}
