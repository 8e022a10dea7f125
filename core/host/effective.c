/* SPDX-License-Identifier: MIT */
#include "effective.h"

#include "plan.h"
#include "codec/json_out.h"

#include <stdio.h>
#include <string.h>

/* Either out or json is where it goes. */
struct shower {
    struct il_text *out;
    struct json_out *json;
    struct il_text value;        /* the one at hand */
    const struct il_conf *place; /* of the part at hand */
    int depth, err;
};

/* --- brackets and values, in either form ------------------------------------- */

static void
put(struct shower *w, const char *text)
{
    if (!w->err)
        w->err = text_puts(w->out, text);
}

/* A line begins, of a setting or (NULL) of an element. */
static void
put_name(struct shower *w, const char *name)
{
    for (int i = 0; i < w->depth; i++)
        put(w, "  ");
    put(w, name ? name : "");
    put(w, name ? " = " : "");
}

static void
put_place(struct shower *w, const struct conf_place *at)
{
    if (at->file && !w->err)
        w->err = text_printf(w->out, "  # %s:%d", at->file, at->line);
    put(w, "\n");
}

static void
open_bracket(struct shower *w, const char *name, int group,
             const struct conf_place *at)
{
    if (w->json) {
        json_out_open(w->json, name, group);
        return;
    }
    put_name(w, name);
    put(w, group ? "{" : "(");
    put_place(w, at);
    w->depth++;
}

/* more: another element follows. */
static void
close_bracket(struct shower *w, const char *name, int group, int more)
{
    if (w->json) {
        json_out_end(w->json);
        return;
    }
    w->depth--;
    put_name(w, NULL);
    put(w, group ? "}" : ")");
    put(w, name ? ";\n" : more ? ",\n" : "\n");
}

static void
put_json(struct shower *w, const char *name, int kind,
         const struct conf_place *at)
{
    struct slice v = slice_of(text_str(&w->value), w->value.len);
    char place[4200];
    json_out_object(w->json, name);
    if (kind == OPTION_SECRET)
        json_out_bool(w->json, "hidden", 1);
    else if (kind == OPTION_QUOTED)
        json_out_slice(w->json, "value", v);
    else
        json_out_raw(w->json, "value", v);
    snprintf(place, sizeof(place), "%s:%d", at->file ? at->file : "", at->line);
    if (at->file)
        json_out_str(w->json, "at", place);
    else
        json_out_bool(w->json, "default", 1);
    json_out_end(w->json);
}

static void
put_text(struct shower *w, int kind)
{
    const char *v = text_str(&w->value);
    if (kind == OPTION_BARE)
        put(w, v);
    else if (!w->err)
        w->err = conf_put_string(w->out,
                                 kind == OPTION_SECRET ? EFFECTIVE_HIDDEN : v);
    /* what libconfig takes for an int has 32 bits */
    if (kind == OPTION_BARE && strspn(v, "-0123456789") > 9
        && !strpbrk(v, ".eE"))
        put(w, "L");
}

/* --- a group ----------------------------------------------------------------- */

static void show_group(struct shower *, const struct il_conf *, int below);

/* Element k of option i. */
static void
show_element(struct shower *w, const struct il_conf *g, size_t i, size_t k,
             const struct option_shown *o)
{
    const int list = (o->flags & IL_OPT_LIST) != 0;
    const char *name = list ? NULL : o->name;
    const int more = k + 1 < o->count;
    const struct il_conf *group = option_shown_group(g, i, k);
    struct conf_place at;
    option_shown_place(g, i, k, &at);
    if (group) {
        open_bracket(w, name, 1, &at);
        show_group(w, group, 0);
        close_bracket(w, name, 1, more);
        return;
    }
    w->value.len = 0;
    int kind = option_shown_text(g, i, k, &w->value);
    if (kind < 0)
        w->err = kind;
    if (w->json) {
        put_json(w, name, kind, &at);
        return;
    }
    /* what is there was read already */
    if (!strcmp(o->name, "include_dir"))
        put(w, "# ");
    put_name(w, name);
    put_text(w, kind);
    put(w, list ? more ? "," : "" : ";");
    if (!at.file)
        put(w, "  # default");
    put_place(w, &at);
}

static void
show_option(struct shower *w, const struct il_conf *g, size_t i,
            const struct option_shown *o)
{
    static const struct conf_place nowhere;
    const int list = (o->flags & IL_OPT_LIST) != 0;
    if (list)
        open_bracket(w, o->name, 0, &nowhere);
    for (size_t k = 0; k < o->count; k++)
        show_element(w, g, i, k, o);
    if (list)
        close_bracket(w, o->name, 0, 0);
}

