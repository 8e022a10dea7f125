/* SPDX-License-Identifier: MIT */
/* Rates are made of two samples of the status, by the daemon's own clock: so it
 * keeps no history, and a look costs it no more than a status does.  Counts of two
 * processes are never compared. */
#include "figures.h"

#include "private.h"
#include "reply.h"
#include "show.h"

#include "codec/json.h"
#include "host/control.h"

#include <stdio.h>

/* --- a sample ---------------------------------------------------------------- */

static int
read_status(struct command_sample *s, const struct il_text *json)
{
    struct json_error error;
    s->packed.len = 0;
    int err = json_to_msgpack(json->data, json->len, &s->packed, &error);
    const char *p = s->packed.data;
    if (!err)
        err = msg_value(&p, p + s->packed.len, &s->all);
    s->at_us = err ? 0 : command_time_at(&s->all, "now");
    return err || s->at_us ? err : -EPROTO;
}

int
command_sample_take(const char *state_dir, int quiet, struct command_sample *s)
{
    struct control_call call = { .method = "GET",
                                 .path = "/v1/status",
                                 .quiet = quiet };
    s->at_us = 0;
    int err = control_call(state_dir, &call);
    if (!err && call.status >= 300)
        err = quiet ? -EREMOTEIO : command_refused("ingestlayer", &call);
    else if (!err && (err = read_status(s, &call.reply)) && !quiet)
        command_answer_unknown();
    text_clear(&call.reply);
    return err;
}

void
command_sample_clear(struct command_sample *s)
{
    text_clear(&s->packed);
    s->at_us = 0;
}

int
command_sample_same(const struct command_sample *a,
                    const struct command_sample *b)
{
    return a->at_us && b->at_us
           && command_number(&a->all, "pid") == command_number(&b->all, "pid")
           && command_time_at(&a->all, "started_at")
                  == command_time_at(&b->all, "started_at");
}

int
command_sample_item(const struct command_sample *s, const char *list, size_t i,
                    struct il_value *out)
{
    struct il_value all = { .type = IL_MISSING };
    if (s->at_us)
        all = command_member(&s->all, list);
    *out = (struct il_value){ .type = IL_MISSING };
    return all.type == IL_ARRAY && msg_at(&all, (int64_t) i, out) == 1;
}

static int
has_name(const struct il_value *item, struct slice name)
{
    struct il_value v = command_member(item, "name");
    return v.type == IL_STRING && slice_equal(slice_of(v.str, v.len), name);
}

int
command_sample_find(const struct command_sample *s, const char *list,
                    struct slice name, struct il_value *out)
{
    struct il_value all = { .type = IL_MISSING };
    if (s->at_us)
        all = command_member(&s->all, list);
    if (all.type == IL_ARRAY)
        for (size_t iter = 0; msg_item(&all, &iter, NULL, out);)
            if (has_name(out, name))
                return 1;
    *out = (struct il_value){ .type = IL_MISSING };
    return 0;
}

/* --- between two ------------------------------------------------------------- */

double
command_rate(const struct il_value *before, const struct il_value *after,
             const char *member, int64_t us)
{
    uint64_t from = command_number(before, member);
    uint64_t to = command_number(after, member);
    if (before->type != IL_MAP || us <= 0 || to < from)
        return -1;
    return (double) (to - from) * 1e6 / (double) us;
}

/* Hardly ever is it elsewhere in the list. */
int
command_pair_at(const struct command_sample *before,
                const struct command_sample *after, const char *list, size_t i,
                struct command_pair *out)
{
    *out = (struct command_pair){ .before.type = IL_MISSING };
    if (!command_sample_item(after, list, i, &out->after))
        return 0;
    if (!command_sample_same(before, after))
        return 1;
    struct il_value name = command_member(&out->after, "name");
    const struct slice text = slice_of(name.str, name.len);
    out->us = after->at_us - before->at_us;
    if (name.type == IL_STRING
        && (!command_sample_item(before, list, i, &out->before)
            || !has_name(&out->before, text)))
        command_sample_find(before, list, text, &out->before);
    return 1;
}

uint64_t
command_sample_last(const struct command_sample *s)
{
    struct il_value spool = command_member(&s->all, "spool");
    return command_number(&spool, "last");
}

double
command_disk_left(const struct command_sample *s, double events_per_second)
{
    struct il_value spool = command_member(&s->all, "spool");
    uint64_t first = command_number(&spool, "first"),
             last = command_number(&spool, "last");
    if (events_per_second <= 0 || first > last
        || !command_number(&spool, "bytes"))
        return -1;
    double size =
        (double) command_number(&spool, "bytes") / (double) (last - first + 1);
    double room = (double) command_number(&spool, "free_bytes")
                  + (double) command_number(&spool, "spare_bytes")
                  - (double) command_number(&spool, "min_free_bytes");
    return (room > 0 ? room : 0) / (events_per_second * size);
}

/* --- what a lane waits for --------------------------------------------------- */

static int
put_text(struct il_text *out, const char *before, const struct il_value *v)
{
    if (v->type != IL_STRING || !v->len)
        return 0;
    int err = text_puts(out, before);
    return err ? err : text_put(out, v->str, v->len);
}

static int
put_held(struct il_text *out, const struct il_value *held, int64_t now_us)
{
    char until[16];
    struct il_value target = command_member(held, "target"),
                    why = command_member(held, "why");
    int err = text_printf(
        out, "%sheld off for %s", out->len ? "; " : "",
        command_show_until(until, command_time_at(held, "until"), now_us));
    if (!err)
        err = put_text(out, ": ", &target);
    return err ? err : put_text(out, ": ", &why);
}

int
command_lane_waits(struct il_text *out, const struct il_value *lane,
                   int64_t now_us)
{
    struct il_value paused = command_member(lane, "paused"),
                    error = command_member(lane, "last_error"),
                    doing = command_member(lane, "doing"),
                    held = command_member(lane, "held_off"), one;
    const size_t before = out->len;
    int err = put_text(out, "", &paused);
    if (!err && out->len == before)
        err = put_text(out, "", &error);
    for (size_t iter = 0;
         !err && held.type == IL_ARRAY && msg_item(&held, &iter, NULL, &one);)
        err = put_held(out, &one, now_us);
    if (!err && out->len == before)
        err = put_text(out, "", &doing);
    return err;
}
