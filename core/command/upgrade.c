/* SPDX-License-Identifier: MIT */
/* ingestlayer upgrade: have the running daemon give its place to the program that
 * is on the disk by now. */
#include "private.h"
#include "reply.h"

#include "base/clock.h"
#include "base/text.h"
#include "base/text_plain.h"
#include "host/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOOK_NS 50000000
/* Each of its parts has a limit of its own, and they are shorter together. */
#define LIMIT_US 120000000

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP },
    COMMAND_STATE_DIR_OPTION,
    { COMMAND_FLAG, "no-way-back", NULL,
      "go on where the new version changes how state_dir is laid out; no "
      "earlier one reads it afterwards" },
    { 0 }
};

const struct command_help command_upgrade_help = {
    .text =
        "usage: ingestlayer upgrade [-c FILE | --state-dir DIR] "
        "[--no-way-back]\n"
        "Have the running daemon give its place to a process of the program "
        "that is\ninstalled by now, with the config and the plugins as they "
        "are on the disk.  No\nconnection is refused, and where the new one "
        "does not come up the old one goes\non.\n"
        "\n"
        "  apt install ingestlayer-plugin-warehouse-pg && ingestlayer "
        "upgrade\n",
    .options = options,
};

static int
is_state(const struct il_value *all, const char *name)
{
    struct il_value v = command_member(all, "state");
    return v.type == IL_STRING && v.len == strlen(name)
           && memcmp(v.str, name, v.len) == 0;
}

static void
print_findings(const struct il_value *all)
{
    struct il_value v = command_member(all, "findings");
    if (v.type == IL_STRING && v.len)
        fprintf(stderr, "%.*s", COMMAND_TEXT(v));
}

static int
say_failed(const struct il_value *all)
{
    struct il_value v = command_member(all, "error");
    fprintf(stderr,
            "ingestlayer upgrade: %.*s\n"
            "ingestlayer upgrade: the daemon runs on as it was\n",
            COMMAND_TEXT(v));
    return 1;
}

static int
say_done(const struct il_value *all)
{
    const struct il_value from = command_member(all, "from"),
                          to = command_member(all, "to");
    const uint64_t kept = command_number(all, "connections"),
                   tls = command_number(all, "tls_closed"),
                   cut = command_number(all, "requests_cut");
    printf("version %.*s, process %llu, runs in the place of version %.*s, "
           "process %llu\n",
           COMMAND_TEXT(command_member(&to, "version")),
           (unsigned long long) command_number(&to, "pid"),
           COMMAND_TEXT(command_member(&from, "version")),
           (unsigned long long) command_number(&from, "pid"));
    printf("new requests waited %llu ms; %llu idle connection%s went on\n",
           (unsigned long long) command_number(all, "waited_us") / 1000,
           (unsigned long long) kept, kept == 1 ? "" : "s");
    if (tls)
        printf("%llu idle connection%s with TLS had to be closed\n",
               (unsigned long long) tls, tls == 1 ? "" : "s");
    if (cut)
        printf("%llu request%s cut off in the middle, and will be sent again "
               "by %s\n",
               (unsigned long long) cut, cut == 1 ? " was" : "s were",
               cut == 1 ? "its sender" : "their senders");
    return 0;
}

/* The exit code, or -1: it goes on. */
static int
report(const struct il_value *all, uint64_t id)
{
    if (command_number(all, "id") != id) {
        fputs("ingestlayer upgrade: the daemon was started anew meanwhile; "
              "its log says why\n",
              stderr);
        return 1;
    }
    const int failed = is_state(all, "failed"), done = is_state(all, "done");
    if (!failed && !done)
        return -1;
    print_findings(all);
    return failed ? say_failed(all) : say_done(all);
}

/* One question to whichever process has the place; as above. */
static int
ask(const char *state_dir, struct control_call *call, uint64_t *id)
{
    struct il_text packed = { 0 };
    struct il_value all;
    int code = 1;
    if (!command_ask(state_dir, "ingestlayer upgrade", call, &packed, &all)) {
        if (!*id)
            *id = command_number(&all, "id");
        code = report(&all, *id);
    }
    text_clear(&call->reply);
    text_clear(&packed);
    return code;
}

static int
upgrade(const char *state_dir, int no_way_back)
{
    const struct timespec pause = { .tv_nsec = LOOK_NS };
    const int64_t until = clock_monotonic_us() + LIMIT_US;
    uint64_t id = 0;
    struct control_call begin = { .method = "POST",
                                  .path = no_way_back
                                              ? "/v1/upgrade?no_way_back=1"
                                              : "/v1/upgrade" };
    int code = ask(state_dir, &begin, &id);
    while (code < 0 && clock_monotonic_us() < until) {
        struct control_call look = { .method = "GET", .path = "/v1/upgrade" };
        nanosleep(&pause, NULL);
        code = ask(state_dir, &look, &id);
    }
    if (code < 0)
        fputs("ingestlayer upgrade: it takes longer than it should; see the "
              "daemon's log\n",
              stderr);
    return code < 0 ? 1 : code;
}

int
command_upgrade(int argc, char **argv)
{
    struct command_line line = { .help = &command_upgrade_help,
                                 .config = COMMAND_CONF_DEFAULT };
    char state_dir[4096];
    int code = command_read(&line, argc, argv);
    if (code >= 0)
        return code;
    if (command_find_daemon(line.state_dir, line.config, state_dir,
                            sizeof(state_dir)))
        return 1;
    return upgrade(state_dir, line.has_flag);
}
