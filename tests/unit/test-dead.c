/* SPDX-License-Identifier: MIT */
#include "tempdir.h"
#include "base/metrics.h"
#include "store/dead_store.h"

#include <check.h>
#include <errno.h>
#include <glob.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LANE "feature-usage/warehouse.pg"

static char *root;
static char dir[4096];
static struct dead *dead;

static void
setup(void)
{
    root = tempdir_make();
    snprintf(dir, sizeof dir, "%s/dead", root);
    ck_assert_int_eq(dead_open(dir, 0, &dead), 0);
}

static void
teardown(void)
{
    dead_close(dead);
    dead = NULL;
    tempdir_remove(root);
}

static void
reopen(void)
{
    dead_close(dead);
    ck_assert_int_eq(dead_open(dir, 0, &dead), 0);
}

static struct dead_letter
letter(uint64_t position, const char *code)
{
    struct dead_letter l = {
        .lane = LANE,
        .position = position,
        .at_us = 1700000000000000 + (int64_t) position,
        .attempts = 2,
        .reason = { .code = code, .message = "no such user" },
        .event = SLICE("\x97rest of the frame"),
        .origin = { "0123456789abcdef", position - 1, 3 }
    };
    return l;
}

static void
settle(uint64_t after, uint64_t up_to, const struct dead_letter *l, size_t n)
{
    ck_assert_int_eq(dead_settle(dead, LANE, after, up_to, l, n), 0);
}

/* Writes "position:code " of each letter into arg. */
static int
note(void *arg, const struct dead_letter *l)
{
    char *out = arg;
    sprintf(out + strlen(out), "%llu:%s ", (unsigned long long) l->position,
            l->reason.code);
    return 0;
}

static void
expect(const char *lane, const char *want)
{
    char got[4096] = "";
    ck_assert_int_eq(dead_each(dead, lane, note, got), 0);
    ck_assert_str_eq(got, want);
}

START_TEST(what_is_kept_stays_as_it_is)
{
    struct dead_letter l[4];
    for (uint64_t i = 0; i < 4; i++)
        l[i] = letter(i + 2, "old");
    settle(0, 10, l, 4);
    struct dead_letter now = letter(5, "new");
    const uint64_t kept[] = { 1, 3, 9 };
    ck_assert_int_eq(dead_settle_rest(dead, LANE, 0, 10, &now, 1, kept, 3), 0);
    expect(LANE, "3:old 5:new ");
    ck_assert_uint_eq(dead_count(dead, LANE), 2);
    /* Again, and with nothing marked any more. */
    ck_assert_int_eq(dead_settle_rest(dead, LANE, 0, 10, &now, 1, kept, 3), 0);
    expect(LANE, "3:old 5:new ");
    ck_assert_int_eq(dead_settle_rest(dead, LANE, 0, 10, NULL, 0, kept, 3), 0);
    expect(LANE, "3:old ");
    ck_assert_uint_eq(dead_count(dead, LANE), 1);
    reopen();
    expect(LANE, "3:old ");
}
END_TEST

static int
decided_is(void *arg, const struct dead_letter *l)
{
    (void) arg;
    ck_assert_int_eq(l->first_us, 42);
    ck_assert(slice_equal(l->decided, SLICE("what was decided")));
    return 0;
}

START_TEST(keeps_all_of_a_letter)
{
    struct dead_letter l = letter(7, "23505");
    l.reason.field = "user_id";
    l.reason.rule = "signups_pkey";
    l.first_us = 42;
    l.decided = SLICE("what was decided");
    settle(0, 10, &l, 1);
    reopen();
    char got[256] = "";
    ck_assert_int_eq(dead_get(dead, LANE, 7, note, got), 0);
    ck_assert_str_eq(got, "7:23505 ");
    ck_assert_int_eq(dead_get(dead, LANE, 7, decided_is, NULL), 0);
    ck_assert_int_eq(dead_get(dead, LANE, 8, note, got), -ENOENT);
    ck_assert_int_eq(dead_get(dead, "other/lane", 7, note, got), -ENOENT);
}
END_TEST

static int
check_all(void *arg, const struct dead_letter *l)
{
    ck_assert_str_eq(l->lane, LANE);
    ck_assert_uint_eq(l->position, 7);
    ck_assert_int_eq(l->at_us, 1700000000000007);
    ck_assert_uint_eq(l->attempts, 2);
    ck_assert_str_eq(l->reason.code, "23505");
    ck_assert_str_eq(l->reason.message, "no such user");
    ck_assert_str_eq(l->reason.field, "user_id");
    ck_assert_ptr_null(l->reason.rule);
    ck_assert(slice_equal(l->event, SLICE("\x97rest of the frame")));
    ck_assert_uint_eq(l->origin.position, 6);
    ck_assert_uint_eq(l->origin.set_backs, 3);
    ck_assert_mem_eq(l->origin.spool, "0123456789abcdef", 16);
    ++*(int *) arg;
    return 0;
}

/* As before 1.0: a head of 48 bytes, which says nothing of where the event
 * stood at first. */
