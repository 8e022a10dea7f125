/* SPDX-License-Identifier: MIT */
/* The test host: functions for batches.  Each looks whether it may be called,
 * by whom and for which event, before the daemon's own code does its work. */
#include <config.h>

#include "private.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static struct flight *
flight_of(const struct il_batch *b)
{
    return b->lane;
}

/* Has the plugin the batch? */
static int
has(const struct il_batch *b, const char *what)
{
    struct flight *f = flight_of(b);
    if (atomic_load(&f->phase) != PHASE_NONE || atomic_load(&f->t->dead))
        return 1;
    testhost_violate(f->t, "%s of a batch that it does not have any more",
                     what);
    return 0;
}

/* Has the batch such an event, too? */
static int
may_read(const struct il_batch *b, uint32_t i, const char *what)
{
    struct flight *f = flight_of(b);
    if (!has(b, what))
        return 0;
    if (i < b->count)
        return 1;
    testhost_violate(f->t, "%s of event %" PRIu32 " in a batch of %" PRIu32,
                     what, i, b->count);
    return 0;
}

/* 0, or what a function answers that is called at the wrong time or place. */
static int
may_edit(const struct il_batch *b, uint32_t i, int phase, const char *what)
{
    static const char *const where[] = { "", "process()", "write()" };
    struct flight *f = flight_of(b);
    if (phase && atomic_load(&f->phase) != phase) {
        testhost_violate(f->t, "%s outside of %s", what, where[phase]);
        return -EPERM;
    }
    if (phase == PHASE_STEP && !batch_in_step(b)) {
        testhost_violate(f->t, "%s outside of process()'s thread", what);
        return -EPERM;
    }
    if (!phase && !has(b, what))
        return -EPERM;
    return may_read(b, i, what) ? 0 : -EINVAL;
}

static int
no_memory(const struct il_batch *b)
{
    return testhost_alloc_fails(flight_of(b)->t);
}

/* --- reading ------------------------------------------------------------- */

static uint32_t
api_batch_count(const struct il_batch *b)
{
    return has(b, "il_batch_count()") ? testhost_plain.batch_count(b) : 0;
}

static uint64_t
api_batch_position(const struct il_batch *b, uint32_t i)
{
    return may_read(b, i, "il_batch_position()")
               ? testhost_plain.batch_position(b, i)
               : 0;
}

static int
api_batch_origin(const struct il_batch *b, uint32_t i, struct il_origin *out)
{
    const struct testhost *t = flight_of(b)->t;
    struct il_origin full = { .set_backs = t->set_backs };
    if (!may_read(b, i, "il_batch_origin()"))
        return -EINVAL;
    if (out->struct_size < sizeof(full)) {
        testhost_violate(flight_of(b)->t,
                         "il_batch_origin() without struct_size");
        return -EINVAL;
    }
    memcpy(full.spool, t->spool, sizeof(full.spool));
    full.position = b->events[i].position;
    for (const struct first_place *p = t->first_places; p; p = p->next)
        if (p->position == full.position) {
            full.position = p->origin;
            break;
        }
    full.struct_size = out->struct_size;
    memcpy(out, &full, sizeof(full));
    return 0;
}

static uint32_t
api_batch_flags(const struct il_batch *b, uint32_t i)
{
    return may_read(b, i, "il_batch_flags()") ? testhost_plain.batch_flags(b, i)
                                              : 0;
}

static void *
api_batch_alloc(struct il_batch *b, size_t size)
{
    return !has(b, "il_batch_alloc()") || no_memory(b)
               ? NULL
               : testhost_plain.batch_alloc(b, size);
}

static int
api_live(const struct il_batch *b, uint32_t i)
{
    return may_read(b, i, "il_live()") && testhost_plain.live(b, i);
}

static int
api_get(struct il_batch *b, uint32_t i, const struct il_field *field,
        struct il_value *out)
{
    *out = (struct il_value){ .type = IL_MISSING };
    return may_read(b, i, "il_get()") ? testhost_plain.get(b, i, field, out)
                                      : 0;
}

static int
api_expr_true(const struct il_expr *expr, struct il_batch *b, uint32_t i)
{
    return may_read(b, i, "il_expr_true()")
               ? testhost_plain.expr_true(expr, b, i)
               : 0;
}

static int
api_template_render(const struct il_template *template, struct il_batch *b,
                    uint32_t i, struct il_value *out)
{
    *out = (struct il_value){ .type = IL_MISSING };
    if (!may_read(b, i, "il_template_render()"))
        return -EINVAL;
    return no_memory(b) ? -ENOMEM
                        : testhost_plain.template_render(template, b, i, out);
}

static int
api_template_pieces(
    const struct il_template *template, struct il_batch *b, uint32_t i,
    int (*fn)(void *arg, const char *text, size_t len, int of_event), void *arg)
{
    if (!may_read(b, i, "il_template_pieces()"))
        return -EINVAL;
    return no_memory(b)
               ? -ENOMEM
               : testhost_plain.template_pieces(template, b, i, fn, arg);
}

