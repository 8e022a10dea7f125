/* SPDX-License-Identifier: MIT */
/* The test host: what is known of users, accounts, ... */
#include <config.h>

#include "private.h"
#include "base/api.h"
#include "codec/json.h"
#include "store/entity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct known_entity *
testhost_known(struct testhost *t, const char *kind, const char *id, size_t len)
{
    struct known_entity *e = t->entities;
    while (e
           && (strcmp(e->kind, kind) != 0 || strlen(e->id) != len
               || memcmp(e->id, id, len) != 0))
        e = e->next;
    return e;
}

void
testhost_known_view(const struct known_entity *e, struct entity *out)
{
    const char *p = e->traits.data;
    msg_head(&p, p + e->traits.len, &out->traits);
    out->stored = slice_of(e->traits.data, e->traits.len);
    out->owners = e->owners.len ? (const uint8_t *) e->owners.data : NULL;
}

/* Where the traits end in what is stored, and where they begin. */
static struct slice
stored_traits(struct slice stored)
{
    struct il_value map = { 0 };
    if ((unsigned char) *stored.ptr != 0xC1)
        return stored;
    const char *p = stored.ptr + 1;
    msg_head(&p, stored.ptr + stored.len, &map);
    return slice_of(stored.ptr + 1, stored.len - 1 - map.count);
}

static struct slice
stored_owners(struct slice stored)
{
    struct slice traits = stored_traits(stored);
    const char *end = traits.ptr + traits.len;
    return slice_of(end, (size_t) (stored.ptr + stored.len - end));
}

int
testhost_known_same(const struct known_entity *e, struct slice stored)
{
    return slice_equal(slice_of(e->traits.data, e->traits.len),
                       stored_traits(stored))
           && slice_equal(slice_of(e->owners.data, e->owners.len),
                          stored_owners(stored));
}

int
testhost_known_put(struct testhost *t, const char *kind, const char *id,
                   size_t len, struct slice stored)
{
    struct slice traits = stored_traits(stored), owners = stored_owners(stored);
    struct known_entity *e = testhost_known(t, kind, id, len);
    if (!e) {
        e = calloc(1, sizeof(*e));
        if (!e)
            return -ENOMEM;
        e->kind = strdup(kind);
        e->id = strndup(id, len);
        e->next = t->entities;
        t->entities = e;
    }
    e->traits.len = e->owners.len = 0;
    int err = text_put(&e->traits, traits.ptr, traits.len);
    return err ? err : text_put(&e->owners, owners.ptr, owners.len);
}

static void
known_free(struct known_entity *e)
{
    text_clear(&e->traits);
    text_clear(&e->owners);
    free(e->kind);
    free(e->id);
    free(e);
}

void
testhost_known_remove(struct testhost *t, struct known_entity *e)
{
    struct known_entity **at = &t->entities;
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    known_free(e);
}

int
testhost_merge(struct testhost *t, const char *kind, const char *id, size_t len,
               struct slice traits, int64_t seen_us)
{
    struct known_entity *e = testhost_known(t, kind, id, len);
    const int fresh = !e;
    struct entity_merge work = { 0 };
    struct il_text out = { 0 };
    struct entity old = { 0 };
    if (e)
        testhost_known_view(e, &old);
    int err =
        entity_merge_owned(&work, e ? &old : NULL, traits, 0, 0, &out, NULL);
    entity_merge_clear(&work);
    if (!err)
        err = testhost_known_put(t, kind, id, len, slice_of(out.data, out.len));
    text_clear(&out);
    e = err ? NULL : testhost_known(t, kind, id, len);
    if (e && fresh)
        e->first_seen_us = seen_us;
    if (e && seen_us > e->last_seen_us)
        e->last_seen_us = seen_us;
    return err;
}

int
testhost_entity(struct testhost *t, const char *kind, const char *id,
                const char *traits)
{
    struct il_text packed = { 0 };
    struct json_error error;
    int err = json_to_msgpack(traits, strlen(traits), &packed, &error);
    if (!err)
        err = testhost_merge(t, kind, id, strlen(id),
                             slice_of(packed.data, packed.len),
                             testhost_now_us(t));
    text_clear(&packed);
    return err;
}

