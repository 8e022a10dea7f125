/* SPDX-License-Identifier: MIT */
/* What a sender hears. */
#include "private.h"

#include "base/digits.h"

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

static int
put_string(struct il_text *out, const char *name, struct slice s)
{
    if (text_puts(out, name))
        return -ENOMEM;
    int64_t n = json_write_str(out, s.ptr, s.len, 0);
    return n < 0 ? (int) n : 0;
}

static int
put_cstring(struct il_text *out, const char *name, const char *s)
{
    return put_string(out, name, slice_of(s, strlen(s)));
}

static int
put_number(struct il_text *out, uint32_t n)
{
    char digits[DIGITS_MAX];
    return text_put(out, digits, (size_t) (digits_put(digits, n) - digits));
}

static int
put_counted(struct il_text *out, const char *name, uint32_t n)
{
    int err = text_puts(out, name);
    return err ? err : put_number(out, n);
}

/* One problem; index where it stands apart from its event. */
static int
put_problem(struct il_text *out, const struct gate_batch *b,
            const struct gate_problem *p, int64_t index)
{
    const char *texts = b->texts.data;
    int err = text_puts(out, "{");
    if (!err && index >= 0)
        err = put_counted(out, "\"index\":", (uint32_t) index);
    if (!err && index >= 0)
        err = text_puts(out, ",");
    if (!err)
        err = put_cstring(out, "\"path\":", texts + p->path);
    if (!err)
        err = put_cstring(out, ",\"rule\":", texts + p->rule);
    if (!err)
        err = put_cstring(out, ",\"message\":", texts + p->message);
    return err ? err : text_puts(out, "}");
}

static int
put_problems(struct il_text *out, const struct gate_batch *b,
             const struct gate_item *item, int64_t index, int *first)
{
    int err = 0;
    for (uint32_t i = 0; i < item->problems && !err; i++) {
        if (!*first)
            err = text_puts(out, ",");
        *first = 0;
        if (!err)
            err = put_problem(out, b, &b->problems[item->problem + i], index);
    }
    return err;
}

/* --- 202 ------------------------------------------------------------------ */

static int
put_refused(struct il_text *out, const struct gate_batch *b,
            const struct gate_item *item)
{
    int first = 1;
    int err = text_puts(out, ",\"status\":\"rejected\",\"code\":\"");
    if (!err)
        err = text_puts(out, gate_code_name[item->code]);
    if (!err)
        err = text_puts(out, "\",\"problems\":[");
    if (!err)
        err = put_problems(out, b, item, -1, &first);
    return err ? err : text_puts(out, "]}");
}

static int
put_item(struct il_text *out, const struct gate_batch *b, uint32_t i)
{
    const struct gate_item *item = &b->items[i];
    int err = put_counted(out, "{\"index\":", i);
    if (err)
        return err;
    if (item->state == ITEM_REFUSED)
        return put_refused(out, b, item);
    err = put_string(out, ",\"id\":", gate_item_id(b, item));
    return err ? err
               : text_puts(out, item->state == ITEM_NEW
                                    ? ",\"status\":\"accepted\"}"
                                    : ",\"status\":\"duplicate\"}");
}

static int
put_accepted(struct il_text *out, const struct gate_batch *b)
{
    int first = 1;
    int err = put_counted(out, "{\"data\":{\"accepted\":", b->accepted);
    if (!err)
        err = put_counted(out, ",\"duplicates\":", b->duplicates);
    if (!err && b->refused)
        err = put_counted(out, ",\"rejected\":", b->refused);
    if (!err)
        err = text_puts(out, ",\"events\":[");
    for (uint32_t i = 0; i < b->count && !err; i++) {
        const struct gate_item *item = &b->items[i];
        if (b->count > GATE_LIST_ALL && item->state == ITEM_NEW
            && !item->made)
            continue;
        if (!first)
            err = text_puts(out, ",");
        first = 0;
        if (!err)
            err = put_item(out, b, i);
    }
    return err ? err : text_puts(out, "]}}\n");
}

/* --- refusals ------------------------------------------------------------- */

static int
put_error(struct il_text *out, const char *message, enum gate_code code)
{
    int err = put_cstring(out, "{\"error\":{\"message\":", message);
    return err ? err : put_cstring(out, ",\"code\":", gate_code_name[code]);
}

/* All events are refused. */
static int
put_all_refused(struct il_text *out, const struct gate_batch *b)
{
    struct il_text message = { 0 };
    const struct gate_item *item = &b->items[0];
    const char *path = "", *text = "";
    int first = 1;
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
    if (!err)
        err = put_error(out, text_str(&message), item->code);
    if (!err)
        err = text_puts(out, ",\"problems\":[");
    for (uint32_t i = 0; i < b->count && !err; i++)
        err = put_problems(out, b, &b->items[i], i, &first);
    text_clear(&message);
    return err ? err : text_puts(out, "]}}\n");
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
    if (b->code) {
        *status = b->status;
        int err = put_error(out, b->message, b->code);
        return err ? err : text_puts(out, "}}\n");
    }
    if (b->accepted || b->duplicates) {
        *status = 202;
        return put_accepted(out, b);
    }
    *status = refused_status(b);
    return put_all_refused(out, b);
}
