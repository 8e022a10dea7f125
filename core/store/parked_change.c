/* SPDX-License-Identifier: MIT */
/* The one place that writes records of events and letters, and what stays true
 * about their keys in `due` and `chain` (parked_store.h). */
#include "parked_store.h"

#include <errno.h>
#include <string.h>

MDB_dbi
parked_dbi(const struct parked *p, enum parked_kind kind)
{
    return kind == PARKED_EVENT ? p->parked : p->letters;
}

int
parked_get(struct parked *p, MDB_txn *txn, uint32_t number, const char *lane,
           enum parked_kind kind, uint64_t position, struct parked_event *e)
{
    uint8_t bytes[PARKED_KEY];
    parked_key(bytes, number, position);
    MDB_val key = { sizeof bytes, bytes }, value;
    int rc = mdb_get(txn, parked_dbi(p, kind), &key, &value);
    if (!rc
        && parked_record_view(value.mv_data, value.mv_size, number, kind,
                              position, e)) {
        parked_report(p, number, lane, kind, position);
        rc = -EIO;
    }
    return rc;
}

static int
change_get(struct parked_change *c, enum parked_kind kind, uint64_t position,
           struct parked_event *e)
{
    return parked_get(c->p, c->txn, c->number, c->state.name, kind, position,
                      e);
}

int
parked_keep(struct il_text *buffer, struct parked_event *e)
{
    const char *text[] = { e->code, e->message, e->target };
    size_t at[3];
    buffer->len = 0;
    for (int i = 0; i < 3; i++) {
        at[i] = buffer->len;
        if (text_put(buffer, text[i], strlen(text[i]) + 1))
            return ENOMEM;
    }
    if (text_put(buffer, e->event, e->event_len))
        return ENOMEM;
    e->code = buffer->data + at[0];
    e->message = buffer->data + at[1];
    e->target = buffer->data + at[2];
    e->event = buffer->data + buffer->len - e->event_len;
    return 0;
}

static void
less(uint64_t *n, uint64_t by)
{
    *n = *n < by ? 0 : *n - by;
}

/* --- due and chain -------------------------------------------------------- */

int
parked_chain_head(struct parked *p, MDB_txn *txn, uint32_t number,
                  uint64_t hash, uint64_t *position)
{
    uint8_t bytes[PARKED_LONG_KEY];
    parked_long_key(bytes, number, hash, 0);
    MDB_val key = { sizeof bytes, bytes }, value;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, p->chain, &cursor);
    if (rc)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (!rc
        && (key.mv_size != sizeof bytes
            || memcmp(key.mv_data, bytes, PARKED_KEY) != 0))
        rc = MDB_NOTFOUND;
    if (!rc)
        *position = parked_key_u64((uint8_t *) key.mv_data + PARKED_KEY);
    mdb_cursor_close(cursor);
    return rc;
}

uint64_t
parked_behind(struct parked *p, MDB_txn *txn, uint32_t number,
              const struct parked_event *e)
{
    uint64_t head;
    return e->order_hash
                   && !parked_chain_head(p, txn, number, e->order_hash, &head)
                   && head != e->position
               ? head
               : 0;
}

static int
key_put(struct parked_change *c, MDB_dbi dbi, uint64_t middle,
        uint64_t position)
{
    uint8_t bytes[PARKED_LONG_KEY];
    parked_long_key(bytes, c->number, middle, position);
    MDB_val key = { sizeof bytes, bytes }, value = { 0, bytes };
    return mdb_put(c->txn, dbi, &key, &value, 0);
}

static int
key_del(struct parked_change *c, MDB_dbi dbi, uint64_t middle,
        uint64_t position)
{
    uint8_t bytes[PARKED_LONG_KEY];
    parked_long_key(bytes, c->number, middle, position);
    MDB_val key = { sizeof bytes, bytes };
    return mdb_del(c->txn, dbi, &key, NULL);
}

static int
due_put(struct parked_change *c, const struct parked_event *e)
{
    if (e->since_us > c->state.since_max)
        c->state.since_max = e->since_us;
    return key_put(c, c->p->due, (uint64_t) parked_due_us(e), e->position);
}

