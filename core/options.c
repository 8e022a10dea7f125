/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "host_api.h"

#include <errno.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

/* More than any plugin has; a table without its { 0 } ends here. */
#define TABLE_MAX 256

/* One element of a value. */
struct item {
    const char *str;
    int64_t num;
    struct il_conf *group;
    config_setting_t *setting; /* NULL: a default */
    int hidden;                /* must not be shown */
};

struct value {
    struct il_option option; /* our copy of the entry */
    struct option_table children;
    struct item *items;
    size_t count;
};

struct il_conf {
    const struct il_api *api; /* first, as in every object of the host */
    struct conf *conf;
    const char *where;
    const char *prefix; /* "batch.", "columns #2.", "" */
    struct conf_place place;
    config_setting_t *setting;
    int allow_unknown;
    struct value *values;
    size_t count;
};

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

/* --- findings ------------------------------------------------------------ */

static void
vsay(const struct il_conf *g, const config_setting_t *at, const char *key,
     const char *text, long offset, int warning, const char *fmt, va_list ap)
{
    struct conf_finding f = { .place = at ? conf_place(g->conf, at) : g->place,
                              .where = g->where,
                              .text = text,
                              .offset = offset,
                              .warning = warning };
    f.key = key ? conf_printf(g->conf, "%s%s", g->prefix, key) : g->prefix;
    size_t len = strlen(f.key);
    if (!key && len)
        f.key = conf_strndup(g->conf, f.key, len - 1);
    conf_vadd(g->conf, &f, fmt, ap);
}

static void say(const struct il_conf *, const config_setting_t *,
                const char *key, const char *fmt, ...) IL_PRINTF(4, 5);

static void
say(const struct il_conf *g, const config_setting_t *at, const char *key,
    const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsay(g, at, key, NULL, -1, 0, fmt, ap);
    va_end(ap);
}

static void
warn_exposed(const struct il_conf *g, const config_setting_t *at,
             const char *key)
{
    struct conf_finding f = { .place = conf_place(g->conf, at),
                              .where = g->where,
                              .key = conf_printf(g->conf, "%s%s", g->prefix,
                                                 key),
                              .offset = -1,
                              .warning = 1 };
    conf_add(g->conf, &f,
             "the file with this secret can be read by every user; "
             "chmod 0640 it");
}

static const char *
found(const config_setting_t *s)
{
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_GROUP:
        return "a group { }";
    case CONFIG_TYPE_LIST:
        return "a list ( )";
    case CONFIG_TYPE_ARRAY:
        return "a list [ ]";
    case CONFIG_TYPE_STRING:
        return "a text";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    case CONFIG_TYPE_FLOAT:
        return "a number with a point";
    default:
        return "a whole number";
    }
}

/* --- one element --------------------------------------------------------- */

static int
is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);
    for (const char *p = choices; p; p = strchr(p, '|')) {
        p += *p == '|';
        if (strcspn(p, "|") == len && strncmp(p, text, len) == 0)
            return 1;
    }
    return 0;
}

static const char *
choices_shown(const struct il_conf *g, const char *choices)
{
    struct il_text t = { 0 };
    for (const char *p = choices; *p; p++)
        *p == '|' ? text_puts(&t, ", ") : text_putc(&t, *p);
    char *copy = conf_strndup(g->conf, t.data ? t.data : "", t.len);
    text_clear(&t);
    return copy;
}

/* The nearest choice, or NULL. */
static const char *
choice_meant(const struct il_conf *g, const char *choices, const char *text)
{
    const char *names[32];
    size_t n = 0;
    for (const char *p = choices; p && n < 32; p = strchr(p, '|')) {
        p += *p == '|';
        names[n++] = conf_strndup(g->conf, p, strcspn(p, "|"));
    }
    return conf_nearest(text, names, n);
}

