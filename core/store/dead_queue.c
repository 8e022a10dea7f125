/* SPDX-License-Identifier: MIT */
/* Refusals of the gate: a bounded queue and the thread that writes it.  The
 * gate must not wait for this disk, and a flood of bad events must cost
 * neither memory nor the disk's time without end. */
#include "dead_store.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEAD_QUEUE_BYTES (4u << 20) /* what waits */
#define DEAD_PAUSE_US 250000        /* between two groups: 16 MB/s at most */
#define DEAD_AGAIN_US 2000000       /* after a failed write */
#define DEAD_REFUSALS 100000
#define DEAD_BYTES ((uint64_t) 256 << 20)

/* Called with the lock held. */
static void
queue_push(struct dead *d, struct dead_refusal *r)
{
    uint64_t gone = dead_wait_push(&d->waiting, r, DEAD_QUEUE_BYTES);
    d->done += gone;
    metric_add(d->lost, gone);
    pthread_cond_signal(&d->wake);
}

void
dead_gate_lane(char out[DEAD_LANE_MAX], const char *source)
{
    size_t len = strnlen(source, DEAD_LANE_MAX - sizeof "gate/");
    memcpy(out, "gate/", 5);
    memcpy(out + 5, source, len);
    out[5 + len] = 0;
}

/* NULL: no memory. */
static struct dead_refusal *
refusal_new(const struct dead_letter *letter)
{
    struct dead_letter l = *letter;
    if (l.event.len > DEAD_EVENT_MAX)
        l.event.len = DEAD_EVENT_MAX;
    size_t size = dead_record_size(&l, 1);
    struct dead_refusal *r = malloc(sizeof *r + size);
    if (r) {
        r->next = NULL;
        r->size = size;
        dead_record_write(r->record, &l, 1);
    }
    return r;
}

void
dead_refused(struct dead *d, const char *source, const char *key,
             const struct il_reason *why, struct slice event)
{
    char lane[DEAD_LANE_MAX];
    struct dead_letter l = { .lane = lane,
                             .at_us = clock_wall_us(),
                             .reason = *why,
                             .key = key,
                             .event = event };
    dead_gate_lane(lane, source);
    struct dead_refusal *r = refusal_new(&l);
    pthread_mutex_lock(&d->lock);
    if (r && (r->list = dead_wait_list(&d->waiting, lane, key))) {
        r->number = ++d->added;
        queue_push(d, r);
        r = NULL;
    } else {
        metric_add(d->lost, 1);
    }
    pthread_mutex_unlock(&d->lock);
    free(r);
}

/* --- the thread --- */

static int
refused_put(struct dead *d, MDB_txn *txn, uint64_t number,
            const struct dead_refusal *r)
{
    unsigned char bytes[8];
    MDB_val key = { sizeof bytes, bytes };
    MDB_val value = { r->size, (void *) (uintptr_t) r->record };
    struct dead_letter l;
    dead_key_set(bytes, number);
    dead_record_view(r->record, r->size, &l);
    int rc = mdb_put(txn, d->refused, &key, &value, MDB_APPEND);
    if (!rc)
        rc = dead_count_add(d, txn, l.lane, 1);
    return rc ? rc : dead_share_add(d, txn, &l, number, r->size);
}

