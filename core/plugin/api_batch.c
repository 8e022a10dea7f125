/* SPDX-License-Identifier: MIT */
/* The function table: batches, values and text. */
#include "private.h"

#include "instance.h"
#include "base/api.h"
#include "codec/batch.h"
#include "codec/json.h"
#include "codec/msg_pack.h"
#include "lang/expr.h"
#include "lang/row.h"
#include "lang/template.h"

#include <errno.h>
#include <string.h>

static uint32_t
api_batch_count(const struct il_batch *b)
{
    return b->count;
}

static uint64_t
api_batch_id(const struct il_batch *b)
{
    return b->id;
}

static uint64_t
api_batch_last(const struct il_batch *b)
{
    return b->last;
}

/* --- what plugins do at a wrong time -------------------------------------- */

int
plugin_past_end(const struct il_batch *b, uint32_t i, const char *entry)
{
    instance_fault(b->instance, "%s() of event %u in a batch of %u", entry, i,
                   b->count);
    return -EINVAL;
}

int
plugin_cannot_edit(const struct il_batch *b, uint32_t i, const char *entry)
{
    if (batch_in_step(b))
        return plugin_past_end(b, i, entry);
    instance_fault(b->instance, "%s() outside process()%s", entry,
                   b->phase == BATCH_IN_STEP ? "'s thread" : "");
    return -EPERM;
}

int
plugin_cannot_deliver(const struct il_batch *b, uint32_t i, const char *entry)
{
    if (b->phase == BATCH_AT_DESTINATION)
        return plugin_past_end(b, i, entry);
    instance_fault(b->instance, "%s() of a batch that is not with it", entry);
    return -EPERM;
}

/* --- reading -------------------------------------------------------------- */

static uint64_t
api_batch_position(const struct il_batch *b, uint32_t i)
{
    if (plugin_reads(b, i))
        return b->events[i].position;
    plugin_past_end(b, i, "il_batch_position");
    return 0;
}

static int
api_batch_origin(const struct il_batch *b, uint32_t i, struct il_origin *out)
{
    if (!plugin_reads(b, i))
        return plugin_past_end(b, i, "il_batch_origin");
    struct event_origin at;
    uint32_t size = out->struct_size;
    batch_origin(b, i, &at);
    struct il_origin full = { .struct_size = sizeof(full),
                              .set_backs = at.set_backs,
                              .position = at.position };
    memcpy(full.spool, at.spool, sizeof(full.spool));
    if (size < sizeof(full))
        full.struct_size = size;
    memcpy(out, &full, full.struct_size);
    return 0;
}

static uint32_t
api_batch_flags(const struct il_batch *b, uint32_t i)
{
    if (!plugin_reads(b, i)) {
        plugin_past_end(b, i, "il_batch_flags");
        return 0;
    }
    uint32_t flags = b->events[i].ev.flags;
    return (flags & EVENT_MADE ? IL_ID_MADE : 0)
           | (flags & EVENT_PUBLISHABLE ? IL_PUBLISHABLE : 0)
           | (b->events[i].state == BATCH_TICK ? IL_TICK : 0)
           | (b->events[i].again && b->events[i].again->replayed ? IL_REPLAYED
                                                                 : 0);
}

static int
api_live(const struct il_batch *b, uint32_t i)
{
    if (plugin_reads(b, i))
        return batch_live(b, i);
    plugin_past_end(b, i, "il_live");
    return 0;
}

static int
api_get(struct il_batch *b, uint32_t i, const struct il_field *field,
        struct il_value *out)
{
    if (plugin_reads(b, i))
        return ref_get(field, &b->events[i], out);
    *out = (struct il_value){ .type = IL_MISSING };
    plugin_past_end(b, i, "il_get");
    return 0;
}

/* A pattern that was to keep something out must not let it pass because it was
 * too long to be looked at: so the event goes no further here, whatever the
 * plugin makes of the answer. */
static const struct il_reason expr_unknown = {
    IL_SIZED(struct il_reason),
    .code = "regex_limit",
    .message = "a regular expression met its limit",
};

static int
api_expr_true(const struct il_expr *expr, struct il_batch *b, uint32_t i)
{
    if (!plugin_reads(b, i)) {
        plugin_past_end(b, i, "il_expr_true");
        return 0;
    }
    int holds = expr_true(expr, &b->events[i]);
    if (__builtin_expect(holds < 0, 0))
        batch_reject(b, i, &expr_unknown);
    return holds;
}

static int
api_template_render(const struct il_template *t, struct il_batch *b, uint32_t i,
                    struct il_value *out)
{
    if (plugin_reads(b, i))
        return template_render(t, b, i, out);
    *out = (struct il_value){ .type = IL_MISSING };
    return plugin_past_end(b, i, "il_template_render");
}

static int
api_template_pieces(const struct il_template *t, struct il_batch *b, uint32_t i,
                    int (*fn)(void *arg, const char *text, size_t len,
                              int of_event),
                    void *arg)
{
    if (plugin_reads(b, i))
        return template_pieces(t, &b->events[i], fn, arg);
    return plugin_past_end(b, i, "il_template_pieces");
}

static int
api_row_read(struct il_row *row, struct il_batch *b, uint32_t i,
             const struct il_value **values)
{
    if (plugin_reads(b, i))
        return row_read(row, b, i, values);
    return plugin_past_end(b, i, "il_row_read");
}

/* --- what becomes of them ------------------------------------------------- */

/* A step's dead letter, or a destination's mark. */
static int
api_reject(struct il_batch *b, uint32_t i, const struct il_reason *why)
{
    if (!plugin_edits(b, i) && !plugin_delivers(b, i))
        return b->phase == BATCH_IN_STEP
                   ? plugin_cannot_edit(b, i, "il_reject")
                   : plugin_cannot_deliver(b, i, "il_reject");
    batch_reject(b, i, why);
    return 0;
}

