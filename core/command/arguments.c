/* SPDX-License-Identifier: MIT */
/* What is written on the command line, where several commands take it. */
#include "private.h"

#include "base/clock.h"
#include "base/time.h"
#include "base/units.h"
#include "lang/expr.h"
#include "lang/lexis.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct il_expr *
command_expression(const char *who, const char *text)
{
    struct il_expr *expr = NULL;
    struct lang_error error;
    struct il_text shown = { 0 };
    size_t len = strlen(text);
    int err = expr_compile(text, len, &expr, &error);
    if (err == -EINVAL && lang_error_show(&shown, text, len, &error) == 0)
        fprintf(stderr, "%s: position %zu: %s", who, error.offset + 1,
                text_str(&shown));
    else if (err)
        fprintf(stderr, "%s: out of memory\n", who);
    text_clear(&shown);
    return expr;
}

int
command_since(const char *text, int64_t *us)
{
    const char *why;
    int64_t ms, now = clock_wall_us();
    if (!time_parse(text, strlen(text), us))
        return 0;
    if (units_parse_duration(text, &ms, &why) || ms > now / 1000)
        return -EINVAL;
    *us = now - ms * 1000;
    return 0;
}

int
command_number_of(const char *text, uint64_t most, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno || *end || *text < '0' || *text > '9' || *out > most ? -EINVAL
                                                                      : 0;
}
