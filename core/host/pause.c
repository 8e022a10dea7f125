/* SPDX-License-Identifier: MIT */
/* A person looks at a lane, and decides whether it delivers. */
#include "private.h"

#include "codec/json_out.h"

#include <string.h>

/* Which there are says whoever has it wrong. */
int
host_refuse_lane(struct host_request *r)
{
    const struct assembly *a = r->host->assembly;
    struct il_text names = { 0 };
    for (size_t i = 0; i < a->lane_count; i++)
        if (a->lanes[i]->lane)
            text_printf(&names, "%s %s", names.len ? "," : "",
                        a->lanes[i]->plan->lane);
    int status = host_refuse(r, 404, "unknown_lane",
                             "there is no lane \"%s\" in the running config; "
                             "it has%s",
                             r->name, names.len ? text_str(&names) : " none");
    text_clear(&names);
    return status;
}

void
host_put_paused(struct json_out *o, const struct lane_status *s, int quotes)
{
    char text[LANE_PAUSED_TEXT];
    lane_paused_text(s, text, sizeof(text));
    if (s->paused_us)
        json_out_time(o, "paused_at", s->paused_us);
    else
        json_out_null(o, "paused_at");
    json_out_str(o, "paused", quotes ? text : "");
}

static int
put_lane(struct host_request *r, struct lane *lane, int changed)
{
    struct lane_status s;
    struct json_out o;
    lane_status(lane, &s);
    host_answer_begin(r, &o);
    json_out_str(&o, "name", s.name);
    json_out_bool(&o, "changed", changed);
    json_out_str(&o, "state", lane_state_name(s.state));
    json_out_number(&o, "position", s.position);
    json_out_number(&o, "lag_events", s.lag_events);
    json_out_number(&o, "in_flight", s.in_flight);
    json_out_bool(&o, "by_config", s.paused_by_config);
    host_put_paused(&o, &s, r->quotes);
    json_out_str(&o, "last_error", r->quotes ? s.last_error : "");
    return host_answer(r, &o);
}

static int
change(struct host_request *r, int (*fn)(struct lane *), const char *as_it_is)
{
    const struct assembly_lane *l = host_find_lane(r->host, r->name);
    if (!l || !l->lane)
        return host_refuse_lane(r);
    int rc = fn ? fn(l->lane) : 0;
    if (rc < 0)
        return host_refuse(r, 500, "io",
                           "%s is %s: its cursor cannot be written: %s",
                           r->name, as_it_is, strerror(-rc));
    return put_lane(r, l->lane, rc);
}

static int
pause_by_person(struct lane *l)
{
    return lane_pause(l, NULL);
}

int
host_pause(struct host_request *r)
{
    return change(r, pause_by_person, "not paused");
}

int
host_look(struct host_request *r)
{
    return change(r, NULL, "");
}

int
host_resume(struct host_request *r)
{
    return change(r, lane_resume, "still paused");
}
