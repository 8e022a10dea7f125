/* SPDX-License-Identifier: MIT */
/* The commands of `ingestlayer`.  argv[0] is the command's name.  Each returns
 * the exit code: 0, 1 failed, 2 usage. */
#ifndef COMMAND_H
#define COMMAND_H

#include <stdint.h>

#define COMMAND_CONF_DEFAULT SYSCONFDIR "/ingestlayer/ingestlayer.conf"

struct assembly;
struct plan;

int command_check(int argc, char **argv);
int command_dead(int argc, char **argv);
int command_ddl(int argc, char **argv);
int command_emit(int argc, char **argv);
int command_entity(int argc, char **argv);
int command_eval(int argc, char **argv);
int command_plugins(int argc, char **argv);
int command_reload(int argc, char **argv);
int command_run(int argc, char **argv);
int command_spool(int argc, char **argv);
int command_status(int argc, char **argv);
int command_types(int argc, char **argv);

/* What most commands take: -c FILE, a flag of their own, arguments. */
struct command_line {
    const char *usage;
    const char *flag;  /* "json"; NULL: no such option */
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

#endif
