/* SPDX-License-Identifier: MIT */
/* ingestlayer plan, apply: what far sides lack of what the config asks for, and
 * making it.  What is applied is a plan that was saved, read and perhaps agreed
 * to by somebody: it is not made anew. */
#include "host/assembly.h"
#include "host/catalog.h"

#include "private.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { SAVE = COMMAND_FLAG, AS_FILE };

static const struct command_option plan_options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP },
    { SAVE, "save", "FILE", "write the plan, for apply" },
    { 0 }
};

const struct command_help command_plan_help = {
    .text = "usage: ingestlayer plan [-c FILE] [--save FILE] "
            "[PIPELINE[/DESTINATION]]\n"
            "Compare far sides with the config and its declared events: print "
            "the\n"
            "statements that are to be run, with the lock that each takes and "
            "what it\n"
            "costs, and the rights that are missing.  Nothing is changed.\n"
            "Exit code 0: there is nothing to do; 3: there is.\n"
            "For example: ingestlayer plan --save plan.json\n",
    .options = plan_options,
};

static const struct command_option apply_options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP },
    { AS_FILE, "connection-file", "FILE",
      "connect as this file's one line says, and not as the config: as the "
      "owner of the tables" },
    { 0 }
};

const struct command_help command_apply_help = {
    .text = "usage: ingestlayer apply [-c FILE] [--connection-file FILE] PLAN "
            "[PIPELINE[/DESTINATION]]\n"
            "Make the changes of a plan that plan --save has written, those "
            "and no others.\n"
            "A statement waits two seconds for a lock, and is tried again for "
            "some minutes.\n"
            "For example: ingestlayer apply plan.json\n",
    .options = apply_options,
};

struct plan_job {
    const char *config, *want, *save, *file, *as_file;
    struct assembly *assembly;
    struct il_text json, as;
    int changes, failed;
};

static void
complain(const struct assembly_lane *l, const struct il_text *why, int err)
{
    fprintf(stderr, "ingestlayer: %s: %s%s", l->destination.instance,
            why->len ? why->data : strerror(-err),
            why->len && why->data[why->len - 1] == '\n' ? "" : "\n");
}

/* --- plan -------------------------------------------------------------------- */

static void
plan_lane(struct plan_job *j, const struct assembly_lane *l)
{
    const char *lane = l->plan->lane;
    struct il_text json = { 0 }, text = { 0 };
    if (!l->destination.plugin->desc.plan)
        return;
    int err = instance_plan(&l->destination, &json, &text);
    text_str(&text);
    if (err < 0) {
        complain(l, &text, err);
        j->failed = 1;
    } else if (text.len) {
        printf("-- %s\n%s", lane, text_str(&text));
    }
    if (err == 1) {
        j->changes++;
        j->failed |= catalog_add(&j->json, lane, &json) != 0;
    }
    text_clear(&json);
    text_clear(&text);
}

static int
plan_all(struct plan_job *j)
{
    j->failed = catalog_begin(&j->json) != 0;
    for (size_t i = 0; i < j->assembly->lane_count; i++)
        if (command_wants_lane(j->assembly->lanes[i]->plan->lane, j->want))
            plan_lane(j, j->assembly->lanes[i]);
    j->failed |= catalog_end(&j->json) != 0;
    if (!j->failed && j->save)
        j->failed = command_write_file(j->save, &j->json);
    if (j->failed)
        return 1;
    if (!j->changes)
        fprintf(stderr, "ingestlayer: there is nothing to change\n");
    return j->changes ? 3 : 0;
}

/* --- apply ------------------------------------------------------------------- */

