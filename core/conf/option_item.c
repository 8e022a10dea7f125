/* SPDX-License-Identifier: MIT */
/* One element of a value: its type, range, choices, and where it stands. */
#include "options_private.h"

#include "base/nearest.h"
#include "base/number.h"
#include "base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *
option_found(const config_setting_t *s)
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
    return nearest_name(text, names, n);
}

static void
check_choice(const struct il_conf *g, const struct il_option *o,
             const struct item *item)
{
    if (!o->choices || is_choice(o->choices, item->str))
        return;
    const char *all = choices_shown(g, o->choices);
    const char *meant =
        item->hidden ? NULL : choice_meant(g, o->choices, item->str);
    if (item->hidden)
        option_say(g, item->setting, o->name, "expected one of: %s", all);
    else if (meant)
        option_say(g, item->setting, o->name,
                   "\"%s\" is not one of: %s; did you mean \"%s\"?", item->str,
                   all, meant);
    else
        option_say(g, item->setting, o->name, "\"%s\" is not one of: %s",
                   item->str, all);
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
        option_say(g, item->setting, o->name, "must not be empty");
    else if (item->hidden)
        option_say(g, item->setting, o->name, "expected %s%s to %s%s", noun,
                   low, high, unit);
    else if (open_end || o->max == INT64_MAX)
        option_say(g, item->setting, o->name,
                   "expected %s%s%s or more, found %s", noun, low, unit, is);
    else
        option_say(g, item->setting, o->name, "expected %s%s to %s%s, found %s",
                   noun, low, high, unit, is);
}

/* A text that says where a server is, and by which name to go in, is no secret
 * before a password is in it. */
static int
tells_nothing(const char *text)
{
    const char *scheme = strstr(text, "://");
    if (scheme) {
        const char *at = strchr(scheme, '@');
        const char *colon = strchr(scheme + 3, ':');
        return !strstr(text, "password=") && (!at || !colon || colon > at);
    }
    return strstr(text, "dbname=") && !strstr(text, "password");
}

/* Is it meant to be looked up, and written as other programs have it?  NULL, or
 * what to write.  Fields of an event ($url) are hardly ever all capitals. */
static const char *
meant_elsewhere(const char *text)
{
    static const char *const prefixes[] = { "env:", "file:", "credential:" };
    static const char name[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (strncasecmp(text, prefixes[i], strlen(prefixes[i])) == 0)
            return "write env:, file: and credential: in lower case";
    if (*text != '$' || !text[1])
        return NULL;
    const int braces = text[1] == '{';
    const char *end = text + 1 + braces;
    end += strspn(end, name);
    end += braces && *end == '}';
    return *end ? NULL : "write env:NAME for a variable of the environment";
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
        option_say(g, item->setting, o->name, "%s", item->str);
        return -EINVAL;
    }
    item->hidden |= r == 1;
    if (exposed && secret)
        option_say_exposed(g, item->setting, o->name, 0);
    else if (r == 0 && secret && !tells_nothing(item->str)
             && conf_exposed(g->conf, item->setting))
        option_say_exposed(g, item->setting, o->name, 1);
    const char *meant =
        r == 0 && secret && item->str == text ? meant_elsewhere(text) : NULL;
    if (meant)
        option_warn(g, item->setting, o->name,
                    "this is taken for the secret itself; %s, or literal: "
                    "before it if it is",
                    meant);
    if (secret && !*item->str) {
        option_say(g, item->setting, o->name, "must not be empty");
        return -EINVAL;
    }
    return 0;
}

