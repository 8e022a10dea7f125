/* SPDX-License-Identifier: MIT */
/* What is due, and a clock that went back.
 *
 * A key in `due` says when by the clock of the time when it was written.  Once
 * the clock has gone back, that may be a long time off; what counts then is how
 * long the delay was.  The lane's record knows the latest `since` of all heads:
 * while that is not later than now, there is nothing to find.  Else all heads
 * that are not due are looked at, a thousand in each call, and those that were
 * parked later than now are parked from now on. */
#include "parked_store.h"

#include <errno.h>
#include <string.h>

/* How far behind `since` the clock may be without anything being done: it is
 * set right by small steps all the time, and waiting for so long does no
 * harm. */
#define CLOCK_SLACK_US INT64_C(1000000)
#define SCAN_MAX 10000  /* heads that are looked at in a call */
#define SCAN_MOVED 1000 /* and that are written */

/* Set a cursor on the first key of the lane behind `after` (NULL: on the first
 * of all). */
static int
due_seek(MDB_cursor *cursor, uint32_t number, const struct parked_due *after,
         MDB_val *key)
{
    uint8_t bytes[PARKED_LONG_KEY];
    MDB_val value;
    int64_t due = after && after->due_us > 0 ? after->due_us : 0;
    parked_long_key(bytes, number, (uint64_t) due, after ? after->position : 0);
    *key = (MDB_val){ sizeof bytes, bytes };
    int rc = mdb_cursor_get(cursor, key, &value, MDB_SET_RANGE);
    if (!rc && after && key->mv_size == sizeof bytes
        && memcmp(key->mv_data, bytes, sizeof bytes) == 0)
        rc = mdb_cursor_get(cursor, key, &value, MDB_NEXT);
    return rc;
}

/* What the key says; MDB_NOTFOUND past the lane. */
static int
due_of_key(const MDB_val *key, uint32_t number, struct parked_due *d)
{
    const uint8_t *bytes = key->mv_data;
    if (key->mv_size != PARKED_LONG_KEY || parked_key_number(bytes) != number)
        return MDB_NOTFOUND;
    d->due_us = (int64_t) parked_key_u64(bytes + 4);
    d->position = parked_key_u64(bytes + PARKED_KEY);
    return 0;
}

/* --- a clock that went back ----------------------------------------------- */

struct scan {
    int64_t now_us;
    struct parked_due last; /* that was looked at */
    uint64_t moved[SCAN_MOVED];
    size_t moved_n;
    int done; /* there are no more */
};

/* Which heads behind s->last were parked later than now? */
static int
scan_find(struct parked_change *c, struct scan *s)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    struct parked_due d;
    struct parked_event e;
    int rc = mdb_cursor_open(c->txn, c->p->due, &cursor);
    if (rc)
        return rc;
    rc = due_seek(cursor, c->number, &s->last, &key);
    for (int i = 0; !rc && i < SCAN_MAX && s->moved_n < SCAN_MOVED; i++) {
        if ((rc = due_of_key(&key, c->number, &d)))
            break;
        rc = parked_get(c->p, c->txn, c->number, c->state.name, PARKED_EVENT,
                        d.position, &e);
        if (!rc && e.since_us > s->now_us)
            s->moved[s->moved_n++] = d.position;
        if (rc && rc != MDB_NOTFOUND && rc != -EIO)
            break;
        s->last = d;
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    s->done = rc == MDB_NOTFOUND;
    return s->done ? 0 : rc;
}

static int
scan_move(struct parked_change *c, const struct scan *s)
{
    struct il_text copy = { 0 };
    int rc = 0;
    for (size_t i = 0; i < s->moved_n && !rc; i++) {
        struct parked_event old, e;
        rc = parked_get(c->p, c->txn, c->number, c->state.name, PARKED_EVENT,
                        s->moved[i], &old);
        if (!rc)
            rc = parked_keep(&copy, &old);
        if (rc)
            break;
        e = old;
        e.since_us = s->now_us;
        rc = parked_replace(c, &old, &e);
    }
    text_clear(&copy);
    return rc;
}

