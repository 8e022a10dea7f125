/* SPDX-License-Identifier: MIT */
/* Asking for what takes long: the lines of a job as they come.
 *
 * A job whose client hangs up is cancelled, so Ctrl-C needs no request of its own.
 * Its last line says that it is done: an answer that ends without one is of a daemon
 * that has died, and nothing is known of what it was at. */
#include "private.h"
#include "progress.h"
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
    char kind[32], unit[32];
    struct command_progress progress;
};

/* What was done before the first line is no part of the rate. */
static void
show_progress(struct listener *l, const struct il_value *p)
{
    struct il_value unit = command_member(p, "unit");
    uint64_t done = command_number(p, "done");
    if (!*l->unit)
        command_progress_from(&l->progress, done);
    snprintf(l->unit, sizeof(l->unit), "%.*s", COMMAND_TEXT(unit));
    l->progress.total = command_number(p, "total");
    command_progress_at(&l->progress, done);
}

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
    if ((of = command_member(&v, "progress")).type == IL_MAP) {
        show_progress(l, &of);
        return 0;
    }
    if (command_member(&v, "job").type != IL_MISSING) {
        of = command_member(&v, "kind");
        snprintf(l->kind, sizeof(l->kind), "%.*s", COMMAND_TEXT(of));
        return 0;
    }
    command_progress_clear(&l->progress);
    if ((of = command_member(&v, "say")).type != IL_MISSING) {
        say(l, &of);
    } else if ((of = command_member(&v, "error")).type != IL_MISSING) {
        of = command_member(&of, "message");
        say(l, &of);
        l->failed = 1;
    } else if (command_member(&v, "done").type == IL_BOOL) {
        l->done = 1;
    } else {
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
    call->ends = command_progress_interrupted;
    command_progress_begin(&l.progress, l.kind, l.unit, 0, PROGRESS_READS);
    int err = control_call(state_dir, call);
    command_progress_end(&l.progress);
    if (err == -EINTR)
        fprintf(stderr,
                "%s: interrupted; what the daemon has begun of it is in its "
                "status and log\n",
                who);
    else if (!err && call->status >= 300)
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
