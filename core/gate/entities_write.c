/* SPDX-License-Identifier: MIT */
/* What POST and PATCH take in. */
#include "entities.h"

#include "codec/json_out.h"
#include "store/entity_bulk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct api_write {
    struct entity_bulk bulk;
    struct il_text problems;
    struct json_out list; /* in it */
    size_t seen, failed, created, merged;
    char why[ENTITY_WHY]; /* the last problem */
    int many;             /* a bulk shape, even of one */
};

static void
api_write_begin(struct api_write *w)
{
    *w = (struct api_write){ .seen = 0 };
    json_out_begin(&w->list, &w->problems);
    json_out_array(&w->list, NULL);
}

static void
api_write_clear(struct api_write *w)
{
    entity_bulk_clear(&w->bulk);
    text_clear(&w->problems);
}

static void
api_problem(void *arg, size_t index, const char *message)
{
    struct api_write *w = arg;
    if (message != w->why)
        snprintf(w->why, sizeof(w->why), "%s", message);
    w->failed++;
    json_out_object(&w->list, NULL);
    json_out_number(&w->list, "index", index);
    json_out_str(&w->list, "code", "invalid_entity");
    json_out_str(&w->list, "message", message);
    json_out_end(&w->list);
}

/* Note how reading one entity ended; 0 to go on. */
static int
api_read(struct api_write *w, int outcome)
{
    if (outcome == 1)
        api_problem(w, w->seen, w->why);
    if (outcome >= 0 && ++w->seen > ENTITY_API_MAX)
        return -E2BIG;
    return outcome < 0 ? outcome : w->list.err;
}

static int
api_array(struct api_write *w, struct json_reader *r)
{
    struct slice none = { 0 };
    int err = json_enter(r), more;
    w->many = 1;
    for (int first = 1; !err; first = 0) {
        more = json_next(r, first);
        if (more <= 0)
            return more;
        err = api_read(w, entity_bulk_read(&w->bulk, r, w->seen, none, w->why));
    }
    return err;
}

/* Is this the object {"entities": [...]}?  Its first key decides. */
static int
api_is_envelope(const struct json_reader *at)
{
    struct json_reader r = *at;
    struct il_text scratch = { 0 };
    struct slice key;
    int yes = json_peek(&r) == '{' && json_enter(&r) == 0
              && json_next(&r, 1) == 1 && json_key(&r, &scratch, &key) == 0
              && slice_equal(key, SLICE("entities"));
    text_clear(&scratch);
    return yes;
}

static int
api_envelope(struct api_write *w, struct json_reader *r)
{
    struct il_text scratch = { 0 };
    struct slice key;
    int err = json_enter(r);
    if (!err)
        err = json_next(r, 1) == 1 ? json_key(r, &scratch, &key) : -EINVAL;
    if (!err)
        err = json_peek(r) == '[' ? api_array(w, r) : -EBADMSG;
    if (!err) {
        err = json_next(r, 0);
        err = err == 1 ? -EBADMSG : err; /* a second member */
    }
    text_clear(&scratch);
    return err;
}

static int
api_blank(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r')
            return 0;
    }
    return 1;
}

static int
api_lines(struct api_write *w, const char *p, size_t len)
{
    const char *end = p + len;
    struct slice none = { 0 };
    int err = 0;
    w->many = 1;
    while (p < end && !err) {
        const char *nl = memchr(p, '\n', (size_t) (end - p));
        const char *stop = nl ? nl : end;
        size_t line = (size_t) (stop - p);
        if (!api_blank(p, line))
            err = api_read(
                w, entity_bulk_line(&w->bulk, p, line, w->seen, none, w->why));
        p = nl ? nl + 1 : end;
    }
    return err;
}

/* Read the body in any of its shapes. */
static int
api_body(struct api_write *w, struct json_reader *r, int lines,
         const char *body, size_t len)
{
    struct slice none = { 0 };
    int err;
    if (lines)
        return api_lines(w, body, len);
    if (json_peek(r) == '[')
        err = api_array(w, r);
    else if (api_is_envelope(r))
        err = api_envelope(w, r);
    else
        err = api_read(w, entity_bulk_read(&w->bulk, r, 0, none, w->why));
    return err ? err : json_close(r);
}

/* Answer what could not be read. */
static void
api_body_error(struct il_request *req, const struct json_reader *r, int err)
{
    if (err == -E2BIG)
        il_respond_error(req, 413, "too_many",
                         "more than %d entities in one request",
                         ENTITY_API_MAX);
    else if (err == -EBADMSG)
        il_respond_error(req, 422, "invalid_entity",
                         "\"entities\" must be an array and stand alone");
    else if (err == -ENOMEM || r->error.code == JSON_MEMORY)
        gate_entities_error(req, -ENOMEM);
    else
        il_respond_error(req, 400, "invalid_json", "%s, at byte %zu",
                         r->error.message, r->error.offset);
}

