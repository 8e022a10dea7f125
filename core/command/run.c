/* SPDX-License-Identifier: MIT */
/* ingestlayer run: the daemon, in the foreground. */
#include "private.h"

#include "host/host.h"

#include <stdio.h>

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP }, { 0 }
};

const struct command_help command_run_help = {
    .text = "usage: ingestlayer run [-c FILE]\n"
            "Run the daemon in the foreground until SIGTERM or SIGINT.\n",
    .options = options,
};

int
command_run(int argc, char **argv)
{
    struct command_line line = { .help = &command_run_help,
                                 .config = COMMAND_CONF_DEFAULT };
    int code = command_read(&line, argc, argv);
    if (code >= 0)
        return code;

    struct host *host = host_new();
    if (!host)
        return 1;
    int failed = host_inherit(host) || host_parse(host, line.config)
                 || host_load(host) || host_open(host)
                 || host_drop_privileges(host) || host_start(host);
    int rc = failed ? 0 : host_run(host);
    if (!failed && !rc) {
        host_flush(host);
        host_stop(host);
    }
    host_close(host);
    return failed || rc < 0;
}
