/* SPDX-License-Identifier: MIT */
/* `ingestlayer dead`: events that need help, beside a running daemon or
 * without one. */
#include "private.h"
#include "dead.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CODE = COMMAND_FLAG + 1 };

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP },
    { 's', "state-dir", "DIR", "the state_dir, without reading a config" },
    { 'l', "lane", "LANE", "list, retry: only this lane" },
    { 'p', "pipeline", "NAME", "list, retry: only this pipeline's lanes" },
    { CODE, "code", "CODE",
      "list, retry, drop: only letters with this code, such as a SQLSTATE" },
    { 'e', "event", "ID", "list, retry, drop: only the event with this id" },
    { 'a', "all", NULL, "retry, drop: all that the options above leave" },
    { 'w', "wait", NULL,
      "retry: until it is known what became of them; exit code 1 if one is a "
      "dead letter again" },
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
            "list:  what will not be delivered without help, and why\n"
            "show:  everything about a dead letter, its event included\n"
            "retry: deliver them after all, once what was wrong is mended; the "
            "daemon\n"
            "       must run\n"
            "drop:  give a dead letter up for good\n"
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

int
command_dead_store(struct dead_job *j, int read_only)
{
    char path[sizeof j->dir + sizeof "/dead"];
    if (j->state_dir && strlen(j->state_dir) < sizeof j->dir)
        strcpy(j->dir, j->state_dir);
    else if (j->state_dir)
        return command_dead_usage("the name of state_dir is too long");
    else if (command_find_state_dir(j->config, j->dir, sizeof j->dir))
        return 1;
    if (j->state_dir && access(j->dir, F_OK) != 0) {
        fprintf(stderr, "ingestlayer dead: state_dir %s: %s\n", j->dir,
                strerror(errno));
        return 1;
    }
    if (j->state_dir && command_become_owner(j->dir, 0))
        return 1;
    snprintf(path, sizeof path, "%s/dead", j->dir);
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return 0;
    int err = dead_open(path, read_only, &j->store);
    return err && err != -ENOENT ? 1 : 0; /* it has said why */
}

/* --- which letters --- */

static int
of_pipeline(const char *lane, const char *pipeline)
{
    size_t len = strlen(pipeline);
    return strncmp(lane, pipeline, len) == 0 && lane[len] == '/';
}

int
command_dead_chosen(const struct dead_job *j, const struct dead_letter *l)
{
    if ((j->lane && strcmp(j->lane, l->lane) != 0)
        || (j->pipeline && !of_pipeline(l->lane, j->pipeline))
        || (j->code && strcmp(j->code, l->reason.code) != 0))
        return 0;
    if (!j->event)
        return 1;
    struct il_text unpacked = { 0 };
    struct known k;
    command_dead_known(l, &unpacked, &k);
    int same = slice_equal(k.id, slice_of(j->event, strlen(j->event)));
    text_clear(&unpacked);
    return same;
}

int
command_dead_position(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno || *end || *text < '0' || *text > '9' ? -EINVAL : 0;
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

static int
list_one(void *arg, const struct dead_letter *l)
{
    return command_dead_chosen(arg, l) ? command_dead_print(arg, l) : 0;
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
    if (!status && j->store)
        status = command_dead_failed(dead_each(j->store, j->lane, list_one, j));
    if (!status && !j->done && !j->json)
        puts("no dead letters");
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
    for (int i = 0; i < n && status != 2; i++) {
        uint64_t position;
        command_dead_position(args[i], &position);
        int err =
            !j->store ? -ENOENT
            : fn      ? fn(j, position)
                 : dead_get(j->store, j->lane, position, command_dead_print, j);
        if (err == -ENOENT)
            fprintf(stderr,
                    "ingestlayer dead: %s has no dead letter %" PRIu64 "\n",
                    j->lane, position);
        else
            command_dead_failed(err);
        status |= err != 0;
    }
    return status;
}

static int
drop_one(struct dead_job *j, uint64_t position)
{
    int err = dead_delete(j->store, j->lane, position);
    j->done += err == 0;
    return err;
}

static int
drop_each(void *arg, const struct dead_letter *l)
{
    int err = command_dead_chosen(arg, l) ? drop_one(arg, l->position) : 0;
    return err == -ENOENT ? 0 : err; /* somebody else was faster */
}

static int
drop(struct dead_job *j, char **args, int n)
{
    int status;
    if (j->all) {
        if (n > 1 || (n == 1) == (j->lane != NULL))
            return command_dead_usage("drop --all takes one lane");
        if (n)
            j->lane = args[0];
        if (check_lane(j->lane))
            return 2;
        status = command_dead_store(j, 0);
        if (!status && j->store)
            status =
                command_dead_failed(dead_each(j->store, j->lane, drop_each, j));
    } else {
        status = each_position(j, args, n, drop_one);
    }
    if (status != 2)
        printf("dropped %" PRIu64 "\n", j->done);
    return status;
}

static int
show(struct dead_job *j, char **args, int n)
{
    j->whole = 1;
    return each_position(j, args, n, NULL);
}

/* 0, or the exit code and -1: there is nothing to run. */
static int
read_options(struct dead_job *j, int argc, char **argv, int *status)
{
    for (int c; (c = command_next(argc, argv, &command_dead_help)) != -1;)
        switch (c) {
        case 'c':
            j->config = optarg;
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
        case 'e':
            j->event = optarg;
            break;
        case 'a':
            j->all = 1;
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
    int choosing = j->pipeline || j->code || j->event;
    int retry = !strcmp(verb, "retry"), drop = !strcmp(verb, "drop");
    if (j->wait && !retry)
        return command_dead_usage("--wait goes with retry");
    if (j->all && !retry && !drop)
        return command_dead_usage("--all goes with retry and drop");
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
    struct dead_job j = { .config = COMMAND_CONF_DEFAULT };
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
    if (j.store)
        dead_close(j.store);
    text_clear(&j.text);
    if (fflush(stdout))
        status = 1;
    return status;
}
