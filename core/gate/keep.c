/* SPDX-License-Identifier: MIT */
/* Refusals are counted, and kept as dead letters. */
#include "config.h"

#include "private.h"

#include "base/api.h"
#include "codec/json_out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
labels(struct il_text *out, const char *source, const char *code)
{
    out->len = 0;
    int err = metric_label(out, "source", source);
    if (!err && code)
        err = text_putc(out, ',');
    return err || !code ? err : metric_label(out, "code", code);
}

int
gate_source_counters(struct gate_source *s)
{
    struct il_text text = { 0 };
    int err = labels(&text, s->name, NULL);
    if (!err) {
        s->accepted =
            metric_counter("gate_accepted_total", text_str(&text), IL_UNIT_NONE,
                           "Events accepted and durable.");
        s->duplicates =
            metric_counter("gate_duplicates_total", text_str(&text),
                           IL_UNIT_NONE, "Events that were there already.");
        s->bytes = metric_counter("gate_received_bytes_total", text_str(&text),
                                  IL_UNIT_BYTES, "Bytes of bodies, unpacked.");
        s->unkept =
            metric_counter("gate_unkept_total", text_str(&text), IL_UNIT_NONE,
                           "Refusals that were not kept as dead "
                           "letters, as their key's rate was used "
                           "up.");
    }
    for (int code = 1; code < GATE_CODES && !err; code++) {
        err = labels(&text, s->name, gate_code_name[code]);
        if (!err)
            s->refused[code] = metric_counter(
                "gate_refused_total", text_str(&text), IL_UNIT_NONE,
                "Events or bodies refused, by reason.");
    }
    text_clear(&text);
    return err;
}

void
gate_source_counts(const struct gate_source *s, struct gate_counts *out)
{
    *out = (struct gate_counts){ .accepted = metric_get(s->accepted),
                                 .duplicates = metric_get(s->duplicates) };
    for (int code = 1; code < GATE_CODES; code++)
        out->refused += metric_get(s->refused[code]);
}

/* What will be sent again is not lost, and a letter of it would be a second
 * one.  A key with a rate makes letters at its rate, so that what anybody can
 * read in a page does not push everybody else's letters out. */
static int
worth_keeping(struct gate_source *s, struct il_sender *sender,
              enum gate_code code)
{
    if (!s->gate->options.dead || code >= GATE_TRANSIENT)
        return 0;
    int64_t now = sender && sender->letters.rate.events ? rate_now_ns() : 0;
    if (!now)
        return 1;
    if (rate_wait_ns(&sender->letters, 1, now)) {
        metric_add(s->unkept, 1);
        return 0;
    }
    /* Two loops at a time may take one for both: a letter more, no matter. */
    rate_take(&sender->letters, 1, now);
    return 1;
}

/* The next place where a secret stands as a JSON string of its own, or NULL. */
static char *
find_secret(char *from, const char *end, struct slice secret)
{
    for (char *at = from; secret.len && at < end; at += secret.len) {
        at = memmem(at, (size_t) (end - at), secret.ptr, secret.len);
        if (!at)
            return NULL;
        if (at > from && at[-1] == '"' && at + secret.len < end
            && at[secret.len] == '"')
            return at;
    }
    return NULL;
}

/* Some clients send their key in the body ("writeKey"): it is blotted out in a
 * copy, for which there has to be memory. */
static struct slice
without_secret(const struct il_sender *sender, struct slice body,
               struct il_text *copy)
{
    const char *text = sender ? sender->secret : NULL;
    struct slice secret = slice_of(text, text ? strlen(text) : 0);
    char *at = (char *) body.ptr;
    if (!secret.len || !find_secret(at, body.ptr + body.len, secret))
        return body;
    if (text_put(copy, body.ptr, body.len))
        return SLICE("");
    const char *end = copy->data + copy->len;
    for (at = copy->data; (at = find_secret(at, end, secret));
         at += secret.len)
        memset(at, '*', secret.len);
    return slice_of(copy->data, copy->len);
}

