/* SPDX-License-Identifier: MIT */
/* What was decided about an event travels with it when a dead letter is tried
 * again: steps before the place where it had stopped only add, those from there
 * on run as ever, and a letter goes only with an event that is delivered or a
 * letter again. */
#include "lane_world.h"
#include "codec/json.h"
#include "codec/msg_pack.h"
#include "codec/msg_read.h"
#include "store/retry.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What a step does to every event, and what it has seen last. */
enum what { PASS, DROP, REFUSE };

struct toy {
    _Atomic int what;
    _Atomic int ran;             /* calls that had a live event */
    _Atomic uint32_t passed, at; /* of the event that came again last */
};

static const struct il_reason unknown = { IL_SIZED(struct il_reason),
                                          .code = "unknown_entity",
                                          .message = "nobody knows it" };
static const struct il_reason refused = { IL_SIZED(struct il_reason),
                                          .code = "23514",
                                          .message = "too large" };

static struct toy toys[3];
static struct lane_step steps[3];
static struct il_plugin plugins[3];
static struct retry *retry;
static _Atomic int far_refuses;
static struct il_kind *kind;

static int
toy_process(void *self, struct il_batch *b)
{
    struct toy *t = self;
    struct il_text traits = { 0 };
    struct il_value v;
    t->ran += b->live > 0;
    for (uint32_t i = 0; i < b->count; i++) {
        if (!batch_live(b, i))
            continue;
        if (b->events[i].again) {
            t->passed = b->events[i].again->passed;
            t->at = b->events[i].again->at;
        }
        /* Each adds how often it ran. */
        traits.len = 0;
        ck_assert_int_eq(msg_pack_map(&traits, 1), 0);
        ck_assert_int_eq(msg_pack_str(&traits, t == &toys[0] ? "a" : "b", 1),
                         0);
        ck_assert_int_eq(msg_pack_int(&traits, t->ran), 0);
        const char *p = traits.data;
        ck_assert_int_eq(msg_value(&p, p + traits.len, &v), 0);
        ck_assert_int_eq(batch_attach(b, i, kind, &v), 0);
        if (t->what == DROP)
            batch_drop(b, i);
        else if (t->what == REFUSE)
            batch_reject(b, i, &unknown);
    }
    text_clear(&traits);
    return 0;
}

static void
steps_are(size_t n)
{
    static const char *const names[] = { "1", "look-up", "3" };
    static const char *const of[] = { "filter", "enrich", "filter" };
    kind = batch_kind("user", 4);
    for (size_t i = 0; i < 3; i++) {
        plugins[i] = (struct il_plugin){ IL_PLUGIN_ABI, .kind = IL_STEP,
                                         .threads = IL_PARALLEL, .name = of[i],
                                         .process = toy_process };
        steps[i] = (struct lane_step){ .name = names[i],
                                       .plugin = &plugins[i],
                                       .self = &toys[i],
                                       .instance = names[i] };
        toys[i] = (struct toy){ .what = PASS };
    }
    spec.steps = steps;
    spec.step_count = n;
}

/* What the destination saw last, as JSON: payload and entities. */
static char arrived[400];

static void
far_side(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    for (uint32_t i = 0; i < b->count; i++) {
        if (!batch_live(b, i))
            continue;
        struct il_text out = { 0 };
        for (struct entity_link *e = b->events[i].entities; e; e = e->next)
            ck_assert_int_eq(json_write(&out, &e->traits, 0), 0);
        snprintf(arrived, sizeof arrived, "%s", text_str(&out));
        text_clear(&out);
        if (far_refuses)
            batch_reject(b, i, &refused);
    }
    ck_assert_int_eq(lane_prepare(b), 0);
    fake_ok(f, b, ack);
}

static void
begin(size_t n)
{
    steps_are(n);
    far_refuses = 0;
    fake_act(&fake, far_side);
}

static void
start(void)
{
    world_start();
    if (!retry)
        ck_assert_int_eq(retry_new(ctx.spool, ctx.dead, &retry), 0);
}

/* A new process. */
static void
restart(void)
{
    world_restart();
    retry_free(retry);
    retry = NULL;
    fake_act(&fake, far_side);
    start();
}

static uint64_t
tried(uint64_t letter, int anew)
{
    struct retry_item item = { .letter = letter };
    char why[200];
    ck_assert_int_eq(retry_letters(retry, LANE, status().position, anew, &item,
                                   1, why, sizeof why),
                     0);
    ck_assert_int_eq(item.result, RETRY_DONE);
    ck_assert_uint_eq(item.position, next_position);
    next_position++;
    wait_position(item.position);
    return item.position;
}

