/* SPDX-License-Identifier: MIT */
/* Events that come to an end of their own, and those that come again.
 *
 * What is kept of an event that waits is the event as it was decided: a msgpack
 * array of four (more are passed over),
 *   [ event, origin | nil, { kind: traits, ... } | nil, nil ]
 * event is an array as event.h describes it, with the payload as steps left it;
 * origin is [ position, UUID of the spool (bin, 16 bytes), set-backs ]; the last
 * is for what steps will have to say. */
#include "batch.h"

#include "msg_pack.h"
#include "private.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/wtf8.h"

#define XXH_INLINE_ALL
#include <errno.h>
#include <string.h>
#include <xxhash.h>

#define MEMBERS 4
#define ORIGIN_MAX (1 + 9 + 18 + 5)

/* --- said of single events ------------------------------------------------ */

void
batch_was_done(struct il_batch *b, uint32_t i)
{
    struct batch_event *e = &b->events[i];
    if (e->state == BATCH_REFUSED) {
        e->state = BATCH_LIVE;
        b->live++;
        b->letters--;
    }
    if (e->state != BATCH_LIVE)
        return;
    batch_leave(b, i, BATCH_DONE);
    b->done++;
}

void
batch_done(struct il_batch *b, uint32_t i)
{
    if (!batch_live(b, i))
        return;
    batch_was_done(b, i);
    if (b->told)
        b->told(b->lane, i);
}

uint64_t
batch_order(const char *order, size_t len)
{
    uint64_t hash = XXH3_64bits(order, len);
    return hash ? hash : 1;
}

uint64_t
batch_order_of(const struct il_batch *b, uint32_t i, const char *order,
               size_t len)
{
    if (order)
        return batch_order(order, len);
    return b->order ? b->order(b->lane, i) : 0;
}

/* Of a text, as much as is kept of it. */
static char *
target_copy(struct il_batch *b, const char *text, size_t len)
{
    if (len > BATCH_TARGET_MAX)
        len = BATCH_TARGET_MAX;
    char *copy = arena_alloc(&b->said, len + 1, &b->said_bytes);
    if (!copy)
        return NULL;
    memcpy(copy, text, len);
    copy[len] = 0;
    utf8_mend(copy, len);
    return copy;
}

int
batch_defer(struct il_batch *b, uint32_t i, const struct il_deferral *how)
{
    if (!batch_live(b, i))
        return 0;
    struct batch_deferral *d = arena_alloc(&b->said, sizeof *d, &b->said_bytes);
    if (!d)
        return -ENOMEM;
    *d = (struct batch_deferral){
        .flags = how->flags,
        .since_us = clock_wall_us(),
        .delay_us = how->delay_ms < BATCH_DELAY_MAX_MS
                        ? (int64_t) how->delay_ms * 1000
                        : (int64_t) BATCH_DELAY_MAX_MS * 1000,
        .order = b->step || how->flags & IL_OUT_OF_ORDER
                     ? 0
                     : batch_order_of(b, i, how->order, how->order_len),
    };
    if (how->why)
        d->why = batch_reason(&b->said, &b->said_bytes, how->why);
    if (how->target
        && !(d->target = target_copy(b, how->target, how->target_len)))
        return -ENOMEM;
    b->events[i].deferral = d;
    b->events[i].stop = b->step;
    batch_leave(b, i, BATCH_DEFERRED);
    b->deferred++;
    if (b->told && !b->step)
        b->told(b->lane, i);
    return 0;
}

/* --- said before ----------------------------------------------------------- */

static void results_stay(struct batch_event *);

void
batch_undo(struct il_batch *b, uint32_t step)
{
    for (uint32_t i = 0; i < b->count; i++) {
        struct batch_event *e = &b->events[i];
        int dropped = e->state == BATCH_DROPPED && !e->stop;
        int deferred = e->state == BATCH_DEFERRED && e->stop == step;
        if (e->again && e->again->results)
            results_stay(e);
        if (!e->again || (!dropped && !deferred))
            continue;
        if (!batch_passed(b, i, step)) {
            e->stop = (uint16_t) step;
            continue;
        }
        e->state = BATCH_LIVE;
        e->stop = 0;
        e->deferral = NULL;
        b->live++;
        b->dropped -= (uint32_t) dropped;
        b->deferred -= (uint32_t) deferred;
    }
}

