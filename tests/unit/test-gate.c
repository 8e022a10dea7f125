/* SPDX-License-Identifier: MIT */
/* The gate without HTTP: shapes of bodies, refusals, duplicates, answers. */
#include "tempdir.h"
#include "base/log.h"
#include "gate/private.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *dir;
static struct spool *spool;
static struct idem *idem;
static struct dead *dead;
static struct schema *schema;
static struct gate *gate;
static struct gate_source *app;
static struct il_text answer;
static int status;

static char *
path_of(const char *name)
{
    static char path[4][512];
    static int i;
    i = (i + 1) % 4;
    snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
    return path[i];
}

static void
open_all(void)
{
    struct spool_recovery found;
    struct spool_options so = { .dir = path_of("spool"),
                                .segment_bytes = 64 << 20,
                                .buffer_bytes = 8 << 20 };
    struct idem_options io = { .dir = path_of("idem"),
                               .window_us = INT64_C(86400000000),
                               .max_keys = 1000000 };
    ck_assert_int_eq(spool_open(&so, &spool, &found), 0);
    ck_assert_int_eq(idem_open(&io, spool, &idem), 0);
    ck_assert_int_eq(dead_open(path_of("dead"), 0, &dead), 0);
    struct gate_options go = { .spool = spool, .idem = idem, .dead = dead,
                               .max_event_bytes = 100000 };
    ck_assert_int_eq(gate_new(&go, &gate), 0);
    ck_assert_int_eq(gate_source_new(gate, "app", 0, NULL, NULL, &app), 0);
    gate_source_declare(app, schema);
    ck_assert_int_eq(gate_start(gate), 0);
}

static void
close_all(void)
{
    gate_stop(gate);
    idem_close(idem);
    spool_close(spool);
    gate_free(gate);
    dead_close(dead);
}

static void
setup(void)
{
    log_level_set(IL_LOG_ERROR);
    dir = tempdir_make();
    schema = NULL;
    open_all();
}

static void
teardown(void)
{
    close_all();
    schema_free(schema);
    text_clear(&answer);
    tempdir_remove(dir);
}

static void
wait_for(const struct gate_batch *b)
{
    struct gate_ticket t;
    gate_ticket_fill(b, &t);
    spool_push(spool); /* as a loop does at the end of its round */
    for (int i = 0; i < 5000 && !gate_outcome(gate, &t); i++)
        usleep(1000);
    ck_assert_int_eq(gate_outcome(gate, &t), 1);
}

/* Pass a body; the answer's status, its text in answer. */
static int
pass_as(struct gate_source *source, const char *body, size_t len, int ndjson,
        uint32_t max)
{
    /* a copy of exactly this size, so that a checker sees a read beyond */
    char *copy = malloc(len ? len : 1);
    memcpy(copy, body, len);
    struct gate_batch *b = gate_batch_take(gate, source);
    int err = gate_parse(b, slice_of(copy, len), ndjson, max);
    ck_assert(err == 0 || (err == -EINVAL && b->code));
    if (!err && b->refused < b->count)
        ck_assert_int_eq(gate_commit(b), 0);
    if (!err)
        gate_keep_refused(b);
    else
        gate_keep_body(source, b->sender, b->code, b->message,
                       slice_of(copy, len));
    answer.len = 0;
    ck_assert_int_eq(gate_answer(&answer, b, &status), 0);
    if (!err && (b->accepted || b->duplicates))
        wait_for(b);
    gate_batch_give(b);
    free(copy);
    struct json_error error;
    struct il_text msg = { 0 };
    ck_assert_msg(json_to_msgpack(answer.data, answer.len, &msg, &error) == 0,
                  "%s", text_str(&answer));
    text_clear(&msg);
    return status;
}

static int
pass(const char *body)
{
    return pass_as(app, body, strlen(body), 0, 500);
}

static int
pass_lines(const char *body)
{
    return pass_as(app, body, strlen(body), 1, 500);
}

static int
says(const char *text)
{
    return strstr(text_str(&answer), text) != NULL;
}

#define CK_SAYS(text) ck_assert_msg(says(text), "%s", text_str(&answer))

/* --- what is in the spool, as JSON without times of receipt --------------- */

static char stored[8192];
static const struct il_text *frames;
static uint32_t stored_count;

static int
show(void *arg, uint64_t position, size_t offset, size_t len)
{
    struct event ev;
    struct il_text json = { 0 };
    (void) arg;
    (void) position;
    ck_assert_int_eq(event_unpack(frames->data + offset, len, &ev), 0);
    ck_assert_int_gt(ev.received_us, INT64_C(1600000000000000));
    ck_assert(slice_equal(ev.source_id, SLICE("app")));
    ev.received_us = 0;
    ck_assert_int_eq(event_json(&json, &ev), 0);
    size_t at = strlen(stored);
    snprintf(stored + at, sizeof(stored) - at, "%s%s%.*s\n", text_str(&json),
             ev.key.ptr ? " key " : "", (int) ev.key.len,
             ev.key.ptr ? ev.key.ptr : "");
    text_clear(&json);
    stored_count++;
    return 0;
}

static const char *
spooled(void)
{
    struct spool_reader *r;
    struct il_text text = { 0 };
    uint64_t last;
    frames = &text;
    stored[0] = 0;
    stored_count = 0;
    ck_assert_int_eq(spool_reader_open(spool, 0, &r), 0);
    while (spool_reader_read(r, &text, 1 << 20, 1000, 0, &last, show, NULL) > 0)
        text.len = 0;
    spool_reader_close(r);
    text_clear(&text);
    /* the middle that all lines share */
    static char out[8192];
    const char *middle = ",\"source_id\":\"app\",\"received_at\":"
                         "\"1970-01-01T00:00:00Z\"";
    char *o = out;
    for (const char *p = stored; *p;) {
        if (!strncmp(p, middle, strlen(middle)))
            p += strlen(middle);
        else
            *o++ = *p++;
    }
    *o = 0;
    return out;
}

