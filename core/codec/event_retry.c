/* SPDX-License-Identifier: MIT */
/* The mark on a frame that takes a dead letter's event to its lane again. */
#include "event.h"

#include "private.h"
#include "base/wtf8.h"

#include <errno.h>
#include <string.h>

#define SHORT 3 /* of the mark, without where it first stood */
#define LONG 6  /* without what was decided */
#define WHOLE 11
/* array, string, numbers, UUID, two times, two strings; no text */
#define MARK_MAX (1 + 5 + 9 + 5 + 9 + MSG_UUID + 5 + 2 * 9 + 2 * 5)
#define CODE_MAX 64
#define MESSAGE_MAX 1024

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

static int
read_time(const char **p, const char *end, int64_t *out)
{
    struct il_value v;
    if (msg_head(p, end, &v) || v.type != IL_INT)
        return -EINVAL;
    *out = v.num.i;
    return 0;
}

static int
read_text(const char **p, const char *end, struct slice *out)
{
    struct il_value v;
    if (msg_head(p, end, &v) || (v.type != IL_STRING && v.type != IL_NULL))
        return -EINVAL;
    if (v.type == IL_STRING)
        *out = slice_of(v.str, v.len);
    return 0;
}

/* What was decided is read where it is used: of a newer version it is passed on
 * as it is. */
static int
read_decided(const char **p, const char *end, uint32_t members,
             struct event_retry *out)
{
    const char *begin = *p;
    if (members < WHOLE)
        return 0;
    if (msg_skip(p, end) || *p - begin > EVENT_DECIDED_MAX)
        return -EINVAL;
    if ((unsigned char) *begin != 0xc0)
        out->decided = slice_of(begin, (size_t) (*p - begin));
    return read_time(p, end, &out->first_us)
                   || read_time(p, end, &out->since_us)
                   || read_text(p, end, &out->code)
                   || read_text(p, end, &out->message)
               ? -EINVAL
               : 0;
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
    *out = (struct event_retry){ .attempts = 0 };
    if (msg_head(&p, end, &v) || v.type != IL_STRING)
        return -EINVAL;
    out->lane = slice_of(v.str, v.len);
    if (read_number(&p, end, UINT64_MAX, &out->letter)
        || read_number(&p, end, UINT32_MAX, &attempts)
        || read_origin(&p, end, members, &out->origin)
        || read_decided(&p, end, members, out))
        return -EINVAL;
    out->attempts = (uint32_t) attempts;
    return 1;
}

static void
put_text(char **o, struct slice s)
{
    if (s.len)
        msg_put_text(o, s.ptr, s.len);
    else
        msg_put_nil(o);
}

static void
put_origin(char **o, const struct event_origin *at)
{
    msg_put_uint64(o, at->position);
    memcpy(*o, MSG_UUID_HEAD, 2);
    memcpy(*o + 2, at->spool, 16);
    *o += MSG_UUID;
    msg_put_uint64(o, at->set_backs);
}

int
event_retry_pack(struct il_text *out, const char *body, size_t len,
                 const struct event_retry *retry)
{
    struct event e;
    size_t start = out->len;
    const struct event_origin *at = &retry->origin;
    struct slice code = retry->code, message = retry->message;
    int members = retry->since_us || retry->decided.len ? WHOLE
                  : at->position                        ? LONG
                                                        : SHORT;
    code.len = utf8_cut(code.ptr, code.len, CODE_MAX);
    message.len = utf8_cut(message.ptr, message.len, MESSAGE_MAX);
    int err = event_unpack(body, len, &e);
    if (!err)
        err = event_pack(out, &e);
    if (!err)
        err = text_reserve(out, MARK_MAX + retry->lane.len + retry->decided.len
                                    + code.len + message.len);
    if (err) {
        out->len = start;
        return err;
    }
    char *o = out->data + start;
    /* over the head of the event */
    msg_put_array(&o, EVENT_MEMBERS + (e.flags != 0) + 1);
    o = out->data + out->len;
    msg_put_array(&o, (size_t) members);
    msg_put_text(&o, retry->lane.ptr, retry->lane.len);
    msg_put_uint64(&o, retry->letter);
    msg_put_uint64(&o, retry->attempts);
    if (members >= LONG)
        put_origin(&o, at);
    if (members >= WHOLE) {
        if (retry->decided.len)
            msg_put_bytes(&o, retry->decided.ptr, retry->decided.len);
        else
            msg_put_nil(&o);
        msg_put_int64(&o, retry->first_us);
        msg_put_int64(&o, retry->since_us);
        put_text(&o, code);
        put_text(&o, message);
    }
    out->len = (size_t) (o - out->data);
    return 0;
}
