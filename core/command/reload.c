/* SPDX-License-Identifier: MIT */
/* ingestlayer reload: have the running daemon read its certificates again. */
#include "private.h"

#include "codec/event.h"
#include "codec/json.h"
#include "host/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct command_option options[] = { { 'c', "config", "FILE",
                                                   COMMAND_CONF_HELP },
                                                 COMMAND_STATE_DIR_OPTION,
                                                 { 0 } };

const struct command_help command_reload_help = {
    .text =
        "usage: ingestlayer reload [-c FILE | --state-dir DIR]\n"
        "Have the running daemon read its certificates and their keys again.  "
        "All\nelse in the config is read at start only.\n",
    .options = options,
};

/* Members of the answer; 0, or -EINVAL: it is none. */
static int
count_of(const struct il_value *all, const char *key, uint64_t *out)
{
    struct il_value v;
    if (all->type != IL_MAP || !msg_find(all, key, strlen(key), &v))
        return -EINVAL;
    *out = v.type == IL_UINT ? v.num.u : (uint64_t) v.num.i;
    return v.type == IL_INT || v.type == IL_UINT ? 0 : -EINVAL;
}

/* The exit code, or -EINVAL. */
static int
report(const struct il_value *all)
{
    struct il_value messages, text;
    uint64_t taken, failed;
    if (count_of(all, "certificates", &taken)
        || count_of(all, "failed", &failed)
        || !msg_find(all, "messages", strlen("messages"), &messages)
        || messages.type != IL_ARRAY)
        return -EINVAL;
    for (size_t iter = 0; msg_item(&messages, &iter, NULL, &text);)
        if (text.type == IL_STRING)
            fprintf(stderr, "%.*s\n", (int) text.len, text.str);
    if (failed)
        fputs("ingestlayer: the old certificate stays in force\n", stderr);
    else if (!taken)
        puts("nothing to read again: no server has tls; all else in a config "
             "is read at a start");
    else
        printf("%llu certificate%s read again\n", (unsigned long long) taken,
               taken == 1 ? "" : "s");
    return failed != 0;
}

static int
reload(const char *state_dir)
{
    struct control_call call = { .method = "POST", .path = "/v1/reload" };
    struct il_text packed = { 0 };
    struct il_value all;
    int err = command_ask(state_dir, "ingestlayer", &call, &packed, &all);
    if (!err) {
        err = report(&all);
        if (err < 0)
            command_answer_unknown();
    }
    text_clear(&call.reply);
    text_clear(&packed);
    return err != 0;
}

int
command_reload(int argc, char **argv)
{
    struct command_line line = { .help = &command_reload_help,
                                 .config = COMMAND_CONF_DEFAULT };
    char state_dir[4096];
    int code = command_read(&line, argc, argv);
    if (code >= 0)
        return code;
    if (command_find_daemon(line.state_dir, line.config, state_dir,
                            sizeof(state_dir)))
        return 1;
    return reload(state_dir);
}
