/* SPDX-License-Identifier: MIT */
#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = {
    { "ms", 1 },      { "s", 1000 },     { "m", 60000 },
    { "h", 3600000 }, { "d", 86400000 }, { "w", 604800000 },
};

static const struct unit sizes[] = {
    { "B", 1 },
    { "KiB", INT64_C(1) << 10 },
    { "MiB", INT64_C(1) << 20 },
    { "GiB", INT64_C(1) << 30 },
    { "TiB", INT64_C(1) << 40 },
    { "kB", 1000 },
    { "KB", 1000 },
    { "MB", 1000000 },
    { "GB", 1000000000 },
    { "TB", INT64_C(1000000000000) },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* DIGITS[.DIGITS]UNIT, exactly: 0.5s is 500 ms, 0.5ms is nothing. */
static int
parse_unit(const char *text, const struct unit *units, size_t n, int64_t *value)
{
    const char *p = text;
    int64_t whole = 0, scale = 1;
    if (!isdigit((unsigned char) *p))
        return -EINVAL;
    for (int fraction = 0;
         isdigit((unsigned char) *p) || (*p == '.' && !fraction); p++) {
        if (*p == '.') {
            if (!isdigit((unsigned char) p[1]))
                return -EINVAL;
            fraction = 1;
            continue;
        }
        /* A second '.' ended the loop's condition; digits after the first one
         * only ever raise the scale. */
        if (__builtin_mul_overflow(whole, 10, &whole)
            || __builtin_add_overflow(whole, *p - '0', &whole)
            || (memchr(text, '.', (size_t) (p - text))
                && __builtin_mul_overflow(scale, 10, &scale)))
            return -ERANGE;
    }
    while (*p == ' ')
        p++;
    if (!*p && whole == 0) {
        *value = 0;
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(p, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(whole, units[i].factor, value))
            return -ERANGE;
        if (*value % scale)
            return -EINVAL;
        *value /= scale;
        return 0;
    }
    return -EINVAL;
}

int
units_parse_duration(const char *text, int64_t *ms, const char **why)
{
    int err = parse_unit(text, durations, COUNT(durations), ms);
    *why = err == -ERANGE ? "a shorter time"
                          : "a duration with its unit (ms, s, m, h, d, w), "
                            "like \"30s\"";
    return err ? -EINVAL : 0;
}

int
units_parse_size(const char *text, int64_t *bytes, const char **why)
{
    int err = parse_unit(text, sizes, COUNT(sizes), bytes);
    *why = err == -ERANGE ? "a smaller size"
                          : "a size with its unit (B, KiB, MiB, GiB, TiB, "
                            "kB, MB, GB, TB), like \"64MiB\"";
    return err ? -EINVAL : 0;
}

static void
format_unit(char out[32], const struct unit *units, size_t n, int64_t value)
{
    size_t best = 0;
    for (size_t i = 1; i < n && value; i++)
        if (value % units[i].factor == 0
            && units[i].factor > units[best].factor)
            best = i;
    snprintf(out, 32, "%" PRId64 "%s", value / units[best].factor,
             units[best].name);
}

void
units_format_duration(char out[32], int64_t ms)
{
    format_unit(out, durations, COUNT(durations), ms);
}

void
units_format_size(char out[32], int64_t bytes)
{
    format_unit(out, sizes, 5, bytes); /* binary units only */
}