START_TEST(reads_letters_of_older_versions)
{
    struct {
        uint32_t version, attempts;
        int64_t at_us;
        uint32_t len[6], event_len, padding;
        char texts[9];
    } old = { 2,
              4,
              5,
              { 1, 2, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX },
              4,
              0xffffffff,
              "c\0mm\0\x97"
              "evt" };
    struct dead_letter l = { .lane = LANE };
    ck_assert_int_eq(dead_record_view(&old, 57, &l), 0);
    ck_assert_str_eq(l.reason.message, "mm");
    ck_assert_uint_eq(l.attempts, 4);
    ck_assert(slice_equal(l.event, SLICE("\x97"
                                         "evt")));
    ck_assert_uint_eq(l.origin.position, 0);
    ck_assert_uint_eq(l.origin.set_backs, 0);
    old.version = 3; /* which is longer */
    ck_assert_int_eq(dead_record_view(&old, 57, &l), -EIO);
    old.version = 1;
    ck_assert_int_eq(dead_record_view(&old, 57, &l), -EIO);
}
END_TEST

/* Of version 3: where it first stood, but nothing of what was decided. */
START_TEST(reads_letters_without_what_was_decided)
{
    struct {
        uint32_t version, attempts;
        int64_t at_us;
        uint32_t len[6], event_len, set_backs;
        uint64_t position;
        char spool[16], texts[9];
    } old = { 3,
              4,
              5,
              { 1, 2, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX },
              4,
              2,
              77,
              "0123456789abcde",
              "c\0mm\0\x97"
              "evt" };
    struct dead_letter l = { .lane = LANE };
    ck_assert_int_eq(dead_record_view(&old, 81, &l), 0);
    ck_assert_str_eq(l.reason.message, "mm");
    ck_assert_uint_eq(l.origin.position, 77);
    ck_assert_uint_eq(l.origin.set_backs, 2);
    ck_assert_int_eq(l.first_us, 5);
    ck_assert_uint_eq(l.decided.len, 0);
    ck_assert_uint_eq(l.tried, 0);
    ck_assert(slice_equal(l.event, SLICE("\x97"
                                         "evt")));
    old.version = 5; /* which is not there yet */
    ck_assert_int_eq(dead_record_view(&old, 81, &l), -ENOTSUP);
}
END_TEST

START_TEST(shows_what_was_stored)
{
    struct dead_letter l = letter(7, "23505");
    l.reason.field = "user_id";
    settle(0, 10, &l, 1);
    int n = 0;
    ck_assert_int_eq(dead_get(dead, LANE, 7, check_all, &n), 0);
    ck_assert_int_eq(dead_each(dead, LANE, check_all, &n), 0);
    ck_assert_int_eq(dead_each(dead, NULL, check_all, &n), 0);
    ck_assert_int_eq(n, 3);
}
END_TEST

START_TEST(settling_again_changes_exactly_the_range)
{
    struct dead_letter first[] = { letter(2, "a"), letter(5, "b"),
                                   letter(9, "c") };
    settle(0, 10, first, 3);
    struct dead_letter again[] = { letter(4, "d"), letter(5, "e") };
    settle(2, 8, again, 2);
    expect(LANE, "2:a 4:d 5:e 9:c ");
    ck_assert_uint_eq(dead_count(dead, LANE), 4);
    settle(0, 8, NULL, 0);
    expect(LANE, "9:c ");
    ck_assert_uint_eq(dead_count(dead, LANE), 1);
    reopen();
    expect(LANE, "9:c ");
}
END_TEST

START_TEST(bounds_are_open_below_and_closed_above)
{
    struct dead_letter l[] = { letter(10, "a"), letter(11, "b"),
                               letter(20, "c"), letter(21, "d") };
    settle(0, 30, l, 4);
    settle(10, 20, NULL, 0);
    expect(LANE, "10:a 21:d ");
}
END_TEST

START_TEST(lanes_are_apart)
{
    struct dead_letter l = letter(3, "x");
    settle(0, 5, &l, 1);
    ck_assert_int_eq(
        dead_settle(dead, "feature-usage/warehouse.pg2", 0, 5, &l, 1), 0);
    ck_assert_int_eq(dead_settle(dead, "feature", 0, 9, NULL, 0), 0);
    settle(0, 5, NULL, 0);
    expect(LANE, "");
    expect("feature-usage/warehouse.pg2", "3:x ");
    expect(NULL, "3:x ");
}
END_TEST

START_TEST(wrong_positions_are_refused)
{
    struct dead_letter l[] = { letter(4, "a"), letter(4, "b") };
    ck_assert_int_eq(dead_settle(dead, LANE, 0, 9, l, 2), -EINVAL);
    ck_assert_int_eq(dead_settle(dead, LANE, 4, 9, l, 1), -EINVAL);
    ck_assert_int_eq(dead_settle(dead, LANE, 0, 3, l, 1), -EINVAL);
    expect(NULL, "");
}
END_TEST

static uint64_t
disk_touched(void)
{
    char path[4200];
    struct stat st;
    snprintf(path, sizeof path, "%s/data.mdb", dir);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    return (uint64_t) st.st_mtim.tv_sec * 1000000000u
           + (uint64_t) st.st_mtim.tv_nsec;
}

START_TEST(skips_the_disk_when_nothing_changes)
{
    struct dead_letter l = letter(4, "a");
    settle(0, 9, &l, 1);
    uint64_t before = disk_touched();
    usleep(20000);
    l.at_us += 5000000;
    l.attempts++;
    settle(0, 9, &l, 1);
    settle(9, 90, NULL, 0);
    ck_assert_uint_eq(disk_touched(), before);
    l.reason.message = "another cause";
    settle(0, 9, &l, 1);
    ck_assert_uint_ne(disk_touched(), before);
}
END_TEST