/* --- shapes --------------------------------------------------------------- */

#define E1 "{\"id\":\"a\",\"type\":\"t.x\",\"payload\":{\"n\":1.10}}"
#define E2                                                                    \
    "{\"payload\":{\"s\":\"\\ud83d\\ude00\"},\"type\":\"t.y\",\"id\":\"b\"}"
#define S1 "{\"id\":\"a\",\"type\":\"t.x\",\"payload\":{\"n\":1.10}}\n"
#define S2 "{\"id\":\"b\",\"type\":\"t.y\",\"payload\":{\"s\":\"\U0001f600\"}}\n"

START_TEST(every_shape_carries_events)
{
    static const char *const shapes[] = {
        "[" E1 "," E2 "]",
        " [ " E1 " , " E2 " ] \n",
        "{\"events\":[" E1 "," E2 "]}",
        "{ \"events\" : [ " E1 "," E2 "] }\r\n",
        "{\"\\u0065vents\":[" E1 "," E2 "]}",
    };
    ck_assert_int_eq(pass(shapes[_i]), 202);
    CK_SAYS("{\"data\":{\"accepted\":2,\"duplicates\":0,\"events\":["
            "{\"index\":0,\"id\":\"a\",\"status\":\"accepted\"},"
            "{\"index\":1,\"id\":\"b\",\"status\":\"accepted\"}]}}");
    ck_assert_str_eq(spooled(), S1 S2);
}
END_TEST

START_TEST(lines_carry_events)
{
    ck_assert_int_eq(pass_lines("\n" E1 "\r\n  \n" E2), 202);
    ck_assert_str_eq(spooled(), S1 S2);
}
END_TEST

START_TEST(a_bare_event_is_enough)
{
    ck_assert_int_eq(pass(E1), 202);
    ck_assert_int_eq(pass(E2), 202);
    ck_assert_str_eq(spooled(), S1 S2);
}
END_TEST

/* The fields of an event in any order, payload first, middle and last. */
START_TEST(order_of_fields_does_not_matter)
{
    static const char *const fields[]
        = { "\"id\":\"i\"", "\"type\":\"t\"", "\"idempotencyKey\":\"k\"",
            "\"timestamp\":\"2026-01-02T03:04:05Z\"",
            "\"payload\":{\"a\":[1,{\"b\":null}]}" };
    int order[5] = { _i / 24, _i / 6 % 4, _i / 2 % 3, _i % 2, 0 };
    char body[400] = "{";
    int used[5] = { 0 };
    for (int i = 0; i < 5; i++) {
        int k = 0, skip = order[i];
        while (used[k] || skip--)
            k++;
        used[k] = 1;
        strcat(strcat(body, i ? "," : ""), fields[k]);
    }
    strcat(body, "}");
    ck_assert_msg(pass(body) == 202, "%s: %s", body, text_str(&answer));
    ck_assert_str_eq(spooled(),
                     "{\"id\":\"i\",\"type\":\"t\",\"timestamp\":"
                     "\"2026-01-02T03:04:05Z\",\"payload\":{\"a\":[1,{\"b\":"
                     "null}]}} key k\n");
}
END_TEST

START_TEST(escapes_in_fields_are_undone)
{
    ck_assert_int_eq(pass("{\"\\u0069d\":\"\\u0061\\\"\",\"type\":\"t\\u002e\","
                          "\"idempotencyKey\":\"\\u006b\",\"payload\":{}}"),
                     202);
    ck_assert_str_eq(spooled(), "{\"id\":\"a\\\"\",\"type\":\"t.\",\"payload\":"
                                "{}} key k\n");
    CK_SAYS("\"id\":\"a\\\"\"");
}
END_TEST

START_TEST(ids_are_made_and_differ)
{
    ck_assert_int_eq(pass("[{\"type\":\"t\",\"payload\":{}},"
                          "{\"payload\":{},\"type\":\"t\",\"id\":null}]"),
                     202);
    const char *one = strstr(text_str(&answer), "\"evt_"), *two;
    ck_assert_ptr_nonnull(one);
    two = strstr(one + 1, "\"evt_");
    ck_assert_ptr_nonnull(two);
    ck_assert_int_eq(one[31], '"');
    ck_assert_int_ne(memcmp(one, two, 31), 0);
    spooled();
    ck_assert_uint_eq(stored_count, 2);
}
END_TEST

/* --- bodies that are refused ---------------------------------------------- */

START_TEST(bad_bodies)
{
    static const struct {
        const char *body;
        int status;
        const char *says;
    } rows[] = {
        { "", 400, "\"no_events\"" },
        { "  \n", 400, "\"no_events\"" },
        { "[]", 400, "\"no_events\"" },
        { "{\"events\":[]}", 400, "\"no_events\"" },
        { "17", 400, "\"bad_body\"" },
        { "\"text\"", 400, "got a string" },
        { "null", 400, "got null" },
        { "{\"events\":{}}", 400, "must be an array, not an object" },
        { "{\"events\":null}", 400, "must be an array, not null" },
        { "{\"events\":[],\"more\":1}", 400, "beside \\\"events\\\"" },
        { "{", 400, "\"bad_json\"" },
        { "[" E1, 400, "\"bad_json\"" },
        { "[" E1 ",]", 400, "\"bad_json\"" },
        { "[\n" E1 ",\n {\"type\": tru}]", 400, "line 3, column 11" },
        { E1 E1, 400, "application/x-ndjson" },
        { E1 "\n" E2, 400, "application/x-ndjson" },
        { "[" E1 "] x", 400, "\"bad_json\"" },
        { "[{\"type\":\"t\",\"payload\":{\"a\":1,\"a\":2}}]", 400,
          "\"bad_json\"" },
        { "{\"type\":\"t\",\"payload\":{\"a\":\"\xff\"}}", 400,
          "\"bad_json\"" },
        { "nonsense", 400, "\"bad_json\"" },
    };
    ck_assert_int_eq(pass(rows[_i].body), rows[_i].status);
    CK_SAYS(rows[_i].says);
    CK_SAYS("{\"error\":{\"message\":\"");
    spooled();
    ck_assert_uint_eq(stored_count, 0);
    dead_flush(dead);
    ck_assert_uint_eq(dead_count(dead, "gate/app"), 1);
}
END_TEST

