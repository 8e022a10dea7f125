/* SPDX-License-Identifier: MIT */
/* Reserve, let msgpack-c's packer write, take over what it wrote. */
#include "msg_pack.h"

#include "base/time.h"
#include "private.h"

#define NUMBER_MAX 9 /* the longest number: a byte and 64 bits */

/* The end of the text, with room for so many bytes, or NULL. */
static char *
reserve(struct il_text *out, size_t room)
{
    return text_reserve(out, room) ? NULL : out->data + out->len;
}

/* Take over what was written up to o. */
static int
advance(struct il_text *out, const char *o)
{
    out->len = (size_t) (o - out->data);
    return 0;
}

int
msg_pack_nil(struct il_text *out)
{
    char *o = reserve(out, 1);
    if (!o)
        return -ENOMEM;
    msg_put_nil(&o);
    return advance(out, o);
}

int
msg_pack_bool(struct il_text *out, int on)
{
    char *o = reserve(out, 1);
    if (!o)
        return -ENOMEM;
    on ? msg_put_true(&o) : msg_put_false(&o);
    return advance(out, o);
}

int
msg_pack_int(struct il_text *out, int64_t v)
{
    char *o = reserve(out, NUMBER_MAX);
    if (!o)
        return -ENOMEM;
    msg_put_int64(&o, v);
    return advance(out, o);
}

int
msg_pack_uint(struct il_text *out, uint64_t v)
{
    char *o = reserve(out, NUMBER_MAX);
    if (!o)
        return -ENOMEM;
    msg_put_uint64(&o, v);
    return advance(out, o);
}

int
msg_pack_decimal(struct il_text *out, const char *text, size_t len)
{
    char *o = len <= UINT32_MAX ? reserve(out, len + MSG_HEAD_MAX) : NULL;
    if (!o)
        return -ENOMEM;
    msg_put_decimal(&o, text, len);
    return advance(out, o);
}

int
msg_pack_str(struct il_text *out, const char *text, size_t len)
{
    char *o = len <= UINT32_MAX ? reserve(out, len + MSG_HEAD_MAX) : NULL;
    if (!o)
        return -ENOMEM;
    msg_put_text(&o, text, len);
    return advance(out, o);
}

int
msg_pack_map(struct il_text *out, uint32_t pairs)
{
    char *o = reserve(out, MSG_HEAD_MAX);
    if (!o)
        return -ENOMEM;
    msg_put_map(&o, pairs);
    return advance(out, o);
}

int
msg_pack_array(struct il_text *out, uint32_t items)
{
    char *o = reserve(out, MSG_HEAD_MAX);
    if (!o)
        return -ENOMEM;
    msg_put_array(&o, items);
    return advance(out, o);
}

/* The head anew, the items as they are. */
static int
copy_container(struct il_text *out, const struct il_value *v)
{
    const char *p = v->str, *end = p + v->len;
    int map = v->type == IL_MAP;

    for (uint64_t todo = (uint64_t) v->count << map; todo; todo--)
        if (msg_skip(&p, end))
            return -EINVAL;
    if (map ? msg_pack_map(out, v->count) : msg_pack_array(out, v->count))
        return -ENOMEM;
    return text_put(out, v->str, (size_t) (p - v->str));
}

int
msg_pack_value(struct il_text *out, const struct il_value *v)
{
    char time[TIME_TEXT];
    size_t before = out->len;
    int err;

    switch (v->type) {
    case IL_BOOL:
        return msg_pack_bool(out, v->num.i != 0);
    case IL_INT:
        return msg_pack_int(out, v->num.i);
    case IL_UINT:
        return msg_pack_uint(out, v->num.u);
    case IL_DECIMAL:
        return msg_pack_decimal(out, v->str, v->len);
    case IL_STRING:
        return msg_pack_str(out, v->str, v->len);
    case IL_TIME:
        return msg_pack_str(out, time, time_format(time, v->num.i));
    case IL_ARRAY:
    case IL_MAP:
        err = copy_container(out, v);
        if (err)
            out->len = before;
        return err;
    default:
        return msg_pack_nil(out);
    }
}