/* Of several: what became of them. */
static void
api_counts(const struct entity_call *c, struct api_write *w)
{
    struct il_text body = { 0 };
    struct json_out o;
    size_t good = w->created + w->merged;
    int status = good || !w->failed ? 200 : 422;
    json_out_end(&w->list);
    json_out_begin(&o, &body);
    json_out_said(&o, json_out_done(&w->list));
    json_out_object(&o, NULL);
    if (status == 200) {
        json_out_object(&o, "data");
        json_out_number(&o, "created", w->created);
        json_out_number(&o, "merged", w->merged);
        json_out_number(&o, "failed", w->failed);
    } else {
        json_out_object(&o, "error");
        json_out_str(&o, "message", "none of the entities is valid");
        json_out_str(&o, "code", "invalid_entity");
    }
    json_out_raw(&o, "problems", slice_of(w->problems.data, w->problems.len));
    json_out_end(&o);
    json_out_end(&o);
    gate_entities_respond(c, status, &body, json_out_done(&o));
    text_clear(&body);
}

/* Answer once everything is read and, as far as it is good, stored. */
static void
api_answer(const struct entity_call *c, struct api_write *w, int status)
{
    if (w->many)
        api_counts(c, w);
    else if (w->failed)
        il_respond_error(c->req, 422, "invalid_entity", "%s", w->why);
    else
        gate_entities_wrote(c, w->bulk.puts[0].kind, w->bulk.puts[0].id,
                            status);
}

/* Is the type before any parameters this one? */
static int
api_type_is(const char *type, const char *want)
{
    size_t len = strcspn(type, "; \t");
    return len == strlen(want) && !strncasecmp(type, want, len);
}

/* 1 NDJSON, 0 JSON, -1 neither. */
static int
api_type(struct il_request *req)
{
    static const char *const lines[] = { "application/x-ndjson",
                                         "application/ndjson",
                                         "application/jsonl" };
    const char *type = il_request_header(req, "Content-Type");
    if (!type || !*type || api_type_is(type, "application/json"))
        return 0;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        if (api_type_is(type, lines[i]))
            return 1;
    }
    return -1;
}

void
gate_entities_post(const struct entity_call *c)
{
    struct il_request *req = c->req;
    struct api_write w;
    struct json_reader r;
    size_t len = 0;
    const char *body = il_request_body(req, &len);
    int lines = api_type(req), err;
    if (lines < 0) {
        il_respond_error(req, 415, "unsupported_media_type",
                         "entities come as application/json or "
                         "application/x-ndjson");
        return;
    }
    api_write_begin(&w);
    json_open(&r, body, len, MSG_DEPTH_MAX);
    err = api_body(&w, &r, lines, body, len);
    if (err) {
        api_body_error(req, &r, err);
    } else if (w.seen < 2 || !c->use->comes
               || !c->use->comes(req, w.seen - 1)) {
        err = entity_bulk_put(&w.bulk, c->store, api_problem, &w, &w.created,
                              &w.merged);
        if (err)
            gate_entities_error(req, err);
        else
            api_answer(c, &w, w.created ? 201 : 200);
    }
    api_write_clear(&w);
}

/* The object {"traits": {...}}; 0, 1 with why, or negative. */
static int
api_patch_read(struct json_reader *r, struct il_text *traits,
               char why[ENTITY_WHY])
{
    struct il_text scratch = { 0 };
    struct slice key;
    int seen = 0, err = json_peek(r) == '{' ? json_enter(r) : 1, more = 0;
    for (int first = 1; !err; first = 0) {
        more = json_next(r, first);
        if (more <= 0)
            break;
        err = json_key(r, &scratch, &key);
        if (!err
            && (seen++ || !slice_equal(key, SLICE("traits"))
                || json_peek(r) != '{'))
            err = 1;
        if (!err)
            err = json_value(r, traits);
    }
    text_clear(&scratch);
    if (!err)
        err = more < 0 ? more : json_close(r);
    if (err > 0 || (!err && !seen)) {
        snprintf(why, ENTITY_WHY,
                 "expected an object with \"traits\", an object, alone");
        err = 1;
    }
    return err;
}

void
gate_entities_patch(const struct entity_call *c, struct slice kind,
                    struct slice id)
{
    struct il_request *req = c->req;
    struct il_text traits = { 0 };
    struct json_reader r;
    char why[ENTITY_WHY];
    size_t len = 0;
    const char *body = il_request_body(req, &len);
    if (api_type(req) != 0) {
        il_respond_error(req, 415, "unsupported_media_type",
                         "traits come as application/json");
        return;
    }
    json_open(&r, body, len, MSG_DEPTH_MAX);
    int err = api_patch_read(&r, &traits, why);
    if (err == 1) {
        il_respond_error(req, 422, "invalid_entity", "%s", why);
    } else if (err) {
        api_body_error(req, &r, err);
    } else {
        struct entity_put put = {
            .kind = kind,
            .id = id,
            .traits = slice_of(traits.data, traits.len),
            .flags = ENTITY_PUT_EXISTING,
        };
        err = entity_put(c->store, &put, 1, NULL);
        if (err && err != -ENOENT)
            gate_entities_error(req, err);
        else if (err)
            il_respond_error(req, 404, "not_found", "no such entity");
        else
            gate_entities_wrote(c, kind, id, 200); /* may be gone again */
    }
    text_clear(&traits);
}