START_TEST(last_letter_of_a_lane)
{
    uint64_t last = 99;
    ck_assert_int_eq(dead_last(dead, LANE, &last), 0);
    ck_assert_uint_eq(last, 0);
    struct dead_letter l[] = { letter(4, "a"), letter(300, "b") };
    settle(0, 400, l, 2);
    ck_assert_int_eq(dead_settle(dead, "z/z", 0, 400, l, 1), 0);
    ck_assert_int_eq(dead_settle(dead, "a/a", 0, 400, l, 1), 0);
    ck_assert_int_eq(dead_last(dead, LANE, &last), 0);
    ck_assert_uint_eq(last, 300);
    ck_assert_int_eq(dead_last(dead, "z/z", &last), 0);
    ck_assert_uint_eq(last, 4);
    ck_assert_int_eq(dead_last(dead, "b", &last), 0);
    ck_assert_uint_eq(last, 0);
}
END_TEST

START_TEST(deletes_one)
{
    struct dead_letter l[] = { letter(4, "a"), letter(5, "b") };
    settle(0, 9, l, 2);
    ck_assert_int_eq(dead_delete(dead, LANE, 4), 0);
    ck_assert_int_eq(dead_delete(dead, LANE, 4), -ENOENT);
    expect(LANE, "5:b ");
    ck_assert_uint_eq(dead_count(dead, LANE), 1);
    ck_assert_uint_eq(dead_count(dead, NULL), 1);
}
END_TEST

static int
claim(uint64_t l, uint64_t position)
{
    struct dead_claim c = { .letter = l, .position = position, .held = 7 };
    ck_assert_int_eq(dead_claim(dead, LANE, &c, 1), 0);
    return c.held;
}

static int
retry_is(void *arg, const struct dead_letter *l)
{
    ck_assert_uint_eq(l->retry, *(uint64_t *) arg);
    return 0;
}

static void
expect_claim(uint64_t l, uint64_t position)
{
    ck_assert_int_eq(dead_get(dead, LANE, l, retry_is, &position), 0);
}

START_TEST(the_first_claim_counts)
{
    struct dead_letter l[] = { letter(4, "a"), letter(5, "b") };
    settle(0, 9, l, 2);
    ck_assert_int_eq(claim(4, 20), 1);
    ck_assert_int_eq(claim(4, 21), 0);
    ck_assert_int_eq(claim(4, 20), 1);
    ck_assert_int_eq(claim(6, 22), 0);
    reopen();
    ck_assert_int_eq(claim(4, 21), 0);
    expect_claim(4, 20);
    expect_claim(5, 0);
    ck_assert_uint_eq(dead_retrying(dead, LANE), 1);

    struct dead_claim wrong = { 4, 21, 1 }, right = { 4, 20, 1 };
    ck_assert_int_eq(dead_unclaim(dead, LANE, &wrong, 1), 0);
    ck_assert_int_eq(dead_retried(dead, LANE, &wrong, 1), 0);
    expect_claim(4, 20);
    ck_assert_int_eq(dead_retried(dead, LANE, &right, 1), 0);
    expect(LANE, "5:b ");
    ck_assert_uint_eq(dead_count(dead, LANE), 1);
    ck_assert_uint_eq(dead_retrying(dead, LANE), 0);
}
END_TEST

START_TEST(letters_take_another_name_with_their_claims)
{
    struct dead_letter l[] = { letter(4, "a"), letter(5, "b") };
    struct dead_claim again = { 5, 21, 7 };
    settle(0, 9, l, 2);
    ck_assert_int_eq(claim(5, 21), 1);
    for (int i = 0; i < 2; i++) /* a second time there is nothing to do */
        ck_assert_int_eq(dead_rename(dead, LANE, "other/name"), 0);
    expect(LANE, "");
    expect("other/name", "4:a 5:b ");
    ck_assert_uint_eq(dead_count(dead, LANE), 0);
    ck_assert_uint_eq(dead_count(dead, "other/name"), 2);
    ck_assert_uint_eq(dead_retrying(dead, LANE), 0);
    ck_assert_uint_eq(dead_retrying(dead, "other/name"), 1);
    ck_assert_int_eq(dead_retried(dead, "other/name", &again, 1), 0);
    ck_assert_int_eq(dead_forget(dead, "other/name"), 0);
    ck_assert_uint_eq(dead_count(dead, NULL), 0);
}
END_TEST

static int
tried_is(void *arg, const struct dead_letter *l)
{
    ck_assert_uint_eq(l->tried, *(uint64_t *) arg);
    ck_assert_uint_eq(l->retry, 0);
    ck_assert_str_eq(l->reason.code, DEAD_DROPPED);
    ck_assert_uint_eq(l->attempts, 3);
    ck_assert(slice_equal(l->decided, SLICE("\x95 decided")));
    return 0;
}

