/* SPDX-License-Identifier: MIT */
#include "tempdir.h"
#include "codec/event.h"
#include "codec/json.h"
#include "store/dead.h"
#include "store/parked.h"
#include "codec/batch.h"
#include "command/private.h"

#include <check.h>
#include <getopt.h>
#include <string.h>

#define LANE "feature-usage/warehouse.pg"

static char *root;
static char out_path[4096], err_path[4096];
static char out[65536], err[65536];
static struct dead *dead;

static void
read_all(const char *path, char *to)
{
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    to[fread(to, 1, 65535, f)] = 0;
    fclose(f);
}

/* Run the command with -s STATE_DIR; the exit code.  The test is a process of
 * its own, so its streams may be sent elsewhere. */
static int
run(const char *verb, const char *a, const char *b, const char *c)
{
    const char *argv[] = { "dead", "-s", root, verb, a, b, c, NULL };
    int argc = 4 + (a != NULL) + (b != NULL) + (c != NULL);
    ck_assert_ptr_nonnull(freopen(out_path, "w", stdout));
    ck_assert_ptr_nonnull(freopen(err_path, "w", stderr));
    optind = 0;
    int status = command_dead(argc, (char **) (uintptr_t) argv);
    fflush(stdout);
    fflush(stderr);
    read_all(out_path, out);
    read_all(err_path, err);
    return status;
}

static void
setup(void)
{
    root = tempdir_make();
    snprintf(out_path, sizeof out_path, "%s/out", root);
    snprintf(err_path, sizeof err_path, "%s/err", root);
}

static void
teardown(void)
{
    dead_close(dead);
    dead = NULL;
    tempdir_remove(root);
}

static void
open_store(void)
{
    char dir[4096];
    snprintf(dir, sizeof dir, "%s/dead", root);
    ck_assert_int_eq(dead_open(dir, 0, &dead), 0);
}

/* Two letters of the lane and three of the gate. */
static void
fill(void)
{
    struct il_text payload = { 0 }, body = { 0 };
    struct json_error error;
    open_store();
    ck_assert_int_eq(json_to_msgpack("{\"n\":5000}", 10, &payload, &error), 0);
    struct event ev = { .id = SLICE("e000051"),
                        .type = SLICE("test.event"),
                        .source_id = SLICE("app"),
                        .received_us = 1700000000000000,
                        .timestamp_us = EVENT_NO_TIME,
                        .payload = slice_of(payload.data, payload.len) };
    ck_assert_int_eq(event_pack(&body, &ev), 0);
    struct dead_letter l[2] = {
        { .lane = LANE,
          .position = 52,
          .at_us = 1700000001000000,
          .attempts = 1,
          .reason = { IL_SIZED(struct il_reason), .code = "23514",
                      .message = "violates \x1b[31mcheck\nx", .field = "n",
                      .rule = "below_1000" },
          .event = slice_of(body.data, body.len) },
        { .lane = LANE,
          .position = 60,
          .at_us = 1700000002000000,
          .reason = { IL_SIZED(struct il_reason), .code = "unreadable",
                      .message = "what is it" },
          .event = SLICE("\x01\xff") },
    };
    ck_assert_int_eq(dead_settle(dead, LANE, 0, 99, l, 2), 0);
    struct il_reason why = { IL_SIZED(struct il_reason), .code = "schema",
                             .message = "unknown type", .field = "type" };
    dead_refused(dead, "app", NULL, &why,
                 SLICE("{\"id\":\"e7\",\"type\":\"test.evnt\"}"));
    dead_refused(dead, "app", NULL, &why, SLICE("{nonsense\xff\xc3"));
    dead_refused(dead, "hook", NULL, &why, SLICE("[1]"));
    dead_flush(dead);
    text_clear(&payload);
    text_clear(&body);
}

START_TEST(no_store_is_no_letters)
{
    ck_assert_int_eq(run("list", NULL, NULL, NULL), 0);
    ck_assert_str_eq(out, "no dead letters\n");
    ck_assert_int_eq(run("list", "--json", NULL, NULL), 0);
    ck_assert_str_eq(out, "");
    ck_assert_int_eq(run("show", LANE, "1", NULL), 1);
    ck_assert_ptr_nonnull(strstr(err, "state_dir knows no lane \"" LANE "\""));
    ck_assert_int_eq(run("list", LANE, NULL, NULL), 1);
    ck_assert_str_eq(out, "");
    ck_assert_int_eq(run("drop", LANE, "1", NULL), 1);
}
END_TEST

