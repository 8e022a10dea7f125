/* SPDX-License-Identifier: MIT */
/* ingestlayer: one command with subcommands. */
#include <config.h>

#include "command/command.h"

#include "base/nearest.h"
#include "base/text_plain.h"
#include "conf/conf.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    { "run", command_run, "run the daemon" },
    { "check", command_check, "check a config" },
    { "plugins", command_plugins, "list plugins, or the options of one" },
    { "eval", command_eval, "try an expression on payloads" },
    { "emit", command_emit, "send events through the running daemon" },
    { "entity", command_entity, "import and look up entities" },
    { "status", command_status, "show what a running daemon does" },
    { "reload", command_reload, "have the daemon read its certificates again" },
    { "dead", command_dead, "list, show, retry and drop dead letters" },
    { "spool", command_spool, "verify, inspect and export the spool" },
    { "ddl", command_ddl, "print what destinations need on their far side" },
    { "types", command_types, "print the declared events as TypeScript" },
};

#define COUNT (sizeof(commands) / sizeof(commands[0]))

static void
print_usage(FILE *out)
{
    fputs("usage: ingestlayer COMMAND [OPTION]...\n\n", out);
    for (size_t i = 0; i < COUNT; i++)
        fprintf(out, "  %-8s  %s\n", commands[i].name, commands[i].summary);
    fputs("\nEach command has --help.  ingestlayer --version prints the "
          "version.\n",
          out);
}

static int
unknown(const char *name)
{
    const char *names[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        names[i] = commands[i].name;
    const char *meant = nearest_name(name, names, COUNT);
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
    plain_output();
    if (argc < 2)
        return print_usage(stderr), 2;
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_usage(stdout), 0;
    if (strcmp(argv[1], "--version") == 0)
        return puts("ingestlayer " PACKAGE_VERSION), 0;
    for (size_t i = 0; i < COUNT; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return finish(commands[i].run(argc - 1, argv + 1));
    return unknown(argv[1]);
}
