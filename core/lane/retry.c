/* SPDX-License-Identifier: MIT */
/* Frames that bring the event of a dead letter again.
 *
 * Such a frame is an event like any other: the position that the destination
 * keeps tells whether it is there, and what fails again is a letter again, under
 * the position of the frame.  The letter it came from goes once the lane has
 * passed the frame; until then it is the frame's claim that says which of
 * several counts.  Only what was delivered, or is a letter again, is done with:
 * where a step drops the event the letter stays.
 *
 * What was decided before comes along in the frame.  Steps before the place where
 * the event had stopped run for what they add to it: what they drop is undone.
 * What they make a letter of they could not add anything to; then it is one,
 * with what was decided before. */
#define _GNU_SOURCE /* memmem() */
#include "private.h"

#include "base/log.h"
#include "codec/msg_pack.h"
#include "codec/msg_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_BYTES (1u << 20)

/* Also what was written for the lane's name before: its letters came along. */
int
lane_retry_is_ours(const struct lane *l, const struct event_retry *retry)
{
    const char *was = l->spec.was;
    return slice_equal(retry->lane,
                       slice_of(l->spec.name, strlen(l->spec.name)))
           || (was && slice_equal(retry->lane, slice_of(was, strlen(was))));
}

/* Claim the letters of all frames from the i-th on. */
static int
flight_claim(struct lane *l, struct flight *f, uint32_t i)
{
    struct il_batch *b = f->batch;
    f->claims =
        batch_alloc(b, (f->frame_count - i) * sizeof(struct dead_claim));
    if (!f->claims)
        return -ENOMEM;
    for (; i < f->frame_count; i++) {
        const struct frame_place *frame = &f->frames[i];
        struct event_retry retry;
        if (event_retry(b->frames.data + frame->offset, frame->len, &retry) == 1
            && lane_retry_is_ours(l, &retry))
            f->claims[f->claim_count++] = (struct dead_claim){
                .letter = retry.letter, .position = frame->position
            };
    }
    int err = dead_claim(l->ctx.dead, l->spec.name, f->claims, f->claim_count);
    if (err)
        f->claim_count = 0;
    return err;
}

int
lane_retry(struct lane *l, struct flight *f, uint32_t i,
           const struct event_retry *retry)
{
    if (!lane_retry_is_ours(l, retry))
        return 0;
    int err = f->claim_count ? 0 : flight_claim(l, f, i);
    if (err)
        return err;
    /* Frames in between may not have been asked about. */
    while (f->claims[f->claims_seen].position < f->frames[i].position)
        f->claims_seen++;
    return f->claims[f->claims_seen].held;
}

/* --- what was decided --- */

static struct slice
slice_str(const char *s)
{
    return slice_of(s, strlen(s));
}

/* The step's stop; 0: there is none of that name. */
static uint32_t
find_step(const struct lane *l, const struct event_decided *d)
{
    for (uint32_t i = 0; i < l->spec.step_count; i++) {
        const struct lane_step *s = &l->spec.steps[i];
        if (slice_equal(d->step, slice_str(s->name))
            && (!d->plugin.len
                || slice_equal(d->plugin, slice_str(s->plugin->name))))
            return lane_stop_of(l, i);
    }
    return 0;
}

#define MAP_HEAD 5u /* bytes of msgpack, at most */

/* Under which a step's results are attached. */
static const struct il_kind *
result_kind(const char *step)
{
    char name[sizeof REF_STEP + 256];
    int n = snprintf(name, sizeof name, REF_STEP "%s", step);
    return n < (int) sizeof name ? batch_kind(name, (size_t) n) : NULL;
}

#define BEFORE "; before that "
#define STEP_GONE "step_gone"

/* What it was a letter for at first, behind what it is one for now. */
static int
put_before(struct il_text *out, struct slice code, struct slice message)
{
    const size_t len = strlen(BEFORE);
    const char *at = NULL;
    if (slice_equal(code, SLICE(DEAD_DROPPED))
        || slice_equal(code, SLICE(STEP_GONE)))
        at = memmem(message.ptr, message.len, BEFORE, len);
    if (at)
        return text_put(out, at, (size_t) (message.ptr + message.len - at));
    if (!code.len)
        return 0;
    return text_puts(out, BEFORE) || text_put(out, code.ptr, code.len)
                   || text_puts(out, ": ")
                   || text_put(out, message.ptr, message.len)
               ? -ENOMEM
               : 0;
}

