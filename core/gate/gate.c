/* SPDX-License-Identifier: MIT */
/* Deduplicate, append, and know what has become durable. */
#include "private.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what the spool tells ------------------------------------------------- */

void
gate_wake_servers(struct gate *g)
{
    pthread_mutex_lock(&g->wake_lock);
    for (int i = 0; i < GATE_SERVERS; i++) {
        struct http *http = atomic_load(&g->servers[i]);
        if (!http)
            break;
        http_wake(http);
    }
    pthread_mutex_unlock(&g->wake_lock);
}

/* The spool goes on telling what becomes durable when the servers are gone. */
static void
forget_servers(struct gate *g)
{
    pthread_mutex_lock(&g->wake_lock);
    for (int i = 0; i < GATE_SERVERS; i++)
        atomic_store(&g->servers[i], NULL);
    pthread_mutex_unlock(&g->wake_lock);
}

void
gate_know_server(struct gate *g, struct http *http)
{
    for (int i = 0; i < GATE_SERVERS; i++) {
        struct http *none = NULL;
        if (atomic_load(&g->servers[i]) == http
            || atomic_compare_exchange_strong(&g->servers[i], &none, http)
            || none == http)
            return;
    }
}

/* The spool's thread.  Success needs no lock: the index is told before it is
 * asked the next time.  A failure takes the lock, so that no append comes
 * between the positions that are void and those given out again. */
static void
spool_is_durable(void *arg, uint64_t up_to, int error)
{
    struct gate *g = arg;
    if (error && !atomic_load(&g->closed)) {
        pthread_mutex_lock(&g->lock);
        uint32_t epoch = atomic_load(&g->epoch);
        atomic_store(&g->failed[epoch % GATE_EPOCHS], up_to);
        atomic_store(&g->error, error);
        atomic_store(&g->epoch, epoch + 1);
        if (!atomic_load(&g->closed))
            idem_durable(g->options.idem, up_to, error);
        g->indexed = up_to;
        pthread_mutex_unlock(&g->lock);
    }
    gate_wake_servers(g);
    gate_settler_wake(g);
}

int
gate_outcome(struct gate *g, const struct gate_ticket *t)
{
    /* in this order: a durable position read before the epoch is of it */
    uint64_t durable = spool_durable(g->options.spool);
    uint32_t epoch = atomic_load(&g->epoch);
    if (epoch == t->epoch)
        return t->position <= durable;
    if (epoch - t->epoch < GATE_EPOCHS
        && t->position <= atomic_load(&g->failed[t->epoch % GATE_EPOCHS]))
        return 1;
    int error = atomic_load(&g->error);
    return error < 0 ? error : -ENOSPC;
}

/* --- one batch ------------------------------------------------------------ */

static void
index_durable(struct gate *g)
{
    uint64_t durable = spool_durable(g->options.spool);
    if (durable == g->indexed)
        return;
    idem_durable(g->options.idem, durable, 0);
    g->indexed = durable;
}

static int
make_duplicate(struct gate_batch *b, struct gate_item *item, struct slice id)
{
    uint32_t at = (uint32_t) b->ids.len;
    if (text_put(&b->ids, id.ptr, id.len))
        return -ENOMEM;
    item->state = ITEM_DUPLICATE;
    item->id = at;
    item->id_len = (uint32_t) id.len;
    b->duplicates++;
    return 0;
}

/* The id of the event that came first with the key of this one. */
static struct slice
first_id(const struct gate_batch *b, const struct gate_item *item,
         const struct idem_hit *hit)
{
    struct event ev;
    if (hit->id_len)
        return slice_of(hit->id, hit->id_len);
    /* It was sent with this key as its id. */
    if (!item->apart
        || event_unpack(b->frames.data + item->frame, item->len, &ev))
        return gate_item_id(b, item);
    return ev.key;
}

/* What was fetched while the batch was read may have left the nearest cache
 * since: it is fetched from the next one, so many keys before it is needed. */
#define KEYS_AHEAD 8

