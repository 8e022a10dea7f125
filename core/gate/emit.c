/* SPDX-License-Identifier: MIT */
/* il_emit(): events of sources that fetch them by themselves, and how far they
 * have read. */
#include "config.h"

#include "private.h"
#include "base/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What may come at once: events and marks, and bytes of their frames.  The
 * spool's buffer, which others need too, has twice as much. */
#define EMIT_MAX 10000
#define EMIT_BYTES (4u << 20)
/* Without a better guess, there is room after so long. */
#define ROOM_SOON_NS 100000000

/* --- what it is ----------------------------------------------------------- */

static int
wrong(const char **fault, const char *why)
{
    *fault = why;
    return -EINVAL;
}

static int
check(const struct gate_source *s, const struct il_emission *e,
      const char **fault)
{
    if (!e->count && !e->mark_count)
        return wrong(fault, "there are neither events nor marks");
    if (e->count && !e->events)
        return wrong(fault, "there is a count and no events");
    if (e->mark_count && !e->marks)
        return wrong(fault, "there is a count and no marks");
    if (e->mark_count && !s->gate->options.marks)
        return wrong(fault, "marks have no place here");
    if (e->count > EMIT_MAX || e->mark_count > EMIT_MAX - e->count)
        return -EMSGSIZE;
    return 0;
}

static int
take(struct gate_batch *b, const struct il_emission *e, const char **fault)
{
    struct gate_source *s = b->source;
    b->sender = e->sender;
    b->frames_max = EMIT_BYTES;
    int err = gate_batch_reserve(b);
    if (!err && e->mark_count)
        err = gate_marking_new(s->gate->options.marks, s->id, b->now_us,
                               e->marks, e->mark_count, e->mark_size,
                               &b->marking, fault);
    if (!err)
        err = gate_take(b, e->events, e->count, e->event_size);
    if (err == -EINVAL && b->fault)
        *fault = b->fault;
    if (!err && b->marking
        && b->frames.len + gate_marking_body(b->marking).len > EMIT_BYTES)
        err = -EMSGSIZE;
    return err;
}

/* --- taking it ------------------------------------------------------------ */

/* Letters come before the marks that pass over them, upserts before events:
 * both cost a sync, so first of all whether this will be taken. */
static int
may_come(struct gate_batch *b, uint32_t upserts)
{
    if (!upserts && !b->refused)
        return 0;
    int err = spool_health(b->gate->options.spool);
    if (!err && b->refused < b->count)
        err = gate_limit_first(b, upserts ? upserts : 1);
    return err;
}

/* 0 and it is in the spool, or nothing has happened. */
static int
commit(struct gate_batch *b)
{
    uint64_t first;
    size_t kept = 0;
    uint32_t upserts = gate_upsert_wanted(b);
    int all = b->marking != NULL;
    int err = may_come(b, upserts);
    if (!err && upserts)
        err = gate_upsert_now(b);
    if (!err && b->refused)
        err = gate_keep_now(b, all, &first, &kept);
    if (!err && (b->refused < b->count || b->marking)) {
        err = gate_commit(b);
        spool_push(b->gate->options.spool);
    } else if (!err) {
        b->epoch = atomic_load(&b->gate->epoch);
    }
    if (err && kept)
        gate_unkeep(b, first, kept);
    return err;
}

/* --- what became of it ---------------------------------------------------- */

static void
tell(const struct gate_batch *b, const struct il_emission *e)
{
    for (uint32_t i = 0; i < b->count; i++) {
        const struct gate_item *item = &b->items[i];
        struct il_reason why;
        struct il_outcome o = { IL_SIZED(struct il_outcome) };
        if (item->state == ITEM_REFUSED) {
            struct il_event offered;
            gate_item_reason(b, item, &why);
            o.what = IL_REFUSED;
            o.why = &why;
            api_copy_at(&offered, sizeof(offered), e->events, i, e->event_size,
                        API_EVENT_1_0);
            o.id = offered.id;
            o.id_len = offered.id ? offered.id_len : 0;
        } else {
            struct slice id = gate_item_id(b, item);
            o.what = item->state == ITEM_NEW ? IL_ACCEPTED : IL_DUPLICATE;
            o.id = id.ptr;
            o.id_len = id.len;
        }
        e->outcome(e->arg, i, &o);
    }
}

/* It is in: from here on nothing can fail. */
static int
taken(struct gate_batch *b, const struct il_emission *e,
      struct gate_pending *p)
{
    gate_keep_count(b);
    if (e->outcome)
        tell(b, e);
    if (!p) {
        metric_add(b->source->accepted, b->accepted);
        metric_add(b->source->duplicates, b->duplicates);
        return 0;
    }
    gate_ticket_fill(b, &p->ticket);
    p->token = e->token;
    int err = gate_pend(p);
    if (err)
        free(p);
    return err;
}

/* What the source hears of an error. */
static int
told(struct gate_batch *b, int err)
{
    struct gate_source *s = b->source;
    int64_t wait_ns = ROOM_SOON_NS;
    if (err == -EMSGSIZE || err == -EINVAL || err == -ESHUTDOWN)
        return err;
    if (spool_health(s->gate->options.spool) == -EIO)
        return -EIO;
    if (err == -EDQUOT && b->limit == GATE_RATE)
        wait_ns = b->wait_ns;
    gate_wants_room(s, rate_now_ns() + wait_ns);
    return -EAGAIN;
}

/* --- il_emit() ------------------------------------------------------------ */

static int
emit(struct gate_source *s, const struct il_emission *e, const char **fault)
{
    /* All that is needed once it is taken comes first. */
    struct gate_pending *p = s->settled ? calloc(1, sizeof(*p)) : NULL;
    struct gate_batch *b = gate_batch_take(s->gate, s);
    if (!b || (s->settled && !p)) {
        free(p);
        if (b)
            gate_batch_give(b);
        gate_wants_room(s, rate_now_ns() + ROOM_SOON_NS);
        return -EAGAIN;
    }
    int err = take(b, e, fault);
    if (!err)
        err = commit(b);
    if (err) {
        err = told(b, err);
        free(p);
    } else {
        err = taken(b, e, p);
    }
    gate_marking_free(b->marking);
    gate_batch_give(b);
    return err;
}

int
gate_emit(struct gate_source *s, const struct il_emission *e,
          const char **fault)
{
    int err = check(s, e, fault);
    if (err || (err = gate_source_enter(s)))
        return err;
    err = emit(s, e, fault);
    gate_source_leave(s);
    return err;
}