START_TEST(an_empty_store_too)
{
    open_store();
    ck_assert_int_eq(run("list", NULL, NULL, NULL), 0);
    ck_assert_str_eq(out, "no dead letters\n");
}
END_TEST

/* The daemon's handle stays open: the command works beside it.  (LMDB wants
 * one handle per process: here the daemon is closed first.) */
static void
fill_and_leave(void)
{
    fill();
    dead_close(dead);
    dead = NULL;
}

START_TEST(lists_for_people)
{
    fill_and_leave();
    ck_assert_int_eq(run("list", NULL, NULL, NULL), 0);
    ck_assert_ptr_nonnull(
        strstr(out, LANE " 52  2023-11-14T22:13:21Z  test.event  e000051\n"
                         "    23514, field n, rule below_1000: "
                         "violates \\u001b[31mcheck\\u000ax\n"));
    ck_assert_ptr_nonnull(strstr(out, "gate/app 1  "));
    ck_assert_ptr_nonnull(strstr(out, "test.evnt  e7\n"));
    ck_assert_ptr_nonnull(strstr(out, "gate/hook 3  "));
}
END_TEST

START_TEST(lists_as_json)
{
    fill_and_leave();
    ck_assert_int_eq(run("list", "--json", "--lane", LANE), 0);
    ck_assert_str_eq(
        out, "{\"lane\":\"" LANE "\",\"position\":52,\"event_id\":\"e000051\","
             "\"type\":\"test.event\",\"at\":\"2023-11-14T22:13:21Z\","
             "\"attempts\":1,\"code\":\"23514\",\"field\":\"n\","
             "\"rule\":\"below_1000\","
             "\"message\":\"violates \\u001b[31mcheck\\nx\","
             "\"retry\":null,\"first_at\":\"2023-11-14T22:13:21Z\","
             "\"stopped\":null}\n"
             "{\"lane\":\"" LANE "\",\"position\":60,\"event_id\":null,"
             "\"type\":null,\"at\":\"2023-11-14T22:13:22Z\",\"attempts\":0,"
             "\"code\":\"unreadable\",\"field\":null,\"rule\":null,"
             "\"message\":\"what is it\",\"retry\":null,"
             "\"first_at\":\"2023-11-14T22:13:22Z\",\"stopped\":null}\n");
    ck_assert_int_eq(run("list", "gate/hook", "-j", NULL), 0);
    ck_assert_ptr_nonnull(strstr(out, "\"position\":3,\"event_id\":null"));
}
END_TEST

START_TEST(shows_the_event)
{
    fill_and_leave();
    ck_assert_int_eq(run("show", LANE, "52", NULL), 0);
    ck_assert_ptr_null(strstr(out, "5000")); /* without a config: who knows */
    ck_assert_ptr_nonnull(strstr(out, "--raw"));
    ck_assert_int_eq(run("show", "--raw", LANE, "52"), 0);
    ck_assert_ptr_nonnull(strstr(out, "{\"n\":5000}"));
    ck_assert_ptr_nonnull(strstr(out, "below_1000"));
    ck_assert_ptr_nonnull(strstr(out, "after 1 attempt\n"));
    ck_assert_int_eq(run("show", "-j", LANE, "52"), 0);
    ck_assert_ptr_nonnull(strstr(out, ",\"event\":{\"id\":\"e000051\""));
    ck_assert_int_eq(run("show", "-j", LANE, "60"), 0);
    ck_assert_ptr_nonnull(strstr(out, ",\"event_bytes\":\"01ff\"}\n"));
    ck_assert_int_eq(run("show", "-j", "gate/app", "1"), 0);
    ck_assert_ptr_nonnull(
        strstr(out, ",\"event\":{\"id\":\"e7\",\"type\":\"test.evnt\"}}\n"));
    ck_assert_int_eq(run("show", "-j", "gate/app", "2"), 0);
    ck_assert_ptr_nonnull(strstr(out, ",\"event_text\":\"{nonsense??\"}\n"));
    ck_assert_int_eq(run("show", "gate/app", "2", NULL), 0);
    ck_assert_ptr_nonnull(strstr(out, "no JSON, so emit cannot send it"));
    ck_assert_int_eq(run("show", "gate/app", "1", NULL), 0);
    ck_assert_ptr_null(strstr(out, "emit cannot send it"));
    ck_assert_int_eq(run("show", LANE, "53", NULL), 1);
    ck_assert_str_eq(out, "");
    ck_assert_ptr_nonnull(strstr(err, LANE " has no dead letter 53"));
}
END_TEST

