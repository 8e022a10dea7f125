/* SPDX-License-Identifier: MIT */
#include "pace.h"

#include <errno.h>
#include <string.h>

#define YEAR_US (INT64_C(366) * 86400 * 1000000)

static int
unit_of(const char *text, int64_t *us)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = { { "ms", 1000 },
                  { "s", 1000000 },
                  { "m", INT64_C(60) * 1000000 },
                  { "h", INT64_C(3600) * 1000000 },
                  { "d", INT64_C(86400) * 1000000 },
                  { "w", INT64_C(604800) * 1000000 } };
    for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (!strcmp(text, units[i].name)) {
            *us = units[i].us;
            return 0;
        }
    return -EINVAL;
}

/* Digits up to most; 0 where there are none, most + 1 where it is more. */
static uint64_t
number_of(const char **text, uint64_t most)
{
    uint64_t n = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++)
        if (n <= most)
            n = n * 10 + (uint64_t) (**text - '0');
    return n > most ? most + 1 : n;
}

int
pace_parse(const char *text, struct pace *out, const char **why)
{
    const char *p = text;
    int64_t unit;
    *why = "a number of requests and a time, like \"10/s\", \"600/m\" or "
           "\"100/10s\"";
    uint64_t count = number_of(&p, PACE_MAX);
    if (!count || count > PACE_MAX || *p++ != '/')
        return -EINVAL;
    const char *digits = p;
    uint64_t times = number_of(&p, PACE_MAX);
    if (p == digits)
        times = 1;
    if (unit_of(p, &unit) || !times || (int64_t) times > YEAR_US / unit)
        return -EINVAL;
    *out = (struct pace){ count, (int64_t) times * unit };
    return 0;
}

int64_t
pace_take_us(const struct pace *p, int64_t *full_us, int64_t now_us)
{
    if (!p->count)
        return 0;
    /* In parts of a microsecond each event would take up to one too little;
     * rounded up, the rate is never above what was written. */
    const int64_t each =
        (p->per_us + (int64_t) p->count - 1) / (int64_t) p->count;
    int64_t full = *full_us > now_us ? *full_us : now_us;
    int64_t wait = full + each - now_us - each * (int64_t) p->count;
    if (wait > 0)
        return wait;
    *full_us = full + each;
    return 0;
}
