/* SPDX-License-Identifier: MIT */
#include "private.h"

#include "host/api.h"
#include "host/assembly.h"
#include "host/settings.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
command_read(struct command_line *line, int argc, char **argv)
{
    for (int c; (c = command_next(argc, argv, line->help)) != -1;) {
        if (c == 'c')
            line->config = optarg;
        else if (c == COMMAND_FLAG)
            line->has_flag = 1;
        else
            return c == 'h' ? 0 : 2;
    }
    line->arguments = argv + optind;
    if (argc - optind <= line->max_arguments)
        return -1;
    fprintf(stderr, "ingestlayer %s: unexpected argument \"%s\"\n", argv[0],
            line->arguments[line->max_arguments]);
    command_print_help(line->help, stderr);
    return 2;
}

struct assembly *
command_assemble(const char *path)
{
    host_api_init();
    struct plan *plan = plan_parse(path);
    plan_load(plan);
    struct assembly *a = assembly_open(plan);
    conf_print(a->plan->conf, stderr);
    if (!conf_errors(a->plan->conf))
        return a;
    assembly_free(a);
    return NULL;
}

int
command_find_state_dir(const char *path, char *out, unsigned long size)
{
    return command_find_entities(path, out, size, NULL);
}

int
command_find_entities(const char *path, char *out, unsigned long size,
                      uint64_t *map_size)
{
    static const struct option_table table = { settings_root,
                                               sizeof(struct il_option) };
    struct conf *conf = conf_new();
    int failed = 1;
    if (conf_load(conf, path) == 0) {
        /* Only these keys count here: a daemon may well run with a file that
         * has been broken elsewhere since. */
        struct config_setting_t *root = conf_root(conf, 0);
        const struct il_conf *g =
            option_read_group(&(struct option_read){ .conf = conf,
                                                     .groups = &root,
                                                     .group_count = 1,
                                                     .tables = &table,
                                                     .table_count = 1 });
        const char *dir = option_str(g, "state_dir", 0);
        if (map_size)
            *map_size = (uint64_t) option_int(option_group(g, "entities", 0),
                                              "map_size", 0);
        if (dir && strlen(dir) < size) {
            strcpy(out, dir);
            failed = 0;
        } else {
            fprintf(stderr, "%s: state_dir: is required and missing\n", path);
        }
    } else {
        conf_print(conf, stderr);
    }
    conf_free(conf);
    return failed;
}
