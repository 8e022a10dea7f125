/* SPDX-License-Identifier: MIT */
/* Reading options that were validated, and reporting against them. */
#include "options_private.h"

#include <errno.h>
#include <string.h>

/* --- findings ------------------------------------------------------------ */

/* Where the key stands, in dots: "batch.events", "keys #2.key", or "keys #2"
 * for the group itself (NULL) and for the text in its place. */
static const char *
option_path(const struct il_conf *g, const char *key)
{
    size_t len = strlen(g->prefix);
    const struct value *v = key ? option_find(g, key) : NULL;
    if (key && !(g->lone && !strcmp(key, g->values[0].option.name)))
        return conf_printf(g->conf, "%s%s",
                           v && v->prefix ? v->prefix : g->prefix, key);
    return conf_strndup(g->conf, g->prefix, len ? len - 1 : 0);
}

static void
vsay(const struct il_conf *g, const config_setting_t *at, const char *key,
     const char *text, long offset, int warning, const char *fmt, va_list ap)
{
    struct conf_finding f = { .place = at ? conf_place(g->conf, at) : g->place,
                              .where = g->where,
                              .text = text,
                              .offset = offset,
                              .warning = warning };
    f.key = option_path(g, key);
    conf_vadd(g->conf, &f, fmt, ap);
}

void
option_say(const struct il_conf *g, const config_setting_t *at, const char *key,
           const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsay(g, at, key, NULL, -1, 0, fmt, ap);
    va_end(ap);
}

void
option_warn(const struct il_conf *g, const config_setting_t *at,
            const char *key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsay(g, at, key, NULL, -1, 1, fmt, ap);
    va_end(ap);
}

void
option_say_exposed(const struct il_conf *g, const config_setting_t *at,
                   const char *key, int literal)
{
    struct conf_finding f = { .place = conf_place(g->conf, at),
                              .where = g->where,
                              .key = option_path(g, key),
                              .offset = -1,
                              .warning = 1,
                              .of_file = literal };
    conf_add(g->conf, &f,
             "the file with this secret can be read by every user; "
             "chmod 0640 it%s",
             literal ? ", or write file:PATH or env:NAME" : "");
}

/* --- reading ------------------------------------------------------------- */

const struct value *
option_find(const struct il_conf *g, const char *key)
{
    for (size_t i = 0; i < g->count; i++)
        if (strcmp(g->values[i].option.name, key) == 0)
            return &g->values[i];
    return NULL;
}

static const struct value *
value_of(const struct il_conf *g, const char *key)
{
    const struct value *v = option_find(g, key);
    if (!v)
        option_say(g, NULL, key,
                   "the plugin reads an option that its table does "
                   "not have (a fault of the plugin)");
    return v;
}

/* Which types each function reads. */
#define TYPE(type) (1u << (type))
#define AS_TEXT TYPE(IL_OPT_STRING)
#define AS_INT                                                                 \
    (TYPE(IL_OPT_INT) | TYPE(IL_OPT_BOOL) | TYPE(IL_OPT_DURATION)              \
     | TYPE(IL_OPT_SIZE))

static const struct item *
item_of(const struct il_conf *g, const char *key, size_t i)
{
    const struct value *v = value_of(g, key);
    return v && i < v->count ? &v->items[i] : NULL;
}

/* The same where the option has one of these types. */
static const struct item *
item_as(const struct il_conf *g, const char *key, size_t i, unsigned types)
{
    const struct value *v = value_of(g, key);
    if (v && !(TYPE(v->option.type) & types)) {
        option_say(g, NULL, key,
                   "the plugin reads this %s as another type (a fault of the "
                   "plugin)",
                   option_type_name(v->option.type));
        return NULL;
    }
    return v && i < v->count ? &v->items[i] : NULL;
}

int
option_known(const struct il_conf *g, const char *key)
{
    return option_find(g, key) != NULL;
}

int
option_has(const struct il_conf *g, const char *key)
{
    return item_of(g, key, 0) != NULL;
}

const char *
option_str(const struct il_conf *g, const char *key, size_t i)
{
    const struct item *item = item_as(g, key, i, AS_TEXT);
    return item ? item->str : NULL;
}

const char *
option_number(const struct il_conf *g, const char *key, size_t i)
{
    const struct item *item = item_as(g, key, i, TYPE(IL_OPT_NUMBER));
    return item ? item->str : NULL;
}

int64_t
option_int(const struct il_conf *g, const char *key, size_t i)
{
    const struct item *item = item_as(g, key, i, AS_INT);
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
    const struct item *item = item_as(g, key, i, TYPE(IL_OPT_GROUP));
    return item ? item->group : NULL;
}

static void
vremark(const struct il_conf *g, const char *key, size_t i, long offset,
        int warning, const char *fmt, va_list ap)
{
    const struct value *v = key ? option_find(g, key) : NULL;
    const struct item *item = v && i < v->count ? &v->items[i] : NULL;
    const char *text = item && !item->hidden ? item->str : NULL;
    if (item && (v->option.flags & IL_OPT_LIST) && v->count > 1)
        key = conf_printf(g->conf, "%s #%zu", key, i + 1);
    /* an element that is not there stands where the list does */
    const config_setting_t *at = item            ? item->setting
                                 : v && v->count ? v->items[0].setting
                                                 : NULL;
    vsay(g, at ? at : g->setting, key, text, offset, warning, fmt, ap);
}

void
option_remark(const struct il_conf *g, const char *key, size_t i, long offset,
              int warning, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vremark(g, key, i, offset, warning, fmt, ap);
    va_end(ap);
}

int
option_error(const struct il_conf *g, const char *key, size_t i,
             const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vremark(g, key, i, -1, 0, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

int
option_error_at(const struct il_conf *g, const char *key, size_t i, long offset,
                const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vremark(g, key, i, offset, 0, fmt, ap);
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