/* Whoever wrote the frame notes it late: it has been tried by then. */
START_TEST(a_letter_that_stays_is_claimed_by_no_frame)
{
    uint64_t position = 20;
    struct dead_letter l = letter(4, "a");
    struct dead_claim c = { 4, 20, 7 }, later = { 4, 21, 7 };
    const struct dead_stay other = { 4, 19, { .code = "x", .message = "y" } };
    const struct dead_stay stay = { 4,
                                    20,
                                    { IL_SIZED(struct il_reason),
                                      .code = DEAD_DROPPED,
                                      .message = "dropped" } };
    l.attempts = 3;
    l.decided = SLICE("\x95 decided");
    settle(0, 9, &l, 1);
    ck_assert_int_eq(claim(4, 20), 1);
    ck_assert_int_eq(dead_stay(dead, LANE, &other, 1), 0);
    expect_claim(4, 20);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(dead_stay(dead, LANE, &stay, 1), 0);
        ck_assert_int_eq(dead_get(dead, LANE, 4, tried_is, &position), 0);
        ck_assert_uint_eq(dead_retrying(dead, LANE), 0);
        reopen();
    }
    ck_assert_int_eq(dead_claim_new(dead, LANE, &c, 1), 0);
    ck_assert_int_eq(c.held, 0);
    expect_claim(4, 0);
    /* What read it anew may, as nothing was committed. */
    ck_assert_int_eq(claim(4, 20), 1);
    ck_assert_int_eq(dead_stay(dead, LANE, &stay, 1), 0);
    ck_assert_int_eq(dead_claim_new(dead, LANE, &later, 1), 0);
    ck_assert_int_eq(later.held, 1);
    expect_claim(4, 21);
    ck_assert_uint_eq(dead_count(dead, LANE), 1);
}
END_TEST

static void
expect_timed(const char *lane, uint64_t letters, uint64_t due)
{
    struct dead_timed t;
    dead_timed(dead, lane, &t);
    ck_assert_uint_eq(t.letters, letters);
    ck_assert_uint_eq(t.due, due);
    ck_assert_int_eq(t.due_bytes > 0, due > 0);
}

static void
expect_due(const char *lane, int64_t now_us, const char *want, int64_t next_us)
{
    uint64_t letters[8];
    char got[200] = "";
    int64_t next;
    size_t n;
    struct dead_back back = { 0 };
    ck_assert_int_eq(dead_due(dead, lane, now_us, &back, letters, 8, &n, &next),
                     0);
    for (size_t i = 0; i < n; i++)
        sprintf(got + strlen(got), "%llu ", (unsigned long long) letters[i]);
    ck_assert_str_eq(got, want);
    ck_assert_int_eq(next, next_us);
}

/* Whatever becomes of them, what is counted is what is there. */
START_TEST(letters_with_a_time_are_found_by_it)
{
    struct dead_letter l[] = { letter(4, "a"), letter(5, "b"), letter(6, "c"),
                               letter(7, "d") };
    struct dead_claim c = { 6, 20, 1 }, gone = { 5, 21, 1 };
    const struct dead_stay stay = {
        6, 20, { IL_SIZED(struct il_reason), .code = "x", .message = "y" }
    };
    l[0].at_us = l[1].at_us = l[2].at_us = 100;
    l[0].due_us = 300;
    l[1].due_us = 200;
    l[2].due_us = 200;
    settle(0, 9, l, 4);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(dead_count(dead, LANE), 1);
        ck_assert_uint_eq(dead_count(dead, NULL), 1);
        expect_timed(LANE, 3, 3);
        expect_due(LANE, 199, "", 200);
        expect_due(LANE, 200, "5 6 ", 300);
        expect_due(LANE, 300, "5 6 4 ", INT64_MAX);
        expect_due("other/name", 300, "", INT64_MAX);
        settle(0, 9, l, 4);
        reopen();
    }
    /* Claimed, it is brought by somebody; given up, it is due again. */
    ck_assert_int_eq(claim(6, 20), 1);
    expect_timed(LANE, 3, 2);
    expect_due(LANE, 200, "5 ", 300);
    settle(0, 9, l, 4);
    l[2].reason.code = "e";
    settle(0, 9, l, 4);
    expect_due(LANE, 200, "5 ", 300);
    /* What is dropped on its way does not stay. */
    ck_assert_int_eq(dead_stay(dead, LANE, &stay, 1), 0);
    expect_claim(6, 20);
    ck_assert_int_eq(dead_unclaim(dead, LANE, &c, 1), 0);
    expect_due(LANE, 200, "5 6 ", 300);
    ck_assert_int_eq(claim(6, 20), 1);
    ck_assert_int_eq(dead_claims_end(dead, 19), 0);
    expect_due(LANE, 200, "5 6 ", 300);
    /* Another name. */
    ck_assert_int_eq(claim(6, 20), 1);
    ck_assert_int_eq(dead_rename(dead, LANE, "other/name"), 0);
    expect_timed(LANE, 0, 0);
    expect_timed("other/name", 3, 2);
    expect_due("other/name", 200, "5 ", 300);
    ck_assert_uint_eq(dead_count(dead, "other/name"), 1);
    /* They go. */
    ck_assert_int_eq(dead_retried(dead, "other/name", &c, 1), 0);
    expect_timed("other/name", 2, 2);
    gone.held = 1;
    ck_assert_int_eq(dead_claim(dead, "other/name", &gone, 1), 0);
    ck_assert_int_eq(dead_delete(dead, "other/name", 5), 0);
    expect_timed("other/name", 1, 1);
    ck_assert_int_eq(dead_settle(dead, "other/name", 3, 4, NULL, 0), 0);
    expect_timed("other/name", 0, 0);
    ck_assert_uint_eq(dead_count(dead, "other/name"), 1);
    ck_assert_int_eq(dead_forget(dead, "other/name"), 0);
    ck_assert_uint_eq(dead_count(dead, NULL), 0);
}
END_TEST