static void
keep(struct gate_source *s, struct il_sender *sender, enum gate_code code,
     const struct il_reason *why, struct slice body)
{
    struct il_text copy = { 0 };
    if (worth_keeping(s, sender, code))
        dead_refused(s->gate->options.dead, s->name,
                     sender ? sender->id : NULL, why,
                     without_secret(sender, body, &copy));
    text_clear(&copy);
}

void
gate_keep_body(struct gate_source *s, struct il_sender *sender,
               enum gate_code code, const char *message, struct slice body)
{
    gate_keep_request(s, sender, gate_code_name[code], message, body);
}

void
gate_keep_request(struct gate_source *s, struct il_sender *sender,
                  const char *code, const char *message, struct slice body)
{
    struct il_reason why = { IL_SIZED(struct il_reason), .code = code,
                             .message = message };
    int i = 1;
    while (i < GATE_CODES && strcmp(gate_code_name[i], code))
        i++;
    enum gate_code known = i < GATE_CODES ? (enum gate_code) i : GATE_OTHER;
    gate_count_refused(s, sender, known, 1);
    keep(s, sender, known, &why, body);
}

/* The payload as JSON; empty: it is none. */
static struct slice
payload_json(const struct il_event *e, struct il_text *made)
{
    struct json_error error;
    struct il_value v;
    const char *p = e->payload;
    made->len = 0;
    if (!p)
        return SLICE("");
    if (e->encoding != IL_MSGPACK)
        return json_to_msgpack(p, e->payload_len, made, &error)
                   ? SLICE("")
                   : slice_of(p, e->payload_len);
    if (msg_check(p, e->payload_len) || msg_head(&p, p + e->payload_len, &v)
        || json_write(made, &v, 0) < 0)
        return SLICE("");
    return slice_of(made->data, made->len);
}

static void
put_field(struct json_out *o, const char *key, const char *value, size_t len)
{
    if (value)
        json_out_slice(o, key, slice_of(value, len));
}

/* What a source offered, in the form in which /v1/ingest takes an event: it can
 * be sent again. */
static struct slice
offered_text(const struct il_event *e, struct il_text *made)
{
    struct il_text json = { 0 };
    struct slice payload = payload_json(e, &json);
    struct json_out o;
    int err = !e->type || !payload.len;
    made->len = 0;
    if (!err) {
        json_out_begin(&o, made);
        json_out_object(&o, NULL);
        put_field(&o, "id", e->id, e->id_len);
        put_field(&o, "idempotencyKey", e->key, e->key_len);
        put_field(&o, "type", e->type, e->type_len);
        put_field(&o, "timestamp", e->timestamp, e->timestamp_len);
        json_out_raw(&o, "payload", payload);
        json_out_end(&o);
        err = json_out_done(&o);
    } else if (payload.len) {
        err = text_put(made, payload.ptr, payload.len);
    }
    text_clear(&json);
    if (!err && made->len)
        return slice_of(made->data, made->len);
    return e->encoding == IL_MSGPACK || !e->payload
               ? SLICE("")
               : slice_of(e->payload, e->payload_len);
}

/* The event as it came: its JSON, or what JSON a source's offer makes. */
static struct slice
refused_text(const struct gate_batch *b, uint32_t i, struct il_text *made)
{
    const struct gate_item *item = &b->items[i];
    struct il_event e;
    if (b->body)
        return slice_of(b->body + item->json, item->json_len);
    api_copy_at(&e, sizeof(e), b->offered, i, b->offered_size, API_EVENT_1_0);
    return offered_text(&e, made);
}

int
gate_keep_copy(struct gate_batch *b)
{
    struct il_text made = { 0 };
    int err = 0;
    for (uint32_t i = 0; i < b->count && !b->body && !err; i++) {
        struct gate_item *item = &b->items[i];
        if (item->state != ITEM_REFUSED)
            continue;
        struct slice text = refused_text(b, i, &made);
        item->json = (uint32_t) b->kept.len;
        item->json_len = (uint32_t) text.len;
        err = text_put(&b->kept, text.ptr, text.len);
    }
    text_clear(&made);
    if (!b->body)
        b->body = b->kept.data ? b->kept.data : "";
    b->offered = NULL;
    return err;
}

