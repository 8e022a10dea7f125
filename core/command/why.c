/* SPDX-License-Identifier: MIT */
/* `ingestlayer why`: what became of an event, and which rule decided.
 *
 * Read from state_dir, beside a running daemon or without one: the spool, the
 * stores, what each lane ran by.  The daemon is asked for nothing but where its
 * lanes are, so that looking costs events nothing. */
#include "private.h"
#include "why.h"

#include "base/clock.h"
#include "base/digits.h"
#include "conf/options.h"
#include "host/api.h"
#include "host/assembly.h"
#include "host/explain.h"
#include "lang/expr.h"
#include "spool/spool.h"
#include "store/entity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOUR_US INT64_C(3600000000)
#define MOST 20
#define MOST_MAX 100000

enum { WHERE = COMMAND_FLAG + 1, SINCE, ONLINE };

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP },
    COMMAND_STATE_DIR_OPTION,
    { 'l', "lane", "LANE", "only this lane" },
    { WHERE, "where", "EXPRESSION",
      "instead of one event all for which this holds" },
    { SINCE, "since", "TIME",
      "with --where: those that came since then (1h): 2026-11-29T07:00:00Z, or "
      "so long ago, as in 2h" },
    { ONLINE, "online", NULL,
      "ask destinations whether they have what was passed on to them" },
    { 'n', "most", "N", "with --where: the first so many of them (20)" },
    { 'j', "json", NULL, "one JSON object a line" },
    { 0 }
};

const struct command_help command_why_help = {
    .text =
        "usage: ingestlayer why [options] ID\n"
        "       ingestlayer why [options] --where EXPRESSION\n"
        "Where an event is in each lane, and why: delivered on, waiting, "
        "parked, a dead\n"
        "letter, or dropped, by which step, condition and line of the config.  "
        "ID is an\n"
        "event's id or idempotency key.  Exit code 1: nothing is known of it.\n"
        "\n"
        "example: ingestlayer why evt_01JDK3V6Q8ZJ4T5M7N9P2R3S4W\n"
        "         ingestlayer why --lane sales/slack --where 'plan == free' "
        "--since 10m\n"
        "\n",
    .options = options,
};