/* Whoever reads a list that is marked so shows it, too; `host` of a part's place
 * is a group around what is in the view already; and the daemon does not go by
 * tests. */
static int
is_elsewhere(const struct shower *w, const struct il_conf *g,
             const struct option_shown *o)
{
    return (o->flags & OPTION_RAW) || (!w->place && !strcmp(o->name, "tests"))
           || (g == w->place && !strcmp(o->name, "host"));
}

/* What is set of it, or has a default; below: of a view, that which stands in the
 * group that it was put together with. */
static void
show_group(struct shower *w, const struct il_conf *g, int below)
{
    struct option_shown o;
    for (size_t i = 0; option_shown(g, i, &o); i++)
        if (o.count && !is_elsewhere(w, g, &o) && o.below == below)
            show_option(w, g, i, &o);
}

static int
has_below(const struct il_conf *g)
{
    struct option_shown o;
    for (size_t i = 0; option_shown(g, i, &o); i++)
        if (o.count && o.below)
            return 1;
    return 0;
}

/* --- the plan ---------------------------------------------------------------- */

static struct conf_place
place_of(const struct plan *plan, const struct il_conf *g)
{
    const struct config_setting_t *s = option_setting(g, NULL, 0);
    return s ? conf_place(plan->conf, s) : (struct conf_place){ .file = NULL };
}

static void show_steps(struct shower *, const struct plan *,
                       const struct plan_part *, size_t n);

/* A plugin in its place; and for a destination the steps of its own. */
static void
show_part(struct shower *w, const struct plan *plan,
          const struct plan_part *part, const struct plan_part *steps,
          size_t step_count, int more)
{
    static const struct conf_place nowhere;
    const struct conf_place at = place_of(plan, part->place);
    open_bracket(w, NULL, 1, &at);
    w->place = part->place;
    show_group(w, part->place, 0);
    if (has_below(part->place)) {
        open_bracket(w, "host", 1, &nowhere);
        show_group(w, part->place, 1);
        close_bracket(w, "host", 1, 0);
    }
    show_group(w, part->options, 0);
    show_steps(w, plan, steps, step_count);
    close_bracket(w, NULL, 1, more);
}

static void
show_steps(struct shower *w, const struct plan *plan,
           const struct plan_part *steps, size_t n)
{
    static const struct conf_place nowhere;
    if (!n)
        return;
    open_bracket(w, "steps", 0, &nowhere);
    for (size_t i = 0; i < n; i++)
        show_part(w, plan, &steps[i], NULL, 0, i + 1 < n);
    close_bracket(w, "steps", 0, 0);
}

static void
show_pipeline(struct shower *w, const struct plan *plan,
              const struct plan_pipeline *p, int more)
{
    static const struct conf_place nowhere;
    const struct conf_place at = place_of(plan, p->options);
    open_bracket(w, NULL, 1, &at);
    show_group(w, p->options, 0);
    show_steps(w, plan, p->steps, p->step_count);
    open_bracket(w, "destinations", 0, &nowhere);
    for (size_t i = 0; i < p->destination_count; i++) {
        const struct plan_destination *d = &p->destinations[i];
        show_part(w, plan, &d->part, d->steps, d->step_count,
                  i + 1 < p->destination_count);
    }
    close_bracket(w, "destinations", 0, 0);
    close_bracket(w, NULL, 1, more);
}

static void
show(struct shower *w, const struct plan *plan)
{
    static const struct conf_place nowhere;
    show_group(w, plan->root, 0);
    open_bracket(w, "sources", 0, &nowhere);
    for (size_t i = 0; i < plan->source_count; i++)
        show_part(w, plan, &plan->sources[i].part, NULL, 0,
                  i + 1 < plan->source_count);
    close_bracket(w, "sources", 0, 0);
    open_bracket(w, "pipelines", 0, &nowhere);
    for (size_t i = 0; i < plan->pipeline_count; i++)
        show_pipeline(w, plan, &plan->pipelines[i],
                      i + 1 < plan->pipeline_count);
    close_bracket(w, "pipelines", 0, 0);
    text_clear(&w->value);
}

int
host_effective_text(struct il_text *out, const struct plan *plan)
{
    struct shower w = { .out = out };
    show(&w, plan);
    return w.err;
}

void
host_effective_json(struct json_out *o, const struct plan *plan)
{
    struct shower w = { .json = o };
    show(&w, plan);
    json_out_said(o, w.err);
}
