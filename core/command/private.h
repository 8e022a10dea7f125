/* SPDX-License-Identifier: MIT */
/* How the room works: one file a command, named as the command is.
 *
 *   command.c  arguments.c  help.c  completion.c  table.c
 *                 the line, from the one table of options that --help, getopt and
 *                 the shells' completions are made of; finding state_dir
 *   run.c         the daemon, phase by phase (host/host.h)
 *   check.c  config.c  graph*.c  ddl.c  plan.c  types.c  plugins.c  verify.c  eval.c  test*.c
 *                 read a config or a table, and touch nothing outside
 *   emit.c  status.c  top*.c  tap.c  reload.c  replay.c  upgrade.c  dead_retry.c
 *                 ask the running daemon by its control socket (host/control.h)
 *   reply.c  job.c  figures.c
 *                 what stands in its answers; in those that take long; and in two of
 *                 them, compared
 *   show.c  progress.c  terminal.c
 *                 amounts as people read them; how far it is
 *   dead*.c  entity*.c  state.c  why*.c
 *                 open what state_dir has themselves, beside a running daemon or
 *                 without one: LMDB and segments let several processes in
 *   spool*.c  lane*.c
 *                 while no daemon runs; or by it, where one does
 *
 * A command prints results on standard output and all else on standard error,
 * and returns 0, 1 (failed), 2 (usage) or, where it is asked whether there is
 * something to do, 3 (there is).  Texts of events, configs and far sides
 * go through text_plain() before a terminal gets them.  There are no threads and no
 * locks here, but in run, where the rooms make their own. */
#ifndef COMMAND_PRIVATE_H
#define COMMAND_PRIVATE_H

#include "command.h"
#include "base/text.h"

#include <stdint.h>
#include <stdio.h>

#define COMMAND_CONF_DEFAULT SYSCONFDIR "/ingestlayer/ingestlayer.conf"

struct assembly;

#define COMMAND_CONF_HELP "the config (" COMMAND_CONF_DEFAULT ")"

/* --- options: one table a command, for its line, its help and the shells --- */

/* Values beyond letters: the first is a command's only flag, see
 * command_read(). */
enum { COMMAND_FLAG = 256 };

struct command_option {
    int letter; /* or, without one, a value from COMMAND_FLAG on */
    const char *name;
    const char *argument; /* as it is called: FILE, DIR, N; NULL: none */
    const char *help;     /* may be long, is broken into lines */
};

struct command_help {
    const char *text;                     /* what stands before the options */
    const char *verbs;                    /* "list show"; NULL: none */
    const struct command_option *options; /* ends with { 0 }; without --help */
    int in_order; /* the first argument that is no option ends them */
};

/* The next option as getopt does it (optarg, optind): its letter, -1: no more.
 * 'h': --help, which was printed; '?': wrong, and all was said. */
int command_next(int argc, char **argv, const struct command_help *);
void command_print_help(const struct command_help *, FILE *);

/* What most commands take: -c FILE, a flag of their own, arguments. */
struct command_line {
    const struct command_help *help;
    int max_arguments;
    const char *config;    /* what counts without -c; may be NULL */
    const char *state_dir; /* -s, for commands that have it; or NULL */
    /* what was found */
    int has_flag;
    char **arguments; /* ends with NULL */
};
/* -1 to go on; else the exit code, after the usage or a message. */
int command_read(struct command_line *, int argc, char **argv);

/* Say that this argument is one too many; 2. */
int command_unexpected(const char *command, const char *argument,
                       const struct command_help *);

struct il_expr;
/* An expression, for expr_free(); NULL after a message, which begins with
 * who. */
struct il_expr *command_expression(const char *who, const char *text);
/* A time, or so long ago as in 2h: microseconds since 1970.  0 or -EINVAL. */
int command_since(const char *text, int64_t *us);
/* A number, up to most.  0 or -EINVAL. */
int command_number_of(const char *text, uint64_t most, uint64_t *out);

/* plugins --verify FILE [OPTIONS]; "": without any. */
int command_verify(const char *path, const char *options);

/* --- for commands that ask the running daemon --- */

struct il_text;
struct il_value;

#define COMMAND_STATE_DIR_OPTION                                               \
    {                                                                          \
        's', "state-dir", "DIR", "the state_dir, without reading a config"     \
    }
/* Where it is to be asked, into out: state_dir, or where that is NULL what the
 * config says, which need not be right in all else.  0, or 1 after a message. */
int command_find_daemon(const char *state_dir, const char *config, char *out,
                        unsigned long size);
/* Ask it, and read its answer, which is JSON: packed gets it, and *answer points
 * into that.  0, or a negative errno after a message, which begins with who;
 * what the daemon refused is one, too, and is -EREMOTEIO.  The caller clears
 * call->reply and packed. */
struct control_call;
int command_ask(const char *state_dir, const char *who, struct control_call *,
                struct il_text *packed, struct il_value *answer);
/* Say why its status is one of an error: -EREMOTEIO, or another where that
 * cannot be read. */
int command_refused(const char *who, const struct control_call *);
/* The same for a job (host/jobs.h): fn gets each line that is neither its first,
 * nor progress, nor its last, and what it says as a value, which lives until fn
 * returns.  0 once the job is done, what fn answered where that is not 0, or as
 * above. */
typedef int command_job_fn(void *arg, struct slice line,
                           const struct il_value *);
int command_job(const char *state_dir, const char *who, struct control_call *,
                command_job_fn *, void *arg);
/* JSON that somebody else wrote: packed gets it, and the value points into that.
 * 0 or a negative errno after a message. */
int command_read_json(struct slice, struct il_text *packed, struct il_value *);
/* Append the path of a lane's requests, such as "/pause".  0 or -ENOMEM. */
int command_lane_path(struct il_text *, const char *lane, const char *what);
/* The answer is none that this version knows: say so. */
void command_answer_unknown(void);

/* --- for commands that read the config --- */

struct conf;
struct il_conf;

/* The options of the host's own table, and nothing else: a daemon may well run
 * with a file that has been broken elsewhere since.  NULL after a message.
 * conf is the caller's to free. */
const struct il_conf *command_host_options(struct conf *conf, const char *path);

/* Read it and open its plugins, and print what is wrong on stderr.  NULL: it
 * has errors. */
struct assembly *command_assemble(const char *path);
/* Whatever is wrong in it, and without a word of that. */
struct assembly *command_assemble_anyway(const char *path);
/* The same, and what a start would not find on this machine. */
struct assembly *command_assemble_to_run(const char *path);
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
/* Root checks a config whose daemon a unit starts as somebody else: go on as the
 * owner of its state_dir, with all groups, so that what the daemon may not read
 * is found.  Not where the config names its user, as then root reads it, nor where
 * it is a file that the owner may not read, such as a draft.  0, or an
 * errno after a log line; name: whom, or "" where nothing was done. */
int command_become_daemon(const char *path, char name[64]);

/* Is this lane asked for?  want is "pipeline/destination", a pipeline, or NULL:
 * all are. */
int command_wants_lane(const char *lane, const char *want);
/* Write a whole file.  0, or 1 after saying why not. */
int command_write_file(const char *path, const struct il_text *);

#endif
