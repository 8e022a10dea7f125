/* SPDX-License-Identifier: MIT */
/* `ingestlayer emit` asks the running daemon through its control socket, which
 * only the operator can open: no key, the same gate. */
#include "private.h"

#include "codec/json_out.h"

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
        text_puts(reply, "the config has no source");
    else if (*name)
        text_printf(reply, "there is no source \"%.200s\"", name);
    else
        text_puts(reply, "there are several sources; give --source");
    if (!first)
        return NULL;
    text_puts(reply, "; known:");
    for (; first; first = next_source(first->next))
        text_printf(reply, " %s", first->name);
    return NULL;
}

/* The same, so that it stays until gate_source_leave(). */
static struct gate_source *
enter_source(struct gate *g, const char *name, struct il_text *reply,
             const char **code)
{
    *code = "unknown_source";
    pthread_mutex_lock(&g->lock);
    struct gate_source *s = find_source(g, name, reply);
    int err = s ? gate_source_enter(s) : 0;
    pthread_mutex_unlock(&g->lock);
    if (!err)
        return s;
    *code = "not_now";
    text_puts(reply, "the source is stopping");
    return NULL;
}

static void
put_refused(struct json_out *o, const struct gate_batch *b,
            const struct gate_item *item)
{
    const struct gate_problem *p = &b->problems[item->problem];
    const int why = item->problems > 0;
    json_out_name(o, "status", "rejected");
    json_out_str(o, "code", gate_code_name[item->code]);
    json_out_str(o, "path", why ? b->texts.data + p->path : "");
    json_out_str(o, "message", why ? b->texts.data + p->message : "refused");
}

static int
put_item(struct il_text *reply, const struct gate_batch *b, uint32_t i)
{
    const struct gate_item *item = &b->items[i];
    struct json_out o;
    json_out_begin(&o, reply);
    json_out_object(&o, NULL);
    if (item->state == ITEM_REFUSED) {
        put_refused(&o, b, item);
    } else {
        json_out_name(&o, "status",
                      item->state == ITEM_NEW ? "accepted" : "duplicate");
        json_out_slice(&o, "id", gate_item_id(b, item));
    }
    json_out_end(&o);
    int err = json_out_done(&o);
    return err ? err : text_putc(reply, '\n');
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

static int
emit(struct gate_batch *b, int lines, struct slice body, struct il_text *reply,
     const char **code)
{
    int err = gate_parse(b, body, lines, EMIT_MAX_EVENTS);
    if (err == -EINVAL) {
        gate_keep_body(b->source, NULL, b->code, b->message, body);
        text_puts(reply, b->message);
        *code = gate_code_name[b->code];
        return 400;
    }
    if (!err && b->refused < b->count)
        err = commit_and_wait(b);
    if (!err) {
        gate_keep_refused(b);
        err = put_items(reply, b);
    }
    if (!err)
        return 200;
    reply->len = 0;
    if (err == -EMSGSIZE) {
        text_puts(reply, "the spool does not take so much in one piece: send "
                         "fewer events at a time");
        *code = "batch_too_large";
        return 413;
    }
    text_printf(reply, "the events cannot be stored now: %s", strerror(-err));
    *code = "not_now";
    return 503;
}

static int
try(struct gate_batch *b, struct slice body)
{
    int err = gate_parse(b, body, 0, EMIT_MAX_EVENTS);
    if (err == -EINVAL) {
        gate_keep_body(b->source, NULL, b->code, b->message, body);
        return 0;
    }
    if (!err && b->refused < b->count)
        err = commit_and_wait(b);
    if (!err)
        gate_keep_refused(b);
    return err;
}

int
gate_try(struct gate *g, const char *source, struct slice body, int *status,
         struct il_text *answer, uint64_t *position)
{
    struct gate_source *s = g->sources;
    for (; s && strcmp(s->name, source); s = s->next)
        continue;
    struct gate_batch *b = s ? gate_batch_take(g, s) : NULL;
    if (!b)
        return s ? -ENOMEM : -ENOENT;
    b->unlimited = 1;
    int err = try(b, body);
    if (!err)
        err = gate_answer(answer, b, status);
    *position = b->accepted ? b->position : 0;
    gate_batch_give(b);
    return err;
}

int
gate_control(struct gate *g, const char *source, int lines, struct slice body,
             struct il_text *reply, const char **code)
{
    struct gate_source *s = enter_source(g, source, reply, code);
    if (!s)
        return 404;
    struct gate_batch *b = gate_batch_take(g, s);
    int status = 503;
    if (b) {
        metric_add(s->bytes, body.len);
        b->unlimited = 1;
        status = emit(b, lines, body, reply, code);
        gate_batch_give(b);
    } else {
        text_puts(reply, "no memory");
        *code = "no_memory";
    }
    gate_source_leave(s);
    return status;
}
