/* SPDX-License-Identifier: MIT */
/* The idempotency index: what the gate calls. */
#include "config.h"

#include "private.h"

#include "base/clock.h"
#include "base/cond.h"
#include "codec/event.h"

#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define WAIT_US 100000
#define LOOK_US 5000

struct idem_key
idem_key(const struct idem *d, enum idem_space space, struct slice source_id,
         struct slice key)
{
    char text[EVENT_ID_MAX * 2 + 1];
    XXH128_hash_t h;
    if (source_id.len + 1 + key.len <= sizeof text) {
        memcpy(text, source_id.ptr, source_id.len);
        text[source_id.len] = (char) space;
        memcpy(text + source_id.len + 1, key.ptr, key.len);
        h = XXH3_128bits_withSecret(text, source_id.len + 1 + key.len,
                                    d->secret, sizeof d->secret);
    } else {
        /* No such thing passes the gate; merely be right. */
        h = XXH3_128bits_withSecret(source_id.ptr, source_id.len, d->secret,
                                    sizeof d->secret);
        h = XXH3_128bits_withSeed(key.ptr, key.len, h.low64 ^ h.high64 ^ space);
    }
    return (struct idem_key){ h.high64, h.low64 };
}

/* --- looking --- */

static size_t
publish(struct idem *d, size_t n, const void *base, uint64_t homes)
{
    if (n == NEAR_MAX)
        return n;
    atomic_store_explicit(&d->near[n].homes, homes, memory_order_relaxed);
    atomic_store_explicit(&d->near[n].base, (uintptr_t) base,
                          memory_order_relaxed);
    return n + 1;
}

/* Tables or runs have changed: tell idem_prefetch(). */
static void
publish_all(struct idem *d)
{
    const void *lines;
    size_t n = 0;
    for (uint32_t i = d->table_count; i-- > 0;)
        n = publish(d, n, d->tables[i]->cells, d->tables[i]->homes);
    for (uint32_t i = d->view_count; i-- > 0;) {
        uint64_t homes = runs_homes(d->view[i], &lines);
        n = publish(d, n, lines, homes);
    }
    atomic_store_explicit(&d->near[n].base, 0, memory_order_relaxed);
}

void
idem_prefetch(struct idem *d, struct idem_key key)
{
    uintptr_t base;
    for (size_t i = 0; (base = atomic_load_explicit(&d->near[i].base,
                                                    memory_order_relaxed));
         i++) {
        uint64_t homes =
            atomic_load_explicit(&d->near[i].homes, memory_order_relaxed);
        __builtin_prefetch((const struct idem_line *) base
                           + place_of(key.hi, homes));
    }
}

/* To the end of its second: rather known too long than too short. */
static int
hit_fill(struct idem_hit *hit, uint64_t position, uint32_t time,
         struct slice id, int64_t since_us)
{
    if (((int64_t) time + 1) * 1000000 <= since_us)
        return 0;
    hit->position = position;
    hit->id_len = id.len < sizeof hit->id ? id.len : sizeof hit->id;
    memcpy(hit->id, id.ptr, hit->id_len);
    return 1;
}

/* On its own, as it takes the key in registers: in memory it would be copied as
 * one piece, which waits until all that was written before it is in the cache. */
static __attribute__((noinline)) int
find_in_runs(struct idem *d, struct runs_key key, int64_t since_us,
             struct idem_hit *hit)
{
    struct runs_hit h;
    for (uint32_t i = d->view_count; i-- > 0;) {
        struct run *r = d->view[i];
        int rc = runs_find(r, key, &h);
        if (rc > 0)
            return hit_fill(hit, h.position, h.time, h.value, since_us);
        if (rc < 0) {
            pthread_mutex_lock(&d->lock);
            idem_work_lost(d, r->header.from);
            pthread_mutex_unlock(&d->lock);
            return -EAGAIN;
        }
    }
    return 0;
}

/* From the newest entries to the oldest: what is found first came last, and a
 * key is added again only where that is past its window. */
