/* SPDX-License-Identifier: MIT */
/* ingestlayer ddl: what the far sides need, to be read, changed and run by a
 * person. */
#include "host/assembly.h"

#include "private.h"

#include <string.h>

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP }, { 0 }
};

const struct command_help command_ddl_help = {
    .text = "usage: ingestlayer ddl [-c FILE] [PIPELINE[/DESTINATION]]\n"
            "Print what destinations need on their far side (SQL).\n",
    .options = options,
};

/* Is this lane asked for?  lane is "pipeline/destination". */
static int
is_wanted(const char *lane, const char *want)
{
    if (!want || strcmp(lane, want) == 0)
        return 1;
    size_t len = strlen(want);
    return strncmp(lane, want, len) == 0 && lane[len] == '/';
}

static int
print_lane(const struct il_host *h, int *printed)
{
    struct il_text sql = { 0 };
    if (!h->plugin->desc.ddl)
        return 0;
    int err = instance_ddl(h, &sql);
    if (err) {
        fprintf(stderr, "ingestlayer: %s: %s\n", h->instance, strerror(-err));
    } else if (sql.len) {
        printf("%s-- %s\n%s%s", *printed ? "\n" : "", h->lane, text_str(&sql),
               sql.data[sql.len - 1] == '\n' ? "" : "\n");
        *printed = 1;
    }
    text_clear(&sql);
    return err != 0;
}

int
command_ddl(int argc, char **argv)
{
    struct command_line line = { .help = &command_ddl_help,
                                 .max_arguments = 1,
                                 .config = COMMAND_CONF_DEFAULT };
    int code = command_read(&line, argc, argv);
    if (code >= 0)
        return code;
    const char *want = line.arguments[0];

    struct assembly *a = command_assemble(line.config);
    if (!a)
        return 1;
    int failed = 0, found = 0, printed = 0;
    for (size_t i = 0; i < a->lane_count; i++) {
        if (!is_wanted(a->lanes[i]->plan->lane, want))
            continue;
        found = 1;
        failed |= print_lane(&a->lanes[i]->destination, &printed);
    }
    if (want && !found) {
        fprintf(stderr, "ingestlayer: there is no lane \"%s\"\n", want);
        failed = 1;
    }
    assembly_free(a);
    return failed;
}