/* It need not be there. */
static int
due_del(struct parked_change *c, const struct parked_event *e)
{
    int rc = key_del(c, c->p->due, (uint64_t) parked_due_us(e), e->position);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* The head of a chain is another one: it becomes due.  Where its record is
 * damaged, the chain waits until somebody removes it. */
static int
free_head(struct parked_change *c, uint64_t hash)
{
    uint64_t head;
    struct parked_event e;
    int rc = parked_chain_head(c->p, c->txn, c->number, hash, &head);
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : rc;
    rc = change_get(c, PARKED_EVENT, head, &e);
    if (rc)
        return rc == -EIO || rc == MDB_NOTFOUND ? 0 : rc;
    if (!c->now_us || e.since_us <= c->now_us)
        return due_put(c, &e);
    /* It was parked before the clock went back. */
    struct il_text copy = { 0 };
    rc = parked_keep(&copy, &e);
    if (!rc) {
        struct parked_event now = e;
        now.since_us = c->now_us;
        rc = parked_replace(c, &e, &now);
    }
    text_clear(&copy);
    return rc;
}

/* Add an event to its chain, and to what is due where it is the head. */
static int
chain_add(struct parked_change *c, const struct parked_event *e)
{
    uint64_t head;
    struct parked_event old;
    int rc = parked_chain_head(c->p, c->txn, c->number, e->order_hash, &head);
    int is_first = rc == MDB_NOTFOUND || (!rc && e->position < head);
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    if (!rc && is_first) {
        rc = change_get(c, PARKED_EVENT, head, &old);
        if (!rc)
            rc = due_del(c, &old);
        if (rc && rc != -EIO && rc != MDB_NOTFOUND)
            return rc;
    }
    rc = key_put(c, c->p->chain, e->order_hash, e->position);
    c->state.chained++;
    return rc || !is_first ? rc : due_put(c, e);
}

/* An event is out of its chain; its record is gone already. */
static int
chain_leave(struct parked_change *c, const struct parked_event *e)
{
    int behind = parked_behind(c->p, c->txn, c->number, e) != 0;
    int rc = key_del(c, c->p->chain, e->order_hash, e->position);
    if (!rc)
        less(&c->state.chained, 1);
    else if (rc == MDB_NOTFOUND)
        rc = 0;
    if (!rc && !behind)
        rc = due_del(c, e);
    return rc || behind ? rc : free_head(c, e->order_hash);
}

/* --- records -------------------------------------------------------------- */

static void
count(struct parked_change *c, enum parked_kind kind, int more, size_t size)
{
    uint64_t *n = kind == PARKED_EVENT ? &c->state.parked : &c->state.letters;
    uint64_t *bytes =
        kind == PARKED_EVENT ? &c->state.parked_bytes : &c->state.letter_bytes;
    if (more) {
        ++*n;
        *bytes += size;
    } else {
        less(n, 1);
        less(bytes, size);
    }
}

static int
record_put(struct parked_change *c, enum parked_kind kind,
           const struct parked_event *e)
{
    uint8_t bytes[PARKED_KEY];
    parked_key(bytes, c->number, e->position);
    MDB_val key = { sizeof bytes, bytes };
    MDB_val value = { parked_record_size(e), NULL };
    int rc = mdb_put(c->txn, parked_dbi(c->p, kind), &key, &value, MDB_RESERVE);
    if (rc)
        return rc;
    parked_record_write(value.mv_data, c->number, kind, e);
    count(c, kind, 1, value.mv_size);
    return 0;
}

int
parked_put(struct parked_change *c, enum parked_kind kind,
           const struct parked_event *e)
{
    int rc = record_put(c, kind, e);
    if (rc || kind == PARKED_LETTER)
        return rc;
    return e->order_hash ? chain_add(c, e) : due_put(c, e);
}

int
parked_replace(struct parked_change *c, const struct parked_event *old,
               const struct parked_event *e)
{
    int behind = parked_behind(c->p, c->txn, c->number, e) != 0;
    int rc = behind ? 0 : due_del(c, old);
    if (rc)
        return rc;
    count(c, PARKED_EVENT, 0, parked_record_size(old));
    rc = record_put(c, PARKED_EVENT, e);
    return rc || behind ? rc : due_put(c, e);
}

/* Find the key of this position in `due` or `chain`, where nothing says what is
 * in the middle of it: a walk over those of the lane. */
static int
key_search(struct parked_change *c, MDB_dbi dbi, uint64_t position,
           uint64_t *middle)
{
    uint8_t bytes[PARKED_LONG_KEY];
    parked_long_key(bytes, c->number, 0, 0);
    MDB_val key = { sizeof bytes, bytes }, value;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(c->txn, dbi, &cursor);
    if (rc)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (!rc) {
        const uint8_t *at = key.mv_data;
        if (key.mv_size != sizeof bytes || memcmp(at, bytes, 4) != 0) {
            rc = MDB_NOTFOUND;
        } else if (parked_key_u64(at + PARKED_KEY) == position) {
            *middle = parked_key_u64(at + 4);
            break;
        } else {
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    return rc;
}

/* The same of a damaged record. */
static int
leave_damaged(struct parked_change *c, uint64_t position)
{
    uint64_t due, hash;
    int rc = key_search(c, c->p->due, position, &due);
    if (!rc)
        rc = key_del(c, c->p->due, due, position);
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    rc = key_search(c, c->p->chain, position, &hash);
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : rc;
    struct parked_event e = { .position = position, .order_hash = hash };
    return chain_leave(c, &e);
}

int
parked_take(struct parked_change *c, enum parked_kind kind, uint64_t position)
{
    uint8_t bytes[PARKED_KEY];
    struct parked_event e;
    parked_key(bytes, c->number, position);
    MDB_val key = { sizeof bytes, bytes }, value;
    MDB_dbi dbi = parked_dbi(c->p, kind);
    int rc = mdb_get(c->txn, dbi, &key, &value);
    if (rc)
        return rc;
    size_t size = value.mv_size;
    int damaged =
        parked_record_view(value.mv_data, size, c->number, kind, position, &e);
    rc = mdb_del(c->txn, dbi, &key, NULL); /* e's texts are gone */
    if (rc)
        return rc;
    count(c, kind, 0, size);
    if (kind == PARKED_LETTER)
        return 0;
    if (damaged)
        return leave_damaged(c, position);
    return e.order_hash ? chain_leave(c, &e) : due_del(c, &e);
}
