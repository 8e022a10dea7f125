/* SPDX-License-Identifier: MIT */
/* `ingestlayer dead`: events that need help, beside a running daemon or
 * without one. */
#include "private.h"
#include "dead.h"

#include "base/nearest.h"
#include "host/assembly.h"
#include "host/control.h"
#include "lane/left.h"
#include "spool/cursor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DROP_MANY 1000 /* in one transaction */

enum { CODE = COMMAND_FLAG + 1, SINCE, REASON, WAITING, RENDER, ANEW, RAW };

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP },
    { 's', "state-dir", "DIR", "the state_dir, without reading a config" },
    { 'l', "lane", "LANE", "list, retry: only this lane" },
    { 'p', "pipeline", "NAME", "list, retry: only this pipeline's lanes" },
    { CODE, "code", "CODE",
      "list, retry, drop: only letters with this code, such as a SQLSTATE" },
    { REASON, "reason", "TEXT",
      "list, retry, drop: only where the code is TEXT or the message contains "
      "it, case and all" },
    { SINCE, "since", "TIME",
      "list, retry, drop: only what was given up since then (what waits: "
      "failed first): 2026-11-29T07:00:00Z, or so long ago, as in 2h" },
    { 'e', "event", "ID", "list, retry, drop: only the event with this id" },
    { WAITING, "waiting", NULL,
      "list, retry, drop: instead of letters, events that are to be sent "
      "again" },
    { 'a', "all", NULL, "retry, drop: all that the options above leave" },
    { 'w', "wait", NULL,
      "retry: until it is known what became of them; exit code 1 if one is a "
      "dead letter still, or waits again" },
    { ANEW, "anew", NULL,
      "retry: through all steps as if for the first time; else what they "
      "decided "
      "before an event stopped stays so" },
    { RENDER, "render", NULL,
      "show: also what its destination would send, with the config as it is "
      "now" },
    { RAW, "raw", NULL,
      "show: also what a step of its lane would take out before anybody sees "
      "it" },
    { 'j', "json", NULL, "list, show: one JSON object a line" },
    { 0 }
};

const struct command_help command_dead_help = {
    .text = "usage: ingestlayer dead list  [options] [LANE]\n"
            "       ingestlayer dead show  [options] LANE POSITION...\n"
            "       ingestlayer dead retry [options] LANE POSITION...\n"
            "       ingestlayer dead retry [options] --all [LANE]\n"
            "       ingestlayer dead drop  [options] LANE POSITION...\n"
            "       ingestlayer dead drop  [options] --all LANE\n"
            "\n"
            "list:  what will not be delivered without help, and why; "
            "--waiting: what is\n"
            "       to be sent again, and when\n"
            "show:  everything about one of either, its event included\n"
            "retry: deliver them after all, once what was wrong is mended, or "
            "now; the\n"
            "       daemon must run\n"
            "drop:  give one of either up for good\n"
            "\n"
            "LANE is pipeline/destination, or gate/source for what the gate "
            "refused.\n"
            "\n",
    .verbs = "list show retry drop",
    .options = options,
};

int
command_dead_usage(const char *what, ...)
{
    va_list ap;
    va_start(ap, what);
    fputs("ingestlayer dead: ", stderr);
    vfprintf(stderr, what, ap);
    fputs("; see ingestlayer dead --help\n", stderr);
    va_end(ap);
    return 2;
}

/* What is no lane has no letters either, and that would look like good news. */
static int
check_lane(const char *lane)
{
    uint64_t position;
    if (!lane || strchr(lane, '/'))
        return 0;
    if (!command_dead_position(lane, &position))
        return command_dead_usage("%s is a position; its lane comes before it",
                                  lane);
    return command_dead_usage(
        "\"%s\" is no lane, which is PIPELINE/DESTINATION "
        "or gate/SOURCE",
        lane);
}

int
command_dead_failed(int err)
{
    if (err && err != -EIO) /* -EIO: nobody reads, or it was logged */
        fprintf(stderr, "ingestlayer dead: %s\n", strerror(-err));
    return err != 0;
}

struct lane_names {
    const char *names[64];
    size_t n;
};

static int
know_one(void *arg, const struct lane_left *l)
{
    struct lane_names *k = arg;
    char *name = strdup(l->name);
    if (name)
        k->names[k->n++] = name;
    return k->n == sizeof k->names / sizeof k->names[0];
}

/* Nothing was found of the lane.  1 after a message: nobody has heard of it,
 * which must not look like good news; else 0. */
static int
no_such_lane(const struct dead_job *j)
{
    struct lane_names k = { .n = 0 };
    struct parked_lane *parked;
    if (!j->lane || strncmp(j->lane, "gate/", 5) == 0
        || spool_cursor_exists(j->dir, j->lane)
        || (j->store && dead_count(j->store, j->lane))
        || (j->parked && parked_lane_find(j->parked, j->lane, &parked) == 0))
        return 0;
    lane_left_each(j->dir, NULL, know_one, &k);
    const char *meant = nearest_name(j->lane, k.names, k.n);
    fprintf(stderr, "ingestlayer dead: state_dir knows no lane \"%s\"%s%s%s\n",
            j->lane, meant ? "; did you mean \"" : "", meant ? meant : "",
            meant ? "\"?" : "");
    while (k.n)
        free((char *) (uintptr_t) k.names[--k.n]);
    return 1;
}

