/* SPDX-License-Identifier: MIT */
/* Events of a replay that go one by one: which, when, and what became of them. */
#include "replay_each.h"

#include "base/clock.h"
#include "base/log.h"
#include "codec/json_out.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_US 200000
#define QUIET_US 2000000 /* then the lane may have a reason to send nothing */
#define LEAVE_US 2000000 /* for what is under way at the end */
#define AWAY_MOST 64
#define LOGGED 10 /* that were given up; the others are in the answer alone */
#define BACK_S INT64_C(1000000) /* a clock that went back further was set */

static int
no_memory(struct replay_each *x)
{
    job_fail(x->r->job, "no_memory", "no memory");
    return -1;
}

static int
put_line(struct replay_each *x, struct json_out *o, struct il_text *line)
{
    json_out_end(o);
    int err = json_out_done(o) ? no_memory(x) : 0;
    if (!err)
        job_put(x->r->job, slice_of(line->data, line->len));
    return err;
}

/* --- slots ------------------------------------------------------------------ */

static struct replay_slot *
slot_of(struct replay_each *x, uint64_t position)
{
    for (uint32_t i = 0; i < REPLAY_SLOTS; i++)
        if (x->slots[i].stage && x->slots[i].position == position)
            return &x->slots[i];
    return NULL;
}

static struct replay_slot *
slot_at(struct replay_each *x, enum replay_stage stage)
{
    for (uint32_t i = 0; i < REPLAY_SLOTS; i++)
        if (x->slots[i].stage == stage)
            return &x->slots[i];
    return NULL;
}

static void
slot_free(struct replay_each *x, struct replay_slot *s)
{
    *s = (struct replay_slot){ 0 };
    x->used--;
    x->changed = 1;
}

/* --- what was given up ---------------------------------------------------------- */

static int
give_up(struct replay_each *x, struct replay_slot *s, struct slice id,
        const char *code, const char *message)
{
    struct il_text line = { 0 };
    struct json_out o;
    json_out_begin(&o, &line);
    json_out_object(&o, NULL);
    json_out_object(&o, "failed");
    json_out_slice(&o, "id", id);
    json_out_number(&o, "position", s->position);
    json_out_number(&o, "attempts", s->attempts);
    json_out_str(&o, "code", code);
    json_out_str(&o, "message", message);
    json_out_end(&o);
    int err = put_line(x, &o, &line);
    if (!err && text_putc(&line, '\n'))
        err = no_memory(x);
    if (!err)
        err = host_replay_kept_fail(x, &line);
    text_clear(&line);
    if (err)
        return err;
    if (x->counts.failed++ < LOGGED)
        log_warn("replay of lane %s: event %.*s, position %" PRIu64
                 ", was not delivered: %s, %s",
                 x->r->ask.lane, (int) id.len, id.ptr, s->position, code,
                 message);
    slot_free(x, s);
    return 0;
}

/* --- what became of one ------------------------------------------------------------ */

/* Its id, as it was packed. */
static struct slice
id_of(struct il_batch *b, const struct lane_replay_event *e)
{
    static const struct batch_again again = { .passed = BATCH_ALL };
    batch_clear(b);
    if (batch_add_decided(b, e->position, e->event, e->len, &again))
        return SLICE("?");
    return b->events[0].ev.id;
}

static int
give_up_event(struct replay_each *x, struct replay_slot *s,
              const struct lane_replay_event *e)
{
    struct il_batch *b = batch_new();
    if (!b)
        return no_memory(x);
    int err = give_up(x, s, id_of(b, e), e->code, e->message);
    batch_free(b);
    return err;
}