START_TEST(drops_for_good)
{
    fill_and_leave();
    ck_assert_int_eq(run("drop", LANE, "52", "53"), 1);
    ck_assert_str_eq(out, "dropped 1\n");
    ck_assert_int_eq(run("drop", "--all", "gate/app", NULL), 0);
    ck_assert_str_eq(out, "dropped 2\n");
    open_store();
    ck_assert_uint_eq(dead_count(dead, NULL), 2);
    ck_assert_uint_eq(dead_count(dead, "gate/app"), 0);
}
END_TEST

START_TEST(letters_are_chosen)
{
    fill_and_leave();
    ck_assert_int_eq(run("list", "--code", "23514", NULL), 0);
    ck_assert_ptr_nonnull(strstr(out, LANE " 52"));
    ck_assert_ptr_null(strstr(out, LANE " 60"));
    ck_assert_int_eq(run("list", "--pipeline", "feature-usage", NULL), 0);
    ck_assert_ptr_nonnull(strstr(out, LANE " 60"));
    ck_assert_ptr_null(strstr(out, "gate/"));
    ck_assert_int_eq(run("list", "--pipeline", "feature", NULL), 0);
    ck_assert_str_eq(out, "no dead letters\n");
    ck_assert_int_eq(run("list", "--event", "e7", NULL), 0);
    ck_assert_ptr_nonnull(strstr(out, "gate/app 1  "));
    ck_assert_ptr_null(strstr(out, "gate/app 2  "));
    ck_assert_int_eq(run("drop", "--all", "--code=unreadable", LANE), 0);
    ck_assert_str_eq(out, "dropped 1\n");
    ck_assert_int_eq(run("list", LANE, NULL, NULL), 0);
    ck_assert_ptr_nonnull(strstr(out, LANE " 52"));
}
END_TEST

START_TEST(a_retry_needs_the_daemon)
{
    fill_and_leave();
    ck_assert_int_eq(run("retry", "--all", NULL, NULL), 1);
    ck_assert_ptr_nonnull(strstr(err, "no daemon runs"));
    ck_assert_ptr_nonnull(strstr(err, "start it"));
    ck_assert_str_eq(out, "retried 0\n");
    ck_assert_int_eq(run("retry", LANE, "53", NULL), 1);
    ck_assert_ptr_nonnull(strstr(err, LANE " has no dead letter 53"));
    ck_assert_int_eq(run("retry", "gate/app", "1", NULL), 1);
    ck_assert_ptr_nonnull(strstr(err, "never accepted"));
}
END_TEST

START_TEST(a_letter_under_way_is_listed_so)
{
    struct dead_claim c = { .letter = 52, .position = 70 };
    fill();
    ck_assert_int_eq(dead_claim(dead, LANE, &c, 1), 0);
    dead_close(dead);
    dead = NULL;
    ck_assert_int_eq(run("list", LANE, NULL, NULL), 0);
    ck_assert_ptr_nonnull(strstr(out, "\n    being tried again, as 70\n"));
    ck_assert_int_eq(run("list", "-j", LANE, NULL), 0);
    ck_assert_ptr_nonnull(strstr(out, ",\"retry\":70,"));
}
END_TEST

/* --- lanes that deliver event by event ------------------------------------- */

#define HOOK "alerts/slack"
#define SPOOL ((const uint8_t *) "0123456789abcdef")

/* The event as it is kept, with an entity of a kind that wants escapes. */
static void
decide(struct il_text *kept)
{
    struct il_text payload = { 0 }, traits = { 0 }, body = { 0 };
    struct json_error error;
    struct il_value map;
    struct il_batch *b = batch_new();
    ck_assert_int_eq(json_to_msgpack("{\"n\":1}", 7, &payload, &error), 0);
    ck_assert_int_eq(json_to_msgpack("{\"plan\":\"pro\"}", 14, &traits, &error),
                     0);
    const char *p = traits.data;
    ck_assert_int_eq(msg_value(&p, p + traits.len, &map), 0);
    map.len = (size_t) (traits.data + traits.len - map.str);
    struct event ev = { .id = SLICE("e1"),
                        .type = SLICE("test.event"),
                        .source_id = SLICE("app"),
                        .received_us = 1700000000000000,
                        .timestamp_us = EVENT_NO_TIME,
                        .payload = slice_of(payload.data, payload.len) };
    ck_assert_int_eq(event_pack(&body, &ev), 0);
    ck_assert_int_eq(batch_add(b, 7, body.data, body.len), 0);
    struct entity_link link = { .kind = batch_kind("a\"b", 3), .traits = map };
    b->events[0].entities = &link;
    ck_assert_int_eq(batch_decided(b, 0, kept), 0);
    batch_free(b);
    text_clear(&payload);
    text_clear(&traits);
    text_clear(&body);
}

