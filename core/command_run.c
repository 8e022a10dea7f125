/* SPDX-License-Identifier: MIT */
/* ingestlayer run: the daemon, in the foreground. */
#include "command.h"
#include "host.h"

#include <getopt.h>
#include <stdio.h>

static const char usage[] =
    "usage: ingestlayer run [-c FILE]\n"
    "Run the daemon in the foreground until SIGTERM or SIGINT.\n"
    "  -c, --config FILE  the config (" COMMAND_CONF_DEFAULT ")\n";

int
command_run(int argc, char **argv)
{
    static const struct option options[] = { { "config", required_argument,
                                               NULL, 'c' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    const char *path = COMMAND_CONF_DEFAULT;
    for (int c; (c = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        if (c == 'c')
            path = optarg;
        else
            return fputs(usage, c == 'h' ? stdout : stderr), c == 'h' ? 0 : 2;
    }
    if (optind != argc)
        return command_surplus(argv, optind, usage);

    struct host *host = host_new();
    if (!host)
        return 1;
    int failed = host_parse(host, path) || host_load(host) || host_open(host)
                 || host_drop_privileges(host) || host_start(host);
    if (!failed) {
        host_run(host);
        host_flush(host);
        host_stop(host);
    }
    host_close(host);
    return failed;
}