static int
take_back(struct replay_each *x, struct lane_replay_event *e)
{
    struct replay_slot *s = slot_of(x, e->position);
    int err = 0;
    x->away--;
    x->changed = 1;
    x->quiet_us = clock_monotonic_us();
    x->said = 0;
    s->attempts = e->attempts;
    s->first_us = e->first_us;
    s->since_us = e->since_us;
    switch (e->fate) {
    case LANE_REPLAY_DELIVERED:
        x->counts.sent++;
        slot_free(x, s);
        break;
    case LANE_REPLAY_GIVEN_UP:
        err = give_up_event(x, s, e);
        break;
    default:
        s->stage = REPLAY_HERE;
        s->set_us = clock_wall_us();
        s->delay_us = e->delay_us;
        s->event = e;
        return 0;
    }
    x->bytes -= e->len;
    free(e);
    return err;
}

/* --- sending ------------------------------------------------------------------------ */

static int
is_due(const struct replay_slot *s, int64_t now_us)
{
    return now_us - s->set_us >= s->delay_us || now_us < s->set_us - BACK_S;
}

static struct replay_slot *
next_due(struct replay_each *x)
{
    const int64_t now = clock_wall_us();
    for (uint32_t i = 0; i < REPLAY_SLOTS; i++)
        if (x->slots[i].stage == REPLAY_HERE && is_due(&x->slots[i], now))
            return &x->slots[i];
    return NULL;
}

static int
may_go(const struct replay_each *x)
{
    return x->away < x->away_most && clock_monotonic_us() >= x->next_us;
}

static int
lane_ended(struct replay_each *x)
{
    job_fail(x->r->job, "lane_ended",
             "the lane was stopped meanwhile, for a reload or an upgrade say; "
             "the same goes on where it was when it is asked again");
    return -1;
}

static int
send_slot(struct replay_each *x, struct replay_slot *s)
{
    const int64_t now = clock_monotonic_us();
    if (lane_replay_send(x->r->through, s->event))
        return lane_ended(x);
    s->event = NULL;
    s->stage = REPLAY_AWAY;
    if (!x->away++)
        x->quiet_us = now;
    /* What could not go in time is not made up for. */
    x->next_us =
        (x->next_us > now - x->each_us ? x->next_us : now) + x->each_us;
    return 0;
}

static void
say_why(struct replay_each *x)
{
    char why[LANE_PAUSED_TEXT];
    if (x->said || !x->away || clock_monotonic_us() - x->quiet_us < QUIET_US)
        return;
    lane_replay_why(x->r->through, why);
    if (!*why)
        return;
    x->said = 1;
    job_say(x->r->job, "the lane sends nothing now: %s", why);
}

/* See to what is due and to what has come to an end, and wait a little. */
static int
turn(struct replay_each *x, int64_t until_us)
{
    struct replay *r = x->r;
    struct replay_slot *s;
    struct lane_replay_event *e;
    int64_t now = clock_monotonic_us();
    int err = 0;
    while (!err && may_go(x) && (s = next_due(x)))
        err = send_slot(x, s);
    if (until_us > now + LOOK_US)
        until_us = now + LOOK_US;
    if (!err && x->next_us > now && x->next_us < until_us)
        until_us = x->next_us;
    while (!err && (e = lane_replay_wait(r->through, until_us))) {
        err = take_back(x, e);
        until_us = 0;
    }
    if (!err)
        err = host_replay_kept_write(x, 0);
    if (!err && lane_replay_is_over(r->through))
        err = lane_ended(x);
    if (!err)
        say_why(x);
    job_progress(r->job, x->at > r->from ? x->at - r->from : 0,
                 r->end >= r->from ? r->end - r->from + 1 : 0, "events");
    return err ? err : job_cancelled(r->job) ? -1 : 0;
}

static struct lane_replay_event *
pack(struct replay_each *x, struct il_batch *b, uint32_t i)
{
    x->packed.len = 0;
    if (batch_decided(b, i, &x->packed))
        return NULL;
    struct lane_replay_event *e = calloc(1, sizeof(*e) + x->packed.len);
    if (!e)
        return NULL;
    e->position = b->events[i].position;
    e->len = x->packed.len;
    memcpy(e->event, x->packed.data, e->len);
    return e;
}

