/* SPDX-License-Identifier: MIT */
/* What graph draws is read from the JSON that `config` prints, be it of a file or of
 * the running daemon, which need not be of this version: sources, pipelines, and
 * between them what is taken of which source.  The figures beside are of two samples
 * of the status. */
#include "graph.h"

#include "reply.h"
#include "show.h"

#include "codec/json.h"

#include <stdio.h>
#include <stdlib.h>

/* --- values with their places ------------------------------------------------ */

/* {"value":...,"at":...} as a text; of a secret, or where it is none, "". */
static struct slice
text_of(const struct il_value *item)
{
    struct il_value v = command_member(item, "value");
    return v.type == IL_STRING ? slice_of(v.str, v.len) : slice_of("", 0);
}

static struct slice
member_text(const struct il_value *group, const char *key)
{
    struct il_value v = command_member(group, key);
    return text_of(&v);
}

/* The elements of a list; none where it is not there. */
static struct il_value
list_of(const struct il_value *group, const char *key)
{
    struct il_value v = command_member(group, key);
    if (v.type != IL_ARRAY)
        v = (struct il_value){ .type = IL_MISSING };
    return v;
}

static int
next_of(const struct il_value *list, size_t *iter, struct il_value *out)
{
    return list->type == IL_ARRAY && msg_item(list, iter, NULL, out);
}

/* Room for them all; NULL: no memory. */
static void *
room_for(const struct il_value *list, size_t size)
{
    return calloc(list->type == IL_ARRAY ? list->count + 1 : 1, size);
}

/* --- parts ------------------------------------------------------------------- */

/* What a step does is hardly told by the name of its plugin. */
static int
read_about(struct graph_part *part, const struct il_value *group)
{
    struct il_value key, v;
    for (size_t iter = 0; msg_item(group, &iter, &key, &v);) {
        struct slice text = text_of(&v);
        if (!text.len || command_member(&v, "at").type != IL_STRING
            || (key.len == 6 && !memcmp(key.str, "plugin", 6))
            || (key.len == 4 && !memcmp(key.str, "name", 4)))
            continue;
        int err = text_put(&part->about, key.str, key.len);
        if (!err)
            err = text_puts(&part->about, " = ");
        return err ? err : text_put(&part->about, text.ptr, text.len);
    }
    return 0;
}

/* Its options may stand in `host`, where the plugin has one of the same name. */
static int
read_part(struct graph_part *part, const struct il_value *group)
{
    struct il_value host = command_member(group, "host");
    part->plugin = member_text(group, "plugin");
    part->name = member_text(group, "name");
    part->when = member_text(group, "when");
    if (!part->when.len)
        part->when = member_text(&host, "when");
    if (!part->name.len)
        part->name = part->plugin;
    return 0;
}

static int
read_steps(struct graph_part **out, size_t *count, const struct il_value *group)
{
    struct il_value list = list_of(group, "steps"), one;
    int err = (*out = room_for(&list, sizeof(**out))) ? 0 : -ENOMEM;
    for (size_t iter = 0; !err && next_of(&list, &iter, &one);) {
        struct graph_part *part = &(*out)[(*count)++];
        err = read_part(part, &one);
        if (!err)
            err = read_about(part, &one);
    }
    return err;
}

static int
read_destinations(struct graph_pipeline *p, const struct il_value *group)
{
    struct il_value list = list_of(group, "destinations"), one;
    p->destinations = room_for(&list, sizeof(*p->destinations));
    int err = p->destinations ? 0 : -ENOMEM;
    for (size_t iter = 0; !err && next_of(&list, &iter, &one);) {
        struct graph_part *part = &p->destinations[p->destination_count++];
        err = read_part(part, &one);
        if (!err)
            err = read_steps(&part->steps, &part->step_count, &one);
    }
    return err;
}

static size_t
find_source(const struct graph *g, struct slice name)
{
    size_t i = 0;
    while (i < g->source_count && !slice_equal(g->sources[i].name, name))
        i++;
    return i;
}

/* One edge for all that a pipeline takes from a source. */
static int
read_from(const struct graph *g, struct graph_pipeline *p,
          const struct il_value *one)
{
    const size_t source = find_source(g, member_text(one, "source"));
    struct slice match = member_text(one, "match");
    size_t i = 0;
    if (source == g->source_count)
        return 0; /* it was said that there is none */
    while (i < p->from_count && p->from[i].source != source)
        i++;
    if (i == p->from_count)
        p->from[p->from_count++].source = source;
    else if (text_puts(&p->from[i].match, ", "))
        return -ENOMEM;
    return text_put(&p->from[i].match, match.ptr, match.len);
}

static int
read_pipeline(const struct graph *g, struct graph_pipeline *p,
              const struct il_value *group)
{
    struct il_value list = list_of(group, "sources"), one;
    p->name = member_text(group, "name");
    p->status = member_text(group, "status");
    p->from = room_for(&list, sizeof(*p->from));
    int err = p->from ? 0 : -ENOMEM;
    for (size_t iter = 0; !err && next_of(&list, &iter, &one);)
        err = read_from(g, p, &one);
    if (!err)
        err = read_steps(&p->steps, &p->step_count, group);
    return err ? err : read_destinations(p, group);
}

