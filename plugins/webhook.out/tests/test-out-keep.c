/* SPDX-License-Identifier: MIT */
/* What is known of targets outlives a restart, is written as it changes and not
 * else, and is forgotten where it is damaged, old, or of a target that the lane
 * does not have. */
#include "../keep.h"
#include "outtest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define S INT64_C(1000000)
#define START (INT64_C(1700000000) * S)
#define PLACE 1024

static char folder[] = "/tmp/il-test-XXXXXX";
static char path[64];
static struct breaker *breaker;
static struct keep *keep;
static int64_t now;

static void
start(const char *only)
{
    breaker_free(breaker);
    breaker = breaker_new(*only ? 1 : BREAKER_TARGETS);
    ck_assert_int_eq(keep_open(folder, breaker, only, now, &keep), 0);
}

static void
begin(const char *only)
{
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/%s", folder, KEEP_FILE);
    now = START;
    start(only);
}

static void
end(void)
{
    keep_close(keep);
    unlink(path);
    rmdir(folder);
}

/* As after kill -9: nothing is closed. */
static void
killed(const char *only)
{
    struct keep *old = keep;
    start(only);
    keep_close(old);
}

static struct breaker_target *
target(const char *name)
{
    return breaker_target(breaker, name, strlen(name));
}

static void
attempt(const char *name, uint64_t key, enum breaker_class what)
{
    struct breaker_target *t = target(name);
    struct breaker_attempt a = { key, 0, what, 0, 60 * S, "HTTP 502" };
    int64_t wait;
    a.probe = breaker_ask(t, key, now, &wait) == BREAKER_PROBE;
    breaker_done(t, &a, now);
    ck_assert_int_eq(keep_note(keep, t, now), 0);
}

static struct breaker_state
state(const char *name)
{
    struct breaker_state s;
    breaker_state(target(name), now, &s);
    return s;
}

static off_t
size_of_file(void)
{
    struct stat st;
    return stat(path, &st) ? -1 : st.st_size;
}

static void
open_door(const char *name)
{
    for (uint64_t i = 0; i < 3; i++)
        attempt(name, i, BREAKER_NO_ANSWER);
}

START_TEST(what_is_open_stays_open_with_its_cause_and_its_next_probe)
{
    begin("a");
    open_door("a");
    now += 30 * S;
    attempt("a", 7, BREAKER_NO_ANSWER); /* a probe; the next is in 60 s */
    now += 20 * S;
    killed("a");
    struct breaker_state s = state("a");
    ck_assert_int_eq(s.open, 1);
    ck_assert_int_eq(s.since_us, START);
    ck_assert_int_eq(s.wait_us, 40 * S);
    ck_assert_str_eq(s.cause, "HTTP 502");
    now += 40 * S;
    attempt("a", 8, BREAKER_OK);
    killed("a");
    ck_assert_int_eq(state("a").open, 0);
    end();
}
END_TEST

START_TEST(failures_add_up_over_restarts)
{
    begin("a");
    for (uint64_t i = 0; i < 3; i++) {
        ck_assert_int_eq(state("a").open, 0);
        attempt("a", i, BREAKER_NO_ANSWER);
        killed("a");
    }
    ck_assert_int_eq(state("a").open, 1);
    end();
    begin("b");
    for (uint64_t i = 0; i < 10; i++) {
        ck_assert_int_eq(state("b").open, 0);
        attempt("b", i % 3, BREAKER_SICK);
        killed("b");
    }
    ck_assert_int_eq(state("b").open, 1);
    end();
    /* Two poison events are no outage, over restarts either. */
    begin("c");
    for (uint64_t i = 0; i < 30; i++) {
        attempt("c", i % 2, BREAKER_SICK);
        killed("c");
    }
    ck_assert_int_eq(state("c").open, 0);
    end();
}
END_TEST

