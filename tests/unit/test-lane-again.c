/* SPDX-License-Identifier: MIT */
/* Dead letters that are tried again. */
#include "codec/msg_read.h"
#include "base/log.h"
#include "lane_world.h"
#include "tempdir.h"
#include "store/retry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct il_reason too_large = { IL_SIZED(struct il_reason),
                                            .code = "23514",
                                            .message = "too large",
                                            .rule = "below" };

static struct retry *retry;

/* Some rows are refused until the constraint is dropped. */
static int constraint;

static void
refuse_sevens(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    for (uint32_t i = 0; i < b->count; i++) {
        struct il_value v;
        const char *p = b->events[i].ev.payload.ptr;
        ck_assert_int_eq(msg_head(&p, p + 100, &v), 0);
        struct il_value number;
        ck_assert_int_eq(msg_find(&v, "n", 1, &number), 1);
        if (__atomic_load_n(&constraint, __ATOMIC_SEQ_CST)
            && number.num.i % 10 == 7)
            batch_reject(b, i, &too_large);
    }
    ck_assert_int_eq(lane_prepare(b), 0);
    fake_ok(f, b, ack);
}

/* Thirty events, of which 7, 17 and 27 are letters; 27 are delivered. */
static void
letters(void)
{
    constraint = 1;
    fake_act(&fake, refuse_sevens);
    events(30);
    world_start();
    wait_position(30);
    expect_letters("7:23514 17:23514 27:23514 ");
    ck_assert_int_eq(retry_new(ctx.spool, ctx.dead, &retry), 0);
}

static void
restart(void)
{
    world_restart();
    retry_free(retry); /* of the spool that is closed */
    ck_assert_int_eq(retry_new(ctx.spool, ctx.dead, &retry), 0);
    fake_act(&fake, refuse_sevens);
}

static void
mend(void)
{
    __atomic_store_n(&constraint, 0, __ATOMIC_SEQ_CST);
}

static struct retry_item
again(uint64_t letter)
{
    struct retry_item item = { .letter = letter };
    char why[200];
    ck_assert_int_eq(retry_letters(retry, LANE, status().position, 0, &item, 1,
                                   why, sizeof why),
                     0);
    next_position += item.result == RETRY_DONE;
    return item;
}

static int
copy_event(void *arg, const struct dead_letter *l)
{
    return text_put(arg, l->event.ptr, l->event.len);
}

/* A frame that nobody has noted: its writer died. */
static void
frame_for(const char *lane_name, uint64_t letter)
{
    struct il_text event = { 0 }, body = { 0 };
    /* As older versions wrote it: without where the event first stood. */
    struct event_retry mark = { .lane = slice_of(lane_name, strlen(lane_name)),
                                .letter = letter,
                                .attempts = 1 };
    uint64_t first;
    if (dead_get(ctx.dead, LANE, 17, copy_event, &event))
        ck_assert_int_eq(dead_get(ctx.dead, LANE, 27, copy_event, &event), 0);
    ck_assert_int_eq(event_retry_pack(&body, event.data, event.len, &mark), 0);
    struct slice s = slice_of(body.data, body.len);
    ck_assert_int_eq(spool_append(ctx.spool, &s, 1, &first), 0);
    ck_assert_uint_eq(first, next_position++);
    text_clear(&event);
    text_clear(&body);
}

/* The far side has these beyond the first 27. */
static void
expect_more(uint32_t n, const uint64_t *positions)
{
    ck_assert_uint_eq(fake_wait(&fake, 27 + n), 27 + n);
    for (uint32_t i = 0; i < n; i++)
        ck_assert_uint_eq(fake.got[27 + i], positions[i]);
}

START_TEST(a_letter_is_delivered_once)
{
    letters();
    mend();
    struct retry_item item = again(17);
    ck_assert_int_eq(item.result, RETRY_DONE);
    ck_assert_uint_eq(item.position, 31);
    struct lane_status s = wait_position(31);
    expect_more(1, (uint64_t[]){ 31 });
    expect_letters("7:23514 27:23514 ");
    ck_assert_uint_eq(s.dead, 2);
    ck_assert_uint_eq(s.retrying, 0);
    ck_assert_int_eq(again(17).result, RETRY_GONE);
    ck_assert_int_eq(again(18).result, RETRY_GONE);
}
END_TEST

