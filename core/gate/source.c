/* SPDX-License-Identifier: MIT */
/* Sources as the gate knows them: made, replaced by one of the same name when
 * the config is read again, and gone. */
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- making --------------------------------------------------------------- */

/* The list is walked under either lock. */
static void
list_lock(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    pthread_mutex_lock(&g->pending_lock);
}

static void
list_unlock(struct gate *g)
{
    pthread_mutex_unlock(&g->pending_lock);
    pthread_mutex_unlock(&g->lock);
}

static void
source_clear(struct gate_source *s)
{
    free(s->backlog);
    free(s->was_name);
    free(s->name);
    free(s);
}

int
gate_source_new(struct gate *g, const char *name, int undeclared,
                void (*settled)(void *self, uint64_t token, int outcome),
                void *self, struct gate_source **out)
{
    struct gate_source *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->gate = g;
    s->undeclared = undeclared;
    s->settled = settled;
    s->self = self;
    s->name = strdup(name);
    if (!s->name || gate_source_counters(s)) {
        source_clear(s);
        return -ENOMEM;
    }
    s->id = slice_of(s->name, strlen(s->name));
    list_lock(g);
    s->next = g->sources;
    g->sources = s;
    list_unlock(g);
    *out = s;
    return 0;
}

void
gate_source_declare(struct gate_source *s, const struct schema *schema)
{
    s->schema = schema;
}

void
gate_source_room(struct gate_source *s, void (*room)(void *self))
{
    s->room = room;
}

void
gate_source_reserve(struct gate_source *s)
{
    s->reserve = 1;
}

void
gate_source_limit(struct gate_source *s, const struct rate *rate)
{
    s->limit.bucket.rate = *rate;
}

int
gate_source_was(struct gate_source *s, const char *name)
{
    s->was_name = strdup(name);
    if (!s->was_name)
        return -ENOMEM;
    s->was = slice_of(s->was_name, strlen(s->was_name));
    return 0;
}

void
gate_source_ids_of_keys(struct gate_source *s)
{
    s->ids_of_keys = 1;
}

const char *
gate_source_name(const struct gate_source *s)
{
    return s->name;
}

struct gate_marks *
gate_source_marks(const struct gate_source *s)
{
    return s->gate->options.marks;
}


/* --- replacing ------------------------------------------------------------ */

static void
senders_follow(struct il_sender *to, const struct il_sender *from,
               int64_t now_ns)
{
    for (; to; to = gate_sender_next(to))
        for (const struct il_sender *s = from; s; s = gate_sender_next(s))
            if (!strcmp(s->id, to->id)) {
                rate_limit_follow(&to->limit, &s->limit, now_ns);
                rate_follow(&to->letters, &s->letters, now_ns);
                to->said = s->said;
            }
}

void
gate_source_follow(struct gate_source *s, struct il_sender *senders,
                   const struct gate_source *before,
                   const struct il_sender *senders_before)
{
    struct gate *g = s->gate;
    const int64_t now_ns = rate_now_ns();
    pthread_mutex_lock(&g->lock);
    rate_limit_follow(&s->limit, &before->limit, now_ns);
    s->said = before->said;
    senders_follow(senders, senders_before, now_ns);
    if (s->backlog && before->backlog && !s->begun)
        gate_backlog_follow(s->backlog, before->backlog);
    pthread_mutex_unlock(&g->lock);
}

void
gate_source_retire(struct gate_source *s)
{
    gate_backlog_end(s);
    list_lock(s->gate);
    s->retired = 1;
    list_unlock(s->gate);
}

void
gate_source_free(struct gate_source *s)
{
    struct gate *g = s->gate;
    gate_backlog_end(s);
    list_lock(g);
    struct gate_source **at = &g->sources;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    g->given_up -= s->waiting.counted;
    list_unlock(g);
    source_clear(s);
}
