/* SPDX-License-Identifier: MIT */
/* What a running daemon says about itself, as JSON. */
#include <config.h>

#include "private.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "base/time.h"
#include "codec/json.h"
#include "gate/sender.h"
#include "plugin/enter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A member, after a comma where it is not the first. */
static void
put_key(struct il_text *out, const char *key)
{
    char last = out->len ? out->data[out->len - 1] : '{';
    text_printf(out, "%s\"%s\":", last == '{' || last == '[' ? "" : ",", key);
}

static void
put_text(struct il_text *out, const char *key, const char *value)
{
    put_key(out, key);
    json_write_str(out, value, strlen(value), 0);
}

static void
put_number(struct il_text *out, const char *key, uint64_t value)
{
    put_key(out, key);
    text_printf(out, "%" PRIu64, value);
}

static void
put_time(struct il_text *out, const char *key, int64_t us)
{
    char text[TIME_TEXT];
    put_key(out, key);
    if (us) {
        time_format(text, us);
        text_printf(out, "\"%s\"", text);
    } else {
        text_puts(out, "null");
    }
}

/* --- who does not come back ---------------------------------------------- */

/* Beyond this a call shows: a batch that takes as long is rare, and one that
 * does is worth seeing. */
#define WAITING_US 5000000

static int
put_call(void *arg, const struct il_host *h, const char *callback, int64_t us)
{
    struct il_text *out = arg;
    if (us < WAITING_US)
        return 0;
    text_puts(out, out->len && out->data[out->len - 1] != '[' ? ",{" : "{");
    put_text(out, "instance", h->instance);
    if (h->lane)
        put_text(out, "lane", h->lane);
    put_text(out, "callback", callback);
    put_time(out, "since", clock_wall_us() - us);
    put_number(out, "seconds", (uint64_t) us / 1000000);
    return text_puts(out, "}");
}

int
host_put_waiting(struct il_text *out)
{
    return instance_each_call(put_call, out);
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
status_of_lane(struct assembly_lane *l, struct lane_status *s)
{
    lane_status(l->lane, s);
    for (size_t i = 0; i < l->pipeline->step_count; i++)
        note_waiting(&l->steps[i], s);
    note_waiting(&l->destination, s);
}

static void
put_lane(struct il_text *out, const struct lane_status *s)
{
    text_puts(out, "{");
    put_text(out, "name", s->name);
    put_text(out, "state", lane_state_name(s->state));
    put_number(out, "position", s->position);
    put_number(out, "lag_events", s->lag_events);
    put_number(out, "lag_bytes", s->lag_bytes);
    put_key(out, "lag_seconds");
    text_printf(out, "%.3f", (double) s->lag_us / 1e6);
    put_number(out, "delivered", s->delivered);
    put_number(out, "dropped", s->dropped);
    put_number(out, "rejected", s->rejected);
    put_number(out, "retries", s->retries);
    put_number(out, "dead_letters", s->dead);
    put_number(out, "dead_letters_retrying", s->retrying);
    put_time(out, "last_delivery", s->last_ok_us);
    put_time(out, "last_error_at", s->last_error_us);
    put_text(out, "last_error", s->last_error);
    text_puts(out, "}");
}

static void
put_gate(struct il_text *out, struct host *h)
{
    char why[256] = "";
    int accepting =
        gate_ready(h->gate, why, sizeof(why)) == 0 && atomic_load(&h->serving);
    put_key(out, "gate");
    text_puts(out, "{");
    put_key(out, "accepting");
    text_puts(out, accepting ? "true" : "false");
    put_text(out, "why", accepting ? "" : why);
    const struct il_conf *g = option_group(h->root, "http", 0);
    put_key(out, "listen");
    text_puts(out, "[");
    for (size_t i = 0; i < option_count(g, "listen"); i++) {
        const char *at = option_str(g, "listen", i);
        text_puts(out, i ? "," : "");
        json_write_str(out, at, strlen(at), 0);
    }
    text_puts(out, "]");
    put_key(out, "ports");
    text_puts(out, "[");
    for (size_t i = 0; i < option_count(g, "listen"); i++)
        text_printf(out, "%s%d", i ? "," : "", http_port(h->gate_http, i));
    text_puts(out, "]");
    put_number(out, "dead_letters", dead_count(h->dead, NULL));
    text_puts(out, "}");
}

static void
put_spool(struct il_text *out, struct host *h)
{
    struct spool_stats s;
    char why[256];
    spool_stats(h->spool, &s);
    spool_health_text(h->spool, why, sizeof(why));
    put_key(out, "spool");
    text_puts(out, "{");
    put_text(out, "id", spool_id_text(h->spool));
    put_number(out, "first", s.first);
    put_number(out, "last", s.last);
    put_number(out, "durable", s.durable);
    put_number(out, "bytes", s.bytes);
    put_number(out, "segments", s.segments);
    put_number(out, "spare_bytes", s.spare_bytes);
    put_number(out, "free_bytes", s.free_bytes);
    put_number(out, "damaged", s.damaged);
    put_text(out, "trouble", why);
    text_puts(out, "}");
}

static void
put_sender(struct il_text *out, const char *source, const struct il_sender *s)
{
    text_puts(out, "{");
    put_text(out, "source", source);
    put_text(out, "key", s->id);
    put_number(out, "accepted", metric_get(s->accepted));
    put_number(out, "duplicates", metric_get(s->duplicates));
    put_number(out, "refused", metric_get(s->refused));
    put_number(out, "limited", metric_get(s->limited));
    text_puts(out, "}");
}

/* Which keys are in use: before an old one is removed, that matters. */
static void
put_senders(struct il_text *out, const struct assembly *a)
{
    put_key(out, "keys");
    text_puts(out, "[");
    for (size_t i = 0, n = 0; i < a->plan->source_count; i++)
        for (const struct il_sender *s = a->sources[i].senders; s;
             s = gate_sender_next(s)) {
            text_puts(out, n++ ? "," : "");
            put_sender(out, a->sources[i].name, s);
        }
    text_puts(out, "]");
}

void
host_status(void *arg, const char *line, struct slice body, struct il_text *out)
{
    struct host *h = arg;
    (void) line;
    (void) body;
    text_puts(out, "{");
    put_text(out, "version", PACKAGE_VERSION);
    put_number(out, "pid", (uint64_t) getpid());
    put_time(out, "started_at", h->started_us);
    put_time(out, "now", clock_wall_us());
    put_gate(out, h);
    put_spool(out, h);
    put_number(out, "entities", entity_count(h->entities));
    put_senders(out, h->assembly);
    put_key(out, "waiting");
    text_puts(out, "[");
    host_put_waiting(out);
    text_puts(out, "]");
    put_key(out, "lanes");
    text_puts(out, "[");
    for (size_t i = 0, n = 0; i < h->assembly->lane_count; i++) {
        struct lane_status s;
        if (!h->assembly->lanes[i].lane)
            continue;
        status_of_lane(&h->assembly->lanes[i], &s);
        text_puts(out, n++ ? "," : "");
        put_lane(out, &s);
    }
    text_puts(out, "]}\n");
}
