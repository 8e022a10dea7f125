/* SPDX-License-Identifier: MIT */
/* ingestlayer ddl: what the far sides need, to be read, changed and run by a
 * person; and what they look like now, for tests. */
#include "host/assembly.h"
#include "host/catalog.h"

#include "private.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

enum { SAVE = COMMAND_FLAG };

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP },
    { SAVE, "save", "FILE",
      "print nothing; write what is there now, for test --catalog" },
    { 0 }
};

const struct command_help command_ddl_help = {
    .text = "usage: ingestlayer ddl [-c FILE] [--save FILE] "
            "[PIPELINE[/DESTINATION]]\n"
            "Print what destinations need on their far side (SQL), or ask "
            "their far\n"
            "sides what they look like.\n"
            "For example: ingestlayer ddl --save tables.json\n",
    .options = options,
};

struct ddl_job {
    const char *config, *want, *save;
    struct assembly *assembly;
    int printed;
};

/* Is this lane asked for?  lane is "pipeline/destination". */
int
command_wants_lane(const char *lane, const char *want)
{
    if (!want || strcmp(lane, want) == 0)
        return 1;
    size_t len = strlen(want);
    return strncmp(lane, want, len) == 0 && lane[len] == '/';
}

static int
print_lane(struct ddl_job *j, const struct assembly_lane *l)
{
    const struct il_host *h = &l->destination;
    struct il_text sql = { 0 };
    if (!h->plugin->desc.ddl)
        return 0;
    int err = instance_ddl(h, &sql);
    if (err) {
        fprintf(stderr, "ingestlayer: %s: %s\n", h->instance, strerror(-err));
    } else if (sql.len) {
        printf("%s-- %s\n%s%s", j->printed ? "\n" : "", h->lane, text_str(&sql),
               sql.data[sql.len - 1] == '\n' ? "" : "\n");
        j->printed = 1;
    }
    text_clear(&sql);
    return err != 0;
}

static int
print_lanes(struct ddl_job *j)
{
    int failed = 0;
    for (size_t i = 0; i < j->assembly->lane_count; i++)
        if (command_wants_lane(j->assembly->lanes[i]->plan->lane, j->want))
            failed |= print_lane(j, j->assembly->lanes[i]);
    return failed;
}

/* --- save --------------------------------------------------------------------- */

static int
ask_lane(struct il_text *json, const struct assembly_lane *l)
{
    struct il_text why = { 0 };
    int err = catalog_ask(json, l, &why);
    if (err == 1 && l->destination.plugin->desc.describe)
        fprintf(stderr,
                "ingestlayer: %s: there is nothing yet; tests go by "
                "what the config says\n",
                l->destination.instance);
    else if (err < 0)
        fprintf(stderr, "ingestlayer: %s: %s\n", l->destination.instance,
                why.len ? text_str(&why) : strerror(-err));
    text_clear(&why);
    return err < 0;
}

int
command_write_file(const char *path, const struct il_text *json)
{
    FILE *f = fopen(path, "we");
    int failed = !f || fwrite(json->data, 1, json->len, f) != json->len;
    if (f && fclose(f))
        failed = 1;
    if (failed)
        fprintf(stderr, "ingestlayer: cannot write %s: %s\n", path,
                strerror(errno));
    return failed;
}

/* The file is written where all have answered, and else left as it is. */
static int
save_lanes(struct ddl_job *j)
{
    struct il_text json = { 0 };
    int failed = catalog_begin(&json) != 0;
    for (size_t i = 0; i < j->assembly->lane_count; i++)
        if (command_wants_lane(j->assembly->lanes[i]->plan->lane, j->want))
            failed |= ask_lane(&json, j->assembly->lanes[i]);
    failed |= catalog_end(&json) != 0;
    if (!failed)
        failed = command_write_file(j->save, &json);
    text_clear(&json);
    return failed;
}

/* --- the command -------------------------------------------------------------- */

static int
is_there(const struct ddl_job *j)
{
    for (size_t i = 0; i < j->assembly->lane_count; i++)
        if (command_wants_lane(j->assembly->lanes[i]->plan->lane, j->want))
            return 1;
    return 0;
}

/* -1 to go on, else the exit code. */
static int
read_line(struct ddl_job *j, int argc, char **argv)
{
    for (int c; (c = command_next(argc, argv, &command_ddl_help)) != -1;) {
        if (c == 'c')
            j->config = optarg;
        else if (c == SAVE)
            j->save = optarg;
        else
            return c == 'h' ? 0 : 2;
    }
    if (optind < argc)
        j->want = argv[optind++];
    return optind < argc
               ? command_unexpected("ddl", argv[optind], &command_ddl_help)
               : -1;
}

int
command_ddl(int argc, char **argv)
{
    struct ddl_job j = { .config = COMMAND_CONF_DEFAULT };
    int code = read_line(&j, argc, argv);
    if (code >= 0)
        return code;
    if (!(j.assembly = command_assemble(j.config)))
        return 1;
    if (j.want && !is_there(&j)) {
        fprintf(stderr, "ingestlayer: there is no lane \"%s\"\n", j.want);
        code = 1;
    } else {
        code = j.save ? save_lanes(&j) : print_lanes(&j);
    }
    assembly_free(j.assembly);
    return code;
}
