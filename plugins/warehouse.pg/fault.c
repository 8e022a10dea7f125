/* SPDX-License-Identifier: MIT */
/* What each SQLSTATE means for a lane.  The table is the whole policy; the
 * option `sqlstate` puts rules before it, and warehouse.pg(5) prints it.
 *
 * The longest prefix wins.  An unknown code is retried: waiting loses nothing
 * and the error is shown, while a wrong dead letter is work for a person. */
#include "fault.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct pg_rule policy[] = {
    { "08", PG_ACT_RETRY },    /* connection exception */
    { "09", PG_ACT_REJECT },   /* triggered action exception */
    { "0A", PG_ACT_PAUSE },    /* feature not supported: COPY into a view */
    { "21", PG_ACT_REJECT },   /* cardinality violation */
    { "22", PG_ACT_REJECT },   /* data exception */
    { "23", PG_ACT_REJECT },   /* integrity constraint violation */
    { "25", PG_ACT_RETRY },    /* 25006 read-only: a standby, for a while */
    { "27", PG_ACT_REJECT },   /* triggered data change violation */
    { "28", PG_ACT_PAUSE },    /* wrong password, pg_hba.conf */
    { "2F", PG_ACT_REJECT },   /* a trigger's function failed */
    { "38", PG_ACT_REJECT },   /* the same, external routine */
    { "39", PG_ACT_REJECT },   /* and how it was called */
    { "3D", PG_ACT_PAUSE },    /* no such database */
    { "3F", PG_ACT_PAUSE },    /* no such schema */
    { "40", PG_ACT_RETRY },    /* deadlock, serialization failure */
    { "42", PG_ACT_PAUSE },    /* no such table, column; no right to it */
    { "44", PG_ACT_REJECT },   /* check option of a view */
    { "53", PG_ACT_RETRY },    /* disk full, out of memory, too many clients */
    { "54", PG_ACT_REJECT },   /* row or index entry too large */
    { "55", PG_ACT_RETRY },    /* lock not available, object in use */
    { "57", PG_ACT_RETRY },    /* shutting down, starting up, cancelled */
    { "57P04", PG_ACT_PAUSE }, /* the database was dropped */
    { "58", PG_ACT_RETRY },    /* I/O error of the server */
    { "P0", PG_ACT_REJECT },   /* raise exception in a trigger */
    { "XX", PG_ACT_RETRY },    /* internal error, data corrupted */
};

int
fault_parse_code(const char *text, char code[6])
{
    size_t n = strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    if (n < 2 || n > 5 || (n > 2 && n < 5) || (text[n] && n == 5))
        return -EINVAL;
    if (text[n] && strcmp(text + n, "*") != 0)
        return -EINVAL;
    memcpy(code, text, n);
    code[n] = 0;
    return 0;
}

static enum pg_action
longest(const struct pg_rule *rules, size_t count, const char *code)
{
    enum pg_action found = 0;
    size_t best = 0;
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(rules[i].code);
        if (n > best && strncmp(rules[i].code, code, n) == 0) {
            best = n;
            found = rules[i].action;
        }
    }
    return found;
}

enum pg_action
fault_action(const struct pg_rule *own, size_t count, const char *code)
{
    if (!code || !*code)
        return PG_ACT_RETRY;
    enum pg_action a = longest(own, count, code);
    if (!a)
        a = longest(policy, sizeof policy / sizeof *policy, code);
    return a ? a : PG_ACT_RETRY;
}

void
fault_set(struct fault *f, enum pg_action action, const char *fmt, ...)
{
    va_list ap;
    memset(f, 0, sizeof *f);
    f->action = action;
    va_start(ap, fmt);
    vsnprintf(f->why, sizeof f->why, fmt, ap);
    va_end(ap);
    snprintf(f->message, sizeof f->message, "%.500s", f->why);
}
