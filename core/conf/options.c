/* SPDX-License-Identifier: MIT */
#include "options_private.h"

#include "base/api.h"
#include "base/nearest.h"

#include <string.h>

/* More than any plugin has; a table without its { 0 } ends here. */
#define TABLE_MAX 256

int
option_at(const struct option_table *table, size_t i, struct il_option *out)
{
    *out = (struct il_option){ 0 };
    if (!table->first || i >= TABLE_MAX)
        return 0;
    const char *entry = (const char *) table->first + i * table->stride;
    memcpy(out, entry,
           table->stride < sizeof(*out) ? table->stride : sizeof(*out));
    return out->name != NULL;
}

struct option_table
option_children(const struct option_table *table,
                const struct il_option *option)
{
    return (struct option_table){ option->children, table->stride };
}

static void read_group(struct il_conf *, config_setting_t *const *groups,
                       size_t n, const struct option_table *, size_t tables);

/* A text that stands for a group, or a group. */
static int
is_short(const struct il_option *o, const config_setting_t *s)
{
    return (o->flags & IL_OPT_SHORT) && o->type == IL_OPT_GROUP
           && config_setting_type(s) == CONFIG_TYPE_STRING;
}

static struct il_conf *
group_new(const struct il_conf *parent, const struct value *v, size_t i,
          config_setting_t *setting)
{
    struct il_conf *g = conf_alloc(parent->conf, sizeof(*g));
    *g = (struct il_conf){ .api = parent->api,
                           .conf = parent->conf,
                           .where = parent->where,
                           .setting = setting };
    g->place = setting ? conf_place(g->conf, setting) : parent->place;
    g->prefix =
        v->option.flags & IL_OPT_LIST
            ? conf_printf(g->conf, "%s%s #%zu.", parent->prefix, v->option.name,
                          i + 1)
            : conf_printf(g->conf, "%s%s.", parent->prefix, v->option.name);
    if (setting && is_short(&v->option, setting))
        g->lone = setting;
    if (!(v->option.flags & OPTION_RAW))
        read_group(g, &setting, setting && !g->lone ? 1 : 0, &v->children, 1);
    return g;
}

static void
read_item(const struct il_conf *g, struct value *v, config_setting_t *s)
{
    const struct il_option *o = &v->option;
    struct item *item = &v->items[v->count];
    *item = (struct item){ .setting = s };
    if (!option_type_fits(o, s) && !is_short(o, s)) {
        option_say(g, s, o->name, "expected %s%s, found %s",
                   o->flags & IL_OPT_SHORT ? "a text in double quotes or " : "",
                   option_expected(o), option_found(s));
        return;
    }
    if (o->type == IL_OPT_GROUP)
        item->group = group_new(g, v, v->count, s);
    else
        option_check_item(g, o, item);
    v->count++;
}

/* --- one option ---------------------------------------------------------- */

static void
read_default_item(const struct il_conf *g, struct value *v, const char *text)
{
    struct item *item = &v->items[v->count++];
    option_default_item(g, &v->option, item, text);
    if (v->option.type == IL_OPT_GROUP)
        item->group = group_new(g, v, 0, NULL);
}

/* The defaults of a list are parted by ", ". */
static void
read_default(const struct il_conf *g, struct value *v)
{
    const char *p = v->option.def;
    size_t n = 1;
    if (v->option.flags & IL_OPT_LIST)
        for (const char *q = p; (q = strstr(q, ", ")); q += 2)
            n++;
    v->items = conf_alloc(g->conf, n * sizeof(struct item));
    if (n == 1) {
        read_default_item(g, v, p);
        return;
    }
    for (;;) {
        const char *stop = strstr(p, ", ");
        size_t len = stop ? (size_t) (stop - p) : strlen(p);
        read_default_item(g, v, conf_strndup(g->conf, p, len));
        if (!stop)
            return;
        p = stop + 2;
    }
}

/* The setting of this option in each of the groups; a list is joined, all
 * else may stand in one place only. */
static void
read_value(const struct il_conf *g, struct value *v,
           config_setting_t *const *groups, size_t n)
{
    const struct il_option *o = &v->option;
    config_setting_t *first = NULL;
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        config_setting_t *s = config_setting_get_member(groups[i], o->name);
        if (s)
            total += config_setting_is_aggregate(s)
                         ? (size_t) config_setting_length(s)
                         : 1;
    }
    v->items = conf_alloc(g->conf, (total + 1) * sizeof(struct item));
    for (size_t i = 0; i < n; i++) {
        config_setting_t *s = config_setting_get_member(groups[i], o->name);
        if (!s)
            continue;
        if (!(o->flags & IL_OPT_LIST)) {
            if (first) {
                struct conf_place at = conf_place(g->conf, first);
                option_say(g, s, o->name, "is set twice; the first is in %s:%d",
                           at.file, at.line);
                continue;
            }
            first = s;
            read_item(g, v, s);
            continue;
        }
        first = s;
        if (config_setting_is_list(s) || config_setting_is_array(s)) {
            for (int k = 0; k < config_setting_length(s); k++)
                read_item(g, v, config_setting_get_elem(s, (unsigned) k));
        } else if (o->type == IL_OPT_GROUP && !is_short(o, s)) {
            option_say(g, s, o->name,
                       "expected a list of groups, ( { ... } ), "
                       "found %s",
                       option_found(s));
        } else {
            read_item(g, v, s);
        }
    }
    if (first && total == 0 && (o->flags & IL_OPT_REQUIRED)
        && (o->flags & IL_OPT_LIST))
        option_say(g, first, o->name, "needs at least one element");
    if (!first && o->def)
        read_default(g, v);
    else if (!first && (o->flags & IL_OPT_REQUIRED))
        option_say(g, NULL, o->name, "is required and missing%s%s",
                   o->help ? ": " : "", o->help ? o->help : "");
}

