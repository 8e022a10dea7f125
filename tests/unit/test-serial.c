/* SPDX-License-Identifier: MIT */
/* The host keeps the promise of il_plugin.threads; timers run until they are
 * removed and never after. */
#include "base/timers.h"
#include "plugin/enter.h"
#include "plugin/serial.h"

#include <check.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_int inside, overlaps, calls;
static int patience_ms; /* how long a call waits for another beside it */

static void
work(void)
{
    if (atomic_fetch_add(&inside, 1))
        atomic_fetch_add(&overlaps, 1);
    atomic_fetch_add(&calls, 1);
    poll(NULL, 0, 1);
    for (int i = 0; i < patience_ms && !overlaps; i++)
        poll(NULL, 0, 1);
    atomic_fetch_sub(&inside, 1);
}

static int
busy_process(void *self, struct il_batch *batch)
{
    (void) batch;
    ck_assert_ptr_eq(self, &calls);
    work();
    return 0;
}

static void
busy_handle(void *self, struct il_request *request)
{
    (void) request;
    ck_assert_ptr_eq(self, &calls);
    work();
}

static pthread_mutex_t plugin_lock = PTHREAD_MUTEX_INITIALIZER;

static struct plugin
plugin_with(uint32_t threads)
{
    return (struct plugin){ .desc = { .kind = IL_STEP,
                                      .threads = threads,
                                      .process = busy_process },
                            .serial = threads == IL_SERIAL_PLUGIN ? &plugin_lock
                                                                  : NULL };
}

struct lane_thread {
    const struct il_plugin *plugin;
    void *self;
};

static void *
run_lane(void *arg)
{
    struct lane_thread *l = arg;
    for (int i = 0; i < 20; i++)
        l->plugin->process(l->self, NULL);
    return NULL;
}

static void
run_two(const struct plugin *p)
{
    struct il_host hosts[2] = { { .plugin = p, .self = &calls },
                                { .plugin = p, .self = &calls } };
    struct serial turns[2];
    struct lane_thread lanes[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        lanes[i].plugin = serial_wrap(&hosts[i], &turns[i], &lanes[i].self);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, run_lane, &lanes[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(calls, 40);
}

START_TEST(serial_plugins_never_overlap)
{
    struct plugin p = plugin_with(IL_SERIAL_PLUGIN);
    run_two(&p);
    ck_assert_int_eq(overlaps, 0);
}
END_TEST

START_TEST(other_plugins_run_side_by_side)
{
    struct plugin p = plugin_with(IL_SERIAL_INSTANCE);
    patience_ms = 20000; /* on a busy machine the other comes late */
    run_two(&p);
    patience_ms = 0;
    ck_assert_int_gt(overlaps, 0);
}
END_TEST

struct sender {
    struct il_route route;
    void *self;
};

static void *
send_requests(void *arg)
{
    struct sender *r = arg;
    for (int i = 0; i < 20; i++)
        r->route.handle(r->self, NULL);
    return NULL;
}

START_TEST(requests_of_a_serial_instance_take_turns)
{
    struct plugin p = plugin_with(IL_SERIAL_INSTANCE);
    struct il_host h = { .plugin = &p };
    struct instance_route from = { .route = { .handle = busy_handle },
                                   .self = &calls };
    struct serial_route turns;
    struct sender r;
    pthread_t threads[2];
    pthread_mutex_init(&h.turn, NULL);
    serial_route(&h, &from, &turns, &r.route, &r.self);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, send_requests, &r);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(calls, 40);
    ck_assert_int_eq(overlaps, 0);
}
END_TEST

static void *
enter_once(void *arg)
{
    instance_leave(instance_enter(arg, "write()"));
    return NULL;
}

/* Each is entered in a list, beside this one.  For the thread sanitizer. */
START_TEST(threads_that_come_and_go_leave_the_others_alone)
{
    struct il_host h = { .plugin = NULL };
    pthread_t threads[20];
    const char *callback;
    enter_once(&h);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, enter_once, &h), 0);
        for (int k = 0; k < 100; k++) {
            struct instance_was was = instance_enter(&h, "process()");
            ck_assert_ptr_eq(instance_current(&callback), &h);
            ck_assert_str_eq(callback, "process()");
            instance_leave(was);
        }
    }
    for (int i = 0; i < 20; i++)
        pthread_join(threads[i], NULL);
    ck_assert_ptr_null(instance_current(&callback));
}
END_TEST

static void
tick(void *arg)
{
    atomic_fetch_add((atomic_int *) arg, 1);
    poll(NULL, 0, 2);
}

START_TEST(timers_stop_when_removed)
{
    atomic_int a = 0, b = 0;
    struct timers *t = timers_new();
    ck_assert_int_eq(timers_start(t), 0);
    ck_assert_int_eq(timers_add(t, 1, tick, &a, &a), 0);
    ck_assert_int_eq(timers_add(t, 1, tick, &b, &b), 0);
    for (int i = 0; i < 500 && (a < 3 || b < 3); i++)
        poll(NULL, 0, 10);
    ck_assert_int_ge(a, 3);
    timers_remove(t, &a);
    int at = a, other = b;
    for (int i = 0; i < 500 && b < other + 3; i++)
        poll(NULL, 0, 10);
    ck_assert_int_eq(a, at);
    ck_assert_int_ge(b, other + 3);
    timers_free(t);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("serial");
    TCase *t = tcase_create("serial");
    tcase_add_test(t, serial_plugins_never_overlap);
    tcase_add_test(t, other_plugins_run_side_by_side);
    tcase_add_test(t, requests_of_a_serial_instance_take_turns);
    tcase_add_test(t, threads_that_come_and_go_leave_the_others_alone);
    tcase_add_test(t, timers_stop_when_removed);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