START_TEST(too_many_events)
{
    ck_assert_int_eq(pass_as(app, "[" E1 "," E2 "]", strlen("[" E1 "," E2 "]"),
                             0, 1),
                     413);
    CK_SAYS("\"too_many_events\"");
    ck_assert_int_eq(pass_as(app, E1 "\n" E2, strlen(E1 "\n" E2), 1, 1), 413);
    spooled();
    ck_assert_uint_eq(stored_count, 0);
}
END_TEST

START_TEST(nesting_has_a_limit)
{
    char body[600] = "{\"type\":\"t\",\"payload\":{\"a\":";
    for (int i = 0; i < 200; i++)
        strcat(body, "[");
    ck_assert_int_eq(pass(body), 400);
    CK_SAYS("nested too deep");
}
END_TEST

/* --- events that are refused ---------------------------------------------- */

#define LONG                                                                  \
    "0123456789012345678901234567890123456789012345678901234567890123"         \
    "0123456789012345678901234567890123456789012345678901234567890123"

START_TEST(bad_events)
{
    static const struct {
        const char *event, *path, *rule;
    } rows[] = {
        { "{}", "type", "required" },
        { "{\"type\":\"t\"}", "payload", "required" },
        { "{\"type\":\"t\",\"payload\":null}", "payload", "required" },
        { "{\"payload\":{}}", "type", "required" },
        { "{\"type\":null,\"payload\":{}}", "type", "required" },
        { "{\"type\":1,\"payload\":{}}", "type", "type" },
        { "{\"type\":\"\",\"payload\":{}}", "type", "length" },
        { "{\"type\":\" t\",\"payload\":{}}", "type", "characters" },
        { "{\"type\":\"t\\n\",\"payload\":{}}", "type", "characters" },
        { "{\"type\":\"t\\u0085\",\"payload\":{}}", "type", "characters" },
        { "{\"type\":\"t\\ud800\",\"payload\":{}}", "type", "characters" },
        { "{\"type\":\"" LONG "x\",\"payload\":{}}", "type", "length" },
        { "{\"type\":\"t\",\"payload\":[]}", "payload", "type" },
        { "{\"type\":\"t\",\"payload\":\"{}\"}", "payload", "type" },
        { "{\"type\":\"t\",\"payload\":{},\"payload\":{}}", "payload",
          "duplicate" },
        { "{\"type\":\"t\",\"type\":\"t\",\"payload\":{}}", "type",
          "duplicate" },
        { "{\"type\":\"t\",\"payload\":{},\"id\":\"\"}", "id", "length" },
        { "{\"type\":\"t\",\"payload\":{},\"id\":7}", "id", "type" },
        { "{\"type\":\"t\",\"payload\":{},\"id\":\"" LONG "x\"}", "id",
          "length" },
        { "{\"id\":\"\\u0061" LONG LONG "\",\"idempotencyKey\":\"\\u0061" LONG
          LONG LONG LONG "\",\"type\":\"t\",\"payload\":{}}",
          "id", "length" },
        { "{\"type\":\"t\",\"payload\":{},\"idempotencyKey\":\"\"}",
          "idempotencyKey", "length" },
        { "{\"type\":\"t\",\"payload\":{},\"timestamp\":\"yesterday\"}",
          "timestamp", "format" },
        { "{\"type\":\"t\",\"payload\":{},\"timestamp\":1700000000}",
          "timestamp", "type" },
        { "{\"type\":\"t\",\"payload\":{},\"user\":1}", "user", "unknown" },
        { "{\"type\":\"t\",\"payload\":{},\"\":1}", "", "unknown" },
        { "{\"type\":\"t\",\"payload\":{},\"events\":[]}", "events",
          "unknown" },
        { "{\"type\":\"t\",\"payload\":{},\"source_id\":\"x\"}", "source_id",
          "unknown" },
    };
    char want[200], mixed[2000];
    ck_assert_int_eq(pass(rows[_i].event), 422);
    snprintf(want, sizeof(want),
             "\"problems\":[{\"index\":0,\"path\":\"%s\",\"rule\":\"%s\"",
             rows[_i].path, rows[_i].rule);
    CK_SAYS(want);
    CK_SAYS("\"code\":\"invalid_event\"");
    snprintf(mixed, sizeof(mixed), "[" E1 ",%s," E2 "]", rows[_i].event);
    ck_assert_int_eq(pass(mixed), 202);
    snprintf(want, sizeof(want),
             "{\"index\":1,\"status\":\"rejected\",\"code\":\"invalid_event\","
             "\"problems\":[{\"path\":\"%s\",\"rule\":\"%s\"",
             rows[_i].path, rows[_i].rule);
    CK_SAYS(want);
    CK_SAYS("{\"data\":{\"accepted\":2,\"duplicates\":0,\"rejected\":1,");
    ck_assert_str_eq(spooled(), S1 S2);
    dead_flush(dead);
    ck_assert_uint_eq(dead_count(dead, "gate/app"), 2);
}
END_TEST

START_TEST(elements_have_to_be_objects)
{
    ck_assert_int_eq(pass("[1,\"x\",null,[],true," E1 "]"), 202);
    CK_SAYS("\"rejected\":5");
    CK_SAYS("expected an event object, got a boolean");
    ck_assert_str_eq(spooled(), S1);
}
END_TEST

START_TEST(unknown_fields_name_the_nearest)
{
    pass("{\"type\":\"t\",\"payload\":{},\"idempotency_key\":\"k\"}");
    CK_SAYS("did you mean \\\"idempotencyKey\\\"?");
    pass("{\"type\":\"t\",\"payload\":{},\"colour\":\"k\"}");
    CK_SAYS("belongs into the payload");
}
END_TEST