static int
attempts_are(void *arg, const struct dead_letter *l)
{
    ck_assert_uint_eq(l->attempts, *(uint32_t *) arg);
    ck_assert_uint_eq(l->retry, 0);
    return 0;
}

START_TEST(what_fails_again_is_a_letter_again)
{
    uint32_t attempts = 2;
    letters();
    again(7);
    wait_position(31);
    expect_letters("17:23514 27:23514 31:23514 ");
    ck_assert_int_eq(dead_get(ctx.dead, LANE, 31, attempts_are, &attempts), 0);
    again(31);
    wait_position(32);
    attempts = 3;
    ck_assert_int_eq(dead_get(ctx.dead, LANE, 32, attempts_are, &attempts), 0);
    mend();
    again(32);
    wait_position(33);
    expect_more(1, (uint64_t[]){ 33 });
    expect_letters("17:23514 27:23514 ");
}
END_TEST

/* Where the events that number 7 and 17 came from, each time they came. */
static struct {
    uint64_t position;
    struct event_origin origin;
} came[16];
static uint32_t came_count;

static int
note_origins(void *self, struct il_batch *b)
{
    (void) self;
    for (uint32_t i = 0; i < b->count; i++) {
        struct il_value v, number;
        const char *p = b->events[i].ev.payload.ptr;
        ck_assert_int_eq(msg_head(&p, p + 100, &v), 0);
        ck_assert_int_eq(msg_find(&v, "n", 1, &number), 1);
        if (number.num.i != 7 && number.num.i != 17)
            continue;
        ck_assert_uint_lt(came_count, 16);
        came[came_count].position = b->events[i].position;
        batch_origin(b, i, &came[came_count++].origin);
    }
    return 0;
}

static void
expect_came(uint32_t i, uint64_t position, uint64_t origin)
{
    ck_assert_uint_lt(i, came_count);
    ck_assert_uint_eq(came[i].position, position);
    ck_assert_uint_eq(came[i].origin.position, origin);
    ck_assert_uint_eq(came[i].origin.set_backs, 0);
    ck_assert_mem_eq(came[i].origin.spool, spool_id(ctx.spool), 16);
}

static int
origin_is_7(void *arg, const struct dead_letter *l)
{
    (void) arg;
    ck_assert_uint_eq(l->origin.position, 7);
    ck_assert_mem_eq(l->origin.spool, spool_id(ctx.spool), 16);
    return 0;
}

START_TEST(it_comes_from_where_it_first_stood)
{
    with_step(note_origins, NULL);
    letters();
    again(7);
    wait_position(31);
    ck_assert_int_eq(dead_get(ctx.dead, LANE, 31, origin_is_7, NULL), 0);
    restart();
    world_start();
    again(31);
    wait_position(32);
    ck_assert_int_eq(dead_get(ctx.dead, LANE, 32, origin_is_7, NULL), 0);
    /* What was set back meanwhile changes nothing for it. */
    ck_assert_int_eq(spool_set_back(ctx.spool, 31), 0);
    again(32);
    wait_position(33);
    frame_for(LANE, 17);
    wait_position(34);
    expect_came(0, 7, 7);
    expect_came(1, 17, 17);
    expect_came(2, 31, 7);
    expect_came(3, 32, 7);
    expect_came(4, 33, 7);
    expect_came(5, 34, 17);
}
END_TEST

START_TEST(asked_twice_it_is_tried_once)
{
    letters();
    lane_stop(lane, 0);
    ck_assert_uint_eq(again(17).position, 31);
    struct retry_item item = again(17);
    ck_assert_int_eq(item.result, RETRY_UNDER_WAY);
    ck_assert_uint_eq(item.position, 31);
    ck_assert_uint_eq(dead_retrying(ctx.dead, LANE), 1);
    ck_assert_uint_eq(dead_retrying(ctx.dead, NULL), 1);
    restart();
    mend();
    world_start();
    wait_position(31);
    expect_more(1, (uint64_t[]){ 31 });
    expect_letters("7:23514 27:23514 ");
    ck_assert_uint_eq(dead_retrying(ctx.dead, LANE), 0);
}
END_TEST

START_TEST(of_several_frames_one_counts)
{
    letters();
    lane_stop(lane, 0);
    frame_for(LANE, 17); /* 31: written by one that died */
    frame_for(LANE, 17); /* 32: and once more */
    frame_for(LANE, 99); /* of a letter that was dropped */
    again(17);           /* 34: the one that is noted */
    again(7);
    frame_for(LANE, 7); /* 36 */
    restart();
    mend();
    spec.batch_events = 2; /* also across batches */
    world_start();
    wait_position(36);
    expect_more(2, (uint64_t[]){ 34, 35 });
    expect_letters("27:23514 ");
}
END_TEST

