/* SPDX-License-Identifier: MIT */
#include "out.h"

#include "retry_after.h"
#include "scrub.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_MAX (TRANSPORT_BODY_MAX + 400)
#define CODE_MAX 48
#define UNCOUNTED_MS 30000 /* where the schedule has no delay */
#define BUSY_MAX_MS 300000 /* of a target that has not said how long */
#define PROXY_FIRST_US INT64_C(30000000)
#define PROXY_LAST_US INT64_C(300000000)
#define PAUSED_MS 1000 /* the lane is paused well before */

/* --- words ---------------------------------------------------------------- */

/* What is no UTF-8 becomes "?": others show it. */
static void
mend(char *text)
{
    unsigned char *p = (unsigned char *) text;
    while (*p) {
        size_t n = scrub_utf8_len(p);
        if (!n)
            *p = '?';
        p += n ? n : 1;
    }
}

/* What most answers are. */
static void
tell_status(long status, char text[MESSAGE_MAX])
{
    memcpy(text, "HTTP ", 5);
    for (int i = 7; i >= 5; i--, status /= 10)
        text[i] = (char) ('0' + status % 10);
    text[8] = 0;
}

static void
tell_code(const struct transport_answer *a, const struct out_meaning *m,
          char code[CODE_MAX])
{
    static const char *const codes[] = {
        [TRANSPORT_ANSWERED] = "http",     [TRANSPORT_NAME] = "no_address",
        [TRANSPORT_ADDRESS] = "address",   [TRANSPORT_CONNECT] = "connect",
        [TRANSPORT_TLS] = "tls",           [TRANSPORT_TIMEOUT] = "timeout",
        [TRANSPORT_PROTOCOL] = "protocol", [TRANSPORT_PROXY] = "proxy",
        [TRANSPORT_REQUEST] = "template",  [TRANSPORT_CANCELLED] = "stopped",
        [TRANSPORT_NO_MEMORY] = "memory",
    };
    if (a->what != TRANSPORT_ANSWERED)
        snprintf(code, CODE_MAX, "%s", codes[a->what]);
    else if (m->code)
        snprintf(code, CODE_MAX, "%s", m->code);
    else
        snprintf(code, CODE_MAX, "%s_%ld", a->stage ? "smtp" : "http",
                 a->status);
}

static void
tell_text(const struct out *o, const struct out_request *r,
          const struct transport_answer *a, char text[MESSAGE_MAX])
{
    char body[TRANSPORT_BODY_MAX + 64];
    const size_t len =
        a->body_len < TRANSPORT_BODY_MAX ? a->body_len : TRANSPORT_BODY_MAX;
    if (a->what != TRANSPORT_ANSWERED) {
        snprintf(text, MESSAGE_MAX, "%s", a->error);
        return;
    }
    if (!a->stage && !a->location && !len) {
        tell_status(a->status, text);
        return;
    }
    scrub_answer(a->body, len, rendered_url(&r->rendered), o->options.hidden,
                 body, sizeof(body));
    if (a->stage) /* a reply begins with its number */
        snprintf(text, MESSAGE_MAX, "SMTP, at %s: %s",
                 transport_stage_word(a->stage), body);
    else
        snprintf(text, MESSAGE_MAX, "HTTP %ld%s%.200s%s%s", a->status,
                 a->location ? ", to " : "", a->location ? a->location : "",
                 *body ? ": " : "", body);
    mend(text);
}

static void
tell_cause(const struct transport_answer *a, const struct out_meaning *m,
           char cause[BREAKER_CAUSE_MAX])
{
    if (a->what == TRANSPORT_ANSWERED)
        snprintf(cause, BREAKER_CAUSE_MAX, "%s %ld%s%s",
                 a->stage ? "SMTP" : "HTTP", a->status, m->code ? ", " : "",
                 m->code ? m->code : "");
    else
        snprintf(cause, BREAKER_CAUSE_MAX, "%.*s", BREAKER_CAUSE_MAX - 1,
                 a->error);
}

/* --- how long ------------------------------------------------------------- */

struct waits {
    int64_t counted_ms;   /* SCHEDULE_OVER: it was the last */
    int64_t uncounted_ms; /* where the failure is not the event's */
    int64_t busy_ms;      /* of the target, if it asked for time */
};

