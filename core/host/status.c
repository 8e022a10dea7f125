/* SPDX-License-Identifier: MIT */
/* What a running daemon says about itself, as JSON. */
#include <config.h>

#include "private.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "cells/cells.h"
#include "codec/json_out.h"
#include "gate/sender.h"
#include "plugin/enter.h"

#include <stdio.h>
#include <unistd.h>

/* When it was; null: never. */
static void
put_time(struct json_out *o, const char *key, int64_t us)
{
    if (us)
        json_out_time(o, key, us);
    else
        json_out_null(o, key);
}

/* --- who does not come back ---------------------------------------------- */

/* Beyond this a call shows: a batch that takes as long is rare, and one that
 * does is worth seeing. */
#define WAITING_US 5000000

static int
put_call(void *arg, const struct il_host *h, const char *callback, int64_t us)
{
    struct json_out *o = arg;
    if (us < WAITING_US)
        return 0;
    json_out_object(o, NULL);
    json_out_str(o, "instance", h->instance);
    if (h->lane)
        json_out_str(o, "lane", h->lane);
    json_out_str(o, "callback", callback);
    json_out_time(o, "since", clock_wall_us() - us);
    json_out_number(o, "seconds", (uint64_t) us / 1000000);
    json_out_end(o);
    return 0;
}

void
host_put_waiting(struct json_out *o)
{
    json_out_array(o, "waiting");
    instance_each_call(put_call, o);
    json_out_end(o);
}

/* A lane whose destination or step is in a callback for long waits for it,
 * whatever it was when it made the call. */
static void
note_waiting(const struct il_host *h, struct lane_status *s)
{
    const char *callback;
    int64_t us = instance_busy_us(h, &callback);
    if (us < WAITING_US
        || (s->state != LANE_RUNNING && s->state != LANE_STARTING
            && s->state != LANE_WAITING))
        return;
    s->state = LANE_WAITING;
    s->last_error_us = clock_wall_us() - us;
    snprintf(s->last_error, sizeof(s->last_error), "in %s of %s for %lld s",
             callback, h->instance, (long long) (us / 1000000));
}

static void
status_of_lane(const struct assembly_lane *l, struct lane_status *s)
{
    lane_status(l->lane, s);
    for (size_t i = 0; i < l->step_count; i++)
        note_waiting(&l->steps[i], s);
    note_waiting(&l->destination, s);
}

/* --- the status ---------------------------------------------------------- */

/* What its steps remember. */
static void
put_memory(struct json_out *o, const struct assembly_lane *l)
{
    struct cells_stats m;
    if (lane_memory(l->lane, &m))
        return;
    json_out_object(o, "memory");
    json_out_number(o, "keys", m.keys);
    json_out_number(o, "bytes", m.bytes);
    json_out_number(o, "disk_bytes", m.disk_bytes);
    json_out_number(o, "position", m.position);
    put_time(o, "written_at", m.written_us);
    json_out_end(o);
}

/* What a lane's destination and steps say they are at. */
static void
put_doing(struct json_out *o, const struct assembly_lane *l,
          const struct lane_status *s)
{
    struct il_text all = { 0 };
    char text[400];
    if (s->recalling)
        text_printf(&all, "its steps run once more, to remember: %d %%",
                    s->recalling);
    instance_doing(&l->destination, text, sizeof(text));
    if (*text)
        text_printf(&all, "%s%s", all.len ? "; " : "", text);
    for (size_t i = 0; i < l->step_count; i++) {
        instance_doing(&l->steps[i], text, sizeof(text));
        if (*text)
            text_printf(&all, "%sstep %s: %s", all.len ? "; " : "",
                        l->steps[i].name, text);
    }
    json_out_str(o, "doing", text_str(&all));
    text_clear(&all);
}

