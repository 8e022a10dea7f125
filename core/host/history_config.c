/* SPDX-License-Identifier: MIT */
/* The part of the config that one lane runs by, as a config of its own: a setting
 * a line, and behind it where it stood.  Secrets are left out, and so is all that
 * has no part in what becomes of an event. */
#include "history.h"

#include "assembly.h"
#include "settings.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    struct il_text *out;
    const struct conf *conf;
    int depth, err;
};

static void
put(struct writer *w, const char *text)
{
    if (!w->err)
        w->err = text_puts(w->out, text);
}

static void
put_line(struct writer *w)
{
    for (int i = 0; i < w->depth; i++)
        put(w, "  ");
}

/* The line ends; what is on it stood there. */
static void
put_place(struct writer *w, const config_setting_t *s)
{
    struct conf_place at = { .file = NULL };
    if (s)
        at = conf_place(w->conf, s);
    if (at.file && !strpbrk(at.file, "\r\n") && !w->err)
        w->err = text_printf(w->out, HISTORY_PLACE "%s:%d", at.file, at.line);
    put(w, "\n");
}

static void
put_string(struct writer *w, const char *s)
{
    if (!w->err)
        w->err = conf_put_string(w->out, s);
}

static int
begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static int
is_reference(const char *s)
{
    return begins(s, "env:") || begins(s, "file:") || begins(s, "credential:");
}

/* A file is named as it is from everywhere. */
static void
put_text(struct writer *w, const config_setting_t *s, int secret)
{
    const char *text = config_setting_get_string(s);
    const struct conf_place at = conf_place(w->conf, s);
    struct il_text whole = { 0 };
    if (begins(text, "file:") && text[5] != '/' && at.dir) {
        w->err = w->err ? w->err
                        : text_printf(&whole, "file:%s/%s", at.dir, text + 5);
        put_string(w, text_str(&whole));
    } else {
        put_string(w, secret && !is_reference(text) ? HISTORY_HIDDEN : text);
    }
    text_clear(&whole);
}

static void
put_scalar(struct writer *w, const config_setting_t *s, int secret)
{
    const char *real = conf_float_text(w->conf, s);
    if (w->err)
        return;
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_STRING:
        put_text(w, s, secret);
        break;
    case CONFIG_TYPE_FLOAT:
        put(w, real ? real : "0.0");
        break;
    case CONFIG_TYPE_BOOL:
        put(w, config_setting_get_bool(s) ? "true" : "false");
        break;
    case CONFIG_TYPE_INT64:
        w->err = text_printf(w->out, "%lldL", config_setting_get_int64(s));
        break;
    default:
        w->err = text_printf(w->out, "%d", config_setting_get_int(s));
    }
}

/* --- with the tables that say what is secret ------------------------------- */

struct tables {
    struct option_table list[2];
    size_t n;
    int open; /* nothing in it is secret, whatever it is called */
};

/* That of a member; *below gets what its own members are in.  What no table knows
 * may be a secret that is spelt wrong. */
static int
is_secret(const struct tables *t, const char *name, struct tables *below)
{
    struct il_option o;
    int known = t->open, secret = 0;
    *below = (struct tables){ .open = t->open };
    for (size_t k = 0; k < t->n; k++)
        for (size_t i = 0; option_at(&t->list[k], i, &o); i++)
            if (!strcmp(o.name, name)) {
                known = 1;
                secret |= (o.flags & IL_OPT_SECRET) != 0;
                if (o.children)
                    below->list[below->n++] = option_children(&t->list[k], &o);
            }
    return secret || !known;
}

static void put_setting(struct writer *, const config_setting_t *,
                        const struct tables *, int secret, const char *end);

static void
put_members(struct writer *w, const config_setting_t *s, const struct tables *t,
            int secret, const char *but)
{
    const int n = config_setting_length(s);
    for (int i = 0; i < n && !w->err; i++) {
        const config_setting_t *e = config_setting_get_elem(s, (unsigned) i);
        const char *name = config_setting_name(e);
        if (name && but && !strcmp(name, but))
            continue;
        struct tables below = *t;
        int hide = name ? is_secret(t, name, &below) : secret;
        put_line(w);
        put(w, name ? name : "");
        put(w, name ? " = " : "");
        put_setting(w, e, &below, hide, name ? ";" : i + 1 < n ? "," : "");
    }
}

static void
put_setting(struct writer *w, const config_setting_t *s, const struct tables *t,
            int secret, const char *end)
{
    if (!config_setting_is_aggregate(s)) {
        put_scalar(w, s, secret);
        put(w, end);
        put_place(w, s);
        return;
    }
    const int group = config_setting_is_group(s);
    put(w, group ? "{" : "(");
    put_place(w, s);
    w->depth++;
    put_members(w, s, t, secret, NULL);
    w->depth--;
    put_line(w);
    put(w, group ? "}" : ")");
    put(w, end);
    put_place(w, NULL);
}

/* A group that is called so, or an element of a list; what is in it follows. */
static void
open_list(struct writer *w, const char *name)
{
    put_line(w);
    put(w, name);
    put(w, " = (\n");
    w->depth++;
}

