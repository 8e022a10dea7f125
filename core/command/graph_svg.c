/* SPDX-License-Identifier: MIT */
/* ingestlayer graph, drawn: sources on the left; a frame for each pipeline, one
 * under the other, with its steps in a row and its destinations under each other
 * on the right.  No fonts are measured: a box takes so many characters. */
#include "graph.h"

#include <stdio.h>

enum {
    BOX_W = 180,
    BOX_H = 58,
    GAP_X = 34,
    GAP_Y = 14,
    EDGE = 20,    /* of the picture, and within a frame */
    TITLE = 26,   /* of a frame */
    LABELS = 190, /* between sources and frames */
    WHEN = 110,   /* more, before destinations that have one */
    ENTRY = 18,   /* between two edges that come in */
    MOST = 27,    /* characters of a box's line */
    MATCH_MOST = 28,
    WHEN_MOST = 23
};

struct svg {
    struct il_text *out;
    const struct graph *graph;
    int err;
    int frame_x, last_x; /* of frames, and of destinations in them */
};

static void put(struct svg *s, const char *fmt, ...) IL_PRINTF(2, 3);

static void
put(struct svg *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (!s->err)
        s->err = text_vprintf(s->out, fmt, ap);
    va_end(ap);
}

static void
put_text(struct svg *s, int x, int y, const char *class, struct slice text,
         size_t most)
{
    if (!text.len)
        return;
    put(s, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
    if (!s->err)
        s->err = command_graph_put(s->out, text, most, GRAPH_XML);
    put(s, "</text>\n");
}

/* --- boxes and edges --------------------------------------------------------- */

/* What did not fit is there for who points at it. */
static void
put_title(struct svg *s, const struct graph_part *part)
{
    put(s, "<title>");
    if (!s->err)
        s->err = command_graph_put(s->out, part->name, 200, GRAPH_XML);
    put(s, " (");
    if (!s->err)
        s->err = command_graph_put(s->out, part->plugin, 200, GRAPH_XML);
    put(s, ") ");
    if (!s->err)
        s->err = command_graph_put(s->out,
                                   slice_of(part->about.data, part->about.len),
                                   2000, GRAPH_XML);
    put(s, "</title>\n");
}

static void
put_box(struct svg *s, int x, int y, const struct graph_part *part)
{
    struct il_text live = { 0 };
    const int same = slice_equal(part->name, part->plugin);
    if (part->state && !s->err)
        s->err = text_printf(&live, "%s%s%s",
                             strcmp(part->state, "absent")
                                 ? part->state
                                 : "not in the running config",
                             *part->live ? " " : "", part->live);
    put(s, "<g>");
    put_title(s, part);
    put(s,
        "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\" "
        "class=\"box %s\"/>\n",
        x, y, BOX_W, BOX_H, part->state ? part->state : "still");
    put_text(s, x + 8, y + 19, "name", part->name, MOST - 3);
    if (!same)
        put_text(s, x + 8, y + 34, "more", part->plugin, MOST);
    put_text(s, x + 8, y + (same ? 34 : 49), "more",
             slice_of(part->about.data, part->about.len), MOST);
    put_text(s, x + 8, y + 49, "live", slice_of(live.data, live.len), MOST);
    put(s, "</g>\n");
    text_clear(&live);
}

static void
put_edge(struct svg *s, int x1, int y1, int x2, int y2)
{
    const int bend = (x2 - x1) / 2;
    put(s, "<path class=\"edge\" d=\"M%d %d C%d %d %d %d %d %d\"/>\n", x1, y1,
        x1 + bend, y1, x2 - bend, y2, x2, y2);
}

/* --- a pipeline -------------------------------------------------------------- */

static int
pipeline_height(const struct graph_pipeline *p)
{
    const int rows = p->destination_count ? (int) p->destination_count : 1;
    return TITLE + rows * (BOX_H + GAP_Y) - GAP_Y + EDGE;
}

/* Where its steps are, and what comes in. */
static int
pipeline_middle(const struct graph_pipeline *p, int y)
{
    return y + TITLE + (pipeline_height(p) - TITLE - EDGE) / 2;
}

static int
entry_y(const struct graph_pipeline *p, int y, size_t i)
{
    return pipeline_middle(p, y)
           + ((int) (2 * i) - (int) p->from_count + 1) * ENTRY / 2;
}

static void
put_destination(struct svg *s, const struct graph_part *d, int x, int from_y,
                int y)
{
    const int middle = y + BOX_H / 2;
    int at = s->last_x - (int) d->step_count * (BOX_W + GAP_X);
    put_edge(s, x, from_y, at, middle);
    put_text(s, at - 6, middle - 5, "when", d->when, WHEN_MOST);
    for (size_t i = 0; i < d->step_count; i++) {
        put_box(s, at, y, &d->steps[i]);
        put_edge(s, at + BOX_W, middle, at + BOX_W + GAP_X, middle);
        at += BOX_W + GAP_X;
    }
    put_box(s, at, y, d);
}

static void
put_pipeline(struct svg *s, const struct graph_pipeline *p, int y)
{
    const int middle = pipeline_middle(p, y);
    int x = s->frame_x + EDGE;
    put(s,
        "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"8\" "
        "class=\"frame %s\"/>\n",
        s->frame_x, y, s->last_x + BOX_W + EDGE - s->frame_x,
        pipeline_height(p),
        slice_equal(p->status, SLICE("draft")) ? "absent" : "still");
    put_text(s, x, y + 18, "name", p->name, 60);
    if (!slice_equal(p->status, SLICE("active")))
        put_text(s, s->last_x, y + 18, "more", p->status, MOST);
    put(s, "<circle cx=\"%d\" cy=\"%d\" r=\"3\" class=\"dot\"/>\n", x, middle);
    for (size_t i = 0; i < p->step_count; i++) {
        put_edge(s, x, middle, x + (i ? GAP_X : EDGE), middle);
        x += i ? GAP_X : EDGE;
        put_box(s, x, middle - BOX_H / 2, &p->steps[i]);
        x += BOX_W;
    }
    for (size_t i = 0; i < p->destination_count; i++)
        put_destination(s, &p->destinations[i], x, middle,
                        y + TITLE + (int) i * (BOX_H + GAP_Y));
}

/* How much stands between a frame's left edge and its destinations. */
static int
steps_width(const struct graph_pipeline *p)
{
    size_t own = 0;
    int width = EDGE + GAP_X, when = 0;
    for (size_t i = 0; i < p->destination_count; i++) {
        const struct graph_part *d = &p->destinations[i];
        own = d->step_count > own ? d->step_count : own;
        when |= d->when.len != 0;
    }
    if (p->step_count)
        width += EDGE + (int) p->step_count * (BOX_W + GAP_X) - GAP_X;
    return width + (int) own * (BOX_W + GAP_X) + when * WHEN;
}

/* --- the whole --------------------------------------------------------------- */

/* As near as may be to what it feeds, and under the one before. */
static int
source_y(const struct graph *g, size_t source, int least)
{
    int y = EDGE, sum = 0, n = 0;
    for (size_t i = 0; i < g->pipeline_count; i++) {
        const struct graph_pipeline *p = &g->pipelines[i];
        for (size_t k = 0; k < p->from_count; k++)
            if (p->from[k].source == source) {
                sum += pipeline_middle(p, y);
                n++;
            }
        y += pipeline_height(p) + GAP_Y;
    }
    y = n ? sum / n - BOX_H / 2 : least;
    return y < least ? least : y;
}

static void
put_sources(struct svg *s)
{
    const struct graph *g = s->graph;
    int least = EDGE;
    for (size_t i = 0; i < g->source_count; i++) {
        const int at = source_y(g, i, least);
        int y = EDGE;
        put_box(s, EDGE, at, &g->sources[i]);
        for (size_t k = 0; k < g->pipeline_count; k++) {
            const struct graph_pipeline *p = &g->pipelines[k];
            for (size_t n = 0; n < p->from_count; n++) {
                const struct il_text *match = &p->from[n].match;
                if (p->from[n].source != i)
                    continue;
                put_edge(s, EDGE + BOX_W, at + BOX_H / 2, s->frame_x,
                         entry_y(p, y, n));
                put_edge(s, s->frame_x, entry_y(p, y, n), s->frame_x + EDGE,
                         pipeline_middle(p, y));
                put_text(s, s->frame_x - 6, entry_y(p, y, n) - 4, "when",
                         slice_of(match->data, match->len), MATCH_MOST);
            }
            y += pipeline_height(p) + GAP_Y;
        }
        least = at + BOX_H + GAP_Y;
    }
}

static int
picture_height(const struct graph *g)
{
    int right = EDGE, left = EDGE;
    for (size_t i = 0; i < g->pipeline_count; i++)
        right += pipeline_height(&g->pipelines[i]) + GAP_Y;
    for (size_t i = 0; i < g->source_count; i++)
        left = source_y(g, i, left) + BOX_H + GAP_Y;
    return (left > right ? left : right) - GAP_Y + EDGE;
}

static void
put_head(struct svg *s, int width, int height)
{
    put(s,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
        "viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"ingestlayer: sources, "
        "pipelines and destinations\">\n",
        width, height, width, height);
    put(s, "%s",
        "<style>\n"
        "svg { background: #fff; }\n"
        "text { font: 12px sans-serif; fill: #222; }\n"
        "text.name { font-weight: bold; }\n"
        "text.more { fill: #666; font-size: 11px; }\n"
        "text.live { fill: #222; font-size: 11px; }\n"
        "text.when { fill: #666; font-size: 11px; text-anchor: end;\n"
        "  paint-order: stroke; stroke: #fff; stroke-width: 3px; }\n"
        ".box { fill: #fff; stroke: #777; stroke-width: 1.5; }\n"
        ".frame { fill: #f6f6f8; stroke: #bbb; }\n"
        ".edge { fill: none; stroke: #888; }\n"
        ".dot { fill: #888; }\n"
        ".running { stroke: #2e7d32; } .starting { stroke: #1565c0; }\n"
        ".waiting { stroke: #ef6c00; } .fenced { stroke: #c62828; }\n"
        ".paused, .stopped { stroke: #757575; fill: #eee; }\n"
        ".absent { stroke-dasharray: 4 3; }\n"
        "@media (prefers-color-scheme: dark) {\n"
        "svg { background: #1b1c1f; }\n"
        "text, text.live { fill: #eee; }\n"
        "text.more, text.when { fill: #aaa; }\n"
        "text.when { stroke: #1b1c1f; }\n"
        ".box { fill: #26282c; } .frame { fill: #202226; stroke: #444; }\n"
        ".paused, .stopped { fill: #333; }\n"
        "}\n"
        "</style>\n");
}

int
command_graph_svg(struct il_text *out, const struct graph *g)
{
    struct svg s = { .out = out, .graph = g };
    int y = EDGE, inner = 0;
    for (size_t i = 0; i < g->pipeline_count; i++)
        if (steps_width(&g->pipelines[i]) > inner)
            inner = steps_width(&g->pipelines[i]);
    s.frame_x = EDGE + BOX_W + LABELS;
    s.last_x = s.frame_x + inner;
    put_head(&s, s.last_x + BOX_W + 2 * EDGE, picture_height(g));
    for (size_t i = 0; i < g->pipeline_count; i++) {
        put_pipeline(&s, &g->pipelines[i], y);
        y += pipeline_height(&g->pipelines[i]) + GAP_Y;
    }
    put_sources(&s);
    put(&s, "</svg>\n");
    return s.err;
}