/* It goes into a slot, and from there to the lane when it is its turn. */
static int
send_event(struct replay_each *x, struct il_batch *b, uint32_t i,
           struct replay_slot *known)
{
    int err = 0;
    struct lane_replay_event *e = pack(x, b, i);
    if (!e)
        return no_memory(x);
    while (!err && !known
           && (x->used == REPLAY_SLOTS || !may_go(x) || next_due(x)
               || (x->used && x->bytes + e->len > REPLAY_BYTES)))
        err = turn(x, INT64_MAX);
    if (err) {
        free(e);
        return err;
    }
    struct replay_slot *s = known ? known : slot_at(x, REPLAY_NOBODY);
    if (!known) {
        *s = (struct replay_slot){ .position = e->position };
        x->used++;
    }
    e->attempts = s->attempts;
    e->first_us = s->first_us;
    e->since_us = s->since_us;
    s->stage = REPLAY_HERE;
    s->event = e;
    x->bytes += e->len;
    x->changed = 1;
    return known ? 0 : send_slot(x, s);
}

/* --- showing -------------------------------------------------------------------------- */

static int
put_sample(struct replay_each *x, const char *what, struct slice id,
           const char *key, const struct il_text *text)
{
    struct il_text line = { 0 };
    struct json_out o;
    json_out_begin(&o, &line);
    json_out_object(&o, NULL);
    json_out_str(&o, "sample", what);
    json_out_slice(&o, "id", id);
    json_out_slice(&o, key, slice_of(text->data, text->len));
    int err = put_line(x, &o, &line);
    text_clear(&line);
    return err;
}

static int
show_event(struct replay_each *x, struct il_batch *b, uint32_t i)
{
    struct replay *r = x->r;
    struct slice id = b->events[i].ev.id;
    struct il_text text = { 0 };
    int err = 0;
    if (r->lane->destination.plugin->desc.render)
        err = instance_render(&r->lane->destination, b, i, &text);
    if (err == -ENOMEM) {
        text_clear(&text);
        return no_memory(x);
    }
    int fits = !err && batch_live(b, i);
    x->would_send += fits;
    x->refused += !fits;
    uint32_t *shown = fits ? &x->shown : &x->shown_refused;
    err = *shown < r->ask.samples && text.len
              ? put_sample(x, fits ? "would_send" : "refused", id,
                           fits ? "request" : "why", &text)
              : 0;
    *shown += *shown < r->ask.samples;
    text_clear(&text);
    return err;
}

/* --- a batch ------------------------------------------------------------------------ */

static void
origin_of(void *spool, uint64_t position, struct event_origin *out)
{
    spool_origin(spool, position, out);
}

static int
each_event(struct replay_each *x, struct il_batch *b, uint32_t i)
{
    struct replay *r = x->r;
    const uint64_t position = b->events[i].position;
    const int live = b->events[i].state == BATCH_LIVE;
    struct replay_slot *known = slot_of(x, position);
    if (position <= x->was_at && !known)
        return 0; /* an earlier attempt has seen to it */
    if (!known && host_replay_is_left_out(r, position)) {
        x->counts.left_out++;
        return 0;
    }
    int err = 0;
    if (live)
        err = r->ask.mode == IL_REPLAY_DIFF ? show_event(x, b, i)
                                            : send_event(x, b, i, known);
    else if (known)
        err = give_up(x, known, b->events[i].ev.id, "dropped",
                      "its steps do not let it pass any more");
    /* What is written down meanwhile does not count it yet. */
    if (!err && !known) {
        x->counts.events++;
        x->counts.taken += (uint64_t) live;
    }
    return err;
}

