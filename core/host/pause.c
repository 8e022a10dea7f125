/* SPDX-License-Identifier: MIT */
/* The "pause", "resume" and "lane" requests of the control socket: a person
 * decides whether a lane delivers. */
#include "private.h"

#include "codec/json_out.h"

#include <errno.h>
#include <string.h>

static void
put_failed(struct json_out *o, const char *code, const char *message)
{
    json_out_object(o, "error");
    json_out_str(o, "code", code);
    json_out_str(o, "message", message);
    json_out_end(o);
}

/* Which there are says whoever has it wrong. */
static void
put_unknown(struct json_out *o, const struct host *h)
{
    const struct assembly *a = h->assembly;
    put_failed(o, "unknown_lane", "");
    json_out_array(o, "lanes");
    for (size_t i = 0; i < a->lane_count; i++)
        if (a->lanes[i]->lane)
            json_out_str(o, NULL, a->lanes[i]->plan->lane);
    json_out_end(o);
}

void
host_put_paused(struct json_out *o, const struct lane_status *s)
{
    char text[LANE_PAUSED_TEXT];
    lane_paused_text(s, text, sizeof(text));
    if (s->paused_us)
        json_out_time(o, "paused_at", s->paused_us);
    else
        json_out_null(o, "paused_at");
    json_out_str(o, "paused", text);
}

static void
put_lane(struct json_out *o, struct lane *lane, int changed)
{
    struct lane_status s;
    lane_status(lane, &s);
    json_out_bool(o, "changed", changed);
    json_out_str(o, "state", lane_state_name(s.state));
    json_out_number(o, "position", s.position);
    json_out_number(o, "lag_events", s.lag_events);
    json_out_number(o, "in_flight", s.in_flight);
    json_out_bool(o, "by_config", s.paused_by_config);
    host_put_paused(o, &s);
    json_out_str(o, "last_error", s.last_error);
}

static void
change(struct host *h, const char *name, int (*fn)(struct lane *),
       struct il_text *reply)
{
    const struct assembly_lane *l = host_find_lane(h, name);
    struct json_out o;
    json_out_begin(&o, reply);
    json_out_object(&o, NULL);
    int rc = l && l->lane ? fn(l->lane) : -ENOENT;
    if (rc == -ENOENT)
        put_unknown(&o, h);
    else if (rc < 0)
        put_failed(&o, "io", strerror(-rc));
    else
        put_lane(&o, l->lane, rc);
    json_out_end(&o);
    text_putc(reply, '\n');
}

static int
pause_by_person(struct lane *l)
{
    return lane_pause(l, NULL);
}

void
host_pause(void *arg, const char *line, struct slice body,
           struct il_text *reply)
{
    (void) body;
    change(arg, line, pause_by_person, reply);
}

static int
look(struct lane *l)
{
    (void) l;
    return 0;
}

void
host_look(void *arg, const char *line, struct slice body, struct il_text *reply)
{
    (void) body;
    change(arg, line, look, reply);
}

void
host_resume(void *arg, const char *line, struct slice body,
            struct il_text *reply)
{
    (void) body;
    change(arg, line, lane_resume, reply);
}
