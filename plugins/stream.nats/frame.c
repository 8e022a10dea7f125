/* SPDX-License-Identifier: MIT */
#include "frame.h"

#include "bundle.h"

#include <errno.h>
#include <string.h>

static int
open_fields(struct frame *f)
{
    const struct {
        const char *name;
        struct il_field **out;
    } fields[] = { { "$event.id", &f->id },
                   { "$event.type", &f->type },
                   { "$event.source_id", &f->source },
                   { "$event.received_at", &f->received },
                   { "$event.timestamp", &f->timestamp },
                   { "$event.key", &f->key },
                   { "$event.payload", &f->payload } };
    int err = 0;
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields) && !err; i++)
        err = il_field_parse(f->host, NULL, NULL, 0, -1, fields[i].name,
                             strlen(fields[i].name), fields[i].out);
    return err;
}

int
frame_open(struct frame *f, const struct il_host *host,
           const struct il_conf *conf)
{
    f->host = host;
    int err = open_fields(f);
    if (!err)
        err = il_template_from(host, conf, "partition_by", &f->by);
    if (!err && !(f->text = il_text_new(host)))
        err = -ENOMEM;
    return err;
}

void
frame_close(struct frame *f)
{
    struct il_field *fields[] = { f->id,        f->type, f->source, f->received,
                                  f->timestamp, f->key,  f->payload };
    if (!f->host)
        return;
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        il_field_free(f->host, fields[i]);
    il_text_free(f->host, f->text);
    il_template_free(f->host, f->by);
}

static int
put_text(struct frame *f, struct il_batch *b, uint32_t i,
         const struct il_field *field)
{
    struct il_value v;
    if (!il_get(b, i, field, &v))
        v.type = IL_NULL;
    return il_write_msgpack(f->host, f->text, &v);
}

static int
put_time(struct frame *f, struct il_batch *b, uint32_t i,
         const struct il_field *field)
{
    struct il_value v;
    if (il_get(b, i, field, &v))
        v.type = IL_INT; /* microseconds */
    else
        v.type = IL_NULL;
    return il_write_msgpack(f->host, f->text, &v);
}

/* Where it is not the id. */
static int
put_key(struct frame *f, struct il_batch *b, uint32_t i)
{
    struct il_value key, id;
    if (!il_get(b, i, f->key, &key) || !il_get(b, i, f->id, &id)
        || (key.len == id.len && !memcmp(key.str, id.str, id.len)))
        key.type = IL_NULL;
    return il_write_msgpack(f->host, f->text, &key);
}

/* As a frame of the spool has it, with the payload that steps have left. */
int
frame_put(struct frame *f, struct il_batch *b, uint32_t i)
{
    const uint32_t flags = il_batch_flags(b, i);
    struct il_value head = { .type = IL_ARRAY, .count = 8 };
    struct il_value noted = { .type = IL_INT };
    noted.num.i =
        (flags & IL_PUBLISHABLE ? 1 : 0) | (flags & IL_ID_MADE ? 2 : 0);
    head.count = noted.num.i ? 8 : 7;
    f->text->len = 0;
    int err = il_write_msgpack(f->host, f->text, &head);
    if (!err)
        err = put_text(f, b, i, f->id);
    if (!err)
        err = put_text(f, b, i, f->type);
    if (!err)
        err = put_text(f, b, i, f->source);
    if (!err)
        err = put_time(f, b, i, f->received);
    if (!err)
        err = put_time(f, b, i, f->timestamp);
    if (!err)
        err = put_key(f, b, i);
    if (!err)
        err = put_text(f, b, i, f->payload);
    if (!err && noted.num.i)
        err = il_write_msgpack(f->host, f->text, &noted);
    return err;
}

/* The text that decides, or the id where there is none. */
int
frame_partition(struct frame *f, struct il_batch *b, uint32_t i,
                uint32_t partitions, uint32_t *p)
{
    struct il_value v;
    int err = il_template_render(f->by, b, i, &v);
    if (err)
        return err;
    if (v.type == IL_MISSING || v.type == IL_NULL)
        il_get(b, i, f->id, &v);
    if (v.type == IL_STRING || v.type == IL_DECIMAL) {
        *p = bundle_partition(v.str, v.len, partitions);
        return 0;
    }
    f->text->len = 0;
    const int64_t wrote = il_write_json(f->host, f->text, &v, 0);
    if (wrote < 0)
        return (int) wrote;
    *p = bundle_partition(f->text->data, f->text->len, partitions);
    return 0;
}
