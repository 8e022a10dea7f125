/* SPDX-License-Identifier: MIT */
/* Appending: frames gather in a buffer, the writer thread takes the buffer to
 * the disk as one group and tells whoever waits.
 *
 * Failures are told by a second thread, the announcer, so that a notify
 * function may wait for a lock whose owner is waiting in spool_append() for
 * room: the writer goes on meanwhile.  Successes, which need no lock, do
 * without its change of threads. */
#include "private.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#define TICK_US 2000000       /* housekeeping */
#define TICK_TROUBLE_US 250000 /* and while events are refused */
#define HINT_US 100000
#define BUFFER_KEEP (1u << 20) /* memory a buffer keeps after a large group */
#define GATHER_MAX (64u << 10) /* from here on a group is large enough */

static void
write_free_space(struct spool *s)
{
    struct statvfs v;
    if (fstatvfs(s->dirfd, &v) == 0)
        STORE(s->free_bytes, (uint64_t) v.f_bavail * v.f_frsize);
}

/* reserve: bytes that it may go past the limits. */
static int
refused(struct spool *s, uint64_t more, uint64_t reserve)
{
    if (s->stop)
        return -ESHUTDOWN;
    if (s->health)
        return s->health;
    if (s->failing)
        return -ENOSPC;
    uint64_t waiting = s->buffers[0].len + s->buffers[1].len + more;
    if (s->opt.max_bytes
        && LOAD(s->bytes) + LOAD(s->aside_bytes) + waiting > s->opt.max_bytes + reserve)
        return -ENOSPC;
    uint64_t free_bytes = s->opt.min_free > reserve ? s->opt.min_free - reserve
                                                    : 0;
    return LOAD(s->free_bytes) < free_bytes + waiting ? -ENOSPC : 0;
}

int
spool_refused(struct spool *s, uint64_t more)
{
    return refused(s, more, 0);
}

/* Tell the writer that the current buffer is waited for.  Under the lock.  Is
 * it to be woken? */
static int
push(struct spool *s)
{
    int wake = s->writer_idle;
    s->pushed = 1;
    s->writer_idle = 0;
    return wake;
}

static int
append(struct spool *s, const struct slice *bodies, uint32_t n, uint64_t *first,
       unsigned how)
{
    const uint64_t reserve = how & SPOOL_RESERVE ? s->opt.segment_bytes : 0;
    const int whole = (how & SPOOL_WHOLE) != 0;
    uint64_t need = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (bodies[i].len == 0 || bodies[i].len > FRAME_BODY_MAX)
            return -EMSGSIZE;
        need += frame_size(bodies[i].len);
    }
    if (need == 0 || need > s->opt.buffer_bytes)
        return -EMSGSIZE;
    pthread_mutex_lock(&s->lock);
    int rc;
    struct spool_buffer *b;
    while ((rc = refused(s, need, reserve)) == 0) {
        b = &s->buffers[s->current];
        if (b->len + need <= s->opt.buffer_bytes && !s->draining)
            break;
        if (push(s))
            pthread_cond_signal(&s->work);
        s->room_waiters++;
        pthread_cond_wait(&s->room, &s->lock);
        s->room_waiters--;
    }
    if (rc) {
        if (rc == -ENOSPC)
            s->refused = need;
        pthread_mutex_unlock(&s->lock);
        return rc;
    }
    if (b->count == 0)
        b->first = s->next;
    *first = s->next;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t flags =
            !whole ? 0 : (i ? FRAME_BEHIND : 0) | (i + 1 < n ? FRAME_MORE : 0);
        spool_frame_pack(b->data + b->len, s->seed, s->next++ | flags,
                         bodies[i].ptr, (uint32_t) bodies[i].len);
        b->len += frame_size(bodies[i].len);
    }
    b->count += n;
    int wake = !(how & SPOOL_GATHER) || b->len >= GATHER_MAX ? push(s) : 0;
    pthread_mutex_unlock(&s->lock);
    if (wake)
        pthread_cond_signal(&s->work);
    return 0;
}

int
spool_append(struct spool *s, const struct slice *bodies, uint32_t n,
             uint64_t *first)
{
    return append(s, bodies, n, first, 0);
}

int
spool_append_so(struct spool *s, const struct slice *bodies, uint32_t n,
                uint64_t *first, unsigned how)
{
    return append(s, bodies, n, first, how);
}

int
spool_gather(struct spool *s, const struct slice *bodies, uint32_t n,
             uint64_t *first)
{
    return append(s, bodies, n, first, SPOOL_GATHER);
}

int
spool_gather_whole(struct spool *s, const struct slice *bodies, uint32_t n,
                   uint64_t *first)
{
    return append(s, bodies, n, first, SPOOL_GATHER | SPOOL_WHOLE);
}

