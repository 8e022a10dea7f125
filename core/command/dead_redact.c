/* SPDX-License-Identifier: MIT */
/* `ingestlayer dead show`: what a lane takes out of events before anybody sees
 * them, taken out of a letter that holds its event as it was accepted.  What was
 * parked has been through the steps. */
#include "private.h"
#include "dead.h"

#include "host/assembly.h"

/* The lane, where its steps could be opened as far as this needs them. */
static const struct assembly_lane *
find_lane(const struct dead_job *j, const char *name)
{
    const struct assembly_lane *l =
        j->assembly ? assembly_find_lane(j->assembly, name) : NULL;
    for (size_t i = 0; l && i < l->step_count; i++) {
        const struct il_host *h = &l->steps[i];
        if (!h->plugin || ((h->plugin->desc.flags & IL_REDACTS) && !h->self))
            return NULL;
    }
    return l;
}

/* 0, 1: nobody knows what may be seen of it. */
static int
redact(struct dead_job *j, const struct dead_item *it,
       const struct assembly_lane *l)
{
    const struct lane_spec spec = assembly_decides(l);
    if (!lane_redacts(&spec, 0))
        return 0;
    if (!j->batch && !(j->batch = batch_new()))
        return 1;
    batch_clear(j->batch);
    if (batch_add(j->batch, it->position, it->event.ptr, it->event.len))
        return 1;
    j->redacted = 1;
    return lane_redact(&spec, 0, j->batch);
}

void
command_dead_redact(struct dead_job *j, const struct dead_item *it,
                    struct known *k)
{
    j->redacted = j->hidden = 0;
    if (!k->accepted || it->kind != DEAD_LETTER)
        return;
    const struct assembly_lane *l = find_lane(j, it->lane);
    k->hidden = j->hidden = !l || redact(j, it, l);
    if (k->hidden)
        k->ev.payload = SLICE("\xc0"); /* nil */
    else if (j->redacted)
        k->ev = j->batch->events[0].ev;
}