START_TEST(all_problems_of_an_event_are_told)
{
    ck_assert_int_eq(pass("{\"id\":1,\"timestamp\":2,\"payload\":3,\"x\":4}"),
                     422);
    CK_SAYS("\"path\":\"id\"");
    CK_SAYS("\"path\":\"timestamp\"");
    CK_SAYS("\"path\":\"payload\"");
    CK_SAYS("\"path\":\"x\"");
    CK_SAYS("\"path\":\"type\"");
}
END_TEST

START_TEST(bad_lines_concern_themselves)
{
    ck_assert_int_eq(pass_lines(E1 "\n{\"type\":\n" E2 "\n" E1 " x\n"), 202);
    CK_SAYS("\"accepted\":2,\"duplicates\":0,\"rejected\":2");
    CK_SAYS("{\"index\":1,\"status\":\"rejected\",\"code\":\"bad_json\"");
    CK_SAYS("line 2 is not valid JSON");
    CK_SAYS("{\"index\":3,\"status\":\"rejected\",\"code\":\"bad_json\"");
    ck_assert_str_eq(spooled(), S1 S2);
    ck_assert_int_eq(pass_lines("{\"type\":\n\"t\",\n}\n"), 400);
    CK_SAYS("\"code\":\"bad_json\"");
}
END_TEST

/* A line that had its key before its tail turned out bad must not make the
 * next one with that key its duplicate. */
START_TEST(a_bad_line_leaves_no_key)
{
    ck_assert_int_eq(pass_lines(E1 " x\n" E1 "\n"), 202);
    CK_SAYS("{\"index\":1,\"id\":\"a\",\"status\":\"accepted\"}");
    ck_assert_str_eq(spooled(), S1);
}
END_TEST

START_TEST(large_events_are_refused)
{
    size_t size = 100100;
    char *body = malloc(size + 100);
    int n = sprintf(body, "{\"type\":\"t\",\"payload\":{\"a\":\"");
    memset(body + n, 'x', size);
    strcpy(body + n + size, "\"}}");
    ck_assert_int_eq(pass(body), 413);
    CK_SAYS("\"event_too_large\"");
    strcpy(body + n + 99000, "\"}}");
    ck_assert_int_eq(pass(body), 202);
    free(body);
}
END_TEST

/* The answer to a hostile body stays in proportion. */
START_TEST(problems_are_bounded)
{
    struct il_text body = { 0 };
    text_puts(&body, "[");
    for (int i = 0; i < 500; i++) {
        text_printf(&body, "%s{", i ? "," : "");
        for (int k = 0; k < 100; k++)
            text_printf(&body, "%s\"%d\":0", k ? "," : "", k);
        text_puts(&body, "}");
    }
    text_puts(&body, "]");
    ck_assert_int_eq(pass_as(app, body.data, body.len, 0, 500), 422);
    ck_assert_uint_lt(answer.len, body.len);
    text_clear(&body);
}
END_TEST

/* --- duplicates ----------------------------------------------------------- */

START_TEST(a_second_time_is_a_duplicate)
{
    ck_assert_int_eq(pass(E1), 202);
    ck_assert_int_eq(pass("[" E1 "," E2 "]"), 202);
    CK_SAYS("\"accepted\":1,\"duplicates\":1");
    CK_SAYS("{\"index\":0,\"id\":\"a\",\"status\":\"duplicate\"}");
    ck_assert_int_eq(pass(E1), 202);
    CK_SAYS("\"accepted\":0,\"duplicates\":1");
    ck_assert_str_eq(spooled(), S1 S2);
}
END_TEST

START_TEST(twice_in_one_request_is_a_duplicate)
{
    ck_assert_int_eq(pass("[" E1 "," E1 "," E2 "," E1 "]"), 202);
    CK_SAYS("\"accepted\":2,\"duplicates\":2");
    CK_SAYS("{\"index\":3,\"id\":\"a\",\"status\":\"duplicate\"}");
    ck_assert_str_eq(spooled(), S1 S2);
}
END_TEST

START_TEST(the_key_decides_and_the_first_id_is_told)
{
    const char *fmt = "{\"id\":\"%s\",\"idempotencyKey\":\"%s\",\"type\":\"t\","
                      "\"payload\":{}}";
    char body[200];
    snprintf(body, sizeof(body), fmt, "x", "k");
    ck_assert_int_eq(pass(body), 202);
    snprintf(body, sizeof(body), fmt, "y", "k");
    ck_assert_int_eq(pass(body), 202);
    CK_SAYS("{\"index\":0,\"id\":\"x\",\"status\":\"duplicate\"}");
    ck_assert_int_eq(pass("[{\"idempotencyKey\":\"m\",\"type\":\"t\","
                          "\"payload\":{}},{\"idempotencyKey\":\"m\",\"type\":"
                          "\"t\",\"payload\":{}}]"),
                     202);
    const char *one = strstr(text_str(&answer), "evt_");
    ck_assert_ptr_nonnull(one);
    ck_assert_ptr_nonnull(strstr(one + 1, "evt_"));
    ck_assert_int_eq(memcmp(one, strstr(one + 1, "evt_"), 30), 0);
}
END_TEST

START_TEST(sources_have_keys_of_their_own)
{
    struct gate_source *other;
    ck_assert_int_eq(gate_source_new(gate, "other", 0, NULL, NULL, &other), 0);
    ck_assert_int_eq(pass(E1), 202);
    ck_assert_int_eq(pass_as(other, E1, strlen(E1), 0, 500), 202);
    CK_SAYS("\"accepted\":1,\"duplicates\":0");
}
END_TEST

