/* SPDX-License-Identifier: MIT */
/* Letters that come again by themselves: a step has put their events aside until
 * a time.  Such a letter stands in `due` from when it is written until a frame
 * has claimed it, and again should the claim be given up; what stands there is
 * counted, and so is how many there are in all.
 *
 * A key in `due` says when by the clock of the time when it was written.  Once
 * the clock has gone back, that may be a long time off; what counts then is how
 * long the event was to wait.  `counts` knows the latest time at which any of a
 * lane's was put aside: while that is not later than now, there is nothing to
 * find.  Else all that are not due are looked at, some thousand in a transaction,
 * and those that were put aside later than now wait from now on. */
#include "dead_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DUE_KEY_MAX (DEAD_KEY_MAX + 8)

/* How far the clock may be behind without anything being done: it is set right
 * by small steps all the time. */
#define CLOCK_SLACK_US INT64_C(1000000)
#define BACK_MAX 10000  /* letters that are looked at in a transaction */
#define BACK_MOVED 1000 /* and that are written */

/* What their names begin with.  SINCE is no count, but the latest time when one
 * of those in `due` was put aside. */
enum count { ALL = 3, DUE, DUE_BYTES, SINCE };

static const char *
count_key(char out[DEAD_KEY_MAX], enum count count, const char *lane)
{
    out[0] = (char) count;
    strcpy(out + 1, lane);
    return out;
}

static int
count_add(struct dead *d, MDB_txn *txn, enum count count, const char *lane,
          int64_t by)
{
    char name[DEAD_KEY_MAX];
    return dead_count_add(d, txn, count_key(name, count, lane), by);
}

/* lane NUL due position */
static size_t
due_key(char out[DUE_KEY_MAX], const char *lane, int64_t due_us,
        uint64_t position)
{
    size_t len = dead_key(out, lane, due_us < 0 ? 0 : (uint64_t) due_us);
    dead_key_set(out + len, position);
    return len + 8;
}

/* What is known of a letter, in memory of its own: writing may move it. */
struct timed {
    char lane[DEAD_KEY_MAX];
    uint64_t position;
    int64_t at_us, due_us; /* due_us 0: it is none */
    int64_t size;
};

static void
timed_of(const MDB_val *key, const MDB_val *value, struct timed *out)
{
    struct dead_letter l = { .due_us = 0 };
    memcpy(out->lane, key->mv_data, key->mv_size); /* ends in NUL, and more */
    out->position =
        dead_key_number((const char *) key->mv_data + key->mv_size - 8);
    out->size = (int64_t) value->mv_size;
    out->due_us =
        dead_record_view(value->mv_data, value->mv_size, &l) ? 0 : l.due_us;
    out->at_us = l.at_us;
}

/* INT64_MAX: of what stands there an older version has not noted it. */
static int64_t
since_get(struct dead *d, MDB_txn *txn, const char *lane)
{
    char name[DEAD_KEY_MAX];
    int64_t us = (int64_t) dead_count_get(d, txn, count_key(name, SINCE, lane));
    if (us || !dead_count_get(d, txn, count_key(name, DUE, lane)))
        return us;
    return INT64_MAX;
}

static int
since_set(struct dead *d, MDB_txn *txn, const char *lane, int64_t us)
{
    char name[DEAD_KEY_MAX];
    int64_t was =
        (int64_t) dead_count_get(d, txn, count_key(name, SINCE, lane));
    return dead_count_add(d, txn, name, us - was);
}

/* An LMDB code; what is so already stays. */
static int
stand(struct dead *d, MDB_txn *txn, const struct timed *t, int on)
{
    char bytes[DUE_KEY_MAX];
    MDB_val key = { due_key(bytes, t->lane, t->due_us, t->position), bytes };
    MDB_val nothing = { 0, NULL };
    if (on && t->at_us > since_get(d, txn, t->lane)) {
        int err = since_set(d, txn, t->lane, t->at_us);
        if (err)
            return err;
    }
    int rc = on ? mdb_put(txn, d->due, &key, &nothing, MDB_NOOVERWRITE)
                : mdb_del(txn, d->due, &key, NULL);
    if (rc)
        return rc == MDB_KEYEXIST || rc == MDB_NOTFOUND ? 0 : rc;
    rc = count_add(d, txn, DUE, t->lane, on ? 1 : -1);
    return rc ? rc
              : count_add(d, txn, DUE_BYTES, t->lane, on ? t->size : -t->size);
}

static int
count_one(struct dead *d, MDB_txn *txn, const struct timed *t, int by)
{
    int rc = count_add(d, txn, ALL, t->lane, by);
    return rc ? rc : count_add(d, txn, ALL, "", by);
}