/* How far it had come.  0, -ENOMEM, or -EINVAL and why: where that was cannot be
 * told. */
static int
find_place(const struct lane *l, const struct event_retry *retry,
           uint32_t *passed, uint32_t *at, struct il_reason *why,
           struct il_text *text)
{
    struct event_decided d;
    int err = event_decided_read(retry->decided, &d);
    uint32_t step = 0;
    *passed = *at = 0;
    *why = (struct il_reason){ IL_SIZED(struct il_reason) };
    if (!err && d.step.len)
        step = find_step(l, &d);
    if (err) {
        why->code = "unreadable";
        err = text_printf(text,
                          "what was decided about it %s; with --anew it is "
                          "decided from the first step on",
                          err == -ENOTSUP ? "was written by a newer version"
                                          : "cannot be read");
    } else if (d.step.len && !step) {
        why->code = STEP_GONE;
        err = text_printf(text,
                          "the lane has no step %.*s (%.*s) any more, where it "
                          "had stopped; with --anew it is decided from the "
                          "first step on",
                          (int) d.step.len, d.step.ptr, (int) d.plugin.len,
                          d.plugin.ptr);
        if (!err)
            err = put_before(text, retry->code, retry->message);
    }
    if (why->code) {
        why->message = text_str(text);
        return err ? err : -EINVAL;
    }
    if (d.place == EVENT_AT_STEP)
        *at = step;
    *passed = d.place == EVENT_AT_STEP          ? step - 1
              : d.place == EVENT_AFTER_STEP     ? step
              : d.place == EVENT_AT_WHEN        ? lane_stop_of_when(l) - 1
              : d.place == EVENT_AT_DESTINATION ? BATCH_ALL
                                                : 0;
    return 0;
}

/* What the steps that it had passed have found out then. */
static int
bring_results(const struct lane *l, struct il_batch *b,
              const struct event_retry *retry, uint32_t passed)
{
    struct event_decided d;
    struct il_value map, result;
    event_decided_read(retry->decided, &d);
    const char *p = d.results.ptr;
    if (!d.results.len || msg_value(&p, p + d.results.len, &map))
        return 0;
    for (size_t k = 0; k < l->spec.step_count; k++) {
        const char *name = l->spec.steps[k].name;
        if (lane_stop_of(l, k) > passed
            || !msg_find(&map, name, strlen(name), &result)
            || result.type != IL_MAP)
            continue;
        const struct il_kind *kind = result_kind(name);
        int err = kind ? batch_found(b, kind, &result) : -ENOMEM;
        if (err)
            return err == -EINVAL ? 0 : err;
    }
    return 0;
}

int
lane_bring(struct lane *l, struct flight *f, uint32_t i, const struct event *ev,
           const struct event_retry *retry)
{
    const struct frame_place *frame = &f->frames[i];
    struct il_batch *b = f->batch;
    struct il_reason why;
    struct il_text text = { 0 };
    uint32_t passed, at;
    int lost = find_place(l, retry, &passed, &at, &why, &text);
    int err = lost == -ENOMEM
                  ? lost
                  : batch_add_again(
                      b, frame->position,
                      slice_of(b->frames.data + frame->offset, frame->len), ev,
                      retry, passed, at);
    if (!err && lost)
        batch_reject(b, b->count - 1, &why);
    else if (!err)
        err = bring_results(l, b, retry, passed);
    text_clear(&text);
    return err;
}

/* The results that the event has so far, as a map by the steps' names, as many as
 * there is room for. */
static int
pack_results(const struct lane *l, const struct batch_event *e,
             struct il_text *out)
{
    struct il_text pairs = { 0 };
    uint32_t count = 0;
    int err = 0;
    for (size_t k = 0; k < l->spec.step_count && !err; k++) {
        const char *name = l->spec.steps[k].name;
        const struct il_kind *kind = e->entities ? result_kind(name) : NULL;
        const struct entity_link *link = e->entities;
        const size_t before = pairs.len;
        while (link && link->kind != kind)
            link = link->next;
        if (!link)
            continue;
        err = msg_pack_str(&pairs, name, strlen(name));
        if (!err)
            err = msg_pack_map(&pairs, link->traits.count);
        if (!err)
            err = text_put(&pairs, link->traits.str, link->traits.len);
        if (pairs.len + MAP_HEAD > EVENT_RESULTS_MAX)
            pairs.len = before;
        else
            count++;
    }
    if (!err && count)
        err = msg_pack_map(out, count);
    if (!err && count)
        err = text_put(out, pairs.data, pairs.len);
    text_clear(&pairs);
    return err;
}

