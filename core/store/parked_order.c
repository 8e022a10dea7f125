/* SPDX-License-Identifier: MIT */
/* What a person orders about one parked event or letter. */
#include "parked_store.h"

#include <errno.h>

struct order {
    uint64_t position;
    int64_t now_us;
    struct il_text copy; /* of the event */
    int behind;          /* out */
};

static int
order_get(struct parked_change *c, struct order *o, enum parked_kind kind,
          struct parked_event *e)
{
    c->now_us = o->now_us;
    int rc = parked_get(c->p, c->txn, c->number, c->state.name, kind,
                        o->position, e);
    return rc ? rc : parked_keep(&o->copy, e);
}

/* `since` stays where it can: it says when the last try was. */
static int
now_write(struct parked_change *c, void *arg)
{
    struct order *o = arg;
    struct parked_event old, e;
    int rc = order_get(c, o, PARKED_EVENT, &old);
    if (rc)
        return rc;
    o->behind = parked_is_behind(c->p, c->txn, c->number, &old);
    e = old;
    if (e.since_us > o->now_us)
        e.since_us = o->now_us;
    e.delay_us = o->now_us - e.since_us;
    return parked_replace(c, &old, &e);
}

int
parked_now(struct parked_lane *l, uint64_t position, int64_t now_us)
{
    struct order o = { .position = position, .now_us = now_us };
    int err = parked_change_run(l, 0, now_write, &o);
    text_clear(&o.copy);
    return err ? err : o.behind;
}

static int
again_write(struct parked_change *c, void *arg)
{
    struct order *o = arg;
    struct parked_event e, other;
    int rc = order_get(c, o, PARKED_LETTER, &e);
    if (rc)
        return rc;
    rc = parked_get(c->p, c->txn, c->number, c->state.name, PARKED_EVENT,
                    o->position, &other);
    if (rc != MDB_NOTFOUND)
        return rc ? rc : -EEXIST;
    rc = parked_take(c, PARKED_LETTER, o->position);
    if (rc)
        return rc;
    e.attempts = 0;
    e.since_us = o->now_us;
    e.delay_us = 0;
    e.order_hash = 0;
    e.again = 1;
    e.turn++;
    return parked_put(c, PARKED_EVENT, &e);
}

int
parked_again(struct parked_lane *l, uint64_t position, int64_t now_us)
{
    struct order o = { .position = position, .now_us = now_us };
    int err = parked_change_run(l, 0, again_write, &o);
    text_clear(&o.copy);
    return err;
}

static int
drop_write(struct parked_change *c, void *arg)
{
    const struct order *o = arg;
    int rc = parked_take(c, PARKED_EVENT, o->position);
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    int letter = parked_take(c, PARKED_LETTER, o->position);
    return letter == MDB_NOTFOUND ? rc : letter;
}

int
parked_drop(struct parked_lane *l, uint64_t position)
{
    struct order o = { .position = position };
    return parked_change_run(l, 0, drop_write, &o);
}
