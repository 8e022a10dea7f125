/* SPDX-License-Identifier: MIT */
/* Any text is a config, or it is complained about in lines that a terminal
 * can show.  The input is the main file; behind a line "%%" comes a file of
 * its include_dir, which is "more".  The same text against tables that have
 * every type of option, and as a file of tests. */
#include <config.h>

#include "folder.h"
#include "base/log.h"
#include "conf/options.h"
#include "host/plan.h"
#include "host/settings.h"
#include "host/trial.h"

#include <libconfig.h>
#include <sys/stat.h>

static const struct il_option inner[] = {
    { .name = "name", .type = IL_OPT_STRING, .flags = IL_OPT_REQUIRED },
    { .name = "value", .type = IL_OPT_STRING, .choices = "keep|drop" },
    { .name = "n", .type = IL_OPT_INT, .min = -5, .max = 70000, .def = "3" },
    { 0 }
};
static const struct il_option outer[] = {
    { .name = "text", .type = IL_OPT_STRING, .def = "a" },
    { .name = "texts", .type = IL_OPT_STRING, .flags = IL_OPT_LIST },
    { .name = "secret", .type = IL_OPT_STRING, .flags = IL_OPT_SECRET },
    { .name = "number", .type = IL_OPT_INT },
    { .name = "numbers", .type = IL_OPT_INT, .flags = IL_OPT_LIST },
    { .name = "flag", .type = IL_OPT_BOOL, .def = "true" },
    { .name = "time", .type = IL_OPT_DURATION, .min = 1, .max = 1000000000 },
    { .name = "size", .type = IL_OPT_SIZE, .def = "64MiB" },
    { .name = "group", .type = IL_OPT_GROUP, .children = inner },
    { .name = "groups",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST,
      .children = inner },
    { 0 }
};

/* What is found is said in whole lines, without bytes that would steer a
 * terminal, and no two runs differ. */
static void
claim_findings(struct conf *conf, int failed)
{
    char *said = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&said, &len);
    CLAIM(out);
    conf_print(conf, out);
    CLAIM(!fclose(out));
    CLAIM(!failed || conf_errors(conf));
    CLAIM((len > 0) == (conf_errors(conf) + conf_warnings(conf) > 0));
    CLAIM(!len || said[len - 1] == '\n');
    for (size_t i = 0; i < len; i++)
        CLAIM((unsigned char) said[i] >= ' ' ? said[i] != 0x7f
                                             : said[i] == '\n');
    free(said);
}

/* Nothing wrong is let through: what has no finding is in its range. */
static void
read_values(struct conf *conf, const struct il_conf *g)
{
    for (const struct il_option *o = outer; o->name; o++) {
        size_t n = option_count(g, o->name);
        for (size_t i = 0; i < n; i++) {
            const char *text = option_str(g, o->name, i);
            const struct il_conf *sub = option_group(g, o->name, i);
            int64_t number = option_int(g, o->name, i);
            CLAIM(!text || strlen(text) < 1 << 20);
            if (conf_errors(conf))
                continue;
            CLAIM(o->type != IL_OPT_GROUP || sub);
            CLAIM(!sub || option_str(sub, "name", 0));
            CLAIM(!o->max || (number >= o->min && number <= o->max));
        }
    }
}

/* What has no finding can be tried. */
static void
as_tests(const char *dir, const char *text, size_t len)
{
    static const struct option_table table = OPTION_TABLE(settings_tests);
    struct conf *conf = conf_new();
    int err = conf_load_text(conf, "text.conf", dir, text, len);
    struct config_setting_t *root = conf_root(conf, 0);
    const struct il_conf *g =
        option_read_group(&(struct option_read){ .conf = conf,
                                                 .groups = &root,
                                                 .group_count = 1,
                                                 .tables = &table,
                                                 .table_count = 1 });
    size_t n;
    struct trial_case *cases = trial_cases(conf, g, NULL, &n);
    for (size_t i = 0; i < n && !conf_errors(conf); i++) {
        const struct trial_case *c = &cases[i];
        CLAIM(c->name && c->given_count && c->expect_count && c->at_us > 0);
        for (size_t k = 0; k < c->given_count; k++)
            CLAIM(c->given[k].type || c->given[k].after_us);
        for (size_t k = 0; k < c->expect_count; k++) {
            const struct trial_expect *e = &c->expect[k];
            CLAIM(e->key
                  && (e->event == SIZE_MAX || e->event < c->given_count));
            CLAIM(e->kind > TRIAL_REQUESTS || e->lane);
            CLAIM(e->kind <= TRIAL_REQUESTS || e->name || e->status);
        }
    }
    claim_findings(conf, err);
    conf_free(conf);
}

static void
against_tables(const char *dir, const char *text, size_t len)
{
    static const struct option_table table = OPTION_TABLE(outer);
    struct conf *conf = conf_new();
    int err = conf_load_text(conf, "text.conf", dir, text, len);
    size_t n = conf_file_count(conf);
    struct config_setting_t **roots = conf_alloc(conf, n * sizeof *roots);
    for (size_t i = 0; i < n; i++)
        roots[i] = conf_root(conf, i);
    const struct il_conf *g =
        option_read_group(&(struct option_read){ .conf = conf,
                                                 .groups = roots,
                                                 .group_count = n,
                                                 .tables = &table,
                                                 .table_count = 1 });
    read_values(conf, g);
    claim_findings(conf, err);
    conf_free(conf);
}

/* The files of the input; the length of the first. */
static size_t
put_files(const char *dir, const char *text, size_t len)
{
    char more[96], name[16];
    size_t first = len;
    int count = 0;
    snprintf(more, sizeof more, "%s/more", dir);
    CLAIM(!mkdir(more, 0700));
    for (const char *p = text, *end = text + len; p <= end;) {
        const char *stop = memmem(p, (size_t) (end - p), "\n%%\n", 4);
        size_t n = (size_t) ((stop ? stop : end) - p);
        snprintf(name, sizeof name, "%d.conf", count);
        folder_put(count ? more : dir, name, p, n);
        if (!count++)
            first = n;
        if (!stop || count == 5)
            break;
        p = stop + 4;
    }
    return first;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char dir[64], path[96];
    folder_make(dir, "config");
    log_level_set(0);
    size_t first = put_files(dir, (const char *) data, size);
    against_tables(dir, (const char *) data, first);
    as_tests(dir, (const char *) data, first);
    snprintf(path, sizeof path, "%s/0.conf", dir);
    struct plan *plan = plan_parse(path);
    plan_load(plan);
    claim_findings(plan->conf, plan->broken);
    plan_free(plan);
    folder_remove(dir);
    return 0;
}
