/* SPDX-License-Identifier: MIT */
#include "lane_world.h"
#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct il_reason duplicate = { IL_SIZED(struct il_reason),
                                            .code = "23505",
                                            .message = "duplicate key",
                                            .rule = "pk" };

static void
mark(struct il_batch *b, uint64_t position)
{
    for (uint32_t i = 0; i < b->count; i++)
        if (b->events[i].position == position)
            batch_reject(b, i, &duplicate);
}

static void
reject_sevens(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    for (uint32_t i = 0; i < b->count; i++)
        if (b->events[i].position % 100 == 7)
            batch_reject(b, i, &duplicate);
    if (n % 2)
        fake_ok(f, b, ack);
    else
        lane_settle(ack, IL_RETRY, "once more");
}

START_TEST(rejects_become_letters_once)
{
    fake_act(&fake, reject_sevens);
    events(300);
    world_start();
    struct lane_status s = wait_position(300);
    ck_assert_uint_eq(fake_count(&fake), 297);
    ck_assert_uint_eq(s.rejected, 3);
    ck_assert_uint_eq(s.dead, 3);
    expect_letters("7:23505 107:23505 207:23505 ");
    world_restart();
    world_start();
    events(1);
    wait_position(301);
    expect_letters("7:23505 107:23505 207:23505 ");
}
END_TEST

static void
reject_second_batch(struct fake *f, struct il_batch *b, struct il_ack *ack,
                    int n)
{
    if (n == 1)
        lane_settle(ack, IL_REJECT, "no such thing");
    else
        fake_ok(f, b, ack);
}

START_TEST(a_rejected_batch_is_all_letters)
{
    fake_act(&fake, reject_second_batch);
    spec.batch_events = 3;
    events(9);
    world_start();
    wait_position(9);
    ck_assert_uint_eq(fake_count(&fake), 6);
    expect_letters("4:rejected 5:rejected 6:rejected ");
}
END_TEST

static int
refuse_fifth(void *self, struct il_batch *b)
{
    (void) self;
    for (uint32_t i = 0; i < b->count; i++) {
        batch_set_payload(b, i, IL_JSON, "{}", 2);
        if (b->events[i].position == 5)
            batch_reject(b, i,
                         &(struct il_reason){ IL_SIZED(struct il_reason),
                                              .code = "unknown_entity",
                                              .message = "u_1" });
    }
    return 0;
}

static void
retry_once(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    for (uint32_t i = 0; i < b->count; i++)
        batch_unreject(b, i); /* takes back its own only: it has none */
    if (n)
        fake_ok(f, b, ack);
    else
        lane_settle(ack, IL_RETRY, NULL);
}

START_TEST(a_step_makes_letters_too)
{
    fake_act(&fake, retry_once);
    with_step(refuse_fifth, NULL);
    events(9);
    world_start();
    wait_position(9);
    ck_assert_uint_eq(fake_count(&fake), 8);
    expect_letters("5:unknown_entity ");
}
END_TEST

START_TEST(an_unreadable_frame_becomes_a_letter)
{
    uint64_t first;
    events(3);
    struct slice body = SLICE("what an unknown version wrote");
    ck_assert_int_eq(spool_append(ctx.spool, &body, 1, &first), 0);
    next_position++;
    events(3);
    world_start();
    wait_position(7);
    ck_assert_uint_eq(fake_count(&fake), 6);
    ck_assert_uint_eq(dead_count(ctx.dead, LANE), 1);
}
END_TEST

/* Attempt 0 marks 5 and prepares, then its COMMIT fails; afterwards the row is
 * fine, or another one is bad. */
static int crashes;

static void
prepare_and_fail(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) f;
    (void) n;
    mark(b, 5);
    mark(b, 105);
    ck_assert_int_eq(lane_prepare(b), 0);
    __atomic_add_fetch(&crashes, 1, __ATOMIC_SEQ_CST);
    lane_settle(ack, IL_RETRY, "COMMIT failed");
}

static void
prepare_sixth(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    mark(b, 6);
    ck_assert_int_eq(lane_prepare(b), 0);
    fake_ok(f, b, ack);
}

static void
run_until_prepared(void)
{
    crashes = 0;
    fake_act(&fake, prepare_and_fail);
    world_start();
    while (!__atomic_load_n(&crashes, __ATOMIC_SEQ_CST))
        usleep(1000);
}

