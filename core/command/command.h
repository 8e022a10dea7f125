/* SPDX-License-Identifier: MIT */
/* The commands of `ingestlayer`.  argv[0] is the command's name.  Each returns
 * the exit code: 0, 1 failed, 2 usage. */
#ifndef COMMAND_H
#define COMMAND_H

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

#endif