static struct waits
waits_of(struct out *o, const struct out_event *e, const struct out_meaning *m)
{
    const struct schedule *s = &o->options.schedule;
    const uint64_t failures = (uint64_t) e->attempts + 1;
    const int64_t asked = m->asked_ms < o->options.retry_after_max_ms
                              ? m->asked_ms
                              : o->options.retry_after_max_ms;
    struct waits w;
    w.counted_ms = schedule_wait(s, failures, asked, out_random(o));
    w.uncounted_ms = schedule_wait(s, failures < s->count ? failures : s->count,
                                   asked, out_random(o));
    if (w.uncounted_ms == SCHEDULE_OVER)
        w.uncounted_ms = asked > UNCOUNTED_MS ? asked : UNCOUNTED_MS;
    /* Who says how long is taken at that word, and the schedule is for those who
     * do not: services that limit rates ask for a second or less. */
    if (asked > 0)
        w.uncounted_ms =
            asked
            + (int64_t) (out_random(o)
                         % (uint64_t) (asked * s->jitter / 100 + 1));
    w.busy_ms = w.uncounted_ms;
    if (!asked && w.busy_ms > BUSY_MAX_MS)
        w.busy_ms = BUSY_MAX_MS;
    if (!w.busy_ms)
        w.busy_ms = 1;
    return w;
}

/* --- what it means -------------------------------------------------------- */

/* What a failure without an answer says of the target. */
static enum breaker_class
class_of(const struct out *o, const struct transport_answer *a)
{
    switch (a->what) {
    case TRANSPORT_ADDRESS:
        /* Who owns a name that events lead to may let it point anywhere; that
         * is no outage, which would keep its events for ever. */
        return *o->only_target ? BREAKER_NO_ANSWER : BREAKER_OTHER;
    case TRANSPORT_PROXY:
        return BREAKER_BUSY;
    default:
        return BREAKER_NO_ANSWER;
    }
}

static struct out_meaning
meaning_of(struct out *o, const struct transport_answer *a)
{
    const struct out_kind *kind = o->options.kind;
    struct out_meaning m = { .fate = OUT_LATER };
    if (a->what != TRANSPORT_ANSWERED) {
        m.about = class_of(o, a);
        return m;
    }
    m.about = breaker_class_of(a->status);
    if (a->stage && m.about != BREAKER_OK)
        m.about = BREAKER_BUSY;
    if (m.about == BREAKER_OK)
        m.fate = OUT_DELIVERED;
    if (a->retry_after
        && retry_after_parse(a->retry_after, strlen(a->retry_after),
                             out_wall(o) / 1000000,
                             o->options.retry_after_max_ms, &m.asked_ms))
        m.asked_ms = 0;
    kind->judge(o->options.own, &o->options, a, o->answer, &m);
    return m;
}

/* --- the target ----------------------------------------------------------- */

static struct breaker_verdict
note_attempt(struct out *o, const struct out_request *r,
             const struct transport_answer *a, const struct out_meaning *m,
             const struct waits *w, const char *cause)
{
    const int proxy = a->what == TRANSPORT_PROXY;
    if (proxy && !o->proxy_wait_us)
        o->proxy_wait_us = PROXY_FIRST_US;
    const struct breaker_attempt attempt = {
        .key = r->event->position,
        .probe = r->probe,
        .what = m->about,
        /* No event pays for the proxy, whatever has got through. */
        .last_try_us = proxy ? 0 : r->event->tried_us,
        .busy_us = proxy ? o->proxy_wait_us : w->busy_ms * 1000,
        .cause = cause
    };
    if (proxy)
        o->proxy_wait_us = o->proxy_wait_us * 2 < PROXY_LAST_US
                               ? o->proxy_wait_us * 2
                               : PROXY_LAST_US;
    else
        o->proxy_wait_us = 0;
    return breaker_done(r->breaker, &attempt, out_wall(o));
}

/* Whoever shows it, or hands out events, is to know. */
static void
note_state(struct out *o, const struct breaker_state *before,
           const struct breaker_state *now, const struct breaker_verdict *v,
           const char *target)
{
    if (v->opened)
        tell_opened(o, target, now->wait_us, now->cause);
    if (v->closed)
        tell_closed(o, target, before->since_us);
    if (now->wait_us || before->open || before->wary)
        pump_hold(o, target, now);
}

/* --- the event ------------------------------------------------------------ */

