/* SPDX-License-Identifier: MIT */
/* What a group says, as a number: for whoever asks whether it says the same as
 * another one does.
 *
 * A value is summed up as it will be read: units worked out, secrets and files
 * looked up, defaults filled in; where it stands and in what order does not
 * matter.  The hash is XXH3 (64 bits), chained from value to value. */
#include "options_private.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t
sum_text(uint64_t before, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    return XXH3_64bits_withSeed(len ? text : "", len,
                                before + 2 * len + (text != NULL));
}

static uint64_t
sum_item(uint64_t before, const struct item *item)
{
    before = sum_text(before, item->str);
    before = XXH3_64bits_withSeed(&item->num, sizeof(item->num), before);
    return item->group ? option_sum(item->group, before) : before;
}

/* Of an option that is not there and has no default nothing is read, as of one
 * that a newer version of the plugin has. */
static uint64_t
sum_value(const struct value *v)
{
    uint64_t sum = sum_text(v->count, v->option.name);
    for (size_t i = 0; i < v->count; i++)
        sum = sum_item(sum, &v->items[i]);
    return sum;
}

uint64_t
option_sum(const struct il_conf *g, uint64_t before)
{
    uint64_t sum = before + 1;
    for (size_t i = 0; g && i < g->count; i++)
        if (g->values[i].count)
            sum += sum_value(&g->values[i]);
    return XXH3_64bits_withSeed(&sum, sizeof(sum), before);
}

uint64_t
option_sum_of(const struct il_conf *g, const char *key, uint64_t before)
{
    const struct value *v = g ? option_find(g, key) : NULL;
    uint64_t sum = v && v->count ? sum_value(v) : 0;
    return XXH3_64bits_withSeed(&sum, sizeof(sum), before);
}