static int
view(const struct known_entity *e, struct il_value *traits)
{
    const char *p = e->traits.data;
    return msg_value(&p, e->traits.data + e->traits.len, traits);
}

const char *
testhost_entity_get(struct testhost *t, const char *kind, const char *id)
{
    struct il_value v;
    struct known_entity *e = testhost_known(t, kind, id, strlen(id));
    return e && !view(e, &v) ? testhost_show(t, SHOW_ENTITY, &v) : NULL;
}

void
testhost_fail_entities(struct testhost *t, int err)
{
    pthread_mutex_lock(&t->lock);
    t->entity_error = err;
    pthread_mutex_unlock(&t->lock);
}

static int
api_entity_find(struct il_batch *b, const struct il_kind *kind, const char *id,
                size_t len, struct il_entity *out)
{
    const struct flight *f = b->lane;
    struct testhost *t = f->t;
    if (atomic_load(&f->phase) != PHASE_STEP) {
        testhost_violate(t, "il_entity_find() outside of process()");
        return -EPERM;
    }
    if (testhost_alloc_fails(t))
        return -ENOMEM;
    pthread_mutex_lock(&t->lock);
    struct known_entity *e = testhost_known(t, kind->name, id, len);
    int found = t->entity_error;
    if (!found)
        found = e && !view(e, &out->traits);
    if (found == 1) {
        out->first_seen_us = e->first_seen_us;
        out->last_seen_us = e->last_seen_us;
    }
    pthread_mutex_unlock(&t->lock);
    return found;
}

static int
api_entity_put(const struct il_host *h, const struct il_kind *kind,
               const char *id, size_t len, int encoding, const void *traits,
               size_t traits_len, int64_t seen_us)
{
    struct testhost *t = testhost_of(h);
    struct il_text packed = { 0 };
    struct json_error error;
    if (testhost_alloc_fails(t))
        return -ENOMEM;
    int err = encoding == IL_JSON
                  ? json_to_msgpack(traits, traits_len, &packed, &error)
                  : text_put(&packed, traits, traits_len);
    pthread_mutex_lock(&t->lock);
    if (!err)
        err = t->entity_error;
    if (!err)
        err = testhost_merge(t, kind->name, id, len,
                             slice_of(packed.data, packed.len), seen_us);
    pthread_mutex_unlock(&t->lock);
    text_clear(&packed);
    return err;
}

/* The batch has passed: what it tells of entities is known from now on. */
int
testhost_told(struct testhost *t, struct il_batch *b)
{
    const struct batch_upsert *u = b->upserts_put ? NULL : b->upserts;
    int err = 0;
    pthread_mutex_lock(&t->lock);
    for (; u && !err; u = u->next)
        err = testhost_merge(t, u->kind->name, u->id.ptr, u->id.len, u->traits,
                             u->seen_us);
    pthread_mutex_unlock(&t->lock);
    b->upserts_put = 1;
    return err;
}

static int
api_entity_upsert(struct il_batch *b, uint32_t i, const struct il_upsert *u)
{
    const struct flight *f = b->lane;
    if (atomic_load(&f->phase) != PHASE_STEP || !batch_in_step(b)) {
        testhost_violate(f->t, "il_entity_upsert() outside of process()");
        return -EPERM;
    }
    if (i >= b->count) {
        testhost_violate(f->t,
                         "il_entity_upsert() of event %u in a batch of %u", i,
                         b->count);
        return -EINVAL;
    }
    if (u->struct_size < API_UPSERT_1_0) {
        testhost_violate(f->t, "il_entity_upsert() without struct_size");
        return -EINVAL;
    }
    return testhost_alloc_fails(f->t) ? -ENOMEM
                                      : testhost_plain.entity_upsert(b, i, u);
}

void
testhost_fill_entities(struct il_api *api)
{
    api->entity_upsert = api_entity_upsert;
    api->entity_find = api_entity_find;
    api->entity_put = api_entity_put;
}

void
testhost_free_entities(struct testhost *t)
{
    while (t->entities) {
        struct known_entity *e = t->entities;
        t->entities = e->next;
        known_free(e);
    }
}
