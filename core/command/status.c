/* SPDX-License-Identifier: MIT */
/* ingestlayer status: what a running daemon does, once.  The JSON is the daemon's,
 * as it came; the table is made of it, and leaves out what is nothing. */
#include "private.h"
#include "reply.h"
#include "show.h"

#include "base/text_plain.h"
#include "codec/event.h"
#include "codec/json.h"
#include "host/control.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP },
    COMMAND_STATE_DIR_OPTION,
    { COMMAND_FLAG, "json", NULL, "as JSON" },
    { 0 }
};

const struct command_help command_status_help = {
    .text = "usage: ingestlayer status [-c FILE | --state-dir DIR] [--json]\n"
            "Show the lanes of a running daemon: where they are, how far "
            "behind, what\nwent wrong.\n",
    .options = options,
};

/* What a far side may have said, and the line ends. */
static void
print_said(const struct il_value *v)
{
    command_print(stdout, "", v, "");
    putchar('\n');
}

/* --- for people ---------------------------------------------------------- */

static const char *
show_range(char out[64], uint64_t first, uint64_t last)
{
    if (first > last)
        snprintf(out, 64, "no events");
    else
        snprintf(out, 64, "events %" PRIu64 " to %" PRIu64, first, last);
    return out;
}

static void
print_lane(const struct il_value *lane, int width)
{
    char bytes[16], time[16];
    struct il_value name = command_member(lane, "name"),
                    state = command_member(lane, "state");
    printf("%-*.*s  %-8.*s %12" PRIu64 " %11" PRIu64 " %9s %7s %12" PRIu64
           " %9" PRIu64 " %6" PRIu64 " %8" PRIu64 "\n",
           width, COMMAND_TEXT(name), COMMAND_TEXT(state),
           command_number(lane, "position"), command_number(lane, "lag_events"),
           command_show_bytes(bytes, command_number(lane, "lag_bytes")),
           command_show_seconds(time, command_real(lane, "lag_seconds")),
           command_number(lane, "delivered"), command_number(lane, "dropped"),
           command_number(lane, "dead_letters"),
           command_number(lane, "retries"));
}

static void
print_retrying(const struct il_value *lane)
{
    char count[48];
    struct il_value name = command_member(lane, "name");
    uint64_t n = command_number(lane, "dead_letters_retrying");
    if (n)
        printf("%.*s: %s being tried again\n", COMMAND_TEXT(name),
               command_show_count(count, n, "dead letter"));
}

static void
print_held(const struct il_value *lane, const struct il_value *held,
           int64_t now_us)
{
    char until[16];
    struct il_value target = command_member(held, "target"),
                    why = command_member(held, "why");
    struct il_value at = command_member(held, "until");
    printf("%.*s: held off until %.*s (%s)", COMMAND_TEXT(*lane),
           COMMAND_TEXT(at),
           command_show_until(until, command_time_at(held, "until"), now_us));
    if (target.type == IL_STRING)
        command_print(stdout, ": ", &target, "");
    if (why.type == IL_STRING && why.len)
        command_print(stdout, ": ", &why, "");
    putchar('\n');
}

/* What waits to be sent again, and who takes nothing for now. */
static void
print_parked(const struct il_value *lane, int64_t now_us)
{
    char count[48], bytes[16], until[16];
    struct il_value name = command_member(lane, "name"), one;
    struct il_value due = command_member(lane, "next_due");
    struct il_value held = command_member(lane, "held_off");
    uint64_t n = command_number(lane, "parked");
    if (n) {
        printf("%.*s: %s %s to be sent again (%s)", COMMAND_TEXT(name),
               command_show_count(count, n, "event"), n == 1 ? "waits" : "wait",
               command_show_bytes(bytes, command_number(lane, "parked_bytes")));
        if (due.type == IL_STRING)
            printf(", the next %.*s (%s)", COMMAND_TEXT(due),
                   command_show_until(until, command_time_at(lane, "next_due"),
                                      now_us));
        putchar('\n');
    }
    for (size_t iter = 0;
         held.type == IL_ARRAY && msg_item(&held, &iter, NULL, &one);)
        print_held(&name, &one, now_us);
}

/* Of a lane or a source. */
static void
print_doing(const struct il_value *who, const char *what)
{
    struct il_value name = command_member(who, "name"),
                    doing = command_member(who, "doing");
    if (doing.type == IL_STRING && doing.len)
        printf("%s%.*s: %.*s\n", what, COMMAND_TEXT(name), COMMAND_TEXT(doing));
}

/* By the config or by somebody; what keeps it else is its error. */
static void
print_paused(const struct il_value *lane)
{
    struct il_value name = command_member(lane, "name");
    struct il_value paused = command_member(lane, "paused");
    if (paused.type != IL_STRING || !paused.len)
        return;
    printf("%.*s: ", COMMAND_TEXT(name));
    print_said(&paused);
}