START_TEST(the_first_unnoted_frame_counts)
{
    letters();
    mend();
    lane_stop(lane, 0);
    frame_for(LANE, 17);
    frame_for(LANE, 17);
    restart();
    world_start();
    wait_position(32);
    expect_more(1, (uint64_t[]){ 31 });
    expect_letters("7:23514 27:23514 ");
    again(7);
    wait_position(33);
    expect_more(2, (uint64_t[]){ 31, 33 });
}
END_TEST

START_TEST(other_lanes_pass_it_over)
{
    letters();
    frame_for("feature-usage/other", 17);
    wait_position(31);
    events(1);
    wait_position(32);
    expect_more(1, (uint64_t[]){ 32 });
    expect_letters("7:23514 17:23514 27:23514 ");
}
END_TEST

START_TEST(a_dropped_letter_is_not_delivered)
{
    letters();
    mend();
    lane_stop(lane, 0);
    again(17);
    again(27);
    ck_assert_int_eq(dead_delete(ctx.dead, LANE, 17), 0);
    ck_assert_uint_eq(dead_retrying(ctx.dead, LANE), 1);
    restart();
    world_start();
    wait_position(32);
    expect_more(1, (uint64_t[]){ 32 });
    expect_letters("7:23514 ");
}
END_TEST

/* The far side has it, and the process died before the letter went. */
START_TEST(what_is_there_is_not_sent_again)
{
    letters();
    mend();
    lane_stop(lane, 0);
    again(17);
    again(7);
    restart();
    fake_resuming(&fake);
    fake.resume_position = 31;
    world_start();
    wait_position(32);
    expect_more(1, (uint64_t[]){ 32 });
    expect_letters("27:23514 ");
}
END_TEST

static void
start_where_it_is(void)
{
    restart();
    fake_resuming(&fake);
    fake.tells = 1;
    world_start();
}

/* 31 brings 17 and 32 brings 7, and both are there.  Then the far side is set
 * back to what it had at `there`. */
static void
set_back_to(uint64_t there)
{
    letters();
    mend();
    lane_stop(lane, 0);
    again(17);
    again(7);
    start_where_it_is();
    wait_position(32);
    expect_letters("27:23514 ");
    lane_stop(lane, 0);
    while (fake.got_count && fake.got[fake.got_count - 1] > there)
        fake.got_count--;
    start_where_it_is();
}

/* To between a letter and its frame: the letter is gone, and the frame brings
 * its event nevertheless; once more after a restart, as before. */
START_TEST(set_back_behind_the_letters_their_frames_count_again)
{
    set_back_to(30);
    expect_more(2, (uint64_t[]){ 31, 32 });
    wait_position(32);
    expect_letters("27:23514 ");
    frame_for(LANE, 27); /* 33: of one that is dropped before it comes */
    lane_stop(lane, 0);
    ck_assert_int_eq(dead_delete(ctx.dead, LANE, 27), 0);
    fake.got_count = 27;
    start_where_it_is();
    wait_position(33);
    expect_more(2, (uint64_t[]){ 31, 32 });
    expect_letters("");
}
END_TEST

/* To before the letters: what their frames bring is not taken twice. */
START_TEST(set_back_before_the_letters_they_come_once)
{
    set_back_to(5);
    wait_position(32);
    ck_assert_uint_eq(fake_wait(&fake, 30), 30);
    for (uint32_t i = 0, position = 1; i < 30; i++, position++) {
        position += position == 7 || position == 17;
        ck_assert_uint_eq(fake.got[i], position);
    }
    expect_letters("");
}
END_TEST

START_TEST(a_claim_of_a_frame_that_is_none_is_given_up)
{
    struct dead_claim claim = { .letter = 17, .position = 20 };
    letters();
    lane_stop(lane, 0);
    ck_assert_int_eq(dead_claim(ctx.dead, LANE, &claim, 1), 0);
    ck_assert_int_eq(claim.held, 1);
    restart();
    world_start();
    wait_state(LANE_RUNNING);
    ck_assert_uint_eq(dead_retrying(ctx.dead, LANE), 0);
    expect_letters("7:23514 17:23514 27:23514 ");
    ck_assert_int_eq(again(17).result, RETRY_DONE);
    wait_position(31);
}
END_TEST