static void
check_choice(const struct il_conf *g, const struct il_option *o,
             const struct item *item)
{
    if (!o->choices || is_choice(o->choices, item->str))
        return;
    const char *all = choices_shown(g, o->choices);
    const char *meant
        = item->hidden ? NULL : choice_meant(g, o->choices, item->str);
    if (item->hidden)
        say(g, item->setting, o->name, "expected one of: %s", all);
    else if (meant)
        say(g, item->setting, o->name,
            "\"%s\" is not one of: %s; did you mean \"%s\"?", item->str, all,
            meant);
    else
        say(g, item->setting, o->name, "\"%s\" is not one of: %s", item->str,
            all);
}

static void
check_range(const struct il_conf *g, const struct il_option *o,
            const struct item *item, int64_t v)
{
    char low[32], high[32], is[32];
    const int open_end = o->max == 0 && o->min >= 0;
    if (v >= o->min && (v <= o->max || open_end))
        return;
    if (o->min == 0 && o->max == 0)
        return;
    const char *noun = o->type == IL_OPT_STRING ? "text of " : "";
    const char *unit = o->type == IL_OPT_STRING ? " bytes" : "";
    option_format(low, o->type, o->min);
    option_format(high, o->type, o->max);
    option_format(is, o->type, v);
    if (o->type == IL_OPT_STRING && v == 0)
        say(g, item->setting, o->name, "must not be empty");
    else if (item->hidden)
        say(g, item->setting, o->name, "expected %s%s to %s%s", noun, low,
            high, unit);
    else if (open_end || o->max == INT64_MAX)
        say(g, item->setting, o->name, "expected %s%s%s or more, found %s",
            noun, low, unit, is);
    else
        say(g, item->setting, o->name, "expected %s%s to %s%s, found %s",
            noun, low, high, unit, is);
}

/* The text of an element, looked up where it stands elsewhere.  0 or -EINVAL
 * after a finding. */
static int
resolve(const struct il_conf *g, const struct il_option *o, struct item *item,
        const char *text)
{
    const int secret = (o->flags & IL_OPT_SECRET) != 0;
    item->str = text;
    item->hidden = secret;
    if ((o->flags & OPTION_PLAIN) || !item->setting)
        return 0;
    int exposed;
    struct conf_place at = conf_place(g->conf, item->setting);
    int r = option_resolve(g->conf, at.dir, text, &item->str, &exposed);
    if (r < 0) {
        say(g, item->setting, o->name, "%s", item->str);
        return -EINVAL;
    }
    item->hidden |= r == 1;
    if (exposed && secret)
        warn_exposed(g, item->setting, o->name);
    if (secret && !*item->str) {
        say(g, item->setting, o->name, "must not be empty");
        return -EINVAL;
    }
    return 0;
}

static void
check_text(const struct il_conf *g, const struct il_option *o,
           struct item *item, const char *text)
{
    const char *why = NULL;
    int err = resolve(g, o, item, text);
    if (err)
        return;
    if (o->type == IL_OPT_STRING) {
        check_choice(g, o, item);
        check_range(g, o, item, (int64_t) strlen(item->str));
        return;
    }
    err = o->type == IL_OPT_DURATION
              ? option_parse_duration(item->str, &item->num, &why)
              : option_parse_size(item->str, &item->num, &why);
    if (!err)
        check_range(g, o, item, item->num);
    else if (item->hidden)
        say(g, item->setting, o->name, "expected %s", why);
    else
        say(g, item->setting, o->name, "expected %s, found \"%s\"", why,
            item->str);
}

static const char *
expected(uint32_t type)
{
    switch (type) {
    case IL_OPT_STRING:
        return "a text in double quotes";
    case IL_OPT_INT:
        return "a whole number";
    case IL_OPT_BOOL:
        return "true or false";
    case IL_OPT_DURATION:
        return "a duration in double quotes, like \"30s\"";
    case IL_OPT_SIZE:
        return "a size in double quotes, like \"64MiB\"";
    default:
        return "a group { }";
    }
}

static int
type_fits(uint32_t type, const config_setting_t *s)
{
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_STRING:
        return type == IL_OPT_STRING || type == IL_OPT_DURATION
               || type == IL_OPT_SIZE;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return type == IL_OPT_INT;
    case CONFIG_TYPE_BOOL:
        return type == IL_OPT_BOOL;
    case CONFIG_TYPE_GROUP:
        return type == IL_OPT_GROUP;
    default:
        return 0;
    }
}