/* Where it stopped this time; 1 where what was decided before holds. */
static int
stopped_at(const struct lane *l, const struct batch_event *e,
           struct event_decided *d)
{
    uint32_t stop = e->stop;
    *d = (struct event_decided){ .place = EVENT_NOWHERE };
    if (e->state == BATCH_REJECTED) {
        d->place = EVENT_AT_DESTINATION;
        return 0;
    }
    if (!stop || (e->again && stop <= e->again->passed))
        return 1;
    const struct lane_step *step = lane_step_at(l, stop);
    d->place = !step                                          ? EVENT_AT_WHEN
               : e->deferral && e->deferral->flags & IL_AFTER ? EVENT_AFTER_STEP
                                                              : EVENT_AT_STEP;
    if (!step)
        return 0;
    d->step = slice_str(step->name);
    d->plugin = slice_str(step->plugin->name);
    return 0;
}

int
lane_decided(const struct lane *l, struct flight *f,
             const struct batch_event *e, struct slice *out)
{
    struct il_text packed = { 0 }, results = { 0 };
    struct event_decided d;
    struct event_retry retry;
    *out = slice_of(NULL, 0);
    if (stopped_at(l, e, &d)) {
        if (event_retry(e->body, e->body_len, &retry) == 1)
            *out = retry.decided;
        return 0;
    }
    int err = pack_results(l, e, &results);
    d.results = slice_of(results.data, results.len);
    if (!err)
        err = event_decided_pack(&packed, &d);
    text_clear(&results);
    char *copy = err ? NULL : batch_alloc(f->batch, packed.len);
    if (copy) {
        memcpy(copy, packed.data, packed.len);
        *out = slice_of(copy, packed.len);
    }
    text_clear(&packed);
    return copy ? 0 : err ? err : -ENOMEM;
}

/* --- what was dropped --- */

/* Who dropped it. */
static char *
stay_message(const struct lane *l, struct il_batch *b,
             const struct batch_event *e)
{
    const struct lane_step *s = lane_step_at(l, e->stop);
    struct il_text out = { 0 };
    int err = s ? text_printf(&out, "dropped by step %s (%s)", s->name,
                              s->plugin->name)
                : text_puts(&out, e->state == BATCH_ELSEWHERE
                                      ? "when left it out"
                                      : "it was too old (max_age)");
    const struct batch_again *a = e->again;
    if (!err)
        err = text_puts(&out, " when it was tried again");
    if (!err)
        err = put_before(&out, slice_str(a->code ? a->code : ""),
                         slice_str(a->message ? a->message : ""));
    char *copy = err ? NULL : batch_alloc(b, out.len + 1);
    if (copy)
        memcpy(copy, text_str(&out), out.len + 1);
    text_clear(&out);
    return copy;
}

int
lane_stays(struct lane *l, struct flight *f)
{
    struct il_batch *b = f->batch;
    if (!f->claim_count || !(b->dropped + f->elsewhere))
        return 0;
    struct dead_stay *stays = batch_alloc(b, f->claim_count * sizeof *stays);
    size_t n = 0;
    int err = stays ? 0 : -ENOMEM;
    for (uint32_t k = 0, i = 0; k < f->claim_count && !err; k++) {
        const struct dead_claim *claim = &f->claims[k];
        while (i < b->count && b->events[i].position < claim->position)
            i++;
        const struct batch_event *e = &b->events[i];
        if (i == b->count || e->position != claim->position || !claim->held
            || (e->state != BATCH_DROPPED && e->state != BATCH_ELSEWHERE))
            continue;
        stays[n++] = (struct dead_stay){
            .letter = claim->letter,
            .position = claim->position,
            .reason = { IL_SIZED(struct il_reason), .code = DEAD_DROPPED,
                        .message = stay_message(l, b, e) }
        };
        if (!stays[n - 1].reason.message)
            err = -ENOMEM;
    }
    if (!err)
        err = dead_stay(l->ctx.dead, l->spec.name, stays, n);
    if (err)
        lane_trouble(l, LANE_WAITING, "keeping dead letters: %s",
                     strerror(-err));
    return err;
}