int
gate_find(struct gate_batch *b, const struct gate_item *item,
          struct idem_hit *hit)
{
    struct idem *idem = b->gate->options.idem;
    int64_t window = gate_window(b, item);
    int found = idem_find_within(idem, item->key, b->now_us, window, hit);
    if (found || !b->source->was.ptr)
        return found;
    return idem_find_within(idem, item->key_was, b->now_us, window, hit);
}

/* Look the keys up.  Sets how many events are new; their bodies are in
 * b->bodies. */
static int
find_new(struct gate_batch *b, uint32_t *count)
{
    struct idem *idem = b->gate->options.idem;
    struct idem_hit hit;
    uint32_t n = 0;
    int err = 0;
    for (uint32_t i = 0; i < b->count && !err; i++) {
        struct gate_item *item = &b->items[i];
        if (b->count - i > KEYS_AHEAD && item[KEYS_AHEAD].keyed)
            idem_prefetch(idem, item[KEYS_AHEAD].key);
        if (item->state == ITEM_REFUSED)
            continue;
        if (item->twin != GATE_NO_TWIN) {
            struct gate_item *twin = &b->items[item->twin];
            struct slice id = gate_item_id(b, twin);
            char copy[EVENT_ID_MAX];
            memcpy(copy, id.ptr, id.len);
            err = make_duplicate(b, item, slice_of(copy, id.len));
            continue;
        }
        int found = item->keyed ? gate_find(b, item, &hit) : 0;
        if (found > 0) {
            err = make_duplicate(b, item, first_id(b, item, &hit));
            if (hit.position > b->position)
                b->position = hit.position;
        } else if (found < 0) {
            err = found;
        } else {
            b->bodies[n++] = slice_of(b->frames.data + item->frame, item->len);
        }
    }
    *count = n;
    return err;
}

/* Nothing fails here: idem_ready() has made room. */
static void
index_new(struct gate_batch *b, uint64_t position)
{
    struct idem *idem = b->gate->options.idem;
    for (uint32_t i = 0; i < b->count; i++) {
        struct gate_item *item = &b->items[i];
        if (item->state != ITEM_NEW)
            continue;
        if (item->keyed)
            idem_add(idem, item->key, b->now_us, position,
                     item->apart ? gate_item_id(b, item) : slice_of(NULL, 0));
        position++;
    }
}

/* The new events, and behind them the marks.  *last: the position of whichever
 * comes last. */
static int
append(struct gate_batch *b, uint32_t n, uint64_t *first)
{
    struct spool *spool = b->gate->options.spool;
    unsigned how = SPOOL_GATHER | (b->source->reserve ? SPOOL_RESERVE : 0);
    if (!b->marking)
        return spool_append_so(spool, b->bodies, n, first, how);
    b->bodies[n] = gate_marking_body(b->marking); /* there is room for one */
    return spool_append_so(spool, b->bodies, n + 1, first, how | SPOOL_WHOLE);
}

/* In the order of the spool, as the lock is held. */
static void
expect_marks(struct gate_batch *b)
{
    struct gate_ticket t;
    gate_ticket_fill(b, &t);
    gate_marks_expect(b->marking, &t);
    b->marking = NULL;
}

int
gate_commit(struct gate_batch *b)
{
    struct gate *g = b->gate;
    uint64_t first = 0;
    uint32_t n = 0;
    pthread_mutex_lock(&g->lock);
    if (atomic_load(&g->closed)) {
        pthread_mutex_unlock(&g->lock);
        return -ESHUTDOWN;
    }
    index_durable(g);
    int err = find_new(b, &n);
    if (!err && n)
        err = idem_ready(g->options.idem, n, b->now_us);
    if (!err && n)
        err = gate_limit(b, n);
    if (!err && (n || b->marking))
        err = append(b, n, &first);
    if (!err && n) {
        index_new(b, first);
        b->position = first + n - 1;
        gate_limit_took(b, n, b->position);
    }
    b->epoch = atomic_load(&g->epoch);
    if (!err && b->marking) {
        b->position = first + n;
        expect_marks(b);
    }
    pthread_mutex_unlock(&g->lock);
    b->accepted = n;
    return err;
}

void
gate_ticket_fill(const struct gate_batch *b, struct gate_ticket *t)
{
    *t = (struct gate_ticket){ .source = b->source,
                               .sender = b->sender,
                               .position = b->position,
                               .epoch = b->epoch,
                               .accepted = b->accepted,
                               .duplicates = b->duplicates,
                               .since_us = clock_monotonic_us() };
}