static void read_group(struct il_conf *, config_setting_t *const *groups,
                       size_t n, const struct option_table *, size_t tables);

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
    g->prefix = v->option.flags & IL_OPT_LIST
                    ? conf_printf(g->conf, "%s%s #%zu.", parent->prefix,
                                  v->option.name, i + 1)
                    : conf_printf(g->conf, "%s%s.", parent->prefix,
                                  v->option.name);
    if (!(v->option.flags & OPTION_RAW))
        read_group(g, &setting, setting ? 1 : 0, &v->children, 1);
    return g;
}

static void
read_item(const struct il_conf *g, struct value *v, config_setting_t *s)
{
    const struct il_option *o = &v->option;
    struct item *item = &v->items[v->count];
    *item = (struct item){ .setting = s };
    if (!type_fits(o->type, s)) {
        say(g, s, o->name, "expected %s, found %s", expected(o->type),
            found(s));
        return;
    }
    if (o->type == IL_OPT_GROUP) {
        item->group = group_new(g, v, v->count, s);
    } else if (o->type == IL_OPT_INT) {
        item->num = config_setting_get_int64(s);
        check_range(g, o, item, item->num);
    } else if (o->type == IL_OPT_BOOL) {
        item->num = config_setting_get_bool(s);
    } else {
        check_text(g, o, item, config_setting_get_string(s));
    }
    v->count++;
}

/* --- one option ---------------------------------------------------------- */

static void
read_default_item(const struct il_conf *g, struct value *v, const char *text)
{
    const struct il_option *o = &v->option;
    struct item *item = &v->items[v->count++];
    const char *why;
    int err = 0;
    *item = (struct item){ .str = text };
    if (o->type == IL_OPT_INT) {
        char *end;
        item->num = strtoll(text, &end, 0);
        err = *end || end == text;
    } else if (o->type == IL_OPT_BOOL) {
        item->num = strcmp(text, "true") == 0;
        err = !item->num && strcmp(text, "false") != 0;
    } else if (o->type == IL_OPT_DURATION) {
        err = option_parse_duration(text, &item->num, &why);
    } else if (o->type == IL_OPT_SIZE) {
        err = option_parse_size(text, &item->num, &why);
    } else if (o->type == IL_OPT_GROUP) {
        item->group = group_new(g, v, 0, NULL);
    }
    if (err)
        say(g, NULL, o->name,
            "the default in the option table cannot be read (a fault of the "
            "plugin, not of this file)");
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
                say(g, s, o->name, "is set twice; the first is in %s:%d",
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
        } else if (o->type == IL_OPT_GROUP) {
            say(g, s, o->name, "expected a list of groups, ( { ... } ), "
                               "found %s",
                found(s));
        } else {
            read_item(g, v, s);
        }
    }
    if (first && total == 0 && (o->flags & IL_OPT_REQUIRED)
        && (o->flags & IL_OPT_LIST))
        say(g, first, o->name, "needs at least one element");
    if (!first && o->def)
        read_default(g, v);
    else if (!first && (o->flags & IL_OPT_REQUIRED))
        say(g, NULL, o->name, "is required and missing%s%s",
            o->help ? ": " : "", o->help ? o->help : "");
}

/* --- one group ----------------------------------------------------------- */

static const struct value *
find(const struct il_conf *g, const char *key)
{
    for (size_t i = 0; i < g->count; i++)
        if (strcmp(g->values[i].option.name, key) == 0)
            return &g->values[i];
    return NULL;
}

static void
check_known(const struct il_conf *g, config_setting_t *group)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        config_setting_t *s = config_setting_get_elem(group, (unsigned) i);
        if (find(g, s->name))
            continue;
        const char *names[2 * TABLE_MAX];
        size_t n = 0;
        for (; n < g->count && n < 2 * TABLE_MAX; n++)
            names[n] = g->values[n].option.name;
        const char *meant = conf_nearest(s->name, names, n);
        if (meant) {
            say(g, s, s->name, "no such option; did you mean \"%s\"?", meant);
            continue;
        }
        struct il_text all = { 0 };
        for (size_t k = 0; k < n; k++)
            text_printf(&all, "%s%s", k ? ", " : "", names[k]);
        say(g, s, s->name, "no such option; there are: %s", text_str(&all));
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
            v->children = option_children(&tables[t], &option);
        }
    for (size_t i = 0; i < n && !g->allow_unknown; i++)
        check_known(g, groups[i]);
    for (size_t i = 0; i < g->count; i++)
        read_value(g, &g->values[i], groups, n);
}

