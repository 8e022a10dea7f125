/* SPDX-License-Identifier: MIT */
/* What a lane writes: a batch, and what became of a flight of retries. */
#include "parked_store.h"

#include <errno.h>
#include <string.h>

/* --- a batch -------------------------------------------------------------- */

struct settle {
    uint64_t before, last;
    const uint8_t *spool;
    const struct parked_event *events;
    size_t n;
    const struct parked_letter *letters;
    size_t m;
};

static int
text_is_huge(size_t len)
{
    return len > INT32_MAX;
}

static int
settle_valid(const struct settle *s)
{
    size_t i, j = 0;
    uint64_t at = s->before;
    if (s->last < s->before)
        return 0;
    for (i = 0; i < s->n; at = s->events[i++].position)
        if (s->events[i].position <= at || s->events[i].position > s->last
            || text_is_huge(s->events[i].event_len))
            return 0;
    at = s->before;
    for (i = 0; i < s->m; at = s->letters[i++].position) {
        if (s->letters[i].position <= at || s->letters[i].position > s->last
            || text_is_huge(s->letters[i].event_len))
            return 0;
        while (j < s->n && s->events[j].position < s->letters[i].position)
            j++;
        if (j < s->n && s->events[j].position == s->letters[i].position)
            return 0;
    }
    return 1;
}

/* The first position of a table behind `before`: MDB_NOTFOUND past `last`. */
static int
settle_next(struct parked_change *c, MDB_cursor *cursor, const struct settle *s,
            uint64_t *position)
{
    uint8_t bytes[PARKED_KEY];
    if (s->before == UINT64_MAX)
        return MDB_NOTFOUND;
    parked_key(bytes, c->number, s->before + 1);
    MDB_val key = { sizeof bytes, bytes }, value;
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (rc)
        return rc;
    if (key.mv_size != sizeof bytes || memcmp(key.mv_data, bytes, 4) != 0)
        return MDB_NOTFOUND;
    *position = parked_key_u64((uint8_t *) key.mv_data + 4);
    return *position > s->last ? MDB_NOTFOUND : 0;
}

static int
settle_clear(struct parked_change *c, const struct settle *s,
             enum parked_kind kind)
{
    MDB_cursor *cursor;
    uint64_t position;
    int rc = mdb_cursor_open(c->txn, parked_dbi(c->p, kind), &cursor);
    if (rc)
        return rc;
    while (!(rc = settle_next(c, cursor, s, &position))
           && !(rc = parked_take(c, kind, position)))
        ;
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
settle_write(struct parked_change *c, void *arg)
{
    const struct settle *s = arg;
    int rc = settle_clear(c, s, PARKED_EVENT);
    if (!rc)
        rc = settle_clear(c, s, PARKED_LETTER);
    for (size_t i = 0; i < s->n && !rc; i++) {
        struct parked_event e = s->events[i];
        e.again = 0;
        e.turn = 1;
        rc = parked_put(c, PARKED_EVENT, &e);
    }
    for (size_t i = 0; i < s->m && !rc; i++) {
        struct parked_event e = parked_of_letter(&s->letters[i]);
        rc = parked_put(c, PARKED_LETTER, &e);
    }
    c->state.position = s->last;
    memcpy(c->state.spool, s->spool, sizeof c->state.spool);
    return rc;
}

int
parked_settle(struct parked_lane *l, uint64_t before, uint64_t last,
              const uint8_t spool[16], const struct parked_event *events,
              size_t n, const struct parked_letter *letters, size_t m)
{
    struct settle s = { before, last, spool, events, n, letters, m };
    if (!settle_valid(&s))
        return -EINVAL;
    return parked_change_run(l, 1, settle_write, &s);
}

int
parked_holds(struct parked_lane *l, uint64_t order_hash)
{
    struct parked *p = l->store;
    uint64_t position;
    MDB_txn *txn;
    if (!order_hash || !__atomic_load_n(&l->chained, __ATOMIC_ACQUIRE))
        return 0;
    int rc = store_begin(&p->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    rc = parked_chain_head(p, txn, l->number, order_hash, &position);
    store_abort(&p->store, txn);
    return rc == MDB_NOTFOUND ? 0 : rc ? store_errno(rc) : 1;
}

/* --- retries -------------------------------------------------------------- */

struct retried {
    struct parked_result *results;
    size_t n;
    struct il_text copy; /* of one event */
};

static int
result_write(struct parked_change *c, const struct parked_result *r,
             const struct parked_event *old)
{
    struct parked_event e = *old;
    int rc;
    e.attempts = r->attempts;
    e.since_us = r->at_us;
    e.delay_us = r->delay_us;
    e.code = r->code;
    e.message = r->message;
    if (r->target)
        e.target = r->target;
    e.turn++;
    if (r->outcome == PARKED_AGAIN)
        return parked_replace(c, old, &e);
    rc = parked_take(c, PARKED_EVENT, r->position);
    if (rc || r->outcome == PARKED_DELIVERED)
        return rc;
    /* A letter there already is none that anybody wrote. */
    rc = parked_take(c, PARKED_LETTER, r->position);
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    e.order_hash = 0;
    return parked_put(c, PARKED_LETTER, &e);
}

static int
retried_write(struct parked_change *c, void *arg)
{
    struct retried *all = arg;
    int any = 0;
    for (size_t i = 0; i < all->n; i++)
        if (all->results[i].at_us > c->now_us)
            c->now_us = all->results[i].at_us;
    for (size_t i = 0; i < all->n; i++) {
        struct parked_result *r = &all->results[i];
        struct parked_event old;
        int rc = parked_get(c->p, c->txn, c->number, c->state.name,
                            PARKED_EVENT, r->position, &old);
        r->stood = !rc && old.turn == r->turn;
        if (rc && rc != MDB_NOTFOUND && rc != -EIO)
            return rc;
        if (!r->stood)
            continue;
        any = 1;
        rc = parked_keep(&all->copy, &old);
        if (!rc)
            rc = result_write(c, r, &old);
        if (rc)
            return rc;
    }
    return any ? 0 : -ECANCELED;
}

int
parked_retried(struct parked_lane *l, struct parked_result *results, size_t n)
{
    struct retried all = { .results = results, .n = n };
    for (size_t i = 0; i < n; i++)
        if (results[i].outcome < PARKED_DELIVERED
            || results[i].outcome > PARKED_GIVEN_UP)
            return -EINVAL;
    int err = parked_change_run(l, 0, retried_write, &all);
    text_clear(&all.copy);
    return err;
}
