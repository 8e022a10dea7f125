/* SPDX-License-Identifier: MIT */
/* ingestlayer config: what counts, of a config or of the daemon that runs. */
#include "config_read.h"
#include "private.h"

#include "codec/json_out.h"
#include "host/api.h"
#include "host/control.h"
#include "host/effective.h"
#include "host/plan.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum { JSON = COMMAND_FLAG, RUNNING };

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP },
    { JSON, "json", NULL, "as JSON, a value and its place in each object" },
    { RUNNING, "running", NULL,
      "what the running daemon has read, rather than what is in the files "
      "now" },
    { 's', "state-dir", "DIR",
      "the same, of the daemon on this state_dir, without reading a config" },
    { 0 }
};

const struct command_help command_config_help = {
    .text =
        "usage: ingestlayer config [-c FILE] [--json]\n"
        "       ingestlayer config --running [-c FILE | --state-dir DIR] "
        "[--json]\n"
        "Print the config that counts: all files together and all defaults, "
        "each value\nwith the file and line where it stands.  Secrets are "
        "left out.\n"
        "\n"
        "    ingestlayer config -c new.conf | grep -v '# default'\n"
        "    diff <(ingestlayer config) <(ingestlayer config --running)\n"
        "\n",
    .options = options,
};

/* --- of the files ------------------------------------------------------------ */

static int
put_json(struct il_text *out, const struct plan *plan)
{
    struct json_out o;
    json_out_begin(&o, out);
    json_out_object(&o, NULL);
    host_effective_json(&o, plan);
    json_out_end(&o);
    int err = json_out_done(&o);
    return err ? err : text_putc(out, '\n');
}

int
command_config_files(const char *path, int json, struct il_text *out)
{
    char as[64];
    if (command_become_daemon(path, as))
        return 1;
    host_api_init();
    struct plan *plan = plan_parse(path);
    if (!plan->broken)
        plan_load(plan);
    int failed = conf_errors(plan->conf) != 0;
    conf_print(plan->conf, stderr);
    if (!plan->broken
        && (json ? put_json(out, plan) : host_effective_text(out, plan))) {
        fputs("ingestlayer: no memory\n", stderr);
        failed = 1;
    }
    plan_free(plan);
    return failed;
}

/* --- of the daemon ----------------------------------------------------------- */

int
command_config_running(const char *state_dir, int json, struct il_text *out)
{
    struct control_call call = { .method = "GET",
                                 .path = json ? "/v1/config"
                                              : "/v1/config?as=text" };
    int err = control_call(state_dir, &call);
    if (!err && call.status >= 300)
        err = command_refused("ingestlayer", &call);
    *out = call.reply;
    if (err)
        text_clear(out);
    return err != 0;
}

/* --- the command ------------------------------------------------------------- */

static int
print(const struct il_text *text)
{
    if (fwrite(text->data, 1, text->len, stdout) == text->len
        && !fflush(stdout))
        return 0;
    perror("ingestlayer config: standard output");
    return 1;
}

/* What is wrong in files is said, and what could be understood is shown. */
static int
show(const char *config, const char *state_dir, int running, int json)
{
    struct il_text out = { 0 };
    char dir[4096];
    int failed;
    if (!running)
        failed = command_config_files(config, json, &out);
    else
        failed = command_find_daemon(state_dir, config, dir, sizeof(dir))
                 || command_config_running(dir, json, &out);
    if (out.len)
        failed |= print(&out);
    text_clear(&out);
    return failed;
}

int
command_config(int argc, char **argv)
{
    const char *config = COMMAND_CONF_DEFAULT, *state_dir = NULL;
    int json = 0, running = 0;
    for (int c; (c = command_next(argc, argv, &command_config_help)) != -1;) {
        if (c == 'c')
            config = optarg;
        else if (c == 's')
            state_dir = optarg;
        else if (c == JSON)
            json = 1;
        else if (c == RUNNING)
            running = 1;
        else
            return c == 'h' ? 0 : 2;
    }
    if (optind < argc)
        return command_unexpected("config", argv[optind], &command_config_help);
    return show(config, state_dir, running || state_dir, json);
}
