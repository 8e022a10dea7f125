/* SPDX-License-Identifier: MIT */
/* What decides what a step remembers: the events that reach it, and what was done
 * to them before.  Where any of that is another, it is as if the step were new. */
#include "lineage.h"

#include <libconfig.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t
lineage_bytes(uint64_t before, const void *bytes, size_t len)
{
    return XXH3_64bits_withSeed(len ? bytes : "", len, before + len);
}

uint64_t
lineage_text(uint64_t before, const char *text)
{
    return text ? lineage_bytes(before, text, strlen(text)) : before;
}

static uint64_t
of_scalar(uint64_t before, const config_setting_t *s)
{
    const long long number = config_setting_get_int64(s);
    const double real = config_setting_get_float(s);
    const int truth = config_setting_get_bool(s);
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_STRING:
        return lineage_text(before, config_setting_get_string(s));
    case CONFIG_TYPE_FLOAT:
        return lineage_bytes(before, &real, sizeof real);
    case CONFIG_TYPE_BOOL:
        return lineage_bytes(before, &truth, sizeof truth);
    default:
        return lineage_bytes(before, &number, sizeof number);
    }
}

/* Whatever the order of names in a group. */
uint64_t
lineage_setting(uint64_t before, const struct config_setting_t *s)
{
    if (!s)
        return before;
    int n = config_setting_length(s);
    if (!config_setting_is_aggregate(s))
        return of_scalar(before, s);
    uint64_t sum = lineage_bytes(before, &n, sizeof n);
    for (int i = 0; i < n; i++) {
        const config_setting_t *e = config_setting_get_elem(s, (unsigned) i);
        if (config_setting_is_group(s))
            sum += lineage_setting(lineage_text(before, config_setting_name(e)),
                                   e);
        else
            sum = lineage_setting(sum, e);
    }
    return sum;
}
