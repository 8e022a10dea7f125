/* SPDX-License-Identifier: MIT */
/* Bodies: the envelope {"events":[...]}, one bare event, an array, or lines,
 * told apart while reading, in one pass from bytes to frames. */
#include "private.h"

#include "base/nearest.h"
#include "conf/conf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FIELDS 5
#define FIELD_NONE (-1)

struct parse {
    struct gate_batch *b;
    struct json_reader r;
    uint32_t max_events;
    int opened; /* the events are inside an envelope or array */
    int8_t order[FIELDS]; /* of the fields in the event before */
    struct json_shape payload; /* of the event before */
};

/* The keys as most senders write them, by field. */
static const struct slice spellings[FIELDS]
    = { SLICE("\"id\":"), SLICE("\"idempotencyKey\":"), SLICE("\"type\":"),
        SLICE("\"timestamp\":"), SLICE("\"payload\":") };

static const char *
kind_name(int peeked)
{
    switch (peeked) {
    case '{':
        return "an object";
    case '[':
        return "an array";
    case '"':
        return "a string";
    case '0':
        return "a number";
    case 'n':
        return "null";
    default:
        return "a boolean";
    }
}

/* --- one event ------------------------------------------------------------ */

/* A text that is to outlive the next key: escapes were undone in scratch. */
static struct slice
keep(struct gate_batch *b, int field, struct slice s)
{
    if (field > FIELD_TYPE || s.len > EVENT_ID_MAX || !b->scratch.data
        || s.ptr != b->scratch.data)
        return s;
    memcpy(b->event.copy[field], s.ptr, s.len);
    return slice_of(b->event.copy[field], s.len);
}

static int
parse_text(struct parse *p, int field, const char *name)
{
    struct slice s;
    int c = p->r.p < p->r.end && *p->r.p == '"' ? '"' : json_peek(&p->r);
    if (c == 'n')
        return json_skip(&p->r); /* null counts as absent */
    if (c != '"' && c > 0) {
        int err = gate_problem(p->b, GATE_INVALID_EVENT, name, "type",
                               "expected a string, got %s", kind_name(c));
        p->b->event.seen |= 1u << field;
        return err ? err : json_skip(&p->r);
    }
    int err = json_string(&p->r, &p->b->scratch, &s);
    return err ? err : gate_event_text(p->b, field, keep(p->b, field, s));
}

static int
parse_payload(struct parse *p)
{
    struct gate_event *e = &p->b->event;
    int c = json_peek(&p->r);
    if (c == 'n')
        return json_skip(&p->r);
    if (c != '{' && c > 0) {
        int err = gate_problem(p->b, GATE_INVALID_EVENT, "payload", "type",
                               "expected an object, got %s", kind_name(c));
        e->seen |= 1u << FIELD_PAYLOAD;
        return err ? err : json_skip(&p->r);
    }
    if (e->seen & 1u << FIELD_PAYLOAD) {
        int err = gate_event_payload(p->b); /* notes that it comes twice */
        return err ? err : json_skip(&p->r);
    }
    int err = gate_event_payload(p->b);
    return err ? err : json_value(&p->r, &p->b->frames);
}

static int
parse_unknown(struct parse *p, struct slice key)
{
    static const char *const names[]
        = { "id", "idempotencyKey", "type", "timestamp", "payload" };
    char word[64] = "", path[200];
    const char *near;
    if (key.len < sizeof(word))
        memcpy(word, key.ptr, key.len);
    near = nearest_name(word, names, sizeof(names) / sizeof(names[0]));
    size_t len = key.len;
    if (len >= sizeof(path)) {
        len = sizeof(path) - 1;
        while (len && ((unsigned char) key.ptr[len] & 0xc0) == 0x80)
            len--; /* not in the middle of a character */
    }
    snprintf(path, sizeof(path), "%.*s", (int) len, key.ptr);
    int err = near
                  ? gate_problem(p->b, GATE_INVALID_EVENT, path, "unknown",
                                 "is no field of an event; did you mean "
                                 "\"%s\"?",
                                 near)
                  : gate_problem(p->b, GATE_INVALID_EVENT, path, "unknown",
                                 "is no field of an event; what is your own "
                                 "belongs into the payload");
    return err ? err : json_skip(&p->r);
}

static int
field_of(struct slice key)
{
    for (int field = 0; field < FIELDS; field++) {
        struct slice s = spellings[field];
        if (key.len == s.len - 3 && !memcmp(key.ptr, s.ptr + 1, key.len))
            return field;
    }
    return FIELD_NONE;
}

/* Events of one sender have their fields in one order: is it the same one as at
 * this place of the event before?  Then its key is taken. */
