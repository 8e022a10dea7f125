/* SPDX-License-Identifier: MIT */
/* How a lane is: status, metrics, and log lines about trouble. */
#include "private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/wtf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TROUBLE_EVERY_US 30000000 /* one line in so long */
#define OVERDUE_US 10000000 /* more than a slow batch takes as a rule */

uint64_t
lane_passed(const struct lane *l)
{
    return atomic_load(&l->passed);
}

int
lane_is_fenced(struct lane *l)
{
    pthread_mutex_lock(&l->lock);
    int fenced = l->fenced;
    pthread_mutex_unlock(&l->lock);
    return fenced;
}

const char *
lane_state_name(enum lane_state state)
{
    static const char *const names[] = { "starting", "running", "waiting",
                                         "paused",   "fenced",  "stopped" };
    return (unsigned) state < sizeof names / sizeof *names ? names[state]
                                                           : "unknown";
}

void
lane_state_set(struct lane *l, enum lane_state state)
{
    pthread_mutex_lock(&l->lock);
    l->status.state = state;
    pthread_mutex_unlock(&l->lock);
}

/* --- trouble: the first is logged, the rest is counted --- */

void
lane_trouble(struct lane *l, enum lane_state state, const char *fmt, ...)
{
    char text[sizeof l->status.last_error];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    utf8_mend(text, strlen(text)); /* it ends up in JSON */

    int64_t now = clock_monotonic_us();
    pthread_mutex_lock(&l->lock);
    int same =
        l->status.state == state && strcmp(l->status.last_error, text) == 0;
    l->status.state = state;
    l->status.last_error_us = clock_wall_us();
    memcpy(l->status.last_error, text, sizeof text);
    pthread_mutex_unlock(&l->lock);

    if (!l->trouble_count++)
        l->trouble_since_us = now;
    l->trouble_unlogged++;
    int due = now - l->trouble_logged_us >= TROUBLE_EVERY_US;
    if (same ? !due
             : !due && l->trouble_unlogged > 1 && state != LANE_FENCED
                   && state != LANE_PAUSED)
        return;
    if (l->trouble_unlogged > 1)
        log_warn("lane %s: %s: %s (%llu times in the last %lld s)",
                 l->spec.name, lane_state_name(state), text,
                 (unsigned long long) l->trouble_unlogged,
                 (long long) (now - l->trouble_logged_us) / 1000000);
    else if (state == LANE_FENCED)
        log_error("lane %s: %s", l->spec.name, text);
    else
        log_warn("lane %s: %s: %s", l->spec.name, lane_state_name(state), text);
    l->trouble_logged_us = now;
    l->trouble_unlogged = 0;
}

void
lane_recovered(struct lane *l)
{
    if (!l->trouble_count)
        return;
    log_info("lane %s: goes on after %lld s and %llu failed attempts",
             l->spec.name,
             (long long) (clock_monotonic_us() - l->trouble_since_us) / 1000000,
             (unsigned long long) l->trouble_count);
    l->trouble_count = l->trouble_unlogged = 0;
    l->trouble_logged_us = 0;
    pthread_mutex_lock(&l->lock);
    l->status.state = LANE_RUNNING;
    l->status.last_error[0] = 0;
    pthread_mutex_unlock(&l->lock);
}

void
lane_overdue(struct lane *l)
{
    const struct flight *f = lane_flight(l, 0);
    int64_t now = clock_monotonic_us();
    char cause[400] = "";
    pthread_mutex_lock(&l->lock);
    int away = l->used && f->stage == FLIGHT_WRITTEN;
    pthread_mutex_unlock(&l->lock);
    int64_t since =
        f->written_us > l->answered_us ? f->written_us : l->answered_us;
    if (!away || now - since < OVERDUE_US
        || (l->overdue_us >= since && now - l->overdue_us < TROUBLE_EVERY_US))
        return;
    l->overdue_us = now;
    if (l->spec.said)
        l->spec.said(l->spec.host, since, cause, sizeof cause);
    lane_trouble(l, LANE_WAITING,
                 "the destination has not answered for %lld s%s%s",
                 (long long) (now - since) / 1000000, *cause ? ": " : "",
                 cause);
}

/* --- status --- */

