/* SPDX-License-Identifier: MIT */
/* il_emit(): what a source that fetches hears of each event, of each emission,
 * and when there is room; and that it hears nothing once it is stopped. */
#include "gate_world.h"

#include "base/clock.h"
#include "conf/options.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- outcomes ------------------------------------------------------------- */

struct told {
    int what[8];
    char id[8][64], code[8][64], message[8][200];
    size_t n;
    uint32_t heard; /* how much was settled at the first */
};

static void
tell(void *arg, size_t i, const struct il_outcome *o)
{
    struct told *t = arg;
    ck_assert_uint_eq(i, t->n);
    ck_assert_uint_ge(o->struct_size, sizeof(*o));
    if (!i)
        t->heard = world.heard;
    t->what[i] = (int) o->what;
    snprintf(t->id[i], sizeof(t->id[i]), "%.*s", (int) o->id_len,
             o->id ? o->id : "");
    if (o->what == IL_REFUSED) {
        snprintf(t->code[i], sizeof(t->code[i]), "%s", o->why->code);
        snprintf(t->message[i], sizeof(t->message[i]), "%s", o->why->message);
    } else {
        ck_assert_ptr_null(o->why);
    }
    t->n++;
}

static struct il_event
with_id(struct il_event e, const char *id)
{
    e.id = id;
    e.id_len = strlen(id);
    return e;
}

START_TEST(each_event_has_an_outcome)
{
    struct told t = { .n = 0 };
    struct il_event events[] = {
        with_id(world_event("t", "{\"n\":1}"), "a"),
        world_event("t", "{\"n\":2}"),
        with_id(world_event("t", "{\"n\":3}"), "a"),
        with_id(world_event("t", "[]"), "bad"),
        world_event("", "{}"),
    };
    events[0].key = "first";
    events[0].key_len = 5;
    events[2].key = "first";
    events[2].key_len = 5;
    events[2].id = "other";
    events[2].id_len = 5;
    struct il_emission e = { .events = events, .count = 5, .outcome = tell,
                             .arg = &t };
    ck_assert_int_eq(world_offer(&e), 0);
    ck_assert_uint_eq(t.n, 5);
    ck_assert_uint_eq(t.heard, 0); /* before settled() */
    ck_assert_int_eq(t.what[0], IL_ACCEPTED);
    ck_assert_str_eq(t.id[0], "a");
    ck_assert_int_eq(t.what[1], IL_ACCEPTED);
    ck_assert_int_eq(strncmp(t.id[1], "evt_", 4), 0);
    ck_assert_int_eq(t.what[2], IL_DUPLICATE);
    ck_assert_str_eq(t.id[2], "a"); /* that of the first */
    ck_assert_int_eq(t.what[3], IL_REFUSED);
    ck_assert_str_eq(t.id[3], "bad");
    ck_assert_str_eq(t.code[3], "invalid_event");
    ck_assert_int_eq(t.what[4], IL_REFUSED);
    ck_assert_str_eq(t.id[4], "");
    ck_assert_uint_eq(world_heard(1), 1);
    ck_assert_int_eq(world_outcome(1), IL_OK);

    /* a duplicate of an earlier emission */
    t.n = 0;
    e.events = &events[2];
    e.count = 1;
    ck_assert_int_eq(world_offer(&e), 0);
    ck_assert_int_eq(t.what[0], IL_DUPLICATE);
    ck_assert_str_eq(t.id[0], "a");
    ck_assert_uint_eq(world_heard(2), 2);
}
END_TEST

START_TEST(what_is_refused_is_kept_before_it_is_settled)
{
    struct il_event events[] = { world_event("t", "[]"),
                                 world_event("t", "{\"a\":") };
    for (int i = 1; i <= 20; i++) {
        ck_assert_int_eq(world_emit(events, 2, NULL, 0), 0);
        ck_assert_uint_eq(world_heard((uint32_t) i), i);
        ck_assert_int_eq(world_outcome((uint64_t) i), IL_OK);
        ck_assert_uint_eq(dead_count(world.dead, "gate/pull"), 2 * i);
    }
    ck_assert_uint_eq(spool_durable(world.spool), 0);
}
END_TEST

