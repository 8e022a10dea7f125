/* SPDX-License-Identifier: MIT */
/* Places are written as references are, but for what nobody may write. */
#include "place.h"

#include "lexis.h"
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(REF_DEPTH_MAX <= BATCH_PARTS_MAX,
               "a path that can be read can be written");

/* With room for so many bytes of keys. */
static struct il_place *
place_new(uint32_t parts, size_t bytes)
{
    struct il_place *p =
        malloc(sizeof *p + parts * sizeof(struct batch_part) + bytes);
    if (p)
        p->count = parts;
    return p;
}

static int
place_of(const struct il_field *field, struct il_place **out)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < field->count; i++)
        bytes += field->parts[i].key ? field->parts[i].len : 0;
    struct il_place *p = place_new(field->count, bytes);
    if (!p)
        return -ENOMEM;
    char *keys = (char *) (p->parts + p->count);
    for (uint32_t i = 0; i < p->count; i++) {
        const struct ref_part *part = &field->parts[i];
        p->parts[i] = (struct batch_part){ NULL, part->len, part->index };
        if (!part->key)
            continue;
        p->parts[i].key = memcpy(keys, part->key, part->len);
        keys += part->len;
    }
    *out = p;
    return 0;
}

/* A reference whose dollar sign was forgotten, and not a field that happens to
 * be called so: that one is written $event.payload.event. */
static int
lost_dollar(const char *text, size_t len)
{
    return (len >= 6 && !memcmp(text, "event.", 6))
           || (len >= 7 && !memcmp(text, "entity.", 7));
}

int
place_parse(const char *text, size_t len, struct il_place **out,
            struct lang_error *error)
{
    struct il_field *field;
    *out = NULL;
    if (lost_dollar(text, len))
        return lang_fail(error, 0,
                         "a reference begins with $, as in $%.*s; a field of "
                         "the payload of this name is $event.payload.%.*s",
                         len < 60 ? (int) len : 60, text,
                         len < 60 ? (int) len : 60, text);
    int err = ref_parse(text, len, REF_BARE, &field, error);
    if (err)
        return err;
    if (field->root == ROOT_ENTITY)
        err = lang_fail(error, 0,
                        "entities and results of steps cannot be written here, "
                        "only fields of the payload, as in "
                        "$event.payload.user_id");
    else if (field->root != ROOT_PAYLOAD)
        err = lang_fail(error, 0,
                        "this field of the event stays as its sender was told; "
                        "what can be written is in $event.payload");
    else if (!field->count)
        err = lang_fail(error, len,
                        "expected a field of the payload, as in "
                        "$event.payload.user_id");
    else
        err = place_of(field, out);
    ref_free(field);
    return err;
}

int
place_named(const char *name, struct il_place **out)
{
    size_t len = strlen(name);
    struct il_place *p = place_new(1, len);
    *out = p;
    if (!p)
        return -ENOMEM;
    p->parts[0] =
        (struct batch_part){ memcpy(p->parts + 1, name, len), len, 0 };
    return 0;
}

void
place_free(struct il_place *p)
{
    free(p);
}