/* What is to become of it is known, and it is still at hand. */
static enum attempts_end
end_of(const struct out_meaning *m, const struct waits *w, int counts)
{
    switch (m->fate) {
    case OUT_DELIVERED:
        return ATTEMPTS_DELIVERED;
    case OUT_DEAD:
        return ATTEMPTS_GIVEN_UP;
    case OUT_PAUSE:
    case OUT_AT_ONCE:
        return ATTEMPTS_UNCOUNTED;
    default:
        return !counts                          ? ATTEMPTS_UNCOUNTED
               : w->counted_ms == SCHEDULE_OVER ? ATTEMPTS_GIVEN_UP
                                                : ATTEMPTS_AGAIN;
    }
}

/* No event can be delivered, whatever it is. */
static void
note_pause(struct out *o, struct out_event *e, const struct out_meaning *m,
           const char *code, const char *message, char pause[JUDGE_PAUSE_MAX])
{
    struct out_target *t = e->target;
    snprintf(pause, JUDGE_PAUSE_MAX, "%.60s %s: %.100s", t->name,
             m->why ? m->why : "takes nothing any more", message);
    queue_pin(t);
    queue_defer(o, e, PAUSED_MS, 0, code, message);
    pump_defer_all(o, t, PAUSED_MS, code, "the lane was to pause");
    queue_unpin(o, t);
}

static void
note_failure(struct out *o, struct out_event *e, const struct waits *w,
             int counts, int64_t target_ms, const char *code,
             const char *message)
{
    int64_t ms = w->uncounted_ms > target_ms ? w->uncounted_ms : target_ms;
    if (!counts)
        queue_defer(o, e, ms, 0, code, message);
    else if (w->counted_ms == SCHEDULE_OVER)
        queue_reject(o, e, code, message);
    else
        queue_defer(o, e, w->counted_ms, 1, code, message);
}

static void
judge_answer(struct out *o, struct out_request *r,
             const struct transport_answer *a, char pause[JUDGE_PAUSE_MAX])
{
    struct out_event *e = r->event;
    struct breaker_state before, now;
    char code[CODE_MAX] = "", message[MESSAGE_MAX], cause[BREAKER_CAUSE_MAX];
    const struct out_meaning m = meaning_of(o, a);
    struct waits w = { 0 };
    tell_answer(o, a, m.fate == OUT_DELIVERED);
    tell_text(o, r, a, message);
    *cause = 0;
    if (m.fate != OUT_DELIVERED || m.about != BREAKER_OK) {
        w = waits_of(o, e, &m);
        tell_code(a, &m, code);
        tell_cause(a, &m, cause);
    }
    breaker_state(r->breaker, out_wall(o), &before);
    const struct breaker_verdict v = note_attempt(o, r, a, &m, &w, cause);
    tell_keep(o, r->breaker);
    breaker_state(r->breaker, out_wall(o), &now);
    note_state(o, &before, &now, &v, e->target->name);
    tell_attempt(o, r, a, end_of(&m, &w, v.counts), message);
    switch (m.fate) {
    case OUT_DELIVERED:
        queue_done(o, e);
        return;
    case OUT_DEAD:
        queue_reject(o, e, code, message);
        return;
    case OUT_PAUSE:
        note_pause(o, e, &m, code, message, pause);
        return;
    case OUT_AT_ONCE:
        queue_defer(o, e, 1, 0, code, message);
        return;
    default:
        note_failure(o, e, &w, v.counts, (now.wait_us + 999) / 1000, code,
                     message);
    }
}

void
judge(struct out *o, struct out_request *r, const struct transport_answer *a,
      char pause[JUDGE_PAUSE_MAX])
{
    struct out_event *e = r->event;
    o->in_flight[e->queue]--;
    e->target->in_flight--;
    switch (a->what) {
    case TRANSPORT_CANCELLED: /* at a stop: it is given back with its batch */
        breaker_cancel(r->breaker, e->position, r->probe);
        tell_answer(o, a, 0);
        return;
    case TRANSPORT_NO_MEMORY:
        breaker_cancel(r->breaker, e->position, r->probe);
        tell_answer(o, a, 0);
        queue_defer(o, e, 1000, 0, "memory", "there was no memory to send it");
        return;
    case TRANSPORT_REQUEST:
        breaker_cancel(r->breaker, e->position, r->probe);
        tell_answer(o, a, 0);
        queue_reject(o, e, "template", a->error);
        return;
    default:
        judge_answer(o, r, a, pause);
    }
}
