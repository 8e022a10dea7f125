/* SPDX-License-Identifier: MIT */
/* `ingestlayer emit` asks the running daemon through its control socket, which
 * only the operator can open: no key, the same gate. */
#include "private.h"

#include <errno.h>
#include <string.h>

/* Of one control request; the command sends as many as it takes. */
#define EMIT_MAX_EVENTS 10000

static struct gate_source *
next_source(struct gate_source *s)
{
    while (s && s->retired)
        s = s->next;
    return s;
}

/* With the gate's lock. */
static struct gate_source *
find_source(struct gate *g, const char *name, struct il_text *reply)
{
    struct gate_source *first = next_source(g->sources);
    struct gate_source *s = next_source(g->sources);
    if (*name)
        while (s && strcmp(s->name, name))
            s = next_source(s->next);
    else if (s && next_source(s->next))
        s = NULL;
    if (s)
        return s;
    if (!first)
        text_puts(reply, "error the config has no source\n");
    else if (*name)
        text_printf(reply, "error there is no source \"%.100s\"", name);
    else
        text_puts(reply, "error there are several sources; give --source");
    if (!first)
        return NULL;
    text_puts(reply, "; known:");
    for (; first; first = next_source(first->next))
        text_printf(reply, " %s", first->name);
    text_puts(reply, "\n");
    return NULL;
}

/* The same, so that it stays until gate_source_leave(). */
static struct gate_source *
enter_source(struct gate *g, const char *name, struct il_text *reply)
{
    pthread_mutex_lock(&g->lock);
    struct gate_source *s = find_source(g, name, reply);
    int err = s ? gate_source_enter(s) : 0;
    pthread_mutex_unlock(&g->lock);
    if (err)
        text_puts(reply, "error the daemon is stopping\n");
    return err ? NULL : s;
}

static int
put_item(struct il_text *reply, const struct gate_batch *b, uint32_t i)
{
    const struct gate_item *item = &b->items[i];
    if (item->state != ITEM_REFUSED) {
        struct slice id = gate_item_id(b, item);
        return text_printf(reply, "%s %.*s\n",
                           item->state == ITEM_NEW ? "accepted" : "duplicate",
                           (int) id.len, id.ptr);
    }
    if (!item->problems)
        return text_printf(reply, "rejected %s event: refused\n",
                           gate_code_name[item->code]);
    const struct gate_problem *p = &b->problems[item->problem];
    const char *path = b->texts.data + p->path;
    return text_printf(reply, "rejected %s %s: %s\n",
                       gate_code_name[item->code], *path ? path : "event",
                       b->texts.data + p->message);
}

static int
put_items(struct il_text *reply, const struct gate_batch *b)
{
    int err = 0;
    for (uint32_t i = 0; i < b->count && !err; i++)
        err = put_item(reply, b, i);
    return err;
}

static int
commit_and_wait(struct gate_batch *b)
{
    struct gate_ticket t;
    int err = gate_commit(b);
    if (err)
        return err;
    spool_push(b->gate->options.spool);
    gate_ticket_fill(b, &t);
    err = gate_wait(b->gate, &t);
    gate_ticket_done(&t, err ? err : 1);
    return err;
}

static void
emit(struct gate_batch *b, int lines, struct slice body,
     struct il_text *reply)
{
    int err = gate_parse(b, body, lines, EMIT_MAX_EVENTS);
    if (err == -EINVAL) {
        gate_keep_body(b->source, NULL, b->code, b->message, body);
        text_printf(reply, "error %s\n", b->message);
        return;
    }
    if (!err && b->refused < b->count)
        err = commit_and_wait(b);
    if (!err) {
        gate_keep_refused(b);
        err = put_items(reply, b);
    }
    if (err) {
        reply->len = 0;
        text_printf(reply, "error the events cannot be stored now: %s\n",
                    strerror(-err));
    }
}

void
gate_control(void *arg, const char *line, struct slice body,
             struct il_text *reply)
{
    struct gate *g = arg;
    int lines = !strncmp(line, "lines", 5);
    const char *name = strchr(line, ' ');
    struct gate_source *s = enter_source(g, name ? name + 1 : "", reply);
    if (!s)
        return;
    struct gate_batch *b = gate_batch_take(g, s);
    if (b) {
        metric_add(s->bytes, body.len);
        b->unlimited = 1;
        emit(b, lines, body, reply);
        gate_batch_give(b);
    } else {
        text_puts(reply, "error no memory\n");
    }
    gate_source_leave(s);
}
