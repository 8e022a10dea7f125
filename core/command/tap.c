/* SPDX-License-Identifier: MIT */
/* `ingestlayer tap`: events as they pass, one JSON object a line.
 *
 * It reads the lines of a job by itself, as an event's is printed as it came: taking
 * each one apart would make this command the slowest part of what it watches.  What
 * it does not get to is passed over by the daemon and counted, and no lane waits. */
#include "private.h"
#include "reply.h"

#include "base/text.h"
#include "codec/json.h"
#include "host/control.h"
#include "lang/expr.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RATE_MAX 100000

enum { AFTER = COMMAND_FLAG + 1, WHERE, DROPPED, RAW, RATE };

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP },
    COMMAND_STATE_DIR_OPTION,
    { AFTER, "after", "STEP",
      "of the lane: as they are after this step, by its name or number" },
    { DROPPED, "dropped", NULL,
      "of the lane: those that steps or when end, and which it was; with "
      "--after that one" },
    { WHERE, "where", "EXPRESSION", "only those for which this holds there" },
    { RATE, "rate", "N", "so many a second at most (1000)" },
    { 'n', "events", "N", "end after so many" },
    { RAW, "raw", NULL,
      "also what steps further on would take out of them, such as redact.pii" },
    { 0 }
};

const struct command_help command_tap_help = {
    .text =
        "usage: ingestlayer tap [options] [LANE]\n"
        "Show events as they pass, until it is interrupted: one JSON object a "
        "line.\n"
        "Without a lane as the gate accepts them, of a lane as they go to its\n"
        "destination.  It holds up nothing: events that there is no time or "
        "room for are\n"
        "counted, on standard error.\n"
        "\n"
        "example: ingestlayer tap --where 'plan == free' | jq .event.payload\n"
        "         ingestlayer tap --dropped --after 1 sales/slack\n"
        "\n",
    .options = options,
};

struct tapping {
    const char *config, *state_dir, *after, *where;
    int dropped, raw;
    uint64_t rate, most, seen, skipped;
};

static int
usage(const char *what)
{
    fprintf(stderr, "ingestlayer tap: %s; see ingestlayer tap --help\n", what);
    return 2;
}

/* -1 to go on; else the exit code. */
static int
read_option(struct tapping *t, int c)
{
    switch (c) {
    case 'c':
        t->config = optarg;
        return -1;
    case 's':
        t->state_dir = optarg;
        return -1;
    case AFTER:
        t->after = optarg;
        return -1;
    case WHERE:
        t->where = optarg;
        return -1;
    case DROPPED:
        t->dropped = 1;
        return -1;
    case RAW:
        t->raw = 1;
        return -1;
    case RATE:
        if (!command_number_of(optarg, RATE_MAX, &t->rate) && t->rate)
            return -1;
        return usage("--rate: expected a number from 1 to 100000");
    case 'n':
        if (!command_number_of(optarg, UINT64_MAX, &t->most) && t->most)
            return -1;
        return usage("--events: expected a number above 0");
    default:
        return c == 'h' ? 0 : 2;
    }
}

/* --- what comes ------------------------------------------------------------ */

/* -ECANCELED: as many as were asked for; -EPIPE: nobody reads them. */
static int
show_event(struct tapping *t, struct slice line)
{
    if (fwrite(line.ptr, 1, line.len, stdout) != line.len
        || putchar('\n') == EOF || fflush(stdout))
        return -EPIPE;
    return ++t->seen == t->most ? -ECANCELED : 0;
}

/* Of a job: what it has to say. */
static int
show_other(struct tapping *t, const struct il_value *v)
{
    struct il_value error = command_member(v, "error"),
                    say = command_member(v, "say");
    t->skipped += command_number(v, "skipped");
    if (command_number(v, "skipped"))
        fprintf(stderr,
                "ingestlayer tap: %" PRIu64 " that passed were not looked at\n",
                t->skipped);
    if (say.type == IL_STRING)
        fprintf(stderr, "ingestlayer tap: %.*s\n", COMMAND_TEXT(say));
    if (error.type != IL_MAP)
        return 0;
    struct il_value message = command_member(&error, "message");
    fprintf(stderr, "ingestlayer tap: %.*s\n", COMMAND_TEXT(message));
    return -EREMOTEIO;
}

static int
show(void *arg, struct slice line)
{
    static const char event[] = "{\"at\":";
    struct il_text packed = { 0 };
    struct il_value v;
    if (line.len > sizeof event && !memcmp(line.ptr, event, sizeof event - 1))
        return show_event(arg, line);
    int err = command_read_json(line, &packed, &v);
    if (!err)
        err = show_other(arg, &v);
    text_clear(&packed);
    return err;
}

/* --- asking ---------------------------------------------------------------- */

static int
put_query(struct il_text *path, char *sign, const char *name, const char *value)
{
    if (!value)
        return 0;
    int err = text_printf(path, "%c%s=", *sign, name);
    *sign = '&';
    return err ? err : control_put_escaped(path, value);
}

static int
put_path(struct il_text *path, const struct tapping *t, const char *lane)
{
    char rate[24] = "", sign = '?';
    if (t->rate)
        snprintf(rate, sizeof rate, "%" PRIu64, t->rate);
    return text_puts(path, "/v1/tap") || put_query(path, &sign, "lane", lane)
           || put_query(path, &sign, "after", t->after)
           || put_query(path, &sign, "where", t->where)
           || put_query(path, &sign, "dropped", t->dropped ? "1" : NULL)
           || put_query(path, &sign, "raw", t->raw ? "1" : NULL)
           || put_query(path, &sign, "rate", *rate ? rate : NULL);
}

static int
tap(struct tapping *t, const char *lane)
{
    char dir[4096];
    struct il_text path = { 0 };
    if (command_find_daemon(t->state_dir,
                            t->config ? t->config : COMMAND_CONF_DEFAULT, dir,
                            sizeof dir))
        return 1;
    int err = put_path(&path, t, lane) ? -ENOMEM : 0;
    struct control_call call = {
        .method = "GET", .path = text_str(&path), .line = show, .arg = t
    };
    if (!err)
        err = control_call(dir, &call);
    if (!err && call.status >= 300)
        err = command_refused("ingestlayer tap", &call);
    else if (!err) /* it would go on for ever */
        fputs("ingestlayer tap: the daemon has ended it\n", stderr);
    text_clear(&call.reply);
    text_clear(&path);
    return err != -ECANCELED && err != -EPIPE;
}

int
command_tap(int argc, char **argv)
{
    struct tapping t = { .config = NULL };
    for (int c; (c = command_next(argc, argv, &command_tap_help)) != -1;) {
        int status = read_option(&t, c);
        if (status >= 0)
            return status;
    }
    if (argc - optind > 1)
        return command_unexpected("tap", argv[optind + 1], &command_tap_help);
    const char *lane = argv[optind];
    if (!lane && (t.after || t.dropped))
        return usage("--after and --dropped are for a lane");
    if (t.where) {
        struct il_expr *expr = command_expression("ingestlayer tap", t.where);
        if (!expr)
            return 2;
        expr_free(expr);
    }
    return tap(&t, lane);
}
