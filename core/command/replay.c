/* SPDX-License-Identifier: MIT */
/* ingestlayer replay: events that the spool still has, as the config makes them
 * today, beside what a destination has of them.
 *
 * The work is a job of the daemon, which has the spool, the secrets and the lane's
 * position.  What is asked is named there by all its parts, --since as a time among
 * them: the same ask after an interruption goes on where it was, so the time is
 * printed, for one that was given as "2h" is another one the next time. */
#include "private.h"
#include "reply.h"

#include "base/clock.h"
#include "base/rate.h"
#include "base/time.h"
#include "codec/json_out.h"
#include "host/control.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES 10
#define SAMPLES_MAX 1000

enum {
    DIFF = COMMAND_FLAG,
    INSERT,
    UPDATE,
    SINCE,
    UNTIL,
    WHERE,
    COLUMNS,
    RATE,
    JSON
};

static const struct command_option options[] = {
    { 'c', "config", "FILE",
      "the config (" COMMAND_CONF_DEFAULT "); with --diff also one that does "
      "not run yet" },
    COMMAND_STATE_DIR_OPTION,
    { 'l', "lane", "LANE", "the lane: PIPELINE/DESTINATION" },
    { SINCE, "since", "TIME",
      "events that came in since then: 2026-11-29T07:00:00Z, or so long ago, "
      "as in 2h" },
    { UNTIL, "until", "TIME", "and before then" },
    { WHERE, "where", "EXPRESSION",
      "only those for which this holds once the steps have seen them" },
    { DIFF, "diff", NULL, "change nothing, and say what differs (as a rule)" },
    { INSERT, "insert", NULL, "bring in what is missing" },
    { UPDATE, "update", NULL, "mend what is there and differs" },
    { COLUMNS, "columns", "NAMES",
      "what --update may change: names with commas between; without it all but "
      "those filled from $entity and $step" },
    { RATE, "rate", "N/TIME",
      "how fast --insert sends events one by one (10/s)" },
    { 'n', "samples", "N", "so many differences are shown (10)" },
    { JSON, "json", NULL, "one JSON object a line" },
    { 0 }
};

const struct command_help command_replay_help = {
    .text =
        "usage: ingestlayer replay --lane LANE --since TIME [options]\n"
        "Run events that the spool still has through the steps of a lane as "
        "the "
        "config\nhas them today, and compare with what its destination has: "
        "nothing is changed\nwithout --insert or --update.  What is "
        "interrupted "
        "goes on where it was when the\nsame is asked again.\n"
        "Example: ingestlayer replay --lane feature-usage/warehouse.pg --since "
        "2h --diff\n",
    .options = options,
};

struct job {
    const char *config, *state_dir, *lane, *mode, *where, *rate;
    char *columns;              /* a copy, taken apart */
    int64_t since_us, until_us; /* 0: not said */
    uint64_t samples;
    int json;
    int failed; /* some events were not taken */
};

static int
usage(const char *fmt, const char *text)
{
    fputs("ingestlayer replay: ", stderr);
    fprintf(stderr, fmt, text);
    fputs("; see ingestlayer replay --help\n", stderr);
    return 2;
}

/* --- for people ------------------------------------------------------------- */

/* A value of a row. */
static void
print_value(const char *before, const struct il_value *v, const char *after)
{
    if (v->type == IL_STRING && v->len)
        command_print(stdout, before, v, after);
    else
        printf("%s%s%s", before, v->type == IL_NULL ? "null" : "\"\"", after);
}

static void
print_columns(const struct il_value *columns)
{
    struct il_value name, one;
    for (size_t iter = 0; msg_item(columns, &iter, &name, &one);) {
        struct il_value there = command_member(&one, "there");
        struct il_value today = command_member(&one, "today");
        command_print(stdout, "    ", &name, "");
        print_value(": ", &there, "");
        print_value(" -> ", &today, "\n");
    }
}

/* Line by line, as text that is not ours. */
static void
print_request(const struct il_value *request)
{
    const char *at = request->str, *end = at + request->len;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t) (end - at));
        struct il_value line = { .type = IL_STRING, .str = at };
        line.len = (uint32_t) ((stop ? stop : end) - at);
        command_print(stdout, "    ", &line, "\n");
        at += line.len + 1;
    }
}

static void
print_sample(const struct il_value *v, const struct il_value *what)
{
    struct il_value id = command_member(v, "id");
    struct il_value why = command_member(v, "why");
    struct il_value columns = command_member(v, "columns");
    struct il_value request = command_member(v, "request");
    command_print(stdout, "", what, " ");
    command_print(stdout, "", &id, "");
    command_print(stdout, ": ", &why, "");
    putchar('\n');
    if (columns.type == IL_MAP)
        print_columns(&columns);
    if (request.type == IL_STRING)
        print_request(&request);
}