static void
put_sources(struct json_out *o, const struct assembly *a)
{
    char doing[400];
    json_out_array(o, "sources");
    for (size_t i = 0; i < a->plan->source_count; i++) {
        const struct il_host *source = &a->sources[i]->host;
        struct gate_counts counts = { 0 };
        instance_doing(source, doing, sizeof(doing));
        if (source->source)
            gate_source_counts(source->source, &counts);
        json_out_object(o, NULL);
        json_out_str(o, "name", source->name);
        json_out_str(o, "plugin", source->plugin->desc.name);
        json_out_str(o, "doing", doing);
        json_out_number(o, "accepted", counts.accepted);
        json_out_number(o, "duplicates", counts.duplicates);
        json_out_number(o, "refused", counts.refused);
        json_out_end(o);
    }
    json_out_end(o);
}

/* What waits to be sent again, and who takes nothing. */
static void
put_parked(struct json_out *o, const struct lane_status *s, int quotes)
{
    json_out_number(o, "parked", s->parked);
    json_out_number(o, "parked_bytes", s->parked_bytes);
    put_time(o, "next_due",
             s->parked && s->next_due_us != INT64_MAX ? s->next_due_us : 0);
    json_out_array(o, "held_off");
    for (uint32_t i = 0; i < s->hold_count; i++) {
        const struct lane_held *held = &s->holds[i];
        json_out_object(o, NULL);
        if (*held->target)
            json_out_str(o, "target", held->target);
        else
            json_out_null(o, "target");
        json_out_time(o, "until", held->until_us);
        json_out_str(o, "why", quotes ? held->why : "");
        json_out_end(o);
    }
    json_out_end(o);
}

static void
put_lane(struct json_out *o, const struct assembly_lane *l, int quotes)
{
    struct lane_status status, *s = &status;
    char lag[32];
    status_of_lane(l, s);
    int len = snprintf(lag, sizeof lag, "%.3f", (double) s->lag_us / 1e6);
    json_out_object(o, NULL);
    json_out_str(o, "name", s->name);
    json_out_str(o, "state", lane_state_name(s->state));
    json_out_number(o, "position", s->position);
    json_out_number(o, "lag_events", s->lag_events);
    json_out_number(o, "lag_bytes", s->lag_bytes);
    json_out_raw(o, "lag_seconds", slice_of(lag, (size_t) len));
    json_out_number(o, "delivered", s->delivered);
    json_out_number(o, "dropped", s->dropped);
    json_out_number(o, "rejected", s->rejected);
    json_out_number(o, "retries", s->retries);
    json_out_number(o, "dead_letters", s->dead);
    json_out_number(o, "dead_letters_retrying", s->retrying);
    if (s->per_event || s->parked)
        put_parked(o, s, quotes);
    host_put_paused(o, s, quotes);
    put_time(o, "last_delivery", s->last_ok_us);
    put_time(o, "last_error_at", s->last_error_us);
    json_out_str(o, "last_error", quotes ? s->last_error : "");
    put_doing(o, l, s);
    put_memory(o, l);
    json_out_end(o);
}

static int
add_letters(void *arg, const struct parked_lane_info *info)
{
    *(uint64_t *) arg += info->counts.letters;
    return 0;
}

/* Of the gate and all lanes, whichever store they are in. */
static uint64_t
all_letters(struct host *h)
{
    uint64_t n = dead_count(h->dead, NULL);
    if (h->parked)
        parked_lanes(h->parked, add_letters, &n);
    return n;
}

static void
put_gate(struct json_out *o, struct host *h)
{
    char why[256] = "";
    const struct il_conf *g = option_group(h->root, "http", 0);
    int accepting =
        gate_ready(h->gate, why, sizeof(why)) == 0 && atomic_load(&h->serving);
    json_out_object(o, "gate");
    json_out_bool(o, "accepting", accepting);
    json_out_str(o, "why", accepting ? "" : why);
    json_out_array(o, "listen");
    for (size_t i = 0; i < option_count(g, "listen"); i++)
        json_out_str(o, NULL, option_str(g, "listen", i));
    json_out_end(o);
    json_out_array(o, "ports");
    for (size_t i = 0; i < option_count(g, "listen"); i++)
        json_out_number(o, NULL, (uint64_t) http_port(h->gate_http, i));
    json_out_end(o);
    json_out_number(o, "dead_letters", all_letters(h));
    json_out_end(o);
}

