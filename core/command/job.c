/* SPDX-License-Identifier: MIT */
/* Asking for what takes long: the lines of a job as they come. */
#include "private.h"
#include "reply.h"

#include "base/text_plain.h"
#include "codec/event.h"
#include "codec/json.h"
#include "host/control.h"

#include <errno.h>
#include <stdio.h>

struct listener {
    const char *who;
    command_job_fn *fn;
    void *arg;
    struct il_text packed; /* the line at hand */
    int failed, done;
};

static void
say(const struct listener *l, const struct il_value *v)
{
    struct il_text text = { 0 };
    if (v->type == IL_STRING && !text_plain(&text, slice_of(v->str, v->len), 1))
        fprintf(stderr, "%s: %s\n", l->who, text_str(&text));
    text_clear(&text);
}

/* The lines that every job has are its frame; the others are what it has to say. */
static int
take_line(void *arg, struct slice line)
{
    struct listener *l = arg;
    struct il_value v, of;
    if (command_read_json(line, &l->packed, &v))
        return -EPROTO;
    if ((of = command_member(&v, "say")).type != IL_MISSING) {
        say(l, &of);
    } else if ((of = command_member(&v, "error")).type != IL_MISSING) {
        of = command_member(&of, "message");
        say(l, &of);
        l->failed = 1;
    } else if (command_member(&v, "done").type == IL_BOOL) {
        l->done = 1;
    } else if (command_member(&v, "job").type == IL_MISSING
               && command_member(&v, "progress").type == IL_MISSING) {
        return l->fn(l->arg, line, &v);
    }
    return 0;
}

int
command_job(const char *state_dir, const char *who, struct control_call *call,
            command_job_fn *fn, void *arg)
{
    struct listener l = { .who = who, .fn = fn, .arg = arg };
    call->line = take_line;
    call->arg = &l;
    int err = control_call(state_dir, call);
    if (!err && call->status >= 300)
        err = command_refused(who, call);
    else if (!err && l.failed)
        err = -EREMOTEIO;
    else if (!err && !l.done) {
        fprintf(stderr, "%s: the daemon has ended meanwhile\n", who);
        err = -ECONNRESET;
    }
    text_clear(&l.packed);
    return err;
}
