/* SPDX-License-Identifier: MIT */
/* The idempotency index: what the gate calls, and starting up. */
#include "config.h"

#include "private.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "codec/event.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define RETRY_US 1000000

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

/* --- what the gate calls --- */

void
idem_prefetch(struct idem *d, struct idem_key key)
{
    uintptr_t base;
    for (size_t i = 0; (base = atomic_load_explicit(&d->near[i].base,
                                                    memory_order_relaxed));
         i++) {
        uint64_t place = place_of(
            key.lo,
            atomic_load_explicit(&d->near[i].places, memory_order_relaxed));
        unsigned shift = atomic_load_explicit(&d->near[i].shift,
                                              memory_order_relaxed);
        __builtin_prefetch((const char *) (base + (place << shift)));
    }
}

static int
find(struct idem *d, struct idem_key key, int64_t now_us, int64_t window_us,
     struct idem_hit *hit)
{
    int64_t since_us = now_us - (window_us ? window_us : d->opt.window_us);
    int rc = 0;
    int perhaps = 0;
    for (size_t i = d->slice_count; i-- > 0 && !rc;) {
        struct idem_slice *s = d->slices[i];
        if (s->log.header.seq <= d->summary_upto && !perhaps) {
            perhaps = idem_run_may_have(d->summary, key.lo);
            if (!perhaps)
                break;
        }
        rc = idem_slice_find(d, s, key, since_us, hit);
    }
    return rc;
}

int
idem_find_within(struct idem *d, struct idem_key key, int64_t now_us,
                 int64_t window_us, struct idem_hit *hit)
{
    if (atomic_load(&d->catching) == 1)
        return -EAGAIN; /* it may be among what is being taken in */
    return find(d, key, now_us, window_us, hit);
}

int
idem_find(struct idem *d, struct idem_key key, int64_t now_us,
          struct idem_hit *hit)
{
    return idem_find_within(d, key, now_us, 0, hit);
}

/* Above the cap the oldest keys are forgotten early. */
static void
idem_limit(struct idem *d)
{
    uint64_t keys = 0;
    for (size_t i = 0; i < d->slice_count; i++)
        keys += d->slices[i]->count;
    if (!d->opt.max_keys || keys <= d->opt.max_keys || d->slice_count < 2)
        return;
    log_warn("idempotency index: %" PRIu64 " keys, the limit is %" PRIu64
             ": the oldest %" PRIu64 " are forgotten before their time",
             keys, d->opt.max_keys, d->slices[0]->count);
    idem_slice_drop_oldest(d);
}

struct replay {
    struct idem *idem;
    struct il_text text;
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
    struct idem_key key = idem_key(
        r->idem, e.flags & EVENT_PUBLISHABLE ? IDEM_PUBLISHABLE : IDEM_SERVER,
        e.source_id, e.key.ptr ? e.key : e.id);
    int rc = find(d, key, e.received_us, 0, &hit);
    if (rc < 0 || e.id.len > EVENT_ID_MAX)
        return rc < 0 ? rc : 0;
    /* Where an earlier event is known, it was past a shorter window. */
    if (rc && hit.position >= position)
        return 0;
    rc = idem_slice_ready(d, 1, e.received_us, position - 1);
    if (rc)
        return rc;
    /* In full, so that an index that was rebuilt answers as the old one did,
     * whether or not its caller leaves out ids that are the key. */
    idem_slice_insert(d, key, e.received_us, position, e.id);
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
    struct spool_reader *reader = NULL;
    uint64_t last = d->replay_after, end = spool_durable(d->spool);
    int rc = last < end ? spool_reader_open(d->spool, last, &reader) : 0;
    while (rc == 0 && last < end) {
        r.text.len = 0;
        int n = spool_reader_read(reader, &r.text, 1 << 20, UINT32_MAX, 0,
                                  &last, replay_one, &r);
        rc = idem_slices_advance(d, last, 0);
        if (n < 0)
            rc = n;
        if (!rc && atomic_load(&d->quit))
            rc = -ECANCELED;
        idem_slice_remove_dropped(d);
    }
    if (reader)
        spool_reader_close(reader);
    text_clear(&r.text);
    if (rc && !d->stuck)
        log_error("idempotency index: cannot take keys into %s: %s; new "
                  "events are refused", d->dir, strerror(-rc));
    d->behind = rc != 0;
    d->stuck = rc;
    d->replay_after = last;
    if (rc == 0 && d->rebuilt)
        log_info("idempotency index: took %" PRIu64 " keys from the spool",
                 d->rebuilt);
}