int
idem_find_now(struct idem *d, struct idem_key key, int64_t now_us,
              int64_t window_us, struct idem_hit *hit)
{
    int64_t since_us = now_us - (window_us ? window_us : d->opt.window_us);
    for (uint32_t i = d->table_count; i-- > 0;) {
        const struct runs_record *r = idem_table_find(d->tables[i], key);
        if (r) {
            const char *id = (const char *) (r + 1);
            return hit_fill(hit, runs_position(r), r->time,
                            slice_of(id, runs_value_len(r)), since_us);
        }
    }
    return find_in_runs(d, (struct runs_key){ key.hi, key.lo }, since_us, hit);
}

int
idem_find_within(struct idem *d, struct idem_key key, int64_t now_us,
                 int64_t window_us, struct idem_hit *hit)
{
    /* It may be among what is being taken in. */
    if (atomic_load_explicit(&d->catching, memory_order_acquire)
        || atomic_load_explicit(&d->lost, memory_order_acquire)) {
        int rc = idem_caught_up(d);
        if (rc == -EAGAIN)
            return rc;
    }
    return idem_find_now(d, key, now_us, window_us, hit);
}

int
idem_find(struct idem *d, struct idem_key key, int64_t now_us,
          struct idem_hit *hit)
{
    return idem_find_within(d, key, now_us, 0, hit);
}

/* --- adding --- */

/* The next to be filled, or none is needed. */
static void
table_reuse(struct idem *d, struct idem_table *t)
{
    if (d->spare) {
        idem_table_free(t);
        return;
    }
    idem_table_clear(t);
    d->spare = t;
}

void
idem_install(struct idem *d)
{
    struct idem_table *done[FULL_MAX + 1];
    uint32_t n = 0;
    if (!atomic_load_explicit(&d->news, memory_order_relaxed))
        return;
    pthread_mutex_lock(&d->lock);
    atomic_store(&d->news, 0);
    memcpy(d->view, d->shown, d->shown_count * sizeof d->view[0]);
    d->view_count = d->shown_count;
    while (n < d->table_count && d->tables[n]->done) {
        done[n] = d->tables[n];
        n++;
    }
    d->table_count -= n;
    memmove(d->tables, d->tables + n, d->table_count * sizeof d->tables[0]);
    while (d->retired) {
        struct run *r = d->retired;
        d->retired = r->next;
        r->next = d->garbage;
        d->garbage = r;
    }
    idem_work_wake(d);
    pthread_mutex_unlock(&d->lock);
    publish_all(d);
    while (n > 0)
        table_reuse(d, done[--n]);
}

/* Until not all tables are full. */
static int
wait_for_table(struct idem *d, int patient)
{
    int64_t until_us = clock_monotonic_us() + WAIT_US;
    int rc = 0;
    while (d->table_count > FULL_MAX && !rc) {
        int64_t now_us = clock_monotonic_us();
        /* What comes from the spool is durable; of the rest it may be known by
         * now. */
        for (uint32_t i = 0; patient && i < d->table_count; i++)
            idem_table_advance(d->tables[i], d->tables[i]->last);
        if (!patient)
            idem_advance(d, spool_durable(d->spool));
        pthread_mutex_lock(&d->lock);
        idem_work_wake(d);
        if (atomic_load(&d->quit))
            rc = -ECANCELED;
        else if (!atomic_load(&d->news) && d->work_failed)
            rc = d->work_failed;
        else if (!patient && now_us >= until_us)
            rc = -ENOSPC;
        else if (!atomic_load(&d->news))
            cond_wait_until(&d->ready, &d->lock, now_us + LOOK_US);
        pthread_mutex_unlock(&d->lock);
        idem_install(d);
    }
    return d->table_count > FULL_MAX ? rc : 0;
}

