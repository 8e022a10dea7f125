/* SPDX-License-Identifier: MIT */
/* What may go, and how fast it goes. */
#include "private.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct spool_hold *
spool_hold_new(struct spool *s, const char *name, uint64_t position)
{
    struct spool_hold *h = calloc(1, sizeof *h);
    if (!h || !(h->name = strdup(name))) {
        free(h);
        return NULL;
    }
    h->spool = s;
    h->position = position;
    pthread_mutex_lock(&s->list_lock);
    h->next = s->holds;
    s->holds = h;
    pthread_mutex_unlock(&s->list_lock);
    return h;
}

void
spool_hold_soften(struct spool_hold *h)
{
    STORE(h->soft, 1);
}

void
spool_hold_move(struct spool_hold *h, uint64_t position)
{
    STORE(h->position, position);
}

uint64_t
spool_hold_position(const struct spool_hold *h)
{
    return LOAD(h->position);
}

void
spool_hold_free(struct spool_hold *h)
{
    if (!h)
        return;
    struct spool *s = h->spool;
    pthread_mutex_lock(&s->list_lock);
    struct spool_hold **p = &s->holds;
    while (*p != h)
        p = &(*p)->next;
    *p = h->next;
    pthread_mutex_unlock(&s->list_lock);
    free(h->name);
    free(h);
}

uint64_t
spool_newest_begins(struct spool *s)
{
    pthread_mutex_lock(&s->list_lock);
    uint64_t first
        = s->segment_count ? s->segments[s->segment_count - 1]->first : 0;
    pthread_mutex_unlock(&s->list_lock);
    return first;
}

/* Everything up to it has been passed by every hold, or, where room must be
 * made, by every hard one.  Under list_lock. */
static uint64_t
retain_passed(struct spool *s, int tight)
{
    uint64_t passed = UINT64_MAX;
    for (struct spool_hold *h = s->holds; h; h = h->next) {
        uint64_t position = LOAD(h->position);
        if (position < passed && !(tight && LOAD(h->soft)))
            passed = position;
    }
    return passed;
}

/* Bytes of the durable frames behind position.  Under list_lock. */
static uint64_t
gate_backlog_bytes(struct spool *s, uint64_t position)
{
    uint64_t bytes = 0;
    for (size_t i = s->segment_count; i-- > 0;) {
        struct segment *seg = s->segments[i];
        if (seg->last <= position)
            break;
        uint64_t all = seg->end - SEGMENT_HEADER;
        if (position < seg->first) {
            bytes += all;
            continue;
        }
        double part = (double) (seg->last - position)
                      / (double) (seg->last - seg->first + 1);
        bytes += (uint64_t) (part * (double) all);
    }
    return bytes;
}

uint64_t
spool_segment_bytes(const struct spool *s)
{
    return s->opt.segment_bytes;
}

uint64_t
spool_backlog_bytes(struct spool *s, uint64_t position)
{
    pthread_mutex_lock(&s->list_lock);
    uint64_t bytes = gate_backlog_bytes(s, position);
    pthread_mutex_unlock(&s->list_lock);
    return bytes;
}

/* What counts into max_size and is not to be had by taking back a spare. */
static uint64_t
retain_counted(const struct spool *s)
{
    return LOAD(s->bytes) + LOAD(s->aside_bytes);
}

/* Must room be made, though what lies there could still serve a replay, or the
 * next segment? */
static int
retain_tight(struct spool *s)
{
    uint64_t spare = s->opt.segment_bytes;
    uint64_t bytes = retain_counted(s) + LOAD(s->spare_bytes);
    return (LOAD(s->opt.max_bytes) && bytes + spare > LOAD(s->opt.max_bytes))
           || LOAD(s->free_bytes) < LOAD(s->opt.min_free) + spare;
}

/* Take the oldest segment out of the list if it may go: 1.  *keep: its file may
 * be written again, as nobody reads it.  The last one before the newest stays
 * for a moment, because lanes that have nothing to do only leave it when they
 * are told of the next event. */
