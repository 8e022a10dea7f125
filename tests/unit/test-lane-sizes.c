/* SPDX-License-Identifier: MIT */
/* How much a lane takes at once, beside others. */
#include "lane/private.h"

#include <check.h>
#include <stdlib.h>

#define LANES 50
static struct lane *lanes;
static struct flight flight;

static void
set_up(void)
{
    lanes = calloc(LANES, sizeof *lanes);
    for (int i = 0; i < LANES; i++) {
        lanes[i].spec.batch_events = 10000;
        lanes[i].spec.batch_bytes = 4u << 20;
    }
    flight.batch = batch_new();
}

static void
tear_down(void)
{
    for (int i = 0; i < LANES; i++)
        lane_note_size(&lanes[i], NULL);
    batch_free(flight.batch);
    free(lanes);
}

static void
read_frames(int i, uint32_t frames, size_t bytes)
{
    flight.frame_count = frames;
    flight.batch->frames.len = bytes;
    lane_note_size(&lanes[i], &flight);
    flight.batch->frames.len = 0;
}

START_TEST(many_that_have_much_take_less_each)
{
    static const struct {
        int lanes;
        uint32_t most;
    } cases[] = {
        { 1, 10000 }, { 3, 10000 }, { 5, 6000 }, { 8, 4000 }, { 50, 4000 }
    };
    int n = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        while (n < cases[i].lanes)
            read_frames(n++, 10000, 1500000);
        ck_assert_uint_eq(lane_most(&lanes[0]), cases[i].most);
    }
    ck_assert_uint_eq(lane_most_bytes(&lanes[0]), 3u << 19);
    /* Those that take as much as is left for each still count. */
    for (int i = 0; i < LANES; i++)
        read_frames(i, 4000, 600000);
    ck_assert_uint_eq(lane_most(&lanes[0]), 4000);
    /* A few events that are large are as much. */
    for (int i = 0; i < LANES; i++)
        read_frames(i, 10, 3u << 19);
    ck_assert_uint_eq(lane_most_bytes(&lanes[0]), 3u << 19);
}
END_TEST

START_TEST(those_that_have_little_take_nothing_from_others)
{
    for (int i = 0; i < LANES; i++)
        read_frames(i, 10000, 1500000);
    for (int i = 1; i < LANES; i++)
        read_frames(i, 100, 15000);
    ck_assert_uint_eq(lane_most(&lanes[0]), 10000);
    for (int i = 1; i < LANES; i++)
        read_frames(i, 10000, 1500000);
    for (int i = 1; i < LANES; i++)
        lane_note_size(&lanes[i], NULL);
    ck_assert_uint_eq(lane_most(&lanes[0]), 10000);
}
END_TEST

START_TEST(what_is_small_by_its_config_is_as_it_says)
{
    for (int i = 0; i < LANES; i++)
        read_frames(i, 10000, 1500000);
    lanes[0].spec.batch_events = 300;
    lanes[0].spec.batch_bytes = 1000;
    ck_assert_uint_eq(lane_most(&lanes[0]), 300);
    ck_assert_uint_eq(lane_most_bytes(&lanes[0]), 1000);
}
END_TEST

START_TEST(one_that_begins_takes_more_with_each)
{
    static const uint32_t most[] = { 1000, 2000, 4000, 8000, 10000, 10000 };
    lane_note_size(&lanes[0], NULL);
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        ck_assert_uint_eq(lane_most(&lanes[0]), most[i]);
        read_frames(0, most[i], 100 * most[i]);
    }
    read_frames(0, 3, 300); /* once there was less */
    ck_assert_uint_eq(lane_most(&lanes[0]), 10000);
    for (int i = 0; i < 10; i++)
        read_frames(0, 3, 300);
    ck_assert_uint_eq(lane_most(&lanes[0]), 1000);
    lanes[0].spec.batch_wait_ms = 1; /* it is to be full */
    ck_assert_uint_eq(lane_most(&lanes[0]), 10000);
}
END_TEST

START_TEST(memory_of_larger_batches_goes)
{
    read_frames(0, 10000, 1500000);
    flight.batch->capacity = 16384;
    lane_fit(&lanes[0], &flight);
    ck_assert_uint_eq(flight.batch->capacity, 16384);
    for (int i = 0; i < LANES; i++)
        read_frames(i, 10000, 1500000);
    lane_fit(&lanes[0], &flight);
    ck_assert_uint_eq(flight.batch->capacity, 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("lane sizes");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, many_that_have_much_take_less_each);
    tcase_add_test(tc, those_that_have_little_take_nothing_from_others);
    tcase_add_test(tc, what_is_small_by_its_config_is_as_it_says);
    tcase_add_test(tc, one_that_begins_takes_more_with_each);
    tcase_add_test(tc, memory_of_larger_batches_goes);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
