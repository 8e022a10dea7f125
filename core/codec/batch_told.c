/* SPDX-License-Identifier: MIT */
/* What steps tell beside the events that they were given: of entities, and events
 * of their own making.  Lists in the batch's memory, until somebody sees to them. */
#include "batch.h"
#include "private.h"

#include <errno.h>
#include <string.h>

int
batch_upsert(struct il_batch *b, uint32_t i, const struct il_kind *kind,
             struct slice id, int encoding, struct slice traits)
{
    if (i >= b->count)
        return -EINVAL;
    if (batch_passed(b, i, b->step))
        return 0;
    const struct batch_event *e = &b->events[i];
    struct batch_upsert *u = batch_alloc(b, sizeof *u + id.len);
    if (!u)
        return -ENOMEM;
    *u = (struct batch_upsert){ .kind = kind,
                                .id = slice_of((char *) (u + 1), id.len),
                                .position = e->position,
                                .seen_us = e->ev.received_us,
                                .stop = b->step,
                                .again = e->again != NULL };
    memcpy(u + 1, id.ptr, id.len);
    int err = batch_own_map(b, encoding, traits.ptr, traits.len, &u->traits);
    if (err)
        return err;
    *b->upserts_end = u;
    b->upserts_end = &u->next;
    return 0;
}

/* Is there room for one more of the step that has the batch, at event i? */
static int
derives_more(struct il_batch *b, uint32_t i)
{
    const struct batch_derived *last = b->derived_last;
    if (!last || last->position != b->events[i].position
        || last->stop != b->step)
        b->derived_count = 0;
    return b->derived_count < BATCH_DERIVED_MAX;
}

static struct slice
copy_text(char **to, const char *text, size_t len)
{
    struct slice copy = slice_of(*to, len);
    if (len)
        memcpy(*to, text, len);
    *to += len;
    return copy;
}

int
batch_derive(struct il_batch *b, uint32_t i, const struct il_event *e)
{
    if (i >= b->count || !e->type || !e->id || !e->payload)
        return -EINVAL;
    if (batch_passed(b, i, b->step))
        return 0;
    if (!derives_more(b, i))
        return -E2BIG;
    if (e->payload_len > BATCH_DERIVED_BYTES || e->id_len > BATCH_DERIVED_NAME)
        return -EMSGSIZE;
    const size_t timestamp_len = e->timestamp ? e->timestamp_len : 0;
    struct batch_derived *d = batch_alloc(
        b, sizeof *d + e->id_len + e->type_len + timestamp_len);
    if (!d)
        return -ENOMEM;
    char *to = (char *) (d + 1);
    *d = (struct batch_derived){ .position = b->events[i].position,
                                 .stop = b->step,
                                 .again = b->events[i].again != NULL };
    d->name = copy_text(&to, e->id, e->id_len);
    d->type = copy_text(&to, e->type, e->type_len);
    d->timestamp = copy_text(&to, e->timestamp, timestamp_len);
    int err = batch_own_map(b, (int) e->encoding, e->payload, e->payload_len,
                            &d->payload);
    if (err)
        return err;
    *b->derived_end = b->derived_last = d;
    b->derived_end = &d->next;
    b->derived_count++;
    return 0;
}