static int
scan_write(struct parked_change *c, void *arg)
{
    struct scan *s = arg;
    struct parked_due from = s->last; /* it may be run again */
    s->moved_n = 0;
    int rc = scan_find(c, s);
    if (!rc)
        rc = scan_move(c, s);
    if (rc)
        s->last = from;
    else if (s->done)
        c->state.since_max = s->now_us;
    else if (!s->moved_n)
        rc = -ECANCELED;
    return rc;
}

/* Go on with it, for one transaction; *more: there is more to do. */
static int
clock_went_back(struct parked_lane *l, int64_t now_us, int *more)
{
    struct scan s = { .now_us = now_us };
    pthread_mutex_lock(&l->scan_lock);
    if (!l->scanning || now_us < l->scan_began_us - CLOCK_SLACK_US) {
        l->scanning = 1;
        l->scan_began_us = now_us;
        l->scanned = (struct parked_due){ .due_us = now_us };
    }
    s.last = l->scanned;
    int err = parked_change_run(l, 0, scan_write, &s);
    if (!err) {
        l->scanned = s.last;
        l->scanning = !s.done;
        *more = !s.done;
    }
    pthread_mutex_unlock(&l->scan_lock);
    return err;
}

/* --- what is due ---------------------------------------------------------- */

struct wanted {
    int64_t now_us;
    const struct parked_due *after;
    struct parked_due *out;
    size_t max, n;
    int64_t next_due_us;
};

static int
due_collect(struct parked_lane *l, MDB_txn *txn, const struct parked_state *s,
            struct wanted *w)
{
    struct parked *p = l->store;
    struct parked_event e;
    struct parked_due d;
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_cursor_open(txn, p->due, &cursor);
    if (rc)
        return rc;
    for (rc = due_seek(cursor, l->number, w->after, &key); !rc;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        if ((rc = due_of_key(&key, l->number, &d)))
            break;
        if (d.due_us <= w->now_us) {
            rc = parked_get(p, txn, l->number, s->name, PARKED_EVENT,
                            d.position, &e);
            if (rc == -EIO || rc == MDB_NOTFOUND)
                continue; /* one that is damaged never becomes due */
            if (rc)
                break;
        }
        if (d.due_us > w->now_us || w->n == w->max) {
            w->next_due_us = d.due_us;
            break;
        }
        w->out[w->n++] = d;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
due_read(struct parked_lane *l, struct wanted *w, int *went_back)
{
    struct parked *p = l->store;
    struct parked_state s;
    MDB_txn *txn;
    int rc = store_begin(&p->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    rc = parked_state_get(p, txn, l->number, &s);
    *went_back = !rc && s.since_max > w->now_us
                 && s.since_max - w->now_us > CLOCK_SLACK_US;
    if (!rc)
        rc = due_collect(l, txn, &s, w);
    store_abort(&p->store, txn);
    return store_errno(rc);
}

int
parked_due(struct parked_lane *l, int64_t now_us,
           const struct parked_due *after, struct parked_due *out, size_t max,
           int64_t *next_due_us)
{
    struct wanted w = { .now_us = now_us,
                        .after = after,
                        .out = out,
                        .max = max < INT32_MAX ? max : INT32_MAX,
                        .next_due_us = INT64_MAX };
    int went_back, more = 0;
    int err = due_read(l, &w, &went_back);
    if (!err && went_back && !l->store->store.options.read_only) {
        err = clock_went_back(l, now_us, &more);
        w.n = 0;
        w.next_due_us = INT64_MAX;
        if (!err)
            err = due_read(l, &w, &went_back);
    }
    if (err)
        return err;
    *next_due_us = more && w.next_due_us > now_us ? now_us : w.next_due_us;
    return (int) w.n;
}