/* The logs did not fit together, and the spool's keys are in now. */
static void
idem_mend(struct idem *d)
{
    if (d->behind || !d->broken)
        return;
    int rc = idem_slices_advance(d, atomic_load(&d->applied), 1);
    if (!rc)
        rc = idem_slices_sync(d);
    if (!rc)
        rc = idem_relink(d);
    if (rc)
        log_warn("idempotency index: cannot mend %s: %s; the next start asks "
                 "the spool again", d->dir, strerror(-rc));
    d->broken = 0;
}

/* Where all keys of the logs are.  A full disk keeps no start: events are
 * refused until there is room. */
static void
idem_place(struct idem *d)
{
    int rc = 0;
    for (size_t i = 0; i < d->slice_count && !rc; i++)
        rc = idem_slice_place(d, d->slices[i], i + 1 == d->slice_count);
    if (rc && !d->stuck)
        log_error("idempotency index: cannot write to %s: %s; new events are "
                  "refused", d->dir, strerror(-rc));
    d->stuck = rc;
    pthread_mutex_lock(&d->lock);
    atomic_store(&d->unplaced, rc != 0);
    idem_work_wake(d);
    pthread_mutex_unlock(&d->lock);
    idem_slices_publish(d);
}

/* Until the index knows all that the spool has. */
static void
idem_catch_up(struct idem *d)
{
    if (d->unplaced)
        idem_place(d);
    if (d->unplaced)
        return;
    idem_replay(d);
    idem_mend(d);
}

static void *
catch_up_run(void *arg)
{
    struct idem *d = arg;
    pthread_setname_np(pthread_self(), "idem-catch-up");
    idem_catch_up(d);
    atomic_store(&d->catching, 2);
    return NULL;
}

/* The spool may have much: nobody waits for it, and until it is taken in
 * nothing else is done with the index. */
static void
catch_up_aside(struct idem *d)
{
    atomic_store(&d->catching, 1);
    if (pthread_create(&d->catcher, NULL, catch_up_run, d))
        atomic_store(&d->catching, 0); /* tried again */
}

/* 1: it goes on. */
static int
catches_up(struct idem *d)
{
    if (atomic_load(&d->catching) == 2) {
        pthread_join(d->catcher, NULL);
        atomic_store(&d->catching, 0);
    }
    return atomic_load(&d->catching);
}

/* Nothing moves while events are refused: see whether there is room. */
static void
idem_retry(struct idem *d)
{
    int64_t now = clock_monotonic_us();
    if (now - d->retried_us < RETRY_US)
        return;
    d->retried_us = now;
    if (d->behind) {
        catch_up_aside(d);
    } else {
        idem_durable(d, spool_durable(d->spool), 0);
    }
}

int
idem_ready(struct idem *d, uint32_t n, int64_t now_us)
{
    if (catches_up(d))
        return -EAGAIN;
    if (d->stuck)
        idem_retry(d);
    if (atomic_load(&d->catching))
        return -EAGAIN;
    if (d->stuck) /* without files it is not the disk that is full */
        return d->stuck == -EMFILE || d->stuck == -ENFILE ? d->stuck : -ENOSPC;
    return idem_slice_ready(d, n, now_us, spool_durable(d->spool));
}

int
idem_add(struct idem *d, struct idem_key key, int64_t now_us,
         uint64_t position, struct slice id)
{
    if (id.len > EVENT_ID_MAX)
        return -EINVAL;
    idem_slice_insert(d, key, now_us, position, id);
    return 0;
}

static void
idem_forget(struct idem *d, uint64_t position)
{
    for (size_t i = d->slice_count; i-- > 0;) {
        struct idem_slice *s = d->slices[i];
        slice_count_add(s, 0 - (uint64_t) idem_log_cut(&s->log, position));
        pthread_mutex_lock(&d->lock);
        idem_slice_cut(s);
        pthread_mutex_unlock(&d->lock);
    }
}

