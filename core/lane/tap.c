/* SPDX-License-Identifier: MIT */
/* Those who look at lanes. */
#include "tap_private.h"

#include "private.h"

#include "base/clock.h"
#include "base/cond.h"

#include <errno.h>
#include <stdlib.h>

static pthread_mutex_t ties = PTHREAD_MUTEX_INITIALIZER;

int
lane_tap_new(const struct lane_tap_spec *spec, struct lane_tap **out)
{
    struct lane_tap *t = *out = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->spec = *spec;
    pthread_mutex_init(&t->lock, NULL);
    cond_init(&t->changed);
    return 0;
}

void
lane_tap_free(struct lane_tap *t)
{
    if (!t)
        return;
    lane_tap_detach(t);
    batch_free(t->shadow);
    text_clear(&t->packed);
    text_clear(&t->masked);
    text_clear(&t->buffer);
    text_clear(&t->reading);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->changed);
    free(t);
}

/* --- at a lane ------------------------------------------------------------- */

static int
find_step(const struct lane *l, const char *name, long *out)
{
    *out = -1;
    for (size_t i = 0; name && i < l->spec.step_count; i++)
        if (!strcmp(l->spec.steps[i].name, name))
            *out = (long) i;
    return name && *out < 0 ? -ENOENT : 0;
}

/* With the lane's taps_lock. */
static void
note_wants(struct lane *l)
{
    unsigned want = 0;
    for (struct lane_tap *t = atomic_load(&l->taps); t; t = t->next)
        want |= t->spec.dropped ? LANE_TAPS_ENDED
                : t->after >= 0 ? LANE_TAPS_AFTER
                                : 0u;
    atomic_store(&l->taps_want, want);
}

int
lane_tap_attach(struct lane_tap *t, struct lane *l)
{
    long after;
    if (find_step(l, t->spec.after, &after))
        return -ENOENT;
    lane_tap_detach(t);
    pthread_mutex_lock(&ties);
    pthread_mutex_lock(&l->taps_lock);
    t->after = after;
    t->lane = l;
    t->paid_until_us = clock_monotonic_us();
    t->credit_ns = 0;
    t->events_x = 0;
    t->next = atomic_load(&l->taps);
    atomic_store(&l->taps, t);
    note_wants(l);
    pthread_mutex_unlock(&l->taps_lock);
    pthread_mutex_unlock(&ties);
    return 0;
}

/* With ties. */
static void
untie(struct lane_tap *t)
{
    struct lane *l = t->lane;
    pthread_mutex_lock(&l->taps_lock);
    struct lane_tap *first = atomic_load(&l->taps);
    if (first == t) {
        atomic_store(&l->taps, t->next);
    } else {
        while (first->next != t)
            first = first->next;
        first->next = t->next;
    }
    t->lane = NULL;
    note_wants(l);
    pthread_mutex_unlock(&l->taps_lock);
}

void
lane_tap_detach(struct lane_tap *t)
{
    pthread_mutex_lock(&ties);
    if (t->lane)
        untie(t);
    pthread_mutex_unlock(&ties);
}

int
lane_tap_attached(struct lane_tap *t)
{
    pthread_mutex_lock(&ties);
    int is = t->lane != NULL;
    pthread_mutex_unlock(&ties);
    return is;
}

void
lane_taps_end(struct lane *l)
{
    struct lane_tap *t;
    pthread_mutex_lock(&ties);
    while ((t = atomic_load(&l->taps)))
        untie(t);
    pthread_mutex_unlock(&ties);
}

/* --- reading --------------------------------------------------------------- */

/* What is in the buffer, and how much was not, once there is something. */
static void
take(struct lane_tap *t, uint32_t timeout_ms, uint64_t *skipped)
{
    const struct il_text was = t->reading;
    const int64_t until = clock_monotonic_us() + (int64_t) timeout_ms * 1000;
    pthread_mutex_lock(&t->lock);
    while (!t->buffer.len
           && cond_wait_until(&t->changed, &t->lock, until) != -ETIMEDOUT)
        ;
    t->reading = t->buffer;
    t->buffer = was;
    t->buffer.len = 0;
    *skipped = t->skipped;
    t->skipped = 0;
    pthread_mutex_unlock(&t->lock);
}

static struct slice
part(const char **p, uint32_t len)
{
    const char *at = *p;
    *p += len;
    return slice_of(at, len);
}

int
lane_tap_read(struct lane_tap *t, uint32_t timeout_ms,
              int (*fn)(void *arg, const struct lane_tapped *), void *arg,
              uint64_t *skipped)
{
    int stop = 0;
    take(t, timeout_ms, skipped);
    const char *p = t->reading.data, *end = p + t->reading.len;
    while (p < end && !stop) {
        struct lane_tap_head h;
        memcpy(&h, p, sizeof h);
        p += sizeof h;
        struct lane_tapped seen = { .position = h.position,
                                    .state = h.state,
                                    .attempt = h.attempt,
                                    .hidden = h.hidden };
        seen.event = part(&p, h.event);
        seen.step = part(&p, h.step);
        seen.plugin = part(&p, h.plugin);
        seen.code = part(&p, h.code);
        seen.message = part(&p, h.message);
        stop = fn(arg, &seen);
    }
    t->reading.len = 0;
    return stop;
}
