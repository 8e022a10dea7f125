/* SPDX-License-Identifier: MIT */
/* ingestlayer: one command with subcommands. */
#include <config.h>

#include "command/command.h"

#include "base/nearest.h"
#include "base/text_plain.h"
#include "conf/conf.h"
#include "plugin/enter.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void
print_usage(FILE *out)
{
    fputs("usage: ingestlayer COMMAND [OPTION]...\n\n", out);
    for (size_t i = 0; i < command_count; i++)
        fprintf(out, "  %-10s  %s\n", command_table[i].name,
                command_table[i].summary);
    fputs("\nEach command has --help.  ingestlayer --version prints the "
          "version, and with\n--verbose how it was built.\n",
          out);
}

static int
unknown(const char *name)
{
    const char *names[32];
    size_t n = 0;
    for (; n < command_count && n < sizeof(names) / sizeof(names[0]); n++)
        names[n] = command_table[n].name;
    const char *meant = nearest_name(name, names, n);
    fprintf(stderr, "ingestlayer: there is no command \"%s\"", name);
    if (meant)
        fprintf(stderr, "; did you mean \"%s\"?", meant);
    fputs("\nTry: ingestlayer --help\n", stderr);
    return 2;
}

/* What was printed and did not arrive (a full disk) is a failure too. */
static int
finish(int status)
{
    int failed = ferror(stdout);
    plugin_guard_end();
    if ((fclose(stdout) != 0 || failed) && status == 0) {
        fprintf(stderr, "ingestlayer: writing to standard output failed\n");
        return 1;
    }
    return status;
}

/* Whatever a command prints may have been written by strangers.  Nothing has
 * been printed yet. */
static void
plain_output(void)
{
    FILE *out = text_plain_stream(STDOUT_FILENO,
                                  isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF);
    FILE *err = text_plain_stream(STDERR_FILENO, _IOLBF);
    stdout = out ? out : stdout;
    stderr = err ? err : stderr;
}

int
main(int argc, char **argv)
{
    /* A reader that goes away (a pipe, a socket) and a file at the limit of
     * its size are errors to handle where they are met, no reasons to die. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    plugin_guard();
    plain_output();
    if (argc < 2)
        return print_usage(stderr), finish(2);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_usage(stdout), finish(0);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "--verbose") == 0)
        return finish(command_version(argc, argv));
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(argv[1], command_table[i].name) == 0)
            return finish(command_table[i].run(argc - 1, argv + 1));
    return finish(unknown(argv[1]));
}