static void
put_spool(struct json_out *o, struct host *h)
{
    struct spool_stats s;
    char why[256];
    spool_stats(h->spool, &s);
    spool_health_text(h->spool, why, sizeof(why));
    json_out_object(o, "spool");
    json_out_str(o, "id", spool_id_text(h->spool));
    json_out_number(o, "first", s.first);
    json_out_number(o, "last", s.last);
    json_out_number(o, "durable", s.durable);
    json_out_number(o, "bytes", s.bytes);
    json_out_number(o, "segments", s.segments);
    json_out_number(o, "spare_bytes", s.spare_bytes);
    json_out_number(o, "free_bytes", s.free_bytes);
    json_out_number(o, "min_free_bytes", (uint64_t) atomic_load(&h->min_free));
    json_out_number(o, "damaged", s.damaged);
    json_out_str(o, "trouble", why);
    json_out_end(o);
}

static void
put_sender(struct json_out *o, const char *source, const struct il_sender *s)
{
    json_out_object(o, NULL);
    json_out_str(o, "source", source);
    json_out_str(o, "key", s->id);
    json_out_number(o, "accepted", metric_get(s->accepted));
    json_out_number(o, "duplicates", metric_get(s->duplicates));
    json_out_number(o, "refused", metric_get(s->refused));
    json_out_number(o, "limited", metric_get(s->limited));
    json_out_end(o);
}

/* Which keys are in use: before an old one is removed, that matters. */
static void
put_senders(struct json_out *o, const struct assembly *a)
{
    json_out_array(o, "keys");
    for (size_t i = 0; i < a->plan->source_count; i++)
        for (const struct il_sender *s = a->sources[i]->host.senders; s;
             s = gate_sender_next(s))
            put_sender(o, a->sources[i]->host.name, s);
    json_out_end(o);
}

static void
put_lanes(struct json_out *o, const struct assembly *a, int quotes)
{
    json_out_array(o, "lanes");
    for (size_t i = 0; i < a->lane_count; i++)
        if (a->lanes[i]->lane)
            put_lane(o, a->lanes[i], quotes);
    json_out_end(o);
}

/* What a start or a stop is at, while it takes its time. */
static void
put_phases(struct json_out *o, struct host *h)
{
    struct idem_stats index;
    idem_stats(h->idem, &index);
    if (index.rereads) {
        json_out_object(o, "index");
        json_out_number(o, "done", index.reread);
        json_out_number(o, "total", index.to_reread);
        json_out_str(o, "unit", "events");
        json_out_end(o);
    }
    int64_t left_us = atomic_load(&h->drains_until_us) - clock_monotonic_us();
    if (left_us > 0) {
        json_out_object(o, "stopping");
        json_out_number(o, "deliveries", host_lanes_left(h->assembly));
        json_out_number(o, "seconds", (uint64_t) (left_us / 1000000));
        json_out_end(o);
    }
}

int
host_status(struct host_request *r)
{
    struct host *h = r->host;
    struct json_out o;
    host_answer_begin(r, &o);
    json_out_str(&o, "version", PACKAGE_VERSION);
    json_out_number(&o, "pid", (uint64_t) getpid());
    put_time(&o, "started_at", h->started_us);
    put_time(&o, "now", clock_wall_us());
    put_gate(&o, h);
    put_spool(&o, h);
    json_out_number(&o, "entities", entity_count(h->entities));
    put_sources(&o, h->assembly);
    put_senders(&o, h->assembly);
    host_put_waiting(&o);
    put_phases(&o, h);
    put_lanes(&o, h->assembly, r->quotes);
    host_put_left(&o, h);
    host_jobs_put(h->jobs, &o);
    return host_answer(r, &o);
}

int
host_lanes(struct host_request *r)
{
    struct json_out o;
    host_answer_begin(r, &o);
    put_time(&o, "now", clock_wall_us());
    put_lanes(&o, r->host->assembly, r->quotes);
    return host_answer(r, &o);
}
