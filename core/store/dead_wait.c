/* SPDX-License-Identifier: MIT */
/* Refusals that wait to be written: a list for each key of each source, so that
 * where there is no room the oldest goes of the key that has most, of the source
 * that has most (dead_share.c does so with what is written). */
#include "dead_wait.h"

#include <stdlib.h>
#include <string.h>

struct dead_wait_source {
    struct dead_wait_source *next;
    size_t bytes;
    char lane[];
};

struct dead_wait_list {
    struct dead_wait_list *next;
    struct dead_wait_source *source;
    struct dead_refusal *first, **tail;
    size_t bytes;
    char id[];
};

size_t
dead_refusal_cost(const struct dead_refusal *r)
{
    return sizeof *r + r->size;
}

static struct dead_wait_source *
source_of(struct dead_wait *w, const char *lane)
{
    struct dead_wait_source *s = w->sources;
    while (s && strcmp(s->lane, lane) != 0)
        s = s->next;
    if (s)
        return s;
    size_t len = strlen(lane) + 1;
    s = calloc(1, sizeof *s + len);
    if (!s)
        return NULL;
    memcpy(s->lane, lane, len);
    s->next = w->sources;
    return w->sources = s;
}

struct dead_wait_list *
dead_wait_list(struct dead_wait *w, const char *lane, const char *id)
{
    struct dead_wait_list *l = w->lists;
    id = id ? id : "";
    while (l && (strcmp(l->id, id) != 0 || strcmp(l->source->lane, lane) != 0))
        l = l->next;
    if (l)
        return l;
    size_t len = strlen(id) + 1;
    struct dead_wait_source *s = source_of(w, lane);
    l = s ? calloc(1, sizeof *l + len) : NULL;
    if (!l)
        return NULL;
    memcpy(l->id, id, len);
    l->source = s;
    l->tail = &l->first;
    l->next = w->lists;
    return w->lists = l;
}

static struct dead_refusal *
pop(struct dead_wait *w, struct dead_wait_list *l)
{
    struct dead_refusal *r = l->first;
    size_t cost = dead_refusal_cost(r);
    l->first = r->next;
    if (!l->first)
        l->tail = &l->first;
    l->bytes -= cost;
    l->source->bytes -= cost;
    w->bytes -= cost;
    return r;
}

static struct dead_wait_list *
largest(const struct dead_wait *w)
{
    struct dead_wait_source *s = w->sources;
    struct dead_wait_list *found = NULL;
    for (struct dead_wait_source *o = s; o; o = o->next)
        if (o->bytes > s->bytes)
            s = o;
    for (struct dead_wait_list *l = w->lists; l; l = l->next)
        if (l->source == s && l->first && (!found || l->bytes > found->bytes))
            found = l;
    return found;
}

uint64_t
dead_wait_push(struct dead_wait *w, struct dead_refusal *r, size_t max)
{
    struct dead_wait_list *l = r->list;
    size_t cost = dead_refusal_cost(r);
    uint64_t gone = 0;
    r->next = NULL;
    *l->tail = r;
    l->tail = &r->next;
    l->bytes += cost;
    l->source->bytes += cost;
    w->bytes += cost;
    while (w->bytes > max && (l = largest(w)) && l->first != r) {
        free(pop(w, l));
        gone++;
    }
    return gone;
}

struct dead_refusal *
dead_wait_pop(struct dead_wait *w)
{
    struct dead_wait_list *oldest = NULL;
    for (struct dead_wait_list *l = w->lists; l; l = l->next)
        if (l->first && (!oldest || l->first->number < oldest->first->number))
            oldest = l;
    return oldest ? pop(w, oldest) : NULL;
}

void
dead_wait_clear(struct dead_wait *w)
{
    for (struct dead_refusal *r; (r = dead_wait_pop(w));)
        free(r);
    for (struct dead_wait_list *l = w->lists, *next; l; l = next) {
        next = l->next;
        free(l);
    }
    for (struct dead_wait_source *s = w->sources, *next; s; s = next) {
        next = s->next;
        free(s);
    }
    *w = (struct dead_wait){ 0 };
}
