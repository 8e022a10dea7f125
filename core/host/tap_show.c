/* SPDX-License-Identifier: MIT */
/* An event that somebody looks at, as a line. */
#include "tap.h"

#include "codec/batch.h"
#include "codec/json_out.h"
#include "lane/tap.h"

#include <errno.h>

static void
put_event(struct json_out *o, const struct event *ev, int hidden)
{
    struct event shown = *ev;
    if (hidden)
        shown.payload = SLICE("\xc0"); /* nil */
    json_out_object(o, "event");
    event_members(o, &shown);
    json_out_end(o);
    if (hidden)
        json_out_bool(o, "hidden", 1);
}

static void
put_text(struct json_out *o, const char *key, struct slice s)
{
    if (s.len)
        json_out_slice(o, key, s);
    else
        json_out_null(o, key);
}

static const char *
became(uint8_t state)
{
    return state == BATCH_ELSEWHERE  ? "elsewhere"
           : state == BATCH_DROPPED  ? "dropped"
           : state == BATCH_DEFERRED ? "parked"
                                     : "letter";
}

static void
put_point(struct json_out *o, const struct tap_show *s,
          const struct lane_tapped *seen)
{
    const int ended = seen->state != BATCH_LIVE;
    json_out_name(o, "at",
                  ended      ? "dropped"
                  : s->after ? "after"
                             : "destination");
    if (ended) {
        json_out_slice(o, "step", seen->step);
        put_text(o, "plugin", seen->plugin);
        json_out_name(o, "became", became(seen->state));
        put_text(o, "code", seen->code);
        put_text(o, "message", seen->message);
    } else if (s->after) {
        json_out_str(o, "step", s->after);
    }
    json_out_str(o, "lane", s->lane);
    json_out_number(o, "position", seen->position);
    if (seen->attempt)
        json_out_number(o, "attempt", seen->attempt);
}

static void
put_entities(struct json_out *o, const struct entity_link *first)
{
    struct il_text text = { 0 };
    json_out_said(o, batch_entities_json(first, &text));
    json_out_raw(o, "entities", slice_of(text_str(&text), text.len));
    text_clear(&text);
}

int
host_tap_line(struct tap_show *s, const struct lane_tapped *seen)
{
    const struct batch_again again = { 0 };
    struct json_out o;
    if (!s->batch && !(s->batch = batch_new()))
        return -ENOMEM;
    batch_clear(s->batch);
    int err = batch_add_decided(s->batch, seen->position, seen->event.ptr,
                                seen->event.len, &again);
    if (err)
        return err;
    const struct batch_event *e = &s->batch->events[0];
    s->line.len = 0;
    json_out_begin(&o, &s->line);
    json_out_object(&o, NULL);
    put_point(&o, s, seen);
    put_event(&o, &e->ev, seen->hidden);
    if (e->entities)
        put_entities(&o, e->entities);
    json_out_end(&o);
    return json_out_done(&o);
}

int
host_tap_gate_line(struct tap_show *s, uint64_t position,
                   const struct event *ev, int hidden)
{
    struct json_out o;
    s->line.len = 0;
    json_out_begin(&o, &s->line);
    json_out_object(&o, NULL);
    json_out_name(&o, "at", "gate");
    json_out_number(&o, "position", position);
    put_event(&o, ev, hidden);
    json_out_end(&o);
    return json_out_done(&o);
}

void
host_tap_show_clear(struct tap_show *s)
{
    batch_free(s->batch);
    text_clear(&s->line);
}