/* 7 is due, 8 waits behind it, 9 was never read, 5 is a letter. */
static void
fill_parked(void)
{
    struct il_text bytes = { 0 };
    struct parked *p;
    struct parked_lane *lane;
    decide(&bytes);
    struct parked_event e[3];
    for (int i = 0; i < 3; i++)
        e[i] = (struct parked_event){ .position = (uint64_t) i + 7,
                                      .attempts = 2,
                                      .first_us = 1700000000000000,
                                      .since_us = 1700000060000000,
                                      .delay_us = 30000000,
                                      .code = "503",
                                      .message = "busy \x1b[31m",
                                      .target = "https://x",
                                      .order_hash = i < 2 ? 77 : 0,
                                      .event = bytes.data,
                                      .event_len = bytes.len };
    e[2].event = "\x01\xff";
    e[2].event_len = 2;
    e[2].code = e[2].message = e[2].target = NULL;
    struct parked_letter l = { .position = 5,
                               .attempts = 5,
                               .first_us = 1700000000000000,
                               .at_us = 1700000100000000,
                               .code = "404",
                               .message = "not here",
                               .event = bytes.data,
                               .event_len = bytes.len };
    ck_assert_int_eq(parked_open(root, PARKED_MAKE, NULL, &p), 0);
    ck_assert_int_eq(parked_lane(p, HOOK, SPOOL, &lane), 0);
    ck_assert_int_eq(parked_settle(lane, 0, 9, SPOOL, e, 3, &l, 1), 0);
    parked_close(p);
    text_clear(&bytes);
}

START_TEST(what_waits_is_listed_apart)
{
    fill_and_leave();
    fill_parked();
    ck_assert_int_eq(run("list", NULL, NULL, NULL), 0);
    ck_assert_ptr_nonnull(strstr(
        out, HOOK " 5  2023-11-14T22:15:00Z  test.event  e1\n    404: not "
                  "here\n"));
    ck_assert_ptr_nonnull(strstr(out, LANE " 52"));
    ck_assert_ptr_nonnull(strstr(out, "gate/app 1  "));
    ck_assert_ptr_null(strstr(out, HOOK " 7"));
    ck_assert_ptr_nonnull(strstr(out, "\n3 events wait to be sent again"));
    ck_assert_int_eq(run("list", LANE, NULL, NULL), 0);
    ck_assert_ptr_null(strstr(out, "to be sent again"));
    ck_assert_int_eq(run("list", "--waiting", NULL, NULL), 0);
    ck_assert_str_eq(
        out,
        HOOK " 7  2023-11-14T22:14:20Z  test.event  e1\n"
             "    503: busy \\u001b[31m\n"
             "    due 2023-11-14T22:14:50Z, 2 attempts, to https://x\n" HOOK
             " 8  2023-11-14T22:14:20Z  test.event  e1\n"
             "    503: busy \\u001b[31m\n"
             "    waits behind 7, 2 attempts, to https://x\n" HOOK
             " 9  2023-11-14T22:14:20Z\n"
             "    due 2023-11-14T22:14:50Z, 2 attempts\n");
}
END_TEST

START_TEST(what_waits_is_listed_as_json)
{
    fill_parked();
    ck_assert_int_eq(run("list", "--json", "--waiting", "--code=503"), 0);
    ck_assert_ptr_nonnull(strstr(
        out, "{\"lane\":\"" HOOK "\",\"position\":8,\"event_id\":\"e1\","
             "\"type\":\"test.event\",\"at\":\"2023-11-14T22:14:20Z\","
             "\"attempts\":2,\"code\":\"503\",\"field\":null,\"rule\":null,"
             "\"message\":\"busy \\u001b[31m\",\"due\":null,"
             "\"waits_behind\":7,\"was_letter\":false,"
             "\"first_at\":\"2023-11-14T22:13:20Z\","
             "\"target\":\"https://x\"}\n"));
    ck_assert_ptr_null(strstr(out, "\"position\":9"));
    ck_assert_int_eq(run("show", "--json", HOOK, "5"), 0);
    ck_assert_ptr_nonnull(
        strstr(out, "\"retry\":null,\"first_at\":\"2023-11-14T22:13:20Z\","
                    "\"target\":null,\"event\":{\"id\":\"e1\""));
    ck_assert_ptr_nonnull(
        strstr(out, "},\"entities\":{\"a\\\"b\":{\"plan\":\"pro\"}}}\n"));
    ck_assert_int_eq(run("show", "--json", HOOK, "9"), 0);
    ck_assert_ptr_nonnull(strstr(out, ",\"event_bytes\":\"01ff\"}\n"));
}
END_TEST

