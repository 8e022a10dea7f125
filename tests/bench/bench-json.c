/* SPDX-License-Identifier: MIT */
/* What the codec costs: nanoseconds per event of the workload W1 (about 181
 * bytes, batches of 500).  Run by hand: `make bench-json`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "codec/event.h"
#include "codec/json.h"

#define EVENTS 500
#define ROUNDS 2000

static double
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

static void
die(const char *what)
{
    fprintf(stderr, "bench-json: %s failed\n", what);
    exit(1);
}

static void
put_event(struct il_text *out, unsigned i)
{
    static const char *const features[] = { "csv.export",  "api.call",
                                            "report.view", "sso.login",
                                            "chart.edit",  "team.invite",
                                            "file.upload", "webhook.send",
                                            "search.run",  "audit.read" };
    static const char *const plans[] = { "free", "pro", "team", "enterprise" };
    unsigned user = (unsigned) rand() % 100000;
    char id[EVENT_MADE_ID], time[TIME_TEXT];
    uint8_t random[10];
    int64_t us = 1717200000000000 + (int64_t) i * 1000;

    for (int k = 0; k < 10; k++)
        random[k] = (uint8_t) rand();
    event_make_id(id, us, random);
    time_format(time, us);
    text_printf(out,
                "{\"id\":\"%.*s\",\"type\":\"feature.used\",\"timestamp\":"
                "\"%s\",\"payload\":{\"user_id\":\"u_%06u\",\"feature\":\"%s\""
                ",\"count\":%u,\"plan\":\"%s\"}}",
                EVENT_MADE_ID, id, time, user, features[rand() % 10],
                1u + (rand() % 16 == 0), plans[user & 3]);
}

/* What is measured: each does one batch. */

static struct il_text body, packed, out, scratch;
static struct event events[EVENTS];

static void
run_value(void)
{
    struct json_error error;
    out.len = 0;
    if (json_to_msgpack(body.data, body.len, &out, &error))
        die("json_to_msgpack");
}

static void
run_skip(void)
{
    struct json_reader r;
    json_open(&r, body.data, body.len, 64);
    if (json_skip(&r) || json_close(&r))
        die("json_skip");
}

/* As the gate reads an event: members of the envelope one by one. */
static void
read_envelope(struct json_reader *r, struct event *e)
{
    struct slice key, text;
    size_t at = out.len;

    if (json_enter(r))
        die("json_enter");
    for (int first = 1; json_next(r, first) == 1; first = 0) {
        if (json_key(r, &scratch, &key))
            die("json_key");
        if (slice_equal(key, SLICE("payload"))) {
            if (json_value(r, &out))
                die("json_value");
            continue;
        }
        if (json_string(r, &scratch, &text))
            die("json_string");
        if (slice_equal(key, SLICE("id")))
            e->id = text;
        else if (slice_equal(key, SLICE("type")))
            e->type = text;
        else if (time_parse(text.ptr, text.len, &e->timestamp_us))
            die("time_parse");
    }
    e->source_id = SLICE("app");
    e->payload = slice_of(out.data + at, out.len - at);
    e->received_us = 1717200000000000;
}

static void
run_gate(void)
{
    struct json_reader r;
    struct event e = { 0 };

    out.len = packed.len = 0;
    json_open(&r, body.data, body.len, 64);
    json_enter(&r);
    for (int first = 1; json_next(&r, first) == 1; first = 0) {
        out.len = 0;
        read_envelope(&r, &e);
        size_t at = packed.len;
        if (event_pack(&packed, &e))
            die("event_pack");
        (void) at;
    }
    if (json_close(&r))
        die("reading the envelopes");
}

static void
index_events(void)
{
    const char *p = packed.data, *end = p + packed.len;
    for (int i = 0; i < EVENTS; i++) {
        const char *start = p;
        if (msg_skip(&p, end)
            || event_unpack(start, (size_t) (p - start), &events[i]))
            die("event_unpack");
    }
}

static void
run_find(void)
{
    struct il_value map, v;
    for (int i = 0; i < EVENTS; i++) {
        const char *p = events[i].payload.ptr;
        if (msg_head(&p, p + events[i].payload.len, &map)
            || !msg_find(&map, "plan", 4, &v))
            die("msg_find");
    }
}

static void
run_write(void)
{
    struct il_value map;
    out.len = 0;
    for (int i = 0; i < EVENTS; i++) {
        const char *p = events[i].payload.ptr;
        if (msg_head(&p, p + events[i].payload.len, &map)
            || json_write(&out, &map, IL_JSON_FOR_POSTGRES) < 0)
            die("json_write");
    }
}

static void
measure(const char *name, void (*run)(void))
{
    double best = 1e30;
    for (int i = 0; i < 5; i++) {
        double start = now_ns();
        for (int k = 0; k < ROUNDS / 5; k++)
            run();
        double ns = (now_ns() - start) / (ROUNDS / 5) / EVENTS;
        best = ns < best ? ns : best;
    }
    printf("%-34s %7.1f ns/event\n", name, best);
}

int
main(void)
{
    for (unsigned i = 0; i < EVENTS; i++) {
        text_puts(&body, i ? "," : "[");
        put_event(&body, i);
    }
    text_puts(&body, "]");
    printf("%d events, mean %.1f bytes; best of five\n", EVENTS,
           (double) body.len / EVENTS);
    measure("json_skip", run_skip);
    measure("json_to_msgpack", run_value);
    measure("envelope, payload, event_pack", run_gate);
    index_events();
    measure("event_unpack (and skip)", index_events);
    measure("msg_find of the fourth field", run_find);
    measure("json_write of the payload", run_write);
    return 0;
}
