/* SPDX-License-Identifier: MIT */
#include "codes.h"

#include <string.h>

#define MOST_S 1000000000

const struct code *
code_find(const struct code *c, const char *word, size_t len)
{
    for (; c->word; c++)
        if (strlen(c->word) == len && !memcmp(c->word, word, len))
            return c;
    return NULL;
}

void
code_apply(const struct code *c, struct out_meaning *m)
{
    m->fate = c->fate;
    m->code = c->word;
    m->why = c->why;
    m->about =
        c->fate == OUT_DEAD || c->fate == OUT_PAUSE ? BREAKER_OTHER : c->about;
}

struct il_value
code_member(const struct il_host *host, const struct il_value *of,
            const char *name)
{
    const struct il_value none = { .type = IL_MISSING };
    const size_t len = strlen(name);
    struct il_value key, value;
    size_t iter = 0;
    if (of->type != IL_MAP)
        return none;
    while (il_item(host, of, &iter, &key, &value))
        if (key.len == len && !memcmp(key.str, name, len))
            return value;
    return none;
}

/* Of digits, perhaps with a point and more digits: no exponent. */
static int64_t
decimal_ms(const char *text, size_t len)
{
    int64_t ms = 0, unit = 1000;
    size_t i = 0;
    for (; i < len && text[i] >= '0' && text[i] <= '9'; i++)
        if ((ms = ms * 10 + (text[i] - '0') * 1000) > MOST_S * INT64_C(1000))
            return MOST_S * INT64_C(1000);
    if (i == len)
        return ms;
    if (text[i++] != '.')
        return 0;
    for (; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        unit /= 10;
        ms += unit ? (text[i] - '0') * unit : 0;
    }
    return ms + 1;
}

int64_t
code_seconds_ms(const struct il_value *v)
{
    switch (v->type) {
    case IL_INT:
        if (v->num.i <= 0)
            return 0;
        return (v->num.i < MOST_S ? v->num.i : MOST_S) * 1000;
    case IL_UINT:
        return (int64_t) (v->num.u < MOST_S ? v->num.u : MOST_S) * 1000;
    case IL_DECIMAL:
    case IL_STRING:
        return decimal_ms(v->str, v->len);
    default:
        return 0;
    }
}