START_TEST(what_waits_is_shown)
{
    fill_parked();
    ck_assert_int_eq(run("show", HOOK, "7", "5"), 0);
    ck_assert_ptr_nonnull(
        strstr(out, "\n    put aside first 2023-11-14T22:13:20Z, last "
                    "2023-11-14T22:14:20Z\n    {\"id\":\"e1\""));
    ck_assert_ptr_nonnull(
        strstr(out, "\n    entities {\"a\\\"b\":{\"plan\":\"pro\"}}\n"));
    ck_assert_ptr_nonnull(
        strstr(out, "\n    given up after 5 attempts\n    failed first "
                    "2023-11-14T22:13:20Z\n"));
    ck_assert_int_eq(run("show", HOOK, "6", NULL), 1);
    ck_assert_ptr_nonnull(strstr(err, HOOK " has no dead letter 6, and nothing "
                                           "waits there"));
}
END_TEST

START_TEST(chosen_by_time_and_reason)
{
    fill_and_leave();
    fill_parked();
    ck_assert_int_eq(run("list", "--reason=not h", NULL, NULL), 0);
    ck_assert_ptr_nonnull(strstr(out, HOOK " 5"));
    ck_assert_ptr_null(strstr(out, LANE));
    ck_assert_int_eq(run("list", "--reason=unreadable", NULL, NULL), 0);
    ck_assert_ptr_nonnull(strstr(out, LANE " 60"));
    ck_assert_int_eq(run("list", "--reason=unread", NULL, NULL), 0);
    ck_assert_ptr_nonnull(strstr(out, "no dead letters\n"));
    ck_assert_int_eq(run("list", "--since=2023-11-14T22:13:22Z", LANE, NULL),
                     0);
    ck_assert_ptr_null(strstr(out, LANE " 52"));
    ck_assert_ptr_nonnull(strstr(out, LANE " 60"));
    ck_assert_int_eq(run("list", "--waiting", "--since=1h", NULL), 0);
    ck_assert_str_eq(out, "nothing waits to be sent again\n");
    ck_assert_int_eq(run("list", "--waiting", "--event=e1",
                         "--since=2023-11-14T23:13:20+01:00"),
                     0);
    ck_assert_ptr_nonnull(strstr(out, HOOK " 8"));
    ck_assert_ptr_null(strstr(out, HOOK " 9"));
    ck_assert_int_eq(run("list", "--since=1000000w", NULL, NULL), 2);
}
END_TEST

START_TEST(drops_of_both_kinds)
{
    fill_and_leave();
    fill_parked();
    ck_assert_int_eq(run("drop", HOOK, "7", "6"), 1);
    ck_assert_str_eq(out, "dropped 1\n");
    ck_assert_int_eq(run("list", "--waiting", NULL, NULL), 0);
    ck_assert_ptr_nonnull(
        strstr(out, "e1\n    503: busy \\u001b[31m\n    due "));
    ck_assert_int_eq(run("drop", "--all", HOOK, NULL), 0);
    ck_assert_str_eq(out, "dropped 1\n");
    ck_assert_int_eq(run("drop", "--all", "--waiting", HOOK), 0);
    ck_assert_str_eq(out, "dropped 2\n");
    ck_assert_int_eq(run("drop", "--all", "--waiting", LANE), 0);
    ck_assert_str_eq(out, "dropped 0\n");
    ck_assert_int_eq(run("list", LANE, NULL, NULL), 0);
    ck_assert_ptr_nonnull(strstr(out, LANE " 52"));
}
END_TEST