START_TEST(duplicates_are_known_after_a_restart)
{
    ck_assert_int_eq(pass("[" E1 "," E2 "]"), 202);
    close_all();
    open_all();
    ck_assert_int_eq(pass("[" E2 "," E1 "]"), 202);
    CK_SAYS("\"accepted\":0,\"duplicates\":2");
    ck_assert_str_eq(spooled(), S1 S2);
}
END_TEST

/* An index that is made anew from the spool says the same as one that was
 * there all the time. */
START_TEST(duplicates_hear_the_first_id_from_a_rebuilt_index)
{
    const char *keyed = "{\"idempotencyKey\":\"a\",\"type\":\"t\","
                        "\"payload\":{}}";
    char command[600];
    for (int rebuilt = 0; rebuilt < 2; rebuilt++) {
        ck_assert_int_eq(pass(E1), 202);
        CK_SAYS(rebuilt ? "\"id\":\"a\",\"status\":\"duplicate\"}"
                        : "\"id\":\"a\",\"status\":\"accepted\"}");
        ck_assert_int_eq(pass(keyed), 202);
        CK_SAYS("{\"index\":0,\"id\":\"a\",\"status\":\"duplicate\"}");
        close_all();
        snprintf(command, sizeof(command), "rm -r '%s'", path_of("idem"));
        ck_assert_int_eq(system(command), 0);
        open_all();
    }
    ck_assert_str_eq(spooled(), S1);
}
END_TEST

static void
many(struct il_text *body, int n, const char *fmt)
{
    body->len = 0;
    text_puts(body, "[");
    for (int i = 0; i < n; i++) {
        text_puts(body, i ? "," : "");
        text_printf(body, fmt, i);
    }
    text_puts(body, "]");
}

START_TEST(long_receipts_leave_out_what_the_sender_knows)
{
    struct il_text body = { 0 };
    const char *with_id = "{\"id\":\"id-%d\",\"type\":\"t\",\"payload\":{}}";
    many(&body, 32, with_id);
    ck_assert_int_eq(pass_as(app, body.data, body.len, 0, 500), 202);
    CK_SAYS("{\"index\":31,\"id\":\"id-31\",\"status\":\"accepted\"}");
    many(&body, 33, with_id);
    ck_assert_int_eq(pass_as(app, body.data, body.len, 0, 500), 202);
    CK_SAYS("\"accepted\":1,\"duplicates\":32,");
    CK_SAYS("{\"index\":31,\"id\":\"id-31\",\"status\":\"duplicate\"}]}}");
    many(&body, 40, "{\"type\":\"t%d\",\"payload\":{}}");
    ck_assert_int_eq(pass_as(app, body.data, body.len, 0, 500), 202);
    CK_SAYS("{\"index\":39,\"id\":\"evt_");
    text_clear(&body);
}
END_TEST

START_TEST(large_batches_keep_their_order)
{
    struct il_text body = { 0 };
    many(&body, 5000, "{\"id\":\"id-%d\",\"type\":\"t\",\"payload\":{}}");
    ck_assert_int_eq(pass_as(app, body.data, body.len, 0, 5000), 202);
    CK_SAYS("{\"data\":{\"accepted\":5000,\"duplicates\":0,\"events\":[]}}");
    ck_assert_int_eq(pass_as(app, body.data, body.len, 0, 5000), 202);
    CK_SAYS("{\"data\":{\"accepted\":0,\"duplicates\":5000,");
    text_clear(&body);
    spooled();
    ck_assert_uint_eq(stored_count, 5000);
}
END_TEST

/* --- declared events ------------------------------------------------------ */

static void
setup_declared(void)
{
    struct schema_event *event;
    log_level_set(IL_LOG_ERROR);
    dir = tempdir_make();
    schema = schema_new();
    schema_add_event(schema, "feature.used", 0, &event);
    schema_add_field(&event->object, "user_id", SCHEMA_STRING, 1, NULL);
    schema_add_field(&event->object, "count", SCHEMA_NUMBER, 0, NULL);
    open_all();
}

START_TEST(declared_payloads_are_checked)
{
    ck_assert_int_eq(pass("{\"type\":\"feature.used\",\"payload\":{\"count\":"
                          "\"3\",\"usr_id\":\"u\"}}"),
                     422);
    CK_SAYS("\"code\":\"schema\"");
    CK_SAYS("{\"index\":0,\"path\":\"payload.count\",\"rule\":\"type\"");
    CK_SAYS("\"path\":\"payload.usr_id\",\"rule\":\"unknown\"");
    CK_SAYS("\"path\":\"payload.user_id\",\"rule\":\"required\"");
    /* the type may come after the payload */
    ck_assert_int_eq(pass("{\"payload\":{\"user_id\":1},\"type\":"
                          "\"feature.used\"}"),
                     422);
    ck_assert_int_eq(pass("{\"payload\":{\"user_id\":\"u\"},\"type\":"
                          "\"feature.used\"}"),
                     202);
}
END_TEST

/* --- keys of declarations --- */

static const char *
id_of_first(void)
{
    static char id[EVENT_ID_MAX + 1];
    const char *at = strstr(text_str(&answer), "\"id\":\"");
    ck_assert_msg(at != NULL, "%s", text_str(&answer));
    at += strlen("\"id\":\"");
    snprintf(id, sizeof(id), "%.*s", (int) strcspn(at, "\""), at);
    return id;
}

static void
setup_keys(void)
{
    struct schema_event *event;
    struct schema_node *node;
    struct lang_error error;
    log_level_set(IL_LOG_ERROR);
    dir = tempdir_make();
    setenv("INGESTLAYER_CLOCK_FILE", path_of("clock"), 1);
    schema = schema_new();
    schema_add_event(schema, "order", 1, &event);
    schema_add_field(&event->object, "order", SCHEMA_OBJECT, 0, &node);
    schema_add_field(schema_add_object(node, 1), "id", SCHEMA_STRING, 0, NULL);
    ck_assert_int_eq(ref_parse("order.id", 8, REF_BARE, &event->key, &error),
                     0);
    schema_add_event(schema, "count", 1, &event);
    schema_add_field(&event->object, "n", SCHEMA_INTEGER, 0, NULL);
    ck_assert_int_eq(ref_parse("n", 1, REF_BARE, &event->key, &error), 0);
    event->window_us = INT64_C(600000000);
    open_all();
}

