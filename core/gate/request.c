/* SPDX-License-Identifier: MIT */
/* Requests of sources that carry events, and the answers to them. */
#include "private.h"

#include "entities.h"
#include "http/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A ticket fits into a request's note, and leaves the last word. */
#define BATCH_WORD 6
_Static_assert(sizeof(struct gate_ticket)
                   <= offsetof(struct http_note, words[BATCH_WORD]),
               "a ticket leaves a word");

/* Above this, reading the next request is worth more than waiting together. */
#define BRIEF_MAX (16 << 10)

static const struct {
    int err;
    enum gate_code code;
    const char *message;
} unavailable[] = {
    { -ENOSPC, GATE_SPOOL_FULL,
      "events cannot be stored now: the disk or the spool is full; send again "
      "later" },
    { -EMFILE, GATE_UNAVAILABLE,
      "events cannot be stored now: no more files can be opened; send again "
      "later" },
    { -EIO, GATE_SPOOL_FAILED,
      "events cannot be stored: the disk has failed; send again later" },
    { -ENOMEM, GATE_NO_MEMORY,
      "there is no memory for this request; send again" },
    { 0, GATE_UNAVAILABLE, "events cannot be stored now; send again later" },
};

static void
answer_unavailable(struct gate *g, struct il_request *req, int err)
{
    uint32_t after = err == -ENOMEM ? 1 : spool_retry_after(g->options.spool);
    size_t i = 0;
    int cause = err == -ENOSPC ? spool_cause(g->options.spool) : err;
    if (cause == -EMFILE || cause == -ENFILE)
        err = -EMFILE;
    while (unavailable[i].err && unavailable[i].err != err)
        i++;
    gate_count_refused(http_owner(req), gate_sender_of(req),
                       unavailable[i].code, 1);
    http_unavailable(req, after, gate_code_name[unavailable[i].code], "%s",
                     unavailable[i].message);
}

/* Asked when the request is held, and after each sync. */
static int
durable_now(void *arg, struct il_request *req)
{
    struct gate *g = arg;
    const struct gate_ticket *t = http_note(req);
    const char *json;
    int durable = gate_outcome(g, t);
    if (!durable)
        return 0;
    gate_ticket_done(t, durable);
    int receipt = http_receipt(req, &json);
    if (durable > 0 && receipt)
        il_respond(req, receipt, json ? "application/json" : NULL,
                   json ? json : "", json ? strlen(json) : 0);
    else if (durable > 0)
        http_respond_out(req, 202, "application/json");
    else
        answer_unavailable(g, req, durable);
    return 1;
}

/* What all requests of a round brought becomes durable together. */
static void
sync_round(void *arg)
{
    struct gate *g = arg;
    spool_flush(g->options.spool, HTTP_PAUSE_US);
}

/* The events are read: on to the spool.  1 when the request is answered; 0
 * when it waits for durable_now(). */
static int
append(struct il_request *req, struct gate_batch *b)
{
    struct gate *g = b->gate;
    int status = 0, err = 0;
    if (b->refused < b->count)
        err = gate_commit(b);
    if (err == -EMSGSIZE) {
        gate_refuse_body(b, 413, GATE_TOO_LARGE,
                         "all events together are too large for one request");
        b->count = b->refused = 0;
    } else if (err == -EDQUOT) {
        gate_answer_limit(req, b);
        return 1;
    } else if (err) {
        answer_unavailable(g, req, err);
        return 1;
    }
    gate_keep_refused(b);
    err = gate_answer(http_out(req), b, &status);
    if (err) {
        /* accepted, but there is no memory to say so: sent again, what has a
         * key is recognised */
        answer_unavailable(g, req, -ENOMEM);
        return 1;
    }
    if (!b->accepted && !b->duplicates) {
        http_respond_out(req, status, "application/json");
        return 1;
    }
    gate_ticket_fill(b, http_note(req));
    gate_know_server(g, http_of(req));
    return 0;
}

/* Asked as durable_now() is, but what the events tell of entities comes first:
 * until then the note ends with the batch. */
static int
upserted_now(void *arg, struct il_request *req)
{
    struct http_note *note = http_note(req);
    struct gate_batch *b = (void *) (uintptr_t) note->words[BATCH_WORD];
    if (!b)
        return durable_now(arg, req);
    if (!atomic_load(&b->upserted))
        return 0;
    note->words[BATCH_WORD] = 0;
    int err = gate_upsert_done(b), answered = 1;
    if (err)
        answer_unavailable(b->gate, req, err);
    else
        answered = append(req, b);
    spool_push(b->gate->options.spool);
    gate_upsert_release(b);
    gate_batch_give(b);
    return answered ? 1 : durable_now(arg, req);
}

/* 1 when the batch is not the caller's any more. */
static int
upsert(struct il_request *req, struct gate_batch *b)
{
    struct gate *g = b->gate;
    struct http_note *note = http_note(req);
    note->words[BATCH_WORD] = (uintptr_t) b;
    gate_know_server(g, http_of(req));
    int err = gate_keep_copy(b);
    if (!err)
        err = gate_upsert_queue(b);
    if (err) {
        answer_unavailable(g, req, err);
        return 0;
    }
    http_hold(req, upserted_now, g);
    return 1;
}

static void
wait_durable(struct il_request *req, const struct gate_batch *b)
{
    if (b->frames.len <= BRIEF_MAX) {
        http_hold_brief(req, durable_now, sync_round, b->gate);
        return;
    }
    spool_push(b->gate->options.spool);
    http_hold(req, durable_now, b->gate);
}