void
idem_durable(struct idem *d, uint64_t position, int error)
{
    if (catches_up(d))
        return; /* nothing has been appended since */
    struct idem_slice *expired = atomic_exchange(&d->expired, NULL);
    if (expired && d->slice_count > 1 && d->slices[0] == expired)
        idem_slice_drop_oldest(d);
    if (error < 0)
        idem_forget(d, position);
    idem_work_install(d);
    int rc = idem_slices_advance(d, position, 0);
    if (rc && !d->stuck)
        log_error("idempotency index: cannot write to %s: %s; new events are "
                  "refused", d->dir, strerror(-rc));
    else if (!rc && d->stuck)
        log_info("idempotency index: %s can be written again", d->dir);
    d->stuck = rc;
    idem_limit(d);
}

/* --- opening and closing --- */

static int
idem_start(struct idem *d)
{
    uint64_t complete = 0, end = spool_durable(d->spool);
    int rc = idem_load(d, end, &complete);
    if (rc) {
        log_error("idempotency index: cannot load %s: %s", d->dir,
                  strerror(-rc));
        return rc;
    }
    d->replay_after = complete;
    d->behind = 1;
    d->unplaced = 1;
    atomic_store(&d->applied, complete);
    rc = idem_slices_sync(d);
    d->hold = spool_hold_new(d->spool, "idempotency index", rc ? 0 : complete);
    if (!d->hold)
        return -ENOMEM;
    rc = idem_work_start(d);
    if (rc)
        log_error("idempotency index: cannot start a thread: %s",
                  strerror(-rc));
    else
        idem_catch_up(d);
    return rc;
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
    d->dirfd = -1;
    d->next_seq = 1;
    d->slice_us = options->window_us / SLICES_PER_WINDOW;
    if (d->slice_us < 1024)
        d->slice_us = 1024;
    d->part_keys = options->part_keys ? options->part_keys : PART_KEYS;
    if (options->max_keys && options->max_keys / 4 < d->part_keys)
        d->part_keys = options->max_keys / 4;
    if (d->part_keys < 24)
        d->part_keys = 24;
    pthread_mutex_init(&d->lock, NULL);
    int rc = (d->dir = strdup(options->dir)) ? 0 : -ENOMEM;
    if (rc == 0) {
        rc = file_make_folder(d->dir);
        if (rc == 0
            && (d->dirfd = open(d->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
                   < 0)
            rc = -errno;
        if (rc) {
            log_error("idempotency index: cannot open %s: %s", d->dir,
                      strerror(-rc));
        }
    }
    if (rc == 0)
        rc = idem_secret_open(d);
    if (rc == 0)
        rc = idem_start(d);
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
    atomic_store(&d->quit, 1);
    if (atomic_load(&d->catching))
        pthread_join(d->catcher, NULL);
    if (d->hold) {
        d->synced_us = 0;
        idem_checkpoint(d, INT64_MIN);
        spool_hold_free(d->hold);
    }
    idem_work_stop(d);
    idem_run_free(d->summary);
    for (size_t i = 0; i < d->slice_count; i++)
        idem_slice_free(d->slices[i]);
    for (size_t i = 0; i < d->dropped_count; i++)
        idem_slice_free(d->dropped[i]);
    if (d->dirfd >= 0)
        close(d->dirfd);
    pthread_mutex_destroy(&d->lock);
    free(d->dir);
    free(d);
}

void
idem_stats(struct idem *d, struct idem_stats *out)
{
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->slice_count; i++) {
        const struct idem_slice *s = d->slices[i];
        out->keys += s->count;
        out->bytes += LOG_HEADER + s->log.written * LOG_UNIT
                      + s->log.block_count * sizeof(struct log_block);
        out->summed_up += s->log.header.seq <= d->summary_upto;
        idem_slice_memory(s, &out->heap, &out->mapped);
    }
    if (d->summary)
        *(d->summary->kept ? &out->heap : &out->mapped) +=
            idem_run_bytes(d->summary);
    out->slices = d->slice_count;
    out->rebuilt = d->rebuilt;
    pthread_mutex_unlock(&d->lock);
}