/* --- errors --------------------------------------------------------------- */

START_TEST(what_is_wrong_is_told)
{
    struct il_event e = world_event("t", "{}");
    ck_assert_int_eq(world_emit(NULL, 0, NULL, 0), -EINVAL);
    ck_assert_ptr_nonnull(strstr(world_fault, "neither events nor marks"));
    ck_assert_int_eq(world_emit(NULL, 1, NULL, 0), -EINVAL);
    e.struct_size = 8;
    ck_assert_int_eq(world_emit(&e, 1, NULL, 0), -EINVAL);
    ck_assert_ptr_nonnull(strstr(world_fault, "struct_size"));
    usleep(20000);
    ck_assert_uint_eq(world.heard, 0);
    ck_assert_uint_eq(world.rooms, 0);
}
END_TEST

START_TEST(too_much_at_once_is_told_and_one_that_is_too_large_is_refused)
{
    static struct il_event events[10001];
    static char payload[2 << 20];
    struct told t = { .n = 0 };
    for (int i = 0; i < 10001; i++)
        events[i] = world_event("t", "{}");
    ck_assert_int_eq(world_emit(events, 10001, NULL, 0), -EMSGSIZE);
    ck_assert_int_eq(world_emit(events, 10000, NULL, 0), 0);
    ck_assert_uint_eq(world_heard(1), 1);

    memset(payload, 'x', 900000);
    memcpy(payload, "{\"a\":\"", 6);
    memcpy(payload + 900000, "\"}", 3);
    for (int i = 0; i < 5; i++)
        events[i] = world_event("t", payload);
    ck_assert_int_eq(world_emit(events, 5, NULL, 0), -EMSGSIZE);
    ck_assert_int_eq(world_emit(events, 4, NULL, 0), 0);
    ck_assert_uint_eq(world_heard(2), 2);

    memset(payload + 900000, 'x', 1000000);
    memcpy(payload + 1900000, "\"}", 3);
    events[0] = world_event("t", payload);
    events[1] = world_event("t", "{}");
    struct il_emission e = { .events = events, .count = 2, .outcome = tell,
                             .arg = &t };
    ck_assert_int_eq(world_offer(&e), 0);
    ck_assert_int_eq(t.what[0], IL_REFUSED);
    ck_assert_str_eq(t.code[0], "event_too_large");
    ck_assert_int_eq(t.what[1], IL_ACCEPTED);
    ck_assert_uint_eq(world_heard(3), 3);
}
END_TEST

/* --- room ----------------------------------------------------------------- */

static struct il_sender *
sender_of(const char *id, uint64_t a_second, struct slice *types, size_t n)
{
    struct il_sender *s = calloc(1, sizeof(*s));
    s->id = id;
    s->types = types;
    s->type_count = n;
    s->limit.bucket.rate
        = (struct rate){ a_second, 1000000000, a_second };
    return s;
}

static int
see_key(void *arg, const struct dead_letter *l)
{
    ck_assert_pstr_eq(l->key, "up");
    ++*(int *) arg;
    return 0;
}