int
idem_make_room(struct idem *d, uint32_t n, int patient)
{
    struct idem_table *t =
        d->table_count ? d->tables[d->table_count - 1] : NULL;
    /* Once refused, all are until a table is free. */
    if (t && idem_table_takes(t, n) && !d->refused)
        return 0;
    uint64_t base = t ? t->last : atomic_load(&d->applied);
    int rc = wait_for_table(d, patient);
    d->refused = rc != 0;
    if (rc)
        return rc;
    t = d->table_count ? d->tables[d->table_count - 1] : NULL;
    if (t && idem_table_takes(t, n))
        return 0;
    t = d->spare;
    d->spare = NULL;
    if (t && !idem_table_takes(t, n)) {
        idem_table_free(t);
        t = NULL;
    }
    rc = t ? 0 : idem_table_make(d->part_keys, n, &t);
    if (rc)
        return rc;
    t->base = t->last = base;
    pthread_mutex_lock(&d->lock);
    d->tables[d->table_count++] = t;
    idem_work_wake(d);
    pthread_mutex_unlock(&d->lock);
    publish_all(d);
    return 0;
}

int
idem_ready(struct idem *d, uint32_t n, int64_t now_us)
{
    (void) now_us;
    int rc = idem_caught_up(d);
    if (!rc) {
        idem_install(d);
        rc = idem_make_room(d, n, 0);
    }
    /* Without files it is not the disk that is full. */
    return !rc || rc == -EAGAIN || rc == -ENOMEM || rc == -EMFILE
                   || rc == -ENFILE
               ? rc
               : -ENOSPC;
}

void
idem_put(struct idem *d, struct idem_key key, int64_t now_us, uint64_t position,
         struct slice id)
{
    int64_t s = now_us / 1000000;
    uint32_t time = s < 1 ? 1 : s > UINT32_MAX ? UINT32_MAX : (uint32_t) s;
    idem_table_put(d->tables[d->table_count - 1], key, time, position, id);
}

int
idem_add(struct idem *d, struct idem_key key, int64_t now_us,
         uint64_t position, struct slice id)
{
    if (id.len > EVENT_ID_MAX)
        return -EINVAL;
    idem_put(d, key, now_us, position, id);
    return 0;
}

void
idem_advance(struct idem *d, uint64_t position)
{
    for (uint32_t i = 0; i < d->table_count; i++)
        if (d->tables[i]->durable != d->tables[i]->end)
            idem_table_advance(d->tables[i], position);
    atomic_store_explicit(&d->applied, position, memory_order_release);
    if (d->table_count > 1) {
        pthread_mutex_lock(&d->lock);
        idem_work_wake(d);
        pthread_mutex_unlock(&d->lock);
    }
}

void
idem_durable(struct idem *d, uint64_t position, int error)
{
    if (atomic_load(&d->catching) == 1)
        return; /* nothing has been appended since */
    if (error < 0) {
        pthread_mutex_lock(&d->lock);
        for (uint32_t i = 0; i < d->table_count; i++)
            idem_table_cut(d->tables[i], position);
        pthread_mutex_unlock(&d->lock);
    }
    idem_install(d);
    /* Where the spool has more, that is not known. */
    if (!atomic_load(&d->behind))
        idem_advance(d, position);
}

/* --- what there is --- */

void
idem_stats(struct idem *d, struct idem_stats *out)
{
    uint64_t lines;
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&d->lock);
    for (uint32_t i = 0; i < d->table_count; i++) {
        const struct idem_table *t = d->tables[i];
        out->keys += idem_table_unflushed(t);
        out->heap += idem_table_bytes(t);
    }
    for (uint32_t i = 0; i < d->shown_count; i++) {
        out->keys += d->shown[i]->header.keys;
        out->bytes += runs_bytes(d->shown[i], &lines);
        out->mapped += lines;
    }
    out->slices = d->table_count + d->shown_count;
    out->rebuilt = d->rebuilt;
    out->reread = d->reread;
    out->to_reread = d->to_reread;
    out->rereads = d->rereads;
    pthread_mutex_unlock(&d->lock);
}