static int
api_row_read(struct il_row *row, struct il_batch *b, uint32_t i,
             const struct il_value **values)
{
    if (!may_read(b, i, "il_row_read()"))
        return -EINVAL;
    return no_memory(b) ? -ENOMEM : testhost_plain.row_read(row, b, i, values);
}

/* --- editing ------------------------------------------------------------- */

static int
api_drop(struct il_batch *b, uint32_t i)
{
    int err = may_edit(b, i, PHASE_STEP, "il_drop()");
    return err ? err : testhost_plain.drop(b, i);
}

static int
api_set(struct il_batch *b, uint32_t i, const struct il_place *place,
        const struct il_value *value)
{
    int err = may_edit(b, i, PHASE_STEP, "il_set()");
    if (!err && no_memory(b))
        err = -ENOMEM;
    return err ? err : testhost_plain.set(b, i, place, value);
}

static int
api_remove(struct il_batch *b, uint32_t i, const struct il_place *place)
{
    int err = may_edit(b, i, PHASE_STEP, "il_remove()");
    if (!err && no_memory(b))
        err = -ENOMEM;
    return err ? err : testhost_plain.remove(b, i, place);
}

static int
api_set_payload(struct il_batch *b, uint32_t i, int encoding, const void *bytes,
                size_t len)
{
    int err = may_edit(b, i, PHASE_STEP, "il_set_payload()");
    if (!err && no_memory(b))
        err = -ENOMEM;
    return err ? err : testhost_plain.set_payload(b, i, encoding, bytes, len);
}

static int
api_entity_attach(struct il_batch *b, uint32_t i, const struct il_kind *kind,
                  const struct il_value *traits)
{
    int err = may_edit(b, i, PHASE_STEP, "il_entity_attach()");
    if (!err && no_memory(b))
        err = -ENOMEM;
    return err ? err : testhost_plain.entity_attach(b, i, kind, traits);
}

/* --- delivering ---------------------------------------------------------- */

static int
api_reject(struct il_batch *b, uint32_t i, const struct il_reason *why)
{
    int err = may_edit(b, i, PHASE_NONE, "il_reject()");
    if (why && why->struct_size < sizeof(*why)) {
        testhost_violate(flight_of(b)->t, "il_reject() without struct_size");
        why = NULL;
    }
    return err ? err : testhost_plain.reject(b, i, why);
}

static int
api_unreject(struct il_batch *b, uint32_t i)
{
    int err = may_edit(b, i, PHASE_DESTINATION, "il_unreject()");
    return err ? err : testhost_plain.unreject(b, i);
}

static int
api_keep(struct il_batch *b, uint32_t i)
{
    int err = may_edit(b, i, PHASE_DESTINATION, "il_keep()");
    return err ? err : testhost_plain.keep(b, i);
}

static int
api_done(struct il_batch *b, uint32_t i)
{
    int err = may_edit(b, i, PHASE_DESTINATION, "il_done()");
    return err ? err : testhost_plain.done(b, i);
}

static int
api_defer(struct il_batch *b, uint32_t i, const struct il_deferral *how)
{
    int phase = batch_in_step(b) ? PHASE_STEP : PHASE_DESTINATION;
    int err = may_edit(b, i, phase, "il_defer()");
    if (!err
        && (how->struct_size < sizeof(*how)
            || (how->why && how->why->struct_size < sizeof(*how->why)))) {
        testhost_violate(flight_of(b)->t, "il_defer() without struct_size");
        err = -EINVAL;
    }
    if (!err && no_memory(b))
        err = -ENOMEM;
    return err ? err : testhost_plain.defer(b, i, how);
}

static int
api_again(const struct il_batch *b, uint32_t i, struct il_again *out)
{
    if (!may_read(b, i, "il_again()"))
        return -EINVAL;
    if (out->struct_size < sizeof(*out)) {
        testhost_violate(flight_of(b)->t, "il_again() without struct_size");
        return -EINVAL;
    }
    return testhost_plain.again(b, i, out);
}

static int
api_waits(struct il_batch *b, uint32_t i, const char *order, size_t len)
{
    int err = may_edit(b, i, PHASE_DESTINATION, "il_waits()");
    if (!err && no_memory(b))
        err = -ENOMEM;
    return err ? err : testhost_plain.waits(b, i, order, len);
}

void
testhost_fill_checks(struct il_api *api)
{
    api->batch_count = api_batch_count;
    api->batch_position = api_batch_position;
    api->batch_origin = api_batch_origin;
    api->batch_flags = api_batch_flags;
    api->batch_alloc = api_batch_alloc;
    api->live = api_live;
    api->get = api_get;
    api->expr_true = api_expr_true;
    api->template_render = api_template_render;
    api->template_pieces = api_template_pieces;
    api->row_read = api_row_read;
    api->drop = api_drop;
    api->set = api_set;
    api->remove = api_remove;
    api->set_payload = api_set_payload;
    api->entity_attach = api_entity_attach;
    api->reject = api_reject;
    api->unreject = api_unreject;
    api->keep = api_keep;
    api->done = api_done;
    api->defer = api_defer;
    api->again = api_again;
    api->waits = api_waits;
}