int
dead_timed_put(struct dead *d, MDB_txn *txn, const MDB_val *key,
               const MDB_val *value)
{
    struct timed t;
    timed_of(key, value, &t);
    if (!t.due_us)
        return 0;
    int rc = count_one(d, txn, &t, 1);
    return rc || dead_claim_of(d, txn, key) ? rc : stand(d, txn, &t, 1);
}

int
dead_timed_gone(struct dead *d, MDB_txn *txn, const MDB_val *key,
                const MDB_val *value)
{
    struct timed t;
    timed_of(key, value, &t);
    if (!t.due_us)
        return 0;
    int rc = count_one(d, txn, &t, -1);
    return rc ? rc : stand(d, txn, &t, 0);
}

int
dead_timed_claimed(struct dead *d, MDB_txn *txn, const MDB_val *letter,
                   int claimed)
{
    MDB_val key = *letter, value;
    struct timed t;
    int rc = mdb_get(txn, d->letters, &key, &value);
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : rc;
    timed_of(letter, &value, &t);
    return t.due_us ? stand(d, txn, &t, !claimed) : 0;
}

int
dead_is_timed(struct dead *d, MDB_txn *txn, const MDB_val *letter)
{
    MDB_val key = *letter, value;
    struct timed t;
    if (mdb_get(txn, d->letters, &key, &value))
        return 0;
    timed_of(letter, &value, &t);
    return t.due_us != 0;
}

uint64_t
dead_timed_count(struct dead *d, MDB_txn *txn, const char *lane)
{
    char name[DEAD_KEY_MAX];
    return dead_count_get(d, txn, count_key(name, ALL, lane));
}

/* --- asked --- */

/* The first that stands there, or the next: an LMDB code. */
static int
due_next(MDB_cursor *c, const char *lane, int first, int64_t *due_us,
         uint64_t *position)
{
    char bytes[DUE_KEY_MAX];
    size_t len = due_key(bytes, lane, 0, 0);
    MDB_val key = { len, bytes }, value;
    int rc = mdb_cursor_get(c, &key, &value, first ? MDB_SET_RANGE : MDB_NEXT);
    if (rc)
        return rc;
    if (key.mv_size != len || memcmp(key.mv_data, bytes, len - 16) != 0)
        return MDB_NOTFOUND;
    const char *end = (const char *) key.mv_data + len;
    *due_us = (int64_t) dead_key_number(end - 16);
    *position = dead_key_number(end - 8);
    return 0;
}