void
gate_item_reason(const struct gate_batch *b, const struct gate_item *item,
                 struct il_reason *out)
{
    *out = (struct il_reason){ IL_SIZED(struct il_reason),
                               .code = gate_code_name[item->code],
                               .message = "refused" };
    if (item->problems) {
        const struct gate_problem *p = &b->problems[item->problem];
        out->message = b->texts.data + p->message;
        out->field = b->texts.data + p->path;
        out->rule = b->texts.data + p->rule;
    }
}

static void
keep_item(const struct gate_batch *b, uint32_t i, struct il_text *made)
{
    const struct gate_item *item = &b->items[i];
    struct il_reason reason;
    gate_item_reason(b, item, &reason);
    keep(b->source, b->sender, (enum gate_code) item->code, &reason,
         refused_text(b, i, made));
}

void
gate_keep_refused(const struct gate_batch *b)
{
    struct il_text made = { 0 };
    for (uint32_t i = 0; i < b->count && b->refused; i++)
        if (b->items[i].state == ITEM_REFUSED)
            keep_item(b, i, &made);
    text_clear(&made);
    gate_keep_count(b);
}

/* What was refused is in b->kept, so there is room to blot. */
static struct dead_letter
letter_of(const struct gate_batch *b, const struct gate_item *item,
          const char *lane)
{
    const struct il_sender *sender = b->sender;
    const char *text = sender && sender->secret ? sender->secret : "";
    struct slice secret = slice_of(text, strlen(text));
    struct dead_letter l = { .lane = lane,
                             .at_us = b->now_us,
                             .key = sender ? sender->id : NULL };
    char *body = b->kept.len ? b->kept.data + item->json : NULL;
    for (char *at = body;
         at && (at = find_secret(at, body + item->json_len, secret));
         at += secret.len)
        memset(at, '*', secret.len);
    gate_item_reason(b, item, &l.reason);
    l.event = slice_of(body ? body : "", item->json_len);
    return l;
}

int
gate_keep_now(struct gate_batch *b, int all, uint64_t *first, size_t *n)
{
    struct dead *dead = b->gate->options.dead;
    char lane[DEAD_LANE_MAX];
    *n = 0;
    if (!dead || !b->refused)
        return 0;
    int err = gate_keep_copy(b);
    struct dead_letter *letters = calloc(b->refused, sizeof(*letters));
    if (!letters)
        err = -ENOMEM;
    dead_gate_lane(lane, b->source->name);
    for (uint32_t i = 0; i < b->count && !err; i++) {
        const struct gate_item *item = &b->items[i];
        if (item->state == ITEM_REFUSED
            && (all
                || worth_keeping(b->source, b->sender,
                                 (enum gate_code) item->code)))
            letters[(*n)++] = letter_of(b, item, lane);
    }
    if (!err && *n)
        err = dead_refused_now(dead, letters, *n, first);
    if (err)
        *n = 0;
    free(letters);
    return err;
}

void
gate_unkeep(struct gate_batch *b, uint64_t first, size_t n)
{
    char lane[DEAD_LANE_MAX];
    dead_gate_lane(lane, b->source->name);
    for (size_t i = 0; i < n; i++)
        dead_delete(b->gate->options.dead, lane, first + i);
}

void
gate_keep_count(const struct gate_batch *b)
{
    uint64_t count[GATE_CODES] = { 0 };
    for (uint32_t i = 0; i < b->count && b->refused; i++)
        if (b->items[i].state == ITEM_REFUSED)
            count[b->items[i].code]++;
    for (int code = 1; code < GATE_CODES; code++)
        if (count[code])
            gate_count_refused(b->source, b->sender, (enum gate_code) code,
                               count[code]);
}