static void
close_list(struct writer *w)
{
    w->depth--;
    put_line(w);
    put(w, ");\n");
}

static void
open_group(struct writer *w, const config_setting_t *s)
{
    put_line(w);
    put(w, "{");
    put_place(w, s);
    w->depth++;
}

static void
close_group(struct writer *w, int last)
{
    w->depth--;
    put_line(w);
    put(w, last ? "}\n" : "},\n");
}

/* --- the parts ------------------------------------------------------------- */

/* What a plugin stands in, but for one member. */
static void
put_part(struct writer *w, const struct plan_part *part,
         const struct il_option *place, const char *but)
{
    struct tables t = { .list = { OPTION_TABLE(place) }, .n = 1 };
    const config_setting_t *s = option_setting(part->place, NULL, 0);
    if (part->plugin)
        t.list[t.n++] = part->plugin->options;
    if (s)
        put_members(w, s, &t, 0, but);
}

static void
put_steps(struct writer *w, const struct plan_part *steps, size_t n)
{
    if (!n)
        return;
    open_list(w, "steps");
    for (size_t i = 0; i < n; i++) {
        open_group(w, option_setting(steps[i].place, NULL, 0));
        put_part(w, &steps[i], settings_step, NULL);
        close_group(w, i + 1 == n);
    }
    close_list(w);
}

static int
is_declared(const struct plan_pipeline *p, const config_setting_t *event)
{
    const char *type = conf_peek(event, "type");
    for (size_t i = 0; type && i < p->declared.count; i++)
        if (!strcmp(p->declared.events[i]->type, type))
            return 1;
    return 0;
}

static int
takes_from(const struct plan_pipeline *p, const config_setting_t *source)
{
    const char *name = conf_peek(source, "name");
    for (size_t i = 0; name && i < p->match_count; i++)
        if (slice_equal(p->matches[i].source, slice_of(name, strlen(name))))
            return 1;
    return 0;
}

/* Of a list of groups in all files those that are the lane's. */
static void
put_chosen(struct writer *w, const struct plan_pipeline *p, const char *list,
           int (*chosen)(const struct plan_pipeline *,
                         const config_setting_t *),
           const char *const *members)
{
    static const struct tables open = { .open = 1 };
    size_t n = 0;
    for (size_t f = 0; f < conf_file_count(w->conf); f++) {
        config_setting_t *l =
            config_setting_get_member(conf_root(w->conf, f), list);
        for (int i = 0; l && i < config_setting_length(l); i++) {
            const config_setting_t *s =
                config_setting_get_elem(l, (unsigned) i);
            if (!config_setting_is_group(s) || !chosen(p, s))
                continue;
            if (!n++)
                open_list(w, list);
            else
                put(w, "  ,\n");
            open_group(w, s);
            if (!members)
                put_members(w, s, &open, 0, NULL);
            for (const char *const *m = members; m && *m; m++) {
                const config_setting_t *e =
                    config_setting_get_member((config_setting_t *) s, *m);
                if (!e)
                    continue;
                put_line(w);
                put(w, *m);
                put(w, " = ");
                put_setting(w, e, &open, 0, ";");
            }
            close_group(w, 1);
        }
    }
    if (n)
        close_list(w);
}

static void
put_pipeline(struct writer *w, const struct plan_pipeline *p,
             const struct plan_destination *d)
{
    static const struct tables open = { .open = 1 };
    const config_setting_t *s = option_setting(p->options, NULL, 0);
    const config_setting_t *sources =
        config_setting_get_member((config_setting_t *) s, "sources");
    open_list(w, "pipelines");
    open_group(w, s);
    put_line(w);
    put(w, "name = ");
    put_string(w, p->name);
    put(w, ";\n");
    if (sources) {
        put_line(w);
        put(w, "sources = ");
        put_setting(w, sources, &open, 0, ";");
    }
    put_steps(w, p->steps, p->step_count);
    open_list(w, "destinations");
    open_group(w, option_setting(d->part.place, NULL, 0));
    put_part(w, &d->part, settings_destination, "steps");
    put_steps(w, d->steps, d->step_count);
    close_group(w, 1);
    close_list(w);
    close_group(w, 1);
    close_list(w);
}

int
host_history_config(struct il_text *out, const struct assembly_lane *l)
{
    static const char *const of_source[] = { "name", "plugin", "undeclared",
                                             NULL };
    static const struct tables open = { .open = 1 };
    struct writer w = { .out = out, .conf = l->destination.conf };
    const config_setting_t *dirs = NULL;
    for (size_t f = 0; f < conf_file_count(w.conf) && !dirs; f++)
        dirs = config_setting_get_member(conf_root(w.conf, f), "plugin_dir");
    if (dirs) {
        put(&w, "plugin_dir = ");
        put_setting(&w, dirs, &open, 0, ";");
    }
    put_chosen(&w, l->pipeline, "events", is_declared, NULL);
    put_chosen(&w, l->pipeline, "sources", takes_from, of_source);
    put_pipeline(&w, l->pipeline, l->plan);
    return w.err;
}