static inline int
guess_field(struct parse *p, int place)
{
    int field = place < FIELDS ? p->order[place] : FIELD_NONE;
    if (field == FIELD_NONE)
        return FIELD_NONE;
    struct slice s = spellings[field];
    if ((size_t) (p->r.end - p->r.p) < s.len || !bytes_same(p->r.p, s.ptr, s.len))
        return FIELD_NONE;
    p->r.p += s.len;
    return field;
}

static int
parse_field(struct parse *p, int field)
{
    static const char *const names[]
        = { "id", "idempotencyKey", "type", "timestamp" };
    return field == FIELD_PAYLOAD ? parse_payload(p)
                                  : parse_text(p, field, names[field]);
}

/* The event ends where the reader is. */
static int
parse_end(struct parse *p)
{
    struct gate_item *item = &p->b->items[p->b->count - 1];
    item->json_len = (uint32_t) (p->r.p - p->b->body) - item->json;
    return gate_event_end(p->b);
}

static int
parse_fields(struct parse *p, int first)
{
    int more = first ? json_next(&p->r, 1) : json_more(&p->r);
    for (int place = 0; more == 1; place++, more = json_more(&p->r)) {
        int err = 0, field = guess_field(p, place);
        if (field == FIELD_NONE) {
            struct slice key;
            err = json_key(&p->r, &p->b->scratch, &key);
            if (err)
                return err;
            field = field_of(key);
            if (place < FIELDS)
                p->order[place] = (int8_t) field;
            if (field == FIELD_NONE)
                err = parse_unknown(p, key);
        }
        if (field != FIELD_NONE)
            err = parse_field(p, field);
        if (err)
            return err;
    }
    return more < 0 ? more : parse_end(p);
}

static int
parse_begin(struct parse *p)
{
    if (p->b->count == p->max_events)
        return gate_refuse_body(p->b, 413, GATE_TOO_MANY,
                                "more than %u events in one request",
                                p->max_events);
    int err = gate_event_begin(p->b);
    if (!err)
        p->b->items[p->b->count - 1].json = (uint32_t) (p->r.p - p->b->body);
    return err;
}

/* An element where an event should be. */
static int
parse_event(struct parse *p)
{
    int c = json_peek(&p->r);
    if (c < 0)
        return c;
    int err = parse_begin(p);
    if (err)
        return err;
    if (c == '{') {
        err = json_enter(&p->r);
        return err ? err : parse_fields(p, 1);
    }
    err = json_skip(&p->r);
    struct gate_item *item = &p->b->items[p->b->count - 1];
    item->json_len = (uint32_t) (p->r.p - p->b->body) - item->json;
    return err ? err
               : gate_problem(p->b, GATE_INVALID_EVENT, "", "type",
                              "expected an event object, got %s",
                              kind_name(c));
}

/* --- bodies --------------------------------------------------------------- */

static int
parse_array(struct parse *p)
{
    int err = json_enter(&p->r);
    int more = err ? err : json_next(&p->r, 1);
    p->opened = 1;
    for (; more == 1 && !err; more = err ? err : json_more(&p->r))
        err = parse_event(p);
    return more;
}

/* After "events" came as the first key of an object. */
static int
parse_envelope(struct parse *p)
{
    struct slice key;
    int more, c = json_peek(&p->r);
    if (c != '[') {
        if (c <= 0)
            return json_enter(&p->r); /* says what is wrong */
        return gate_refuse_body(p->b, 400, GATE_BAD_BODY,
                                "\"events\" must be an array, not %s",
                                kind_name(c));
    }
    int err = parse_array(p);
    if (err || (more = json_next(&p->r, 0)) == 0)
        return err;
    if (more < 0)
        return more;
    err = json_key(&p->r, &p->b->scratch, &key);
    return err ? err
               : gate_refuse_body(p->b, 400, GATE_BAD_BODY,
                                  "unknown field \"%.*s\" beside \"events\"",
                                  key.len < 64 ? (int) key.len : 64, key.ptr);
}

static int
parse_object(struct parse *p)
{
    struct slice key;
    const char *begin = p->r.p;
    int err = json_enter(&p->r);
    if (err)
        return err;
    int more = json_next(&p->r, 1);
    if (more < 0)
        return more;
    if (more) {
        err = json_key(&p->r, &p->b->scratch, &key);
        if (err)
            return err;
        if (key.len == 6 && !memcmp(key.ptr, "events", 6))
            return parse_envelope(p);
    }
    err = parse_begin(p);
    if (err)
        return err;
    p->b->items[0].json = (uint32_t) (begin - p->b->body);
    if (!more)
        return parse_end(p);
    int field = field_of(key);
    err = field == FIELD_NONE ? parse_unknown(p, key) : parse_field(p, field);
    return err ? err : parse_fields(p, 0);
}

