/* SPDX-License-Identifier: MIT */
/* What most commands begin with: their line; a config, read as far as the command
 * needs it; the user whose files state_dir has; the daemon that runs there. */
#include "private.h"
#include "reply.h"

#include "base/state_dir.h"
#include "codec/json.h"
#include "host/api.h"
#include "host/assembly.h"
#include "host/control.h"
#include "host/privileges.h"
#include "host/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
command_unexpected(const char *command, const char *argument,
                   const struct command_help *help)
{
    fprintf(stderr, "ingestlayer %s: unexpected argument \"%s\"\n", command,
            argument);
    command_print_help(help, stderr);
    return 2;
}

int
command_read(struct command_line *line, int argc, char **argv)
{
    for (int c; (c = command_next(argc, argv, line->help)) != -1;) {
        if (c == 'c')
            line->config = optarg;
        else if (c == 's')
            line->state_dir = optarg;
        else if (c == COMMAND_FLAG)
            line->has_flag = 1;
        else
            return c == 'h' ? 0 : 2;
    }
    line->arguments = argv + optind;
    if (argc - optind <= line->max_arguments)
        return -1;
    return command_unexpected(argv[0], line->arguments[line->max_arguments],
                              line->help);
}

struct assembly *
command_assemble_anyway(const char *path)
{
    host_api_init();
    struct plan *plan = plan_parse(path);
    plan_load(plan);
    return assembly_open(plan);
}

static struct assembly *
assemble(const char *path, int to_run)
{
    struct assembly *a = command_assemble_anyway(path);
    struct plan *plan = a->plan;
    if (to_run)
        plan_check_start(plan, NULL);
    conf_print(a->plan->conf, stderr);
    if (!conf_errors(a->plan->conf))
        return a;
    assembly_free(a);
    return NULL;
}

struct assembly *
command_assemble(const char *path)
{
    return assemble(path, 0);
}

struct assembly *
command_assemble_to_run(const char *path)
{
    return assemble(path, 1);
}

/* --- root ----------------------------------------------------------------- */

/* Whom the daemon will be, as the last config that was read says. */
static char config_user[64], config_group[64];

static void
note_user(const struct il_conf *g)
{
    const char *user = option_str(g, "user", 0);
    const char *group = option_str(g, "group", 0);
    snprintf(config_user, sizeof(config_user), "%s", user ? user : "");
    snprintf(config_group, sizeof(config_group), "%s", group ? group : "");
}

/* Where there is no state_dir yet: who the config says, or else who could make
 * it, which is whose folder it is to be in. */
static int
owner_to_be(const char *state_dir, struct identity *id)
{
    struct stat st;
    if (config_user[0] || config_group[0])
        return privileges_find(config_user[0] ? config_user : NULL,
                               config_group[0] ? config_group : NULL, id);
    char *copy = strdup(state_dir);
    if (copy && stat(dirname(copy), &st) == 0 && st.st_uid)
        *id = (struct identity){ .uid = st.st_uid, .gid = st.st_gid };
    free(copy);
    return 0;
}

int
command_become_owner(const char *state_dir, int make)
{
    struct identity id = { .uid = (uid_t) -1, .gid = (gid_t) -1 };
    struct stat st;
    int err = 0;
    if (geteuid() == 0 && stat(state_dir, &st) == 0)
        id = (struct identity){ .uid = st.st_uid, .gid = st.st_gid };
    else if (geteuid() == 0)
        err = owner_to_be(state_dir, &id);
    if (!err && make)
        err = state_dir_make(state_dir, id.uid, id.gid);
    if (!err && id.uid)
        err = privileges_become(&id);
    return err != 0; /* they have said why */
}

int
command_find_state_dir(const char *path, char *out, unsigned long size)
{
    return command_find_entities(path, out, size, NULL)
           || command_become_owner(out, 0);
}

int
command_find_daemon(const char *state_dir, const char *config, char *out,
                    unsigned long size)
{
    int failed;
    if (!state_dir) {
        failed = command_find_state_dir(config, out, size);
        if (failed)
            fputs("ingestlayer: a running daemon can be asked without its "
                  "config: --state-dir DIR\n",
                  stderr);
        return failed;
    }
    if (strlen(state_dir) >= size) {
        fputs("ingestlayer: the name of state_dir is too long\n", stderr);
        return 1;
    }
    strcpy(out, state_dir);
    return command_become_owner(out, 0);
}