START_TEST(a_sender_has_its_rate_its_types_and_its_name)
{
    struct slice types[] = { SLICE("t.*") };
    struct il_sender *s = sender_of("up", 5, types, 1);
    struct il_event events[] = { world_event("t.a", "{}"),
                                 world_event("u", "{}"),
                                 world_event("t.b", "{}") };
    struct told t = { .n = 0 };
    struct il_emission e = { .events = events, .count = 3, .sender = s,
                             .outcome = tell, .arg = &t };
    ck_assert_int_eq(world_offer(&e), 0);
    ck_assert_int_eq(t.what[0], IL_ACCEPTED);
    ck_assert_int_eq(t.what[1], IL_REFUSED);
    ck_assert_str_eq(t.code[1], "type_not_allowed");
    e.outcome = NULL;
    int err = 0;
    for (int i = 0; i < 10 && !err; i++)
        err = world_offer(&e);
    ck_assert_int_eq(err, -EAGAIN);
    ck_assert_int_eq(world_offer(&e), -EAGAIN);
    uint64_t letters = dead_count(world.dead, "gate/pull");
    ck_assert_uint_eq(world_rooms(1), 1); /* of two answers */
    ck_assert_int_eq(world_offer(&e), 0);
    ck_assert_uint_eq(dead_count(world.dead, "gate/pull"), letters + 1);
    gate_source_close(world.pull, clock_monotonic_us() + 10000000);
    ck_assert_uint_eq(world.rooms, 1);
    int seen = 0;
    ck_assert_int_eq(dead_each(world.dead, "gate/pull", see_key, &seen), 0);
    ck_assert_int_eq(seen, (int) letters + 1);
    free(s);
}
END_TEST

static const struct il_option sender_options[] = { IL_SENDER_OPTIONS,
                                                   { .name = "secret",
                                                     .type = IL_OPT_STRING,
                                                     .flags = IL_OPT_SECRET,
                                                     .help = "Secret." },
                                                   { 0 } };

static int
open_sender(const char *text, const char *secret, struct il_sender **list,
            struct conf *conf)
{
    struct il_sender *s;
    conf_load_text(conf, "t.conf", ".", text, strlen(text));
    struct config_setting_t *root = conf_root(conf, 0);
    struct option_table t = { sender_options, sizeof(*sender_options) };
    const struct il_conf *g =
        option_read_group(&(struct option_read){ .conf = conf,
                                                 .where = "sender",
                                                 .groups = &root,
                                                 .group_count = 1,
                                                 .tables = &t,
                                                 .table_count = 1 });
    return gate_sender_open(conf, "pull", list, g, secret, &s);
}

START_TEST(a_sender_without_a_secret_has_an_id)
{
    struct il_sender *list = NULL;
    struct conf *conf[4];
    for (int i = 0; i < 4; i++)
        conf[i] = conf_new();
    ck_assert_int_eq(open_sender("rate = \"5/s\";", NULL, &list, conf[0]),
                     -EINVAL);
    ck_assert_uint_eq(conf_errors(conf[0]), 1);
    ck_assert_int_eq(open_sender("id = \"up\";", NULL, &list, conf[1]), 0);
    ck_assert_str_eq(list->id, "up");
    ck_assert_ptr_null(list->secret);
    ck_assert_ptr_eq(list->of, &list);
    ck_assert_int_eq(open_sender("id = \"up\";", NULL, &list, conf[2]),
                     -EINVAL); /* used twice */
    ck_assert_int_eq(
        open_sender("secret = \"s3cret\";", "secret", &list, conf[3]), 0);
    for (int i = 0; i < 4; i++)
        conf_free(conf[i]);
}
END_TEST

static uint64_t passed;

static uint64_t
passed_until(void *arg)
{
    (void) arg;
    return __atomic_load_n(&passed, __ATOMIC_ACQUIRE);
}

START_TEST(there_is_room_again_once_lanes_have_passed)
{
    struct il_event e = world_event("t", "{\"text\":\"0123456789\"}");
    passed = 0;
    ck_assert_int_eq(
        gate_source_backlog(world.pull, 1000, passed_until, NULL), 0);
    int err = 0, n = 0;
    while (!(err = world_emit(&e, 1, NULL, 0)))
        ck_assert_int_lt(++n, 1000);
    ck_assert_int_eq(err, -EAGAIN);
    usleep(250000);
    ck_assert_uint_eq(world.rooms, 0);
    __atomic_store_n(&passed, UINT64_MAX, __ATOMIC_RELEASE);
    ck_assert_uint_eq(world_rooms(1), 1);
    ck_assert_int_eq(world_emit(&e, 1, NULL, 0), 0);
    ck_assert_uint_eq(world_heard((uint32_t) n + 1), n + 1);
}
END_TEST

/* --- order and end -------------------------------------------------------- */