static int
copy_letter(void *arg, const struct dead_letter *l)
{
    struct event_decided d;
    char *out = arg;
    ck_assert_int_eq(event_decided_read(l->decided, &d), 0);
    ck_assert_uint_eq(l->retry, 0);
    snprintf(out, 1000, "%u %.*s %u %s: %s", d.place, (int) d.step.len,
             d.step.len ? d.step.ptr : "", l->attempts, l->reason.code,
             l->reason.message);
    return 0;
}

/* "place step attempts code: message" */
static void
letter_is(uint64_t position, const char *want)
{
    char got[1000];
    ck_assert_int_eq(dead_get(ctx.dead, LANE, position, copy_letter, got), 0);
    ck_assert_str_eq(got, want);
    ck_assert_uint_eq(dead_retrying(ctx.dead, LANE), 0);
}

static void
one_letter(void)
{
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 1);
}

/* --- it stopped at the destination --- */

START_TEST(what_stopped_at_the_destination_passes_a_filter_that_changed)
{
    begin(2);
    far_refuses = 1;
    events(1);
    start();
    wait_position(1);
    letter_is(1, "4  1 23514: too large");
    far_refuses = 0;
    toys[0].what = toys[1].what = DROP;
    tried(1, 0);
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
    ck_assert_uint_eq(fake.got[0], 2);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 0);
    ck_assert_uint_eq(status().dropped, 0);
    ck_assert_uint_eq(toys[1].passed, BATCH_ALL);
    /* Both ran a second time, for what they add. */
    ck_assert_str_eq(arrived, "{\"a\":2,\"b\":2}");
}
END_TEST

START_TEST(what_stopped_at_the_destination_is_not_asked_when)
{
    struct lang_error error;
    begin(0);
    far_refuses = 1;
    events(1);
    start();
    wait_position(1);
    world_stop();
    ck_assert_int_eq(expr_compile("n > 200", 7, &spec.when, &error), 0);
    restart();
    far_refuses = 0;
    tried(1, 0);
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 0);
    /* New ones are. */
    events(1);
    wait_position(3);
    ck_assert_uint_eq(fake_count(&fake), 1);
    world_stop();
    expr_free(spec.when);
}
END_TEST

/* --- it stopped at a step --- */

START_TEST(what_stopped_at_a_step_goes_on_there)
{
    begin(3);
    toys[1].what = REFUSE;
    events(1);
    start();
    wait_position(1);
    letter_is(1, "1 look-up 1 unknown_entity: nobody knows it");
    ck_assert_int_eq(toys[2].ran, 0);
    toys[0].what = DROP;
    ck_assert_uint_eq(tried(1, 0), 2);
    letter_is(2, "1 look-up 2 unknown_entity: nobody knows it");
    ck_assert_uint_eq(toys[0].passed, 1);
    ck_assert_uint_eq(toys[0].at, 2);
    one_letter();
    toys[1].what = PASS;
    tried(2, 0);
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
    ck_assert_int_eq(toys[2].ran, 1);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 0);
}
END_TEST

/* One of the destination's own comes after `when`. */
START_TEST(what_stopped_at_an_own_step_is_not_asked_when)
{
    struct lang_error error;
    begin(3);
    spec.own_count = 1;
    toys[2].what = REFUSE;
    events(1);
    start();
    wait_position(1);
    letter_is(1, "1 3 1 unknown_entity: nobody knows it");
    world_stop();
    ck_assert_int_eq(expr_compile("n > 200", 7, &spec.when, &error), 0);
    restart();
    toys[0].what = toys[1].what = DROP;
    toys[2].what = DROP;
    tried(1, 0);
    letter_is(1, "1 3 1 dropped_on_retry: dropped by step 3 (filter) when it "
                 "was tried again; before that unknown_entity: nobody knows "
                 "it");
    ck_assert_uint_eq(toys[2].passed, 3);
    ck_assert_uint_eq(toys[2].at, 4);
    toys[2].what = PASS;
    tried(1, 0);
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 0);
    world_stop();
    expr_free(spec.when);
}
END_TEST

/* What `when` could not tell has all own steps before it. */
START_TEST(what_when_could_not_tell_runs_own_steps)
{
    static const char when[] = "not text matches secret";
    struct lang_error error;
    static char json[20100];
    begin(2);
    spec.own_count = 1;
    memset(json, 'a', sizeof json);
    memcpy(json, "{\"text\":\"", 9);
    strcpy(json + 20000, "\"}");
    ck_assert_int_eq(expr_compile(when, strlen(when), &spec.when, &error), 0);
    append("app", "feature.used", json);
    durable();
    start();
    wait_position(1);
    ck_assert_int_eq(toys[1].ran, 0);
    world_stop();
    expr_free(spec.when);
    spec.when = NULL;
    restart();
    tried(1, 0);
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
    ck_assert_int_eq(toys[1].ran, 1);
    ck_assert_uint_eq(toys[1].passed, 1);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 0);
}
END_TEST