START_TEST(two_frames_in_one_call)
{
    struct dead_letter l = letter(4, "a");
    struct dead_claim c[] = { { 4, 20, 7 }, { 4, 21, 7 }, { 3, 22, 7 } };
    settle(0, 9, &l, 1);
    ck_assert_int_eq(dead_claim(dead, LANE, c, 3), 0);
    ck_assert_int_eq(c[0].held, 1);
    ck_assert_int_eq(c[1].held, 0);
    ck_assert_int_eq(c[2].held, 0);
}
END_TEST

START_TEST(claims_are_found_in_the_order_of_frames)
{
    struct dead_letter l[] = { letter(4, "a"), letter(5, "b"), letter(6, "c") };
    struct dead_claim *found;
    size_t n;
    settle(0, 9, l, 3);
    ck_assert_int_eq(dead_settle(dead, "z/z", 0, 9, l, 3), 0);
    claim(4, 30);
    claim(5, 20);
    claim(6, 31);
    ck_assert_int_eq(dead_claims(dead, "z/z", 0, 99, &found, &n), 0);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(dead_claims(dead, LANE, 0, 30, &found, &n), 0);
    ck_assert_uint_eq(n, 2);
    ck_assert_uint_eq(found[0].position, 20);
    ck_assert_uint_eq(found[1].letter, 4);
    free(found);
    ck_assert_int_eq(dead_claims(dead, LANE, 20, 31, &found, &n), 0);
    ck_assert_uint_eq(n, 2);
    free(found);

    ck_assert_int_eq(dead_claims_end(dead, 30), 0);
    expect_claim(6, 0);
    ck_assert_uint_eq(dead_retrying(dead, NULL), 2);
}
END_TEST

START_TEST(a_claim_goes_with_its_letter)
{
    struct dead_letter l[] = { letter(4, "a"), letter(5, "b"), letter(6, "c") };
    settle(0, 9, l, 3);
    claim(4, 20);
    claim(5, 21);
    claim(6, 22);
    ck_assert_int_eq(dead_delete(dead, LANE, 6), 0);
    ck_assert_uint_eq(dead_retrying(dead, LANE), 2);
    settle(0, 9, l, 1); /* the lane comes by again, and 5 is fine now */
    expect(LANE, "4:a ");
    expect_claim(4, 20);
    ck_assert_uint_eq(dead_retrying(dead, LANE), 1);
    settle(0, 9, l, 3);
    expect_claim(5, 0);
}
END_TEST

static int
message_is(void *arg, const struct dead_letter *l)
{
    ck_assert_str_eq(l->reason.message, arg);
    return 0;
}

START_TEST(texts_that_are_no_utf8_are_mended)
{
    char want[] = "caf? \xc3\xa9t\xc3\xa9 ?";
    struct dead_letter l = letter(1, "x");
    l.reason.message = "caf\xe9 \xc3\xa9t\xc3\xa9 \xe2";
    settle(0, 1, &l, 1);
    ck_assert_int_eq(dead_get(dead, LANE, 1, message_is, want), 0);
}
END_TEST

/* Eight thousand letters of 40 KB do not fit the first map. */
START_TEST(grows_its_map)
{
    static char big[40000];
    memset(big, 'x', sizeof big);
    for (uint64_t at = 0; at < 8000; at += 500) {
        struct dead_letter l[500];
        for (int i = 0; i < 500; i++) {
            l[i] = letter(at + 1 + (uint64_t) i, "big");
            l[i].event = slice_of(big, sizeof big);
        }
        settle(at, at + 500, l, 500);
    }
    ck_assert_uint_eq(dead_count(dead, LANE), 8000);
    reopen();
    uint64_t last;
    ck_assert_int_eq(dead_last(dead, LANE, &last), 0);
    ck_assert_uint_eq(last, 8000);
}
END_TEST

static int
count_and_delete(void *arg, const struct dead_letter *l)
{
    ++*(int *) arg;
    return dead_delete(dead, l->lane, l->position);
}

START_TEST(a_walk_may_delete)
{
    struct dead_letter l[3000];
    for (int i = 0; i < 3000; i++)
        l[i] = letter((uint64_t) i + 1, "many");
    settle(0, 3000, l, 3000);
    int n = 0;
    ck_assert_int_eq(dead_each(dead, LANE, count_and_delete, &n), 0);
    ck_assert_int_eq(n, 3000);
    ck_assert_uint_eq(dead_count(dead, LANE), 0);
}
END_TEST

static int
stop_at_two(void *arg, const struct dead_letter *l)
{
    (void) l;
    return ++*(int *) arg == 2 ? 42 : 0;
}

START_TEST(a_walk_stops_when_told)
{
    struct dead_letter l[] = { letter(1, "a"), letter(2, "b"), letter(3, "c") };
    settle(0, 9, l, 3);
    int n = 0;
    ck_assert_int_eq(dead_each(dead, NULL, stop_at_two, &n), 42);
    ck_assert_int_eq(n, 2);
}
END_TEST

START_TEST(long_texts_are_cut_between_code_points)
{
    char text[9000];
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa4", 3);
    struct dead_letter l = letter(1, "x");
    l.reason.message = text + 1; /* begins inside one: stays as it came */
    settle(0, 1, &l, 1);
    expect(LANE, "1:x ");
}
END_TEST

