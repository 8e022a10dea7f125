/* SPDX-License-Identifier: MIT */
/* The frame that says how far a source has read. */
#include "event.h"
#include "msg_pack.h"
#include "msg_read.h"

#include <errno.h>

int
event_marks_begin(struct il_text *out, struct slice source_id,
                  int64_t written_us, uint32_t n)
{
    int err = msg_pack_array(out, 4);
    if (!err)
        err = msg_pack_nil(out);
    if (!err)
        err = msg_pack_str(out, source_id.ptr, source_id.len);
    if (!err)
        err = msg_pack_int(out, written_us);
    return err ? err : msg_pack_array(out, 2 * n);
}

int
event_marks_add(struct il_text *out, const struct event_mark *m)
{
    int err = msg_pack_str(out, m->name.ptr, m->name.len);
    if (err)
        return err;
    return m->value.ptr ? msg_pack_str(out, m->value.ptr, m->value.len)
                        : msg_pack_nil(out);
}

int
event_marks_unpack(const char *body, size_t len, struct event_marks *out)
{
    const char *p = body, *end = body + len;
    struct il_value v;
    size_t iter = 0, n = 0;
    if (!event_is_marks(body, len) || msg_head(&p, end, &v)
        || msg_skip(&p, end))
        return -EINVAL;
    if (msg_head(&p, end, &v) || v.type != IL_STRING)
        return -EINVAL;
    out->source_id = slice_of(v.str, v.len);
    if (msg_head(&p, end, &v) || v.type != IL_INT)
        return -EINVAL;
    out->written_us = v.num.i;
    if (msg_value(&p, end, &out->list) || out->list.type != IL_ARRAY
        || out->list.count % 2 || p != end)
        return -EINVAL;
    for (; msg_item(&out->list, &iter, NULL, &v); n++)
        if (v.type != IL_STRING && (v.type != IL_NULL || n % 2 == 0))
            return -EINVAL;
    return n == out->list.count ? 0 : -EINVAL;
}

int
event_marks_next(const struct event_marks *m, size_t *iter,
                 struct event_mark *out)
{
    struct il_value name, value;
    if (!msg_item(&m->list, iter, NULL, &name)
        || !msg_item(&m->list, iter, NULL, &value))
        return 0;
    out->name = slice_of(name.str, name.len);
    out->value = value.type == IL_STRING ? slice_of(value.str, value.len)
                                         : slice_of(NULL, 0);
    return 1;
}