START_TEST(a_declared_field_is_the_key)
{
    static const char *const bodies[] = {
        "{\"type\":\"order\",\"payload\":{\"a\":1,\"order\":{\"id\":\"o-1\"}}}",
        "{\"payload\":{\"order\":{\"x\":[1],\"id\":\"o\\u002d1\"}},"
        "\"type\":\"order\"}",
        /* of the same source, whatever the type */
        "{\"type\":\"count\",\"payload\":{},\"idempotencyKey\":\"o-1\"}",
    };
    char first[EVENT_ID_MAX + 1];
    ck_assert_int_eq(pass(bodies[0]), 202);
    CK_SAYS("\"status\":\"accepted\"");
    snprintf(first, sizeof(first), "%s", id_of_first());
    ck_assert_int_eq(strncmp(first, "evt_", 4), 0);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(pass(bodies[i]), 202);
        CK_SAYS("\"accepted\":0,\"duplicates\":1");
        ck_assert_str_eq(id_of_first(), first);
    }
    /* the payload is whole, though the envelope grew before it */
    const char *all = spooled();
    ck_assert_uint_eq(stored_count, 1);
    ck_assert_ptr_nonnull(strstr(all, "\"type\":\"order\",\"payload\":{\"a\":1,"
                                      "\"order\":{\"id\":\"o-1\"}}} key o-1"));
}
END_TEST

START_TEST(the_field_counts_more_than_a_senders_key)
{
    ck_assert_int_eq(pass("[{\"type\":\"order\",\"id\":\"e1\",\"payload\":"
                          "{\"order\":{\"id\":\"o-1\"}}},"
                          "{\"type\":\"order\",\"idempotencyKey\":\"k\","
                          "\"payload\":{\"order\":{\"id\":\"o-1\"}}},"
                          "{\"payload\":{\"order\":{\"id\":\"o-1\"}},"
                          "\"type\":\"order\",\"id\":\"e2\","
                          "\"idempotencyKey\":\"k2\"},"
                          "{\"type\":\"order\",\"id\":\"e3\",\"payload\":"
                          "{\"order\":{\"id\":\"o-2\"}}}]"),
                     202);
    CK_SAYS("\"accepted\":2,\"duplicates\":2");
    ck_assert_str_eq(id_of_first(), "e1");
    const char *all = spooled();
    ck_assert_uint_eq(stored_count, 2);
    ck_assert_ptr_nonnull(strstr(all, "e1"));
    ck_assert_ptr_nonnull(strstr(all, " key o-2"));
}
END_TEST

/* As `printf 'app\0k' | sha256sum` begins, 16 bytes of it in base32. */
#define ID_OF_K "evt_7977HA86D5CSWZ9XAT87CCDPJF"
#define ID_OF_K_PUBLIC "evt_33YNVGXWNVZD634TD01BXK8ADR"
#define ID_OF_O1 "evt_2S2RAZYXH41QE5XBAE5A4VVT0N"

START_TEST(ids_of_keys_are_the_same_on_every_node)
{
    static const struct {
        const char *body, *id;
    } rows[] = {
        { "{\"idempotencyKey\":\"k\",\"type\":\"count\",\"payload\":{}}",
          ID_OF_K },
        { "{\"type\":\"count\",\"payload\":{},\"idempotencyKey\":\"k\"}",
          ID_OF_K },
        { "{\"id\":\"x\",\"type\":\"count\",\"payload\":{},"
          "\"idempotencyKey\":\"k\"}",
          "x" },
        { "{\"type\":\"order\",\"payload\":{\"order\":{\"id\":\"o-1\"}}}",
          ID_OF_O1 },
        { "{\"id\":\"x\",\"type\":\"order\",\"idempotencyKey\":\"k\","
          "\"payload\":{\"order\":{\"id\":\"o-1\"}}}",
          ID_OF_O1 },
        { "{\"payload\":{\"order\":{\"id\":\"o-1\"}},\"type\":\"order\","
          "\"id\":\"x\"}",
          ID_OF_O1 },
        { "{\"id\":\"x\",\"type\":\"order\",\"payload\":{}}", "x" },
        { "{\"type\":\"count\",\"payload\":{}}", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        teardown(); /* another node */
        setup_keys();
        gate_source_ids_of_keys(app);
        ck_assert_int_eq(pass(rows[i].body), 202);
        CK_SAYS("\"accepted\":1,");
        const char *id = id_of_first();
        if (rows[i].id)
            ck_assert_str_eq(id, rows[i].id);
        else
            ck_assert_int_eq(strncmp(id, "evt_0", 5), 0); /* a ULID */
        ck_assert_int_eq(pass(rows[i].body), 202);
        if (rows[i].id)
            CK_SAYS("\"duplicates\":1");
    }
}
END_TEST

START_TEST(ids_of_keys_differ_by_namespace)
{
    struct il_sender sender = { .publishable = 1 };
    static const char body[] = "{\"idempotencyKey\":\"k\",\"type\":\"t\","
                               "\"payload\":{}}";
    gate_source_ids_of_keys(app);
    for (int publishable = 0; publishable < 2; publishable++) {
        struct gate_batch *b = gate_batch_take(gate, app);
        b->sender = publishable ? &sender : NULL;
        ck_assert_int_eq(gate_parse(b, SLICE(body), 0, 10), 0);
        ck_assert_uint_eq(b->count, 1);
        struct slice id = gate_item_id(b, &b->items[0]);
        const char *expected = publishable ? ID_OF_K_PUBLIC : ID_OF_K;
        ck_assert(slice_equal(id, slice_of(expected, strlen(expected))));
        gate_batch_give(b);
    }
}
END_TEST

START_TEST(without_the_field_a_senders_key_counts)
{
    static const char *const bodies[]
        = { "{\"type\":\"order\",\"payload\":{}}",
            "{\"type\":\"order\",\"payload\":{\"order\":null}}",
            "{\"type\":\"order\",\"payload\":{\"order\":{\"id\":null}}}" };
    for (size_t i = 0; i < 6; i++) {
        ck_assert_int_eq(pass(bodies[i / 2]), 202);
        CK_SAYS("\"accepted\":1,");
    }
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(pass("{\"type\":\"order\",\"payload\":{},"
                              "\"idempotencyKey\":\"k\"}"), 202);
        CK_SAYS(i ? "\"duplicates\":1" : "\"accepted\":1");
    }
}
END_TEST

