/* SPDX-License-Identifier: MIT */
/* Events against what is declared of them: their types, their payloads, and
 * the keys that declarations find in payloads. */
#include "private.h"

#include "base/nearest.h"
#include "conf/conf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void
tell(void *arg, const char *path, const char *rule, const char *message)
{
    gate_problem(arg, GATE_SCHEMA, path, rule, "%s", message);
}

static int
undeclared(struct gate_batch *b, const struct schema *schema)
{
    const char *names[256], *near;
    char word[EVENT_TYPE_MAX + 1] = "";
    size_t n = schema_count(schema);
    struct slice type = b->event.ev.type;
    for (size_t i = 0; i < n && i < 256; i++)
        names[i] = schema_at(schema, i)->type;
    memcpy(word, type.ptr, type.len);
    near = nearest_name(word, names, n < 256 ? n : 256);
    return gate_problem(b, GATE_UNDECLARED, "type", "declared",
                        near ? "\"%s\" is not declared; did you mean \"%s\"?"
                             : "\"%s\" is not declared",
                        word, near);
}

/* --- keys in payloads ----------------------------------------------------- */

static int
refuse_key(struct gate_batch *b, const char *message)
{
    struct il_text path = { 0 };
    const struct il_field *key = b->declared->key;
    int err = text_puts(&path, "payload.");
    if (!err)
        err = ref_path(&path, key, ref_parts(key), NULL);
    if (!err)
        err = gate_problem(b, GATE_SCHEMA, text_str(&path), "key",
                           "is the idempotency key of the event and %s",
                           message);
    text_clear(&path);
    return err;
}

/* The digits of a number, as it was sent; texts are as they are. */
static struct slice
key_text(const struct il_value *v, char digits[24])
{
    if (v->type == IL_INT)
        return slice_of(digits, (size_t) snprintf(digits, 24, "%" PRId64,
                                                  v->num.i));
    if (v->type == IL_UINT)
        return slice_of(digits, (size_t) snprintf(digits, 24, "%" PRIu64,
                                                  v->num.u));
    return slice_of(v->str, v->len);
}

/* The payload has been checked: what is there has a type that makes a key.  It
 * counts before the sender's own: clients make one up for each event, and who
 * declares a key knows better which events are the same.  Nothing is lost by
 * that to a client that repeats a request, as the payload is the same.  Without
 * the field the sender's own key counts. */
static int
take_key(struct gate_batch *b, struct slice payload)
{
    struct gate_event *e = &b->event;
    const struct batch_event view = { .ev = { .payload = payload } };
    struct il_value v;
    char digits[24], wrong[80];
    const char *flaw;
    if (!ref_get(b->declared->key, &view, &v) || v.type == IL_NULL)
        return 0;
    struct slice key = key_text(&v, digits);
    if (key.len < 1 || key.len > GATE_TEXT_MAX) {
        snprintf(wrong, sizeof(wrong), "must be 1 to %d bytes long, not %zu",
                 GATE_TEXT_MAX, key.len);
        return refuse_key(b, wrong);
    }
    if ((flaw = gate_text_flaw(key)))
        return refuse_key(b, flaw);
    /* the payload may move */
    memcpy(e->copy[FIELD_KEY], key.ptr, key.len);
    e->ev.key = slice_of(e->copy[FIELD_KEY], key.len);
    e->late = 1;
    /* the same goes for an id, where that says which events are the same */
    if (b->source->ids_of_keys)
        e->ev.id = slice_of(NULL, 0);
    return 0;
}

int
gate_check_declared(struct gate_batch *b, struct gate_item *item,
                    struct slice payload)
{
    const struct schema *schema = b->source->schema;
    struct slice type = b->event.ev.type;
    if (!schema_count(schema))
        return 0;
    if (!b->declared || b->declared->type_len != type.len
        || !bytes_same(b->declared->type, type.ptr, type.len))
        b->declared = schema_find(schema, type);
    if (!b->declared)
        return b->source->undeclared ? 0 : undeclared(b, schema);
    if (schema_check(b->declared, payload, tell, b))
        return 0;
    if (b->declared->window_us)
        item->window = (uint16_t) (b->declared->number + 1);
    if (b->declared->key)
        return take_key(b, payload);
    return 0;
}