/* --- as it was decided ---------------------------------------------------- */

static int
pack_origin(const struct il_batch *b, uint32_t i, struct il_text *out)
{
    struct event_origin at;
    batch_origin(b, i, &at);
    if (text_reserve(out, ORIGIN_MAX))
        return -ENOMEM;
    char *o = out->data + out->len;
    msg_put_array(&o, 3);
    msg_put_uint64(&o, at.position);
    memcpy(o, MSG_UUID_HEAD, 2);
    memcpy(o + 2, at.spool, 16);
    o += MSG_UUID;
    msg_put_uint64(&o, at.set_backs);
    out->len = (size_t) (o - out->data);
    return 0;
}

static int
pack_entities(const struct batch_event *e, struct il_text *out)
{
    uint32_t count = 0;
    for (const struct entity_link *l = e->entities; l; l = l->next)
        count++;
    int err = count ? msg_pack_map(out, count) : msg_pack_nil(out);
    for (const struct entity_link *l = e->entities; l && !err; l = l->next) {
        err = msg_pack_str(out, l->kind->name, l->kind->len);
        if (!err)
            err = msg_pack_value(out, &l->traits);
    }
    return err;
}

int
batch_decided(const struct il_batch *b, uint32_t i, struct il_text *out)
{
    const struct batch_event *e = &b->events[i];
    size_t start = out->len;
    int err = msg_pack_array(out, MEMBERS);
    if (!err)
        err = event_pack(out, &e->ev);
    if (!err)
        err = pack_origin(b, i, out);
    if (!err)
        err = pack_entities(e, out);
    if (!err)
        err = msg_pack_nil(out);
    if (err)
        out->len = start;
    return err;
}

static int
read_origin(const char **p, const char *end, struct event_origin *out)
{
    struct il_value v;
    *out = (struct event_origin){ .position = 0 };
    if (msg_head(p, end, &v))
        return -EINVAL;
    if (v.type == IL_NULL)
        return 0;
    if (v.type != IL_ARRAY || v.count != 3 || msg_head(p, end, &v)
        || (v.type != IL_INT && v.type != IL_UINT))
        return -EINVAL;
    out->position = v.num.u;
    if (end - *p < MSG_UUID || memcmp(*p, MSG_UUID_HEAD, 2) != 0)
        return -EINVAL;
    memcpy(out->spool, *p + 2, 16);
    *p += MSG_UUID;
    if (msg_head(p, end, &v) || v.type != IL_INT || v.num.u > UINT32_MAX)
        return -EINVAL;
    out->set_backs = (uint32_t) v.num.u;
    return 0;
}

/* Entities as they were attached; they point into the bytes. */
static int
read_entities(struct il_batch *b, struct batch_event *e, const char **p,
              const char *end)
{
    struct il_value map, key;
    if (msg_head(p, end, &map) || (map.type != IL_NULL && map.type != IL_MAP))
        return -EINVAL;
    struct entity_link **at = &e->entities;
    for (uint32_t n = map.type == IL_MAP ? map.count : 0; n; n--) {
        struct il_value traits;
        if (msg_value(p, end, &key) || key.type != IL_STRING)
            return -EINVAL;
        const char *begin = *p;
        if (msg_head(p, end, &traits) || traits.type != IL_MAP)
            return -EINVAL;
        *p = begin;
        if (msg_skip(p, end))
            return -EINVAL;
        traits.len = (size_t) (*p - traits.str);
        struct entity_link *link = batch_alloc(b, sizeof *link);
        const struct il_kind *kind = batch_kind(key.str, key.len);
        if (!link || !kind)
            return -ENOMEM;
        *link = (struct entity_link){ .kind = kind, .traits = traits };
        *at = link;
        at = &link->next;
    }
    return 0;
}