START_TEST(emissions_are_settled_in_their_order)
{
    struct il_event e = world_event("t", "{}");
    for (int i = 0; i < 20000; i++)
        ck_assert_int_eq(world_emit(&e, 1, NULL, 0), 0);
    ck_assert_uint_eq(world_heard(20000), 20000);
    for (uint32_t i = 0; i < 20000; i++)
        ck_assert_uint_eq(world.tokens[i], i + 1);
}
END_TEST

/* A source of its own in each round, emitted from four threads. */
struct stopping {
    struct gate_source *source;
    int stopped, late;
    uint64_t taken, settled;
};

static void
count_settled(void *self, uint64_t token, int outcome)
{
    struct stopping *s = self;
    (void) token;
    (void) outcome;
    __atomic_add_fetch(&s->settled, 1, __ATOMIC_RELAXED);
    if (__atomic_load_n(&s->stopped, __ATOMIC_ACQUIRE))
        s->late = 1;
}

static void *
emit_until_closed(void *arg)
{
    struct stopping *s = arg;
    struct il_event event = world_event("t", "{}");
    struct il_mark mark = world_mark("m", "1");
    struct il_emission e = { IL_SIZED(struct il_emission),
                             .events = &event, .count = 1,
                             .event_size = sizeof(event),
                             .marks = &mark, .mark_count = 1,
                             .mark_size = sizeof(mark) };
    const char *fault;
    int err;
    while ((err = gate_emit(s->source, &e, &fault)) != -ESHUTDOWN)
        if (!err)
            __atomic_add_fetch(&s->taken, 1, __ATOMIC_RELAXED);
    return NULL;
}

START_TEST(nothing_is_settled_after_the_stop)
{
    for (int round = 0; round < 100; round++) {
        struct stopping s = { .stopped = 0 };
        char name[32];
        pthread_t threads[4];
        snprintf(name, sizeof(name), "s%d", round);
        ck_assert_int_eq(gate_source_new(world.gate, name, 0, count_settled,
                                         &s, &s.source),
                         0);
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, emit_until_closed, &s);
        usleep((useconds_t) (round * 37 % 5000));
        gate_source_close(s.source, clock_monotonic_us() + 10000000);
        __atomic_store_n(&s.stopped, 1, __ATOMIC_RELEASE);
        uint64_t settled = __atomic_load_n(&s.settled, __ATOMIC_RELAXED);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        usleep(500);
        ck_assert_int_eq(s.late, 0);
        ck_assert_uint_eq(s.taken, settled);
        ck_assert_uint_eq(s.taken,
                          __atomic_load_n(&s.settled, __ATOMIC_RELAXED));
    }
}
END_TEST

/* The spool cannot be written: what is on its way is given up in time. */
START_TEST(a_stop_without_time_settles_all_the_same)
{
    struct il_event e = world_event("t", "{}");
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(world_emit(&e, 1, NULL, 0), 0);
    gate_source_close(world.pull, clock_monotonic_us());
    ck_assert_uint_eq(world.heard, 100);
    ck_assert_int_eq(world_emit(&e, 1, NULL, 0), -ESHUTDOWN);
    usleep(20000);
    ck_assert_uint_eq(world.heard, 100);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("gate-emit");
    TCase *t = tcase_create("gate-emit");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, world_setup, world_teardown);
    tcase_add_test(t, each_event_has_an_outcome);
    tcase_add_test(t, what_is_refused_is_kept_before_it_is_settled);
    tcase_add_test(t, what_is_wrong_is_told);
    tcase_add_test(
        t, too_much_at_once_is_told_and_one_that_is_too_large_is_refused);
    tcase_add_test(t, a_sender_has_its_rate_its_types_and_its_name);
    tcase_add_test(t, a_sender_without_a_secret_has_an_id);
    tcase_add_test(t, there_is_room_again_once_lanes_have_passed);
    tcase_add_test(t, emissions_are_settled_in_their_order);
    tcase_add_test(t, nothing_is_settled_after_the_stop);
    tcase_add_test(t, a_stop_without_time_settles_all_the_same);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
