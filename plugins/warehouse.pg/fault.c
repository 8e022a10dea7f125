/* SPDX-License-Identifier: MIT */
/* What an SQLSTATE means for a lane.  The table is the whole policy; the option
 * `sqlstate` puts rules before it, and warehouse.pg(5) prints it.  The longest
 * prefix wins.
 *
 * The table lists outages: waiting loses nothing and the error is shown, while
 * a wrong dead letter is work for a person.  Any other code is nobody's yet,
 * because Postgres, its extensions and the triggers of a table raise almost any
 * for a single bad value (42601 for a tsquery, XX000 for an hstore, 42P01 by a
 * trigger): whether it is the row is seen by what happens to the others. */
#include "fault.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct policy {
    char code[6];
    enum pg_action action; /* where no row is at hand */
    int row;               /* may it be a row's fault? */
};

static const struct policy policy[] = {
    { "08", PG_ACT_RETRY, 0 },    /* connection exception */
    { "0A", PG_ACT_PAUSE, 1 },    /* feature not supported */
    { "2200H", PG_ACT_PAUSE, 0 }, /* a sequence is at its end */
    { "25", PG_ACT_RETRY, 0 },    /* 25006 read-only: a standby, for a while */
    { "28", PG_ACT_PAUSE, 1 },    /* wrong password, pg_hba.conf */
    { "3D", PG_ACT_PAUSE, 1 },    /* no such database */
    { "3F", PG_ACT_PAUSE, 1 },    /* no such schema */
    { "40", PG_ACT_RETRY, 0 },    /* deadlock, serialization failure */
    { "42", PG_ACT_PAUSE, 1 },    /* no such table, column; no right to it */
    { "53", PG_ACT_RETRY, 0 },    /* disk full, no memory, too many clients */
    { "55006", PG_ACT_RETRY, 0 }, /* object in use */
    { "55P03", PG_ACT_RETRY, 0 }, /* lock not available */
    { "57", PG_ACT_RETRY, 0 },    /* shutting down, starting up, cancelled */
    { "57P04", PG_ACT_PAUSE, 0 }, /* the database was dropped */
    { "58", PG_ACT_RETRY, 0 },    /* I/O error of the server */
    { "XX001", PG_ACT_RETRY, 0 }, /* data corrupted */
    { "XX002", PG_ACT_RETRY, 0 }, /* index corrupted */
    { "", PG_ACT_RETRY, 1 },      /* all others */
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

static const struct pg_rule *
own_rule(const struct pg_rule *rules, size_t count, const char *code)
{
    const struct pg_rule *best = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(rules[i].code);
        if (strncmp(rules[i].code, code, n) == 0
            && (!best || n > strlen(best->code)))
            best = &rules[i];
    }
    return best;
}

static const struct policy *
built_in(const char *code)
{
    const struct policy *best = NULL;
    for (size_t i = 0; i < sizeof policy / sizeof *policy; i++) {
        size_t n = strlen(policy[i].code);
        if (strncmp(policy[i].code, code, n) == 0
            && (!best || n > strlen(best->code)))
            best = &policy[i];
    }
    return best;
}

void
fault_judge(struct fault *f, const struct pg_rule *own, size_t count)
{
    const struct pg_rule *rule = *f->code ? own_rule(own, count, f->code) : 0;
    const struct policy *p = built_in(f->code);
    f->action = !rule                           ? p->action
                : rule->action == PG_ACT_REJECT ? PG_ACT_RETRY
                                                : rule->action;
    f->row = rule && rule->action == PG_ACT_REJECT ? FAULT_ROW_RULED
             : !rule && *f->code && p->row         ? FAULT_ROW_ASK
                                                   : FAULT_ROW_NO;
}

/* A code of a class whose errors are about a value. */
static int
about_value(const char *code)
{
    return strncmp(code, "22", 2) == 0 || strncmp(code, "23", 2) == 0
           || strncmp(code, "44", 2) == 0 || strcmp(code, "54000") == 0;
}

/* Does the first line of the context speak of a function?  COPY's own begins
 * with that word in every language of the server; INSERT has none. */
static int
in_function(const struct fault *f)
{
    return *f->context && strncmp(f->context, "COPY ", 5) != 0;
}

int
fault_names_value(const struct fault *f)
{
    if (strncmp(f->code, "23", 2) == 0)
        return *f->constraint || *f->column;
    return about_value(f->code) && !in_function(f);
}

int
fault_no_partition(const struct fault *f)
{
    return strcmp(f->code, "23514") == 0 && !*f->constraint && !in_function(f);
}

void
fault_fold(char *text)
{
    char *to = text;
    for (const char *from = text; *from;) {
        if (*from != '\n' && *from != '\r') {
            *to++ = *from++;
            continue;
        }
        from += strspn(from, "\r\n\t ");
        while (to > text && to[-1] == ' ')
            to--;
        if (*from)
            *to++ = ' ';
    }
    *to = 0;
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
    fault_fold(f->why);
    snprintf(f->message, sizeof f->message, "%.500s", f->why);
}