static const struct il_conf *
host_options(struct conf *conf)
{
    static const struct option_table table = { settings_root,
                                               sizeof(struct il_option) };
    struct config_setting_t *root = conf_root(conf, 0);
    return option_read_group(&(struct option_read){ .conf = conf,
                                                    .groups = &root,
                                                    .group_count = 1,
                                                    .tables = &table,
                                                    .table_count = 1 });
}

const struct il_conf *
command_host_options(struct conf *conf, const char *path)
{
    if (conf_load(conf, path)) {
        conf_print(conf, stderr);
        return NULL;
    }
    return host_options(conf);
}

/* Groups apart, which a file of the daemon's hardly depends on. */
static int
may_read(const struct identity *id, const char *path)
{
    int may = setegid(id->gid) == 0 && seteuid(id->uid) == 0
              && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0;
    if (seteuid(0) || setegid(getgid()))
        may = 0;
    return may;
}

int
command_become_daemon(const char *path, char name[64])
{
    struct conf *conf = conf_new();
    struct identity id = { .uid = (uid_t) -1 };
    struct stat st;
    *name = 0;
    if (geteuid() == 0 && conf_load(conf, path) == 0) {
        const struct il_conf *g = host_options(conf);
        const char *dir = option_str(g, "state_dir", 0);
        const struct passwd *pw = NULL;
        if (dir && !option_str(g, "user", 0) && stat(dir, &st) == 0
            && st.st_uid)
            pw = getpwuid(st.st_uid);
        if (pw) {
            id = (struct identity){ pw->pw_uid, pw->pw_gid, pw->pw_name };
            snprintf(name, 64, "%s", pw->pw_name);
        }
    }
    conf_free(conf);
    if (*name && !may_read(&id, path)) {
        fprintf(stderr,
                "%s: warning: the user %s, who owns state_dir, may not read "
                "this file; it is checked as root\n",
                path, name);
        *name = 0;
        return 0;
    }
    return privileges_become(&id);
}

int
command_find_entities(const char *path, char *out, unsigned long size,
                      uint64_t *map_size)
{
    struct conf *conf = conf_new();
    const struct il_conf *g = command_host_options(conf, path);
    const char *dir = g ? option_str(g, "state_dir", 0) : NULL;
    int found = dir && strlen(dir) < size;
    if (g && map_size)
        *map_size = (uint64_t) option_int(option_group(g, "entities", 0),
                                          "map_size", 0);
    if (g)
        note_user(g);
    if (found)
        strcpy(out, dir);
    else if (g)
        fprintf(stderr, "%s: state_dir: is required and missing\n", path);
    conf_free(conf);
    return !found;
}

void
command_answer_unknown(void)
{
    fputs("ingestlayer: the daemon's answer cannot be read; is it of "
          "another version?\n",
          stderr);
}

int
command_read_json(struct slice json, struct il_text *packed,
                  struct il_value *out)
{
    struct json_error error;
    packed->len = 0;
    int err = json_to_msgpack(json.ptr, json.len, packed, &error);
    const char *p = packed->data;
    if (!err)
        err = msg_value(&p, packed->data + packed->len, out);
    if (err)
        command_answer_unknown();
    return err;
}

static int
say_refused(const char *who, const struct il_value *answer)
{
    struct il_value error = command_member(answer, "error"),
                    message = command_member(&error, "message");
    if (message.type != IL_STRING) {
        command_answer_unknown();
        return -EPROTO;
    }
    fprintf(stderr, "%s: %.*s\n", who, COMMAND_TEXT(message));
    return -EREMOTEIO;
}

int
command_refused(const char *who, const struct control_call *call)
{
    struct il_text packed = { 0 };
    struct il_value answer;
    int err = command_read_json(slice_of(call->reply.data, call->reply.len),
                                &packed, &answer);
    if (!err)
        err = say_refused(who, &answer);
    text_clear(&packed);
    return err;
}

int
command_ask(const char *state_dir, const char *who, struct control_call *call,
            struct il_text *packed, struct il_value *answer)
{
    int err = control_call(state_dir, call);
    if (!err && call->status >= 300)
        err = command_refused(who, call);
    else if (!err)
        err = command_read_json(slice_of(call->reply.data, call->reply.len),
                                packed, answer);
    return err;
}

int
command_lane_path(struct il_text *out, const char *lane, const char *what)
{
    int err = text_puts(out, "/v1/lanes/");
    if (!err)
        err = control_put_escaped(out, lane);
    return err ? err : text_puts(out, what);
}
