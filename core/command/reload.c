/* SPDX-License-Identifier: MIT */
/* ingestlayer reload: have the running daemon read its config again.
 *
 * The daemon reads the file that it was started with; the config of this command is
 * only for finding the daemon.  It is asked at the control socket, and not by SIGHUP,
 * so that what came of it is said here and is the exit code, which is also what
 * systemctl reload shows. */
#include "private.h"
#include "reply.h"

#include "base/units.h"
#include "codec/event.h"
#include "codec/json.h"
#include "host/control.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WAIT_MS 10000
#define WAIT_MAX_MS 600000

enum { JSON = COMMAND_FLAG, REMOVE };

static const struct command_option options[] = {
    { 'c', "config", "FILE",
      "where the daemon's state_dir stands (" COMMAND_CONF_DEFAULT
      "); it reads the file that it was started with" },
    COMMAND_STATE_DIR_OPTION,
    { REMOVE, "remove", NULL,
      "also lanes with undelivered events, and all files of include_dir, may "
      "go" },
    { 'w', "wait", "TIME",
      "how long a lane that is started anew may take to deliver something "
      "(10s); 0: do not wait" },
    { JSON, "json", NULL, "the answer as JSON" },
    { 0 }
};

const struct command_help command_reload_help = {
    .text =
        "usage: ingestlayer reload [-c FILE | --state-dir DIR] [--remove] "
        "[--wait TIME]\n"
        "                          [--json]\n"
        "Have the running daemon read its config again.  Lanes that are as "
        "they were\ngo on; those that are not are started anew, and where one "
        "of them cannot do\nwhat the config asks for, all of it is taken "
        "back.\n"
        "Example: ingestlayer reload --wait 30s\n",
    .options = options,
};

struct job {
    const char *config, *state_dir;
    int remove, json;
    int64_t wait_ms;
    int taken;
};

/* --- for people ----------------------------------------------------------- */

static void
print_lines(FILE *f, const char *before, const struct il_value *all,
            const char *key)
{
    struct il_value lines = command_member(all, key), line;
    if (lines.type != IL_ARRAY)
        return;
    for (size_t iter = 0; msg_item(&lines, &iter, NULL, &line);)
        command_print(f, before, &line, "\n");
}

/* Of a lane that was started anew.  "Untried" and "waiting" are no faults: a far
 * side that is away, or events that do not come, say nothing about a config. */
static void
print_verdict(const struct il_value *lane)
{
    struct il_value verdict = command_member(lane, "verdict");
    struct il_value why = command_member(lane, "why");
    const uint64_t delivered = command_number(lane, "delivered");
    const uint64_t rejected = command_number(lane, "rejected");
    if (command_is(&verdict, "untried"))
        fputs(", not tried yet", stdout);
    else if (command_is(&verdict, "waiting"))
        fputs(", its far side does not answer yet", stdout);
    else
        command_print(stdout, ", ", &verdict, "");
    if (delivered)
        printf(", %" PRIu64 " delivered", delivered);
    if (rejected)
        printf(", %" PRIu64 " rejected", rejected);
    command_print(stdout, ": ", &why, "");
}

/* How many go on as they were. */
static size_t
print_changes(const struct il_value *all, const char *key, const char *what)
{
    struct il_value list = command_member(all, key), one;
    size_t same = 0;
    if (list.type != IL_ARRAY)
        return 0;
    for (size_t iter = 0; msg_item(&list, &iter, NULL, &one);) {
        struct il_value change = command_member(&one, "change");
        struct il_value name = command_member(&one, "name");
        struct il_value was = command_member(&one, "was");
        if (command_is(&change, "unchanged")) {
            same++;
            continue;
        }
        command_print(stdout, what, &name, "");
        command_print(stdout, ": ", &change, "");
        command_print(stdout, ", was ", &was, "");
        print_verdict(&one);
        putchar('\n');
    }
    return same;
}

/* The environment is that of the process, whatever stands in its file by now. */
static void
print_unread(const struct il_value *all)
{
    struct il_value list = command_member(all, "not_read_again"), one;
    const char *before = "not read again: ";
    if (list.type != IL_ARRAY)
        return;
    for (size_t iter = 0; msg_item(&list, &iter, NULL, &one); before = ", ")
        command_print(stdout, before, &one, "");
    if (*before == ',')
        putchar('\n');
}

static void
print_answer(const struct il_value *all)
{
    struct il_value result = command_member(all, "result");
    size_t same = print_changes(all, "lanes", "lane ");
    size_t sources = print_changes(all, "sources", "source ");
    print_lines(stderr, "", all, "findings");
    print_lines(stderr, "ingestlayer: ", all, "why");
    print_lines(stdout, "takes `ingestlayer upgrade`: ", all, "needs_upgrade");
    if (command_is(&result, "taken"))
        print_unread(all);
    if (command_is(&result, "taken"))
        printf("the config is taken; %zu lane%s and %zu source%s go on as "
               "they were\n",
               same, same == 1 ? "" : "s", sources, sources == 1 ? "" : "s");
    else if (command_is(&result, "taken_back"))
        fputs("ingestlayer: the config is taken back; the one of before runs "
              "again\n",
              stderr);
    else
        fputs("ingestlayer: the config is refused; what runs goes on as it "
              "was\n",
              stderr);
}

/* --- asking --------------------------------------------------------------- */

/* The one line that the job has to say. */
static int
take_answer(void *arg, struct slice line, const struct il_value *all)
{
    struct job *j = arg;
    struct il_value result = command_member(all, "result");
    j->taken = command_is(&result, "taken");
    if (j->json)
        printf("%.*s\n", (int) line.len, line.ptr);
    else
        print_answer(all);
    return 0;
}

static int
reload(struct job *j, const char *state_dir)
{
    char path[100];
    struct control_call call = { .method = "POST", .path = path };
    snprintf(path, sizeof(path), "/v1/reload?wait=%" PRId64 "%s", j->wait_ms,
             j->remove ? "&remove=1" : "");
    int err = command_job(state_dir, "ingestlayer", &call, take_answer, j);
    text_clear(&call.reply);
    return err || !j->taken;
}

static int
read_wait(const char *text, int64_t *ms)
{
    const char *why;
    if (!units_parse_duration(text, ms, &why) && *ms <= WAIT_MAX_MS)
        return -1;
    fprintf(stderr,
            "ingestlayer reload: --wait: expected a time of at most 10m, as in "
            "30s, not \"%s\"\n",
            text);
    return 2;
}

/* -1 to go on, or the exit code. */
static int
read_options(struct job *j, int argc, char **argv)
{
    int code = -1;
    for (int c; code < 0
                && (c = command_next(argc, argv, &command_reload_help)) != -1;)
        switch (c) {
        case 'c':
            j->config = optarg;
            break;
        case 's':
            j->state_dir = optarg;
            break;
        case 'w':
            code = read_wait(optarg, &j->wait_ms);
            break;
        case REMOVE:
            j->remove = 1;
            break;
        case JSON:
            j->json = 1;
            break;
        default:
            return c == 'h' ? 0 : 2;
        }
    if (code < 0 && optind < argc)
        code = command_unexpected("reload", argv[optind], &command_reload_help);
    return code;
}

int
command_reload(int argc, char **argv)
{
    struct job j = { .config = COMMAND_CONF_DEFAULT, .wait_ms = WAIT_MS };
    char state_dir[4096];
    int code = read_options(&j, argc, argv);
    if (code >= 0)
        return code;
    if (command_find_daemon(j.state_dir, j.config, state_dir,
                            sizeof(state_dir)))
        return 1;
    return reload(&j, state_dir);
}