void
lane_status(struct lane *l, struct lane_status *out)
{
    pthread_mutex_lock(&l->lock);
    *out = l->status;
    int64_t oldest = l->oldest_us;
    out->in_flight = l->unsettled;
    /* The thread's own state is what it goes on with. */
    if (lane_paused(l) && out->state != LANE_FENCED
        && out->state != LANE_STOPPED)
        out->state = LANE_PAUSED;
    pthread_mutex_unlock(&l->lock);
    out->paused_by_config = l->spec.paused;
    uint64_t durable = spool_durable(l->ctx.spool);
    out->name = l->spec.name;
    out->lag_events = durable > out->position ? durable - out->position : 0;
    out->lag_bytes =
        out->lag_events ? spool_backlog_bytes(l->ctx.spool, out->position) : 0;
    int64_t age = oldest && out->lag_events ? clock_wall_us() - oldest : 0;
    out->lag_us = age > 0 ? age : 0; /* the wall clock may have jumped */
    struct parked_counts parked;
    struct dead_timed timed;
    out->dead = lane_letters(l, &parked);
    dead_timed(l->ctx.dead, l->spec.name, &timed);
    out->per_event = l->parked != NULL;
    out->parked = parked.parked + timed.due;
    out->parked_bytes = parked.parked_bytes + timed.due_bytes;
    out->next_due_us = parked.next_due_us < timed.next_due_us
                           ? parked.next_due_us
                           : timed.next_due_us;
    lane_holds(l, out);
    out->retrying = dead_retrying(l->ctx.dead, l->spec.name);
}

/* --- metrics --- */

static void
lane_memory_gauges(struct lane *l)
{
    struct cells_stats m;
    if (lane_memory(l, &m))
        return;
    metric_set(l->gauge_memory, m.bytes);
    metric_set(l->gauge_memory_keys, m.keys);
    metric_set(l->gauge_memory_disk, m.disk_bytes);
    metric_set(l->gauge_memory_written, (uint64_t) m.written_us);
}

static void
lane_gauges(void *arg)
{
    struct lane *l = arg;
    struct lane_status s;
    lane_status(l, &s);
    metric_set(l->gauge_position, s.position);
    metric_set(l->gauge_lag_events, s.lag_events);
    metric_set(l->gauge_lag_bytes, s.lag_bytes);
    metric_set(l->gauge_lag, (uint64_t) s.lag_us);
    metric_set(l->gauge_state, s.state);
    metric_set(l->gauge_dead, s.dead);
    metric_set(l->gauge_retrying, s.retrying);
    lane_memory_gauges(l);
    if (l->gauge_parked) {
        metric_set(l->gauge_parked, s.parked);
        metric_set(l->gauge_bytes, s.parked_bytes);
        metric_set(l->gauge_due,
                   s.next_due_us != INT64_MAX ? (uint64_t) s.next_due_us : 0);
    }
    if (l->parked)
        metric_set(l->parked->gauge_held, s.hold_count);
}

static int
lane_counters(struct lane *l, const char *label)
{
    l->delivered = metric_counter("events_delivered_total", label, IL_UNIT_NONE,
                                  "Events that reached the destination.");
    l->elsewhere = metric_counter("events_elsewhere_total", label, IL_UNIT_NONE,
                                  "Events that `when` left out.");
    l->dead_letters = metric_counter("events_dead_total", label, IL_UNIT_NONE,
                                     "Events that became dead letters.");
    l->retries = metric_counter("delivery_retries_total", label, IL_UNIT_NONE,
                                "Batches that had to be sent again.");
    l->set_backs =
        metric_counter("delivery_set_backs_total", label, IL_UNIT_NONE,
                       "Times that the destination said it had "
                       "lost what it had taken.");
    l->gauge_position = metric_gauge("lane_position", label, IL_UNIT_NONE,
                                     "The last settled position.");
    l->gauge_lag_events = metric_gauge("lane_lag_events", label, IL_UNIT_NONE,
                                       "Events not yet settled.");
    l->gauge_lag_bytes = metric_gauge("lane_lag_bytes", label, IL_UNIT_BYTES,
                                      "Bytes of the spool not yet settled.");
    l->gauge_lag = metric_gauge("lane_lag_seconds", label, IL_UNIT_MICROSECONDS,
                                "Age of the oldest event that is not settled.");
    l->gauge_state = metric_gauge("lane_state", label, IL_UNIT_NONE,
                                  "0 starting, 1 running, 2 waiting, 3 "
                                  "paused, 4 fenced, 5 stopped.");
    l->gauge_dead = metric_gauge("dead_letters", label, IL_UNIT_NONE,
                                 "Dead letters that wait for help.");
    l->gauge_retrying =
        metric_gauge("dead_letters_retrying", label, IL_UNIT_NONE,
                     "Dead letters that are being tried again.");
    l->times = metric_histogram("delivery_seconds", label,
                                "From when an event was received until its "
                                "destination had it.");
    return l->delivered && l->elsewhere && l->dead_letters && l->retries
                   && l->set_backs && l->gauge_position && l->gauge_lag_events
                   && l->gauge_lag_bytes && l->gauge_lag && l->gauge_state
                   && l->gauge_dead && l->gauge_retrying && l->times
               ? 0
               : -ENOMEM;
}