int
host_replay_each_batch(struct replay_each *x, struct il_batch *b,
                       uint64_t position)
{
    struct replay *r = x->r;
    int err = job_cancelled(r->job) ? -1 : 0;
    if (r->ask.mode != IL_REPLAY_DIFF) {
        b->lane = r->h->spool;
        b->origin = origin_of;
    }
    for (uint32_t i = 0; i < b->count && !err; i++) {
        err = each_event(x, b, i);
        if (!err && b->events[i].position > x->at) {
            x->at = b->events[i].position;
            x->changed = 1;
        }
        if (!err && r->ask.mode == IL_REPLAY_DIFF)
            err = job_cancelled(r->job) ? -1 : 0;
    }
    b->lane = NULL;
    b->origin = NULL;
    if (!err && position > x->at)
        x->at = position;
    return err ? -ECANCELED : 0;
}

uint64_t
host_replay_each_keeps(const struct replay_each *x, uint64_t at)
{
    for (uint32_t i = 0; i < REPLAY_SLOTS; i++)
        if (x->slots[i].stage && x->slots[i].position < at)
            at = x->slots[i].position;
    return at;
}

uint64_t
host_replay_each_resumed(const struct replay_each *x)
{
    return x->was_at;
}

uint64_t
host_replay_each_seen(const struct replay_each *x)
{
    return x->counts.events;
}

int
host_replay_each_knows(struct replay_each *x, uint64_t position)
{
    return position > x->was_at || slot_of(x, position) != NULL;
}

/* --- beginning and end ----------------------------------------------------------------- */

int
host_replay_each_begin(struct replay *r)
{
    struct replay_each *x = calloc(1, sizeof(*x));
    r->each = x;
    if (!x) {
        job_fail(r->job, "no_memory", "no memory");
        return -ECANCELED;
    }
    x->r = r;
    x->dir = x->failed_fd = -1;
    if (r->ask.mode == IL_REPLAY_DIFF)
        return 0;
    const struct rate *rate = &r->ask.rate;
    x->each_us = (int64_t) (rate->per_ns / rate->events / 1000);
    const uint64_t a_second =
        x->each_us > 1000000 ? 1 : 1000000 / (uint64_t) (x->each_us + 1) + 1;
    x->away_most = a_second < AWAY_MOST ? (uint32_t) a_second : AWAY_MOST;
    return host_replay_kept_open(x) ? -ECANCELED : 0;
}

/* All of the range was read: wait for what is under way. */
int
host_replay_each_end(struct replay_each *x)
{
    struct replay_slot *s;
    int err = 0;
    while (!err && (s = slot_at(x, REPLAY_ABSENT)))
        err = give_up(x, s, SLICE("?"), "gone",
                      "the spool had let go of it before it was sent again");
    if (!err && x->used > x->away)
        job_say(x->r->job, "%u events that were not taken are tried again",
                x->used - x->away);
    while (!err && x->used)
        err = turn(x, INT64_MAX);
    return err ? -ECANCELED : 0;
}

/* What can be heard of within a moment is not sent again by the next attempt. */
void
host_replay_each_free(struct replay_each *x, int done)
{
    if (!x)
        return;
    const int64_t until = clock_monotonic_us() + LEAVE_US;
    struct lane_replay_event *e;
    while (x->away && (e = lane_replay_wait(x->r->through, until))
           && !take_back(x, e))
        ;
    if (x->dir >= 0 && !done)
        host_replay_kept_write(x, 1);
    host_replay_kept_end(x, done);
    for (uint32_t i = 0; i < REPLAY_SLOTS; i++)
        free(x->slots[i].event);
    text_clear(&x->packed);
    free(x);
}

void
host_replay_each_report(const struct replay_each *x, struct json_out *o)
{
    const struct replay_each_counts *c = &x->counts;
    json_out_number(o, "events", c->events);
    json_out_number(o, "delivered_today", c->taken);
    json_out_bool(o, "receiver_was_asked", 0);
    json_out_number(o, "would_send", x->would_send);
    json_out_number(o, "refused", x->refused);
    json_out_number(o, "sent", c->sent);
    json_out_number(o, "failed", c->failed);
    json_out_number(o, "left_out", c->left_out);
}
