/* SPDX-License-Identifier: MIT */
/* Lanes that left the config: their events are kept until a person lets them
 * go. */
#include "private.h"

#include "base/log.h"
#include "codec/json_out.h"
#include "lane/left.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct host_left {
    struct host_left *next;
    struct spool_hold *hold;
    struct parked_lane *parked; /* NULL: it has nothing there */
    struct lane_left lane;
};

/* Where it is linked in, or the end. */
static struct host_left **
find(struct host_left **at, const char *name)
{
    while (*at && strcmp((*at)->lane.name, name))
        at = &(*at)->next;
    return at;
}

/* One that another is about to be goes on as that. */
static int
is_taken_over(const struct host *h, const char *name)
{
    const struct assembly *a = h->assembly;
    for (size_t i = 0; i < a->lane_count; i++) {
        const char *was =
            a->lanes[i]->lane ? lane_takes_over(a->lanes[i]->lane) : NULL;
        if (was && strcmp(was, name) == 0)
            return 1;
    }
    return 0;
}

static int
is_wanted(const struct host *h, const char *name)
{
    return plan_find_lane(h->assembly->plan, name) || is_taken_over(h, name);
}

static uint64_t
undelivered(const struct host *h, const struct lane_left *l)
{
    uint64_t durable = spool_durable(h->spool);
    return durable > l->position ? durable - l->position : 0;
}

/* What waits to be sent again, and all dead letters. */
static uint64_t
left_behind(const struct host *h, const struct host_left *l, uint64_t *letters)
{
    struct parked_counts counts = { .parked = 0 };
    struct dead_timed timed;
    if (l->parked)
        parked_counts(l->parked, &counts);
    dead_timed(h->dead, l->lane.name, &timed);
    *letters = dead_count(h->dead, l->lane.name) + counts.letters;
    return counts.parked + timed.letters;
}

static int
keep(void *arg, const struct lane_left *lane)
{
    struct host *h = arg;
    if (*find(&h->left, lane->name) || is_wanted(h, lane->name))
        return 0;
    struct host_left *l = malloc(sizeof *l);
    if (!l)
        return -ENOMEM;
    *l = (struct host_left){ .next = h->left, .lane = *lane };
    l->hold = spool_hold_new(h->spool, l->lane.name, lane->position);
    if (!l->hold) {
        free(l);
        return -ENOMEM;
    }
    h->left = l;
    if (h->parked)
        parked_lane_find(h->parked, l->lane.name, &l->parked);
    uint64_t letters, parked = left_behind(h, l, &letters);
    log_warn("lane %s is not in this config any more: it keeps the spool from "
             "%" PRIu64 " on (%" PRIu64 " events by now) and has %" PRIu64
             " dead letters and %" PRIu64 " events that wait to be sent again; "
             "`ingestlayer lane forget %s` lets all of it go",
             lane->name, lane->position + 1, undelivered(h, lane), letters,
             parked, lane->name);
    return 0;
}

static void
let_go(struct host_left **at)
{
    struct host_left *l = *at;
    *at = l->next;
    spool_hold_free(l->hold);
    free(l);
}

int
host_find_left(struct host *h)
{
    host_change_begin(h);
    for (struct host_left **at = &h->left; *at;)
        if (is_wanted(h, (*at)->lane.name))
            let_go(at);
        else
            at = &(*at)->next;
    int err = lane_left_each(h->state_dir, spool_id(h->spool), keep, h);
    host_change_end(h);
    return err;
}

int
host_count_left(struct host *h, const char *name, struct host_left_counts *n)
{
    const struct host_left *l = *find(&h->left, name);
    if (!l)
        return -ENOENT;
    *n = (struct host_left_counts){ .position = l->lane.position,
                                    .events = undelivered(h, &l->lane) };
    n->parked = left_behind(h, l, &n->letters);
    return 0;
}

void
host_drop_left(struct host *h, const char *name)
{
    host_change_begin(h);
    struct host_left **at = find(&h->left, name);
    if (*at)
        let_go(at);
    host_change_end(h);
}

void
host_put_left(struct json_out *o, const struct host *h)
{
    json_out_array(o, "left");
    for (const struct host_left *l = h->left; l; l = l->next) {
        uint64_t letters, parked = left_behind(h, l, &letters);
        json_out_object(o, NULL);
        json_out_str(o, "name", l->lane.name);
        json_out_number(o, "position", l->lane.position);
        json_out_number(o, "lag_events", undelivered(h, &l->lane));
        json_out_number(o, "lag_bytes",
                        spool_backlog_bytes(h->spool, l->lane.position));
        json_out_number(o, "dead_letters", letters);
        json_out_number(o, "parked", parked);
        json_out_end(o);
    }
    json_out_end(o);
}

void
host_free_left(struct host *h)
{
    while (h->left)
        let_go(&h->left);
}
