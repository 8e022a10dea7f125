/* SPDX-License-Identifier: MIT */
/* Shared by options.c (groups), option_item.c (one element) and option_get.c
 * (reading, findings). */
#ifndef OPTIONS_PRIVATE_H
#define OPTIONS_PRIVATE_H

#include "options.h"

#include <libconfig.h>

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
    const struct il_option *table; /* the first of those that it was among */
    const char *prefix; /* in a view: of the group that it is from; or NULL */
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
    config_setting_t *lone; /* a text in its place: IL_OPT_SHORT */
    int allow_unknown;
    struct value *values;
    size_t count;
};

/* The value of a key, or NULL. */
const struct value *option_find(const struct il_conf *, const char *key);

/* Report against a key (NULL: the group) at a setting (NULL: the group's). */
void option_say(const struct il_conf *, const config_setting_t *,
                const char *key, const char *fmt, ...) IL_PRINTF(4, 5);
void option_warn(const struct il_conf *, const config_setting_t *,
                 const char *key, const char *fmt, ...) IL_PRINTF(4, 5);
void option_say_exposed(const struct il_conf *, const config_setting_t *,
                        const char *key, int literal);

/* Fill in and check a scalar of a setting that has the option's type. */
void option_check_item(const struct il_conf *, const struct il_option *,
                       struct item *);
/* The same for one element of the default. */
void option_default_item(const struct il_conf *, const struct il_option *,
                         struct item *, const char *text);
int option_type_fits(const struct il_option *, const config_setting_t *);
/* For messages: what the option wants, what the setting is. */
const char *option_expected(const struct il_option *);
const char *option_found(const config_setting_t *);

#endif
