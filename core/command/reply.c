/* SPDX-License-Identifier: MIT */
/* Members of an answer.  A daemon of another version may say more, less or
 * otherwise: what is not there, or of another type, is taken for nothing, and no
 * command fails for it. */
#include "reply.h"

#include "base/text_plain.h"
#include "base/time.h"

#include <stdio.h>
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

double
command_real(const struct il_value *map, const char *key)
{
    struct il_value v = command_member(map, key);
    char text[32];
    double s = v.type == IL_INT    ? (double) v.num.i
               : v.type == IL_UINT ? (double) v.num.u
                                   : 0;
    if (v.type != IL_DECIMAL || v.len >= sizeof(text))
        return s;
    memcpy(text, v.str, v.len);
    text[v.len] = 0;
    return sscanf(text, "%lf", &s) == 1 ? s : 0;
}

int
command_is(const struct il_value *v, const char *text)
{
    return v->type == IL_STRING && v->len == strlen(text)
           && !memcmp(v->str, text, v->len);
}

void
command_print(FILE *f, const char *before, const struct il_value *v,
              const char *after)
{
    struct il_text text = { 0 };
    if (v->type == IL_STRING && v->len
        && !text_plain(&text, slice_of(v->str, v->len), 0))
        fprintf(f, "%s%s%s", before, text_str(&text), after);
    text_clear(&text);
}

int64_t
command_time_at(const struct il_value *map, const char *key)
{
    struct il_value v = command_member(map, key);
    int64_t us = 0;
    return v.type == IL_STRING && time_parse(v.str, v.len, &us) == 0 ? us : 0;
}
