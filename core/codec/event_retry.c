/* SPDX-License-Identifier: MIT */
/* The mark on a frame that takes a dead letter's event to its lane again. */
#include "event.h"

#include "private.h"

#include <errno.h>
#include <string.h>

#define SHORT 3 /* of the mark, without where it first stood */
#define LONG 6
/* array, string, numbers, UUID; no text */
#define MARK_MAX (1 + 5 + 9 + 5 + 9 + MSG_UUID + 5)

static int
read_number(const char **p, const char *end, uint64_t max, uint64_t *out)
{
    struct il_value v;
    if (msg_head(p, end, &v) || (v.type != IL_INT && v.type != IL_UINT)
        || (v.type == IL_INT && v.num.i < 0) || v.num.u > max)
        return -EINVAL;
    *out = v.num.u;
    return 0;
}

/* Where it first stood; older versions do not say. */
static int
read_origin(const char **p, const char *end, uint32_t members,
            struct event_origin *out)
{
    uint64_t set_backs;
    *out = (struct event_origin){ .position = 0 };
    if (members < LONG)
        return 0;
    if (read_number(p, end, UINT64_MAX, &out->position) || end - *p < MSG_UUID
        || memcmp(*p, MSG_UUID_HEAD, 2) != 0)
        return -EINVAL;
    memcpy(out->spool, *p + 2, 16);
    *p += MSG_UUID;
    if (read_number(p, end, UINT32_MAX, &set_backs))
        return -EINVAL;
    out->set_backs = (uint32_t) set_backs;
    return 0;
}

int
event_retry_read(const char *body, size_t len, struct event_retry *out)
{
    const char *p = body, *end = body + len;
    struct il_value v;
    uint64_t attempts;
    uint32_t flags, more;
    if (msg_head(&p, end, &v) || v.type != IL_ARRAY)
        return -EINVAL;
    if (v.count <= EVENT_MEMBERS)
        return 0;
    more = v.count - EVENT_MEMBERS;
    for (int i = 0; i < EVENT_MEMBERS; i++)
        if (msg_skip(&p, end))
            return -EINVAL;
    more -= (uint32_t) event_unpack_flags(&p, end, &flags);
    if (!more)
        return 0;
    if (msg_head(&p, end, &v) || v.type != IL_ARRAY || v.count < SHORT)
        return -EINVAL;
    uint32_t members = v.count;
    if (msg_head(&p, end, &v) || v.type != IL_STRING)
        return -EINVAL;
    out->lane = slice_of(v.str, v.len);
    if (read_number(&p, end, UINT64_MAX, &out->letter)
        || read_number(&p, end, UINT32_MAX, &attempts)
        || read_origin(&p, end, members, &out->origin))
        return -EINVAL;
    out->attempts = (uint32_t) attempts;
    return 1;
}

int
event_retry_pack(struct il_text *out, const char *body, size_t len,
                 const struct event_retry *retry)
{
    struct event e;
    size_t start = out->len;
    int err = event_unpack(body, len, &e);
    if (!err)
        err = event_pack(out, &e);
    if (!err)
        err = text_reserve(out, MARK_MAX + retry->lane.len);
    if (err) {
        out->len = start;
        return err;
    }
    char *o = out->data + start;
    const struct event_origin *at = &retry->origin;
    /* over the head of the event */
    msg_put_array(&o, EVENT_MEMBERS + (e.flags != 0) + 1);
    o = out->data + out->len;
    msg_put_array(&o, at->position ? LONG : SHORT);
    msg_put_text(&o, retry->lane.ptr, retry->lane.len);
    msg_put_uint64(&o, retry->letter);
    msg_put_uint64(&o, retry->attempts);
    if (at->position) {
        msg_put_uint64(&o, at->position);
        memcpy(o, MSG_UUID_HEAD, 2);
        memcpy(o + 2, at->spool, 16);
        o += MSG_UUID;
        msg_put_uint64(&o, at->set_backs);
    }
    out->len = (size_t) (o - out->data);
    return 0;
}