/* One that was given up. */
static void
print_failed(const struct il_value *v)
{
    struct il_value id = command_member(v, "id");
    struct il_value code = command_member(v, "code");
    struct il_value message = command_member(v, "message");
    command_print(stdout, "failed ", &id, "");
    printf(" after %" PRIu64 " attempts", command_number(v, "attempts"));
    command_print(stdout, ": ", &code, "");
    command_print(stdout, ", ", &message, "\n");
}

static const struct {
    const char *key, *what;
} counts[] = {
    { "same", "are there as they would be written today" },
    { "missing", "are not there" },
    { "different", "are there and differ" },
    { "only_there", "are there, and would not be delivered today" },
    { "refused", "do not fit" },
    { "inserted", "were brought in" },
    { "updated", "were mended" },
    { "would_send", "would be sent by --insert" },
    { "sent", "were sent, and taken" },
    { "failed", "were not taken, and are not tried again" },
    { "left_out", "more are parked or dead letters, and `dead retry` is for "
                  "them" },
    { "changed_meanwhile",
      "were changed by somebody meanwhile, and left alone" },
    { "gone_from_spool", "had left the spool before they were read" }
};

static void
print_report(const struct il_value *report)
{
    printf("%" PRIu64 " events, of which the lane delivers %" PRIu64
           " today:\n",
           command_number(report, "events"),
           command_number(report, "delivered_today"));
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        uint64_t n = command_number(report, counts[i].key);
        if (n)
            printf("%12" PRIu64 " %s\n", n, counts[i].what);
    }
    struct il_value asked = command_member(report, "receiver_was_asked");
    struct il_value mode = command_member(report, "mode");
    if (asked.type == IL_BOOL && !asked.num.i && mode.type == IL_STRING
        && mode.len == 4 && memcmp(mode.str, "diff", 4) == 0)
        puts("What the receiver has of them is not known: it cannot be asked.  "
             "These are\nthe requests that --insert would make; nothing was "
             "sent.");
}

static void
print_line(const struct il_value *v)
{
    struct il_value sample = command_member(v, "sample");
    struct il_value column = command_member(v, "column");
    struct il_value report = command_member(v, "report");
    struct il_value today = command_member(v, "of_today");
    struct il_value failed = command_member(v, "failed");
    if (sample.type == IL_STRING)
        print_sample(v, &sample);
    else if (failed.type == IL_MAP)
        print_failed(&failed);
    else if (column.type == IL_STRING) {
        command_print(stdout, "column ", &column, "");
        printf(" differs in %" PRIu64 "%s\n", command_number(v, "different"),
               today.type == IL_BOOL && today.num.i
                   ? " (it says how an entity or a step is today)"
                   : "");
    } else if (report.type == IL_MAP)
        print_report(&report);
}

static int
take_line(void *arg, struct slice line, const struct il_value *v)
{
    struct job *j = arg;
    j->failed |= command_member(v, "failed").type == IL_MAP;
    if (j->json)
        printf("%.*s\n", (int) line.len, line.ptr);
    else
        print_line(v);
    return 0;
}

/* --- asking ----------------------------------------------------------------- */

static void
put_time(struct json_out *o, const char *key, int64_t us)
{
    if (us)
        json_out_number(o, key, (uint64_t) us);
}

static void
put_names(struct json_out *o, char *names)
{
    char *rest = NULL;
    json_out_array(o, "columns");
    for (char *one = strtok_r(names, ",", &rest); one;
         one = strtok_r(NULL, ",", &rest))
        json_out_str(o, NULL, one);
    json_out_end(o);
}

/* The daemon need not stand where the command does.  Without one it reads its own. */
static int
put_config(struct json_out *o, const char *config)
{
    char *path = config ? realpath(config, NULL) : NULL;
    if (config && !path)
        return usage("%s cannot be read", config);
    if (path)
        json_out_str(o, "config", path);
    free(path);
    return 0;
}

static int
put_ask(const struct job *j, struct il_text *out)
{
    struct json_out o;
    json_out_begin(&o, out);
    json_out_object(&o, NULL);
    json_out_str(&o, "mode", j->mode);
    put_time(&o, "since", j->since_us);
    put_time(&o, "until", j->until_us);
    json_out_number(&o, "samples", j->samples);
    if (j->where)
        json_out_str(&o, "where", j->where);
    if (j->rate)
        json_out_str(&o, "rate", j->rate);
    int err = put_config(&o, j->config);
    if (j->columns)
        put_names(&o, j->columns);
    json_out_end(&o);
    return err ? err : json_out_done(&o) ? 1 : 0;
}

