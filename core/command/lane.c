/* SPDX-License-Identifier: MIT */
/* `ingestlayer lane`: what a person decides about a lane; and lane take, for
 * while no daemon runs. */
#include "lane.h"
#include "private.h"

#include "base/log.h"
#include "host/assembly.h"
#include "host/control.h"
#include "host/host.h"
#include "lane/lane.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FROM = COMMAND_FLAG + 1 };
enum { FROM_NOWHERE, FROM_CURSOR, FROM_ROW };

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP },
    { 's', "state-dir", "DIR",
      "list, pause, resume: the state_dir, without reading a config" },
    { FROM, "from", "WHERE",
      "take: do it, and go on from this state_dir's own position (cursor) or "
      "from that of the destination (row)" },
    { 0 }
};

const struct command_help command_lane_help = {
    .text =
        "usage: ingestlayer lane list   [-c FILE | --state-dir DIR]\n"
        "       ingestlayer lane pause  [-c FILE | --state-dir DIR] LANE\n"
        "       ingestlayer lane resume [-c FILE | --state-dir DIR] LANE\n"
        "       ingestlayer lane take   [-c FILE] [--from cursor|row] LANE\n"
        "       ingestlayer lane forget [-c FILE] LANE\n"
        "\n"
        "list: all lanes that state_dir knows, in the config or not\n"
        "pause: it reads and delivers nothing until it is resumed, whatever is "
        "restarted\n"
        "      meanwhile; its events wait, and all else goes on.  With a "
        "daemon "
        "or\n"
        "      without one.\n"
        "resume: it goes on where it was\n"
        "take: make a fenced lane this state_dir's again.  First, and without "
        "--from\n"
        "      only, it says what would come twice or be passed over.  The "
        "daemon must\n"
        "      not run; what delivers the lane elsewhere is fenced from then "
        "on.\n"
        "forget: let go of what is kept for a lane that is not in the config "
        "any more:\n"
        "      its position, its dead letters, what its plugins keep.  The "
        "daemon must\n"
        "      not run.\n"
        "\n"
        "LANE is pipeline/destination.\n"
        "\n",
    .verbs = "list pause resume take forget",
    .options = options,
};

/* Of (after, up_to], as far as the spool has it. */
static uint64_t
there(const struct lane_stand *s, uint64_t after, uint64_t up_to)
{
    if (after + 1 < s->first)
        after = s->first - 1;
    if (up_to > s->last)
        up_to = s->last;
    return up_to > after ? up_to - after : 0;
}

/* The row is further: what lies between comes twice, or is passed over. */
static void
say_ahead(const struct lane_stand *s, uint64_t row)
{
    uint64_t n = there(s, s->cursor, row);
    printf("--from cursor: goes on after %" PRIu64 ": the %" PRIu64
           " events up to %" PRIu64 " are delivered from here; those that the "
           "destination has already come twice\n"
           "--from row:    goes on after %" PRIu64 ": these %" PRIu64
           " events are passed over; those that the destination has not are "
           "missing there\n",
           s->cursor, n, row, row, n);
}

static void
say_behind(const struct lane_stand *s, uint64_t row)
{
    uint64_t n = there(s, row, s->cursor);
    printf("--from cursor: goes on after %" PRIu64 ": the %" PRIu64
           " events from %" PRIu64 " on, which were delivered from here, are "
           "passed over; those that the destination has lost are missing "
           "there\n"
           "--from row:    goes on after %" PRIu64 ": these %" PRIu64
           " events are delivered again; those that the destination has come "
           "twice\n",
           s->cursor, n, row + 1, row, n);
}

/* What was accepted here since the destination last talked is none that the
 * row can mean, however far it is. */
static void
say_stand(const char *name, const struct lane_stand *s)
{
    uint64_t row = s->row < s->given ? s->row : s->given;
    uint64_t both = row > s->cursor ? row : s->cursor;
    printf("lane %s: its destination is at %" PRIu64 ", which another process "
           "has written; here it is at %" PRIu64
           ", and the spool ends at %" PRIu64 "\n",
           name, s->row, s->cursor, s->last);
    if (row > s->cursor)
        say_ahead(s, row);
    else if (row < s->cursor)
        say_behind(s, row);
    else
        puts("nothing comes twice, and nothing is passed over");
    printf("either way the %" PRIu64 " events after %" PRIu64 " are "
           "delivered\n",
           there(s, both, s->last), both);
}