void
command_dead_no_such(const struct dead_job *j, uint64_t position)
{
    if (no_such_lane(j))
        return;
    fprintf(stderr,
            "ingestlayer dead: %s has no dead letter %" PRIu64
            ", and nothing waits there\n",
            j->lane, position);
}

int
command_dead_position(const char *text, uint64_t *out)
{
    return command_number_of(text, UINT64_MAX, out);
}

int
command_dead_take_lane(struct dead_job *j, char ***args, int *n)
{
    uint64_t position;
    if (!j->lane && *n) {
        j->lane = *(*args)++;
        --*n;
    }
    if (!j->lane && !*n)
        return command_dead_usage("a lane and a position are needed");
    if (check_lane(j->lane))
        return 2;
    if (!*n)
        return command_dead_usage("a position in %s is needed", j->lane);
    for (int i = 0; i < *n; i++)
        if (command_dead_position((*args)[i], &position))
            return command_dead_usage("\"%s\" is no position, which is a "
                                      "number",
                                      (*args)[i]);
    return 0;
}

/* --- the commands --- */

static void
list_end(struct dead_job *j)
{
    uint64_t waiting = j->waiting ? 0 : command_dead_waiting(j);
    if (!j->done)
        puts(j->waiting ? "nothing waits to be sent again" : "no dead letters");
    if (waiting)
        printf("%" PRIu64 " event%s to be sent again: ingestlayer dead list "
               "--waiting\n",
               waiting, waiting == 1 ? " waits" : "s wait");
}

static int
list(struct dead_job *j, char **args, int n)
{
    if (n > 1 || (n && j->lane))
        return command_dead_usage("list takes one lane at most");
    if (n)
        j->lane = args[0];
    if (check_lane(j->lane))
        return 2;
    int status = command_dead_store(j, 1);
    if (!status)
        status =
            command_dead_failed(command_dead_each(j, command_dead_print, j));
    if (!status && !j->done)
        status = no_such_lane(j);
    if (!status && !j->json)
        list_end(j);
    return status;
}

/* LANE POSITION..., the lane perhaps by its option. */
static int
each_position(struct dead_job *j, char **args, int n,
              int (*fn)(struct dead_job *, uint64_t position))
{
    int status = command_dead_take_lane(j, &args, &n);
    if (!status)
        status = command_dead_store(j, fn == NULL);
    if (status)
        return status;
    for (int i = 0; i < n; i++) {
        uint64_t position;
        command_dead_position(args[i], &position);
        int err = fn ? fn(j, position)
                     : command_dead_find(j, position, command_dead_print, j);
        if (err == -ENOENT)
            command_dead_no_such(j, position);
        else
            command_dead_failed(err);
        status |= err != 0;
    }
    return status;
}

/* A lane that sends event by event has something it has to hear of: what waited
 * behind one that is gone.  Without that it would look within a minute. */
static void
tell_daemon(const struct dead_job *j)
{
    struct il_text path = { 0 };
    if (control_answers(j->dir))
        return; /* none runs */
    if (!command_lane_path(&path, j->lane, "/due")) {
        struct control_call call = { .method = "POST",
                                     .path = text_str(&path) };
        control_call(j->dir, &call);
        text_clear(&call.reply);
    }
    text_clear(&path);
}

/* Of a parked event, or a letter of a lane that sends event by event; a damaged
 * one, too. */
static int
drop_parked(struct dead_job *j, const uint64_t *positions, size_t n,
            size_t *dropped)
{
    struct parked_lane *lane;
    *dropped = 0;
    int err = j->parked ? parked_lane_find(j->parked, j->lane, &lane) : -ENOENT;
    if (!err)
        err = parked_drop_all(lane, positions, n, dropped);
    j->done += *dropped;
    j->tell |= *dropped > 0;
    return err == -ENOENT ? 0 : err;
}

static int
drop_one(struct dead_job *j, uint64_t position)
{
    size_t dropped;
    int err = drop_parked(j, &position, 1, &dropped);
    if (err || dropped)
        return err;
    err = j->store ? dead_delete(j->store, j->lane, position) : -ENOENT;
    j->done += err == 0;
    return err;
}

struct dropping {
    struct dead_job *job;
    uint64_t positions[DROP_MANY]; /* in the store of parked events */
    size_t n;
};

static int
drop_gathered(struct dropping *d)
{
    size_t dropped;
    int err = d->n ? drop_parked(d->job, d->positions, d->n, &dropped) : 0;
    d->n = 0;
    return err;
}

static int
drop_each(void *arg, const struct dead_item *it)
{
    struct dropping *d = arg;
    if (it->kind != DEAD_LETTER) {
        d->positions[d->n++] = it->position;
        return d->n == DROP_MANY ? drop_gathered(d) : 0;
    }
    int err = dead_delete(d->job->store, it->lane, it->position);
    d->job->done += err == 0;
    return err == -ENOENT ? 0 : err; /* somebody else was faster */
}

