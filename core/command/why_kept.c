/* SPDX-License-Identifier: MIT */
/* What the stores have of the events that are asked for. */
#include "private.h"
#include "why.h"

#include "codec/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
copy(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return from && !*to ? -ENOMEM : 0;
}

static int
keep(struct why *w, const struct dead_item *it, size_t event)
{
    struct why_kept *more =
        realloc(w->kept, (w->kept_count + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    w->kept = more;
    struct why_kept *k = &w->kept[w->kept_count++];
    *k = (struct why_kept){ .position = it->position,
                            .event = event,
                            .kind = it->kind,
                            .waits = command_dead_waits(it),
                            .attempts = it->attempts,
                            .at_us = it->at_us,
                            .first_us = it->first_us,
                            .due_us = it->due_us,
                            .behind = it->behind,
                            .retry = it->retry };
    if (copy(&k->lane, it->lane) || copy(&k->code, it->code)
        || copy(&k->message, it->message) || copy(&k->field, it->field)
        || copy(&k->rule, it->rule) || copy(&k->target, it->target)
        || (event == SIZE_MAX
            && text_put(&k->text, it->event.ptr, it->event.len)))
        return -ENOMEM;
    return 0;
}

/* What a sender may call its event by. */
static int
refused_is_asked_for(struct why *w, const struct dead_item *it)
{
    static const char *const names[] = { "id", "idempotencyKey", "messageId" };
    struct il_text packed = { 0 };
    struct json_error error;
    struct il_value v, member;
    int found = 0;
    if (!w->id
        || json_to_msgpack(it->event.ptr, it->event.len, &packed, &error)) {
        text_clear(&packed);
        return 0;
    }
    const char *p = packed.data;
    if (!msg_value(&p, packed.data + packed.len, &v) && v.type == IL_MAP)
        for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++)
            found = msg_find(&v, names[i], strlen(names[i]), &member)
                    && member.type == IL_STRING
                    && slice_equal(slice_of(member.str, member.len),
                                   slice_of(w->id, strlen(w->id)));
    text_clear(&packed);
    return found;
}

/* The spool has let go of it, but here it is. */
static int
add_gone(struct why *w, const struct dead_item *it, const struct event *ev)
{
    struct il_text body = { 0 };
    if (!command_why_is_asked_for(w, 0, ev) || w->event_count)
        return 0;
    int err = event_pack(&body, ev);
    if (!err)
        err = event_pack_flags(&body, ev->flags);
    if (!err)
        err = command_why_add(w, it->position, body.data, body.len);
    if (!err)
        w->events[w->event_count - 1].gone = 1;
    text_clear(&body);
    return err;
}

static int
look_at_kept(void *arg, const struct dead_item *it)
{
    struct why *w = arg;
    struct known k;
    if (command_dead_is_gate(it->lane))
        return refused_is_asked_for(w, it) ? keep(w, it, SIZE_MAX) : 0;
    command_dead_known(&w->dead, it, &k);
    int err =
        k.accepted && !w->spooled && !w->expr ? add_gone(w, it, &k.ev) : 0;
    if (err)
        return err;
    for (size_t i = 0; i < w->event_count; i++) {
        const struct event *ev = &w->events[i].ev;
        if (it->position == w->events[i].position
            || (k.accepted && slice_equal(k.id, ev->id)
                && k.ev.received_us == ev->received_us
                && slice_equal(k.ev.source_id, ev->source_id)))
            return keep(w, it, i);
    }
    return 0;
}

int
command_why_kept(struct why *w)
{
    w->dead = (struct dead_job){ .state_dir = w->dir, .since_us = INT64_MIN };
    if (command_dead_store(&w->dead, 1))
        return 1;
    int err = 0;
    w->spooled = w->event_count > 0;
    for (int waiting = 0; waiting < 2 && !err; waiting++) {
        w->dead.waiting = waiting;
        err = command_dead_each(&w->dead, look_at_kept, w);
    }
    return command_dead_failed(err);
}
