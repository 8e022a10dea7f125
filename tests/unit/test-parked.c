/* SPDX-License-Identifier: MIT */
/* The store of lanes by event: batches, lanes, walks, and who shares it. */
#include "parked_world.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- batches -------------------------------------------------------------- */

START_TEST(what_was_settled_is_there_after_a_restart)
{
    struct parked_event e[] = { world_event(3, 0), world_event(7, 99) };
    struct parked_letter l = world_letter(5), read;
    uint64_t position;
    uint8_t spool[16];
    e[0].delay_us = 30 * SECOND;
    ck_assert_int_eq(parked_position(lane, &position, spool), 0);
    ck_assert_uint_eq(position, 0);
    ck_assert_int_eq(world_settle(2, 8, e, 2, &l, 1), 0);
    world_reopen();
    world_verify();
    ck_assert(!parked_is_new(world));
    ck_assert_int_eq(parked_position(lane, &position, spool), 0);
    ck_assert_uint_eq(position, 8);
    ck_assert_mem_eq(spool, SPOOL, 16);

    struct parked_event one = world_get(3);
    ck_assert_uint_eq(one.position, 3);
    ck_assert_uint_eq(one.attempts, 1);
    ck_assert_int_eq(one.first_us, NOW);
    ck_assert_int_eq(one.since_us, NOW);
    ck_assert_int_eq(one.delay_us, 30 * SECOND);
    ck_assert_str_eq(one.code, "status");
    ck_assert_str_eq(one.message, "503 Service Unavailable");
    ck_assert_str_eq(one.target, "https://hooks.example.com:443");
    ck_assert_uint_eq(one.order_hash, 0);
    ck_assert_uint_eq(one.event_len, 7);
    ck_assert_mem_eq(one.event, "event 3", 7);
    ck_assert_uint_eq(world_get(7).order_hash, 99);

    ck_assert_int_eq(parked_letter_read(lane, 5, &world_buffer, &read), 1);
    ck_assert_uint_eq(read.attempts, 5);
    ck_assert_int_eq(read.at_us, NOW);
    ck_assert_int_eq(read.first_us, NOW - SECOND);
    ck_assert_str_eq(read.code, "exhausted");
    ck_assert_mem_eq(read.event, "event 5", 7);
    ck_assert_int_eq(world_is_parked(5), 0);
    ck_assert_int_eq(world_is_letter(7), 0);
}
END_TEST

START_TEST(a_batch_that_comes_again_replaces_what_it_left)
{
    struct parked_event e[] = { world_event(3, 9), world_event(4, 9),
                                world_event(11, 9) };
    struct parked_letter l[] = { world_letter(5), world_letter(6) };
    ck_assert_int_eq(world_settle(10, 11, &e[2], 1, NULL, 0), 0);
    ck_assert_int_eq(world_settle(2, 6, e, 2, l, 2), 0);
    world_verify();
    struct parked_event again = world_event(5, 0);
    struct parked_letter other = world_letter(3);
    ck_assert_int_eq(world_settle(2, 10, &again, 1, &other, 1), 0);
    world_verify();
    ck_assert_int_eq(world_is_parked(4), 0);
    ck_assert_int_eq(world_is_letter(5), 0);
    ck_assert_int_eq(world_is_letter(6), 0);
    ck_assert_int_eq(world_is_letter(3), 1);
    ck_assert_str_eq(world_due(NOW), "5 11"); /* 11 is a head now */
    /* and nothing at all */
    ck_assert_int_eq(world_settle(2, 10, NULL, 0, NULL, 0), 0);
    world_verify();
    ck_assert_str_eq(world_due(NOW), "11");
}
END_TEST

