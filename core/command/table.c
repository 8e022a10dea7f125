/* SPDX-License-Identifier: MIT */
#include "private.h"

const struct command_entry command_table[] = {
    { "run", command_run, &command_run_help, "run the daemon" },
    { "check", command_check, &command_check_help, "check a config" },
    { "config", command_config, &command_config_help,
      "print the config that counts, with all defaults" },
    { "plugins", command_plugins, &command_plugins_help,
      "list plugins, or the options of one" },
    { "eval", command_eval, &command_eval_help,
      "try an expression on payloads" },
    { "emit", command_emit, &command_emit_help,
      "send events through the running daemon" },
    { "entity", command_entity, &command_entity_help,
      "import and look up entities" },
    { "status", command_status, &command_status_help,
      "show what a running daemon does" },
    { "why", command_why, &command_why_help,
      "tell what became of an event, and why" },
    { "reload", command_reload, &command_reload_help,
      "have the daemon read its certificates again" },
    { "dead", command_dead, &command_dead_help,
      "list, show, retry and drop dead letters" },
    { "lane", command_lane, &command_lane_help,
      "list, pause and resume lanes; take one back, or forget one" },
    { "state", command_state, &command_state_help,
      "show what the steps of a lane remember" },
    { "spool", command_spool, &command_spool_help,
      "verify, inspect and export the spool" },
    { "ddl", command_ddl, &command_ddl_help,
      "print what destinations need on their far side" },
    { "types", command_types, &command_types_help,
      "print the declared events as TypeScript" },
    { "completion", command_completion, &command_completion_help,
      "print the completion of bash, zsh or fish" },
};

const size_t command_count = sizeof(command_table) / sizeof(command_table[0]);