void
spool_push(struct spool *s)
{
    pthread_mutex_lock(&s->lock);
    int wake = s->buffers[s->current].count ? push(s) : 0;
    pthread_mutex_unlock(&s->lock);
    if (wake)
        pthread_cond_signal(&s->work);
}

void
spool_flush(struct spool *s, uint32_t timeout_us)
{
    int64_t until_us = clock_monotonic_us() + timeout_us;
    pthread_mutex_lock(&s->lock);
    uint64_t last = s->next - 1;
    if (s->buffers[s->current].count && push(s))
        pthread_cond_signal(&s->work);
    s->flushers++;
    while (LOAD(s->durable) < last && !s->health && !s->failing
           && cond_wait_until(&s->synced, &s->lock, until_us) == 0)
        ;
    s->flushers--;
    pthread_mutex_unlock(&s->lock);
}

int
spool_advance(struct spool *s, uint64_t position)
{
    if (position > SPOOL_POSITION_MAX)
        return -ERANGE;
    pthread_mutex_lock(&s->lock);
    if (position < s->next) {
        pthread_mutex_unlock(&s->lock);
        return 0;
    }
    /* Positions within a group have no gaps: what waits goes out first. */
    s->draining++;
    if (s->buffers[s->current].count && push(s))
        pthread_cond_signal(&s->work);
    while (s->buffers[0].count || s->buffers[1].count) {
        s->room_waiters++;
        pthread_cond_wait(&s->room, &s->lock);
        s->room_waiters--;
    }
    s->draining--;
    if (position >= s->next) {
        log_error("spool: %s ends at position %" PRIu64 ", but %" PRIu64
                  " was already given out: positions between are lost, new "
                  "events begin at %" PRIu64, s->dir, s->next - 1, position,
                  position + 1);
        ADD(s->damaged, 1);
        s->next = position + 1;
        s->prev_last = position;
        s->start_segment = 1;
    }
    pthread_cond_broadcast(&s->room);
    pthread_mutex_unlock(&s->lock);
    return 0;
}

/* A group could not be written: it and everything behind it never was.  Under
 * the lock. */
static void
write_failed(struct spool *s, uint64_t first, int error, int final)
{
    s->refused = s->buffers[0].len + s->buffers[1].len;
    for (int i = 0; i < 2; i++)
        s->buffers[i].len = s->buffers[i].count = 0;
    s->next = first;
    s->failing = final ? -EIO : -ENOSPC;
    s->health = s->failing;
    s->cause = error;
    if (final)
        snprintf(s->why, sizeof s->why,
                 "cannot sync %.150s: %s; the process must be restarted",
                 s->dir, strerror(-error));
    else
        snprintf(s->why, sizeof s->why, "cannot write to %.150s: %s", s->dir,
                 strerror(-error));
    log_error("spool: %s", s->why);
    pthread_cond_broadcast(&s->room);
    pthread_cond_broadcast(&s->synced);
    pthread_cond_signal(&s->news);
}

static void
tell(struct spool *s, int notifiers, uint64_t up_to, int error)
{
    for (int i = 0; i < notifiers; i++)
        s->notifiers[i].fn(s->notifiers[i].arg, up_to, error);
}

/* Take the buffer that appends go to, and write it.  Called and returns with
 * the lock. */
static void
write_one(struct spool *s)
{
    struct spool_buffer *b = &s->buffers[s->current];
    s->current ^= 1;
    s->pushed = 0;
    int notifiers = s->notifier_count;
    if (s->room_waiters)
        pthread_cond_broadcast(&s->room);
    pthread_mutex_unlock(&s->lock);

    int final;
    int rc = spool_group_write(s, b, &final);
    if (!rc)
        tell(s, notifiers, LOAD(s->durable), 0);
    if (b->len > BUFFER_KEEP)
        madvise(b->data + BUFFER_KEEP, s->opt.buffer_bytes - BUFFER_KEEP,
                MADV_DONTNEED);

    pthread_mutex_lock(&s->lock);
    if (rc) {
        write_failed(s, b->first, rc, final);
        return;
    }
    b->len = b->count = 0;
    if (s->draining)
        pthread_cond_broadcast(&s->room);
    if (s->flushers)
        pthread_cond_broadcast(&s->synced);
}

/* While events are refused: look whether they still have to be. */
static void
write_probe(struct spool *s)
{
    pthread_mutex_unlock(&s->lock);
    write_free_space(s);
    int rc = spool_group_probe(s);
    pthread_mutex_lock(&s->lock);
    if (rc || s->failing || s->health != -ENOSPC)
        return;
    s->health = s->cause = 0;
    s->why[0] = '\0';
    log_info("spool: %s can be written again", s->dir);
}

