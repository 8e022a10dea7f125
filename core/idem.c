/* SPDX-License-Identifier: MIT */
/* The idempotency index: what the gate calls, and starting up. */
#include "idem_private.h"
#include "clock.h"
#include "event.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define PENDING_MIN 1024
#define RETRY_US 1000000
#define IDS_COMPACT (256u << 10)

struct idem_key
idem_key(struct slice source_id, struct slice key)
{
    char text[EVENT_ID_MAX * 2 + 1];
    XXH128_hash_t h;
    if (source_id.len + 1 + key.len <= sizeof text) {
        memcpy(text, source_id.ptr, source_id.len);
        text[source_id.len] = '\0';
        memcpy(text + source_id.len + 1, key.ptr, key.len);
        h = XXH3_128bits(text, source_id.len + 1 + key.len);
    } else {
        /* No such thing passes the gate; merely be right. */
        h = XXH3_128bits(source_id.ptr, source_id.len);
        h = XXH3_128bits_withSeed(key.ptr, key.len, h.low64 ^ h.high64);
    }
    return (struct idem_key){ h.high64, h.low64 };
}

/* --- on their way to the disk --- */

static uint32_t *
pending_chain(const struct idem *d, struct idem_key key)
{
    return &d->chains[key.hi & (d->pending_cap - 1)];
}

static struct pending *
pending_at(const struct idem *d, uint64_t i)
{
    return &d->pending[i & (d->pending_cap - 1)];
}

static void
pending_link(struct idem *d, uint64_t i)
{
    struct pending *p = pending_at(d, i);
    uint32_t *chain = pending_chain(d, p->key);
    p->next = *chain;
    *chain = (uint32_t) (i & (d->pending_cap - 1));
}

static void
pending_unlink(struct idem *d, uint64_t i)
{
    struct pending *p = pending_at(d, i);
    uint32_t *at = pending_chain(d, p->key);
    uint32_t me = (uint32_t) (i & (d->pending_cap - 1));
    while (*at != me)
        at = &d->pending[*at].next;
    *at = p->next;
}

static int
pending_reserve(struct idem *d, uint64_t n)
{
    uint64_t cap = d->pending_cap ? d->pending_cap : PENDING_MIN;
    while (d->tail - d->head + n > cap)
        cap *= 2;
    if (cap == d->pending_cap)
        return 0;
    if (cap > PENDING_NONE / 2)
        return -ENOMEM;
    struct pending *ring = malloc(cap * sizeof *ring);
    uint32_t *chains = malloc(cap * sizeof *chains);
    if (!ring || !chains) {
        free(ring);
        free(chains);
        return -ENOMEM;
    }
    for (uint64_t i = d->head; i != d->tail; i++)
        ring[i & (cap - 1)] = *pending_at(d, i);
    free(d->pending);
    free(d->chains);
    d->pending = ring;
    d->chains = chains;
    d->pending_cap = (uint32_t) cap;
    memset(chains, 0xff, cap * sizeof *chains);
    for (uint64_t i = d->head; i != d->tail; i++)
        pending_link(d, i);
    return 0;
}

/* Give back the text of ids whose entries have gone. */
static void
pending_compact(struct idem *d)
{
    if (d->head == d->tail) {
        d->ids_base += d->ids.len;
        d->ids.len = 0;
        return;
    }
    uint64_t used = pending_at(d, d->head)->id_offset - d->ids_base;
    if (used < IDS_COMPACT || used < d->ids.len / 2)
        return;
    d->ids.len -= used;
    memmove(d->ids.data, d->ids.data + used, d->ids.len);
    d->ids_base += used;
}

static struct slice
pending_id(const struct idem *d, const struct pending *p)
{
    return slice_of(p->id_len ? d->ids.data + (p->id_offset - d->ids_base)
                              : NULL,
                    p->id_len);
}

