/* SPDX-License-Identifier: MIT */
/* What the steps ask while they decide about an event, as lines of its answer:
 * conditions and what they saw, entities, what was remembered. */
#include "private.h"
#include "why.h"

#include "base/text_plain.h"
#include "base/time.h"
#include "base/wtf8.h"
#include "codec/json.h"
#include "codec/json_out.h"
#include "conf/options.h"
#include "host/assembly.h"
#include "host/explain.h"

#include <inttypes.h>
#include <string.h>

#define SHOWN_MAX 200 /* bytes of a value */

/* As JSON, shortened: people look at it. */
static void
put_value(struct il_text *out, const struct il_value *v)
{
    char when[TIME_TEXT];
    const size_t at = out->len;
    if (v->type == IL_MISSING) {
        text_puts(out, "missing");
        return;
    }
    if (v->type == IL_TIME) {
        time_format(when, v->num.i);
        text_puts(out, when);
        return;
    }
    json_write(out, v, 0);
    if (out->len <= at + SHOWN_MAX)
        return;
    out->len = at + SHOWN_MAX;
    while (out->len > at && (out->data[out->len] & 0xc0) == 0x80)
        out->len--;
    text_puts(out, "...");
}

/* Where an option stands, as it was written that day. */
static void
put_place(const struct why_telling *t, const struct il_conf *conf,
          const char *key, size_t i, struct il_text *out)
{
    const struct conf_place at =
        conf_place(t->lane->of->plan->conf, option_setting(conf, key, i));
    out->len = 0;
    if (!t->entry) {
        if (at.file)
            text_printf(out, "%s:%d", at.file, at.line);
        return;
    }
    struct slice s = host_history_place(t->entry, at.line);
    text_put(out, s.ptr, s.len);
}

static void
put_who(const struct il_host *h, struct il_text *out)
{
    text_printf(out, "step %s (%s)", h->name,
                h->plugin ? h->plugin->desc.name : "?");
}

/* --- conditions ------------------------------------------------------------ */

static void
put_seen(struct il_text *out, const char *source, const struct expr_seen *s,
         int first)
{
    text_puts(out, first ? ", as " : ", ");
    expr_source(out, source, s->at, s->end);
    text_puts(out, s->value.type == IL_MISSING ? " is " : " = ");
    put_value(out, &s->value);
}

static void
line_of_condition(struct why_answer *a, const char *source,
                  const struct expr_explained *x,
                  const struct expr_condition *c)
{
    struct il_text *t = command_why_line(a, WHY_RECOMPUTED, 1);
    expr_source(t, source, c->at, c->end);
    text_puts(t, c->holds < 0 ? ": not known, its regular expression met its "
                                "limit"
                 : c->holds   ? ": holds"
                              : ": does not hold");
    for (uint32_t k = 0; k < c->seen_count; k++)
        put_seen(t, source, &x->seen[c->seen_from + k], k == 0);
}

static void
json_of_condition(struct json_out *o, const char *source,
                  const struct expr_explained *x,
                  const struct expr_condition *c)
{
    struct il_text text = { 0 };
    json_out_said(o, expr_source(&text, source, c->at, c->end));
    json_out_object(o, NULL);
    json_out_slice(o, "text", slice_of(text_str(&text), text.len));
    if (c->holds < 0)
        json_out_null(o, "holds");
    else
        json_out_bool(o, "holds", c->holds);
    json_out_bool(o, "decides", c->decides);
    json_out_array(o, "saw");
    for (uint32_t k = 0; k < c->seen_count; k++) {
        const struct expr_seen *s = &x->seen[c->seen_from + k];
        text.len = 0;
        json_out_said(o, expr_source(&text, source, s->at, s->end));
        json_out_object(o, NULL);
        json_out_slice(o, "of", slice_of(text_str(&text), text.len));
        json_out_bool(o, "there", s->value.type != IL_MISSING);
        json_out_value(o, "value", &s->value);
        json_out_end(o);
    }
    json_out_end(o);
    json_out_end(o);
    text_clear(&text);
}

