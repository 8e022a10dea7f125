/* SPDX-License-Identifier: MIT */
/* What is found out about events, gathered and printed.
 *
 * Each line says how it is known: recorded (a store or the spool has it), recomputed
 * (by the config of that day), or that it cannot be known; none is ever a guess.
 * JSON has the same lines, and what they are made of as members. */
#include "why.h"

#include "base/text_plain.h"
#include "base/time.h"
#include "base/wtf8.h"
#include "codec/json_out.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *
command_why_fate(enum why_fate fate)
{
    static const char *const names[] = { "no_match",  "before",  "not_yet",
                                         "parked",    "letter",  "dropped",
                                         "elsewhere", "gone",    "passed",
                                         "row",       "missing", "undecided" };
    return names[fate];
}

const char *
command_why_mark(enum why_mark mark)
{
    static const char *const names[] = { "recorded", "recomputed",
                                         "cannot be known" };
    return names[mark];
}

struct il_text *
command_why_line(struct why_answer *a, enum why_mark mark, int depth)
{
    static struct il_text nowhere;
    struct why_line *more = realloc(a->lines, (a->count + 1) * sizeof *more);
    if (!more) {
        nowhere.len = 0;
        return &nowhere;
    }
    a->lines = more;
    a->lines[a->count] = (struct why_line){ .mark = mark, .depth = depth };
    return &a->lines[a->count++].text;
}

void
command_why_head(struct why_answer *a, enum why_fate fate, enum why_mark mark,
                 const char *fmt, ...)
{
    va_list ap;
    a->fate = fate;
    a->mark = mark;
    a->head.len = 0;
    va_start(ap, fmt);
    text_vprintf(&a->head, fmt, ap);
    va_end(ap);
}

void
command_why_forget(struct why_answer *a)
{
    for (size_t i = 0; i < a->count; i++)
        text_clear(&a->lines[i].text);
    free(a->lines);
    free(a->step);
    free(a->plugin);
    free(a->code);
    free(a->message);
    text_clear(&a->head);
    text_clear(&a->place);
    text_clear(&a->row);
    text_clear(&a->conditions);
}

/* --- for people ------------------------------------------------------------ */

static void
print_plain(struct il_text *out, const char *before, struct slice s)
{
    text_puts(out, before);
    text_plain(out, s, 0);
}

static struct slice
slice_text(struct il_text *t)
{
    return slice_of(text_str(t), t->len);
}

static void
print_answer(struct il_text *out, const char *lane, struct why_answer *a)
{
    print_plain(out, "\n  ", slice_of(lane, strlen(lane)));
    print_plain(out, ": ", slice_text(&a->head));
    for (size_t i = 0; i < a->count; i++) {
        struct why_line *l = &a->lines[i];
        text_printf(out, "\n    %-15s  %*s",
                    l->depth ? "" : command_why_mark(l->mark), l->depth * 2,
                    "");
        text_plain(out, slice_text(&l->text), 0);
    }
}

static void
print_event(struct why *w, struct il_text *out, size_t i)
{
    const struct why_event *e = &w->events[i];
    char when[TIME_TEXT];
    time_format(when, e->ev.received_us);
    print_plain(out, "event ", e->ev.id);
    print_plain(out, " (", e->ev.type);
    print_plain(out, " of ", e->ev.source_id);
    text_printf(out, "), accepted %s at position %" PRIu64, when, e->position);
    if (e->ev.key.ptr)
        print_plain(out, ", key ", e->ev.key);
    for (size_t k = 0; k < w->lane_count; k++)
        print_answer(out, w->lanes[k].name, &w->answers[i * w->lane_count + k]);
    text_puts(out, "\n");
}

/* The gate's letter of what never became an event: lanes cannot know of it. */
static void
print_refusal(struct il_text *out, struct why_kept *k)
{
    char when[TIME_TEXT];
    time_format(when, k->at_us);
    print_plain(out, "refused by the gate (",
                slice_of(k->lane, strlen(k->lane)));
    text_printf(out, " %" PRIu64 ") at %s: no lane has seen it", k->position,
                when);
    text_printf(out, "\n    %-15s  ", command_why_mark(WHY_RECORDED));
    if (k->code)
        print_plain(out, "", slice_of(k->code, strlen(k->code)));
    if (k->message)
        print_plain(out, ": ", slice_of(k->message, strlen(k->message)));
    print_plain(out, "\n                     ", slice_text(&k->text));
    text_puts(out, "\n");
}

/* --- JSON ------------------------------------------------------------------ */

static void
out_text(struct json_out *o, const char *key, struct slice s)
{
    if (s.len)
        json_out_slice(o, key, s);
    else
        json_out_null(o, key);
}

