/* SPDX-License-Identifier: MIT */
/* ingestlayer check: is this config right?  Without --online nothing outside
 * this process is touched. */
#include "host/assembly.h"

#include "lane.h"
#include "private.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

enum { ONLINE = COMMAND_FLAG, STRICT };

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP },
    { ONLINE, "online", NULL, "also try the far sides, without changing them" },
    { STRICT, "strict", NULL, "fail on warnings as well" },
    { 0 }
};

const struct command_help command_check_help = {
    .text =
        "usage: ingestlayer check [-c FILE] [--online] [--strict]\n"
        "Check a config file, its includes and the options of its plugins,\n"
        "and what a start needs on this machine.\n",
    .options = options,
};

/* Each line that the plugin found, behind the name of its lane. */
static void
print_findings(const char *lane, const char *text)
{
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, "\n");
        printf("%s: %.*s\n", lane, (int) len, p);
        p += len + (p[len] == '\n');
    }
}

/* 0, or 1 when it would fail.  What has nothing to try says so, or (quiet)
 * nothing. */
static int
try_far_side(const struct il_host *h, const char *name, int quiet)
{
    struct il_text found = { 0 };
    if (!h->plugin->desc.probe) {
        if (!quiet)
            printf("%s: %s has nothing to try\n", name, h->plugin->desc.name);
        return 0;
    }
    int err = instance_probe(h, &found);
    print_findings(name, text_str(&found));
    if (err)
        printf("%s: FAILED%s%s\n", name, found.len ? "" : ": ",
               found.len ? "" : strerror(-err));
    text_clear(&found);
    return err != 0;
}

/* 0, or 1 when deliveries would fail, or a source that fetches. */
static int
try_far_sides(struct assembly *a)
{
    int failed = 0;
    for (size_t i = 0; i < a->plan->source_count; i++)
        failed |=
            try_far_side(&a->sources[i]->host, a->sources[i]->host.name, 1);
    for (size_t i = 0; i < a->lane_count; i++) {
        const struct il_host *h = &a->lanes[i]->destination;
        failed |= try_far_side(h, h->lane, 0);
    }
    return failed;
}

static void
print_summary(const struct assembly *a, const char *path)
{
    const struct plan *plan = a->plan;
    const size_t lanes = assembly_lanes_run(a);
    size_t drafts = 0;
    for (size_t i = 0; i < plan->pipeline_count; i++)
        drafts += plan->pipelines[i].status == PLAN_DRAFT;
    printf("%s: fine: %zu source%s, %zu pipeline%s", path, plan->source_count,
           plan->source_count == 1 ? "" : "s", plan->pipeline_count,
           plan->pipeline_count == 1 ? "" : "s");
    if (drafts)
        printf(" (%zu draft%s)", drafts, drafts == 1 ? "" : "s");
    printf(", %zu lane%s\n", lanes, lanes == 1 ? "" : "s");
}

static void
say_as(const char *user)
{
    if (*user)
        fprintf(stderr,
                "ingestlayer: checked as the user %s, who owns state_dir\n",
                user);
}

int
command_check(int argc, char **argv)
{
    const char *config = COMMAND_CONF_DEFAULT;
    int online = 0, strict = 0;
    for (int c; (c = command_next(argc, argv, &command_check_help)) != -1;) {
        if (c == 'c')
            config = optarg;
        else if (c == ONLINE)
            online = 1;
        else if (c == STRICT)
            strict = 1;
        else
            return c == 'h' ? 0 : 2;
    }
    if (optind < argc)
        return command_unexpected("check", argv[optind], &command_check_help);

    char as[64];
    if (command_become_daemon(config, as))
        return 1;
    struct assembly *a = command_assemble_to_run(config);
    if (!a) {
        say_as(as);
        return 1;
    }
    int failed = online ? try_far_sides(a) : 0;
    failed |= command_check_begin(a->plan);
    command_say_left(a->plan);
    if (strict && conf_warnings(a->plan->conf)) {
        fprintf(stderr, "%s: not fine: --strict, and there %s\n", config,
                conf_warnings(a->plan->conf) == 1 ? "is a warning"
                                                  : "are warnings");
        failed = 1;
    }
    if (!failed)
        print_summary(a, config);
    else
        say_as(as);
    assembly_free(a);
    return failed;
}
