/* SPDX-License-Identifier: MIT */
/* What the log says of dead letters: the first of a kind (its reason's code) at
 * once, then once a minute at most how many more there were and what the last
 * one was.  Each of them is in `ingestlayer dead list`. */
#include "private.h"

#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TELL_US 60000000

static void
tell(const struct lane *l, struct lane_refusals *r)
{
    if (r->untold > 1)
        log_warn("lane %s: %" PRIu64 " more dead letters of the kind %s, the "
                 "last %s",
                 l->spec.name, r->untold, r->code, r->last);
    else
        log_warn("lane %s: a dead letter of the kind %s: %s", l->spec.name,
                 r->code, r->last);
    r->told_us = clock_monotonic_us();
    r->untold = 0;
}

/* The one of this code; where there are too many, the one told longest ago
 * makes room. */
static struct lane_refusals *
kind_of(struct lane *l, const char *code)
{
    struct lane_refusals *oldest = &l->refusals[0];
    for (size_t i = 0; i < LANE_REFUSAL_KINDS; i++) {
        struct lane_refusals *r = &l->refusals[i];
        if (strncmp(r->code, code, sizeof r->code - 1) == 0)
            return r;
        if (r->told_us < oldest->told_us)
            oldest = r;
    }
    if (oldest->untold)
        tell(l, oldest);
    memset(oldest, 0, sizeof *oldest);
    snprintf(oldest->code, sizeof oldest->code, "%s", code);
    return oldest;
}

void
lane_refused(struct lane *l, const struct il_batch *b)
{
    uint32_t left = b->letters;
    for (uint32_t i = 0; i < b->count && left; i++) {
        const struct batch_event *e = &b->events[i];
        if (e->kept
            || (e->state != BATCH_REFUSED && e->state != BATCH_REJECTED))
            continue;
        left--;
        const char *message = e->reason->message ? e->reason->message : "";
        const char *code = e->reason->code ? e->reason->code : "rejected";
        struct lane_refusals *r = kind_of(l, code);
        snprintf(r->last, sizeof r->last,
                 "event %.*s at position %" PRIu64 "%s%s",
                 (int) (e->ev.id.len < 256 ? e->ev.id.len : 256), e->ev.id.ptr,
                 e->position, message[0] ? ": " : "", message);
        r->untold++;
        if (!r->told_us)
            tell(l, r);
    }
    lane_refusals_tell(l, 0);
}

void
lane_refusals_tell(struct lane *l, int all)
{
    int64_t now = clock_monotonic_us();
    for (size_t i = 0; i < LANE_REFUSAL_KINDS; i++) {
        struct lane_refusals *r = &l->refusals[i];
        if (r->untold && (all || now - r->told_us >= TELL_US))
            tell(l, r);
    }
}
