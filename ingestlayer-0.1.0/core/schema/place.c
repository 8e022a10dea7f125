/* SPDX-License-Identifier: MIT */
/* Where a reference leads to in a declaration. */
#include "schema.h"

#include "base/nearest.h"
#include "conf/conf.h"
#include "lang/ref.h"

#include <errno.h>

/* One part further down from a node.  SCHEMA_NAMED: *node has moved. */
static int
step(const struct schema_node **node, const struct ref_part *part,
     struct schema_place *out)
{
    const struct schema_node *from = *node;
    if (part->key && from->type == SCHEMA_OBJECT && !from->object)
        return SCHEMA_FREE;
    if (!part->key && from->type == SCHEMA_ARRAY && !from->items)
        return SCHEMA_FREE;
    if (!part->key && from->type == SCHEMA_ARRAY) {
        *node = from->items;
        out->required = 0;
        return SCHEMA_NAMED;
    }
    out->level = part->key && from->type == SCHEMA_OBJECT ? from->object
                                                          : NULL;
    return SCHEMA_NEVER;
}

static int
step_field(const struct schema_object *object, const struct ref_part *part,
           struct schema_place *out)
{
    int64_t i = part->key
                    ? nameset_find(&object->names, part->key, part->len)
                    : -1;
    if (i < 0) {
        out->level = part->key ? object : NULL;
        return part->key && object->allow_unknown ? SCHEMA_FREE : SCHEMA_NEVER;
    }
    const struct schema_field *field = &object->fields[i];
    out->node = &field->node;
    if (!field->required || field->node.nullable)
        out->required = 0;
    return SCHEMA_NAMED;
}

int
schema_place(const struct schema_event *event, const struct il_field *field,
             struct schema_place *out)
{
    const struct schema_object *object = &event->object;
    int what = SCHEMA_FREE;
    *out = (struct schema_place){ .required = 1 };
    if (!ref_in_payload(field))
        return SCHEMA_FREE;
    for (out->at = 0; out->at < ref_parts(field); out->at++) {
        const struct ref_part *part = ref_part_at(field, out->at);
        what = object && part->key ? step_field(object, part, out)
               : object            ? SCHEMA_NEVER
                                   : step(&out->node, part, out);
        if (what != SCHEMA_NAMED)
            break;
        object = out->node->type == SCHEMA_OBJECT ? out->node->object : NULL;
    }
    if (what != SCHEMA_NAMED)
        out->node = NULL;
    return what;
}

int
schema_suggest(const struct il_field *field, const struct schema_place *place,
               struct il_text *out)
{
    const char *names[SCHEMA_FIELDS_MAX];
    struct il_text word = { 0 };
    size_t n = 0;
    if (!place->level)
        return 0;
    for (; n < place->level->names.count; n++)
        names[n] = place->level->names.names[n].ptr;
    const struct ref_part *part = ref_part_at(field, place->at);
    int err = text_put(&word, part->key, part->len);
    const char *near = err ? NULL : nearest_name(text_str(&word), names, n);
    if (near)
        err = ref_path(out, field, place->at, near);
    text_clear(&word);
    return err;
}