static void
print_error(const struct il_value *lane, int64_t now_us)
{
    char age[16];
    struct il_value name = command_member(lane, "name");
    struct il_value error = command_member(lane, "last_error");
    if (error.type != IL_STRING || !error.len)
        return;
    int64_t at = command_time_at(lane, "last_error_at");
    printf("%.*s: %s ago: ", COMMAND_TEXT(name),
           command_show_seconds(age, at ? (double) (now_us - at) / 1e6 : 0));
    print_said(&error);
}

/* Plugins outside of lanes that do not come back; those in lanes are what their
 * lanes wait for. */
static void
print_waiting(const struct il_value *all)
{
    struct il_value waiting = command_member(all, "waiting"), one;
    if (waiting.type != IL_ARRAY)
        return;
    for (size_t iter = 0; msg_item(&waiting, &iter, NULL, &one);) {
        struct il_value name = command_member(&one, "instance");
        struct il_value callback = command_member(&one, "callback");
        if (command_member(&one, "lane").type == IL_MISSING)
            printf("%.*s: waiting, in %.*s for %" PRIu64 " s\n",
                   COMMAND_TEXT(name), COMMAND_TEXT(callback),
                   command_number(&one, "seconds"));
    }
}

/* What a start or a stop is at. */
static void
print_phases(const struct il_value *all)
{
    struct il_value index = command_member(all, "index"),
                    stopping = command_member(all, "stopping");
    if (index.type == IL_MAP)
        printf("starting: %" PRIu64 " of %" PRIu64
               " events of the spool are read again for the idempotency "
               "index\n",
               command_number(&index, "done"), command_number(&index, "total"));
    if (stopping.type == IL_MAP)
        printf("stopping: %" PRIu64 " deliveries are left, for at most %" PRIu64
               " s\n",
               command_number(&stopping, "deliveries"),
               command_number(&stopping, "seconds"));
}

static void
print_head(const struct il_value *all)
{
    char age[16], used[16], left[16], spare[16], count[48], events[64];
    struct il_value gate = command_member(all, "gate"),
                    spool = command_member(all, "spool");
    struct il_value version = command_member(all, "version"), why;
    int64_t up =
        command_time_at(all, "now") - command_time_at(all, "started_at");
    printf("ingestlayer %.*s, process %" PRIu64 ", up %s\n",
           COMMAND_TEXT(version), command_number(all, "pid"),
           command_show_seconds(age, (double) up / 1e6));

    struct il_value accepting = command_member(&gate, "accepting");
    why = command_member(&gate, "why");
    if (accepting.type == IL_BOOL && accepting.num.i)
        printf("gate   accepting, %s in all\n",
               command_show_count(count, command_number(&gate, "dead_letters"),
                                  "dead letter"));
    else
        printf("gate   NOT accepting: "), print_said(&why);

    why = command_member(&spool, "trouble");
    printf("spool  %s, %s in %s, %s free%s",
           show_range(events, command_number(&spool, "first"),
                      command_number(&spool, "last")),
           command_show_bytes(used, command_number(&spool, "bytes")),
           command_show_count(count, command_number(&spool, "segments"),
                              "segment"),
           command_show_bytes(left, command_number(&spool, "free_bytes")),
           why.len ? "; " : "");
    print_said(&why);
    if (command_number(&spool, "spare_bytes"))
        printf(
            "spool  %s in files to be used again\n",
            command_show_bytes(spare, command_number(&spool, "spare_bytes")));
    if (command_number(&spool, "damaged"))
        printf("spool  %s, see the log and ingestlayer spool verify\n",
               command_show_count(count, command_number(&spool, "damaged"),
                                  "damaged place"));
}

/* Source and key, as in "app/web". */
static void
print_key(const struct il_value *key, int width)
{
    struct il_value source = command_member(key, "source"),
                    id = command_member(key, "key");
    printf("%.*s/%-*.*s %12" PRIu64 " %10" PRIu64 " %9" PRIu64 " %9" PRIu64
           "\n",
           COMMAND_TEXT(source), width - (int) source.len - 1, COMMAND_TEXT(id),
           command_number(key, "accepted"), command_number(key, "duplicates"),
           command_number(key, "refused"), command_number(key, "limited"));
}

static void
print_keys(const struct il_value *all)
{
    struct il_value keys = command_member(all, "keys"), key;
    int width = 3;
    if (keys.type != IL_ARRAY || keys.count == 0)
        return;
    for (size_t iter = 0; msg_item(&keys, &iter, NULL, &key);) {
        struct il_value source = command_member(&key, "source");
        struct il_value id = command_member(&key, "key");
        if ((int) (source.len + id.len) + 1 > width)
            width = (int) (source.len + id.len) + 1;
    }
    printf("\n%-*s %12s %10s %9s %9s\n", width, "key", "accepted", "duplicates",
           "refused", "limited");
    for (size_t iter = 0; msg_item(&keys, &iter, NULL, &key);)
        print_key(&key, width);
}

