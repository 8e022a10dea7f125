/* SPDX-License-Identifier: MIT */
/* What was decided about an event that comes again. */
#include "event.h"

#include "msg_pack.h"
#include "msg_read.h"

#define MEMBERS 5

static int
pack_str(struct il_text *out, struct slice s)
{
    return s.len ? msg_pack_str(out, s.ptr, s.len) : msg_pack_nil(out);
}

int
event_decided_pack(struct il_text *out, const struct event_decided *d)
{
    size_t start = out->len;
    if (d->place == EVENT_NOWHERE)
        return 0;
    int err = d->results.len > EVENT_RESULTS_MAX ? -EINVAL
                                                 : msg_pack_array(out, MEMBERS);
    if (!err)
        err = msg_pack_uint(out, EVENT_DECIDED_VERSION);
    if (!err)
        err = msg_pack_uint(out, d->place);
    if (!err)
        err = pack_str(out, d->step);
    if (!err)
        err = pack_str(out, d->plugin);
    if (!err)
        err = d->results.len ? text_put(out, d->results.ptr, d->results.len)
                             : msg_pack_nil(out);
    if (!err && out->len - start > EVENT_DECIDED_MAX)
        err = -EINVAL;
    if (err)
        out->len = start;
    return err;
}

static int
read_number(const char **p, const char *end, uint64_t *out)
{
    struct il_value v;
    if (msg_head(p, end, &v) || (v.type != IL_INT && v.type != IL_UINT)
        || (v.type == IL_INT && v.num.i < 0))
        return -EINVAL;
    *out = v.num.u;
    return 0;
}

static int
read_str(const char **p, const char *end, struct slice *out)
{
    struct il_value v;
    if (msg_head(p, end, &v) || (v.type != IL_STRING && v.type != IL_NULL))
        return -EINVAL;
    *out = v.type == IL_STRING ? slice_of(v.str, v.len) : slice_of(NULL, 0);
    return 0;
}

static int
read_results(const char **p, const char *end, struct slice *out)
{
    struct il_value v;
    const char *begin = *p, *at = *p;
    if (msg_skip(p, end) || msg_head(&at, end, &v)
        || (v.type != IL_MAP && v.type != IL_NULL))
        return -EINVAL;
    if (v.type == IL_NULL)
        return 0;
    *out = slice_of(begin, (size_t) (*p - begin));
    return out->len > EVENT_RESULTS_MAX ? -EINVAL : 0;
}

int
event_decided_read(struct slice packed, struct event_decided *out)
{
    const char *p = packed.ptr;
    struct il_value v;
    uint64_t version, place;
    *out = (struct event_decided){ .place = EVENT_NOWHERE };
    if (!packed.len)
        return 0;
    const char *end = p + packed.len;
    if (packed.len > EVENT_DECIDED_MAX || msg_head(&p, end, &v)
        || v.type != IL_ARRAY || !v.count || read_number(&p, end, &version)
        || !version)
        return -EINVAL;
    if (version > EVENT_DECIDED_VERSION)
        return -ENOTSUP;
    struct event_decided d = { .place = EVENT_NOWHERE };
    if (v.count < MEMBERS || read_number(&p, end, &place) || !place
        || place > EVENT_AT_DESTINATION || read_str(&p, end, &d.step)
        || read_str(&p, end, &d.plugin) || read_results(&p, end, &d.results))
        return -EINVAL;
    int of_a_step = place == EVENT_AT_STEP || place == EVENT_AFTER_STEP;
    if (of_a_step != (d.step.len != 0))
        return -EINVAL;
    d.place = (uint32_t) place;
    *out = d;
    return 0;
}

void
event_decided_json(struct json_out *o, const char *key, struct slice packed)
{
    static const char *const places[] = { NULL, "step", "after_step", "when",
                                          "destination" };
    struct event_decided d;
    event_decided_read(packed, &d);
    if (d.place == EVENT_NOWHERE) {
        json_out_null(o, key);
        return;
    }
    json_out_object(o, key);
    json_out_str(o, "at", places[d.place]);
    if (d.step.len) {
        json_out_slice(o, "step", d.step);
        json_out_slice(o, "plugin", d.plugin);
    }
    json_out_end(o);
}
