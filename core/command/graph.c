/* SPDX-License-Identifier: MIT */
/* ingestlayer graph: a config as a picture, and how it fares where its daemon
 * runs. */
#include "graph.h"

#include "config_read.h"
#include "private.h"
#include "reply.h"

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

/* Between the two samples that rates are of. */
#define INTERVAL_MS 1000

enum { SVG = COMMAND_FLAG, DOT, TEXT, RUNNING, STILL };

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP },
    { SVG, "svg", NULL,
      "as SVG, which is what is written where no terminal is" },
    { DOT, "dot", NULL, "for Graphviz" },
    { TEXT, "text", NULL, "in words, as on a terminal" },
    { STILL, "still", NULL, "without asking the daemon how all of it fares" },
    { RUNNING, "running", NULL,
      "what the running daemon has read, rather than what is in the files "
      "now" },
    { 's', "state-dir", "DIR",
      "the same, of the daemon on this state_dir, without reading a config" },
    { 0 }
};

const struct command_help command_graph_help = {
    .text = "usage: ingestlayer graph [-c FILE] [--svg | --dot | --text] "
            "[--still]\n"
            "       ingestlayer graph --running [-c FILE | --state-dir DIR] "
            "[--svg | --dot | --text]\n"
            "Print a config as a picture: sources, pipelines with their steps, "
            "destinations;\nand on it, where the daemon runs, how fast events "
            "flow and how far lanes are\nbehind.\n"
            "\n"
            "    ingestlayer graph > config.svg\n"
            "    ingestlayer graph --dot | dot -Tpng > config.png\n"
            "\n",
    .options = options,
};

struct ask {
    const char *config, *state_dir;
    int kind, running, still;
    struct graph graph;
    struct il_text json, out;
};

/* --- how it fares ------------------------------------------------------------ */

/* Two samples, where a daemon runs there. */
static void
look(struct graph *g, const char *state_dir)
{
    struct command_sample before = { .at_us = 0 }, now = { .at_us = 0 };
    if (!command_sample_take(state_dir, 1, &before)) {
        poll(NULL, 0, INTERVAL_MS);
        if (!command_sample_take(state_dir, 1, &now))
            command_graph_live(g, &before, &now);
    }
    command_sample_clear(&before);
    command_sample_clear(&now);
}

/* --- reading ----------------------------------------------------------------- */

static int
no_memory(int err)
{
    if (err == -ENOMEM)
        fputs("ingestlayer: no memory\n", stderr);
    else if (err)
        command_answer_unknown();
    return err != 0;
}

static int
has_state_dir(const struct graph *g)
{
    struct il_value all;
    const char *p = g->packed.data;
    return !msg_value(&p, p + g->packed.len, &all)
           && command_member(&all, "state_dir").type == IL_MAP;
}

/* Of the files: 1 where something is wrong in them, which does not keep from
 * drawing the rest. */
static int
read_files(struct ask *a)
{
    char dir[4096];
    int failed = command_config_files(a->config, 1, &a->json);
    if (!a->json.len)
        return 1;
    failed |= no_memory(
        command_graph_read(&a->graph, slice_of(a->json.data, a->json.len)));
    if (!a->still && has_state_dir(&a->graph)
        && !command_find_daemon(NULL, a->config, dir, sizeof(dir)))
        look(&a->graph, dir);
    return failed;
}

static int
read_running(struct ask *a)
{
    char dir[4096];
    int failed = command_find_daemon(a->state_dir, a->config, dir, sizeof(dir))
                 || command_config_running(dir, 1, &a->json);
    if (!failed)
        failed = no_memory(
            command_graph_read(&a->graph, slice_of(a->json.data, a->json.len)));
    if (!failed && !a->still)
        look(&a->graph, dir);
    return failed;
}

static int
draw(struct ask *a)
{
    int failed = a->running ? read_running(a) : read_files(a);
    if (!a->json.len)
        return failed;
    int err = a->kind == DOT   ? command_graph_dot(&a->out, &a->graph)
              : a->kind == SVG ? command_graph_svg(&a->out, &a->graph)
                               : command_graph_text(&a->out, &a->graph);
    failed |= no_memory(err);
    if (fwrite(a->out.data, 1, a->out.len, stdout) == a->out.len
        && !fflush(stdout))
        return failed;
    perror("ingestlayer graph: standard output");
    return 1;
}

int
command_graph(int argc, char **argv)
{
    struct ask a = { .config = COMMAND_CONF_DEFAULT };
    for (int c; (c = command_next(argc, argv, &command_graph_help)) != -1;) {
        if (c == 'c')
            a.config = optarg;
        else if (c == 's')
            a.state_dir = optarg;
        else if (c == RUNNING)
            a.running = 1;
        else if (c == STILL)
            a.still = 1;
        else if (c == SVG || c == DOT || c == TEXT)
            a.kind = c;
        else
            return c == 'h' ? 0 : 2;
    }
    if (optind < argc)
        return command_unexpected("graph", argv[optind], &command_graph_help);
    if (!a.kind)
        a.kind = isatty(STDOUT_FILENO) ? TEXT : SVG;
    a.running |= a.state_dir != NULL;
    int failed = draw(&a);
    command_graph_free(&a.graph);
    text_clear(&a.json);
    text_clear(&a.out);
    return failed;
}
