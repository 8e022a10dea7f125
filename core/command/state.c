/* SPDX-License-Identifier: MIT */
/* ingestlayer state: what steps remember, as it was last written down. */
#include "private.h"

#include "base/text_plain.h"
#include "cells/cells.h"
#include "codec/json.h"
#include "host/assembly.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP }, { 0 }
};

const struct command_help command_state_help = {
    .text = "usage: ingestlayer state list [-c FILE] LANE [STEP]\n"
            "       ingestlayer state get  [-c FILE] LANE STEP KEY\n"
            "\n"
            "Print what the steps of a lane remember, a line of JSON for each "
            "key, as it\n"
            "was last written down, which a daemon does every few seconds.\n"
            "\n"
            "list: which steps remember something; or all keys of one\n"
            "get: what one remembers of a key\n"
            "\n"
            "LANE is pipeline/destination, STEP a step's name or number.\n"
            "\n",
    .verbs = "list get",
    .options = options,
};

static int
complain(const char *what, const char *name)
{
    fprintf(stderr, "ingestlayer: %s \"%s\"\n", what, name);
    return 1;
}

static const struct il_host *
find_step(const struct assembly_lane *l, const char *name)
{
    for (size_t i = 0; i < l->step_count; i++)
        if (!strcmp(l->steps[i].name, name))
            return &l->steps[i];
    return NULL;
}

/* --- cells ---------------------------------------------------------------- */

struct listing {
    const struct il_host *step;
    const char *want; /* NULL: all keys */
    struct il_text line, member;
    uint64_t count;
};

/* Does the line begin with this key? */
static int
is_wanted(struct listing *l)
{
    const struct il_value key = { .type = IL_STRING,
                                  .str = l->want,
                                  .len = strlen(l->want) };
    l->member.len = 0;
    if (text_puts(&l->member, "{\"key\":")
        || json_write(&l->member, &key, 0) < 0)
        return 0;
    return l->line.len > l->member.len
           && !memcmp(l->line.data, l->member.data, l->member.len)
           && strchr(",}", l->line.data[l->member.len]);
}

static int
print_cell(void *arg, struct slice key, const struct il_remembered *cell)
{
    struct listing *l = arg;
    l->line.len = 0;
    if (instance_show(l->step, key.ptr, key.len, cell, &l->line) || !l->line.len
        || (l->want && !is_wanted(l)))
        return 0;
    l->count++;
    printf("%s\n", text_str(&l->line));
    return 0;
}

static int
print_step(const struct assembly *a, const struct assembly_lane *lane,
           const struct il_host *step, const char *want)
{
    const char *state_dir = option_str(a->plan->root, "state_dir", 0);
    struct listing l = { .step = step, .want = want };
    char *dir = conf_printf(a->plan->conf, "%s/instances/lanes/%s/memory",
                            state_dir, lane->plan->lane);
    int err = command_become_owner(state_dir, 0);
    if (err)
        return 1;
    err = cells_each(dir, step->memory->lineage, print_cell, &l);
    text_clear(&l.line);
    text_clear(&l.member);
    if (err == -ENOENT)
        err = 0;
    if (err)
        fprintf(stderr, "ingestlayer: cannot read %s: %s\n", dir,
                strerror(-err));
    else if (want && !l.count)
        return complain("nothing is remembered of", want);
    return err != 0;
}

static void
print_steps(const struct assembly_lane *l)
{
    for (size_t i = 0; i < l->step_count; i++)
        if (l->steps[i].memory)
            printf("%s (%s)\n", l->steps[i].name,
                   l->steps[i].plugin->desc.name);
}

/* arguments: verb, lane, step or NULL, and of get the key. */
static int
run(const struct assembly *a, char *const *arguments, int get)
{
    const struct assembly_lane *lane = assembly_find_lane(a, arguments[1]);
    if (!lane)
        return complain("there is no lane", arguments[1]);
    if (!arguments[2]) {
        print_steps(lane);
        return 0;
    }
    const struct il_host *step = find_step(lane, arguments[2]);
    if (!step)
        return complain("the lane has no step", arguments[2]);
    if (!step->memory || !step->plugin->desc.show)
        return complain("there is nothing to show of the step", arguments[2]);
    return print_step(a, lane, step, get ? arguments[3] : NULL);
}

int
command_state(int argc, char **argv)
{
    struct command_line line = { .help = &command_state_help,
                                 .max_arguments = 4,
                                 .config = COMMAND_CONF_DEFAULT };
    int code = command_read(&line, argc, argv);
    if (code >= 0)
        return code;
    size_t n = 0;
    while (line.arguments[n])
        n++;
    int get = n == 4 && !strcmp(line.arguments[0], "get");
    int list = (n == 2 || n == 3) && !strcmp(line.arguments[0], "list");
    if (!get && !list) {
        fputs(
            "ingestlayer state: say list, a lane and perhaps a step; or get, a "
            "lane, a step and a key; see ingestlayer state --help\n",
            stderr);
        return 2;
    }
    struct assembly *a = command_assemble(line.config);
    if (!a)
        return 1;
    int failed = run(a, line.arguments, get);
    assembly_free(a);
    return failed;
}