void
gate_ticket_done(const struct gate_ticket *t, int durable)
{
    struct gate *g = t->source->gate;
    metric_add(g->waits, 1);
    metric_add(g->wait_us, (uint64_t) (clock_monotonic_us() - t->since_us));
    if (durable <= 0)
        return;
    metric_add(t->source->accepted, t->accepted);
    if (t->duplicates)
        metric_add(t->source->duplicates, t->duplicates);
    if (t->sender) {
        metric_add(t->sender->accepted, t->accepted);
        metric_add(t->sender->duplicates, t->duplicates);
    }
}

/* --- the monotonic clock -------------------------------------------------- */

static void
cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

void
gate_deadline(struct timespec *t, int64_t us)
{
    int64_t at = clock_monotonic_us() + (us > 0 ? us : 0);
    *t = (struct timespec){ at / 1000000, at % 1000000 * 1000 };
}

/* --- making and ending ---------------------------------------------------- */

int
gate_new(const struct gate_options *options, struct gate **out)
{
    struct gate *g = calloc(1, sizeof(*g));
    if (!g)
        return -ENOMEM;
    g->options = *options;
    if (!g->options.max_event_bytes)
        g->options.max_event_bytes = 1 << 20;
    pthread_mutex_init(&g->lock, NULL);
    pthread_mutex_init(&g->wake_lock, NULL);
    pthread_mutex_init(&g->pool_lock, NULL);
    pthread_mutex_init(&g->pending_lock, NULL);
    cond_init(&g->pending_wake);
    g->pending_end = &g->pending;
    pthread_mutex_init(&g->upsert_lock, NULL);
    pthread_cond_init(&g->upsert_wake, NULL);
    g->upserting_end = &g->upserting;
    g->waits = metric_counter("gate_waits_total", "", IL_UNIT_NONE,
                              "Requests that waited for a sync.");
    g->wait_us = metric_counter("gate_wait_seconds_total", "",
                                IL_UNIT_MICROSECONDS, "Time that they waited.");
    g->indexed = spool_durable(options->spool);
    int err = spool_notify(options->spool, spool_is_durable, g);
    if (err) {
        gate_free(g);
        return err;
    }
    if (options->marks)
        gate_marks_attach(options->marks, g);
    *out = g;
    return 0;
}

void
gate_stop(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    if (!atomic_load(&g->closed))
        index_durable(g);
    atomic_store(&g->closed, 1);
    pthread_mutex_unlock(&g->lock);
    gate_backlog_stop(g);
    gate_upsert_stop(g);
    gate_settler_stop(g);
    forget_servers(g);
}

void
gate_free(struct gate *g)
{
    if (!g)
        return;
    atomic_store(&g->closed, 1);
    gate_upsert_stop(g);
    gate_settler_stop(g);
    while (g->sources)
        gate_source_free(g->sources);
    gate_batch_free_all(g);
    pthread_mutex_destroy(&g->lock);
    pthread_mutex_destroy(&g->wake_lock);
    pthread_mutex_destroy(&g->pool_lock);
    pthread_mutex_destroy(&g->pending_lock);
    pthread_cond_destroy(&g->pending_wake);
    pthread_mutex_destroy(&g->upsert_lock);
    pthread_cond_destroy(&g->upsert_wake);
    free(g);
}

int
gate_ready(struct gate *g, char *why, size_t size)
{
    int err = spool_health(g->options.spool);
    if (atomic_load(&g->closed)) {
        snprintf(why, size, "shutting down");
        return -ESHUTDOWN;
    }
    if (err) {
        spool_health_text(g->options.spool, why, size);
        return err;
    }
    /* Asked here too, as it tries again: senders may wait for this answer. */
    pthread_mutex_lock(&g->lock);
    if (!atomic_load(&g->closed) && g->options.idem)
        err = idem_ready(g->options.idem, 1, clock_wall_us());
    pthread_mutex_unlock(&g->lock);
    if (err)
        snprintf(why, size, "the idempotency index cannot take keys; the log "
                 "says why");
    return err;
}