/* Its step, and those behind it, may drop it: then the letter stays. */
static void
dropped_by(uint32_t step, const char *want)
{
    begin(3);
    toys[1].what = REFUSE;
    events(1);
    start();
    wait_position(1);
    toys[1].what = PASS;
    toys[step].what = DROP;
    tried(1, 0);
    letter_is(1, want);
    one_letter();
    ck_assert_uint_eq(status().dropped, 1);
    /* Once more, it says the same. */
    tried(1, 0);
    letter_is(1, want);
    /* And it goes on where it had stopped at first. */
    toys[step].what = PASS;
    toys[0].what = DROP;
    tried(1, 0);
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
    ck_assert_uint_eq(fake.got[0], 4);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 0);
}

START_TEST(one_that_its_step_drops_stays)
{
    dropped_by(1, "1 look-up 1 dropped_on_retry: dropped by step look-up "
                  "(enrich) when it was tried again; before that "
                  "unknown_entity: nobody knows it");
}
END_TEST

START_TEST(one_that_a_later_step_drops_stays)
{
    dropped_by(2, "1 look-up 1 dropped_on_retry: dropped by step 3 (filter) "
                  "when it was tried again; before that unknown_entity: nobody "
                  "knows it");
}
END_TEST

START_TEST(one_that_when_leaves_out_stays)
{
    struct lang_error error;
    begin(2);
    toys[1].what = REFUSE;
    events(1);
    start();
    wait_position(1);
    world_stop();
    ck_assert_int_eq(expr_compile("n > 200", 7, &spec.when, &error), 0);
    restart();
    toys[1].what = PASS;
    tried(1, 0);
    letter_is(1, "1 look-up 1 dropped_on_retry: when left it out when it was "
                 "tried again; before that unknown_entity: nobody knows it");
    one_letter();
    world_stop();
    expr_free(spec.when);
    spec.when = NULL;
    restart();
    tried(1, 0);
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 0);
}
END_TEST

START_TEST(what_when_could_not_tell_is_asked_again)
{
    /* A pattern that meets its limit; see test-lane.c. */
    static const char when[] = "not text matches secret";
    static char json[20100];
    struct lang_error error;
    begin(1);
    memset(json, 'a', sizeof json);
    memcpy(json, "{\"n\":1,\"text\":\"", 15);
    strcpy(json + 20000, "\"}");
    append("app", "feature.used", json);
    durable();
    ck_assert_int_eq(expr_compile(when, sizeof when - 1, &spec.when, &error),
                     0);
    start();
    wait_position(1);
    letter_is(1, "3  1 regex_limit: a regular expression of when met its "
                 "limit");
    world_stop();
    expr_free(spec.when);
    ck_assert_int_eq(expr_compile("n > 0", 5, &spec.when, &error), 0);
    restart();
    toys[0].what = DROP;
    tried(1, 0);
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
    world_stop();
    expr_free(spec.when);
}
END_TEST

/* It could not add what it adds: that is no judgement which was made before. */
START_TEST(a_letter_of_a_step_before_stands)
{
    begin(3);
    toys[2].what = REFUSE;
    events(1);
    start();
    wait_position(1);
    toys[1].what = REFUSE;
    toys[2].what = PASS;
    ck_assert_uint_eq(tried(1, 0), 2);
    letter_is(2, "1 3 2 unknown_entity: nobody knows it");
    one_letter();
    toys[1].what = DROP;
    tried(2, 0);
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 0);
}
END_TEST

/* --- no such place --- */

static void
stopped_at_look_up(void)
{
    begin(3);
    toys[1].what = REFUSE;
    events(1);
    start();
    wait_position(1);
    world_stop();
}

#define GONE                                                                   \
    "step_gone: the lane has no step look-up (enrich) any more, where it had " \
    "stopped; with --anew it is decided from the first step on; before that "  \
    "unknown_entity: nobody knows it"

START_TEST(without_its_step_it_is_a_letter_that_says_so)
{
    stopped_at_look_up();
    spec.step_count = 1;
    restart();
    ck_assert_uint_eq(tried(1, 0), 2);
    letter_is(2, "1 look-up 1 " GONE);
    one_letter();
    ck_assert_uint_eq(tried(2, 0), 3);
    letter_is(3, "1 look-up 1 " GONE);
    one_letter();
    ck_assert_int_eq(toys[0].ran, 1);
    /* Where it is there again, it goes on there. */
    world_stop();
    spec.step_count = 3;
    restart();
    toys[0].what = DROP;
    toys[1].what = PASS;
    tried(3, 0);
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 0);
}
END_TEST

