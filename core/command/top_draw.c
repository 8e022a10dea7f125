/* SPDX-License-Identifier: MIT */
/* ingestlayer top, for people: a frame of text. */
#include "top.h"

#include "reply.h"
#include "show.h"

#include "base/text_plain.h"
#include "base/time.h"

#include <inttypes.h>
#include <stdio.h>

enum { NAME_LEAST = 16, LANE_REST = 63, SOURCE_REST = 36 };

struct frame {
    struct il_text *out;
    const struct top_view *view;
    int lines, err;
};

/* --- lines ------------------------------------------------------------------- */

static int
begins_character(char c)
{
    return ((unsigned char) c & 0xc0) != 0x80;
}

/* How many columns, each character one; *fits: the bytes of the first `most`. */
static int
columns(struct slice s, int most, size_t *fits)
{
    int n = 0;
    *fits = s.len;
    for (size_t i = 0; i < s.len; i++) {
        if (!begins_character(s.ptr[i]))
            continue;
        if (n == most)
            *fits = i;
        n++;
    }
    return n;
}

/* The line at hand, as far as the terminal is wide. */
static void
end_line(struct frame *f, size_t begin)
{
    const int width = f->view->width;
    size_t fits;
    struct slice line = slice_of(f->out->data + begin, f->out->len - begin);
    if (width && line.len && columns(line, width, &fits) > width)
        f->out->len = begin + fits;
    if (!f->err)
        f->err = text_putc(f->out, '\n');
    f->lines++;
}

static void put_line(struct frame *f, const char *fmt, ...) IL_PRINTF(2, 3);

static void
put_line(struct frame *f, const char *fmt, ...)
{
    const size_t begin = f->out->len;
    va_list ap;
    va_start(ap, fmt);
    if (!f->err)
        f->err = text_vprintf(f->out, fmt, ap);
    va_end(ap);
    end_line(f, begin);
}

/* Is there room for another line? */
static int
has_room(const struct frame *f, int lines)
{
    return !f->view->height || f->lines + lines <= f->view->height;
}

/* A name as wide as its column. */
static void
put_name(struct frame *f, const struct il_value *item, int width)
{
    struct il_value name = command_member(item, "name");
    struct il_text text = { 0 };
    size_t fits;
    if (!f->err && name.type == IL_STRING)
        f->err = text_plain(&text, slice_of(name.str, name.len), 0);
    int n = columns(slice_of(text.data, text.len), width - 1, &fits);
    if (!f->err && n > width)
        f->err = text_put(f->out, text.data, fits)
                 || text_puts(f->out, "\xe2\x80\xa6");
    else if (!f->err)
        f->err = text_put(f->out, text.data, text.len)
                 || text_printf(f->out, "%*s", width - n, "");
    text_clear(&text);
}

static const char *
pair_rate(char out[16], const struct command_pair *p, const char *member)
{
    return command_show_rate(
        out, command_rate(&p->before, &p->after, member, p->us));
}

/* How wide the names of a list are to be, where all else takes `rest`. */
static int
name_width(const struct top_view *v, const char *list, int rest)
{
    struct il_value item;
    int width = NAME_LEAST;
    for (size_t i = 0; command_sample_item(v->now, list, i, &item); i++) {
        struct il_value name = command_member(&item, "name");
        if (name.type == IL_STRING && (int) name.len > width)
            width = (int) name.len;
    }
    if (v->width && width > v->width - rest)
        width = v->width - rest;
    return width < NAME_LEAST ? NAME_LEAST : width;
}

/* --- the head ---------------------------------------------------------------- */

static void
put_disk(struct frame *f)
{
    char used[16], left[16], time[16], text[80] = "";
    struct il_value spool = command_member(&f->view->now->all, "spool"),
                    trouble = command_member(&spool, "trouble");
    double s = command_disk_left(f->view->now, f->view->long_rate);
    if (s >= 0)
        snprintf(text, sizeof(text), ", room for %s at this rate",
                 command_show_seconds(time, s));
    put_line(f, "spool  %s, %s free%s%s%.*s",
             command_show_bytes(used, command_number(&spool, "bytes")),
             command_show_bytes(left, command_number(&spool, "free_bytes")),
             text, trouble.len ? "; " : "", COMMAND_TEXT(trouble));
}

static void
put_head(struct frame *f)
{
    char age[16], now[TIME_TEXT], letters[48];
    const struct il_value *all = &f->view->now->all;
    struct il_value gate = command_member(all, "gate"),
                    version = command_member(all, "version"),
                    accepting = command_member(&gate, "accepting"),
                    why = command_member(&gate, "why");
    int64_t at_us = f->view->now->at_us;
    int64_t up_us = at_us - command_time_at(all, "started_at");
    time_format(now, at_us - at_us % 1000000);
    put_line(f, "ingestlayer %.*s, process %" PRIu64 ", up %s, %s",
             COMMAND_TEXT(version), command_number(all, "pid"),
             command_show_seconds(age, (double) up_us / 1e6), now);
    if (accepting.type == IL_BOOL && accepting.num.i)
        put_line(f, "gate   accepting, %s in all",
                 command_show_count(letters,
                                    command_number(&gate, "dead_letters"),
                                    "dead letter"));
    else
        put_line(f, "gate   NOT accepting: %.*s", COMMAND_TEXT(why));
    put_disk(f);
}

