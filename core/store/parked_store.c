/* SPDX-License-Identifier: MIT */
/* The store of lanes by event: opening, handles, transactions, and what is said
 * of damage. */
#include "parked_store.h"

#include "base/log.h"
#include "base/state_dir.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PARKED_FORMAT 1
/* To begin with; it grows.  Address space, not disk. */
#define PARKED_MAP ((uint64_t) 256 << 20)
#define PARKED_MAP_LEAST ((uint64_t) 1 << 20)

/* --- opening -------------------------------------------------------------- */

/* Under number 0 in `lane`. */
struct format {
    uint32_t version, next;
};
static const uint8_t format_key[4];

/* MDB_NOTFOUND: the store is new. */
static int
format_check(struct parked *p, MDB_txn *txn)
{
    MDB_val key = { sizeof format_key, (void *) (uintptr_t) format_key };
    MDB_val value;
    struct format f;
    int rc = mdb_get(txn, p->lane, &key, &value);
    if (rc)
        return rc;
    if (value.mv_size != sizeof f)
        return MDB_VERSION_MISMATCH;
    memcpy(&f, value.mv_data, sizeof f);
    return f.version == PARKED_FORMAT ? 0 : MDB_VERSION_MISMATCH;
}

static int
format_write(struct parked *p, MDB_txn *txn)
{
    struct format f = { PARKED_FORMAT, 1 };
    MDB_val key = { sizeof format_key, (void *) (uintptr_t) format_key };
    MDB_val value = { sizeof f, &f };
    return mdb_put(txn, p->lane, &key, &value, 0);
}

static int
tables_open(struct parked *p, MDB_txn *txn, unsigned flags)
{
    struct {
        const char *name;
        MDB_dbi *dbi;
    } const tables[] = { { "lane", &p->lane },       { "parked", &p->parked },
                         { "due", &p->due },         { "chain", &p->chain },
                         { "letters", &p->letters }, { "done", &p->done } };
    int rc = 0;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && !rc; i++)
        rc = mdb_dbi_open(txn, tables[i].name, flags, tables[i].dbi);
    return rc ? rc : format_check(p, txn);
}

static int
prepare_with(struct parked *p, unsigned begin, unsigned flags)
{
    MDB_txn *txn;
    int rc = store_begin(&p->store, begin, &txn);
    if (rc)
        return rc;
    rc = tables_open(p, txn, flags);
    if (rc == MDB_NOTFOUND && flags)
        rc = format_write(p, txn);
    if (!rc)
        return store_commit(&p->store, txn); /* keeps the handles */
    store_abort(&p->store, txn);
    return rc;
}

/* Reads first, so that opening a store that is in use waits for no writer. */
static int
parked_prepare(void *arg)
{
    struct parked *p = arg;
    int rc = prepare_with(p, MDB_RDONLY, 0);
    if (rc == MDB_NOTFOUND && !p->store.options.read_only)
        rc = prepare_with(p, 0, MDB_CREATE);
    return rc;
}

static int
parked_is_there(const char *dir)
{
    char data[4096];
    return !state_dir_path(data, sizeof data, dir, "data.mdb")
           && access(data, F_OK) == 0;
}

int
parked_open(const char *state_dir, enum parked_use use,
            const struct parked_limits *limits, struct parked **out)
{
    uint64_t limit = limits ? limits->file_bytes : 0;
    if (limit && limit < PARKED_MAP_LEAST)
        limit = PARKED_MAP_LEAST;
    const struct store_options o = {
        .what = "parked events",
        .lost = "the events that waited there for another try, and the dead "
                "letters of their lanes, are gone unless that file can be "
                "repaired; a replay brings back what the spool still has",
        .map_bytes = limit && limit < PARKED_MAP ? limit : PARKED_MAP,
        .databases = 6,
        .grows = 1,
        .limit_bytes = limit,
        .read_only = use == PARKED_READ,
    };
    char dir[4096];
    *out = NULL;
    int err = state_dir_path(dir, sizeof dir, state_dir, "parked");
    if (err) {
        log_error("parked events: the path of %s is too long", state_dir);
        return err;
    }
    if (use != PARKED_MAKE && !parked_is_there(dir))
        return -ENOENT;
    struct parked *p = calloc(1, sizeof *p);
    if (!p) {
        log_error("parked events: no memory to open %s", dir);
        return -ENOMEM;
    }
    pthread_mutex_init(&p->lock, NULL);
    err = store_open(&p->store, dir, &o, parked_prepare, p);
    if (err) {
        parked_close(p);
        return err;
    }
    *out = p;
    return 0;
}

int
parked_is_new(const struct parked *p)
{
    return p->store.made;
}

void
parked_close(struct parked *p)
{
    if (!p)
        return;
    for (struct parked_lane *l = p->lanes, *next; l; l = next) {
        next = l->next;
        pthread_mutex_destroy(&l->scan_lock);
        free(l);
    }
    store_close(&p->store);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* --- damage --------------------------------------------------------------- */

/* 1: say it; 2: it is the last that is said; 0: it was said. */
static int
report_note(struct parked *p, struct parked_report r)
{
    int say = 1;
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->reports_n && say; i++)
        say = p->reports[i].number != r.number || p->reports[i].kind != r.kind
              || p->reports[i].position != r.position;
    if (say && p->reports_n == PARKED_REPORTS)
        say = 0;
    if (say)
        p->reports[p->reports_n++] = r;
    if (say && p->reports_n == PARKED_REPORTS)
        say = 2;
    pthread_mutex_unlock(&p->lock);
    return say;
}