static int
api_unreject(struct il_batch *b, uint32_t i)
{
    if (!plugin_delivers(b, i))
        return plugin_cannot_deliver(b, i, "il_unreject");
    batch_unreject(b, i);
    return 0;
}

static int
api_keep(struct il_batch *b, uint32_t i)
{
    if (!plugin_delivers(b, i))
        return plugin_cannot_deliver(b, i, "il_keep");
    batch_keep(b, i);
    return 0;
}

/* --- event by event --- */

/* 0, or what a function answers that is not for this destination now. */
static int
cannot_tell(const struct il_batch *b, uint32_t i, const char *entry)
{
    if (!plugin_delivers(b, i))
        return plugin_cannot_deliver(b, i, entry);
    if (!b->instance || (b->instance->plugin->desc.flags & IL_PER_EVENT))
        return 0;
    instance_fault(b->instance, "%s() without IL_PER_EVENT", entry);
    return -EPERM;
}

static int
api_done(struct il_batch *b, uint32_t i)
{
    int err = cannot_tell(b, i, "il_done");
    if (!err)
        batch_done(b, i);
    return err;
}

static int
api_defer(struct il_batch *b, uint32_t i, const struct il_deferral *theirs)
{
    struct il_deferral how;
    uint32_t flags = IL_NO_ATTEMPT | IL_OUT_OF_ORDER;
    int err = 0;
    if (b->phase != BATCH_IN_STEP)
        err = cannot_tell(b, i, "il_defer");
    else if (!plugin_edits(b, i))
        err = plugin_cannot_edit(b, i, "il_defer");
    else
        flags |= IL_AFTER;
    if (err)
        return err;
    if (api_copy(&how, sizeof(how), theirs, API_DEFERRAL_1_0)
        || (how.flags & ~flags)) {
        instance_fault(b->instance,
                       "il_defer_as() with a struct_size or flags that there "
                       "are not");
        return -EINVAL;
    }
    return batch_defer(b, i, &how);
}

/* For the step that has the batch, or the destination. */
static uint32_t
stopped(const struct il_batch *b, const struct batch_again *again)
{
    if (!again->passed && !again->at)
        return 0;
    if (!b->step)
        return again->passed == BATCH_ALL ? IL_STOPPED_HERE
                                          : IL_STOPPED_EARLIER;
    return again->at == b->step       ? IL_STOPPED_HERE
           : again->passed >= b->step ? IL_STOPPED_LATER
                                      : IL_STOPPED_EARLIER;
}

static int
api_again(const struct il_batch *b, uint32_t i, struct il_again *out)
{
    struct il_again full = { .struct_size = sizeof(full) };
    if (!plugin_reads(b, i))
        return plugin_past_end(b, i, "il_again");
    const struct batch_again *again = b->events[i].again;
    uint32_t size = out->struct_size;
    if (again) {
        full.attempts = again->attempts;
        full.first_us = again->first_us;
        full.since_us = again->since_us;
        full.code = again->code;
        full.message = again->message;
        full.decided = again->decided;
        full.stopped = stopped(b, again);
    }
    if (size < sizeof(full))
        full.struct_size = size;
    memcpy(out, &full, full.struct_size);
    return again != NULL;
}

static int
api_waits(struct il_batch *b, uint32_t i, const char *order, size_t len)
{
    int err = cannot_tell(b, i, "il_waits");
    if (err || !b->waits || !batch_live(b, i))
        return err;
    uint64_t hash = batch_order_of(b, i, order, len);
    int waits = hash ? b->waits(b->lane, i, hash) : 0;
    if (waits <= 0)
        return waits;
    const struct il_deferral how = { .struct_size = sizeof(how),
                                     .flags = IL_NO_ATTEMPT,
                                     .order = order,
                                     .order_len = len };
    err = batch_defer(b, i, &how);
    return err ? err : 1;
}

/* --- values and text ------------------------------------------------------ */

static struct il_text *
api_text_new(const struct il_host *h)
{
    (void) h;
    return text_new();
}

static int
api_read_json(struct il_text *text, const char *json, size_t len,
              struct il_value *out)
{
    struct json_error error;
    text->len = 0;
    int err = json_to_msgpack(json, len, text, &error);
    const char *p = text->data;
    return err ? err : msg_value(&p, text->data + text->len, out);
}

static int
api_write_msgpack(struct il_text *out, const struct il_value *v)
{
    if (v->type == IL_MAP && !v->str)
        return msg_pack_map(out, v->count);
    if (v->type == IL_ARRAY && !v->str)
        return msg_pack_array(out, v->count);
    return msg_pack_value(out, v);
}

void
plugin_fill_batch_api(struct il_api *api)
{
    api->batch_count = api_batch_count;
    api->batch_id = api_batch_id;
    api->batch_last = api_batch_last;
    api->batch_position = api_batch_position;
    api->batch_origin = api_batch_origin;
    api->batch_flags = api_batch_flags;
    api->batch_alloc = batch_alloc;
    api->live = api_live;
    api->get = api_get;
    api->expr_true = api_expr_true;
    api->template_render = api_template_render;
    api->template_pieces = api_template_pieces;
    api->row_read = api_row_read;
    api->reject = api_reject;
    api->unreject = api_unreject;
    api->keep = api_keep;
    api->done = api_done;
    api->defer = api_defer;
    api->again = api_again;
    api->waits = api_waits;
    api->item = msg_item;
    api->text_new = api_text_new;
    api->text_reserve = text_reserve;
    api->text_free = text_free;
    api->read_json = api_read_json;
    api->write_json = json_write;
    api->write_msgpack = api_write_msgpack;
}
