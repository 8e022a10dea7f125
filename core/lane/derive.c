/* SPDX-License-Identifier: MIT */
/* Events that steps make: through the gate, before the destination gets those that
 * they were made of.
 *
 * With them goes a mark, in the same append: the position of the event that they
 * were made at.  At or before it no lane of the pipeline emits again; what two of
 * them emit at the same time has the same ids, and the gate takes it once.  So each
 * is in the spool once, whatever died in between.  For the steps of a destination,
 * and for events that come again, which have a frame of this lane's own, the lane
 * stands for the pipeline.
 *
 * The gate settles from a thread of its own; that is noted under the lane's lock. */
#include "private.h"

#include "base/cond.h"
#include "gate/marks.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART_EVENTS 1000u
#define PART_BYTES (1u << 20)
#define PART_ROOM (PART_EVENTS + BATCH_DERIVED_MAX)
#define NAME_BYTES 33 /* 32 hex digits and a NUL */
#define ID_BYTES (NAME_BYTES + 4)

/* What is emitted at once: of one step, all of each event. */
struct part {
    struct il_event events[PART_ROOM];
    char ids[PART_ROOM][ID_BYTES];
    size_t count, bytes;
    char mark[NAME_BYTES];
    uint64_t marked, last; /* up to where it is durable; of the newest here */
};

/* --- names ---------------------------------------------------------------- */

static int
own(const struct lane *l, const struct batch_derived *d)
{
    return d->again || d->stop > lane_stop_of_when(l);
}

/* Of the step, or (name.ptr) of an event that it makes, in the whole world of this
 * config: 32 digits. */