START_TEST(a_batch_that_is_no_batch_is_refused)
{
    struct parked_event e[] = { world_event(3, 0), world_event(3, 0) };
    struct parked_letter l = world_letter(3);
    ck_assert_int_eq(world_settle(2, 8, e, 2, NULL, 0), -EINVAL);
    ck_assert_int_eq(world_settle(2, 8, e, 1, &l, 1), -EINVAL);
    ck_assert_int_eq(world_settle(3, 8, e, 1, NULL, 0), -EINVAL);
    ck_assert_int_eq(world_settle(1, 2, e, 1, NULL, 0), -EINVAL);
    ck_assert_int_eq(world_settle(1, 2, NULL, 0, &l, 1), -EINVAL);
    ck_assert_int_eq(world_settle(2, 1, NULL, 0, NULL, 0), -EINVAL);
    e[0].event_len = (size_t) INT32_MAX + 1;
    ck_assert_int_eq(world_settle(2, 8, e, 1, NULL, 0), -EINVAL);
    world_verify();
    ck_assert_str_eq(world_due(NOW), "");
}
END_TEST

START_TEST(texts_are_cut_and_mended)
{
    static char big[10000];
    struct parked_event e = world_event(1, 0);
    memset(big, 'x', sizeof big - 1);
    memcpy(big + 4095, "\xc3\xa4", 2); /* across the end */
    e.code = NULL;
    e.message = big;
    e.target = "caf\xe9";
    e.event = NULL;
    e.event_len = 0;
    world_put(0, 1, &e, 1);
    e = world_get(1);
    ck_assert_str_eq(e.code, "");
    ck_assert_uint_eq(strlen(e.message), 4095);
    ck_assert_str_eq(e.target, "caf?");
    ck_assert_uint_eq(e.event_len, 0);
}
END_TEST

START_TEST(a_large_event_is_kept_whole)
{
    size_t len = 3 << 20;
    char *bytes = malloc(len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char) (i * 7);
    struct parked_event e = world_event(1, 0);
    e.event = bytes;
    e.event_len = len;
    world_put(0, 1, &e, 1);
    ck_assert_int_eq(world_retried(1, PARKED_AGAIN), 1);
    e = world_get(1);
    ck_assert_uint_eq(e.event_len, len);
    ck_assert_mem_eq(e.event, bytes, len);
    free(bytes);
}
END_TEST

/* --- lanes ---------------------------------------------------------------- */

START_TEST(lanes_do_not_see_each_other)
{
    struct parked_lane *other, *same;
    struct parked_event e[] = { world_event(1, 7), world_event(2, 7) };
    ck_assert_int_eq(parked_lane(world, "b", SPOOL, &other), 0);
    ck_assert_int_eq(parked_lane(world, "b", OTHER_SPOOL, &same), 0);
    ck_assert_ptr_eq(other, same);
    ck_assert_int_eq(parked_lane_find(world, "c", &same), -ENOENT);
    world_put(0, 2, e, 2);
    ck_assert_int_eq(parked_settle(other, 0, 9, SPOOL, &e[1], 1, NULL, 0), 0);
    world_verify();
    ck_assert_int_eq(parked_holds(other, 7), 1);
    ck_assert_int_eq(parked_drop(other, 1), -ENOENT);
    ck_assert_int_eq(parked_drop(other, 2), 0);
    world_verify();
    ck_assert_int_eq(parked_holds(other, 7), 0);
    ck_assert_int_eq(parked_holds(lane, 7), 1);
    ck_assert_int_eq(world_is_parked(2), 1);
    char name[PARKED_NAME_MAX + 2];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    ck_assert_int_eq(parked_lane(world, name, SPOOL, &same), -EINVAL);
    name[sizeof name - 2] = 0;
    ck_assert_int_eq(parked_lane(world, name, SPOOL, &same), 0);
}
END_TEST

