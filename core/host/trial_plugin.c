/* SPDX-License-Identifier: MIT */
/* What stands before the plugins of a lane in a test.  Each stand-in is a plugin
 * to all who call one: a copy of the descriptor with other callbacks, and the
 * real instance behind it. */
#include "trial_private.h"

#include "base/api.h"
#include "codec/batch.h"
#include "lane/lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct stand_in {
    struct plugin plugin;      /* what the host calls */
    const struct plugin *real; /* with self */
    void *self;
    struct il_host *host;
    struct instance_timer *timers; /* of a destination, which is not started */
    struct trial_watch *watch;
    uint32_t lane;
    struct il_text text; /* of the lane's thread */
};

/* --- notes ----------------------------------------------------------------- */

static char *
copy(struct trial_watch *w, const char *text, size_t len)
{
    return text ? conf_strndup(w->memory, text, len) : NULL;
}

static int
is_known(const struct trial_watch *w, const struct trial_sight *s)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct trial_sight *k = &w->sights[i];
        if (k->lane == s->lane && k->position == s->position
            && k->what == s->what
            && (s->what != TRIAL_DROPPED || strcmp(k->name, s->name) == 0))
            return 1;
    }
    return 0;
}

void
trial_note(struct trial_watch *w, const struct trial_sight *s)
{
    pthread_mutex_lock(&w->lock);
    if (!is_known(w, s)) {
        if (w->count == w->capacity) {
            w->capacity = w->capacity ? 2 * w->capacity : 64;
            struct trial_sight *more =
                conf_alloc(w->memory, w->capacity * sizeof(*more));
            if (w->count)
                memcpy(more, w->sights, w->count * sizeof(*more));
            w->sights = more;
        }
        struct trial_sight *k = &w->sights[w->count++];
        *k = *s;
        k->name = s->name ? copy(w, s->name, strlen(s->name)) : NULL;
        k->plugin = s->plugin ? copy(w, s->plugin, strlen(s->plugin)) : NULL;
        k->text = copy(w, s->text, s->text_len);
    }
    pthread_mutex_unlock(&w->lock);
}

/* Of event i, by where it first stood. */
static struct trial_sight
sight_of(const struct stand_in *s, const struct il_batch *b, uint32_t i,
         enum trial_what what)
{
    struct event_origin at;
    batch_origin(b, i, &at);
    return (struct trial_sight){ .what = what,
                                 .lane = s->lane,
                                 .position = at.position };
}

/* --- a step ---------------------------------------------------------------- */

/* Those that an event has as it leaves this step count: where a later step
 * fails, all of them run again, and say the same. */
static int
watch_process(void *self, struct il_batch *b)
{
    struct stand_in *s = self;
    s->text.len = 0;
    if (text_reserve(&s->text, b->count))
        return -ENOMEM;
    char *before = s->text.data;
    for (uint32_t i = 0; i < b->count; i++)
        before[i] = (char) b->events[i].state;
    int err = s->real->desc.process(s->self, b);
    for (uint32_t i = 0; i < b->count && !err; i++) {
        if (b->events[i].state != BATCH_DROPPED || before[i] == BATCH_DROPPED)
            continue;
        struct trial_sight sight = sight_of(s, b, i, TRIAL_DROPPED);
        sight.name = s->host->name;
        sight.plugin = s->real->desc.name;
        trial_note(s->watch, &sight);
    }
    return err;
}

static int
watch_start(void *self)
{
    struct stand_in *s = self;
    return s->real->desc.start ? s->real->desc.start(s->self) : 0;
}

static void
watch_stop(void *self)
{
    struct stand_in *s = self;
    if (s->real->desc.stop)
        s->real->desc.stop(s->self);
}

/* --- a destination ---------------------------------------------------------- */

static void
render(struct stand_in *s, struct il_batch *b, uint32_t i)
{
    int err = 0;
    s->text.len = 0;
    if (s->real->desc.render)
        err = s->real->desc.render(s->self, b, i, &s->text);
    if (err && !batch_live(b, i))
        return; /* it has said why itself */
    if (err) {
        const struct il_reason why = {
            IL_SIZED(struct il_reason), .code = "rendering",
            .message = s->text.len ? text_str(&s->text) : strerror(-err)
        };
        batch_reject(b, i, &why);
        return;
    }
    struct trial_sight sight = sight_of(s, b, i, TRIAL_DELIVERED);
    sight.text = text_str(&s->text);
    sight.text_len = s->text.len;
    trial_note(s->watch, &sight);
}

static int
watch_write(void *self, struct il_batch *b, struct il_ack *ack)
{
    struct stand_in *s = self;
    for (uint32_t i = 0; i < b->count; i++)
        if (batch_live(b, i))
            render(s, b, i);
    lane_settle(ack, IL_OK, NULL);
    return 0;
}

static int
no_start(void *self)
{
    (void) self;
    return 0;
}

/* --- entities ------------------------------------------------------------------ */

static struct trial_watch *listener;
static const struct il_api *plain;

static int
listen_entity_find(struct il_batch *b, const struct il_kind *kind,
                   const char *id, size_t len, struct il_entity *out)
{
    const struct trial_options *o = listener->options;
    pthread_mutex_lock(&listener->lock);
    o->asked(o->arg, slice_of(kind->name, kind->len), slice_of(id, len));
    pthread_mutex_unlock(&listener->lock);
    return plain->entity_find(b, kind, id, len, out);
}

void
trial_listen(struct trial_watch *w)
{
    static struct il_api table;
    listener = w;
    plain = api_table();
    table = *plain;
    table.entity_find = listen_entity_find;
    api_use(&table);
}

/* --- in their places --------------------------------------------------------- */

static void
watch_close(void *self)
{
    struct stand_in *s = self;
    struct il_host *h = s->host;
    h->plugin = s->real;
    if (s->timers)
        h->wanted = s->timers;
    if (s->real->desc.close)
        s->real->desc.close(s->self);
    text_clear(&s->text);
    free(s);
}

static struct stand_in *
stand_before(struct trial_watch *w, struct il_host *h, uint32_t lane)
{
    struct stand_in *s = calloc(1, sizeof(*s));
    if (!s)
        conf_give_up();
    s->plugin = *h->plugin;
    s->real = h->plugin;
    s->self = h->self;
    s->host = h;
    s->watch = w;
    s->lane = lane;
    s->plugin.desc.close = watch_close;
    h->plugin = &s->plugin;
    h->self = s;
    return s;
}

void
trial_stand_before(struct trial_watch *w, struct assembly_lane *l,
                   uint32_t number)
{
    for (size_t i = 0; i < l->step_count; i++) {
        struct stand_in *s = stand_before(w, &l->steps[i], number);
        s->plugin.desc.process = watch_process;
        s->plugin.desc.start = watch_start;
        s->plugin.desc.stop = watch_stop;
    }
    struct stand_in *s = stand_before(w, &l->destination, number);
    s->timers = l->destination.wanted;
    l->destination.wanted = NULL;
    s->plugin.desc.start = no_start;
    s->plugin.desc.write = watch_write;
    s->plugin.desc.resume = NULL;
    s->plugin.desc.flush = NULL;
    s->plugin.desc.stop = NULL;
}