static int
name_of(const struct lane *l, const struct batch_derived *d, struct slice name,
        char out[NAME_BYTES])
{
    const char *step = lane_step_at(l, d->stop)->name, *lane = l->spec.name;
    unsigned char digest[32];
    gnutls_hash_hd_t hash;
    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
        return -ENOMEM;
    gnutls_hash(hash, lane, own(l, d) ? strlen(lane) : strcspn(lane, "/"));
    gnutls_hash(hash, "", 1);
    gnutls_hash(hash, step, strlen(step) + 1);
    gnutls_hash(hash, name.ptr ? name.ptr : "", name.len);
    gnutls_hash_deinit(hash, digest);
    for (int i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return 0;
}

/* --- one part ------------------------------------------------------------- */

/* Of this step from here on. */
static int
part_begin(struct lane *l, const struct batch_derived *d, struct part *p)
{
    struct gate_source *source = l->spec.derived->source;
    const char *name = gate_source_name(source);
    struct il_text value = { 0 };
    p->count = p->bytes = 0;
    p->marked = p->last = 0;
    int err = name_of(l, d, slice_of(NULL, 0), p->mark);
    int known = err ? err
                    : gate_marks_get(gate_source_marks(source),
                                     slice_of(name, strlen(name)),
                                     slice_of(p->mark, strlen(p->mark)), &value);
    if (known == 1)
        p->marked = strtoull(text_str(&value), NULL, 10);
    text_clear(&value);
    return known < 0 ? known : 0;
}

static int
part_add(struct lane *l, const struct batch_derived *d, struct part *p)
{
    if (d->position <= p->marked)
        return 0;
    char *id = p->ids[p->count];
    memcpy(id, "der_", 4);
    int err = name_of(l, d, d->name, id + 4);
    if (err)
        return err;
    p->events[p->count++] =
        (struct il_event){ IL_SIZED(struct il_event),
                           .encoding = IL_MSGPACK,
                           .id = id,
                           .id_len = ID_BYTES - 1,
                           .type = d->type.ptr,
                           .type_len = d->type.len,
                           .timestamp = d->timestamp.len ? d->timestamp.ptr
                                                         : NULL,
                           .timestamp_len = d->timestamp.len,
                           .payload = d->payload.ptr,
                           .payload_len = d->payload.len };
    p->bytes += d->payload.len;
    p->last = d->position;
    return 0;
}

static void
count_parts(struct flight *f, int more)
{
    pthread_mutex_lock(&f->lane->lock);
    f->deriving += (uint32_t) more;
    pthread_mutex_unlock(&f->lane->lock);
}

static int
part_emit(struct lane *l, struct flight *f, struct part *p)
{
    char digits[24];
    const char *why = NULL;
    if (!p->count)
        return 0;
    int len = snprintf(digits, sizeof digits, "%" PRIu64, p->last);
    const struct il_mark mark = { IL_SIZED(struct il_mark), .name = p->mark,
                                  .name_len = strlen(p->mark), .value = digits,
                                  .value_len = (size_t) len };
    const struct il_emission emission = {
        IL_SIZED(struct il_emission),    .events = p->events,
        .count = p->count,               .event_size = sizeof *p->events,
        .token = (uint64_t) (uintptr_t) f, .marks = &mark,
        .mark_count = 1,                 .mark_size = sizeof mark,
    };
    count_parts(f, 1);
    int err = gate_emit(l->spec.derived->source, &emission, &why);
    if (err)
        count_parts(f, -1);
    p->count = p->bytes = 0;
    return err;
}

/* --- all of a flight ------------------------------------------------------ */

static int
is_full(const struct part *p, const struct batch_derived *d)
{
    return d->position != p->last
           && (p->count >= PART_EVENTS || p->bytes >= PART_BYTES);
}

static int
emit(struct lane *l, struct flight *f, struct part *p)
{
    const struct batch_derived *step = NULL;
    int err = 0;
    for (const struct batch_derived *d = f->batch->derived; d && !err;
         d = d->next) {
        const int other =
            !step || d->stop != step->stop || own(l, d) != own(l, step);
        if (other || is_full(p, d))
            err = part_emit(l, f, p);
        if (other && !err)
            err = part_begin(l, d, p);
        if (!err)
            err = part_add(l, d, p);
        step = d;
    }
    return err ? err : part_emit(l, f, p);
}

static void
say(struct lane *l, int err)
{
    lane_trouble(l, LANE_WAITING, "events that its steps have made: %s",
                 err == -EAGAIN ? "the spool is full, or behind"
                                : strerror(-err));
}

int
lane_derive(struct lane *l, struct flight *f)
{
    struct lane_derived *to = l->spec.derived;
    if (!to || !f->batch->derived || !atomic_load(&to->wanted))
        return 0;
    pthread_mutex_lock(&l->lock);
    const uint32_t deriving = f->deriving;
    const int failed = f->derive_failed;
    if (!deriving)
        f->derive_failed = 0;
    pthread_mutex_unlock(&l->lock);
    if (deriving)
        return 1;
    if (f->batch->derived_asked && !failed)
        return 0;
    f->batch->derived_asked = 0;
    if (!atomic_load(&to->open))
        return -ESHUTDOWN; /* not yet, or no more */
    struct part *p = malloc(sizeof *p);
    if (!p)
        return -ENOMEM;
    p->count = p->bytes = 0;
    int err = emit(l, f, p);
    free(p);
    if (err) {
        say(l, err);
        return err;
    }
    f->batch->derived_asked = 1;
    pthread_mutex_lock(&l->lock);
    const int away = f->deriving > 0 || f->derive_failed;
    pthread_mutex_unlock(&l->lock);
    return away;
}

void
lane_derived_settled(void *unused, uint64_t token, int outcome)
{
    struct flight *f = (struct flight *) (uintptr_t) token;
    struct lane *l = f->lane;
    (void) unused;
    pthread_mutex_lock(&l->lock);
    f->deriving--;
    f->derive_failed |= outcome != IL_OK;
    lane_signal(l);
    pthread_cond_broadcast(&l->ended);
    pthread_mutex_unlock(&l->lock);
}

void
lane_derive_end(struct lane *l)
{
    pthread_mutex_lock(&l->lock);
    for (uint32_t i = 0; i < l->flight_count; i++)
        while (l->flights[i].deriving)
            pthread_cond_wait(&l->ended, &l->lock);
    pthread_mutex_unlock(&l->lock);
}