static void
write_tick(struct spool *s)
{
    int64_t now = clock_monotonic_us();
    if (s->health == -ENOSPC && now - s->probe_us >= TICK_TROUBLE_US) {
        s->probe_us = now;
        write_probe(s);
    }
    int trouble = s->refused != 0;
    int64_t every = trouble ? TICK_TROUBLE_US : TICK_US;
    int housekeeping = s->retain_now || now - s->tick_us >= every;
    int hint = now - s->hint_us >= HINT_US;
    if (!housekeeping && !hint)
        return;
    s->retain_now = 0;
    pthread_mutex_unlock(&s->lock);
    write_free_space(s);
    if (trouble && LOAD(s->aside_bytes))
        spool_damage_measure(s); /* somebody may have made room */
    uint64_t last = LOAD(s->durable);
    if (last != s->hinted) {
        spool_hint_write(s, last);
        s->hinted = last;
    }
    s->hint_us = now;
    if (housekeeping) {
        s->tick_us = now;
        spool_retain_tick(s, now);
    }
    pthread_mutex_lock(&s->lock);
    /* Stays until what was refused would fit: /readyz must not flap. */
    if (s->refused && spool_refused(s, s->refused) == 0)
        s->refused = 0;
}

static void
write_wait(struct spool *s)
{
    int trouble = s->health == -ENOSPC || s->refused;
    int64_t us = trouble ? TICK_TROUBLE_US : TICK_US;
    if (LOAD(s->durable) != s->hinted)
        us = HINT_US;
    us += clock_monotonic_us();
    s->writer_idle = 1;
    if (cond_wait_until(&s->work, &s->lock, us))
        s->pushed = s->buffers[s->current].count > 0;
    s->writer_idle = 0;
}

static void *
write_thread(void *arg)
{
    struct spool *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        if (s->buffers[s->current].count && (s->pushed || s->stop))
            write_one(s);
        else if (s->stop)
            break;
        else
            write_wait(s);
        write_tick(s);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void *
announce_failures(void *arg)
{
    struct spool *s = arg;
    int told = 0; /* a final error, told once */
    pthread_mutex_lock(&s->lock);
    for (;;) {
        int error = told ? 0 : s->failing;
        if (!error) {
            if (s->announce_stop)
                break;
            pthread_cond_wait(&s->news, &s->lock);
            continue;
        }
        int notifiers = s->notifier_count;
        pthread_mutex_unlock(&s->lock);
        tell(s, notifiers, LOAD(s->durable), error);
        pthread_mutex_lock(&s->lock);
        if (error == -EIO)
            told = 1;
        else if (error)
            s->failing = 0;
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

int
spool_notify(struct spool *s, void (*fn)(void *, uint64_t, int), void *arg)
{
    int rc = -ENOMEM;
    pthread_mutex_lock(&s->lock);
    if (s->notifier_count < SPOOL_NOTIFIERS) {
        s->notifiers[s->notifier_count].fn = fn;
        s->notifiers[s->notifier_count++].arg = arg;
        rc = 0;
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

int
spool_write_start(struct spool *s)
{
    for (int i = 0; i < 2; i++) {
        s->buffers[i].data =
            mmap(NULL, s->opt.buffer_bytes + SEGMENT_PAD_MAX,
                 PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (s->buffers[i].data == MAP_FAILED) {
            s->buffers[i].data = NULL;
            return -ENOMEM;
        }
    }
    write_free_space(s);
    s->hinted = LOAD(s->durable);
    /* Signals are for the main thread; SIGXFSZ must not end the process. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&s->writer, NULL, write_thread, s);
    if (!rc) {
        s->threads = 1;
        rc = pthread_create(&s->announcer, NULL, announce_failures, s);
    }
    if (!rc)
        s->threads = 2;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

void
spool_write_stop(struct spool *s)
{
    pthread_mutex_lock(&s->lock);
    s->stop = 1;
    pthread_cond_signal(&s->work);
    pthread_cond_broadcast(&s->room);
    pthread_mutex_unlock(&s->lock);
    if (s->threads >= 1)
        pthread_join(s->writer, NULL);
    pthread_mutex_lock(&s->lock);
    s->announce_stop = 1;
    pthread_cond_signal(&s->news);
    pthread_mutex_unlock(&s->lock);
    if (s->threads == 2)
        pthread_join(s->announcer, NULL);
    for (int i = 0; i < 2; i++)
        if (s->buffers[i].data)
            munmap(s->buffers[i].data, s->opt.buffer_bytes + SEGMENT_PAD_MAX);
}
