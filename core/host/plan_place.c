/* SPDX-License-Identifier: MIT */
/* A new option of the host must not break a plugin that was compiled before: it
 * yields where the plugin has one of its name. */
#include "plan_place.h"

#include <string.h>

static int
has_option(const struct option_table *table, const char *name)
{
    struct il_option o;
    for (size_t i = 0; option_at(table, i, &o); i++)
        if (strcmp(o.name, name) == 0)
            return 1;
    return 0;
}

/* What stands in the place itself, and what in its group `host`: tables that
 * end with { 0 }. */
struct place {
    struct il_option *outside, *inside;
    size_t outside_count, inside_count;
};

/* Inside, an option is only there where it is written; but one that yields has
 * no other place, so its default is there as well. */
static void
add_inside(struct place *p, const struct il_option *o, int yields)
{
    struct il_option *to = &p->inside[p->inside_count++];
    *to = *o;
    if (yields)
        return;
    to->def = NULL;
    to->flags &= ~(uint32_t) IL_OPT_REQUIRED;
}

static void
add_host_group(struct place *p, const struct il_option *o)
{
    struct il_option *to = &p->outside[p->outside_count++];
    *to = *o;
    to->def = "{}";
    to->flags = 0;
    to->children = p->inside;
}

static struct place
split(struct plan *plan, const struct il_option *common,
      const struct plugin *plugin)
{
    size_t n = 0;
    while (common[n].name)
        n++;
    struct place p = { .outside =
                           conf_alloc(plan->conf, (n + 1) * sizeof(*common)),
                       .inside =
                           conf_alloc(plan->conf, (n + 1) * sizeof(*common)) };
    for (size_t i = 0; i < n; i++) {
        const struct il_option *o = &common[i];
        int yields = plugin && has_option(&plugin->options, o->name);
        if (strcmp(o->name, "host") == 0) {
            add_host_group(&p, o);
            continue;
        }
        if (!yields)
            p.outside[p.outside_count++] = *o;
        if (strcmp(o->name, "plugin") != 0 && strcmp(o->name, "name") != 0)
            add_inside(&p, o, yields);
    }
    return p;
}

void
plan_read_place(struct plan *plan, struct plan_part *part,
                struct config_setting_t *setting,
                const struct il_option *common)
{
    const struct place p = split(plan, common, part->plugin);
    struct option_table tables[2] = { OPTION_TABLE(p.outside) };
    if (part->plugin)
        tables[1] = part->plugin->options;
    const struct il_conf *all = option_read_group(&(struct option_read){
        .conf = plan->conf,
        .where = part->where,
        .groups = &setting,
        .group_count = 1,
        .tables = tables,
        .table_count = part->plugin ? 2 : 1,
        .allow_unknown = !part->plugin,
    });
    part->place = option_view(all, p.outside, "host");
    part->options = option_view(
        all, part->plugin ? part->plugin->options.first : NULL, NULL);
}