START_TEST(read_only_does_not_make_a_store)
{
    char none[4200];
    struct dead *d = dead;
    snprintf(none, sizeof none, "%s/none", root);
    ck_assert_int_eq(dead_open(none, 1, &d), -ENOENT);
    ck_assert_ptr_null(d);
    ck_assert_int_ne(access(none, F_OK), 0);
}
END_TEST

/* --- refusals --- */

static const struct il_reason schema = {
    IL_SIZED(struct il_reason), .code = "schema",
    .message = "user_id: expected a string", .field = "user_id", .rule = "type"
};

START_TEST(refusals_are_kept)
{
    dead_refused(dead, "app", NULL, &schema, SLICE("{\"type\":\"x\"}"));
    dead_refused(dead, "hook", NULL, &schema, SLICE("{}"));
    dead_flush(dead);
    expect("gate/app", "1:schema ");
    expect("gate/hook", "2:schema ");
    expect(NULL, "1:schema 2:schema ");
    ck_assert_uint_eq(dead_count(dead, "gate/app"), 1);
    char got[64] = "";
    ck_assert_int_eq(dead_get(dead, "gate/app", 2, note, got), -ENOENT);
    reopen();
    dead_refused(dead, "app", NULL, &schema, SLICE("[]"));
    dead_flush(dead);
    expect("gate/app", "1:schema 3:schema ");
    ck_assert_int_eq(dead_delete(dead, "gate/hook", 3), -ENOENT);
    ck_assert_int_eq(dead_delete(dead, "gate/app", 3), 0);
    expect(NULL, "1:schema 2:schema ");
}
END_TEST

START_TEST(closing_writes_what_waits)
{
    for (int i = 0; i < 100; i++)
        dead_refused(dead, "app", NULL, &schema, SLICE("{}"));
    reopen();
    ck_assert_uint_eq(dead_count(dead, "gate/app"), 100);
}
END_TEST

static int
event_len(void *arg, const struct dead_letter *l)
{
    *(size_t *) arg = l->event.len;
    return 0;
}

START_TEST(a_large_refusal_is_cut)
{
    static char big[200000];
    size_t len = 0;
    memset(big, 'x', sizeof big);
    dead_refused(dead, "app", NULL, &schema, slice_of(big, sizeof big));
    dead_flush(dead);
    ck_assert_int_eq(dead_get(dead, "gate/app", 1, event_len, &len), 0);
    ck_assert_uint_eq(len, DEAD_EVENT_MAX);
}
END_TEST

START_TEST(the_oldest_refusals_go)
{
    dead_limit(dead, 10, 1 << 20);
    for (int i = 0; i < 25; i++)
        dead_refused(dead, i < 20 ? "app" : "hook", NULL, &schema, SLICE("{}"));
    dead_flush(dead);
    ck_assert_uint_eq(dead_count(dead, NULL), 10);
    ck_assert_uint_eq(dead_count(dead, "gate/app"), 5);
    ck_assert_uint_eq(dead_count(dead, "gate/hook"), 5);
    expect("gate/hook", "21:schema 22:schema 23:schema 24:schema 25:schema ");
    dead_limit(dead, 10, 400); /* bytes: three records or so */
    dead_refused(dead, "hook", NULL, &schema, SLICE("{}"));
    dead_flush(dead);
    ck_assert_uint_gt(dead_count(dead, NULL), 0);
    ck_assert_uint_lt(dead_count(dead, NULL), 5);
}
END_TEST

/* Whoever has less than an equal share loses nothing to what others send, in
 * the store and while it waits. */
START_TEST(each_key_has_a_share)
{
    static char big[DEAD_EVENT_MAX];
    memset(big, 'x', sizeof big);
    dead_limit(dead, 12, 1 << 20);
    for (int i = 0; i < 3; i++)
        dead_refused(dead, "app", "server", &schema, SLICE("{}"));
    dead_refused(dead, "hook", NULL, &schema, SLICE("{}"));
    dead_flush(dead);
    for (int i = 0; i < 100; i++) {
        dead_refused(dead, "app", "page", &schema, SLICE("{}"));
        if (i % 10 == 0)
            dead_flush(dead);
    }
    dead_flush(dead);
    ck_assert_uint_eq(dead_count(dead, NULL), 12);
    ck_assert_uint_eq(dead_count(dead, "gate/hook"), 1);
    expect("gate/hook", "4:schema ");
    ck_assert_int_eq(dead_get(dead, "gate/app", 1, event_len, &(size_t){ 0 }),
                     0);
    ck_assert_int_eq(dead_get(dead, "gate/app", 3, event_len, &(size_t){ 0 }),
                     0);

    /* another source has as much as all keys of this one together */
    for (int i = 0; i < 20; i++)
        dead_refused(dead, "hook", NULL, &schema, SLICE("{}"));
    dead_flush(dead);
    ck_assert_uint_eq(dead_count(dead, "gate/hook"), 6);
    ck_assert_uint_eq(dead_count(dead, "gate/app"), 6);
    ck_assert_int_eq(dead_get(dead, "gate/app", 1, event_len, &(size_t){ 0 }),
                     0);

    /* what is dropped by hand is not counted for long */
    ck_assert_int_eq(dead_delete(dead, "gate/app", 1), 0);
    ck_assert_int_eq(dead_delete(dead, "gate/app", 2), 0);
    reopen();
    dead_limit(dead, 12, 1 << 20);
    for (int i = 0; i < 20; i++)
        dead_refused(dead, "app", "page", &schema, SLICE("{}"));
    dead_flush(dead);
    ck_assert_uint_eq(dead_count(dead, "gate/app"), 6);
    ck_assert_uint_eq(dead_count(dead, "gate/hook"), 6);
    ck_assert_int_eq(dead_get(dead, "gate/app", 3, event_len, &(size_t){ 0 }),
                     0);

    /* by bytes, and in memory: these are more than may wait */
    dead_limit(dead, 100000, 10 << 20);
    for (int i = 0; i < 300; i++)
        dead_refused(dead, "loud", "page", &schema, slice_of(big, sizeof big));
    dead_refused(dead, "app", "server", &schema, SLICE("{}"));
    for (int i = 0; i < 300; i++)
        dead_refused(dead, "loud", "page", &schema, slice_of(big, sizeof big));
    dead_flush(dead);
    ck_assert_uint_eq(dead_count(dead, "gate/app"), 7);
}
END_TEST

