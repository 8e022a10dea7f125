/* SPDX-License-Identifier: MIT */
#include "event.h"

#include "msgput.h"
#include "base/time.h"

#include <errno.h>

/* Take over what was written behind the text. */
static int
advance(struct il_text *out, const char *o)
{
    out->len = (size_t) (o - out->data);
    return 0;
}

int
msgout_nil(struct il_text *out)
{
    return text_putc(out, (char) 0xc0);
}

int
msgout_bool(struct il_text *out, int on)
{
    return text_putc(out, (char) (on ? 0xc3 : 0xc2));
}

int
msgout_int(struct il_text *out, int64_t v)
{
    if (text_reserve(out, 9))
        return -ENOMEM;
    return advance(out, msgput_int(out->data + out->len, v));
}

int
msgout_uint(struct il_text *out, uint64_t v)
{
    if (text_reserve(out, 9))
        return -ENOMEM;
    return advance(out, msgput_uint(out->data + out->len, v));
}

int
msgout_decimal(struct il_text *out, const char *text, size_t len)
{
    if (len > UINT32_MAX || text_reserve(out, len + MSGPUT_HEAD))
        return -ENOMEM;
    char *o = msgput_decimal_head(out->data + out->len, len);
    if (len)
        __builtin_memcpy(o, text, len);
    return advance(out, o + len);
}

int
msgout_str(struct il_text *out, const char *text, size_t len)
{
    if (len > UINT32_MAX || text_reserve(out, len + MSGPUT_HEAD))
        return -ENOMEM;
    return advance(out, msgput_str(out->data + out->len, text, len));
}

/* small is the code of the form with four bits, long16 of the one with 16. */
static int
put_container(struct il_text *out, uint32_t count, unsigned small,
              unsigned long16)
{
    if (text_reserve(out, 5))
        return -ENOMEM;
    char *o = out->data + out->len;
    if (count < 16) {
        *o = (char) (small | count);
        return advance(out, o + 1);
    }
    if (count <= 0xffff) {
        *o = (char) long16;
        return advance(out, msgput_be16(o + 1, count));
    }
    *o = (char) (long16 + 1);
    return advance(out, msgput_be32(o + 1, count));
}

int
msgout_map(struct il_text *out, uint32_t pairs)
{
    return put_container(out, pairs, 0x80, 0xde);
}

int
msgout_array(struct il_text *out, uint32_t items)
{
    return put_container(out, items, 0x90, 0xdc);
}

/* The head anew, the items as they are. */
static int
copy_container(struct il_text *out, const struct il_value *v)
{
    const char *p = v->str, *end = p + v->len;
    int map = v->type == IL_MAP;

    for (uint64_t todo = (uint64_t) v->count << map; todo; todo--)
        if (msgcur_skip(&p, end))
            return -EINVAL;
    if (map ? msgout_map(out, v->count) : msgout_array(out, v->count))
        return -ENOMEM;
    return text_put(out, v->str, (size_t) (p - v->str));
}

int
msgout_value(struct il_text *out, const struct il_value *v)
{
    char time[TIME_TEXT];
    size_t before = out->len;
    int err;

    switch (v->type) {
    case IL_BOOL:
        return msgout_bool(out, v->num.i != 0);
    case IL_INT:
        return msgout_int(out, v->num.i);
    case IL_UINT:
        return msgout_uint(out, v->num.u);
    case IL_DECIMAL:
        return msgout_decimal(out, v->str, v->len);
    case IL_STRING:
        return msgout_str(out, v->str, v->len);
    case IL_TIME:
        return msgout_str(out, time, time_format(time, v->num.i));
    case IL_ARRAY:
    case IL_MAP:
        err = copy_container(out, v);
        if (err)
            out->len = before;
        return err;
    default:
        return msgout_nil(out);
    }
}
