/* SPDX-License-Identifier: MIT */
/* The commands of `ingestlayer`.  argv[0] is the command's name.  Each returns
 * the exit code: 0, 1 failed, 2 usage. */
#ifndef COMMAND_H
#define COMMAND_H

#include <stddef.h>

struct command_help; /* its options, private.h */

int command_check(int argc, char **argv);
int command_completion(int argc, char **argv);
int command_config(int argc, char **argv);
int command_dead(int argc, char **argv);
int command_ddl(int argc, char **argv);
int command_plan(int argc, char **argv);
int command_apply(int argc, char **argv);
int command_emit(int argc, char **argv);
int command_entity(int argc, char **argv);
int command_eval(int argc, char **argv);
int command_graph(int argc, char **argv);
int command_lane(int argc, char **argv);
int command_plugins(int argc, char **argv);
int command_reload(int argc, char **argv);
int command_replay(int argc, char **argv);
int command_run(int argc, char **argv);
int command_spool(int argc, char **argv);
int command_state(int argc, char **argv);
int command_status(int argc, char **argv);
int command_tap(int argc, char **argv);
int command_test(int argc, char **argv);
int command_top(int argc, char **argv);
int command_types(int argc, char **argv);
int command_upgrade(int argc, char **argv);
int command_why(int argc, char **argv);

extern const struct command_help command_check_help, command_completion_help,
    command_config_help, command_ddl_help, command_plan_help,
    command_apply_help, command_dead_help, command_emit_help,
    command_entity_help, command_eval_help, command_graph_help,
    command_lane_help, command_plugins_help, command_reload_help,
    command_replay_help, command_run_help, command_spool_help,
    command_state_help, command_status_help, command_tap_help,
    command_test_help, command_top_help, command_types_help,
    command_upgrade_help, command_why_help;

/* All commands, in the order of `ingestlayer --help`. */
struct command_entry {
    const char *name;
    int (*run)(int argc, char **argv);
    const struct command_help *help;
    const char *summary;
};
extern const struct command_entry command_table[];
extern const size_t command_count;

/* ingestlayer --version; long: and how it was built.  argc and argv are all
 * of the program's. */
int command_version(int argc, char **argv);

#endif