const struct il_conf *
options_read(const struct option_read *r)
{
    struct il_conf *g = conf_alloc(r->conf, sizeof(*g));
    *g = (struct il_conf){ .api = host_api(),
                           .conf = r->conf,
                           .where = r->where,
                           .prefix = "",
                           .allow_unknown = r->allow_unknown,
                           .setting = r->group_count ? r->groups[0] : NULL };
    g->place = g->setting ? conf_place(r->conf, g->setting)
                          : conf_place_main(r->conf);
    read_group(g, r->groups, r->group_count, r->tables, r->table_count);
    return g;
}

/* --- reading ------------------------------------------------------------- */

static const struct value *
value_of(const struct il_conf *g, const char *key)
{
    const struct value *v = find(g, key);
    if (!v)
        say(g, NULL, key, "the plugin reads an option that its table does "
                          "not have (a fault of the plugin)");
    return v;
}

static const struct item *
item_of(const struct il_conf *g, const char *key, size_t i)
{
    const struct value *v = value_of(g, key);
    return v && i < v->count ? &v->items[i] : NULL;
}

int
option_has(const struct il_conf *g, const char *key)
{
    return item_of(g, key, 0) != NULL;
}

const char *
option_str(const struct il_conf *g, const char *key, size_t i)
{
    const struct item *item = item_of(g, key, i);
    return item ? item->str : NULL;
}

int64_t
option_int(const struct il_conf *g, const char *key, size_t i)
{
    const struct item *item = item_of(g, key, i);
    return item ? item->num : 0;
}

size_t
option_count(const struct il_conf *g, const char *key)
{
    const struct value *v = value_of(g, key);
    return v ? v->count : 0;
}

const struct il_conf *
option_group(const struct il_conf *g, const char *key, size_t i)
{
    const struct item *item = item_of(g, key, i);
    return item ? item->group : NULL;
}

static void
vremark(const struct il_conf *g, const char *key, size_t i, long offset,
        int warning, const char *fmt, va_list ap)
{
    const struct value *v = key ? find(g, key) : NULL;
    const struct item *item = v && i < v->count ? &v->items[i] : NULL;
    const char *text = item && !item->hidden ? item->str : NULL;
    if (item && (v->option.flags & IL_OPT_LIST) && v->count > 1)
        key = conf_printf(g->conf, "%s #%zu", key, i + 1);
    vsay(g, item && item->setting ? item->setting : g->setting, key, text,
         offset, warning, fmt, ap);
}

void
option_verror(const struct il_conf *g, const char *key, size_t i, long offset,
              const char *fmt, va_list ap)
{
    vremark(g, key, i, offset, 0, fmt, ap);
}

void
option_remark(const struct il_conf *g, const char *key, long offset,
              int warning, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vremark(g, key, 0, offset, warning, fmt, ap);
    va_end(ap);
}

int
option_error(const struct il_conf *g, const char *key, size_t i,
             const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    option_verror(g, key, i, -1, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

int
option_error_at(const struct il_conf *g, const char *key, long offset,
                const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    option_verror(g, key, 0, offset, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

struct config_setting_t *
option_setting(const struct il_conf *g, const char *key, size_t i)
{
    if (!key)
        return g->setting;
    const struct item *item = item_of(g, key, i);
    return item ? item->setting : NULL;
}

const char *
option_origin(const struct il_conf *g, const char *key, size_t i)
{
    const config_setting_t *s = option_setting(g, key, i);
    struct conf_place at = s ? conf_place(g->conf, s) : g->place;
    return conf_printf(g->conf, "%s:%d", at.file ? at.file : "?", at.line);
}