static int
due_list(struct dead *d, MDB_txn *txn, const char *lane, int64_t now_us,
         uint64_t *letters, size_t room, size_t *n, int64_t *next_us)
{
    uint64_t position;
    MDB_cursor *c;
    int rc = mdb_cursor_open(txn, d->due, &c);
    if (rc)
        return rc;
    *next_us = INT64_MAX;
    for (int first = 1; !(rc = due_next(c, lane, first, next_us, &position))
                        && *n < room && *next_us <= now_us;
         first = 0)
        letters[(*n)++] = position;
    if (rc == MDB_NOTFOUND)
        *next_us = INT64_MAX;
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* --- a clock that went back --- */

struct back {
    const char *lane;
    int64_t now_us;
    struct dead_back at; /* how far, before and after */
    int more;
    struct timed moved[BACK_MOVED];
    size_t n;
};

/* Which of those behind b->at were put aside later than now? */
static int
back_find(struct dead *d, MDB_txn *txn, struct back *b)
{
    char bytes[DUE_KEY_MAX], letter[DEAD_KEY_MAX];
    size_t len = due_key(bytes, b->lane, b->at.due_us, b->at.position + 1);
    MDB_val key = { len, bytes }, value;
    MDB_cursor *c;
    int rc = mdb_cursor_open(txn, d->due, &c);
    if (rc)
        return rc;
    rc = mdb_cursor_get(c, &key, &value, MDB_SET_RANGE);
    for (int i = 0; !rc && i < BACK_MAX && b->n < BACK_MOVED; i++) {
        if (key.mv_size != len || memcmp(key.mv_data, bytes, len - 16) != 0) {
            rc = MDB_NOTFOUND;
            break;
        }
        const char *end = (const char *) key.mv_data + len;
        b->at.due_us = (int64_t) dead_key_number(end - 16);
        b->at.position = dead_key_number(end - 8);
        MDB_val of = { dead_key(letter, b->lane, b->at.position), letter };
        rc = mdb_get(txn, d->letters, &of, &value);
        if (!rc)
            timed_of(&of, &value, &b->moved[b->n]);
        if (!rc && b->moved[b->n].due_us && b->moved[b->n].at_us > b->now_us)
            b->n++;
        if (!rc || rc == MDB_NOTFOUND)
            rc = mdb_cursor_get(c, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(c);
    b->more = rc != MDB_NOTFOUND;
    return b->more ? rc : 0;
}

/* It waits from now on, for as long as it was to; and what it had waited before
 * that it still has. */
static int
back_move(struct dead *d, MDB_txn *txn, const struct timed *t, int64_t now_us)
{
    char bytes[DEAD_KEY_MAX];
    MDB_val key = { dead_key(bytes, t->lane, t->position), bytes }, value;
    struct timed moved = *t;
    int rc = mdb_get(txn, d->letters, &key, &value);
    if (rc)
        return rc;
    char *copy = malloc(value.mv_size);
    if (!copy)
        return ENOMEM;
    memcpy(copy, value.mv_data, value.mv_size);
    value.mv_data = copy;
    dead_record_shift(copy, now_us - t->at_us);
    timed_of(&key, &value, &moved);
    rc = stand(d, txn, t, 0);
    if (!rc)
        rc = mdb_put(txn, d->letters, &key, &value, 0);
    if (!rc)
        rc = stand(d, txn, &moved, 1);
    free(copy);
    return rc;
}

static int
back_write(struct dead *d, MDB_txn *txn, void *arg)
{
    struct back *b = arg;
    const struct dead_back from = b->at; /* it may be run again */
    b->n = 0;
    int rc = back_find(d, txn, b);
    for (size_t i = 0; i < b->n && !rc; i++)
        rc = back_move(d, txn, &b->moved[i], b->now_us);
    if (!rc && !b->more)
        rc = since_set(d, txn, b->lane, b->now_us);
    if (rc)
        b->at = from;
    return rc;
}

/* Go on with it, for one transaction.  1: there is more to do. */
static int
back_go_on(struct dead *d, const char *lane, int64_t now_us,
           struct dead_back *back)
{
    struct back *b = calloc(1, sizeof *b);
    if (!b)
        return -ENOMEM;
    if (!back->began_us || now_us < back->began_us - CLOCK_SLACK_US)
        *back = (struct dead_back){ .began_us = now_us, .due_us = now_us };
    b->lane = lane;
    b->now_us = now_us;
    b->at = *back;
    int err = dead_update(d, back_write, b);
    int more = b->more;
    if (!err) {
        *back = b->at;
        if (!more)
            back->began_us = 0;
    }
    free(b);
    return err ? err : more;
}

static int
due_read(struct dead *d, const char *lane, int64_t now_us, uint64_t *letters,
         size_t room, size_t *n, int64_t *next_us, int *went_back)
{
    MDB_txn *txn;
    *n = 0;
    int rc = store_begin(&d->store, MDB_RDONLY, &txn);
    if (rc)
        return store_errno(rc);
    int64_t since = since_get(d, txn, lane);
    *went_back = since > now_us && since - now_us > CLOCK_SLACK_US;
    rc = due_list(d, txn, lane, now_us, letters, room, n, next_us);
    store_abort(&d->store, txn);
    return store_errno(rc);
}

int
dead_due(struct dead *d, const char *lane, int64_t now_us,
         struct dead_back *back, uint64_t *letters, size_t room, size_t *n,
         int64_t *next_us)
{
    int went_back, more = 0;
    *n = 0;
    *next_us = INT64_MAX;
    if (strlen(lane) > DEAD_LANE_MAX)
        return -EINVAL;
    int err = due_read(d, lane, now_us, letters, room, n, next_us, &went_back);
    if (!err && went_back) {
        more = back_go_on(d, lane, now_us, back);
        err = more < 0 ? more
                       : due_read(d, lane, now_us, letters, room, n, next_us,
                                  &went_back);
    }
    if (!err && more && *next_us > now_us)
        *next_us = now_us;
    return err;
}

void
dead_timed(struct dead *d, const char *lane, struct dead_timed *out)
{
    char name[DEAD_KEY_MAX];
    size_t none = 0;
    MDB_txn *txn;
    *out = (struct dead_timed){ .next_due_us = INT64_MAX };
    if (strlen(lane) > DEAD_LANE_MAX
        || store_begin(&d->store, MDB_RDONLY, &txn))
        return;
    out->letters = dead_timed_count(d, txn, lane);
    out->due = dead_count_get(d, txn, count_key(name, DUE, lane));
    out->due_bytes = dead_count_get(d, txn, count_key(name, DUE_BYTES, lane));
    out->next_due_us = INT64_MAX;
    if (out->due && !d->store.options.read_only)
        due_list(d, txn, lane, INT64_MIN, NULL, 0, &none, &out->next_due_us);
    store_abort(&d->store, txn);
}