static void
finish(struct il_request *req, struct gate_batch *b, int err,
       struct slice body)
{
    int status;
    uint32_t upserts = err ? 0 : gate_upsert_wanted(b);
    if (upserts && gate_limit_first(b, upserts)) {
        gate_answer_limit(req, b);
    } else if (upserts) {
        if (upsert(req, b))
            return;
    } else if (!err) {
        if (!append(req, b))
            wait_durable(req, b);
    } else if (err != -EINVAL) {
        answer_unavailable(b->gate, req, err);
    } else {
        gate_keep_body(b->source, b->sender, b->code, b->message, body);
        if (gate_answer(http_out(req), b, &status))
            answer_unavailable(b->gate, req, -ENOMEM);
        else
            http_respond_out(req, status, "application/json");
    }
    gate_batch_give(b);
}

static struct gate_batch *
begin(struct il_request *req)
{
    struct gate_source *s = http_owner(req);
    struct gate_batch *b = s ? gate_batch_take(s->gate, s) : NULL;
    if (b)
        b->sender = gate_sender_of(req);
    else
        http_unavailable(req, 1, "no_memory",
                         "there is no memory for this request; send again");
    return b;
}

static void
api_ingest(struct il_request *req, uint32_t max_events)
{
    int ndjson;
    size_t len;
    const char *bytes = il_request_body(req, &len);
    struct slice body = slice_of(bytes, len);
    struct gate_source *s = http_owner(req);
    if (http_json_type(req, &ndjson)) {
        if (s)
            gate_keep_body(s, gate_sender_of(req), GATE_UNSUPPORTED,
                           "content type", body);
        return;
    }
    struct gate_batch *b = begin(req);
    if (!b)
        return;
    metric_add(s->bytes, len);
    finish(req, b, gate_parse(b, body, ndjson, max_events), body);
}

static void
api_emit(struct il_request *req, const struct il_event *events, size_t n,
         size_t stride)
{
    size_t len;
    const char *bytes = il_request_body(req, &len);
    struct gate_batch *b = NULL;
    if (gate_offer_fits(events, n, stride))
        b = begin(req);
    else
        il_respond_error(req, 500, "plugin_fault",
                         "the source offered events of a size that no version "
                         "has (a fault of its plugin)");
    if (!b)
        return;
    metric_add(b->source->bytes, len);
    finish(req, b, gate_take(b, events, n, stride), slice_of(bytes, len));
}

static int
api_json(struct il_request *req, struct il_text *text, struct il_value *out)
{
    size_t len;
    const char *bytes = il_request_body(req, &len), *p;
    struct json_error error;
    text->len = 0;
    int err = json_to_msgpack(bytes, len, text, &error);
    if (!err) {
        p = text->data;
        return msg_value(&p, text->data + text->len, out);
    }
    struct gate_batch *b = begin(req);
    if (!b)
        return -ENOMEM;
    if (err == -EINVAL)
        gate_refuse_json(b, bytes, &error, "");
    finish(req, b, err, slice_of(bytes, len));
    return err;
}

static void
api_refuse_text(struct il_request *req, int status, const char *code,
                const char *text, size_t text_len)
{
    struct gate_source *s = http_owner(req);
    char message[400];
    size_t len,
        shown = text_len < sizeof(message) ? text_len : sizeof(message) - 1;
    const char *bytes = il_request_body(req, &len);
    memcpy(message, text, shown);
    message[shown] = 0;
    if (s)
        gate_keep_request(s, gate_sender_of(req), code, message,
                          slice_of(bytes, len));
    il_respond_error_text(req, status, code, text, text_len);
}

static int
entities_come(struct il_request *req, size_t more)
{
    return gate_limit_request(req, (uint32_t) more);
}

static int
entities_keep(struct il_request *req, size_t bytes)
{
    return http_charge(req, bytes);
}

static void
entities_work(void *arg, struct il_request *req)
{
    const struct il_sender *sender = gate_sender_of(req);
    const struct entity_use use = {
        .reads = !sender || sender->entities == SENDER_ALL,
        .comes = entities_come,
        .keeps = entities_keep,
    };
    gate_entities_for(arg, req, &use);
}

/* 1 when the key may not. */
static int
refuse_entities(struct il_request *req, int reads)
{
    struct il_sender *sender = gate_sender_of(req);
    if (!sender || sender->entities == SENDER_ALL
        || (!reads && sender->entities == SENDER_WRITES))
        return 0;
    il_request_refuse(req, 403, gate_code_name[GATE_ENTITIES],
                      "this key may not %s entities; the config says what it "
                      "may do, as in entities = \"all\"",
                      reads                                ? "read"
                      : sender->entities == SENDER_NOTHING ? "read or write"
                                                           : "write");
    return 1;
}

/* Both reads and writes wait for a disk: the store may be larger than
 * memory. */
static void
api_entities(struct il_request *req)
{
    struct gate_source *s = http_owner(req);
    struct entities *entities = s ? s->gate->options.entities : NULL;
    const char *method = il_request_method(req);
    int reads = !strcmp(method, "GET") || !strcmp(method, "HEAD");
    if (refuse_entities(req, reads))
        return;
    if (!entities)
        http_unavailable(req, 60, "no_entities",
                         "there is no entity store here");
    else if (!gate_limit_request(req, 1))
        http_defer(req, entities_work, entities);
}

static void
server_refused(void *owner, struct http_sender *sender, const char *code,
               struct slice body)
{
    gate_keep_request(owner, (struct il_sender *) sender, code,
                      "the request was refused before its events were read",
                      body);
}

void
gate_fill_api(struct il_api *api)
{
    http_fill_request_api(api);
    http_on_refused(server_refused);
    api->request_refuse_text = api_refuse_text;
    api->request_json = api_json;
    api->request_ingest = api_ingest;
    api->request_emit = api_emit;
    api->request_entities = api_entities;
    api->request_sender = gate_request_sender;
}
