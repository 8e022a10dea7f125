/* SPDX-License-Identifier: MIT */
/* The function table: batches, values and text. */
#include "private.h"

#include "instance.h"
#include "codec/batch.h"
#include "codec/json.h"
#include "codec/msg_pack.h"

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

static uint64_t
api_batch_position(const struct il_batch *b, uint32_t i)
{
    return b->events[i].position;
}

static int
api_live(const struct il_batch *b, uint32_t i)
{
    return batch_live(b, i);
}

static int
api_get(struct il_batch *b, uint32_t i, const struct il_field *field,
        struct il_value *out)
{
    return ref_get(field, &b->events[i], out);
}

static int
api_drop(struct il_batch *b, uint32_t i)
{
    batch_drop(b, i);
    return 0;
}

static int
api_reject(struct il_batch *b, uint32_t i, const struct il_reason *why)
{
    batch_reject(b, i, why);
    return 0;
}

static int
api_unreject(struct il_batch *b, uint32_t i)
{
    batch_unreject(b, i);
    return 0;
}

static int
api_keep(struct il_batch *b, uint32_t i)
{
    batch_keep(b, i);
    return 0;
}

/* There is no store: nothing to make ready. */
static void
api_entity_hint(struct il_batch *b, const struct il_kind *kind, const char *id,
                size_t len)
{
    (void) b;
    (void) kind;
    (void) id;
    (void) len;
}

static int
api_entity_attach(struct il_batch *b, uint32_t i, const struct il_kind *kind,
                  const struct il_value *traits)
{
    return batch_attach(b, i, kind, traits);
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
    api->batch_alloc = batch_alloc;
    api->live = api_live;
    api->get = api_get;
    api->drop = api_drop;
    api->set_payload = batch_set_payload;
    api->reject = api_reject;
    api->unreject = api_unreject;
    api->keep = api_keep;
    api->item = msg_item;
    api->text_new = api_text_new;
    api->text_reserve = text_reserve;
    api->text_free = text_free;
    api->read_json = api_read_json;
    api->write_json = json_write;
    api->write_msgpack = api_write_msgpack;
    api->entity_hint = api_entity_hint;
    api->entity_attach = api_entity_attach;
}
