/* SPDX-License-Identifier: MIT */
/* The function table: places, and what steps do with events. */
#include "private.h"

#include "instance.h"
#include "base/api.h"
#include "base/wtf8.h"
#include "lang/place.h"

#include <errno.h>
#include <string.h>

#define ID_MAX 256 /* bytes of an entity's id, as the store has it */

/* --- places --------------------------------------------------------------- */

/* What is wrong at an offset of a text that itself stands at `at` of the
 * option, or (-1) came from it somehow.  conf NULL: nobody is told. */
static int
place_finding(const struct il_conf *conf, const char *key, size_t i, int64_t at,
              int err, const struct lang_error *error)
{
    if (!conf)
        return err;
    if (err == -EINVAL)
        option_error_at(conf, key, i,
                        at < 0 ? -1 : (long) (at + (int64_t) error->offset),
                        "%s", error->message);
    else if (err)
        option_error(conf, key, i, "%s", strerror(-err));
    return err;
}

static int
api_place_parse(const struct il_host *h, const struct il_conf *conf,
                const char *key, size_t i, int64_t offset, const char *text,
                size_t len, struct il_place **out)
{
    struct lang_error error = { 0 };
    (void) h;
    return place_finding(conf, key, i, offset,
                         place_parse(text, len, out, &error), &error);
}

static int
api_place_from(const struct il_host *h, const struct il_conf *conf,
               const char *key, size_t i, struct il_place **out)
{
    const char *text = option_str(conf, key, i);
    *out = NULL;
    return text ? api_place_parse(h, conf, key, i, 0, text, strlen(text), out)
                : 0;
}

static int
api_place_named(const struct il_host *h, const char *name,
                struct il_place **out)
{
    (void) h;
    return place_named(name, out);
}

/* --- editing -------------------------------------------------------------- */

static int
api_drop(struct il_batch *b, uint32_t i)
{
    if (!plugin_edits(b, i))
        return plugin_cannot_edit(b, i, "il_drop");
    batch_drop(b, i);
    return 0;
}

static int
api_set(struct il_batch *b, uint32_t i, const struct il_place *place,
        const struct il_value *value)
{
    if (!plugin_edits(b, i))
        return plugin_cannot_edit(b, i, "il_set");
    return batch_set(b, i, place->parts, place->count, value);
}

static int
api_remove(struct il_batch *b, uint32_t i, const struct il_place *place)
{
    if (!plugin_edits(b, i))
        return plugin_cannot_edit(b, i, "il_remove");
    return batch_remove(b, i, place->parts, place->count);
}

static int
api_set_payload(struct il_batch *b, uint32_t i, int encoding, const void *bytes,
                size_t len)
{
    if (!plugin_edits(b, i))
        return plugin_cannot_edit(b, i, "il_set_payload");
    return batch_set_payload(b, i, encoding, bytes, len);
}

static int
api_entity_attach(struct il_batch *b, uint32_t i, const struct il_kind *kind,
                  const struct il_value *traits)
{
    if (!plugin_edits(b, i))
        return plugin_cannot_edit(b, i, "il_entity_attach");
    return batch_attach(b, i, kind, traits);
}

/* 1 to 256 bytes of UTF-8 without NUL: what the store has room for. */
static int
names_entity(const struct il_upsert *u)
{
    return u->kind && u->id && u->id_len && u->id_len <= ID_MAX && u->traits
           && !memchr(u->id, 0, u->id_len) && wtf8_valid(u->id, u->id_len);
}

static int
api_entity_upsert(struct il_batch *b, uint32_t i,
                  const struct il_upsert *theirs)
{
    struct il_upsert u;
    if (!plugin_edits(b, i))
        return plugin_cannot_edit(b, i, "il_entity_upsert");
    if (api_copy(&u, sizeof(u), theirs, API_UPSERT_1_0)) {
        instance_fault(b->instance,
                       "il_entity_upsert() with a struct_size that there is "
                       "not");
        return -EINVAL;
    }
    if (!names_entity(&u))
        return -EINVAL;
    return batch_upsert(b, i, u.kind, slice_of(u.id, u.id_len),
                        (int) u.encoding, slice_of(u.traits, u.traits_len));
}

static int
api_derives(const struct il_host *h, const char *type)
{
    struct il_host *own = (struct il_host *) (uintptr_t) h;
    const size_t most = sizeof(own->derives) / sizeof(*own->derives);
    if (h->plugin->desc.kind != IL_STEP || h->derives_count == most) {
        instance_fault(h, "il_derives() %s",
                       h->derives_count ? "of too many types" : "is for steps");
        return -EINVAL;
    }
    own->derives[own->derives_count++] = type;
    return 0;
}

static int
api_derive(struct il_batch *b, uint32_t i, const struct il_event *theirs)
{
    struct il_event e;
    if (!plugin_edits(b, i))
        return plugin_cannot_edit(b, i, "il_derive");
    if (api_copy(&e, sizeof(e), theirs, API_EVENT_1_0)) {
        instance_fault(b->instance,
                       "il_derive() with a struct_size that there is not");
        return -EINVAL;
    }
    return batch_derive(b, i, &e);
}

/* There is no store: nothing to make ready. */
static void
api_entity_hint(struct il_batch *b, const struct il_kind *kind, const char *id,
                size_t len)
{
    (void) b;
    (void) kind;
    (void) id;
    (void) len;
}

void
plugin_fill_edit_api(struct il_api *api)
{
    api->place_from = api_place_from;
    api->place_parse = api_place_parse;
    api->place_named = api_place_named;
    api->place_free = place_free;
    api->drop = api_drop;
    api->set = api_set;
    api->remove = api_remove;
    api->set_payload = api_set_payload;
    api->entity_attach = api_entity_attach;
    api->entity_hint = api_entity_hint;
    api->entity_upsert = api_entity_upsert;
    api->derives = api_derives;
    api->derive = api_derive;
}
