/* SPDX-License-Identifier: MIT */
/* ingestlayer top --json: what it shows, for programs. */
#include "top.h"

#include "reply.h"

#include "codec/json_out.h"

#include <stdio.h>

static void
put_real(struct json_out *o, const char *key, double n)
{
    char text[400];
    int len = snprintf(text, sizeof(text), "%.3f", n);
    if (n < 0)
        json_out_null(o, key);
    else
        json_out_raw(o, key, slice_of(text, (size_t) len));
}

static void
put_rate(struct json_out *o, const char *key, const struct command_pair *p,
         const char *member)
{
    put_real(o, key, command_rate(&p->before, &p->after, member, p->us));
}

/* Members as they are in the status. */
static void
put_members(struct json_out *o, const struct il_value *from,
            const char *const *keys)
{
    for (; *keys; keys++) {
        struct il_value v = command_member(from, *keys);
        if (v.type != IL_MISSING)
            json_out_value(o, *keys, &v);
    }
}

static void
put_source(struct json_out *o, const struct command_pair *p)
{
    static const char *const members[] = { "name", "plugin", "doing", NULL };
    json_out_object(o, NULL);
    put_members(o, &p->after, members);
    put_rate(o, "accepted_per_second", p, "accepted");
    put_rate(o, "duplicates_per_second", p, "duplicates");
    put_rate(o, "refused_per_second", p, "refused");
    json_out_end(o);
}

static void
put_lane(struct json_out *o, const struct command_pair *p, int64_t now_us)
{
    static const char *const members[] = {
        "name",   "state",    "lag_events",   "lag_bytes", "lag_seconds",
        "parked", "next_due", "dead_letters", NULL
    };
    struct il_text waits = { 0 };
    json_out_object(o, NULL);
    put_members(o, &p->after, members);
    put_rate(o, "delivered_per_second", p, "delivered");
    put_rate(o, "dropped_per_second", p, "dropped");
    put_rate(o, "rejected_per_second", p, "rejected");
    put_rate(o, "retries_per_second", p, "retries");
    json_out_said(o, command_lane_waits(&waits, &p->after, now_us));
    json_out_slice(o, "waits_for", slice_of(waits.data, waits.len));
    json_out_end(o);
    text_clear(&waits);
}

static void
put_spool(struct json_out *o, const struct top_view *v)
{
    static const char *const members[] = { "bytes", "segments", "free_bytes",
                                           "trouble", NULL };
    struct il_value before = command_member(&v->before->all, "spool"),
                    now = command_member(&v->now->all, "spool");
    const int same = command_sample_same(v->before, v->now);
    json_out_object(o, "spool");
    put_members(o, &now, members);
    put_real(o, "events_per_second",
             same ? command_rate(&before, &now, "last",
                                 v->now->at_us - v->before->at_us)
                  : -1);
    put_real(o, "seconds_left", command_disk_left(v->now, v->long_rate));
    json_out_end(o);
}

int
command_top_json(struct il_text *out, const struct top_view *v)
{
    static const char *const gate_members[] = { "accepting", "why",
                                                "dead_letters", NULL };
    struct il_value gate = command_member(&v->now->all, "gate");
    struct command_pair p;
    struct json_out o;
    json_out_begin(&o, out);
    json_out_object(&o, NULL);
    json_out_time(&o, "at", v->now->at_us);
    put_real(&o, "seconds",
             command_sample_same(v->before, v->now)
                 ? (double) (v->now->at_us - v->before->at_us) / 1e6
                 : -1);
    json_out_object(&o, "gate");
    put_members(&o, &gate, gate_members);
    json_out_end(&o);
    put_spool(&o, v);
    json_out_array(&o, "sources");
    for (size_t i = 0; command_pair_at(v->before, v->now, "sources", i, &p);
         i++)
        put_source(&o, &p);
    json_out_end(&o);
    json_out_array(&o, "lanes");
    for (size_t i = 0; command_pair_at(v->before, v->now, "lanes", i, &p); i++)
        put_lane(&o, &p, v->now->at_us);
    json_out_end(&o);
    json_out_end(&o);
    int err = json_out_done(&o);
    return err ? err : text_putc(out, '\n');
}