/* who: "step 1 (filter.match)"; of the destination's `when` "". */
static void
tell_expr(struct why_telling *t, struct slice who, const char *key,
          const char *source, const struct expr_explained *x)
{
    struct why_answer *a = t->answer;
    struct json_out o;
    struct il_text *head = command_why_line(a, WHY_RECOMPUTED, 0);
    text_put(head, who.ptr, who.len);
    text_printf(head, "%s%s %s", who.len ? ": " : "", key,
                x->holds < 0 ? "is not known"
                : x->holds   ? "holds"
                             : "does not hold");
    if (a->place.len)
        text_printf(head, " [%s]", text_str(&a->place));
    for (uint32_t i = 0; i < x->count; i++)
        if (x->list[i].decides)
            line_of_condition(a, source, x, &x->list[i]);
    if (x->more)
        text_printf(command_why_line(a, WHY_RECOMPUTED, 1),
                    "... and %" PRIu32 " conditions more", x->more);
    json_out_begin(&o, &a->conditions);
    json_out_object(&o, NULL);
    json_out_slice(&o, "asked_by", who);
    json_out_str(&o, "option", key);
    json_out_slice(&o, "place", slice_of(text_str(&a->place), a->place.len));
    json_out_array(&o, "conditions");
    for (uint32_t i = 0; i < x->count; i++)
        json_of_condition(&o, source, x, &x->list[i]);
    json_out_end(&o);
    json_out_end(&o);
    if (json_out_done(&o) || text_putc(&a->conditions, ','))
        a->conditions.len = 0;
}

static void
told_expr(void *arg, const struct il_host *h, const struct il_conf *conf,
          const char *key, size_t i, const struct expr_explained *x)
{
    struct why_telling *t = arg;
    const char *source = option_str(conf, key, i);
    if (!source)
        return;
    t->asked_text.len = 0;
    put_who(h, &t->asked_text);
    put_place(t, conf, key, i, &t->answer->place);
    tell_expr(t, slice_of(text_str(&t->asked_text), t->asked_text.len), key,
              source, x);
}

void
command_why_tell_when(struct why_telling *t, const struct batch_event *e)
{
    static struct expr_explained x;
    const struct il_conf *place = t->lane->plan->part.place;
    const char *source = option_str(place, "when", 0);
    if (!source || !t->lane->when)
        return;
    expr_explain(t->lane->when, e, &x);
    put_place(t, place, "when", 0, &t->answer->place);
    tell_expr(t, slice_of("", 0), "when", source, &x);
}

/* --- entities, and what is remembered -------------------------------------- */

static void
told_entity(void *arg, const struct il_host *h, struct slice kind,
            struct slice id, const struct il_entity *found)
{
    struct why_telling *t = arg;
    struct il_text *line = command_why_line(t->answer, WHY_RECOMPUTED, 0);
    char when[TIME_TEXT];
    put_who(h, line);
    text_puts(line, ": ");
    text_put(line, kind.ptr, kind.len);
    text_puts(line, " ");
    text_put(line, id.ptr, id.len);
    if (!found) {
        text_puts(line, " is not known");
        return;
    }
    time_format(when, found->last_seen_us);
    text_printf(line, ", last changed %s: ", when);
    put_value(line, &found->traits);
}

static void
told_memory(void *arg, const struct il_host *h, struct slice key,
            const struct il_remembered *found)
{
    struct why_telling *t = arg;
    struct il_text *line = command_why_line(t->answer, WHY_RECOMPUTED, 0);
    struct il_text shown = { 0 };
    t->remembered = 1;
    put_who(h, line);
    if (!found) {
        text_puts(line, " remembers nothing of \"");
        text_plain(line, key, 0);
        text_puts(line, "\"");
        return;
    }
    if (h->plugin->desc.show)
        instance_show(h, key.ptr, key.len, found, &shown);
    text_printf(line, " remembers, of position %" PRIu64 "%s", found->position,
                shown.len ? ": " : "");
    text_put(line, shown.data, shown.len);
    text_clear(&shown);
}

void
command_why_tell(struct why_telling *t, struct why_answer *a,
                 const struct assembly_lane *lane,
                 const struct history_entry *entry)
{
    static struct host_told told = { .expr = told_expr,
                                     .entity = told_entity,
                                     .memory = told_memory };
    t->answer = a;
    t->lane = lane;
    t->entry = entry;
    t->remembered = 0;
    told.arg = t;
    host_explain(&told);
}
