/* SPDX-License-Identifier: MIT */
/* How the room works: one file a command, named as the command is.
 *
 *   command.c     what most commands share: their line, finding state_dir,
 *                 reading a config with its plugins opened
 *   run.c         the daemon, phase by phase (host/host.h)
 *   check.c  ddl.c  types.c  plugins.c  eval.c
 *                 read a config or a table, and touch nothing outside
 *   emit.c  status.c  reload.c  dead_retry.c
 *                 ask the running daemon by its control socket (host/control.h)
 *   dead.c  dead_print.c  entity.c
 *                 open a store of state_dir themselves, beside a running daemon
 *                 or without one: LMDB lets several processes in
 *   spool.c       reads segments while no daemon runs
 *
 * A command prints results on standard output and all else on standard error,
 * and returns 0, 1 (failed) or 2 (usage).  There are no threads and no locks
 * here, but in run, where the rooms make their own. */
#ifndef COMMAND_PRIVATE_H
#define COMMAND_PRIVATE_H

#include "command.h"

#include <stdint.h>

#define COMMAND_CONF_DEFAULT SYSCONFDIR "/ingestlayer/ingestlayer.conf"

struct assembly;

/* What most commands take: -c FILE, a flag of their own, arguments. */
struct command_line {
    const char *usage;
    const char *flag; /* "json"; NULL: no such option */
    int max_arguments;
    const char *config; /* what counts without -c; may be NULL */
    /* what was found */
    int has_flag;
    char **arguments; /* ends with NULL */
};
/* -1 to go on; else the exit code, after the usage or a message. */
int command_read(struct command_line *, int argc, char **argv);

/* --- for commands that read the config --- */

/* Read it and open its plugins, and print what is wrong on stderr.  NULL: it
 * has errors. */
struct assembly *command_assemble(const char *path);
/* Only state_dir of a config, for commands that go to a store or the running
 * daemon: plugins are not loaded.  Copied into out; 0, or 1 after a message. */
int command_find_state_dir(const char *path, char *out, unsigned long size);
/* The same, and entities.map_size. */
int command_find_entities(const char *path, char *out, unsigned long size,
                          uint64_t *map_size);
/* All commands that go into state_dir, before they do: as root go on as its
 * owner, so that what is written there is the daemon's, and no link in it leads
 * to what its owner may not touch.  make: where it is missing make it, for the
 * user and group that the config names.  For good; 0, or 1 after a message. */
int command_become_owner(const char *state_dir, int make);

#endif
