/* SPDX-License-Identifier: MIT */
/* webhook.out, or the plugin that is named, in a test host, driven line by line: a command and its arguments,
 * parted by tabs.  Each is answered with lines, the last of them ".".
 *
 *   open CONFIG       the options; what was found wrong
 *   event JSON        into the batch at hand
 *   again N SINCE_US  the next one comes again
 *   waiting ORDER     an event of it waits
 *   write MS          hand over and wait: the outcome, then a line an event:
 *                     state code flags delay target message
 *   async             hand over: the number of the batch
 *   await NUMBER MS   as write, and then it is the batch at hand
 *   clear             forget the batch at hand
 *   clock US          advance MS          stop
 *   held TARGET       counter NAME        gauge NAME
 *   paused, status, log, render I, probe, violations */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <testhost.h>

static struct testhost *host;
static const char *plugin = OUT_PLUGIN;
static uint32_t count;     /* events at hand */
static uint32_t away[256]; /* of batches that were handed over */

static void
say(const char *text)
{
    if (text && *text)
        printf("%s%s", text, text[strlen(text) - 1] == '\n' ? "" : "\n");
}

static void
show_event(uint32_t i)
{
    static const char *const states[] = { "kept", "dropped", "rejected", "done",
                                          "deferred" };
    const struct il_reason *why = testhost_reason(host, i);
    const struct il_deferral *d = testhost_deferral(host, i);
    if (d)
        why = d->why;
    printf("%s\t%s\t%u\t%" PRIu64 "\t%.*s\t%s\n",
           states[testhost_state(host, i)], why ? why->code : "",
           d ? d->flags : 0, d ? d->delay_ms : 0, d ? (int) d->target_len : 0,
           d ? d->target : "", why ? why->message : "");
}

static void
show_batch(int outcome)
{
    printf("%d\n", outcome);
    for (uint32_t i = 0; i < count; i++)
        show_event(i);
}

static void
run(char *command, char *a, char *b)
{
    struct il_again again = { IL_SIZED(struct il_again) };
    const uint32_t ms = b ? (uint32_t) atoi(b) : 0;
    int err = 0;
    if (!strcmp(command, "open")) {
        err = testhost_open(host, plugin, a);
        if (!err)
            err = testhost_start(host);
        printf("%d\n", err);
        say(testhost_findings(host));
    } else if (!strcmp(command, "event")) {
        printf("%d\n", testhost_event(host, a));
        count++;
    } else if (!strcmp(command, "again")) {
        again.attempts = (uint32_t) atoi(a);
        again.first_us = again.since_us = atoll(b);
        testhost_again(host, &again);
    } else if (!strcmp(command, "replayed")) {
        testhost_replayed(host);
    } else if (!strcmp(command, "waiting")) {
        testhost_waiting(host, a);
    } else if (!strcmp(command, "write")) {
        show_batch(testhost_write(host, (uint32_t) atoi(a)));
    } else if (!strcmp(command, "async")) {
        err = testhost_write_async(host);
        printf("%d\n", err);
        if (err > 0)
            away[err % 256] = count;
        count = 0;
    } else if (!strcmp(command, "await")) {
        err = testhost_await(host, atoi(a), ms);
        if (err >= 0)
            testhost_take_back(host, atoi(a));
        count = err >= 0 ? away[atoi(a) % 256] : 0;
        show_batch(err);
    } else if (!strcmp(command, "clear")) {
        testhost_clear(host);
        count = 0;
    } else if (!strcmp(command, "clock")) {
        testhost_clock(host, atoll(a));
    } else if (!strcmp(command, "advance")) {
        testhost_advance(host, (uint32_t) atoi(a));
    } else if (!strcmp(command, "stop")) {
        testhost_stop(host);
    } else if (!strcmp(command, "held")) {
        printf("%" PRId64 "\n", testhost_held(host, *a ? a : NULL));
    } else if (!strcmp(command, "counter")) {
        printf("%" PRIu64 "\n", testhost_counter(host, a));
    } else if (!strcmp(command, "gauge")) {
        printf("%" PRId64 "\n", testhost_gauge(host, a));
    } else if (!strcmp(command, "paused")) {
        say(testhost_paused(host));
    } else if (!strcmp(command, "status")) {
        say(testhost_status(host));
    } else if (!strcmp(command, "log")) {
        say(testhost_log(host));
    } else if (!strcmp(command, "render")) {
        say(testhost_render(host, (uint32_t) atoi(a), &err));
        printf("%d\n", err);
    } else if (!strcmp(command, "probe")) {
        say(testhost_probe(host, &err));
        printf("%d\n", err);
    } else if (!strcmp(command, "folder")) {
        say(testhost_state_dir(host));
    } else if (!strcmp(command, "violations")) {
        say(testhost_violations(host));
    } else {
        exit(2);
    }
}

int
main(int argc, char **argv)
{
    static char line[1 << 20];
    if (argc > 1)
        plugin = argv[1];
    host = testhost_new();
    while (host && fgets(line, sizeof(line), stdin)) {
        char none[1] = "", *rest = line, *command, *a, *b;
        line[strcspn(line, "\n")] = 0;
        command = strsep(&rest, "\t");
        a = rest ? strsep(&rest, "\t") : none;
        b = rest;
        run(command, a, b);
        puts(".");
        fflush(stdout);
    }
    testhost_free(host);
    return 0;
}