static void
apply_lane(struct plan_job *j, const struct catalog *c,
           const struct assembly_lane *l)
{
    struct il_text json = { 0 }, text = { 0 };
    int err = l->destination.plugin->desc.apply
                  ? catalog_says(c, l->plan->lane, &json)
                  : 0;
    if (!err && json.len) {
        j->changes++;
        err = instance_apply(&l->destination, json.data, json.len,
                             j->as.len ? text_str(&j->as) : NULL, &text);
        text_str(&text);
    }
    if (err) {
        complain(l, &text, err);
        j->failed = 1;
    } else if (text.len) {
        printf("-- %s\n%s", l->plan->lane, text_str(&text));
    }
    text_clear(&json);
    text_clear(&text);
}

/* One line; it is a secret, and is not shown. */
static int
read_as(struct plan_job *j)
{
    char line[4096];
    if (!j->as_file)
        return 0;
    FILE *f = fopen(j->as_file, "re");
    int ok = f && fgets(line, sizeof line, f);
    if (ok) {
        line[strcspn(line, "\r\n")] = 0;
        ok = *line && !text_puts(&j->as, line);
    }
    if (f)
        fclose(f);
    if (!ok)
        fprintf(stderr,
                "ingestlayer: cannot read %s: expected one line, a connection "
                "string\n",
                j->as_file);
    return !ok;
}

/* A lane of the plan that the config has not is one that is left out. */
static int
apply_all(struct plan_job *j)
{
    struct il_text why = { 0 };
    struct catalog *c = catalog_read(j->file, &why);
    if (!c || read_as(j)) {
        if (!c)
            fprintf(stderr, "ingestlayer: %s\n", text_str(&why));
        text_clear(&why);
        catalog_free(c);
        return 1;
    }
    for (size_t i = 0; i < j->assembly->lane_count && !j->failed; i++)
        if (command_wants_lane(j->assembly->lanes[i]->plan->lane, j->want))
            apply_lane(j, c, j->assembly->lanes[i]);
    if (!j->failed && !j->changes)
        fprintf(stderr, "ingestlayer: the plan says nothing for a lane of this "
                        "config\n");
    text_clear(&why);
    catalog_free(c);
    return j->failed;
}

/* --- the commands -------------------------------------------------------------- */

static int
is_there(const struct plan_job *j)
{
    for (size_t i = 0; i < j->assembly->lane_count; i++)
        if (command_wants_lane(j->assembly->lanes[i]->plan->lane, j->want))
            return 1;
    return 0;
}

static int
run(struct plan_job *j, int (*fn)(struct plan_job *))
{
    int code = 1;
    if (!(j->assembly = command_assemble(j->config)))
        return 1;
    if (j->want && !is_there(j))
        fprintf(stderr, "ingestlayer: there is no lane \"%s\"\n", j->want);
    else
        code = fn(j);
    assembly_free(j->assembly);
    text_clear(&j->json);
    text_clear(&j->as);
    return code;
}

int
command_plan(int argc, char **argv)
{
    struct plan_job j = { .config = COMMAND_CONF_DEFAULT };
    for (int c; (c = command_next(argc, argv, &command_plan_help)) != -1;) {
        if (c == 'c')
            j.config = optarg;
        else if (c == SAVE)
            j.save = optarg;
        else
            return c == 'h' ? 0 : 2;
    }
    if (optind < argc)
        j.want = argv[optind++];
    if (optind < argc)
        return command_unexpected("plan", argv[optind], &command_plan_help);
    return run(&j, plan_all);
}

int
command_apply(int argc, char **argv)
{
    struct plan_job j = { .config = COMMAND_CONF_DEFAULT };
    for (int c; (c = command_next(argc, argv, &command_apply_help)) != -1;) {
        if (c == 'c')
            j.config = optarg;
        else if (c == AS_FILE)
            j.as_file = optarg;
        else
            return c == 'h' ? 0 : 2;
    }
    if (optind == argc) {
        fprintf(stderr, "ingestlayer: apply: expected a plan, which "
                        "plan --save writes\n");
        return 2;
    }
    j.file = argv[optind++];
    if (optind < argc)
        j.want = argv[optind++];
    if (optind < argc)
        return command_unexpected("apply", argv[optind], &command_apply_help);
    return run(&j, apply_all);
}