/* The time as such, so that the same can be asked again. */
static void
say_begin(const struct job *j)
{
    char since[TIME_TEXT], until[TIME_TEXT] = "";
    if (!j->since_us || j->json)
        return;
    time_format(since, j->since_us);
    if (j->until_us)
        time_format(until, j->until_us);
    fprintf(stderr,
            "ingestlayer replay: %s since %s%s%s; with %s the same goes on "
            "where it was, should it be interrupted\n",
            j->lane, since, j->until_us ? " until " : "", until,
            j->until_us ? "these times" : "that time");
}

static int
replay(struct job *j, const char *state_dir)
{
    struct il_text path = { 0 }, body = { 0 };
    struct control_call call = { .method = "POST" };
    int err = put_ask(j, &body);
    if (!err)
        err = command_lane_path(&path, j->lane, "/replay") ? 1 : 0;
    call.path = text_str(&path);
    call.body = slice_of(body.data, body.len);
    if (!err && strcmp(j->mode, "diff"))
        say_begin(j);
    if (!err)
        err = command_job(state_dir, "ingestlayer replay", &call, take_line, j);
    text_clear(&call.reply);
    text_clear(&path);
    text_clear(&body);
    return err == 2 ? 2 : err != 0 || j->failed;
}

/* --- the command ------------------------------------------------------------ */

static int
set_mode(struct job *j, const char *mode)
{
    if (j->mode && strcmp(j->mode, mode))
        return usage("give one of --diff, --insert and --update, not %s, too",
                     mode);
    j->mode = mode;
    return -1;
}

static int
set_samples(struct job *j, const char *text)
{
    char *end;
    j->samples = strtoul(text, &end, 10);
    return !*text || *end || *text == '-' || j->samples > SAMPLES_MAX
               ? usage("--samples takes a number up to 1000, not %s", text)
               : -1;
}

static int
set_columns(struct job *j, const char *text)
{
    free(j->columns);
    j->columns = strdup(text);
    return j->columns && *text ? -1 : usage("--columns takes names%s", "");
}

static int
set_rate(struct job *j, const char *text)
{
    struct rate rate;
    const char *why;
    j->rate = text;
    if (!rate_parse(text, &rate, &why))
        return -1;
    fprintf(stderr, "ingestlayer replay: --rate: expected %s, not \"%s\"\n",
            why, text);
    return 2;
}

static int
set_time(int64_t *us, const char *option, const char *text)
{
    if (!command_since(text, us))
        return -1;
    fprintf(stderr,
            "ingestlayer replay: %s: expected a time, as in "
            "2026-11-29T07:00:00Z, or how long ago, as in 2h, not \"%s\"\n",
            option, text);
    return 2;
}

static int
read_option(struct job *j, int c)
{
    switch (c) {
    case 'c':
        j->config = optarg;
        return -1;
    case 's':
        j->state_dir = optarg;
        return -1;
    case 'l':
        j->lane = optarg;
        return -1;
    case 'n':
        return set_samples(j, optarg);
    case SINCE:
        return set_time(&j->since_us, "--since", optarg);
    case UNTIL:
        return set_time(&j->until_us, "--until", optarg);
    case WHERE:
        j->where = optarg;
        return -1;
    case COLUMNS:
        return set_columns(j, optarg);
    case RATE:
        return set_rate(j, optarg);
    case DIFF:
        return set_mode(j, "diff");
    case INSERT:
        return set_mode(j, "insert");
    case UPDATE:
        return set_mode(j, "update");
    case JSON:
        j->json = 1;
        return -1;
    default:
        return c == 'h' ? 0 : 2;
    }
}

/* -1 to go on, or the exit code. */
static int
check(struct job *j, int argc, char **argv)
{
    if (optind < argc)
        return command_unexpected("replay", argv[optind], &command_replay_help);
    j->mode = j->mode ? j->mode : "diff";
    if (!j->lane || !j->since_us)
        return usage("give %s", j->lane ? "--since" : "--lane");
    if (j->until_us && j->until_us <= j->since_us)
        return usage("--until comes before %s", "--since");
    if (j->rate && strcmp(j->mode, "insert"))
        return usage("--rate is for %s", "--insert");
    if (j->columns && strcmp(j->mode, "update"))
        return usage("--columns is for %s", "--update");
    return -1;
}

int
command_replay(int argc, char **argv)
{
    struct job j = { .samples = SAMPLES };
    char state_dir[4096];
    int code = -1;
    for (int c; code < 0
                && (c = command_next(argc, argv, &command_replay_help)) != -1;)
        code = read_option(&j, c);
    if (code < 0)
        code = check(&j, argc, argv);
    if (code < 0)
        code = command_find_daemon(j.state_dir,
                                   j.config ? j.config : COMMAND_CONF_DEFAULT,
                                   state_dir, sizeof(state_dir))
                   ? 1
                   : replay(&j, state_dir);
    free(j.columns);
    return code;
}
