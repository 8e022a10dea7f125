/* SPDX-License-Identifier: MIT */
/* ingestlayer graph in words: for a terminal, and in Graphviz's language.
 *
 * Names and expressions are the operator's, and are escaped for where they go;
 * long ones are cut at a character.  Nodes have names of our own (p0_d1), as two
 * steps may be called alike. */
#include "graph.h"

#include <stdio.h>

/* In one line, whatever they are. */
enum { LABEL_MOST = 40, LINE_MOST = 100 };

/* --- escapes ----------------------------------------------------------------- */

static int
put_byte(struct il_text *out, char c, int kind)
{
    const unsigned char u = (unsigned char) c;
    if (u < 0x20 || u == 0x7f)
        return text_putc(out, ' ');
    if (kind == GRAPH_DOT && (c == '"' || c == '\\'))
        return text_printf(out, "\\%c", c);
    if (kind == GRAPH_XML && c == '&')
        return text_puts(out, "&amp;");
    if (kind == GRAPH_XML && c == '<')
        return text_puts(out, "&lt;");
    if (kind == GRAPH_XML && c == '>')
        return text_puts(out, "&gt;");
    if (kind == GRAPH_XML && c == '"')
        return text_puts(out, "&quot;");
    return text_putc(out, c);
}

int
command_graph_put(struct il_text *out, struct slice s, size_t most, int kind)
{
    size_t n = 0;
    int err = 0;
    for (size_t i = 0; i < s.len && !err; i++) {
        const int begins = ((unsigned char) s.ptr[i] & 0xc0) != 0x80;
        if (begins && ++n > most)
            return text_puts(out, "\xe2\x80\xa6");
        err = put_byte(out, s.ptr[i], kind);
    }
    return err;
}

/* Errors stick. */
struct out {
    struct il_text *text;
    int err;
};

static void put(struct out *o, const char *fmt, ...) IL_PRINTF(2, 3);

static void
put(struct out *o, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (!o->err)
        o->err = text_vprintf(o->text, fmt, ap);
    va_end(ap);
}

static void
put_text(struct out *o, struct slice s, size_t most, int kind)
{
    if (!o->err)
        o->err = command_graph_put(o->text, s, most, kind);
}

static struct slice
about_of(const struct graph_part *part)
{
    return slice_of(part->about.data, part->about.len);
}

/* --- for a terminal ---------------------------------------------------------- */

static void
text_part(struct out *o, const char *what, const struct graph_part *part)
{
    put(o, "%s", what);
    put_text(o, part->name, LINE_MOST, GRAPH_PLAIN);
    if (!slice_equal(part->name, part->plugin)) {
        put(o, " (");
        put_text(o, part->plugin, LINE_MOST, GRAPH_PLAIN);
        put(o, ")");
    }
    if (part->about.len)
        put(o, ": ");
    put_text(o, about_of(part), LINE_MOST, GRAPH_PLAIN);
    if (part->state)
        put(o, "  [%s%s%s]",
            strcmp(part->state, "absent") ? part->state
                                          : "not in the running config",
            *part->live ? " " : "", part->live);
    put(o, "\n");
}

static void
text_destination(struct out *o, const struct graph_part *d)
{
    text_part(o, "  to    ", d);
    if (d->when.len) {
        put(o, "          when ");
        put_text(o, d->when, LINE_MOST, GRAPH_PLAIN);
        put(o, "\n");
    }
    for (size_t i = 0; i < d->step_count; i++)
        text_part(o, "          step ", &d->steps[i]);
}

static void
text_pipeline(struct out *o, const struct graph *g,
              const struct graph_pipeline *p)
{
    put(o, "\n");
    put_text(o, p->name, LINE_MOST, GRAPH_PLAIN);
    if (p->status.len && !slice_equal(p->status, SLICE("active"))) {
        put(o, " (");
        put_text(o, p->status, LINE_MOST, GRAPH_PLAIN);
        put(o, ")");
    }
    put(o, "\n");
    for (size_t i = 0; i < p->from_count; i++) {
        put(o, "  from  ");
        put_text(o, g->sources[p->from[i].source].name, LINE_MOST, GRAPH_PLAIN);
        put(o, ": ");
        put_text(o, slice_of(p->from[i].match.data, p->from[i].match.len),
                 LINE_MOST, GRAPH_PLAIN);
        put(o, "\n");
    }
    for (size_t i = 0; i < p->step_count; i++)
        text_part(o, "  step  ", &p->steps[i]);
    for (size_t i = 0; i < p->destination_count; i++)
        text_destination(o, &p->destinations[i]);
}

int
command_graph_text(struct il_text *out, const struct graph *g)
{
    struct out o = { .text = out };
    for (size_t i = 0; i < g->source_count; i++)
        text_part(&o, "source  ", &g->sources[i]);
    for (size_t i = 0; i < g->pipeline_count; i++)
        text_pipeline(&o, g, &g->pipelines[i]);
    return o.err;
}