START_TEST(a_rename_takes_everything_along)
{
    struct parked_lane *found, *other;
    struct parked_event e = world_event(1, 7);
    struct parked_letter l = world_letter(2);
    uint64_t position;
    ck_assert_int_eq(world_settle(0, 2, &e, 1, &l, 1), 0);
    ck_assert_int_eq(parked_lane(world, "empty", SPOOL, &other), 0);
    ck_assert_int_eq(parked_lane_rename(world, LANE, LANE), 0);
    ck_assert_int_eq(parked_lane_rename(world, "none", "c"), -ENOENT);
    ck_assert_int_eq(parked_lane_rename(world, LANE, "empty"), 0);
    world_verify();
    ck_assert_int_eq(parked_lane_find(world, LANE, &found), -ENOENT);
    ck_assert_int_eq(parked_lane_find(world, "empty", &found), 0);
    ck_assert_ptr_eq(found, lane);
    ck_assert_int_eq(world_is_parked(1), 1);
    ck_assert_int_eq(parked_position(lane, &position, NULL), 0);
    ck_assert_uint_eq(position, 2);
    ck_assert_int_eq(parked_position(other, &position, NULL), -ENOENT);
    ck_assert_int_eq(parked_settle(other, 0, 1, SPOOL, &e, 1, NULL, 0),
                     -ENOENT);
    ck_assert_int_eq(parked_lane(world, LANE, SPOOL, &other), 0);
    ck_assert_int_eq(parked_settle(other, 0, 1, SPOOL, &e, 1, NULL, 0), 0);
    ck_assert_int_eq(parked_lane_rename(world, LANE, "empty"), -EEXIST);
    world_verify();
}
END_TEST

START_TEST(a_forgotten_lane_leaves_nothing)
{
    struct parked_lane *other, *anew;
    struct parked_event e[] = { world_event(1, 7), world_event(2, 7),
                                world_event(3, 0) };
    struct parked_letter l = world_letter(4);
    uint64_t last;
    ck_assert_int_eq(parked_lane(world, "b", SPOOL, &other), 0);
    ck_assert_int_eq(parked_settle(other, 0, 2, SPOOL, e, 2, NULL, 0), 0);
    ck_assert_int_eq(world_settle(0, 4, e, 3, &l, 1), 0);
    ck_assert_int_eq(parked_lane_forget(world, LANE), 0);
    ck_assert_int_eq(parked_lane_forget(world, LANE), -ENOENT);
    world_verify();
    ck_assert_int_eq(parked_last(world, NULL, OTHER_SPOOL, &last), 0);
    ck_assert_uint_eq(last, 2);
    ck_assert_int_eq(parked_drop(lane, 1), -ENOENT);
    ck_assert_int_eq(parked_lane(world, LANE, SPOOL, &anew), 0);
    ck_assert_uint_ne(anew->number, lane->number);
    lane = anew;
    ck_assert_int_eq(world_is_parked(1), 0);
    MDB_stat st;
    MDB_txn *txn;
    ck_assert_int_eq(store_begin(&world->store, MDB_RDONLY, &txn), 0);
    mdb_stat(txn, world->due, &st);
    ck_assert_uint_eq(st.ms_entries, 1);
    mdb_stat(txn, world->chain, &st);
    ck_assert_uint_eq(st.ms_entries, 2);
    store_abort(&world->store, txn);
}
END_TEST

START_TEST(the_last_position_is_of_all_records)
{
    struct parked_lane *other;
    struct parked_event e = world_event(50, 0);
    struct parked_letter l = world_letter(70);
    uint64_t last;
    ck_assert_int_eq(parked_last(world, NULL, SPOOL, &last), 0);
    ck_assert_uint_eq(last, 0);
    ck_assert_int_eq(world_settle(40, 60, &e, 1, NULL, 0), 0);
    ck_assert_int_eq(parked_lane(world, "b", OTHER_SPOOL, &other), 0);
    ck_assert_int_eq(parked_last(world, lane, OTHER_SPOOL, &last), 0);
    ck_assert_uint_eq(last, 50);
    ck_assert_int_eq(parked_last(world, lane, SPOOL, &last), 0);
    ck_assert_uint_eq(last, 60);
    ck_assert_int_eq(parked_last(world, other, SPOOL, &last), 0);
    ck_assert_uint_eq(last, 0);
    ck_assert_int_eq(parked_settle(other, 0, 80, OTHER_SPOOL, NULL, 0, &l, 1),
                     0);
    ck_assert_int_eq(parked_last(world, NULL, SPOOL, &last), 0);
    ck_assert_uint_eq(last, 70);
    ck_assert_int_eq(parked_last(world, NULL, OTHER_SPOOL, &last), 0);
    ck_assert_uint_eq(last, 80);
}
END_TEST

/* --- walks ---------------------------------------------------------------- */

struct walked {
    char text[512];
    size_t n;
    size_t stop; /* after so many */
    int drop;
};

