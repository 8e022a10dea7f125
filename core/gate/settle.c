/* SPDX-License-Identifier: MIT */
/* What sources hear of what they emitted: a thread of the gate tells them what
 * has become durable, and when there is room again. */
#include "config.h"

#include "private.h"
#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>

/* Whether there is room is looked at so often. */
#define ROOM_EVERY_NS 100000000

void
gate_settler_wake(struct gate *g)
{
    pthread_mutex_lock(&g->pending_lock);
    if (g->pending || g->sleepers)
        pthread_cond_broadcast(&g->pending_wake);
    pthread_mutex_unlock(&g->pending_lock);
}

int
gate_wait(struct gate *g, const struct gate_ticket *t)
{
    int outcome;
    pthread_mutex_lock(&g->pending_lock);
    g->sleepers++;
    while ((outcome = gate_outcome(g, t)) == 0)
        pthread_cond_wait(&g->pending_wake, &g->pending_lock);
    g->sleepers--;
    pthread_mutex_unlock(&g->pending_lock);
    return outcome < 0 ? outcome : 0;
}

/* --- settled() ------------------------------------------------------------ */

int
gate_pend(struct gate_pending *p)
{
    struct gate_source *s = p->ticket.source;
    struct gate *g = s->gate;
    pthread_mutex_lock(&g->pending_lock);
    int gone = s->waiting.given_up || g->settler_stop;
    if (!gone) {
        p->next = NULL;
        *g->pending_end = p;
        g->pending_end = &p->next;
        s->waiting.unsettled++;
        if (g->pending == p)
            pthread_cond_broadcast(&g->pending_wake);
    }
    pthread_mutex_unlock(&g->pending_lock);
    return gone ? -ESHUTDOWN : 0;
}

/* The first that is decided, in the order of the list: sources hear in the
 * order they emitted in.  Holds pending_lock. */
static struct gate_pending *
take_decided(struct gate *g, int *outcome)
{
    struct gate_pending **at = &g->pending, *p;
    while ((p = *at)) {
        *outcome = gate_outcome(g, &p->ticket);
        if (*outcome || g->settler_stop || p->ticket.source->waiting.given_up)
            break;
        if (!g->given_up)
            return NULL;
        at = &p->next;
    }
    if (!p)
        return NULL;
    *at = p->next;
    if (!p->next)
        g->pending_end = at;
    return p;
}

/* The lock is given up meanwhile. */
static void
settle(struct gate *g, struct gate_pending *p, int outcome)
{
    struct gate_source *s = p->ticket.source;
    pthread_mutex_unlock(&g->pending_lock);
    if (g->options.marks)
        gate_marks_apply(g->options.marks);
    gate_ticket_done(&p->ticket, outcome);
    s->settled(s->self, p->token, outcome > 0 ? IL_OK : IL_RETRY);
    free(p);
    pthread_mutex_lock(&g->pending_lock);
    s->waiting.unsettled--;
    if (s->waiting.closed)
        pthread_cond_broadcast(&g->pending_wake);
}

/* --- room() --------------------------------------------------------------- */

void
gate_wants_room(struct gate_source *s, int64_t not_before_ns)
{
    struct gate *g = s->gate;
    if (!s->room)
        return;
    pthread_mutex_lock(&g->pending_lock);
    if (!s->waiting.closed) {
        if (!s->waiting.wants_room || s->waiting.room_ns > not_before_ns)
            s->waiting.room_ns = not_before_ns;
        g->want_room += !s->waiting.wants_room;
        s->waiting.wants_room = 1;
        pthread_cond_broadcast(&g->pending_wake);
    }
    pthread_mutex_unlock(&g->pending_lock);
}

/* One whose time has come, or *next_ns: when that is.  Holds pending_lock. */
static struct gate_source *
find_wanting(struct gate *g, int64_t *next_ns)
{
    int64_t now = rate_now_ns();
    *next_ns = INT64_MAX;
    if (!g->want_room)
        return NULL;
    for (struct gate_source *s = g->sources; s; s = s->next) {
        if (!s->waiting.wants_room)
            continue;
        if (s->waiting.room_ns <= now)
            return s;
        if (s->waiting.room_ns < *next_ns)
            *next_ns = s->waiting.room_ns;
    }
    return NULL;
}

static int
there_is_room(struct gate_source *s)
{
    struct gate *g = s->gate;
    if (spool_health(g->options.spool))
        return 0;
    pthread_mutex_lock(&g->lock);
    int room = !s->backlog
               || gate_backlog_bytes(s->backlog, clock_monotonic_us())
                      < s->backlog->max;
    pthread_mutex_unlock(&g->lock);
    return room;
}