static int
look_failed(const char *name, int err)
{
    if (err == -ENOENT)
        fprintf(stderr,
                "ingestlayer lane: there is no lane \"%s\" in this "
                "config\n",
                name);
    else if (err == -ENOTSUP)
        fprintf(stderr,
                "ingestlayer lane: the destination of %s keeps no "
                "position: nobody can have taken it\n",
                name);
    else if (err == -EAGAIN || err == -EACCES)
        fprintf(stderr,
                "ingestlayer lane: the destination of %s does not say "
                "how far it is; its messages are above\n",
                name);
    return 1;
}

static int
take(struct host *h, const char *name, int from)
{
    struct lane_stand stand;
    uint64_t position;
    int err = host_lane_look(h, name, &stand);
    if (err)
        return look_failed(name, err);
    if (!stand.fenced) {
        printf("lane %s: it is this state_dir's already\n", name);
        return 0;
    }
    say_stand(name, &stand);
    if (!from)
        return 0;
    fflush(stdout);
    err = host_lane_take(h, name, from == FROM_ROW, &position);
    if (err) {
        fprintf(stderr, "ingestlayer lane: %s is not taken: %s\n", name,
                strerror(-err));
        return 1;
    }
    printf("lane %s: taken, goes on after %" PRIu64 "\n", name, position);
    return 0;
}

static int
take_with(const char *config, const char *name, int from)
{
    struct host *h = host_new();
    if (!h)
        return 1;
    int failed = host_parse(h, config) || host_load(h) || host_open(h)
                 || host_drop_privileges(h)
                 || command_become_owner(host_state_dir(h), 0);
    log_level_set(IL_LOG_WARN);
    if (!failed)
        failed = take(h, name, from);
    host_close(h);
    return failed;
}

static int
list_without_plan(const char *state_dir)
{
    return command_become_owner(state_dir, 0)
           || command_lane_list(NULL, state_dir);
}

/* list and forget (lane not NULL) */
static int
with_plan(const char *config, const char *lane)
{
    char state_dir[4096];
    struct assembly *a = command_assemble(config);
    int failed = !a;
    if (a)
        failed = command_find_state_dir(config, state_dir, sizeof state_dir);
    if (!failed)
        failed = lane ? command_lane_forget(a->plan, state_dir, lane)
                      : command_lane_list(a->plan, state_dir);
    if (a)
        assembly_free(a);
    else if (!lane)
        fputs("ingestlayer lane: list can do without the config: --state-dir "
              "DIR\n",
              stderr);
    return failed;
}

static int
forget(const char *config, const char *lane)
{
    char state_dir[4096];
    if (command_find_state_dir(config, state_dir, sizeof state_dir))
        return 1;
    return control_answers(state_dir) == 0
               ? command_lane_have_forgotten(state_dir, lane)
               : with_plan(config, lane);
}

static int
usage(const char *what)
{
    fprintf(stderr, "ingestlayer lane: %s; see ingestlayer lane --help\n",
            what);
    return 2;
}

int
command_lane(int argc, char **argv)
{
    const char *config = COMMAND_CONF_DEFAULT, *state_dir = NULL;
    int from = FROM_NOWHERE;
    for (int c; (c = command_next(argc, argv, &command_lane_help)) != -1;) {
        if (c == 'h')
            return 0;
        else if (c == 'c')
            config = optarg;
        else if (c == 's')
            state_dir = optarg;
        else if (c == FROM && strcmp(optarg, "cursor") == 0)
            from = FROM_CURSOR;
        else if (c == FROM && strcmp(optarg, "row") == 0)
            from = FROM_ROW;
        else if (c == FROM)
            return usage("--from takes cursor or row");
        else
            return 2;
    }
    const char *verb = optind < argc ? argv[optind] : "";
    int pause = strcmp(verb, "pause") == 0;
    if (from && strcmp(verb, "take") != 0)
        return usage("--from is for take");
    if ((pause || strcmp(verb, "resume") == 0) && argc - optind == 2)
        return command_lane_pause(config, state_dir, argv[optind + 1], pause);
    int list = strcmp(verb, "list") == 0 && argc - optind == 1;
    if (list && state_dir)
        return list_without_plan(state_dir);
    if (state_dir)
        return usage("--state-dir is for list, pause and resume");
    if (strcmp(verb, "take") == 0 && argc - optind == 2)
        return take_with(config, argv[optind + 1], from);
    if (strcmp(verb, "forget") == 0 && argc - optind == 2)
        return forget(config, argv[optind + 1]);
    if (list)
        return with_plan(config, NULL);
    return usage("say list, or pause, resume, take or forget and one lane");
}