/* --- tables ------------------------------------------------------------------ */

static void
put_sources(struct frame *f)
{
    char accepted[16], doubles[16], refused[16];
    const struct top_view *v = f->view;
    const int width = name_width(v, "sources", SOURCE_REST);
    struct command_pair p;
    put_line(f, "%s", "");
    put_line(f, "%-*s %11s %12s %10s", width, "source", "accepted/s",
             "duplicates/s", "refused/s");
    for (size_t i = 0; command_pair_at(v->before, v->now, "sources", i, &p);
         i++) {
        const size_t begin = f->out->len;
        /* lanes are what one looks for */
        if (v->height && i > 0 && i >= (size_t) v->height / 6) {
            put_line(f, "%s", "... and more, see --json");
            return;
        }
        put_name(f, &p.after, width);
        if (!f->err)
            f->err = text_printf(f->out, " %11s %12s %10s",
                                 pair_rate(accepted, &p, "accepted"),
                                 pair_rate(doubles, &p, "duplicates"),
                                 pair_rate(refused, &p, "refused"));
        end_line(f, begin);
    }
}

static void
put_lane(struct frame *f, const struct command_pair *p, int width)
{
    char delivered[16], dropped[16], retries[16], lag[16], time[16], parked[16],
        dead[16];
    const struct il_value *lane = &p->after;
    struct il_value state = command_member(lane, "state");
    const size_t begin = f->out->len;
    put_name(f, lane, width);
    if (!f->err)
        f->err = text_printf(
            f->out, " %-8.*s %7s %7s %7s %8s %6s %6s %6s", COMMAND_TEXT(state),
            pair_rate(delivered, p, "delivered"),
            pair_rate(dropped, p, "dropped"), pair_rate(retries, p, "retries"),
            command_show_number(lag, command_number(lane, "lag_events")),
            command_show_seconds(time, command_real(lane, "lag_seconds")),
            command_show_number(parked, command_number(lane, "parked")),
            command_show_number(dead, command_number(lane, "dead_letters")));
    end_line(f, begin);
}

static int
runs(const struct il_value *lane)
{
    struct il_value state = command_member(lane, "state");
    return state.type == IL_STRING && state.len == 7
           && !memcmp(state.str, "running", 7);
}

/* Those that do not run come first where there is not room for all. */
static void
put_lanes(struct frame *f, int last_line)
{
    const struct top_view *v = f->view;
    const int width = name_width(v, "lanes", LANE_REST);
    size_t left = 0;
    struct command_pair p;
    put_line(f, "%s", "");
    put_line(f, "%-*s %-8s %7s %7s %7s %8s %6s %6s %6s", width, "lane", "state",
             "sent/s", "drop/s", "retry/s", "lag", "behind", "parked", "dead");
    for (int running = 0; running < 2; running++)
        for (size_t i = 0; command_pair_at(v->before, v->now, "lanes", i, &p);
             i++) {
            if (runs(&p.after) != running)
                continue;
            if (v->height && f->lines >= last_line)
                left++;
            else
                put_lane(f, &p, width);
        }
    if (left)
        put_line(f, "... and %zu more, see --json", left);
}

/* --- what they wait for ------------------------------------------------------ */

static void
put_note(struct frame *f, const struct il_value *who, struct slice what)
{
    struct il_value name = command_member(who, "name");
    struct il_text text = { 0 };
    if (!f->err)
        f->err = text_plain(&text, what, 0);
    if (!f->err && text.len)
        put_line(f, "%.*s: %s", COMMAND_TEXT(name), text_str(&text));
    text_clear(&text);
}

static void
put_notes(struct frame *f)
{
    struct il_text waits = { 0 };
    struct il_value item, doing;
    if (has_room(f, 2))
        put_line(f, "%s", "");
    for (size_t i = 0;
         command_sample_item(f->view->now, "lanes", i, &item) && has_room(f, 1);
         i++) {
        waits.len = 0;
        if (!f->err)
            f->err = command_lane_waits(&waits, &item, f->view->now->at_us);
        put_note(f, &item, slice_of(text_str(&waits), waits.len));
    }
    for (size_t i = 0; command_sample_item(f->view->now, "sources", i, &item)
                       && has_room(f, 1);
         i++) {
        doing = command_member(&item, "doing");
        if (doing.type == IL_STRING)
            put_note(f, &item, slice_of(doing.str, doing.len));
    }
    text_clear(&waits);
}

int
command_top_draw(struct il_text *out, const struct top_view *v)
{
    struct frame f = { .out = out, .view = v };
    put_head(&f);
    put_sources(&f);
    /* a fifth for notes, where there is much room; and how many are left */
    put_lanes(&f, v->height - (v->height < 15 ? 0 : v->height / 5) - 1);
    put_notes(&f);
    return f.err ? -ENOMEM : 0;
}
