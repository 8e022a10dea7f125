/* SPDX-License-Identifier: MIT */
#include "out.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define EACH_US 10000000 /* at most one line in this time of many targets */
#define SHOWN 3

int
tell_open(struct out *o)
{
    struct out_counts *c = &o->counts;
    const struct {
        struct il_counter **counter;
        const char *name, *help;
    } all[] = {
        { &c->delivered, "attempts_delivered", "Attempts answered with 2xx." },
        { &c->redirected, "attempts_redirected",
          "Attempts answered with 3xx, which is not followed." },
        { &c->refused, "attempts_refused", "Attempts answered with 4xx." },
        { &c->broken, "attempts_broken", "Attempts answered with 5xx." },
        { &c->unanswered, "attempts_unanswered",
          "Attempts without an answer: no address, no connection, no TLS, none "
          "that can be read, none in time." },
        { &c->unsent, "attempts_unsent",
          "Attempts given up by ourselves, at a stop say." },
        { &c->unattempted, "deferred_unattempted",
          "Events that wait again without an attempt that counts." },
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (!(*all[i].counter = il_counter_new(o->host, all[i].name,
                                               IL_UNIT_NONE, all[i].help)))
            return -1;
    c->time = il_counter_new(o->host, "attempts", IL_UNIT_MICROSECONDS,
                             "Time from the beginning of attempts to the end "
                             "of their answers.");
    c->in_flight = il_gauge_new(o->host, "requests_in_flight", IL_UNIT_NONE,
                                "Requests under way.");
    c->open = il_gauge_new(o->host, "targets_left_alone", IL_UNIT_NONE,
                           "Targets that get nothing but probes.");
    return c->time && c->in_flight && c->open ? 0 : -1;
}

void
tell_answer(struct out *o, const struct transport_answer *a, int delivered)
{
    struct out_counts *c = &o->counts;
    struct il_counter *counter = c->unanswered;
    if (a->what == TRANSPORT_CANCELLED || a->what == TRANSPORT_NO_MEMORY
        || a->what == TRANSPORT_REQUEST)
        counter = c->unsent;
    else if (a->what == TRANSPORT_ANSWERED)
        counter = delivered              ? c->delivered
                  : a->status / 100 == 3 ? c->redirected
                  : a->status < 500      ? c->refused
                                         : c->broken;
    il_counter_add(o->host, counter, 1);
    il_counter_add(o->host, c->time, (uint64_t) a->ms * 1000);
}

void
tell_attempt(struct out *o, const struct out_request *r,
             const struct transport_answer *a, enum attempts_end end,
             const char *text)
{
    const struct out_event *e = r->event;
    if (!o->attempts
        || (end == ATTEMPTS_DELIVERED
            && o->options.attempts == OUT_ATTEMPTS_FAILURES))
        return;
    struct attempts_record record = { .at_us = out_wall(o),
                                      .position = e->position,
                                      .attempt = e->attempts + 1,
                                      .ms = (uint32_t) a->ms,
                                      .status = (uint16_t) a->status,
                                      .end = (uint8_t) end,
                                      .id = r->rendered.id,
                                      .id_len = strlen(r->rendered.id),
                                      .target = e->target->name,
                                      .target_len = strlen(e->target->name),
                                      .text = text,
                                      .text_len = strlen(text) };
    record.event =
        il_get_str(e->batch->batch, e->i, o->render.id, &record.event_len);
    if (attempts_add(o->attempts, &record))
        il_timer_once(o->host, 1, tell_write, o);
}

static void
keep_fails(struct out *o, int err)
{
    if (err && !o->keep_failed)
        il_log(o->host, IL_LOG_WARN,
               "cannot write down what is known of targets (%s): %s; after a "
               "restart one that is away costs a few attempts anew",
               KEEP_FILE, strerror(-err));
    o->keep_failed = err != 0;
}

void
tell_keep(struct out *o, struct breaker_target *t)
{
    if (o->keep)
        keep_fails(o, keep_note(o->keep, t, out_wall(o)));
}

void
tell_write(void *arg)
{
    struct out *o = arg;
    int err = o->keep ? keep_sync(o->keep) : 0;
    if (err) {
        pthread_mutex_lock(&o->lock);
        keep_fails(o, err);
        pthread_mutex_unlock(&o->lock);
    }
    err = o->attempts ? attempts_write(o->attempts) : 0;
    if (err && !o->attempts_failed)
        il_log(o->host, IL_LOG_WARN,
               "cannot write down what was tried (attempts): %s",
               strerror(-err));
    o->attempts_failed = err != 0;
}

/* --- log ------------------------------------------------------------------ */

/* Of many targets a line now and then says how many others there were. */
static int
is_told(struct out *o, char others[48])
{
    const int64_t now = out_clock(o);
    *others = 0;
    if (*o->only_target)
        return 1;
    if (o->told_us && now - o->told_us < EACH_US) {
        o->untold++;
        return 0;
    }
    if (o->untold)
        snprintf(others, 48, "; %" PRIu64 " like this besides", o->untold);
    o->told_us = now;
    o->untold = 0;
    return 1;
}

void
tell_opened(struct out *o, const char *target, int64_t wait_us, const char *why)
{
    char others[48];
    if (is_told(o, others))
        il_log(
            o->host, IL_LOG_WARN,
            "%s is left alone, as its last attempts all failed: %s; the next "
            "one is in %lld s, and none counts until one gets through%s",
            target, why, (long long) (wait_us + 999999) / 1000000, others);
}

void
tell_closed(struct out *o, const char *target, int64_t since_us)
{
    char others[48];
    if (is_told(o, others))
        il_log(o->host, IL_LOG_INFO, "%s answers again, after %lld s%s", target,
               (long long) (out_wall(o) - since_us) / 1000000, others);
}

/* --- status --------------------------------------------------------------- */

struct picture {
    int64_t now_us;
    size_t open, wary;
    char text[360];
    size_t len;
};

static void
put_target(struct picture *p, const struct breaker_state *s)
{
    char since[32];
    const time_t at = (time_t) (s->since_us / 1000000);
    struct tm tm;
    if (p->open + p->wary > SHOWN || p->len >= sizeof(p->text) - 1)
        return;
    gmtime_r(&at, &tm);
    strftime(since, sizeof(since), " since %Y-%m-%dT%H:%M:%SZ", &tm);
    int n = snprintf(p->text + p->len, sizeof(p->text) - p->len,
                     "%s%.80s %s%s: %.90s%s", p->len ? "; " : "", s->name,
                     s->open ? "is left alone" : "has asked for time",
                     s->open ? since : "", s->cause,
                     strlen(s->cause) > 90 ? "..." : "");
    p->len += n > 0 ? (size_t) n : 0;
}

static int
look_at(void *arg, struct breaker_target *t)
{
    struct picture *p = arg;
    struct breaker_state s;
    breaker_state(t, p->now_us, &s);
    p->open += s.open != 0;
    p->wary += !s.open && s.wary;
    if (s.open || s.wary)
        put_target(p, &s);
    return 0;
}

void
tell_state(void *arg)
{
    struct out *o = arg;
    struct picture p = { .now_us = out_wall(o) };
    pthread_mutex_lock(&o->lock);
    const int changed = o->changed;
    o->changed = 0;
    if (changed)
        breaker_each(o->breaker, look_at, &p);
    const size_t of = breaker_count(o->breaker);
    pump(o); /* should there have been no memory for a timer */
    pthread_mutex_unlock(&o->lock);
    tell_write(o);
    if (!changed)
        return;
    il_gauge_set(o->host, o->counts.open, (int64_t) p.open);
    if (p.open + p.wary > 1)
        il_status(o->host, "%zu of %zu targets get nothing now: %s%s",
                  p.open + p.wary, of, p.text,
                  p.open + p.wary > SHOWN ? "; ..." : "");
    else
        il_status(o->host, "%s", p.text);
}