static int
pending_find(const struct idem *d, struct idem_key key, int64_t now_us,
             struct idem_hit *hit)
{
    if (d->head == d->tail)
        return 0;
    for (uint32_t i = *pending_chain(d, key); i != PENDING_NONE;
         i = d->pending[i].next) {
        const struct pending *p = &d->pending[i];
        if (p->key.lo != key.lo || p->key.hi != key.hi
            || p->now_us + d->opt.window_us <= now_us)
            continue;
        hit->position = p->position;
        hit->id_len = p->id_len;
        if (p->id_len)
            memcpy(hit->id, pending_id(d, p).ptr, p->id_len);
        return 1;
    }
    return 0;
}

/* --- what the gate calls --- */

void
idem_prefetch(struct idem *d, struct idem_key key)
{
    __builtin_prefetch(pending_chain(d, key));
    for (size_t i = d->slice_count; i-- > 0;) {
        const struct table *t = &d->slices[i]->table;
        __builtin_prefetch(&t->tags[table_slot(t, key.lo)]);
    }
}

int
idem_find(struct idem *d, struct idem_key key, int64_t now_us,
          struct idem_hit *hit)
{
    if (pending_find(d, key, now_us, hit))
        return 1;
    for (size_t i = d->slice_count; i-- > 0;)
        if (slice_find(d, d->slices[i], key, now_us, hit))
            return 1;
    return 0;
}

/* Above the cap the oldest keys are forgotten early. */
static void
idem_limit(struct idem *d)
{
    uint64_t keys = 0;
    for (size_t i = 0; i < d->slice_count; i++)
        keys += d->slices[i]->table.header->count;
    if (!d->opt.max_keys || keys <= d->opt.max_keys || d->slice_count < 2)
        return;
    log_warn("idempotency index: %" PRIu64 " keys, the limit is %" PRIu64
             ": the oldest %" PRIu64 " are forgotten before their time",
             keys, d->opt.max_keys, d->slices[0]->table.header->count);
    slice_drop_oldest(d);
}

struct replay {
    struct idem *idem;
    struct il_text text;
    int error;
};

static int
replay_one(void *arg, uint64_t position, size_t offset, size_t len)
{
    struct replay *r = arg;
    struct idem *d = r->idem;
    struct event e;
    struct idem_hit hit;
    struct event_retry again;
    if (event_unpack(r->text.data + offset, len, &e))
        return 0; /* not an event: it has no key either */
    if (event_retry(r->text.data + offset, len, &again))
        return 0; /* its first frame counts, as long as the window lasts */
    struct idem_key key = idem_key(e.source_id, e.key.ptr ? e.key : e.id);
    if (idem_find(d, key, e.received_us, &hit))
        return 0;
    if (e.id.len > EVENT_ID_MAX)
        return 0;
    /* In full, so that an index that was rebuilt answers as the old one did,
     * whether or not its caller leaves out ids that are the key. */
    int rc = slice_insert(d, key, e.received_us, position, e.id);
    if (rc)
        return rc;
    d->rebuilt++;
    idem_limit(d);
    return 0;
}

/* Take in what the spool has behind `replay_after`.  Where that fails events
 * are refused, but delivery goes on, and it is tried again. */
static void
idem_replay(struct idem *d)
{
    struct replay r = { .idem = d };
    struct spool_reader *reader;
    uint64_t last = d->replay_after, end = spool_durable(d->spool);
    int rc = last < end ? spool_reader_open(d->spool, last, &reader) : -ENODATA;
    while (rc == 0 && last < end) {
        r.text.len = 0;
        int n = spool_reader_read(reader, &r.text, 1 << 20, UINT32_MAX, 0,
                                  &last, replay_one, &r);
        if (n < 0)
            rc = n;
        slice_remove_dropped(d);
    }
    if (rc != -ENODATA)
        spool_reader_close(reader);
    else
        rc = 0;
    text_clear(&r.text);
    if (rc && !d->stuck)
        log_error("idempotency index: cannot take keys into %s: %s; new "
                  "events are refused", d->dir, strerror(-rc));
    d->stuck = d->behind = rc != 0;
    d->replay_after = last;
    if (rc == 0 && d->rebuilt)
        log_info("idempotency index: took %" PRIu64 " keys from the spool",
                 d->rebuilt);
    if (rc == 0)
        state_applied(d, end);
}