static int
walk_event(void *arg, const char *name, const struct parked_event *e)
{
    struct walked *w = arg;
    size_t len = strlen(w->text);
    if (len < sizeof w->text - 40)
        snprintf(w->text + len, sizeof w->text - len, "%s:%" PRIu64 "%s ", name,
                 e->position, e->waits_behind ? "+" : "");
    char expected[32];
    snprintf(expected, sizeof expected, "event %" PRIu64, e->position);
    ck_assert_uint_ge(e->event_len, strlen(expected));
    ck_assert_mem_eq(e->event, expected, strlen(expected));
    if (w->drop)
        ck_assert_int_eq(parked_drop(lane, e->position), 0);
    return ++w->n == w->stop ? 42 : 0;
}

static int
walk_letter(void *arg, const char *name, const struct parked_letter *l)
{
    struct walked *w = arg;
    size_t len = strlen(w->text);
    snprintf(w->text + len, sizeof w->text - len, "%s:%" PRIu64 ":%s ", name,
             l->position, l->code);
    w->n++;
    return 0;
}

START_TEST(a_walk_shows_all_of_a_lane_or_of_all)
{
    struct parked_lane *other;
    struct parked_event e[] = { world_event(1, 7), world_event(2, 7),
                                world_event(3, 0) };
    struct parked_letter l = world_letter(4);
    ck_assert_int_eq(world_settle(0, 4, e, 3, &l, 1), 0);
    ck_assert_int_eq(parked_lane(world, "b", SPOOL, &other), 0);
    ck_assert_int_eq(parked_settle(other, 0, 4, SPOOL, &e[1], 1, &l, 1), 0);
    struct walked w = { .n = 0 };
    ck_assert_int_eq(parked_walk(world, NULL, walk_event, &w), 0);
    ck_assert_str_eq(w.text, LANE ":1 " LANE ":2+ " LANE ":3 b:2 ");
    w = (struct walked){ .n = 0 };
    ck_assert_int_eq(parked_walk(world, "b", walk_event, &w), 0);
    ck_assert_str_eq(w.text, "b:2 ");
    w = (struct walked){ .stop = 2 };
    ck_assert_int_eq(parked_walk(world, NULL, walk_event, &w), 42);
    ck_assert_uint_eq(w.n, 2);
    w = (struct walked){ .n = 0 };
    ck_assert_int_eq(parked_walk(world, "c", walk_event, &w), 0);
    ck_assert_uint_eq(w.n, 0);
    ck_assert_int_eq(parked_walk_letters(world, NULL, walk_letter, &w), 0);
    ck_assert_str_eq(w.text, LANE ":4:exhausted b:4:exhausted ");
}
END_TEST

/* More than are copied out at once, and each is dropped when it is shown. */
START_TEST(a_walk_may_drop_what_it_is_shown)
{
    enum { N = 900 };
    struct parked_event *e = malloc(N * sizeof *e);
    char *bytes = malloc(N * 1000);
    memset(bytes, ' ', N * 1000);
    for (uint64_t i = 0; i < N; i++) {
        e[i] = world_event(i + 1, i % 3 ? 5 : 0);
        memcpy(bytes + i * 1000, e[i].event, e[i].event_len);
        e[i].event = bytes + i * 1000;
        e[i].event_len = 1000;
    }
    world_put(0, N, e, N);
    struct walked w = { .n = 0 };
    ck_assert_int_eq(parked_walk(world, LANE, walk_event, &w), 0);
    ck_assert_uint_eq(w.n, N);
    w = (struct walked){ .drop = 1, .stop = 600 };
    ck_assert_int_eq(parked_walk(world, LANE, walk_event, &w), 42);
    world_verify();
    w = (struct walked){ .n = 0 };
    ck_assert_int_eq(parked_walk(world, LANE, walk_event, &w), 0);
    ck_assert_uint_eq(w.n, N - 600);
    free(bytes);
    free(e);
}
END_TEST

static int
list_lane(void *arg, const struct parked_lane_info *info)
{
    struct walked *w = arg;
    size_t len = strlen(w->text);
    snprintf(w->text + len, sizeof w->text - len,
             "%s:%" PRIu64 ":%" PRIu64 "+%" PRIu64 " ", info->name,
             info->position, info->counts.parked, info->counts.letters);
    return 0;
}

