/* SPDX-License-Identifier: MIT */
/* The test host: batches at a destination, and what becomes of them. */
#include <config.h>

#include "private.h"
#include "plugin/enter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Behind one that failed, or before one that fails, all taken later come again:
 * what was settled otherwise would be delivered out of order.  Events that come
 * to ends of their own have no such order.  With the lock held. */
static int
out_of_order(const struct testhost *t, const struct flight *settled)
{
    if (t->host.plugin->desc.flags & IL_PER_EVENT)
        return 0;
    int failed = settled->outcome != IL_OK && settled->outcome != IL_REJECT;
    for (const struct flight *f = t->away; f; f = f->next) {
        int before = f->number < settled->number;
        if (f == settled || !f->settled || !f->number || !settled->number)
            continue;
        int other = f->outcome != IL_OK && f->outcome != IL_REJECT;
        if ((before && other && !failed) || (!before && failed && !other))
            return 1;
    }
    return 0;
}

static void
api_settle(struct il_ack *ack, int outcome, const char *why)
{
    struct flight *f = ack->flight;
    struct testhost *t = f->t;
    const char *fault = NULL;
    pthread_mutex_lock(&t->lock);
    int mine = f->ack == ack && !ack->dead;
    if (mine)
        f->settled++;
    if (ack->dead)
        fault = NULL;
    else if (ack->settled)
        fault = "settles a batch twice";
    else if (ack->refused)
        fault = "settles a batch that write() did not take";
    else if (outcome < IL_OK || outcome > IL_SET_BACK)
        fault = "settles a batch with an outcome that there is not";
    if (mine && !ack->settled && !ack->refused) {
        f->outcome =
            outcome < IL_OK || outcome > IL_SET_BACK ? IL_RETRY : outcome;
        snprintf(f->why, sizeof(f->why), "%s", why ? why : "");
        testhost_flight_enter(f, PHASE_NONE);
        if (out_of_order(t, f))
            fault = "settles a batch IL_OK behind one that failed";
        pthread_cond_broadcast(&t->changed);
    }
    ack->settled = 1;
    pthread_mutex_unlock(&t->lock);
    if (fault)
        testhost_violate(t, "%s", fault);
}

static int
by_position(const void *a, const void *b)
{
    const struct letter *x = a, *y = b;
    return (x->position > y->position) - (x->position < y->position);
}

/* As the host: the letters of this batch are the marked events, and what there
 * is of those that are kept.  With the lock held. */
static void
letters_settle(struct testhost *t, const struct il_batch *b)
{
    size_t n = 0;
    struct letter *now = calloc(t->letter_count + b->count + 1, sizeof(*now));
    if (!now)
        return;
    for (size_t k = 0; k < t->letter_count; k++) {
        uint32_t i = 0;
        while (i < b->count && b->events[i].position != t->letters[k].position)
            i++;
        if (i == b->count || b->events[i].kept)
            now[n++] = t->letters[k];
    }
    for (uint32_t i = 0; i < b->count; i++) {
        const struct batch_event *e = &b->events[i];
        if (e->kept || !e->reason)
            continue;
        now[n].position = e->position;
        snprintf(now[n++].code, sizeof(now->code), "%s", e->reason->code);
    }
    qsort(now, n, sizeof(*now), by_position);
    free(t->letters);
    t->letters = now;
    t->letter_count = n;
}

static int
api_prepare(struct il_batch *b)
{
    const struct flight *f = b->lane;
    struct testhost *t = f->t;
    if (atomic_load(&t->dead))
        return -EIO;
    if (atomic_load(&f->phase) != PHASE_DESTINATION) {
        testhost_violate(t, "il_prepare() of a batch that it does not have");
        return -EPERM;
    }
    pthread_mutex_lock(&t->lock);
    t->prepared++;
    int err = t->prepare_error;
    if (!err)
        letters_settle(t, b);
    pthread_mutex_unlock(&t->lock);
    return err;
}

const char *
testhost_letters(struct testhost *t)
{
    struct il_text *out = &t->shown[SHOW_LETTERS];
    char one[64];
    out->len = 0;
    for (size_t k = 0; k < t->letter_count; k++) {
        snprintf(one, sizeof(one), "%llu:%s ",
                 (unsigned long long) t->letters[k].position,
                 t->letters[k].code);
        text_put(out, one, strlen(one));
    }
    return text_str(out);
}

