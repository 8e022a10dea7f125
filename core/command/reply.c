/* SPDX-License-Identifier: MIT */
#include "reply.h"

#include <string.h>

struct il_value
command_member(const struct il_value *map, const char *key)
{
    struct il_value v = { .type = IL_MISSING };
    if (map->type != IL_MAP || !msg_find(map, key, strlen(key), &v))
        v.type = IL_MISSING;
    return v;
}

uint64_t
command_number(const struct il_value *map, const char *key)
{
    struct il_value v = command_member(map, key);
    return v.type == IL_INT    ? (uint64_t) v.num.i
           : v.type == IL_UINT ? v.num.u
                               : 0;
}