/* Change the byte that begins the body of the frame at position. */
static void
damage(uint64_t position)
{
    char path[4096], header[16];
    snprintf(path, sizeof path, "%s/spool/%020d.seg", ctx.state_dir, 1);
    int fd = open(path, O_RDWR);
    ck_assert_int_ge(fd, 0);
    for (off_t at = 64;;) {
        uint32_t len;
        uint64_t here;
        ck_assert_int_eq(pread(fd, header, 16, at), 16);
        memcpy(&len, header, 4);
        memcpy(&here, header + 8, 8);
        ck_assert_uint_ne(len, 0);
        if (here == position) {
            ck_assert_int_eq(pwrite(fd, "\xc1", 1, at + 16), 1);
            break;
        }
        at += (16 + len + 7) & ~7u;
    }
    close(fd);
}

START_TEST(a_frame_that_is_lost_leaves_its_letter)
{
    letters();
    mend();
    lane_stop(lane, 0);
    again(7);
    again(17);
    events(3);
    world_stop();
    damage(31);
    restart();
    world_start();
    wait_position(35);
    expect_more(4, (uint64_t[]){ 32, 33, 34, 35 });
    expect_letters("7:23514 27:23514 ");
    ck_assert_uint_eq(dead_retrying(ctx.dead, LANE), 0);
    again(7);
    wait_position(36);
    expect_letters("27:23514 ");
}
END_TEST

static int failing_steps;

static int
fail_a_while(void *self, struct il_batch *b)
{
    (void) self;
    (void) b;
    return __atomic_sub_fetch(&failing_steps, 1, __ATOMIC_SEQ_CST) >= 0 ? -EAGAIN
                                                                        : 0;
}

START_TEST(steps_that_fail_see_it_again)
{
    with_step(fail_a_while, NULL);
    letters();
    mend();
    __atomic_store_n(&failing_steps, 3, __ATOMIC_SEQ_CST);
    again(7);
    again(17);
    wait_position(32);
    expect_more(2, (uint64_t[]){ 31, 32 });
    expect_letters("27:23514 ");
}
END_TEST

static int
drop_all(void *self, struct il_batch *b)
{
    (void) self;
    for (uint32_t i = 0; i < b->count; i++)
        if (b->events[i].position > 30)
            batch_drop(b, i);
    return 0;
}

/* Anew; else it has passed the step, see test-lane-decided.c. */
START_TEST(what_a_step_drops_keeps_its_letter)
{
    struct retry_item item = { .letter = 7 };
    char why[200];
    with_step(drop_all, NULL);
    letters();
    ck_assert_int_eq(
        retry_letters(retry, LANE, 30, 1, &item, 1, why, sizeof why), 0);
    next_position++;
    ck_assert_uint_eq(wait_position(31).dropped, 1);
    expect_letters("7:dropped_on_retry 17:23514 27:23514 ");
}
END_TEST

START_TEST(many_at_once)
{
    struct retry_item items[2500];
    struct dead_letter l[2500];
    char why[200];
    struct il_text event = { 0 };
    letters();
    mend();
    events(2500);
    wait_position(2530);
    ck_assert_int_eq(dead_get(ctx.dead, LANE, 17, copy_event, &event), 0);
    for (uint32_t i = 0; i < 2500; i++) {
        items[i] = (struct retry_item){ .letter = 31 + i };
        l[i] = (struct dead_letter){ .lane = LANE,
                                     .position = 31 + i,
                                     .reason = too_large,
                                     .event =
                                         slice_of(event.data, event.len) };
    }
    ck_assert_int_eq(dead_settle(ctx.dead, LANE, 30, 2530, l, 2500), 0);
    ck_assert_int_eq(
        retry_letters(retry, LANE, UINT64_MAX, 0, items, 2500, why, sizeof why),
        0);
    ck_assert_uint_eq(items[2499].position, 5030);
    wait_position(5030);
    expect_letters("7:23514 17:23514 27:23514 ");
    ck_assert_uint_eq(fake_count(&fake), 27 + 2500 + 2500);
    text_clear(&event);
}
END_TEST

static int attempts;

/* The letter of 7 is there, and its row refused no more when it comes again. */
static void
die_before_the_commit(struct fake *f, struct il_batch *b, struct il_ack *ack,
                      int n)
{
    (void) f;
    (void) n;
    batch_reject(b, 6, &too_large);
    ck_assert_int_eq(lane_prepare(b), 0);
    __atomic_add_fetch(&attempts, 1, __ATOMIC_SEQ_CST);
    lane_settle(ack, IL_RETRY, "the connection broke");
}