static int
lane_memory_counters(struct lane *l, const char *label)
{
    if (!l->spec.remembers)
        return 0;
    l->gauge_memory =
        metric_gauge("steps_memory_bytes", label, IL_UNIT_BYTES,
                     "Memory that what its steps remember takes.");
    l->gauge_memory_keys = metric_gauge(
        "steps_memory_keys", label, IL_UNIT_NONE,
        "Keys on the disk that its steps remember; some may be counted twice.");
    l->gauge_memory_disk =
        metric_gauge("steps_memory_disk_bytes", label, IL_UNIT_BYTES,
                     "What they take on the disk.");
    l->gauge_memory_written = metric_gauge(
        "steps_memory_written_timestamp_seconds", label, IL_UNIT_MICROSECONDS,
        "When that was last written down; 0: not since the start.");
    return l->gauge_memory && l->gauge_memory_keys && l->gauge_memory_disk
                   && l->gauge_memory_written
               ? 0
               : -ENOMEM;
}

/* Of what is put aside, by the destination or by steps. */
static int
lane_aside_counters(struct lane *l, const char *label)
{
    if (!l->parked && !l->spec.step_count)
        return 0;
    l->count_parked =
        metric_counter("events_parked_total", label, IL_UNIT_NONE,
                       "Times that an event was put aside to be sent again.");
    l->gauge_parked = metric_gauge("events_parked", label, IL_UNIT_NONE,
                                   "Events that wait to be sent again.");
    l->gauge_bytes = metric_gauge("events_parked_bytes", label, IL_UNIT_BYTES,
                                  "What they take.");
    l->gauge_due = metric_gauge(
        "parked_next_due_timestamp_seconds", label, IL_UNIT_MICROSECONDS,
        "When the first of them is sent again; 0: none waits.");
    return l->count_parked && l->gauge_parked && l->gauge_bytes && l->gauge_due
               ? 0
               : -ENOMEM;
}

static int
lane_parked_counters(struct lane *l, const char *label)
{
    struct lane_parked *p = l->parked;
    if (!p)
        return 0;
    p->gauge_held = metric_gauge("targets_held_off", label, IL_UNIT_NONE,
                                 "Far sides that take nothing for a while.");
    p->count_lost = metric_counter(
        "events_let_go_total", label, IL_UNIT_NONE,
        "Events that the spool had no room for until the lane came to them.");
    p->count_old = metric_counter("events_too_old_total", label, IL_UNIT_NONE,
                                  "Events that max_age was too short for.");
    return p->count_lost && p->count_old && p->gauge_held ? 0 : -ENOMEM;
}

void
lane_delivered(struct lane *l, const struct batch_event *events, uint32_t count)
{
    const int64_t now = clock_wall_us();
    int64_t us = 0, above = 0, most = -1;
    uint64_t n = 0, sum = 0;
    /* What came together took about as long: one bucket for most of it. */
    for (uint32_t i = 0; i < count; i++) {
        const struct batch_event *e = &events[i];
        if (e->state != BATCH_LIVE && e->state != BATCH_DONE)
            continue;
        const int64_t took = now - e->ev.received_us; /* clocks may jump */
        if (took <= above || took > most) {
            metric_observe(l->times, us, n, sum);
            n = sum = 0;
            most = metric_bucket(took, &above);
        }
        us = took > 0 ? took : 0;
        sum += (uint64_t) us;
        n++;
    }
    metric_observe(l->times, us, n, sum);
}

/* Steps may repeat: the number tells them apart. */
static int
lane_step_counters(struct lane *l, struct il_text *label)
{
    size_t common = label->len;
    l->dropped = calloc(l->spec.step_count + 1, sizeof *l->dropped);
    if (!l->dropped)
        return -ENOMEM;
    for (size_t i = 0; i < l->spec.step_count; i++) {
        char step[160];
        snprintf(step, sizeof step, "%zu/%s", i + 1,
                 l->spec.steps[i].plugin->name);
        label->len = common;
        if (text_putc(label, ',') || metric_label(label, "step", step)
            || !(l->dropped[i] = metric_counter(
                     "events_dropped_total", text_str(label), IL_UNIT_NONE,
                     "Events that a step dropped on purpose.")))
            return -ENOMEM;
    }
    return 0;
}

int
lane_metrics(struct lane *l)
{
    struct il_text label = { 0 };
    int err = metric_label(&label, "lane", l->spec.name);
    if (!err)
        err = lane_counters(l, text_str(&label));
    if (!err)
        err = lane_aside_counters(l, text_str(&label));
    if (!err)
        err = lane_parked_counters(l, text_str(&label));
    if (!err)
        err = lane_memory_counters(l, text_str(&label));
    if (!err)
        err = lane_step_counters(l, &label);
    if (!err)
        err = metric_refresh(lane_gauges, l);
    text_clear(&label);
    return err;
}

void
lane_metrics_end(struct lane *l)
{
    metric_refresh_remove(lane_gauges, l);
}
