/* SPDX-License-Identifier: MIT */
/* The lanes, and where they are: those of the config, and those that only have a
 * cursor.  A running daemon is asked, as its cursors on disk are behind, and asked
 * again where an event is still to come, for how fast the lane goes; without one the
 * cursors are the truth. */
#include "private.h"
#include "reply.h"
#include "why.h"

#include "base/clock.h"
#include "host/assembly.h"
#include "host/control.h"
#include "lane/left.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct why_lane *
find_lane(struct why *w, const char *name)
{
    for (size_t i = 0; i < w->lane_count; i++)
        if (!strcmp(w->lanes[i].name, name))
            return &w->lanes[i];
    return NULL;
}

static int
add_lane(struct why *w, const char *name, struct assembly_lane *now)
{
    if ((w->only && strcmp(w->only, name)) || find_lane(w, name))
        return 0;
    struct why_lane *more =
        realloc(w->lanes, (w->lane_count + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    w->lanes = more;
    struct why_lane *l = &w->lanes[w->lane_count];
    *l = (struct why_lane){ .name = strdup(name), .now = now };
    if (!l->name)
        return -ENOMEM;
    w->lane_count++;
    struct cursor c;
    l->known = spool_cursor_look(&c, w->dir, name, w->uuid, &l->position) == 1;
    return host_history_read(w->dir, name, w->spool_id, &l->history);
}

static int
add_left(void *arg, const struct lane_left *left)
{
    return add_lane(arg, left->name, NULL);
}

static void
text_of(const struct il_value *map, const char *key, char *out, size_t size)
{
    struct il_value v = command_member(map, key);
    snprintf(out, size, "%.*s", COMMAND_TEXT(v));
}

/* What a running daemon says is newer than the cursor. */
static void
read_lane_status(struct why *w, const struct il_value *v, int second,
                 int64_t us)
{
    char name[DEAD_LANE_MAX];
    text_of(v, "name", name, sizeof name);
    struct why_lane *l = find_lane(w, name);
    uint64_t position = command_number(v, "position");
    if (!l)
        return;
    if (second && position > l->position && us > 0)
        l->per_s = (position - l->position) * 1000000 / (uint64_t) us;
    if (position > l->position)
        l->position = position;
    l->known = 1;
    text_of(v, "state", l->state, sizeof l->state);
    text_of(v, "last_error", l->trouble, sizeof l->trouble);
}

static void
ask_daemon(struct why *w, int second, int64_t us)
{
    struct control_call call = { .method = "GET", .path = "/v1/lanes" };
    struct il_text packed = { 0 };
    struct il_value answer, lanes, v;
    size_t iter = 0;
    if (!command_ask(w->dir, "ingestlayer why", &call, &packed, &answer)) {
        lanes = command_member(&answer, "lanes");
        while (lanes.type == IL_ARRAY && msg_item(&lanes, &iter, NULL, &v))
            read_lane_status(w, &v, second, us);
    }
    text_clear(&call.reply);
    text_clear(&packed);
}

/* Some lane has not come to some event: how fast it goes is worth the wait. */
static int
some_wait(const struct why *w)
{
    for (size_t i = 0; i < w->lane_count; i++)
        for (size_t k = 0; k < w->event_count; k++)
            if (w->events[k].position > w->lanes[i].position
                && !strcmp(w->lanes[i].state, "running"))
                return 1;
    return 0;
}

int
command_why_lanes(struct why *w)
{
    int err = 0;
    for (size_t i = 0; w->assembly && i < w->assembly->lane_count && !err; i++)
        err = add_lane(w, w->assembly->lanes[i]->plan->lane,
                       w->assembly->lanes[i]);
    if (!err)
        err = lane_left_each(w->dir, w->uuid, add_left, w);
    for (size_t i = 0; i < w->kept_count && !err; i++)
        if (w->kept[i].event != SIZE_MAX)
            err = add_lane(w, w->kept[i].lane, NULL);
    if (err)
        return command_why_failed("%s: %s", w->dir, strerror(-err));
    if (w->only && !w->lane_count)
        return command_why_failed("there is no lane \"%s\"", w->only);
    w->daemon = !control_answers(w->dir);
    if (!w->daemon)
        return 0;
    int64_t at = clock_monotonic_us();
    ask_daemon(w, 0, 0);
    if (some_wait(w)) {
        usleep(500000);
        ask_daemon(w, 1, clock_monotonic_us() - at);
    }
    return 0;
}