START_TEST(numbers_are_keys_by_their_digits)
{
    static const char *const numbers[]
        = { "7", "-7", "18446744073709551615", "123456789012345678901234567890" };
    char body[200];
    for (size_t i = 0; i < 8; i++) {
        snprintf(body, sizeof(body),
                 "{\"type\":\"count\",\"payload\":{\"n\":%s}}", numbers[i / 2]);
        ck_assert_int_eq(pass(body), 202);
        CK_SAYS(i % 2 ? "\"duplicates\":1" : "\"accepted\":1");
        snprintf(body, sizeof(body),
                 "{\"type\":\"count\",\"payload\":{},\"idempotencyKey\":\"%s\"}",
                 numbers[i / 2]);
        ck_assert_int_eq(pass(body), 202);
        CK_SAYS("\"duplicates\":1");
    }
}
END_TEST

START_TEST(a_field_that_is_no_key_is_a_problem)
{
    char body[400];
    ck_assert_int_eq(pass("{\"type\":\"order\",\"payload\":{\"order\":"
                          "{\"id\":\"\"}}}"), 422);
    CK_SAYS("{\"index\":0,\"path\":\"payload.order.id\",\"rule\":\"key\","
            "\"message\":\"is the idempotency key of the event and must be 1 "
            "to 128 bytes long, not 0\"}");
    ck_assert_int_eq(pass("{\"type\":\"order\",\"payload\":{\"order\":"
                          "{\"id\":\"a\\nb\"}}}"), 422);
    CK_SAYS("contains a control character");
    for (int n = 128; n <= 129; n++) {
        snprintf(body, sizeof(body), "{\"type\":\"order\",\"payload\":"
                 "{\"order\":{\"id\":\"%0*d\"}}}", n, 0);
        ck_assert_int_eq(pass(body), n == 128 ? 202 : 422);
    }
}
END_TEST

static void
clock_set(int seconds)
{
    FILE *f = fopen(path_of("clock"), "w");
    fprintf(f, "%d000000\n", seconds);
    fclose(f);
}

START_TEST(a_declaration_has_a_window_of_its_own)
{
    static const char count[] = "{\"type\":\"count\",\"payload\":{\"n\":1}}";
    static const char order[]
        = "{\"type\":\"order\",\"payload\":{\"order\":{\"id\":\"o\"}}}";
    for (int again = 0; again < 3; again++) {
        clock_set(again * 1000);
        ck_assert_int_eq(pass(count), 202);
        CK_SAYS("\"accepted\":1");
        clock_set(again * 1000 + 500);
        ck_assert_int_eq(pass(count), 202);
        CK_SAYS("\"duplicates\":1");
        ck_assert_int_eq(pass(order), 202);
        CK_SAYS(again ? "\"duplicates\":1" : "\"accepted\":1");
    }
    close_all();
    open_all();
    ck_assert_int_eq(pass(count), 202);
    CK_SAYS("\"duplicates\":1");
}
END_TEST

START_TEST(undeclared_types_are_refused)
{
    ck_assert_int_eq(pass("{\"type\":\"feature.use\",\"payload\":{}}"), 422);
    CK_SAYS("\"code\":\"undeclared_type\"");
    CK_SAYS("did you mean \\\"feature.used\\\"?");
    app->undeclared = 1;
    ck_assert_int_eq(pass("{\"type\":\"feature.use\",\"payload\":{}}"), 202);
}
END_TEST

static char letters[4096];

static int
show_letter(void *arg, const struct dead_letter *l)
{
    size_t at = strlen(letters);
    (void) arg;
    snprintf(letters + at, sizeof(letters) - at, "%s|%s|%s|%s|%.*s\n",
             l->reason.code, l->reason.field ? l->reason.field : "",
             l->reason.rule ? l->reason.rule : "", l->reason.message,
             (int) l->event.len, l->event.ptr);
    return 0;
}

START_TEST(refusals_are_kept)
{
    const char *bad = "{\"type\":\"feature.used\",\"payload\":{\"user_id\":7}}";
    char body[300];
    snprintf(body, sizeof(body),
             "[{\"type\":\"feature.used\",\"payload\":{\"user_id\":\"u\"}}, %s "
             "]",
             bad);
    ck_assert_int_eq(pass(body), 202);
    ck_assert_int_eq(pass("[1,"), 400);
    dead_flush(dead);
    letters[0] = 0;
    dead_each(dead, "gate/app", show_letter, NULL);
    char want[600];
    snprintf(want, sizeof(want),
             "schema|payload.user_id|type|expected a string, got a number|%s\n"
             "bad_json|||",
             bad);
    ck_assert_msg(!strncmp(letters, want, strlen(want)), "%s", letters);
}
END_TEST

/* --- offers of sources ---------------------------------------------------- */

static _Atomic int settled_ok, settled_retry;
static _Atomic uint64_t settled_token;

static void
settled(void *self, uint64_t token, int outcome)
{
    (void) self;
    settled_token = token;
    if (outcome == IL_OK)
        settled_ok++;
    else
        settled_retry++;
}