/* A store from before there were shares. */
START_TEST(shares_are_made_for_what_is_there)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    for (int i = 0; i < 4; i++)
        dead_refused(dead, i ? "app" : "hook", "k", &schema, SLICE("{}"));
    dead_close(dead);
    ck_assert_int_eq(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 5);
    ck_assert_int_eq(mdb_env_open(env, dir, 0, 0600), 0);
    ck_assert_int_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
    ck_assert_int_eq(mdb_dbi_open(txn, "shares", 0, &dbi), 0);
    ck_assert_int_eq(mdb_drop(txn, dbi, 1), 0);
    ck_assert_int_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    ck_assert_int_eq(dead_open(dir, 1, &dead), 0);
    expect("gate/hook", "1:schema ");
    dead_close(dead);
    ck_assert_int_eq(dead_open(dir, 0, &dead), 0);
    dead_limit(dead, 3, 1 << 20);
    dead_refused(dead, "app", "k", &schema, SLICE("{}"));
    dead_flush(dead);
    expect("gate/hook", "1:schema ");
    expect("gate/app", "4:schema 5:schema ");
}
END_TEST

START_TEST(a_flood_is_bounded_in_memory)
{
    static char big[DEAD_EVENT_MAX];
    memset(big, 'x', sizeof big);
    struct il_counter *lost =
        metric_counter("dead_refusals_discarded_total", "", IL_UNIT_NONE, "");
    struct il_counter *kept =
        metric_counter("dead_refusals_kept_total", "", IL_UNIT_NONE, "");
    uint64_t before = metric_get(lost) + metric_get(kept);
    uint64_t kept_before = metric_get(kept);
    for (int i = 0; i < 2000; i++)
        dead_refused(dead, "app", NULL, &schema, slice_of(big, sizeof big));
    dead_flush(dead);
    ck_assert_uint_eq(metric_get(lost) + metric_get(kept) - before, 2000);
    ck_assert_uint_gt(metric_get(lost), 0);
    ck_assert_uint_eq(dead_count(dead, NULL), metric_get(kept) - kept_before);
}
END_TEST

/* --- two processes, two threads --- */