static int
refused_next(struct dead *d, MDB_txn *txn, uint64_t *number)
{
    MDB_cursor *c;
    MDB_val key, value;
    *number = 1;
    int rc = mdb_cursor_open(txn, d->refused, &c);
    if (rc)
        return rc;
    rc = mdb_cursor_get(c, &key, &value, MDB_LAST);
    if (!rc && key.mv_size == 8)
        *number = dead_key_number(key.mv_data) + 1;
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

struct group {
    struct dead_refusal *first;
    uint64_t n, gone, max_refusals, max_bytes;
    uint64_t number; /* that the first got */
};

static int
group_write(struct dead *d, MDB_txn *txn, void *arg)
{
    struct group *g = arg;
    uint64_t number, before = dead_count_get(d, txn, DEAD_BYTES_KEY);
    uint64_t bytes = before;
    int rc = refused_next(d, txn, &number);
    g->number = number;
    for (struct dead_refusal *r = g->first; r && !rc; r = r->next) {
        bytes += r->size;
        rc = refused_put(d, txn, number++, r);
    }
    if (!rc)
        rc = dead_share_trim(d, txn, g->max_refusals, g->max_bytes, &bytes,
                             &g->gone);
    return rc ? rc
              : dead_count_add(d, txn, DEAD_BYTES_KEY,
                               (int64_t) (bytes - before));
}

static void
group_free(struct dead_refusal *r)
{
    while (r) {
        struct dead_refusal *next = r->next;
        free(r);
        r = next;
    }
}

/* Once, and once that it is over: who waits for it tries again and again. */
static void
tell_trouble(struct dead *d, int err)
{
    int failing = err != 0;
    if (__atomic_exchange_n(&d->failing_now, failing, __ATOMIC_RELAXED)
        == failing)
        return;
    if (err)
        log_error("dead letters: cannot keep refusals in %s: %s; what they are "
                  "of waits for that",
                  d->store.dir, strerror(-err));
    else
        log_info("dead letters: refusals are kept again");
}

int
dead_refused_now(struct dead *d, const struct dead_letter *letters, size_t n,
                 uint64_t *first)
{
    struct group g = { .n = n };
    struct dead_refusal **tail = &g.first;
    int err = 0;
    for (size_t i = 0; i < n && !err; i++) {
        *tail = refusal_new(&letters[i]);
        err = *tail ? 0 : -ENOMEM;
        tail = *tail ? &(*tail)->next : tail;
    }
    pthread_mutex_lock(&d->lock);
    g.max_refusals = d->max_refusals;
    g.max_bytes = d->max_bytes;
    pthread_mutex_unlock(&d->lock);
    if (!err)
        err = dead_update(d, group_write, &g);
    tell_trouble(d, err);
    if (!err) {
        metric_add(d->kept, n);
        metric_add(d->lost, g.gone);
        *first = g.number;
    }
    group_free(g.first);
    return err;
}

/* Take all that waits.  With the lock held. */
static void
group_take(struct dead *d, struct group *g)
{
    struct dead_refusal **tail = &g->first;
    *g = (struct group){ .max_refusals = d->max_refusals,
                         .max_bytes = d->max_bytes };
    while ((*tail = dead_wait_pop(&d->waiting))) {
        tail = &(*tail)->next;
        g->n++;
    }
}

/* It could not be written: back to before what has come since. */
static void
group_return(struct dead *d, struct group *g)
{
    struct group since;
    group_take(d, &since);
    struct dead_refusal *lists[] = { g->first, since.first };
    for (int i = 0; i < 2; i++)
        for (struct dead_refusal *r = lists[i], *next; r; r = next) {
            next = r->next;
            queue_push(d, r);
        }
}

/* Let a group gather, or the disk recover, unless somebody waits for it. */
static void
queue_pause(struct dead *d, int64_t us)
{
    int64_t until_us = clock_monotonic_us() + us;
    while (!d->stop && !d->hurry
           && cond_wait_until(&d->wake, &d->lock, until_us) != -ETIMEDOUT)
        ;
}

/* Write what waits; the lock is given up meanwhile. */
static int
queue_write(struct dead *d)
{
    struct group g;
    group_take(d, &g);
    pthread_mutex_unlock(&d->lock);
    int err = dead_update(d, group_write, &g);
    if (!err) {
        group_free(g.first);
        metric_add(d->kept, g.n);
        metric_add(d->lost, g.gone);
    }
    pthread_mutex_lock(&d->lock);
    if (err)
        group_return(d, &g);
    d->done += err ? 0 : g.n;
    d->failures += err != 0;
    pthread_cond_broadcast(&d->written);
    return err;
}

static void *
queue_run(void *arg)
{
    struct dead *d = arg;
    int failing = 0;
    pthread_mutex_lock(&d->lock);
    for (;;) {
        while (!d->waiting.bytes && !d->stop)
            pthread_cond_wait(&d->wake, &d->lock);
        if (!d->waiting.bytes)
            break;
        int err = queue_write(d);
        if (err && !failing)
            log_error("dead letters: cannot keep refusals in %s: %s; the "
                      "newest are held in memory and tried again",
                      d->store.dir, strerror(-err));
        if (!err && failing)
            log_info("dead letters: refusals are kept again");
        failing = err != 0;
        if (err && d->stop)
            break;
        queue_pause(d, err ? DEAD_AGAIN_US : DEAD_PAUSE_US);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

void
dead_flush(struct dead *d)
{
    pthread_mutex_lock(&d->lock);
    uint64_t target = d->added, failures = d->failures;
    d->hurry++;
    pthread_cond_signal(&d->wake);
    while (d->has_thread && d->done < target && d->failures == failures)
        pthread_cond_wait(&d->written, &d->lock);
    d->hurry--;
    pthread_mutex_unlock(&d->lock);
}

void
dead_limit(struct dead *d, uint64_t refusals, uint64_t bytes)
{
    pthread_mutex_lock(&d->lock);
    d->max_refusals = refusals;
    d->max_bytes = bytes;
    pthread_mutex_unlock(&d->lock);
}

int
dead_queue_start(struct dead *d)
{
    cond_init(&d->wake);
    pthread_cond_init(&d->written, NULL);
    d->max_refusals = DEAD_REFUSALS;
    d->max_bytes = DEAD_BYTES;
    d->kept = metric_counter("dead_refusals_kept_total", "", IL_UNIT_NONE,
                             "Refusals of the gate kept as dead letters.");
    d->lost = metric_counter("dead_refusals_discarded_total", "", IL_UNIT_NONE,
                             "Refusals that went for newer ones.");
    int rc = pthread_create(&d->thread, NULL, queue_run, d);
    d->has_thread = rc == 0;
    return -rc;
}

void
dead_queue_stop(struct dead *d)
{
    if (!d->has_thread)
        return;
    pthread_mutex_lock(&d->lock);
    d->stop = 1;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->thread, NULL);
    dead_wait_clear(&d->waiting);
    pthread_cond_destroy(&d->wake);
    pthread_cond_destroy(&d->written);
}
