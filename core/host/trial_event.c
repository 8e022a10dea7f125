/* SPDX-License-Identifier: MIT */
/* What goes into the daemon of a test, and what is found in it in the end. */
#include "trial_private.h"

#include "codec/json.h"

#include <errno.h>
#include <string.h>

int
trial_fail(struct trial *t, const char *fmt, ...)
{
    struct il_text text = { 0 };
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&text, fmt, ap);
    va_end(ap);
    if (!t->result->error)
        t->result->error =
            conf_strndup(t->result->memory, text_str(&text), text.len);
    text_clear(&text);
    return -EINVAL;
}

/* --- events --------------------------------------------------------------------- */

static void
put_body(const struct trial_given *g, struct il_text *body)
{
    struct json_out o;
    json_out_begin(&o, body);
    json_out_object(&o, NULL);
    json_out_str(&o, "type", g->type);
    if (g->id)
        json_out_str(&o, "id", g->id);
    if (g->key)
        json_out_str(&o, "idempotencyKey", g->key);
    if (g->timestamp)
        json_out_str(&o, "timestamp", g->timestamp);
    if (g->payload)
        json_out_raw(&o, "payload", slice_of(g->payload, strlen(g->payload)));
    json_out_end(&o);
}

static const char *
text_member(struct conf *memory, const struct il_value *map, const char *key)
{
    struct il_value v;
    return msg_find(map, key, strlen(key), &v) && v.type == IL_STRING
               ? conf_strndup(memory, v.str, v.len)
               : NULL;
}

/* {"data":{"events":[{"id","status"}]}} or {"error":{"code"}} */
static void
read_answer(struct trial *t, struct il_text *json, struct trial_answer *a)
{
    struct conf *memory = t->result->memory;
    struct il_text packed = { 0 };
    struct json_error error;
    struct il_value all, v, events;
    a->text = conf_strndup(memory, text_str(json), json->len);
    if (!json_to_msgpack(json->data, json->len, &packed, &error)) {
        const char *p = packed.data;
        if (!msg_value(&p, packed.data + packed.len, &all)
            && msg_find(&all, "error", 5, &v))
            a->code = text_member(memory, &v, "code");
        else if (msg_find(&all, "data", 4, &v)
                 && msg_find(&v, "events", 6, &events)
                 && msg_at(&events, 0, &v)) {
            a->id = text_member(memory, &v, "id");
            const char *status = text_member(memory, &v, "status");
            a->duplicate = status && strcmp(status, "duplicate") == 0;
        }
    }
    text_clear(&packed);
}

int
trial_give(struct trial *t, const struct trial_given *g, struct trial_answer *a)
{
    struct il_text body = { 0 }, answer = { 0 };
    put_body(g, &body);
    int err = gate_try(t->host->gate, g->source ? g->source : "",
                       slice_of(body.data, body.len), &a->status, &answer,
                       &a->position);
    if (err == -ENOENT)
        trial_fail(t, "there is no source \"%s\" in the config",
                   g->source ? g->source : "");
    else if (err)
        trial_fail(t, "the event cannot be taken in: %s", strerror(-err));
    else
        read_answer(t, &answer, a);
    text_clear(&body);
    text_clear(&answer);
    return err;
}

/* --- what is left ---------------------------------------------------------------- */

static uint32_t
lane_number(const struct trial *t, const char *name)
{
    uint32_t i = 0;
    while (i < t->result->lane_count
           && strcmp(t->result->lanes[i].name, name) != 0)
        i++;
    return i;
}

static int
note_letter(void *arg, const struct dead_letter *letter)
{
    struct trial *t = arg;
    const char *message = letter->reason.message;
    if (letter->due_us || strncmp(letter->lane, "gate/", 5) == 0)
        return 0;
    trial_note(&t->watch,
               &(struct trial_sight){
                   .what = TRIAL_LETTER,
                   .lane = lane_number(t, letter->lane),
                   .position = letter->origin.position ? letter->origin.position
                                                       : letter->position,
                   .name = letter->reason.code,
                   .text = message,
                   .text_len = message ? strlen(message) : 0 });
    return 0;
}

static int
note_parked_letter(void *arg, const char *lane, const struct parked_letter *l)
{
    struct trial *t = arg;
    trial_note(&t->watch,
               &(struct trial_sight){
                   .what = TRIAL_LETTER,
                   .lane = lane_number(t, lane),
                   .position = l->position,
                   .name = l->code,
                   .text = l->message,
                   .text_len = l->message ? strlen(l->message) : 0 });
    return 0;
}

void
trial_note_letters(struct trial *t)
{
    int err = dead_each(t->host->dead, NULL, note_letter, t);
    if (!err && t->host->parked)
        err = parked_walk_letters(t->host->parked, NULL, note_parked_letter, t);
    if (err)
        trial_fail(t, "the dead letters cannot be read: %s", strerror(-err));
}

static const char *
look_up(struct trial *t, const char *name)
{
    const char *slash = strchr(name, '/');
    struct il_text text = { 0 }, json = { 0 };
    struct entity e;
    const char *traits = NULL;
    int found =
        entity_get(t->host->entities, slice_of(name, (size_t) (slash - name)),
                   slice_of(slash + 1, strlen(slash + 1)), &text, &e);
    if (found == 1 && json_write(&json, &e.traits, 0) >= 0)
        traits = conf_strndup(t->result->memory, text_str(&json), json.len);
    else if (found < 0)
        trial_fail(t, "the entities cannot be read: %s", strerror(-found));
    text_clear(&text);
    text_clear(&json);
    return traits;
}

void
trial_note_entities(struct trial *t)
{
    for (size_t i = 0; i < t->test->expect_count; i++)
        if (t->test->expect[i].kind == TRIAL_ENTITY)
            t->result->entities[i] = look_up(t, t->test->expect[i].name);
}