/* Against limits that are whole numbers, exactly. */
static void
check_number(const struct il_conf *g, const struct il_option *o,
             const struct item *item)
{
    const struct il_value low = { .type = IL_INT, .num.i = o->min };
    const struct il_value high = { .type = IL_INT, .num.i = o->max };
    const int open_end = o->max == 0 && o->min >= 0;
    struct il_value v;
    if (!number_valid(item->str, strlen(item->str))) {
        option_say(g, item->setting, o->name,
                   item->hidden ? "expected a number, such as 1.5"
                                : "expected a number, such as 1.5, found "
                                  "\"%s\"",
                   item->str);
        return;
    }
    number_view(item->str, strlen(item->str), &v);
    if ((o->min == 0 && o->max == 0)
        || (number_compare(&v, &low) >= 0
            && (open_end || number_compare(&v, &high) <= 0)))
        return;
    const char *range =
        open_end ? conf_printf(g->conf, "%lld or more", (long long) o->min)
                 : conf_printf(g->conf, "%lld to %lld", (long long) o->min,
                               (long long) o->max);
    option_say(g, item->setting, o->name,
               item->hidden ? "expected %s" : "expected %s, found %s", range,
               item->str);
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
    if (o->type == IL_OPT_NUMBER) {
        check_number(g, o, item);
        return;
    }
    err = o->type == IL_OPT_DURATION
              ? units_parse_duration(item->str, &item->num, &why)
              : units_parse_size(item->str, &item->num, &why);
    if (!err)
        check_range(g, o, item, item->num);
    else if (item->hidden)
        option_say(g, item->setting, o->name, "expected %s", why);
    else
        option_say(g, item->setting, o->name, "expected %s, found \"%s\"", why,
                   item->str);
}

const char *
option_expected(const struct il_option *o)
{
    if (o->flags & OPTION_NUMBER)
        return "a text in double quotes or a number";
    switch (o->type) {
    case IL_OPT_STRING:
        return "a text in double quotes";
    case IL_OPT_INT:
        return "a whole number";
    case IL_OPT_BOOL:
        return "true or false";
    case IL_OPT_NUMBER:
        return "a number";
    case IL_OPT_DURATION:
        return "a duration in double quotes, like \"30s\"";
    case IL_OPT_SIZE:
        return "a size in double quotes, like \"64MiB\"";
    default:
        return "a group { }";
    }
}

int
option_type_fits(const struct il_option *o, const config_setting_t *s)
{
    const uint32_t type = o->type;
    if (o->flags & OPTION_ANY)
        return 1;
    if (((o->flags & OPTION_NUMBER) || type == IL_OPT_NUMBER)
        && config_setting_is_number(s))
        return 1;
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_STRING:
        return type == IL_OPT_STRING || type == IL_OPT_DURATION
               || type == IL_OPT_SIZE || type == IL_OPT_NUMBER;
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

/* A number that is written without quotes, digit for digit. */
static const char *
number_text(const struct il_conf *g, const config_setting_t *s)
{
    if (config_setting_type(s) == CONFIG_TYPE_FLOAT)
        return conf_float_text(g->conf, s);
    return conf_printf(g->conf, "%lld",
                       (long long) config_setting_get_int64(s));
}

void
option_check_item(const struct il_conf *g, const struct il_option *o,
                  struct item *item)
{
    config_setting_t *s = item->setting;
    if (o->flags & OPTION_ANY)
        return;
    if ((o->flags & OPTION_NUMBER) && config_setting_is_number(s)) {
        item->str = number_text(g, s);
    } else if (o->type == IL_OPT_NUMBER && config_setting_is_number(s)) {
        item->hidden = (o->flags & IL_OPT_SECRET) != 0;
        item->str = number_text(g, s);
        check_number(g, o, item);
    } else if (o->type == IL_OPT_INT) {
        item->num = config_setting_get_int64(s);
        check_range(g, o, item, item->num);
    } else if (o->type == IL_OPT_BOOL) {
        item->num = config_setting_get_bool(s);
    } else {
        check_text(g, o, item, config_setting_get_string(s));
    }
}

void
option_default_item(const struct il_conf *g, const struct il_option *o,
                    struct item *item, const char *text)
{
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
        err = units_parse_duration(text, &item->num, &why);
    } else if (o->type == IL_OPT_SIZE) {
        err = units_parse_size(text, &item->num, &why);
    } else if (o->type == IL_OPT_NUMBER) {
        err = !number_valid(text, strlen(text));
    }
    if (err)
        option_say(
            g, NULL, o->name,
            "the default in the option table cannot be read (a fault of the "
            "plugin, not of this file)");
}