/* Lanes that are not in the config. */
static void
print_left(const struct il_value *all)
{
    char bytes[16], count[48];
    struct il_value left = command_member(all, "left"), one;
    if (left.type != IL_ARRAY)
        return;
    for (size_t iter = 0; msg_item(&left, &iter, NULL, &one);) {
        struct il_value name = command_member(&one, "name");
        printf("lane %.*s is not in the config: ", COMMAND_TEXT(name));
        printf("%s (%s)",
               command_show_count(count, command_number(&one, "lag_events"),
                                  "event"),
               command_show_bytes(bytes, command_number(&one, "lag_bytes")));
        if (command_number(&one, "parked"))
            printf(", %s to be sent again",
                   command_show_count(count, command_number(&one, "parked"),
                                      "event"));
        printf(" and %s are kept for it, until ingestlayer lane forget\n",
               command_show_count(count, command_number(&one, "dead_letters"),
                                  "dead letter"));
    }
}

/* Requests that are still being worked on. */
static void
print_jobs(const struct il_value *all)
{
    char age[16];
    struct il_value jobs = command_member(all, "jobs"), one;
    if (jobs.type != IL_ARRAY)
        return;
    for (size_t iter = 0; msg_item(&jobs, &iter, NULL, &one);) {
        struct il_value id = command_member(&one, "id"),
                        kind = command_member(&one, "kind"),
                        progress = command_member(&one, "progress"),
                        unit = command_member(&progress, "unit");
        int64_t us =
            command_time_at(all, "now") - command_time_at(&one, "started_at");
        printf("job %.*s: %.*s, for %s", COMMAND_TEXT(id), COMMAND_TEXT(kind),
               command_show_seconds(age, (double) us / 1e6));
        if (progress.type == IL_MAP)
            printf(", %" PRIu64, command_number(&progress, "done"));
        if (command_number(&progress, "total"))
            printf(" of %" PRIu64, command_number(&progress, "total"));
        if (progress.type == IL_MAP)
            printf(" %.*s", COMMAND_TEXT(unit));
        putchar('\n');
    }
}

static void
print_status(const struct il_value *all)
{
    struct il_value lanes = command_member(all, "lanes"), lane;
    struct il_value sources = command_member(all, "sources"), source;
    int width = 4;
    print_head(all);
    print_keys(all);
    print_waiting(all);
    print_phases(all);
    print_left(all);
    print_jobs(all);
    if (sources.type == IL_ARRAY)
        for (size_t iter = 0; msg_item(&sources, &iter, NULL, &source);)
            print_doing(&source, "source ");
    if (lanes.type != IL_ARRAY || lanes.count == 0) {
        puts("no lanes");
        return;
    }
    for (size_t iter = 0; msg_item(&lanes, &iter, NULL, &lane);) {
        struct il_value name = command_member(&lane, "name");
        if ((int) name.len > width)
            width = (int) name.len;
    }
    printf("\n%-*s  %-8s %12s %11s %9s %7s %12s %9s %6s %8s\n", width, "lane",
           "state", "position", "lag", "", "", "delivered", "dropped", "dead",
           "retries");
    for (size_t iter = 0; msg_item(&lanes, &iter, NULL, &lane);)
        print_lane(&lane, width);
    for (size_t iter = 0; msg_item(&lanes, &iter, NULL, &lane);)
        print_retrying(&lane);
    for (size_t iter = 0; msg_item(&lanes, &iter, NULL, &lane);)
        print_parked(&lane, command_time_at(all, "now"));
    for (size_t iter = 0; msg_item(&lanes, &iter, NULL, &lane);)
        print_doing(&lane, "");
    for (size_t iter = 0; msg_item(&lanes, &iter, NULL, &lane);)
        print_paused(&lane);
    for (size_t iter = 0; msg_item(&lanes, &iter, NULL, &lane);)
        print_error(&lane, command_time_at(all, "now"));
}

int
command_status(int argc, char **argv)
{
    struct command_line line = { .help = &command_status_help,
                                 .config = COMMAND_CONF_DEFAULT };
    char state_dir[4096];
    int code = command_read(&line, argc, argv);
    if (code >= 0)
        return code;
    if (command_find_daemon(line.state_dir, line.config, state_dir,
                            sizeof(state_dir)))
        return 1;

    struct control_call call = { .method = "GET", .path = "/v1/status" };
    struct il_text packed = { 0 };
    struct il_value all;
    int err = command_ask(state_dir, "ingestlayer", &call, &packed, &all);
    if (!err && line.has_flag)
        fputs(text_str(&call.reply), stdout);
    else if (!err)
        print_status(&all);
    text_clear(&call.reply);
    text_clear(&packed);
    return err != 0;
}