/* Where in the body an offset is, for a person. */
static void
line_of(const char *body, size_t offset, size_t *line, size_t *column)
{
    const char *p = body, *end = body + offset, *nl;
    *line = 1;
    while ((nl = memchr(p, '\n', (size_t) (end - p)))) {
        p = nl + 1;
        ++*line;
    }
    *column = (size_t) (end - p) + 1;
}

int
gate_refuse_json(struct gate_batch *b, const char *body,
                 const struct json_error *e, const char *hint)
{
    size_t line, column;
    line_of(body, e->offset, &line, &column);
    return gate_refuse_body(
        b, 400, GATE_BAD_JSON,
        "the body is not valid JSON: %s (line %zu, column %zu, byte %zu)%s",
        e->message, line, column, e->offset, hint);
}

static int
refuse_json(struct parse *p)
{
    const struct json_error *e = &p->r.error;
    return gate_refuse_json(
        p->b, p->r.begin, e,
        e->code == JSON_TRAILING && !p->opened
            ? "; events in lines are sent as application/x-ndjson"
            : "");
}

static int
parse_scalar(struct parse *p, int c)
{
    int err = json_skip(&p->r);
    return err ? err
               : gate_refuse_body(p->b, 400, GATE_BAD_BODY,
                                  "expected an event, an array of events or "
                                  "{\"events\":[...]}, got %s",
                                  kind_name(c));
}

static int
parse_json(struct parse *p, struct slice body)
{
    json_open(&p->r, body.ptr, body.len, p->b->gate->options.depth_max);
    p->r.shape = &p->payload;
    int c = json_peek(&p->r), err;
    if (c == '{')
        err = parse_object(p);
    else if (c == '[')
        err = parse_array(p);
    else if (c > 0)
        err = parse_scalar(p, c);
    else if (c == 0)
        err = gate_refuse_body(p->b, 400, GATE_NO_EVENTS,
                               "the body is empty");
    else
        err = c;
    if (!err)
        err = json_close(&p->r);
    if (err == -EINVAL && p->r.error.code)
        return refuse_json(p);
    return err;
}

/* --- lines ---------------------------------------------------------------- */

static int
parse_line(struct parse *p, struct slice line, size_t number)
{
    uint32_t before = p->b->count;
    json_open(&p->r, line.ptr, line.len, p->b->gate->options.depth_max);
    p->r.shape = &p->payload;
    int err = parse_event(p);
    if (!err)
        err = json_close(&p->r);
    if (err != -EINVAL || !p->r.error.code)
        return err;
    /* this line only; the others go on */
    if (p->b->count == before && (err = parse_begin(p)))
        return err;
    struct gate_item *item = &p->b->items[p->b->count - 1];
    gate_event_abandon(p->b);
    item->json = (uint32_t) (line.ptr - p->b->body);
    item->json_len = (uint32_t) line.len;
    /* whatever else was found in it does not count */
    p->b->problem_count = item->problem;
    item->problems = 0;
    item->code = GATE_BAD_JSON;
    return gate_problem(p->b, GATE_BAD_JSON, "", "json",
                        "line %zu is not valid JSON: %s (byte %zu)", number,
                        p->r.error.message, p->r.error.offset);
}

static int
parse_lines(struct parse *p, struct slice body)
{
    const char *at = body.ptr, *end = body.ptr + body.len;
    p->opened = 1;
    for (size_t number = 1; at < end; number++) {
        const char *nl = memchr(at, '\n', (size_t) (end - at));
        struct slice line = slice_of(at, (size_t) ((nl ? nl : end) - at));
        at = nl ? nl + 1 : end;
        size_t blank = 0;
        while (blank < line.len && strchr(" \t\r", line.ptr[blank])
               && line.ptr[blank])
            blank++;
        if (blank == line.len)
            continue;
        int err = parse_line(p, line, number);
        if (err)
            return err;
    }
    return 0;
}

int
gate_parse(struct gate_batch *b, struct slice body, int ndjson,
           uint32_t max_events)
{
    struct parse p;
    p.b = b;
    p.max_events = max_events;
    p.opened = 0;
    memset(p.order, FIELD_NONE, sizeof(p.order));
    p.payload.count = 0;
    b->body = body.ptr;
    int err = ndjson ? parse_lines(&p, body) : parse_json(&p, body);
    if (!err && !b->count)
        err = gate_refuse_body(b, 400, GATE_NO_EVENTS,
                               "there are no events in the body");
    return err;
}
