/* SPDX-License-Identifier: MIT */
/* What is taken out of events before people see them: the steps that do so, run
 * alone. */
#include "private.h"

int
lane_redacts(const struct lane_spec *s, size_t from)
{
    for (size_t i = from; i < s->step_count; i++)
        if (s->steps[i].plugin->flags & IL_REDACTS)
            return 1;
    return 0;
}

int
lane_redact(const struct lane_spec *s, size_t from, struct il_batch *b)
{
    int err = 0;
    for (size_t i = from; i < s->step_count && !err && b->live; i++) {
        const struct lane_step *step = &s->steps[i];
        if (!(step->plugin->flags & IL_REDACTS))
            continue;
        batch_enter(b, BATCH_IN_STEP, step->host);
        b->step = (uint16_t) lane_spec_stop_of(s, i);
        err = step->plugin->process(step->self, b);
        b->step = 0;
        batch_enter(b, BATCH_NOBODY, NULL);
    }
    return err || !b->live;
}