/* The lock is given up meanwhile. */
static void
try_room(struct gate *g, struct gate_source *s)
{
    s->waiting.calling = 1;
    pthread_mutex_unlock(&g->pending_lock);
    int room = there_is_room(s);
    pthread_mutex_lock(&g->pending_lock);
    if (!room || s->waiting.closed) {
        s->waiting.room_ns = rate_now_ns() + ROOM_EVERY_NS;
    } else {
        s->waiting.wants_room = 0;
        g->want_room--;
        pthread_mutex_unlock(&g->pending_lock);
        s->room(s->self);
        pthread_mutex_lock(&g->pending_lock);
    }
    s->waiting.calling = 0;
    if (s->waiting.closed)
        pthread_cond_broadcast(&g->pending_wake);
}

/* --- the thread ----------------------------------------------------------- */

static void
settler_wait(struct gate *g, int64_t until_ns)
{
    if (until_ns == INT64_MAX) {
        pthread_cond_wait(&g->pending_wake, &g->pending_lock);
        return;
    }
    struct timespec t = { until_ns / 1000000000, until_ns % 1000000000 };
    pthread_cond_timedwait(&g->pending_wake, &g->pending_lock, &t);
}

static void *
settler_run(void *arg)
{
    struct gate *g = arg;
    int64_t next_ns;
    int outcome;
    pthread_setname_np(pthread_self(), "gate-settle");
    pthread_mutex_lock(&g->pending_lock);
    for (;;) {
        struct gate_pending *p = take_decided(g, &outcome);
        struct gate_source *s = p ? NULL : find_wanting(g, &next_ns);
        if (p)
            settle(g, p, outcome);
        else if (g->settler_stop)
            break;
        else if (s)
            try_room(g, s);
        else
            settler_wait(g, next_ns);
    }
    pthread_mutex_unlock(&g->pending_lock);
    return NULL;
}

int
gate_settler_start(struct gate *g)
{
    int err = pthread_create(&g->settler, NULL, settler_run, g);
    g->settler_runs = !err;
    return -err;
}

void
gate_settler_stop(struct gate *g)
{
    pthread_mutex_lock(&g->pending_lock);
    g->settler_stop = 1;
    pthread_cond_broadcast(&g->pending_wake);
    int runs = g->settler_runs;
    g->settler_runs = 0;
    pthread_mutex_unlock(&g->pending_lock);
    if (runs)
        pthread_join(g->settler, NULL);
}

/* --- whoever emits ------------------------------------------------------- */

int
gate_source_enter(struct gate_source *s)
{
    struct gate *g = s->gate;
    pthread_mutex_lock(&g->pending_lock);
    int closed = s->waiting.closed || g->settler_stop;
    s->waiting.emitting += !closed;
    pthread_mutex_unlock(&g->pending_lock);
    return closed ? -ESHUTDOWN : 0;
}

void
gate_source_leave(struct gate_source *s)
{
    struct gate *g = s->gate;
    pthread_mutex_lock(&g->pending_lock);
    s->waiting.emitting--;
    if (s->waiting.closed)
        pthread_cond_broadcast(&g->pending_wake);
    pthread_mutex_unlock(&g->pending_lock);
}

/* --- a source's end ------------------------------------------------------- */

/* Wait until none of these is left, or the deadline (0: none).  Holds
 * pending_lock. */
static void
wait_for_none(struct gate *g, const uint32_t *n, const int *flag,
              int64_t deadline_us)
{
    while (*n || (flag && *flag)) {
        int64_t left = deadline_us - clock_monotonic_us();
        struct timespec t;
        if (!deadline_us) {
            pthread_cond_wait(&g->pending_wake, &g->pending_lock);
            continue;
        }
        if (left <= 0)
            return;
        gate_deadline(&t, left);
        pthread_cond_timedwait(&g->pending_wake, &g->pending_lock, &t);
    }
}

/* Once the deadline is over a call that still emits, waiting for a disk, is not
 * waited for: what it emitted is not settled any more. */
void
gate_source_close(struct gate_source *s, int64_t deadline_us)
{
    struct gate *g = s->gate;
    struct gate_waiting *w = &s->waiting;
    pthread_mutex_lock(&g->pending_lock);
    if (w->given_up || !g->settler_runs) {
        w->closed = w->given_up = 1;
        pthread_mutex_unlock(&g->pending_lock);
        return;
    }
    w->closed = 1;
    g->want_room -= w->wants_room != 0;
    w->wants_room = 0;
    wait_for_none(g, &w->emitting, NULL, deadline_us);
    int more = w->unsettled != 0;
    pthread_mutex_unlock(&g->pending_lock);
    int64_t left = deadline_us - clock_monotonic_us();
    if (more && left > 0)
        spool_flush(g->options.spool,
                    left > UINT32_MAX ? UINT32_MAX : (uint32_t) left);
    pthread_mutex_lock(&g->pending_lock);
    wait_for_none(g, &w->unsettled, NULL, deadline_us);
    w->given_up = w->counted = 1;
    g->given_up++;
    pthread_cond_broadcast(&g->pending_wake);
    wait_for_none(g, &w->unsettled, &w->calling, 0);
    pthread_mutex_unlock(&g->pending_lock);
}