/* --- for Graphviz ------------------------------------------------------------ */

static const char *
color_of(const char *state)
{
    static const char *const colors[][2] = {
        { "running", "#2e7d32" }, { "starting", "#1565c0" },
        { "waiting", "#ef6c00" }, { "paused", "#757575" },
        { "fenced", "#c62828" },  { "stopped", "#757575" }
    };
    for (size_t i = 0; state && i < sizeof(colors) / sizeof(colors[0]); i++)
        if (!strcmp(colors[i][0], state))
            return colors[i][1];
    return "#9e9e9e";
}

/* Behind its name, in quotes, which its node is called by. */
static void
dot_node(struct out *o, const struct graph_part *part)
{
    put(o, " [label=\"");
    put_text(o, part->name, LABEL_MOST, GRAPH_DOT);
    if (!slice_equal(part->name, part->plugin)) {
        put(o, "\\n");
        put_text(o, part->plugin, LABEL_MOST, GRAPH_DOT);
    }
    if (part->about.len)
        put(o, "\\n");
    put_text(o, about_of(part), LABEL_MOST, GRAPH_DOT);
    if (part->state)
        put(o, "\\n%s %s", part->state, part->live);
    put(o, "\"");
    if (part->state)
        put(o, ", color=\"%s\"%s", color_of(part->state),
            strcmp(part->state, "absent") ? "" : ", style=dashed");
    put(o, "];\n");
}

static void
dot_edge(struct out *o, const char *from, const char *to, struct slice label)
{
    put(o, "  \"%s\" -> \"%s\"", from, to);
    if (label.len) {
        put(o, " [label=\"");
        put_text(o, label, LABEL_MOST, GRAPH_DOT);
        put(o, "\"]");
    }
    put(o, ";\n");
}

/* Nodes, one behind the other; the last one's name is in last. */
static void
dot_steps(struct out *o, const char *of, const struct graph_part *steps,
          size_t n, struct slice label, char last[64])
{
    for (size_t i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%.32s_%zu", of, i);
        put(o, "    \"%s\"", name);
        dot_node(o, &steps[i]);
        dot_edge(o, last, name, i ? slice_of("", 0) : label);
        snprintf(last, 64, "%s", name);
    }
}

/* A frame with a point where events come in; steps in a row from there, and behind
 * them the destinations, each behind its own steps.  `when` is on the edge that only
 * some events pass. */
static void
dot_pipeline(struct out *o, const struct graph_pipeline *p, size_t number)
{
    char in[32], of[64], last[64];
    snprintf(in, sizeof(in), "p%zu", number);
    put(o, "  subgraph \"cluster_%s\" {\n    label=\"", in);
    put_text(o, p->name, LABEL_MOST, GRAPH_DOT);
    if (!slice_equal(p->status, SLICE("active"))) {
        put(o, " (");
        put_text(o, p->status, LABEL_MOST, GRAPH_DOT);
        put(o, ")");
    }
    put(o, "\";\n    \"%s\" [shape=point];\n", in);
    snprintf(last, sizeof(last), "%s", in);
    snprintf(of, sizeof(of), "%s_s", in);
    dot_steps(o, of, p->steps, p->step_count, slice_of("", 0), last);
    for (size_t i = 0; i < p->destination_count; i++) {
        const struct graph_part *d = &p->destinations[i];
        char name[64], end[64];
        snprintf(name, sizeof(name), "%.16s_d%zu", in, i);
        snprintf(of, sizeof(of), "%.24s_s", name);
        snprintf(end, sizeof(end), "%s", last);
        dot_steps(o, of, d->steps, d->step_count, d->when, end);
        put(o, "    \"%s\"", name);
        dot_node(o, d);
        dot_edge(o, end, name, d->step_count ? slice_of("", 0) : d->when);
    }
    put(o, "  }\n");
    for (size_t i = 0; i < p->from_count; i++) {
        snprintf(of, sizeof(of), "s%zu", p->from[i].source);
        dot_edge(o, of, in,
                 slice_of(p->from[i].match.data, p->from[i].match.len));
    }
}

int
command_graph_dot(struct il_text *out, const struct graph *g)
{
    struct out o = { .text = out };
    put(&o, "digraph ingestlayer {\n"
            "  rankdir=LR;\n"
            "  node [shape=box, fontname=\"sans-serif\"];\n"
            "  edge [fontname=\"sans-serif\", fontsize=10];\n"
            "  graph [fontname=\"sans-serif\"];\n");
    for (size_t i = 0; i < g->source_count; i++) {
        put(&o, "  \"s%zu\"", i);
        dot_node(&o, &g->sources[i]);
    }
    for (size_t i = 0; i < g->pipeline_count; i++)
        dot_pipeline(&o, &g->pipelines[i], i);
    put(&o, "}\n");
    return o.err;
}