START_TEST(another_process_reads_and_deletes)
{
    int go[2], status;
    char c = 0;
    dead_close(dead); /* a store must not be open across a fork */
    dead = NULL;
    ck_assert_int_eq(pipe(go), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (!pid) {
        struct dead *other;
        char got[256] = "";
        int bad = read(go[0], &c, 1) != 1 || dead_open(dir, 0, &other)
                  || dead_each(other, NULL, note, got)
                  || strcmp(got, "1:a 2:b ") || dead_delete(other, LANE, 1);
        if (!bad)
            dead_close(other);
        _exit(bad ? 1 : 0);
    }
    ck_assert_int_eq(dead_open(dir, 0, &dead), 0);
    struct dead_letter l[] = { letter(1, "a"), letter(2, "b") };
    settle(0, 2, l, 2);
    ck_assert_int_eq(write(go[1], &c, 1), 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    expect(LANE, "2:b ");
    ck_assert_uint_eq(dead_count(dead, LANE), 1);
}
END_TEST

/* Killed in the middle: what was settled is there, and the rest goes on. */
static void
put_page(const char *path, long n, const char *bytes, long page)
{
    FILE *f = fopen(path, "r+");
    ck_assert_ptr_nonnull(f);
    fseek(f, n * page, SEEK_SET);
    ck_assert_uint_eq(fwrite(bytes, 1, (size_t) page, f), (size_t) page);
    ck_assert_int_eq(fclose(f), 0);
}

/* A file that was cut, or a page of it not written, before the store had
 * anything in it is made anew; one with letters is set aside as it is. */
START_TEST(a_store_that_was_never_finished_is_made_anew)
{
    char path[4200];
    long page = sysconf(_SC_PAGESIZE);
    char *zeros = calloc(1, (size_t) page);
    struct dead_letter l = letter(7, "x");
    struct stat st;
    snprintf(path, sizeof path, "%s/data.mdb", dir);
    for (long cut = 1; cut < 3 * page; cut += page / 4 - 3) {
        dead_close(dead);
        dead = NULL;
        ck_assert_int_eq(truncate(path, cut), 0);
        if (cut >= 2 * page)
            put_page(path, 1, zeros, page);
        reopen();
        ck_assert_uint_eq(dead_count(dead, NULL), 0);
    }
    settle(0, 10, &l, 1);
    dead_close(dead);
    dead = NULL;
    put_page(path, 0, zeros, page);
    put_page(path, 1, zeros, page);
    reopen();
    ck_assert_uint_eq(dead_count(dead, NULL), 0);
    ck_assert_int_eq(dead_is_new(dead), 1);
    glob_t aside;
    strcat(path, ".damaged-*");
    ck_assert_int_eq(glob(path, 0, NULL, &aside), 0);
    ck_assert_uint_eq(aside.gl_pathc, 1);
    ck_assert_int_eq(stat(aside.gl_pathv[0], &st), 0);
    ck_assert_int_gt(st.st_size, 3 * page);
    globfree(&aside);
    free(zeros);
}
END_TEST

START_TEST(survives_a_killed_writer)
{
    int pipes[2];
    ck_assert_int_eq(pipe(pipes), 0);
    dead_close(dead);
    dead = NULL;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (!pid) {
        struct dead *other;
        if (dead_open(dir, 0, &other))
            _exit(1);
        for (uint64_t i = 1;; i++) {
            struct dead_letter l = letter(i, "k");
            if (dead_settle(other, LANE, i - 1, i, &l, 1)
                || write(pipes[1], &i, sizeof i) != sizeof i)
                _exit(1);
        }
    }
    uint64_t i = 0;
    close(pipes[1]);
    while (i < 50)
        ck_assert_int_eq(read(pipes[0], &i, sizeof i), sizeof i);
    kill(pid, SIGKILL);
    while (read(pipes[0], &i, sizeof i) == sizeof i)
        ;
    close(pipes[0]);
    waitpid(pid, NULL, 0);
    ck_assert_int_eq(dead_open(dir, 0, &dead), 0);
    uint64_t n = dead_count(dead, LANE), last;
    ck_assert_uint_ge(n, i);
    ck_assert_uint_le(n, i + 1);
    ck_assert_int_eq(dead_last(dead, LANE, &last), 0);
    ck_assert_uint_eq(last, n);
    struct dead_letter l = letter(n + 5, "after");
    settle(n, n + 5, &l, 1);
}
END_TEST

static void *
refuse_many(void *arg)
{
    for (int i = 0; i < 500; i++)
        dead_refused(arg, "app", NULL, &schema, SLICE("{}"));
    return NULL;
}

START_TEST(threads_do_not_disturb_each_other)
{
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, refuse_many, dead), 0);
    for (uint64_t i = 0; i < 20; i++) {
        struct dead_letter l = letter(i + 1, "t");
        settle(i, i + 1, &l, 1);
        ck_assert_uint_eq(dead_count(dead, LANE), i + 1);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    dead_flush(dead);
    ck_assert_uint_eq(dead_count(dead, "gate/app"), 1500);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("dead");
    TCase *t = tcase_create("dead");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, keeps_all_of_a_letter);
    tcase_add_test(t, what_is_kept_stays_as_it_is);
    tcase_add_test(t, reads_letters_of_older_versions);
    tcase_add_test(t, reads_letters_without_what_was_decided);
    tcase_add_test(t, shows_what_was_stored);
    tcase_add_test(t, settling_again_changes_exactly_the_range);
    tcase_add_test(t, bounds_are_open_below_and_closed_above);
    tcase_add_test(t, lanes_are_apart);
    tcase_add_test(t, wrong_positions_are_refused);
    tcase_add_test(t, skips_the_disk_when_nothing_changes);
    tcase_add_test(t, last_letter_of_a_lane);
    tcase_add_test(t, deletes_one);
    tcase_add_test(t, grows_its_map);
    tcase_add_test(t, a_walk_may_delete);
    tcase_add_test(t, a_walk_stops_when_told);
    tcase_add_test(t, long_texts_are_cut_between_code_points);
    tcase_add_test(t, the_first_claim_counts);
    tcase_add_test(t, letters_take_another_name_with_their_claims);
    tcase_add_test(t, a_letter_that_stays_is_claimed_by_no_frame);
    tcase_add_test(t, letters_with_a_time_are_found_by_it);
    tcase_add_test(t, two_frames_in_one_call);
    tcase_add_test(t, claims_are_found_in_the_order_of_frames);
    tcase_add_test(t, a_claim_goes_with_its_letter);
    tcase_add_test(t, texts_that_are_no_utf8_are_mended);
    tcase_add_test(t, read_only_does_not_make_a_store);
    tcase_add_test(t, refusals_are_kept);
    tcase_add_test(t, closing_writes_what_waits);
    tcase_add_test(t, a_large_refusal_is_cut);
    tcase_add_test(t, the_oldest_refusals_go);
    tcase_add_test(t, each_key_has_a_share);
    tcase_add_test(t, shares_are_made_for_what_is_there);
    tcase_add_test(t, a_flood_is_bounded_in_memory);
    tcase_add_test(t, another_process_reads_and_deletes);
    tcase_add_test(t, a_store_that_was_never_finished_is_made_anew);
    tcase_add_test(t, survives_a_killed_writer);
    tcase_add_test(t, threads_do_not_disturb_each_other);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
