/* SPDX-License-Identifier: MIT */
/* Partitions by time: the option, their names and bounds, their DDL. */
#include "partition.h"

#include "plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_US INT64_C(1000000)
#define DAY_S INT64_C(86400)
#define SUFFIX_MAX 10 /* _p20261130 */

const struct il_option partition_options[] = {
    { .name = "by",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Column that says where a row belongs." },
    { .name = "every",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .choices = "1 day|1 month",
      .help = "What one partition takes, in UTC." },
    { .name = "ahead",
      .type = IL_OPT_INT,
      .def = "3",
      .max = 366,
      .help = "So many are made before their time comes." },
    { .name = "keep",
      .type = IL_OPT_DURATION,
      .min = 86400000,
      .max = INT64_C(36525) * 86400000,
      .help = "Drop partitions that ended this long ago; takes drop = true." },
    { .name = "drop",
      .type = IL_OPT_BOOL,
      .def = "false",
      .help = "Old partitions may be dropped, with their rows." },
    { .name = "create",
      .type = IL_OPT_BOOL,
      .help = "The daemon makes (and drops) partitions; where it is not said, "
              "as `create` of the table." },
    { .name = "range",
      .type = IL_OPT_STRING,
      .help = "How far the column may be from received_at, before and after "
              "(-7d..1d): for one that senders fill." },
    { 0 }
};

/* --- the option ------------------------------------------------------------ */

/* "-7d" and its like. */
static int
read_bound(const char **p, int64_t *us)
{
    static const struct {
        char unit;
        int64_t s;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', DAY_S } };
    char *end;
    int negative = **p == '-';
    *p += negative;
    if (**p < '0' || **p > '9')
        return -EINVAL;
    errno = 0;
    unsigned long n = strtoul(*p, &end, 10);
    size_t i = 0;
    while (i < 4 && units[i].unit != *end)
        i++;
    if (n && i == 4)
        return -EINVAL;
    if (errno || (n && n > (unsigned long) (36525 * DAY_S / units[i].s)))
        return -EINVAL;
    *us = n ? (int64_t) n * units[i].s * SECOND_US : 0;
    if (negative)
        *us = -*us;
    *p = i < 4 ? end + 1 : end;
    return 0;
}

static int
read_range(struct partition *p, const char *text)
{
    if (read_bound(&text, &p->from_us) || strncmp(text, "..", 2) != 0)
        return -EINVAL;
    text += 2;
    if (read_bound(&text, &p->to_us) || *text)
        return -EINVAL;
    return p->from_us <= 0 && p->to_us >= 0 ? 0 : -EINVAL;
}

/* What fills the column, as a reference; NULL: nothing does. */
static const char *
filled_by(const struct options *opt, const struct il_host *host,
          struct il_declared *d)
{
    const char *by = opt->partition.by;
    for (size_t i = 0; i < opt->mapping_count; i++)
        if (strcmp(opt->mappings[i].name, by) == 0)
            return opt->mappings[i].reference;
    if (opt->mapping_count)
        return NULL;
    if (strcmp(by, "received_at") == 0)
        return "$event.received_at";
    if (strcmp(by, "timestamp") == 0)
        return "$event.timestamp";
    for (size_t i = 0; il_declared_field(host, i, d) == 0; i++) {
        if (strcmp(d->name, by) == 0)
            return d->name;
        d->struct_size = sizeof *d;
    }
    return NULL;
}

/* Every event of a declared type that has it says a time. */
static int
check_type(const struct il_conf *conf, const struct il_host *host,
           const char *by, const char *reference)
{
    struct il_declared d = { .struct_size = sizeof d };
    int err;
    if (strcmp(reference, "$event.timestamp") == 0
        || strncmp(reference, "$event.", 7) != 0)
        return 0;
    for (size_t i = 0;
         (err = il_declared_at(host, i, reference, &d)) != -ENOENT; i++) {
        if (err == -EINVAL)
            return 0;
        if (!err && strcmp(d.type, "timestamp") != 0)
            return il_conf_error(conf, "by", -1,
                                 "\"%s\" is declared as %s by event %s; "
                                 "partitions go by a timestamp",
                                 by, d.type, d.event);
        d.struct_size = sizeof d;
    }
    return 0;
}

/* A value that comes with the event and never changes: a lost row that is
 * written again has to find the same partition. */
static int
check_by(const struct options *opt, const struct il_host *host,
         const struct il_conf *conf)
{
    const struct partition *p = &opt->partition;
    struct il_declared d = { .struct_size = sizeof d };
    const char *reference = filled_by(opt, host, &d);
    if (!reference)
        return il_conf_error(conf, "by", -1,
                             "nothing fills a column \"%s\": expected "
                             "received_at, %s",
                             p->by,
                             opt->mapping_count
                                 ? "or another of `columns`"
                                 : "timestamp or a declared timestamp");
    if (reference == d.name) { /* it is no path, whatever is in its name */
        if (strcmp(d.type, "timestamp") != 0)
            return il_conf_error(conf, "by", -1,
                                 "\"%s\" is declared as %s by event %s; "
                                 "partitions go by a timestamp",
                                 p->by, d.type, d.event);
    } else if (strncmp(reference, "$event.", 7) != 0) {
        return il_conf_error(conf, "by", -1,
                             "\"%s\" is filled from %s; what partitions go by "
                             "has to come with the event: $event....",
                             p->by, reference);
    }
    int received = strcmp(reference, "$event.received_at") == 0;
    if (received && p->ranged)
        return il_conf_error(conf, "range", -1,
                             "means nothing here: \"%s\" is when the event was "
                             "received",
                             p->by);
    if (!received && !p->ranged)
        return il_conf_error(conf, "by", -1,
                             "\"%s\" is what senders say: bound it with "
                             "range = \"-7d..1d\"",
                             p->by);
    return check_type(conf, host, p->by, reference);
}

/* No unique index could be on the key without it. */
static int
check_key(const struct options *opt, const struct il_conf *conf)
{
    const struct conflict *c = &opt->conflict;
    if (c->on == CONFLICT_ERROR)
        return 0;
    for (size_t i = 0; i < c->key_count; i++)
        if (strcmp(c->key[i], opt->partition.by) == 0)
            return 0;
    return il_conf_error(conf, "by", -1,
                         "\"%s\" is not in `conflict`: the key of a "
                         "partitioned table has what partitions go by in it",
                         opt->partition.by);
}

static int
check_keep(const struct partition *p, const struct il_conf *conf)
{
    if (p->keep_us && !p->drop)
        return il_conf_error(conf, "keep", -1,
                             "partitions would be dropped with their rows: say "
                             "so with drop = true");
    if (p->drop && !p->keep_us)
        return il_conf_error(conf, "drop", -1,
                             "say for how long they stay: keep = \"400d\"");
    if (p->keep_us && p->keep_us < -p->from_us)
        return il_conf_error(conf, "keep", -1,
                             "is shorter than what `range` lets in");
    return 0;
}

int
partition_open(struct options *opt, const struct il_host *host,
               const struct il_conf *whole)
{
    struct partition *p = &opt->partition;
    const struct il_conf *conf = il_conf_group(whole, "partition", 0);
    size_t len = strlen(opt->table.table ? opt->table.table : "");
    int err = 0, e;
    if (!conf)
        return 0;
    p->by = il_conf_str(conf, "by");
    p->monthly = strcmp(il_conf_str(conf, "every"), "1 month") == 0;
    p->ahead = (uint32_t) il_conf_int(conf, "ahead");
    p->keep_us =
        il_conf_has(conf, "keep") ? il_conf_int(conf, "keep") * 1000 : 0;
    p->drop = il_conf_int(conf, "drop") != 0;
    p->create = il_conf_has(conf, "create") ? il_conf_int(conf, "create") != 0
                                            : opt->create;
    p->ranged = il_conf_has(conf, "range");
    if (p->ranged && read_range(p, il_conf_str(conf, "range")))
        err = il_conf_error(conf, "range", -1,
                            "expected how long before and how long after, as "
                            "in -7d..1d (s, m, h, d)");
    if ((e = check_by(opt, host, conf)) != 0)
        err = e;
    if ((e = check_key(opt, conf)) != 0 || (e = check_keep(p, conf)) != 0)
        err = e;
    if (len + SUFFIX_MAX > PG_NAME_MAX)
        err =
            il_conf_error(conf, "every", -1,
                          "a partition would have a name of %zu bytes (%s%s);"
                          " Postgres keeps %d",
                          len + (p->monthly ? 8 : SUFFIX_MAX), opt->table.table,
                          p->monthly ? "_p202611" : "_p20261130", PG_NAME_MAX);
    return err;
}

/* --- stretches of time ------------------------------------------------------ */

static void
begin_at(const struct partition *p, struct tm *day, struct period *out)
{
    struct tm end = *day;
    time_t from = timegm(day);
    if (p->monthly)
        end.tm_mon++;
    else
        end.tm_mday++;
    out->from_s = from;
    out->to_s = timegm(&end);
    strftime(out->suffix, sizeof out->suffix,
             p->monthly ? "_p%Y%m" : "_p%Y%m%d", day);
}

void
partition_period(const struct partition *p, int64_t us, struct period *out)
{
    time_t s = (time_t) (us / SECOND_US - (us % SECOND_US < 0));
    struct tm day = { 0 };
    gmtime_r(&s, &day);
    day.tm_sec = day.tm_min = day.tm_hour = 0;
    if (p->monthly)
        day.tm_mday = 1;
    begin_at(p, &day, out);
}

void
partition_next(const struct partition *p, struct period *at)
{
    time_t s = (time_t) at->to_s;
    struct tm day = { 0 };
    gmtime_r(&s, &day);
    begin_at(p, &day, at);
}

void
partition_span(const struct partition *p, int64_t now_us, struct period *first,
               struct period *last)
{
    struct period late;
    partition_period(p, now_us + p->from_us, first);
    partition_period(p, now_us, last);
    for (uint32_t i = 0; i < p->ahead; i++)
        partition_next(p, last);
    partition_period(p, now_us + p->to_us, &late);
    if (late.from_s > last->from_s)
        *last = late;
}

/* --- SQL --------------------------------------------------------------------- */

static void
put_time_sql(struct sql *s, int64_t at_s)
{
    char text[40];
    time_t t = (time_t) at_s;
    struct tm day = { 0 };
    gmtime_r(&t, &day);
    strftime(text, sizeof text, "%Y-%m-%d 00:00:00+00", &day);
    sql_printf(s, "'%s'", text);
}

void
partition_bounds_sql(struct sql *s, const struct period *at)
{
    sql_printf(s, "from (");
    put_time_sql(s, at->from_s);
    sql_printf(s, ") to (");
    put_time_sql(s, at->to_s);
    sql_printf(s, ")");
}

void
partition_name_sql(const struct options *opt, struct sql *s,
                   const struct period *at)
{
    char name[PG_NAME_MAX + 1];
    if (opt->table.schema) {
        sql_ident(s, opt->table.schema);
        sql_printf(s, ".");
    }
    snprintf(name, sizeof name, "%s%s", opt->table.table, at->suffix);
    sql_ident(s, name);
}

void
partition_ddl(const struct options *opt, struct sql *s)
{
    const struct partition *p = &opt->partition;
    struct period at, last;
    if (!p->by)
        return;
    partition_span(p, il_now_us(s->host), &at, &last);
    for (; at.from_s <= last.from_s; partition_next(p, &at)) {
        sql_printf(s, "create table if not exists ");
        partition_name_sql(opt, s, &at);
        sql_printf(s, " partition of %s for values ", opt->table.quoted);
        partition_bounds_sql(s, &at);
        sql_printf(s, ";\n");
    }
}