/* Nothing moves while events are refused: see whether the disk has room. */
static void
idem_retry(struct idem *d)
{
    int64_t now = clock_monotonic_us();
    if (now - d->retried_us < RETRY_US)
        return;
    d->retried_us = now;
    if (d->behind)
        idem_replay(d);
    else
        idem_durable(d, spool_durable(d->spool), 0);
}

int
idem_ready(struct idem *d, uint32_t n)
{
    if (d->stuck)
        idem_retry(d);
    if (d->stuck)
        return -ENOSPC;
    if (pending_reserve(d, n)
        || text_reserve(&d->ids, (size_t) n * EVENT_ID_MAX))
        return -ENOMEM;
    return 0;
}

int
idem_add(struct idem *d, struct idem_key key, int64_t now_us,
         uint64_t position, struct slice id)
{
    if (id.len > EVENT_ID_MAX)
        return -EINVAL;
    if (pending_reserve(d, 1) || text_reserve(&d->ids, id.len))
        return -ENOMEM;
    struct pending *p = pending_at(d, d->tail);
    *p = (struct pending){ .key = key,
                           .position = position,
                           .now_us = now_us,
                           .id_offset = d->ids_base + d->ids.len,
                           .id_len = (uint32_t) id.len };
    if (id.len)
        text_put(&d->ids, id.ptr, id.len);
    pending_link(d, d->tail++);
    if (d->slice_count) {
        const struct table *t = &d->slices[d->slice_count - 1]->table;
        __builtin_prefetch(&t->slots[table_slot(t, key.lo)], 1);
    }
    return 0;
}

static void
idem_forget(struct idem *d, uint64_t position)
{
    while (d->tail != d->head
           && pending_at(d, d->tail - 1)->position > position) {
        d->tail--;
        pending_unlink(d, d->tail);
        d->ids.len -= pending_at(d, d->tail)->id_len;
    }
}

void
idem_durable(struct idem *d, uint64_t position, int error)
{
    int rc = 0;
    struct idem_slice *expired =
        __atomic_exchange_n(&d->expired, NULL, __ATOMIC_ACQ_REL);
    if (expired && d->slice_count > 1 && d->slices[0] == expired)
        slice_drop_oldest(d);
    if (error < 0)
        idem_forget(d, position);
    while (d->head != d->tail) {
        struct pending *p = pending_at(d, d->head);
        if (p->position > position)
            break;
        rc = slice_insert(d, p->key, p->now_us, p->position,
                          pending_id(d, p));
        if (rc)
            break;
        pending_unlink(d, d->head);
        d->head++;
    }
    if (rc && !d->stuck)
        log_error("idempotency index: no room in %s: %s; new events are "
                  "refused", d->dir, strerror(-rc));
    else if (!rc && d->stuck)
        log_info("idempotency index: %s has room again", d->dir);
    d->stuck = rc != 0;
    pending_compact(d);
    if (rc == 0)
        state_applied(d, position);
    else if (d->head != d->tail)
        state_applied(d, pending_at(d, d->head)->position - 1);
    idem_limit(d);
}

/* --- opening --- */

/* Of the slices that are there, believe nothing behind a position. */
static void
idem_distrust(struct idem *d, uint64_t end)
{
    for (size_t i = 0; i < d->slice_count; i++) {
        struct table_header *h = d->slices[i]->table.header;
        h->sealed = 0;
        if (h->limit > end)
            h->limit = end;
    }
}