START_TEST(who_asked_for_time_gets_it)
{
    begin("a");
    attempt("a", 1, BREAKER_BUSY);
    now += 10 * S;
    killed("a");
    ck_assert_int_eq(state("a").wary, 1);
    ck_assert_int_eq(state("a").wait_us, 50 * S);
    end();
}
END_TEST

START_TEST(nothing_is_written_where_nothing_changes)
{
    begin("a");
    for (uint64_t i = 0; i < 100; i++)
        attempt("a", i, i % 2 ? BREAKER_OK : BREAKER_OTHER);
    ck_assert_int_eq(size_of_file(), 0);
    open_door("a");
    struct stat before, after;
    ck_assert_int_eq(stat(path, &before), 0);
    usleep(20000);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(keep_note(keep, target("a"), now + i * S), 0);
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert_int_eq(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    ck_assert_int_eq(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    end();
}
END_TEST

START_TEST(another_url_begins_anew)
{
    begin("a");
    open_door("a");
    killed("b");
    ck_assert_int_eq(state("b").open, 0);
    ck_assert_uint_eq(breaker_count(breaker), 1);
    killed("a"); /* it was forgotten */
    ck_assert_int_eq(state("a").open, 0);
    end();
}
END_TEST

START_TEST(of_many_targets_those_of_a_day_are_known)
{
    char name[32];
    begin("");
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "t%d", i);
        open_door(name);
        now += 60 * S;
    }
    ck_assert_int_le(size_of_file(), 50 * PLACE);
    attempt("t7", 9, BREAKER_OK);
    now += KEEP_DAY - 3000 * S + 25 * 60 * S;
    killed("");
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "t%d", i);
        ck_assert_int_eq(state(name).open, i >= 25 && i != 7);
    }
    /* and places are used again */
    open_door("t7");
    open_door("new");
    ck_assert_int_le(size_of_file(), 50 * PLACE);
    killed("");
    ck_assert_int_eq(state("t7").open, 1);
    ck_assert_int_eq(state("new").open, 1);
    end();
}
END_TEST

START_TEST(more_than_there_is_room_for_take_the_places_of_others)
{
    char name[32];
    begin("");
    for (int i = 0; i < BREAKER_TARGETS + 100; i++) {
        snprintf(name, sizeof name, "t%d", i);
        open_door(name);
    }
    ck_assert_int_le(size_of_file(), BREAKER_TARGETS * PLACE);
    killed("");
    ck_assert_uint_eq(breaker_count(breaker), BREAKER_TARGETS);
    ck_assert_int_eq(state("t10050").open, 1);
    end();
}
END_TEST

START_TEST(damage_is_passed_over)
{
    for (off_t at = 0; at < 640; at++) {
        begin("");
        open_door("a");
        open_door("b");
        keep_close(keep);
        int fd = open(path, O_RDWR);
        char byte;
        ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
        byte ^= 0x11;
        ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
        close(fd);
        start("");
        ck_assert_int_eq(state("b").open, 1);
        ck_assert_int_eq(state("a").open, at >= 576);
        end();
    }
    /* cut anywhere, and what was never ours */
    for (off_t size = 0; size < 2 * PLACE; size += 37) {
        begin("");
        open_door("a");
        open_door("b");
        keep_close(keep);
        ck_assert_int_eq(truncate(path, size), 0);
        start("");
        ck_assert_int_eq(state("a").open, size >= 576);
        open_door("b");
        killed("");
        ck_assert_int_eq(state("b").open, 1);
        end();
    }
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        what_is_open_stays_open_with_its_cause_and_its_next_probe,
        failures_add_up_over_restarts,
        who_asked_for_time_gets_it,
        nothing_is_written_where_nothing_changes,
        another_url_begins_anew,
        of_many_targets_those_of_a_day_are_known,
        more_than_there_is_room_for_take_the_places_of_others,
        damage_is_passed_over,
    };
    int failed = run_cases("keep", cases, COUNT(cases));
    breaker_free(breaker);
    return failed;
}