/* --- the flight leaves --- */

int
lane_counted_later(struct lane *l, struct flight *f, uint32_t i)
{
    if (f->before >= l->counted_until)
        return 0;
    if (!f->counted) {
        f->counted = batch_alloc(f->batch, f->frame_count * sizeof(uint64_t));
        int err =
            f->counted
                ? dead_counted(l->ctx.dead, l->spec.name, f->before,
                               f->frames[f->frame_count - 1].position,
                               f->counted, f->frame_count, &f->counted_count)
                : -ENOMEM;
        if (err) {
            f->counted = NULL;
            return err;
        }
    }
    while (f->counted_seen < f->counted_count
           && f->counted[f->counted_seen] < f->frames[i].position)
        f->counted_seen++;
    return f->counted_seen < f->counted_count
           && f->counted[f->counted_seen] == f->frames[i].position;
}

/* Claims within (after, up_to] whose frames have not come: they were lost. */
static int
retries_lost(struct lane *l, struct flight *f)
{
    struct dead_claim *found;
    size_t n, lost = 0;
    int err = dead_claims(l->ctx.dead, l->spec.name, f->before, f->batch->last,
                          &found, &n);
    for (size_t i = 0; i < n; i++) {
        uint32_t k = 0;
        while (k < f->claim_count
               && f->claims[k].position != found[i].position)
            k++;
        if (k == f->claim_count)
            found[lost++] = found[i];
    }
    if (!err && lost) {
        log_warn("lane %s: the spool has lost the events of %zu dead letters "
                 "that were to be tried again; the letters are still there",
                 l->spec.name, lost);
        err = dead_unclaim(l->ctx.dead, l->spec.name, found, lost);
    }
    free(found);
    return err;
}

int
lane_retried(struct lane *l, struct flight *f)
{
    int err = 0;
    if (f->claim_count)
        err = dead_retried(l->ctx.dead, l->spec.name, f->claims,
                           f->claim_count);
    if (!err && f->frame_count != f->batch->last - f->before)
        err = retries_lost(l, f);
    return err;
}

/* --- after a start --- */

/* Claims whose frames lie behind the lane: is each there? */
struct behind {
    struct lane *lane;
    struct dead_claim *claims;
    size_t n, next;
    struct il_text text;
};

static int
behind_frame(void *arg, uint64_t position, size_t offset, size_t len)
{
    struct behind *b = arg;
    const char *body = b->text.data + offset;
    struct event_retry retry;
    struct event ev;
    while (b->next < b->n && b->claims[b->next].position < position)
        b->next++;
    if (b->next == b->n)
        return 1;
    struct dead_claim *claim = &b->claims[b->next];
    claim->held = claim->position == position && !event_unpack(body, len, &ev)
                  && event_retry(body, len, &retry) == 1
                  && lane_retry_is_ours(b->lane, &retry)
                  && retry.letter == claim->letter;
    return 0;
}

static int
behind_look(struct behind *b)
{
    struct spool *spool = b->lane->ctx.spool;
    uint64_t at = b->claims[0].position - 1;
    uint64_t end = b->claims[b->n - 1].position, last = at;
    struct spool_reader *r;
    if (end > spool_durable(spool))
        end = spool_durable(spool);
    int n = at < end ? spool_reader_open(spool, at, &r) : 0;
    if (n || at >= end)
        return n;
    while (n >= 0 && last < end) {
        b->text.len = 0;
        n = spool_reader_read(r, &b->text, LOOK_BYTES, UINT32_MAX, 0, &last,
                              behind_frame, b);
    }
    spool_reader_close(r);
    text_clear(&b->text);
    return n < 0 ? n : 0;
}

/* What the destination has is done with.  A frame that cannot be found has not
 * been delivered: better a letter too many than an event too few. */
int
lane_retries_begin(struct lane *l, uint64_t position)
{
    struct behind b = { .lane = l };
    int err = dead_claims(l->ctx.dead, l->spec.name, 0, position, &b.claims,
                          &b.n);
    if (!err && b.n)
        err = behind_look(&b);
    if (!err)
        err = dead_retried(l->ctx.dead, l->spec.name, b.claims, b.n);
    if (!err)
        err = dead_unclaim(l->ctx.dead, l->spec.name, b.claims, b.n);
    free(b.claims);
    return err;
}
