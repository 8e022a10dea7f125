/* SPDX-License-Identifier: MIT */
/* What a sender hears. */
#include "private.h"

#include "codec/json_out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const gate_code_name[GATE_CODES] = {
    [GATE_OK] = "ok",
    [GATE_BAD_JSON] = "bad_json",
    [GATE_BAD_BODY] = "bad_body",
    [GATE_NO_EVENTS] = "no_events",
    [GATE_TOO_MANY] = "too_many_events",
    [GATE_INVALID_EVENT] = "invalid_event",
    [GATE_UNDECLARED] = "undeclared_type",
    [GATE_SCHEMA] = "schema",
    [GATE_TOO_LARGE] = "event_too_large",
    [GATE_UNSUPPORTED] = "unsupported_media_type",
    [GATE_ENCODING] = "unsupported_encoding",
    [GATE_BODY_LARGE] = "body_too_large",
    [GATE_BAD_GZIP] = "bad_gzip",
    [GATE_NO_LENGTH] = "length_required",
    [GATE_TYPE] = "type_not_allowed",
    [GATE_ORIGIN] = "origin_not_allowed",
    [GATE_ENTITIES] = "entities_not_allowed",
    [GATE_KEY_IN_URL] = "key_in_url",
    [GATE_OTHER] = "other",
    [GATE_RATE] = "rate_limited",
    [GATE_BUSY] = "busy",
    [GATE_SOURCE_FULL] = "source_full",
    [GATE_SPOOL_FULL] = "spool_full",
    [GATE_SPOOL_FAILED] = "spool_failed",
    [GATE_NO_MEMORY] = "no_memory",
    [GATE_UNAVAILABLE] = "unavailable",
};

/* One problem; index where it stands apart from its event. */
static void
put_problem(struct json_out *o, const struct gate_batch *b,
            const struct gate_problem *p, int64_t index)
{
    const char *texts = b->texts.data;
    json_out_object(o, NULL);
    if (index >= 0)
        json_out_number(o, "index", (uint64_t) index);
    json_out_str(o, "path", texts + p->path);
    json_out_str(o, "rule", texts + p->rule);
    json_out_str(o, "message", texts + p->message);
    json_out_end(o);
}

static void
put_problems(struct json_out *o, const struct gate_batch *b,
             const struct gate_item *item, int64_t index)
{
    for (uint32_t i = 0; i < item->problems; i++)
        put_problem(o, b, &b->problems[item->problem + i], index);
}

/* --- 202 ------------------------------------------------------------------ */

static void
put_item(struct json_out *o, const struct gate_batch *b, uint32_t i)
{
    const struct gate_item *item = &b->items[i];
    json_out_object(o, NULL);
    json_out_number(o, "index", i);
    if (item->state == ITEM_REFUSED) {
        json_out_name(o, "status", "rejected");
        json_out_name(o, "code", gate_code_name[item->code]);
        json_out_array(o, "problems");
        put_problems(o, b, item, -1);
        json_out_end(o);
    } else {
        json_out_slice(o, "id", gate_item_id(b, item));
        json_out_name(o, "status",
                      item->state == ITEM_NEW ? "accepted" : "duplicate");
    }
    json_out_end(o);
}

static void
put_accepted(struct json_out *o, const struct gate_batch *b)
{
    json_out_object(o, "data");
    json_out_number(o, "accepted", b->accepted);
    json_out_number(o, "duplicates", b->duplicates);
    if (b->refused)
        json_out_number(o, "rejected", b->refused);
    json_out_array(o, "events");
    for (uint32_t i = 0; i < b->count; i++) {
        const struct gate_item *item = &b->items[i];
        if (b->count <= GATE_LIST_ALL || item->state != ITEM_NEW || item->made)
            put_item(o, b, i);
    }
    json_out_end(o);
    json_out_end(o);
}

/* --- refusals ------------------------------------------------------------- */

/* The error's object stays open. */
static void
put_error(struct json_out *o, const char *message, enum gate_code code)
{
    json_out_object(o, "error");
    json_out_str(o, "message", message);
    json_out_str(o, "code", gate_code_name[code]);
}

/* All events are refused. */
static void
put_all_refused(struct json_out *o, const struct gate_batch *b)
{
    struct il_text message = { 0 };
    const struct gate_item *item = &b->items[0];
    const char *path = "", *text = "";
    if (item->problems) {
        path = b->texts.data + b->problems[item->problem].path;
        text = b->texts.data + b->problems[item->problem].message;
    }
    int err = b->count == 1
                  ? text_printf(&message, "the event is refused: ")
                  : text_printf(&message,
                                "all %u events are refused; the first: ",
                                b->count);
    if (!err)
        err = text_printf(&message, "%s%s%s", path, *path ? " " : "", text);
    json_out_said(o, err);
    put_error(o, text_str(&message), item->code);
    json_out_array(o, "problems");
    for (uint32_t i = 0; i < b->count; i++)
        put_problems(o, b, &b->items[i], i);
    json_out_end(o);
    json_out_end(o);
    text_clear(&message);
}

/* One cause for all has its own status; else it is 422. */
static int
refused_status(const struct gate_batch *b)
{
    for (uint32_t i = 1; i < b->count; i++)
        if (b->items[i].code != b->items[0].code)
            return 422;
    switch (b->items[0].code) {
    case GATE_BAD_JSON:
        return 400;
    case GATE_TYPE:
        return 403;
    case GATE_TOO_LARGE:
        return 413;
    default:
        return 422;
    }
}

int
gate_answer(struct il_text *out, const struct gate_batch *b, int *status)
{
    struct json_out o;
    json_out_begin(&o, out);
    json_out_object(&o, NULL);
    if (b->code) {
        *status = b->status;
        put_error(&o, b->message, b->code);
        json_out_end(&o);
    } else if (b->accepted || b->duplicates) {
        *status = 202;
        put_accepted(&o, b);
    } else {
        *status = refused_status(b);
        put_all_refused(&o, b);
    }
    json_out_end(&o);
    int err = json_out_done(&o);
    return err ? err : text_putc(out, '\n');
}
