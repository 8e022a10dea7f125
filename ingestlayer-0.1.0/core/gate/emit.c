/* SPDX-License-Identifier: MIT */
/* il_emit(): events of sources that fetch them by themselves.  A thread of the
 * gate tells them what has become durable. */
#include "config.h"

#include "private.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* Take out of the list what is decided.  Holds pending_lock. */
static struct gate_pending *
take_decided(struct gate *g)
{
    struct gate_pending *decided = NULL, **last = &decided;
    struct gate_pending **at = &g->pending;
    while (*at) {
        struct gate_pending *p = *at;
        if (!g->settler_stop && gate_outcome(g, &p->ticket) == 0) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        p->next = NULL;
        *last = p;
        last = &p->next;
    }
    return decided;
}

static void *
settler_run(void *arg)
{
    struct gate *g = arg;
    pthread_setname_np(pthread_self(), "gate-settle");
    pthread_mutex_lock(&g->pending_lock);
    for (;;) {
        struct gate_pending *p = take_decided(g);
        if (!p && g->settler_stop)
            break;
        if (!p) {
            pthread_cond_wait(&g->pending_wake, &g->pending_lock);
            continue;
        }
        pthread_mutex_unlock(&g->pending_lock);
        while (p) {
            struct gate_pending *next = p->next;
            struct gate_source *s = p->ticket.source;
            int durable = gate_outcome(g, &p->ticket);
            gate_ticket_done(&p->ticket, durable);
            s->settled(s->self, p->token, durable > 0 ? IL_OK : IL_RETRY);
            free(p);
            p = next;
        }
        pthread_mutex_lock(&g->pending_lock);
    }
    pthread_mutex_unlock(&g->pending_lock);
    return NULL;
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

/* At the end of the list: sources hear in the order they emitted in. */
static int
pend(struct gate *g, struct gate_pending *p)
{
    pthread_mutex_lock(&g->pending_lock);
    if (!g->settler_runs && !g->settler_stop)
        g->settler_runs
            = pthread_create(&g->settler, NULL, settler_run, g) == 0;
    int runs = g->settler_runs;
    if (runs) {
        struct gate_pending **at = &g->pending;
        while (*at)
            at = &(*at)->next;
        *at = p;
        pthread_cond_broadcast(&g->pending_wake);
    }
    pthread_mutex_unlock(&g->pending_lock);
    return runs ? 0 : -EAGAIN;
}

int
gate_emit(struct gate_source *s, const struct il_emission *e)
{
    struct gate *g = s->gate;
    struct gate_pending *p = NULL;
    struct gate_batch *b = gate_batch_take(g, s);
    int err = b ? gate_take(b, e->events, e->count, e->event_size) : -ENOMEM;
    uint32_t upserts = err ? 0 : gate_upsert_wanted(b);
    if (upserts)
        err = gate_limit_first(b, upserts);
    if (upserts && !err)
        err = gate_upsert_now(b);
    if (!err && b->refused < b->count) {
        p = s->settled ? calloc(1, sizeof(*p)) : NULL;
        err = s->settled && !p ? -ENOMEM : gate_commit(b);
        spool_push(g->options.spool);
    }
    if (!err) {
        gate_keep_refused(b);
        if (b->count && b->refused == b->count)
            err = -EINVAL;
    }
    if (!err && p) {
        gate_ticket_fill(b, &p->ticket);
        p->token = e->token;
        err = pend(g, p);
    } else if (!err && !s->settled) {
        metric_add(s->accepted, b->accepted);
        metric_add(s->duplicates, b->duplicates);
    }
    if (err)
        free(p);
    if (b)
        gate_batch_give(b);
    return err && err != -EINVAL && err != -EMSGSIZE ? -EAGAIN : err;
}