START_TEST(a_prepared_letter_vanishes_when_the_row_is_fine)
{
    events(120);
    run_until_prepared();
    expect_letters("5:23505 ");
    fake_act(&fake, NULL); /* does not even call prepare */
    wait_position(120);
    expect_range(1, 120);
    expect_letters("");
}
END_TEST

START_TEST(a_prepared_letter_vanishes_after_a_crash)
{
    pthread_mutex_lock(&fake.lock);
    fake.plugin.in_flight = 3; /* all three batches are there at once */
    fake.reverse = 1;
    pthread_mutex_unlock(&fake.lock);
    events(220);
    crashes = 0;
    fake_act(&fake, prepare_and_fail);
    world_start();
    while (__atomic_load_n(&crashes, __ATOMIC_SEQ_CST) < 3)
        usleep(1000);
    lane_stop(lane, 0);
    expect_letters("5:23505 105:23505 ");
    world_restart();
    ck_assert_uint_eq(fake_count(&fake), 0);
    spec.batch_events = 4; /* other batches than before */
    world_start();
    wait_position(220);
    expect_range(1, 220);
    expect_letters("");
}
END_TEST

START_TEST(letters_are_those_of_the_last_attempt)
{
    events(50);
    run_until_prepared();
    lane_stop(lane, 0);
    world_restart();
    fake_act(&fake, prepare_sixth);
    world_start();
    wait_position(50);
    expect_letters("6:23505 ");
}
END_TEST

/* A far side that commits in parts: 5 and 105 were refused, and all up to 60
 * was committed, before it died; 70 is refused now. */
static void
keep_to_sixty(struct fake *f, struct il_batch *b, struct il_ack *ack, int n)
{
    (void) n;
    for (uint32_t i = 0; i < b->count; i++)
        if (b->events[i].position <= 60)
            batch_keep(b, i);
    mark(b, 5);
    mark(b, 70);
    ck_assert_int_eq(lane_prepare(b), 0);
    fake_ok(f, b, ack);
}

START_TEST(a_letter_of_what_is_kept_stays)
{
    events(120);
    run_until_prepared();
    expect_letters("5:23505 ");
    lane_stop(lane, 0);
    world_restart();
    spec.batch_events = 50;
    fake_act(&fake, keep_to_sixty);
    world_start();
    wait_position(120);
    expect_letters("5:23505 70:23505 ");
    ck_assert_uint_eq(status().dead, 2);
}
END_TEST

START_TEST(a_letter_of_what_is_kept_stays_in_one_process)
{
    events(90);
    run_until_prepared();
    fake_act(&fake, keep_to_sixty);
    wait_position(90);
    expect_letters("5:23505 70:23505 ");
}
END_TEST

/* Files may not grow: the store cannot take letters. */
START_TEST(a_full_disk_loses_no_letter)
{
    struct rlimit was, tiny = { 4096, RLIM_INFINITY };
    fake_act(&fake, reject_second_batch);
    spec.batch_events = 3;
    events(9);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
    tiny.rlim_max = was.rlim_max;
    ck_assert_int_eq(lane_new(&spec, &ctx, &lane), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    ck_assert_int_eq(lane_start(lane), 0);
    wait_state(LANE_WAITING);
    ck_assert_ptr_nonnull(strstr(status().last_error, "dead letters"));
    ck_assert_uint_eq(status().position, 3);
    usleep(100000);
    int writes = fake_writes(&fake);
    ck_assert_int_le(writes, 3);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
    wait_position(9);
    expect_letters("4:rejected 5:rejected 6:rejected ");
    ck_assert_uint_eq(fake_count(&fake), 6);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        rejects_become_letters_once,
        a_rejected_batch_is_all_letters,
        a_step_makes_letters_too,
        an_unreadable_frame_becomes_a_letter,
        a_prepared_letter_vanishes_when_the_row_is_fine,
        a_prepared_letter_vanishes_after_a_crash,
        letters_are_those_of_the_last_attempt,
        a_letter_of_what_is_kept_stays,
        a_letter_of_what_is_kept_stays_in_one_process,
        a_full_disk_loses_no_letter,
    };
    return world_run("lane letters", tests, sizeof tests / sizeof *tests);
}