START_TEST(a_letter_that_is_not_final_is_left_alone)
{
    attempts = 0;
    fake_act(&fake, die_before_the_commit);
    events(10);
    world_start();
    while (!__atomic_load_n(&attempts, __ATOMIC_SEQ_CST))
        usleep(1000);
    expect_letters("7:23514 ");
    ck_assert_int_eq(retry_new(ctx.spool, ctx.dead, &retry), 0);
    struct retry_item item = again(7);
    ck_assert_int_eq(item.result, RETRY_UNDER_WAY);
    ck_assert_uint_eq(item.position, 7);
    fake_act(&fake, NULL);
    wait_position(10);
    expect_range(1, 10);
    expect_letters("");
    ck_assert_int_eq(again(7).result, RETRY_GONE);
}
END_TEST

START_TEST(what_cannot_be_read_stays)
{
    uint64_t first;
    struct slice body = SLICE("what an unknown version wrote");
    letters();
    ck_assert_int_eq(spool_append(ctx.spool, &body, 1, &first), 0);
    next_position++;
    wait_position(31);
    ck_assert_int_eq(again(31).result, RETRY_NO_EVENT);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 4);
}
END_TEST

/* What this says on stderr. */
static const char *
listen_to(void (*what)(void))
{
    static char said[4000];
    char path[4096];
    snprintf(path, sizeof path, "%s/stderr", ctx.state_dir);
    int old = dup(2), fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(dup2(fd, 2), 0);
    what();
    dup2(old, 2);
    ssize_t n = pread(fd, said, sizeof said - 1, 0);
    ck_assert_int_ge(n, 0);
    said[n] = 0;
    close(fd);
    close(old);
    return said;
}

static void
letters_to_the_end(void)
{
    log_level_set(IL_LOG_WARN);
    spec.batch_events = 10; /* a letter each */
    letters();
    world_stop();
}

START_TEST(letters_are_told_the_first_at_once_and_the_others_counted)
{
    const char *said = listen_to(letters_to_the_end);
    const char *first = strstr(said, "a dead letter of the kind 23514: event ");
    const char *more =
        strstr(said, "2 more dead letters of the kind 23514, the last event ");
    ck_assert_msg(first && more && first < more, "%s", said);
    ck_assert_ptr_nonnull(strstr(first, " at position 7: "));
    ck_assert_ptr_nonnull(strstr(more, " at position 27: "));
    ck_assert_ptr_null(strstr(said, "at position 17"));
}
END_TEST

START_TEST(lost_letters_are_counted)
{
    letters();
    world_stop();
    dead_close(ctx.dead);
    char path[4096];
    snprintf(path, sizeof path, "%s/dead/data.mdb", ctx.state_dir);
    ck_assert_int_eq(unlink(path), 0);
    snprintf(path, sizeof path, "%s/dead", ctx.state_dir);
    ck_assert_int_eq(dead_open(path, 0, &ctx.dead), 0);
    fake_restart(&fake);
    ck_assert_ptr_nonnull(
        strstr(listen_to(world_start), "the 3 that this lane had are lost"));
    events(1);
    wait_position(31);

    /* Once is enough. */
    world_restart();
    ck_assert_str_eq(listen_to(world_start), "");
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        a_letter_is_delivered_once,
        what_fails_again_is_a_letter_again,
        it_comes_from_where_it_first_stood,
        asked_twice_it_is_tried_once,
        of_several_frames_one_counts,
        the_first_unnoted_frame_counts,
        other_lanes_pass_it_over,
        a_dropped_letter_is_not_delivered,
        what_is_there_is_not_sent_again,
        set_back_behind_the_letters_their_frames_count_again,
        set_back_before_the_letters_they_come_once,
        a_claim_of_a_frame_that_is_none_is_given_up,
        a_frame_that_is_lost_leaves_its_letter,
        steps_that_fail_see_it_again,
        what_a_step_drops_keeps_its_letter,
        many_at_once,
        a_letter_that_is_not_final_is_left_alone,
        what_cannot_be_read_stays,
        letters_are_told_the_first_at_once_and_the_others_counted,
        lost_letters_are_counted,
    };
    return world_run("lane again", tests, sizeof tests / sizeof *tests);
}