int
command_why_failed(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("ingestlayer why: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputs("\n", stderr);
    va_end(ap);
    return 1;
}

static int
usage(const char *what)
{
    fprintf(stderr, "ingestlayer why: %s; see ingestlayer why --help\n", what);
    return 2;
}

/* --- the command line ------------------------------------------------------ */

static int
read_since(struct why *w, const char *text)
{
    if (!command_since(text, &w->since_us))
        return 0;
    return usage("--since: expected a time, as in 2026-11-29T07:00:00Z, or how "
                 "long ago, as in 2h");
}

/* -1 to go on; else the exit code. */
static int
read_option(struct why *w, int c)
{
    switch (c) {
    case 'c':
        w->config = optarg;
        return -1;
    case 's':
        w->state_dir = optarg;
        return -1;
    case 'l':
        w->only = optarg;
        return -1;
    case WHERE:
        w->where = optarg;
        return -1;
    case SINCE:
        return read_since(w, optarg) ? 2 : -1;
    case 'n':
        if (!command_number_of(optarg, MOST_MAX, &w->most) && w->most)
            return -1;
        return usage("--most: expected a number from 1 to 100000");
    case ONLINE:
        w->online = 1;
        return -1;
    case 'j':
        w->json = 1;
        return -1;
    default:
        return c == 'h' ? 0 : 2;
    }
}

static int
read_line(struct why *w, int argc, char **argv)
{
    for (int c; (c = command_next(argc, argv, &command_why_help)) != -1;) {
        int status = read_option(w, c);
        if (status >= 0)
            return status;
    }
    if (argc - optind > 1)
        return command_unexpected("why", argv[optind + 1], &command_why_help);
    w->id = argv[optind];
    if (!w->id == !w->where)
        return usage(w->id ? "an id and --where do not go together"
                           : "the id of an event is needed, or --where");
    if (!w->where && (w->since_us || w->most))
        return usage("--since and --most go with --where");
    if (w->online && w->state_dir && !w->config)
        return usage("--online needs the config: what to ask, and how");
    if (w->id && (!*w->id || strlen(w->id) > EVENT_ID_MAX))
        return usage("an id has 1 to 255 bytes");
    if (w->where
        && !(w->expr = command_expression("ingestlayer why", w->where)))
        return 2;
    if (!w->since_us)
        w->since_us = clock_wall_us() - HOUR_US;
    if (!w->most)
        w->most = w->where ? MOST : MOST_MAX;
    return -1;
}

/* --- where it looks -------------------------------------------------------- */

static int
find_dir(struct why *w)
{
    if (command_find_daemon(w->state_dir,
                            w->config ? w->config : COMMAND_CONF_DEFAULT,
                            w->dir, sizeof w->dir))
        return 1;
    if (access(w->dir, F_OK))
        return command_why_failed("state_dir %s: %s", w->dir, strerror(errno));
    snprintf(w->spool, sizeof w->spool, "%s/spool", w->dir);
    int err = spool_id_look(w->spool, w->spool_id);
    if (!err)
        err = uuid_parse(w->spool_id, strlen(w->spool_id), w->uuid);
    if (err)
        return command_why_failed("%s: %s", w->spool,
                                  err == -ENOENT ? "there is no spool yet"
                                                 : strerror(-err));
    return 0;
}

/* Lanes that were not written down run by this.  With --state-dir alone there is
 * none, and one that is broken is as good as none. */
static void
open_config(struct why *w)
{
    host_api_init();
    host_explain_init();
    if (w->state_dir && !w->config)
        return;
    struct plan *plan =
        plan_parse(w->config ? w->config : COMMAND_CONF_DEFAULT);
    plan_load(plan);
    w->assembly = assembly_open(plan);
    if (!conf_errors(plan->conf))
        return;
    fputs("ingestlayer why: the config has errors, as ingestlayer check tells; "
          "going by what is noted in state_dir\n",
          stderr);
    assembly_free(w->assembly);
    w->assembly = NULL;
}

static int
open_entities(struct why *w)
{
    char path[sizeof w->dir + sizeof "/" ENTITY_DIR];
    snprintf(path, sizeof path, "%s/" ENTITY_DIR, w->dir);
    if (access(path, F_OK))
        return 0;
    /* Without a config: LMDB takes as much as the store has by now. */
    const int64_t map =
        w->assembly ? option_int(
            option_group(w->assembly->plan->root, "entities", 0), "map_size", 0)
                    : INT64_C(1) << 30;
    return entity_open(path, (uint64_t) map, &w->entities) != 0;
}

/* --- the answer ------------------------------------------------------------ */

static int
nothing_found(const struct why *w)
{
    if (w->where)
        return command_why_failed("no event since then for which this holds");
    return command_why_failed("nothing is known of \"%s\": it is neither in "
                              "the spool (positions %" PRIu64 " to %" PRIu64
                              "), nor among what is parked, the dead letters "
                              "and the refusals that were kept",
                              w->id, w->first, w->last);
}

static int
answer(struct why *w)
{
    if (command_why_find(w) || command_why_kept(w) || command_why_lanes(w))
        return 1;
    if (!w->event_count && !w->kept_count)
        return nothing_found(w);
    w->answers = calloc(w->event_count * w->lane_count + 1, sizeof *w->answers);
    if (!w->answers)
        return command_why_failed("out of memory");
    for (size_t i = 0; i < w->lane_count; i++)
        if (command_why_lane(w, i))
            return 1;
    if (command_why_print(w) || fflush(stdout))
        return 1;
    if (w->more)
        fprintf(
            stderr,
            "ingestlayer why: there are more; --most shows more than %" PRIu64
            "\n",
            w->most);
    return 0;
}

static void
free_kept(struct why_kept *k)
{
    free(k->lane);
    free(k->code);
    free(k->message);
    free(k->field);
    free(k->rule);
    free(k->target);
    text_clear(&k->text);
}

static void
free_all(struct why *w)
{
    for (size_t i = 0; w->answers && i < w->event_count * w->lane_count; i++)
        command_why_forget(&w->answers[i]);
    for (size_t i = 0; i < w->event_count; i++)
        text_clear(&w->events[i].body);
    for (size_t i = 0; i < w->kept_count; i++)
        free_kept(&w->kept[i]);
    for (size_t i = 0; i < w->lane_count; i++) {
        free(w->lanes[i].name);
        host_history_free(&w->lanes[i].history);
    }
    free(w->answers);
    free(w->events);
    free(w->kept);
    free(w->lanes);
    command_dead_close(&w->dead);
    if (w->assembly)
        assembly_free(w->assembly);
    if (w->entities)
        entity_close(w->entities);
    expr_free(w->expr);
}

int
command_why(int argc, char **argv)
{
    struct why w = { .config = NULL };
    int status = read_line(&w, argc, argv);
    if (status < 0)
        status = find_dir(&w);
    if (!status && w.dir[0]) {
        open_config(&w);
        status = open_entities(&w) || answer(&w);
    }
    free_all(&w);
    return status;
}