static int
drop_all(struct dead_job *j, char **args, int n)
{
    struct dropping d = { .job = j };
    if (n > 1 || (n == 1) == (j->lane != NULL))
        return command_dead_usage("drop --all takes one lane");
    if (n)
        j->lane = args[0];
    if (check_lane(j->lane))
        return 2;
    int status = command_dead_store(j, 0);
    if (status)
        return status;
    int err = command_dead_each(j, drop_each, &d);
    return command_dead_failed(err ? err : drop_gathered(&d));
}

static int
drop(struct dead_job *j, char **args, int n)
{
    int status =
        j->all ? drop_all(j, args, n) : each_position(j, args, n, drop_one);
    if (j->tell)
        tell_daemon(j);
    if (status != 2)
        printf("dropped %" PRIu64 "\n", j->done);
    return status;
}

static int
show(struct dead_job *j, char **args, int n)
{
    j->whole = 1;
    int reads = j->has_config || !j->state_dir;
    if ((j->render || (!j->raw && reads)) && command_dead_assemble(j))
        return 1;
    int status = each_position(j, args, n, NULL);
    return status ? status : j->failed;
}

/* A time, or so long ago. */
static int
read_since(struct dead_job *j, const char *text)
{
    if (!command_since(text, &j->since_us))
        return 0;
    return command_dead_usage("--since: expected a time, as in "
                              "2026-11-29T07:00:00Z, or how long ago, as "
                              "in 2h, not \"%s\"",
                              text);
}

/* 0, or the exit code and -1: there is nothing to run. */
static int
read_options(struct dead_job *j, int argc, char **argv, int *status)
{
    for (int c; (c = command_next(argc, argv, &command_dead_help)) != -1;)
        switch (c) {
        case 'c':
            j->config = optarg;
            j->has_config = 1;
            break;
        case 's':
            j->state_dir = optarg;
            break;
        case 'l':
            j->lane = optarg;
            break;
        case 'p':
            j->pipeline = optarg;
            break;
        case CODE:
            j->code = optarg;
            break;
        case REASON:
            j->reason = optarg;
            break;
        case SINCE:
            if ((*status = read_since(j, optarg)))
                return -1;
            break;
        case WAITING:
            j->waiting = 1;
            break;
        case RENDER:
            j->render = 1;
            break;
        case RAW:
            j->raw = 1;
            break;
        case 'e':
            j->event = optarg;
            break;
        case 'a':
            j->all = 1;
            break;
        case ANEW:
            j->anew = 1;
            break;
        case 'w':
            j->wait = 1;
            break;
        case 'j':
            j->json = 1;
            break;
        default:
            *status = c == 'h' ? 0 : 2;
            return -1;
        }
    return 0;
}

/* An option that the verb would pass over in silence is a mistake. */
static int
check_options(const struct dead_job *j, const char *verb)
{
    int choosing = j->pipeline || j->code || j->event || j->reason || j->waiting
                   || j->since_us != INT64_MIN;
    int retry = !strcmp(verb, "retry"), drop = !strcmp(verb, "drop");
    if (j->wait && !retry)
        return command_dead_usage("--wait goes with retry");
    if (j->anew && !retry)
        return command_dead_usage("--anew goes with retry");
    if (j->all && !retry && !drop)
        return command_dead_usage("--all goes with retry and drop");
    if (j->render && strcmp(verb, "show"))
        return command_dead_usage("--render goes with show");
    if (j->raw && strcmp(verb, "show"))
        return command_dead_usage("--raw goes with show");
    if (choosing && !strcmp(verb, "show"))
        return command_dead_usage("show takes a lane and positions");
    if (choosing && (retry || drop) && !j->all)
        return command_dead_usage(
            "letters are chosen by positions, or by options and "
            "--all");
    if (drop && j->pipeline)
        return command_dead_usage("drop takes one lane");
    return 0;
}

int
command_dead(int argc, char **argv)
{
    static const struct {
        const char *verb;
        int (*run)(struct dead_job *, char **args, int n);
    } verbs[] = { { "list", list },
                  { "show", show },
                  { "retry", command_dead_retry },
                  { "drop", drop } };
    struct dead_job j = { .config = COMMAND_CONF_DEFAULT,
                          .since_us = INT64_MIN };
    int status;
    if (read_options(&j, argc, argv, &status))
        return status;
    const char *verb = optind < argc ? argv[optind++] : "";
    size_t i = 0, count = sizeof verbs / sizeof *verbs;
    while (i < count && strcmp(verbs[i].verb, verb))
        i++;
    if (i == count && *verb)
        return command_dead_usage("there is no \"%s\"; there are list, show, "
                                  "retry and drop",
                                  verb);
    if (i == count)
        return command_print_help(&command_dead_help, stderr), 2;
    status = check_options(&j, verb);
    if (!status)
        status = verbs[i].run(&j, argv + optind, argc - optind);
    command_dead_close(&j);
    if (j.assembly)
        assembly_free(j.assembly);
    if (fflush(stdout))
        status = 1;
    return status;
}
