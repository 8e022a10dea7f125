/* SPDX-License-Identifier: MIT */
/* The commands of `ingestlayer`.  argv[0] is the command's name.  Each returns
 * the exit code: 0, 1 failed, 2 usage. */
#ifndef COMMAND_H
#define COMMAND_H

#define COMMAND_CONF_DEFAULT "/etc/ingestlayer/ingestlayer.conf"

int command_entity(int argc, char **argv);
int command_eval(int argc, char **argv);

#endif