void
parked_report(struct parked *p, uint32_t number, const char *lane,
              enum parked_kind kind, uint64_t position)
{
    struct parked_report r = { number, kind, position };
    int say = report_note(p, r);
    if (say)
        log_error(
            "parked events: lane %s: the %s at position %" PRIu64
            " is damaged and left out; \"dead drop\" removes it%s%s",
            lane, kind == PARKED_LETTER ? "letter" : "parked event", position,
            kind == PARKED_LETTER ? ""
                                  : ", and lets go on what waits behind it",
            say == 2 ? "; no more such records are named" : "");
}

/* --- lanes ---------------------------------------------------------------- */

int
parked_state_get(struct parked *p, MDB_txn *txn, uint32_t number,
                 struct parked_state *s)
{
    uint8_t bytes[PARKED_KEY];
    parked_key(bytes, number, 0);
    MDB_val key = { 4, bytes }, value;
    int rc = mdb_get(txn, p->lane, &key, &value);
    if (rc || !parked_state_view(value.mv_data, value.mv_size, number, s))
        return rc;
    struct parked_report r = { number, 0, 0 };
    if (report_note(p, r))
        log_error("parked events: the record of lane number %" PRIu32
                  " is damaged: neither its name nor its position is known; "
                  "move %s away to go on without what is in it",
                  number, p->store.dir);
    return -EIO;
}

int
parked_state_put(struct parked *p, MDB_txn *txn, uint32_t number,
                 const struct parked_state *s)
{
    uint8_t bytes[PARKED_KEY];
    char record[PARKED_STATE_MAX];
    parked_key(bytes, number, 0);
    MDB_val key = { 4, bytes };
    MDB_val value = { parked_state_write(record, number, s), record };
    return mdb_put(txn, p->lane, &key, &value, 0);
}

int
parked_number_new(struct parked *p, MDB_txn *txn, uint32_t *number)
{
    MDB_val key = { sizeof format_key, (void *) (uintptr_t) format_key };
    MDB_val value;
    struct format f;
    int rc = mdb_get(txn, p->lane, &key, &value);
    if (rc)
        return rc;
    if (value.mv_size != sizeof f)
        return MDB_VERSION_MISMATCH;
    memcpy(&f, value.mv_data, sizeof f);
    *number = f.next++;
    value = (MDB_val){ sizeof f, &f };
    return f.next ? mdb_put(txn, p->lane, &key, &value, 0) : EOVERFLOW;
}

/* What a transaction has seen of a lane; a newer one knows better. */
static void
handle_note(struct parked_lane *l, size_t txn, uint64_t chained)
{
    pthread_mutex_lock(&l->store->lock);
    if (txn >= l->seen_txn) {
        l->seen_txn = txn;
        __atomic_store_n(&l->chained, chained, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&l->store->lock);
}

struct parked_lane *
parked_handle(struct parked *p, MDB_txn *txn, uint32_t number,
              const struct parked_state *s)
{
    pthread_mutex_lock(&p->lock);
    struct parked_lane *l = p->lanes;
    while (l && l->number != number)
        l = l->next;
    if (!l && (l = calloc(1, sizeof *l))) {
        l->store = p;
        l->number = number;
        pthread_mutex_init(&l->scan_lock, NULL);
        l->next = p->lanes;
        p->lanes = l;
    }
    pthread_mutex_unlock(&p->lock);
    if (l)
        handle_note(l, mdb_txn_id(txn), s->chained);
    return l;
}

/* --- transactions --------------------------------------------------------- */

struct run {
    struct parked_lane *lane;
    int (*fn)(struct parked_change *, void *arg);
    void *arg;
    /* out */
    size_t txn;
    uint64_t chained;
};

static int
change_run(void *arg, MDB_txn *txn)
{
    struct run *r = arg;
    struct parked_lane *l = r->lane;
    struct parked_change c = { .p = l->store, .txn = txn, .number = l->number };
    int rc = parked_state_get(c.p, txn, c.number, &c.state);
    if (!rc)
        rc = r->fn(&c, r->arg);
    if (!rc)
        rc = parked_state_put(c.p, txn, c.number, &c.state);
    r->txn = mdb_txn_id(txn);
    r->chained = c.state.chained;
    return rc;
}

int
parked_change_run(struct parked_lane *l, int adds,
                  int (*fn)(struct parked_change *, void *arg), void *arg)
{
    struct run r = { .lane = l, .fn = fn, .arg = arg };
    int err = adds ? store_update(&l->store->store, change_run, &r)
                   : store_update_past(&l->store->store, change_run, &r);
    if (!err)
        handle_note(l, r.txn, r.chained);
    return err == -ECANCELED ? 0 : err;
}