static struct il_event
offer(const char *type, const char *payload)
{
    return (struct il_event){ .struct_size = sizeof(struct il_event),
                              .encoding = IL_JSON,
                              .id = "offered",
                              .id_len = 7,
                              .type = type,
                              .type_len = strlen(type),
                              .payload = payload,
                              .payload_len = strlen(payload) };
}

static int
emit(struct gate_source *s, const struct il_event *events, size_t n,
     uint64_t token)
{
    struct il_emission e = { IL_SIZED(struct il_emission),
                             .events = events,
                             .count = n,
                             .event_size = sizeof(*events),
                             .token = token };
    const char *fault = NULL;
    return gate_emit(s, &e, &fault);
}

START_TEST(offers_are_settled_when_durable)
{
    struct gate_source *pull;
    ck_assert_int_eq(gate_source_new(gate, "pull", 0, settled, NULL, &pull), 0);
    settled_ok = settled_retry = 0;
    struct il_event e = offer("t", "{\"a\":1}");
    ck_assert_int_eq(emit(pull, &e, 1, 42), 0);
    for (int i = 0; i < 5000 && !settled_ok; i++)
        usleep(1000);
    ck_assert_int_eq(settled_ok, 1);
    ck_assert_uint_eq(settled_token, 42);
    /* a duplicate is settled as well */
    ck_assert_int_eq(emit(pull, &e, 1, 43), 0);
    for (int i = 0; i < 5000 && settled_ok < 2; i++)
        usleep(1000);
    ck_assert_int_eq(settled_ok, 2);
    ck_assert_uint_eq(settled_token, 43);
}
END_TEST

START_TEST(bad_offers_are_refused_and_kept)
{
    struct il_event e[2] = { offer("t", "[]"), offer("", "{}") };
    ck_assert_int_eq(emit(app, e, 2, 0), 0);
    ck_assert_uint_eq(dead_count(dead, "gate/app"), 2); /* already */
    e[0] = offer("t", "{\"a\":");
    ck_assert_int_eq(emit(app, e, 1, 0), 0);
    e[0] = offer("t", "\x81\xa1"
                      "a\x01");
    e[0].encoding = IL_MSGPACK;
    ck_assert_int_eq(emit(app, e, 1, 0), 0);
    e[0].payload = "\x81\xa1"
                   "a";
    e[0].payload_len = 3;
    ck_assert_int_eq(emit(app, e, 1, 0), 0);
    ck_assert_uint_eq(dead_count(dead, "gate/app"), 4);
}
END_TEST

START_TEST(a_stopped_gate_takes_nothing)
{
    struct gate_batch *b = gate_batch_take(gate, app);
    char why[200];
    ck_assert_int_eq(gate_ready(gate, why, sizeof(why)), 0);
    ck_assert_int_eq(gate_parse(b, SLICE(E1), 0, 10), 0);
    gate_stop(gate);
    ck_assert_int_eq(gate_commit(b), -ESHUTDOWN);
    gate_batch_give(b);
    ck_assert_int_ne(gate_ready(gate, why, sizeof(why)), 0);
    ck_assert_str_eq(why, "shutting down");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("gate");
    TCase *t = tcase_create("gate");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_shape_carries_events, 0, 5);
    tcase_add_test(t, lines_carry_events);
    tcase_add_test(t, a_bare_event_is_enough);
    tcase_add_loop_test(t, order_of_fields_does_not_matter, 0, 120);
    tcase_add_test(t, escapes_in_fields_are_undone);
    tcase_add_test(t, ids_are_made_and_differ);
    tcase_add_loop_test(t, bad_bodies, 0, 20);
    tcase_add_test(t, too_many_events);
    tcase_add_test(t, nesting_has_a_limit);
    tcase_add_loop_test(t, bad_events, 0, 27);
    tcase_add_test(t, elements_have_to_be_objects);
    tcase_add_test(t, unknown_fields_name_the_nearest);
    tcase_add_test(t, all_problems_of_an_event_are_told);
    tcase_add_test(t, bad_lines_concern_themselves);
    tcase_add_test(t, a_bad_line_leaves_no_key);
    tcase_add_test(t, large_events_are_refused);
    tcase_add_test(t, problems_are_bounded);
    tcase_add_test(t, a_second_time_is_a_duplicate);
    tcase_add_test(t, twice_in_one_request_is_a_duplicate);
    tcase_add_test(t, the_key_decides_and_the_first_id_is_told);
    tcase_add_test(t, ids_of_keys_differ_by_namespace);
    tcase_add_test(t, sources_have_keys_of_their_own);
    tcase_add_test(t, duplicates_are_known_after_a_restart);
    tcase_add_test(t, duplicates_hear_the_first_id_from_a_rebuilt_index);
    tcase_add_test(t, long_receipts_leave_out_what_the_sender_knows);
    tcase_add_test(t, large_batches_keep_their_order);
    tcase_add_test(t, offers_are_settled_when_durable);
    tcase_add_test(t, bad_offers_are_refused_and_kept);
    tcase_add_test(t, a_stopped_gate_takes_nothing);
    suite_add_tcase(s, t);
    t = tcase_create("declared");
    tcase_add_checked_fixture(t, setup_declared, teardown);
    tcase_add_test(t, declared_payloads_are_checked);
    tcase_add_test(t, undeclared_types_are_refused);
    tcase_add_test(t, refusals_are_kept);
    suite_add_tcase(s, t);
    t = tcase_create("keys");
    tcase_add_checked_fixture(t, setup_keys, teardown);
    tcase_add_test(t, a_declared_field_is_the_key);
    tcase_add_test(t, the_field_counts_more_than_a_senders_key);
    tcase_add_test(t, ids_of_keys_are_the_same_on_every_node);
    tcase_add_test(t, without_the_field_a_senders_key_counts);
    tcase_add_test(t, numbers_are_keys_by_their_digits);
    tcase_add_test(t, a_field_that_is_no_key_is_a_problem);
    tcase_add_test(t, a_declaration_has_a_window_of_its_own);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