START_TEST(another_plugin_of_that_name_is_another_step)
{
    stopped_at_look_up();
    plugins[1].name = "filter";
    restart();
    ck_assert_uint_eq(tried(1, 0), 2);
    letter_is(2, "1 look-up 1 " GONE);
    one_letter();
}
END_TEST

START_TEST(a_step_is_found_where_it_stands_now)
{
    stopped_at_look_up();
    struct lane_step moved = steps[0];
    steps[0] = steps[1];
    steps[1] = moved;
    restart();
    toys[1].what = PASS;
    tried(1, 0);
    ck_assert_uint_eq(toys[1].passed, 0);
    ck_assert_uint_eq(toys[1].at, 1);
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
}
END_TEST

START_TEST(anew_nothing_is_decided)
{
    begin(2);
    far_refuses = 1;
    events(1);
    start();
    wait_position(1);
    far_refuses = 0;
    toys[1].what = DROP;
    tried(1, 1);
    letter_is(1, "4  1 dropped_on_retry: dropped by step look-up (enrich) when "
                 "it was tried again; before that 23514: too large");
    ck_assert_uint_eq(toys[1].passed, 0);
    /* What had been decided is still known. */
    tried(1, 0);
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 0);
}
END_TEST

static int
append_frame(void *arg, const struct dead_letter *l)
{
    struct event_retry *mark = arg;
    struct il_text body = { 0 };
    uint64_t first;
    int err = event_retry_pack(&body, l->event.ptr, l->event.len, mark);
    struct slice s = slice_of(body.data, body.len);
    if (!err)
        err = spool_append(ctx.spool, &s, 1, &first);
    text_clear(&body);
    ck_assert_uint_eq(first, next_position++);
    return err;
}

START_TEST(what_a_newer_version_decided_is_refused_by_name)
{
    struct event_retry mark = { .lane = SLICE(LANE),
                                .letter = 1,
                                .decided = SLICE("\x92\x02\xc0") };
    begin(1);
    far_refuses = 1;
    events(1);
    start();
    wait_position(1);
    ck_assert_int_eq(dead_get(ctx.dead, LANE, 1, append_frame, &mark), 0);
    wait_position(2);
    one_letter();
    far_refuses = 0;
    toys[0].what = DROP;
    ck_assert_int_eq(toys[0].ran, 1);
    /* Passed on as it was; anew it is delivered. */
    ck_assert_uint_eq(tried(2, 0), 3);
    one_letter();
    toys[0].what = PASS;
    tried(3, 1);
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 0);
}
END_TEST

/* A frame as older versions wrote it: all is decided anew. */
START_TEST(a_frame_without_it_is_decided_anew)
{
    struct event_retry mark = { .lane = SLICE(LANE),
                                .letter = 1,
                                .attempts = 1 };
    begin(1);
    far_refuses = 1;
    events(1);
    start();
    wait_position(1);
    toys[0].what = DROP;
    ck_assert_int_eq(dead_get(ctx.dead, LANE, 1, append_frame, &mark), 0);
    wait_position(2);
    letter_is(1, "4  1 dropped_on_retry: dropped by step 1 (filter) when it "
                 "was tried again");
    one_letter();
}
END_TEST

/* --- what a crash leaves --- */

static _Atomic int prepared;

/* The letters are written, and then nothing is committed. */
static void
die_after_prepare(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) f;
    (void) n;
    ck_assert_int_eq(lane_prepare(b), 0);
    prepared++;
    lane_settle(ack, IL_RETRY, "the connection broke");
}

static int
drop_the_third(void *self, struct il_batch *b)
{
    (void) self;
    for (uint32_t i = 0; i < b->count; i++)
        if (b->events[i].position == 3)
            batch_drop(b, i);
    return 0;
}

/* Two letters come again in one batch, which is prepared and not committed; the
 * last step may drop the first of them, then, and after the restart. */