/* Hand a batch over.  0, or what write() returned. */
static int
depart(struct testhost *t, struct flight *f)
{
    struct il_ack *ack = calloc(1, sizeof(*ack));
    if (!ack)
        return -ENOMEM;
    if (f->batch->sealed)
        batch_rewind(f->batch);
    else
        batch_seal(f->batch);
    ack->api = testhost_table();
    ack->flight = f;
    pthread_mutex_lock(&t->lock);
    ack->next = t->acks;
    t->acks = ack;
    f->ack = ack;
    f->settled = f->passed = 0;
    f->why[0] = 0;
    pthread_mutex_unlock(&t->lock);
    testhost_flight_enter(f, PHASE_DESTINATION);
    struct instance_was was = instance_enter(&t->host, "write()");
    int err = t->host.plugin->desc.write(t->host.self, f->batch, ack);
    instance_leave(was);
    if (!err)
        return 0;
    pthread_mutex_lock(&t->lock);
    int settled = ack->settled;
    ack->refused = 1;
    pthread_mutex_unlock(&t->lock);
    if (err > 0)
        testhost_violate(t, "write(): returned %d, which is no negative errno",
                         err);
    if (settled) {
        testhost_violate(t, "write(): settled a batch and then returned an "
                            "error");
        return 0; /* what was settled holds */
    }
    testhost_flight_enter(f, PHASE_NONE);
    return err;
}

/* The outcome, or -ETIMEDOUT. */
static int
await(struct testhost *t, struct flight *f, uint32_t timeout_ms)
{
    struct timespec until;
    int err = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long) (timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&t->lock);
    while (!f->settled && !err)
        err = -pthread_cond_timedwait(&t->changed, &t->lock, &until);
    if (f->settled)
        err = f->outcome;
    if (f->settled && err == IL_OK && !f->passed++)
        letters_settle(t, f->batch);
    pthread_mutex_unlock(&t->lock);
    return err;
}

int
testhost_write(struct testhost *t, uint32_t timeout_ms)
{
    int err = depart(t, t->current);
    return err ? err : await(t, t->current, timeout_ms);
}

int
testhost_write_async(struct testhost *t)
{
    struct flight *f = t->current, *next = testhost_flight_new(t);
    if (!next)
        return -ENOMEM;
    f->number = ++t->flight_count;
    int err = depart(t, f);
    if (err) {
        testhost_flight_free(next);
        f->number = 0;
        return err;
    }
    pthread_mutex_lock(&t->lock);
    f->next = t->away;
    t->away = f;
    pthread_mutex_unlock(&t->lock);
    t->current = next;
    return f->number;
}

static struct flight *
find_away(struct testhost *t, int number)
{
    struct flight *f = t->away;
    while (f && f->number != number)
        f = f->next;
    return f;
}

int
testhost_await(struct testhost *t, int number, uint32_t timeout_ms)
{
    struct flight *f = find_away(t, number);
    return f ? await(t, f, timeout_ms) : -ENOENT;
}

int
testhost_take_back(struct testhost *t, int number)
{
    struct flight *f = find_away(t, number);
    if (!f)
        return -ENOENT;
    pthread_mutex_lock(&t->lock);
    struct flight **at = &t->away;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    f->next = NULL;
    f->number = 0;
    pthread_mutex_unlock(&t->lock);
    /* What was there is kept until the end: a late call may still look at
     * it. */
    t->current->next = t->gone;
    t->gone = t->current;
    t->current = f;
    return 0;
}

void
testhost_lose_batches(struct testhost *t)
{
    pthread_mutex_lock(&t->lock);
    for (struct il_ack *a = t->acks; a; a = a->next)
        a->dead |= !a->settled;
    pthread_mutex_unlock(&t->lock);
}

void
testhost_unsettled(struct testhost *t)
{
    int left = 0;
    pthread_mutex_lock(&t->lock);
    for (const struct il_ack *a = t->acks; a; a = a->next)
        left += !a->settled && !a->refused && !a->dead && a->flight->ack == a;
    pthread_mutex_unlock(&t->lock);
    if (left)
        testhost_violate(t, "stop(): %d batch%s not settled", left,
                         left == 1 ? " is" : "es are");
    testhost_lose_batches(t);
}

const char *
testhost_why(struct testhost *t)
{
    return t->current->why;
}

int
testhost_settled(struct testhost *t)
{
    pthread_mutex_lock(&t->lock);
    int n = t->current->settled;
    pthread_mutex_unlock(&t->lock);
    return n;
}

void
testhost_fail_prepare(struct testhost *t, int err)
{
    pthread_mutex_lock(&t->lock);
    t->prepare_error = err;
    pthread_mutex_unlock(&t->lock);
}

int
testhost_prepared(struct testhost *t)
{
    pthread_mutex_lock(&t->lock);
    int n = t->prepared;
    pthread_mutex_unlock(&t->lock);
    return n;
}

void
testhost_fill_delivery(struct il_api *api)
{
    api->settle = api_settle;
    api->prepare = api_prepare;
}