static int
retain_take(struct spool *s, int64_t wall_us, struct segment *out, int *keep)
{
    int taken = 0, tight = retain_tight(s);
    int wanted = !tight && spool_spare_wanted(s);
    pthread_mutex_lock(&s->list_lock);
    /* The newest stays: without it a restart would count from 1 again. */
    if (s->segment_count > 1) {
        struct segment *seg = s->segments[0];
        int old = wall_us - seg->written_us > LOAD(s->opt.retain_us);
        int large =
            LOAD(s->opt.retain_bytes) && LOAD(s->bytes) > LOAD(s->opt.retain_bytes);
        int idle = seg->refs == 1;
        if (seg->last <= retain_passed(s, tight) && (old || large || tight)
            && (idle || !wanted || s->segment_count > 2)) {
            *out = *seg;
            *keep = idle && wanted;
            seg->gone = taken = 1;
            spool_list_remove(s, 0);
        }
    }
    pthread_mutex_unlock(&s->list_lock);
    if (taken)
        SUB(s->bytes, out->end);
    return taken;
}

/* How many bytes a second the slowest hold passes; smoothed over about ten
 * ticks. */
static void
retain_rate(struct spool *s, int64_t now_us)
{
    pthread_mutex_lock(&s->list_lock);
    uint64_t passed = retain_passed(s, 0);
    uint64_t behind = s->holds ? gate_backlog_bytes(s, passed) : 0;
    uint64_t end = LOAD(s->written);
    pthread_mutex_unlock(&s->list_lock);
    uint64_t drained = end > behind ? end - behind : 0;
    int64_t us = now_us - s->drain_us;
    if (s->drain_us && us > 0 && drained >= s->drain_bytes) {
        double rate = (double) (drained - s->drain_bytes) * 1e6 / (double) us;
        double old = (double) LOAD(s->drain_rate);
        STORE(s->drain_rate, (uint64_t) (old + (rate - old) * 0.3));
    }
    s->drain_us = now_us;
    s->drain_bytes = drained;
}

void
spool_retain_tick(struct spool *s, int64_t now_us)
{
    retain_rate(s, now_us);
    if (retain_tight(s))
        spool_spare_drop(s);
    /* All is delivered, and only the segment at hand is in the way. */
    if (retain_tight(s) && s->fd >= 0 && s->newest
        && s->newest->end > SEGMENT_HEADER) {
        pthread_mutex_lock(&s->list_lock);
        int passed = s->newest->last <= retain_passed(s, 1);
        pthread_mutex_unlock(&s->list_lock);
        if (passed)
            spool_group_rotate(s);
    }
    struct segment seg;
    int gone = 0, keep;
    while (retain_take(s, clock_wall_us(), &seg, &keep)) {
        char name[SEGMENT_NAME];
        spool_segment_name(name, seg.first);
        if ((!keep || spool_spare_keep(s, seg.first, seg.end))
            && unlinkat(s->dirfd, name, 0) && errno != ENOENT)
            log_warn("spool: cannot remove %s/%s: %s", s->dir, name,
                     strerror(errno));
        gone = 1;
    }
    /* A segment that comes back after a crash is merely removed again, so one
     * sync for all will do.  But it must not come back with other content. */
    if (gone && fsync(s->dirfd)) {
        log_warn("spool: cannot sync %s: %s", s->dir, strerror(errno));
        spool_spare_drop(s);
    }
}

uint32_t
spool_retry_after(struct spool *s)
{
    uint64_t bytes = retain_counted(s), rate = LOAD(s->drain_rate), need = 0;
    uint64_t spare = s->opt.segment_bytes;
    if (LOAD(s->opt.max_bytes) && bytes + spare > LOAD(s->opt.max_bytes))
        need = bytes + spare - LOAD(s->opt.max_bytes);
    uint64_t free_bytes = LOAD(s->free_bytes);
    if (free_bytes < LOAD(s->opt.min_free) + spare
        && LOAD(s->opt.min_free) + spare - free_bytes > need)
        need = LOAD(s->opt.min_free) + spare - free_bytes;
    if (need == 0)
        return 1;
    if (rate == 0)
        return 60; /* nothing moves: somebody has to do something */
    uint64_t seconds = need / rate + 1;
    return seconds > 3600 ? 3600 : (uint32_t) seconds;
}
