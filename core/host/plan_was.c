/* SPDX-License-Identifier: MIT */
/* `was`: names that lanes and sources had before; and whether a lane needs one, or
 * `begin`. */
#include "plan_check.h"

#include "spool/cursor.h"

#include <string.h>

const struct plan_destination *
plan_find_lane(const struct plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->pipeline_count; i++) {
        const struct plan_pipeline *p = &plan->pipelines[i];
        for (size_t k = 0; k < p->destination_count; k++)
            if (strcmp(p->destinations[k].lane, name) == 0)
                return &p->destinations[k];
    }
    return NULL;
}

const struct plan_destination *
plan_find_was(const struct plan *plan, const char *was)
{
    for (size_t i = 0; i < plan->pipeline_count; i++) {
        const struct plan_pipeline *p = &plan->pipelines[i];
        for (size_t k = 0; k < p->destination_count; k++) {
            const char *w = option_str(p->destinations[k].part.place, "was", 0);
            if (w && strcmp(w, was) == 0)
                return &p->destinations[k];
        }
    }
    return NULL;
}

static void
check_was(const struct plan *plan, const struct plan_destination *d)
{
    const struct il_conf *place = d->part.place;
    const char *was = option_str(place, "was", 0), *slash;
    if (!was)
        return;
    slash = strchr(was, '/');
    const struct plan_destination *other = plan_find_lane(plan, was);
    if (!slash || slash == was || !slash[1] || strchr(slash + 1, '/')
        || *was == '.' || slash[1] == '.')
        option_error(place, "was", 0,
                     "\"%s\" is no name of a lane; expected "
                     "\"pipeline/destination\"",
                     was);
    else if (other)
        option_error(place, "was", 0,
                     "\"%s\" is a lane of this config, at %s: it keeps what "
                     "it has",
                     was, option_origin(other->part.place, NULL, 0));
    else if ((other = plan_find_was(plan, was)) != d)
        option_error(place, "was", 0,
                     "what \"%s\" had is already the lane's at %s", was,
                     option_origin(other->part.place, "was", 0));
}

static void
check_source_was(const struct plan *plan, const struct plan_source *s)
{
    const char *was = option_str(s->part.place, "was", 0);
    for (size_t i = 0; was && i < plan->source_count; i++) {
        const struct plan_part *other = &plan->sources[i].part;
        const char *too = option_str(other->place, "was", 0);
        if (strcmp(other->name, was) == 0)
            option_error(s->part.place, "was", 0,
                         "\"%s\" is a source of this config, at %s: it keeps "
                         "what it has",
                         was, option_origin(other->place, NULL, 0));
        else if (too && &plan->sources[i] < s && strcmp(too, was) == 0)
            option_error(s->part.place, "was", 0,
                         "what \"%s\" had is already the source's at %s", was,
                         option_origin(other->place, "was", 0));
    }
}

void
plan_check_was(const struct plan *plan)
{
    for (size_t i = 0; i < plan->source_count; i++)
        check_source_was(plan, &plan->sources[i]);
    for (size_t i = 0; i < plan->pipeline_count; i++) {
        const struct plan_pipeline *p = &plan->pipelines[i];
        for (size_t k = 0; k < p->destination_count; k++)
            check_was(plan, &p->destinations[k]);
    }
}

int
plan_begins(const struct plan_destination *d, const char *state_dir)
{
    const char *was = option_str(d->part.place, "was", 0);
    struct cursor c;
    uint64_t position;
    int known = spool_cursor_look(&c, state_dir, d->lane, NULL, &position);
    return option_has(d->part.place, "begin")
           || (known > 0 && (c.begun || c.noted == 1))
           || (was && spool_cursor_exists(state_dir, was));
}
