/* SPDX-License-Identifier: MIT */
/* The events that are asked for, in the spool. */
#include "private.h"
#include "progress.h"
#include "why.h"

#include "lang/expr.h"
#include "spool/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- where to look --------------------------------------------------------- */

/* The ULID in an id that the gate made: since 1970, in ms; -1: it is none. */
static int64_t
made_at_ms(const char *id)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    int64_t ms = 0;
    if (strlen(id) != EVENT_MADE_ID || strncmp(id, "evt_", 4))
        return -1;
    for (int i = 0; i < 26; i++) {
        const char *d = strchr(digits, id[4 + i]);
        if (!d || !*d)
            return -1;
        if (i < 10)
            ms = ms << 5 | (d - digits);
    }
    return ms;
}

/* --- looking --------------------------------------------------------------- */

struct looking {
    struct why *w;
    int at_once; /* there is one at most */
    uint64_t begin; /* the first position of the walk; 0: it has not begun */
    struct command_progress progress;
};

/* 0, or -EINTR. */
static int
is_at(struct looking *l, uint64_t position)
{
    if (!l->begin) {
        l->begin = position;
        l->progress.total =
            l->w->last >= position ? l->w->last - position + 1 : 0;
    }
    return command_progress_at(&l->progress, position - l->begin + 1);
}

int
command_why_is_asked_for(const struct why *w, uint64_t position,
                         const struct event *ev)
{
    struct batch_event e = { .ev = *ev, .position = position };
    if (w->expr)
        return ev->received_us >= w->since_us && expr_true(w->expr, &e) == 1;
    struct slice id = slice_of(w->id, strlen(w->id));
    return slice_equal(ev->id, id) || (ev->key.ptr && slice_equal(ev->key, id));
}

int
command_why_add(struct why *w, uint64_t position, const char *body, size_t len)
{
    if (w->event_count == w->most) {
        w->more = 1;
        return 1;
    }
    struct why_event *more =
        realloc(w->events, (w->event_count + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    w->events = more;
    struct why_event *e = &w->events[w->event_count++];
    *e = (struct why_event){ .position = position };
    int err = text_put(&e->body, body, len);
    return err ? err : event_unpack(e->body.data, e->body.len, &e->ev);
}

static int
look_at(void *arg, const char *segment, uint64_t offset, uint64_t position,
        const char *body, size_t len, const char *damage)
{
    struct looking *l = arg;
    struct event_retry retry;
    struct event ev;
    (void) segment;
    (void) offset;
    if (!damage && is_at(l, position))
        return -EINTR;
    if (damage || event_is_marks(body, len) || event_unpack(body, len, &ev)
        || !command_why_is_asked_for(l->w, position, &ev)
        || event_retry(body, len, &retry) != 0)
        return 0; /* one that comes again is known by its first frame */
    int r = command_why_add(l->w, position, body, len);
    return r ? r : l->at_once;
}

static int
look(struct why *w, const struct spool_part *part, int at_once)
{
    struct looking l = { .w = w, .at_once = at_once };
    command_progress_begin(&l.progress, "why", "events", 0, 0);
    int r = spool_walk_part(w->spool, part, look_at, &l);
    command_progress_end(&l.progress);
    return r < 0 ? r : 0;
}

static int
note_range(void *arg, const char *segment, uint64_t offset, uint64_t position,
           const char *body, size_t len, const char *damage)
{
    struct why *w = arg;
    (void) segment;
    (void) offset;
    (void) body;
    (void) len;
    if (!damage && !w->first)
        w->first = position;
    return 0;
}

static int
find(struct why *w)
{
    struct spool_part all = { .to = UINT64_MAX }, part = all;
    const struct spool_part heads = { .to = UINT64_MAX, .heads = 1 };
    int64_t ms = w->id ? made_at_ms(w->id) : -1;
    int err = spool_walk_part(w->spool, &heads, note_range, w);
    w->last = spool_hint_read(w->spool);
    if (err < 0)
        return err;
    if (w->expr)
        err = spool_part_of(w->spool, w->since_us, INT64_MAX, &part);
    else if (ms >= 0)
        err = spool_part_of(w->spool, ms * 1000, ms * 1000, &part);
    else
        err = 0;
    if (!err)
        err = look(w, &part, ms >= 0);
    if (!err && !w->event_count && ms >= 0)
        err = look(w, &all, 1); /* its clock was elsewhere, or it is a key */
    return err;
}

int
command_why_find(struct why *w)
{
    int err = find(w);
    for (size_t i = 0; i < w->event_count; i++) /* they may have moved */
        event_unpack(w->events[i].body.data, w->events[i].body.len,
                     &w->events[i].ev);
    return err ? command_why_failed("%s: %s", w->spool,
                                    err == -ENOENT  ? "there is no spool"
                                    : err == -EINTR ? "interrupted"
                                                    : strerror(-err))
               : 0;
}