START_TEST(a_retry_of_what_waits_needs_the_daemon)
{
    fill_parked();
    ck_assert_int_eq(run("retry", "--all", "--waiting", NULL), 1);
    ck_assert_ptr_nonnull(strstr(err, "start it"));
    ck_assert_int_eq(run("retry", HOOK, "6", NULL), 1);
    ck_assert_ptr_nonnull(strstr(err, "nothing waits there"));
    ck_assert_int_eq(run("retry", HOOK, "5", NULL), 1);
    ck_assert_ptr_nonnull(strstr(err, "start it"));
}
END_TEST

START_TEST(wrong_use_is_named)
{
    ck_assert_int_eq(run("retry", NULL, NULL, NULL), 2);
    ck_assert_int_eq(run("retry", "--code=x", LANE, NULL), 2);
    ck_assert_ptr_nonnull(strstr(err, "--all"));
    ck_assert_int_eq(run("retry", "--all", LANE, "1"), 2);
    ck_assert_int_eq(run("list", "--wait", NULL, NULL), 2);
    ck_assert_int_eq(run("show", "--code=x", LANE, "1"), 2);
    ck_assert_int_eq(run("list", "--all", NULL, NULL), 2);
    ck_assert_int_eq(run("list", "--render", NULL, NULL), 2);
    ck_assert_ptr_nonnull(strstr(err, "--render goes with show"));
    ck_assert_int_eq(run("retry", "--waiting", LANE, "1"), 2);
    ck_assert_int_eq(run("drop", "--since=2h", LANE, "1"), 2);
    ck_assert_int_eq(run("show", "--waiting", LANE, "1"), 2);
    ck_assert_int_eq(run("list", "--since=noon", NULL, NULL), 2);
    ck_assert_ptr_nonnull(strstr(err, "as in 2h, not \"noon\""));
    ck_assert_int_eq(run("drop", "--all", "--pipeline=x", LANE), 2);
    ck_assert_int_eq(run("show", LANE, NULL, NULL), 2);
    ck_assert_ptr_nonnull(strstr(err, "a position in " LANE " is needed"));
    ck_assert_int_eq(run("drop", NULL, NULL, NULL), 2);
    ck_assert_ptr_nonnull(strstr(err, "a lane and a position are needed"));
    ck_assert_int_eq(run("show", "17", NULL, NULL), 2);
    ck_assert_ptr_nonnull(strstr(err, "17 is a position; its lane comes"));
    ck_assert_int_eq(run("list", "orders", NULL, NULL), 2);
    ck_assert_ptr_nonnull(strstr(err, "\"orders\" is no lane, which is"));
    ck_assert_int_eq(run("drop", "--all", "orders", NULL), 2);
    ck_assert_ptr_nonnull(strstr(err, "\"orders\" is no lane, which is"));
    ck_assert_int_eq(run("show", LANE, "12x", NULL), 2);
    ck_assert_ptr_nonnull(strstr(err, "\"12x\" is no position"));
    ck_assert_int_eq(run("drop", LANE, "-1", NULL), 2);
    ck_assert_int_eq(run("drop", "--all", NULL, NULL), 2);
    ck_assert_int_eq(run("list", "a", "b", NULL), 2);
    ck_assert_int_eq(run("nonsense", NULL, NULL, NULL), 2);
    ck_assert_ptr_nonnull(strstr(err, "there is no \"nonsense\"; there are"));
    ck_assert_int_eq(run("list", "--nonsense", NULL, NULL), 2);
    ck_assert_int_eq(run("list", "--help", NULL, NULL), 0);
    ck_assert_ptr_nonnull(strstr(out, "usage: ingestlayer dead list"));
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("command dead");
    TCase *t = tcase_create("command dead");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, no_store_is_no_letters);
    tcase_add_test(t, an_empty_store_too);
    tcase_add_test(t, lists_for_people);
    tcase_add_test(t, lists_as_json);
    tcase_add_test(t, shows_the_event);
    tcase_add_test(t, drops_for_good);
    tcase_add_test(t, letters_are_chosen);
    tcase_add_test(t, a_retry_needs_the_daemon);
    tcase_add_test(t, a_letter_under_way_is_listed_so);
    tcase_add_test(t, what_waits_is_listed_apart);
    tcase_add_test(t, what_waits_is_listed_as_json);
    tcase_add_test(t, what_waits_is_shown);
    tcase_add_test(t, chosen_by_time_and_reason);
    tcase_add_test(t, drops_of_both_kinds);
    tcase_add_test(t, a_retry_of_what_waits_needs_the_daemon);
    tcase_add_test(t, wrong_use_is_named);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_FORK); /* streams are sent elsewhere */
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