/* One piece of memory; absent texts stay so. */
static struct batch_again *
again_copy(struct il_batch *b, const struct batch_again *from)
{
    const char *texts[3] = { from->code, from->message, from->decided };
    const char *copied[3] = { NULL };
    size_t size = sizeof *from;
    for (int k = 0; k < 3; k++)
        size += texts[k] ? strlen(texts[k]) + 1 : 0;
    struct batch_again *to = batch_alloc(b, size);
    if (!to)
        return NULL;
    *to = *from;
    char *p = (char *) (to + 1);
    for (int k = 0; k < 3; k++)
        if (texts[k]) {
            copied[k] = p;
            p = stpcpy(p, texts[k]) + 1;
        }
    to->code = copied[0];
    to->message = copied[1];
    to->decided = copied[2];
    return to;
}

/* A copy with a NUL; NULL where there is none. */
static const char *
text_copy(struct slice s, char **p)
{
    char *copy = *p;
    if (!s.len)
        return NULL;
    memcpy(copy, s.ptr, s.len);
    copy[s.len] = 0;
    *p += s.len + 1;
    return copy;
}

int
batch_add_again(struct il_batch *b, uint64_t position, struct slice body,
                const struct event *ev, const struct event_retry *retry,
                uint32_t passed, uint32_t at)
{
    struct event_decided d;
    event_decided_read(retry->decided, &d);
    struct batch_again *again =
        batch_alloc(b, sizeof *again + retry->code.len + retry->message.len
                           + d.step.len + 3);
    if (!again)
        return -ENOMEM;
    char *p = (char *) (again + 1);
    *again = (struct batch_again){ .attempts = retry->attempts,
                                   .first_us = retry->first_us,
                                   .since_us = retry->since_us,
                                   .origin = retry->origin,
                                   .passed = passed,
                                   .at = at };
    again->code = text_copy(retry->code, &p);
    again->message = text_copy(retry->message, &p);
    again->decided = text_copy(d.step, &p);
    int err = batch_add_event(b, position, body.ptr, body.len, ev);
    if (err)
        return err;
    b->events[b->count - 1].again = again;
    b->agains++;
    return 0;
}

int
batch_found(struct il_batch *b, const struct il_kind *kind,
            const struct il_value *result)
{
    struct batch_event *e = &b->events[b->count - 1];
    struct batch_again *again = (struct batch_again *) (uintptr_t) e->again;
    struct entity_link *r = batch_alloc(b, sizeof *r);
    int err = r ? batch_attach(b, b->count - 1, kind, result) : -ENOMEM;
    if (err)
        return err;
    const struct entity_link *now = e->entities;
    while (now->kind != kind)
        now = now->next;
    *r = *now;
    r->next = again->results;
    again->results = r;
    return 0;
}

/* What steps find out now does not count. */
static void
results_stay(struct batch_event *e)
{
    for (const struct entity_link *r = e->again->results; r; r = r->next)
        for (struct entity_link *l = e->entities; l; l = l->next)
            if (l->kind == r->kind)
                l->traits = r->traits;
}

int
batch_add_decided(struct il_batch *b, uint64_t position, const char *bytes,
                  size_t len, const struct batch_again *again)
{
    const char *p = bytes, *end = bytes + len;
    struct il_value v;
    struct event ev;
    struct batch_again *mine = again_copy(b, again);
    if (!mine)
        return -ENOMEM;
    if (msg_head(&p, end, &v) || v.type != IL_ARRAY || v.count < MEMBERS)
        return -EINVAL;
    const char *body = p;
    if (msg_skip(&p, end) || event_unpack(body, (size_t) (p - body), &ev))
        return -EINVAL;
    size_t body_len = (size_t) (p - body);
    if (read_origin(&p, end, &mine->origin))
        return -EINVAL;
    struct batch_event read = { .entities = NULL };
    int err = read_entities(b, &read, &p, end);
    if (!err)
        err = batch_add_event(b, position, body, body_len, &ev);
    if (err)
        return err;
    struct batch_event *e = &b->events[b->count - 1];
    e->entities = read.entities;
    e->again = mine;
    return 0;
}