/* --- one group ----------------------------------------------------------- */

static void
check_known(const struct il_conf *g, config_setting_t *group)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        config_setting_t *s = config_setting_get_elem(group, (unsigned) i);
        if (option_find(g, s->name))
            continue;
        conf_count_stray(g->conf);
        const char *names[2 * TABLE_MAX];
        size_t n = 0;
        for (; n < g->count && n < 2 * TABLE_MAX; n++)
            names[n] = g->values[n].option.name;
        const char *meant = nearest_name(s->name, names, n);
        if (meant) {
            option_say(g, s, s->name, "no such option; did you mean \"%s\"?",
                       meant);
            continue;
        }
        struct il_text all = { 0 };
        for (size_t k = 0; k < n; k++)
            text_printf(&all, "%s%s", k ? ", " : "", names[k]);
        option_say(g, s, s->name, "no such option; there are: %s",
                   text_str(&all));
        text_clear(&all);
    }
}

static void
read_group(struct il_conf *g, config_setting_t *const *groups, size_t n,
           const struct option_table *tables, size_t table_count)
{
    struct il_option option;
    size_t total = 0;
    for (size_t t = 0; t < table_count; t++)
        for (size_t i = 0; option_at(&tables[t], i, &option); i++)
            total++;
    g->values = conf_alloc(g->conf, (total + 1) * sizeof(struct value));
    for (size_t t = 0; t < table_count; t++)
        for (size_t i = 0; option_at(&tables[t], i, &option); i++) {
            struct value *v = &g->values[g->count++];
            v->option = option;
            v->table = tables[t].first;
            v->children = option_children(&tables[t], &option);
        }
    for (size_t i = 0; i < n && !g->allow_unknown; i++)
        check_known(g, groups[i]);
    for (size_t i = 0; i < g->count; i++) {
        struct value *v = &g->values[i];
        if (i || !g->lone) {
            read_value(g, v, groups, n);
            continue;
        }
        v->items = conf_alloc(g->conf, sizeof(struct item));
        read_item(g, v, g->lone);
    }
}

const struct il_conf *
option_read_group(const struct option_read *r)
{
    struct il_conf *g = conf_alloc(r->conf, sizeof(*g));
    *g = (struct il_conf){ .api = api_table(),
                           .conf = r->conf,
                           .where = r->where,
                           .prefix = "",
                           .allow_unknown = r->allow_unknown,
                           .setting = r->group_count ? r->groups[0] : NULL };
    g->place =
        g->setting ? conf_place(r->conf, g->setting) : conf_place_main(r->conf);
    read_group(g, r->groups, r->group_count, r->tables, r->table_count);
    return g;
}

/* --- views ---------------------------------------------------------------- */

/* The value of an option in a view, from the group that comes first. */
static void
view_put(struct il_conf *view, const struct il_conf *below,
         const struct value *from)
{
    struct value *to = (struct value *) option_find(view, from->option.name);
    if (to && !from->count)
        return;
    if (to && to->count && to->items[0].setting && from->items[0].setting) {
        struct conf_place at = conf_place(view->conf, to->items[0].setting);
        option_say(below, from->items[0].setting, from->option.name,
                   "is set twice; the first is in %s:%d", at.file, at.line);
        return;
    }
    if (!to)
        to = &view->values[view->count++];
    *to = *from;
    to->prefix = below->prefix;
}

const struct il_conf *
option_view(const struct il_conf *g, const struct il_option *first,
            const char *below)
{
    const struct il_conf *inner =
        below && option_known(g, below) ? option_group(g, below, 0) : NULL;
    struct il_conf *view = conf_alloc(g->conf, sizeof(*view));
    size_t most = g->count + (inner ? inner->count : 0);
    *view = *g;
    view->count = 0;
    view->values = conf_alloc(g->conf, (most + 1) * sizeof(struct value));
    for (size_t i = 0; i < g->count && first; i++)
        if (g->values[i].table == first)
            view->values[view->count++] = g->values[i];
    for (size_t i = 0; inner && i < inner->count; i++)
        view_put(view, inner, &inner->values[i]);
    return view;
}