static void
out_str(struct json_out *o, const char *key, const char *s)
{
    out_text(o, key, slice_of(s, s ? strlen(s) : 0));
}

static void
out_kept(struct json_out *o, const char *key, const struct why_kept *k)
{
    json_out_object(o, key);
    json_out_number(o, "position", k->position);
    json_out_time(o, "at", k->at_us);
    json_out_number(o, "attempts", k->attempts);
    out_str(o, "code", k->code);
    out_str(o, "message", k->message);
    out_str(o, "field", k->field);
    out_str(o, "rule", k->rule);
    if (k->waits && !k->behind)
        json_out_time(o, "due", k->due_us);
    if (k->behind)
        json_out_number(o, "waits_behind", k->behind);
    if (k->retry)
        json_out_number(o, "retry", k->retry);
    json_out_end(o);
}

static void
out_answer(struct json_out *o, const char *lane, struct why_answer *a)
{
    json_out_object(o, NULL);
    json_out_str(o, "lane", lane);
    json_out_name(o, "fate", command_why_fate(a->fate));
    json_out_name(o, "known", command_why_mark(a->mark));
    json_out_slice(o, "says", slice_text(&a->head));
    out_str(o, "step", a->step);
    out_str(o, "plugin", a->plugin);
    out_text(o, "place", slice_text(&a->place));
    out_str(o, "code", a->code);
    out_str(o, "message", a->message);
    if (a->kept)
        out_kept(o, "kept", a->kept);
    if (a->row.len)
        json_out_slice(o, "row", slice_text(&a->row));
    if (a->fate == WHY_NOT_YET)
        json_out_number(o, "events_before", a->before);
    if (a->config) {
        json_out_object(o, "config");
        json_out_number(o, "from", a->config->from);
        json_out_time(o, "at", a->config->at_us);
        json_out_str(o, "fingerprint", a->config->fingerprint);
        json_out_end(o);
    }
    if (a->conditions.len) { /* without the last comma */
        json_out_array(o, "conditions");
        json_out_raw(o, NULL,
                     slice_of(a->conditions.data, a->conditions.len - 1));
        json_out_end(o);
    }
    json_out_array(o, "lines");
    for (size_t i = 0; i < a->count; i++) {
        json_out_object(o, NULL);
        json_out_name(o, "known", command_why_mark(a->lines[i].mark));
        json_out_number(o, "depth", (uint64_t) a->lines[i].depth);
        json_out_slice(o, "text", slice_text(&a->lines[i].text));
        json_out_end(o);
    }
    json_out_end(o);
    json_out_end(o);
}

static void
out_event(struct why *w, struct json_out *o, size_t i)
{
    const struct why_event *e = &w->events[i];
    json_out_object(o, NULL);
    json_out_object(o, "event");
    event_members(o, &e->ev);
    json_out_end(o);
    json_out_number(o, "position", e->position);
    if (e->ev.key.ptr)
        json_out_slice(o, "key", e->ev.key);
    json_out_array(o, "lanes");
    for (size_t k = 0; k < w->lane_count; k++)
        out_answer(o, w->lanes[k].name, &w->answers[i * w->lane_count + k]);
    json_out_end(o);
    json_out_end(o);
}

/* What was refused may be no UTF-8. */
static void
out_refusal(struct json_out *o, struct why_kept *k)
{
    utf8_mend(k->text.data, k->text.len);
    json_out_object(o, NULL);
    json_out_str(o, "refused_by", k->lane);
    json_out_name(o, "fate", "refused");
    json_out_name(o, "known", command_why_mark(WHY_RECORDED));
    out_kept(o, "kept", k);
    json_out_slice(o, "text", slice_text(&k->text));
    json_out_end(o);
}

/* --- both ------------------------------------------------------------------ */

static int
print(struct il_text *out, int err)
{
    err = err || text_putc(out, '\n') ? -ENOMEM : 0;
    if (!err && fwrite(out->data, 1, out->len, stdout) != out->len)
        err = -EIO;
    out->len = 0;
    return err;
}

int
command_why_print(struct why *w)
{
    struct il_text out = { 0 };
    struct json_out o;
    int err = 0;
    for (size_t i = 0; i < w->event_count && !err; i++) {
        json_out_begin(&o, &out);
        if (w->json)
            out_event(w, &o, i);
        else
            print_event(w, &out, i);
        err = print(&out, w->json ? json_out_done(&o) : 0);
    }
    for (size_t i = 0; i < w->kept_count && !err; i++) {
        if (w->kept[i].event != SIZE_MAX)
            continue;
        json_out_begin(&o, &out);
        if (w->json)
            out_refusal(&o, &w->kept[i]);
        else
            print_refusal(&out, &w->kept[i]);
        err = print(&out, w->json ? json_out_done(&o) : 0);
    }
    text_clear(&out);
    return err;
}