START_TEST(all_lanes_are_listed_with_what_they_have)
{
    struct parked_lane *other;
    struct parked_event e = world_event(1, 0);
    struct parked_letter l[] = { world_letter(2), world_letter(3) };
    struct walked w = { .n = 0 };
    ck_assert_int_eq(world_settle(0, 9, &e, 1, l, 2), 0);
    ck_assert_int_eq(parked_lane(world, "b", SPOOL, &other), 0);
    ck_assert_int_eq(parked_lanes(world, list_lane, &w), 0);
    ck_assert_str_eq(w.text, LANE ":9:1+2 b:0:0+0 ");
}
END_TEST

/* --- processes and threads ------------------------------------------------ */

START_TEST(nobody_but_a_daemon_makes_a_store)
{
    char root[4096];
    struct parked *p;
    snprintf(root, sizeof root, "%s/elsewhere", world_root);
    ck_assert_int_eq(mkdir(root, 0700), 0);
    ck_assert_int_eq(parked_open(root, PARKED_READ, NULL, &p), -ENOENT);
    ck_assert_int_eq(parked_open(root, PARKED_CHANGE, NULL, &p), -ENOENT);
    ck_assert_ptr_null(p);
    snprintf(root, sizeof root, "%s/elsewhere/parked", world_root);
    ck_assert_int_eq(access(root, F_OK), -1);
    snprintf(root, sizeof root, "%s/elsewhere", world_root);
    ck_assert_int_eq(parked_open(root, PARKED_MAKE, NULL, &p), 0);
    ck_assert(parked_is_new(p));
    parked_close(p);
    ck_assert_int_eq(parked_open(root, PARKED_CHANGE, NULL, &p), 0);
    ck_assert(!parked_is_new(p));
    parked_close(p);
}
END_TEST