static int
read_all(struct graph *g, const struct il_value *all)
{
    struct il_value sources = list_of(all, "sources"),
                    pipelines = list_of(all, "pipelines"), one;
    g->sources = room_for(&sources, sizeof(*g->sources));
    g->pipelines = room_for(&pipelines, sizeof(*g->pipelines));
    int err = g->sources && g->pipelines ? 0 : -ENOMEM;
    for (size_t iter = 0; !err && next_of(&sources, &iter, &one);)
        err = read_part(&g->sources[g->source_count++], &one);
    for (size_t iter = 0; !err && next_of(&pipelines, &iter, &one);)
        err = read_pipeline(g, &g->pipelines[g->pipeline_count++], &one);
    return err;
}

int
command_graph_read(struct graph *g, struct slice json)
{
    struct json_error error;
    struct il_value all;
    int err = json_to_msgpack(json.ptr, json.len, &g->packed, &error);
    const char *p = g->packed.data;
    if (!err)
        err = msg_value(&p, p + g->packed.len, &all);
    if (err == -EINVAL)
        err = -EPROTO;
    return err ? err : read_all(g, &all);
}

static void
free_parts(struct graph_part *parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        text_clear(&parts[i].about);
        free_parts(parts[i].steps, parts[i].step_count);
    }
    free(parts);
}

void
command_graph_free(struct graph *g)
{
    for (size_t i = 0; i < g->pipeline_count; i++) {
        struct graph_pipeline *p = &g->pipelines[i];
        for (size_t k = 0; k < p->from_count; k++)
            text_clear(&p->from[k].match);
        free(p->from);
        free_parts(p->steps, p->step_count);
        free_parts(p->destinations, p->destination_count);
    }
    free(g->pipelines);
    free_parts(g->sources, g->source_count);
    text_clear(&g->packed);
}

/* --- how it fares ------------------------------------------------------------ */

/* The pair of that name. */
static int
pair_of(const struct command_sample *before, const struct command_sample *now,
        const char *list, struct slice name, struct command_pair *out)
{
    *out = (struct command_pair){ .before.type = IL_MISSING };
    if (!command_sample_find(now, list, name, &out->after))
        return 0;
    if (command_sample_same(before, now)) {
        command_sample_find(before, list, name, &out->before);
        out->us = now->at_us - before->at_us;
    }
    return 1;
}

/* One that a newer daemon has and is not known here waits for something. */
static const char *
state_of(const struct il_value *lane)
{
    static const char *const known[] = { "running", "starting", "waiting",
                                         "paused",  "fenced",   "stopped" };
    struct il_value v = command_member(lane, "state");
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (command_is(&v, known[i]))
            return known[i];
    return "waiting";
}

/* A draft, or a config that does not run: there is no such source or lane. */
static void
live_source(struct graph_part *part, const struct command_sample *before,
            const struct command_sample *now)
{
    char rate[16];
    struct command_pair p;
    part->state = "absent";
    if (!pair_of(before, now, "sources", part->name, &p))
        return;
    part->state = "running";
    snprintf(part->live, sizeof(part->live), "%s/s",
             command_show_rate(
                 rate, command_rate(&p.before, &p.after, "accepted", p.us)));
}

static void
live_lane(struct graph_part *part, struct slice pipeline,
          const struct command_sample *before, const struct command_sample *now)
{
    char rate[16], behind[16], seconds[16], name[512];
    struct command_pair p;
    int len = snprintf(name, sizeof(name), "%.*s/%.*s", (int) pipeline.len,
                       pipeline.ptr, (int) part->name.len, part->name.ptr);
    part->state = "absent";
    if (len < 0 || (size_t) len >= sizeof(name)
        || !pair_of(before, now, "lanes", slice_of(name, (size_t) len), &p))
        return;
    const uint64_t lag = command_number(&p.after, "lag_events");
    part->state = state_of(&p.after);
    command_show_rate(rate,
                      command_rate(&p.before, &p.after, "delivered", p.us));
    const double late = command_real(&p.after, "lag_seconds");
    if (!lag)
        snprintf(part->live, sizeof(part->live), "%s/s", rate);
    else
        snprintf(part->live, sizeof(part->live), "%s/s, %s behind%s%s%s", rate,
                 command_show_number(behind, lag), late > 0 ? " (" : "",
                 late > 0 ? command_show_seconds(seconds, late) : "",
                 late > 0 ? ")" : "");
}

void
command_graph_live(struct graph *g, const struct command_sample *before,
                   const struct command_sample *now)
{
    for (size_t i = 0; i < g->source_count; i++)
        live_source(&g->sources[i], before, now);
    for (size_t i = 0; i < g->pipeline_count; i++)
        for (size_t k = 0; k < g->pipelines[i].destination_count; k++)
            live_lane(&g->pipelines[i].destinations[k], g->pipelines[i].name,
                      before, now);
}
