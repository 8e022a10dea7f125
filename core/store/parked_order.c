/* SPDX-License-Identifier: MIT */
/* What a person orders about parked events and letters. */
#include "parked_store.h"

#include <errno.h>

struct order {
    uint64_t position;
    int64_t now_us;
    struct il_text copy; /* of the event */
    int behind;          /* out */
    uint32_t turn;       /* out */
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
    o->behind = parked_behind(c->p, c->txn, c->number, &old) != 0;
    o->turn = old.turn;
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
    if (!e.event_len)
        return -ENODATA;
    rc = parked_take(c, PARKED_LETTER, o->position);
    if (rc)
        return rc;
    e.attempts = 0;
    e.since_us = o->now_us;
    e.delay_us = 0;
    e.order_hash = 0;
    e.again = 1;
    o->turn = ++e.turn;
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

/* --- either, of many ------------------------------------------------------ */

struct asks {
    struct parked_ask *at;
    size_t n;
    int64_t now_us;
    struct il_text copy;
};

/* A code, but for a record that is damaged or not there. */
static int
ask_one(struct parked_change *c, struct order *o, struct parked_ask *ask)
{
    ask->found = PARKED_NOT_THERE;
    int rc = now_write(c, o);
    if (!rc)
        ask->found = o->behind ? PARKED_BEHIND : PARKED_NOW;
    if (rc == MDB_NOTFOUND) {
        rc = again_write(c, o);
        if (!rc)
            ask->found = PARKED_WAS_LETTER;
    }
    if (rc == -EIO || rc == -ENODATA)
        ask->found = rc == -EIO ? PARKED_DAMAGED : PARKED_NO_EVENT;
    ask->turn = o->turn;
    return ask->found == PARKED_DAMAGED || ask->found == PARKED_NO_EVENT
                   || rc == MDB_NOTFOUND
               ? 0
               : rc;
}

/* Was something done about it? */
static int
is_asked(const struct parked_ask *ask)
{
    return ask->found == PARKED_NOW || ask->found == PARKED_BEHIND
           || ask->found == PARKED_WAS_LETTER;
}

static int
asks_write(struct parked_change *c, void *arg)
{
    struct asks *all = arg;
    int rc = 0, any = 0;
    for (size_t i = 0; i < all->n && !rc; i++) {
        struct order o = { .position = all->at[i].position,
                           .now_us = all->now_us,
                           .copy = all->copy };
        rc = ask_one(c, &o, &all->at[i]);
        all->copy = o.copy;
        any |= is_asked(&all->at[i]);
    }
    return rc ? rc : any ? 0 : -ECANCELED;
}

int
parked_ask(struct parked_lane *l, struct parked_ask *asks, size_t n,
           int64_t now_us)
{
    struct asks all = { .at = asks, .n = n, .now_us = now_us };
    int err = parked_change_run(l, 0, asks_write, &all);
    text_clear(&all.copy);
    return err;
}

/* --- dropping --------------------------------------------------------------- */

static int
drop_one(struct parked_change *c, uint64_t position)
{
    int rc = parked_take(c, PARKED_EVENT, position);
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    int letter = parked_take(c, PARKED_LETTER, position);
    return letter == MDB_NOTFOUND ? rc : letter;
}

static int
drop_write(struct parked_change *c, void *arg)
{
    const struct order *o = arg;
    return drop_one(c, o->position);
}

int
parked_drop(struct parked_lane *l, uint64_t position)
{
    struct order o = { .position = position };
    return parked_change_run(l, 0, drop_write, &o);
}

struct drops {
    const uint64_t *positions;
    size_t n, dropped;
};

static int
drops_write(struct parked_change *c, void *arg)
{
    struct drops *d = arg;
    d->dropped = 0;
    for (size_t i = 0; i < d->n; i++) {
        int rc = drop_one(c, d->positions[i]);
        if (rc && rc != MDB_NOTFOUND)
            return rc;
        d->dropped += rc == 0;
    }
    return d->dropped ? 0 : -ECANCELED;
}

int
parked_drop_all(struct parked_lane *l, const uint64_t *positions, size_t n,
                size_t *dropped)
{
    struct drops d = { positions, n, 0 };
    int err = parked_change_run(l, 0, drops_write, &d);
    *dropped = err ? 0 : d.dropped;
    return err;
}