/* A command in another process; 0: its claims held. */
static int
elsewhere(int (*fn)(struct parked *, struct parked_lane *), enum parked_use use)
{
    int status;
    pid_t pid = fork();
    if (!pid) {
        struct parked *p;
        struct parked_lane *l;
        if (parked_open(world_root, use, NULL, &p)
            || parked_lane_find(p, LANE, &l))
            _exit(90);
        int rc = fn(p, l);
        parked_close(p);
        _exit(rc);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int
command_reads(struct parked *p, struct parked_lane *l)
{
    struct walked w = { .n = 0 };
    struct il_text text = { 0 };
    struct parked_event e;
    struct parked_due due;
    int64_t next;
    if (parked_walk(p, NULL, walk_event, &w) || w.n != 2)
        return 1;
    if (parked_read(l, 1, &text, &e) != 1)
        return 2;
    if (parked_drop(l, 1) != -EACCES)
        return 3;
    if (parked_due(l, NOW - 3600 * SECOND, NULL, &due, 1, &next) != 0)
        return 4;
    text_clear(&text);
    return 0;
}

static int
command_drops(struct parked *p, struct parked_lane *l)
{
    (void) p;
    return parked_drop(l, 1) || parked_now(l, 2, NOW) < 0;
}

START_TEST(commands_work_beside_the_daemon)
{
    struct parked_event e[] = { world_event(1, 7), world_event(2, 7) };
    world_put(0, 2, e, 2);
    /* LMDB's locks belong to the process, so the child must be one that has
     * not opened it: it inherits nothing but memory, and closes first. */
    world_close();
    pid_t daemon = fork();
    if (!daemon) {
        struct parked *p;
        struct parked_lane *l;
        if (parked_open(world_root, PARKED_MAKE, NULL, &p)
            || parked_lane(p, LANE, SPOOL, &l))
            _exit(91);
        while (parked_holds(l, 7) == 1)
            usleep(1000);
        struct parked_counts c;
        _exit(parked_counts(l, &c) || c.parked);
    }
    usleep(100000);
    ck_assert_int_eq(elsewhere(command_reads, PARKED_READ), 0);
    ck_assert_int_eq(elsewhere(command_drops, PARKED_CHANGE), 0);
    world_reopen();
    ck_assert_int_eq(world_is_parked(1), 0);
    ck_assert_str_eq(world_due(NOW), "2");
    ck_assert_int_eq(world_retried(2, PARKED_DELIVERED), 1);
    int status;
    ck_assert_int_eq(waitpid(daemon, &status, 0), daemon);
    ck_assert_int_eq(status, 0);
}
END_TEST

static void *
settle_much(void *arg)
{
    struct parked_lane *l = arg;
    struct parked_due due[8];
    struct il_text text = { 0 };
    for (uint64_t at = 0; at < 200; at += 4) {
        struct parked_event e[] = { world_event(at + 1, 0),
                                    world_event(at + 2, 1 + at % 3) };
        struct parked_letter letter = world_letter(at + 3);
        int64_t next;
        e[0].event = e[1].event = letter.event = "event";
        e[0].event_len = e[1].event_len = letter.event_len = 5;
        if (parked_settle(l, at, at + 4, SPOOL, e, 2, &letter, 1))
            return (void *) "settle";
        int n = parked_due(l, NOW, NULL, due, 8, &next);
        for (int i = 0; i < n; i++) {
            struct parked_event one;
            if (parked_read(l, due[i].position, &text, &one) != 1)
                return (void *) "read";
            struct parked_result r = { .position = one.position,
                                       .turn = one.turn,
                                       .outcome = PARKED_DELIVERED };
            if (i % 2 == 0 && (parked_retried(l, &r, 1) || !r.stood))
                return (void *) "retried";
        }
        if (parked_holds(l, 99))
            return (void *) "holds";
    }
    text_clear(&text);
    return NULL;
}

static int
count_event(void *arg, const char *name, const struct parked_event *e)
{
    (void) name;
    (void) e;
    ++*(size_t *) arg;
    return 0;
}

static void *
walk_much(void *arg)
{
    struct parked_counts c;
    size_t n = 0;
    while (!__atomic_load_n((int *) arg, __ATOMIC_ACQUIRE))
        if (parked_walk(world, NULL, count_event, &n)
            || parked_counts(lane, &c))
            return (void *) "walk";
    return NULL;
}

START_TEST(threads_share_a_store)
{
    pthread_t thread[5];
    int stop = 0;
    void *said;
    pthread_create(&thread[4], NULL, walk_much, &stop);
    for (int i = 0; i < 4; i++) {
        struct parked_lane *l;
        char name[16];
        snprintf(name, sizeof name, "lane-%d", i);
        ck_assert_int_eq(parked_lane(world, name, SPOOL, &l), 0);
        pthread_create(&thread[i], NULL, settle_much, l);
    }
    for (int i = 0; i < 5; i++) {
        if (i == 4)
            __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
        pthread_join(thread[i], &said);
        if (said)
            ck_abort_msg("thread %d: %s", i, (char *) said);
    }
    world_verify();
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("parked");
    TCase *c = tcase_create("parked");
    tcase_add_checked_fixture(c, world_setup, world_teardown);
    tcase_set_timeout(c, 300);
    suite_add_tcase(s, c);
    tcase_add_test(c, what_was_settled_is_there_after_a_restart);
    tcase_add_test(c, a_batch_that_comes_again_replaces_what_it_left);
    tcase_add_test(c, a_batch_that_is_no_batch_is_refused);
    tcase_add_test(c, texts_are_cut_and_mended);
    tcase_add_test(c, a_large_event_is_kept_whole);
    tcase_add_test(c, lanes_do_not_see_each_other);
    tcase_add_test(c, a_rename_takes_everything_along);
    tcase_add_test(c, a_forgotten_lane_leaves_nothing);
    tcase_add_test(c, the_last_position_is_of_all_records);
    tcase_add_test(c, a_walk_shows_all_of_a_lane_or_of_all);
    tcase_add_test(c, a_walk_may_drop_what_it_is_shown);
    tcase_add_test(c, all_lanes_are_listed_with_what_they_have);
    tcase_add_test(c, nobody_but_a_daemon_makes_a_store);
    tcase_add_test(c, commands_work_beside_the_daemon);
    tcase_add_test(c, threads_share_a_store);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