static int
idem_load(struct idem *d)
{
    uint64_t complete = 0, end = spool_durable(d->spool);
    uint64_t first_seq, next_seq;
    int known = state_open(d, &complete, &first_seq, &next_seq);
    if (!d->state) {
        log_error("idempotency index: cannot open %s/STATE: %s", d->dir,
                  strerror(-known));
        return known;
    }
    int damaged = slice_load_all(d, first_seq, next_seq);
    if (damaged < 0) {
        log_error("idempotency index: cannot load %s: %s", d->dir,
                  strerror(-damaged));
        return damaged;
    }
    if (complete > end)
        /* Of a later state of the spool than this one: an old backup. */
        log_error("idempotency index: %s knows position %" PRIu64
                  ", the spool ends at %" PRIu64 ": what lies behind is not "
                  "believed", d->dir, complete, end);
    if (complete > end || known)
        idem_distrust(d, end);
    if (damaged || known)
        complete = d->synced = 0;
    if (complete > end)
        complete = end;
    if (d->slice_count) {
        /* It will be written to: a checksum that lags behind would condemn it
         * after a power cut. */
        struct table *t = &d->slices[d->slice_count - 1]->table;
        t->header->sealed = 0;
        if (fdatasync(t->fd))
            log_warn("idempotency index: cannot sync %s/%s: %s", d->dir,
                     t->name, strerror(errno));
    }
    d->hold = spool_hold_new(d->spool, "idempotency index", complete);
    if (!d->hold)
        return -ENOMEM;
    if (d->synced > complete)
        d->synced = complete;
    d->replay_after = complete;
    idem_replay(d);
    return 0;
}

int
idem_open(const struct idem_options *options, struct spool *spool,
          struct idem **out)
{
    struct idem *d = calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    d->opt = *options;
    d->spool = spool;
    d->dirfd = d->state_fd = -1;
    d->next_seq = 1;
    d->slice_us = options->window_us / SLICES_PER_WINDOW;
    if (d->slice_us < 1024)
        d->slice_us = 1024;
    pthread_mutex_init(&d->list_lock, NULL);
    int rc = (d->dir = strdup(options->dir)) ? pending_reserve(d, 1)
                                             : -ENOMEM;
    if (rc == 0) {
        if ((mkdir(d->dir, 0700) && errno != EEXIST)
            || (d->dirfd = open(d->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
                   < 0) {
            rc = -errno;
            log_error("idempotency index: cannot open %s: %s", d->dir,
                      strerror(-rc));
        }
    }
    if (rc == 0)
        rc = idem_load(d);
    if (rc) {
        idem_close(d);
        return rc;
    }
    *out = d;
    return 0;
}

void
idem_close(struct idem *d)
{
    if (!d)
        return;
    if (d->hold) {
        d->synced_us = 0;
        int rc = idem_checkpoint(d, INT64_MIN);
        if (!rc && d->slice_count
            && !d->slices[d->slice_count - 1]->old.header)
            table_seal(&d->slices[d->slice_count - 1]->table);
        spool_hold_free(d->hold);
    }
    for (size_t i = 0; i < d->slice_count; i++)
        slice_free(d->slices[i]);
    for (size_t i = 0; i < d->retired_count; i++)
        table_close(&d->retired[i]);
    for (size_t i = 0; i < d->dropped_count; i++)
        slice_free(d->dropped[i]);
    if (d->state)
        munmap(d->state, TABLE_HEADER);
    if (d->state_fd >= 0)
        close(d->state_fd);
    if (d->dirfd >= 0)
        close(d->dirfd);
    text_clear(&d->ids);
    free(d->pending);
    free(d->chains);
    pthread_mutex_destroy(&d->list_lock);
    free(d->dir);
    free(d);
}

void
idem_stats(struct idem *d, struct idem_stats *out)
{
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&d->list_lock);
    for (size_t i = 0; i < d->slice_count; i++) {
        const struct table_header *h = d->slices[i]->table.header;
        out->keys += __atomic_load_n(&h->count, __ATOMIC_RELAXED);
        out->bytes += TABLE_HEADER + h->slots * (sizeof(struct slot) + 1)
                      + d->slices[i]->ids_size;
    }
    out->slices = d->slice_count;
    out->rebuilt = d->rebuilt;
    pthread_mutex_unlock(&d->list_lock);
}
