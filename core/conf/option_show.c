/* SPDX-License-Identifier: MIT */
/* What a group says, for people to read: as it was written, or its defaults. */
#include <config.h>

#include "options_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

int
option_shown(const struct il_conf *g, size_t i, struct option_shown *out)
{
    if (!g || i >= g->count)
        return 0;
    const struct value *v = &g->values[i];
    *out = (struct option_shown){ .name = v->option.name,
                                  .type = v->option.type,
                                  .flags = v->option.flags,
                                  .count = v->count,
                                  .below = v->prefix != NULL };
    return 1;
}

static const struct item *
item_at(const struct il_conf *g, size_t i, size_t k)
{
    return i < g->count && k < g->values[i].count ? &g->values[i].items[k]
                                                  : NULL;
}

const struct il_conf *
option_shown_group(const struct il_conf *g, size_t i, size_t k)
{
    const struct item *item = item_at(g, i, k);
    return item ? item->group : NULL;
}

int
option_shown_place(const struct il_conf *g, size_t i, size_t k,
                   struct conf_place *out)
{
    const struct item *item = item_at(g, i, k);
    *out = (struct conf_place){ .file = NULL };
    if (item && item->setting)
        *out = conf_place(g->conf, item->setting);
    return out->file != NULL;
}

static int
begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* A file is named as it is from everywhere. */
static int
put_reference(const struct il_conf *g, const struct item *item,
              const char *text, struct il_text *out)
{
    const struct conf_place at = conf_place(g->conf, item->setting);
    if (begins(text, "file:") && text[5] != '/' && at.dir
        && strcmp(at.dir, ".") != 0)
        return text_printf(out, "file:%s/%s", at.dir, text + 5);
    return text_puts(out, text);
}

/* Did it stand somewhere else, and was looked up there? */
static int
is_reference(const struct il_option *o, const struct item *item,
             const char *text)
{
    return item->setting && !(o->flags & OPTION_PLAIN)
           && (begins(text, "env:") || begins(text, "file:")
               || begins(text, "credential:"));
}

/* --- what may be a secret though nobody says so ------------------------------ */

/* Is one of these words in it?  An empty one ends them. */
static int
has_word(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcasestr(text, *words))
            return 1;
    return 0;
}

static const char *const telling[] = { "auth",     "token", "secret", "cookie",
                                       "password", "key",   NULL };

/* A URI with a password, or whose query has one by its name. */
static int
is_telling_uri(const char *text)
{
    const char *host = strstr(text, "://");
    const char *query = host ? strchr(host, '?') : NULL;
    if (!host)
        return 0;
    host += 3;
    const char *colon = strchr(host, ':'), *at = strchr(host, '@');
    const char *path = host + strcspn(host, "/?#");
    return (colon && at && colon < at && at < path)
           || (query && strchr(query, '=') && has_word(query, telling));
}

/* {name = "Authorization"; value = "..."}, as of a header; not where the value is
 * that of a field, which a reference is. */
static int
is_told_by_name(const struct il_conf *g, const struct il_option *o,
                const char *text)
{
    const struct value *name =
        strcmp(o->name, "value") ? NULL : option_find(g, "name");
    return name && name->count && name->items[0].str && *text != '$'
           && has_word(name->items[0].str, telling);
}

static int
may_be_secret(const struct il_conf *g, const struct il_option *o,
              const char *text)
{
    return is_telling_uri(text) || is_told_by_name(g, o, text)
           || !strncasecmp(text, "Bearer ", 7)
           || !strncasecmp(text, "Basic ", 6);
}

static int
put_text(const struct il_conf *g, const struct il_option *o,
         const struct item *item, struct il_text *out)
{
    const config_setting_t *s = item->setting;
    const char *text = item->str ? item->str : "";
    const int quoted = !s || !config_setting_is_number(s);
    int err = 0;
    if (s && config_setting_type(s) == CONFIG_TYPE_STRING)
        text = config_setting_get_string(s);
    /* of a plain one this is the name of a file */
    if (is_reference(o, item, text))
        err = put_reference(g, item, text, out);
    else if (!(o->flags & OPTION_PLAIN)
             && ((o->flags & IL_OPT_SECRET)
                 || (s && may_be_secret(g, o, text))))
        return OPTION_SECRET;
    else
        err = text_puts(out, text);
    return err ? err : quoted ? OPTION_QUOTED : OPTION_BARE;
}

int
option_shown_text(const struct il_conf *g, size_t i, size_t k,
                  struct il_text *out)
{
    const struct item *item = item_at(g, i, k);
    const struct il_option *o = &g->values[i].option;
    int err = 0;
    if (item && o->type != IL_OPT_INT && o->type != IL_OPT_BOOL)
        return put_text(g, o, item, out);
    if (item && o->type == IL_OPT_INT)
        err = text_printf(out, "%" PRId64, item->num);
    else if (item)
        err = text_puts(out, item->num ? "true" : "false");
    return err ? err : OPTION_BARE;
}

int
conf_put_string(struct il_text *out, const char *s)
{
    int err = text_putc(out, '"');
    for (; *s && !err; s++) {
        unsigned char c = (unsigned char) *s;
        if (c == '"' || c == '\\')
            err = text_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            err = text_printf(out, "\\x%02x", c);
        else
            err = text_putc(out, (char) c);
    }
    return err ? err : text_putc(out, '"');
}