static void
dies_in_between(int dropped, int dropped_then)
{
    struct retry_item items[2] = { { .letter = 1 }, { .letter = 2 } };
    char why[200];
    prepared = 0;
    begin(3);
    toys[1].what = REFUSE;
    events(2);
    start();
    wait_position(2);
    toys[1].what = PASS;
    plugins[2].process = dropped ? drop_the_third : toy_process;
    fake_act(&fake, die_after_prepare);
    ck_assert_int_eq(
        retry_letters(retry, LANE, 2, 0, items, 2, why, sizeof why), 0);
    next_position += 2;
    for (int i = 0; i < 20000 && !prepared; i++)
        usleep(1000);
    ck_assert_int_ge(prepared, 1);
    world_stop();
    plugins[2].process = dropped_then ? drop_the_third : toy_process;
    restart();
    wait_position(4);
    ck_assert_uint_eq(dead_retrying(ctx.dead, LANE), 0);
}

#define STAYS                                                                  \
    "1 look-up 1 dropped_on_retry: dropped by step 3 (filter) when it was "    \
    "tried again; before that unknown_entity: nobody knows it"

START_TEST(a_letter_that_stays_does_so_before_the_commit)
{
    dies_in_between(1, 1);
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
    ck_assert_uint_eq(fake.got[0], 4);
    one_letter();
    letter_is(1, STAYS);
}
END_TEST

START_TEST(one_that_was_to_stay_may_still_be_delivered)
{
    dies_in_between(1, 0);
    ck_assert_uint_eq(fake_wait(&fake, 2), 2);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 0);
}
END_TEST

START_TEST(one_that_was_to_be_delivered_may_still_stay)
{
    dies_in_between(0, 1);
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
    ck_assert_uint_eq(fake.got[0], 4);
    one_letter();
    letter_is(1, STAYS);
}
END_TEST

/* And once somebody has asked again, only that frame counts. */
START_TEST(asked_again_in_between_one_frame_counts)
{
    begin(3);
    fake_resuming(&fake);
    fake.tells = 1;
    toys[1].what = REFUSE;
    events(1);
    start();
    wait_position(1);
    toys[1].what = PASS;
    toys[2].what = DROP;
    tried(1, 0); /* 2: dropped */
    one_letter();
    toys[2].what = PASS;
    tried(1, 0); /* 3: delivered */
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
    ck_assert_uint_eq(fake.got[0], 3);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 0);
    /* The far side loses it all: only the frame that counted counts again. */
    world_stop();
    fake.got_count = 0;
    world_restart();
    retry_free(retry);
    retry = NULL;
    fake_resuming(&fake);
    fake_act(&fake, far_side);
    start();
    wait_position(3);
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
    ck_assert_uint_eq(fake_count(&fake), 1);
    ck_assert_uint_eq(fake.got[0], 3);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 0);
}
END_TEST

/* --- where events are taken one by one --- */

START_TEST(a_letter_of_a_step_goes_through_the_spool_there_too)
{
    begin(2);
    fake.plugin.flags = IL_PER_EVENT;
    fake_act(&fake, NULL);
    toys[1].what = REFUSE;
    events(2);
    start();
    wait_position(2);
    letter_is(1, "1 look-up 1 unknown_entity: nobody knows it");
    ck_assert_uint_eq(status().dead, 2);
    toys[0].what = DROP;
    toys[1].what = PASS;
    tried(1, 0);
    ck_assert_uint_eq(fake_wait(&fake, 1), 1);
    ck_assert_uint_eq(status().dead, 1);
    restart();
    toys[1].what = DROP;
    tried(2, 0);
    letter_is(2, "1 look-up 1 dropped_on_retry: dropped by step look-up "
                 "(enrich) when it was tried again; before that "
                 "unknown_entity: nobody knows it");
    ck_assert_uint_eq(status().dead, 1);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        what_stopped_at_the_destination_passes_a_filter_that_changed,
        what_stopped_at_the_destination_is_not_asked_when,
        what_stopped_at_a_step_goes_on_there,
        what_stopped_at_an_own_step_is_not_asked_when,
        what_when_could_not_tell_runs_own_steps,
        one_that_its_step_drops_stays,
        one_that_a_later_step_drops_stays,
        one_that_when_leaves_out_stays,
        what_when_could_not_tell_is_asked_again,
        a_letter_of_a_step_before_stands,
        without_its_step_it_is_a_letter_that_says_so,
        another_plugin_of_that_name_is_another_step,
        a_step_is_found_where_it_stands_now,
        anew_nothing_is_decided,
        what_a_newer_version_decided_is_refused_by_name,
        a_frame_without_it_is_decided_anew,
        a_letter_that_stays_does_so_before_the_commit,
        one_that_was_to_stay_may_still_be_delivered,
        one_that_was_to_be_delivered_may_still_stay,
        asked_again_in_between_one_frame_counts,
        a_letter_of_a_step_goes_through_the_spool_there_too,
    };
    return world_run("lane decided", tests, sizeof tests / sizeof *tests);
}
